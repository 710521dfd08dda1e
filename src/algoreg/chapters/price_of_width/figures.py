"""The figures of the price of width: errors over a long run, linear rates over the start, imbalance over the step;
iterations and measurements of XΘXᵀ with orthonormal columns.
"""

import numpy as np

from algoreg.claims.cells import chosen, geometric_mean
from algoreg.claims.thresholds import find_thresholds
from algoreg.numerics.theory import symmetric_dimension
from algoreg.reporting.charts.course import bars, course, points, spread_of
from algoreg.reporting.charts.law import grows, law, margin_slope, through
from algoreg.reporting.charts.panels import describe, finish, two_and_one
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, caption, margin_text, number, raised, signed, sizes
from algoreg.reporting.figures import drawing

WIDTHS = {"r": COLOURS[1], "2r": COLOURS[0], "d": COLOURS[2]}


def _last(table, estimand):
    """Return the rows at a claim's width and α at the table's last iteration."""
    where = {key: estimand["where"][key] for key in ("width", "alpha")}
    return chosen(table, {**where, "iteration": table["iteration"].max()})


def _errors(axes, table, claims):
    """Draw the error over the iterations, and the slopes at the margins
    of both claims through its means a decade before T.
    """
    # What lies between the largest and the smallest α would fill the panel.
    ends = {table["alpha"].max(), table["alpha"].min()}
    for alpha, line in zip(sorted(ends, reverse=True), "-:", strict=False):
        for width, colour in WIDTHS.items():
            own = table[(table["width"] == width) & (table["alpha"] == alpha)]
            # Of a run that has left the last error is drawn once.
            own = own.drop_duplicates(["target", "ensemble", "test_error"])
            if width == "r" and alpha != table["alpha"].max():
                continue
            course(axes, own, "iteration", "test_error", colour, f"width {width}, α = {alpha:g}", linestyle=line)
    for name, colour in (("xiong-one-over-t", "black"), ("one-over-t-comes-late", "0.45")):
        claim, last = claims[name], table["iteration"].max()
        own = _last(table, claim["estimand"])["test_error"]
        end = geometric_mean(own)
        times = np.array([last / 10, last])
        # The slopes nearest to −1 and farthest from it that lie on the margin.
        for sign, label in (
            (1, f"{margin_text(claim, '|slope + 1|')}, α = {claim['estimand']['where']['alpha']:g}"),
            (-1, None),
        ):
            slope = -1 + sign * claim["margin"]
            axes.plot(times, end * (times / last) ** slope, "-.", color=colour, linewidth=1, label=label)
    slope = _last(table, claims["xiong-one-over-t"]["estimand"])["slope"].mean()
    axes.set_ylim(bottom=1e-13)
    judged = claims["xiong-one-over-t"]["estimand"]["where"]
    title = f"width {judged['width']}, α = {judged['alpha']:g}: over the last decade\nthe error goes as {raised('t', signed(slope))}"
    describe(axes, "xy", xlabel="iteration", ylabel="relative error", title=title)


def _margin_powers(axes, means, claim):
    """Draw the powers at a claim's margins about the exponent that it expects, through the first mean."""
    expected = claim["estimand"]["expected"]
    for sign, label in ((1, margin_text(claim, f"|exponent − {expected:g}|")), (-1, None)):
        power = expected + sign * claim["margin"]
        through(axes, means, lambda x, power=power: x**power, label, line=":")


def _rates(axes, table, claims):
    """Draw the rates over α, and the powers at the claim's margins."""
    claim = claims["xiong-imbalance"]
    (judged,) = claim["estimand"]["where"]["width"]
    for width in ("r", "2r"):
        own = table[table["width"] == width]
        means = law(axes, own, "alpha", "rate", WIDTHS[width], f"width {width}", "o" if width == judged else "s")
        if width == judged:
            title = grows(f"width {width}, two factors:\nthe rate goes", "α", means)
            _margin_powers(axes, means, claim)
    xlabel, ylabel = "initialisation scale α of L; R's is a third of it", "rate of log error per η·t"
    describe(axes, "xy", table["alpha"].unique(), xlabel=xlabel, ylabel=ylabel, title=title)


def _imbalance(axes, table, claims):
    """Draw the largest imbalance over the step, by the start, and the powers at the claim's margins."""
    claim = claims["balance-is-the-step"]
    title = ""
    for place, (alpha, own) in enumerate(table.groupby("alpha")):
        means = law(axes, own, "step", "imbalance", COLOURS[place], f"α = {number(alpha)}", "os"[place % 2])
        if np.isclose(alpha, claim["estimand"]["where"]["alpha"]):
            title = grows(f"from α = {number(alpha)} the largest imbalance goes", "η", means)
            _margin_powers(axes, means, claim)
    ylabel = "largest ‖LᵀL − RᵀR‖ of the run"
    describe(axes, "xy", table["step"].unique(), xlabel="step η", ylabel=ylabel, title=title)


