"""The report in a real browser: Debian's Chromium, driven headless; run by ``make test-browser``."""

import json
import os
import re
import time

import pytest
from conftest import ROOT, browser_module
from test_page import CHAPTERS, SCRIPT, many_claims, rendered
from test_page import claim as claim_of

from algoreg.reporting import notebooks
from algoreg.reporting.charts.style import plt
from algoreg.reporting.page import addresses
from algoreg.reporting.page.verdicts import texts
from algoreg.reporting.wording import format_beside_margin, typeset_numbers

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
# One page of each kind: the front, a chapter's with plots, the plots of runs.
KINDS = ("index.html", "simulations.html", addresses.RUNS)


@pytest.fixture(scope="session")
def results():
    """Return the results of a finished tier: quick, or ``ALGOREG_TIER``."""
    tier = os.environ.get("ALGOREG_TIER", "quick")
    folder = ROOT / "results" / tier
    if not (folder / "report" / "index.html").exists():
        pytest.fail(f"{folder}/report/index.html is not there: run make {tier} first")
    return folder


def written(folder, *given, **more):
    """Write the pages of a report of fake results below a folder, and return the report's folder."""
    report = folder / "results" / "fake" / "report"
    pages = rendered(folder, *given, **more)
    report.mkdir()
    for name, html in pages.items():
        (report / name).write_text(html, encoding="utf-8")
    return report


@pytest.fixture(scope="session")
def fake(tmp_path_factory):
    """Return a report of 45 claims of every verdict, one of them with scripts in its texts."""
    return written(tmp_path_factory.mktemp("fake"))


def wait_until(page, expression):
    """Wait until an expression is true; the driver's own way to wait evaluates texts,
    which the page's policy forbids.
    """
    deadline = time.monotonic() + 30
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(50)


def drawn(page, name):
    """Scroll to a plot and wait until it is drawn."""
    page.locator(f"#{name}").scroll_into_view_if_needed()
    page.wait_for_selector(f"#{name} .main-svg")


def known_claims(results):
    return json.loads((results / "claims.json").read_text(encoding="utf-8"))


def test_the_table_shows_the_numbers_of_the_verdicts(opened, results):
    page = opened(results / "report" / "index.html")
    # In one call, as every call waits for the page's layout. The text is the one that a reader sees.
    rows = page.locator("#table tbody tr:not(.group)").evaluate_all(
        """all => Object.fromEntries(all.map(one => [one.cells[0].querySelector("a").hash.slice(1), {
            text: one.innerText,
            numbers: [...one.querySelectorAll("data")].map(number => Number(number.value)),
        }]))"""
    )
    claims = known_claims(results)
    assert list(rows) == [claim["id"] for claim in claims]
    for claim in claims:
        row, said = rows[claim["id"]], texts(claim)
        # An interval of no sampling is said in words.
        fields = ("estimate", "ci_low", "ci_high") if "…" in said.interval else ("estimate",)
        assert row["numbers"] == [claim[key] for key in fields if claim[key] is not None]
        assert claim["statement"] in row["text"]
        if claim["estimate"] is not None:
            quantity = typeset_numbers(claim["criterion"].rpartition(": ")[0])
            assert all(text in row["text"] for text in (said.estimate, said.control, said.interval, quantity))


def test_a_chapters_cards_show_the_numbers_of_its_verdicts(opened, results):
    page = opened(results / "report" / "simulations.html")
    page.locator("#unfold_all").click()
    articles = page.locator("article.claim").evaluate_all(
        """all => Object.fromEntries(all.map(one => [one.id, {
            text: one.innerText,
            axes: one.querySelectorAll("svg.axis").length,
        }]))"""
    )
    claims = [claim for claim in known_claims(results) if claim["chapter"] == "simulations"]
    assert list(articles) == [claim["id"] for claim in claims]
    for claim in claims:
        article, said = articles[claim["id"]], texts(claim)
        command = f"make claim ID={claim['id']} TIER={results.name}"
        shown = [claim["statement"], typeset_numbers(claim["criterion"]), typeset_numbers(claim["control"]), command]
        if claim["estimate"] is not None:
            shown += [said.estimate, said.control, said.interval]
            assert article["axes"] == 1
        assert all(text in article["text"] for text in shown)


