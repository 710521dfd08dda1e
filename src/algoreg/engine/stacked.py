"""Gaussian ensembles of one size, each with runs of its own, that share batched products: small ones then fill a GPU together.

One ensemble at d = 50 keeps a GPU busy for a few microseconds a step, less than its operations take to start. Stacked, three take
the same few operations as one.
"""

import copy
from itertools import pairwise

import torch

from algoreg.engine.kernels import passes
from algoreg.ensembles import gaussian
from algoreg.numerics.measurements import Measurements
from algoreg.numerics.svec import packed_length, smat, svec

# Of one ensemble: up to this size a step of few runs is shorter than its operations take to start.
SMALL_BYTES = 128 * 2**20


def groups(count, problem, dtype, device, stacks):
    """Return how so many ensembles of a job are descended on: lists of those that go together, in order.

    All at once, stacked, on a GPU, where they are Gaussian and small and the algorithm ``stacks``. One after the other elsewhere: one
    fills a CPU, and a large one a GPU.

    Parameters
    ----------
    count : int
    problem : mapping
        Its settings: ``ensemble, d, m``.
    dtype : torch.dtype
    device : torch.device
    stacks : bool
    """
    small = problem["m"] * packed_length(problem["d"]) * dtype.itemsize <= SMALL_BYTES
    together = stacks and small and device.type == "cuda" and problem["ensemble"] == "gaussian"
    return [list(range(count))] if together else [[number] for number in range(count)]


class Stack(Measurements):
    """Gaussian ensembles of one size; run k sees the first measurements of ensemble ``members[k]``.

    It measures and descends (``measure``, ``train_error``, ``gradient``, ``descend``), by the tensor library's batched products on
    any device; single measurements are not to be had, nor labels. Runs with fewer of their kind than the fullest ensemble leave
    places empty, which are computed with as well.

    Parameters
    ----------
    ensembles : iterable of algoreg.ensembles.gaussian.Ensemble
        Of one d, m, dtype and device, each with all its measurements; copied one after the other.
    size : int
        How many they are.

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
        If the ensembles' sizes, types or devices differ, or there are more or fewer than ``size``.
    """

    block_rows = gaussian.BLOCK_ROWS

    def __init__(self, ensembles, size):
        first = None
        for number, ensemble in enumerate(ensembles):
            if first is None:
                first = {name: getattr(ensemble, name) for name in ("d", "m", "device", "dtype")}
                padded = torch.empty(
                    size, *passes.with_padding(ensemble.rows).shape, device=ensemble.device, dtype=ensemble.dtype
                )
            for name, one in first.items():
                if getattr(ensemble, name) != one:
                    raise ValueError(f"stacked ensembles have one {name}, got {one} and {getattr(ensemble, name)}")
            if number == size:
                raise ValueError(f"more than {size} ensembles to stack")
            padded[number] = passes.with_padding(ensemble.rows)
        if number + 1 != size:
            raise ValueError(f"{number + 1} ensembles to stack, not {size}")
        self.size, self.rows = size, padded[:, :, : packed_length(first["d"])]
        super().__init__(**first)
        self._place(range(size), [self.m] * size)

    def shared_by(self, counts):
        """Raise TypeError: a run of a stack has a member too; see :meth:`seen_by`."""
        raise TypeError("runs of stacked ensembles name their member: use seen_by")

    def label(self, targets):
        """Raise TypeError: labels are an ensemble's own."""
        raise TypeError("stacked ensembles give no labels: ask each of them")

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
        self.members, self.counts, self._repeated, self._labels = members, counts, None, None
        self._divisor = torch.tensor(counts, device=self.device, dtype=self.dtype)[:, None]
        # Ensembles before the first and after the last that has runs are left out.
        there = range(members[0], members[-1] + 1)
        self._rows = self.rows[there.start : there.stop]
        own = [[run for run, member in enumerate(members) if member == number] for number in there]
        self._width = max(map(len, own))
        # An empty place holds the first run, and knows nothing.
        places = [[*runs, *[0] * (self._width - len(runs))] for runs in own]
        seen = torch.tensor([[*(counts[run] for run in runs), *[0] * (self._width - len(runs))] for runs in own])
        self._full = all(len(runs) == self._width for runs in own)
        self._run_of = torch.tensor(places, device=self.device).view(-1)
        self._place_of = torch.tensor(
            [place * self._width + rank for place, runs in enumerate(own) for rank in range(len(runs))],
            device=self.device,
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
        return values.reshape(len(self._rows), self._width, -1)

    def _gather(self, placed):
        """Return the values of every run; undoes :meth:`_spread`."""
        values = placed.reshape(len(self._rows) * self._width, -1)
        return values if self._full else values.index_select(0, self._place_of)

    def _placed_labels(self, labels):
        """Return :meth:`_spread` of labels, once for all steps on the same."""
        known = (labels.data_ptr(), labels.shape, labels._version)
        if self._labels is None or self._labels[0] != known:
            # Held, so that no others come to lie there.
            self._labels = known, labels, self._spread(labels)
        return self._labels[2]

    def measure(self, matrices):
        """Return the measurements ⟨A_i, X⟩ by every run's ensemble, also those that it does not know.

        Parameters
        ----------
        matrices : torch.Tensor, shape (B, d, d), symmetric

        Returns
        -------
        torch.Tensor, shape (B, m)
        """
        return self._gather(torch.bmm(self._spread(svec(matrices)), self._rows.mT))

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
        x, y = self._spread(svec(matrices)), self._placed_labels(labels)
        total = torch.zeros_like(x)
        for start, stop, width, unknown in self._segments:
            block = self._rows[:, start:stop]
            residual = torch.bmm(x[:, :width], block.mT)
            residual -= y[:, :width, start:stop]
            if unknown is not None:
                residual.masked_fill_(unknown, 0)
            total[:, :width].baddbmm_(residual, block)
        return smat(self._gather(total).div_(self._divisor), self.d)
