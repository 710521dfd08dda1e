"""The essay: its numbers are the references', its links lead somewhere, and in a real browser its panels run."""

import copy
import re
import time

import numpy as np
import pytest
from conftest import ROOT, browser_module, registered_claims

from algoreg.regression import references
from algoreg.reporting import documents, essay
from algoreg.settings.tier import TIERS

pytestmark = pytest.mark.any_kernels

PARTS = ROOT / "workflow" / "report"
# In the page: what a run of a link's settings is given, as plain lists.
DRAWN = """(link) => {
  const { rows, labels, target } = Numerics.draw(State.settings(State.read(link).state));
  return [rows, labels, target].map((one) => [...one]);
}"""


@pytest.fixture(scope="module")
def committed():
    found = {tier: references.read_tier(tier) for tier in TIERS}
    return {tier: content for tier, content in found.items() if content}


@pytest.fixture(scope="module")
def text(committed):
    return documents.essay_page(ROOT, committed, registered_claims())


@pytest.fixture(scope="module")
def page_file(text, tmp_path_factory):
    path = tmp_path_factory.mktemp("essay") / "essay.html"
    path.write_text(text, encoding="utf-8")
    return path


def test_it_is_one_small_file_that_loads_nothing(text):
    assert len(text.encode()) < 200_000
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert re.findall(r'\ssrc="', text) == []
    outside = re.findall(r'\shref="(?!data:|#)([^"#]*)', text)
    assert {name for name in outside if not (ROOT / "docs" / name).exists()} == set()


def test_every_claim_that_it_links_to_has_a_card_with_the_committed_verdict(text, committed):
    cited = set(re.findall(r'href="#claim-([\w-]+)"', text))
    cards = dict(re.findall(r'<article class="card" id="claim-([\w-]+)">(.*?)</article>', text, re.DOTALL))
    assert cited == cards.keys()
    assert len(cards) > 15
    for name, card in cards.items():
        tier = re.search(r"Read from</dt><dd>tier (\w+)", card)[1]
        (claim,) = (claim for claim in committed[tier]["claims"] if claim["id"] == name)
        assert f'<span class="badge {claim["verdict"]}">{claim["verdict"]}</span>' in card
        shown = re.search(r'Estimate</dt><dd class="number">(\S+)', card)[1]
        mantissa, _, power = shown.replace("−", "-").partition("·10")
        power = power.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"))
        assert float(mantissa) * 10 ** int(power or 0) == pytest.approx(claim["estimate"], rel=0.02)


def test_its_sentences_have_the_numbers_of_the_claims_that_they_link_to(committed):
    entries = {entry["id"]: copy.deepcopy(entry) for entry in registered_claims()}
    entries["thm11-no-early-stopping"]["estimand"]["ratio"] = 1.7
    entries["thm11-samples-in-d"]["regime"] |= {"error": 0.3, "alpha": 1e-9}
    changed = " ".join(documents.essay_page(ROOT, committed, list(entries.values())).split())
    assert ">the error at the end is at most 1.7 times the smallest on the way</a>" in changed
    assert "of measurements from which on the error is below 0.3. It grows" in changed
    assert re.search(r"\), from α = 10⁻⁹\. That is", changed)


def test_its_sections_are_numbered_and_in_the_contents(text):
    sections = re.findall(r'<section id="(\w+)">\s*<h2>(\d+)\. (.+?)</h2>', text)
    assert [int(number) for _, number, _ in sections] == list(range(1, 11))
    for name, _, title in sections:
        assert f'<li><a href="#{name}">{title}</a></li>' in text


def test_a_claim_is_read_from_the_first_tier_that_judged_it(committed):
    page = essay.Essay(committed, registered_claims())
    assert page.tier("thm11-samples-in-d") == "standard"
    judged = [claim["id"] for claim in committed["quick"]["claims"] if claim["estimate"] is not None]
    known = {claim["id"] for claim in committed["standard"]["claims"]} | {
        claim["id"] for claim in committed.get("full", {"claims": []})["claims"]
    }
    for name in [name for name in judged if name not in known][:3]:
        assert page.tier(name) == "quick"


def test_curves_over_d_are_of_rank_one_and_in_order():
    rows = [
        ["80", "1", "10⁻⁶", "2 [1.5, 2.5]", "x"],
        ["50", "1", "10⁻⁶", "1 [0.5, 1.5]", "x"],
        ["50", "2", "10⁻⁶", "9", "x"],
    ]
    assert essay.by_size(rows) == [{"name": "α = 10⁻⁶", "points": [[50, 1, 0.5, 1.5], [80, 2, 1.5, 2.5]]}]


def test_a_plot_has_its_points_in_order_and_its_text_as_text():
    svg = essay.plot([{"name": "a < b", "points": [[1, 1], [10, 2], [100, 3]]}], "x", "y", x_log=True)
    places = np.array(re.findall(r'<circle class="c0" cx="([\d.]+)" cy="([\d.]+)"', svg), float)
    # Equal steps of the logarithm to the right, equal steps upwards.
    assert np.diff(places[:, 0]) == pytest.approx(np.diff(places[:, 0])[0], abs=0.2)
    assert np.diff(places[:, 1]) == pytest.approx(np.diff(places[:, 1])[0], abs=0.2)
    assert np.diff(places[:, 1])[0] < 0
    assert "a &lt; b" in svg
    few = essay.plot([{"name": "a", "points": [[1e-9, 0.1], [1, 1e-12]]}], "x", "y", True, True, dots=True, least=1e-7)
    assert len(re.findall("<circle", few)) == 2
    assert "10⁻⁹" not in few


