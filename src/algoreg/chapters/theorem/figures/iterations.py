"""Figures of Theorem 1.1: iterations against rank, α and κ, the error against α, the window, other starts."""

import numpy as np

from algoreg.chapters.li2018 import theorem_11_error, theorem_11_window
from algoreg.reporting.charts.course import course, points
from algoreg.reporting.charts.law import exponent, grows, law, margin_level, margin_slope, through
from algoreg.reporting.charts.panels import describe, finish, name_ends, panels
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import (
    BAND,
    SPREAD,
    caption,
    fold,
    isometry,
    lines,
    margin_text,
    number,
    raised,
    rounded,
    signed,
    sizes,
)
from algoreg.reporting.figures import drawing
from algoreg.reporting.wording import outwards

SIZES = ("d", "rank", "m_over_dr")
ERROR = "relative error ‖UUᵀ − X*‖/‖X*‖ (Frobenius)"
SQUARED = "‖UUᵀ − X*‖² (Frobenius)"


def _theorems(axes, frame, means, line="--", label="the theorem's κ/η", **style):
    """Draw the theorem's κ/η, through the first of means over the rank or κ, with the steps of these runs."""
    steps = frame.groupby(means.index.name)["step"].first()

    def time(points):
        step = np.exp(np.interp(np.log(points), np.log(steps.index.to_numpy(float)), np.log(steps.to_numpy())))
        return (points if means.index.name == "kappa" else 1.0) / step

    through(axes, means, time, label, line, **style)


@drawing
def iterations_in_r(tables, claims):
    """Draw the iterations against the rank for four step rules [LMZ18, Theorem 1.1]."""
    table = tables["iterations_in_r"]
    figure, (axes,) = panels(width=5.4)
    step = table.loc[(table["rule"] == "inverse_root_rank") & (table["rank"] == table["rank"].min()), "step"].iloc[0]
    rules = {
        "inverse_rank": (COLOURS[2], f"η = {step:g}/r (control)", "^"),
        "inverse_root_rank": (COLOURS[0], f"η = {step:g}/√r, the theorem's", "o"),
        "constant": (COLOURS[1], f"η = {step:g}", "s"),
        "largest": (COLOURS[4], "η = 0.9 × the largest that X* bears", "D"),
    }
    for rule, (colour, label, marker) in rules.items():
        frame = table[table["rule"] == rule]
        means = law(axes, frame, "rank", "iterations", colour, label, marker)
        if rule == "inverse_root_rank":
            title = grows("at the theorem's step the iterations grow", "r", means)
            _theorems(axes, frame, means)
            margin_slope(axes, means, claims["thm11-iterations-in-r"])
    ylabel = "iterations to relative error 0.1"
    describe(axes, "xy", table["rank"].unique(), xlabel="rank r", ylabel=ylabel, title=title)
    said = f"α = {number(table['alpha'].iloc[0])}, {sizes(table, 'd', 'm_over_dr')}"
    return finish(figure, SPREAD, caption=said)


def _drift(means):
    """Return by how much means leave their first at most, in words."""
    return (
        f"leave the first point by a factor {rounded((means / means.iloc[0]).max(), 3, 'up')} at most"
        if len(means)
        else ""
    )


@drawing
def iterations_in_alpha(tables, claims):
    """Draw iterations over Theorem 1.1's κ log(d/α)/c against log(d/α), Gaussian and certified [LMZ18, Theorem 1.1]."""
    shown = {
        name: f"thm11-{name.replace('_', '-')}"
        for name in ("iterations_in_alpha", "iterations_in_alpha_certified")
        if name in tables
    }
    figure, grid = panels(len(shown), sharey=True)
    said = []
    for axes, (name, claim) in zip(grid, shown.items(), strict=True):
        table = tables[name]
        frame = table[table["rule"] == "constant"]
        step = frame["step"].iloc[0]
        means = law(axes, frame, "log_d_over_alpha", "over_bound", COLOURS[0], f"η = c = {step:g}")
        if len(means):
            margin_level(axes, claims[claim], "over the first point", scale=means.iloc[0], linestyle=":")
        falling = table[table["rule"] == "inverse_log"]
        if len(falling):
            label = "control: η = c·log d/log(d/α)"
            law(axes, falling, "log_d_over_alpha", "over_bound", COLOURS[2], label, "^")
        certified, least = frame["delta_up"].notna().all(), frame["least_constant"]
        constant = f"= {least.max():.2g}" if certified else f"> {number(outwards(least.min(), 'down'))}"
        hypothesis = f"c {constant} in the hypothesis"
        kind = "certified δ" if certified else "Gaussian"
        describe(axes, "xy", xlabel="log(d/α)", title=f"{kind}: iterations over κ log(d/α)/c\n{_drift(means)}")
        said.append(f"{kind}: {sizes(frame, *SIZES)}, η = {step:g}, {isometry(frame)}: {hypothesis}")
    grid[0].set_ylabel("iterations to relative error 0.1, over κ log(d/α)/c")
    return finish(figure, SPREAD, caption=caption(*said))


