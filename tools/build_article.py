"""Typeset the article: python tools/build_article.py, to article.pdf.

The text is docs/article/article.typ. Its numbers come from reference/standard, its figures from docs/figures.
Typst is in .venv/site, brings its fonts and fetches nothing.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

import matplotlib

from algoreg.claims.judging import exact
from algoreg.regression import evidence, references, replications
from algoreg.reporting.report import verdict_text_of
from algoreg.reporting.wording import bound
from algoreg.settings import checking, entries
from algoreg.settings.files import bibliography

ROOT = Path(__file__).resolve().parents[1]
TEXT = ROOT / "docs" / "article" / "article.typ"
TIER = "standard"
# The article is about the paper, so it does not contain the claims of other chapters.
CHAPTERS = ["simulations", "theorem", "remarks", "proof", "networks"]
# Typst's own fonts, and matplotlib's for the text in figures, which are the same on every machine.
COMPILE = """
import sys, typst
text, target, root, fonts = sys.argv[1:]
typst.compile(text, output=target, root=root, font_paths=[fonts], ignore_system_fonts=True)
"""


def said(claim, entry):
    """Return the texts that the article shows for a committed verdict; ``entry`` is the claim's registry entry."""
    texts = verdict_text_of(claim, entry)
    return {
        "verdict": claim["verdict"],
        "unsettled": texts.unsettled,
        "estimate": texts.estimate,
        "at-least": bound(claim, "down"),
        "at-most": bound(claim, "up"),
        "interval": texts.interval,
        "needed": texts.needed,
        "control": texts.control,
        "margin": exact(claim["margin"]),
        "table": entry["table"],
        "rule": entries.rule_name(entry["id"]),
    }


def numbers():
    """Return everything that the article reads from committed files."""
    entries = {entry["id"]: entry for entry in checking.load_claims(CHAPTERS)}
    judged = evidence.joined(references.read_claims(TIER), replications.read(TIER))
    committed = {claim["id"]: claim for claim in judged}
    claims = {name: said(committed[name], entry) for name, entry in entries.items() if name in committed}
    counts = Counter(claim["verdict"] for claim in claims.values())
    about = json.loads((ROOT / "codemeta.json").read_text(encoding="utf-8"))
    return {
        "title": "Gradient descent on UUᵀ, measured",
        "authors": [author["name"] for author in about["author"]],
        "version": tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"],
        "step-factor": checking.load_tier(ROOT / "config" / f"{TIER}.yaml")["step_factor"],
        "total": len(claims),
        "judged": len(claims) - counts["not-judged"],
        "counts": {name: counts[name] for name in ("supported", "refuted", "inconclusive")},
        "claims": claims,
    }


def gather(stage):
    """Put the article's text, numbers, figures and bibliography into a folder."""
    shutil.copyfile(TEXT, stage / "article.typ")
    text, papers = TEXT.read_text(encoding="utf-8"), bibliography(ROOT / "references.bib")
    cited = [f"{entry}\n" for key, entry in papers.items() if f"@{key}" in text]
    (stage / "references.bib").write_text("\n".join(cited), encoding="utf-8")
    shutil.copytree(ROOT / "docs" / "figures", stage / "figures")
    (stage / "claims.json").write_text(json.dumps(numbers(), ensure_ascii=False), encoding="utf-8")


def build(target):
    """Write the article to a path as PDF, or as PNG if the name contains ``{p}`` for the page's number."""
    programs = [str(path) for path in (ROOT / ".venv" / "site" / "lib").glob("python*/site-packages")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(programs)}
    with tempfile.TemporaryDirectory(prefix="article-") as folder:
        gather(Path(folder))
        command = [sys.executable, "-P", "-c", COMPILE, str(Path(folder) / "article.typ"), str(target), folder]
        command += [str(Path(matplotlib.get_data_path()) / "fonts" / "ttf")]
        return subprocess.run(command, env=environment).returncode


def main():
    """Build the article and print its location."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    target = ROOT / "article.pdf"
    status = build(target)
    if status == 0:
        print(f"wrote {target.name}")
    sys.exit(status)


if __name__ == "__main__":
    main()
