"""Gradient descent on X itself from 0: X_{t+1} = X_t − ηM_t, which stays in the span of the measurements.

The step η multiplies M_t = (1/m) Σ (⟨A_i, X⟩ − y_i) A_i ("M-form").
"""

from algoreg.algorithms import base


class Algorithm(base.Algorithm):
    """A batch of descents on X; see :class:`algoreg.algorithms.base.Algorithm`. State: ``estimate``, X."""

    requires = frozenset({"gradient"})
    estimates = "symmetric"

    def initial(self) -> base.State:
        """Return X_0 = 0 of every run, shape (B, d, d)."""
        return {"estimate": self.zeros()}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps."""
        estimate = state["estimate"]
        for _ in range(count):
            estimate = estimate - self.steps * self.ensemble.gradient(estimate, self.labels)
        return {"estimate": estimate}
