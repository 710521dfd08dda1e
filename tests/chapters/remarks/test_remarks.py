import numpy as np
import pandas as pd
import plain
import pytest
import torch
from conftest import measured, option_problems
from scipy.optimize import linprog

from algoreg.algorithms.stochastic import samples
from algoreg.chapters.diagonals import Diagonals
from algoreg.chapters.remarks import estimands as remarks
from algoreg.chapters.remarks import ledger as passages
from algoreg.chapters.remarks.experiments import min_trace_commuting, minibatch
from algoreg.claims.cells import chosen
from algoreg.claims.intervals import UNDEFINED
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics import trace_minimisation
from algoreg.numerics.draws import draw_diagonals
from algoreg.numerics.eigen import project
from algoreg.numerics.problems import draw_factor, draw_flat_target
from algoreg.numerics.svec import smat, svec
from algoreg.reporting import figures

pytestmark = pytest.mark.replicates(200)

SEED = 5
MIN_TRACE = {"d": 6, "rank": 1, "m_over_dr": [1.4, 2.6], "alpha": [0.1, 1e-4], "targets": 2, "step": 0.2}
MIN_TRACE["iterations"] = 1500
COMMUTING = {"d": 12, "m": 9, "support": 2, "alpha": [0.1, 1e-12], "targets": 2, "step": 0.25, "iterations": 4000}
MINIBATCH = {"d": 5, "rank": 1, "m": 12, "targets": 2, "alpha": [0.01, 1.0], "largest_step": [0.25, 0.02]}
MINIBATCH |= {"batch": [1, 3, 12], "step_factor": [1, 100], "label_noise": [0, 0.1], "time": 8}


def table_of(name, options, ensembles=(0, 1)):
    return measured(name, options, seed=SEED, ensembles=ensembles)


@pytest.fixture(scope="module")
def tables():
    options = {"x_space": {"d": 6, "rank": 1, "m": [7, 42], "targets": 2, "iterations": 500}}
    options |= {"min_trace": MIN_TRACE, "min_trace_commuting": COMMUTING, "minibatch": MINIBATCH}
    return {name: table_of(name, block) for name, block in options.items()}


def planted_of(d, rank, target):
    factor = draw_factor({"kind": "columns"}, d, rank, SEED, target)
    return torch.from_numpy(factor @ factor.T)


def row_of(table, **where):
    found = chosen(table, where)
    assert len(found) == 1
    return found.iloc[0]


def least_trace_by_splitting(rows, labels, d, iterations=8_000):
    """Douglas-Rachford splitting of trace + cone and of the affine set: nothing in common with the solvers."""
    inverse = torch.linalg.pinv(rows)
    point = torch.zeros(rows.shape[1], dtype=torch.float64)
    identity = svec(torch.eye(d, dtype=torch.float64)[None])[0]
    for _ in range(iterations):
        affine = point - inverse @ (rows @ point - labels)
        inner = 2 * affine - point - 0.1 * identity
        point += svec(project(smat(inner, d)[None]))[0] - affine
    return smat(affine, d)


def test_least_trace_agrees_between_solvers_and_with_splitting():
    d, planted = 6, planted_of(6, 1, 0)
    rows = Ensemble.draw(d, 8, SEED, 0).rows
    labels = rows @ svec(planted[None])[0]
    expected = least_trace_by_splitting(rows, labels, d).numpy()
    assert np.linalg.norm(expected - planted.numpy()) > 0.05
    for solver in trace_minimisation.SOLVERS:
        matrix, status = trace_minimisation.minimum_trace(rows.numpy(), d, labels.numpy(), solver)
        assert status in ("converged", "budget")
        # A gap of 1e-7 in the trace leaves about its root in the matrix; SCS goes on.
        np.testing.assert_allclose(matrix, expected, atol=1e-4 if solver == "clarabel" else 1e-8)
        assert np.trace(matrix) < np.trace(planted.numpy())


