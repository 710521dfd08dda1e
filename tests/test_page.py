import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, snakemake, tier_settings
from markupsafe import escape

from algoreg import jobs, plugins
from algoreg.claims import matching, published
from algoreg.regression import replications
from algoreg.reporting.charts.comparison import agreement
from algoreg.reporting.page import addresses, ledger, plots, provenance, render, verdicts
from algoreg.results import records

pytestmark = pytest.mark.any_kernels

TEMPLATES = ROOT / "workflow" / "report" / "page"
CHAPTERS = [
    SimpleNamespace(name="first", title="The first", question="Does it hold?", papers=["li2018"]),
    SimpleNamespace(name="second", title="The second", question="And this?", papers=[]),
]
# It has the figure of these results, and a published curve for it.
SIMULATIONS = SimpleNamespace(name="simulations", title="Of the paper", question="As printed?", papers=[])
DOCUMENT = """# The first

## What was found

- **One thing.**

## Verdicts

| a |
| --- |

## Ledger

Why.

## One

<!-- begin: a -->
| a |
| --- |
| <b>1</b> |
<!-- end: a -->

[x](../scaling.md)
"""
SCRIPT = "<script>window.ran = true</script> & 'so' \"on\""


PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:dc="http://purl.org/dc/elements/1.1/" viewBox="0 0 300 200">'
    "<title>it falls 9-fold</title><metadata><dc:description>d = 3, r &lt; 2</dc:description></metadata></svg>"
)


def claim(number, verdict="supported", **changes):
    judged = verdict not in ("not-judged",)
    estimate = {"supported": 0.4, "refuted": 0.02, "inconclusive": 0.11, "invalid": 0.4}.get(verdict)
    one = {
        "id": f"claim-{number}",
        "chapter": CHAPTERS[number % 2].name,
        "paper": "li2018",
        "statement": f"Statement {number}.",
        "source": f"Theorem {number % 7}",
        "standing": "paper",
        "regime": {"r": [1, 5], "below_D": True},
        "kind": "trend",
        "rule": f"claim_claim_{number}",
        "criterion": "something: above 0.1 with the whole 95 % interval",
        "verdict": verdict,
        "estimate": estimate,
        "ci_low": estimate and estimate - 0.0151,
        "ci_high": estimate and estimate + 0.0151,
        "control_verdict": "refuted" if judged else None,
        "table": "tables/figure_1.csv" if judged else None,
        "figure": "figures/figure_1" if judged else None,
        "provenance": f"provenance/claims/claim-{number}.json.json",
        "direction": "above",
        "margin": 0.1,
        "reason": "a reason",
        "control": "a control",
        "control_estimate": -3.0 if judged else None,
        "positive_control": None,
        "positive_control_verdict": None,
        "positive_control_estimate": None,
        "remedy": None,
        "deterministic": None,
    }
    return {**one, **changes}


def many_claims():
    """Return 45 claims of every verdict, one with a script in every text, one whose estimate is undefined."""
    verdicts = ("supported", "refuted", "inconclusive", "not-judged", "supported")
    claims = [claim(number, verdicts[number % 5]) for number in range(43)]
    texts = dict.fromkeys(("statement", "source", "criterion", "reason", "control"), SCRIPT)
    claims.append(claim(43, "invalid", **texts, positive_control=SCRIPT, positive_control_verdict="inconclusive"))
    claims.append(claim(44, "inconclusive", estimate=None, ci_low=None, ci_high=None, control_estimate=None))
    return claims


def fake_results(folder, claims):
    """Write a tier's results as far as the page reads them: one figure, its table, verdicts and sidecars."""
    results = folder / "results" / "fake"
    facts = {"commit": "0123456789abcdef", "dirty": False, "seed": 7, "device": "cpu", "dtype": "float64", "threads": 1}
    for kind, text in (("svg", PICTURE), ("png", "x" * 999)):
        path = results / "figures" / f"figure_1.{kind}"
        records.write_text(path, text)
        records.seal(path, facts)
    rows = [
        {"d": 10, "alpha": a, "target": t, "ensemble": e, "train_error": a, "test_error": a, "status": "budget"}
        for a in (1.0, 0.1, 0.01)
        for t in range(2)
        for e in range(2)
    ]
    records.write_table(results / "tables" / "figure_1.csv", list(rows[0]), rows, {**facts, "seconds": 2.5})
    for one in claims:
        records.write_json(results / "claims" / f"{one['id']}.json", one, {**facts, "seconds": 1.0})
    records.write_json(results / "claims.json", claims, facts)
    return results


def fake_tier():
    experiments = {"figure_1": {"by": ["d", "alpha"], "select": [], "paper_iterations": [100]}}
    return {"tier": "fake", "experiments": experiments, "figures": {"figure_1": ["figure_1"]}}


