"""Noise, outliers and held-out labels of a problem: drawn from streams of their own,
recorded, and refused where they do not fit.
"""

import numpy as np
import pytest
import torch
from conftest import as_text, recorded_descents

from algoreg.experiments.descents import problem_of, recorded, recorded_batch, rows_of
from algoreg.numerics import problems
from algoreg.results import tables
from algoreg.settings import descent_checks, descents, selection
from algoreg.settings.messages import key
from algoreg.settings.messages import problems as found_in
from algoreg.settings.plan import experiment_options

PROBLEM = {
    "ensemble": "gaussian", "d": 6, "rank": 1, "m": 4000, "target": {"kind": "columns"}, "targets": 2,
}  # fmt: skip
SEED = 5


def labels(**keys):
    return problems.draw_problem({**PROBLEM, **keys}, SEED, 0)


def test_noise_has_the_size_asked_for_and_streams_of_its_own():
    clean, noisy = labels(), labels(label_noise=0.2)
    assert np.array_equal(clean["factors"], noisy["factors"])
    scale = np.sqrt(np.mean(clean["labels"] ** 2, axis=1))
    added = (noisy["labels"] - clean["labels"]) / scale[:, None]
    np.testing.assert_allclose(added.std(axis=1), 0.2, rtol=0.05)
    assert abs(np.corrcoef(added)[0, 1]) < 0.05
    np.testing.assert_allclose((labels(label_noise=0.1)["labels"] - clean["labels"]) / scale[:, None], added / 2)
    assert np.array_equal(labels(label_noise=0.0)["labels"], clean["labels"])


def test_outliers_hit_a_share_of_the_labels_and_no_others():
    clean, spoilt = labels(), labels(outliers={"share": 0.1, "size": 10.0})
    off = spoilt["labels"] - clean["labels"]
    np.testing.assert_allclose((off != 0).mean(axis=1), 0.1, atol=0.02)
    scale = np.sqrt(np.mean(clean["labels"] ** 2, axis=1))
    np.testing.assert_allclose([row[row != 0].std() for row in off], 10 * scale, rtol=0.1)


@pytest.mark.parametrize("ensemble", ["gaussian", "rank_one", "entries"])
def test_held_out_labels_have_an_error_of_their_own_and_no_influence(ensemble):
    run = {"step": 0.1, "iterations": 20, "alpha": 0.1, "start": "identity"}
    block = recorded_descents(ensemble=ensemble, m=20, hold_out=0.25, label_noise=0.1, runs=[run])
    options = experiment_options(block)
    problem = problem_of(options)
    assert descents.known_measurements(options) == 15
    arrays = problems.draw_problem(problem, SEED, 0)
    drawn = problems.regenerate_ensemble(problem, arrays, "cpu", torch.float64, "p.npz")
    runs = [{**run, "m": 15, "step_factor": 1, "target": target} for target in range(2)]
    record = {"errors": {"every": 10}}
    told = recorded(recorded_batch(drawn, arrays["factors"], arrays["labels"], "factored", runs, record, SEED, None, 5))
    plainly = recorded(recorded_batch(drawn, arrays["factors"], arrays["labels"], "factored", runs, record, SEED))
    assert np.array_equal(told["errors"][:, :4], plainly["errors"])
    assert plainly["errors"].shape[1] == 4
    changed = arrays["labels"].copy()
    changed[:, 15:] *= 3
    other = recorded(recorded_batch(drawn, arrays["factors"], changed, "factored", runs, record, SEED, None, 5))
    assert np.array_equal(other["errors"][:, :4], told["errors"][:, :4])
    assert (other["errors"][:, 4] != told["errors"][:, 4]).all()
    # At the start X = α²I.
    start = 0.01 * torch.eye(6, dtype=torch.float64)[None]
    seen = drawn.measure(start).numpy()[:, 15:]
    expected = np.linalg.norm(seen - arrays["labels"][:, 15:], axis=1) / np.linalg.norm(
        arrays["labels"][:, 15:], axis=1
    )
    np.testing.assert_allclose(told["errors"][:2, 4], expected)
    table = {"by": ["iteration"], "iterations": [0, 20], "select": ["one"], "hold_out_error": True}
    rows = tables.select(table, [as_text(rows_of(options, 0, runs, told))])
    np.testing.assert_allclose([float(row["hold_out_error"]) for row in rows[:2]], expected, rtol=1e-8)
    names = selection.columns(table)
    assert names.index("hold_out_error") == names.index("test_error") + 1
    assert "hold_out_error" not in selection.columns({**table, "hold_out_error": False})


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"label_noise": -0.1}, "label_noise = -0.1: Input should be greater than or equal to 0"),
        ({"outliers": {"share": 1.0, "size": 3.0}}, "share = 1.0"),
        ({"outliers": {"share": 0.1}}, "size"),
        ({"hold_out": 1.0}, "hold_out = 1.0: Input should be less than 1"),
        ({"hold_out": 1e-5}, "hold_out = 1e-05: allowed is a share that holds out 1 to 3999 of m = 4000"),
    ],
)
def test_what_a_problem_may_not_ask_for_is_named(keys, said):
    ((path, text),) = found_in(descents.Options, recorded_descents(**PROBLEM, **keys)["options"])
    assert said in f"{key(path)}{text}"


@pytest.mark.parametrize(
    ("keys", "key", "said"),
    [
        ({"ensemble": "gram", "label_noise": 0.1}, "ensemble", "label_noise needs single measurements"),
        ({"ensemble": "entries", "m": 22}, "m", "at most 21 with ensemble: entries at d = 6"),
        ({"ensemble": "entries", "m": 21}, None, None),
        ({"ensemble": "pauli", "m": 10}, "d", "a power of 2, from 2 to 4096, with ensemble: pauli"),
    ],
)
def test_what_an_ensemble_cannot_give_is_named(keys, key, said):
    size = {"m": 30, "runs": [{"alpha": 0.1, "step": 0.1, "iterations": 20}]}
    block = recorded_descents(**{**PROBLEM, **size, **keys})
    found = list(descent_checks.unfit(block, experiment_options(block), {"tier": "smoke", "dtype": "float64"}))
    assert [path[-1] for path, _ in found] == ([] if key is None else [key])
    assert key is None or said in found[0][1]
