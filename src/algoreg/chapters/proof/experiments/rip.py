"""The restricted isometry constants of an ensemble, attacked from below and bounded from above, over d, rank and m."""

import functools
from typing import Annotated, Literal

import torch
from pydantic import Field, PositiveInt

from algoreg.ensembles import gram, rank_one, wishart
from algoreg.numerics import isometry
from algoreg.numerics.draws import normal_blocks
from algoreg.numerics.isometry import isometry_upper_bound
from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import svec
from algoreg.numerics.theory import symmetric_dimension
from algoreg.settings.base import Different, ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: Several[Annotated[int, Field(ge=2)]] = Field(description="the base's first")
    rank: Several[PositiveInt] = Field(description="the base's first")
    m: Several[PositiveInt] = Field(description="the base's first")
    practical: Different[PositiveInt] = Field([])
    measurements: Literal["gaussian", "rank_one"] = "gaussian"
    starts: PositiveInt = 8
    rounds: PositiveInt = 60


KEYS = {
    "attack": "`adversarial`, power method from random starts, or `random`, extremes over 256 random matrices",
    "regime": "`large`, one of d, rank and m varied alone, or `practical`, a further m",
    "d": None,
    "rank": "rank r of the matrices over which δ is taken",
    "m": None,
    "ensemble": None,
}
VALUES = {
    "m_over_dr": None,
    "delta_plus": "δ₊: largest ⟨X, (G − I)X⟩ found, ‖X‖_F = 1, rank at most r; at least 0",
    "delta_minus": "δ₋: largest ⟨X, (I − G)X⟩ found, likewise",
    "delta_low": "max(δ₊, δ₋), a lower bound on δ of rank r",
    "delta_up": "upper bound on it: `certificate`, or for Gaussian measurements the width's where that is less",
    "certificate": "‖G − I‖, which bounds δ of every rank",
    "upper_root": ("√(1 + δ₊) − 1", "√(1 + δ₊) − 1"),
    "lower_root": ("1 − √(1 − δ₋)", "1 − √(1 − δ₋), δ₋ at most 1"),
}
# As many random matrices as an attack tries; the width's Monte Carlo error is then below one part in a thousand.
RANDOM_MATRICES, WIDTH_DRAWS = 256, 200


def gram_matrix(d, m, context, number):
    """Return G of m Gaussian measurements: from Wishart's law where it has a Bartlett factor, else drawn row by row."""
    return context.draw((wishart if m >= symmetric_dimension(d) else gram).Ensemble, d, m, number)


def rank_one_gram(d, m, context, number):
    """Return G of m measurements xxᵀ/√2, whose second moment on traceless matrices is the identity."""
    generator = stream("ensemble", kind=rank_one.Ensemble.kind, d=d, seed=context.seed, ensemble=number)

    def rows():
        for block in normal_blocks(generator, m, (d,), 4096):
            x = torch.from_numpy(block)
            yield svec(x[:, :, None] * x[:, None]) / 2**0.5

    total = gram.mean_outer_product(rows(), d, m, context.device)
    return gram.Ensemble(total.to(context.dtype), d, m, number=number)


@functools.cache
def width(d, rank, seed):
    """Return the Gaussian width of unit symmetric matrices of rank at most ``rank`` ≤ d, from its own named stream."""
    generator = stream("width", d=d, rank=rank, seed=seed)
    return isometry.gaussian_width(d, min(rank, d), WIDTH_DRAWS, generator)


def bracket(ensemble, rank, seed, starts=8, rounds=40):
    """Return δ's bracket for one rank of a Gram ensemble, lower and upper end:
    the attack's value, and the width's bound.

    Starts and rounds are those of :func:`algoreg.numerics.isometry.isometry_attack`.
    """
    d = ensemble.d
    generator = stream("isometry attack", d=d, rank=rank, m=ensemble.m, seed=seed, ensemble=ensemble.number)
    ends = isometry.isometry_attack(ensemble.gram, d, min(rank, d), starts, rounds, generator)
    # The ends cross only in the three draws of a hundred for which the upper one is no bound.
    return max(ends), max(isometry_upper_bound(width(d, rank, seed), ensemble.m), *ends)


def measure(options, context, number):
    """Return two rows per point and ensemble, for adversarial and for random matrices:
    δ₊, δ₋, their roots, the bracket.

    Points form a star: each of d, rank and m varies alone, the others at the first entry of their lists; ``practical``
    are further m. ``certificate`` is ‖G − I‖, which bounds δ of every rank; ``upper_root`` is √(1 + δ₊) − 1 and
    ``lower_root`` 1 − √(1 − δ₋), in which the law ∝ √(dr/m) holds beyond small δ.
    """
    for (d, m), points in _points(options).items():
        draw = gram_matrix if options["measurements"] == "gaussian" else rank_one_gram
        ensemble = draw(d, m, context, number)
        certificate = ensemble.isometry_deviation()
        for rank, regime in points:
            # The width's bound is one for Gaussian measurements only.
            bound = isometry_upper_bound(width(d, rank, context.seed), m) if draw is gram_matrix else certificate
            for attack in ("adversarial", "random"):
                plus, minus = _attacked(ensemble, rank, attack, options, context.seed)
                yield {
                    "attack": attack,
                    "regime": regime,
                    "d": d,
                    "rank": rank,
                    "m": m,
                    "ensemble": number,
                    "m_over_dr": m / d / rank,
                    "delta_plus": plus,
                    "delta_minus": minus,
                    "delta_low": max(plus, minus),
                    "delta_up": min(bound, certificate),
                    "certificate": certificate,
                    "upper_root": (1 + plus) ** 0.5 - 1,
                    "lower_root": 1 - max(1 - minus, 0.0) ** 0.5,
                    "status": "budget",
                }


def _points(options):
    """Return the ranks, each with its regime, at which G is measured: by (d, m), all in rising order."""
    base = {axis: options[axis][0] for axis in ("d", "rank", "m")}
    star = {(*{**base, axis: value}.values(), "large") for axis in base for value in options[axis]}
    star |= {(base["d"], base["rank"], m, "practical") for m in options["practical"]}
    found = {}
    for d, m, rank, regime in sorted((d, m, rank, regime) for d, rank, m, regime in star):
        found.setdefault((d, m), []).append((rank, regime))
    return found


def _attacked(ensemble, rank, attack, options, seed):
    """Return δ₊ and δ₋ as an attack finds them; ``random`` is the power method's starts alone,
    without a round of it.
    """
    d, m = ensemble.d, ensemble.m
    generator = stream(attack, d=d, rank=rank, m=m, seed=seed, ensemble=ensemble.number)
    starts, rounds = (RANDOM_MATRICES, 0) if attack == "random" else (options["starts"], options["rounds"])
    return isometry.isometry_attack(ensemble.gram, d, rank, starts, rounds, generator)
