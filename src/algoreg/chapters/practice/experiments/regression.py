"""Quadratic regression on tables: a factored network without a rank beside ridge regression,
on rows that no fit has seen.
"""

from typing import Literal

import numpy as np
from pydantic import Field, PositiveInt
from sklearn.datasets import load_diabetes, load_wine
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from algoreg.algorithms import signed, unprojected
from algoreg.numerics.seeds import stream
from algoreg.recover.quadratic import QuadraticRegressor
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    data: Several[Literal["diabetes", "wine", "planted", "planted, full rank"]] = Field(
        ["diabetes", "wine", "planted", "planted, full rank"]
    )
    iterations: PositiveInt = 1000
    columns: int = Field(30, ge=4)


KEYS = {
    "data": (
        "`diabetes` and `wine` (proline from the other columns), which scikit-learn carries, `planted`: "
        "(aᵀx)² − (bᵀx)² and noise, or `planted, full rank`: xᵀGx and noise, G Gaussian"
    ),
    "method": "`factored` network, `matrix` (the same model without factors), `ridge` on all products of columns, or `linear` ridge",
    "ensemble": "number of the split in rows to fit and to test",
}
VALUES = {
    "rows": "rows that are fitted",
    "columns": "columns of the table",
    "score": ("R² of unseen rows", "R² on the rows that are not fitted"),
}
# Ridge chooses among these by generalised cross-validation.
PENALTIES = np.logspace(-2, 4, 13)
NOISE, PLANTED_ROWS, TEST_SHARE, HOLD_OUT, ALPHA = 0.3, 200, 0.2, 1 / 6, 0.1
# The modules are named here so that an edit of them reruns the experiment.
NETWORKS = {"factored": ("signed", signed), "matrix": ("unprojected", unprojected)}


def table(name, columns, seed, number):
    """Return (X, y, rows to fit) of a table, its rows in an order of this split's own."""
    generator = stream("table", kind=name, seed=seed, ensemble=number)
    if name.startswith("planted"):
        low = name == "planted"
        sides = generator.standard_normal((2 if low else columns, columns)) / np.sqrt(columns)
        x = generator.standard_normal((PLANTED_ROWS + 400, columns))
        clean = (x @ sides[0]) ** 2 - (x @ sides[1]) ** 2 if low else np.einsum("mi,ij,mj->m", x, sides, x)
        return x, clean / clean.std() + NOISE * generator.standard_normal(len(x)), PLANTED_ROWS
    x, y = (load_diabetes if name == "diabetes" else load_wine)(return_X_y=True)
    if name == "wine":
        x, y = x[:, :-1], x[:, -1]
    order = generator.permutation(len(y))
    return x[order], y[order], len(y) - round(TEST_SHARE * len(y))


def estimators(iterations, seed, device):
    """Return the estimator of every method."""
    own = {"alpha": ALPHA, "stop": "hold-out", "hold_out": HOLD_OUT, "max_iter": iterations}
    own |= {"random_state": seed, "device": device}
    products = (StandardScaler(), PolynomialFeatures(2, include_bias=False), StandardScaler())
    return {
        **{method: QuadraticRegressor(method=name, **own) for method, (name, _) in NETWORKS.items()},
        "ridge": make_pipeline(*products, RidgeCV(PENALTIES)),
        "linear": make_pipeline(StandardScaler(), RidgeCV(PENALTIES)),
    }


def measure(options, context, number, data):
    """Return one row per table, method and split: R² on a fifth of the rows,
    which no fit has seen (of planted ones, on 400 more).
    """
    x, y, fitted = table(data, options["columns"], context.seed, number)
    for method, estimator in estimators(options["iterations"], number, str(context.device)).items():
        score = float(estimator.fit(x[:fitted], y[:fitted]).score(x[fitted:], y[fitted:]))
        fixed = {"data": data, "method": method, "ensemble": number, "rows": fitted, "columns": x.shape[1]}
        yield {**fixed, "score": score, "status": "converged"}
