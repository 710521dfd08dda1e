"""Print the verdict table of a tier, from what is finished: python tools/show_verdicts.py TIER [ID | --chapter NAME]."""

import argparse
from pathlib import Path

from algoreg.spec.chapters import load_chapters
from algoreg.store import records
from algoreg.tell.wording import verdict_table


def finished(results, wanted):
    """Return the verdicts below ``results/<tier>``: of these claims, or of all, judged together or one by one."""
    folder = results / "claims"
    if wanted is not None:
        return [records.read_json(folder / f"{name}.json") for name in wanted]
    if (results / "claims.json").exists():
        return records.read_json(results / "claims.json")
    return [records.read_json(path) for path in sorted(folder.glob("*.json"))]


def main():
    """Read the verdicts and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tier", help="the tier's name, or its file")
    parser.add_argument("id", nargs="?", help="show this claim alone")
    parser.add_argument("--chapter", help="show this chapter's claims alone")
    arguments = parser.parse_args()
    results, wanted = Path("results") / Path(arguments.tier).stem, None
    if arguments.id:
        wanted = [arguments.id]
    elif arguments.chapter:
        wanted = [entry["id"] for chapter in load_chapters([arguments.chapter]) for entry in chapter.claims]
    try:
        shown = finished(results, wanted)
    except (records.DamagedResult, FileNotFoundError):
        shown = []
    if not shown:
        print(f"no verdicts in {results} yet")
        return
    titles = {chapter.name: chapter.title for chapter in load_chapters()}
    print("\n" + verdict_table(shown, titles))
    print(f"\nFigures: {results}/figures · tables: {results}/tables · notebooks: {results}/notebooks")
    page = results / "report" / "index.html"
    if page.exists():
        print(f"Report page: {page}")


if __name__ == "__main__":
    main()
