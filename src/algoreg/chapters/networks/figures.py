"""Quadratic networks: what Algorithm 1 recovers and needs, what its parts do, and what Lemma A.1 says of truncation."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from algoreg.chapters.li2018 import truncated_deviation
from algoreg.chapters.networks.estimands import example_thresholds
from algoreg.numerics.theory import symmetric_dimension
from algoreg.tell.figures import COLOURS, TEST, THIRD, TRAIN, drawing, draws, legend_below

NAMES = {
    "algorithm-1": ("Algorithm 1, exact τ, R = 10τ", COLOURS[0], "-"),
    "no-truncation": ("no truncation", COLOURS[9], "--"),
    "level-6": ("R = 6τ", COLOURS[5], "-"),
    "level-4": ("R = 4τ", COLOURS[8], "-"),
    "level-2.5": ("R = 2.5τ", COLOURS[6], "-"),
    "plain": ("plain gradient descent", COLOURS[1], "-"),
    "no-rescaling": ("no rescaling", COLOURS[4], "--"),
    "coefficient-4": ("coefficient 4", COLOURS[2], "-"),
    "wrong-sign": ("rescaling of the wrong sign", COLOURS[3], "-"),
    "mean-label": ("τ from the mean label", COLOURS[7], "-"),
    "permuted-labels": ("permuted labels", "black", ":"),
    "least-squares": ("least norm (linear algebra)", "black", "-"),
}
SPREAD = "line: geometric mean of runs; band or bar: smallest to largest run (targets × ensembles)"


def _summary(frame, x, value):
    """Return x and the geometric mean, smallest and largest of positive values over runs that did not diverge."""
    groups = frame[np.isfinite(frame[value])].groupby(x)[value]
    mean = groups.apply(lambda part: np.exp(np.log(part).mean()))
    return mean.index.to_numpy(), mean.to_numpy(), groups.min().to_numpy(), groups.max().to_numpy()


def _line(axes, frame, x, value, colour, label, style="-", **more):
    where, mean, low, high = _summary(frame, x, value)
    axes.plot(where, mean, color=colour, label=label, linestyle=style, **more)
    axes.fill_between(where, low, high, color=colour, alpha=0.15, linewidth=0)


def _mark_lost(axes, frame, x, colour, height):
    """Mark where runs diverged, with how many of how many, at a height in units of the axes."""
    lost = frame[frame["status"] == "diverged"].groupby(x).size()
    for point, count in lost.items():
        total = (frame[x] == point).sum()
        axes.plot(point, height, "x", color=colour, transform=axes.get_xaxis_transform(), markersize=5, clip_on=False)
        axes.annotate(
            f"{count}/{total}",
            (point, height),
            xycoords=axes.get_xaxis_transform(),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=6.5,
            color=colour,
        )


def _sizes(frame):
    first = frame.iloc[0]
    m = ", ".join(f"{m}" for m in sorted(frame["m"].unique()))
    return f"d = {first['d']}, r = {first['rank']}, m = {m}; {draws(frame)}"


@drawing
def quadratic_recovery(tables):
    """Draw the generalisation error against α for Algorithm 1, plain descent and the controls [LMZ18, Theorem 1.2]."""
    table = tables["quadratic_recovery"]
    figure, axes = plt.subplots(figsize=(5.6, 4.3))
    for variant in [name for name in NAMES if name in set(table["variant"])]:
        label, colour, style = NAMES[variant]
        frame = table[table["variant"] == variant]
        _line(axes, frame, "alpha", "generalisation_error", colour, label, style, marker="o", markersize=3)
        lost = frame["status"].eq("diverged").sum()
        if lost:
            axes.plot([], [], " ", label=f"({variant}: {lost} of {len(frame)} diverged, not drawn)")
    bounds = table.groupby("alpha")[["bound", "window"]].first()
    axes.plot(bounds.index, bounds["bound"], color="0.4", linestyle="--", label="dκα, the theorem's bound (constant 1)")
    empty = bounds.index[bounds["window"] < 1]
    if len(empty):
        axes.axvspan(empty.min() / 2, bounds.index.max() * 1.6, color="0.85", zorder=0, linewidth=0)
        axes.text(0.98, 0.02, "shaded: the window of T is empty", transform=axes.transAxes, fontsize=7, ha="right")
    axes.set(
        xscale="log",
        yscale="log",
        xlim=(bounds.index.min() / 1.6, bounds.index.max() * 1.6),
        xlabel=f"initialisation scale α\n\n{SPREAD}",
        ylabel="generalisation error, E(ŷ − y)²",
        title=_sizes(table),
    )
    axes.xaxis.label.set_fontsize(7.5)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _examples(axes, table, along, tolerances):
    """Draw the thresholds of every variant; hollow where one of its runs lies outside the grid."""
    for variant in [name for name in ("algorithm-1", "plain", "least-squares") if name in set(table["variant"])]:
        label, colour, _ = NAMES[variant]
        frame = table[table["variant"] == variant]
        for tolerance, style, marker in zip(tolerances, ("-", ":"), ("o", "s"), strict=True):
            points, found, censored = example_thresholds(frame, along, tolerance)
            logs = np.log(found)
            mean = np.exp(logs.mean(axis=(1, 2)))
            # Equal runs may lie on either side of their mean by rounding.
            bars = np.maximum([mean - found.min(axis=(1, 2)), found.max(axis=(1, 2)) - mean], 0)
            slope = np.polyfit(np.log(points), np.log(mean), 1)[0] if len(points) > 1 else np.nan
            axes.errorbar(
                points,
                mean,
                bars,
                color=colour,
                linestyle=style,
                linewidth=1,
                capsize=2,
                label=f"{label}, to {tolerance:g}: exponent {slope:.2f}",
            )
            outside = censored.any(axis=(1, 2))
            for hollow in (False, True):
                part = outside == hollow
                axes.plot(
                    np.array(points)[part],
                    mean[part],
                    marker,
                    color=colour,
                    markerfacecolor="white" if hollow else colour,
                    markersize=4.5,
                )


def _plain_axis(axis, values):
    axis.set_minor_locator(NullLocator())
    axis.set_ticks(values, [f"{value}" for value in values])


def _plain_counts(axes):
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


@drawing
def quadratic_samples_in_d(tables):
    """Draw the examples needed against d and against the rank, at two tolerances [LMZ18, Theorem 1.2]."""
    panels = [("quadratic_samples_in_d", "d", "d"), ("quadratic_samples_in_r", "rank", "rank r")]
    panels = [panel for panel in panels if panel[0] in tables]
    figure, grid = plt.subplots(1, len(panels), figsize=(4.9 * len(panels), 4.3), squeeze=False)
    for axes, (name, along, label) in zip(grid[0], panels, strict=True):
        table = tables[name]
        _examples(axes, table, along, (0.3, 0.1))
        points = np.array(sorted(table[along].unique()))
        if along == "d":
            axes.plot(points, [symmetric_dimension(d) for d in points], color="0.6", label="d(d+1)/2", zorder=0)
        fixed = f"r = {table['rank'].iloc[0]}" if along == "d" else f"d = {table['d'].iloc[0]}"
        axes.set(xscale="log", yscale="log", xlabel=label, title=f"{fixed}; {draws(table)}")
        _plain_axis(axes.xaxis, points)
        _plain_counts(axes)
        legend_below(axes)
    grid[0][0].set_ylabel("examples m at which the relative test error\nfalls through the tolerance")
    figure.supxlabel("bars: smallest to largest run; hollow: some run lies outside the grid of m", fontsize=7)
    return figure


@drawing
def lemma_printed(tables):
    """Draw Lemma A.1: deviation over δ at both levels, and the deviation's growth in d and m with and without truncation."""
    table = tables["lemma_printed"]
    extra = [(name, along) for name, along in (("lemma_in_d", "d"), ("lemma_in_m", "m")) if name in tables]
    figure, grid = plt.subplots(1, 1 + len(extra), figsize=(4.4 * (1 + len(extra)), 4.1), squeeze=False)
    axes = grid[0][0]
    deltas = np.geomspace(table["delta"].min(), table["delta"].max(), 100)
    largest = table[
        (table["m"] == table["m"].max()) & (table["d"] == table["d"].max()) & (table["direction"] == "fixed")
    ]
    for truncation, colour, label, factor, power in (
        ("printed", TEST, "R = log(1/δ), as printed", 1, 1),
        ("four_logs", COLOURS[4], "R = 4·log(1/δ), enough", 4, 1),
        ("proof", THIRD, "R = log²(1/δ), as in its proof", 1, 2),
    ):
        mean = [truncated_deviation(factor * np.log(1 / delta) ** power) / delta for delta in deltas]
        axes.plot(deltas, mean, color=colour, label=f"{label}: mean (m → ∞)")
        part = largest[largest["truncation"] == truncation].groupby("delta")["ratio"]
        if not len(part):
            continue
        axes.errorbar(
            part.mean().index,
            part.mean(),
            np.maximum([part.mean() - part.min(), part.max() - part.mean()], 0),
            fmt="o",
            color=colour,
            markersize=4,
            capsize=2,
            label=f"a sum of m = {largest['m'].iloc[0]}, R = {label.split(',')[0].removeprefix('R = ')}",
        )
    axes.axhline(1, color="black", linestyle="--", linewidth=1, label="the lemma: at most 1")
    axes.set(
        xscale="log",
        yscale="log",
        ylim=(1e-2, None),
        xlabel="δ",
        ylabel="deviation / δ, X = e₁e₁ᵀ",
        title=f"d = {largest['d'].iloc[0]}; {largest['ensemble'].nunique()} ensembles",
    )
    legend_below(axes, fontsize=6.5)
    kinds = (
        ("proof", "adversarial", TEST, "-", "truncated, adversarial directions"),
        ("proof", "fixed", TEST, ":", "truncated, fixed direction"),
        ("none", "adversarial", TRAIN, "-", "whole sum, adversarial directions"),
        ("none", "fixed", TRAIN, ":", "whole sum, fixed direction"),
    )
    for axes, (name, along) in zip(grid[0][1:], extra, strict=True):
        frame = tables[name]
        points = np.array(sorted(frame[along].unique()))
        for truncation, direction, colour, style, label in kinds:
            part = frame[(frame["truncation"] == truncation) & (frame["direction"] == direction)]
            mean = part.groupby(along)["deviation"].mean()
            slope = np.polyfit(np.log(mean.index), np.log(mean), 1)[0]
            text = f"{label}: {slope:.2f}"
            _line(axes, part, along, "deviation", colour, text, style, marker="o", markersize=3)
        other = "m" if along == "d" else "d"
        axes.set(
            xscale="log",
            yscale="log",
            xlabel=along,
            ylabel="deviation, operator norm",
            title=f"{other} = {frame[other].iloc[0]}, R = {frame['level'].dropna().max():.0f}; {frame['ensemble'].nunique()} ensembles",
        )
        _plain_axis(axes.xaxis, points)
        legend_below(axes, title="exponent", fontsize=6.5, title_fontsize=6.5)
    figure.supxlabel("band or bar: smallest to largest ensemble", fontsize=7)
    return figure


