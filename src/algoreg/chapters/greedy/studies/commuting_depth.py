"""Where a product of N diagonal factors ends when measurement matrices are diagonal and so commute, by depth and start.

There all factors stay equal and diagonal, X = diag(u^N), and gradient descent on them is u ← u(1 − ηu^{N−2}g), g the diagonal of M.
From vanishing starts it ends at the least trace, at every depth [arora2019, gunasekar2017].
"""

from itertools import product

import numpy as np

from algoreg.numerics.draws import draw_diagonals
from algoreg.numerics.problems import draw_flat_target
from algoreg.numerics.trace_minimisation import minimum_trace_diagonal
from algoreg.spec.base import StudyOptions, between, real, reals, whole, wholes


class Options(StudyOptions):
    """What the study can be told."""

    d: int = whole(ge=2)
    m: int = whole()
    support: int = whole(ge=2)
    depth: list[int] = wholes(ge=2, le=4)
    # X_0 = s_0·I.
    start: list[float] = reals(ge=1e-8, le=1, least=2)
    targets: int = whole(ge=2)
    step: float = real(1.0, gt=0, le=1)
    most: int = whole(40000, said="a whole number of at least 1, the largest number of steps")

    def wrong(self):
        """Yield what does not fit together."""
        if self.m >= self.d:
            yield between("m", "d", allowed="m below d: d diagonal matrices say all that diagonal matrices can say")
        # With far fewer, X ≥ 0 alone leaves nothing but X*, whatever the method.
        if 4 * self.support < self.m:
            yield between("support", "m", allowed="support at least m/4: below it X* is the only fit with X ≥ 0")
        if self.support > self.d:
            yield between("support", "d", allowed="support at most d")


KEYS = {
    "depth": "N, the number of factors",
    "start": ("the start s₀", "s₀ of the start X₀ = s₀·I"),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "d": None,
    "m": None,
    "distance_to_min_trace": (
        "the distance to the least trace",
        "‖x − x̂‖/‖x*‖ of diagonals, x̂ Clarabel's non-negative one of least sum that fits the labels",
    ),
    "distance_to_target": ("the distance to X*", "‖x − x*‖/‖x*‖ of diagonals"),
    "gap_of_least": ("the distance of the least trace to X*", "‖x̂ − x*‖/‖x*‖"),
    "train_error": None,
    "iteration": "steps that it took",
}
# A run leaves at this training error; one that is above it after `most` steps has status budget.
FITTED = 1e-5
EVERY = 100


def descend(vectors, labels, depth, starts, step, most):
    """Return the diagonals that descent ends with, and the steps that it took.

    Parameters
    ----------
    vectors : numpy.ndarray, shape (m, d)
        Diagonals of the A_i.
    labels : numpy.ndarray, shape (B, m)
    depth : int
        N.
    starts : numpy.ndarray, shape (B,)
        s_0 of every run.
    step : float
    most : int

    Returns
    -------
    tuple of numpy.ndarray
        Shapes (B, d) and (B,).
    """
    m, d = vectors.shape
    roots = np.repeat(starts[:, None] ** (1 / depth), d, axis=1)
    found, taken, active = np.empty_like(roots), np.zeros(len(starts), int), np.arange(len(starts))
    norms = np.linalg.norm(labels, axis=1)
    for count in range(most + 1):
        power = np.ones_like(roots) if depth == 2 else roots if depth == 3 else roots * roots
        diagonal = power * roots * roots
        residual = diagonal @ vectors.T - labels[active]
        if count % EVERY == 0 or count == most:
            done = (np.linalg.norm(residual, axis=1) < FITTED * norms[active]) | (count == most)
            found[active[done]], taken[active[done]] = diagonal[done], count
            active, roots = active[~done], roots[~done]
            if not len(active):
                break
            power, diagonal, residual = power[~done], diagonal[~done], residual[~done]
        pulled = residual @ vectors / m
        size = np.maximum(np.linalg.norm(pulled, axis=1), diagonal.max(axis=1))
        roots = roots * (1 - (step / (depth * power.max(axis=1) * size))[:, None] * power * pulled)
    return found, taken


def measure(options, context, number):
    """Return one row per depth, start, target and ensemble.

    X* = diag(x*) has ``support`` entries of 1, drawn at random. Steps are relative, η = c/(N·max u^{N−2}·max(‖g‖, max x)), c being
    ``step``: growth from small factors would take too many fixed ones.
    """
    d, m, targets = options["d"], options["m"], range(options["targets"])
    vectors = draw_diagonals(d, m, context.seed, number)
    flat = [draw_flat_target(d, options["support"], context.seed, target) for target in targets]
    planted = options["support"] * np.array([one.diagonal() for one in flat])
    solved = [minimum_trace_diagonal(vectors, vectors @ one, "clarabel")[0] for one in planted]
    least = np.array([np.full(d, np.nan) if one is None else one for one in solved])
    runs = list(product(options["start"], targets))
    own = [target for _, target in runs]
    labels, starts = planted[own] @ vectors.T, np.array([start for start, _ in runs])
    rows = []
    for depth in options["depth"]:
        ends, taken = descend(vectors, labels, depth, starts, options["step"], options["most"])
        errors = np.linalg.norm(ends @ vectors.T - labels, axis=1) / np.linalg.norm(labels, axis=1)
        rows += [
            {"depth": depth, "start": start, "target": target, "ensemble": number, "d": d, "m": m}
            | _values(end, planted[target], least[target], error, count)
            for (start, target), end, error, count in zip(runs, ends, errors, taken, strict=True)
        ]
    return rows


def _values(end, planted, least, error, count):
    """Return what is measured of one run."""
    if not (np.isfinite(least).all() and np.isfinite(end).all()):
        return {name: None for name in VALUES if name not in ("d", "m")} | {"status": "diverged"}
    norm = np.linalg.norm(planted)
    goals = {"distance_to_min_trace": end - least, "distance_to_target": end - planted, "gap_of_least": least - planted}
    return {name: float(np.linalg.norm(apart) / norm) for name, apart in goals.items()} | {
        "train_error": float(error),
        "iteration": int(count),
        "status": "converged" if error < FITTED else "budget",
    }
