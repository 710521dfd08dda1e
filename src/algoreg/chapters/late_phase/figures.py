"""The figures of what follows the fit: the clock of weight decay and its end, that of label noise and its end."""

import numpy as np

from algoreg.claims.cells import geometric_mean
from algoreg.claims.exponents import slope_weights
from algoreg.reporting.charts.course import points, summary
from algoreg.reporting.charts.law import exponent, law, margin_level
from algoreg.reporting.charts.panels import describe, finish, panels, two_and_one
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, margin_text, raised, rounded, signed, sizes
from algoreg.reporting.figures import drawing

WORDS = {
    "descent": "descent",
    "single": "single measurements",
    "label_noise": "label noise",
    "sharpness_aware": "sharpness-aware,\nsingle measurements",
    "sharpness_aware_full": "sharpness-aware,\nall measurements",
}
FACTORS = {"difference": "UUᵀ − VVᵀ", "square": "UUᵀ"}
# What is smaller is drawn here.
LEAST = 1e-4


def log_slope(frame, along, value):
    """Return the slope of means over the log of a column."""
    means = frame.groupby(along)[value].mean()
    return float(slope_weights(means.index.to_numpy(float)) @ means.to_numpy())


@drawing
def late_decay(tables, claims):
    """Draw when descent with weight decay leaves its first fit, and how near to the penalised fit it ends."""
    start, rate, end = (tables[f"late_decay_{name}"] for name in ("start", "rate", "end"))
    figure, (left, right, below) = two_and_one(height=3.6)
    slopes = {}
    for place, (name, own) in enumerate(start.groupby("factors", sort=True)):
        slopes[name] = log_slope(own, "alpha", "left_decays")
        points(left, own, "alpha", "left_decays", COLOURS[place], FACTORS[name], "os"[place], geometric=False)
    difference = start[start["factors"] == "difference"]
    alphas = np.array(sorted(difference["alpha"].unique()))
    level = difference[difference["alpha"] == alphas[0]]["left_decays"].mean() - np.log(alphas[0])
    left.plot(
        alphas, np.log(alphas) + level, "--", color="black", linewidth=0.9, zorder=5, label="ln α plus a constant"
    )
    left.set_title(
        f"λη·t grows by {signed(slopes['difference'])} per ln α with UUᵀ − VVᵀ,\nby {signed(slopes['square'])} with UUᵀ"
    )
    describe(left, "x", alphas, xlabel="initialisation scale α", ylabel="λη·t at which half of the way is done")
    own = rate[rate["factors"] == "difference"]
    times = law(right, own, "decay", "left_time", COLOURS[0], "leaves its first fit")
    law(right, own, "decay", "fit_time", COLOURS[1], "data are fitted", "s")
    right.set_title(f"the time to leave it goes as {raised('λ', signed(exponent(times)))}")
    describe(right, "xy", sorted(own["decay"].unique()), xlabel="weight decay λ", ylabel="time η·t")
    own = end[end["factors"] == "difference"]
    for place, (decay, part) in enumerate(own.groupby("decay", sort=False)):
        label = f"λ = {decay:g}" if decay else "without weight decay"
        points(
            below, part, "m_over_dr", "to_penalised", COLOURS[1 - place % 2], label, "so"[place % 2], linestyle="none"
        )
    margin_level(below, claims["late-decay-end"])
    last = own[own["decay"] > 0].groupby("m_over_dr")["to_penalised"].apply(geometric_mean).max()
    below.set_title(f"it ends at most {rounded(last, towards='up')} of the way\nfrom the penalised fit to X*")
    describe(
        below, "y", sorted(own["m_over_dr"].unique()), xlabel="m/(dr)", ylabel="‖X − P‖/‖P − X*‖, P the penalised fit"
    )
    return finish(figure, SPREAD, caption=f"above and left: {sizes(start, 'd', 'm')}; right: {sizes(rate, 'd', 'm')}")


def _by_method(axes, frame, names, column, place, geometric):
    """Draw means over runs of a column with their range, a row for every method."""
    kept = summary(frame.assign(place=frame["method"].map(names.index)), "place", column, geometric)
    kept = kept.clip(lower=LEAST)
    spread = np.maximum([kept["mean"] - kept["low"], kept["high"] - kept["mean"]], 0)
    label = f"m = {frame['m_over_d'].iloc[0]:g}·d"
    style = {"fmt": "os"[place % 2], "color": COLOURS[place], "capsize": 2, "markersize": 4.5, "linewidth": 1}
    axes.errorbar(kept["mean"], kept.index + 0.15 * place, xerr=spread, label=label, **style)
    axes.set_yticks(range(len(names)), [WORDS[name] for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)


def _margin(axes, claim):
    label = margin_text(claim, "label noise and\nsharpness-aware, single:")
    axes.axvline(claim["margin"], color="black", linewidth=0.9, linestyle="--", label=label)


@drawing
def late_noise(tables, claims):
    """Draw the iterations of label noise that halve the excess over σ and η."""
    clock = tables["late_clock"]
    figure, (left, right) = panels(2, height=3.6)
    common = {name: clock.groupby(name)["ensemble"].count().idxmax() for name in ("noise", "step")}
    for axes, along, other, letter in ((left, "noise", "step", "σ"), (right, "step", "noise", "η")):
        own = clock[np.isclose(clock[other], common[other])]
        times = law(axes, own, along, "halved", COLOURS[0], "half of the excess is left")
        law(axes, own, along, "fitting", COLOURS[1], "data are first fitted", "s")
        axes.set_title(f"label noise takes iterations as {raised(letter, signed(exponent(times)))}")
        words = {"noise": "standard deviation σ of the noise", "step": "step size η"}
        describe(axes, "xy", sorted(own[along].unique()), xlabel=words[along], ylabel="iterations")
    return finish(figure, SPREAD, caption=sizes(clock, "d", "m"))


@drawing
def late_flat(tables, claims):
    """Draw what methods leave of the excess, and how near to the flattest fit they end."""
    flat = tables["late_flat"]
    figure, (below, nearer) = panels(2, height=3.6)
    names = [name for name in WORDS if name in set(flat["method"])]
    least = flat["m_over_d"].min()
    for place, (ratio, own) in enumerate(flat.groupby("m_over_d")):
        _by_method(below, own, names, "excess_left", place, False)
        if ratio == least:
            _by_method(nearer, own, names, "nearer", place, True)
    _margin(below, claims["late-flattest"])
    _margin(nearer, claims["late-flat-not-trace"])
    means = flat.groupby("method")["excess_left"].mean()
    best = max(means[name] for name in ("label_noise", "sharpness_aware"))
    below.set_title(f"label noise and sharpness-aware steps leave\nat most {rounded(best, towards='up')} of the excess")
    describe(below, "x", xlabel="share of the excess that is left")
    own = flat[flat["m_over_d"] == least].groupby("method")["nearer"].apply(geometric_mean)
    nearer.set_title(
        f"label noise ends {rounded(own['label_noise'])} times as far from\nthe flattest fit as from that of least trace"
    )
    describe(nearer, "x", xlabel="distance from the flattest fit over the other")
    return finish(figure, f"{SPREAD}; on the left: arithmetic means", caption=sizes(flat, "d"))
