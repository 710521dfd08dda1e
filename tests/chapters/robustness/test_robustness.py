"""Noise and outliers against plain loops, what is refused, and what the claims measure."""

import numpy as np
import pandas as pd
import plain
import pytest
from conftest import gaussian_matrices, measured, refused
from drawn import RUNS, crossed, curve, where

from algoreg.algorithms.factored import start_matrix
from algoreg.chapters.robustness import estimands, ledger
from algoreg.chapters.robustness.experiments import flat_minima
from algoreg.chapters.robustness.experiments.early_stopping import STRIDE
from algoreg.claims import estimands as shared
from algoreg.claims.intervals import UNDEFINED
from algoreg.ensembles import gaussian
from algoreg.numerics.problems import draw_factor, spoil
from algoreg.reporting import figures

pytestmark = pytest.mark.replicates(200)

D, RANK, KAPPA, M, SEED, TARGET = 12, 2, 2.0, 72, 5, 1


def drawn(**spoiling):
    """Return the matrices, spoilt labels and the target, drawn by the names of their streams."""
    matrices = gaussian_matrices(D, M, SEED)
    factors = [
        draw_factor({"kind": "spectrum", "eigenvalues": [1.0, 1 / KAPPA]}, D, RANK, SEED, number) for number in range(2)
    ]
    clean = np.stack([plain.measure(matrices, u @ u.T) for u in factors])
    labels = spoil(clean, {"d": D, "rank": RANK, **spoiling}, SEED, 0, range(2))
    return matrices, labels[TARGET], factors[TARGET] @ factors[TARGET].T


@pytest.mark.witness("early_stopping", "best_error", "end_error", "end_over_best", "stopped_over_best")
@pytest.mark.parametrize(("width", "columns"), [("2r", 4), ("d", D)])
def test_a_run_stops_where_a_plain_loop_does(width, columns):
    options = {"d": D, "rank": RANK, "m_over_dr": 3, "label_noise": [0.3], "time": 50, "targets": 2}
    table = measured("early_stopping", options, seed=SEED)
    (row,) = table[(table["target"] == TARGET) & (table["width"] == width)].to_dict("records")
    matrices, labels, goal = drawn(label_noise=0.3)
    known = M - 7
    u, errors, held = 1e-4 * start_matrix("gaussian", D, SEED, TARGET).numpy()[:, :columns], [], []
    for _ in range(round(50 / 0.25 / STRIDE) + 1):
        errors.append(plain.relative_error(u @ u.T, goal))
        held.append(np.linalg.norm((plain.measure(matrices, u @ u.T) - labels)[known:]))
        u = plain.factored(u, matrices[:known], labels[:known], 0.25, STRIDE)
    np.testing.assert_allclose(row["best_error"], min(errors), rtol=1e-6)
    np.testing.assert_allclose(row["stopped_error"], errors[int(np.argmin(held))], rtol=1e-6)
    np.testing.assert_allclose(row["end_error"], errors[-1], rtol=1e-6)
    np.testing.assert_allclose(row["end_over_best"], errors[-1] / min(errors), rtol=1e-6)
    np.testing.assert_allclose(row["stopped_over_best"], errors[int(np.argmin(held))] / min(errors), rtol=1e-6)


@pytest.mark.witness("outliers", "end_error")
@pytest.mark.parametrize("loss", ["squared", "absolute"])
def test_a_run_with_outliers_is_that_of_a_plain_loop(loss):
    options = {"d": D, "rank": RANK, "m_over_dr": 3, "share": [0.1], "iterations": 150, "targets": 2, "decay": 0.98}
    table = measured("outliers", {**options, "absolute_step": 0.5}, seed=SEED)
    (row,) = table[(table["target"] == TARGET) & (table["loss"] == loss)].to_dict("records")
    matrices, labels, goal = drawn(outliers={"share": 0.1, "size": 10.0})
    u = 1e-6 * np.eye(D)
    for t in range(150):
        residual = plain.measure(matrices, u @ u.T) - labels
        weights, step = (residual, 0.1) if loss == "squared" else (np.sign(residual), 0.5 * 0.98**t)
        u = u - step * np.tensordot(weights, matrices, 1) @ u / M
    np.testing.assert_allclose(row["end_error"], plain.relative_error(u @ u.T, goal), rtol=1e-6)


