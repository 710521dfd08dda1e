"""The figures of momentum: iterations by κ, momentum as a step, where descents end,
what momentum costs a small start.
"""

import numpy as np
import pandas as pd

from algoreg.chapters.momentum.estimands import published_speed_ups
from algoreg.reporting.charts.course import course, points
from algoreg.reporting.charts.law import grows, law, margin_level, margin_slope
from algoreg.reporting.charts.panels import describe, finish, panels
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import GEOMETRIC_BAND, SPREAD, number, rounded, sizes
from algoreg.reporting.figures import drawing
from algoreg.reporting.wording import format_beside_margin

MARKERS = ("o", "s", "^", "D", "v")


@drawing
def momentum_kappa(tables, claims):
    """Draw the iterations to the tolerance over κ, by momentum."""
    table = tables["momentum_kappa"]
    figure, (axes,) = panels(1, width=5.6, height=4.3)
    methods, every = sorted(set(table["method"]) - {"theory"}), {}
    for method, colour, marker in zip(methods, COLOURS, MARKERS, strict=False):
        own = table[table["method"] == method]
        label = f"μ = {own['momentum'].iloc[0]:g}"
        every[label] = law(axes, own, "kappa", "passes", colour, label, marker)
        if method == "momentum_0":
            margin_slope(axes, every[label], claims["momentum-kappa"])
    theory = table[table["method"] == "theory"]
    points(
        axes, theory, "kappa", "passes", "black", "μ = 1/(2000rκ), as small as theory asks for", "x", linestyle="none"
    )
    tolerance = number(table["tolerance"].iloc[0])
    describe(
        axes,
        "xy",
        table["kappa"].unique(),
        xlabel="condition number κ",
        ylabel=f"iterations to an error of {tolerance}",
    )
    first, best = next(iter(every)), pd.DataFrame(every).min(axis=1)
    said = (grows(f"{first}: iterations grow", "κ", every[first]), grows("the best μ at every κ:", "κ", best))
    axes.set_title(",\n".join(said))
    return finish(figure, SPREAD, columns=2, caption=sizes(table, "d", "rank", "step", "m_over_dr"))


@drawing
def momentum_steps(tables, claims):
    """Draw the speed-up by momentum over μ at two steps, that of a longer step, and the published one."""
    table = tables["momentum_steps"]
    figure, (left, right) = panels(2, height=4.0)
    grid = np.linspace(table["momentum"].min(), table["momentum"].max(), 50)
    gains, factors = {}, {}
    for step, colour, marker in zip(sorted(table["step"].unique()), COLOURS, MARKERS, strict=False):
        own = table[table["step"] == step]
        label = f"η = {step:g}"
        gains[step] = points(left, own, "momentum", "speed_up", colour, label, marker, linestyle="none")["mean"]
        factors[step] = points(right, own, "momentum", "factor_to_longer", colour, label, marker)["mean"]
    left.plot(grid, 1 / (1 - grid), color="black", linewidth=0.9, label="a step 1/(1 − μ) times as long")
    claim = claims["momentum-published"]
    goals = published_speed_ups(tables[f"published/{claim['estimand']['figure']}"])
    left.plot(
        list(goals), list(goals.values()), "x", color="black", markersize=7, label="published, read off the figure"
    )
    margin_level(right, claims["momentum-is-a-step"])
    step = claim["estimand"]["step"]
    factor = np.exp(np.abs(np.log(gains.get(step, pd.Series(dtype=float)) / pd.Series(goals))).max())
    said = format_beside_margin([float(factor)], claim["margin"], towards="up")[0]
    left.set_title(f"η = {step:g}: speed-ups within a factor of {said}\nof the published ones")
    step = claims["momentum-is-a-step"]["estimand"]["where"]["step"]
    largest = factors.get(step, pd.Series(dtype=float)).max()
    right.set_title(f"η = {step:g}: within a factor of {rounded(largest, 3, 'up')}\nof descent with the longer step")
    describe(left, "y", xlabel="momentum μ", ylabel="speed-up by momentum at one step")
    describe(right, "", xlabel="momentum μ", ylabel="factor to descent with the step η/(1 − μ)")
    return finish(figure, SPREAD, caption=sizes(table, "d"))


@drawing
def momentum_ends(tables, claims):
    """Draw the error at the end over μ, with and without noise."""
    table = tables["momentum_ends"]
    figure, (axes,) = panels(1, width=5.6, height=3.8)
    said = []
    for noise, colour, marker in zip(sorted(table["label_noise"].unique()), COLOURS, MARKERS, strict=False):
        label = "observations without noise" if noise == 0 else f"noise of {100 * noise:g} %"
        own = table[table["label_noise"] == noise]
        ends = points(axes, own, "momentum", "end_error", colour, label, marker)["mean"]
        said.append(f"{label}: every μ ends at {rounded(ends.max(), towards='up')} or less, on average")
    margin_level(axes, claims["momentum-end"])
    describe(axes, "y", xlabel="momentum μ", ylabel="relative error at the end")
    axes.set_title("\n".join(said))
    note = f"{SPREAD}; errors below 10⁻¹⁴ are drawn there"
    return finish(figure, note, caption=sizes(table, "d", "rank", "kappa", "step"))


@drawing
def momentum_bias(tables, claims):
    """Draw the ratio of test errors with and without momentum at one training error, over the step."""
    table = tables["momentum_bias"]
    figure, (axes,) = panels(1, width=5.2, height=3.8)
    momentum, train = table["momentum"].iloc[0], table["train_error"].iloc[0]
    kept = course(axes, table, "step", "ratio", COLOURS[0], f"μ = {momentum:g} over μ = 0", marker="o")["mean"]
    margin_level(axes, claims["momentum-implicit-regularisation"], "at η = 0.2")
    axes.axhline(1, color="black", linewidth=0.6, label="no difference")
    describe(
        axes,
        "x",
        table["step"].unique(),
        xlabel="step size η",
        ylabel=f"ratio of test errors at training error {train:g}",
    )
    last = f"η = {kept.index[-1]:g}" if len(kept) else "the largest η"
    times = rounded(kept.iloc[-1] if len(kept) else np.nan, 3)
    axes.set_title(f"at one step, {last}, the test error with momentum\nis {times} times that without")
    return finish(figure, GEOMETRIC_BAND, caption=sizes(table, "d", "m", "alpha"))
