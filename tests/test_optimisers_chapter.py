"""The chapters on optimisers and on large steps against plain loops; their estimands, figures and bad options."""

import numpy as np
import pandas as pd
import plain
import pytest
import torch
from conftest import gaussian_problem, measured, refused
from drawn import crossed, curve, geometric, level, margin, same

from algoreg.algorithms.factored import start_matrix
from algoreg.algorithms.optimiser import start_factors
from algoreg.chapters.large_steps.experiments import large_steps_limit, large_steps_orbit
from algoreg.chapters.optimisers import estimands, ledger
from algoreg.chapters.optimisers.experiments.optimiser_conserved import drawn
from algoreg.chapters.optimisers.methods import METHODS
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factor, haar_basis
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import geometric_spectrum
from algoreg.reporting.figures import draw

pytestmark = pytest.mark.replicates(50)

SEED = 5


def factor_of(values, d, number):
    """Return U* with X* = U*U*ᵀ of these eigenvalues, as judged experiments draw it."""
    return draw_factor({"kind": "spectrum", "eigenvalues": values}, d, len(values), SEED, number)


def polar(g):
    left, _, right = np.linalg.svd(g)
    return left @ right


@pytest.mark.witness("optimiser_order", "learned")
def test_when_eigenvalues_are_learned_is_that_of_a_plain_loop():
    options = {"d": 5, "eigenvalues": [1.0, 0.5, 0.25], "methods": ["descent", "polar"], "step": 0.1, "unit_step": 0.02}
    table = measured("optimiser_order", {**options, "iterations": 400}, seed=SEED, ensembles=[3])
    star = factor_of(options["eigenvalues"], 5, 3)
    vectors = star / np.linalg.norm(star, axis=0)
    for method, move in (("descent", lambda g: 0.1 * g), ("polar", lambda g: 0.02 * polar(g))):
        u, learned = 1e-3 * start_matrix("gaussian", 5, SEED, 3).numpy(), {}
        for step in range(401):
            heights = np.diag(vectors.T @ u @ u.T @ vectors)
            for value, height in zip(options["eigenvalues"], heights, strict=True):
                if height >= 0.9 * value:
                    learned.setdefault(value, step)
            u = u - move((u @ u.T - star @ star.T) @ u)
        own = table[table["method"] == method].set_index("eigenvalue")["learned"]
        assert own.to_dict() == learned


def root(square):
    values, vectors = np.linalg.eigh(square)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


@pytest.mark.witness("optimiser_conserved", "root_drift", "square_drift")
def test_drifts_are_those_of_a_plain_loop():
    options = {"d": 4, "step": [0.05], "time": 0.5, "descent_time": 0.5}
    table = measured("optimiser_conserved", options, seed=SEED, ensembles=[2])
    target, starts = drawn(4, SEED, 2)
    assert (
        np.linalg.norm(starts["aligned"][0].T @ starts["aligned"][1] - starts["aligned"][1].T @ starts["aligned"][0])
        < 1e-12
    )
    for method, move in (("polar", polar), ("descent", lambda g: g)):
        for start in ("aligned", "random"):
            p, q = starts[start]
            begun, roots, squares = (p, q), [], []
            for step in range(11):
                if step % 5 == 0:
                    (a, b), (c, e) = begun, (p, q)
                    roots.append(np.linalg.norm(root(c.T @ c) - root(e.T @ e) - root(a.T @ a) + root(b.T @ b)))
                    squares.append(np.linalg.norm(c.T @ c - e.T @ e - a.T @ a + b.T @ b))
                # Measurements of symmetric matrices see the symmetric part of PQᵀ.
                m = (p @ q.T + q @ p.T) / 2 - target
                p, q = p - 0.05 * move(m @ q), q - 0.05 * move(m @ p)
            row = table[(table["method"] == method) & (table["start"] == start) & (table["measured"] == "all")].iloc[0]
            np.testing.assert_allclose(row["root_drift"], max(roots), rtol=1e-5, atol=1e-12)
            np.testing.assert_allclose(row["square_drift"], max(squares), rtol=1e-5)


