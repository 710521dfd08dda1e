"""The figures of large dimensions: m*/(dr) over d and r with the leak's prediction, and what is stored."""

import numpy as np

from algoreg.chapters.large.estimands import Curves
from algoreg.chapters.large.leak import predicted
from algoreg.claims.exponents import slope_weights
from algoreg.claims.intervals import interval_of
from algoreg.reporting.charts.course import dodged, points
from algoreg.reporting.charts.law import law
from algoreg.reporting.charts.panels import describe, finish, panels
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, caption, draws, power_of_ten, raised
from algoreg.reporting.figures import drawing

TOLERANCE = 0.1
MARKERS = "osD^"


def _alpha(value):
    return f"α = {power_of_ten(value)}"


def _curve(axes, frame, along, colour, marker):
    """Draw the thresholds of one α with intervals of resampled runs, and the leak's prediction; return the exponent
    of m*.
    """
    curves, rng = Curves(frame, TOLERANCE), np.random.default_rng(0)
    places = curves.thresholds(curves.values)
    d, rank = np.array(curves.sizes, float).T
    x = {"d": d, "rank": rank}[along]
    ends = [interval_of(lambda part, i=i: curves.thresholds(part)[i], curves.values, rng) for i in range(len(places))]
    spread = np.exp([[place - end.low, end.high - place] for place, end in zip(places, ends, strict=True)])
    bars = np.exp(places) * np.array([1 - 1 / spread[:, 0], spread[:, 1] - 1])
    slope = float(slope_weights(x) @ (places + np.log(d * rank)))
    label = f"{_alpha(curves.alpha)}: m* grows as {raised('d' if along == 'd' else 'r', f'{slope:.2f}')}"
    axes.errorbar(
        x, np.exp(places), bars, fmt=marker, color=colour, markersize=4.5, capsize=2, linewidth=1, label=label
    )
    grid = np.geomspace(x[0], x[-1], 40)
    ratios = grid / rank[0] if along == "d" else d[0] / grid
    axes.plot(grid, predicted(np.exp(places[0]), d[0] / rank[0], ratios, curves.alpha), color=colour, linewidth=1)
    return slope


@drawing
def large_thresholds(tables, claims):
    """Draw the threshold m*/(dr) over d by α and over r, with the leak through the first point, and the theorem."""
    figure, (left, right) = panels(2)
    frame, ranks = tables["large_d"], tables["large_r"]
    parts = [part for _, part in frame.groupby("alpha", sort=True)]
    grown = {}
    for part, colour, marker in zip(reversed(parts), COLOURS, MARKERS, strict=False):
        grown[part["alpha"].iloc[0]] = _curve(left, part, "d", colour, marker)
    left.plot([], [], color="grey", linewidth=1, label="the leak through the first point")
    said = [f"as {raised('d', f'{slope:.2f}')} from {_alpha(alpha)}" for alpha, slope in grown.items()]
    title = f"over d, m* grows {said[0]},\n{said[-1]}"
    describe(left, "xy", sorted(frame["d"].unique()), xlabel="dimension d", ylabel="threshold m*/(dr)", title=title)
    slope = _curve(right, ranks, "rank", COLOURS[1], MARKERS[1])
    right.plot([], [], color=COLOURS[1], linewidth=1, label="the leak through the first point")
    sizes = np.array(sorted(ranks["rank"].unique()), float)
    first = float(np.exp(Curves(ranks, TOLERANCE).thresholds(Curves(ranks, TOLERANCE).values)[0]))
    right.plot(sizes, first * sizes, "--", color="black", linewidth=1, label="Theorem 1.1's bound, m ∝ dr²")
    right.axhline(first, color="black", linestyle=":", linewidth=1, label="the conjecture, m ∝ dr")
    title = f"over r, m* grows as {raised('r', f'{slope:.2f}')}, not as {raised('r', '2')}"
    describe(right, "xy", sizes, xlabel="rank r", ylabel="threshold m*/(dr)", title=title)
    row = ranks.iloc[0]
    said = caption(f"left: r = {frame['rank'].iloc[0]}, {draws(frame)}", f"right: d = {row['d']}, {draws(ranks)}")
    return finish(figure, "bars: 95 % intervals of resampled runs", caption=said)


@drawing
def large_unstored(tables, claims):
    """Draw the directions that are stored over d at several times, and the mean errors beside stored measurements'."""
    figure, (left, right) = panels(2)
    frame = tables["large_basis"]
    for (time, part), colour, marker in zip(frame.groupby("time"), COLOURS, MARKERS, strict=False):
        law(left, part, "d", "directions", colour, f"η·t = {time:g}", marker)
    most = frame[frame["time"] == frame["time"].max()].groupby("d")["directions"].mean()
    title = f"{most.iloc[0]:.0f} directions at d = {most.index[0]}, {most.iloc[-1]:.0f} at d = {most.index[-1]}"
    describe(left, "xy", most.index, xlabel="dimension d", ylabel="directions stored", title=title)
    labels = {"large_law_stored": "stored", "large_law": "drawn as they are asked for"}
    for place, (name, label) in enumerate(labels.items()):
        moved = dodged(tables[name], "time", place, len(labels), 1.04)
        points(right, moved, "time", "test_error", COLOURS[place], label, MARKERS[place], linestyle="none")
    title = f"measurements of one law: the same errors\n(d = {tables['large_law']['d'].iloc[0]})"
    describe(right, "y", xlabel="η·t", ylabel="‖X − X*‖/‖X*‖ (Frobenius)", title=title)
    said = caption(f"left: {draws(frame)}", f"right: {draws(tables['large_law'])} each")
    return finish(figure, SPREAD, caption=said)
