"""The figures of preconditioning: what it costs in measurements, what it buys in iterations,
what it does to a small start.
"""

import numpy as np

from algoreg.chapters.preconditioning.estimands import thresholds_of
from algoreg.chapters.preconditioning.words import NAMES, stopped
from algoreg.claims.cells import geometric_mean
from algoreg.claims.censoring import INSIDE
from algoreg.claims.thresholds import find_thresholds
from algoreg.reporting.charts.course import bars, spread_of, summary
from algoreg.reporting.charts.law import grows, law, margin_slope, with_exponent
from algoreg.reporting.charts.panels import describe, finish, name_ends, panels
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, margin_text, number, rounded, sizes
from algoreg.reporting.figures import drawing

MARKERS = "osD^vPX*"
# Methods of the trade-off, and to which method of their width each is compared.
DAMPINGS = ("descent", "damped_10", "damped_3", "damped_1")
BESIDE = {"damped_10": "descent", "damped_3": "descent", "damped_1": "descent", "residual": "descent"}
BESIDE |= {"undamped_r": "descent_r"}
ALTERNATING = {
    "alternating": ("alternating, pseudoinverse", COLOURS[1], "s"),
    "damped": ("alternating, λ = σ_r", COLOURS[2], "D"),
    "descent": ("descent", COLOURS[0], "o"),
}
RANKS_WIDTH = ("descent_r", "undamped_r")
# In the exchange, where names stand that would lie on another method's bar or beyond the panel.
BESIDES = {"damped_3": {"xytext": (-4, -11), "ha": "right"}, "damped_10": {"xytext": (5, -11)}}
BESIDES |= {"residual": {"xytext": (0, 7), "ha": "center"}}
BESIDES |= {name: {"xytext": (-4, -10), "ha": "right"} for name in RANKS_WIDTH}


def _looks(table):
    """Return colour and marker of every method of a table."""
    names = [name for name in NAMES if name in set(table["method"])]
    return {name: (COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]) for place, name in enumerate(names)}


def _mean(table, name, tolerance):
    """Return the geometric mean over runs of a method's m*; NaN where the table lacks the method."""
    if name not in set(table["method"]):
        return np.nan
    return float(np.exp(thresholds_of(table, name, tolerance).logs.mean()))


def _ends(values):
    return {"mean": [geometric_mean(values)], "low": [values.min()], "high": [values.max()]}


def _shares(axes, table, tolerance, looks):
    """Draw the share of runs that recover over m."""
    scale = table["d"].iloc[0] * table["rank"].iloc[0]
    own = table[table["tolerance"] == table["tolerance"].min()]
    # The width of the rank has a row of its own in the panel of ratios.
    for name, (colour, marker) in looks.items():
        if name in RANKS_WIDTH:
            continue
        part = own[own["method"] == name]
        share = (part["test_error"] < tolerance).groupby(part["m"]).mean()
        style = {"marker": marker, "markersize": 4, "linewidth": 1.2}
        axes.plot(share.index / scale, share, color=colour, label=NAMES[name], **style)
    describe(axes, "x", xlabel="measurements m/(dr)", ylabel=f"share of runs with error below {tolerance:g}")


def _exchange(axes, table, tolerance, looks):
    """Draw the iterations of every method at the largest m over the measurements that it takes."""
    scale = table["d"].iloc[0] * table["rank"].iloc[0]
    most = table[np.isclose(table["tolerance"], tolerance) & (table["m"] == table["m"].max())]
    middles = {}
    for name, (colour, marker) in looks.items():
        ratios = np.exp(thresholds_of(table, name, tolerance).logs) / scale
        passes = most.loc[most["method"] == name, "passes"].dropna()
        if passes.empty:
            continue
        across, up = _ends(ratios), _ends(passes)
        middles[name] = (across["mean"][0], up["mean"][0])
        axes.plot([across["low"][0], across["high"][0]], up["mean"] * 2, color=colour, linewidth=1)
        bars(axes, across["mean"], {key: np.array(value) for key, value in up.items()}, colour, None, marker)
        beside = {"xytext": (5, 5), **BESIDES.get(name, {})}
        said = NAMES[name].replace(", spectral initialisation", "").replace(", width d", "")
        axes.annotate(said, middles[name], textcoords="offset points", fontsize=8, **beside)
    axes.margins(x=0.22)
    line = np.array([middles[name] for name in DAMPINGS if name in middles])
    axes.plot(*line.T, color="0.6", linewidth=3, alpha=0.5, zorder=0, label="width d: from plain to λ = σ_r")
    xlabel = f"m*/(dr), m* where the error falls through {tolerance:g}"
    ylabel = f"iterations to {tolerance:g} at m = {number(most['m'].iloc[0] / scale)}dr"
    judged, plain = (middles.get(name, (np.nan, np.nan))[1] for name in ("residual", "descent"))
    title = f"width d: {rounded(judged)} iterations preconditioned,\n{rounded(plain)} plain"
    describe(axes, "xy", xlabel=xlabel, ylabel=ylabel, title=title)