@pytest.mark.witness("optimiser_kappa", "passes")
def test_iterations_by_kappa_are_the_shortest_of_plain_loops():
    options = {"d": 5, "kappa": [4], "methods": ["descent", "polar"], "step": [0.3, 1.0], "lengths": [8, 16, 32, 300]}
    table = measured("optimiser_kappa", options, seed=SEED, ensembles=[1]).set_index("method")["passes"]
    star = factor_of(list(geometric_spectrum(3, 4)), 5, 1)
    values, vectors = (star**2).sum(axis=0), star / np.linalg.norm(star, axis=0)

    def learned(u):
        return (np.abs(np.diag(vectors.T @ u @ u.T @ vectors) / values - 1) <= 0.1).all()

    def follow(step, length, direction, fall):
        u = 1e-3 * start_matrix("gaussian", 5, SEED, 1).numpy()
        for t in range(length):
            if direction is None and learned(u):
                return t
            g = (u @ u.T - star @ star.T) @ u
            u = u - step * fall ** (t / length) * (g if direction is None else direction(g))
            if np.linalg.norm(u) > 1e3:
                return np.inf
        return length if learned(u) else np.inf

    assert table["descent"] == min(follow(step, 300, None, 1.0) for step in options["step"])
    found = [follow(step, length, polar, 1e-6) for step in options["step"] for length in options["lengths"]]
    assert table["polar"] == min(found)


@pytest.mark.witness("optimiser_floor", "floor", "end_error")
def test_floors_and_annealed_ends_are_those_of_a_plain_loop():
    options = {"d": 4, "methods": ["normalised"], "step": [0.1], "time": 4.0, "lengths": [30]}
    table = measured("optimiser_floor", options, seed=SEED, ensembles=[1]).set_index("schedule")
    star = factor_of([1.0, 0.5, 0.25], 4, 1)
    x = star @ star.T
    for schedule, length, last in (("constant", 40, 0.1), ("exponential", 30, 1e-8)):
        u, errors = 0.3 * start_matrix("gaussian", 4, SEED, 1).numpy(), []
        for t in range(length):
            g = (u @ u.T - x) @ u
            u = u - 0.1 * (last / 0.1) ** (t / length) * g / np.linalg.norm(g)
            errors.append(plain.relative_error(u @ u.T, x))
        late = errors[int(0.9 * length) :]
        np.testing.assert_allclose(table.loc[schedule, "floor"], np.sqrt(np.mean(np.square(late))), rtol=1e-6)
        np.testing.assert_allclose(table.loc[schedule, "end_error"], errors[-1], rtol=1e-6)


@pytest.mark.witness("optimiser_ends", "end_error", "recovered")
@pytest.mark.parametrize("method", ["descent", "polar", "muon_large", "normalised", "signum"])
def test_ends_are_those_of_a_plain_loop(method):
    options = {"d": [6], "m_over_dr": [2.0], "alpha": [0.5], "methods": [method], "iterations": [12], "targets": 2}
    table = measured("optimiser_ends", options, seed=SEED)
    matrices, labels, x = gaussian_problem(6, [1.0], 12, SEED, 1)
    _, own, (first, last) = METHODS[method]
    turn = {"sign": np.sign, "polar": polar, "normalised": lambda g: g / np.linalg.norm(g)}.get(
        own["geometry"], lambda g: g
    )
    beta, u = own.get("momentum", 0.0), 0.5 * start_matrix("gaussian", 6, SEED, 1).numpy()
    average = np.zeros_like(u)
    for t in range(12):
        average = beta * average + (1 - beta) * plain.gradient(matrices, u @ u.T, labels) @ u
        u = u - first * ((last or first) / first) ** (t / 12) * turn(average)
    row = table[table["target"] == 1].iloc[0]
    np.testing.assert_allclose(row["end_error"], plain.relative_error(u @ u.T, x), rtol=1e-7)
    assert row["recovered"] == float(plain.relative_error(u @ u.T, x) < 0.01)


