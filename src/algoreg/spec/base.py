"""What every model of settings is made of: strict fields, each of which says in words what it allows.

A module of an algorithm, a study or an ensemble says what may be asked of it in one class, ``Options`` or ``Limits``,
made from :class:`RunOptions`, :class:`StudyOptions` or :class:`EnsembleLimits`.
"""

import difflib
import json
import re
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError, core_schema

Positive = Annotated[float, Field(gt=0, le=1e300)]
DTYPES = Literal["float32", "float64"]
# What a name of a table or a setting looks like: names become files and rules.
NAME = r"^[a-z][a-z0-9_]{0,39}$"
NAME_IN_WORDS = "a name of a-z, 0-9 and _, starting with a letter, not 'results'"
# Of one ensemble that a study holds, in bytes.
STUDY_LIMIT = 4 * 2**30


def as_list(value):
    """Return a value as a list, which it may be already."""
    return value if isinstance(value, list) else [value]


def show(value):
    """Return a value as YAML would have it, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        # Python refuses to write whole numbers of thousands of digits.
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "…"


def is_name(text):
    """Return whether a text is a name as :data:`NAME_IN_WORDS` says."""
    return isinstance(text, str) and bool(re.fullmatch(NAME, text)) and text != "results"


@dataclass(frozen=True)
class Wrong:
    """Something that does not fit: the path of its key,
    what of the settings is shown (``None``: its value), and words.
    """

    path: tuple
    allowed: str
    shown: tuple = ()


def at(*path, allowed):
    """Say that the value at a path is not what is allowed beside the others."""
    return Wrong(path, allowed)


def between(*keys, allowed):
    """Say that the values of these keys do not fit together."""
    return Wrong((), allowed, keys)


def _error(kind, said, path, value):
    """Return one error of pydantic's, with a kind and words of ours (:mod:`algoreg.spec.messages` reads them)."""
    return {"type": PydanticCustomError(kind, "{said}", {"said": said}), "loc": tuple(path), "input": value}


class Strict(BaseModel):
    """A mapping of known keys. 50.0 is no whole number, true no number, nothing is infinite;
    every error is in our words.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    def wrong(self):
        """Yield what is wrong beyond single values, as :func:`at` and :func:`between` make it."""
        return ()

    def _all_wrong(self):
        return self.wrong()

    @model_validator(mode="wrap")
    @classmethod
    def _in_words(cls, content, handler):
        try:
            made = handler(content)
        except ValidationError as error:
            found = [cls._said(one, content) for one in error.errors(include_url=False)]
        else:
            found = [made._unfit(one, content) for one in made._all_wrong()]
        if found:
            raise ValidationError.from_exception_data(cls.__name__, found)
        return made

    @classmethod
    def _said(cls, error, content):
        """Return an error of pydantic's in our words, those of the field it is in."""
        kind, path, value = error["type"], error["loc"], error["input"]
        fields = {field.alias or key: field for key, field in cls.model_fields.items()}
        # Of one of several kinds it was none: which came nearest, and how, is pydantic's guess.
        if len(path) > 1 and get_origin(getattr(fields.get(path[0]), "annotation", None)) in (Union, UnionType):
            return _error("allowed", in_words(fields[path[0]]), path[:1], content[path[0]])
        if kind in ("allowed", "together", "unknown", "lacking"):
            return _error(kind, error["ctx"]["said"], path, value)
        if kind in ("extra_forbidden", "invalid_key"):
            return _error("unknown", ", ".join(fields), path, value)
        if kind == "missing":
            strange = [key for key in map(str, content) if key not in fields]
            near = difflib.get_close_matches(path[0], strange, n=1)
            hint = f"; {near[0]} = {show(content[near[0]])} is no key of it" if near and near[0] in content else ""
            return _error("lacking", hint, path, None)
        if not path:
            needed = [key for key, field in fields.items() if field.is_required()]
            return _error("allowed", f"a mapping with {', '.join(needed or fields)}", path, value)
        return _error("allowed", in_words(fields[path[0]]), path[:1], content[path[0]])

    def _unfit(self, wrong, content):
        """Return an error for what :meth:`wrong` yields; values are shown as they were written."""
        if wrong.shown:
            values = {key: content.get(key, getattr(self, key)) for key in wrong.shown}
            return _error("together", wrong.allowed, wrong.path, values)
        value = content
        for key in wrong.path:
            value = value[key] if isinstance(value, list) else value.get(key)
        return _error("allowed", wrong.allowed, wrong.path, value)