@drawing
def price_of_width(tables, claims):
    """Draw errors over a long run, rates over the initialisation and imbalances over the step."""
    figure, (left, middle, right) = two_and_one()
    _errors(left, tables["one_over_t"], claims)
    _rates(middle, tables["asymmetric_rates"], claims)
    _imbalance(right, tables["balance"], claims)
    places = ("Above left", "above right", "below")
    said = (
        f"{place}: {sizes(table, 'd', 'rank', 'kappa', 'm')}"
        for place, table in zip(places, tables.values(), strict=True)
    )
    return finish(figure, f"above left: line: geometric mean of runs; others: {SPREAD}", caption=caption(*said))


METHODS = {
    "normalised": "XΘXᵀ, orthonormal columns",
    "damped": "UUᵀ, preconditioned, from α = 1",
    "small": "UUᵀ, plain, from α = 10⁻⁶",
    "plain": "UUᵀ, plain, from α = 1",
}
MARKERS = dict(zip(METHODS, "osD^", strict=True))
HUES = dict(zip(METHODS, COLOURS, strict=False))


def medians(frame, value):
    """Return the median over runs of a column by width, the larger of two in the middle; empty is above all."""
    return frame.fillna({value: np.inf}).groupby("width")[value].quantile(0.5, interpolation="higher")


def samples_needed(frame, method, tolerance):
    """Return the logs of m*/(dr) of every run by width, shape (P, T, E), and the columns of each width."""
    own = frame[frame["method"] == method]
    d, rank = (int(own[name].iloc[0]) for name in ("d", "rank"))
    columns = {"2r": 2 * rank, "4r": 4 * rank, "6r": 6 * rank, "d": d}
    widths = sorted(own["width"].unique(), key=columns.get)
    logs = [find_thresholds(own[own["width"] == width], "rank", tolerance).logs[0] for width in widths]
    return np.stack(logs) - np.log(d * rank), [columns[width] for width in widths]


def _growths(axes, table, claim):
    """Draw the growth of the iterations per decade of error over the width."""
    widths = sorted(table["width"].unique())
    for place, name in enumerate(METHODS):
        own = table[table["method"] == name]
        shifted = own.assign(width=own["width"] * 1.03 ** (place - 1.5))
        points(axes, shifted, "width", "growth", HUES[name], METHODS[name], MARKERS[name], linestyle="none")
    limit = claim["estimand"]["limit"]
    axes.axhline(limit, color="black", linestyle="--", linewidth=0.9, label=f"counted: below {limit:.3g}")
    title = "1 is a linear rate, 10 an error ∝ 1/t:\northonormal columns keep the rate"
    ylabel = "iterations from 10⁻² to 10⁻³ over\nthose from 0.1 to 10⁻²"
    describe(axes, "xy", widths, xlabel="columns", ylabel=ylabel, title=title)


def _escapes(axes, table, claim):
    """Draw the median of the iterations to an error of 0.1 over the width."""
    for name in METHODS:
        found = medians(table[table["method"] == name], "escape")
        axes.plot(found.index, found, marker=MARKERS[name], markersize=4.5, color=HUES[name], label=METHODS[name])
        if name == "normalised":
            title = grows("XΘXᵀ of k columns: the time at the start goes", "k", found)
            margin_slope(axes, found, claim)
    ylabel = "median of the iterations to 0.1"
    describe(axes, "xy", sorted(table["width"].unique()), xlabel="columns k", ylabel=ylabel, title=title)


def _needed(axes, table, claim):
    """Draw the threshold m*/(dr) over the width of both methods, and D/(dr)."""
    d, rank = (int(table[name].iloc[0]) for name in ("d", "rank"))
    for name in ("normalised", "small"):
        logs, columns = samples_needed(table, name, claim["estimand"]["tolerance"])
        bars(axes, columns, spread_of(logs, columns), HUES[name], METHODS[name], MARKERS[name])
        if name == "normalised":
            first, last = np.exp(logs.mean(axis=(1, 2)))[[0, -1]]
            level = first * claim["margin"]
            title = f"m* of XΘXᵀ: {first:.2f}·dr at {columns[0]} columns, {last:.2f}·dr at {columns[-1]}"
    axes.axhline(symmetric_dimension(d) / (d * rank), color="0.45", linestyle=":", label="D = d(d + 1)/2")
    label = f"{margin_text(claim, 'm*')} times that of 2r columns"
    axes.axhline(level, color="black", linestyle="--", linewidth=0.9, label=label)
    describe(axes, "", columns, xlabel="columns", ylabel="measurements needed, m*/(dr)", title=title)


@drawing
def normalised_width(tables, claims):
    """Draw the growth of iterations, the time near the initialisation and the measurements needed over the width."""
    figure, (left, right, below) = two_and_one()
    rates, samples = tables["normalised_rates"], tables["normalised_samples"]
    _growths(left, rates, claims["normalised-linear"])
    _escapes(right, rates, claims["normalised-width-helps"])
    _needed(below, samples, claims["normalised-width-samples"])
    said = caption(
        f"Above: {sizes(rates, 'd', 'rank', 'kappa', 'm')}", f"below: {sizes(samples, 'd', 'rank', 'kappa')}"
    )
    return finish(figure, f"above left and below: {SPREAD}", caption=said)