@pytest.mark.witness("optimiser_basis", "rotation", "end_error")
def test_a_rotation_changes_what_a_plain_loop_says():
    options = {"d": 5, "methods": ["polar", "sign"], "iterations": 20, "alpha": 0.1}
    table = measured("optimiser_basis", options, seed=SEED, ensembles=[1]).set_index("method")
    # Of sign descent, a plain loop in both bases; polar steps are the same in both.
    matrices, labels, star = gaussian_problem(5, [1.0], 12, SEED, 1, ensemble=1)
    r = haar_basis(stream("rotation", d=5, seed=SEED, draw=1).standard_normal((5, 5)))
    ends = []
    for measured_by, back in ((matrices, np.eye(5)), (r @ matrices @ r.T, r)):
        u = 0.1 * np.eye(5)
        for t in range(20):
            u = u - 0.02 * (1e-6 / 0.02) ** (t / 20) * np.sign(plain.gradient(measured_by, u @ u.T, labels) @ u)
        ends.append(back.T @ u @ u.T @ back)
    np.testing.assert_allclose(
        table.loc["sign", "rotation"], plain.relative_error(ends[1], ends[0]) * np.linalg.norm(ends[0]), rtol=1e-6
    )
    np.testing.assert_allclose(table.loc["sign", "end_error"], plain.relative_error(ends[0], star), rtol=1e-6)
    assert table.loc["sign", "rotation"] > 1e-3
    assert table.loc["polar", "rotation"] < 1e-9


@pytest.mark.witness("optimiser_rank", "effective_rank")
def test_effective_ranks_are_those_of_torchs_adam():
    options = {"d": 5, "beta": [0.5], "step": [0.02], "form": ["average"], "iterations": 15, "alpha": 0.1}
    row = measured("optimiser_rank", options, seed=SEED, ensembles=[1]).iloc[0]
    matrices, labels, x = (torch.from_numpy(array) for array in gaussian_problem(5, [1.0], 14, SEED, 1, ensemble=1))
    run = {"parametrisation": "product", "depth": 3, "alpha": 0.1, "start": "gaussian", "target": 1}
    factors = [factor.clone().requires_grad_() for factor in start_factors(run, 5, SEED)]
    adam = torch.optim.Adam(factors, lr=0.02, betas=(0.5, 0.999))
    for _ in range(15):
        adam.zero_grad()
        made = factors[0] @ factors[1] @ factors[2].T
        ((torch.einsum("mij,ij->m", matrices, made) - labels).square().sum() / (2 * len(labels))).backward()
        adam.step()
    made = (factors[0] @ factors[1] @ factors[2].T).detach().numpy()
    made = (made + made.T) / 2
    share = np.abs(np.linalg.eigvalsh(made))
    share /= share.sum()
    np.testing.assert_allclose(row["effective_rank"], np.exp(-np.sum(share * np.log(share))), rtol=1e-6)
    np.testing.assert_allclose(row["end_error"], plain.relative_error(made, x.numpy()), rtol=1e-6)


def test_eigenvalues_over_time_are_those_of_a_plain_loop():
    options = {"d": 6, "eigenvalues": [1.0, 0.5], "m_over_dr": 1.5, "alpha": 0.3, "methods": ["polar"]}
    table = measured("optimiser_course", {**options, "iterations": 20, "points": 4}, seed=SEED)
    matrices, labels, _ = gaussian_problem(6, [1.0, 0.5], 18, SEED, 0)
    u = 0.3 * start_matrix("gaussian", 6, SEED, 0).numpy()
    for t in range(20):
        own = table[table["iteration"] == t].sort_values("place")["eigenvalue"]
        if len(own):
            np.testing.assert_allclose(own, np.linalg.eigvalsh(u @ u.T)[::-1], rtol=1e-6, atol=1e-9)
        u = u - 0.05 * (1e-6 / 0.05) ** (t / 20) * polar(plain.gradient(matrices, u @ u.T, labels) @ u)
    assert sorted(table["iteration"].unique()) == [0, 1, 5, 11, 20]


