"""The figure of this chapter."""

import matplotlib.pyplot as plt

from algoreg.tell.figures import BAND, COLOURS, ITERATION, band, drawing, legend_below


@drawing
def mychapter(tables):
    """Draw the test error against iterations, for each start."""
    figure, axes = plt.subplots(figsize=(4.8, 3.6))
    for colour, (alpha, frame) in zip(COLOURS, tables["mychapter"].groupby("alpha"), strict=False):
        band(axes, frame, "iteration", "test_error", colour, f"α = {alpha:g}")
    axes.set(xlabel=ITERATION, ylabel="relative test error", title=BAND, xscale="log", yscale="log")
    legend_below(axes, ncols=3)
    return figure
