"""Classes of masks, descents on products against plain loops, least nuclear norms; the figure and the ledger."""

import itertools

import numpy as np
import pytest
from conftest import measured, refused
from drawn import crossed

from algoreg.chapters.connectivity import ledger, masks
from algoreg.chapters.connectivity.experiments import connectivity_depth, connectivity_masks, connectivity_random
from algoreg.reporting.figures import draw

SEED = 5


@pytest.mark.parametrize(("size", "classes"), [(1, 1), (2, 6), (3, 35)])
def test_masks_are_all_up_to_permutations_of_rows_and_columns(size, classes):
    found = masks.all_masks(size)
    assert len(found) == classes

    def orbit(mask):
        orders = list(itertools.permutations(range(size)))
        return frozenset(mask[np.ix_(a, b)].tobytes() for a in orders for b in orders)

    orbits = {orbit(mask.astype(int)) for mask in found}
    assert len(orbits) == classes
    # Every mask but the empty one is in one of them.
    assert sum(map(len, orbits)) == 2 ** (size**2) - 1


def test_kinds_are_those_of_the_graph():
    assert masks.kind_of(np.eye(3, dtype=int)) == "complete"
    assert masks.kind_of(np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]])) == "connected"
    assert masks.kind_of(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]])) == "parts"
    assert masks.kind_of(np.array([[1, 0, 0], [0, 0, 0], [0, 0, 0]])) == "connected"


def plain_descent(mask, target, layers, step, iterations, fitted):
    """Return X at the end, checked every 200 iterations, and its training error, each gradient by its products."""
    layers = [layer.copy() for layer in layers]

    def product(some):
        made = np.eye(len(target))
        for layer in some:
            made = layer @ made
        return made

    for count in range(1, iterations + 1):
        change = mask * (product(layers) - target)
        layers = [
            layer - step * product(layers[k + 1 :]).T @ change @ product(layers[:k]).T for k, layer in enumerate(layers)
        ]
        if count % 200 == 0 or count == iterations:
            error = np.linalg.norm(mask * (product(layers) - target)) / np.linalg.norm(mask * target)
            if error < fitted:
                break
    return product(layers), error


