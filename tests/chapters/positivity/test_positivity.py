"""Uniqueness against a plain splitting and a convex solver, what is undecided,
the chapter's figures and bad options.
"""

import numpy as np
import pandas as pd
import plain
import pytest
import torch
from conftest import measured, refused
from drawn import RUNS, crossed, curve, drawn_law, geometric, level, margin, same, where, whiskers

from algoreg.chapters.positivity import estimands, measurements
from algoreg.chapters.positivity.experiments import uniqueness
from algoreg.chapters.positivity.splitting import far_point
from algoreg.claims.intervals import UNDEFINED
from algoreg.claims.published import load_published
from algoreg.numerics.theory import psd_statistical_dimension, trace_statistical_dimension
from algoreg.reporting.figures import draw

pytestmark = pytest.mark.replicates(100)

SEED = 5
OPTIONS = {"d": [8], "rank": 1, "ratios": [2.5], "targets": 2, "iterations": 300}


def plain_point(x, rank):
    """Return X* + t(I − P) at the distance 5‖X*‖ from X*, by X*'s own decomposition."""
    values, vectors = np.linalg.eigh(x)
    others = vectors[:, values < 0.5 * values.max()]
    assert others.shape[1] == len(x) - rank
    return x + 5 * np.linalg.norm(x) / len(others.T) ** 0.5 * others @ others.T


def plain_far_point(matrices, labels, far, step, count):
    """Return the splitting's PSD point after some iterations, the equations solved by least squares."""
    d = matrices.shape[1]
    rows = matrices.reshape(len(matrices), -1)
    z = np.zeros((d, d))
    for _ in range(count):
        x = z + (np.linalg.pinv(rows) @ (labels - plain.measure(matrices, z))).reshape(d, d)
        y = plain.nearest_psd((2 * x - z + step * far) / (1 + step))
        z = z + y - x
    return y


@pytest.mark.witness("uniqueness", "distance", "status")
@pytest.mark.parametrize("kind", ["gaussian", "trace_row"])
def test_the_far_point_is_that_of_a_plain_splitting(kind):
    table = measured("uniqueness", {**OPTIONS, "kind": [kind]}, seed=SEED)
    row = table[table["target"] == 1].iloc[0]
    ensemble = measurements.draw(kind, 8, 20, SEED, 0)
    matrices = plain.unpack(ensemble.rows.numpy(), 8)
    context = type("", (), {"seed": SEED, "device": "cpu", "dtype": torch.float64})
    x = uniqueness._targets({"rank": 1}, context, kind, 8, [1])[0].numpy()
    y = plain_far_point(matrices, plain.measure(matrices, x), plain_point(x, 1), 0.01, int(row["iterations"]))
    distance, misfit = (
        plain.relative_error(y, x),
        plain.relative_error(plain.measure(matrices, y), plain.measure(matrices, x)),
    )
    assert row["status"] == ("converged" if distance < 1e-6 or misfit < 1e-3 * distance else "budget")
    # Where it has landed only rounding and the last steps are left.
    np.testing.assert_allclose(row["distance"], plain.relative_error(y, x), rtol=1e-4)


def test_a_far_point_is_the_convex_solvers():
    import cvxpy

    ensemble = measurements.draw("gaussian", 8, 20, SEED, 0)
    matrices = plain.unpack(ensemble.rows.numpy(), 8)
    x = np.outer(np.arange(8), np.arange(8)) / np.sum(np.arange(8) ** 2)
    labels = plain.measure(matrices, x)
    far = far_point(torch.from_numpy(x), 1, 5.0).numpy()
    np.testing.assert_allclose(far, plain_point(x, 1), atol=1e-12)
    y = plain_far_point(matrices, labels, far, 0.05, 3000)
    unknown = cvxpy.Variable((8, 8), PSD=True)
    fits = [cvxpy.trace(matrix @ unknown) == label for matrix, label in zip(matrices, labels, strict=True)]
    cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(unknown - far)), fits).solve(cvxpy.CLARABEL)
    np.testing.assert_allclose(y, unknown.value, atol=1e-5)


