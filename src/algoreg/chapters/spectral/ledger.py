"""The ledger's macros on spectral and convolutional networks."""

import numpy as np

from algoreg.chapters.spectral.words import CLASSIFIERS, NETWORKS
from algoreg.claims.cells import chosen, geometric_mean
from algoreg.reporting.report import geometric, markdown, number, passage
from algoreg.reporting.wording import outwards

# Measurements over degrees of freedom that the headline is of.
FEW = 1.6


@passage("spectral_network", "convolution")
def spectral_headline(errors, margins):
    """Return what tanh on singular values loses, and what margin convolutional networks reach, as sentences."""
    own = errors[
        (errors["start"] == errors.loc[errors["start"] > 0, "start"].min()) & np.isclose(errors["m_over_dof"], FEW)
    ]
    means = {name: geometric_mean(own.loc[own["network"] == name, "test_error"]) for name in ("plain", "spectral")}
    fourier = margins.loc[margins["network"] == "convolutional", "fourier_margin"].mean()
    return (
        f"With {FEW:g} times as many measurements as degrees of freedom, and from an equal initialisation, they have "
        f"{means['plain'] / means['spectral']:.2f} times its error (geometric mean). Linear convolutional networks end at {fourier:.3g} of the "
        f"largest margin in the Fourier domain."
    )


@passage("spectral_network")
def errors_of_networks(frame):
    """Return the error by network, start and m, as Markdown."""
    ratios, rows = sorted(frame["m_over_dof"].unique()), []
    for name, label in NETWORKS.items():
        for start, own in frame[frame["network"] == name].groupby("start"):
            means = [geometric(own.loc[own["m_over_dof"] == ratio, "test_error"]) for ratio in ratios]
            fitted = f"{(own['status'] == 'converged').mean():.0%}"
            rows.append([label, f"{start:g}" if start else "–", *means, fitted])
    header = [
        "network",
        "initialisation",
        *(f"m = {ratio:g} times the degrees of freedom" for ratio in ratios),
        "fitted",
    ]
    return markdown(header, rows)


@passage("spectral_commuting")
def distances_of_networks(frame):
    """Return the distance to the least nuclear norm by size and start, as Markdown."""
    starts, rows = sorted(frame["start"].unique(), reverse=True), []
    for size, own in frame.groupby("size"):
        means = [geometric(own.loc[own["start"] == start, "distance"]) for start in starts]
        fitted = f"{(own['status'] == 'converged').mean():.0%}"
        rows.append([f"{size:g}", *means, f"{own['largest_shaped'].mean():.3f}", fitted])
    return markdown(["singular values", *(f"u₀ = {start:g}" for start in starts), "largest tanh", "fitted"], rows)


@passage("spectral_commuting")
def runs_beyond(frame, start, margin):
    """Return how many runs from a start lie beyond a distance to the fit of least norm,
    near 1, and how far, as a clause.
    """
    own = chosen(frame, {"size": 1, "start": float(start)})["distance"]
    beyond = int((own > float(margin)).sum())
    return f"{beyond} of {len(own)} runs from {float(start):g} are beyond {margin}, the farthest at {number(own.max())}"


@passage("spectral_commuting")
def runs_unfitted(frame):
    """Return how many runs of the largest singular values do not fit the labels,
    by start, and how near all of them come.
    """
    own = frame[frame["size"] == frame["size"].max()]
    said = [
        f"{int((part['status'] != 'converged').sum())} of {len(part)} from {start:g}"
        for start, part in sorted(own.groupby("start"), reverse=True)
    ]
    return (
        f"Some of these runs do not fit the observations by T, and count: {', '.join(said)}. "
        f"No run, fitted or not, is nearer than {number(outwards(own['distance'].min(), 'down', 3))}."
    )


@passage("convolution")
def margins_of_networks(frame):
    """Return margins over the largest and sparsity by network, as Markdown."""
    rows = []
    for name, label in CLASSIFIERS.items():
        own = frame[frame["network"] == name]
        means = [f"{own[column].mean():.3f}" for column in ("fourier_margin", "euclidean_margin")]
        rows.append([label, *means, f"{own['sparsity'].mean():.2f}"])
    return markdown(["network", "Fourier margin", "Euclidean margin", "‖β̂‖₁/‖β̂‖₂"], rows)
