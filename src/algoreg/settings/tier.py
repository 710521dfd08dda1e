"""A tier file: the size of the replication, settings of the machine, and the chapters. It contains no experiments."""

from typing import Annotated, Literal, get_args

from pydantic import Field, NonNegativeInt, PositiveFloat, Tag, model_validator

from algoreg.settings.base import DTYPES, LEFT_OUT, NAME, Several, Strict, Text, by_type, misfit, other_than

# The sizes of experiments, named after the shipped tiers, and those at which claims are judged.
TierName = Literal["smoke", "quick", "standard", "full"]
JudgingName = Literal["quick", "standard", "full"]
TIERS, JUDGING = get_args(TierName), get_args(JudgingName)
ChapterName = Annotated[str, Field(pattern=NAME)]


class Tier(Strict):
    """The content of a tier file."""

    tier: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$"), other_than("bench", "results")]
    like: TierName = Field(LEFT_OUT, description="the tier whose sizes this one has")
    chapters: Annotated[
        Annotated[Literal["all"], Tag("str")] | Annotated[Several[ChapterName], Tag("list")],
        by_type("Input should be 'all' or a list of chapters"),
    ] = "all"
    chapter_path: Text = Field(LEFT_OUT, description="folders with chapters of your own, separated as in PATH")
    algorithm_path: Text = Field(LEFT_OUT, description="files with algorithms of your own, separated as in PATH")
    seed: NonNegativeInt = Field(le=2**31 - 1)
    device: Literal["auto", "cpu", "cuda"]
    dtype: DTYPES
    threads: int = Field(ge=1, le=1024, description="per job")
    step_factor: int = Field(1, ge=1, le=10**9)
    checkpoint_seconds: PositiveFloat

    @model_validator(mode="after")
    def _name_and_sizes(self):
        if self.tier not in TIERS and self.like is None:
            allowed = f"{', '.join(TIERS)}, or another name beside like, which says whose sizes it has"
            raise misfit(self, allowed, "tier")
        return self


def size_of(tier):
    """Return the name of the sizes that a tier has: the tier's name, or the tier that it is ``like``."""
    return tier.get("like", tier["tier"])
