"""Completion against plain loops: factors, the least nuclear norm, graphs, what is refused, and the figures."""

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import measured, option_problems, refused
from drawn import RUNS, crossed, curve, geometric, level, margin, same, where, whiskers

from algoreg.chapters.completion import convex, factors, graph, ledger
from algoreg.chapters.completion.experiments import completion_course
from algoreg.chapters.completion.repeated import Repeated
from algoreg.claims.predictions import prediction_interval
from algoreg.claims.published import load_published
from algoreg.ensembles.entries_rectangular import Ensemble
from algoreg.reporting import figures
from algoreg.reporting.charts.law import ratio_of_pair
from algoreg.settings.chapters import load_chapters

D, RANK, SEED, TARGET = 8, 1, 5, 1


def plain_factors(layers, goal, known, step, count, smooth=None):
    """Return the product after steps of a plain loop: M = (d²/m)(S∘(X − X*) + what ``smooth`` gives of X)."""
    depth, largest = len(layers), None
    for iteration in range(count):
        product = np.linalg.multi_dot(layers[::-1])
        if iteration % 10 == 0:
            largest = np.linalg.svd(product)[1][0]
        pull = np.where(known, product - goal, 0) + (0 if smooth is None else smooth(product))
        pull = pull * known.size / known.sum()
        length = step / (depth * largest ** (1 - 2 / depth) * max(np.linalg.norm(pull), largest))
        moved = []
        for k in range(depth):
            above = np.linalg.multi_dot([*layers[:k:-1], np.eye(len(goal)), np.eye(len(goal))])
            below = np.linalg.multi_dot([np.eye(len(goal)), np.eye(len(goal)), *layers[:k][::-1]])
            moved.append(layers[k] - length * above.T @ pull @ below.T)
        layers = moved
    return np.linalg.multi_dot(layers[::-1])


def known_of(m, ensemble=0):
    known = np.zeros((D, D), bool)
    known[tuple(Ensemble.draw(D, m, SEED, ensemble).positions.numpy().T)] = True
    return known


@pytest.mark.witness("completion", "mse")
@pytest.mark.parametrize("depth", [2, 3])
def test_factors_are_those_of_a_plain_loop(depth):
    options = {"d": D, "rank": RANK, "m_over_dof": [2.0], "method": [f"depth_{depth}"]}
    table = measured(
        "completion", {**options, "start": [0.01], "step": 0.2, "iterations": 150, "targets": 2}, seed=SEED
    )
    (row,) = table[table["target"] == TARGET].to_dict("records")
    goal = factors.draw_target(D, RANK, SEED, TARGET)
    layers = [0.01 ** (1 / depth) * layer for layer in factors.gaussian_start(D, depth, SEED, TARGET).numpy()]
    known = known_of(row["m"])
    x = plain_factors(layers, goal, known, 0.2, 150)
    assert row["m"] == 2 * RANK * (2 * D - RANK)
    assert row["mse"] == pytest.approx(np.mean((x - goal) ** 2), rel=1e-6)
    assert row["train_error"] == pytest.approx(
        np.linalg.norm((x - goal)[known]) / np.linalg.norm(goal[known]), rel=1e-6
    )
    ratio = np.linalg.norm(x, "nuc") / np.linalg.norm(goal, "nuc")
    assert row["nuclear_norm"] == pytest.approx(ratio, rel=1e-6)
    assert np.mean(goal**2) == pytest.approx(1)


def test_the_splitting_ends_at_the_least_nuclear_norm():
    import cvxpy

    goal, known = factors.draw_target(D, 2, SEED, TARGET), known_of(30)
    variable = cvxpy.Variable((D, D))
    mask = known.astype(float)
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.normNuc(variable)), [cvxpy.multiply(mask, variable - goal) == 0])
    problem.solve(solver="CLARABEL")
    stacked = torch.from_numpy(goal)[None]
    (found,), (gap,), (steps,) = convex.least_nuclear_norm(torch.from_numpy(known)[None], stacked, 0.2, 5000, 1e-9)
    assert steps < 5000
    assert gap < 1e-9
    np.testing.assert_allclose(found.numpy()[known], goal[known])
    np.testing.assert_allclose(found, variable.value, atol=1e-4)
    # Singular values lose the threshold, and no less than all they have.
    drawn = torch.from_numpy(np.random.default_rng(0).standard_normal((2, D, D)))
    left, values, right = torch.linalg.svd(drawn)
    torch.testing.assert_close(convex.shrunk(drawn, 0.7), left @ torch.diag_embed((values - 0.7).clamp(min=0)) @ right)


