"""Laws of measurements by definition, descents against plain loops, estimands on made-up tables, the figure."""

import numpy as np
import plain
import pytest
from conftest import gaussian_matrices, measured, refused
from drawn import crossed, curve, same
from test_short_types import nearest_bfloat16

from algoreg.chapters.universality import estimands, ledger
from algoreg.chapters.universality.ensembles import student_t
from algoreg.claims.intervals import UNDEFINED
from algoreg.ensembles.signs import sign_bits
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.seeds import stream
from algoreg.reporting.figures import draw
from algoreg.testing import check_ensemble

SEED, D, NUMBER = 5, 5, 3
OPTIONS = {
    "d": [D], "rank": 1, "ratios": [1.5, 2.8], "alpha": 1e-3, "step": 0.2, "time": 12, "targets": 2,
}  # fmt: skip


def matrices_of(law, m):
    """Return the measurement matrices of a law, from the named stream by numpy alone."""
    if law.startswith("gaussian"):
        rows = plain.pack(gaussian_matrices(D, m, SEED, NUMBER))
        return plain.unpack(np.vectorize(nearest_bfloat16)(rows) if law.endswith("bfloat16") else rows, D)
    if law == "signs":
        bits = np.unpackbits(sign_bits(D, m, SEED, NUMBER), axis=1, bitorder="little")[:, : D * (D + 1) // 2]
        return plain.unpack(1.0 - 2.0 * bits, D)
    if law == "student_t":
        drawn = stream("ensemble", kind="student-t", d=D, seed=SEED, ensemble=NUMBER).standard_t(
            5, (m, D * (D + 1) // 2)
        )
        return plain.unpack(drawn * np.sqrt(3 / 5), D)
    x, y = (
        stream("ensemble", kind=law.replace("_", "-"), d=D, seed=SEED, ensemble=NUMBER)
        .standard_normal((m, 2, D))
        .swapaxes(0, 1)
    )
    half = x[:, :, None] * y[:, None, :] / 2
    return half + half.swapaxes(1, 2)


def plain_run(law, m, target):
    """Return the error that a run ends with, and the iterations to 0.1, looking at every second one."""
    factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0]}, D, 1, SEED, target)
    planted, matrices = factor @ factor.T, matrices_of(law, m)
    slope, last = plain.sensing(matrices, plain.measure(matrices, planted)), 60
    before, reached = None, last
    for iteration, u in enumerate(plain.factored_iterates(OPTIONS["alpha"] * np.eye(D), slope, OPTIONS["step"])):
        error = np.linalg.norm(u @ u.T - planted)
        if iteration % 2 == 0 and error < 0.1 <= (before or 1):
            reached = iteration - 2 * np.log(0.1 / error) / np.log(before / error)
        if iteration == last or (iteration % 2 == 0 and error < 0.01):
            return error, reached
        before = error if iteration % 2 == 0 else before


@pytest.mark.witness("measurement_laws", "m", "test_error", "iterations", "m_over_dr", "status")
@pytest.mark.parametrize("law", ["gaussian", "gaussian_bfloat16", "signs", "student_t", "rank_one_pairs"])
def test_descents_are_those_of_plain_loops(law):
    table = measured("measurement_laws", {**OPTIONS, "law": [law]}, seed=SEED, ensembles=[NUMBER])
    assert len(table) == 4
    for row in table.to_dict("records"):
        assert row["m"] == round(row["m_over_dr"] * D)
        error, reached = plain_run(law, row["m"], row["target"])
        np.testing.assert_allclose([row["test_error"], row["iterations"]], [error, reached], rtol=1e-6)
        assert row["status"] == ("converged" if error < 0.01 else "budget")


def test_heavy_tails_pass_the_contract_and_have_variance_1():
    check_ensemble("student_t")
    rows = student_t.Ensemble.draw(9, 4000, SEED, 0).rows.numpy()
    # The fourth moment is 9: of 180 000 numbers the variance has a standard error of 0.007.
    assert abs(rows.var() - 1) < 0.035
    assert np.abs(rows).max() > 8


def table_of(factors):
    """Return a table in which the error of a run of a law falls through 0.1 at 2 · its factor · its own m*."""
    frame = crossed(
        ["test_error"], 1, d=[20, 40], law=list(factors), m=[20, 40, 80, 160], target=[0, 1], ensemble=[0, 1, 2]
    )
    own = 30 * (1 + frame["target"] / 4) * (1 + frame["ensemble"] / 5) * frame["law"].map(factors)
    frame["test_error"] = np.clip(0.1 * own / frame["m"], 0.011, 0.9)
    frame["iterations"] = 100 * own
    return frame.assign(m_over_dr=frame["m"] / 20.0)


@pytest.mark.known_answer("largest_threshold_factor", "smallest_threshold_ratio", "largest_factor_of_laws")
def test_estimands_find_the_factors_that_a_table_is_made_of():
    tables, rng = {"t": table_of({"gaussian": 1.0, "a": 1.25, "b": 0.7})}, np.random.default_rng(0)

    def found(name, **options):
        return getattr(estimands, name)(tables, {}, rng, table="t", **options).value

    assert found("largest_threshold_factor", laws=["a"], tolerance=0.1) == pytest.approx(1.25)
    assert found("largest_threshold_factor", laws=["a", "b"], tolerance=0.1) == pytest.approx(1 / 0.7)
    assert found("smallest_threshold_ratio", law="b", tolerance=0.1) == pytest.approx(0.7)
    assert found("largest_factor_of_laws", value="iterations", laws=["a"], where={"m": 80}) == pytest.approx(1.25)
    # A law that never recovers on the grid has no threshold.
    tables["t"] = table_of({"gaussian": 1.0, "a": 9.0})
    assert estimands.largest_threshold_factor(tables, {}, rng, table="t", laws=["a"], tolerance=0.1) == UNDEFINED


def test_options_that_cannot_be_are_refused():
    refused("universality", "allowed is m below d", d=[6])
    refused("universality", "rank_one_pairs", law=["uniform"])


@pytest.fixture
def tables():
    laws = {"gaussian": 1.0, "gaussian_bfloat16": 1.0, "signs": 0.9, "student_t": 1.1, "rank_one_pairs": 1.5}
    frame = table_of(laws)
    # The ratio at which the course is judged.
    return {"universality": frame.assign(m_over_dr=frame["m_over_dr"].replace(8.0, 3.5))}


def test_the_figure_shows_errors_and_factors(tables):
    left, middle, right = draw("universality", tables).axes
    frame = tables["universality"]
    own = frame[(frame["law"] == "signs") & (frame["d"] == 40)]
    expected = np.exp(np.log(own["test_error"]).groupby(own["m_over_dr"]).mean())
    same(curve(left, "random signs"), expected)
    for axes in (middle, right):
        heights = [line.get_ydata()[0] for bar in axes.containers for line in bar.lines[:1]]
        np.testing.assert_allclose(heights, np.repeat([1, 0.9, 1.1, 1.5], 2), rtol=1e-9)
        assert "1.12" in axes.get_title()


def test_the_ledger_has_thresholds_and_iterations(tables):
    text = ledger.universality_laws(tables["universality"])
    assert "| Gaussian | 20 |" in text
    assert "| rank one | 40 |" in text
    assert text.count("| 1.5 |") == 4
