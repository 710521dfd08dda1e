"""Prepare executed notebooks for writing: correct links, and alternative text for pictures."""

import os
import re
from pathlib import Path


def relink(notebook, written, root):
    """Change relative links from the folder ``notebooks`` so that they hold in the executed notebook's folder.

    Parameters
    ----------
    notebook : mapping
        A notebook of nbformat 4, whose text is changed.
    written : path
        The path to which it is written.
    root : path
        The repository that contains ``notebooks``.
    """
    back = Path(os.path.relpath(Path(root).resolve(), Path(written).resolve().parent)).as_posix()
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = re.sub(r"\]\(\.\./", f"]({back}/", cell["source"])


def describe(notebook):
    """Use the heading above a notebook's picture as its alternative text if it has none, for screen readers."""
    heading = ""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            heading = next(reversed(re.findall(r"^#+ (.*)$", cell["source"], re.MULTILINE)), heading)
        for output in cell.get("outputs", ()):
            for kind in ("image/png", "image/jpeg"):
                if kind in output.get("data", {}):
                    said = output["metadata"].setdefault(kind, {})
                    said.setdefault("alt", re.sub(r"\\(.)|[*`]", r"\1", heading))
