import json
import re
import subprocess
import sys
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from conftest import registered_claims, tier_settings

from algoreg.chapters.simulations.ledger import figure_4
from algoreg.chapters.simulations.ledger import figures as passages
from algoreg.claims import matching, published
from algoreg.regression import comparison, references, rejudge, snapshots
from algoreg.reporting import figures, report
from algoreg.results import provenance, records
from algoreg.settings.chapters import load_chapters


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results" / "tier"


def test_results_have_sidecars_and_damage_is_noticed(results):
    path = results / "tables" / "a.csv"
    records.write_table(path, ["x", "y"], [{"x": 1, "y": 0.1}, {"x": 2, "y": np.nan}], {"seed": 3})
    assert path.read_text() == "x,y\n1,0.1\n2,\n"
    sidecar = json.loads((results / "provenance" / "tables" / "a.csv.json").read_text())
    assert sidecar["seed"] == 3
    assert sidecar["sha256"] == records.sha256(path)
    assert np.isnan(records.read_table(path)["y"][1])
    path.write_text("x,y\n1,0.2\n")
    with pytest.raises(records.DamagedResult, match=r"Delete .*a\.csv and rerun"):
        records.read_table(path)
    records.sidecar_path(path).unlink()
    with pytest.raises(records.DamagedResult, match="sidecar"):
        records.read_table(path)


@pytest.mark.parametrize("checksum", [{}, {"sha256": None}, {"sha256": ""}])
def test_a_sidecar_without_a_checksum_vouches_for_nothing(results, checksum):
    path = results / "a.json"
    records.write_json(path, {"x": 1})
    content = json.loads(records.sidecar_path(path).read_text())
    del content["sha256"]
    records.sidecar_path(path).write_text(json.dumps(content | checksum))
    with pytest.raises(records.DamagedResult, match=r"does not match the checksum in its sidecar"):
        records.read_json(path)


