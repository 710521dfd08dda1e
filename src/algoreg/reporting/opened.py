"""Restrict a notebook to the results that its metadata name, because only changes of these execute it again."""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path


def write(listing: Path, folders: Iterable[str | Path], files: Iterable[str | Path]) -> str:
    """Write the list of files in ``folders`` that a kernel may open; return the line that it runs at its start."""
    said = {"folders": list(map(_place, folders)), "files": list(map(_place, files))}
    listing.write_text(json.dumps(said), encoding="utf-8")
    return f"__import__({__name__!r}, fromlist=['only']).only({str(listing)!r})"


def only(listing: str) -> None:
    """Allow this process to open only the listed files in the folders of a listing."""
    with open(listing, encoding="utf-8") as handle:
        said = json.load(handle)
    folders, files = tuple(folder + os.sep for folder in said["folders"]), set(said["files"])

    def look(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], str):
            place = _place(arguments[0])
            if place.startswith(folders) and place not in files:
                # This is not an OSError, because readers take that for a damaged file.
                raise RuntimeError(f"{place}: no result of this tier that the notebook's metadata (algoreg) name")

    sys.addaudithook(look)


def _place(path: str | Path) -> str:
    """Return a path with all links in its folders resolved."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)
