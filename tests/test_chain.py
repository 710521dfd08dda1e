"""Results of other settings, code or inputs are refused, whatever Snakemake remembers and time stamps say."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import append_code, set_yaml, snakemake, tiny_repository
from test_workflow import planned

from algoreg.results import chain, digests, generated, records

pytestmark = pytest.mark.workflow

LONG_AGO = (1577836800, 1577836800)
TABLE, EARLY, EXPERIMENT = (f"results/tiny/tables/{name}.csv" for name in ("tiny", "tiny_early", "tiny_experiment"))
DATA = [f"results/tiny/data/tiny_runs/ensemble-{number}.npz" for number in (0, 1)]
DESCENT = "results/tiny/experiments/tiny_runs/part-0.csv"
DESCENTS_AND_AFTER = {"measure_part": 2, "tabulate": 2, "claim_tiny_start": 1}


def plan_of(folder, *targets):
    """Return the number of jobs per rule that a dry run plans, those that only compare left out."""
    plan = planned(folder, *targets, tier="tiny")
    return {rule: count for rule, count in plan.items() if rule not in ("verify", "compare_with_reference")}


def forget(folder):
    """Delete what Snakemake remembers of a scratch repository, as a copy of results alone would lack it."""
    shutil.rmtree(folder / ".snakemake")


def put_in_place(source, goal):
    """Copy a result with its sidecar over another, with old time stamps."""
    for one, other in ((source, goal), (records.sidecar_path(source), records.sidecar_path(goal))):
        shutil.copyfile(one, other)
        os.utime(other, LONG_AGO)


def refused(folder):
    """Let verify compare what is there, nothing else being allowed to run;
    return what it says, which must be a refusal.
    """
    done = snakemake(folder, "verify", "--allowed-rules", "compare_with_reference", "verify", tier="tiny")
    assert done.returncode != 0
    assert not (folder / "results" / "tiny" / "verify.txt").exists()
    return done.stdout + done.stderr


def test_right_results_are_kept_without_any_memory_of_them(tiny):
    forget(tiny)
    # A copy has stamps of its own.
    for path in (tiny / "results").rglob("*"):
        os.utime(path, LONG_AGO)
    assert plan_of(tiny, TABLE, EXPERIMENT) == {}
    done = snakemake(tiny, "verify", "--allowed-rules", "compare_with_reference", "verify", tier="tiny")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "edit",
    [
        lambda folder: set_yaml(folder / "config" / "tiny.yaml", "seed", to=99),
        lambda folder: append_code(folder / "chapters" / "tiny" / "algorithms" / "held.py", "EDITED = True"),
    ],
    ids=["seed", "code"],
)
def test_another_seed_or_code_is_refused_without_any_memory(tiny, edit):
    forget(tiny)
    edit(tiny)
    text = refused(tiny)
    assert f"{DESCENT}: it was made with other settings, seed, code or versions. Delete {DESCENT} and rerun" in text


def written(folder):
    """Ask tools/write_reference.py whether it would write the tiny tier's results as a reference."""
    code = (
        "import sys; sys.path.insert(0, 'tools'); from pathlib import Path; import write_reference\n"
        "from algoreg.settings import checking\n"
        "tier = checking.load_tier(Path('config/tiny.yaml')); claims = checking.load_claims(tier['chapters'])\n"
        "results = Path('results/tiny'); files = write_reference.made_files(tier, results, True); "
        "write_reference.require_current(tier, claims, results, files)"
    )
    settings = {**os.environ, "PYTHONPATH": str(folder / "src"), "ALGOREG_CHAPTER_PATH": "chapters"}
    return subprocess.run([sys.executable, "-c", code], cwd=folder, env=settings, capture_output=True, text=True)


