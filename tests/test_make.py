"""What make is given: a wrong value is refused with what is allowed, a right one arrives; .venv is made once."""

import json
import os
import re
import shutil
import subprocess

import pytest
from conftest import ROOT, lacking

pytestmark = pytest.mark.any_kernels

VARIABLES = ("TIER", "ID", "NAME", "METHODS", "CHAPTER_PATH", "ALGOREG_CHAPTER_PATH", "CORES", "TORCH", "MAKEFLAGS")
LOCKS = ("requirements.lock", "requirements-torch-cpu.txt", "requirements-torch.txt", "pyproject.toml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the Makefile, the settings, and programs that do nothing but say how they were called."""
    folder = tmp_path_factory.mktemp("make")
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copytree(ROOT / "config", folder / "config")
    (folder / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "run.py", folder / "tools")
    shutil.copytree(ROOT / "reference", folder / "reference")
    for path in (ROOT / "src").glob("algoreg/chapters/*/c*.yaml"):
        (folder / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path.relative_to(ROOT))
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("python", "pip", "snakemake", "pytest"):
        (binaries / name).write_text('#!/bin/sh\nprintf "<%s>" "${0##*/}" "$@"; echo\n')
        (binaries / name).chmod(0o755)
    for name in LOCKS:
        (folder / name).touch()
    (folder / ".venv" / "ready").touch()
    (folder / ".venv" / "browser").mkdir()
    (folder / ".venv" / "browser" / "ready").touch()
    return folder


def make(folder, *arguments, **environment):
    """Run make as a user does who sets none of its variables elsewhere."""
    inherited = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, env={**inherited, **environment}, capture_output=True, text=True)


def snapshot(folder):
    """Return every path of a folder."""
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("target", "key", "allowed"),
    [
        ("reproduce", "TIER", "allowed are full quick smoke standard, or the path"),
        ("clean", "TIER", "allowed are full quick smoke standard, or the path"),
        ("claim", "ID", "no claim has this id; "),
        ("claim", "CORES", "allowed is a whole number"),
        ("chapter", "NAME", "no chapter has this name; "),
        ("chapter", "CHAPTER_PATH", "allowed are folders that exist, separated by :"),
        ("replicate", "SEED", "allowed are whole numbers other than the tier's seed"),
    ],
)
def test_a_wrong_value_is_refused_before_anything_runs_and_reaches_no_shell(folder, tmp_path, target, key, allowed):
    before = snapshot(folder)
    for text in ("docs", f"x; touch {tmp_path}/hit", f"$(shell touch {tmp_path}/hit)"):
        given = {"ID": "fig1-published", "NAME": "theorem", key: text}
        done = make(folder, target, *[f"{name}={value}" for name, value in given.items()])
        assert done.returncode == 2, (text, done.stdout, done.stderr)
        assert f"{key} = {text}: {allowed}" in done.stderr, done.stderr
        assert "snakemake" not in done.stdout
    assert snapshot(folder) == before
    assert not list(tmp_path.iterdir())


def test_arguments_arrive_word_by_word(folder):
    done = make(folder, "compare", "METHODS=a b,c")
    assert "<python><tools/compare.py><quick><a b,c>" in done.stdout, done.stderr
    assert "<--d><100><;>" in make(folder, "bench", "ARGS=--d 100 ;").stdout


@pytest.mark.parametrize(
    ("target", "name"),
    [("claim", "ID"), ("chapter", "NAME"), ("compare", "METHODS"), ("recover", "DATA"), ("replicate", "SEED")],
)
def test_what_a_target_needs_is_asked_for(folder, target, name):
    # Other programs may have it in the environment.
    done = make(folder, target, **{name: "DESKTOP-1"})
    assert (done.returncode, done.stdout) == (2, "")
    assert f"make {target} {name}=…: give " in done.stderr


