"""Descent on noisy labels against plain loops, least-squares fits against a plain optimiser,
and what the claims about noise measure.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import plain
import pytest
import torch
from conftest import measured, refused
from drawn import RUNS, bands, crossed, curve, drawn_law, geometric, level, margin, mean, same, where
from scipy.optimize import brentq, minimize
from scipy.optimize import least_squares as minimise
from scipy.stats import chi2

from algoreg.chapters.noise import estimands, fits, ledger
from algoreg.chapters.noise.experiments import noisy_plateau
from algoreg.chapters.noise.experiments.noisy_plateau import rates
from algoreg.chapters.noise.fits import NoisyProblem, fitted_factor, noisy_problems, residual_sum, spectral_factor
from algoreg.claims import estimands as shared
from algoreg.claims.intervals import UNDEFINED
from algoreg.ensembles import gaussian, rank_one
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.seeds import stream
from algoreg.reporting.figures import draw

pytestmark = pytest.mark.replicates(200)

SEED, D, RANK, M, NOISE = 5, 6, 2, 40, 0.05
COURSE = {
    "d": D, "rank": RANK, "m": M, "label_noise": [0.0, NOISE], "alpha": [0.1, 1e-3], "step": 0.25, "time": 60.0,
    "points": 10, "targets": 2,
}  # fmt: skip
PLATEAU = {**COURSE, "label_noise": NOISE, "alpha": [1e-2, 1e-4, 1e-6], "time": 300.0}
del PLATEAU["points"]
FITS = {"measurements": ["gaussian", "rank_one"], "d": D, "rank": RANK, "m": M, "label_noise": NOISE, "targets": 2}


def drawn(target=1, kind=gaussian):
    """Return the dense measurements, noisy labels, noise and X* of a target, drawn by the names of its streams."""
    ensemble = kind.Ensemble.draw(D, M, SEED, 0)
    if kind is gaussian:
        matrices = plain.unpack(ensemble.rows.numpy(), D)
    else:
        matrices = np.einsum("mi,mj->mij", ensemble.vectors.numpy(), ensemble.vectors.numpy())
    factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0] * RANK}, D, RANK, SEED, target)
    x = factor @ factor.T
    clean = plain.measure(matrices, x)
    names = {"d": D, "rank": RANK, "seed": SEED, "ensemble": 0, "target": target}
    noise = NOISE * np.sqrt(np.mean(clean**2)) * stream("label-noise", **names).standard_normal(M)
    return matrices, clean + noise, noise, x


def least_squares(matrices, labels, rank, start):
    """Return X of the least-squares fit of a rank by a quasi-Newton method."""

    def loss(point):
        u = point.reshape(D, rank)
        residual = plain.measure(matrices, u @ u.T) - labels
        return residual @ residual, (4 * np.tensordot(residual, matrices, 1) @ u).ravel()

    found = minimize(loss, start.ravel(), jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 2000}).x
    u = found.reshape(D, rank)
    return u @ u.T


@pytest.mark.parametrize("kind", [gaussian, rank_one])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_fit_is_what_a_plain_optimiser_finds(kind, rank):
    matrices, labels, noise, x = drawn(kind=kind)
    factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0] * RANK}, D, RANK, SEED, 1)
    (*_, problem) = noisy_problems(
        kind.Ensemble.draw(D, M, SEED, 0), torch.from_numpy(np.stack([factor] * 2)), NOISE, SEED
    )
    for ours, expected in ((problem.matrices, matrices), (problem.labels, labels), (problem.noise, noise)):
        np.testing.assert_allclose(ours, expected, atol=1e-12)
    start = spectral_factor(matrices, labels, rank)
    u, converged = fitted_factor(matrices, labels, start)
    np.testing.assert_allclose(u @ u.T, least_squares(matrices, labels, rank, start), atol=1e-4)
    assert residual_sum(problem, x) == pytest.approx(np.sum(noise**2))
    # Where converged, the gradient is near 0: beside what it would be if residuals and Jacobian were parallel.
    jacobian = 2 * np.einsum("mij,jk->mik", matrices, u).reshape(M, -1)
    residuals = plain.measure(matrices, u @ u.T) - labels
    assert converged
    assert np.linalg.norm(jacobian.T @ residuals) < 1.1e-8 * np.linalg.norm(jacobian) * np.linalg.norm(residuals)


@pytest.mark.parametrize("kind", [gaussian, rank_one])
@pytest.mark.parametrize("rank", [2, 3])
def test_a_fit_repeats_its_bits_wherever_its_memory_lies(kind, rank):
    matrices, labels, *_ = drawn(kind=kind)
    start, held, found = spectral_factor(matrices, labels, rank), [], set()
    for size in range(0, 3000, 150):
        held.append(np.full(size, 1e9))
        found.add(fitted_factor(matrices.copy(), labels.copy(), start.copy())[0].tobytes())
    assert len(found) == 1


def test_a_fit_ends_no_higher_than_a_library_s_and_says_when_it_did_not_converge(monkeypatch):
    for target in range(6):
        matrices, labels, *_ = drawn(target)
        start, rows = spectral_factor(matrices, labels, RANK), matrices.reshape(M, -1)

        def residuals(point, rows=rows, labels=labels):
            u = point.reshape(D, RANK)
            return rows @ (u @ u.T).ravel() - labels

        expected = minimise(residuals, start.ravel(), method="trf", ftol=1e-14, xtol=1e-14, gtol=1e-14).cost
        u, converged = fitted_factor(matrices, labels, start)
        assert converged
        assert np.sum(residuals(u.ravel()) ** 2) / 2 <= expected * (1 + 1e-9)
    monkeypatch.setattr(fits, "MOST", 3)
    assert not fitted_factor(matrices, labels, start)[1]
    table = measured("rank_fits", FITS, seed=SEED)
    assert set(table["status"]) == {"budget"}


def test_a_plateau_is_read_before_it_is_left():
    times, noise = np.arange(1.0, 9.0), np.full(4, 5.0)
    problem = NoisyProblem(np.zeros((4, 2, 2)), np.full(4, 50.0), noise, 5.0, np.zeros((2, 1)))
    residuals = np.array([9000.0, 800.0, 100.0, 98.0, 90.0, 60.0, 59.9, 59.9])
    distances = np.array([9.0, 2.0, 0.3, 0.1, 0.2, 0.7, 1.0, 1.0])
    seen = SimpleNamespace(memory={"residuals": residuals[:, None], "distances": distances[:, None, None]})
    found = noisy_plateau._plateau(seen, 0, times, problem, 2)
    # RSS changes least at the end, after X̂ is left at 6; before that, from 3 to 4.
    assert found == {"plateau": 3.0, "degrees": 0.0, "left": 6.0, "closest": 0.1}
    seen.memory["distances"] = np.linspace(0.9, 2, 8)[:, None, None]
    gone = noisy_plateau._plateau(seen, 0, times, problem, 2)
    assert (gone["left"], gone["closest"]) == (2.0, 0.9)
    assert np.isnan([gone["plateau"], gone["degrees"]]).all()


@pytest.mark.witness("noisy_descent", "closest", "closest_above", "error_over_smallest")
def test_a_course_is_that_of_a_plain_loop():
    table = measured("noisy_descent", COURSE, seed=SEED)
    matrices, labels, noise, x = drawn()
    fits = {
        name: least_squares(matrices, labels, rank, spectral_factor(matrices, labels, rank))
        for name, rank in (("to_fit", 2), ("to_fit_above", 3), ("to_fit_below", 1))
    }
    unit = np.linalg.norm(fits["to_fit"] - x)
    own = table[(table["label_noise"] == NOISE) & (table["alpha"] == 1e-3) & (table["target"] == 1)].set_index("time")
    step, errors, nearest = COURSE["step"], [], dict.fromkeys(fits, np.inf)
    iterates = plain.factored_iterates(1e-3 * np.eye(D), plain.sensing(matrices, labels), step)
    for iteration, u in zip(range(241), iterates, strict=False):
        if iteration == 0 or iteration % 4:
            continue
        estimate = u @ u.T
        errors.append(np.linalg.norm(estimate - x) / np.linalg.norm(x))
        nearest = {name: min(least, np.linalg.norm(estimate - fits[name]) / unit) for name, least in nearest.items()}
        if iteration * step not in own.index:
            continue
        row = own.loc[iteration * step]
        assert row["test_error"] == pytest.approx(errors[-1], rel=1e-8)
        assert row["error_over_smallest"] == pytest.approx(errors[-1] / min(errors), rel=1e-8)
        for name, fit in fits.items():
            assert row[name] == pytest.approx(np.linalg.norm(estimate - fit) / unit, rel=1e-3, abs=1e-4)
            assert row[name.replace("to_fit", "closest")] == pytest.approx(nearest[name], rel=1e-3, abs=1e-4)
        used = (noise @ noise - np.sum((plain.measure(matrices, estimate) - labels) ** 2)) / (noise @ noise)
        sigma = NOISE * np.sqrt(np.mean((labels - noise) ** 2))
        assert row["degrees"] * 11 * sigma**2 / (noise @ noise) == pytest.approx(used, abs=1e-6)
    assert (np.diff(own["closest"]) <= 0).all()
    assert own["closest"].iloc[-1] <= own["to_fit"].min()


def test_without_noise_there_is_nothing_to_be_near_to():
    table = measured("noisy_descent", COURSE, seed=SEED)
    clean = table[table["label_noise"] == 0]
    assert clean[["to_fit", "closest", "degrees"]].isna().all().all()
    assert clean["test_error"].notna().all()


def test_a_plateau_is_left_later_from_a_smaller_start():
    table = measured("noisy_plateau", PLATEAU, seed=SEED, ensembles=(0, 1))
    wide = table.pivot_table(index="alpha", columns=["target", "ensemble"], values="left", dropna=False)
    assert (wide.loc[1e-6] > wide.loc[1e-4]).sum() >= wide.loc[1e-4].notna().sum() - 1
    # rd − r(r−1)/2 = 11, and never rank times d.
    assert table.loc[table["alpha"] == 1e-6, "degrees"].mean() == pytest.approx(1, abs=0.5)
    matrices, labels, noise, _ = drawn()
    fit = least_squares(matrices, labels, RANK, spectral_factor(matrices, labels, RANK))
    (problem,) = noisy_problems(
        gaussian.Ensemble.draw(D, M, SEED, 0),
        torch.from_numpy(draw_factor({"kind": "spectrum", "eigenvalues": [1.0] * 2}, D, RANK, SEED, 0))[None], NOISE, SEED,
    )  # fmt: skip
    slowest, following, rate = rates(type(problem)(matrices, labels, noise, problem.sigma, problem.factor), fit, RANK)
    pulls = np.sort(np.linalg.eigvalsh(-plain.gradient(matrices, np.zeros((D, D)), labels)))
    np.testing.assert_allclose([slowest, following], pulls[[-2, -3]])
    # M·X̂ = 0: what is left of −M lies on the kernel.
    assert rate == pytest.approx(np.linalg.eigvalsh(-plain.gradient(matrices, fit, labels))[-1], rel=1e-5)


@pytest.mark.witness("noisy_plateau", "left", "degrees")
def test_the_plateau_of_a_run_is_that_of_a_plain_loop():
    table = measured("noisy_plateau", {**PLATEAU, "alpha": [1e-2]}, seed=SEED)
    (row,) = table[table["target"] == 1].to_dict("records")
    matrices, labels, noise, x = drawn()
    fit = least_squares(matrices, labels, RANK, spectral_factor(matrices, labels, RANK))
    iterates = plain.factored_iterates(1e-2 * np.eye(D), plain.sensing(matrices, labels), 0.25)
    looks = [u @ u.T for t, u in zip(range(1201), iterates, strict=False) if t and t % 4 == 0]
    misfits = [np.sum((plain.measure(matrices, look) - labels) ** 2) for look in looks]
    apart = [np.linalg.norm(look - fit) / np.linalg.norm(fit - x) for look in looks]
    nearest = apart.index(min(apart))
    left = next(k for k in range(nearest + 1, len(apart)) if apart[k] > 0.5)
    assert row["left"] == left + 1
    fitted = [k for k in range(left - 1) if misfits[k] < 0.1 * np.sum(labels**2)]
    flattest = min(fitted, key=lambda k: abs(misfits[k + 1] - misfits[k]))
    # rd − r(r − 1)/2 = 11.
    used = (noise @ noise - misfits[flattest]) / (NOISE**2 * np.mean((labels - noise) ** 2)) / 11
    np.testing.assert_allclose(row["degrees"], used, rtol=1e-5)


@pytest.mark.witness("noisy_plateau", "predicted", "predicted_by_rate")
def test_the_predicted_time_is_when_the_next_direction_has_grown_to_size_one():
    """U's directions grow as exp(rate·time) from α: until the r-th is 1, those beyond at their own rate, then at λ."""
    table = measured("noisy_plateau", PLATEAU, seed=SEED)
    matrices, labels, *_ = drawn()
    fit = least_squares(matrices, labels, RANK, spectral_factor(matrices, labels, RANK))
    slowest, following = np.linalg.eigvalsh(-plain.gradient(matrices, np.zeros((D, D)), labels))[[-2, -3]]
    rate = np.linalg.eigvalsh(-plain.gradient(matrices, fit, labels))[-1]
    for alpha, row in table[table["target"] == 1].set_index("alpha").iterrows():
        wait, fitted = 2 * np.log(1 / alpha) / rate, np.log(1 / alpha) / slowest
        at_fit = alpha * np.exp(following * fitted)
        more, alone = (brentq(lambda t, size=size: size * np.exp(rate * t) - 1, 0, wait) for size in (at_fit, alpha))
        assert row["predicted"] == pytest.approx(fitted + more, rel=1e-5)
        assert row["predicted_by_rate"] == pytest.approx(alone, rel=1e-5)
        # The two differ, or one could stand for the other.
        assert following > 0.1 * slowest