def test_only_results_of_the_present_settings_and_contents_become_a_reference(tiny):
    forget(tiny)
    done = written(tiny)
    assert done.returncode == 0, done.stderr
    set_yaml(tiny / "config" / "tiny.yaml", "seed", to=99)
    done = written(tiny)
    assert done.returncode == 1
    assert "not what the present settings, code and inputs make" in done.stderr
    set_yaml(tiny / "config" / "tiny.yaml", "seed", to=2018)
    table = tiny / TABLE
    stamp = table.stat()
    table.write_bytes(table.read_bytes().replace(b"budget", b"wudget", 1))
    os.utime(table, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    done = written(tiny)
    assert done.returncode == 1
    assert "tiny.csv: its content does not match the checksum" in done.stderr


def test_a_part_that_was_made_again_with_old_time_stamps_is_noticed(tiny):
    parts = [f"results/tiny/experiments/tiny_experiment/part-{part}.csv" for part in (0, 1)]
    set_yaml(
        tiny / "chapters" / "tiny" / "experiments.yaml",
        *("experiments", "tiny_experiment", "options", "iterations"),
        to=31,
    )
    assert snakemake(tiny, *parts, tier="tiny").returncode == 0
    for part in parts:
        for path in (tiny / part, records.sidecar_path(tiny / part)):
            os.utime(path, LONG_AGO)
    assert f"{EXPERIMENT}: it was made from another {parts[0]}. Delete {EXPERIMENT} and rerun" in refused(tiny)


@pytest.mark.slow
def test_another_checkouts_results_are_not_taken_for_ones_own(tiny, tmp_path):
    other = tiny_repository(tmp_path / "other", seed=99)
    done = snakemake(other, TABLE, tier="tiny")
    assert done.returncode == 0, done.stderr[-2000:]
    before = (tiny / TABLE).read_bytes()
    made = other / "results" / "tiny"
    for path in [*made.glob("data/*/*.npz"), *made.glob("experiments/tiny_runs/*.csv"), other / TABLE]:
        put_in_place(path, tiny / path.relative_to(other))
    assert (tiny / TABLE).read_bytes() != before
    # The table is what these descents make: it is the links before it that break.
    text = refused(tiny)
    wrong = re.findall(r"Delete (\S+) and rerun", text)
    assert set(wrong) >= {*DATA, DESCENT}
    for path in wrong:
        (tiny / path).unlink()
    assert snakemake(tiny, TABLE, tier="tiny").returncode == 0
    assert (tiny / TABLE).read_bytes() == before


def test_generated_data_swapped_with_their_sidecar_are_refused(tiny):
    put_in_place(tiny / DATA[1], tiny / DATA[0])
    assert f"Delete {DATA[0]} and rerun" in refused(tiny)


def test_verify_reads_contents_and_refuses_what_was_made_from_an_exchanged_input(tiny):
    part = tiny / "results" / "tiny" / "experiments" / "tiny_experiment" / "part-0.csv"
    forget(tiny)
    stamp = part.stat()
    part.write_bytes(part.read_bytes().replace(b"budget", b"wudget", 1))
    os.utime(part, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert "part-0.csv: its content does not match the checksum in its sidecar" in refused(tiny)
    sidecar = records.sidecar_path(part)
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "sha256": records.sha256(part)}))
    assert f"{EXPERIMENT}: it was made from another results/tiny/experiments/tiny_experiment/part-0.csv" in refused(
        tiny
    )


def test_sidecars_hold_the_chain_and_no_absolute_path(finished_tiny):
    results = finished_tiny / "results" / "tiny"
    sidecars = list((results / "provenance").rglob("*.json"))
    assert {records.sidecar_path(results.parents[1] / path) for path in (*DATA, DESCENT, TABLE, EXPERIMENT)} <= {
        *sidecars
    }
    for path in sidecars:
        record = json.loads(path.read_text())
        assert len(record["params_sha256"]) == 64, path
        assert any(name.startswith("scripts/") for name in record["code"]), path
        assert str(finished_tiny) not in path.read_text(), path
        assert sys.prefix not in path.read_text(), path
        assert not any(os.path.isabs(name) for name in record["inputs"])
    record = records.read_provenance(finished_tiny / DESCENT)
    assert record["inputs"] == {DATA[0]: records.sha256(finished_tiny / DATA[0])}
    assert record["result"] == "experiments/tiny_runs/part-0.csv"


