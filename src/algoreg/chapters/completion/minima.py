"""Published minima of deep matrix factorisation, compared with prediction intervals of our runs."""

from algoreg.claims.cells import cells
from algoreg.claims.predictions import prediction_interval


def predicted(runs, value):
    """Return the 95 % prediction interval for one more draw of the runs of one depth."""
    return prediction_interval(cells(runs, ["method"], value)[1][0], ensembles=1)


def beside_published(table, curve):
    """Return the prediction interval of the least squared error and whether the published one is in it, by method."""
    goal, intervals = curve.set_index("method")["value"], {}
    for method, runs in table.groupby("method"):
        low, high = predicted(runs, "least_mse")
        intervals[method] = low, high, low <= goal[method] <= high
    return intervals