def _ratios(axes, table, tolerance, looks, claims):
    """Draw m* of every preconditioned method over that of plain descent of the same width and start."""
    shown = [name for name in BESIDE if name in looks]
    for place, name in enumerate(shown):
        own, other = (thresholds_of(table, each, tolerance) for each in (name, BESIDE[name]))
        ratio = np.exp(own.logs - other.logs)
        axes.plot([ratio.min(), ratio.max()], [place, place], color=looks[name][0], linewidth=1.2)
        axes.plot(geometric_mean(ratio), place, looks[name][1], color=looks[name][0], markersize=6)
        off = int((own.sides != INSIDE).sum() + (other.sides != INSIDE).sum())
        if off:
            axes.annotate(f"{off} off the grid", (ratio.max(), place), (4, 0), textcoords="offset points", fontsize=7)
    claim = claims["preconditioning-costs-samples"]
    axes.axvline(1, color="black", linewidth=0.8, label="no difference")
    axes.axvline(claim["margin"], color="black", linewidth=0.9, linestyle="--", label=margin_text(claim))
    names = [NAMES[name].replace(", spectral", ",\nspectral") for name in shown]
    axes.set_yticks(range(len(shown)), names, fontsize=7.5)
    axes.invert_yaxis()
    describe(axes, "x", xlabel="m* over that of plain descent of the same width")


@drawing
def preconditioning_costs(tables, claims):
    """Draw shares of recovered runs over m, and the m* of preconditioned methods over plain descent's."""
    table = tables["conditioning_samples"]
    tolerance, looks = claims["preconditioning-costs-samples"]["estimand"]["tolerance"], _looks(table)
    figure, (left, right) = panels(2, height=4.2)
    _shares(left, table, tolerance, looks)
    _ratios(right, table, tolerance, looks, claims)
    scale = table["d"].iloc[0] * table["rank"].iloc[0]
    plain, judged = (_mean(table, name, tolerance) for name in ("descent", "residual"))
    left.set_title(
        f"width d: m* = {rounded(plain / scale, 3)}·dr for plain descent,\n{rounded(judged / scale, 3)}·dr preconditioned"
    )
    right.set_title(f"{NAMES['residual']}:\n{rounded(judged / plain, 3)} times plain descent's m*")
    said = sizes(table, "kappa", "d", "rank")
    return finish(figure, "colours and marks as on the left; right: geometric mean and range of runs", caption=said)


@drawing
def preconditioning_exchange(tables, claims):
    """Draw the iterations that preconditioning saves over the measurements that it takes."""
    table = tables["conditioning_samples"]
    figure, (axes,) = panels(width=6.4, height=4.4)
    _exchange(axes, table, table["tolerance"].max(), _looks(table))
    return finish(figure, SPREAD, caption=sizes(table, "kappa", "d", "rank"))


@drawing
def conditioning(tables, claims):
    """Draw the iterations to an error over κ."""
    table, tolerance = tables["conditioning"], claims["xu23-kappa"]["estimand"]["tolerance"]
    figure, (axes,) = panels(width=7.6, height=4.4)
    means, beside = {}, {}
    for name, (colour, marker) in _looks(table).items():
        own = table[(table["method"] == name) & np.isclose(table["tolerance"], tolerance)]
        if own["passes"].notna().any():
            means[name] = law(axes, own, "kappa", "passes", colour, NAMES[name], marker)
            label = axes.get_legend_handles_labels()[1][-1]
            beside[label] = with_exponent(NAMES[name].replace(" initialisation", ""), means[name]).replace(
                "exponent ", "κ^"
            )
    for claim, line in (("xu23-kappa", ":"), ("tong-kappa-free", "-.")):
        (method,) = claims[claim]["estimand"]["methods"]
        if method in means:
            margin_slope(axes, means[method], claims[claim], "exponent", line=line)
    # Plain descent of the greatest width there is, and the method of a claim.
    shown = [name for name in means if not NAMES[name].startswith("λ")][:1]
    shown += [name for name in claims["xu23-kappa"]["estimand"]["methods"] if name in means]
    title = ",\n".join(grows(f"{NAMES[name]}: iterations go", "κ", means[name]) for name in shown)
    ylabel = f"iterations to a relative error of {tolerance:g}"
    describe(axes, "xy", table["kappa"].unique(), xlabel="condition number κ of X*", ylabel=ylabel, title=title)
    name_ends(axes, beside)
    return finish(figure, SPREAD, caption=sizes(table, "d", "rank", "m_over_dr"))


