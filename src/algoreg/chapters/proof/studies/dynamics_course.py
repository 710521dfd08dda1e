"""Whole courses of signal, error, angle and singular values along gradient descent, thinned out for pictures."""

import math
from itertools import product

import torch

from algoreg.chapters.proof.studies.rank_r_dynamics import Split, descend, planted_factors
from algoreg.chapters.proof.studies.rip import bracket, gram_matrix, width
from algoreg.numerics.diagnostics import effective_rank, test_error

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


class Spectra:
    """Errors and spectra of a batch at every so many iterations.

    Attributes
    ----------
    records : list of tuple
        Iteration, singular values (B, d), effective ranks (B,) and relative errors (B,).
    """

    def __init__(self, every, targets):
        self.every, self.targets, self.seen, self.records = every, targets, 0, []

    def look(self, factors, matrices, step):
        """Record the iterates (B, d, k), if it is their turn."""
        if self.seen % self.every == 0:
            values = torch.linalg.svdvals(factors)
            error = test_error(factors @ factors.mT, self.targets)
            self.records.append((self.seen, values, effective_rank(values.square()), error))
        self.seen += 1


def measure(options, context):
    """Return a row per rank, m, kept iteration, target and ensemble.

    ``signal`` is σ_min(U*ᵀZ_t) for an orthonormal U*, ``error`` and ``error_frobenius`` ‖E_t‖ and ‖E_t‖_F, by the moving split U_t = Z_t + E_t along S_t; ``sine`` that of
    the angle between S_t and span(U*); ``sigma_k`` the seven largest singular values of U_t. δ's bracket is that of rank 4r.
    Empty where a run diverged.
    """
    d, step, count = options["d"], options["step"], options["targets"]
    for rank in options["rank"]:
        factors = planted_factors(
            {**options, "rank": rank}, options["kappa"], context.seed, context.device, context.dtype
        )
        targets, frames = factors @ factors.mT, torch.linalg.qr(factors)[0]
        order = min(4 * rank, d)
        breadth = width(d, order, context.seed)
        for number, ratio in product(context.ensembles, options["m_over_dr"]):
            m = ratio * d * rank
            ensemble = gram_matrix(d, m, context.seed, number, context.device, context.dtype)
            low, up = bracket(ensemble, order, context.seed, breadth)
            split, kept = Split(factors, frames, targets), Spectra(options["every"], targets)
            steps = [options["iterations"]] * count
            lost = descend(ensemble, factors, [options["alpha"]] * count, steps, step, [split, kept])
            for target in range(count):
                course = split.course(target)
                for iteration, singular, effective, error in kept.records:
                    measured = {
                        "test_error": float(error[target]),
                        "effective_rank": float(effective[target]),
                        "signal": float(course["across_least"][iteration]),
                        **{name: float(course[name][iteration]) for name in ("error", "error_frobenius")},
                        "sine": float(course["sine"][iteration]),
                        **{f"sigma_{k + 1}": float(singular[target, k]) for k in range(SINGULAR_VALUES)},
                    }
                    yield {
                        "rank": rank,
                        "m_over_dr": ratio,
                        "iteration": iteration,
                        "target": target,
                        "ensemble": number,
                        **{name: options[name] for name in ("d", "kappa", "alpha", "step")},
                        "m": m,
                        "delta_low": low,
                        "delta_up": up,
                        **(dict.fromkeys(measured, math.nan) if lost[target] else measured),
                        "status": "diverged" if lost[target] else "budget",
                    }
            context.say(f"rank {rank}, ensemble {number}, m = {ratio} dr: done")
