"""Stochastic factored gradient descent: every step uses ``batch_size`` randomly drawn measurements [LMZ18, Figure 5].

Measurements are drawn with replacement. U_{t+1} = U_t − ηM_tU_t, where M_t averages only the drawn measurements
("M-form"). The gradient of (⟨A_i, UUᵀ⟩ − y_i)² in U is 4·(·)·A_iU, so the published step 8·10⁻⁵ is η = 3.2·10⁻⁴ here.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, Self

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import base, factored
from algoreg.engine.kernels import library, whole_steps
from algoreg.ensembles.base import Measurements
from algoreg.numerics.seeds import stream
from algoreg.settings.base import RunOptions, as_list, misfit


class Options(RunOptions):
    """Options of a run."""

    alpha: PositiveFloat
    start: Literal["identity", "orthonormal", "gaussian"] = "identity"
    batch_size: PositiveInt = Field(1, description="at most the run's m")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        most = min(as_list(self.m))
        if max(as_list(self.batch_size)) > most:
            raise misfit(self, f"at most m = {most}", "batch_size")
        return self


CHUNK = 65536
# Single-sample steps read unpacked measurement matrices, unless these would take more memory than this.
UNPACKED_BYTES = 2 * 2**30


@lru_cache(maxsize=4)
def _chunk(seed: int, ensemble: int, number: int) -> np.ndarray:
    return stream("samples", seed=seed, ensemble=ensemble, chunk=number).random(CHUNK)


def samples(seed: int, ensemble: int, start: int, stop: int, m: int) -> np.ndarray:
    """Return the indices of the samples number ``start`` to ``stop`` − 1 of an ensemble's stream, uniform on 0 … m − 1.

    A sample is a function of its number, so runs that resume in the middle, and runs on other targets, have the same
    order.
    """
    first, last = start // CHUNK, max(stop - 1, start) // CHUNK
    uniform = np.concatenate([_chunk(seed, ensemble, number) for number in range(first, last + 1)])
    uniform = uniform[start - first * CHUNK : stop - first * CHUNK]
    return np.minimum((uniform * m).astype(np.int64), m - 1)


class Algorithm(factored.Algorithm):
    """A batch of stochastic descents that share an ensemble and, at equal batch size and m, their sample order.

    If the ensemble provides ``unpacked``, single-sample steps on a CPU use a faster method. State: ``factor``, U.
    """

    ensemble: Measurements
    requires = frozenset({"descend", "single measurements"})

    def __init__(
        self, ensemble: Measurements, labels: torch.Tensor, runs: Sequence[Mapping[str, Any]], seed: int
    ) -> None:
        super().__init__(ensemble, labels, runs, seed)
        unpacked = ensemble.m * ensemble.d**2 * labels.element_size()
        able = "unpacked" in ensemble.provides and library.serve(labels.device)
        self.reads_unpacked = able and unpacked <= UNPACKED_BYTES
        self._matrices: torch.Tensor | None = None
        self.groups: dict[tuple[int, int], list[int]] = {}
        for number, run in enumerate(runs):
            self.groups.setdefault((run["batch_size"], run["m"]), []).append(number)

    def advance(self, state: base.State, iteration: int, count: int) -> base.State:
        """Return the state after ``count`` further steps, the first of them step number ``iteration``."""
        if count == 0:
            return state
        factors = state["factor"].clone(memory_format=torch.contiguous_format)
        for (batch_size, m), members in self.groups.items():
            start, stop = iteration * batch_size, (iteration + count) * batch_size
            order = torch.from_numpy(samples(self.seed, self.ensemble.number, start, stop, m))
            index = torch.tensor(members, device=factors.device)
            # The method depends only on the group's own batch size, so a run's bits do not depend on the rest of its
            # batch.
            single = self.reads_unpacked and batch_size == 1
            advance = self._single_samples if single else self._batches
            factors[index] = advance(factors[index], index, order.view(count, batch_size))
        return {"factor": factors}

    def _batches(self, factors: torch.Tensor, index: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        """Return the factors of a group after one step per row of ``order``."""
        labels, steps = self.labels[index], self.steps[index].view(-1)
        for drawn in order.to(factors.device):
            factors = self.ensemble.select(drawn).descend(factors, steps, labels[:, drawn], 1)
        return factors

    def _single_samples(self, factors: torch.Tensor, index: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        """Return the same for rows of one sample, computed in compiled loops."""
        if self._matrices is None:
            self._matrices = self.ensemble.unpacked()
        steps = self.steps[index].view(-1)
        return whole_steps.single_samples(self._matrices, order.view(-1), factors, self.labels[index], steps)