def run_to_its_end(page, figure):
    deadline = time.monotonic() + 90
    while figure.get_attribute("data-state") != "done":
        assert time.monotonic() < deadline, figure.locator(".now").inner_text()
        page.wait_for_timeout(100)
    return figure.locator(".now").inner_text()


@pytest.mark.browser
def test_panels_run_when_they_come_into_view_and_show_what_the_text_says(opened, page_file):
    # Reduced motion computes to the end at once.
    page = opened(page_file, reduced_motion="reduce")
    said = {}
    for name in ("few", "small", "order", "noise", "optimisers"):
        figure = page.locator(f"#panel-{name}")
        figure.scroll_into_view_if_needed()
        page.locator(f"#panel-{name} .run").click()
        said[name] = run_to_its_end(page, figure)
        for canvas in figure.locator("canvas").all():
            assert "At the end: " in canvas.get_attribute("aria-label")
    assert said["few"].startswith("Descent on X fits the measurements")
    assert said["small"].startswith("Your initialisation finds X*")
    assert "The initialisation α = 1 fits the measurements" in said["small"]
    assert said["order"].startswith("The run finds X*")
    assert re.search(r"smallest, 0\.\d+, at step \d+", said["noise"])
    assert said["optimisers"].startswith("Gradient descent finds X*")
    assert said["optimisers"].count("finds X*") == 1
    # A slider starts it anew, and the link to the explorer has its value.
    page.locator("#panel-small input").fill("-1")
    page.wait_for_timeout(500)
    assert "a=0.1&" in page.locator("#panel-small a.explore").get_attribute("href")
    assert "finds X*" not in run_to_its_end(page, page.locator("#panel-small")).split("The initialisation")[0]


@pytest.mark.browser
def test_a_guess_is_compared_with_where_recovery_sets_in(opened, page_file):
    page = opened(page_file, reduced_motion="reduce")
    figure = page.locator("#panel-guess")
    figure.locator("input").fill("1")
    assert figure.locator("output").inner_text() == "m = 1·dr = 40"
    figure.locator(".run").click()
    words = run_to_its_end(page, figure)
    assert words.startswith("You said 1·dr = 40.")
    first = float(re.search(r"every run from ([\d.]+)·dr", words)[1])
    assert first in (1.1, 1.3, 1.5, 1.7, 1.9)
    # The same runs by a plain loop: at that number of measurements X* is found, at the one before it is not.
    for ratio, found in ((first, True), (round(first - 0.2, 1), False)):
        link = figure.get_attribute("data-link")
        drawn = page.evaluate(DRAWN, f"{link}&m={ratio}")
        rows, labels, target = (np.array(one) for one in drawn)
        places = np.triu_indices(20)
        matrices = np.zeros((len(labels), 20, 20))
        matrices[:, places[0], places[1]] = rows.reshape(len(labels), -1) / np.where(
            places[0] == places[1], 1, np.sqrt(2)
        )
        matrices += np.triu(matrices, 1).transpose(0, 2, 1)
        u = 1e-6 * np.eye(20)
        for _ in range(800):
            residuals = np.einsum("ijk,jk->i", matrices, u @ u.T) - labels
            u = u - 0.2 * np.einsum("i,ijk->jk", residuals, matrices) / len(labels) @ u
        gap = np.linalg.norm(u @ u.T - target.reshape(20, 20)) / np.linalg.norm(target)
        assert (gap < 0.1) == found
    figure.locator(".anew").click()
    assert run_to_its_end(page, figure) != ""
    assert "error at the end" in figure.locator("canvas").get_attribute("aria-label").lower()


@pytest.mark.browser
def test_one_measurement_is_the_sum_of_the_products(opened, page_file):
    page = opened(page_file)
    figure = page.locator("figure[data-kind=measurements]")
    drawn = page.evaluate(DRAWN, figure.get_attribute("data-link"))
    figure.locator("input").fill("7")
    shown = float(re.search(r"y = (\S+)\. ", figure.locator(".now").inner_text())[1].replace("−", "-"))
    assert shown == pytest.approx(drawn[1][6], abs=6e-4)


@pytest.mark.browser
def test_its_links_to_the_explorer_are_possible_settings(opened, page_file):
    page = opened(page_file)
    links = page.locator("a[href^='explorer.html#']").evaluate_all(
        "all => all.map((one) => one.getAttribute('href').split('#')[1])"
    )
    assert len(links) == 6
    assert page.evaluate("(links) => links.flatMap((link) => State.read(link).said)", links) == []


@pytest.mark.browser
def test_a_claim_leads_to_its_card(opened, page_file):
    page = opened(page_file)
    page.locator("a.cited").first.click()
    assert page.locator(".card:target code").inner_text() == "x-space-descent"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_phones_and_has_no_serious_finding(opened, page_file, scheme, width):
    axe = browser_module("axe_playwright_python.sync_playwright")
    page = opened(page_file, viewport={"width": width, "height": 844}, color_scheme=scheme, reduced_motion="reduce")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe.Axe().run(page).response["violations"]
    serious = [
        (one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    for canvas in page.locator("canvas").all():
        assert len(canvas.get_attribute("aria-label")) > 5