def test_the_splitting_counts_the_steps_of_each_matrix():
    """All take steps until the last is done: alone each takes as many as are counted for it, and ends there."""
    goals = torch.from_numpy(np.stack([factors.draw_target(D, RANK, SEED, target) for target in range(3)]))
    known = torch.from_numpy(np.stack([known_of(m) for m in (25, 40, 60)]))
    _, gaps, steps = convex.least_nuclear_norm(known, goals, 0.2, 5000, 1e-6)
    alone = [convex.least_nuclear_norm(known[[k]], goals[[k]], 0.2, 5000, 1e-6)[2] for k in range(3)]
    assert [[own] for own in steps] == alone
    assert len(set(steps)) == 3
    assert max(gaps) < 1e-6
    # A matrix that is not done by the last step has taken them all.
    few = sorted(steps)[1]
    assert sorted(convex.least_nuclear_norm(known, goals, 0.2, few, 1e-6)[2]) == [min(steps), few, few]


@pytest.mark.parametrize(
    ("two", "convex", "said"),
    [
        ((1e-4, 1e-4), (1e-6, 1e-6), ["have 100 times"]),
        ((1e-4, 1e-4), (1e-12, 1e-12), ["have at least 1e+08 times", "The latter's is 10⁻¹² or less in 2 of 2 draws."]),
        ((1e-12, 1e-6), (1e-6, 1e-6), ["have at most 0.001 times", "The former's is 10⁻¹² or less in 1 of 2 draws."]),
        ((1e-12, 1e-6), (1e-12, 1e-6), ["have 1 times", "The former's is", "The latter's is"]),
    ],
)
def test_a_ratio_over_the_least_error_is_said_to_be_a_bound(two, convex, said):
    rows = [
        {"method": name, "m_over_dof": 5, "target": target, "ensemble": 0, "mse": error, "status": status}
        for name, errors, status in (("depth_2", two, "budget"), ("nuclear", convex, "converged"))
        for target, error in enumerate(errors)
    ]
    found = ledger.completion_of_two_factors(pd.DataFrame(rows))
    assert all(one in found for one in said)
    assert found.count("10⁻¹²") == len(said) - 1
    assert found.endswith("Of the former's runs 0% had converged, of the latter's 100%.")


COURSE = {"d": D, "rank": RANK, "m": 30, "rate": 0.2, "start": 1e-3, "iterations": 500, "targets": 2}


def published_course(depth, places, goal, rate, start, count, enough):
    """Return squared errors and largest singular values of every 100th step,
    and the last loss, as the published code runs.

    That is an optimiser on linear layers; it stops where the loss is enough.
    """
    model = torch.nn.Sequential(*[torch.nn.Linear(D, D, bias=False) for _ in range(depth)]).double()
    for weight in model.parameters():
        torch.nn.init.eye_(weight)
        weight.data.mul_(start ** (1 / depth))
    optimiser, errors, largest = torch.optim.SGD(model.parameters(), rate), [], []
    for step in range(count + 1):
        whole = None
        for layer in model.children():
            whole = layer.weight.t() if whole is None else layer(whole)
        loss = (whole[tuple(places)] - goal[tuple(places)]).pow(2).mean()
        if step % 100 == 0:
            errors.append((goal - whole).pow(2).mean().item())
            largest.append(torch.linalg.matrix_norm(whole, 2).item())
            if loss.item() <= enough:
                break
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return np.array(errors), np.array(largest), loss.item()


@pytest.mark.witness("completion_course", "least_mse", "mse", "escape", "least_at", "iterations", "status")
@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_course_is_that_of_the_published_loop(depth, repeated):
    table = measured("completion_course", {**COURSE, "depth": [depth], "repeated": repeated}, seed=SEED)
    (row,) = table[table["target"] == TARGET].to_dict("records")
    goal = torch.from_numpy(factors.draw_target(D, RANK, SEED, TARGET))
    places = (Repeated if repeated else Ensemble).draw(D, 30, SEED, 0).positions.T
    errors, largest, loss = published_course(depth, places, goal, 0.2, 1e-3, 500, 1e-6)
    assert row["least_mse"] == pytest.approx(errors.min(), rel=1e-8)
    assert row["mse"] == pytest.approx(errors[-1], rel=1e-8)
    assert row["least_at"] == 100 * errors.argmin()
    assert row["escape"] == 100 * next(k for k, value in enumerate(largest) if value >= largest[-1] / 2)
    assert row["iterations"] == 100 * (len(errors) - 1)
    assert row["status"] == ("converged" if loss <= 1e-6 else "budget")
    assert row["train_error"] ** 2 * goal[tuple(places)].square().mean().item() == pytest.approx(loss, rel=1e-8)
    assert row["distinct"] * D**2 == len({*zip(*places.tolist(), strict=True)})
    assert (row["distinct"] < 30 / D**2) == repeated


