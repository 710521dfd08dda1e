"""The figure of sharp constants: predictions without a fit beside what is measured."""

import numpy as np

from algoreg.chapters.sharp_constants.predictions import COSTS, overlap, squared_error
from algoreg.reporting.charts.panels import describe, finish, two_abreast
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import rounded, sizes
from algoreg.reporting.figures import drawing

WORDS = {"least_squares": "least squares at rank r", "penalised": "penalised trace"}
MARKERS = "os^"
# m/d at which something else has its threshold, as d grows: message passing with truncation to rank r begins where
# 2s² + 3s⁴ at s² = 1/(2c), its error from X = 0, is 1.
OTHERS = {"spectral initialisation": 0.5, "degrees of freedom": 1.0, "message passing": 1.5}
# Of a threshold, and of the relative error that counts as found.
HALF, FOUND = 0.5, 0.1


def _smaller(axes, frame, x, y, place, label):
    """Draw rings at the means of every d but the largest: the predictions are limits as d grows."""
    for d, own in frame[frame["d"] < frame["d"].max()].groupby("d"):
        style = {"color": COLOURS[place], "markersize": 9, "markerfacecolor": "none", "linestyle": "none"}
        axes.plot(own.groupby(x)[y].mean(), MARKERS[place], **style, label=f"{label}, d = {d:g}")


def _means(axes, frame, x, y, place, label):
    """Draw means over runs with bars of two standard errors; return them."""
    groups = frame.groupby(x)[y]
    means, errors = groups.mean(), 2 * groups.sem()
    axes.errorbar(
        means.index, means, errors, fmt=MARKERS[place], color=COLOURS[place], markersize=4.5, capsize=2, label=label
    )
    return means


def _noise(axes, frame):
    every, largest = frame, frame["d"].max()
    frame = frame[frame["d"] == largest]
    ratio = float((frame["m"] / (frame["d"] * frame["rank"])).iloc[0])
    grid, off = np.geomspace(frame["noise"].min(), frame["noise"].max(), 60), []
    for place, method in enumerate(COSTS):
        own = frame[frame["method"] == method]
        means = _means(axes, own, "noise", "error", place, f"{WORDS[method]}, d = {largest:g}")
        _smaller(axes, every[every["method"] == method], "noise", "error", place, WORDS[method])
        axes.plot(grid, [squared_error(method, noise, ratio) for noise in grid], color=COLOURS[place], linewidth=1)
        found = means / own.groupby("noise")["predicted"].first()
        off.append(np.abs(found[found.index <= 0.3] - 1).max())
    axes.set_title(f"squared errors under noise lie within {max(off):.1%}\nof their prediction up to x = 0.3")
    describe(axes, "xy", sorted(frame["noise"].unique()), xlabel="noise x", ylabel="squared error per eigenvalue")


def _overlap(axes, frame):
    every, largest, label = frame, frame["d"].max(), "first eigenvector of (1/m) Σ yᵢAᵢ"
    frame = frame[frame["d"] == largest]
    means = _means(axes, frame, "m_over_d", "overlap", 0, f"{label}, d = {largest:g}")
    _smaller(axes, every, "m_over_d", "overlap", 0, label)
    grid = np.array([0.2, *np.linspace(0.5, frame["m_over_d"].max(), 100)])
    axes.plot(grid, [overlap(ratio) for ratio in grid], color=COLOURS[0], linewidth=1)
    off = max(abs(mean - overlap(ratio)) for ratio, mean in means.items() if ratio >= 1)
    axes.set_title(f"from m = d on the spectral initialisation's\noverlap lies within {rounded(off)} of its prediction")
    describe(axes, xlabel="m/d", ylabel="squared overlap")


def _least_trace(axes, frame):
    off = []
    for place, (rank, own) in enumerate(frame.groupby("rank")):
        _means(axes, own, "d", "first_m", place, f"least trace, r = {rank}")
        predicted = own.groupby("d")["predicted"].first()
        axes.plot(predicted.index, predicted, color=COLOURS[place], linewidth=1)
        off.append(np.abs(own.groupby("d")["over"].mean() - 1).max())
    axes.set_title(f"the first m of the least trace lies in the mean\nwithin {max(off):.1%} of its prediction")
    describe(axes, "", sorted(frame["d"].unique()), xlabel="dimension d", ylabel="first m that finds X*")


def _descent(axes, frame):
    frame = frame.assign(found=(frame["test_error"] < FOUND).astype(float))
    for place, (d, own) in enumerate(frame.groupby("d")):
        _means(axes, own, "m_over_dr", "found", place, f"descent from α = 10⁻¹², d = {d}")
    for name, ratio in OTHERS.items():
        axes.axvline(ratio, color="grey", linewidth=0.9, linestyle=":")
        axes.annotate(name, (ratio, 0.98), rotation=90, fontsize=7, ha="right", va="top", color="0.3")
    shares = frame[frame["d"] == frame["d"].max()].groupby("m_over_dr")["found"].mean()
    under, over = shares[shares < HALF].index.max(), shares[shares >= HALF].index.min()
    axes.axhline(HALF, color="black", linewidth=0.9, linestyle="--", label="half of the draws")
    axes.set_title(
        f"descent recovers half of the draws\nbetween m = {under:g}dr and {over:g}dr: no prediction is known"
    )
    describe(axes, "", xlabel="m/(dr)", ylabel="share of draws with error below 0.1", ylim=(-0.03, 1.03))


@drawing
def sharp_constants(tables, claims):
    """Draw squared errors, overlaps, first m and shares of recovery with their predictions."""
    figure, grid = two_abreast(4, height=3.3)
    names = ("sharp_noise", "sharp_overlap", "sharp_least_trace", "sharp_descent")
    for axes, name, draw in zip(grid, names, (_noise, _overlap, _least_trace, _descent), strict=True):
        draw(axes, tables[name])
    note = "points: mean of draws; bars: two standard errors; lines: predictions, nothing is fitted"
    said = [f"{name}: {sizes(tables[name], 'd')}" for name in names]
    return finish(figure, note, caption="; ".join(said))