def registry_of(claims):
    keys = ("id", "chapter", "paper", "statement", "source", "standing", "margin", "direction")
    entries = [{key: one[key] for key in keys} for one in claims]
    return [{**entry, "experiments": ["figure_1"], "tiers": ["standard"]} for entry in entries]


def rendered(
    folder,
    claims=None,
    registry=None,
    tier=None,
    fresh=MappingProxyType({}),
    committed=(),
    document=DOCUMENT,
    chapters=CHAPTERS,
):
    claims = many_claims() if claims is None else claims
    results = fake_results(folder, claims)
    tables = {"figure_1": records.read_table(results / "tables" / "figure_1.csv")}
    entries = registry_of(claims) if registry is None else registry
    documents = {"first": document}
    made = ["claims.json", "tables/figure_1.csv", *(f"claims/{one['id']}.json" for one in claims)]
    parts = (TEMPLATES, chapters, documents, made)
    settings = {"experiments": {}, "seed": 0, **(tier or fake_tier())}
    labels = jobs.page_labels(settings)
    found = document.partition("## What was found\n")[2]
    return render.render(results, entries, claims, settings, tables, *parts, fresh, labels, committed, findings=found)


def whole(folder, *given, **more):
    """Return all pages one after the other."""
    return "".join(rendered(folder, *given, **more).values())


class Reader(HTMLParser):
    """Collects what would be loaded, ids, and text outside scripts."""

    def __init__(self):
        super().__init__()
        self.loaded, self.ids, self.scripts, self.text, self._skipped = [], [], 0, [], False

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.ids += [named["id"]] if "id" in named else []
        self.scripts += tag == "script"
        self._skipped = tag in ("script", "style")
        for key in ("src", "href"):
            if tag in ("script", "img", "image", "link", "iframe") and key in named:
                self.loaded.append(named[key])

    def handle_endtag(self, tag):
        self._skipped = False

    def handle_data(self, data):
        if not self._skipped:
            self.text.append(data)


def read(html):
    reader = Reader()
    reader.feed(html)
    return reader, " ".join("".join(reader.text).split())


def test_the_report_copes_with_many_claims_of_every_kind_and_escapes_their_texts(tmp_path):
    pages = rendered(tmp_path)
    assert list(pages) == addresses.pages(chapter.name for chapter in CHAPTERS)
    for html in pages.values():
        reader, _ = read(html)
        assert reader.scripts == 1
        assert "<script>window.ran" not in html
        assert len(reader.ids) == len(set(reader.ids))
        assert {address for address in reader.loaded if not address.startswith("data:")} <= {"../figures/figure_1.svg"}
        assert "Nothing here is loaded from a network." in html
    _, text = read("".join(pages.values()))
    assert SCRIPT in read(pages["index.html"])[1]
    assert SCRIPT in read(pages["second.html"])[1]
    counts = {name: count for name, *_, count in verdicts.headline(many_claims())}
    assert counts == {"supported": 17, "refuted": 9, "inconclusive": 10, "not-judged": 8, "invalid": 1}
    for name, word, sign, _, count in verdicts.headline(many_claims()):
        assert f"{count} {sign} {word}" in text, name
    assert "make claim ID=claim-0 TIER=fake" in text
    assert "rule claim_claim_0" in text
    assert "The estimate is undefined: runs that it needs have no value" in text
    assert "0123456789ab" in text


def test_the_page_says_remedies_controls_slack_and_what_is_no_sampling(tmp_path):
    claims = [
        claim(0, "refuted", remedy="claim-1", control_estimate=-0.25),
        claim(1, estimate=3.0, ci_low=2.99999, ci_high=3.00001, deterministic="a recursion"),
        claim(2, estimate=0.1000182, ci_low=0.1000178, ci_high=0.1000216),
        claim(3, positive_control="must hold", positive_control_verdict="supported", positive_control_estimate=0.7),
        claim(4, "refuted", remedy="claim-5"),
        claim(5, "inconclusive"),
    ]
    html = whole(tmp_path, claims)
    _, text = read(html)
    assert "; true instead: claim-1" in text
    # In the table's rows of both claims, and on the card of the refuted one.
    assert html.count('<a href="second.html#claim-1"><code>claim-1</code></a>') == 3
    assert "; amended: claim-5 (inconclusive)" in text
    assert "refuted, −0.25" in text
    assert "deterministic to 10⁻⁵" in text
    assert "<dt>Why deterministic</dt><dd>a recursion</dd>" in html
    assert "at the margin (slack 0.018 %)" in text
    assert '<data value="0.1000182">0.1000182</data>' in html
    assert "supported, 0.7" in text
    assert "of jobs (" in text


