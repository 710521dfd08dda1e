"""Greedy low-rank learning: its stages, descents and deep diagonal factors against plain loops, and what is drawn."""

import math

import numpy as np
import pandas as pd
import plain
import pytest
import torch
from conftest import measured, option_problems
from drawn import crossed, curve, drawn_law, geometric, margin, same, where
from scipy.optimize import linprog, minimize

from algoreg.chapters.diagonals import Diagonals
from algoreg.chapters.greedy.experiments import commuting_depth, four_by_four, greedy
from algoreg.engine.experiment import Context
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_flat_target, draw_targets
from algoreg.numerics.seeds import stream
from algoreg.reporting import figures
from algoreg.settings.chapters import load_chapters

SEED = 3
ENDS = {"d": 6, "rank": 1, "m_over_dr": 1.4, "alpha": [1e-1, 1e-4], "targets": 2, "step": 0.25, "iterations": 3000}
CONTEXT = Context(SEED, [0], torch.device("cpu"), torch.float64, lambda line: None)


# uuᵀ of u = (1, 2, 1, 2): the fit of rank one of the 4 × 4 matrix at R = 2.
RANK_ONE = np.outer([1.0, 2.0, 1.0, 2.0], [1.0, 2.0, 1.0, 2.0])


def claims():
    return {entry["id"]: entry for entry in load_chapters(["greedy"])[0].claims}


def plain_greedy(matrices, labels, d):
    """Return the factor that greedy low-rank learning ends with."""
    factor = np.zeros((d, 0))
    while np.linalg.norm(plain.measure(matrices, factor @ factor.T) - labels) > 1e-9 * np.linalg.norm(labels):
        values, vectors = np.linalg.eigh(plain.gradient(matrices, factor @ factor.T, labels))
        if values[0] > -1e-7:
            break
        factor, step = np.column_stack([factor, 1e-7 * vectors[:, 0]]), 0
        while True:
            pulled = plain.gradient(matrices, factor @ factor.T, labels) @ factor
            if step and step % 100 == 0 and np.linalg.norm(pulled) < 1e-9 and np.linalg.norm(factor[:, -1]) > 1e-3:
                break
            factor, step = factor - 0.25 * pulled, step + 1
    return factor


def dense_least_trace(matrices, labels):
    """Return the positive semidefinite matrix of least trace that fits, by a programme on dense matrices."""
    import cvxpy

    x = cvxpy.Variable((6, 6), PSD=True)
    fits = [cvxpy.trace(matrix @ x) == label for matrix, label in zip(matrices, labels, strict=True)]
    cvxpy.Problem(cvxpy.Minimize(cvxpy.trace(x)), fits).solve(cvxpy.CLARABEL)
    return x.value


@pytest.fixture(scope="module")
def drawn():
    planted = draw_targets({"kind": "columns"}, 6, 2, CONTEXT, 2)
    ensemble = Ensemble.draw(6, 14, SEED, 0)
    return planted, ensemble, plain.unpack(ensemble.rows.numpy(), 6)


def test_greedy_low_rank_learning_is_a_plain_loop_of_more_than_one_stage(drawn):
    planted, ensemble, matrices = drawn
    labels = ensemble.label(planted)
    end, columns, ended = greedy.greedy(CONTEXT, ensemble, planted, labels, 0.25, 50_000)
    assert ended.all()
    assert columns.max() > 1
    for target in range(2):
        factor = plain_greedy(matrices, labels[target].numpy(), 6)
        assert columns[target] == factor.shape[1]
        np.testing.assert_allclose(end[target], factor @ factor.T, atol=1e-6)


def test_a_column_that_does_not_come_to_its_end_is_said(drawn):
    planted, ensemble, _ = drawn
    labels = ensemble.label(planted)
    _, columns, ended = greedy.greedy(CONTEXT, ensemble, planted, labels, 0.25, 20)
    assert not ended.any()
    assert set(columns) == {1}
    table = measured("greedy", {**ENDS, "method": ["descent"], "greedy_iterations": 20}, seed=SEED)
    assert set(table["status"]) == {"diverged"}
    assert table["distance_to_greedy"].isna().all()


