"""Gradient flow and descent on a product of 2 × 2 factors that is to fit three entries,
where rank one is infinitely far.

W_12 = W_21 = 1 and W_22 = 0 are asked for, W_11 is free: a fit of rank one does not exist, and one of small det has a
large
|W_11| [razin2020]. The loss is ½ Σ (W_ij − asked)² over the three.
"""

import math
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from scipy.integrate import solve_ivp

from algoreg.algorithms.base import Algorithm
from algoreg.engine.observers import Observer
from algoreg.ensembles.gaussian_rectangular import Ensemble
from algoreg.numerics.seeds import stream
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    motion: Literal["flow", "descent"]
    depth: Several[Annotated[int, Field(ge=2, le=6)]]
    det: Several[Literal["positive", "negative"]]
    scale: float = Field(gt=0, le=0.1)
    step: float = Field(0.003, gt=0, le=0.01)
    loss: Several[Annotated[float, Field(gt=0, lt=0.5)]]
    most: float = Field(1e4, ge=1, description="the largest η·t")
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if self.motion == "descent" and self.most > 1e7 * self.step:
            raise misfit(self, "most at most 10⁷ steps of descent", "most", "step")
        return self


KEYS = {
    "depth": "N, the number of factors",
    "det": "sign of det W at the start: `positive` or `negative`",
    "accuracy": ("1/loss", "1/loss at which the run is read"),
    "target": "number of the start",
    "ensemble": "the same: every start is a draw of its own, and there are no measurements",
}
VALUES = {
    "time": "η·t by then (empty: not by the end)",
    "norm": ("|W_11|", "|W_11| by then"),
    "law_over_norm": (
        "the law over |W_11|",
        "1/(√(2·loss)·|W_11|): 1 where det W is small and W_12·W_21 = 1, as for rank one",
    ),
    "flipped": (
        "share of runs whose det changed its sign",
        "1 if det W was seen with both signs by then, else 0: flow is looked at in its integrator's steps, descent every 50 steps",
    ),
}
ASKED = np.array([[0.0, 1.0], [1.0, 0.0]])
SEEN = np.array([[0.0, 1.0], [1.0, 1.0]])
# Relative and absolute errors of the flow's integrator.
PRECISION, SMALL = 1e-9, 1e-12
# Steps of descent between two looks at the losses.
EVERY = 50


def balanced_start(depth, scale, det, rng):
    """Return balanced factors, shape (N, 2, 2), W_1 first, whose product has a det of this sign."""
    left, values, right = np.linalg.svd(rng.standard_normal((2, 2)))
    wrong = (np.linalg.det(left) * np.linalg.det(right) > 0) != (det == "positive")
    left = left * np.array([1.0, -1.0 if wrong else 1.0])
    middle = np.diag((scale * values) ** (1 / depth))
    factors = np.array([middle] * depth)
    factors[0], factors[-1] = factors[0] @ right, left @ factors[-1]
    return factors


def product(factors):
    """Return W_N…W_1 of factors (…, N, 2, 2)."""
    whole_product = factors[..., 0, :, :]
    for number in range(1, factors.shape[-3]):
        whole_product = factors[..., number, :, :] @ whole_product
    return whole_product


def sign_of_det(factors):
    """Return the sign of det W, that of the factors' dets:
    W itself is rounded at the size of its larger singular value.
    """
    return np.sign(np.linalg.det(factors)).prod(axis=-1)


def gradients(factors):
    """Return the loss's gradient in every factor, shape (…, N, 2, 2)."""
    each = [factors[..., number, :, :] for number in range(factors.shape[-3])]
    below = [each[0]]
    for factor in each[1:]:
        below.append(factor @ below[-1])
    above, found = (below.pop() - ASKED) * SEEN, np.empty_like(factors)
    for number in range(len(below), 0, -1):
        np.matmul(above, below[number - 1].swapaxes(-1, -2), out=found[..., number, :, :])
        above = each[number].swapaxes(-1, -2) @ above
    found[..., 0, :, :] = above
    return found


def loss(whole_product):
    """Return ½ Σ (W_ij − asked)² over the three entries that are asked for."""
    return 0.5 * (((whole_product - ASKED) * SEEN) ** 2).sum(axis=(-2, -1))


def flow(factors, levels, most):
    """Return ``(time, W, flipped)`` when the loss of gradient flow falls to each level,
    None for those it does not reach.
    """
    shape = factors.shape
    events = [lambda _, state, level=level: math.log(loss(product(state.reshape(shape))) / level) for level in levels]
    events[-1].terminal = True
    done = solve_ivp(
        lambda _, state: -gradients(state.reshape(shape)).ravel(),
        (0, most),
        factors.ravel(),
        method="LSODA",
        rtol=PRECISION,
        atol=SMALL,
        events=events,
    )
    signs = sign_of_det(done.y.T.reshape(-1, *shape))
    changed = done.t[signs != signs[0]]
    return [
        (times[0], product(states[0].reshape(shape)), bool((changed <= times[0]).any())) if len(times) else None
        for times, states in zip(done.t_events, done.y_events, strict=True)
    ]


