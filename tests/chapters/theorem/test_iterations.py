"""The experiments of Theorem 1.1 against a plain implementation, their bad input, what is read from their tables."""

from itertools import islice, product

import conftest
import numpy as np
import pandas as pd
import plain
import pytest
import torch
from conftest import ROOT, gaussian_matrices, passage_of, registered_claims, setting_problems, tier_settings

from algoreg import plugins
from algoreg.chapters import li2018
from algoreg.chapters.theorem import runs
from algoreg.chapters.theorem.estimands import iterations as estimands
from algoreg.chapters.theorem.experiments import iterations
from algoreg.chapters.theorem.ledger import iterations as passages
from algoreg.claims import estimands as shared
from algoreg.claims.estimands import largest_geometric_mean
from algoreg.claims.intervals import UNDEFINED, Estimate, distance_from
from algoreg.engine import experiment
from algoreg.ensembles import gaussian, gram, wishart
from algoreg.numerics import isometry, theory
from algoreg.numerics.isometry_bounds import isometry_bounds
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.seeds import stream
from algoreg.reporting import figures
from algoreg.settings import plan
from algoreg.settings.chapters import load_chapters

pytestmark = pytest.mark.replicates(200)

EXPERIMENTS = ("iterations", "error_at_time", "window", "starts")
ITERATIONS = {
    "d": 8,
    "rank": [2],
    "alpha": [1e-3],
    "step": 0.2,
    "m_over_dr": 2,
    "tolerance": 0.3,
    "relative_to": "frobenius",
    "iterations": 400,
    "targets": 2,
}
ERRORS = {
    "d": [8],
    "rank": 2,
    "kappa": [1.5, 2],
    "alpha": [1e-5, 1e-6, 1e-7],
    "m_over_dr": [1.2, 2],
    "time": [1, 4],
    "step": 0.2,
    "targets": 2,
}
WINDOW = {
    "d": 8,
    "rank": 2,
    "kappa": 1.5,
    "label_noise": [0, 0.1],
    "m_over_dr": 2,
    "step": 0.2,
    "points": 8,
    "targets": 2,
}
STARTS = {
    "d": 8,
    "rank": 2,
    "kappa": 1.5,
    "alpha": 1e-3,
    "m_over_dr": 2,
    "step": 0.2,
    "time": 2,
    "points": 6,
    "targets": 2,
}


def measured(name, options, ensembles=1, **changes):
    """Return an experiment's table."""
    frame = conftest.measured(name, {**options, **changes}, seed=5, ensembles=range(ensembles))
    return frame.astype(dict.fromkeys(plugins.experiment(name).VALUES, float))


class Dense:
    """A problem as the experiments draw it, on full matrices, and plain descents on it."""

    def __init__(self, d, rank, kappa, m, target, ensemble, noise=0.0):
        self.matrices = gaussian_matrices(d, m, 5, ensemble)
        spectrum = [kappa ** (-k / max(rank - 1, 1)) for k in range(rank)]
        self.factor = draw_factor({"kind": "spectrum", "eigenvalues": spectrum}, d, rank, 5, target)
        self.goal = self.factor @ self.factor.T
        self.labels = plain.measure(self.matrices, self.goal)
        extra = stream("label_noise", d=d, seed=5, target=target, ensemble=ensemble).standard_normal(m)
        self.labels = self.labels + noise * np.sqrt(np.mean(self.labels**2)) * extra

    def run(self, start, step, count):
        """Return ‖UUᵀ − X*‖_F after 0 … count steps."""
        iterates = plain.factored_iterates(start, plain.sensing(self.matrices, self.labels), step)
        return np.array([np.linalg.norm(u @ u.T - self.goal) for u in islice(iterates, count + 1)])


