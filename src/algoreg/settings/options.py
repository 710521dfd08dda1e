"""The options of experiments and runs, the limits of ensembles, and which algorithms fit which ensembles.

The module of an experiment or an algorithm has a class ``Options`` and the module of an ensemble a class ``Limits``,
derived from those of :mod:`algoreg.settings.base`; a module without one has the base class. An experiment may also have
a function ``unfit``, which yields the options that do not fit together or do not fit the tier.
"""

from pydantic import BaseModel

from algoreg import plugins
from algoreg.settings import base
from algoreg.settings.base import as_list, show
from algoreg.settings.messages import not_allowed

# The options of a run that every algorithm takes.
COMMON = tuple(base.RunOptions.model_fields)

# The options that replace a fact of an algorithm's prior knowledge.
INSTEAD = {"rank": "keep", "trace": "theta"}
# An algorithm reads a fact listed here only if the option has the value.
READ_ONLY_WITH = {("frank_wolfe", "rank"): ("rule", "rank-k")}

# The most memory of an ensemble, and of a batch with its targets.
MEMORY_LIMIT_BYTES = 64 * 2**30
# The smallest positive number with full precision; smaller numbers lose digits or become 0.
SMALLEST_NORMAL = {"float32": 2.0**-126, "float64": 2.0**-1022}

# The spaces of matrices, each with those that contain it. Algorithms declare where their estimates lie, ensembles what
# they measure.
WITHIN = {
    "psd": ("psd", "symmetric", "rectangular"),
    "symmetric": ("symmetric", "rectangular"),
    "rectangular": ("rectangular",),
}


def of_experiment(name):
    """Return the class of an experiment's options."""
    return getattr(plugins.experiment(name), "Options", base.ExperimentOptions)


def of_algorithm(name):
    """Return the class of an algorithm's settings of a run."""
    return getattr(plugins.module("algorithms", name), "Options", base.RunOptions)


def limits(name):
    """Return the class with an ensemble's largest sizes and its accuracy."""
    return getattr(plugins.module("ensembles", name), "Limits", base.EnsembleLimits)


def unfit_extent(problem):
    """Yield ``(key, message after it)`` if a problem's ensemble cannot have its d or m, or would not fit in memory."""
    d, m, kind = problem["d"], problem["m"], problem["ensemble"]
    own = limits(kind)
    if m < own.least_m(d):
        yield "m", not_allowed(m, f"at least {own.least_m(d)} with ensemble: {kind} at d = {d}")
    if own.refused_d(d):
        yield "d", not_allowed(d, f"{own.refused_d(d)} with ensemble: {kind}")
        return
    most = own.most_m(d)
    if most is not None and m > most:
        yield "m", not_allowed(m, f"at most {most} with ensemble: {kind} at d = {d}")
    need = 8 * own.stored(d, m)
    if need > MEMORY_LIMIT_BYTES:
        key = "d" if own.stored(d, 2 * m) == own.stored(d, m) else "m"
        yield key, f" = {problem[key]}: the ensemble would take {gib(need)}; allowed is {gib(MEMORY_LIMIT_BYTES)}"


def gib(count):
    """Return a number of bytes as a text in GiB."""
    return f"{count / 2**30:.0f} GiB"


def reads_data(ensemble):
    """Return whether an ensemble reads its measurements from a file."""
    return getattr(plugins.module("ensembles", ensemble), "READS_DATA", False)


def defaults(options):
    """Return the defaults of a class of options, by name."""
    given = {key: field.default for key, field in options.model_fields.items() if not field.is_required()}
    return {
        key: value.model_dump(exclude_none=True) if isinstance(value, BaseModel) else value
        for key, value in given.items()
    }


def of_runs(algorithm):
    """Return the options that an algorithm adds to a run, with their defaults; None for a required option."""
    fields = of_algorithm(algorithm).model_fields
    own = {name: field for name, field in fields.items() if name not in COMMON}
    return {name: None if field.is_required() else field.default for name, field in own.items()}


def lacks(algorithm: str, ensemble: str) -> list[str]:
    """Return the names of what an algorithm requires but an ensemble does not provide; empty if the two fit."""
    asking, asked = plugins.algorithm(algorithm), plugins.ensemble(ensemble)
    missing = sorted(asking.requires - asked.provides)
    fits = asked.acts_on in WITHIN[asking.estimates]
    return missing if fits else [*missing, f"{asking.estimates} matrices"]


def needs(algorithm, lacking, ensemble):
    """Return the message after a key that names an algorithm, about what an ensemble lacks (see :func:`lacks`)."""
    return f" = {show(algorithm)}: it needs {', '.join(lacking)}, which ensemble {ensemble} does not provide"


def too_wide(model, run, d, path):
    """Yield the options of a run that exceed the matrices' size."""
    for key in model.at_most_d:
        for item in as_list(run.get(key)):
            if item is not None and item > d:
                yield (*path, key), not_allowed(item, f"at most d = {d}")


def underflow(values, dtype, path):
    """Yield the first initialisation scale that loses digits or becomes 0 in its data type."""
    least = SMALLEST_NORMAL[dtype]
    small = [value for value in as_list(values) if 0 < value < least]
    if small:
        yield (
            path,
            not_allowed(small[0], f"at least {least:.3g} in {dtype}; smaller ones lose their digits or become 0"),
        )
