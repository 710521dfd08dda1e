"""The ways in which experiments run Algorithm 1 of quadratic networks: as stated,
with parts left out, and wrongly on purpose.
"""

import numpy as np
import torch

from algoreg.numerics.seeds import stream

# The truncation level R of Algorithm 1 as stated here, over τ: predictions scale with τ, and the paper leaves R's scale
# open.
LEVEL = 10.0
STATED = {
    "start": "identity",
    "width": None,
    "truncation": LEVEL,
    "tau_error": 0.0,
    "rescaling": 1,
    "coefficient": 1.0,
    "batch_size": None,
}
# What differs from Algorithm 1 with the exact τ; levels are over τ. The step of coefficient 4 is a quarter, so that its
# gradient step is the others' and its rescaling a quarter of what cancels the trace.
VARIANTS = {
    "algorithm-1": {},
    "no-truncation": {"truncation": None},
    "level-2.5": {"truncation": 2.5},
    "level-4": {"truncation": 4.0},
    "level-6": {"truncation": 6.0},
    "no-rescaling": {"rescaling": 0},
    "plain": {"rescaling": 0, "truncation": None},
    "mean-label": {"tau": "mean-label"},
    "coefficient-4": {"coefficient": 4.0},
    "wrong-sign": {"rescaling": -1},
    "permuted-labels": {},
}


def run_of(variant, tau, alpha, step, m, target, **changes):
    """Return a run of :mod:`algoreg.algorithms.quadratic`.

    Parameters
    ----------
    variant : str
        One of ``VARIANTS``.
    tau : float
        ‖U*‖_F² of its target.
    alpha, step : float
        The step is that of the gradient, ηc.
    m, target : int
    **changes
        Further keys of the algorithm's ``OPTIONS``.
    """
    run = {**STATED, "tau": tau, **VARIANTS[variant], **changes}
    level = run["truncation"]
    named = {"alpha": alpha, "step": step / run["coefficient"], "m": m, "target": target}
    return {**run, **named, "truncation": None if level is None else level * tau}


def labels_of(variant, labels, m, seed, ensemble):
    """Return the labels that a variant sees, shape (T, M): the first m of M permuted, for the control of that name."""
    if variant != "permuted-labels":
        return labels
    order = stream("permutation", kind="labels", m=m, seed=seed, ensemble=ensemble).permutation(m)
    permuted = labels.clone()
    permuted[:, :m] = labels[:, torch.from_numpy(order).to(labels.device)]
    return permuted


def seen_labels(ensemble, planted, points, context):
    """Return the labels that runs, given as (m, variant, target), see of X* of all targets (T, d, d),
    a row for each.
    """
    labels = ensemble.label(planted)
    rows = [labels_of(variant, labels, m, context.seed, ensemble.number)[target] for m, variant, target in points]
    return torch.stack(rows)


def moments(end, count):
    """Return ``count`` iterations up to ``end``, log-spaced over its last two decades and different;
    ``end`` alone for 1.
    """
    if count == 1:
        return [end]
    return sorted({max(round(point), 1) for point in np.geomspace(end / 100, end, count)})
