"""Momentum against plain loops, its traps, what is not reached, the figures and bad options."""

import numpy as np
import pandas as pd
import plain
import pytest
from conftest import gaussian_problem, measured, refused
from drawn import RUNS, crossed, curve, drawn_law, geometric, has_band, level, margin, same, where

from algoreg.algorithms.factored import start_matrix
from algoreg.chapters.momentum import estimands
from algoreg.claims.intervals import UNDEFINED
from algoreg.claims.published import load_published
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import geometric_spectrum
from algoreg.reporting.figures import draw

pytestmark = pytest.mark.replicates(100)

SEED = 5


def problem(d, rank, m, kappa, target=1):
    """Return matrices, labels and X* of a judged problem."""
    return gaussian_problem(d, geometric_spectrum(rank, kappa), m, SEED, target)


def accelerated_iterates(u, slope, step, momentum, frozen=False):
    """Yield U_0, U_1, …; with ``frozen`` the gradient stays that of the start, as in the public code's workers."""
    ahead, first = u.copy(), slope(u @ u.T)
    while True:
        yield u
        gradient = first if frozen else slope(ahead @ ahead.T)
        following = ahead - step * gradient @ ahead
        ahead, u = following + momentum * (following - u), following


@pytest.mark.witness("momentum_kappa", "passes")
def test_iterations_by_kappa_are_those_of_a_plain_loop():
    options = {"d": 8, "rank": 2, "kappa": [3], "momentum": [0, 0.5], "step": 0.2, "iterations": 600, "targets": 2}
    table = measured("momentum_kappa", options, seed=SEED)
    matrices, labels, x = problem(8, 2, 96, 3)
    slope, start = plain.sensing(matrices, labels), plain.spectral_start(matrices, labels, 2)
    for method, momentum in (("momentum_0.5", 0.5), ("theory", 1 / (2000 * 2 * 3))):
        row = table[(table["method"] == method) & (table["target"] == 1)].iloc[0]
        errors = []
        for u in accelerated_iterates(start, slope, 0.2, momentum):
            errors.append(plain.relative_error(u @ u.T, x))
            if errors[-1] < 1e-6:
                break
        share = np.log(1e-6 / errors[-1]) / np.log(errors[-2] / errors[-1])
        # Looks beyond the hundredth iteration are a hundredth apart.
        np.testing.assert_allclose(row["passes"], len(errors) - 1 - share, rtol=1e-2)


def test_a_gradient_frozen_at_the_start_does_not_arrive():
    matrices, labels, x = problem(8, 1, 60, 1)
    slope, u = plain.sensing(matrices, labels), 0.3 * np.eye(8)[:, :1] + 0.1
    live, frozen = (accelerated_iterates(u, slope, 0.1, 0.5, frozen=kind) for kind in (False, True))
    ends = []
    for iterates in (live, frozen):
        for _, u_t in zip(range(400), iterates, strict=False):
            if np.linalg.norm(u_t) > 1e3:
                break
        ends.append(plain.relative_error(u_t @ u_t.T, x))
    assert ends[0] < 1e-3
    assert ends[1] > 0.5


@pytest.mark.witness("momentum_bias", "ratio")
def test_the_test_error_at_a_training_error_is_that_of_a_plain_loop():
    options = {"d": 8, "step": [0.1], "time": 100, "targets": 2, "train_error": 0.05}
    row = measured("momentum_bias", options, seed=SEED)
    row = row[row["target"] == 1].iloc[0]
    matrices, labels, x = problem(8, 1, 20, 1)
    slope = plain.sensing(matrices, labels)
    for column, momentum in (("descent_error", 0.0), ("momentum_error", 0.75)):
        train, test = [], []
        for u in accelerated_iterates(0.01 * np.eye(8), slope, 0.1, momentum):
            train.append(np.linalg.norm(plain.measure(matrices, u @ u.T) - labels) / np.linalg.norm(labels))
            test.append(plain.relative_error(u @ u.T, x))
            if train[-1] < 0.05:
                break
        share = np.log(0.05 / train[-1]) / np.log(train[-2] / train[-1])
        np.testing.assert_allclose(row[column], test[-1] * (test[-2] / test[-1]) ** share, rtol=1e-2)
    np.testing.assert_allclose(row["ratio"], row["momentum_error"] / row["descent_error"])


def test_a_longer_step_is_compared_where_it_is_stable():
    options = {"d": 8, "step": [0.05, 0.2], "momentum": [0.25, 0.75], "tolerance": 0.1, "targets": 2}
    table = measured("momentum_steps", options, seed=SEED)
    # 0.2/(1 − 0.75) = 0.8 is no stable step.
    lost = table["factor_to_longer"].isna()
    assert set(table[lost][["step", "momentum"]].itertuples(index=False, name=None)) == {(0.2, 0.75)}
    np.testing.assert_allclose(table["speed_up"], table["same_step"] / table["iterations"])
    small = table[(table["step"] == 0.05) & (table["momentum"] == 0.25)]
    assert (small["factor_to_longer"] < 1.05).all()