def test_the_least_error_of_a_course_may_lie_before_its_end_and_a_run_that_fits_ends():
    seen = completion_course.Course(1e-6)
    seen.memory = {"mse": np.array([[1, 0.5, 0.2, 0.4, np.nan]]), "largest": np.array([[0.1, 0.2, 1.1, 2, np.nan]])}
    seen.memory["train_error"] = np.array([0.3])
    found = {"least_mse": 0.2, "least_at": 200, "mse": 0.4, "train_error": 0.3, "escape": 200}
    assert seen.found(0) == found
    table = measured("completion_course", {**COURSE, "depth": [1, 2], "start": 0.1, "iterations": 1500}, seed=SEED)
    ended = table[table["status"] == "converged"]
    assert len(ended)
    assert (ended["iterations"] < 1500).all()
    assert (table.loc[table["status"] == "budget", "iterations"] == 1500).all()


def test_one_factor_comes_to_the_known_entries_alone_and_leaves_the_energy_of_the_others():
    table = measured("completion_course", {**COURSE, "depth": [1], "iterations": 500}, seed=SEED)
    for row in table.to_dict("records"):
        goal = factors.draw_target(D, RANK, SEED, row["target"])
        assert row["least_mse"] == pytest.approx(np.where(known_of(30), 0, goal**2).mean(), rel=0.02)


def graph_rows(**changes):
    options = {"d": D, "band": 2, "share": [0.4], "start": 1e-3, "iterations": 120, "targets": 2}
    options |= {"graph": ["path"], "method": ["factors", "convex"]}
    return measured("graph_completion", {**options, **changes}, seed=SEED)


def energy(x, sides):
    """Return (tr XᵀL_rX + tr XL_cXᵀ)/2."""
    return (np.trace(x.T @ sides[0] @ x) + np.trace(x @ sides[1] @ x.T)) / 2


@pytest.mark.witness("graph_completion", "unseen_error")
@pytest.mark.parametrize("name", ["path", "shuffled", "none"])
def test_graph_factors_are_those_of_a_plain_loop(name):
    table = graph_rows(graph=[name], method=["factors"])
    (row,) = table[table["target"] == TARGET].to_dict("records")
    goal, known = graph.draw_smooth_target(D, 2, SEED, TARGET), known_of(row["m"])
    rows, columns = graph.laplacians(D, "path" if name == "none" else name, SEED)

    def smooth(x):
        return (0 if name == "none" else 0.01) * (rows @ x + x @ columns)

    x = plain_factors([1e-3**0.5 * np.eye(D)] * 2, goal, known, 0.2, 120, smooth)
    error = np.linalg.norm((x - goal)[~known]) / np.linalg.norm(goal[~known])
    assert row["unseen_error"] == pytest.approx(error, rel=1e-6)
    assert row["iterations"] == 120


def test_factors_with_an_energy_come_to_the_linear_solve_if_they_run_on():
    left = {}
    for steps in (200, 4000):
        table = graph_rows(iterations=steps)
        means = table.pivot(index="target", columns="method", values="unseen_error")
        left[steps] = np.abs(np.log(means["factors"] / means["convex"])).max()
    assert left[200] > 1
    assert left[4000] < 0.15


def test_the_convex_fit_is_where_the_loss_is_least_and_a_shuffled_graph_has_the_same_spectrum():
    goal, known = graph.draw_smooth_target(D, 2, SEED, TARGET), known_of(26)
    places = np.argwhere(known)
    for name in ("path", "shuffled"):
        sides = graph.laplacians(D, name, SEED)
        (x,) = graph.smoothest_fit(places, goal[known][:, None], sides, 0.01)
        gradient = np.where(known, x - goal, 0) + 0.01 * (sides[0] @ x + x @ sides[1])
        assert np.abs(gradient).max() < 1e-12
        spectrum = [2 - 2 * np.cos(np.pi * k / D) for k in range(D)]
        np.testing.assert_allclose(np.linalg.eigvalsh(sides), [spectrum] * 2, atol=1e-12)
    # X* is smooth in the path: its energy is far below that of the same numbers in another order.
    assert energy(goal, graph.laplacians(D, "path", SEED)) < energy(goal, graph.laplacians(D, "shuffled", SEED)) / 2
    table = graph_rows()
    (row,) = table[(table["target"] == TARGET) & (table["method"] == "convex")].to_dict("records")
    sides = graph.laplacians(D, "path", SEED)
    (x,) = graph.smoothest_fit(places, goal[known][:, None], sides, 0.01)
    assert row["unseen_error"] == pytest.approx(np.linalg.norm((x - goal)[~known]) / np.linalg.norm(goal[~known]))