@drawing
def quadratic_ablation(tables):
    """Draw the test error along runs of Algorithm 1, with parts left out and with its coefficient and sign changed."""
    table = tables["quadratic_ablation"]
    figure, grid = plt.subplots(1, 2, figsize=(9.4, 4.6), sharey=True)
    groups = (
        ("rescaling", ("algorithm-1", "no-rescaling", "plain", "coefficient-4", "wrong-sign", "mean-label")),
        ("truncation", ("algorithm-1", "no-truncation", "level-6", "level-4", "level-2.5")),
    )
    for axes, (what, variants) in zip(grid, groups, strict=True):
        for variant in [name for name in variants if name in set(table["variant"])]:
            label, colour, style = NAMES[variant]
            _line(axes, table[table["variant"] == variant], "iteration", "test_error", colour, label, style)
        axes.set(xscale="log", yscale="log", xlabel="iteration", title=f"{what}\n{_sizes(table)}")
        legend_below(axes)
    start = np.array([0.25, 1.0]) * table["iteration"].max()
    grid[0].plot(start, 0.06 * (start / start[0]) ** -1.0, color="black", linewidth=0.8)
    grid[0].text(start[0] * 1.5, 0.05, "1/t", fontsize=7)
    grid[0].set_ylabel("relative test error")
    figure.supxlabel(f"α = {table['alpha'].iloc[0]:g}; {SPREAD}", fontsize=7)
    return figure


