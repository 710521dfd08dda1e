"""The estimators keep scikit-learn's conventions: its own checks, on tables of any number of columns."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from algoreg.recover import LowRankMatrixRegressor, QuadraticRegressor

# A rectangular matrix takes tables of any width: as the most square shape. psd and symmetric ones refuse all but d·d
# columns, and MatrixCompleter takes places of entries: scikit-learn's checks cannot make their input.
CHECKED = [
    LowRankMatrixRegressor(kind="rectangular", max_iter=300),
    LowRankMatrixRegressor(kind="symmetric", vectors=True, max_iter=300),
    QuadraticRegressor(max_iter=300),
]


def fails(estimator):
    # The check compares rows of weight 2 with rows that stand twice: other rows are held out then.
    return {"check_sample_weight_equivalence_on_dense_data": "what is held out is drawn by position"}


@parametrize_with_checks(CHECKED, expected_failed_checks=fails)
def test_scikit_learn_agrees(estimator, check):
    check(estimator)
