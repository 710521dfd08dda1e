"""The figures of the paper's remarks: mini-batches, descent on X itself, least nuclear norm."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from algoreg.analysis.cells import chosen
from algoreg.tell.figures import COLOURS, TEST, THIRD, TRAIN, band, drawing, draws, legend_below

# The margins of the claims, which live in the registry (a test holds them together).
RATIO_MARGIN = 1.5
LAW_TOLERANCE, LAW_FLOOR = 0.1, 0.5
DISTANCE_MARGIN = 1e-3
# What is drawn for a distance below the solvers' own accuracy, or 0.
LEAST_DISTANCE = 1e-10
RUNS = "thick: geometric mean of runs; thin: each run (target × ensemble)"


def _sizes(frame):
    first = frame.iloc[0]
    return f"d = {first['d']:g}, r = {first['rank']:g}"


def _noise(noise):
    return f"label noise {noise:.0%} of the labels' rms" if noise else "no label noise"


def _not_drawn(axes, frame, place=(0.02, 0.02), which=""):
    """Say how many runs have no value."""
    lost = int((frame["status"] == "diverged").sum())
    if lost:
        axes.text(*place, f"not drawn: {lost} diverged runs{which}", transform=axes.transAxes, fontsize=7)


@drawing
def minibatch(tables):
    """Draw SGD's test error over that of gradient descent from the small start, against the batch size."""
    table = tables["minibatch"]
    small, large = table["alpha"].min(), table["alpha"].max()
    sgd = table[table["method"] == "sgd"]
    usual, bold = sgd["step_factor"].min(), sgd["step_factor"].max()
    noises = sorted(sgd["label_noise"].unique())
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.1))
    lines = [(small, noise, usual, colour) for noise, colour in zip(noises, COLOURS, strict=False)]
    for alpha, noise, factor, colour in lines:
        frame = chosen(sgd, {"alpha": alpha, "label_noise": noise, "step_factor": factor})
        band(left, frame, "batch", "ratio", colour, f"{_noise(noise)}, η = b/(2D)", marker="o")
    if bold > usual:
        frame = chosen(sgd, {"alpha": small, "label_noise": 0, "step_factor": bold})
        label = f"no label noise, η = {bold:g}·b/(2D)"
        band(left, frame, "batch", "ratio", COLOURS[4], label, marker="s", linestyle=":")
    left.axhline(RATIO_MARGIN, linestyle="--", color="black", linewidth=1, label=f"margin {RATIO_MARGIN:g}")
    left.axhline(1, color="black", linewidth=0.7)
    left.set(
        ylabel="test error of SGD / of gradient descent",
        title=f"from α = {small:g}, same labels",
    )
    for alpha, colour, marker in ((small, TEST, "o"), (large, TRAIN, "s")):
        for factor, style, fill in ((usual, "-", colour), (bold, ":", "white")):
            frame = chosen(sgd, {"alpha": alpha, "label_noise": 0, "step_factor": factor})
            label = f"SGD from α = {alpha:g}, η = {'' if factor == 1 else f'{factor:g}·'}b/(2D)"
            style = {"marker": marker, "linestyle": style, "markerfacecolor": fill}
            if (frame["status"] != "diverged").any():
                band(right, frame[frame["status"] != "diverged"], "batch", "test_error", colour, label, **style)
        own = chosen(table, {"alpha": alpha, "label_noise": 0, "method": "gradient"})["test_error"].mean()
        right.axhline(own, linestyle="--", color=colour, linewidth=1, label=f"gradient descent from α = {alpha:g}")
    lost = sgd[(sgd["label_noise"] == 0) & (sgd["status"] == "diverged")]
    runs = sorted(
        {(f"{alpha:g}", f"{factor:g}") for alpha, factor in zip(lost["alpha"], lost["step_factor"], strict=True)}
    )
    which = "; ".join(f"α = {alpha}, η = {factor}·b/(2D)" for alpha, factor in runs)
    _not_drawn(right, lost, (0.02, 0.02), f" ({which})")
    right.set(yscale="log", ylabel="relative test error", title="no label noise")
    for axes in (left, right):
        sizes = sorted(sgd["batch"].unique())
        axes.set(xscale="log", xlabel="batch size b (at the right: all m, drawn with replacement)")
        axes.minorticks_off()
        axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    left.set_ylim(bottom=0)
    for axes in (left, right):
        legend_below(axes)
    first = table.iloc[0]
    figure.suptitle(f"{_sizes(table)}, m = {first['m']:g}; {draws(table)}; equal η·t", fontsize=9)
    figure.supxlabel(
        "line: mean of runs; band: smallest to largest run; η is at most gradient descent's step", fontsize=7
    )
    return figure


@drawing
def x_space(tables):
    """Draw the relative error that gradient descent on X leaves, with √(1 − m/D) and its tolerance."""
    table = tables["x_space"]
    figure, axes = plt.subplots(figsize=(5.4, 3.9))
    ratio = np.linspace(0, 1, 400)
    law = np.sqrt(1 - ratio)
    axes.fill_between(
        ratio, (1 - LAW_TOLERANCE) * law, (1 + LAW_TOLERANCE) * law, color="0.85", label=f"± {LAW_TOLERANCE:.0%}"
    )
    axes.plot(ratio, law, color="black", linewidth=1, label="√(1 − m/D)")
    axes.axhline(LAW_FLOOR, linestyle="--", color="black", linewidth=0.8, label=f"half of X* missing ({LAW_FLOOR:g})")
    frame = table.sort_values("m_over_dimension")
    axes.plot(
        frame["m_over_dimension"],
        frame["test_error"],
        "o",
        color=TEST,
        markersize=3.5,
        alpha=0.6,
        label="test error, each run",
    )
    axes.plot(
        frame["m_over_dimension"],
        frame["train_error"],
        "x",
        color=TRAIN,
        markersize=3.5,
        label="training error, each run",
    )
    axes.set(
        xlabel="measurements over dimension, m/D, D = d(d+1)/2",
        ylabel="relative error of X at the run's end",
        title=f"gradient descent on X from 0\n{_sizes(table)}; {draws(table)}",
    )
    _not_drawn(axes, table)
    legend_below(axes)
    return figure


