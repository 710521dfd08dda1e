"""Figures of Theorem 1.1: iterations against rank, α and κ, the error against α, the window, other starts."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, NullFormatter

from algoreg.chapters.li2018 import theorem_11_error, theorem_11_window
from algoreg.tell.figures import COLOURS, drawing, draws, legend_below, plain_tick

SPREAD = "points: geometric mean of runs; bars: smallest to largest run (targets × ensembles)"


def _means(axes, frame, x, y, colour, label, marker="o", **style):
    """Draw the geometric mean of ``y`` over converged runs against ``x``, with the range of runs; return the means."""
    groups = frame.dropna(subset=[y]).groupby(x)[y]
    means = groups.apply(lambda values: np.exp(np.log(values).mean()))
    # Equal runs may lie on either side of their mean by rounding.
    bars = np.maximum([means - groups.min(), groups.max() - means], 0)
    options = {"linewidth": 1, "markersize": 4.5, "capsize": 2, **style}
    axes.errorbar(means.index, means, bars, marker=marker, color=colour, label=label, **options)
    lost = len(frame) - int(groups.count().sum())
    if lost:
        axes.text(0.98, 0.02, f"{lost} runs without a value", transform=axes.transAxes, fontsize=7, ha="right")
    return means


def _named(label, means):
    """Return a label with the exponent of means against their index; without, where there are fewer than two."""
    if len(means) < 2:
        return label
    return f"{label}: exponent {np.polyfit(np.log(means.index.to_numpy(float)), np.log(means), 1)[0]:.2f}"


def _law(axes, points, means, exponent, label, style="--", middle=False):
    """Draw the power law of an exponent through the first mean, or (``middle``) through the middle of all."""
    if means.empty:
        return
    x, y = np.log(means.index.to_numpy(float)), np.log(means.to_numpy())
    anchor = (x.mean(), y.mean()) if middle else (x[0], y[0])
    points = np.array([min(points), max(points)], dtype=float)
    law = np.exp(anchor[1] + exponent * (np.log(points) - anchor[0]))
    axes.plot(points, law, style, color="black", linewidth=0.9, label=label)


def _plain(axis, ticks=None):
    """Label a log axis with plain numbers."""
    if ticks is not None:
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
        axis.set_minor_formatter(NullFormatter())
        return
    axis.set_major_formatter(FuncFormatter(plain_tick))
    axis.set_minor_formatter(FuncFormatter(plain_tick))


def _size(frame, rank=True):
    first = frame.iloc[0]
    text = f"d = {first['d']:g}"
    if rank:
        text += f", r = {first['rank']:g}"
    return f"{text}, m = {_power(first['m'] / first['d'] / first['rank'])}·dr, {draws(frame)}"


def _power(value):
    """Return a number to two digits, a large one as the power of ten next to it."""
    if value < 1e4:
        return f"{value:.2g}"
    return "10" + "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(digit)] for digit in str(round(np.log10(value))))


@drawing
def iterations_in_r(tables):
    """Draw the iterations against the rank for four step rules [LMZ18, Theorem 1.1]."""
    table = tables["iterations_in_r"]
    figure, axes = plt.subplots(figsize=(5.4, 4.2))
    step = table.loc[(table["rule"] == "inverse_root_rank") & (table["rank"] == table["rank"].min()), "step"].iloc[0]
    rules = {
        "inverse_rank": (COLOURS[3], f"η = {step:g}/r", "^"),
        "inverse_root_rank": (COLOURS[0], f"η = {step:g}/√r, the theorem's", "o"),
        "constant": (COLOURS[1], f"η = {step:g}", "s"),
        "largest": (COLOURS[2], "η = 0.9 × the largest that X* bears", "D"),
    }
    ranks = sorted(table["rank"].unique())
    for rule, (colour, label, marker) in rules.items():
        frame = table[table["rule"] == rule]
        means = _means(axes, frame, "rank", "iterations", colour, label, marker)
        axes.containers[-1].set_label(_named(label, means))
        if rule == "inverse_root_rank":
            _law(axes, ranks, means, 0.5, "√r")
            _law(axes, ranks, means, 0.65, "r^0.65, the margin", ":")
    first = table.iloc[0]
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="rank r",
        ylabel="iterations to relative error 0.1",
        title=f"α = {first['alpha']:g}; {_size(table, rank=False)}",
    )
    _plain(axes.xaxis, ranks)
    _plain(axes.yaxis)
    legend_below(axes)
    figure.supxlabel(SPREAD, fontsize=7)
    return figure


@drawing
def iterations_in_alpha(tables):
    """Draw iterations over Theorem 1.1's κ log(d/α)/c against log(d/α), Gaussian and certified [LMZ18, Theorem 1.1]."""
    shown = [tables[name] for name in ("iterations_in_alpha", "iterations_in_alpha_certified") if name in tables]
    figure, grid = plt.subplots(1, len(shown), figsize=(4.6 * len(shown), 4.1), squeeze=False, sharey=True)
    for axes, table in zip(grid[0], shown, strict=True):
        table = table[table["start"] == "identity"]
        frame = table[table["rule"] == "constant"]
        step = frame["step"].iloc[0]
        means = _means(axes, frame, "log_d_over_alpha", "over_bound", COLOURS[0], f"η = c = {step:g}")
        points = table["log_d_over_alpha"].unique()
        if len(means):
            axes.axhline(
                2 * means.iloc[0], color="black", linestyle=":", linewidth=0.9, label="twice the first: the margin"
            )
        falling = table[table["rule"] == "inverse_log"]
        if len(falling):
            label = "control: η = c·log d/log(d/α)"
            _means(axes, falling, "log_d_over_alpha", "over_bound", COLOURS[3], label, "^")
        certified = frame["delta_high"].notna().all()
        delta = f"δ < {frame['delta_high'].max():.1e}" if certified else f"δ > {frame['delta_low'].min():.1f}"
        axes.set(
            xscale="log",
            yscale="log",
            xlabel="log(d/α)",
            title=f"{_size(frame)}\nη = {step:g}, {delta}: c {'=' if certified else '>'} "
            f"{frame['least_constant'].max() if certified else frame['least_constant'].min():.2g} in the hypothesis",
        )
        _plain(axes.xaxis, [ticks for ticks in (6, 8, 10, 15, 20, 25, 30) if ticks >= 0.9 * points.min()])
        _plain(axes.yaxis)
    grid[0][0].set_ylabel("iterations to relative error 0.1, over κ log(d/α)/c")
    for axes in grid[0]:
        legend_below(axes)
    figure.supxlabel(SPREAD, fontsize=7)
    return figure


