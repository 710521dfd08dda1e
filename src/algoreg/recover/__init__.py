"""Recover a matrix from your own measurements: estimators with scikit-learn's interface, and ``algoreg recover``.

>>> from algoreg.recover import LowRankMatrixRegressor, MatrixCompleter, QuadraticRegressor, StateRegressor
"""

from importlib import import_module
from typing import Any

_MODULES = {
    "LowRankImputer": "imputation",
    "LowRankMatrixRegressor": "matrix",
    "MatrixCompleter": "completion",
    "QuadraticRegressor": "quadratic",
    "StateRegressor": "states",
    "expectations_from_counts": "io.pauli_data",
    "expectations_from_shots": "io.pauli_data",
    "fidelity": "states",
    "purity": "states",
}
__all__ = [
    "LowRankImputer",
    "LowRankMatrixRegressor",
    "MatrixCompleter",
    "QuadraticRegressor",
    "StateRegressor",
    "expectations_from_counts",
    "expectations_from_shots",
    "fidelity",
    "purity",
]


def __getattr__(name: str) -> Any:
    # Imported on first access, because the modules load torch and scikit-learn.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
