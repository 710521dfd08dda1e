"""The figures of phase retrieval: two stages along one axis, what m/d changes,
and how runs meet single measurements and rows.
"""

import numpy as np

from algoreg.chapters.phase_retrieval.estimands import medians_by, shares_by_ratio
from algoreg.claims.cells import chosen, geometric_mean
from algoreg.reporting.charts.course import bars, points
from algoreg.reporting.charts.law import exponent, grows, law, margin_level, margin_slope, with_exponent
from algoreg.reporting.charts.panels import describe, finish, panels, two_and_one
from algoreg.reporting.charts.style import COLOURS, TEST, THIRD, TRAIN
from algoreg.reporting.charts.text import caption, number, raised, rounded, signed, sizes
from algoreg.reporting.figures import drawing

D = "dimension d"
RULES = {"constant": (TEST, "o", "η = {step:g}"), "falling": (TRAIN, "s", "η ∝ 1/d")}
APART = 1.03
STARTS = {"random": (TEST, "o", "random initialisations"), "spectral": (THIRD, "D", "spectral initialisations")}
FULL, VECTOR = {"linestyle": "--", "color": "black"}, {"linestyle": ":", "color": "0.45"}


def _line(axes, frame, value, label, **style):
    kept = medians_by(frame, "time", value)
    axes.plot(list(kept), list(kept.values()), label=label, **{"linewidth": 1.4, **style})


def _courses(axes, table, small, value):
    """Draw the medians along η·t: random starts at every d,
    and small starts of both widths at the largest d they have.
    """
    for d, colour in zip(sorted(table["d"].unique()), COLOURS, strict=False):
        _line(axes, chosen(table, {"d": d}), value, f"vector of size 1, d = {d}", color=colour)
    largest = int(small["d"].max())
    alpha = number(float(small["alpha"].iloc[0]))
    for width, style, label in (
        ("full", FULL, f"full width from {alpha}·I"),
        ("one", VECTOR, f"vector of size {alpha}"),
    ):
        own = small[(small["width"] == width) & (small["d"] == largest)]
        if len(own):
            _line(axes, own, value, f"{label}, d = {largest}", **style)


def _signal_law(axes, table, step):
    """Draw the growth by 1 + 2η a step that the population has, through the first median of the largest d."""
    kept = medians_by(chosen(table, {"d": table["d"].max()}), "time", "signal")
    times = np.linspace(0, 0.4 * max(kept), 20)
    curve = kept[min(kept)] * (1 + 2 * step) ** (times / step)
    axes.plot(times, curve, color="0.6", linewidth=0.9, label="growth by 1 + 2η a step")


def _medians(axes, frame, value, colour, label, marker):
    """Draw medians over runs by d, their range over ensembles as bars,
    and the exponent in the label; return the medians.
    """
    by_ensemble = {e: medians_by(part, "d", value) for e, part in frame.groupby("ensemble")}
    kept = medians_by(frame, "d", value)
    ranges = np.array([[own[d] for d in kept] for own in by_ensemble.values()])
    own = frame.groupby("d")[value].median().reindex(list(kept))
    own[:] = list(kept.values())
    shown = {"mean": own, "low": ranges.min(axis=0), "high": ranges.max(axis=0)}
    bars(axes, own.index, shown, colour, with_exponent(label, own), marker, linestyle="none")
    return own


def _signal_leads(table):
    """Return when the median signal first passes the rest, over d: a title."""
    times = [
        min(
            (time for time, signal in medians_by(chosen(table, {"d": d}), "time", "signal").items() if signal > 1),
            default=np.nan,
        )
        for d in table["d"].unique()
    ]
    ends = (rounded(end(times)) if np.isfinite(times).any() else "–" for end in (np.nanmin, np.nanmax))
    return f"vectors of size 1: the signal passes\nthe rest at η·t from {' to '.join(ends)}"


def _stages(axes, tables, claims):
    """Draw both stages' iterations over d, at both step rules."""
    step = float(tables["phase_n"]["step"].iloc[0])
    firsts = {}
    for value, words, filled in (("stage_one", "to error 0.1", True), ("stage_two", "from 0.1 to 10⁻⁵", False)):
        for name, rule in (("phase_n", "constant"), ("phase_n_falling", "falling")):
            colour, marker, label = RULES[rule]
            shade = colour if filled else COLOURS[4 if rule == "constant" else 5]
            text = f"{words}, {label.format(step=step)}"
            firsts[name, value] = _medians(
                axes, tables[name], value, shade, text, marker if filled else "^v"[rule != "constant"]
            )
    margin_slope(axes, firsts["phase_n", "stage_one"], claims["ccfm-log-n"], "first stage, exponent")
    margin_slope(axes, firsts["phase_n", "stage_two"], claims["ccfm-stage-two"], "second stage, exponent", line="--")
    slopes = [exponent(own) for key, own in firsts.items() if key[0] == "phase_n"]
    first, second = (raised("d", signed(slope)) for slope in slopes)
    title = f"η = {step:g}: iterations to error 0.1 go as {first}, from there on as {second}"
    ticks = tables["phase_n"]["d"].unique()
    describe(axes, "xy", ticks, xlabel=D, ylabel="median of the iterations", title=title)


