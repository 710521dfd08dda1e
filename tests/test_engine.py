"""The engine's contract: every algorithm on every ensemble that fits, observers,
and what a killed experiment continues from.
"""

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import measured

from algoreg import plugins, testing
from algoreg.algorithms import base
from algoreg.engine import experiment
from algoreg.engine.checkpoint import Checkpoint
from algoreg.engine.loop import Batch, Descent
from algoreg.engine.observers import Ends, FirstBelow, Observer
from algoreg.ensembles.base import Measurements
from algoreg.settings import options as declared
from algoreg.testing import SEED, D, small_batch

FITS = testing.fitting_pairs()


def test_a_run_is_told_what_the_target_has_and_what_it_says_itself():
    class Told(plugins.algorithm("factored")):
        prior_knowledge = ("trace", "rank", "noise")

    batch = small_batch("factored", "gaussian")
    targets = batch.targets
    runs = [{**batch.runs[0], "noise": 0.1}, {**batch.runs[1], "noise": 0.2, "rank": 5}]
    (first, second) = Batch(batch.ensemble, Told, runs, targets, batch.labels).runs
    assert (first["noise"], first["rank"]) == (0.1, 2)
    # What a run says of its target comes before what is planted.
    assert (second["noise"], second["rank"]) == (0.2, 5)
    assert second["trace"] == pytest.approx(np.trace(targets[1].numpy()))


def test_times_between_looks_are_those_of_a_line_through_the_logs():
    seen = FirstBelow([1e-1, 1e-4])
    seen.prepare(SimpleNamespace(runs=[0, 1, 2]))
    # The first from 1 to 1e-5 in 10 iterations; the second to an error of 0; the third starts below the first
    # tolerance.
    for iteration, errors in ((0, [1.0, 1.0, 0.05]), (10, [1e-5, 0.0, 0.05])):
        look = SimpleNamespace(active=np.arange(3), test_error=np.array(errors), iteration=iteration)
        done = seen.observe(look)
    assert done.tolist() == [True, True, False]
    times = seen.memory["times"]
    np.testing.assert_allclose(times[0], [2, 8])
    np.testing.assert_allclose(times[1], 0, atol=0.2)
    assert times[2, 0] == 0
    assert np.isnan(times[2, 1])
    assert seen.memory["smallest"].tolist() == seen.memory["last"].tolist() == [1e-5, 0.0, 0.05]


@pytest.mark.parametrize(("algorithm", "ensemble"), FITS)
def test_every_algorithm_runs_on_every_ensemble_that_fits(algorithm, ensemble):
    testing.check_algorithm(algorithm, ensemble)


@pytest.mark.parametrize("ensemble", testing.drawn_ensembles())
def test_every_ensemble_keeps_the_contract(ensemble):
    testing.check_ensemble(ensemble)


def test_what_does_not_fit_is_named():
    assert declared.lacks("stochastic", "gram") == ["single measurements"]
    assert declared.lacks("quadratic", "wishart") == ["single measurements", "truncation"]
    assert declared.lacks("factored", "rank_one") == []
    for name in plugins.modules("ensembles"):
        ensemble = plugins.ensemble(name)
        assert ("single measurements" in ensemble.provides) == hasattr(ensemble, "select"), name
        unpacked = getattr(ensemble, "unpacked", Measurements.unpacked)
        assert ("unpacked" in ensemble.provides) == (unpacked is not Measurements.unpacked), name
        assert ("isometry" in ensemble.provides) == hasattr(ensemble, "isometry_deviation"), name


class Heavy(base.Algorithm):
    """Descent on X with momentum, and with a count of steps: a state of three tensors of different shapes."""

    def initial(self):
        zero = torch.zeros(len(self.runs), D, D, dtype=torch.float64)
        return {"estimate": zero, "momentum": zero, "steps": torch.zeros(len(self.runs), dtype=torch.int64)}

    def advance(self, state, iteration, count):
        estimate, momentum = state["estimate"], state["momentum"]
        for _ in range(count):
            momentum = 0.9 * momentum - self.steps * self.ensemble.gradient(estimate, self.labels)
            estimate = estimate + momentum
        return {"estimate": estimate, "momentum": momentum, "steps": state["steps"] + count}

    def estimate(self, state):
        return state["estimate"]


