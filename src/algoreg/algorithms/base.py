"""The base class of algorithms: named tensors that are initialised and advanced, and an estimate computed from them.

A module of this folder, or of a chapter's folder ``algorithms``, defines a class ``Algorithm``. The settings are
checked against some of its attributes: ``requires``, ``prior_knowledge`` and ``error`` (below) and ``estimates``, the
space of its estimates (``settings.options.WITHIN``).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from algoreg.ensembles.base import Ensemble

# Named tensors whose first axis is the run. They are all that a step of a descent changes.
State = dict[str, torch.Tensor]


class Algorithm(ABC):
    """A batch of descents that share an ensemble and advance together.

    Parameters
    ----------
    ensemble : algoreg.ensembles.base.Ensemble
        The ensemble as the runs know it (``shared_by``).
    labels : torch.Tensor, shape (B, m) or as the ensemble's ``label`` returns them
        A row per run.
    runs : sequence of mapping
        For each run ``step`` (the η that multiplies M), ``m``, ``target`` and the algorithm's options.
    seed : int
        Root seed of random draws, such as initialisations and the order of samples.

    Attributes
    ----------
    requires : frozenset of str
        What it needs from an ensemble; see ``provides`` of :class:`algoreg.ensembles.base.Ensemble`.
    prior_knowledge : tuple of str
        What it must know of the target or the noise beside the labels: any of ``rank``, ``trace`` and ``noise``.
    error : str
        How the training error behaves if the step size is not too large: it ``falls``, it ``ripples`` below its first
        value, as with momentum, or it may behave ``anyhow``. Estimators halve the step size of a run that behaves
        otherwise.
    steps : torch.Tensor, shape (B, 1, 1)
        The step size η of every run.
    """

    requires: frozenset[str] = frozenset({"gradient"})
    prior_knowledge: tuple[str, ...] = ()
    estimates: str = "psd"
    error: str = "falls"

    def __init__(self, ensemble: Ensemble, labels: torch.Tensor, runs: Sequence[Mapping], seed: int) -> None:
        self.ensemble, self.labels, self.runs, self.seed = ensemble, labels, runs, seed
        self.steps = self.numbers("step")

    def numbers(self, option: str) -> torch.Tensor:
        """Return the value of a numeric option in every run, shape (B, 1, 1)."""
        return torch.tensor([run[option] for run in self.runs], dtype=torch.float64).to(self.labels)[:, None, None]

    def runs_with(self, option: str, value: Any) -> torch.Tensor:
        """Return a mask of the runs whose option has this value, shape (B,)."""
        return torch.tensor([run[option] == value for run in self.runs], device=self.labels.device)

    def zeros(self) -> torch.Tensor:
        """Return X = 0 of every run, shape (B, d, d)."""
        return torch.zeros(len(self.runs), self.ensemble.d, self.ensemble.d).to(self.labels)

    @abstractmethod
    def initial(self) -> State:
        """Return the state of every run before its first step."""

    @abstractmethod
    def advance(self, state: State, iteration: int, count: int) -> State:
        """Return the state after ``count`` further steps, the first of them step number ``iteration``.

        ``state`` may be overwritten. The tensors keep their names and types and the order of the runs; the engine
        refuses other names, types and numbers of runs. Random draws depend only on the step's number, so steps taken
        in one call or one by one have the same bits.
        """

    def estimate(self, state: State) -> torch.Tensor:
        """Return X of every run, shape (B, d, d), in the type of the labels, without changing ``state``.

        By default it is the state's ``estimate``; algorithms with another state compute it.
        """
        return state["estimate"]

    def factor(self, state: State) -> torch.Tensor | None:
        """Return U with X = UUᵀ of every run, shape (B, d, k), or None if the algorithm has no factor."""
        return None