@pytest.mark.witness("large_steps_orbit", "period_1", "gap", "orbit")
def test_the_orbit_is_that_of_a_plain_loop():
    options = {"d": 4, "ratio": [0.9, 1.1, 1.4], "iterations": 300}
    table = measured("large_steps_orbit", options, seed=SEED, ensembles=[1]).set_index(["problem", "ratio"])
    values = np.array([1.0, 0.6, 0.3])
    vectors, (p, q) = large_steps_orbit.known_start(4, values, SEED, 1)
    x = (vectors * values) @ vectors.T
    top = vectors[:, 0]
    for ratio in (0.9, 1.1):
        a, b, seen = p, q, []
        for _ in range(301):
            made = (a @ b.T + b @ a.T) / 2
            seen.append(made)
            a, b = a - ratio * (made - x) @ b, b - ratio * (made - x) @ a
        a, b = p, q
        for _ in range(300):
            made = (a @ b.T + b @ a.T) / 2
            a, b = a - ratio * (made - x) @ b, b - ratio * (made - x) @ a
        row = table.loc["known", ratio]
        np.testing.assert_allclose(
            row["period_1"], np.linalg.norm(seen[-1] - seen[-2]) / np.linalg.norm(x), rtol=1e-6, atol=1e-12
        )
        np.testing.assert_allclose(row["end_error"], plain.relative_error(seen[-1], x), rtol=1e-6, atol=1e-12)
        gaps = [abs(np.sum((f.T @ top) ** 2) - np.sum((g.T @ top) ** 2)) for f, g in ((a, b), (p, q))]
        np.testing.assert_allclose(row["gap"], gaps[0] / gaps[1], rtol=1e-4, atol=1e-12)
    # The scalar map, its top singular value alone: period 2 at 1.1, rest at 0.9.
    for ratio in (0.9, 1.1):
        a = [1.01]
        for _ in range(400):
            a.append(a[-1] + ratio * (1 - a[-1] ** 2) * a[-1])
        assert abs(a[-1] - a[-3]) < 1e-9
        assert (abs(a[-1] - a[-2]) > 0.05) == (ratio > 1) == bool(table.loc["known", ratio]["orbit"])


def test_the_sharpness_at_a_fit_is_that_of_the_loss():
    matrices, _, _ = gaussian_problem(4, [1.0], 12, SEED, 0)
    factor, _ = large_steps_orbit.sensing_start(4, SEED, 2)
    u = torch.from_numpy(factor)
    ensemble = Ensemble.draw(4, 12, SEED, 0)
    labels = torch.from_numpy(plain.measure(matrices, factor @ factor.T))

    def loss(flat):
        made = flat.view(4, 4) @ flat.view(4, 4).T
        return (torch.einsum("mij,ij->m", torch.from_numpy(matrices), made) - labels).square().sum() / (4 * 12)

    hessian = torch.autograd.functional.hessian(loss, u.flatten())
    np.testing.assert_allclose(large_steps_orbit.sharpness(ensemble, u), torch.linalg.eigvalsh(hessian)[-1], rtol=1e-8)


@pytest.mark.witness("large_steps_limit", "bounded", "gap", "last", "last_balanced")
def test_which_runs_diverge_is_that_of_a_plain_loop():
    options = {"d": 3, "width": [1], "ratio": [1.0, 3.0, 4.4], "iterations": 200}
    table = measured("large_steps_limit", options, seed=SEED, ensembles=[1]).set_index("ratio")
    target, left, right = (tensor.numpy() for tensor in large_steps_limit.drawn(3, 1, (4.0, 0.3), SEED, 1))
    norm = table["sharpness"].iloc[0]
    # Of long X and short Y it is near |X|² + |Y|².
    np.testing.assert_allclose(norm, 16.09, rtol=0.02)
    largest = 0.0
    for ratio, row in table.iterrows():
        x, y = left, right
        for _ in range(200):
            rest = x @ y.T - target
            x, y = x - ratio / norm * rest @ y, y - ratio / norm * rest.T @ x
            if not np.linalg.norm(x @ y.T) < 1e6:
                break
        bounded = np.linalg.norm(x @ y.T) < 1e3
        assert row["bounded"] == bounded
        if bounded:
            gap = abs(np.sum(x**2) - np.sum(y**2)) / (16 - 0.09)
            np.testing.assert_allclose(row["gap"], gap, rtol=1e-6)
            largest = ratio
    assert largest < 4.4
    assert set(table["last"]) == {largest}
    # ‖A‖ = 1: a balanced minimum has X and Y of length 1, and the sharpness 2.
    np.testing.assert_allclose(table["last_balanced"], largest / norm * (1 + 1))


