"""A chapter's ledger: its differences from the paper, or within it, as a template filled from committed references.

The template ``ledger.md.j2`` in a chapter's folder calls the chapters' ledger macros by name (tables and sentences from
committed numbers) and the functions of :class:`Numbers`. Its block ``statement`` (optional) explains what the chapter
judges, and its block ``found`` what was found. README and the report page show the block ``headline``, which is inside
``found``. Every other template ``<name>.md.j2`` in the folder is a separate document.
"""

import functools
import re
import textwrap

import jinja2
import numpy as np

from algoreg import plugins
from algoreg.claims.cells import chosen
from algoreg.claims.judging import exact
from algoreg.claims.published import load_published
from algoreg.regression.references import claim_of
from algoreg.reporting.report import BEST, number, verdict_text_of, verdicts_beside
from algoreg.reporting.wording import bound, outwards, typeset_numbers, unsettled

TEMPLATE = "ledger.md.j2"
WIDTH = 100
# Code between fences, and the beginnings of blocks or lines whose lines cannot be wrapped again.
BETWEEN_FENCES = r"^```.*?^```$"
FENCED = re.compile(f"({BETWEEN_FENCES})", re.MULTILINE | re.DOTALL)
AS_IT_IS = re.compile(r"\A(?:[|#<>]|```|[*+] |\d+[.)] )|^(?:\| |\s+(?:[-*+]|\d+[.)]) )", re.MULTILINE)
# Code and the targets of links, whose characters stay.
VERBATIM = re.compile(rf"({BETWEEN_FENCES}|`[^`]*`|\]\([^)]*\)|<!--.*?-->)", re.MULTILINE | re.DOTALL)
# Significant digits of the ends of columns, as of all numbers in ledgers.
DIGITS = 3
# With more different values than this, only the smallest and the largest are shown.
MOST_VALUES = 4


class Numbers:
    """Formats committed numbers: results of claims, and values of tables and published curves.

    Parameters
    ----------
    references : mapping of str to mapping
        The committed references by tier.
    entries : list of mapping
        The registry.
    """

    def __init__(self, references, entries):
        self._references, self._entries = references, {entry["id"]: entry for entry in entries}

    def _claim(self, identity, tier):
        return claim_of(self._references[tier], identity)

    def _verdict_text(self, identity, tier):
        return verdict_text_of(self._claim(identity, tier), self._entries[identity])

    def _frame(self, table, tier):
        return self._references[tier]["tables"][table]

    def estimate(self, identity, tier="standard"):
        """Return a claim's estimate, with as many digits as distinguish it from its margin."""
        return self._verdict_text(identity, tier).estimate

    def bound(self, identity, towards, tier="standard", digits=3):
        """Return the outermost end of a claim's intervals over all its seeds, rounded outwards.

        It stands in a sentence with "at most" or "within" (``towards`` "up"), or with "at least" ("down").
        """
        return bound(self._claim(identity, tier), towards, digits)

    def interval(self, identity, tier="standard"):
        """Return a claim's 95 % interval."""
        return self._verdict_text(identity, tier).interval

    def verdict(self, identity, tier="standard"):
        """Return a claim's verdict, with a mark if several seeds judged it and not all have this verdict."""
        return self._verdict_text(identity, tier).verdict + unsettled(self._claim(identity, tier))

    def margin(self, identity):
        """Return a claim's margin."""
        return exact(self._entries[identity]["margin"])

    def setting(self, identity, *keys):
        """Return an option of a claim's estimand, or a value in it."""
        value = self._entries[identity]["estimand"]
        for key in keys:
            value = value[key]
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

    def values(self, table, column, tier="standard", **where):
        """Return the different values of a column, or the first and the last if there are many."""
        found = np.unique(chosen(self._frame(table, tier), where)[column].dropna())
        if len(found) > MOST_VALUES:
            return f"{found[0]:g} to {found[-1]:g}"
        return ", ".join(f"{value:g}" for value in found)

    def least(self, table, column, tier="standard", **where):
        """Return the smallest value of a column, rounded down."""
        return number(outwards(chosen(self._frame(table, tier), where)[column].min(), "down", DIGITS))

    def largest(self, table, column, tier="standard", **where):
        """Return the largest value of a column, rounded up."""
        return number(outwards(chosen(self._frame(table, tier), where)[column].max(), "up", DIGITS))

    def published(self, curve, **where):
        """Return a value of a published curve, or the smallest and the largest if there are several."""
        found = chosen(load_published(curve), where)["value"]
        ends = dict.fromkeys(number(value) for value in (found.min(), found.max()))
        return " to ".join(ends)


