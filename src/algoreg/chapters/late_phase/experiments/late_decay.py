"""Weight decay from a large start: when descent leaves the fit that it came to first, and where it ends."""

from itertools import product
from typing import Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from algoreg.chapters.late_phase.methods import WeightDecay
from algoreg.chapters.late_phase.programmes import penalised_fit
from algoreg.engine.observers import Observer, begins, spaced_iterations
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.settings.base import Different, ExperimentOptions, Several, refuse_determined


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt = 1
    m_over_dr: Different[PositiveFloat]
    factors: Several[Literal["difference", "square"]] = Field(["difference"])
    alpha: Several[PositiveFloat]
    decay: Different[NonNegativeFloat]
    # η in units of 1/(4Lα²), L the largest eigenvalue of the loss's Hessian in X: below 2 the first fit is stable.
    step: PositiveFloat = 1.5
    # η·t at the end is (ln α + this) over the decay, or over the smallest one where there is none.
    settle: PositiveFloat = 5.0
    # Whether a run ends once it has left the fit.
    stops: bool = False

    @model_validator(mode="after")
    def _fits_together(self):
        refuse_determined(self, max(self.m_over_dr), self.rank)
        if not any(self.decay):
            raise ValueError("decay: allowed is a list with a value above 0")
        return self


KEYS = {
    "factors": ("the factors", "`difference`: UUᵀ − VVᵀ, U₀ = V₀ = αI; `square`: UUᵀ, U₀ = αI"),
    "m_over_dr": None,
    "alpha": None,
    "decay": ("λ", "the weight decay λ: U ← (1 − ηλ)U − …"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "m": None,
    "step": None,
    "fit_time": ("the time to the fit", "η·t at which the training error is first below 0.1"),
    "fit_error": "‖X − X*‖_F / ‖X*‖_F there",
    "left_time": ("the time η·t at which it has left the fit", "η·t at which ‖X − P‖ is first half of that at the fit"),
    "left_decays": ("the time λη·t at which it has left the fit", "λ times that time"),
    "end_error": ("the error at the end", "‖X − X*‖_F / ‖X*‖_F at the end"),
    "to_penalised": (
        "the distance from the penalised fit",
        "‖X − P‖_F / ‖P − X*‖_F at the end; P has the least f + λ‖·‖_*, λ the smallest decay above 0 where there is none",
    ),
}
# The training error at which data are fitted.
FITTED = 0.1


class Left(Observer):
    """The fit, the time at which half of its distance from P is left, and the last X.

    Memory: ``fit`` and ``left``, iterations (B,), the latter log-linear between looks; ``fit_error``; ``x``, (B, d, d).

    Parameters
    ----------
    goals : torch.Tensor, shape (B, d, d)
        P of every run.
    stops : bool
        Whether a run leaves with that.
    """

    reads_train_error = True
    per_run = begins(fit=np.nan, fit_error=np.nan, begun=np.nan, left=np.nan, before=np.nan, at=0.0)

    def __init__(self, goals, stops):
        self.goals, self.stops = goals, stops

    def prepare(self, batch):
        """Make room for X."""
        super().prepare(batch)
        self.memory["x"] = torch.zeros_like(batch.targets)

    def observed_iterations(self, last):
        """Return iterations that are further and further apart."""
        return spaced_iterations(last)

    def observe(self, snapshot):
        """Take in the distances."""
        memory, runs, now = self.memory, snapshot.active, snapshot.iteration
        index = torch.from_numpy(runs)
        memory["x"][index] = snapshot.estimate
        away = torch.linalg.matrix_norm(snapshot.estimate - self.goals[index]).cpu().numpy()
        half, before = memory["begun"][runs] / 2, memory["before"][runs]
        crossed = np.isnan(memory["left"][runs]) & (away < half)
        share = np.log(half[crossed] / away[crossed]) / np.log(before[crossed] / away[crossed])
        memory["left"][runs[crossed]] = now - (now - memory["at"][runs[crossed]]) * share
        fitted = np.isnan(memory["fit"][runs]) & (snapshot.train_error < FITTED)
        for name, value in (("fit", now), ("fit_error", snapshot.test_error), ("begun", away)):
            memory[name][runs] = np.where(fitted, value, memory[name][runs])
        memory["before"][runs], memory["at"][runs] = away, now
        return self.stops & ~np.isnan(memory["left"][runs])


def measure(options, context, number, m_over_dr):
    """Return one row per factors, α, decay and draw; X* has r eigenvalues 1."""
    d, rank = options["d"], options["rank"]
    m, least = round(m_over_dr * d * rank), min(decay for decay in options["decay"] if decay)
    ensemble = context.draw(Ensemble, d, m, number)
    target = draw_targets(spectrum_target(rank, 1), d, rank, context, 1, first=number)
    labels = ensemble.label(target)
    norm = float(torch.linalg.matrix_norm(ensemble.unpacked().flatten(1), 2)) ** 2 / m
    penalised = {}
    for decay in {decay or least for decay in options["decay"]}:
        slope = lambda x: ensemble.gradient(torch.from_numpy(x).to(target)[None], labels)[0].cpu().numpy()  # noqa: E731
        penalised[decay] = torch.from_numpy(penalised_fit(slope, d, decay, 1 / norm)).to(target)
    runs = []
    for factors, alpha, decay in product(options["factors"], options["alpha"], options["decay"]):
        step = options["step"] / (4 * norm * alpha**2)
        length = round((max(np.log(alpha), 0) + options["settle"]) / ((decay or least) * step))
        own = {"width": d, "negative": None if factors == "difference" else 0, "start": "identity", "target": number}
        own |= {"alpha": alpha, "decay": decay, "step": step, "iterations": length, "m": m}
        runs.append({**own, "factors": factors, "m_over_dr": m_over_dr})
    seen = Left(torch.stack([penalised[run["decay"] or least] for run in runs]), options["stops"])
    status = context.run(ensemble, WeightDecay, runs, target.expand(len(runs), d, d), [seen]).status
    goal, memory = target[0].cpu().numpy(), seen.memory
    for place, (run, end) in enumerate(zip(runs, status, strict=True)):
        known, x = seen.goals[place].cpu().numpy(), memory["x"][place].cpu().numpy()
        left, away = memory["left"][place] * run["step"], np.linalg.norm(known - goal)
        found = {
            "fit_time": memory["fit"][place] * run["step"],
            "fit_error": memory["fit_error"][place],
            "left_time": left,
            "left_decays": left * run["decay"],
            "end_error": np.linalg.norm(x - goal) / np.linalg.norm(goal),
            "to_penalised": np.linalg.norm(x - known) / away,
        }
        yield {
            **{name: run[name] for name in (*KEYS, "m", "step") if name in run},
            "ensemble": number,
            "d": d,
            **{name: float(value) if end != "diverged" else float("nan") for name, value in found.items()},
            "status": end,
        }