def _fixed_step(axes, tables, claims):
    """Draw η·t against κ at fixed steps, with the margin."""
    lines = (("iterations_in_kappa", COLOURS[0], "o"), ("iterations_in_kappa_certified", COLOURS[2], "D"))
    for name, colour, marker in (line for line in lines if line[0] in tables):
        table = tables[name][tables[name]["rule"] == "constant"]
        table = table.assign(time=table["iterations"] * table["step"])
        kind = "certified, " if table["delta_up"].notna().all() else ""
        label = f"{kind}{sizes(table, *SIZES)},\nη = {table['step'].iloc[0]:g}"
        means = law(axes, table, "kappa", "time", colour, label, marker)
        margin_slope(axes, means, claims[f"thm11-{name.replace('_', '-')}"], f"{kind}exponent", color=colour)
        if name == "iterations_in_kappa":
            _theorems(axes, table, means)
            ticks, title = table["kappa"].unique(), grows("fixed step: η·t grows", "κ", means)
    describe(axes, "xy", ticks, xlabel="condition number κ", ylabel="η·t to ‖UUᵀ − X*‖ = 0.3·σᵣ", title=title)


def _falling_steps(axes, table):
    """Draw the iterations against κ for steps that fall with κ."""
    title = ""
    step = table.loc[table["kappa"] == table["kappa"].min(), "step"].max()
    for rule, colour, marker, label, line in (
        ("inverse_kappa", COLOURS[2], "^", f"η = {step:g}/κ (control)", "--"),
        ("inverse_kappa_cubed", COLOURS[4], "s", f"η = {step:g}/κ³, as the theorem's η ≤ cδ has it", "-."),
    ):
        frame = table[table["rule"] == rule]
        if len(frame):
            means = law(axes, frame, "kappa", "iterations", colour, label, marker)
            title = grows(f"{label.split(' (')[0].split(',')[0]}: iterations grow", "κ", means)
            _theorems(
                axes, frame, means, line, f"the theorem's κ/η, {label.split(' (')[0].split(',')[0]}", color=colour
            )
    texts = {"xlabel": "condition number κ", "ylabel": "iterations to ‖UUᵀ − X*‖ = 0.3·σᵣ", "title": title}
    describe(axes, "xy", table["kappa"].unique(), **texts)


@drawing
def iterations_in_kappa(tables, claims):
    """Draw the time η·t to a tolerance of σ_r over κ, and iterations as steps fall with κ [LMZ18, Theorem 1.1]."""
    falling = tables.get("iterations_in_kappa_small_step")
    figure, grid = panels(1 if falling is None else 2)
    _fixed_step(grid[0], tables, claims)
    if falling is not None:
        _falling_steps(grid[1], falling)
    right = "" if falling is None else f"steps that fall with κ: {sizes(falling, *SIZES)}"
    said = caption(f"Fixed step: {sizes(tables['iterations_in_kappa'], *SIZES)}", right)
    return finish(figure, SPREAD, caption=said)


