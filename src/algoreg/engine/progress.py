"""The lines of a job's log while a batch descends."""

import time
from collections.abc import Callable

import numpy as np

from algoreg.engine.batch import Snapshot

PROGRESS_SECONDS = 10


def _range(name: str, errors: np.ndarray) -> str:
    return f"{name} error {np.min(errors):.2e} … {np.max(errors):.2e}"


class Progress:
    """Prints iteration, errors, rate and time left, at most every ten seconds.

    Parameters
    ----------
    budgets : numpy.ndarray of int, shape (B,)
        The iterations of every run.
    log : callable
        Called with each line.
    """

    def __init__(self, budgets: np.ndarray, log: Callable[[str], None]) -> None:
        self.budgets, self.log = budgets, log
        self.base: int | None = None
        self.started = self.printed = time.monotonic()

    def _done(self, iteration: int) -> int:
        return np.minimum(self.budgets, iteration).sum()

    def show(self, snapshot: Snapshot) -> None:
        """Log a line for an :class:`algoreg.engine.batch.Snapshot` if it is time for one."""
        now = time.monotonic()
        if self.base is None:
            self.base = self._done(snapshot.iteration)
        if now - self.printed < PROGRESS_SECONDS:
            return
        good = ~snapshot.diverged
        if not good.any():
            return
        self.printed = now
        rate = (self._done(snapshot.iteration) - self.base) / (now - self.started)
        left = np.maximum(self.budgets[snapshot.active] - snapshot.iteration, 0).sum()
        errors = [_range("train", snapshot.train_error[good])] if snapshot.has_train_error else []
        if np.isfinite(snapshot.test_error[good]).all():
            errors.append(_range("test", snapshot.test_error[good]))
        self.log(
            f"iteration {snapshot.iteration:>7} of {self.budgets.max()}: {len(snapshot.active)} runs, {', '.join(errors)}, "
            f"{rate:.0f} run-iterations/s, {left / max(rate, 1e-9):.0f} s left"
        )