@pytest.mark.witness("momentum_steps", "speed_up", "factor_to_longer", "factor_to_same")
def test_factors_between_momentum_and_steps_are_those_of_plain_loops():
    options = {"d": 8, "step": [0.1], "momentum": [0.5], "tolerance": 0.2, "time": 10, "targets": 2}
    row = measured("momentum_steps", options, seed=SEED)
    row = row[row["target"] == 1].iloc[0]
    matrices, labels, x = problem(8, 1, 48, 1)
    slope, start = plain.sensing(matrices, labels), start_matrix("gaussian", 8, SEED, 1).numpy()[:, :1]

    def arrival(step, momentum):
        last = np.inf
        for t, u in zip(range(101), accelerated_iterates(start, slope, step, momentum), strict=False):
            error = plain.relative_error(u @ u.T, x)
            if error < 0.2:
                return t - np.log(0.2 / error) / np.log(last / error)
            last = error

    own, same, longer = arrival(0.1, 0.5), arrival(0.1, 0.0), arrival(0.2, 0.0)
    np.testing.assert_allclose(row["speed_up"], same / own, rtol=1e-6)
    np.testing.assert_allclose(row["factor_to_same"], max(own / same, same / own), rtol=1e-6)
    np.testing.assert_allclose(row["factor_to_longer"], max(own / longer, longer / own), rtol=1e-6)
    # The two differ.
    assert row["factor_to_same"] > 1.2 * row["factor_to_longer"]


def test_what_is_not_reached_has_no_value():
    options = {"d": 8, "rank": 2, "kappa": [3], "momentum": [0], "step": 0.2, "iterations": 5, "targets": 2}
    table = measured("momentum_kappa", options, seed=SEED)
    assert table["passes"].isna().all()
    assert set(table["status"]) == {"budget"}


def test_noise_is_where_runs_end():
    options = {"d": 8, "rank": 2, "momentum": [0, 0.5], "label_noise": [0, 0.01], "step": 0.2}
    table = measured("momentum_ends", {**options, "iterations": 800, "targets": 2}, seed=SEED)
    assert table.loc[table["label_noise"] == 0, "end_error"].max() < 1e-10
    noisy = table[table["label_noise"] > 0].pivot_table(index="target", columns="momentum", values="end_error")
    np.testing.assert_allclose(noisy[0], noisy[0.5], rtol=1e-6)
    assert noisy.min().min() > 1e-4


@pytest.mark.witness("momentum_ends", "end_error")
def test_ends_under_noise_are_those_of_a_plain_loop():
    options = {"d": 8, "rank": 2, "momentum": [0, 0.5], "label_noise": [0.1], "step": 0.2, "iterations": 30}
    table = measured("momentum_ends", {**options, "targets": 2}, seed=SEED).set_index(["target", "momentum"])
    matrices, clean, x = problem(8, 2, 96, 2)
    names = {"d": 8, "rank": 2, "seed": SEED, "ensemble": 0, "target": 1}
    labels = clean + 0.1 * np.sqrt(np.mean(clean**2)) * stream("label-noise", **names).standard_normal(96)
    slope, start = plain.sensing(matrices, labels), plain.spectral_start(matrices, labels, 2)
    for momentum in (0, 0.5):
        *_, u = (u for _, u in zip(range(31), accelerated_iterates(start, slope, 0.2, momentum), strict=False))
        np.testing.assert_allclose(table.loc[(1, momentum), "end_error"], plain.relative_error(u @ u.T, x), rtol=1e-6)


def steps_table(power):
    """Return speed-ups (1 − μ)^−power at the published momenta."""
    rows = []
    for momentum in estimands.published_speed_ups(load_published("mifgd_iterations")):
        for target in range(2):
            for ensemble in range(2):
                names = {"step": 0.01, "momentum": momentum, "target": target, "ensemble": ensemble, "d": 8}
                values = {"speed_up": (1 - momentum) ** -power, "factor_to_longer": 1.0, "status": "converged"}
                rows.append({**names, **values})
    return pd.DataFrame(rows)


