"""Put random faults into a copy of the code, one at a time, and print which share of them the tests detect.

Faults are those of cosmic-ray: another operator, comparison, number or constant. They are drawn from a seed, equally
many in each package. For each fault at most ``--files`` test files run: those of its chapter, those that import or name
its module, then those that import a module which imports it; among these, first the files that use most of the module
and least beside it. The share is therefore a lower bound on what the whole suite detects. Faults that survive are
printed: each is either no fault (an equivalent form), or a number without a second witness nearby. If a test also
fails without the fault, its failure detects nothing, and the fault is ``unclear``.
Known faults, one for each judged number, are in ``tests/test_mutants.py``.

Usage: mutate.py [--count 40] [--seed 1] [--package claims ...] [--files 4] [--limit 600]
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
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = Path("src/algoreg")
# Parts of a chapter that measure or judge; other tests check figures and words.
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
# Other kinds, such as a shift of two floats, make the code meaningless, and any test detects them.
KINDS = "|".join(
    [
        "ReplaceBinaryOperator_(Add|Sub|Mul|Div|Pow)_(Add|Sub|Mul|Div)$",
        "ReplaceComparisonOperator_(Eq|NotEq|Lt|LtE|Gt|GtE)_(Eq|NotEq|Lt|LtE|Gt|GtE)$",
        "Replace(UnaryOperator|And|Or|True|False|Break|Continue)",
        "NumberReplacer|AddNot",
    ]
)
NOT_COPIED = shutil.ignore_patterns(".git", ".venv*", "__pycache__", ".snakemake", "*.egg-info", ".*_cache")
MARKS = "not workflow and not browser and not mutants"
# These tests read the code itself or run other tests, so they would detect any edit.
NOT_RUN = {
    "test_mutants.py",
    "test_mutations.py",
    "test_architecture.py",
    "test_witnesses.py",
    "test_code_hash.py",
    "test_loaded_code.py",
    "test_notebooks.py",
    "test_documents.py",
}


def not_copied(folder, names):
    """Return the names that are not copied; a package of ours, which is copied, is also called results."""
    return {*NOT_COPIED(folder, names), *(["results"] if Path(folder) == ROOT else [])}


def modules(package):
    """Return the files of a package, relative to the root."""
    found = {path for pattern in PACKAGES[package] for path in (ROOT / CODE).glob(pattern)}
    return sorted(path.relative_to(ROOT) for path in found if path.name not in TELLING)


def name_of(path):
    """Return the dotted name of a module, given its file."""
    return ".".join(path.relative_to("src").with_suffix("").parts).removesuffix(".__init__")


@cache
def imported(path):
    """Return the names that a file imports, and its strings, which may name an experiment or an algorithm."""
    names, texts = set(), set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
    return names, texts


def importers(path):
    """Return the names of our modules that import a module, with its package if that names it."""
    found = set()
    for each in (source.relative_to(ROOT) for source in (ROOT / CODE).rglob("*.py")):
        names, texts = imported(each)
        if name_of(path) in names or (each == path.parent / "__init__.py" and path.stem in texts):
            found.add(name_of(each))
    return found


def tests_of(path, count):
    """Return at most ``count`` test files that a fault in a module concerns, relative to the root, nearest first."""
    chapter = path.parts[3] if path.parts[2] == "chapters" and len(path.parts) > 4 else None
    found, users = [], importers(path)
    for test in sorted(p.relative_to(ROOT) for p in (ROOT / "tests").rglob("test_*.py")):
        names, texts = imported(test)
        own = chapter and test.parts[1:3] == ("chapters", chapter)
        named = path.stem in texts and path.parts[2] in ("chapters", "algorithms", "ensembles", "experiments")
        direct = own or name_of(path) in names or named
        if test.name not in NOT_RUN and (direct or users & names):
            taken = sum(name.startswith(f"{name_of(path)}.") for name in names)
            others = sum(name.startswith("algoreg.") for name in names)
            found.append((not own, not direct, path.stem not in test.stem, -taken, others, test))
    return [test for *_, test in sorted(found)[:count]]


def faults(path):
    """Return all faults that cosmic-ray can put into a module, as pairs of an operator and its occurrence."""
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


def is_code(text):
    """Return whether a text is valid Python, because a star that is replaced may not be a product."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def draw(package, count, chance):
    """Return random faults of a package, each with its module, which is drawn in proportion to its length."""
    files = modules(package)
    lengths = [len((ROOT / path).read_text(encoding="utf-8")) for path in files]
    found = []
    while len(found) < count:
        (path,) = chance.choices(files, lengths)
        known = faults(path)
        if known and (one := (path, chance.choice(known))) not in found and is_code(changed(*one)):
            found.append(one)
    return found


def outcome(copy, path, fault, tests, limit):
    """Return the outcome of test files on a fault in a copy: killed, survived, late, unclear or untested.

    A run that takes longer than ``limit`` seconds is ``late``.
    """
    if not tests:
        return "untested"
    paths = os.pathsep.join([str(copy / "src"), str(copy / "tests")])
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}

    def status(*options):
        command = [sys.executable, "-P", "-m", "pytest", "-x", "-q", "-m", MARKS, *options, *map(str, tests)]
        try:
            done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired:
            return "late"
        # Exit status 5 means that no test was collected.
        return {0: "survived", 5: "untested"}.get(done.returncode, "killed")

    (copy / path).write_text(changed(path, fault), encoding="utf-8")
    seen = status("--cache-clear")
    shutil.copyfile(ROOT / path, copy / path)
    return "unclear" if seen == "killed" and status("--last-failed") != "survived" else seen


def difference(path, fault):
    """Return the changed lines of a fault."""
    before = (ROOT / path).read_text(encoding="utf-8").splitlines()
    lines = difflib.unified_diff(before, changed(path, fault).splitlines(), lineterm="", n=0)
    return [line for line in lines if line[:1] in "+-@" and line[:3] not in ("+++", "---")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=40, help="number of faults, equally many in each package")
    parser.add_argument("--seed", type=int, default=1, help="seed by which the faults are drawn")
    parser.add_argument("--package", nargs="+", choices=PACKAGES, default=list(PACKAGES))
    parser.add_argument("--files", type=int, default=4, help="number of test files that run for a fault, nearest first")
    parser.add_argument("--limit", type=float, default=600, help="seconds that the tests of a fault may take")
    asked = parser.parse_args()
    each = -(-asked.count // len(asked.package))
    counts = {package: Counter() for package in asked.package}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copytree(ROOT, copy, ignore=not_copied, symlinks=True)
        # Compiled files are checked by content and not by time, because faults follow each other within a second.
        compiled = ["compileall", "-q", "--invalidation-mode", "checked-hash", str(copy / "src"), str(copy / "tests")]
        subprocess.run([sys.executable, "-P", "-m", *compiled], check=True)
        for package in asked.package:
            for path, fault in draw(package, each, random.Random(f"{asked.seed} {package}")):
                found = outcome(copy, path, fault, tests_of(path, asked.files), asked.limit)
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
