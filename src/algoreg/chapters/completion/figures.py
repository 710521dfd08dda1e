"""The figures about completion: errors and nuclear norms by m, errors with and without a graph and factors."""

import numpy as np

from algoreg.chapters.completion.minima import beside_published, predicted
from algoreg.chapters.completion.words import DEPTHS, GRAPHS, METHODS, WAYS
from algoreg.reporting.charts.course import dodged, points
from algoreg.reporting.charts.law import margin_level, mean_of_pair, ratio_of_pair
from algoreg.reporting.charts.panels import describe, finish, panels, two_abreast
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, margin_text, rounded, sizes
from algoreg.reporting.figures import drawing
from algoreg.reporting.wording import exact

# Points of one m or share lie beside one another by this factor.
APART = 1.035
# From runs on entries that are drawn once to those on entries that are put back, side by side.
WIDTH = 0.3


def _methods(axes, table, value):
    """Draw a value over m, a colour for each method; return the means by method."""
    present, means = [name for name in METHODS if name in set(table["method"])], {}
    for place, name in enumerate(present):
        own = dodged(table[table["method"] == name], "m_over_dof", place, len(present), APART)
        marker = "s" if name == "nuclear" else "o"
        kept = points(axes, own, "m_over_dof", value, COLOURS[place], METHODS[name], marker, linestyle="-")
        means[name] = kept["mean"]
    return means


def _margin(axes, table, claim, column, place, words, marker):
    """Mark below (``v``) or above (``^``) what a margin lets the other method of a claim's pair be, by the mean of that
    at ``place``; ``words`` names the other.
    """
    estimand = claim["estimand"]
    height = mean_of_pair(table, estimand, place) * float(claim["margin"]) ** (1 if place else -1)
    label = f"{margin_text(claim)}, {words} {'below' if marker == 'v' else 'above'} the mark"
    axes.plot([estimand["where"][column]], [height], marker, color="black", markersize=5.5, label=label)


@drawing
def completion(tables, claims):
    """Draw the squared error and the nuclear norm over m, for each method."""
    table = tables["completion"]
    few, many = claims["completion-depth-beats-convex"], claims["completion-convex-wins"]
    figure, (left, right) = panels(2)
    _methods(left, table, "mse")
    for claim, marker in ((few, "v"), (many, "^")):
        if np.isclose(table["m_over_dof"], claim["estimand"]["where"]["m_over_dof"]).any():
            _margin(left, table, claim, "m_over_dof", 0, "three factors", marker)
    texts = {"xlabel": "known entries over the degrees of freedom"}
    describe(left, "xy", table["m_over_dof"].unique(), ylabel="mean squared error (X*: 1)", **texts)
    at = few["estimand"]["where"]["m_over_dof"]
    left.set_title(
        f"at {at:g} least nuclear norm has\n{rounded(ratio_of_pair(table, few))} times three factors' squared error"
    )
    norms = _methods(right, table, "nuclear_norm")
    first, *others = (f"{METHODS[name]} {rounded(own.iloc[0], 3)}" for name, own in norms.items())
    fewest = table["m_over_dof"].min()
    right.axhline(1, color="black", linewidth=0.8, linestyle=":", label="that of X*")
    describe(right, "x", table["m_over_dof"].unique(), ylabel="nuclear norm over that of X*", **texts)
    right.set_title(f"nuclear norm at {fewest:g}: {first},\n{', '.join(others)}")
    return finish(figure, SPREAD, caption=sizes(table, "d", "rank"))


def _beside_published(axes, tables, method, value, at, labels):
    """Draw a value of runs of a depth for both ways of drawing entries, side by side, and what one more draw may be.

    Returns
    -------
    list of float
        The geometric means.
    """
    means = []
    for place, name in enumerate(WAYS):
        own, x = tables[name][tables[name]["method"] == method], at + WIDTH * (place - 0.5)
        style = {"marker": "os"[place], "linestyle": "none"}
        kept = points(axes, own.assign(place=x), "place", value, COLOURS[place], labels[place], **style)
        axes.plot([x + WIDTH / 6] * 2, predicted(own, value), ":", color=COLOURS[place], linewidth=1.6)
        means.append(kept["mean"].iloc[0])
    return means


def _inside(table, curve, claim):
    """Return how many published minima lie in the prediction intervals of a table,
    and the margin of their share, in words.
    """
    inside = [there for *_, there in beside_published(table, curve).values()]
    return f"{WAYS[claim['table']]}: published in {sum(inside)} of {len(inside)} intervals\n({margin_text(claim)})"


