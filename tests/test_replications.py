"""Replications on fresh seeds: what agrees, what is counted and said, what is kept, what is refused."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import yaml
from conftest import ROOT, registered_claims

from algoreg.regression import references, replications
from algoreg.reporting import claim_documents, fresh_seeds
from algoreg.results import records

pytestmark = pytest.mark.any_kernels

sys.path.insert(0, str(ROOT / "tools"))


def judged(name, verdict="supported", estimate=1.0, low=0.8, high=1.3):
    return {"id": name, "verdict": verdict, "estimate": estimate, "ci_low": low, "ci_high": high}


def test_two_estimates_of_one_law_agree_in_95_of_100_cases():
    rng = np.random.default_rng(5)
    sizes = rng.uniform(0.5, 2, size=(4000, 2))
    draws = rng.normal(size=(4000, 2)) * sizes
    found = [
        replications.agrees(
            *(judged("x", estimate=x, low=x - 1.96 * s, high=x + 1.96 * s) for x, s in zip(*row, strict=True))
        )
        for row in zip(draws, sizes, strict=True)
    ]
    assert np.mean(found) == pytest.approx(0.95, abs=0.012)


def test_the_half_widths_that_face_each_other_count():
    # 1.3 up, 1.4 down: 0.3 and 0.4 make 0.5.
    low = judged("x", estimate=1.0, low=0.0, high=1.3)
    for distance, expected in ((0.49, True), (0.51, False)):
        high = judged("x", estimate=1 + distance, low=1 + distance - 0.4, high=9.0)
        assert replications.agrees(low, high) is replications.agrees(high, low) is expected
    assert replications.agrees(low, judged("x", estimate=1.0, low=None, high=None)) is None
    assert replications.agrees(low, judged("x", estimate=None, low=None, high=None)) is None


def test_what_has_no_width_agrees_up_to_rounding():
    fixed, rounded, other = (judged("x", estimate=x, low=x, high=x) for x in (0.1, 0.1 * (1 + 1e-15), 0.1001))
    assert replications.agrees(fixed, rounded)
    assert not replications.agrees(fixed, other)


def test_outcomes_count_verdicts_and_estimates_apart():
    committed = [judged("one"), judged("two"), judged("three", "not-judged", None, None, None)]
    runs = {
        "7": replications.run_summary([judged("one"), judged("two", "inconclusive", 5.0, 4.0, 6.0), committed[2]]),
        "8": replications.run_summary(
            [judged("one", estimate=9.0, low=8.9, high=9.1), judged("two", low=None, high=None)]
        ),
    }
    assert set(runs["7"]) == {"one", "two"}
    found = replications.outcomes(runs, committed)
    # Of two estimates with an interval nobody knows how they scatter.
    assert (found["one"].pop("scatter") < 1e-3, found["two"].pop("scatter")) == (True, None)
    one = {"seeds": 2, "same": 2, "near": 1, "compared": 2, "others": {}, "each": [1.0, 9.0], "estimates": (1.0, 9.0)}
    two = {
        "seeds": 2,
        "same": 1,
        "near": 0,
        "compared": 1,
        "others": {"inconclusive": 1},
        "each": [5.0, 1.0],
        "estimates": (1.0, 5.0),
    }
    assert found == {"one": {"committed": committed[0], **one}, "two": {"committed": committed[1], **two}}
    assert replications.outcomes({}, committed) == {}


def seeds_of(width, count=400, seeds=5):
    """Return outcomes of made-up claims with standard normal estimates,
    and intervals of ``width`` times the right one.
    """
    drawn = np.random.default_rng(0).standard_normal((seeds, count))
    runs = [
        [judged(f"c{i}", estimate=x, low=x - 1.96 * width, high=x + 1.96 * width) for i, x in enumerate(row.tolist())]
        for row in drawn
    ]
    committed = [{**one, "margin": 0.5} for one in runs[0]]
    return replications.outcomes(
        {str(seed): replications.run_summary(run) for seed, run in enumerate(runs[1:])}, committed
    )


def test_estimates_scatter_as_right_intervals_say_and_more_than_narrow_ones():
    chances = np.array([one["scatter"] for one in seeds_of(1.0).values()])
    # Uniform, as p-values are: a deviation of 0.08 would be found in one of a hundred draws of 400.
    assert np.abs(np.sort(chances) - np.linspace(0, 1, 400)).max() < 0.08
    assert replications.too_narrow(seeds_of(1.0)) == ([], 400)
    narrow, known = replications.too_narrow(seeds_of(0.25))
    assert known == 400
    assert len(narrow) > 200
    assert replications.too_narrow({}) == ([], 0)


def test_words_name_the_claims_whose_intervals_are_too_narrow():
    found = {"quick": seeds_of(0.1, count=2)}
    assert fresh_seeds.scattered(found["quick"]) == (
        " For 2 claims there are enough estimates to judge their spread over seeds: for 0 of them it is no larger than their "
        "95 % intervals predict."
    )
    assert fresh_seeds.too_scattered(found["quick"]) == " The others: `c0`, `c1`."
    assert fresh_seeds.too_scattered({"c0": {"scatter": None}}) == ""
    assert fresh_seeds.of_claim("c0", found).endswith("interval, scattered more than their intervals allow")
    assert "scattered" not in fresh_seeds.of_claim("c0", {"quick": seeds_of(1.0, count=2)})
    assert fresh_seeds.scattered({}) == ""


def ten_seeds():
    """Return made-up replications: ``holds`` as committed on 9 of 10 seeds, ``turns`` on 6,
    ``empty`` without an estimate.
    """
    committed = [
        {**judged("holds"), "margin": 0.5},
        {**judged("turns", estimate=-0.2, low=-0.3, high=-0.1), "margin": 0.0},
        {**judged("empty", "inconclusive", None, None, None), "margin": 1.0},
    ]
    runs = {}
    for seed in range(10):
        verdicts = {"holds": "inconclusive" if seed == 0 else "supported", "empty": "inconclusive"}
        verdicts["turns"] = "invalid" if seed < 3 else "refuted" if seed == 3 else "supported"
        changed = [{**one, "verdict": verdicts[one["id"]]} for one in committed]
        changed[1] |= {key: changed[1][key] + 0.01 * seed for key in replications.SUMMARY_KEYS[1:]}
        runs[str(seed)] = replications.run_summary(changed)
    return runs, committed


@pytest.fixture
def replicated(tmp_path, monkeypatch):
    """Return the outcomes of the made-up replications, kept as those of tier quick."""
    runs, committed = ten_seeds()
    monkeypatch.setattr(replications, "FOLDER", tmp_path)
    (tmp_path / "quick.json").write_text(json.dumps(runs))
    # A tier of one's own has no committed reference to be compared with.
    (tmp_path / "mine.json").write_text(json.dumps(runs))
    return replications.of_tiers({"quick": {"claims": committed}, "standard": {"claims": committed}})


def test_words_say_how_many_seeds_gave_which_verdict(replicated):
    assert list(replicated) == ["quick"]
    found = replicated["quick"]
    assert fresh_seeds.of_claim("turns", replicated) == (
        "tier quick: 6 of 10 fresh seeds as committed (supported), else 3 invalid, 1 refuted; estimates −0.2 … −0.11, "
        "10 of 10 within the joint 95 % interval"
    )
    assert "9 of 10 fresh seeds as committed (supported), else 1 inconclusive; estimates 1, 10" in fresh_seeds.of_claim(
        "holds", replicated
    )
    assert "estimates –, – within" in fresh_seeds.of_claim("empty", replicated)
    assert fresh_seeds.of_claim("other", replicated) == fresh_seeds.of_claim("turns", {}) == ""
    assert fresh_seeds.sentence("quick", found) == (
        "Tier quick: 2 of 3 claims keep their verdict on at least 9 of 10 fresh seeds; "
        "20 of 20 estimates lie within the joint 95 % interval. "
        "For 2 claims there are enough estimates to judge their spread over seeds: for all it is no larger than their 95 % "
        "intervals predict."
    )
    assert list(fresh_seeds.changed_verdicts(found)) == ["turns", "holds"]
    assert fresh_seeds.of_chapter({"turns", "empty"}, replicated) == (
        "Fresh seeds did not always give the committed verdict. Tier quick: `turns` on 6 of 10."
    )
    assert fresh_seeds.of_chapter({"empty", "other"}, replicated) == fresh_seeds.of_chapter({"turns"}, {}) == ""


@pytest.mark.parametrize(
    ("seeds", "said"), [(1, "on one fresh seed"), (9, "on all 9 fresh seeds"), (20, "on at least 18 of 20 fresh seeds")]
)
def test_nine_tenths_of_the_seeds_are_enough(seeds, said):
    runs = {str(seed): replications.run_summary([judged("one")]) for seed in range(seeds)}
    found = replications.outcomes(runs, [judged("one")])
    assert fresh_seeds.steady(found) == f"1 of 1 claims keep their verdict {said}"


def test_a_claim_that_fewer_seeds_judged_is_not_said_to_be_judged_by_all():
    both, one = replications.run_summary([judged("one"), judged("two")]), replications.run_summary([judged("one")])
    found = replications.outcomes({"1": both, "2": one, "3": one}, [judged("one"), judged("two")])
    said = "2 of 2 claims keep their verdict on each of their 1 to 3 fresh seeds"
    assert fresh_seeds.steady(found) == said


def test_documents_count_fresh_seeds_where_there_are_any(replicated):
    entry = registered_claims()[0]
    outcomes = {"quick": {entry["id"]: replicated["quick"]["turns"]}}

    def in_full(fresh):
        return claim_documents.claims_in_full([entry], (), fresh, (), {})[f"docs/claims/{entry['chapter']}.md"]

    text = fresh_seeds.document(outcomes, [entry])
    page = f"claims/{entry['chapter']}.md"
    row = f"| [`{entry['id']}`]({page}#{entry['id']}) | supported | 6 of 10 | 3 invalid, 1 refuted | −0.2 |"
    assert text.count(row) == 2, "among those that turned, and in its chapter"
    assert "| on fresh seeds | tier quick: 6 of 10" in in_full(outcomes)
    assert claim_documents.claims_table([entry], (), outcomes, ()).rstrip().endswith("| **quick 6 of 10** |")
    assert claim_documents.claims_table([entry], (), {}, ()).rstrip().endswith("| – |")
    assert "No seed is kept yet." in fresh_seeds.document({}, [entry])
    assert "on fresh seeds" not in in_full({})


def test_the_page_depends_on_replications_and_on_what_they_are_compared_with(replicated):
    assert replications.tiers() == ["quick"]
    path, *others = replications.files()
    assert path == replications.path_of("quick")
    assert others == list(references.paths("quick").values())


def test_committed_replications_are_of_fresh_seeds_and_known_claims():
    for path in replications.FOLDER.glob("*.json"):
        committed = {claim["id"] for claim in references.read_claims(path.stem)}
        runs = replications.read(path.stem)
        assert runs
        assert str(yaml.safe_load((ROOT / "config" / f"{path.stem}.yaml").read_text())["seed"]) not in runs
        assert all(set(run) <= committed for run in runs.values()), path
        assert all(math.isfinite(one["estimate"]) for run in runs.values() for one in run.values() if one["estimate"])


def test_the_committed_seed_is_refused_as_not_fresh():
    for seed, said in (
        ("2018", "SEED = 2018: this is the committed run's; a fresh one is any other"),
        ("x", "SEED = x: allowed are whole numbers other than the tier's seed"),
        ("4294967296", "SEED = 4294967296: allowed is a whole number from 0 to 2147483647"),
    ):
        done = subprocess.run(["make", "replicate", f"SEED={seed}"], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode
        assert said in done.stdout + done.stderr, done


def test_a_fresh_tier_has_the_sizes_of_the_tier_and_another_seed(tmp_path, monkeypatch):
    import replicate

    (tmp_path / "config").mkdir()
    content = yaml.safe_load((ROOT / "config" / "quick.yaml").read_text())
    (tmp_path / "config" / "quick.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setattr(replicate, "ROOT", tmp_path)
    path = replicate.fresh_tier("quick", 7)
    assert path == tmp_path / "results" / "quick-seed-7" / "quick-seed-7.yaml"
    assert yaml.safe_load(path.read_text()) == {**content, "tier": "quick-seed-7", "like": "quick", "seed": 7}


def test_the_report_names_what_came_out_otherwise():
    import replicate

    committed = [judged("one"), judged("two"), judged("far"), judged("none", "not-judged", None, None, None)]
    new = replications.run_summary(
        [judged("one", estimate=1.1), judged("two", "refuted"), judged("far", estimate=3.0, low=2.9, high=3.1)]
    )
    lines = replicate.report(new, committed).split("\n")
    assert lines[0].startswith("two: refuted, 1.0 [0.8, 1.3]; committed supported")
    assert lines[1].endswith("further apart than their intervals allow")
    assert lines[2:] == ["1 of 3 claims came out as committed."]


@pytest.fixture
def replicated_by(tmp_path, monkeypatch):
    """Let tools/replicate.py run what it is given, beside committed claims, in a folder of the test."""
    import replicate

    def replace(run, committed):
        (tmp_path / "config").mkdir()
        (tmp_path / "config" / "quick.yaml").write_text((ROOT / "config" / "quick.yaml").read_text())
        monkeypatch.setattr(replicate, "ROOT", tmp_path)
        monkeypatch.setattr(replicate, "run", run)
        monkeypatch.setattr(replications, "FOLDER", tmp_path / "committed")
        monkeypatch.setattr(references, "read_claims", lambda tier: committed)

    return replace


def test_some_claims_are_judged_again_and_the_others_kept(replicated_by, monkeypatch):
    import replicate

    def run(file, cores, claims):
        for name in claims:
            records.write_json(file.parent / "claims" / f"{name}.json", judged(name, "refuted"), {})
        return 0

    replicated_by(run, [judged("one"), judged("two"), judged("three", "not-judged")])
    replicate.keep(replications.path_of("quick"), 11, replications.run_summary([judged("one"), judged("two")]))
    monkeypatch.setattr(sys, "argv", ["replicate.py", "11", "--claims", "two", "--commit"])
    replicate.main()
    kept = replications.read("quick")["11"]
    assert {name: one["verdict"] for name, one in kept.items()} == {"one": "supported", "two": "refuted"}
    monkeypatch.setattr(sys, "argv", ["replicate.py", "11", "--claims", "tow"])
    with pytest.raises(SystemExit, match="--claims tow: allowed are ids"):
        replicate.main()
    monkeypatch.setattr(sys, "argv", ["replicate.py", "12", "--claims", "two", "three"])
    with pytest.raises(SystemExit, match="--claims three: allowed are claims that tier quick judges"):
        replicate.main()
    assert "12" not in replications.read("quick")


def test_seeds_run_one_after_the_other_and_a_failed_control_is_kept(replicated_by, monkeypatch, capsys):
    import replicate

    def run(file, cores, claims):
        verdict = "invalid" if file.stem.endswith("12") else "supported"
        assert (cores, claims) == (3, [])
        records.write_json(file.parent / "claims.json", [judged("one", verdict)], {})
        return 0

    replicated_by(run, [judged("one")])
    monkeypatch.setattr(sys, "argv", ["replicate.py", "12", "11", "--cores", "3"])
    replicate.main()
    # What is committed changes only where that is asked for.
    assert replications.read("quick") == {}
    assert not list(replications.FOLDER.parent.glob("committed/*"))
    for seed, verdict in ("12", "invalid"), ("11", "supported"):
        path = replicate.ROOT / "results" / f"quick-seed-{seed}" / "replication.json"
        assert json.loads(path.read_text())[seed]["one"]["verdict"] == verdict
    capsys.readouterr()
    sys.argv.append("--commit")
    replicate.main()
    assert {seed: run["one"]["verdict"] for seed, run in replications.read("quick").items()} == {
        "11": "supported",
        "12": "invalid",
    }
    said = capsys.readouterr().out
    assert "seed 12:\none: invalid, 1.0 [0.8, 1.3]; committed supported" in said
    assert "seed 11:\n1 of 1 claims came out as committed." in said
