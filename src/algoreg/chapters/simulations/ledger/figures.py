"""The ledger's evidence on the paper's figures 1 to 3 and 5, on the larger step,
and on what all published curves say.
"""

import re

import numpy as np

from algoreg.chapters.simulations.ledger.shared import fit, shifts
from algoreg.claims.published import load_published
from algoreg.numerics.theory import first_errors_of_the_identity, psd_statistical_dimension
from algoreg.reporting.report import markdown, number, passage
from algoreg.reporting.wording import outwards


@passage()
def figure_1(reference):
    """Return ours beside the published Figure 1, test errors, as Markdown, with the two summary factors."""
    rows, factors = [], []
    for row in reference["comparisons"]["figure_1_published"].to_dict("records"):
        if row["error"] != "test_error":
            continue
        factors.append(max(row["ratio"], 1 / row["ratio"]))
        inside = "yes" if row["inside"] else "no"
        rows.append(
            [
                f"{row['alpha']:g}",
                number(row["ours"]),
                number(row["published"]),
                f"{row['ratio']:.2f}",
                f"{number(row['low'])} … {number(row['high'])}",
                inside,
            ]
        )
    mean = np.exp(np.mean(np.log(factors)))
    table = markdown(["α", "our mean", "published", "ratio", "95 % prediction interval", "inside"], rows[::-1])
    return f"{table}\n\nGeometric mean factor over α: {mean:.3f}; largest: {max(factors):.3f}."


@passage("figure_1", "figure_1_paper_step")
def step_effect(larger, paper):
    """Return how far five times the paper's step moves Figure 1's test errors where both ran, as Markdown."""
    both = shifts(larger, paper, ["d", "alpha", "target", "ensemble"])
    rows = [
        [f"{alpha:g}", f"{part['shift'].mean():+.2f} %", f"{part['shift'].abs().max():.2f} %"]
        for alpha, part in sorted(both.groupby("alpha"), reverse=True)
    ]
    return markdown(["α", "mean change of test error", "largest change of a run"], rows)


@passage("figure_1", "figure_1_paper_step")
def figure_3_step(reference):
    """Return how much of the published Figure 3's distance from ours the larger step explains, as a sentence."""
    points = reference["comparisons"]["figure_3_published"]
    first = points.loc[points["iteration"].idxmin()]
    larger, own = (reference["tables"][name] for name in ("figure_1", "figure_1_paper_step"))
    keys = ["d", "alpha", "target", "ensemble"]
    both = larger.merge(own, on=keys, suffixes=("", "_own"))
    both = both[np.isclose(both["alpha"], 0.01)]
    step = float((both["test_error"] / both["test_error_own"]).mean())
    low, high = points["ratio"].min(), points["ratio"].max()
    above = int((points["ratio"] > 1).sum())
    rest = first["ratio"] / step
    inside = first["low"] / step <= first["published"] <= first["high"] / step
    return (
        f"Our means lie above {above} of Figure 3's {len(points)} published points, by {100 * (low - 1):.1f} to {100 * (high - 1):.1f} %. "
        f"At iteration {first['iteration']:g}, where both steps have run from this start, the larger step accounts for "
        f"{100 * (step - 1):.1f} of the {100 * (first['ratio'] - 1):.1f} %; {100 * (rest - 1):.1f} % are left. With our "
        f"errors divided by the step's share the published point lies {'inside' if inside else 'outside'} the prediction interval."
    )


def _figure_2_scan(reference):
    """Return the scan of Figure 2's readings, and the factor of each reading to both errors together."""
    rows = reference["comparisons"]["figure_2_alpha"]
    wide = rows.pivot_table(
        index=["published_alpha", "stretch", "alpha"], columns="error", values="factor"
    ).reset_index()
    return rows, wide.assign(both=np.sqrt(wide["train_error"] * wide["test_error"]))


@passage()
def figure_2_nearest(reference):
    """Return how near the best readings of Figure 2's curves come, by the worse of both errors, in a sentence."""
    rows, wide = _figure_2_scan(reference)
    near = []
    for label, part in sorted(wide.groupby("published_alpha"), reverse=True):
        best = part.loc[part["both"].idxmin()]
        factor = max(best["train_error"], best["test_error"])
        near.append(
            f"The curve labelled α = {label:g} is closest to our runs from α = {best['alpha']:g} at {best['stretch']:g} times the "
            f"stated step: within a mean factor of {number(outwards(factor, 'up', 3))}."
        )
    curve = load_published("figure_2").query("error == 'test_error'").groupby("alpha").size()
    first = rows.iloc[0]
    return (
        f"{' '.join(near)} Of the {curve.iloc[0]} published iterations only the {first['points']:g} up to {first['last']:g} are compared, "
        f"because runs reach these at every step that was tried."
    )