def test_a_random_far_point_may_have_the_target_nearest_although_others_fit():
    """Trace 1 and no entry off the diagonal: diag(1 − c, c) fits for c from 0 to 1, X* at c = 0."""
    x = torch.diag(torch.tensor([1.0, 0.0], dtype=torch.float64))
    shares = torch.linspace(0, 1, 101, dtype=torch.float64)
    fits = torch.stack([torch.diag(torch.stack([1 - share, share])) for share in shares])

    def nearest(point):
        return shares[torch.linalg.matrix_norm(fits - point).argmin()]

    assert nearest(5 * x) == 0
    assert nearest(far_point(x, 1, 5.0)) == 1


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
def test_the_far_point_has_the_target_nearest_where_a_convex_solver_finds_nothing_beside_it_and_nowhere_else():
    import cvxpy

    d, found = 6, []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        basis = np.linalg.qr(rng.standard_normal((d, 1)))[0]
        x, half = basis @ basis.T, rng.standard_normal((9, d, d))
        unknown = cvxpy.Variable((d, d), PSD=True)
        matrices = [*(half + half.transpose(0, 2, 1)) / 2, np.eye(d)]
        fits = [cvxpy.trace(one @ unknown) == np.sum(one * x) for one in matrices]
        beside = cvxpy.Problem(cvxpy.Maximize(cvxpy.trace((np.eye(d) - x) @ unknown)), fits)
        unique = beside.solve(cvxpy.CLARABEL) < 1e-5
        far = far_point(torch.from_numpy(x), 1, 5.0).numpy()
        cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(unknown - far)), fits).solve(cvxpy.CLARABEL)
        found.append((unique, np.linalg.norm(unknown.value - x) < 1e-2))
    assert set(found) == {(True, True), (False, False)}


def test_a_run_that_has_not_come_to_an_end_is_undecided_and_no_other_solution():
    table = measured("uniqueness", {**OPTIONS, "kind": ["gaussian"], "ratios": [3.2], "iterations": 3}, seed=SEED)
    assert set(table["status"]) == {"budget"}
    assert (table["distance"] > estimands.ANOTHER).all()
    with pytest.raises(ValueError, match="no run of a draw is decided"):
        estimands.uniqueness_thresholds(table)


def test_hermitian_measurements_see_the_pauli_effects_of_a_state():
    rows = measurements.draw("pauli_effects", 8, 12, SEED, 0).rows
    effects = plain.unpack(rows.numpy(), 8)
    values = np.linalg.eigvalsh(effects)
    # Projections: a string has ±1 as often; the identity's effects are I and 0.
    np.testing.assert_allclose(np.minimum(abs(values), abs(values - 1)), 0, atol=1e-12)
    half = np.arange(1, 5) + 1j * np.arange(4)
    state = np.outer(half, half.conj()) / np.linalg.norm(half) ** 2
    held = np.block([[state.real, -state.imag], [state.imag, state.real]])
    complexes = effects[:, :4, :4] + 1j * effects[:, 4:, :4]
    expected = 2 * np.einsum("mij,ji->m", complexes, state).real
    np.testing.assert_allclose(plain.measure(effects, held), expected, atol=1e-12)


CROSSED, PAIRED = [(target, ensemble) for target in range(2) for ensemble in range(3)], [(0, 0), (1, 1), (2, 2)]


def far_table(thresholds, undecided=(), draws=CROSSED):
    """Return far points over a grid of m that land from a threshold on, by d."""
    rows = []
    for d, threshold in thresholds.items():
        for target, ensemble in draws:
            for m in np.geomspace(threshold / 2, threshold * 2, 20):
                lost = any(low * threshold < m < high * threshold for low, high in undecided)
                rows.append(
                    {"kind": "wishart", "method": "far", "d": d, "m": m, "target": target, "ensemble": ensemble}
                    | {"distance": 0.5 if m < threshold else 1e-7, "status": "budget" if lost else "converged"}
                )
    return pd.DataFrame(rows)


@pytest.mark.known_answer("uniqueness_exponent")
@pytest.mark.parametrize(("draws", "shape"), [(CROSSED, (3, 2, 3)), (PAIRED, (3, 1, 3))])
def test_thresholds_lie_half_way_between_decided_runs(draws, shape):
    known = {10: 20.0, 20: 40.0, 40: 80.0}
    found = estimands.uniqueness_thresholds(far_table(known, undecided=[(0.8, 1.25)], draws=draws))
    assert found.logs.shape == found.sides.shape == shape
    np.testing.assert_allclose(
        np.exp(found.logs), np.broadcast_to(np.reshape([20, 40, 80], (3, 1, 1)), shape), rtol=0.05
    )
    tables = {"unique": far_table(known, draws=draws)}
    # Beside far points of another kind, and other methods of this one.
    known = {10: 20.0, 20: 80.0, 40: 320.0}
    square = far_table(known, draws=draws)
    others = [square.assign(kind="trace_row", distance=0.5), square.assign(method="descent", distance=0.5)]
    for frame, power in ((tables["unique"], 1), (pd.concat([square, *others]), 2)):
        slope = estimands.uniqueness_exponent(
            {"unique": frame}, {}, np.random.default_rng(0), table="unique", kind="wishart"
        )
        assert slope.value == pytest.approx(power)
    two = {"unique": far_table({10: 20.0, 20: 40.0}, draws=draws)}
    with pytest.raises(ValueError, match="table unique: 2 values of d: an exponent needs at least three"):
        estimands.uniqueness_exponent(two, {}, np.random.default_rng(0), table="unique", kind="wishart")


