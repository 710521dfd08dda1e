"""The figures of the paper's Appendix B: its axes, our mean and spread, the published points on top."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from algoreg.analysis.thresholds import THRESHOLD_ERROR, thresholds
from algoreg.judge.published import load_published, load_sizes
from algoreg.numerics.theory import psd_statistical_dimension
from algoreg.tell.figures import (
    BAND,
    COLOURS,
    ITERATION,
    TEST,
    THIRD,
    THOUSANDS,
    TRAIN,
    band,
    drawing,
    draws,
    legend_below,
    plain_tick,
    published_points,
    sizes_text,
)


@drawing
def figure_1(tables):
    """Draw training and test error against α after 10⁴ iterations [LMZ18, Figure 1]."""
    table = tables["figure_1"]
    sizes = sorted(table["d"].unique())
    figure, grid = plt.subplots(1, len(sizes), figsize=(4.6 * len(sizes), 3.9), squeeze=False, sharey=True)
    curve = load_sizes("figure_1")
    for axes, d in zip(grid[0], sizes, strict=True):
        frame = table[table["d"] == d]
        for error, colour, name in (("test_error", TEST, "test"), ("train_error", TRAIN, "training")):
            band(axes, frame, "alpha", error, colour, f"{name} error, ours")
            there = curve[(curve["error"] == error) & (curve["d"] == d)]
            if "figure_1_published" in tables and len(there):
                published_points(axes, there, "alpha", colour, f"{name} error, published")
        if "figure_1_paper_step" in tables and d == sizes[0]:
            step = tables["figure_1_paper_step"]
            means = step.groupby("alpha")["test_error"].mean()
            axes.plot(
                means.index,
                means,
                "x",
                color="black",
                markersize=6,
                label="test error, ours,\nat the paper's own step",
                zorder=6,
            )
        axes.set(xscale="log", yscale="log", xlabel="initialisation scale α", title=f"d = {d}, {sizes_text(frame)}")
        axes.invert_xaxis()
    grid[0][0].set_ylabel(f"relative error at iteration {table['iteration'].iloc[0]}")
    for axes in grid[0]:
        legend_below(axes, ncols=2)
    figure.supxlabel(BAND, fontsize=7)
    return figure


@drawing
def figure_2(tables):
    """Draw both errors along the run for a large and a small start [LMZ18, Figure 2]."""
    table = tables["figure_2"]
    alphas = sorted(table["alpha"].unique(), reverse=True)
    figure, grid = plt.subplots(1, len(alphas), figsize=(4.3 * len(alphas), 3.7), squeeze=False, sharey=True)
    curve = load_published("figure_2")
    for axes, alpha in zip(grid[0], alphas, strict=True):
        frame = table[table["alpha"] == alpha]
        for error, colour, name in (("test_error", TEST, "test"), ("train_error", TRAIN, "training")):
            band(axes, frame, "iteration", error, colour, f"{name} error, ours")
            there = curve[(curve["error"] == error) & (curve["alpha"] == alpha)]
            if "figure_2_published" in tables and len(there):
                published_points(axes, there.iloc[::8], "iteration", colour, f"{name} error, published")
        axes.set(
            yscale="log",
            xlabel=ITERATION,
            title=f"α = {alpha:g}\nd = {frame['d'].iloc[0]}, {sizes_text(frame)}",
        )
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(THOUSANDS)
    grid[0][0].set_ylabel("relative error")
    for axes in grid[0]:
        legend_below(axes)
    figure.supxlabel(BAND, fontsize=7)
    return figure


@drawing
def figure_3(tables):
    """Draw the test error along a long run from α = 0.01 [LMZ18, Figure 3]."""
    table = tables["figure_3"]
    figure, axes = plt.subplots(figsize=(4.8, 3.7))
    curve = load_sizes("figure_3")
    for d, colour, marker in zip(sorted(table["d"].unique()), (TEST, THIRD), ("o", "s"), strict=False):
        band(axes, table[table["d"] == d], "iteration", "test_error", colour, f"ours, d = {d}")
        there = curve[curve["d"] == d]
        if "figure_3_published" in tables and len(there):
            published_points(axes, there, "iteration", colour, f"published, d = {d}", marker)
    axes.set(
        yscale="log",
        xlabel=ITERATION,
        ylabel="relative test error",
        title=f"α = {table['alpha'].iloc[0]:g}; {sizes_text(table)}",
    )
    axes.xaxis.set_major_formatter(THOUSANDS)
    # The whole figure may lie within one decade: name the values between the powers of ten too.
    for which in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        which(FuncFormatter(plain_tick))
    legend_below(axes)
    figure.supxlabel(BAND, fontsize=7)
    return figure


METHODS = {"projected": (TEST, "projected, on X", "o"), "factored": (TRAIN, "factored, on UUᵀ", "s")}


def _thresholds(axes, tables):
    """Draw each method's threshold against d, with its spread over runs, and the PSD cone's statistical dimension."""
    table = tables["figure_4_thresholds"]
    sizes = sorted(table["d"].unique())
    lines = []
    for name in ("figure_4_thresholds", "figure_4_thresholds_large"):
        for method, style in METHODS.items():
            frame = tables[name][tables[name]["method"] == method] if name in tables else table.iloc[:0]
            if len(frame):
                lines.append((frame, *style))
    for frame, colour, label, marker in lines:
        alpha = frame["alpha"].iloc[0]
        start = "" if np.isnan(alpha) else f", α = {alpha:g}"
        means, lows, highs = [], [], []
        for d in sizes:
            # A mean over the runs whose threshold lies inside the grid would be biased: no point where one lies outside.
            found = thresholds(frame[frame["d"] == d])
            means.append(np.exp(np.mean(np.log(found))))
            lows.append(found.min())
            highs.append(found.max())
        # Equal runs may lie on either side of their mean by rounding.
        spread = np.maximum([np.subtract(means, lows), np.subtract(highs, means)], 0)
        large = alpha > table["alpha"].min()
        axes.errorbar(
            sizes,
            means,
            spread,
            marker=marker,
            color=colour,
            markerfacecolor="white" if large else colour,
            linestyle=":" if large else "-",
            label=f"{label}{start}",
            capsize=3,
            linewidth=1,
        )
    rank = int(table["rank"].iloc[0])
    grid = np.linspace(min(sizes), max(sizes), 100).round().astype(int)
    axes.plot(
        grid,
        [psd_statistical_dimension(d, rank) / d for d in grid],
        "--",
        color="black",
        label="positivity alone identifies X*:\nstatistical dimension / d",
    )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="d",
        ylabel=f"m/d at which the test error falls through {THRESHOLD_ERROR:g}",
        title="bars: smallest to largest run",
    )
    axes.minorticks_off()
    axes.set_xticks(sizes, [f"{d}" for d in sizes])
    low, high = axes.get_ylim()
    ticks = [tick for tick in (0.5, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70) if low <= tick <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    legend_below(axes)


@drawing
def figure_4(tables):
    """Draw projected against factored descent over m/d, and where their thresholds lie as d grows [LMZ18, Figure 4]."""
    table = tables["figure_4"]
    sizes = sorted(table["d"].unique())
    extra = "figure_4_thresholds" in tables
    columns = len(sizes) + extra
    figure, grid = plt.subplots(1, columns, figsize=(4.5 * columns, 3.9), squeeze=False)
    curve = load_sizes("figure_4")
    for axes, d in zip(grid[0], sizes, strict=False):
        frame = table[table["d"] == d]
        for method, (colour, _, marker) in METHODS.items():
            band(axes, frame[frame["method"] == method], "m_over_d", "test_error", colour, f"{method}, ours")
            there = curve[(curve["method"] == method) & (curve["d"] == d)]
            if "figure_4_published" in tables and len(there):
                published_points(axes, there, "m_over_d", colour, f"{method}, published", marker)
        rank = int(frame["rank"].iloc[0])
        axes.axvline(
            psd_statistical_dimension(d, rank) / d,
            linestyle="--",
            color="black",
            linewidth=1,
            label="positivity alone\nidentifies X*",
        )
        title = f"d = {d}, r = {rank}, {draws(frame)}"
        axes.set(yscale="log", xlabel="measurements per dimension, m/d", title=title)
    grid[0][0].set_ylabel("relative test error at the run's end")
    for axes in grid[0][: len(sizes)]:
        legend_below(axes, ncols=2)
    if extra:
        _thresholds(grid[0][-1], tables)
    figure.supxlabel(BAND, fontsize=7)
    return figure


def _run_from_a_large_start(tables, name, curve_name, title, unit):
    table = tables[name]
    figure, axes = plt.subplots(figsize=(5.2, 3.9))
    curve = load_published(curve_name)
    for error, colour, label in (("test_error", TEST, "test"), ("train_error", TRAIN, "training")):
        band(axes, table, "iteration", error, colour, f"{label} error, ours")
        for _, one in table[table["status"] != "diverged"].groupby("target"):
            mean = one.groupby("iteration")[error].mean()
            axes.plot(mean.index, mean, color=colour, linewidth=0.7, alpha=0.7)
        if f"{name}_published" in tables:
            published_points(axes, curve[curve["error"] == error], "iteration", colour, f"{label} error, published")
    axes.set(
        yscale="log",
        xlabel=unit,
        ylabel="relative error",
        title=f"{title} from α = {table['alpha'].iloc[0]:g}\nd = {table['d'].iloc[0]}, {sizes_text(table)}",
    )
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(THOUSANDS)
    legend_below(axes)
    figure.supxlabel(f"{BAND};\nthin: each target, mean over ensembles (the paper draws one target)", fontsize=7)
    return figure


@drawing
def figure_5a(tables):
    """Draw both errors along single-sample SGD from the identity [LMZ18, Figure 5a]."""
    return _run_from_a_large_start(tables, "figure_5a", "figure_5a_sgd", "one sample a step", "step")


@drawing
def figure_5b(tables):
    """Draw both errors along gradient descent from the identity [LMZ18, Figure 5b]."""
    return _run_from_a_large_start(tables, "figure_5b", "figure_5b_gd", "gradient descent", ITERATION)


@drawing
def flow_equivalence(tables):
    """Draw how far larger steps move the test errors from those of the paper's own step at equal η·t."""
    table = tables["flow_equivalence"]
    keys = ["alpha", "iteration", "target", "ensemble"]
    base = table["step"].min()
    own = table[table["step"] == base].set_index(keys)["test_error"]
    rest = table[table["step"] > base].copy()
    rest["change"] = 100 * (rest["test_error"] / own.loc[rest.set_index(keys).index].to_numpy() - 1)
    last = rest[rest["iteration"] == rest["iteration"].max()]
    figure, axes = plt.subplots(figsize=(5.2, 3.9))
    for alpha, colour in zip(sorted(last["alpha"].unique(), reverse=True), COLOURS, strict=False):
        band(axes, last[last["alpha"] == alpha], "step", "change", colour, f"α = {alpha:g}", marker="o")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(
        xscale="log",
        xlabel=f"step η (the paper's: {base:g})",
        ylabel="change of test error, %",
        title=f"at iteration {last['iteration'].iloc[0]} of the paper\nd = {table['d'].iloc[0]}, {sizes_text(table)}",
    )
    axes.minorticks_off()
    steps = sorted(last["step"].unique())
    axes.set_xticks(steps, [f"{step:g}" for step in steps])
    legend_below(axes)
    figure.supxlabel(BAND, fontsize=7)
    return figure
