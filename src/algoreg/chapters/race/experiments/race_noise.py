"""Methods on noisy labels: the smallest error of a run, its error at the end, and where held-out labels say to stop."""

import math

import numpy as np
import torch
from pydantic import PositiveFloat

from algoreg.chapters.race.experiments import race
from algoreg.chapters.race.methods import METHODS
from algoreg.chapters.race.runs import batch_of, known_measurements, raced
from algoreg.engine.observers import HeldOut, spaced_iterations
from algoreg.numerics.problems import spoil


class Options(race.Options):
    """What the experiment can be told."""

    m_over_dr: PositiveFloat = 4
    # Beyond what is known: of what no run knows.
    held_out_over_dr: PositiveFloat = 1
    label_noise: PositiveFloat = 0.1


KEYS = {
    "method": "a method of `algoreg.chapters.race.methods`",
    "told": "what of X* the method is told, as in `race`",
    "kappa": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "rank": None,
    "m": None,
    "held_out": "measurements that no run knows",
    "label_noise": "standard deviation of the labels' noise over their root mean square",
    "step": ("η", "step size η in M-form, chosen as in `race`, on labels without noise"),
    "momentum": ("μ", "momentum μ, chosen with the step or set (empty where the method has none)"),
    "budget": "T, the iterations after which the run is stopped",
    "best_error": "smallest ‖X − X*‖_F / ‖X*‖_F at a look",
    "stop_error": "‖X − X*‖_F / ‖X*‖_F at the look with the smallest hold-out error",
    "end_error": "‖X − X*‖_F / ‖X*‖_F at T (empty where the run diverged)",
    "stop_over_best": (
        "the error at the stop by hold-out over the run's smallest",
        "`stop_error` over `best_error`",
    ),
    "end_over_best": ("the error at T over the run's smallest", "`end_error` over `best_error`"),
}


def measure(options, context):
    """Return one row per method, κ, target and ensemble: the test errors of a run on noisy labels.

    X* and steps as in the experiment ``race``; the first ``m_over_dr``·dr measurements are known,
    ``held_out_over_dr``·dr
    more are held out. All labels have noise. The stop by hold-out is the look whose estimate has the smallest error on
    the labels that no run knows.
    """
    yield from raced(options, context, _rows)


class Stops(HeldOut):
    """:class:`algoreg.engine.observers.HeldOut` where the race looks, too; a run that diverged has no last error."""

    def observed_iterations(self, last):
        """Return :func:`spaced_iterations`."""
        return spaced_iterations(last)

    def observe(self, snapshot):
        """Take in the errors."""
        super().observe(snapshot)
        self.memory["last"][snapshot.active[snapshot.diverged]] = np.nan


def _rows(options, context, number, algorithm, runs):
    """Return the rows of methods of one algorithm on one ensemble."""
    held_out = max(round(options["held_out_over_dr"] * options["d"] * options["rank"]), 1)
    seen = Stops(known_measurements(options))
    batch = batch_of(options, context, number, algorithm, runs, [seen], held_out)
    # A target's noise is the same for all methods. At each κ it has the same numbers, in proportion to the labels'
    # size.
    noise = [
        spoil(row[None], options, context.seed, number, [run["target"]])[0]
        for row, run in zip(batch.labels.cpu().double().numpy(), runs, strict=True)
    ]
    batch.labels = torch.from_numpy(np.stack(noise)).to(batch.labels)
    descent = context.descend(batch)
    kept = zip(runs, descent.status, *(seen.memory[key].tolist() for key in ("best", "stopped", "last")), strict=True)
    return [_row(options, held_out, *each) | {"ensemble": number} for each in kept]


def _row(options, held_out, run, status, best, stop, last):
    """Return the row of a run."""
    names = {key: run[key] for key in ("method", "kappa", "target", "rank", "step")}
    return names | {
        "told": METHODS[run["method"]].prior_knowledge,
        "d": options["d"],
        "m": known_measurements(options),
        "held_out": held_out,
        "label_noise": options["label_noise"],
        "momentum": run.get("momentum", math.nan),
        "budget": run["iterations"],
        "best_error": best,
        "stop_error": stop,
        "end_error": last,
        "stop_over_best": stop / best,
        "end_over_best": last / best,
        "status": status,
    }
