"""What distributed Frank–Wolfe sends between real processes, per iteration: a master and its workers on one machine."""

import math
import os
import tempfile
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.chapters.frank_wolfe import master, worker
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: Several[Annotated[int, Field(ge=2)]]
    m_over_d: PositiveFloat = 4
    protocol: Several[Literal["asynchronous", "synchronous"]]
    workers: int = Field(2, ge=1, le=64)
    batch: PositiveInt = 20
    iterations: PositiveInt
    # Seconds before every step of the last worker.
    sleep: float = Field(0.0, ge=0, le=1)
    # Seconds for a run, after which it is given up.
    limit: float = Field(120.0, gt=0, le=600)


KEYS = {
    "protocol": "`asynchronous`: workers send directions and get the others'; `synchronous`: they get X and send gradients",
    "d": None,
    "ensemble": None,
}
VALUES = {
    "sockets": "1 where the machine allowed the master its pairs of sockets, else 0: then there are no other values",
    "workers": "number of workers, each a process",
    "up": "bytes from all workers to the master per iteration: bytes over messages, times messages of an iteration",
    "down": "bytes from the master to all workers per iteration: bytes over records, times workers",
    "bytes": ("the bytes per iteration", "both together"),
    "per_slow_step": (
        "iterations of the master for every step of the last worker, or all where it took none; of the clock: "
        "shown, not verified"
    ),
    "mean_delay": "mean number of steps by which a direction was late; of the clock: shown, not verified",
}
# Which worker is how fast differs from run to run.
OF_THE_CLOCK = ("per_slow_step", "mean_delay")


def measure(options, context):
    """Return one row per protocol, d and ensemble. A run that fails, or is not over in time,
    has no values and the status ``budget``; without sockets all do.
    """
    cores = os.cpu_count() or 1
    if options["workers"] + 1 > cores:
        context.log(f"{options['workers']} workers and a master on {cores} cores: they take turns; bytes are the same")
    yield from context.by_ensemble(_rows, options, "{}, d = {}", options["protocol"], options["d"])


def _rows(options, context, number, protocol, d):
    names = {"protocol": protocol, "d": d, "ensemble": number, "workers": options["workers"]}
    with tempfile.TemporaryDirectory() as folder:
        _write(folder, options, context, number, d)
        orders = {
            "protocol": protocol,
            "d": d,
            "theta": 1.0,
            "path": folder,
            "seed": context.seed,
            "ensemble": number,
        }
        orders |= {key: options[key] for key in ("workers", "batch", "iterations", "sleep", "limit")}
        try:
            done = master.run(orders)
        except master.LinesFailed as error:
            context.log(f"{protocol}, d = {d}: no run ({error})")
            names["sockets"] = 0 if isinstance(error, master.NoSockets) else 1
            lost = ("up", "down", "bytes", "per_slow_step", "mean_delay")
            yield {**names, **dict.fromkeys(lost, math.nan), "status": "budget"}
            return
    up = done.up / done.messages * (1 if protocol == "asynchronous" else options["workers"])
    down = done.down / done.records * options["workers"]
    slow = done.by_worker[-1]
    yield {
        **names,
        "sockets": 1,
        "up": up,
        "down": down,
        "bytes": up + down,
        "per_slow_step": options["iterations"] / max(slow, 1),
        "mean_delay": float(np.mean(done.delays)),
        "status": "converged",
    }


def _write(folder, options, context, number, d):
    """Write the problem that all workers read: nothing of it goes over the lines."""
    ensemble = Ensemble.draw(d, round(options["m_over_d"] * d), context.seed, number)
    planted = draw_targets(spectrum_target(1, 1), d, 1, context, 1).to(ensemble.device, ensemble.dtype)
    worker.write_data(folder, ensemble.rows.numpy(), ensemble.label(planted)[0].numpy())
