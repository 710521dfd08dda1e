"""How the experiments of a tier fit together, beyond what :mod:`algoreg.spec.experiments` says of each by itself.

Every function yields ``(path, what stands after the key)``; :mod:`algoreg.spec.messages` makes lines of them.
"""

import math
from pathlib import Path

from algoreg import plugins
from algoreg.spec import options
from algoreg.spec.base import as_list, show
from algoreg.spec.chapters import curve_columns
from algoreg.spec.grids import END, SELECTORS, known_measurements, own_iteration, paper_iterations
from algoreg.spec.messages import problems, unknown, wrong
from algoreg.spec.plan import recorded_by, selected_runs, step_factor, study_options
from algoreg.spec.tier import JUDGING, size_of

# Of one run in a recording grid, or of the paper's in one table: more is a slip of the pen.
MOST_POINTS = 100_000
# Of one descent, without its targets.
MOST_RUNS = 10_000
# The least positive number of full precision; below it numbers lose digits, and soon become 0.
SMALLEST_NORMAL = {"float32": 2.0**-126, "float64": 2.0**-1022}
# What studies compute in unless they say otherwise, as verdicts are judged from them.
STUDY_DTYPE = "float64"


def unfit(tier, published):
    """Yield everything that does not fit; what stands on broken parts is looked at when they are mended.

    Parameters
    ----------
    tier : mapping
        Complete, and every entry valid by itself.
    published : mapping
        The d of each published curve.
    """
    found = [*_problems(tier), *_descents(tier), *_studies(tier)]
    yield from found or [*_experiments(tier, published), *_figures(tier)]


def _problems(tier):
    for name, problem in tier["problems"].items():
        path = ("problems", name)
        for key in ("ensembles",) if problem.get("own_targets") else ("targets", "ensembles"):
            if problem[key] < 2 and size_of(tier) in JUDGING:
                yield (*path, key), wrong(problem[key], "at least 2 where claims are judged")
        yield from _ensemble(problem, path)


def _ensemble(problem, path):
    """Yield what a problem's ensemble does not have, or does not provide."""
    kind = problem["ensemble"]
    if kind not in plugins.modules("ensembles"):
        yield (*path, "ensemble"), unknown(kind, plugins.modules("ensembles"), "ensemble")
        return
    if options.reads_data(kind) != bool(problem.get("data")):
        yield (*path, "ensemble"), f" = {kind}: data and an ensemble that reads them go together"
        return
    if problem.get("data") and not Path(problem["data"]["path"]).is_file():
        yield (*path, "data", "path"), f" = {show(problem['data']['path'])}: no such file, seen from {Path.cwd()}"
    elif problem.get("data") and set("{}") & set(problem["data"]["path"]):
        yield (
            (*path, "data", "path"),
            wrong(problem["data"]["path"], "a path without { and }, which are wildcards to Snakemake"),
        )
    asked = [key for key in ("label_noise", "outliers", "hold_out") if problem.get(key)]
    needed = {"single measurements"} | ({"prefixes"} if "hold_out" in asked else set())
    if asked and not needed <= plugins.ensemble(kind).provides:
        lacking = ", ".join(sorted(needed - plugins.ensemble(kind).provides))
        yield (*path, "ensemble"), f" = {kind}: {asked[0]} needs {lacking}, which it does not provide"
    yield from (((*path, key), said) for key, said in options.unfit_extent(problem))


def _descents(tier):
    for name, descent in tier["descents"].items():
        path = ("descents", name)
        stopping = _unknown_names(tier, descent, path) or _too_many_runs(descent, path)
        if stopping:
            yield from stopping
            continue
        yield from _runs(tier, descent, path)
        yield from _recorded(tier, name, path)
        yield from _sizes(tier, descent, path)
        yield from _pairing(tier, descent, path)


def _unknown_names(tier, descent, path):
    for key, known in (("problem", list(tier["problems"])), ("algorithm", plugins.modules("algorithms"))):
        if descent[key] not in known:
            sized = f" at size {size_of(tier)}" if key == "problem" else ""
            return [((*path, key), unknown(descent[key], known, f"{key}{sized}"))]
    return []


def _count_runs(descent):
    """Return how many runs a descent has, without its targets and without listing them."""
    return sum(math.prod(len(as_list(value)) for value in run.values()) for run in descent["runs"])


def _too_many_runs(descent, path):
    count = _count_runs(descent)
    if count <= MOST_RUNS:
        return []
    entry = max(descent["runs"], key=lambda run: math.prod(len(as_list(value)) for value in run.values()))
    longest = max(entry, key=lambda key: len(as_list(entry[key])))
    listed = len(as_list(entry[longest]))
    text = f": {count} runs ({longest} alone has {listed} values); allowed are at most {MOST_RUNS}"
    return [((*path, "runs"), text)]


