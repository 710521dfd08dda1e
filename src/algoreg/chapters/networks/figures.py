"""Quadratic networks: what Algorithm 1 recovers and needs, what its parts do, and Lemma A.1's bound on truncation."""

import numpy as np
import pandas as pd

from algoreg.chapters.li2018 import truncated_deviation, truncation_levels
from algoreg.chapters.networks.estimands import example_thresholds
from algoreg.numerics.theory import symmetric_dimension
from algoreg.reporting.charts.course import bars, course, mark_lost, points, summary
from algoreg.reporting.charts.law import grows, margin_level, margin_levels, margin_slope, with_exponent
from algoreg.reporting.charts.panels import describe, finish, legend_below, name_ends, panels, two_abreast, two_and_one
from algoreg.reporting.charts.style import COLOURS, TEST, THIRD, TRAIN
from algoreg.reporting.charts.text import GEOMETRIC_BAND, LETTERS, SPREAD, caption, fold, margin_text, rounded, sizes
from algoreg.reporting.figures import drawing

NAMES = {
    "algorithm-1": ("Algorithm 1, exact τ, R = 10τ", COLOURS[0], "-"),
    "no-truncation": ("no truncation", COLOURS[9], "--"),
    "level-6": ("R = 6τ", COLOURS[5], "-"),
    "level-4": ("R = 4τ", COLOURS[8], "-"),
    "level-2.5": ("R = 2.5τ", COLOURS[6], "-"),
    "plain": ("plain gradient descent", COLOURS[1], "-"),
    "no-rescaling": ("no rescaling", COLOURS[4], "--"),
    "coefficient-4": ("coefficient 4", COLOURS[2], "-"),
    "wrong-sign": ("rescaling of the wrong sign", COLOURS[3], "-"),
    "mean-label": ("τ from the mean label", COLOURS[7], "-"),
    "permuted-labels": ("permuted labels", "black", ":"),
    "least-squares": ("least norm (linear algebra)", "black", "-"),
}
# As the end of a curve has room for them.
SHORT = {
    "algorithm-1": "Algorithm 1",
    "plain": "plain descent",
    "wrong-sign": "wrong sign",
    "mean-label": "τ from mean label",
}
SIZES = ("d", "rank", "m")
START = "initialisation scale α"
ERROR = "relative test error"


def _variants(axes, table, names, x, y, lost_at=None, **style):
    """Draw a line for each variant that a table has; runs that diverged are counted at a height, or in the legend.

    Returns
    -------
    dict of str to pandas.DataFrame
        The summaries.
    """
    kept = {}
    for name in [name for name in names if name in set(table["variant"])]:
        label, colour, line = NAMES[name]
        frame = table[table["variant"] == name]
        shown = frame if lost_at is None else frame[np.isfinite(frame[y])]
        # A wide line shows beside what lies on it.
        wide = {"linewidth": 3.5, "alpha": 0.5} if name == "algorithm-1" and "no-truncation" in names else {}
        kept[name] = course(axes, shown, x, y, colour, label, linestyle=line, **{**style, **wide})
        if lost_at is not None:
            mark_lost(axes, frame, x, colour, lost_at)
            lost_at -= 0.07
    return kept


@drawing
def quadratic_recovery(tables, claims):
    """Draw the generalisation error against α for Algorithm 1, plain descent and the controls [LMZ18, Theorem 1.2]."""
    table = tables["quadratic_recovery"]
    figure, (axes,) = panels(width=6.4, height=4.3)
    compared = ("algorithm-1", "plain")
    kept = _variants(axes, table, compared, "alpha", "generalisation_error", marker="o")
    others = [name for name in NAMES if name not in compared]
    _variants(axes, table, others, "alpha", "generalisation_error", marker="o", band=False)
    margin_slope(axes, kept["algorithm-1"]["mean"], claims["thm12-recovery"])
    bounds = table.groupby("alpha")[["bound", "window"]].first()
    axes.plot(bounds["bound"], color="0.4", linestyle="--", label="dκα, the theorem's bound (constant 1)")
    low, high = bounds.index.min() / 1.6, bounds.index.max() * 1.6
    empty = bounds.index[bounds["window"] < 1]
    if len(empty):
        axes.axvspan(empty.min() / 2, high, color="0.85", zorder=0, linewidth=0, label="the window of T is empty")
    ylabel = "generalisation error, E(ŷ − y)²"
    title = grows("Algorithm 1: the error falls", "α", kept["algorithm-1"]["mean"])
    describe(axes, "xy", xlim=(low, high), xlabel=START, ylabel=ylabel, title=title)
    note = "line: geometric mean of runs; band, of the first two: smallest to largest run (targets × ensembles)"
    return finish(figure, note, columns=2, caption=sizes(table, *SIZES))


