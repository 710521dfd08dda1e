"""Plain implementations for tests to compare with: dense matrices, one run at a time, in numpy alone.

A measurement matrix is symmetric, d × d; an ensemble is an array of shape (m, d, d). The step η multiplies
M = (1/m) Σ (⟨A_i, X⟩ − y_i) A_i itself [LMZ18, Section 2].
"""

from itertools import islice

import numpy as np


def _coordinates(d):
    """Return the rows, columns and scales of the packed entries: on and above the diagonal, √2 off it."""
    i, j = np.triu_indices(d)
    return i, j, np.where(i == j, 1, np.sqrt(2))


def pack(matrices):
    """Return symmetric matrices (…, d, d) as vectors (…, d(d+1)/2) with the same inner products."""
    i, j, scale = _coordinates(matrices.shape[-1])
    return matrices[..., i, j] * scale


def unpack(rows, d):
    """Return the symmetric matrices (…, d, d) of packed vectors."""
    i, j, scale = _coordinates(d)
    matrices = np.zeros((*rows.shape[:-1], d, d))
    matrices[..., i, j] = matrices[..., j, i] = rows / scale
    return matrices


def measure(matrices, x):
    """Return ⟨A_i, X⟩ of every matrix."""
    return matrices.reshape(len(matrices), -1) @ x.ravel()


def gradient(matrices, x, labels):
    """Return M = (1/m) Σ (⟨A_i, X⟩ − y_i) A_i."""
    return np.tensordot(measure(matrices, x) - labels, matrices, 1) / len(matrices)


def sensing(matrices, labels):
    """Return the function X ↦ M of measurements and their labels."""
    return lambda x: gradient(matrices, x, labels)


def sensing_by_gram(gram, goal):
    """Return the function X ↦ M for the labels of a goal, from the packed Gram matrix (1/m) Σ a_i a_iᵀ."""
    return lambda x: unpack(gram @ pack(x - goal), len(goal))


def factored_iterates(u, slope, step):
    """Yield U_0, U_1, … of U ← U − ηM(UUᵀ)U without end; ``slope`` is the function X ↦ M."""
    while True:
        yield u
        u = u - step * slope(u @ u.T) @ u


def factored(u, matrices, labels, step, count):
    """Return U after ``count`` steps."""
    return next(islice(factored_iterates(u, sensing(matrices, labels), step), count, None))


def stochastic(u, matrices, labels, step, draws):
    """Return U after a step for each of ``draws``, which are the numbers of the measurements in a step."""
    for drawn in draws:
        u = u - step * gradient(matrices[drawn], u @ u.T, labels[drawn]) @ u
    return u


def nearest_psd(x):
    """Return the nearest positive semidefinite matrix: negative eigenvalues set to 0."""
    values, vectors = np.linalg.eigh(x)
    return (vectors * np.maximum(values, 0)) @ vectors.T


def projected(x, matrices, labels, step, count):
    """Return X after ``count`` steps of projected gradient descent."""
    for _ in range(count):
        x = nearest_psd(x - step * gradient(matrices, x, labels))
    return x


def largest_part(x, rank):
    """Return the r largest eigenvalues of a symmetric matrix, negative ones as 0, and the eigenvectors as columns."""
    values, vectors = np.linalg.eigh(x)
    return np.maximum(values[::-1][:rank], 0), vectors[:, ::-1][:, :rank]


def spectral_start(matrices, labels, width):
    """Return U such that UUᵀ is the part of N = (1/m) Σ y_iA_i with its largest positive eigenvalues."""
    values, vectors = largest_part(np.tensordot(labels, matrices, 1) / len(matrices), width)
    return vectors * np.sqrt(values)


def accelerated(u, matrices, labels, step, momentum, count):
    """Return U after ``count`` steps of Nesterov's momentum on the factor."""
    ahead = u
    for _ in range(count):
        following = ahead - step * gradient(matrices, ahead @ ahead.T, labels) @ ahead
        ahead, u = following + momentum * (following - u), following
    return u


