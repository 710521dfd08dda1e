"""The settings of the experiment ``descents``: a problem, the runs of one algorithm on it, and what is recorded.

Runs are given in one of two units. ``step`` and ``iterations`` are those that run. ``paper_step`` and
``paper_iterations`` are a paper's: one iteration as it runs equals ``step_factor`` of the paper's, by a step that is
as many times as large. The record's ``every`` and ``at`` are in the unit of the runs.
"""

from collections.abc import Mapping
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from algoreg import plugins
from algoreg.settings import options as declared
from algoreg.settings.base import LEFT_OUT, DrawnTargets, Name, Strict, Text, as_list, misfit, show

Iteration = Annotated[int, Field(ge=0, le=10**9)]
Count = Annotated[int, Field(ge=1, le=10**9)]
# The keys for a run's step and iterations in a paper's unit.
PAPER = {"paper_step": "step", "paper_iterations": "iterations"}


class Target(Strict):
    """The planted X*: the paper's unit Gaussian columns, given eigenvalues, or ``unknown`` if a file is read."""

    kind: Literal["columns", "spectrum", "unknown"]
    eigenvalues: list[PositiveFloat] = Field(LEFT_OUT, min_length=1)


class Outliers(Strict):
    """A share of the observations has normal errors of ``size`` times the observations' root mean square."""

    share: float = Field(gt=0, lt=1)
    size: PositiveFloat


class Data(Strict):
    """A file of measurements; see :mod:`algoreg.recover.io.measurement_files`.

    ``path`` is relative to the workflow's working directory. ``target`` is the column of a table that the other columns
    explain. ``table`` tells what a table contains: features of the target, vectors, or the matrix itself with gaps.
    ``shape`` is the matrix's shape, if the file does not contain it.
    """

    path: Text
    format: Literal["npz", "npy", "csv", "parquet"] = LEFT_OUT
    target: Text = LEFT_OUT
    table: Literal["features", "vectors", "matrix"] = LEFT_OUT
    shape: list[PositiveInt] = Field(LEFT_OUT, min_length=2, max_length=2)


class Grid(Strict):
    """Which iterations are recorded, in the unit of the runs."""

    every: Count = LEFT_OUT
    log_spaced: int = Field(LEFT_OUT, ge=2, le=10_000)
    at: list[Iteration] = Field(LEFT_OUT, min_length=1)

    @model_validator(mode="after")
    def _some_iterations(self):
        if not self.model_fields_set:
            raise misfit(self, "a mapping with any of every, log_spaced, at")
        return self


class Record(Strict):
    """The iterations at which errors are recorded and, optionally, eigenvalues."""

    errors: Grid
    spectrum: Grid = LEFT_OUT


class Options(DrawnTargets):
    """Options of the problem that is drawn, of the runs on it, and of what they record.

    ``label_noise`` is the standard deviation of the noise over the observations' root mean square. The last
    ``hold_out`` of the measurements are unknown to all runs. Every key of a run except its step and iterations is an
    option of the algorithm.
    """

    ensemble: Name = "gaussian"
    d: int = Field(ge=1, le=100_000)
    rank: Count
    m: Count
    target: Target = Field(Target.model_validate({"kind": "columns"}))
    data: Data = LEFT_OUT
    targets: int = Field(ge=1, le=10_000)
    own_targets: bool = Field(False, description="whether every ensemble has a target of its own")
    label_noise: NonNegativeFloat = 0.0
    outliers: Outliers = LEFT_OUT
    hold_out: float = Field(0.0, ge=0, lt=1, description="a share of the measurements")
    algorithm: Name
    runs: list[dict[str, Any]] = Field(min_length=1, description="step, iterations and further options of each run")
    step_factor: Count = LEFT_OUT
    stop_below_train_error: PositiveFloat = LEFT_OUT
    record: Record

    @model_validator(mode="after")
    def _target_that_is_known(self):
        kind, given = self.target.kind, self.target.eigenvalues
        message = f"target.eigenvalues = {show(given)}: allowed is"
        if kind == "spectrum" and (given is None or len(given) != self.rank):
            raise ValueError(f"{message} a list of rank = {self.rank} numbers")
        if kind != "spectrum" and given is not None:
            raise ValueError(f"{message} only with kind: spectrum")
        if (self.data is None) != (kind != "unknown"):
            raise ValueError(f"target.kind = {kind}: allowed is data with target: {{kind: unknown}}, or neither")
        if self.data is not None and not self.own_targets:
            raise misfit(self, "true with data: a file has one target", "own_targets")
        return self

    @model_validator(mode="after")
    def _something_left_to_fit(self):
        if self.hold_out and not 1 <= held_out(self.hold_out, self.m) < self.m:
            share = f"a share that holds out 1 to {self.m - 1} of m = {self.m} measurements"
            allowed = share if self.m > 1 else "0 where m = 1, as nothing is left to be fitted"
            raise misfit(self, allowed, "hold_out")
        return self


