"""The public checks: what breaks one equation of the contract is named by it."""

import pytest
import torch

from algoreg import testing
from algoreg.algorithms import factored
from algoreg.ensembles import gaussian

Descent = factored.Algorithm


def one_step(self, state, iteration, count):
    """Take one step, however many are asked for."""
    return Descent.advance(self, state, iteration, 1)


def mean_of_runs(self, state, iteration, count):
    """Let every run of a batch go on from the mean of them all."""
    state = Descent.advance(self, state, iteration, count)
    return {name: tensor.mean(0, keepdim=True).expand_as(tensor).clone() for name, tensor in state.items()}


def memory_beside_the_state(self, state, iteration, count):
    """Remember outside the state, where no checkpoint sees it, when this object was first asked."""
    self.first = getattr(self, "first", iteration)
    state = Descent.advance(self, state, iteration, count)
    return {name: tensor * (1 + 1e-6 * self.first) ** count for name, tensor in state.items()}


def no_step(self, state, iteration, count):
    return state


def labels_beyond(self, state, iteration, count):
    """Read also the labels that a run does not know."""
    for _ in range(count):
        state = {name: tensor + self.labels.square().sum(1)[:, None, None] for name, tensor in state.items()}
    return state


def overwriting(self, state):
    return state["factor"].mul_(0.5) @ state["factor"].mT


@pytest.mark.parametrize(
    ("method", "change", "said"),
    [
        ("advance", one_step, "steps: taken at once|batch: runs"),
        ("advance", mean_of_runs, "batch: runs"),
        ("advance", memory_beside_the_state, "resume: a restored descent"),
        ("advance", no_step, "estimate: two steps do not change it"),
        ("advance", labels_beyond, "prefix: half"),
        ("estimate", overwriting, "estimate: it changes the state|batch: runs"),
        ("estimate", lambda self, state: -state["factor"] @ state["factor"].mT, "estimate: UUᵀ and X"),
        ("factor", lambda self, state: 2 * state["factor"], "estimate: UUᵀ and X"),
    ],
)
def test_what_breaks_an_algorithms_contract_is_named(monkeypatch, method, change, said):
    monkeypatch.setattr(factored, "Algorithm", type("Broken", (Descent,), {method: change}))
    with pytest.raises(AssertionError, match=f"^factored on gaussian: ({said})"):
        testing.check_algorithm("factored", "gaussian")


class Unsymmetric(gaussian.Ensemble):
    def adjoint(self, weights):
        return super().adjoint(weights) * (1 + 1e-9)


class Steep(gaussian.Ensemble):
    def gradient(self, matrices, labels):
        return 2 * super().gradient(matrices, labels)

    def gradient_and_residual(self, matrices, labels):
        gradient, residual = super().gradient_and_residual(matrices, labels)
        return 2 * gradient, residual


class Fast(gaussian.Ensemble):
    def descend(self, factors, steps, labels, count):
        return super().descend(factors, steps, labels, count + 1)


class Redrawn(gaussian.Ensemble):
    @classmethod
    def draw(cls, d, m, seed, ensemble, device="cpu", dtype=torch.float64):
        return super().draw(d, m, seed + m, ensemble, device, dtype)


class Reversed(gaussian.Ensemble):
    def select(self, indices):
        return super().select(indices.flip(0))


class Constant(gaussian.Ensemble):
    @classmethod
    def draw(cls, d, m, seed, ensemble, device="cpu", dtype=torch.float64):
        return super().draw(d, m, seed, 0, device, dtype)


class Open(gaussian.Ensemble):
    provides = gaussian.Ensemble.provides - {"prefixes"}


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Unsymmetric, "adjoint: ⟨𝒜"),
        (Steep, "gradient: .f"),
        (Fast, "factor: descend"),
        (Redrawn, "prefix: the first labels"),
        (Reversed, "select"),
        (Constant, "draw: another number"),
        (Open, "prefix: it shares 12 of 24"),
    ],
)
def test_what_breaks_an_ensembles_contract_is_named(monkeypatch, broken, said):
    monkeypatch.setattr(gaussian, "Ensemble", broken)
    with pytest.raises(AssertionError, match=f"^gaussian: {said}"):
        testing.check_ensemble("gaussian")


def test_an_algorithm_that_no_ensemble_fits_and_an_option_without_a_value_are_refused(monkeypatch):
    monkeypatch.setattr(factored.Algorithm, "requires", frozenset({"a miracle"}))
    with pytest.raises(ValueError, match="factored: no ensemble provides"):
        testing.check_algorithm("factored")
    monkeypatch.setattr(testing, "REQUIRED_OPTIONS", {})
    with pytest.raises(ValueError, match="factored: alpha: give the option a default"):
        testing.small_batch("factored", "gaussian")
