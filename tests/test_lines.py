"""Lines of Markdown and YAML fit beside each other: at most 100 characters."""

import subprocess

import pytest
from conftest import ROOT

pytestmark = pytest.mark.any_kernels

LONGEST = 100
# Written by `make docs`.
GENERATED = ("docs/claims.md", "docs/chapters/")


def too_long(text):
    """Return the numbers of the lines that are too long; a table's row,
    and a word that cannot be broken, are one line.
    """
    return [
        number
        for number, line in enumerate(text.splitlines(), 1)
        if len(line) > LONGEST and not line.lstrip("> ").startswith("|") and " " in line.strip("#-*> ")
    ]


def test_lines_of_markdown_and_yaml_are_short():
    names = subprocess.run(["git", "ls-files", "*.md", "*.yaml", "*.yml"], cwd=ROOT, capture_output=True, text=True)
    written = [name for name in names.stdout.split() if not name.startswith(GENERATED)]
    paths = [ROOT / name for name in written if (ROOT / name).exists()]
    found = {str(path.relative_to(ROOT)): too_long(path.read_text(encoding="utf-8")) for path in paths}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_what_is_too_long_is_seen():
    assert too_long("short\n" + "long " * 30) == [2]
    assert too_long("| " + "row " * 40 + "|\n" + "https://" + "x" * 120) == []
