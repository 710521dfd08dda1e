"""Stacked ensembles against the same ensembles one by one, on a CPU; and on a GPU, where there is one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import snakemake

from algoreg import registry
from algoreg.engine import cuda_graphs, descent, stacked
from algoreg.engine.stacked import Stack
from algoreg.ensembles import gaussian
from algoreg.numerics import problems

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
    stack = Stack(ensembles, 3).seen_by([{"member": member, "m": m} for member, m in seen])
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
    stack = Stack(draw(2), 2).seen_by([{"member": member, "m": m} for member, m in ((0, M), (0, 20), (1, 30))])
    x, y = symmetric(3), torch.ones(3, M).double()
    expected = stack.gradient(x, y)
    y[1, 20:], y[2, 30:], x[0] = torch.nan, torch.nan, torch.nan
    torch.testing.assert_close(stack.gradient(x, y)[1:], expected[1:], rtol=1e-14, atol=1e-14)
    single = Stack(draw(2, torch.float32), 2).seen_by(
        [{"member": member, "m": m} for member, m in ((0, M), (0, 20), (1, 30))]
    )
    torch.testing.assert_close(single.gradient(x.float(), y.float())[1:].double(), expected[1:], rtol=1e-4, atol=1e-4)


def test_what_cannot_be_stacked_is_refused():
    with pytest.raises(ValueError, match="stacked ensembles have one m, got 60 and 50"):
        Stack([*draw(1), gaussian.Ensemble.draw(D, 50, 4, 1)], 2)
    with pytest.raises(ValueError, match=r"one dtype, got torch\.float64 and torch\.float32"):
        Stack([*draw(1), *draw(1, torch.float32)], 2)
    with pytest.raises(ValueError, match="2 ensembles to stack, not 3"):
        Stack(draw(2), 3)
    with pytest.raises(ValueError, match="more than 2 ensembles"):
        Stack(draw(3), 2)
    stack = Stack(draw(2), 2)
    for runs in ([(1, M), (0, M)], [(0, 20), (0, M)], [(2, M)], [(-1, M)], [(0, M + 1)], [(0, 0)]):
        with pytest.raises(ValueError, match="runs come by rising member below 2 and falling m from at most 60"):
            stack.seen_by([{"member": member, "m": m} for member, m in runs])
    with pytest.raises(TypeError, match="use seen_by"):
        stack.shared_by([M])
    with pytest.raises(TypeError, match="give no labels"):
        stack.label(symmetric(1))


def test_labels_that_change_are_seen():
    """They are put in their places once: not when others come, or the same change in place."""
    ensembles = draw(2)
    stack = Stack(ensembles, 2).seen_by([{"member": member, "m": m} for member, m in ((0, M), (0, 20), (1, 30))])
    x, y = symmetric(3), torch.ones(3, M).double()
    assert stack._placed_labels(y) is stack._placed_labels(y)
    for labels in (y, y.mul_(2), y.neg()):
        torch.testing.assert_close(
            stack.gradient(x, labels)[2:], ensembles[1].shared_by([30]).gradient(x[2:], labels[2:])
        )


def test_steps_of_a_stack_go_through_recordings(monkeypatch):
    """A step knows addresses: what it reads and changes stays where it is until runs leave."""
    stack = Stack(draw(2), 2).seen_by([{"member": member, "m": m} for member, m in ((0, M), (0, 20), (1, 30))])
    y, steps = torch.ones(3, M).double(), torch.full((3,), 0.01).double()
    expected = stack.descend(0.1 * symmetric(3), steps, y, 60)
    known = []

    def record(step):
        known.append((stack._labels[2].data_ptr(), stack._rows.data_ptr()))
        return SimpleNamespace(replay=step)

    monkeypatch.setattr(cuda_graphs, "_refused", False)
    monkeypatch.setattr(cuda_graphs, "_warm_up", lambda step: [step() for _ in range(cuda_graphs.WARM_UP)])
    monkeypatch.setattr(cuda_graphs, "_record", record)
    monkeypatch.setattr(stack, "device", torch.device("cuda"))
    moving = 0.1 * symmetric(3)
    for count in (20, 30, 10):
        moving = stack.descend(moving, steps, y, count)
    assert known == [(stack._labels[2].data_ptr(), stack._rows.data_ptr())]
    assert torch.equal(moving, expected)


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
    together = batch(Stack(iter(drawn), 3), range(3))
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


def test_the_end_of_a_batch_is_kept_where_a_job_goes_on(tmp_path, capsys):
    _, batch = results("factored")
    path = tmp_path / "state.npz"
    for keep in (False, True):
        first = descent.run_to_file(batch, path, "job", 1e9, "cpu", keep)
        assert path.exists() == keep
    again = descent.run_to_file(batch, path, "job", 1e9, "cpu", True)
    assert "continuing from iteration" in capsys.readouterr().out
    assert all(np.array_equal(one["errors"], other["errors"]) for one, other in zip(first, again, strict=True))


def test_a_checkpoint_belongs_to_its_problems_and_its_device():
    params = {"runs": RUNS, "plan": "3 of 3", "checkpoints": ["a.npz"], "seed": 1}
    own = descent.job_fingerprint(params, ["00"], torch.device("cpu"))
    assert descent.job_fingerprint({**params, "plan": "", "checkpoints": []}, ["00"], torch.device("cpu")) == own
    others = [
        ({**params, "seed": 2}, ["00"], "cpu"),
        (params, ["01"], "cpu"),
        (params, ["00", "01"], "cpu"),
        (params, ["00"], "cuda"),
    ]
    for params, digests, device in others:
        assert descent.job_fingerprint(params, digests, torch.device(device)) != own


def test_small_gaussian_ensembles_go_together_on_a_gpu_and_others_one_by_one():
    gpu, f4 = torch.device("cuda"), torch.float32
    problem = {"ensemble": "gaussian", "d": 100, "m": 2500}
    for name, expected in (("factored", True), ("projected", True), ("stochastic", False), ("quadratic", False)):
        stacks = getattr(registry.algorithm(name), "stacks", False)
        assert stacks == expected
        assert stacked.groups(3, problem, f4, gpu, stacks) == ([[0, 1, 2]] if expected else [[0], [1], [2]])
    large = {**problem, "d": 150, "m": 3750}
    assert stacked.groups(2, {**large, "m": 2900}, f4, gpu, True) == [[0, 1]]
    for one, dtype, device in (
        (problem, f4, torch.device("cpu")),
        ({**problem, "ensemble": "streamed"}, f4, gpu),
        (large, f4, gpu),
        ({**large, "m": 2900}, torch.float64, gpu),
    ):
        assert stacked.groups(2, one, dtype, device, True) == [[0], [1]]


@pytest.mark.workflow
@pytest.mark.xdist_group("workflow")
def test_a_job_for_several_ensembles_writes_what_a_job_for_each_does(smoke, repository):
    targets = [f"results/smoke/descents/{name}/ensemble-1.npz" for name in ("gaussian", "projected_d10")]
    done = snakemake(repository, *targets, "--config", "ensembles_per_job=2")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "Descent gaussian, d=10, r=1, m=50, ensembles 1, 2 of 2: " in done.stderr
    for target in targets:
        for number in "01":
            path = target.replace("ensemble-1", f"ensemble-{number}")
            assert (repository / path).read_bytes() == (smoke / path).read_bytes()
    log = (repository / "results" / "smoke" / "logs" / "descend" / "projected_d10-0_1.log").read_text()
    assert [line for line in log.splitlines() if line.startswith("descending on")] == [
        f"descending on results/smoke/problems/gaussian/ensemble-{number}.npz" for number in "01"
    ]
    assert not list((repository / "results" / "smoke" / "checkpoints").iterdir())


@pytest.mark.gpu
@pytest.mark.parametrize("algorithm", ["factored", "projected"])
def test_a_stacked_batch_on_a_gpu_records_what_its_ensembles_record_alone(algorithm):
    apart, together = results(algorithm, "cuda")
    agree(apart, together.results(together.run()))
