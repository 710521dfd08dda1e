"""The examples: a replication from another field, and an outside package, run as their READMEs say."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, copy_repository, snakemake

from algoreg.settings.files import SettingsError

OTHER = ROOT / "examples" / "another_field"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}


@pytest.fixture
def replicate():
    spec = importlib.util.spec_from_file_location("replicate", OTHER / "replicate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_another_fields_replication_judges_its_claims_without_torch(tmp_path):
    code = "import runpy, sys; sys.argv = sys.argv[1:]\n"
    code += "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
    code += "except SystemExit as done: print('torch' in sys.modules); raise"
    command = [sys.executable, "-c", code, str(OTHER / "replicate.py"), str(tmp_path)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False"
    results = tmp_path / "results" / "quick"
    claims = json.loads((results / "claims.json").read_text())
    assert len(claims) == 3
    for claim in claims:
        assert (claim["verdict"], claim["control_verdict"]) == ("supported", "refuted"), claim
        assert claim["ci_low"] <= claim["estimate"] <= claim["ci_high"] < claim["margin"]
    page = (results / "page.html").read_text()
    assert 'src="figures/distortion.svg"' in page
    assert all(claim["statement"] in page for claim in claims)
    assert "margin: mean at k = 144 below 0.5" in (results / "figures" / "distortion.svg").read_text()
    # Equal settings are equal files.
    again = subprocess.run([*command[:-1], str(tmp_path / "again")], env=ENVIRONMENT, capture_output=True, text=True)
    assert again.returncode == 0
    for name in ("tables/distortion.csv", "claims.json", "figures/distortion.svg", "page.html"):
        assert (results / name).read_bytes() == (tmp_path / "again" / "results" / "quick" / name).read_bytes(), name


def test_its_distortions_are_those_of_a_plain_loop(replicate):
    points = replicate.draw_points(30, 0)[:4]
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((6, 30))
    found = replicate.distortions(points, points @ directions.T, 5)
    expected = []
    for i in range(4):
        for j in range(i + 1, 4):
            projected = sum((directions[a] @ points[i] - directions[a] @ points[j]) ** 2 for a in range(5)) / 5
            expected.append(projected / sum((points[i] - points[j]) ** 2) - 1)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    # All coordinates are an isometry, in whatever order.
    replicate.SETTINGS["k"] = [30]
    whole = replicate.project("coordinates", points, 0)
    np.testing.assert_allclose(replicate.distortions(points, whole, 30), 0, atol=1e-12)


def test_a_wrong_claim_of_another_field_is_refused_by_its_key(replicate, tmp_path, monkeypatch):
    text = (OTHER / "claims.yaml").read_text(encoding="utf-8").replace("direction: below", "direction: under", 1)
    (tmp_path / "claims.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(replicate, "HERE", tmp_path)
    with pytest.raises(SettingsError, match=r"direction.*under"):
        replicate.load_claims()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Return the folder that the outside package is installed into, without a network, and a copy of its sources."""
    folder = tmp_path_factory.mktemp("plugin")
    sources = shutil.copytree(ROOT / "examples" / "plugin", folder / "sources")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "--target", str(folder / "site"), str(sources)], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_an_outside_package_passes_its_tests_once_it_is_installed(installed):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(installed / "site"), str(ROOT / "src")])}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(installed / "sources" / "tests")]
    done = subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.workflow
@pytest.mark.slow
def test_the_workflow_judges_an_outside_packages_claim(installed, tmp_path):
    folder = copy_repository(tmp_path / "repository")
    found = {"PYTHONPATH": str(installed / "site")}
    arguments = ("chapter_polyak", "--config", "chapters=[polyak]")
    done = snakemake(folder, *arguments, tier="quick", environment=found)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    claim = json.loads((folder / "results" / "quick" / "claims" / "polyak-recovers.json").read_text())
    assert (claim["verdict"], claim["control_verdict"]) == ("supported", "refuted")
    sidecars = [
        path for path in (folder / "results" / "quick" / "provenance").rglob("*.json") if "samples" in str(path)
    ]
    codes = [json.loads(path.read_text()).get("code", {}) for path in sidecars]
    assert any("algoreg_polyak.algorithms.polyak" in code for code in codes), sidecars
