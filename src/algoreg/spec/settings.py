"""Tier files and the registry: read strictly, every problem found in one go, before any job. Imports no torch."""

import ast
import difflib
import json
import math
import operator
import re
from itertools import product
from pathlib import Path

from algoreg import registry, sources
from algoreg.sources import class_literal, module_literal, module_names
from algoreg.spec import options
from algoreg.spec.chapters import SECTIONS, compose, load_chapters
from algoreg.spec.files import SettingsError, load_yaml
from algoreg.spec.grids import (
    END,
    SELECTORS,
    facts,
    own_iteration,
    paper_iterations,
    recorded_iterations,
    selects,
)
from algoreg.tell.columns import readable

MEMORY_LIMIT_BYTES = 64 * 2**30
# Of one run in a recording grid, or of the paper's in one table: more is a slip of the pen.
MOST_POINTS = 100_000
# Of one descent, without its targets.
MOST_RUNS = 10_000
# The least positive number of full precision; below it numbers lose digits, and soon become 0.
SMALLEST_NORMAL = {"float32": 2.0**-126, "float64": 2.0**-1022}
# What studies compute in unless they say otherwise, as verdicts are judged from them.
STUDY_DTYPE = "float64"
JUDGING = ("quick", "standard", "full")
# What every algorithm takes in a run; without m a run knows all of the problem's measurements.
GENERIC_RUN_KEYS = ("step", "iterations", "m")


def _key(path):
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[\w-]+", part) else _show(part)
            text += f".{name}" if text else name
    return text or "(the whole file)"


def _show(value):
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        # Python refuses to write whole numbers of thousands of digits.
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "…"


def _hint(value):
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+[eE][+-]?\d+", value):
        mantissa, exponent = re.split("[eE]", value)
        return f" (YAML reads {value} as a text: write {mantissa}.0e{int(exponent):+d}, a whole number in digits)"
    return ""


def _validator(schema):
    """Return a validator for which 50.0 is not a whole number: jobs use it as one."""
    # Not where a module is imported: jobs that only want a name need not wait for it.
    from algoreg.spec.schemas import jsonschema

    base = jsonschema.Draft202012Validator
    whole = base.TYPE_CHECKER.redefine("integer", lambda checker, value: type(value) is int)
    return jsonschema.validators.extend(base, type_checker=whole)(schema)


def _schema_problems(content, schema, file, path=()):
    """Return what a schema finds in ``content``, which lies at ``path`` in the file."""
    from algoreg.spec.schemas import jsonschema

    problems = []
    for error in _validator(schema).iter_errors(content):
        best = jsonschema.exceptions.best_match([error])
        where = [*path, *best.absolute_path]
        key, value, rule = _key(where), best.instance, best.validator
        if rule == "additionalProperties" and isinstance(value, dict):
            known = set(best.schema.get("properties", ()))
            for name in sorted(set(value) - known, key=str):
                place = _key([*where, name])
                problems.append(
                    f"{file}: {place} = {_show(value[name])}: unknown key; allowed are {', '.join(sorted(known))}"
                )
        elif rule == "required":
            missing = [name for name in best.validator_value if name not in value]
            strange = [key for key in map(str, value) if key not in best.schema.get("properties", ())]
            for name in missing:
                near = difflib.get_close_matches(name, strange, n=1)
                hint = f"; {near[0]} = {_show(value[near[0]])} is no key of it" if near and near[0] in value else ""
                problems.append(f"{file}: {_key([*where, name])} is missing{hint}")
        else:
            allowed = best.schema.get("description") or best.message
            problems.append(f"{file}: {key} = {_show(value)}: allowed is {allowed}{_hint(value)}")
    return list(dict.fromkeys(problems))


def _non_finite(content, file, path=()):
    if isinstance(content, dict):
        return [line for key, value in content.items() for line in _non_finite(value, file, (*path, key))]
    if isinstance(content, list):
        return [line for i, value in enumerate(content) for line in _non_finite(value, file, (*path, i))]
    if isinstance(content, float) and not math.isfinite(content):
        return [f"{file}: {_key(path)} = {content}: allowed is a finite number"]
    return []


def algorithm_options(name):
    """Return the literal ``OPTIONS`` of ``algoreg.algorithms.<name>``."""
    return module_literal("algorithms", name, "OPTIONS", {})


OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.FloorDiv: operator.floordiv}
COMPARISONS = {
    ast.LtE: operator.le,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.Gt: operator.gt,
    ast.Eq: operator.eq,
}
FUNCTIONS = {"min": min, "max": max, "len": len}


