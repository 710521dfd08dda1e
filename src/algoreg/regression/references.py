"""Where the committed numbers of a chapter in a tier lie, and how they are read.

Those of the project's chapters are ``reference/runs/<tier>/<chapter>.json``. A chapter of the user's own may have them
beside it, in ``reference/<tier>.json`` of its folder.
"""

import json
from pathlib import Path, PurePosixPath

from algoreg.settings.chapters import load_chapters

RUNS = Path(__file__).resolve().parents[3] / "reference" / "runs"
COSTS = RUNS.parent / "cost.json"
TOLERANCES = RUNS.parent / "tolerances.yaml"
# Kinds of results that references are made of.
CHAINED = ("data", "experiments", "tables", "claims", "figures")
MAPPINGS = ("tables", "comparisons")


def path_of(chapter, tier):
    """Return the file of a chapter's reference in the tier of this name, whether or not it exists."""
    return RUNS / tier / f"{chapter.name}.json" if chapter.shipped else chapter.folder / "reference" / f"{tier}.json"


def needed(chapter, content):
    """Return whether a chapter with this snapshot must have a reference; one of the user's own need not."""
    return chapter.shipped and bool(content["tables"] or content["comparisons"])


def paths(tier, names=None):
    """Return the references of a tier that exist, by chapter, in the order of the chapters: of these, or of all."""
    known = {chapter.name: path_of(chapter, tier) for chapter in load_chapters(names)}
    return {name: path for name, path in known.items() if path.exists()}


def tolerance_files(chapters):
    """Return the chapters' files of tolerances that exist, each in its chapter's folder."""
    paths = [chapter.folder / "tolerances.yaml" for chapter in chapters]
    return [path for path in paths if path.exists()]


def left_open(chapter, chosen):
    """Return the ids of a chapter's claims that read a table of a chapter that is not among those chosen."""
    names = {one.name for one in chosen}
    elsewhere = {table for one in load_chapters() if one.name not in names for table in one.tables}
    return {claim["id"] for claim in chapter.claims if elsewhere & set(claim["experiments"])}


def read(path):
    """Return one chapter's reference; see :func:`algoreg.regression.snapshots.snapshot`."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def read_tier(tier):
    """Return the references of a tier's chapters as one, with what the tier cost; None where there is none."""
    parts = [read(path) for path in paths(tier).values()]
    if not parts:
        return None
    whole = {key: {name: x for part in parts for name, x in part[key].items()} for key in MAPPINGS}
    return {
        **({"partial": True} if any(part.get("partial") for part in parts) else {}),
        **whole,
        "claims": [claim for part in parts for claim in part["claims"]],
        "cost": read(COSTS).get(tier),
    }


def cost_of(folder, made):
    """Return what the sidecars in a folder say: CPU seconds summed over results, and the largest job's memory in MiB.

    Parameters
    ----------
    folder : pathlib.Path
        ``results/<tier>/provenance``.
    made : iterable of str
        The results that a reference is made of, and what these are made of, as paths below ``results/<tier>``. Others
        of their kinds were made by earlier settings, and do not count; pages, which no reference is made of, do.
    """
    kept = {PurePosixPath(name).with_suffix("") for name in made}
    # A figure's files differ in the suffix alone.
    names = {path: path.relative_to(folder).with_suffix("").with_suffix("") for path in folder.rglob("*.json")}
    counted = [path for path, name in names.items() if name in kept or name.parts[0] not in CHAINED]
    found = [one for one in map(read, counted) if "cpu_seconds" in one]
    if not found:
        return None
    return {
        "cpu_seconds": round(sum(one["cpu_seconds"] for one in found)),
        "peak_mib": max(one["peak_mib"] for one in found),
    }


def chapter_costs(folder, chapters, made):
    """Return the CPU seconds that each chapter's data, measurements and tables took, figures aside, by chapter.

    Parameters are those of :func:`cost_of`, and the chapters.
    """
    owner = {name: chapter.name for chapter in chapters for name in chapter.tables}
    seconds = dict.fromkeys(owner.values(), 0.0)
    for path in map(PurePosixPath, made):
        if path.parts[0] in ("data", "experiments", "tables"):
            # A file of one ensemble or part lies in a folder of its name.
            name = path.parts[1].partition(".")[0]
            if name in owner:
                seconds[owner[name]] += read(folder / f"{path}.json").get("cpu_seconds", 0)
    return {name: round(number) for name, number in seconds.items() if number}


def duration(tier):
    """Return how long a tier takes, as a sentence; None where nobody has measured it."""
    cost = read(COSTS).get(tier)
    if cost is None:
        return None
    if "cpu_seconds" not in cost:
        return f"All of tier {tier} takes hours: make estimate TIER={tier} says how long its descents take here."
    minutes = cost["cpu_seconds"] / 60
    return f"All of tier {tier} took {minutes:.0f} minutes of CPU time where its reference was made, less the start of each job."