@pytest.mark.parametrize("depth", [2, 3])
def test_products_descend_as_in_a_plain_loop(depth):
    generator = np.random.default_rng(1)
    shown = generator.integers(0, 2, (3, 3, 3))
    shown[:, 0, 0] = 1
    targets, layers = generator.normal(size=(3, 3, 3)), 0.3 * generator.normal(size=(depth, 3, 3, 3))
    ends, errors = masks.descend(shown, targets, layers, 0.05, 500, 1e-3)
    for k in range(3):
        end, error = plain_descent(shown[k], targets[k], layers[:, k], 0.05, 500, 1e-3)
        np.testing.assert_allclose(ends[k], end, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(errors[k], error, rtol=1e-6, atol=1e-12)


@pytest.mark.witness("connectivity_masks", "second", "low_rank", "excess")
def test_rows_of_masks_are_those_of_a_plain_loop():
    options = {"d": 2, "alpha": [0.1], "iterations": 400}
    table = measured("connectivity_masks", options, seed=SEED, ensembles=[1])
    shown = masks.all_masks(2)
    assert sorted(table["target"]) == list(range(6, 12))
    for row in table.to_dict("records"):
        target, layers = connectivity_masks.drawn(2, SEED, 1, row["mask"], 0.1)
        assert np.linalg.matrix_rank(target) == 1
        end, error = plain_descent(shown[row["mask"]], target, layers, 0.1, 400, 1e-4)
        values = np.linalg.svd(end)[1]
        np.testing.assert_allclose([row["second"], row["train_error"]], [values[1] / values[0], error], rtol=1e-6)
        assert row["low_rank"] == (values[1] < 0.05 * values[0])
        assert row["m"] == shown[row["mask"]].sum()
        if row["kind"] == "complete":
            np.testing.assert_allclose(
                row["excess"], values.sum() / np.abs(shown[row["mask"]] * target).sum() - 1, atol=1e-5
            )


def test_the_least_nuclear_norm_is_that_of_what_is_known_whole():
    generator = np.random.default_rng(2)
    target = generator.normal(size=(3, 3))
    whole = connectivity_masks.least_nuclear_norm(np.ones((3, 3), int), target)
    np.testing.assert_allclose(whole, np.linalg.svd(target)[1].sum(), rtol=1e-5)
    # Blocks apart: zeros elsewhere are best.
    mask = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    blocks = np.linalg.svd(target[:2, :2])[1].sum() + abs(target[2, 2])
    np.testing.assert_allclose(connectivity_masks.least_nuclear_norm(mask, target), blocks, rtol=1e-5)


@pytest.mark.witness("connectivity_random", "second", "low_rank")
def test_rows_of_random_masks_are_those_of_a_plain_loop():
    options = {"d": 4, "m": 7, "alpha": [0.01, 0.3], "iterations": 400, "draws": 3}
    table = measured("connectivity_random", options, seed=SEED, ensembles=[1])
    assert sorted(table["target"].unique()) == [3, 4, 5]
    for row in table.to_dict("records"):
        mask, target, factors = connectivity_random.drawn(4, 7, SEED, row["target"])
        assert mask.sum() == 7
        np.testing.assert_allclose(np.linalg.svd(target)[1], [1, 0, 0, 0], atol=1e-12)
        end, error = plain_descent(mask, target, row["alpha"] * factors, 0.5, 400, 1e-4)
        values = np.linalg.svd(end)[1]
        np.testing.assert_allclose([row["second"], row["train_error"]], [values[1] / values[0], error], rtol=1e-6)
        assert row["low_rank"] == (values[1] < 0.05 * values[0])
        assert row["kind"] == masks.kind_of(mask)


@pytest.mark.witness("connectivity_depth", "second", "low_rank", "off_diagonal")
def test_rows_of_depths_are_those_of_a_plain_loop():
    options = {"d": 2, "depth": [3], "start": ["gaussian", "diagonal"], "size": 0.05, "iterations": 600, "draws": 2}
    table = measured("connectivity_depth", options, seed=SEED, ensembles=[0])
    for row in table.to_dict("records"):
        diagonal, layers = connectivity_depth.drawn(2, 3, row["start"], 0.05, SEED, row["target"])
        end, _ = plain_descent(np.eye(2), np.diag(diagonal), layers, 0.1, 600, 1e-4)
        values = np.linalg.svd(end)[1]
        np.testing.assert_allclose(row["second"], values[1] / values[0], rtol=1e-6)
        assert row["low_rank"] == (values[1] < 0.1 * values[0])
        off = np.linalg.norm(end - np.diag(np.diag(end))) / np.linalg.norm(np.diag(end))
        np.testing.assert_allclose(row["off_diagonal"], off, rtol=1e-6, atol=1e-12)
        assert (row["off_diagonal"] == 0) == (row["start"] == "diagonal")


def test_more_than_16_entries_are_refused():
    refused("connectivity_masks", "less than or equal to 4", d=5)


def test_more_entries_than_there_are_are_refused():
    refused("connectivity_random", "m at most d²", m=145)


@pytest.fixture
def tables():
    shown = crossed(["second"], 3, alpha=[1e-4, 1e-2], kind=["connected", "complete", "parts"], target=[0, 1])
    shown = shown.assign(ensemble=shown["target"], mask=shown["target"], low_rank=(shown["kind"] == "connected") * 1.0)
    shown["excess"] = np.where(shown["kind"] == "connected", np.nan, 0.25)
    depth = crossed(["second", "off_diagonal"], 4, depth=[2, 3], start=["gaussian", "diagonal"], target=[0, 1])
    depth = depth.assign(ensemble=depth["target"], d=3, low_rank=(depth["depth"] == 3) * 1.0)
    random = crossed(["second"], 5, alpha=[1e-9, 1e-4], kind=["connected", "parts"], target=[0, 1])
    random = random.assign(ensemble=random["target"], d=12, m=24, low_rank=(random["alpha"] == 1e-9) * 1.0)
    return {"connectivity_masks": shown, "connectivity_random": random, "connectivity_depth": depth}


def test_the_figure_shows_shares_below_levels(tables):
    left, right, below = draw("connectivity", tables).axes
    rows = tables["connectivity_masks"]
    rows = rows[(rows["alpha"] == 1e-4) & (rows["kind"] == "complete")]
    (line,) = [line for line in left.lines if line.get_label() == "several full blocks"]
    np.testing.assert_allclose(line.get_xdata(), sorted(rows["second"]))
    np.testing.assert_allclose(line.get_ydata(), [0.5, 1.0])
    assert "100% of runs on connected masks" in left.get_title()
    assert "100% at α = 10⁻⁹, 0% at α = 10⁻⁴" in right.get_title()
    assert "3 Gaussian factors end at rank 1 in 100% of runs" in below.get_title()


def test_the_ledger_has_shares_and_excesses(tables):
    assert "| 0.0001 | complete | 2 | 2 | 0 |" in ledger.connectivity_kinds(tables["connectivity_masks"])
    assert "| 0.25 |" in ledger.connectivity_kinds(tables["connectivity_masks"])
    assert "| 1e-09 | connected | 2 | 1 |" in ledger.connectivity_shares(tables["connectivity_random"])
    assert "| 3 | gaussian | 2 | 1 |" in ledger.connectivity_depths(tables["connectivity_depth"])
