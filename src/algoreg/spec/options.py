"""What a study, a run or an ensemble can be asked for: one class of its module, read without importing the module (or torch).

The contract of these classes, ``Options`` and ``Limits``: they may use only what :mod:`algoreg.spec.base` has.
"""

from functools import cache

from algoreg import sources
from algoreg.spec import base

# What every algorithm takes in a run.
COMMON = tuple(base.RunOptions.model_fields)


@cache
def _declared(kind, name, class_name, default):
    offered = {each: getattr(base, each) for each in base.__all__}
    return sources.class_alone(kind, name, class_name, offered) or default


def of_study(name):
    """Return the class of a study's options."""
    return _declared("studies", name, "Options", base.StudyOptions)


def of_algorithm(name):
    """Return the class of an algorithm's settings of a run."""
    return _declared("algorithms", name, "Options", base.RunOptions)


def limits(name):
    """Return the class that says how large an ensemble may be, and how exact it is."""
    return _declared("ensembles", name, "Limits", base.EnsembleLimits)


def requires(algorithm):
    """Return what an algorithm asks of an ensemble, as a set."""
    return set(sources.class_literal("algorithms", algorithm, "requires"))


def provides(ensemble):
    """Return what an ensemble provides, as a set."""
    return set(sources.class_literal("ensembles", ensemble, "provides"))


def defaults(options):
    """Return the defaults of a class of options, by name."""
    return {key: field.default for key, field in options.model_fields.items() if not field.is_required()}
