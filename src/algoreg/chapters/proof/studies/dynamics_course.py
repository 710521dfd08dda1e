"""Whole courses of signal, error, angle and singular values along gradient descent, thinned out for pictures."""

import math
from itertools import product

import torch

from algoreg.chapters.proof.studies.rank_r_dynamics import Split, descend, planted_factors
from algoreg.chapters.proof.studies.rip import bracket, gram_matrix, width
from algoreg.numerics.diagnostics import effective_rank, test_error
from algoreg.spec.base import StudyOptions, between, real, whole, wholes


class Options(StudyOptions):
    """What the study can be told."""

    d: int = whole(ge=8)
    rank: list[int] = wholes(le=6, said="a list of whole numbers from 1 to 6")
    kappa: float = real(ge=1)
    alpha: float = real(gt=0)
    m_over_dr: list[int] = wholes()
    step: float = real(gt=0, le=0.5)
    iterations: int = whole()
    every: int = whole()
    targets: int = whole()

    def wrong(self):
        """Yield what does not fit together."""
        if max(self.rank) >= self.d:
            yield between("rank", "d", allowed="ranks below d")
        if self.every > self.iterations:
            yield between("every", "iterations", allowed="every at most iterations")


KEYS = {"rank": None, "m_over_dr": None, "iteration": "iteration t, as it ran", "target": None, "ensemble": None}
VALUES = {
    "d": None,
    "m": None,
    "kappa": None,
    "alpha": None,
    "step": None,
    "delta_low": "lower end of the bracket of δ of rank 4r",
    "delta_up": None,
    "test_error": None,
    "effective_rank": None,
    "signal": "σ_min(U*ᵀZ_t), U* orthonormal, Z_t the signal part of U_t = Z_t + E_t",
    "error": "‖E_t‖, spectral norm",
    "error_frobenius": "‖E_t‖_F",
    "sine": "sine of the largest principal angle between S_t and span(U*)",
    "sigma_1": "largest singular value of U_t",
    "sigma_2": "2nd largest singular value of U_t",
    "sigma_3": "3rd largest singular value of U_t",
    "sigma_4": "4th largest singular value of U_t",
    "sigma_5": "5th largest singular value of U_t",
    "sigma_6": "6th largest singular value of U_t",
    "sigma_7": "7th largest singular value of U_t",
}
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
