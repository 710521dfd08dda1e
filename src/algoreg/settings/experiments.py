"""Schemas of experiments, which are measured, selected from recorded descents or compared with a published curve.

:mod:`algoreg.settings.fitting` checks how they fit together.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PositiveFloat, Tag, model_validator

from algoreg.settings.base import DTYPES, LEFT_OUT, Name, Several, Strict, by_type, misfit
from algoreg.settings.descents import Iteration
from algoreg.settings.selection import CLOCKS
from algoreg.settings.tier import Tier

SECTIONS = ("experiments", "figures")


class Experiment(Strict):
    """A measurement by the module ``experiment``, which declares its options.

    ``jobs`` is the number of jobs that share the ensembles. By default there is one job, or one per ensemble if the
    module generates data for each ensemble. With ``device: auto`` the entries with ``gpu`` use a GPU where there is
    one; others are too small to gain from it, and would wait for each other there.
    """

    experiment: Name
    ensembles: int = Field(ge=1, le=10_000)
    jobs: int = Field(LEFT_OUT, ge=1, le=1000)
    dtype: DTYPES = LEFT_OUT
    gpu: Literal[True] = Field(LEFT_OUT, description="with device: auto, its jobs use a GPU where there is one")
    options: dict[str, Any] = Field({}, description="the experiment's options")

    @model_validator(mode="after")
    def _work_for_every_job(self):
        if (self.jobs or 1) > self.ensembles:
            raise misfit(self, f"at most ensembles = {self.ensembles}", "jobs")
        return self


class Points(Strict):
    """Every ``every``-th iteration between two iterations."""

    from_: Iteration = Field(alias="from")
    to: Iteration
    every: int = Field(ge=1, le=10**9)


Iterations = Annotated[
    Annotated[Literal["end"], Tag("str")] | Annotated[Several[Iteration], Tag("list")] | Annotated[Points, Tag("dict")],
    by_type("Input should be a list of iterations, a mapping with from, to, every, or end (of each run)"),
]


class Selected(Strict):
    """A table of runs that are selected from recorded descents, at iterations as they ran or in a paper's unit."""

    by: Several[Literal["d", "rank", "m", "m_over_d", "method", "alpha", "step", "start", "batch_size", "iteration"]]
    select: Several[str] = Field(description="experiments that record descents")
    hold_out_error: bool = Field(False, description="whether the table has the error on held-out labels")
    alpha: list[PositiveFloat] = Field(LEFT_OUT, min_length=1)
    m_over_d: list[PositiveFloat] = Field(LEFT_OUT, min_length=1)
    iterations: Iterations = LEFT_OUT
    paper_iterations: Iterations = LEFT_OUT

    @model_validator(mode="after")
    def _one_clock(self):
        if (self.iterations is None) == (self.paper_iterations is None):
            raise misfit(self, f"a mapping with either {CLOCKS[0]}, as they ran, or {CLOCKS[1]}")
        return self


class Compared(Strict):
    """A comparison of a table with a published curve."""

    compare: Name
    published: Name
    scan: Literal["alpha"] = LEFT_OUT


def _kind(entry):
    """Return which of the models an entry belongs to, decided by the key that only this model has."""
    given = entry if isinstance(entry, dict) else {}
    return "Compared" if "compare" in given else "Selected" if "select" in given else "Experiment"


Entry = Annotated[
    Annotated[Experiment, Tag("Experiment")]
    | Annotated[Selected, Tag("Selected")]
    | Annotated[Compared, Tag("Compared")],
    Discriminator(_kind),
]


class CompleteTier(Tier):
    """A tier with all experiments and figures that its chapters have at its size."""

    experiments: dict[Name, Entry]
    figures: dict[Name, Several[str]]
