"""Chapters as read from their files, and as composed for a tier: every experiment at the tier's size.

An entry of ``experiments.yaml`` is written once. ``sizes`` has a block for each tier that it belongs to, whose keys are
added to the entry's keys (those of ``options`` one by one); the name of another tier in place of a block means the same
sizes. An entry whose size is the same in all tiers lists its ``tiers`` instead. An entry with ``variants`` defines one
experiment per variant, with the variant's name: the variant's keys replace the entry's, options one by one. A figure
lists its tables. A tier has the figure if it has the first of these tables, unless a mapping of ``tables`` and
``tiers`` names the figure's tiers.
"""

import copy
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, NonNegativeInt, Tag, model_validator

from algoreg import plugins
from algoreg.settings.base import LEFT_OUT, NAME, Name, Several, Strict, Text, by_type, misfit, show
from algoreg.settings.experiments import SECTIONS
from algoreg.settings.files import SettingsError, bibliography, display_path, load_yaml
from algoreg.settings.messages import beyond_range, in_file, lines, not_allowed, problems, unknown
from algoreg.settings.tier import TierName, size_of

# Pages of the report that do not belong to a chapter, without suffix: the front page and the table of verdicts.
OTHER_PAGES = ("index", "verdicts")


class Curve(Strict):
    """Facts about a published curve that its file does not contain."""

    d: int = Field(ge=1, le=100_000)


class About(Strict):
    """The file ``chapter.yaml``."""

    title: Text
    question: Text
    papers: Several[str] = Field(description="keys of references.bib")
    order: NonNegativeInt = Field(description="position of the chapter among the others")
    published: dict[str, Curve] = Field({}, description="the curves in the folder published")


# The settings of a tier, or the name of another tier that has the same.
Size = Annotated[
    Annotated[dict[str, Any], Tag("dict")] | Annotated[TierName, Tag("str")],
    by_type("Input should be a mapping of settings, or the name of a tier that has one here"),
]


class Variant(Strict):
    """The keys in which an experiment differs from its entry."""

    # The settings themselves are validated once the tier is known.
    model_config = ConfigDict(extra="ignore")

    what: Text
    why: Text = LEFT_OUT
    sizes: dict[TierName, dict[str, Any]] = Field(LEFT_OUT, min_length=1)


class Notes(Strict):
    """The keys of an entry beside its settings: what it measures, why it is set up so, and in which tiers it is."""

    # The settings themselves are validated once the tier is known.
    model_config = ConfigDict(extra="ignore")

    what: Text = LEFT_OUT
    why: Text = LEFT_OUT
    tiers: Several[TierName] = LEFT_OUT
    sizes: dict[TierName, Size] = Field(LEFT_OUT, min_length=1)
    variants: dict[Name, Variant] = Field(LEFT_OUT, min_length=2, description="experiments that differ in few options")

    @model_validator(mode="after")
    def _one_of_tiers_and_sizes(self):
        if (self.tiers is None) == (self.sizes is None):
            raise misfit(self, "a mapping with either sizes or tiers")
        blocks = [tier for tier, block in (self.sizes or {}).items() if isinstance(block, dict)]
        for tier, block in (self.sizes or {}).items():
            if tier not in blocks and block not in blocks:
                allowed = f"a mapping, or a tier that has one here: {', '.join(blocks) or 'none'}"
                raise ValueError(f"sizes.{tier} = {show(block)}: allowed is {allowed}")
        return self


class FigureNotes(Strict):
    """The tables and the tiers of a figure that is not in every tier that has its first table."""

    what: Text = LEFT_OUT
    why: Text = LEFT_OUT
    tables: Several[str]
    tiers: Several[TierName]


class Experiments(Strict):
    """The file ``experiments.yaml``, before it is composed for a tier."""

    grids: Any = Field(None, description="lists that are used at several places")
    experiments: dict[Name, Notes] = Field({})
    figures: dict[
        Name,
        Annotated[
            Annotated[list[str], Field(min_length=1), Tag("list")] | Annotated[FigureNotes, Tag("dict")],
            by_type("Input should be a list of tables, or a mapping with tables and tiers"),
        ],
    ] = Field({})


