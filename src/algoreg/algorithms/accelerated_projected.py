"""Accelerated projected gradient descent on X from 0: X ← P(Y − ηM(Y)) [Beck & Teboulle 2009, FISTA].

Y extrapolates the last two X, and P is the projection on the PSD cone. With measurements xxᵀ the trace has d/2 times
the curvature of all other directions, and without momentum the descent would need as many times more iterations. The
step η multiplies M ("M-form").
"""

from algoreg.algorithms import base
from algoreg.numerics.eigen import project


class Algorithm(base.Algorithm):
    """A batch of accelerated descents; see :class:`algoreg.algorithms.base.Algorithm`.

    State: ``estimate``, X, and ``ahead``, Y.
    """

    requires = frozenset({"gradient"})
    error = "ripples"

    def initial(self) -> base.State:
        """Return X_0 = Y_0 = 0 of every run, shape (B, d, d) each."""
        zero = self.zeros()
        return {"estimate": zero, "ahead": zero}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps, the first of them step number ``iteration``."""
        current, ahead = state["estimate"], state["ahead"]
        for k in range(iteration, iteration + count):
            following = project(ahead - self.steps * self.ensemble.gradient(ahead, self.labels))
            ahead = following + k / (k + 3) * (following - current)
            current = following
        return {"estimate": current, "ahead": ahead}
