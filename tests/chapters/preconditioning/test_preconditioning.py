"""Plain and preconditioned descent against plain loops, what is refused, and what the chapter's claims measure."""

import numpy as np
import pandas as pd
import plain
import pytest
from conftest import gaussian_problem, measured, refused
from drawn import RUNS, crossed, curve, where

from algoreg.algorithms.asymmetric import start_factor
from algoreg.algorithms.factored import start_matrix
from algoreg.chapters.preconditioning import estimands, ledger
from algoreg.chapters.preconditioning.methods import METHODS, STEP
from algoreg.chapters.preconditioning.words import NAMES
from algoreg.claims.intervals import UNDEFINED
from algoreg.ensembles import gaussian_rectangular
from algoreg.numerics.problems import draw_rectangular
from algoreg.reporting import figures

pytestmark = pytest.mark.replicates(200)

D, RANK, KAPPA, M, SEED, TARGET, ALPHA = 12, 2, 4, 72, 5, 1, 1e-4
OPTIONS = {
    "d": D,
    "rank": RANK,
    "kappa": [KAPPA],
    "alpha": [ALPHA],
    "m_over_dr": [3],
    "time": 20,
    "targets": 2,
    "tolerance": [0.1, 0.01],
}
# The damping of a method as a function of the root mean square residual.
DAMPINGS = {
    "damped_0.01_2r": lambda residual: 0.01 / KAPPA,
    "damped_1": lambda residual: 1 / KAPPA,
    "residual_2r": lambda residual: residual,
    "undamped_r": lambda residual: 0.0,
}


def plain_errors(method, count, alpha=ALPHA):
    """Return the errors of a method by a loop on full matrices, one for each iteration."""
    matrices, labels, goal = gaussian_problem(D, [1.0, 1 / KAPPA], M, SEED, TARGET)
    width = {"r": RANK, "2r": 2 * RANK, "d": D}[METHODS[method].width]
    if METHODS[method].start == "spectral":
        u = plain.spectral_start(matrices, labels, width)
    else:
        u = alpha * start_matrix("gaussian", D, SEED, TARGET).numpy()[:, :width]
    step = {"damped_1": STEP * (1 + 1 / KAPPA), "damped_0.01_2r": STEP * (1 + 0.01 / KAPPA)}.get(method, STEP)
    errors = []
    for _ in range(count + 1):
        errors.append(plain.relative_error(u @ u.T, goal))
        u = plain.preconditioned(u, matrices, labels, step, DAMPINGS[method], 1)
    return np.array(errors)


@pytest.mark.witness("preconditioned_runs", "rank", "passes", "smallest_error", "status", "test_error")
@pytest.mark.parametrize("method", list(DAMPINGS))
def test_a_run_is_that_of_a_plain_loop(method):
    table = measured("preconditioned_runs", {**OPTIONS, "method": [method]}, seed=SEED)
    own = table[table["target"] == TARGET].set_index("tolerance")
    assert set(own["rank"]) == {RANK}
    errors = plain_errors(method, int(own["budget"].iloc[0]))
    for tolerance, row in own.iterrows():
        below = np.flatnonzero(errors < tolerance)
        assert row["status"] == ("converged" if len(below) else "budget")
        if len(below):
            t = below[0]
            share = np.log(tolerance / errors[t]) / np.log(errors[t - 1] / errors[t])
            # Looks beyond the hundredth iteration are further apart.
            np.testing.assert_allclose(row["passes"], t - share, rtol=1e-6 if t < 100 else 1e-2)
        else:
            assert np.isnan(row["passes"])
            np.testing.assert_allclose(row["test_error"], errors[-1], rtol=1e-5)
    last = np.flatnonzero(errors < 0.01)
    seen = errors[: last[0] + 1] if len(last) else errors
    np.testing.assert_allclose(own["smallest_error"].iloc[0], seen.min(), rtol=1e-3)


def test_too_little_damping_forgets_the_start_in_a_plain_loop():
    # What refutes xu23-does-not-hurt, without any of the package's steps.
    floors = [plain_errors("damped_0.01_2r", 300, alpha).min() for alpha in (1e-3, 1e-5, 1e-7)]
    assert max(floors) / min(floors) < 3


def test_plain_descent_has_time_for_the_smallest_eigenvalue():
    slow, quick = (METHODS[name].iterations(30, 10) for name in ("descent", "undamped_r"))
    assert slow == 10 * quick
    assert METHODS["damped_10"].iterations(30, 1e9) == pytest.approx(11 * quick, rel=0.01)


