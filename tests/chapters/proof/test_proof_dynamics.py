import math
import re
from itertools import islice, pairwise

import numpy as np
import plain
import pytest
import torch
from conftest import measured, registered_claims, tier_settings
from test_ensembles import symmetric

from algoreg.chapters import li2018
from algoreg.chapters.proof import decompositions
from algoreg.chapters.proof.experiments import dynamics_course, rank_one_dynamics, rank_r_dynamics
from algoreg.ensembles import gram, wishart
from algoreg.numerics import diagnostics, isometry
from algoreg.numerics.problems import draw_factor


def random_batch(count, d, k, seed):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((count, d, k)))


def test_the_rank_one_split_is_the_direct_one_and_adds_up():
    factors, u = random_batch(3, 6, 6, 0), torch.linalg.qr(random_batch(3, 6, 1, 1))[0]
    r, e = decompositions.rank_one_split(factors, u)
    for k in range(3):
        projector = u[k] @ u[k].mT
        torch.testing.assert_close(r[k], factors[k].mT @ u[k, :, 0])
        torch.testing.assert_close(e[k], (torch.eye(6, dtype=torch.float64) - projector) @ factors[k])
    torch.testing.assert_close(u * r[:, None] + e, factors)
    assert diagnostics.spectral_norm(e) == pytest.approx(torch.linalg.matrix_norm(e, 2).tolist(), rel=1e-12)
    assert diagnostics.spectral_norm(e[:, :2]) == pytest.approx(
        torch.linalg.matrix_norm(e[:, :2], 2).tolist(), rel=1e-12
    )


def test_splits_refuse_what_they_do_not_apply_to():
    factors = random_batch(1, 4, 4, 0)
    with pytest.raises(ValueError, match="a rank-one split of a target of rank 2"):
        decompositions.rank_one_split(factors, torch.zeros(1, 4, 2, dtype=torch.float64))
    lost = factors.clone()
    lost[0, 1, 2] = math.inf
    with pytest.raises(ValueError, match="a diverged run has no decomposition"):
        decompositions.rank_one_split(lost, factors[:, :, :1])
    with pytest.raises(ValueError, match="a diverged run has no decomposition"):
        decompositions.SignalSubspace(factors[:, :, :2]).split(lost)


def test_the_moving_split_is_that_of_the_product_of_all_steps():
    start, factors = random_batch(2, 7, 3, 0), random_batch(2, 7, 7, 1)
    subspace, product = decompositions.SignalSubspace(start), start.clone()
    for seed in range(5):
        matrices = symmetric(7, 2, seed)
        subspace.advance(matrices, 0.1)
        product = product - 0.1 * matrices @ product
    inner, error = subspace.split(factors)
    projector = product @ torch.linalg.pinv(product)
    torch.testing.assert_close(error, factors - projector @ factors, rtol=1e-9, atol=1e-9)
    signal = torch.linalg.svdvals(projector @ factors)[:, :3]
    torch.testing.assert_close(torch.linalg.svdvals(inner), signal, rtol=1e-9, atol=1e-9)
    frame = torch.linalg.qr(start)[0]
    cosine = torch.linalg.svdvals(frame.mT @ torch.linalg.qr(product)[0])[:, -1]
    torch.testing.assert_close(subspace.largest_sine(frame), (1 - cosine**2).sqrt(), rtol=1e-6, atol=1e-6)


def test_a_tiny_angle_keeps_its_digits():
    frame = torch.eye(5, dtype=torch.float64)[None, :, :2]
    tilted = frame.clone()
    tilted[0, 3, 1] = 1e-11
    assert decompositions.SignalSubspace(tilted).largest_sine(frame).item() == pytest.approx(1e-11, rel=1e-6)


def singular_values(x):
    return np.linalg.svd(x, compute_uv=False)


