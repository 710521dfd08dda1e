"""The figures of the paper's remarks: mini-batches, descent on X itself, least nuclear norm."""

import numpy as np
import pandas as pd

from algoreg.chapters.remarks.estimands import nearest_then_away
from algoreg.claims.cells import chosen, geometric_mean
from algoreg.reporting.charts.course import course, paths
from algoreg.reporting.charts.law import margin_level
from algoreg.reporting.charts.panels import describe, finish, panels, two_and_one
from algoreg.reporting.charts.style import COLOURS, TEST, THIRD, TRAIN
from algoreg.reporting.charts.text import number, rounded, sizes
from algoreg.reporting.figures import drawing

# What is drawn for a distance below the solvers' own accuracy, or 0.
LEAST_DISTANCE = 1e-10
# X* counts as found within this relative distance.
FOUND = 0.01
FLOOR = f"distances below {number(LEAST_DISTANCE)} are drawn there"
RUNS = "thick: geometric mean of runs; thin: each run (target × ensemble)"
STEP = "b/(2D)"


def _usual(factor):
    return f"η = {'' if factor == 1 else f'{factor:g}·'}{STEP}"


def _ratios(axes, sgd, small, claim):
    """Draw SGD's test error over gradient descent's from the small start, for every label noise and step."""
    usual, bold = sgd["step_factor"].min(), sgd["step_factor"].max()
    lines = [(noise, usual, "o", "-") for noise in sorted(sgd["label_noise"].unique())]
    lines += [(0, bold, "s", ":")] if bold > usual else []
    largest = 0.0
    for (noise, factor, marker, style), colour in zip(lines, COLOURS, strict=False):
        frame = chosen(sgd, {"alpha": small, "label_noise": noise, "step_factor": factor})
        label = f"noise {noise:.0%} of the observations' rms" if noise else "no noise"
        # Four bands would hide one another.
        options = {"geometric": False, "marker": marker, "linestyle": style, "band": noise == 0}
        kept = course(axes, frame, "batch", "ratio", colour, f"{label}, {_usual(factor)}", **options)
        largest = max(largest, kept["mean"].max())
    margin_level(axes, claim)
    axes.axhline(1, color="black", linewidth=0.7, label="no difference")
    axes.set(
        ylabel="test error of SGD / of gradient descent",
        title=f"from α = {small:g} SGD's error is on average {rounded(largest, 3, 'up')} times\ngradient descent's at most, from the same observations",
    )
    axes.set_ylim(bottom=0)


def _errors(axes, table):
    """Draw both methods' test error from both starts, without label noise."""
    clean = table[table["label_noise"] == 0]
    sgd = clean[clean["method"] == "sgd"]
    usual, ends = sgd["step_factor"].min(), []
    for alpha, colour, marker in ((table["alpha"].min(), TEST, "o"), (table["alpha"].max(), TRAIN, "s")):
        for factor, frame in sgd[sgd["alpha"] == alpha].groupby("step_factor"):
            style, fill = ("-", colour) if factor == usual else (":", "white")
            options = {"marker": marker, "linestyle": style, "markerfacecolor": fill, "geometric": False}
            course(axes, frame, "batch", "test_error", colour, f"SGD from α = {alpha:g}, {_usual(factor)}", **options)
        own = chosen(clean, {"alpha": alpha, "method": "gradient"})["test_error"].mean()
        every = sgd.loc[(sgd["alpha"] == alpha) & (sgd["step_factor"] == usual), "test_error"].mean()
        ends.append(f"from α = {alpha:g} SGD ends at {rounded(every)}")
        axes.axhline(own, linestyle="--", color=colour, linewidth=1, label=f"gradient descent from α = {alpha:g}")
    axes.set(yscale="log", ylabel="relative test error", title="\n".join(ends))


@drawing
def minibatch(tables, claims):
    """Draw SGD's test error over that of gradient descent from the small initialisation, against the batch size."""
    table = tables["minibatch"]
    sgd = table[table["method"] == "sgd"]
    figure, (left, right) = panels(2)
    _ratios(left, sgd, table["alpha"].min(), claims["minibatch-sgd"])
    _errors(right, table)
    for axes in (left, right):
        describe(axes, "x", sgd["batch"].unique(), xlabel="batch size b (last: m, drawn with replacement)")
    note = (
        "line: mean of runs; band (left: without noise): smallest to largest run; η is at most gradient descent's step"
    )
    said = f"{sizes(table, 'd', 'rank', 'm')}; equal η·t; right: no noise"
    return finish(figure, note, caption=said)


