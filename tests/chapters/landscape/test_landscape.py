"""Quadratic networks minimised to the end, against finite differences and plain loops;
what the claims about landscapes measure.
"""

import numpy as np
import pandas as pd
import plain
import pytest
from conftest import gaussian_matrices, measured, refused
from drawn import RUNS, crossed, curve, drawn_law, geometric, level, margin, mean, same, where, whiskers

from algoreg.chapters.landscape import estimands, ledger, minima, spurious
from algoreg.chapters.landscape.experiments import edge_pairs
from algoreg.chapters.networks import estimands as of_networks
from algoreg.claims.intervals import UNDEFINED, exact_shares
from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.seeds import stream
from algoreg.reporting.figures import draw

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


@pytest.mark.witness("quadratic_minima", "optimal")
def test_one_unit_ends_where_the_table_says():
    table = measured("quadratic_minima", PLANTED, seed=SEED)
    vectors = drawn()
    for target in range(3):
        factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0]}, D, 1, SEED, target)
        labels = np.sum((vectors @ factor) ** 2, axis=1)
        names = {"d": D, "units": 1, "seed": SEED, "ensemble": 0, "target": target}
        u = stream("start of minima", **names).standard_normal((D, 1))
        end, _ = minima.minimised(u, np.ones(1), vectors, labels)
        np.testing.assert_allclose(minima.loss_and_gradient(end, np.ones(1), vectors, labels)[1], 0, atol=1e-6)
        row = table[(table["positive"] == 1) & (table["target"] == target)].iloc[0]
        excess = plain_loss(end, np.ones(1), vectors, labels) / (np.mean(labels**2) / 4)
        assert row["excess"] == pytest.approx(excess, abs=1e-9)
        assert row["optimal"] == (excess < 1e-4)
        assert row["recovered"] == (np.linalg.norm(end @ end.T - factor @ factor.T) < 0.01)
        if not row["optimal"]:
            assert row["curvature"] > 0
    assert table.loc[table["positive"] == 2, "curvature"].isna().all()


@pytest.mark.witness("quadratic_minima", "optimum_rank", "optimal")
def test_d_units_are_at_the_convex_optimum():
    table = measured("quadratic_minima", WIDTHS, seed=SEED)
    assert table.loc[table["positive"] == D, "optimal"].eq(1).all()
    assert table.loc[table["positive"] == 1, "optimal"].eq(0).all()
    assert table["optimum_rank"].nunique() == 1
    # First-order optimality over PSD matrices, of the reference itself: M ⪰ 0 and MX = 0.
    vectors = drawn()
    labels = stream("labels", kind="positive", d=D, seed=SEED, ensemble=0).standard_normal(M) ** 2
    u, status = minima.minimised(0.1 * np.eye(D), np.ones(D), vectors, labels)
    assert status == "converged"
    assert minima.minimised(0.1 * np.eye(D), np.ones(D), vectors, labels, most=3)[1] == "budget"
    residuals = np.einsum("ni,ij,nj->n", vectors, u @ u.T, vectors) - labels
    m = (vectors.T * residuals) @ vectors / M
    assert np.linalg.eigvalsh(m)[0] > -1e-6
    np.testing.assert_allclose(m @ u, 0, atol=1e-6)
    # Strict complementarity: where M is 0, X is not.
    assert set(table["optimum_rank"]) == {np.sum(np.linalg.eigvalsh(m) < 1e-5)}


def test_units_of_both_signs_fit_what_one_sign_does_not():
    table = measured("quadratic_minima", SIGNED, seed=SEED)
    assert table.loc[table["negative"] == D, "optimal"].eq(1).all()
    assert table.loc[table["negative"] == 0, "optimal"].eq(0).all()
    vectors = drawn(12)
    labels = stream("labels", kind="normal", d=D, seed=SEED, ensemble=0).standard_normal(12)
    # 12 measurements, 15 dimensions: a symmetric X fits all of them.
    assert minima.least_squares_loss(vectors, labels) == pytest.approx(0, abs=1e-12)


