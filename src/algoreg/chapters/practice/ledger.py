"""The ledger's evidence on practice: infidelities, errors and scores by method."""

import numpy as np

from algoreg.chapters.practice.words import MAGNITUDES, MIXED_STATES, PHOTOGRAPH, REGRESSION, TOMOGRAPHY
from algoreg.claims.cells import chosen, geometric_mean
from algoreg.reporting.report import markdown, number, passage
from algoreg.reporting.wording import typeset_numbers


def _mean(values):
    return number(float(f"{geometric_mean(values):.2g}"))


@passage("tomography")
def practice_tomography(frame):
    """Return the infidelity of every method by share and shots, stopped and at the end, as Markdown."""
    frame = frame[frame["labels"] == "shots"]
    rows = []
    for (share, shots), part in frame.groupby(["share", "shots"]):
        for method, name in TOMOGRAPHY.items():
            own = part[part["method"] == method]
            rows.append(
                [f"{share:g}", f"{shots:g}", name, *(_mean(own[value]) for value in ("stopped", "smallest", "end"))]
            )
    return markdown(["share", "shots", "method", "stopped at the noise", "smallest", "end"], rows)


@passage("tomography")
def practice_pairs(frame, margin):
    """Return how many single runs of full width, stopped, have more than a factor of width 1's infidelity,
    as a sentence.
    """
    frame = frame[(frame["labels"] == "shots") & (frame["share"] >= 0.5)]
    keys = ["state", "share", "shots", "target", "ensemble"]
    full, one = (
        frame[frame["method"] == method].set_index(keys)[value]
        for method, value in (("full", "stopped"), ("width 1", "end"))
    )
    ratios = full / one
    beyond = int((ratios > float(margin)).sum())
    return (
        f"From half of the strings or more {beyond} of {len(ratios)} runs have more than {margin} times the infidelity "
        "of width 1 on the same data."
    )


@passage("mixed_states")
def practice_mixed_states(frame):
    """Return the infidelity of every method by kind of state and share, and the rank that was found, as Markdown."""
    rows = []
    for (state, share), part in frame.groupby(["state", "share"]):
        cells = [_mean(part.loc[part["method"] == method, value]) for method, value in MIXED_STATES]
        ranks = sorted({f"{rank:g}" for rank in part["rank"].dropna()}, key=int)
        rows.append([state, f"{share:g}", *cells, ", ".join(ranks)])
    return markdown(["state", "share", *MIXED_STATES.values(), "rank found"], rows)


@passage("photograph")
def practice_photograph(frame):
    """Return the error of every method by share, of the photograph and of its pixels shuffled, as Markdown."""
    rows = []
    for (picture, share), part in frame.groupby(["picture", "share"], sort=True):
        errors = [_mean(part.loc[part["method"] == method, "error"]) for method in PHOTOGRAPH]
        rows.append([picture, f"{share:g}", *errors])
    return markdown(["picture", "share", *PHOTOGRAPH.values()], rows)


@passage("regression")
def practice_regression(frame):
    """Return the mean R² of every method on every table with its standard error, as Markdown."""
    rows = []
    for name, part in frame.groupby("data"):
        cells = []
        for method in REGRESSION:
            scores = part.loc[part["method"] == method, "score"]
            cells.append(typeset_numbers(f"{scores.mean():.3f} ± {scores.std() / np.sqrt(len(scores)):.3f}"))
        rows.append([name, *cells])
    return markdown(["table", *REGRESSION.values()], rows)


@passage("magnitudes")
def practice_magnitudes(frame):
    """Return the error of every method by m/n, and how many pictures it recovers, as Markdown."""
    rows = []
    for method, name in MAGNITUDES.items():
        cells = []
        for _, part in frame[frame["method"] == method].groupby("m_over_n"):
            cells.append(f"{_mean(part['error'])} ({part['recovered'].sum():g} of {len(part)})")
        rows.append([name, *cells])
    return markdown(["method", *(f"m = {ratio:g}n" for ratio in sorted(frame["m_over_n"].unique()))], rows)


@passage("magnitudes", "magnitudes_told")
def practice_recovered(*frames):
    """Return how many pictures full width recovers from few magnitudes, of both tables, as a clause."""
    own, more = (chosen(frame, {"method": "full"}) for frame in frames)
    said = []
    for ratio in (2, 3):
        part = own.loc[own["m_over_n"] == ratio, "recovered"]
        said.append(f"{part.sum():g} of {len(part)} pictures from {ratio:g}n magnitudes")
    larger = more.loc[more["m_over_n"] == more["m_over_n"].min(), "recovered"]
    return (
        f"{' and '.join(said)}, in the larger table {larger.sum():g} of {len(larger)} from {more['m_over_n'].min():g}n"
    )


@passage("tomography")
def practice_headline(frame):
    """Return the headline: infidelity of full width, stopped, over that of width 1."""
    frame = frame[(frame["labels"] == "shots") & (frame["share"] >= 0.5)]
    full, one = (
        np.log(frame.loc[frame["method"] == method, value])
        for method, value in (("full", "stopped"), ("width 1", "end"))
    )
    end = np.log(frame.loc[frame["method"] == "full", "end"])
    return (
        f"From half of the Pauli strings or more, full width stopped at the shot noise has, in the geometric mean, {np.exp(full.mean() - one.mean()):.2g} "
        f"times the infidelity of width 1, which knows the rank; at the end of the run it has {np.exp(end.mean() - one.mean()):.2g} times that of "
        f"width 1."
    )
