"""Complete matrices by ours, alternating least squares and softImpute: python benchmarks/peers/completion.py."""

import common
import numpy as np

from algoreg.recover import MatrixCompleter

# Errors of ratings differ by as much between draws as between methods.
RATINGS_SEEDS = 12


def ours(places, y, shape):
    """Return the matrix of growing factors, with biases if they help to predict."""
    return MatrixCompleter(shape=shape).fit(places, y).matrix_


def full_width(places, y, shape):
    """Return the matrix of descent of full width."""
    return MatrixCompleter(shape=shape, method="factored").fit(places, y).matrix_


def held_out(places):
    """Return which entries choose ranks and weights, a tenth of all."""
    return np.random.default_rng(0).random(len(places)) < 0.1


def biases_alone(places, y, shape, ridge=1.0, rounds=20):
    """Return mean plus biases of rows and columns, shrunk as if by one further entry of 0."""
    (rows, columns), mean = places.T, y.mean()
    b, c = np.zeros(shape[0]), np.zeros(shape[1])
    for _ in range(rounds):
        b = np.bincount(rows, y - mean - c[columns], shape[0]) / (np.bincount(rows, minlength=shape[0]) + ridge)
        c = np.bincount(columns, y - mean - b[rows], shape[1]) / (np.bincount(columns, minlength=shape[1]) + ridge)
    return mean + b[:, None] + c


def alternate(places, y, shape, rank, ridge, rounds=20):
    """Return LRᵀ by ridge regressions of rows and columns in turn [Zhou et al. 2008]."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((shape[0], rank)) / 3, rng.standard_normal((shape[1], rank)) / 3
    for _ in range(rounds):
        for side, factor, other in ((0, left, right), (1, right, left)):
            order = np.argsort(places[:, side], kind="stable")
            ends = np.searchsorted(places[order, side], np.arange(shape[side] + 1))
            for i in range(shape[side]):
                some = order[ends[i] : ends[i + 1]]
                if len(some):
                    z = other[places[some, 1 - side]]
                    factor[i] = np.linalg.solve(z.T @ z + ridge * np.eye(rank), z.T @ y[some])
    return left @ right.T


def least_squares(places, y, shape):
    """Return biases plus alternating least squares on the rest; held-out entries choose rank and ridge."""
    out = held_out(places)
    candidates = []
    base = biases_alone(places[~out], y[~out], shape)
    for offset in (base, np.full(shape, y[~out].mean())):
        left = y - offset[tuple(places.T)]
        for rank in (1, 2, 3, 5):
            for ridge in (0.1, 1.0, 10.0):
                found = offset + alternate(places[~out], left[~out], shape, rank, ridge, 10)
                candidates.append((np.mean((found[tuple(places[out].T)] - y[out]) ** 2), rank, ridge, offset is base))
    _, rank, ridge, with_biases = min(candidates)
    offset = biases_alone(places, y, shape) if with_biases else np.full(shape, y.mean())
    return offset + alternate(places, y - offset[tuple(places.T)], shape, rank, ridge)


def knowing_the_rank(rank):
    """Return alternating least squares at one rank, with one ridge, as a user who knows both would write it."""

    def solve(places, y, shape):
        return y.mean() + alternate(places, y - y.mean(), shape, rank, 1.0)

    return solve


def soft_impute(places, y, shape, rounds=20):
    """Return softImpute [Mazumder, Hastie, Tibshirani 2010] on a path of weights, the best on held-out entries."""
    at, mean, out = tuple(places.T), y.mean(), held_out(places)
    best = (np.inf, None)
    found = np.zeros(shape)
    filled = np.zeros(shape)
    filled[at] = y - mean
    start = np.linalg.norm(filled, 2)
    seen = tuple(places[~out].T)
    for weight in start * 0.6 ** np.arange(1, 12):
        for _ in range(rounds):
            filled = found.copy()
            filled[seen] = y[~out] - mean
            u, values, v = np.linalg.svd(filled, full_matrices=False)
            found = u * (values - weight).clip(0) @ v
        error = np.mean((found[tuple(places[out].T)] + mean - y[out]) ** 2)
        if error < best[0]:
            best = (error, found)
    return best[1] + mean


def planted(rows, columns, rank, m, noise):
    """Return a matrix of a rank with noisy entries; the error is of all entries, relative."""

    def drawn(seed):
        rng = np.random.default_rng(seed)
        target = rng.standard_normal((rows, rank)) @ rng.standard_normal((rank, columns))
        places = np.stack(np.divmod(rng.choice(rows * columns, m, replace=False), columns), axis=1)
        y = target[tuple(places.T)] + noise * target.std() * rng.standard_normal(m)
        data = (places, y, (rows, columns))
        return data, lambda found: float(np.linalg.norm(found - target) / np.linalg.norm(target))

    return drawn


def ratings(rows, columns, share):
    """Return ratings from 1 to 5: biases, tastes of rank 2, noise; the error of unseen ones is in their spread."""

    def drawn(seed):
        rng = np.random.default_rng(seed)
        taste = rng.standard_normal((rows, 2)) @ rng.standard_normal((2, columns))
        whole = 3.5 + 0.6 * rng.standard_normal((rows, 1)) + 0.6 * rng.standard_normal((1, columns)) + 0.4 * taste
        whole = np.clip(np.round(whole + 0.5 * rng.standard_normal(whole.shape)), 1, 5)
        known = rng.random(whole.shape) < share
        error = lambda found: float(np.sqrt(np.mean((found - whole)[~known] ** 2)) / whole[~known].std())  # noqa: E731
        return (np.argwhere(known), whole[known], whole.shape), error

    return drawn


def problems():
    """Yield name, methods, problem and perhaps the number of draws of every row."""
    ours_alone = {"ours (grown)": ours}
    wide = ours_alone | {"ours (full width)": full_width}
    peers = {"ALS with biases": least_squares, "softImpute": soft_impute, "biases alone": biases_alone}
    yield "100 × 80, rank 3, 20 % known, no noise", wide | peers, planted(100, 80, 3, 1600, 0.0)
    yield "100 × 80, rank 3, 40 % known, noise 0.1", wide | peers, planted(100, 80, 3, 3200, 0.1)
    yield "300 × 200, rank 5, 20 000 known, noise 0.1", ours_alone | peers, planted(300, 200, 5, 20_000, 0.1)
    large = {"ours (grown)": ours, "ALS knowing the rank": knowing_the_rank(5)}
    yield "2000 × 1000, rank 5, 10⁵ known, noise 0.1", large, planted(2000, 1000, 5, 100_000, 0.1)
    yield "ratings 300 × 200, 5 % known", ours_alone | peers, ratings(300, 200, 0.05), RATINGS_SEEDS
    yield "ratings 100 × 60, 15 % known", ours_alone | peers, ratings(100, 60, 0.15), RATINGS_SEEDS


def main():
    """Return the section."""
    return "## Entries\n\n" + common.table(problems(), "relative error")


if __name__ == "__main__":
    print(main())