def test_the_next_write_removes_what_killed_processes_left(tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    left, others = f".a.svg.{killed.pid}.part", [".a.svg.1.part", f".b.svg.{killed.pid}.part", ".a.svg.x.part"]
    for name in (left, *others):
        (tmp_path / name).write_text("half")
    records.write_text(tmp_path / "a.svg", "all of it")
    assert {path.name for path in tmp_path.iterdir()} == {"a.svg", *others}
    # The command writes a folder.
    (tmp_path / f".found.{killed.pid}.part" / "sub").mkdir(parents=True)
    assert not records.part_of(tmp_path / "found").exists()
    assert not list(tmp_path.glob(".found*"))


@pytest.mark.parametrize("content", [b"[" * 100_000, b'{"sha256": "\xff"}', b"[1]", b""])
def test_json_that_cannot_be_read_is_a_damaged_result(results, content):
    path = results / "a.json"
    records.write_json(path, {"x": 1})
    records.sidecar_path(path).write_bytes(content)
    with pytest.raises(records.DamagedResult, match=r"its sidecar .* cannot be read. Delete .*a\.json and rerun"):
        records.read_json(path)
    if content != b"[1]":
        path.write_bytes(content)
        records.seal(path)
        with pytest.raises(records.DamagedResult, match=r"a\.json: is not JSON that can be read. Delete it and rerun"):
            records.read_json(path)


def test_arrays_are_byte_stable_and_never_pickled(results):
    arrays = {"b": np.arange(3), "a": np.ones((2, 2))}
    records.write_arrays(results / "x.npz", arrays)
    records.write_arrays(results / "y.npz", dict(reversed(arrays.items())))
    assert (results / "x.npz").read_bytes() == (results / "y.npz").read_bytes()
    assert np.array_equal(records.read_arrays(results / "x.npz")["b"], np.arange(3))
    with pytest.raises(ValueError, match="Object arrays"):
        records.write_arrays(results / "z.npz", {"a": np.array([{}], dtype=object)})
    assert not (results / "z.npz").exists()
    assert not list(results.glob(".*part"))


def test_an_interrupted_write_leaves_the_old_file(results):
    path = results / "a.txt"
    records.write_text(path, "old")

    def interrupted():
        with records.atomic(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert path.read_text() == "old"
    assert [p.name for p in results.iterdir()] == ["a.txt"]


def test_json_refuses_nan_and_paths_outside_results():
    with pytest.raises(ValueError, match="Out of range"):
        records.dump_json({"a": float("nan")})
    with pytest.raises(ValueError, match="not below results"):
        records.sidecar_path("elsewhere/a.csv")


def test_provenance_names_commit_settings_and_lock():
    facts = provenance.provenance({"seed": 1, "threads": 1, "device": "cpu", "dtype": "float32"}, dtype="float64")
    other = provenance.provenance({"seed": 1, "threads": 1, "device": "cuda", "dtype": "float32"})
    assert facts["config_sha256"] == other["config_sha256"]
    assert facts["dtype"] == "float64"
    assert facts["lock_sha256"]


def frame(shift=0.0):
    rows = [
        {"d": d, "alpha": a, "iteration": i, "rank": 1, "m": 5 * d, "target": t, "ensemble": e, "status": "budget",
         "train_error": 0.1 * a * (1 + t) + shift, "test_error": a * (1 + e) + shift}
        for d in (10, 20) for a in (1.0, 0.1) for i in (100, 200) for t in range(2) for e in range(2)
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("name", ["figure_1", "figure_2", "figure_3"])
@pytest.mark.parametrize("kind", ["svg", "pdf", "png"])
def test_equal_tables_give_equal_pictures(tmp_path, name, kind):
    table = frame()
    if name == "figure_2":
        table = table[table["d"] == 10]
    for copy in ("a", "b"):
        figures.save(figures.draw(name, {name: table}), tmp_path / copy, kind)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_diverged_run_is_left_out_and_said():
    table = frame()
    table.loc[0, ["status", "test_error"]] = ["diverged", np.nan]
    picture = figures.draw("figure_3", {"figure_3": table})
    said = [text.get_text() for text in picture.axes[0].get_legend().get_texts()]
    assert any(re.search(r"\(1 of \d+ values not drawn", text) for text in said)
    with pytest.raises(ValueError, match="figures: figure_9: allowed are "):
        figures.draw("figure_9", {})


def table_of(columns):
    """Return a table as a reference has it: what comes after the status are floats, None is missing."""
    frame = pd.DataFrame(columns)
    return frame.astype(dict.fromkeys(references.values_of(frame), float))


def snapshot():
    values = [0.1, 1e-8]
    table = table_of({"alpha": [1.0, 0.1], "status": ["budget"] * 2, "train_error": values, "test_error": values})
    claim = {
        "id": "a",
        "verdict": "supported",
        "estimate": 0.3,
        "ci_low": 0.2,
        "ci_high": 0.4,
        "margin": 0.1,
        "control_verdict": "refuted",
        "positive_control_verdict": None,
    }
    return {"tables": {"t": table}, "comparisons": {}, "claims": [claim]}


def test_a_reference_of_a_part_compares_that_part():
    whole = snapshot()
    whole["tables"]["more"] = whole["tables"]["t"]
    whole["claims"].append({**whole["claims"][0], "id": "b"})
    found = comparison.compare(whole, {**snapshot(), "partial": True})
    lines = found.lines
    assert found.passed
    assert lines[0] == "the reference covers a part of this tier: only that part is compared"
    assert (found.equal, found.claims) == (1, 1)
    assert not any("more" in line for line in lines)
    for lost in ("tables", "claims", "comparisons"):
        part = {**snapshot(), "partial": True, "comparisons": {"c": pd.DataFrame({"ours": [0.1]})}}
        new = {**whole, "comparisons": {"c": pd.DataFrame({"ours": [0.1]})}}
        assert comparison.compare(new, part).passed
        assert not comparison.compare({**new, lost: type(new[lost])()}, part).passed, lost
    assert not comparison.compare(whole, snapshot()).passed


@pytest.mark.workflow
def test_a_part_of_a_tier_is_what_is_there_of_it(repository):
    results = repository / "results" / "smoke"
    tier, chapter = tier_settings("smoke"), load_chapters(["simulations"])[0]
    whole = snapshots.snapshot(results, tier, chapter)
    part = snapshots.snapshot(results, tier, chapter, partial=True)
    assert comparison.compare(whole, part).passed
    assert part["tables"].keys() == whole["tables"].keys()
    assert (part["claims"], part["partial"]) == (whole["claims"], True)
    assert len(whole["claims"]) == len(chapter.claims)
    (results / "claims.json").unlink()
    for name in ("figure_4", "figure_5a"):
        (results / "tables" / f"{name}.csv").unlink()
    for path in (results / "claims").glob("*.json"):
        if path.stem != "fig1-initialisation":
            path.unlink()
    part = snapshots.snapshot(results, tier, chapter, partial=True)
    assert whole["tables"].keys() - part["tables"].keys() == {"figure_4", "figure_5a"}
    assert [claim["id"] for claim in part["claims"]] == ["fig1-initialisation"]
    with pytest.raises(records.DamagedResult, match=r"figure_4\.csv: cannot be read"):
        snapshots.snapshot(results, tier, chapter)


def test_the_paper_tier_stands_beside_the_standard_tier():
    standard = references.read_tier("standard")
    registry = registered_claims()
    paper = deepcopy(standard)
    paper["claims"] = [claim for claim in paper["claims"] if claim["id"].startswith("fig4")]
    paper["claims"][0]["verdict"] = "refuted"
    table = paper["tables"]["figure_4"]
    # One projected run at m/d = 10 moves by a quarter, and ends otherwise.
    where = table.index[(table["method"] == "projected") & (table["m_over_d"] == 10)]
    table.loc[where[0], ["test_error", "status"]] = [0.8 * table["test_error"][where[0]], "diverged"]
    points = paper["comparisons"]["figure_4_published"]
    points[["inside", "ratio"]] = [False, 2.0]
    points.loc[3, "ratio"] = 0.25
    lines = report.verdicts_beside(standard, paper, registry).splitlines()
    named = [line.split(" | ")[0].strip("|` ") for line in lines[2:]]
    assert named == [entry["id"] for entry in registry if entry["id"] in {claim["id"] for claim in paper["claims"]}]
    assert {"fig4-projected", "fig4-few-measurements", "fig4-published"} <= set(named)
    assert " | **refuted** | " in lines[2]
    assert lines[2].endswith(f"| supported, {report.number(paper['claims'][0]['estimate'])} |")
    alone = {"comparisons": {"figure_4_published": paper["comparisons"]["figure_4_published"]}}
    worst = points.loc[3]
    (line,) = passages.published_fits({"comparisons": {}}, alone).splitlines()[2:]
    at = f"{worst['method']}, m/d = {worst['m_over_d']}"
    assert line == f"| `full` | 4 | 100 | test error | {2 ** (15 / 14):.3f} | 4.000 | {at} | 0 of 14 |"
    text = figure_4.figure_4_step(standard, paper)
    assert f"| projected | mean change | +0.0 % | {25 / len(where):+.1f} % | +0.0 % |" in text
    assert "| projected | largest of a run | 0.0 % | 25.0 % | 0.0 % |" in text
    assert text.endswith("Of the 210 runs 1 ended in another way (fitted, or out of iterations).")
    assert "runs none ended in another way" in figure_4.figure_4_step(standard, standard)


def test_the_full_tiers_verdicts_follow_from_its_committed_tables():
    """Nothing was run for a criterion or a published curve that came after the full tier's runs."""
    content, tier, registry = references.read_tier("full"), tier_settings("full"), registered_claims()
    tables = {**content["tables"], **content["comparisons"]}
    again = rejudge.rejudge(tables, tier, registry)
    kept = {**content, "tables": {}, "comparisons": {}}
    found = comparison.compare({**kept, "claims": list(again.values())}, kept)
    assert found.passed, found.failed
    assert len(content["comparisons"]["figure_4_published_d150"]) == 14
    # What has a table that is not there is not judged.
    assert "fig4-published-stated-step" not in again
    # A run that moves changes the verdict: these are no copies.
    moved = tables["figure_4"].copy()
    moved.loc[(moved["d"] == 150) & (moved["m_over_d"] == 35), "test_error"] *= 2
    rows = matching.compare(moved, published.load_published("figure_4_d150"))
    tables |= {"figure_4": moved, "figure_4_published_d150": pd.DataFrame(rows)}
    found = rejudge.rejudge(tables, tier, registry)
    assert found["fig4-published-d150"]["verdict"] == "refuted"
    assert found["fig4-published"]["verdict"] == "supported"


def test_a_claim_is_measured_at_other_values_of_an_option():
    content = references.read_tier("quick")
    identity = "race-threshold-momentum"
    finer, own = rejudge.at_other_values(content, identity, "tolerance", [0.01, 0.1])
    (claim,) = (claim for claim in content["claims"] if claim["id"] == identity)
    assert (own.value, own.low, own.high) == tuple(claim[key] for key in ("estimate", "ci_low", "ci_high"))
    assert report.with_interval(own) == "1.06 [1.03, 1.08]"
    # Momentum costs more, the finer the error.
    assert finer.low > own.value


def test_what_the_larger_step_explains_of_figure_3():
    rows = [{"d": 100, "iteration": i, "ratio": x, "published": 1.0, "low": 1.05, "high": 1.2, "inside": False}
            for i, x in ((10_000, 1.1), (20_000, 1.08))]  # fmt: skip
    keys = {"d": [100, 100], "alpha": [0.01, 0.01], "target": [0, 1], "ensemble": [0, 0]}

    def runs(error):
        return pd.DataFrame({**keys, "status": "budget", "test_error": error})

    tables = {"figure_1": runs([1.06, 2.08]), "figure_1_paper_step": runs([1.0, 2.0])}
    text = passages.figure_3_step({"tables": tables, "comparisons": {"figure_3_published": pd.DataFrame(rows)}})
    assert text.startswith("Our means lie above 2 of Figure 3's 2 published points, by 8.0 to 10.0 %.")
    assert "the larger step accounts for 5.0 of the 10.0 %; 4.8 % are left." in text
    assert text.endswith("the published point lies inside the prediction interval.")


def sidecars(folder, **seconds):
    """Write sidecars with these CPU seconds; two underscores part folders."""
    for name, used in seconds.items():
        path = folder / f"{name.replace('__', '/')}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"cpu_seconds": used, "peak_mib": round(10 * used)}))


def test_the_results_of_a_process_add_up_to_what_it_used(tmp_path):
    script = (
        "import json, resource, subprocess, sys\n"
        "from algoreg.results import records\n"
        "for name in 'ab':\n"
        "    subprocess.run([sys.executable, '-c', 'sum(range(4_000_000)); held = bytes(300 << 20)'])\n"
        "    records.write_json(f'results/tiny/{name}.json', {}, {})\n"
        "used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]\n"
        "print(sum(one.ru_utime + one.ru_stime for one in used))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    found = [records.read_provenance(tmp_path / "results" / "tiny" / f"{name}.json") for name in "ab"]
    assert sum(one["cpu_seconds"] for one in found) == pytest.approx(float(done.stdout), abs=0.05)
    assert all(one["cpu_seconds"] > 0.02 and 300 <= one["peak_mib"] < 3000 for one in found)


def test_times_are_summed_over_chapters_and_a_part_renews_its_own(tmp_path):
    used = {"data/gaussian/0.npz": 0.25, "data/gaussian/1.npz": 0.5, "experiments/gaussian/part-0.csv": 0.5}
    used |= {"tables/min_trace.csv": 7, "figures/min_trace.svg": 9, "claims/a.json": 1.25}
    sidecars(tmp_path, **{name.replace("/", "__"): seconds for name, seconds in used.items()})
    # Of an experiment that had more parts once, and of an older version, without the number.
    sidecars(tmp_path, **{"experiments__min_trace__part-9.csv": 99})
    (tmp_path / "tables" / "old.csv.json").write_text("{}")
    known = {"chapters": {"proof": 60, "remarks": 99}, "claims": {"b": 5.0}, "peak_mib": 80, "minutes": 3}
    required = {"a": ["claims/a.json", "tables/min_trace.csv"], "b": ["tables/none.csv"], "c": ["tables/old.csv"]}
    found = references.times(known, tmp_path, load_chapters(), [*used, "tables/old.csv"], required)
    assert found["chapters"] == {"proof": 60, "remarks": 7, "simulations": 1}
    assert found["claims"] == {"a": 8.2, "b": 5.0}
    assert (found["peak_mib"], found["minutes"]) == (90, 3)
    shown = report.costs({"quick": {"cost": {**found, "chapters": {"a": 90, "b": 60}, "processor": "One"}}})
    assert "| `quick` | 3, One | 2 | 90 MiB |" in shown
    assert "| `quick` | not yet measured | 1 | 9 MiB |" in report.costs(
        {"quick": {"cost": {"chapters": {"a": 66}, "peak_mib": 9}}}
    )
    shown = report.chapter_costs({"quick": {"cost": found}})
    assert shown.index("| `proof` | – | 60 |") < shown.index("| `remarks` | – | 7 |")


def test_only_a_whole_run_that_kept_two_cores_at_work_has_minutes(tmp_path):
    def ended(name, minute, seconds, processor="One"):
        path = tmp_path / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        said = {"written": f"2026-12-03T10:{minute:02}:00Z", "seconds": seconds, "cpu_seconds": seconds}
        path.write_text(json.dumps({**said, "machine": {"processor": processor}}))

    ended("tables/a.csv", 4, 240)
    ended("tables/b.csv", 4, 240)
    assert references.wall_clock(tmp_path) == {}
    ended("report/index.html", 5, 60)
    assert references.wall_clock(tmp_path) == {"minutes": 5.0, "processor": "One"}
    ended("report/explorer.html", 50, 60)
    assert references.wall_clock(tmp_path) == {}
    ended("report/explorer.html", 5, 60, "Another")
    assert references.wall_clock(tmp_path) == {}
