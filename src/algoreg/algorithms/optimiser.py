"""Today's optimisers on a factorisation: geometry, momentum, schedule and weight decay are independent options.

With G the gradient in the factors F ("M-form": M·U for X = UUᵀ), a step is

    B ← βB + (1 − β)G,    D = geometry(B),    F ← (1 − η_tλ)F − η_tD.

``geometry`` is ``descent`` (D = B), ``normalised`` (B over its norm, taken over all factors together), ``sign``,
``polar`` (the polar factor of every factor's B: Muon without its approximation), ``newton_schulz`` (Muon's
approximation), ``adam`` (every entry of B is divided by the root of its averaged squared gradient, with β₂ and ε) or
``shampoo`` (one-sided: (C^{1/2} + ε)⁻¹B, where C is the averaged GGᵀ). ``momentum`` is β. ``momentum_form`` is
``average``, as above, ``nesterov`` (D is the geometry of βB + (1 − β)G, as in Muon) or ``after`` (B averages the
directions of the bare gradients). Heavy ball with step size η is ``average`` with step size η/(1 − β). Under their
usual names, signum is ``sign`` with momentum, RMSProp is ``adam`` without momentum, and AdamW is ``adam`` with weight
decay.

``parametrisation`` is the map from factors to X: ``square`` UUᵀ, ``difference`` UUᵀ − VVᵀ, ``product`` F₁F₂⋯F_Nᵀ of
``depth`` factors (LRᵀ for 2). Step sizes are constant, or fall exponentially from ``step`` to ``last_step``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import base
from algoreg.algorithms.factored import side_by_side, start_matrix
from algoreg.ensembles.base import Ensemble
from algoreg.numerics.optimisers import GEOMETRIES, PARAMETRISATIONS, pulled, whitened
from algoreg.numerics.seeds import stream
from algoreg.settings.base import RunOptions, as_list, misfit


class Options(RunOptions):
    """Options of a run."""

    at_most_d: ClassVar[tuple] = ("width",)
    alpha: PositiveFloat
    start: Literal["identity", "gaussian"] = "identity"
    width: PositiveInt | None = Field(None, description="columns of every factor; null for d")
    parametrisation: Literal["square", "difference", "product"] = "square"
    depth: int = Field(2, ge=2, le=10, description="factors of a product")
    geometry: Literal["descent", "normalised", "sign", "adam", "shampoo", "polar", "newton_schulz"] = "descent"
    momentum: float = Field(0.0, ge=0, lt=1, description="β")
    momentum_form: Literal["average", "nesterov", "after"] = "average"
    second_momentum: float = Field(0.999, ge=0, lt=1, description="β₂ of adam and shampoo")
    epsilon: PositiveFloat = Field(1e-8, description="ε of adam and shampoo")
    bias_correction: bool = Field(True, description="of adam's averages; RMSProp's original has none")
    weight_decay: NonNegativeFloat = Field(0.0, description="λ, decoupled: (1 − ηλ)F")
    last_step: PositiveFloat | None = Field(None, description="step at the end of the schedule; null for constant")
    schedule_iterations: PositiveInt | None = Field(None, description="length of the schedule; null for the run's")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if max(length or 0 for length in as_list(self.schedule_iterations)) > self.iterations:
            raise misfit(self, f"at most the run's iterations = {self.iterations}", "schedule_iterations")
        if "adam" in as_list(self.geometry) and "nesterov" in as_list(self.momentum_form):
            raise misfit(self, "momentum_form average or after with adam", "momentum_form")
        return self


def factor_count(run: Mapping[str, Any]) -> int:
    """Return the number of factors of a run."""
    return {"square": 1, "difference": 2}.get(run["parametrisation"], run["depth"])


def start_factors(run: Mapping[str, Any], d: int, seed: int) -> list[torch.Tensor]:
    """Return the initial factors of a run, a list of d × k matrices, float64.

    With ``square`` and ``difference`` every factor is αB, so that the difference begins at X = 0. With ``product``
    every factor is α^{2/N}·B, where a drawn B differs between factors; between the ends only the first k rows are not
    0.
    """
    width, count = run.get("width") or d, factor_count(run)
    if run["parametrisation"] != "product":
        return [run["alpha"] * start_matrix(run["start"], d, seed, run["target"])[:, :width]] * count
    scale, starts = run["alpha"] ** (2 / count), []
    for number in range(count):
        if run["start"] == "identity":
            start = torch.eye(d, dtype=torch.float64)
        else:
            names = {"kind": f"product-{number}", "d": d, "seed": seed, "target": run["target"]}
            start = torch.from_numpy(stream("start", **names).standard_normal((d, d))) / d**0.5
        start = scale * start[:, :width]
        if 0 < number < count - 1:
            start[width:] = 0
        starts.append(start)
    return starts


class Algorithm(base.Algorithm):
    """A batch of descents with any geometries and parametrisations.

    State: ``factors``; ``momentum``, B; ``squares``, Adam's averages, each of shape (B, N, d, k); and ``covariances``,
    Shampoo's C, shape (B, N, d, d). N and k are the largest of the batch; runs with fewer factors or columns are padded
    with 0.
    """

    requires = frozenset({"gradient"})
    estimates = "symmetric"
    error = "anyhow"

    def __init__(self, ensemble: Ensemble, labels: torch.Tensor, runs: Sequence[Mapping[str, Any]], seed: int) -> None:
        super().__init__(ensemble, labels, runs, seed)
        names = ("momentum", "second_momentum", "epsilon", "weight_decay")
        self.option = {name: self.numbers(name)[..., None] for name in names}
        self.geometries = self._alike(lambda run: run["geometry"])
        self.maps = self._alike(lambda run: (run["parametrisation"], factor_count(run)))
        self.nesterov, self.after = (
            self.runs_with("momentum_form", form)[:, None, None, None] for form in ("nesterov", "after")
        )
        self.corrected = self.runs_with("bias_correction", True)[:, None, None, None]
        lengths = [run.get("schedule_iterations") or run["iterations"] for run in runs]
        falls = [(run.get("last_step") or run["step"]) / run["step"] for run in runs]
        self.lengths, self.falls = (
            torch.tensor(values, dtype=torch.float64).to(labels)[:, None, None, None] for values in (lengths, falls)
        )

    def _alike(self, kind: Callable[[Mapping[str, Any]], Any]) -> dict[Any, slice | torch.Tensor]:
        """Return the indices of the runs of every kind."""
        places: dict[Any, list[int]] = {}
        for number, run in enumerate(self.runs):
            places.setdefault(kind(run), []).append(number)
        # A slice, if all runs are alike, lets them be read and written without a copy.
        if len(places) == 1:
            return dict.fromkeys(places, slice(None))
        return {name: torch.tensor(each, device=self.labels.device) for name, each in places.items()}

    def initial(self) -> base.State:
        """Return the initial factors; momentum, squares and covariances are 0."""
        d, most = self.ensemble.d, max(count for _, count in self.maps)
        starts = [start_factors(run, d, self.seed) for run in self.runs]
        lacking = torch.zeros(d, 1, dtype=torch.float64)
        padded = [factor for own in starts for factor in own + [lacking] * (most - len(own))]
        factors = side_by_side(padded).to(self.labels).view(len(self.runs), most, d, -1)
        zeros = torch.zeros_like(factors)
        covariances = factors.new_zeros(*factors.shape[:3], d)
        return {"factors": factors, "momentum": zeros, "squares": zeros.clone(), "covariances": covariances}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps, the first of them step number ``iteration``."""
        state = dict(state)
        beta, decay = self.option["momentum"], self.option["weight_decay"]
        for step in range(iteration, iteration + count):
            factors, average = state["factors"], state["momentum"]
            gradient = self.gradient(factors, step)
            moved = beta * average + (1 - beta) * gradient
            seen = torch.where(self.nesterov, beta * moved + (1 - beta) * gradient, moved)
            directions = self._directions(torch.where(self.after, gradient, seen), gradient, state, step + 1)
            moved = torch.where(self.after, beta * average + (1 - beta) * directions, moved)
            state["momentum"] = moved
            length = self.step_at(step)
            state["factors"] = (1 - length * decay) * factors - length * torch.where(self.after, moved, directions)
        return state

    def step_at(self, step: int) -> torch.Tensor:
        """Return η of every run at step number ``step``, shape (B, 1, 1, 1)."""
        return self.steps[..., None] * self.falls ** (step / self.lengths).clamp(max=1)

    def gradient(self, factors: torch.Tensor, step: int) -> torch.Tensor:
        """Return the gradient in the factors of every run."""
        in_x = self.ensemble.gradient(self._product(factors), self.labels)
        return self._pulled(factors, in_x)

    def _pulled(self, factors: torch.Tensor, in_x: torch.Tensor) -> torch.Tensor:
        """Return the gradient in the factors, computed from the gradient in X."""
        found = torch.zeros_like(factors)
        for (name, number), places in self.maps.items():
            found[places, :number] = pulled(name, factors[places, :number], in_x[places])
        return found

    def _product(self, factors: torch.Tensor) -> torch.Tensor:
        """Return X of every run."""
        found = self.labels.new_zeros(len(factors), self.ensemble.d, self.ensemble.d)
        for (name, number), places in self.maps.items():
            of_factors, _ = PARAMETRISATIONS[name]
            found[places] = of_factors(factors[places, :number])
        return found

    def _directions(self, seen: torch.Tensor, gradient: torch.Tensor, state: base.State, number: int) -> torch.Tensor:
        """Return the direction of step number ``number``, counted from 1, and update the state's averages."""
        found = torch.zeros_like(seen)
        for name, places in self.geometries.items():
            own = seen[places]
            if name in GEOMETRIES:
                found[places] = GEOMETRIES[name](own)
                continue
            second, epsilon, corrected, after, beta = (
                value[places]
                for value in (
                    self.option["second_momentum"],
                    self.option["epsilon"],
                    self.corrected,
                    self.after,
                    self.option["momentum"],
                )
            )
            slope = gradient[places]
            memory, new = ("squares", slope.square()) if name == "adam" else ("covariances", slope @ slope.mT)
            kept = second * state[memory][places] + (1 - second) * new
            state[memory] = state[memory].clone()
            state[memory][places] = kept
            # These factors correct averages that are too small because they began at 0.
            kept = torch.where(corrected, kept / (1 - second**number), kept)
            if name == "adam":
                own = torch.where(corrected & ~after, own / (1 - beta**number), own)
                found[places] = own / (kept.sqrt() + epsilon)
            else:
                found[places] = whitened(own, kept, epsilon)
        return found

    def estimate(self, state: base.State) -> torch.Tensor:
        """Return X of every run."""
        return self._product(state["factors"])