def test_figures_are_shown_from_where_they_lie(opened, results):
    for name in KINDS[:2]:
        page = opened(results / "report" / name)
        assert page.locator("img.picture").count() > 0
        # Those far from the window would be loaded when they come near.
        page.evaluate("for (const one of document.images) one.loading = 'eager'")
        wait_until(page, "[...document.images].every(one => one.complete && one.naturalWidth > 0)")


def test_every_plot_is_drawn_and_shows_values_on_hover(opened, results):
    for file in KINDS[1:]:
        page = opened(results / "report" / file)
        plots = page.locator(".plot").evaluate_all("all => all.map(one => one.id)")
        assert len(plots) >= 3
        for name in plots:
            drawn(page, name)
        assert page.locator("#no_library").is_hidden()
    page.locator("#spectrum-now").scroll_into_view_if_needed()
    box = page.locator("#spectrum-now .points path.point").last.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.wait_for_selector("#spectrum-now .hovertext")
    assert "eigenvalue" in page.locator("#spectrum-now .hovertext").first.text_content()


def test_the_slider_moves_through_the_iterations(opened, results):
    page = opened(results / "report" / addresses.RUNS)
    drawn(page, "spectrum-now")
    slider, at = page.locator("#spectrum-iteration"), page.locator("#spectrum-at")

    def state():
        heights = page.evaluate("document.getElementById('spectrum-now').data.map(trace => trace.y[0])")
        return at.inner_text(), heights

    slider.focus()
    page.keyboard.press("Home")
    wait_until(page, "document.getElementById('spectrum-iteration').value === '0'")
    page.wait_for_timeout(300)
    first = state()
    page.keyboard.press("End")
    page.wait_for_timeout(300)
    last = state()
    assert int(re.sub(r"\D", "", first[0])) < int(re.sub(r"\D", "", last[0]))
    assert first[1] != last[1]
    # From the smallest start the largest eigenvalue grew.
    assert last[1][-1] > 10 * first[1][-1]
    assert slider.get_attribute("aria-valuetext").startswith("iteration ")
    page.locator("#spectrum-play").click()
    wait_until(page, "Number(document.getElementById('spectrum-iteration').value) >= 2")
    page.locator("#spectrum-play").click()
    assert page.locator("#spectrum-play").inner_text() == "Play"


def rows_of(page):
    return page.locator("#table tbody tr:not(.group):visible")


def folds(page):
    return page.locator("#table .fold:visible")


def by_chapter(claims):
    """Return the names of claims in the page's order: chapter by chapter."""
    return [claim["id"] for chapter in CHAPTERS for claim in claims if claim["chapter"] == chapter.name]


