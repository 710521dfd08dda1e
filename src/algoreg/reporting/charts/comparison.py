"""Draw our runs against published curves: mean, range, prediction interval of one more draw, and the claim's margin."""

import numpy as np

from algoreg.reporting.charts.course import course
from algoreg.reporting.charts.text import rounded
from algoreg.reporting.wording import exact

FACTOR = "bars: a published value ×/÷ the margin"
INTERVAL = "dotted: 95 % prediction interval of one more draw"


def agreement(*tables):
    """Return a text with the factor between published values and ours in each table: its geometric mean and maximum.

    It is empty if there are no values of ours.
    """
    logs = [np.abs(np.log(rows["ratio"])) for rows in tables if rows is not None and rows["ratio"].notna().any()]
    means = " and ".join(rounded(np.exp(one.mean()), 3) for one in logs)
    largest = " and ".join(rounded(np.exp(one.max()), 3, "up") for one in logs)
    return f"published: a factor {means} from ours on average, {largest} at most" if logs else ""


def _judged(claim, error):
    return claim is not None and error in claim["estimand"].get("errors", ["test_error"])


def _published(axes, rows, x, colour, label, factor, inside, marker="o", every=1):
    """Draw published points with the margin's factor around each, and the prediction interval of our runs."""
    shown, spread = rows.iloc[::every], None
    goal = shown["published"]
    if factor:
        label = f"{label} ×/÷ {exact(factor['margin'])}"
        spread = [goal - goal / factor["margin"], goal * factor["margin"] - goal]
    if inside:
        share = f"{int(rows['inside'].eq(True).sum())} of {len(rows)} in the interval"
        label = f"{label}\n({share}; margin: {inside['direction']} {inside['margin']:.0%})"
        for end in ("low", "high"):
            axes.plot(rows[x], rows[end], ":", color=colour, linewidth=0.9)
    style = {"markeredgecolor": "black", "markersize": 4, "markeredgewidth": 0.6, "ecolor": "0.25", "elinewidth": 0.8}
    axes.errorbar(shown[x], goal, spread, fmt=marker, color=colour, capsize=2, label=label, zorder=5, **style)


def comparison(axes, frame, rows, x, error, colour, name, factor=None, inside=None, **style):
    """Draw our mean and range along ``x``, and the published points of the same error, if there are any.

    Parameters
    ----------
    frame : pandas.DataFrame
        Our runs.
    rows : pandas.DataFrame or None
        The rows of :func:`algoreg.claims.matching.compare` for this error.
    factor, inside : mapping, optional
        Entries of the claims on the factor between ours and published, and on the share inside the prediction interval.
        They are shown if they judge this error.
    style
        The ``marker`` of the published points, and ``every``: one of so many points is drawn.

    Returns
    -------
    pandas.Series
        Our means.
    """
    kept = frame.assign(**{error: np.where(frame["status"] == "diverged", np.nan, frame[error])})
    means = course(axes, kept, x, error, colour, f"{name}, ours", geometric=False)["mean"]
    if rows is not None:
        factor, inside = (claim if _judged(claim, error) else None for claim in (factor, inside))
        _published(axes, rows.sort_values(x), x, colour, f"{name}, published", factor, inside, **style)
    return means
