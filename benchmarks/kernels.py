"""Other loops than this processor's best, as another processor has them: python benchmarks/kernels.py SSE command …

The project's own loops are compiled for such a processor, too. Only the environment says so.
"""

import os
import sys

import numpy as np

# What numpy chooses its loops from on this processor: the names change with its versions.
NUMPY = np.show_config("dicts")["SIMD Extensions"].get("found", [])
# MKL_ENABLE_INSTRUCTIONS changes MKL's loops on Intel's processors, MKL_CBWR on all. SSE has no instructions that
# multiply and add in one rounding.
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
    """Return this process's environment with the kernels of ``KERNELS[name]``;
    OPENBLAS_CORETYPE stays where it is set.
    """
    return {**os.environ, **KERNELS[name], **{k: os.environ[k] for k in ("OPENBLAS_CORETYPE",) if k in os.environ}}


def main():
    """Replace this process by the command."""
    name, *command = sys.argv[1:] or [None]
    if name not in KERNELS or not command:
        sys.exit(f"usage: python benchmarks/kernels.py {'|'.join(KERNELS)} command …")
    os.execvpe(command[0], command, environment(name))


if __name__ == "__main__":
    main()
