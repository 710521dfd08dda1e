"""What follows the fit against plain loops: weight decay's clock and end, noisy descents; the estimand, the figures."""

import numpy as np
import pandas as pd
import plain
import pytest
import torch
from conftest import gaussian_matrices, gaussian_problem, measured, refused
from drawn import crossed, curve, geometric, level, margin, same

from algoreg.algorithms.stochastic import samples
from algoreg.chapters.late_phase import estimands, ledger, methods, programmes
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.trace_minimisation import minimum_trace
from algoreg.reporting.figures import draw

SEED = 5
pytestmark = pytest.mark.replicates(50)

AXES = {"target": [0], "ensemble": [0, 1, 2]}


def crossing(values, goal):
    """Return where a sequence first falls below a number, log-linear between its places."""
    place = int(np.argmax(np.array(values) < goal))
    before, after = np.log(values[place - 1]), np.log(values[place])
    return place - (np.log(goal) - after) / (before - after)


@pytest.mark.witness("late_decay", "fit_time", "left_time", "left_decays", "to_penalised")
@pytest.mark.parametrize("factors", ["difference", "square"])
def test_when_descent_leaves_its_fit_and_where_it_ends_is_that_of_a_plain_loop(factors):
    options = {"d": 5, "m_over_dr": [2.0], "factors": [factors], "alpha": [1.3], "decay": [0.05, 0.0], "settle": 4.0}
    table = measured("late_decay", options, seed=SEED, ensembles=[2]).set_index("decay")
    matrices, labels, x = gaussian_problem(5, [1.0], 10, SEED, 2, ensemble=2)
    hessian = matrices.reshape(10, -1).T @ matrices.reshape(10, -1) / 10
    largest = np.linalg.eigvalsh(hessian)[-1]
    # The penalised fit by proximal steps without momentum.
    known = np.zeros((5, 5))
    for _ in range(20_000):
        values, vectors = np.linalg.eigh(known - plain.gradient(matrices, known, labels) / largest)
        known = (vectors * np.sign(values) * np.maximum(np.abs(values) - 0.05 / largest, 0)) @ vectors.T
    step = 1.5 / (4 * largest * 1.3**2)
    count = round((np.log(1.3) + 4) / (0.05 * step))
    for decay in (0.05, 0.0):
        u, v = 1.3 * np.eye(5), 1.3 * np.eye(5) * (factors == "difference")
        path = []
        for _ in range(count + 1):
            path.append(u @ u.T - v @ v.T)
            m = plain.gradient(matrices, path[-1], labels)
            u, v = u - step * (m @ u + decay * u), v - step * (-m @ v + decay * v)
        away = [np.linalg.norm(each - known) for each in path]
        errors = [plain.relative_error(plain.measure(matrices, each), labels) for each in path]
        fit, row = int(np.argmax(np.array(errors) < 0.1)), table.loc[decay]
        np.testing.assert_allclose(row["fit_time"], fit * step, rtol=1.5e-2)
        np.testing.assert_allclose(row["to_penalised"], away[-1] / np.linalg.norm(known - x), rtol=1e-5)
        if decay:
            later = fit + crossing(away[fit:], away[fit] / 2)
            np.testing.assert_allclose(row["left_time"], later * step, rtol=1e-2)
            np.testing.assert_allclose(row["left_decays"], decay * row["left_time"])


def test_the_penalised_fit_fulfils_its_conditions():
    matrices, labels, _ = gaussian_problem(5, [1.0], 9, SEED, 0)
    norm = np.linalg.norm(matrices.reshape(9, -1), 2) ** 2 / 9
    found = programmes.penalised_fit(lambda x: plain.gradient(matrices, x, labels), 5, 0.1, 1 / norm)
    slope = plain.gradient(matrices, found, labels)
    assert np.linalg.norm(slope, 2) <= 0.1 * (1 + 1e-9)
    np.testing.assert_allclose(-np.sum(slope * found), 0.1 * np.abs(np.linalg.eigvalsh(found)).sum(), rtol=1e-9)


def fitted(matrices, labels, step, count):
    return plain.factored(np.eye(matrices.shape[1]), matrices, labels, step, count)


def flattest(matrices, labels):
    """Return W and the fit of least ⟨W, X⟩, by the other solver."""
    weight = sum(a @ a for a in matrices) / len(matrices)
    return weight, minimum_trace(plain.pack(matrices), len(weight), labels, "scs", weight)[0]


def noisy(u, matrices, labels, step, noise, count):
    """Yield U of descent whose labels have fresh signs."""
    for t in range(count):
        signs = methods.noise_signs(SEED, 1, len(matrices), t).numpy()
        u = u - step * plain.gradient(matrices, u @ u.T, labels + noise * signs) @ u
        yield u


