"""What valid settings mean for jobs: complete options, the ensembles of each job, and the files that jobs create.

This module checks nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from algoreg import plugins
from algoreg.settings import options
from algoreg.settings.tier import size_of

# A tier's complete settings.
Tier = Mapping[str, Any]
# The experiment from whose recorded descents tables of runs are selected.
DESCENTS = "descents"
# The type of numbers in which experiments compute by default.
EXPERIMENT_DTYPE = "float64"


def measured(tier: Tier) -> dict[str, Mapping[str, Any]]:
    """Return the entries of a tier that are measured, by name."""
    return {name: block for name, block in tier["experiments"].items() if "experiment" in block}


def selected(tier: Tier) -> dict[str, Mapping[str, Any]]:
    """Return the entries of a tier that select runs from recorded descents, by name."""
    return {name: block for name, block in tier["experiments"].items() if "select" in block}


def compared(tier: Tier) -> dict[str, Mapping[str, Any]]:
    """Return the entries of a tier that compare a table with a published curve, by name."""
    return {name: block for name, block in tier["experiments"].items() if "compare" in block}


def records_descents(block: Mapping[str, Any]) -> bool:
    """Return whether an entry records descents, from whose parts tables of runs are selected."""
    return block.get("experiment") == DESCENTS


def recorded(tier: Tier) -> dict[str, Mapping[str, Any]]:
    """Return the entries of a tier that record descents, by name."""
    return {name: block for name, block in tier["experiments"].items() if records_descents(block)}


def generates(block: Mapping[str, Any]) -> bool:
    """Return whether the experiment of an entry generates data that its jobs read."""
    return "experiment" in block and hasattr(plugins.experiment(block["experiment"]), "generate")


def tables(tier: Tier) -> list[str]:
    """Return the names of a tier's tables, except recorded descents that no figure shows: these are intermediate."""
    shown = {table for listed in tier["figures"].values() for table in listed}
    return [name for name, block in tier["experiments"].items() if name in shown or not records_descents(block)]


def experiment_options(block: Mapping[str, Any], tier: Tier | None = None) -> dict[str, Any]:
    """Return an experiment's complete options, each from the first source that has it.

    The sources are the entry, the tier (for options that the module lists in ``FROM_TIER``) and the module's defaults.
    """
    asked = getattr(plugins.experiment(block["experiment"]), "FROM_TIER", ())
    found = options.defaults(options.of_experiment(block["experiment"]))
    from_tier = {key: tier[key] for key in asked if tier and key in tier and key in found}
    return {**found, **from_tier, **block.get("options", {})}


def dtype_of(block: Mapping[str, Any], tier: Tier) -> str:
    """Return the data type that an experiment computes in.

    It is the entry's, or else the tier's if the module lists ``dtype`` in ``FROM_TIER``, or else float64, because
    verdicts are judged from the result.
    """
    asked = getattr(plugins.experiment(block["experiment"]), "FROM_TIER", ())
    return block.get("dtype") or (tier["dtype"] if "dtype" in asked else EXPERIMENT_DTYPE)


def experiment_parts(block: Mapping[str, Any]) -> list[list[int]]:
    """Return the ensembles that each job of an experiment measures; the jobs take them in turn."""
    jobs = block.get("jobs") or (block["ensembles"] if generates(block) else 1)
    return [list(range(part, block["ensembles"], jobs)) for part in range(jobs)]


def in_parts(block: Mapping[str, Any]) -> bool:
    """Return whether an experiment's jobs write parts, which a further job collects or selects runs from."""
    return records_descents(block) or len(experiment_parts(block)) > 1


def part_files(name: str, block: Mapping[str, Any]) -> list[str]:
    """Return the files of an experiment's parts below ``results/<tier>``; none if one job writes the whole table."""
    return (
        [f"experiments/{name}/part-{part}.csv" for part in range(len(experiment_parts(block)))]
        if in_parts(block)
        else []
    )


def generated_files(name: str, block: Mapping[str, Any], ensembles: Iterable[int]) -> list[str]:
    """Return the files below ``results/<tier>`` with the data that are generated for ensembles of an experiment."""
    return [f"data/{name}/ensemble-{number}.npz" for number in ensembles] if generates(block) else []


def is_judged(entry: Mapping[str, Any], tier: Tier) -> bool:
    """Return whether a tier judges a claim: the claim lists the tier, and the tier has all its experiments."""
    return size_of(tier) in entry["tiers"] and set(tier["experiments"]).issuperset(entry["experiments"])