def _examples(axes, table, along, claim):
    """Draw the thresholds of every variant at two tolerances; hollow where one of its runs lies outside the grid."""
    judged = claim["estimand"]["tolerance"]
    for variant in [name for name in ("algorithm-1", "plain", "least-squares") if name in set(table["variant"])]:
        label, colour, _ = NAMES[variant]
        frame = table[table["variant"] == variant]
        for tolerance, style, marker in ((3 * judged, "-", "o"), (judged, ":", "s")):
            sizes, found, censored = example_thresholds(frame, along, tolerance)
            ends = {"low": found.min(axis=(1, 2)), "high": found.max(axis=(1, 2))}
            kept = pd.DataFrame({"mean": np.exp(np.log(found).mean(axis=(1, 2))), **ends}, index=sizes)
            text = with_exponent(f"{label}, to {tolerance:g}", kept["mean"])
            bars(axes, kept.index, kept, colour, text, marker, linestyle=style)
            hollow = kept["mean"][censored.any(axis=(1, 2))]
            axes.plot(hollow, marker, color=colour, markerfacecolor="white", markersize=4.5, zorder=4)
            if (variant, tolerance) == (claim["estimand"]["variant"], judged):
                margin_slope(axes, kept["mean"], claim)
                judging = kept["mean"]
    return judging


@drawing
def quadratic_samples_in_d(tables, claims):
    """Draw the examples needed against d and against the rank, at two tolerances [LMZ18, Theorem 1.2]."""
    # A claim that compares two of its variants has no line of its own: the exponents are in the legend.
    shown = [
        claim for claim in claims.values() if claim["estimand"]["table"] in tables and "along" in claim["estimand"]
    ]
    figure, grid = panels(len(shown), height=4.3)
    said = []
    for axes, claim in zip(grid, shown, strict=True):
        table, along = tables[claim["estimand"]["table"]], claim["estimand"]["along"]
        means = _examples(axes, table, along, claim)
        values = np.array(sorted(table[along].unique()))
        if along == "d":
            axes.plot(values, [symmetric_dimension(d) for d in values], color="0.6", label="d(d+1)/2", zorder=0)
        letter = LETTERS.get(along, along)
        title = grows(f"Algorithm 1, to {claim['estimand']['tolerance']:g}: examples grow", letter, means)
        describe(axes, "xy", values, xlabel={"d": "dimension d", "rank": "rank r"}[along], title=title)
        said.append(f"over {letter}: {sizes(table, 'rank' if along == 'd' else 'd')}")
    grid[0].set_ylabel("examples m at which the relative test error\nfalls through the tolerance")
    note = "bars: smallest to largest run; hollow: some run lies outside the grid of m"
    return finish(figure, note, caption=caption(*said))


LEVELS = {
    "printed": (TEST, "R = log(1/δ), as printed"),
    "four_logs": (COLOURS[4], "R = 4·log(1/δ), enough"),
    "proof": (THIRD, "R = log²(1/δ), as in its proof"),
}
KINDS = (
    ("proof", "adversarial", TEST, "-", "truncated, adversarial directions"),
    ("proof", "fixed", TEST, ":", "truncated, fixed direction"),
    ("none", "adversarial", TRAIN, "-", "whole sum, adversarial directions"),
    ("none", "fixed", TRAIN, ":", "whole sum, fixed direction"),
)


