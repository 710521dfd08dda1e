"""The race against plain loops, how its methods are tuned, what is not reached by T, and what its claims measure."""

from itertools import islice, product

import numpy as np
import pandas as pd
import plain
import pytest
from conftest import gaussian_problem, measured, refused

from algoreg.chapters.race import estimands, runs
from algoreg.chapters.race.experiments import race
from algoreg.chapters.race.methods import METHODS, Method
from algoreg.chapters.race.words import NAMES, TOLD
from algoreg.claims.intervals import UNDEFINED
from algoreg.ensembles import gaussian
from algoreg.numerics import problems

pytestmark = pytest.mark.replicates(200)

OPTIONS = {"d": 12, "rank": 2, "m_over_dr": 3, "kappa": [1, 4], "budget": [300, 500], "targets": 2}
SEED, TARGET, ENSEMBLE = 5, 1, 0


def thresholded(x, rank):
    values, vectors = np.linalg.eigh(x)
    kept = np.maximum(values[-rank:], 0)
    return (vectors[:, -rank:] * kept) @ vectors[:, -rank:].T


class Plain:
    """A judged problem on full matrices, drawn by the names of its streams."""

    def __init__(self, kappa, target=TARGET, ensemble=ENSEMBLE):
        self.d, self.rank, m = 12, 2, 72
        drawn = gaussian_problem(self.d, [1.0, 1.0 / kappa], m, SEED, target, ensemble)
        self.matrices, self.labels, self.x = drawn

    def estimates(self, method, step):
        """Yield X_0, X_1, … of a method."""
        slope = plain.sensing(self.matrices, self.labels)
        if method.startswith("descent"):
            spectral = method == "descent_r"
            u = plain.spectral_start(self.matrices, self.labels, self.rank) if spectral else 1e-8 * np.eye(self.d)
            yield from (u @ u.T for u in plain.factored_iterates(u, slope, step))
        if method == "scaled_r":
            u = plain.spectral_start(self.matrices, self.labels, self.rank)
            while True:
                yield u @ u.T
                u = u - step * slope(u @ u.T) @ u @ np.linalg.inv(u.T @ u)
        x = np.zeros((self.d, self.d))
        while True:
            yield x
            moved = x - step * slope(x)
            x = thresholded(moved, self.rank) if method == "thresholding" else plain.nearest_psd(moved)

    def errors(self, method, step, count):
        found = islice(self.estimates(method, step), count + 1)
        return np.array([np.linalg.norm(x - self.x) / np.linalg.norm(self.x) for x in found])

    def train_error(self, method, step, count):
        x = next(islice(self.estimates(method, step), count, None))
        return np.linalg.norm(plain.measure(self.matrices, x) - self.labels) / np.linalg.norm(self.labels)


def first_below(errors, tolerance):
    """Return when errors, one for each iteration, fall below a tolerance, log-linear within an iteration."""
    below = np.flatnonzero(errors < tolerance)
    if not len(below):
        return np.nan
    t = below[0]
    return t - np.log(tolerance / errors[t]) / np.log(errors[t - 1] / errors[t])


@pytest.mark.witness("race", "passes")
@pytest.mark.parametrize(
    ("method", "kappa"),
    [("descent_1e-8", 1), ("descent_r", 4), ("scaled_r", 4), ("thresholding", 4), ("projected", 1)],
)
def test_a_cell_is_what_a_plain_loop_finds(method, kappa):
    table = measured("race", {**OPTIONS, "method": [method]}, seed=SEED)
    cell = table[(table["kappa"] == kappa) & (table["target"] == TARGET)]
    first = cell.iloc[0]
    errors = Plain(kappa).errors(method, first["step"], int(first["budget"]))
    for tolerance, iterations, passes in zip(cell["tolerance"], cell["iterations"], cell["passes"], strict=True):
        # Looks beyond the hundredth iteration are a hundredth apart.
        near = 1e-2 if iterations > 100 else 1e-7
        np.testing.assert_allclose(iterations, first_below(errors, tolerance), rtol=near, equal_nan=True)
        np.testing.assert_equal(passes, METHODS[method].first_passes + METHODS[method].passes * iterations)
    if first["smallest_error"] > race.TOLERANCES[-1]:
        np.testing.assert_allclose(first["end_error"], errors[-1], rtol=1e-6)


