"""Make a chapter of one's own measurements, if it is not there yet: python tools/own_data.py DATA FOLDER [TARGET].

Prints the chapter's name. It runs by make chapter NAME=… CHAPTER_PATH=FOLDER, or at once by make recover DATA=….
"""

import argparse
import os
import re
import sys
from pathlib import Path

import torch
import yaml

from algoreg import registry
from algoreg.ensembles import file
from algoreg.recover import fitting
from algoreg.store import measurement_files
from new_chapter import make, refusal

TEMPLATE = Path(__file__).resolve().with_name("template_data")


def chapter_name(path):
    """Return a file's name as that of a chapter: a-z, 0-9 and _, with a letter first."""
    text = re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_")[:30]
    return text if text[:1].isalpha() else f"data_{text}".strip("_")


def described(path, target):
    """Return what stands in the template for the facts of a file: data, sizes, the algorithm and a stable step."""
    found = measurement_files.read(path, target)
    data = {"path": os.path.relpath(path)} | ({"target": target} if target else {})
    if found.kind == "entries":
        data["shape"] = list(file.lifted(found, None)[1])
    d, m = file.size_of(found), len(found.y)
    drawn = registry.ensemble("file").draw(d, m, 0, 0, data=data)
    largest = fitting.label_matrix_size(drawn, drawn.given[None])
    step = fitting.STEP_SHARE / (fitting.curvature(drawn, 0) * max(largest, 1e-12))
    return {
        "DATA": yaml.safe_dump(data, default_flow_style=True, width=10**6).strip(),
        "ITSSIZE": str(d),
        "ITSCOUNT": str(m),
        # A table's function has no sign.
        "ALGORITHM": "signed" if found.kind == "table" else "factored",
        "STEP": f"{step:.2g}" if step >= 1e-4 else f"{step:.8f}",
    }


def main():
    """Make the chapter, or say why not; print its name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="an npz, CSV or Parquet file; see docs/use_it_on_your_data.md")
    parser.add_argument("folder", help="where chapters of your own lie")
    parser.add_argument("target", nargs="?", help="the column of a table that the others explain")
    options = parser.parse_args()
    torch.set_num_threads(1)
    path, folder = Path(options.data), Path(options.folder)
    name = chapter_name(path)
    try:
        if not (folder / name / "experiments.yaml").is_file():
            problem = refusal(name, folder)
            if problem:
                raise ValueError(problem)
            make(name, folder, TEMPLATE, described(path, options.target or None))
            print(f"wrote {folder / name}: change it, and run again", file=sys.stderr)
    except ValueError as error:
        print(f"DATA = {options.data}: {error}", file=sys.stderr)
        return 2
    print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
