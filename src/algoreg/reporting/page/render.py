"""Build the pages of a tier's report: the front page, the plots of runs, and one page for each chapter."""

from collections import Counter
from pathlib import Path

import jinja2
from markupsafe import Markup

from algoreg.claims.judging import NOT_JUDGED, REFUTED
from algoreg.reporting.explorer import presets
from algoreg.reporting.fresh_seeds import of_claim
from algoreg.reporting.page import addresses
from algoreg.reporting.page.fresh import overview
from algoreg.reporting.page.ledger import (
    begun,
    begun_by_passage,
    differences,
    first_figure,
    first_finding,
    html,
    most,
    read_document,
)
from algoreg.reporting.page.plots import comparisons, dynamics, pack, picture, spectra
from algoreg.reporting.page.policy import security_policy
from algoreg.reporting.page.provenance import machine, provenance, seconds
from algoreg.reporting.page.verdicts import VERDICTS, headline, interval_axis, show, texts
from algoreg.reporting.papers import paper
from algoreg.reporting.wording import (
    STANDINGS,
    format_regime,
    format_standing,
    format_turning_point,
    slack,
    typeset_numbers,
    unsettled,
    verdicts_of,
)

# The number of findings on the front page; every other chapter has one sentence there.
MOST_FINDINGS = 5


def _amended(said, entries):
    """Return the statement of the nearest true form of a refuted claim; empty if there is none."""
    return entries[said.remedy]["statement"] if said.remedy in entries else ""


def _pictures(results, tier, titles):
    """Return the descriptions of all figures of the tier, by name."""
    return {name: picture(results / "figures" / f"{name}.svg", titles[name]) for name in tier["figures"]}


def _turned(name, outcomes):
    """Return the mark of a claim that has its committed verdict on some of the tier's seeds only; empty otherwise."""
    one = outcomes.get(name)
    return unsettled({"kept": one["same"] + 1, "seeds": one["seeds"] + 1}).removeprefix(", ") if one else ""


def _shown(claim, claims, entries, pictures, tier, results, fresh, lineage):
    """Return what the report shows about a claim: its fields, texts, axis, figure and provenance."""
    entry, verdict_text = entries.get(claim["id"], {}), texts(claim, verdicts_of(claims))
    figure = Path(claim["figure"]).name if claim["figure"] else None
    if figure is not None and figure not in pictures:
        raise ValueError(f"claim {claim['id']}: figure {figure} is missing: tier {tier['tier']} does not draw it")
    inputs = entry.get("experiments", []) if claim["verdict"] != NOT_JUDGED else []
    paths = [path for table in inputs for path in lineage[table]]
    word, sign, _ = VERDICTS[claim["verdict"]]
    outcomes = fresh.get(tier["tier"], {})
    return {
        **claim,
        "word": word,
        "sign": sign,
        "verdict_text": verdict_text,
        "criterion": typeset_numbers(claim["criterion"]),
        "control": typeset_numbers(claim["control"]),
        "quantity": typeset_numbers(claim["criterion"].rpartition(": ")[0]),
        "amended": _amended(verdict_text, entries),
        "slack": slack(claim),
        "turns": format_turning_point(claim),
        "axis": interval_axis(claim, outcomes.get(claim["id"], {}).get("each", ())),
        "picture": pictures.get(figure),
        "cited": paper(claim["paper"]),
        "whose": format_standing(claim),
        "depends": format_regime(claim["regime"]),
        "tiers": entry.get("tiers", []),
        "tables": inputs,
        "provenance_of": provenance(results, [*paths, f"claims/{claim['id']}.json"]),
        "fresh": of_claim(claim["id"], fresh),
        "turned": _turned(claim["id"], outcomes),
        "order": list(VERDICTS).index(claim["verdict"]),
    }


