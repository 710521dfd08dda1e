"""Quadratic networks minimised to the end, against finite differences and plain loops; what the claims about landscapes measure."""

import numpy as np
import pandas as pd
import pytest
from conftest import measured, option_problems
from drawn import RUNS, crossed, curve, drawn_law, geometric, level, margin, mean, same, where

from algoreg.analysis.intervals import UNDEFINED
from algoreg.chapters.landscape import estimands, minima
from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.seeds import stream
from algoreg.tell.figures import draw

pytestmark = pytest.mark.replicates(200)

SEED, D, M = 5, 5, 20
PLANTED = {"d": D, "m": M, "positive": [1, 2], "targets": 3}
WIDTHS = {"d": D, "m": M, "labels": "positive", "positive": [1, 2, 3, 4, 5], "size": 0.3, "targets": 2}
SIGNED = {"d": D, "m": 12, "labels": "normal", "positive": [D], "negative": [0, D], "targets": 2}
SIZES = {"d": 6, "m_over_d": [4, 12], "width": [1], "alpha": [1.0, 1e-4], "step": 0.03, "time": 30.0, "targets": 2}


def drawn(m=M):
    return Ensemble.draw(D, m, SEED, 0).vectors.numpy()


def plain_loss(factor, signs, vectors, labels):
    x = factor @ np.diag(signs) @ factor.T
    return np.mean([(v @ x @ v - y) ** 2 for v, y in zip(vectors, labels, strict=True)]) / 4


def test_loss_gradient_and_curvature_are_those_of_finite_differences():
    vectors, generator = drawn(), np.random.default_rng(0)
    labels, factor, signs = generator.normal(size=M), generator.normal(size=(D, 2)), np.array([1.0, -1.0])
    loss, gradient = minima.loss_and_gradient(factor, signs, vectors, labels)
    assert loss == pytest.approx(plain_loss(factor, signs, vectors, labels))
    for place in np.ndindex(factor.shape):
        moved = np.zeros_like(factor)
        moved[place] = 1e-6
        ends = [plain_loss(factor + sign * moved, signs, vectors, labels) for sign in (1, -1)]
        assert gradient[place] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-7)
    decayed, own = minima.loss_and_gradient(factor, signs, vectors, labels, decay=0.3)
    assert decayed == pytest.approx(loss + 0.15 * np.sum(factor**2))
    np.testing.assert_allclose(own, gradient + 0.3 * factor)
    unit, one = factor[:, :1], np.ones(1)

    def slope(point):
        return minima.loss_and_gradient(point[:, None], one, vectors, labels)[1][:, 0]

    hessian = np.stack([(slope(unit[:, 0] + e) - slope(unit[:, 0] - e)) / 2e-6 for e in 1e-6 * np.eye(D)])
    smallest = np.linalg.eigvalsh((hessian + hessian.T) / 2)[0]
    assert minima.smallest_curvature(unit[:, 0], vectors, labels) == pytest.approx(smallest, rel=1e-4)


def test_one_unit_ends_where_the_table_says():
    table = measured("quadratic_minima", PLANTED, seed=SEED)
    vectors = drawn()
    for target in range(3):
        factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0]}, D, 1, SEED, target)
        labels = np.sum((vectors @ factor) ** 2, axis=1)
        names = {"d": D, "units": 1, "seed": SEED, "ensemble": 0, "target": target}
        u = stream("start of minima", **names).standard_normal((D, 1))
        end = minima.minimised(u, np.ones(1), vectors, labels)
        np.testing.assert_allclose(minima.loss_and_gradient(end, np.ones(1), vectors, labels)[1], 0, atol=1e-6)
        row = table[(table["positive"] == 1) & (table["target"] == target)].iloc[0]
        excess = plain_loss(end, np.ones(1), vectors, labels) / (np.mean(labels**2) / 4)
        assert row["excess"] == pytest.approx(excess, abs=1e-9)
        assert row["optimal"] == (excess < 1e-4)
        assert row["recovered"] == (np.linalg.norm(end @ end.T - factor @ factor.T) < 0.01)
        if not row["optimal"]:
            assert row["curvature"] > 0
    assert table.loc[table["positive"] == 2, "curvature"].isna().all()


