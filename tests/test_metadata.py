"""What the project says of itself to people, archives and indexes is the same everywhere."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from packaging.specifiers import SpecifierSet

from algoreg.reporting import badges

pytestmark = pytest.mark.any_kernels

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
CODEMETA = json.loads((ROOT / "codemeta.json").read_text(encoding="utf-8"))
ZENODO = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))


def releases():
    """Return the changelog's headings."""
    return re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)


def test_one_version_everywhere():
    first, latest, *older = releases()
    assert first == "Unreleased"
    assert {PROJECT["version"], CITATION["version"], CODEMETA["version"], ZENODO["version"]} == {latest}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", release) for release in (latest, *older))
    numbers = [tuple(map(int, release.split("."))) for release in (latest, *older)]
    assert numbers == sorted(numbers, reverse=True)


def test_one_licence_one_title_one_author_one_paper():
    assert PROJECT["license"] == CITATION["license"] == ZENODO["license"] == CODEMETA["license"].rsplit("/", 1)[1]
    assert PROJECT["license"] in (ROOT / "LICENSE").read_text()[:20]
    assert CITATION["title"] == ZENODO["title"]
    assert CITATION["title"].startswith(f"{PROJECT['name']}: ")
    assert PROJECT["description"] == CODEMETA["description"] == ZENODO["description"]
    assert PROJECT["name"] == CODEMETA["name"]
    authors = [one["name"] for one in CITATION["authors"]]
    assert authors == [one["name"] for one in CODEMETA["author"]] == [one["name"] for one in ZENODO["creators"]]
    assert CITATION["keywords"] == CODEMETA["keywords"] == ZENODO["keywords"]
    assert PROJECT["requires-python"] in CODEMETA["runtimePlatform"]
    (paper,), (published,), (related,) = (
        CITATION["references"],
        CODEMETA["referencePublication"],
        ZENODO["related_identifiers"],
    )
    number = paper["notes"].removeprefix("arXiv:")
    assert published["name"] == paper["title"]
    assert published["@id"].endswith(number)
    assert related["identifier"] == f"arXiv:{number}"
    assert number in (ROOT / "references.bib").read_text(encoding="utf-8")


def test_badges_say_what_is_true():
    claims = [{"verdict": "supported"}] * 3 + [{"verdict": "refuted"}, {"verdict": "not-judged"}]
    drawn = badges.generated(ROOT, claims)
    said = {Path(name).stem: re.search("<title>(.*?)</title>", text)[1] for name, text in drawn.items()}
    assert said["version"] == f"version: {PROJECT['version']}"
    assert said["licence"] == f"licence: {PROJECT['license']}"
    assert said["claims"].endswith("3 supported, 1 refuted")
    low, high = said["python"].removeprefix("python: ").split(" to ")
    supported = SpecifierSet(PROJECT["requires-python"])
    around = (int(low[2:]) - 1, int(low[2:]), int(high[2:]), int(high[2:]) + 1)
    assert [f"3.{minor}" in supported for minor in around] == [False, True, True, False]
    shown = set(re.findall(r"docs/badges/\w+\.svg", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert shown == set(drawn)
    assert "<b>" not in badges.drawn("<b>", "x")


def test_the_catalogue_finds_what_it_looks_for():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    flags = usage["mandatory-flags"]["flags"].split()
    assert flags[0] == "--configfile"
    assert (ROOT / flags[1]).exists()
    assert 'include: "../Snakefile"' in (ROOT / "workflow" / "Snakefile").read_text()


def test_the_settings_readme_names_every_tier_and_every_key():
    text = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    keys = json.loads((ROOT / "workflow" / "schemas" / "tier.schema.json").read_text())["properties"]
    written = set(re.findall(r"^\| `(\w+)` \|", text, re.M))
    used = {key for path in (ROOT / "config").glob("*.yaml") for key in yaml.safe_load(path.read_text())}
    assert used <= written <= set(keys)
    assert set(re.findall(r"^\| `([a-z]+\.yaml)` \|", text, re.M)) == {p.name for p in (ROOT / "config").glob("*.yaml")}