def test_a_solver_that_does_not_converge_is_a_status(monkeypatch):
    rows = np.eye(3)[:1]
    assert trace_minimisation.minimum_trace(rows, 2, np.array([-1.0]), "clarabel") == (None, "diverged")
    rows = Ensemble.draw(6, 8, SEED, 0).rows.numpy()
    labels = rows @ svec(planted_of(6, 1, 0)[None])[0].numpy()
    monkeypatch.setitem(trace_minimisation.SOLVERS, "scs", {"max_iters": 3})
    matrix, status = trace_minimisation.minimum_trace(rows, 6, labels, "scs")
    assert status == "budget"
    assert matrix.shape == (6, 6)
    monkeypatch.setitem(trace_minimisation.SOLVERS, "clarabel", {"max_iter": 1})
    few = table_of("min_trace", {**MIN_TRACE, "m_over_dr": [1.4], "iterations": 10})
    own = few[few["method"] == "clarabel"]
    assert set(own["status"]) == {"diverged"}
    assert own[["distance_to_target", "trace"]].isna().all(axis=None)
    # Descents are there, without a distance to what is not.
    descents = few[few["method"] == "descent"]
    assert descents["distance_to_min_trace"].isna().all()
    assert descents["distance_to_target"].notna().all()
    import cvxpy

    def fails(*arguments, **options):
        raise cvxpy.SolverError("no")

    monkeypatch.setattr(cvxpy.Problem, "solve", fails)
    assert trace_minimisation.minimum_trace(rows, 6, labels, "clarabel") == (None, "diverged")
    assert trace_minimisation.minimum_trace_diagonal(np.eye(2), np.ones(2), "scs") == (None, "diverged")


@pytest.mark.witness("min_trace", "distance_to_min_trace", "status")
def test_descents_are_those_of_a_plain_implementation(tables):
    for m, ratio in ((8, 1.4), (16, 2.6)):
        matrices = plain.unpack(Ensemble.draw(6, 16, SEED, 1).rows.numpy(), 6)[:m]
        planted = planted_of(6, 1, 1).numpy()
        labels = plain.measure(matrices, planted)
        u = plain.factored(1e-4 * np.eye(6), matrices, labels, MIN_TRACE["step"], MIN_TRACE["iterations"])
        row = row_of(tables["min_trace"], method="descent", alpha=1e-4, m_over_dr=ratio, target=1, ensemble=1)
        assert row["m"] == m
        assert row["distance_to_target"] == pytest.approx(plain.relative_error(u @ u.T, planted), rel=1e-6)
        assert row["trace"] == pytest.approx(np.trace(u @ u.T) / np.trace(planted), rel=1e-6)
        matrix, _ = trace_minimisation.minimum_trace(plain.pack(matrices), 6, labels, "clarabel")
        left = plain.relative_error(plain.measure(matrices, u @ u.T), labels)
        assert row["status"] == ("converged" if left < 1e-4 else "budget")
        apart = np.linalg.norm(u @ u.T - matrix) / np.linalg.norm(planted)
        assert row["distance_to_min_trace"] == pytest.approx(apart, rel=1e-5, abs=1e-7)


