"""Build the site of a finished tier: python tools/build_site.py TIER, to site/.

Sphinx (in .venv/site) reads the repository's Markdown unchanged. This script adds the landing page, the
figures of each chapter, the long forms (every claim, every table, fresh seeds), which are not committed, and from
results/<tier>/ the report, the explorer and the executed notebooks, if they exist. Neither the script nor the pages
use a network.
"""

import argparse
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from html import unescape
from pathlib import Path

from algoreg import plugins
from algoreg.reporting import captions
from algoreg.reporting import documents as generated
from algoreg.reporting.claim_documents import IN_FULL
from algoreg.reporting.page import addresses
from algoreg.reporting.report import literal
from algoreg.settings.chapters import load_chapters
from check_site import problems

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "config/README.md", "results/README.md")
# Finished pages below results/<tier>/, with their descriptions on the landing page.
FINISHED = {
    "report/index.html": "Report: every verdict with its interval, control, figure and provenance, a page per chapter",
    "explorer.html": "Explorer: descent that runs in the browser",
}
# Committed pages, which have the same path on the site.
COMMITTED = ("docs/essay.html", "docs/explorer.html")
# Links in finished and committed pages to documents that become pages.
DOCUMENT = re.compile(r'(?<=\shref=")([\w/]+)\.md(?=["#])')
# A relative link of a page to a file above its folder, up to the anchor, or such a picture.
LINK = re.compile(r'(?:(?<=\shref=")|(?<=\ssrc="))\.\./[^"#?]*(?=["#?])')

# The page that shows the executed notebooks, and the pattern of a picture in one of them.
GALLERY = "docs/site/notebooks.md"
PICTURE = re.compile(r'<img alt="(?P<alt>[^"]*)"[^>]*? src="data:image/png;base64,(?P<png>[^"]+)"')


def documents(root):
    """Return the Markdown documents that become pages, by path."""
    found = [*PAGES, *(path.relative_to(root).as_posix() for path in (root / "docs").rglob("*.md"))]
    return {name: (root / name).read_text(encoding="utf-8") for name in found}


def linked(root, name, text):
    """Return the files, other than pages, that a document links to or shows, as paths."""
    links = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)
    paths = {os.path.normpath(Path(name).parent / link) for link in links}
    return {path for path in paths if (root / path).is_file() and not path.endswith(".md")}


def link_pages(name, text):
    """Return a document whose links to committed pages are HTML, as Sphinx turns Markdown links into downloads."""
    for page in COMMITTED:
        link = os.path.relpath(page, Path(name).parent)
        text = re.sub(rf"\[`?([^\]`]+)`?\]\({re.escape(link)}\)", rf'<a href="{link}">\1</a>', text)
    return text


def _captioned(name, svg):
    """Return a figure as Markdown, with its title and its caption."""
    title, (_, caption) = plugins.figure_title(name), captions.read(svg)
    return f"![{title}](../figures/{name}.svg)\n\n*{title}.*{f' {literal(caption)}.' if caption else ''}"


def pictures(root, chapter, text):
    """Return, as Markdown, the committed figures of a chapter that its page does not show."""
    names = [name for name in chapter.entries.get("figures", {}) if (root / f"docs/figures/{name}.svg").exists()]
    names = [name for name in names if not re.search(rf"!\[.*?\]\(\.\./figures/{name}\.svg\)", text)]
    shown = [_captioned(name, (root / f"docs/figures/{name}.svg").read_text(encoding="utf-8")) for name in names]
    return "\n\n".join(["", "## Figures", *shown, ""]) if shown else ""


def illustrated(text, figures, link):
    """Return a chapter's page with figures and a link before its verdicts, or with the figures at its end."""
    before, mark, after = text.partition("\n## Verdicts\n")
    return f"{before}\n{figures}{mark}{link}{after}" if mark else f"{text}\n{figures}"


def link_in_full(chapter, pages):
    """Return a link from a chapter's page to the page with its claims in full; empty if there is no such page."""
    if f"{IN_FULL}/{chapter.name}.md" not in pages:
        return ""
    return f"\n[Every claim in full](../claims/{chapter.name}.md): criterion, reason of the margin, control, fresh seeds.\n"


