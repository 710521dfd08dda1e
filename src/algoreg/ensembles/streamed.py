"""The Gaussian ensemble in a temporary file, for ensembles larger than memory: same draw, same digest, same sums.

The packed rows are written once, block by block, and every pass reads them block by block into one buffer. In memory
are at most three blocks in float64 (while the ensemble is drawn), and one afterwards; no more than two threads share a
block. docs/scaling.md says what that costs.
"""

import errno
import hashlib
import shutil
import tempfile

import torch

from algoreg.engine.kernels import passes
from algoreg.ensembles import gaussian
from algoreg.ensembles.gaussian import BLOCK_ROWS, packed_rows
from algoreg.numerics.draws import hashed
from algoreg.numerics.svec import smat, svec
from algoreg.numerics.theory import symmetric_dimension
from algoreg.spec.base import EnsembleLimits


class Limits(EnsembleLimits):
    """What a problem may ask of it."""

    @staticmethod
    def stored(d, m):
        """Return how many numbers it stores."""
        return 384 * d * (d + 1) // 2


def _too_full(need, folder):
    free = shutil.disk_usage(folder).free
    return OSError(
        errno.ENOSPC,
        f"the streamed ensemble needs {need / 1e6:,.1f} MB in {folder}, where {free / 1e6:,.1f} MB are free: "
        "make room, or set TMPDIR to a folder on a larger disk",
    )


def _temporary_file(need):
    """Return a file without a name, so that it vanishes with its job however that ends; check that it has room."""
    folder = tempfile.gettempdir()
    if shutil.disk_usage(folder).free < need:
        raise _too_full(need, folder)
    return tempfile.TemporaryFile(dir=folder)


class Ensemble(gaussian.Packed):
    """A drawn Gaussian ensemble in a temporary file;
    on a CPU all sums are those of :class:`gaussian.Ensemble` to the last bit.

    On a GPU they agree up to rounding: blocks are smaller here. There is no attribute ``rows``.

    Attributes
    ----------
    d, m, number, device, dtype, digest
        As in :class:`gaussian.Ensemble`.
    """

    # There are no rows in memory to unpack: single-sample SGD selects what it needs.
    provides = frozenset({"gradient", "descend", "prefixes", "single measurements"})
    gpu_block_rows = BLOCK_ROWS

    def __init__(self, file, d, m, device, dtype, digest, number):
        self._file = file
        self._buffer = torch.empty(
            BLOCK_ROWS, passes.padded(symmetric_dimension(d)), dtype=dtype, pin_memory=device.type == "cuda"
        )
        super().__init__(d, m, device, dtype, digest, number)

    @classmethod
    def draw(cls, d, m, seed, ensemble, device="cpu", dtype=torch.float64):
        """Draw ensemble number ``ensemble`` in float64, hash it, cast it and write it block by block.

        Raises
        ------
        OSError
            If the folder for temporary files (``TMPDIR``) has too little room, before anything is drawn, or is filled
            by others meanwhile.
        """
        need = m * passes.padded(symmetric_dimension(d)) * dtype.itemsize
        file, sha = _temporary_file(need), hashlib.sha256()
        padded = torch.zeros(BLOCK_ROWS, passes.padded(symmetric_dimension(d)), dtype=dtype)
        try:
            for block in hashed(packed_rows(d, m, seed, ensemble), sha):
                padded[: len(block), : symmetric_dimension(d)] = block
                file.write(padded[: len(block)].numpy())
            file.flush()
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise _too_full(need, tempfile.gettempdir()) from error
            raise
        return cls(file, d, m, torch.device(device), dtype, sha.hexdigest(), ensemble)

    def _read(self, start, goal):
        """Fill ``goal`` with the rows from number ``start`` on."""
        array = goal.numpy()
        self._file.seek(start * array.strides[0])
        if self._file.readinto(array) != array.nbytes:
            raise OSError(errno.EIO, f"the temporary file of a streamed ensemble ends before row {start + len(goal)}")

    def _rows(self, start, stop):
        block = self._buffer[: stop - start]
        self._read(start, block)
        return block.to(self.device)[:, : symmetric_dimension(self.d)]

    def _tables(self, counts):
        return passes.tables(tuple(counts.tolist()), BLOCK_ROWS, passes.lanes_for(self.m * symmetric_dimension(self.d)))

    def _blocks(self):
        """Yield (start, stop, rows); each block of rows is gone when the next one comes."""
        for start in range(0, self.m, BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, self.m)
            yield start, stop, self._rows(start, stop)

    def select(self, indices):
        """Return the ensemble, in memory, of the measurements with these indices: a :class:`gaussian.Ensemble`."""
        rows = self._buffer.new_empty(len(indices), self._buffer.shape[1])
        for goal, index in zip(rows, indices.tolist(), strict=True):
            self._read(index, goal[None])
        return gaussian.Ensemble(rows.to(self.device)[:, : symmetric_dimension(self.d)], self.d, number=self.number)

    def measure(self, matrices):
        """Return the measurements ⟨A_i, X⟩; see :class:`algoreg.ensembles.base.Measurements`."""
        on_cpu = self.device.type == "cpu"
        x = passes.pack(matrices, self.d) if on_cpu else svec(matrices)
        measured = matrices.new_empty(len(matrices), self.m)
        for start, stop, block in self._blocks():
            if on_cpu:
                passes.measure(block, x, measured[:, start:stop])
            else:
                measured[:, start:stop] = x @ block.T
        return measured

    def adjoint(self, weights):
        """Return Σ_i w_i sym(A_i); see :class:`algoreg.ensembles.base.Measurements`."""
        total = passes.padded_rows(len(weights), symmetric_dimension(self.d), weights.dtype, weights.device)
        weights = weights.contiguous()
        for start, stop, block in self._blocks():
            part = weights[:, start:stop]
            if self.device.type == "cpu":
                passes.adjoint(block, part, total)
            else:
                total.addmm_(part, block)
        return smat(total, self.d)
