"""Fill gaps in scikit-learn's tables by ours and by its imputers: python benchmarks/peers/imputation.py."""

import common
import numpy as np
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

from algoreg.recover import LowRankImputer

TABLES = {"wine": load_wine, "iris": load_iris, "diabetes": load_diabetes}


def by(imputer):
    """Return a method that fills a table whose columns are standardised by their known numbers."""
    return lambda holes: imputer.fit_transform(holes)


METHODS = {
    "ours": by(LowRankImputer()),
    "KNNImputer": by(KNNImputer()),
    "IterativeImputer": by(IterativeImputer()),
    "SimpleImputer": by(SimpleImputer()),
}


def problem(load, share):
    """Return a table with gaps, whose error is in standard deviations of the columns."""

    def drawn(seed):
        table = load().data
        gone = np.random.default_rng(seed).random(table.shape) < share
        known = np.where(gone, np.nan, table)
        table = (table - np.nanmean(known, axis=0)) / np.nanstd(known, axis=0)
        return (np.where(gone, np.nan, table),), lambda found: float(np.sqrt(np.mean((found - table)[gone] ** 2)))

    return drawn


def main():
    """Return the section."""
    problems = [
        (f"{name}, {share:.0%} removed", METHODS, problem(load, share))
        for name, load in TABLES.items()
        for share in (0.1, 0.3, 0.6)
    ]
    return "## Tables with gaps\n\n" + common.table(problems, "error of the gaps")


if __name__ == "__main__":
    print(main())
