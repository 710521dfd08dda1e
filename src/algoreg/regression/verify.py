"""Compare a tier's results with the committed references of its chapters, and describe what was found."""

import json

from algoreg import plugins
from algoreg.regression import comparison, references, snapshots
from algoreg.settings import plan
from algoreg.settings.chapters import load_chapters

FACTS = ("processor", "device", "python", "seed")


def made_on(results, chapter):
    """Return on what a chapter's tables were made: processors, devices, versions of Python and seeds.

    Parameters
    ----------
    results : pathlib.Path
        The folder ``results/<tier>``, whose sidecars are read.
    chapter : algoreg.settings.chapters.Chapter

    Returns
    -------
    dict of str to list
        Each fact's values; a list of two says that some tables were made elsewhere.
    """
    paths = [results / "provenance" / "tables" / f"{name}.csv.json" for name in chapter.tables]
    found = [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]
    found = [{**one.get("machine", {}), **one} for one in found]
    # A table of selected runs was computed on no device.
    return {name: sorted({one[name] for one in found if one.get(name, "auto") != "auto"}) for name in FACTS}


def dtypes(tier):
    """Return the type that each of a tier's tables was computed in: float32 if any of its runs was."""
    found = {}
    for name in plan.tables(tier):
        block = tier["experiments"][name]
        block = tier["experiments"][block["compare"]] if "compare" in block else block
        parts = [tier["experiments"][one] for one in block["select"]] if "select" in block else [block]
        types = {plan.dtype_of(part, tier) for part in parts}
        found[name] = "float32" if "float32" in types else "float64"
    return found


def of_the_clock(tier):
    """Return the columns of each measured table that the clock decides."""
    blocks = {name: tier["experiments"][name] for name in plan.tables(tier)}
    named = {name: block["experiment"] for name, block in blocks.items() if "experiment" in block}
    return {name: getattr(plugins.experiment(one), "OF_THE_CLOCK", ()) for name, one in named.items()}


def _sides(here, there):
    """Return lines with the facts of both sides."""
    lines = []
    for name in FACTS:
        ours, theirs = (
            sorted({str(value) for side in sides for value in side.get(name, [])}) for sides in (here, there)
        )
        lines.append(f"{name}: {', '.join(ours) or 'not recorded'}; reference: {', '.join(theirs) or 'not recorded'}")
    return lines


def verify(results, tier, names):
    """Compare results with the references of chapters.

    Parameters
    ----------
    results : pathlib.Path
        The folder ``results/<tier>``.
    tier : mapping
        The tier's settings.
    names : list of str
        The chapters.

    Returns
    -------
    text : str
        What a person wants to know first, a line per table, and at the end again what failed, because an error message
        shows only a text's end.
    passed : bool
    """
    chapters = load_chapters(names)
    paths = references.paths(tier["tier"], [chapter.name for chapter in chapters])
    whole = not any(map(references.is_partial, paths.values()))
    found, here, there, reseeded = comparison.Outcome(), [], [], ([], [])
    types, timed = dtypes(tier), of_the_clock(tier)
    for chapter in chapters:
        if chapter.name not in paths:
            # A user's own chapter does not need a reference.
            lost = whole and chapter.shipped and any(name in chapter.tables for name in plan.tables(tier))
            missing = f", {references.claims_file(chapter, tier['tier'])} is missing"
            how = f"{missing}: make reference NAME={chapter.name} TIER={tier['tier']} writes one"
            found.add(f"chapter {chapter.name}: no reference{how if lost else ''}", not lost)
            continue
        old = references.read(chapter, tier["tier"])
        new = snapshots.snapshot(results, tier, chapter, partial=old.get("partial", False))
        left_open = references.left_open(chapter, chapters)
        for content in (new, old):
            content["claims"] = [claim for claim in content["claims"] if claim["id"] not in left_open]
        facts = old.get("made_on", {})
        here.append(made_on(results, chapter))
        there.append(facts)
        found.lines.append(f"chapter {chapter.name}:")
        if tier["seed"] in facts.get("seed", [tier["seed"]]):
            found.join(comparison.compare(new, old, types, timed))
        else:
            found.lines.append("another seed: compared with the other chapters below")
            for side, content in zip(reseeded, (new, old), strict=True):
                side += content["claims"]
        found.lines += [
            f"claim {name}: not compared, as this run lacks a chapter that it reads" for name in sorted(left_open)
        ]
    if reseeded[1]:
        found.join(comparison.compare_seeds(*reseeded))
    passed = bool(paths) and found.passed
    lines = [*found.summary(), *_sides(here, there), "", *found.lines, *found.failed]
    return "\n".join([*lines, f"verify: {'passed' if passed else 'FAILED'}"]) + "\n", passed
