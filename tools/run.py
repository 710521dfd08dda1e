"""Run the workflow for a target of the Makefile: python tools/run.py TARGET. With --check only validate what was typed.

make passes its variables (TIER, ID, NAME, CORES, ARGS …) through the environment, so that no shell reads one as text.
This file needs only Python's standard library, so that a wrong value is rejected before anything is installed.
"""

import argparse
import difflib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

GIVEN = os.environ
BIN = Path(".venv/bin").absolute()
# Targets that are tiers; the other targets run standard, unless TIER names another tier.
TIERS = ("smoke", "quick", "full")
SIZES = ("smoke", "quick", "standard", "full")
# make's own, which may be set on its command line.
OF_MAKE = ("SHELL", "MAKEFLAGS")
NEEDED = {
    "clean": ("TIER", "give the tier whose results are to be deleted"),
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


def nearest(word, known, otherwise):
    """Return the known names that are most like a word, as a text; ``otherwise`` if none is."""
    by_case = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_case, n=4, cutoff=0.5)
    start = word.lower().partition("-")[0]
    near += [name for name in by_case if len(start) > 2 and name.startswith(start) and name not in near]
    return f"nearest: {', '.join(by_case[name] for name in near[:4])}" if near else otherwise


def check_target(target):
    """Stop if the Makefile has no such target, or takes no variable that its command line sets."""
    text = Path("Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z][a-z-]*):.*## ", text, re.M)
    if target not in targets:
        print(f"make {target}: no such target; {nearest(target, targets, 'make help lists them')}", file=sys.stderr)
        sys.exit(2)
    known = [
        name for line in re.findall(r"^(?:COMMAND_LINE|ENVIRONMENT) := (.*)$", text, re.M) for name in line.split()
    ]
    # What the command line sets comes behind two dashes, with a backslash before each space in a value.
    _, _, given = GIVEN.get("MAKEFLAGS", "").partition("-- ")
    for name, value in re.findall(r"(?:^| )([^\s=:?+!]+)[:?+!]*=((?:\\.|[^\s\\])*)", given):
        if name not in (*known, *OF_MAKE):
            reason = f"make has no variable {name}; {nearest(name, known, f'it has {chr(32).join(known)}')}"
            print(f"{name} = {value}: {reason}", file=sys.stderr)
            sys.exit(2)


def tier_file(target):
    """Return the file of the target's tier."""
    tiers = {path.stem: path for path in sorted(Path("config").glob("*.yaml"))}
    tier = GIVEN.get("TIER", target if target in TIERS else "standard")
    if tier not in tiers and not (tier.endswith(".yaml") and Path(tier).is_file()):
        refuse("TIER", f"allowed are {' '.join(tiers)}, or the path of a tier file that exists (….yaml)")
    return tiers.get(tier, Path(tier))


def setting(file, key):
    """Return a setting of one word in a tier file, or None."""
    found = re.search(rf"^{key}: *([A-Za-z0-9_-]+)", file.read_text(encoding="utf-8"), re.M)
    return found and found[1]


def results_of(file):
    """Return the folder of the results of a tier file."""
    return Path("results", setting(file, "tier") or file.stem)


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
    """Stop if a target or variable does not exist, a value is wrong, or one that the target needs is missing."""
    check_target(target)
    file, known = tier_file(target), chapters()
    if not re.fullmatch(r"[1-9][0-9]{0,3}", GIVEN["CORES"]):
        refuse("CORES", "allowed is a whole number from 1 to 9999")
    needed, what = NEEDED.get(target, ("", ""))
    if needed and not GIVEN.get(needed):
        print(f"make {target} {needed}=…: {what}", file=sys.stderr)
        sys.exit(2)
    if target == "claim":
        check_claim(known.values(), file)
    if target == "replicate" and not re.fullmatch(r"[0-9]{1,10}( [0-9]{1,10})*", GIVEN["SEED"]):
        refuse("SEED", "allowed are whole numbers other than the tier's seed")
    if target in ("chapter", "verify", "reference", "replicate") and GIVEN.get("NAME", "") not in ("", *known):
        refuse("NAME", f"no chapter has this name; {nearest(GIVEN['NAME'], known, f'there are {chr(32).join(known)}')}")
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


def claims_of(folders):
    """Return the text of each claim's entry, by id."""
    text = "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in folder.glob("claims.yaml"))
    return {one.split("\n")[0].strip(): one for one in re.split(r"^- id: ", text, flags=re.M)[1:]}


