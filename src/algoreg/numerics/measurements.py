"""What all ensembles share: drawing and hashing, runs that know only a prefix, the training error."""

import copy
import hashlib
from itertools import pairwise

import numpy as np
import torch

from algoreg.engine.cuda_graphs import repeated


def normal_blocks(generator, m, shape, block_rows):
    """Yield m float64 standard normal arrays of a shape, at most ``block_rows`` of them together.

    They come one after the other from the generator: more of them start with the fewer.
    """
    for start in range(0, m, block_rows):
        yield generator.standard_normal((min(block_rows, m - start), *shape))


def hashed(blocks, sha):
    """Yield float64 blocks as tensors, each after its bytes went into ``sha``."""
    for block in blocks:
        sha.update(np.ascontiguousarray(block, dtype="<f8"))
        yield torch.from_numpy(block)


def fill(tensor, blocks):
    """Write float64 blocks into a tensor, cast and one after the other; return the SHA-256 of what they were before."""
    sha, start = hashlib.sha256(), 0
    for block in hashed(blocks, sha):
        tensor[start : start + len(block)] = block.to(tensor)
        start += len(block)
    return sha.hexdigest()


class Sensing:
    """What descent takes from any ensemble that has ``d``, ``device``, ``shared_by`` and ``gradient``: runs' views of it, and whole steps.

    Attributes
    ----------
    size : int
        How many ensembles these are: more than one where they are stacked.
    resident : bool
        Whether all of it lies on its device: then a step on a GPU can be recorded.
    """

    size, resident = 1, True
    # Steps recorded on a GPU (``cuda_graphs``); copies of an ensemble that others share record their own.
    _repeated = None

    def seen_by(self, runs):
        """Return this ensemble, sharing memory, as seen by runs of which each has its ``m``, falling; see ``shared_by``."""
        return self.shared_by([run["m"] for run in runs])

    def factored_gradient(self, factors, labels):
        """Return M·U for X = UUᵀ; see ``gradient``.

        Parameters
        ----------
        factors : torch.Tensor, shape (B, d, k)
        labels : torch.Tensor, shape (B, m)

        Returns
        -------
        torch.Tensor, shape (B, d, k)
        """
        return torch.bmm(self.gradient(torch.bmm(factors, factors.mT), labels), factors)

    def descend(self, factors, steps, labels, count):
        """Take ``count`` steps U ← U − ηMU of factored descents, M as in ``gradient`` at X = UUᵀ; overwrites the factors.

        Parameters
        ----------
        factors : torch.Tensor, shape (B, d, k)
        steps : torch.Tensor, shape (B,)
            η of every run.
        labels : torch.Tensor, shape (B, m)
        count : int

        Returns
        -------
        torch.Tensor, shape (B, d, k)
        """

        def step():
            factors.addcmul_(steps[:, None, None], self.factored_gradient(factors, labels), value=-1)

        if self.device.type == "cuda" and self.resident:
            repeated(self, (factors, steps, labels))(step, count)
        else:
            for _ in range(count):
                step()
        return factors


class Measurements(Sensing):
    """Base of the ensembles; a subclass says how its matrices are stored and has ``measure``.

    Attributes
    ----------
    block_rows, gpu_block_rows : int
        How many measurements a pass handles together, on a CPU and on a GPU; set before the base is initialised. (Compiled
        loops have blocks of their own: ``kernels.passes``.)
    d, m : int
        Matrix size and number of measurements.
    number : int
        Which ensemble of its problem this is: a name for random streams that belong to it.
    device, dtype
        Of the numbers; what is passed in must agree.
    digest : str or None
        SHA-256 of the float64 numbers as drawn, before any cast.
    counts : tuple of int or None
        How many measurements each run knows; None where every run knows all of them.
    """

    # On a GPU there is no core's cache to stay in, and every block costs launches.
    gpu_block_rows = 16384

    def __init__(self, d, m, device, dtype, digest=None, number=0, counts=None):
        self.d, self.m, self.device, self.dtype, self.digest, self.number = d, m, device, dtype, digest, number
        self._know(counts)

    def _know(self, counts):
        """Set ``counts`` and the (start, stop, runs) of a pass: blocks, each with how many leading runs use all of it."""
        self.counts, self._repeated = counts, None
        height = self.block_rows if self.device.type == "cpu" else self.gpu_block_rows
        edges = [*range(0, self.m, height), self.m]
        if counts is None:
            self._segments, self._divisor = [(*block, None) for block in pairwise(edges)], self.m
            return
        if list(counts) != sorted(counts, reverse=True) or not 1 <= counts[-1] <= counts[0] <= self.m:
            raise ValueError(f"counts fall from at most m = {self.m} to at least 1, got {counts}")
        edges = sorted({*edges, *counts})
        self._segments = [
            (start, stop, sum(count >= stop for count in counts))
            for start, stop in pairwise(edges)
            if counts[0] >= stop
        ]
        self._divisor = torch.tensor(counts, device=self.device, dtype=self.dtype)[:, None]

    def shared_by(self, counts):
        """Return this ensemble, sharing memory, as seen by runs of which run k knows the first ``counts[k]`` measurements.

        Everything then takes one matrix per run, and labels whose columns beyond a run's count do not matter.

        Parameters
        ----------
        counts : sequence of int
            Falling, each between 1 and m.

        Raises
        ------
        ValueError
            If they are not.
        """
        counts = tuple(int(count) for count in counts)
        shared = copy.copy(self)
        shared._know(None if all(count == self.m for count in counts) else counts)
        return shared

    def label(self, targets):
        """Return the labels that this ensemble gives to targets, shape (T, m); see ``measure``."""
        return self.measure(targets)

    def train_error(self, matrices, labels):
        """Return √(Σ(⟨A_i, X⟩ − y_i)² / Σy_i²) per run, over the measurements that it knows [LMZ18, Appendix B].

        Parameters
        ----------
        matrices : torch.Tensor, shape (B, d, d), symmetric
        labels : torch.Tensor, shape (B, m)

        Returns
        -------
        torch.Tensor, shape (B,)
        """
        residual = self.measure(matrices) - labels
        if self.counts is not None:
            unknown = torch.arange(self.m, device=self.device) >= self._divisor
            residual, labels = residual.masked_fill(unknown, 0), labels.masked_fill(unknown, 0)
        return torch.linalg.vector_norm(residual, dim=1) / torch.linalg.vector_norm(labels, dim=1)
