"""Run the workflow for a target of the Makefile: python tools/run.py TARGET. With --check only validate the variables.

make passes its variables (TIER, ID, NAME, CORES, ARGS …) through the environment, so that no shell reads one as text.
This file needs only Python's standard library, so that a wrong value is rejected before anything is installed.
"""

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

GIVEN = os.environ
BIN = Path(".venv/bin").absolute()
# Targets that are tiers; the other targets run standard, unless TIER names another tier.
TIERS = ("smoke", "quick", "full")
NEEDED = {
    "claim": ("ID", "give the id of a claim, such as fig1-initialisation (docs/claims.md has all)"),
    "chapter": ("NAME", "give a chapter, a folder of src/algoreg/chapters"),
    "compare": ("METHODS", "give two methods or more, separated by commas"),
    "recover": ("DATA", "give a file of measurements (docs/use_it_on_your_data.md)"),
    "replicate": ("SEED", "give whole numbers other than the tier's seed"),
}


def refuse(name, reason):
    """Stop with a message that names a variable, its value and what is allowed."""
    print(f"{name} = {GIVEN.get(name, '')}: {reason}", file=sys.stderr)
    sys.exit(2)


def tier_file(target):
    """Return the file of the target's tier."""
    tiers = {path.stem: path for path in sorted(Path("config").glob("*.yaml"))}
    tier = GIVEN.get("TIER", target if target in TIERS else "standard")
    if tier not in tiers and not (tier.endswith(".yaml") and Path(tier).is_file()):
        refuse("TIER", f"allowed are {' '.join(tiers)}, or the path of a tier file that exists (….yaml)")
    return tiers.get(tier, Path(tier))


def chapters():
    """Return the folders of the package's chapters, and of those in CHAPTER_PATH, by name."""
    folders = ["src/algoreg/chapters"]
    for folder in filter(None, chapter_path().split(os.pathsep)):
        if not Path(folder).is_dir():
            refuse("CHAPTER_PATH", f"allowed are folders that exist, separated by {os.pathsep}")
        folders.append(folder)
    return {path.parent.name: path.parent for folder in folders for path in sorted(Path(folder).glob("*/chapter.yaml"))}


def chapter_path():
    """Return the folders of the user's own chapters, separated as in PATH."""
    return GIVEN.get("CHAPTER_PATH") or GIVEN.get("ALGOREG_CHAPTER_PATH", "")


def check(target):
    """Stop if a variable is wrong, or if a variable that the target needs is missing."""
    file, known = tier_file(target), chapters()
    if not re.fullmatch(r"[1-9][0-9]{0,3}", GIVEN["CORES"]):
        refuse("CORES", "allowed is a whole number from 1 to 9999")
    needed, what = NEEDED.get(target, ("", ""))
    if needed and not GIVEN.get(needed):
        print(f"make {target} {needed}=…: {what}", file=sys.stderr)
        sys.exit(2)
    if target == "claim":
        check_claim(known.values())
    if target == "replicate" and not re.fullmatch(r"[0-9]{1,10}( [0-9]{1,10})*", GIVEN["SEED"]):
        refuse("SEED", "allowed are whole numbers other than the tier's seed")
    if target in ("chapter", "verify", "reference") and GIVEN.get("NAME", "") not in ("", *known):
        refuse("NAME", f"allowed are {' '.join(known)}")
    if target == "verify":
        check_reference(file.stem, known.get(GIVEN.get("NAME")))


def check_reference(tier, folder):
    """Stop if a tier, or the chapter in a folder, has no reference to compare with."""
    if not Path("reference", tier).is_dir() and not folder:
        refuse("TIER", f"no reference for tier {tier}: reference/ has none")
    if not folder:
        return
    # The reference of a user's own chapter is in that chapter's folder.
    places = [Path("reference", tier, folder.name, "claims.json"), folder / "reference" / tier / "claims.json"]
    if not any(path.is_file() for path in places):
        refuse("NAME", f"this chapter has no reference for tier {tier}")


def check_claim(folders):
    """Stop if no chapter has the claim, with a list of claims that begin alike."""
    text = "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.glob("claims.yaml"))
    ids = re.findall(r"^- id: (\S+)$", text, re.M)
    if GIVEN["ID"] not in ids:
        near = [one for one in ids if one.startswith(GIVEN["ID"].split("-")[0])] or ids
        refuse("ID", f"allowed are the ids of docs/claims.md: {' '.join(near)}")


def run(target):
    """Run the workflow with a progress bar, then show the verdicts; return Snakemake's exit status."""
    file, claim, chapter = tier_file(target), GIVEN.get("ID", ""), GIVEN.get("NAME", "")
    goals, shown = [], []
    if target == "claim":
        goals, shown = [f"claim_{claim.replace('-', '_')}"], [claim]
    elif target == "verify":
        goals = ["verify", *(["--config", f"chapters=[{chapter}]"] if chapter else [])]
    elif chapter:
        goals, shown = [f"chapter_{chapter}"], ["--chapter", chapter]
    environment = {**GIVEN, "PATH": f"{BIN}{os.pathsep}{GIVEN['PATH']}", "ALGOREG_CHAPTER_PATH": chapter_path()}
    command = [BIN / "snakemake", "--logger", "algoreg", "--cores", GIVEN["CORES"], *goals]
    command += [*shlex.split(GIVEN.get("ARGS", "")), "--configfile", file]
    # Ctrl-C also reaches Snakemake, which then ends its jobs, and this process waits for that.
    signal.signal(signal.SIGINT, lambda *_: None)
    status = subprocess.run(command, env=environment).returncode
    subprocess.run([BIN / "python", "tools/show_verdicts.py", file, *shown, "--status", str(status)], env=environment)
    report = Path("results", file.stem, "verify.txt")
    if target == "verify" and not status and report.exists():
        text = report.read_text(encoding="utf-8")
        print(f"\n{text}", end="")
        if GIVEN.get("EXACT") and (moved := re.findall(r"^table (\S+): agrees", text, re.M)):
            print(f"EXACT: {len(moved)} tables differ in a digit: {', '.join(moved)}", file=sys.stderr)
            return 1
    return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", help="reproduce, quick, smoke, full, claim, chapter, verify or reference")
    parser.add_argument(
        "--check", action="store_true", help="only validate the variables; TARGET may be any target of the Makefile"
    )
    arguments = parser.parse_args()
    check(arguments.target)
    sys.exit(0 if arguments.check else run(arguments.target))