@pytest.mark.witness("rademacher_balls", "spectral", "frobenius")
def test_complexities_are_norms_of_signed_sums():
    table = measured("rademacher_balls", {"d": [3, 4], "m_over_d": 2, "signs": 3}, seed=SEED)
    vectors = Ensemble.draw(4, 8, SEED, 0).vectors.numpy()
    signs = stream("signs", d=4, m=8, seed=SEED, ensemble=0).choice([-1.0, 1.0], size=(3, 8))
    sums = [sum(s * np.outer(x, x) for s, x in zip(row, vectors, strict=True)) / 8 for row in signs]
    row = table[table["d"] == 4].iloc[0]
    assert row["spectral"] == pytest.approx(np.mean([np.abs(np.linalg.eigvalsh(one)).max() for one in sums]))
    assert row["frobenius"] == pytest.approx(np.mean([np.sqrt((one**2).sum()) for one in sums]))


@pytest.mark.witness("start_sizes", "recovered")
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


LARGE = {"kind": ["rank_one", "gaussian"], "d": D, "rank": [1], "m_over_nc": [0.7, 2.5], "targets": 2}


def planted(rank, target, d=D):
    """Return U* of a judged problem."""
    return draw_factor({"kind": "spectrum", "eigenvalues": [1.0] * rank}, d, rank, SEED, target)


@pytest.mark.witness("large_starts", "d", "m", "status", "test_error")
@pytest.mark.parametrize("kind", LARGE["kind"])
def test_large_starts_end_where_plain_descent_does(kind):
    table = measured("large_starts", LARGE, seed=SEED)
    # n_c = 2d − 1 = 9 at rank 1: m = 6 and, rounded to even, 22.
    assert set(table["m"]) == {6, 22}
    vectors = drawn(22)
    matrices = np.einsum("ni,nj->nij", vectors, vectors) if kind == "rank_one" else gaussian_matrices(D, 22, SEED)
    factor = planted(1, 1)
    labels = plain.measure(matrices, factor @ factor.T)
    u = stream("large start", d=D, seed=SEED, target=1).standard_normal((D, D))
    for _ in range(10000):
        u = u - 0.02 * plain.gradient(matrices, u @ u.T, labels) @ u
    row = table[(table["kind"] == kind) & (table["m"] == 22) & (table["target"] == 1)].iloc[0]
    assert plain.relative_error(u @ u.T, factor @ factor.T) < 0.05
    assert row["recovered"] == 1
    assert row["test_error"] < 1e-3
    assert set(table["d"]) == {D}
    assert (table["status"] == np.where(table["test_error"] < 1e-3, "converged", "budget")).all()
    # Of six labels L-BFGS and descent may find other fits; the distance is that of one with this start's loss of 0.
    few = minima.minimised_sensing(
        stream("large start", d=D, seed=SEED, target=1).standard_normal((D, D)), matrices[:6], labels[:6], 10**4,
        lambda u: False,
    )  # fmt: skip
    np.testing.assert_allclose(plain.measure(matrices[:6], few @ few.T), labels[:6], atol=1e-3)
    own = table[(table["kind"] == kind) & (table["m"] == 6) & (table["target"] == 1)].iloc[0]
    assert own["test_error"] == pytest.approx(plain.relative_error(few @ few.T, factor @ factor.T), rel=1e-3)
    # Six labels leave a large start anywhere.
    assert table.loc[(table["kind"] == kind) & (table["m"] == 6), "recovered"].eq(0).all()


def test_a_minimum_of_general_measurements_is_one():
    matrices = gaussian_matrices(D, 30, SEED)
    labels = np.random.default_rng(0).normal(size=30)
    u = minima.minimised_sensing(np.eye(D), matrices, labels, 4000, lambda u: False)
    m = plain.gradient(matrices, u @ u.T, labels)
    np.testing.assert_allclose(m @ u, 0, atol=1e-5)
    assert np.linalg.eigvalsh(m)[0] > -1e-4
    stopped = minima.minimised_sensing(np.eye(D), matrices, labels, 4000, lambda u: True)
    assert np.linalg.norm(stopped - u) > 0.1


