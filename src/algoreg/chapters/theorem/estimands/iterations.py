"""What the claims about iterations, the error along the window and its scaling measure."""

import numpy as np

from algoreg.claims.cells import cells, chosen, finite, positive
from algoreg.claims.estimands import estimand
from algoreg.claims.intervals import exp_of, interval_of


@estimand(
    "geometric mean at the smallest α over that at the largest, of the iterations over the theorem's κ log(d/α)/η"
)
def growth_as_alpha_falls(tables, published, rng, *, table, value, where=None):
    """Return the geometric mean over runs of ``value`` at the smallest α over that at the largest.

    For a quantity that a bound keeps below a constant: how far it grows over the range of α. Undefined where a run at
    either end has no positive value.
    """
    frame = chosen(tables[table], where)
    names, values = cells(frame, ["alpha"], value)
    if len(names) < 2:
        raise ValueError(f"table {table}: one value of alpha: growth needs two")
    ends = positive(values[[0, -1]])
    return exp_of(interval_of(lambda part: part[0].mean() - part[1].mean(), np.log(ends), rng))


@estimand("larger of error(T₀)/({ratio:g} · smallest error before) and error(T₀)/{floor:g}")
def end_of_window(tables, published, rng, *, table, ratio, floor, where=None):
    """Return the mean over runs of how far the error at the last iteration is from both its bounds; below 1 is within.

    The first bound is ``ratio`` times the smallest error along the run, the second ``floor``.
    """
    frame = chosen(tables[table], where)
    frame = frame[frame["iteration"] == frame["iteration"].max()]
    worse = np.maximum(frame["test_error"] / (ratio * frame["smallest_error"]), frame["test_error"] / floor)
    _, values = cells(frame.assign(worse=worse), ["iteration"], "worse")
    return interval_of(np.mean, finite(values), rng)
