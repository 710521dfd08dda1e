"""The papers' published curves by name, from the folders of chapters."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from algoreg import plugins
from algoreg.claims.matching import read_curve
from algoreg.settings.chapters import load_chapters


@cache
def curves() -> dict[str, tuple[Path, Mapping[str, Any]]]:
    """Return ``{name: (file, facts)}`` for every published curve of the chapters.

    The facts are those of :func:`algoreg.claims.matching.read_curve`.
    """
    # Only chapters with curves are read, because reading all chapters takes longer than judging a claim.
    having = [name for name, folder in plugins.chapters().items() if any(folder.glob("published/*.csv"))]
    return {
        name: (chapter.folder / "published" / f"{name}.csv", fixed)
        for chapter in load_chapters(having)
        for name, fixed in chapter.published.items()
    }


def load_published(name: str) -> pd.DataFrame:
    """Return a curve from a chapter's folder ``published``; see :func:`algoreg.claims.matching.read_curve`."""
    return read_curve(*curves()[name])


def load_sizes(name: str) -> pd.DataFrame:
    """Return a published figure for every d at which it was drawn, in the form of :func:`load_published`."""
    sizes = [other for other in curves() if other == name or other.startswith(f"{name}_d")]
    return pd.concat([load_published(size) for size in sizes], ignore_index=True)
