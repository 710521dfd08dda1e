"""The figures about noise: descent passing by the least-squares fit of rank r, and how a rank is tested."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from algoreg.chapters.noise.estimands import right_ranks, slopes_of
from algoreg.claims.cells import chosen
from algoreg.numerics.theory import degrees_of_freedom
from algoreg.reporting.charts.course import course
from algoreg.reporting.charts.law import grows, law, margin_level, margin_slope
from algoreg.reporting.charts.panels import describe, finish, legend_below, panels, two_and_one
from algoreg.reporting.charts.style import COLOURS, TEST, THIRD, TRAIN
from algoreg.reporting.charts.text import caption, number, rounded, signed, sizes
from algoreg.reporting.figures import drawing

UNIT = "over the fit's error"
FITS = {
    "closest": ("to X̂ᵣ", TEST, "o"),
    "closest_above": ("to X̂ᵣ₊₁", TRAIN, "s"),
    "closest_below": ("to X̂ᵣ₋₁", THIRD, "^"),
}
KINDS = {"gaussian": "Gaussian measurements", "rank_one": "rank-one measurements"}
COUNTS = {"over_freedom": ("m − dim", TEST), "over_naive": ("m − dk", TRAIN)}


def _along_the_run(axes, noisy):
    """Draw the distance to the rank-r fit from every α over η·t."""
    alphas = sorted(noisy["alpha"].unique(), reverse=True)
    for alpha, colour in zip(alphas, COLOURS, strict=False):
        own, label = noisy[noisy["alpha"] == alpha], f"α = {number(alpha)}"
        # Five bands would hide one another.
        kept = course(axes, own, "time", "to_fit", colour, label, band=alpha == alphas[-1], linewidth=1.5)
        means = kept["mean"]
    axes.axhline(1, color="black", linewidth=0.7, label="as far from it as X*")
    # Of the smallest α, which comes last.
    ends = f"and ends at {rounded(means.iloc[-1])} times the fit's own error"
    title = f"from {label} the mean distance falls to {rounded(means.min())}\n{ends}"
    describe(axes, "xy", xlabel="time η·t", ylabel=f"distance to X̂ᵣ {UNIT}", title=title)
    legend_below(axes, ncols=3)


def _closest(axes, noisy, claim):
    """Draw the smallest distance to each fit over α."""
    last = noisy[noisy["time"] == noisy["time"].max()]
    means = {
        name: law(axes, last, "alpha", name, colour, label, marker, linestyle="none")
        for name, (label, colour, marker) in FITS.items()
    }
    margin_slope(axes, means["closest"][::-1], claim)
    title = grows("the smallest distance to X̂ᵣ goes", "α", means["closest"])
    describe(axes, "xy", xlabel="initialisation scale α", ylabel=f"smallest distance {UNIT}", title=title)


def _leaving(axes, table, claim):
    """Draw when every run left the fit over both predictions, and the slope that the margin allows."""
    for against, marker, colour, label in (
        ("predicted", "o", TEST, "against both rates, 1/νᵣ + (1 − νᵣ₊₁/νᵣ)/λ"),
        ("predicted_by_rate", "x", TRAIN, "against the noise's rate alone, 1/λ"),
    ):
        axes.plot(table[against], table["left"], marker, color=colour, markersize=3.5, alpha=0.7, label=label)
    ends = np.array([0.0, float(np.nanmax(table["predicted"]))])
    axes.plot(ends, ends, color="black", linewidth=0.9, label="slope 1")
    label = f"margin: slope within {claim['margin']:g} of 1"
    low, high = (1 - claim["margin"]) * ends, (1 + claim["margin"]) * ends
    axes.fill_between(ends, low, high, color="0.85", label=label, zorder=0)
    lost = int(table["left"].isna().sum())
    slope = signed(slopes_of(table, "left", "predicted").mean())
    title = (
        f"{lost} of {len(table)} runs had not left"
        if lost
        else f"when runs leave X̂ᵣ, over the prediction:\nslope {slope}"
    )
    axes.set(xlabel="predicted time, log(1/α) × factor", ylabel="time η·t of leaving", title=title)


def _stopping(axes, table, claim):
    """Draw the test error over the smallest so far, with noise and without, from the claim's α."""
    alpha = claim["estimand"]["where"]["alpha"]
    own = table[np.isclose(table["alpha"], alpha)]
    for noise, colour in zip(sorted(own["label_noise"].unique()), (THIRD, TEST), strict=False):
        label = f"noise {noise:g} of the observations' rms" if noise else "no noise"
        part = own[own["label_noise"] == noise]
        kept = course(axes, part, "time", "error_over_smallest", colour, label, geometric=False, linewidth=1.3)
    margin_level(axes, claim)
    # Of the larger noise, which comes last.
    end = rounded(kept["mean"].iloc[-1] if len(own) else np.nan, 3)
    title = f"α = {number(alpha)}, with noise: on average\nthe error ends at {end} times its smallest"
    describe(axes, "x", xlabel="time η·t", ylabel="test error over the smallest so far", title=title)