@pytest.mark.parametrize("distance", [0.5, 0.02])
def test_another_solution_may_lie_near_the_target(distance):
    """diag(1 − c, c) fits where the trace and the entries off the diagonal are known, for a small c as for a large."""
    x, other = np.diag([1.0, 0.0]), np.diag([1 - distance / 2**0.5, distance / 2**0.5])
    assert plain.relative_error(other, x) == pytest.approx(distance)
    table = far_table({10: 20.0})
    table["distance"] = table["distance"].where(table["m"] >= 20, plain.relative_error(other, x))
    np.testing.assert_allclose(np.exp(estimands.uniqueness_thresholds(table).logs), 20, rtol=0.05)


@pytest.mark.known_answer("factor_to_dimension")
@pytest.mark.parametrize("largest", [1.2, 1 / 1.2])
def test_the_factor_to_a_dimension_is_the_largest_over_sizes(largest):
    rows = []
    for rank, factor in ((1, 1.0), (2, largest)):
        for d in (10, 20):
            for m in np.geomspace(0.5, 2, 9) * trace_statistical_dimension(d, rank):
                error = (m / (factor * trace_statistical_dimension(d, rank))) ** -9 * 0.01
                for target in range(2):
                    for ensemble in range(2):
                        names = {"d": d, "rank": rank, "m": m, "target": target, "ensemble": ensemble}
                        rows.append({**names, "test_error": error, "status": "budget"})
    fixed = {"table": "t", "dimension": "least trace"}
    tables = {"t": pd.DataFrame(rows)}
    rng = np.random.default_rng(0)
    assert estimands.factor_to_dimension(tables, {}, rng, tolerance=0.01, **fixed).value == pytest.approx(1.2, rel=0.02)
    # Of one size no error falls so far on the grid, of all others they do.
    errors = tables["t"]["test_error"].where((tables["t"]["d"] < 20) | (tables["t"]["rank"] > 1), 1.0)
    lost = {"t": tables["t"].assign(test_error=errors)}
    assert estimands.factor_to_dimension(lost, {}, rng, tolerance=0.01, **fixed) == UNDEFINED
    assert estimands.factor_to_dimension(tables, {}, rng, tolerance=1e-9, **fixed) == UNDEFINED


@pytest.mark.known_answer("smallest_log_ratio")
def test_the_room_is_the_smallest_over_d():
    rows = [
        {"d": d, "method": method, "distance": value, "target": t, "ensemble": e}
        for d, method, value in ((10, "far", 3.0), (10, "descent", 0.003), (20, "far", 1.0), (20, "descent", 0.1))
        for t in range(2)
        for e in range(2)
    ]
    frame = pd.DataFrame(rows).assign(kind="asked")
    found = estimands.smallest_log_ratio(
        {"t": pd.concat([frame, frame.assign(kind="other", distance=1.0)])},
        {},
        np.random.default_rng(0),
        table="t",
        value="distance",
        method="far",
        against="descent",
        by=["d"],
        where={"kind": "asked"},
    )
    assert found.value == pytest.approx(1)


def test_bad_options_are_named_before_the_run():
    refused("positivity", "descent with gaussian", kind=["wishart"])
    refused("geyer_pauli", "kinds of Hermitian matrices alone", kind=["pauli_effects", "gaussian"])
    refused("geyer_pauli", "a power of 2", d=[24])
    refused("geyer_pauli", "a ratio for each d", ratios=[40, 41])


def test_positivity_shows_the_distance_of_what_fits_by_kind():
    methods = {"far": "nearest to a far point", "least_frobenius": "least Frobenius norm"}
    methods |= {"least_trace": "least trace", "descent": "descent from α = 10⁻³"}
    table = crossed(("distance",), kind=["gaussian", "trace_row"], method=list(methods), d=[10, 20], **RUNS)
    table = table.assign(rank=1, m=5 * table["d"], psd_dimension=table["d"] ** 2 / 4)
    more = crossed(("distance",), kind=["gaussian", "trace_row"], method=["far"], d=[10], **RUNS)
    more["distance"] = np.where(more["target"] == 0, 1e-6, 2.0)
    grid = draw("positivity", {"positivity": table, "unique_far": more}).axes
    for axes, kind in zip(grid, ("gaussian", "trace_row"), strict=True):
        for method, label in methods.items():
            same(curve(axes, label), geometric(where(table, kind=kind, method=method), "d", "distance"))
        assert any(line.get_label().endswith("over m: 0.5, 1") for line in axes.lines)
    count = len(more[more["kind"] == "trace_row"])
    found = (more[more["kind"] == "trace_row"]["distance"] < 0.01).sum()
    assert level(grid[1], f"below: counts as X* ({found} of {count} further draws)") == 0.01