@pytest.mark.known_answer("speed_up_factor")
def test_published_speed_ups_are_those_of_a_longer_step():
    fixed = {"table": "t", "figure": "mifgd_iterations", "step": 0.01}
    rng = np.random.default_rng(0)
    curves = {"mifgd_iterations": load_published("mifgd_iterations")}
    goals = estimands.published_speed_ups(curves["mifgd_iterations"])
    # The largest over μ counts, which is that of the largest μ.
    for power, limit in ((1, 1.12), (0.5, 2.24)):
        found = estimands.speed_up_factor({"t": steps_table(power)}, curves, rng, **fixed).value
        assert found == pytest.approx(max(goal * (1 - momentum) ** power for momentum, goal in goals.items()))
        assert found == pytest.approx(limit, abs=0.01)
    # Rows at another step, and at μ = 0, are not of the figure.
    table = steps_table(1)
    others = [table.assign(step=0.02, speed_up=1e3), table[: 2 * 2].assign(momentum=0.0, speed_up=1e3)]
    assert estimands.speed_up_factor({"t": pd.concat([table, *others])}, curves, rng, **fixed).value == pytest.approx(
        estimands.speed_up_factor({"t": table}, curves, rng, **fixed).value
    )
    one_is_lost = table.assign(speed_up=table["speed_up"].where(table.index > 0))
    assert estimands.speed_up_factor({"t": one_is_lost}, curves, rng, **fixed) == UNDEFINED
    with pytest.raises(ValueError, match="table t has μ = "):
        estimands.speed_up_factor({"t": table[table["momentum"] < table["momentum"].max()]}, curves, rng, **fixed)


def test_bad_options_are_named_before_the_run():
    refused("momentum_kappa", "rank at most d", rank=11)
    refused("momentum_kappa", "momentum", momentum=[1])


def test_momentum_kappa_shows_the_iterations_by_momentum():
    momenta = {"momentum_0": 0.0, "momentum_0.5": 0.5, "theory": 1e-5}
    table = crossed(("passes",), method=list(momenta), kappa=[1, 10, 100], **RUNS)
    table = table.assign(momentum=table["method"].map(momenta), tolerance=1e-6, d=8, rank=2, m=80, step=0.2)
    (axes,) = draw("momentum_kappa", {"momentum_kappa": table}).axes
    for method, label in (("momentum_0", "μ = 0:"), ("momentum_0.5", "μ = 0.5:"), ("theory", "μ = 1/(2000rκ)")):
        same(curve(axes, label), geometric(where(table, method=method), "kappa", "passes"))
    first = geometric(where(table, method="momentum_0"), "kappa", "passes")[1]
    drawn_law(axes, "margin: exponent", (1, first), margin("momentum-kappa"))


def test_momentum_steps_shows_speed_ups_beside_published_ones_and_factors_to_longer_steps():
    table = crossed(("speed_up", "factor_to_longer"), step=[0.01, 0.2], momentum=[0.125, 0.5, 0.75], **RUNS)
    curves = {"published/mifgd_iterations": load_published("mifgd_iterations")}
    left, right = draw("momentum_steps", {"momentum_steps": table.assign(d=8), **curves}).axes
    for step in (0.01, 0.2):
        own = where(table, step=step)
        same(curve(left, f"η = {step:g}"), geometric(own, "momentum", "speed_up"))
        same(curve(right, f"η = {step:g}"), geometric(own, "momentum", "factor_to_longer"))
    assert level(right, "margin") == margin("momentum-is-a-step")
    longer = curve(left, "a step 1/(1 − μ) times as long")
    np.testing.assert_allclose(longer, 1 / (1 - longer.index))
    published = curve(left, "published, read off the figure")
    np.testing.assert_allclose(published, [188 / 165, 188 / 140, 188 / 125, 188 / 42])


def test_momentum_ends_shows_the_last_error_by_noise():
    table = crossed(("end_error",), label_noise=[0.0, 0.01], momentum=[0.0, 0.5, 0.75], **RUNS)
    table = table.assign(d=8, rank=2, kappa=1, step=0.2)
    (axes,) = draw("momentum_ends", {"momentum_ends": table}).axes
    for noise, label in ((0.0, "observations without noise"), (0.01, "noise of 1 %")):
        same(curve(axes, label), geometric(where(table, label_noise=noise), "momentum", "end_error"))
    assert level(axes, "margin") == margin("momentum-end")


def test_runs_from_several_starts_are_those_of_each_alone():
    options = {"d": 8, "step": [0.1], "time": 100, "targets": 2, "train_error": 0.05}
    both = measured("momentum_bias", {**options, "alpha": [0.01, 0.001]}, seed=SEED)
    for alpha in (0.01, 0.001):
        alone = measured("momentum_bias", {**options, "alpha": [alpha]}, seed=SEED)
        assert both.loc[both["alpha"] == alpha, "ratio"].tolist() == alone["ratio"].tolist()


def test_momentum_bias_shows_the_ratio_of_test_errors_over_the_step():
    table = crossed(("ratio",), step=[0.005, 0.05, 0.2], **RUNS)
    table = table.assign(d=8, m=40, alpha=0.01, momentum=0.75, train_error=1e-3)
    (axes,) = draw("momentum_bias", {"momentum_bias": table}).axes
    same(curve(axes, "μ = 0.75 over μ = 0"), geometric(table, "step", "ratio"))
    has_band(axes, table.groupby("step")["ratio"])
    assert level(axes, "margin: at η = 0.2") == margin("momentum-implicit-regularisation")
