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
from algoreg.claims import published
from algoreg.regression import comparison, references, rejudge, snapshots
from algoreg.regression.tolerances import Tolerances
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


def snapshot(scale=1.0, verdict="supported", low=0.2, margin=0.1):
    values = [0.1 * scale, 1e-8]
    table = table_of({"alpha": [1.0, 0.1], "status": ["budget"] * 2, "train_error": values, "test_error": values})
    claim = {
        "id": "a",
        "verdict": verdict,
        "estimate": 0.3,
        "ci_low": low,
        "ci_high": 0.4,
        "margin": margin,
        "control_verdict": "refuted",
        "positive_control_verdict": None,
    }
    return {"tables": {"t": table}, "comparisons": {}, "claims": [claim]}


@pytest.mark.parametrize(
    ("reference", "scale", "size"),
    # The largest of the three: the committed number, what it belongs to, and the floor, 0.5.
    [(2.0, 2.0, 2.0), (-2.0, 1.0, 2.0), (1.0, -3.0, 3.0), (0.0, 0.0, 0.5), (0.4, 0.4, 0.5)],
)
def test_derived_numbers_agree_within_a_share_of_the_largest_size_and_no_more(reference, scale, size):
    tolerances = Tolerances({}, {"relative": 0.01, "floor": 0.5}, {}, {"a-claim": {"relative": 0.1}})
    for claim, relative in ((None, 0.01), ("a-claim", 0.1)):
        for sign in (-1, 1):
            assert tolerances.close(reference + sign * 0.99 * relative * size, reference, scale, claim)
            assert not tolerances.close(reference + sign * 1.01 * relative * size, reference, scale, claim)


def test_comparison_with_a_reference():
    base = snapshot()
    assert comparison.compare(base, base)[1]
    assert "identical" in comparison.compare(base, base)[0][0]
    lines, passed = comparison.compare(snapshot(1.001), base)
    assert passed
    assert "within tolerance; worst: train_error at alpha=1.0" in lines[0]
    lines, passed = comparison.compare(snapshot(1.01), base)
    assert not passed
    assert "DIFFERENT" in lines[0]
    assert not comparison.compare(snapshot(verdict="refuted"), base)[1]
    assert not comparison.compare(snapshot(margin=0.2), base)[1]
    near = comparison.compare(snapshot(verdict="inconclusive", low=0.0999), snapshot(low=0.1001))
    assert near[1]
    assert any("an interval's end lies at the margin" in line for line in near[0])
    assert not comparison.compare(snapshot(verdict="invalid", low=0.0999), snapshot(low=0.1001))[1]
    assert not comparison.compare(snapshot(low=0.25), base)[1]
    weak = snapshot()
    weak["claims"][0]["control_verdict"] = "inconclusive"
    assert not comparison.compare(weak, base)[1]
    compared = [
        {**base, "comparisons": {"c": pd.DataFrame([{"ours": value, "inside": True}])}} for value in (0.1, 0.1002, 0.2)
    ]
    assert [comparison.compare(one, compared[0])[1] for one in compared] == [True, True, False]
    assert not comparison.compare(compared[0], base)[1]
    assert not comparison.compare({**base, "tables": {}}, base)[1]


def test_a_comparison_counts_what_is_over_tolerance():
    rows = {"m": [1, 2, 3, 4], "status": ["budget"] * 4}
    table = table_of({**rows, "a": [1.0] * 4, "b": [1.0] * 3 + [None], "c": [None] * 4})
    base = {**snapshot(), "tables": {"t": table}}
    moved = table.assign(a=[1.0, 1.1, 1.001, 1.2], b=[1.0, 1.3, 1.0, 1.0])
    other = {**base, "tables": {"t": moved}}
    line = comparison.compare(other, base)[0][0]
    assert line.startswith(
        "table t: DIFFERENT; 4 of 8 cells over tolerance, in 2 of 4 rows; worst: b at m=4: missing in"
    )
    other = {**base, "tables": {"t": moved.assign(status=["budget", "diverged", "budget", "converged"])}}
    line = comparison.compare(other, base)[0][0]
    assert "the status of 2 of 4 rows differs; first: status at m=2: diverged, reference budget" in line