@drawing
def quadratic_tau(tables):
    """Draw what an error in τ leaves: the error at the end against the size of τ's error, and the mean label against m."""
    table = tables["quadratic_tau"]
    table = table[table["variant"] == "algorithm-1"]
    last = table[table["iteration"] == table["iteration"].max()]
    panels = 1 + ("quadratic_mean_label" in tables)
    figure, grid = plt.subplots(1, panels, figsize=(4.9 * panels, 4.4), squeeze=False)
    axes = grid[0][0]
    sized = last[last["tau_error"] != 0].assign(size=last["tau_error"].abs())
    over, under = sized[sized["tau_error"] > 0], sized[sized["tau_error"] < 0]
    _line(axes, over, "size", "test_error", TEST, "τ too large, at the end", marker="o", markersize=4)
    before = table[table["tau_error"] < 0].assign(size=table["tau_error"].abs())
    lowest = before.groupby(["size", "target", "ensemble"], as_index=False)["test_error"].min()
    _line(axes, lowest, "size", "test_error", TRAIN, "τ too small, lowest along the run", ":", marker="s", markersize=4)
    exact = last[last["tau_error"] == 0]["test_error"]
    axes.axhline(np.exp(np.log(exact).mean()), color=THIRD, label="exact τ, at the end")
    sizes = np.array(sorted(over["size"].unique()))
    rank = int(table["rank"].iloc[0])
    axes.plot(
        sizes, sizes * rank / 2, "--", color="0.5", label="in the population limit: ετ/2 in every direction of X*"
    )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="relative error |ε| of τ",
        ylabel="relative test error",
        title=f"{_sizes(table)}; {table['iteration'].max()} steps",
    )
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * 4)
    _mark_lost(axes, under, "size", TRAIN, 0.92)
    axes.plot([], [], "x", color=TRAIN, label="τ too small: runs that diverged")
    legend_below(axes, fontsize=7)
    if panels > 1:
        axes = grid[0][1]
        other = tables["quadratic_mean_label"]
        for variant in ("algorithm-1", "mean-label"):
            label, colour, _ = NAMES[variant]
            part = other[other["variant"] == variant]
            _line(axes, part, "m", "test_error", colour, label, marker="o", markersize=4)
            if variant == "mean-label":
                _mark_lost(axes, part, "m", colour, 0.92)
                axes.plot([], [], "x", color=colour, label="runs that diverged")
        high = other["test_error"].max()
        axes.set(
            xscale="log",
            yscale="log",
            ylim=(None, 12 * high),
            xlabel="examples m",
            ylabel="relative test error",
            title=f"d = {other['d'].iloc[0]}, r = {other['rank'].iloc[0]}; {draws(other)}; {other['iteration'].max()} steps",
        )
        _plain_axis(axes.xaxis, np.array(sorted(other["m"].unique())))
        legend_below(axes)
    separator = " " if panels > 1 else "\n"
    figure.supxlabel(f"α = {table['alpha'].iloc[0]:g};{separator}{SPREAD}", fontsize=7 if panels > 1 else 6.5)
    return figure


