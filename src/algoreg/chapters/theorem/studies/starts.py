"""Factored descent from other starts than αI: a right rotation of it, a Gaussian one, one of too low a rank."""

import numpy as np
import torch

from algoreg.engine.batches import Batch, count_of, draw_planted, initial_factor, recorded
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.diagnostics import test_error
from algoreg.numerics.theory import theorem_11_window
from algoreg.spec.base import StudyOptions, between, gaussian_fits, real, whole


class Options(StudyOptions):
    """What the study can be told."""

    d: int = whole(ge=2)
    rank: int = whole(ge=2)
    kappa: float = real(ge=1)
    alpha: float = real(gt=0)
    m_per_dr: float = real(gt=0)
    step: float = real(gt=0)
    time: float = real(gt=0)
    points: int = whole(ge=2)
    targets: int = whole(ge=2)

    def wrong(self):
        """Yield what does not fit together."""
        if self.rank > self.d:
            yield between("rank", "d", allowed="rank at most d")
        if self.alpha >= self.d:
            yield between("alpha", "d", allowed="alpha below d")
        if not gaussian_fits(self.d, self.m_per_dr * self.d * self.rank):
            yield between("m_per_dr", "d", "rank", allowed="an ensemble of at most 4 GiB")


KEYS = {
    "d": None,
    "rank": None,
    "kappa": None,
    "alpha": None,
    "start": "B: `identity`, `orthonormal` (Haar), its first r − 1 columns (`low_rank`) or `gaussian`, N(0, 1/d)",
    "iteration": "iteration t, as it ran",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "m": None,
    "step": None,
    "test_error": None,
    "change": (
        "the largest change of X against the start αI",
        "largest ‖X_t − X'_t‖_F / ‖X*‖_F so far, X' the run from αI, over recorded iterations",
    ),
}

STARTS = ("identity", "orthonormal", "gaussian", "low_rank")


def measure(options, context):
    """Return one row per start, recorded iteration, target and ensemble, up to iteration ``time``·κ log(d/α)/η.

    ``change`` is the largest ‖X_t − X'_t‖_F/‖X*‖_F so far, X' the run from αI on the same target and ensemble, over the
    recorded iterations. See :func:`algoreg.engine.batches.initial_factor` for the starts.
    """
    d, rank, kappa, alpha, step = (options[key] for key in ("d", "rank", "kappa", "alpha", "step"))
    m, targets = count_of(options["m_per_dr"], d, rank), options["targets"]
    last = max(round(options["time"] * theorem_11_window(d, kappa, alpha, step)[0]), 1)
    factors = draw_planted(d, rank, kappa, context.seed, targets, context)
    runs = [{"start": start, "target": target, "m": m, "step": step} for start in STARTS for target in range(targets)]
    planted = [factors[run["target"]] for run in runs]
    goals = torch.stack([factor @ factor.T for factor in planted])
    initial = torch.stack(
        [
            initial_factor(run["start"], alpha, factor, context.seed, run["target"])
            for run, factor in zip(runs, planted, strict=True)
        ]
    )
    for number in context.ensembles:
        ensemble = Ensemble.draw(d, m, context.seed, number, context.device, context.dtype)
        batch = Batch(ensemble, runs, ensemble.label(goals), initial)
        change = np.zeros(len(runs))
        for look in recorded(last, options["points"]):
            batch.advance(look - batch.iteration)
            estimates = batch.estimates()
            own = estimates[:targets].repeat(len(STARTS), 1, 1)
            apart = torch.linalg.matrix_norm(estimates - own) / torch.linalg.matrix_norm(goals)
            change = np.maximum(change, apart.cpu().numpy())
            for run, error, moved in zip(runs, test_error(estimates, goals).tolist(), change.tolist(), strict=True):
                finite = bool(np.isfinite(error))
                yield (
                    {"d": d, "rank": rank, "kappa": kappa, "alpha": alpha, "iteration": look}
                    | run
                    | {
                        "ensemble": number,
                        "test_error": error if finite else None,
                        "change": moved if finite else None,
                        "status": "budget" if finite else "diverged",
                    }
                )
        context.say(f"ensemble {number}: {len(runs)} runs × {last} iterations done")
