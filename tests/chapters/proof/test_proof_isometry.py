import math

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import measured, option_problems
from test_ensembles import symmetric

from algoreg.chapters.proof import estimands as proof
from algoreg.chapters.proof.experiments import isometry_lemmas, rip
from algoreg.claims.intervals import UNDEFINED
from algoreg.engine.experiment import Context
from algoreg.ensembles import gaussian, gram, wishart
from algoreg.numerics import isometry
from algoreg.numerics.svec import smat, svec

CONTEXT = Context(0, [0], torch.device("cpu"), torch.float64)


def rows_of(name, options, ensembles=(0, 1)):
    return measured(name, options, seed=3, ensembles=ensembles)


def test_the_low_rank_part_is_the_truncated_svd():
    matrices = symmetric(6, 4, 0)
    left, values, right = torch.linalg.svd(matrices)
    values[:, 2:] = 0
    expected = left * values[:, None] @ right
    torch.testing.assert_close(smat(isometry.low_rank_part(svec(matrices), 6, 2), 6), expected)


def test_random_matrices_have_their_rank_and_unit_norm():
    drawn = smat(isometry.random_low_rank(7, 3, 20, np.random.default_rng(0)), 7)
    assert torch.linalg.matrix_rank(drawn, tol=1e-9).tolist() == [3] * 20
    torch.testing.assert_close(torch.linalg.matrix_norm(drawn), torch.ones(20, dtype=torch.float64))


def test_at_full_rank_the_attack_finds_the_extreme_eigenvalues():
    for m in (12, 200):
        found = gram.Ensemble.draw(5, m, 0, 0).gram
        eigenvalues = torch.linalg.eigvalsh(found)
        plus, minus = isometry.isometry_attack(found, 5, 5, 6, 400, np.random.default_rng(0))
        assert plus == pytest.approx(eigenvalues[-1].item() - 1, rel=1e-4)
        assert minus == pytest.approx(1 - eigenvalues[0].item(), rel=1e-4)


def test_at_rank_one_the_attack_is_as_good_as_a_grid():
    """d = 2: all unit matrices of rank one are ±vvᵀ, one angle."""
    ensemble = gaussian.Ensemble.draw(2, 30, 4, 0)
    angle = torch.linspace(0, math.pi, 20001, dtype=torch.float64)
    v = torch.stack([angle.cos(), angle.sin()], dim=1)
    measured = ensemble.measure(v[:, :, None] * v[:, None]).square().mean(dim=1)
    plus, minus = isometry.isometry_attack(gram.Ensemble.of(ensemble).gram, 2, 1, 8, 200, np.random.default_rng(0))
    assert plus == pytest.approx(max(measured.max().item() - 1, 0), abs=1e-6)
    assert minus == pytest.approx(max(1 - measured.min().item(), 0), abs=1e-6)


def test_what_is_attacked_is_attained_and_below_the_certificate():
    ensemble = wishart.Ensemble.draw(10, 500, 0, 0)
    values = [max(isometry.isometry_attack(ensemble.gram, 10, r, 6, 60, np.random.default_rng(0))) for r in (1, 3, 10)]
    assert values == sorted(values)
    assert values[-1] <= ensemble.isometry_deviation() * (1 + 1e-9)
    random = isometry.isometry_attack(ensemble.gram, 10, 3, 50, 0, np.random.default_rng(0))
    assert 0 < max(random) < values[1]


def test_the_bilinear_attack_is_the_norm_at_full_rank_and_never_below_the_quadratic_one():
    deviation = gram.Ensemble.draw(5, 40, 0, 0).gram
    norm = torch.linalg.matrix_norm(deviation - torch.eye(15, dtype=torch.float64), 2).item()
    assert isometry.bilinear_attack(deviation, 5, (5, 5), 6, 300, np.random.default_rng(0)) == pytest.approx(
        norm, rel=1e-6
    )
    # Lemma 2.3's deviation is the largest |eigenvalue| of M(X) − X: check it at the X that a direct search would use.
    x = isometry.random_low_rank(5, 2, 400, np.random.default_rng(1))
    direct = torch.linalg.eigvalsh(smat(x @ deviation - x, 5)).abs().max().item()
    assert isometry.bilinear_attack(deviation, 5, (2, 1), 8, 60, np.random.default_rng(0)) >= direct