def _chapter(chapter, claims, missing, document, differing):
    """Return the report's section on a chapter; ``document`` is its page in the documents, empty if it has none."""
    found, ledger = read_document(document)
    own = [claim for claim in claims if claim["chapter"] == chapter.name]
    differs = {claim["id"]: differing[claim["id"]] for claim in own if claim["id"] in differing}
    lacking = [entry for entry in missing if entry["chapter"] == chapter.name]
    return {
        "name": chapter.name,
        "file": addresses.of_chapter(chapter.name),
        "title": chapter.title,
        "question": chapter.question,
        "papers": [paper(key) for key in chapter.papers],
        "claims": own,
        "missing": lacking,
        "counts": [row for row in headline(own, lacking) if row[-1]],
        "turned": sum(bool(claim["turned"]) for claim in own),
        "finding": first_finding(found),
        # Findings do not name their claims, so they begin with all verdicts that differ.
        "found": Markup(html(begun(found, differs))),
        "ledger": Markup(html(begun_by_passage(ledger, differing), chapter.title)),
    }


def chapter_figures(chapter, document, published, pictures, labels):
    """Return a chapter's figures that no claim's card shows.

    These are the figure at the beginning of its document, the figures with a published curve, which are also shown as
    plots, and the others.
    """
    compared = [one for one in published if one["chapter"] == chapter["name"]]
    lead = first_figure(document)
    shown = {
        lead,
        *(one["name"] for one in compared),
        *(c["picture"]["name"] for c in chapter["claims"] if c["picture"]),
    }
    others = [name for name in pictures if labels["chapters"][name] == chapter["name"] and name not in shown]
    return {"lead": pictures.get(lead), "published": compared, "others": [pictures[name] for name in others]}


def _outcomes(claims, shown, missing, fresh):
    """Return the front page's summary of all verdicts."""
    of_papers = [claim for claim in shown if claim["standing"] == "paper"]
    others = [claim for claim in shown if claim["standing"] != "paper"]
    return {
        "total": len(claims) + len(missing),
        "headline": headline(claims, missing),
        "of_papers": headline(of_papers, [one for one in missing if one["standing"] == "paper"]),
        "turned": Counter(claim["verdict"] for claim in of_papers if claim["turned"]),
        "counted_apart": [row for row in headline(others) if row[-1]],
        "refuted": [claim for claim in of_papers if claim["verdict"] == REFUTED],
        "refuted_others": [claim for claim in others if claim["verdict"] == REFUTED],
        "fresh": overview(fresh, {claim["id"] for claim in claims}),
    }


def _environment(templates, claims):
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(show=show, seconds=seconds)
    # The address of each claim's card.
    environment.globals["cards"] = {one["id"]: f"{addresses.of_chapter(one['chapter'])}#{one['id']}" for one in claims}
    return environment


def _parts(folder, scripts, data=None):
    """Return a page's style, scripts and policy and, if it has plots, their compressed data and library."""
    from plotly.offline import get_plotlyjs

    library = get_plotlyjs() if data else ""
    scripts = [(folder / name).read_text(encoding="utf-8") for name in scripts]
    return {
        "style": Markup((folder / "page.css").read_text(encoding="utf-8")),
        "scripts": [Markup(script) for script in scripts],
        "policy": Markup(security_policy(*scripts, *([library] if data else []), pictures=True)),
        "data": data,
        "library": pack(library) if data else "",
    }


def _runs_page(environment, folder, common, results, tier, tables, labels):
    """Return the page with the plots of runs."""
    panels, signal = spectra(results, tier["seed"], labels["spectra"]), dynamics(tables, tier, labels["keys"])
    data = {"spectra": panels, "plots": signal} if panels or signal else None
    shown = {"panels": panels, "signal": signal}
    return environment.get_template("runs.html").render(**common, **shown, **_parts(folder, ["plots.js"], data))


