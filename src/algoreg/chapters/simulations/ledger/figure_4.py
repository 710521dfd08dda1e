"""The ledger's evidence on the paper's Figure 4: other readings, thresholds, other steps, another size."""

import numpy as np
import pandas as pd

from algoreg.chapters.simulations.ledger.shared import fit, shifts
from algoreg.claims.cells import geometric_mean
from algoreg.claims.thresholds import THRESHOLD_ERROR, thresholds
from algoreg.numerics.theory import psd_statistical_dimension
from algoreg.reporting.charts.law import exponent
from algoreg.reporting.report import markdown, number, passage


def _by_ratio(frame, ratios):
    """Return the mean test errors of one reading of Figure 4 at these m/d, as cells."""
    means = frame.groupby("m_over_d")["test_error"].mean()
    return [number(means[ratio]) if ratio in means else "" for ratio in ratios]


@passage("figure_4", "figure_4_readings")
def figure_4(reference):
    """Return Figure 4's published points beside ours and beside other readings of what it does not state,
    as Markdown.
    """
    ours, other = (reference["tables"][name] for name in ("figure_4", "figure_4_readings"))
    points = reference["comparisons"]["figure_4_published"]
    ratios = sorted(points["m_over_d"].unique())
    # Only our runs on the other readings' targets are compared with them.
    number_of_it, targets = other["ensemble"].iloc[0], other["target"].unique()
    one = ours[(ours["ensemble"] == number_of_it) & ours["target"].isin(targets)]
    alone = f"{len(targets)} targets on ensemble {number_of_it} alone"
    rows = []
    for method in ("projected", "factored"):
        there = points[points["method"] == method].set_index("m_over_d")
        mine, readings = one[one["method"] == method], other[other["method"] == method]
        start = "0" if method == "projected" else "0.01·I"
        rows += [
            [method, "published", *(number(there["published"][ratio]) for ratio in ratios)],
            [
                method,
                f"ours from {start}, all targets and ensembles",
                *(number(there["ours"][ratio]) for ratio in ratios),
            ],
            [method, "inside the prediction interval", *("yes" if there["inside"][x] else "no" for x in ratios)],
            [method, f"ours from {start}, {alone}", *_by_ratio(mine, ratios)],
            [method, f"from I, {alone}", *_by_ratio(readings[readings["start"] == "identity"], ratios)],
        ]
    return markdown(["method", "test error at m/d =", *(f"{ratio:g}" for ratio in ratios)], rows)


@passage("figure_4_stated_step")
def figure_4_stated_step(reference):
    """Return projected descent at the stated step beside the published points where another step fits, as Markdown."""
    points = {
        name: reference["comparisons"][name].set_index(["method", "m_over_d"]).loc["projected"]
        for name in ("figure_4_published", "figure_4_stated_step_published")
    }
    ours, stated = points.values()
    moved = [ratio for ratio in stated.index if abs(ours["ours"][ratio] / stated["ours"][ratio] - 1) > 1e-6]
    rows = [
        ["published", *(number(stated["published"][ratio]) for ratio in moved)],
        ["ours at twice the stated step", *(number(ours["ours"][ratio]) for ratio in moved)],
        ["ours at the stated step", *(number(stated["ours"][ratio]) for ratio in moved)],
        ["ours at the stated step / published", *(f"{stated['ratio'][ratio]:.2f}" for ratio in moved)],
        ["inside the prediction interval", *("yes" if stated["inside"][ratio] else "no" for ratio in moved)],
    ]
    return markdown(["projected, test error at m/d =", *(f"{ratio:g}" for ratio in moved)], rows)


