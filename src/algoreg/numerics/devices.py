"""Where and how the numbers are computed: device, floating-point type, threads."""

import contextlib
import os
import warnings

import threadpoolctl
import torch

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def resolve_device(name):
    """Return the torch device for ``auto``, ``cpu`` or ``cuda``.

    ``auto`` is the GPU if torch sees one, otherwise the CPU, with a printed note.

    Raises
    ------
    RuntimeError
        If ``cuda`` is asked for and torch sees no CUDA device.
    ValueError
        If the name is not one of the three.
    """
    if name == "cpu":
        return torch.device("cpu")
    if name == "cuda":
        if not torch.cuda.is_available():
            raise RuntimeError(
                "device = cuda: torch sees no CUDA device here. Use device=cpu or device=auto, "
                "or install a CUDA build of torch (docs/guide.md, section GPU)."
            )
        return torch.device("cuda")
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        print("device = auto: no CUDA device, computing on the CPU", flush=True)
        return torch.device("cpu")
    raise ValueError(f"device = {name!r}: allowed are auto, cpu, cuda")


def configure(device, dtype, threads):
    """Set up torch for one job and return its ``(device, dtype)``.

    Floating-point sums depend on the number of threads, so this number comes from the settings and never from the
    number of idle cores. TF32 is switched off, so that float32 products have the precision of float32. On a GPU, torch
    uses deterministic algorithms.

    Parameters
    ----------
    device : str
        ``auto``, ``cpu`` or ``cuda``.
    dtype : str
        ``float32`` or ``float64``.
    threads : int
        CPU threads of this job.
    """
    torch.set_num_threads(threads)
    # numpy has a BLAS library of its own, whose number of threads torch does not set.
    threadpoolctl.threadpool_limits(threads, user_api="blas")
    torch.backends.cuda.matmul.allow_tf32 = False
    # Subnormal numbers slow CPU products by an order of magnitude and contribute nothing at our scales.
    if not torch.set_flush_denormal(True):
        warnings.warn("this CPU cannot flush subnormal numbers; very small starts may run slowly", stacklevel=2)
    place = resolve_device(device)
    if place.type == "cuda":
        # Without this, a GPU's threads add in the order in which they finish. cuBLAS reads the variable at its first
        # use.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        # All memory is written before it is read, so torch need not fill it.
        torch.utils.deterministic.fill_uninitialized_memory = False
    return place, DTYPES[dtype]


@contextlib.contextmanager
def at_most(threads):
    """Limit torch to this many threads inside a ``with`` block."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(threads, before))
    try:
        yield
    finally:
        torch.set_num_threads(before)
