"""Executed notebooks before they are written: links from where they lie, pictures with words."""

import os
import re
from pathlib import Path


def relink(notebook, written, root):
    """Make links that hold in the folder ``notebooks`` hold in the folder that the executed notebook is written to.

    Parameters
    ----------
    notebook : mapping
        Of nbformat 4; its text is changed.
    written : path
        Where it is written.
    root : path
        The repository that ``notebooks`` lies in.
    """
    back = Path(os.path.relpath(Path(root).resolve(), Path(written).resolve().parent)).as_posix()
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = re.sub(r"\]\(\.\./", f"]({back}/", cell["source"])


def describe(notebook):
    """Give a notebook's pictures without alternative text that of the heading above them,
    for those who do not see them.
    """
    heading = ""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            heading = next(reversed(re.findall(r"^#+ (.*)$", cell["source"], re.MULTILINE)), heading)
        for output in cell.get("outputs", ()):
            for kind in ("image/png", "image/jpeg"):
                if kind in output.get("data", {}):
                    said = output["metadata"].setdefault(kind, {})
                    said.setdefault("alt", re.sub(r"\\(.)|[*`]", r"\1", heading))
