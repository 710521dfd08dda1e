"""The figures of sample complexity: where recovery sets in over m, r and d, and with which exponents."""

import numpy as np
import pandas as pd
from matplotlib.patches import Patch

from algoreg.chapters.theorem.estimands.samples import threshold_exponent
from algoreg.chapters.theorem.readings import SWEEPS, TOLERANCE, power, readings
from algoreg.claims.censoring import INSIDE
from algoreg.claims.thresholds import find_thresholds
from algoreg.numerics.theory import degrees_of_freedom, trace_statistical_dimension
from algoreg.reporting.charts.heat import colour_bar, edges, heat, threshold
from algoreg.reporting.charts.law import exponent
from algoreg.reporting.charts.panels import describe, finish, legend_below, panels
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import caption, draws, margin_text, raised
from algoreg.reporting.figures import drawing

SPECTRA = {"flat": "equal eigenvalues", "columns": "the paper's columns"}
PREDICTED = {
    "degrees of freedom": degrees_of_freedom,
    "statistical dimension of least trace": trace_statistical_dimension,
}
NAMES = {"rank": "rank r", "d": "dimension d"}
OTHER = {"rank": "d", "d": "rank"}
LETTERS = {"rank": "r", "d": "d"}
LAWS = {
    "rank": {"∝ dr": lambda rank: rank, "∝ dr²": lambda rank: rank**2},
    "d": {"∝ d": lambda d: d, "∝ d·log d": lambda d: d * np.log(d)},
}


def _predicted(frame, along):
    """Return the two dimensions that theory has at the sizes of a sweep, which have no constant to choose."""
    sizes, other = np.array(sorted(frame[along].unique())), int(frame[OTHER[along]].iloc[0])
    pairs = [(int(size), other) if along == "d" else (other, int(size)) for size in sizes]
    return sizes, {name: np.array([function(*pair) for pair in pairs]) for name, function in PREDICTED.items()}


def _growth(found, spectrum):
    """Return as which power of the size the judged thresholds of a spectrum grow, in words."""
    judged = next((each for each in found if (each.kind, each.spectrum) == ("judged", spectrum)), None)
    value = None if judged is None else judged.exponent.value
    return "m* lies off the grid" if value is None else f"m* grows as {raised(LETTERS[judged.along], f'{value:.2f}')}"


def _thresholds(axes, frame, along, tolerance, growth):
    """Draw the errors of one spectrum with the threshold, laws through its first point, and what theory predicts."""
    mesh = heat(axes, frame, along)
    found = find_thresholds(frame, along, tolerance)
    label = f"threshold m* (error {tolerance:g}): median;\nband: smallest to largest run"
    first = threshold(axes, found, label, COLOURS[2])[0]
    grid = np.geomspace(found.sizes[0], found.sizes[-1], 100)
    for (name, law), style in zip(LAWS[along].items(), ("-", "--"), strict=True):
        if np.isfinite(first):
            curve = first * law(grid) / law(grid[0])
            axes.plot(grid, curve, style, color=COLOURS[2], linewidth=1.2, label=f"{name}, through the first")
    sizes, predicted = _predicted(frame, along)
    for (name, values), style in zip(predicted.items(), (":", "-."), strict=True):
        axes.plot(sizes, values, style, color="black", linewidth=1.3, label=name)
    row = frame.iloc[0]
    low, high = edges(sorted(frame["m"].unique()))[[0, -1]]
    title = f"{SPECTRA[row['spectrum']]}: {growth}"
    limits = {"xlim": (edges(sizes)[0], edges(sizes)[-1]), "ylim": (low, high)}
    describe(axes, "xy", sizes, xlabel=NAMES[along], ylabel="measurements m", title=title, **limits)
    return mesh