class Factors(Algorithm):
    """Descent on N factors of 2 × 2, by the loss of three entries. State: ``factors``,
    W_1 first, shape (B, N, 2, 2).
    """

    requires = frozenset({"single measurements"})

    def initial(self):
        """Return the factors that every run starts from."""
        return {"factors": torch.from_numpy(np.stack([run["factors"] for run in self.runs]))}

    def advance(self, state, iteration, count):
        """Return the state after ``count`` further steps."""
        factors, steps = state["factors"].numpy(), self.steps[..., None].numpy()
        for _ in range(count):
            factors = factors - steps * gradients(factors)
        return {"factors": torch.from_numpy(factors)}

    def estimate(self, state):
        """Return W of every run."""
        return torch.from_numpy(product(state["factors"].numpy()))


class Levels(Observer):
    """When the loss is first seen below levels, which W a run has then,
    and whether det W has been seen with another sign.

    Memory: ``iteration`` (B, K), NaN where a run did not get there, ``product`` (B, K, 2, 2) and ``flipped`` (B, K)
    then; ``sign`` and ``changed`` (B,), the sign at the start and whether it has changed. A run below the last level
    leaves.

    Parameters
    ----------
    levels : list of float
        K of them, falling.
    """

    stride = EVERY

    def __init__(self, levels):
        self.levels = np.array(levels)

    def prepare(self, batch):
        """Begin without any."""
        shape = len(batch.runs), len(self.levels)
        self.memory = {"iteration": np.full(shape, np.nan), "product": np.full((*shape, 2, 2), np.nan)}
        self.memory |= {
            "flipped": np.zeros(shape, bool),
            "sign": np.zeros(shape[0]),
            "changed": np.zeros(shape[0], bool),
        }

    def observe(self, snapshot):
        """Take in losses and signs."""
        memory, runs, factors = self.memory, snapshot.active, snapshot.state["factors"].numpy()
        signs, now = sign_of_det(factors), product(factors)
        if snapshot.iteration == 0:
            memory["sign"][runs] = signs
        memory["changed"][runs] |= signs != memory["sign"][runs]
        first = np.isnan(memory["iteration"][runs]) & (loss(now)[:, None] < self.levels)
        place, level = np.nonzero(first)
        memory["iteration"][runs[place], level] = snapshot.iteration
        memory["product"][runs[place], level] = now[place]
        memory["flipped"][runs[place], level] = memory["changed"][runs[place]]
        return loss(now) < self.levels[-1]


def descent(context, number, starts, levels, step, most):
    """Return for every start what :func:`flow` returns, of gradient descent on all starts (B, N, 2, 2) together."""
    known = Ensemble(torch.from_numpy(np.eye(4)[SEEN.ravel() > 0]), 2, number=number)
    shared = {"step": step, "m": known.m, "iterations": EVERY * math.ceil(most / step / EVERY)}
    runs, seen = [{**shared, "factors": start} for start in starts], Levels(levels)
    asked = torch.from_numpy(ASKED).expand(len(runs), 2, 2)
    context.run(known, Factors, runs, asked, [seen], diverges_above=math.inf)
    parts = (seen.memory[name] for name in ("iteration", "product", "flipped"))
    return [
        [
            None if math.isnan(count) else (count * step, now, bool(flipped))
            for count, now, flipped in zip(*one, strict=True)
        ]
        for one in zip(*parts, strict=True)
    ]


def measure(options, context, number, depth):
    """Return one row per depth, sign of det W(0), loss and start: |W_11| when the loss falls below that.

    Starts are balanced, W_jW_jᵀ = W_{j+1}ᵀW_{j+1}: the singular vectors of a Gaussian 2 × 2 matrix at the ends, and the
    N-th roots of its singular values, times ``scale``, in every factor: the product starts at that size. ``flow``
    integrates the factors' gradient flow, ``descent`` has steps of η = ``step`` on each factor. A row is ``converged``
    if the loss was reached before η·t = ``most``. Descent is looked at every 50 steps: its levels and signs are those
    of a look.
    """
    levels = sorted(options["loss"], reverse=True)
    runs = [(det, target) for det in options["det"] for target in range(options["targets"])]
    axes = {"seed": context.seed, "ensemble": number, "depth": depth}
    starts = np.array(
        [
            balanced_start(depth, options["scale"], det, stream("balanced start", target=target, **axes))
            for det, target in runs
        ]
    )
    if options["motion"] == "flow":
        found = [flow(start, levels, options["most"]) for start in starts]
    else:
        found = descent(context, number, starts, levels, options["step"], options["most"])
    rows = []
    for (det, target), course in zip(runs, found, strict=True):
        start = number * options["targets"] + target
        own = {"depth": depth, "det": det, "target": start, "ensemble": start}
        rows += [{**own, "accuracy": 1 / level, **_values(seen)} for level, seen in zip(levels, course, strict=True)]
    return rows


def _values(seen):
    """Return what is measured when a run reaches a loss, or that it does not."""
    if seen is None:
        return {"time": None, "norm": None, "law_over_norm": None, "flipped": None, "status": "budget"}
    time, whole_product, flipped = seen
    norm = abs(float(whole_product[0, 0]))
    law = 1 / math.sqrt(2 * float(loss(whole_product)))
    values = {"time": float(time), "norm": norm, "law_over_norm": law / norm, "flipped": float(flipped)}
    return {**values, "status": "converged"}
