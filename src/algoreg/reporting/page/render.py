"""The page from its parts."""

from pathlib import Path

import jinja2
from markupsafe import Markup

from algoreg.claims.judging import NOT_JUDGED, REFUTED
from algoreg.reporting.explorer import presets
from algoreg.reporting.fresh_seeds import of_claim
from algoreg.reporting.page.fresh import overview
from algoreg.reporting.page.ledger import begun, begun_by_passage, differences, html, read_document
from algoreg.reporting.page.plots import comparisons, dynamics, pack, picture, spectra
from algoreg.reporting.page.policy import security_policy
from algoreg.reporting.page.provenance import machine, provenance, seconds
from algoreg.reporting.page.verdicts import VERDICTS, headline, interval_axis, show, texts
from algoreg.reporting.papers import paper
from algoreg.reporting.wording import STANDINGS, format_regime, format_turning_point, slack, verdicts_of


def _amended(said, entries):
    """Return the statement of the claim that is the nearest true form of a refuted one, empty where there is none."""
    return entries[said.remedy]["statement"] if said.remedy in entries else ""


def _pictures(results, tier, titles):
    """Return every figure of the tier by its name."""
    return {name: picture(results / "figures" / f"{name}.svg", titles[name]) for name in tier["figures"]}


def _shown(claim, claims, entries, pictures, tier, results, fresh, lineage):
    """Return what the page shows of a claim: its fields, texts, axis, figure and provenance."""
    entry, verdict_text = entries.get(claim["id"], {}), texts(claim, verdicts_of(claims))
    figure = Path(claim["figure"]).name if claim["figure"] else None
    if figure is not None and figure not in pictures:
        raise ValueError(f"claim {claim['id']}: figure {figure} is missing: tier {tier['tier']} does not draw it")
    inputs = entry.get("experiments", []) if claim["verdict"] != NOT_JUDGED else []
    paths = [path for table in inputs for path in lineage[table]]
    word, sign, _ = VERDICTS[claim["verdict"]]
    return {
        **claim,
        "word": word,
        "sign": sign,
        "verdict_text": verdict_text,
        "amended": _amended(verdict_text, entries),
        "slack": slack(claim),
        "turns": format_turning_point(claim),
        "axis": interval_axis(claim, fresh.get(tier["tier"], {}).get(claim["id"], {}).get("each", ())),
        "picture": pictures.get(figure),
        "cited": paper(claim["paper"]),
        "whose": STANDINGS[claim["standing"]],
        "depends": format_regime(claim["regime"]),
        "tiers": entry.get("tiers", []),
        "tables": inputs,
        "provenance_of": provenance(results, [*paths, f"claims/{claim['id']}.json"]),
        "fresh": of_claim(claim["id"], fresh),
        "order": list(VERDICTS).index(claim["verdict"]),
    }


def _chapter(chapter, claims, missing, published, document, differing):
    """Return what the page shows of a chapter; ``document`` is its page in the documents, empty where it has none."""
    found, ledger = read_document(document)
    own = [claim for claim in claims if claim["chapter"] == chapter.name]
    differs = {claim["id"]: differing[claim["id"]] for claim in own if claim["id"] in differing}
    lacking = [entry for entry in missing if entry["chapter"] == chapter.name]
    return {
        "name": chapter.name,
        "title": chapter.title,
        "question": chapter.question,
        "papers": [paper(key) for key in chapter.papers],
        "claims": own,
        "missing": lacking,
        "counts": [row for row in headline(own, lacking) if row[-1]],
        "published": [one for one in published if one["chapter"] == chapter.name],
        # Findings do not name their claims: they begin with all that differ.
        "found": Markup(html(begun(found, differs))),
        "ledger": Markup(html(begun_by_passage(ledger, differing), chapter.title)),
    }


def _environment(templates):
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(show=show, seconds=seconds)
    return environment


def _code(folder):
    """Return the page's style and scripts, and the policy that names them."""
    from plotly.offline import get_plotlyjs

    script, plotly = (folder / "page.js").read_text(encoding="utf-8"), get_plotlyjs()
    return {
        "style": Markup((folder / "page.css").read_text(encoding="utf-8")),
        "script": Markup(script),
        "library": pack(plotly),
        "policy": Markup(security_policy(script, plotly)),
    }


def render(
    results, registry, claims, tier, tables, templates, chapters, documents, files, fresh, labels, committed, lead=None
):
    """Return the page as HTML.

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
        The folder with ``page.html`` and its parts, ``page.css`` and ``page.js``; beside it the explorer's.
    chapters : list of algoreg.settings.chapters.Chapter
        Those of the tier, in their order.
    documents : mapping of str to str
        The chapters' pages of the documents by chapter, and their overview (``README``), Markdown.
    files : iterable of str
        The results that the page is made of, and what these are made of, as paths below ``results``.
    fresh : mapping
        What fresh seeds gave (:func:`algoreg.regression.replications.of_tiers`).
    labels : mapping
        What the plugins of the tier say (:func:`algoreg.jobs.page_labels`).
    committed : list of mapping
        The claims of the committed standard run, whose documents these are.
    lead : str, optional
        The figure that the page begins with, where the tier draws it.

    Raises
    ------
    algoreg.results.records.DamagedResult
        If a figure is missing or damaged; the message names it.
    ValueError
        If a claim names a figure that the tier does not draw.
    """
    results, folder = Path(results), Path(templates)
    pictures = _pictures(results, tier, labels["titles"])
    entries = {entry["id"]: entry for entry in registry}
    shown = [_shown(one, claims, entries, pictures, tier, results, fresh, labels["lineage"]) for one in claims]
    missing = [entry for entry in registry if entry["id"] not in {claim["id"] for claim in claims}]
    names, differing = {chapter.name for chapter in chapters}, differences(claims, committed)
    published = [one for one in comparisons(tables, tier, labels) if one["chapter"] in names]
    panels, signal = spectra(results, tier["seed"], labels["spectra"]), dynamics(tables, tier, labels["keys"])
    return (
        _environment(folder)
        .get_template("page.html")
        .render(
            tier=tier["tier"],
            live=presets(folder.parent / "explorer"),
            headline=headline(claims, missing),
            standings=STANDINGS,
            of_papers=headline(
                [one for one in claims if one["standing"] == "paper"],
                [one for one in missing if one["standing"] == "paper"],
            ),
            others=[row for row in headline([one for one in claims if one["standing"] != "paper"]) if row[-1]],
            fresh=overview(fresh, {claim["id"] for claim in claims}),
            found=Markup(html(begun(read_document(documents.get("README", ""))[0], differing))),
            chapters=[
                _chapter(one, shown, missing, published, documents.get(one.name, ""), differing) for one in chapters
            ],
            refuted=[claim for claim in shown if claim["verdict"] == REFUTED and claim["standing"] == "paper"],
            refuted_others=[claim for claim in shown if claim["verdict"] == REFUTED and claim["standing"] != "paper"],
            total=len(claims) + len(missing),
            sources=list(dict.fromkeys(entry["source"] for entry in [*claims, *missing])),
            pictures=pictures,
            lead=pictures.get(lead),
            panels=panels,
            signal=signal,
            data={"spectra": panels, "plots": [*signal, *(one["plot"] for one in published)]},
            computed={"machine": machine(results), "facts": provenance(results, sorted(files))},
            **_code(folder),
        )
    )
