"""The figures about spectral and convolutional networks: errors by m, distances to the least norm by start, margins."""

from algoreg.chapters.spectral.words import CLASSIFIERS, NETWORKS
from algoreg.reporting.charts.course import dodged, points
from algoreg.reporting.charts.law import OPPOSITE, margin_level, margin_mark, mean_of_pair, ratio_of_pair
from algoreg.reporting.charts.panels import describe, finish, panels
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, caption, margin_text, rounded, sizes
from algoreg.reporting.figures import drawing

# Points of one m lie beside one another by this factor.
APART = 1.02


def _errors(axes, table, claims):
    """Draw the error over m of every network from every start, and where margins let spectral networks be."""
    claim, other = claims["spectral-network-gain"], claims["spectral-network-small-start"]
    small = max(claim["estimand"]["where"]["start"])
    groups = [
        (name, start) for name in NETWORKS for start in sorted(table.loc[table["network"] == name, "start"].unique())
    ]
    for place, (name, start) in enumerate(groups):
        own = table[(table["network"] == name) & (table["start"] == start)]
        moved = dodged(own, "m_over_dof", place, len(groups), APART)
        label = NETWORKS[name] + (f", from u₀ = {start:g}" if start else "")
        style = {"linestyle": "-"} if start in (0, small) else {"linestyle": "--", "markerfacecolor": "white"}
        points(axes, moved, "m_over_dof", "test_error", COLOURS[list(NETWORKS).index(name)], label, **style)
    at = claim["estimand"]["where"]["m_over_dof"]
    for one in (claim, other):
        estimand = one["estimand"]
        height = mean_of_pair(table, estimand, 0) / one["margin"]
        label = f"{margin_text(one)}, of {NETWORKS[estimand['pair'][0]]} over tanh"
        margin_mark(axes, at, height, OPPOSITE[one["direction"]], label, filled=one["margin"] != 1)
    describe(axes, "xy", table["m_over_dof"].unique(), xlabel="m over the degrees of freedom", ylabel="relative error")
    ratio = rounded(ratio_of_pair(table, claim))
    axes.set_title(f"m = {at:g} times the degrees of freedom:\nplain factors have {ratio} times tanh's error")


def _distances(axes, table, claim):
    """Draw the distance to the least nuclear norm over the start, for each size of singular values."""
    said = []
    for place, (size, own) in enumerate(table.groupby("size")):
        label = f"singular values near {size:g}"
        means = points(axes, own, "start", "distance", COLOURS[place], label, linestyle="-")["mean"]
        said.append(f"{rounded(means.iloc[0])} near {size:g}")
    margin_level(axes, claim)
    describe(axes, "xy", xlabel="initialisation u₀", ylabel="distance to the fit of least nuclear norm")
    axes.set_title(f"distances from the smallest u₀, by\nsingular values: {', '.join(said)}")


@drawing
def spectral_networks(tables, claims):
    """Draw errors of networks over m, and where everything commutes the distance to the least nuclear norm."""
    figure, (left, right) = panels(2)
    _errors(left, tables["spectral_network"], claims)
    _distances(right, tables["spectral_commuting"], claims["spectral-network-least-norm"])
    titles = [
        sizes(tables[name], *keys)
        for name, keys in (("spectral_network", ("d", "rank")), ("spectral_commuting", ("d", "m")))
    ]
    return finish(figure, SPREAD, caption=caption(f"left: {titles[0]}", f"right: {titles[1]}"))


@drawing
def convolution(tables, claims):
    """Draw both margins of every network over the largest."""
    table = tables["convolution"]
    names = [name for name in CLASSIFIERS if name in set(table["network"])]
    figure, (axes,) = panels(width=6.0)
    for place, (value, label, marker) in enumerate(
        (("fourier_margin", "per ‖β̂‖₁, Fourier", "o"), ("euclidean_margin", "per ‖β‖₂", "s"))
    ):
        own = table[table["network"].isin(names)]
        moved = own.assign(place=own["network"].map(names.index) + 0.12 * (2 * place - 1))
        points(axes, moved, "place", value, COLOURS[place], label, marker, geometric=False, linestyle="none")
    margin_level(axes, claims["convolution-fourier-margin"])
    axes.set_xticks(range(len(names)), [CLASSIFIERS[name] for name in names])
    axes.set_xlim(-0.5, len(names) - 0.5)
    reached = table.loc[table["network"] == "convolutional", "fourier_margin"].mean()
    title = f"convolutional networks have {rounded(reached, 3)} of the largest Fourier margin"
    describe(axes, ylabel="margin over the largest", title=title)
    note = "points: mean of runs; bars: smallest to largest run (targets × ensembles)"
    return finish(figure, note, caption=sizes(table, "d", "m"))