def test_methods_are_tuned_on_draws_that_are_not_judged(monkeypatch):
    seen, drawn_ensemble, drawn_factor = [], gaussian.Ensemble.draw, problems.draw_factor

    def ensemble(d, m, seed, number, *rest):
        seen.append(("ensemble", number))
        return drawn_ensemble(d, m, seed, number, *rest)

    def factor(kind, d, rank, seed, number):
        seen.append(("target", number))
        return drawn_factor(kind, d, rank, seed, number)

    monkeypatch.setattr(gaussian.Ensemble, "draw", ensemble)
    monkeypatch.setattr(problems, "draw_factor", factor)
    measured("race", {**OPTIONS, "method": ["descent_1e-8"]}, seed=SEED, ensembles=(0, 3))
    first = runs.TUNING
    tuning = [first, first + 1, first + 6, first + 7]
    assert [number for kind, number in seen if kind == "ensemble"] == [*tuning[:2], 0, *tuning[2:], 3]
    assert {number for kind, number in seen if kind == "target"} == {*tuning, 0, 1}


def test_every_ensemble_is_tuned_for_whatever_others_are_measured():
    own = {**OPTIONS, "method": ["momentum_r", "descent_r"]}
    together = measured("race", own, seed=SEED, ensembles=(0, 1, 2))
    alone = measured("race", own, seed=SEED, ensembles=(1,))
    shared = together[together["ensemble"] == 1].reset_index(drop=True)
    pd.testing.assert_frame_equal(shared, alone.reset_index(drop=True))
    assert together.groupby(["method", "kappa"])["step"].nunique().max() > 1


# At κ = 4 another step of thresholding has the smallest mean over the draws.
@pytest.mark.parametrize(("method", "kappa"), [("projected", 1), ("thresholding", 1), ("thresholding", 4)])
def test_the_step_has_the_smallest_training_error_of_the_worst_run(method, kappa, monkeypatch):
    # Nothing of the targets but the labels may count.
    made = runs.batch_of

    def blind(options, context, number, *rest):
        batch = made(options, context, number, *rest)
        batch.targets = batch.targets.flip(1).flip(2) * 3
        return batch

    own = {**OPTIONS, "method": [method], "budget": [24, 24]}
    table = measured("race", own, seed=SEED)
    monkeypatch.setattr(runs, "batch_of", blind)
    pd.testing.assert_frame_equal(table, measured("race", own, seed=SEED))
    draws = [Plain(kappa, runs.TUNING + k, runs.TUNING + k) for k in range(2)]
    worst = {
        step: max(draw.train_error(method, length, 6) for draw in draws for length in (step, 1.25 * step))
        for step in METHODS[method].steps
    }
    chosen = table.loc[table["kappa"] == kappa, "step"].unique()
    assert chosen == [min(worst, key=worst.get)]
    assert len(set(np.round(np.log(list(worst.values())), 6))) == len(worst)


def test_a_step_at_the_edge_of_stability_is_not_chosen(monkeypatch):
    # On X itself the edge is 2/λ of the ensemble's Gram matrix, and the longest step below it is the fastest.
    edges = []
    for number in range(2):
        packed = plain.pack(Plain(1, ensemble=runs.TUNING + number).matrices)
        edges.append(2 * len(packed) / np.linalg.norm(packed, 2) ** 2)
    last = 0.98 * min(edges)
    steps = (last / 1.25**2, last / 1.25, last)
    monkeypatch.setitem(METHODS, "projected", Method(METHODS["projected"].algorithm, "nothing", steps))
    table = measured("race", {**OPTIONS, "method": ["projected"]}, seed=SEED)
    assert (table["step"] < last).all()
    assert (table["largest_step"] == last).all()


def test_what_is_not_reached_by_t_has_no_value():
    table = measured("race", {**OPTIONS, "budget": [4, 60], "method": ["thresholding"]}, seed=SEED)
    lost = table[table["iterations"].isna()]
    assert set(lost["status"]) == {"budget"}
    assert lost["passes"].isna().all()
    reached = table[table["status"] == "converged"]
    assert (reached["iterations"] <= reached["budget"]).all()
    assert len(lost)
    assert len(reached)
    assert (reached["smallest_error"] < reached["tolerance"]).all()
    assert (lost["smallest_error"] >= lost["tolerance"]).all()


