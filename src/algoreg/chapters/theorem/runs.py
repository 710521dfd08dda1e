"""What the experiments of the theorem share: counts of measurements, ensembles on both sides of D,
starts, recorded iterations.
"""

from collections.abc import Iterable

import numpy as np
import torch

from algoreg.algorithms.factored import start_matrix
from algoreg.ensembles import gaussian, wishart
from algoreg.numerics.theory import symmetric_dimension


def count_of(m_over_dr, d, rank):
    """Return m, the whole number nearest to ``m_over_dr``·dr and at least 1."""
    return max(round(m_over_dr * d * rank), 1)


def ensembles_of(d: int, counts: Iterable[int], context, number: int):
    """Yield ensembles of one number, each with the counts of measurements that it serves, falling.

    All m below D = d(d+1)/2 are prefixes of one Gaussian ensemble. From D on, descent needs only the ensemble's Gram
    matrix, which is drawn from its law, one for each m.
    """
    falling = sorted(set(counts), reverse=True)
    few = [m for m in falling if m < symmetric_dimension(d)]
    if few:
        drawn = context.draw(gaussian.Ensemble, d, few[0], number)
        yield drawn, few
    for m in falling[: len(falling) - len(few)]:
        yield context.draw(wishart.Ensemble, d, m, number), [m]


def initial_factor(kind, alpha, planted, seed, target):
    """Return U_0 = αB, shape (d, d), or another start that is no multiple of an orthonormal matrix.

    Parameters
    ----------
    kind : str
        ``identity``; ``orthonormal``, Haar; ``gaussian``, iid N(0, 1/d) entries; ``low_rank``, the first r − 1 columns
        of the orthonormal one.
    alpha : float
    planted : torch.Tensor, shape (d, r)
        The target's factor.
    seed, target : int
    """
    d, rank = planted.shape
    start = alpha * start_matrix("orthonormal" if kind == "low_rank" else kind, d, seed, target).to(planted)
    if kind == "low_rank":
        start[:, rank - 1 :] = 0
    return start


def initial_factors(runs, planted, seed):
    """Return the state from which runs on planted factors (d, r) start, by ``start``,
    ``alpha``, ``target``; see :func:`initial_factor`.
    """
    pairs = zip(runs, planted, strict=True)
    starts = [initial_factor(run["start"], run["alpha"], factor, seed, run["target"]) for run, factor in pairs]
    return {"factor": torch.stack(starts)}


def recorded(last, points):
    """Return about ``points`` iterations from 1 to ``last``, evenly spaced in their logarithm, both ends included."""
    return sorted({round(x) for x in np.geomspace(1, last, points)})