@pytest.mark.witness("decayed_networks", "test_error", "m")
def test_decay_ends_at_the_least_nuclear_norm_of_signed_networks():
    cp = pytest.importorskip("cvxpy")
    options = {"network": ["signed", "plus"], "d": D, "m_over_d": [2.4], "decay": [0.0, 1e-3], "targets": 2}
    table = measured("decayed_networks", options, seed=SEED)
    vectors, factor = drawn(12), planted(2, 1)
    goal = factor @ np.diag([1.0, -1.0]) @ factor.T
    labels = np.einsum("ni,ij,nj->n", vectors, goal, vectors)
    x = cp.Variable((D, D), symmetric=True)
    seen = cp.sum(cp.multiply(vectors @ x, vectors), axis=1)
    cp.Problem(cp.Minimize(cp.sum_squares(seen - labels) / 48 + 5e-4 * cp.normNuc(x))).solve(solver=cp.CLARABEL)
    row = table[(table["network"] == "signed") & (table["decay"] > 0) & (table["target"] == 1)].iloc[0]
    expected = np.linalg.norm(x.value - goal) / np.linalg.norm(goal)
    assert row["test_error"] == pytest.approx(expected, rel=0.02)
    assert row["m"] == len(labels)
    assert (table.loc[(table["network"] == "signed") & (table["decay"] == 0), "test_error"] > 0.1).all()


@pytest.mark.witness("lazy_limit", "test_error", "d", "m")
def test_a_centred_output_descends_as_a_plain_loop_and_ends_at_least_squares():
    options = {"d": D, "m_over_dimension": [0.4, 0.6], "alpha": [0.1, 30.0], "iterations": 600, "targets": 2}
    table = measured("lazy_limit", options, seed=SEED)
    factor = planted(1, 1)
    goal = factor @ factor.T
    for m, alpha in ((6, 0.1), (9, 30.0)):
        matrices = gaussian_matrices(D, 9, SEED)[:m]
        rows = matrices.reshape(m, -1)
        labels, start = plain.measure(matrices, goal), alpha**2 * np.eye(D)
        step = 0.5 / (np.linalg.norm(rows, 2) ** 2 / m * max(4 * alpha**2, 2))
        u = alpha * np.eye(D)
        for _ in range(600):
            u = u - step * plain.gradient(matrices, u @ u.T - start, labels) @ u
        row = table[(table["m"] == m) & (table["alpha"] == alpha) & (table["target"] == 1)].iloc[0]
        assert row["test_error"] == pytest.approx(plain.relative_error(u @ u.T - start, goal), rel=1e-6)
        assert (row["d"], row["m"]) == matrices.shape[1::-1]
        nearest = np.linalg.pinv(rows) @ labels
        assert row["least_squares"] == pytest.approx(np.linalg.norm(nearest - goal.ravel()), rel=1e-6)
    lazy = table[table["alpha"] == 30]
    np.testing.assert_allclose(lazy["test_error"], lazy["least_squares"], rtol=0.02)


def with_others(rows):
    """Return a table of rows that are asked for, and of others at the same points, a thousand times as large."""
    frame = pd.DataFrame(rows)
    numbers = {name: 1e3 * frame[name] for name in ("test_error", "optimal", "recovered") if name in frame}
    return pd.concat([frame.assign(of="asked"), frame.assign(of="other", **numbers)])


