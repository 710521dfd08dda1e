"""The ledger's evidence on universality: thresholds and iterations by law and dimension."""

import numpy as np

from algoreg.chapters.universality.estimands import GAUSSIAN, threshold_ratios, value_ratios
from algoreg.chapters.universality.words import LAWS
from algoreg.claims.cells import chosen
from algoreg.claims.thresholds import find_thresholds
from algoreg.reporting.report import bound_of, geometric, markdown, number, passage

TOLERANCE = 0.1


@passage("universality")
def universality_headline(reference):
    """Return the headline's numbers: the largest factor between laws, and that of rank one, in words."""
    return (
        f"The numbers needed lie within a factor {bound_of(reference, 'universality-threshold', 'up')} of the Gaussian "
        f"one; rank-one matrices take at least {bound_of(reference, 'universality-rank-one', 'down')} times as many."
    )


@passage("universality")
def universality_course(reference):
    """Return how far the iterations of the laws lie from the Gaussian ones, in words."""
    return (
        f"at m = 3.5dr the iterations to an error of 0.1 lie within a factor "
        f"{bound_of(reference, 'universality-course', 'up')} of the Gaussian ones."
    )


@passage("universality")
def universality_laws(frame):
    """Return m* and iterations by d and law, and both over the Gaussian ones, as Markdown."""
    rows, most = [], frame["m_over_dr"].max()
    many = chosen(frame, {"m_over_dr": float(most)})
    for law in LAWS:
        own = frame[frame["law"] == law]
        thresholds = find_thresholds(own, "d", TOLERANCE)
        ratios = threshold_ratios(frame, law, TOLERANCE)[0].mean(axis=(1, 2))
        times = value_ratios(many, law, "iterations").mean(axis=(1, 2))
        for k, d in enumerate(thresholds.sizes.astype(int)):
            reached = many[(many["law"] == law) & (many["d"] == d)]["iterations"]
            beside = ["–", "–"] if law == GAUSSIAN else [number(np.exp(ratios[k])), number(np.exp(times[k]))]
            rows.append([LAWS[law], d, number(thresholds.medians()[k] / d), beside[0], geometric(reached), beside[1]])
    header = ["law", "d", "median m*/d", "m* over Gaussian", f"iterations at m = {most:g}dr", "over Gaussian"]
    return markdown(header, rows)
