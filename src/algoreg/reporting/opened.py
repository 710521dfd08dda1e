"""Which results a notebook may open: those that its metadata name,
so that it is executed again where one of them changes.
"""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path


def write(listing: Path, folders: Iterable[str | Path], files: Iterable[str | Path]) -> str:
    """Write which files a kernel may open of all that lies in folders;
    return the line that tells it so, before the first cell.
    """
    said = {"folders": list(map(_place, folders)), "files": list(map(_place, files))}
    listing.write_text(json.dumps(said), encoding="utf-8")
    return f"__import__({__name__!r}, fromlist=['only']).only({str(listing)!r})"


def only(listing: str) -> None:
    """Let this process open, of what lies in the folders of a listing, its files alone."""
    with open(listing, encoding="utf-8") as handle:
        said = json.load(handle)
    folders, files = tuple(folder + os.sep for folder in said["folders"]), set(said["files"])

    def look(event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], str):
            place = _place(arguments[0])
            if place.startswith(folders) and place not in files:
                # No OSError, which readers take for a damaged file.
                raise RuntimeError(f"{place}: no result of this tier that the notebook's metadata (algoreg) name")

    sys.addaudithook(look)


def _place(path: str | Path) -> str:
    """Return where a path lies, whatever links its folders are."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.join(os.path.realpath(folder), name)
