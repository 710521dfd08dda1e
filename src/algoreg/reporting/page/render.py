"""The pages of a tier's report from their parts: a front, the plots of runs, and one page for each chapter."""

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
from algoreg.reporting.wording import STANDINGS, format_regime, format_turning_point, slack, verdicts_of

# Findings on the front; the others are a sentence each, with their chapter.
MOST_FINDINGS = 5


def _amended(said, entries):
    """Return the statement of the claim that is the nearest true form of a refuted one, empty where there is none."""
    return entries[said.remedy]["statement"] if said.remedy in entries else ""


def _pictures(results, tier, titles):
    """Return every figure of the tier by its name."""
    return {name: picture(results / "figures" / f"{name}.svg", titles[name]) for name in tier["figures"]}


def _turned(name, outcomes):
    """Return on how many fresh seeds of the tier a claim came out otherwise, in words; empty where on none."""
    one = outcomes.get(name)
    return (
        f"another verdict on {one['seeds'] - one['same']} of {one['seeds']} fresh seeds"
        if one and one["others"]
        else ""
    )


def _shown(claim, claims, entries, pictures, tier, results, fresh, lineage):
    """Return what the report shows of a claim: its fields, texts, axis, figure and provenance."""
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
        "quantity": claim["criterion"].rpartition(": ")[0],
        "amended": _amended(verdict_text, entries),
        "slack": slack(claim),
        "turns": format_turning_point(claim),
        "axis": interval_axis(claim, outcomes.get(claim["id"], {}).get("each", ())),
        "picture": pictures.get(figure),
        "cited": paper(claim["paper"]),
        "whose": STANDINGS[claim["standing"]],
        "depends": format_regime(claim["regime"]),
        "tiers": entry.get("tiers", []),
        "tables": inputs,
        "provenance_of": provenance(results, [*paths, f"claims/{claim['id']}.json"]),
        "fresh": of_claim(claim["id"], fresh),
        "turned": _turned(claim["id"], outcomes),
        "order": list(VERDICTS).index(claim["verdict"]),
    }


def _chapter(chapter, claims, missing, document, differing):
    """Return the report's section on a chapter; ``document`` is its page in the documents, empty where it has none."""
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
        # Findings do not name their claims: they begin with all that differ.
        "found": Markup(html(begun(found, differs))),
        "ledger": Markup(html(begun_by_passage(ledger, differing), chapter.title)),
    }


def chapter_figures(chapter, document, published, pictures, labels):
    """Return a chapter's figures that no claim's card shows: the one that its document begins with, those with a
    published curve, as plots too, and the others.
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
    # Where the card of each claim is.
    environment.globals["cards"] = {one["id"]: f"{addresses.of_chapter(one['chapter'])}#{one['id']}" for one in claims}
    return environment


def _parts(folder, scripts, data=None):
    """Return a page's style, scripts and policy, and where it has plots, their data and library, packed."""
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
    """Return the page of the plots of runs."""
    panels, signal = spectra(results, tier["seed"], labels["spectra"]), dynamics(tables, tier, labels["keys"])
    data = {"spectra": panels, "plots": signal} if panels or signal else None
    shown = {"panels": panels, "signal": signal}
    return environment.get_template("runs.html").render(**common, **shown, **_parts(folder, ["plots.js"], data))


def _chapter_pages(environment, folder, common, chapters, figures):
    """Return the page of each chapter by its file, with links to those before and after it."""
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
        The entries of all claims; those without a verdict are shown as missing.
    claims : list of mapping
        The content of ``claims.json``.
    tier : mapping
        Its settings.
    tables : mapping of str to pandas.DataFrame
        Every table of the tier.
    templates : path
        The folder with ``page.html`` and what builds on it, style and scripts; beside it the explorer's.
    chapters : list of algoreg.settings.chapters.Chapter
        Those of the tier, in their order.
    documents : mapping of str to str
        The chapters' pages of the documents by chapter, Markdown.
    files : iterable of str
        The results that the report is made of, and what these are made of, as paths below ``results``.
    fresh : mapping
        What fresh seeds gave (:func:`algoreg.regression.replications.of_tiers`).
    labels : mapping
        The labels of the tier's plugins (:func:`algoreg.jobs.page_labels`).
    committed : list of mapping
        The claims of the committed standard run, whose documents these are.
    lead : str, optional
        The figure that the front begins with, where the tier draws it.
    findings : str, optional
        What was found, a Markdown list, the first things first.

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
