"""The race at several ranks, from several starts, and on several kinds of measurements."""

from itertools import product
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from algoreg.chapters.race.experiments import race
from algoreg.chapters.race.runs import raced
from algoreg.settings.base import Several, refuse_determined


class Options(race.Options):
    """Options of the experiment."""

    rank: Several[PositiveInt] = Field([2])  # type: ignore[assignment]
    alpha: Several[NonNegativeFloat] = Field([0.0], description="0 for each method's own start")
    measurements: Several[Literal["gaussian", "pauli", "entries", "rank_one"]] = Field(["gaussian"])

    @model_validator(mode="after")
    def _fits_together(self):
        race.refuse_budgets(self)
        for rank in self.rank:
            refuse_determined(self, self.m_over_dr, rank)
        return self


KEYS = race.KEYS | {
    "rank": None,
    "alpha": ("α", "initialisation scale α of every method that starts small; 0: its own"),
    "measurements": "kind of measurements: `gaussian`, `pauli`, `entries` or `rank_one`",
}
VALUES = {name: meaning for name, meaning in race.VALUES.items() if name != "rank"}


def measure(options, context):
    """Return the rows of the experiment ``race`` for every rank, start α and kind of measurements; see there.

    With α = 0 every method has its own start, else all that start small have α. m is ``m_over_dr``·dr of each rank.
    """
    for rank, alpha, measurements in product(options["rank"], options["alpha"], options["measurements"]):
        own = {**options, "rank": rank, "alpha": alpha, "measurements": measurements}
        found = raced(own, context, race.rows_of, f"r = {rank}, α = {alpha:g}, {measurements}, ")
        yield from (row | {"alpha": alpha, "measurements": measurements} for row in found)
