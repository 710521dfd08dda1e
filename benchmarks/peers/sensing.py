"""Recover matrices by ours, semidefinite programs, Adam and Wirtinger flow: python benchmarks/peers/sensing.py."""

import common
import cvxpy
import numpy as np
import torch

from algoreg.recover import LowRankMatrixRegressor


def ours(kind, **options):
    """Return a method: the estimator with its defaults, or with options."""
    return lambda matrices, y, sigma: LowRankMatrixRegressor(kind, **options).fit(matrices, y).matrix_


def ours_knowing_the_noise(kind):
    """Return a method: the estimator, given the noise."""
    return lambda matrices, y, sigma: LowRankMatrixRegressor(kind, noise=sigma).fit(matrices, y).matrix_


def convex(kind):
    """Return a method: the least trace, or nuclear norm, within the known noise."""

    def solve(matrices, y, sigma):
        shape = matrices.shape[1:]
        found = cvxpy.Variable(shape, PSD=True) if kind == "psd" else cvxpy.Variable(shape)
        flat = matrices.reshape(len(y), -1)
        residual = flat @ cvxpy.vec(found, order="C") - y
        size = cvxpy.trace(found) if kind == "psd" else cvxpy.norm(found, "nuc")
        within = [cvxpy.norm(residual) <= sigma * np.sqrt(len(y))] if sigma else [residual == 0]
        cvxpy.Problem(cvxpy.Minimize(size), within).solve(solver=cvxpy.SCS)
        return found.value

    return solve


def adam(matrices, y, sigma, steps=3000):
    """Return UUᵀ, or LRᵀ, by torch's Adam from a small random initialisation; a held-out tenth chooses the iterate."""
    torch.manual_seed(0)
    rows, columns = matrices.shape[1:]
    left = (1e-3 * torch.randn(rows, rows, dtype=torch.float64)).requires_grad_()
    right = left if rows == columns else (1e-3 * torch.randn(columns, rows, dtype=torch.float64)).requires_grad_()
    a, b = torch.from_numpy(matrices.reshape(len(y), -1)), torch.from_numpy(y)
    held, best = len(y) // 10, (np.inf, None)
    steps_of = torch.optim.Adam([left] if right is left else [left, right], lr=0.01)
    for step in range(steps):
        residual = a @ (left @ right.T).ravel() - b
        error = residual[:held].square().mean().item()
        if step % 10 == 0 and error < best[0]:
            best = (error, (left @ right.T).detach().numpy().copy())
        steps_of.zero_grad()
        residual[held:].square().mean().backward()
        steps_of.step()
    return best[1]


def planted(shape, rank, m, noise):
    """Return draws of a matrix of a rank with Gaussian measurements."""

    def drawn(seed):
        rng = np.random.default_rng(seed)
        left = rng.standard_normal((shape[0], rank))
        target = left @ (left.T if shape[0] == shape[1] else rng.standard_normal((rank, shape[1])))
        matrices = rng.standard_normal((m, *shape))
        y = np.einsum("mij,ij->m", matrices, target)
        sigma = noise * y.std()
        data = (matrices, y + sigma * rng.standard_normal(m), sigma)
        return data, lambda found: float(np.linalg.norm(found - target) / np.linalg.norm(target))

    return drawn


def wirtinger(x, y, steps=2500):
    """Return uuᵀ by Wirtinger flow with a spectral initialisation [Candès, Li, Soltanolkotabi 2015], real numbers."""
    m, n = x.shape
    vector = np.linalg.eigh(x.T @ (y[:, None] * x))[1][:, -1]
    size = np.sqrt(n * y.sum() / np.square(x).sum())
    u = size * vector
    for step in range(steps):
        inner = x @ u
        u = u - min(1 - np.exp(-step / 330), 0.2) / size**2 * (x.T @ ((inner**2 - y) * inner)) / m
    return np.outer(u, u)


def one_column(x, y):
    """Return our estimate of width 1 from a spectral initialisation."""
    options = {"width": 1, "start": "spectral"}
    found = LowRankMatrixRegressor(
        vectors=True, alpha=1.0, method_options=options, stop="budget", tol=1e-10, max_iter=50_000
    )
    return found.fit(x, y).matrix_


def phases(n, m):
    """Return squared magnitudes of a vector, and the error of uuᵀ."""

    def drawn(seed):
        rng = np.random.default_rng(seed)
        u, x = rng.standard_normal(n), rng.standard_normal((m, n))
        target = np.outer(u, u)
        return (x, (x @ u) ** 2), lambda found: float(np.linalg.norm(found - target) / np.linalg.norm(target))

    return drawn


def problems():
    """Yield name, methods and problem of every row."""
    for noise in (0.0, 0.1, 0.5):
        methods = {"ours": ours("psd"), "least trace (cvxpy, SCS), knowing the noise": convex("psd"), "Adam": adam}
        if noise:
            methods = {"ours": ours("psd"), "ours, knowing the noise": ours_knowing_the_noise("psd")} | methods
        yield f"psd, d = 20, rank 2, m = 160, noise {noise:g}", methods, planted((20, 20), 2, 160, noise)
    methods = {
        "ours": ours("rectangular"),
        "ours, knowing the noise": ours_knowing_the_noise("rectangular"),
        "nuclear norm (cvxpy, SCS), knowing the noise": convex("rectangular"),
        "Adam": adam,
    }
    yield "12 × 20, rank 2, m = 240, noise 0.1", methods, planted((12, 20), 2, 240, 0.1)
    full = {"ours (full width)": lambda x, y: LowRankMatrixRegressor(vectors=True).fit(x, y).matrix_}
    yield (
        "magnitudes, n = 32, m = 4n, no noise",
        full | {"ours (width 1, spectral initialisation)": one_column, "Wirtinger flow": wirtinger},
        phases(32, 128),
    )


def main():
    """Return the section."""
    return "## Linear measurements and magnitudes\n\n" + common.table(problems(), "relative error")


if __name__ == "__main__":
    print(main())
