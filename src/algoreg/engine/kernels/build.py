"""Compile C into libraries for the processor at hand, cache them, and load them.

The compiler is the clang of the ``ziglang`` package (extra ``kernels``), so that the machine needs no compiler of its
own. Without the package, torch's operations are used instead. A library is compiled, in half a second, only if the
cache has none for the same source, options, compiler and processor.
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

# A product and a sum in one expression are rounded once; nothing else is reordered. Vectors have 64 bytes wherever the
# processor has such vectors.
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
    """Return a text that identifies the processor to a compiler: its features, or else the system's name for it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    features = [line.partition(":")[2] for line in lines if line.startswith(("flags", "Features", "model name"))]
    return f"{platform.machine()} {platform.processor()} {' '.join(dict.fromkeys(features))}"


def _folders() -> Iterator[Path]:
    """Yield the user's cache, then a temporary folder for the case that nothing can be written or loaded there."""
    yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "algoreg"
    # Once a library is loaded, it no longer needs its file.
    with tempfile.TemporaryDirectory(prefix="algoreg-") as folder:
        yield Path(folder)


def _compile(source: Path, defines: Iterable[str], cpu: str, library: Path) -> None:
    """Compile a library and write it atomically."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / library.name
        command = [
            sys.executable,
            # A module of this name in the working folder must not be run instead.
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
        # The compiler's own caches are of no use here, so they do not go to the user's home.
        environment = {**os.environ, "ZIG_GLOBAL_CACHE_DIR": scratch, "ZIG_LOCAL_CACHE_DIR": scratch}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise CompilerFailed(f"{source.name} cannot be compiled for {cpu}:\n{done.stderr.strip()}")
        library.parent.mkdir(parents=True, exist_ok=True)
        beside = library.with_name(f".{library.name}.{os.getpid()}.part")
        beside.write_bytes(made.read_bytes())
        os.replace(beside, library)


def load(source: Path, defines: Iterable[str] = (), cpu: str | None = None) -> ctypes.CDLL:
    """Return the library of a C file, compiled if the cache does not have it.

    Parameters
    ----------
    source : path
    defines : sequence of str
        Compiler options of the form ``-DNAME=VALUE``.
    cpu : str, optional
        The compiler's name for a processor. By default, the environment variable ``ALGOREG_CPU``, or else ``native``,
        the processor at hand.

    Raises
    ------
    CompilerFailed
        If there is no compiler, the compiler refuses the source, or no folder can hold the library.
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