def samples():
    """Return made-up errors of two methods that fall through 0.1 at 2.5 and 5."""
    rows = []
    for method in METHODS:
        place = 5.0 if method == "polar" else 2.5
        for ratio in (1.5, 2.0, 3.0, 4.0, 6.0):
            for ensemble in range(3):
                error = 10 ** (-1 + (place - ratio) / 2)
                rows.append(
                    {"method": method, "m_over_dr": ratio, "end_error": error, "target": 0, "ensemble": ensemble}
                )
    return pd.DataFrame(rows).assign(d=14, alpha=1e-4, m=20, rank=1, status="budget", iterations=100, step=0.1)


@pytest.mark.known_answer("fall_between", "fall_ratio", "optimiser_threshold_ratio", "share_of_fall")
def test_estimands_are_as_computed_by_hand():
    rng = np.random.default_rng(0)
    tables = {"t": samples()}
    found = estimands.optimiser_threshold_ratio(
        tables, {}, rng, table="t", method="polar", against="descent", tolerance=0.1
    )
    np.testing.assert_allclose([found.value, found.low, found.high], 2.0, rtol=0.02)
    means = {0.0: 3.0, 0.6: 2.6, 0.8: 1.4, 0.9: 1.2, 0.95: 1.0}
    rows = [
        {
            "beta": beta,
            "value": (mean if form == "average" else 2 + mean / 4) + 0.1 * ensemble,
            "form": form,
            "target": 0,
            "ensemble": ensemble,
        }
        for beta, mean in means.items()
        for ensemble in range(3)
        for form in ("average", "after")
    ]
    tables = {"t": pd.DataFrame(rows)}
    own = {"table": "t", "value": "value", "along": "beta", "where": {"form": "average"}}
    found = estimands.share_of_fall(tables, {}, rng, **own, low=0.6, high=0.8, last=0.95)
    np.testing.assert_allclose(found.value, 0.6)
    np.testing.assert_allclose(estimands.fall_between(tables, {}, rng, **own, first=0.0, second=0.9).value, 1.8)
    own.pop("where")
    ratio = estimands.fall_ratio(tables, {}, rng, **own, first=0.0, second=0.9, by="form", pair=["after", "average"])
    np.testing.assert_allclose(ratio.value, 0.25)


def test_optimisers_that_are_not_there_and_too_many_measurements_are_refused():
    refused("optimiser_start", "allowed are descent, nesterov", methods=["lion"])
    refused("optimiser_start", "allowed is m below d(d+1)/2", m_over_dr=[5.0])


AXES = {"target": [0], "ensemble": [0, 1, 2]}


def crossed_over(seed, values, **axes):
    return crossed(values, seed=seed, **axes, **AXES)


def test_optimiser_course_shows_eigenvalues_over_iterations_with_m_star():
    names = ["descent", "nesterov", "normalised", "sign", "adam", "shampoo", "polar", "muon"]
    table = crossed_over(1, ["eigenvalue"], method=names, place=[1, 2, 3], iteration=[0, 5, 20])
    table = table[table["ensemble"] == 0].assign(rank=2, d=14, m=70, alpha=1e-3, iterations=20)
    figure = draw("optimiser_course", {"optimiser_course": table, "optimiser_samples": samples()})
    assert len(figure.axes) == 8
    axes = figure.axes[6]
    assert axes.get_title() == "polar steps\nm* = 5·dr"
    lines = {line.get_color(): line for line in axes.lines}
    assert len(axes.lines) == 3
    own = table[(table["method"] == "polar") & (table["place"] == 3)]
    np.testing.assert_allclose(lines["0.6"].get_ydata(), own["eigenvalue"])


