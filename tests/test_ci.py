"""The files for GitHub Actions, Docker and dev containers: they parse, and what they call exists."""

import json
import re

import pytest
import yaml
from conftest import ROOT

pytestmark = pytest.mark.any_kernels

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DEVCONTAINER = ROOT / ".devcontainer" / "devcontainer.json"


def make_targets():
    """Return the Makefile's targets."""
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def called(command):
    """Return the make targets that a shell command calls."""
    return [
        target
        for words in re.findall(r"\bmake ((?:[\w=./:-]+ ?)+)", command)
        for target in words.split()
        if "=" not in target
    ]


def load(path):
    """Return a workflow; YAML reads its key `on` as true."""
    workflow = yaml.safe_load(path.read_text())
    workflow["on"] = workflow.pop(True)
    return workflow


def steps(path):
    """Return the steps of all jobs of a workflow."""
    return [step for job in load(path)["jobs"].values() for step in job["steps"]]


def instructions():
    """Return the Dockerfile's instructions as (name, the rest)."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [tuple(line.split(None, 1)) for line in lines]


def test_what_workflows_call_are_targets():
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "pages.yml", "weekly.yml"]
    targets = make_targets()
    seen = set()
    for path in WORKFLOWS:
        for step in steps(path):
            assert ("run" in step) != ("uses" in step)
            for target in called(step.get("run", "")):
                assert target in targets, f"{path.name}: make {target}"
                seen.add(target)
    assert {
        "lint",
        "lint-ci",
        "licences",
        "advisories",
        "test-all",
        "mutants",
        "test-slurm",
        "test-browser",
        "quick",
        "verify",
        "reproduce",
    } <= seen


def test_the_workflow_says_which_of_its_commands_the_local_checks_leave_out():
    path = ROOT / ".github" / "workflows" / "ci.yml"
    local = set()
    for words in re.findall(r"\bmake (.*)", (ROOT / ".ci" / "run").read_text()):
        # Several targets of one call count as calls of each.
        given = re.sub(r"--jobs \d+|--[\w-]+", "", words).split()
        variables = [word for word in given if "=" in word]
        local |= {" ".join(["make", word, *variables]) for word in given if "=" not in word}
    commands = {line for step in steps(path) for line in step.get("run", "").splitlines() if line.startswith("make ")}
    head = " ".join(line.lstrip("# ") for line in path.read_text().splitlines()[:10])
    said = re.search(r"Its commands run in \.ci/run, but for (.*?)\.( |$)", head)[1]
    assert commands - local == set(re.findall(r"`(make .*?)`", said))


def test_a_target_that_does_not_exist_is_seen():
    assert called("make lint && make tests CORES=2") == ["lint", "tests"]
    assert not {"lint", "tests"} <= make_targets()


def test_workflows_have_limits_and_no_rights():
    for path in WORKFLOWS:
        workflow = load(path)
        assert workflow["permissions"] == {"contents": "read"}
        assert all(job["timeout-minutes"] <= 180 for job in workflow["jobs"].values())
        actions = {step["uses"].split("@")[0] for step in steps(path) if "uses" in step}
        publishing = path.name == "pages.yml"
        kept = {"actions/upload-pages-artifact", "actions/deploy-pages"} if publishing else {"actions/upload-artifact"}
        assert actions == {"actions/checkout", "actions/setup-python", *kept}
        # One job may write, to the site alone, and it runs nothing of ours.
        rights = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
        assert rights == ({"deploy": {"pages": "write", "id-token": "write"}} if publishing else {})
        assert not any("run" in step for name in rights for step in workflow["jobs"][name]["steps"])


def test_workflows_cover_the_pythons_that_are_supported():
    import tomllib

    from packaging.specifiers import SpecifierSet

    supported = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])
    pythons = load(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert [f"3.{minor}" for minor in range(30) if f"3.{minor}" in supported] == pythons
    image = dict(instructions())["FROM"]
    assert re.fullmatch(r"python:(3\.\d+)-slim", image)[1] in supported


@pytest.mark.parametrize(("name", "tier"), [("ci", "quick"), ("weekly", "standard")])
def test_the_report_is_kept_with_what_it_links_to_and_shows(name, tier):
    kept = [
        step["with"]["path"]
        for step in steps(ROOT / ".github" / "workflows" / f"{name}.yml")
        if "with" in step and "path" in step["with"]
    ]
    # Links of its templates: from results/<tier>/report to what lies beside it, and those of ledgers to the documents.
    templates = (ROOT / "workflow" / "report" / "page").glob("*.html")
    links = re.findall(
        r'(?:href|src)="\.\./([^/"#{]+)', "\n".join(path.read_text(encoding="utf-8") for path in templates)
    )
    wanted = {"report", "provenance", *links}
    assert wanted == {"report", "explorer.html", "figures", "provenance", "tables"}
    assert {f"results/{tier}/{one}" for one in wanted} | {"docs/**/*.md"} <= set(kept[0].split())


def test_every_week_the_standard_tier_is_run():
    assert load(ROOT / ".github" / "workflows" / "weekly.yml")["on"]["schedule"]


def test_the_image_is_built_from_files_that_exist_by_targets_that_exist():
    known = {"FROM", "RUN", "ARG", "ENV", "USER", "WORKDIR", "COPY", "CMD"}
    for name, rest in instructions():
        assert name in known, name
        if name == "COPY":
            sources = [word for word in rest.split() if not word.startswith("--")][:-1]
            assert all((ROOT / source).exists() for source in sources), rest
        if name in ("RUN", "CMD"):
            command = " ".join(json.loads(rest)) if name == "CMD" else rest
            assert set(called(command)) <= make_targets() | {"install"}, rest
    assert ".venv" in (ROOT / ".dockerignore").read_text().split()


def test_the_dev_container_calls_targets_that_exist():
    text = "\n".join(line for line in DEVCONTAINER.read_text().splitlines() if not line.startswith("//"))
    content = json.loads(text)
    assert called(content["postCreateCommand"]) == ["setup"]
    assert "setup" in make_targets()
    assert content["image"].startswith("python:3.")
