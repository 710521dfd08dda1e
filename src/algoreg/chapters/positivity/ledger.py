"""The ledger's evidence on positivity: what fits beside X*, thresholds of uniqueness,
what the published proof asks for.
"""

import numpy as np
import pandas as pd

from algoreg.chapters.positivity.estimands import uniqueness_thresholds
from algoreg.chapters.positivity.words import NAMES
from algoreg.claims.cells import geometric_mean
from algoreg.numerics.theory import psd_statistical_dimension, trace_statistical_dimension
from algoreg.reporting.report import estimate_of, markdown, number, passage


@passage("positivity", "unique_far")
def what_positivity_decides(frame, more, limit):
    """Return the headline: in how many draws X* is the only fit with the trace measured,
    how far another one lies without.
    """
    found = more.loc[more["kind"] == "trace_row", "distance"] < float(limit)
    both = pd.concat([frame, more])
    away = both.loc[(both["kind"] == "gaussian") & (both["method"] == "far"), "distance"].max()
    return (
        f"With the trace in place of one Gaussian measurement, X\\* is the only fit in {found.sum()} of {len(found)} draws. "
        f"Without it another fit is up to {number(away)} times ‖X\\*‖ away, and descent recovers X\\* all the same."
    )


@passage("unique_samples", "unique_samples_gaussian")
def how_many_measurements(reference):
    """Return the exponent of the number of measurements from which on X* is the only one."""
    return f"The number grows as d to the power {estimate_of(reference, 'unique-wishart-samples-in-d')}."


@passage("geyer_pauli")
def farthest_hermitian(frame):
    """Return how far a far point lies with Gaussian measurements of Hermitian matrices."""
    return number(frame.loc[(frame["kind"] == "hermitian") & (frame["method"] == "far"), "distance"].max())


@passage("geyer_pauli")
def found_of_pauli_effects(frame, margin):
    """Return in how many runs on Pauli effects the error is below a margin."""
    below = frame.loc[frame["kind"] == "pauli_effects", "distance"] < float(margin)
    return f"{below.sum()} of {len(below)}"


@passage("positivity")
def distances_by_kind(frame):
    """Return the geometric mean of the distance to X* by kind, d and method, as Markdown."""
    rows = []
    for kind in (kind for kind in NAMES if kind in set(frame["kind"])):
        for d, own in frame[frame["kind"] == kind].groupby("d"):
            means = {name: geometric_mean(part["distance"]) for name, part in own.groupby("method")}
            shown = ["X*" if means[name] < 1e-6 else number(means[name]) for name in ("far", "least_frobenius")]
            trace, descent = "X*" if means["least_trace"] < 1e-6 else number(means["least_trace"]), means["descent"]
            first = own.iloc[0]
            rows.append(
                [NAMES[kind], f"{d:g}", f"{first['m'] / first['psd_dimension']:.2f}", *shown, trace, number(descent)]
            )
    header = [
        "measurements",
        "d",
        "m over positivity's dimension",
        "far point",
        "least Frobenius norm",
        "least trace",
        "descent",
    ]
    return markdown(header, rows)


@passage("unique_samples_gaussian", "unique_samples")
def uniqueness_over_dimensions(*frames):
    """Return the m* of uniqueness over the statistical dimensions, by kind and d, as Markdown."""
    rows = []
    for frame in frames:
        for kind in (kind for kind in NAMES if kind in set(frame["kind"])):
            own = frame[frame["kind"] == kind]
            found = uniqueness_thresholds(own)
            for d, log in zip(found.sizes.astype(int), found.logs.mean(axis=(1, 2)), strict=True):
                undecided = (own.loc[own["d"] == d, "status"] == "budget").sum()
                shares = [
                    np.exp(log) / function(int(d), 1)
                    for function in (psd_statistical_dimension, trace_statistical_dimension)
                ]
                rows.append(
                    [
                        NAMES[kind],
                        str(d),
                        f"{np.exp(log):.0f}",
                        *map(number, shares),
                        f"{undecided} of {(own['d'] == d).sum()}",
                    ]
                )
    header = ["measurements", "d", "m*", "over positivity's dimension", "over the least trace's", "undecided runs"]
    return markdown(header, rows)


@passage("whitened")
def proofs_constants(frame):
    """Return what the proof's measurements come to by degrees of freedom, as Markdown."""
    rows = []
    for (kind, degrees), own in frame.groupby(["kind", "degrees"]):
        d = own["d"].iloc[0]
        name = "Gaussian, as drawn" if kind == "gaussian" else f"Wishart, p = {degrees:g}"
        zero = "–" if kind == "gaussian" else f"{max(d - degrees, 0):g} of {d:g}"
        ratio = (own["smallest"] / own["largest"]).mean()
        rows.append(
            [
                name,
                zero,
                number(ratio),
                number(own["mixed_delta"].mean()),
                number(own["gap_of_independent"].mean() if kind == "wishart" else None),
            ]
        )
    header = ["measurements", "eigenvalues 0 of an Aᵢ", "smallest over largest", "so δ is at least", "gap, independent"]
    return markdown(header, rows)