def in_words(field):
    """Return what a field of a model allows: its description, or its choices."""
    if field.description:
        return field.description
    annotation = field.annotation
    several = get_origin(annotation) is list
    values = get_args(get_args(annotation)[0] if several else annotation)
    if several:
        return f"a list of {', '.join(map(str, values))}"
    if not values:
        return {bool: "true or false", str: "a text"}.get(annotation, "a value of another kind")
    return " or ".join(filter(None, [", ".join(map(str, values[:-1])), str(values[-1])]))


def _range(ge=None, gt=None, le=None, lt=None):
    """Return bounds in words."""
    if ge is not None and le is not None:
        return f"from {ge} to {le}"
    low = f"of at least {ge}" if ge is not None else f"above {gt}"
    if lt is not None and gt is not None:
        return f"between {gt} and {lt}"
    return low + (f", at most {le}" if le is not None else f" and below {lt}" if lt is not None else "")


@dataclass(frozen=True)
class _Each:
    """What holds for a list and for every value in it."""

    least: int
    different: bool
    bounds: dict

    def __get_pydantic_core_schema__(self, source, handler):
        (item,) = get_args(source)
        whole = Annotated[list[Annotated[item, Field(**self.bounds)]], Field(min_length=self.least)]
        schema = handler.generate_schema(whole)
        return core_schema.no_info_after_validator_function(_different, schema) if self.different else schema

    def __get_pydantic_json_schema__(self, schema, handler):
        return handler(schema) | ({"uniqueItems": True} if self.different else {})


def _different(values):
    if len(set(values)) < len(values):
        raise ValueError("a value stands twice")
    return values


def _one(noun, default, said, **limits):
    bounds = {key: value for key, value in limits.items() if value is not None}
    return Field(default, description=said or f"a {noun} {_range(**limits)}", **bounds)


def _several(noun, default, said, least, different, **limits):
    bounds = {key: value for key, value in limits.items() if value is not None}
    adjective = "different " if different else ""
    field = Field(default, description=said or (f"a list of {adjective}{noun}s {_range(**limits)}" if noun else None))
    field.metadata.append(_Each(least, different, bounds))
    return field


def whole(default: Any = ..., *, ge: int = 1, le: int | None = None, said: str | None = None) -> Any:
    """Return a field for a whole number."""
    return _one("whole number", default, said, ge=ge, le=le)


def wholes(default: Any = ..., *, ge: int = 1, le: int | None = None, least: int = 1, said: str | None = None) -> Any:
    """Return a field for a list of different whole numbers, not empty unless ``least`` is 0."""
    return _several("whole number", default, said, least, True, ge=ge, le=le)


def real(default: Any = ..., *, ge=None, gt=None, le=None, lt=None, said: str | None = None) -> Any:
    """Return a field for a number; a whole one is one, too."""
    return _one("number", default, said, ge=ge, gt=gt, le=le, lt=lt)


def reals(
    default: Any = ..., *, ge=None, gt=None, le=None, lt=None, least: int = 1, different=True, said: str | None = None
) -> Any:
    """Return a field for a list of numbers, all different unless said otherwise."""
    return _several("number", default, said, least, different, ge=ge, gt=gt, le=le, lt=lt)


def choices(default: Any = ..., *, least: int = 1, said: str | None = None) -> Any:
    """Return a field for a list of different values that the type says, such as ``list[Literal[...]]``."""
    return _several(None, default, said, least, True)


def words(said: str, default: Any = ...) -> Any:
    """Return a field whose type says all, but not in words."""
    return Field(default, description=said)


def text(default: Any = ..., *, said: str = "a text") -> Any:
    """Return a field for a text that is not empty."""
    return Field(default, min_length=1, description=said)


def name(default: Any = ..., *, said: str = NAME_IN_WORDS) -> Any:
    """Return a field for a name that may become a file's or a rule's."""
    field = Field(default, pattern=NAME, description=said)
    field.metadata.append(AfterValidator(_own_name))
    return field


