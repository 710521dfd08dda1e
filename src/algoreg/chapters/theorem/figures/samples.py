"""The figures of sample complexity: where recovery sets in over m, r and d, and with which exponents."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import BoundaryNorm
from matplotlib.patches import Patch

from algoreg.analysis.censoring import ABOVE, BELOW, INSIDE
from algoreg.analysis.thresholds import find_thresholds
from algoreg.chapters.theorem.estimands.samples import SWEEPS, TOLERANCE, power, readings
from algoreg.numerics.theory import degrees_of_freedom, trace_statistical_dimension
from algoreg.tell.figures import COLOURS, drawing, draws

SPECTRA = {"flat": "equal eigenvalues", "columns": "the paper's columns"}
LEVELS = [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.2, 0.4, 0.7, 1.0]
# The margins of the claims that judge these exponents (config/claims.yaml; a test holds them together).
MARGINS = {"rank": {1.2: "conjecture", 2.2: "Theorem 1.1"}, "d": {1.25: "Theorem 1.1"}}
PREDICTED = {
    "degrees of freedom": degrees_of_freedom,
    "statistical dimension of least trace": trace_statistical_dimension,
}
NAMES = {"rank": "rank r", "d": "dimension d"}
OTHER = {"rank": "d", "d": "rank"}
LETTERS = {"rank": "r", "d": "d"}


def edges(centres):
    """Return the edges between positive centres, at their geometric means, the outer ones as far out as the next inner."""
    logs = np.log(np.asarray(centres, float))
    middles = (logs[1:] + logs[:-1]) / 2
    return np.exp(np.concatenate([[2 * logs[0] - middles[0]], middles, [2 * logs[-1] - middles[-1]]]))


def _heat(axes, frame, along):
    """Draw the median test error at every m of every size, as columns of boxes."""
    sizes = sorted(frame[along].unique())
    norm = BoundaryNorm(LEVELS, plt.get_cmap("viridis").N, extend="both")
    sides = edges(sizes)
    for size, left, right in zip(sizes, sides[:-1], sides[1:], strict=True):
        # A diverged run counts as one that has found nothing.
        errors = frame[frame[along] == size].fillna({"test_error": np.inf}).groupby("m")["test_error"].median()
        mesh = axes.pcolormesh(
            [left, right], edges(errors.index), errors.to_numpy()[:, None], norm=norm, cmap="viridis_r", rasterized=True
        )
    return mesh


def _threshold(axes, frame, along):
    """Draw the median threshold and the range of all runs; thresholds off the grid stand at its end, with an arrow."""
    found = find_thresholds(frame, along, TOLERANCE)
    bounds = np.where(found.sides == INSIDE, found.logs, np.where(found.sides == ABOVE, np.inf, -np.inf))
    # The median of an even number of infinities of both signs would be undefined: the lower one of the two.
    median = np.quantile(bounds, 0.5, axis=(1, 2), method="lower")
    low, high = found.logs.min(axis=(1, 2)), found.logs.max(axis=(1, 2))
    axes.fill_between(found.sizes, np.exp(low), np.exp(high), color="white", alpha=0.35, linewidth=0)
    for end in (low, high):
        axes.plot(found.sizes, np.exp(end), color="white", linewidth=0.8)
    shown = np.isfinite(median)
    axes.plot(
        found.sizes[shown],
        np.exp(median[shown]),
        "o-",
        color="black",
        markerfacecolor="white",
        markersize=4,
        label=f"threshold m* (error {TOLERANCE:g}): median;\nband: smallest to largest run",
        zorder=5,
    )
    for side, marker, ends in ((BELOW, "v", low), (ABOVE, "^", high)):
        off = (found.sides == side).any(axis=(1, 2))
        if off.any():
            axes.plot(
                found.sizes[off],
                np.exp(ends[off]),
                marker,
                color=COLOURS[3],
                label="m* beyond the grid in some runs",
                zorder=6,
            )
    return found.sizes, np.exp(median)


def _pairs(sizes, along, frame):
    """Return (d, rank) of every size of a sweep."""
    other = int(frame[OTHER[along]].iloc[0])
    return [(int(size), other) if along == "d" else (other, int(size)) for size in sizes]


def _laws(axes, sizes, thresholds, along, frame):
    """Draw the laws through the first threshold, and the two dimensions, which have no constant to choose."""
    grid = np.exp(np.linspace(np.log(sizes[0]), np.log(sizes[-1]), 100))
    laws = (
        {"∝ dr": grid / grid[0], "∝ dr²": (grid / grid[0]) ** 2}
        if along == "rank"
        else {"∝ d": grid / grid[0], "∝ d·log d": grid * np.log(grid) / (grid[0] * np.log(grid[0]))}
    )
    for (name, law), style in zip(laws.items(), ("-", "--"), strict=True):
        if np.isfinite(thresholds[0]):
            axes.plot(
                grid, thresholds[0] * law, style, color=COLOURS[3], linewidth=1.2, label=f"{name}, through the first"
            )
    for (name, function), style in zip(PREDICTED.items(), (":", "-."), strict=True):
        axes.plot(
            sizes,
            [function(*pair) for pair in _pairs(sizes, along, frame)],
            style,
            color="black",
            linewidth=1.3,
            label=name,
        )


def _exponents(axes, tables, along):
    """Draw the exponent of every reading of the thresholds, beside the margins and what theory predicts."""
    judged = tables[SWEEPS[along]]
    found = list(readings(tables, along))
    labels = list(dict.fromkeys(one.name for one in found))
    for spectrum, marker, colour, shift in (("flat", "o", COLOURS[0], -0.14), ("columns", "s", COLOURS[1], 0.14)):
        mine = [one for one in found if one.spectrum == spectrum]
        for one in mine:
            place, value = labels.index(one.name) + shift, one.exponent.value
            if value is None:
                inside = int((one.thresholds.sides == INSIDE).sum())
                text = f"{spectrum}: {inside} of {one.thresholds.sides.size} m* on the grid"
                axes.text(min(MARGINS[along]), place, text, color=colour, fontsize=6, va="center")
                continue
            spread = [[value - one.exponent.low], [one.exponent.high - value]]
            axes.errorbar(value, place, xerr=spread, fmt=marker, color=colour, markersize=3.5, capsize=2, linewidth=1)
        if mine:
            axes.plot([], [], marker + "-", color=colour, markersize=4, label=SPECTRA[spectrum])
    sizes = np.array(sorted(judged[along].unique()))
    for name, function in PREDICTED.items():
        dimensions = [function(*pair) for pair in _pairs(sizes, along, judged)]
        slope = np.polyfit(np.log(sizes), np.log(dimensions), 1)[0]
        axes.plot(slope, len(labels), "D", color="black", markersize=4)
        labels.append(name)
    for margin in MARGINS[along]:
        axes.axvline(margin, color="black", linestyle="--", linewidth=1)
    margins = "\n".join(f"margin {margin:g}: {what}" for margin, what in MARGINS[along].items())
    axes.plot([], [], "--", color="black", linewidth=1, label=margins)
    axes.set(
        xlabel=f"exponent of m* in {LETTERS[along]}: estimate and 95 % interval",
        title=_fewer(found),
    )
    axes.set_yticks(range(len(labels)), labels, fontsize=7)
    axes.invert_yaxis()
    axes.legend(loc="upper center", bbox_to_anchor=(0.3, -0.13), ncols=3, fontsize=7)


def _sweep(tables, along):
    table = tables[SWEEPS[along]]
    spectra = [name for name in SPECTRA if (table["spectrum"] == name).any()]
    figure, grid = plt.subplots(
        1, len(spectra) + 1, figsize=(3.9 * len(spectra) + 5.6, 4.9), width_ratios=[*(1 for _ in spectra), 1.1]
    )
    for axes, spectrum in zip(grid, spectra, strict=False):
        frame = table[table["spectrum"] == spectrum]
        mesh = _heat(axes, frame, along)
        sizes, medians = _threshold(axes, frame, along)
        _laws(axes, sizes, medians, along, frame)
        first = frame.iloc[0]
        axes.set(
            xscale="log",
            yscale="log",
            xlabel=NAMES[along],
            ylabel="measurements m",
            title=f"{SPECTRA[spectrum]}, {LETTERS[OTHER[along]]} = {first[OTHER[along]]}, "
            f"α = {power(first['alpha'])}, η·t = {first['time']:g}\n{draws(frame)}",
            xlim=(edges(sizes)[0], edges(sizes)[-1]),
        )
        axes.grid(False)
        axes.minorticks_off()
        axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
        low, high = edges(sorted(frame["m"].unique()))[[0, -1]]
        ticks = [k * 10**e for e in range(5) for k in (1, 2, 5) if low <= k * 10**e <= high]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_ylim(low, high)
    handles = {
        label: handle for axes in grid[:-1] for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    handles["no runs"] = Patch(facecolor="white", edgecolor="grey", label="no runs")
    figure.legend(handles=list(handles.values()), loc="outside lower left", ncols=3, fontsize=7.5)
    figure.colorbar(mesh, ax=grid[len(spectra) - 1], label="median relative test error", ticks=LEVELS, format="%g")
    _exponents(grid[-1], tables, along)
    return figure


@drawing
def samples_r(tables):
    """Draw the test error over m and r with its threshold, and the threshold's exponents in r [LMZ18, Theorem 1.1]."""
    return _sweep(tables, "rank")


@drawing
def samples_d(tables):
    """Draw the test error over m and d with its threshold, and the threshold's exponents in d [LMZ18, Theorem 1.1]."""
    return _sweep(tables, "d")


def _fewer(found):
    """Return the sizes and draws of the sensitivity runs, for a title of the exponents."""
    frame = next((one.frame for one in found if one.kind == "settings"), None)
    if frame is None:
        return "exponents of m*"
    along, other = found[0].along, OTHER[found[0].along]
    sizes = ", ".join(map(str, sorted(frame[along].unique())))
    return f"fewer draws: {LETTERS[along]} = {sizes} at {LETTERS[other]} = {frame[other].iloc[0]},\n{draws(frame)}"