def test_claims_are_folded_to_a_line_that_says_what_is_true_instead(tmp_path):
    claims = [
        claim(0, "refuted", remedy="claim-1"),
        claim(1),
        claim(2, "refuted", remedy="claim-3"),
        claim(3, "inconclusive"),
    ]
    pages = rendered(tmp_path, claims)
    html = pages["first.html"] + pages["second.html"]
    for number in range(4):
        article = re.search(rf'<article class="claim" id="claim-{number}".*?</article>', html, re.DOTALL)[0]
        # Open in the file: without scripts everything is shown.
        assert article.count("<details open>") == 1
        line = re.search(r"<summary>(.*?)</summary>", article, re.DOTALL)[1]
        assert f"Statement {number}." in line
        # A link in what opens and closes would be hard to reach.
        assert "<a " not in line
        wanted = {0: "True instead: Statement 1.", 2: "Amended, inconclusive: Statement 3."}.get(number)
        assert wanted in line if wanted else "nstead" not in line
    front = pages["index.html"]
    listed = re.search(r'<h3 id="refuted">.*?</ul>', front, re.DOTALL)[0]
    assert re.findall(r'href="first.html#(claim-\d)"', listed) == ["claim-0", "claim-2"]
    assert "True instead: Statement 1." in listed
    places = [
        front.index(f' id="{name}"') for name in ("headline", "refuted", "chapters", "live", "claims", "computed")
    ]
    assert places == sorted(places)
    assert 'id="refuted"' not in rendered(tmp_path / "none", [claim(1)])["index.html"]


def test_the_page_counts_what_papers_say_apart_from_the_rest(tmp_path):
    pages = rendered(tmp_path, [claim(0), claim(1, "refuted"), claim(2, "refuted", standing="ours", regime={"r": 3})])
    html = pages["index.html"]
    _, text = read(html)
    assert "What papers say, 2 of them" in text
    assert re.search(r"Counted apart.*: 1 ✗ refuted", text)
    listed = re.search(r'<h3 id="refuted">.*?</ul>', html, re.DOTALL)[0]
    assert re.findall(r'href="second.html#(claim-\d)"', listed) == ["claim-1"]
    assert "our own statement" in pages["first.html"]
    assert "r = 1 to 5, m &lt; d(d+1)/2" in html
    assert "r = 3" in html


def test_the_page_says_where_only_an_abstract_was_read(tmp_path):
    claims = [claim(0, source="abstract: so it is"), claim(2, standing="ours", source="abstract: not so")]
    pages = rendered(tmp_path, claims)
    assert pages["first.html"].count("its abstract was read") == 1


def test_a_passage_begins_with_the_verdicts_that_differ_in_this_run(tmp_path):
    claims = [claim(0), claim(1, "refuted"), claim(2, "inconclusive"), claim(4, "not-judged")]
    committed = [claim(0), claim(1), claim(2), claim(4)]
    document = (
        "# The first\n\n## What was found\n\n- **One thing.**\n\n## Ledger\n\nWhy.\n\n## Both\n\n`claim-0` and `claim-2` hold."
        "\n\n### Elsewhere\n\nAs `claim-1` says.\n\n## None\n\n`claim-0` and `claim-4`.\n"
    )
    html = whole(tmp_path, claims, committed=committed, document=document)
    notes = re.findall(r"<blockquote>\s*<p>(.*?)</p>\s*</blockquote>\s*<(\w+)", html, re.DOTALL)
    first, second = (
        f'<a href="./{page}.html#claim-{number}"><code>claim-{number}</code></a> is <strong>{verdict}</strong> (committed: supported)'
        for page, number, verdict in (("second", 1, "refuted"), ("first", 2, "inconclusive"))
    )
    begin = "Otherwise in this run: "
    # The front, what was found in the chapter, and the two parts of its ledger that name such a claim.
    expected = [f"{begin}{first}; {second}.", f"{begin}{second}.", f"{begin}{second}.", f"{begin}{first}."]
    assert notes == list(zip(expected, ["ul", "ul", "p", "p"], strict=True))
    for heading, note in (("Both", second), ("Elsewhere", first)):
        assert re.search(rf"<h\d>{heading}</h\d>\s*<blockquote>\s*<p>{begin}{re.escape(note)}", html)
    assert "<blockquote>" not in whole(tmp_path / "same", committed, committed=committed, document=document)
    assert "<blockquote>" not in whole(tmp_path / "none", claims, document=document)


