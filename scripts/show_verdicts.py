"""Print the verdict table of a tier, from what is finished: python scripts/show_verdicts.py TIER [ID]."""

import argparse
from pathlib import Path

from algoreg.spec.chapters import load_chapters
from algoreg.store import records
from algoreg.tell.wording import verdict_table


def main():
    """Read claims.json, or the single claims where it does not exist yet, and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tier", help="the tier's name, or its file")
    parser.add_argument("id", nargs="?", help="show this claim alone")
    arguments = parser.parse_args()
    results = Path("results") / Path(arguments.tier).stem
    try:
        if arguments.id:
            shown = [records.read_json(results / "claims" / f"{arguments.id}.json")]
        elif (results / "claims.json").exists():
            shown = records.read_json(results / "claims.json")
        else:
            shown = [records.read_json(path) for path in sorted((results / "claims").glob("*.json"))]
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
