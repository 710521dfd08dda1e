"""Compiles C into libraries for the processor at hand, keeps them, and loads them.

The compiler is the clang of the ``ziglang`` package (extra ``kernels``), so that none has to be on the machine. Without
it torch's own operations serve. A library is compiled where none has been kept of the same source, options, compiler
and processor: half a second, once.
"""

import ctypes
import hashlib
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path

# Products and sums in one expression round once; nothing else is reordered. Vectors have 64 bytes wherever the
# processor has such.
OPTIONS = (
    "-O2",
    "-g0",
    "-fPIC",
    "-shared",
    "-nostdlib",
    "-fno-builtin",
    "-ffp-contract=on",
    "-mprefer-vector-width=512",
)


class CompilerFailed(RuntimeError):
    """The C compiler could not be run, or refused the source."""


@lru_cache(maxsize=1)
def compiler_is_there() -> bool:
    """Return whether the package with the compiler is installed."""
    try:
        metadata.version("ziglang")
    except metadata.PackageNotFoundError:
        return False
    return True


def processor() -> str:
    """Return what tells processors apart for a compiler: what they can do, or else what the system calls them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    features = [line.partition(":")[2] for line in lines if line.startswith(("flags", "Features", "model name"))]
    return f"{platform.machine()} {platform.processor()} {' '.join(dict.fromkeys(features))}"


def _folders() -> Iterator[Path]:
    """Yield where libraries are kept: the user's cache,
    or a folder for this once where nothing can be kept or loaded there.
    """
    yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "algoreg"
    # A library that is loaded needs its file no longer.
    with tempfile.TemporaryDirectory(prefix="algoreg-") as folder:
        yield Path(folder)


def _compile(source: Path, defines: Iterable[str], cpu: str, library: Path) -> None:
    """Write a library, at once and whole."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / library.name
        command = [
            sys.executable,
            # Not a module of this name in the working folder.
            "-P",
            "-m",
            "ziglang",
            "cc",
            *OPTIONS,
            f"-mcpu={cpu}",
            *defines,
            "-o",
            str(made),
            str(source),
        ]
        # Not in the user's home: what the compiler keeps for itself is of no use here.
        environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": scratch, "ZIG_LOCAL_CACHE_DIR": scratch}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise CompilerFailed(f"{source.name} cannot be compiled for {cpu}:\n{done.stderr.strip()}")
        library.parent.mkdir(parents=True, exist_ok=True)
        beside = library.with_name(f".{library.name}.{os.getpid()}.part")
        beside.write_bytes(made.read_bytes())
        os.replace(beside, library)


def load(source: Path, defines: Iterable[str] = (), cpu: str | None = None) -> ctypes.CDLL:
    """Return the library of a C file.

    Parameters
    ----------
    source : path
    defines : sequence of str
        The compiler's options ``-DNAME=VALUE``.
    cpu : str, optional
        A processor's name in the compiler's words. Left out, the environment's ``ALGOREG_CPU``, or else ``native``,
        this one.

    Raises
    ------
    CompilerFailed
        If there is no compiler, or it refuses the source.
    """
    source, cpu = Path(source), cpu or os.environ.get("ALGOREG_CPU", "native")
    try:
        compiler = metadata.version("ziglang")
    except metadata.PackageNotFoundError as error:
        raise CompilerFailed("the package ziglang, whose compiler makes the inner loops, is not installed") from error
    parts = (source.read_text(encoding="utf-8"), *OPTIONS, *defines, cpu, compiler, processor())
    name = f"{source.stem}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:20]}.so"
    for folder in _folders():
        library = folder / name
        try:
            if not library.exists():
                _compile(source, defines, cpu, library)
            return ctypes.CDLL(str(library))
        except OSError:
            continue
    raise CompilerFailed(
        f"{source.name}: no folder for its library can be written, or none that programs may be loaded from"
    )
