"""Print the verdicts of a tier from its finished results.

Usage: python tools/show_verdicts.py TIER-OR-FILE [ID | --chapter NAME].
"""

import argparse
import textwrap
from collections import Counter
from pathlib import Path

from algoreg.reporting.wording import verdict_table, verdict_text
from algoreg.results import records
from algoreg.settings.chapters import load_chapters
from algoreg.settings.checking import load_yaml
from algoreg.settings.files import SettingsError
from algoreg.settings.tier import JUDGING


def finished(results, wanted):
    """Return the verdicts below ``results/<tier>``, of these claims or of all, from one file or a file per claim."""
    folder = results / "claims"
    if wanted is not None:
        paths = [folder / f"{name}.json" for name in wanted]
        return [records.read_json(path) for path in paths if path.exists()]
    if (results / "claims.json").exists():
        return records.read_json(results / "claims.json")
    return [records.read_json(path) for path in sorted(folder.glob("*.json"))]


def judging(shown):
    """Return a line with the tiers that judge any of these claims; empty if this tier judges one."""
    if any(claim["verdict"] != "not-judged" for claim in shown):
        return ""
    ids = {claim["id"] for claim in shown}
    entries = [entry for chapter in load_chapters() for entry in chapter.claims if entry["id"] in ids]
    tiers = [tier for tier in JUDGING if any(tier in entry["tiers"] for entry in entries)]
    return f"None is judged in this tier. What judges: TIER={', TIER='.join(tiers)}." if tiers else ""


def meaning(claim, tier):
    """Return what a claim's verdict means, where its picture is, and what to do next."""
    needed, chapter = verdict_text(claim).needed, claim["chapter"]
    meant = {
        "supported": f"the whole interval is on the claimed side of the margin ({needed}). In this run it holds that",
        "refuted": f"the whole interval is on the wrong side of the margin ({needed}). In this run it is false that",
        "inconclusive": f"the margin ({needed}) is inside the interval. This run leaves open whether",
        "invalid": "a control came out wrong or without an estimate. This run says nothing of the claim",
    }.get(claim["verdict"], "this tier lacks the runs that it takes. Nothing is said of the claim")
    lines = textwrap.wrap(f"{claim['verdict'].capitalize()}: {meant}: {claim['statement']}", 110)
    figure = f"{claim.get('figure')}.svg"
    for path, whose in ((Path("results") / tier / figure, ""), (Path("docs") / figure, " of the committed run")):
        if path.exists():
            lines.append(f"Picture{whose}: {path}")
            break
    text = Path("docs", "chapters", f"{chapter}.md")
    explained = f"; {text} explains it" if text.exists() else ""
    return "\n".join(
        [*lines, f"Next: make chapter NAME={chapter} TIER={tier} judges and draws its chapter{explained}."]
    )


def main():
    """Read the verdicts and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tier", help="name of a tier, name of its folder in results/, or its file")
    parser.add_argument("id", nargs="?", help="show only this claim")
    parser.add_argument("--chapter", help="show only the claims of this chapter")
    parser.add_argument(
        "--status", type=int, default=0, help="exit status of the run; if it is not 0, print what to do"
    )
    arguments = parser.parse_args()
    try:
        if arguments.tier.endswith(".yaml"):
            arguments.tier = load_yaml(Path(arguments.tier))["tier"]
        show(arguments)
    except SettingsError as error:
        # If the run stopped, its message is above.
        if not arguments.status:
            raise SystemExit(str(error).strip()) from error
    if arguments.status:
        print("\nNot all is done. The same command continues; errors above have their reason.")
        print("What to do about which: docs/guide.md, When something goes wrong.")


def show(arguments):
    """Print the verdicts that were asked for, and where the results are."""
    results, wanted = Path("results") / arguments.tier, None
    if arguments.id:
        wanted = [arguments.id]
    elif arguments.chapter:
        wanted = [entry["id"] for chapter in load_chapters([arguments.chapter]) for entry in chapter.claims]
    try:
        shown = finished(results, wanted)
    except records.DamagedResult as error:
        print(error)
        return
    if not shown:
        others = wanted is not None and any([*results.glob("claims.json"), *results.glob("claims/*.json")])
        what = f"claim {arguments.id}" if arguments.id else f"chapter {arguments.chapter}"
        print(f"no verdicts in {results} yet" if not others else f"verdicts in {results}: none of {what} yet")
        return
    titles = {chapter.name: chapter.title for chapter in load_chapters()}
    print("\n" + verdict_table(shown, titles))
    if invalid := [claim["id"] for claim in shown if claim["verdict"] == "invalid"]:
        print(
            f"\nInvalid, as a control came out wrong or without an estimate: {', '.join(invalid)}. A whole tier stops at that."
        )
    if judging(shown):
        print(f"\n{judging(shown)}")
    if arguments.id:
        print("\n" + meaning(shown[0], results.name))
        return
    folders = [name for name in ("figures", "tables", "notebooks") if (results / name).is_dir()]
    counts = Counter(claim["verdict"] for claim in shown)
    print(f"\n{len(shown)} claims: {', '.join(f'{number} {verdict}' for verdict, number in counts.most_common())}.")
    if folders:
        print(f"See {', '.join(str(results / name) for name in folders)}.")
    page = results / "report" / "index.html"
    if page.exists():
        # A run of a part of a tier does not rebuild the page.
        print(f"Report page{'' if wanted is None else ' of the last whole run'}: {page}")


if __name__ == "__main__":
    main()
