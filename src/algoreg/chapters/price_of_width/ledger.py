"""The ledger's macros on the price of width: slopes of long runs, linear rates by α, imbalances by η; iterations and
measurements of XΘXᵀ.
"""

import numpy as np

from algoreg.chapters.price_of_width.figures import METHODS, medians, samples_needed
from algoreg.claims.cells import geometric_mean
from algoreg.reporting.report import geometric, markdown, number, passage
from algoreg.reporting.wording import typeset_numbers


@passage("one_over_t")
def width_slopes(frame):
    """Return the slope over the last decade and the last error by width and start, as Markdown."""
    last = frame[frame["iteration"] == frame["iteration"].max()]
    rows = []
    for width in ("r", "2r", "d"):
        for alpha, own in sorted(last[last["width"] == width].groupby("alpha"), reverse=True):
            left = int((own["status"] == "converged").sum())
            error = f"below 10⁻¹⁰ ({left}/{len(own)})" if left else f"{geometric_mean(own['test_error']):.1e}"
            rows.append([width, f"{alpha:g}", typeset_numbers(number(own["slope"].mean())), error])
    return markdown(["width", "α", "slope over the last decade of t", "error at T"], rows)


@passage("asymmetric_rates")
def width_rates(frame):
    """Return the linear rate of two factors by width and start, as Markdown."""
    alphas = sorted(frame["alpha"].unique(), reverse=True)
    rows = [
        [width, *(geometric(own.loc[own["alpha"] == alpha, "rate"]) for alpha in alphas)]
        for width, own in frame.groupby("width", sort=False)
    ]
    return markdown(["width", *(f"rate, α = {alpha:g}" for alpha in alphas)], rows)


@passage("balance")
def width_imbalances(frame):
    """Return the largest imbalance and that of the start by α and η, as Markdown."""
    steps, rows = sorted(frame["step"].unique()), []
    for alpha, own in sorted(frame.groupby("alpha"), reverse=True):
        largest = (geometric_mean(own.loc[own["step"] == step, "imbalance"]) for step in steps)
        start = geometric_mean(own["start_imbalance"])
        rows.append([f"{alpha:g}", f"{start:.1e}", *(f"{value:.1e}" for value in largest)])
    return markdown(["α", "at the initialisation", *(f"largest, η = {step:g}" for step in steps)], rows)


@passage("normalised_rates")
def normalised_iterations(frame):
    """Return the median iterations of every method by width, and the runs that arrived, as Markdown."""
    rows = []
    for method, words in METHODS.items():
        own = frame[frame["method"] == method]
        found = {name: medians(own, name) for name in ("escape", "growth", "late", "iterations")}
        for width, runs in own.groupby("width"):
            medians_of = (found[name][width] for name in found)
            values = (number(float(f"{value:.3g}")) if np.isfinite(value) else "–" for value in medians_of)
            rows.append(
                [words, f"{runs['step'].iloc[0]:g}", width, *values, f"{runs['iterations'].notna().sum()}/{len(runs)}"]
            )
    header = ["method", "η", "columns", "to 0.1", "growth a decade", "10⁻³ to 10⁻⁶", "to 10⁻⁶", "runs at 10⁻⁶"]
    return markdown(header, rows)


@passage("normalised_samples")
def normalised_needed(frame):
    """Return m*/(dr) by method and width, as Markdown."""
    rows = []
    for method in ("normalised", "small"):
        logs, columns = samples_needed(frame, method, 0.05)
        rows.append([METHODS[method], *(f"{value:.2f}" for value in np.exp(logs.mean(axis=(1, 2))))])
    return markdown(["m\\*/(dr)", *(f"{count} columns" for count in columns)], rows)
