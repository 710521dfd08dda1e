"""What the studies of Frank–Wolfe share: the errors of runs at some iterations."""

import numpy as np

from algoreg.engine.observers import Observer


class At(Observer):
    """Both errors of every run at some iterations: memory ``test`` and ``train`` (B, K)."""

    reads_train_error = True

    def __init__(self, iterations):
        self.iterations = sorted(iterations)

    def prepare(self, batch):
        """Begin without errors."""
        shape = (len(batch.runs), len(self.iterations))
        self.memory = {"test": np.full(shape, np.nan), "train": np.full(shape, np.nan)}

    def look(self, look):
        """Take in the errors."""
        if look.iteration in self.iterations:
            place = self.iterations.index(look.iteration)
            self.memory["test"][look.active, place] = look.test_error
            self.memory["train"][look.active, place] = look.train_error