def test_trace_measurements_pass_at_rank_one_and_break_the_printed_lemmas():
    identity = gram.Ensemble(torch.eye(15, dtype=torch.float64), 5, 10**6)
    traced = isometry_lemmas.with_trace(identity, 0.5)
    a, b = torch.eye(5, dtype=torch.float64)[0], torch.eye(5, dtype=torch.float64)[1]
    x, y = (svec(torch.outer(v, v)[None])[0] for v in (a, b))
    assert (x @ traced.gram @ x).item() == pytest.approx(1)
    assert (x @ traced.gram @ y).item() == pytest.approx(0.5)
    assert max(isometry.isometry_attack(traced.gram, 5, 1, 6, 50, np.random.default_rng(0))) < 1e-12
    for ranks in ((1, 1), (1, 1)):
        assert isometry.bilinear_attack(traced.gram, 5, ranks, 6, 50, np.random.default_rng(0)) == pytest.approx(0.5)
    assert max(isometry.isometry_attack(traced.gram, 5, 2, 8, 200, np.random.default_rng(0))) == pytest.approx(0.5)


def test_the_width_is_that_of_a_chi_law_at_full_rank():
    expected = math.sqrt(2) * math.gamma(11 / 2) / math.gamma(10 / 2)
    assert isometry.gaussian_width(4, 4, 4000, np.random.default_rng(0)) == pytest.approx(expected, rel=0.01)


def test_rip_rows_form_a_star_and_bracket_delta():
    table = rows_of("rip", {"d": [8, 6], "rank": [2, 1], "m": [300, 100], "practical": [20], "starts": 3, "rounds": 20})
    points = table[["regime", "d", "rank", "m"]].drop_duplicates()
    assert len(points) == 5
    assert len(table) == 5 * 2 * 2
    hard = table[table["attack"] == "adversarial"]
    soft = table[table["attack"] == "random"]
    assert (hard["delta_low"] <= hard["delta_up"]).all()
    assert hard["delta_low"].mean() > 2 * soft["delta_low"].mean()
    np.testing.assert_allclose((1 + table["upper_root"]) ** 2 - 1, table["delta_plus"])
    assert not table.isna().any(axis=None)


def test_rank_one_measurements_have_the_stated_second_moment():
    drawn = rip.rank_one_gram(4, 200_000, CONTEXT, 0).gram
    traceless = svec(torch.diag(torch.tensor([1.0, -1.0, 0.0, 0.0], dtype=torch.float64))[None])[0] / 2**0.5
    assert (traceless @ drawn @ traceless).item() == pytest.approx(1, abs=0.03)


def test_lemma_rows_hold_with_the_right_rank_and_fail_as_printed():
    table = rows_of("isometry_lemmas", {"d": 8, "rank": [1, 2], "certified": [100_000], "starts": 5, "rounds": 40})
    plain = table[table["trace_weight"] == 0]
    assert (plain["over_low"] < 1).all()
    assert (plain["over_up"] <= plain["over_low"]).all()
    traced = table[(table["trace_weight"] > 0) & (table["rank"] == 1)]
    assert (traced["over_printed_up"] > 1).all()


def needs(low, up, ensembles=4):
    rows = [
        {"m": m, "target": t, "ensemble": e, "low": low * (1 + 0.01 * (t + e) - 0.1 * k), "up": up * (1 + 0.01 * (t + e) - 0.1 * k)}
        for k, m in enumerate((10, 20)) for t in range(3) for e in range(ensembles)
    ]  # fmt: skip
    return {"x": pd.DataFrame(rows)}