def _noisy(table):
    """Return the runs of the largest noise, and what was run."""
    noisy = table[table["label_noise"] == table["label_noise"].max()]
    return noisy, f"noise {noisy['label_noise'].iloc[0]:g} of the observations' rms: {sizes(table, 'd', 'rank', 'm')}"


@drawing
def noisy_descent(tables, claims):
    """Draw descent's distance to the least-squares fits, along its run and the smallest over α."""
    noisy, said = _noisy(tables["noisy_descent"])
    figure, (first, second) = panels(2, height=3.9)
    _along_the_run(first, noisy)
    _closest(second, noisy, claims["noisy-descent-is-rank-r-fit"])
    note = (
        "X̂ₖ: least-squares fit of rank k; the fit's error: ‖X̂ᵣ − X*‖. Geometric means; bars, and the band of the smallest α: "
        "smallest to largest run"
    )
    return finish(figure, note, caption=said)


@drawing
def noisy_plateau(tables, claims):
    """Draw when descent with noise leaves the least-squares fit of rank r."""
    table = tables["noisy_plateau"]
    figure, (axes,) = panels(width=6.0)
    _leaving(axes, table, claims["noisy-plateau-length"])
    note = "X̂ᵣ: least-squares fit of rank r; a run has left it where it is half of ‖X̂ᵣ − X*‖ away"
    return finish(figure, note, caption=sizes(table, "d", "rank", "m"))


@drawing
def noisy_stopping(tables, claims):
    """Draw what a late stop costs with noise."""
    table = tables["noisy_descent"]
    figure, (axes,) = panels(width=5.6)
    _stopping(axes, table, claims["early-stopping-needed"])
    return finish(figure, "line: mean of runs; band: smallest to largest run", caption=_noisy(table)[1])


def _distribution(axes, frame, claim):
    """Draw the distribution of RSS/σ² at rank r beside χ² with either count of degrees of freedom."""
    from scipy.special import chdtr

    first = frame.iloc[0]
    d, rank, m = int(first["d"]), int(first["rank"]), int(first["m"])
    means = []
    for kind, colour in zip(sorted(frame["measurements"].unique()), (TEST, THIRD), strict=False):
        values = np.sort(frame.loc[frame["measurements"] == kind, "statistic"])
        means.append(f"{KINDS[kind].removesuffix(' measurements')} {rounded(values.mean(), 3)}")
        shares = np.arange(1, len(values) + 1) / len(values)
        axes.step(values, shares, where="post", color=colour, linewidth=1.3, label=KINDS[kind])
    points = np.linspace(frame["statistic"].min(), frame["statistic"].max(), 200)
    for freedom, style, label in (
        (m - degrees_of_freedom(d, rank), "-", "χ² of m − dim"),
        (m - d * rank, "--", "χ² of m − dr"),
    ):
        axes.plot(points, chdtr(freedom, points), style, color="black", linewidth=0.9, label=f"{label} = {freedom}")
    reach = claim["margin"] * degrees_of_freedom(d, rank)
    middle = m - degrees_of_freedom(d, rank)
    axes.axvspan(
        middle - reach, middle + reach, color="0.88", zorder=0, label=f"margin for the mean: ± {claim['margin']:g}·dim"
    )
    title = f"mean RSS/σ²: {', '.join(means)};\nm − dim = {middle}"
    axes.set(xlabel="RSS/σ² of the fit of rank r", ylabel="share of draws below", title=title)


