"""The site: what is gathered for it, what the check of its links sees, and, where it is built, what a browser shows."""

import base64
import functools
import http.server
import importlib
import re
import runpy
import shutil
import sys
import threading
from pathlib import Path

import pytest
from conftest import ROOT

from algoreg import plugins
from algoreg.settings.chapters import load_chapters

sys.path.insert(0, str(ROOT / "tools"))
import build_site
import check_site

pytestmark = pytest.mark.any_kernels


@pytest.fixture
def repository(tmp_path):
    """Return a copy of the documents with a finished tier of two pages."""
    root = tmp_path / "repository"
    names = [
        *build_site.PAGES,
        "docs",
        "notebooks",
        "pyproject.toml",
        "profiles",
        "src/algoreg",
        "LICENSE",
        "CITATION.cff",
    ]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, root / name)
    # Read only, and too much to copy.
    (root / "reference").symlink_to(ROOT / "reference")
    for name in ("report/index.html", "notebooks/00_first_look.html", "notebooks/08_your_own_data.html"):
        (root / "results" / "quick" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "results" / "quick" / name).write_text("<p>page</p>")
    return root


@pytest.fixture(scope="module")
def long_forms():
    """Return the pages that only the site has."""
    return build_site.generated.long_forms(ROOT)


def test_everything_that_pages_link_to_or_show_is_gathered(repository, tmp_path, long_forms):
    stage = tmp_path / "stage"
    stage.mkdir()
    build_site.gather(repository, "quick", stage, long_forms)
    for path in stage.rglob("*.md"):
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
            assert (path.parent / link).exists(), f"{path.relative_to(stage)}: {link}"
    landing = (stage / "index.md").read_text(encoding="utf-8")
    assert "{{" not in landing
    assert '<a href="report/index.html">' in landing
    assert "- [Notebooks](docs/site/notebooks.md): a question each, with a picture" in landing
    assert 'href="explorer.html"' not in landing
    contents = [landing, (stage / "docs" / "claims_in_full.md").read_text(encoding="utf-8")]
    named = [
        page
        for text in contents
        for page in re.findall(r"^(?:\w+ <)?/?([\w/]+)>?$", text.split("```{toctree}", 1)[1], re.M)
    ]
    pages = {path.relative_to(stage).as_posix().removesuffix(".md") for path in stage.rglob("*.md")} - {"index"}
    assert set(named) == pages, "every page is in the contents, once"
    assert len(named) == len(pages)
    assert (stage / "_extra" / "report" / "index.html").exists()
    # Sphinx opens it from wherever it was started.
    scorer = Path(runpy.run_path(str(stage / "conf.py"))["html_search_scorer"])
    assert scorer.is_absolute()
    assert scorer.exists()


