"""Factored gradient descent with Nesterov's momentum: U_{t+1} = Z_t − ηM(Z_t)Z_t, Z_{t+1} = U_{t+1} + μ(U_{t+1} − U_t).

M(Z) = (1/m) Σ (⟨A_i, ZZᵀ⟩ − y_i) A_i, and η multiplies it ("M-form"); Z_0 = U_0. The momentum of factors is that of
[kim2023], here at any initialisation and width. μ = 0 is plain descent, with the same bits.
"""

from pydantic import Field

from algoreg.algorithms import base, factored


class Options(factored.Options):
    """What a run can be told."""

    momentum: float = Field(0.75, ge=0, lt=1)


class Algorithm(factored.Algorithm):
    """A batch of accelerated descents; see :class:`algoreg.algorithms.factored.Algorithm`.

    State: ``factor``, U, and ``ahead``, Z, where the next step takes its gradient.
    """

    requires = frozenset({"descend", "gradient"})
    error = "ripples"

    def initial(self) -> base.State:
        """Return U_0 = Z_0 = αB of every run, shape (B, d, k) each."""
        factor = super().initial()["factor"]
        return {"factor": factor, "ahead": factor.clone()}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps, a pass each; may overwrite it."""
        momentum = self.numbers("momentum").view(-1)
        factor, ahead = self.ensemble.accelerate(
            state["factor"], state["ahead"], self.steps.view(-1), momentum, self.labels, count
        )
        return {"factor": factor, "ahead": ahead}
