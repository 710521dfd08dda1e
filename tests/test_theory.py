import numpy as np
import pytest

from algoreg.numerics import theory


def projected_norm(d, rank, draws, seed):
    """Return the mean and its error of ‖P(G)‖² for iid N(0, 1) svec entries, P the projection on the tangent cone."""
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(draws):
        g = rng.standard_normal((d, d))
        g = (g + g.T) / 2**0.5 / 2**0.5
        kernel = np.linalg.eigvalsh(g[rank:, rank:])
        # Free outside the kernel's block; inside it, the nearest positive semidefinite matrix.
        values.append(np.sum(g**2) - np.sum(g[rank:, rank:] ** 2) + np.sum(np.maximum(kernel, 0) ** 2))
    return np.mean(values), np.std(values) / np.sqrt(draws)


@pytest.mark.parametrize(("d", "rank"), [(4, 1), (8, 1), (8, 3), (12, 2), (6, 0), (6, 6)])
def test_statistical_dimension_against_monte_carlo(d, rank):
    mean, error = projected_norm(d, rank, 4000, 1)
    assert abs(mean - theory.psd_statistical_dimension(d, rank)) < 4 * error


def test_statistical_dimension_at_the_papers_sizes():
    assert theory.psd_statistical_dimension(100, 1) == 2575
    assert theory.psd_statistical_dimension(100, 5) == 2770
    with pytest.raises(ValueError, match="rank = 5: allowed is 0 to d = 4"):
        theory.psd_statistical_dimension(4, 5)


def test_first_errors_of_the_identity_against_monte_carlo():
    d, rank, m = 30, 3, 40_000
    rng = np.random.default_rng(0)
    delta, target = np.eye(d), np.zeros((d, d))
    target[:rank, :rank] = np.eye(rank)
    delta = delta - target
    x = rng.standard_normal((m, d))
    rank_one = np.linalg.norm(np.einsum("mi,ij,mj->m", x, delta, x)) / np.linalg.norm(np.sum(x[:, :rank] ** 2, axis=1))
    gaussian, network = theory.first_errors_of_the_identity(d, rank)
    assert gaussian == pytest.approx(np.linalg.norm(delta) / np.linalg.norm(target))
    assert network == pytest.approx(rank_one, rel=0.03)