def _own_name(value):
    if value == "results":
        raise ValueError("taken")
    return value


class StudyOptions(Strict):
    """The options of a study: the class ``Options`` of its module.

    Where they have a rank and d, every rank is at most every d; where the rank is 1, every κ is 1.
    """

    def _all_wrong(self):
        # None of an option that is not there.
        ranks, sizes, kappas = (as_list(getattr(self, key, [])) for key in ("rank", "d", "kappa"))
        if ranks and sizes and max(ranks) > min(sizes):
            yield between("rank", "d", allowed="rank at most d")
            return
        if ranks == [1] and kappas and max(kappas) > 1:
            yield between("rank", "kappa", allowed="kappa 1 for rank 1")
        yield from self.wrong()


class DrawnTargets(StudyOptions):
    """The options of a study whose targets are the same in all ensembles, or,
    with ``own_targets``, one of each ensemble's own.

    Runs that share neither are independent draws, as shares of runs ask for; see
    :func:`algoreg.analysis.intervals.share_interval`.
    """

    targets: int = whole()
    own_targets: bool = False

    def _all_wrong(self):
        if self.own_targets and self.targets != 1:
            yield at("targets", allowed="1 with own_targets: true")
        yield from super()._all_wrong()


class RunOptions(Strict):
    """The settings of one run of a descent: the class ``Options`` of an algorithm's module adds its own.

    A descent may list several values of each in place of one, but of the step and the iterations.

    Attributes
    ----------
    at_most_d : tuple of str
        Options that may not exceed the matrices' size: with it, a run's numbers of columns and of eigenvalues are
        checked.
    """

    at_most_d: ClassVar[tuple] = ()

    step: float = real(gt=0, le=1e300, said="a number above 0")
    iterations: int = whole(le=10**9, said="a whole number of at least 1")
    m: int = whole(le=10**9, said="a whole number of at least 1, or a list of them")

    @field_validator("*", mode="wrap")
    @classmethod
    def _each(cls, value, handler, info):
        if not isinstance(value, list) or info.field_name in ("step", "iterations"):
            return handler(value)
        if not value:
            raise PydanticCustomError("allowed", "{said}", {"said": "a value or a list of values"})
        if info.field_name == "m" and len(set(map(repr, value))) < len(value):
            raise PydanticCustomError("allowed", "{said}", {"said": "a list of different whole numbers"})
        return [cls._item(item, handler, info) for item in value]

    @classmethod
    def _item(cls, item, handler, info):
        try:
            return handler(item)
        except ValidationError:
            said = in_words(cls.model_fields[info.field_name])
            raise ValidationError.from_exception_data(cls.__name__, [_error("allowed", said, (), item)]) from None


class EnsembleLimits:
    """What a problem may ask of an ensemble: the class ``Limits`` of its module overrides what is different there."""

    # The smallest relative training error that it resolves, by data type.
    smallest_train_error: ClassVar[dict] = {}

    @staticmethod
    def least_m(d):
        """Return the least number of measurements that it can have."""
        return 1

    @staticmethod
    def most_m(d):
        """Return the largest number of measurements that it can have, or None."""
        return None

    @staticmethod
    def refused_d(d):
        """Return in words which sizes it allows if d is none of them, else None."""
        return None

    @staticmethod
    def stored(d, m):
        """Return how many numbers it stores."""
        return m * d * (d + 1) // 2


def determined(d, m_over_dr, rank):
    """Yield that linear algebra finds X* from the measurements of a study with ``m_over_dr``,
    as m ≥ d(d+1)/2, if it does.
    """
    if 2 * m_over_dr * rank >= d + 1:
        yield between("m_over_dr", "rank", "d", allowed="m below d(d+1)/2, where linear algebra does not find X*")


def too_large(d, m, gram=False):
    """Yield that the ensemble of a study with ``m_over_dr`` takes more than 4 GiB, if it does.

    It is Gaussian, or with ``gram`` a Gram matrix from m = d(d+1)/2 on.
    """
    half = d * (d + 1) // 2
    if (min(m, half) if gram else m) * half * 8 > STUDY_LIMIT:
        yield between("m_over_dr", "d", "rank", allowed="an ensemble of at most 4 GiB")
