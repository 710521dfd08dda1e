"""Least-squares fits of every rank up to one too many on noisy labels: what they leave over,
and which ranks a χ² test rejects [shapiro2021].
"""

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.chapters.noise.fits import fitted_factor, noisy_problems, residual_sum, spectral_factor
from algoreg.ensembles import gaussian, rank_one
from algoreg.numerics.problems import draw_factors, spectrum_target
from algoreg.numerics.theory import degrees_of_freedom
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    measurements: Several[Literal["gaussian", "rank_one"]] = Field(["gaussian"])
    d: int = Field(ge=2)
    rank: PositiveInt
    m: PositiveInt
    label_noise: PositiveFloat
    level: float = Field(0.05, gt=0, lt=1)
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if self.rank >= self.d:
            raise misfit(self, "rank below d", "rank", "d")
        # The naive count of degrees of freedom, m − d(r + 1), is the smallest that a test here has.
        if self.m < (self.rank + 1) * self.d + 5:
            raise misfit(self, "m of at least d(r + 1) + 5: a χ² test needs degrees of freedom", "m", "d", "rank")
        return self


KEYS = {
    "measurements": "`gaussian`, or `rank_one`, xᵢxᵢᵀ: a network with quadratic activations",
    "d": None,
    "rank": None,
    "m": None,
    "fitted_rank": "rank k of the fit",
    "start": "`spectral`, from (1/m) Σ yᵢAᵢ, or `planted`, from X* (rank r alone)",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "label_noise": "standard deviation σ of the noise over the labels' root mean square",
    "statistic": "RSS/σ², RSS the sum of squares that the fit leaves",
    "freedom": "m − dim, dim = kd − k(k−1)/2: the degrees of freedom of χ²",
    "over_freedom": ("RSS/σ² less m − dim, over dim", "(`statistic` − `freedom`)/dim"),
    "over_naive": ("RSS/σ² less m − dk, over dim", "(`statistic` − (m − dk))/dim: a factor's entries counted"),
    "rejected": ("rejection with m − dim degrees of freedom", "1 where the test with `freedom` rejects rank k, else 0"),
    "rejected_naive": (
        "rejection with m − dk",
        "1 where the test with m − dk degrees of freedom rejects rank k, else 0",
    ),
}

DRAWN = {"gaussian": gaussian.Ensemble, "rank_one": rank_one.Ensemble}


def measure(options, context, number, measurements):
    """Return one row per kind of measurements, fitted rank 1 to r + 1, start,
    target and ensemble; noise is drawn for each pair.
    """
    d, rank = options["d"], options["rank"]
    ensemble = DRAWN[measurements].draw(d, options["m"], context.seed, number, "cpu", context.dtype)
    factors = draw_factors(spectrum_target(rank, 1), d, rank, context, options["targets"]).cpu()
    shared = {"measurements": measurements, "ensemble": number, **{key: options[key] for key in ("d", "rank", "m")}}
    rows = []
    for target, problem in enumerate(noisy_problems(ensemble, factors, options["label_noise"], context.seed)):
        matrices, labels = problem.matrices, problem.labels
        starts = {(k, "spectral"): spectral_factor(matrices, labels, k) for k in range(1, rank + 2)}
        starts[rank, "planted"] = problem.factor
        for (k, start), factor in starts.items():
            u, converged = fitted_factor(matrices, labels, factor)
            values = _tested(residual_sum(problem, u @ u.T) / problem.sigma**2, options, k)
            keys = {"target": target, "fitted_rank": k, "start": start}
            rows.append(shared | keys | values | {"status": "converged" if converged else "budget"})
    return rows


def _tested(statistic, options, k):
    """Return a statistic of rank k."""
    from scipy.special import chdtri

    d, m, level = options["d"], options["m"], options["level"]
    dimension = degrees_of_freedom(d, k)
    return {
        "label_noise": options["label_noise"],
        "statistic": statistic,
        "freedom": m - dimension,
        "over_freedom": (statistic - (m - dimension)) / dimension,
        "over_naive": (statistic - (m - d * k)) / dimension,
        # chdtri is the value above which χ² lies with this probability.
        "rejected": int(statistic > chdtri(m - dimension, level)),
        "rejected_naive": int(statistic > chdtri(m - d * k, level)),
    }
