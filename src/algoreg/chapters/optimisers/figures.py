"""The figures of optimisers: eigenvalues over time, the order of learning, what is left of the small start, starts of
any size, conserved quantities and floors, the basis and β₁.
"""

import numpy as np

from algoreg.chapters.optimisers.estimands import threshold
from algoreg.chapters.optimisers.methods import METHODS
from algoreg.claims.cells import chosen, geometric_mean
from algoreg.reporting.charts.course import course, points
from algoreg.reporting.charts.law import exponent, law, margin_level, margin_slope, through
from algoreg.reporting.charts.panels import PLAIN, describe, finish, panels
from algoreg.reporting.charts.style import COLOURS, TEST, TRAIN
from algoreg.reporting.charts.text import GEOMETRIC_BAND, SPREAD, caption, margin_text, number, rounded, signed, sizes
from algoreg.reporting.figures import drawing

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "h", "d")
# Of the small multiples: what X* has, what it has not.
SIGNAL, REST = TEST, "0.6"


def label(method):
    """Return what readers call a method."""
    return METHODS[method][0]


def _near_exponent(axes, means, claim, line=":"):
    """Draw the two power laws between which a claim on the distance of an exponent allows the means."""
    expected, margin = claim["estimand"]["expected"], claim["margin"]
    text = f"margin: exponent within {margin:g} of {expected:g}"
    for power, said in ((expected - margin, None), (expected + margin, text)):
        through(axes, means, lambda x, power=power: x**power, said, line)


def _m_star(samples, method):
    """Return a method's m* as text, with the side where it lies off the grid."""
    found, places = threshold(samples, method, 0.1), samples["m_over_dr"]
    sign = "≤" if np.isclose(found, places.min()) else "≥" if np.isclose(found, places.max()) else "="
    return f"m* {sign} {rounded(found)}·dr"


