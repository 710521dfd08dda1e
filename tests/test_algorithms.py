import numpy as np
import plain
import pytest
import torch

from algoreg import plugins
from algoreg.algorithms import stochastic
from algoreg.engine.experiment import Context
from algoreg.engine.loop import Descent
from algoreg.ensembles.gaussian import BLOCK_ROWS, Ensemble
from algoreg.experiments.descents import recorded, recorded_batch, result
from algoreg.numerics import problems
from algoreg.numerics.eigen import project

D, M, SEED = 7, 60, 5
PROBLEM = {"ensemble": "gaussian", "d": D, "rank": 2, "m": M, "target": {"kind": "columns"}, "targets": 3}
RECORD = {"errors": {"every": 10}}


def make(algorithm, runs, dtype=torch.float64, stop=None, problem=PROBLEM):
    arrays = problems.draw_problem(problem, SEED, 0)
    ensemble = problems.regenerate_ensemble(problem, arrays, "cpu", dtype, "problem.npz")
    return (
        recorded_batch(ensemble, arrays["factors"], arrays["labels"], algorithm, runs, RECORD, SEED, stop),
        arrays,
        ensemble,
    )


def projected_run(target=0, m=M, step=0.1, iterations=50, start="zero"):
    return {"target": target, "m": m, "step": step, "iterations": iterations, "start": start}


def stochastic_run(target=0, m=M, step=0.003, iterations=120, alpha=1.0, batch_size=1):
    return {
        "target": target, "m": m, "step": step, "iterations": iterations,
        "alpha": alpha, "start": "identity", "batch_size": batch_size,
    }  # fmt: skip


def errors_at_end(batch, count):
    errors = recorded(batch)["errors"]
    return np.array([errors[errors[:, 0] == k][-1, 2:] for k in range(count)])


def known_of(ensemble, arrays, target, m=M):
    """Return the measurement matrices and labels that a run knows, and its goal."""
    goal = arrays["factors"][target] @ arrays["factors"][target].T
    return plain.unpack(ensemble.rows.double().numpy(), D)[:m], arrays["labels"][target][:m], goal


def test_targets_from_a_number_on_are_those_of_that_number_and_the_next():
    context, kind = Context(SEED, [0], torch.device("cpu"), torch.float64), problems.spectrum_target(2, 4.0)
    factors = problems.draw_factors(kind, D, 2, context, 2, first=7)
    targets = problems.draw_targets(kind, D, 2, context, 2, first=7)
    for number, (factor, target) in enumerate(zip(factors, targets, strict=True), start=7):
        expected = problems.draw_factor(kind, D, 2, SEED, number)
        np.testing.assert_array_equal(factor, expected)
        np.testing.assert_allclose(target, expected @ expected.T, rtol=0, atol=1e-15)


def test_runs_are_told_apart_by_the_value_of_an_option():
    runs = [{"step": 0.1, "rule": rule} for rule in ("a", "b", "c", "b")]
    ensemble = Ensemble.draw(D, M, SEED, 0)
    solver = plugins.algorithm("projected")(ensemble, torch.zeros(len(runs), M, dtype=torch.float64), runs, 0)
    for rule in ("a", "b", "c"):
        assert solver.runs_with("rule", rule).tolist() == [run["rule"] == rule for run in runs]


def test_projection_is_the_nearest_psd_matrix():
    matrices = np.random.default_rng(0).standard_normal((5, 9, 9))
    matrices += matrices.transpose(0, 2, 1)
    result = project(torch.from_numpy(matrices)).numpy()
    for matrix, mine in zip(matrices, result, strict=True):
        np.testing.assert_allclose(mine, plain.nearest_psd(matrix), atol=1e-12)
        # Moreau: what was taken away is negative semidefinite and orthogonal to what is left.
        assert np.linalg.eigvalsh(matrix - mine).max() < 1e-12
        assert abs(np.sum((matrix - mine) * mine)) < 1e-10
    torch.testing.assert_close(project(torch.from_numpy(result)), torch.from_numpy(result))


def test_projection_of_a_matrix_that_is_not_finite_is_nan_and_leaves_the_others_alone():
    matrices = torch.eye(3, dtype=torch.float32).repeat(2, 1, 1)
    matrices[0, 1, 2] = torch.inf
    result = project(matrices)
    assert torch.isnan(result[0]).all()
    torch.testing.assert_close(result[1], matrices[1])


@pytest.mark.parametrize("start", ["zero", "identity"])
def test_projected_against_a_plain_loop(start):
    run = projected_run(target=1, m=40, start=start)
    batch, arrays, ensemble = make("projected", [run])
    matrices, labels, goal = known_of(ensemble, arrays, 1, 40)
    x = plain.projected(np.eye(D) * (start == "identity"), matrices, labels, 0.1, 50)
    expected = plain.relative_errors(x, matrices, labels, goal)
    np.testing.assert_allclose(errors_at_end(batch, 1)[0], expected, rtol=1e-8)


def test_single_samples_have_the_same_bits_beside_larger_batches():
    ends = []
    for sizes in ((1,), (1, 5)):
        batch, _, _ = make("stochastic", [stochastic_run(batch_size=size) for size in sizes])
        ends.append(Descent(batch).run(until=100).state["factor"][0])
    assert torch.equal(*ends)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_stochastic_against_a_plain_loop_with_the_same_sample_order(dtype, tolerance):
    batch, arrays, ensemble = make("stochastic", [stochastic_run(target=2, m=50)], dtype)
    matrices, labels, goal = known_of(ensemble, arrays, 2, 50)
    order = stochastic.samples(SEED, 0, 0, 120, 50)
    assert order.max() < 50
    u = plain.stochastic(np.eye(D), matrices, labels, 0.003, order[:, None])
    expected = plain.relative_errors(u @ u.T, matrices, labels, goal)
    np.testing.assert_allclose(errors_at_end(batch, 1)[0], expected, rtol=tolerance)


