"""Random damage to valid tier files and to the registry: what is refused names its key,
what is accepted can be planned and run.

And random fits of the estimators: a finite answer that says what is wrong with it, or a refusal in words of our own.

A few hundred cases here; with HYPOTHESIS_PROFILE=fuzz in the environment thousands.
"""

import copy
import json
import math
import re
import traceback
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, as_text, registered_claims, tier_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from algoreg import code_hash, jobs, plugins
from algoreg.claims import criteria, judging
from algoreg.engine import experiment
from algoreg.engine.loop import Descent
from algoreg.experiments.descents import problem_of, recorded_batch, rows_of, runs_on_targets
from algoreg.numerics import problems
from algoreg.numerics.devices import configure
from algoreg.recover import LowRankMatrixRegressor, MatrixCompleter, QuadraticRegressor
from algoreg.recover.base import root_mean_square
from algoreg.recover.plan import DEFAULT_METHODS
from algoreg.results import records, tables
from algoreg.settings import checking as algoreg_settings
from algoreg.settings import descents, entries, messages, selection
from algoreg.settings import plan as planned
from algoreg.settings.claims import claim_problems, remedy_problems
from algoreg.settings.experiments import SECTIONS
from algoreg.settings.tier import Tier

pytestmark = pytest.mark.any_kernels

TIERS = {name: tier_settings(name) for name in ("smoke", "quick", "standard")}
REGISTRY = [{key: value for key, value in entry.items() if key != "chapter"} for entry in registered_claims()]
TIER_KEYS = {*Tier.model_fields, *SECTIONS}
FUZZ = {"suppress_health_check": list(HealthCheck)}

NAMES = st.sampled_from(
    ["", "..", "../x", "/etc/passwd", "a/b", "~", "a b", "results", "bench", "none", "x\n", "gaussian\n", "A", "x" * 41,
     "x" * 300, "é", "{d}", "%s", "$(ls)", "'", '"', "\x00", "nan", "1e-3", "-1e5", "true", "d", "target", "iteration", "status",
     "class", "gram", "stochastic", "projected", "x_space", "figure_1", "end", "0"]
)  # fmt: skip
NUMBERS = st.sampled_from(
    [0, -1, 1, 2, 3, 7, 10, 100, 10**5, 10**9, 10**9 + 1, 2**31, 2**63, 10**30, 10**400, True, False, 0.0, -0.0, 0.5, 1.0, 2.5,
     1e-300, 5e-324, 1e300, 1.7e308, math.nan, math.inf, -math.inf]
)  # fmt: skip
LEAVES = st.one_of(st.none(), NUMBERS, NAMES, st.text(max_size=5), st.integers(), st.floats(allow_subnormal=False))
GARBAGE = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(NAMES, st.text(max_size=5)), inner, max_size=3)
    ),
    max_leaves=6,
)


def paths(content, path=()):
    """Return the path of every node but the whole."""
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [found for key, value in items for found in [(*path, key), *paths(value, (*path, key))]]


def at(content, path):
    for key in path:
        content = content[key]
    return content


@st.composite
def mutants(draw, base):
    """Damage one to three nodes of a valid content; return it with the paths damaged."""
    content, damaged = copy.deepcopy(base), []
    for _ in range(draw(st.integers(1, 3))):
        every = paths(content)
        if not every:
            break
        path = draw(st.sampled_from(every))
        parent, last = at(content, path[:-1]), path[-1]
        damage = draw(st.sampled_from(["drop", "rename", "garbage", "number", "name", "other", "double", "wrap"]))
        if damage == "drop":
            del parent[last]
        elif damage == "rename" and isinstance(parent, dict):
            # In its place: the order of keys is the order of rules and rows.
            name = draw(st.one_of(NAMES, st.text(max_size=5)))
            items = [(name if key == last else key, value) for key, value in parent.items()]
            parent.clear()
            parent.update(items)
        elif damage == "number":
            parent[last] = draw(NUMBERS)
        elif damage == "name":
            parent[last] = draw(NAMES)
        elif damage == "other":
            parent[last] = copy.deepcopy(at(content, draw(st.sampled_from(every))))
        elif damage == "double" and isinstance(parent, list):
            parent.append(copy.deepcopy(parent[last]))
        elif damage == "wrap":
            parent[last] = [parent[last]]
        else:
            parent[last] = draw(GARBAGE)
        damaged.append(path)
    return content, damaged


