"""The plateau of a descent on noisy labels: how many degrees of freedom it has used there,
when it leaves it, and what says when.
"""

import math

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.chapters.noise.descents import descended, drawn
from algoreg.numerics.theory import degrees_of_freedom
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    m: PositiveInt
    label_noise: PositiveFloat
    alpha: Several[PositiveFloat]
    step: PositiveFloat
    time: PositiveFloat
    look: PositiveFloat = 1.0
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if self.rank >= self.d:
            raise misfit(self, "rank below d", "rank", "d")
        if self.m < self.rank * self.d:
            raise misfit(self, "m of at least dr, as a factor of rank r is fitted", "m", "d", "rank")
        return self


KEYS = {
    "d": None,
    "rank": None,
    "m": None,
    "label_noise": "standard deviation of the labels' Gaussian noise over the labels' root mean square",
    "alpha": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "plateau": (
        "the time at which RSS changes least",
        "η·t at which RSS changes least from one look to the next, once it is below a tenth of Σyᵢ² and before `left`; empty if "
        "there is none",
    ),
    "degrees": (
        "the degrees of freedom used on the plateau over rd − r(r−1)/2",
        "(‖ε‖² − RSS)/σ² over rd − r(r−1)/2, at `plateau`",
    ),
    "left": (
        "the time at which the plateau is left",
        "first η·t after its nearest point at which ‖X − X̂_r‖_F is above half of ‖X̂_r − X*‖_F; empty if never",
    ),
    "predicted": (
        "the predicted time",
        "log(1/α)·(1/ν_r + (1 − ν_{r+1}/ν_r)/λ): ν_k the k-th eigenvalue of (1/m) Σ yᵢAᵢ, λ the largest one of −M at X̂_r "
        "on the kernel of X̂_r",
    ),
    "predicted_by_rate": ("the time by the rate alone", "log(1/α)/λ"),
    "closest": "‖X − X̂_r‖_F / ‖X̂_r − X*‖_F at its smallest",
}

# The signal is fitted once RSS is below this part of the labels' own sum of squares.
FITTED = 0.1
# A run has left X̂_r where it is this far from it, in units of X̂_r's own error.
LEFT = 0.5


def rates(problem, fit, rank):
    """Return the rates at which directions grow that X* does not have: ν_r and ν_{r+1} at X = 0, and λ at X̂_r.

    From αI the first steps multiply U by I + ηN, N = (1/m) Σ y_iA_i with the eigenvalues ν_1 ≥ ν_2 ≥ …; at X̂_r, where
    M·X̂_r = 0, a direction of its kernel grows by −M alone.

    Parameters
    ----------
    problem : algoreg.chapters.noise.fits.NoisyProblem
    fit : numpy.ndarray, shape (d, d)
        X̂_r.
    rank : int
        r, below d.
    """
    matrices, labels = problem.matrices, problem.labels
    residuals = labels - np.tensordot(matrices, fit, 2)
    pulls = np.linalg.eigvalsh(np.tensordot(labels, matrices, 1) / len(labels))[::-1]
    kernel = np.linalg.eigh(fit)[1][:, :-rank]
    onward = kernel.T @ np.tensordot(residuals, matrices, 1) @ kernel / len(labels)
    return pulls[rank - 1], pulls[rank], np.linalg.eigvalsh(onward)[-1]


def measure(options, context, number):
    """Return one row per α, target and ensemble."""
    rank, step = options["rank"], options["step"]
    ensemble, fitted = drawn(options, context, number, options["label_noise"], excess=(0,))
    runs, seen, statuses = descended(options, context, ensemble, fitted)
    times = step * np.array(seen.iterations)
    growth = [rates(one.problem, one.fits[0], rank) for one in fitted]
    shared = {key: options[key] for key in ("d", "rank", "m", "label_noise")} | {"ensemble": number}
    rows = []
    for place, ((alpha, target), status) in enumerate(zip(runs, statuses, strict=True)):
        slowest, next_one, rate = growth[target]
        wait = math.log(1 / alpha)
        values = {
            **_plateau(seen, place, times, fitted[target].problem, degrees_of_freedom(options["d"], rank)),
            "predicted": wait * (1 / slowest + (1 - next_one / slowest) / rate),
            "predicted_by_rate": wait / rate,
        }
        kept = {name: float(value) if math.isfinite(value) else None for name, value in values.items()}
        rows.append(shared | {"alpha": alpha, "target": target, **kept, "status": status})
    return rows


def _plateau(seen, place, times, problem, dimension):
    """Return the measures of a run's plateau, from its snapshots."""
    residuals, distances = seen.memory["residuals"][:, place], seen.memory["distances"][:, place, 0]
    if not np.isfinite(distances).all():
        return dict.fromkeys(("plateau", "degrees", "left", "closest"), math.nan)
    nearest = int(np.argmin(distances))
    later = np.flatnonzero((distances > LEFT) & (np.arange(len(times)) > nearest))
    staying = np.arange(1, len(times)) < (later[0] if len(later) else len(times))
    fits = staying & (residuals[:-1] < FITTED * np.sum(problem.labels**2))
    flattest = int(np.argmin(np.where(fits, np.abs(np.diff(residuals)), np.inf)))
    used = (np.sum(problem.noise**2) - residuals[flattest]) / problem.sigma**2
    return {
        "plateau": times[flattest] if fits.any() else math.nan,
        "degrees": used / dimension if fits.any() else math.nan,
        "left": times[later[0]] if len(later) else math.nan,
        "closest": distances[nearest],
    }
