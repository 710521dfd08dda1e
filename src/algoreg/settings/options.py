"""The options of experiments and runs, the limits of ensembles, and which algorithms fit which ensembles.

The module of an experiment or an algorithm has a class ``Options`` and the module of an ensemble a class ``Limits``,
derived from those of :mod:`algoreg.settings.base`; a module without one has the base class. Measurements read options
here, so :mod:`algoreg.settings.option_checks` has the checks and their messages.
"""

from pydantic import BaseModel

from algoreg import plugins
from algoreg.settings import base

# The options of a run that every algorithm takes.
COMMON = tuple(base.RunOptions.model_fields)

# The options that replace a fact of an algorithm's prior knowledge.
INSTEAD = {"rank": "keep", "trace": "theta"}
# An algorithm reads a fact listed here only if the option has the value.
READ_ONLY_WITH = {("frank_wolfe", "rank"): ("rule", "rank-k")}

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