@pytest.mark.parametrize(
    ("method", "change", "said"),
    [
        ("initial", lambda made: {"x": made["estimate"][0]}, r"initial returns x: a tensor of shape \(4, 4\) of torch.float64; allowed"),
        ("initial", lambda made: made | {"count": 0}, "initial returns count: a int; allowed is a tensor whose first axis is the run"),
        ("advance", lambda made: {n: t[:1] for n, t in made.items()}, "first axis is the run, here 2"),
        ("advance", lambda made: made | {"momentum": made["momentum"].float()}, "momentum: .*float32; allowed is torch.float64, as it is given"),
        ("advance", lambda made: {"estimate": made["estimate"]}, "tensors estimate; allowed are those it is given, estimate, momentum, steps"),
        ("advance", lambda made: None, "advance returns a NoneType; allowed is a mapping of named tensors"),
        ("estimate", lambda made: made[:1], r"estimate returns a tensor of shape \(1, 4, 4\) of .* allowed is that of the targets"),
        ("estimate", lambda made: made.float(), "of torch.float32; allowed is that of the targets, .* of torch.float64"),
        ("estimate", lambda made: made.numpy(), "estimate returns a ndarray; allowed is that of the targets"),
    ],
)  # fmt: skip
def test_what_an_algorithm_may_not_return_is_named_with_the_algorithm(method, change, said):
    class Wrong(Heavy):
        pass

    setattr(Wrong, method, lambda self, *told: change(getattr(Heavy, method)(self, *told)))
    batch = small_batch("factored", "gaussian", [Ends()])
    batch.algorithm = Wrong
    with pytest.raises(ValueError, match=f"^{__name__}: {method} .*{said.removeprefix(f'{method} ')}"):
        Descent(batch).run()


def test_an_ensemble_that_lacks_what_an_algorithm_needs_is_refused_wherever_it_is_asked():
    said = "algoreg.algorithms.asymmetric: it needs rectangular gradient, which algoreg.ensembles.gaussian does not"
    with pytest.raises(ValueError, match=said):
        small_batch("asymmetric", "gaussian")


def test_an_algorithm_that_raises_is_named_with_its_steps():
    class Broken(Heavy):
        def advance(self, state, iteration, count):
            return state["nothing"] if iteration else super().advance(state, iteration, count)

    batch = small_batch("factored", "gaussian", [Norms()])
    batch.algorithm = Broken
    with pytest.raises(KeyError) as raised:
        Descent(batch).run()
    assert raised.value.__notes__ == [f"{__name__}: advance of 2 runs, 1 steps from iteration 1: KeyError: 'nothing'"]


class Norms(Observer):
    """Remembers ‖X‖ at every third iteration, and how far every step went."""

    sees_steps = True
    stride = 1

    def prepare(self, batch):
        self.memory = {"norms": np.full((40, len(batch.runs)), np.nan), "moved": torch.zeros(40, len(batch.runs))}

    def observe(self, snapshot):
        if snapshot.iteration % 3 == 0:
            self.memory["norms"][snapshot.iteration, snapshot.active] = torch.linalg.matrix_norm(
                snapshot.estimate
            ).numpy()
        if snapshot.before is not None:
            step = torch.linalg.matrix_norm(snapshot.state["estimate"] - snapshot.before["estimate"])
            self.memory["moved"][snapshot.iteration, snapshot.active] = step.float()


@pytest.mark.parametrize("cut", [0, 1, 7, 20, 30])
def test_named_tensors_and_memory_survive_a_checkpoint(tmp_path, cut):
    def fresh():
        observers = [Norms(), Ends()]
        batch = small_batch("factored", "gaussian", observers, iterations=(30, 20, 30))
        batch.algorithm = Heavy
        return Descent(batch), observers

    whole, seen = fresh()
    whole.run()
    Checkpoint(tmp_path / "c.npz", "job").keep("batch", fresh()[0].run(until=cut).save())
    again, other = fresh()
    again.restore(Checkpoint(tmp_path / "c.npz", "job").parts["batch"])
    assert again.state.keys() == {"estimate", "momentum", "steps"}
    again.run()
    assert again.status == whole.status
    assert np.array_equal(again.ended, [30, 20, 30])
    for one, two in zip(seen, other, strict=True):
        for name, value in one.save().items():
            assert np.array_equal(value, two.save()[name], equal_nan=True), name
    assert (seen[0].memory["moved"][1:20] > 0).all()