@pytest.mark.witness("rank_fits", "over_freedom", "over_naive", "rejected", "rejected_naive")
def test_the_statistic_of_every_rank_and_its_tests():
    table = measured("rank_fits", FITS, seed=SEED)
    matrices, labels, noise, _ = drawn()
    sigma = NOISE * np.sqrt(np.mean((labels - noise) ** 2))
    own = table[(table["measurements"] == "gaussian") & (table["target"] == 1)]
    assert list(own["fitted_rank"]) == [1, 2, 2, 3]
    for rank, dimension in ((1, 6), (2, 11), (3, 15)):
        x = least_squares(matrices, labels, rank, spectral_factor(matrices, labels, rank))
        statistic = np.sum((plain.measure(matrices, x) - labels) ** 2) / sigma**2
        row = own[(own["fitted_rank"] == rank) & (own["start"] == "spectral")].iloc[0]
        assert row["statistic"] == pytest.approx(statistic, rel=1e-5)
        assert row["freedom"] == M - dimension
        assert row["over_freedom"] == pytest.approx((statistic - M + dimension) / dimension, abs=1e-4)
        assert row["over_naive"] == pytest.approx((statistic - M + 6 * rank) / dimension, abs=1e-4)
        assert row["rejected"] == (statistic > chi2.ppf(0.95, M - dimension))
        assert row["rejected_naive"] == (statistic > chi2.ppf(0.95, M - 6 * rank))


