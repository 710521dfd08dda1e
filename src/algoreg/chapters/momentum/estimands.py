"""What the claims about momentum measure beside means and exponents: speed-ups against those of a published figure."""

import numpy as np

from algoreg.claims.cells import cells, chosen, positive
from algoreg.claims.estimands import estimand
from algoreg.claims.intervals import as_factor, interval_of


def published_speed_ups(curve):
    """Return the iterations at μ = 0 over those at every other μ of a published curve, by μ: a mapping."""
    frame = curve.set_index("momentum")["value"]
    return {momentum: frame[0] / value for momentum, value in frame.items() if momentum > 0}


@estimand("factor between our mean speed-up by momentum at the step {step:g} and the published one, the largest over μ")
def speed_up_factor(tables, published, rng, *, table, figure, step):
    """Return exp of the largest over μ of |log(our geometric mean speed-up / the published one)|.

    Raises
    ------
    ValueError
        If a published μ is not in the table.
    """
    goals = published_speed_ups(published[figure])
    frame = chosen(tables[table], {"step": step, "momentum": list(goals)})
    names, values = cells(frame, ["momentum"], "speed_up")
    if len(names) < len(goals):
        raise ValueError(f"table {table} has μ = {names}, published are {sorted(goals)}")
    logs = np.log(positive(values)) - np.log([goals[momentum] for momentum in sorted(goals)])[:, None, None]
    return as_factor(interval_of(lambda part: np.abs(part.mean(axis=(1, 2))).max(), logs, rng))
