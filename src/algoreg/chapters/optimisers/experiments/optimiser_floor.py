"""How near optimisers come to a known target: at constant steps, and at annealed ones."""

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.chapters.optimised import descend, known_target
from algoreg.chapters.optimisers.methods import MethodName, run_of
from algoreg.engine.observers import Observer, begins
from algoreg.numerics.problems import draw_factor
from algoreg.settings.base import Different, ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=3)
    eigenvalues: Different[PositiveFloat] = Field([1.0, 0.5, 0.25])
    alpha: PositiveFloat = 0.3
    methods: Several[MethodName]
    step: Several[PositiveFloat]
    # η·t of constant steps.
    time: PositiveFloat = 20.0
    # Of annealed runs: from and to which step, over how many iterations.
    first_step: PositiveFloat = 0.1
    last_step: PositiveFloat = 1e-8
    lengths: Different[PositiveInt]


KEYS = {
    "method": "optimiser",
    "schedule": ("the schedule", "`constant` or `exponential`"),
    "step": "step size; of an annealed run the first one",
    "iterations": None,
    "target": None,
    "ensemble": "number of the draw",
}
VALUES = {
    "d": None,
    "floor": ("the error at the end", "root mean square of ‖X − X*‖_F / ‖X*‖_F over the last tenth of the iterations"),
    "end_error": ("the error after the last step", "‖X − X*‖_F / ‖X*‖_F after the last iteration"),
}


class Floor(Observer):
    """Errors over the last tenth of every run: memory ``total`` (of squares), ``count`` and ``last`` (B,)."""

    stride = 1
    per_run = begins(total=0.0, count=0.0, last=np.nan)

    def observe(self, snapshot):
        """Record the errors."""
        runs = snapshot.active
        late = snapshot.iteration > 0.9 * snapshot.batch.budgets[runs]
        self.memory["total"][runs] += np.where(late, np.square(snapshot.test_error), 0.0)
        self.memory["count"][runs] += late
        self.memory["last"][runs] = snapshot.test_error


def measure(options, context, number):
    """Return one row per method, schedule, step and length, and draw: full width, from αG."""
    d, values = options["d"], options["eigenvalues"]
    factor = draw_factor({"kind": "spectrum", "eigenvalues": values}, d, len(values), context.seed, number)
    own = {"alpha": options["alpha"], "start": "gaussian", "target": number}
    runs = []
    for method in options["methods"]:
        for step in options["step"]:
            runs.append(run_of(method, round(options["time"] / step), step=step, last_step=None, **own))
        steps = {"step": options["first_step"], "last_step": options["last_step"]}
        runs += [run_of(method, length, **steps, **own) for length in options["lengths"]]
    target = torch.from_numpy(factor @ factor.T).to(context.device, context.dtype)
    seen = Floor()
    status = descend(context, known_target(d, context), runs, target.expand(len(runs), d, d), [seen])
    floors = np.sqrt(seen.memory["total"] / np.maximum(seen.memory["count"], 1))
    return [
        {key: run[key] for key in ("method", "step", "iterations", "target")}
        | {"schedule": "constant" if run["last_step"] is None else "exponential", "ensemble": number, "d": d}
        | {"floor": floor, "end_error": last, "status": end}
        for run, end, floor, last in zip(runs, status, floors.tolist(), seen.memory["last"].tolist(), strict=True)
    ]
