"""The 2 × 2 problem in which rank one is infinitely far: gradients, starts, the law, and what a finite step loses."""

import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import measured, refused
from drawn import crossed, curve, drawn_law, geometric, level, margin, mean, same, where

from algoreg.chapters.norms.experiments import two_by_two
from algoreg.numerics.seeds import stream
from algoreg.reporting import figures

START = {"scale": 1e-3, "targets": 2}


def plain_loss(entries):
    """Return ½ Σ (W_ij − asked)² of W = [[a, b], [c, d]]."""
    (_, b), (c, d) = entries
    return ((b - 1) ** 2 + (c - 1) ** 2 + d**2) / 2


def plain_product(factors):
    found = np.eye(2)
    for factor in factors:
        found = factor @ found
    return found


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_gradients_are_those_of_finite_differences(depth):
    factors = np.random.default_rng(depth).standard_normal((depth, 2, 2))
    found, step = two_by_two.gradients(factors), 1e-6
    for place in np.ndindex(factors.shape):
        moved = [factors.copy(), factors.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        up, down = (plain_loss(plain_product(one)) for one in moved)
        assert found[place] == pytest.approx((up - down) / (2 * step), abs=1e-7)


@pytest.mark.parametrize("det", ["positive", "negative"])
def test_starts_are_balanced_of_the_scale_and_have_the_sign_of_det(det):
    rng = np.random.default_rng(1)
    for depth in (2, 3, 4):
        factors = two_by_two.balanced_start(depth, 1e-3, det, rng)
        for one, next_one in pairwise(factors):
            np.testing.assert_allclose(one @ one.T, next_one.T @ next_one, atol=1e-15)
        whole = plain_product(factors)
        assert (np.linalg.det(whole) > 0) == (det == "positive")
        assert 1e-5 < np.linalg.norm(whole) < 1e-2


def rows_of(options, ensembles=(0,)):
    return measured("two_by_two", START | options, seed=3, ensembles=ensembles)


def test_flow_follows_the_law_from_a_positive_det_and_stops_from_a_negative_one():
    options = {"motion": "flow", "depth": [3], "det": ["positive", "negative"], "loss": [1e-2, 1e-3, 1e-4], "most": 1e9}
    table = rows_of(options)
    last = table[table["accuracy"] == 1e4]
    growing = last[last["det"] == "positive"]
    np.testing.assert_allclose(growing["norm"], 1 / math.sqrt(2e-4), rtol=0.01)
    np.testing.assert_allclose(growing["law_over_norm"], 1, rtol=0.01)
    assert (last[last["det"] == "negative"]["norm"] < 15).all()
    assert set(table["flipped"]) == {0.0}


@pytest.mark.witness("two_by_two", "norm", "law_over_norm", "flipped")
def test_descent_is_a_plain_loop_and_loses_the_sign_at_depth_two():
    options = {"motion": "descent", "depth": [2], "det": ["positive"], "scale": 1e-6, "loss": [1e-1, 1e-2]}
    table = rows_of(options)
    factors = two_by_two.balanced_start(
        2, 1e-6, "positive", stream("balanced start", seed=3, ensemble=0, depth=2, target=1)
    )
    first, second = factors
    signs, iteration = set(), 0
    while plain_loss(second @ first) >= 1e-2 or iteration % two_by_two.EVERY:
        residual = (second @ first - [[0, 1], [1, 0]]) * [[0, 1], [1, 1]]
        first, second = first - 0.003 * second.T @ residual, second - 0.003 * residual @ first.T
        iteration += 1
        signs.add(np.sign(np.linalg.det(second)) * np.sign(np.linalg.det(first)))
    own = table[(table["target"] == 1) & (table["accuracy"] == 100)].iloc[0]
    assert own["time"] == pytest.approx(0.003 * iteration)
    assert own["norm"] == pytest.approx(abs((second @ first)[0, 0]), rel=1e-6)
    law = 1 / math.sqrt(2 * plain_loss(second @ first))
    assert own["law_over_norm"] == pytest.approx(law / abs((second @ first)[0, 0]), rel=1e-6)
    assert own["flipped"] == 1
    assert f"descent every {two_by_two.EVERY} steps" in two_by_two.VALUES["flipped"][1]
    assert signs == {-1.0, 1.0}


def test_a_sign_that_was_lost_and_came_back_was_lost():
    """Three looks at four runs that fit their entries at the last: of dets + + +, + − +, + + − and + − −."""
    fitting, far = np.array([[50.0, 1.0], [1.0, 0.0201]]), np.diag([2.0, 2.0])
    signs = np.array([[1, 1, 1], [1, -1, 1], [1, 1, -1], [1, -1, -1]])
    seen = two_by_two.Levels([0.01])
    seen.prepare(SimpleNamespace(runs=[{}] * len(signs)))
    for number, now in enumerate(signs.T):
        # Of what fits, W_11·W_22 is 1.005 or 0.995, to either side of W_12·W_21 = 1.
        products = [fitting - np.diag([0, 2e-4]) * (sign < 0) if number == 2 else far * [1, sign] for sign in now]
        factors = torch.from_numpy(np.stack([[np.eye(2), one] for one in products]))
        assert np.array_equal(np.sign(np.linalg.det(np.stack(products))), now)
        look = SimpleNamespace(active=np.arange(4), iteration=50 * number, state={"factors": factors})
        gone = seen.observe(look)
    assert gone.all()
    assert seen.memory["flipped"][:, 0].tolist() == [(row != row[0]).any() for row in signs]


def test_more_steps_than_can_be_looked_at_are_refused():
    refused("norm_descent", "most at most 10⁷ steps of descent", most=1e9)


def test_a_run_that_does_not_get_there_has_a_status_and_no_value():
    table = rows_of({"motion": "descent", "depth": [2], "det": ["positive"], "loss": [1e-1, 1e-2], "most": 1.0})
    assert set(table["status"]) == {"budget"}
    assert table["norm"].isna().all()


def test_norm_growth_shows_norms_their_laws_and_lost_signs():
    runs = {"accuracy": [10, 100, 1000, 10_000], "target": [0, 1], "ensemble": [0, 1]}
    flow = crossed(("norm",), depth=[2, 3], det=["positive", "negative"], **runs)
    end = crossed(("norm",), seed=1, **runs)
    descent = crossed((), depth=[2, 3], **runs)
    descent["flipped"] = (descent.index % 3 == 0) * 1.0
    deep, negative = (crossed(("norm",), seed=seed, **runs) for seed in (2, 3))
    tables = {"norm_flow": flow, "norm_descent_end": end, "norm_descent": descent}
    assert len(figures.draw("norm_growth", tables).axes) == 3
    tables |= {"norm_descent_deep": deep, "norm_descent_negative": negative}
    first, second, third = figures.draw("norm_growth", tables).axes
    for depth in (2, 3):
        for det in ("positive", "negative"):
            own = geometric(where(flow, depth=depth, det=det), "accuracy", "norm")
            same(curve(first, f"depth {depth}, det {det}"), own)
        same(curve(third, f"depth {depth}"), mean(where(descent, depth=depth), "accuracy", "flipped"))
    at_100 = geometric(where(flow, depth=2, det="positive"), "accuracy", "norm")[100]
    drawn_law(first, "margin: exponent", (100, at_100), margin("norms-to-infinity"))
    drawn_law(first, "1/√(2·loss)", (2, 1.0), 0.5)
    same(curve(second, "depth 2, det positive"), geometric(end, "accuracy", "norm"))
    same(curve(second, "depth 3"), geometric(deep, "accuracy", "norm"))
    same(curve(second, "depth 2, det negative"), geometric(negative, "accuracy", "norm"))
    near = curve(second, "margin: the law over")
    assert dict(near) == {10_000: pytest.approx(5000**0.5 / margin("razin-depth-2-published"))}
    assert level(third, "margin") == margin("norms-depth-2-loses-its-sign")