def needs_step_by_step(gram, u, alpha, step, iterations):
    """The same inequalities, for one run, from the updates as printed and dense products."""
    planted, worst = u @ u.T, {}
    away = np.eye(len(u)) - planted
    iterates = plain.factored_iterates(alpha * np.eye(len(u)), plain.sensing_by_gram(gram, planted), step)

    def norm(x):
        return np.linalg.norm(x, 2)

    for iterate, following in islice(pairwise(iterates), iterations):
        r, e, r_next, e_next = iterate.T @ u, away @ iterate, following.T @ u, away @ following
        grown = np.linalg.norm(e_next) ** 2 - np.linalg.norm(e) ** 2
        quadratic = np.linalg.norm(away @ (following - iterate)) ** 2
        length = np.linalg.norm(r)
        deviation = np.linalg.norm(r_next - (1 + step * (1 - length**2)) * r)
        found = {
            "error_square": (grown - quadratic) / (2 * step * norm(e @ iterate.T)),
            "error_square_printed": (grown - 9 * step**2) / (2 * step * norm(e @ iterate.T)),
            "error_square_proof": (grown - quadratic) / (4 * step * np.linalg.norm(e @ iterate.T)),
            "error_norm": (norm(e_next) - norm(e)) / (2 * step * (norm(e) + length)),
            "signal": (deviation - step * norm(e) ** 2 * length) / (2 * step * (norm(e) + length)),
        }
        if not (np.linalg.norm(e) <= 0.5 and length**2 <= 1.5):
            found = {"signal": found["signal"]}
        worst = {name: max(worst.get(name, 0.0), found.get(name, 0.0)) for name in worst | found}
    return worst, np.linalg.norm(following @ following.T - planted)


@pytest.mark.witness("rank_one_dynamics", "over_low", "over_up")
def test_rank_one_rows_are_those_of_a_plain_implementation():
    options = {"d": 6, "practical": [30], "certified": [2000], "step": 0.2, "targets": 2}
    table = measured("rank_one_dynamics", options, seed=3)
    assert set(table["status"]) == {"budget"}
    for m in (30, 2000):
        gram = wishart.Ensemble.draw(6, m, 3, 0).gram.numpy()
        for target in range(2):
            u = draw_factor({"kind": "columns"}, 6, 1, 3, target)
            part = table[(table["m"] == m) & (table["target"] == target) & (table["split"] == "planted")]
            scaled = part[part["start"] == "scaled"].set_index("inequality")
            alpha, iterations = scaled[["alpha", "iterations"]].iloc[0]
            worst, error = needs_step_by_step(gram, u, alpha, 0.2, int(iterations))
            for name, value in worst.items():
                assert scaled["needed"][name] == pytest.approx(value, rel=1e-6, abs=1e-12), name
            assert scaled["needed"]["final_error"] == pytest.approx(error, rel=1e-9)
            one = part[part["start"] == "one"].iloc[0]
            assert one["alpha"] == 1.0
            assert one["inequality"] == "final_error"
    ratio = table["needed"] / table["delta_low"]
    same = ~table["inequality"].isin(["final_error", "stage_one_growth"])
    np.testing.assert_allclose(table["over_low"][same], ratio[same], rtol=1e-7)
    np.testing.assert_allclose(table["over_up"][same], (table["needed"] / table["delta_up"])[same], rtol=1e-7)
    final = table[table["inequality"] == "final_error"]
    for end in ("low", "up"):
        delta = final[f"delta_{end}"]
        expected = final["needed"] / (delta * np.maximum(np.log(1 / delta), 1))
        np.testing.assert_allclose(final[f"over_{end}"], expected, rtol=1e-7)
    # Gordon's bound from the width of unit matrices of rank 4: a plain mean over Gaussian symmetric matrices of the
    # norm of their best part of that rank.
    drawn = np.random.default_rng(0).standard_normal((4000, 6, 6))
    values = np.linalg.eigvalsh((drawn + drawn.transpose(0, 2, 1)) / 2)
    largest = np.sort(values**2, axis=1)[:, 2:].sum(axis=1) ** 0.5
    bounds = (1 + (largest.mean() + 2.6) / table["m"] ** 0.5) ** 2 - 1
    np.testing.assert_allclose(table["delta_up"], bounds, rtol=0.02)
    empty = table[["needed", "over_low"]].isna().any(axis=1)
    assert set(table["inequality"][empty]) == {"stage_one_growth"}
    assert not table["over_low"].isna().any()


