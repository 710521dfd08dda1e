"""Draw a quantity that is only known to lie in a bracket, and ratios to such a quantity."""

import numpy as np

from algoreg.reporting.charts.course import bars

# A ratio to δ lies between the ratios to its upper and to its lower end.
BRACKET = "bars: where the mean ratio lies, as δ is known to lie between two bounds"


def bracketed(axes, frame, x, low, up, colour, label, shift=1.0):
    """Draw bars from the mean ratio to δ's upper end (``up``) to the mean ratio to its lower end (``low``).

    The latter is returned. ``shift`` moves bars by a factor, so that they do not hide each other.
    """
    means = frame.groupby(x)[[low, up]].mean()
    kept = {"mean": means[low], "high": means[low], "low": np.minimum(means[low], means[up])}
    style = {"linestyle": "none", "elinewidth": 5, "capsize": 0}
    bars(axes, means.index * shift, kept, colour, label, marker="", **style)
    return means[low]


def bracket(axes, frame, x, low, up, colour, labels):
    """Draw the range of a quantity: its lower bound, its upper bound and the band between, as means over ensembles."""
    means = frame.groupby(x)[[low, up]].mean()
    axes.fill_between(means.index, means[low], means[up], color=colour, alpha=0.25, linewidth=0, label=labels[0])
    axes.plot(means.index, means[low], "o-", color=colour, markersize=4, linewidth=1, label=labels[1])
    axes.plot(means.index, means[up], "--", color=colour, linewidth=1, label=labels[2])