def test_commuting_measurements_are_the_full_problem_and_the_theorem_holds_there(tables):
    vectors = draw_diagonals(12, 9, SEED, 0)
    np.testing.assert_allclose(vectors @ vectors.T, 9 * np.eye(9), atol=1e-12)
    planted = draw_flat_target(12, 2, SEED, 0)
    assert np.linalg.matrix_rank(planted) == 1
    assert np.linalg.norm(planted, 2) == pytest.approx(1)
    assert not np.allclose(draw_diagonals(12, 9, SEED, 1), vectors)
    assert not np.array_equal(draw_flat_target(12, 2, SEED, 1), planted)
    labels = vectors @ np.diag(planted)
    u = plain.factored(0.1 * np.eye(12), np.stack([np.diag(row) for row in vectors]), labels, 0.25, 50)
    run = {"m": 9, "alpha": 0.1, "step": 0.25, "target": 0, "iterations": 50}
    known = Diagonals(torch.from_numpy(vectors))
    descent = min_trace_commuting.DiagonalDescent(known, torch.from_numpy(labels)[None], [run], SEED)
    end = descent.estimate(descent.advance(descent.initial(), 0, 50))
    np.testing.assert_allclose(end[0], u @ u.T, atol=1e-12)
    solution = linprog(np.ones(12), A_eq=vectors, b_eq=labels).x
    for solver in trace_minimisation.SOLVERS:
        diagonal, status = trace_minimisation.minimum_trace_diagonal(vectors, labels, solver)
        assert status == "converged"
        np.testing.assert_allclose(diagonal, solution, atol=1e-6)
    table = tables["min_trace_commuting"]
    near = chosen(table, {"method": "descent", "alpha": 1e-12})
    assert (near["distance_to_min_trace"] < 1e-3).all()
    assert (near["distance_to_target"] > 0.5).all()


@pytest.mark.witness("min_trace_commuting", "distance_to_min_trace", "status")
def test_distances_of_commuting_descents_are_those_of_a_plain_loop_and_a_linear_programme(tables):
    vectors, planted = draw_diagonals(12, 9, SEED, 1), draw_flat_target(12, 2, SEED, 1)
    labels = vectors @ np.diag(planted)
    least = linprog(np.ones(12), A_eq=vectors, b_eq=labels).x
    u = np.full(12, 0.1)
    for _ in range(4000):
        u = u - 0.25 * sum((v @ u**2 - y) * v for v, y in zip(vectors, labels, strict=True)) / 9 * u
    row = row_of(tables["min_trace_commuting"], method="descent", alpha=0.1, target=1, ensemble=1)
    apart = np.linalg.norm(u**2 - least) / np.linalg.norm(planted)
    assert row["distance_to_min_trace"] == pytest.approx(apart, rel=1e-5)
    left = plain.relative_error(vectors @ u**2, labels)
    assert row["status"] == ("converged" if left < 1e-4 else "budget")


@pytest.mark.witness("minibatch", "ratio")
def test_minibatches_are_plain_sgd_on_the_same_labels(tables):
    table, length = tables["minibatch"], 15
    ensemble = Ensemble.draw(5, 12, SEED, 1)
    matrices, planted = plain.unpack(ensemble.rows.numpy(), 5), planted_of(5, 1, 0)
    clean = ensemble.label(planted[None])
    labels = minibatch.noisy(clean.repeat(2, 1), 0.1, SEED, 1)[0].numpy()
    for batch in (1, 3, 12):
        step = min(batch / (2 * length), 0.25)
        count = round(8 / step)
        draws = samples(SEED, 1, 0, count * batch, 12).reshape(count, batch)
        u = plain.stochastic(0.01 * np.eye(5), matrices, labels, step, draws)
        where = {"method": "sgd", "alpha": 0.01, "label_noise": 0.1, "batch": batch, "step_factor": 1}
        row = row_of(table, **where, target=0, ensemble=1)
        assert row["test_error"] == pytest.approx(plain.relative_error(u @ u.T, planted.numpy()), rel=1e-8)
        own = row_of(table, method="gradient", alpha=0.01, label_noise=0.1, target=0, ensemble=1)
        assert own["ratio"] == 1
        assert row["ratio"] == pytest.approx(row["test_error"] / own["test_error"])
    # Steps far beyond what single samples bear, to the largest step allowed, are recorded as what they are.
    lost = chosen(table, {"alpha": 1.0})
    lost = lost[lost["status"] == "diverged"]
    assert lost[["train_error", "test_error", "ratio"]].isna().all(axis=None)


