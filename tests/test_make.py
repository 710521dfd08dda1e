"""What make is given reaches no shell as text: attacks create no file, and the message says what is allowed."""

import os
import re
import shutil
import subprocess

import pytest
from conftest import ROOT, lacking

from algoreg import plugins

pytestmark = pytest.mark.any_kernels

VARIABLES = ("TIER", "ID", "NAME", "METHODS", "CHAPTER_PATH", "ALGOREG_CHAPTER_PATH", "CORES", "TORCH", "MAKEFLAGS")
TARGETS = (
    "reproduce",
    "claim",
    "chapter",
    "verify",
    "reference",
    "spread",
    "estimate",
    "test-browser",
    "clean",
    "compare",
)
LOCKS = ("requirements.lock", "requirements-torch-cpu.txt", "requirements-torch.txt", "pyproject.toml")
ATTACKS = (
    "x; touch {}",
    "`touch {}`",
    'x"; touch {}; echo "',
    "x'; touch {}; echo '",
    "$(touch {})",
    "$$(touch {})",
    "$(shell touch {})",
    "$(touch {}) in smoke) ;; esac #",
    'x" in x) touch {};; esac #',
    "smoke; touch {}",
    "smoke\ntouch {}",
    "../../x",
    "docs",
    "claims",
    ".*",
    "-h",
    "",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with the Makefile, the settings, and programs that do nothing but say how they were called."""
    folder = tmp_path_factory.mktemp("make")
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copytree(ROOT / "config", folder / "config")
    (folder / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "options.sh", folder / "tools")
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
    return folder


def make(folder, *arguments, **environment):
    """Run make as a user does who sets none of its variables elsewhere."""
    inherited = {key: value for key, value in os.environ.items() if key not in VARIABLES}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, env={**inherited, **environment}, capture_output=True, text=True)


def snapshot(folder):
    """Return every path of a folder."""
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.mark.parametrize("target", TARGETS)
def test_no_tier_reaches_a_shell(folder, tmp_path, target):
    before = snapshot(folder)
    for number, attack in enumerate(ATTACKS):
        tier = attack.format(tmp_path / f"hit-{number}")
        for given in ({"arguments": [f"TIER={tier}"]}, {"environment": {"TIER": tier}}):
            if target == "reproduce" and "environment" in given:
                continue  # this target names its tier itself
            arguments = [target, "ID=fig1-published", "NAME=theorem", *given.get("arguments", [])]
            done = make(folder, *arguments, **given.get("environment", {}))
            assert done.returncode == 2, (tier, done.stdout, done.stderr)
            assert f"TIER = {tier}: allowed are full quick smoke standard, or the path" in done.stderr, done.stderr
            assert "snakemake" not in done.stdout
    assert snapshot(folder) == before
    assert not list(tmp_path.iterdir())


def test_make_expands_nothing_of_the_environment(folder, tmp_path):
    text = (folder / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):.* ##", text, re.MULTILINE)
    # Of MAKEFLAGS it is make itself that takes options.
    names = set(re.findall(r"\$[({](\w+)[)}]|\$\$\{?(\w+)", text)) | {("USER", "HOME"), ("XDG_CACHE_HOME", "MAKE")}
    names = {name for pair in names for name in pair if name}
    attacks = {name: f"$(shell touch {tmp_path}/{name})" for name in names - {"PATH", "PWD", "SHELL", "TMPDIR"}}
    for target in targets:
        # Nothing runs but what make expands.
        make(folder, "--dry-run", "--keep-going", target, **attacks)
    assert len(targets) > 30
    assert {"ARGS", "PYTHON", "MAKE", "USER", "tier"} <= set(attacks)
    assert not list(tmp_path.iterdir())
    done = make(folder, "options", "TIER=smoke", USER=attacks["USER"], HOME=attacks["HOME"])
    assert (done.returncode, list(tmp_path.iterdir())) == (0, [])


@pytest.mark.parametrize("attack", [attack for attack in ATTACKS if attack])
def test_no_claim_no_chapter_and_no_number_of_cores_reaches_a_shell(folder, tmp_path, attack):
    text = attack.format(tmp_path / "hit")
    for target, key, allowed in (
        ("claim", "ID", "allowed are "),
        ("claim", "CORES", "allowed is a whole number"),
        ("chapter", "NAME", f"allowed are {' '.join(sorted(plugins.chapters()))}\n"),
        ("chapter", "CHAPTER_PATH", "allowed are folders that exist, separated by :"),
        ("replicate", "SEED", "allowed are whole numbers other than the tier's seed"),
    ):
        arguments = {"ID": "fig1-published", "NAME": "theorem", key: text}
        given = [f"{name}={value}" for name, value in arguments.items()]
        for done in (make(folder, target, *given), make(folder, target, **arguments)):
            assert done.returncode == 2, done.stdout
            assert f"{key} = {text}: {allowed}" in done.stderr
            assert "snakemake" not in done.stdout
    assert not list(tmp_path.iterdir())


def test_methods_and_names_arrive_as_they_are_and_reach_no_shell(folder, tmp_path):
    for number, attack in enumerate(ATTACKS[:-1]):
        text = attack.format(tmp_path / f"hit-{number}")
        for target, key, called in (
            ("compare", "METHODS", f"<python><tools/compare.py><quick><{text}>"),
            ("new-algorithm", "NAME", f"<python><tools/new_algorithm.py><{text}>"),
        ):
            for done in (make(folder, target, f"{key}={text}"), make(folder, target, **{key: text})):
                assert called in done.stdout, (done.stdout, done.stderr)
    assert not list(tmp_path.iterdir())
    done = make(folder, "compare")
    assert done.returncode == 2
    assert "give two methods or more" in done.stdout


def test_an_id_of_two_lines_is_refused_though_one_is_known(folder):
    done = make(folder, "claim", "ID=fig1-published\n- id: fig2-published")
    assert done.returncode == 2
    assert "snakemake" not in done.stdout


def test_what_is_allowed_arrives(folder, tmp_path):
    def called(*arguments, **environment):
        done = make(folder, *arguments, **environment)
        assert done.returncode == 0, done.stderr
        return [line for line in done.stdout.splitlines() if line.startswith("<snakemake>")]

    # Targets of a whole tier look for jobs less often.
    seldom = "<--max-jobs-per-timespan><1000/10s>"
    assert called("reproduce") == [f"<snakemake><--cores><2>{seldom}"]
    assert called("quick", "CORES=3") == [f"<snakemake><--cores><3>{seldom}<--configfile><config/quick.yaml>"]
    assert called("smoke", TIER="x; y") == [f"<snakemake><--cores><2>{seldom}<--configfile><config/smoke.yaml>"]
    claim = called("claim", "ID=lemA1-as-printed", "TIER=quick", "ARGS=-n --quiet")
    assert claim == ["<snakemake><--cores><2><claim_lemA1_as_printed><-n><--quiet><--configfile><config/quick.yaml>"]
    chapter = called("chapter", "NAME=theorem", "TIER=smoke")
    assert chapter == ["<snakemake><--cores><2><chapter_theorem><--configfile><config/smoke.yaml>"]
    place = tmp_path / "my chapters"
    (place / "mine").mkdir(parents=True)
    (place / "mine" / "chapter.yaml").touch()
    (place / "mine" / "claims.yaml").write_text("- id: my-claim\n")
    for given in ({"CHAPTER_PATH": str(place)}, {"ALGOREG_CHAPTER_PATH": f"{tmp_path}:{place}"}):
        assert called("chapter", "NAME=mine", "TIER=smoke", **given)[0].startswith(
            "<snakemake><--cores><2><chapter_mine>"
        )
        assert called("claim", "ID=my-claim", **given) == ["<snakemake><--cores><2><claim_my_claim>"]
    own = tmp_path / "my tier's.yaml"
    own.write_text("# mine\ntier: mine  # a name\nseed: 1\n")
    assert called("reproduce", f"TIER={own}") == [f"<snakemake><--cores><2>{seldom}<--configfile><{own}>"]
    done = make(folder, "verify", f"TIER={own}")
    assert "no reference for tier mine" in done.stdout
    done = make(folder, "replicate", "SEED=11 12")
    assert "<python><tools/replicate.py><11><12><--tier><quick><--cores><2>" in done.stdout, done.stderr


def test_a_chapter_is_verified_where_the_command_line_names_one(folder):
    done = make(folder, "verify", "TIER=smoke", "NAME=theorem")
    assert (
        "<snakemake><--cores><2><verify><--config><chapters=[theorem]><--configfile><config/smoke.yaml>" in done.stdout
    )
    for target in ("verify", "reference"):
        # Windows' subsystem for Linux has the machine's name in NAME.
        done = make(folder, target, "TIER=smoke", NAME="DESKTOP-1")
        assert "DESKTOP-1" not in done.stdout + done.stderr
        done = make(folder, target, "TIER=smoke", "NAME=DESKTOP-1")
        assert done.returncode == 2
        assert "NAME = DESKTOP-1: allowed are" in done.stderr
    # Snakemake would forget the chapter, and verify the whole tier.
    for option in ("--config device=cpu", "--config=device=cpu", "-C device=cpu", "-Cdevice=cpu"):
        done = make(folder, "verify", "TIER=smoke", "NAME=theorem", f"ARGS=-n {option}")
        assert done.returncode == 2
        assert "leave out NAME=theorem and add chapters=[theorem] to it" in done.stderr
        assert "snakemake>" not in done.stdout


def test_a_tier_that_has_no_reference_is_refused_before_it_is_run(folder, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("tier: mine\n")
    done = make(folder, "reference", f"TIER={own}")
    assert done.returncode == 2
    assert f"TIER = {own}: allowed are full quick smoke standard" in done.stderr
    assert "snakemake>" not in done.stdout
    done = make(folder, "reference", "TIER=config/quick.yaml")
    assert "<python><tools/write_reference.py><quick>" in done.stdout


def test_a_chapter_that_has_no_reference_is_refused_before_it_is_run(folder, tmp_path):
    done = make(folder, "verify", "TIER=full", "NAME=theorem")
    assert done.returncode == 2
    assert "no reference for tier full: reference/full/theorem/claims.json does not exist" in done.stderr
    assert "snakemake>" not in done.stdout
    assert "chapters=[race]" in make(folder, "verify", "TIER=full", "NAME=race").stdout
    # A chapter of one's own has its reference beside it.
    own = tmp_path / "mine"
    own.mkdir()
    (own / "chapter.yaml").touch()
    words = ("verify", "TIER=smoke", "NAME=mine", f"CHAPTER_PATH={tmp_path}")
    assert (
        f"no reference for tier smoke: {own}/reference/smoke/claims.json does not exist" in make(folder, *words).stderr
    )
    (own / "reference" / "smoke").mkdir(parents=True)
    (own / "reference" / "smoke" / "claims.json").touch()
    assert "chapters=[mine]" in make(folder, *words).stdout


@pytest.mark.parametrize("content", ["seed: 1\n", "tier: ../../x\n", "tier: a\ntier: b\n", "tier: x; touch y\n"])
def test_a_file_without_a_tiers_name_is_refused(folder, tmp_path, content):
    own = tmp_path / "own.yaml"
    own.write_text(content)
    done = make(folder, "clean", f"TIER={own}")
    assert done.returncode == 2
    assert f"TIER = {own}: this file has no line 'tier: name', or several" in done.stderr


def test_clean_deletes_one_tier_and_names_it(folder):
    for tier in ("smoke", "quick"):
        (folder / "results" / tier / "tables").mkdir(parents=True)
    done = make(folder, "clean", "TIER=smoke")
    assert done.returncode == 0
    assert "deleting results/smoke" in done.stdout
    assert [path.name for path in (folder / "results").iterdir()] == ["quick"]
    shutil.rmtree(folder / "results")


def test_distclean_deletes_no_folder_that_a_name_with_a_space_seems_to_name(folder):
    for name in ("smoke", "as of tools"):
        (folder / "results" / name).mkdir(parents=True)
    shutil.copytree(folder / ".venv", folder / "kept", symlinks=True)
    done = make(folder, "distclean")
    assert (done.returncode, done.stderr) == (0, "")
    assert "deleting results/as of tools/" in done.stdout
    assert (folder / "tools" / "options.sh").exists()
    assert not list((folder / "results").iterdir())
    (folder / "kept").rename(folder / ".venv")
    (folder / "results").rmdir()


def test_every_target_that_takes_a_tier_checks_it():
    text = (ROOT / "Makefile").read_text()
    for rule in text.split("\n\n"):
        lines = rule.splitlines()
        recipe = [line for line in lines if line.startswith("\t")]
        assert not any("$(TIER)" in line or "$(ID)" in line or "$(CORES)" in line for line in recipe), rule
        if any("$$tier" in line.lower() or "$$CORES" in line or "$(snakemake)" in line for line in recipe):
            heads = [line for line in lines if ":" in line and "##" in line and not line.startswith("\t")]
            assert heads, rule
            assert all(" options" in head for head in heads), rule


def test_places_and_shells_that_lack_what_programs_need(folder, tmp_path):
    (folder / ".venv" / "bin" / "snakemake").write_text('#!/bin/sh\nprintf "%s|" "$HOME" "$USER" "$PYTHONUTF8"; echo\n')
    (folder / ".venv" / "bin" / "snakemake").chmod(0o755)
    done = make(folder, "smoke", HOME="/proc/none", USER="", PYTHONUTF8="0")
    assert f"{folder}/.snakemake/home|" in done.stdout
    assert done.stdout.split("|")[1]
    assert done.stdout.split("|")[2] == "1"
    assert (folder / ".snakemake" / "home").is_dir()
    done = make(folder, "smoke", HOME=str(tmp_path), USER="somebody")
    assert done.stdout.startswith(f"{tmp_path}|somebody|1|")
    # A cache that cannot be written counts as none, in the home or elsewhere.
    (folder / ".venv" / "bin" / "snakemake").write_text('#!/bin/sh\nprintf "%s|" "$HOME" "$XDG_CACHE_HOME"; echo\n')
    done = make(folder, "smoke", HOME=str(tmp_path), XDG_CACHE_HOME="/proc/none")
    assert done.stdout.startswith(f"{tmp_path}||")
    done = make(folder, "smoke", HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.stdout.startswith(f"{tmp_path}|{tmp_path}/cache|")


def test_a_folder_where_snakemake_can_keep_nothing_is_said_before_it_starts(folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".snakemake", "results"))
    # Root may write wherever a folder is.
    (copy / ".snakemake").touch()
    done = make(copy, "smoke")
    assert done.returncode == 2
    assert "mkdir: cannot create directory '.snakemake'" in done.stderr.translate({0x2018: "'", 0x2019: "'"})
    assert "snakemake>" not in done.stdout


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
    for name in LOCKS:
        (tmp_path / name).write_text(name)
    program = tmp_path / "python"
    program.write_text(
        f"""#!/bin/sh
[ "$1 $2" != "-P -m" ] || {{ mkdir -p .venv/bin; cp {folder}/.venv/bin/* .venv/bin; echo "made"; }}
"""
    )
    program.chmod(0o755)
    return tmp_path


def test_an_environment_is_made_again_where_its_locks_are_others_and_else_never(environment):
    def setup(*arguments):
        done = make(environment, "setup", f"PYTHON={environment}/python", *arguments)
        return done.returncode, "made\n" in done.stdout, done.stdout + done.stderr

    code, made, said = setup("TORCH=requirements-torch.txt")
    assert (code, made) == (0, True), said
    assert "<pip><install><--quiet><--no-compile><--require-hashes><-r><requirements-torch.txt>" in said
    for arguments in ((), ("TORCH=requirements-torch.txt",)):
        assert setup(*arguments)[:2] == (0, False)
    code, made, said = setup("TORCH=requirements-torch-cpu.txt")
    assert (code, made) == (2, False)
    assert ".venv has the torch of requirements-torch.txt, not that of requirements-torch-cpu.txt: rm -r .venv" in said
    # Of the same time stamp, as a copy may keep it.
    lock = environment / "requirements.lock"
    stamp = lock.stat()
    lock.write_text("another")
    os.utime(lock, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    code, made, said = setup()
    assert (code, made) == (0, True)
    assert "<-r><requirements-torch.txt>" in said
    assert "requirements-torch-cpu.txt" not in said
    assert setup()[:2] == (0, False)


def test_a_linked_environment_is_refused_before_anything_is_deleted(environment):
    for name in (".", "tools", "site"):
        (environment / "elsewhere" / name).mkdir(parents=True, exist_ok=True)
        (environment / "elsewhere" / name / "ready").touch()
    (environment / ".venv").symlink_to("elsewhere")
    for name in ("requirements-tools.txt", "requirements-site.txt", "requirements-crate.txt"):
        (environment / name).touch()
    before = snapshot(environment)
    # One whose locks are others, and one that seems to fit.
    for target in ("setup", "tools", ".venv/site/ready", ".venv/crate/ready", "setup"):
        done = make(environment, target, f"PYTHON={environment}/python")
        assert done.returncode == 2
        assert ".venv is a symbolic link" in done.stderr
        assert snapshot(environment) == before
        os.utime(environment / "elsewhere" / "ready")


def test_what_snakemake_cannot_start_without_is_asked_for_before_an_environment_is_made(environment, tmp_path):
    (tmp_path / "bin").mkdir()
    for name in ("make", "bash", "cat", "cksum", "id"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    done = make(environment, "setup", f"PYTHON={environment}/python", PATH=str(tmp_path / "bin"))
    assert done.returncode == 2
    assert "which not found, and Snakemake does not start without it" in done.stdout
    assert not (environment / ".venv").exists()


def test_an_environment_without_a_record_has_torch_for_the_cpu(environment):
    (environment / ".venv").mkdir()
    (environment / ".venv" / "ready").touch()
    assert "making .venv" not in make(environment, "setup").stdout
    done = make(environment, "setup", "TORCH=requirements-torch.txt")
    assert done.returncode == 2
    assert "rm -r .venv, then the same command" in done.stderr


def test_verify_kernels_copies_what_git_does_not_know_yet_and_needs_a_repository(folder):
    program = folder / ".venv" / "bin" / "python"
    before = program.read_text()
    program.write_text("#!/bin/sh\nls\n")
    nowhere = {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    done = make(folder, "verify-kernels", "TIER=smoke", **nowhere)
    assert done.returncode == 2
    assert "verify-kernels copies the files that git lists" in done.stderr
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for name in ("gone", "kept", "later", "ignored"):
        (folder / name).write_text(name)
    (folder / ".gitignore").write_text("ignored\n")
    subprocess.run(["git", "add", "gone", "kept"], cwd=folder, check=True)
    (folder / "gone").unlink()
    done = make(folder, "verify-kernels", "TIER=smoke", **nowhere)
    assert done.returncode == 0, done.stderr
    found = set(done.stdout.split())
    assert {"kept", "later", "Makefile"} <= found
    assert not {"gone", "ignored"} & found
    program.write_text(before)
    for name in ("kept", "later", "ignored", ".gitignore"):
        (folder / name).unlink()
    shutil.rmtree(folder / ".git")