def _passages(references):
    """Return every ledger macro by name, as a function whose tables or references are already bound."""

    def bound(function):
        if function.tiers is BEST:
            return functools.partial(function, *_best(references, function.tables))

        def call(*arguments):
            lacking = [tier for tier in function.tiers if tier not in references]
            own = [references[tier] for tier in function.tiers if tier in references]
            lacking += [table for table in function.tables if any(table not in one["tables"] for one in own)]
            if lacking:
                return f"(The committed references lack {', '.join(lacking)}.)"
            given = [own[0]["tables"][table] for table in function.tables] if function.of_frames else own
            return function(*given, *arguments)

        return call

    return {name: bound(function) for name, function in plugins.functions("ledger").items()}


def _best(references, tables):
    """Return the first tier of ``BEST`` whose reference has these tables, and the reference; else None and None."""
    having = (tier for tier in BEST if tier in references and set(tables) <= references[tier]["tables"].keys())
    tier = next(having, None)
    return tier, references.get(tier)


def wrapped(text):
    """Return Markdown with the lines of paragraphs and of lists with "- " wrapped at ``WIDTH``, its numbers typeset.

    Tables, code between fences, headings, quotes, and lists that are numbered or nested are not changed.
    """
    parts = VERBATIM.split(text.strip())
    text = "".join(part if place % 2 else typeset_numbers(part) for place, part in enumerate(parts))
    blocks = []
    for part in FENCED.split(text):
        found = [part] if FENCED.fullmatch(part) else re.split(r"\n{2,}", part.strip())
        blocks += [block if AS_IT_IS.search(block) else _filled(block) for block in found if block]
    return "\n\n".join(blocks)


def _filled(block):
    settings = {"width": WIDTH, "break_long_words": False, "break_on_hyphens": False}
    lines = [
        textwrap.fill(" ".join(item.split()), subsequent_indent="  " * item.startswith("- "), **settings)
        for item in re.split(r"\n(?=- )", block)
    ]
    return "\n".join(lines)


class Ledgers:
    """The ledgers of all chapters.

    Parameters
    ----------
    references : mapping of str to mapping
        The committed references by tier.
    entries : list of mapping
        The registry.
    """

    def __init__(self, references, entries):
        numbers = Numbers(references, entries)
        said = {name: getattr(numbers, name) for name in dir(numbers) if not name.startswith("_")}
        self.passages = _passages(references)
        self._context = {**self.passages, **said}
        self._references, self._entries = references, entries

    def _template(self, chapter, name=TEMPLATE):
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(chapter.folder),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,
        )
        own = [entry for entry in self._entries if entry["chapter"] == chapter.name]

        def full_verdicts():
            return verdicts_beside(self._references["standard"], self._references["full"], own)

        environment.globals.update(self._context, full_verdicts=full_verdicts)
        return environment.get_template(name)

    def documents(self, chapter):
        """Return the Markdown documents beside a chapter's ledger, by name."""
        names = sorted(path.name for path in chapter.folder.glob("*.md.j2") if path.name != TEMPLATE)
        return {name.removesuffix(".j2"): f"{wrapped(self._template(chapter, name).render())}\n" for name in names}

    def block(self, chapter, name):
        """Return a block of a chapter's ledger as Markdown; empty if there is none."""
        return wrapped(self._block(chapter, name))

    def without_findings(self, chapter):
        """Return a ledger without statement and findings, with headings a level lower; empty if it has no template."""
        if not (chapter.folder / TEMPLATE).exists():
            return ""
        text = self._template(chapter).render()
        for name in ("statement", "found"):
            text = text.replace(self._block(chapter, name), "", 1)
        return re.sub(r"^##", "###", wrapped(text), flags=re.MULTILINE)

    def _block(self, chapter, name):
        if not (chapter.folder / TEMPLATE).exists():
            return ""
        template = self._template(chapter)
        return "".join(template.blocks[name](template.new_context())) if name in template.blocks else ""