@pytest.mark.witness("greedy", "distance_to_greedy", "distance_to_min_trace", "log_smallness")
def test_descents_are_those_of_a_plain_loop_and_have_both_distances():
    table = measured("greedy", {**ENDS, "method": ["descent"]}, seed=SEED)
    planted = draw_targets({"kind": "columns"}, 6, 1, CONTEXT, 2)
    matrices = plain.unpack(Ensemble.draw(6, 8, SEED, 0).rows.numpy(), 6)
    for target in range(2):
        x = planted[target].numpy()
        labels = plain.measure(matrices, x)
        factor = 1e-4 * np.eye(6)
        for step in range(1, 3001):
            factor = factor - 0.25 * plain.gradient(matrices, factor @ factor.T, labels) @ factor
            misfit = np.linalg.norm(plain.measure(matrices, factor @ factor.T) - labels) / np.linalg.norm(labels)
            if step % 100 == 0 and misfit < 1e-9:
                break
        own = where(table, method="descent", alpha=1e-4, target=target).iloc[0]
        end = plain_greedy(matrices, labels, 6)
        assert own["distance_to_target"] == pytest.approx(
            np.linalg.norm(factor @ factor.T - x) / np.linalg.norm(x), rel=1e-5
        )
        least = dense_least_trace(matrices, labels)
        beside = np.linalg.norm(factor @ factor.T - least) / np.linalg.norm(x)
        assert own["distance_to_min_trace"] == pytest.approx(beside, rel=1e-3, abs=1e-5)
        apart = np.linalg.norm(factor @ factor.T - end @ end.T) / np.linalg.norm(x)
        assert own["distance_to_greedy"] == pytest.approx(apart, rel=1e-4, abs=1e-6)
        assert own["log_smallness"] == pytest.approx(8 * math.log(10))
        values = np.linalg.eigvalsh(-plain.gradient(matrices, 0 * x, labels))
        assert own["gap"] == pytest.approx(1 - values[-2] / values[-1])
    assert set(where(table, method="greedy")["distance_to_greedy"]) == {0.0}


def test_runs_that_do_not_fit_yet_are_budget():
    table = measured(
        "greedy", {**ENDS, "method": ["descent", "mirror"], "alpha": [1e-6, 1e-8], "iterations": 5}, seed=SEED
    )
    assert set(where(table, method="descent")["status"]) == {"budget"}
    assert set(where(table, method="mirror")["status"]) == {"budget"}
    assert set(where(table, method="greedy")["status"]) == {"converged"}


def test_mirror_descent_ends_at_the_nearest_fit_in_relative_entropy(drawn):
    # Its logarithm moves in the span of the A_i alone; that and the fit are the optimality conditions.
    planted, ensemble, matrices = drawn
    labels = ensemble.label(planted)
    options = {"alpha": [1e-1, 1e-2], "step": 0.25, "iterations": 800}
    ends, errors = greedy.run_method(CONTEXT, ensemble, "mirror", planted, labels, options)
    assert (errors < 1e-2).all()
    span = plain.pack(matrices)
    for alpha, own in zip(options["alpha"], ends, strict=True):
        for x in own.numpy():
            values, vectors = np.linalg.eigh(x)
            moved = plain.pack(vectors @ np.diag(np.log(values)) @ vectors.T - 2 * math.log(alpha) * np.eye(6))
            rest = moved - span.T @ np.linalg.lstsq(span.T, moved, rcond=None)[0]
            assert np.linalg.norm(rest) < 1e-6 * np.linalg.norm(moved)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_deep_diagonal_factors_are_a_plain_loop_on_matrices(depth):
    known, rng = Diagonals.draw(5, 3, SEED, 0), np.random.default_rng(depth)
    vectors, goal = known.vectors.numpy(), rng.uniform(0.5, 1, 5)
    labels = vectors @ goal
    end, taken = commuting_depth.descend(CONTEXT, known, goal[None], depth, [0.1], {"step": 0.5, "most": 7})
    factors = [0.1 ** (1 / depth) * np.eye(5) for _ in range(depth)]
    for _ in range(7):
        x = np.linalg.multi_dot(factors) if depth > 1 else factors[0]
        pulled = np.diag(vectors.T @ (vectors @ x.diagonal() - labels) / 3)
        size = max(np.linalg.norm(pulled), x.max())
        step = 0.5 / (depth * x.max() ** (1 - 2 / depth) * size)
        others = [np.linalg.multi_dot([np.eye(5), np.eye(5), *factors[:k], *factors[k + 1 :]]) for k in range(depth)]
        factors = [factor - step * other @ pulled for factor, other in zip(factors, others, strict=True)]
    assert taken == [7]
    np.testing.assert_allclose(end[0], np.linalg.multi_dot(factors).diagonal(), rtol=1e-12)


