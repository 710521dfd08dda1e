"""The methods around factored descent: each against a plain loop, by an identity,
and what is refused before any job.
"""

from types import SimpleNamespace

import numpy as np
import plain
import pytest
import threadpoolctl
import torch
from conftest import option_problems, setting_problems, tier_settings

from algoreg import plugins
from algoreg.algorithms.factored import start_matrix
from algoreg.engine.loop import Batch, Descent
from algoreg.engine.observers import Ends
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics import eigen
from algoreg.numerics.eigen import leading
from algoreg.numerics.problems import draw_factor
from algoreg.settings import options
from algoreg.settings.messages import problems

D, M, RANK, SEED = 8, 60, 2, 5
FACTORS = [draw_factor({"kind": "spectrum", "eigenvalues": [1.0, 0.5]}, D, RANK, SEED, target) for target in range(3)]
TARGETS = torch.stack([torch.from_numpy(factor @ factor.T) for factor in FACTORS])


def run_of(algorithm, **changes):
    """Return the settings of a run, the algorithm's defaults filled in."""
    known = {"m": M, "step": 0.1, "iterations": 30, "target": 0, "alpha": 0.3}
    return {**options.of_runs(algorithm), **known, **changes}


def descent_of(algorithm, runs, dtype=torch.float64):
    """Return a batch that has run to its end, and its estimates."""
    ensemble, ends = Ensemble.draw(D, M, SEED, 0, dtype=dtype), Ends()
    targets = TARGETS[[run["target"] for run in runs]].to(dtype)
    labels, kind = ensemble.label(targets), plugins.algorithm(algorithm)
    descent = Descent(Batch(ensemble, kind, runs, targets, labels, [ends], SEED)).run()
    return descent, ends.memory["estimates"].double().numpy()


def ends_of(algorithm, *runs):
    """Return the estimates at the end of runs of an algorithm."""
    return descent_of(algorithm, [run_of(algorithm, **run) for run in runs])[1]


def known_of(target=0, m=M):
    """Return the measurement matrices and labels that a run knows."""
    matrices = plain.unpack(Ensemble.draw(D, M, SEED, 0).rows.numpy(), D)[:m]
    return matrices, plain.measure(matrices, TARGETS[target].numpy())


def start_of(kind, width, target=0, m=M, alpha=0.3):
    """Return U_0 as the plain loops take it."""
    if kind == "spectral":
        return alpha * plain.spectral_start(*known_of(target, m), width)
    return alpha * start_matrix(kind, D, SEED, target).numpy()[:, :width]


STARTS = [("identity", None), ("gaussian", 3), ("orthonormal", 5), ("spectral", 2), ("spectral", None)]


def test_leading_eigenvalues_are_those_of_lapack_and_nothing_beyond_a_count():
    matrices = np.random.default_rng(0).standard_normal((3, 6, 6))
    matrices += matrices.transpose(0, 2, 1)
    matrices[2, 0, 0] = np.inf
    values, vectors = (found.numpy() for found in leading(torch.from_numpy(matrices).float(), [2, 4, 1]))
    assert values.shape == (3, 4)
    assert vectors.shape == (3, 6, 4)
    for matrix, count, value, vector in zip(matrices[:2], (2, 4), values, vectors, strict=False):
        expected, basis = plain.largest_part(matrix, count)
        np.testing.assert_allclose(value[:count], expected, atol=1e-5)
        np.testing.assert_allclose(np.abs(vector[:, :count].T @ basis), np.eye(count), atol=1e-5)
        assert not value[count:].any()
        assert not vector[:, count:].any()
    assert np.isnan(values[2]).all()
    assert np.isnan(vectors[2]).all()


