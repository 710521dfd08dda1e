"""Create a chapter of your own that runs at once: python tools/new_chapter.py NAME [FOLDER]."""

import argparse
import keyword
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from algoreg import plugins
from algoreg.settings.chapters import load_chapter

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "tools" / "template_chapter"
TEST = ROOT / "tools" / "template_chapter_test.py"
# The placeholder of the chapter's name in the template's files.
PLACE = "mychapter"
SCHEMAS = ROOT / "workflow" / "schemas"
NAMES = "a name of a-z, 0-9 and _ that starts with a letter and is no word of Python's"


def is_name(name):
    """Return whether a chapter or a module can have this name."""
    return bool(re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name)) and not keyword.iskeyword(name)


def refusal(name, folder):
    """Return why a chapter of this name cannot be created in a folder, or None."""
    if not is_name(name):
        return f"NAME = {name}: allowed is {NAMES}"
    if os.pathsep in str(folder):
        return f"CHAPTER_PATH = {folder}: allowed is one folder, whose path has no {os.pathsep}"
    # Modules beside the chapters also take names.
    taken = [*plugins.chapters(), *(path.stem for path in folder.glob("[a-z]*"))]
    if name in taken:
        return f"NAME = {name}: this name is taken; names in use are {', '.join(sorted(set(taken)))}"
    # The template's entries have the chapter's name. The user's own chapters are not read, because they may be broken.
    ours = [load_chapter(*one) for one in plugins.chapters().items() if one[1].parent == plugins.PACKAGE / "chapters"]
    for chapter in ours:
        for section, entries in chapter.entries.items():
            if name in entries:
                return f"NAME = {name}: {chapter.file('experiments.yaml')} has {section}.{name}; choose another"
    if name in plugins.modules("experiments"):
        return f"NAME = {name}: there is an experiment of this name, {plugins.modules('experiments')[name]}; choose another"
    return None


def make(name, folder, template=TEMPLATE, more=None):
    """Copy a template into ``folder/name``, with the placeholder and ``more`` words replaced, and return that folder.

    If this fails, the folder is removed.
    """
    made = folder / name
    made.mkdir(parents=True)
    try:
        fill(made, name, template, more)
    except BaseException:
        shutil.rmtree(made)
        raise
    return made


def fill(made, name, template, more):
    """Write a template's files into a chapter's folder; see :func:`make`."""
    schemas = os.path.relpath(SCHEMAS, made)
    words = {f"{PLACE}-": f"{name.replace('_', '-')}-", PLACE: name, "SCHEMAS": schemas, **(more or {})}
    for path in sorted(path for path in template.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        text = path.read_text(encoding="utf-8")
        # All words are replaced at once, because a replacement, such as a path, may contain another placeholder.
        text = re.sub("|".join(map(re.escape, words)), lambda found: words[found[0]], text)
        file = made / path.relative_to(template).with_stem(path.stem.replace(PLACE, name))
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")


def make_test(name):
    """Write the test of a chapter in this checkout, and return its path."""
    path = ROOT / "tests" / "chapters" / name / f"test_{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEST.read_text(encoding="utf-8").replace(PLACE, name), encoding="utf-8")
    return path


def main():
    """Create the chapter, or report why it cannot be created."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="name of the chapter: a-z, 0-9 and _")
    parser.add_argument("folder", nargs="?", help="folder of your chapters (default: that of this package's chapters)")
    options = parser.parse_args()
    folder = Path(options.folder) if options.folder else plugins.PACKAGE / "chapters"
    problem = refusal(options.name, folder)
    if problem:
        print(problem, file=sys.stderr)
        return 2
    try:
        made = make(options.name, folder)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    path = f" CHAPTER_PATH={shlex.quote(options.folder)}" if options.folder else ""
    print(f"wrote {os.path.relpath(made)}: {', '.join(path.name for path in sorted(made.iterdir()))}")
    if not options.folder:
        print(f"wrote {os.path.relpath(make_test(options.name))}")
    print(f"It runs: make chapter NAME={options.name} TIER=smoke{path}; its claim is judged from TIER=quick on.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