def _path(axes, frame, title):
    """Draw both distances of descent's end against α, each run thin and the geometric mean thick."""
    good = frame[frame["status"] != "diverged"]
    for value, colour, label in (
        ("distance_to_target", TRAIN, "to X*"),
        ("distance_to_min_trace", TEST, "to the least nuclear norm"),
    ):
        wide = good.pivot_table(index="alpha", columns=["target", "ensemble"], values=value).clip(lower=LEAST_DISTANCE)
        axes.plot(wide.index, wide.to_numpy(), color=colour, linewidth=0.5, alpha=0.35)
        mean = np.exp(np.log(wide).mean(axis=1))
        axes.plot(mean.index, mean, color=colour, linewidth=2.2, label=label)
    axes.axhline(DISTANCE_MARGIN, linestyle="--", color="black", linewidth=0.8)
    axes.set(xscale="log", yscale="log", title=title)
    axes.invert_xaxis()
    _not_drawn(axes, frame)


def nearest_then_away(frame):
    """Return the distances along falling α of the run that comes near the least nuclear norm and leaves it farthest again.

    That is the largest ratio of the distance at the smallest α to the smallest distance on the way.

    Parameters
    ----------
    frame : pandas.DataFrame
        Descents at one m.

    Returns
    -------
    pandas.Series
        Over α, falling.
    """
    wide = frame.pivot_table(index="alpha", columns=["target", "ensemble"], values="distance_to_min_trace")
    wide = wide.dropna(axis=1).sort_index(ascending=False)
    return wide[(wide.iloc[-1] / wide.min()).idxmax()]


@drawing
def min_trace(tables):
    """Draw where descent ends as α falls, few and many measurements and commuting ones, and both methods against m."""
    table, commuting = tables["min_trace"], tables["min_trace_commuting"]
    descents = table[table["method"] == "descent"]
    ratios = sorted(table["m_per_dr"].unique())
    enough = min((ratio for ratio in ratios if ratio >= 2.6), default=ratios[-1])
    figure, grid = plt.subplots(2, 2, figsize=(9.6, 7.4))
    few = descents[descents["m_per_dr"] == ratios[0]]
    _path(grid[0][0], few, f"m = {ratios[0]:g}·dr Gaussian measurements")
    one = nearest_then_away(few)
    grid[0][0].plot(one.index, one, color=THIRD, linewidth=1.6, label="one run: comes near, then leaves")
    _path(grid[0][1], descents[descents["m_per_dr"] == enough], f"m = {enough:g}·dr Gaussian measurements")
    diagonal = commuting[commuting["method"] == "descent"]
    first = commuting.iloc[0]
    title = f"diagonal A_i (commuting): d = {first['d']:g}, m = {first['m']:g}, {draws(commuting)}"
    _path(grid[1][0], diagonal, title)
    for axes in (grid[0][0], grid[0][1], grid[1][0]):
        axes.set(xlabel="initialisation scale α", ylabel="distance of descent's end / ‖X*‖")
        legend_below(axes)
    axes = grid[1][1]
    smallest = descents["alpha"].min()
    for frame, colour, label, shift in (
        (descents[descents["alpha"] == smallest], TRAIN, f"descent from α = {smallest:g}", 1.012),
        (table[table["method"] == "clarabel"], THIRD, "least nuclear norm", 1 / 1.012),
    ):
        good = frame[frame["status"] != "diverged"]
        distances = good["distance_to_target"].clip(lower=LEAST_DISTANCE)
        axes.plot(good["m_per_dr"] * shift, distances, "o", color=colour, markersize=3.5, alpha=0.5, label=label)
        share = (good["distance_to_target"] < 0.01).groupby(good["m_per_dr"]).mean()
        for ratio, part in share.items():
            axes.annotate(
                f"{part:.0%}", (ratio * shift, 3 if colour == TRAIN else 1.2), color=colour, fontsize=7, ha="center"
            )
    axes.axhline(0.01, linestyle=":", color="black", linewidth=0.8, label="0.01 (above: share of runs below it)")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="measurements per dr",
        ylabel="distance to X* / ‖X*‖",
        title="who finds X*",
        ylim=(LEAST_DISTANCE / 2, 10),
    )
    axes.minorticks_off()
    axes.set_xticks(ratios, [f"{ratio:g}" for ratio in ratios])
    axes.margins(x=0.1)
    legend_below(axes)
    figure.suptitle(f"Gaussian: {_sizes(table)}, {draws(table)}", fontsize=9)
    solved = pd.concat([frame[frame["method"].isin(["clarabel", "scs"])] for frame in (table, commuting)])
    statuses = solved["status"].value_counts()
    apart = solved.loc[solved["method"] == "scs", "distance_to_min_trace"].max()
    figure.supxlabel(
        f"{RUNS}; dashed: the claims' margin; distances below {LEAST_DISTANCE:g} are drawn there\n"
        f"{len(solved)} convex solutions: {statuses.get('budget', 0)} less accurate than asked for, "
        f"{statuses.get('diverged', 0)} failed; Clarabel and SCS differ by at most {apart:.1g}",
        fontsize=7,
    )
    return figure
