"""The examples of docs/use_it_on_your_data.md run as they stand there."""

import re
from pathlib import Path

import pytest


@pytest.mark.filterwarnings("ignore")
def test_the_examples_run():
    text = (Path(__file__).parents[1] / "docs/use_it_on_your_data.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 5
    exec("\n".join(blocks), {})
