"""What a tool is told that it does not know is refused before it does anything."""

import subprocess
import sys

import pytest
from conftest import ROOT

pytestmark = pytest.mark.any_kernels

# Those that take no arguments, or a folder or a tier.
TOOLS = ("build_article", "check_advisories", "check_licences", "draw_rule_graph", "write_docs")
OTHERS = ("build_site", "check_site", "fetch_results", "check_crate", "make_crate")


@pytest.mark.parametrize("name", [*TOOLS, *OTHERS])
def test_help_and_unknown_words_do_nothing_but_say_the_usage(name, tmp_path):
    for words, status in (["--help"], 0), (["one", "two"], 2):
        command = [sys.executable, str(ROOT / "tools" / f"{name}.py"), *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == status, done.stderr
        assert (done.stdout + done.stderr).startswith(f"usage: {name}.py")