@pytest.mark.witness("commuting_depth", "distance_to_min_trace", "distance_to_target")
def test_distances_of_deep_diagonal_factors_are_those_of_a_plain_loop_and_a_linear_programme():
    options = {"d": 8, "m": 4, "support": 3, "depth": [2, 3], "start": [0.1, 0.01], "targets": 2, "most": 40}
    table = measured("commuting_depth", options, seed=SEED)
    vectors, goal = Diagonals.draw(8, 4, SEED, 0).vectors.numpy(), 3 * np.diag(draw_flat_target(8, 3, SEED, 1))
    labels = vectors @ goal
    least = linprog(np.ones(8), A_eq=vectors, b_eq=labels).x
    for row in table[table["target"] == 1].to_dict("records"):
        depth, u = row["depth"], np.full(8, row["start"] ** (1 / row["depth"]))
        for _ in range(40):
            x = u**depth
            pulled = sum((v @ x - y) * v for v, y in zip(vectors, labels, strict=True)) / 4
            step = 1 / (depth * max(u ** (depth - 2)) * max(np.linalg.norm(pulled), max(x)))
            u = u - step * u ** (depth - 1) * pulled
        for name, other in (("distance_to_min_trace", least), ("distance_to_target", goal)):
            assert row[name] == pytest.approx(
                plain.relative_error(u**depth, other) * np.linalg.norm(other) / 3**0.5, rel=1e-5
            )


def test_deep_diagonal_flow_ends_at_the_least_of_its_potential():
    # x^(2/N − 1) moves in the span of the diagonals: the flow's end minimises a convex function among the fits
    # [arora2019].
    known, depth, start = Diagonals.draw(6, 3, SEED, 0), 3, 0.1
    vectors, goal = known.vectors.numpy(), np.array([1.0, 1, 0, 0, 1, 0])
    labels, options = vectors @ goal, {"step": 0.02, "most": 100_000}
    end, _ = commuting_depth.descend(CONTEXT, known, goal[None], depth, [start], options)

    def dual(weights):
        left = start ** (-1 / 3) + vectors.T @ weights
        return (np.maximum(left, 1e-9) ** -2).sum() / 2 + labels @ weights

    weights = minimize(
        dual, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14, "maxiter": 5000}
    ).x
    np.testing.assert_allclose(end[0], (start ** (-1 / 3) + vectors.T @ weights) ** -3.0, atol=0.01)


def test_the_least_trace_is_not_the_target_of_the_commuting_draws():
    options = {"d": 30, "m": 15, "support": 12, "depth": [2], "start": [0.1, 0.05], "targets": 3, "most": 2000}
    table = measured("commuting_depth", options, seed=SEED)
    assert (table["gap_of_least"] > 0.1).mean() > 0.6
    slow = measured("commuting_depth", {**options, "most": 10}, seed=SEED)
    assert set(slow["status"]) == {"budget"}


@pytest.mark.parametrize(
    ("experiment", "changes", "said"),
    [
        ("greedy_ends", {"m_over_dr": 9.0}, "beyond it X* is the only solution"),
        ("greedy_ends", {"rank": 9}, "rank at most d"),
        ("greedy_ends", {"alpha": [1e-14, 1e-2]}, "alpha"),
        ("greedy_mirror", {"method": ["flow"]}, "method"),
        ("greedy_commuting", {"support": 9}, "support at most d"),
        ("greedy_commuting", {"depth": [1]}, "depth"),
        ("greedy_commuting", {"m": 8}, "m below d"),
        ("greedy_commuting", {"d": 30, "m": 20, "support": 3}, "support at least m/4"),
    ],
)
def test_bad_input_is_named_before_the_run(experiment, changes, said):
    problems = option_problems(experiment, **changes)
    assert problems
    assert any(experiment in problem and said in problem for problem in problems)


ALPHAS = [1e-1, 1e-4, 1e-6, 1e-8, 1e-10]


def ends_table(method, seed):
    runs = {"target": [0, 1], "ensemble": [0, 1]}
    table = crossed(("distance_to_greedy", "distance_to_min_trace"), seed, method=[method], alpha=ALPHAS, **runs)
    table = table.assign(d=8, rank=1, m=11, gap=0.1 + 0.05 * table["target"] + 0.1 * table["ensemble"])
    return table.assign(log_smallness=-2 * np.log(table["alpha"]))