def _runs(tier, descent, path):
    """Yield what is wrong with the entries of a descent's runs: options, m, starts that the data type cannot hold."""
    problem = tier["problems"][descent["problem"]]
    total, d = known_measurements(problem), problem["d"]
    model, dtype = options.of_algorithm(descent["algorithm"]), descent.get("dtype", tier["dtype"])
    for i, run in enumerate(descent["runs"]):
        place = (*path, "runs", i)
        found = problems(model, {"m": total, **run})
        yield from (((*place, *inner), text) for inner, text in found)
        if not found:
            for item in as_list(run.get("m", total)):
                if item > total:
                    yield (*place, "m"), wrong(item, f"at most the problem's m = {total}")
            yield from _underflow(run.get("alpha", []), dtype, (*place, "alpha"))
            yield from _too_wide(model, run, d, place)


def _too_wide(model, run, d, path):
    """Yield the options of a run that exceed the matrices' size."""
    for key in model.at_most_d:
        for item in as_list(run.get(key)):
            if item is not None and item > d:
                yield (*path, key), wrong(item, f"at most d = {d}")


def _underflow(values, dtype, path):
    """Yield the first start that loses its digits, or is 0, in the data type it is computed in."""
    least = SMALLEST_NORMAL[dtype]
    small = [value for value in as_list(values) if 0 < value < least]
    if small:
        yield path, wrong(small[0], f"at least {least:.3g} in {dtype}; smaller ones lose their digits or become 0")


def _recorded(tier, name, path):
    """Yield recording grids that would fill memory, and iterations that the step factor does not divide."""
    descent, factor = tier["descents"][name], step_factor(tier, name)
    counts = [(("runs", i, "iterations"), run.get("iterations")) for i, run in enumerate(descent["runs"])]
    if not all(type(count) is int for _, count in counts):
        return
    last = max(count for _, count in counts)
    for what, grid in descent["record"].items():
        if "every" in grid:
            every, listed = grid["every"], last // grid["every"]
            counts.append((("record", what, "every"), every))
            if listed > MOST_POINTS:
                text = f" = {every}: {listed} iterations recorded; allowed are {MOST_POINTS}"
                yield (*path, "record", what, "every"), text
        counts += [(("record", what, "at"), point) for point in grid.get("at", ())]
    for inner, count in counts:
        if count % factor:
            yield (*path, *inner), wrong(count, f"a multiple of step_factor = {factor}")


def _sizes(tier, descent, path):
    """Yield a batch whose float64 iterates and targets would not fit in memory, and ensembles that are not there."""
    problem, runs = tier["problems"][descent["problem"]], _count_runs(descent)
    need = 8 * 2 * runs * problem["targets"] * problem["d"] ** 2
    if need > options.MEMORY_LIMIT_BYTES:
        yield (
            (*path, "runs"),
            f": {runs} runs × {problem['targets']} targets of d = {problem['d']} would take {options.gib(need)}; "
            f"allowed is {options.gib(options.MEMORY_LIMIT_BYTES)}",
        )
    count = problem["ensembles"]
    for number in descent.get("ensembles", ()):
        if number >= count:
            yield (*path, "ensembles"), wrong(number, f"0 to {count - 1}")


def _pairing(tier, descent, path):
    """Yield what a descent asks of an ensemble that does not provide it."""
    problem = tier["problems"][descent["problem"]]
    name, algorithm = problem["ensemble"], descent["algorithm"]
    if name not in plugins.modules("ensembles"):
        return
    provided = plugins.ensemble(name).provides
    lacking = options.lacks(algorithm, name)
    if lacking:
        yield (*path, "algorithm"), options.needs(algorithm, lacking, name)
    unknown_facts = {
        fact
        for fact in set(plugins.algorithm(algorithm).told) - {"rank"}
        if not all(None not in as_list(run.get(options.INSTEAD.get(fact))) for run in descent["runs"])
    }
    if problem.get("data") and unknown_facts:
        text = f" = {show(algorithm)}: it must be told {', '.join(sorted(unknown_facts))}, which nobody knows of data"
        yield (*path, "algorithm"), text
    for i, run in enumerate(descent["runs"]):
        known = run.get("m", known_measurements(problem))
        if "prefixes" not in provided and {*as_list(known)} != {problem["m"]}:
            yield (*path, "runs", i, "m"), wrong(known, f"the problem's m = {problem['m']} with ensemble: {name}")
    least = options.limits(name).smallest_train_error.get(descent.get("dtype", tier["dtype"]), 0)
    stop = descent.get("stop_below_train_error", math.inf)
    if stop < least:
        text = f"at least {least}: ensemble {name} does not resolve smaller ones"
        yield (*path, "stop_below_train_error"), wrong(stop, text)


