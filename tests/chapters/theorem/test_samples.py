import conftest
import numpy as np
import pandas as pd
import plain
import pytest
from conftest import gaussian_matrices, option_problems
from scipy.optimize import minimize
from scipy.stats import norm

from algoreg.chapters.theorem import readings
from algoreg.chapters.theorem.estimands import samples
from algoreg.chapters.theorem.experiments import threshold
from algoreg.chapters.theorem.ledger import samples as passages
from algoreg.claims.censoring import ABOVE, BELOW, INSIDE, censored_slope
from algoreg.claims.intervals import UNDEFINED
from algoreg.claims.thresholds import Thresholds, exponent_of, find_thresholds
from algoreg.numerics import theory
from algoreg.numerics.problems import draw_factor
from algoreg.reporting.figures import draw
from algoreg.settings.plan import experiment_options

OPTIONS = {
    "d": [6],
    "rank": [2],
    "dimension_power": 0,
    "spectrum": ["flat", "columns"],
    "algorithm": "factored",
    "ratios": [0.8, 1.5, 2.5, 4.0],
    "unit": "dr",
    "alpha": [1e-3],
    "step": [0.2],
    "time": [10.0, 30.0],
    "targets": 2,
}


# Where a run has recovered by default, and stops.
RECOVERED = experiment_options({"experiment": "threshold", "options": OPTIONS})["recovered"]


def measured(ensembles=(0,), seed=11, **changes):
    return conftest.measured("threshold", {**OPTIONS, **changes}, seed=seed, ensembles=ensembles)


def plain_error(row, seed, iterations, projected=False):
    """Return the relative error after plain descent with full measurement matrices."""
    d, m, rank, target, ensemble = (int(row[key]) for key in ("d", "m", "rank", "target", "ensemble"))
    matrices = gaussian_matrices(d, m, seed, ensemble)
    kind = {"kind": "spectrum", "eigenvalues": [1.0] * rank} if row["spectrum"] == "flat" else {"kind": "columns"}
    factor = draw_factor(kind, d, rank, seed, target)
    planted = factor @ factor.T
    labels = plain.measure(matrices, planted)
    if projected:
        estimate = plain.projected(np.zeros((d, d)), matrices, labels, row["step"], iterations)
    else:
        u = plain.factored(row["alpha"] * np.eye(d), matrices, labels, row["step"], iterations)
        estimate = u @ u.T
    return plain.relative_error(estimate, planted)


@pytest.mark.witness("threshold", "test_error", "status")
def test_the_experiment_agrees_with_plain_descent():
    table = measured(d=[6, 9], ensembles=(0, 1))
    stopped = table[(table["status"] == "converged") & (table["elapsed"] < table["time"])]
    cells = [table.iloc[0], table[table["time"] == 10].iloc[-1], stopped.iloc[0], stopped.iloc[-1]]
    for row in cells:
        iterations = round(row["elapsed"] / row["step"])
        error = plain_error(row, 11, iterations)
        assert row["test_error"] == pytest.approx(error, rel=1e-8)
        assert row["status"] == ("converged" if error < RECOVERED else "budget")
        # One that stopped had not recovered at the look before, a unit of η·t earlier.
        if row["elapsed"] < row["time"]:
            assert plain_error(row, 11, iterations - round(1 / row["step"])) >= RECOVERED
    projected = measured(algorithm="projected", unit="psd", ratios=[0.8, 1.2], rank=[1])
    assert (projected["alpha"] == 0).all()
    assert sorted(projected["m"].unique()) == [round(x * theory.psd_statistical_dimension(6, 1)) for x in (0.8, 1.2)]
    for row in (projected.iloc[0], projected.iloc[-1]):
        iterations = round(row["elapsed"] / row["step"])
        assert row["test_error"] == pytest.approx(plain_error(row, 11, iterations, True), rel=1e-8)


