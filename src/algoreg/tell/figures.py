"""What drawings share: one style, bands of runs, byte-stable files. The drawings are in ``algoreg.drawings``, found by name."""

from contextlib import contextmanager

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.ticker import FuncFormatter

from algoreg import registry
from algoreg.analysis.cells import paired
from algoreg.spec.grids import PAPER_STEP

# seaborn's "colorblind" palette and "ticks" style as they are in its 0.13 (a test holds them together): written out, because importing
# seaborn, with the statistics it brings, would be half the time of a figure's job.
COLOURS = [
    matplotlib.colors.to_rgb(name)
    for name in (
        *("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc"),
        *("#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9"),
    )
]
TICKS = {
    "axes.axisbelow": True,
    "axes.edgecolor": ".15",
    "axes.labelcolor": ".15",
    "font.sans-serif": ["Arial", "DejaVu Sans", "Liberation Sans", "Bitstream Vera Sans", "sans-serif"],
    "grid.color": ".8",
    "lines.solid_capstyle": "round",
    "patch.edgecolor": "w",
    "patch.force_edgecolor": True,
    "text.color": ".15",
    "xtick.color": ".15",
    "ytick.color": ".15",
}
TEST, TRAIN, THIRD = COLOURS[0], COLOURS[1], COLOURS[2]
STYLE = {
    **TICKS,
    "svg.hashsalt": "algoreg",
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "figure.constrained_layout.use": True,
    "figure.dpi": 160,
}
ITERATION = f"iteration at the paper's step (η·t / {PAPER_STEP:g})"
THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}".replace(",", "\u2009"))
BAND = "line: mean of runs; band: smallest to largest run (targets × ensembles)"


# From a panel's lower edge to its legend, in points: tick labels and the axis's name lie between.
BELOW_AXIS = 36


def legend_below(axes, **options):
    """Put a panel's legend below it, where no data can ever lie; the figure grows by it (:func:`draw`)."""
    size = options.setdefault("fontsize", STYLE["legend.fontsize"])
    legend = axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=BELOW_AXIS / size, **options)
    legend.takes_room = True


def _make_room(figure):
    """Heighten a figure by its legends, row by row, so that they take nothing from its panels."""
    renderer, rows = figure.canvas.get_renderer(), {}
    for axes in figure.axes:
        legend = axes.get_legend()
        if getattr(legend, "takes_room", False):
            row, height = axes.get_subplotspec().rowspan.start, legend.get_window_extent(renderer).height
            rows[row] = max(rows.get(row, 0), height / figure.dpi)
    figure.set_figheight(figure.get_figheight() + sum(rows.values()))


@contextmanager
def style():
    """Draw in the one style, whatever the user's own matplotlibrc says, which is back in force afterwards."""
    with plt.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def drawing(function):
    """Mark a function of the tables as the drawing of the figure that has its name."""
    return function


def draw(name, tables):
    """Draw a figure.

    Parameters
    ----------
    name : str
    tables : mapping of str to pandas.DataFrame

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If no drawing has this name.
    """
    function = registry.drawing(name)
    with style():
        figure = function(tables)
        _make_room(figure)
        # Laid out once, for all the files that it is saved to.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def save(figure, path, kind):
    """Save a figure without dates or random ids, so that equal figures are equal files."""
    canvas, nameless = {
        "svg": (FigureCanvasSVG, {"Date": None}),
        "pdf": (FigureCanvasPdf, {"CreationDate": None}),
        "png": (FigureCanvasAgg, {"Software": None}),
    }[kind]
    resolution = figure.dpi
    with style():
        # As figure.savefig, which would draw everything once more before, to lay out what has been laid out.
        getattr(canvas(figure), f"print_{kind}")(path, metadata=nameless)
    # Vector formats leave theirs behind.
    figure.dpi = resolution


def band(axes, frame, x, error, colour, label, **style):
    """Draw the mean of ``error`` over runs against ``x``, and the range of runs; say how many diverged runs are left out."""
    good = frame[frame["status"] != "diverged"]
    groups = good.groupby(x)[error]
    mean = groups.mean()
    axes.plot(mean.index, mean, color=colour, label=label, **style)
    axes.fill_between(mean.index, groups.min(), groups.max(), color=colour, alpha=0.2, linewidth=0)
    lost = len(frame) - len(good)
    if lost:
        axes.text(0.02, 0.02, f"not drawn: {lost} values of diverged runs", transform=axes.transAxes, fontsize=7)


def published_points(axes, frame, x, colour, label, marker="o"):
    """Draw published values on top."""
    axes.plot(
        frame[x],
        frame["value"],
        marker,
        color=colour,
        markeredgecolor="black",
        markersize=4.5,
        markeredgewidth=0.7,
        linestyle="none",
        label=label,
        zorder=5,
    )


def plain_tick(value, _):
    """Return a tick of the leading digits 1, 2, 3, 5 as a plain number, others empty."""
    return f"{value:g}" if f"{value:.0e}"[0] in "1235" else ""


def draws(frame):
    """Return how many draws a table's rows are of, for a title."""
    if paired(frame):
        return f"{frame['ensemble'].nunique()} ensembles with a target each"
    return f"{frame['target'].nunique()} targets × {frame['ensemble'].nunique()} ensembles"


def sizes_text(frame):
    """Return rank, measurements and draws of a table's rows, for a title."""
    first = frame.iloc[0]
    return f"r = {first['rank']}, m = {first['m'] / first['d'] / first['rank']:g}·dr, {draws(frame)}"