def test_what_finished_pages_link_to_is_gathered_and_documents_become_the_sites_pages(repository, tmp_path, long_forms):
    stage, results = tmp_path / "stage", repository / "results" / "quick"
    stage.mkdir()
    wanted = ("figures/a.svg", "tables/t.csv", "provenance/claims/c.json.json", "provenance/tables/t.csv.json")
    for name in (*wanted, "figures/a.png"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_text("{}")
    links = ("../figures/a.svg", "../tables/t.csv", "../provenance/", "../provenance/claims/c.json.json")
    documents = ("../../../docs/chapters/../claims.md#a", "../../../CONTRIBUTING.md", "../../../Makefile")
    text = "".join(f'<a href="{link}">x</a>' for link in (*links, *documents, "?verdict=a#claims"))
    wanted = (*wanted, "figures/shown.svg")
    (results / "figures" / "shown.svg").write_text("{}")
    text += '<img src="../figures/shown.svg">'
    for page in ("report/index.html", "notebooks/00_first_look.html", "report/theorem.html"):
        (results / page).write_text(text + ('<a href="theorem.html#a">x</a>' if page == "report/index.html" else ""))
    (results / "report" / "verdicts.html").write_text("")
    build_site.gather(repository, "quick", stage, long_forms)
    extra = stage / "_extra"
    for page in ("report/index.html", "notebooks/00_first_look.html", "report/theorem.html"):
        found = re.findall(r'href="([^"]*)"', (extra / page).read_text())
        sites = ["../docs/claims.html#a", "../CONTRIBUTING.html", "../../../Makefile"]
        beside = ["theorem.html#a"] if page == "report/index.html" else []
        assert found == [*links, *sites, "?verdict=a#claims", *beside]
    # The front does not lead to the table for Snakemake's own report.
    assert not (extra / "report" / "verdicts.html").exists()
    assert all((extra / name).exists() for name in wanted)
    assert not (extra / "figures" / "a.png").exists()
    # What is committed as a page is on the site too, where it is in the repository.
    assert 'href="chapters/theorem.html"' in (extra / "docs" / "essay.html").read_text(encoding="utf-8")
    assert (extra / "docs" / "explorer.html").exists()
    listed = re.findall(r'href="([^"]*)"', (extra / "provenance" / "index.html").read_text())
    assert listed == ["claims/c.json.json", "tables/t.csv.json"]


def test_a_chapter_shows_its_committed_figures_before_its_verdicts(repository, tmp_path, long_forms):
    stage = tmp_path / "stage"
    stage.mkdir()
    build_site.gather(repository, "quick", stage, long_forms)
    for chapter in load_chapters():
        page = stage / "docs" / "chapters" / f"{chapter.name}.md"
        text = page.read_text(encoding="utf-8") if page.exists() else ""
        shown = re.findall(r"\(\.\./figures/(\w+)\.svg\)", text.split("\n## Verdicts", 1)[0])
        there = [name for name in chapter.entries.get("figures", {}) if (ROOT / f"docs/figures/{name}.svg").exists()]
        assert set(there) <= set(shown) or not page.exists(), chapter.name
        if (stage / "docs" / "claims" / page.name).exists():
            verdicts = text.split("\n## Verdicts", 1)[1]
            assert f"[Every claim in full](../claims/{page.name})" in verdicts, chapter.name


def test_the_gallery_shows_each_executed_notebook_with_its_question_and_its_first_picture(repository, tmp_path):
    results = repository / "results" / "quick"
    image = base64.b64encode(b"picture").decode()
    shown = (
        f'<img src="x.png"><img alt="a &lt; b" class="" src="data:image/png;base64,{image}"><img alt="c" src="data:,x">'
    )
    (results / "notebooks" / "00_first_look.html").write_text(shown)
    text = build_site.gallery(repository, results, tmp_path)
    first, second = text.split("\n## ")[1:]
    assert first.startswith("A first look\n\nX\\* is a matrix of rank 2")
    assert "![a < b](00_first_look.png)" in first
    assert (tmp_path / "docs" / "site" / "00_first_look.png").read_bytes() == b"picture"
    assert '<a href="../../notebooks/00_first_look.html">' in first
    assert second.startswith("Your own data")
    assert "](../../docs/use_it_on_your_data.md)" in second
    assert "![" not in second


def test_a_figure_stands_with_what_was_run():
    svg = "<svg><title>it falls</title><metadata><dc:description>X* at d = 3</dc:description></metadata></svg>"
    title = plugins.figure_title("figure_1")
    shown = f"![{title}](../figures/figure_1.svg)\n\n*{title}.*"
    assert build_site._captioned("figure_1", svg) == rf"{shown} X\* at d = 3."
    assert build_site._captioned("figure_1", "<svg/>") == shown


def test_a_tier_that_is_not_finished_is_named(repository, tmp_path):
    (tmp_path / "stage").mkdir()
    with pytest.raises(SystemExit, match="results/smoke: no finished tier"):
        build_site.gather(repository, "smoke", tmp_path / "stage", {})


def test_broken_links_and_what_is_fetched_from_elsewhere_are_seen(tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "a.html").write_text(
        '<a href="b.html#there">x</a><a href="b.html#not">x</a><a href="gone.html">x</a><a href="https://elsewhere.org">x</a>'
        '<a href="../out.html">x</a><a href="report/#state">x</a><link rel="next" href="b.html">'
        '<script src="https://cdn.org/a.js"></script><img src="//cdn.org/a.png"><img src="data:,x">'
    )
    (tmp_path / "b.html").write_text('<p id="there"></p>')
    (tmp_path / "report" / "index.html").write_text(
        '<script>\'<a href="no.html">\'</script><a href="#later">x</a><a href="?v=a#later">x</a><a href="../a.html">x</a>'
        '<a href="../tables/no.csv">x</a><a href="../b.html#not">x</a>'
    )
    (tmp_path / "a.css").write_text("@font-face { src: url(https://fonts.org/a.woff) }")
    (tmp_path / "b.css").write_text("a { background: url( 'https://fonts.org/a.png') }")
    (tmp_path / "c.css").write_text('a { background: url("//fonts.org/a.png") }')
    (tmp_path / "d.css").write_text("a { background: url(data:image/png;base64,//8=) }")
    assert check_site.problems(tmp_path) == [
        "a.html: fetches https://cdn.org/a.js",
        "a.html: fetches //cdn.org/a.png",
        "a.html: b.html#not: the page has no such place",
        "a.html: gone.html: leads nowhere",
        "a.html: ../out.html: leads nowhere",
        "report/index.html: ../tables/no.csv: leads nowhere",
        "report/index.html: ../b.html#not: the page has no such place",
        *(f"{name}.css: fetches a style or a font" for name in "abc"),
    ]


SITE = ROOT / "site"
built = pytest.mark.skipif(not (SITE / "index.html").exists(), reason="make site builds it")


@pytest.fixture
def served():
    """Serve the built site on this machine, as the search needs it, and return its address."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.browser
@built
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
def test_pages_fit_fetch_nothing_from_elsewhere_and_say_no_error(browser, served, width, scheme):
    assert check_site.problems(SITE) == []
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    for name in (
        "index.html",
        "docs/chapters/theorem.html",
        "docs/claims.html",
        "docs/claims_in_full.html",
        "docs/claims/simulations.html",
        "docs/site/api.html",
    ):
        page.goto(served + name)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
    page.goto(f"{served}search.html?q=isometry")
    page.wait_for_selector("ul.search li")
    # Prose comes before lists of claims, tables and changes, however often these have the word.
    pages = ("docs/claims/theorem", "docs/tables", "CHANGELOG", "docs/chapters/theorem")
    scores = page.evaluate("pages => pages.map(page => Scorer.score([page, '', '', '', 50]))", pages)
    assert max(scores[:3]) < scores[3] == 50
    context.close()
    assert [url for url in asked if not url.startswith((served, "data:"))] == []
    assert said == []


@pytest.mark.browser
@built
def test_a_newcomer_comes_from_the_front_page_by_the_explorer_to_a_claim_in_three_clicks(browser, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    first_minute = importlib.import_module("first_minute")
    page = browser.new_page()
    assert len(list(first_minute.walk(page, (SITE / "index.html").as_uri()))) == 4
    claim = page.locator(f":target, [id='{page.url.partition('#')[2]}']").first
    assert "Theorem 1.1" in claim.inner_text()
    page.close()


def test_a_folder_without_pages_is_no_site(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert check_site.problems(folder) == [f"{folder}: no pages, so no site"]
