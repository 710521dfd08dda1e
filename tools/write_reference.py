"""Rewrite a tier's committed reference and what is generated from it: python tools/write_reference.py TIER."""

import argparse
import contextlib
import os
import shutil
from pathlib import Path

import pandas as pd

from algoreg import jobs
from algoreg.claims import matching, published
from algoreg.recipes import Recipes
from algoreg.regression import references, rejudge, snapshots, verify
from algoreg.results import chain, records
from algoreg.settings import checking, plan
from algoreg.settings.chapters import load_chapters
from algoreg.settings.tier import TIERS
from write_docs import refresh_documents
from write_times import keep_times

ROOT = Path(__file__).resolve().parents[1]


def made_files(tier, results, partial):
    """Return the tables, verdicts and figures that a reference of a tier is made from.

    Parameters
    ----------
    tier : mapping
        The tier's settings.
    results : pathlib.Path
        The folder ``results/<tier>``.
    partial : bool
        Whether to return only those that exist.
    """
    tables = [results / "tables" / f"{name}.csv" for name in plan.tables(tier)]
    if partial:
        return [*(path for path in tables if path.exists()), *sorted((results / "claims").glob("*.json"))]
    figures = [results / "figures" / f"{name}.svg" for name in tier["figures"]]
    return [*tables, results / "claims.json", results / "controls.json", *figures]


def require_current(tier, claims, results, wanted):
    """Stop unless the results, and all that they depend on, were made with the present settings, code and inputs.

    Parameters
    ----------
    tier : mapping
        The tier's settings.
    claims : list of mapping
        The claims of the tier's chapters.
    results : pathlib.Path
        The folder ``results/<tier>``.
    wanted : list of pathlib.Path
        The files that the reference is made from.

    Returns
    -------
    list of str
        All these results, as paths below ``results/<tier>``.
    """
    # Paths in recipes are relative to the folder that contains the results.
    with contextlib.chdir(results.resolve().parents[1]):
        files = [os.path.relpath(path.resolve()) for path in wanted]
        required = Recipes(tier, claims, ROOT).required(files)
        if strange := [file for file in files if file not in required]:
            raise SystemExit(
                f"{', '.join(strange)}: no result of tier {tier['tier']}: delete it, or move it to its place"
            )
        try:
            chain.require(required)
        except chain.BrokenChain as error:
            raise SystemExit(f"{error}\nmake reference TIER={tier['tier']} creates first what is missing.") from error
    return list(map(records.name_in_tier, required))


def ours(chapters):
    """Return this project's chapters, because its documents do not describe the user's own."""
    return [chapter for chapter in chapters if chapter.shipped]


def read_options():
    """Return the command line's options, or stop if they do not fit together."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tier", choices=TIERS)
    parser.add_argument(
        "--partial",
        action="store_true",
        help="write only the tables and claims that exist, not a whole tier; other committed ones stay, and make verify "
        "asks for these parts",
    )
    parser.add_argument(
        "--rejudge",
        action="store_true",
        help="run nothing; compute comparisons and verdicts anew from the committed tables",
    )
    parser.add_argument("--chapter", help="write only this chapter; the references of the others stay as they are")
    parser.add_argument("--results", type=Path, help="folder of the tier's results (default: results/<tier>)")
    options = parser.parse_args()
    if options.partial and options.tier != "full":
        parser.error(f"--partial: a reference of tier {options.tier} is of all of it, as documents are made of it")
    if options.chapter and (options.partial or options.rejudge):
        parser.error("--chapter: not with --partial or --rejudge")
    if options.rejudge and options.tier != "full":
        parser.error("--rejudge: only for the reference of a part of tier full, whose runs are dear")
    options.results = options.results or ROOT / "results" / options.tier
    return options


def keep(chapter, tier, texts, judged, partial, made_on):
    """Write a chapter's reference, reference/<tier>/<chapter>/, unless it would be empty."""
    if texts["tables"] or texts["comparisons"]:
        folder = references.folder_of(chapter, tier)
        snapshots.write(folder, texts, judged, partial, made_on)
        print(f"wrote {folder}")


def rejudge_references(blocks, chapters, tier):
    """Recompute the comparisons and verdicts of existing references from their tables.

    In this way a criterion or a published curve that was added later is judged from runs that are expensive to repeat.
    """
    for chapter in (one for one in chapters if references.claims_file(one, tier).exists()):
        frames, comparisons = references.read(chapter, tier)["tables"], {}
        for name, block in plan.compared(blocks).items():
            if block["compare"] in frames:
                compare = matching.scan_alpha if "scan" in block else matching.compare
                rows = compare(frames[block["compare"]], published.load_published(block["published"]))
                comparisons[name] = pd.DataFrame(rows)
        found = rejudge.rejudge({**frames, **comparisons}, blocks, checking.load_claims([chapter.name]))
        judged = [{field: claim[field] for field in snapshots.CLAIM_FIELDS} for claim in found.values()]
        texts = {name: snapshots.comparison_text(frame) for name, frame in comparisons.items()}
        snapshots.write(references.folder_of(chapter, tier), {"tables": {}, "comparisons": texts}, judged, partial=True)


def write_references(blocks, chapters, options):
    """Write the costs of the chapters' jobs and the chapters' references, from results that are current."""
    tier, results, partial = options.tier, options.results, options.partial
    if options.chapter:
        # Otherwise make verify would require a whole tier, although only some of its chapters have a reference.
        partial = any(map(references.is_partial, references.paths(tier).values()))
        wanted = [results / path for path in jobs.chapter_files(blocks, chapters[0])]
    else:
        wanted = made_files(blocks, results, partial)
    wanted = [path.resolve() for path in wanted]
    require_current(blocks, checking.load_claims(), results, wanted)
    keep_times(blocks, results, chapters)
    for chapter in chapters:
        texts = snapshots.texts(results, blocks, chapter, partial)
        claims = snapshots.claims(results, blocks, chapter, partial)
        keep(chapter, tier, texts, claims, partial, verify.made_on(results, chapter))


def copy_figures(blocks, chapters, results):
    """Copy the figures of this project's chapters to docs/figures, from full only those that standard does not draw."""
    (ROOT / "docs" / "figures").mkdir(exist_ok=True)
    own = {name for chapter in ours(chapters) for name in chapter.entries.get("figures", {})} & set(blocks["figures"])
    if blocks["tier"] == "full":
        own -= set(checking.load_tier(ROOT / "config" / "standard.yaml")["figures"])
    for figure in (results / "figures" / f"{name}.svg" for name in sorted(own)):
        with records.atomic(ROOT / "docs" / "figures" / figure.name) as temporary:
            shutil.copyfile(records.check(figure), temporary)
        print(f"wrote docs/figures/{figure.name}")


def main():
    """Write the references of a tier and all documents made from them; for standard and full also docs/figures."""
    options = read_options()
    blocks = checking.load_tier(ROOT / "config" / f"{options.tier}.yaml")
    chapters = load_chapters(options.chapter and [options.chapter])
    if options.rejudge:
        rejudge_references(blocks, chapters, options.tier)
    else:
        write_references(blocks, chapters, options)
        if options.tier in ("standard", "full") and not options.partial:
            copy_figures(blocks, chapters, options.results)
    refresh_documents()


if __name__ == "__main__":
    main()