def _farthest(table, claim):
    """Return how far a mean error is from √(1 − m/D) at most, in parts of it, as the claim measures it."""
    means = table.groupby("m_over_dimension")["test_error"].mean()
    law = np.sqrt(np.maximum(1 - means.index.to_numpy(), 0))
    return float(np.nanmax(np.abs(means - law) / np.maximum(law, claim["estimand"]["floor"])))


@drawing
def x_space(tables, claims):
    """Draw the relative errors that gradient descent on X leaves, with √(1 − m/D) and its tolerance."""
    table, claim = tables["x_space"], claims["x-space-descent"]
    tolerance, floor = (claim["estimand"][name] for name in ("tolerance", "floor"))
    figure, (axes,) = panels(width=5.4, height=3.9)
    ratio = np.linspace(0, 1, 400)
    law = np.sqrt(1 - ratio)
    away = claim["margin"] * tolerance * np.maximum(law, floor)
    label = f"margin: {claim['margin'] * tolerance:.0%} away from √(1 − m/D)"
    axes.fill_between(ratio, np.maximum(law - away, 0), law + away, color="0.85", label=label)
    axes.plot(ratio, law, color="black", linewidth=1, label="√(1 − m/D)")
    floor = floor / claim["margin"]
    axes.axhline(
        floor, linestyle="--", color="black", linewidth=0.8, label=f"margin: X* is missed by {floor:.3g} at least"
    )
    for value, marker, colour, name in (("test_error", "o", TEST, "test"), ("train_error", "x", TRAIN, "training")):
        lost = int(table[value].isna().sum())
        label = f"{name} error, each run" + (f" (not drawn: {lost} diverged)" if lost else "")
        options = {"color": colour, "markersize": 3.5, "alpha": 0.7, "label": label}
        axes.plot(table["m_over_dimension"], table[value], marker, **options)
    xlabel = "measurements over dimension, m/D, D = d(d+1)/2"
    title = f"descent on X misses X* by √(1 − m/D),\nto within {rounded(100 * _farthest(table, claim), towards='up')}% on average"
    axes.set(xlabel=xlabel, ylabel="relative error at the run's end", title=title)
    return finish(figure, caption=f"Gradient descent on X from 0: {sizes(table, 'd', 'rank')}")


def _path(axes, frame, claim, title):
    """Draw both distances of descent's end against α, each run thin and the geometric mean thick."""
    good = frame[frame["status"] != "diverged"]
    lost = f" (not drawn: {len(frame) - len(good)} diverged runs)" if len(good) < len(frame) else ""
    for value, colour, label in (
        ("distance_to_target", TRAIN, "to X*"),
        ("distance_to_min_trace", TEST, f"to the least nuclear norm{lost}"),
    ):
        paths(axes, good, "alpha", value, colour, label, LEAST_DISTANCE)
    margin_level(axes, claim, "distance to the least nuclear norm")
    describe(axes, "xy", xlabel="initialisation scale α", title=title)


def _ends(frame):
    """Return a row for each of descent's runs from the smallest α:
    its distances to X* and to the least nuclear norm.
    """
    good = frame[frame["status"] != "diverged"]
    return good.loc[good["alpha"] == good["alpha"].min(), ["distance_to_target", "distance_to_min_trace"]]


def _counted(frame, which):
    """Return a title that says how many runs end at X*, and how many at the least nuclear norm: not all end alike."""
    ends = _ends(frame)
    target, least = (ends < FOUND).sum()
    return f"{which}: {target} of {len(ends)} descents end at X*,\n{least} of {len(ends)} at the least nuclear norm"


def _averaged(frame, which):
    """Return a title that says how far from X* and from the least nuclear norm runs end: all alike."""
    target, least = (
        rounded(geometric_mean(values), 1) for _, values in _ends(frame).clip(lower=LEAST_DISTANCE).items()
    )
    return f"{which}, geometric means: descent ends\n{target} from X*, {least} from least nuclear norm"


