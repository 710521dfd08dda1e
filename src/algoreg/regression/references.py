"""The committed numbers of a chapter in a tier: their files, and how to read them.

The project's chapters have them in ``reference/<tier>/<chapter>/``: one CSV per table, and ``claims.json`` with
verdicts, estimates and intervals. A user's chapter may have them in ``reference/<tier>/`` of its folder.

In memory a reference is a mapping with ``tables`` and ``comparisons`` (with published curves), which are data frames by
name, ``claims``, and ``partial`` if it covers a part of its tier. In a table the columns before ``status`` identify a
row, and those after it were measured.
"""

import json
from pathlib import Path, PurePosixPath

import pandas as pd

from algoreg.settings.chapters import load_chapters

FOLDER = Path(__file__).resolve().parents[3] / "reference"
COSTS = FOLDER / "cost.json"
# Kinds of results that references are made of.
CHAINED = ("data", "experiments", "tables", "claims", "figures")
MAPPINGS = ("tables", "comparisons")


def folder_of(chapter, tier):
    """Return the folder of a chapter's reference in the tier of this name, whether or not it exists."""
    return FOLDER / tier / chapter.name if chapter.shipped else chapter.folder / "reference" / tier


def claims_file(chapter, tier):
    """Return the file of a chapter's committed claims, which every reference has, whether or not it exists."""
    return folder_of(chapter, tier) / "claims.json"


def paths(tier, names=None):
    """Return the files of claims of a tier's references that exist, by chapter, in the order of the chapters."""
    known = {chapter.name: claims_file(chapter, tier) for chapter in load_chapters(names)}
    return {name: path for name, path in known.items() if path.exists()}


def files(claims):
    """Return the files of a reference, given its file of claims."""
    return [claims, *sorted(claims.parent.glob("*.csv"))]


def _json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def is_partial(claims):
    """Return whether the reference with this file of claims covers only a part of its tier."""
    return _json(claims).get("partial", False)


def read_claims(tier, names=None):
    """Return the committed claims of a tier, by default of all chapters."""
    return [claim for path in paths(tier, names).values() for claim in _json(path)["claims"]]


def claim_of(content, identity):
    """Return a claim's entry in a reference."""
    (claim,) = (claim for claim in content["claims"] if claim["id"] == identity)
    return claim


def keys_of(table):
    """Return the columns that identify a row of a table."""
    return list(table.columns[: table.columns.get_loc("status")])


def values_of(table):
    """Return the columns of a table that were measured."""
    return list(table.columns[table.columns.get_loc("status") + 1 :])


def read_table(source):
    """Read a committed table of runs or of an experiment, with its measured columns as floats."""
    frame = pd.read_csv(source)
    return frame.astype(dict.fromkeys(values_of(frame), float))


def read_comparison(source):
    """Read a committed comparison with a published curve."""
    return pd.read_csv(source)


def read(chapter, tier):
    """Read the reference of a chapter in a tier."""
    claims = claims_file(chapter, tier)
    content = {**_json(claims), **{kind: {} for kind in MAPPINGS}}
    order = {name: number for number, name in enumerate(chapter.tables)}
    for path in sorted(files(claims)[1:], key=lambda path: order.get(path.stem, len(order))):
        if "compare" in chapter.entries["experiments"].get(path.stem, {}):
            content["comparisons"][path.stem] = read_comparison(path)
        else:
            content["tables"][path.stem] = read_table(path)
    return content


def read_tier(tier):
    """Return the references of a tier's chapters joined into one, with the tier's cost; None if there are none."""
    parts = [read(chapter, tier) for chapter in load_chapters() if claims_file(chapter, tier).exists()]
    if not parts:
        return None
    return {
        **({"partial": True} if any(part.get("partial") for part in parts) else {}),
        **{kind: {name: table for part in parts for name, table in part[kind].items()} for kind in MAPPINGS},
        "claims": [claim for part in parts for claim in part["claims"]],
        "cost": costs().get(tier),
    }


def left_open(chapter, chosen):
    """Return the ids of a chapter's claims that read a table of a chapter that was not chosen."""
    names = {one.name for one in chosen}
    elsewhere = {table for one in load_chapters() if one.name not in names for table in one.tables}
    return {claim["id"] for claim in chapter.claims if elsewhere & set(claim["experiments"])}


def costs():
    """Return the committed CPU time and memory of the tiers' jobs, by tier."""
    return _json(COSTS)


def cost_of(folder, results):
    """Return totals of the sidecars in a folder: CPU seconds summed over results, and the largest job's memory in MiB.

    Parameters
    ----------
    folder : pathlib.Path
        ``results/<tier>/provenance``.
    results : iterable of str
        The results that a reference is made from, directly or indirectly, as paths below ``results/<tier>``. Other
        data, measurements, tables, claims and figures were made with earlier settings and are not counted. All other
        results, such as pages, are counted.
    """
    kept = {PurePosixPath(name).with_suffix("") for name in results}
    # The files of a figure differ only in their suffix.
    names = {path: path.relative_to(folder).with_suffix("").with_suffix("") for path in folder.rglob("*.json")}
    counted = [path for path, name in names.items() if name in kept or name.parts[0] not in CHAINED]
    found = [one for one in map(_json, counted) if "cpu_seconds" in one]
    if not found:
        return None
    return {
        "cpu_seconds": round(sum(one["cpu_seconds"] for one in found)),
        "peak_mib": max(one["peak_mib"] for one in found),
    }


def chapter_costs(folder, chapters, results):
    """Return the CPU seconds of each chapter's data, measurements and tables, without figures, by chapter.

    The other parameters are the same as for :func:`cost_of`.
    """
    owner = {name: chapter.name for chapter in chapters for name in chapter.tables}
    seconds = dict.fromkeys(owner.values(), 0.0)
    for path in map(PurePosixPath, results):
        if path.parts[0] in ("data", "experiments", "tables"):
            # Files of single ensembles or parts are in a folder with the table's name.
            name = path.parts[1].partition(".")[0]
            if name in owner:
                seconds[owner[name]] += _json(folder / f"{path}.json").get("cpu_seconds", 0)
    return {name: round(number) for name, number in seconds.items() if number}


def duration(tier):
    """Return a sentence about how long a tier takes; None if that has not been measured."""
    cost = costs().get(tier)
    if cost is None:
        return None
    if "cpu_seconds" not in cost:
        return f"All of tier {tier} takes hours: make estimate TIER={tier} estimates how long its descents take here."
    minutes = cost["cpu_seconds"] / 60
    return f"All of tier {tier} took {minutes:.0f} minutes of CPU time where its reference was made, without the start of each job."
