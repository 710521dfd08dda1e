"""The papers that claims cite, read from ``references.bib``: authors, year, title, venue."""

import re
from dataclasses import dataclass
from functools import cache

from algoreg import plugins
from algoreg.settings.files import bibliography

NAME = "references.bib"


@dataclass(frozen=True)
class Paper:
    """A cited paper; fields that are missing in the file are empty."""

    key: str
    authors: str = ""
    year: str = ""
    title: str = ""
    venue: str = ""
    address: str = ""

    def short(self):
        """Return authors and year, or the key if no file contains the paper."""
        return f"{self.authors} ({self.year})" if self.authors else self.key

    def full(self):
        """Return authors, year, title and venue as a sentence."""
        return ". ".join(text for text in (self.short(), self.title, self.venue) if text) + "."


def _names(authors):
    """Return "Li, Ma and Zhang" for "Li, Yuanzhi and Ma, Tengyu and Zhang, Hongyang"; of more than three, the first."""
    last = [
        name.split(",")[0].strip() if "," in name else name.split()[-1]
        for name in re.split(r"\s+and\s+", authors)
        if name
    ]
    if len(last) > 3:
        return f"{last[0]} et al."
    return " and ".join([", ".join(last[:-1]), last[-1]]) if len(last) > 1 else "".join(last)


def _fields(body):
    """Return the fields of a BibTeX entry, without braces inside values."""
    found = re.findall(r"(\w+)\s*=\s*(?:\{((?:[^{}]|\{[^{}]*\})*)\}|\"([^\"]*)\"|(\d+))", body)
    return {name.lower(): " ".join(re.sub(r"[{}]", "", "".join(values)).split()) for name, *values in found}


def files():
    """Return the repository's ``references.bib`` and those in chapters' folders, if there are any."""
    places = [plugins.PACKAGE.parents[1] / NAME, *(folder / NAME for folder in plugins.chapters().values())]
    return [place for place in places if place.is_file()]


@cache
def papers():
    """Return the papers of :func:`files`, by key."""
    found = {}
    for file in files():
        for key, entry in bibliography(file).items():
            said = _fields(entry)
            venue = said.get("booktitle") or said.get("journal") or said.get("publisher", "")
            address = said.get("url") or (f"https://arxiv.org/abs/{said['eprint']}" if "eprint" in said else "")
            names = _names(said.get("author", ""))
            found[key] = Paper(key, names, said.get("year", ""), said.get("title", ""), venue, address)
    return found


def paper(key):
    """Return the paper of this key; if no file has it, the paper consists of its key."""
    return papers().get(key, Paper(key))
