"""What every algorithm is: named tensors that it initialises and advances, and an estimate that is read from them.

A module of this folder, or of a chapter's folder ``algorithms``, has a class ``Algorithm`` with attributes that the
settings are checked by: ``requires``, ``prior_knowledge`` and ``error`` (below) and ``estimates``, the space of its
estimates (``settings.options.WITHIN``).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from algoreg.ensembles.base import Ensemble

# Named tensors; the first axis of each is the run. Nothing else of a descent changes between two steps.
State = dict[str, torch.Tensor]


class Algorithm(ABC):
    """A batch of descents that share an ensemble and advance together.

    Parameters
    ----------
    ensemble : algoreg.ensembles.base.Ensemble
        As the runs know it (``shared_by``).
    labels : torch.Tensor, shape (B, m) or what the ensemble's ``label`` returns
        A row per run.
    runs : sequence of mapping
        ``step`` (the η that multiplies M), ``m``, ``target`` and the algorithm's own options of each run.
    seed : int
        Root seed of what is drawn: starts, the order of samples.

    Attributes
    ----------
    requires : frozenset of str
        What it asks of an ensemble; see ``provides`` of :class:`algoreg.ensembles.base.Ensemble`.
    prior_knowledge : tuple of str
        What of the target or the noise it must be told beside the labels, of ``rank``, ``trace``, ``noise``.
    error : str
        How its training error goes where the step is not too long: it ``falls``, it ``ripples`` below its beginning, as
        with momentum, or it may go ``anyhow``. Estimators halve the step of what goes otherwise.
    steps : torch.Tensor, shape (B, 1, 1)
    """

    requires: frozenset[str] = frozenset({"gradient"})
    prior_knowledge: tuple[str, ...] = ()
    estimates: str = "psd"
    error: str = "falls"

    def __init__(self, ensemble: Ensemble, labels: torch.Tensor, runs: Sequence[Mapping], seed: int) -> None:
        self.ensemble, self.labels, self.runs, self.seed = ensemble, labels, runs, seed
        self.steps = self.numbers("step")

    def numbers(self, option: str) -> torch.Tensor:
        """Return an option's number in every run, shape (B, 1, 1)."""
        return torch.tensor([run[option] for run in self.runs], dtype=torch.float64).to(self.labels)[:, None, None]

    def runs_with(self, option: str, value: Any) -> torch.Tensor:
        """Return which runs have this value of an option, a mask of shape (B,)."""
        return torch.tensor([run[option] == value for run in self.runs], device=self.labels.device)

    def zeros(self) -> torch.Tensor:
        """Return X = 0 of every run, shape (B, d, d)."""
        return torch.zeros(len(self.runs), self.ensemble.d, self.ensemble.d).to(self.labels)

    @abstractmethod
    def initial(self) -> State:
        """Return the state of every run before its first step."""

    @abstractmethod
    def advance(self, state: State, iteration: int, count: int) -> State:
        """Return the state after ``count`` further steps, the first of them step number ``iteration``;
        may overwrite ``state``.

        The tensors keep their names and types, and the runs their places. The engine refuses others.
        What is drawn on the way follows from the step's number: steps taken at once or one by one have the same bits.
        """

    def estimate(self, state: State) -> torch.Tensor:
        """Return X of every run, shape (B, d, d), of the type of the labels:
        the state's ``estimate``, or what is made of others.

        ``state`` stays as it is.
        """
        return state["estimate"]

    def factor(self, state: State) -> torch.Tensor | None:
        """Return U with X = UUᵀ of every run, shape (B, d, k); None where the algorithm has no factor."""
        return None
