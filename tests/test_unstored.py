"""The ensemble that is drawn as it is asked for: its path against dense descents on the matrix that it might have had,
its law against that of an iid matrix, and what is refused.
"""

import numpy as np
import plain
import pytest
import torch
from conftest import recorded_descents, setting_problems, tier_settings
from test_methods import run_of

from algoreg import plugins
from algoreg.engine.checkpoint import Checkpoint
from algoreg.engine.experiment import Context
from algoreg.engine.loop import Batch, Descent
from algoreg.engine.observers import Ends, Observer
from algoreg.ensembles.unstored import Ensemble, bytes_of, smallest_tolerance
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.svec import svec
from algoreg.settings import options

D, M, RANK, SEED = 12, 70, 2, 5
LENGTH = D * (D + 1) // 2
FACTOR = draw_factor({"kind": "spectrum", "eigenvalues": [1.0, 0.5]}, D, RANK, SEED, 0)
TARGET = FACTOR @ FACTOR.T


def completed(drawn, seed=0):
    """Return a matrix that answers as the ensemble has: what it has not said is drawn from its law, shape (m, D)."""

    def rows_of(rows):
        return np.concatenate([block[: rows.count].double().numpy() for block in rows.blocks], axis=1)

    r, q_r = rows_of(drawn.forward_side.directions), rows_of(drawn.forward_side.products)
    left, left_q = rows_of(drawn.adjoint_side.directions), rows_of(drawn.adjoint_side.products)
    open_there = np.eye(drawn.m) - left.T @ left
    open_here = np.eye(r.shape[1]) - r.T @ r
    fresh = np.random.default_rng(seed).standard_normal((drawn.m, r.shape[1]))
    return q_r.T @ r + left.T @ left_q @ open_here + open_there @ fresh @ open_here


def descended(algorithm, tolerance=1e-13, storage="float64", **changes):
    """Return an ensemble that a descent has asked, and the descent's last estimate."""
    drawn = Ensemble.draw(D, M, SEED, 0, tolerance=tolerance, storage=storage)
    goal, ends = torch.from_numpy(TARGET)[None], Ends()
    run = run_of(algorithm, **{"m": M, "alpha": 0.3, "iterations": 60, **changes})
    Descent(Batch(drawn, plugins.algorithm(algorithm), [run], goal, drawn.label(goal), [ends], SEED)).run()
    return drawn, ends.memory["estimates"][0].numpy()


def dense(algorithm, matrices, labels):
    """Return X after the same steps on a stored ensemble, by the plain loop."""
    u = 0.3 * np.eye(D)
    if algorithm == "factored":
        u = plain.factored(u, matrices, labels, 0.1, 60)
    elif algorithm == "accelerated":
        u = plain.accelerated(u, matrices, labels, 0.1, 0.5, 60)
    elif algorithm == "preconditioned":
        u = plain.preconditioned(u[:, :3], matrices, labels, 0.1, lambda residual: 0.2 * residual, 60)
    else:
        return plain.projected(np.zeros((D, D)), matrices, labels, 0.1, 60)
    return u @ u.T


CHANGES = {
    "factored": {},
    "accelerated": {"momentum": 0.5},
    "projected": {},
    "preconditioned": {"start": "identity", "width": 3, "damping": "residual", "coefficient": 0.2},
}


@pytest.mark.parametrize("algorithm", CHANGES)
def test_the_path_is_that_of_a_dense_descent_on_a_matrix_of_the_conditional_law(algorithm):
    drawn, found = descended(algorithm, **CHANGES[algorithm])
    for seed in (0, 1):
        rows = completed(drawn, seed)
        expected = dense(algorithm, plain.unpack(rows, D), rows @ plain.pack(TARGET))
        assert np.linalg.norm(found - expected) < 1e-10 * np.linalg.norm(expected)


@pytest.mark.parametrize(("tolerance", "storage"), [(1e-2, "float64"), (1e-4, "float32"), (1e-6, "float32")])
def test_the_path_is_off_by_about_the_tolerance(tolerance, storage):
    drawn, found = descended("factored", tolerance, storage)
    rows = completed(drawn)
    expected = dense("factored", plain.unpack(rows, D), rows @ plain.pack(TARGET))
    assert np.linalg.norm(found - expected) < 10 * tolerance * np.linalg.norm(expected)
    # The most exact bases hold more directions.
    assert drawn.directions < descended("factored")[0].directions


class Given:
    """In place of a generator: the numbers of a given vector, one after the other."""

    def __init__(self, numbers):
        self.numbers, self.used = numbers, 0

    def standard_normal(self, count):
        self.used += count
        return self.numbers[self.used - count : self.used]


@pytest.mark.parametrize("order", ["fffaaa", "aaafff", "fafafa", "affafa", "ffaffaffa"])
def test_answers_in_any_order_have_the_covariance_of_an_iid_matrix(order):
    """Answers are linear in the numbers that are drawn, which are independent: their covariance is known exactly."""
    d, m, length = 2, 4, 3
    rng = np.random.default_rng(len(order))
    asked = [rng.standard_normal(length if side == "f" else m) for side in order]

    def answers(numbers):
        drawn = Ensemble(Given(numbers), d, m)
        given = zip(order, asked, strict=True)
        return np.concatenate(
            [(drawn.forward if side == "f" else drawn.adjoint)(torch.from_numpy(x)).numpy() for side, x in given]
        )

    most = len(order) * max(m, length)
    found = np.stack([answers(unit) for unit in np.eye(most)])
    # Of the entries of Q, by hand: Qx = (I ⊗ xᵀ) vec Q, Qᵀr = (rᵀ ⊗ I) vec Q.
    maps = [
        np.kron(np.eye(m), x) if side == "f" else np.kron(x, np.eye(length))
        for side, x in zip(order, asked, strict=True)
    ]
    expected = np.concatenate(maps)
    np.testing.assert_allclose(found.T @ found, expected @ expected.T, atol=1e-12)