def check_claim(folders, file):
    """Stop if no chapter has the claim, with the ids that are most like it, or if the tier does not judge it."""
    entries, wanted = claims_of(folders), GIVEN["ID"]
    if wanted not in entries:
        refuse("ID", f"no claim has this id; {nearest(wanted, entries, 'docs/claims.md has all')}")
    tiers = re.search(r"^  tiers: \[(.*)\]", entries[wanted], re.M)
    judging = tiers[1].split(", ") if tiers else []
    size = setting(file, "like") or setting(file, "tier")
    if judging and size in SIZES and size not in judging:
        refuse(
            "TIER" if GIVEN.get("TIER") else "ID",
            f"tier {size} does not judge {wanted}; TIER={' or TIER='.join(judging)} does",
        )


def clean(file):
    """Delete the results of a tier."""
    folder = results_of(file)
    if not folder.exists():
        print(f"{folder} does not exist: nothing is deleted")
        return
    print(f"deleting {folder}")
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder)


def takes(target, file):
    """Return about how long a target takes, from the committed seconds of its results; empty if nothing is known."""
    costs = json.loads(Path("reference", "cost.json").read_text(encoding="utf-8"))
    size, wanted, name = setting(file, "like") or setting(file, "tier"), GIVEN.get("ID", ""), GIVEN.get("NAME", "")
    of_chapters, of_claims = (costs.get(size, {}).get(key, {}) for key in ("chapters", "claims"))
    seconds, about = sum(of_chapters.values()), "about"
    if target == "claim" and wanted in of_claims:
        seconds = of_claims[wanted]
    elif target == "claim":
        owner = next((name for name, folder in chapters().items() if wanted in claims_of([folder])), "")
        seconds, about = of_chapters.get(owner, 0), "at most about"
    elif target in ("chapter", "verify") and name:
        seconds = of_chapters.get(name, 0)
    elif size == "full":
        return f"hours; make estimate TIER={size} estimates the time of its descents here"
    if not seconds:
        return ""
    time = f"{seconds / 60:.0f} minutes" if seconds > 90 else f"{max(10, round(seconds, -1)):.0f} s"
    return f"{about} {time} of processor time, from nothing"


def run(target):
    """Run the workflow with a progress bar, then show the verdicts; return Snakemake's exit status."""
    file, claim, chapter = tier_file(target), GIVEN.get("ID", ""), GIVEN.get("NAME", "")
    goals, shown, asked = [], [], ""
    if target == "claim":
        goals, shown, asked = [f"claim_{claim.replace('-', '_')}"], [claim], f"claim {claim} in "
    elif target == "verify":
        goals = ["verify", *(["--config", f"chapters=[{chapter}]"] if chapter else [])]
        asked = f"verify chapter {chapter} in " if chapter else "verify "
    elif chapter:
        goals, shown, asked = [f"chapter_{chapter}"], ["--chapter", chapter], f"chapter {chapter} in "
    asked = f"{asked}tier {results_of(file).name}"
    print(f"Starting {asked}: Snakemake plans the jobs, which takes some ten seconds", flush=True)
    environment = {**GIVEN, "PATH": f"{BIN}{os.pathsep}{GIVEN['PATH']}", "ALGOREG_CHAPTER_PATH": chapter_path()}
    environment |= {"ALGOREG_ASKED": asked, "ALGOREG_TAKES": takes(target, file)}
    command = [BIN / "snakemake", "--logger", "algoreg", "--cores", GIVEN["CORES"], *goals]
    command += [*shlex.split(GIVEN.get("ARGS", "")), "--configfile", file]
    # Ctrl-C also reaches Snakemake, which then ends its jobs, and this process waits for that.
    signal.signal(signal.SIGINT, lambda *_: None)
    status = subprocess.run(command, env=environment).returncode
    subprocess.run([BIN / "python", "tools/show_verdicts.py", file, *shown, "--status", str(status)], env=environment)
    report = results_of(file) / "verify.txt"
    if target == "verify" and not status and report.exists():
        text = report.read_text(encoding="utf-8")
        print(f"\n{text}", end="")
        if GIVEN.get("EXACT") and (moved := re.findall(r"^table (\S+): agrees", text, re.M)):
            print(f"EXACT: {len(moved)} tables differ in a digit: {', '.join(moved)}", file=sys.stderr)
            return 1
    return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", help="reproduce, quick, smoke, full, claim, chapter, verify, reference or clean")
    parser.add_argument(
        "--check", action="store_true", help="only validate what was typed; TARGET may be any target of the Makefile"
    )
    arguments = parser.parse_args()
    check(arguments.target)
    if arguments.target == "clean" and not arguments.check:
        clean(tier_file("clean"))
    elif not arguments.check:
        sys.exit(run(arguments.target))