def arithmetic(text, **names):
    """Return the value of a text of numbers, names, brackets, ``+ - * //``, one comparison, and min, max or len of a list.

    Raises
    ------
    ValueError
        If there is anything else in it.
    """

    def value(node):
        match node:
            case ast.Constant(value=int(number) | float(number)):
                return number
            case ast.Name(id=name) if name in names:
                return names[name]
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return OPERATORS[type(op)](value(left), value(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
                return COMPARISONS[type(op)](value(left), value(right))
            case ast.Call(func=ast.Name(id=name), args=[argument]) if name in FUNCTIONS:
                return FUNCTIONS[name](value(argument))
        raise ValueError(
            f"{text!r}: allowed are numbers, {', '.join(names)}, brackets, + - * //, a comparison, min, max and len"
        )

    return value(ast.parse(text, mode="eval").body)


def expand_runs(tier, name):
    """Return the runs of descent ``name`` with lists multiplied out and defaults filled in, without the targets.

    Returns
    -------
    list of dict
        ``step`` and ``iterations`` as they run, ``step_factor`` (how many of the paper's iterations one of them stands
        for), ``m`` and every option of the algorithm.
    """
    descent = tier["descents"][name]
    options = algorithm_options(descent["algorithm"])
    factor = step_factor(tier, name)
    defaults = {"m": tier["problems"][descent["problem"]]["m"], "step_factor": factor}
    defaults.update({key: schema["default"] for key, schema in options.items() if "default" in schema})
    runs = []
    for entry in descent["runs"]:
        filled = {**defaults, **entry}
        axes = [value if isinstance(value, list) else [value] for value in filled.values()]
        for values in product(*axes):
            run = dict(zip(filled, values, strict=True))
            runs.append({**run, "step": run["step"] * factor, "iterations": run["iterations"] // factor})
    return runs


def step_factor(tier, name):
    """Return by how much the steps of descent ``name`` are larger than the paper's: its own factor, or the tier's, or 1."""
    return tier["descents"][name].get("step_factor", tier.get("step_factor", 1))


def own_record(tier, name):
    """Return what descent ``name`` records, in iterations as they run; the tier file says it in the paper's.

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


def descent_ensembles(tier, name):
    """Return the ensemble numbers that a descent runs on."""
    descent = tier["descents"][name]
    return descent.get("ensembles", list(range(tier["problems"][descent["problem"]]["ensembles"])))


def drawn_problems(tier, names=None):
    """Return (problem, ensemble number) of every problem file that a descent reads, or these descents, each once."""
    pairs = [
        (tier["descents"][name]["problem"], number)
        for name in tier["descents"]
        if names is None or name in names
        for number in descent_ensembles(tier, name)
    ]
    return list(dict.fromkeys(pairs))


def _as_list(value):
    return value if isinstance(value, list) else [value]


def spectrum_descents(tier):
    """Return the names of the factored descents that record eigenvalues: the report page shows them."""
    descents = tier["descents"].items()
    return [name for name, one in descents if "spectrum" in one["record"] and one["algorithm"] == "factored"]


def _run_problems(tier, file):
    """Return what is wrong with the descents."""
    problems = []
    for name, descent in tier["descents"].items():
        place = f"{file}: descents.{name}"
        stopping = _unknown_names(tier, descent, place) or _many_runs_problems(descent, place)
        problems += stopping or [
            *_factor_problems(tier, name, place),
            *_recorded_problems(descent, place),
            *_batch_problems(tier, descent, place),
            *(
                line
                for i, run in enumerate(descent["runs"])
                for line in _one_run_problems(tier, descent, run, f"{place}.runs[{i}]")
            ),
            *_ensemble_number_problems(tier, descent, place),
            *_pairing_problems(tier, descent, place),
        ]
    return problems


def _unknown_names(tier, descent, place):
    """Return a line if a descent's problem or else its algorithm does not exist."""
    for key, known in (("problem", list(tier["problems"])), ("algorithm", module_names("algorithms"))):
        if descent[key] not in known:
            return [f"{place}.{key} = {descent[key]}: allowed are {', '.join(known)}"]
    return []


def _count_runs(descent):
    """Return how many runs a descent has, without its targets and without listing them."""
    return sum(math.prod(len(_as_list(value)) for value in run.values()) for run in descent["runs"])


def _many_runs_problems(descent, place):
    """Return a line if a descent has more runs than anyone waits for: more are a slip of the pen."""
    count = _count_runs(descent)
    if count <= MOST_RUNS:
        return []
    entry = max(descent["runs"], key=lambda run: math.prod(len(_as_list(value)) for value in run.values()))
    longest = max(entry, key=lambda key: len(_as_list(entry[key])))
    listed = len(_as_list(entry[longest]))
    return [f"{place}.runs: {count} runs ({longest} alone has {listed} values); allowed are at most {MOST_RUNS}"]


def _underflow_problems(values, dtype, place):
    """Return a line for the first start that loses its digits, or is 0, in the data type it is computed in."""
    least = SMALLEST_NORMAL[dtype]
    small = [value for value in _as_list(values) if isinstance(value, int | float) and 0 < value < least]
    return (
        [
            f"{place} = {small[0]}: allowed is at least {least:.3g} in {dtype}; smaller ones lose their digits or become 0"
        ]
        if small
        else []
    )


def _one_run_problems(tier, descent, run, place):
    """Return what is wrong with one entry of a descent's runs: its options, its m, what it lacks."""
    options = algorithm_options(descent["algorithm"])
    total = tier["problems"][descent["problem"]]["m"]
    problems = []
    for key, value in run.items():
        if key not in GENERIC_RUN_KEYS:
            problems += _option_problems(options, key, value, run, total, place)
    if "alpha" in options:
        problems += _underflow_problems(run.get("alpha", []), descent.get("dtype", tier["dtype"]), f"{place}.alpha")
    for item in _as_list(run.get("m", total)):
        if item > total:
            problems.append(f"{place}.m = {item}: allowed is at most the problem's m = {total}")
    missing = [key for key, schema in options.items() if key not in run and "default" not in schema]
    return problems + [f"{place}.{key} is missing" for key in missing]


def _option_problems(options, key, value, run, total, place):
    """Return what is wrong with one option of an algorithm, a value or a list of them."""
    shown = _key([key])
    if key not in options:
        allowed = ", ".join([*GENERIC_RUN_KEYS, *options])
        return [f"{place}.{shown} = {_show(value)}: unknown key; allowed are {allowed}"]
    if value == []:
        return [f"{place}.{shown} = []: allowed is a value or a list of values"]
    schema, problems = options[key], []
    for item in _as_list(value):
        if not _validator(schema).is_valid(item):
            allowed = schema.get("description") or ", ".join(map(str, schema.get("enum", ())))
            problems.append(f"{place}.{shown} = {_show(item)}: allowed is {allowed}{_hint(item)}")
        elif "at_most" in schema:
            least = min(_as_list(run.get(schema["at_most"], total)))
            if item > least:
                problems.append(f"{place}.{shown} = {_show(item)}: allowed is at most {schema['at_most']} = {least}")
    return problems


def _ensemble_number_problems(tier, descent, place):
    """Return the ensemble numbers that the descent's problem does not have."""
    count = tier["problems"][descent["problem"]]["ensembles"]
    return [
        f"{place}.ensembles = {number}: allowed is 0 to {count - 1}"
        for number in descent.get("ensembles", ())
        if number >= count
    ]


def _recorded_problems(descent, place):
    """Return the recording grids that would fill memory with iterations."""
    last = max(run["iterations"] for run in descent["runs"])
    return [
        f"{place}.record.{what}.every = {grid['every']}: {last // grid['every']} iterations recorded; "
        f"allowed are {MOST_POINTS}"
        for what, grid in descent["record"].items()
        if "every" in grid and last // grid["every"] > MOST_POINTS
    ]


def _batch_problems(tier, descent, place):
    """Return a line if the iterates and targets of a descent's batch, in float64, would not fit in memory."""
    problem = tier["problems"][descent["problem"]]
    runs = _count_runs(descent)
    need = 8 * 2 * runs * problem["targets"] * problem["d"] ** 2
    if need <= MEMORY_LIMIT_BYTES:
        return []
    return [
        f"{place}.runs: {runs} runs × {problem['targets']} targets of d = {problem['d']} would take "
        f"{need / 2**30:.0f} GiB; allowed is {MEMORY_LIMIT_BYTES // 2**30} GiB"
    ]


def _pairing_problems(tier, descent, place):
    """Return what a descent asks of an ensemble that does not have it."""
    problem = tier["problems"][descent["problem"]]
    name, algorithm = problem["ensemble"], descent["algorithm"]
    if name not in module_names("ensembles"):
        return []
    problems = [
        f"{place}.algorithm = {algorithm}: ensemble {name} has no {what} for it"
        for what in registry.lacks(algorithm, name)
    ]
    if "prefixes" not in class_literal("ensembles", name, "provides"):
        for i, run in enumerate(descent["runs"]):
            known = run.get("m", problem["m"])
            if set(known if isinstance(known, list) else [known]) != {problem["m"]}:
                allowed = f"the problem's m = {problem['m']} with ensemble: {name}"
                problems.append(f"{place}.runs[{i}].m = {_show(known)}: allowed is {allowed}")
    least = module_literal("ensembles", name, "SMALLEST_TRAIN_ERROR", {}).get(descent.get("dtype", tier["dtype"]), 0)
    if descent.get("stop_below_train_error", math.inf) < least:
        problems.append(
            f"{place}.stop_below_train_error = {descent['stop_below_train_error']}: allowed is at least {least}: "
            f"ensemble {name} does not resolve smaller ones"
        )
    return problems


def _factor_problems(tier, name, place):
    """Return the iterations of a descent that its step factor does not divide."""
    factor, descent = step_factor(tier, name), tier["descents"][name]
    counts = [(f"runs[{i}].iterations", run["iterations"]) for i, run in enumerate(descent["runs"])]
    for what, grid in descent["record"].items():
        counts += [(f"record.{what}.every", grid["every"])] if "every" in grid else []
        counts += [(f"record.{what}.at", point) for point in grid.get("at", ())]
    return [
        f"{place}.{key} = {count}: allowed is a multiple of step_factor = {factor}"
        for key, count in counts
        if count % factor
    ]


def _problem_problems(tier, file):
    problems = []
    for name, problem in tier["problems"].items():
        place = f"{file}: problems.{name}"
        d, rank = problem["d"], problem["rank"]
        if rank > d:
            problems.append(f"{place}.rank = {rank}: allowed is at most d = {d}")
        own = problem.get("own_targets", False)
        if own and problem["targets"] != 1:
            problems.append(f"{place}.targets = {problem['targets']}: allowed is 1 with own_targets: true")
        for key in ("ensembles",) if own else ("targets", "ensembles"):
            if problem[key] < 2 and tier.get("like", tier["tier"]) in JUDGING:
                problems.append(f"{place}.{key} = {problem[key]}: allowed is at least 2 where claims are judged")
        eigenvalues = problem["target"].get("eigenvalues")
        if problem["target"]["kind"] == "spectrum" and (eigenvalues is None or len(eigenvalues) != rank):
            problems.append(
                f"{place}.target.eigenvalues = {_show(eigenvalues)}: allowed is a list of rank = {rank} numbers"
            )
        if problem["target"]["kind"] == "columns" and eigenvalues is not None:
            problems.append(f"{place}.target.eigenvalues = {_show(eigenvalues)}: allowed only with kind: spectrum")
        problems += _ensemble_problems(problem, place)
    return problems


def _ensemble_problems(problem, place):
    """Return what the ensemble of a problem cannot be at its size; labels are computed in float64, whatever follows."""
    d, m, name = problem["d"], problem["m"], problem["ensemble"]
    if name not in module_names("ensembles"):
        return [f"{place}.ensemble = {name}: allowed are {', '.join(module_names('ensembles'))}"]
    problems = []
    least = module_literal("ensembles", name, "LEAST_M", "1")
    if m < arithmetic(least, d=d):
        formula = least.replace("//", "/").replace("*", "").replace(" ", "")
        problems.append(
            f"{place}.m = {m}: allowed is at least {formula} = {arithmetic(least, d=d)} with ensemble: {name}"
        )
    numbers = module_literal("ensembles", name, "NUMBERS", "m * d * (d + 1) // 2")
    need = 8 * arithmetic(numbers, d=d, m=m)
    if need > MEMORY_LIMIT_BYTES:
        limit, key = MEMORY_LIMIT_BYTES // 2**30, "m" if re.search(r"\bm\b", numbers) else "d"
        takes = f"the ensemble would take {need / 2**30:.0f} GiB"
        problems.append(f"{place}.{key} = {problem[key]}: {takes}; allowed is {limit} GiB")
    return problems


def _size(tier, descent):
    block = tier["descents"].get(descent)
    return tier["problems"][block["problem"]]["d"] if block else None


def _selected_runs(tier, experiment):
    """Return (descent, run, what tells it apart) of all runs that an experiment collects, from the descents that exist."""
    found = []
    for name in experiment["descents"]:
        if name in tier["descents"]:
            descent = tier["descents"][name]
            for run in expand_runs(tier, name):
                named = facts(tier["problems"][descent["problem"]], descent["algorithm"], run)
                if selects(experiment, named):
                    found.append((name, run, named))
    return found


def _row_problems(tier, experiment, place):
    """Return what keeps an experiment's rows from being found by ``by``, target and ensemble alone."""
    problems, seen, paired = [], set(), {}
    keys = [key for key in experiment["by"] if key != "iteration"]
    for name, _, named in _selected_runs(tier, experiment):
        problem = tier["descents"][name]["problem"]
        paired.setdefault(tier["problems"][problem].get("own_targets", False), f"descents.{name} (problems.{problem})")
        if len(paired) > 1:
            problems.append(
                f"{place}.descents: {paired[True]} has own_targets, {paired[False]} has not; allowed is one kind, as intervals "
                "resample either pairs of target and ensemble, or each by itself"
            )
            break
        lacking = [key for key in keys if key not in named]
        if lacking:
            problems.append(
                f"{place}.by = {_show(experiment['by'])}: {named['method']} runs have no {', '.join(lacking)}"
            )
            break
        point = tuple(named[key] for key in keys)
        if point in seen:
            text = ", ".join(f"{key} = {value}" for key, value in zip(keys, point, strict=True))
            problems.append(f"{place}.by = {_show(experiment['by'])}: does not tell apart two runs with {text}")
        seen.add(point)
    for selector in SELECTORS:
        if selector in experiment:
            every = {key: value for key, value in experiment.items() if key not in SELECTORS}
            there = {named.get(selector) for _, _, named in _selected_runs(tier, every)} - {None}
            lost = [value for value in experiment[selector] if value not in there]
            if lost:
                allowed = ", ".join(str(value) for value in sorted(there, reverse=True)) or "none"
                problems.append(f"{place}.{selector} = {_show(lost)}: no run has these; allowed are {allowed}")
    if experiment["paper_iterations"] == END and "iteration" in experiment["by"]:
        problems.append(f"{place}.by = {_show(experiment['by'])}: has no iteration where paper_iterations is end")
    if "iteration" not in experiment["by"] and len(paper_iterations(experiment)) > 1:
        problems.append(f"{place}.by = {_show(experiment['by'])}: needs iteration, as there are several")
    return problems


def _recorded_by(tier, name):
    """Return the iterations that a descent records, as the engine has it: one grid up to the longest run, and every run's end."""
    budgets = {run["iterations"] for run in expand_runs(tier, name)}
    return {*recorded_iterations(own_record(tier, name)["errors"], max(budgets)), *budgets}


def _recording_problems(tier, experiment, place):
    """Return the iterations that an experiment asks for and its descents do not record."""
    problems, recorded = (
        [],
        {name: _recorded_by(tier, name) for name in experiment["descents"] if name in tier["descents"]},
    )
    for name, run, _ in _selected_runs(tier, experiment):
        for point in paper_iterations(experiment):
            own = own_iteration(point, run)
            if point % run["step_factor"] or own > run["iterations"] or own not in recorded[name]:
                problems.append(
                    f"{place}.paper_iterations = {point}: descents.{name} (step_factor {run['step_factor']}, "
                    f"{run['iterations'] * run['step_factor']} iterations) does not record it"
                )
                break
    return problems


def study_options(block):
    """Return the options of a study, the defaults of its module filled in."""
    known = options.of_study(block["study"])
    defaults = {key: schema["default"] for key, schema in known.items() if "default" in schema}
    return {**defaults, **block.get("options", {})}


def study_parts(block):
    """Return which ensembles each job of a study takes, dealt out by turns."""
    jobs = block.get("jobs", 1)
    return [list(range(part, block["ensembles"], jobs)) for part in range(jobs)]


def _study_start_problems(block, place):
    """Return the starts of a study that its data type cannot hold, also one that is given as a power of d."""
    settled, dtype = study_options(block), block.get("dtype", STUDY_DTYPE)
    problems = []
    for key in ("alpha", "alphas"):
        if key in settled:
            problems += _underflow_problems(settled[key], dtype, f"{place}.options.{key}")
    if "alpha_power" in settled:
        least = SMALLEST_NORMAL[dtype]
        power = (
            -math.log(least) / math.log(max(_as_list(settled["d"]))) if max(_as_list(settled["d"])) > 1 else math.inf
        )
        if settled["alpha_power"] > power:
            problems.append(
                f"{place}.options.alpha_power = {settled['alpha_power']}: allowed is at most {math.floor(power * 100) / 100:g} at "
                f"d = {settled['d']} in {dtype}; beyond it the start becomes 0"
            )
    return problems


def _study_problems(tier, file):
    problems = []
    for name, block in tier.get("studies", {}).items():
        place = f"{file}: studies.{name}"
        if name in tier["experiments"]:
            problems.append(
                f"{place}: there is an experiment of the same name, and a study's table has the study's name"
            )
        if block["study"] not in module_names("studies"):
            problems.append(f"{place}.study = {block['study']}: allowed are {', '.join(module_names('studies'))}")
            continue
        if block.get("jobs", 1) > block["ensembles"]:
            problems.append(f"{place}.jobs = {block['jobs']}: allowed is at most ensembles = {block['ensembles']}")
        known, given = options.of_study(block["study"]), block.get("options", {})
        found = []
        for key, value in given.items():
            if key not in known:
                found.append(
                    f"{place}.options.{_key([key])} = {_show(value)}: unknown key; allowed are {', '.join(known)}"
                )
            else:
                found += _schema_problems(value, known[key], file, ("studies", name, "options", key))
        missing = [key for key, schema in known.items() if key not in given and "default" not in schema]
        found += [f"{place}.options.{key} is missing" for key in missing]
        if not found:
            found += _study_start_problems(block, place)
        if not found:
            values = {"ensembles": block["ensembles"], **study_options(block)}
            for condition, sentence in module_literal("studies", block["study"], "CHECKS", ()):
                if not arithmetic(condition, **values):
                    used = [key for key in values if re.search(rf"\b{key}\b", condition)]
                    shown = ", ".join(f"{key} = {_show(values[key])}" for key in used)
                    found.append(f"{place}.options: {shown}: allowed is {sentence}")
        problems += found
    return problems


def _grid_problems(points, place):
    """Return what is wrong with iterations given as from, to, every: none, or too many to list."""
    if not isinstance(points, dict):
        return []
    if points["to"] < points["from"]:
        return [f"{place}.paper_iterations.to = {points['to']}: allowed is at least from"]
    count = (points["to"] - points["from"]) // points["every"] + 1
    if count > MOST_POINTS:
        return [f"{place}.paper_iterations.every = {points['every']}: {count} iterations; allowed are {MOST_POINTS}"]
    return []


def _experiment_problems(tier, file):
    problems, curves = [], published_sizes()
    tables = [*tier["experiments"], *tier.get("studies", {})]
    for name, experiment in tier["experiments"].items():
        place = f"{file}: experiments.{name}"
        if "compare" in experiment:
            base = tier["experiments"].get(experiment["compare"])
            if base is None or "compare" in base:
                allowed = [key for key, value in tier["experiments"].items() if "compare" not in value]
                problems.append(f"{place}.compare = {experiment['compare']}: allowed are {', '.join(allowed)}")
                continue
            sizes = {_size(tier, descent) for descent in base["descents"]}
            published = experiment["published"]
            if published not in curves:
                problems.append(f"{place}.published = {published}: allowed are {', '.join(curves)}")
            elif curves[published] not in sizes:
                problems.append(
                    f"{place}.compare = {experiment['compare']}: published {published} is of d = {curves[published]}; "
                    f"this table has d = {', '.join(map(str, sorted(filter(None, sizes))))}"
                )
            if "scan" in experiment and experiment["published"] != "figure_2":
                problems.append(f"{place}.published = {experiment['published']}: allowed with scan is figure_2")
            continue
        wanted = _grid_problems(experiment["paper_iterations"], place)
        if wanted:
            problems += wanted
            continue
        for descent in experiment["descents"]:
            if descent not in tier["descents"]:
                problems.append(f"{place}.descents = {descent}: allowed are {', '.join(tier['descents'])}")
        problems += _row_problems(tier, experiment, place) + _recording_problems(tier, experiment, place)
    drawings = sources.decorated("figures", "drawing")
    for name, shown in tier["figures"].items():
        if name not in drawings:
            problems.append(f"{file}: figures.{name}: unknown figure; allowed are {', '.join(drawings)}")
        elif name not in shown:
            problems.append(f"{file}: figures.{name} = {_show(shown)}: allowed is a list with {name} in it")
        for table in shown:
            if table not in tables:
                problems.append(f"{file}: figures.{name} = {table}: allowed are {', '.join(tables)}")
    return list(dict.fromkeys(problems))


def validate_tier(content, file, schemas):
    """Return a tier's settings, or raise one :class:`SettingsError` with all its problems.

    Parameters
    ----------
    content : object
        What the YAML file (and ``--config``) said.
    file : str
        Its name, for the messages.
    schemas : path
        The folder ``workflow/schemas``.
    """
    schema = json.loads((Path(schemas) / "tier.schema.json").read_text(encoding="utf-8"))
    problems = _non_finite(content, file) or _schema_problems(content, schema, file)
    if not problems:
        problems = _problem_problems(content, file) + _run_problems(content, file) + _study_problems(content, file)
    if not problems:
        problems = _experiment_problems(content, file)
    if problems:
        raise SettingsError(problems)
    return content


def taken_names(file, folder):
    """Return the problem of a tier file that has the name of a tier of ``folder`` and says something else, as a list.

    Both would write into the same ``results/<tier>``, the second over the first.
    """
    content = load_yaml(file)
    name = content.get("tier") if isinstance(content, dict) else None
    if name not in [path.stem for path in Path(folder).glob("*.yaml")]:
        return []
    shipped = Path(folder) / f"{name}.yaml"
    if Path(file).resolve() == shipped.resolve() or content == load_yaml(shipped):
        return []
    taken = f"config/{name}.yaml has this name, and these results would replace its own; choose another name"
    return [f"{file}: tier = {name}: {taken}"]


def complete_tier(content, file, schemas):
    """Return a tier's settings with everything that its chapters have at its size.

    Parameters
    ----------
    content : object
        What the tier file (and ``--config``) said.
    file : str
        Its name, for the messages.
    schemas : path

    Raises
    ------
    SettingsError
        With all problems.
    """
    schema = json.loads((Path(schemas) / "tier.schema.json").read_text(encoding="utf-8"))
    own = {key: value for key, value in schema["properties"].items() if key not in SECTIONS}
    required = [key for key in schema["required"] if key not in SECTIONS]
    problems = _non_finite(content, file) or _schema_problems(
        content, {**schema, "properties": own, "required": required}, file
    )
    if problems:
        raise SettingsError(problems)
    return validate_tier(compose(content, chosen_chapters(content)), file, schemas)


def chosen_chapters(tier):
    """Return the chapters of a tier."""
    names = tier.get("chapters", "all")
    return load_chapters(None if names == "all" else names)


def load_tier(path, schemas):
    """Read and validate a tier file, and complete it; see :func:`complete_tier`."""
    return complete_tier(load_yaml(path), str(path), schemas)


def published_sizes():
    """Return the d of each published curve, by name."""
    return {name: fixed["d"] for chapter in load_chapters() for name, fixed in chapter.published.items()}


def validate_claims(content, file, schemas):
    """Return the registry's entries, or raise one :class:`SettingsError` with all problems; see :func:`validate_tier`."""
    schema = json.loads((Path(schemas) / "claims.schema.json").read_text(encoding="utf-8"))
    problems = _non_finite(content, file) or _schema_problems(content, schema, file)
    if not problems:
        ids = [entry["id"] for entry in content]
        problems += [f"{file}: id = {name}: used twice" for name in sorted({i for i in ids if ids.count(i) > 1})]
        for entry in content:
            problems += _entry_problems(entry, f"{file}: {entry['id']}")
            problems += _remedy_problems(entry, ids, f"{file}: {entry['id']}")
    if problems:
        raise SettingsError(problems)
    return content


def load_claims(schemas, names=None):
    """Read and validate the claims of chapters (all, or those of these names), in the order of chapters.

    Returns
    -------
    list of dict
        The entries, each with its ``chapter``.

    Raises
    ------
    SettingsError
        Also for a repeated id or an estimand that does not exist.
    """
    chapters = load_chapters(names)
    claims = [entry for chapter in chapters for entry in chapter.claims]
    validate_claims(claims, "claims.yaml", schemas)
    return [{**entry, "chapter": chapter.name} for chapter in chapters for entry in chapter.claims]


def _entry_problems(entry, place):
    """Return what is wrong with one registry entry beyond its shape."""
    problems, known = [], sources.decorated("estimands", "estimand")
    if entry["table"] not in entry["experiments"]:
        problems.append(f"{place}.table = {entry['table']}: allowed are its experiments")
    for part in ("estimand", "control", "positive_control"):
        if part not in entry:
            continue
        estimand = dict(entry["estimand"])
        if part != "estimand":
            estimand.update(entry[part]["estimand"])
        name = estimand["name"]
        if not isinstance(name, str) or name not in known:
            problems.append(f"{place}.{part}.name = {_show(name)}: allowed are {', '.join(known)}")
            continue
        problems += _estimand_problems(estimand, f"{place}.{part}", known[name].node)
        problems += _named_problems(entry, estimand, f"{place}.{part}")
    return problems


def _remedy_problems(entry, ids, place):
    """Return a line if a claim's nearest true form is not another claim of the registry."""
    others = [name for name in ids if name != entry["id"]]
    if "remedy" not in entry or entry["remedy"] in others:
        return []
    return [f"{place}.remedy = {_show(entry['remedy'])}: allowed are the other claims, {', '.join(others)}"]


def _named_problems(entry, estimand, place):
    """Return the tables and published figures that an estimand names and cannot have."""
    problems = []
    for key in ("table", "over", "method_table"):
        for table in _as_list(estimand.get(key) or []):
            if table not in entry["experiments"]:
                problems.append(f"{place}.{key} = {_show(table)}: allowed are its experiments")
    curves = published_sizes()
    if "figure" in estimand and estimand["figure"] not in curves:
        problems.append(f"{place}.figure = {_show(estimand['figure'])}: allowed are {', '.join(curves)}")
    return problems


def _estimand_problems(estimand, place, function):
    """Return the unknown and the missing parameters of an estimand."""
    arguments = function.args
    known = {a.arg: default is None for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)}
    given = set(estimand) - {"name"}
    problems = [
        f"{place}.{_key([key])} = {_show(estimand[key])}: unknown parameter; allowed are {', '.join(known)}"
        for key in sorted(given - set(known), key=str)
    ]
    problems += [f"{place}.{key} is missing" for key, needed in known.items() if needed and key not in given]
    return problems or _label_problems(estimand, place, function)


def _label_problems(estimand, place, function):
    """Return a line if the words of the criterion cannot be made from an estimand's parameters."""
    label = next(decorator.args[0].value for decorator in function.decorator_list if getattr(decorator, "args", ()))
    try:
        label.format(**readable(estimand))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        return [f"{place} = {_show(estimand)}: does not fit the criterion's words {label!r} ({error})"]
    return []


# The option of a study that lists the values of a column along which an exponent is fitted.
AXIS_OPTIONS = {
    "alpha": ("alphas", "alpha"),
    "log_d_over_alpha": ("alphas",),
    "log_start": ("alpha",),
    "d": ("d", "dimensions"),
    "rank": ("rank", "ranks"),
    "kappa": ("kappas", "kappa"),
    "m": ("certified", "m"),
}


def exponent_problems(entries, tier, file):
    """Return the grids of studies that have fewer than three values where a claim that the tier judges fits an exponent.

    Parameters
    ----------
    entries : list of mapping
        The registry.
    tier : mapping
        Valid settings.
    file : str
        The tier's file, for the messages.
    """
    problems = []
    for entry in (one for one in entries if judged(one, tier)):
        parts = [entry[name]["estimand"] for name in ("control", "positive_control") if name in entry]
        for estimand in ({**entry["estimand"], **part} for part in ({}, *parts)):
            block = tier.get("studies", {}).get(estimand.get("table"))
            along = estimand.get("along")
            if block is None or not isinstance(along, str):
                continue
            options = study_options(block)
            for option in AXIS_OPTIONS.get(along, ()):
                values = options.get(option)
                if isinstance(values, list) and len(values) < 3:
                    problems.append(
                        f"{file}: studies.{estimand['table']}.options.{option} = {_show(values)}: allowed are at least "
                        f"three values, as {entry['id']} fits an exponent over them"
                    )
    return list(dict.fromkeys(problems))


def judged(entry, tier):
    """Return whether a tier can judge a registry entry: it is listed and the tier has all its experiments."""
    like = tier.get("like", tier["tier"])
    tables = {*tier["experiments"], *tier.get("studies", {})}
    return like in entry["tiers"] and tables.issuperset(entry["experiments"])


def rule_name(claim_id):
    """Return the workflow rule of a claim."""
    return "claim_" + claim_id.replace("-", "_")