def test_a_look_shows_the_state_one_step_earlier_whatever_its_stride():
    seen = {}

    class Steps(Observer):
        sees_steps = True

        def __init__(self, stride):
            self.stride = stride

        def observe(self, snapshot):
            if snapshot.before is not None:
                seen[self.stride, snapshot.iteration] = (
                    snapshot.before["factor"].clone(),
                    snapshot.state["factor"].clone(),
                )

    for stride in (1, 10):
        Descent(small_batch("factored", "gaussian", [Steps(stride)], iterations=(20, 20))).run()
    for iteration in (10, 20):
        for rare, each in zip(seen[10, iteration], seen[1, iteration], strict=True):
            assert torch.equal(rare, each)


def test_runs_leave_as_what_they_are():
    class Small(Observer):
        stride = 5

        def observe(self, snapshot):
            return snapshot.test_error < 0.9

    ends = Ends()
    batch = small_batch("factored", "gaussian", [Small(), ends], iterations=(400, 10, 400), alpha=0.05)
    batch.runs[2]["step"] = 50.0
    descent = Descent(batch).run()
    # Whatever a run leaves as, what it ended with is kept.
    assert ends.memory["estimates"].abs().sum((1, 2)).gt(0).all()
    assert descent.status == ["converged", "budget", "diverged"]
    assert descent.ended[0] % 5 == 0
    assert descent.ended[1] == 10
    assert 0 < descent.ended[2] < 400


EXPERIMENT = """
import json, sys, time
import torch
from algoreg.engine import experiment, progress
from algoreg.engine.checkpoint import Checkpoint
from algoreg.algorithms import factored
options, path, slow = json.loads(sys.argv[1]), sys.argv[2], float(sys.argv[3])
progress.PROGRESS_SECONDS = 0.0
torch.set_num_threads(1)
take = factored.Algorithm.advance
def advance(self, *step):
    time.sleep(slow if held else 0)
    return take(self, *step)
factored.Algorithm.advance = advance
held = []
def say(line):
    print(line, flush=True)
    held.extend([line] if line.startswith("ensemble 0:") else [])
context = experiment.Context(5, [0, 1], torch.device("cpu"), torch.float64, say, Checkpoint(path, "job", 0.0))
print("ROWS", json.dumps(experiment.measure("iterations", options, context)))
"""


# Experiments whose descents are of algorithms of their own, with options for some looks on the way.
OWN_DESCENTS = {
    "commuting_depth": {"d": 8, "m": 4, "support": 4, "depth": [3], "start": [0.1, 0.01], "targets": 2, "most": 3000},
    "two_by_two": {"motion": "descent", "depth": [2], "det": ["positive"], "scale": 1e-3, "loss": [0.01], "targets": 2},
    "spectral_network": {"d": 4, "rank": 1, "m_over_dof": [1.4], "start": [0.3], "iterations": 2500, "targets": 2},
    "spectral_commuting": {
        "d": 6,
        "m": 3,
        "support": 2,
        "size": [1.0],
        "start": [0.1],
        "iterations": 2500,
        "targets": 2,
    },
    "convolution": {"d": 6, "m": 3, "network": ["convolutional"], "iterations": 2500, "targets": 2},
}


@pytest.mark.parametrize("name", OWN_DESCENTS)
def test_algorithms_of_a_experiments_own_continue_from_what_was_saved_with_the_same_bits(monkeypatch, name):
    whole, halfway = measured(name, OWN_DESCENTS[name], seed=SEED), []

    def descend_in_two(self, batch):
        begun = Descent(batch, self.log)
        begun.run(until=begun.events[1])
        halfway.append(len(begun.active))
        # Names come back from a file in whatever order it has.
        saved = {key: np.array(value) for key, value in reversed(begun.save().items())}
        again = Descent(batch, self.log)
        again.restore(saved)
        return again.run()

    monkeypatch.setattr(experiment.Context, "descend", descend_in_two)
    pd.testing.assert_frame_equal(measured(name, OWN_DESCENTS[name], seed=SEED), whole, check_exact=True)
    assert any(halfway)


