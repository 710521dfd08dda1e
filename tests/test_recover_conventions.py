"""The estimators keep scikit-learn's conventions: its own checks, on tables of any number of columns."""

import warnings

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from algoreg.recover import LowRankMatrixRegressor, MatrixCompleter, QuadraticRegressor

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


# What scikit-learn asks of parameters, tags, and the refusal of input that no estimator takes.
WITHOUT_INPUT = {
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_mixin_order",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_complex_data",
    "check_fit1d",
}
# Of an estimator that takes strings, as StateRegressor, it checks cloning alone.
OTHERS = [
    LowRankMatrixRegressor(max_iter=20),
    LowRankMatrixRegressor(kind="symmetric", max_iter=20),
    MatrixCompleter(max_iter=20),
]


@pytest.mark.parametrize("estimator", OTHERS, ids=str)
def test_scikit_learn_agrees_where_its_checks_need_no_input_of_the_kind(estimator):
    ran = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one, check in estimator_checks_generator(estimator):
            if (name := getattr(check, "func", check).__name__) in WITHOUT_INPUT:
                check(one)
                ran.add(name)
    assert ran == WITHOUT_INPUT