def test_optimiser_order_shows_times_and_iterations_with_their_exponents():
    order = crossed_over(2, ["learned"], method=["descent", "normalised", "adam", "polar"], eigenvalue=[0.25, 0.5, 1.0])
    kappa = crossed_over(3, ["passes"], method=["descent", "normalised", "polar"], kappa=[1, 4, 16])
    tables = {"optimiser_order": order.assign(d=8, alpha=1e-3, rank=3), "optimiser_kappa": kappa.assign(d=8)}
    left, right = draw("optimiser_order", tables).axes
    own = order[order["method"] == "polar"]
    same(curve(left, "polar steps"), geometric(own, "eigenvalue", "learned"))
    slope = np.polyfit(np.log([0.25, 0.5, 1.0]), np.log(geometric(own, "eigenvalue", "learned")), 1)[0]
    assert f"{slope:.2f}".replace("-", "−") in left.get_title()
    same(curve(right, "gradient descent"), geometric(kappa[kappa["method"] == "descent"], "kappa", "passes"))


def test_optimiser_start_shows_ends_over_alpha_and_over_m():
    shown = ["descent", "normalised", "adam", "sign", "polar", "muon"]
    starts = crossed_over(4, ["end_error"], method=shown, alpha=[1e-4, 1e-2, 1e-1]).assign(d=12, m=36, rank=1)
    left, right = draw("optimiser_start", {"optimiser_start": starts, "optimiser_samples": samples()}).axes
    same(curve(left, "gradient descent"), geometric(starts[starts["method"] == "descent"], "alpha", "end_error"))
    frame = samples()
    same(curve(right, "polar steps"), geometric(frame[frame["method"] == "polar"], "m_over_dr", "end_error"))
    np.testing.assert_allclose(curve(right, "margin").index, 2.5 * margin("optimisers-samples-polar"))
    assert "2.5·dr under descent,\n5·dr" in right.get_title()


def test_optimiser_any_start_shows_shares_by_variant():
    names = ["polar_large", "muon_large", "muon_nesterov", "muon_after", "muon_small", "signum", "normalised_momentum"]
    table = crossed_over(5, ["x"], method=names, d=[12, 14], rank=[1])
    table["recovered"] = ((table["method"] == "muon_large") | (table["ensemble"] == 0)).astype(float)
    table.loc[(table["d"] == 14) & (table["method"] != "muon_large"), "recovered"] = 0
    left, right = draw("optimiser_any_start", {"optimiser_any_start": table}).axes
    for axes, d, others in ((left, 12, 1 / 3), (right, 14, 0)):
        shares = next(line for line in axes.lines if line.get_label() == "r = 1")
        np.testing.assert_allclose(shares.get_xdata(), [1, *[others] * 6])
        np.testing.assert_allclose(shares.get_ydata(), range(7))
        title = f"d = {d}: with momentum at least 100% of\nthe draws recover X*, without it at most {others:.0%}"
        assert axes.get_title() == title
        marks = {line.get_marker(): line.get_xdata()[0] for line in axes.lines if line.get_marker() in "<>"}
        assert marks == {
            ">": margin("optimisers-any-start"),
            "<": margin("optimisers-any-start-nesterov"),
        }
    assert [tick.get_text() for tick in left.get_yticklabels()][:2] == ["β = 0.9, step 0.1", "signum, β = 0.9"]


def test_optimiser_anneal_shows_shares_by_the_length_of_the_schedule():
    lengths = crossed_over(6, ["x"], d=[12], iterations=[150, 300, 1000]).assign(rank=1)
    lengths["recovered"] = (lengths["iterations"] > 300).astype(float)
    (axes,) = draw("optimiser_anneal", {"optimiser_anneal": lengths}).axes
    assert curve(axes, "d = 12").to_dict() == {150: 0, 300: 0, 1000: 1}
    assert level(axes, "margin") == margin("optimisers-any-start-slow")
    assert axes.get_title().startswith("a step that falls over 150 iterations recovers X* in 0%")
    assert axes.get_title().endswith("over 1000 in 100%")