def _fixed_step(axes, tables):
    """Draw η·t against κ at fixed steps, with the margin."""
    lines = (("iterations_in_kappa", COLOURS[0], "o"), ("iterations_in_kappa_certified", COLOURS[2], "D"))
    for name, colour, marker in (line for line in lines if line[0] in tables):
        table = tables[name][tables[name]["rule"] == "constant"]
        table = table.assign(time=table["iterations"] * table["step"])
        means = _means(axes, table, "kappa", "time", colour, "", marker)
        kind = "certified, " if table["delta_high"].notna().all() else ""
        axes.containers[-1].set_label(_named(f"{kind}{_size(table)},\nη = {table['step'].iloc[0]:g}", means))
        if name == "iterations_in_kappa":
            points = table["kappa"].unique()
            _law(axes, points, means, 1.0, "κ")
            _law(axes, points, means, 1.15, "κ^1.15, the margin", ":")
    axes.set(ylabel="η·t to ‖UUᵀ − X*‖ = 0.3·σᵣ", title="fixed step")


def _falling_steps(axes, table):
    """Draw the iterations against κ for steps that fall with κ."""
    step = table.loc[table["kappa"] == table["kappa"].min(), "step"].max()
    for rule, colour, marker, label, law in (
        ("inverse_kappa", COLOURS[3], "^", f"η = {step:g}/κ (control)", (2, "κ²", "--")),
        ("inverse_kappa_cubed", COLOURS[4], "s", f"η = {step:g}/κ³, as the theorem's η ≤ cδ has it", (4, "κ⁴", "-.")),
    ):
        frame = table[table["rule"] == rule]
        if len(frame):
            means = _means(axes, frame, "kappa", "iterations", colour, label, marker)
            axes.containers[-1].set_label(_named(label, means))
            _law(axes, frame["kappa"].unique(), means, *law)
    axes.set(ylabel="iterations to ‖UUᵀ − X*‖ = 0.3·σᵣ", title=f"steps that fall with κ\n{_size(table)}")