def test_d_units_are_at_the_convex_optimum():
    table = measured("quadratic_minima", WIDTHS, seed=SEED)
    assert table.loc[table["positive"] == D, "optimal"].eq(1).all()
    assert table.loc[table["positive"] == 1, "optimal"].eq(0).all()
    assert table["optimum_rank"].nunique() == 1
    # First-order optimality over PSD matrices, of the reference itself: M ⪰ 0 and MX = 0.
    vectors = drawn()
    labels = stream("labels", kind="positive", d=D, seed=SEED, ensemble=0).standard_normal(M) ** 2
    u = minima.minimised(0.1 * np.eye(D), np.ones(D), vectors, labels)
    residuals = np.einsum("ni,ij,nj->n", vectors, u @ u.T, vectors) - labels
    m = (vectors.T * residuals) @ vectors / M
    assert np.linalg.eigvalsh(m)[0] > -1e-6
    np.testing.assert_allclose(m @ u, 0, atol=1e-6)


def test_units_of_both_signs_fit_what_one_sign_does_not():
    table = measured("quadratic_minima", SIGNED, seed=SEED)
    assert table.loc[table["negative"] == D, "optimal"].eq(1).all()
    assert table.loc[table["negative"] == 0, "optimal"].eq(0).all()
    vectors = drawn(12)
    labels = stream("labels", kind="normal", d=D, seed=SEED, ensemble=0).standard_normal(12)
    # 12 measurements, 15 dimensions: a symmetric X fits all of them.
    assert minima.least_squares_loss(vectors, labels) == pytest.approx(0, abs=1e-12)


def test_complexities_are_norms_of_signed_sums():
    table = measured("rademacher_balls", {"d": [3, 4], "m_over_d": 2, "signs": 3}, seed=SEED)
    vectors = Ensemble.draw(4, 8, SEED, 0).vectors.numpy()
    signs = stream("signs", d=4, m=8, seed=SEED, ensemble=0).choice([-1.0, 1.0], size=(3, 8))
    sums = [sum(s * np.outer(x, x) for s, x in zip(row, vectors, strict=True)) / 8 for row in signs]
    row = table[table["d"] == 4].iloc[0]
    assert row["spectral"] == pytest.approx(np.mean([np.abs(np.linalg.eigvalsh(one)).max() for one in sums]))
    assert row["frobenius"] == pytest.approx(np.mean([np.sqrt((one**2).sum()) for one in sums]))


def test_a_start_of_width_one_goes_where_a_plain_loop_goes():
    table = measured("start_sizes", SIZES, seed=SEED)
    vectors = Ensemble.draw(6, 72, SEED, 0).vectors.numpy()[:24]
    factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0]}, 6, 1, SEED, 1)
    labels = np.sum((vectors @ factor) ** 2, axis=1)
    u = stream("start", kind="gaussian", d=6, seed=SEED, target=1).standard_normal((6, 6))[:, :1] / 6**0.5
    error = 1.0
    for _ in range(1000):
        u = u - 0.03 * minima.loss_and_gradient(u, np.ones(1), vectors, labels)[1]
        error = np.linalg.norm(u @ u.T - factor @ factor.T)
    row = table[(table["m_over_d"] == 4) & (table["alpha"] == 1) & (table["target"] == 1)].iloc[0]
    assert row["recovered"] == (error < 0.1)
    if row["status"] == "budget":
        assert row["test_error"] == pytest.approx(error, rel=1e-6)


def widths_table(optimal, ranks):
    """Return a table of widths 1 to K: ``optimal`` is (K, starts, E)."""
    rows = [
        {"m": 8, "positive": k + 1, "target": t, "ensemble": e, "optimal": optimal[k][t][e], "optimum_rank": ranks[e]}
        for k in range(3)
        for t in range(2)
        for e in range(2)
    ]
    return {"widths": pd.DataFrame(rows)}


def test_a_width_is_needed_until_all_wider_ones_are_enough():
    # The first ensemble needs 2; in the second width 1 is enough, but 2 is not: it needs 3.
    optimal = [[[0, 1], [1, 1]], [[1, 0], [1, 1]], [[1, 1], [1, 1]]]
    tables, rng = widths_table(optimal, [2, 3]), np.random.default_rng(0)
    assert estimands.needed_widths(np.array(optimal)).tolist() == [1, 2]
    assert estimands.needed_width(tables, {}, rng, table="widths", scale="rank").value == pytest.approx(1)
    assert estimands.needed_width(tables, {}, rng, table="widths", scale="root").value == pytest.approx(2.5 / 4)
    never = {"widths": tables["widths"].assign(optimal=0)}
    assert estimands.needed_width(never, {}, rng, table="widths", scale="rank") == UNDEFINED
    share = {"table": "widths", "where": {"target": [0, 1]}}
    assert estimands.optimal_from_the_root(tables, {}, rng, units="one", **share).value == pytest.approx(0.75)


