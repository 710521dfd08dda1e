import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from algoreg.ensembles.gaussian import BLOCK_ROWS, Ensemble
from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import smat, svec
from algoreg.numerics.theory import symmetric_dimension


def symmetric(d, count, seed):
    matrices = torch.from_numpy(np.random.default_rng(seed).standard_normal((count, d, d)))
    return matrices + matrices.mT


sizes = st.integers(1, 9)
seeds = st.integers(0, 2**31)


@given(sizes, seeds)
def test_svec_is_an_isometry_and_smat_its_inverse(d, seed):
    a, b = symmetric(d, 2, seed)
    torch.testing.assert_close(svec(a) @ svec(b), (a * b).sum(), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(smat(svec(a), d), a, rtol=1e-15, atol=1e-15)


def test_smat_refuses_a_wrong_length():
    with pytest.raises(ValueError, match="6 packed entries, not 5"):
        smat(torch.zeros(5), 3)


@settings(max_examples=30)
@given(sizes, st.integers(1, 2 * BLOCK_ROWS + 5), seeds)
def test_adjointness_and_the_one_pass_gradient_against_einsum(d, m, seed):
    ensemble = Ensemble.draw(d, m, seed, 0)
    x = symmetric(d, 2, seed)
    full = smat(ensemble.rows, d)
    measured = torch.einsum("mij,bij->bm", full, x)
    torch.testing.assert_close(ensemble.measure(x), measured, rtol=1e-10, atol=1e-10)
    w = torch.from_numpy(np.random.default_rng(seed + 1).standard_normal((2, m)))
    left, right = (ensemble.measure(x) * w).sum(), (x * ensemble.adjoint(w)).sum()
    torch.testing.assert_close(left, right, rtol=1e-10, atol=1e-9)
    gradient = torch.einsum("bm,mij->bij", measured - w, full) / m
    torch.testing.assert_close(ensemble.gradient(x, w), gradient, rtol=1e-10, atol=1e-10)


def test_packing_is_the_papers_model():
    """⟨A, X⟩ of a full iid matrix and of the packed row have one law: equal variance on every basis matrix."""
    d = 3
    rows = Ensemble.draw(d, 40_000, 1, 0).rows
    x = symmetric(d, 1, 2)
    variance = (rows @ svec(x[0])).var()
    assert abs(variance / (x**2).sum() - 1) < 5 * np.sqrt(2 / 40_000)


def test_factored_gradient_is_a_quarter_of_autograds():
    """autograd of (1/m) Σ (·)² gives 4·M·U: the published step 0.0025 is 0.01 in M-form."""
    ensemble = Ensemble.draw(6, 40, 3, 0)
    labels = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 40)))
    u = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 6, 6))).requires_grad_()
    loss = ((torch.einsum("mij,bij->bm", smat(ensemble.rows, 6), u @ u.mT) - labels) ** 2).mean()
    loss.backward()
    torch.testing.assert_close(4 * ensemble.factored_gradient(u.detach(), labels), u.grad, rtol=1e-11, atol=1e-11)


@settings(max_examples=20)
@given(st.integers(1, 300), st.integers(1, 300))
def test_more_measurements_extend_a_stream(short, long):
    short, long = sorted((short, long))
    a, b = Ensemble.draw(4, short, 7, 1), Ensemble.draw(4, long, 7, 1)
    assert torch.equal(a.rows, b.rows[:short])


def test_cast_keeps_the_digest_and_streams_are_told_apart():
    double, single = Ensemble.draw(4, 9, 7, 1), Ensemble.draw(4, 9, 7, 1, dtype=torch.float32)
    assert double.digest == single.digest
    assert torch.equal(double.rows.float(), single.rows)
    others = {Ensemble.draw(4, 9, s, e).digest for s, e in ((7, 1), (7, 2), (8, 1))}
    assert len(others) == 3


def test_streams_do_not_depend_on_order_and_refuse_unstable_axes():
    first = stream("x", a=1, b=2).standard_normal(3)
    stream("y", a=1).standard_normal(100)
    assert np.array_equal(first, stream("x", b=2, a=1).standard_normal(3))
    assert not np.array_equal(first, stream("x", a=2, b=1).standard_normal(3))
    with pytest.raises(TypeError, match="axis a"):
        stream("x", a=np.int64(1))


def test_rows_of_a_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="10 columns"):
        Ensemble(torch.zeros(3, symmetric_dimension(5)), 4)


@pytest.mark.gpu
def test_gpu_agrees_with_cpu():
    cpu, gpu = Ensemble.draw(8, 300, 1, 0), Ensemble.draw(8, 300, 1, 0, device="cuda")
    x, w = symmetric(8, 2, 0), torch.zeros(2, 300, dtype=torch.float64)
    torch.testing.assert_close(cpu.gradient(x, w), gpu.gradient(x.cuda(), w.cuda()).cpu(), rtol=1e-11, atol=1e-11)