def named(line, file, content, known):
    """Return whether a line says ``file: key…`` with a key of the content,
    one that it should have, or an entry of a list.
    """
    assert "\n" not in line, line
    assert line.startswith(f"{file}: "), line
    rest = line.removeprefix(f"{file}: ")
    if isinstance(content, list):
        ids = {str(entry["id"]) for entry in content if isinstance(entry, dict) and "id" in entry}
        return bool(re.match(r"\[\d+\]|\(the whole file\)|id = ", rest)) or any(
            rest.startswith((f"{messages.key([i])}.", f"{messages.key([i])}: ")) for i in ids
        )
    return any(rest.startswith(messages.key([key])) for key in {*content, *known})


def refusal(read, *arguments):
    """Return the lines with which settings are refused, at least one, or none where they are accepted."""
    try:
        read(*arguments)
    except algoreg_settings.SettingsError as error:
        return error.problems or ["refused without a reason"]
    return []


def inside(path, tier):
    """Return whether a path and its sidecar lie below the tier's folder, whatever the names in it."""
    folder = Path("/repository/results", tier)
    for one in (path, records.sidecar_path(path)):
        whole = Path("/repository", one)
        if "\n" in str(one) or folder not in Path(*whole.parts).resolve().parents or ".." in whole.parts:
            return False
    return True


def plan(tier):
    """Do what the workflow does with a tier before its first job; every path lies below its folder."""
    json.dumps(tier, allow_nan=False)
    made = []
    for name in (*planned.selected(tier), *planned.compared(tier)):
        made.append(f"tables/{name}.csv")
    for name, block in planned.selected(tier).items():
        assert selection.columns(block)
        assert jobs.selected_files(tier, name)
    for name, block in planned.measured(tier).items():
        made += [f"tables/{name}.csv", f"experiments/{name}/part-0.csv"]
        made += planned.generated_files(name, block, range(min(block["ensembles"], 3)))
        options = planned.experiment_options(block, tier)
        code_hash.code_hashes(ROOT / "scripts/measure.py", plugins.modules_of_experiment(block["experiment"], options))
        dealt = planned.experiment_parts(block)
        assert sorted(n for part in dealt for n in part) == list(range(block["ensembles"]))
        assert all(dealt)
        experiment.columns(plugins.experiment(block["experiment"]))
        plugins.module_title("experiments", block["experiment"])
        if planned.records_descents(block):
            assert descents.expand_runs(options)
            assert descents.record_as_run(options)["errors"]
    for name in tier["figures"]:
        made.append(f"figures/{name}.svg")
        assert plugins.functions("figures")[name]
    for entry in REGISTRY:
        planned.is_judged(entry, tier)
    for path in made:
        assert inside(f"results/{tier['tier']}/{path}", tier["tier"]), path


def run_little(tier):
    """Draw each problem that is small and take every descent's first steps;
    select from what a whole run would have recorded.
    """
    recorded = {}
    for name, block in planned.recorded(tier).items():
        options = planned.experiment_options(block, tier)
        problem, runs = problem_of(options), runs_on_targets(options)
        points = descents.errors_recorded(options)
        if len(points) * len(runs) > 20_000:
            return
        if problem["d"] ** 2 * max(problem["m"], len(runs)) * block["ensembles"] <= 20_000:
            device, dtype = configure("cpu", planned.dtype_of(block, tier), 1)
            arrays = problems.draw_problem(problem, tier["seed"], 0)
            ensemble = problems.regenerate_ensemble(problem, arrays, device, dtype, name)
            record, stop = descents.record_as_run(options), options["stop_below_train_error"]
            drawn = arrays["factors"], arrays["labels"]
            batch = recorded_batch(ensemble, *drawn, options["algorithm"], runs, record, tier["seed"], stop)
            Descent(batch).run(until=10)
        rows = [(i, p, 1.0, 1.0) for i, run in enumerate(runs) for p in sorted(points) if p <= run["iterations"]]
        arrays = {"errors": np.array(rows, dtype=float), "spectra": np.empty((0, 3))}
        arrays |= {"status": ["budget"] * len(runs), "ended": [run["iterations"] for run in runs]}
        recorded[name] = as_text(rows_of(options, 0, runs, arrays))
    for block in planned.selected(tier).values():
        rows = tables.select(block, [recorded[name] for name in block["select"]])
        assert rows
        keys = [*block["by"], "target", "ensemble"]
        assert len({tuple(row[key] for key in keys) for row in rows}) == len(rows)
    for block in planned.measured(tier).values():
        options = planned.experiment_options(block)
        if (
            block["experiment"] == "x_space"
            and max(options["d"], *options["m"], options["targets"], options["iterations"]) <= 100
        ):
            context = experiment.Context(tier["seed"], [0], *configure("cpu", "float64", 1), log=lambda line: None)
            assert experiment.measure("x_space", options, context)


