"""Jobs that share something: one GPU among local jobs, results among workflows; the profiles' settings."""

import os
import re
import shutil
from itertools import pairwise

import pytest
import yaml
from conftest import CACHE, ROOT, copy_repository, registered_claims, set_yaml, snakemake, tier_settings

from algoreg.settings import plan

pytestmark = pytest.mark.workflow

DESCENT = "results/smoke/experiments/other_starts/part-0.csv"


def profile(name):
    """Return the settings of a profile."""
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


def with_fake_gpu(folder, monkeypatch):
    """Put an nvidia-smi on the PATH that lists one GPU."""
    folder.mkdir()
    program = folder / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: none (UUID: GPU-0)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def use_gpus(folder):
    """Let the descents of a scratch repository use a GPU where there is one, as those of larger tiers do."""
    file = folder / "src" / "algoreg" / "chapters" / "simulations" / "experiments.yaml"
    file.write_text(file.read_text().replace("\n  gaussian:\n", "\n  gaussian:\n    gpu: true\n"))


def log_when_descents_run(folder, together=1):
    """Let each descent of a scratch repository write when it starts and when it ends, and wait for others."""
    script = folder / "scripts" / "measure.py"
    noted = f"""
import atexit, time
from pathlib import Path
_start = time.time()
atexit.register(lambda: open({str(folder / "times.txt")!r}, "a").write(f"{{_start}} {{time.time()}}\\n"))
(Path({str(folder)!r}) / f"started-{{_start}}").touch()
while len(list(Path({str(folder)!r}).glob("started-*"))) < {together} and time.time() < _start + 120:
    time.sleep(0.1)
time.sleep(1.5)
"""
    script.write_text(script.read_text() + noted)


def overlaps(folder):
    """Return how many pairs of descents ran at the same time, and how many ran."""
    times = sorted(tuple(map(float, line.split())) for line in (folder / "times.txt").read_text().splitlines())
    return sum(later[0] < earlier[1] for earlier, later in pairwise(times)), len(times)


DESCENTS = [f"results/smoke/experiments/gaussian/part-{number}.csv" for number in (0, 1)]


@pytest.mark.slow
def test_local_jobs_take_turns_on_one_gpu(tmp_path, monkeypatch):
    with_fake_gpu(tmp_path / "bin", monkeypatch)
    folder = copy_repository(tmp_path / "repository")
    use_gpus(folder)
    log_when_descents_run(folder)
    done = snakemake(folder, *DESCENTS, "--cores", "4")
    assert done.returncode == 0, done.stderr[-2000:]
    assert overlaps(folder) == (0, 2)


@pytest.mark.slow
@pytest.mark.parametrize("gpu", [True, False])
def test_descents_overlap_on_two_gpus_or_without_one(tmp_path, monkeypatch, gpu):
    """What the test above sees is the one GPU's doing: with two, or for descents too small for one, jobs overlap."""
    with_fake_gpu(tmp_path / "bin", monkeypatch)
    folder = copy_repository(tmp_path / "repository")
    if gpu:
        use_gpus(folder)
    log_when_descents_run(folder, together=2)
    done = snakemake(folder, *DESCENTS, "--cores", "4", "--resources", f"gpu={2 if gpu else 1}")
    assert done.returncode == 0, done.stderr[-2000:]
    assert overlaps(folder) == (1, 2)


def test_profiles_agree_on_what_is_not_the_clusters():
    local, slurm = profile("default"), profile("slurm")
    for key in set(local) & set(slurm):
        assert local[key] == slurm[key], key
    assert set(local) <= set(slurm)
    assert slurm["set-resource-scopes"] == ["gpu=local"]
    for name in ("default", "slurm"):
        lines = (ROOT / "profiles" / name / "config.yaml").read_text().splitlines()
        assert lines[0].startswith("#")


def groups():
    """Return the groups of the rules with a script, by the rules' names; None where a rule names none."""
    found = {}
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"^ *rule ?", path.read_text(), flags=re.MULTILINE)[1:]:
            if "script:" in rule:
                named = re.findall(r'^ +group:\n +"(\w+)"', rule, re.MULTILINE)
                found[rule.split(":")[0]] = named[0] if named else None
    return found


