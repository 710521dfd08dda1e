"""Phase retrieval from spectral, random and coherent starts: how long each of two stages takes,
and what is met on the way.
"""

import math
from itertools import product
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import factored
from algoreg.chapters.phase_retrieval.vectors import GROWTH, SPECTRAL_SCALE, Stages, Vectors, planted, starts_of
from algoreg.numerics.problems import target_numbers
from algoreg.settings.base import DrawnTargets, Several, misfit


class Options(DrawnTargets):
    """Options of the experiment."""

    d: Several[Annotated[int, Field(ge=3)]]
    # Not `ratio` beside m: m of d log d is what the theorems ask for, m of d what their figures have.
    m_of: Literal["d", "d log d"] = "d"
    m_ratio: Several[PositiveFloat]
    start: Several[Literal["spectral", "random", "coherent"]]
    size: PositiveFloat = 1.0
    push: PositiveFloat = 0.3
    rule: Several[Literal["constant", "falling"]] = Field(["constant"])
    step: PositiveFloat = 0.1
    iterations: PositiveInt
    incoherence: bool = False

    @model_validator(mode="after")
    def _fits_together(self):
        if "coherent" in self.start and self.targets > min(self.m_ratio) * min(self.d):
            raise misfit(self, "targets of at most m: each has a measurement of its own", "targets", "m_ratio", "d")
        if "coherent" in self.start and self.own_targets:
            raise misfit(self, "own_targets: true without coherent starts", "start", "own_targets")
        return self


KEYS = {
    "d": None,
    "m_ratio": ("m over d or d log d", "m over what `m_of` of the experiment's options says: d, or d log d"),
    "start": (
        "the start",
        "`random`: iid N(0, s²/d), s the option `size`; `spectral`: √(λ₁/3)·v₁ of (1/m) Σ yᵢaᵢaᵢᵀ; `coherent`: x* + p·a/‖a‖, "
        "a of the measurement whose number is the target's, p the option `push`",
    ),
    "rule": ("the step rule", "`constant`: η at every d; `falling`: η ∝ 1/d, and the same at the smallest d"),
    "target": None,
    "ensemble": None,
}
# What a run does not come to is empty: it has diverged, or spent its iterations before.
VALUES = {
    "m": None,
    "step": None,
    "stage_one": ("the first stage's iterations", "iterations to ‖x ∓ x*‖ ≤ 0.1"),
    "to_end": ("the iterations to 10⁻⁵", "iterations to ‖x ∓ x*‖ ≤ 10⁻⁵, where a run stops"),
    "stage_two": ("the second stage's iterations", "`to_end` less `stage_one`"),
    "arrived": ("the share of starts that arrive", "1 where `to_end` is there, else 0"),
    "lost": ("the share of starts that diverge", "1 where the run diverged, else 0"),
    "growth": (
        "the signal's growth a step",
        "growth a step of log(|xᵀx*| / ‖x − (xᵀx*)x*‖), steps 5 to 25, over log(1 + 2η)",
    ),
    "incoherence": (
        "the start's own incoherence",
        "max_i |aᵢᵀ(x ∓ x*)| / (√log d ‖x ∓ x*‖) at the start, if the experiment looks at it",
    ),
    "largest_incoherence": ("the largest incoherence of the run", "the largest `incoherence` of all steps"),
}


def _count(options, ratio, d):
    """Return m."""
    return round(ratio * d * (math.log(d) if options["m_of"] == "d log d" else 1))


def _run(options, name, d):
    """Return a run of the engine's."""
    ratio, start, rule, target = name
    step = options["step"] * (min(options["d"]) / d if rule == "falling" else 1)
    # As many steps as reach the same time.
    last = round(options["iterations"] * options["step"] / step)
    kind, alpha = ("spectral", SPECTRAL_SCALE) if start == "spectral" else ("gaussian", options["size"])
    return {
        "m": _count(options, ratio, d),
        "width": 1,
        "alpha": alpha,
        "target": target,
        "start": "coherent" if start == "coherent" else kind,
        "step": step,
        "iterations": last,
    }


def measure(options, context, number, d):
    """Return one row per d, m, start, step rule, target and ensemble [chen2019, ma2020]; their n is d here.

    Descents are the product's, of width 1: their gradient is the paper's, (1/m) Σ ((aᵢᵀx)² − yᵢ)(aᵢᵀx)aᵢ = Mx.
    """
    numbers = target_numbers(options, number)
    names = list(product(options["m_ratio"], options["start"], options["rule"], numbers))
    runs = [_run(options, name, d) for name in names]
    ensemble = context.draw(Vectors, d, max(run["m"] for run in runs), number)
    stars = planted(d, context, len(numbers), numbers[0])[[run["target"] - numbers[0] for run in runs]]
    labels = (stars @ ensemble.vectors.mT).square()
    state = _started(options, context, ensemble, runs, labels, stars)
    seen = Stages(stars, options["incoherence"])
    targets = stars[:, :, None] * stars[:, None, :]
    statuses = context.run(ensemble, factored.Algorithm, runs, targets, [seen], labels=labels, start=state).status
    rows = []
    for place, ((ratio, start, rule, target), run, status) in enumerate(zip(names, runs, statuses, strict=True)):
        own = {"d": d, "m_ratio": ratio, "start": start, "rule": rule, "target": target, "ensemble": number}
        rows.append(own | _values({name: column[place] for name, column in seen.memory.items()}, run, status))
    return rows


def _started(options, context, ensemble, runs, labels, stars):
    """Return the starts of all runs; runs of one m see the same measurements."""
    factors = torch.zeros(len(runs), ensemble.d, 1).to(labels)
    for m in {run["m"] for run in runs}:
        places = [place for place, run in enumerate(runs) if run["m"] == m]
        seen = ensemble.shared_by([m] * len(places))
        chosen = [runs[place] for place in places]
        own = starts_of(chosen, seen, labels[places], stars[places], context.seed, options["push"])
        factors[places] = own["factor"]
    return {"factor": factors}


def _values(memory, run, status):
    """Return what was measured of a run."""
    known = {name: float(value) if math.isfinite(value) else None for name, value in memory.items()}
    arrived = status == "converged"
    growth = None
    if known["before"] is not None and known["after"] is not None:
        each = (known["after"] - known["before"]) / (GROWTH[1] - GROWTH[0])
        growth = each / math.log1p(2 * run["step"])
    return {
        "m": run["m"],
        "step": run["step"],
        "stage_one": known["first"],
        "to_end": known["last"],
        "stage_two": known["last"] - known["first"] if arrived else None,
        "arrived": int(arrived),
        "lost": int(status == "diverged"),
        "growth": growth,
        "incoherence": known["incoherence"],
        "largest_incoherence": known["largest"],
        "status": status,
    }