def test_few_leading_eigenvectors_of_a_large_matrix_are_those_of_the_whole_decomposition(monkeypatch):
    """LAPACK finds few of them alone: of eigenvalues that coincide, of 0, of a matrix that is not finite, too."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((36, 36)))[0]
    spectra = [np.r_[1.0, 1.0, 0.5, np.zeros(33)], rng.standard_normal(36), np.zeros(36), -np.ones(36), np.ones(36)]
    matrices = torch.from_numpy(np.stack([basis * spectrum @ basis.T for spectrum in spectra]))
    matrices[4, 0, 0] = np.nan
    counts = [2, 3, 1, 3, 2]
    values, vectors = leading(matrices, counts)
    monkeypatch.setattr(eigen, "FEW", 0)
    expected, whole = leading(matrices, counts)
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-14, equal_nan=True)
    assert vectors.shape == whole.shape == (5, 36, 3)
    parts = [torch.bmm(found * sizes[:, None], found.mT) for sizes, found in ((values, vectors), (expected, whole))]
    torch.testing.assert_close(*parts, rtol=0, atol=1e-14, equal_nan=True)
    assert not vectors[0, :, 2].any()


def test_few_leading_eigenvectors_take_one_thread_of_a_blas_loaded_after_the_limits_were_set(monkeypatch):
    """Two threads find them more slowly, and with other bits."""
    lapack, libraries = eigen._lapack()

    def threads():
        return {library["num_threads"] for library in libraries.info() if library["user_api"] == "blas"}

    seen = []

    def watched(*arguments, **more):
        seen.append(threads())
        return lapack.dsyevr(*arguments, **more)

    monkeypatch.setattr(eigen, "_lapack", lambda: (SimpleNamespace(dsyevr=watched), libraries))
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = threads()
        leading(torch.eye(24, dtype=torch.float64).expand(2, 24, 24), [1, 2])
        assert threads() == before
    assert seen == [{1}, {1}]


def test_factored_descent_of_any_width_and_start_against_a_plain_loop():
    """Runs of one batch differ in width, start, and in how much they know."""
    runs = [{"start": start, "width": width, "target": n % 3, "m": M - n} for n, (start, width) in enumerate(STARTS)]
    found = ends_of("factored", *runs)
    for run, x in zip(runs, found, strict=True):
        u = start_of(run["start"], run["width"] or D, run["target"], run["m"])
        u = plain.factored(u, *known_of(run["target"], run["m"]), 0.1, 30)
        np.testing.assert_allclose(x, u @ u.T, atol=1e-12)
        assert np.linalg.matrix_rank(x, tol=1e-9) <= (run["width"] or D)


def test_a_width_of_d_and_a_run_that_says_none_have_the_bits_of_a_square_factor():
    silent = run_of("factored", start="gaussian")
    del silent["width"]
    runs = [silent, {**silent, "width": None}, {**silent, "width": D}]
    found = [descent_of("factored", [run])[1] for run in runs]
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_narrow_starts_are_the_first_columns_of_the_wide_one():
    runs = [run_of("factored", start="gaussian", width=width, iterations=1) for width in (2, 5, None)]
    labels = Ensemble.draw(D, M, SEED, 0).label(TARGETS[[0, 0, 0]])
    solver = plugins.algorithm("factored")(Ensemble.draw(D, M, SEED, 0), labels, runs, SEED)
    narrow, middle, wide = solver.initial()["factor"]
    assert torch.equal(narrow[:, :2], wide[:, :2])
    assert torch.equal(middle[:, :5], wide[:, :5])
    assert not narrow[:, 2:].any()


@pytest.mark.parametrize(("start", "width"), STARTS)
def test_accelerated_descent_against_a_plain_loop(start, width):
    (x,) = ends_of("accelerated", {"start": start, "width": width, "momentum": 0.6})
    u = plain.accelerated(start_of(start, width or D), *known_of(), 0.1, 0.6, 30)
    np.testing.assert_allclose(x, u @ u.T, atol=1e-12)
    u = plain.accelerated(start_of(start, width or D), *known_of(), 0.1, 0.5, 30)
    assert np.abs(x - u @ u.T).max() > 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_without_momentum_accelerated_descent_is_factored_descent_to_the_bit(dtype):
    runs = [{"start": start, "width": width, "target": n % 3} for n, (start, width) in enumerate(STARTS)]
    plainly, slowly = (
        descent_of(name, [run_of(name, **run, **more) for run in runs], dtype)[1]
        for name, more in (("factored", {}), ("accelerated", {"momentum": 0.0}))
    )
    assert np.array_equal(plainly, slowly)


DAMPINGS = {"constant": lambda residual: 0.2, "residual": lambda residual: 0.2 * residual, "none": lambda residual: 0.0}


@pytest.mark.parametrize(("start", "width"), STARTS)
@pytest.mark.parametrize("damping", ["constant", "residual"])
def test_damped_preconditioned_descent_against_a_plain_loop(damping, start, width):
    run = {"start": start, "width": width, "damping": damping, "coefficient": 0.2, "target": 1, "m": 50}
    (x,) = ends_of("preconditioned", run)
    u = plain.preconditioned(start_of(start, width or D, 1, 50), *known_of(1, 50), 0.1, DAMPINGS[damping], 30)
    np.testing.assert_allclose(x, u @ u.T, atol=1e-10)


def test_runs_of_every_damping_and_width_share_a_batch():
    runs = [
        {"start": "spectral", "alpha": 1.0, "width": width, "damping": damping, "coefficient": 0.2}
        for damping, width in (("none", 2), ("constant", 4), ("residual", 8), ("none", 1))
    ]
    for run, x in zip(runs, ends_of("preconditioned", *runs), strict=True):
        u = start_of("spectral", run["width"], alpha=1.0)
        u = plain.preconditioned(u, *known_of(), 0.1, DAMPINGS[run["damping"]], 30)
        np.testing.assert_allclose(x, u @ u.T, atol=1e-10)


@pytest.mark.parametrize("ensemble", [e for e in plugins.modules("ensembles") if not options.reads_data(e)])
def test_gradient_and_residual_are_those_of_what_each_run_knows(ensemble):
    m = min(M, options.limits(ensemble).most_m(D) or M)
    drawn = plugins.ensemble(ensemble).draw(D, m, SEED, 0)
    counts = [m, m - 3, m // 3] if "prefixes" in drawn.provides else [m] * 3
    seen, labels = drawn.shared_by(counts), drawn.label(TARGETS)
    x = TARGETS.flip(0) + torch.eye(D, dtype=torch.float64)
    gradient, residual = seen.gradient_and_residual(x, labels)
    torch.testing.assert_close(gradient, seen.gradient(x, labels))
    torch.testing.assert_close(residual, seen.train_error(x, labels) * seen.label_size(labels))
    for run, count in enumerate(counts):
        if hasattr(drawn, "measure"):
            known = (drawn.measure(x) - labels)[run, :count]
            assert float(residual[run]) == pytest.approx(float(known.square().mean().sqrt()))
        else:
            # Half the gradient of the mean square is M.
            moved = x + 1e-6 * torch.eye(D, dtype=torch.float64)
            squares = [float(seen.gradient_and_residual(at, labels)[1][run]) ** 2 for at in (x, moved)]
            slope = float(torch.trace(gradient[run]))
            assert (squares[1] - squares[0]) / 2e-6 == pytest.approx(slope, rel=1e-4)


def test_as_the_damping_grows_preconditioned_descent_is_plain_descent():
    plainly = ends_of("factored", {"start": "gaussian", "width": 4})[0]
    distances = []
    for damping in (1e2, 1e4, 1e6):
        run = {"start": "gaussian", "width": 4, "damping": "constant", "coefficient": damping, "step": 0.1 * damping}
        distances.append(np.abs(ends_of("preconditioned", run)[0] - plainly).max())
    assert distances[2] < 1e-5
    np.testing.assert_allclose(np.divide(distances[:2], distances[1:]), 100, rtol=0.1)


def test_an_undamped_step_of_a_square_factor_is_a_step_on_x():
    """U(UᵀU)⁻¹ is U⁻ᵀ: with U = Q, orthogonal, X_1 = QQᵀ − 2ηM + η²M², whatever Q."""
    drawn = Ensemble.draw(D, M, SEED, 0)
    run = run_of("preconditioned", damping="none", start="spectral", alpha=1.0, width=D)
    solver = plugins.algorithm("preconditioned")(drawn, drawn.label(TARGETS[:1]), [run], SEED)
    basis = start_matrix("orthonormal", D, SEED, 0)
    x = solver.estimate(solver.advance({"factor": basis[None]}, 0, 1))[0].numpy()
    pull = plain.gradient(known_of()[0], np.eye(D), known_of()[1])
    np.testing.assert_allclose(x, np.eye(D) - 0.2 * pull + 0.01 * pull @ pull, atol=1e-12)


def test_a_run_that_fits_to_the_last_digit_goes_on_and_a_lost_column_diverges():
    run = {"start": "gaussian", "damping": "residual", "step": 0.5, "iterations": 3000, "width": 4}
    descent, found = descent_of("preconditioned", [run_of("preconditioned", **run)])
    assert descent.status == ["budget"]
    assert plain.relative_error(found[0], TARGETS[0].numpy()) < 1e-9
    # The part of N that is positive has fewer columns than d: the square of U cannot be inverted.
    lost = run_of("preconditioned", start="spectral", alpha=1.0, width=D, damping="none")
    descent, _ = descent_of("preconditioned", [lost, run_of("preconditioned", start="gaussian")])
    assert descent.status == ["diverged", "budget"]


@pytest.mark.parametrize("rule", ["fixed", "adaptive"])
@pytest.mark.parametrize(("keep", "momentum"), [(None, 0.0), (3, 0.0), (1, 0.4), (2, 0.4)])
def test_hard_thresholding_against_a_plain_loop(rule, keep, momentum):
    run = {"rule": rule, "keep": keep, "momentum": momentum, "step": 0.6, "target": 1, "m": 50}
    (x,) = ends_of("hard_thresholding", run)
    expected = plain.hard_thresholding(
        *known_of(1, 50), 0.6, keep or RANK, 30, momentum=momentum, adaptive=rule == "adaptive"
    )
    np.testing.assert_allclose(x, expected, atol=1e-9)
    assert np.linalg.matrix_rank(x, tol=1e-9) <= (keep or RANK)


def test_hard_thresholding_of_every_rank_shares_a_batch_and_of_rank_d_is_projected_descent():
    runs = [
        {"keep": keep, "rule": rule} for keep, rule in ((D, "fixed"), (2, "adaptive"), (3, "fixed"), (1, "adaptive"))
    ]
    found = ends_of("hard_thresholding", *runs)
    for run, x in zip(runs, found, strict=True):
        np.testing.assert_allclose(x, ends_of("hard_thresholding", run)[0], atol=1e-12)
    np.testing.assert_allclose(found[0], ends_of("projected", {})[0], atol=1e-12)


def test_a_normalised_step_finds_the_target_without_tuning_and_stays_there():
    runs = [{"rule": "adaptive", "step": 1.0, "iterations": 400, "momentum": momentum} for momentum in (0.0, 0.25)]
    for x in ends_of("hard_thresholding", *runs):
        assert plain.relative_error(x, TARGETS[0].numpy()) < 1e-12


@pytest.mark.parametrize("rule", ["fixed", "relative"])
@pytest.mark.parametrize(
    ("form", "depth"), [("product", 2), ("product", 3), ("product", 5), ("power", 2), ("power", 3)]
)
def test_deep_descent_against_a_plain_loop(form, depth, rule):
    (x,) = ends_of("deep", {"form": form, "depth": depth, "rule": rule, "step": 0.05, "target": 2})
    layers = [0.3 ** (2 / depth) * np.eye(D)] * depth
    expected = plain.deep(layers, *known_of(2), 0.05, 30, tied=form == "power", relative=rule == "relative")
    np.testing.assert_allclose(x, expected, atol=1e-10)
    assert plain.relative_error(x, 0.09 * np.eye(D)) > 0.1


def test_two_layers_are_the_factor_and_its_transpose():
    """From αI at the same step: depth 2 is UUᵀ."""
    (x,), (expected,) = ends_of("deep", {"depth": 2}), ends_of("factored", {})
    np.testing.assert_allclose(x, expected, atol=1e-12)


def test_deep_runs_of_every_form_and_depth_share_a_batch_and_count_their_time():
    runs = [
        {"form": form, "depth": depth, "rule": rule, "step": 0.05}
        for form, depth, rule in (
            ("product", 4, "fixed"), ("power", 2, "relative"), ("product", 2, "relative"), ("power", 4, "fixed"),
        )
    ]  # fmt: skip
    for run, x in zip(runs, ends_of("deep", *runs), strict=True):
        np.testing.assert_allclose(x, ends_of("deep", run)[0], atol=1e-12)
    drawn = Ensemble.draw(D, M, SEED, 0)
    solver = plugins.algorithm("deep")(
        drawn, drawn.label(TARGETS[[0] * 4]), [run_of("deep", **run) for run in runs], SEED
    )
    state = solver.advance(solver.initial(), 0, 12)
    assert state["time"][[0, 3]].tolist() == pytest.approx([0.6, 0.6])
    assert (state["time"][1:3] > 0).all()


SIGNED = [("identity", None, None), ("gaussian", 3, 2), ("orthonormal", 2, None), ("gaussian", 4, 0)]


def test_signed_descent_against_a_plain_loop_on_a_target_that_is_not_definite(monkeypatch):
    indefinite = TARGETS[0] - TARGETS[1]
    monkeypatch.setitem(globals(), "TARGETS", torch.stack([indefinite] * 3))
    runs = [{"start": start, "width": width, "negative": negative} for start, width, negative in SIGNED]
    for run, x in zip(runs, ends_of("signed", *runs), strict=True):
        positive = run["width"] or D
        negative = positive if run["negative"] is None else run["negative"]
        u = np.hstack([start_of(run["start"], positive), start_of(run["start"], negative)])
        signs = np.array([1.0] * positive + [-1.0] * negative)
        np.testing.assert_allclose(x, plain.signed(u, signs, *known_of(), 0.1, 30), atol=1e-12)
    (x,) = ends_of("signed", {"iterations": 600, "alpha": 0.01, "step": 0.2})
    assert plain.relative_error(x, indefinite.numpy()) < 1e-2
    assert np.linalg.eigvalsh(x).min() < -0.1


def test_without_columns_of_sign_minus_signed_descent_is_factored_descent():
    (x,), (expected,) = ends_of("signed", {"negative": 0, "width": 4}), ends_of("factored", {"width": 4})
    np.testing.assert_allclose(x, expected, atol=1e-12)


def test_signed_descent_starts_at_nothing():
    drawn = Ensemble.draw(D, M, SEED, 0)
    solver = plugins.algorithm("signed")(drawn, drawn.label(TARGETS[:1]), [run_of("signed", start="gaussian")], SEED)
    assert solver.estimate(solver.initial()).abs().max() < 1e-16


@pytest.mark.parametrize(
    ("algorithm", "run"),
    [
        ("factored", {"width": 3}),
        ("accelerated", {"momentum": 0.5}),
        ("preconditioned", {"damping": "constant"}),
        ("hard_thresholding", {"rule": "adaptive"}),
        ("deep", {"form": "product"}),
        ("deep", {"form": "power"}),
        ("signed", {}),
    ],
)
def test_a_run_that_diverges_is_an_outcome_and_leaves_the_others_alone(algorithm, run):
    bad, good = run_of(algorithm, step=400.0, iterations=200, **run), run_of(algorithm, iterations=200, target=1, **run)
    descent, found = descent_of(algorithm, [bad, good])
    assert descent.status == ["diverged", "budget"]
    np.testing.assert_allclose(found[1], descent_of(algorithm, [good])[1][0], atol=1e-9)


@pytest.mark.parametrize(
    ("algorithm", "changes", "line"),
    [
        ("accelerated", {"momentum": 1.0}, "Input should be less than 1"),
        ("accelerated", {"momentum": -0.1}, "Input should be greater than or equal to 0"),
        ("hard_thresholding", {"momentum": [0.5, 1]}, "Input should be less than 1"),
        ("hard_thresholding", {"keep": 0}, "Input should be greater than 0"),
        ("preconditioned", {"coefficient": 0}, "Input should be greater than 0"),
        ("preconditioned", {"coefficient": -1.0}, "Input should be greater than 0"),
        ("preconditioned", {"damping": "none"}, "a small start is forgotten"),
        ("preconditioned", {"damping": ["residual", "none"], "start": "spectral"}, "a small start is forgotten"),
        ("preconditioned", {"damping": "none", "start": "spectral", "alpha": [1.0, 0.1]}, "a small start is forgotten"),
        ("preconditioned", {"damping": "none", "start": "spectral", "alpha": 1.0}, "without it U has columns of 0"),
        ("deep", {"depth": 1}, "Input should be greater than or equal to 2"),
        ("signed", {"negative": -1}, "Input should be greater than or equal to 0"),
        ("factored", {"start": "planted"}, "Input should be 'identity', 'orthonormal', 'gaussian' or 'spectral'"),
        ("stochastic", {"width": 3}, "unknown key"),
    ],
)
def test_what_cannot_be_is_refused_before_any_job(algorithm, changes, line):
    run = {"step": 0.1, "iterations": 10, "m": M, "alpha": 0.1}
    if "alpha" not in options.of_runs(algorithm):
        del run["alpha"]
    assert not problems(options.of_algorithm(algorithm), run)
    found = problems(options.of_algorithm(algorithm), {**run, **changes})
    assert len(found) == 1
    assert line in found[0][1], found


def test_undamped_descent_is_allowed_with_a_width_from_the_unscaled_spectral_start():
    run = {"step": 0.1, "iterations": 10, "m": M, "alpha": 1.0, "damping": "none", "start": "spectral", "width": 2}
    assert not problems(options.of_algorithm("preconditioned"), run)


SIZED = [
    ("factored", "width"),
    ("accelerated", "width"),
    ("preconditioned", "width"),
    ("signed", "width"),
    ("signed", "negative"),
    ("hard_thresholding", "keep"),
]


@pytest.mark.parametrize(("algorithm", "key"), [*SIZED, ("asymmetric", "width")])
def test_more_columns_or_eigenvalues_than_d_are_refused_in_a_descent(algorithm, key):
    content = tier_settings("smoke")
    asked = content["experiments"]["other_starts"]["options"]
    d, run = asked["d"], asked["runs"][0]
    asked["algorithm"] = algorithm
    known = {"paper_step": run["paper_step"], "paper_iterations": run["paper_iterations"], key: [d, d + 1]}
    asked["runs"] = [known if algorithm == "hard_thresholding" else {**known, "alpha": 0.1}]
    lines = [line for line in setting_problems(content) if "experiments.other_starts.options.runs" in line]
    assert [line for line in lines if f"runs[0].{key} = {d + 1}: allowed is at most d = {d}" in line] == lines != []


@pytest.mark.parametrize(("algorithm", "key"), SIZED)
def test_more_columns_or_eigenvalues_than_d_are_refused_in_a_experiment(algorithm, key):
    smallest = min(tier_settings("smoke")["experiments"]["samples_r"]["options"]["d"])
    assert not option_problems("samples_r", algorithm=algorithm, algorithm_options={key: smallest})
    (line,) = option_problems("samples_r", algorithm=algorithm, algorithm_options={key: smallest + 1})
    assert f"algorithm_options.{key} = {smallest + 1}: allowed is at most d = {smallest}" in line
    (line,) = option_problems("samples_r", algorithm=algorithm, algorithm_options={key: [1]})
    assert f"algorithm_options.{key} = [1]: allowed is one value" in line


def test_a_experiment_refuses_options_that_its_algorithm_does_not_allow():
    (line,) = option_problems("samples_r", algorithm="accelerated", algorithm_options={"momentum": 1.5})
    assert "experiments.samples_r.options.algorithm_options.momentum = 1.5: Input should be less than 1" in line
    (line,) = option_problems("samples_r", algorithm="preconditioned", algorithm_options={"damping": "none"})
    assert 'algorithm_options: damping = "none": allowed' in line
    assert "a small start is forgotten" in line


def test_hard_thresholding_is_told_the_rank_unless_a_run_says_how_many_it_keeps():
    descent, _ = descent_of("hard_thresholding", [run_of("hard_thresholding", **run) for run in ({}, {"keep": 3})])
    assert [run["rank"] for run in descent.batch.runs] == [RANK, RANK]
    silent, told = ends_of("hard_thresholding", {}, {"keep": RANK})
    np.testing.assert_allclose(silent, told, atol=1e-12)
