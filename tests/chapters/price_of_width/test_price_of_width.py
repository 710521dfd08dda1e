"""Rates of wide factors, of two factors and their balance against plain loops,
what is refused, and what the figure draws.
"""

import numpy as np
import pandas as pd
import plain
import pytest
import torch
from conftest import gaussian_problem, measured, refused
from drawn import RUNS, crossed, curve, geometric, mean, where

from algoreg.algorithms import stiefel
from algoreg.algorithms.asymmetric import start_factor
from algoreg.algorithms.factored import start_matrix
from algoreg.chapters.price_of_width import ledger
from algoreg.ensembles import gaussian, gaussian_rectangular
from algoreg.numerics.problems import draw_rectangular
from algoreg.reporting import figures

pytestmark = pytest.mark.replicates(200)

D, RANK, KAPPA, SEED, TARGET = 6, 2, 2.0, 5, 1


def rectangular(columns, m):
    """Return the matrices and the target, drawn by the names of their streams."""
    flat = np.concatenate(list(gaussian_rectangular.flat_rows(D, columns, m, SEED, 0)))
    return flat.reshape(m, D, columns), draw_rectangular(D, columns, RANK, KAPPA, SEED, TARGET)


def two_factors(matrices, goal, left, right, step, count):
    """Yield L and R of simultaneous descent, from the start to iteration ``count``."""
    labels = plain.measure(matrices, goal)
    for _ in range(count + 1):
        yield left, right
        slope = plain.gradient(matrices, left @ right.T, labels)
        left, right = left - step * slope @ right, right - step * slope.T @ left


def starts(alpha, balance, width, columns):
    left = start_factor("left", D, width, SEED, TARGET).numpy()
    return alpha * left, alpha * balance * start_factor("right", columns, width, SEED, TARGET).numpy()


def test_a_rectangular_target_has_its_singular_values_and_shape():
    goal = draw_rectangular(5, 7, 3, 4.0, SEED, 0)
    np.testing.assert_allclose(np.linalg.svd(goal)[1], [1, 0.5, 0.25, 0, 0], atol=1e-12)
    assert goal.shape == (5, 7)
    assert not np.allclose(draw_rectangular(5, 5, 2, 1.0, SEED, 0), draw_rectangular(5, 5, 2, 1.0, SEED, 0).T)


def test_rectangular_measurements_are_dense_and_begin_with_the_fewer():
    ensemble = gaussian_rectangular.Ensemble.draw(D, 20, SEED, 0, columns=9)
    matrices, _ = rectangular(9, 20)
    x = np.random.default_rng(0).standard_normal((3, D, 9))
    np.testing.assert_allclose(ensemble.measure(torch.from_numpy(x)), [plain.measure(matrices, one) for one in x])
    labels = np.random.default_rng(1).standard_normal((3, 20))
    found = ensemble.shared_by([20, 12, 5]).gradient(torch.from_numpy(x), torch.from_numpy(labels))
    for one, row, m, slope in zip(x, labels, (20, 12, 5), found, strict=True):
        np.testing.assert_allclose(slope, plain.gradient(matrices[:m], one, row[:m]), atol=1e-13)
    torch.testing.assert_close(gaussian_rectangular.Ensemble.draw(D, 7, SEED, 0, columns=9).rows, ensemble.rows[:7])
    part = ensemble.select(torch.tensor([4, 4, 1]))
    torch.testing.assert_close(part.adjoint(torch.eye(3, dtype=torch.float64))[1], torch.from_numpy(matrices[4]))
    with pytest.raises(ValueError, match="a multiple of 6 entries"):
        gaussian_rectangular.Ensemble(torch.zeros(2, 13), D)