@dataclass(frozen=True)
class Chapter:
    """One chapter's files.

    Attributes
    ----------
    name : str
    folder : pathlib.Path
    title, question : str
    papers : list of str
        Keys of ``references.bib``.
    order : int
        Its position among the others.
    published : dict
        The published curves in its folder ``published``, each with the facts that its file does not contain.
    entries : dict
        The entries by section; each variant is a separate entry.
    variants : dict
        The name of each variant's entry, and the content of both.
    claims : list of dict
        The claims, completed by :func:`complete_claim`.
    """

    name: str
    folder: Path
    title: str
    question: str
    papers: list
    order: int
    published: dict = field(default_factory=dict)
    entries: dict = field(default_factory=dict)
    variants: dict = field(default_factory=dict)
    claims: list = field(default_factory=list)

    @property
    def shipped(self):
        """Whether the chapter belongs to this package and not to the user."""
        return self.folder.parent == plugins.PACKAGE / "chapters"

    @property
    def tables(self):
        """The names of the chapter's tables in all tiers."""
        return list(self.entries.get("experiments", {}))

    def file(self, name):
        """Return the path of one of the chapter's files as shown in messages."""
        return display_path(self.folder / name)


def _split(entry):
    """Return an entry's notes (the keys of :class:`Notes`), and its settings."""
    notes = {key: value for key, value in entry.items() if key in Notes.model_fields}
    return notes, {key: value for key, value in entry.items() if key not in notes}


@cache
def load_chapter(name, folder):
    """Read the files of a chapter.

    Raises
    ------
    algoreg.settings.files.SettingsError
        If anything is wrong with the files; it lists all problems.
    """
    found, content = [], {}
    for file, aliases in (("chapter.yaml", False), ("experiments.yaml", True), ("claims.yaml", False)):
        try:
            content[file] = load_yaml(folder / file, aliases=aliases)
        except SettingsError as error:
            found += error.problems
    if not found:
        about, experiments, claims = content.values()
        experiments = {} if experiments is None else experiments
        found += lines(beyond_range(about) or problems(About, about), in_file(display_path(folder / "chapter.yaml")))
        found += lines(problems(Experiments, experiments), in_file(display_path(folder / "experiments.yaml")))
        if not claims:
            found.append(f"{display_path(folder / 'claims.yaml')}: contains no claim; a chapter needs at least one")
    if found:
        raise SettingsError(found)
    experiments.pop("grids", None)
    found = lines(
        _variant_problems(experiments.get("experiments", {})), in_file(display_path(folder / "experiments.yaml"))
    )
    if found:
        raise SettingsError(found)
    experiments["experiments"], variants = _expanded(experiments.get("experiments", {}))
    claims = [complete_claim(one) for one in claims] if isinstance(claims, list) else claims
    return Chapter(name, folder, **about, entries=experiments, variants=variants, claims=claims)


def complete_claim(entry):
    """Return a claim with defaults that its ``table`` provides, for its experiments and for the table of its estimand.

    An estimand ``over`` a list of tables has no default, because it reads only those.
    """
    if not (isinstance(entry, dict) and isinstance(entry.get("table"), str)):
        return entry
    made, estimand = {"experiments": [entry["table"]], **entry}, entry.get("estimand")
    if isinstance(estimand, dict) and not isinstance(estimand.get("over"), list):
        made["estimand"] = {"table": entry["table"], **estimand}
    return made


def _expanded(entries):
    """Return entries with each variant as a separate entry, and ``{variant: (entry's name, entry, variant)}``."""
    made, variants = {}, {}
    for name, entry in entries.items():
        if "variants" not in entry:
            made[name] = entry
            continue
        shared = {key: value for key, value in entry.items() if key not in ("variants", "what", "why")}
        for own, variant in entry["variants"].items():
            made[own] = _varied(shared, variant)
            variants[own] = (name, entry, variant)
    return made, variants


def _variant_problems(entries):
    """Yield ``(path, message after the key)`` for variants whose name is taken, or that do not fit their entry."""
    owners = {name: f"experiments.{name}" for name, entry in entries.items() if "variants" not in entry}
    for name, entry in entries.items():
        for own, variant in entry.get("variants", {}).items():
            path = ("experiments", name, "variants", own)
            if own in owners:
                yield path, f": {owners[own]} has this name; choose another"
            owners.setdefault(own, f"experiments.{name}.variants.{own}")
            if "sizes" in variant and "tiers" in entry:
                yield (*path, "sizes"), not_allowed(variant["sizes"], "nothing, as the entry has tiers and no sizes")


