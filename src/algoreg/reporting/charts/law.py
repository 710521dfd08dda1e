"""Power laws: points with their exponent, curves to compare them with, the slope of a claim's margin."""

import numpy as np

from algoreg.claims.cells import chosen, geometric_mean
from algoreg.claims.exponents import slope_weights
from algoreg.reporting.charts.course import points
from algoreg.reporting.charts.text import margin_text, raised, signed

# The direction in which a mark points, by the side on which values may be.
SIDES = {"below": "v", "above": "^"}
# The side allowed to a ratio's denominator, by the direction of a claim on the ratio.
OPPOSITE = {"below": "above", "above": "below"}


def exponent(means):
    """Return the least-squares slope of log means against their log index, as in estimands; None for fewer than two."""
    return float(slope_weights(means.index.to_numpy(float)) @ np.log(means.to_numpy())) if len(means) > 1 else None


def exponent_of(frame, along, value):
    """Return the :func:`exponent` of the geometric means of a column over another."""
    return exponent(frame.groupby(along)[value].apply(geometric_mean))


def grows(label, letter, means):
    """Return a title with the power of a size by which means grow, or with "?" if there are too few points."""
    slope = exponent(means)
    return f"{label} as {raised(letter, '?' if slope is None else signed(slope))}"


def with_exponent(label, means):
    """Return a label with the exponent of means."""
    slope = exponent(means)
    return label if slope is None else f"{label}: exponent {signed(slope)}"


def law(axes, frame, x, y, colour, label, marker="o", fitted=None, **style):
    """Draw means over runs with bars, their exponent in the label.

    Parameters
    ----------
    fitted : callable, optional
        Maps the means' index to the points that the exponent is fitted to; by default all.

    Returns
    -------
    pandas.Series
        The geometric means.
    """
    means = points(axes, frame, x, y, colour, label, marker, **style)["mean"]
    kept = means if fitted is None else means[fitted(means.index)]
    bars = axes.containers[-1]
    bars.set_label(with_exponent(bars.get_label(), kept))
    return means


def through(axes, means, curve, label, line="--", **style):
    """Draw a curve that theory gives up to a constant, as a function of an array of points, through the first mean."""
    if len(means):
        x = np.geomspace(means.index.min(), means.index.max(), 50)
        scale = means.iloc[0] / curve(np.array(means.index[:1], dtype=float))[0]
        axes.plot(x, scale * curve(x), line, **{"color": "black", "linewidth": 0.9, "label": label, **style})


def margin_slope(axes, means, claim, quantity="exponent", **style):
    """Draw the power law whose exponent is a claim's margin, through the first mean."""
    options = {"line": ":", "linewidth": 1.1, **style}
    through(axes, means, lambda x: x ** float(claim["margin"]), margin_text(claim, quantity), **options)


def margin_level(axes, claim, quantity="", scale=1.0, **style):
    """Draw a claim's margin, in units of ``scale``, as a level line."""
    options = {"color": "black", "linewidth": 0.9, "linestyle": "--", "label": margin_text(claim, quantity), **style}
    axes.axhline(scale * claim["margin"], **options)


def margin_mark(axes, x, y, side, label, filled=True):
    """Mark a margin for values at one point with a triangle that points to the allowed side, below or above.

    The triangle is drawn over all points, and is not ``filled`` if it would hide one.
    """
    style = {"color": "black", "markersize": 5.5, "linestyle": "none", "zorder": 6, "label": label}
    axes.plot([x], [y], SIDES[side], markerfacecolor="black" if filled else "none", **style)


def mean_of_pair(table, estimand, index):
    """Return the geometric mean of the first (0) or second (1) value of an estimand about a pair."""
    own = chosen(table, {**estimand["where"], estimand["by"]: estimand["pair"][index]})
    return geometric_mean(own[estimand["value"]])


def ratio_of_pair(table, claim):
    """Return the ratio of geometric means that a claim about a pair judges."""
    return mean_of_pair(table, claim["estimand"], 0) / mean_of_pair(table, claim["estimand"], 1)


def margin_levels(axes, claims, quantity="", **style):
    """Draw the margins of several claims, with one line for equal margins; see :func:`margin_level`."""
    for claim in {claim["margin"]: claim for claim in claims}.values():
        margin_level(axes, claim, quantity, **style)
