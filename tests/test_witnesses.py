"""Every measured column that a claim is judged by has a test that computes it in another way."""

import sys

import pytest
from conftest import ROOT

from algoreg import plugins
from algoreg.settings.chapters import load_chapters
from algoreg.settings.entries import estimands

sys.path.insert(0, str(ROOT / "tools"))
import list_witnesses

pytestmark = pytest.mark.any_kernels
KNOWN = list_witnesses.witnesses()


def test_marks_name_columns_that_there_are():
    for experiment, column in KNOWN:
        module = plugins.experiment(experiment)
        assert column == "status" or column in {**module.KEYS, **module.VALUES}, (experiment, column)


def unknown(experiment, column):
    return (experiment, column) not in KNOWN


# A small tier may have no rows of what is asked for.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("chapter", load_chapters(), ids=lambda chapter: chapter.name)
def test_estimands_read_no_column_without_a_witness(chapter):
    for claim in filter(list_witnesses.is_committed, chapter.claims):
        read = [list_witnesses.reads(*each, unknown) for each in list_witnesses.estimable(claim)]
        assert read == [False] * len(estimands(claim)), claim["id"]
