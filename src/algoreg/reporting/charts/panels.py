"""Panels with their axes, and legends and notes that never cover data."""

from textwrap import wrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from algoreg.reporting.charts.style import NOTE_SIZE, STYLE
from algoreg.reporting.charts.text import number, power_of_ten

# The distance of a legend from its panel's lower edge, in points, with room for tick labels and the axis's name.
BELOW_AXIS = 36
# A log axis over fewer decades also has plain numbers between the powers of ten.
FEW_DECADES = 1.8
# The fewest ticks of a log axis: with two, the values between them cannot be read.
FEWEST_TICKS = 3
# Letters of a note per inch of its figure's width.
LETTERS_PER_INCH = 19
# A page's 838 pixels at their usual size, in inches.
PAGE = 838 / 96
# The smallest distance of two names beside curves, in units of the panel's height.
APART = 0.075
THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}".replace(",", "\u2009"))
PLAIN = FuncFormatter(lambda value, _: number(value))
# Matplotlib's formatter typesets powers as formulas, which takes far longer than text.
POWERS = FuncFormatter(lambda value, _: power_of_ten(value))


def panels(columns=1, rows=1, width=None, height=4.1, **options):
    """Return a figure and its panels, row by row; ``width`` and ``height`` are the size of a panel, in inches.

    By default, panels beside each other are together as wide as a page, which therefore shows them at full size.
    """
    width = width or (PAGE / columns if columns > 1 else 4.7)
    figure, grid = plt.subplots(rows, columns, figsize=(width * columns, height * rows), squeeze=False, **options)
    return figure, list(grid.ravel())


def two_abreast(count, height=4.0, **options):
    """Return a figure and ``count`` panels, two in a row; the last of an odd number is as wide as two."""
    figure, grid = panels(min(count, 2), -(-count // 2), height=height, **options)
    if count % 2 and count > 1:
        grid.pop().remove()
        _widen(grid[-1])
    return figure, grid


def two_and_one(above=False, height=4.0, **options):
    """Return a figure and three panels: two beside each other, and below them (or ``above``) one as wide as both."""
    figure, grid = panels(2, 2, height=height, **options)
    grid.pop(1 if above else 3).remove()
    _widen(grid[0 if above else 2])
    return figure, grid


def _widen(axes):
    """Make a panel as wide as its row."""
    place = axes.get_subplotspec()
    axes.set_subplotspec(place.get_gridspec()[place.rowspan.start, :])


def describe(axes, log="", xticks=None, **texts):
    """Label a panel's axes; ``log`` lists the logarithmic ones ("xy"), and ``xticks`` are the measured sizes."""
    axes.set(**{f"{axis}scale": "log" for axis in log}, **texts)
    if xticks is not None:
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(sorted(xticks), [f"{tick:.3g}" if tick % 1 else f"{tick:g}" for tick in sorted(xticks)])


def thousands(axes):
    """Label an axis of iterations with few ticks and spaces between thousands."""
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(THOUSANDS)


def _tick_plainly(axis, limits):
    """Label a log axis with plain numbers if it spans few decades, else only with powers of ten."""
    decades = np.log10(limits[1] / limits[0]) if min(limits) > 0 else np.inf
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(POWERS)
    if abs(decades) < FEW_DECADES:
        coarse, fine = LogLocator(subs=(1, 2, 5)), LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9))
        # Over a fraction of a decade even fine ticks may leave only one or two.
        even = MaxNLocator(5, steps=[1, 2, 5, 10])
        axis.set_major_locator(_with_ticks([coarse, fine] if abs(decades) > 0.7 else [fine], limits) or even)
        axis.set_major_formatter(PLAIN)


def _with_ticks(locators, limits):
    """Return the first locator with enough ticks between limits; None if there is none."""
    for locator in locators:
        ticks = locator.tick_values(*limits)
        if np.sum((ticks >= limits[0]) & (ticks <= limits[1])) >= FEWEST_TICKS:
            return locator
    return None


def legend_below(axes, **options):
    """Put a panel's legend below it, where it cannot cover data; the figure grows by its height (:func:`make_room`)."""
    size = options.setdefault("fontsize", STYLE["legend.fontsize"])
    legend = axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=BELOW_AXIS / size, **options)
    legend.takes_room = True


def share_legend(grid):
    """Split the first panel's legend among all panels, so that each has a part of it below."""
    handles, labels = grid[0].get_legend_handles_labels()
    for axes, part in zip(grid, np.array_split(np.arange(len(labels)), len(grid)), strict=True):
        legend_below(axes, handles=[handles[k] for k in part], labels=[labels[k] for k in part])


def write_ends(axes, ends):
    """Write the names of curves beside a panel whose limits are final.

    Each name is at the height of its curve's end, or just far enough above it to keep the names apart. ``ends`` lists
    the curves' last values, names and colours.
    """
    edge, height = axes.get_xlim()[1], -np.inf
    for value, text, colour in sorted(ends):
        _, there = (axes.transScale + axes.transLimits).transform((edge, value))
        height = max(there, height + APART)
        place = {"xytext": (1.03, height), "textcoords": "axes fraction", "va": "center"}
        axes.annotate(text, (1.0, height), xycoords="axes fraction", color=colour, fontsize=9, **place)


def name_ends(axes, names):
    """Name curves beside their panel (:func:`write_ends`) instead of in a legend.

    ``names`` maps the curves' labels to the names. Of several curves with one name all but one have an empty text.
    """
    ends = []
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
        # The first part of error bars is the line.
        line = handle[0] if isinstance(handle, tuple) else handle
        if names.get(label):
            values = np.array(line.get_ydata(), float)
            ends.append((values[np.isfinite(values)][-1], names[label], line.get_color()))
    write_ends(axes, ends)
    axes.named_at_ends = set(names)


def finish(figure, note="", columns=1, caption=""):
    """Finish a figure: ticks of log axes, legends (in ``columns``) and a note below them.

    ``caption`` describes what was run. It is not in the picture but in the metadata of its files, from which pages take
    the text below a figure (:mod:`algoreg.reporting.captions`).
    """
    figure.caption = caption
    for axes in figure.axes:
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            if axis.get_scale() == "log" and not isinstance(axis.get_minor_locator(), NullLocator):
                _tick_plainly(axis, sorted(limits))
        beside = getattr(axes, "named_at_ends", ())
        named = [
            (line, text) for line, text in zip(*axes.get_legend_handles_labels(), strict=True) if text not in beside
        ]
        if axes.get_legend() is None and named:
            handles, labels = zip(*named, strict=True)
            legend_below(axes, handles=handles, labels=labels, ncols=columns)
    if note:
        width = int(LETTERS_PER_INCH * figure.get_figwidth())
        lines = [wrapped for line in note.splitlines() for wrapped in wrap(line, width)]
        figure.supxlabel("\n".join(lines), fontsize=NOTE_SIZE)
    return figure


def make_room(figure):
    """Increase a figure's height by its legends, row by row, so that its panels keep their size."""
    renderer, rows = figure.canvas.get_renderer(), {}
    for axes in figure.axes:
        legend = axes.get_legend()
        if getattr(legend, "takes_room", False):
            row, height = axes.get_subplotspec().rowspan.start, legend.get_window_extent(renderer).height
            rows[row] = max(rows.get(row, 0), height / figure.dpi)
    figure.set_figheight(figure.get_figheight() + sum(rows.values()))