def _finders(shares):
    """Return how often each method finds X* at the m where that differs most."""
    gaps = pd.DataFrame(shares).dropna()
    ratio = (gaps.max(axis=1) - gaps.min(axis=1)).idxmax()
    found = ", ".join(f"{name} {share:.0%}" for name, share in gaps.loc[ratio].items())
    return f"m = {ratio:g}·dr: X* is found by\n{found}"


def _who_finds_it(axes, table):
    """Draw the distance of every run to X* against m, descent's and the convex programme's, and how many found it."""
    descents = table[table["method"] == "descent"]
    smallest, shares = descents["alpha"].min(), {}
    for frame, colour, label, shift, height in (
        (descents[descents["alpha"] == smallest], TEST, f"descent from α = {number(smallest)}", 1.012, 6),
        (table[table["method"] == "clarabel"], THIRD, "least nuclear norm", 1 / 1.012, 2),
    ):
        good = frame[frame["status"] != "diverged"]
        distances = good["distance_to_target"].clip(lower=LEAST_DISTANCE)
        axes.plot(good["m_over_dr"] * shift, distances, "o", color=colour, markersize=3.5, alpha=0.5, label=label)
        share = (good["distance_to_target"] < FOUND).groupby(good["m_over_dr"]).mean()
        shares[label.partition(" from")[0]] = share
        for ratio, part in share.items():
            axes.annotate(f"{part:.0%}", (ratio * shift, height), color=colour, fontsize=8, ha="center")
    label = f"X* counts as found below {FOUND:g} (above: by which share of runs)"
    axes.axhline(FOUND, linestyle=":", color="black", linewidth=0.8, label=label)
    texts = {"xlabel": "measurements m/(dr)", "ylabel": "distance to X* / ‖X*‖", "title": _finders(shares)}
    describe(axes, "xy", table["m_over_dr"].unique(), ylim=(LEAST_DISTANCE / 2, 30), **texts)
    axes.margins(x=0.1)


def _solvers(tables):
    """Return how accurate the convex solutions are, for the note."""
    solved = pd.concat([frame[frame["method"].isin(["clarabel", "scs"])] for frame in tables])
    statuses = solved["status"].value_counts()
    apart = solved.loc[solved["method"] == "scs", "distance_to_min_trace"].max()
    return (
        f"{len(solved)} convex solutions: {statuses.get('budget', 0)} less accurate than asked for, "
        f"{statuses.get('diverged', 0)} failed; Clarabel and SCS differ by at most {rounded(apart, 1, 'up')}"
    )


@drawing
def min_trace(tables, claims):
    """Draw where descent ends as α falls, from few and from many measurements, and from commuting ones."""
    table, commuting = tables["min_trace"], tables["min_trace_commuting"]
    enough, below = claims["conj-min-nuclear-norm"], claims["conj-min-nuclear-norm-below"]
    descents = table[table["method"] == "descent"]
    figure, grid = two_and_one(height=3.7, sharey=True)
    for axes, claim in zip(grid, (below, enough), strict=False):
        judged = np.min(claim["estimand"]["where"]["m_over_dr"])
        ratio = min(table["m_over_dr"].unique(), key=lambda ratio: abs(ratio - judged))
        frame = descents[descents["m_over_dr"] == ratio]
        _path(axes, frame, claim, (_counted if claim is below else _averaged)(frame, f"m = {ratio:g}·dr"))
        if claim is below:
            run = nearest_then_away(frame)
            axes.plot(run.index, run, color=THIRD, linewidth=1.6, label="one run: comes near that, then leaves")
    diagonal = commuting[commuting["method"] == "descent"]
    _path(grid[2], diagonal, below, _averaged(diagonal, "commuting A_i"))
    for axes in (grid[0], grid[2]):
        axes.set_ylabel("distance of descent's end / ‖X*‖")
    said = f"Gaussian: {sizes(table, 'd', 'rank')}; commuting, that is diagonal, A_i: {sizes(commuting, 'd', 'm')}"
    return finish(figure, f"{RUNS}; {FLOOR}\n{_solvers((table, commuting))}", caption=said)


@drawing
def min_trace_found(tables, claims):
    """Draw how near X* descent and the least nuclear norm end, run by run, over the measurements."""
    table = tables["min_trace"]
    figure, (axes,) = panels(width=6.4)
    _who_finds_it(axes, table)
    return finish(figure, f"each mark: a run (target × ensemble); {FLOOR}", caption=sizes(table, "d", "rank"))