@drawing
def iterations_in_kappa(tables):
    """Draw η·t to a tolerance of σ_r against κ, and iterations for steps that fall with κ [LMZ18, Theorem 1.1]."""
    falling = tables.get("iterations_in_kappa_small_step")
    columns = 1 if falling is None else 2
    figure, grid = plt.subplots(1, columns, figsize=(4.7 * columns, 4.2), squeeze=False)
    _fixed_step(grid[0][0], tables)
    if falling is not None:
        _falling_steps(grid[0][1], falling)
    for axes in grid[0]:
        axes.set(xscale="log", yscale="log", xlabel="condition number κ")
        _plain(axes.xaxis, [tick for tick in (1, 1.5, 2, 3, 4, 6, 8, 12) if tick <= 1.01 * axes.get_xlim()[1]])
        legend_below(axes)
    figure.supxlabel(SPREAD, fontsize=7)
    return figure


@drawing
def error_at_time(tables):
    """Draw ‖UUᵀ − X*‖_F² at multiples of κ log(d/α)/η against α, with the bound α√d/κ² [LMZ18, Theorem 1.1]."""
    table = tables["error_at_time"]
    certified = tables.get("error_at_time_certified")
    figure, grid = plt.subplots(
        1, 3 if certified is not None else 2, figsize=(13.2 if certified is not None else 9, 4.3), sharey=True
    )
    last, most = table["time"].max(), table["m_per_dr"].max()
    panels = [(grid[0], table[(table["time"] == last) & (table["m_per_dr"] == most)])]
    if certified is not None:
        panels.append((grid[2], certified[certified["time"] == certified["time"].max()]))
    for axes, frame in panels:
        first = frame.iloc[0]
        covering = []
        for place, (kappa, part) in enumerate(frame.groupby("kappa")):
            means = _means(axes, part, "alpha", "squared_error", COLOURS[place], f"κ = {kappa:g}", "osD^v"[place])
            inside = part[part["in_window"] == 1]
            axes.containers[-1].set_label(_named(f"κ = {kappa:g}", means[means.index <= inside["alpha"].max()]))
            outside = means[means.index > inside["alpha"].max()]
            axes.plot(outside.index, outside, "o", color="white", markersize=2.2, zorder=4)
            grid_alpha = np.array([part["alpha"].min(), part["alpha"].max()])
            axes.plot(
                grid_alpha, theorem_11_error(first["d"], kappa, grid_alpha), "--", color=COLOURS[place], linewidth=0.9
            )
            covering.append(inside["over_bound"].max())
        high = frame["delta_high"].notna().all()
        delta = f"δ < {frame['delta_high'].max():.1e}" if high else f"δ > {frame['delta_low'].min():.1f}"
        axes.plot(
            [], [], "--", color="black", linewidth=0.9, label=f"α√d/κ² (constant that covers: {max(covering):.1e})"
        )
        axes.plot(
            [],
            [],
            "o",
            color="black",
            markerfacecolor="white",
            markersize=4,
            linestyle="none",
            label="T after the window (constants 1)",
        )
        axes.set_title(f"T = {frame['time'].iloc[0]:g}·κ log(d/α)/η, {delta}\n{_size(frame)}")
    axes = grid[1]
    kappa = table["kappa"].min()
    for place, per in enumerate(sorted(table["m_per_dr"].unique())):
        for style, time in zip((":", "--", "-"), sorted(table["time"].unique()), strict=False):
            part = table[(table["m_per_dr"] == per) & (table["time"] == time) & (table["kappa"] == kappa)]
            label = f"m = {per:g}dr, time {time:g}"
            _means(axes, part, "alpha", "squared_error", COLOURS[place], label, "osD"[place], linestyle=style)
            axes.containers[-1].set_label(label)
    axes.set_title(f"κ = {kappa:g}; as on the left, and fewer measurements,\nat other multiples of κ log(d/α)/η")
    for axes in grid:
        axes.set(xscale="log", yscale="log", xlabel="initialisation scale α")
    grid[0].set_ylabel("‖UUᵀ − X*‖² (Frobenius)")
    for axes in grid:
        legend_below(axes, ncols=1 if axes is not grid[1] else 2, fontsize=7)
    figure.supxlabel(SPREAD, fontsize=7)
    return figure