def _over_delta(axes, table, claims):
    """Draw the deviation over δ at several levels of truncation: the mean, which is arithmetic, and a large sum's."""
    deltas = np.geomspace(table["delta"].min(), table["delta"].max(), 100)
    largest = table[(table["m"] == table["m"].max()) & (table["d"] == table["d"].max())]
    largest, means = largest[largest["direction"] == "fixed"], {}
    judged = max(claims["lemA1-repaired"]["estimand"]["where"]["delta"])
    for truncation, (colour, label) in LEVELS.items():
        mean = [truncated_deviation(truncation_levels(delta)[truncation]) / delta for delta in deltas]
        axes.plot(deltas, mean, color=colour, label=f"{label}: mean (m → ∞)")
        means[truncation] = np.array(mean)[deltas <= judged * (1 + 1e-9)]
        frame = largest[largest["truncation"] == truncation]
        if len(frame):
            text = f"a sum of m = {largest['m'].iloc[0]}, {label.split(',')[0]}"
            points(axes, frame, "delta", "ratio", colour, text, geometric=False, linestyle="none")
    margin_levels(axes, [claims["lemA1-as-printed"], claims["lemA1-repaired"]])
    printed, enough = means["printed"], means["four_logs"]
    title = f"Lemma A.1, mean deviation at δ ≤ {judged:g}"
    if len(printed):
        least, most = rounded(printed.min(), 3, "down"), rounded(enough.max(), 3, "up")
        title += f":\nprinted: {least}·δ or more, R = 4·log(1/δ): {most}·δ or less"
    texts = {"xlabel": "δ", "ylabel": "deviation / δ, X = e₁e₁ᵀ", "title": title}
    describe(axes, "xy", ylim=(1e-2, None), **texts)
    return f"over δ: {sizes(largest, 'd')}"


def _deviations(axes, frame, along, claim):
    """Draw the deviation against d or m, of whole and truncated sums,
    with exponents and the margin where one is judged.
    """
    means = {}
    for truncation, direction, colour, style, label in KINDS:
        part = frame[(frame["truncation"] == truncation) & (frame["direction"] == direction)]
        kept = course(axes, part, along, "deviation", colour, label, linestyle=style, marker="o")
        axes.lines[-1].set_label(with_exponent(label, kept["mean"]))
        if claim and claim["estimand"]["where"] == {"truncation": truncation, "direction": direction}:
            margin_slope(axes, kept["mean"], claim)
        means[truncation, direction] = kept["mean"]
    ends = (
        grows(label, along, means[truncation, "adversarial"])
        for truncation, label in (("proof", "truncated: deviation goes"), ("none", "whole sum:"))
        if len(means[truncation, "adversarial"]) > 1
    )
    title = ",\n".join(ends)
    describe(
        axes,
        "xy",
        frame[along].unique(),
        xlabel={"d": "dimension d", "m": "examples m"}[along],
        ylabel="deviation, operator norm",
        title=title,
    )
    return f"over {along}: R = {frame['level'].dropna().max():.0f}, {sizes(frame, 'm' if along == 'd' else 'd')}"


@drawing
def lemma_printed(tables, claims):
    """Draw Lemma A.1: deviation over δ at both levels,
    and the deviation's growth in d and m with and without truncation.
    """
    extra = [(name, along) for name, along in (("lemma_in_d", "d"), ("lemma_in_m", "m")) if name in tables]
    figure, grid = two_and_one(above=True) if len(extra) == 2 else panels(1 + len(extra))
    said = [_over_delta(grid[0], tables["lemma_printed"], claims)]
    judged = claims["lemA1-truncation"]
    for axes, (name, along) in zip(grid[1:], extra, strict=True):
        said.append(_deviations(axes, tables[name], along, judged if judged["estimand"]["table"] == name else None))
    return finish(figure, "band or bar: smallest to largest ensemble", caption=caption(*said))


def _late_slope(axes, mean, claim):
    """Draw the slope in time that a claim asks for, between its levels,
    from where Algorithm 1's mean falls through the first.
    """
    high, low = (claim["estimand"][name] for name in ("high", "low"))
    later = mean[mean.index > 0]
    start = float(np.exp(np.interp(-np.log(high), -np.log(later.to_numpy()), np.log(later.index))))
    end = start * (low / high) ** (1 / claim["margin"])
    label = margin_text(claim, f"slope from {high:g} to {low:g}")
    axes.plot([start, end], [high, low], ":", color="black", linewidth=1.4, label=label, zorder=5)