def held_out(share: float, m: int) -> int:
    """Return how many of m measurements are held out, given the share."""
    return round(share * m)


def known_measurements(options: Mapping[str, Any]) -> int:
    """Return how many measurements runs know by default: all that are not held out."""
    return options["m"] - held_out(options["hold_out"], options["m"])


def factor_of(options: Mapping[str, Any]) -> int:
    """Return how many of a paper's iterations one of ours equals; 1 if runs are not given in a paper's unit."""
    papers = any(key in run for run in options["runs"] for key in PAPER)
    return (options.get("step_factor") or 1) if papers else 1


def expand_runs(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the runs with lists multiplied out and defaults filled in, without the targets.

    Returns
    -------
    list of dict
        ``step`` and ``iterations`` as they run, ``step_factor`` (see :func:`factor_of`), ``m`` and every option of the
        algorithm.
    """
    factor = factor_of(options)
    defaults = {"m": known_measurements(options), "step_factor": factor}
    defaults.update(declared.defaults(declared.of_algorithm(options["algorithm"])))
    if options["data"] and "rank" in plugins.algorithm(options["algorithm"]).prior_knowledge:
        # With measurements from a file there is no planted rank, so the algorithm is given the rank in the settings.
        defaults["rank"] = options["rank"]
    runs = []
    for entry in options["runs"]:
        filled = {**defaults, **{PAPER.get(key, key): value for key, value in entry.items()}}
        for values in product(*map(as_list, filled.values())):
            run = dict(zip(filled, values, strict=True))
            runs.append({**run, "step": run["step"] * factor, "iterations": run["iterations"] // factor})
    return runs


def facts(options: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that distinguish a run in tables: sizes, ``m_over_d``, ``method`` and its own settings."""
    ratio = run["m"] / options["d"]
    return {
        **{key: options[key] for key in ("d", "rank")},
        "m_over_d": int(ratio) if ratio.is_integer() else ratio,
        "method": options["algorithm"],
        **run,
    }


def record_as_run(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recording grids, ``errors`` and perhaps ``spectrum``, with iterations as they run."""
    factor = factor_of(options)
    record = {}
    for what, grid in options["record"].items():
        record[what] = dict(grid)
        if "every" in grid:
            record[what]["every"] = grid["every"] // factor
        if "at" in grid:
            record[what]["at"] = [point // factor for point in grid["at"]]
    return record


def recorded_iterations(grid: Mapping[str, Any], last: int) -> list[int]:
    """Return the sorted iterations 0 … ``last`` that a recording grid names.

    Parameters
    ----------
    grid : mapping
        Any of ``every`` (a stride), ``log_spaced`` (how many points between 1 and ``last``), ``at`` (a list).
    last : int
        The end of the run, which is always recorded, as is 0.
    """
    points = {0, last}
    if "every" in grid:
        points.update(range(0, last + 1, grid["every"]))
    if "log_spaced" in grid:
        count = grid["log_spaced"]
        points.update(round(last ** (i / (count - 1))) for i in range(count))
    points.update(point for point in grid.get("at", ()) if point <= last)
    return sorted(points)


def errors_recorded(options: Mapping[str, Any]) -> set[int]:
    """Return the iterations, as they run, at which errors are recorded: the grid's, and the end of every run."""
    budgets = {run["iterations"] for run in expand_runs(options)}
    return {*recorded_iterations(record_as_run(options)["errors"], max(budgets)), *budgets}