@pytest.mark.witness("rank_r_dynamics", "log_start", "error_growth", "dominance", "angle_plain", "angle_constant")
def test_rank_r_rows_are_those_of_a_plain_implementation():
    options = {
        "d": 8,
        "rank": 2,
        "kappa": [1, 3],
        "alpha": [1e-2, 1e-3],
        "certified": [4000],
        "step": 0.2,
        "targets": 2,
    }
    table = measured("rank_r_dynamics", options, seed=3)
    gram = wishart.Ensemble.draw(8, 4000, 3, 0).gram.numpy()
    planted = table[table["split"] == "planted"].set_index(["kappa", "alpha", "target"])
    for (kappa, alpha, target), row in planted.iterrows():
        spectrum = {"kind": "spectrum", "eigenvalues": [1.0, 1 / kappa]}
        factor = draw_factor(spectrum, 8, 2, 3, target)
        goal, frame = factor @ factor.T, np.linalg.qr(factor)[0]
        slope = plain.sensing_by_gram(gram, goal)
        span, growth, dominance, angle, squared = factor, [], [], [], []
        signal, sine = [], []
        end = math.floor(kappa * math.log(8 / alpha) / 0.2)
        count = math.ceil(1.5 * kappa * math.log(8 / alpha) / 0.2) + 1
        iterates = plain.factored_iterates(alpha * np.eye(8), slope, 0.2)
        for now, u in enumerate(islice(iterates, count)):
            projector = span @ np.linalg.pinv(span)
            error = np.linalg.norm(u - projector @ u, 2)
            across = singular_values(frame.T @ projector @ u)[-1]
            cosine = singular_values(frame.T @ np.linalg.qr(span)[0])[-1]
            squared.append(np.linalg.norm(u @ u.T - goal) ** 2)
            if now <= end:
                growth.append(error / alpha)
                signal.append(across)
                sine.append(math.sqrt(max(1 - cosine**2, 0)))
            if 1 <= now <= end:
                dominance.append(across / error)
                angle.append(math.sqrt(max(1 - cosine**2, 0)) / (0.2 * now))
            span = span - 0.2 * slope(u @ u.T) @ span
        assert row["log_start"] == pytest.approx(math.log(8) - math.log(alpha))
        assert row["error_growth"] == pytest.approx(max(growth), rel=1e-6)
        assert row["dominance"] == pytest.approx(min(dominance), rel=1e-6)
        assert row["angle_plain"] == pytest.approx(max(angle) / (2**0.5 * row["delta_low"]), rel=1e-4)
        rho = li2018.angle_rate(row["delta_low"], 2, kappa, 8, alpha)
        assert row["angle_constant"] == pytest.approx(row["angle_plain"] * 2**0.5 * row["delta_low"] / rho, rel=1e-6)
        steps = [late / early - 1 for early, late in pairwise(signal) if early < 0.5 / math.sqrt(kappa)]
        assert row["signal_step"] == pytest.approx(min(steps) / (0.2 / (8 * kappa)), rel=1e-5)
        rise = max(late - early for early, late in pairwise(sine)) / (0.2 * 2**0.5 * row["delta_low"])
        assert row["angle_step"] == pytest.approx(rise, rel=1e-3)
        assert row["floor"] >= min(squared) ** 0.5 * (1 - 1e-9)


def course_of(squared, least=1.0):
    count = len(squared)
    ones = torch.ones(count, dtype=torch.float64)
    return {
        "squared": torch.tensor(squared, dtype=torch.float64),
        "sine": 0 * ones,
        "signal_norm": ones,
        "signal_least": least * ones,
    }


def test_the_rate_is_read_over_the_first_hundredfold_fall():
    falling = [math.exp(-0.1 * k) for k in range(80)]
    value, floor = rank_r_dynamics.rate(course_of(falling), 1.0)
    assert value == pytest.approx(0.1)
    assert floor == pytest.approx(falling[-1] ** 0.5)
    levelled = falling[:60] + [falling[60]] * 100
    assert rank_r_dynamics.rate(course_of(levelled), 1.0)[0] == pytest.approx(0.1)
    for course in (course_of(falling[:30]), course_of(falling, least=0.4)):
        assert all(map(math.isnan, rank_r_dynamics.rate(course, 1.0)))
    leaving = course_of(falling)
    leaving["sine"] = torch.where(torch.arange(80) == 20, 0.5, 0.0)
    assert all(map(math.isnan, rank_r_dynamics.rate(leaving, 1.0)))