def test_generated_data_of_another_ensemble_or_seed_are_refused(tmp_path):
    path = tmp_path / "results" / "t" / "data" / "p" / "ensemble-3.npz"
    records.write_arrays(path, {"ensemble": np.int64(3), "seed": np.int64(7)})
    assert int(generated.read_generated(path, 7)["ensemble"]) == 3
    with pytest.raises(generated.OtherData, match=rf"contains seed 7.*Delete {path} and rerun"):
        generated.read_generated(path, 8)
    records.write_arrays(path, {"ensemble": np.int64(2), "seed": np.int64(7)})
    with pytest.raises(generated.OtherData, match=rf"contains ensemble 2.*Delete {path} and rerun"):
        generated.read_generated(path, 7)


def refusal(jobs):
    """Return why results are refused."""
    with pytest.raises(chain.BrokenChain) as error:
        chain.require(jobs)
    return str(error.value)


def test_each_link_is_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source, table = "results/t/experiments/part.csv", "results/t/tables/a.csv"
    records.write_table(source, ["x"], [{"x": 1}])
    facts = {"params_sha256": digests.params_digest({"seed": 1}), "inputs": digests.input_digests([source])}
    records.write_table(table, ["x"], [{"x": 1}], facts)
    job = chain.Job(digests.params_digest({"seed": 1}), (source,))
    chain.require({table: job})
    others = {
        "other settings": chain.Job(digests.params_digest({"seed": 2}), (source,)),
        "other files": chain.Job(job.params_sha256, ()),
    }
    for words, other in others.items():
        assert re.search(rf"{words}.*Delete {table} and rerun", refusal({table: other}))
    # Of a result that is wrong in two ways one line says so.
    assert refusal({table: chain.Job(others["other settings"].params_sha256, ())}).count("rerun") == 1
    for content in ("x\n2\n", None):
        Path(source).write_text(content) if content else Path(source).unlink()
        assert f"{table}: it was made from another {source}" in refusal({table: job})
    records.write_table(source, ["x"], [{"x": 1}])
    # A sidecar that cannot be read, and one that holds no checksum.
    damaged = "results/t/tables/c.csv"
    for text, words in (("{", "its sidecar .* cannot be read"), ("{}", "does not match the checksum")):
        records.write_table(damaged, ["x"], [{"x": 1}], facts)
        records.sidecar_path(damaged).write_text(text)
        assert re.search(rf"c\.csv: {words if text == '{' else 'its content ' + words}", refusal({damaged: job}))
    shutil.copyfile(records.sidecar_path(table), records.sidecar_path("results/t/tables/b.csv"))
    shutil.copyfile(table, "results/t/tables/b.csv")
    assert "belongs to tables/a.csv" in refusal({"results/t/tables/b.csv": job})
    with pytest.raises(records.DamagedResult, match=r"belongs to tables/a\.csv"):
        records.read_table("results/t/tables/b.csv")


def test_a_file_of_ones_own_in_a_folder_named_results_is_no_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "elsewhere" / "results" / "spring" / "data.csv"
    data.parent.mkdir(parents=True)
    data.write_text("1")
    table, job = "results/t/tables/a.csv", chain.Job("of settings", (str(data),))
    facts = {"params_sha256": "of settings", "inputs": digests.input_digests([data])}
    records.write_table(table, ["x"], [{"x": 1}], facts)
    chain.require({table: job})
    data.write_text("2")
    assert f"{table}: it was made from another {data}" in refusal({table: job})


def test_another_version_of_a_library_is_seen(tiny, tmp_path):
    measured = {"measure_part": 4, "tabulate_experiment": 1, "tabulate": 1}
    for name, plan in (("scikit_learn", measured), ("ziglang", {**measured, "generate": 2})):
        (tmp_path / name / f"{name}-99.dist-info").mkdir(parents=True)
        (tmp_path / name / f"{name}-99.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: 99\n")
        found = planned(
            tiny, TABLE, EXPERIMENT, tier="tiny", environment={"PYTHONPATH": f"{tmp_path / name}:{tiny / 'src'}"}
        )
        assert found == plan