def test_bad_options_are_named():
    refused("early_stopping", "m below d(d+1)/2", m_over_dr=4)
    refused("outliers", "fewer do not leave the start", decay=0.9)


@pytest.mark.known_answer("exponent_off", "factor_apart", "ratio_of_pair")
def test_factors_and_exponents_by_hand():
    rows = [
        {"width": width, "noise": noise, "target": target, "ensemble": ensemble}
        | {"best_error": factor * noise**power * (1 + 0.1 * target) * (1 + 0.2 * ensemble)}
        for width, factor, power in (("r", 1.0, 1.0), ("d", 0.5, 1.3))
        for noise in (0.1, 1.0, 10.0)
        for target in range(2)
        for ensemble in range(3)
    ]
    tables, rng = {"noisy": pd.DataFrame(rows)}, np.random.default_rng(0)
    pair = {"table": "noisy", "value": "best_error", "by": "width", "pair": ["d", "r"], "where": {"noise": 1.0}}
    assert shared.factor_apart(tables, {}, rng, **pair).value == pytest.approx(2)
    assert shared.ratio_of_pair(tables, {}, rng, **pair).value == pytest.approx(0.5)
    law = {"table": "noisy", "value": "best_error", "along": "noise", "expected": 1, "where": {"width": ["d"]}}
    assert shared.exponent_off(tables, {}, rng, **law).value == pytest.approx(0.3)
    lost = {"noisy": tables["noisy"].assign(best_error=np.nan)}
    assert shared.exponent_off(lost, {}, rng, **law) == UNDEFINED
    assert shared.ratio_of_pair(lost, {}, rng, **pair) == UNDEFINED


def test_the_trace_of_the_hessian_of_a_fit_is_twice_the_flat_weight():
    matrices, _, goal = drawn(label_noise=0.1)
    values, vectors = np.linalg.eigh(goal)
    u = vectors[:, -RANK:] * np.sqrt(values[-RANK:])
    labels, size, total = plain.measure(matrices, goal), 1e-3, 0.0

    def loss(x):
        return np.mean((plain.measure(matrices, x @ x.T) - labels) ** 2) / 4

    # Second differences along every entry; the loss is of fourth order.
    for place in np.ndindex(u.shape):
        moved = np.zeros_like(u)
        moved[place] = size
        total += (loss(u + moved) + loss(u - moved) - 2 * loss(u)) / size**2
    assert total == pytest.approx(2 * np.sum(flat_minima.flat_weight(matrices) * goal), rel=1e-4)


def test_programmes_find_what_their_weights_are_least_at():
    options = {"d": 8, "rank": 1, "m_over_dr": [1.25, 3.5], "targets": 2}
    table = measured("flat_minima", options, seed=SEED)
    assert (where(table, m=28)["test_error"] < 1e-2).all()
    assert (table.loc[table["status"] == "converged", "test_error"] < 1e-3).all()
    # X* is a fit: below the threshold a solution is another one that weighs less.
    packed = np.concatenate(list(gaussian.packed_rows(8, 10, SEED, 0)))
    factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0]}, 8, 1, SEED, TARGET)
    labels = packed @ plain.pack(factor @ factor.T)
    for weight in (flat_minima.flat_weight(plain.unpack(packed, 8)), flat_minima.random_weight(8, 100.0, SEED, 0)):
        found, status = flat_minima.minimum_trace(packed, 8, labels, "clarabel", weight)
        assert status != flat_minima.FAILED
        np.testing.assert_allclose(packed @ plain.pack(found), labels, atol=1e-5)
        assert np.linalg.eigvalsh(found).min() > -1e-6
        assert np.sum(weight * found) < np.sum(weight * (factor @ factor.T)) + 1e-4
    refused("flat_minima", "m below d(d+1)/2", m_over_dr=[4])