def test_runs_do_not_depend_on_what_shares_their_batch():
    keys = list(threshold.KEYS)
    many = measured(d=[6, 8], alpha=[1e-3, 1e-2], ratios=[0.8, 1.5, 2.0, 2.5, 3.0])
    few = measured(d=[8], ratios=[1.5, 2.5])
    both = few.merge(many, on=keys, suffixes=("", "_many"))
    assert len(both) == len(few)
    np.testing.assert_allclose(both["test_error"], both["test_error_many"], rtol=1e-8)
    assert (both["status"] == both["status_many"]).all()


def test_sizes_may_grow_with_the_rank():
    table = measured(d=[3], rank=[1, 2], dimension_power=2, time=[1.0])
    assert set(zip(table["d"], table["rank"], strict=True)) == {(3, 1), (12, 2)}


def test_stopping_early_does_not_move_thresholds():
    changes = {"d": [8], "rank": [1, 2, 3], "alpha": [1e-5], "time": [40.0], "ensembles": (0, 1)}
    stopped = measured(**changes)
    whole = measured(**changes, recovered=1e-300)
    assert (stopped["status"] == "converged").any()
    assert not (whole["status"] == "converged").any()
    for spectrum in ("flat", "columns"):
        for tolerance in (0.3, 0.1, 0.01):
            one, other = (
                find_thresholds(table[table["spectrum"] == spectrum], "rank", tolerance) for table in (stopped, whole)
            )
            np.testing.assert_allclose(one.logs, other.logs, rtol=1e-12)
            assert (one.sides == other.sides).all()


def test_a_diverged_run_is_a_row_and_has_not_recovered():
    table = measured(step=[5.0], time=[40.0])
    assert (table["status"] == "diverged").any()
    assert table.loc[table["status"] == "diverged", "test_error"].isna().all()
    found = find_thresholds(table[table["spectrum"] == "flat"], "rank", 0.1)
    assert (found.sides == ABOVE).all()


def test_wrong_options_are_named_before_any_run():
    cases = [
        ({"rank": [1, 9]}, "rank = [1, 9], d = [8]: allowed is rank at most d"),
        ({"step": [40]}, "allowed is every step at most every time"),
        ({"ratios": [1.0]}, "ratios = [1.0]: List should have at least 2 items"),
        ({"alpha": [0]}, "alpha[0] = 0: Input should be greater than 0"),
        ({"algorithm": "nothing"}, 'algorithm = "nothing"'),
        ({"m": [10]}, "options.m = [10]: unknown key"),
    ]
    for change, message in cases:
        found = option_problems("samples_r", **change)
        assert any(message in line for line in found), (message, found)


GRID = np.round(np.geomspace(50, 400, 9)).astype(int)


def table_of(logs, sizes=(1, 2, 4), along="rank", grid=GRID, power=8.0, **columns):
    """Return a table whose errors fall as (m/m*)^−power / 10, through 0.1 at log m* = ``logs`` (sizes, T, E)."""
    rows = [
        {
            along: size,
            "m": m,
            "target": t,
            "ensemble": e,
            "test_error": 0.1 * (m / np.exp(logs[place, t, e])) ** -power,
            "status": "budget",
            "spectrum": "flat",
            "alpha": 1e-6,
            "time": 60.0,
            "step": 0.25,
            "d": 20,
            **columns,
        }
        for place, size in enumerate(sizes)
        for m in grid
        for t in range(logs.shape[1])
        for e in range(logs.shape[2])
    ]
    return pd.DataFrame(rows)


def test_thresholds_are_found_between_the_points_of_the_grid_and_bounds_beyond_it():
    logs = np.log(np.array([[[60.0, 100.0], [333.0, 398.0]]]))
    found = find_thresholds(table_of(logs, sizes=(1,)), "rank", 0.1)
    np.testing.assert_allclose(found.logs, logs, rtol=1e-12)
    assert (found.sides == INSIDE).all()
    off = find_thresholds(table_of(np.log(np.array([[[40.0, 500.0]]])), sizes=(1,)), "rank", 0.1)
    np.testing.assert_allclose(np.exp(off.logs), [[[50, 400]]])
    assert off.sides.tolist() == [[[BELOW, ABOVE]]]