@pytest.mark.parametrize(
    ("rank", "kappa", "alpha", "rule", "relative"),
    [
        (2, 1, 1e-3, "inverse_root_rank", "frobenius"),
        (3, 2, 1e-4, "inverse_kappa", "sigma_r"),
        (2, 1, 1e-3, "largest", "frobenius"),
    ],
)
def test_iterations_are_those_of_a_plain_descent(rank, kappa, alpha, rule, relative):
    options = {"rank": [1, rank] if kappa == 1 else [rank], "kappa": [kappa], "alpha": [alpha]}
    options |= {"m_over_dr": 1.4, "iterations": 3000}  # Below D = 36 measurements at rank 3 too: 34.
    table = measured("iterations", ITERATIONS, ensembles=2, rule=[rule], relative_to=relative, **options)
    table = table[table["rank"] == rank]
    assert set(table["status"]) == {"converged"}
    for _, row in table.iterrows():
        dense = Dense(8, rank, kappa, round(1.4 * 8 * rank), row["target"], row["ensemble"])
        step = {"inverse_root_rank": 0.2 / rank**0.5, "inverse_kappa": 0.2 / kappa, "largest": row["step"]}[rule]
        assert row["step"] == step
        scale = 0.3 * (1 / kappa if relative == "sigma_r" else np.linalg.norm(dense.goal))
        errors = dense.run(alpha * np.eye(8), step, int(row["iterations"]) + 2) / scale
        after = int(np.argmax(errors < 1))
        between = np.log(errors[after - 1]) / np.log(errors[after - 1] / errors[after])
        assert row["iterations"] == pytest.approx(after - 1 + between, rel=1e-9)


def test_the_largest_step_is_two_over_the_largest_curvature():
    dense = Dense(6, 2, 1.0, 18, 0, 0)
    table = measured("iterations", ITERATIONS, d=6, m_over_dr=1.5, rule=["largest"], alpha=[1e-3, 1e-2, 1e-1])
    basis = np.eye(12).reshape(12, 6, 2)
    moved = np.einsum("ar,kbr->kab", dense.factor, basis)
    moved = moved + moved.transpose(0, 2, 1)
    seen = np.einsum("iab,kab->ki", dense.matrices, moved)
    curvature = np.einsum("ki,iab,br->kar", seen, dense.matrices, dense.factor).reshape(12, 12) / 18
    step = table.loc[(table["target"] == 0), "step"].iloc[0]
    assert step == pytest.approx(iterations.LARGEST_SHARE * 2 / np.linalg.eigvalsh(curvature).max(), rel=0.02)


@pytest.mark.witness("error_at_time", "in_window", "over_bound", "squared_error")
def test_errors_at_times_are_those_of_a_plain_descent():
    table = measured("error_at_time", ERRORS)
    for kappa, alpha, per, time in ((1.5, 1e-5, 2, 4), (2, 1e-6, 1.2, 1), (2, 1e-7, 2, 4)):
        row = table[
            (table["kappa"] == kappa)
            & (table["alpha"] == alpha)
            & (table["m_over_dr"] == per)
            & (table["time"] == time)
            & (table["target"] == 1)
        ].iloc[0]
        dense = Dense(8, 2, kappa, round(per * 16), 1, 0)
        count = round(time * kappa * np.log(8 / alpha) / 0.2)
        assert row["iteration"] == count
        error = dense.run(alpha * np.eye(8), 0.2, count)[-1] ** 2
        assert row["squared_error"] == pytest.approx(error, rel=1e-5)
        assert row["over_bound"] == pytest.approx(error / (alpha * 8**0.5 / kappa**2), rel=1e-5)
        assert row["in_window"] == (count <= 1 / (0.2 * np.sqrt(8 * kappa * alpha)))


@pytest.mark.witness("window", "test_error", "smallest_error")
def test_the_window_is_that_of_a_plain_descent():
    table = measured("window", WINDOW, alpha_power=4, ensembles=2)
    last = round(1 / (0.2 * np.sqrt(8 * 1.5 * 8.0**-4)))
    assert table["iteration"].max() == last
    for noise in (0, 0.1):
        rows = table[(table["noise"] == noise) & (table["target"] == 1) & (table["ensemble"] == 1)]
        dense = Dense(8, 2, 1.5, 32, 1, 1, noise)
        errors = dense.run(8.0**-4 * np.eye(8), 0.2, last) / np.linalg.norm(dense.goal)
        assert rows["test_error"].to_numpy() == pytest.approx(errors[rows["iteration"]], rel=1e-6)
        end = rows.iloc[-1]
        looks = [*rows["iteration"], *range(10, last, 10)]
        assert end["smallest_error"] == pytest.approx(errors[looks].min(), rel=1e-6)
        assert errors[int(end["smallest_at"])] == pytest.approx(end["smallest_error"], rel=1e-6)