def _varied(entry, variant):
    """Return an entry in which the variant's keys replace the entry's, also in its sizes."""
    made = _overlaid(entry, {key: value for key, value in variant.items() if key != "sizes"})
    if "sizes" not in entry:
        return made
    settings, sizes = _split(variant)[1], variant.get("sizes", {})
    made["sizes"] = {
        tier: _overlaid(_overlaid(_block(entry, tier) or {}, settings), sizes.get(tier, {}))
        for tier in {**entry["sizes"], **sizes}
    }
    return made


def _overlaid(settings, added):
    """Return settings updated with others, options one by one."""
    made = copy.deepcopy({**settings, **added})
    if isinstance(settings.get("options"), dict) and isinstance(added.get("options"), dict):
        made["options"] = copy.deepcopy({**settings["options"], **added["options"]})
    return made


def misnamed():
    """Return a line for each chapter folder whose name cannot be that of a module, in settings, or of a report page."""
    allowed = "allowed is a folder's name of a-z, 0-9 and _, starting with a letter, at most 40 characters long"
    taken = f"allowed is a name other than {' and '.join(OTHER_PAGES)}, which other pages of the report have"
    return [
        f"{display_path(path)}: {taken if path.name in OTHER_PAGES else allowed}"
        for path in plugins.chapter_folders()
        if not re.fullmatch(NAME, path.name) or path.name in OTHER_PAGES
    ]


def load_chapters(names=None, file=None):
    """Return the chapters with these names, by default all, in their order.

    Parameters
    ----------
    names : iterable of str, optional
    file : path, optional
        The tier file that lists the names, for messages.

    Raises
    ------
    algoreg.settings.files.SettingsError
        If anything is wrong with their files, a name is not allowed or not known, or two chapters have the same name.
    """
    found, chosen, folders = misnamed(), [], plugins.chapters()
    if found:
        # Chapters with such names cannot be looked up.
        raise SettingsError(found)
    for folder in plugins.chapter_folders():
        if folders[folder.name] != folder:
            own = display_path(folders[folder.name])
            found.append(f"{display_path(folder)}: chapter {folder.name}: {own} has this name; choose another name")
    for name in names or ():
        if name not in folders:
            found.append(
                f"{f'{display_path(file)}: ' if file else ''}chapters = {name}: allowed are {', '.join(folders)}"
            )
    for name, folder in folders.items():
        if names is None or name in names:
            try:
                chosen.append(load_chapter(name, folder))
            except SettingsError as error:
                found += error.problems
    if found:
        raise SettingsError(found)
    return sorted(chosen, key=lambda chapter: (chapter.order, chapter.name))


def entry_of(identity):
    """Return a claim as its chapter defines it."""
    (entry,) = (entry for chapter in load_chapters() for entry in chapter.claims if entry["id"] == identity)
    return entry


def clashes(chapters):
    """Return lines for conflicts between the chapters of a tier: names in two of them, and papers that are unlisted."""
    found, owners = [], {}
    for chapter in chapters:
        listed = references(chapter.folder)
        for paper in chapter.papers:
            if paper not in listed:
                found.append(f"{chapter.file('chapter.yaml')}: papers{unknown(paper, listed, 'paper')}")
        for section, entries in chapter.entries.items():
            for name in entries:
                other = owners.setdefault((section, name), chapter)
                if other is not chapter:
                    taken = f"{other.file('experiments.yaml')} has this name; choose another"
                    found.append(f"{chapter.file('experiments.yaml')}: {section}.{name}: {taken}")
    return found


def unknown_tables(chapters):
    """Return lines for figures that list a table which no chapter has in any tier."""
    found, known = [], {table for chapter in chapters for table in chapter.tables}
    for chapter in chapters:
        for name, entry in chapter.entries.get("figures", {}).items():
            for table in figure_settings(entry)["tables"]:
                # If the table's chapter is not in the tier, the figure is drawn without the table, or not at all.
                if table not in known and all(table not in other.tables for other in load_chapters()):
                    where = f"{chapter.file('experiments.yaml')}: figures.{name}"
                    found.append(where + unknown(table, chapter.tables, "table"))
    return found