@pytest.mark.witness("late_clock", "halved", "fitting")
def test_the_iterations_that_halve_the_excess_are_those_of_a_plain_loop():
    options = {"d": 4, "m_over_d": 1.5, "noise": [1.0, 1.4], "step": [0.1], "fit_iterations": 200, "budget": 10.0}
    table = measured("late_clock", options, seed=SEED, ensembles=[1]).set_index("noise")
    matrices, labels, _ = gaussian_problem(4, [1.0], 6, SEED, 1, ensemble=1)
    weight, least = flattest(matrices, labels)
    u = fitted(matrices, labels, 0.1, 200)
    for noise in (1.0, 1.4):
        path = [u, *noisy(u, matrices, labels, 0.1, noise, int(10 / (0.1 * noise) ** 2))][::10]
        excess = [np.sum(weight * (each @ each.T - least)) for each in path]
        np.testing.assert_allclose(table.loc[noise, "halved"], 10 * crossing(excess, excess[0] / 2), rtol=1e-4)
        path = [np.eye(4), *noisy(np.eye(4), matrices, labels, 0.1, noise, 100)]
        errors = [plain.relative_error(plain.measure(matrices, each @ each.T), labels) for each in path]
        np.testing.assert_allclose(table.loc[noise, "fitting"], crossing(errors, 1.0), rtol=1e-9)


def sharpness_aware(u, matrices, labels, step, radius, draws):
    for drawn in draws:
        slope = plain.gradient(matrices[drawn], u @ u.T, labels[drawn]) @ u
        ahead = u + radius * slope / np.linalg.norm(slope)
        u = u - step * plain.gradient(matrices[drawn], ahead @ ahead.T, labels[drawn]) @ ahead
    return u


@pytest.mark.witness("late_flat", "excess_left", "nearer")
def test_where_noisy_descents_move_from_a_fit_is_that_of_plain_loops():
    options = {"d": 4, "m_over_d": [1.0], "fit_iterations": 40, "iterations": 30}
    table = measured("late_flat", options, seed=SEED, ensembles=[1]).set_index("method")
    matrices, labels, x = gaussian_problem(4, [1.0], 4, SEED, 1, ensemble=1)
    weight, least = flattest(matrices, labels)
    trace = minimum_trace(plain.pack(matrices), 4, labels, "scs")[0]
    u = fitted(matrices, labels, 0.1, 40)
    singles = samples(SEED, 1, 0, 30, 4)[:, None]
    ends = {
        "descent": plain.factored(u, matrices, labels, 0.1, 30),
        "single": plain.stochastic(u, matrices, labels, 0.02, singles),
        "label_noise": list(noisy(u, matrices, labels, 0.1, 1.0, 30))[-1],
        "sharpness_aware": sharpness_aware(u, matrices, labels, 0.02, 0.1, singles),
        "sharpness_aware_full": sharpness_aware(u, matrices, labels, 0.1, 0.1, [np.arange(4)] * 30),
    }
    assert set(table.index) == set(ends)
    begun = np.sum(weight * (u @ u.T - least))
    for method, end in ends.items():
        after = plain.factored(end, matrices, labels, 0.1, 40)
        made = after @ after.T
        row = table.loc[method]
        np.testing.assert_allclose(row["excess_left"], np.sum(weight * (made - least)) / begun, atol=1e-4)
        expected = np.linalg.norm(made - least) / np.linalg.norm(made - trace)
        np.testing.assert_allclose(row["nearer"], expected, rtol=1e-3)
        np.testing.assert_allclose(row["end_error"], plain.relative_error(made, x), rtol=1e-6)


@pytest.mark.parametrize("single", [True, False])
def test_at_an_exact_fit_a_sharpness_aware_step_goes_along_the_sum_of_measurements(single):
    matrices, ensemble = gaussian_matrices(4, 4, SEED, 0), Ensemble.draw(4, 4, SEED, 0)
    labels = plain.measure(matrices, 0.25 * np.eye(4))
    run = {"alpha": 0.5, "start": "identity", "target": 0, "step": 0.05, "radius": 0.1, "single": single, "m": 4}
    drawn = samples(SEED, 0, 0, 1, 4) if single else np.arange(4)
    uphill = np.sum(matrices[drawn], 0) * 0.5
    ahead = 0.5 * np.eye(4) + 0.1 * uphill / np.linalg.norm(uphill)
    expected = 0.5 * np.eye(4) - 0.05 * plain.gradient(matrices[drawn], ahead @ ahead.T, labels[drawn]) @ ahead
    # Labels that differ by rounding, to either side.
    for factor in (1 - 1e-15, 1, 1 + 1e-15):
        batch = methods.SharpnessAware(ensemble.shared_by([4]), torch.from_numpy(factor * labels)[None], [run], SEED)
        moved = batch.advance(batch.initial(), 0, 1)["factor"][0]
        np.testing.assert_allclose(moved, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("algorithm", "own"),
    [
        (methods.LabelNoise, {"noise": 1.0}),
        (methods.SharpnessAware, {"radius": 0.1, "single": True}),
        (methods.SharpnessAware, {"radius": 0.1, "single": False}),
    ],
)
def test_steps_at_once_have_the_bits_of_steps_one_by_one_whatever_shares_their_batch(algorithm, own):
    matrices = gaussian_matrices(4, 9, SEED, 0)
    ensemble = Ensemble.draw(4, 9, SEED, 0)
    labels = torch.from_numpy(plain.measure(matrices, np.eye(4)))
    # Off the fit, where residuals of rounding would decide whether a run moves.
    common = {"alpha": 0.5, "start": "identity", "target": 0, "step": 0.05, **own}
    runs = [{**common, "m": 9}, {**common, "m": 6}]
    both = algorithm(ensemble.shared_by([9, 6]), labels.expand(2, 9), runs, SEED)
    alone = algorithm(ensemble.shared_by([6]), labels[None], runs[1:], SEED)
    ahead, one = both.advance(both.initial(), 0, 7), alone.initial()
    for step in range(7):
        one = alone.advance(one, step, 1)
    assert torch.equal(ahead["factor"][1], one["factor"][0])
    assert not torch.equal(ahead["factor"][0], ahead["factor"][1])