def _rejections(axes, frame, claim):
    """Draw how often every rank is rejected, by both counts."""
    for name, (label, colour), shift, marker in (
        ("rejected", COUNTS["over_freedom"], -0.06, "o"),
        ("rejected_naive", COUNTS["over_naive"], 0.06, "s"),
    ):
        share = frame.groupby("fitted_rank")[name].mean()
        axes.plot(share.index + shift, share, marker, color=colour, markersize=5, label=f"{label} degrees of freedom")
        for k, value in share[share < 1].items():
            options = {
                "textcoords": "offset points",
                "xytext": (8 if shift > 0 else -8, 0),
                "va": "center",
                "fontsize": 7,
            }
            axes.annotate(
                f"{value:.0%}", (k + shift, value), ha="left" if shift > 0 else "right", color=colour, **options
            )
    level = 1 - claim["margin"]
    axes.axhline(
        level,
        color="black",
        linestyle="--",
        linewidth=0.9,
        label=f"at r, margin: at most {level:.0%} if none below passes",
    )
    axes.axvline(frame["rank"].iloc[0], color="0.8", linewidth=6, zorder=0, label="the rank r of X*")
    title = (
        f"tested from 1 on at 5 %, by m − dim,\n{right_ranks(frame, 'rejected').mean():.0%} of draws give the rank r"
    )
    axes.set(xlabel="fitted rank k", ylabel="share of draws that reject it", title=title)
    axes.set_xticks(sorted(frame["fitted_rank"].unique()))
    axes.margins(x=0.15)


def _used(axes, table, claim):
    """Draw the degrees of freedom that every run has used on its plateau."""
    bins, said = np.linspace(table["degrees"].min(), table["degrees"].max(), 28), []
    for alpha, colour in zip(sorted(table["alpha"].unique()), (TEST, TRAIN), strict=False):
        part = table.loc[table["alpha"] == alpha, "degrees"].dropna()
        label = f"α = {number(alpha)}: mean {part.mean():.2f}"
        said.append(f"{rounded(part.mean(), 3)}·dim from α = {number(alpha)}")
        axes.hist(part, bins, color=colour, alpha=0.55, label=label)
        axes.axvline(part.mean(), color=colour, linewidth=1.2)
    first = table.iloc[0]
    dimension = degrees_of_freedom(int(first["d"]), int(first["rank"]))
    naive = first["d"] * first["rank"] / dimension
    axes.axvline(naive, color="black", linestyle="--", linewidth=0.9, label=f"dr/dim = {naive:.2f}, a factor's entries")
    label = f"margin: mean within {claim['margin']:g} of 1"
    axes.axvspan(1 - claim["margin"], 1 + claim["margin"], color="0.85", zorder=0, label=label)
    title = f"descent without a known rank uses, on average, {', '.join(said)}"
    axes.set(xlabel="degrees of freedom used on the plateau, over dim", ylabel="runs", title=title)
    axes.yaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))


@drawing
def noise_ranks(tables, claims):
    """Draw what fits of the true rank leave, which ranks are rejected, and what descent has used on its plateau."""
    fits, degrees = tables["rank_fits"], tables["noisy_degrees"]
    rank = int(fits["rank"].iloc[0])
    figure, (first, second, third) = two_and_one()
    _distribution(first, chosen(fits, {"fitted_rank": rank, "start": "planted"}), claims["sxz-chi-square"])
    _rejections(second, chosen(fits, {"start": "spectral", "measurements": "gaussian"}), claims["sxz-rank-test"])
    _used(third, degrees, claims["noisy-descent-degrees-of-freedom"])
    said = caption(f"Above: {sizes(fits, 'd', 'rank', 'm')}", f"below: {sizes(degrees, 'd', 'rank', 'm')}, Gaussian")
    note = "dim = kd − k(k−1)/2; above right: Gaussian measurements, fits initialised by the spectrum of (1/m) Σ yᵢAᵢ"
    return finish(figure, note, caption=said)