def test_a_median_threshold_is_the_mean_of_the_two_in_the_middle_where_both_are_on_the_grid():
    runs = [[[60.0, 100.0], [120.0, 300.0]], [[40.0, 41.0], [100.0, 500.0]], [[60.0, 100.0], [500.0, 501.0]]]
    found = find_thresholds(table_of(np.log(np.array(runs)), sizes=(1, 2, 4)), "rank", 0.1)
    # Of the second size one of the two in the middle is only known to be below the grid.
    np.testing.assert_allclose(found.medians(), [110.0, 0.0, 100.0], rtol=1e-12)


def test_a_threshold_is_where_the_error_falls_for_good():
    table = table_of(np.log(np.array([[[100.0]]])), sizes=(1,))
    table.loc[table["m"] == GRID[6], "test_error"] = 0.5
    found = find_thresholds(table, "rank", 0.1)
    assert GRID[6] < np.exp(found.logs[0, 0, 0]) < GRID[7]
    table.loc[table["m"] == GRID[6], "test_error"] = np.nan
    assert GRID[6] < np.exp(find_thresholds(table, "rank", 0.1).logs[0, 0, 0]) < GRID[7]


def test_a_tolerance_near_where_runs_stop_is_refused():
    table = table_of(np.log(np.array([[[100.0]]])), sizes=(1,)).assign(status="converged")
    table["test_error"] = table["test_error"].clip(upper=9e-4)
    with pytest.raises(ValueError, match=r"tolerance = 0\.005: allowed is at least 0\.009"):
        find_thresholds(table, "rank", 0.005)


def test_the_censored_slope_is_the_maximum_of_the_likelihood():
    rng = np.random.default_rng(4)
    x = np.repeat(np.log([1.0, 2, 4, 8]), 12)
    y = 4 + 0.9 * x + 0.2 * rng.standard_normal(len(x))
    sides = np.zeros(len(x), int)
    assert censored_slope(x, y, sides) == pytest.approx(np.polyfit(x, y, 1)[0])
    seen, sides = np.clip(y, 4.1, 5.6), np.where(y < 4.1, BELOW, np.where(y > 5.6, ABOVE, INSIDE))
    assert {BELOW, ABOVE, INSIDE} == set(sides)

    def loss(point):
        mean, spread = point[0] + point[1] * x, np.exp(point[2])
        terms = np.where(
            sides == INSIDE,
            norm.logpdf(seen, mean, spread),
            norm.logcdf(sides * (mean - seen) / spread),
        )
        return -terms.sum()

    best = minimize(loss, [4, 1, -1], method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-9, "fatol": 1e-12})
    assert censored_slope(x, seen, sides) == pytest.approx(best.x[1], abs=1e-5)


def test_slopes_at_the_edge():
    x = np.log([1.0, 1, 2, 2, 4, 4])
    line = 3 + 0.5 * x
    sides = np.array([INSIDE] * 5 + [ABOVE])
    # Known values on one line: the bound holds on it too, or is far from it.
    assert censored_slope(x, np.where(sides == ABOVE, 3.0, line), sides) == pytest.approx(0.5, abs=1e-3)
    assert np.isnan(censored_slope(x, line, np.array([INSIDE, INSIDE, ABOVE, ABOVE, ABOVE, ABOVE])))
    assert np.isnan(censored_slope(x, line, np.full(6, ABOVE)))


NEWTON = (0.684482341, 0.627451898, -0.621505358, 0.737523560, 0.704928260, -0.126155158, 1.725419383, 0.332557154)