def test_fresh_seeds_are_counted_in_the_overview_and_beside_each_claim(tmp_path):
    claims = [claim(0, estimate=-0.4, ci_low=-0.5, ci_high=-0.3), claim(1), claim(2)]
    known = ("id", "verdict", "estimate", "ci_low", "ci_high", "margin")
    runs = {str(seed): replications.run_summary(claims) for seed in range(10)}
    for seed in range(4):
        runs[str(seed)]["claim-0"]["verdict"] = "invalid" if seed else "refuted"
    runs["9"]["claim-1"]["verdict"] = "inconclusive"
    runs = {seed: {name: run[name] for name in ("claim-0", "claim-1")} for seed, run in runs.items()}
    gone = {**claim(9), "id": "gone"}
    runs["0"]["gone"] = {**runs["0"]["claim-1"], "verdict": "refuted"}
    committed = [{key: one[key] for key in known} for one in [*claims, gone]]
    fresh = {"quick": replications.outcomes(runs, committed)}
    pages = rendered(tmp_path, claims, fresh=fresh)
    overview = re.search(r'<h3 id="fresh">.*?</section>', pages["index.html"], re.DOTALL)[0]
    _, text = read(overview)
    assert "Tier quick: 1 of 2 claims keep their verdict on at least 9 of 10 fresh seeds" in text
    # The table has claims that the sentence counts as kept, too: one seed of ten may differ.
    assert re.findall(r'<a href="\w+.html#([\w-]+)">', overview) == ["claim-0", "claim-1"]
    assert "6 of 10" in overview
    assert "3 invalid, 1 refuted" in overview
    assert "its chapter's ledger says which" in text
    cards = pages["first.html"] + pages["second.html"]
    parts = [re.search(rf'id="claim-{n}".*?</article>', cards, re.DOTALL)[0] for n in range(3)]
    assert (
        "Tier quick: 6 of 10 fresh seeds as committed (supported), else 3 invalid, 1 refuted; estimates −0.4"
        in parts[0]
    )
    assert "Tier quick: 9 of 10 fresh seeds as committed (supported), else 1 inconclusive; estimates 0.4" in parts[1]
    assert "fresh seeds" not in parts[2]
    assert "fresh seeds" not in whole(tmp_path / "none", claims)
    assert "it is no larger than their 95 % intervals predict." in text
    fresh["quick"]["claim-1"]["scatter"] = 1e-9
    front = rendered(tmp_path / "wide", claims, fresh=fresh)["index.html"]
    scattered = re.search(r"<p>Tier quick.*?</p>", front, re.DOTALL)[0]
    assert 'The others: <a href="second.html#claim-1"><code>claim-1</code></a>.</p>' in scattered


def test_a_verdict_that_turned_on_a_fresh_seed_of_the_tier_is_marked_in_sign_and_words(tmp_path):
    claims = [claim(0), claim(1), claim(2)]
    runs = {str(seed): replications.run_summary(claims) for seed in range(3)}
    runs["2"]["claim-0"]["verdict"] = "inconclusive"
    outcomes = replications.outcomes(runs, claims)
    pages = rendered(tmp_path, claims, fresh={"fake": outcomes})
    words = "on 3 of 4 seeds"
    row, steady = (re.search(rf'data-claim="claim-{n}".*?</tr>', pages["index.html"], re.DOTALL)[0] for n in (0, 1))
    assert words in row
    assert "↺" in row
    assert words not in steady
    assert "↺" not in steady
    card = re.search(r'id="claim-0_name">.*?</h3>', pages["first.html"], re.DOTALL)[0]
    assert re.search(rf'<span class="hidden">[^<]*{words}</span>', card)
    tile = re.search(r'<li class="tile supported".*?</li>', pages["index.html"], re.DOTALL)[0]
    assert "↺</span> 1 of them" in tile
    # On another tier's seeds another run was judged.
    assert words not in whole(tmp_path / "other", claims, fresh={"quick": outcomes})


def test_the_table_says_what_each_estimate_is_of(tmp_path):
    claims = [claim(0, criterion="error: over α: below 0.1 with the whole 95 % interval"), claim(1, "not-judged")]
    front = rendered(tmp_path, claims)["index.html"]
    assert re.findall(r'<span class="note quantity">(.*?)</span>', front) == ["error: over α"]


def test_claims_are_filtered_by_paper_once_each(tmp_path):
    front = rendered(tmp_path, [claim(0), claim(1), claim(2, paper="unknown")])["index.html"]
    offered = re.search(r'<select id="by-paper">(.*?)</select>', front, re.DOTALL)[1]
    assert sorted(re.findall(r'<option value="(\w*)">', offered)) == ["", "li2018", "unknown"]
    assert re.findall(r'data-claim="claim-\d".*? data-paper="(\w+)"', front) == ["li2018", "unknown", "li2018"]