def _errors_in_alpha(axes, frame, slope, bound):
    """Draw the error against α for every κ, the theorem's bound times a margin and the margin of the exponent."""
    covering, falls, margin = [], [], bound["margin"] if bound else 1.0
    for place, (kappa, part) in enumerate(frame.groupby("kappa")):
        inside = part[part["in_window"] == 1]
        last, colour = inside["alpha"].max(), COLOURS[place]
        options = {"marker": "osD^v"[place], "fitted": lambda alpha, last=last: alpha <= last}
        means = law(axes, part, "alpha", "squared_error", colour, f"κ = {kappa:g}", **options)
        axes.plot(means[~(means.index <= last)], "o", color="white", markersize=2.2, zorder=4)
        ends = np.array([part["alpha"].min(), part["alpha"].max()])
        axes.plot(ends, margin * theorem_11_error(part["d"].iloc[0], kappa, ends), "--", color=colour, linewidth=0.9)
        covering.append(inside["over_bound"].max())
        falls.append(exponent(means[means.index <= last]))
        if place == 0:
            margin_slope(axes, means[means.index <= last], slope)
    text = f", {margin_text(bound)}" if bound else ""
    covers = max((most for most in covering if np.isfinite(most)), default=None)
    covered = "no run in the window" if covers is None else f"constant that covers: {rounded(covers, 1)}"
    label = f"the theorem's bound α√d/κ²{text} ({covered})"
    axes.plot([], [], "--", color="black", linewidth=0.9, label=label)
    hollow = {"color": "black", "markerfacecolor": "white", "markersize": 4, "linestyle": "none"}
    axes.plot([], [], "o", **hollow, label="hollow: T is after the theorem's window")
    known = [fall for fall in falls if fall is not None]
    kind = "certified δ" if frame["delta_up"].notna().all() else "Gaussian"
    falling = f"the error falls\nas {raised('α', signed(min(known)))} or faster" if known else "the error"
    axes.set_title(f"{kind}: at T = {frame['time'].iloc[0]:g}κ log(d/α)/η {falling}")
    return f"T = {frame['time'].iloc[0]:g}·κ log(d/α)/η, {isometry(frame)}, {sizes(frame, *SIZES)}"


@drawing
def error_at_time(tables, claims):
    """Draw ‖UUᵀ − X*‖_F² at the theorem's time against α, with the bound α√d/κ², Gaussian and certified
    [LMZ18, Theorem 1.1].
    """
    table, certified = tables["error_at_time"], tables.get("error_at_time_certified")
    judged = table[(table["time"] == table["time"].max()) & (table["m_over_dr"] == table["m_over_dr"].max())]
    figure, grid = panels(1 if certified is None else 2)
    said = [_errors_in_alpha(grid[0], judged, claims["thm11-error-in-alpha"], claims["thm11-error-bound"])]
    if certified is not None:
        last = certified[certified["time"] == certified["time"].max()]
        said.append(_errors_in_alpha(grid[1], last, claims["thm11-error-in-alpha-certified"], None))
    for axes in grid:
        describe(axes, "xy", xlabel="initialisation scale α")
    grid[0].set_ylabel(SQUARED)
    return finish(figure, SPREAD, caption=caption(*said))


@drawing
def error_by_measurements(tables, claims):
    """Draw ‖UUᵀ − X*‖_F² against α with fewer measurements than Theorem 1.1's claims have, early and at their time
    [LMZ18, Theorem 1.1].
    """
    table = tables["error_at_time"]
    table = table[table["kappa"] == table["kappa"].min()]
    figure, grid = panels(2, sharey=True)
    ends = []
    for axes, time in zip(grid, (table["time"].min(), table["time"].max()), strict=True):
        falls, names = [], {}
        for (per, runs), marker, colour in zip(
            table[table["time"] == time].groupby("m_over_dr"), "osD", COLOURS, strict=False
        ):
            means = points(axes, runs, "alpha", "squared_error", colour, f"m = {per:g}dr", marker)["mean"]
            falls.append(exponent(means))
            names[axes.containers[-1].get_label()] = f"m = {per:g}dr: {raised('α', signed(falls[-1]))}"
        span = " to ".join(raised("α", signed(end)) for end in (min(falls), max(falls)))
        title = f"after {time:g}·κ log(d/α)/η\nthe error goes as {span}".replace("after 1·", "after ")
        describe(axes, "xy", xlabel="initialisation scale α", title=title)
        ends.append((axes, names))
    for axes, names in ends:
        name_ends(axes, names)
    grid[0].set_ylabel(SQUARED)
    said = f"κ = {table['kappa'].iloc[0]:g}, {sizes(table, 'd', 'rank')}"
    return finish(figure, SPREAD, caption=said)


