"""Markdown of the documents as HTML of the report: escaped, links from where its pages lie, tables that scroll."""

import re
from html import escape

import mistune

from algoreg.claims.judging import NOT_JUDGED
from algoreg.reporting.page.addresses import of_chapter

# Where the chapters' pages of the documents lie, seen from results/<tier>/report.
DOCUMENTS = "../../../docs/chapters/"
# A link that needs no change: to another site, to an anchor of the page, to a page of the report.
AS_IT_IS = re.compile(r"[A-Za-z][\w+.-]*:|#|/|\./")


class _Ledger(mistune.HTMLRenderer):
    """Headings below the page's own, links from where the page lies, tables that can be scrolled by keyboard."""

    def __init__(self):
        super().__init__(escape=True)

    def heading(self, text, level, **attributes):
        """Return a heading two levels further down: the chapter and its ledger have headings of the page's own."""
        own = min(level + 2, 6)
        return f"<h{own}>{text}</h{own}>\n"

    def link(self, text, url, title=None):
        """Return a link; one that is relative to the chapters' documents is made relative to the report."""
        return super().link(text, url if AS_IT_IS.match(url) else DOCUMENTS + url, title)


def html(text, name=""):
    """Return Markdown as HTML, escaped; markers of generated blocks are left out.

    Parameters
    ----------
    text : str
        Of a chapter's page.
    name : str
        What its tables belong to, for those who hear them.
    """
    convert = mistune.create_markdown(renderer=_Ledger(), plugins=["table"])
    shown = convert(re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL))
    count = iter(range(1, 10_000))

    def scrolled(_):
        label = f"{escape(name)}: table {next(count)} of the ledger"
        return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table>'

    return re.sub(r"<table>", scrolled, shown).replace("</table>", "</table></div>")


def differences(claims, committed):
    """Return how verdicts of a run differ from the committed standard run's, by claim, in words, Markdown that links
    to the claim's card.

    Claims that either of them does not judge are left out.
    """
    known = {claim["id"]: claim["verdict"] for claim in committed}
    return {
        claim["id"]: f"[`{claim['id']}`](./{of_chapter(claim['chapter'])}#{claim['id']}) is **{claim['verdict']}** "
        f"(committed: {known[claim['id']]})"
        for claim in claims
        if NOT_JUDGED not in (claim["verdict"], known.get(claim["id"], NOT_JUDGED))
        and claim["verdict"] != known[claim["id"]]
    }


def begun(text, differing):
    """Return a passage, Markdown, that begins with what differs in this run; an empty one stays empty."""
    return f"> Otherwise in this run: {'; '.join(differing.values())}.\n\n{text}" if text and differing else text


def begun_by_passage(text, differing):
    """Return a ledger in which each part that names a claim begins with what differs of it in this run.

    Parameters
    ----------
    text : str
        Markdown; its parts begin with headings.
    differing : mapping
        See :func:`differences`.
    """
    parts = re.split(r"(?m)^(#{2,} .*\n)", text)
    for number in range(0, len(parts), 2):
        heading = parts[number - 1] if number else ""
        named = {name: said for name, said in differing.items() if f"`{name}`" in heading + parts[number]}
        parts[number] = ("\n" if number else "") + begun(parts[number].strip("\n"), named) + "\n\n"
    return "".join(parts).strip()


def read_document(text):
    """Return what was found, and the ledger, of a chapter's page, as Markdown."""
    found = re.search(r"^## What was found\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    _, _, ledger = text.partition("\n## Ledger\n")
    return found[1].strip() if found else "", ledger.strip()


def first_figure(text):
    """Return the name of the figure that a chapter's page begins with, None where it has none."""
    found = re.search(r"^!\[.*?\]\(\.\./figures/(\w+)\.svg\)", text, re.MULTILINE)
    return found[1] if found else None


def first_finding(found):
    """Return the first sentence in bold of what was found as text, empty where there is none."""
    bold = re.search(r"\*\*(.+?)\*\*(?!\*)", found, re.DOTALL)
    return re.sub(r"\\(.)", r"\1", " ".join(bold[1].split())) if bold else ""


def most(items, count):
    """Return the first ``count`` items of a Markdown list, and nothing after it."""
    return "".join(re.findall(r"^- .*\n?(?:^ .*\n?)*", items, re.MULTILINE)[:count])
