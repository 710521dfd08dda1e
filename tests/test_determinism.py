"""Another folder, other cores, another order of jobs, another environment, a cache: the same bytes."""

import json
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
import torch
import yaml
from conftest import CACHE, MANY_TIMERS, copy_repository, snakemake

pytestmark = pytest.mark.workflow

UNSTABLE = yaml.safe_load((Path(__file__).parent / "unstable.yaml").read_text())
# The cache takes what a CPU computed; where there is a GPU, the tier that this is compared with was computed on that.
CACHED = () if torch.cuda.is_available() else ("--cache", "--config", "device=cpu")


def stable(results):
    """Return the bytes of every result that is not listed as unstable, by path."""
    found = {}
    for path in sorted(path for path in results.rglob("*") if path.is_file()):
        name = path.relative_to(results).as_posix()
        if not any(fnmatchcase(name, pattern) for pattern in UNSTABLE):
            found[name] = path.read_bytes()
    return found


@pytest.mark.slow
def test_equal_settings_give_equal_bytes(smoke, tmp_path):
    """First one figure that the plan has late, then all the rest on four cores,
    hash seed, locale and time zone changed.

    What takes long goes through a cache of Snakemake's: its results are links into that.
    """
    (tmp_path / "a folder elsewhere").mkdir()
    cache = tmp_path / "cache"
    cache.mkdir()
    folder = copy_repository(tmp_path / "a folder elsewhere" / "deeper")
    environment = {
        "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C", "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "2",
        "MPLBACKEND": "svg", CACHE: str(cache),
    }  # fmt: skip
    late = "results/smoke/figures/figure_5b.pdf"
    for cores, targets in (("1", [late]), ("4", [])):
        done = snakemake(folder, *targets, *MANY_TIMERS, "--cores", cores, *CACHED, environment=environment)
        assert done.returncode == 0, done.stderr[-2000:]
    mine, theirs = stable(folder / "results" / "smoke"), stable(smoke / "results" / "smoke")
    assert {name.split("/")[0] for name in theirs} >= {
        "tables",
        "figures",
        "claims",
        "claims.json",
        "notebooks",
        "data",
        "experiments",
    }
    assert set(mine) == set(theirs)
    assert [name for name in sorted(theirs) if mine[name] != theirs[name]] == []
    if CACHED:
        results = folder / "results" / "smoke"
        made = [*results.rglob("*.npz"), *results.glob("experiments/*/*.csv")]
        places = {path.resolve() for path in made}
        assert len(places) == len(made) > 2
        assert all(path.is_relative_to(cache.resolve()) for path in places)


def test_the_list_of_what_is_unstable_has_reasons_and_no_dead_entry(smoke):
    results = smoke / "results" / "smoke"
    names = [path.relative_to(results).as_posix() for path in results.rglob("*") if path.is_file()]
    for pattern, reason in UNSTABLE.items():
        assert len(reason) > 10
        assert any(fnmatchcase(name, pattern) for name in names), pattern


def test_what_a_cell_prints_is_one_text_whenever_it_comes(smoke):
    for path in (smoke / "results" / "smoke" / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            names = [output["name"] for output in cell.get("outputs", ()) if output["output_type"] == "stream"]
            assert len(names) == len(set(names)), (path.name, cell["source"])
