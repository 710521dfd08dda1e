"""Stochastic factored gradient descent: every step sees ``batch_size`` measurements drawn with replacement [LMZ18, Figure 5].

U_{t+1} = U_t − ηM_tU_t with M_t averaged over the drawn measurements only ("M-form"). The gradient of (⟨A_i, UUᵀ⟩ − y_i)²
in U is 4·(·)·A_iU, so the published step 8·10⁻⁵ is η = 3.2·10⁻⁴ here.
"""

from functools import lru_cache

import numpy as np
import threadpoolctl
import torch

from algoreg.algorithms import factored
from algoreg.seeds import stream

# JSON schema of the keys this algorithm takes in a run, read without importing this module.
OPTIONS = {
    "alpha": {"type": "number", "exclusiveMinimum": 0, "description": "a number above 0"},
    "start": {"enum": ["identity", "orthonormal", "gaussian"], "default": "identity"},
    "batch_size": {
        "type": "integer",
        "minimum": 1,
        "default": 1,
        "description": "a whole number from 1 to the run's m",
        "at_most": "m",
    },
}
# Read likewise: it needs an ensemble whose single measurements can be told apart.
SINGLE_MEASUREMENTS = True
CHUNK = 65536
# Single-sample steps read their measurement matrices unpacked; beyond this much memory they stay packed.
UNPACKED_BYTES = 2 * 2**30


@lru_cache(maxsize=4)
def _chunk(seed, ensemble, number):
    return stream("samples", seed=seed, ensemble=ensemble, chunk=number).random(CHUNK)


def samples(seed, ensemble, start, stop, m):
    """Return the indices of the samples number ``start`` to ``stop`` − 1 of an ensemble's stream, uniform on 0 … m − 1.

    A sample is a function of its number: runs that start again in the middle, and runs on other targets, see the
    same order.
    """
    first, last = start // CHUNK, max(stop - 1, start) // CHUNK
    uniform = np.concatenate([_chunk(seed, ensemble, number) for number in range(first, last + 1)])
    uniform = uniform[start - first * CHUNK : stop - first * CHUNK]
    return np.minimum((uniform * m).astype(np.int64), m - 1)


class Algorithm(factored.Algorithm):
    """A batch of stochastic descents that share an ensemble, and, at equal batch size and m, their sample order.

    Parameters
    ----------
    ensemble : object with ``select`` and ``descend``
        With ``unpacked`` too, single-sample steps on a CPU take a faster way.
    labels : torch.Tensor, shape (B, m)
    runs : list of mapping
        ``step``, ``target``, ``m`` and the keys of ``OPTIONS`` of each run.
    seed : int
        Root seed of random starts and of the sample order.
    """

    def __init__(self, ensemble, labels, runs, seed):
        super().__init__(ensemble, labels, runs, seed)
        unpacked = ensemble.m * ensemble.d**2 * labels.element_size()
        single = all(run["batch_size"] == 1 for run in runs)
        able = getattr(ensemble, "unpacked", None) is not None and labels.device.type == "cpu"
        self.single = single and able and unpacked <= UNPACKED_BYTES
        self._matrices = self._axpy = None
        self.groups = {}
        for number, run in enumerate(runs):
            self.groups.setdefault((run["batch_size"], run["m"]), []).append(number)

    def advance(self, iterate, iteration, count):
        """Return the iterate after ``count`` further steps, starting at step number ``iteration``."""
        if count == 0:
            return iterate
        iterate = iterate.clone(memory_format=torch.contiguous_format)
        for (batch_size, m), members in self.groups.items():
            start, stop = iteration * batch_size, (iteration + count) * batch_size
            order = samples(self.seed, self.ensemble.number, start, stop, m)
            if self.single:
                self._single_samples(iterate, members, order)
            else:
                index = torch.tensor(members, device=iterate.device)
                iterate[index] = self._batches(iterate[index], index, order.reshape(count, batch_size))
        return iterate

    def _batches(self, factors, index, order):
        """Return the factors of a group after one step per row of ``order``."""
        labels, steps = self.labels[index], self.steps[index].view(-1)
        for drawn in torch.from_numpy(order).to(factors.device):
            factors = self.ensemble.select(drawn).descend(factors, steps, labels[:, drawn], 1)
        return factors

    def _single_samples(self, iterate, members, order):
        """Advance factors of a group in place by single-sample steps: one d×d product, one inner product, one update each.

        At d = 100 such a step takes a few tens of microseconds, of which a tensor library's own overhead would be a
        third: so the three operations are called as BLAS routines. A matrix serves every factor while it is in the cache.
        """
        if self._matrices is None:
            from scipy.linalg import blas

            # This BLAS is loaded here, after devices.configure limited those that there were.
            threadpoolctl.threadpool_limits(torch.get_num_threads(), user_api="blas")
            self._axpy = blas.saxpy if iterate.dtype == torch.float32 else blas.daxpy
            self._matrices = list(self.ensemble.unpacked().numpy())
        axpy, u = self._axpy, iterate.numpy()
        w = np.empty_like(u[0])
        flat_w = w.reshape(-1)
        factors = [
            (u[number], u[number].reshape(-1), self.labels[number].tolist(), self.runs[number]["step"])
            for number in members
        ]
        # Overflow of a diverging run is no warning: the engine looks for it and records it.
        with np.errstate(all="ignore"):
            for i in order.tolist():
                matrix = self._matrices[i]
                for factor, flat, labels, step in factors:
                    np.dot(matrix, factor, out=w)
                    # axpy writes into the factor itself: it is contiguous and of the routine's own type.
                    axpy(flat_w, flat, a=-step * (float(np.dot(flat_w, flat)) - labels[i]))