def test_a_censored_slope_is_what_newtons_method_gave():
    """The values are of a solver by hand that this one replaced; the test above checks independently."""
    rng = np.random.default_rng(11)
    for expected in NEWTON:
        x = np.log(rng.choice([1.0, 2.0, 4.0, 8.0], size=24))
        y = 4 + rng.normal() * x + 10 ** rng.uniform(-3, 0) * rng.standard_normal(24)
        low, high = np.quantile(y, [rng.uniform(0, 0.4), rng.uniform(0.6, 1)])
        sides = np.where(y < low, BELOW, np.where(y > high, ABOVE, INSIDE))
        assert censored_slope(x, np.clip(y, low, high), sides) == pytest.approx(expected, abs=1e-6)


def drawn(rng, exponent, targets=4, ensembles=6, spreads=(0.05, 0.05, 0.05)):
    """Return log thresholds with target, ensemble and cell effects, of ranks 1, 2, 4, 8."""
    t, e, c = spreads
    shape = (4, targets, ensembles)
    return (
        np.log(60)
        + exponent * np.log([1, 2, 4, 8])[:, None, None]
        + t * rng.standard_normal((4, targets, 1))
        + e * rng.standard_normal((4, 1, ensembles))
        + c * rng.standard_normal(shape)
    )


@pytest.mark.replicates(40)
@pytest.mark.parametrize("cuts", [[None], [(55.0, 400.0), (62.0, 430.0)]])
def test_intervals_cover_also_where_thresholds_are_censored(cuts):
    rng, trials, covered, dropped = np.random.default_rng(7), 60, 0, {cut: [] for cut in cuts}
    for trial in range(trials):
        cut, logs = cuts[trial % len(cuts)], drawn(rng, 1.0)
        low, high = np.log(cut) if cut else (-np.inf, np.inf)
        sides = np.where(logs < low, BELOW, np.where(logs > high, ABOVE, INSIDE))
        found = exponent_of(Thresholds(np.array([1.0, 2, 4, 8]), np.clip(logs, low, high), sides), rng)
        covered += found.low <= 1.0 <= found.high
        inside = sides == INSIDE
        x = np.broadcast_to(np.log([1, 2, 4, 8])[:, None, None], logs.shape)
        dropped[cut].append(np.polyfit(x[inside], logs[inside], 1)[0])
    # Four standard errors of a 95 % rate over 60 trials are 11 %; over-coverage is allowed, as cells count twice.
    assert covered / trials > 0.95 - 0.11
    for cut, slopes in dropped.items():
        assert cut is None or abs(np.mean(slopes) - 1) > 0.01


def test_exponents_repeat_for_their_seed_and_take_the_larger_spectrum():
    rng = np.random.default_rng(1)
    steep, flat = (drawn(rng, exponent)[:, :2, :3] for exponent in (1.1, 0.7))
    table = pd.concat(
        [
            table_of(steep, (1, 2, 4, 8), grid=np.geomspace(10, 3000, 40)),
            table_of(flat, (1, 2, 4, 8), grid=np.geomspace(10, 3000, 40), spectrum="columns"),
        ]
    )
    options = {"table": "x", "along": "rank", "tolerance": 0.1}
    one, again, other = (
        samples.threshold_exponent({"x": table}, {}, np.random.default_rng(seed), **options) for seed in (1, 1, 2)
    )
    assert one == again != other
    alone = samples.threshold_exponent(
        {"x": table}, {}, np.random.default_rng(1), **options, where={"spectrum": "flat"}
    )
    ends = [(each.value, each.low, each.high) for each in (one, alone)]
    assert ends[0] == pytest.approx(ends[1], abs=0.01)
    assert one.value == pytest.approx(1.1, abs=0.1)
    with pytest.raises(ValueError, match="2 values of rank: an exponent needs at least three"):
        samples.threshold_exponent({"x": table}, {}, np.random.default_rng(1), **options, where={"rank": [1, 2]})


