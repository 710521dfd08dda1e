"""What descent passes, against a plain loop; what is refused."""

from itertools import product

import numpy as np
import pandas as pd
import plain
import pytest
from conftest import gaussian_matrices, measured, refused

from algoreg.algorithms.factored import start_matrix
from algoreg.chapters.incremental import ledger
from algoreg.chapters.incremental.experiments.incremental import FITTING
from algoreg.numerics.problems import draw_factor

D, VALUES, M, SEED, TARGET, ALPHA, STEP = 12, [1.0, 0.5], 72, 5, 1, 1e-4, 0.4
OPTIONS = {"d": D, "eigenvalues": VALUES, "m_over_dr": 3}


def drawn():
    """Return the matrices, the labels and the target's factor, drawn by the names of their streams."""
    matrices = gaussian_matrices(D, M, SEED)
    factor = draw_factor({"kind": "spectrum", "eigenvalues": VALUES}, D, 2, SEED, TARGET)
    return matrices, plain.measure(matrices, factor @ factor.T), factor


def fit_of(rank, matrices, labels):
    """Return the best fit of a rank by a plain loop."""
    start = plain.spectral_start(matrices, labels, rank)
    u = plain.factored(start, matrices, labels, STEP, round(FITTING / (STEP * VALUES[-1])))
    return u @ u.T


@pytest.mark.witness("incremental", "nearest_to_fit", "nearest_to_truncation")
@pytest.mark.parametrize(("width", "columns"), [("r", 2), ("d", D)])
def test_the_nearest_passes_are_those_of_a_plain_loop(width, columns):
    table = measured("incremental", {**OPTIONS, "width": [width], "alpha": [ALPHA], "targets": 2}, seed=SEED)
    matrices, labels, factor = drawn()
    u, estimates = ALPHA * start_matrix("gaussian", D, SEED, TARGET).numpy()[:, :columns], []
    for _ in range(round((16 + np.log(1 / ALPHA)) / (STEP * VALUES[-1])) + 1):
        estimates.append(u @ u.T)
        u = plain.factored(u, matrices, labels, STEP, 1)
    for row in table[table["target"] == TARGET].to_dict("records"):
        fit, cut = fit_of(row["s"], matrices, labels), factor[:, : row["s"]] @ factor[:, : row["s"]].T
        apart = np.array([np.linalg.norm(x - fit) for x in estimates]) / np.linalg.norm(fit)
        np.testing.assert_allclose(row["nearest_to_fit"], apart.min(), rtol=1e-5, atol=1e-9)
        beside = min(np.linalg.norm(x - cut) for x in estimates) / np.linalg.norm(cut)
        np.testing.assert_allclose(row["nearest_to_truncation"], beside, rtol=1e-5, atol=1e-9)
        if row["s"] == 1:
            assert row["passed"] == apart.argmin()
            np.testing.assert_allclose(row["apart"], np.linalg.norm(fit - cut) / np.linalg.norm(fit), rtol=1e-6)


def test_a_fit_of_lower_rank_is_where_descent_of_its_width_stays():
    matrices, labels, _ = drawn()
    values, vectors = np.linalg.eigh(fit_of(1, matrices, labels))
    u = vectors[:, -1:] * np.sqrt(values[-1])
    np.testing.assert_allclose(plain.gradient(matrices, u @ u.T, labels) @ u, 0, atol=1e-8)
    np.testing.assert_allclose(values[:-1], 0, atol=1e-12)


def test_the_course_has_the_eigenvalues_of_a_plain_loop():
    table = measured("incremental_course", {**OPTIONS, "alpha": ALPHA, "every": 10, "targets": 2}, seed=SEED)
    matrices, labels, _ = drawn()
    u = plain.factored(ALPHA * start_matrix("gaussian", D, SEED, TARGET).numpy(), matrices, labels, STEP, 40)
    own = table[(table["target"] == TARGET) & (table["iteration"] == 40)].set_index("s")
    np.testing.assert_allclose(own["eigenvalue"], np.linalg.eigvalsh(u @ u.T)[::-1][:2], rtol=1e-8)
    fit = fit_of(2, matrices, labels)
    np.testing.assert_allclose(own["distance"][2], np.linalg.norm(u @ u.T - fit) / np.linalg.norm(fit), rtol=1e-8)
    np.testing.assert_allclose(own["fitted"][2], np.linalg.eigvalsh(fit)[-2], rtol=1e-8)


def test_bad_options_are_named():
    refused("incremental", "equal ones are learned together", eigenvalues=[1.0, 0.9])
    refused("incremental", "m below d(d+1)/2", m_over_dr=4)
    refused("incremental_course", "equal ones are learned together", eigenvalues=[1.0, 0.9])
    refused("incremental_course", "m below d(d+1)/2", m_over_dr=4)
    refused("incremental_course", "width = [\"r\"]: Input should be 'd'", width=["r"])


def test_powers_stand_beside_the_ratio_of_eigenvalues():
    """Tables whose distances are powers of α that differ by table and by s."""
    tables = []
    for power in (0.5, 0.25, 0.125):
        names = product(("d", "r"), (1, 2), (1e-2, 1e-4, 1e-6))
        rows = [
            {"width": width, "s": s, "alpha": alpha, "d": 40, "nearest_to_fit": 3 * alpha ** (power / s)}
            # The rank's width is not asked for.
            if width == "d"
            else {"width": width, "s": s, "alpha": alpha, "d": 40, "nearest_to_fit": 1.0}
            for width, s, alpha in names
        ]
        tables.append(pd.DataFrame(rows))
    lines = ledger.powers_by_spectrum(*tables).splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells == [
        ["0.35", "40", "0.5", "0.25"],
        ["0.5", "40", "0.25", "0.125"],
        ["0.7", "40", "0.125", "0.0625"],
    ]
