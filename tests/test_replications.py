"""Replications on fresh seeds: what agrees, what is counted, what is refused."""

import math
import subprocess
import sys

import numpy as np
import pytest
import yaml
from conftest import ROOT

from algoreg.judge import references, replications

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


def test_outcomes_count_verdicts_and_estimates_apart():
    committed = [judged("one"), judged("two"), judged("three", "not-judged", None, None, None)]
    runs = {
        "7": replications.kept([judged("one"), judged("two", "inconclusive", 5.0, 4.0, 6.0), committed[2]]),
        "8": replications.kept([judged("one", estimate=9.0, low=8.9, high=9.1), judged("two", low=None, high=None)]),
    }
    assert set(runs["7"]) == {"one", "two"}
    found = replications.outcomes(runs, committed)
    assert found == {
        "one": {"seeds": 2, "same": 2, "near": 1, "compared": 2, "others": []},
        "two": {"seeds": 2, "same": 1, "near": 0, "compared": 1, "others": ["inconclusive"]},
    }
    assert replications.summary(found) == (
        "3 of 4 verdicts on 2 fresh seeds are the committed ones; 1 of 3 estimates lie within the joint 95 % interval."
    )
    assert replications.summary(replications.outcomes({}, committed)) == ""


def test_committed_replications_are_of_fresh_seeds_and_known_claims():
    for path in replications.FOLDER.glob("*.json"):
        committed = {claim["id"] for claim in references.read_tier(path.stem)["claims"]}
        runs = replications.read(path.stem)
        assert runs
        assert str(yaml.safe_load((ROOT / "config" / f"{path.stem}.yaml").read_text())["seed"]) not in runs
        assert all(set(run) <= committed for run in runs.values()), path
        assert all(math.isfinite(one["estimate"]) for run in runs.values() for one in run.values() if one["estimate"])


def test_the_committed_seed_is_refused_as_not_fresh():
    for seed, said in (
        ("2018", "SEED = 2018: this is the committed run's; a fresh one is any other"),
        ("x", "SEED = x: allowed is a whole number other than the tier's seed"),
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
    new = replications.kept(
        [judged("one", estimate=1.1), judged("two", "refuted"), judged("far", estimate=3.0, low=2.9, high=3.1)]
    )
    lines = replicate.report(new, committed).split("\n")
    assert lines[0].startswith("two: refuted, 1.0 [0.8, 1.3]; committed supported")
    assert lines[1].endswith("further apart than their intervals allow")
    assert lines[2:] == ["1 of 3 claims came out as committed."]
