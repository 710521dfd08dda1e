"""Reads arrays of ``.npz`` and ``.npy`` files, headers first.

A small ``.npz`` may unpack to more than there is memory: what each array takes is known before any of it is unpacked,
and only the arrays that are asked for are.
"""

import math
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

# As numpy packs; of others, Python unpacks without a limit to what comes out at once.
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
SUFFIX = ".npy"


class SizeDiffers(ValueError):
    """An array whose size differs from its header."""


def outlines(path: str | Path) -> dict[str, np.ndarray]:
    """Return arrays without content, which take no memory, of the names, shapes and types of those in an ``.npz``.

    Raises
    ------
    ValueError
        If the file is not an ``.npz``, holds pickles, or declares sizes that do not fit its headers.
    """
    with _opened(path) as archive:
        return {name: _outline_in(archive, name, member) for name, member in _members(archive).items()}


def outline(path: str | Path) -> np.ndarray:
    """Return an array without content of the shape and type of the one in an ``.npy``; see :func:`outlines`."""
    with open(path, "rb") as file:
        return _outline("the array", file, os.fstat(file.fileno()).st_size)


def load_arrays(path: str | Path, names: Iterable[str] | None = None) -> dict[str, Any]:
    """Load arrays of an ``.npz``: those of these names, or all.

    Raises
    ------
    ValueError
        As :func:`outlines`.
    """
    found = {}
    with _opened(path) as archive:
        members = _members(archive)
        for name in members if names is None else names:
            _outline_in(archive, name, members[name])
            # Unpacking ends at the size that the archive states.
            with archive.open(members[name]) as file:
                found[name] = np.lib.format.read_array(file, allow_pickle=False)
    return found


def load_array(path: str | Path) -> np.ndarray:
    """Load the array of an ``.npy``; pickles are refused."""
    outline(path)
    with open(path, "rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _opened(path: str | Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise ValueError(f"no npz: {error}") from error


def _members(archive: zipfile.ZipFile) -> Mapping[str, zipfile.ZipInfo]:
    """Return the arrays of an archive by name; of two with one name the last, as numpy does."""
    files = archive.infolist()
    return {file.filename.removesuffix(SUFFIX): file for file in files if file.filename.endswith(SUFFIX)}


def _outline_in(archive: zipfile.ZipFile, name: str, member: zipfile.ZipInfo) -> np.ndarray:
    if member.compress_type not in PACKED:
        raise ValueError(f"{name} is packed as numpy packs nothing")
    with archive.open(member) as file:
        return _outline(name, file, member.file_size)


def _outline(name: str, file: IO[bytes], size: int) -> np.ndarray:
    """Return an array without content by its header; ``size`` is that of the whole file."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{name} has a header of version {version}, which arrays of numbers or texts do not need")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError(f"{name} is a pickle")
    declared = file.tell() + math.prod(shape) * dtype.itemsize
    if declared != size:
        raise SizeDiffers(f"{name} has {size} bytes; by its header, of shape {shape}, it has {declared}")
    return np.broadcast_to(np.empty((), dtype), shape)
