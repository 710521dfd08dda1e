"""Polyak's step: the contract of every algorithm, a plain loop, and that its chapter is found."""

import numpy as np
import torch

from algoreg import plugins
from algoreg.settings import checking
from algoreg.testing import check_algorithm, small_batch


def test_it_keeps_the_contract_on_every_ensemble_that_fits():
    check_algorithm("polyak")


def test_it_is_the_plain_loop():
    batch = small_batch("polyak", "gaussian", step=1.0, start="identity")
    algorithm = batch.algorithm(batch.ensemble, batch.labels, batch.runs, batch.seed)
    state = algorithm.advance(algorithm.initial(), 0, 5)
    d, m = batch.ensemble.d, batch.ensemble.m
    # In packed rows entries off the diagonal are multiplied by √2.
    rows, (i, j) = batch.ensemble.rows.numpy(), np.triu_indices(d)
    matrices = np.zeros((m, d, d))
    matrices[:, i, j] = matrices[:, j, i] = rows / np.where(i == j, 1, np.sqrt(2))
    for run in range(2):
        u, labels = 0.5 * np.eye(d), batch.labels[run].numpy()
        for _ in range(5):
            residual = np.array([np.sum(a * (u @ u.T)) for a in matrices]) - labels
            loss = np.sum(residual**2) / (2 * m)
            gradient = sum(2 * r * a @ u for r, a in zip(residual, matrices, strict=True)) / m
            u = u - loss / np.sum(gradient**2) * gradient
        np.testing.assert_allclose(state["factor"][run], u, atol=1e-12)


def test_at_a_target_it_stays():
    batch = small_batch("polyak", "gaussian", step=1.0)
    algorithm = batch.algorithm(batch.ensemble, batch.ensemble.label(torch.eye(4).double()[None]), batch.runs[:1], 0)
    state = algorithm.advance({"factor": torch.eye(4).double()[None]}, 0, 3)
    torch.testing.assert_close(state["factor"][0], torch.eye(4).double())


def test_its_chapter_and_its_claim_are_found():
    assert plugins.chapters()["polyak"].parent.name == "chapters"
    assert plugins.module_name("algorithms", "polyak") == "algoreg_polyak.algorithms.polyak"
    (claim,) = (claim for claim in checking.load_claims() if claim["chapter"] == "polyak")
    assert claim["id"] == "polyak-recovers"