@drawing
def conditioning_rates(tables, claims):
    """Draw when the error falls through each tolerance, and the claim's margin on the second decade."""
    table, claim = tables["conditioning_rates"], claims["precgd-linear"]
    figure, (axes,) = panels(width=5.6)
    slowing = np.nan
    for name, (colour, marker) in _looks(table).items():
        own = summary(table[table["method"] == name], "tolerance", "passes").sort_index(ascending=False)
        axes.plot(own["mean"], own.index, marker=marker, color=colour, label=NAMES[name])
        axes.fill_betweenx(own.index, own["low"], own["high"], color=colour, alpha=0.2, linewidth=0)
        if name == claim["estimand"]["method"] and len(own) > 2:
            start, middle = own["mean"].iloc[:2]
            last = middle + claim["margin"] * (middle - start)
            slowing = (own["mean"].iloc[2] - middle) / (middle - start)
            times = f"second decade {number(claim['margin'])} times the first"
            axes.plot([middle, last], own.index[1:3], "k:", linewidth=1, label=f"margin: {times}")
    title = f"{NAMES[claim['estimand']['method']]}:\nthe second decade takes {rounded(slowing)} times the first"
    describe(axes, "xy", xlabel="iterations", ylabel="relative error", title=title)
    note = "line: geometric mean of runs; band: smallest to largest run (targets × ensembles)"
    return finish(figure, note, caption=sizes(table, "d", "rank", "kappa", "m_over_dr"))


@drawing
def conditioning_starts(tables, claims):
    """Draw the smallest error along the run over the scale of the initialisation."""
    table = tables["conditioning_starts"]
    figure, (axes,) = panels(width=6.0, height=4.4)
    judged, said = [claim["estimand"]["where"]["method"] for claim in claims.values()], []
    for name, (colour, marker) in _looks(table).items():
        own = table[table["method"] == name]
        left, label = stopped(own), NAMES[name]
        means = law(
            axes, own, "alpha", "smallest_error", colour, label, marker, lambda alphas, left=left: ~alphas.isin(left)
        )
        if name in judged:
            said.append(grows(f"{label}: the error goes", "α", means.drop(left)))
        if name == claims["xu23-does-not-hurt"]["estimand"]["where"]["method"]:
            margin_slope(axes, means, claims["xu23-does-not-hurt"])
    stop = f"runs stop below {number(table['tolerance'].min())}: exponents are without initialisations where one did"
    ylabel = "smallest relative error along the run"
    describe(axes, "xy", xlabel="initialisation scale α", ylabel=ylabel, title=",\n".join(said))
    return finish(figure, f"{SPREAD}; {stop}", 2, caption=sizes(table, "d", "rank", "kappa", "m_over_dr"))


@drawing
def alternating_samples(tables, claims):
    """Draw the m* of the three methods on two factors over the columns, with the claim's margin as a slope."""
    table, claim = tables["alternating_samples"], claims["agn-forgets-the-start"]
    tolerance, judged = claim["estimand"]["tolerance"], claim["estimand"]["method"]
    scale = 2 * table["d"].iloc[0] * table["rank"].iloc[0]
    figure, (axes,) = panels(width=5.6, height=4.4)
    said = []
    for name, (label, colour, marker) in ALTERNATING.items():
        own = find_thresholds(table[table["method"] == name], "k", tolerance)
        kept = spread_of(own.logs, own.sizes, scale)
        means = kept["mean"]
        bars(axes, kept.index, kept, colour, with_exponent(label, means), marker)
        said.append(grows(f"{label}: m* grows", "k", means))
        if name == judged:
            margin_slope(axes, means, claim, "exponent")
    xlabel, ylabel = "columns k of both factors", f"m*/(2dr), m* where the error falls through {tolerance:g}"
    describe(axes, "xy", table["k"].unique(), xlabel=xlabel, ylabel=ylabel)
    axes.set_title(",\n".join(said))
    return finish(figure, SPREAD, caption=sizes(table, "d", "rank", "kappa", "alpha"))