def _exponents(axes, tables, along, claims, found):
    """Draw the exponent of every reading of the thresholds, beside the margins and what theory predicts."""
    labels = list(dict.fromkeys(reading.name for reading in found))
    lowest = min(claim["margin"] for claim in claims)
    for spectrum, marker, colour, shift in (("flat", "o", COLOURS[0], -0.14), ("columns", "s", COLOURS[1], 0.14)):
        own = [reading for reading in found if reading.spectrum == spectrum]
        for reading in own:
            place, value = labels.index(reading.name) + shift, reading.exponent.value
            if value is None:
                inside = int((reading.thresholds.sides == INSIDE).sum())
                text = f"{spectrum}: {inside} of {reading.thresholds.sides.size} m* on the grid"
                clear = {"facecolor": "white", "edgecolor": "none", "pad": 1}
                axes.text(lowest, place, text, color=colour, fontsize=7, va="center", bbox=clear)
                continue
            spread = [[value - reading.exponent.low], [reading.exponent.high - value]]
            axes.errorbar(value, place, xerr=spread, fmt=marker, color=colour, markersize=3.5, capsize=2, linewidth=1)
        if own:
            axes.plot([], [], marker + "-", color=colour, markersize=4, label=SPECTRA[spectrum])
    sizes, predicted = _predicted(tables[SWEEPS[along]], along)
    for name, values in predicted.items():
        axes.plot(exponent(pd.Series(values, sizes)), len(labels), "D", color="black", markersize=4)
        labels.append(name.replace("dimension of", "dimension\nof"))
    for claim, style in zip(claims, ("--", ":"), strict=False):
        label = f"{margin_text(claim)}, {claim['source']}"
        axes.axvline(claim["margin"], color="black", linestyle=style, linewidth=1, label=label)
    xlabel = f"exponent of m* in {LETTERS[along]} with its 95 % interval"
    values = [each.exponent.value for each in found if each.kind != "control" and each.exponent.value is not None]
    span = f"however it is read: exponent {min(values):.2f} to {max(values):.2f}" if values else "exponents of m*"
    axes.set(xlabel=xlabel, title=span)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.invert_yaxis()


