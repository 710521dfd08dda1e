"""What valid settings mean for the jobs: runs written out, iterations as they run,
who takes which ensemble. Checks nothing.
"""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from algoreg import plugins
from algoreg.spec import options
from algoreg.spec.base import as_list
from algoreg.spec.grids import facts, known_measurements, recorded_iterations, selects
from algoreg.spec.tier import size_of

# A tier's complete settings.
Tier = Mapping[str, Any]


def expand_runs(tier: Tier, name: str) -> list[dict[str, Any]]:
    """Return the runs of descent ``name`` with lists multiplied out and defaults filled in, without the targets.

    Returns
    -------
    list of dict
        ``step`` and ``iterations`` as they run, ``step_factor`` (how many of the paper's iterations one of them stands
        for), ``m`` and every option of the algorithm.
    """
    descent = tier["descents"][name]
    factor, problem = step_factor(tier, name), tier["problems"][descent["problem"]]
    defaults = {"m": known_measurements(problem), "step_factor": factor}
    defaults.update(options.defaults(options.of_algorithm(descent["algorithm"])))
    if problem.get("data") and "rank" in plugins.algorithm(descent["algorithm"]).told:
        # Nothing is planted whose rank could be told: it is the settings' word.
        defaults["rank"] = problem["rank"]
    runs = []
    for entry in descent["runs"]:
        filled = {**defaults, **entry}
        for values in product(*map(as_list, filled.values())):
            run = dict(zip(filled, values, strict=True))
            runs.append({**run, "step": run["step"] * factor, "iterations": run["iterations"] // factor})
    return runs


def step_factor(tier: Tier, name: str) -> int:
    """Return by how much the steps of descent ``name`` are larger than the paper's:
    its own factor, or the tier's, or 1.
    """
    return tier["descents"][name].get("step_factor", tier.get("step_factor", 1))


def own_record(tier: Tier, name: str) -> dict[str, Any]:
    """Return what descent ``name`` records, in iterations as they run; its settings say it in the paper's.

    Returns
    -------
    dict
        ``errors`` and perhaps ``spectrum``, each a grid of :func:`algoreg.spec.grids.recorded_iterations`.
    """
    factor = step_factor(tier, name)
    record = {}
    for what, grid in tier["descents"][name]["record"].items():
        record[what] = dict(grid)
        if "every" in grid:
            record[what]["every"] = grid["every"] // factor
        if "at" in grid:
            record[what]["at"] = [point // factor for point in grid["at"]]
    return record


def recorded_by(tier: Tier, name: str) -> Any:
    """Return the iterations that a descent records, as the engine has it:
    one grid up to the longest run, and every run's end.
    """
    budgets = {run["iterations"] for run in expand_runs(tier, name)}
    return {*recorded_iterations(own_record(tier, name)["errors"], max(budgets)), *budgets}


def descent_ensembles(tier: Tier, name: str) -> list[int]:
    """Return the ensemble numbers that a descent runs on."""
    descent = tier["descents"][name]
    return descent.get("ensembles", list(range(tier["problems"][descent["problem"]]["ensembles"])))


def drawn_problems(tier: Tier, names: Iterable[str] | None = None) -> list[tuple[str, int]]:
    """Return (problem, ensemble number) of every problem file that a descent reads, or these descents, each once."""
    pairs = [
        (tier["descents"][name]["problem"], number)
        for name in tier["descents"]
        if names is None or name in names
        for number in descent_ensembles(tier, name)
    ]
    return list(dict.fromkeys(pairs))


def spectrum_descents(tier: Tier) -> list[str]:
    """Return the names of the factored descents that record eigenvalues: the report page shows them."""
    descents = tier["descents"].items()
    return [name for name, one in descents if "spectrum" in one["record"] and one["algorithm"] == "factored"]


def selected_runs(tier: Tier, experiment: Mapping[str, Any]) -> Any:
    """Return (descent, run, what tells it apart) of all runs that an experiment collects,
    from the descents that exist.
    """
    found = []
    for name in experiment["descents"]:
        if name in tier["descents"]:
            descent = tier["descents"][name]
            for run in expand_runs(tier, name):
                named = facts(tier["problems"][descent["problem"]], descent["algorithm"], run)
                if selects(experiment, named):
                    found.append((name, run, named))
    return found


def study_options(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a study, the defaults of its module filled in."""
    return {**options.defaults(options.of_study(block["study"])), **block.get("options", {})}


def study_parts(block: Mapping[str, Any]) -> list[list[int]]:
    """Return which ensembles each job of a study takes, dealt out by turns."""
    jobs = block.get("jobs", 1)
    return [list(range(part, block["ensembles"], jobs)) for part in range(jobs)]


def in_parts(block: Mapping[str, Any]) -> bool:
    """Return whether several jobs measure a study, so that one more collects its parts."""
    return block.get("jobs", 1) > 1


def judged(entry: Mapping[str, Any], tier: Tier) -> bool:
    """Return whether a tier can judge a claim: it is listed and the tier has all its experiments."""
    tables = {*tier["experiments"], *tier.get("studies", {})}
    return size_of(tier) in entry["tiers"] and tables.issuperset(entry["experiments"])


def estimands(entry: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parameters of a claim's ``estimand``, and those of its controls':
    the claim's with what differs, by part.
    """
    own = entry["estimand"]
    controls = (part for part in ("control", "positive_control") if part in entry)
    return {"estimand": own, **{part: {**own, **entry[part]["estimand"]} for part in controls}}


def published_for(entry: Mapping[str, Any]) -> list[str]:
    """Return the published curves that a claim and its controls are judged against; most need none."""
    return sorted({given["figure"] for given in estimands(entry).values() if "figure" in given})


def rule_name(claim_id: str) -> str:
    """Return the workflow rule of a claim."""
    return "claim_" + claim_id.replace("-", "_")