def test_optimiser_steps_shows_drifts_and_floors():
    table = crossed_over(
        7,
        ["root_drift", "square_drift"],
        method=["polar", "descent"],
        start=["aligned", "random"],
        measured=["all", "some"],
        step=[0.01, 0.02, 0.04],
    ).assign(d=6)
    floors = crossed_over(
        8,
        ["floor", "end_error"],
        method=["polar", "normalised", "sign", "descent"],
        schedule=["constant", "exponential"],
        step=[0.1, 0.03, 0.01],
        iterations=[300],
    ).assign(d=6)
    left, right = draw("optimiser_steps", {"optimiser_conserved": table, "optimiser_floor": floors}).axes
    own = table[(table["method"] == "descent") & (table["start"] == "random") & (table["measured"] == "some")]
    same(curve(left, "descent, random, sensing"), geometric(own, "step", "square_drift"))
    own = floors[(floors["method"] == "polar") & (floors["schedule"] == "constant")]
    same(curve(right, "polar steps: exponent"), geometric(own, "step", "floor"))
    own = floors[(floors["method"] == "polar") & (floors["schedule"] == "exponential")]
    np.testing.assert_allclose(curve(right, "polar steps, annealed").iloc[0], np.exp(np.log(own["end_error"]).mean()))


def test_optimiser_basis_shows_rotations_errors_and_ranks():
    names = ["descent", "normalised", "sign", "adam", "adam_0.01", "adam_1", "rmsprop", "polar", "muon"]
    table = crossed_over(9, ["rotation", "end_error"], method=names).assign(d=10, alpha=1e-4)
    ranks = crossed_over(10, ["effective_rank"], beta=[0.0, 0.9], form=["average", "after"], step=[0.01, 0.001]).assign(
        d=10
    )
    left, right = draw("optimiser_basis", {"optimiser_basis": table, "optimiser_rank": ranks}).axes
    (line,) = [line for line in left.lines if line.get_label() == "change of the end by a rotation"]
    means = np.exp(np.log(table["rotation"]).groupby(table["method"]).mean()).reindex(names)
    np.testing.assert_allclose(line.get_xdata(), means)
    own = ranks[(ranks["form"] == "after") & (ranks["step"] == 0.01)].groupby("beta")["effective_rank"].mean()
    same(curve(right, "step 0.01, momentum after"), own)


def orbits():
    table = crossed_over(
        11, ["period_1", "period_2", "gap"], problem=["known", "sensing"], ratio=[0.9, 1.1, 1.26]
    ).assign(d=8)
    table["orbit"] = (table["ratio"] == 1.1).astype(float)
    return table


def test_large_steps_orbit_shows_changes_of_x_and_gaps():
    table = orbits()
    left, right, below = draw("large_steps_orbit", {"large_steps_orbit": table}).axes
    known = table[table["problem"] == "known"]
    same(curve(left, "in two iterations"), geometric(known, "ratio", "period_2"))
    same(curve(right, "gap along"), geometric(known, "ratio", "gap"))
    assert level(right, "margin: below 10⁻⁶") == margin("large-steps-balancing")
    assert curve(below, "known target").to_dict() == {0.9: 0, 1.1: 1, 1.26: 0}
    assert "at least 100% of the draws have period 2, in sensing 100%" in below.get_title()


def test_large_steps_limit_shows_shares_and_gaps():
    table = crossed_over(12, ["gap"], width=[1, 6], ratio=[1.0, 3.0, 4.2]).assign(d=6, last=3.0)
    table["bounded"] = (table["ratio"] < 4).astype(float)
    left, right = draw("large_steps_limit", {"large_steps_limit": table}).axes
    assert curve(left, "width 6").to_dict() == {1.0: 1.0, 3.0: 1.0, 4.2: 0.0}
    same(curve(right, "width 1"), geometric(table[table["width"] == 1], "ratio", "gap"))
    assert "3/L at width 1, 3/L at width 6" in left.get_title()


def test_the_table_of_optimisers_has_m_star_and_exponents():
    starts = crossed_over(4, ["end_error"], method=["descent", "polar"], alpha=[1e-4, 1e-2, 1e-1])
    basis = crossed_over(9, ["rotation"], method=["descent", "polar"])
    lines = ledger.optimiser_table(samples(), starts, basis).split("\n")
    assert lines[0].startswith("| optimiser | m\\*/(dr), error 0.1 |")
    (row,) = [line for line in lines if line.startswith("| polar steps |")]
    assert "| 5 |" in row
