"""Iterations: the paper's, ours, and which of them are recorded."""

# One iteration of the paper's figures moves gradient flow by this much: its step 0.0025 on the gradient of
# (1/m) Σ (·)² in U, which is 4·M·U, is 0.01 in M-form. Iterations in tables are η·t / PAPER_STEP.
PAPER_STEP = 0.01


def paper_iterations(experiment):
    """Return the iterations of the paper's figure that an experiment tabulates, as a list."""
    points = experiment["paper_iterations"]
    if isinstance(points, dict):
        return list(range(points["from"], points["to"] + 1, points["every"]))
    return points


def own_iteration(paper_iteration, step):
    """Return the iteration at which a run with this M-form step has the paper's η·t (see ``PAPER_STEP``)."""
    return round(paper_iteration * PAPER_STEP / step)


def recorded_iterations(grid, last):
    """Return the sorted iterations 0 … ``last`` that a recording grid names.

    Parameters
    ----------
    grid : mapping
        Any of ``every`` (a stride), ``log_spaced`` (how many points between 1 and ``last``), ``at`` (a list).
    last : int
        The end of the run, which is always recorded, as is 0.
    """
    points = {0, last}
    if "every" in grid:
        points.update(range(0, last + 1, grid["every"]))
    if "log_spaced" in grid:
        count = grid["log_spaced"]
        points.update(round(last ** (i / (count - 1))) for i in range(count))
    points.update(point for point in grid.get("at", ()) if point <= last)
    return sorted(points)
