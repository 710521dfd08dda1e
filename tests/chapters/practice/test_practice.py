"""Practice: tomography against plain complex matrices, the photograph, tables,
what the claims measure, and the figures.
"""

from functools import reduce
from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import measured, option_problems
from drawn import RUNS, crossed, curve, geometric, where

from algoreg.chapters.practice import estimands
from algoreg.chapters.practice.experiments import magnitudes, photograph, regression, tomography
from algoreg.claims.intervals import UNDEFINED
from algoreg.numerics.seeds import stream
from algoreg.recover.completion import MatrixCompleter
from algoreg.reporting.figures import draw
from algoreg.reporting.wording import outwards

pytestmark = pytest.mark.replicates(200)

SEED, QUBITS = 5, 2
OPTIONS = {
    "qubits": QUBITS,
    "state": ["ghz", "w", "random"],
    "share": [0.6],
    "shots": [300],
    "time": 40,
    "targets": 2,
}
ONE = {"I": np.eye(2), "X": [[0, 1], [1, 0]], "Y": [[0, -1j], [1j, 0]], "Z": [[1, 0], [0, -1]]}


@pytest.fixture(scope="module")
def table():
    return measured("tomography", OPTIONS, seed=SEED, ensembles=(0, 1))


def strings():
    """Return the Pauli matrices of ensemble 0, by x and z of every string: P = i^|x∧z| X^x Z^z."""
    order = 1 + stream("paulis", qubits=QUBITS, seed=SEED, ensemble=0).permutation(4**QUBITS - 1)
    found = []
    for place in [0, *order][: round(0.6 * 4**QUBITS)]:
        x, z = divmod(int(place), 2**QUBITS)
        letters = ["IZXY"[2 * ((x >> bit) & 1) + ((z >> bit) & 1)] for bit in reversed(range(QUBITS))]
        found.append(reduce(np.kron, [np.array(ONE[letter]) for letter in letters]))
    return np.array(found)


def plain_run(psi, width_one, steps):
    """Return infidelities of a plain complex descent with the experiment's labels:
    where the residual is noise, at the end, and the smallest at every fifth step.
    """
    paulis, d = strings(), 2**QUBITS
    exact = np.einsum("i,mij,j->m", psi.conj(), paulis, psi).real
    names = {"kind": "random", "qubits": QUBITS, "target": 1, "shots": 300, "seed": SEED, "ensemble": 0}
    draw = stream("shots", **names)
    y = 2 * draw.binomial(300, np.clip((1 + exact) / 2, 0, 1)) / 300 - 1
    if width_one:
        # The experiment's width is that of a real factor of twice the rows: u = x + iy, and ρ = uu†/2.
        real = stream("start", kind="gaussian", d=2 * d, seed=SEED, target=1).standard_normal((2 * d, 2 * d))[:, :1]
        real = 1e-6 * real / np.sqrt(2 * d)
        u = (real[:d] + 1j * real[d:]) / np.sqrt(2)
    else:
        u = 1e-6 * np.eye(d, dtype=complex)
    stopped, smallest, level = None, np.inf, np.sum(1 - y**2) / 300
    for step in range(steps + 1):
        rho = u @ u.conj().T
        residual = np.einsum("mij,ji->m", paulis, rho).real - y
        error = 1 - (psi.conj() @ rho @ psi).real / np.trace(rho).real
        smallest = smallest if step % 5 else min(smallest, error)
        if stopped is None and step % 5 == 0 and np.sum(residual**2) <= level:
            stopped = error
        u = u - 0.25 * d / len(y) * np.einsum("m,mij->ij", residual, paulis) @ u
    return stopped, error, smallest


@pytest.mark.witness("tomography", "stopped", "end")
@pytest.mark.parametrize("method", ["full", "width 1"])
def test_infidelities_are_those_of_plain_complex_descent(table, method):
    psi = tomography.pure_state("random", QUBITS, SEED, 1)
    stopped, end, smallest = plain_run(psi, method == "width 1", 160)
    (row,) = table[
        (table["state"] == "random") & (table["target"] == 1) & (table["ensemble"] == 0)
        & (table["method"] == method) & (table["labels"] == "shots")
    ].to_dict("records")  # fmt: skip
    assert row["m"] == len(strings())
    assert row["end"] == pytest.approx(end, rel=1e-6)
    assert row["smallest"] == pytest.approx(smallest, rel=1e-6)
    # Full width fits the noise of the shots in the end.
    assert (smallest < 0.999 * end) == (method == "full")
    if stopped is not None:
        assert row["stopped"] == pytest.approx(stopped, rel=1e-6)
    else:
        assert row["stopped"] == row["end"]


