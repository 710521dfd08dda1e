"""What a job finds by name is in the digests of its code, and nothing there is never loaded."""

import ast
from typing import get_args

import pytest
from conftest import ROOT, recorded_descents, registered_claims, tier_settings
from traced import loaded

from algoreg import digests, registry, sources
from algoreg.spec import options as declared
from algoreg.spec import plan

pytestmark = pytest.mark.any_kernels

SMOKE = tier_settings("smoke")
QUICK = tier_settings("quick")
CLAIMS = registered_claims()

# Of each module that a job's digests hold and that it does not load on a CPU and at tiny sizes: where it would be
# loaded.
NOT_REACHED = {"algoreg.store.handover": "a script's first act, before what is looked at here"}

MEASURE = """
from algoreg.engine import study
from algoreg.engine.checkpoint import Checkpoint, job_fingerprint
from algoreg.numerics import devices
from algoreg.store import generated, records
from algoreg.store.provenance import begin_job
name, options, seed = what
device, dtype = devices.configure("cpu", "float64", 1)
rows = study.measure(name, options, study.Context(seed, [0], device, dtype))
assert rows
"""
GENERATE = """
import numpy as np
from algoreg import registry
from algoreg.numerics import devices
from algoreg.store import records
from algoreg.store.provenance import begin_job
name, options, seed = what
devices.configure("cpu", "float64", 1)
assert registry.study(name).generate(options, seed, 0)
"""


def require_same(seen, script, named):
    """Compare what a job loaded with what its rule's digests hold."""
    digested = digests.closure(ROOT / "scripts" / script, tuple(named))
    assert seen <= digested, f"loaded without a digest: {sorted(seen - digested)}"
    assert digested - seen <= set(NOT_REACHED), f"digested, never loaded: {sorted(digested - seen)}"


def tiny_studies():
    """Return ``{case: (module, options)}``: every study once, and once for each module that an option names."""
    blocks = {block["study"]: block for tier in (QUICK, SMOKE) for block in plan.measured(tier).values()}
    found = {}
    for name in sources.modules("studies"):
        options = plan.study_options(blocks[name])
        found[name] = (name, options)
        for option, folder in sources.module_literal("studies", name, "FINDS", {}).items():
            allowed = get_args(declared.of_study(name).model_fields[option].annotation)
            assert set(allowed) <= set(sources.modules(folder))
            found.update({f"{name}-{one}": (name, {**options, option: one}) for one in allowed})
    return found


@pytest.mark.parametrize("case", tiny_studies())
def test_a_study_loads_what_its_digests_hold(case):
    name, options = tiny_studies()[case]
    require_same(
        loaded(MEASURE, [name, options, 1]), "measure.py", registry.modules_of_study(name, options)
    )  # fmt: skip


DESCENTS = [
    ("factored", "gaussian", {"alpha": 0.1}),
    ("projected", "gaussian", {"start": "zero"}),
    ("stochastic", "gaussian", {"alpha": 0.1, "batch_size": 1}),
    ("factored", "gram", {"alpha": 0.1}),
    ("factored", "wishart", {"alpha": 0.1}),
    ("factored", "streamed", {"alpha": 0.1}),
    ("factored", "rank_one", {"alpha": 0.1}),
    ("factored", "rank_one_pairs", {"alpha": 0.1}),
]


@pytest.mark.parametrize(("algorithm", "ensemble", "start"), DESCENTS)
def test_recorded_descents_load_what_their_digests_hold(algorithm, ensemble, start):
    run = {"start": "identity", **start, "step": 0.01, "iterations": 2}
    block = recorded_descents(ensemble=ensemble, d=4, m=12, algorithm=algorithm, runs=[run])
    options = plan.study_options(block)
    named = registry.modules_of_study("descents", options)
    require_same(loaded(MEASURE, ["descents", options, 1]), "measure.py", named)


def test_generating_data_loads_what_its_digests_hold():
    options = plan.generated_from("descents", plan.study_options(recorded_descents()))
    named = registry.modules_of_study("descents", options)
    assert named == ["algoreg.studies.descents", "algoreg.ensembles.gaussian"]
    seen, digested = (
        loaded(GENERATE, ["descents", options, 1]),
        digests.closure(ROOT / "scripts/generate.py", tuple(named)),
    )
    assert seen <= digested, sorted(seen - digested)


@pytest.mark.parametrize("folder", ["estimands", "figures"])
def test_estimands_and_drawings_load_what_their_digests_hold(folder):
    """Both import all that they need when they are imported: one process for each module."""
    script, find = {"estimands": ("judge_claim.py", "estimand"), "figures": ("draw_figure.py", "drawing")}[folder]
    head = {
        "estimands": "from algoreg.judge import claims, published; from algoreg.store import records",
        "figures": "from algoreg.tell import figures; from algoreg.store import records",
    }[folder]
    one_of = {found.module: name for name, found in sources.decorated(folder, find).items()}
    for module, name in one_of.items():
        code = f"{head}\nfrom algoreg import registry\nfrom algoreg.store.provenance import begin_job\nregistry.{find}(what)"
        require_same(loaded(code, name), script, [module])


def test_a_claims_digests_hold_every_estimand_that_judges_it():
    known = sources.decorated("estimands", "estimand")
    for entry in CLAIMS:
        parts = [entry, *(entry[part] for part in ("control", "positive_control") if part in entry)]
        wanted = {known[part["estimand"]["name"]].module for part in parts if "name" in part["estimand"]}
        assert set(registry.modules_of_claim(entry)) == wanted


def test_the_registry_is_the_only_look_up_by_name():
    for path in [*sources.PACKAGE.rglob("*.py"), *(ROOT / "scripts").glob("*.py"), *(ROOT / "tools").glob("*.py")]:
        # Where installed packages lie is asked without loading them. The estimators are a door of their own: nothing of
        # a job comes through it. The server loads other people's libraries.
        if path.name in ("registry.py", "own.py", "forkserver.py") or path.parent.name == "recover":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node, "id", getattr(node, "attr", None))
            assert name not in ("import_module", "__import__", "find_spec"), f"{path}: look it up in algoreg.registry"
            if isinstance(node, ast.ImportFrom):
                assert "import_module" not in [alias.name for alias in node.names], path


def test_every_tiers_studies_have_the_modules_they_find():
    for tier in ("smoke", "quick", "standard", "full"):
        for block in plan.measured(tier_settings(tier)).values():
            found = registry.modules_of_study(block["study"], plan.study_options(block))
            assert sources.modules("studies")[block["study"]] in found
            if block["study"] == "threshold":
                assert f"algoreg.algorithms.{block['options'].get('algorithm', 'factored')}" in found


def test_a_claim_waits_for_the_curves_that_it_and_its_controls_are_judged_against():
    found = {entry["id"]: plan.published_for(entry) for entry in CLAIMS}
    assert found["fig2-published"] == ["figure_2", "figure_3"]
    assert found["fig5b-published"] == ["figure_5b_gd"]
    assert found["thm11-samples-in-r"] == []
