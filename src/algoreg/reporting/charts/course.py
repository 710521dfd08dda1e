"""Draw a quantity along a run or a grid: the mean and range of runs, single runs, and where runs diverged."""

import numpy as np
import pandas as pd

from algoreg.claims.cells import geometric_mean


def summary(frame, x, y, geometric=True):
    """Return the mean, smallest and largest ``y`` by ``x``, over the runs that have a value.

    Parameters
    ----------
    frame : pandas.DataFrame
    x, y : str
        Columns.
    geometric : bool
        Whether to return the geometric mean.

    Returns
    -------
    pandas.DataFrame
        Columns ``mean``, ``low`` and ``high``, over the sorted values of ``x``.
    """
    groups = frame[np.isfinite(frame[y])].groupby(x)[y]
    kept = groups.agg(low="min", high="max")
    kept["mean"] = groups.apply(geometric_mean) if geometric else groups.apply(lambda values: values.mean())
    return kept


def _with_losses(label, frame, y):
    lost = int((~np.isfinite(frame[y])).sum())
    return f"{label}\n({lost} of {len(frame)} values not drawn: no value, or diverged)" if lost and label else label


def course(axes, frame, x, y, colour, label, geometric=True, band=True, **style):
    """Draw the mean over runs as a line and, with ``band``, their range; the label counts missing values.

    Returns
    -------
    pandas.DataFrame
        The :func:`summary`.
    """
    kept = summary(frame, x, y, geometric)
    axes.plot(kept.index, kept["mean"], color=colour, label=_with_losses(label, frame, y), **{"markersize": 4, **style})
    if band:
        axes.fill_between(kept.index, kept["low"], kept["high"], color=colour, alpha=0.2, linewidth=0)
    return kept


def points(axes, frame, x, y, colour, label, marker="o", geometric=True, **style):
    """Draw the mean over runs as points and their range as bars; see :func:`course`."""
    kept = summary(frame, x, y, geometric)
    bars(axes, kept.index, kept, colour, _with_losses(label, frame, y), marker, **style)
    return kept


def bars(axes, x, ranges, colour, label, marker="o", **style):
    """Draw points at ``mean`` with bars from ``low`` to ``high``, which are columns of ``ranges``."""
    # By rounding, equal runs may be on either side of their mean.
    spread = np.maximum([ranges["mean"] - ranges["low"], ranges["high"] - ranges["mean"]], 0)
    options = {"linewidth": 1, "markersize": 4.5, "capsize": 2, **style}
    axes.errorbar(x, ranges["mean"], spread, marker=marker, color=colour, label=label, **options)


def dodged(frame, x, index, count, factor):
    """Return a table with values along ``x`` moved by a factor, so that marks of ``count`` methods do not overlap."""
    return frame.assign(**{x: frame[x] * factor ** (index - (count - 1) / 2)})


def spread_of(logs, index, unit=1.0):
    """Return the :func:`summary` of values given by logarithms (P, T, E), over ``unit``, a number or of shape (P,)."""
    ends = {"mean": logs.mean(axis=(1, 2)), "low": logs.min(axis=(1, 2)), "high": logs.max(axis=(1, 2))}
    return pd.DataFrame({name: np.exp(values) / unit for name, values in ends.items()}, index=index)


def mark_lost(axes, frame, x, colour, height):
    """Mark where runs diverged, with their number and the number of runs, at a height in units of the axes."""
    for point, count in frame[frame["status"] == "diverged"].groupby(x).size().items():
        across = axes.get_xaxis_transform()
        axes.plot(point, height, "x", color=colour, transform=across, markersize=5, clip_on=False)
        text = f"{count}/{(frame[x] == point).sum()}"
        options = {"textcoords": "offset points", "ha": "center", "fontsize": 7, "color": colour}
        axes.annotate(text, (point, height), xycoords=across, xytext=(0, 5), **options)


def paths(axes, frame, x, y, colour, label, floor=0.0):
    """Draw every run as a thin line and the geometric mean as a thick one; values below a floor are drawn on it."""
    runs = frame.pivot_table(index=x, columns=["target", "ensemble"], values=y).clip(lower=floor)
    axes.plot(runs.index, runs.to_numpy(), color=colour, linewidth=0.5, alpha=0.35)
    mean = np.exp(np.log(runs).mean(axis=1))
    axes.plot(mean.index, mean, color=colour, linewidth=2.2, label=label)
