import subprocess
import sys

import numpy as np
import plain
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from algoreg.algorithms import stochastic
from algoreg.ensembles import rank_one, rank_one_pairs
from algoreg.ensembles.rank_one import BLOCK_ROWS
from algoreg.experiments.descents import recorded, recorded_batch
from algoreg.numerics import problems
from algoreg.settings import options

KINDS = {"rank_one": rank_one.Ensemble, "rank_one_pairs": rank_one_pairs.Ensemble}
D, M, SEED = 6, 70, 5

kinds = pytest.mark.parametrize("kind", KINDS)
sizes, widths, seeds = st.integers(1, 9), st.integers(1, 4), st.integers(0, 2**31)


def normal(seed, *shape):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def symmetric(d, count, seed):
    matrices = normal(seed, count, d, d)
    return matrices + matrices.mT


def full(ensemble):
    """All measurement matrices, as the ensemble itself must never make them."""
    y = ensemble.vectors if ensemble.partners is None else ensemble.partners
    products = torch.einsum("mi,mj->mij", ensemble.vectors, y)
    return (products + products.mT) / 2


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-9)


@kinds
@settings(max_examples=25)
@given(d=sizes, m=st.integers(1, 2 * BLOCK_ROWS + 5), width=widths, seed=seeds)
def test_everything_against_einsum_with_full_matrices(kind, d, m, width, seed):
    ensemble = KINDS[kind].draw(d, m, seed, 0)
    matrices, x, w = full(ensemble), symmetric(d, 2, seed), normal(seed + 1, 2, m)
    measured = torch.einsum("mij,bij->bm", matrices, x)
    close(ensemble.measure(x), measured)
    close(ensemble.label(x), measured)
    close(ensemble.train_error(x, w), (measured - w).norm(dim=1) / w.norm(dim=1))
    close(ensemble.adjoint(w), torch.einsum("bm,mij->bij", w, matrices))
    close((ensemble.measure(x) * w).sum(), (x * ensemble.adjoint(w)).sum())
    close(ensemble.gradient(x, w), torch.einsum("bm,mij->bij", measured - w, matrices) / m)
    u = normal(seed + 2, 2, d, width)
    residual = torch.einsum("mij,bik,bjk->bm", matrices, u, u) - w
    close(ensemble.factored_gradient(u, w), torch.einsum("bm,mij,bjk->bik", residual, matrices, u) / m)


@kinds
def test_the_gradient_is_exactly_symmetric(kind):
    ensemble = KINDS[kind].draw(D, M, SEED, 0, dtype=torch.float32)
    gradient = ensemble.gradient(symmetric(D, 3, 1).float(), normal(2, 3, M).float())
    assert torch.equal(gradient, gradient.mT)


@kinds
@pytest.mark.parametrize("width", [1, D])
def test_factored_gradient_is_a_quarter_of_autograds(kind, width):
    """autograd of (1/m) Σ (·)² gives 4·M·U, whichever way the width makes the products go."""
    ensemble, labels = KINDS[kind].draw(D, M, SEED, 0), normal(0, 1, M)
    u = normal(1, 1, D, width).requires_grad_()
    ((torch.einsum("mij,bij->bm", full(ensemble), u @ u.mT) - labels) ** 2).mean().backward()
    close(4 * ensemble.factored_gradient(u.detach(), labels), u.grad)


def test_laws_of_the_measurements():
    """⟨x xᵀ, X⟩ has mean tr X and variance 2|X|²; with independent partners they are 0 and |X|²."""
    x, m = symmetric(4, 1, 2), 40_000
    trace, square = x[0].trace(), (x**2).sum()
    for kind, mean, variance in (("rank_one", trace, 2 * square), ("rank_one_pairs", 0, square)):
        measured = KINDS[kind].draw(4, m, SEED, 0).measure(x)
        assert abs(measured.mean() - mean) < 5 * (variance / m).sqrt()
        # The fourth moment of a product of Gaussians is below 60 times the square of its variance.
        assert abs(measured.var() / variance - 1) < 5 * np.sqrt(60 / m)


@kinds
@settings(max_examples=20)
@given(short=st.integers(1, 2 * BLOCK_ROWS), long=st.integers(1, 2 * BLOCK_ROWS))
def test_more_measurements_extend_a_stream(kind, short, long):
    short, long = sorted((short, long))
    a, b = KINDS[kind].draw(4, short, 7, 1), KINDS[kind].draw(4, long, 7, 1)
    assert torch.equal(a.vectors, b.vectors[:short])
    if kind == "rank_one_pairs":
        assert torch.equal(a.partners, b.partners[:short])


