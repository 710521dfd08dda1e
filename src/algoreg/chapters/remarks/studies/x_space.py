"""Gradient descent on X itself from 0 fits the measurements and recovers nothing that they do not say."""

import torch

from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.diagnostics import test_error
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.theory import symmetric_dimension
from algoreg.spec.base import StudyOptions, between, whole, wholes


class Options(StudyOptions):
    """What the study can be told."""

    d: int = whole(ge=2)
    rank: int = whole()
    m: list[int] = wholes()
    targets: int = whole(ge=2)
    iterations: int = whole()

    def wrong(self):
        """Yield what does not fit together."""
        if self.rank > self.d:
            yield between("rank", "d", allowed="rank at most d")


KEYS = {"d": None, "rank": None, "m": None, "target": None, "ensemble": None}
VALUES = {
    "m_over_dimension": ("m/D", "m/D, D = d(d+1)/2 the dimension of the symmetric matrices"),
    "train_error": None,
    "test_error": None,
    "predicted_error": ("√(1 − m/D)", "√(1 − m/D), the mean `test_error` in the limit (0 for m ≥ D)"),
}
# A training error below which the fit is taken as reached: what is left moves the test error by less than that.
FITTED = 1e-4


def measure(options, context):
    """Return one row per m, target and ensemble: the errors of X after ``iterations`` steps X ← X − ηM from X = 0.

    The step is 1/λ_max of AᵀA/m. The limit is the projection of X* on the span of the measurements, at relative
    error √(1 − m/D) in the mean, D = d(d+1)/2.
    """
    d, rank, targets = options["d"], options["rank"], range(options["targets"])
    factors = [draw_factor({"kind": "columns"}, d, rank, context.seed, target) for target in targets]
    planted = torch.stack([torch.from_numpy(u @ u.T) for u in factors]).to(context.device, context.dtype)
    for number in context.ensembles:
        whole = Ensemble.draw(d, max(options["m"]), context.seed, number, context.device, context.dtype)
        for m in options["m"]:
            known = Ensemble(whole.rows[:m], d)
            labels = known.label(planted)
            step = m / torch.linalg.matrix_norm(known.rows, 2) ** 2
            iterate = torch.zeros_like(planted)
            for _ in range(options["iterations"]):
                iterate -= step * known.gradient(iterate, labels)
            train, test = known.train_error(iterate, labels), test_error(iterate, planted)
            predicted = max(1 - m / symmetric_dimension(d), 0.0) ** 0.5
            for target in targets:
                fitted = float(train[target])
                status = "converged" if fitted < FITTED else "budget" if fitted < float("inf") else "diverged"
                yield {
                    "d": d,
                    "rank": rank,
                    "m": m,
                    "target": target,
                    "ensemble": number,
                    "m_over_dimension": m / symmetric_dimension(d),
                    "train_error": fitted,
                    "test_error": float(test[target]),
                    "predicted_error": predicted,
                    "status": status,
                }
        context.say(f"ensemble {number}: {len(options['m'])} sizes done")