def test_what_is_allowed_arrives(folder, tmp_path):
    def called(*arguments, **environment):
        done = make(folder, *arguments, **environment)
        assert done.returncode == 0, done.stderr
        (line,) = [line for line in done.stdout.splitlines() if line.startswith("<snakemake>")]
        head = "<snakemake><--logger><algoreg><--cores>"
        assert line.startswith(head)
        return line.removeprefix(head)

    assert called("reproduce") == "<2><--configfile><config/standard.yaml>"
    assert called("quick", "CORES=3") == "<3><--configfile><config/quick.yaml>"
    assert called("smoke", TIER="x; y", NAME="DESKTOP-1") == "<2><--configfile><config/smoke.yaml>"
    claim = called("claim", "ID=lemA1-as-printed", "TIER=quick", "ARGS=-n --config 'a=b c'")
    assert claim == "<2><claim_lemA1_as_printed><-n><--config><a=b c><--configfile><config/quick.yaml>"
    chapter = called("chapter", "NAME=theorem", "TIER=smoke")
    assert chapter == "<2><chapter_theorem><--configfile><config/smoke.yaml>"
    place = tmp_path / "my chapters"
    (place / "mine").mkdir(parents=True)
    (place / "mine" / "chapter.yaml").touch()
    (place / "mine" / "claims.yaml").write_text("- id: my-claim\n")
    for given in ({"CHAPTER_PATH": str(place)}, {"ALGOREG_CHAPTER_PATH": f"{tmp_path}:{place}"}):
        assert called("chapter", "NAME=mine", "TIER=smoke", **given).startswith("<2><chapter_mine>")
        assert called("claim", "ID=my-claim", **given).startswith("<2><claim_my_claim>")
    own = tmp_path / "my tier's.yaml"
    own.write_text("tier: mine\n")
    assert called("reproduce", f"TIER={own}") == f"<2><--configfile><{own}>"
    done = make(folder, "replicate", "SEED=11 12")
    assert "<python><tools/replicate.py><11><12><--tier><quick><--cores><2>" in done.stdout, done.stderr


def test_the_verdicts_are_shown_after_every_run_with_its_exit_status(folder, tmp_path):
    program = folder / ".venv" / "bin" / "snakemake"
    before = program.read_text()
    program.write_text("#!/bin/sh\nexit 3\n")
    done = make(folder, "claim", "ID=fig1-published", "TIER=full")
    assert "<python><tools/show_verdicts.py><config/full.yaml><fig1-published><--status><3>" in done.stdout
    assert (done.returncode, "Error 3" in done.stderr) == (2, True)
    program.write_text(before)
    done = make(folder, "chapter", "NAME=theorem", "TIER=smoke")
    assert "<tools/show_verdicts.py><config/smoke.yaml><--chapter><theorem><--status><0>" in done.stdout


def test_only_what_has_a_reference_is_verified(folder, tmp_path):
    done = make(folder, "verify", "TIER=smoke", "NAME=theorem")
    assert "<verify><--config><chapters=[theorem]><--configfile><config/smoke.yaml>" in done.stdout
    own = tmp_path / "own.yaml"
    own.write_text("tier: own\n")
    for given, said in (
        ((f"TIER={own}",), f"TIER = {own}: no reference for tier own"),
        (("TIER=full", "NAME=theorem"), "NAME = theorem: this chapter has no reference for tier full"),
        (("TIER=smoke", "NAME=DESKTOP-1"), "NAME = DESKTOP-1: no chapter has this name; "),
    ):
        done = make(folder, "verify", *given)
        assert (done.returncode, "snakemake>" in done.stdout) == (2, False)
        assert said in done.stderr
    assert "chapters=[practice]" in make(folder, "verify", "TIER=full", "NAME=practice").stdout
    # A chapter of one's own has its reference beside it.
    own = tmp_path / "mine"
    own.mkdir()
    (own / "chapter.yaml").touch()
    words = ("verify", "TIER=smoke", "NAME=mine", f"CHAPTER_PATH={tmp_path}")
    assert "no reference for tier smoke" in make(folder, *words).stderr
    (own / "reference" / "smoke").mkdir(parents=True)
    (own / "reference" / "smoke" / "claims.json").touch()
    assert "chapters=[mine]" in make(folder, *words).stdout


def test_clean_deletes_one_tier_and_names_it(folder):
    for tier in ("smoke", "quick"):
        (folder / "results" / tier / "tables").mkdir(parents=True)
    done = make(folder, "clean", "TIER=smoke")
    assert done.returncode == 0
    assert "deleting results/smoke" in done.stdout
    assert [path.name for path in (folder / "results").iterdir()] == ["quick"]
    shutil.rmtree(folder / "results")


