"""Check a built site: python tools/check_site.py site.

The check fails if a link has no target, or if a page fetches anything from another machine.
"""

import argparse
import re
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Attributes whose address a browser fetches when it shows a page. Links that readers follow may lead anywhere.
FETCHED = {
    ("script", "src"),
    ("link", "href"),
    ("img", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("video", "src"),
    ("audio", "src"),
    ("track", "src"),
    ("embed", "src"),
    ("object", "data"),
}
# Relations of links from which a browser fetches nothing.
NOT_FETCHED = {"canonical", "index", "search", "next", "prev", "author", "copyright", "license", "top"}
# A style's import of another style, or of a picture or font from another machine.
ELSEWHERE = re.compile(r"""@import|url\(\s*["']?(?:https?:)?//""")
# Pages whose scripts create the anchors, or read them as their state.
MADE_LATER = ("report/", "notebooks/", "explorer.html", "docs/explorer.html")


class Page(HTMLParser):
    """Collects a page's ids, its links, and the addresses that a browser fetches."""

    def __init__(self):
        super().__init__()
        self.ids, self.links, self.fetched = set(), [], []

    def handle_starttag(self, tag, attributes):
        """Record an element's id, link, and address that a browser fetches."""
        given = dict(attributes)
        self.ids |= {given[name] for name in ("id", "name") if given.get(name)}
        for name in ("href", "src", "data"):
            if given.get(name):
                own = (tag, name) in FETCHED and given.get("rel") not in NOT_FETCHED
                (self.fetched if own else self.links).append(given[name])


@cache
def read(path):
    """Return a page, parsed."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def leads(root, path, link):
    """Return the problem of a page's link to this site, or None."""
    parts = urlsplit(link)
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    target = target / "index.html" if target.is_dir() else target
    if not target.is_relative_to(root) or not target.exists():
        return "leads nowhere"
    name = target.relative_to(root).as_posix()
    if parts.fragment and target.suffix == ".html" and not name.startswith(MADE_LATER):
        return None if unquote(parts.fragment) in read(target).ids else "the page has no such place"
    return None


def problems(root):
    """Return the problems of the site in a folder, as sentences."""
    root, found = root.resolve(), []
    pages = sorted(root.rglob("*.html"))
    if not pages:
        return [f"{root}: no pages, so no site"]
    for path in pages:
        name, page = path.relative_to(root).as_posix(), read(path)
        elsewhere = [
            link for link in page.fetched if urlsplit(link).scheme not in ("", "data") or link.startswith("//")
        ]
        found += [f"{name}: fetches {link}" for link in elsewhere]
        own = [link for link in (*page.links, *page.fetched) if not urlsplit(link).scheme and not link.startswith("//")]
        found += [f"{name}: {link}: {wrong}" for link in dict.fromkeys(own) if (wrong := leads(root, path, link))]
    for path in sorted(root.rglob("*.css")):
        if ELSEWHERE.search(path.read_text(encoding="utf-8")):
            found.append(f"{path.relative_to(root)}: fetches a style or a font")
    return found


def main():
    """Print all problems; exit 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path, help="folder of the site")
    root = parser.parse_args().site
    found = problems(root)
    print(
        "\n".join(found) or f"{len(list(root.rglob('*.html')))} pages, every link leads somewhere, nothing is fetched"
    )
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