@pytest.mark.known_answer("decades_gained", "factor_to_kernel", "start_threshold")
def test_decades_thresholds_and_kernel_factors_are_those_of_known_tables():
    rng = np.random.default_rng(0)
    draws = [{"target": t, "ensemble": e} for t in range(2) for e in range(3)]
    rows = [
        {"decay": lam, "m": 8, "test_error": error, **one} for lam, error in ((0, 3.0), (0.1, 0.03)) for one in draws
    ]
    own = {"table": "a", "value": "test_error", "by": "decay", "pair": [0, 0.1], "where": {"of": "asked"}}
    assert estimands.decades_gained({"a": with_others(rows)}, {}, rng, **own).value == pytest.approx(2)
    # At d = 4, n_c = 7 and 9. A fall from 1 to a thousandth passes 0.01 at two thirds.
    rows = [
        {"kind": "k", "d": 4, "rank": rank, "m": m, "test_error": error, "status": "budget", **one}
        for rank, fall in ((1, (7, 14)), (2, (9, 12)))
        for m, error in zip((5, *fall), (1.0, 1.0, 1e-3), strict=True)
        for one in draws
    ]
    own = {"table": "a", "kind": "k", "tolerance": 0.01}
    both = pd.concat([pd.DataFrame(rows), pd.DataFrame(rows).assign(kind="other", test_error=1.0)])
    assert estimands.start_threshold({"a": both}, {}, rng, **own).value == pytest.approx(2 ** (2 / 3))
    above = pd.DataFrame(rows).assign(test_error=1.0)
    assert estimands.start_threshold({"a": above}, {}, rng, **own) == UNDEFINED
    # D = 10: √0.64 = 0.8 where m is 3.6.
    rows = [{"d": 4, "m": m, "test_error": error, **one} for m, error in ((3.6, 0.8), (6.4, 1.2)) for one in draws]
    own = {"table": "a", "value": "test_error", "where": {"of": "asked"}}
    assert estimands.factor_to_kernel({"a": with_others(rows)}, {}, rng, **own).value == pytest.approx(2)
    # A factor too small is as far away; and 0.4 is a root mean square here, no mean.
    small = pd.DataFrame(rows).assign(m=3.6)[: len(draws)]
    small["test_error"] = 0.4 * np.where(small["target"] == 0, 0.5, 1.5) ** 0.5
    assert estimands.factor_to_kernel({"a": with_others(small)}, {}, rng, **own).value == pytest.approx(2)
    small.loc[0, "test_error"] = np.nan
    assert estimands.factor_to_kernel({"a": with_others(small)}, {}, rng, **own) == UNDEFINED


@pytest.mark.known_answer("examples_exponents_apart")
def test_exponents_apart_are_on_the_sizes_that_both_have():
    rows = [
        {"variant": variant, "d": d, "rank": 1, "m": m, "test_error": float(m < d**power), "target": t, "ensemble": e}
        for variant, power, sizes in (("least-squares", 2, (4, 8, 16)), ("plain", 1, (4, 8, 16, 32)))
        for d in sizes
        for m in (d**power - 1, d**power)
        for t in range(2)
        for e in range(3)
    ]
    own = {"table": "t", "tolerance": 0.1, "variant": "least-squares"}
    tables, rng = {"t": pd.DataFrame(rows)}, np.random.default_rng(0)
    found = of_networks.examples_exponents_apart(tables, {}, rng, against="plain", **own)
    assert found.value == pytest.approx(1, abs=0.2)
    assert of_networks.examples_exponents_apart(tables, {}, rng, against="least-squares", **own).value == 0


def widths_table(optimal, ranks):
    """Return a table of widths 1 to K: ``optimal`` is (K, starts, E)."""
    rows = [
        {"m": 8, "positive": k + 1, "target": t, "ensemble": e, "optimal": optimal[k][t][e], "optimum_rank": ranks[e]}
        for k in range(3)
        for t in range(2)
        for e in range(2)
    ]
    return {"widths": pd.DataFrame(rows)}


@pytest.mark.known_answer("needed_width", "optimal_from_the_root")
def test_a_width_is_needed_until_all_wider_ones_are_enough():
    # The first ensemble needs 2; in the second width 1 is enough, but 2 is not: it needs 3.
    optimal = [[[0, 1], [1, 1]], [[1, 0], [1, 1]], [[1, 1], [1, 1]]]
    tables, rng = widths_table(optimal, [2, 3]), np.random.default_rng(0)
    assert estimands.needed_widths(np.array(optimal)).tolist() == [1, 2]
    assert estimands.needed_width(tables, {}, rng, table="widths", scale="rank").value == pytest.approx(1)
    assert estimands.needed_width(tables, {}, rng, table="widths", scale="root").value == pytest.approx(2.5 / 4)
    asked = {"table": "widths", "where": {"of": "asked"}}
    both = {"widths": with_others(tables["widths"])}
    assert estimands.needed_width(both, {}, rng, scale="rank", **asked).value == pytest.approx(1)
    assert estimands.optimal_from_the_root(both, {}, rng, units=2, **asked).value == pytest.approx(0.75)
    # Where no width is enough in one ensemble or in both.
    for lost in ([1], [0, 1]):
        kept = ~tables["widths"]["ensemble"].isin(lost)
        never = {"widths": tables["widths"].assign(optimal=tables["widths"]["optimal"] * kept)}
        assert estimands.needed_width(never, {}, rng, table="widths", scale="rank") == UNDEFINED
    share = {"table": "widths", "where": {"target": [0, 1]}}
    # Of width 2 three runs in four, of width 3 all.
    for units, expected in ((2, 0.75), (3, 1.0)):
        assert estimands.optimal_from_the_root(tables, {}, rng, units=units, **share).value == pytest.approx(expected)
    # √(2m) is 2 at m = 2, where the worse of the widths 2 and 3 counts; at m = 4 it is above 2.
    for m, expected in ((2, 0.75), (4, 1.0)):
        few = {"widths": tables["widths"].assign(m=m)}
        found = estimands.optimal_from_the_root(few, {}, rng, units="root", **share)
        assert found.value == pytest.approx(expected)