def little(tier):
    """Return a tier whose problems and runs are small enough to run in milliseconds."""
    content = copy.deepcopy(tier)
    for block in planned.recorded(content).values():
        block["ensembles"] = 2
        block["options"].update(d=4, m=10, targets=2)
        for run in block["options"]["runs"]:
            if "m" in run:
                run["m"] = [5, 10]
    return content


LITTLE = little(TIERS["smoke"])
LITTLE["experiments"] = {
    **planned.recorded(LITTLE),
    **planned.selected(LITTLE),
    **planned.compared(LITTLE),
    "x_space": {
        "experiment": "x_space",
        "ensembles": 2,
        "options": {"d": 4, "rank": 1, "m": [2, 8], "targets": 2, "iterations": 5},
    },
}
LITTLE["experiments"]["figure_4"]["by"] = ["d", "m", "method"]
LITTLE["figures"] = {
    name: shown for name, shown in LITTLE["figures"].items() if LITTLE["experiments"].keys() >= set(shown)
}


def whole(content):
    """Return whether a tier still has its sections: chapters always give them."""
    return all(isinstance(content.get(section), dict) for section in SECTIONS)


@settings(**FUZZ)
@given(mutants(LITTLE).filter(lambda mutant: whole(mutant[0])))
def test_a_damaged_tier_is_refused_by_name_or_runs(mutant):
    check_tier(*mutant)


@settings(**FUZZ)
@given(st.sampled_from(sorted(TIERS)).flatmap(lambda name: mutants(TIERS[name])).filter(lambda m: whole(m[0])))
def test_a_damaged_shipped_tier_is_refused_by_name_or_planned(mutant):
    check_tier(*mutant)


def registry_lines(content):
    """Return what is wrong with the claims of a chapter."""
    found = messages.lines(claim_problems(content, algoreg_settings.published_sizes()), messages.in_file("claims.yaml"))
    return found or messages.lines(remedy_problems(content), messages.in_file("claims.yaml"))


def check_tier(content, damaged):
    whole = copy.deepcopy(content)
    lines = refusal(algoreg_settings.check_tier, content, "tier.yaml")
    assert repr(content) == repr(whole), "validation changes what it looks at"
    for line in lines:
        assert named(line, "tier.yaml", content, TIER_KEYS), line
    if not lines:
        plan(content)
        try:
            run_little(content)
        finally:
            # Jobs flush them; what hypothesis draws does not.
            torch.set_flush_denormal(False)


@settings(**FUZZ)
@given(st.lists(st.sampled_from(REGISTRY), min_size=1, max_size=3, unique_by=lambda e: e["id"]).flatmap(mutants))
def test_a_damaged_registry_is_refused_by_name_or_has_rules_and_criteria(mutant):
    content, _ = mutant
    lines = registry_lines(content)
    for line in lines:
        assert named(line, "claims.yaml", content, ()), line
    if lines:
        return
    # One that stands twice is refused where chapters are put together, and that has a test of its own.
    ids = {entry["id"] for entry in content}
    assert len({entries.rule_name(name) for name in ids}) == len(ids)
    for entry in content:
        assert inside(f"results/smoke/claims/{entry['id']}.json", "smoke")
        assert criteria.criterion(entry, plugins.functions("estimands"))
        for tier in TIERS.values():
            planned.is_judged(entry, tier)
        # There are no tables here: that, too, is said with the entry's name.
        with pytest.raises(judging.CannotJudge, match=re.escape(entry["id"])):
            judging.judge(entry, {}, {}, 0, plugins.functions("estimands"))


