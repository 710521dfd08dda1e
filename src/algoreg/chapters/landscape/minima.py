"""Quadratic networks x ↦ Σ_j s_j(u_jᵀx)² with given signs s: their loss, minimised to the end, and its curvature."""

import numpy as np

# Of the gradient, and of the loss's relative change, at which L-BFGS ends; and its most iterations.
GRADIENT, LOSS, MOST = 1e-9, 1e-15, 4000
# The status of scipy's L-BFGS-B for a run that has used up its iterations or evaluations.
USED_UP = 1


def loss_and_gradient(factor, signs, vectors, labels, decay=0.0):
    """Return (1/4n) Σ (x_iᵀU diag(s) Uᵀx_i − y_i)² + (λ/2)‖U‖_F² and its gradient in U.

    Parameters
    ----------
    factor : numpy.ndarray, shape (d, k)
        U.
    signs : numpy.ndarray, shape (k,)
    vectors : numpy.ndarray, shape (n, d)
        The x_i.
    labels : numpy.ndarray, shape (n,)
    decay : float
        λ.
    """
    seen = vectors @ factor
    residuals = seen**2 @ signs - labels
    loss = residuals @ residuals / (4 * len(labels)) + decay / 2 * np.sum(factor**2)
    return loss, vectors.T @ (residuals[:, None] * seen) * signs / len(labels) + decay * factor


def _ended(start, function, most, done=None):
    """Return U where L-BFGS ends, of a function of U with its gradient, or where ``done`` of U is true; and its status.

    That is ``budget`` where all iterations or evaluations are used up, else ``converged``.
    """
    from scipy.optimize import minimize

    def flat(point):
        loss, gradient = function(point.reshape(start.shape))
        return loss, gradient.ravel()

    def callback(point):
        if done is not None and done(point.reshape(start.shape)):
            raise StopIteration

    options = {"maxiter": most, "maxfun": 2 * most, "gtol": GRADIENT, "ftol": LOSS, "maxcor": 20}
    found = minimize(flat, start.ravel(), jac=True, method="L-BFGS-B", callback=callback, options=options)
    return found.x.reshape(start.shape), "budget" if found.status == USED_UP else "converged"


def minimised(start, signs, vectors, labels, decay=0.0, most=MOST):
    """Return U where L-BFGS ends, shape (d, k), from a start of that shape, and its status;
    see :func:`loss_and_gradient`.
    """
    return _ended(start, lambda factor: loss_and_gradient(factor, signs, vectors, labels, decay), most)


def minimised_sensing(start, matrices, labels, most, done):
    """Return U where L-BFGS ends on (1/4m) Σ (⟨A_i, UUᵀ⟩ − y_i)² after at most ``most`` iterations,
    or where it is done.

    Parameters
    ----------
    start : numpy.ndarray, shape (d, k)
    matrices : numpy.ndarray, shape (m, d, d)
        The A_i, symmetric.
    labels : numpy.ndarray, shape (m,)
    most : int
    done : callable
        Of U; the run leaves where it is true.
    """
    rows = matrices.reshape(len(labels), -1)

    def function(factor):
        residuals = rows @ (factor @ factor.T).ravel() - labels
        gradient = (residuals @ rows).reshape(matrices.shape[1:]) @ factor / len(labels)
        return residuals @ residuals / (4 * len(labels)), gradient

    return _ended(start, function, most, done)[0]


def smallest_curvature(vector, vectors, labels):
    """Return the smallest eigenvalue of the loss's Hessian for one unit u, shape (d,),
    of sign +: M + (2/n) Σ (x_iᵀu)² x_i x_iᵀ.

    Wider networks have rotations UO that change nothing, and so k(k−1)/2 zeros: there is no strict minimum to tell.
    """
    seen = vectors @ vector
    weights = (seen**2 - labels) + 2 * seen**2
    return float(np.linalg.eigvalsh((vectors.T * weights) @ vectors / len(labels))[0])


def least_squares_loss(vectors, labels):
    """Return the least loss over all symmetric X, (1/4n) Σ (x_iᵀXx_i − y_i)²: what signs of both kinds can reach."""
    rows = np.einsum("ni,nj->nij", vectors, vectors).reshape(len(vectors), -1)
    solution = np.linalg.lstsq(rows, labels, rcond=None)[0]
    return float(np.sum((rows @ solution - labels) ** 2) / (4 * len(labels)))