@pytest.mark.witness("one_over_t", "slope")
@pytest.mark.parametrize(("width", "columns"), [("r", RANK), ("2r", 2 * RANK), ("d", D)])
def test_slopes_are_those_of_a_plain_loop(width, columns):
    options = {"d": D, "rank": RANK, "width": [width], "alpha": [1.0, 0.1], "iterations": 300, "targets": 2}
    table = measured("one_over_t", options, seed=SEED)
    m = 5 * D * (D + 1) // 2
    matrices, labels, goal = gaussian_problem(D, [1.0, 1 / KAPPA], m, SEED, TARGET)
    for alpha in options["alpha"]:
        u, errors = alpha * start_matrix("gaussian", D, SEED, TARGET).numpy()[:, :columns], []
        for _ in range(301):
            errors.append(plain.relative_error(u @ u.T, goal))
            u = plain.factored(u, matrices, labels, 0.2, 1)
        own = where(table, target=TARGET, alpha=alpha).set_index("iteration")
        # Looks go down from T by sixths of a decade.
        assert {300, 30, 3} <= set(own.index)
        if own["status"].iloc[0] == "converged":
            assert errors[300] < 1e-10
            assert own.loc[300, "test_error"] < 1e-10
            assert own.loc[300, "slope"] < -4
            continue
        for t in (300, 30, 3):
            np.testing.assert_allclose(own.loc[t, "test_error"], errors[t], rtol=1e-6)
        np.testing.assert_allclose(own.loc[300, "slope"], np.log10(errors[300] / errors[30]), rtol=1e-6)
        assert np.isnan(own["slope"].iloc[0])


def test_an_error_like_one_over_t_has_a_slope_of_minus_one():
    # Without measurements and without the package: the columns that a wide factor does not need shrink by u ← u − ηu³.
    u, sizes = 1.0, []
    for _ in range(10_001):
        sizes.append(u**2)
        u -= 0.2 * u**3
    assert np.log10(sizes[10_000] / sizes[1000]) == pytest.approx(-1, abs=0.01)


@pytest.mark.witness("asymmetric_rates", "rate")
@pytest.mark.parametrize(("width", "columns"), [("r", RANK), ("2r", 2 * RANK)])
def test_rates_are_those_of_a_plain_loop(width, columns):
    options = {"d": D, "rank": RANK, "width": [width], "alpha": [0.5], "time": 60, "targets": 2}
    table = measured("asymmetric_rates", {**options, "tolerance": [0.1, 0.02]}, seed=SEED)
    (row,) = where(table, target=TARGET).to_dict("records")
    matrices, goal = rectangular(D, 3 * D * D)
    run = two_factors(matrices, goal, *starts(0.5, 1 / 3, columns, D), 0.3, row["budget"])
    errors = np.array([plain.relative_error(left @ right.T, goal) for left, right in run])
    times = []
    for tolerance in (0.1, 0.02):
        t = np.flatnonzero(errors < tolerance)[0]
        times.append(t - np.log(tolerance / errors[t]) / np.log(errors[t - 1] / errors[t]))
    assert row["budget"] == round(60 / (0.3 * 0.25))
    np.testing.assert_allclose(row["rate"], np.log(5) / (0.3 * (times[1] - times[0])), rtol=1e-2)


def test_a_rate_that_t_is_too_short_for_is_empty():
    options = {"d": D, "rank": RANK, "width": ["2r"], "alpha": [0.5], "time": 1, "targets": 2}
    assert measured("asymmetric_rates", options, seed=SEED)["rate"].isna().all()


