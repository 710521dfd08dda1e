"""The ledger's evidence on noise, outliers and flatness."""

import numpy as np

from algoreg.claims.thresholds import find_thresholds
from algoreg.reporting.report import geometric, markdown, number, passage
from algoreg.settings.chapters import load_chapters
from algoreg.settings.plan import experiment_options

# The relative error below which a programme has found X*.
FOUND = 0.01
# The error at a stop, over the best one, above which the stop is called far off.
FAR = 1.25


@passage("early_stopping")
def stopping_errors(frame):
    """Return best errors, and those at the hold-out's stop and at the end over them,
    by noise and width, as Markdown.
    """
    rows = []
    for (noise, width), own in frame.groupby(["noise", "width"]):
        means = [geometric(own[column]) for column in ("best_error", "stopped_over_best", "end_over_best")]
        rows.append([f"{noise:g}", width, *means, number(own["stopped_over_best"].max())])
    header = ["noise σ", "width", "best error", "hold-out's stop / best", "end / best", "worst stop / best"]
    return markdown(header, rows)


@passage("early_stopping")
def stops_far_off(frame):
    """Return how many runs' stops are more than a quarter above their best, as a sentence."""
    far = int((frame["stopped_over_best"] > FAR).sum())
    return f"Of {len(frame)} runs {far} stop at more than {FAR:g} times their best error."


@passage("outliers")
def outlier_errors(frame):
    """Return the errors at the end by share and loss, as Markdown."""
    rows = []
    for share, own in frame.groupby("share"):
        means = [geometric(own.loc[own["loss"] == loss, "end_error"]) for loss in ("squared", "absolute")]
        rows.append([f"{share:g}", *means])
    return markdown(["share of outliers", "squared loss", "absolute loss"], rows)


SCHEDULES = ("outliers_short", "outliers_medium", "outliers_long", "outliers_longest")


@passage(*SCHEDULES)
def outlier_schedules(*frames):
    """Return the errors at the end by the sum of the absolute loss's steps, as Markdown."""
    entries, rows = load_chapters(["robustness"])[0].entries["experiments"], []
    for name, frame in zip(SCHEDULES, frames, strict=True):
        chosen = experiment_options(entries[name])
        total = chosen["absolute_step"] / (1 - chosen["decay"])
        means = [geometric(frame.loc[frame["loss"] == loss, "end_error"]) for loss in ("absolute", "squared")]
        rows.append([f"{total:.0f}", f"{chosen['iterations']}", *means])
    return markdown(["sum of the steps", "T", "absolute loss", "squared loss"], rows)


@passage("flat_minima")
def flat_thresholds(frame):
    """Return m*/(dr) of every programme with its range, as Markdown."""
    scale, rows = frame["d"].iloc[0] * frame["rank"].iloc[0], []
    for name, own in frame.groupby("programme"):
        ratios = np.exp(find_thresholds(own, "rank", FOUND).logs) / scale
        ends = f"{number(float(ratios.min()))} to {number(float(ratios.max()))}"
        rows.append([name, geometric(ratios), ends])
    return markdown(["least ⟨W, X⟩", "m*/(dr)", "range of draws"], rows)
