"""Phase retrieval against plain loops on vectors, completion against a plain loop on entries,
and what the claims measure.
"""

import math

import numpy as np
import pandas as pd
import pytest
from conftest import measured, option_problems, refused
from drawn import RUNS, crossed, curve, drawn_law, geometric, level, margin, mean, same, where
from scipy import stats

from algoreg.chapters.phase_retrieval import estimands, ledger
from algoreg.claims.intervals import UNDEFINED
from algoreg.ensembles.entries import Ensemble as Entries
from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.seeds import stream
from algoreg.regression import references
from algoreg.reporting.figures import draw

pytestmark = pytest.mark.replicates(200)

SEED, D, ETA = 5, 6, 0.1
OPTIONS = {"d": [D], "m_ratio": [8.0, 20.0], "iterations": 400, "targets": 2, "incoherence": True}
STAGES = OPTIONS | {"start": ["random", "spectral", "coherent"]}


def problem(ratio, target, d=D, largest=20):
    """Return the vectors, x* and the labels of a run, m = ratio·d."""
    vectors = Ensemble.draw(d, round(largest * d), SEED, 0).vectors.numpy()[: round(ratio * d)]
    star = draw_factor({"kind": "spectrum", "eigenvalues": [1.0]}, d, 1, SEED, target)[:, 0]
    return vectors, star, (vectors @ star) ** 2


def start_of(kind, vectors, star, labels, target):
    d = len(star)
    if kind == "random":
        return stream("start", kind="gaussian", d=d, seed=SEED, target=target).standard_normal((d, d))[:, 0] / d**0.5
    if kind == "coherent":
        return star + 0.3 * vectors[target] / np.linalg.norm(vectors[target])
    values, basis = np.linalg.eigh((vectors.T * labels) @ vectors / len(labels))
    return math.sqrt(values[-1] / 3) * basis[:, -1]


def plain(x, vectors, star, labels, step=ETA, most=400):
    """Return the errors, the signals over the rest and the incoherences of every iteration of a plain loop."""
    errors, signals, met = [], [], []
    for _ in range(most + 1):
        gap = min((x - star, x + star), key=np.linalg.norm)
        errors.append(np.linalg.norm(gap))
        signals.append(abs(x @ star) / np.linalg.norm(x - (x @ star) * star))
        met.append(np.abs(vectors @ gap).max() / math.sqrt(math.log(len(star))) / errors[-1])
        if not errors[-1] < 1e3 or errors[-1] <= 1e-5:
            break
        seen = vectors @ x
        x = x - step * (vectors.T @ ((seen**2 - labels) * seen)) / len(labels)
    return np.array(errors), np.array(signals), np.array(met)


@pytest.mark.witness(
    "phase_retrieval", "arrived", "growth", "incoherence", "largest_incoherence", "stage_one", "stage_two", "to_end"
)
@pytest.mark.parametrize("kind", ["random", "spectral", "coherent"])
def test_a_run_goes_where_a_plain_loop_on_a_vector_goes(kind):
    table = where(measured("phase_retrieval", STAGES, seed=SEED), start=kind)
    for _, row in table.iterrows():
        vectors, star, labels = problem(row["m_ratio"], row["target"])
        x = start_of(kind, vectors, star, labels, row["target"])
        errors, signals, met = plain(x, vectors, star, labels)
        arrived = bool(errors[-1] <= 1e-5)
        assert row["arrived"] == arrived
        if arrived:
            assert row["status"] == "converged"
            assert row["stage_one"] == np.argmax(errors <= 0.1)
            assert row["to_end"] == len(errors) - 1 == row["stage_one"] + row["stage_two"]
            assert row["incoherence"] == pytest.approx(met[0])
            assert row["largest_incoherence"] == pytest.approx(met.max(), rel=1e-6)
        else:
            assert np.isnan(row["to_end"])
            assert np.isnan(row["stage_two"])
        if row["status"] != "diverged":
            growth = math.log(signals[25] / signals[5]) / 20 / math.log(1 + 2 * ETA)
            assert row["growth"] == pytest.approx(growth, rel=1e-6)