def _ends(kept, names):
    """Return where variants end, in words; those without a run that did not diverge are left out."""
    ends = ((name, kept[variant]["mean"]) for variant, name in names.items() if variant in kept)
    return ", ".join(f"{name} {rounded(means.iloc[-1])}" for name, means in ends if len(means))


def _setting(table, *columns):
    """Return the start and the sizes of runs."""
    return f"α = {table['alpha'].iloc[0]:g}, {sizes(table, *columns)}"


@drawing
def quadratic_ablation(tables, claims):
    """Draw the test error along runs of Algorithm 1, with parts left out and with its coefficient and sign changed."""
    table = tables["quadratic_ablation"]
    figure, grid = panels(2, height=4.2, sharey=True)
    leaving = {"rescaling": "no-rescaling", "truncation": "no-truncation"}
    groups = (
        ("rescaling", ("algorithm-1", "no-rescaling", "plain", "coefficient-4", "wrong-sign", "mean-label")),
        ("truncation", ("algorithm-1", "no-truncation", "level-6", "level-4", "level-2.5")),
    )
    drawn = []
    for axes, (part, variants) in zip(grid, groups, strict=True):
        kept = _variants(axes, table, variants, "iteration", "test_error", band=False)
        for place, (name, one) in enumerate(kept.items(), 1):
            beyond = one.index[-1] * 1.12**place
            style = {"color": NAMES[name][1], "linewidth": 2.5, "alpha": 0.6}
            axes.plot([beyond, beyond], one[["low", "high"]].iloc[-1], **style)
        _late_slope(axes, kept["algorithm-1"]["mean"], claims["alg1-rescaling"])
        names = {"algorithm-1": "Algorithm 1 ends at", leaving[part]: f"without {part} at"}
        describe(axes, "xy", xlabel="iteration", title=_ends(kept, names))
        drawn.append((axes, kept))
    for axes, kept in drawn:
        said = dict(zip(axes.get_legend_handles_labels()[1], kept, strict=False))
        name_ends(axes, {text: SHORT.get(name, NAMES[name][0]) for text, name in said.items()})
    grid[0].set_ylabel(ERROR)
    lost = int((~np.isfinite(table["test_error"])).sum())
    note = "lines: geometric means of runs; beyond their ends: smallest to largest run there"
    note += f"; {lost} of {len(table)} values, of runs that diverged, are left out" if lost else ""
    return finish(figure, note, caption=_setting(table, *SIZES))


def _errors_of_tau(axes, table, claims):
    """Draw what errors in τ leave at the end, for τ too small the lowest along the run, and how many runs diverged."""
    table = table[table["variant"] == "algorithm-1"].assign(size=table["tau_error"].abs())
    last = table[table["iteration"] == table["iteration"].max()]
    over, under = last[last["tau_error"] > 0], last[last["tau_error"] < 0]
    kept = course(axes, over, "size", "test_error", TEST, "τ too large, at the end", marker="o")
    for claim in {claims[name]["margin"]: claims[name] for name in claims if "robust" in name}.values():
        margin_slope(axes, kept["mean"], claim)
    lowest = table[table["tau_error"] < 0].groupby(["size", "target", "ensemble"], as_index=False)["test_error"].min()
    options = {"linestyle": ":", "marker": "s"}
    course(axes, lowest, "size", "test_error", TRAIN, "τ too small, lowest along the run", **options)
    exact = summary(last[last["tau_error"] == 0], "size", "test_error")["mean"].iloc[0]
    axes.axhline(exact, color=THIRD, label="exact τ, at the end")
    limit = kept.index.to_numpy() * int(table["rank"].iloc[0]) / 2
    axes.plot(kept.index, limit, "--", color="0.5", label="in the population limit: ετ/2 in every direction of X*")
    title = grows("τ too large: the error at the end grows", "|ε|", kept["mean"])
    describe(axes, "xy", xlabel="relative error |ε| of τ", ylabel=ERROR, title=title)
    axes.set_ylim(top=axes.get_ylim()[1] * 4)
    mark_lost(axes, under, "size", TRAIN, 0.92)
    axes.plot([], [], "x", color=TRAIN, label="τ too small: runs that diverged")