@pytest.mark.known_answer("threshold_exponent")
def test_an_exponent_of_thresholds_that_mostly_lie_off_the_grid_is_undefined():
    logs = drawn(np.random.default_rng(1), 1.0)
    table = table_of(logs[:, :2, :2], (1, 2, 4, 8), grid=[50, 70, 90])
    found = samples.threshold_exponent(
        {"x": table}, {}, np.random.default_rng(1), table="x", along="rank", tolerance=0.1
    )
    assert found == UNDEFINED
    # Half of them is enough, and no less.
    for sides, enough in (([BELOW, INSIDE, INSIDE, ABOVE], True), ([BELOW, BELOW, INSIDE, ABOVE], False)):
        assert Thresholds(np.array([1.0, 2.0]), np.zeros((2, 2, 1)), np.reshape(sides, (2, 2, 1))).on_grid == enough


def test_the_goe_density_has_the_moments_of_the_matrix():
    for n in (1, 2, 7, 60):
        reach = np.sqrt(2 * n) + 7
        points = np.linspace(-reach, reach, 4001)
        weights = theory.goe_density(n, points) * (points[1] - points[0])
        # tr H⁰ and the mean of tr H² = the dimension of the symmetric matrices.
        np.testing.assert_allclose([weights.sum(), weights @ points**2], [n, theory.symmetric_dimension(n)], rtol=1e-4)


@pytest.mark.parametrize(("d", "rank"), [(4, 1), (9, 2), (12, 3), (20, 1)])
def test_the_statistical_dimension_of_least_trace_against_monte_carlo(d, rank):
    rng = np.random.default_rng(3)
    n, draws = d - rank, 2000
    gaussian = rng.standard_normal((draws, n, n))
    eigenvalues = np.linalg.eigvalsh((gaussian + gaussian.transpose(0, 2, 1)) / 2)
    grid = np.linspace(0, np.sqrt(2 * n) + 1, 200)
    squares = np.stack([np.sum(np.maximum(eigenvalues - x, 0) ** 2, axis=1) for x in grid])
    best = np.argmin(rank * grid**2 + squares.mean(axis=1))
    expected = rank * (rank + 1) / 2 + rank * n + rank * grid[best] ** 2 + squares[best].mean()
    error = squares[best].std() / np.sqrt(draws)
    # The grid in τ leaves at most rank + n times its spacing squared.
    assert abs(theory.trace_statistical_dimension(d, rank) - expected) < 4 * error + d * (grid[1] - grid[0]) ** 2


def test_the_statistical_dimension_of_least_trace_at_the_edge():
    assert theory.trace_statistical_dimension(5, 5) == theory.symmetric_dimension(5) == theory.degrees_of_freedom(5, 5)
    with pytest.raises(ValueError, match="rank = 0: allowed is 1 to d = 4"):
        theory.trace_statistical_dimension(4, 0)


@pytest.mark.replicates(20)
def test_figures_show_every_reading_and_what_lies_off_the_grid():
    logs = drawn(np.random.default_rng(1), 1.0)[:, :2, :2]
    judged = table_of(logs, (1, 2, 4, 8))
    judged.loc[judged.index[-1], ["test_error", "status"]] = np.nan, "diverged"
    settings_table = pd.concat(
        [table_of(logs, (1, 2, 4, 8)), table_of(logs + 3, (1, 2, 4, 8), alpha=1e-3)], ignore_index=True
    )
    (exponents,) = draw("exponents_r", {"samples_r": judged, "samples_settings_r": settings_table}).axes
    labels = [text.get_text() for text in exponents.get_yticklabels()]
    assert labels == [
        "judged: error 0.1",
        "error 0.3",
        "error 0.03",
        "error 0.01",
        "fewer draws",
        "fewer draws, α = 10⁻³",
        "fewer draws, error 0.01, α = 10⁻³",
        "degrees of freedom",
        "statistical dimension\nof least trace",
    ]
    assert "0 of 16 m* on the grid" in exponents.texts[-1].get_text()
    (heat, _) = draw("samples_r", {"samples_r": judged}).axes
    assert any("beyond the grid" in text.get_text() for text in heat.get_legend().get_texts())
    assert readings.power(3e-12) == "3·10⁻¹²"