def test_a_method_that_diverges_says_so(monkeypatch):
    wild = Method(METHODS["projected"].algorithm, "nothing", (9.0, 11.0))
    monkeypatch.setitem(METHODS, "projected", wild)
    table = measured("race", {**OPTIONS, "method": ["projected"]}, seed=SEED)
    assert set(table["status"]) == {"diverged"}
    assert table["iterations"].isna().all()


def test_m_is_below_the_dimension_of_the_symmetric_matrices():
    refused("race", "m below d(d+1)/2", m_over_dr=4)
    refused("race", "a budget for each κ", budget=[10])
    with pytest.raises(ValueError, match="nobody"):
        measured("race", {**OPTIONS, "method": ["nobody"]}, seed=SEED)


def test_the_race_across_ranks_starts_and_measurements_is_that_of_each():
    own = {**OPTIONS, "kappa": [1], "budget": [120], "method": ["descent_1e-8", "thresholding"]}
    across = {**own, "rank": [1, 2], "alpha": [0.0, 1e-4], "measurements": ["gaussian", "rank_one"]}
    table = measured("race_across", across, seed=SEED, ensembles=(0,))
    assert len(table) == 2 * 2 * 2 * len(measured("race", own, seed=SEED, ensembles=(0,)))
    same = table[(table["rank"] == 2) & (table["alpha"] == 0) & (table["measurements"] == "gaussian")]
    expected = measured("race", own, seed=SEED, ensembles=(0,))
    pd.testing.assert_frame_equal(same[expected.columns].reset_index(drop=True), expected, check_dtype=False)
    # A start counts for what starts small alone, and steps on rank-one measurements are shorter.
    told = table[(table["method"] == "thresholding") & (table["measurements"] == "gaussian")]
    halves = [told[told["alpha"] == alpha].drop(columns="alpha").reset_index(drop=True) for alpha in (0.0, 1e-4)]
    pd.testing.assert_frame_equal(*halves)
    small = table[(table["method"] == "descent_1e-8") & (table["measurements"] == "gaussian") & (table["rank"] == 2)]
    ends = small.groupby("alpha")["smallest_error"].mean()
    assert ends[1e-4] > 2 * ends[0.0]
    rank_one = table["measurements"] == "rank_one"
    assert table.loc[rank_one, "step"].max() < table.loc[~rank_one, "step"].min()


def test_every_method_has_a_name():
    assert set(NAMES) == set(METHODS)
    assert {method.prior_knowledge for method in METHODS.values()} <= set(TOLD)


def passes_table(laws, lost=()):
    """Return a table of passes, c·κ^p for each method, with spread over two targets and three ensembles."""
    rows = []
    for method, (constant, power) in laws.items():
        for kappa in (1, 10, 100):
            for target in range(2):
                for ensemble in range(3):
                    value = constant * kappa**power * (1 + 0.01 * target) * (1 + 0.01 * ensemble)
                    gone = (method, kappa, target, ensemble) in lost
                    names = {"method": method, "kappa": kappa, "target": target, "ensemble": ensemble}
                    rows.append({**names, "tolerance": 1e-6, "passes": np.nan if gone else value})
    return {"race": pd.DataFrame(rows)}


@pytest.mark.known_answer("growth_with_kappa", "growth_with_kappa_off", "ratio_of_the_best")
def test_the_best_is_taken_at_each_kappa():
    rng = np.random.default_rng(0)
    tables = passes_table({"a": (10, 1.0), "b": (50, 0.0), "c": (40, 0.5)})
    fixed = {"table": "race", "tolerance": 1e-6}
    # a is best at 1, b at 10 and 100; c takes 40, 126, 400: the ratios are 1/4, 50/126 and 1/8.
    found = estimands.ratio_of_the_best(tables, {}, rng, first=["a", "b"], second=["c"], **fixed)
    assert found.value == pytest.approx(50 / (40 * 10**0.5))
    assert estimands.growth_with_kappa(tables, {}, rng, methods=["a"], **fixed).value == pytest.approx(1)
    upper = {"kappa": [10, 100]}
    assert estimands.growth_with_kappa(
        tables, {}, rng, methods=["a", "b"], where=upper, **fixed
    ).value == pytest.approx(0)
    off = estimands.growth_with_kappa_off(tables, {}, rng, methods=["c"], expected=1, **fixed)
    assert off.value == pytest.approx(0.5)
    with pytest.raises(ValueError, match="table race: 1 values of kappa: growth needs two"):
        estimands.growth_with_kappa(tables, {}, rng, methods=["a"], where={"kappa": [10]}, **fixed)


