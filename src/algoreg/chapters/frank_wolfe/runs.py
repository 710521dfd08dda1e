"""What the experiments of Frank–Wolfe share: the errors of runs at some iterations."""

import numpy as np

from algoreg.engine.observers import Observer, begins


class At(Observer):
    """Both errors of every run at some iterations: memory ``test`` and ``train`` (K, B)."""

    reads_train_error = True
    per_snapshot = begins(test=np.nan, train=np.nan)

    def __init__(self, iterations):
        self.iterations = sorted(iterations)

    def observe(self, snapshot):
        """Record the errors."""
        if snapshot.iteration in self.iterations:
            place = self.iterations.index(snapshot.iteration)
            self.memory["test"][place, snapshot.active] = snapshot.test_error
            self.memory["train"][place, snapshot.active] = snapshot.train_error

    def courses(self):
        """Return of every run its (iteration, test error, training error), a list of them."""
        both = zip(*(self.memory[name].T.tolist() for name in ("test", "train")), strict=True)
        return [list(zip(self.iterations, *errors, strict=True)) for errors in both]
