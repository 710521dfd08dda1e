"""Chapters as their files say them, and what a tier makes of them: every experiment at the tier's size.

An entry of ``experiments.yaml`` stands once. ``sizes`` has a block for each tier that it belongs to, whose keys are added to
the entry's own (those of ``options`` one by one); the name of another tier in place of a block means the same sizes. An
entry whose sizes differ nowhere lists its ``tiers``. A figure lists its tables; a tier has it where it has the table of the
figure's name, unless a mapping of ``tables`` and ``tiers`` says where else.
"""

import copy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from algoreg import sources
from algoreg.spec.files import load_yaml

SECTIONS = ("problems", "descents", "studies", "experiments", "figures")
# What an entry says of itself, beside its settings.
NOTES = ("what", "why", "tiers", "sizes")


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
        Where it stands among the others.
    published : dict
        The published curves in its folder ``published``, and what each does not say itself.
    experiments : dict
        As in the file, by section.
    claims : list of dict
    """

    name: str
    folder: Path
    title: str
    question: str
    papers: list
    order: int
    published: dict = field(default_factory=dict)
    experiments: dict = field(default_factory=dict)
    claims: list = field(default_factory=list)


@cache
def load_chapter(name, folder):
    """Read the files of a chapter.

    Raises
    ------
    algoreg.spec.files.SettingsError
        If a file is missing or not YAML.
    """
    about = load_yaml(folder / "chapter.yaml")
    experiments = load_yaml(folder / "experiments.yaml", aliases=True)
    experiments.pop("grids", None)
    return Chapter(name, folder, **about, experiments=experiments, claims=load_yaml(folder / "claims.yaml"))


def load_chapters(names=None):
    """Return the chapters of these names, or all, in their order."""
    found = sources.chapters()
    chosen = [load_chapter(name, folder) for name, folder in found.items() if names is None or name in names]
    return sorted(chosen, key=lambda chapter: (chapter.order, chapter.name))


def sized(entry, tier):
    """Return an entry as a tier has it, None where it has none.

    Parameters
    ----------
    entry : dict
        Of a section of ``experiments.yaml``.
    tier : str
    """
    settings = {key: copy.deepcopy(value) for key, value in entry.items() if key not in NOTES}
    if "sizes" not in entry:
        return settings if tier in entry["tiers"] else None
    sizes = entry["sizes"].get(tier)
    if isinstance(sizes, str):
        sizes = entry["sizes"][sizes]
    if sizes is None:
        return None
    added = copy.deepcopy(sizes)
    if "options" in settings and "options" in added:
        added["options"] = {**settings["options"], **added["options"]}
    return {**settings, **added}


def compose(tier, chapters):
    """Return a tier's settings with every problem, descent, study, experiment and figure that it has of the chapters.

    Parameters
    ----------
    tier : mapping
        The tier file's content; with ``like`` the tier has the sizes of another.
    chapters : list of Chapter
    """
    name = tier.get("like", tier["tier"])
    settings = {**tier, **{section: {} for section in SECTIONS}}
    for chapter in chapters:
        for section in SECTIONS[:-1]:
            for key, entry in chapter.experiments.get(section, {}).items():
                own = sized(entry, name)
                if own is not None:
                    settings[section][key] = own
    tables = {*settings["experiments"], *settings["studies"]}
    for chapter in chapters:
        for figure, shown in chapter.experiments.get("figures", {}).items():
            entry = shown if isinstance(shown, dict) else {"tables": shown}
            if figure in tables and name in entry.get("tiers", [name]):
                settings["figures"][figure] = [table for table in entry["tables"] if table in tables]
    return settings