def test_a_right_rotation_changes_nothing_and_a_low_rank_misses_the_target():
    table = measured("starts", STARTS, time=6)
    change = table.groupby("start")["change"].max()
    assert change["identity"] == 0
    assert change["orthonormal"] < 1e-13
    assert change["gaussian"] > 1e-6
    assert change["low_rank"] > 0.1
    rows = table[(table["start"] == "identity") & (table["target"] == 0)]
    dense = Dense(8, 2, 1.5, 32, 0, 0)
    errors = dense.run(1e-3 * np.eye(8), 0.2, rows["iteration"].max()) / np.linalg.norm(dense.goal)
    assert rows["test_error"].to_numpy() == pytest.approx(errors[rows["iteration"]], rel=1e-7)
    low = runs.initial_factor("low_rank", 0.1, torch.from_numpy(dense.factor), 5, 0)
    assert torch.linalg.matrix_rank(low) == 1
    assert low[:, :1].norm() == pytest.approx(0.1)


def test_runs_that_do_not_arrive_have_a_status_and_no_value():
    table = measured("iterations", ITERATIONS, alpha=[0.3, 1e-6], step=0.2, iterations=30)
    assert set(table.loc[table["alpha"] < 0.1, "status"]) == {"budget"}
    assert set(table.loc[table["iterations"].isna(), "status"]) == {"budget"}
    assert set(table.loc[table["iterations"].notna(), "status"]) == {"converged"}
    lost = measured("iterations", ITERATIONS, step=50.0)
    assert set(lost["status"]) == {"diverged"}
    assert lost["iterations"].isna().all()
    for name, options in (("error_at_time", ERRORS), ("window", {**WINDOW, "alpha_power": 8}), ("starts", STARTS)):
        table = measured(name, options, step=5.0, **({"time": 20} if name == "starts" else {}))
        values = plugins.experiment(name).VALUES
        error = "squared_error" if name == "error_at_time" else "test_error"
        assert error in values
        assert "diverged" in set(table["status"])
        assert (table[error].isna() == (table["status"] == "diverged")).all()


def test_a_window_of_less_than_one_iteration_is_one():
    assert set(measured("window", WINDOW, alpha_power=1.5, step=5.0)["iteration"]) == {1}
    assert set(measured("starts", STARTS, time=0.001)["iteration"]) == {1}


def test_from_as_many_measurements_as_dimensions_on_the_ensemble_is_its_gram_matrix():
    context = experiment.Context(5, [0], torch.device("cpu"), torch.float64)
    found = list(runs.ensembles_of(4, [100, 3, 9, 10, 9], context, 2))
    assert [(type(one), known) for one, known in found] == [
        (gaussian.Ensemble, [9, 3]),
        (wishart.Ensemble, [100]),
        (wishart.Ensemble, [10]),
    ]
    low, high = isometry_bounds(found[1][0], 100, 1, 5)
    assert 0 < low <= high == found[1][0].isometry_deviation()
    low, high = isometry_bounds(found[0][0], 9, 1, 5)
    assert low > 0
    assert high is None
    table = measured("iterations", ITERATIONS, m_over_dr=1e8, start=["identity"])
    assert (table["delta_up"] < 1e-3).all()
    assert (table["delta_low"] <= table["delta_up"]).all()
    # With G = I the descent is U ← U − η(UUᵀ − X*)U.
    row = table.iloc[0]
    goal = Dense(8, 2, 1.0, 1, int(row["target"]), 0).goal
    iterates = plain.factored_iterates(1e-3 * np.eye(8), lambda x: x - goal, 0.2)
    errors = [plain.relative_error(u @ u.T, goal) / 0.3 for u in islice(iterates, 200)]
    after = int(np.argmax(np.array(errors) < 1))
    assert after - 1 < row["iterations"] < after + 0.1