@pytest.mark.parametrize(("kind", "levels"), [("ghz", 2), ("w", 4), ("random", 16)])
def test_states_are_what_they_are_called(kind, levels):
    psi = tomography.pure_state(kind, 4, SEED, 0)
    assert np.linalg.norm(psi) == pytest.approx(1)
    assert int((np.abs(psi) > 1e-12).sum()) == levels


def test_exact_labels_are_of_full_width_alone_and_go_on_improving(table):
    exact = table[table["labels"] == "exact"]
    assert set(exact["method"]) == {"full"}
    assert (exact["end"] <= exact["stopped"] * (1 + 1e-9)).all()


def test_more_strings_see_the_same_shots_first():
    few, many = (
        tomography.strings_of(QUBITS, share, SEED, 0, torch.device("cpu"), torch.float64)[0] for share in (0.3, 0.9)
    )
    assert torch.equal(few.cells, many.cells[: few.m])


def test_rounding_of_an_expectation_draws_no_other_shots():
    exact = np.array([0.0, 1.0, -1.0, 0.25, -0.5] * 40)
    drawn = [tomography.observed(exact + rounding, 500, np.random.default_rng(1)) for rounding in (0.0, 3e-16, -3e-16)]
    assert len(np.unique(drawn[0])) > 20
    assert (drawn[0][1::5] == 1).all()
    assert (drawn[0][2::5] == -1).all()
    for other in drawn[1:]:
        np.testing.assert_array_equal(other, drawn[0])


def test_means_of_rows_and_columns_against_a_plain_loop():
    rng = np.random.default_rng(0)
    picture, known = rng.random((4, 5)), rng.random((4, 5)) < 0.6
    overall = picture[known].mean()
    found = photograph.means(picture, known)
    for i, j in product(range(4), range(5)):
        row = [picture[i, k] - overall for k in range(5) if known[i, k]]
        column = [picture[k, j] - overall for k in range(4) if known[k, j]]
        assert found[i, j] == pytest.approx(overall + sum(row) / max(len(row), 1) + sum(column) / max(len(column), 1))


def test_the_photograph_is_one_and_its_blocks_are_means():
    fine, coarse = photograph.photograph(8), photograph.photograph(16)
    assert (fine.shape, coarse.shape) == ((53, 80), (26, 40))
    assert 0 <= fine.min() < 0.3 < 0.7 < fine.max() <= 1
    assert coarse[0, 0] == pytest.approx(fine[:2, :2].mean())


@pytest.mark.witness("photograph", "error")
@pytest.mark.filterwarnings("ignore:hold-out too small", "ignore:too few measurements")
def test_errors_of_photographs_are_of_the_unseen_pixels_one_by_one():
    table = measured("photograph", {"block": 64, "share": [0.6], "iterations": 200}, seed=SEED).set_index("method")
    table = table[table["picture"] == "photograph"]
    picture = photograph.photograph(64)
    known = stream("known-pixels", seed=SEED, ensemble=0, rows=len(picture)).random(picture.shape) < 0.6
    overall = picture[known].mean()
    kept = {"shape": picture.shape, "alpha": 1e-3, "stop": "hold-out", "max_iter": 200, "random_state": 0}
    found = {"means": photograph.means(picture, known)}
    for method, name in (("descent", "factored"), ("least trace", "least_trace")):
        found[method] = MatrixCompleter(method=name, **kept).fit(np.argwhere(known), picture[known]).matrix_
    for method, matrix in found.items():
        missed = overall_missed = 0.0
        for place in np.argwhere(~known).tolist():
            missed += (matrix[*place] - picture[*place]) ** 2
            overall_missed += (overall - picture[*place]) ** 2
        assert table.loc[method, "error"] == pytest.approx((missed / overall_missed) ** 0.5, rel=1e-6)