def test_a_chapters_page_leads_to_the_front_and_to_those_beside_it(tmp_path):
    pages = rendered(tmp_path)
    leads = {name: dict(re.findall(r'<a rel="(prev|next)" href="([\w.]+)"', html)) for name, html in pages.items()}
    assert leads["first.html"] == {"next": "second.html"}
    assert leads["second.html"] == {"prev": "first.html"}
    assert all('href="index.html"' in html for name, html in pages.items() if name != "index.html")
    assert {"first.html", "second.html", addresses.RUNS} <= set(re.findall(r'href="([\w.-]+)"', pages["index.html"]))


def test_a_chapters_figures_are_shown_whether_a_claim_names_them_or_not():
    pictures = {name: {"name": name} for name in ("a", "b", "c", "d", "elsewhere")}
    labels = {"chapters": {**dict.fromkeys("abcd", "first"), "elsewhere": "second"}}
    published = [{"name": "b", "chapter": "first"}, {"name": "elsewhere", "chapter": "second"}]
    chapter = {"name": "first", "claims": [{"picture": pictures["c"]}, {"picture": None}]}
    document = "# The first\n\n![x](../figures/a.svg)\n\n![y](../figures/d.svg)\n"
    found = render.chapter_figures(chapter, document, published, pictures, labels)
    assert found == {"lead": pictures["a"], "published": published[:1], "others": [pictures["d"]]}
    found = render.chapter_figures(chapter, "", published, pictures, labels)
    assert found == {"lead": None, "published": published[:1], "others": [pictures["a"], pictures["d"]]}
    # A tier may not draw what the document begins with.
    assert render.chapter_figures(chapter, "![x](../figures/gone.svg)", [], pictures, labels)["lead"] is None


def test_pages_of_chapters_that_are_gone_are_removed_and_nothing_else_is(tmp_path):
    report = tmp_path / "results" / "fake" / "report"
    for name in ("index.html", "first.html", "gone.html", "verdicts.html"):
        records.write_text(report / name, name)
        records.seal(report / name, {})
    records.write_text(report / "notes.html", "of the user's own")
    addresses.remove_left_over([report / "index.html", report / "first.html"])
    kept = ["first.html", "index.html", "notes.html", "verdicts.html"]
    assert sorted(path.name for path in report.iterdir()) == kept
    assert not records.sidecar_path(report / "gone.html").exists()
    assert records.sidecar_path(report / "first.html").exists()


def test_jobs_are_counted_of_what_the_page_is_made_of_whatever_else_has_finished(tmp_path):
    results = fake_results(tmp_path, [claim(0)])
    for name in ("controls.json", "notebooks/01_one.html"):
        records.write_text(results / name, "{}")
        records.seal(results / name, {"seed": 99, "seconds": 1000.0})
    _, text = read(rendered(tmp_path, [claim(0)])["index.html"].rpartition('id="computed"')[2])
    assert "3.5 s of jobs (3 results" in text
    assert "99" not in re.search(r"root seed(.*?)device", text)[1]


def test_figures_stand_with_what_they_conclude_and_what_was_run(tmp_path):
    html = rendered(tmp_path, [claim(0)])["first.html"]
    title = plugins.figure_title("figure_1")
    assert f"<figcaption>{escape(title)}. d = 3, r &lt; 2. <a" in html
    (shown,) = re.findall(r"<img [^>]*>", html)
    assert f'alt="{escape(title)}: it falls 9-fold" width="300" height="200"' in shown
    assert 'loading="lazy" src="../figures/figure_1.svg"' in shown


def test_the_report_works_without_scripts_and_handles_no_event_in_its_markup(tmp_path):
    pages = rendered(tmp_path)
    for html in pages.values():
        markup = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
        # A quote in a text is escaped: what follows a blank there is no attribute.
        assert not re.search(r"<[a-z][^<>]*\son[a-z]+\s*=", re.sub(r'"[^"]*"', '""', markup))
    # What only scripts make work is hidden until they run.
    assert re.search(r'<form class="filters"[^>]* hidden>', pages["index.html"])
    assert re.search(r'<button type="button" id="unfold_all"[^>]* hidden>', pages["first.html"])
    tiles = re.findall(
        r'<li class="tile [\w-]+" data-verdict="([\w-]+)">(?:<a href="\?verdict=([\w-]+)&amp;standing=paper#claims">)?',
        pages["index.html"],
    )
    counts = {name: count for name, *_, count in verdicts.headline(many_claims())}
    assert [one for one, _ in tiles] == list(counts)
    assert all(link == (name if counts[name] else "") for name, link in tiles)


