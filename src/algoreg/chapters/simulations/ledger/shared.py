"""What the ledger's passages on the figures share: the change that a step makes, the distance from published points."""

import numpy as np

from algoreg.claims.cells import geometric_mean

AXIS_WORDS = {"method": "", "alpha": "α =", "m_over_d": "m/d =", "iteration": "iteration"}


def shifts(frame, unchanged, keys):
    """Return the rows of both frames' runs with ``shift``:
    by how many percent ``frame``'s test error is above ``own``'s.
    """
    both = frame.merge(unchanged, on=keys, suffixes=("", "_own"))
    return both.assign(shift=100 * (both["test_error"] / both["test_error_own"] - 1))


def fit(points):
    """Return how far published points lie from ours: mean and largest factor, where the largest is, points inside."""
    away = np.array([max(point["ratio"], 1 / point["ratio"]) for point in points])
    named = [name for name in ("method", "alpha", "m_over_d", "iteration") if name in points[0]]
    worst = points[int(away.argmax())]
    where = ", ".join(f"{AXIS_WORDS[name]} {worst[name]}".strip() for name in named)
    inside = f"{sum(bool(point['inside']) for point in points)} of {len(points)}"
    return [f"{geometric_mean(away):.3f}", f"{away.max():.3f}", where, inside]
