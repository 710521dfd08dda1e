"""The axes and columns of tables: what tells runs apart, the paper's iterations and ours,
and which of them are recorded.
"""

# One iteration of the paper's figures moves gradient flow by this much: its step 0.0025 on the gradient of
# (1/m) Σ (·)² in U, which is 4·M·U, is 0.01 in M-form. Tier files speak of the paper's steps and iterations; a tier's
# ``step_factor`` says how much larger the steps are that really run, and how many fewer. Iterations in tables are the
# paper's.
PAPER_STEP = 0.01
# Where an experiment tabulates the end of each run, whenever that was.
END = "end"
# The keys of an experiment that keep only runs with one of the listed values.
SELECTORS = ("alpha", "m_over_d")
# What every row of an experiment's table has, in this order.
FIXED = ("target", "ensemble", "train_error", "test_error", "status")
REST = ("d", "rank", "m", "alpha", "step", "iteration", "own_iteration")


def columns(experiment):
    """Return the columns of an experiment's table: what names a point, the run, its errors and status, the rest.

    A table of the runs' ends also has their length, ``iterations``, before the status.
    """
    by, rest = experiment["by"], list(REST)
    fixed = list(FIXED)
    if experiment.get("hold_out_error"):
        fixed.insert(-1, "hold_out_error")
    if experiment["paper_iterations"] == END:
        fixed.insert(-1, "iterations")
        rest = [name for name in REST if name != "iteration"]
    return [*by, *fixed, *(name for name in rest if name not in by)]


def held_out(share, m):
    """Return how many of m measurements a share to hold out stands for."""
    return round(share * m)


def known_measurements(problem):
    """Return how many measurements a problem's runs know unless they say fewer: all that are not held out."""
    return problem["m"] - held_out(problem.get("hold_out", 0), problem["m"])


def paper_iterations(experiment):
    """Return the iterations of the paper's figure that an experiment tabulates, as a list; none for ``end``."""
    points = experiment["paper_iterations"]
    if points == END:
        return []
    if isinstance(points, dict):
        return list(range(points["from"], points["to"] + 1, points["every"]))
    return points


def own_iteration(paper_iteration, run):
    """Return the iteration at which a run has the η·t that the paper's has at ``paper_iteration``.

    The run's ``step_factor`` says how many of the paper's iterations one of its own stands for.
    """
    return paper_iteration // run["step_factor"]


def as_paper_iteration(own, run):
    """Return the paper's iteration that has the η·t of a run's iteration ``own``; see :func:`own_iteration`."""
    return own * run["step_factor"]


def facts(problem, algorithm, run):
    """Return what a run is told apart by in tables: sizes, ``m_over_d``, ``method`` and its own settings."""
    ratio = run["m"] / problem["d"]
    return {
        **{key: problem[key] for key in ("d", "rank")},
        "m_over_d": int(ratio) if ratio.is_integer() else ratio,
        "method": algorithm,
        **run,
    }


def selects(experiment, run_facts):
    """Return whether an experiment collects a run: what it has of ``SELECTORS`` is among the values listed.

    A run that has no such key (projected descent has no α) is collected.
    """
    return all(run_facts[key] in experiment[key] for key in SELECTORS if key in experiment and key in run_facts)


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
