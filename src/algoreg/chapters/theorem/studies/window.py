"""The error along the whole window of Theorem 1.1, from α = d⁻⁵ to T₀ = 1/(η√(dκα)), with and without label noise."""

from itertools import product

import numpy as np
import torch

from algoreg.engine.batches import Batch, count_of, draw_planted, initial_factor, recorded
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.diagnostics import test_error
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import theorem_11_window
from algoreg.spec.base import StudyOptions, between, gaussian_fits, real, reals, whole


class Options(StudyOptions):
    """What the study can be told."""

    d: int = whole(ge=2)
    rank: int = whole()
    kappa: float = real(ge=1)
    alpha_power: float = real(5, gt=1, said="a number above 1 (α is d to the minus that)")
    noises: list[float] = reals(ge=0)
    m_per_dr: float = real(gt=0)
    step: float = real(gt=0)
    points: int = whole(ge=2)
    targets: int = whole(ge=2)

    def wrong(self):
        """Yield what does not fit together."""
        if self.rank > self.d:
            yield between("rank", "d", allowed="rank at most d")
        if self.rank == 1 and self.kappa > 1:
            yield between("rank", "kappa", allowed="kappa 1 for rank 1")
        if not gaussian_fits(self.d, self.m_per_dr * self.d * self.rank):
            yield between("m_per_dr", "d", "rank", allowed="an ensemble of at most 4 GiB")


KEYS = {
    "d": None,
    "rank": None,
    "kappa": None,
    "alpha": None,
    "noise": "standard deviation of the labels' Gaussian noise over the labels' root mean square",
    "iteration": "iteration t, as it ran",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "m": None,
    "step": None,
    "test_error": None,
    "smallest_error": "smallest `test_error` so far, looked at every 10 iterations",
    "smallest_at": "iteration of `smallest_error`",
}

# The error is looked at so often, and at every recorded iteration: it changes by under a percent between looks.
LOOK_EVERY = 10


def measure(options, context):
    """Return one row per noise, recorded iteration, target and ensemble: the error, and the smallest one so far.

    ``noise`` is the standard deviation of what is added to the labels, over the labels' own; ``smallest_at`` is
    the iteration of the smallest error. The last iteration recorded is T₀.
    """
    d, rank, kappa, step = (options[key] for key in ("d", "rank", "kappa", "step"))
    alpha, m = float(d) ** -options["alpha_power"], count_of(options["m_per_dr"], d, rank)
    last = max(round(theorem_11_window(d, kappa, alpha, step)[1]), 1)
    points, targets = recorded(last, options["points"]), range(options["targets"])
    factors = draw_planted(d, rank, kappa, context.seed, len(targets), context)
    runs = [
        {"noise": noise, "target": target, "m": m, "step": step}
        for noise, target in product(options["noises"], targets)
    ]
    planted = [factors[run["target"]] for run in runs]
    goals = torch.stack([factor @ factor.T for factor in planted])
    for number in context.ensembles:
        ensemble = Ensemble.draw(d, m, context.seed, number, context.device, context.dtype)
        labels = ensemble.label(goals)
        for row, run in zip(labels, runs, strict=True):
            axes = {"d": d, "seed": context.seed, "target": run["target"], "ensemble": number}
            noise = torch.from_numpy(stream("label_noise", **axes).standard_normal(m)).to(row)
            row += run["noise"] * row.square().mean().sqrt() * noise
        initial = torch.stack(
            [
                initial_factor("identity", alpha, factor, context.seed, run["target"])
                for run, factor in zip(runs, planted, strict=True)
            ]
        )
        batch = Batch(ensemble, runs, labels, initial)
        smallest, where = np.full(len(runs), np.inf), np.zeros(len(runs), dtype=int)
        for look in sorted({*points, *range(LOOK_EVERY, last, LOOK_EVERY)}):
            batch.advance(look - batch.iteration)
            errors = test_error(batch.estimates(), goals).cpu().numpy()
            better = errors < smallest
            smallest[better], where[better] = errors[better], look
            if look in points:
                for run, error, least, at in zip(runs, errors, smallest, where, strict=True):
                    finite = bool(np.isfinite(error))
                    yield (
                        {"d": d, "rank": rank, "kappa": kappa, "alpha": alpha, "iteration": look}
                        | run
                        | {
                            "ensemble": number,
                            "test_error": float(error) if finite else None,
                            "smallest_error": float(least) if finite else None,
                            "smallest_at": int(at),
                            "status": "budget" if finite else "diverged",
                        }
                    )
        context.say(f"ensemble {number}: {len(runs)} runs × {last} iterations done")