def test_a_diverged_run_has_a_status_and_no_values(monkeypatch):
    monkeypatch.setattr(rank_one_dynamics, "start_of", lambda delta, d: (40.0, 4.0))
    options = {"d": 6, "certified": [2000], "step": 0.5, "targets": 2}
    table = measured("rank_one_dynamics", options, seed=3)
    lost = table[table["start"] == "scaled"]
    assert set(lost["status"]) == {"diverged"}
    assert lost[["needed", "over_low", "over_up"]].isna().all(axis=None)
    more = {"d": 8, "rank": 1, "kappa": [1], "alpha": [1e-2, 4.0, 7.9], "certified": [4000], "step": 0.5, "targets": 2}
    table = measured("rank_r_dynamics", more, seed=3)
    assert set(table[table["alpha"] == 4]["status"]) == {"diverged"}
    assert set(table[table["alpha"] != 4]["status"]) == {"budget"}
    assert table[table["alpha"] == 4][["dominance", "error_growth"]].isna().all(axis=None)
    assert table[table["alpha"] != 4]["dominance"].notna().all()


def test_a_course_is_thinned_and_holds_the_spectrum():
    options = {
        "d": 8,
        "rank": [1, 2],
        "kappa": 2,
        "alpha": 1e-3,
        "m_over_dr": [50],
        "step": 0.2,
        "iterations": 60,
        "every": 7,
        "targets": 1,
    }
    table = measured("dynamics_course", options, seed=3)
    assert sorted(table["iteration"].unique()) == list(range(0, 61, 7))
    assert set(table["m"]) == {400, 800}
    first = table[table["iteration"] == 0]
    np.testing.assert_allclose(first[["sigma_1", "sigma_7", "signal", "error"]], 1e-3, rtol=1e-9)
    np.testing.assert_allclose(first["effective_rank"], 8, rtol=1e-9)
    np.testing.assert_allclose(first["error_frobenius"] / first["error"], (8 - first["rank"]) ** 0.5, rtol=1e-9)
    last = table[(table["iteration"] == 56) & (table["rank"] == 1)].iloc[0]
    assert last["sigma_1"] == pytest.approx(1, abs=0.05)
    assert last["sigma_2"] < 0.01
    assert set(dynamics_course.KEYS) <= set(table)


def test_formulas_of_the_theorems():
    assert li2018.rank_one_error_scale(0.01) == pytest.approx(0.01 * math.log(100))
    assert li2018.rank_one_error_scale(2.0) == 2.0
    assert li2018.rank_one_start(0.01, 60) == pytest.approx(0.01 * math.sqrt(math.log(100) / 60))
    assert li2018.signal_time(4, 60, 1e-3, 0.1) == pytest.approx(4 * math.log(6e4) / 0.1)
    # As the standard tier's κ = 1 has it at its largest start: 3.8·10⁻³.
    assert li2018.theorem_42_isometry(5, 1, math.log(50 / 1e-3)) == pytest.approx(3.82e-3, rel=1e-2)
    assert li2018.theorem_42_isometry(5, 4, 1.0) == pytest.approx(1 / (64 * math.sqrt(5)))
    assert isometry.isometry_upper_bound(10.0, 10**8) == pytest.approx(2 * 12.6e-4, rel=1e-3)
    assert gram.Ensemble.isometry_deviation(wishart.Ensemble.draw(4, 10**6, 0, 0)) < 0.02


def test_what_rounding_makes_of_a_late_step_is_no_constant_of_proposition_d2():
    """A run that nears X* with ‖E‖ = 10⁻⁹, growing by a known rate while it is far, then moved by rounding alone."""
    steps, options = 60, {"d": 10, "rank": 1, "step": 0.2}
    far = 10.0 ** -torch.arange(steps, dtype=torch.float64).div(5)
    by = 0.2 * (far + 1e-9)
    growth = torch.where(by > 1e-3, 0.01 * by, 1e-7)
    error = 1e-9 * torch.cat([torch.ones(1, dtype=torch.float64), (1 + growth[:-1]).cumprod(0)])
    one = torch.ones(steps, dtype=torch.float64)
    course = {
        "sine": 1e-3 * one,
        "error": error,
        "across_least": 0.1 * one,
        "signal_norm": one,
        "signal_least": 0.1 * one,
        "squared": far**2,
    }
    found = rank_r_dynamics.summary(course, options, 1.0, 1e-3, 1e-3)["late_error_constant"]
    assert found == pytest.approx(0.01, rel=1e-2)
    # From a start a hundred times smaller rounding is large against every step.
    tiny = {**course, "error": error / 100}
    assert math.isnan(rank_r_dynamics.summary(tiny, options, 1.0, 1e-3, 1e-3)["late_error_constant"])


