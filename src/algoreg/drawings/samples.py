"""The figures of sample complexity: where recovery sets in over m, r and d, and with which exponents."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import BoundaryNorm

from algoreg.estimands.samples import ABOVE, BELOW, INSIDE, SWEEPS, find_thresholds, readings
from algoreg.figures import COLOURS, drawing, draws
from algoreg.theory import degrees_of_freedom, trace_statistical_dimension

TOLERANCE = 0.1
SPECTRA = {"flat": "equal eigenvalues", "columns": "the paper's columns"}
LEVELS = [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.2, 0.4, 0.7, 1.0]
# The margins of the claims that judge these exponents (config/claims.yaml; a test holds them together).
MARGINS = {"rank": (1.2, 2.2), "d": (1.25,)}
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
    bounds = np.where(found.sides == INSIDE, found.logs, found.sides * np.inf)
    # The median of an even number of infinities of both signs would be undefined: the lower one of the two.
    median = np.quantile(bounds, 0.5, axis=(1, 2), method="lower")
    low, high = found.logs.min(axis=(1, 2)), found.logs.max(axis=(1, 2))
    axes.fill_between(found.sizes, np.exp(low), np.exp(high), color="white", alpha=0.35, linewidth=0)
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
            count = int((found.sides == side).sum())
            axes.plot(
                found.sizes[off],
                np.exp(ends[off]),
                marker,
                color=COLOURS[3],
                label=f"{count} runs with m* beyond the grid",
                zorder=6,
            )
    return found.sizes, np.exp(median)


def _laws(axes, sizes, thresholds, along, other):
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
    pairs = [(int(x), other) if along == "d" else (other, int(x)) for x in sizes]
    for (name, function), style in zip(PREDICTED.items(), (":", "-."), strict=True):
        axes.plot(sizes, [function(*pair) for pair in pairs], style, color="black", linewidth=1.3, label=name)


@drawing
def samples(tables):
    """Draw the test error over m and r and over m and d, with the threshold, its band and the laws [LMZ18, Theorem 1.1]."""
    panels = [
        (spectrum, along, part)
        for spectrum in SPECTRA
        for along, name in SWEEPS.items()
        if name in tables and len(part := tables[name][tables[name]["spectrum"] == spectrum])
    ]
    across = len({along for _, along, _ in panels})
    figure, grid = plt.subplots(
        len(panels) // across, across, figsize=(5.1 * across, 4.1 * len(panels) // across + 0.7), squeeze=False
    )
    for axes, (spectrum, along, frame) in zip(grid.flat, panels, strict=True):
        other = int(frame[OTHER[along]].iloc[0])
        mesh = _heat(axes, frame, along)
        sizes, medians = _threshold(axes, frame, along)
        _laws(axes, sizes, medians, along, other)
        first = frame.iloc[0]
        axes.set(
            xscale="log",
            yscale="log",
            xlabel=NAMES[along],
            ylabel="measurements m",
            title=f"{SPECTRA[spectrum]}, {LETTERS[OTHER[along]]} = {other}, α = {first['alpha']:g}, η·t = {first['time']:g}\n{draws(frame)}",
            ylim=(0.9 * frame["m"].min(), 1.1 * frame["m"].max()),
            xlim=(edges(sizes)[0], edges(sizes)[-1]),
        )
        axes.grid(False)
        axes.minorticks_off()
        axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
        low, high = axes.get_ylim()
        ticks = [k * 10**e for e in range(5) for k in (1, 2, 5) if low <= k * 10**e <= high]
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    figure.colorbar(mesh, ax=grid, label="median relative test error", ticks=LEVELS, format="%g", shrink=0.7)
    for axes in grid[-1]:
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=7)
    return figure


def _label(reading):
    frame = reading.frame.iloc[0]
    if reading.kind == "control":
        return (
            "control: projected descent from 0"
            if frame["alpha"] == 0
            else "control: d = 12r²".replace("12", f"{frame['d'] / frame['rank'] ** 2:g}")
        )
    what = {"judged": "as judged", "settings": "fewer draws", "precision": "fewer draws, float64"}[reading.kind]
    if reading.kind == "judged" and reading.tolerance != TOLERANCE:
        what = "same runs"
    return (
        f"{what}: error {reading.tolerance:g}, α = {frame['alpha']:g}, η·t = {frame['time']:g}, η = {frame['step']:g}"
    )


@drawing
def samples_exponents(tables):
    """Draw the exponent of the threshold in r and in d for every reading of it, beside the margins and what theory predicts."""
    panels = {along: found for along in SWEEPS if (found := [x for x in readings(tables) if x.along == along])}
    height = max(len({_label(one) for one in found}) for found in panels.values()) + 2
    figure, grid = plt.subplots(1, len(panels), figsize=(6.6 * len(panels), 0.27 * height + 1.3), squeeze=False)
    for axes, (along, found) in zip(grid[0], panels.items(), strict=True):
        labels = list(dict.fromkeys(_label(one) for one in found))
        for spectrum, marker, colour, shift in (("flat", "o", COLOURS[0], -0.14), ("columns", "s", COLOURS[1], 0.14)):
            mine = [one for one in found if one.spectrum == spectrum]
            for one in mine:
                place = labels.index(_label(one)) + shift
                value = one.exponent.value
                if value is None:
                    inside = int((one.thresholds.sides == INSIDE).sum())
                    text = f"{spectrum}: {inside} of {one.thresholds.sides.size} m* on the grid"
                    axes.text(MARGINS[along][0] + 0.03, place, text, color=colour, fontsize=6, va="center")
                    continue
                spread = [[value - one.exponent.low], [one.exponent.high - value]]
                axes.errorbar(
                    value, place, xerr=spread, fmt=marker, color=colour, markersize=3.5, capsize=2, linewidth=1
                )
            if mine:
                axes.plot([], [], marker, color=colour, markersize=4, linestyle="-", label=SPECTRA[spectrum])
        judged = next(one for one in found if one.kind == "judged").frame
        sizes = np.array(sorted(judged[along].unique()))
        other = int(judged[OTHER[along]].iloc[0])
        for name, function in PREDICTED.items():
            pairs = [(int(x), other) if along == "d" else (other, int(x)) for x in sizes]
            slope = np.polyfit(np.log(sizes), np.log([function(*pair) for pair in pairs]), 1)[0]
            axes.plot(slope, len(labels), "D", color="black", markersize=4)
            labels.append(f"theory: {name}")
        for margin in MARGINS[along]:
            axes.axvline(margin, color="black", linestyle="--", linewidth=1)
        axes.plot([], [], "--", color="black", linewidth=1, label=f"margins, {' and '.join(map(str, MARGINS[along]))}")
        axes.set(
            xlabel=f"exponent of m* in {LETTERS[along]} (95 % interval)",
            title=f"{LETTERS[along]} = {', '.join(map(str, sizes))} at {LETTERS[OTHER[along]]} = {other}, {draws(judged)};\nfewer draws: other sizes, {_fewer(found)}",
        )
        axes.set_yticks(range(len(labels)), labels, fontsize=7)
        axes.invert_yaxis()
        axes.legend(loc="upper right", fontsize=6.5, frameon=True)
    return figure


def _fewer(found):
    """Return the sizes and draws of the sensitivity runs, for a title."""
    frame = next((one.frame for one in found if one.kind == "settings"), None)
    if frame is None:
        return "none in this tier"
    along, other = found[0].along, OTHER[found[0].along]
    sizes = ", ".join(map(str, sorted(frame[along].unique())))
    return f"{LETTERS[along]} = {sizes} at {LETTERS[other]} = {frame[other].iloc[0]}, {draws(frame)}"
