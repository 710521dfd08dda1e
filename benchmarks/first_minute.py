"""A newcomer's first minute on the built site, in headless Chromium: python benchmarks/first_minute.py [FOLDER].

Three clicks lead from the front page to the explorer, the list of claims and a claim in full. The script prints when
each page first painted and when it took input, and saves screenshots if a FOLDER is given. It needs the packages that
make test-browser installs, and a site that make site has built.
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

SITE = Path(__file__).resolve().parents[1] / "site"
# The pages in order, each with the element that is clicked to open it.
STEPS = (
    ("front page", None),
    ("explorer", 'article a[href="docs/explorer.html"]'),
    ("claims", 'a[href="claims.html"]'),
    ("a claim in full", 'a[href="claims/theorem.html#thm11-error-in-alpha"]'),
)
# Of a loaded page, the milliseconds from the click to the first text or picture, and until it took input.
TIMES = """() => [performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
  performance.getEntriesByType('navigation')[0].domInteractive]"""


def walk(page, address):
    """Follow the steps from the site's address, and yield each page's name when it has loaded."""
    for name, clicked in STEPS:
        if clicked is None:
            page.goto(address)
        else:
            page.locator(clicked).first.click()
        page.wait_for_load_state("load")
        page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
        yield name


def main():
    """Walk through the pages, print their times and save screenshots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="where to save screenshots")
    folder = parser.parse_args().folder
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for kind, size in (("desktop", (1280, 900)), ("phone", (390, 844))):
            page = browser.new_page(viewport=dict(zip(("width", "height"), size, strict=True)))
            for number, name in enumerate(walk(page, (SITE / "index.html").as_uri())):
                paint, usable = page.evaluate(TIMES)
                print(f"{kind:8} {name:16} first paint {paint:5.0f} ms, takes input {usable:5.0f} ms")
                if folder:
                    folder.mkdir(parents=True, exist_ok=True)
                    page.screenshot(path=folder / f"{kind}_{number}.png")
        browser.close()


if __name__ == "__main__":
    main()