def _chapter_pages(environment, folder, common, chapters, figures):
    """Return each chapter's page by its file, with links to the previous and the next page."""
    template, pages = environment.get_template("chapter.html"), {}
    for number, chapter in enumerate(chapters):
        plots = [one["plot"] for one in figures[number]["published"]]
        scripts, data = (["cards.js", "plots.js"], {"spectra": [], "plots": plots}) if plots else (["cards.js"], None)
        beside = {"before": chapters[number - 1] if number else None, "after": next(iter(chapters[number + 1 :]), None)}
        shown = {"chapter": chapter, **figures[number], **beside}
        pages[chapter["file"]] = template.render(**common, **shown, **_parts(folder, scripts, data))
    return pages


def render(
    results,
    registry,
    claims,
    tier,
    tables,
    templates,
    chapters,
    documents,
    files,
    fresh,
    labels,
    committed,
    lead=None,
    findings="",
):
    """Return the pages of a tier's report as HTML, by file (:mod:`algoreg.reporting.page.addresses`).

    Parameters
    ----------
    results : pathlib.Path
        ``results/<tier>``: figures, recorded eigenvalues and sidecars are read from it.
    registry : list of mapping
        The entries of all claims; claims without a verdict are shown as missing.
    claims : list of mapping
        The content of ``claims.json``.
    tier : mapping
        The tier's settings.
    tables : mapping of str to pandas.DataFrame
        Every table of the tier.
    templates : path
        The folder with ``page.html``, the templates that extend it, style and scripts, beside the explorer's folder.
    chapters : list of algoreg.settings.chapters.Chapter
        The tier's chapters, in their order.
    documents : mapping of str to str
        The chapters' pages in the documents as Markdown, by chapter.
    files : iterable of str
        The results that the report is made from, directly or indirectly, as paths below ``results``.
    fresh : mapping
        The results of fresh seeds (:func:`algoreg.regression.replications.of_tiers`).
    labels : mapping
        The labels of the tier's plugins (:func:`algoreg.jobs.page_labels`).
    committed : list of mapping
        The claims of the committed standard run, on which the documents are based.
    lead : str, optional
        The figure at the beginning of the front page, if the tier draws it.
    findings : str, optional
        The findings as a Markdown list, the most important ones first.

    Raises
    ------
    algoreg.results.records.DamagedResult
        If a figure is missing or damaged; the message names it.
    ValueError
        If a claim names a figure that the tier does not draw.
    """
    results, folder, environment = Path(results), Path(templates), _environment(templates, claims)
    pictures = _pictures(results, tier, labels["titles"])
    entries = {entry["id"]: entry for entry in registry}
    shown = [_shown(one, claims, entries, pictures, tier, results, fresh, labels["lineage"]) for one in claims]
    missing = [entry for entry in registry if entry["id"] not in {claim["id"] for claim in claims}]
    differing, published = differences(claims, committed), comparisons(tables, tier, labels)
    texts_of = [documents.get(one.name, "") for one in chapters]
    of_chapters = [_chapter(one, shown, missing, text, differing) for one, text in zip(chapters, texts_of, strict=True)]
    figures = [
        chapter_figures(one, text, published, pictures, labels) for one, text in zip(of_chapters, texts_of, strict=True)
    ]
    common = {"tier": tier["tier"], "pictures": pictures, "runs": addresses.RUNS, "front": addresses.FRONT}
    front = {
        **common,
        **_outcomes(claims, shown, missing, fresh),
        "live": presets(folder.parent / "explorer"),
        "standings": STANDINGS,
        "found": Markup(html(begun(most(findings, MOST_FINDINGS), differing))),
        "chapters": of_chapters,
        "papers": sorted({(paper(one["paper"]).short(), one["paper"]) for one in [*claims, *missing]}),
        "lead": pictures.get(lead),
        "computed": {"machine": machine(results), "facts": provenance(results, sorted(files))},
    }
    return {
        addresses.FRONT: environment.get_template("front.html").render(**front, **_parts(folder, ["table.js"])),
        addresses.RUNS: _runs_page(environment, folder, common, results, tier, tables, labels),
        **_chapter_pages(environment, folder, common, of_chapters, figures),
    }
