import copy

import numpy as np
import pytest
import torch
from conftest import recorded_descents, setting_problems, tier_settings
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from test_ensembles import symmetric

from algoreg.ensembles import gaussian, gram, wishart
from algoreg.ensembles.gaussian import BLOCK_ROWS
from algoreg.experiments.descents import recorded, recorded_batch
from algoreg.numerics import problems
from algoreg.numerics.svec import svec
from algoreg.numerics.theory import symmetric_dimension

SMOKE = tier_settings("smoke")


@settings(max_examples=40)
@given(st.integers(1, 7), st.integers(1, 2 * BLOCK_ROWS + 5), st.integers(0, 2**31))
def test_a_gram_matrix_says_what_its_measurements_say(d, m, seed):
    """Labels with noise, so that nothing is small by chance; m below and above D."""
    dense = gaussian.Ensemble.draw(d, m, seed, 0)
    labels = dense.label(symmetric(d, 2, seed)) + torch.from_numpy(np.random.default_rng(seed).standard_normal((2, m)))
    matrices = symmetric(d, 2, seed + 1)
    for small in (gram.Ensemble.of(dense), gram.Ensemble.draw(d, m, seed, 0)):
        rows = gram.label_rows(dense, labels)
        assert rows.shape == (2, symmetric_dimension(d) + 1)
        expected = dense.gradient(matrices, labels)
        torch.testing.assert_close(small.gradient(matrices, rows), expected, rtol=1e-10, atol=1e-10)
        product = dense.factored_gradient(matrices, labels)
        torch.testing.assert_close(small.factored_gradient(matrices, rows), product, rtol=1e-10, atol=1e-9)
        torch.testing.assert_close(
            small.train_error(matrices, rows), dense.train_error(matrices, labels), rtol=1e-6, atol=1e-6
        )


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(1, 60), st.integers(0, 2**31))
def test_labels_of_targets_are_those_of_their_measurements(d, m, seed):
    dense, small = gaussian.Ensemble.draw(d, m, seed, 3), gram.Ensemble.draw(d, m, seed, 3)
    targets = symmetric(d, 3, seed)
    expected = gram.label_rows(dense, dense.label(targets))
    torch.testing.assert_close(small.label(targets), expected, rtol=1e-11, atol=1e-11)


