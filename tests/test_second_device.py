"""What is computed is computed on the device that it is told, and comes to what the CPU comes to:
see :mod:`second_device`.
"""

import io
import subprocess
import sys
from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import CPU, measured, tier_settings
from sklearn.base import clone

from algoreg import plugins
from algoreg.engine.loop import Descent
from algoreg.engine.observers import Ends
from algoreg.experiments import descents as recording
from algoreg.numerics import problems
from algoreg.numerics.devices import DTYPES
from algoreg.recover import LowRankMatrixRegressor, MatrixCompleter, QuadraticRegressor, StateRegressor, base
from algoreg.regression import references, snapshots
from algoreg.regression.comparison import DIFFERENT, compare_table
from algoreg.settings import plan
from algoreg.testing import fitting_pairs, small_batch

# It stands on torch's hooks for back ends in Python, which 2.9 does not have.
stand_in = pytest.importorskip("second_device", exc_type=ImportError)
CROSSED, second_device = stand_in.CROSSED, stand_in.second_device
pytestmark = pytest.mark.filterwarnings("ignore")
TIER = tier_settings("smoke")
# Of every experiment the first table of the smoke tier.
TABLES = {block["experiment"]: name for name, block in reversed(plan.measured(TIER).items())}
# Of those whose steps are many and small: fewer. Every operation takes longer here.
SHORTER = {
    "alternating_samples": {"ratios": [1.7], "alternating_time": 20, "descent_time": 20},
    "completion": {"m_over_dof": [4], "iterations": 100},
    "depth_stages": {"time": 10},
    "dynamics_course": {"rank": [1], "m_over_dr": [5]},
    "frank_wolfe_networks": {"trace_factor": [1.0], "m_over_dr": [4]},
    "graph_completion": {"iterations": 50},
    "greedy_ends": {"alpha": [0.1], "iterations": 50, "greedy_iterations": 100},
    "large_d": {"d": [12], "alpha": [1e-3], "centre": [2.3], "time": [10]},
    "magnitudes": {"m_over_n": [8], "time": 5},
    "minibatch": {"time": 3},
    "momentum_bias": {"time": 20},
    "noisy_plateau": {"alpha": [0.01]},
    "photograph": {"iterations": 20},
    "race": {"budget": [20, 40]},
    "race_noise": {"budget": [30]},
    "rank_r_dynamics": {"kappa": [1]},
    "start_sizes": {"time": 10},
    "tomography": {"time": 5},
}


@pytest.fixture
def far():
    with second_device() as device:
        yield device


def test_tensors_of_two_devices_do_not_go_together(far):
    there, here = torch.ones(2, 2, device=far), torch.ones(2, 2)
    assert there.device == (there + 1).device == torch.tensor([1.0], device=far).device == there[[0, 1]].device == far
    assert there.cpu().device == here.device
    for wrong in (lambda: there @ here, lambda: here[there > 0], lambda: torch.where(there > 0, here, here)):
        with pytest.raises(RuntimeError, match="expected all tensors to be on the same device"):
            wrong()
    with pytest.raises((RuntimeError, TypeError), match="numpy"):
        there.numpy()
    here.copy_(there.mul_(3))
    assert here.tolist() == there.tolist() == [[3.0, 3.0]] * 2


ASKED = """
import os, torch
from algoreg.numerics import devices
torch.cuda.is_available = lambda: True
assert devices.configure("auto", "float32", 1) == (torch.device("cuda"), torch.float32)
assert torch.are_deterministic_algorithms_enabled()
assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
"""


def test_a_gpu_is_asked_for_the_same_sums_in_every_run():
    # In a process of its own: what a job sets up holds for all that comes after it.
    subprocess.run([sys.executable, "-c", ASKED], check=True)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["entries", "pauli"])
