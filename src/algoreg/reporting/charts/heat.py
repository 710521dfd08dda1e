"""A heat map of errors over sizes and measurements, and the threshold in it."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import BoundaryNorm

from algoreg.claims.thresholds import Thresholds

LEVELS = [1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.2, 0.4, 0.7, 1.0]


def edges(centres):
    """Return the edges between positive centres, at geometric means; outer edges mirror the next inner ones.

    A single centre has its edges a factor √2 away.
    """
    logs = np.log(np.asarray(centres, float))
    if len(logs) == 1:
        return np.exp(logs[0] + np.log(2) / 2 * np.array([-1, 1]))
    middles = (logs[1:] + logs[:-1]) / 2
    return np.exp(np.concatenate([[2 * logs[0] - middles[0]], middles, [2 * logs[-1] - middles[-1]]]))


def heat(axes, frame, along):
    """Draw the median test error at every m of every size, as columns of boxes; return the mesh for a colour bar."""
    sizes = sorted(frame[along].unique())
    norm = BoundaryNorm(LEVELS, colormaps["viridis"].N, extend="both")
    sides = edges(sizes)
    for size, left, right in zip(sizes, sides[:-1], sides[1:], strict=True):
        # A diverged run counts as a run that recovers nothing.
        errors = frame[frame[along] == size].fillna({"test_error": np.inf}).groupby("m")["test_error"].median()
        boxes = [left, right], edges(errors.index), errors.to_numpy()[:, None]
        mesh = axes.pcolormesh(*boxes, norm=norm, cmap="viridis_r", rasterized=True)
    axes.grid(False)
    return mesh


def colour_bar(figure, mesh, axes):
    """Draw the colour scale beside a panel."""
    figure.colorbar(mesh, ax=axes, label="median relative test error", ticks=LEVELS, format="%g")


def threshold(axes, thresholds: Thresholds, label, off_colour):
    """Draw the median threshold and the range of all runs; those off the grid are drawn at its end, with an arrow.

    Returns the medians, shape (P,), infinite or 0 off the grid.
    """
    median = thresholds.medians()
    low, high = (np.exp(pick(thresholds.logs, axis=(1, 2))) for pick in (np.min, np.max))
    axes.fill_between(thresholds.sizes, low, high, color="white", alpha=0.35, linewidth=0)
    for end in (low, high):
        axes.plot(thresholds.sizes, end, color="white", linewidth=0.8)
    shown = np.isfinite(median) & (median > 0)
    options = {"color": "black", "markerfacecolor": "white", "markersize": 4, "zorder": 5, "label": label}
    axes.plot(thresholds.sizes[shown], median[shown], "o-", **options)
    for side, marker, ends in ((-1, "v", low), (1, "^", high)):
        off = (thresholds.sides == side).any(axis=(1, 2))
        if off.any():
            label = "m* beyond the grid in some runs"
            axes.plot(thresholds.sizes[off], ends[off], marker, color=off_colour, label=label, zorder=6)
    return median