def link_rows(text, chapters):
    """Return the list of claims with a link from each row to the claim in full."""
    for chapter in chapters:
        for claim in chapter.claims:
            name = claim["id"]
            # Sphinx makes the anchor of a heading in lower case.
            card = f"claims/{chapter.name}.md#{name.lower()}"
            text = text.replace(f"\n| `{name}` |", f"\n| [`{name}`]({card}) |")
    return text


def relinked(root, results, name, pages):
    """Return a finished page with links to the site's pages, and the other files of the tier that it links to or shows.

    ``name`` is the page's path below ``results``, the tier's folder, and on the site; ``pages`` are the documents that
    become pages.
    """
    others = set()

    def led(found):
        target = Path(os.path.normpath(results / Path(name).parent / found[0]))
        document = os.path.relpath(target, root)
        if target.is_relative_to(results):
            others.add(target.relative_to(results).as_posix())
        elif document in pages:
            return Path(os.path.relpath(Path(document).with_suffix(".html"), Path(name).parent)).as_posix()
        return found[0]

    return LINK.sub(led, (results / name).read_text(encoding="utf-8")), others


def copy_sidecars(results, extra):
    """Copy a tier's sidecars, with a page that lists them, because servers of static files do not list folders."""
    shutil.copytree(results / "provenance", extra / "provenance")
    names = sorted(path.relative_to(extra / "provenance").as_posix() for path in extra.glob("provenance/**/*.json"))
    lines = "\n".join(f'<li><a href="{name}">{name}</a></li>' for name in names)
    head = '<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>Sidecars</title>\n<h1>Sidecars</h1>'
    (extra / "provenance" / "index.html").write_text(f"{head}\n<ul>\n{lines}\n</ul></html>\n", encoding="utf-8")


