"""Predictions without a fit against simulations and closed forms, measurements against plain loops, the figure."""

import numpy as np
import pandas as pd
import plain
import pytest
from conftest import gaussian_matrices, measured, refused
from drawn import crossed, curve, same
from scipy.optimize import least_squares

from algoreg.chapters.sharp_constants import ledger, predictions
from algoreg.chapters.sharp_constants.experiments import first_count, spectral_overlap
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.seeds import stream
from algoreg.numerics.trace_minimisation import minimum_trace
from algoreg.reporting.figures import draw

SEED = 5


def star(d, rank, number):
    factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0] * rank}, d, rank, SEED, number)
    return factor @ factor.T


def test_costs_are_those_of_thresholds_of_a_spiked_wigner_matrix():
    d, generator = 500, np.random.default_rng(0)
    normal = generator.normal(size=(d, d))
    for s in (0.2, 0.5):
        # Off-diagonal variance s²/d: the edge is 2s.
        noisy = s * (normal + normal.T) / np.sqrt(2 * d)
        noisy[0, 0] += 1
        values, vectors = np.linalg.eigh(noisy)
        for method, shrink in (("least_squares", 0), ("penalised", 2 * s)):
            made = (values[-1] - shrink) * np.outer(vectors[:, -1], vectors[:, -1])
            made[0, 0] -= 1
            np.testing.assert_allclose(np.sum(made**2), predictions.COSTS[method](s), rtol=0.15)
        np.testing.assert_allclose(vectors[0, -1] ** 2, predictions.overlap(1 / (2 * s**2)), atol=0.05)


@pytest.mark.parametrize("method", ["least_squares", "penalised"])
def test_the_spread_solves_its_equation(method):
    s = predictions.spread(method, 0.3, 6)
    np.testing.assert_allclose(s**2, 0.3**2 + predictions.COSTS[method](s) / 12, rtol=1e-12)
    assert predictions.spread(method, 0.3, np.inf) == 0.3
    assert np.isnan(predictions.squared_error("least_squares", 0.3, 0.9))


def test_the_mean_first_count_is_that_of_a_wedge_at_d_2():
    # At d = 2 and rank 1 the cone is a line times a wedge of 45°: v₀ = 3/8, v₁ = 1/2, v₂ = 1/8.
    np.testing.assert_allclose(predictions.mean_first_count(2, 1), 1 + 0.5 + 2 / 8 + 0.5, atol=0.03)


@pytest.mark.witness("noisy_thresholds", "error", "over", "over_noise")
def test_errors_under_noise_are_those_of_plain_minimisers():
    d, ratio, x = 5, 6.0, 0.15
    options = {"d": [d], "rank": 1, "m_over_dr": ratio, "noise": [x, 0.3], "iterations": 2000}
    table = measured("noisy_thresholds", options, seed=SEED, ensembles=[3]).set_index(["method", "noise"])
    m, planted = 30, star(d, 1, 3)
    matrices = gaussian_matrices(d, m, SEED, 3)
    normal = stream("sharp-noise", d=d, m=m, seed=SEED, draw=3).standard_normal(m)
    labels = plain.measure(matrices, planted) + x * np.sqrt(2 * m / d) * normal
    begin = np.linalg.eigh(planted)[1][:, -1]
    fit = least_squares(lambda u: plain.measure(matrices, np.outer(u, u)) - labels, begin, xtol=1e-14, ftol=1e-14)
    error = np.sum((np.outer(fit.x, fit.x) - planted) ** 2)
    np.testing.assert_allclose(table.loc[("least_squares", x), "error"], error, rtol=1e-6)
    penalty, made = predictions.penalty(x, d, 1, ratio), np.zeros((d, d))
    for _ in range(3000):
        values, vectors = np.linalg.eigh(made - 0.2 * (plain.gradient(matrices, made, labels) + penalty * np.eye(d)))
        made = (vectors * np.maximum(values, 0)) @ vectors.T
    row = table.loc[("penalised", x)]
    np.testing.assert_allclose(row["error"], np.sum((made - planted) ** 2), rtol=1e-6)
    np.testing.assert_allclose(row["over"], row["error"] / predictions.squared_error("penalised", x, ratio))
    np.testing.assert_allclose(row["over_noise"], row["error"] / predictions.COSTS["penalised"](x))


