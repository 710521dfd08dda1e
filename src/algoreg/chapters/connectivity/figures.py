"""The figure of connectivity: second singular values by connectivity of the known entries, and by depth."""

import numpy as np

from algoreg.reporting.charts.panels import describe, finish, two_and_one
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import caption, power_of_ten
from algoreg.reporting.figures import drawing

KINDS = {"connected": "connected", "complete": "several full blocks", "parts": "several components, entries lacking"}
# Smaller values are drawn here.
LEAST = 1e-9


def _shares(axes, values, colour, label, style="-"):
    """Draw the share of runs whose value is at most x, over x."""
    values = np.sort(np.maximum(values, LEAST))
    shares = np.arange(1, len(values) + 1) / len(values)
    axes.step(values, shares, where="post", color=colour, label=label, linestyle=style, linewidth=1.4)


@drawing
def connectivity(tables, claims):
    """Draw the shares of runs whose second singular value is below a level, by connectivity and by depth."""
    masks, random, depth = (tables[f"connectivity_{name}"] for name in ("masks", "random", "depth"))
    figure, (left, right, below) = two_and_one(height=3.6)
    alpha = masks["alpha"].min()
    smallest = masks[masks["alpha"] == alpha]
    for place, (kind, label) in enumerate(KINDS.items()):
        rows = smallest[smallest["kind"] == kind]
        if len(rows):
            _shares(left, rows["second"], COLOURS[place], label)
    share = smallest[smallest["kind"] == "connected"]["low_rank"].mean()
    left.set_title(f"4 × 4, α = {power_of_ten(alpha)}: rank 1 in\n{share:.0%} of runs on connected masks")
    said = []
    for (size, kind), rows in random[random["kind"] != "complete"].groupby(["alpha", "kind"]):
        label, place = f"{KINDS[kind]}, α = {power_of_ten(size)}", list(KINDS).index(kind)
        _shares(right, rows["second"], COLOURS[place], label, "-" if size == random["alpha"].min() else ":")
        if kind == "connected":
            said.append(f"{rows['low_rank'].mean():.0%} at α = {power_of_ten(size)}")
    d, m = (random[name].iloc[0] for name in ("d", "m"))
    right.set_title(f"{d} × {d}, {m} entries, connected: rank 1\nin {', '.join(said)}")
    for (factors, start), rows in depth.groupby(["depth", "start"]):
        label, style = f"{factors} factors, {start}", "-" if start == "gaussian" else ":"
        _shares(below, rows["second"], COLOURS[int(factors) - 2], label, style)
    deepest = depth[depth["depth"] == depth["depth"].max()]
    share = deepest[deepest["start"] == "gaussian"]["low_rank"].mean()
    below.set_title(f"diagonal known: {deepest['depth'].iloc[0]} Gaussian factors end at rank 1 in {share:.0%} of runs")
    for axes in (left, right, below):
        describe(axes, "x", xlabel="σ₂/σ₁ at the end", ylabel="share of runs at or below", ylim=(-0.02, 1.02))
    counts = ", ".join(str(len(frame)) for frame in (smallest, random, depth))
    said = caption(f"runs: {counts}", f"targets and ensembles of their own, α = {power_of_ten(alpha)} on the left")
    return finish(figure, f"runs: {counts}; σ₂/σ₁ below {power_of_ten(LEAST)} is drawn there", caption=said)
