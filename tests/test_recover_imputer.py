"""The imputer: a gap is the conditional mean of its column, and scikit-learn's checks hold."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from algoreg.recover import LowRankImputer


def gaps(seed=0):
    rng = np.random.default_rng(seed)
    table = 5 + 3 * rng.standard_normal((80, 2)) @ rng.standard_normal((2, 6))
    return table, np.where(rng.random(table.shape) < 0.25, np.nan, table)


def test_gaps_are_filled_and_known_numbers_stay():
    table, holes = gaps()
    filled = LowRankImputer().fit_transform(holes)
    known = ~np.isnan(holes)
    assert np.array_equal(filled[known], table[known])
    assert np.abs(filled - table)[~known].mean() < 0.1 * table.std()


def test_a_gap_is_the_conditional_mean_of_a_normal_law():
    _, holes = gaps(1)
    found = LowRankImputer().fit(holes)
    law = found.loadings_ * found.score_variance_ @ found.loadings_.T + found.noise_variance_ * np.eye(6)
    row = holes[np.isnan(holes).sum(axis=1) == 2][0]
    known = ~np.isnan(row)
    z = ((row - found.mean_) / found.scale_)[known]
    expected = law[np.ix_(~known, known)] @ np.linalg.solve(law[np.ix_(known, known)], z)
    expected = found.mean_[~known] + found.scale_[~known] * expected
    assert found.transform(row[None])[0][~known] == pytest.approx(expected, rel=1e-6)


def test_a_row_without_a_number_gets_the_columns_means_and_a_column_without_one_is_named():
    table, holes = gaps()
    found = LowRankImputer().fit(holes)
    assert found.transform(np.full((1, 6), np.nan))[0] == pytest.approx(np.nanmean(holes, axis=0))
    frame = pd.DataFrame(holes, columns=list("abcdef")).assign(d=np.nan)
    with pytest.raises(ValueError, match="X: column d has no number; 1 of 6 have none"):
        LowRankImputer().fit(frame)
    model = make_pipeline(LowRankImputer(), Ridge()).fit(holes, table[:, 0])
    assert model.score(holes, table[:, 0]) > 0.9


@parametrize_with_checks([LowRankImputer()])
def test_scikit_learn_agrees(estimator, check):
    check(estimator)
