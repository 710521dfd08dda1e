"""Checks that the experiments of a tier fit together; :mod:`algoreg.settings.experiments` checks each of them alone.

Every function yields ``(path, message after the key)``; :mod:`algoreg.settings.messages` turns these into lines.
"""

import math

from algoreg import plugins
from algoreg.settings import descent_checks, descents, option_checks, options, plan
from algoreg.settings.base import as_list, show
from algoreg.settings.chapters import curve_columns
from algoreg.settings.messages import not_allowed, problems, unknown
from algoreg.settings.plan import experiment_options
from algoreg.settings.selection import SELECTORS, at_end, clock, points, selects
from algoreg.settings.tier import size_of

# The most iterations in one table: more is taken for a typing error.
MOST_POINTS = descent_checks.MOST_POINTS


def unfit(tier, published):
    """Yield everything that does not fit; checks that depend on invalid experiments run once these are corrected.

    Parameters
    ----------
    tier : mapping
        Complete settings, in which every entry is valid by itself.
    published : mapping
        The d of each published curve.
    """
    found = [*_experiments(tier)]
    yield from found or [*_selections(tier), *_comparisons(tier, published), *_figures(tier)]


def _experiments(tier):
    for name, block in plan.measured(tier).items():
        path, experiment = ("experiments", name), block["experiment"]
        if experiment not in plugins.modules("experiments"):
            yield (*path, "experiment"), unknown(experiment, plugins.modules("experiments"), "experiment")
            continue
        found = problems(options.of_experiment(experiment), block.get("options", {}))
        yield from (((*path, "options", *inner), text) for inner, text in found)
        if not found:
            settled = experiment_options(block, tier)
            found = [*_found_by_name(block, settled, (*path, "options"))]
            yield from found or _experiment_starts(block, settled, tier, (*path, "options"))
            if plan.records_descents(block) and not found:
                yield from (((*path, *inner), text) for inner, text in descent_checks.unfit(block, settled, tier))


def _found_by_name(block, settled, path):
    """Yield options of an experiment that name an unknown module, or that its algorithm does not have."""
    for key, kind in getattr(plugins.experiment(block["experiment"]), "FINDS", {}).items():
        if settled[key] not in plugins.modules(kind):
            yield (*path, key), unknown(settled[key], plugins.modules(kind), kind.removesuffix("s"))
            return
    ensemble = getattr(plugins.experiment(block["experiment"]), "ENSEMBLE", None)
    lacking = options.lacks(settled["algorithm"], ensemble) if ensemble and "algorithm" in settled else []
    if lacking:
        yield (*path, "algorithm"), option_checks.needs(settled["algorithm"], lacking, ensemble)
    elif "algorithm_options" in settled:
        given, known = settled["algorithm_options"], options.of_runs(settled["algorithm"])
        place = (*path, "algorithm_options")
        for key in given.keys() - known.keys():
            yield (*place, key), unknown(given[key], known)
            return
        yield from _algorithm_options(settled, known, place)


def _algorithm_options(settled, known, path):
    """Yield the problems of an experiment's ``algorithm_options``, together with its other options that runs take."""
    given, model = settled["algorithm_options"], options.of_algorithm(settled["algorithm"])
    listed = {key: value for key, value in given.items() if isinstance(value, list)}
    yield from (((*path, key), not_allowed(value, "one value")) for key, value in listed.items())
    own = {key: settled[key] for key in known if key in settled}
    found = problems(model, {"step": 1.0, "iterations": 1, "m": 10**9, **own, **given})
    yield from (((*path, *inner), text) for inner, text in found)
    if not found and not listed and "d" in settled:
        yield from option_checks.too_wide(model, given, min(as_list(settled["d"])), path)


def _experiment_starts(block, settled, tier, path):
    """Yield initialisation scales that underflow in the experiment's data type, given directly or as a power of d."""
    dtype = plan.dtype_of(block, tier)
    if "alpha" in settled:
        yield from option_checks.underflow(settled["alpha"], dtype, (*path, "alpha"))
    if "alpha_power" in settled:
        largest = max(as_list(settled["d"]))
        power = -math.log(option_checks.SMALLEST_NORMAL[dtype]) / math.log(largest) if largest > 1 else math.inf
        if settled["alpha_power"] > power:
            allowed = f"at most {math.floor(power * 100) / 100:g} at d = {settled['d']} in {dtype}"
            beyond = "beyond it the initialisation becomes 0"
            yield (*path, "alpha_power"), not_allowed(settled["alpha_power"], f"{allowed}; {beyond}")


def _selections(tier):
    for name, block in plan.selected(tier).items():
        path, known = ("experiments", name), plan.recorded(tier)
        missing = [experiment for experiment in block["select"] if experiment not in known]
        for experiment in missing:
            yield (*path, "select"), unknown(experiment, known, f"experiment of descents at size {size_of(tier)}")
        if missing:
            continue
        if block.get("hold_out_error"):
            yield from _held_out(tier, block, path)
        wanted = list(_points(block, (*path, clock(block))))
        yield from wanted or [*_rows(tier, block, path), *_recording(tier, block, path)]


def _sources(tier, block):
    """Return the complete options of the experiments that an entry selects runs from, by name."""
    return {name: experiment_options(tier["experiments"][name], tier) for name in block["select"]}


