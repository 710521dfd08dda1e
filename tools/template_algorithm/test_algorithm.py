"""The algorithm myalgorithm: the contract of every algorithm, a plain loop, and an identity."""

import numpy as np
import plain
import torch

from algoreg import plugins
from algoreg.engine.loop import Batch, Descent
from algoreg.engine.observers import Ends
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factor
from algoreg.settings import options
from algoreg.testing import check_algorithm

D, M, RANK, SEED, STEP, COUNT = 6, 40, 2, 5, 0.1, 30
ENSEMBLE = Ensemble.draw(D, M, SEED, 0)
FACTOR = draw_factor({"kind": "columns"}, D, RANK, SEED, 0)
TARGET = torch.from_numpy(FACTOR @ FACTOR.T)[None]


def end_of(algorithm, **told):
    """Return X at the end of a run; what it is not told is the default."""
    run = {**options.of_runs(algorithm), "m": M, "step": STEP, "iterations": COUNT, "target": 0, "alpha": 0.3, **told}
    ends, labels = Ends(), ENSEMBLE.label(TARGET)
    Descent(Batch(ENSEMBLE, plugins.algorithm(algorithm), [run], TARGET, labels, [ends], SEED)).run()
    return ends.memory["estimates"][0].numpy()


def test_it_keeps_the_contract_on_every_ensemble_that_fits():
    check_algorithm("myalgorithm")


def test_it_is_the_plain_loop():
    matrices = plain.unpack(ENSEMBLE.rows.numpy(), D)
    labels, u = plain.measure(matrices, TARGET[0].numpy()), 0.3 * np.eye(D)
    for _ in range(COUNT):
        gradient = plain.gradient(matrices, u @ u.T, labels)
        u = u - STEP * (gradient @ u + 0.2 * u)
    np.testing.assert_allclose(end_of("myalgorithm", decay=0.2), u @ u.T, atol=1e-12)


def test_without_decay_it_is_factored_descent():
    np.testing.assert_allclose(end_of("myalgorithm", decay=0.0), end_of("factored"), atol=1e-12)
