"""The figure of universality: errors by the number of measurements, and each law beside the Gaussian one."""

import numpy as np

from algoreg.chapters.universality.estimands import GAUSSIAN, threshold_ratios, value_ratios
from algoreg.chapters.universality.words import LAWS
from algoreg.claims.cells import chosen
from algoreg.reporting.charts.course import course, summary
from algoreg.reporting.charts.panels import describe, finish, two_and_one
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import rounded, sizes
from algoreg.reporting.figures import drawing

MARKERS = "o^s"
# How far apart the points of a law are, by d.
APART = 0.16


def _factors(axes, frame, claim, ratios):
    """Draw the geometric means of every law over the Gaussian one, by d, with two standard errors; return the largest
    factor of the laws that the claim names.
    """
    others = [law for law in LAWS if law != GAUSSIAN]
    dimensions, largest = sorted(frame["d"].unique()), 1.0
    for place, law in enumerate(others):
        for k, logs in enumerate(ratios(law)):
            # Ensembles are the units: the targets of one share its measurements.
            units = logs.mean(axis=0)
            mean, error = units.mean(), 2 * units.std(ddof=1) / np.sqrt(len(units))
            bars = np.exp(mean) * np.abs(np.expm1([[-error], [error]]))
            label = f"d = {dimensions[k]}" if place == 0 else None
            axes.errorbar(
                [place + APART * (2 * k - len(dimensions) + 1)], [np.exp(mean)], bars, fmt=MARKERS[k], color=COLOURS[k],
                markersize=5, capsize=2, label=label,
            )  # fmt: skip
            if law in claim["estimand"]["laws"]:
                largest = max(largest, np.exp(abs(mean)))
    for end in (claim["margin"], 1 / claim["margin"]):
        label = f"margin: within a factor {claim['margin']:g}" if end > 1 else None
        axes.axhline(end, color="black", linewidth=0.9, linestyle="--", label=label)
    axes.axhline(1, color="grey", linewidth=0.7)
    axes.set_xticks(range(len(others)), [LAWS[law].replace(" ", "\n", 1) for law in others])
    return largest


@drawing
def universality(tables, claims):
    """Draw errors over m by law, and thresholds and iterations of every law over those of Gaussian measurements."""
    table = tables["universality"]
    figure, (left, middle, right) = two_and_one()
    largest = table[table["d"] == table["d"].max()]
    for place, law in enumerate(LAWS):
        rows = largest[largest["law"] == law]
        if law in (GAUSSIAN, "rank_one_pairs"):
            course(left, rows, "m_over_dr", "test_error", COLOURS[place], LAWS[law])
        else:
            # Marks alone, as the other laws' means lie on the Gaussian curve.
            means = summary(rows, "m_over_dr", "test_error")["mean"]
            left.plot(means, MARKERS[place - 1], color=COLOURS[place], markersize=9 - 2 * place, label=LAWS[law])
    claim = claims["universality-threshold"]
    tolerance = claim["estimand"]["tolerance"]
    left.axhline(tolerance, color="black", linewidth=0.9, linestyle=":")
    left.set_title(f"d = {table['d'].max()}: four laws\nhave one curve, rank one another")
    describe(left, "y", xlabel="measurements over dr", ylabel="relative test error")
    factor = _factors(middle, table, claim, lambda law: threshold_ratios(table, law, tolerance)[0])
    middle.set_title(
        f"thresholds m* lie within a factor {rounded(factor, 3, 'up')}\nof the Gaussian one, but for rank one"
    )
    describe(middle, ylabel="m* over the Gaussian one")
    claim = claims["universality-course"]
    frame = chosen(table, claim["estimand"]["where"])
    factor = _factors(right, frame, claim, lambda law: value_ratios(frame, law, "iterations"))
    right.set_title(
        f"iterations at m = {frame['m_over_dr'].iloc[0]:g}dr lie within\na factor {rounded(factor, 3, 'up')}, but for rank one"
    )
    describe(right, ylabel="iterations over the Gaussian ones")
    note = "above left: geometric means over runs, bands: all runs; bars: two standard errors over ensembles"
    return finish(figure, note, caption=sizes(table, "d"))