@cache
def references(folder=None):
    """Return the keys of the repository's ``references.bib``, and of a chapter's if its folder has one.

    Raises
    ------
    algoreg.settings.files.SettingsError
        If the repository's file is missing.
    """
    files = [plugins.PACKAGE.parents[1] / "references.bib", *([folder / "references.bib"] if folder else [])]
    keys = []
    for file in files:
        if file.is_file():
            keys += bibliography(file)
        elif file is files[0]:
            raise SettingsError([f"{display_path(file)}: cannot be read, and it must list the papers"])
    return keys


def curve_columns(name):
    """Return the columns of a published curve's file."""
    (chapter,) = [chapter for chapter in load_chapters() if name in chapter.published]
    with open(chapter.folder / "published" / f"{name}.csv", encoding="utf-8") as file:
        return set(file.readline().strip().split(","))


def tiers_of(entry):
    """Return the tiers for which an entry has a size."""
    return list(entry.get("sizes", entry.get("tiers", ())))


def figure_settings(entry):
    """Return a mapping with a figure's tables and, if the figure lists them, its tiers."""
    return entry if isinstance(entry, dict) else {"tables": entry}


def _block(entry, tier):
    """Return the size of an entry in a tier; None if the entry is not in it."""
    if "sizes" not in entry:
        return {} if tier in entry["tiers"] else None
    block = entry["sizes"].get(tier)
    return entry["sizes"][block] if isinstance(block, str) else block


def sized(entry, tier):
    """Return the settings of an entry of ``experiments.yaml`` at a tier's size; None if the tier does not have it."""
    block = _block(entry, tier)
    return None if block is None else _overlaid(_split(entry)[1], block)


def compose(tier, chapters):
    """Return a tier file's settings, extended by every experiment and figure that the chapters have in this tier.

    A tier that is ``like`` another has that tier's sizes.
    """
    size = size_of(tier)
    settings = {**tier, **{section: {} for section in SECTIONS}}
    for chapter in chapters:
        for name, entry in chapter.entries.get("experiments", {}).items():
            own = sized(entry, size)
            if own is not None:
                settings["experiments"][name] = own
    tables = settings["experiments"]
    for chapter in chapters:
        for figure, entry in chapter.entries.get("figures", {}).items():
            entry = figure_settings(entry)
            # The figure's first table is required; the others are added if the tier has them.
            if entry["tables"][0] in tables and size in entry.get("tiers", [size]):
                settings["figures"][figure] = [table for table in entry["tables"] if table in tables]
    return settings


def locations(tier, file, chapters):
    """Return a function that gives, as ``file: key``, the place to edit for a path of composed settings.

    ``file`` is the tier's file.
    """
    owners = {
        (section, name): chapter
        for chapter in chapters
        for section, entries in chapter.entries.items()
        for name in entries
    }

    def where(path):
        chapter = owners.get(path[:2])
        if chapter is None:
            return in_file(file)(path)
        section, name, *rest = path
        start = in_file(chapter.file("experiments.yaml"), section)
        if section == "experiments" and name in chapter.variants:
            block, entry, variant = chapter.variants[name]
            before = _sizes_before(variant, size_of(tier), rest)
            if before or _stands_in(variant, rest):
                return start((block, "variants", name, *before, *rest))
            return start((block, *_sizes_before(entry, size_of(tier), rest), *rest))
        return start((name, *_sizes_before(chapter.entries[section][name], size_of(tier), rest), *rest))

    return where


def _sizes_before(entry, size, rest):
    """Return the keys of the size that contains a path's value; none if the value is not in a size."""
    if not (isinstance(entry, dict) and size in entry.get("sizes", ()) and rest):
        return ()
    named = entry["sizes"][size]
    return ("sizes", named if isinstance(named, str) else size) if _stands_in(_block(entry, size), rest) else ()


def _stands_in(block, rest):
    """Return whether a block has the key, or the option, that a path names."""
    for part in rest[:2] if rest[:1] == ["options"] else rest[:1]:
        if not isinstance(block, dict) or part not in block:
            return False
        block = block[part]
    return bool(rest)
