"""The ledger's evidence on the condition number: m* and iterations by method and κ."""

import numpy as np

from algoreg.chapters.condition_number.estimands import Conditions
from algoreg.chapters.condition_number.figures import METHODS, TOLERANCE
from algoreg.claims.cells import geometric_mean
from algoreg.claims.intervals import interval_of
from algoreg.reporting.report import markdown, number, passage, with_interval


@passage("condition")
def condition_growth(frame, method):
    """Return how m*/(dr) of a method grows from the smallest to the largest κ, in words."""
    own = frame[frame["method"] == method]
    curves, unit = Conditions(own, "kappa", "smallest_error", TOLERANCE), float((own["d"] * own["rank"]).iloc[0])
    first, *_, last = np.exp(curves.thresholds(curves.values)) / unit
    return f"m\\*/(dr) is {first:.2f} at κ = {curves.points[0]:g} and {last:.2f} at κ = {curves.points[-1]:g}"


@passage("condition")
def condition_thresholds(frame):
    """Return m*/(dr) and the iterations at the largest m by method and κ, as Markdown."""
    rows, unit = [], float((frame["d"] * frame["rank"]).iloc[0])
    for method, words in METHODS.items():
        own, rng = frame[frame["method"] == method], np.random.default_rng(0)
        curves = Conditions(own, "kappa", "smallest_error", TOLERANCE)
        for i, kappa in enumerate(curves.points):
            found = interval_of(
                lambda part, i=i, curves=curves: np.exp(curves.thresholds(part)[i]) / unit, curves.values, rng
            )
            last = own[(own["kappa"] == kappa) & (own["m_over_dr"] == own["m_over_dr"].max())]
            arrived = int(last["iterations"].notna().sum())
            iterations = (
                number(geometric_mean(last["iterations"]))
                if arrived == len(last)
                else f"not by T ({arrived} of {len(last)})"
            )
            rows.append([words, f"{kappa:g}", with_interval(found), iterations])
    header = ["method", "κ", "m\\*/(dr) with its 95 % interval", f"iterations at m = {frame['m_over_dr'].max():g}·dr"]
    return markdown(header, rows)
