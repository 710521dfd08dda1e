"""A tier as a crate: made, valid by its community's validator, and fetched again after its checksum."""

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import fetch_results

pytestmark = pytest.mark.any_kernels

PYTHON = ROOT / ".venv" / "crate" / "bin" / "python"
needs_library = pytest.mark.skipif(not PYTHON.exists(), reason="make crate installs the library and the validator")
RESULTS = ("claims.json", "controls.json", "tables/one.csv", "figures/one.svg", "report/index.html", "report/one.html")


@pytest.fixture
def repository(tmp_path):
    """Return a repository of few files with a finished tier."""
    root = tmp_path / "repository"
    for name in (
        "Snakefile",
        "README.md",
        "LICENSE",
        "codemeta.json",
        "config/quick.yaml",
        "workflow/rules/claims.smk",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)
    for name in ("make_crate.py", "check_crate.py"):
        (root / "tools").mkdir(exist_ok=True)
        shutil.copyfile(ROOT / "tools" / name, root / "tools" / name)
    for name in RESULTS:
        path = root / "results" / "quick" / name
        sidecar = root / "results" / "quick" / "provenance" / f"{name}.json"
        for one in (path, sidecar):
            one.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        said = {"sha256": hashlib.sha256(name.encode()).hexdigest(), "written": "2026-01-02T03:04:05Z"}
        sidecar.write_text(json.dumps({**said, "seconds": 5.0, "commit": "abc"}))
    (root / "results" / "quick" / "logs").mkdir()
    (root / "results" / "quick" / "logs" / "one.log").write_text("left out")
    return root


def run(root, tool, argument):
    """Run one of the two tools as make does."""
    return subprocess.run([PYTHON, f"tools/{tool}.py", argument], cwd=root, capture_output=True, text=True)


@needs_library
def test_a_crate_is_valid_and_says_what_made_what(repository):
    done = run(repository, "make_crate", "quick")
    assert done.returncode == 0, done.stderr[-2000:]
    path = repository / "results" / "quick" / "crate.zip"
    assert hashlib.sha256(path.read_bytes()).hexdigest() in done.stdout
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        graph = {one["@id"]: one for one in json.loads(archive.read("ro-crate-metadata.json"))["@graph"]}
    assert {f"results/quick/{name}" for name in RESULTS} <= names
    assert not any("logs" in name for name in names)
    action = graph["#run-quick"]
    assert action["instrument"] == {"@id": "Snakefile"}
    assert action["object"] == {"@id": "config/quick.yaml"}
    assert {one["@id"] for one in action["result"]} == {f"results/quick/{name}" for name in RESULTS}
    assert action["startTime"] < action["endTime"]
    assert graph["results/quick/claims.json"]["sha256"] == hashlib.sha256(b"claims.json").hexdigest()
    done = run(repository, "check_crate", str(path))
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "workflow-run-crate-0.5: valid" in done.stdout


@needs_library
def test_what_a_killed_job_was_writing_is_not_packed(repository):
    for name in ("figures/.one.svg.12.part", "crate.part.zip"):
        (repository / "results" / "quick" / name).write_text("half")
    done = run(repository, "make_crate", "quick")
    assert done.returncode == 0, done.stderr[-2000:]
    with zipfile.ZipFile(repository / "results" / "quick" / "crate.zip") as archive:
        assert not [name for name in archive.namelist() if "part" in name]
    assert not (repository / "results" / "quick" / "crate.part.zip").exists()


@needs_library
@pytest.mark.parametrize("page", ["index.html", "one.html"])
def test_a_page_of_other_verdicts_is_not_packed(repository, page):
    path = repository / "results" / "quick" / "provenance" / "report" / f"{page}.json"
    said = json.loads(path.read_text())
    for digest, status in ((hashlib.sha256(b"claims.json").hexdigest(), 0), ("0" * 64, 1)):
        inputs = {"results/quick/claims.json": digest, "references.bib": "1" * 64}
        path.write_text(json.dumps({**said, "inputs": inputs}))
        done = run(repository, "make_crate", "quick")
        assert done.returncode == status, done.stderr[-2000:]
    assert f"report/{page}: it was made from another results/quick/claims.json" in done.stderr