@settings(**FUZZ)
@given(st.data())
def test_damaged_text_is_refused_by_name_or_read(tmp_path_factory, data):
    text = (ROOT / "config" / "smoke.yaml").read_text()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.sampled_from([0, 1, 2, 20, 200]))
        added = data.draw(
            st.one_of(
                st.sampled_from(["&a ", "*a", "<<: ", "!!binary ", "!!set {a}", "? [a]\n: b\n", "---\n", "\t", "%", "9" * 5000,
                                 "2018-99-99", "1:2:3", "- ", "{", "[" * 2000, ": ", "\ufeff", "\x85", "#", "'"]),
                st.text(max_size=3),
            )
        )  # fmt: skip
        text = text[:start] + added + text[start + length :]
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    lines = refusal(algoreg_settings.load_tier, path)
    assert all(line.startswith(f"{path}: ") and "\n" not in line for line in lines), lines
    if not lines:
        plan(algoreg_settings.load_tier(path))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: &x [*x]\n", r"not valid YAML|allowed is no alias; write it out"),
        (f"seed: {'9' * 5000}\n", "not valid YAML"),
        ("seed: 2018-99-99\n", "not valid YAML"),
    ],
)
def test_yaml_that_python_cannot_hold_is_refused(tmp_path, text, line):
    (tmp_path / "tier.yaml").write_text(text)
    with pytest.raises(algoreg_settings.SettingsError, match=line):
        algoreg_settings.load_tier(tmp_path / "tier.yaml")


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("tier",), "results", "tier = \"results\": this name is taken"),
        (("tier",), "smoke\n", "tier = \"smoke\\n\": String should match pattern"),
        (("experiments", "results"), LITTLE["experiments"]["gaussian"], "experiments.results = \"results\": this name is taken"),
        (("experiments", "figure_2", "paper_iterations"), {"from": 0, "to": 10**9, "every": 1}, "iterations; allowed are 100000"),
        (("experiments", "gaussian", "options", "runs", 0, "paper_iterations"), 10**9, "10000000 iterations recorded; allowed are 100000"),
        (("experiments", "gaussian", "options", "targets"), 10_000, None),
    ],
)  # fmt: skip
def test_what_fuzzing_found(path, value, line):
    content = copy.deepcopy(TIERS["smoke"])
    at(content, path[:-1])[path[-1]] = value
    if line is None:
        content["experiments"]["gaussian"]["options"].update(d=1000, m=10)
        line = "targets of d = 1000 would take"
    with pytest.raises(algoreg_settings.SettingsError) as caught:
        algoreg_settings.check_tier(content, "tier.yaml")
    assert any(line in problem for problem in caught.value.problems), caught.value.problems


def test_the_unharmed_little_tier_runs():
    check_tier(copy.deepcopy(LITTLE), [])
    assert not refusal(algoreg_settings.check_tier, copy.deepcopy(LITTLE), "tier.yaml")


@pytest.mark.parametrize("figure", [[], {}, "figure_9", 1, True])
def test_a_figure_that_is_no_published_one_is_named(figure):
    entry = copy.deepcopy(next(one for one in REGISTRY if one["id"] == "fig1-published"))
    entry["estimand"]["figure"] = figure
    line, *_ = registry_lines([entry])
    assert line.startswith(f"claims.yaml: fig1-published.estimand.figure = {json.dumps(figure)}: unknown curve"), line


# What measurements and labels may be like, from normal ones of which the first axis is the measurement.
LIKE = {
    "normal": lambda normal: normal,
    "nearly one": lambda normal: 100 + normal,
    "all one": lambda normal: np.repeat(normal[:1], len(normal), axis=0),
    "tiny": lambda normal: 1e-150 * normal,
    "huge": lambda normal: 1e140 * normal,
    "of all sizes": lambda normal: (normal.T * np.logspace(-12, 12, len(normal))).T,
    "one far off": lambda normal: np.concatenate([1e6 * normal[:1], normal[1:]]),
    "0 but for one": lambda normal: np.concatenate([normal[:1], 0 * normal[1:]]),
    "whole numbers": lambda normal: np.round(normal),
}
TOLD = {
    "frank_wolfe": {"theta": 1.0, "rank": 1},
    "hard_thresholding": {"rank": 1},
    "quadratic": {"tau": 1.0},
    "stochastic": {"batch_size": 1},
}