@drawing
def phase_stages(tables, claims):
    """Draw both stages along η·t at all d and from a small initialisation of full width, the signal, and lengths."""
    table, small = tables["phase_course"], tables["phase_course_small"]
    figure, (first, second, third) = two_and_one()
    _courses(first, table, small, "test_error")
    _courses(second, table, small, "signal")
    step = float(tables["phase_n"]["step"].iloc[0])
    _signal_law(second, table, step)
    last = table[table["time"] == table["time"].max()]
    ratio = number(float(table["m_over_d"].iloc[0]))
    worst = max(medians_by(last, "d", "test_error").values())
    title = f"vectors of size 1, every d: at η·t = {last['time'].iloc[0]:g}\nthe median error is {rounded(worst, 1, 'up')} or less"
    describe(first, "y", xlabel="η·t", ylabel="median of ‖X − X*‖_F / ‖X*‖_F", title=title)
    ylabel = "median of the signal over the rest"
    describe(second, "y", xlabel="η·t", ylabel=ylabel, title=_signal_leads(table))
    _stages(third, tables, claims)
    above = f"Above: m = {ratio}d, {sizes(table, 'd')}"
    below = f"below: m = {number(float(tables['phase_n']['m_ratio'].iloc[0]))}d, {sizes(tables['phase_n'], 'd')}"
    note = (
        "Signal: ‖Uᵀx*‖ over the Frobenius norm of U's other part. Bars: smallest to largest median of an ensemble. "
        "The papers' n is d."
    )
    return finish(figure, note, caption=caption(above, below))


def _share(axes, frame, value, colour, label, marker, moved=1.0, **style):
    """Draw the share of runs for which ``value`` is 1 by m/d, times ``moved``, with 95 % intervals."""
    found = shares_by_ratio(frame, value)
    columns = np.array([[one.value, one.low, one.high] for one in found.values()]).T
    shown = dict(zip(("mean", "low", "high"), columns, strict=True))
    bars(axes, [ratio * moved for ratio in found], shown, colour, label, marker, **style)


@drawing
def phase_measurements(tables, claims):
    """Draw how fast the signal grows, and which initialisations converge to x*, over m/d."""
    table = tables["phase_ratios"]
    table = table[table["d"] == table["d"].max()]
    random, ratios = table[table["start"] == "random"], table["m_ratio"].unique()
    figure, (left, right) = panels(2, height=3.8)
    shown = points(left, random, "m_ratio", "growth", TEST, "random initialisations", geometric=False)
    left.axhline(1, color="black", linewidth=0.8, label="population: 1 + 2η a step")
    margin_level(left, claims["ccfm-signal-growth"])
    own = claims["ccfm-signal-growth"]["estimand"]["where"]["m_ratio"]
    title = f"m = {own:g}d: the signal grows at\n{rounded(shown['mean'][own])} times the population's rate"
    describe(
        left,
        "x",
        ratios,
        xlabel="measurements per dimension, m/d",
        ylabel="log growth a step over log(1 + 2η)",
        title=title,
    )
    for start, (colour, marker, label) in STARTS.items():
        part = table[table["start"] == start]
        # Beside one another, so that their bars can be told apart.
        moved = APART if start == "random" else 1 / APART
        _share(right, part, "arrived", colour, f"{label} that arrive", marker, moved)
    spectral = table[table["start"] == "spectral"]
    _share(right, spectral, "lost", COLOURS[7], "spectral initialisations that diverge", "x", linestyle="--")
    judged = claims["ccfm-random-start"]["estimand"]["where"]["m_ratio"]
    margin_level(right, claims["ccfm-random-start"], f"m = {judged:g}d,")
    share = random.loc[random["m_ratio"] == judged, "arrived"].mean()
    title = f"m = {judged:g}d: {share:.0%} of random initialisations arrive"
    describe(
        right,
        "x",
        ratios,
        xlabel="measurements per dimension, m/d",
        ylabel="share of runs",
        title=title,
        ylim=(-0.05, 1.05),
    )
    note = "left: mean and smallest to largest run; right: 95 % intervals of Clopper and Pearson"
    return finish(figure, note, caption=sizes(table, "step", "d"))


