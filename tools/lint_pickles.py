"""Fail if code could read or write a pickle, which runs what it reads: python tools/lint_pickles.py.

ruff refuses modules and functions under whatever name they are imported (pyproject.toml, banned-api). Here is what it does not
see: arguments, methods, and modules that are named in a text.
"""

import ast
import json
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Whose `dump` is no pickle's: an array's own method is.
PLAIN = {"ast", "json", "yaml"}
METHODS = {"dump", "save_pickle", "to_pickle", "to_hdf"}
# In two parts: the word itself is refused, here too.
WORD = "_".join(("allow", "pickle"))


def banned_modules():
    """Return the modules that ruff refuses; those named in a text must not be imported either."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]["lint"]
    return {name for name in settings["flake8-tidy-imports"]["banned-api"] if "." not in name}


def pickles(text):
    """Return the lines of Python code that could read or write a pickle, with what is wrong there."""
    banned, found = banned_modules(), []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            texts = [part.value for part in node.args if isinstance(getattr(part, "value", None), str)]
            if name in ("__import__", "import_module"):
                found += [(node.lineno, f"{name}({part!r})") for part in texts if part.split(".")[0] in banned]
        elif isinstance(node, ast.keyword) and node.arg == WORD and getattr(node.value, "value", None) is not False:
            found.append((node.value.lineno, f"{WORD} that is not False"))
        elif WORD in (getattr(node, "id", ""), getattr(node, "attr", ""), getattr(node, "value", "")):
            found.append((node.lineno, f"{WORD} that is no argument"))
        elif isinstance(node, ast.Attribute) and node.attr in METHODS and getattr(node.value, "id", "") not in PLAIN:
            found.append((node.lineno, f".{node.attr} of other than {', '.join(sorted(PLAIN))}"))
    return found


def sources(root):
    """Yield (path, code) of all Python code and of the notebooks' cells below a folder."""
    for folder in ("src", "scripts", "tools", "tests", "benchmarks"):
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