def _minima(axes, tables, method, claims):
    """Draw the least squared errors along runs of a depth, and the published one where it is of this d."""
    goal, labels, said = tables["published/arora_minima"].set_index("method"), list(WAYS.values()), ""
    known = goal["d"].isin(tables["completion_course"]["d"]).any()
    if known and method == "depth_1":
        shares = (claims[name] for name in ("completion-minima-inside", "completion-repeated-inside"))
        labels = [_inside(tables[claim["table"]], tables["published/arora_minima"], claim) for claim in shares]
    first, second = _beside_published(axes, tables, method, "least_mse", 0.0, labels)
    if known:
        value = goal["value"][method]
        axes.axhline(value, color="black", linewidth=0.9, linestyle="--", label="published")
        said = f" published {rounded(value, 3)},"
        # The margin is of the largest factor; at other depths it lies far outside the panel.
        if method == "depth_3":
            factor = claims["completion-minima-published"]
            ends = [[value - value / factor["margin"]], [value * factor["margin"] - value]]
            label = f"published ×/÷ {exact(factor['margin'])}, the margin"
            axes.errorbar([0], [value], ends, fmt="kx", capsize=2, linewidth=0.9, label=label)
    describe(axes, "y", ylabel="least mean squared error (X*: 1)")
    axes.set_xlim(-WIDTH, WIDTH)
    axes.set_xticks([-WIDTH / 2, WIDTH / 2], list(WAYS.values()))
    axes.set_title(f"{DEPTHS[method]}:{said}\nours {rounded(first, 3)} and, put back, {rounded(second, 3)}")


def _escapes(axes, tables):
    """Draw when the largest singular value leaves the start, by depth,
    and the published picture's steps where they are of this d.
    """
    goal, means = tables["published/arora_escapes"], {}
    for depth, method in enumerate(DEPTHS, start=1):
        labels = list(WAYS.values()) if depth == 1 else [None, None]
        means[depth] = _beside_published(axes, tables, method, "escape", depth, labels)
    if goal["d"].isin(tables["completion_course"]["d"]).any():
        axes.plot(range(1, 4), goal["value"], "kx", markersize=7, label="published picture", zorder=5)
    describe(axes, "y", range(1, 4), xlabel="factors", ylabel="σ1(X): steps to half of its last value")
    axes.set_xlim(0.5, 3.5)
    early, late = (rounded(mean, 2) for mean in means[1])
    axes.set_title(f"one factor is half way after {early} steps,\nafter {late} if entries are put back")


@drawing
def completion_course(tables, claims):
    """Draw the least squared error along runs and when they leave the initialisation, beside the published ones."""
    figure, grid = two_abreast(4, height=3.7)
    for axes, method in zip(grid, DEPTHS, strict=False):
        _minima(axes, tables, method, claims)
    _escapes(grid[3], tables)
    note = f"{SPREAD}; dotted: 95 % prediction interval of one more draw"
    return finish(figure, note, caption=sizes(tables["completion_course"], "d", "rank", "m"))


def _graphs(axes, table, claim):
    """Draw the error of unknown entries over their share, for each method and graph."""
    for place, ((method, graph), label) in enumerate(GRAPHS.items()):
        own = table[(table["method"] == method) & (table["graph"] == graph)]
        colour = COLOURS[("path", "none", "shuffled").index(graph)]
        style = {"linestyle": "none", "markerfacecolor": colour if method == "factors" else "white"}
        moved = dodged(own, "share", place, len(GRAPHS), APART)
        points(axes, moved, "share", "unseen_error", colour, label, "o" if method == "factors" else "s", **style)
    _margin(axes, table, claim, "share", 1, "factors and energy", "^")
    describe(axes, "xy", table["share"].unique(), xlabel="share of known entries", ylabel="error of unknown entries")
    share, steps = claim["estimand"]["where"]["share"], table["iterations"].max()
    axes.set_title(
        f"{share:.0%} known: after {steps:g} steps factors and energy\nhave {rounded(ratio_of_pair(table, claim))} times the error of energy alone"
    )


def _bases(axes, table, claim):
    """Draw how far factors in eigenvectors are from plain ones,
    with the same graph on both sides and with another on columns.
    """
    means = {}
    for graph, colour, label in (
        ("path", COLOURS[1], "the same graph on both sides"),
        ("reordered", COLOURS[0], "columns: its nodes in another order"),
    ):
        own = table[table["graph"] == graph]
        means[graph] = points(axes, own, "depth", "difference", colour, label, "o", linestyle="none")["mean"]
    margin_level(axes, claim)
    describe(axes, "y", table["depth"].unique(), xlabel="factors", ylabel="distance to plain factors, over ‖X*‖_F")
    axes.set_xlim(table["depth"].min() - 0.5, table["depth"].max() + 0.5)
    most = rounded(means["path"].max(), 1, "up")
    axes.set_title(f"the same graph on both sides: eigenvectors\nchange {most}·‖X*‖_F or less, on average")


@drawing
def graph_completion(tables, claims):
    """Draw the error of unknown entries by graph and method, and what the graph's eigenvectors alone change."""
    table = tables["graph_completion"]
    figure, (left, right) = panels(2)
    _graphs(left, table, claims["graph-gain-is-explicit"])
    _bases(right, tables["graph_basis"], claims["graph-basis-alone"])
    return finish(figure, SPREAD, caption=sizes(table, "d", "rank"))