def copy_linked(results, names, extra):
    """Copy the files that finished pages link to.

    These are 16 to 22 MB in the tiers quick and standard: figures (SVG and PDF, 6 to 7), tables (6 to 11), sidecars (4
    to 5). Files that no page links to are not copied: figures as PNG, which are twice as large, targets and descents.
    """
    sidecars = [name for name in names if name.split("/")[0] == "provenance"]
    if sidecars and (results / "provenance").exists():
        copy_sidecars(results, extra)
    for name in set(names).difference(sidecars):
        if (results / name).is_file() and not (extra / name).exists():
            (extra / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(results / name, extra / name)


def finished_pages(root, results, extra, pages):
    """Copy a tier's finished pages and the files that they link to; return Markdown lines with links to the pages."""
    notebooks = {f"notebooks/{path.name}": None for path in notebooks_of(results)}
    lines, others = [], set()
    for name, said in {**report_pages(), **FINISHED, **notebooks}.items():
        if (results / name).exists():
            (extra / name).parent.mkdir(parents=True, exist_ok=True)
            text, linked_to = relinked(root, results, name, pages)
            (extra / name).write_text(text, encoding="utf-8")
            others |= linked_to
            lines += [f'- <a href="{name}">{said}</a>'] if said else []
    copy_linked(results, others, extra)
    return [*lines, f"- [Notebooks]({GALLERY}): a question each, with a picture"] if notebooks else lines


def report_pages():
    """Return the pages that a report may have; the landing page only mentions its front page."""
    return {f"report/{name}": None for name in addresses.pages(chapter.name for chapter in load_chapters())}


def notebooks_of(results):
    """Return the executed notebooks of a tier."""
    return sorted((results / "notebooks").glob("*.html"))


def gallery(root, results, stage):
    """Return the page with the title, the question and the first picture of each executed notebook.

    Pictures are written beside it, below ``stage``.
    """
    parts = [
        "# Notebooks",
        "Executed on the tier that this site is of. To run them: [the guide](../guide.md#notebooks-and-reports).",
    ]
    for path in notebooks_of(results):
        cells = json.loads((root / "notebooks" / f"{path.stem}.ipynb").read_text(encoding="utf-8"))["cells"]
        title, question, *_ = "".join(cells[0]["source"]).split("\n\n")
        # The links in a question are relative to the folder of the notebooks.
        parts += [f"## {title.removeprefix('# ')}", question.replace("](../", "](../../")]
        if found := PICTURE.search(path.read_text(encoding="utf-8")):
            picture = stage / Path(GALLERY).parent / f"{path.stem}.png"
            picture.parent.mkdir(parents=True, exist_ok=True)
            picture.write_bytes(base64.b64decode(found["png"]))
            parts += [f"![{unescape(found['alt'])}]({picture.name})"]
        parts += [f'<a href="../../notebooks/{path.name}">Open {path.stem}</a>']
    return "\n\n".join(parts) + "\n"


def gather(root, tier, stage, long_forms):
    """Put everything that Sphinx reads into an empty folder; the report, explorer and notebooks are the tier's.

    ``long_forms`` are the pages that are not committed, by path.
    """
    texts = {name: link_pages(name, text) for name, text in {**documents(root), **long_forms}.items()}
    chapters = {f"docs/chapters/{chapter.name}.md": chapter for chapter in load_chapters()}
    chapters = {name: chapter for name, chapter in chapters.items() if name in texts}
    for name, chapter in chapters.items():
        texts[name] = illustrated(texts[name], pictures(root, chapter, texts[name]), link_in_full(chapter, texts))
    texts["docs/claims.md"] = link_rows(texts["docs/claims.md"], chapters.values())
    extra = stage / "_extra"
    extra.mkdir()
    for name in COMMITTED:
        (extra / name).parent.mkdir(exist_ok=True)
        (extra / name).write_text(DOCUMENT.sub(r"\1.html", (root / name).read_text(encoding="utf-8")), encoding="utf-8")
    finished = finished_pages(root, root / "results" / tier, extra, texts)
    if not finished:
        raise SystemExit(f"results/{tier}: no finished tier. Run it first, as make quick does for tier quick.")
    if notebooks_of(root / "results" / tier):
        texts[GALLERY] = gallery(root, root / "results" / tier, stage)
    landing = (root / "docs" / "site" / "landing.md.in").read_text(encoding="utf-8")
    landing = landing.replace("{{ chapters }}", "\n".join(name.removesuffix(".md") for name in chapters))
    # All other pages are in the contents too; pages with claims in full are in the contents of their list.
    listed = [name.removesuffix(".md") for name in texts if not name.startswith(f"{IN_FULL}/")]
    others = [page for page in listed if not re.search(rf"\b{page}\b", landing)]
    landing = landing.replace("{{ others }}", "\n".join(sorted(others)))
    texts["index.md"] = landing.replace("{{ pages }}", f"Of tier `{tier}`:\n\n" + "\n".join(finished))
    files = set().union(*(linked(root, name, text) for name, text in texts.items()))
    for name in files | {"pyproject.toml"}:
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, stage / name)
    for name, text in texts.items():
        (stage / name).parent.mkdir(parents=True, exist_ok=True)
        (stage / name).write_text(text, encoding="utf-8")
    shutil.copyfile(root / "docs" / "site" / "conf.py", stage / "conf.py")
    shutil.copytree(root / "docs" / "site" / "_static", stage / "_static")


def build(root, tier, target):
    """Gather the sources and let Sphinx write the site; a warning counts as an error."""
    programs = [str(path) for path in (root / ".venv" / "site" / "lib").glob("python*/site-packages")]
    paths = [*programs, str(root / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with tempfile.TemporaryDirectory(prefix="site-") as folder:
        stage = Path(folder)
        gather(root, tier, stage, generated.long_forms(root))
        shutil.rmtree(target, ignore_errors=True)
        command = [sys.executable, "-P", "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
        command += ["-d", str(stage / ".doctrees"), str(stage), str(target)]
        done = subprocess.run(command, env=environment)
    shutil.rmtree(target / ".doctrees", ignore_errors=True)
    return done.returncode


def main():
    """Build the site and print its location."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tier", help="name of a finished tier")
    target = ROOT / "site"
    status = build(ROOT, parser.parse_args().tier, target)
    found = problems(target) if status == 0 else []
    print("\n".join(found) or ("wrote site/index.html" if status == 0 else "Sphinx reported the problems above"))
    sys.exit(status or bool(found))


if __name__ == "__main__":
    main()