def test_a_tier_file_names_the_results_to_delete(folder, tmp_path):
    own = tmp_path / "my.yaml"
    own.write_text("# of mine\ntier: mine\nlike: quick\n")
    (folder / "results" / "mine").mkdir(parents=True)
    assert make(folder, "clean", f"TIER={own}").stdout == "deleting results/mine\n"
    assert not (folder / "results" / "mine").exists()
    assert make(folder, "clean", f"TIER={own}").stdout == "results/mine does not exist: nothing is deleted\n"
    assert "make clean TIER=…: give the tier" in make(folder, "clean").stderr
    shutil.rmtree(folder / "results")


def test_what_is_misspelt_is_refused_with_the_nearest_name_before_anything_is_installed(folder, tmp_path):
    ready = folder / ".venv" / "ready"
    ready.unlink()
    claim = ("claim", "ID=fig1-initialisation")
    for given, said in (
        ((*claim, "TEIR=quick"), "TEIR = quick: make has no variable TEIR; nearest: TIER"),
        ((*claim, "ARGS=-n TEIR=a", "tier=quick"), "tier = quick: make has no variable tier; nearest: TIER"),
        ((*claim, "TIER=smoke"), "does not judge fig1-initialisation; TIER=quick or TIER=standard or TIER=full does"),
        (("claim", "ID=fig1-published", "TIER=quick"), "TIER=standard or TIER=full does"),
        (("claim", "ID=fig1-initialization"), "no claim has this id; nearest: fig1-initialisation, fig1-published"),
        (("chapter", "NAME=teorem"), "no chapter has this name; nearest: theorem"),
        (("clam",), "make clam: no such target; nearest: claim, clean"),
        (("tests",), "make tests: no such target; nearest: test"),
        ((f'x"; touch {tmp_path}/hit; "$(touch {tmp_path}/hit)',), "no such target"),
    ):
        done = make(folder, *given)
        assert (done.returncode, done.stdout) == (2, ""), given
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == 2
    assert not list(tmp_path.iterdir())
    ready.touch()


def test_a_run_begins_with_what_was_asked_and_about_how_long_it_takes(folder):
    program = folder / ".venv" / "bin" / "snakemake"
    before = program.read_text()
    program.write_text('#!/bin/sh\necho "$ALGOREG_ASKED; $ALGOREG_TAKES"\n')
    costs = {"chapters": {"simulations": 600, "theorem": 70, "large": 1130}, "claims": {"fig1-initialisation": 42.5}}
    known = (folder / "reference" / "cost.json").read_text()
    (folder / "reference" / "cost.json").write_text(json.dumps({"quick": costs, "full": costs}))
    for given, asked, takes in (
        (("claim", "ID=fig1-initialisation"), "claim fig1-initialisation in tier quick", "about 40 s of processor"),
        (("claim", "ID=fig3-keeps-improving"), "claim fig3-keeps-improving in tier quick", "at most about 10 minutes"),
        (("chapter", "NAME=theorem"), "chapter theorem in tier quick", "about 70 s of processor time, from nothing"),
        (("reproduce",), "tier quick", "about 30 minutes of processor time, from nothing"),
        (("full", "TIER=full"), "tier full", "hours; make estimate TIER=full"),
        (("smoke", "TIER=smoke"), "tier smoke", ""),
    ):
        lines = make(folder, *given, *([] if "TIER" in given[-1] else ["TIER=quick"])).stdout.splitlines()
        assert lines[0].startswith(f"Starting {asked}: Snakemake plans the jobs")
        assert lines[1].startswith(f"{asked}; {takes}")
    (folder / "reference" / "cost.json").write_text(known)
    program.write_text(before)


