"""Executed notebooks before they are written: links from where they lie."""

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
