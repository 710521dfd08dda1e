"""Interleaved timing, and the machine's limits measured in the same rounds."""

import ctypes
import os
import platform
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import torch

from algoreg.engine.kernels import build
from algoreg.engine.kernels.library import REALS
from algoreg.engine.kernels.passes import VECTOR_BYTES, padded_rows
from algoreg.reporting import report
from algoreg.results import machine
from algoreg.results.records import write_text

Timing = namedtuple("Timing", "median low high iterations")
Timing.__doc__ = "Median, smallest and largest seconds per iteration, and the iterations in each timing."


def _spent(call, count):
    start = time.perf_counter()
    call(count)
    return time.perf_counter() - start


def calibrate(call, seconds):
    """Warm a case up, and return how many iterations take about ``seconds``, at least 1."""
    call(1)
    count, spent = 1, _spent(call, 1)
    while spent < seconds / 8:
        count *= 4
        spent = _spent(call, count)
    return max(1, round(count * seconds / spent))


def interleave(cases, rounds, seconds, pause):
    """Time cases alternately, so that a slow minute of the machine affects all of them.

    Parameters
    ----------
    cases : mapping of key to function
        The function performs a given number of iterations.
    rounds : int
        Every case is timed once per round; every second round has the reverse order.
    seconds : float
        The duration that one timing aims at; an iteration that takes longer is timed alone.
    pause : float
        Seconds of rest before each timing, because worker threads of OpenBLAS and OpenMP spin for a while after their
        last call and would slow the next case.

    Returns
    -------
    dict of key to Timing
    """
    counts = {key: calibrate(call, seconds) for key, call in cases.items()}
    samples = {key: [] for key in cases}
    for number in range(rounds):
        for key in list(cases)[:: -1 if number % 2 else 1]:
            time.sleep(pause)
            samples[key].append(_spent(cases[key], counts[key]) / counts[key])
    return {key: Timing(float(np.median(times)), min(times), max(times), counts[key]) for key, times in samples.items()}


def repeat(function, *arguments, **options):
    """Return a case that calls a function with these arguments once per iteration."""

    def call(count):
        for _ in range(count):
            function(*arguments, **options)

    return call


class MultiplyAdds:
    """Multiply-adds of one core on numbers in its registers, whose rate no matrix product can exceed.

    Parameters
    ----------
    dtype : torch.dtype
    """

    def __init__(self, dtype):
        source = Path(__file__).with_name("multiply_adds.c")
        library = build.load(source, [f"-DREAL={REALS[dtype]}"])
        chains, lanes = library.chains(), VECTOR_BYTES // dtype.itemsize
        self._multiply_adds = library.multiply_adds
        self._multiply_adds.argtypes = [ctypes.c_void_p, ctypes.c_int64]
        self._numbers = padded_rows(chains, lanes, dtype)
        # With this many multiply-adds the time of the call itself is negligible.
        self._count = 100_000
        self.work = 2 * chains * lanes * self._count

    def __call__(self, count):
        """Perform ``count`` times ``work`` operations."""
        self._multiply_adds(self._numbers.data_ptr(), count * self._count)


class Limits:
    """The machine's limits: copying, matrix times vector, matrix times matrix, multiply-adds of one core.

    The products are measured with torch's BLAS and with numpy's, which differ by up to a factor of two without either
    being always the faster one; the limit is the faster. On a processor with vectors of 64 bytes both may use only half
    of a vector, which the multiply-adds reveal.

    Parameters
    ----------
    dtype : torch.dtype
    matrix_bytes : int
        Size of the matrix that is copied and multiplied by a vector; it must be much larger than any cache.
    side : int
        Side of the square matrices that are multiplied.
    device : str, optional
        The device; on a GPU only torch is measured.
    """

    def __init__(self, dtype, matrix_bytes, side, device="cpu"):
        size = dtype.itemsize
        matrix = torch.ones(matrix_bytes // size // 4096, 4096, dtype=dtype, device=device)
        vector, half = torch.ones(4096, dtype=dtype, device=device), len(matrix) // 2
        square = torch.rand(side, side, dtype=dtype, device=device)
        product, measured = torch.empty_like(square), matrix.new_empty(len(matrix))
        self.cases = {
            ("copy", "torch"): repeat(matrix[:half].copy_, matrix[half : 2 * half]),
            ("gemv", "torch"): repeat(torch.mv, matrix, vector, out=measured),
            ("gemm", "torch"): repeat(torch.mm, square, square, out=product),
        }
        # A copy reads one half and writes the other.
        self.work = {"copy": 2 * half * 4096 * size, "gemv": matrix.numel() * size, "gemm": 2 * side**3}
        if device == "cpu":
            self.cases["gemv", "numpy"] = repeat(np.dot, matrix.numpy(), vector.numpy(), out=measured.numpy())
            self.cases["gemm", "numpy"] = repeat(np.dot, square.numpy(), square.numpy(), out=product.numpy())
            self.cases["fma", "kernels"] = multiply_adds = MultiplyAdds(dtype)
            self.work["fma"] = multiply_adds.work

    def rates(self, timings):
        """Return, per limit, (best, lowest, highest, by library): bytes or operations per second.

        Parameters
        ----------
        timings : mapping of (limit, library) to Timing
        """
        rates = {}
        for name, work in self.work.items():
            by_library = {lib: work / timings[limit, lib].median for limit, lib in self.cases if limit == name}
            best = timings[name, max(by_library, key=by_library.get)]
            rates[name] = (work / best.median, work / best.high, work / best.low, by_library)
        return rates


def caches(device="cpu"):
    """Return the bytes of the machine's data caches by level, ``{}`` if the system does not report them."""
    if device != "cpu":
        return {"L2": torch.cuda.get_device_properties(device).L2_cache_size}
    found, units = {}, {"K": 2**10, "M": 2**20}
    for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cache/index*"):
        level, kind, size, cores = (
            (path / name).read_text().strip() for name in ("level", "type", "size", "shared_cpu_list")
        )
        if kind != "Instruction":
            # A cache that cores share is listed for each of them.
            found[level, cores] = int(size[:-1]) * units[size[-1]]
    return {f"L{name}": sum(size for (level, _), size in found.items() if level == name) for name, _ in sorted(found)}


def free_memory(device="cpu"):
    """Return the bytes of available memory, or None if the system does not report them."""
    if device != "cpu":
        # Memory that torch has cached after freeing tensors would otherwise count as taken.
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


def describe(device="cpu"):
    """Return a description of the machine and the libraries of a measurement."""
    known = machine.description()
    name = known["processor"] or platform.machine()
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "device_name": name if device == "cpu" else torch.cuda.get_device_name(device),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "caches": caches(device),
        "platform": known["platform"],
        **{name: known[name] for name in ("python", "torch", "numpy")},
    }


def fill_block(document, name, text):
    """Write one generated block of a document without changing the others."""
    content = document.read_text(encoding="utf-8")
    write_text(document, report.fill(content, report.filled(content) | {name: text}))