@pytest.mark.known_answer("mean_gain")
def test_a_gain_is_taken_run_by_run():
    rows = [
        {"alpha": alpha, "target": t, "ensemble": e, "recovered": int(alpha < 1 or e == 0)}
        for alpha in (1.0, 1e-4)
        for t in range(2)
        for e in range(4)
    ]
    own = {"table": "a", "value": "recovered", "along": "alpha", "first": 1e-4, "second": 1.0}
    frame = with_others(rows)
    own["where"] = {"of": "asked"}
    found = estimands.mean_gain({"a": frame}, {}, np.random.default_rng(0), **own)
    assert found.value == pytest.approx(0.75)
    lost = {"a": frame.assign(recovered=frame["recovered"].where(frame["target"] + frame["ensemble"] > 0))}
    assert estimands.mean_gain(lost, {}, np.random.default_rng(0), **own) == UNDEFINED


def test_wrong_sizes_are_named_before_the_run():
    refused("spare_unit", "rank at most d", rank=7)
    refused("spare_unit", "positive[0] = 0: Input should be greater than 0", positive=[0])
    refused("start_sizes", "alpha[0] = 0.0: Input should be greater than 0", alpha=[0.0])
    refused("start_sizes", "rank and widths at most d", width=[9])
    refused("large_starts", "an m of its own each", m_over_nc=[1.0, 1.01])
    refused("lazy_limit", "0.8", m_over_dimension=[0.9])
    refused("decayed_networks", "decay[0] = -1.0: Input should be greater than or equal to 0", decay=[-1.0])


def shares(values, seed=0, **axes):
    """Return a made-up table whose values are 0 or 1."""
    table = crossed((), **axes, **RUNS)
    rng = np.random.default_rng(seed)
    return table.assign(**{value: rng.integers(0, 2, len(table)) * 1.0 for value in values})


def test_landscape_starts_shows_the_share_of_starts_by_width_and_size():
    spare = shares(("optimal",), positive=[1, 2]).assign(d=5, m=20, curvature=1.0)
    sizes = shares(("recovered",), seed=1, m_over_d=[4, 12], width=[1, 2], alpha=[1.0, 1e-2, 1e-4]).assign(d=6, rank=1)
    left, right = draw("landscape_starts", {"spare_unit": spare, "start_sizes": sizes}).axes
    same(curve(left, "L-BFGS from N(0, 1/units)"), mean(spare, "positive", "optimal"))
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
    more = widths[(widths["target"] == 0) & (widths["positive"] == 4)]
    tables = {"widths": widths, "root_widths": more, "signed_units": signed, "balls": balls}
    first, second, third = draw("landscape_widths", tables).axes
    same(curve(first, "share of runs at the optimum"), mean(widths, "positive", "optimal"))
    same(curve(first, "one run of each"), mean(more, "positive", "optimal"))
    exact = exact_shares(more["optimal"].mean(), more["ensemble"].nunique())
    assert [float(end.iloc[0]) for end in whiskers(first, "one run of each")] == pytest.approx(np.array(exact).tolist())
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