def _studies(tier):
    for name, block in tier["studies"].items():
        path, study = ("studies", name), block["study"]
        if name in tier["experiments"]:
            yield path, ": there is an experiment of the same name, and a study's table has the study's name"
        if study not in plugins.modules("studies"):
            yield (*path, "study"), unknown(study, plugins.modules("studies"), "study")
            continue
        found = problems(options.of_study(study), block.get("options", {}))
        yield from (((*path, "options", *inner), text) for inner, text in found)
        if not found:
            yield from _found_by_name(block, (*path, "options"))
            yield from _study_starts(block, (*path, "options"))


def _found_by_name(block, path):
    """Yield options of a study that name a module that is not there, and those that its algorithm does not have."""
    settled = study_options(block)
    for key, kind in getattr(plugins.study(block["study"]), "FINDS", {}).items():
        if settled[key] not in plugins.modules(kind):
            yield (*path, key), unknown(settled[key], plugins.modules(kind), kind.removesuffix("s"))
            return
    ensemble = getattr(plugins.study(block["study"]), "ENSEMBLE", None)
    lacking = options.lacks(settled["algorithm"], ensemble) if ensemble and "algorithm" in settled else []
    if lacking:
        yield (*path, "algorithm"), options.needs(settled["algorithm"], lacking, ensemble)
    elif "algorithm_options" in settled:
        given, known = settled["algorithm_options"], options.of_runs(settled["algorithm"])
        place = (*path, "algorithm_options")
        for key in given.keys() - known.keys():
            yield (*place, key), unknown(given[key], known)
            return
        yield from _algorithm_options(settled, known, place)


def _algorithm_options(settled, known, path):
    """Yield what is wrong with the options that a study tells its algorithm,
    beside those of its own that the runs take.
    """
    given, model = settled["algorithm_options"], options.of_algorithm(settled["algorithm"])
    listed = {key: value for key, value in given.items() if isinstance(value, list)}
    yield from (((*path, key), wrong(value, "one value")) for key, value in listed.items())
    own = {key: settled[key] for key in known if key in settled}
    found = problems(model, {"step": 1.0, "iterations": 1, "m": 10**9, **own, **given})
    yield from (((*path, *inner), text) for inner, text in found)
    if not found and not listed and "d" in settled:
        yield from _too_wide(model, given, min(as_list(settled["d"])), path)


def _study_starts(block, path):
    """Yield the starts of a study that its data type cannot hold, also one that is given as a power of d."""
    settled, dtype = study_options(block), block.get("dtype", STUDY_DTYPE)
    if "alpha" in settled:
        yield from _underflow(settled["alpha"], dtype, (*path, "alpha"))
    if "alpha_power" in settled:
        largest = max(as_list(settled["d"]))
        power = -math.log(SMALLEST_NORMAL[dtype]) / math.log(largest) if largest > 1 else math.inf
        if settled["alpha_power"] > power:
            allowed = f"at most {math.floor(power * 100) / 100:g} at d = {settled['d']} in {dtype}; beyond it the start becomes 0"
            yield (*path, "alpha_power"), wrong(settled["alpha_power"], allowed)


def _experiments(tier, published):
    for name, experiment in tier["experiments"].items():
        path = ("experiments", name)
        if "compare" in experiment:
            yield from _comparison(tier, experiment, published, path)
            continue
        missing = [descent for descent in experiment["descents"] if descent not in tier["descents"]]
        for descent in missing:
            yield (*path, "descents"), unknown(descent, tier["descents"], f"descent at size {size_of(tier)}")
        if experiment.get("hold_out_error") and not missing:
            yield from _held_out(tier, experiment, path)
        wanted = list(_points(experiment["paper_iterations"], (*path, "paper_iterations")))
        yield from wanted or [*_rows(tier, experiment, path), *_recording(tier, experiment, path)]


def _held_out(tier, experiment, path):
    """Yield the descents of a table of held-out errors whose problem holds nothing out."""
    for name in experiment["descents"]:
        problem = tier["descents"][name]["problem"]
        if not tier["problems"][problem].get("hold_out"):
            yield (*path, "hold_out_error"), f" = true: problems.{problem} of descents.{name} has no hold_out"


