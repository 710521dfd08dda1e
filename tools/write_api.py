"""Write docs/api.md, the reference of the estimators, from their docstrings:
python tools/write_api.py. Nothing is imported.
"""

import argparse
import ast
import inspect
import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / "src" / "algoreg" / "recover"
# The modules of the estimators, in the order of the page.
MODULES = ("matrix", "completion", "quadratic", "states")
HEAD = """<!-- Written by tools/write_api.py (make docs) from the docstrings. -->

# The estimators

`from algoreg.recover import …`. They keep scikit-learn's conventions: `fit`, `predict`, `score`,
`get_params`, `set_params`, `clone`. How to use them: [use it on your data](use_it_on_your_data.md).
"""


def classes():
    """Return the syntax trees of the estimators."""
    trees = [ast.parse((PLACE / f"{name}.py").read_text(encoding="utf-8")) for name in MODULES]
    return [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]


def said(text):
    """Return prose of a docstring as Markdown in lines of at most 100 characters."""
    plain = re.sub(r":(?:class|func|mod|meth):`~?\.?([^`]+)`", lambda found: f"`{found[1].split('.')[-1]}`", text)
    # Asterisks, underscores and brackets of names are no marks of Markdown; what stands in backticks is left alone.
    parts = re.split(r"(``?[^`]+``?)", " ".join(plain.split()))
    parts = [part.replace("``", "`") if part.startswith("`") else re.sub(r"([*_<\[])", r"\\\1", part) for part in parts]
    return "".join(parts)


def filled(text, start="", after=""):
    """Return a paragraph folded."""
    return textwrap.fill(text, 100, initial_indent=start, subsequent_indent=after, break_on_hyphens=False)


def sections(docstring):
    """Return ``{title: lines}`` of a docstring in numpy's form; what stands before the first title has the title ''."""
    found, title = {"": []}, ""
    lines = inspect.cleandoc(docstring).splitlines()
    for number, line in enumerate(lines):
        under = lines[number + 1] if number + 1 < len(lines) else ""
        if line and re.fullmatch("-{3,}", under):
            title = line
            found[title] = []
        elif not re.fullmatch("-{3,}", line):
            found[title].append(line)
    return found


def entries(lines):
    """Return (what stands at the margin, what is indented below it) of a section's lines."""
    found = []
    for line in filter(str.strip, lines):
        if line.startswith(" ") and found:
            found[-1][1].append(line.strip())
        else:
            found.append((line.strip(), []))
    return [(head, " ".join(text)) for head, text in found]


def listed(lines):
    """Return a section as a list."""
    return "\n".join(
        filled(f"`{head}`" + (f": {said(text)}" if text else ""), "- ", "  ") for head, text in entries(lines)
    )


def fields(node):
    """Return ``{field: default}`` of a data class."""
    return {
        one.target.id: f"={ast.unparse(one.value)}" for one in node.body if isinstance(one, ast.AnnAssign) and one.value
    }


def parameters(node):
    """Return ``{parameter: default}`` of an estimator: its own, then those of all;
    * stands before what is told by name.
    """
    tree = ast.parse((PLACE / "base.py").read_text(encoding="utf-8"))
    (base,) = (one for one in tree.body if isinstance(one, ast.ClassDef))
    own, shared = fields(node), fields(base)
    first = {key: value for key, value in own.items() if key not in shared}
    return first | {"*": ""} | {key: own.get(key, value) for key, value in shared.items()}


def arguments(function):
    """Return ``{argument: default}`` of a method; an empty text where there is none."""
    given = [argument.arg for argument in function.args.args if argument.arg != "self"]
    defaults = [f"={ast.unparse(value)}" for value in function.args.defaults]
    return dict(zip(given, [""] * (len(given) - len(defaults)) + defaults, strict=True))


def signature(given, name):
    """Return a call with its defaults."""
    shown = [f"{key}{value}" for key, value in given.items()]
    return textwrap.fill(f"{name}({', '.join(shown)})", 100, subsequent_indent="    ", break_on_hyphens=False)


def described(docstring):
    """Return a docstring as Markdown."""
    found = sections(docstring)
    paragraphs = "\n".join(found.pop("")).split("\n\n")
    text = [filled(said(paragraph)) for paragraph in paragraphs if paragraph.strip()]
    text += [f"{title}:\n\n{listed(lines)}" for title, lines in found.items() if entries(lines)]
    return "\n\n".join(text)


def page():
    """Return the page."""
    parts = [HEAD.rstrip()]
    for node in classes():
        functions = {one.name: one for one in node.body if isinstance(one, ast.FunctionDef)}
        code = f"```python\n{signature(parameters(node), node.name)}\n```"
        parts += [f"## {node.name}", code, described(ast.get_docstring(node))]
        for name in ("fit", "predict"):
            code = f"`{' '.join(signature(arguments(functions[name]), name).split())}`"
            parts += [f"### {node.name}.{name}", code, described(ast.get_docstring(functions[name]))]
    return "\n\n".join(parts) + "\n"


def main():
    """Write the page."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    (ROOT / "docs" / "api.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
