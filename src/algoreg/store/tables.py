"""From recorded runs to tidy tables in the paper's units."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from algoreg.spec.grids import END, as_paper_iteration, facts, own_iteration, paper_iterations, selects


def tabulate(experiment: Mapping[str, Any], descents: Any) -> list[dict[str, Any]]:
    """Return an experiment's rows, ordered by point, target and ensemble.

    ``iteration`` and ``iterations`` count the paper's iterations (``step_factor`` of them in one of ours),
    ``own_iteration`` ours. A run that diverged before an iteration has a row with empty errors and status ``diverged``.

    Parameters
    ----------
    experiment : mapping
        Its settings block.
    descents : list of (mapping, str, int, list of mapping, mapping of arrays)
        Problem, algorithm, ensemble number, runs (with targets) and recorded arrays of each finished descent.

    Returns
    -------
    list of dict

    Raises
    ------
    ValueError
        If an iteration was not recorded.
    """
    rows = []
    for problem, algorithm, ensemble, runs, arrays in descents:
        recorded = {(int(run), int(it)): errors for run, it, *errors in arrays["errors"]}
        none = [np.nan] * (arrays["errors"].shape[1] - 2)
        for number, run in enumerate(runs):
            named = facts(problem, algorithm, run)
            if problem.get("own_targets"):
                named["target"] = ensemble
            if not selects(experiment, named):
                continue
            status, ended = str(arrays["status"][number]), int(arrays["ended"][number])
            if experiment["paper_iterations"] == END:
                points = [(as_paper_iteration(ended, run), ended)]
            else:
                points = [(point, own_iteration(point, run)) for point in paper_iterations(experiment)]
            for point, own in points:
                if (number, own) not in recorded and status == "budget":
                    raise ValueError(f"iteration {own} of run {number} was not recorded: its record grid leaves it out")
                train, test, *held_out = recorded.get((number, own), none)
                rows.append(
                    {
                        **named,
                        "alpha": run.get("alpha"),
                        "iteration": point,
                        "iterations": point,
                        "own_iteration": own,
                        "ensemble": ensemble,
                        "train_error": train,
                        "test_error": test,
                        "hold_out_error": held_out[0] if held_out else None,
                        "status": status,
                    }
                )
    order = [*experiment["by"], "target", "ensemble"]
    # Start sizes fall along the paper's axes; everything else rises.
    return sorted(rows, key=lambda row: [-row[key] if key == "alpha" else row[key] for key in order])
