"""Whether X* is the only positive semidefinite matrix that fits:
the feasible point nearest to one far off, beside descent.
"""

import math
from itertools import product
from typing import Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import factored, least_trace
from algoreg.chapters.positivity import measurements, splitting
from algoreg.engine.observers import Observer, begins
from algoreg.ensembles.pauli_hermitian import as_real
from algoreg.numerics.problems import target_numbers
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import psd_statistical_dimension, trace_statistical_dimension
from algoreg.settings.base import DrawnTargets, Several, misfit


class Options(DrawnTargets):
    """Options of the experiment."""

    kind: Several[Literal["gaussian", "trace_row", "rank_one", "wishart", "pauli_effects", "hermitian"]]
    d: Several[PositiveInt]
    rank: PositiveInt
    # Of ``each``, the ratios are the numbers of measurements, one for each d.
    unit: Literal["dr", "psd", "trace", "each"] = "dr"
    ratios: Several[PositiveFloat]
    method: Several[Literal["far", "least_frobenius", "least_trace", "descent"]] = Field(["far"])
    iterations: PositiveInt
    time: PositiveFloat = 100.0

    @model_validator(mode="after")
    def _fits_together(self):
        hermitian = [kind in ("pauli_effects", "hermitian") for kind in self.kind]
        if any(hermitian) != all(hermitian):
            raise misfit(self, "kinds of Hermitian matrices alone (pauli_effects, hermitian), or none of them", "kind")
        if self.targets < 2 and not self.own_targets:
            raise misfit(self, "at least 2, or 1 with own_targets: true", "targets")
        if self.unit == "each" and len(self.ratios) != len(self.d):
            raise misfit(self, "a ratio for each d where the unit is each", "ratios", "d")
        slow = {"wishart", "pauli_effects", "hermitian"}.intersection(self.kind)
        if "descent" in self.method and slow:
            raise misfit(self, "descent with gaussian, trace_row and rank_one alone", "method", "kind")
        if "pauli_effects" in self.kind and any(d < 4 or d & (d - 1) for d in self.d):
            raise misfit(self, "every d a power of 2 and at least 4 for pauli_effects", "kind", "d")
        return self


KEYS = {
    "kind": (
        "the measurements: `gaussian`; `trace_row`, one of them the trace; `rank_one`, xxᵀ; `wishart` with d + "
        "2 degrees of freedom; `pauli_effects`, (I ± P)/2, and `hermitian`, Gaussian ones, of Hermitian "
        "matrices"
    ),
    "d": (
        "d",
        "dimension: X is d × d; Hermitian matrices of half the size are held as real ones",
    ),
    "m": None,
    "method": (
        "`far`: the feasible point nearest to X* + t(I − P), which is X* if nothing else fits; `least_frobenius`, `least_trace`: the feasible "
        "points of these; `descent`: UUᵀ from α = 10⁻³"
    ),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "rank": ("the rank r", "rank r of the planted X*, of a complex factor where it is Hermitian"),
    "psd_dimension": "measurements that positivity alone needs of Gaussian ones: the statistical dimension",
    "trace_dimension": "measurements that the least trace needs of Gaussian ones (empty for Hermitian ones)",
    "distance": (
        "the distance to X*",
        "‖X − X*‖_F / ‖X*‖_F of the method's X; below 10⁻⁶ the run stops",
    ),
    "misfit": "√(Σ(⟨Aᵢ,X⟩ − yᵢ)² / Σyᵢ²) of this X, which is positive semidefinite",
    "iterations": "the iteration after which the run stopped",
}
# A run this near to X*, relatively, has it.
LANDED = 1e-6
# A PSD matrix whose misfit is less than this share of its distance is another solution. On the way to X* the share
# falls to some hundredths and stays there: by how much the misfit is smaller than the distance is the measurements'
# conditioning.
ANOTHER = 1e-3
# How far off the far point is, in ‖X*‖_F.
FAR = 5.0
# The splittings' γ for the far and for the near points: with a larger one the far point's last steps are slower by
# decades.
GAMMA = {"far": 0.01, "least_frobenius": 0.1, "least_trace": 0.3}
# The α and η of descent: xxᵀ has up to three times the curvature of Gaussian measurements.
ALPHA = 1e-3
STEPS = {"gaussian": 0.25, "trace_row": 0.25, "rank_one": 0.08}
LOOK = 25


def dimensions(kind, d, rank):
    """Return the statistical dimensions of positivity and of the least trace,
    NaN where there is no formula for the second.
    """
    if kind in measurements.HERMITIAN:
        half = d // 2
        return half**2 - (half - rank) ** 2 / 2, math.nan
    return psd_statistical_dimension(d, rank), trace_statistical_dimension(d, rank)


def counts(options, kind, d):
    """Return the numbers of measurements, rising."""
    if options["unit"] == "each":
        return [round(options["ratios"][options["d"].index(d)])]
    psd, trace = dimensions(kind, d, options["rank"])
    scale = {"dr": d * options["rank"], "psd": psd, "trace": trace}[options["unit"]]
    return sorted({max(round(ratio * scale), 1) for ratio in options["ratios"]})