@pytest.mark.parametrize("page", ["index.html", "first.html", "simulations.html"])
def test_the_policy_allows_a_pages_own_scripts_by_hash_and_no_other(tmp_path, page):
    html = rendered(tmp_path, chapters=[*CHAPTERS, SIMULATIONS])[page]
    policy = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', html)
    assert policy.start() < html.index("<title>")
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    scripts = [script.encode() for script in re.findall(r"<script>(.*?)</script>", html, re.DOTALL)]
    packed = re.findall(r'<script type="text/plain" id="plot_library">([^<]*)</script>', html)
    # Only pages with plots carry what draws them.
    assert len(packed) == (page == "simulations.html")
    scripts += [gzip.decompress(base64.b64decode(library)) for library in packed]
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'" for script in scripts]
    assert rules.pop("script-src").split() == hashes
    assert rules == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "'self' data:",
        "font-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_missing_and_unjudged_claims_are_said(tmp_path):
    claims = [claim(0, "not-judged"), claim(1)]
    registry = registry_of([*claims, claim(2)])
    _, text = read(whole(tmp_path, claims, registry))
    assert "3 claims" in text
    assert "the registry has it, the results do not" in text
    assert "This tier lacks the runs or is too small; judged by standard." in text
    _, text = read(rendered(tmp_path / "none", [], registry)["index.html"])
    assert "0 ✓ supported" in text


def test_a_missing_or_damaged_figure_fails_with_its_name(tmp_path):
    with pytest.raises(ValueError, match="claim claim-3: figure figure_9 is missing"):
        rendered(tmp_path / "a", [claim(3, figure="figures/figure_9")])
    results = fake_results(tmp_path / "b", [claim(0)])
    figure = results / "figures" / "figure_1.svg"
    assert plots.picture(figure, "")["titles"] == "it falls 9-fold"
    figure.write_text("other")
    with pytest.raises(records.DamagedResult, match=r"figure_1\.svg: its content does not match"):
        plots.picture(figure, "")
    figure.unlink()
    with pytest.raises(records.DamagedResult, match=r"figure figure_1: .*figure_1.svg is missing"):
        plots.picture(figure, "")


def test_the_axis_shows_interval_margin_and_controls():
    axis = verdicts.interval_axis(claim(0))
    assert axis["margin"] < axis["low"] < axis["estimate"] < axis["high"] < 100
    assert axis["zone"] == (axis["margin"], 100 - axis["margin"])
    assert axis["controls"][0]["off"] == -1
    assert "control −3, refuted (beyond the axis)" in axis["words"]
    assert all(0 <= at <= 100 for at, _ in axis["ticks"])
    assert len(axis["ticks"]) >= 2
    near = verdicts.interval_axis(claim(0, control_estimate=0.05))
    assert near["controls"][0]["off"] == 0
    log = verdicts.interval_axis(claim(0, direction="below", margin=1.25, estimate=18.5, ci_low=1.01, ci_high=340.0))
    assert log["log"]
    assert log["zone"][0] == 0
    assert verdicts.interval_axis(claim(0, "not-judged")) is None
    point = verdicts.interval_axis(claim(0, estimate=0.1, ci_low=0.1, ci_high=0.1, control_estimate=None))
    assert point["low"] == point["high"] == point["margin"]


def test_the_axis_shows_fresh_seeds_where_their_estimates_lie():
    plain = verdicts.interval_axis(claim(0))
    one = claim(0)
    axis = verdicts.interval_axis(one, [one["ci_low"], one["estimate"], 1e9])
    # What is far away is in words alone.
    assert axis["fresh"] == [axis["low"], axis["estimate"]]
    assert "3 fresh seeds: " in axis["words"]
    assert plain["fresh"] == []
    assert {key: axis[key] for key in ("low", "high", "margin")} == {
        key: plain[key] for key in ("low", "high", "margin")
    }
    # On a logarithmic axis 0 has no place.
    log = claim(0, direction="below", margin=1.25, estimate=18.5, ci_low=1.01, ci_high=340.0)
    assert len(verdicts.interval_axis(log, [0.0, 20.0])["fresh"]) == 1


@pytest.mark.parametrize(
    ("low", "high", "margin"),
    [
        (1e-10, 1e11, 1.0), (1e-90, 1e90, 1.0), (0.5, 0.51, 1.0), (0.9999994, 0.9999996, 1.0), (1e6, 1e6 + 1e-3, 1e6),
        (-0.2, 0.9, 0.5), (1.2, 2.9, 2.0), (0.31, 0.8, 0.4), (3.0, 3.0, 3.0), (0.0, 0.0, 0.0), (1.0, 25.0, 8.0),
    ],
)  # fmt: skip
def test_an_axis_can_be_read(low, high, margin):
    ticks = verdicts.interval_axis(claim(0, estimate=(low + high) / 2, ci_low=low, ci_high=high, margin=margin))[
        "ticks"
    ]
    places, words = zip(*ticks, strict=True)
    assert 2 <= len(ticks) <= 7
    assert len(set(words)) == len(words)
    assert min(np.diff(places)) > 9
    assert all(0 <= place <= 100 for place in places)