def test_greedy_ends_shows_both_distances_and_their_laws():
    descent, mirror = ends_table("descent", 0), ends_table("mirror", 1)
    none = descent[descent["alpha"] == 1e-1].assign(method="greedy", alpha=0.0, log_smallness=np.nan)
    tables = {"greedy_ends": pd.concat([descent, none]), "greedy_mirror": mirror}
    left, middle, right = figures.draw("greedy_ends", tables, claims()).axes
    means = geometric(descent, "alpha", "distance_to_greedy")
    same(curve(left, "to the end of greedy"), means)
    same(curve(left, "to the least trace"), geometric(descent, "alpha", "distance_to_min_trace"))
    drawn_law(left, "margin: exponent", (1e-4, means[1e-4]), margin("greedy-below"))
    nearer = geometric(mirror, "log_smallness", "distance_to_min_trace")
    same(curve(right, "to the least trace"), nearer)
    drawn_law(right, "margin: exponent", (nearer.index[0], nearer.iloc[0]), -1)
    assert set(curve(middle, "margin of the mean")) == {margin("greedy-below")}
    assert len([line for line in middle.lines if line.get_marker() == "o"]) == 4


def test_greedy_commuting_shows_distances_by_depth():
    runs = {"target": [0, 1], "ensemble": [0, 1], "start": [0.1, 0.01, 0.003, 0.001]}
    table = crossed(("distance_to_min_trace", "distance_to_target"), depth=[2, 3], **runs).assign(d=8, m=4)
    (axes,) = figures.draw("greedy_commuting", {"greedy_commuting": table}, claims()).axes
    for depth in (2, 3):
        own = geometric(where(table, depth=depth), "start", "distance_to_min_trace")
        same(curve(axes, f"depth {depth}, to the least trace"), own)
    same(curve(axes, "depth 3, to X*"), geometric(where(table, depth=3), "start", "distance_to_target"))
    drawn_law(axes, "margin: depth 3", (0.01, own[0.01]), margin("commuting-depth"))


def test_the_two_fits_of_the_four_by_four_matrix():
    for ratio in (2.0, 3.0):
        known = {(0, 2): 1, (0, 3): ratio, (1, 2): ratio}
        rank_one, least_trace = four_by_four.fits(ratio)
        for fit, rank, trace in ((rank_one, 1, 2 + 2 * ratio**2), (least_trace, 2, 4 * ratio)):
            assert all(fit[place] == fit[place[::-1]] == value for place, value in known.items())
            assert np.linalg.matrix_rank(fit) == rank
            assert np.trace(fit) == trace
            assert np.linalg.eigvalsh(fit).min() > -1e-12
        # A dual point Y on the known entries, I − Y ⪰ 0: every fit's trace is at least ⟨Y, fit⟩, which they share.
        dual = np.zeros((4, 4))
        dual[0, 3] = dual[3, 0] = dual[1, 2] = dual[2, 1] = 1.0
        assert np.linalg.eigvalsh(np.eye(4) - dual).min() > -1e-12
        assert (dual * least_trace).sum() == (dual * rank_one).sum() == 4 * ratio


@pytest.mark.witness("four_by_four", "distance_to_rank_one", "distance_to_least_trace")
def test_descent_on_the_four_by_four_matrix_is_the_plain_loop():
    options = {"ratio": [2.0], "alpha": [0.3], "step": 0.1, "fitted": 1e-10, "iterations": 100, "targets": 2}
    rows = four_by_four.measure(options, CONTEXT, 1)
    assert [row["target"] for row in rows] == [2, 3]
    for row in rows:
        factor = 0.15 * stream("four by four", seed=SEED, start=row["target"]).standard_normal((4, 4))
        for _ in range(100):
            pull = np.zeros((4, 4))
            for i, j, value in ((0, 2, 1.0), (0, 3, 2.0), (1, 2, 2.0)):
                pull[i, j] = pull[j, i] = sum(factor[i, k] * factor[j, k] for k in range(4)) - value
            factor = factor - 0.1 / 4 * pull @ factor
        end = factor @ factor.T
        assert row["distance_to_rank_one"] == pytest.approx(np.linalg.norm(end - RANK_ONE) / np.linalg.norm(RANK_ONE))
        least = np.array([[2.0, 1, 1, 2], [1, 2, 2, 1], [1, 2, 2, 1], [2, 1, 1, 2]])
        assert row["distance_to_least_trace"] == pytest.approx(np.linalg.norm(end - least) / np.linalg.norm(least))
        missed = [end[0, 2] - 1, end[0, 3] - 2, end[1, 2] - 2]
        assert row["train_error"] == pytest.approx(np.linalg.norm(missed) / 3)
        assert row["status"] == "budget"
