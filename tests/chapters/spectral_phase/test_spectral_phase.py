"""The first phase against a plain loop, its angles by hand, what is refused, and what its claims measure."""

import numpy as np
import pandas as pd
import plain
import pytest
import torch
from conftest import gaussian_matrices, measured, refused

from algoreg.algorithms.factored import start_matrix
from algoreg.chapters.spectral_phase import estimands
from algoreg.chapters.spectral_phase.experiments import spectral_phase
from algoreg.claims.intervals import UNDEFINED
from algoreg.numerics.problems import draw_factor

pytestmark = pytest.mark.replicates(200)

D, RANK, M, SEED, TARGET, ALPHA, STEP = 12, 2, 72, 5, 1, 1e-5, 0.5


def largest_sine(first, second):
    """Return the sine of the largest principal angle, by singular values of the product."""
    return np.sqrt(max(1 - np.linalg.svd(first.T @ second, compute_uv=False).min() ** 2, 0))


@pytest.mark.witness("spectral_phase", "predicted", "preference", "smallest_error")
@pytest.mark.parametrize(("width", "columns"), [("2r", 2 * RANK), ("d", D)])
def test_a_run_is_that_of_a_plain_loop(width, columns):
    options = {"d": D, "rank": RANK, "m_over_dr": 3, "width": [width], "alpha": [ALPHA], "targets": 2}
    table = measured("spectral_phase", options, seed=SEED)
    (row,) = table[table["target"] == TARGET].to_dict("records")
    matrices = gaussian_matrices(D, M, SEED)
    factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0, 1.0]}, D, RANK, SEED, TARGET)
    labels = plain.measure(matrices, factor @ factor.T)
    u = ALPHA * start_matrix("gaussian", D, SEED, TARGET).numpy()[:, :columns]
    pulled = np.tensordot(labels, matrices, 1) / M
    values, vectors = np.linalg.eigh(pulled)
    errors, early = [], None
    for t in range(round((60 + 5 * np.log(1 / ALPHA)) / STEP) + 1):
        x = u @ u.T
        errors.append(plain.relative_error(x, factor @ factor.T))
        if early is None and np.linalg.norm(x) > 1e-3:
            early = t
            own = np.linalg.eigh(x)[1][:, -RANK:]
        u = plain.factored(u, matrices, labels, STEP, 1)
    assert row["early"] == early
    np.testing.assert_allclose(row["angle_to_labels"], largest_sine(own, vectors[:, -RANK:]), rtol=1e-5)
    np.testing.assert_allclose(row["angle_to_target"], largest_sine(own, factor), rtol=1e-5)
    np.testing.assert_allclose(row["preference"], row["angle_to_labels"] / row["angle_to_target"])
    np.testing.assert_allclose(row["smallest_error"], min(errors), rtol=1e-4)
    np.testing.assert_allclose(row["predicted"], 2 * (1 - values[-RANK - 1] / values[-RANK:].mean()), rtol=1e-9)


def test_the_sine_between_planes_that_are_turned_by_a_known_angle():
    first = torch.eye(4, dtype=torch.float64)[None, :, :2]
    second = first.clone()
    second[0, :, 1] = torch.tensor([0, np.cos(0.3), np.sin(0.3), 0])
    assert spectral_phase.sine(first, second).item() == pytest.approx(np.sin(0.3))


def test_bad_options_are_named():
    refused("phase_few", "m below d(d+1)/2", m_over_dr=4)
    refused("phase_few", "twice the rank at most d", rank=7, m_over_dr=0.1)


def errors_table(powers, predicted):
    """Return a table of errors α^power by width, with spread over two targets and three ensembles."""
    rows = []
    for width, power in powers.items():
        for alpha in (1e-2, 1e-4, 1e-6):
            for target in range(2):
                for ensemble in range(3):
                    names = {"width": width, "alpha": alpha, "target": target, "ensemble": ensemble}
                    error = alpha**power * (1 + 0.1 * target + 0.2 * ensemble)
                    rows.append({**names, "smallest_error": error, "predicted": predicted})
    return {"phase": pd.DataFrame(rows)}


@pytest.mark.known_answer("exponent_over_predicted", "exponents_apart")
def test_exponents_are_compared_with_each_other_and_with_the_gap():
    tables, rng = errors_table({"r": 0.0, "2r": 0.9, "d": 0.8}, 0.5), np.random.default_rng(0)
    fixed = {"table": "phase", "value": "smallest_error", "along": "alpha"}
    apart = estimands.exponents_apart(tables, {}, rng, by="width", pair=["2r", "d"], **fixed)
    assert apart.value == pytest.approx(0.1)
    own = {"where": {"width": ["d"]}, "predicted": "predicted", **fixed}
    assert estimands.exponent_over_predicted(tables, {}, rng, **own).value == pytest.approx(0.8 / 0.5 - 1)
    half = {"phase": tables["phase"].assign(predicted=0.4)}
    assert estimands.exponent_over_predicted(half, {}, rng, **own).value == pytest.approx(1)
    beside = estimands.exponent_over_predicted(tables, {}, rng, **{**own, "predicted": 2})
    assert beside.value == pytest.approx(1 - 0.8 / 2)
    exact = {"phase": tables["phase"].assign(smallest_error=0.0)}
    assert estimands.exponent_over_predicted(exact, {}, rng, **own) == UNDEFINED


@pytest.mark.known_answer("correlation_with_predicted")
def test_exponents_of_single_runs_are_beside_their_own_predictions_or_those_of_runs_that_share_nothing():
    powers = np.random.default_rng(0).uniform(0.5, 1, (2, 3))
    rows = [
        {
            "alpha": alpha,
            "target": t,
            "ensemble": e,
            "smallest_error": alpha ** powers[t, e],
            "predicted": 2 * powers[t, e],
        }
        for alpha in (1e-2, 1e-4, 1e-6)
        for t, e in np.ndindex(powers.shape)
    ]
    own = {"table": "phase", "value": "smallest_error", "along": "alpha", "predicted": "predicted"}
    # Runs of another kind, whose exponents fall where their predictions grow.
    frame = pd.DataFrame(rows).assign(kind="asked")
    others = frame.assign(kind="other", predicted=-frame["predicted"])
    own["where"] = {"kind": "asked"}
    tables, rng = {"phase": pd.concat([frame, others])}, np.random.default_rng(0)
    against = estimands.correlation_with_predicted(tables, {}, rng, **{**own, "where": {"kind": "other"}})
    assert (against.value, against.low) == (pytest.approx(-1), -1.0)
    related = estimands.correlation_with_predicted(tables, {}, rng, **own)
    assert (related.value, related.high) == (pytest.approx(1), 1.0)
    apart = [
        np.corrcoef([(powers[t, e], powers[t - 1, (e - by) % 3]) for t, e in np.ndindex(powers.shape)], rowvar=False)[
            0, 1
        ]
        for by in (1, 2)
    ]
    control = estimands.correlation_with_predicted(tables, {}, rng, **own, others=True)
    assert control.value == pytest.approx(np.mean(apart))
    assert control.low >= -1
