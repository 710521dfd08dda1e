import subprocess
import sys
from typing import get_args

import numpy as np
import pandas as pd
import plain
import pytest
import torch
from conftest import measured, recorded_descents, refused, setting_problems, tier_settings
from scipy.integrate import quad
from scipy.stats import norm

from algoreg.algorithms import quadratic
from algoreg.chapters import li2018
from algoreg.chapters.networks import estimands
from algoreg.chapters.networks.experiments import (
    quadratic_cone,
    quadratic_network,
    quadratic_thresholds,
    truncation_lemma,
)
from algoreg.chapters.networks.variants import VARIANTS, labels_of, moments, run_of
from algoreg.claims.intervals import UNDEFINED
from algoreg.ensembles.rank_one import Ensemble
from algoreg.experiments.descents import recorded, recorded_batch
from algoreg.numerics import diagnostics
from algoreg.numerics.problems import draw_factor

D, M, SEED = 6, 70, 3
pytestmark = pytest.mark.replicates(100)


def normal(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def run(**changes):
    return {**run_of("algorithm-1", 2.0, 0.3, 0.01, M, 0), **changes}


def close(a, b, **tolerance):
    torch.testing.assert_close(a, b, **(tolerance or {"rtol": 1e-11, "atol": 1e-11}))


@pytest.mark.parametrize("level", [None, 3.0, 1e-6, 1e6])
def test_autograd_reproduces_the_gradient_with_its_truncation(level):
    ensemble, factors, labels = Ensemble.draw(D, M, SEED, 0), 0.5 * normal(1, 2, D, 4), normal(2, 2, M).square()
    factors.requires_grad_()
    predicted = torch.einsum("mi,bik->bmk", ensemble.vectors, factors).square().sum(2)
    seen = torch.ones_like(predicted) if level is None else (predicted <= level).double()
    (((predicted - labels).square() * seen).sum() / M).backward()
    levels = None if level is None else torch.full((2, 1), level, dtype=torch.float64)
    # The printed loss (1/m) Σ (ŷ − y)² 1{ŷ ≤ R} has the gradient 4·M̃U: the step's coefficient is stated, not absorbed.
    close(4 * ensemble.factored_gradient(factors.detach(), labels, levels), factors.grad)


def test_truncation_counts_all_measurements_of_a_prefix():
    ensemble, factors, labels = Ensemble.draw(D, M, SEED, 0), normal(1, 2, D, D), normal(2, 2, M).square()
    levels = torch.tensor([[4.0], [9.0]], dtype=torch.float64)
    shared = ensemble.shared_by([M, 20]).factored_gradient(factors, labels, levels)
    for i, m in enumerate((M, 20)):
        x = ensemble.vectors[:m]
        predicted = (x @ factors[i]).square().sum(1)
        weights = torch.where(predicted <= levels[i], predicted - labels[i, :m], 0.0) / m
        close(shared[i], torch.einsum("m,mi,mj->ij", weights, x, x) @ factors[i])


@pytest.mark.parametrize("changes", [*VARIANTS.values(), {"tau": "mean-label", "tau_error": -0.2}, {"width": 9}])
def test_a_step_against_a_plain_implementation(changes):
    ensemble, labels = Ensemble.draw(D, M, SEED, 0), normal(2, 1, M).square()
    options = run(**{**changes, "start": "orthonormal"})
    solver = quadratic.Algorithm(ensemble, labels, [options], SEED)
    start = solver.initial()
    y, x = labels[0].numpy(), ensemble.vectors.numpy()
    u = plain.network(
        start["factor"][0].numpy(), x, y, 3,
        tau=(y.mean() if options["tau"] == "mean-label" else 2.0) * (1 + options["tau_error"]),
        step=options["step"], level=options["truncation"] or np.inf,
        coefficient=options["coefficient"], rescaling=options["rescaling"],
    )  # fmt: skip
    close(solver.advance(start, 0, 3)["factor"][0], torch.from_numpy(u))


class Population:
    """The limit of many examples without truncation: M = 2Δ + tr(Δ)·I."""

    d = D

    def __init__(self, planted):
        self.planted = planted

    def factored_gradient(self, factors, labels, levels):
        difference = factors @ factors.mT - self.planted
        trace = torch.einsum("bii->b", difference)[:, None, None]
        return 2 * difference @ factors + trace * factors


@pytest.mark.parametrize(("coefficient", "equal"), [(1.0, True), (4.0, False)])
def test_in_the_population_limit_the_rescaled_step_is_the_matrix_sensing_step(coefficient, equal):
    factor = draw_factor({"kind": "columns"}, D, 2, SEED, 0)
    planted, step = torch.from_numpy(factor @ factor.T), 0.05
    options = run(step=step, coefficient=coefficient, alpha=0.7, truncation=None)
    solver = quadratic.Algorithm(Population(planted), torch.zeros(1, M, dtype=torch.float64), [options], SEED)
    start = solver.initial()
    difference = solver.estimate(start) - planted
    own = 2 * step * coefficient / (1 - step * torch.einsum("bii->b", difference))
    sensing = start["factor"] - own[:, None, None] * difference @ start["factor"]
    assert torch.allclose(solver.advance(start, 0, 1)["factor"], sensing, rtol=1e-12, atol=1e-12) == equal


@pytest.mark.parametrize("error", [0.1, -0.1])
def test_what_an_error_in_tau_leaves_in_the_population_limit(error):
    factor = np.linalg.qr(np.random.default_rng(0).standard_normal((D, 2)))[0]
    planted = torch.from_numpy(factor @ factor.T)
    options = run(step=0.1, alpha=1e-2, tau_error=error, truncation=None)
    solver = quadratic.Algorithm(Population(planted), torch.zeros(1, M, dtype=torch.float64), [options], SEED)
    end = solver.estimate(solver.advance(solver.initial(), 0, 3000))[0]
    # ετ/2 off in every direction that can move: X cannot become negative where X* is 0.
    expected = planted * (1 - error) if error > 0 else planted - error * torch.eye(D)
    close(end, expected, rtol=1e-6, atol=1e-6)


def batch(**changes):
    ensemble, factor = Ensemble.draw(D, M, SEED, 0), draw_factor({"kind": "columns"}, D, 1, SEED, 0)[None]
    labels = ensemble.label(torch.from_numpy(factor @ factor.transpose(0, 2, 1))).numpy()
    runs = [{**run(tau=1.0, truncation=None, alpha=1e-3, step=0.1), "iterations": 300, **changes}]
    return recorded_batch(ensemble, factor, labels, "quadratic", runs, {"errors": {"every": 100}}, SEED)


def test_the_engine_runs_it_and_records_a_denominator_of_zero_as_divergence():
    good = batch()
    result = recorded(good)
    assert result["status"][0] == "budget"
    assert result["errors"][-1, 3] < 0.02
    # |U|² = 0.25·6·4 = 6: 1 − η(6 − 1) = 0 at η = 0.2, exactly.
    for step in (0.2, 0.25):
        lost = batch(alpha=1.0, step=step)
        assert recorded(lost)["status"][0] == "diverged"


def test_mini_batches_can_be_resumed_and_share_a_batch_with_full_steps():
    ensemble, labels = Ensemble.draw(D, M, SEED, 0), normal(2, 3, M).square()
    runs = [run(batch_size=8), run(), run(batch_size=8, truncation=None)]
    solver = quadratic.Algorithm(ensemble, labels, runs, SEED)
    whole = solver.advance(solver.initial(), 0, 12)["factor"]
    assert torch.equal(whole, solver.advance(solver.advance(solver.initial(), 0, 5), 5, 7)["factor"])
    alone = quadratic.Algorithm(ensemble, labels[1:2], runs[1:2], SEED)
    close(whole[1], alone.advance(alone.initial(), 0, 12)["factor"][0])
    assert not torch.allclose(whole[0], whole[1])


def test_widths():
    for width in (1, 4, 6, 9, 12):
        start = quadratic.start_factor("orthonormal", D, width, SEED, 0)
        assert start.shape == (D, width)
        assert float(start.square().sum()) == pytest.approx(min(width, D))
    labels = normal(2, 2, M).square()
    with pytest.raises(ValueError, match="one width"):
        quadratic.Algorithm(Ensemble.draw(D, M, SEED, 0), labels, [run(width=2), run()], SEED)


@pytest.mark.parametrize(
    "changes", [{"truncation": 0.0}, {"tau": -1.0}, {"tau": 0.0}, {"batch_size": 71}, {"truncation": -1.0}]
)
def test_a_run_that_cannot_be_is_refused(changes):
    with pytest.raises(ValueError, match="allowed is"):
        quadratic.Algorithm(Ensemble.draw(D, M, SEED, 0), normal(2, 1, M).square(), [run(**changes)], SEED)


def test_bad_settings_are_named_before_any_job():
    tier = tier_settings("smoke")
    bad = {"alpha": 0.1, "step": 0.1, "iterations": 100, "truncation": 0, "tau": 0, "width": 0, "rescaling": 2}
    bad |= {"batch_size": 0, "coefficient": 0, "tau_error": -1}
    network = recorded_descents(ensemble="rank_one", rank=9, m=70, algorithm="quadratic", runs=[bad])
    tier["experiments"]["network"] = network
    assert any("experiments.network.options: rank = 9" in line for line in setting_problems(tier))
    network["options"]["rank"] = 2
    tier["experiments"]["quadratic_recovery"]["options"] |= {"rank": 9}
    text = "\n".join(setting_problems(tier))
    for key in bad.keys() - {"alpha", "step", "iterations"}:
        assert f"runs[0].{key} = {bad[key]}: Input should be" in text, (key, text)
    assert "rank = 9, d = 8: allowed is rank at most d" in text
    good = {"alpha": 0.1, "step": 0.1, "iterations": 100, "tau": 1.0}
    network["options"]["runs"] = [{**good, "batch_size": 71}]
    assert any("runs[0]: batch_size = 71: allowed is" in line for line in setting_problems(tier))
    refused("quadratic_recovery", "tau_error[0] = -1: Input should be greater than -1", tau_error=[-1])
    refused("quadratic_samples_in_d", "alpha = 0: Input should be greater than 0", alpha=0)


def test_the_generalisation_error_against_fresh_examples():
    a, b = normal(1, 1, D, D), normal(2, 1, D, D)
    a, b = a @ a.mT, b @ b.mT
    fresh = Ensemble.draw(D, 400_000, 1, 7)
    sampled = (fresh.measure(a) - fresh.measure(b)).square().mean()
    assert float(diagnostics.generalisation_error(a, b)[0]) == pytest.approx(float(sampled), rel=0.03)
    difference = a - b
    by_hand = 2 * torch.linalg.matrix_norm(difference) ** 2 + torch.trace(difference[0]) ** 2
    close(diagnostics.generalisation_error(a, b), by_hand)


def test_the_truncated_mean_by_integration_and_the_windows():
    for level in (0.5, np.log(100), np.log(100) ** 2):
        root = level**0.5
        along = 3 - quad(lambda g: g**4 * norm.pdf(g), -root, root)[0]
        across = 1 - quad(lambda g: g**2 * norm.pdf(g), -root, root)[0]
        assert li2018.truncated_deviation(level) == pytest.approx(max(along, across), rel=1e-6)
    assert li2018.truncated_deviation(0) == 3
    low, high = li2018.theorem_11_window(50, 1.5, 1e-6, 0.1)
    assert (low, high) == pytest.approx((1.5 * np.log(5e7) / 0.1, 1 / (0.1 * (7.5e-5) ** 0.5)))
    assert li2018.quadratic_network_bound(50, 1.5, 1e-3) == pytest.approx(0.075)


def test_memory_is_that_of_the_vectors_and_the_factor():
    code = """
import resource, torch
from algoreg.algorithms.quadratic import Algorithm
from algoreg.ensembles.rank_one import Ensemble
from algoreg.chapters.networks.variants import run_of
torch.set_num_threads(1)
d, m = 200, 100_000
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
small = Ensemble.draw(d, 512, 0, 0)
solver = Algorithm(small, torch.ones(1, 512, dtype=torch.float64), [run_of('algorithm-1', 2.0, 0.1, 0.01, 512, 0)], 0)
solver.advance(solver.initial(), 0, 1)
before = peak()
ensemble = Ensemble.draw(d, m, 0, 0)
solver = Algorithm(ensemble, torch.ones(1, m, dtype=torch.float64), [run_of('algorithm-1', 2.0, 0.1, 0.01, m, 0)], 0)
solver.advance(solver.initial(), 0, 1)
print((peak() - before) / (8 * (m * d + d * d)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # The m × d(d+1)/2 matrix of the measurements would be a hundred times the vectors.
    assert float(done.stdout) < 1.3


def rows_of(name, options, ensembles=(0, 1), dtype=torch.float64):
    return measured(name, options, seed=SEED, ensembles=ensembles, dtype=dtype)


NETWORK = {"d": 8, "rank": 2, "m": [60, 120], "targets": 2, "step": 0.1, "time": 20.0, "alpha": [1e-3]}


@pytest.mark.witness("quadratic_network", "error_of_zero")
def test_the_experiment_of_networks_is_the_algorithm_run_by_run():
    frame = rows_of(
        "quadratic_network",
        NETWORK | {"variant": ["algorithm-1", "plain", "permuted-labels"], "kappa": 2.0, "record": 3},
    )
    assert len(frame) == 2 * 3 * 3 * 2 * 2
    assert sorted(frame["iteration"].unique()) == [2, 20, 200]
    ensemble = Ensemble.draw(8, 120, SEED, 1)
    factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0, 0.5]}, 8, 2, SEED, 1)
    planted = torch.from_numpy(factor @ factor.T)[None]
    few = Ensemble(ensemble.vectors[:60], 8)
    for variant in ("algorithm-1", "plain"):
        solver = quadratic.Algorithm(few, few.label(planted), [run_of(variant, 1.5, 1e-3, 0.1, 60, 1)], SEED)
        estimate = solver.estimate(solver.advance(solver.initial(), 0, 200))
        row = frame.query("m == 60 and variant == @variant and iteration == 200 and target == 1 and ensemble == 1")
        assert row["test_error"].item() == pytest.approx(float(diagnostics.test_error(estimate, planted)[0]), rel=1e-6)
    assert (frame["error_of_zero"] == 2 * 1.25 + 1.5**2).all()


def test_a_diverged_network_is_recorded_once_and_for_all():
    frame = rows_of(
        "quadratic_network", NETWORK | {"variant": ["algorithm-1"], "alpha": [1.0], "step": 1.0, "record": 5}
    )
    lost = frame[frame["status"] == "diverged"]
    assert len(lost)
    assert lost["test_error"].isna().all()
    assert (lost["ended"] <= lost["iteration"]).all()
    wide = rows_of(
        "quadratic_network", NETWORK | {"variant": ["plain"], "width": [2, 12], "until": "window", "time": 1.0}
    )
    assert set(wide["width"]) == {2, 12}
    assert (wide["iteration"] == int(np.ceil(np.log(8 / 1e-3) / 0.1))).all()


def test_permuted_labels_are_the_same_numbers_and_moments_end_where_they_must():
    labels = normal(1, 2, 50)
    permuted = labels_of("permuted-labels", labels, 30, 0, 0)
    close(permuted[:, :30].sort().values, labels[:, :30].sort().values)
    assert torch.equal(permuted[:, 30:], labels[:, 30:])
    assert not torch.equal(permuted, labels)
    assert moments(500, 1) == [500]
    assert moments(500, 5)[-1] == 500
    assert moments(3, 10) == [1, 2, 3]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_least_squares_against_the_pseudoinverse_to_float64_whatever_the_data_type(dtype):
    length = D * (D + 1) // 2
    ensemble = Ensemble.draw(D, length + 4, SEED, 0, dtype=dtype)
    factor = draw_factor({"kind": "columns"}, D, 2, SEED, 0)
    planted = torch.from_numpy(factor @ factor.T)[None].to(dtype)
    rows = torch.einsum("mi,mj->mij", ensemble.vectors.double(), ensemble.vectors.double()).flatten(1)
    counts = [5, length - 1, length, length + 4]
    errors = quadratic_thresholds.least_squares_errors(ensemble, planted, counts)
    assert errors.dtype == torch.float64
    for m, (error,) in zip(counts, errors.tolist(), strict=True):
        limit = torch.linalg.pinv(rows[:m], rtol=1e-12) @ (rows[:m] @ planted.double().flatten())
        expected = torch.linalg.vector_norm(limit - planted.double().flatten()) / torch.linalg.vector_norm(planted)
        assert error == pytest.approx(float(expected), rel=1e-5, abs=1e-10)
    # Where the measurements determine X* the error is rounding, not its square root.
    assert errors[2:].max() < 1e-13


def test_thresholds_do_not_depend_on_the_data_type():
    options = {
        "d": [8, 12],
        "rank": [1],
        "m_over_dr": [1.5, 3, 6, 12],
        "targets": 2,
        "variant": ["algorithm-1", "plain"],
    }
    options |= {"alpha": 1e-4, "step": 0.2, "time": 40.0, "least_squares": [8]}
    double, single = (rows_of("quadratic_thresholds", options, dtype=t) for t in (torch.float64, torch.float32))
    for variant in ("algorithm-1", "plain"):
        found = [
            estimands.example_thresholds(frame[frame["variant"] == variant], "d", 0.1)[1] for frame in (double, single)
        ]
        np.testing.assert_allclose(found[1], found[0], rtol=2e-3)
    assert set(double["variant"]) == {"algorithm-1", "plain", "least-squares"}


@pytest.mark.witness("truncation_lemma", "mean_ratio")
def test_truncated_sums_against_full_matrices():
    vectors = normal(4, 200, 5)
    direction = torch.nn.functional.normalize(normal(5, 5), dim=0)
    matrices = torch.einsum("mi,mj->mij", vectors, vectors)
    planted = torch.outer(direction, direction)
    for level in (2.0, float("inf")):
        inner = torch.einsum("mij,ij->m", matrices, planted)
        total = torch.einsum("m,mij->ij", inner * (inner <= level), matrices) / 200
        expected = torch.linalg.matrix_norm(total - 2 * planted - torch.eye(5), 2)
        assert truncation_lemma.deviation(vectors, direction, level) == pytest.approx(float(expected))
    frame = rows_of("truncation_lemma", {"d": [6], "m": [50, 100], "delta": [0.1, 0.01], "directions": 3})
    assert len(frame) == 2 * 2 * 3 * 2 * 2
    assert (frame["ratio"] == frame["deviation"] / frame["delta"]).all()
    assert frame[frame["truncation"] == "none"]["level"].isna().all()
    # Of the mean Σ ⟨X, xxᵀ⟩xxᵀ over x ~ N(0, I) what is cut off deviates, along u and across.
    for (level, delta), own in frame.dropna(subset="level").groupby(["level", "delta"]):
        along, across = (
            2 * quad(lambda g, power=power: g**power * norm.pdf(g), level**0.5, np.inf)[0] for power in (4, 2)
        )
        np.testing.assert_allclose(own["mean_ratio"], max(along, across) / delta, rtol=1e-6)


def test_positivity_alone_identifies_the_teacher_of_a_network_sooner():
    options = {"d": 10, "rank": 1, "m_over_d": [4], "targets": 2, "iterations": 300, "alpha": 1.0, "time": 5.0}
    errors = rows_of("quadratic_cone", options).groupby(["measurements", "method"])["test_error"].max()
    assert errors["rank-one", "projected"] < 0.05
    assert errors["gaussian", "factored"] > 0.5
    ensemble = Ensemble.draw(D, M, SEED, 0)
    columns = ensemble.measure(
        torch.eye(D * D, dtype=torch.float64).view(-1, D, D) / 2 + torch.eye(D * D).view(-1, D, D).mT / 2
    )
    top = torch.linalg.eigvalsh(columns @ columns.T / M).max()
    assert quadratic_cone.largest_curvature(ensemble) == pytest.approx(float(top), rel=1e-6)


def crossed(values, names, column):
    """Return a table with the given mean of log ``column`` per point and a little crossed noise."""
    rng = np.random.default_rng(0)
    by_target, by_ensemble = rng.normal(0, 0.01, 3), rng.normal(0, 0.01, 4)
    return pd.DataFrame(
        {
            **dict(zip(names, point, strict=True)),
            "target": t,
            "ensemble": e,
            column: value * np.exp(by_target[t] + by_ensemble[e]),
        }
        for point, value in values.items()
        for t in range(3)
        for e in range(4)
    )


@pytest.mark.known_answer("alpha_exponent")
def test_exponents_in_alpha_by_variant():
    values = {("a", x): x**2 for x in (1e-3, 1e-2, 1e-1)} | {("b", x): x**0.5 for x in (1e-3, 1e-2, 1e-1)}
    # A variant that is not asked for.
    values |= {("c", x): value for x, value in zip((1e-3, 1e-2, 1e-1), (1e-9, 1.0, 1e-9), strict=True)}
    frame = crossed(values, ("variant", "alpha"), "g").assign(error_of_zero=1.0)
    rng = np.random.default_rng(0)
    options = {"table": "x", "value": "g", "variants": ["a", "b"]}
    assert estimands.alpha_exponent({"x": frame}, {}, rng, pick="smallest", **options).value == pytest.approx(0.5)
    assert estimands.alpha_exponent({"x": frame}, {}, rng, pick="largest", **options).value == pytest.approx(2)
    frame.loc[frame["variant"] == "a", "g"] = np.nan
    assert estimands.alpha_exponent({"x": frame}, {}, rng, pick="smallest", **options).value == pytest.approx(0)


def test_crossings_are_interpolated_and_never_dropped():
    errors = np.array([[1.0, 0.05, 1.0, np.nan], [0.2, 0.04, 0.9, 0.01], [0.02, 0.03, 0.8, 0.01]])[:, :, None]
    found, censored = estimands.crossings([10, 20, 40], errors, 0.1, 500)
    between = 20 * 2 ** (np.log(0.2 / 0.1) / np.log(0.2 / 0.02))
    np.testing.assert_allclose(found[:, 0], [between, 10, 500, 10 * 2**0.5])
    assert censored[:, 0].tolist() == [False, True, True, False]
    assert estimands.crossings([10, 20, 40], errors, 0.1, 1)[0][2, 0] == 40


@pytest.mark.known_answer("examples_exponent")
def test_an_exponent_of_examples_and_one_that_nothing_teaches():
    grid = (1, 2, 4, 8, 16)
    values = {(d, 1, d * c): min(1.0, (0.1 * 3 / c) ** 2) for d in (10, 20, 40) for c in grid}
    frame = crossed(values, ("d", "rank", "m"), "test_error").assign(variant="v")
    frame = pd.concat([frame, frame.assign(variant="w", test_error=1.0)])
    options = {"table": "x", "tolerance": 0.1, "variant": "v"}
    rng = np.random.default_rng(0)
    found = estimands.examples_exponent({"x": frame}, {}, rng, along="d", **options)
    assert found.value == pytest.approx(1.0)
    never = {(20, r, r * 20 * c): 1.0 for r in (1, 2, 3, 4) for c in (2, 4, 8)}
    frame = crossed(never, ("d", "rank", "m"), "test_error").assign(variant="v")
    found = estimands.examples_exponent({"x": frame}, {}, rng, along="rank", **options)
    assert found.low > 2
    with pytest.raises(ValueError, match="at least three"):
        estimands.examples_exponent({"x": frame[frame["rank"] < 3]}, {}, rng, along="rank", **options)


@pytest.mark.known_answer("late_slope")
def test_late_slopes_tell_a_power_from_linear_convergence():
    times = np.unique(np.geomspace(1, 1000, 60).round()).astype(int).tolist()
    power = 0.5 / np.array(times, dtype=float)
    linear = np.maximum(np.exp(-np.array(times) / 20.0), 1e-8)
    flat = np.full(len(times), 0.4)
    errors = np.stack([power, linear, flat], axis=1)[:, :, None]
    slopes = estimands.late_slopes(times, errors, 0.1, 0.001)[:, 0]
    assert slopes[0] == pytest.approx(-1, rel=1e-6)
    # From 20·log 10 to 20·log 1000: a slope of log 100/log 3.
    assert slopes[1] == pytest.approx(-np.log(100) / np.log(3), rel=0.02)
    assert slopes[2] == 0
    values = {("p", t): v for t, v in zip(times, power, strict=True)} | {
        ("l", t): v for t, v in zip(times, linear, strict=True)
    }
    # Beside a variant that is not asked for, and stands still.
    values |= {("f", t): 0.4 for t in times}
    frame = crossed(values, ("variant", "iteration"), "e")
    options = {"table": "x", "value": "e", "variants": ["p", "l"], "high": 0.1, "low": 0.001}
    for pick, expected in (("slowest", -1), ("fastest", -4.2)):
        found = estimands.late_slope({"x": frame}, {}, np.random.default_rng(0), pick=pick, **options)
        assert found.value == pytest.approx(expected, rel=0.05)
    frame.loc[0, "e"] = np.nan
    lost = estimands.late_slope({"x": frame}, {}, np.random.default_rng(0), pick="slowest", **options)
    assert lost == UNDEFINED


@pytest.mark.known_answer("tau_exponent")
def test_exponents_in_the_error_of_tau_by_sign():
    sizes = [0.01, 0.1]
    values = {("v", e): e for e in sizes} | {("v", -e): np.nan for e in sizes} | {("v", 0.0): 1e-4}
    frame = crossed(values, ("variant", "tau_error"), "e").assign(iteration=9)
    frame = pd.concat([frame.assign(iteration=1, e=1.0), frame, frame.assign(variant="w", e=1.0)])
    options = {"table": "x", "value": "e", "sizes": sizes, "variant": "v"}
    for signs, expected in (([1], 1), ([1, -1], 0)):
        found = estimands.tau_exponent({"x": frame}, {}, np.random.default_rng(0), signs=signs, **options)
        assert found.value == pytest.approx(expected, abs=1e-9)


def test_experiments_name_the_variants_that_there_are():
    named = get_args(get_args(quadratic_network.Options.model_fields["variant"].annotation)[0])
    assert list(named) == list(VARIANTS)


@pytest.mark.known_answer("tau_exponent_in_time")
def test_exponents_in_the_error_of_tau_at_the_theorems_time():
    sizes = [0.01, 0.1]
    frames = []
    # At 2T the errors of τ too small fall like the root, at 4T they have diverged.
    for time, low in ((1.004, 1.0), (2.003, 0.5), (4.0, None)):
        values = {("v", e): e for e in sizes} | {("v", -e): np.nan if low is None else e**low for e in sizes}
        frames.append(crossed(values, ("variant", "tau_error"), "e").assign(over_window=time))
    tables = {"x": pd.concat(frames)}
    options = {"table": "x", "value": "e", "sizes": sizes, "variant": "v"}

    def found(signs, multiples):
        rng = np.random.default_rng(0)
        return estimands.tau_exponent_in_time(tables, {}, rng, signs=signs, multiples=multiples, **options).value

    assert found([1, -1], [1]) == pytest.approx(1)
    assert found([1, -1], [1, 2]) == pytest.approx(0.5)
    assert found([1], [1, 2, 4]) == pytest.approx(1)
    assert found([1, -1], [4]) == pytest.approx(0, abs=1e-9)
    # One run that diverged at the largest size is harm: alone it would make the slope steeper.
    early = frames[0]
    one = (early["tau_error"] == -0.1) & (early["target"] == 1) & (early["ensemble"] == 0)
    tables = {"x": early.assign(e=early["e"].where(~one))}
    assert found([1, -1], [1]) == pytest.approx(0, abs=1e-9)
    assert found([1], [1]) == pytest.approx(1)
    tables = {"x": pd.concat(frames)}
    for multiple in (3, 5):
        with pytest.raises(ValueError, match=f"no iteration recorded at {multiple} times the theorem's T"):
            found([1], [multiple])


@pytest.mark.known_answer("tau_time_exponent")
def test_the_time_of_divergence_has_an_exponent_and_none_where_a_run_stays():
    sizes = [0.01, 0.03, 0.1]
    values = {("v", -e): 5 * e**-0.8 for e in sizes} | {("v", 0.1): 9.0}
    frame = crossed(values, ("variant", "tau_error"), "ended").assign(iteration=900, reached=7.0)
    frame["status"] = np.where(frame["tau_error"] < 0, "diverged", "budget")
    frame = pd.concat([frame, frame.assign(variant="w", status="budget", iteration=999)])
    options = {"table": "x", "sizes": sizes, "variant": "v"}
    for value, expected in (("ended", 0.2), ("reached", 1.0)):
        found = estimands.tau_time_exponent({"x": frame}, {}, np.random.default_rng(0), value=value, **options)
        assert found.value == pytest.approx(expected)
        assert found.low <= found.value <= found.high
    for changed in (frame.assign(status="budget"), frame.assign(ended=np.nan)):
        lost = estimands.tau_time_exponent({"x": changed}, {}, np.random.default_rng(0), value="ended", **options)
        assert lost == UNDEFINED


@pytest.mark.witness("quadratic_network", "reached", "ended", "status", "over_window")
def test_looks_find_divergence_and_recovery_between_recorded_times_and_change_nothing_else():
    options = NETWORK | {"variant": ["algorithm-1"], "tau_error": [-0.5, 0.0], "time": 40.0, "m": [120]}
    options |= {"record": 3, "multiples": [1, 2, 100]}
    seldom, often = rows_of("quadratic_network", options), rows_of("quadratic_network", options | {"look": 3})
    lower = np.log(8 / 1e-3) / 0.1
    wanted = {4, 40, 400, int(np.ceil(lower)), int(np.ceil(2 * lower))}
    assert set(often["iteration"]) == set(seldom["iteration"]) == wanted
    assert often["over_window"].to_numpy() == pytest.approx(often["iteration"] / lower)
    np.testing.assert_allclose(often["test_error"], seldom["test_error"], rtol=1e-9)
    factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0, 1.0]}, 8, 2, SEED, 1)
    planted = torch.from_numpy(factor @ factor.T)[None]
    ensemble = Ensemble.draw(8, 120, SEED, 0)
    for error in (-0.5, 0.0):
        run = run_of("algorithm-1", 2.0, 1e-3, 0.1, 120, 1, tau_error=error)
        solver = quadratic.Algorithm(ensemble, ensemble.label(planted), [run], SEED)
        iterate, errors = solver.initial(), []
        for now in range(400):
            iterate = solver.advance(iterate, now, 1)
            errors.append(float(diagnostics.test_error(solver.estimate(iterate), planted)[0]))
        errors = np.array(errors)
        row = often.query("tau_error == @error and target == 1 and ensemble == 0 and iteration == 400").iloc[0]
        times = np.arange(1, 401)
        looked = np.isin(times, [*range(3, 400, 3), *wanted])
        lost = times[looked & ~(errors < 1e3)]
        assert row["reached"] == times[looked & (errors < 0.5)][0]
        assert row["ended"] == (lost[0] if len(lost) else 400)
        assert (error < 0) == (row["status"] == "diverged")


def test_levels_of_truncation_and_what_the_repaired_lemma_says():
    found = rows_of("truncation_lemma", {"d": [6], "m": [50], "delta": [0.01], "directions": 2,
                                         "truncation": ["four_logs", "three_logs"]})  # fmt: skip
    for truncation, factor in (("four_logs", 4), ("three_logs", 3)):
        part = found[found["truncation"] == truncation]
        assert set(part["level"]) == {factor * np.log(100)}
        root = (factor * np.log(100)) ** 0.5
        along = 3 - quad(lambda g: g**4 * norm.pdf(g), -root, root)[0]
        assert part["mean_ratio"].to_numpy() == pytest.approx(along / 0.01, rel=1e-6)
    assert found[found["truncation"] == "four_logs"]["mean_ratio"].max() < 1
    assert found[found["truncation"] == "three_logs"]["mean_ratio"].min() > 1


def test_dimensions_grow_with_the_rank():
    options = {"m_over_dr": [2, 4], "targets": 2, "variant": ["algorithm-1"], "alpha": 1e-2, "step": 0.2, "time": 2.0}
    found = rows_of("quadratic_thresholds", options | {"d": [3], "rank": [1, 2], "dimension_power": 2})
    assert set(zip(found["rank"], found["d"], found["m"], strict=True)) == {
        (1, 3, 6),
        (1, 3, 12),
        (2, 12, 48),
        (2, 12, 96),
    }
    plain = rows_of("quadratic_thresholds", options | {"d": [12], "rank": [2]})
    np.testing.assert_allclose(found[found["rank"] == 2]["test_error"], plain["test_error"], rtol=1e-12)
