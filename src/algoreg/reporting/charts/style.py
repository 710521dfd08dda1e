"""The style of all figures, and saving them without dates or random ids."""

from contextlib import contextmanager

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import to_rgb

from algoreg.reporting import captions

# Ten colours that colour-blind readers can also distinguish: Matplotlib's petroff10 (Petroff, 2021) with a darker
# yellow, grey, khaki and pale blue, because a thin line on white needs a contrast of 3 to be seen.
COLOURS = [
    to_rgb(colour)
    for colour in (
        *("#3f90da", "#cc8400", "#bd1f01", "#879694", "#832db6"),
        *("#a96b59", "#e76300", "#9c8f4f", "#717581", "#3f9fa4"),
    )
]
TEST, TRAIN, THIRD = COLOURS[:3]
# The axes of seaborn's style "ticks". Importing seaborn itself would take longer than the rest of a figure's job.
BASE = "seaborn-v0_8-ticks"
STYLE = {
    "svg.hashsalt": "algoreg",
    "svg.fonttype": "none",
    "font.size": 9,
    # This font comes with Matplotlib, so that every machine has it.
    "font.sans-serif": ["DejaVu Sans"],
    "axes.titlesize": 9,
    "axes.linewidth": 0.8,
    # Fixed at the place where Matplotlib would put titles, as no panel has anything above it.
    "axes.titley": 1.0,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "xtick.major.size": 3.5,
    "ytick.major.size": 3.5,
    "legend.fontsize": 7.5,
    "figure.constrained_layout.use": True,
    "figure.dpi": 160,
}
NOTE_SIZE = 7


@contextmanager
def style():
    """Draw in the project's style, and restore the user's matplotlibrc afterwards."""
    # The backend is set here and not at import, so that a notebook that imports a chapter's figures keeps its backend.
    matplotlib.use("agg")
    with plt.rc_context():
        matplotlib.rcdefaults()
        plt.style.use(BASE)
        matplotlib.rcParams.update(STYLE)
        yield


def save(figure, path, kind):
    """Save a figure as ``svg``, ``pdf`` or ``png``, so that equal figures are equal files."""
    # Imported here, because it imports fontTools and every start of the workflow imports the drawings.
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    canvas, nameless = {
        "svg": (FigureCanvasSVG, {"Date": None}),
        "pdf": (FigureCanvasPdf, {"CreationDate": None}),
        "png": (FigureCanvasAgg, {"Software": None}),
    }[kind]
    nameless |= captions.metadata(figure, kind)
    resolution = figure.dpi
    with style():
        # Used instead of figure.savefig, which would first draw everything again to repeat the layout.
        getattr(canvas(figure), f"print_{kind}")(path, metadata=nameless)
    # Vector formats change the figure's resolution and do not restore it.
    figure.dpi = resolution
