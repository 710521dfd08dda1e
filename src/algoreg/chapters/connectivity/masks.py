"""All masks of a small matrix up to permutations of rows and columns, their connectivity, and descent on a product.

A mask is a bipartite graph of rows and columns with an edge for every known entry. It is connected if all known entries
lie in one component; rows and columns without a known entry are ignored.
"""

from itertools import combinations_with_replacement, permutations

import numpy as np
from scipy.sparse.csgraph import connected_components

# Iterations between two checks of the training errors.
EVERY = 200


def all_masks(size):
    """Return one non-empty mask of each class up to permutations of rows and columns, shape (classes, size, size)."""
    bits, classes = np.arange(size), set()
    orders = [list(order) for order in permutations(range(size))]
    # A column is encoded as a number whose bits are its entries; columns are sorted by these numbers.
    for columns in combinations_with_replacement(range(2**size), size):
        mask = (np.array(columns) >> bits[:, None]) & 1
        classes.add(min(tuple(sorted(2**bits @ mask[order])) for order in orders))
    classes.discard((0,) * size)
    return np.stack([(np.array(columns) >> bits[:, None]) & 1 for columns in sorted(classes)])


def kind_of(mask):
    """Return the connectivity of a mask.

    ``connected``: one component; ``complete``: several components, each with every entry of its rows and columns;
    ``parts``: several components, of which at least one lacks entries.
    """
    rows, columns = mask.shape
    graph = np.block([[np.zeros((rows, rows)), mask], [mask.T, np.zeros((columns, columns))]])
    label = connected_components(graph, directed=False)[1]
    parts = {label[row] for row in range(rows) if mask[row].any()}
    if len(parts) == 1:
        return "connected"
    whole = all(mask[np.ix_(label[:rows] == part, label[rows:] == part)].all() for part in parts)
    return "complete" if whole else "parts"


def rank_one(d, generator):
    """Return uvᵀ, scaled to norm 1; entries of u and v have magnitudes uniform in [½, 1½] and random signs."""
    u, v = generator.uniform(0.5, 1.5, (2, d)) * generator.choice([-1.0, 1.0], (2, d))
    return np.outer(u, v) / (np.linalg.norm(u) * np.linalg.norm(v))


def product_of(layers):
    """Return W_N…W_1, shape (B, d, d), of layers of that shape, W_1 first."""
    found = layers[0]
    for layer in layers[1:]:
        found = layer @ found
    return found


def descend(masks, targets, layers, step, iterations, fitted):
    """Return the ends of descents on ½‖mask∘(W_N…W_1 − X*)‖_F², and their relative training errors.

    Parameters
    ----------
    masks, targets : numpy.ndarray, shape (B, d, d)
    layers : sequence of numpy.ndarray, shape (B, d, d)
        W_1 first.
    step : float
    iterations : int
    fitted : float
        The relative training error at which a run ends, checked every ``EVERY`` iterations.
    """
    ends, errors = np.zeros(targets.shape), np.ones(len(targets))
    active, layers = np.arange(len(targets)), list(layers)
    sizes = np.linalg.norm(masks * targets, axis=(1, 2))
    for first in range(0, iterations, EVERY):
        for _ in range(min(EVERY, iterations - first)):
            change = step * masks[active] * (product_of(layers) - targets[active])
            layers = [layer - move for layer, move in zip(layers, gradients(layers, change), strict=True)]
        ends[active] = product_of(layers)
        errors[active] = np.linalg.norm(masks[active] * (ends - targets)[active], axis=(1, 2)) / sizes[active]
        going = errors[active] >= fitted
        active, layers = active[going], [layer[going] for layer in layers]
        if not len(active):
            break
    return ends, errors


def gradients(layers, change):
    """Return (W_N…W_{k+1})ᵀ C (W_{k−1}…W_1)ᵀ for every k."""
    found = []
    for k in range(len(layers)):
        move = change
        for layer in layers[:k:-1]:
            move = layer.swapaxes(1, 2) @ move
        if k:
            move = move @ product_of(layers[:k]).swapaxes(1, 2)
        found.append(move)
    return found
