"""What CONTRIBUTING shows and what the templates make keep the suite green: all of it is put into a copy of the
checkout, where those tests run that a contributor's files join, and those that scan the tree.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import NOT_COPIED, ROOT

pytestmark = pytest.mark.any_kernels

# What additions change is copied; the rest is only read.
COPIED = ("src", "tests", "tools")
NOT_LINKED = {"results", "own", *(path.name for path in ROOT.glob(".*"))}
TESTS = (
    "test_architecture.py",
    "test_chapter_files.py::test_every_size_of_every_chapter_is_of_a_tier_and_every_entry_says_what_it_is",
    "test_documents.py::test_columns_have_a_readers_name_beside_their_meaning",
    "test_documents.py::test_criteria_are_sentences_for_readers",
    "test_documents.py::test_every_column_has_a_meaning_and_every_meaning_a_column",
    "test_experiment.py::test_every_experiment_says_what_its_rows_are",
    "test_estimands.py::test_every_estimand_has_a_test_on_a_table_whose_answer_is_known",
    "test_ledger.py::test_every_passage_is_called_by_a_ledger_and_every_chapter_says_what_was_found",
    "test_options.py::test_every_option_of_every_experiment_and_algorithm_says_its_type",
    "test_streams.py",
    "test_witnesses.py::test_marks_name_columns_that_there_are",
)
# Those of every algorithm, every chapter and every estimand: of the additions alone.
OF_EACH = (
    (
        "test_engine.py::test_every_algorithm_runs_on_every_ensemble_that_fits",
        ("my_method-gaussian", "weight_decay-gaussian"),
    ),
    (
        "test_estimands.py::test_a_run_without_a_value_leaves_an_estimand_undefined_or_counts_as_it_says",
        ("my_chapter_gain",),
    ),
    ("test_witnesses.py::test_estimands_read_no_column_without_a_witness", ("decay", "my_chapter", "remarks")),
)


def python(folder, *command):
    """Run Python in a checkout with that checkout's own package."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    done = subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def checkout(folder):
    """Copy what additions change, and link the rest of this checkout."""
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name in COPIED:
            shutil.copytree(path, folder / path.name, ignore=NOT_COPIED)
        elif path.name not in NOT_LINKED:
            (folder / path.name).symlink_to(path)
    return folder


def test_a_claim_an_algorithm_and_a_chapter_keep_the_suite_green(tmp_path):
    folder = checkout(tmp_path / "checkout")
    diffs = re.findall(r"```diff\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len(diffs) == 3
    for diff in diffs:
        subprocess.run(["git", "apply"], cwd=folder, input=diff, text=True, check=True)
    python(folder, "tools/new_algorithm.py", "my_method")
    python(folder, "tools/new_chapter.py", "my_chapter")
    own = ("test_my_method.py", "chapters/my_chapter")
    of_each = [f"{test}[{name}]" for test, names in OF_EACH for name in names]
    options = ("-q", "-p", "no:cacheprovider", "-m", "not workflow and not browser and not mutants")
    # pytest fails where it finds no test of a name.
    python(folder, "-m", "pytest", *options, *(f"tests/{name}" for name in (*own, *TESTS, *of_each)))
