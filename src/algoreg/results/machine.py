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
    """Return what is known of the machine and the libraries at hand."""
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of the libraries that are installed: the estimators do without the workflow's."""
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
    """Seconds since it was made; part of a sidecar."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    def seconds(self) -> float:
        """Return the seconds elapsed."""
        return round(time.perf_counter() - self._start, 3)


class Usage:
    """What a process and its children used of the machine, told in shares:
    those of a job's results add up to all of it.
    """

    def __init__(self) -> None:
        self._told = 0.0

    def next_share(self) -> dict[str, float]:
        """Return the CPU seconds since this was last asked, from the start of the process on,
        and the peak of memory so far.
        """
        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        seconds = sum(used.ru_utime + used.ru_stime for used in (own, children))
        share, self._told = seconds - self._told, seconds
        # Linux counts in KiB, macOS in bytes.
        unit = 1 << (20 if sys.platform == "darwin" else 10)
        return {"cpu_seconds": round(share, 3), "peak_mib": round(max(own.ru_maxrss, children.ru_maxrss) / unit)}


usage = Usage()
