"""Nuclear norm minimisation on the PSD cone as a convex programme: min tr X over all X ⪰ 0 that fit the labels.

On the PSD cone the nuclear norm is the trace. Gunasekar, Woodworth, Bhojanapalli, Neyshabur & Srebro (2017) conjecture
that factored gradient descent from a vanishing initialisation ends at this programme's solution.
"""

import math
import warnings

import numpy as np

# Clarabel, an interior-point method, gives the solution; SCS, a first-order method, checks it. If X* is the only PSD
# matrix that fits, there is no interior, and with its default tolerance of 1e-8 Clarabel often stops short. The default
# tolerances of SCS leave errors of 1e-3.
SOLVERS = {
    "clarabel": {"tol_gap_abs": 1e-7, "tol_gap_rel": 1e-7, "tol_feas": 1e-7},
    "scs": {"eps_abs": 1e-9, "eps_rel": 1e-9, "max_iters": 50_000},
}
# The status of a run for each status of a solver; with any other status of the solver there is no solution.
STATUSES = {"optimal": "converged", "optimal_inaccurate": "budget"}
FAILED = "diverged"


def _solve(problem, variable, solver):
    """Solve a problem; return its variable's value, or None, and the status of the run."""
    import cvxpy

    with warnings.catch_warnings():
        # The status in the table records the inaccuracy, so no warning is needed.
        warnings.filterwarnings("ignore", "Solution may be inaccurate")
        try:
            problem.solve(solver=solver.upper(), **SOLVERS[solver])
        except cvxpy.SolverError:
            return None, FAILED
    status = STATUSES.get(problem.status, FAILED)
    if status == FAILED or variable.value is None or not np.isfinite(variable.value).all():
        return None, FAILED
    return variable.value, status


def flat_weight(matrices):
    """Return W = (1/m) Σ A_i² of symmetric matrices (m, d, d), which weighs the Hessian's trace at a fit."""
    return np.einsum("mij,mjk->ik", matrices, matrices) / len(matrices)


def minimum_trace(rows, d, labels, solver, weight=None):
    """Return the PSD matrix of least trace, or of least ⟨W, X⟩, that gives these labels, and the solver's status.

    Parameters
    ----------
    rows : numpy.ndarray, shape (m, d(d+1)/2), float64
        Packed measurement matrices, see :mod:`algoreg.numerics.svec`.
    d : int
    labels : numpy.ndarray, shape (m,)
    solver : str
        ``clarabel`` or ``scs``.
    weight : numpy.ndarray, shape (d, d), optional
        W, symmetric; by default the identity.

    Returns
    -------
    matrix : numpy.ndarray, shape (d, d), or None
        None if the solver finds no solution, for example because no PSD matrix fits.
    status : str
        ``converged`` (the solver reports an optimum), ``budget`` (an optimum that is less accurate than asked for) or
        ``diverged``.
    """
    # cvxpy is imported here because it takes about a second to load, and only jobs that solve need it.
    import cvxpy

    upper, lower = np.triu_indices(d)
    # ⟨A, X⟩ is the sum over upper entries of A_ij X_ij, where off-diagonal ones count twice: √2 times the svec entries.
    weights = rows * np.where(upper == lower, 1.0, math.sqrt(2.0))
    measured = np.zeros((len(rows), d, d))
    measured[:, upper, lower] = weights
    matrix = cvxpy.Variable((d, d), PSD=True)
    fits = measured.reshape(len(rows), -1) @ cvxpy.vec(matrix, order="C") == labels
    least = cvxpy.trace(matrix) if weight is None else cvxpy.sum(cvxpy.multiply(weight, matrix))
    return _solve(cvxpy.Problem(cvxpy.Minimize(least), [fits]), matrix, solver)


def minimum_trace_diagonal(vectors, labels, solver):
    """Return the diagonal of the PSD matrices of least trace if every A_i is diagonal, and the solver's status.

    Such measurements see only the diagonal of X, so the PSD programme is a linear programme. Every PSD matrix that has
    its solution on the diagonal solves the PSD programme, the diagonal matrix among them. The result is None if there
    is no solution. ``vectors`` are the diagonals of the A_i, shape (m, d).
    """
    import cvxpy

    diagonal = cvxpy.Variable(vectors.shape[1], nonneg=True)
    problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum(diagonal)), [vectors @ diagonal == labels])
    return _solve(problem, diagonal, solver)
