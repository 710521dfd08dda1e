"""Rewrite the documents, or the parts of them, that are generated: python tools/write_docs.py."""

import argparse
import os
from pathlib import Path

from algoreg import plugins
from algoreg.reporting import documents
from algoreg.results import records

ROOT = Path(__file__).resolve().parents[1]
# The table that the explorer's map shows; the workflow's rule names it too.
MAP_TABLE = "samples_r"


def refresh_documents():
    """Write every generated document whose text has changed, for this project's chapters alone."""
    os.environ.pop(plugins.CHAPTER_PATH, None)
    plugins.forget()
    for name, text in documents.generated(ROOT, MAP_TABLE).items():
        path = ROOT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            records.write_text(path, text)
            print(f"wrote {name}")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    refresh_documents()