@pytest.mark.parametrize(("rank", "part"), [(1, 0.4), (2, 0.8), (3, 1.0)])
def test_the_bounds_of_an_isometry_are_of_four_times_the_rank(rank, part):
    """G = Id + c·II ᵀ/d has δ_k = c·k/d: ⟨X, I⟩² is at most k for ‖X‖ = 1 of rank k, and that for a projection."""
    d, c = 10, 3.0
    unit = plain.pack(np.eye(d)) / d**0.5
    ensemble = gram.Ensemble(torch.from_numpy(np.eye(len(unit)) + c * np.outer(unit, unit)), d, 100)
    low, high = isometry_bounds(ensemble, 100, rank, 5)
    assert low == pytest.approx(c * part, rel=1e-6)
    assert high == pytest.approx(c)


def test_isometry_constants_are_bounded_from_below():
    ensemble = gram.Ensemble.of(gaussian.Ensemble.draw(5, 40, 1, 0))
    noise = torch.from_numpy(np.random.default_rng(0).standard_normal((5, 5)))
    whole = isometry.isometry_excess(ensemble, 5, noise + noise.T, iterations=400)
    assert whole == pytest.approx(float(torch.linalg.eigvalsh(ensemble.gram).max()) - 1, rel=1e-3)
    vectors = torch.from_numpy(np.random.default_rng(1).standard_normal((2000, 5)))
    ones = torch.einsum("ka,kb->kab", vectors, vectors)
    ones = ones / torch.linalg.matrix_norm(ones)[:, None, None]
    random = float((ensemble.gradient(ones, ensemble.label(torch.zeros_like(ones))) * ones).sum(dim=(1, 2)).max()) - 1
    assert 0 < isometry.isometry_excess(ensemble, 1, noise + noise.T) <= 1.5 * random < 1.5 * whole


def test_the_theorems_constants():
    assert theory.geometric_spectrum(3, 4.0) == [1, 0.5, 0.25]
    assert theory.geometric_spectrum(1, 1) == [1]
    for rank, kappa in ((1, 2.0), (3, 0.5)):
        with pytest.raises(ValueError, match="kappa"):
            theory.geometric_spectrum(rank, kappa)

    def holds(c, d, rank, kappa, alpha, step, delta):
        largest = c * li2018.theorem_11_isometry(d, rank, kappa)
        return largest >= delta and step <= c * largest and alpha <= c * min(largest * rank**0.5 * kappa, 1 / d)

    for sizes in (
        (40, 3, 1.5, 1e-3, 0.2, 2.0),
        (40, 3, 1, 1e-3, 0.2, 1e-3),
        (20, 2, 1, 0.5, 1e-3, 0),
        (20, 1, 3, 0.02, 1e-9, 0),
    ):
        c = li2018.theorem_11_constant(*sizes)
        assert holds(c * 1.001, *sizes)
        assert not holds(c * 0.999, *sizes)
    for factor in (1, 4):
        alpha = li2018.theorem_11_largest_alpha(100, 1.5, factor)
        first, last = li2018.theorem_11_window(100, 1.5, alpha, 0.1)
        assert last / first == pytest.approx(factor, rel=2e-3)


def tier(name, **changes):
    content = tier_settings("smoke")
    block = {"experiment": name, "ensembles": 2, "options": changes}
    return {**content, "experiments": {"one": block}, "figures": {}}


