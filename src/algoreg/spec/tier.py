"""A tier file: the size of the replication, the machine's part, and which chapters. No experiment stands in it."""

from typing import Any, Literal, get_args

from pydantic import Field

from algoreg.spec.base import DTYPES, NAME, Annotated, Strict, at, real, text, whole, words

# The sizes that experiments have, by the names of the shipped tiers; those at which claims are judged.
TierName = Literal["smoke", "quick", "standard", "full"]
JudgingName = Literal["quick", "standard", "full"]
TIERS, JUDGING = get_args(TierName), get_args(JudgingName)


class Tier(Strict):
    """What a tier file says."""

    tier: str = Field(
        pattern=r"^[a-z][a-z0-9-]{0,30}$",
        description="a name of a-z, 0-9 and -, starting with a letter, at most 31 long, not 'bench' or 'results'",
    )
    like: TierName = words("smoke, quick, standard or full: the tier whose sizes this one has", None)
    chapters: Literal["all"] | Annotated[list[Annotated[str, Field(pattern=NAME)]], Field(min_length=1)] = words(
        "all, or a list of chapters", "all"
    )
    chapter_path: str = text(None, said="folders with chapters of your own, separated as in PATH")
    algorithm_path: str = text(None, said="files with algorithms of your own, separated as in PATH")
    seed: int = whole(ge=0, le=2**31 - 1)
    device: Literal["auto", "cpu", "cuda"]
    dtype: DTYPES
    # Per job.
    threads: int = whole(le=1024)
    step_factor: int = whole(1, le=10**9, said="a whole number of at least 1")
    checkpoint_seconds: float = real(gt=0, le=1e300, said="a number above 0")

    def wrong(self) -> Any:
        """Yield what does not fit together."""
        if self.tier in ("bench", "results"):
            yield at("tier", allowed=type(self).model_fields["tier"].description)
        elif self.tier not in TIERS and self.like is None:
            yield at("tier", allowed=f"{', '.join(TIERS)}, or another name beside like, which says whose sizes it has")
        if isinstance(self.chapters, list) and len(set(self.chapters)) < len(self.chapters):
            yield at("chapters", allowed="all, or a list of different chapters")


def size_of(tier):
    """Return the name of the sizes that a tier has: its own, or those of the tier that it is like."""
    return tier.get("like", tier["tier"])
