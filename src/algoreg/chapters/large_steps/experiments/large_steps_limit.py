"""The largest step with which descent on two factors converges, in units of the sharpness at its start."""

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.algorithms.asymmetric import Algorithm
from algoreg.engine.observers import Observer, begins
from algoreg.ensembles.gaussian_rectangular import Ensemble
from algoreg.numerics.seeds import stream
from algoreg.settings.base import Different, ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    width: Several[PositiveInt]
    # In units of 1/L, rising.
    ratio: Different[PositiveFloat]
    left: PositiveFloat = 4.0
    right: PositiveFloat = 0.3
    iterations: PositiveInt


KEYS = {
    "width": ("the width", "columns of both factors"),
    "ratio": ("the step in units of 1/L", "η·L, L the largest eigenvalue of the Hessian at the start"),
    "target": None,
    "ensemble": "number of the draw; every entry is measured",
}
VALUES = {
    "d": None,
    "step": None,
    "sharpness": "L: the largest eigenvalue of the Hessian at the start",
    "bounded": ("the share of runs that do not diverge", "1 if the run did not diverge, else 0"),
    "last": (
        "the last step that does not diverge, in units of 1/L",
        "the largest η·L of the draw whose run, and all of smaller steps, did not diverge",
    ),
    "last_balanced": ("that step in units of the balanced minimum's sharpness", "η times 2‖A‖, at that step"),
    "gap": ("the gap that is left", "|‖X‖²_F − ‖Y‖²_F| at the end over that at the start; empty where it diverged"),
}
DIVERGED = 1e3


class Gap(Observer):
    """‖X‖² − ‖Y‖² of every run where it leaves: memory ``gap`` (B,)."""

    per_run = begins(gap=np.nan)

    def observe(self, snapshot):
        """Take in the factors' lengths."""
        left, right = (snapshot.state[side].square().sum((1, 2)) for side in ("left", "right"))
        self.memory["gap"][snapshot.active] = (left - right).abs().cpu().numpy()


def hessian_norm(left, right, target):
    """Return the largest eigenvalue of the Hessian of ½‖A − XYᵀ‖² in (X, Y)."""

    def loss(flat):
        x, y = flat[: left.numel()].view_as(left), flat[left.numel() :].view_as(right)
        return (target - x @ y.mT).square().sum() / 2

    flat = torch.cat([left.flatten(), right.flatten()])
    return float(torch.linalg.eigvalsh(torch.autograd.functional.hessian(loss, flat))[-1])


def drawn(d, width, lengths, seed, number):
    """Return A = uvᵀ of norm 1, and X and Y of given Frobenius norms in random directions, float64."""
    generator = stream("large-steps-limit", d=d, width=width, seed=seed, draw=number)
    sides = generator.standard_normal((2, d))
    sides /= np.linalg.norm(sides, axis=1, keepdims=True)
    factors = generator.standard_normal((2, d, width))
    factors *= (np.array(lengths) / np.linalg.norm(factors, axis=(1, 2)))[:, None, None]
    return torch.from_numpy(np.outer(*sides)), *torch.from_numpy(factors)


def measure(options, context, number):
    """Return one row per width, step and draw, of ½‖A − XYᵀ‖² with A of rank 1 and norm 1."""
    d, rows = options["d"], []
    # Every entry once, scaled such that the gradient in X is that of ½‖A − X‖².
    entries = torch.eye(d * d, dtype=torch.float64) * float(d)
    ensemble = Ensemble(entries.to(context.device, context.dtype), d)
    for width in options["width"]:
        target, left, right = drawn(d, width, (options["left"], options["right"]), context.seed, number)
        norm = hessian_norm(left, right, target)
        target, left, right = (tensor.to(context.device, context.dtype) for tensor in (target, left, right))
        count = len(options["ratio"])
        own = {"alpha": 1.0, "width": width, "rule": "simultaneous", "damping": 0.0, "balance": 1.0, "target": number}
        own |= {"m": ensemble.m, "iterations": options["iterations"]}
        runs = [{**own, "step": ratio / norm, "ratio": ratio} for ratio in options["ratio"]]
        state = {side: factor.expand(count, d, width).clone() for side, factor in (("left", left), ("right", right))}
        seen = Gap()
        goals = target.expand(count, d, d)
        status = context.run(ensemble, Algorithm, runs, goals, [seen], start=state, diverges_above=DIVERGED).status
        begun = abs(options["left"] ** 2 - options["right"] ** 2)
        bounded = np.array([end != "diverged" for end in status])
        fine = int(np.cumprod(bounded).sum())
        last = runs[fine - 1]["ratio"] if fine else float("nan")
        for run, end, there, gap in zip(runs, status, bounded, seen.memory["gap"], strict=True):
            rows.append(
                {"width": width, "ratio": run["ratio"], "target": number, "ensemble": number, "d": d}
                | {"step": run["step"], "sharpness": norm, "bounded": float(there), "last": last}
                | {"last_balanced": 2 * last / norm, "gap": float(gap) / begun if there else None, "status": end}
            )
    return rows
