"""Read and write result files: atomically, with a checksum and a provenance sidecar. Nothing else reads or writes them.

A result ``results/<tier>/<path>`` has the sidecar ``results/<tier>/provenance/<path>.json``. Everything that may differ
between two equal runs (times, hosts, commits) is in the sidecar, so that results can be compared byte for byte.
"""

import contextlib
import csv
import errno
import glob
import hashlib
import io
import json
import os
import re
import shutil
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from algoreg import plugins
from algoreg.results import machine
from algoreg.results.arrays import load_arrays

# Errors of a write that are caused by the machine and not by a mistake in this code.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


class NotWritten(RuntimeError):
    """A file could not be written because the disk is full, read-only or broken."""


class DamagedResult(RuntimeError):
    """A result file has no sidecar or does not match its checksum."""


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as hex digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _in_tier(path: str | Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the parts of a path up to ``results/<tier>`` and after it."""
    parts = Path(path).parts
    places = [i for i, part in enumerate(parts) if part == "results"]
    if not places or len(parts) < places[-1] + 3:
        raise ValueError(f"{path}: not below results/<tier>/")
    cut = places[-1] + 2
    return parts[:cut], parts[cut:]


def sidecar_path(path: str | Path) -> Path:
    """Return the sidecar of a result below ``results/<tier>/``.

    Raises
    ------
    ValueError
        If the path is not below a folder ``results/<tier>/``.
    """
    tier, rest = _in_tier(path)
    return Path(*tier, "provenance", *rest[:-1], rest[-1] + ".json")


def tier_of(path: str | Path) -> str:
    """Return the tier that a result belongs to."""
    return _in_tier(path)[0][-1]


def name_in_tier(path: str | Path) -> str:
    """Return a result's path below ``results/<tier>/``, by which its sidecar names it."""
    return "/".join(_in_tier(path)[1])


def part_of(path: Path) -> Path:
    """Return this process's temporary path beside ``path``, and remove those that killed processes left behind."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        number = part.name.removeprefix(f".{path.name}.").removesuffix(".part")
        if re.fullmatch(r"[0-9]{1,9}", number) and not _lives(int(number)):
            # Another process may be removing it at the same time, or the disk may be read-only.
            shutil.rmtree(part, ignore_errors=True)
            with contextlib.suppress(OSError):
                part.unlink()
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # The process exists, and another user owns it.
        return True
    return True


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and move it to ``path`` when the block ends without an error.

    Raises
    ------
    NotWritten
        If the disk is full or not writable; the temporary file is removed, and an older file at ``path`` is kept.
    """
    path = Path(path)
    temporary = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise NotWritten(
            f"{path}: cannot be written ({os.strerror(error.errno)}). Nothing half-written is left: "
            "make room (space, or inodes: df -i), or make the folder writable, and run the same command again."
        ) from error
    finally:
        # On a read-only disk there is no temporary file to remove.
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_text(path: str | Path, text: str) -> None:
    """Write text atomically, without a sidecar."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def dump_json(content: Any) -> str:
    """Return the JSON text that every result file uses: indented by two spaces, without NaN, with a final newline."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: str | Path, content: Any, provenance: Mapping[str, Any] | None = None) -> None:
    """Write a JSON result; see :func:`seal` for ``provenance``."""
    write_text(path, dump_json(content))
    seal(path, provenance)


def format_cell(value: Any) -> str:
    """Return a table cell as text: floats with 9 significant digits, missing values empty."""
    if value is None:
        return ""
    if isinstance(value, (float, np.floating)):
        return f"{value:.9g}" if np.isfinite(value) else ""
    return str(value)


def write_table(
    path: str | Path, columns: list[str], rows: Iterable[Mapping[str, Any]], provenance: Mapping[str, Any] | None = None
) -> None:
    """Write a tidy CSV.

    Parameters
    ----------
    path : path
    columns : list of str
    rows : iterable of mapping
        Every row has every column. A value that is not finite is written as an empty cell.
    provenance : mapping, optional
        See :func:`seal`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([format_cell(row[column]) for column in columns])
    write_text(path, text.getvalue())
    seal(path, provenance)


def write_arrays(
    path: str | Path, arrays: Mapping[str, Any], provenance: Mapping[str, Any] | None = None, sealed: bool = True
) -> None:
    """Write named arrays as an uncompressed ``.npz`` with fixed time stamps, so that equal arrays give equal bytes.

    Raises
    ------
    ValueError
        If an array has an object dtype (it could only be stored as a pickle).
    """
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(arrays[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), buffer.getvalue())
    if sealed:
        seal(path, provenance)


def seal(path: str | Path, provenance: Mapping[str, Any] | None = None) -> None:
    """Write the sidecar of a finished result: its SHA-256, provenance, and use of CPU time and memory.

    Parameters
    ----------
    path : path
        A result below ``results/<tier>/``.
    provenance : mapping, optional
        The job's provenance: commit, dirty flag, config and lock hash, seeds, device, dtype, threads, seconds. A
        :class:`algoreg.results.machine.Stopwatch` under ``seconds`` is read now.

    Raises
    ------
    RuntimeError
        If the provenance has hashes of ``code``, and a module of this package or of a plugin package is loaded that has
        no hash.
    """
    record = {
        "result": name_in_tier(path),
        "sha256": sha256(path),
        **(provenance or {}),
        **machine.usage.next_share(),
        "machine": machine.description(),
    }
    if "code" in record:
        _require_hashes(record["code"])
    if isinstance(record.get("seconds"), machine.Stopwatch):
        record["seconds"] = record["seconds"].seconds()
    record["written"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    write_text(sidecar_path(path), dump_json(record))


def _require_hashes(code: Any) -> None:
    """Stop a job that loaded code without a hash in its rule, because an edit of that code would not rerun the job."""
    packages = plugins.packages()
    # The first line drops most of thousands of names quickly.
    names = [name for name in sys.modules if name.startswith(tuple(packages))]
    modules = {name: sys.modules[name] for name in names if name.partition(".")[0] in packages}
    # A folder without an __init__.py is a module without a file.
    loaded = {name for name, module in modules.items() if getattr(module, "__file__", None)}
    if unknown := loaded - set(code) - plugins.JOB_RECORDS:
        raise RuntimeError(
            f"{', '.join(sorted(unknown))}: loaded, but not among the rule's hashes of code: "
            "import plugins with algoreg.plugins, from which the rules take the hashes"
        )


def read_provenance(path: str | Path) -> dict[str, Any]:
    """Return the sidecar of a result as a dict.

    Raises
    ------
    DamagedResult
        If there is no sidecar or it is not JSON.
    """
    sidecar = sidecar_path(path)
    try:
        content = json.loads(sidecar.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("not a mapping")
    # A hostile sidecar, nested thousands deep, causes a RecursionError.
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedResult(f"{path}: its sidecar {sidecar} cannot be read. Delete {path} and rerun.") from error
    return content


def check(path: str | Path) -> str | Path:
    """Return ``path`` after comparing the file with the checksum in its sidecar.

    Raises
    ------
    DamagedResult
        If they differ; the message names the files to delete.
    """
    record = read_provenance(path)
    if record.get("result") != name_in_tier(path):
        raise DamagedResult(
            f"{path}: its sidecar belongs to {record.get('result')}. Delete {path} and its sidecar, and rerun."
        )
    expected = record.get("sha256")
    try:
        found = sha256(path)
    except OSError as error:
        raise DamagedResult(
            f"{path}: cannot be read ({error.strerror}). Delete it, if it is there, and rerun."
        ) from error
    if found != expected:
        # If the file is a link into Snakemake's cache, deleting only the link would restore the damaged file.
        linked = f" (and {Path(path).resolve()}, to which it is a link)" if Path(path).is_symlink() else ""
        raise DamagedResult(
            f"{path}: its content does not match the checksum in its sidecar. Delete {path}{linked} and rerun."
        )
    return Path(path)


def read_json(path: str | Path) -> Any:
    """Read a checked JSON result.

    Raises
    ------
    DamagedResult
        If it does not match its sidecar, or is not JSON.
    """
    try:
        return json.loads(Path(check(path)).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedResult(f"{path}: is not JSON that can be read. Delete it and rerun.") from error


def read_arrays(path: str | Path) -> dict[str, Any]:
    """Read a checked ``.npz`` result as a dict of arrays."""
    return load_arrays(check(path))


def read_table(path: str | Path) -> Any:
    """Read a checked CSV result as a :class:`pandas.DataFrame`."""
    import pandas as pd

    return pd.read_csv(check(path))


def read_tables(paths: Iterable[str | Path]) -> dict[str, Any]:
    """Read checked CSV results as ``{file name without suffix: data frame}``."""
    return {Path(path).stem: read_table(path) for path in paths}


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """Read the rows of a checked CSV result, with every cell as the text in the file."""
    with open(check(path), encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))