@pytest.mark.parametrize(
    ("name", "options", "change", "message"),
    [
        ("iterations", ITERATIONS, {"rank": [2, 9], "kappa": [1, 2]}, "rank at most d"),
        ("iterations", ITERATIONS, {"rank": [1, 2], "kappa": [1, 2]}, "kappas of 1 alone where a rank is 1"),
        ("iterations", ITERATIONS, {"alpha": [1e-3, 1e-4]}, "at least three ranks, kappas or alphas"),
        ("iterations", ITERATIONS, {"alpha": [1, 2, 8]}, "alphas below d"),
        ("iterations", ITERATIONS, {"d": 400, "rank": [1, 2, 3], "m_over_dr": 8}, "an ensemble of at most 4 GiB"),
        ("iterations", ITERATIONS, {"rule": ["fast"]}, 'rule[0] = "fast": Input should be'),
        ("error_at_time", ERRORS, {"rank": 9}, "rank at most d"),
        ("error_at_time", ERRORS, {"rank": 1}, "kappa 1 for rank 1"),
        ("error_at_time", ERRORS, {"alpha": [1e-3]}, "at least three alphas or dimensions"),
        ("error_at_time", ERRORS, {"alpha": [1, 2, 9]}, "alphas below every d"),
        ("error_at_time", ERRORS, {"d": [300]}, None),
        ("error_at_time", ERRORS, {"d": [500], "m_over_dr": [50]}, "an ensemble of at most 4 GiB"),
        ("window", WINDOW, {"rank": 9}, "rank at most d"),
        ("window", WINDOW, {"rank": 1}, "kappa 1 for rank 1"),
        (
            "window",
            WINDOW,
            {"label_noise": [-0.1]},
            "label_noise[0] = -0.1: Input should be greater than or equal to 0",
        ),
        ("window", WINDOW, {"d": 1000, "m_over_dr": 1}, "an ensemble of at most 4 GiB"),
        ("starts", STARTS, {"rank": 9}, "rank at most d"),
        ("starts", STARTS, {"rank": 1}, "rank = 1: Input should be greater than or equal to 2"),
        ("starts", STARTS, {"alpha": 9}, "alpha below d"),
        ("starts", STARTS, {"d": 1000, "m_over_dr": 1}, "an ensemble of at most 4 GiB"),
    ],
)
def test_what_cannot_be_measured_is_named(name, options, change, message):
    good = {**options, "alpha": [1e-3, 1e-4, 1e-5]} if name == "iterations" else options
    found = setting_problems(tier(name, **{**good, **change}))
    if message is None:
        assert not found
    else:
        assert any("experiments.one" in line and message in line for line in found), found


def crossed(slopes, seed, targets=4, ensembles=5, noise=0.1):
    """Return synthetic crossed runs y = x^slope, one group for each slope,
    with target and ensemble effects on both terms.
    """
    rng = np.random.default_rng(seed)
    by_target, by_ensemble = rng.normal(0, noise, (targets, 2)), rng.normal(0, noise, (ensembles, 2))
    rows = []
    for group, slope in slopes.items():
        for x in (1.0, 2.0, 4.0, 8.0):
            for t, e in np.ndindex(targets, ensembles):
                more, shift = by_target[t] + by_ensemble[e]
                y = np.exp((slope + more) * np.log(x) + shift + rng.normal(0, noise / 3))
                rows.append({"group": group, "x": x, "target": t, "ensemble": e, "y": y})
    return pd.DataFrame(rows)


def test_smallest_exponents_cover_and_repeat():
    hits, options = 0, {"table": "x", "value": "y", "along": "x", "by": "group"}
    for seed in range(80):
        tables = {"x": crossed({1: 1.0, 2: 2.0}, seed)}
        found = shared.smallest_exponent(tables, {}, np.random.default_rng(seed), **options)
        hits += found.low <= 1.0 <= found.high
    assert hits >= 70
    assert shared.smallest_exponent(tables, {}, np.random.default_rng(seed), **options) == found
    alone = shared.smallest_exponent(tables, {}, np.random.default_rng(0), where={"group": 2}, **options)
    assert alone.low > 1.5
    few = {"x": tables["x"][tables["x"]["x"] < 3]}
    with pytest.raises(ValueError, match="group = 1: 2 values of x: an exponent needs at least three"):
        shared.smallest_exponent(few, {}, np.random.default_rng(0), **options)
    lost = tables["x"].assign(y=tables["x"]["y"].where(tables["x"]["x"] < 8))
    assert shared.smallest_exponent({"x": lost}, {}, np.random.default_rng(0), **options) == UNDEFINED


