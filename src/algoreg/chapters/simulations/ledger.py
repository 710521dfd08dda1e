"""Passages about the paper's figures that need tables of their own."""

import numpy as np
import pandas as pd

from algoreg.tell.report import frame_of, markdown, number, passage


@passage("figure_4_stated_step")
def figure_4_stated_step(reference):
    """Return projected descent at the stated step beside the published points where another step fits, as Markdown."""
    points = {
        name: pd.DataFrame(reference["comparisons"][name]).set_index(["method", "m_over_d"]).loc["projected"]
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


@passage("figure_1", "figure_1_paper_step")
def figure_3_step(reference):
    """Return how much of the published Figure 3's distance from ours the larger step explains, as a sentence."""
    points = pd.DataFrame(reference["comparisons"]["figure_3_published"])
    first = points.loc[points["iteration"].idxmin()]
    larger, own = (frame_of(reference["tables"][name]) for name in ("figure_1", "figure_1_paper_step"))
    keys = ["d", "alpha", "target", "ensemble"]
    both = larger.merge(own, on=keys, suffixes=("", "_own"))
    both = both[np.isclose(both["alpha"], 0.01)]
    step = float((both["test_error"] / both["test_error_own"]).mean())
    low, high = points["ratio"].min(), points["ratio"].max()
    above = int((points["ratio"] > 1).sum())
    rest = first["ratio"] / step
    inside = first["low"] / step <= first["published"] <= first["high"] / step
    return (
        f"Ours lie above {above} of the {len(points)} published points, by {100 * (low - 1):.1f} to {100 * (high - 1):.1f} %. "
        f"At iteration {first['iteration']:g}, where both steps have run from this start, the larger step accounts for "
        f"{100 * (step - 1):.1f} of the {100 * (first['ratio'] - 1):.1f} %; {100 * (rest - 1):.1f} % are left. With our "
        f"errors divided by the step's share the published point lies {'inside' if inside else 'outside'} the prediction interval."
    )
