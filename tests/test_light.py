"""Without the compiler's package torch's own operations serve: the same numbers up to the order of sums."""

import numpy as np
import pytest
import torch

from algoreg.engine.kernels import build, library
from algoreg.ensembles import gaussian, gram
from algoreg.recover import LowRankMatrixRegressor, MatrixCompleter, StateRegressor

CPU = torch.device("cpu")


def refuse(*arguments, **options):
    raise AssertionError("compiled loops are asked for")


@pytest.fixture
def without(monkeypatch):
    """Return a function after which the compiler is gone, and whoever asks for compiled loops fails."""

    def leave():
        monkeypatch.setattr(build, "compiler_is_there", lambda: False)
        monkeypatch.setattr(build, "load", refuse)
        monkeypatch.setattr(library, "_compiled", {})

    return leave


def numbers(ensemble, d, m):
    """Return what an ensemble computes of symmetric matrices, factors and labels."""
    rng = np.random.default_rng(0)
    matrices, factors = (torch.from_numpy(rng.standard_normal((2, d, d))) for _ in range(2))
    matrices = matrices + matrices.mT
    labels = ensemble.label(matrices)
    steps, momentum = torch.tensor([0.01, 0.02], dtype=torch.float64), torch.tensor([0.3, 0.5], dtype=torch.float64)
    found = [
        ensemble.gradient(factors @ factors.mT, labels),
        ensemble.descend(factors.clone(), steps, labels, 3),
        *ensemble.accelerate(factors.clone(), factors.clone(), steps, momentum, labels, 3),
    ]
    if isinstance(ensemble, gaussian.Ensemble):
        found += [
            ensemble.measure(matrices),
            ensemble.adjoint(labels),
            *ensemble.gradient_and_residual(matrices, labels),
        ]
    return found


@pytest.mark.parametrize("kind", ["gaussian", "gram"])
def test_ensembles_compute_the_same(kind, without):
    d, m = 5, 40
    drawn = gaussian.Ensemble.draw(d, m, 0, 0, CPU, torch.float64)
    if kind == "gram":
        drawn = gram.Ensemble(drawn.rows.mT @ drawn.rows / m, d, m)
    compiled = numbers(drawn, d, m)
    without()
    for own, other in zip(numbers(drawn, d, m), compiled, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-11, atol=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_estimators_find_the_same(without):
    rng = np.random.default_rng(0)
    u = rng.standard_normal((5, 1))
    A = rng.standard_normal((120, 5, 5))
    y = np.einsum("mij,ij->m", A, u @ u.T)
    rows, columns = np.nonzero(rng.random((12, 10)) < 0.7)
    entries = np.stack([rows, columns], axis=1)
    values = 3 + rows * columns / 50

    def fitted():
        told = {"stop": "budget", "max_iter": 60, "alpha": 0.1}
        yield LowRankMatrixRegressor(**told).fit(A, y).matrix_
        yield (
            LowRankMatrixRegressor(**told, vectors=True)
            .fit(A[:, 0], np.einsum("mi,ij,mj->m", A[:, 0], u @ u.T, A[:, 0]))
            .matrix_
        )
        yield MatrixCompleter(**told, method="factored").fit(entries, values).matrix_
        yield StateRegressor().fit(["X", "Y", "Z"], [0.3, 0.1, 0.8], shots=100).matrix_

    compiled = list(fitted())
    without()
    for own, other in zip(fitted(), compiled, strict=True):
        assert np.allclose(own, other, rtol=1e-8, atol=1e-9)