def test_label_noise_is_relative_and_its_own_stream():
    labels = torch.arange(1.0, 4001.0, dtype=torch.float64).repeat(2, 1)
    noise = minibatch.noisy(labels, 0.1, SEED, 0) - labels
    rms = labels.square().mean(dim=1).sqrt()
    np.testing.assert_allclose((noise.square().mean(dim=1).sqrt() / rms).numpy(), 0.1, rtol=0.05)
    assert abs(np.corrcoef(noise.numpy())[0, 1]) < 0.06
    assert minibatch.noisy(labels, 0, SEED, 0) is labels


@pytest.mark.known_answer("largest_shortfall")
def test_shortfall_is_below_one_only_near_the_law_and_above_the_floor():
    law = np.array([0.9, 0.6, 0.0, 0.3])
    found = remarks.shortfall(np.array([0.93, 0.54, 1e-15, 0.3]), law, tolerance=0.1, floor=0.5)
    np.testing.assert_allclose(found[:2], [0.5 / 0.93, 1.0])
    assert (found[2:] > 1.5).all()
    rows = [
        {"m": m, "target": t, "ensemble": e, "error": error * (1 + 0.01 * t - 0.01 * e), "law": law}
        for m, error, law in ((1, 0.9, 0.95), (2, 0.8, 0.8), (3, 1e-9, 0.0))
        for t in range(2)
        for e in range(2)
    ]
    table = pd.DataFrame(rows)
    options = {"table": "x", "value": "error", "predicted": "law", "by": ["m"], "tolerance": 0.1, "floor": 0.5}

    def estimate(frame, **where):
        return remarks.largest_shortfall({"x": frame}, {}, np.random.default_rng(0), where=where, **options)

    good = estimate(table, m=[1, 2])
    assert good.value == pytest.approx(max(0.5 / 0.8, 0.05 / 0.095))
    assert good.low < good.value < good.high < 1
    assert estimate(table, m=3).low > 1
    assert estimate(table.assign(error=np.nan), m=1) == UNDEFINED


def test_descent_on_x_recovers_only_with_all_measurements(tables):
    table = tables["x_space"]
    assert (table[table["m"] == 7]["test_error"] > 0.4).all()
    assert (table[table["m"] == 42]["test_error"] < 1e-4).all()
    assert set(table["status"]) == {"converged"}
    np.testing.assert_allclose(table["m_over_dimension"], table["m"] / 21)


def test_what_the_experiments_cannot_be_is_named():
    cases = [
        ("min_trace", {"m_over_dr": [9]}, "beyond it X* is the only solution"),
        ("min_trace", {"rank": 9}, "rank at most d"),
        ("min_trace", {"alpha": [0]}, "alpha[0] = 0: Input should be greater than 0"),
        ("min_trace_commuting", {"m": 8}, "m below d"),
        ("min_trace_commuting", {"support": 9}, "support at most d"),
        ("minibatch", {"batch": [31]}, "batches of at most m"),
        ("minibatch", {"largest_step": [0.25]}, "as many steps"),
        ("minibatch", {"label_noise": [0.1]}, "0 among label_noise"),
        ("minibatch", {"rank": 9}, "rank at most d"),
    ]
    for name, change, message in cases:
        found = option_problems(name, **change)
        assert any(f"experiments.{name}.options" in line and message in line for line in found), (change, found)


def test_figures_say_what_is_missing(tables):
    lost = {name: table.copy() for name, table in tables.items()}
    for table in lost.values():
        first = table.index[table.get("method", pd.Series("descent", table.index)).isin(["descent", "sgd"])][0]
        values = [c for c in table if c.startswith(("distance", "test_error", "train_error", "trace", "ratio"))]
        table.loc[first, values] = np.nan
        table.loc[first, "status"] = "diverged"
    for name in ("x_space", "minibatch", "min_trace"):
        figures.draw(name, tables)
        figure = figures.draw(name, lost)
        said = [text.get_text() for axes in figure.axes for text in axes.get_legend().get_texts()]
        assert any("not drawn" in text for text in said), name


