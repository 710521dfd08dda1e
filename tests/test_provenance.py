"""What a sidecar says of the commit: this repository's, or that it is unknown."""

import contextlib
import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import copy_repository

from algoreg.reporting.page import provenance as page
from algoreg.results import records

pytestmark = pytest.mark.any_kernels

QUESTION = "from algoreg.results.provenance import commit; import json; print(json.dumps(commit()))"


def git(folder, *words):
    """Run git in a folder as somebody."""
    somebody = ("-c", "user.name=a", "-c", "user.email=a@b")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-C", folder, *somebody, *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


def said(folder, **environment):
    """Return (commit, dirty) as a job of a scratch repository would write it."""
    settings = {**os.environ, "PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    done = subprocess.run([sys.executable, "-c", QUESTION], env=settings, capture_output=True, text=True, check=True)
    return tuple(json.loads(done.stdout))


@pytest.fixture
def committed(tmp_path):
    """Return a scratch repository with one commit."""
    folder = copy_repository(tmp_path / "committed")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")
    return folder


def test_the_commit_and_what_differs_from_it(committed):
    head = git(committed, "rev-parse", "HEAD")
    assert said(committed) == (head, False)
    # The documented way to extend: a new file, unknown to git.
    new = committed / "src" / "algoreg" / "algorithms" / "mine.py"
    new.write_text("")
    assert said(committed) == (head, True)
    new.unlink()
    (committed / "notes.txt").write_text("")
    assert said(committed) == (head, False)
    path = committed / "src" / "algoreg" / "numerics" / "seeds.py"
    path.write_text(path.read_text() + "\n")
    assert said(committed) == (head, True)


def test_another_repositorys_commit_is_not_taken_for_ours(tmp_path, committed):
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "-q")
    git(outer, "commit", "-q", "--allow-empty", "-m", "x")
    unpacked = copy_repository(outer / "unpacked")
    assert said(unpacked) == (None, None)
    assert said(unpacked, GIT_DIR=str(outer / ".git")) == (None, None)
    assert said(committed, GIT_DIR=str(outer / ".git")) == (git(committed, "rev-parse", "HEAD"), False)


def test_without_git_the_commit_is_unknown_and_the_page_says_so(tmp_path):
    assert said(copy_repository(tmp_path / "copy")) == (None, None)
    path = tmp_path / "results" / "t" / "tables" / "a.csv"
    records.write_table(path, ["x"], [{"x": 1}], {"commit": None, "dirty": None})
    assert dict(page.provenance(tmp_path / "results" / "t", ["tables/a.csv"])["facts"])["commit"] == "unknown"


PROGRAMS = {
    "core.fsmonitor": "{hook}",
    "filter.a.clean": "{hook} clean",
    "filter.a.required": "true",
    # A name with what separates a key from its value.
    "filter.b=c.process": "{hook} process",
}


def test_no_program_named_in_the_folders_own_git_settings_is_run(committed):
    hook, trace = committed.parent / "hook", committed.parent / "trace"
    hook.write_text(f'#!/bin/sh\necho "${{0##*/}} $1" >>{trace}\ncat\n')
    hook.chmod(0o755)
    for key, program in PROGRAMS.items():
        git(committed, "config", key, program.format(hook=hook))
    shutil.copy(hook, committed / ".git" / "hooks" / "post-index-change")
    (committed / ".git" / "info" / "attributes").write_text("*.yaml filter=a\nSnakefile filter=b=c\n")

    def touch():
        # Of another time stamp git reads the content, and refreshes its index.
        for path in (committed / "config" / "smoke.yaml", committed / "Snakefile"):
            path.touch()

    touch()
    assert said(committed)[1] is False
    assert not trace.exists()
    (committed / "Snakefile").write_text("another")
    assert said(committed)[1] is True
    assert not trace.exists()
    git(committed, "checkout", "-q", "--", "Snakefile")
    trace.unlink()
    touch()
    # The traps work: git itself does run them.
    with contextlib.suppress(subprocess.CalledProcessError):
        git(committed, "status")
    ran = trace.read_text()
    assert "hook clean\n" in ran
    assert "hook process\n" in ran
    git(committed, "config", "--remove-section", "filter.b=c")
    touch()
    git(committed, "status")
    assert "post-index-change 0\n" in trace.read_text()
    assert "hook 2\n" in trace.read_text()