@drawing
def window(tables, claims):
    """Draw the error along a run to the end of the theorem's window, with and without noise [LMZ18, Theorem 1.1]."""
    table, claim = tables["window"], claims["thm11-no-early-stopping"]
    ratio = claim["estimand"]["ratio"] * claim["margin"]
    first = table.iloc[0]
    figure, (axes,) = panels(width=5.6)
    ends = []
    for colour, (noise, frame) in zip(COLOURS, table.groupby("noise"), strict=False):
        end = frame[frame["iteration"] == frame["iteration"].max()]
        share = (end["test_error"] / end["smallest_error"]).mean()
        ends.append(f"{share:.2f} {f'at noise {noise:g}' if noise else 'without noise'}")
        asked = f"margin: {claim['direction']} {ratio:.3g}"
        label = f"noise {noise:g} of the observations" if noise else f"no noise ({asked})"
        course(axes, frame, "iteration", "test_error", colour, f"{label}: error(T₀)/smallest = {share:.3f}", False)
    begin, close = theorem_11_window(first["d"], first["kappa"], first["alpha"], first["step"])
    for place, name in ((begin, "κ log(d/α)/η"), (close, "T₀ = 1/(η√(dκα))")):
        axes.axvline(place, color="black", linewidth=0.8, linestyle=":")
        options = {
            "rotation": 90,
            "fontsize": 7,
            "ha": "right",
            "va": "center",
            "transform": axes.get_xaxis_transform(),
        }
        axes.text(place / 1.06, 0.45, name, **options)
    floor = claim["estimand"]["floor"]
    margin_level(axes, {**claim, "margin": floor * claim["margin"]}, "error(T₀)")
    xlabel = f"iteration at η = {first['step']:g}"
    describe(
        axes,
        "xy",
        xlabel=xlabel,
        ylabel=ERROR,
        title=lines("error at the window's end T₀ over the smallest before:", ", ".join(ends)),
    )
    said = f"α = d⁻⁵ = {number(first['alpha'])}, κ = {first['kappa']:g}, {sizes(table, *SIZES)}"
    return finish(figure, BAND, caption=said)


@drawing
def starts(tables, claims):
    """Draw the error of descents from other initialisations, and how far they are from the one from αI
    [LMZ18, Theorem 1.1].
    """
    table = tables["starts"]
    first = table.iloc[0]
    figure, (left, right) = panels(2)
    found = {}
    names = {
        "identity": (COLOURS[0], "αI", "-"),
        "orthonormal": (COLOURS[1], "αQ, Q Haar orthonormal", "--"),
        "gaussian": (COLOURS[4], "αG, G iid N(0, 1/d) (control)", "-"),
        "low_rank": (COLOURS[2], "α × the first r − 1 columns of Q", "-"),
    }
    for axes, value in ((left, "test_error"), (right, "change")):
        for start, (colour, label, style) in names.items():
            if start != "identity" or value != "change":
                frame = table[table["start"] == start]
                kept = course(axes, frame, "iteration", value, colour, label, False, linestyle=style, zorder=3)
                found[start, value] = kept["mean"]
        describe(axes, "xy", xlabel=f"iteration at η = {first['step']:g}")
    margin_level(right, claims["thm11-any-orthonormal-start"], linestyle=":")
    left.set(ylabel=ERROR, title=f"from αI the error {fold(found['identity', 'test_error'])}")
    farthest = rounded(found["orthonormal", "change"].max(), towards="up")
    right.set(
        ylabel="largest ‖X − X'‖/‖X*‖ so far, X' from αI",
        title=f"orthonormal initialisation: X differs by {farthest} at most",
    )
    said = f"α = {number(first['alpha'])}, κ = {first['kappa']:g}, {sizes(table, *SIZES)}"
    return finish(figure, BAND, caption=said)
