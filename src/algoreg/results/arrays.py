"""Read arrays of ``.npz`` and ``.npy`` files, headers first.

A small ``.npz`` may unpack to more than the memory. Therefore the size of each array is read before anything is
unpacked, and only the requested arrays are unpacked.
"""

import math
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

# The compressions that numpy uses. For others, Python does not limit how much it unpacks at once.
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
SUFFIX = ".npy"


class SizeDiffers(ValueError):
    """An array whose size differs from its header, or whose elements have no size."""


def outlines(path: str | Path) -> dict[str, np.ndarray]:
    """Return, for the arrays of an ``.npz``, arrays of the same names, shapes and types that take no memory.

    Raises
    ------
    ValueError
        If the file is not an ``.npz``, holds pickles, or declares sizes that do not fit its headers.
    """
    with _opened(path) as archive:
        return {name: _outline_in(archive, name, member) for name, member in _members(archive).items()}


def outline(path: str | Path) -> np.ndarray:
    """Return, for the array of an ``.npy``, an array of the same shape and type that takes no memory."""
    with open(path, "rb") as file:
        return _outline("the array", file, os.fstat(file.fileno()).st_size)


def load_arrays(path: str | Path, names: Iterable[str] | None = None) -> dict[str, Any]:
    """Load the arrays of an ``.npz`` with these names, by default all.

    Raises
    ------
    ValueError
        As in :func:`outlines`.
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
        raise ValueError(f"not an npz file: {error}") from error


def _members(archive: zipfile.ZipFile) -> Mapping[str, zipfile.ZipInfo]:
    """Return the arrays of an archive by name; if two have the same name, the last, as in numpy."""
    files = archive.infolist()
    return {file.filename.removesuffix(SUFFIX): file for file in files if file.filename.endswith(SUFFIX)}


def _outline_in(archive: zipfile.ZipFile, name: str, member: zipfile.ZipInfo) -> np.ndarray:
    if member.compress_type not in PACKED:
        raise ValueError(f"{name} has a compression that numpy never uses")
    with archive.open(member) as file:
        return _outline(name, file, member.file_size)


def _outline(name: str, file: IO[bytes], size: int) -> np.ndarray:
    """Return an array that takes no memory, as its header describes it; ``size`` is the size of the whole file."""
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{name} has a header of version {version}, which arrays of numbers or texts do not need")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if dtype.hasobject:
        raise ValueError(f"{name} is a pickle")
    if not dtype.itemsize:
        # A file of a few hundred bytes may have any number of them.
        raise SizeDiffers(f"{name} has elements of 0 bytes")
    declared = file.tell() + math.prod(shape) * dtype.itemsize
    if declared != size:
        raise SizeDiffers(f"{name} has {size} bytes; by its header, of shape {shape}, it has {declared}")
    return np.broadcast_to(np.empty((), dtype), shape)
