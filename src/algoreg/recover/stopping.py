"""How a fit stops, and which measurements are held out for that."""

import numpy as np

from algoreg.recover.plan import Plan, refuse_unlisted

# If fewer measurements than this would be held out, folds are better: they hold out each measurement once.
SMALL_HOLD_OUT, LEAST_HOLD_OUT = 30, 5
STOPS = ("auto", "hold-out", "folds", "noise", "budget")


def chosen_stop(plan: Plan, m: int) -> tuple[str, list[str]]:
    """Return how a fit of m measurements stops, and warnings about that.

    Raises
    ------
    ValueError
        If the rule is unknown, or needs a noise that is not given or more measurements.
    """
    refuse_unlisted("stop", plan.stop, STOPS)
    if plan.stop == "noise" and plan.noise is None:
        raise ValueError("stop = noise: give noise, the standard deviation of the noise in the observations")
    if plan.stop == "folds" and not 2 <= plan.folds <= m:
        raise ValueError(f"folds = {plan.folds}: allowed is a whole number from 2 to the {m} measurements")
    if plan.stop == "auto" and plan.noise is not None:
        return "noise", []
    if plan.stop not in ("auto", "hold-out"):
        return plan.stop, []
    held = round(plan.hold_out * m)
    if plan.stop == "auto" and held < SMALL_HOLD_OUT and m >= 2 * plan.folds:
        return "folds", []
    if held < LEAST_HOLD_OUT or held >= m:
        size = "small" if held < m else "large"
        return "budget", [f"hold-out too {size}: {held} of {m} measurements; the fit ran to the end of its budget"]
    return "hold-out", []


def split(stop: str, m: int, plan: Plan) -> list[tuple[np.ndarray | None, np.ndarray | None]]:
    """Return the (seen, held out) indices of every fit; None for all, and for none."""
    order = np.random.default_rng(plan.seed).permutation(m)
    if stop == "hold-out":
        held = round(plan.hold_out * m)
        return [(np.sort(order[held:]), np.sort(order[:held]))]
    if stop == "folds":
        parts = np.array_split(order, plan.folds)
        return [(np.setdiff1d(order, part), np.sort(part)) for part in parts]
    return [(None, None)]