def test_filters_and_sort_work_by_keyboard(opened, fake):
    page = opened(fake / "index.html")
    claims = many_claims()
    page.locator("#by-verdict").select_option("refuted")
    wanted = by_chapter([claim for claim in claims if claim["verdict"] == "refuted"])
    assert rows_of(page).locator("th code").all_inner_texts() == wanted
    assert page.locator("#shown").inner_text() == f"{len(wanted)} of 45 shown"
    page.locator("#by-words").fill("statement 31.")
    assert rows_of(page).locator("th code").all_inner_texts() == ["claim-31"]
    page.locator("#by-words").fill("no claim says this")
    assert rows_of(page).count() == 0
    assert page.locator("#none").is_visible()
    page.get_by_role("button", name="Show all").click()
    wait_until(page, "document.getElementById('shown').textContent.startsWith('45 ')")
    assert rows_of(page).count() == 0
    page.locator("#by-paper").select_option("li2018")
    assert rows_of(page).count() == len(claims)
    button = page.get_by_role("button", name="Estimate")
    button.focus()
    page.keyboard.press("Enter")
    head = page.locator("#table th", has=button)
    assert head.get_attribute("aria-sort") == "ascending"
    numbers = page.locator("#table tbody tr:not(.group)").evaluate_all("all => all.map(row => row.dataset.estimate)")
    known = [float(number) for number in numbers if number]
    assert known == sorted(known)
    assert numbers[len(known) :] == [""] * (45 - len(known))
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    numbers = page.locator("#table tbody tr:not(.group)").evaluate_all("all => all.map(row => row.dataset.estimate)")
    assert [float(number) for number in numbers if number] == known[::-1]
    page.get_by_role("button", name="Claim", exact=True).click()
    assert rows_of(page).locator("th code").all_inner_texts() == by_chapter(claims)
    assert folds(page).all_inner_texts() == [chapter.title for chapter in CHAPTERS]
    page.locator("#by-chapter").select_option("second")
    assert rows_of(page).locator("th code").all_inner_texts() == by_chapter(claims)[23:]
    assert folds(page).all_inner_texts() == ["The second"]


def test_the_table_is_folded_to_its_chapters_and_opens_by_key(opened, fake):
    page = opened(fake / "index.html")
    assert rows_of(page).count() == 0
    assert folds(page).count() == len(CHAPTERS)
    folds(page).nth(1).focus()
    page.keyboard.press("Enter")
    assert rows_of(page).locator("th code").all_inner_texts() == by_chapter(many_claims())[23:]
    assert folds(page).nth(1).get_attribute("aria-expanded") == "true"
    page.get_by_role("button", name="Unfold chapters").click()
    assert rows_of(page).count() == 45
    page.get_by_role("button", name="Fold chapters").click()
    assert rows_of(page).count() == 0


def opened_cards(page):
    return page.locator("article.claim > details[open]").evaluate_all("all => all.map(one => one.parentElement.id)")


def test_cards_are_folded_and_open_by_key_and_by_address(opened, fake):
    page = opened(fake / "second.html")
    assert opened_cards(page) == []
    assert page.locator("#claim-3 dl").first.is_hidden()
    assert page.locator("#claim-3 summary").first.bounding_box()["height"] < 60
    page.locator("#claim-3 summary").first.focus()
    page.keyboard.press("Enter")
    assert opened_cards(page) == ["claim-3"]
    assert page.locator("#claim-3 dl").first.is_visible()
    page.evaluate("location.hash = 'claim-5'")
    wait_until(page, "document.querySelector('#claim-5 > details').open")
    page.locator("#unfold_all").click()
    assert len(opened_cards(page)) == 22
    page.locator("#unfold_all").click()
    assert opened_cards(page) == []


def test_the_table_leads_to_a_claims_card_and_the_card_back(opened, fake):
    page = opened(fake / "index.html")
    folds(page).first.click()
    page.locator("#table").get_by_text("claim-8", exact=True).click()
    page.wait_for_url("**/first.html#claim-8")
    assert opened_cards(page) == ["claim-8"]
    page.get_by_role("link", name="These claims in the table").first.click()
    page.wait_for_url("**/index.html?chapter=first#claims")
    assert rows_of(page).count() == 23


def names_of(page):
    return rows_of(page).locator("th code").all_inner_texts()


def test_the_search_and_the_filters_stay_in_the_address(opened, fake):
    page = opened(fake / "index.html")
    refuted = by_chapter([one for one in many_claims() if one["verdict"] == "refuted"])
    page.locator(".tile.refuted a").click()
    wait_until(page, "document.getElementById('shown').textContent.startsWith('9 ')")
    # A tile counts claims of papers.
    assert page.evaluate("location.search") == "?verdict=refuted&standing=paper"
    assert page.evaluate("location.hash") == "#claims"
    assert names_of(page) == refuted
    page.locator("#by-words").fill("STATEMENT 16.")
    assert names_of(page) == ["claim-16"]
    asked = page.evaluate("location.search")
    assert asked == "?verdict=refuted&standing=paper&words=STATEMENT+16."
    again = opened(fake / "index.html", asked)
    assert names_of(again) == ["claim-16"]
    assert again.locator("#by-words").input_value() == "STATEMENT 16."