def test_unique_samples_shows_the_thresholds_and_both_dimensions():
    known = {10: 20.0, 20: 40.0, 40: 80.0}
    wishart = far_table(known).assign(rank=1)
    tables = {
        "unique_samples": pd.concat([wishart, wishart.assign(kind="trace_row", m=1.5 * wishart["m"])]),
        "unique_samples_gaussian": wishart.assign(kind="gaussian", m=3 * wishart["m"]),
    }
    (axes,) = draw("unique_samples", tables).axes
    # Half way, in log m, between the grid's points around the threshold.
    for label, factor in (
        ("Wishart, p = d + 2: exponent 1.00", 1),
        ("Gaussian, one row", 1.5),
        ("Gaussian: exponent", 3),
    ):
        same(curve(axes, label), factor * pd.Series(known))
    drawn_law(axes, "margin: exponent", (10, 20.0), margin("unique-wishart-samples-in-d"))
    for label, dimension in (("positivity", psd_statistical_dimension), ("least trace", trace_statistical_dimension)):
        drawn = curve(axes, f"dimension: {label}")
        np.testing.assert_allclose(drawn, [dimension(int(d), 1) for d in drawn.index])


def test_least_trace_samples_shows_thresholds_over_the_dimension():
    factors = {1: 1.0, 2: 1.1}
    table = crossed((), rank=[1, 2], d=[10, 20], place=np.geomspace(0.5, 2, 9), **RUNS)
    dimension = [trace_statistical_dimension(d, r) for d, r in zip(table["d"], table["rank"], strict=True)]
    table["m"] = table["place"] * dimension
    # Draws differ around a geometric mean of 1; errors fall through the tolerance at the factor.
    apart = np.exp(0.1 * (table["ensemble"] - 1))
    table["test_error"] = 0.01 * (table["place"] / apart / table["rank"].map(factors)) ** -2
    (axes,) = draw("least_trace_samples", {"least_trace_samples": table}).axes
    for rank, moved in ((1, 1 / 1.006), (2, 1.006)):
        drawn = curve(axes, f"r = {rank}")
        np.testing.assert_allclose(drawn.index, [10 * moved, 20 * moved], rtol=1e-3)
        np.testing.assert_allclose(drawn, factors[rank], rtol=1e-6)
        for ends, shift in zip(whiskers(axes, f"r = {rank}"), (-0.1, 0.1), strict=True):
            np.testing.assert_allclose(ends, factors[rank] * np.exp(shift), rtol=1e-6)
    (band,) = axes.patches
    near = margin("least-trace-threshold")
    np.testing.assert_allclose([band.get_y(), band.get_y() + band.get_height()], [1 / near, near])
    assert level(axes, "statistical dimension") == 1


def test_geyer_pauli_shows_distances_beside_the_published_table():
    methods = {"far": "nearest to a far point", "least_frobenius": "least Frobenius norm", "least_trace": "least trace"}
    table = crossed(("distance",), kind=["pauli_effects", "hermitian"], method=list(methods), d=[32, 64, 128], **RUNS)
    table = table.assign(m=4 * table["d"])
    names = ("geyer_table_1", "geyer_table_1_d32", "geyer_table_1_d64")
    curves = {f"published/{name}": load_published(name) for name in names}
    grid = draw("geyer_pauli", {"geyer_pauli": table, **curves}).axes
    published = {"far": [8.08e-5, 1.04e-4], "least_frobenius": [1.68e-3, 1.51e-3], "least_trace": [1.65e-5, 1.84e-5]}
    for axes, kind in zip(grid, ("pauli_effects", "hermitian"), strict=True):
        for method, label in methods.items():
            own = geometric(where(table, kind=kind, method=method), "d", "distance")
            same(curve(axes, label), pd.Series(own.to_numpy(), [16, 32, 64]))
            if kind == "pauli_effects":
                same(curve(axes, f"{label}, published").loc[[32, 64]], pd.Series(published[method], [32, 64]))
        assert level(axes, "margin") == margin("geyer-pauli")


def test_targets_of_ensembles_own_are_those_of_their_numbers():
    """Ensemble 1 alone has target 1, and its row is that of target 1 where all ensembles have both."""
    options = {**OPTIONS, "kind": ["gaussian"]}
    all_pairs = measured("uniqueness", options, seed=SEED, ensembles=(0, 1))
    own = measured("uniqueness", {**options, "targets": 1, "own_targets": True}, seed=SEED, ensembles=(0, 1))
    assert own[["target", "ensemble"]].to_numpy().tolist() == [[0, 0], [1, 1]]
    same = all_pairs[all_pairs["target"] == all_pairs["ensemble"]]
    np.testing.assert_allclose(own["distance"], same["distance"], rtol=1e-6)
    refused("unique_far", "targets = 2: allowed is 1 with own_targets: true", targets=2, own_targets=True)