@drawing
def quadratic_tau(tables, claims):
    """Draw what an error in τ leaves: the error at the end against the size of τ's error,
    and the mean label against m.
    """
    table, other = tables["quadratic_tau"], tables.get("quadratic_mean_label")
    figure, grid = panels(1 if other is None else 2, height=4.4)
    said = [f"{_setting(table, *SIZES)}, {table['iteration'].max()} steps"]
    _errors_of_tau(grid[0], table, claims)
    if other is not None:
        axes = grid[1]
        kept = _variants(axes, other[other["variant"] == "algorithm-1"], NAMES, "m", "test_error", marker="o")
        kept |= _variants(axes, other[other["variant"] == "mean-label"], NAMES, "m", "test_error", 0.92, marker="o")
        axes.plot([], [], "x", color=NAMES["mean-label"][1], label="runs that diverged")
        title = _ends(kept, {"algorithm-1": "exact τ ends at", "mean-label": "the mean label at"})
        said.append(f"over m: {sizes(other, 'd', 'rank')}, {other['iteration'].max()} steps")
        limits = (None, 12 * other["test_error"].max())
        texts = {"xlabel": "examples m", "ylabel": ERROR, "title": title}
        describe(axes, "xy", other["m"].unique(), ylim=limits, **texts)
    return finish(figure, GEOMETRIC_BAND, caption=caption(*said))


def _cone(axes, table):
    """Draw what positivity alone recovers and what factored descent does,
    from both kinds of measurements, against m/d.
    """
    table = table.assign(ratio=table["m"] / table["d"], test_error=np.maximum(table["test_error"], 1e-6))
    start = f"from α = {table['alpha'].dropna().iloc[0]:g}"
    methods = {
        "projected": (THIRD, "projected descent from 0"),
        "factored": (TRAIN, f"plain descent {start}"),
    }
    means = {}
    for measurements, style, name in (("rank-one", "-", "xxᵀ"), ("gaussian", "--", "Gaussian")):
        for method, (colour, label) in methods.items():
            part = table[(table["measurements"] == measurements) & (table["method"] == method)]
            options = {"linestyle": style, "marker": "o"}
            kept = course(axes, part, "ratio", "test_error", colour, f"{label}, {name}", **options)
            if measurements == "rank-one":
                means[method] = kept["mean"]
    first = table.iloc[0]
    options = {"color": "black", "linewidth": 0.8, "linestyle": ":"}
    axes.axvline(first["psd_dimension"] / first["d"], label="positivity alone identifies X* (Gaussian)", **options)
    texts = {"xlabel": "measurements per dimension, m/d", "ylabel": f"{ERROR} (at least 10⁻⁶)"}
    both = np.log(pd.DataFrame(means)).dropna()
    title = ""
    if len(both):
        ratio = (both["projected"] - both["factored"]).abs().idxmax()
        ends = {method: rounded(np.exp(both.loc[ratio, method])) for method in both}
        title = f"xxᵀ, m = {ratio:.3g}d: projected ends at {ends['projected']}, factored at {ends['factored']}"
    describe(axes, "y", title=title, **texts)
    legend_below(axes, handlelength=3.5)


@drawing
def quadratic_initialisation(tables, claims):
    """Draw the test error against α for Algorithm 1 and plain descent,
    and what positivity alone recovers, against m/d.
    """
    table = tables["quadratic_initialisation"]
    figure, grid = panels(1 + ("quadratic_cone" in tables), height=4.3)
    axes = grid[0]
    kept = _variants(axes, table, ("algorithm-1", "no-truncation", "plain"), "alpha", "test_error", 0.95, marker="o")
    title = f"Algorithm 1: the error {fold(kept['algorithm-1']['mean'][::-1])} as α falls"
    said = [sizes(table, *SIZES)]
    axes.plot([], [], "x", color="black", label="runs that diverged")
    describe(axes, "xy", xlabel=START, ylabel=ERROR, title=title)
    axes.set_ylim(top=axes.get_ylim()[1] * 20)
    if "quadratic_cone" in tables:
        _cone(grid[1], tables["quadratic_cone"])
        said.append(f"over m/d: {sizes(tables['quadratic_cone'], 'd', 'rank')}")
    return finish(figure, GEOMETRIC_BAND, caption=caption(*said))