def test_passages_say_what_the_tables_say(tables):
    table, commuting = tables["min_trace"], tables["min_trace_commuting"]
    ends = passages.min_trace_ends(table)
    least = chosen(table, {"method": "clarabel", "m_over_dr": 2.6})
    assert f"| 2.6 | {int((least['distance_to_target'] < 0.01).sum())} of 4 |" in ends
    assert "of 16 solutions" in ends
    near = chosen(commuting, {"method": "descent", "alpha": 1e-12})
    assert f"| 1e-12 | {near['distance_to_min_trace'].mean():.3g} |" in passages.min_trace_commuting_ends(commuting)
    few = chosen(table, {"method": "descent", "m_over_dr": 1.4})
    fits = few[(few["alpha"] == few["alpha"].min()) & (few["status"] == "converged")]
    there = int((fits["distance_to_target"] < 0.01).sum())
    assert (
        passages.fitted_ends(table)
        == f"Gradient descent still recovers X\\* in {there} of {len(fits)} runs that fit the observations."
    )
    rows = [line.split(" | ") for line in passages.minibatch_ratios(tables["minibatch"]).splitlines()[2:]]
    # Every start, noise and step; 0.1·√(5/12) is what noise leaves at d = 5, r = 1, m = 12.
    assert len(rows) == 6
    assert {row[2] for row in rows if row[1] == "0.1"} == {"0.0645"}


def test_the_run_that_leaves_is_the_one_that_goes_farthest():
    paths = {0: [0.5, 0.3, 0.2], 1: [0.5, 0.1, 0.4], 2: [0.5, np.nan, 0.9], 3: [0.3, 0.15, 0.5]}
    rows = [
        {"alpha": alpha, "target": 0, "ensemble": e, "distance_to_min_trace": value}
        for e, path in paths.items()
        for alpha, value in zip((0.1, 0.01, 0.001), path, strict=True)
    ]
    assert remarks.nearest_then_away(pd.DataFrame(rows)).tolist() == [0.5, 0.1, 0.4]


@pytest.mark.known_answer("fitted_mean")
def test_runs_that_do_not_fit_are_left_out_of_the_mean():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        [
            {"target": t, "ensemble": e, "y": np.exp(rng.normal()), "status": "converged"}
            for t in range(3)
            for e in range(6)
        ]
    )
    lost = frame.sample(5, random_state=1).index
    frame.loc[lost, ["y", "status"]] = [1e-9, "budget"]
    kept = frame[frame["status"] == "converged"]["y"]
    options = {"table": "x", "value": "y"}
    found = remarks.fitted_mean({"x": frame}, {}, np.random.default_rng(0), **options)
    assert found.value == pytest.approx(kept.mean())
    assert kept.min() < found.low < found.value < found.high < kept.max()
    few = frame.assign(status=np.where(frame["ensemble"] < 2, "converged", "budget"))
    assert remarks.fitted_mean({"x": few}, {}, rng, **options) == UNDEFINED
    # Half of them are enough; those of another kind are not counted.
    half = few.assign(status=np.where(frame["ensemble"] < 3, "converged", "budget"), y=frame["ensemble"], kind="asked")
    both = {"x": pd.concat([half, half.assign(kind="other", status="budget")])}
    found = remarks.fitted_mean(both, {}, np.random.default_rng(0), where={"kind": "asked"}, **options)
    assert found.value == pytest.approx(1)


def test_the_parts_of_descent_on_x_are_reported_apart():
    table = {
        "m_over_dimension": [0.5, 0.5, 2.0, 2.0],
        "test_error": [0.7, 0.8, 0.0, 0.0],
        "predicted_error": [0.5, 0.5, 0, 0],
    }
    text = passages.x_space_parts(pd.DataFrame(table))
    assert "| 0.5 | 0.75 | 0.5 | +50.0 % |" in text
    assert "| 2 | 0 | 0 | – |" in text