def test_a_falling_step_is_the_same_at_the_smallest_d_and_has_as_much_time():
    own = {"d": [4, 8, 16], "m_ratio": [20.0], "start": ["random"], "rule": ["constant", "falling"], "targets": 2}
    table = measured("phase_retrieval", own | {"iterations": 50}, seed=SEED)
    steps = where(table, rule="falling").groupby("d")["step"].first()
    assert steps.to_dict() == pytest.approx({4: 0.1, 8: 0.05, 16: 0.025})
    first = where(table, d=4)
    assert (
        first[first["rule"] == "constant"]["stage_one"].tolist()
        == first[first["rule"] == "falling"]["stage_one"].tolist()
    )
    vectors, star, labels = problem(20, 0, d=16)
    errors, *_ = plain(start_of("random", vectors, star, labels, 0), vectors, star, labels, 0.025, 200)
    row = where(table, d=16, rule="falling", target=0).iloc[0]
    assert row["arrived"] == (errors[-1] <= 1e-5)
    assert row["stage_one"] == np.argmax(errors <= 0.1)


def test_m_may_have_a_log_of_d():
    own = {"d": [8], "m_of": "d log d", "m_ratio": [4.0], "start": ["spectral"], "iterations": 5, "targets": 1}
    assert measured("phase_retrieval", own, seed=SEED)["m"].tolist() == [round(4 * 8 * math.log(8))]


def test_what_diverges_is_counted_apart_and_has_no_times():
    own = {"d": [12], "m_ratio": [1.0], "start": ["spectral"], "iterations": 100, "targets": 4}
    table = measured("phase_retrieval", own, seed=SEED, ensembles=(0, 1))
    lost = table[table["status"] == "diverged"]
    assert len(lost)
    assert lost["lost"].eq(1).all()
    assert lost["arrived"].eq(0).all()
    assert lost[["to_end", "stage_two"]].isna().all(axis=None)
    assert table["lost"].sum() == len(lost)


def test_courses_are_those_of_plain_loops_of_either_width():
    own = {"d": [D], "m_over_d": 4.0, "width": ["one", "full"], "alpha": 0.1, "time": 3.0, "targets": 2}
    table = measured("phase_course", own, seed=SEED)
    vectors, star, labels = problem(4, 1, largest=4)
    for width in ("one", "full"):
        u = 0.1 * (start_of("random", vectors, star, labels, 1)[:, None] if width == "one" else np.eye(D))
        for _ in range(30):
            residuals = np.sum((vectors @ u) ** 2, axis=1) - labels
            u = u - ETA * ((vectors.T * residuals) @ vectors / len(labels)) @ u
        row = where(table, width=width, target=1, time=table["time"].max()).iloc[0]
        x = u @ u.T
        assert row["test_error"] == pytest.approx(np.linalg.norm(x - np.outer(star, star)), rel=1e-8)
        signal = star @ x @ star
        assert row["signal"] == pytest.approx(math.sqrt(signal / (np.trace(x) - signal)), rel=1e-8)


@pytest.mark.witness("completion_rows", "acts")
def test_rows_of_completion_are_those_of_a_plain_loop():
    own = {"d": [14], "rank": 2, "share": [0.6], "start": ["spectral", "spiky"], "iterations": 200, "targets": 2}
    table = measured("completion_rows", own, seed=SEED)
    ensemble = Entries.draw(14, round(0.6 * 105), SEED, 0)
    known = np.zeros((14, 14))
    for i, j in ensemble.positions.tolist():
        known[i, j] = known[j, i] = 1
    share = ensemble.m / 105
    for target in range(2):
        factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0, 1.0]}, 14, 2, SEED, target)
        x = factor @ factor.T
        bound = math.sqrt(2) * np.linalg.norm(factor, axis=1).max()
        values, basis = np.linalg.eigh(known * x / share)
        for start in ("spectral", "spiky"):
            u = basis[:, -2:] * np.sqrt(values[-2:])
            if start == "spiky":
                u[0] /= np.linalg.norm(u[0])
            over, steps = [np.linalg.norm(u, axis=1).max() > bound], 0
            while np.linalg.norm(u @ u.T - x) > 1e-5 * np.linalg.norm(x) and steps < 200:
                u = u - 0.5 * (known * (u @ u.T - x) / share) @ u
                steps += 1
                over.append(np.linalg.norm(u, axis=1).max() > bound)
            row = where(table, start=start, target=target).iloc[0]
            if row["status"] == "converged":
                assert row["to_end"] == steps
                assert row["clipped"] == pytest.approx(np.mean(over[1:]))
                assert row["acts"] == any(over[1:])
            assert row["too_long_at_start"] == over[0]


