"""What the claim of this chapter is judged by."""

from algoreg.claims.cells import log_cells
from algoreg.claims.estimands import estimand
from algoreg.claims.intervals import crossed_interval


@estimand("decades of test error between the largest and the smallest α, at iteration {iteration}")
def mychapter_gain(tables, published, rng, *, table, iteration):
    """Return the mean of log10(error(largest α)/error(smallest α)) over targets and ensembles."""
    frame = tables[table]
    # By α, which rises.
    _, logs = log_cells(frame[frame["iteration"] == iteration], "alpha", "test_error")
    gain = logs[-1] - logs[0]
    return crossed_interval(lambda targets, ensembles: gain[targets][:, ensembles].mean(), *gain.shape, rng)
