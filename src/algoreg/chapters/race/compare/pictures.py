"""The figures of a comparison: errors over iterations, passes and seconds; measurements needed; sensitivity to α."""

import io

import numpy as np

from algoreg.chapters.race.compare.outcomes import THRESHOLD, log_passes, thresholds_of
from algoreg.claims.censoring import INSIDE
from algoreg.reporting.charts.panels import describe, finish, make_room, panels
from algoreg.reporting.charts.style import COLOURS, save, style
from algoreg.reporting.charts.text import number

AXES = {"iteration": "iterations", "passes": "passes over the data", "seconds": "seconds of one run, here"}
GOAL = 1e-6
# A run that diverges would press all others together.
HIGHEST = 100


def svg(draw, *arguments):
    """Return a figure as SVG, laid out as those of the report."""
    with style():
        figure = draw(*arguments)
        make_room(figure)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    with io.BytesIO() as file:
        save(figure, file, "svg")
        text = file.getvalue().decode()
    return text[text.index("<svg") :]


def draw_courses(tables, labels):
    """Draw the median error of every method over iterations, passes and seconds, a row for each κ.

    Parameters
    ----------
    found : mapping of str to pandas.DataFrame
        The courses of every method by its label, with a column ``seconds``.
    labels : mapping of str to str
        What a reader calls it.
    """
    kappas = sorted(next(iter(tables.values()))["kappa"].unique())
    figure, grid = panels(len(AXES), len(kappas), width=4.0, height=2.9, sharey=True)
    for row, kappa in enumerate(kappas):
        for column, (axis, name) in enumerate(AXES.items()):
            axes = grid[row * len(AXES) + column]
            for colour, (label, course) in zip(COLOURS, tables.items(), strict=False):
                # One legend, below the last row.
                said = labels[label] if row + 1 == len(kappas) and column == 0 else None
                _course(axes, course[course["kappa"] == kappa], axis, colour, said)
            ylabel = "relative error" if column == 0 else None
            describe(axes, "xy", xlabel=name, ylabel=ylabel, title=f"κ = {number(kappa)}")
    note = "line: median of runs, those that recovered at their last error; band: smallest to largest run"
    if grid[0].get_ylim()[1] > HIGHEST:
        grid[0].set_ylim(top=HIGHEST)
        note += f"; beyond {HIGHEST} it diverges and is cut off"
    return finish(figure, note)


def _course(axes, part, axis, colour, label):
    runs = part.pivot_table(index="iteration", columns=["target", "ensemble"], values="test_error").ffill()
    along = (
        part.drop_duplicates("iteration").set_index("iteration")[axis].reindex(runs.index)
        if axis != "iteration"
        else None
    )
    x = runs.index.to_numpy(float) if along is None else along.to_numpy(float)
    kept = x > 0
    axes.plot(x[kept], runs.median(axis=1)[kept], color=colour, label=label)
    axes.fill_between(x[kept], runs.min(axis=1)[kept], runs.max(axis=1)[kept], color=colour, alpha=0.15, linewidth=0)


def draw_thresholds(tables, labels):
    """Draw m*/(dr) of every method with the range of its runs, at every d and r."""
    sizes = sorted(set(next(iter(tables.values()))[["d", "rank"]].itertuples(index=False, name=None)))
    figure, grid = panels(len(sizes), width=3.2, height=1.2 + 0.35 * len(tables), sharex=True, sharey=True)
    for axes, (d, rank) in zip(grid, sizes, strict=True):
        for place, (colour, (_, table)) in enumerate(zip(COLOURS, tables.items(), strict=False)):
            thresholds = thresholds_of(table[(table["d"] == d) & (table["rank"] == rank)])
            ratios, sides = np.exp(thresholds.logs) / (d * rank), thresholds.sides
            axes.plot([ratios.min(), ratios.max()], [place, place], color=colour, linewidth=2)
            axes.plot(np.median(ratios), place, "o", color=colour)
            if off := int((sides != INSIDE).sum()):
                said, options = f"{off} of {sides.size} off the grid", {"textcoords": "offset points", "ha": "right"}
                axes.annotate(said, (0.98, place), (0, 5), axes.get_yaxis_transform(), fontsize=6.5, **options)
        describe(axes, "x", xlabel="m*/(dr)", title=f"d = {d}, r = {rank}")
    grid[0].set_yticks(range(len(tables)), [labels[label] for label in tables])
    grid[0].set_ylim(len(tables) - 0.4, -0.6)
    return finish(
        figure, f"m*: where the relative error falls through {THRESHOLD:g}; point: median, bar: range of runs"
    )


def draw_sensitivity(tables, labels):
    """Draw the passes to recovery and the error at the end over the start's scale α, for methods that have one."""
    figure, (left, right) = panels(2, width=4.4, height=3.2, sharex=True)
    reached = False
    for colour, (label, table) in zip(COLOURS, tables.items(), strict=False):
        if table.empty:
            continue
        alphas = sorted(table["alpha"].unique())
        logs = [log_passes(table[table["alpha"] == alpha], GOAL) for alpha in alphas]
        passes = [np.exp(part.mean()) if np.isfinite(part).all() else np.nan for part in logs]
        reached |= bool(np.isfinite(passes).any())
        left.plot(alphas, passes, "o-", color=colour, label=labels[label])
        last = table.sort_values("iteration").groupby(["alpha", "target", "ensemble"])["test_error"].last()
        right.plot(alphas, last.groupby("alpha").median(), "o-", color=colour, label=labels[label])
    kappa = next(table["kappa"].iloc[0] for table in tables.values() if len(table))
    if not reached:
        left.text(0.5, 0.5, "not by T from any α", transform=left.transAxes, ha="center")
        left.set_yticks([])
    options = {"xlabel": "scale α of the start", "title": f"κ = {number(kappa)}"}
    describe(left, "xy" if reached else "x", ylabel=f"passes to {number(GOAL)}", **options)
    describe(right, "xy", ylabel="relative error at the end", **options)
    return finish(figure, "geometric mean, or median at the right, of runs; no point where a run is not there by T")
