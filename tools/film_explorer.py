"""Record one of the explorer's presets as a short moving picture, in headless Chromium (`make chromium`).

    python tools/film_explorer.py docs/explorer.html docs/figures/explorer.gif

The page is opened as a file. A run is computed once; then the page's own control "look back" walks through it, so that
every frame shows a known step and two films of the same page are alike.
"""

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image

FRAMES = 24
# Milliseconds that a frame is shown; the last frame stays longer, so that the result can be read.
LASTS, LAST = 140, 2500
SIZE = {"width": 1000, "height": 625}
COLOURS = 96


def frames(page_file, preset):
    """Yield the frames as pictures, from the first step of a preset's run to its last."""
    # Imported here from .venv/browser, so that --help works without it.
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport=SIZE)
        page.goto(Path(page_file).resolve().as_uri())
        # The preset starts by itself.
        page.locator("#presets a").nth(preset).click()
        page.locator("#lasts").select_option("0")
        # The page's security policy forbids waiting for an expression, which the driver would evaluate in the page.
        page.get_by_role("button", name="Run again").wait_for(timeout=60_000)
        page.locator("#settings").evaluate("details => { details.open = false; }")
        page.locator("#charts").evaluate("charts => charts.scrollIntoView()")
        last = int(page.locator("#back").get_attribute("max"))
        for frame in range(FRAMES):
            page.locator("#back").evaluate(
                "(slider, step) => { slider.value = step; slider.dispatchEvent(new Event('input', {bubbles: true})); }",
                # Frames are denser at the beginning, where most of the change is.
                round(last * (frame / (FRAMES - 1)) ** 2),
            )
            page.wait_for_timeout(60)
            yield Image.open(io.BytesIO(page.screenshot()))
        browser.close()


def main():
    """Film the preset named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", help="the explorer's HTML file")
    parser.add_argument("film", help="the GIF to write")
    parser.add_argument("--preset", type=int, default=0, help="which of the page's presets, from 0")
    options = parser.parse_args()
    pictures = [picture.quantize(COLOURS) for picture in frames(options.page, options.preset)]
    lasts = [LASTS] * (len(pictures) - 1) + [LAST]
    pictures[0].save(options.film, save_all=True, append_images=pictures[1:], duration=lasts, loop=0, optimize=True)
    print(f"{options.film}: {len(pictures)} frames, {Path(options.film).stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
