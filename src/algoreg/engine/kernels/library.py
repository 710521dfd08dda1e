"""The kernels of ``kernels.c`` for a floating-point type, as functions that take addresses, then integers."""

import ctypes
import threading
from collections.abc import Callable
from pathlib import Path

import torch

from algoreg.engine.kernels import build

SOURCE = Path(__file__).with_name("kernels.c")
REALS = {torch.float32: "float", torch.float64: "double"}
# Other types that rows may be stored as, with their names in the C source: the upper half of a float32, and sign bits,
# of which 1 means −1.
SHORT = {torch.bfloat16: "BFLOAT16", torch.uint8: "SIGNS"}
# How many addresses, and how many integers, each function takes.
FUNCTIONS = {
    "measure": (4, 6),
    "adjoint": (3, 6),
    "residuals": (9, 7),
    "pack": (2, 6),
    "unpack": (3, 5),
    "outer": (4, 7),
    "step": (6, 6),
    "single_samples": (6, 6),
    "descend": (16, 12),
    "descend_gram": (13, 10),
}


class Kernels:
    """The compiled kernels of a type; each function of the library is an attribute.

    Parameters
    ----------
    dtype : torch.dtype
        ``float32`` or ``float64``.
    stored : torch.dtype, optional
        The type that an ensemble's rows are stored as: ``dtype`` itself, or one of ``SHORT``.
    cpu : str, optional
        See :func:`algoreg.engine.kernels.build.load`; tests compare the bits of several processors.
    **sizes : int
        Sizes of chunks that replace those in the source: ``CHUNK``, ``ADD_CHUNK``, ``ADD_ROWS``. They affect no result.
    """

    measure: Callable[..., None]
    adjoint: Callable[..., None]
    residuals: Callable[..., None]
    pack: Callable[..., None]
    unpack: Callable[..., None]
    outer: Callable[..., None]
    step: Callable[..., None]
    single_samples: Callable[..., None]
    descend: Callable[..., None]
    descend_gram: Callable[..., None]

    def __init__(
        self, dtype: torch.dtype, stored: torch.dtype | None = None, *, cpu: str | None = None, **sizes: int
    ) -> None:
        defines = [f"-DREAL={REALS[dtype]}", *(f"-D{name}={size}" for name, size in sizes.items())]
        if stored in SHORT:
            defines.append(f"-D{SHORT[stored]}")
        library = build.load(SOURCE, defines, cpu)
        for name, (pointers, integers) in FUNCTIONS.items():
            function = getattr(library, name)
            function.restype = None
            function.argtypes = [ctypes.c_void_p] * pointers + [ctypes.c_int64] * integers
            setattr(self, name, function)


def serve(device: torch.device | str) -> bool:
    """Return whether the compiled loops are used on a device: a CPU, if the package that compiles them is installed.

    Elsewhere torch's operations compute the same, with another order of sums.
    """
    return torch.device(device).type == "cpu" and build.compiler_is_there()


_compiled: dict[tuple[torch.dtype, torch.dtype | None], Kernels] = {}
_compiling = threading.Lock()


def compiled(dtype: torch.dtype, stored: torch.dtype | None = None) -> Kernels:
    """Return the :class:`Kernels` of this machine for a type of computation and a type that rows are stored as.

    Raises
    ------
    ValueError
        If the type is neither float32 nor float64.
    """
    if dtype not in REALS:
        raise ValueError(f"no kernels for {dtype}; allowed are {', '.join(map(str, REALS))}")
    key = (dtype, stored if stored in SHORT else None)
    with _compiling:
        if key not in _compiled:
            _compiled[key] = Kernels(*key)
        return _compiled[key]
