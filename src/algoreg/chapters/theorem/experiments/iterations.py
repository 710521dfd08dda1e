"""How many iterations factored descent needs until its error falls below a tolerance, by rank, κ, α and step rule."""

import math
from itertools import product
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.factored import Algorithm
from algoreg.chapters.li2018 import theorem_11_constant, theorem_11_window
from algoreg.chapters.theorem.runs import count_of, ensembles_of, initial_factors
from algoreg.engine.observers import FirstBelow
from algoreg.numerics.isometry_bounds import isometry_bounds, largest_stable_step
from algoreg.numerics.problems import draw_factors, spectrum_target
from algoreg.settings.base import ExperimentOptions, Several, misfit, refuse_too_large


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: Several[PositiveInt]
    kappa: Several[Annotated[float, Field(ge=1)]] = Field([1])
    alpha: Several[PositiveFloat]
    rule: Several[
        Literal[
            "constant",
            "inverse_root_rank",
            "inverse_rank",
            "inverse_kappa",
            "inverse_kappa_cubed",
            "inverse_log",
            "largest",
        ]
    ] = Field(["constant"])
    step: PositiveFloat
    m_over_dr: PositiveFloat
    tolerance: PositiveFloat
    relative_to: Literal["frobenius", "sigma_r"]
    iterations: PositiveInt
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if min(self.rank) == 1 and max(self.kappa) > 1:
            raise misfit(self, "kappas of 1 alone where a rank is 1", "rank", "kappa")
        if len(self.rank) * len(self.kappa) * len(self.alpha) < 3:
            raise misfit(
                self, "at least three ranks, kappas or alphas: an exponent needs them", "rank", "kappa", "alpha"
            )
        if max(self.alpha) >= self.d:
            raise misfit(self, "alphas below d", "alpha", "d")
        refuse_too_large(self, self.d, self.m_over_dr * self.d * max(self.rank), gram=True)
        return self


# The options that list the values of columns.
AXES = {"log_d_over_alpha": "alpha"}
KEYS = {
    "d": None,
    "rank": None,
    "kappa": None,
    "alpha": None,
    "start": "U₀: `identity`, αI",
    "rule": "how η follows from the option `step`: as it is, over √r, r, κ, κ³ or log(d/α)/log d, or 0.9 of the largest stable η",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "m": None,
    "log_d_over_alpha": ("log(d/α)", "log(d/α), natural"),
    "step": None,
    "iterations": (
        "the iterations to the tolerance",
        "iterations until the error is below the tolerance, interpolated (empty if not reached)",
    ),
    "over_bound": (
        "the iterations over the theorem's κ log(d/α)/η",
        "`iterations` / (κ log(d/α)/c), c the option `step`: Theorem 1.1's T with its constant 1",
    ),
    "delta_low": "lower end of the bracket of δ of rank 4r",
    "delta_up": "its upper end, ‖G − I‖ (empty for m below d(d+1)/2)",
    "least_constant": "least c for which Theorem 1.1's hypothesis holds, at `delta_up` or else at `delta_low`",
}

# Of the largest step at which X* is stable: the curvature along the way is not that at its end.
LARGEST_SHARE = 0.9


def step_of(rule, step, d, rank, kappa, alpha):
    """Return η of a rule that needs only the problem's size and its start; None for the largest stable one."""
    return {
        "constant": step,
        "inverse_root_rank": step / rank**0.5,
        "inverse_rank": step / rank,
        "inverse_kappa": step / kappa,
        "inverse_kappa_cubed": step / kappa**3,
        # The step itself at α = 1.
        "inverse_log": step * math.log(d) / math.log(d / alpha),
        "largest": None,
    }[rule]


class BelowScale(FirstBelow):
    """When the error of every run first falls below its own scale, each iteration looked at; ``times`` has one column.

    Parameters
    ----------
    scales : torch.Tensor, shape (B,)
    """

    stride = 1

    def __init__(self, scales):
        super().__init__([1.0])
        self.scales = scales

    def errors(self, snapshot):
        """Return the distance to X* over the scale."""
        scales = self.scales[torch.from_numpy(snapshot.active).to(self.scales.device)]
        return (snapshot.distance / scales).cpu().double().numpy()


