"""Create an algorithm of your own and its test, which run at once: python tools/new_algorithm.py NAME."""

import argparse
import os
import sys
from pathlib import Path

from algoreg import plugins
from new_chapter import NAMES, is_name

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "tools" / "template_algorithm"
# The placeholder of the algorithm's name in the template.
PLACE = "myalgorithm"


def goals(name, root):
    """Return the paths of an algorithm's two files, by the templates that they are made from."""
    return {
        TEMPLATE / "algorithm.py": root / "src" / "algoreg" / "algorithms" / f"{name}.py",
        TEMPLATE / "test_algorithm.py": root / "tests" / f"test_{name}.py",
    }


def refusal(name, root):
    """Return why an algorithm of this name cannot be created, or None."""
    if not is_name(name):
        return f"NAME = {name}: allowed is {NAMES}"
    taken = ["base", *plugins.modules("algorithms")]
    if name in taken:
        return f"NAME = {name}: this name is taken; names in use are {', '.join(sorted(taken))}"
    if missing := [path.parent for path in goals(name, root).values() if not path.parent.is_dir()]:
        return f"{root}: no checkout of this project, as {missing[0]} is not there"
    there = [os.path.relpath(path) for path in goals(name, root).values() if path.exists()]
    if there:
        return f"NAME = {name}: {', '.join(there)} exists; choose another name, or delete it"
    return None


def make(name, root):
    """Write the algorithm and its test, and return their paths."""
    for template, goal in goals(name, root).items():
        goal.write_text(template.read_text(encoding="utf-8").replace(PLACE, name), encoding="utf-8")
    return list(goals(name, root).values())


def main():
    """Create the algorithm, or report why it cannot be created."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="name of the algorithm: a-z, 0-9 and _")
    parser.add_argument("root", nargs="?", type=Path, default=ROOT, help="a checkout (default: this one)")
    options = parser.parse_args()
    problem = refusal(options.name, options.root)
    if problem:
        print(problem, file=sys.stderr)
        return 2
    path, test = map(os.path.relpath, make(options.name, options.root))
    print(f"wrote {path} and {test}")
    print(f"It runs: .venv/bin/pytest {test} tests/test_engine.py -k {options.name}; settings can name it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
