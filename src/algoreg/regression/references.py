"""The committed numbers of a chapter in a tier: their files, and how to read them.

The project's chapters have them in ``reference/<tier>/<chapter>/``: one CSV per table, and ``claims.json`` with
verdicts, estimates and intervals. A user's chapter may have them in ``reference/<tier>/`` of its folder.

In memory a reference is a mapping with ``tables`` and ``comparisons`` (with published curves), which are data frames by
name, ``claims``, and ``partial`` if it covers a part of its tier. In a table the columns before ``status`` identify a
row, and those after it were measured.
"""

import json
from datetime import datetime
from pathlib import Path, PurePosixPath

import pandas as pd

from algoreg.settings.chapters import load_chapters

FOLDER = Path(__file__).resolve().parents[3] / "reference"
COSTS = FOLDER / "cost.json"
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
    """Return the committed times and memory of the tiers' jobs, by tier; see :func:`times`."""
    return _json(COSTS)


def times(known, folder, chapters, results, required):
    """Return a tier's times and memory, renewed from the sidecars of a run.

    Parameters
    ----------
    known : mapping
        What is committed. What this run did not compute stays.
    folder : pathlib.Path
        ``results/<tier>/provenance``.
    chapters : list
        The chapters whose costs are renewed.
    results : iterable of str
        The results that are counted, as paths below ``results/<tier>``.
    required : mapping of str to iterable of str
        By claim, the results that it depends on and its verdict.

    Returns
    -------
    dict
        ``peak_mib``, the largest job's memory; CPU seconds by ``chapters`` and ``claims``; and of an uninterrupted
        run from nothing on two cores ``minutes``, with the ``processor``.
    """
    found = {name: _json(folder / f"{name}.json") for name in results if (folder / f"{name}.json").exists()}
    used = {name: one["cpu_seconds"] for name, one in found.items() if "cpu_seconds" in one}
    by_claim = {
        name: sum(map(used.get, files)) for name, files in required.items() if files and set(files) <= set(used)
    }
    new = {"chapters": chapter_costs(used, chapters), "claims": {name: round(one, 1) for name, one in by_claim.items()}}
    peak = max((one.get("peak_mib", 0) for one in found.values()), default=0)
    # A part of a tier has not its largest job.
    kept = {"peak_mib": max(peak, known.get("peak_mib", 0))} | wall_clock(folder) if peak else {}
    merged = {key: dict(sorted({**known.get(key, {}), **values}.items())) for key, values in new.items()}
    return {**known, **kept, **{key: values for key, values in merged.items() if values}}


def wall_clock(folder, cores=2):
    """Return the minutes and the processor of a whole run that kept these cores at work; else nothing."""
    found = [_json(path) for path in folder.rglob("*.json")] if (folder / "report").exists() else []
    found = [one for one in found if {"written", "seconds", "cpu_seconds", "machine"} <= set(one)]
    processors = {one["machine"]["processor"] for one in found}
    if len(processors) != 1:
        return {}
    ended = [datetime.fromisoformat(one["written"]).timestamp() for one in found]
    passed = max(ended) - min(end - one["seconds"] for end, one in zip(ended, found, strict=True))
    # An interruption, or work beside the run, would count as its own.
    if sum(one["cpu_seconds"] for one in found) < 0.75 * cores * passed:
        return {}
    return {"minutes": round(passed / 60, 1), "processor": processors.pop()}


def chapter_costs(used, chapters):
    """Return the CPU seconds of each chapter's data, measurements and tables, without figures, by chapter.

    ``used`` are the seconds of each result, by its path below ``results/<tier>``.
    """
    owner = {name: chapter.name for chapter in chapters for name in chapter.tables}
    seconds = dict.fromkeys(owner.values(), 0.0)
    for path in map(PurePosixPath, used):
        if path.parts[0] in ("data", "experiments", "tables"):
            # Files of single ensembles or parts are in a folder with the table's name.
            name = path.parts[1].partition(".")[0]
            if name in owner:
                seconds[owner[name]] += used[str(path)]
    return {name: round(number) for name, number in seconds.items() if number}
