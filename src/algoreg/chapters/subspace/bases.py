"""The directions of a deep linear network's layers that descent does not move, and the small network of the others.

The loss is ½‖W_N…W_1 − A‖_F² with a d × d matrix A of rank r. Let V span the directions that both A and
AᵀW_N(0)…W_1(0) send to 0: d − 2r of them. If W_k(0) = αQ_k with orthogonal Q_k, the gradient along V and its images
U_k = Q_k…Q_1V is a multiple of the layer itself. So W_k(t) remains ρ_k(t) times its initial value there, and acts on
the 2r other directions as a 2r × 2r matrix [yaras2023]. In these bases the network has 2r + 1 columns and is
initialised at αI; its last column holds ρ, which all of V share.
"""

import numpy as np

# A direction counts as sent to 0 below this share of the largest singular value.
NEGLIGIBLE = 1e-10


def complement(columns):
    """Return orthonormal columns that span what is orthogonal to these, shape (d, d − their rank)."""
    left, values, _ = np.linalg.svd(columns)
    return left[:, int((values > NEGLIGIBLE * values[0]).sum()) :]


def active_directions(target, layers):
    """Return orthonormal columns that span what A or AᵀW_N(0)…W_1(0) does not send to 0: what descent moves."""
    product = layers[0]
    for layer in layers[1:]:
        product = layer @ product
    return complement(complement(np.hstack([target.T, product.T @ target])))


def invariant_bases(layers, directions):
    """Return V_1 = V, V_2, …: orthonormal bases of the complement of ``directions`` and of its images by the layers."""
    found = [complement(directions)]
    for layer in layers[:-1]:
        found.append(np.linalg.qr(layer @ found[-1])[0])
    return found


def deviation(begun, layer, basis):
    """Return W − ρW(0) and ‖(W − ρW(0))V‖ / ‖W(0)V‖ of a layer, with the ρ that makes the latter smallest."""
    before, after = begun @ basis, layer @ basis
    rho = np.sum(before * after) / np.sum(before**2)
    return layer - rho * begun, np.linalg.norm(after - rho * before) / np.linalg.norm(before)


def compressed(target, layers, directions):
    """Return the target of the small network, and the matrices that lift its product back.

    Parameters
    ----------
    target : numpy.ndarray, shape (d, d)
    layers : sequence of numpy.ndarray, shape (d, d)
        αQ_k with orthogonal Q_k, W_1 first.
    directions : numpy.ndarray, shape (d, k)
        The directions that the small network keeps, orthonormal columns.

    Returns
    -------
    small : numpy.ndarray, shape (k + 1, k + 1)
    lift : callable
        Takes the product of the small network, shape (…, k + 1, k + 1), to one of shape (…, d, d).
    """
    rest, scale = complement(directions), np.linalg.norm(layers[0], 2)
    kept_image, rest_image = directions, rest
    for layer in layers:
        kept_image, rest_image = layer @ kept_image / scale, layer @ rest_image / scale
    count = directions.shape[1]
    small = np.zeros((count + 1, count + 1))
    small[:count, :count] = kept_image.T @ target @ directions

    def lift(product):
        kept = kept_image @ product[..., :count, :count] @ directions.T
        return kept + product[..., count:, count:] * (rest_image @ rest.T)

    return small, lift