def _incoherence(axes, table, long_steps, claim, kept):
    """Draw the largest incoherence along the run over d, by start and by step,
    and how far it may lie above the start's own.
    """
    spectral = table[table["start"] == "spectral"]
    series = [
        (spectral, THIRD, "D", "spectral initialisation"),
        (table[table["start"] == "coherent"], TRAIN, "s", "initialised at x* + 0.3·a/‖a‖"),
    ]
    if long_steps is not None:
        # Beside the others, so that its bars can be told apart.
        moved = long_steps.assign(d=long_steps["d"] * APART)
        series.append(
            (moved, COLOURS[7], "x", f"spectral initialisation, η = {number(float(long_steps['step'].iloc[0]))}")
        )
    means, *_ = [
        law(axes, part, "d", "largest_incoherence", colour, label, marker, linestyle="none")
        for part, colour, marker, label in series
    ]
    margin_slope(axes, means, claim)
    starts = spectral.groupby("d")["incoherence"].agg(geometric_mean) * kept["margin"]
    label = f"margin: below {kept['margin']:g} times the initialisation's own"
    axes.plot(starts.index, starts, "v", color="black", markersize=5, linestyle="none", label=label)
    title = grows("spectral initialisation:\nthe largest incoherence goes", "d", means)
    describe(axes, "xy", table["d"].unique(), xlabel=D, ylabel="largest |aᵀ(x − x*)| / (√log d ‖x − x*‖)", title=title)


def _steps(axes, table, claim):
    """Draw the iterations from the spectral start over d, by step rule."""
    means = {}
    step = float(table["step"].max())
    for rule, (colour, marker, label) in RULES.items():
        # At the smallest d both rules have the same step: the one's points are seen within the other's.
        style = {"linestyle": "none", "markerfacecolor": "none", "markersize": 9 if rule == "falling" else 5}
        part = table[table["rule"] == rule]
        means[rule] = law(axes, part, "d", "to_end", colour, label.format(step=step), marker, **style)
    margin_slope(axes, means["constant"], claim)
    title = grows(f"η = {step:g}: iterations to 10⁻⁵ go", "d", means["constant"])
    describe(
        axes, "xy", table["d"].unique(), xlabel=D, ylabel="iterations from the spectral initialisation", title=title
    )


def _lengths(axes, table):
    """Draw the longest row of every run over the bound, by start and d."""
    places = []
    for start, colour, marker, label in (
        ("spectral", THIRD, "D", "spectral initialisation"),
        ("spiky", TRAIN, "s", "one row of length 1"),
    ):
        for d, part in chosen(table, {"start": start}).groupby("d"):
            kept = part["longest"].dropna()
            x = len(places) + np.linspace(-0.25, 0.25, max(len(kept), 1))[: len(kept)]
            named = label if not any(text.startswith(start) for text in places) else None
            axes.plot(x, kept, marker, color=colour, markersize=3, alpha=0.7, label=named)
            lost = int((part["status"] == "diverged").sum())
            places.append(f"{start}, d = {d}" + (f"\n{lost} of {len(part)}\ndiverged" if lost else ""))
    axes.axhline(1, color="black", linestyle="--", linewidth=0.9, label="a projection acts above")
    acts = table.loc[table["start"] == "spectral", "acts"]
    title = (
        f"completion: a projection would act in {int(acts.sum())} of {len(acts)} runs from the spectral initialisation"
    )
    axes.set(ylabel="longest row over the bound", title=title)
    axes.set_xticks(range(len(places)), places, fontsize=7)


@drawing
def phase_incoherence(tables, claims):
    """Draw the incoherence and the iterations over d, and the rows that a projection for completion would cut."""
    figure, (first, second, third) = two_and_one()
    claim, kept = (claims[name] for name in ("mwcc-incoherence", "mwcc-incoherence-kept"))
    _incoherence(first, tables["phase_incoherence"], tables.get("phase_incoherence_long"), claim, kept)
    _steps(second, tables["phase_spectral"], claims["mwcc-constant-step"])
    _lengths(third, tables["completion_rows"])
    table = tables["phase_incoherence"]
    above = f"Above: phase retrieval, m = {table['m_ratio'].iloc[0]:g}d·log d, {sizes(table, 'd')}"
    below = f"below: completion, {sizes(tables['completion_rows'], 'd', 'rank')}"
    note = "above: geometric mean, bars smallest to largest run; below: every run that did not diverge, after its initialisation"
    return finish(figure, note, caption=caption(above, below))