def test_distances_take_the_far_end_of_the_interval():
    estimate = Estimate(1.1, 0.9, 1.3)
    for expected in (1.1, 2.0, -1.0):
        found = distance_from(estimate, expected)
        assert found.value == pytest.approx(abs(1.1 - expected))
        assert found.high == pytest.approx(max(abs(0.9 - expected), abs(1.3 - expected)))
        inside = 0.9 <= expected <= 1.3
        assert found.low == pytest.approx(0 if inside else min(abs(0.9 - expected), abs(1.3 - expected)))


@pytest.mark.known_answer("growth_as_alpha_falls")
def test_growth_is_the_ratio_of_geometric_means_at_the_ends_of_alpha():
    frame = crossed({1: -0.5}, 5).rename(columns={"x": "alpha"})
    options = {"table": "x", "value": "y"}
    found = estimands.growth_as_alpha_falls({"x": frame}, {}, np.random.default_rng(0), **options)
    logs = {alpha: np.mean(np.log(part["y"])) for alpha, part in frame.groupby("alpha")}
    assert found.value == pytest.approx(np.exp(logs[1.0] - logs[8.0]))
    assert 0 < found.low < found.value < found.high
    hits = 0
    for seed in range(60):
        tables = {"x": crossed({1: -0.5}, seed).rename(columns={"x": "alpha"})}
        one = estimands.growth_as_alpha_falls(tables, {}, np.random.default_rng(seed), **options)
        hits += one.low <= 8**0.5 <= one.high
    assert hits >= 52
    lost = {"x": frame.assign(y=frame["y"].where(frame["alpha"] > 1))}
    assert estimands.growth_as_alpha_falls(lost, {}, np.random.default_rng(0), **options) == UNDEFINED
    with pytest.raises(ValueError, match="growth needs two"):
        estimands.growth_as_alpha_falls({"x": frame[frame["alpha"] == 1]}, {}, np.random.default_rng(0), **options)


def recursion(d, rank, alpha, step, tolerance):
    """Return the time to a relative error of one number s ← s(1 + η(1 − s²)),
    G = I and κ = 1: the rest of U stays αI.
    """
    signal, rest, before = alpha, alpha, None
    for now in range(100_000):
        error = (rank * (1 - signal**2) ** 2 + (d - rank) * rest**4) ** 0.5 / rank**0.5 / tolerance
        if error < 1:
            return now - 1 + np.log(before) / np.log(before / error)
        before, signal, rest = error, signal * (1 + step * (1 - signal**2)), rest * (1 - step * rest**2)
    raise AssertionError("the recursion does not arrive")


@pytest.mark.witness("iterations", "iterations", "over_bound")
def test_certified_iterations_are_a_recursion_of_one_number_and_grow_as_the_step_rule_says():
    alphas = [1e-3, 1e-6, 1e-9]
    options = {"alpha": alphas, "rule": ["constant", "inverse_log"], "m_over_dr": 1e8, "iterations": 3000}
    table = measured("iterations", ITERATIONS, ensembles=2, **options)
    for _, row in table.iterrows():
        step = 0.2 if row["rule"] == "constant" else 0.2 * np.log(8) / np.log(8 / row["alpha"])
        assert row["step"] == pytest.approx(step)
        assert row["iterations"] == pytest.approx(recursion(8, 2, row["alpha"], step, 0.3), rel=2e-3)
        assert row["over_bound"] == pytest.approx(row["iterations"] * 0.2 / np.log(8 / row["alpha"]))
    grown = {
        rule: estimands.growth_as_alpha_falls(
            {"x": table}, {}, np.random.default_rng(0), table="x", value="over_bound", where={"rule": rule}
        ).value
        for rule in ("constant", "inverse_log")
    }
    # The control's iterations are the other's times log(d/α)/log d, but that η·t depends a little on η.
    logs = np.log(8 / np.array(alphas))
    assert grown["inverse_log"] / grown["constant"] == pytest.approx(logs[-1] / logs[0], rel=0.05)