@pytest.mark.witness("spectral_overlap", "overlap", "off", "off_freedom")
def test_the_overlap_is_that_of_plain_measurements(monkeypatch):
    monkeypatch.setattr(spectral_overlap, "Ensemble", Ensemble)
    table = measured("spectral_overlap", {"d": [6], "m_over_d": [2.0]}, seed=SEED, ensembles=[2])
    matrices, planted = gaussian_matrices(6, 12, SEED, 2), star(6, 1, 2)
    vector = np.linalg.eigh(np.tensordot(plain.measure(matrices, planted), matrices, 1))[1][:, -1]
    (row,) = table.to_dict("records")
    np.testing.assert_allclose(row["overlap"], vector @ planted @ vector, rtol=1e-10)
    np.testing.assert_allclose([row["off"], row["off_freedom"]], [row["overlap"] - 0.75, row["overlap"] - 0.5])


@pytest.mark.witness("first_count", "first_m", "over", "over_freedom")
def test_the_first_count_is_that_of_another_solver_tried_one_by_one():
    table = measured("first_count", {"d": [3], "rank": [1]}, seed=SEED, ensembles=[0, 1, 2])
    for number, first in table.set_index("ensemble")["first_m"].items():
        matrices, planted = gaussian_matrices(3, 6, SEED, number), star(3, 1, number)
        labels, rows = plain.measure(matrices, planted), plain.pack(matrices)
        found = [minimum_trace(rows[:m], 3, labels[:m], "scs")[0] for m in range(1, 7)]
        near = [x is not None and np.linalg.norm(x - planted) < 1e-3 for x in found]
        assert near.index(True) + 1 == first
        assert all(near[first - 1 :])
    np.testing.assert_allclose(table["over"], table["first_m"] / predictions.mean_first_count(3, 1))
    # A matrix of rank 1 has d free numbers.
    np.testing.assert_allclose(table["over_freedom"], table["first_m"] / 3)


def test_bisection_finds_where_a_rule_begins():
    for begin in range(3, 10):
        assert first_count.first_count(lambda m, begin=begin: m >= begin, 3, 9) == begin


def test_options_that_cannot_be_are_refused():
    refused("sharp_noise", "allowed is rank at most d", rank=50)
    refused("sharp_overlap", "greater than 0", d=[0])


@pytest.fixture
def tables():
    noise = crossed(
        ["error", "over", "over_noise"],
        1,
        d=[40],
        method=["least_squares", "penalised"],
        noise=[0.1, 0.6],
        target=[0, 1],
    )
    over = crossed(["overlap"], 2, d=[400], m_over_d=[0.25, 1.0, 3.0], target=[0, 1])
    first = crossed(["over", "over_freedom"], 3, d=[8, 12], rank=[2], target=[0, 1])
    found = crossed(["test_error"], 4, d=[50], m_over_dr=[1.0, 1.4], target=[0, 1])
    found["test_error"] = np.where(found["m_over_dr"] > 1.2, 0.01, 0.5)
    return {
        "sharp_noise": noise.assign(ensemble=noise["target"], rank=2, m=480, predicted=1.0),
        "sharp_overlap": over.assign(ensemble=over["target"], predicted=0.5),
        "sharp_least_trace": first.assign(
            ensemble=first["target"], first_m=4 * first["d"] + first["target"], predicted=30.0
        ),
        "sharp_descent": found.assign(ensemble=found["target"]),
    }


def test_the_figure_shows_means_and_predictions(tables):
    noise, overlap, least, descent = draw("sharp_constants", tables).axes
    own = tables["sharp_noise"]
    same(curve(noise, "penalised"), own[own["method"] == "penalised"].groupby("noise")["error"].mean())
    line = [line for line in noise.lines if len(line.get_xdata()) == 60][1]
    for x, y in zip(line.get_xdata()[::20], line.get_ydata()[::20], strict=True):
        np.testing.assert_allclose(y, predictions.squared_error("penalised", x, 6))
    same(curve(overlap, "first eigenvector"), tables["sharp_overlap"].groupby("m_over_d")["overlap"].mean())
    same(curve(least, "least trace, r = 2"), pd.Series({8: 32.5, 12: 48.5}))
    assert curve(descent, "descent from").to_dict() == {1.0: 0.0, 1.4: 1.0}
    assert "between m = 1dr and 1.4dr" in descent.get_title()


def test_the_ledger_has_means_and_shares(tables):
    assert "| 12 | 2 | 48.5 |" in ledger.sharp_first_counts(tables["sharp_least_trace"])
    assert "| 50 | 1.4 | 100% | 2 |" in ledger.sharp_shares(tables["sharp_descent"])
    own = tables["sharp_noise"]
    own = own[(own["method"] == "penalised") & (own["noise"] == 0.6)]
    assert f"| 40 | penalised | 0.6 | {own['error'].mean():.3g} | 1 |" in ledger.sharp_errors(tables["sharp_noise"])
    assert "| 400 | 3 |" in ledger.sharp_overlaps(tables["sharp_overlap"])