@passage(tiers=("full",))
def figure_4_d150(reference):
    """Return the published Figure 4 at d = 150 beside the full tier's runs, as Markdown."""
    points = reference["comparisons"]["figure_4_published_d150"]
    ratios, rows = sorted(points["m_over_d"].unique()), []
    for method, part in sorted(points.groupby("method"), reverse=True):
        there = part.set_index("m_over_d")
        rows += [
            [method, "published", *(number(there["published"][ratio]) for ratio in ratios)],
            [method, "ours", *(number(there["ours"][ratio]) for ratio in ratios)],
            [method, "inside the prediction interval", *("yes" if there["inside"][x] else "no" for x in ratios)],
        ]
    mean, largest, where, inside = fit(points.to_dict("records"))
    table = markdown(["method", "test error at m/d =", *(f"{ratio:g}" for ratio in ratios)], rows)
    return f"{table}\n\nGeometric mean factor: {mean}; largest: {largest} ({where}); inside: {inside}."


@passage("figure_4", tiers=("standard", "full"))
def figure_4_step(standard, full):
    """Return how far the standard tier's larger steps move Figure 4's test errors from those at the paper's own,
    as Markdown.
    """
    frames = [reference["tables"]["figure_4"] for reference in (standard, full)]
    both = shifts(*frames, ["d", "m_over_d", "method", "target", "ensemble"])
    ratios, rows = sorted(both["m_over_d"].unique()), []
    for method, part in sorted(both.groupby("method"), reverse=True):
        moves = [part["shift"][part["m_over_d"] == ratio] for ratio in ratios]
        rows.append([method, "mean change", *(f"{one.mean():+.1f} %" for one in moves)])
        rows.append([method, "largest of a run", *(f"{one.abs().max():.1f} %" for one in moves)])
    table = markdown(["method", "test error at m/d =", *(f"{ratio:g}" for ratio in ratios)], rows)
    other = int((both["status"] != both["status_own"]).sum())
    return f"{table}\n\nOf the {len(both)} runs {other or 'none'} ended in another way (fitted, or out of iterations)."


@passage("figure_4_thresholds", "figure_4_stated_step")
def figure_4_threshold_step(*frames):
    """Return what the stated step alone would make of projected descent's threshold and exponent, in sentences."""
    taken, stated = (frame.query("method == 'projected'") for frame in frames)
    (d,) = stated["d"].unique()
    means = {size: geometric_mean(thresholds(part)) for size, part in taken.groupby("d")}
    other = {**means, d: geometric_mean(thresholds(stated))}
    slopes = [exponent(pd.Series(one)) for one in (means, other)]
    rest = " and ".join(str(size) for size in means if size != d)
    ratios = np.sort(stated["m_over_d"].unique())
    below, above = ratios[ratios < means[d]].max(), ratios[ratios > means[d]].min()
    return (
        f"At d = {d} projected descent's threshold lies between m/d = {below:g}, run with the stated step, and {above:g}, run "
        f"with twice it. At d = {rest} all runs have the stated step. With it alone the threshold at d = {d} is {other[d]:.1f}, not "
        f"{means[d]:.1f}, and the exponent larger by {slopes[1] - slopes[0]:.2f}."
    )


@passage("figure_4_thresholds", "figure_4_thresholds_large")
def figure_4_thresholds(small, large):
    """Return the thresholds of Figure 4's methods at each d and their exponents, as Markdown."""
    rows = []
    for frame, start in ((small, "10⁻⁴·I"), (large, "0.01·I")):
        for method, part in sorted(frame.groupby("method"), reverse=True):
            means = {d: geometric_mean(thresholds(rest)) for d, rest in part.groupby("d")}  # NaN: outside the grid
            rows.append([f"{method}, from {'0' if method == 'projected' else start}", means])
    sizes = sorted(rows[0][1])
    rows.append(
        ["positivity alone: statistical dimension / d", {d: psd_statistical_dimension(d, 1) / d for d in sizes}]
    )
    lines = [
        [name, *(f"{means[d]:.2f}" for d in sizes), f"{exponent(pd.Series(means)[sizes]):.2f}"] for name, means in rows
    ]
    return markdown([f"m/d at test error {THRESHOLD_ERROR:g}", *(f"d = {d}" for d in sizes), "exponent in d"], lines)
