"""What the claims about positivity measure: thresholds of uniqueness, room beyond descent,
factors to statistical dimensions.
"""

import numpy as np

from algoreg.claims.cells import cells_along, chosen, finite, paired_logs
from algoreg.claims.estimands import estimand
from algoreg.claims.exponents import refuse_few
from algoreg.claims.intervals import UNDEFINED, as_factor, interval_of
from algoreg.claims.thresholds import Thresholds, exponent_of, find_thresholds, last_fall
from algoreg.numerics.theory import psd_statistical_dimension, trace_statistical_dimension

# A decided run farther from X* is at another solution; what has landed on X* is nearer by decades.
ANOTHER = 1e-3
DIMENSIONS = {"positivity": psd_statistical_dimension, "least trace": trace_statistical_dimension}


def uniqueness_thresholds(frame) -> Thresholds:
    """Return the numbers of measurements from which on X* is the only PSD matrix that fits, by d.

    Rows are of the method ``far`` and of one kind. It is half way, in log m, between the last m at which another matrix
    was found and the next one at which the far point landed on X*. Undecided runs (``budget``) say neither, and are
    passed over.
    """
    found = {}
    for d, own in frame.groupby("d"):
        counts, distances = cells_along(own, "m", "distance")
        _, decided = cells_along(own.assign(decided=own["status"] == "converged"), "m", "decided")
        places = np.log(counts)
        logs, sides = np.zeros(distances.shape[1:]), np.zeros(distances.shape[1:], dtype=int)
        for place in np.ndindex(logs.shape):
            said = decided[(slice(None), *place)].astype(bool)
            if not said.any():
                raise ValueError(f"d = {d}: no run of a draw is decided")
            heights = np.where(finite(distances[(said, *place)]) > ANOTHER, 1.0, -1.0)
            logs[place], sides[place] = last_fall(places[said], heights, 0.0)
        found[d] = logs, sides
    logs, sides = (np.stack(part) for part in zip(*found.values(), strict=True))
    return Thresholds(np.array(list(found), float), logs, sides)


@estimand("exponent in d of the m from which on X* is the only positive semidefinite matrix that fits, {kind}")
def uniqueness_exponent(tables, published, rng, *, table, kind):
    """Return the exponent in d of the thresholds of a kind of measurements; see :func:`uniqueness_thresholds`."""
    frame = chosen(tables[table], {"kind": kind, "method": "far"})
    refuse_few(frame["d"].unique(), "d", table)
    return exponent_of(uniqueness_thresholds(frame), rng)


@estimand("mean over runs of log10 of {value} of {method} over that of {against}, the smallest over {by}")
def smallest_log_ratio(tables, published, rng, *, table, value, method, against, by, where=None):
    """Return the smallest mean over runs of log10(value of ``method`` / value of ``against``) among the points named by
    ``by``.
    """
    frame = chosen(tables[table], where)
    parts = [chosen(frame, {"method": name}) for name in (method, against)]
    return interval_of(lambda part: part.mean(axis=(1, 2)).min(), paired_logs(parts, by, value), rng)


@estimand("factor between m* and the statistical dimension of {dimension}, the largest over d and r")
def factor_to_dimension(tables, published, rng, *, table, dimension, tolerance):
    """Return exp of the largest |mean over runs of log(m*/dimension)| over d and r,
    m* where the error falls through a tolerance.

    Undefined where fewer than half of the m* of some size lie on the grid.
    """
    frame = tables[table]
    logs = []
    for rank, part in frame.groupby("rank"):
        found = find_thresholds(part, "d", tolerance)
        if not found.each_on_grid:
            return UNDEFINED
        predicted = [DIMENSIONS[dimension](int(d), int(rank)) for d in found.sizes]
        logs.append(found.logs - np.log(predicted)[:, None, None])
    return as_factor(interval_of(lambda part: np.abs(part.mean(axis=(1, 2))).max(), np.concatenate(logs), rng))