@pytest.mark.known_answer("median_exponent")
def test_a_median_counts_what_has_not_arrived_as_longest():
    rows = [
        {"d": d, "target": t, "ensemble": e, "time": None if (t, e) == (0, 0) else 3.0 * d**0.5 + (t == 2)}
        for d in (4, 16, 64)
        for t in range(3)
        for e in range(3)
    ]
    frame, rng = pd.DataFrame(rows), np.random.default_rng(0)
    own = {"table": "a", "value": "time", "along": "d"}
    found = estimands.median_exponent({"a": frame}, {}, rng, **own)
    # Two runs in three take 3√d, so does the median, although one of nine has none.
    assert found.value == pytest.approx(0.5, abs=0.05)
    # A law of another kind, and a mean that one long run moves.
    square = frame.assign(kind="asked", time=np.where(frame["target"] == 2, 1e9, frame["d"] ** 2.0))
    both = {"a": pd.concat([square, square.assign(kind="other", time=1.0)])}
    found = estimands.median_exponent(both, {}, rng, where={"kind": "asked"}, **own)
    assert found.value == pytest.approx(2)
    lost = frame.assign(time=frame["time"].where(frame["target"] == 2))
    assert estimands.median_exponent({"a": lost}, {}, rng, **own) == UNDEFINED
    with pytest.raises(ValueError, match="at least three"):
        estimands.median_exponent({"a": frame[frame["d"] > 4]}, {}, rng, **own)


@pytest.mark.known_answer("largest_geometric_ratio")
def test_a_ratio_of_columns_is_the_largest_over_points():
    frame = pd.DataFrame(
        {"d": d, "target": t, "ensemble": e, "end": d * 2.0 ** (t - 1), "start": 2.0, "kind": kind}
        for d in (4, 8)
        for t in range(3)
        for e in range(3)
        for kind in "ab"
    )
    frame.loc[frame["kind"] == "b", "end"] = 100.0
    own = {"table": "a", "value": "end", "against": "start", "by": ["d"], "where": {"kind": "a"}}
    found = estimands.largest_geometric_ratio({"a": frame}, {}, np.random.default_rng(0), **own)
    assert found.value == pytest.approx(4)
    assert found.low < 4 < found.high
    lost = frame.assign(start=0.0)
    assert estimands.largest_geometric_ratio({"a": lost}, {}, np.random.default_rng(0), **own) == UNDEFINED


def test_wrong_options_are_named_before_the_run():
    (line,) = option_problems("phase_n", size=0.0)
    assert "size = 0.0: Input should be greater than 0" in line
    refused("phase_course", "alpha = 0: Input should be greater than 0", alpha=0)
    refused("phase_course", "look at most time", look=100.0)
    refused("completion_rows", "one for each d", share=[0.5, 0.4])
    refused("phase_incoherence", "a measurement of its own", targets=1000)


def test_phase_stages_shows_courses_and_both_stages():
    axes = {"d": [4, 8, 16], **RUNS}
    times = {"d": [4, 8], "time": [0.0, 1.0, 2.0], **RUNS}
    course = crossed(("test_error", "signal"), **times).assign(m_over_d=10.0, width="one", alpha=1.0)
    small = crossed(("test_error", "signal"), seed=1, width=["one", "full"], **times).assign(m_over_d=10.0, alpha=1e-4)
    stages = [crossed(("stage_one", "stage_two"), seed=seed, **axes).assign(step=0.1, m_ratio=20.0) for seed in (2, 3)]
    tables = {"phase_course": course, "phase_course_small": small, "phase_n": stages[0], "phase_n_falling": stages[1]}
    left, middle, right = draw("phase_stages", tables).axes
    for axes, value in ((left, "test_error"), (middle, "signal")):
        drawn = curve(axes, "vector of size 1, d = 8")
        frame = where(course, d=8)
        expected = frame.groupby("time")[value].quantile(0.5, interpolation="higher")
        same(drawn, expected)
        own = where(small, d=8, width="full").groupby("time")[value].quantile(0.5, interpolation="higher")
        same(curve(axes, "full width from 10⁻⁴·I, d = 8"), own)
    for value, words in (("stage_one", "to error 0.1"), ("stage_two", "from 0.1 to 10⁻⁵")):
        for table, rule in zip(stages, ("η = 0.1", "η ∝ 1/d"), strict=True):
            expected = table.groupby("d")[value].quantile(0.5, interpolation="higher")
            same(curve(right, f"{words}, {rule}"), expected)
    first = stages[0].groupby("d")["stage_one"].quantile(0.5, interpolation="higher")[4]
    drawn_law(right, "margin: first stage, exponent", (4, first), margin("ccfm-log-n"))