def preconditioned(u, matrices, labels, step, damping, count):
    """Return U after ``count`` steps; ``damping`` maps the root mean square residual to λ."""
    for _ in range(count):
        residual = measure(matrices, u @ u.T) - labels
        pull = np.tensordot(residual, matrices, 1) @ u / len(matrices)
        square = u.T @ u + damping(np.sqrt(np.mean(residual**2))) * np.eye(u.shape[1])
        u = u - step * pull @ np.linalg.inv(square)
    return u


def hard_thresholding(matrices, labels, step, rank, count, *, momentum=0.0, adaptive=False):
    """Return X after ``count`` steps from 0, each of which keeps the r largest positive eigenvalues."""
    x = ahead = np.zeros(matrices.shape[1:])
    _, basis = largest_part(-gradient(matrices, x, labels), rank)
    for _ in range(count):
        pull, length = gradient(matrices, ahead, labels), step
        if adaptive:
            normal = np.eye(len(x)) - basis @ basis.T
            tangent = pull - normal @ pull @ normal
            length = step * np.sum(tangent**2) / np.mean(measure(matrices, tangent) ** 2)
        values, basis = largest_part(ahead - length * pull, rank)
        following = (basis * values) @ basis.T
        ahead, x = following + momentum * (following - x), following
    return x


def chain(layers, d):
    """Return the product of layers, in which the last layer is leftmost."""
    product = np.eye(d)
    for layer in layers:
        product = layer @ product
    return product


def deep(layers, matrices, labels, step, count, *, tied=False, relative=False):
    """Return the product W_N…W_1 after ``count`` steps; if the layers are ``tied``, all are the same symmetric U."""
    d, depth = len(layers[0]), len(layers)
    for t in range(count):
        x = chain(layers, d)
        pull, length = gradient(matrices, (x + x.T) / 2, labels), step
        if relative:
            if t % 10 == 0:
                largest = np.abs(np.linalg.eigvalsh(x)).max()
            length = step / (depth * largest ** (1 - 2 / depth) * max(np.linalg.norm(pull), largest))
        changes = [chain(layers[k + 1 :], d).T @ pull @ chain(layers[:k], d).T for k in range(depth)]
        if tied:
            changes = [sum(changes)] * depth
        layers = [layer - length * change for layer, change in zip(layers, changes, strict=True)]
    return chain(layers, d)


def signed(u, signs, matrices, labels, step, count):
    """Return X = U·diag(s)·Uᵀ after ``count`` steps."""
    for _ in range(count):
        u = u - step * gradient(matrices, (u * signs) @ u.T, labels) @ (u * signs)
    return (u * signs) @ u.T


def network_step(u, x, y, *, tau, step, level=np.inf, coefficient=1, rescaling=1):
    """Return U after a step of Algorithm 1 of quadratic networks [LMZ18, Appendix A], or of plain descent.

    Parameters
    ----------
    u : array, shape (d, width)
    x, y : array, shape (m, d) and (m,)
        Examples and their labels.
    tau : float
        The trace that UUᵀ is rescaled to.
    level : float
        Examples with a larger prediction do not count.
    coefficient : float
        The factor of M in the step.
    rescaling : float
        The factor of η(tr UUᵀ − τ) in the divisor 1 − η(tr UUᵀ − τ); 0 gives plain descent.
    """
    predicted = np.sum((x @ u) ** 2, axis=1)
    weights = (predicted - y) * (predicted <= level) / len(x)
    pulled = u - step * coefficient * (x.T * weights) @ (x @ u)
    return pulled / (1 - step * rescaling * (np.sum(u**2) - tau))


def network(u, x, y, count, **options):
    """Return U after ``count`` steps; see :func:`network_step`."""
    for _ in range(count):
        u = network_step(u, x, y, **options)
    return u


def relative_error(x, goal):
    """Return ‖X − X*‖/‖X*‖ for matrices or vectors."""
    return np.linalg.norm(x - goal) / np.linalg.norm(goal)


def relative_errors(x, matrices, labels, goal):
    """Return the training and the test error of X."""
    return [relative_error(measure(matrices, x), labels), relative_error(x, goal)]
