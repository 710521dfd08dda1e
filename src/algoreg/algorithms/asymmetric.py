"""Two factors, X = LRᵀ of any shape: simultaneous descent, or alternating preconditioned steps.

With M = (1/m) Σ (⟨A_i, LRᵀ⟩ − y_i) A_i, ``rule: simultaneous`` is L ← L − ηMR, R ← R − ηMᵀL, both from the old factors.
``alternating`` is L ← L − ηMR(RᵀR + λI)⁻¹ and then, with M at the new L, R ← R − ηMᵀL(LᵀL + λI)⁻¹. With λ = 0 it takes
the pseudoinverse [jia2024], and the descent forgets how small the initialisation was. L_0 = αG_1 and R_0 = αβG_2 with
iid N(0, 1/length) entries, where length is the side's number of rows. If β is not 1, the factors stay out of balance,
and simultaneous descent with too many columns converges linearly [xiong2024].
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from algoreg.algorithms import base
from algoreg.ensembles.base import Ensemble
from algoreg.numerics.eigen import decomposed
from algoreg.numerics.seeds import stream
from algoreg.settings.base import RunOptions

# Singular values of a factor's square below this share of the largest count as 0.
CUT = 1e-12


class Options(RunOptions):
    """Options of a run."""

    at_most_d: ClassVar[tuple] = ("width",)
    alpha: PositiveFloat
    width: PositiveInt | None = Field(None, description="null for the smaller side")
    rule: Literal["simultaneous", "alternating"] = "simultaneous"
    damping: NonNegativeFloat = Field(0.0, description="λ of the alternating rule")
    balance: PositiveFloat = Field(1.0, description="β: the scale of the right start over that of the left")


def start_factor(side: str, length: int, width: int, seed: int, target: int) -> torch.Tensor:
    """Return the first ``width`` columns of a side's G, whose entries are N(0, 1/length), float64."""
    drawn = stream("start", kind=f"asymmetric-{side}", d=length, seed=seed, target=target)
    return torch.from_numpy(drawn.standard_normal((length, length))[:, :width]) / length**0.5


class Algorithm(base.Algorithm):
    """A batch of descents on two factors; see :class:`algoreg.algorithms.base.Algorithm`.

    State: ``left``, L, and ``right``, R. Runs of a batch may differ in width: narrower factors are padded with columns
    of 0. An alternating step takes two passes.
    """

    requires = frozenset({"rectangular gradient"})
    estimates = "rectangular"

    def __init__(self, ensemble: Ensemble, labels: torch.Tensor, runs: Sequence[Mapping[str, Any]], seed: int) -> None:
        super().__init__(ensemble, labels, runs, seed)
        smaller = min(ensemble.d, ensemble.columns)
        self.widths = [run["width"] or smaller for run in runs]
        if max(self.widths, default=1) > smaller:
            raise ValueError(f"width = {max(self.widths)}: allowed is at most {smaller}, the matrices' smaller side")
        column: dict[str, Any] = {"dtype": torch.float64, "device": labels.device}
        self.damping = torch.tensor([run["damping"] for run in runs], **column)[:, None, None]
        self.alternating = self.runs_with("rule", "alternating")[:, None, None]
        self.any_alternating = bool(self.alternating.any())

    def initial(self) -> base.State:
        """Return L_0 and R_0 of every run, shapes (B, d1, k) and (B, d2, k)."""
        sides = {"left": (self.ensemble.d, 1.0), "right": (self.ensemble.columns, None)}
        state, most = {}, max(self.widths)
        for side, (length, scale) in sides.items():
            factors = torch.zeros(len(self.runs), length, most, dtype=torch.float64)
            for factor, run, width in zip(factors, self.runs, self.widths, strict=True):
                drawn = start_factor(side, length, width, self.seed, run["target"])
                factor[:, :width] = run["alpha"] * (scale or run["balance"]) * drawn
            state[side] = factors.to(self.labels)
        return state

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps."""
        left, right = state["left"], state["right"]
        for _ in range(count):
            gradient = self._gradient(left, right)
            moved = left - self.steps * self._conditioned(torch.bmm(gradient, right), right)
            if self.any_alternating:
                gradient = torch.where(self.alternating, self._gradient(moved, right), gradient)
            seen = torch.where(self.alternating, moved, left)
            right = right - self.steps * self._conditioned(torch.bmm(gradient.mT, seen), seen)
            left = moved
        return {"left": left, "right": right}

    def _gradient(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return self.ensemble.gradient(torch.bmm(left, right.mT), self.labels)

    def _conditioned(self, pull: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Return P(FᵀF + λI)⁻¹ of a pull P and the other factor F where the rule is alternating, else P."""
        if not self.any_alternating:
            return pull
        values, vectors = decomposed(torch.bmm(other.mT, other))
        # In directions that the factor does not span the inverse is 0, as in the pseudoinverse, even with damping, so
        # that columns of 0 stay 0.
        inverse = torch.where(values <= CUT * values[:, -1:], 0.0, 1 / (values + self.damping[:, 0]))
        solved = torch.bmm(torch.bmm(pull.double(), vectors) * inverse[:, None, :], vectors.mT).to(pull)
        return torch.where(self.alternating, solved, pull)

    def estimate(self, state: base.State) -> torch.Tensor:
        """Return X = LRᵀ of every run, shape (B, d1, d2)."""
        return torch.bmm(state["left"], state["right"].mT)