def test_the_ledger_shows_thresholds_in_units_of_dr_and_bounds_as_bounds():
    logs = np.log(np.array([[[40.0, 60.0, 500.0]], [[90.0, 100.0, 110.0]], [[160.0, 200.0, 240.0]]]))
    both = [table_of(logs, spectrum=spectrum) for spectrum in ("flat", "columns")]
    table = pd.concat(both, ignore_index=True)
    sizes = pd.concat([frame.assign(d=20 * frame["rank"], rank=1) for frame in both], ignore_index=True)
    rows = passages.samples_thresholds(table, sizes).splitlines()[2:]
    assert len(rows) == 6
    cells = [cell.strip() for cell in rows[0].split("|")[1:-1]]
    assert cells[:4] == ["20", "1", "3.00 (< 2.50 … > 20.00)", "3.00 (< 2.50 … > 20.00)"]
    assert cells[4] == "1.00"
    assert [cell.strip() for cell in rows[5].split("|")[1:4]] == ["80", "1", "2.50 (2.00 … 3.00)"]
    text = passages.samples_between(table, sizes)
    assert text.startswith(
        "At the tolerance 0.3 the median m\\* is between the degrees of freedom and the statistical dimension in "
    )
    # Medians of 60, 100 and 200 at d = 20 and ranks 1, 2, 4 (dr = 20, 40, 80), and at rank 1 and d = 20, 40, 80.
    places = [((20, 1), 60), ((20, 2), 100), ((20, 4), 200), ((20, 1), 60), ((40, 1), 100), ((80, 1), 200)]
    between = 2 * sum(
        theory.degrees_of_freedom(*size) < m < theory.trace_statistical_dimension(*size) for size, m in places
    )
    above = 2 * sum(m >= theory.trace_statistical_dimension(*size) for size, m in places)
    said = f", and above both in {above}" if above else ""
    second = text.split("At the tolerance ")[2]
    assert second.startswith("0.1 ")
    assert second.endswith(f" in {between} of 12 cases{said}. ")


@pytest.mark.replicates(20)
def test_the_ledger_compares_readings_with_the_same_draws():
    logs = drawn(np.random.default_rng(1), 1.0)[:3, :2, :2]
    tables = {}
    for short, along in (("r", "rank"), ("d", "d")):
        options = {"grid": np.geomspace(20, 900, 30).round().astype(int)}
        usual, slow = table_of(logs, **options), table_of(logs + 0.1, **options, time=40.0)
        if along == "d":
            usual, slow = (frame.assign(d=20 * frame["rank"], rank=1) for frame in (usual, slow))
        tables[f"samples_{short}"] = tables[f"samples_precision_{short}"] = usual
        far = table_of(np.maximum(logs, np.log(100)) + (logs == logs.max()) * 5, **options, alpha=1e-3)
        far = far if along == "rank" else far.assign(d=20 * far["rank"], rank=1)
        tables[f"samples_settings_{short}"] = pd.concat([usual, slow, far], ignore_index=True)
    tables |= {"samples_square": tables["samples_precision_r"], "samples_projected": tables["samples_precision_d"]}
    lines = passages.samples_sensitivity(*(tables[name] for name in passages.READ)).splitlines()
    rows = {line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]] for line in lines[2:]}
    assert rows["fewer draws, η·t = 40"][1] == "× 1.105"
    assert rows["fewer draws, float64"][1] == "× 1.000"
    assert rows["fewer draws"][1] == rows["judged: error 0.1"][1] == ""
    assert rows["fewer draws, α = 10⁻³"][1].startswith("at least × ")
    assert rows["fewer draws, α = 10⁻³"][0].endswith("(1 of 12 off the grid)")
    assert rows["error 0.3"][1].startswith("× 0.8")
    assert rows["judged: error 0.1"][2:4] == ["", ""]