def ranks_table(rejections, rank=2):
    """Return a table of rejections by (target, ensemble): of ranks 1 to r + 1."""
    rows = [
        {"rank": rank, "fitted_rank": k, "target": t, "ensemble": e, "rejected": value}
        for (t, e), values in rejections.items()
        for k, value in enumerate(values, 1)
    ]
    return {"rank_fits": pd.DataFrame(rows)}


@pytest.mark.known_answer("share_of_right_rank")
def test_a_rank_is_right_where_all_below_are_rejected_and_it_is_not():
    right, below_passes, rejected = (1, 0, 0), (0, 0, 0), (1, 1, 1)
    tables = ranks_table({(0, 0): right, (0, 1): below_passes, (1, 0): right, (1, 1): rejected})
    found = estimands.share_of_right_rank(tables, {}, np.random.default_rng(0), table="rank_fits", value="rejected")
    assert found.value == 0.5
    asked = {"table": "rank_fits", "value": "rejected", "where": {"start": "asked"}}
    both = {
        "rank_fits": pd.concat(
            [
                tables["rank_fits"].assign(start=s, rejected=r)
                for s, r in (("asked", tables["rank_fits"]["rejected"]), ("other", 0))
            ]
        )
    }
    assert estimands.share_of_right_rank(both, {}, np.random.default_rng(0), **asked).value == 0.5
    # Of two ranks below each must be rejected.
    right, one_passes = (1, 1, 0, 0), (1, 0, 0, 0)
    tables = ranks_table({(0, 0): right, (0, 1): one_passes, (1, 0): one_passes, (1, 1): one_passes[::-1]}, rank=3)
    found = estimands.share_of_right_rank(tables, {}, np.random.default_rng(0), table="rank_fits", value="rejected")
    assert found.value == 0.25


