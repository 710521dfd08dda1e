"""Stacked ensembles against the same ensembles one by one, on a CPU; and on a GPU, where there is one."""

import numpy as np
import pytest
import torch
from conftest import snakemake

from algoreg import descent, problems, stacked
from algoreg.ensembles import gaussian
from algoreg.stacked import Stack

D, M = 7, 60
PROBLEM = {"ensemble": "gaussian", "d": D, "rank": 2, "m": M, "target": {"kind": "columns"}, "targets": 2}
RECORD = {"errors": {"every": 10}, "spectrum": {"log_spaced": 4}}


def draw(count=3, dtype=torch.float64, device="cpu"):
    return [gaussian.Ensemble.draw(D, M, 4, number, device, dtype) for number in range(count)]


def symmetric(count):
    square = torch.randn(count, D, D, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return square + square.mT


SEEN = {
    "all alike": [(0, M), (0, M), (1, M), (1, M), (2, M), (2, M)],
    "prefixes": [(0, M), (0, 20), (1, M), (1, 31), (2, 20), (2, 20)],
    "places empty": [(0, 50), (0, 50), (0, 3), (1, M), (2, 30), (2, 1)],
    "an ensemble without runs": [(0, 50), (2, M), (2, 1)],
    "one run": [(1, 12)],
}


@pytest.mark.parametrize("seen", SEEN.values(), ids=SEEN.keys())
@pytest.mark.parametrize("height", [128, 16])
def test_every_run_sees_its_own_ensemble(seen, height, monkeypatch):
    monkeypatch.setattr(Stack, "block_rows", height)
    ensembles = draw()
    stack = Stack(ensembles).seen_by([{"member": member, "m": m} for member, m in seen])
    x, y = symmetric(len(seen)), torch.randn(len(seen), M, generator=torch.Generator().manual_seed(1)).double()
    steps = torch.linspace(0.01, 0.05, len(seen)).double()
    measured, gradient, errors = stack.measure(x), stack.gradient(x, y), stack.train_error(x, y)
    moved = stack.descend(0.1 * x, steps, y, 4)
    for run, (member, m) in enumerate(seen):
        own = ensembles[member].shared_by([m])
        one = slice(run, run + 1)
        torch.testing.assert_close(measured[one], own.measure(x[one]), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(gradient[one], own.gradient(x[one], y[one]), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(errors[one], own.train_error(x[one], y[one]), rtol=1e-12, atol=0)
        torch.testing.assert_close(moved[one], own.descend(0.1 * x[one], steps[one], y[one], 4), rtol=1e-11, atol=1e-13)


def test_what_a_run_does_not_know_and_other_runs_do_not_matter():
    """Not even where they are not numbers."""
    stack = Stack(draw(2)).seen_by([{"member": member, "m": m} for member, m in ((0, M), (0, 20), (1, 30))])
    x, y = symmetric(3), torch.ones(3, M).double()
    expected = stack.gradient(x, y)
    y[1, 20:], y[2, 30:], x[0] = torch.nan, torch.nan, torch.nan
    torch.testing.assert_close(stack.gradient(x, y)[1:], expected[1:], rtol=1e-14, atol=1e-14)


def test_what_cannot_be_stacked_is_refused():
    with pytest.raises(ValueError, match="stacked have one m, got 60 and 50"):
        Stack([*draw(1), gaussian.Ensemble.draw(D, 50, 4, 1)])
    with pytest.raises(ValueError, match=r"one dtype, got torch\.float64 and torch\.float32"):
        Stack([*draw(1), *draw(1, torch.float32)])
    stack = Stack(draw(2))
    for runs in ([(1, M), (0, M)], [(0, 20), (0, M)], [(2, M)], [(-1, M)], [(0, M + 1)], [(0, 0)]):
        with pytest.raises(ValueError, match="runs come by rising member below 2 and falling m from at most 60"):
            stack.seen_by([{"member": member, "m": m} for member, m in runs])


def run(target, m=M, iterations=60, **options):
    return {
        "alpha": 0.1,
        "step": 0.1,
        "start": "orthonormal",
        "target": target,
        "m": m,
        "iterations": iterations,
        **options,
    }


RUNS = [
    run(0),
    run(1, m=30),
    run(1, iterations=90),
    run(0, step=50.0, iterations=200),
    # Ends at another iteration with every ensemble.
    run(0, step=0.2, alpha=0.05, iterations=5000),
]


def results(algorithm, device="cpu", own_targets=False):
    """Return the results of three ensembles, one by one and stacked."""
    problem = {**PROBLEM, "targets": 1, "own_targets": True} if own_targets else PROBLEM
    runs = [{**one, "target": 0} for one in RUNS] if own_targets else RUNS
    runs = [{**one, "start": "zero"} for one in runs] if algorithm == "projected" else runs
    arrays = [problems.draw_problem(problem, 4, number) for number in range(3)]
    drawn = [problems.regenerate_ensemble(problem, one, device, torch.float64, "p.npz") for one in arrays]

    def batch(ensemble, members):
        named = [np.concatenate([arrays[member][name] for member in members]) for name in ("factors", "labels")]
        return descent.Batch(ensemble, *named, algorithm, runs, RECORD, 4, 1e-2)

    apart = [batch(ensemble, [number]) for number, ensemble in enumerate(drawn)]
    together = batch(Stack(drawn), range(3))
    return [one.result(one.run()) for one in apart], together


def agree(apart, together):
    for one, other in zip(apart, together, strict=True):
        assert one.keys() == other.keys()
        assert one["status"].tolist() == other["status"].tolist()
        assert one["ended"].tolist() == other["ended"].tolist()
        for name in ("errors", "spectra"):
            # The order within an iteration is that of the batch.
            first, second = (values[np.lexsort((values[:, 0], values[:, 1]))] for values in (one[name], other[name]))
            np.testing.assert_allclose(second, first, rtol=1e-7, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("own_targets", [False, True])
@pytest.mark.parametrize("algorithm", ["factored", "projected"])
def test_a_stacked_batch_records_what_its_ensembles_record_alone(algorithm, own_targets):
    apart, together = results(algorithm, own_targets=own_targets)
    agree(apart, together.results(together.run()))
    ended = {tuple(one["ended"].tolist()) for one in apart}
    assert len(ended) == 3, "runs are to leave at different times"
    assert {"budget", "converged", "diverged"} == {status for one in apart for status in one["status"].tolist()}


def test_a_stacked_batch_continues_from_its_checkpoint(tmp_path, capsys):
    _, batch = results("factored")
    whole = batch.results(batch.run())
    batch.run(until=70).save(tmp_path / "state.npz", "job", batch.leading)
    again = descent.run_to_file(batch, tmp_path / "state.npz", "job", 0.0, "cpu")
    assert "continuing from iteration 70" in capsys.readouterr().out
    # A job that goes on with other ensembles finds this one finished.
    finished = descent.run_to_file(batch, tmp_path / "state.npz", "job", 0.0, "cpu")
    assert "continuing from iteration" in capsys.readouterr().out
    for one, *others in zip(whole, again, finished, strict=True):
        for other in others:
            for name, values in one.items():
                assert np.array_equal(values, other[name]), name


def test_which_ensembles_go_together():
    gpu, cpu = torch.device("cuda"), torch.device("cpu")
    assert stacked.groups(3, "gaussian", "factored", gpu) == [[0, 1, 2]]
    assert stacked.groups(3, "gaussian", "projected", gpu) == [[0, 1, 2]]
    assert stacked.groups(1, "gaussian", "factored", gpu) == [[0]]
    for apart in (("gaussian", "factored", cpu), ("gaussian", "stochastic", gpu), ("wishart", "factored", gpu)):
        assert stacked.groups(2, *apart) == [[0], [1]]


@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_a_job_for_several_ensembles_writes_what_a_job_for_each_does(smoke, repository):
    targets = [f"results/smoke/descents/{name}/ensemble-1.npz" for name in ("gaussian_d10", "projected_d10")]
    done = snakemake(repository, *targets, "--config", "ensembles_per_job=2")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Descent gaussian_d10, d=10, r=1, m=50, ensembles 1, 2 of 2: " in done.stderr
    for target in targets:
        for number in "01":
            path = target.replace("ensemble-1", f"ensemble-{number}")
            assert (repository / path).read_bytes() == (smoke / path).read_bytes()


@pytest.mark.gpu
@pytest.mark.parametrize("algorithm", ["factored", "projected"])
def test_a_stacked_batch_on_a_gpu_records_what_its_ensembles_record_alone(algorithm):
    apart, together = results(algorithm, "cuda")
    agree(apart, together.results(together.run()))