def test_phase_measurements_shows_growth_and_shares():
    axes = {"m_ratio": [2.0, 10.0, 20.0], "start": ["random", "spectral"], **RUNS}
    table = crossed(("growth",), **axes).assign(d=50, step=0.1)
    rng = np.random.default_rng(0)
    table["arrived"], table["lost"] = rng.integers(0, 2, (2, len(table))) * 1.0
    left, right = draw("phase_measurements", {"phase_ratios": table}).axes
    same(curve(left, "random initialisations"), mean(where(table, start="random"), "m_ratio", "growth"))
    assert level(left, "margin") == margin("ccfm-signal-growth")
    for start in ("random", "spectral"):
        shares = mean(where(table, start=start), "m_ratio", "arrived")
        shares.index *= 1.03 if start == "random" else 1 / 1.03
        same(curve(right, f"{start} initialisations that arrive"), shares)
    same(curve(right, "spectral initialisations that diverge"), mean(where(table, start="spectral"), "m_ratio", "lost"))
    assert level(right, "margin: m = 20d") == margin("ccfm-random-start")


def test_shares_of_independent_runs_have_exact_intervals_in_ledger_and_figure():
    frame = references.read_tier("standard")["tables"]["phase_ratios"]
    rows = [line.strip("| ").split(" | ") for line in ledger.starts_by_ratio(frame).splitlines()[2:]]
    axes = draw("phase_measurements", {"phase_ratios": frame}).axes[1]
    drawn = {
        container.get_label(): container.lines[2][0].get_segments()
        for container in axes.containers
        if container.has_yerr
    }
    columns = [("random", "arrived", "random initialisations that arrive"), ("random", "lost", None)]
    columns += [("spectral", "arrived", "spectral initialisations that arrive")]
    columns += [("spectral", "lost", "spectral initialisations that diverge")]
    for place, (start, value, label) in enumerate(columns, 1):
        for number, (ratio, runs) in enumerate(where(frame, start=start).groupby("m_ratio")[value]):
            exact = stats.binomtest(int(runs.sum()), len(runs)).proportion_ci(method="exact")
            assert rows[number][0] == f"{ratio:g}"
            assert rows[number][place] == f"{runs.mean():.0%} [{exact.low:.0%}, {exact.high:.0%}]"
            if label:
                ends = drawn[label][number][:, 1]
                assert ends == pytest.approx([exact.low, exact.high], abs=1e-9)


def test_phase_incoherence_shows_both_laws_and_every_row():
    sizes = {"d": [4, 8, 16], **RUNS}
    met = crossed(("largest_incoherence", "incoherence"), start=["spectral", "coherent"], **sizes).assign(m_ratio=4.0)
    long_steps = crossed(("largest_incoherence",), seed=3, **sizes).assign(step=1.0)
    steps = crossed(("to_end",), seed=1, rule=["constant", "falling"], **sizes).assign(step=0.1)
    rows = crossed(("longest",), seed=2, d=[20], start=["spectral", "spiky"], **RUNS).assign(rank=2, acts=0)
    tables = {"phase_incoherence": met, "phase_spectral": steps, "completion_rows": rows}
    assert len(draw("phase_incoherence", tables).axes) == 3
    first, second, third = draw("phase_incoherence", {**tables, "phase_incoherence_long": long_steps}).axes
    means = geometric(where(met, start="spectral"), "d", "largest_incoherence")
    same(curve(first, "spectral initialisation: exponent"), means)
    moved = geometric(long_steps, "d", "largest_incoherence")
    moved.index *= 1.03
    same(curve(first, "spectral initialisation, η = 1"), moved)
    starts = geometric(where(met, start="spectral"), "d", "incoherence")
    same(curve(first, "margin: below"), starts * margin("mwcc-incoherence-kept"))
    drawn_law(first, "margin: exponent", (4, means[4]), margin("mwcc-incoherence"))
    for rule, label in (("constant", "η = 0.1"), ("falling", "η ∝ 1/d")):
        same(curve(second, label), geometric(where(steps, rule=rule), "d", "to_end"))
    shown = curve(third, "one row of length 1").to_numpy()
    assert sorted(shown) == pytest.approx(sorted(where(rows, start="spiky")["longest"]))


def test_slow_starts_are_those_above_the_limit_and_those_that_never_arrive():
    times = {50: [20.0, 30.0, 40.0, 101.0], 100: [20.0, 100.0, 500.0, np.nan]}
    rows = [
        {"d": d, "m_ratio": 10, "target": ensemble, "ensemble": ensemble, "stage_one": time}
        for d, own in times.items()
        for ensemble, time in enumerate(own)
    ]
    lines = ledger.slow_starts(pd.DataFrame(rows)).splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in cells] == ["50", "100"]
    # Of the two in the middle the larger.
    assert [row[1] for row in cells] == ["40", "500"]
    assert [row[2].split(" ")[0] for row in cells] == ["25%", "50%"]
    assert [row[3] for row in cells] == ["4", "4"]