def test_the_slowest_step_counts_over_the_fall_and_before_the_conditions_hold():
    # Slow before the conditions hold, then by turns 0.3 and 0.1 a step until a hundredth, then at rest.
    logs = [0.0]
    for now in range(60):
        logs.append(logs[-1] - (0.01 if now < 10 else (0.3, 0.1)[now % 2] if now < 40 else 0.0))
    course = course_of(np.exp(logs).tolist())
    course["signal_least"] = torch.where(torch.arange(61) < 10, 0.1, 1.0)
    least, early = rank_r_dynamics.least_rates(course, 1.0)
    assert (least, early) == pytest.approx((0.1, 0.01))
    assert rank_r_dynamics.rate(course, 1.0)[0] == pytest.approx(0.2, rel=0.05)
    whole = rank_r_dynamics.least_rates(course_of(np.exp(logs).tolist()), 1.0)
    assert whole[0] == pytest.approx(0.01)
    assert math.isnan(whole[1])
    never = rank_r_dynamics.least_rates(course_of(np.exp(logs).tolist(), least=0.1), 1.0)
    assert all(map(math.isnan, never))


@pytest.mark.witness("rank_r_dynamics", "least_rate_over_bound", "early_rate_over_bound")
def test_the_least_rates_of_rows_are_those_of_a_plain_descent():
    options = {"d": 8, "rank": 2, "kappa": [3], "alpha": [1e-3], "certified": [4000], "step": 0.2, "targets": 2}
    table = measured("rank_r_dynamics", options, seed=3)
    gram = wishart.Ensemble.draw(8, 4000, 3, 0).gram.numpy()
    for target in range(2):
        row = table[(table["split"] == "planted") & (table["target"] == target)].iloc[0]
        factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0, 1 / 3]}, 8, 2, 3, target)
        goal, span = factor @ factor.T, factor
        slope, frame, squared, holds = plain.sensing_by_gram(gram, goal), np.linalg.qr(factor)[0], [], []
        count = math.ceil(1.5 * 3 * math.log(8 / 1e-3) / 0.2) + 1
        for u in islice(plain.factored_iterates(1e-3 * np.eye(8), slope, 0.2), count):
            basis = np.linalg.qr(span)[0]
            signal = singular_values(basis.T @ u)
            cosine = singular_values(frame.T @ basis)[-1]
            sine = math.sqrt(max(1 - cosine**2, 0))
            holds.append(signal[0] <= 5 and sine <= 1 / 3 and signal[-1] >= 0.5 / math.sqrt(3))
            squared.append(np.linalg.norm(u @ u.T - goal) ** 2)
            span = span - 0.2 * slope(u @ u.T) @ span
        falls = [-math.log(late / early) for early, late in pairwise(squared)]
        first = holds.index(True)
        last = next(k for k in range(first, len(squared)) if squared[k] <= squared[first] / 100)
        bound = -math.log(1 - 0.2 / 24)
        assert row["least_rate_over_bound"] == pytest.approx(min(falls[first:last]) / bound, rel=1e-6)
        assert row["early_rate_over_bound"] == pytest.approx(min(falls[:first]) / bound, rel=1e-4, abs=1e-9)
        assert row["early_rate_over_bound"] < 1 < row["least_rate_over_bound"]


@pytest.mark.parametrize(
    ("experiment_name", "claims"),
    [
        ("isometry_lemmas", ("lem22-inner-products", "lem23-operator")),
        ("rank_one_dynamics", ("thm31-rank-one", "prop32-error-growth", "prop33-signal-growth")),
        (
            "rank_r_dynamics",
            ("thm42-error-bounded", "thm42-signal-dominates", "thm42-angle-repaired", "prop43-linear-rate"),
        ),
    ],
)
def test_statements_name_the_fewest_measurements_of_their_regime(experiment_name, claims):
    registry = {entry["id"]: entry for entry in registered_claims()}
    least = math.inf
    for tier in ("quick", "standard", "full"):
        options = tier_settings(tier)["experiments"][experiment_name]["options"]
        ranks = options.get("rank", 1)
        rank = max(ranks) if isinstance(ranks, list) else ranks
        least = min(least, min(options["certified"]) / (options["d"] * rank))
    for claim in claims:
        said = int(re.search(r"m ≥ (\d+)·dr", registry[claim]["statement"]).group(1))
        assert said <= least < 1.1 * said, claim
