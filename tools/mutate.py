"""Put random faults into a copy of the code, one at a time, and say which share of them the tests notice.

Faults are cosmic-ray's: another operator, comparison, number or constant. They are drawn by a seed, as many of each
package. Of each, the test files run that import its module; of a module of a chapter, the chapter's own and those that
name it. What survives is printed: it is either no fault (an equivalent form), or a number without a second witness.
Known faults, one for each judged number, are in ``tests/test_mutants.py``.

Usage: mutate.py [--count 40] [--seed 1] [--package claims ...]
"""

import argparse
import ast
import difflib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = Path("src/algoreg")
# Parts of a chapter that measure or judge; figures and words are held by other tests.
MEASURING = ("experiments/*.py", "*.py", "compare/*.py", "estimands/*.py", "algorithms/*.py", "ensembles/*.py")
TELLING = {"figures.py", "ledger.py", "words.py", "__init__.py"}
PACKAGES = {
    "claims": ("claims/*.py",),
    "engine": ("engine/*.py", "engine/kernels/*.py", "experiments/*.py"),
    "algorithms": ("algorithms/*.py",),
    "ensembles": ("ensembles/*.py",),
    "numerics": ("numerics/*.py",),
    "recover": ("recover/*.py",),
    "chapters": (*(f"chapters/*/{part}" for part in MEASURING), "chapters/*.py"),
}
KINDS = r"Replace(BinaryOperator|UnaryOperator|Comparison|And|Or|True|False|Break|Continue)|NumberReplacer|AddNot"
NOT_COPIED = shutil.ignore_patterns(".git", ".venv*", "results", "__pycache__", ".snakemake", "*.egg-info", ".*_cache")
MARKS = "not workflow and not browser and not mutants"
# These read the code itself, or run other tests: they would notice any edit.
NOT_RUN = {"test_mutants.py", "test_mutations.py", "test_architecture.py", "test_witnesses.py", "test_code_hash.py"}
# Seconds for the tests of a fault; a run that is longer is counted apart.
LIMIT = 600


def modules(package):
    """Return the files of a package, below the root."""
    found = {path for pattern in PACKAGES[package] for path in (ROOT / CODE).glob(pattern)}
    return sorted(path.relative_to(ROOT) for path in found if path.name not in TELLING)


def name_of(path):
    """Return the name of a module of ours."""
    return ".".join(path.relative_to("src").with_suffix("").parts)


def imported(path):
    """Return the names that a test file imports, and the texts in it, which may name an experiment or an algorithm."""
    names, texts = set(), set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
    return names, texts


def tests_of(path):
    """Return the test files that a fault in a module concerns, below the root."""
    chapter = path.parts[3] if path.parts[2] == "chapters" and len(path.parts) > 4 else None
    found = []
    for test in sorted(p.relative_to(ROOT) for p in (ROOT / "tests").rglob("test_*.py")):
        names, texts = imported(test)
        own = chapter and test.parts[1:3] == ("chapters", chapter)
        named = path.stem in texts and path.parts[2] in ("chapters", "algorithms", "ensembles", "experiments")
        if test.name not in NOT_RUN and (own or name_of(path) in names or named):
            found.append(test)
    return found


def faults(path):
    """Return every fault of a module that cosmic-ray knows, as pairs of an operator and its occurrence."""
    from cosmic_ray import ast as trees
    from cosmic_ray import plugins

    nodes = list(trees.ast_nodes(trees.get_ast((ROOT / path).read_text(encoding="utf-8"))))
    found = []
    for name in sorted(plugins.operator_names()):
        if re.match(KINDS, name.partition("/")[2]):
            operator = plugins.get_operator(name)()
            count = sum(len(list(operator.mutation_positions(node))) for node in nodes)
            found += [(name, occurrence) for occurrence in range(count)]
    return found


def changed(path, fault):
    """Return a module's text with a fault."""
    from cosmic_ray import mutating, plugins

    operator, occurrence = fault
    return mutating.mutate_code((ROOT / path).read_text(encoding="utf-8"), plugins.get_operator(operator)(), occurrence)


def draw(package, count, chance):
    """Return faults of a package, each with its module: first a module by its length, then one of its faults."""
    files = modules(package)
    lengths = [len((ROOT / path).read_text(encoding="utf-8")) for path in files]
    found = []
    while len(found) < count:
        (path,) = chance.choices(files, lengths)
        known = faults(path)
        if known and (one := (path, chance.choice(known))) not in found:
            found.append(one)
    return found


def outcome(copy, path, fault):
    """Return ``killed``, ``survived``, ``late`` or ``untested``: what the tests say of a fault, put into a copy."""
    tests = tests_of(path)
    if not tests:
        return "untested"
    text = (ROOT / path).read_text(encoding="utf-8")
    paths = os.pathsep.join([str(copy / "src"), str(copy / "tests")])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-P",
        "-m",
        "pytest",
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-m",
        MARKS,
        *map(str, tests),
    ]
    (copy / path).write_text(changed(path, fault), encoding="utf-8")
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return "late"
    finally:
        (copy / path).write_text(text, encoding="utf-8")
    # 5: no test was collected.
    return {0: "survived", 5: "untested"}.get(done.returncode, "killed")


def difference(path, fault):
    """Return the changed lines of a fault."""
    before = (ROOT / path).read_text(encoding="utf-8").splitlines()
    lines = difflib.unified_diff(before, changed(path, fault).splitlines(), lineterm="", n=0)
    return [line for line in lines if line[:1] in "+-@" and line[:3] not in ("+++", "---")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=40, help="faults, as many of each package")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--package", nargs="+", choices=PACKAGES, default=list(PACKAGES))
    asked = parser.parse_args()
    each = -(-asked.count // len(asked.package))
    counts = {package: Counter() for package in asked.package}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=NOT_COPIED, symlinks=True)
        for package in asked.package:
            for path, fault in draw(package, each, random.Random(f"{asked.seed} {package}")):
                found = outcome(copy, path, fault)
                counts[package][found] += 1
                print(f"{found:9} {path} {fault[0].partition('/')[2]}", flush=True)
                if found != "killed":
                    print("".join(f"          {line}\n" for line in difference(path, fault)), end="", flush=True)
    print()
    for package, found in counts.items():
        rest = ", ".join(f"{count} {name}" for name, count in found.items() if name != "killed")
        print(f"{package:10} {found['killed']} of {found.total()} killed{f' ({rest})' if rest else ''}")


if __name__ == "__main__":
    main()
