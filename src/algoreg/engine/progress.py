"""What a job's log says while a batch descends."""

import time

import numpy as np

PROGRESS_SECONDS = 10


def _range(name, errors):
    return f"{name} error {np.min(errors):.2e} … {np.max(errors):.2e}"


class Progress:
    """Prints iteration, errors, rate and time left, at most every ten seconds.

    Parameters
    ----------
    budgets : numpy.ndarray of int, shape (B,)
        The iterations of every run.
    say : callable
        Takes a line.
    """

    def __init__(self, budgets, say):
        self.budgets, self.say, self.base = budgets, say, None
        self.started = self.printed = time.monotonic()

    def _done(self, iteration):
        return np.minimum(self.budgets, iteration).sum()

    def show(self, look):
        """Say a line if it is time for one; ``look`` is an :class:`algoreg.engine.loop.Look`."""
        now = time.monotonic()
        if self.base is None:
            self.base = self._done(look.iteration)
        if now - self.printed < PROGRESS_SECONDS:
            return
        good = ~look.diverged
        if not good.any():
            return
        self.printed = now
        rate = (self._done(look.iteration) - self.base) / (now - self.started)
        left = np.maximum(self.budgets[look.active] - look.iteration, 0).sum()
        errors = [_range("train", look.train_error[good])] if look.has_train_error else []
        if np.isfinite(look.test_error[good]).all():
            errors.append(_range("test", look.test_error[good]))
        self.say(
            f"iteration {look.iteration:>7} of {self.budgets.max()}: {len(look.active)} runs, {', '.join(errors)}, "
            f"{rate:.0f} run-iterations/s, {left / max(rate, 1e-9):.0f} s left"
        )