@pytest.mark.parametrize("name", ["path", "shuffled", "reordered"])
def test_eigenvectors_are_orthonormal_those_of_the_laplacians_and_no_librarys(name):
    """A library's have signs that differ between processors, and so would the start X₀ = s₀ΦΨᵀ."""
    values = 2 - 2 * np.cos(np.pi * np.arange(D) / D)
    for side, order in zip(graph.laplacians(D, name, SEED), graph.node_orders(D, name, SEED), strict=True):
        vectors = graph.path_vectors(D)[order]
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(D), atol=1e-14)
        np.testing.assert_allclose(side @ vectors, vectors * values, atol=1e-14)
    assert (graph.path_vectors(D)[0] > 0).all()


def test_eigenvectors_of_one_graph_on_both_sides_rotate_the_factors_and_no_more():
    options = {"d": D, "band": 2, "share": 0.4, "depth": [2, 3], "iterations": 60, "targets": 2}
    table = measured("graph_basis", {**options, "graph": ["path", "reordered"]}, seed=SEED)
    assert (table.loc[table["graph"] == "path", "difference"] < 1e-12).all()
    assert (table.loc[table["graph"] == "reordered", "difference"] > 1e-4).all()
    assert len(table) == 8


@pytest.mark.witness("graph_basis", "difference")
def test_another_graph_on_columns_changes_the_start_alone():
    options = {"d": D, "band": 2, "share": 0.4, "depth": [2], "graph": ["reordered"], "iterations": 60, "targets": 2}
    table = measured("graph_basis", options, seed=SEED)
    (row,) = table[table["target"] == TARGET].to_dict("records")
    goal, known = graph.draw_smooth_target(D, 2, SEED, TARGET), known_of(row["m"])
    rows, columns = (graph.path_vectors(D)[order] for order in graph.node_orders(D, "reordered", SEED))
    np.testing.assert_array_equal(graph.laplacians(D, "reordered", SEED)[0], graph.path_laplacian(D))
    own = plain_factors([1e-3**0.5 * columns.T, 1e-3**0.5 * rows], goal, known, 0.2, 60)
    plain = plain_factors([1e-3**0.5 * np.eye(D)] * 2, goal, known, 0.2, 60)
    assert row["difference"] == pytest.approx(np.linalg.norm(own - plain) / np.linalg.norm(goal), rel=1e-6)


def test_bad_options_are_named():
    refused("completion", "m below d²: all entries known leave nothing to complete", m_over_dof=[2.05, 7.0])
    refused("completion", "rank at most d", rank=13)
    refused("completion_course", "m below d²", m=144)
    assert not option_problems("completion_course", m=144, repeated=True)
    refused("completion_course", "a multiple of 100", iterations=250)
    refused("graph_completion", "a graph for the convex method", graph=["none"])
    refused("graph_basis", "depth[0] = 1: Input should be greater than or equal to 2", depth=[1])
    assert option_problems("graph_completion", band=10)


def test_a_run_that_does_not_fit_has_a_status():
    assert set(graph_rows(method=["factors"])["status"]) == {"budget"}


def claims():
    return {claim["id"]: claim for chapter in load_chapters() for claim in chapter.claims}


def test_completion_shows_errors_margins_and_norms():
    names = ["nuclear", "depth_2", "depth_3"]
    table = crossed(("mse", "nuclear_norm"), method=names, m_over_dof=[2.05, 5.0], **RUNS)
    table["start"] = np.where(table["method"] == "nuclear", 0.0, 1e-3)
    table = table.assign(d=12, rank=1)
    left, right = figures.draw("completion", {"completion": table}).axes
    for name, label in (("nuclear", "least nuclear norm"), ("depth_2", "two factors"), ("depth_3", "three factors")):
        own = where(table, method=name)
        for axes, value in ((left, "mse"), (right, "nuclear_norm")):
            np.testing.assert_allclose(curve(axes, label).to_numpy(), geometric(own, "m_over_dof", value).to_numpy())
    means = geometric(where(table, method="nuclear"), "m_over_dof", "mse")
    for label, at, name in (
        ("margin: above 10", 2.05, "completion-depth-beats-convex"),
        ("margin: below 0.1", 5.0, "completion-convex-wins"),
    ):
        assert curve(left, label).to_dict() == {at: pytest.approx(means[at] / margin(name))}
    three = geometric(where(table, method="depth_3"), "m_over_dof", "mse")
    assert ratio_of_pair(table, claims()["completion-depth-beats-convex"]) == pytest.approx(means[2.05] / three[2.05])