def test_what_make_was_asked_to_test_is_not_skipped(folder, monkeypatch):
    monkeypatch.delenv("ALGOREG_TEST_BROWSER", raising=False)
    with pytest.raises(pytest.skip.Exception):
        lacking("ALGOREG_TEST_BROWSER", "no Chromium here")
    program = folder / ".venv" / "bin" / "pytest"
    before = program.read_text()
    program.write_text("#!/bin/sh\nenv\n")
    for target, variable in (("test-browser", "ALGOREG_TEST_BROWSER"), ("test-slurm", "ALGOREG_TEST_SLURM")):
        assert f"{variable}=1\n" in make(folder, target, "--assume-old=slurm").stdout
    program.write_text(before)
    monkeypatch.setenv("ALGOREG_TEST_BROWSER", "1")
    with pytest.raises(pytest.fail.Exception):
        lacking("ALGOREG_TEST_BROWSER", "no Chromium here")


def test_a_program_that_cannot_be_installed_fails(folder, tmp_path):
    for name in ("make", "bash", "grep"):
        (tmp_path / name).symlink_to(shutil.which(name))
    for name, line in (("id", "echo 0"), ("apt-get", "exit 100")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / name).chmod(0o755)
    done = make(folder, "chromium", PATH=str(tmp_path))
    assert done.returncode == 2
    assert "chromium is not here, and chromium could not be installed" in done.stderr


@pytest.fixture
def environment(folder, tmp_path):
    """Return a folder of locks without an environment,
    and a Python that makes one of programs that say how they were called.
    """
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in (*LOCKS, "requirements-tools.txt", "requirements-site.txt", "requirements-crate.txt"):
        (tmp_path / name).write_text(name)
    program = tmp_path / "python"
    program.write_text(
        f"""#!/bin/sh
[ "$1 $2" != "-P -m" ] || {{ mkdir -p .venv/bin; cp {folder}/.venv/bin/* .venv/bin; echo "made"; }}
"""
    )
    program.chmod(0o755)
    return tmp_path


def test_an_environment_is_made_once_and_again_after_its_lock(environment):
    def setup(*arguments):
        done = make(environment, "setup", f"PYTHON={environment}/python", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = setup("TORCH=requirements-torch.txt")
    assert "made\nmaking .venv, 2 of 3: torch" in re.sub("<.*>\n", "", said)
    assert "<--require-hashes><-r><requirements-torch.txt>" in said
    assert "made" not in setup()
    (environment / "requirements.lock").touch()
    # The torch that was chosen stays.
    said = setup()
    assert "<-r><requirements-torch.txt>" in said
    assert "requirements-torch-cpu.txt" not in said


def test_a_linked_environment_is_refused_before_anything_is_deleted(environment):
    for name in (".", "tools", "site"):
        (environment / "elsewhere" / name).mkdir(parents=True, exist_ok=True)
        (environment / "elsewhere" / name / "ready").touch()
    os.utime(environment / "elsewhere" / "ready", (0, 0))
    (environment / ".venv").symlink_to("elsewhere")
    before = snapshot(environment)
    for target in ("setup", "tools", ".venv/site/ready", ".venv/crate/ready"):
        done = make(environment, target, f"PYTHON={environment}/python")
        assert done.returncode == 2
        assert ".venv is a symbolic link" in done.stderr
        assert snapshot(environment) == before


def test_what_snakemake_cannot_start_without_is_asked_for_before_an_environment_is_made(environment, tmp_path):
    (tmp_path / "bin").mkdir()
    for name in ("make", "bash", "cat"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    done = make(environment, "setup", f"PYTHON={environment}/python", PATH=str(tmp_path / "bin"))
    assert done.returncode == 2
    assert "which not found, and Snakemake does not start without it" in done.stdout
    assert not (environment / ".venv").exists()
    done = make(environment, "quick", "PYTHON=python-of-none")
    assert "python-of-none not found: set PYTHON=/path/to/python3.11" in done.stderr


def test_verify_kernels_takes_the_last_commit(folder):
    program = folder / ".venv" / "bin" / "python"
    before = program.read_text()
    program.write_text("#!/bin/sh\nls; mkdir -p results/smoke; echo passed >results/smoke/verify.txt\n")
    (folder / "later").touch()
    for words in (
        ["init", "-q"],
        ["add", "Makefile"],
        ["-c", "user.name=a", "-c", "user.email=a", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    done = make(folder, "verify-kernels", "TIER=smoke")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["Makefile", "passed"]
    program.write_text(before)
    (folder / "later").unlink()
    shutil.rmtree(folder / ".git")
    shutil.rmtree(folder / ".snakemake")
