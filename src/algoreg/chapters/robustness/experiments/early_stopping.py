"""Descent on noisy labels: its best error, that where held-out labels say to stop, and that at the end."""

from itertools import product

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.factored import Algorithm
from algoreg.engine.observers import HeldOut
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target, spoilt_labels
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    # Of X*.
    kappa: float = Field(2.0, ge=1)
    m_over_dr: PositiveFloat
    hold_out: float = Field(0.1, gt=0, lt=0.5)
    label_noise: Several[PositiveFloat]
    alpha: PositiveFloat = 1.0e-4
    step: PositiveFloat = 0.25
    # η·t, long enough for a wide factor to fit the noise.
    time: PositiveFloat
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if 2 * self.rank > self.d:
            raise misfit(self, "twice the rank at most d", "rank", "d")
        if 2 * self.m_over_dr * self.rank >= self.d + 1:
            raise misfit(self, "m below d(d+1)/2: with more a wide factor cannot fit noise", "m_over_dr", "rank", "d")
        return self


KEYS = {
    "noise": ("the noise σ", "standard deviation σ of the labels' noise over their root mean square"),
    "width": ("the width", "columns of the factor: r, 2r or d"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": "measurements in all; a share of them is held out",
    "best_error": ("the best error along the run", "smallest ‖X − X*‖_F / ‖X*‖_F at a look"),
    "stopped_error": "‖X − X*‖_F / ‖X*‖_F where the error on the held-out labels is smallest",
    "end_error": ("the error at the end", "‖X − X*‖_F / ‖X*‖_F at T"),
    "stopped_over_best": (
        "the error where the hold-out says to stop over the best one",
        "`stopped_error` over `best_error` of the same run",
    ),
    "end_over_best": ("the error at the end over the best one", "`end_error` over `best_error` of the same run"),
}
# Iterations between two snapshots.
STRIDE = 4


def measure(options, context, number):
    """Return one row per noise, width, target and ensemble.

    Descent knows the first 1 − ``hold_out`` of the measurements. At every fourth iteration the error on the others is
    looked at, and X* to judge [ding2025]. Starts are the first columns of one Gaussian matrix.
    """
    d, rank, count = (options[key] for key in ("d", "rank", "targets"))
    m = round(options["m_over_dr"] * d * rank)
    known = m - round(options["hold_out"] * m)
    goals = draw_targets(spectrum_target(rank, options["kappa"]), d, rank, context, count)
    ensemble = context.draw(Ensemble, d, m, number)
    noisy = {
        noise: spoilt_labels(ensemble, goals, rank, context.seed, label_noise=noise) for noise in options["label_noise"]
    }
    widths = {"r": rank, "2r": 2 * rank, "d": d}
    places = list(product(options["label_noise"], widths, range(count)))
    shared = {"m": known, "step": options["step"], "alpha": options["alpha"], "start": "gaussian"}
    last = round(options["time"] / options["step"])
    runs = [{"width": widths[width], "target": target, "iterations": last, **shared} for _, width, target in places]
    labels = torch.stack([noisy[noise][target] for noise, _, target in places])
    own, seen = goals[[target for _, _, target in places]], HeldOut(known, STRIDE)
    status = context.run(ensemble, Algorithm, runs, own, [seen], labels=labels).status
    kept = zip(places, status, *(seen.memory[key].tolist() for key in ("best", "stopped", "last")), strict=True)
    return [
        {"d": d, "rank": rank, "m": m, "ensemble": number, "noise": noise, "width": width, "target": target}
        | {"best_error": best, "stopped_error": stopped, "end_error": end, "status": ended}
        | {"stopped_over_best": stopped / best, "end_over_best": end / best}
        for (noise, width, target), ended, best, stopped, end in kept
    ]
