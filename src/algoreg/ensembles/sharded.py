"""The Gaussian ensemble spread over processes by rows, each of which holds its share: same draw, same digest.

The measurements are cut into pieces, 64 or fewer, whatever the number of processes, and the pieces' sums are added by
one binary tree. A process adds up the subtrees that are its own; what is left goes to all processes in slices, each
finishes the tree for its slice, and all slices go to all. So every number of processes has the same bits, on CPUs and
of any number of threads; from ``gaussian``, which adds one measurement after the other, they differ by rounding.
docs/scaling.md says what it costs.
"""

import hashlib
import json
import socket
import weakref
from itertools import pairwise

import numpy as np
import torch
import torch.distributed as dist

from algoreg import code_hash
from algoreg.engine.kernels import passes, whole_steps
from algoreg.ensembles import gaussian
from algoreg.ensembles.base import Measurements
from algoreg.ensembles.gaussian import packed_rows
from algoreg.numerics import processes
from algoreg.numerics.draws import hashed
from algoreg.numerics.svec import smat, svec
from algoreg.numerics.theory import symmetric_dimension
from algoreg.spec.base import EnsembleLimits

FACT_BYTES = 512


class Limits(EnsembleLimits):
    """What a problem may ask of it."""

    @staticmethod
    def most_processes(m):
        """Return the largest number of processes, which is that of the pieces:
        a power of 2, with 128 measurements in each.
        """
        return 2 ** (max(1, min(64, m // 128)).bit_length() - 1)


def pieces_of(rank, count, pieces):
    """Return the first piece of a process, and the first that is not its own."""
    return pieces * rank // count, pieces * (rank + 1) // count


def subtrees(start, stop):
    """Return (first piece, how many) of the largest subtrees that make up the pieces from ``start`` to ``stop`` − 1."""
    found = []
    while start < stop:
        largest = 1 << ((stop - start).bit_length() - 1)
        size = min(start & -start or largest, largest)
        found.append((start, size))
        start += size
    return found


def tree_sum(parts):
    """Return the sum of (how many pieces, tensor) in order, neighbours of one size first; overwrites the tensors."""
    stack = []
    for size, total in parts:
        while stack and stack[-1][0] == size:
            total = stack.pop()[1].add_(total)
            size *= 2
        stack.append((size, total))
    ((_, total),) = stack
    return total


class Shard:
    """What one process holds of an ensemble. Every method is called in all processes at once, with the same arguments.

    Parameters
    ----------
    rank, count : int
        Which process of how many.
    device : torch.device
    d, m, seed, ensemble : int
        As in :meth:`Ensemble.draw`.
    dtype : str

    Attributes
    ----------
    rows : torch.Tensor, shape (its measurements, d(d+1)/2)
    digest : str
        Of the whole ensemble: one stream has all rows, so that everyone draws them all and keeps its own.
    """

    def __init__(self, rank, count, device, d, m, seed, ensemble, dtype):
        self.rank, self.count, self.device, self.d, self.m = rank, count, device, d, m
        self._pieces = Limits.most_processes(m)
        self._edges = [piece * m // self._pieces for piece in range(self._pieces + 1)]
        self._first, self._last = self._share(rank)
        dtype = getattr(torch, dtype)
        self.rows = passes.padded_rows(self._last - self._first, symmetric_dimension(d), dtype, device)
        sha, start = hashlib.sha256(), 0
        for block in hashed(packed_rows(d, m, seed, ensemble), sha):
            first, last = max(start, self._first), min(start + len(block), self._last)
            if first < last:
                self._own(first, last).copy_(block[first - start : last - start])
            start += len(block)
        self.digest = sha.hexdigest()

    def _share(self, rank):
        first, last = pieces_of(rank, self.count, self._pieces)
        return self._edges[first], self._edges[last]

    def _own(self, start, stop):
        """Return rows by their numbers in the whole ensemble."""
        return self.rows[start - self._first : stop - self._first]

    def facts(self):
        """Return what every process says of itself: its digest, its code, numpy's version, its node."""
        code = code_hash.code_hashes(None, [__name__])
        own = {
            "digest": self.digest,
            "code": hashlib.sha256(json.dumps(code, sort_keys=True).encode()).hexdigest()[:16],
            "numpy": np.__version__,
            "node": socket.gethostname(),
        }
        text = json.dumps(own).encode()[:FACT_BYTES]
        said = self._gathered(torch.frombuffer(bytearray(text.ljust(FACT_BYTES)), dtype=torch.uint8))
        return [json.loads(bytes(one.tolist())) for one in said]

    def _gathered(self, tensor):
        """Return this tensor of every process, all of one shape."""
        if self.count == 1:
            return [tensor]
        found = [torch.empty_like(tensor) for _ in range(self.count)]
        dist.all_gather(found, tensor)
        return found

    def _sum(self, leaf):
        """Return the sum over all pieces of ``leaf(start, stop)``, a new tensor that belongs to the rows of a piece."""
        own = [
            tree_sum((1, leaf(*self._edges[piece : piece + 2])) for piece in range(first, first + size))
            for first, size in subtrees(*pieces_of(self.rank, self.count, self._pieces))
        ]
        if self.count == 1:
            return own[0]
        shape, length = own[0].shape, own[0].numel()
        width = -(-length // self.count)
        sent = own[0].new_zeros(self.count, len(own), width)
        for place, total in enumerate(own):
            padded = torch.nn.functional.pad(total.reshape(-1), (0, self.count * width - length))
            sent[:, place] = padded.view(self.count, width)
        shares = [pieces_of(rank, self.count, self._pieces) for rank in range(self.count)]
        sizes = [[size for _, size in subtrees(*share)] for share in shares]
        counts = [len(found) * width for found in sizes]
        received = sent.new_empty(sum(counts))
        dist.all_to_all_single(received, sent.view(-1), counts, [len(own) * width] * self.count)
        slices = received.view(-1, width)
        mine = tree_sum(zip([size for found in sizes for size in found], slices, strict=True))
        whole = sent.new_empty(self.count, width)
        dist.all_gather(list(whole), mine)
        return whole.view(-1)[:length].view(shape)

    def _sums(self, labels, counts):
        """Return a function of packed matrices: Σ_i (⟨row i, x_k⟩ − y_ki) row i over what each run knows,
        for every run k.
        """
        if self.device.type != "cpu":
            numbers, counts = torch.arange(self.m, device=self.device), counts.to(self.device)[:, None]

            def residuals(x, start, stop):
                weights = x @ self._own(start, stop).T - labels[:, start:stop]
                return weights.masked_fill_(numbers[start:stop] >= counts, 0) @ self._own(start, stop)

            return lambda x: self._sum(lambda start, stop: residuals(x, start, stop))
        known = counts.tolist()
        first, last = pieces_of(self.rank, self.count, self._pieces)
        blocks = {start: _blocks(known, start, stop) for start, stop in pairwise(self._edges[first : last + 1])}
        sums = passes.Pass(self._own, passes.tables(tuple(known), self.m, 1), counts, labels, self.d)
        return lambda x: self._sum(lambda start, stop: sums.over(x, blocks[start]).clone())

    def gradient(self, matrices, labels, counts):
        """Return M of every run; see :class:`algoreg.ensembles.base.Ensemble`."""
        sums = self._sums(labels, counts)
        if self.device.type == "cpu":
            return passes.unpack(sums(passes.pack(matrices, self.d)), counts.to(matrices.dtype), self.d)
        return smat(sums(svec(matrices)) / counts.to(matrices)[:, None], self.d)

    def descend(self, factors, steps, labels, counts, count):
        """Take ``count`` steps of factored descents, in every process the same ones; see
        :class:`algoreg.ensembles.base.Ensemble`.
        """
        sums = self._sums(labels, counts)
        if self.device.type == "cpu":
            lanes = torch.get_num_threads()
            moving = whole_steps.Steps(factors, self.d, steps, counts.to(factors.dtype), lanes)
            moving.descend_by(sums, count)
            return moving.copy_to(factors)
        divisor = counts.to(factors)[:, None]
        for _ in range(count):
            gradient = smat(sums(svec(torch.bmm(factors, factors.mT))) / divisor, self.d)
            factors.addcmul_(steps[:, None, None], torch.bmm(gradient, factors), value=-1)
        return factors

    def measure(self, matrices):
        """Return all measurements ⟨A_i, X⟩, shape (B, m)."""
        shares = [self._share(rank) for rank in range(self.count)]
        own = self._last - self._first
        measured = matrices.new_zeros(len(matrices), max(last - first for first, last in shares))
        if self.device.type == "cpu":
            passes.measure(self.rows, passes.pack(matrices, self.d), measured[:, :own])
        else:
            measured[:, :own] = svec(matrices) @ self.rows.T
        found = zip(self._gathered(measured), shares, strict=True)
        return torch.cat([part[:, : last - first] for part, (first, last) in found], dim=1)

    def adjoint(self, weights):
        """Return Σ_i w_i sym(A_i) of weights (B, m), shape (B, d, d)."""

        def leaf(start, stop):
            part, rows = weights[:, start:stop], self._own(start, stop)
            if self.device.type != "cpu":
                return part @ rows
            total = passes.padded_rows(len(weights), symmetric_dimension(self.d), weights.dtype)
            return passes.adjoint(rows, part, total)

        return smat(self._sum(leaf), self.d)

    def select(self, indices):
        """Return the rows with these numbers, shape (n, d(d+1)/2)."""
        indices = indices.to(self.device)
        here = (indices >= self._first) & (indices < self._last)
        rows = self.rows.new_zeros(len(indices), symmetric_dimension(self.d))
        rows[here] = self.rows[indices[here] - self._first]
        if self.count > 1:
            # One process has each of them: adding zeros changes no bit.
            dist.all_reduce(rows)
        return rows


def _blocks(counts, start, stop):
    """Return the block of a piece as :func:`passes.tables` makes it, with rows numbered as in the whole ensemble."""
    known = [min(max(count - start, 0), stop - start) for count in counts]
    if not known[0]:
        return []
    ((_, last, (table,)),) = passes.tables(tuple(known), stop - start, 1)
    table = table.clone()
    table[0::3] += start
    table[1::3] += start
    return [(start, start + last, [table])]


class Ensemble(Measurements):
    """A drawn Gaussian ensemble over processes, as the job's own process sees it: every call is made in all of them.

    Attributes
    ----------
    processes : int

    The others are those of :class:`algoreg.ensembles.base.Measurements`; there is no attribute ``rows``.
    """

    block_rows = gaussian.BLOCK_ROWS

    def __init__(self, team, number_in_team, d, m, device, dtype, digest, number):
        self._team, self._thing = team, number_in_team
        super().__init__(d, m, device, dtype, digest, number)
        # What views share (``derived``) lives as long as any of them; calls come from one place only, never from here.
        self._alive = _Alive()
        weakref.finalize(self._alive, team.released.append, number_in_team)

    @property
    def processes(self):
        """How many processes hold it."""
        return self._team.count

    @classmethod
    def draw(cls, d, m, seed, ensemble, device="cpu", dtype=torch.float64, processes=1):
        """Draw ensemble number ``ensemble`` in float64 and hash it, in every process; each casts and keeps its rows.

        Raises
        ------
        ValueError
            If there are more processes than pieces.
        RuntimeError
            If processes see different numbers or have different code.
        algoreg.numerics.processes.Lost
            If one does not start, or ends.
        """
        if not 1 <= processes <= Limits.most_processes(m):
            raise ValueError(f"processes = {processes}: allowed are 1 to {Limits.most_processes(m)} for m = {m}")
        device = torch.device(device)
        team = _team(processes, device)
        kind = str(dtype).removeprefix("torch.")
        thing = team.make(d=d, m=m, seed=seed, ensemble=ensemble, dtype=kind)
        first, *others = team.call(thing, "facts")
        for rank, other in enumerate(others, 1):
            for what in ("digest", "code"):
                if other[what] != first[what]:
                    team.close()
                    raise RuntimeError(_different(what, rank, first, other))
        return cls(team, thing, d, m, device, dtype, first["digest"], ensemble)

    def gradient(self, matrices, labels):
        """Return M of every run; see :class:`algoreg.ensembles.base.Ensemble`."""
        return self._team.call(self._thing, "gradient", matrices, labels, self._known(len(matrices)))

    def descend(self, factors, steps, labels, count):
        """Take ``count`` steps in every process at once; see :class:`algoreg.ensembles.base.Ensemble`."""
        counts = self._known(len(factors))
        moved = self._team.call(self._thing, "descend", factors, steps, labels, counts, count=count)
        return moved if moved is factors else factors.copy_(moved)

    def measure(self, matrices):
        """Return the measurements ⟨A_i, X⟩; see :class:`algoreg.ensembles.base.Measurements`."""
        return self._team.call(self._thing, "measure", matrices)

    def adjoint(self, weights):
        """Return Σ_i w_i sym(A_i); see :class:`algoreg.ensembles.base.Measurements`."""
        return self._team.call(self._thing, "adjoint", weights)

    def select(self, indices):
        """Return the ensemble, in this process, of the measurements with these indices:
        a :class:`gaussian.Ensemble`.
        """
        rows = self._team.call(self._thing, "select", indices.cpu())
        return gaussian.Ensemble(rows, self.d, number=self.number)


class _Alive:
    """Held by an ensemble and its views."""


def _team(count, device):
    return processes.team(count, device, "algoreg.ensembles.sharded", Shard)


def _different(what, rank, first, other):
    """Say that process ``rank`` is not like process 0."""
    named = {"digest": "draws another ensemble than", "code": "has another version of this package than"}[what]
    pairs = ", ".join(f"{key} {other[key][:12]} and {first[key][:12]}" for key in (what, "numpy", "node"))
    return (
        f"process {rank} of the sharded ensemble {named} process 0 ({pairs}): "
        "every node needs the same environment and the same checkout"
    )


if __name__ == "__main__":
    processes.serve(Shard)
