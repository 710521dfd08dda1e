"""Moving subspaces against plain loops and by construction; the figure and the ledger."""

import numpy as np
import pytest
from conftest import measured, refused
from drawn import crossed, curve, geometric, level, margin, same

from algoreg.chapters.subspace import bases, ledger
from algoreg.chapters.subspace.experiments import moving_subspace
from algoreg.reporting.figures import draw

SEED = 5
OPTIONS = {"d": 8, "rank": 2, "alpha": 0.4, "step": 0.1, "iterations": 60}


def plain_path(target, known, layers, step, count):
    """Return W_1, …, W_N after every step, each gradient by a product of its own."""
    layers, found = [layer.copy() for layer in layers], []

    def product(some):
        made = np.eye(len(target))
        for layer in some:
            made = layer @ made
        return made

    for _ in range(count):
        change = known * (product(layers) - target)
        layers = [
            layer - step * product(layers[k + 1 :]).T @ change @ product(layers[:k]).T for k, layer in enumerate(layers)
        ]
        found.append(layers)
    return np.array(found)


@pytest.mark.witness("moving_subspace", "outside", "moved", "end_error")
@pytest.mark.parametrize(("start", "share"), [("orthogonal", 1.0), ("gaussian", 1.0), ("orthogonal", 0.5)])
def test_what_moves_is_that_of_a_plain_loop(start, share):
    options = {**OPTIONS, "depth": [3], "start": [start], "share": [share]}
    (row,) = measured("moving_subspace", options, seed=SEED, ensembles=[1]).to_dict("records")
    target = moving_subspace.drawn_target(start, {**OPTIONS, "kappa": 2.0}, SEED, 1)
    layers = moving_subspace.drawn_layers(start, 8, 3, 0.4, SEED, 1)
    known = moving_subspace.known_entries(8, share, SEED, 1)
    assert (known > 0).sum() == round(share * 64)
    path = plain_path(target, known, layers, 0.1, 60)[2::3]
    ends = path[:, 2] @ path[:, 1] @ path[:, 0]
    np.testing.assert_allclose(row["end_error"], np.linalg.norm(ends[-1] - target) / np.linalg.norm(target), rtol=1e-10)
    # What both A and AᵀW_3W_2W_1 send to 0, by a null space, and its images.
    begun = layers[2] @ layers[1] @ layers[0]
    _, values, right = np.linalg.svd(np.vstack([target, target.T @ begun]))
    basis, outside = right[(values > 1e-9).sum() :].T, 0.0
    assert basis.shape == (8, 4)
    for k in range(3):
        before = layers[k] @ basis
        for at in path:
            after = at[k] @ basis
            rho = np.vdot(before, after) / np.vdot(before, before)
            outside = max(outside, np.linalg.norm(after - rho * before) / np.linalg.norm(before))
        basis = np.linalg.qr(before)[0]
    np.testing.assert_allclose(row["outside"], outside, rtol=1e-8, atol=1e-13)
    assert (row["outside"] < 1e-12) == (start == "orthogonal" and share == 1)
    assert row["moved"] == (4 if row["outside"] < 1e-12 else 8)


@pytest.mark.witness("moving_subspace", "path", "path_rank")
def test_distances_of_paths_are_those_of_plain_loops():
    options = {**OPTIONS, "depth": [2], "start": ["orthogonal", "identity"], "share": [1.0]}
    table = measured("moving_subspace", options, seed=SEED, ensembles=[1]).set_index("start")
    target = moving_subspace.drawn_target("orthogonal", {**OPTIONS, "kappa": 2.0}, SEED, 1)
    layers = moving_subspace.drawn_layers("orthogonal", 8, 2, 0.4, SEED, 1)
    whole = plain_path(target, 1.0, layers, 0.1, 60)
    small, lift = bases.compressed(target, layers, bases.active_directions(target, layers))
    assert small.shape == (5, 5)
    path = plain_path(small, 1.0, np.stack([0.4 * np.eye(5)] * 2), 0.1, 60)
    np.testing.assert_allclose(lift(path[:, 1] @ path[:, 0]), whole[:, 1] @ whole[:, 0], atol=1e-13)
    assert (table["path"] < 1e-13).all()
    # r + 1 columns have the path of a full network whose target is projected onto the images of the kept directions.
    right = np.linalg.eigh(target.T @ target)[1][:, -2:]
    image = layers[1] @ layers[0] @ right / 0.4**2
    other = plain_path(image @ image.T @ target, 1.0, layers, 0.1, 60)
    away = (other[:, 1] @ other[:, 0] - whole[:, 1] @ whole[:, 0])[2::3]
    distance = np.linalg.norm(away, axis=(1, 2)).max() / np.linalg.norm(target)
    np.testing.assert_allclose(table.loc["orthogonal", "path_rank"], distance, rtol=1e-10)
    assert distance > 0.01
    assert table.loc["identity", "path_rank"] < 1e-13
    assert table.loc["identity", "moved"] == 2


def test_starts_have_one_size():
    for start in ("orthogonal", "gaussian", "identity"):
        layers = moving_subspace.drawn_layers(start, 40, 3, 0.3, SEED, 0)
        np.testing.assert_allclose(np.linalg.norm(layers, axis=(1, 2)), 0.3 * 40**0.5, rtol=0.1)
    orthogonal = moving_subspace.drawn_layers("orthogonal", 6, 2, 0.3, SEED, 0)
    np.testing.assert_allclose(orthogonal[0] @ orthogonal[0].T, 0.09 * np.eye(6), atol=1e-15)


def test_the_target_of_the_identity_is_positive_semidefinite():
    target = moving_subspace.drawn_target("identity", {**OPTIONS, "kappa": 2.0}, SEED, 0)
    np.testing.assert_allclose(np.linalg.eigvalsh(target)[-2:], [0.5, 1.0])
    np.testing.assert_allclose(target, target.T)


def test_too_large_a_rank_is_refused():
    refused("subspace_moves", "rank below d/2", rank=5)


@pytest.fixture
def table():
    made = crossed(
        ["outside", "path", "path_rank", "end_error"],
        3,
        depth=[2, 3],
        start=["orthogonal", "gaussian", "identity"],
        share=[0.5, 1.0],
        target=[0, 1],
    )
    return made.assign(ensemble=made["target"], d=24, rank=3, moved=6)


def test_the_figure_shows_what_moves_and_both_paths(table):
    left, right = draw("subspace", {"subspace_moves": table}).axes
    own = table[(table["start"] == "orthogonal") & (table["share"] == 1)]
    same(curve(left, "orthogonal layers"), geometric(own, "depth", "outside"))
    same(curve(right, "r + 1 columns"), geometric(own, "depth", "path_rank"))
    assert level(left, "margin: orthogonal layers below 10⁻¹⁰") == margin("subspace-invariant")


def test_the_ledger_has_means(table):
    own = table[(table["start"] == "gaussian") & (table["share"] == 1) & (table["depth"] == 3)]
    mean = np.exp(np.log(own["outside"]).mean())
    assert f"| gaussian | 1 | 3 | {mean:.3g} | 6 |" in ledger.subspace_table(table)
    # (24 / 7)³
    assert "7 columns in place of d = 24 it takes 40.3 times fewer" in ledger.subspace_cost(table)