def _cells(options):
    """Return all runs of an ensemble, without what belongs to the ensemble."""
    d, names = options["d"], ("rank", "kappa", "alpha", "rule", "target")
    axes = [sorted(options["rank"], reverse=True), *(options[axis] for axis in ("kappa", "alpha", "rule"))]
    cells = [dict(zip(names, values, strict=True)) for values in product(*axes, range(options["targets"]))]
    for cell in cells:
        cell["start"] = "identity"
        cell["m"] = count_of(options["m_over_dr"], d, cell["rank"])
        cell["step"] = step_of(cell["rule"], options["step"], d, *(cell[key] for key in ("rank", "kappa", "alpha")))
    return cells


def measure(options, context, number):
    """Return one row per rank, κ, α, step rule, target and ensemble:
    the iterations until the error is below a tolerance.

    The error is ‖UUᵀ − X*‖_F over ``tolerance`` times ‖X*‖_F or σ_r(X*), and the time is interpolated between
    iterations. Targets have eigenvalues from 1 to 1/κ in equal ratios; m = ``m_over_dr``·dr. A run that does not get
    there within ``iterations`` has the status budget and no value. ``over_bound`` is that time over κ log(d/α)/c, c the
    option ``step``: a rule whose steps are smaller pays for it. ``delta_low`` and ``delta_up`` bracket δ_4r where they
    can, and ``least_constant`` is the smallest c with which the hypothesis of Theorem 1.1 holds for the run (at least
    that where only ``delta_low`` is known).
    """
    d, seed, cells, rows = options["d"], context.seed, _cells(options), []
    factors = {
        (rank, kappa): draw_factors(spectrum_target(rank, kappa), d, rank, context, options["targets"])
        for rank, kappa in product(options["rank"], options["kappa"])
    }
    for ensemble, counts in ensembles_of(d, [cell["m"] for cell in cells], context, number):
        runs = [dict(cell) for cell in cells if cell["m"] in counts]
        planted = [factors[run["rank"], run["kappa"]][run["target"]] for run in runs]
        _give_largest_steps(ensemble, runs, planted, options, seed)
        times, statuses = _follow(context, ensemble, runs, planted, options)
        bounds = {rank: isometry_bounds(ensemble, m, rank, seed) for rank, m in {(r["rank"], r["m"]) for r in runs}}
        for run, time, status in zip(runs, times, statuses, strict=True):
            rows.append(_row(run, time, status, bounds[run["rank"]], options) | {"ensemble": number})
    return rows


def _row(run, time, status, bounds, options):
    """Return the row of a run but for its ensemble."""
    d, (low, high) = options["d"], bounds
    bound, _ = theorem_11_window(d, run["kappa"], run["alpha"], options["step"])
    sizes = [run[key] for key in ("rank", "kappa", "alpha", "step")]
    return run | {
        "d": d,
        "log_d_over_alpha": float(np.log(d / run["alpha"])),
        "iterations": time,
        "over_bound": None if time is None else time / bound,
        "delta_low": low,
        "delta_up": high,
        "least_constant": theorem_11_constant(d, *sizes, low if high is None else high),
        "status": status,
    }


def _give_largest_steps(ensemble, runs, planted, options, seed):
    """Give the runs of the rule ``largest`` their step."""
    largest = [i for i, run in enumerate(runs) if run["step"] is None]
    if not largest:
        return
    wide = torch.zeros(len(largest), options["d"], max(options["rank"])).to(planted[0])
    for place, i in enumerate(largest):
        wide[place, :, : runs[i]["rank"]] = planted[i]
    known = ensemble.shared_by([runs[i]["m"] for i in largest])
    for i, step in zip(largest, largest_stable_step(known, wide, seed).tolist(), strict=True):
        runs[i]["step"] = LARGEST_SHARE * step


def _follow(context, ensemble, runs, planted, options):
    """Return the time, None where it is not reached, and the status of each run."""
    goals = torch.stack([factor @ factor.T for factor in planted])
    if options["relative_to"] == "sigma_r":
        scales = torch.tensor([1 / run["kappa"] for run in runs]).to(goals)
    else:
        scales = torch.linalg.matrix_norm(goals)
    seen = BelowScale(options["tolerance"] * scales)
    budgeted = [{**run, "iterations": options["iterations"]} for run in runs]
    start = initial_factors(runs, planted, context.seed)
    descent = context.run(ensemble, Algorithm, budgeted, goals, [seen], start=start)
    return [None if np.isnan(time) else time for (time,) in seen.memory["times"].tolist()], descent.status