def test_landscape_large_starts_shows_errors_by_decay_shares_by_examples_and_the_lazy_limit():
    decay = crossed(("test_error",), network=["signed", "plus"], m_over_d=[2.5, 4], decay=[0.0, 1e-3], **RUNS)
    large = shares(("recovered",), rank=[1, 2], m_over_nc=[0.8, 1.0, 1.5]).assign(d=4, kind="rank_one")
    large["m"] = (large["m_over_nc"] * large["rank"].map({1: 7, 2: 9})).round()
    large["test_error"] = 1.0 - 0.9999 * large["recovered"]
    lazy = crossed(("test_error",), m_over_dimension=[0.3, 0.6], alpha=[1e-3, 1.0, 30.0], **RUNS).assign(d=4, rank=1)
    lazy["m"] = (lazy["m_over_dimension"] * 10).round()
    lazy["least_squares"] = 0.5
    other = large[large["rank"] == 1].assign(kind="gaussian")
    tables = {"decayed_networks": decay.assign(d=5, m=20), "large_starts": large, "large_starts_gaussian": other}
    left, middle, right = draw("landscape_large_starts", {**tables, "lazy_limit": lazy}).axes
    for network, name in (("signed", "units of both signs"), ("plus", "units of sign + alone")):
        for decay_, label in ((0.0, "λ = 0"), (1e-3, "λ = 0.001")):
            own = geometric(where(decay, network=network, decay=decay_), "m_over_d", "test_error")
            same(curve(left, f"{name}, {label}"), own)
    first = geometric(where(decay, network="signed", decay=0.0), "m_over_d", "test_error")
    same(curve(left, "margin"), first[[4.0]] / 10 ** margin("weight-decay"))
    for rank in (1, 2):
        same(curve(middle, f"xxᵀ, r = {rank}"), mean(where(large, rank=rank), "m_over_nc", "recovered"))
    same(curve(middle, "Gaussian A, r = 1"), mean(other, "m_over_nc", "recovered"))
    assert set(curve(middle, "margin").index) == {margin("smvz-threshold")}
    for ratio in (0.3, 0.6):
        own = where(lazy, m_over_dimension=ratio)
        same(curve(right, f"m = {ratio}·D"), geometric(own, "alpha", "test_error"))
        law = (1 - ratio) ** 0.5
        assert level(right, f"√(1 − m/D) = {law:.2f}") == pytest.approx(law)
    factor = margin("lazy-limit")
    assert sorted(curve(right, "margin")) == pytest.approx([0.7**0.5 / factor, 0.7**0.5 * factor])


def second_difference(factor, planted, operator, change, size=1e-3):
    """Return the second difference of ½φ(UUᵀ), φ(M) = ½⟨M − ZZᵀ, H(M − ZZᵀ)⟩, along a change of U."""

    def loss(u):
        apart = plain.pack(u @ u.T - planted @ planted.T)
        return apart @ operator @ apart / 2

    return (loss(factor + size * change) + loss(factor - size * change) - 2 * loss(factor)) / size**2


@pytest.mark.witness("edge_descents", "recovered", "held")
@pytest.mark.parametrize(("width", "rank"), [(1, 1), (2, 1), (2, 2)])
def test_the_constructed_point_turns_from_saddle_to_minimum_at_the_bound(width, rank):
    d = width + rank + 1
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0]
    bound = 1 + 2 * np.sqrt(width / rank)
    assert width == pytest.approx((bound - 1) ** 2 / 4 * rank)
    for over in (0.95, 1.05):
        factor, planted, operator = spurious.constructed(basis, width, rank, over * bound)
        values = np.linalg.eigvalsh(operator)
        assert values[-1] / values[0] == pytest.approx(over * bound)
        pull = plain.unpack(operator @ plain.pack(factor @ factor.T - planted @ planted.T), d)
        np.testing.assert_allclose(pull @ factor, 0, atol=1e-14)
        assert np.linalg.eigvalsh(pull)[0] < -0.9
        # Towards X*: a column of Z in place of one of U.
        change = np.outer(planted[:, 0] / np.linalg.norm(planted[:, 0]), np.eye(width)[0])
        curvature = second_difference(factor, planted, operator, change)
        assert np.sign(curvature) == np.sign(over - 1)
        _, least = spurious.smallest_curvature(factor, planted, operator)
        assert least == pytest.approx(curvature, rel=1e-4)
        options = {"width": [width], "rank": [rank], "over": [over], "extra": [0, 1]}
        table = measured("edge_descents", options, seed=SEED).set_index("extra")
        # Plain descent from beside it, with r and with r + 1 columns.
        for extra in (0, 1):
            u = np.pad(factor, ((0, 0), (0, extra)))
            u = u + 0.01 * np.random.default_rng(1).standard_normal(u.shape)
            for _ in range(3000):
                apart = operator @ plain.pack(u @ u.T - planted @ planted.T)
                u = u - 0.1 * plain.unpack(apart, d) @ u
            arrived = plain.relative_error(u @ u.T, planted @ planted.T) < 0.01
            stayed = plain.relative_error(u @ u.T, factor @ factor.T) < 0.01
            assert (table.loc[extra, "recovered"], table.loc[extra, "held"]) == (arrived, stayed)
            assert stayed == (over > 1 and extra == 0)


