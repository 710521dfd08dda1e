"""Algorithm 1 for one-hidden-layer networks with quadratic activations: truncated steps, rescaling [LMZ18, Appendix A].

The network is ŷ(x) = |Uᵀx|² with a d×k matrix U of hidden weights. A step is Ũ = U − ηcM̃U with
M̃ = (1/m) Σ (ŷ_i − y_i) 1{ŷ_i ≤ R} x_i x_iᵀ, then U ← Ũ/(1 − η(‖U‖_F² − τ)) with τ = ‖U*‖_F².

In the population limit without truncation M̃ = 2Δ + tr(Δ)·I, where Δ = UUᵀ − U*U*ᵀ and tr Δ = ‖U‖_F² − τ. With
coefficient c = 1 the division therefore cancels the trace exactly and leaves the matrix-sensing step
(I − 2η/(1 − η tr Δ)·Δ)U. The gradient of the printed loss (1/m) Σ (ŷ_i − y_i)² 1{…} corresponds to c = 4, with which
the trace is not cancelled.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import base, factored
from algoreg.algorithms.factored import start_matrix
from algoreg.algorithms.stochastic import samples
from algoreg.ensembles.base import Measurements
from algoreg.settings.base import LEFT_OUT, RunOptions, as_list, misfit


class Options(RunOptions):
    """Options of a run."""

    alpha: PositiveFloat
    start: Literal["identity", "orthonormal", "gaussian"] = "identity"
    width: PositiveInt | None = Field(None, description="null for d")
    truncation: PositiveFloat | None = Field(None, description="the level R; null for none")
    tau: PositiveFloat | Literal["mean-label"] = "mean-label"
    tau_error: float = Field(0.0, gt=-1, description="a relative error")
    rescaling: Literal[1, 0, -1] = Field(1, description="Algorithm 1's, none or the wrong sign")
    coefficient: PositiveFloat = Field(1.0, description="1 cancels the trace, 4 is the gradient's")
    batch_size: PositiveInt = Field(LEFT_OUT, description="at most the run's m; left out for all measurements")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        most = min(as_list(self.m))
        if self.batch_size is not None and max(as_list(self.batch_size)) > most:
            raise misfit(self, f"at most m = {most}", "batch_size")
        return self


MEAN_LABEL = Options.model_fields["tau"].default


def start_factor(kind: str, d: int, width: int, seed: int, target: int) -> torch.Tensor:
    """Return B of U_0 = αB, d × width, float64: the first columns of :func:`algoreg.algorithms.factored.start_matrix`.

    If the width exceeds d, the columns repeat, and are scaled so that the trace of BBᵀ is the square initialisation's.
    """
    square = start_matrix(kind, d, seed, target)
    repeats = -(-width // d)
    return square.repeat(1, repeats)[:, :width] * min(d / width, 1.0) ** 0.5


class Algorithm(factored.Algorithm):
    """A batch of networks of one width that share an ensemble and, at equal batch size and m, their sample order.

    If ``tau`` of a run is a number, it is τ itself, which is the rank for U* with unit columns; ``mean-label``
    estimates τ by the mean of the labels that the run knows. ``tau_error`` is relative. State: ``factor``, U.

    Raises
    ------
    ValueError
        If a level, a τ, a width or a batch size is not positive, a batch size exceeds m, or the widths differ.
    """

    ensemble: Measurements
    requires = frozenset({"single measurements", "truncation"})

    def __init__(
        self, ensemble: Measurements, labels: torch.Tensor, runs: Sequence[Mapping[str, Any]], seed: int
    ) -> None:
        super().__init__(ensemble, labels, runs, seed)
        widths = {run["width"] or ensemble.d for run in runs}
        if len(widths) > 1:
            raise ValueError(f"width = {sorted(widths)}: the runs of a batch have one width")
        self.columns = min(widths, default=ensemble.d)
        known = [
            float(labels[i, : run["m"]].mean()) if run["tau"] == MEAN_LABEL else run["tau"]
            for i, run in enumerate(runs)
        ]
        self.taus = self._column([tau * (1 + run["tau_error"]) for tau, run in zip(known, runs, strict=True)])
        levels = [run["truncation"] for run in runs]
        for name, values in (("truncation", levels), ("tau", self.taus.tolist()), ("width", [self.columns])):
            wrong = [value for value in values if value is not None and not value > 0]
            if wrong:
                raise ValueError(f"{name} = {wrong[0]}: allowed is a number above 0")
        cut = [float("inf") if level is None else level for level in levels]
        self.levels = None if all(level is None for level in levels) else self._column(cut)[:, None]
        self.pulls = self._column([run["step"] * run["coefficient"] for run in runs])[:, None, None]
        self.rescalings = self._column([run["step"] * run["rescaling"] for run in runs])
        self.groups = {}
        for number, run in enumerate(runs):
            if run["batch_size"] is not None and not 1 <= run["batch_size"] <= run["m"]:
                raise ValueError(f"batch_size = {run['batch_size']}: allowed is 1 to m = {run['m']}")
            self.groups.setdefault(run["batch_size"] and (run["batch_size"], run["m"]), []).append(number)

    def _column(self, values: Sequence[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float64).to(self.labels)

    def initial(self) -> base.State:
        """Return U_0 of every run, shape (B, d, k)."""
        starts = [
            run["alpha"] * start_factor(run["start"], self.ensemble.d, self.columns, self.seed, run["target"])
            for run in self.runs
        ]
        return {"factor": torch.stack(starts).to(self.labels)}

    def _step(
        self, factors: torch.Tensor, ensemble: Measurements, labels: torch.Tensor, index: torch.Tensor | slice
    ) -> torch.Tensor:
        """Return the factors of some runs after one step, NaN where the rescaling's denominator is not positive."""
        levels = None if self.levels is None else self.levels[index]
        gradient = ensemble.factored_gradient(factors, labels, levels)
        excess = factors.square().sum(dim=(1, 2)) - self.taus[index]
        divisor = 1 - self.rescalings[index] * excess
        divisor = torch.where(divisor > 0, divisor, torch.nan)[:, None, None]
        return torch.addcmul(factors, self.pulls[index], gradient, value=-1).div_(divisor)

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps, the first of them step number ``iteration``."""
        iterate = state["factor"]
        if list(self.groups) == [None]:
            for _ in range(count):
                iterate = self._step(iterate, self.ensemble, self.labels, slice(None))
            return {"factor": iterate}
        iterate = iterate.clone()
        for group, members in self.groups.items():
            index = torch.tensor(members, device=iterate.device)
            labels, factors = self.labels[index], iterate[index]
            if group is None:
                whole = self.ensemble.shared_by([self.runs[number]["m"] for number in members])
                for _ in range(count):
                    factors = self._step(factors, whole, labels, index)
            elif count:
                size, m = group
                order = samples(self.seed, self.ensemble.number, iteration * size, (iteration + count) * size, m)
                for drawn in torch.from_numpy(order.reshape(count, size)).to(iterate.device):
                    factors = self._step(factors, self.ensemble.select(drawn), labels[:, drawn], index)
            iterate[index] = factors
        return {"factor": iterate}