def test_bad_options_are_named():
    refused("conditioning", "m below d(d+1)/2", m_over_dr=[4])
    refused("conditioning", "rank at most d", rank=13, m_over_dr=[0.4])
    with pytest.raises(ValueError, match="nobody"):
        measured("preconditioned_runs", {**OPTIONS, "method": ["nobody"]}, seed=SEED)
    with pytest.raises(ValueError, match=r"time = 5: allowed is at least log\(1/α\) \+ log\(1/tolerance\)"):
        measured("preconditioned_runs", {**OPTIONS, "method": ["descent"], "time": 5}, seed=SEED)


def test_every_method_has_a_name():
    assert set(NAMES) == set(METHODS)


def table_of(laws, tolerances, value):
    """Return a table with ``value(method, tolerance)`` times a little spread over two targets and three ensembles."""
    rows = []
    for method in laws:
        for tolerance in tolerances:
            for target in range(2):
                for ensemble in range(3):
                    names = {"method": method, "tolerance": tolerance, "target": target, "ensemble": ensemble}
                    spread = 1 + 0.01 * target + 0.02 * ensemble
                    rows.append({**names, "passes": value(method, tolerance) * spread})
    return pd.DataFrame(rows)


@pytest.mark.known_answer("slowing")
def test_a_linear_rate_does_not_slow_down_and_one_over_t_slows_tenfold():
    frame = table_of(
        ("linear", "slow"), (0.1, 0.01, 0.001), lambda name, t: 7 - 20 * np.log(t) if name == "linear" else 3 / t
    )
    fixed = {"table": "rates", "first": 0.1, "middle": 0.01, "last": 0.001}
    linear, slow = (
        estimands.slowing({"rates": frame}, {}, np.random.default_rng(0), method=name, **fixed)
        for name in ("linear", "slow")
    )
    assert linear.value == pytest.approx(1)
    assert slow.value == pytest.approx(10)
    lost = frame.assign(passes=frame["passes"].where(frame["tolerance"] > 0.001))
    assert estimands.slowing({"rates": lost}, {}, None, method="slow", **fixed) == UNDEFINED
    # One run that did not reach the last error is enough.
    one = frame.assign(passes=frame["passes"].where((frame["tolerance"] > 0.001) | (frame["ensemble"] > 0)))
    assert estimands.slowing({"rates": one}, {}, None, method="slow", **fixed) == UNDEFINED


@pytest.mark.known_answer("ratio_of_thresholds")
def test_thresholds_of_methods_are_compared_run_by_run():
    rows = []
    for method, centre in (("a", 40), ("b", 20)):
        for target in range(2):
            for ensemble in range(3):
                for m in (10, 20, 40, 80, 160):
                    names = {"method": method, "rank": 2, "m": m, "target": target, "ensemble": ensemble}
                    error = 0.01 * (m / (centre * (1 + 0.1 * target))) ** -2.0
                    rows += [{**names, "tolerance": 0.01, "test_error": error, "status": "budget"}]
    # Rows at a looser tolerance are of the same runs: those at the tightest say how these ended.
    looser = [{**row, "tolerance": 0.1, "test_error": 1.0} for row in rows]
    tables = {"samples": pd.DataFrame(rows + looser)}
    found = estimands.ratio_of_thresholds(
        tables, {}, np.random.default_rng(0), table="samples", method="a", beside="b", tolerance=0.01
    )
    assert found.value == pytest.approx(2, rel=0.05)
    never = {"samples": tables["samples"].assign(test_error=1.0)}
    settings = {"table": "samples", "method": "a", "beside": "b", "tolerance": 0.01}
    assert estimands.ratio_of_thresholds(never, {}, None, **settings) == UNDEFINED


def inverse_of(factor, method):
    """Return F⁺ transposed, or F(FᵀF + λI)⁻¹ with λ = σ_r = 1/2."""
    if method == "alternating":
        return np.linalg.pinv(factor).T
    return np.linalg.solve(factor.T @ factor + 0.5 * np.eye(4), factor.T).T