@pytest.mark.known_answer("log_slope_off")
def test_the_slope_over_a_logarithm_is_off_by_hand():
    rows = [
        {"alpha": alpha, "target": 0, "ensemble": number, "time": 1.5 * np.log(alpha) + number, "kind": "a"}
        for alpha in (1.0, 2.0, 8.0)
        for number in range(3)
    ]
    found = estimands.log_slope_off(
        {"t": pd.DataFrame(rows)}, {}, np.random.default_rng(0), table="t", value="time", along="alpha", expected=1
    )
    np.testing.assert_allclose([found.value, found.low, found.high], 0.5)


def test_options_that_do_not_fit_are_named():
    refused("late_decay_end", "m_over_dr", m_over_dr=[3.5])
    refused("late_decay_end", "decay", decay=[0.0])


def test_late_decay_shows_times_and_distances():
    axes = {"factors": ["difference", "square"], "alpha": [1.5, 2.5, 4.0], "decay": [0.05], **AXES}
    start = crossed(["left_decays"], seed=1, **axes).assign(d=8, m=24)
    rate = crossed(["left_time", "fit_time"], seed=2, factors=["difference"], decay=[0.01, 0.02, 0.04], **AXES)
    end = crossed(["to_penalised"], seed=3, factors=["difference"], m_over_dr=[1.5, 3.0], decay=[0.0, 0.05], **AXES)
    tables = {"late_decay_start": start, "late_decay_rate": rate.assign(d=8, m=24), "late_decay_end": end}
    left, right, below = draw("late_decay", tables).axes
    same(curve(left, "UUᵀ − VVᵀ"), start[start["factors"] == "difference"].groupby("alpha")["left_decays"].mean())
    same(curve(right, "leaves its first fit"), geometric(rate, "decay", "left_time"))
    same(curve(below, "λ = 0.05"), geometric(end[end["decay"] > 0], "m_over_dr", "to_penalised"))
    assert level(below, "margin") == margin("late-decay-end")


def flat_table():
    names = ["descent", "single", "label_noise", "sharpness_aware", "sharpness_aware_full"]
    columns = ["excess_left", "nearer", "to_flattest", "to_trace", "end_error", "apart"]
    return crossed(columns, seed=5, method=names, m_over_d=[1.0, 2.0], **AXES).assign(d=10)


def test_late_noise_shows_iterations_and_what_is_left():
    pairs = pd.DataFrame({"noise": [1.0, 0.5, 2.0, 1.0, 1.0], "step": [0.1, 0.1, 0.1, 0.05, 0.02]})
    clock = crossed(["halved", "fitting"], seed=4, place=range(5), **AXES).merge(
        pairs, left_on="place", right_index=True
    )
    flat = flat_table()
    left, right = draw("late_noise", {"late_clock": clock.assign(d=10, m=25)}).axes
    below, nearer = draw("late_flat", {"late_flat": flat}).axes
    same(curve(left, "half of the excess"), geometric(clock[clock["step"] == 0.1], "noise", "halved"))
    same(curve(right, "half of the excess"), geometric(clock[clock["noise"] == 1.0], "step", "halved"))
    for axes, claim in ((below, "late-flattest"), (nearer, "late-flat-not-trace")):
        assert set(curve(axes, "margin").index) == {margin(claim)}
    own = flat[(flat["m_over_d"] == 1.0) & (flat["method"] == "label_noise")]
    shown = curve(nearer, "m = 1·d")
    np.testing.assert_allclose(shown.index[shown == 2], np.exp(np.log(own["nearer"]).mean()))


def test_the_ledgers_tables_have_a_row_for_every_method():
    lines = ledger.late_places(flat_table()).split("\n")
    assert sum("label noise" in line for line in lines) == 2