@pytest.mark.witness("balance", "imbalance")
def test_the_imbalance_is_that_of_a_plain_loop_and_of_second_order_in_the_step():
    options = {"d": D, "columns": 9, "rank": RANK, "alpha": [1e-3], "step": [0.05, 0.1], "time": 60, "targets": 2}
    table = measured("balance", options, seed=SEED)
    matrices, goal = rectangular(9, 3 * RANK * (D + 9))
    for step in options["step"]:
        (row,) = where(table, target=TARGET, step=step).to_dict("records")
        pairs = list(two_factors(matrices, goal, *starts(1e-3, 1.0, 2 * RANK, 9), step, round(60 / step)))
        apart = [np.linalg.norm(left.T @ left - right.T @ right) for left, right in pairs]
        np.testing.assert_allclose(row["imbalance"], max(apart), rtol=1e-6)
        np.testing.assert_allclose(row["start_imbalance"], apart[0], rtol=1e-9)
        np.testing.assert_allclose(
            row["test_error"], plain.relative_error(pairs[-1][0] @ pairs[-1][1].T, goal), rtol=1e-5
        )
    short = measured("balance", {**options, "time": 1}, seed=SEED)
    assert short["imbalance"].isna().all()


def test_bad_options_are_named():
    refused("one_over_t", "m_over_dimension = 0.9: Input should be greater than 1", m_over_dimension=0.9)
    refused("asymmetric_rates", "m_over_dimension = 1: Input should be greater than 1", m_over_dimension=1)
    refused("balance", "twice the rank at most the smaller side", rank=4)
    options = {"d": D, "rank": RANK, "alpha": [1e-9], "iterations": 100, "targets": 2}
    with pytest.raises(ValueError, match=r"iterations = 100: allowed is at least 2κ·log\(1/α\)/η = 414"):
        measured("one_over_t", options, seed=SEED)


def figure_tables():
    """Return made-up tables of the figure."""
    errors = crossed(
        ("test_error", "slope"), width=["r", "2r", "d"], alpha=[1.0, 0.01], iteration=[60, 600, 6000], **RUNS
    )
    rates = crossed(("rate",), width=["r", "2r"], alpha=[0.5, 0.35, 0.25], **RUNS)
    balance = crossed(("imbalance",), alpha=[1e-4, 0.1], step=[0.03, 0.06, 0.1], **RUNS)
    sizes = {"d": 10, "rank": 2, "kappa": 2.0, "m": 100}
    tables = {"one_over_t": errors, "asymmetric_rates": rates, "balance": balance}
    return {name: table.assign(**sizes) for name, table in tables.items()}


def test_price_of_width_shows_errors_rates_and_imbalances():
    tables = figure_tables()
    left, middle, right = figures.draw("price_of_width", tables).axes
    own = where(tables["one_over_t"], width="2r", alpha=0.01)
    drawn, expected = curve(left, "width 2r, α = 0.01"), geometric(own, "iteration", "test_error")
    np.testing.assert_allclose(drawn.to_numpy(), expected.to_numpy())
    slope = mean(where(tables["one_over_t"], width="2r", alpha=1.0, iteration=6000), "iteration", "slope").iloc[0]
    assert f"{slope:.2f}" in left.get_title()
    line = curve(left, "margin: |slope + 1| below 0.15")
    assert np.log10(line.iloc[1] / line.iloc[0]) == pytest.approx(-0.85)
    rates = geometric(where(tables["asymmetric_rates"], width="2r"), "alpha", "rate")
    pd.testing.assert_series_equal(curve(middle, "width 2r"), rates, check_names=False, check_index_type=False)
    line = curve(middle, "margin: |exponent − 2| below 0.3")
    np.testing.assert_allclose(np.polyfit(np.log(line.index), np.log(line), 1)[0], 2.3)
    imbalances = geometric(where(tables["balance"], alpha=0.1), "step", "imbalance")
    pd.testing.assert_series_equal(curve(right, "α = 0.1"), imbalances, check_names=False, check_index_type=False)
    line = curve(right, "margin: |exponent − 1| below 0.2")
    np.testing.assert_allclose(np.polyfit(np.log(line.index), np.log(line), 1)[0], 1.2)