def test_infinite_and_empty_cells_and_columns_in_another_order_are_compared():
    rows = {"m": [1, 2], "status": ["budget"] * 2}
    known = Tolerances.load()
    some = {"share": 0.5, "reason": "chaotic"}
    tolerances = Tolerances(known.default, known.derived, {"t": {"status": some}})

    def passes(new, old):
        one, other = ({**snapshot(), "tables": {"t": table_of({**rows, **side})}} for side in (new, old))
        return comparison.compare(one, other, tolerances)[1]

    infinite = {"a": [1.0, np.inf]}
    assert passes(infinite, {"a": [1.0 + 1e-9, np.inf]})
    for other in ({"a": [1.0, 2.0]}, {"a": [1.0, -np.inf]}, {"a": [1.0, None]}):
        assert not passes(infinite, other)
        assert not passes(other, infinite)
    nothing = {"a": [None, None]}
    assert passes({**nothing, "status": ["budget", "diverged"]}, nothing)
    one, other = (
        {**snapshot(), "comparisons": {"c": pd.DataFrame([row])}}
        for row in ({"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.001})
    )
    assert comparison.compare(one, other)[1]


def test_a_share_of_cells_and_statuses_may_lie_further_off_but_no_more():
    some = {"share": 0.25, "reason": "chaotic"}
    known = Tolerances.load()
    tolerances = Tolerances(known.default, known.derived, {"t": {"a": some, "status": some}})
    rows = {"m": [1, 2, 3, 4], "status": ["budget"] * 4}
    base = {**snapshot(), "tables": {"t": table_of({**rows, "a": [1.0] * 4, "b": [1.0] * 4})}}

    def passes(**changes):
        other = {**base, "tables": {"t": base["tables"]["t"].assign(**changes)}}
        return comparison.compare(other, base, tolerances)[1]

    few, many = [1.0, 9.0, 1.0, 1.0], [1.0, 9.0, 9.0, 1.0]
    assert passes(a=few)
    assert not passes(a=many)
    assert not passes(b=few)
    assert passes(status=["budget"] * 3 + ["converged"])
    assert not passes(status=["budget"] * 2 + ["converged"] * 2)
    # A pattern of columns says nothing of how runs end.
    tolerances = Tolerances(known.default, known.derived, {"t": {"*": some}})
    assert not passes(status=["budget"] * 3 + ["converged"])


def test_a_missing_value_is_a_difference():
    other = snapshot()
    other["tables"]["t"]["test_error"] = [np.nan, 1e-8]
    lines, passed = comparison.compare(other, snapshot())
    assert not passed
    assert "missing in this run only" in lines[0]


def test_a_reference_of_a_part_compares_that_part():
    whole = snapshot()
    whole["tables"]["more"] = whole["tables"]["t"]
    whole["claims"].append({**whole["claims"][0], "id": "b"})
    lines, passed = comparison.compare(whole, {**snapshot(), "partial": True})
    assert passed
    assert lines[0] == "the reference covers a part of this tier: only that part is compared"
    assert "claims: 1 of 1 as in the reference" in lines
    assert not any("more" in line for line in lines)
    for lost in ("tables", "claims", "comparisons"):
        part = {**snapshot(), "partial": True, "comparisons": {"c": pd.DataFrame({"ours": [0.1]})}}
        new = {**whole, "comparisons": {"c": pd.DataFrame({"ours": [0.1]})}}
        assert comparison.compare(new, part)[1]
        assert not comparison.compare({**new, lost: type(new[lost])()}, part)[1], lost
    assert not comparison.compare(whole, snapshot())[1]


@pytest.mark.workflow
def test_a_part_of_a_tier_is_what_is_there_of_it(repository):
    results = repository / "results" / "smoke"
    tier, chapter = tier_settings("smoke"), load_chapters(["simulations"])[0]
    whole = snapshots.snapshot(results, tier, chapter)
    part = snapshots.snapshot(results, tier, chapter, partial=True)
    assert comparison.compare(whole, part)[1]
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
    lines, passed = comparison.compare({**kept, "claims": list(again.values())}, kept)
    assert passed, lines
    assert len(content["comparisons"]["figure_4_published_d150"]) == 14
    # What has a table that is not there is not judged.
    assert "fig4-published-stated-step" not in again
    # A run that moves changes the verdict: these are no copies.
    moved = tables["figure_4"].copy()
    moved.loc[(moved["d"] == 150) & (moved["m_over_d"] == 35), "test_error"] *= 2
    rows = published.compare(moved, published.load_published("figure_4_d150"))
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


def test_costs_are_the_sums_of_the_sidecars(tmp_path):
    made = ["tables/b.csv", "tables/c.csv", "figures/a.svg", "data/one/ensemble-0.npz"]
    assert references.cost_of(tmp_path, made) is None
    sidecars(tmp_path, **{"figures__a.svg": 37.25, "tables__b.csv": 2.5})
    # Of an older version, without the number.
    (tmp_path / "tables" / "c.csv.json").write_text("{}")
    # Of earlier settings; a page is of no kind that a reference is made of.
    sidecars(tmp_path, **{"tables__old.csv": 99, "data__one__ensemble-1.npz": 99, "experiments__old__part-0.csv": 99})
    sidecars(tmp_path, **{"notebooks__01.html": 0.75, "data__one__ensemble-0.npz": 1, "figures__a.pdf": 0.25})
    found = references.cost_of(tmp_path, made)
    assert found == {"cpu_seconds": 42, "peak_mib": 372}
    costs = report.costs({"quick": {"cost": found}, "standard": {"cost": {"job_seconds": 9, "peak_mib": 2}}})
    assert "| `quick` | 0.7 min | 0.3 min | 372 MiB |" in costs
    assert "| `standard` | – | – | 2 MiB |" in costs


def test_a_run_begins_with_how_long_its_tier_takes(monkeypatch):
    monkeypatch.setattr(references, "costs", lambda: {"quick": {"cpu_seconds": 600}, "full": {"job_seconds": 9}})
    assert (
        "took 10 minutes of CPU time where its reference was made, without the start of each job"
        in references.duration("quick")
    )
    # Not of all of it: `make estimate` measures no experiments.
    assert references.duration("full").endswith("make estimate TIER=full estimates how long its descents take here.")
    assert references.duration("mine") is None


def test_what_a_chapter_costs_are_its_tables_without_figures(tmp_path):
    used = {"data/gaussian/0.npz": 0.25, "data/gaussian/1.npz": 0.5, "experiments/gaussian/part-0.csv": 0.5}
    used |= {"tables/min_trace.csv": 7, "figures/min_trace.svg": 9, "claims.json": 9}
    sidecars(tmp_path, **{name.replace("/", "__"): seconds for name, seconds in used.items()})
    # Of an experiment that had more parts once.
    sidecars(tmp_path, **{"experiments__min_trace__part-9.csv": 99})
    found = references.chapter_costs(tmp_path, load_chapters(), used)
    assert found == {"simulations": 1, "remarks": 7}
    shown = report.chapter_costs({"quick": {"cost": {"chapters": found}}})
    assert shown.index("| `remarks` | – | 7 |") < shown.index("| `simulations` | – | 1 |")


def test_the_same_rows_may_have_ended_otherwise_where_a_share_of_them_may():
    tolerances = Tolerances.load()
    old = table_of({"n": list(range(100)), "status": ["ended"] * 100, "error": [1.0] * 100})
    new = old.assign(status=["diverged", *["ended"] * 99])
    assert comparison.same_rows(old, old, "chaotic", tolerances)
    assert not comparison.same_rows(new, old, "chaotic", tolerances)
    tolerances.tables["chaotic"] = {"status": {"share": 0.01}}
    assert comparison.same_rows(new, old, "chaotic", tolerances)
    assert not comparison.same_rows(new.assign(n=new["n"] + 1), old, "chaotic", tolerances)