def _sweep(tables, along):
    table = tables[SWEEPS[along]]
    spectra = [name for name in SPECTRA if (table["spectrum"] == name).any()]
    found = list(readings(tables, along))
    figure, grid = panels(len(spectra), height=4.4, width=None if len(spectra) > 1 else 5.8)
    for axes, spectrum in zip(grid, spectra, strict=False):
        frame = table[table["spectrum"] == spectrum]
        mesh = _thresholds(axes, frame, along, TOLERANCE, _growth(found, spectrum))
    known = {label: handle for axes in grid for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    known["no runs"] = Patch(facecolor="white", edgecolor="grey", label="no runs")
    # One legend for all spectra, shared out among their panels.
    parts = np.array_split(list(known), len(spectra))
    for axes, labels in zip(grid, parts, strict=False):
        legend_below(axes, handles=[known[label] for label in labels])
    colour_bar(figure, mesh, grid[-1])
    row, other = table.iloc[0], OTHER[along]
    setting = f"{LETTERS[other]} = {row[other]}, α = {power(row['alpha'])}, η·t = {row['time']:g}, {draws(table)}"
    return finish(figure, caption=setting)


def _spread_of_exponents(tables, along, claims):
    """Return the figure of the exponents of a sweep, however its thresholds are read."""
    found = list(readings(tables, along))
    figure, (axes,) = panels(width=7.2, height=5.2)
    _exponents(axes, tables, along, sorted(claims.values(), key=lambda claim: claim["margin"]), found)
    row, other = tables[SWEEPS[along]].iloc[0], OTHER[along]
    setting = f"{LETTERS[other]} = {row[other]}, α = {power(row['alpha'])}, η·t = {row['time']:g}"
    return finish(figure, caption=caption(setting, draws(tables[SWEEPS[along]]), _fewer(found)))


@drawing
def recovery_law(tables, claims):
    """Draw the measurements that recovery takes over d·r, beside the bound on them [LMZ18, Theorem 1.1]."""
    figure, (axes,) = panels(width=6.3, height=4.4)
    grown, sizes, first = [], {}, {}
    for along, colour, marker, place in (("d", COLOURS[0], "o", 1), ("rank", COLOURS[2], "s", -3)):
        if SWEEPS[along] not in tables:
            continue
        frame = tables[SWEEPS[along]]
        other = int(frame[OTHER[along]].iloc[0])
        # Equal eigenvalues are drawn over the others: hollow marks.
        for spectrum in (name for name in reversed(SPECTRA) if (frame["spectrum"] == name).any()):
            found = find_thresholds(frame[frame["spectrum"] == spectrum], along, TOLERANCE)
            x, medians = found.sizes * other, found.medians()
            filled = colour if spectrum == "flat" else "none"
            axes.plot(x, medians, marker, color=colour, markerfacecolor=filled, markersize=6)
        span = f"{LETTERS[along]} = {found.sizes[0]:g} to {found.sizes[-1]:g}, {LETTERS[OTHER[along]]} = {other}"
        beside = min(max(place, -len(x)), len(x) - 1)
        _name(axes, f"measured along {LETTERS[along]}\n({span})", x[beside], medians[beside], colour, (12, -24), "left")
        grown += _growths(tables, along)
        sizes[along], first[along] = x, medians[0]
    # Through the first threshold along r, or along d where a tier has that alone.
    base = "rank" if "rank" in sizes else "d"
    ends = np.array([min(map(min, sizes.values())), max(map(max, sizes.values()))], dtype=float)
    law = first[base] * ends / sizes[base][0]
    axes.plot(ends, law, color="black", linewidth=1)
    _name(axes, "∝ dr", ends[1], law[1], "black", (8, 2), "left")
    if "rank" in sizes:
        allowed = first["rank"] * (sizes["rank"] / sizes["rank"][0]) ** 2
        axes.plot(sizes["rank"], allowed, "--", color=COLOURS[2], linewidth=1.5)
        said = "Theorem 1.1 allows ∝ dr² along r"
        _name(axes, said, sizes["rank"][-2:][0], allowed[-2:][0], COLOURS[2], (-8, 0), "right")
    title = f"measurements needed: {' and '.join(grown)}; Theorem 1.1: d and {raised('r', '2')}" if grown else "m*"
    describe(axes, "xy", xlabel="dimension × rank, d·r", ylabel="measurements m* from which X* is found", title=title)
    axes.margins(0.12, 0.08)
    row = tables[SWEEPS[base]].iloc[0]
    note = "points: medians; filled: equal eigenvalues of X*, hollow: X* as the paper draws it"
    said = f"error {TOLERANCE:g}, α = {power(row['alpha'])}, η·t = {row['time']:g}"
    return finish(figure, note, caption=caption(said, draws(tables[SWEEPS[base]])))


def _growths(tables, along):
    """Return as which power of a size the thresholds of a sweep grow, as the claims have it; empty where unknown."""
    if tables[SWEEPS[along]][along].nunique() < 3:
        return []
    options = {"table": SWEEPS[along], "along": along, "tolerance": TOLERANCE}
    value = threshold_exponent(tables, {}, np.random.default_rng(0), **options).value
    return [] if value is None else [raised(LETTERS[along], f"{value:.2f}")]


def _name(axes, text, x, y, colour, shift, side):
    """Write what a curve is beside a point of it, if that is on the grid."""
    if 0 < y < np.inf:
        axes.annotate(text, (x, y), shift, textcoords="offset points", color=colour, fontsize=9, ha=side, va="center")


@drawing
def samples_r(tables, claims):
    """Draw the test error over m and r with its threshold [LMZ18, Theorem 1.1]."""
    return _sweep(tables, "rank")


@drawing
def samples_d(tables, claims):
    """Draw the test error over m and d with its threshold [LMZ18, Theorem 1.1]."""
    return _sweep(tables, "d")


@drawing
def exponents_r(tables, claims):
    """Draw the exponents of the thresholds in r, however they are read [LMZ18, Theorem 1.1]."""
    return _spread_of_exponents(tables, "rank", claims)


@drawing
def exponents_d(tables, claims):
    """Draw the exponents of the thresholds in d, however they are read [LMZ18, Theorem 1.1]."""
    return _spread_of_exponents(tables, "d", claims)


def _fewer(found):
    """Return the sizes and draws of the sensitivity runs, empty without any."""
    frame = next((reading.frame for reading in found if reading.kind == "settings"), None)
    if frame is None:
        return ""
    along, other = found[0].along, OTHER[found[0].along]
    sizes = ", ".join(map(str, sorted(frame[along].unique())))
    return f"fewer draws: {LETTERS[along]} = {sizes} at {LETTERS[other]} = {frame[other].iloc[0]}, {draws(frame)}"
