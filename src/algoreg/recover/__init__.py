"""Recovery of a matrix from measurements of one's own: estimators in scikit-learn's conventions,
and ``algoreg recover``.

>>> from algoreg.recover import LowRankMatrixRegressor, MatrixCompleter, QuadraticRegressor, StateRegressor
"""

from importlib import import_module
from typing import Any

_MODULES = {
    "LowRankMatrixRegressor": "matrix",
    "MatrixCompleter": "completion",
    "QuadraticRegressor": "quadratic",
    "StateRegressor": "states",
}
__all__ = ["LowRankMatrixRegressor", "MatrixCompleter", "QuadraticRegressor", "StateRegressor"]


def __getattr__(name: str) -> Any:
    # Not before they are asked for: they load torch and scikit-learn.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