@pytest.mark.known_answer("end_of_window", "largest_geometric_mean")
def test_bounds_are_judged_by_their_worst_point_and_their_worst_part():
    options = {"table": "x", "value": "y", "by": ["x"]}
    frame = crossed({1: 1.0}, 4)
    found = largest_geometric_mean({"x": frame}, {}, np.random.default_rng(0), **options)
    logs = np.log(frame["y"]).groupby(frame["x"]).mean()
    assert found.value == pytest.approx(np.exp(logs.max()))
    assert 0 < found.low < found.value < found.high
    bad = {"x": frame.assign(y=0.0)}
    assert largest_geometric_mean(bad, {}, np.random.default_rng(0), **options) == UNDEFINED

    def end(error, smallest):
        rows = [
            {
                "iteration": i,
                "noise": 0,
                "target": t,
                "ensemble": e,
                "test_error": error * i / 9,
                "smallest_error": smallest,
            }
            for i in (1, 9)
            for t in range(2)
            for e in range(2)
        ]
        # Without noise, which is asked for; with it nothing falls, and goes on for longer.
        frame = pd.DataFrame(rows)
        others = frame.assign(noise=1, iteration=frame["iteration"] + 1, test_error=1.0)
        given = {"table": "window", "ratio": 1.1, "floor": 1e-3, "where": {"noise": 0}}
        return estimands.end_of_window({"window": pd.concat([frame, others])}, {}, np.random.default_rng(0), **given)

    assert end(1.1e-4, 1e-4).value == pytest.approx(1)
    assert end(5e-3, 5e-3).value == pytest.approx(5)
    assert end(5e-4, 1e-5).value == pytest.approx(50 / 1.1)
    assert end(np.nan, 1e-4) == UNDEFINED


@pytest.fixture(scope="module")
def tables():
    """Return every table of the topic at tiny sizes."""
    kappas = {"rank": [2], "kappa": [1, 1.5, 2], "relative_to": "sigma_r"}
    alphas = {"alpha": [1e-3, 1e-5, 1e-7], "rule": ["constant", "inverse_log"], "iterations": 2000}
    certified = {"m_over_dr": 1e8, "step": 0.1}
    falling = {"rule": ["inverse_kappa", "inverse_kappa_cubed"]}
    blocks = {
        "iterations_in_r": (
            "iterations",
            ITERATIONS,
            {"rank": [1, 2], "rule": ["constant", "inverse_root_rank", "largest"]},
        ),
        "iterations_in_alpha": ("iterations", ITERATIONS, alphas),
        "iterations_in_alpha_certified": ("iterations", ITERATIONS, {**alphas, **certified}),
        "iterations_in_kappa": ("iterations", ITERATIONS, kappas),
        "iterations_in_kappa_small_step": ("iterations", ITERATIONS, {**kappas, **falling}),
        "iterations_in_kappa_certified": ("iterations", ITERATIONS, {**kappas, **certified}),
        "error_at_time": ("error_at_time", ERRORS, {}),
        "error_at_time_certified": ("error_at_time", ERRORS, {"m_over_dr": [1e8], "kappa": [1, 1.5]}),
        "error_in_d": (
            "error_at_time",
            ERRORS,
            {"d": [6, 8], "alpha": [1e-6], "m_over_dr": [2], "time": [4]},
        ),
        "window": ("window", WINDOW, {}),
        "starts": ("starts", STARTS, {}),
    }
    return {name: measured(kind, options, 2, **changes) for name, (kind, options, changes) in blocks.items()}