@passage()
def figure_2_alpha(reference):
    """Return which α, and which stretch of time, Figure 2's published curves fit, as Markdown."""
    rows, wide = _figure_2_scan(reference)
    lines = []
    for label, part in sorted(wide.groupby("published_alpha"), reverse=True):
        plain = part[part["stretch"] == 1]
        readings = [
            ("as labelled", plain.loc[(np.log(plain["alpha"] / label)).abs().idxmin()]),
            ("best α", plain.loc[plain["both"].idxmin()]),
            ("best α and time", part.loc[part["both"].idxmin()]),
        ]
        for reading, best in readings:
            factors = [f"{best[error]:.2f}" for error in ("train_error", "test_error")]
            lines.append([f"{label:g}", reading, f"{best['alpha']:g}", f"{best['stretch']:g}", *factors])
    header = ["α in the legend", "compared with", "our α", "time runs", "factor, training error", "factor, test error"]
    first = rows.iloc[0]
    scored = (
        f"Compared at the {first['points']:g} published points of iterations {first['first']:g} to {first['last']:g}."
    )
    ends = rows[(rows["stretch"] == 1) & (rows["error"] == "test_error")]
    sentences = [scored]
    for label, part in sorted(ends.groupby("published_alpha"), reverse=True):
        named = part.loc[(np.log(part["alpha"] / label)).abs().idxmin()]
        crossing = named["best_alpha"]
        equal = "no α of the grid" if crossing is None or np.isnan(crossing) else f"α = {crossing:.3g}"
        sentences.append(
            f"Test error at iteration {named['end']:g} of the curve for α = {label:g}: published "
            f"{named['published_at_end']:.3g}, ours at that α {named['ours_at_end']:.3g}; equal at {equal}."
        )
    return markdown(header, lines) + "\n\n" + "\n".join(f"- {sentence}" for sentence in sentences)


@passage()
def figure_5(reference):
    """Return what Figure 5's runs say against the published curves and against the figure's description,
    as Markdown.
    """
    rows = []
    for panel, what in (("5a", "SGD"), ("5b", "gradient descent")):
        points = reference["comparisons"][f"figure_{panel}_published"]
        for error, name in (("train_error", "training"), ("test_error", "test")):
            part = points[points["error"] == error].sort_values("iteration")
            inside = f"{int(part['inside'].sum())} of {len(part)}"
            first, last = part.iloc[0], part.iloc[-1]
            rows.append(
                [
                    f"{panel}, {what}",
                    name,
                    *(f"{number(row['ours'])} / {number(row['published'])}" for row in (first, last)),
                    f"{last['iteration']:g}",
                    inside,
                ]
            )
    gaussian, network = first_errors_of_the_identity(100, 5)
    header = [
        "panel",
        "error",
        "ours / published at 0",
        "ours / published at the last point",
        "which is",
        "published points inside",
    ]
    return (
        f"{markdown(header, rows)}\n\nFor five orthonormal columns at d = 100 the first training error would be {gaussian:.3g} "
        f"with Gaussian measurements, equal to the test error, and {network:.3g} with a quadratic network's x xᵀ."
    )


@passage()
def figure_5_tests(reference):
    """Return how the test curves of Figures 5a and 5b lie to ours, and how many points of both errors are inside."""
    found = {panel: reference["comparisons"][f"figure_{panel}_published"] for panel in ("5a", "5b")}
    tests = [fit(points[points["error"] == "test_error"].to_dict("records"))[0] for points in found.values()]
    points = [inside for panel in found.values() for inside in panel["inside"]]
    return (
        f"The test curves differ from ours by mean factors of {' (5a) and '.join(tests)} (5b), and "
        f"{sum(map(bool, points))} of {len(points)} points of both errors are inside our 95 % prediction intervals."
    )


@passage(tiers=("standard", "full"))
def figure_1_training(standard, full):
    """Return how far Figure 1's training errors are from ours where they differ most, in words."""
    (mean, largest, where, inside), large = (
        fit(points[points["error"] == "train_error"].to_dict("records"))
        for points in (
            standard["comparisons"]["figure_1_published"],
            full["comparisons"]["figure_1_published_d200"],
        )
    )
    return (
        f"at d = 100 by factors up to {largest} (at {where}; mean {mean}, {inside} inside), and at d = 200 by factors up "
        f"to {float(large[1]):.0f} (at {large[2]}; {large[3]} inside)"
    )


@passage("flow_equivalence")
def flow(frame):
    """Return how far each larger step moves the test errors of Figure 1's smallest start at equal η·t, as Markdown."""
    own = frame[frame["step"] == frame["step"].min()]
    both = shifts(frame, own, ["alpha", "iteration", "target", "ensemble"])
    rows = []
    for step, part in both[both["step"] > own["step"].iloc[0]].groupby("step"):
        moves = [f"{one['shift'].mean():+.1f} %" for _, one in part.groupby("iteration")]
        rows.append([f"{step:g}", f"{step / own['step'].iloc[0]:.0f}", *moves])
    times = sorted(own["iteration"].unique())
    alphas = ", ".join(f"{alpha:g}" for alpha in sorted(own["alpha"].unique()))
    header = [f"step η (α = {alphas})", "times the paper's", *(f"at iteration {time}" for time in times)]
    return markdown(header, rows)


@passage(tiers=("standard", "full"))
def published_fits(standard, full):
    """Return how each published curve lies to our runs in the standard and the full tier, as Markdown."""
    rows = []
    for tier, reference in (("standard", standard), ("full", full)):
        for name, points in reference["comparisons"].items():
            if "inside" not in points:
                continue
            figure = re.sub("_published.*", "", name).removeprefix("figure_").replace("_", ", ", 1).replace("_", " ")
            for error, own in points.groupby("error", sort=False):
                part = own.to_dict("records")
                words = error.replace("_", " ").replace("train", "training")
                rows.append([f"`{tier}`", figure, part[0].get("d", 100), words, *fit(part)])
    header = ["tier", "figure", "d", "error", "mean factor", "largest factor", "at", "points inside"]
    return markdown(header, rows)


@passage(tiers=())
def cone_sizes(*sizes):
    """Return how many Gaussian measurements positivity alone asks for, at pairs (d, r), as a list in words."""
    return ", ".join(f"{psd_statistical_dimension(d, r):g} (d = {d}, r = {r})" for d, r in sizes)