def test_every_rule_with_a_script_belongs_to_a_group():
    """A rule without one would be a submission of its own, but for the checks that shall not take others with them."""
    components = dict(part.split("=") for part in profile("slurm")["group-components"])
    named = groups()
    assert {rule for rule, group in named.items() if group is None} == {"check_controls", "compare_with_reference"}
    assert set(named.values()) - {None} == set(components)


def test_what_follows_the_runs_asks_for_less_than_a_day():
    """Snakemake adds up the minutes of jobs that take turns: those of a level over the cores,
    rounded up, level by level.
    """
    slurm, tier = profile("slurm"), tier_settings("standard")
    minutes = int(slurm["default-resources"]["runtime"].removesuffix(" * attempt"))
    parts = registered_claims(), plan.tables(tier), tier["figures"], [*(ROOT / "notebooks").glob("*.ipynb")]
    levels = ("tables", "comparisons, figures", "claims", "all claims", "pages, notebooks")
    # Each rule that is a job of its own besides, and every table, though runs make most of them themselves.
    turns = (sum(map(len, parts)) + len(groups())) / slurm["cores"] + len(levels)
    assert 2 * turns * minutes < 24 * 60
    # What takes longer says so.
    runs = {rule for rule, group in groups().items() if group == "experiments"}
    assert set(slurm["set-resources"]) == {*runs, "measure_part"}


def cached(folder, place, *arguments, **environment):
    """Run one descent of a scratch repository with a cache; return the numbers of results it computed and fetched."""
    options = ("--cache", "--config", "device=cpu")
    done = snakemake(folder, DESCENT, *arguments, *options, environment={CACHE: str(place), **environment})
    assert done.returncode == 0, done.stderr[-3000:]
    output = done.stdout + done.stderr
    moved = len(re.findall(r"Moving output file \S+\.(?:npz|csv) to cache", output))
    return moved, len(re.findall(r"Symlinking output file \S+\.(?:npz|csv) from cache", output)) - moved


def with_version(folder, package, number):
    """Return a folder for PYTHONPATH that makes a package look like another version of it."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "from importlib import metadata\n"
        "real = metadata.version\n"
        f"metadata.version = lambda name: {number!r} if name == {package!r} else real(name)\n"
    )
    return str(folder)


@pytest.mark.slow
def test_cached_results_are_shared_but_not_across_versions_or_settings(tmp_path):
    place = tmp_path / "cache"
    place.mkdir()
    # Each run reads the settings of all chapters that are there.
    first, second = (copy_repository(tmp_path / name, {"simulations"}) for name in ("first", "second"))
    assert cached(first, place) == (2, 0)
    assert cached(second, place) == (0, 2)
    assert (first / DESCENT).read_bytes() == (second / DESCENT).read_bytes()
    for package in ("numpy", "torch"):
        folder = copy_repository(tmp_path / package, {"simulations"})
        other = with_version(tmp_path / f"other-{package}", package, "99.0")
        assert cached(folder, place, PYTHONPATH=other) == (2, 0), package
    set_yaml(second / "config" / "smoke.yaml", "threads", to=2)
    shutil.rmtree(second / "results" / "smoke")
    assert cached(second, place) == (2, 0)


def test_a_cache_for_a_gpu_is_refused(tmp_path):
    folder = copy_repository(tmp_path / "repository")
    done = snakemake(folder, DESCENT, "--cache", environment={CACHE: str(tmp_path)})
    assert done.returncode != 0
    assert "--cache with device = auto" in done.stdout + done.stderr
    assert not (folder / "results" / "smoke").exists()


def test_a_damaged_cached_result_is_named_with_its_place(tmp_path):
    from algoreg.results import records

    real, link = tmp_path / "results" / "t" / "a.csv", tmp_path / "results" / "t" / "b.csv"
    records.write_table(real, ["x"], [{"x": 1}])
    link.symlink_to(real)
    records.seal(link)
    assert len(records.read_table(link)) == 1
    real.write_text("x\n2\n")
    with pytest.raises(records.DamagedResult, match=rf"Delete {link} \(and {real}, to which it is a link\) and rerun"):
        records.read_table(link)