def test_a_gpu_adds_in_the_same_order_in_every_run(name):
    drawn = plugins.ensemble(name).draw(64, 2000, 5, 0, "cuda", torch.float32)
    matrices = torch.randn(4, 64, 64, generator=torch.Generator().manual_seed(0)).cuda()
    torch.use_deterministic_algorithms(True)
    try:
        first, *others = (drawn.adjoint(drawn.measure(matrices + matrices.mT)) for _ in range(5))
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "ensemble"), fitting_pairs())
def test_every_algorithm_computes_where_its_ensemble_is(algorithm, ensemble, far):
    ends = []
    for device in (CPU, far):
        seen = Ends()
        descent = Descent(small_batch(algorithm, ensemble, [seen], iterations=(3, 2), device=device)).run()
        assert descent.status == ["budget", "budget"]
        assert {tensor.device for tensor in descent.state.values()} <= {device}
        ends.append(seen.memory["estimates"].cpu())
    torch.testing.assert_close(*ends, rtol=1e-10, atol=1e-12)


# What is drawn as it is asked for is drawn on the CPU.
DRAWN_AHEAD = [
    (algorithm, ensemble) for algorithm, ensemble in fitting_pairs() if plugins.ensemble(ensemble).drawn_ahead
]


@pytest.mark.parametrize(("algorithm", "ensemble"), DRAWN_AHEAD)
def test_steps_go_on_without_a_word_with_the_cpu(algorithm, ensemble, far):
    batch = small_batch(algorithm, ensemble, iterations=(8, 8), device=far)
    known = batch.ensemble.shared_by([batch.ensemble.m] * 2)
    steps = batch.algorithm(known, batch.labels, batch.runs, batch.seed)
    state = steps.advance(steps.initial(), 0, 1)
    said = []
    for count in (1, 6):
        CROSSED.clear()
        steps.advance({name: tensor.clone() for name, tensor in state.items()}, 1, count)
        said.append(list(CROSSED))
    assert said[0] == said[1]


@pytest.mark.parametrize("algorithm", ["factored", "projected", "stochastic"])
def test_a_recorded_descent_is_that_of_the_cpu(algorithm):
    problem = {"ensemble": "gaussian", "d": 7, "rank": 2, "m": 60, "target": {"kind": "columns"}, "targets": 2}
    record, arrays = {"errors": {"every": 10}, "spectrum": {"every": 20}}, problems.draw_problem(problem, 5, 0)
    run = {"m": 50, "step": 0.02, "iterations": 60, "alpha": 0.5, "start": "identity", "batch_size": 3}
    runs = [{**run, "target": target} for target in range(2)]

    def recorded(device):
        ensemble = problems.regenerate_ensemble(problem, arrays, device, torch.float64, "problem.npz")
        batch = recording.recorded_batch(
            ensemble, arrays["factors"], arrays["labels"], algorithm, runs, record, 5, held_out=10
        )
        # Killed half-way, and taken up again.
        half = Descent(batch).run(until=30).save()
        whole = Descent(batch)
        whole.restore(half)
        return recording.result(whole.run())

    here = recorded(CPU)
    with second_device() as far:
        there = recorded(far)
    assert there["status"].tolist() == here["status"].tolist()
    for name in ("errors", "spectra", "ended"):
        np.testing.assert_allclose(there[name], here[name], rtol=1e-8, atol=1e-12)


def _as_committed(experiment, **told):
    """Return an experiment's table in its committed form, by way of the text that the workflow writes."""
    frame = pd.read_csv(io.StringIO(measured(experiment, **told).to_csv(index=False)))
    # Committed values are numbers. Recorded descents, which are not committed, have texts among theirs.
    texts = [
        column for column in plugins.experiment(experiment).VALUES if not pd.api.types.is_numeric_dtype(frame[column])
    ]
    module = plugins.experiment(experiment)
    text = snapshots.table_text(frame.assign(**dict.fromkeys(texts, np.nan)), module.KEYS, module.VALUES)
    return references.read_table(io.StringIO(text))


