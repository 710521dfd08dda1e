"""What positivity alone identifies: projected descent from 0, and factored descent from a large start, by measurement ensemble."""

import math

import torch

from algoreg.algorithms.projected import project
from algoreg.ensembles import gaussian, rank_one
from algoreg.numerics.diagnostics import test_error
from algoreg.numerics.measurements import Measurements
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.theory import psd_statistical_dimension
from algoreg.spec.base import StudyOptions, between, real, reals, whole


class Options(StudyOptions):
    """What the study can be told."""

    d: int = whole(ge=2)
    rank: int = whole()
    m_over_d: list[float] = reals(gt=0)
    targets: int = whole(ge=2)
    iterations: int = whole()
    alpha: float = real(gt=0)
    time: float = real(gt=0, said="a number above 0: η·t of factored descent")

    def wrong(self):
        """Yield what does not fit together."""
        if self.rank > self.d:
            yield between("rank", "d", allowed="rank at most d")


KEYS = {
    "measurements": "measurement matrices: `rank-one`, xxᵀ, or `gaussian`",
    "method": "`projected`, accelerated projected descent from 0, or `factored`, descent from αI",
    "d": None,
    "rank": None,
    "m": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "alpha": None,
    "train_error": None,
    "test_error": None,
    "psd_dimension": "D(d) − D(d−r)/2, D(n) = n(n+1)/2: the Gaussian m from which positivity alone gives X*",
}
POWER_STEPS = 100


def largest_curvature(ensemble):
    """Return the largest eigenvalue of X ↦ (1/m) Σ ⟨A_i, X⟩ A_i, by power iteration from the identity."""
    matrix = torch.eye(ensemble.d, device=ensemble.device, dtype=ensemble.dtype)[None]
    nothing = matrix.new_zeros(1, ensemble.m)
    for _ in range(POWER_STEPS):
        matrix = ensemble.gradient(matrix, nothing)
        size = torch.linalg.matrix_norm(matrix)
        matrix = matrix / size
    return float(size)


def projected_limit(ensemble, labels, iterations):
    """Return X after accelerated projected descent from 0: X ← P(Y − M(Y)/L), Y a step on from the last two X (FISTA).

    With measurements xxᵀ the trace has d/2 times the curvature of everything else; without the momentum the descent would
    need as many times more iterations.

    Parameters
    ----------
    ensemble : object with ``gradient``
    labels : torch.Tensor, shape (B, m)
    iterations : int

    Returns
    -------
    torch.Tensor, shape (B, d, d)
    """
    # The power iteration comes from below.
    step = 1 / (1.05 * largest_curvature(ensemble))
    current = labels.new_zeros(len(labels), ensemble.d, ensemble.d)
    ahead = current
    for k in range(iterations):
        following = project(ahead - step * ensemble.gradient(ahead, labels))
        ahead = following + k / (k + 3) * (following - current)
        current = following
    return current


def factored_limit(ensemble, labels, alpha, time):
    """Return UUᵀ after factored descent from αI until η·t = ``time``, at a step that is stable from there."""
    factors = alpha * torch.eye(ensemble.d, device=ensemble.device, dtype=ensemble.dtype).repeat(len(labels), 1, 1)
    step = 0.5 / max(alpha**2 * largest_curvature(ensemble), 5.0)
    for _ in range(math.ceil(time / step)):
        # Through M, for both ensembles alike.
        factors = factors - step * Measurements.factored_gradient(ensemble, factors, labels)
    return factors @ factors.mT


def measure(options, context):
    """Return one row per measurement ensemble, method, m, target and ensemble number: errors at the end.

    ``psd_dimension`` is the number of Gaussian measurements from which positivity alone identifies X*.
    """
    d, rank = options["d"], options["rank"]
    targets = range(options["targets"])
    spectrum = {"kind": "spectrum", "eigenvalues": [1.0] * rank}
    drawn = [draw_factor(spectrum, d, rank, context.seed, target) for target in targets]
    planted = torch.stack([torch.from_numpy(u @ u.T) for u in drawn]).to(context.device, context.dtype)
    for number in context.ensembles:
        for name, kind in (("rank-one", rank_one.Ensemble), ("gaussian", gaussian.Ensemble)):
            for ratio in options["m_over_d"]:
                m = max(round(ratio * d), 1)
                ensemble = kind.draw(d, m, context.seed, number, context.device, context.dtype)
                labels = ensemble.label(planted)
                found = {
                    "projected": projected_limit(ensemble, labels, options["iterations"]),
                    "factored": factored_limit(ensemble, labels, options["alpha"], options["time"]),
                }
                for method, estimate in found.items():
                    train, test = ensemble.train_error(estimate, labels), test_error(estimate, planted)
                    for target in targets:
                        good = math.isfinite(float(test[target]))
                        yield {
                            "measurements": name,
                            "method": method,
                            "d": d,
                            "rank": rank,
                            "m": m,
                            "target": target,
                            "ensemble": number,
                            "alpha": options["alpha"] if method == "factored" else math.nan,
                            "train_error": float(train[target]) if good else math.nan,
                            "test_error": float(test[target]) if good else math.nan,
                            "psd_dimension": psd_statistical_dimension(d, rank),
                            "status": "budget" if good else "diverged",
                        }
        context.say(f"ensemble {number} done")