@pytest.mark.known_answer("ratio_of_the_best")
def test_a_method_with_a_run_that_is_not_there_by_t_is_not_the_best():
    rng = np.random.default_rng(0)
    tables = passes_table({"a": (10, 0.0), "b": (50, 0.0)}, lost={("a", 100, 1, 2)})
    fixed = {"table": "race", "tolerance": 1e-6}
    assert estimands.ratio_of_the_best(tables, {}, rng, first=["a", "b"], second=["b"], **fixed).value == pytest.approx(
        1
    )
    assert estimands.ratio_of_the_best(tables, {}, rng, first=["a"], second=["b"], **fixed) == UNDEFINED


@pytest.mark.known_answer("threshold_ratio")
def test_thresholds_are_compared_run_by_run():
    rows = []
    for target in range(2):
        for ensemble in range(3):
            for m in (10, 20, 40, 80, 160):
                names = {"rank": 2, "m": m, "target": target, "ensemble": ensemble, "status": "budget"}
                rows.append({**names, "test_error": (m / 20) ** -3.0, "other": (m / 40) ** -3.0})
    frame = pd.DataFrame(rows)
    tables = {"race_a": frame, "race_b": frame.assign(test_error=frame["other"])}
    found = estimands.threshold_ratio(
        tables, {}, np.random.default_rng(0), table="race_a", over="race_b", tolerance=0.1
    )
    assert found.value == pytest.approx(0.5, rel=0.05)
    # Of each table the rows that are asked for.
    kinds = {"race_a": "own", "race_b": "other"}
    both = {
        name: pd.concat([tables[name].assign(kind=kind), frame.assign(kind="unasked", test_error=1.0)])
        for name, kind in kinds.items()
    }
    asked = {"table": "race_a", "over": "race_b", "where": {"kind": "own"}, "over_where": {"kind": "other"}}
    again = estimands.threshold_ratio(both, {}, np.random.default_rng(0), tolerance=0.1, **asked)
    assert again == found
    never = {**tables, "race_a": frame.assign(test_error=1.0)}
    assert estimands.threshold_ratio(never, {}, None, table="race_a", over="race_b", tolerance=0.1) == UNDEFINED


@pytest.mark.known_answer("growth_of_threshold_ratio", "largest_threshold_ratio")
def test_ratios_of_thresholds_are_read_at_every_rank():
    counts = np.array([10, 20, 40, 80, 160, 320, 640])
    # The error is (m/20)⁻³: of one table at every rank, of the other it falls at 40 and at 60.
    places = {"race_a": {1: 20, 3: 20}, "race_b": {1: 40, 3: 60}}
    tables = {}
    for name, own in places.items():
        rows = []
        for rank, place in own.items():
            for target, ensemble, m in product(range(2), range(3), counts):
                names = {"rank": rank, "m": m, "target": target, "ensemble": ensemble, "status": "budget"}
                # Every run has a size of its own, the same in both tables.
                size = place * (1 + 0.1 * target) * (1 + 0.05 * ensemble)
                rows.append({**names, "test_error": (m / size) ** -3.0, "kind": "own"})
        tables[name] = pd.concat([pd.DataFrame(rows), pd.DataFrame(rows).assign(kind="other", test_error=1.0)])
    asked = {"table": "race_a", "over": "race_b", "tolerance": 0.1, "where": {"kind": "own"}}
    asked["over_where"] = asked["where"]
    largest = estimands.largest_threshold_ratio(tables, {}, np.random.default_rng(0), **asked)
    assert largest.value == pytest.approx(20 / 40, rel=1e-6)
    growth = estimands.growth_of_threshold_ratio(tables, {}, np.random.default_rng(0), **asked)
    assert growth.value == pytest.approx(40 / 60, rel=1e-6)
    never = {**tables, "race_a": tables["race_a"].assign(test_error=1.0)}
    for estimand in (estimands.largest_threshold_ratio, estimands.growth_of_threshold_ratio):
        assert estimand(never, {}, None, **asked) == UNDEFINED