def test_completion_course_shows_runs_and_published_points():
    names, tables = ["depth_1", "depth_2", "depth_3"], {}
    curves = {f"published/{name}": load_published(name) for name in ("arora_minima", "arora_escapes")}
    for seed, name in enumerate(("completion_course", "completion_course_repeated")):
        table = crossed(("least_mse", "escape"), seed=seed, method=names, **RUNS)
        tables[name] = table.assign(d=100, rank=5, m=2000, depth=table["method"].str[-1].astype(int))
    *grid, last = figures.draw("completion_course", {**tables, **curves}).axes
    ways = list(zip(("no entry twice", "entries put back"), tables.values(), (-0.15, 0.15), strict=True))
    for depth, axes in enumerate(grid, start=1):
        goal = curves["published/arora_minima"].set_index("method")["value"][f"depth_{depth}"]
        assert level(axes, "published") == goal
        for label, table, place in ways:
            own = where(table, depth=depth)
            same(curve(axes, label), pd.Series([geometric(own, "depth", "least_mse")[depth]], [place]))
            assert dotted(axes, place + 0.05) == pytest.approx(predicted(own, "least_mse"))
    factor, goal = margin("completion-minima-published"), level(grid[2], "published")
    low, high = whiskers(grid[2], "published ×/÷")
    assert (low.item(), high.item()) == pytest.approx((goal / factor, goal * factor))
    goals = curves["published/arora_minima"].set_index("method")["value"]
    for label, table, _ in ways:
        ends = [predicted(where(table, method=name), "least_mse") for name in names]
        count = sum(low <= value <= high for (low, high), value in zip(ends, goals[names], strict=True))
        assert len(curve(grid[0], f"{label}: published in {count} of 3 intervals\n(margin: above 0.5)")) == 1
    same(curve(last, "published picture"), pd.Series(curves["published/arora_escapes"]["value"].to_numpy(), [1, 2, 3]))
    for _, table, place in ways:
        for depth in (1, 2, 3):
            assert dotted(last, depth + place + 0.05) == pytest.approx(predicted(where(table, depth=depth), "escape"))
    small = {name: table.assign(d=12) for name, table in tables.items()}
    for axes in figures.draw("completion_course", {**small, **curves}).axes:
        assert "published" not in axes.get_title()
        assert not [line for line in axes.lines if str(line.get_label()).startswith("published")]


def predicted(table, value):
    """Return the 95 % prediction interval of one more draw."""
    return prediction_interval(table.pivot(index="target", columns="ensemble", values=value).to_numpy(), 1)


def dotted(axes, place):
    """Return the ends of the dotted line at a place along x."""
    (line,) = [one for one in axes.lines if one.get_linestyle() == ":" and np.allclose(one.get_xdata(), place)]
    return tuple(line.get_ydata())


def test_graph_completion_shows_errors_by_graph_and_the_margin():
    table = crossed(
        ("unseen_error",), method=["factors", "convex"], graph=["path", "shuffled", "none"], share=[0.2, 0.5], **RUNS
    )
    table = table[(table["method"] != "convex") | (table["graph"] != "none")].assign(d=12, rank=1, iterations=100)
    basis = crossed(("difference",), depth=[2, 3], graph=["path", "reordered"], **RUNS)
    left, right = figures.draw("graph_completion", {"graph_completion": table, "graph_basis": basis}).axes
    alone = geometric(where(table, method="convex", graph="path"), "share", "unseen_error")
    found = curve(left, "the graph's energy alone")
    np.testing.assert_allclose(found.to_numpy(), alone.to_numpy())
    mark = curve(left, "margin: above 0.5")
    assert mark.to_dict() == {0.2: pytest.approx(alone[0.2] * margin("graph-gain-is-explicit"))}
    for name, label in (("path", "the same graph"), ("reordered", "columns")):
        same(curve(right, label), geometric(where(basis, graph=name), "depth", "difference"))
    assert level(right, "margin") == margin("graph-basis-alone")