def _comparison(tier, experiment, published, path):
    """Yield what keeps a table from being compared with a published curve."""
    base, curve = tier["experiments"].get(experiment["compare"]), experiment["published"]
    if base is None or "compare" in base:
        known = [key for key, value in tier["experiments"].items() if "compare" not in value]
        yield (*path, "compare"), unknown(experiment["compare"], known, "table")
        return
    named = [tier["descents"][descent]["problem"] for descent in base["descents"] if descent in tier["descents"]]
    sizes = {tier["problems"][problem]["d"] for problem in named}
    if curve not in published:
        yield (*path, "published"), unknown(curve, published, "curve")
    elif published[curve] not in sizes:
        yield (
            (*path, "compare"),
            f" = {show(experiment['compare'])}: published {curve} is of d = {published[curve]}; "
            f"this table has d = {', '.join(map(str, sorted(sizes)))}",
        )
    elif "scan" in experiment and not {"iteration", "alpha_label"} <= curve_columns(curve):
        yield (*path, "published"), wrong(curve, "a curve along iterations and by alpha_label, with scan")


def _points(points, path):
    """Yield what is wrong with iterations given as from, to, every: none, or too many to list."""
    if isinstance(points, dict):
        if points["to"] < points["from"]:
            yield (*path, "to"), wrong(points["to"], "at least from")
        count = (points["to"] - points["from"]) // points["every"] + 1
        if count > MOST_POINTS:
            yield (*path, "every"), f" = {points['every']}: {count} iterations; allowed are {MOST_POINTS}"


def _rows(tier, experiment, path):
    """Yield what keeps an experiment's rows from being found by ``by``, target and ensemble alone."""
    chosen = selected_runs(tier, experiment)
    yield from _one_kind_of_targets(tier, chosen, path)
    yield from _told_apart(experiment, chosen, path)
    for selector in SELECTORS:
        if selector in experiment:
            every = {key: value for key, value in experiment.items() if key not in SELECTORS}
            there = {named.get(selector) for _, _, named in selected_runs(tier, every)} - {None}
            lost = [value for value in experiment[selector] if value not in there]
            if lost:
                known = ", ".join(str(value) for value in sorted(there, reverse=True)) or "none"
                yield (*path, selector), f" = {show(lost)}: no run has these; allowed are {known}"
    by = experiment["by"]
    if experiment["paper_iterations"] == END and "iteration" in by:
        yield (*path, "by"), f" = {show(by)}: has no iteration where paper_iterations is end"
    if "iteration" not in by and len(paper_iterations(experiment)) > 1:
        yield (*path, "by"), f" = {show(by)}: needs iteration, as there are several"


def _one_kind_of_targets(tier, chosen, path):
    kinds = {}
    for name, _, _ in chosen:
        problem = tier["descents"][name]["problem"]
        kinds.setdefault(tier["problems"][problem].get("own_targets", False), f"descents.{name} (problems.{problem})")
    if len(kinds) > 1:
        text = (
            f": {kinds[True]} has own_targets, {kinds[False]} has not; allowed is one kind, as intervals resample either "
            "pairs of target and ensemble, or each by itself"
        )
        yield (*path, "descents"), text


def _told_apart(experiment, chosen, path):
    keys, seen = [key for key in experiment["by"] if key != "iteration"], set()
    for _, _, named in chosen:
        lacking = [key for key in keys if key not in named]
        if lacking:
            text = f" = {show(experiment['by'])}: {named['method']} runs have no {', '.join(lacking)}"
            yield (*path, "by"), text
            return
        point = tuple(named[key] for key in keys)
        if point in seen:
            text = ", ".join(f"{key} = {value}" for key, value in zip(keys, point, strict=True))
            yield (*path, "by"), f" = {show(experiment['by'])}: does not tell apart two runs with {text}"
        seen.add(point)


def _recording(tier, experiment, path):
    """Yield the iterations that an experiment asks for and its descents do not record."""
    recorded = {name: recorded_by(tier, name) for name in experiment["descents"] if name in tier["descents"]}
    for name, run, _ in selected_runs(tier, experiment):
        for point in paper_iterations(experiment):
            own = own_iteration(point, run)
            if point % run["step_factor"] or own > run["iterations"] or own not in recorded[name]:
                yield (
                    (*path, "paper_iterations"),
                    f" = {point}: descents.{name} (step_factor {run['step_factor']}, "
                    f"{run['iterations'] * run['step_factor']} iterations) does not record it",
                )
                break


def _figures(tier):
    drawings = plugins.functions("figures")
    tables = [*tier["experiments"], *tier["studies"]]
    for name, shown in tier["figures"].items():
        path = ("figures", name)
        if name not in drawings:
            yield path, f": unknown figure; allowed are {', '.join(drawings)}"
        for table in shown:
            if table not in tables:
                yield path, unknown(table, tables, "table")
