"""What the studies of Frank–Wolfe share: targets, and the errors of runs at some iterations."""

import numpy as np
import torch

from algoreg.engine.observers import Observer
from algoreg.numerics.problems import draw_factor, spectrum_target


class At(Observer):
    """Both errors of every run at some iterations: memory ``test`` and ``train`` (B, K)."""

    reads_train_error = True

    def __init__(self, iterations):
        self.iterations = sorted(iterations)

    def prepare(self, batch):
        """Begin without errors."""
        shape = (len(batch.runs), len(self.iterations))
        self.memory = {"test": np.full(shape, np.nan), "train": np.full(shape, np.nan)}

    def moments(self, last):
        """Return the iterations."""
        return {iteration for iteration in self.iterations if iteration <= last}

    def look(self, look):
        """Take in the errors."""
        if look.iteration in self.iterations:
            place = self.iterations.index(look.iteration)
            self.memory["test"][look.active, place] = look.test_error
            self.memory["train"][look.active, place] = look.train_error


def targets(context, d, rank, count):
    """Return X* of targets 0 to ``count`` − 1 with r eigenvalues 1, shape (T, d, d)."""
    factors = [draw_factor(spectrum_target(rank, 1), d, rank, context.seed, number) for number in range(count)]
    return torch.stack([torch.from_numpy(u @ u.T) for u in factors]).to(context.device, context.dtype)