@drawing
def quadratic_width(tables, claims):
    """Draw the test error against the number of hidden units, from the teacher's rank up, at several m."""
    table = tables["quadratic_width"].copy()
    table["test_error"] = np.maximum(table["test_error"], 1e-12)
    d = int(table["d"].iloc[0])
    count = table["m"].nunique()
    figure, grid = two_abreast(count, height=3.7, sharey=True)
    for axes, (m, part) in zip(grid, table.groupby("m"), strict=True):
        kept = _variants(axes, part, ("algorithm-1", "plain"), "width", "test_error", 0.95, marker="o")
        axes.axvline(d, color="black", linewidth=0.8, linestyle=":", label="d")
        title = f"m = {m / d:g}d, widest: {_ends(kept, {'algorithm-1': 'Algorithm 1 ends at', 'plain': 'plain at'})}"
        describe(axes, "xy", table["width"].unique(), xlabel="hidden units k", title=title)
    for axes in grid[::2]:
        axes.set_ylabel(f"{ERROR} (at least 10⁻¹²)")
    return finish(figure, GEOMETRIC_BAND, caption=_setting(table, "d", "rank"))


def _decay_curve(axes, network, gaussian, curve, narrow):
    """Draw the squared error over the prediction against m/δ, at the largest d."""
    network, gaussian = (table[table["d"] == table["d"].max()] for table in (network, gaussian))
    curves = {
        "network, teacher of d/2 units": network[network["teacher"] == "wide"],
        "network, teacher of 2 units": network[network["teacher"] == "narrow"],
        "Gaussian measurements, rank 2": gaussian,
    }
    for place, (label, rows) in enumerate(curves.items()):
        groups = rows.groupby("m_over_dimension")["over"]
        means = groups.mean()
        # Beside each other, as bars would hide one another.
        shifted = means.index * 1.03 ** (place - 1)
        axes.errorbar(shifted, means, 2 * groups.sem(), fmt="o^s"[place], color=COLOURS[place], capsize=2, label=label)
    axes.axhline(1, color="black", linewidth=0.9)
    margin_level(axes, narrow, "2 units", linestyle=":")
    for side, label in ((-1, f"margin: d/2 units within {curve['margin']:.0%} of 1"), (1, None)):
        axes.axhline(1 + side * curve["margin"], color="black", linewidth=0.9, linestyle="--", label=label)
    most = network["m_over_dimension"].max()
    ends = network[network["m_over_dimension"] == most].groupby("teacher")["over"].mean().map(rounded)
    title = f"at m = {most:g}δ errors are {ends['wide']} times the prediction\nwith d/2 teacher units, {ends['narrow']} times with 2"
    describe(
        axes,
        "x",
        means.index,
        xlabel="examples over the statistical dimension, m/δ",
        ylabel="squared error / prediction",
        title=title,
    )


def _decay_distance(axes, table, claim):
    """Draw the distance from the convex minimiser against m/δ, with d units and with the teacher's 2."""
    table = table[table["teacher"] == "narrow"]
    points(axes, table, "m_over_dimension", "distance", COLOURS[0], "d units", "o", linestyle="none")
    points(axes, table, "m_over_dimension", "distance_narrow", COLOURS[1], "2 units", "^", linestyle="none")
    margin_level(axes, claim, "d units")
    most = rounded(table["distance"].max(), towards="up")
    ratios = table["m_over_dimension"].unique()
    title = f"d units end within {most} ‖X*‖\nof the convex minimiser"
    describe(
        axes,
        "xy",
        ratios,
        xlabel="examples over the statistical dimension, m/δ",
        ylabel="‖UUᵀ − X‖ / ‖X*‖, X the convex minimiser",
        title=title,
    )


@drawing
def quadratic_decay(tables, claims):
    """Draw networks under weight decay: their distance from the convex minimiser, and errors over the prediction."""
    figure, (left, right) = panels(2, height=4.0)
    network = tables["quadratic_decay"]
    _decay_distance(left, network, claims["decay-convex"])
    judged = (claims[name] for name in ("decay-learning-curve", "decay-narrow-teacher"))
    _decay_curve(right, network, tables["quadratic_decay_gaussian"], *judged)
    note = f"{SPREAD}; right: means and two standard errors, at the largest d"
    return finish(figure, note, caption=sizes(network, "d"))