def sizes_of_quadratic(name):
    """Return the sizes of the eigenvalues of the quadratic function that labels
    of a planted table follow, ascending.
    """
    x, y, fitted = regression.table(name, 6, SEED, 0)
    assert fitted == 200
    assert x.shape == (600, 6)
    products = np.stack([x[:, i] * x[:, j] for i in range(6) for j in range(i + 1)], axis=1)
    weights = np.linalg.lstsq(np.column_stack([np.ones(600), products]), y, rcond=None)[0]
    matrix, place = np.zeros((6, 6)), 1
    for i in range(6):
        for j in range(i + 1):
            matrix[i, j] += weights[place] / 2
            matrix[j, i] += weights[place] / 2
            place += 1
    return np.sort(np.abs(np.linalg.eigvalsh(matrix)))


def test_planted_tables_have_their_rank_and_splits_differ():
    low, full = sizes_of_quadratic("planted"), sizes_of_quadratic("planted, full rank")
    assert low[-2] > 5 * low[-3]
    assert full[-3] > full[-1] / 2
    first, second = (regression.table("diabetes", 0, SEED, number)[1] for number in (0, 1))
    assert not np.array_equal(first, second)
    assert np.array_equal(np.sort(first), np.sort(second))


@pytest.mark.witness("regression", "score")
@pytest.mark.filterwarnings("ignore:not converged")
def test_scores_are_of_the_rows_that_no_fit_has_seen():
    table = measured("regression", {"data": ["planted"], "iterations": 20, "columns": 4}, seed=SEED).set_index("method")
    x, y, fitted = regression.table("planted", 4, SEED, 0)
    unseen = y[fitted:]
    total = sum((one - unseen.mean()) ** 2 for one in unseen)
    for method, estimator in regression.estimators(20, 0, "cpu").items():
        predicted = estimator.fit(x[:fitted], y[:fitted]).predict(x[fitted:])
        missed = sum((one - other) ** 2 for one, other in zip(predicted, unseen, strict=True))
        assert table.loc[method, "score"] == pytest.approx(1 - missed / total, rel=1e-9)


MAGNITUDES = {"m_over_n": [2, 3], "time": 12, "trace_steps": 5, "targets": 2}


@pytest.fixture(scope="module")
def found():
    return measured("magnitudes", MAGNITUDES, seed=SEED, ensembles=(0, 1))


def plain_picture(ratio, alpha, width_one, steps, ensemble=1, digit=1):
    """Return the picture of a plain descent on plain vectors aᵢ, its sign chosen, the true one, and the labels."""
    star, m = magnitudes.pictures(2, SEED)[digit].numpy(), round(ratio * 64)
    a = stream("ensemble", kind="rank-one", d=64, seed=SEED, ensemble=ensemble).standard_normal((m, 64))
    y = np.square(a @ star)
    u = alpha * np.eye(64)
    if width_one:
        start = stream("start", kind="gaussian", d=64, seed=SEED, target=digit).standard_normal((64, 64))
        u = alpha * start[:, :1] / 8
    for _ in range(steps):
        residual = np.square(a @ u).sum(axis=1) - y
        u = u - 0.06 / m * (a.T * residual) @ a @ u
    values, vectors = np.linalg.eigh(u @ u.T)
    x = np.sqrt(values[-1]) * vectors[:, -1]
    return min((x, -x), key=lambda one: np.linalg.norm(one - star)), star, (a, y)


# On ensemble 0 the error of full width is between a quarter and a half: such a picture is not recovered.
@pytest.mark.witness("magnitudes", "error", "recovered")
@pytest.mark.parametrize(
    ("method", "alpha", "ensemble"),
    [
        ("full", 1e-6, 1),
        ("full", 1e-6, 0),
        ("full, large start", 0.1, 1),
        ("width 1", 1e-6, 1),
        ("width 1, large start", 1.0, 1),
    ],
)
def test_pictures_are_those_of_plain_descent_on_squares(found, method, alpha, ensemble):
    x, star, _ = plain_picture(2, alpha, method.startswith("width 1"), 200, ensemble)
    (row,) = where(found, method=method, m_over_n=2, target=1, ensemble=ensemble).to_dict("records")
    assert row["m"] == 128
    error = np.linalg.norm(x - star)
    assert row["error"] == pytest.approx(error, rel=1e-6)
    assert row["recovered"] == (error < 0.25)


