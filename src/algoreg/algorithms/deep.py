"""Deep linear networks: gradient descent on the factors of X, a product W_N…W_1 or a power U^N of a symmetric U.

``form: product`` [arora2019] takes steps W_k ← W_k − η(W_N…W_{k+1})ᵀM(W_{k−1}…W_1)ᵀ for all k at once, from W_k =
α^{2/N}·I. From there the factors stay balanced and W_{N+1−k} = W_kᵀ, so X stays symmetric up to rounding, and M is
taken at (X + Xᵀ)/2. For N = 2 it is factored descent from αI with the same η. ``form: power`` [gissin2020] takes steps
U ← U − ηΣ_k U^{k−1}MU^{N−k}, from U = α^{2/N}·I; its dynamics differ and are N times as fast. In both forms X_0 = α²I,
as for factored descent.

For even N a product is BᵀB. With stable steps the eigenvalues of a power do not cross 0 either, for any N. Therefore
only products of an odd number of factors fit a target with a negative eigenvalue.

``rule: fixed`` has the step size η, which multiplies M ("M-form"). ``relative`` has η_t = η/(Nλ^{1−2/N} max(‖M‖_F, λ)),
where λ is the largest absolute eigenvalue of X, computed again every 10th step. Growth from 0 takes a time
η·t ~ α^{−2(1−2/N)} with fixed steps, but only a few relative steps.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from pydantic import Field, PositiveFloat

from algoreg.algorithms import base
from algoreg.ensembles.base import Ensemble
from algoreg.numerics.eigen import eigenvalues
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """Options of a run."""

    alpha: PositiveFloat
    depth: int = Field(3, ge=2, le=10)
    form: Literal["product", "power"] = "product"
    rule: Literal["fixed", "relative"] = "fixed"


# Steps between two computations of λ, each of which takes an eigendecomposition.
REFRESH = 10


def prefixes(layers: Sequence[torch.Tensor], depth: int) -> list[torch.Tensor]:
    """Return W_1, W_2W_1, … and X = W_N…W_1; if there is a single layer, every W_k equals it."""
    found = [layers[0]]
    for number in range(1, depth):
        found.append(torch.bmm(layers[number % len(layers)], found[-1]))
    return found


def moved_product(
    layers: Sequence[torch.Tensor], below: Sequence[torch.Tensor], change: torch.Tensor
) -> list[torch.Tensor]:
    """Return W_k − (W_N…W_{k+1})ᵀ C (W_{k−1}…W_1)ᵀ for every k.

    Parameters
    ----------
    layers : sequence of torch.Tensor, shape (B, d, d)
        W_1 first.
    below : sequence of torch.Tensor
        Their :func:`prefixes`.
    change : torch.Tensor, shape (B, d, d), symmetric
        C = ηM.
    """
    # (W_N…W_{k+1})ᵀC, from the last layer down.
    lefts = [change]
    for layer in layers[:0:-1]:
        lefts.append(torch.bmm(layer.mT, lefts[-1]))
    first, *others = lefts[::-1]
    rest = [
        torch.baddbmm(layer, left, before.mT, alpha=-1)
        for layer, left, before in zip(layers[1:], others, below, strict=False)
    ]
    return [layers[0] - first, *rest]


def power_change(root: torch.Tensor, depth: int, gradient: torch.Tensor) -> torch.Tensor:
    """Return Σ_k U^{k−1} M U^{N−k}, symmetric; U and M of shape (B, d, d).

    S_j = Σ_{k≤j} U^{k−1}MU^{j−k} has S_{j+1} = S_jU + U^jM.
    """
    total, pulled = gradient, gradient
    for _ in range(depth - 1):
        pulled = torch.bmm(root, pulled)
        total = torch.bmm(total, root) + pulled
    return (total + total.mT) / 2


class Algorithm(base.Algorithm):
    """A batch of deep descents of any depths and forms; see :class:`algoreg.algorithms.base.Algorithm`.

    State: ``factors``, shape (B, N, d, d), W_1 first, where N is the largest depth; ``largest``, λ, and ``time``,
    Σ η_t, shape (B,). Factors beyond a run's depth, and beyond the first of a power, stay I. A step takes one pass.
    """

    requires = frozenset({"gradient"})
    estimates = "symmetric"

    def __init__(self, ensemble: Ensemble, labels: torch.Tensor, runs: Sequence[Mapping[str, Any]], seed: int) -> None:
        super().__init__(ensemble, labels, runs, seed)
        self.depths = self.numbers("depth")[:, 0, 0]
        # The indices of the runs with the same form and depth.
        alike: dict[tuple[str, int], list[int]] = {}
        for number, run in enumerate(runs):
            alike.setdefault((run["form"], run["depth"]), []).append(number)
        # A slice, if all runs are alike, lets them be read and written without a copy.
        self.groups = {
            key: slice(None) if len(alike) == 1 else torch.tensor(places, device=labels.device)
            for key, places in alike.items()
        }
        self.relative = self.runs_with("rule", "relative")
        self.any_relative = bool(self.relative.any())

    def initial(self) -> base.State:
        """Return α^{2/N}·I for every factor of every run, with λ and the time."""
        d, most = self.ensemble.d, max(depth for _, depth in self.groups)
        factors = torch.eye(d).to(self.labels).expand(len(self.runs), most, d, d).clone()
        for number, run in enumerate(self.runs):
            factors[number, : self._layers(run["form"], run["depth"])] *= run["alpha"] ** (2 / run["depth"])
        largest = self.numbers("alpha")[:, 0, 0].square()
        return {"factors": factors, "largest": largest, "time": torch.zeros_like(largest)}

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps, the first of them step number ``iteration``."""
        factors, largest, time = state["factors"].clone(), state["largest"], state["time"]
        for step in range(iteration, iteration + count):
            below = self._below(factors)
            estimate = self._whole(below)
            if step % REFRESH == 0 and self.any_relative:
                largest = eigenvalues(estimate).abs().amax(dim=1)
            gradient = self.ensemble.gradient(estimate, self.labels)
            lengths = self._lengths(gradient, largest)
            time = time + lengths
            for key, places in self.groups.items():
                self._move(key, factors, places, below[key], gradient[places], lengths[places, None, None])
        return {"factors": factors, "largest": largest, "time": time}

    @staticmethod
    def _layers(form: str, depth: int) -> int:
        """Return how many factors the steps of a run change."""
        return 1 if form == "power" else depth

    def _below(self, factors: torch.Tensor) -> dict[tuple[str, int], list[torch.Tensor]]:
        """Return the prefixes of every group of runs."""
        return {
            (form, depth): prefixes(factors[places].unbind(1)[: self._layers(form, depth)], depth)
            for (form, depth), places in self.groups.items()
        }

    def _whole(self, below: Mapping[tuple[str, int], Sequence[torch.Tensor]]) -> torch.Tensor:
        """Return the symmetric part of X of every run from the prefixes of every group."""
        found = self.labels.new_empty(len(self.runs), self.ensemble.d, self.ensemble.d)
        for key, places in self.groups.items():
            found[places] = below[key][-1]
        return (found + found.mT) / 2

    def _move(
        self,
        key: tuple[str, int],
        factors: torch.Tensor,
        places: slice | torch.Tensor,
        below: Sequence[torch.Tensor],
        gradient: torch.Tensor,
        lengths: torch.Tensor,
    ) -> None:
        """Take a step of the runs of a group, in place."""
        form, depth = key
        layers, change = factors[places].unbind(1)[: self._layers(form, depth)], lengths * gradient
        moved = (
            [layers[0] - power_change(layers[0], depth, change)]
            if form == "power"
            else moved_product(layers, below, change)
        )
        for number, layer in enumerate(moved):
            factors[places, number] = layer

    def _lengths(self, gradient: torch.Tensor, largest: torch.Tensor) -> torch.Tensor:
        """Return η_t of every run, shape (B,)."""
        fixed = self.steps[:, 0, 0]
        if not self.any_relative:
            return fixed
        bound = torch.maximum(torch.linalg.matrix_norm(gradient), largest)
        relative = fixed / (self.depths * largest ** (1 - 2 / self.depths) * bound)
        return torch.where(self.relative, relative, fixed)

    def estimate(self, state: base.State) -> torch.Tensor:
        """Return X of every run, its symmetric part."""
        return self._whole(self._below(state["factors"]))
