"""Convert Markdown of the documents to HTML of the report: escaped, with adapted links and tables that scroll."""

import re
from html import escape

import mistune

from algoreg.claims.judging import NOT_JUDGED
from algoreg.reporting.page.addresses import of_chapter

# The folder of the documents' chapter pages, relative to results/<tier>/report.
DOCUMENTS = "../../../docs/chapters/"
# Links that need no change: to another site, to an anchor of the page, or to a page of the report.
AS_IT_IS = re.compile(r"[A-Za-z][\w+.-]*:|#|/|\./")


class _Ledger(mistune.HTMLRenderer):
    """Renders headings below the page's headings, links relative to the page, and tables that scroll by keyboard."""

    def __init__(self):
        super().__init__(escape=True)

    def heading(self, text, level, **attributes):
        """Return a heading two levels lower, because the page itself has headings for the chapter and its ledger."""
        own = min(level + 2, 6)
        return f"<h{own}>{text}</h{own}>\n"

    def link(self, text, url, title=None):
        """Return a link; a link relative to the chapters' documents is made relative to the report."""
        return super().link(text, url if AS_IT_IS.match(url) else DOCUMENTS + url, title)


def html(text, name=""):
    """Return Markdown as escaped HTML, without markers of generated blocks.

    Parameters
    ----------
    text : str
        Text of a chapter's page.
    name : str
        The label of its tables for screen readers.
    """
    convert = mistune.create_markdown(renderer=_Ledger(), plugins=["table"])
    shown = convert(re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL))
    count = iter(range(1, 10_000))

    def scrolled(_):
        label = f"{escape(name)}: table {next(count)} of the ledger"
        return f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table>'

    return re.sub(r"<table>", scrolled, shown).replace("</table>", "</table></div>")


def differences(claims, committed):
    """Return the claims whose verdict differs from the committed standard run's, each with a Markdown text on it.

    The text links to the claim's card. Claims that one of the two runs does not judge are left out.
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
    """Return a Markdown passage that begins with the verdicts that differ in this run; an empty one stays empty."""
    return f"> Otherwise in this run: {'; '.join(differing.values())}.\n\n{text}" if text and differing else text


def begun_by_passage(text, differing):
    """Return a ledger in which each part that names a claim begins with that claim's different verdict in this run.

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
    """Return the findings and the ledger of a chapter's page, as Markdown."""
    found = re.search(r"^## What was found\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    _, _, ledger = text.partition("\n## Ledger\n")
    return found[1].strip() if found else "", ledger.strip()


def first_figure(text):
    """Return the name of the figure at the beginning of a chapter's page; None if it has none."""
    found = re.search(r"^!\[.*?\]\(\.\./figures/(\w+)\.svg\)", text, re.MULTILINE)
    return found[1] if found else None


def first_finding(found):
    """Return the first sentence in bold of the findings as text; empty if there is none."""
    bold = re.search(r"\*\*(.+?)\*\*(?!\*)", found, re.DOTALL)
    return re.sub(r"\\(.)", r"\1", " ".join(bold[1].split())) if bold else ""


def most(items, count):
    """Return the first ``count`` items of a Markdown list, without anything after the list."""
    return "".join(re.findall(r"^- .*\n?(?:^ .*\n?)*", items, re.MULTILINE)[:count])