@st.composite
def fits(draw):
    """Return an estimator and the measurements and labels that it is to fit."""
    rng, kind = np.random.default_rng(draw(st.integers(0, 10**6))), draw(st.sampled_from(sorted(DEFAULT_METHODS)))
    m, rows, columns = draw(st.integers(1, 40)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    columns = columns if kind == "rectangular" else rows
    wanted = "symmetric" if kind == "symmetric" else "psd"
    names = [name for name in plugins.modules("algorithms") if plugins.algorithm(name).estimates == wanted]
    method = draw(st.sampled_from(["auto", *names]))
    told = {
        "kind": kind,
        "method": method,
        "method_options": TOLD.get(method),
        "stop": draw(st.sampled_from(["auto", "hold-out", "folds", "noise", "budget"])),
        "alpha": draw(st.sampled_from(["auto", 1.0, 1e-3, 1e-6])),
        "noise": draw(st.sampled_from([None, 1e-300, 1.0])),
        "hold_out": draw(st.sampled_from([0.1, 0.5, 0.99])),
        "folds": draw(st.sampled_from([2, 5])),
        "max_iter": draw(st.integers(1, 40)),
        "dtype": draw(st.sampled_from(["float64", "float32"])),
    }
    like = LIKE[draw(st.sampled_from(sorted(LIKE)))]
    labels = LIKE[draw(st.sampled_from(sorted(LIKE)))](rng.standard_normal(m))
    what = draw(st.sampled_from(["matrices", "vectors", "entries", "table"]))
    if what == "entries":
        places = rng.permutation(np.argwhere(np.ones((rows, columns))))[:m]
        places = places if kind == "rectangular" else places[places[:, 0] <= places[:, 1]]
        estimator = MatrixCompleter(**told, shape=(rows, columns), center=draw(st.booleans()))
        return estimator, places, labels[: len(places)]
    if what == "table" and kind != "rectangular":
        labels = np.abs(labels) if kind == "psd" else labels
        return QuadraticRegressor(**told, standardize=draw(st.booleans())), like(rng.standard_normal((m, rows))), labels
    if what == "vectors":
        vectors = like(rng.standard_normal((m, rows + columns)))
        return LowRankMatrixRegressor(**told, shape=(rows, columns), vectors=True), vectors, labels
    return LowRankMatrixRegressor(**told), like(rng.standard_normal((m, rows, columns))), labels


def fit_refused(estimator, X, y):
    """Return the ValueError with which a fit is refused, None where it is not."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("error", RuntimeWarning)
            estimator.fit(X, y)
    except ValueError as error:
        return error
    return None


@settings(**FUZZ, derandomize=True, max_examples=max(300, settings.default.max_examples))
@given(fits())
def test_a_fit_is_refused_in_words_or_finite_and_says_so_where_it_is_worse_than_nothing(fit):
    estimator, X, y = fit
    if error := fit_refused(estimator, X, y):
        assert not isinstance(error, np.linalg.LinAlgError)
        # Raised where something is checked, not where a library stumbles.
        raised = Path(traceback.extract_tb(error.__traceback__)[-1].filename).parts
        assert "algoreg" in raised or raised[-3:] == ("sklearn", "utils", "validation.py"), error
        return
    path = estimator.path_
    for found in (estimator.matrix_, estimator.eigenvalues_, *estimator.factors_, path["train_error"]):
        assert np.isfinite(found).all()
    assert {len(column) for column in path.values()} == {len(path["iteration"])}
    assert 1 <= estimator.n_iter_ <= max(1, path["iteration"][-1])
    predicted = estimator.predict(X)
    assert predicted.shape == y.shape
    assert np.isfinite(predicted).all()
    assert root_mean_square(y - predicted) <= 1.01 * root_mean_square(y) or estimator.warnings_
