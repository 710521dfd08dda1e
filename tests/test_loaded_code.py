"""What a job imports is in the hashes of its code, and nothing is there that it never imports."""

import ast
from typing import get_args

import pytest
from conftest import ROOT, recorded_descents, registered_claims, tier_settings
from traced import loaded

from algoreg import code_hash, plugins
from algoreg.settings import entries, plan
from algoreg.settings import options as declared

pytestmark = pytest.mark.any_kernels

SMOKE = tier_settings("smoke")
QUICK = tier_settings("quick")
CLAIMS = registered_claims()

MEASURE = """
from algoreg.engine import experiment
from algoreg.engine.checkpoint import Checkpoint, job_fingerprint
from algoreg.numerics import devices
from algoreg.results import generated, records
from algoreg.results.provenance import begin_job
name, options, seed = what
device, dtype = devices.configure("cpu", "float64", 1)
rows = experiment.measure(name, options, experiment.Context(seed, [0], device, dtype))
assert rows
"""
GENERATE = """
import numpy as np
from algoreg import plugins
from algoreg.numerics import devices
from algoreg.results import records
from algoreg.results.provenance import begin_job
name, options, seed = what
devices.configure("cpu", "float64", 1)
assert plugins.experiment(name).generate(options, seed, 0)
"""


def require_same(seen, script, named):
    """Compare what a job loaded with what its rule's hashes hold."""
    hashed = {name for name in code_hash.code_hashes(ROOT / "scripts" / script, named) if "/" not in name}
    seen = seen - plugins.JOB_RECORDS
    assert seen <= hashed, f"loaded without a hash: {sorted(seen - hashed)}"
    assert hashed <= seen, f"hashed, never loaded: {sorted(hashed - seen)}"


def tiny_experiments():
    """Return ``{case: (module, options)}``: every experiment once, and once for each module that an option names."""
    blocks = {block["experiment"]: block for tier in (QUICK, SMOKE) for block in plan.measured(tier).values()}
    found = {}
    for name in plugins.modules("experiments"):
        options = plan.experiment_options(blocks[name])
        found[name] = (name, options)
        for option, folder in getattr(plugins.experiment(name), "FINDS", {}).items():
            allowed = get_args(declared.of_experiment(name).model_fields[option].annotation)
            assert set(allowed) <= set(plugins.modules(folder))
            found.update({f"{name}-{one}": (name, {**options, option: one}) for one in allowed})
    return found


@pytest.mark.parametrize("case", tiny_experiments())
def test_a_experiment_loads_what_its_hashes_hold(case):
    name, options = tiny_experiments()[case]
    require_same(
        loaded(MEASURE, [name, options, 1]), "measure.py", plugins.modules_of_experiment(name, options)
    )  # fmt: skip


DESCENTS = [
    ("factored", "gaussian", {"alpha": 0.1}),
    ("projected", "gaussian", {"start": "zero"}),
    ("stochastic", "gaussian", {"alpha": 0.1, "batch_size": 1}),
    ("factored", "gram", {"alpha": 0.1}),
    ("factored", "wishart", {"alpha": 0.1}),
    ("factored", "rank_one", {"alpha": 0.1}),
    ("factored", "rank_one_pairs", {"alpha": 0.1}),
]


@pytest.mark.parametrize(("algorithm", "ensemble", "start"), DESCENTS)
def test_recorded_descents_load_what_their_hashes_hold(algorithm, ensemble, start):
    run = {"start": "identity", **start, "step": 0.01, "iterations": 2}
    block = recorded_descents(ensemble=ensemble, d=4, m=12, algorithm=algorithm, runs=[run])
    options = plan.experiment_options(block)
    named = plugins.modules_of_experiment("descents", options)
    require_same(loaded(MEASURE, ["descents", options, 1]), "measure.py", named)


def test_generating_data_loads_what_its_hashes_hold():
    options = plugins.generated_from("descents", plan.experiment_options(recorded_descents()))
    named = plugins.modules_of_experiment("descents", options)
    assert named == ["algoreg.experiments.descents", "algoreg.ensembles.gaussian"]
    seen = loaded(GENERATE, ["descents", options, 1])
    hashed = code_hash.code_hashes(ROOT / "scripts/generate.py", named).keys() | plugins.JOB_RECORDS
    assert seen <= hashed, sorted(seen - hashed)


@pytest.mark.parametrize("folder", ["estimands", "figures"])
def test_estimands_and_drawings_load_what_their_hashes_hold(folder):
    """Both import all that they need when they are imported: one process for each module."""
    script = {"estimands": "judge_claim.py", "figures": "draw_figures.py"}[folder]
    head = {
        "estimands": "from algoreg.claims import judging, matching; from algoreg.results import records",
        "figures": "from algoreg.claims import matching; from algoreg.reporting import figures; from algoreg.results import records",
    }[folder]
    one_of = {function.__module__: name for name, function in plugins.functions(folder).items()}
    for module, name in one_of.items():
        code = (
            f"{head}\nfrom algoreg import plugins\nfrom algoreg.results.provenance import begin_job\nplugins.load(what)"
        )
        require_same(loaded(code, plugins.reference(folder, name)), script, [module])


def test_a_claims_job_is_told_every_estimand_that_judges_it():
    for entry in CLAIMS:
        wanted = {estimand["name"] for estimand in entries.estimands(entry).values()}
        told = plugins.estimands_of(entry)
        assert told.keys() == wanted
        assert all(plugins.load(reference).__name__ == name for name, reference in told.items())


def test_code_that_is_imported_by_name_is_imported_by_plugins():
    for path in [*plugins.PACKAGE.rglob("*.py"), *(ROOT / "scripts").glob("*.py"), *(ROOT / "tools").glob("*.py")]:
        # The estimators are a door of their own: nothing of a job comes through it. The server loads other people's
        # libraries.
        if path.name in ("plugins.py", "forkserver.py") or path.parent.name == "recover":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node, "id", getattr(node, "attr", None))
            assert name not in ("import_module", "__import__", "find_spec"), f"{path}: import it by algoreg.plugins"
            if isinstance(node, ast.ImportFrom):
                assert "import_module" not in [alias.name for alias in node.names], path


def test_every_tiers_experiments_have_the_modules_they_find():
    for tier in ("smoke", "quick", "standard", "full"):
        for block in plan.measured(tier_settings(tier)).values():
            found = plugins.modules_of_experiment(block["experiment"], plan.experiment_options(block))
            assert plugins.modules("experiments")[block["experiment"]] in found
            if block["experiment"] == "threshold":
                assert plugins.module_name("algorithms", block["options"].get("algorithm", "factored")) in found


def test_a_claim_waits_for_the_curves_that_it_and_its_controls_are_judged_against():
    found = {entry["id"]: entries.published_for(entry) for entry in CLAIMS}
    assert found["fig2-published"] == ["figure_2", "figure_3"]
    assert found["fig5b-published"] == ["figure_5b_gd"]
    assert found["thm11-samples-in-r"] == []