@drawing
def window(tables):
    """Draw the error from the start to the end of the theorem's window, with and without label noise [LMZ18, Theorem 1.1]."""
    table = tables["window"]
    first = table.iloc[0]
    figure, axes = plt.subplots(figsize=(5.6, 4.1))
    for place, (noise, frame) in enumerate(table.groupby("noise")):
        colour = COLOURS[place]
        groups = frame.groupby("iteration")["test_error"]
        end = frame[frame["iteration"] == frame["iteration"].max()]
        ratio = (end["test_error"] / end["smallest_error"]).mean()
        label = "no label noise" if noise == 0 else f"label noise {noise:g} of the labels"
        axes.plot(groups.mean().index, groups.mean(), color=colour, label=f"{label}: error(T₀)/smallest = {ratio:.3f}")
        axes.fill_between(groups.mean().index, groups.min(), groups.max(), color=colour, alpha=0.2, linewidth=0)
    begin, close = theorem_11_window(first["d"], first["kappa"], first["alpha"], first["step"])
    for place, name in ((begin, "κ log(d/α)/η"), (close, "T₀ = 1/(η√(dκα))")):
        axes.axvline(place, color="black", linewidth=0.8, linestyle=":")
        axes.text(
            place / 1.06,
            0.5,
            name,
            rotation=90,
            fontsize=7,
            ha="right",
            va="center",
            transform=axes.get_xaxis_transform(),
        )
    axes.axhline(1e-3, color="black", linewidth=0.8, linestyle="--", label="10⁻³, the floor that is asked for")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel=f"iteration at η = {first['step']:g}",
        ylabel="relative error ‖UUᵀ − X*‖/‖X*‖ (Frobenius)",
        title=f"α = d⁻⁵ = {first['alpha']:.2g}, κ = {first['kappa']:g}; {_size(table)}",
    )
    legend_below(axes)
    figure.supxlabel("line: mean of runs; band: smallest to largest run (targets × ensembles)", fontsize=7)
    return figure


@drawing
def starts(tables):
    """Draw the error of descents from other starts, and how far they are from the one from αI [LMZ18, Theorem 1.1]."""
    table = tables["starts"]
    first = table.iloc[0]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.1))
    names = {
        "identity": (COLOURS[0], "αI", "-"),
        "orthonormal": (COLOURS[1], "αQ, Q Haar orthonormal", "--"),
        "gaussian": (COLOURS[2], "αG, G iid N(0, 1/d)", "-"),
        "low_rank": (COLOURS[3], "α × the first r − 1 columns of Q (control)", "-"),
    }
    for axes, value in ((left, "test_error"), (right, "change")):
        for start, (colour, label, style) in names.items():
            groups = table[table["start"] == start].groupby("iteration")[value]
            if start == "identity" and value == "change":
                continue
            axes.plot(groups.mean().index, groups.mean(), color=colour, label=label, linestyle=style, zorder=3)
            axes.fill_between(groups.mean().index, groups.min(), groups.max(), color=colour, alpha=0.2, linewidth=0)
        axes.set(xscale="log", yscale="log", xlabel=f"iteration at η = {first['step']:g}")
    right.axhline(1e-10, color="black", linewidth=0.8, linestyle=":", label="10⁻¹⁰, the margin")
    left.set(ylabel="relative error ‖UUᵀ − X*‖/‖X*‖ (Frobenius)", title=f"{_size(table)}")
    right.set(
        ylabel="largest ‖X − X'‖/‖X*‖ so far, X' from αI",
        title=f"α = {first['alpha']:g}, κ = {first['kappa']:g}",
    )
    for axes in (left, right):
        legend_below(axes)
    figure.supxlabel("line: mean of runs; band: smallest to largest run (targets × ensembles)", fontsize=7)
    return figure