def normalised(matrices, labels, directions, step, count, magnitude=0.5):
    """Yield X = QΘQᵀ from Θ = 0, each Q the polar factor by singular vectors, from the start to iteration ``count``."""
    sizes = np.zeros((directions.shape[1],) * 2)
    for _ in range(count + 1):
        x = directions @ sizes @ directions.T
        yield x
        slope = plain.gradient(matrices, x, labels)
        turn, pull = slope @ directions @ sizes, directions.T @ slope @ directions
        along = directions.T @ turn
        left, _, right = np.linalg.svd(directions - step * (turn - directions @ (along + along.T) / 2), False)
        directions, sizes = left @ right, sizes - step * magnitude * pull


def reached(errors, tolerance):
    """Return when errors fall below a tolerance, log-linear between iterations."""
    t = np.flatnonzero(np.array(errors) < tolerance)[0]
    return t - np.log(tolerance / errors[t]) / np.log(errors[t - 1] / errors[t])


@pytest.mark.parametrize("width", [2, 4, D])
def test_descent_with_orthonormal_columns_is_the_plain_loop(width):
    matrices, labels, _ = gaussian_problem(D, [1.0, 1 / KAPPA], 60, SEED, TARGET)
    drawn = gaussian.Ensemble.draw(D, 60, SEED, 0)
    runs = [{"width": k, "magnitude": 0.5, "step": 0.4, "target": TARGET} for k in (D, width)]
    solver = stiefel.Algorithm(drawn, torch.from_numpy(np.stack([labels] * 2)), runs, SEED)
    state = solver.advance(solver.initial(), 0, 25)
    start = start_matrix("orthonormal", D, SEED, TARGET).numpy()[:, :width]
    *_, expected = normalised(matrices, labels, start, 0.4, 25)
    np.testing.assert_allclose(solver.estimate(state)[1].numpy(), expected, atol=1e-12)
    directions = state["directions"][1, :, :width]
    np.testing.assert_allclose(directions.mT @ directions, np.eye(width), atol=1e-13)
    assert not state["directions"][1, :, width:].any()


@pytest.mark.witness("normalised_rates", "escape", "growth")
@pytest.mark.parametrize("method", ["normalised", "plain", "small", "damped"])
def test_iterations_are_those_of_plain_loops(method):
    options = {"d": D, "rank": RANK, "method": [method], "width": [4], "iterations": 4500, "targets": 2}
    (row,) = where(measured("normalised_rates", options, seed=SEED), target=TARGET).to_dict("records")
    matrices, labels, goal = gaussian_problem(D, [1.0, 1 / KAPPA], 105, SEED, TARGET)
    step, alpha = {"normalised": (1.0, 1), "plain": (0.3, 1), "small": (0.4, 1e-6), "damped": (0.5, 1)}[method]
    assert (row["step"], row["m"]) == (step, 105)
    if method == "normalised":
        start = start_matrix("orthonormal", D, SEED, TARGET).numpy()[:, :4]
        iterates = list(normalised(matrices, labels, start, step, 400))
    else:
        u, iterates = alpha * start_matrix("gaussian", D, SEED, TARGET).numpy()[:, :4], []
        for _ in range(4500):
            iterates.append(u @ u.T)
            one = (u, matrices, labels, step)
            u = plain.preconditioned(*one, lambda size: size, 1) if method == "damped" else plain.factored(*one, 1)
    errors = [plain.relative_error(x, goal) for x in iterates]
    first, second, third = (reached(errors, tolerance) for tolerance in (0.1, 0.01, 1e-3))
    # Beyond iteration 100 the experiment looks at every hundredth of the way.
    np.testing.assert_allclose(row["escape"], first, rtol=1e-3)
    np.testing.assert_allclose(row["growth"], (third - second) / (second - first), rtol=0.02)
    if method == "plain":
        assert np.isnan(row["iterations"])
        assert row["growth"] > 8
    else:
        last = reached(errors, 1e-6)
        np.testing.assert_allclose([row["iterations"], row["late"]], [last, last - third], rtol=5e-3)


