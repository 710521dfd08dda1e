"""The description of the machine that a job ran on: processor, versions of libraries, seconds and memory."""

import contextlib
import os
import platform
import resource
import sys
import time
from functools import cache
from importlib import metadata
from typing import Any

PACKAGES = ("numpy", "scipy", "pandas", "torch", "matplotlib", "snakemake")


@cache
def description() -> dict[str, Any]:
    """Return a description of this machine and of the installed libraries."""
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of the installed libraries; the estimators also run without those of the workflow."""
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as handle:
            return next(line.split(":", 1)[1].strip() for line in handle if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


class Stopwatch:
    """Measures the seconds since its creation, for a sidecar."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def seconds(self) -> float:
        """Return the seconds elapsed."""
        return round(time.perf_counter() - self._start, 3)


class Usage:
    """Measures the CPU time and memory of a process and its children, in shares that add up over a job's results."""

    def __init__(self) -> None:
        self._reported = 0.0

    def next_share(self) -> dict[str, float]:
        """Return the CPU seconds since the last call (or since the process started), and the peak memory so far."""
        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        seconds = sum(used.ru_utime + used.ru_stime for used in (own, children))
        share, self._reported = seconds - self._reported, seconds
        # Linux counts in KiB, macOS in bytes.
        unit = 1 << (20 if sys.platform == "darwin" else 10)
        return {"cpu_seconds": round(share, 3), "peak_mib": round(max(own.ru_maxrss, children.ru_maxrss) / unit)}


usage = Usage()