class Landing(Observer):
    """Where runs are: memory ``distance``, ``misfit`` and ``ended`` (B,); those that have X*,
    or another solution, leave.
    """

    reads_train_error = True
    stride, from_start = LOOK, False
    per_run = begins(distance=np.nan, misfit=np.nan, ended=np.nan)

    def __init__(self, fits):
        """``fits``: whether a run at another solution has ended, too: splittings stay where they are then."""
        self.fits = fits

    def observe(self, snapshot):
        """Take in distances and misfits."""
        self.memory["distance"][snapshot.active] = snapshot.test_error
        self.memory["misfit"][snapshot.active] = snapshot.train_error
        self.memory["ended"][snapshot.active] = snapshot.iteration
        done = snapshot.test_error < LANDED
        # Ten times nearer to feasible than what decides, so that the distance is read to some digits.
        return done | (snapshot.train_error < 0.1 * ANOTHER * snapshot.test_error) if self.fits else done


def _targets(options, context, kind, d, numbers):
    """Return X* of the targets of these numbers, shape (T, d, d): r eigenvalues 1,
    Hermitian ones held as real matrices.
    """
    rank, found = options["rank"], []
    for number in numbers:
        names = {"d": d, "rank": rank, "seed": context.seed, "target": number, "kind": kind in measurements.HERMITIAN}
        generator = stream("feasible-target", **names)
        if kind in measurements.HERMITIAN:
            half = torch.complex(*torch.from_numpy(generator.standard_normal((2, d // 2, rank))))
            basis = torch.linalg.qr(half)[0]
            found.append(as_real(basis @ basis.mH))
        else:
            basis = torch.linalg.qr(torch.from_numpy(generator.standard_normal((d, rank))))[0]
            found.append(basis @ basis.mT)
    return torch.stack(found).to(context.device, context.dtype)


def measure(options, context, number, kind, d):
    """Return one row per kind, d, m, method, target and ensemble: how far from X* a matrix lies that fits the labels.

    X* has r eigenvalues 1. m is ``ratios`` times dr (``dr``), the statistical dimension of positivity (``psd``), that
    of the least trace (``trace``), or the d's own ratio (``each``). Where the set of PSD matrices that fit is {X*},
    every method but descent ends at X*. Status: ``converged`` at X* or at another solution (``ANOTHER``); ``budget`` is
    undecided.
    """
    sizes = counts(options, kind, d)
    ensemble = measurements.draw(kind, d, sizes[-1], context.seed, number, context.device, context.dtype)
    numbers = target_numbers(options, number)
    targets = dict(zip(numbers, _targets(options, context, kind, d, numbers), strict=True))
    rows = []
    for method in options["method"]:
        rows += _run(options, context, ensemble, kind, method, sizes, targets)
    psd, trace = dimensions(kind, d, options["rank"])
    shared = {"kind": kind, "d": d, "rank": options["rank"], "psd_dimension": psd, "trace_dimension": trace}
    return [{**shared, "ensemble": number, **row} for row in rows]


def _run(options, context, ensemble, kind, method, sizes, targets):
    """Return a method's rows without what all rows of the ensemble share; ``targets`` are X* by number."""
    if method == "descent":
        algorithm, step = factored.Algorithm, STEPS[kind]
        iterations = round(options["time"] / step)
    else:
        algorithm = least_trace.Algorithm if method == "least_trace" else splitting.Algorithm
        step, iterations = GAMMA[method], options["iterations"]
    shared = {"step": step, "iterations": iterations, "alpha": ALPHA, "start": "identity", "width": None}
    points = {number: _point(options, kind, method, target) for number, target in targets.items()}
    runs = [{**shared, "m": m, "target": target, "point": points[target]} for m, target in product(sizes, targets)]
    planted, seen = torch.stack(list(targets.values())).repeat(len(sizes), 1, 1), Landing(method != "descent")
    context.run(ensemble, algorithm, runs, planted, [seen], diverges_above=math.inf)
    kept = zip(runs, *(seen.memory[name].tolist() for name in ("distance", "misfit", "ended")), strict=True)
    return [_row(method, *each) for each in kept]


def _point(options, kind, method, target):
    """Return the point to which the methods ``far`` and ``least_frobenius`` find what fits nearest."""
    rank = options["rank"] * (2 if kind in measurements.HERMITIAN else 1)
    return splitting.far_point(target, rank, FAR) if method == "far" else torch.zeros_like(target)


def _row(method, run, distance, misfit, ended):
    finite = math.isfinite(distance) and math.isfinite(misfit)
    done = distance < LANDED or (method != "descent" and misfit < ANOTHER * distance)
    return {
        "m": run["m"],
        "method": method,
        "target": run["target"],
        "distance": distance if finite else math.nan,
        "misfit": misfit if finite else math.nan,
        "iterations": ended,
        "status": "diverged" if not finite else "converged" if done else "budget",
    }