def test_an_address_that_asks_for_what_there_is_not_shows_everything(opened, fake):
    page = opened(fake / "index.html", "?verdict=nonsense&chapter=second&other=1")
    assert names_of(page) == by_chapter([one for one in many_claims() if one["chapter"] == "second"])
    assert page.locator("#by-verdict").input_value() == ""


def test_an_address_that_was_cut_off_leaves_a_page_at_work(opened, fake):
    page = opened(fake / "index.html", "#claim%2")
    page.locator("#by-words").fill("statement 16.")
    assert names_of(page) == ["claim-16"]
    page = opened(fake / "first.html", "#claim%2")
    page.locator("#unfold_all").click()
    assert len(opened_cards(page)) == 23


def test_claims_may_be_called_as_parts_of_a_page_are(opened, tmp_path):
    names = ("data", "library", "table", "shown", "none", "claims", "chapters", "index")
    report = written(tmp_path, [claim_of(0, id=name) for name in names])
    page = opened(report / "first.html", "#none")
    assert opened_cards(page) == ["none"]
    page.locator("#unfold_all").click()
    assert opened_cards(page) == list(names)
    page = opened(report / "index.html")
    page.locator("#by-words").fill("library")
    assert names_of(page) == ["library"]


def test_without_scripts_every_claim_is_shown_whole(opened, fake):
    page = opened(fake / "first.html", java_script_enabled=False)
    assert page.locator("article.claim > details[open]").count() == 23
    assert page.locator("#claim-44 dl").first.is_visible()
    assert page.locator("#unfold_all").is_hidden()
    page = opened(fake / "index.html", java_script_enabled=False)
    assert rows_of(page).count() == 45
    assert page.locator(".filters").is_hidden()


def test_a_script_in_a_claims_text_is_shown_and_not_run(opened, fake):
    for name, place in (("second.html", "article#claim-43"), ("index.html", 'tr[data-claim="claim-43"]')):
        page = opened(fake / name, "#claim-43")
        assert page.evaluate("window.ran") is None
        assert SCRIPT in page.locator(place).inner_text()


def page_of(which, results, fake):
    """Return the file of a page: of the tier, or of the fake report."""
    return fake / which.removeprefix("fake/") if which.startswith("fake/") else results / "report" / which


EVERY_KIND = (*KINDS, "fake/index.html", "fake/first.html")


@pytest.mark.parametrize("which", EVERY_KIND)
def test_a_phone_needs_no_horizontal_scroll(opened, results, fake, which):
    page = opened(page_of(which, results, fake), viewport=PHONE, has_touch=True)
    for name in page.locator(".plot").evaluate_all("all => all.map(one => one.id)"):
        drawn(page, name)
    page.locator("summary").evaluate_all("all => all.forEach(one => { one.parentElement.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", EVERY_KIND)