def _told(experiment):
    """Return the table of an experiment, and what the experiment is told there."""
    name = TABLES[experiment]
    block = TIER["experiments"][name]
    options = plan.experiment_options(block) | SHORTER.get(name, {})
    return name, {"options": options, "seed": TIER["seed"], "dtype": DTYPES[block.get("dtype", "float64")]}


@cache
def _of_the_cpu(experiment):
    """Return the table that an experiment comes to on the CPU, for both of the tests below."""
    return _as_committed(experiment, **_told(experiment)[1])


@pytest.mark.slow
@pytest.mark.parametrize("experiment", sorted(TABLES))
def test_every_experiment_measures_on_the_device_that_it_is_given(experiment, monkeypatch):
    name, told = _told(experiment)
    here = _of_the_cpu(experiment)
    with second_device() as far:
        # What the estimators ask: they know devices by the names that a user writes.
        monkeypatch.setattr(base, "resolve_device", torch.device)
        there = _as_committed(experiment, **told, device=far)
    clock = list(getattr(plugins.experiment(experiment), "OF_THE_CLOCK", ()))
    there, here = (table.drop(columns=clock) for table in (there, here))
    dtype = str(told["dtype"]).removeprefix("torch.")
    outcome, what, _ = compare_table(there, here, dtype)
    assert outcome != DIFFERENT, f"{name}: {what}"


@pytest.mark.parametrize("experiment", sorted(TABLES))
def test_every_experiment_measures_in_the_numbers_that_it_is_given(experiment):
    _, told = _told(experiment)
    other = {torch.float32: torch.float64, torch.float64: torch.float32}[told["dtype"]]
    named = references.keys_of(_of_the_cpu(experiment))
    assert _as_committed(experiment, **{**told, "dtype": other})[named].equals(_of_the_cpu(experiment)[named])


RNG = np.random.default_rng(0)
FACTOR = RNG.standard_normal((6, 1))
MATRICES, VECTORS = RNG.standard_normal((80, 6, 6)), RNG.standard_normal((80, 6))
PLACES = np.argwhere(RNG.random((6, 6)) < 0.8)
STRINGS = ["".join(letters) for letters in np.array(np.meshgrid(*["IXYZ"] * 2)).reshape(2, -1).T]
TARGET = FACTOR @ FACTOR.T
OF_MATRICES, OF_VECTORS = np.einsum("mij,ij->m", MATRICES, TARGET), np.square(VECTORS @ FACTOR)[:, 0]


@pytest.mark.parametrize(
    ("estimator", "given"),
    [
        (LowRankMatrixRegressor(), (MATRICES, OF_MATRICES)),
        (LowRankMatrixRegressor("rectangular"), (MATRICES[:, :4], OF_MATRICES)),
        (LowRankMatrixRegressor(noise=0.5), (MATRICES, OF_MATRICES + 0.5 * RNG.standard_normal(80))),
        (LowRankMatrixRegressor(method="preconditioned", dtype="float32"), (MATRICES, OF_MATRICES)),
        (QuadraticRegressor(), (VECTORS, OF_VECTORS)),
        (QuadraticRegressor("symmetric"), (VECTORS, OF_VECTORS)),
        (MatrixCompleter("psd"), (PLACES, TARGET[tuple(PLACES.T)])),
        (MatrixCompleter(method="factored"), (PLACES, TARGET[tuple(PLACES.T)])),
        (StateRegressor(), (STRINGS, [float("Y" not in name and "X" not in name) for name in STRINGS])),
    ],
)
def test_every_estimator_fits_on_the_device_that_it_is_given(estimator, given, monkeypatch):
    estimator.set_params(max_iter=40, random_state=0)
    here = estimator.fit(*given)
    with second_device() as far:
        monkeypatch.setattr(base, "resolve_device", torch.device)
        there = clone(estimator).set_params(device=str(far)).fit(*given)
    np.testing.assert_allclose(there.matrix_, here.matrix_, rtol=1e-3, atol=1e-5)
    assert there.stop_ == here.stop_
    np.testing.assert_allclose(there.predict(given[0]), here.predict(given[0]), rtol=1e-3, atol=1e-5)