@drawing
def quadratic_initialisation(tables):
    """Draw the test error against α for Algorithm 1 and plain descent, and what positivity alone recovers, against m/d."""
    table = tables["quadratic_initialisation"]
    panels = 1 + ("quadratic_cone" in tables)
    figure, grid = plt.subplots(1, panels, figsize=(4.9 * panels, 4.3), squeeze=False)
    axes = grid[0][0]
    for i, variant in enumerate(("algorithm-1", "no-truncation", "plain")):
        label, colour, style = NAMES[variant]
        part = table[table["variant"] == variant]
        _line(axes, part, "alpha", "test_error", colour, label, style, marker="o", markersize=4)
        _mark_lost(axes, part, "alpha", colour, 0.95 - 0.07 * i)
    axes.plot([], [], "x", color="black", label="runs that diverged")
    axes.set(
        xscale="log", yscale="log", xlabel="initialisation scale α", ylabel="relative test error", title=_sizes(table)
    )
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * 20)
    legend_below(axes)
    if panels > 1:
        axes = grid[0][1]
        other = tables["quadratic_cone"]
        other = other.assign(ratio=other["m"] / other["d"], test_error=np.maximum(other["test_error"], 1e-6))
        start = f"from α = {other['alpha'].dropna().iloc[0]:g}"
        for measurements, style in (("rank-one", "-"), ("gaussian", "--")):
            for method, colour, label in (
                ("projected", THIRD, "projected descent from 0"),
                ("factored", TRAIN, f"plain descent {start}"),
            ):
                part = other[(other["measurements"] == measurements) & (other["method"] == method)]
                name = "xxᵀ" if measurements == "rank-one" else "Gaussian"
                _line(axes, part, "ratio", "test_error", colour, f"{label}, {name}", style, marker="o", markersize=3)
        d = other["d"].iloc[0]
        axes.axvline(
            other["psd_dimension"].iloc[0] / d,
            color="black",
            linewidth=0.8,
            linestyle=":",
            label="positivity alone identifies X* (Gaussian)",
        )
        axes.set(
            yscale="log",
            xlabel="measurements per dimension, m/d",
            ylabel="relative test error (at least 10⁻⁶)",
            title=f"d = {d}, r = {other['rank'].iloc[0]}; {draws(other)}",
        )
        legend_below(axes, fontsize=7, handlelength=3.5)
    figure.supxlabel(SPREAD, fontsize=7)
    return figure


