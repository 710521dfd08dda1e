"""Fail if any code could read or write a pickle, which runs what it reads: python scripts/lint_pickles.py."""

import ast
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Calls that read or write a pickle whatever they are told; and those that do unless told otherwise.
PICKLES = {"read_pickle", "to_pickle", "save_pickle"}
PICKLING_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
TOLD = {
    ("np", "load"): ("allow_pickle", False),
    ("numpy", "load"): ("allow_pickle", False),
    ("np", "save"): ("allow_pickle", False),
    ("np", "savez"): ("allow_pickle", False),
    ("np", "savez_compressed"): ("allow_pickle", False),
    ("format", "read_array"): ("allow_pickle", False),
    ("format", "write_array"): ("allow_pickle", False),
    ("torch", "load"): ("weights_only", True),
}


def pickles(text):
    """Return the lines of Python code that could read or write a pickle, with what is wrong there."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").split(".")[0]]
        else:
            names = []
        found += [(node.lineno, f"import {name}") for name in names if name in PICKLING_MODULES]
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        name, owner = node.func.attr, node.func.value
        owner = getattr(owner, "id", getattr(owner, "attr", None))
        if name in PICKLES or (owner, name) == ("torch", "save"):
            found.append((node.lineno, f"{owner}.{name}"))
        if (owner, name) in TOLD:
            keyword, value = TOLD[owner, name]
            given = [part.value for part in node.keywords if part.arg == keyword]
            if not (given and isinstance(given[0], ast.Constant) and given[0].value is value):
                found.append((node.lineno, f"{owner}.{name} without {keyword}={value}"))
    return found


def sources(root):
    """Yield (path, code) of all Python code and of the notebooks' cells below a folder."""
    for folder in ("src", "scripts", "tests", "benchmarks"):
        for path in sorted((root / folder).rglob("*.py")):
            yield path, path.read_text(encoding="utf-8")
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield path, "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def main():
    """Look through the repository."""
    files = list(sources(ROOT))
    found = [(path, line, what) for path, text in files for line, what in pickles(text)]
    for path, line, what in found:
        print(f"{path.relative_to(ROOT)}:{line}: {what}")
    print(f"pickles: {len(found)} found in {len(files)} files")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