def test_answers_to_questions_that_depend_on_answers_have_the_moments_of_an_iid_matrix():
    """E QᵀQx = mx and E|QᵀQx|² = m(m + D + 1)|x|²; a second question that is an answer: E|QQᵀQx|² by dense draws."""
    d, m, length, count = 2, 3, 3, 4000
    x = torch.tensor([1.0, 0.5, -0.2], dtype=torch.float64)
    found, dense_draws, rng = [], [], np.random.default_rng(1)
    for number in range(count):
        drawn = Ensemble.draw(d, m, SEED, number)
        pulled = drawn.adjoint(drawn.forward(x))
        found.append(
            [*pulled.tolist(), pulled.square().sum().item(), drawn.forward(pulled).square().sum().log().item()]
        )
        q = rng.standard_normal((m, length))
        dense_draws.append(np.log(np.square(q @ q.T @ q @ x.numpy()).sum()))
    found, square = np.array(found), float(x @ x)
    error = found.std(axis=0) / count**0.5
    expected = [*(m * x).tolist(), m * (m + length + 1) * square, np.mean(dense_draws)]
    error[-1] *= 2**0.5
    assert (np.abs(found.mean(axis=0) - expected) < 4 * error).all()


def test_the_same_question_has_the_same_answer_and_errors_are_those_of_the_answers():
    drawn, found = descended("factored")
    x, labels = torch.from_numpy(found)[None], drawn.label(torch.from_numpy(TARGET)[None])
    residual, measured = drawn.forward(svec(x)[0] - labels[0]), drawn.forward(labels[0])
    torch.testing.assert_close(drawn.forward(labels[0]), measured, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(drawn.train_error(x, labels)[0], residual.norm() / measured.norm(), rtol=1e-9, atol=0)
    torch.testing.assert_close(drawn.label_size(labels)[0], measured.norm() / M**0.5, rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    ("tolerance", "storage"),
    [(1e-8, "float32"), (1e-7, "float32"), (1e-15, "float64"), (0.2, "float64"), (0.0, "float64")],
)
def test_a_tolerance_below_the_precision_of_what_is_stored_is_refused(tolerance, storage):
    with pytest.raises(ValueError, match=f"tolerance = {tolerance:g}: allowed is .* storage: {storage}"):
        Ensemble.draw(D, M, SEED, 0, tolerance=tolerance, storage=storage)
    Ensemble.draw(D, M, SEED, 0, tolerance=smallest_tolerance(storage), storage=storage)


def test_bases_that_outgrow_their_memory_end_the_descent_with_what_to_change():
    memory = bytes_of(D, M, 5, "float64")
    drawn = Ensemble.draw(D, M, SEED, 0, memory=memory)
    units = torch.eye(LENGTH, dtype=torch.float64)
    for number in range(5):
        drawn.forward(units[number])
        drawn.adjoint(units[number, :M])
    drawn.forward(units[5])
    with pytest.raises(MemoryError, match=f"the bases of d = {D} hold 6 directions, .* a larger tolerance or fewer"):
        drawn.forward(units[6])
    assert drawn.bytes > memory


def test_what_it_does_not_provide_is_refused_by_name():
    for algorithm, lacking in {
        "stochastic": ["single measurements"],
        "least_trace": ["single measurements"],
        "quadratic": ["single measurements", "truncation"],
        "asymmetric": ["rectangular gradient", "rectangular matrices"],
    }.items():
        assert options.lacks(algorithm, "unstored") == lacking
    with pytest.raises(ValueError, match="does not contain prefixes"):
        Ensemble.draw(D, M, SEED, 0).shared_by([M, M - 1])
    content = tier_settings("smoke")
    content["experiments"]["mine"] = recorded_descents(ensemble="unstored")
    (said,) = setting_problems(content)
    assert "unstored: recorded descents need a digest of their matrix, which it does not provide" in said


class Killed(Observer):
    """Ends its job at an iteration, once."""

    stride, armed = 5, True

    def observe(self, snapshot):
        if self.armed and snapshot.iteration == 20:
            raise KeyboardInterrupt


def test_a_killed_descent_begins_again_and_has_the_same_bits(tmp_path):
    def end(checkpoint, armed):
        ends, killed = Ends(), Killed()
        killed.armed = armed
        context = Context(SEED, [0], torch.device("cpu"), torch.float64, lambda line: None, checkpoint)
        drawn, goal = context.draw(Ensemble, D, M, 0, tolerance=1e-4), torch.from_numpy(TARGET)[None]
        run = run_of("factored", m=M, iterations=40)
        context.run(drawn, plugins.algorithm("factored"), [run], goal, [ends, killed])
        return ends.memory["estimates"]

    whole = end(Checkpoint(), armed=False)
    with pytest.raises(KeyboardInterrupt):
        end(Checkpoint(tmp_path / "c.npz", "job"), armed=True)
    assert torch.equal(end(Checkpoint(tmp_path / "c.npz", "job"), armed=False), whole)
