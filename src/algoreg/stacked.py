"""Gaussian ensembles of one size, each with runs of its own, that share batched products: small ones then fill a GPU together.

One ensemble at d = 50 keeps a GPU busy for a few microseconds a step, less than its operations take to start. Stacked, three take
the same few operations as one.
"""

import copy
from importlib import import_module
from itertools import pairwise

import torch

from algoreg.ensembles import gaussian
from algoreg.kernels import passes
from algoreg.measurements import Measurements
from algoreg.svec import smat, svec


def groups(count, ensemble, algorithm, device):
    """Return how so many ensembles of a job are descended on: lists of those that go together, in order.

    Stacked, all at once, on a GPU, where they are Gaussian and the algorithm does without single measurements. One after the other
    elsewhere: a CPU's loops fill it with one.

    Parameters
    ----------
    count : int
    ensemble, algorithm : str
        Modules of ``algoreg.ensembles`` and ``algoreg.algorithms``.
    device : torch.device
    """
    module = import_module(f"algoreg.algorithms.{algorithm}")
    together = device.type == "cuda" and ensemble == "gaussian" and not getattr(module, "SINGLE_MEASUREMENTS", False)
    return [list(range(count))] if together else [[number] for number in range(count)]


class Stack(Measurements):
    """Gaussian ensembles of one size; run k sees the first measurements of ensemble ``members[k]``.

    It measures and descends (``measure``, ``train_error``, ``gradient``, ``descend``), by the tensor library's batched products on
    any device; single measurements are not to be had. Runs with fewer of their kind than the fullest ensemble leave places empty,
    which are computed with as well.

    Parameters
    ----------
    ensembles : sequence of algoreg.ensembles.gaussian.Ensemble
        Of one d, m, dtype and device, each with all its measurements. They are copied: let go of them.

    Attributes
    ----------
    size : int
        How many ensembles, k.
    rows : torch.Tensor, shape (k, m, d(d+1)/2)
        The packed measurement matrices of each.
    members : tuple of int
        The ensemble of every run, rising; one run for each ensemble until :meth:`seen_by` says otherwise.

    Raises
    ------
    ValueError
        If the ensembles' sizes, types or devices differ.
    """

    block_rows = gaussian.BLOCK_ROWS

    def __init__(self, ensembles):
        first, *others = ensembles
        for other in others:
            for name in ("d", "m", "dtype", "device"):
                one, two = getattr(first, name), getattr(other, name)
                if one != two:
                    raise ValueError(f"ensembles that are stacked have one {name}, got {one} and {two}")
        rows = torch.stack([passes.with_padding(ensemble.rows) for ensemble in ensembles])
        self.size, self.rows = len(rows), rows[:, :, : first.rows.shape[1]]
        super().__init__(first.d, first.m, first.device, first.dtype)
        self._place(range(self.size), [self.m] * self.size)

    def seen_by(self, runs):
        """Return this stack, sharing memory, as seen by runs of which each has its ``member`` and ``m``.

        Parameters
        ----------
        runs : sequence of mapping
            By rising member, and those of a member by falling m.

        Raises
        ------
        ValueError
            If they are in another order, or name a member or an m that is not there.
        """
        shared = copy.copy(self)
        shared._place([run["member"] for run in runs], [run["m"] for run in runs])
        return shared

    def _place(self, members, counts):
        """Give every run a place (member, rank among its runs), and cut the pass into blocks of measurements."""
        members, counts = tuple(map(int, members)), tuple(map(int, counts))
        order = [(member, -count) for member, count in zip(members, counts, strict=True)]
        known = all(
            0 <= member < self.size and 1 <= count <= self.m for member, count in zip(members, counts, strict=True)
        )
        if not known or order != sorted(order):
            raise ValueError(
                f"runs come by rising member below {self.size} and falling m from at most {self.m}, got {members} and {counts}"
            )
        self.members, self.counts, self._repeated = members, counts, None
        self._divisor = torch.tensor(counts, device=self.device, dtype=self.dtype)[:, None]
        own = [[run for run, member in enumerate(members) if member == number] for number in range(self.size)]
        self._width = max(map(len, own))
        # An empty place holds the first run, and knows nothing.
        places = [[*runs, *[0] * (self._width - len(runs))] for runs in own]
        seen = torch.tensor([[*(counts[run] for run in runs), *[0] * (self._width - len(runs))] for runs in own])
        self._full = all(len(runs) == self._width for runs in own)
        self._run_of = torch.tensor(places, device=self.device).view(-1)
        self._place_of = torch.tensor(
            [member * self._width + own[member].index(run) for run, member in enumerate(members)], device=self.device
        )
        height = self.block_rows if self.device.type == "cpu" else self.gpu_block_rows
        edges = sorted({*range(0, max(counts), height), *counts})
        self._segments = []
        for start, stop in pairwise(edges):
            knows = seen >= stop
            width = int(knows.sum(dim=1).max())
            unknown = ~knows[:, :width, None]
            self._segments.append((start, stop, width, unknown.to(self.device) if unknown.any() else None))

    def _spread(self, values):
        """Return values of every run, shape (B, n), at the runs' places, shape (k, width, n)."""
        if not self._full:
            values = values.index_select(0, self._run_of)
        return values.reshape(self.size, self._width, -1)

    def _gather(self, placed):
        """Return the values of every run; undoes :meth:`_spread`."""
        values = placed.reshape(self.size * self._width, -1)
        return values if self._full else values.index_select(0, self._place_of)

    def measure(self, matrices):
        """Return the measurements ⟨A_i, X⟩ by every run's ensemble, also those that it does not know.

        Parameters
        ----------
        matrices : torch.Tensor, shape (B, d, d), symmetric

        Returns
        -------
        torch.Tensor, shape (B, m)
        """
        return self._gather(torch.bmm(self._spread(svec(matrices)), self.rows.mT))

    def gradient(self, matrices, labels):
        """Return M = (1/m) Σ_i (⟨A_i, X⟩ − y_i) sym(A_i) with every run's own ensemble and m [LMZ18, Section 3].

        Parameters
        ----------
        matrices : torch.Tensor, shape (B, d, d), symmetric
        labels : torch.Tensor, shape (B, m)

        Returns
        -------
        torch.Tensor, shape (B, d, d)
        """
        x, y = self._spread(svec(matrices)), self._spread(labels)
        total = torch.zeros_like(x)
        for start, stop, width, unknown in self._segments:
            block = self.rows[:, start:stop]
            residual = torch.bmm(x[:, :width], block.mT)
            residual -= y[:, :width, start:stop]
            if unknown is not None:
                residual.masked_fill_(unknown, 0)
            total[:, :width].baddbmm_(residual, block)
        return smat(self._gather(total).div_(self._divisor), self.d)