def _runs(tier, block):
    """Return ``(experiment, run, facts)`` of all runs that an entry selects; the facts distinguish the runs."""
    found = []
    for name, settled in _sources(tier, block).items():
        named = [(run, descents.facts(settled, run)) for run in descents.expand_runs(settled)]
        found += [(name, run, facts) for run, facts in named if selects(block, facts)]
    return found


def _held_out(tier, block, path):
    """Yield the experiments that hold no measurements out, although their table has held-out errors."""
    for name, settled in _sources(tier, block).items():
        if not settled["hold_out"]:
            yield (*path, "hold_out_error"), f" = true: experiments.{name} has no hold_out"


def _comparisons(tier, published):
    for name, block in plan.compared(tier).items():
        yield from _comparison(tier, block, published, ("experiments", name))


def _comparison(tier, block, published, path):
    """Yield the reasons why a table cannot be compared with a published curve."""
    base, curve, known = plan.selected(tier).get(block["compare"]), block["published"], plan.recorded(tier)
    if base is None:
        yield (*path, "compare"), unknown(block["compare"], plan.selected(tier), "table of runs")
        return
    sizes = {known[name]["options"]["d"] for name in base["select"] if name in known}
    if curve not in published:
        yield (*path, "published"), unknown(curve, published, "curve")
    elif published[curve] not in sizes:
        yield (
            (*path, "compare"),
            f" = {show(block['compare'])}: published {curve} is of d = {published[curve]}; "
            f"this table has d = {', '.join(map(str, sorted(sizes)))}",
        )
    elif "scan" in block and not {"iteration", "alpha_label"} <= curve_columns(curve):
        yield (*path, "published"), not_allowed(curve, "a curve along iterations and by alpha_label, with scan")


def _points(block, path):
    """Yield the problems of iterations given as ``from``, ``to``, ``every``: no iterations, or too many."""
    listed = block[clock(block)]
    if isinstance(listed, dict):
        if listed["to"] < listed["from"]:
            yield (*path, "to"), not_allowed(listed["to"], "at least from")
        count = (listed["to"] - listed["from"]) // listed["every"] + 1
        if count > MOST_POINTS:
            yield (*path, "every"), f" = {listed['every']}: {count} iterations; allowed are {MOST_POINTS}"


def _rows(tier, block, path):
    """Yield the reasons why ``by``, target and ensemble do not identify a table's rows."""
    chosen = _runs(tier, block)
    yield from _one_kind_of_targets(tier, block, chosen, path)
    yield from _told_apart(block, chosen, path)
    for selector in SELECTORS:
        if selector in block:
            every = {key: value for key, value in block.items() if key not in SELECTORS}
            existing = {named.get(selector) for _, _, named in _runs(tier, every)} - {None}
            lost = [value for value in block[selector] if value not in existing]
            if lost:
                known = ", ".join(str(value) for value in sorted(existing, reverse=True)) or "none"
                yield (*path, selector), f" = {show(lost)}: no run has these; allowed are {known}"
    by = block["by"]
    if at_end(block) and "iteration" in by:
        yield (*path, "by"), f" = {show(by)}: has no iteration where {clock(block)} is end"
    if "iteration" not in by and len(points(block)) > 1:
        yield (*path, "by"), f" = {show(by)}: must contain iteration, as there are several"


def _one_kind_of_targets(tier, block, chosen, path):
    kinds, known = {}, _sources(tier, block)
    for name, _, _ in chosen:
        kinds.setdefault(known[name]["own_targets"], f"experiments.{name}")
    if len(kinds) > 1:
        text = (
            f": {kinds[True]} has own_targets, {kinds[False]} has not; allowed is one kind, as intervals resample either "
            "pairs of target and ensemble, or each by itself"
        )
        yield (*path, "select"), text


def _told_apart(block, chosen, path):
    keys, seen = [key for key in block["by"] if key != "iteration"], set()
    for _, _, named in chosen:
        lacking = [key for key in keys if key not in named]
        if lacking:
            text = f" = {show(block['by'])}: {named['method']} runs have no {', '.join(lacking)}"
            yield (*path, "by"), text
            return
        point = tuple(named[key] for key in keys)
        if point in seen:
            text = ", ".join(f"{key} = {value}" for key, value in zip(keys, point, strict=True))
            yield (*path, "by"), f" = {show(block['by'])}: does not tell apart two runs with {text}"
        seen.add(point)


def _recording(tier, block, path):
    """Yield the iterations that a table needs but its descents do not record."""
    recorded = {name: descents.errors_recorded(settled) for name, settled in _sources(tier, block).items()}
    for name, run, _ in _runs(tier, block):
        factor = run["step_factor"] if clock(block) == "paper_iterations" else 1
        for point in points(block):
            own = point // factor
            if point % factor or own > run["iterations"] or own not in recorded[name]:
                yield (
                    (*path, clock(block)),
                    f" = {point}: experiments.{name} (step_factor {run['step_factor']}, "
                    f"{run['iterations'] * factor} iterations) does not record it",
                )
                break


def _figures(tier):
    drawings, tables = plugins.functions("figures"), list(tier["experiments"])
    for name, shown in tier["figures"].items():
        path = ("figures", name)
        if name not in drawings:
            yield path, f": unknown figure; allowed are {', '.join(drawings)}"
        for table in shown:
            if table not in tables:
                yield path, unknown(table, tables, "table")