def test_a_killed_experiment_continues_with_the_same_bits_and_its_log_shows_progress(tmp_path):
    options = {
        "d": 6,
        "rank": [1, 2],
        "kappa": [1],
        "alpha": [0.1, 0.01],
        "start": ["identity"],
        "rule": ["constant"],
    }
    options |= {
        "step": 0.1,
        "m_over_dr": 3,
        "tolerance": 0.1,
        "relative_to": "frobenius",
        "iterations": 100,
        "targets": 2,
    }

    def start(path, slow):
        command = [sys.executable, "-c", EXPERIMENT, json.dumps(options), str(path), str(slow)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})

    def rows(text):
        return json.loads(next(line for line in text.splitlines() if line.startswith("ROWS")).removeprefix("ROWS"))

    whole = start(tmp_path / "whole.npz", 0.0).communicate(timeout=300)[0]
    killed = start(tmp_path / "c.npz", 0.02)
    # In the second ensemble, which is slow: the first one's rows are kept, and the second's descent has begun.
    for line in killed.stdout:
        if line.startswith("ensemble 0:"):
            break
    seen = [next(killed.stdout) for _ in range(5)]
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert all("run-iterations/s" in line and "test error" in line and "s left" in line for line in seen), seen
    again = start(tmp_path / "c.npz", 0.0).communicate(timeout=300)[0]
    assert "continuing from iteration" in again
    assert "ensemble 0:" not in again
    assert rows(again) == rows(whole)


def test_finished_parts_are_read_back_as_they_were(tmp_path):
    calls = []

    def measured(number):
        calls.append(number)
        return [{"a": np.float64(0.1) / 3, "b": None, "c": float("nan"), "n": np.int64(number)}]

    def run():
        checkpoint = Checkpoint(tmp_path / "c.npz", "job")
        context = experiment.Context(0, [0, 1], torch.device("cpu"), torch.float64, lambda line: None, checkpoint)
        return [row for number in context.ensembles for row in context.part(f"ensemble {number}", measured, number)]

    first, second = run(), run()
    assert calls == [0, 1]
    assert [[row[name] for name in "abn"] for row in first] == [[row[name] for name in "abn"] for row in second]
    assert np.isnan([row["c"] for row in second]).all()


def test_a_experiment_is_dealt_out_by_the_parameters_of_its_measure():
    said, options = [], {"depth": [2, 3]}
    context = experiment.Context(0, [4, 5], torch.device("cpu"), torch.float64, said.append)
    ways = {
        lambda options, context: ["all"]: ["all"],
        lambda options, context, number: [number]: [4, 5],
        lambda options, context, number, depth: [[number, depth]]: [[4, 2], [4, 3], [5, 2], [5, 3]],
    }
    for measure, rows in ways.items():
        assert list(experiment._dealt_out(measure, options, context)) == rows
    assert said == [
        *(f"ensemble {number}: 1 rows done" for number in (4, 5)),
        *(f"ensemble {number}, depth = {depth}: 1 rows done" for number in (4, 5) for depth in (2, 3)),
    ]


def test_any_algorithm_stands_on_the_sample_axis():
    options = {
        "d": [6], "rank": [1], "dimension_power": 0, "spectrum": ["flat"], "ratios": [4.0, 1.0], "unit": "dr", "alpha": [0.1],
        "step": [0.1], "time": [1.0], "targets": 2, "recovered": 1e-3,
    }  # fmt: skip
    context = experiment.Context(5, [0], torch.device("cpu"), torch.float64, lambda line: None)
    for algorithm in plugins.modules("algorithms"):
        if declared.lacks(algorithm, "gaussian"):
            continue
        rows = experiment.measure("threshold", {**options, "algorithm": algorithm}, context)
        assert len(rows) == 4
        assert all(np.isfinite(row["test_error"]) for row in rows), algorithm
        assert {row["alpha"] for row in rows} == {0.1 if "alpha" in declared.of_runs(algorithm) else 0.0}
    start = {"algorithm": "projected", "algorithm_options": {"start": "identity"}}
    one, two = (
        experiment.measure("threshold", {**options, **change}, context)
        for change in ({"algorithm": "projected"}, start)
    )
    assert [row["test_error"] for row in one] != [row["test_error"] for row in two]