@pytest.mark.known_answer("distance_of_mean", "slope_off")
def test_means_and_slopes_against_what_is_expected():
    rows = [
        {"alpha": alpha, "target": t, "ensemble": e, "y": 5 * t + 1.1 * (e + 1) * k, "x": (e + 1) * k}
        for k, alpha in enumerate((1e-2, 1e-4, 1e-6))
        for t in range(2)
        for e in range(3)
    ]
    tables, rng = {"a": pd.DataFrame(rows)}, np.random.default_rng(0)
    assert estimands.slope_off(tables, {}, rng, table="a", value="y", against="x").value == pytest.approx(0.1)
    both = {"a": pd.concat([tables["a"].assign(of="asked"), tables["a"].assign(of="other", y=7.0)])}
    found = estimands.slope_off(both, {}, rng, table="a", value="y", against="x", where={"of": "asked"})
    assert found.value == pytest.approx(0.1)
    named = {"table": "a", "value": "x", "by": ["alpha"], "expected": 1}
    assert shared.distance_of_mean(tables, {}, rng, **named).value == pytest.approx(3)
    assert shared.distance_of_mean(tables, {}, rng, where={"alpha": 1e-4}, **named).value == pytest.approx(1)
    lost = {"a": tables["a"].assign(y=np.nan)}
    assert estimands.slope_off(lost, {}, rng, table="a", value="y", against="x") == UNDEFINED


