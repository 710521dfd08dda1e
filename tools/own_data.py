"""Create a chapter of your own measurements, unless it exists: python tools/own_data.py DATA FOLDER [TARGET].

Prints the chapter's name. `make chapter NAME=… CHAPTER_PATH=FOLDER` runs it; `make recover DATA=…` creates and runs it.
"""

import argparse
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import torch
import yaml

from algoreg import plugins
from algoreg.ensembles import file
from algoreg.numerics.theory import symmetric_dimension
from algoreg.recover import fitting
from algoreg.recover.io import measurement_files, refusals
from algoreg.settings import checking
from algoreg.settings.chapters import load_chapter, sized, tiers_of
from new_chapter import ROOT, make, refusal

TEMPLATE = Path(__file__).resolve().with_name("template_data")


def chapter_name(path):
    """Return a chapter's name made from a file's name: a-z, 0-9 and _, starting with a letter."""
    text = re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_")[:30]
    return text if text[:1].isalpha() else f"data_{text}".strip("_")


def described(data, found):
    """Return the values of the template's placeholders for a file: data, sizes, the algorithm and a stable step."""
    data = {**data, "path": os.path.relpath(data["path"])}
    if found.kind == "entries" or found.shape:
        data["shape"] = list(file.lifted(found)[1])
    d, m = file.size_of(found), len(found.y)
    refusals.refuse_beyond_memory(8 * m * symmetric_dimension(d), f"{m} measurements of d = {d} need")
    drawn = plugins.ensemble("file").draw(d, m, 0, 0, data=data)
    largest = fitting.label_matrix_size(drawn, drawn.file_labels[None])
    step = fitting.STEP_SHARE / (fitting.curvature(drawn, 0) * max(largest, 1e-12))
    return {
        "DATA": yaml.safe_dump(data, default_flow_style=True, width=10**6).strip(),
        "ITSSIZE": str(d),
        "ITSCOUNT": str(m),
        # The matrix of a table's function can have eigenvalues of both signs.
        "ALGORITHM": "signed" if found.kind == "table" else "factored",
        "STEP": f"{step:.2g}" if step >= 1e-4 else f"{step:.8f}",
    }


def make_checked(name, folder, facts):
    """Create the chapter, and remove it if its settings are refused, because it would stop every other run.

    Raises
    ------
    ValueError
        If the settings are refused.
    """
    made = make(name, folder, TEMPLATE, facts)
    try:
        check(name, folder)
    except BaseException:
        shutil.rmtree(made)
        if not any(folder.iterdir()):
            folder.rmdir()
        raise


def check(name, folder):
    """Raise a ValueError if a chapter's settings are refused in any tier."""
    os.environ[plugins.CHAPTER_PATH] = str(folder)
    # Plugins were searched for before this chapter existed.
    plugins.forget()
    claims = checking.load_claims([name])
    for path in sorted((ROOT / "config").glob("*.yaml")):
        tier = checking.complete_tier({**checking.load_yaml(path), "chapters": [name]}, str(path))
        problems = checking.unfit_claims(claims, tier, str(path))
        if problems:
            raise checking.SettingsError(problems)


def same(its, asked):
    """Return whether a chapter's ``data`` names the requested file, read in the same way."""
    unsaid = {"table": "features", "shape": its.get("shape"), "format": its.get("format")}
    its, asked = ({**unsaid, **data, "path": Path(str(data.get("path"))).resolve()} for data in (its, asked))
    return its == asked


def refuse_another(place, asked):
    """Raise a ValueError if an existing chapter reads another file, or reads it differently, or has other sizes."""
    entries = load_chapter(place.name, place).entries.get("experiments", {})
    known = {name: its for name, entry in entries.items() if (its := entry.get("options", {}).get("data"))}
    if known and not any(same(its, asked) for its in known.values()):
        its = next(iter(known.values()))
        of = ", ".join(f"{key} {value}".removeprefix("path ") for key, value in its.items())
        raise ValueError(f"{place} is of {of}: rename the file or delete {place}")
    for name, its in known.items():
        if same(its, asked):
            refuse_sizes(f"{place / 'experiments.yaml'}: experiments.{name}: options", entries[name], file.read(its))


def refuse_sizes(where, entry, found):
    """Raise a ValueError if an experiment's d differs from the file's, or it has more measurements than the file."""
    d, m = file.size_of(found), len(found.y)
    for tier in tiers_of(entry):
        own = sized(entry, tier)["options"]
        if own.get("d", d) != d:
            raise ValueError(f"{where}.d = {own['d']}: the file now has d = {d}; change it, or delete the chapter")
        if own.get("m", m) > m:
            raise ValueError(f"{where}.m = {own['m']}: the file now has {m} measurements; change it")


def prepare(data, folder):
    """Create the chapter of a file, or check the existing one, and return its name.

    ``data`` describes the file like the ``data`` of an experiment.

    Raises
    ------
    ValueError
        If the file or its settings are refused, or the existing chapter reads something else.
    """
    found, name = file.read(data), chapter_name(Path(data["path"]))
    for line in found.notes:
        print(f"note: {line}", file=sys.stderr)
    if (folder / name / "experiments.yaml").is_file():
        refuse_another(folder / name, data)
        return name
    problem = refusal(name, folder)
    if problem:
        raise ValueError(f"{problem}. A chapter is named after its file")
    make_checked(name, folder, described(data, found))
    itself = command(data, found)
    print(f"wrote {folder / name}: change it, and run again. The matrix itself: {itself}", file=sys.stderr)
    return name


def command(data, found):
    """Return the command that recovers the matrix itself."""
    told = {key: value for key, value in data.items() if key != "path"}
    if "shape" in told:
        told["shape"] = "x".join(map(str, told["shape"]))
    if found.kind in ("matrices", "vectors") and file.lifted(found)[0]:
        told["kind"] = "rectangular"
    asked = [word for key, value in told.items() for word in (f"--{key}", value)]
    return shlex.join([".venv/bin/algoreg", "recover", data["path"], *asked, "--out", "found"])


def main():
    """Create the chapter and print its name, or report why it cannot be created."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="an npz, npy, CSV or Parquet file; see docs/use_it_on_your_data.md")
    parser.add_argument("folder", help="folder of your chapters")
    parser.add_argument("target", nargs="?", help="the column of a table that is predicted from the others")
    parser.add_argument("--table", help="how a table is read: features (the default), vectors or matrix")
    parser.add_argument("--shape", help="shape of the matrix, such as 20x30, if the data do not determine it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        shape = measurement_files.sizes(options.shape)
        data = {"path": options.data, "target": options.target, "table": options.table, "shape": shape and list(shape)}
        print(prepare({key: value for key, value in data.items() if value}, Path(options.folder)))
    except (ValueError, OSError, MemoryError, RuntimeError) as error:
        said = str(error).strip().removeprefix(f"{Path(options.data)}: ").replace("--table ", "TABLE=")
        print(f"DATA = {options.data}: {said}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
