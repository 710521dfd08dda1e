"""The examples of docs/use_it_on_your_data.md run as printed, and so do those of examples/own_data."""

import re
import runpy
from pathlib import Path

import pytest


@pytest.mark.filterwarnings("ignore")
def test_the_examples_run():
    text = (Path(__file__).parents[1] / "docs/use_it_on_your_data.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 7
    exec("\n".join(blocks), {})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[1] / "examples/own_data").glob("*.py")), ids=lambda p: p.stem
)
def test_a_script_per_kind_of_data_is_short_and_finds_what_is_there(path, capsys):
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and "import " not in line]
    assert len(lines) <= 15
    runpy.run_path(str(path))
    assert float(capsys.readouterr().out.split()[-1]) < 0.2
    assert f"`{path.name}`" in (path.parent / "README.md").read_text(encoding="utf-8")


def test_every_warning_of_the_table_is_issued_and_tested():
    root = Path(__file__).parents[1]
    text = (root / "docs/use_it_on_your_data.md").read_text(encoding="utf-8")
    listed = re.findall(
        r"^\| `([^`]+)` \|", text[text.index("## Warnings") : text.index("## From a file")], re.MULTILINE
    )
    code = " ".join(path.read_text(encoding="utf-8") for path in (root / "src/algoreg/recover").glob("*.py"))
    tests = " ".join(path.read_text(encoding="utf-8") for path in (root / "tests").glob("test_recover_*.py"))
    tests += (root / "tests/test_recover.py").read_text(encoding="utf-8")
    assert len(listed) == 15
    for line in listed:
        assert line in code, line
        assert line in tests, line