def test_axe_has_no_serious_finding(opened, results, fake, which, scheme):
    axe = browser_module("axe_playwright_python.sync_playwright")
    page = opened(page_of(which, results, fake), color_scheme=scheme)
    for name in page.locator(".plot").evaluate_all("all => all.map(one => one.id)")[:3]:
        drawn(page, name)
    found = axe.Axe().run(page).response["violations"]
    serious = [
        (one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []


@pytest.mark.parametrize("which", KINDS)
def test_it_prints_without_what_only_a_screen_can_use(opened, results, tmp_path, which):
    page = opened(results / "report" / which)
    page.emulate_media(media="print")
    for part in page.locator("nav, .filters, .plot").all():
        assert part.is_hidden()
    assert page.locator("h1").is_visible()
    assert len(page.pdf(path=tmp_path / "page.pdf", format="A4")) > 10_000


def reached(page, times):
    """Return what so many presses of the key Tab reach."""
    found = []
    for _ in range(times):
        page.keyboard.press("Tab")
        found.append(page.evaluate("(one => one.id || one.dataset.key || one.className || '')(document.activeElement)"))
    return found


def test_everything_can_be_reached_by_keyboard(opened, results, fake):
    first, *others = reached(opened(fake / "index.html"), 80)
    assert first == "skip"
    assert {"by-words", "by-verdict", "by-chapter", "by-paper", "order", "estimate", "control"} <= set(others)
    assert {"skip", "unfold_all"} <= set(reached(opened(fake / "first.html"), 12))
    runs = reached(opened(results / "report" / addresses.RUNS), 10)
    assert {"skip", "spectrum-problem", "spectrum-iteration", "spectrum-play", "spectrum-alpha"} <= set(runs)


def test_the_notebooks_show_the_numbers_of_the_verdicts(browser, results):
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto((results / "notebooks" / "02_claims_and_uncertainty.html").as_uri())
    text = page.locator("body").inner_text()
    for claim in json.loads((results / "claims.json").read_text(encoding="utf-8")):
        assert claim["id"] in text
        if claim["estimate"] is not None:
            numbers = [claim[key] for key in ("estimate", "ci_low", "ci_high")]
            estimate, low, high = format_beside_margin(numbers, claim["margin"], 4)
            assert estimate in text
            assert f"{low} … {high}" in text
    context.close()


def test_the_policy_stops_a_foreign_script_and_anything_from_elsewhere(browser, fake, tmp_path):
    page_file = tmp_path / "index.html"
    elsewhere = '<img src="https://example.invalid/x.png" onerror="window.foreign = 2"><iframe src="x.html"></iframe>'
    foreign = f"<script>window.foreign = 1</script>{elsewhere}</main>"
    text = (fake / "index.html").read_text(encoding="utf-8")
    page_file.write_text(text.replace("</main>", foreign), encoding="utf-8")
    context = browser.new_context()
    page = context.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(page_file.as_uri())
    page.wait_for_load_state("load")
    assert page.evaluate("window.foreign") is None
    assert sum("Content Security Policy" in text for text in complaints) >= 3
    context.close()


def test_a_passage_shows_what_differs_in_this_run_and_leads_to_the_claim(opened, tmp_path):
    committed = [claim_of(0), claim_of(1)]
    report = written(tmp_path, [claim_of(0, "refuted"), claim_of(1)], committed=committed)
    for name in ("index.html", "first.html"):
        page = opened(report / name)
        note = page.locator(".prose blockquote")
        assert note.all_inner_texts() == ["Otherwise in this run: claim-0 is refuted (committed: supported)."]
        assert note.is_visible()
        note.locator("a").click()
        page.wait_for_url("**/first.html#claim-0")
        wait_until(page, "document.querySelector('#claim-0 > details').open")
        assert opened_cards(page) == ["claim-0"]


def test_a_notebooks_slider_moves_through_its_pictures_with_the_arrow_keys(opened, tmp_path):
    def draw(value):
        figure, axes = plt.subplots(figsize=(1, 1))
        axes.plot([0, value])
        return figure

    file = tmp_path / "slider.html"
    file.write_text(f"<meta charset=utf-8>{notebooks.slider('α', [1, 0.1, 0.01], draw).data}", encoding="utf-8")
    page = opened(file)
    pictures, shown = page.locator("img"), page.locator("output")
    assert [one.is_visible() for one in pictures.all()] == [True, False, False]
    page.get_by_label("α").press("ArrowRight")
    assert shown.inner_text() == "0.1"
    page.get_by_label("α").press("ArrowRight")
    assert shown.inner_text() == "0.01"
    assert [one.is_visible() for one in pictures.all()] == [False, False, True]