def test_where_a_table_comes_from():
    tier = tier_settings("standard")
    paths = jobs.lineage(tier, "figure_3_published")
    assert paths[-2:] == ["tables/figure_3.csv", "tables/figure_3_published.csv"]
    first = tier["experiments"]["figure_3"]["select"][0]
    made = [f"data/{first}/ensemble-{number}.npz" for number in range(3)]
    assert paths[:6] == [*made, *(f"experiments/{first}/part-{number}.csv" for number in range(3))]
    smoke = tier_settings("smoke")
    assert jobs.lineage(smoke, "lemma_printed") == [
        "experiments/lemma_printed/part-0.csv",
        "experiments/lemma_printed/part-1.csv",
        "tables/lemma_printed.csv",
    ]


def test_provenance_names_every_value_and_what_has_no_sidecar(tmp_path):
    results = fake_results(tmp_path, [claim(0), claim(1)])
    other = {"commit": "fedcba9876543210", "dirty": True, "device": "cuda", "seconds": 4.0}
    records.write_json(results / "claims" / "claim-1.json", {}, other)
    found = provenance.provenance(results, ["claims/claim-0.json", "claims/claim-1.json", "tables/nothing.csv"])
    facts = dict(found["facts"])
    assert facts["commit"] == "0123456789ab, fedcba987654, with uncommitted changes"
    assert facts["device"] == "cpu, cuda"
    assert "numpy" in facts["versions"]
    assert (found["seconds"], found["jobs"], found["unknown"]) == (5.0, 2, ["tables/nothing.csv"])


@pytest.mark.workflow
def test_eigenvalues_are_those_recorded(smoke):
    results = smoke / "results" / "smoke"
    tier = tier_settings("smoke")
    (panel,) = plots.spectra(results, tier["seed"], jobs.spectra(tier))
    assert [run["alpha"] for run in panel["runs"]] == [1.0, 0.1, 0.01]
    recorded = records.read_rows(results / "experiments" / "gaussian" / "part-0.csv")
    last = panel["runs"][0]
    named = {"run": "0", "target": "0", "iteration": str(last["iteration"][-1])}
    (row,) = [row for row in recorded if named.items() <= row.items()]
    values = np.array(row["eigenvalues"].split(), dtype=float)
    np.testing.assert_allclose(last["eigenvalues"][-1], np.maximum(values, 1e-12), rtol=1e-3)
    assert len(panel["planted"]) == tier["experiments"]["gaussian"]["options"]["rank"]


def test_signal_and_error_are_drawn_where_a_experiment_has_them(monkeypatch):
    rows = [
        {
            "d": 10,
            "alpha": a,
            "iteration": t,
            "target": 0,
            "ensemble": e,
            "signal": a * t,
            "error_norm": a,
            "status": "budget",
        }
        for a in (0.1, 0.01)
        for t in (1, 2, 4)
        for e in range(2)
    ]
    tier = {"experiments": {"dynamics": {"experiment": "dynamics"}, "x_space": {"experiment": "x_space"}}}
    keys = ("d", "alpha", "iteration", "target", "ensemble")
    tables = {"dynamics": pd.DataFrame(rows), "x_space": pd.DataFrame({"m": [1]})}
    (plot,) = plots.dynamics(tables, tier, {"dynamics": keys})
    names = ["signal, α = 0.01", "error, α = 0.01", "signal, α = 0.1", "error, α = 0.1"]
    assert [curve["name"] for curve in plot["curves"]] == names
    assert plot["curves"][2]["y"] == [0.1, 0.2, 0.4]
    assert plot["title"] == "Signal and error along the run: d = 10"
    assert plots.dynamics({}, {"experiments": {}}, {}) == []


def test_ours_beside_the_published_points():
    tier = tier_settings("standard")
    from algoreg.claims.matching import compare
    from algoreg.claims.published import load_published

    grid = load_published("figure_1")["alpha"].unique()
    rows = [
        {
            "d": 100,
            "alpha": a,
            "iteration": 10_000,
            "target": t,
            "ensemble": e,
            "train_error": a,
            "test_error": a * (1 + t),
            "status": "budget",
        }
        for a in grid
        for t in range(2)
        for e in range(2)
    ]
    tables = {"figure_1": pd.DataFrame(rows)}
    curve = load_published("figure_1")
    tables["figure_1_published"] = pd.DataFrame(compare(tables["figure_1"], curve[curve["d"] == 100]))
    tier = {**tier, "figures": {"figure_1": ["figure_1"]}}
    (found,) = plots.comparisons(tables, tier, jobs.page_labels(tier))
    assert found["compared"]
    assert [(row["error"], row["points"]) for row in found["rows"]] == [("test error", 7), ("training error", 7)]
    names = [curve["name"] for curve in found["plot"]["curves"]]
    assert names[:2] == ["test error, d = 100, ours", "test error, d = 100, published"]
    assert json.dumps(found, allow_nan=False)


