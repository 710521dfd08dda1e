"""A photograph from some of its pixels: completion by descent beside least trace and means,
and the same with shuffled pixels.
"""

from typing import Annotated

import numpy as np
from pydantic import Field, PositiveInt
from sklearn.datasets import load_sample_image

from algoreg.algorithms import factored, least_trace
from algoreg.numerics.seeds import stream
from algoreg.recover.completion import MatrixCompleter
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    block: int = Field(ge=4, le=64)
    share: Several[Annotated[float, Field(ge=0.1, lt=1)]]
    iterations: PositiveInt = 1500


KEYS = {
    "picture": "`photograph`, or `shuffled`: the same pixels in a random order, which differs by ensemble",
    "share": "share of the pixels that is known",
    "method": "`descent` of full width, `least trace`, or `means` of rows and columns",
    "ensemble": "number of the random choice of known pixels",
}
VALUES = {
    "rows": "rows of the picture",
    "columns": "its columns",
    "error": (
        "the error of unseen pixels",
        "‖X − X*‖ over unseen pixels, relative to that of the mean of the known ones",
    ),
    "effective_rank": "exp(entropy) of the normalised singular values (empty: the means)",
    "kept": "iteration that held-out pixels chose (empty: the means)",
}
NAME = "china.jpg"
# What every descent is told; the modules are named here so that an edit of them reruns the experiment.
METHODS = {"descent": ("factored", factored), "least trace": ("least_trace", least_trace)}
ALPHA = 1e-3


def photograph(block):
    """Return scikit-learn's photograph of a temple in grey, from 0 to 1,
    mean over blocks of pixels, shape (427/block, 640/block).
    """
    grey = load_sample_image(NAME).astype(np.float64).mean(axis=2) / 255
    rows, columns = (length // block for length in grey.shape)
    return grey[: rows * block, : columns * block].reshape(rows, block, columns, block).mean(axis=(1, 3))


def means(picture, known):
    """Return the mean of the known pixels of every row plus that of its column less that of all,
    shape of the picture.
    """
    overall = picture[known].mean()
    seen = np.where(known, picture - overall, 0)
    rows = seen.sum(axis=1, keepdims=True) / np.maximum(known.sum(axis=1, keepdims=True), 1)
    columns = seen.sum(axis=0, keepdims=True) / np.maximum(known.sum(axis=0, keepdims=True), 1)
    return overall + rows + columns


def measure(options, context, number, share):
    """Return one row per picture, share, method and choice of known pixels:
    the error of the pixels that are not known.
    """
    picture = photograph(options["block"])
    shape = picture.shape
    names = {"seed": context.seed, "ensemble": number, "rows": shape[0]}
    known = stream("known-pixels", **names).random(shape) < share
    shuffled = stream("shuffled-pixels", **names).permutation(picture.ravel()).reshape(shape)
    for label, content in (("photograph", picture), ("shuffled", shuffled)):
        fixed = {"picture": label, "share": share, "ensemble": number, "rows": shape[0], "columns": shape[1]}
        scale = np.linalg.norm((content - content[known].mean())[~known])

        def row(method, found, rank=np.nan, kept=np.nan, fixed=fixed, content=content, scale=scale):
            error = float(np.linalg.norm((found - content)[~known]) / scale)
            more = {"effective_rank": rank, "kept": kept, "status": "converged"}
            return {**fixed, "method": method, "error": error, **more}

        yield row("means", means(content, known))
        for method, (name, _) in METHODS.items():
            fit = MatrixCompleter(
                shape=shape, method=name, alpha=ALPHA, stop="hold-out", max_iter=options["iterations"],
                random_state=number, device=str(context.device),
            ).fit(np.argwhere(known), content[known])  # fmt: skip
            yield row(method, fit.matrix_, fit.effective_rank_, fit.n_iter_)