@drawing
def quadratic_width(tables):
    """Draw the test error against the number of hidden units, from the teacher's rank up, at several m."""
    table = tables["quadratic_width"]
    counts = sorted(table["m"].unique())
    figure, grid = plt.subplots(1, len(counts), figsize=(3.6 * len(counts), 3.9), squeeze=False, sharey=True)
    widths = np.array(sorted(table["width"].unique()))
    d, rank = int(table["d"].iloc[0]), int(table["rank"].iloc[0])
    for axes, m in zip(grid[0], counts, strict=True):
        for i, variant in enumerate(("algorithm-1", "plain")):
            label, colour, style = NAMES[variant]
            part = table[(table["variant"] == variant) & (table["m"] == m)]
            part = part.assign(test_error=np.maximum(part["test_error"], 1e-12))
            _line(axes, part, "width", "test_error", colour, label, style, marker="o", markersize=4)
            _mark_lost(axes, part, "width", colour, 0.95 - 0.07 * i)
        axes.axvline(d, color="black", linewidth=0.8, linestyle=":")
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="hidden units k (dotted: d)",
            title=f"m = {m} ({m / d:g}d), d = {d}, r = {rank}\n{draws(table)}",
        )
        _plain_axis(axes.xaxis, widths)
    grid[0][0].set_ylabel("relative test error (at least 10⁻¹²)")
    legend_below(grid[0][0])
    figure.supxlabel(f"α = {table['alpha'].iloc[0]:g}; {SPREAD}", fontsize=7)
    return figure
