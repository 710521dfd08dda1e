"""Base classes and types of the settings' pydantic models.

The module of an algorithm, an experiment or an ensemble declares its options in one class, ``Options`` or ``Limits``,
derived from :class:`RunOptions`, :class:`ExperimentOptions` or :class:`EnsembleLimits`. Conditions on several options
together are pydantic validators, which raise :func:`misfit`.
"""

import json
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

# The pattern of names of tables and settings, because names become files and rules.
NAME = r"^[a-z][a-z0-9_]{0,39}$"
# The most memory of one ensemble that an experiment holds, in bytes.
EXPERIMENT_LIMIT = 4 * 2**30
# The default of a setting that may be left out, but not be null.
LEFT_OUT: Any = None


def as_list(value):
    """Return a list unchanged, and any other value as a list of one."""
    return value if isinstance(value, list) else [value]


def show(value):
    """Return a value as it would be written in YAML, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        # Python refuses to write whole numbers of thousands of digits.
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "…"


def misfit(options, allowed, *keys):
    """Return a validator's error, which shows the values of these keys and what is allowed instead."""
    values = ", ".join(f"{key} = {show(getattr(options, key))}" for key in keys)
    return ValueError(f"{values}: allowed is {allowed}" if keys else f"allowed is {allowed}")


def _different(values):
    if len(set(values)) < len(values):
        raise ValueError("a value is given twice")
    return values


def other_than(*names):
    """Return a validator that refuses these names, because folders for other purposes have them."""

    def check(name):
        if name in names:
            raise ValueError("this name is taken; choose another")
        return name

    return AfterValidator(check)


T = TypeVar("T")
DTYPES = Literal["float32", "float64"]
Text = Annotated[str, Field(min_length=1)]
# A name that may become a file's or a rule's.
Name = Annotated[str, Field(pattern=NAME), other_than("results")]
# Lists of different values; ``Several`` has at least one.
# The length comes last: only there does pydantic let a field override it.
Different = Annotated[list[T], AfterValidator(_different), Field(json_schema_extra={"uniqueItems": True})]
Several = Annotated[list[T], AfterValidator(_different), Field(min_length=1, json_schema_extra={"uniqueItems": True})]


def by_type(message):
    """Return the discriminator of a union whose members, each with its ``Tag``, have different types in YAML.

    Only the member of the value's type reports errors; the message is shown for values of none of the types.
    """
    return Discriminator(lambda value: type(value).__name__, custom_error_type="type", custom_error_message=message)


class Strict(BaseModel):
    """A mapping of known keys. 50.0 is not accepted as an integer, true is not a number, and all numbers are finite."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class ExperimentOptions(Strict):
    """The options of an experiment: the class ``Options`` of its module.

    If they contain a rank and d, every rank is at most every d; if the only rank is 1, every κ is 1.
    """

    @model_validator(mode="after")
    def _possible_rank(self):
        # An option that the class does not have counts as an empty list.
        ranks, sizes, kappas = (as_list(getattr(self, key, [])) for key in ("rank", "d", "kappa"))
        if ranks and sizes and max(ranks) > min(sizes):
            raise misfit(self, "rank at most d", "rank", "d")
        if ranks == [1] and kappas and max(kappas) > 1:
            raise misfit(self, "kappa 1 for rank 1", "rank", "kappa")
        return self


class DrawnTargets(ExperimentOptions):
    """The options of an experiment whose ensembles share their targets or, with ``own_targets``, have one target each.

    Runs that share neither ensemble nor target are independent draws, which intervals of shares of runs require; see
    :func:`algoreg.claims.intervals.share_interval`.
    """

    targets: PositiveInt
    own_targets: bool = False

    @model_validator(mode="after")
    def _one_own_target(self):
        if self.own_targets and self.targets != 1:
            raise misfit(self, "1 with own_targets: true", "targets")
        return self


class RunOptions(Strict):
    """The settings of one run of a descent, to which the class ``Options`` of an algorithm's module adds options.

    Every setting except the step and the iterations may be a list of several values.

    Attributes
    ----------
    at_most_d : tuple of str
        Options that may not exceed the matrices' size d, such as numbers of columns and of eigenvalues.
    """

    at_most_d: ClassVar[tuple] = ()

    step: PositiveFloat
    iterations: int = Field(ge=1, le=10**9)
    m: int = Field(ge=1, le=10**9)

    @field_validator("*", mode="wrap")
    @classmethod
    def _one_or_several(cls, value, handler, info):
        if not isinstance(value, list) or info.field_name in ("step", "iterations"):
            return handler(value)
        if not value:
            raise ValueError("allowed is a value or a list of values")
        checked = [handler(item) for item in value]
        return _different(checked) if info.field_name == "m" else checked


class EnsembleLimits:
    """The limits of an ensemble's settings; the class ``Limits`` of its module overrides those that differ."""

    # The smallest relative training error that the ensemble resolves, by data type.
    smallest_train_error: ClassVar[dict] = {}
    # The values to which the ensemble would round the user's measurements.
    rounds_to: ClassVar[str | None] = None

    @staticmethod
    def least_m(d):
        """Return the least number of measurements that the ensemble can have."""
        return 1

    @staticmethod
    def most_m(d):
        """Return the largest number of measurements that the ensemble can have, or None if there is no limit."""
        return None

    @staticmethod
    def refused_d(d):
        """Return a description of the allowed sizes if d is not one of them, else None."""
        return None

    @staticmethod
    def stored(d, m):
        """Return how many numbers the ensemble stores."""
        return m * d * (d + 1) // 2


def refuse_determined(options, m_over_dr, rank):
    """Refuse the options of an experiment if linear algebra finds X* from its measurements, as m ≥ d(d+1)/2."""
    if 2 * m_over_dr * rank >= options.d + 1:
        allowed = "m below d(d+1)/2, where linear algebra does not find X*"
        raise misfit(options, allowed, "m_over_dr", "rank", "d")


def refuse_too_large(options, d, m, gram=False):
    """Refuse the options of an experiment whose Gaussian ensemble takes more than 4 GiB.

    With ``gram``, the ensemble is stored as a Gram matrix if m ≥ d(d+1)/2.
    """
    half = d * (d + 1) // 2
    if (min(m, half) if gram else m) * half * 8 > EXPERIMENT_LIMIT:
        raise misfit(options, "an ensemble of at most 4 GiB", "m_over_dr", "d", "rank")
