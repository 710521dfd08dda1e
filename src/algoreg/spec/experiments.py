"""Problems, descents, studies, experiments and figures: what each may say by itself.
How they fit together: :mod:`algoreg.spec.fitting`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from algoreg.spec.base import (
    DTYPES,
    NAME_IN_WORDS,
    Strict,
    at,
    between,
    choices,
    is_name,
    name,
    real,
    reals,
    text,
    whole,
    wholes,
    words,
)
from algoreg.spec.grids import held_out
from algoreg.spec.messages import beyond_range, problems, wrong

SECTIONS = ("problems", "descents", "studies", "experiments", "figures")
COUNT = "a whole number of at least 1"
Iteration = Annotated[int, Field(ge=0, le=10**9)]
Size = Annotated[int, Field(ge=1)]


class Target(Strict):
    """The planted X*: the paper's unit Gaussian columns, or given eigenvalues;
    ``unknown`` where measurements are a file's.
    """

    kind: Literal["columns", "spectrum", "unknown"]
    eigenvalues: list[float] = reals(None, gt=0, le=1e300, different=False, said="a list of numbers above 0")


class Outliers(Strict):
    """Labels that are far off: a share of them, by normal numbers of ``size`` times the labels' root mean square."""

    share: float = real(gt=0, lt=1)
    size: float = real(gt=0, le=1e300, said="a number above 0")


class Data(Strict):
    """A file of measurements; see :mod:`algoreg.store.measurement_files`.

    ``path`` is seen from where the workflow runs, ``target`` the column of a table that the others explain, ``table``
    what a table is: features of the target, vectors, or the matrix itself with gaps. ``shape`` is the matrix's, where
    the file does not say it.
    """

    path: str = text()
    format: Literal["npz", "npy", "csv", "parquet"] = None
    target: str = text(None)
    table: Literal["features", "vectors", "matrix"] = None
    # Not wholes: of a square matrix both are the same.
    shape: list[Size] = Field(None, min_length=2, max_length=2, description="a list of two whole numbers of at least 1")


class Problem(Strict):
    """Targets, and the ensembles that measure them.

    ``label_noise`` is the standard deviation of the noise over the labels' root mean square. The last ``hold_out`` of
    the measurements are told to no run.
    """

    ensemble: str = name()
    d: int = whole(le=100_000)
    rank: int = whole(le=10**9, said=COUNT)
    m: int = whole(le=10**9, said=COUNT)
    target: Target
    data: Data = words("a mapping with path", None)
    targets: int = whole(le=10_000)
    ensembles: int = whole(le=10_000)
    own_targets: bool = words("true (every ensemble has a target of its own) or false", False)
    label_noise: float = real(0.0, ge=0, le=1e300, said="a number of at least 0")
    outliers: Outliers = words("a mapping with share and size", None)
    hold_out: float = real(0.0, ge=0, lt=1, said="a share of at least 0 and below 1")

    def wrong(self) -> Any:
        """Yield what does not fit together."""
        if self.rank > self.d:
            yield at("rank", allowed=f"at most d = {self.d}")
        if self.own_targets and self.targets != 1:
            yield at("targets", allowed="1 with own_targets: true")
        given = self.target.eigenvalues
        if self.target.kind == "spectrum" and (given is None or len(given) != self.rank):
            yield at("target", "eigenvalues", allowed=f"a list of rank = {self.rank} numbers")
        if self.target.kind != "spectrum" and given is not None:
            yield at("target", "eigenvalues", allowed="only with kind: spectrum")
        if (self.data is None) != (self.target.kind != "unknown"):
            yield between("data", "target", allowed="data with target: {kind: unknown}, or neither")
        if self.data is not None and not self.own_targets:
            yield at("own_targets", allowed="true with data: a file has one target")
        if self.hold_out and not 1 <= held_out(self.hold_out, self.m) < self.m:
            share = f"a share that holds out 1 to {self.m - 1} of m = {self.m} measurements"
            yield at("hold_out", allowed=share if self.m > 1 else "0 where m = 1, as nothing is left to be fitted")


