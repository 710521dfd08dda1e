"""Factored gradient descent with Nesterov's momentum: U_{t+1} = Z_t − ηM(Z_t)Z_t, Z_{t+1} = U_{t+1} + μ(U_{t+1} − U_t).

M(Z) = (1/m) Σ (⟨A_i, ZZᵀ⟩ − y_i) A_i, and η multiplies it ("M-form"); Z_0 = U_0. [kim2023] proposes this momentum for
factors; here it is used at any initialisation and width. With μ = 0 the descent has the same bits as without momentum.
"""

from pydantic import Field

from algoreg.algorithms import base, factored


class Options(factored.Options):
    """Options of a run."""

    momentum: float = Field(0.75, ge=0, lt=1)


class Algorithm(factored.Algorithm):
    """A batch of accelerated descents; see :class:`algoreg.algorithms.factored.Algorithm`.

    State: ``factor``, U, and ``ahead``, Z, at which the next step takes its gradient.
    """

    requires = frozenset({"descend", "gradient"})
    error = "ripples"

    def initial(self) -> base.State:
        """Return U_0 = Z_0 = αB of every run, shape (B, d, k) each."""
        factor = super().initial()["factor"]
        return {"factor": factor, "ahead": factor.clone()}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps of one pass each; ``state`` may be overwritten."""
        momentum = self.numbers("momentum").view(-1)
        factor, ahead = self.ensemble.accelerate(
            state["factor"], state["ahead"], self.steps.view(-1), momentum, self.labels, count
        )
        return {"factor": factor, "ahead": ahead}