def test_mini_batches_against_a_plain_loop():
    runs = [stochastic_run(batch_size=b, step=0.02, target=t) for b, t in ((4, 0), (4, 1), (M, 0))]
    batch, arrays, ensemble = make("stochastic", runs)
    for k, run in enumerate(runs):
        matrices, labels, goal = known_of(ensemble, arrays, run["target"])
        b = run["batch_size"]
        order = stochastic.samples(SEED, 0, 0, 120 * b, M).reshape(120, b)
        u = plain.stochastic(np.eye(D), matrices, labels, 0.02, order)
        expected = plain.relative_errors(u @ u.T, matrices, labels, goal)
        np.testing.assert_allclose(errors_at_end(batch, 3)[k], expected, rtol=1e-8)


def test_single_sample_steps_are_batches_of_one(monkeypatch):
    runs = [stochastic_run(target=t, m=m) for t, m in ((0, M), (1, M), (1, 30))]
    fast, _, _ = make("stochastic", runs)
    monkeypatch.setattr(stochastic, "UNPACKED_BYTES", 0)
    slow, _, _ = make("stochastic", runs)
    np.testing.assert_allclose(errors_at_end(fast, 3), errors_at_end(slow, 3), rtol=1e-9)


def test_single_sample_steps_do_not_depend_on_what_runs_beside():
    runs = [stochastic_run(target=t, m=m) for t, m in ((0, M), (1, M), (1, 30))]
    together = errors_at_end(make("stochastic", runs)[0], 3)
    for run, errors in zip(runs, together, strict=True):
        assert np.array_equal(errors_at_end(make("stochastic", [run])[0], 1)[0], errors)


def test_samples_are_a_function_of_their_number(monkeypatch):
    whole = stochastic.samples(1, 2, 0, 3 * stochastic.CHUNK, 90)
    assert whole.min() == 0
    assert whole.max() == 89
    for start, stop in (
        (0, 10),
        (stochastic.CHUNK - 3, stochastic.CHUNK + 4),
        (2 * stochastic.CHUNK, 2 * stochastic.CHUNK + 1),
    ):
        assert np.array_equal(stochastic.samples(1, 2, start, stop, 90), whole[start:stop])
    assert not np.array_equal(stochastic.samples(1, 3, 0, 50, 90), whole[:50])
    counts = np.bincount(whole, minlength=90)
    expected = len(whole) / 90
    # chi-square with 89 degrees of freedom: 5 standard deviations
    assert np.sum((counts - expected) ** 2 / expected) < 89 + 5 * np.sqrt(2 * 89)


@pytest.mark.parametrize(("algorithm", "run"), [("projected", projected_run), ("stochastic", stochastic_run)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_saved_and_resumed_is_bit_for_bit_the_same(tmp_path, algorithm, run, dtype):
    runs = [run(target=t, iterations=n, m=m) for t, n, m in ((0, 40, 30), (1, 90, M), (2, 90, 45))]
    batch, _, _ = make(algorithm, runs, dtype)
    whole = recorded(batch)
    for cut in (1, 37, 40, 55):
        reached = Descent(batch).run(until=cut).save()
        fresh, _, _ = make(algorithm, runs, dtype)
        descent = Descent(fresh)
        descent.restore(reached)
        again = result(descent.run())
        for name, value in whole.items():
            assert np.array_equal(value, again[name]), (cut, name)


@pytest.mark.parametrize(
    ("algorithm", "good", "bad"),
    [
        ("projected", projected_run(iterations=300), projected_run(iterations=300, step=50.0, target=1)),
        ("stochastic", stochastic_run(iterations=300), stochastic_run(iterations=300, step=5.0, target=1)),
    ],
)
def test_divergence_is_recorded_with_its_iteration(algorithm, good, bad):
    batch, _, _ = make(algorithm, [bad, good])
    found = recorded(batch)
    assert found["status"].tolist() == ["diverged", "budget"]
    assert 0 < found["ended"][0] < 300
    assert np.isfinite(found["errors"]).all()


def test_runs_that_know_fewer_measurements_are_those_of_the_shorter_ensemble():
    """Counts that fall on and off the edges of blocks; the one pass serves every run its own prefix."""
    long = {**PROBLEM, "m": 2 * BLOCK_ROWS + 40}
    counts = [long["m"], BLOCK_ROWS, 50, 2 * BLOCK_ROWS, BLOCK_ROWS + 1]
    for algorithm, run in (("projected", projected_run), ("stochastic", stochastic_run)):
        batch, _, _ = make(algorithm, [run(m=m, iterations=40, target=1) for m in counts], problem=long)
        together = errors_at_end(batch, len(counts))
        for k, m in enumerate(counts):
            alone, _, _ = make(algorithm, [run(m=m, iterations=40, target=1)], problem={**PROBLEM, "m": m})
            np.testing.assert_allclose(together[k], errors_at_end(alone, 1)[0], rtol=1e-9)


def test_counts_must_fall_and_lie_within_the_ensemble():
    ensemble = Ensemble.draw(4, 9, 7, 1)
    for counts in ([3, 5], [10, 2], [4, 0]):
        with pytest.raises(ValueError, match="counts fall from at most m = 9"):
            ensemble.shared_by(counts)
