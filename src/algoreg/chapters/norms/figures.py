"""The figure about norms: how |W₁₁| grows as the loss falls, for flow and descent, by depth and sign of det."""

import numpy as np

from algoreg.reporting.charts.course import course
from algoreg.reporting.charts.law import OPPOSITE, exponent, margin_mark, margin_slope
from algoreg.reporting.charts.panels import describe, finish, two_and_one
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import caption, draws, number, raised, rounded, signed
from algoreg.reporting.figures import drawing

DASHES = {"positive": "-", "negative": "--"}
SIZES = (7, 4)


def _law(axes, accuracies):
    """Draw 1/√(2·loss), where det W is zero."""
    axes.plot(accuracies, (accuracies / 2) ** 0.5, color="black", linewidth=0.9, label="1/√(2·loss): det W = 0")


def _flow(axes, table, claim):
    """Draw |W₁₁| of gradient flow, a colour for each depth and a dash for each sign of det."""
    means, judged, slopes = None, min(claim["estimand"]["where"]["accuracy"]), []
    for depth, colour, size in zip(sorted(table["depth"].unique()), COLOURS, SIZES, strict=False):
        for det, dash in DASHES.items():
            part = table[(table["depth"] == depth) & (table["det"] == det)]
            # Where det stays positive all depths follow the law: wider lines below narrower ones show them all.
            style = {"linestyle": dash, "marker": "o", "markersize": size, "linewidth": size / 2}
            # The bands of two depths would hide each other.
            band = depth == table["depth"].min()
            own = course(axes, part, "accuracy", "norm", colour, f"depth {depth}, det {det}", band=band, **style)
            means = own["mean"] if means is None else means
            if det == "positive":
                inner = own["mean"][own.index >= judged]
                slopes.append(exponent(inner))
    margin_slope(axes, means[means.index >= judged], claim)
    _law(axes, means.index.to_numpy(dtype=float))
    least = signed(min((slope for slope in slopes if slope is not None), default=np.nan))
    title = f"gradient flow, det positive: |W₁₁| grows\nas {raised('(1/loss)', least)} or faster"
    describe(axes, "xy", xlabel="1/loss", ylabel="|W₁₁|", title=title)


def _descent(axes, tables, claim):
    """Draw |W₁₁| of gradient descent at depth 2 and of its controls,
    and how far the margin lets it stay below the law.
    """
    table = tables["norm_descent_end"]
    for name, colour, label in (
        ("norm_descent_deep", COLOURS[0], "depth 3, det positive"),
        ("norm_descent_negative", COLOURS[1], "depth 2, det negative"),
    ):
        if name in tables:
            course(axes, tables[name], "accuracy", "norm", colour, f"{label} at first", marker="o", linestyle="--")
    own = course(axes, table, "accuracy", "norm", COLOURS[2], "depth 2, det positive at first", marker="s")
    accuracies = own.index.to_numpy(dtype=float)
    _law(axes, accuracies)
    last = float(claim["estimand"]["where"]["accuracy"])
    label = f"margin: the law over |W₁₁| below {claim['margin']:g} at 1/loss = {number(last)}"
    margin_mark(axes, last, (last / 2) ** 0.5 / claim["margin"], OPPOSITE[claim["direction"]], label)
    end = accuracies[-1]
    said = f"{rounded(own['mean'].iloc[-1])} by descent, {rounded((end / 2) ** 0.5)} by the law"
    title = f"depth 2, 1/loss = {number(end)}: |W₁₁| is\n{said}"
    describe(axes, "xy", xlabel="1/loss", ylabel="|W₁₁|", title=title)


def _signs(axes, table, claim):
    """Draw the share of descents whose det has changed its sign, by depth."""
    said = []
    for depth, colour in zip(sorted(table["depth"].unique()), (COLOURS[2], COLOURS[0]), strict=False):
        share = table[table["depth"] == depth].groupby("accuracy")["flipped"].mean()
        axes.plot(share.index, share, "o", color=colour, label=f"depth {depth}", clip_on=False)
        said.append(f"{share.iloc[-1]:.0%} at depth {depth}")
    label = f"margin: above {claim['margin']:g}"
    axes.axhline(claim["margin"], color="black", linestyle="--", linewidth=0.9, label=label)
    title = f"descent: the sign of det has changed by 1/loss = {number(table['accuracy'].max())} in {', '.join(said)}"
    texts = {"xlabel": "1/loss", "ylabel": "share of runs whose det had both signs", "title": title}
    describe(axes, "x", xticks=sorted(table["accuracy"].unique()), **texts)
    axes.set_ylim(-0.03, 1.03)


@drawing
def norm_growth(tables, claims):
    """Draw |W₁₁| over 1/loss by flow and by descent, and how often descent loses the sign of det."""
    figure, (first, second, third) = two_and_one()
    _flow(first, tables["norm_flow"], claims["norms-to-infinity"])
    _descent(second, tables, claims["razin-depth-2-published"])
    _signs(third, tables["norm_descent"], claims["norms-depth-2-loses-its-sign"])
    asked = "2 × 2, W₁₂ = W₂₁ = 1 and W₂₂ = 0 asked for, W₁₁ free"
    said = caption(asked, f"balanced initialisations: {draws(tables['norm_flow'])}")
    return finish(
        figure,
        "lines: geometric means over initialisations; bands: smallest to largest (left: of the smallest depth)",
        caption=said,
    )
