"""Completion with graphs on both sides: spectral geometric matrix completion, and its convex part alone [boyarski2019].

The loss ½‖S∘(X − X*)‖² + (μ/2)(tr XᵀL_rX + tr XL_cXᵀ), S the known entries, L_r and L_c the graphs' Laplacians. The
method writes X = Φ(W_N…W_1)Ψᵀ with the Laplacians' eigenvectors Φ and Ψ. If all eigenvectors are used, Φ and Ψ are
orthogonal and change only the start.
"""

from functools import cached_property

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import spsolve

from algoreg.chapters.completion.factors import Factors
from algoreg.numerics.seeds import stream


def path_laplacian(d):
    """Return the Laplacian of a path of d nodes, shape (d, d)."""
    degrees = np.full(d, 2.0)
    degrees[[0, -1]] = 1.0
    return np.diag(degrees) - np.eye(d, k=1) - np.eye(d, k=-1)


def path_vectors(d):
    """Return the eigenvectors of the path's Laplacian, of the lowest eigenvalue first, shape (d, d).

    They are computed as cosines, because the signs of a library's eigenvectors depend on its version and the processor.
    """
    numbers = np.arange(d)
    cosines = np.cos(np.pi * numbers * (numbers[:, None] + 0.5) / d)
    return cosines / np.linalg.norm(cosines, axis=0)


def node_orders(d, graph, seed):
    """Return the order of the path's nodes along rows and along columns.

    ``path``: in the path's order. ``shuffled``: in a random order on each side. ``reordered``: in a random order on
    columns alone.
    """
    path = np.arange(d)
    if graph == "path":
        return path, path
    drawn = stream("graph", d=d, seed=seed)
    rows, columns = drawn.permutation(d), drawn.permutation(d)
    return (path if graph == "reordered" else rows), columns


def laplacians(d, graph, seed):
    """Return the Laplacians of rows and columns, shape (2, d, d); ``graph`` as in :func:`node_orders`."""
    path = path_laplacian(d)
    return np.stack([path[np.ix_(order, order)] for order in node_orders(d, graph, seed)])


def draw_smooth_target(d, band, seed, number):
    """Return X* = Φ_kCΦ_kᵀ, C Gaussian, Φ_k the path's k lowest eigenvectors; mean square 1; shape (d, d)."""
    vectors = path_vectors(d)
    core = stream("target", kind="smooth", d=d, rank=band, seed=seed, target=number).standard_normal((band, band))
    whole = vectors[:, :band] @ core @ vectors[:, :band].T
    return whole * (d / np.linalg.norm(whole))


class GraphFactors(Factors):
    """Descent on the factors of X, or of X in the eigenvectors of Laplacians, with a Dirichlet energy of weight μ.

    A run has ``weight`` μ, ``graph`` and ``basis`` in addition to the options of :class:`Factors`. M is the gradient of
    the loss times d²/m.
    """

    def __init__(self, ensemble, labels, runs, seed):
        super().__init__(ensemble, labels, runs, seed)
        (self.graph,) = {run["graph"] for run in runs}
        (self.basis,) = {run["basis"] for run in runs}
        self.weights = self.numbers("weight") * ensemble.d**2 / self.numbers("m")

    @cached_property
    def sides(self):
        """The Laplacians of rows and columns."""
        return torch.from_numpy(laplacians(self.ensemble.d, self.graph, self.seed)).to(self.labels)

    @cached_property
    def vectors(self):
        """The Laplacians' eigenvectors Φ and Ψ, or I and I without a basis."""
        d = self.ensemble.d
        if self.basis:
            path = path_vectors(d)
            return torch.from_numpy(np.stack([path[order] for order in node_orders(d, self.graph, self.seed)])).to(
                self.labels
            )
        return torch.eye(d).to(self.labels).expand(2, -1, -1)

    def gradient(self, product):
        """Return the gradient in W_N…W_1, shape (B, d, d)."""
        left, right = self.vectors
        whole = self._placed(product)
        smooth = self.sides[0] @ whole + whole @ self.sides[1]
        return left.T @ (self.ensemble.gradient(whole, self.labels) + self.weights * smooth) @ right

    def estimate(self, state):
        """Return X of every run."""
        return self._placed(super().estimate(state))

    def _placed(self, product):
        left, right = self.vectors
        return left @ product @ right.T


def smoothest_fit(places, values, sides, weight):
    """Return the X of least loss over all matrices, without factors, by one sparse solve.

    Parameters
    ----------
    places : numpy.ndarray of int, shape (m, 2)
    values : numpy.ndarray, shape (m, T)
        The known entries of T matrices.
    sides : numpy.ndarray, shape (2, d, d)
        The Laplacians.
    weight : float
        μ, above 0.

    Returns
    -------
    numpy.ndarray, shape (T, d, d)
    """
    d = sides.shape[1]
    flat = places[:, 0] * d + places[:, 1]
    seen = np.zeros((d * d, values.shape[1]))
    seen[flat] = values
    mask = np.zeros(d * d)
    mask[flat] = 1.0
    energy = sparse.kron(sides[0], np.eye(d)) + sparse.kron(np.eye(d), sides[1])
    solved = spsolve(sparse.csc_matrix(sparse.diags(mask) + weight * energy), seen)
    return solved.reshape(d * d, -1).T.reshape(-1, d, d)
