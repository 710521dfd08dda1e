"""The roofline of one iteration [Williams, Waterman & Patterson, CACM 52(4), 2009]: its arithmetic and its picture."""

import matplotlib.pyplot as plt
import numpy as np

from algoreg.numerics.theory import symmetric_dimension
from algoreg.reporting.charts.style import COLOURS, style


def work(d, m, batch, itemsize):
    """Return (bytes, flops) of one iteration of a batch of factored descents.

    The bytes are those of one pass over the packed ensemble. The flops are the two products with it, 4mDB with
    D = d(d+1)/2, and UUᵀ and MU, 4d³B.
    """
    packed = symmetric_dimension(d)
    return m * packed * itemsize, 4 * m * packed * batch + 4 * d**3 * batch


def limit_seconds(moved, flops, bandwidth, peak):
    """Return the least time for ``moved`` bytes at ``bandwidth`` bytes/s
    and ``flops`` operations at ``peak`` per second.
    """
    return max(moved / bandwidth, flops / peak)


def _spread(heights, gap):
    """Return heights moved apart to at least ``gap``, in the same order, around the same middle."""
    order = np.argsort(heights)
    spread = np.array(heights, dtype=float)[order]
    for i in range(1, len(spread)):
        spread[i] = max(spread[i], spread[i - 1] + gap)
    spread -= np.mean(spread) - np.mean(heights)
    result = np.empty_like(spread)
    result[order] = spread
    return result


def _panel(axes, rows, dtype, colour):
    limits = {row["name"]: row for row in rows if row["dtype"] == dtype and row["name"] in ("gemv", "gemm", "fma")}
    bandwidth, peak = limits["gemv"]["gb_per_s"], limits["gemm"]["gflop_per_s"]
    points = [row for row in rows if row["name"] == "engine" and row["dtype"] == dtype and row.get("gflop_per_s")]
    x = np.geomspace(0.25, 150, 200)
    axes.plot(x, np.minimum(bandwidth * x, peak), color="black", linewidth=1.2)
    ceilings = f"ceilings as measured:\ngemv {bandwidth:.3g} GB/s\ngemm {peak:.3g} GFLOP/s"
    if "fma" in limits:
        cores = limits["fma"]["threads"] * limits["fma"]["gflop_per_s"]
        axes.plot(x, np.minimum(bandwidth * x, cores), color="black", linewidth=0.8, linestyle=":", zorder=1)
        ceilings += f"\nmultiply-adds {cores:.3g} GFLOP/s (dotted)"
    axes.text(0.97, 0.04, ceilings, transform=axes.transAxes, ha="right", va="bottom", fontsize=7.5)
    axes.set(xscale="log", yscale="log", xlim=(x[0], x[-1]), title=dtype, xlabel="flops per byte of packed ensemble")
    for batch in sorted({row["batch"] for row in points}):
        column = [row for row in points if row["batch"] == batch]
        labels = 10 ** _spread([np.log10(row["gflop_per_s"]) for row in column], 0.075)
        for row, height in zip(column, labels, strict=True):
            place = (row["intensity"], row["gflop_per_s"])
            face = "white" if row["in_cache"] else colour
            axes.plot(*place, "o", color=colour, markerfacecolor=face, markersize=4.5)
            axes.annotate(
                f"{row['d']}·{batch}",
                place,
                (place[0] * 1.25, height),
                fontsize=6,
                va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
                arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": "grey"},
            )


def draw(rows):
    """Draw every engine case below the ceilings of its dtype.

    Parameters
    ----------
    rows : list of mapping
        The rows of engine.json.

    Returns
    -------
    matplotlib.figure.Figure
    """
    dtypes = sorted({row["dtype"] for row in rows if row["name"] == "gemv"})
    with style():
        figure, grid = plt.subplots(1, len(dtypes), figsize=(4.6 * len(dtypes), 3.9), squeeze=False, sharey=True)
        for axes, dtype, colour in zip(grid[0], dtypes, COLOURS, strict=False):
            _panel(axes, rows, dtype, colour)
        grid[0][0].set_ylabel("GFLOP/s")
        figure.supxlabel(
            "points: d · batch, m = 25 d; hollow: the packed ensemble fits the last-level cache", fontsize=7
        )
    return figure