def test_the_ledger_is_escaped_and_its_markers_are_left_out():
    found, text = ledger.read_document(DOCUMENT)
    assert found == "- **One thing.**"
    html = ledger.html(text, "The first")
    assert "<!--" not in html
    assert "<b>" not in html
    assert "<h4>One</h4>" in html
    assert "Verdicts" not in html
    assert 'href="../../../docs/chapters/../scaling.md"' in html
    assert html.count('class="scroll"') == 1
    assert ledger.read_document("") == ("", "")


def test_where_every_run_diverged_the_comparison_has_dashes():
    points = [(alpha, target, ensemble) for alpha in (1.0, 0.1) for target in range(2) for ensemble in range(2)]
    runs = pd.DataFrame(points, columns=["alpha", "target", "ensemble"])
    runs = runs.assign(d=100, train_error=np.nan, test_error=np.nan, status="diverged")
    rows = pd.DataFrame(matching.compare(runs, published.load_published("figure_1")))
    experiments = {"figure_1": {"by": ["d", "alpha"]}, "compared": {"compare": "figure_1"}}
    tier = {"experiments": experiments, "figures": {"figure_1": ["figure_1"]}}
    labels = {"titles": {"figure_1": "Runs"}, "chapters": {"figure_1": "simulations"}}
    (found,) = plots.comparisons({"figure_1": runs, "compared": rows}, tier, labels)
    assert [(row["inside"], row["factor"]) for row in found["rows"]] == [(0, "–")] * 2
    assert found["rows"][0]["first"].startswith("– / ")
    assert agreement(rows) == ""


def test_a_title_and_headings_of_any_kind_leave_a_ledger_whole():
    html = ledger.html("| a |\n| --- |\n| 1 |\n\n##### Deep\n\n[x](HTTPS://a.org)", 'Is "X" < Y & Z?')
    assert 'aria-label="Is &quot;X&quot; &lt; Y &amp; Z?: table 1 of the ledger"' in html
    assert "<h6>Deep</h6>" in html
    assert 'href="HTTPS://a.org"' in html


def test_one_is_no_plural_and_an_undefined_estimate_is_not_put_down_to_divergence_alone(tmp_path):
    undefined = {"estimate": None, "ci_low": None, "ci_high": None, "control_estimate": None}
    _, text = read(whole(tmp_path / "one", [claim(0, "not-judged")]))
    assert "1 claim in 2 chapters, tier fake" in text
    assert "(1 result; each job's" in text
    for verdict in ("inconclusive", "invalid"):
        _, text = read(whole(tmp_path / verdict, [claim(0, verdict, **undefined)]))
        assert "The estimate is undefined: runs that it needs have no value, as where they diverged or lie off" in text


def test_each_chapter_has_its_question_its_counts_and_its_ledger(tmp_path):
    pages = rendered(tmp_path)
    for chapter in CHAPTERS:
        html = pages[f"{chapter.name}.html"]
        assert f"<h1>{chapter.title}</h1>" in html
        assert chapter.question in html
        assert chapter.question in pages["index.html"]
    first = pages["first.html"]
    assert "<strong>One thing.</strong>" in first
    assert re.findall(r'<article class="claim" id="claim-(\d+)"', first) == [str(n) for n in range(0, 45, 2)]
    assert 'id="the_ledger"' in first
    assert 'id="the_ledger"' not in pages["second.html"]


def test_the_papers_figures_are_those_that_chapters_compare():
    assert plots.published_figures()["figure_5a"] == "figure_5a_sgd"
    assert "figure_2_scan" not in plots.published_figures()


@pytest.mark.workflow
def test_the_rule_names_a_damaged_figure(repository):
    results = repository / "results" / "smoke"
    pages = [path for path in (results / "report").glob("*.html") if path.name != "verdicts.html"]
    assert {"index.html", "see-it-happen.html", "theorem.html"} <= {path.name for path in pages}
    for page in pages:
        records.check(page)
    (results / "report" / "index.html").unlink()
    with open(results / "figures" / "figure_2.svg", "a") as picture:
        picture.write("x")
    done = snakemake(repository, "results/smoke/report/index.html")
    assert done.returncode != 0
    assert "figures/figure_2.svg: its content does not match" in done.stdout + done.stderr