@pytest.mark.witness("edge_pairs", "over", "not_below", "first_order")
def test_the_smallest_condition_number_is_that_of_another_solver():
    cp = pytest.importorskip("cvxpy")
    options = {"width": [1], "rank": [1], "pair": ["edge", "near"]}
    table = measured("edge_pairs", options, seed=SEED).set_index("pair")
    for pair in options["pair"]:
        factor, planted = edge_pairs.pair_of(pair, 1, 1, SEED, 0)
        apart = plain.pack(factor @ factor.T - planted @ planted.T)
        units = plain.unpack(np.eye(6), 3)
        # On the column u: 2⟨S, vvᵀ⟩ + ⟨uvᵀ + vuᵀ, H(uvᵀ + vuᵀ)⟩, by every pair of unit vectors v.
        slopes = np.array([plain.pack(np.outer(factor, v) + np.outer(v, factor)) for v in np.eye(3)]).T
        found = {}
        for second in (True, False):
            h, most = cp.Variable((6, 6), symmetric=True), cp.Variable()
            s = sum((h @ apart)[k] * units[k] for k in range(6))
            constraints = [h >> np.eye(6), most * np.eye(6) >> h, s @ factor == 0]
            if second:
                constraints.append(2 * s + slopes.T @ h @ slopes >> 0)
            found[second] = cp.Problem(cp.Minimize(most), constraints).solve(solver=cp.SCS, eps=1e-8, max_iters=50_000)
        np.testing.assert_allclose(table.loc[pair, "over"], found[True] / 3, rtol=1e-4)
        assert (table.loc[pair, "not_below"], table.loc[pair, "first_order"]) == (
            found[True] > 2.9997,
            found[False] > 2.9997,
        )
    np.testing.assert_allclose(table.loc["edge", "over"], 1, rtol=1e-7)


def test_a_width_below_every_rank_is_refused():
    refused("edge_pairs", "a width of at least the rank", width=[1])
    refused("edge_descents", "a width of at least the rank", width=[1])


def test_landscape_edge_shows_the_smallest_condition_numbers_and_the_ends():
    pairs = crossed(("over",), width=[1, 2], rank=[1], pair=["edge", "equal", "near", "far"], **RUNS)
    ends = shares(("held", "recovered"), width=[1, 2], rank=[1], over=[0.95, 1.05], extra=[0, 1]).assign(curvature=-0.5)
    left, right = draw("landscape_edge", {"edge_pairs": pairs, "edge_descents": ends}).axes
    expected = geometric(where(pairs, pair="near"), "width", "over").to_numpy()
    np.testing.assert_allclose(curve(left, "moved by 0.02").to_numpy(), expected)
    heights = [bar.get_height() for bar in right.containers[1]]
    np.testing.assert_allclose(heights, ends.groupby(["over", "extra"])["recovered"].mean())
    assert level(right, "margin") == margin("zhang-one-column")
    text = ledger.edge_ends(ends)
    assert f"| 1.05 | r + 1 | −0.500 to −0.500 | {100 * where(ends, over=1.05, extra=1)['held'].mean():.0f} % |" in text
    low, high = where(pairs, pair="far", width=2)["over"].agg(["min", "max"])
    assert f"| moved by 0.3 | {low:.4f} to {high:.4f} |" in ledger.edge_conditions(pairs.assign(first_order=0.0))