def test_every_figure_is_drawn_from_its_tables(tables):
    shown = tier_settings("standard")["figures"]
    for name in ("iterations_in_r", "iterations_in_alpha", "iterations_in_kappa", "error_at_time", "window", "starts"):
        figure = figures.draw(name, {table: tables[table] for table in shown[name]})
        for axes in figure.axes:
            assert axes.get_xlabel()
            assert axes.get_ylabel() or axes is not figure.axes[0]
        # A tier may have the first table alone, and runs without a value.
        value = {"window": "test_error", "starts": "test_error", "error_at_time": "squared_error"}.get(
            name, "iterations"
        )
        alone = tables[name].copy()
        alone.loc[alone["target"] == 0, value] = np.nan
        figures.draw(name, {name: alone})


def test_the_growth_of_the_error_is_read_at_the_last_time_and_at_the_smallest_condition_number():
    # Elsewhere the errors grow by other powers; at κ = 4 the largest α is beyond the window.
    frame = pd.DataFrame(
        {"time": time, "m_over_dr": per, "alpha": alpha, "kappa": kappa, "in_window": int(kappa * alpha < 0.03),
         "squared_error": alpha * (kappa**3 if (time, per, alpha) == (2, 20, 1e-3) else kappa)}
        for time, per, alpha, kappa in product((1, 2), (10, 20), (1e-2, 1e-3), (1, 2, 4))
    )  # fmt: skip
    sizes = pd.DataFrame(
        {"d": d, "kappa": kappa, "squared_error": d**1.5 if kappa == 1 else d} for d in (10, 20, 40) for kappa in (1, 2)
    )
    assert passages.error_growth(frame, sizes) == "d^1.50 and κ^3.00"


def test_every_passage_is_filled_from_its_tables(tables):
    registry = registered_claims()
    judged = {entry["id"]: entry for entry in registry}
    stored = dict(tables)
    claims = [
        {
            "id": name,
            "verdict": "supported",
            "estimate": 1.0,
            "ci_low": 0.9,
            "ci_high": 1.1,
            "margin": judged[name]["margin"],
        }
        for base in passages.CERTIFIED
        for name in (base, f"{base}-certified")
    ]
    reference = {"tables": stored, "claims": claims}
    ledger = (ROOT / "src/algoreg/chapters/theorem/ledger.md.j2").read_text(encoding="utf-8")
    for name, found in plugins.functions("ledger").items():
        if found.__module__ == passages.__name__:
            passage = getattr(passages, name)
            text = passage_of(passage, stored) if passage.of_frames else passage(reference)
            # A table; of the error's growth the end of a sentence.
            assert ("| ---" in text) == (name != "error_growth"), name
            assert "nan" not in text, name
            assert f"{{{{ {name}() }}}}" in ledger
    text = passages.theorem_11_hypothesis(reference)
    assert text.count("| no |") + text.count("| yes |") == 6


def test_the_ledger_names_the_experiments_that_share_ensembles():
    own = [name for chapter in load_chapters(["theorem", "remarks"]) for name in chapter.entries["experiments"]]
    blocks = {name: block for name, block in tier_settings("standard")["experiments"].items() if name in own}
    kinds = ("iterations", "error_at_time", "starts", "window", "minibatch", "threshold", "x_space", "min_trace")
    sizes = {}
    for name, block in blocks.items():
        options = plan.experiment_options(block)
        # Certified ones are Gram matrices, drawn from streams of their own.
        if block["experiment"] not in kinds or options.get("dimension_power") or name.endswith("_certified"):
            continue
        known = options.get("d")
        for d in known if isinstance(known, list) else [known]:
            if not name.startswith(("samples_settings", "samples_precision", "samples_projected")):
                sizes.setdefault(d, set()).add(name)
    for_the_ledger = {"error_in_d", "iterations_in_kappa_small_step"}
    shared = {d: sorted(names - for_the_ledger) for d, names in sizes.items()}
    lines = [
        f"- d = {d}: {', '.join(f'`{name}`' for name in names)}."
        for d, names in sorted(shared.items())
        if len(names) > 1
    ]
    ledger = (ROOT / "docs" / "chapters" / "theorem.md").read_text(encoding="utf-8")
    part = ledger.split("### What claims share")[1].split("\n### ")[0]
    assert [line for line in part.splitlines() if line.startswith("- ")] == lines