@pytest.mark.witness("alternating_samples", "test_error", "status")
@pytest.mark.parametrize("method", ["alternating", "damped", "descent"])
def test_two_factors_from_few_measurements_are_those_of_a_plain_loop(method):
    options = {"d": 8, "rank": 2, "kappa": 2, "method": [method], "widths": [2], "ratios": [1.5], "targets": 2}
    table = measured("alternating_samples", {**options, "alternating_time": 10, "descent_time": 24}, seed=SEED)
    (row,) = where(table, target=TARGET).to_dict("records")
    matrices = np.concatenate(list(gaussian_rectangular.flat_rows(8, 8, 48, SEED, 0))).reshape(48, 8, 8)
    goal = draw_rectangular(8, 8, 2, 2.0, SEED, TARGET)
    labels = plain.measure(matrices, goal)
    step, count = (0.4, 60) if method == "descent" else (0.5, 20)
    left, right = (1e-6 * start_factor(side, 8, 4, SEED, TARGET).numpy() for side in ("left", "right"))
    for _ in range(count):
        slope = plain.gradient(matrices, left @ right.T, labels)
        if method == "descent":
            left, right = left - step * slope @ right, right - step * slope.T @ left
            continue
        left = left - step * slope @ inverse_of(right, method)
        right = right - step * plain.gradient(matrices, left @ right.T, labels).T @ inverse_of(left, method)
    assert (row["k"], row["m"], row["status"]) == (4, 48, "budget")
    np.testing.assert_allclose(row["test_error"], plain.relative_error(left @ right.T, goal), rtol=1e-6)


def test_bad_options_of_two_factors_are_named():
    refused("alternating_samples", "m below d²", ratios=[4.0])
    refused("alternating_samples", "as many columns as d at most", widths=[9])


def thresholds_table():
    """Return errors of three methods, whose m* grow with the columns as k and not at all."""
    table = crossed((), method=["alternating", "damped", "descent"], k=[2, 4, 8], m=[10, 20, 40, 80, 160], **RUNS)
    centre = np.where(table["method"] == "alternating", 10.0 * table["k"], 30.0) * (1 + 0.05 * table["ensemble"])
    return table.assign(d=10, rank=2, kappa=2.0, alpha=1e-6, test_error=0.05 * (table["m"] / centre) ** -2.0)


@pytest.mark.known_answer("exponent_of_thresholds")
def test_the_exponent_of_thresholds_in_the_columns():
    tables, fixed = {"factors": thresholds_table()}, {"table": "factors", "along": "k", "tolerance": 0.05}
    for method, exponent in (("alternating", 1), ("descent", 0)):
        found = estimands.exponent_of_thresholds(tables, {}, np.random.default_rng(0), method=method, **fixed)
        assert found.value == pytest.approx(exponent, abs=0.05)


def test_alternating_samples_shows_the_thresholds_over_the_columns():
    (axes,) = figures.draw("alternating_samples", {"alternating_samples": thresholds_table()}).axes
    drawn = curve(axes, "alternating, pseudoinverse")
    np.testing.assert_allclose(drawn.to_numpy(), 10 * np.array([2, 4, 8]) * 1.049 / 40, rtol=0.02)
    line = curve(axes, "margin: exponent above 0.5")
    assert np.log(line.iloc[-1] / line.iloc[0]) / np.log(4) == pytest.approx(0.5)


def test_errors_of_runs_that_left_are_bounds_and_in_no_exponent():
    alphas = [1e-3, 1e-5, 1e-7, 1e-9]
    rows = [
        {"method": name, "alpha": alpha, "target": 0, "ensemble": 0, "budget": 100, "tolerance": 1e-9}
        | {"smallest_error": max(error, 9e-10), "status": "converged" if error < 1e-9 else "budget"}
        for name, power in {"descent_2r": 1.1, "damped_1_2r": 0.5, "damped_0.01_2r": 0.0}.items()
        for alpha, error in ((alpha, alpha**power) for alpha in alphas)
    ]
    frame = pd.DataFrame(rows)
    floors, beside = ledger.conditioning_floors(frame), ledger.conditioning_beside_plain(frame)
    assert "| plain, width 2r | 5.0e-04 | 3.2e-06 | 2.0e-08 | < 1.0e-09 |" in floors
    assert "| λ = σ_r, width 2r | 3.2e-02 | 3.2e-03 | 3.2e-04 | 3.2e-05 |" in floors
    assert "| plain, width 2r | 100 | 1 | 1 | 1 | – | 1.10 |" in beside
    assert "| λ = σ_r, width 2r | 100 | 63.1 | 1e+03 | 1.58e+04 | – | 0.50 |" in beside