def test_the_spectral_start_is_the_leading_eigenvector_of_the_size_of_the_labels(found):
    _, star, (a, y) = plain_picture(3, 1.0, True, 0)
    first = np.linalg.svd(a * np.sqrt(y)[:, None], full_matrices=False)[2][0]
    error = min(np.linalg.norm(sign * np.sqrt(y.mean()) * first - star) for sign in (1, -1))
    (row,) = where(found, method="spectral", m_over_n=3, target=1, ensemble=1).to_dict("records")
    assert row["error"] == pytest.approx(error, rel=1e-9)
    assert row["first_share"] == pytest.approx(1)


def test_a_sign_is_no_error_and_a_matrix_of_rank_one_has_one_direction():
    star = magnitudes.pictures(2, SEED)
    estimates = torch.stack([torch.outer(star[0], star[0]), 4 * torch.outer(star[1], star[1])])
    found, shares = magnitudes.vectors_of(estimates, -star)
    torch.testing.assert_close(found, torch.stack([-star[0], -2 * star[1]]))
    torch.testing.assert_close(shares, torch.ones(2, dtype=torch.float64))


def test_pictures_pixel_by_pixel_are_those_of_the_table(found):
    pixels = measured("magnitudes_pictures", {"m_over_n": 3, "time": 12, "digit": 1}, seed=SEED, ensembles=(1,))
    drawn = {method: part.sort_values(["row", "column"])["value"] for method, part in pixels.groupby("method")}
    star = drawn.pop("picture").to_numpy()
    np.testing.assert_allclose(star, magnitudes.pictures(2, SEED)[1])
    for method, values in drawn.items():
        (row,) = where(found, method=method, m_over_n=3, target=1, ensemble=1).to_dict("records")
        assert np.linalg.norm(values.to_numpy() - star) == pytest.approx(row["error"], rel=1e-6)


def frame(values, column="value"):
    """Return a table of two methods, two points, two ensembles."""
    rows = [
        {"method": method, "share": share, "ensemble": number, column: value}
        for (method, share, number), value in zip(product("ab", (0.3, 0.5), (0, 1)), values, strict=True)
    ]
    return {"t": pd.DataFrame(rows)}


@pytest.mark.known_answer("lead_of_method", "ratio_of_methods")
def test_ratios_and_leads_against_plain_means():
    values = [2.0, 3.0, 4.0, 5.0, 1.0, 1.5, 1.0, 2.5]
    asked = {"table": "t", "method": "a", "value": "value", "over_method": "b", "by": ["share"]}
    rng = np.random.default_rng(0)
    both = [frame(values)["t"].assign(kind="asked"), frame(values[::-1])["t"].assign(kind="other")]
    tables, of_kind = {"t": pd.concat(both)}, {**asked, "where": {"kind": "asked"}}
    ratio = estimands.ratio_of_methods(tables, None, rng, over_value="value", **of_kind)
    assert ratio.value == pytest.approx((2 * 2 * 4 * 2) ** 0.25)
    lead = estimands.lead_of_method(tables, None, rng, **of_kind)
    assert lead.value == pytest.approx(np.mean([1, 1.5, 3, 2.5]))
    # One run without a value is enough, of either method.
    for place in (0, -1):
        zero, lost = values.copy(), values.copy()
        zero[place], lost[place] = 0.0, np.nan
        assert estimands.ratio_of_methods(frame(zero), None, rng, over_value="value", **asked) == UNDEFINED
        assert estimands.lead_of_method(frame(lost), None, rng, **asked) == UNDEFINED


@pytest.mark.parametrize(
    ("experiment", "changes", "said"),
    [
        ("tomography", {"qubits": 9}, "qubits = 9: Input should be less than or equal to 6"),
        ("tomography", {"step": 50.0}, "step at most time"),
        ("tomography", {"share": [1.5]}, "share"),
        ("photograph", {"block": 200}, "block = 200: Input should be less than or equal to 64"),
        ("regression", {"data": ["nothing"]}, "diabetes"),
        ("magnitudes", {"targets": 11}, "targets = 11: Input should be less than or equal to 10"),
        ("magnitudes", {"step": 100.0}, "step at most time"),
        ("magnitudes_pictures", {"digit": 0}, "digit = 0: Input should be greater than or equal to 1"),
    ],
)
def test_bad_options_are_named_before_the_run(experiment, changes, said):
    assert any(said in line for line in option_problems(experiment, **changes))


def at_shares(drawn, expected):
    """Compare points that lie beside their share, so that they do not cover one another."""
    np.testing.assert_allclose(drawn.index, expected.index, rtol=0.15)
    np.testing.assert_allclose(drawn, expected)