@drawing
def optimiser_course(tables, claims):
    """Draw the eigenvalues of X over the iterations for every optimiser, with m* in the title."""
    table, samples = tables["optimiser_course"], tables["optimiser_samples"]
    names = [name for name in METHODS if name in set(table["method"])]
    figure, grid = panels(4, -(-len(names) // 4), height=2.5, sharey=True, sharex=True)
    rank = int(table["rank"].iloc[0])
    for number_of, (axes, name) in enumerate(zip(grid, names, strict=False)):
        own = table[table["method"] == name]
        for place, part in sorted(own.groupby("place"), reverse=True):
            colour, width = (SIGNAL, 1.8) if place <= rank else (REST, 0.7)
            axes.plot(part["iteration"], part["eigenvalue"], color=colour, linewidth=width)
        axes.set_title(f"{label(name)}\n{_m_star(samples, name)}", fontsize=9)
        axes.set_xscale("symlog", linthresh=10)
        axes.xaxis.set_major_formatter(PLAIN)
        axes.set_ylim(-0.05, 1.4)
        if number_of % 4 == 0:
            axes.set_ylabel("eigenvalues of X")
        if number_of >= len(names) - 4:
            axes.set_xlabel("iteration")
    note = (
        f"blue: the {rank} largest eigenvalues of X, as many as X* has; grey: all others, 0 in X*. "
        "m*: measurements from which on the error from α = 10⁻⁴ is below 0.1, at rank 1."
    )
    said = caption(sizes(table, "d", "rank", "m_over_dr", "alpha"), f"m*: {sizes(samples, 'd', 'alpha')}")
    return finish(figure, note, caption=said)


@drawing
def optimiser_order(tables, claims):
    """Draw when each eigenvalue is learned over its size, and iterations over κ."""
    figure, (left, right) = panels(2, height=4.0)
    table, slopes = tables["optimiser_order"], {}
    shown = ("descent", "normalised", "adam", "polar")
    for name, colour, marker in zip(shown, COLOURS, MARKERS, strict=False):
        means = law(left, table[table["method"] == name], "eigenvalue", "learned", colour, label(name), marker)
        slopes[name] = exponent(means)
        if name == "descent":
            margin_slope(left, means, claims["optimisers-order-descent"])
        if name == "polar":
            _near_exponent(left, means, claims["optimisers-order-polar"])
    found = {name: "–" if slope is None else signed(slope) for name, slope in slopes.items()}
    left.set_title(
        f"time to learn λ goes as λ to the power {found['descent']}\nunder descent, {found['polar']} under polar steps"
    )
    describe(left, "xy", table["eigenvalue"].unique(), xlabel="eigenvalue λ of X*", ylabel="iterations to 0.9·λ")
    kappa, grown = tables["optimiser_kappa"], {}
    others = [name for name in dict.fromkeys(kappa["method"]) if name not in shown]
    # A method has one colour in both panels.
    for name, colour, marker in zip((*shown, *others), COLOURS, MARKERS, strict=False):
        if name not in set(kappa["method"]):
            continue
        means = law(right, kappa[kappa["method"] == name], "kappa", "passes", colour, label(name), marker)
        grown[name] = exponent(means)
        if f"optimisers-kappa-{name}" in claims:
            margin_slope(right, means, claims[f"optimisers-kappa-{name}"])
    said = ["–" if grown.get(name) is None else signed(grown[name]) for name in ("descent", "normalised", "polar")]
    right.set_title(
        f"iterations grow as κ to the power {said[0]} under descent,\n{said[1]} normalised, {said[2]} by polar steps"
    )
    describe(right, "xy", kappa["kappa"].unique(), xlabel="condition number κ", ylabel="iterations to learn all three")
    return finish(figure, SPREAD, caption=sizes(table, "d", "alpha"))


@drawing
def optimiser_start(tables, claims):
    """Draw the error at the end over α, and over the measurements from a small initialisation."""
    figure, (left, right) = panels(2, height=4.0)
    starts, samples = tables["optimiser_start"], tables["optimiser_samples"]
    shown = ("descent", "normalised", "adam", "sign", "polar", "muon")
    slopes = {}
    for name, colour, marker in zip(shown, COLOURS, MARKERS, strict=False):
        means = law(left, starts[starts["method"] == name], "alpha", "end_error", colour, label(name), marker)
        slopes[name] = exponent(means)
        if name == "polar":
            _near_exponent(left, means, claims["optimisers-start-forgotten"])
        own = samples[samples["method"] == name]
        # Six bands would hide one another.
        style = {"marker": marker, "band": name in ("descent", "polar")}
        course(right, own, "m_over_dr", "end_error", colour, label(name), **style)
    found = {name: "–" if slope is None else signed(slope) for name, slope in slopes.items()}
    left.set_title(
        f"error at the end goes as α to the power\n{found['descent']} under descent, {found['polar']} under polar steps"
    )
    describe(left, "xy", xlabel="initialisation scale α", ylabel="relative error at the end")
    ends = {name: threshold(samples, name, 0.1) for name in ("descent", "polar")}
    claim = claims["optimisers-samples-polar"]
    place = ends["descent"] * claim["margin"]
    right.axvline(
        place,
        color="black",
        linewidth=0.9,
        linestyle="--",
        label=f"margin: m* above {claim['margin']:g} times descent's",
    )
    right.axhline(0.1, color="black", linewidth=0.6)
    right.set_title(
        f"an error of 0.1 takes {rounded(ends['descent'])}·dr under descent,\n{rounded(ends['polar'])}·dr under polar steps"
    )
    describe(right, "y", xlabel="measurements m/(dr)", ylabel="relative error at the end")
    note = f"{GEOMETRIC_BAND}; bands of the two methods that are compared"
    return finish(figure, note, caption=caption(sizes(starts, "d", "m_over_dr"), sizes(samples, "alpha")))


def _shares(axes, table, names, claims):
    """Draw the share of draws that each variant recovers at one d, by rank, and the margin of every variant's claim."""
    ranks = sorted(table["rank"].unique())
    for place, (rank, colour, marker) in enumerate(zip(ranks, COLOURS, MARKERS, strict=False)):
        shares = table[table["rank"] == rank].groupby("method")["recovered"].mean().reindex(names)
        # Below one another, because shares are often alike.
        rows = np.arange(len(names)) + 0.2 * (place - (len(ranks) - 1) / 2)
        axes.plot(shares, rows, marker, color=colour, markersize=4.5, label=f"r = {rank}")
    text = "margin of its claim (◁ below, ▷ above)"
    for claim in claims.values():
        method = claim["estimand"].get("where", {}).get("method")
        if method in names:
            style = {"color": "black", "markersize": 5.5, "markerfacecolor": "white", "linestyle": "none"}
            marker = "<" if claim["direction"] == "below" else ">"
            axes.plot([claim["margin"]], [names.index(method)], marker, label=text, **style)
            text = None
    means = table.groupby(["method", "rank"])["recovered"].mean()
    axes.set_title(
        f"d = {table['d'].iloc[0]}: with momentum at least {means['muon_large'].min():.0%} of\n"
        f"the draws recover X*, without it at most {means['polar_large'].max():.0%}"
    )
    axes.set_xlim(-0.05, 1.05)
    describe(axes, "", xlabel="share of draws with an error below 0.01")


LARGE_START = "initialisation: αG with α = 1, the size of U*; m = 2.5dr"


@drawing
def optimiser_any_start(tables, claims):
    """Draw the share of draws that every variant of large annealed steps recovers from α = 1, by d and rank."""
    table = tables["optimiser_any_start"]
    # The two that recover X* by their claims, then those that lack a part of the first.
    names = sorted(dict.fromkeys(table["method"]), key=lambda name: name not in ("muon_large", "signum"))
    kinds = [part for _, part in table.groupby("d")]
    figure, grid = panels(len(kinds), sharey=True)
    for axes, part in zip(grid, kinds, strict=True):
        _shares(axes, part, names, claims)
    grid[0].set_yticks(range(len(names)), [label(name) for name in names])
    grid[0].invert_yaxis()
    note = f"β: momentum; each row names in what it differs from polar steps with β = 0.9 and a first step of 0.1; {LARGE_START}"
    return finish(figure, note, caption=sizes(table, "d", "rank"))


@drawing
def optimiser_anneal(tables, claims):
    """Draw the share of draws that polar steps with momentum recover from α = 1, by the iterations over which the step
    falls.
    """
    table = tables["optimiser_anneal"]
    figure, (axes,) = panels(width=5.6)
    for (d, runs), colour, marker in zip(table.groupby("d"), COLOURS, MARKERS, strict=False):
        shares = runs.groupby("iterations")["recovered"].mean()
        axes.plot(shares.index, shares, color=colour, marker=marker, markersize=5, label=f"d = {d}")
    margin_level(axes, claims["optimisers-any-start-slow"], "at 300 iterations")
    axes.set_ylim(-0.05, 1.05)
    shares = table.groupby("iterations")["recovered"].mean()
    first, last = shares.index[[0, -1]]
    title = (
        f"a step that falls over {first:g} iterations recovers X* in {shares[first]:.0%} of the draws,\n"
        f"one that falls over {last:g} in {shares[last]:.0%}"
    )
    xlabel = "iterations over which the step falls"
    describe(
        axes,
        "x",
        table["iterations"].unique(),
        xlabel=xlabel,
        ylabel="share of draws with an error below 0.01",
        title=title,
    )
    return finish(figure, LARGE_START, caption=sizes(table, "d", "rank"))


@drawing
def optimiser_steps(tables, claims):
    """Draw what drifts over the step, the floor of constant steps, and the ends of annealed ones."""
    figure, (left, right) = panels(2, height=4.0)
    table = tables["optimiser_conserved"]
    kinds = (
        ("polar", "aligned", "all", "root_drift", "polar steps, aligned, all entries"),
        ("polar", "random", "all", "root_drift", "polar steps, random, all entries"),
        ("polar", "aligned", "some", "root_drift", "polar steps, aligned, sensing"),
        ("descent", "random", "some", "square_drift", "descent, random, sensing"),
    )
    drifts = {}
    for (method, start, measured, value, text), colour, marker in zip(kinds, COLOURS, MARKERS, strict=False):
        own = chosen(table, {"method": method, "start": start, "measured": measured})
        drifts[method, start, measured] = law(left, own, "step", value, colour, text, marker)
    margin_level(left, claims["optimisers-conserved-polar"], "aligned")
    margin_level(left, claims["optimisers-conserved-sensing"], "sensing", linestyle=":")
    _near_exponent(left, drifts["descent", "random", "some"], claims["optimisers-conserved-descent"], "-.")
    kept = drifts["polar", "aligned", "all"].max()
    left.set_title(
        f"aligned, polar steps keep √(PᵀP) − √(QᵀQ) to {rounded(kept, towards='up')};\nin sensing it drifts by {rounded(drifts['polar', 'aligned', 'some'].min(), towards='down')} and more"
    )
    describe(left, "xy", table["step"].unique(), xlabel="step size", ylabel="largest drift (descent: of PᵀP − QᵀQ)")
    floors = tables["optimiser_floor"]
    constant = floors[floors["schedule"] == "constant"]
    for name, colour, marker in zip(("polar", "normalised", "sign", "descent"), COLOURS, MARKERS, strict=False):
        means = law(right, constant[constant["method"] == name], "step", "floor", colour, label(name), marker)
        if name == "polar":
            _near_exponent(right, means, claims["optimisers-floor"])
    claim = claims["optimisers-anneal"]
    # The smallest tier's schedules are shorter than the claim's.
    lengths, where = floors.loc[floors["schedule"] == "exponential", "iterations"], claim["estimand"]["where"]
    length = where["iterations"] if where["iterations"] in set(lengths) else lengths.max()
    own = chosen(floors, {**where, "iterations": length})
    end, step = geometric_mean(own["end_error"]), own["step"].iloc[0]
    right.plot([step], [end], "*", color=COLOURS[0], markersize=10, label=f"polar steps, annealed over {length:g}")
    margin_level(right, claim, "annealed")
    right.set_title(f"constant steps stop at a floor;\nannealed over {length:g} iterations the error is {rounded(end)}")
    describe(
        right,
        "xy",
        constant["step"].unique(),
        xlabel="step size (annealed: the first)",
        ylabel="relative error at the end",
    )
    return finish(figure, SPREAD, caption=caption(sizes(table, "d"), sizes(floors, "d")))


@drawing
def optimiser_basis(tables, claims):
    """Draw how far a rotation moves the end and the end's error by method, and effective ranks over β₁."""
    figure, (left, right) = panels(2, height=4.2)
    table, ranks = tables["optimiser_basis"], tables["optimiser_rank"]
    _rotations(left, table, claims)
    for place, (step, form) in enumerate([(0.01, "average"), (0.01, "after"), (0.001, "average")]):
        own = ranks[np.isclose(ranks["step"], step) & (ranks["form"] == form)]
        text = f"step {number(step)}, momentum {'before' if form == 'average' else 'after'}"
        # Beside one another, so that their bars can be told apart.
        own = own.assign(beta=own["beta"] + 0.012 * (place - 1))
        points(right, own, "beta", "effective_rank", COLOURS[place], text, MARKERS[place], geometric=False)
    claim = claims["optimisers-beta-rank"]
    means = chosen(ranks, claim["estimand"]["where"]).groupby("beta")["effective_rank"].mean()
    level = means[claim["estimand"]["first"]] - claim["margin"]
    right.plot(
        [claim["estimand"]["second"]], [level], "v", color="black", label="margin: below, of momentum before, step 0.01"
    )
    right.set_title(_falls_by(ranks, claim))
    describe(right, "", xlabel="β₁", ylabel="effective rank at the end")
    note = "points: mean of runs (left: geometric); bars: smallest to largest run"
    return finish(figure, note, caption=caption(sizes(table, "d", "alpha"), sizes(ranks, "d")))


def _rotations(axes, table, claims):
    """Draw both numbers by method, and what claims allow."""
    names = [name for name in METHODS if name in set(table["method"])]
    kinds = (
        ("rotation", TEST, "o", "change of the end by a rotation"),
        ("end_error", TRAIN, "s", "error at the end"),
    )
    for value, colour, marker, text in kinds:
        means = table.groupby("method")[value].apply(geometric_mean).reindex(names)
        axes.plot(means, range(len(names)), marker, color=colour, markersize=5, label=text)
    axes.set_yticks(range(len(names)), [label(name) for name in names])
    axes.invert_yaxis()
    for claim, who, line in (("basis-polar", "descent and polar steps", ":"), ("basis-epsilon", "Adam, ε = 1", "--")):
        entry = claims[f"optimisers-{claim}"]
        for name in entry["estimand"]["where"]["method"]:
            row = names.index(name)
            axes.plot([entry["margin"]] * 2, [row - 0.4, row + 0.4], line, color="black", linewidth=1.2)
        axes.plot([], [], line, color="black", linewidth=1.2, label=margin_text(entry, f"change of {who}"))
    entry = claims["optimisers-epsilon"]
    first, second = (geometric_mean(chosen(table, {"method": name})["end_error"]) for name in entry["estimand"]["pair"])
    place = names.index(entry["estimand"]["pair"][0])
    axes.plot([second * entry["margin"]], [place], ">", color="black", label="margin: Adam's error above")
    axes.set_title(
        f"a rotation changes where Adam ends, and its error\nis {rounded(first / second)} times that with ε = 1"
    )
    describe(axes, "x", xlabel="relative to ‖X*‖ (Frobenius)")


def _falls_by(ranks, claim):
    """Return by how much the mean effective rank falls between the β₁ of a claim, at each step."""
    first, second = claim["estimand"]["first"], claim["estimand"]["second"]
    means = ranks[ranks["form"] == "average"].groupby(["step", "beta"])["effective_rank"].mean()
    falls = [
        f"{signed(means[step, first] - means[step, second])} at step {number(step)}"
        for step, _ in means.groupby("step")
    ]
    return f"from β₁ = {first:g} to {second:g} the effective rank falls\nby {', by '.join(reversed(falls))}"
