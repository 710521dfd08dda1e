"""From recorded runs to tidy tables in the paper's units."""

import numpy as np

from algoreg.grids import own_iteration, paper_iterations

FIXED = ("target", "ensemble", "train_error", "test_error", "status")
REST = ("d", "rank", "m", "alpha", "step", "iteration", "own_iteration")


def columns(experiment):
    """Return the columns of an experiment's table: what names a point, the run, its errors and status, the rest."""
    by = experiment["by"]
    return [*by, *FIXED, *(name for name in REST if name not in by)]


def tabulate(experiment, descents):
    """Return an experiment's rows, ordered by point, target and ensemble.

    ``iteration`` counts the paper's iterations (η·t / 0.01), ``own_iteration`` ours. A run that diverged before an
    iteration has a row with empty errors and status ``diverged``.

    Parameters
    ----------
    experiment : mapping
        Its settings block.
    descents : list of (mapping, int, list of mapping, mapping of arrays)
        Problem, ensemble number, runs (with targets) and recorded arrays of each finished descent.

    Returns
    -------
    list of dict
    """
    rows = []
    for problem, ensemble, runs, arrays in descents:
        recorded = {(int(run), int(it)): (train, test) for run, it, train, test in arrays["errors"]}
        for number, run in enumerate(runs):
            if run.get("alpha") not in experiment.get("alpha", [run.get("alpha")]):
                continue
            for point in paper_iterations(experiment):
                own = own_iteration(point, run["step"])
                status = str(arrays["status"][number])
                if (number, own) not in recorded and status == "budget":
                    raise ValueError(f"iteration {own} of run {number} was not recorded: its record grid leaves it out")
                train, test = recorded.get((number, own), (np.nan, np.nan))
                rows.append(
                    {
                        **{key: problem[key] for key in ("d", "rank", "m")},
                        "alpha": run.get("alpha"),
                        "step": run["step"],
                        "iteration": point,
                        "own_iteration": own,
                        "target": run["target"],
                        "ensemble": ensemble,
                        "train_error": train,
                        "test_error": test,
                        "status": status,
                    }
                )
    order = [*experiment["by"], "target", "ensemble"]
    # Start sizes fall along the paper's axes; everything else rises.
    return sorted(rows, key=lambda row: [-row[key] if key == "alpha" else row[key] for key in order])