def test_too_few_measurements_for_a_test_are_refused():
    refused("rank_fits", "m of at least d(r + 1) + 5", m=20)
    refused("noisy_descent", "m of at least d(r + 1)", m=10)
    refused("noisy_plateau", "rank below d", rank=6)


def test_noisy_descent_shows_distances_to_fits_and_when_they_are_left():
    values = ("to_fit", "closest", "closest_above", "closest_below", "error_over_smallest")
    course = crossed(values, label_noise=[0.0, 0.1], alpha=[1e-2, 1e-4], time=[1.0, 10.0, 100.0], **RUNS)
    course = course.assign(d=6, rank=2, m=40)
    plateau = crossed(("left", "predicted", "predicted_by_rate"), alpha=[1e-2, 1e-4], **RUNS)
    along, nearest = draw("noisy_descent", {"noisy_descent": course}).axes
    (leaving,) = draw("noisy_plateau", {"noisy_plateau": plateau.assign(d=6, rank=2, m=40)}).axes
    (stopping,) = draw("noisy_stopping", {"noisy_descent": course}).axes
    noisy = where(course, label_noise=0.1)
    for alpha, label in ((1e-2, "α = 0.01"), (1e-4, "α = 10⁻⁴")):
        same(curve(along, label), geometric(where(noisy, alpha=alpha), "time", "to_fit"))
    last = where(noisy, time=100.0)
    for column, label in (
        ("closest", "to X̂ᵣ:"),
        ("closest_above", "to X̂ᵣ₊₁"),
        ("closest_below", "to X̂ᵣ₋₁"),
    ):
        same(curve(nearest, label), geometric(last, "alpha", column))
    largest = geometric(last, "alpha", "closest")[1e-2]
    drawn_law(nearest, "margin: exponent", (1e-2, largest), margin("noisy-descent-is-rank-r-fit"))
    for column, label in (("predicted", "against both"), ("predicted_by_rate", "against the noise's")):
        np.testing.assert_allclose(curve(leaving, label), plateau["left"])
        np.testing.assert_allclose(curve(leaving, label).index, plateau[column])
    (allowed,), longest, reach = bands(leaving), plateau["predicted"].max(), margin("noisy-plateau-length")
    np.testing.assert_allclose([ends.loc[longest] for ends in allowed], longest * np.array([1 - reach, 1 + reach]))
    for noise, label in ((0.1, "noise 0.1"), (0.0, "no noise")):
        own = where(course, label_noise=noise, alpha=1e-4)
        same(curve(stopping, label), mean(own, "time", "error_over_smallest"))
    assert level(stopping, "margin") == margin("early-stopping-needed")