def test_tomography_shows_the_infidelity_by_method_and_shots():
    methods = {"full": "full width (no prior knowledge), at the end", "width 1": "width 1 (knows r)"}
    methods |= {"momentum": "momentum", "least trace": "least trace", "linear inversion": "linear inversion"}
    axis = {"labels": ["shots", "exact"], "method": list(methods), "share": [0.3, 0.6], "shots": [100, 1000]}
    table = crossed(("stopped", "end"), **axis, **RUNS).assign(qubits=2, state="w")
    for axes, shots in zip(draw("tomography", {"tomography": table}).axes, (100, 1000), strict=True):
        own = where(table, labels="shots", shots=shots)
        stopped = geometric(where(own, method="full"), "share", "stopped")
        at_shares(curve(axes, "full width (knows the shots), stopped"), stopped)
        for method, label in methods.items():
            at_shares(curve(axes, label), geometric(where(own, method=method), "share", "end"))


def test_photograph_shows_the_error_by_picture_and_method():
    methods = {"descent": "descent, full width", "least trace": "least nuclear norm", "means": "means of rows"}
    axis = {"picture": ["photograph", "shuffled"], "method": list(methods), "share": [0.3, 0.5], "ensemble": [0, 1]}
    table = crossed(("error",), **axis).assign(rows=26, columns=40)
    for axes, picture in zip(draw("photograph", {"photograph": table}).axes, axis["picture"], strict=True):
        for method, label in methods.items():
            at_shares(curve(axes, label), geometric(where(table, picture=picture, method=method), "share", "error"))


def test_regression_shows_the_score_of_every_split_and_its_mean():
    axis = {"data": ["diabetes", "planted"], "method": ["factored", "matrix", "ridge", "linear"], "ensemble": [0, 1]}
    table = crossed(("score",), **axis).assign(rows=200, columns=30)
    for axes, data in zip(draw("regression", {"regression": table}).axes, axis["data"], strict=True):
        for place, method in enumerate(axis["method"]):
            scores = where(table, data=data, method=method)["score"]
            splits, mean = axes.lines[2 * place : 2 * place + 2]
            np.testing.assert_allclose(splits.get_xydata(), [[place, score] for score in scores])
            np.testing.assert_allclose(mean.get_xydata(), [[place, sum(scores) / 2]])


def test_magnitudes_shows_the_error_by_method_and_conclude_with_its_numbers():
    methods = ["full", "full, large start", "width 1", "width 1, large start", "spectral", "least trace"]
    table = crossed(("error",), method=methods, m_over_n=[2, 3], **RUNS)
    table["recovered"] = (table["error"] < 0.25).astype(int)
    shown = {"method": ["picture", "full", "width 1, large start", "spectral"], "ensemble": [0]}
    pixels = crossed(("value",), **shown, row=[0, 1], column=[0, 1]).assign(m_over_n=3)
    pictures = draw("magnitudes_pictures", {"magnitudes_pictures": pixels}).axes
    (bottom,) = draw("magnitudes", {"magnitudes": table}).axes
    star = where(pixels, method="picture")["value"].to_numpy()
    for axes, method in zip(pictures, shown["method"], strict=True):
        values = where(pixels, method=method)["value"].to_numpy()
        np.testing.assert_allclose(axes.images[0].get_array(), values.reshape(2, 2))
        error = f"{np.linalg.norm(values - star) / np.linalg.norm(star):.2g}"
        assert method == "picture" or axes.get_title().endswith(f"error {error}")
    labels = ["full width (no prior knowledge)", "full width, initialisation", "width 1 (knows r)"]
    labels += ["width 1, initialisation", "spectral"]
    for method, label in zip(methods, [*labels, "least trace"], strict=True):
        expected = geometric(where(table, method=method), "m_over_n", "error")
        at_shares(curve(bottom, label), expected)
    full, one = (where(table, m_over_n=3, method=method) for method in ("full", "width 1, large start"))
    error = f"{outwards(geometric(full, 'm_over_n', 'error').loc[3], 'up'):.2g}"
    said = " ".join(bottom.get_title().split())
    assert f"comes on average within {error} of pictures" in said
    assert f"it recovers {full['recovered'].sum()} of 6" in said
    assert said.endswith(f"size, {one['recovered'].sum()} of 6")