@pytest.mark.known_answer("bracketed_need")
@pytest.mark.replicates(200)
@pytest.mark.parametrize(
    ("low", "up", "outcome"), [(0.5, 0.3, "supported"), (9.0, 2.0, "refuted"), (1.5, 0.7, "inconclusive")]
)
def test_the_rule_of_judgement_with_a_bracket(low, up, outcome):
    from algoreg.claims.judging import verdict

    found = proof.bracketed_need(needs(low, up), {}, np.random.default_rng(0), table="x", low="low", up="up", by=["m"])
    assert found.low <= found.value <= found.high
    # Of the two m the first has the larger means, of 3 targets and 4 ensembles.
    assert found.value == pytest.approx(low * 1.025)
    assert verdict(found, "below", 1) == outcome
    second = {"where": {"m": 20}, "low": "low", "up": "up", "by": ["m"]}
    found = proof.bracketed_need(needs(low, up), {}, np.random.default_rng(0), table="x", **second)
    assert found.value == pytest.approx(low * 0.925)
    lost = needs(low, up)
    lost["x"].loc[0, "up"] = np.nan
    assert (
        proof.bracketed_need(lost, {}, np.random.default_rng(0), table="x", low="low", up="up", by=["m"]) == UNDEFINED
    )


@pytest.mark.known_answer("exponents_distance")
@pytest.mark.replicates(200)
def test_the_distance_of_exponents_is_that_of_the_worst_axis():
    rng = np.random.default_rng(0)
    points = [(d, 2, 100) for d in (8, 16, 32)] + [(16, r, 100) for r in (1, 4)] + [(16, 2, m) for m in (50, 400)]
    rows = [
        {"d": d, "rank": r, "m": m, "ensemble": e, "a": d**0.5 * r**0.4 / m**0.5 * np.exp(0.01 * rng.standard_normal())}
        for d, r, m in points for e in range(5)
    ]  # fmt: skip
    options = {
        "table": "x", "values": ["a"], "along": {"d": {"rank": 2, "m": 100}, "rank": {"d": 16, "m": 100}, "m": {"d": 16, "rank": 2}},
        "expected": 0.5, "falling": ["m"],
    }  # fmt: skip
    tables = {"x": pd.DataFrame(rows)}
    found = proof.exponents_distance(tables, {}, np.random.default_rng(0), **options)
    assert found.value == pytest.approx(0.1, abs=0.02)
    assert found.low < found.value < found.high
    wrong = proof.exponents_distance(tables, {}, np.random.default_rng(0), **{**options, "falling": []})
    assert wrong.value == pytest.approx(1.0, abs=0.05)
    tables["x"].loc[0, "a"] = 0.0
    assert proof.exponents_distance(tables, {}, np.random.default_rng(0), **options) == UNDEFINED
    with pytest.raises(ValueError, match="an exponent needs at least three"):
        proof.exponents_distance(
            tables, {}, np.random.default_rng(0), **{**options, "along": {"d": {"rank": 1, "m": 100}}}
        )


def test_options_that_cannot_be_are_named_before_any_job():
    cases = [
        ("rip", {"rank": [20]}, "allowed is rank at most d"),
        ("isometry_lemmas", {"certified": [30]}, "certified m of at least d(d+1)/2"),
        ("isometry_lemmas", {"rank": [5]}, "ranks at most d/2"),
        ("rank_one_dynamics", {"certified": [20]}, "certified m of at least d(d+1)/2"),
        ("rank_r_dynamics", {"alpha": [11.0]}, "α below d"),
        ("rank_r_dynamics", {"step": 0.7}, "step = 0.7: Input should be less than or equal to 0.5"),
        ("dynamics_course", {"every": 1000}, "every at most iterations"),
    ]
    for name, change, message in cases:
        found = option_problems(name, **change)
        assert any(f"experiments.{name}.options" in line and message in line for line in found), (change, found)
    with pytest.raises(ValueError, match="a Wishart draw for d = 8 needs at least"):
        wishart.Ensemble.draw(8, 30, 0, 0)
    # Where Bartlett's factor does not exist the experiment draws the measurements themselves.
    direct = rip.gram_matrix(8, 30, CONTEXT, 0)
    torch.testing.assert_close(direct.gram, gram.Ensemble.draw(8, 30, 0, 0).gram)