def assert_spans(axes, middle, reach):
    """Assert that the last upright band goes so far to both sides of its middle."""
    band = axes.patches[-1]
    np.testing.assert_allclose([band.get_x(), band.get_x() + band.get_width()], [middle - reach, middle + reach])


def test_noise_ranks_shows_what_fits_leave_which_ranks_are_rejected_and_what_is_used():
    kinds = {"gaussian": "Gaussian measurements", "rank_one": "rank-one measurements"}
    axis = {"measurements": list(kinds), "start": ["planted", "spectral"], "fitted_rank": [1, 2, 3]}
    fits = crossed(("statistic",), **axis, **RUNS).assign(d=6, rank=2, m=40)
    rng = np.random.default_rng(1)
    fits = fits.assign(rejected=rng.integers(0, 2, len(fits)), rejected_naive=rng.integers(0, 2, len(fits)))
    degrees = crossed(("degrees",), alpha=[1e-2, 1e-4], **RUNS).assign(d=6, rank=2, m=40)
    first, second, third = draw("noise_ranks", {"rank_fits": fits, "noisy_degrees": degrees}).axes
    for kind, label in kinds.items():
        values = where(fits, fitted_rank=2, start="planted", measurements=kind)["statistic"]
        drawn = curve(first, label)
        np.testing.assert_allclose(drawn.index, sorted(values))
        np.testing.assert_allclose(drawn, np.arange(1, 7) / 6)
    # At d = 6, matrices of rank 2 have 2·6 − 1 degrees of freedom.
    for label, freedom in (("χ² of m − dim = 29", 29), ("χ² of m − dr = 28", 28)):
        drawn = curve(first, label)
        np.testing.assert_allclose(drawn, chi2.cdf(drawn.index, freedom))
    assert_spans(first, 29, 11 * margin("sxz-chi-square"))
    own = where(fits, start="spectral", measurements="gaussian")
    for column, label in (("rejected", "m − dim degrees"), ("rejected_naive", "m − dk degrees")):
        drawn = curve(second, label)
        np.testing.assert_allclose(drawn.index, [1, 2, 3], atol=0.1)
        np.testing.assert_allclose(drawn, mean(own, "fitted_rank", column))
    assert level(second, "at r, margin") == pytest.approx(1 - margin("sxz-rank-test"))
    means = [line.get_xdata()[0] for line in third.lines[:2]]
    np.testing.assert_allclose(means, mean(degrees, "alpha", "degrees"))
    assert set(curve(third, "dr/dim").index) == {12 / 11}
    assert_spans(third, 1, margin("noisy-descent-degrees-of-freedom"))


def test_powers_below_the_dimension_are_those_of_the_last_time():
    tables = []
    for m, power in ((240, 0.9), (163, 0.6)):
        rows = [
            {"d": 24, "rank": 2, "m": m, "alpha": alpha, "time": time, "closest": alpha**power if time == 600 else 1.0}
            for alpha in (1e-2, 1e-4, 1e-6)
            for time in (10, 600)
        ]
        tables.append(pd.DataFrame(rows))
    assert ledger.nearest_points_below(*tables) == "0.9 at m = 5dr and 0.6 at m = 3.4dr"
