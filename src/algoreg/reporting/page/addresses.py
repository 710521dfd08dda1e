"""The files of a tier's report, below ``results/<tier>/report``."""

from collections.abc import Iterable
from pathlib import Path

from algoreg.results import records
from algoreg.settings.chapters import OTHER_PAGES

# No chapter may have these names. A separate rule makes the second page, for Snakemake's report.
FRONT, VERDICTS = (f"{name}.html" for name in OTHER_PAGES)
# This name has a hyphen, which chapters' names cannot have.
RUNS = "see-it-happen.html"


def of_chapter(name: str) -> str:
    """Return the file of a chapter's page."""
    return f"{name}.html"


def pages(chapters: Iterable[str]) -> list[str]:
    """Return the files of a report on these chapters: the front page, the plots of runs, and one file per chapter."""
    return [FRONT, RUNS, *map(of_chapter, chapters)]


def remove_left_over(made: Iterable[str | Path]) -> None:
    """Remove the pages, with their sidecars, of chapters that a tier no longer has; ``made`` are its report's pages."""
    kept = {Path(path) for path in made}
    for folder in {path.parent for path in kept}:
        for path in set(folder.glob("*.html")) - kept - {folder / VERDICTS}:
            sidecar = records.sidecar_path(path)
            if sidecar.exists():
                path.unlink()
                sidecar.unlink()