@pytest.mark.witness("normalised_samples", "rank", "status", "test_error")
@pytest.mark.parametrize(("method", "width", "columns"), [("normalised", "2r", 4), ("small", "d", 12)])
def test_errors_by_measurements_are_those_of_plain_loops(method, width, columns):
    options = {"d": 12, "rank": 2, "m_over_dr": [1.5, 3], "method": [method], "width": [width], "iterations": 60}
    table = measured("normalised_samples", options, seed=SEED, ensembles=[1]).set_index("m")
    for m in (36, 72):
        matrices, _, goal = gaussian_problem(12, [1.0, 1 / KAPPA], 72, SEED, 1, ensemble=1)
        known = matrices[:m], plain.measure(matrices[:m], goal)
        if method == "normalised":
            start = start_matrix("orthonormal", 12, SEED, 1).numpy()[:, :columns]
            *_, x = normalised(*known, start, 0.5, 60)
        else:
            u = plain.factored(1e-6 * start_matrix("gaussian", 12, SEED, 1).numpy()[:, :columns], *known, 0.2, 60)
            x = u @ u.T
        np.testing.assert_allclose(table.loc[m, "test_error"], plain.relative_error(x, goal), rtol=1e-6)
        assert table.loc[m, "rank"] == np.linalg.matrix_rank(goal)
        assert table.loc[m, "status"] == ("converged" if plain.relative_error(x, goal) < 5e-3 else "budget")


def test_bad_widths_are_named():
    refused("normalised_rates", "widths above the rank and below d", width=[2])
    refused("normalised_samples", "six times the rank at most d", rank=3)


def test_normalised_width_shows_growth_times_and_measurements():
    methods = ["normalised", "plain", "small", "damped"]
    rates = crossed(("growth", "escape", "late", "iterations"), method=methods, width=[4, 6, 8], **RUNS)
    samples = crossed((), method=["normalised", "small"], width=["2r", "6r", "d"], m=[40, 80, 160], **RUNS)
    # Errors fall through 0.05 half way in logarithms between two of the counts: before 80, or after it at width d.
    early = samples["m"] >= np.where(samples["width"] == "d", 160, 80)
    samples["test_error"] = np.where(early, 5e-3, 0.5)
    sizes = {"d": 16, "rank": 2, "kappa": 2.0, "status": "budget"}
    tables = {"normalised_rates": rates.assign(m=100, step=1.0, **sizes), "normalised_samples": samples.assign(**sizes)}
    left, right, below = figures.draw("normalised_width", tables).axes
    growths = geometric(where(rates, method="plain"), "width", "growth").to_numpy()
    np.testing.assert_allclose(curve(left, "UUᵀ, plain, from α = 1").to_numpy(), growths)
    own = where(rates, method="normalised")
    expected = [np.sort(own.loc[own["width"] == k, "escape"])[len(own) // 6] for k in (4, 6, 8)]
    np.testing.assert_allclose(curve(right, "XΘXᵀ").to_numpy(), expected)
    line = curve(right, "margin: exponent below −0.25")
    np.testing.assert_allclose(np.polyfit(np.log(line.index), np.log(line), 1)[0], -0.25)
    needed = curve(below, "XΘXᵀ")
    np.testing.assert_allclose(needed, np.sqrt([40 * 80, 40 * 80, 80 * 160]) / 32)
    assert list(needed.index) == [4, 12, 16]
    assert curve(below, "margin").iloc[0] == pytest.approx(1.25 * needed.iloc[0])
    text = ledger.normalised_needed(tables["normalised_samples"])
    assert f"| {needed.iloc[0]:.2f} | {needed.iloc[0]:.2f} | {needed.iloc[-1]:.2f} |" in text
    row = next(line for line in ledger.normalised_iterations(tables["normalised_rates"]).split("\n") if "| 4 |" in line)
    assert f"| {expected[0]:.3g} |" in row
