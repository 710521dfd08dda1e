"""What ``algoreg recover`` reads, and which estimator each kind of file goes to."""

from pathlib import Path
from typing import Any

import numpy as np

from algoreg.store import measurement_files

ESTIMATORS = {
    "matrices": "LowRankMatrixRegressor",
    "entries": "MatrixCompleter",
    "table": "QuadraticRegressor",
    "pauli": "StateRegressor",
}


def read(path: Path, target: str | None) -> tuple[str, Any, np.ndarray, dict[str, Any]]:
    """Return the estimator's name, X, y and what else ``fit`` takes of a file.

    Raises
    ------
    ValueError
        See :func:`algoreg.store.measurement_files.read`.
    """
    found = measurement_files.read(path, target)
    return ESTIMATORS[found.kind], found.X, found.y, {} if found.shots is None else {"shots": found.shots}
