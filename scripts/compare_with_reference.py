"""Compare a tier's results with the committed references of its chapters; fail if they differ."""

from pathlib import Path

from algoreg.regression import comparison, references, snapshots
from algoreg.regression.tolerances import Tolerances
from algoreg.results import chain, joblog, records
from algoreg.settings import plan
from algoreg.settings.chapters import load_chapters

joblog.write_to(snakemake.log[0])

chain.require(chain.from_params(snakemake.params.required))
results, tier = Path(snakemake.output.report).parent, snakemake.config
chapters = load_chapters(snakemake.params.job["chapters"])
allowed, lines, failed = Tolerances.load(chapters=chapters), [], []
passed = bool(snakemake.input.references)
paths = references.paths(tier["tier"], [chapter.name for chapter in chapters])
whole = not any(map(references.is_partial, paths.values()))
for chapter in chapters:
    if chapter.name not in paths:
        # A user's own chapter does not need a reference.
        lost = whole and chapter.shipped and any(name in chapter.tables for name in plan.tables(tier))
        missing = f", {references.claims_file(chapter, tier['tier'])} is missing"
        how = f"{missing}: make reference NAME={chapter.name} TIER={tier['tier']} writes one"
        lines.append(f"chapter {chapter.name}: no reference{how if lost else ''}")
        failed += lines[-1:] if lost else []
        passed &= not lost
        continue
    old = references.read(chapter, tier["tier"])
    new = snapshots.snapshot(results, tier, chapter, partial=old.get("partial", False))
    left_open = references.left_open(chapter, chapters)
    for content in (new, old):
        content["claims"] = [claim for claim in content["claims"] if claim["id"] not in left_open]
    found, same = comparison.compare(new, old, allowed)
    lines += [f"chapter {chapter.name}:", *found]
    failed += [line for line in found if f": {comparison.DIFFERENT}" in line]
    lines += [f"claim {name}: not compared, as this run lacks a chapter that it reads" for name in sorted(left_open)]
    passed &= same
# What failed is written again at the end, because an error message shows only that.
text = "\n".join([*lines, *failed, "verify: passed" if passed else "verify: FAILED"]) + "\n"
print(text, end="")
if not passed:
    raise SystemExit(1)
records.write_text(snakemake.output.report, text)