@pytest.mark.witness("flat_minima", "test_error", "status", "rank")
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")
def test_programmes_end_where_dense_ones_do():
    import cvxpy

    table = measured("flat_minima", {"d": 6, "rank": 1, "m_over_dr": [1.0, 3.0], "targets": 2}, seed=SEED)
    factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0]}, 6, 1, SEED, TARGET)
    goal, statuses = factor @ factor.T, set()
    for row in table[table["target"] == TARGET].to_dict("records"):
        matrices = gaussian_matrices(6, row["m"], SEED)
        weight = {
            "flattest": sum(matrix @ matrix for matrix in matrices) / len(matrices),
            "trace": np.eye(6),
            "random": flat_minima.random_weight(6, 100.0, SEED, 0),
        }[row["programme"]]
        x = cvxpy.Variable((6, 6), PSD=True)
        fits = [cvxpy.trace(matrix @ x) == np.sum(matrix * goal) for matrix in matrices]
        cvxpy.Problem(cvxpy.Minimize(cvxpy.trace(weight / np.linalg.norm(weight) @ x)), fits).solve(cvxpy.CLARABEL)
        error = plain.relative_error(x.value, goal)
        assert row["test_error"] == pytest.approx(error, rel=1e-2, abs=1e-4)
        assert row["status"] == ("converged" if error < 1e-3 else "budget")
        assert row["rank"] == np.linalg.matrix_rank(goal, tol=1e-9)
        statuses.add(row["status"])
    assert len(statuses) == 2


def programmes_table():
    """Return errors of the programmes, of which one needs half as many measurements again."""
    table = crossed((), programme=["flattest", "trace", "random"], m=[10, 20, 40, 80], **RUNS)
    centre = np.where(table["programme"] == "random", 45.0, 30.0) * (1 + 0.05 * table["ensemble"])
    return table.assign(d=10, rank=2, test_error=0.01 * (table["m"] / centre) ** -2.0)


@pytest.mark.known_answer("thresholds_apart")
def test_thresholds_of_programmes_are_compared_run_by_run():
    tables, fixed = {"flat": programmes_table()}, {"table": "flat", "by": "programme", "tolerance": 0.01}
    for pair, factor in ((["flattest", "trace"], 1), (["random", "trace"], 1.5), (["trace", "random"], 1.5)):
        found = estimands.thresholds_apart(tables, {}, np.random.default_rng(0), pair=pair, **fixed)
        assert found.value == pytest.approx(factor, rel=0.03)


def test_flat_minima_shows_the_shares_that_recover():
    table = programmes_table()
    (axes,) = figures.draw("flat_minima", {"flat_minima": table}).axes
    share = (table["test_error"] < 0.01)[table["programme"] == "trace"].groupby(table["m"]).mean()
    drawn = curve(axes, "least trace")
    np.testing.assert_allclose(drawn.to_numpy(), share.to_numpy())
    assert axes.get_title().endswith("within a factor of 1")
    assert "a factor below 1.15" in axes.get_legend().get_texts()[-1].get_text()


def test_schedules_are_listed_by_the_sum_of_their_steps():
    rows = [
        {"loss": loss, "end_error": error} for loss, error in (("absolute", 0.1), ("absolute", 0.4), ("squared", 3.0))
    ]
    table = ledger.outlier_schedules(*(pd.DataFrame(rows) for _ in ledger.SCHEDULES))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    # η/(1 − ρ) with η = 0.4.
    assert [row[0] for row in cells] == ["40", "67", "133", "267"]
    assert {tuple(row[2:]) for row in cells} == {("0.2", "3")}
