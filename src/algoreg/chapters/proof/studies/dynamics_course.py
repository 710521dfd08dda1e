"""Whole courses of signal, error, angle and singular values along gradient descent, thinned out for pictures."""

import math
from itertools import product

import numpy as np
import torch

from algoreg.algorithms.explicit import Algorithm
from algoreg.chapters.proof.studies.rank_r_dynamics import Split, planted_factors
from algoreg.chapters.proof.studies.rip import bracket, gram_matrix, width
from algoreg.engine.loop import Batch
from algoreg.engine.observers import Observer
from algoreg.numerics.diagnostics import effective_rank

OPTIONS = {
    "d": "whole >= 8",
    "rank": {
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {"type": "integer", "minimum": 1, "maximum": 6},
        "description": "a list of whole numbers from 1 to 6",
    },
    "kappa": "number >= 1",
    "alpha": "number > 0",
    "m_over_dr": "wholes >= 1",
    "step": {"kind": "number > 0", "maximum": 0.5, "description": "a number above 0, at most 0.5"},
    "iterations": "whole >= 1",
    "every": "whole >= 1",
    "targets": "whole >= 1",
}
CHECKS = (("max(rank) < d", "ranks below d"), ("every <= iterations", "every at most iterations"))
KEYS = ("rank", "m_over_dr", "iteration", "target", "ensemble")
VALUES = (
    "d", "m", "kappa", "alpha", "step", "delta_low", "delta_up", "test_error", "effective_rank", "signal", "error", "error_frobenius", "sine",
    "sigma_1", "sigma_2", "sigma_3", "sigma_4", "sigma_5", "sigma_6", "sigma_7",
)  # fmt: skip
SINGULAR_VALUES = 7


class Spectra(Observer):
    """Errors and spectra of every run at every so many iterations.

    Memory: ``singular`` (K, B, d), ``effective`` and ``errors`` (K, B): singular values, effective rank and relative test error.

    Parameters
    ----------
    every : int
    """

    def __init__(self, every):
        self.every = every

    def prepare(self, batch):
        """Begin without spectra."""
        count, d = batch.targets.shape[:2]
        shape = (int(batch.budgets.max()) // self.every + 1, count)
        self.memory = {name: np.full(shape, np.nan) for name in ("effective", "errors")}
        self.memory["singular"] = np.full((*shape, d), np.nan)

    def moments(self, last):
        """Return every so many iterations."""
        return range(0, last + 1, self.every)

    def look(self, look):
        """Record the runs that have not diverged, if it is their turn."""
        good = ~look.diverged
        if look.iteration % self.every or not good.any():
            return
        k, runs = look.iteration // self.every, look.active[good]
        values = torch.linalg.svdvals(look.state["factor"][look.rows(good)])
        self.memory["singular"][k, runs] = values.cpu().numpy()
        self.memory["effective"][k, runs] = effective_rank(values.square()).cpu().numpy()
        self.memory["errors"][k, runs] = look.test_error[good]


def measure(options, context):
    """Return a row per rank, m, kept iteration, target and ensemble.

    ``signal`` is σ_min(U*ᵀZ_t) for an orthonormal U*, ``error`` and ``error_frobenius`` ‖E_t‖ and ‖E_t‖_F, by the moving split U_t = Z_t + E_t along S_t; ``sine`` that of
    the angle between S_t and span(U*); ``sigma_k`` the seven largest singular values of U_t. δ's bracket is that of rank 4r.
    Empty where a run diverged.
    """
    for rank in options["rank"]:
        order = min(4 * rank, options["d"])
        breadth = width(options["d"], order, context.seed)
        for number, ratio in product(context.ensembles, options["m_over_dr"]):
            name = f"rank {rank}, ensemble {number}, m = {ratio} dr"
            yield from context.part(name, _rows, options, context, number, rank, ratio, order, breadth)


def _rows(options, context, number, rank, ratio, order, breadth):
    """Return the rows of one rank and ensemble."""
    d, step, last = options["d"], options["step"], options["iterations"]
    m = ratio * d * rank
    factors = planted_factors(options, rank, options["kappa"], context)
    targets, frames = factors @ factors.mT, torch.linalg.qr(factors)[0]
    ensemble = gram_matrix(d, m, context.seed, number, context.device, context.dtype)
    low, up = bracket(ensemble, order, context.seed, breadth)
    timed = {"m": m, "step": step, "alpha": options["alpha"], "start": "identity", "iterations": last}
    runs = [{**timed, "target": target} for target in range(options["targets"])]
    split, kept = Split(factors, frames, step), Spectra(options["every"])
    labels = ensemble.label(targets)
    descent = context.descend(Batch(ensemble, Algorithm, runs, targets, labels, [split, kept], context.seed))
    shared = {"rank": rank, "m_over_dr": ratio, "ensemble": number, "m": m, "delta_low": low, "delta_up": up}
    shared |= {name: options[name] for name in ("d", "kappa", "alpha", "step")}
    return [
        shared
        | {"iteration": iteration, "target": target, "status": descent.status[target]}
        | _measured(split, kept, iteration, target, descent.status[target] == "diverged")
        for target in range(options["targets"])
        for iteration in range(0, last + 1, options["every"])
    ]


def _measured(split, kept, iteration, target, lost):
    """Return what is measured of a run at a kept iteration; NaN where it diverged."""
    k = iteration // kept.every
    names = {"signal": "across_least", "error": "error", "error_frobenius": "error_frobenius", "sine": "sine"}
    measured = {
        "test_error": float(kept.memory["errors"][k, target]),
        "effective_rank": float(kept.memory["effective"][k, target]),
        **{name: float(split.memory[quantity][iteration, target]) for name, quantity in names.items()},
        **{f"sigma_{i + 1}": float(kept.memory["singular"][k, target, i]) for i in range(SINGULAR_VALUES)},
    }
    return dict.fromkeys(measured, math.nan) if lost else measured
