"""Means of what spans decades."""

import numpy as np


def geometric_mean(values):
    """Return the geometric mean of numbers of at least 0: 0 where one of them is 0.

    By logarithms: a product of many small numbers would be below what a float can hold.
    """
    with np.errstate(divide="ignore"):
        return float(np.exp(np.log(values).mean()))