@needs_library
def test_the_validator_can_say_no_and_a_damaged_result_is_not_packed(repository):
    assert run(repository, "make_crate", "quick").returncode == 0
    folder = repository / "unpacked"
    with zipfile.ZipFile(repository / "results" / "quick" / "crate.zip") as archive:
        archive.extractall(folder)
    metadata = json.loads((folder / "ro-crate-metadata.json").read_text())
    for one in metadata["@graph"]:
        one.pop("instrument", None)
    (folder / "ro-crate-metadata.json").write_text(json.dumps(metadata))
    done = run(repository, "check_crate", str(folder))
    assert done.returncode == 1
    assert "not valid" in done.stdout
    (repository / "results" / "quick" / "tables" / "one.csv").write_text("other")
    done = run(repository, "make_crate", "quick")
    assert done.returncode != 0
    assert "it differs from its sidecar" in done.stderr
    assert "config/smoke.yaml" in run(repository, "make_crate", "smoke").stderr
    shutil.copyfile(ROOT / "config" / "smoke.yaml", repository / "config" / "smoke.yaml")
    assert "no finished tier" in run(repository, "make_crate", "smoke").stderr


def archive(path, *names):
    """Write a zip with these files, and return what the environment says of it."""
    with zipfile.ZipFile(path, "w") as written:
        for name in names:
            written.writestr(name, name)
    return {"URL": path.as_uri(), "SHA256": hashlib.sha256(path.read_bytes()).hexdigest()}


def test_results_are_fetched_after_their_checksum_and_never_over_others(tmp_path, capsys):
    given = archive(tmp_path / "crate.zip", "Snakefile", "results/quick/claims.json", "results/quick/tables/a.csv")
    with pytest.raises(SystemExit, match=r"its SHA-256 is .* nothing was unpacked"):
        fetch_results.fetch("quick", tmp_path, {**given, "SHA256": "0" * 64})
    assert not (tmp_path / "results").exists()
    fetch_results.fetch("quick", tmp_path, given)
    assert "unpacked 2 files" in capsys.readouterr().out
    assert not (tmp_path / "Snakefile").exists()
    with pytest.raises(SystemExit, match="is there already"):
        fetch_results.fetch("quick", tmp_path, given)


def test_fetched_results_are_there_whole_and_of_one_time_or_not_at_all(tmp_path, monkeypatch):
    given = archive(tmp_path / "crate.zip", *(f"results/quick/{name}" for name in ("a", "b", "claims.json", "c/d.csv")))
    extract, done = zipfile.ZipFile.extract, []

    def full(self, member, *place):
        done.append(member)
        if len(done) == 3:
            raise OSError(28, "No space left on device")
        return extract(self, member, *place)

    with monkeypatch.context() as broken:
        broken.setattr(zipfile.ZipFile, "extract", full)
        with pytest.raises(SystemExit, match="No space left on device; nothing was unpacked"):
            fetch_results.fetch("quick", tmp_path, given)
    assert not list((tmp_path / "results").iterdir())
    fetch_results.fetch("quick", tmp_path, given)
    files = [path for path in (tmp_path / "results" / "quick").rglob("*") if path.is_file()]
    assert len(files) == 4
    assert len({path.stat().st_mtime_ns for path in files}) == 1
    nowhere = {**given, "URL": (tmp_path / "nowhere.zip").as_uri()}
    shutil.rmtree(tmp_path / "results" / "quick")
    with pytest.raises(SystemExit, match="nothing was unpacked"):
        fetch_results.fetch("quick", tmp_path, nowhere)


def test_what_is_needed_is_said_and_what_is_no_crate_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="no published results are known"):
        fetch_results.fetch("quick", tmp_path, {})
    with pytest.raises(SystemExit, match="allowed is https"):
        fetch_results.fetch("quick", tmp_path, {"URL": "ftp://x", "SHA256": "0" * 64})
    given = archive(tmp_path / "other.zip", "results/smoke/claims.json")
    with pytest.raises(SystemExit, match="no crate of tier quick"):
        fetch_results.fetch("quick", tmp_path, given)
    given = archive(tmp_path / "bad.zip", "results/quick/claims.json", "../outside")
    with pytest.raises(SystemExit, match="leads out of the folder"):
        fetch_results.fetch("quick", tmp_path, given)
    assert not (tmp_path / "results").exists()
    (tmp_path / "reference").mkdir()
    given = archive(tmp_path / "crate.zip", "results/quick/claims.json")
    (tmp_path / "reference" / "releases.json").write_text(
        json.dumps({"quick": {"url": given["URL"], "sha256": given["SHA256"]}})
    )
    fetch_results.fetch("quick", tmp_path, {})
    assert (tmp_path / "results" / "quick" / "claims.json").exists()
