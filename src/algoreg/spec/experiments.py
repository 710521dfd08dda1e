"""Studies, which are measured, selected from recorded descents or compared with a published curve, and figures:
what each may say by itself. How they fit together: :mod:`algoreg.spec.fitting`.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from algoreg.spec.base import (
    DTYPES,
    NAME_IN_WORDS,
    Strict,
    at,
    choices,
    is_name,
    name,
    reals,
    whole,
    words,
)
from algoreg.spec.descents import Iteration
from algoreg.spec.messages import beyond_range, problems, wrong
from algoreg.spec.selection import CLOCKS

SECTIONS = ("studies", "figures")
CLOCK = "a list of different iterations, a mapping with from, to, every, or end (of each run)"


class Study(Strict):
    """A measurement of a shape of its own; its options are those of its module.

    It is dealt out to ``jobs``: to one, or to one an ensemble where data are generated for each, unless it says more.
    """

    study: str = name()
    ensembles: int = whole(le=10_000)
    jobs: int = whole(None, le=1000)
    dtype: DTYPES = None
    options: dict[str, Any] = words("a mapping of the study's options", {})

    def wrong(self) -> Any:
        """Yield what does not fit together."""
        if (self.jobs or 1) > self.ensembles:
            yield at("jobs", allowed=f"at most ensembles = {self.ensembles}")


class Points(Strict):
    """Iterations from one to another."""

    from_: Iteration = Field(alias="from")
    to: Iteration
    every: int = whole(le=10**9)


class Selected(Strict):
    """A table of runs, selected from recorded descents, at iterations as they ran or at a paper's."""

    by: list[Literal["d", "rank", "m", "m_over_d", "method", "alpha", "step", "start", "batch_size", "iteration"]] = (
        choices()
    )
    select: list[str] = choices(said="a list of different studies that record descents")
    hold_out_error: bool = words("true (the table has the error on held-out labels) or false", False)
    alpha: list[float] = reals(None, gt=0, le=1e300, different=False, said="a list of numbers above 0")
    m_over_d: list[float] = reals(None, gt=0, le=1e300, different=False, said="a list of numbers above 0")
    iterations: Literal["end"] | Annotated[list[Iteration], Field(min_length=1)] | Points = words(CLOCK, None)
    paper_iterations: Literal["end"] | Annotated[list[Iteration], Field(min_length=1)] | Points = words(CLOCK, None)

    def wrong(self) -> Any:
        """Yield what does not fit together."""
        given = [key for key in CLOCKS if getattr(self, key) is not None]
        if len(given) != 1:
            yield at(allowed="a mapping with either iterations, as they ran, or paper_iterations")
            return
        points = getattr(self, given[0])
        if isinstance(points, list) and len(set(points)) < len(points):
            yield at(given[0], allowed=CLOCK)


class Compared(Strict):
    """A table beside a published curve."""

    compare: str = name()
    published: str = name()
    scan: Literal["alpha"] = None


class Figure(Strict):
    """The tables that a figure shows."""

    tables: list[str] = choices(said="a list of tables")


def model_of(section, entry):
    """Return the model of an entry of a section."""
    if section == "figures":
        return Figure
    given = entry if isinstance(entry, dict) else {}
    return Compared if "compare" in given else Selected if "select" in given else Study


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
