"""What the claims about Frank–Wolfe measure: one method's error or threshold over another's,
bytes where sockets are allowed.
"""

import numpy as np

from algoreg.claims.cells import chosen, paired_logs
from algoreg.claims.estimands import estimand, exponent
from algoreg.claims.intervals import UNDEFINED, exp_of, interval_of
from algoreg.claims.judging import NotMeasured
from algoreg.claims.thresholds import find_thresholds


@estimand(
    "mean over runs of log10 of the error of {method} over that of {against}, at {trace_factor:g} times the trace"
)
def error_ratio(tables, published, rng, *, table, method, against, trace_factor):
    """Return the mean over runs of log10(test error of ``method`` / that of ``against``) at one θ,
    on the same draws.
    """
    frame = chosen(tables[table], {"trace_factor": trace_factor})
    parts = [chosen(frame, {"method": name}) for name in (method, against)]
    return interval_of(np.mean, paired_logs(parts, ["trace_factor"], "test_error"), rng)


@estimand("examples needed of {method}, told {trace_factor:g} times the trace, over those of {against}, geometric mean")
def ratio_of_examples(tables, published, rng, *, table, method, against, trace_factor, tolerance):
    """Return the geometric mean over runs of m* of one method over that of another, which is told the trace itself.

    m* is where the error falls through a tolerance for good. One off the grid of m counts as its end there; undefined
    where more than half of the other's are.
    """
    parts = [
        chosen(tables[table], {"method": name, "trace_factor": told})
        for name, told in ((method, trace_factor), (against, 1))
    ]
    first, second = (find_thresholds(part, "d", tolerance) for part in parts)
    if not second.on_grid:
        return UNDEFINED
    return exp_of(interval_of(np.mean, first.logs - second.logs, rng))


@estimand("exponent of {value} in {along}")
def exponent_of_messages(tables, published, rng, *, table, value, along, where=None):
    """Return the exponent of what was sent; see :func:`algoreg.claims.estimands.exponent`.

    Raises
    ------
    NotMeasured
        If the machine allowed no sockets.
    """
    if (tables[table]["sockets"] != 1).any():
        raise NotMeasured("the machine allows no sockets, so that nothing was sent")
    return exponent(tables, published, rng, table=table, value=value, along=along, where=where)
