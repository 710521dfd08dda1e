"""Run a command with the loops of an older processor: python benchmarks/kernels.py SSE command …

Environment variables choose the loops of the libraries, and compile the project's own loops for such a processor.
"""

import os
import sys

import numpy as np

# The instruction sets among which numpy chooses its loops on this processor; their names change with its versions.
NUMPY = np.show_config("dicts")["SIMD Extensions"].get("found", [])
# MKL_ENABLE_INSTRUCTIONS changes MKL's loops on Intel's processors, MKL_CBWR on all processors. SSE has no instructions
# that multiply and add with one rounding.
KERNELS = {
    "AVX2": {
        "ALGOREG_CPU": "haswell",
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "MKL_CBWR": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": " ".join(name for name in NUMPY if name not in ("X86_V3", "AVX2", "FMA3")),
    },
    "SSE": {
        "ALGOREG_CPU": "nehalem",
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": " ".join(NUMPY),
    },
}


def environment(name):
    """Return this process's environment with the variables of ``KERNELS[name]``; a set OPENBLAS_CORETYPE is kept."""
    return {**os.environ, **KERNELS[name], **{k: os.environ[k] for k in ("OPENBLAS_CORETYPE",) if k in os.environ}}


def main():
    """Replace this process with the command."""
    name, *command = sys.argv[1:] or [None]
    if name not in KERNELS or not command:
        sys.exit(f"usage: python benchmarks/kernels.py {'|'.join(KERNELS)} command …")
    os.execvpe(command[0], command, environment(name))


if __name__ == "__main__":
    main()
