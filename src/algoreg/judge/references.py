"""Where the committed numbers of a chapter in a tier lie, and how they are read.

Those of the project's chapters are ``reference/runs/<tier>/<chapter>.json``. A chapter of the user's own may have them beside
it, in ``reference/<tier>.json`` of its folder.
"""

import csv
import json
import re
from pathlib import Path

from algoreg import sources
from algoreg.spec.chapters import SECTIONS, load_chapters

RUNS = Path(__file__).resolve().parents[3] / "reference" / "runs"
COSTS = RUNS.parent / "cost.json"
TOLERANCES = RUNS.parent / "tolerances.yaml"
MAPPINGS = ("tables", "comparisons", "problems")


def path_of(chapter, tier):
    """Return the file of a chapter's reference in the tier of this name, whether or not it exists."""
    own = chapter.folder.parent == sources.PACKAGE / "chapters"
    return RUNS / tier / f"{chapter.name}.json" if own else chapter.folder / "reference" / f"{tier}.json"


def paths(tier, names=None):
    """Return the references of a tier that exist, by chapter, in the order of the chapters.

    Parameters
    ----------
    tier : str
    names : list of str, optional
        Of chapters; all when left out.
    """
    known = {chapter.name: path_of(chapter, tier) for chapter in load_chapters(names)}
    return {name: path for name, path in known.items() if path.exists()}


def tolerance_files(chapters):
    """Return the chapters' files of tolerances that exist, each in its chapter's folder."""
    paths = [chapter.folder / "tolerances.yaml" for chapter in chapters]
    return [path for path in paths if path.exists()]


def read(path):
    """Return one chapter's reference; see :func:`algoreg.judge.snapshots.snapshot`."""
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


def cost_of(folder):
    """Return what Snakemake's benchmark files say: CPU seconds summed over jobs, and the largest job's memory in MiB."""
    rows = [row for path in folder.rglob("*.tsv") for row in _benchmarked(path)]
    if not rows:
        return None
    memory = [float(row["max_rss"]) for row in rows if row["max_rss"] not in ("NA", "-")]
    return {"cpu_seconds": round(sum(map(cpu_seconds, rows))), "peak_mib": round(max(memory, default=0))}


def chapter_costs(folder, chapters):
    """Return the CPU seconds of the jobs that made each chapter's problems, runs and tables, figures aside, by chapter."""
    measured = [section for section in SECTIONS if section != "figures"]
    owner = {
        name: chapter.name
        for chapter in chapters
        for section in measured
        for name in chapter.experiments.get(section, ())
    }
    seconds = dict.fromkeys(owner.values(), 0.0)
    for path in folder.rglob("*.tsv"):
        # A job on one ensemble has its number behind the name.
        name = re.sub(r"-\d+$", "", path.stem)
        if name in owner and path.parent.name != "draw_figure":
            seconds[owner[name]] += sum(map(cpu_seconds, _benchmarked(path)))
    return {name: round(number) for name, number in seconds.items() if number}


def duration(tier):
    """Return how long a tier takes, as a sentence; None where nobody has measured it."""
    cost = read(COSTS).get(tier)
    if cost is None:
        return None
    if "cpu_seconds" not in cost:
        return f"All of tier {tier} takes hours: make estimate TIER={tier} says how long its descents take here."
    minutes = cost["cpu_seconds"] / 60
    return f"All of tier {tier} took {minutes:.0f} minutes of CPU time where its reference was made, {minutes / 2:.0f} on two idle cores."


def _benchmarked(path):
    """Return the rows of one of Snakemake's benchmark files."""
    with open(path, encoding="utf-8") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def cpu_seconds(row):
    """Return the CPU seconds of a job, of itself and its children, from its row of Snakemake's benchmark file.

    Seconds on a clock would grow with what else the machine does. Snakemake looks at a job's ``cpu_time`` every half second for a
    quarter of a minute, then every half minute, and never at its end: what came after the last look is taken to have
    used the processor as what came before. A job that ended before the first look has none (NA, - or 0): its
    seconds on the clock are taken, at most about one.

    Parameters
    ----------
    row : mapping of str to str
    """
    wall = float(row["s"])
    seen = 0.0 if row["cpu_time"] in ("NA", "-") else float(row["cpu_time"])
    short, steps, long = 0.5, 31, 30.0
    after = wall - short * steps
    last = short * (wall // short) if after < 0 else short * steps + long * (after // long)
    return seen * wall / last if seen and last else wall