class Grid(Strict):
    """Which iterations are recorded, in the paper's."""

    every: int = whole(None, le=10**9, said=COUNT)
    log_spaced: int = whole(None, ge=2, le=10_000)
    at: list[Iteration] = Field(None, min_length=1, description="a list of iterations")

    def wrong(self) -> Any:
        """Yield what does not fit together."""
        if not self.model_fields_set:
            yield at(allowed="a mapping with any of every, log_spaced, at")


class Record(Strict):
    """What a descent records, and when."""

    errors: Grid
    spectrum: Grid = words("a mapping with any of every, log_spaced, at", None)


class Descent(Strict):
    """Runs of one algorithm on one problem; the runs' own settings are the algorithm's."""

    problem: str = name()
    algorithm: str = name()
    ensembles: list[int] = wholes(None, ge=0, le=10**9, said="a list of ensemble numbers, from 0")
    dtype: DTYPES = None
    step_factor: int = whole(None, le=10**9, said=COUNT)
    stop_below_train_error: float = real(None, gt=0, le=1e300, said="a number above 0")
    runs: list[dict[str, Any]] = Field(min_length=1, description="a list of mappings with step, iterations and more")
    record: Record


class Study(Strict):
    """A measurement of a shape of its own; its options are those of its module."""

    study: str = name()
    ensembles: int = whole(le=10_000)
    jobs: int = whole(1, le=1000)
    dtype: DTYPES = None
    options: dict[str, Any] = words("a mapping of the study's options", {})

    def wrong(self) -> Any:
        """Yield what does not fit together."""
        if self.jobs > self.ensembles:
            yield at("jobs", allowed=f"at most ensembles = {self.ensembles}")


class Points(Strict):
    """Iterations from one to another."""

    from_: Iteration = Field(alias="from")
    to: Iteration
    every: int = whole(le=10**9)


class Collected(Strict):
    """A table of recorded descents."""

    by: list[Literal["d", "rank", "m", "m_over_d", "method", "alpha", "step", "start", "batch_size", "iteration"]] = (
        choices()
    )
    descents: list[str] = choices(said="a list of different descents")
    hold_out_error: bool = words("true (the table has the error on held-out labels) or false", False)
    alpha: list[float] = reals(None, gt=0, le=1e300, different=False, said="a list of numbers above 0")
    m_over_d: list[float] = reals(None, gt=0, le=1e300, different=False, said="a list of numbers above 0")
    paper_iterations: Literal["end"] | Annotated[list[Iteration], Field(min_length=1)] | Points = words(
        "a list of different iterations, a mapping with from, to, every, or end (of each run)"
    )

    def wrong(self) -> Any:
        """Yield what does not fit together."""
        points = self.paper_iterations
        if isinstance(points, list) and len(set(points)) < len(points):
            yield at("paper_iterations", allowed=type(self).model_fields["paper_iterations"].description)


class Compared(Strict):
    """A table beside a published curve."""

    compare: str = name()
    published: str = name()
    scan: Literal["alpha"] = None


class Figure(Strict):
    """The tables that a figure shows."""

    tables: list[str] = choices(said="a list of tables")


MODELS = {"problems": Problem, "descents": Descent, "studies": Study, "figures": Figure}


def model_of(section, entry):
    """Return the model of an entry of a section."""
    if section == "experiments":
        return Compared if isinstance(entry, dict) and "compare" in entry else Collected
    return MODELS[section]


def entry_problems(tier):
    """Yield ``(path, line after the key)`` of what single entries of a tier's :data:`SECTIONS` say
    that they may not.
    """
    for section in SECTIONS:
        for entry_name, entry in tier[section].items():
            path = (section, entry_name)
            if not is_name(entry_name):
                yield path, wrong(entry, NAME_IN_WORDS)
                continue
            found = beyond_range(entry)
            if not found:
                content = {"tables": entry} if section == "figures" else entry
                found = problems(model_of(section, entry), content)
            for inner, line in found:
                yield path + (inner[1:] if section == "figures" else inner), line