def test_gram_and_gaussian_are_the_same_draw():
    dense = gaussian.Ensemble.draw(5, 300, 7, 1)
    for dtype in (torch.float64, torch.float32):
        small = gram.Ensemble.draw(5, 300, 7, 1, dtype=dtype)
        assert (small.d, small.m, small.number, small.dtype) == (5, 300, 1, dtype)
        assert small.digest == dense.digest == gram.Ensemble.of(dense).digest
        torch.testing.assert_close(small.gram, (dense.rows.mT @ dense.rows / 300).to(dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("m", [30, 500])
def test_small_train_errors_are_resolved_as_far_as_is_said(dtype, m):
    target = symmetric(8, 1, 0)
    kind, least = getattr(torch, dtype), gram.Limits.smallest_train_error[dtype]
    dense = gaussian.Ensemble.draw(8, m, 1, 0)
    small = gram.Ensemble.draw(8, m, 1, 0, dtype=kind)
    labels = gram.Ensemble.draw(8, m, 1, 0).label(target).to(kind)
    assert small.train_error(target.to(kind), labels).item() < least
    near = (target * (1 + 2 * least)).to(kind)
    known = dense.train_error(near.double(), dense.label(target)).item()
    assert small.train_error(near, labels).item() == pytest.approx(known, rel=0.2)


@pytest.mark.parametrize("m", [18, 60])
@pytest.mark.parametrize("algorithm", ["factored", "projected"])
def test_whole_descents_agree_with_those_on_the_measurements(algorithm, m):
    options = [{"start": "identity", "alpha": a} if algorithm == "factored" else {"start": "zero"} for a in (0.1, 1.0)]
    runs = [
        {"target": t, "m": m, "step": 0.1, "iterations": 60 + 30 * t, **option} for t in range(3) for option in options
    ]
    results = {}
    for name in ("gaussian", "gram"):
        problem = {"ensemble": name, "d": 7, "rank": 2, "m": m, "target": {"kind": "columns"}, "targets": 3}
        arrays = problems.draw_problem(problem, 5, 0)
        ensemble = problems.regenerate_ensemble(problem, arrays, "cpu", torch.float64, "problem.npz")
        record = {"errors": {"every": 10}, "spectrum": {"log_spaced": 4}}
        batch = recorded_batch(ensemble, arrays["factors"], arrays["labels"], algorithm, runs, record, 5, 1e-4)
        results[name] = {**recorded(batch), "ensemble_sha256": arrays["ensemble_sha256"]}
    assert results["gram"]["errors"][:, 2].min() < 0.1
    assert set(results["gram"]["status"]) <= {"budget", "converged"}
    for name, value in results["gaussian"].items():
        if value.dtype.kind == "f":
            np.testing.assert_allclose(results["gram"][name], value, rtol=1e-8, atol=1e-12)
        else:
            assert np.array_equal(results["gram"][name], value)


def test_a_diverging_run_is_seen_and_does_not_spoil_the_others():
    problem = {"ensemble": "gram", "d": 7, "rank": 2, "m": 60, "target": {"kind": "columns"}, "targets": 1}
    arrays = problems.draw_problem(problem, 5, 0)
    ensemble = problems.regenerate_ensemble(problem, arrays, "cpu", torch.float32, "problem.npz")
    runs = [{"target": 0, "m": 60, "step": s, "iterations": 300, "start": "identity", "alpha": 1.0} for s in (50, 0.1)]
    batch = recorded_batch(
        ensemble, arrays["factors"], arrays["labels"], "factored", runs, {"errors": {"every": 100}}, 5
    )
    result = recorded(batch)
    assert result["status"].tolist() == ["diverged", "budget"]
    assert np.isfinite(result["errors"]).all()


def test_what_a_gram_matrix_does_not_contain_is_refused():
    dense = gaussian.Ensemble.draw(4, 30, 0, 0)
    for small in (gram.Ensemble.of(dense), wishart.Ensemble.draw(4, 30, 0, 0)):
        assert small.shared_by(np.array([30, 30])) is small
        with pytest.raises(ValueError, match="does not contain prefixes: it is that of all m = 30, not of 20"):
            small.shared_by([30, 20])
        assert "single measurements" not in small.provides
    with pytest.raises(ValueError, match="does not contain prefixes, but runs know"):
        gram.Ensemble.of(dense.shared_by([30, 20]))
    with pytest.raises(ValueError, match="d = 4 is 10 × 10"):
        gram.Ensemble(torch.zeros(10, 9), 4, 30)


@pytest.mark.parametrize("m", [6, 9, 40])
def test_the_law_of_a_wishart_draw_is_that_of_direct_draws(m):
    """Mean, variances and extreme eigenvalues at D = 6, down to m = D, where the smallest eigenvalue nears 0."""
    draws = {
        kind: np.stack([kind.draw(3, m, 1, k).gram.numpy() for k in range(2000)])
        for kind in (gram.Ensemble, wishart.Ensemble)
    }
    drawn, direct = draws[wishart.Ensemble], draws[gram.Ensemble]
    one = np.eye(6)
    # Of iid normal rows: Var G_ij = (1 + [i = j]) / m. Tolerances are 5 standard errors, that of a variance from its
    # sample.
    np.testing.assert_array_less(np.abs(drawn.mean(axis=0) - one), 5 * np.sqrt((1 + one) / m / len(drawn)))
    squares = (drawn - one) ** 2
    error = squares.std(axis=0) / np.sqrt(len(drawn))
    np.testing.assert_array_less(np.abs(squares.mean(axis=0) - (1 + one) / m), 5 * error)
    error = np.hypot(error, ((direct - one) ** 2).std(axis=0) / np.sqrt(len(direct)))
    np.testing.assert_array_less(np.abs(drawn.var(axis=0) - direct.var(axis=0)), 5 * error)
    mine, theirs = np.linalg.eigvalsh(drawn), np.linalg.eigvalsh(direct)
    for place in (0, 2, 5):
        assert ks_2samp(mine[:, place], theirs[:, place]).pvalue > 1e-3


def test_the_spectrum_of_a_wishart_draw_fills_the_marchenko_pastur_interval():
    eigenvalues = torch.linalg.eigvalsh(wishart.Ensemble.draw(20, 840, 0, 0).gram)
    assert eigenvalues[0].item() == pytest.approx((1 - 0.5) ** 2, abs=0.05)
    assert eigenvalues[-1].item() == pytest.approx((1 + 0.5) ** 2, abs=0.1)


def test_a_hundred_million_measurements_are_almost_an_isometry():
    drawn = wishart.Ensemble.draw(20, 10**8, 0, 0)
    edge = 2 * np.sqrt(210 / 10**8)
    assert 0.9 * edge < drawn.isometry_deviation() < 1.1 * edge
    # The same numbers in float32 are as good an ensemble.
    assert wishart.Ensemble.draw(20, 10**8, 0, 0, dtype=torch.float32).isometry_deviation() < 1.1 * edge


def test_isometry_deviation_is_the_largest_one_of_all_directions():
    small = gram.Ensemble.draw(4, 25, 3, 0)
    values = np.linalg.eigvalsh(small.gram.numpy())
    deviation = small.isometry_deviation()
    assert deviation == pytest.approx(np.abs(values - 1).max(), rel=1e-12)
    x = svec(symmetric(4, 500, 0)).numpy()
    quotients = np.einsum("bi,ij,bj->b", x, small.gram.numpy(), x) / np.sum(x**2, axis=1)
    assert np.abs(quotients - 1).max() <= deviation
    assert gram.Ensemble.draw(4, 5, 3, 0).isometry_deviation() >= 1 - 1e-12


def test_a_wishart_draw_follows_from_its_name():
    one, again = wishart.Ensemble.draw(5, 40, 7, 1), wishart.Ensemble.draw(5, 40, 7, 1, dtype=torch.float32)
    assert one.digest == again.digest
    assert torch.equal(one.gram.float(), again.gram)
    others = {wishart.Ensemble.draw(5, m, s, e).digest for m, s, e in ((40, 7, 1), (41, 7, 1), (40, 8, 1), (40, 7, 2))}
    assert len(others) == 4


def test_a_wishart_draw_needs_as_many_measurements_as_dimensions():
    assert wishart.Ensemble.draw(5, 15, 0, 0).m == 15
    with pytest.raises(ValueError, match=r"m = 14: a Wishart draw for d = 5 needs at least d\(d\+1\)/2 = 15"):
        wishart.Ensemble.draw(5, 14, 0, 0)


def tier(ensemble, d=10, m=60, dtype="float32", **asked):
    """The smoke tier with one more experiment of descents."""
    content = copy.deepcopy(SMOKE)
    runs = [{"alpha": 1.0, "step": 0.1, "iterations": 300}]
    content["experiments"]["more"] = recorded_descents(**{"ensemble": ensemble, "d": d, "m": m, "runs": runs, **asked})
    content["experiments"]["more"]["dtype"] = dtype
    return content


@pytest.mark.parametrize(
    ("block", "line"),
    [
        ({"ensemble": "wishart", "m": 54}, "experiments.more.options.m = 54: allowed is at least 55 with ensemble: wishart at d = 10"),
        ({"ensemble": "gram", "d": 1000}, "experiments.more.options.d = 1000: the ensemble would take 1866 GiB; allowed is 64 GiB"),
        ({"ensemble": "gaussian", "m": 10**9}, "experiments.more.options.m = 1000000000: the ensemble would take"),
        ({"ensemble": "gram", "runs": [{"alpha": 1.0, "step": 0.1, "iterations": 10, "m": [60, 50]}]}, "experiments.more.options.runs[0].m = [60, 50]: allowed is the problem's m = 60 with ensemble: gram"),
        ({"ensemble": "wishart", "algorithm": "stochastic"}, "experiments.more.options.algorithm = \"stochastic\": it needs single measurements, which ensemble wishart does not provide"),
        ({"ensemble": "gram", "stop_below_train_error": 1e-4}, "experiments.more.options.stop_below_train_error = 0.0001: allowed is at least 0.001: ensemble gram does not resolve"),
    ],
)  # fmt: skip
def test_settings_that_an_ensemble_does_not_serve_are_named_before_any_job(block, line):
    found = setting_problems(tier(**block))
    assert any(line in problem for problem in found), found


def test_settings_that_a_gram_matrix_serves_are_allowed():
    allowed = [
        tier("gram", m=10**9),
        tier("wishart", m=10**9, dtype="float64", stop_below_train_error=1e-4),
        tier("gram", runs=[{"alpha": 1.0, "step": 0.1, "iterations": 10, "m": 60}]),
    ]
    assert [setting_problems(content) for content in allowed] == [[], [], []]


@pytest.mark.gpu
def test_gpu_agrees_with_cpu():
    x = symmetric(8, 2, 0)
    for kind in (gram.Ensemble, wishart.Ensemble):
        cpu, gpu = kind.draw(8, 300, 1, 0), kind.draw(8, 300, 1, 0, device="cuda")
        labels = cpu.label(symmetric(8, 2, 1))
        on_gpu = gpu.gradient(x.cuda(), labels.cuda()).cpu()
        torch.testing.assert_close(cpu.gradient(x, labels), on_gpu, rtol=1e-11, atol=1e-11)
        assert gpu.isometry_deviation() == pytest.approx(cpu.isometry_deviation(), rel=1e-10)