@kinds
def test_cast_keeps_the_digest_and_streams_are_told_apart(kind):
    draw = KINDS[kind].draw
    double, single = draw(4, 9, 7, 1), draw(4, 9, 7, 1, dtype=torch.float32)
    assert double.digest == single.digest
    assert torch.equal(double.vectors.float(), single.vectors)
    assert single.dtype == torch.float32
    drawn = [other.draw(4, 9, seed, number) for other in KINDS.values() for seed, number in ((7, 1), (7, 2), (8, 1))]
    assert len({ensemble.digest for ensemble in drawn}) == 6
    assert len({float(ensemble.vectors[0, 0]) for ensemble in drawn}) == 6


@kinds
def test_settings_know_how_many_numbers_are_stored(kind):
    ensemble = KINDS[kind].draw(4, 9, 7, 1)
    stored = sum(x.numel() for x in (ensemble.vectors, ensemble.partners) if x is not None)
    assert options.limits(kind).stored(d=4, m=9) == stored


@kinds
@settings(max_examples=20)
@given(counts=st.lists(st.integers(1, 2 * BLOCK_ROWS + 9), min_size=1, max_size=4), width=widths, seed=seeds)
def test_runs_that_know_a_prefix_are_those_of_the_shorter_ensemble(kind, counts, width, seed):
    """Counts on and off the edges of blocks; labels beyond a run's count are never read."""
    counts = sorted([*counts, BLOCK_ROWS], reverse=True)
    d, m = 5, 2 * BLOCK_ROWS + 9
    shared = KINDS[kind].draw(d, m, seed, 0).shared_by(counts)
    x, u, labels = symmetric(d, len(counts), seed), normal(seed, len(counts), d, width), normal(seed, len(counts), m)
    train = shared.train_error(x, labels)
    for k, count in enumerate(counts):
        labels[k, count:] = torch.nan
    gradient, factored = shared.gradient(x, labels), shared.factored_gradient(u, labels)
    for k, count in enumerate(counts):
        alone, known = KINDS[kind].draw(d, count, seed, 0), labels[k : k + 1, :count]
        close(gradient[k], alone.gradient(x[k : k + 1], known)[0])
        close(factored[k], alone.factored_gradient(u[k : k + 1], known)[0])
        close(train[k], alone.train_error(x[k : k + 1], known)[0])


@kinds
def test_counts_must_fall_and_lie_within_the_ensemble(kind):
    ensemble = KINDS[kind].draw(4, 9, 7, 1)
    assert ensemble.shared_by([9, 9]).counts is None
    assert ensemble.shared_by([9, 4]).vectors is ensemble.vectors
    assert ensemble.counts is None
    for counts in ([3, 5], [10, 2], [4, 0]):
        with pytest.raises(ValueError, match="counts fall from at most m = 9"):
            ensemble.shared_by(counts)


@kinds
def test_a_selection_is_the_ensemble_of_these_measurements(kind):
    ensemble, index = KINDS[kind].draw(D, M, SEED, 3), torch.tensor([4, 0, 4])
    x, w, u = symmetric(D, 2, 0), normal(1, 2, 3), normal(2, 2, D, 2)
    for part in (ensemble.select(index), ensemble.shared_by([M, 5]).select(index)):
        assert (part.m, part.d, part.number, part.digest, part.counts) == (3, D, 3, None, None)
        close(part.measure(x), ensemble.measure(x)[:, index])
        close(part.gradient(x, w), torch.einsum("bm,mij->bij", part.measure(x) - w, full(ensemble)[index]) / 3)
        close(part.factored_gradient(u, w), part.gradient(u @ u.mT, w) @ u)


@kinds
def test_bad_vectors_are_refused(kind):
    make, good = KINDS[kind], torch.ones(3, 4)
    for bad in (torch.ones(3, 5), torch.ones(4), torch.ones(0, 4), torch.ones(3, 4, 1)):
        with pytest.raises(ValueError, match=r"vectors have shape .*; allowed is \(m, 4\) with m at least 1"):
            make(bad, 4)
    for bad in (torch.ones(2, 4), torch.ones(3, 5), torch.ones(4)):
        with pytest.raises(ValueError, match=r"partners have shape .*; allowed is \(3, 4\)"):
            make(good, 4, bad)
    for value in (torch.nan, torch.inf, -torch.inf):
        bad = good.clone()
        bad[2, 1] = value
        with pytest.raises(ValueError, match=rf"vectors\[2, 1\] = {value}; allowed are finite numbers"):
            make(bad, 4)
        with pytest.raises(ValueError, match=rf"partners\[2, 1\] = {value}; allowed are finite numbers"):
            make(good, 4, bad)


