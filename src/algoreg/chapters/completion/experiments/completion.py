"""Matrix completion by products of factors, beside the least nuclear norm with the known entries [arora2019]."""

from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.chapters.completion.convex import least_nuclear_norm
from algoreg.chapters.completion.factors import Factors, Fitted, draw_target
from algoreg.chapters.completion.words import LEAST
from algoreg.ensembles.entries_rectangular import Ensemble
from algoreg.numerics.diagnostics import effective_rank
from algoreg.numerics.problems import stacked
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    m_over_dof: Several[PositiveFloat]
    method: Several[Literal["nuclear", "depth_2", "depth_3"]]
    start: Several[Annotated[float, Field(gt=0, le=0.1)]]
    step: float = Field(0.4, gt=0, le=0.5)
    iterations: int = Field(ge=100)
    tolerance: float = Field(3e-4, gt=0, lt=0.1)
    targets: PositiveInt

    @model_validator(mode="after")
    def _fits_together(self):
        if max(self.m_over_dof) * self.rank * (2 * self.d - self.rank) >= self.d**2:
            raise misfit(self, "m below d²: all entries known leave nothing to complete", "m_over_dof", "rank", "d")
        return self


KEYS = {
    "method": ("the method", "`nuclear`, the least nuclear norm, or `depth_N`, a product of N factors"),
    "m_over_dof": ("m over the degrees of freedom", "known entries over the degrees of freedom r(2d − r)"),
    "start": ("the start s₀", "size of the start: X₀ is s₀ times a product of Gaussian matrices (0: none)"),
    "target": None,
    "ensemble": "the number of the choice of known entries",
}
VALUES = {
    "d": None,
    "rank": None,
    "m": "known entries",
    "mse": ("the mean squared error", "‖X − X*‖²_F/d², where X*'s entries have mean square 1; at least 10⁻¹²"),
    "nuclear_norm": ("the nuclear norm over that of X*", "‖X‖_*/‖X*‖_*"),
    "effective_rank": ("the effective rank", "exp(entropy) of the normalised singular values"),
    "train_error": None,
    "iterations": "steps that the run took; of `nuclear` those until X and Y were first 10⁻⁷ apart, at most 2000",
}
# The splitting's γ, its largest number of steps, and the gap at which it has converged.
THRESHOLD, MOST, GAP = 0.2, 2000, 1e-7


def measure(options, context, number, method):
    """Return one row per method, m, start, target and ensemble: the end of a run, or the convex programme's solution.

    X* = UVᵀ with Gaussian U and V. The known entries of a smaller m are among those of a larger one. A descent is
    ``converged`` if its relative training error falls below ``tolerance``; the convex programme's splitting is if X and
    Y are 10⁻⁷ apart.
    """
    d, rank, count = (options[key] for key in ("d", "rank", "targets"))
    sizes = {round(ratio * rank * (2 * d - rank)): ratio for ratio in options["m_over_dof"]}
    ensemble = context.draw(Ensemble, d, max(sizes), number)
    goals = stacked((draw_target(d, rank, context.seed, target) for target in range(count)), context)
    starts = [0.0] if method == "nuclear" else options["start"]
    places = [(m, start, target) for m in sizes for start in starts for target in range(count)]
    planted = goals[[target for *_, target in places]]
    solve = _convex if method == "nuclear" else _factored
    estimates, ends = solve(options, context, ensemble, method, places, planted)
    norms = torch.linalg.svdvals(estimates)
    of_goals = torch.linalg.svdvals(planted).sum(1)
    errors = (estimates - planted).square().mean(dim=(1, 2)).clamp(min=LEAST)
    return [
        {"method": method, "m_over_dof": sizes[m], "start": start, "target": target, "ensemble": number}
        | {"d": d, "rank": rank, "m": m, "mse": error, "nuclear_norm": norm, "effective_rank": own}
        | dict(zip(("train_error", "iterations", "status"), end, strict=True))
        for (m, start, target), error, norm, own, end in zip(
            places,
            errors.tolist(),
            (norms.sum(1) / of_goals).tolist(),
            effective_rank(norms).tolist(),
            ends,
            strict=True,
        )
    ]


def _factored(options, context, ensemble, method, places, planted):
    """Return the final estimates of descents with their training errors, numbers of steps and statuses."""
    shared = {"depth": int(method.removeprefix("depth_")), "begin": "gaussian", "step": options["step"]}
    runs = [
        {"m": m, "size": start, "target": target, "iterations": options["iterations"], **shared}
        for m, start, target in places
    ]
    seen = Fitted(options["tolerance"])
    status = context.run(ensemble, Factors, runs, planted, [seen]).status
    memory = seen.memory
    return memory["estimates"], list(zip(memory["errors"].tolist(), memory["ended"].tolist(), status, strict=True))


def _convex(options, context, ensemble, method, places, planted):
    """Return the matrices of least nuclear norm; see :func:`_factored`."""
    known = torch.zeros_like(planted, dtype=torch.bool)
    for mask, (m, *_) in zip(known, places, strict=True):
        mask[tuple(ensemble.positions[:m].T)] = True
    estimates, gaps, steps = least_nuclear_norm(known, planted, THRESHOLD, MOST, GAP)
    return estimates, [
        (0.0, taken, "converged" if gap < GAP else "budget") for gap, taken in zip(gaps, steps, strict=True)
    ]