def test_a_gain_is_taken_run_by_run():
    rows = [
        {"alpha": alpha, "target": t, "ensemble": e, "recovered": int(alpha < 1 or e == 0)}
        for alpha in (1.0, 1e-4)
        for t in range(2)
        for e in range(4)
    ]
    own = {"table": "a", "value": "recovered", "along": "alpha", "first": 1e-4, "second": 1.0}
    found = estimands.mean_gain({"a": pd.DataFrame(rows)}, {}, np.random.default_rng(0), **own)
    assert found.value == pytest.approx(0.75)


def test_wrong_sizes_are_named_before_the_run():
    (line,) = option_problems("spare_unit", rank=7)
    assert "rank at most d" in line
    (line,) = option_problems("spare_unit", positive=[0])
    assert "whole numbers of at least 1" in line
    (line,) = option_problems("start_sizes", alpha=[0.0])
    assert "numbers above 0" in line
    (line,) = option_problems("start_sizes", width=[9])
    assert "rank and widths at most d" in line


def shares(values, seed=0, **axes):
    """Return a made-up table whose values are 0 or 1."""
    table = crossed((), **axes, **RUNS)
    rng = np.random.default_rng(seed)
    return table.assign(**{value: rng.integers(0, 2, len(table)) * 1.0 for value in values})


def test_landscape_starts_shows_the_share_of_starts_by_width_and_size():
    spare = shares(("optimal",), positive=[1, 2]).assign(d=5, m=20, curvature=1.0)
    sizes = shares(("recovered",), seed=1, m_over_d=[4, 12], width=[1, 2], alpha=[1.0, 1e-2, 1e-4]).assign(d=6, rank=1)
    left, right = draw("landscape_starts", {"spare_unit": spare, "start_sizes": sizes}).axes
    same(curve(left, "L-BFGS from random starts"), mean(spare, "positive", "optimal"))
    assert level(left, "margin") == margin("spare-unit")
    for ratio in (4, 12):
        for width, units in ((1, "1 unit"), (2, "2 units")):
            own = mean(where(sizes, m_over_d=ratio, width=width), "alpha", "recovered")
            same(curve(right, f"{units}, m = {ratio}d"), own)
    large = where(sizes, m_over_d=4, width=1, alpha=1.0)["recovered"]
    expected = sum(large) / len(large) + margin("small-start-phase-retrieval")
    assert level(right, "margin") == pytest.approx(expected)


def test_landscape_widths_shows_widths_signs_and_complexities():
    # The width that an ensemble needs is the least from which on every run is optimal.
    needed = {0: 2, 1: 3, 2: 3}
    widths = crossed((), positive=[1, 2, 3, 4], **RUNS).assign(d=5, m=18, optimum_rank=2)
    widths["optimal"] = (widths["positive"] >= widths["ensemble"].map(needed)) * 1.0
    signed = shares(("optimal",), negative=[0, 5]).assign(d=5, m=12, positive=5)
    balls = crossed(("spectral", "frobenius"), d=[3, 4, 5], ensemble=[0, 1]).assign(m=lambda table: 2 * table["d"])
    tables = {"widths": widths, "signed_units": signed, "balls": balls}
    first, second, third = draw("landscape_widths", tables).axes
    same(curve(first, "share of starts at the optimum"), mean(widths, "positive", "optimal"))
    assert list(curve(first, "width needed, each ensemble").index) == list(needed.values())
    assert set(curve(first, "√(2m)").index) == {6.0}
    assert set(curve(first, "margin: needed").index) == {6 * margin("dulee-width-needed")}
    assert level(first, "margin: from √(2m) on,") == margin("dulee-width")
    same(curve(second, "5 units of sign +"), mean(signed, "negative", "optimal"))
    assert level(second, "margin") == margin("sjl-signed")
    for column, label in (("spectral", "networks"), ("frobenius", "all X")):
        same(curve(third, label), geometric(balls, "d", column))
    first = geometric(balls, "d", "spectral")[3]
    drawn_law(third, "margin: exponent", (3, first), margin("dulee-complexity"))
