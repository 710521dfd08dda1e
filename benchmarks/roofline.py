"""The roofline of one iteration [Williams, Waterman & Patterson, CACM 52(4), 2009]: its arithmetic and its figure."""

import matplotlib.pyplot as plt
import numpy as np

from algoreg.numerics.theory import symmetric_dimension
from algoreg.reporting.charts.style import COLOURS, style


def flops(d, m, batch):
    """Return the operations of one iteration of a batch of factored descents.

    The two products with the packed ensemble take 4mDB operations, D = d(d+1)/2, and UUᵀ and MU take 4d³B. An iteration
    reads the bytes of one pass over the packed ensemble.
    """
    return 4 * m * symmetric_dimension(d) * batch + 4 * d**3 * batch


def ceilings(rows):
    """Return the machine's bytes/s, and its operations/s by dtype: the best of all timings of a run.

    The limit of memory is the fastest read at any time of the run. The limit of arithmetic is the faster of a library's
    matrix product and all threads' multiply-adds on numbers in registers.

    Parameters
    ----------
    rows : list of mapping
        The rows of a run, which include ``copy``, ``gemv``, ``gemm`` and, on a CPU, ``fma``.
    """
    bandwidth = max(row["gb_per_s_spread"][1] for row in rows if row["name"] in ("copy", "gemv"))
    peaks = {}
    for row in rows:
        if row["name"] in ("gemm", "fma"):
            rate = row["gflop_per_s_spread"][1] * (row["threads"] if row["name"] == "fma" else 1)
            peaks[row["dtype"]] = max(peaks.get(row["dtype"], 0), 1e9 * rate)
    return 1e9 * bandwidth, peaks


def limit_seconds(moved, flops, bandwidth, peak):
    """Return the least seconds for ``moved`` bytes at ``bandwidth`` per second and ``flops`` operations at ``peak``."""
    return max(moved / bandwidth, flops / peak)


def compare_with_limits(rows):
    """Add to all rows with bytes and operations their shares of the limit, from the ceilings of their run.

    ``fraction_of_limit`` is the share of the median, ``fraction_spread`` has the shares of the slowest and the fastest
    timing, and ``cache`` is the smallest cache that could hold the packed ensemble, if there is one.
    """
    bandwidth, peaks = ceilings(rows)
    (machine,) = (row for row in rows if row["name"] == "machine")
    for row in rows:
        if row.get("flops"):
            limit = 1e3 * limit_seconds(row["bytes"], row["flops"], bandwidth, peaks[row["dtype"]]) / row["batch"]
            share, low, high = (
                float(f"{limit / spent:.4g}") for spent in (row["ms_per_run_iteration"], *row["spread_ms"][::-1])
            )
            row |= {"fraction_of_limit": share, "fraction_spread": [low, high], "cache": holding(machine, row["bytes"])}


def holding(machine, size):
    """Return the name of the smallest cache that holds ``size`` bytes, or None if no cache does."""
    return next((name for name, held in sorted(machine["caches"].items()) if size <= held), None)


def beyond(rows):
    """Return the rows that are more than 5 % faster than their limit although no cache holds what they read."""
    return [row for row in rows if row.get("flops") and row["fraction_of_limit"] > 1.05 and not row["cache"]]


def _spread(heights, gap):
    """Return heights moved apart to at least ``gap``, in the same order and with the same mean."""
    order = np.argsort(heights)
    spread = np.array(heights, dtype=float)[order]
    for i in range(1, len(spread)):
        spread[i] = max(spread[i], spread[i - 1] + gap)
    spread -= np.mean(spread) - np.mean(heights)
    result = np.empty_like(spread)
    result[order] = spread
    return result


def _panel(axes, rows, dtype, colour):
    bandwidth, peaks = ceilings(rows)
    points = [row for row in rows if row["name"] == "engine" and row["dtype"] == dtype and row.get("gflop_per_s")]
    x = np.geomspace(0.25, 150, 200)
    axes.plot(x, np.minimum(bandwidth * x, peaks[dtype]) / 1e9, color="black", linewidth=1.2)
    limits = f"the run's best:\n{bandwidth / 1e9:.3g} GB/s\n{peaks[dtype] / 1e9:.3g} GFLOP/s"
    axes.text(0.97, 0.04, limits, transform=axes.transAxes, ha="right", va="bottom", fontsize=7.5)
    axes.set(xscale="log", yscale="log", xlim=(x[0], x[-1]), title=dtype, xlabel="flops per byte of packed ensemble")
    for batch in sorted({row["batch"] for row in points}):
        column = [row for row in points if row["batch"] == batch]
        labels = 10 ** _spread([np.log10(row["gflop_per_s"]) for row in column], 0.075)
        for row, height in zip(column, labels, strict=True):
            place = (row["intensity"], row["gflop_per_s"])
            face = "white" if row["cache"] else colour
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
        figure.supxlabel("points: d · batch, m = 25 d; hollow: a cache could hold the packed ensemble", fontsize=7)
    return figure