def descend(kind, algorithm, runs):
    problem = {"ensemble": kind, "d": D, "rank": 2, "m": M, "target": {"kind": "columns"}, "targets": 2}
    arrays = problems.draw_problem(problem, SEED, 0)
    ensemble = problems.regenerate_ensemble(problem, arrays, "cpu", torch.float64, "problem.npz")
    batch = recorded_batch(
        ensemble, arrays["factors"], arrays["labels"], algorithm, runs, {"errors": {"every": 10}}, SEED
    )
    errors = recorded(batch)["errors"]
    ends = [errors[errors[:, 0] == k][-1, 2:] for k in range(len(runs))]
    return np.array(ends), full(ensemble).numpy(), arrays


def plain_end(algorithm, matrices, labels, run):
    """Return X at the end of a run, by a plain loop."""
    if algorithm == "projected":
        return plain.projected(np.zeros((D, D)), matrices, labels, run["step"], run["iterations"])
    start = run["alpha"] * np.eye(D)
    if algorithm == "factored":
        u = plain.factored(start, matrices, labels, run["step"], run["iterations"])
    else:
        order = stochastic.samples(SEED, 0, 0, run["batch_size"] * run["iterations"], run["m"])
        u = plain.stochastic(start, matrices, labels, run["step"], order.reshape(run["iterations"], -1))
    return u @ u.T


@kinds
@pytest.mark.parametrize(
    ("algorithm", "options"),
    [
        ("factored", {"step": 0.02, "alpha": 0.1, "start": "identity"}),
        ("projected", {"step": 0.02, "start": "zero"}),
        ("stochastic", {"step": 0.0005, "alpha": 0.5, "start": "identity", "batch_size": 1}),
        ("stochastic", {"step": 0.002, "alpha": 0.5, "start": "identity", "batch_size": 5}),
    ],
)
def test_descents_against_a_plain_loop(kind, algorithm, options):
    runs = [{"target": t, "m": m, "iterations": 60, **options} for t, m in ((0, 50), (1, M))]
    ends, matrices, arrays = descend(kind, algorithm, runs)
    for run, end in zip(runs, ends, strict=True):
        labels, u = arrays["labels"][run["target"]][: run["m"]], arrays["factors"][run["target"]]
        known = matrices[: run["m"]]
        expected = plain.relative_errors(plain_end(algorithm, known, labels, run), known, labels, u @ u.T)
        np.testing.assert_allclose(end, expected, rtol=1e-8)
        assert end[0] < 1


@kinds
def test_descent_finds_the_target(kind):
    """Up to what is left in the d − r superfluous directions: their eigenvalues fall like 1/(2ηt) = 0.005."""
    runs = [{"target": 0, "m": M, "iterations": 2000, "step": 0.05, "alpha": 0.01, "start": "identity"}]
    ends, _, _ = descend(kind, "factored", runs)
    assert ends[0].max() < 0.01


# The kernel's VmHWM: a child's getrusage peak starts at that of the process it was forked from.
MEMORY = """
import sys, torch
from importlib import import_module
torch.set_num_threads(1)
module = import_module("algoreg.ensembles." + sys.argv[1])
def peak():
    return 1024 * int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
before, m, d = peak(), 100_000, 200
ensemble = module.Ensemble.draw(d, m, 0, 0, dtype=torch.float32)
stored = sum(x.nbytes for x in (ensemble.vectors, ensemble.partners) if x is not None)
assert ensemble.factored_gradient(0.1 * torch.ones(1, d, d), torch.ones(1, m)).isfinite().all()
print(peak() - before - stored)
"""


@kinds
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
def test_a_step_takes_little_more_memory_than_the_vectors(kind):
    """Not even a second copy of the 80 MB of vectors; packed, an ensemble of this size would take 8 GB."""
    done = subprocess.run([sys.executable, "-c", MEMORY, kind], capture_output=True, text=True, timeout=120, check=True)
    assert int(done.stdout) < 50e6


@pytest.mark.gpu
@kinds
def test_gpu_agrees_with_cpu(kind):
    cpu, gpu = (KINDS[kind].draw(8, 2 * BLOCK_ROWS + 9, 1, 0, device=device) for device in ("cpu", "cuda"))
    x, u, w = symmetric(8, 2, 0), normal(1, 2, 8, 3), normal(2, 2, cpu.m)
    for counts in ([cpu.m, cpu.m], [cpu.m, 300]):
        a, b = cpu.shared_by(counts), gpu.shared_by(counts)
        close(a.gradient(x, w), b.gradient(x.cuda(), w.cuda()).cpu())
        close(a.factored_gradient(u, w), b.factored_gradient(u.cuda(), w.cuda()).cpu())
