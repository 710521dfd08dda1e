"""Measure how far runs that should agree differ, per table and column and per claim.

`python benchmarks/spread.py --tier smoke` recomputes a tier's tables in a separate process for each variation and
compares them with the tables of the tier's settings; as many processes run at a time as there are cores. The result is
written to reference/spread/<tier>/<chapter>.json and is the reason for the tolerances. `--tables` measures only some
tables, which the file then lists.
"""

import argparse
import io
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

import kernels as libraries
from algoreg.regression import comparison, references, rejudge
from algoreg.regression.tolerances import Tolerances
from algoreg.results import machine, records
from algoreg.settings import checking
from algoreg.settings.chapters import load_chapters
from in_process import measured_tables, tables_of

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "reference" / "spread"
# For each variation the options of `tables_of`, and the kernels.
VARIATIONS = {
    "two threads": ({"threads": 2}, None),
    "halved batches": ({"batches": 2}, None),
    "AVX2 kernels": ({}, "AVX2"),
    "SSE kernels": ({}, "SSE"),
}
# Variations for the smoke tier only. In larger tiers, runs that do not share their ensemble take ten times as long. The
# effect of float32 does not concern the tolerances there, because verify never compares across data types.
SMOKE_ONLY = {
    "every run alone": ({"batches": None}, None),
    "float64 throughout": ({"dtype": "float64"}, None),
}


def child(tier, names, options):
    """Print tables of a tier as a JSON object of CSV texts."""
    print(json.dumps({name: table.to_csv(index=False) for name, table in tables_of(tier, names, **options).items()}))


def measure(tier, names, options, kernels):
    """Return tables of a tier that another process computes, with other kernels of the libraries if they are given."""
    command = [sys.executable, __file__, "--tier", tier["tier"], "--tables", *names, "--options", json.dumps(options)]
    command += [] if tier.get("chapters", "all") == "all" else ["--chapters", *tier["chapters"]]
    environment = libraries.environment(kernels) if kernels else None
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    texts = json.loads(done.stdout.splitlines()[-1])
    return {name: references.read_table(io.StringIO(text)) for name, text in texts.items()}


def chosen_tables(tier, patterns):
    """Return the names of a tier's measured tables that match patterns, in the tier's order.

    Raises
    ------
    ValueError
        If a pattern matches none.
    """
    names = measured_tables(tier)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"--tables {pattern}: allowed are patterns of {', '.join(names)}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def claim_rows(name, new, old, tolerances):
    """Return a row per claim: its verdicts and the number that differs most, as a multiple of the tolerance."""
    rows = []
    for claim, base in old.items():
        fields = [field for field in comparison.NUMBERS if None not in (base[field], new[claim][field])]
        scale = comparison.claim_scale(base)
        part = {**tolerances.derived, **tolerances.claims.get(claim, {})}
        allowed = part["relative"] * max(scale, part["floor"])
        worst = max(fields, key=lambda field: abs(new[claim][field] - base[field]), default=None)
        if worst:
            a, b = new[claim][worst], base[worst]
            rows.append(
                {
                    "claim": claim,
                    "field": worst,
                    "variation": name,
                    "same_verdict": new[claim]["verdict"] == base["verdict"],
                    "this": a,
                    "other": b,
                    "of_tolerance": float(f"{abs(a - b) / allowed:.2g}"),
                }
            )
    return rows


def table_rows(name, new, old, tolerances):
    """Return a row per table and column: the counted cell that differs most, as a multiple of the tolerance."""
    rows = []
    for table, kept in old.items():
        same = comparison.same_rows(new[table], kept, table, tolerances)
        for column, ratio in comparison.ratios(new[table], kept, table, tolerances).items():
            # As many cells as may exceed the tolerance are left out.
            falling = np.argsort(-ratio, kind="stable")
            row = int(falling[min(tolerances.allowed_over(table, column, len(ratio)), len(ratio) - 1)])
            rows.append(
                {
                    "table": table,
                    "column": column,
                    "variation": name,
                    "same_rows": bool(same),
                    "row": row,
                    "this": float(new[table][column][row]),
                    "other": float(kept[column][row]),
                    "of_tolerance": float(f"{ratio[row]:.2g}"),
                }
            )
    return rows


def rows_of(tier, names, variations):
    """Return the rows of :func:`table_rows` and :func:`claim_rows` for every variation, compared with the tier."""
    tolerances = Tolerances.load()
    with ThreadPoolExecutor(max((os.cpu_count() or 1) // tier["threads"], 1)) as pool:
        first = pool.submit(measure, tier, names, {}, None)
        others = {name: pool.submit(measure, tier, names, *change) for name, change in variations.items()}
    base, rows = first.result(), []
    entries = checking.load_claims()
    verdicts = rejudge.rejudge(base, tier, entries)
    for name, result in others.items():
        new = result.result()
        found = table_rows(name, new, base, tolerances) + claim_rows(
            name, rejudge.rejudge(new, tier, entries), verdicts, tolerances
        )
        print(
            f"{name}: at most {max(row['of_tolerance'] for row in found):.2g} of the tolerance",
            file=sys.stderr,
            flush=True,
        )
        rows += found
    return rows


def by_chapter(rows):
    """Return rows of tables and of claims by chapter."""
    found = {}
    for chapter in load_chapters():
        claims = {entry["id"] for entry in chapter.claims}
        found[chapter.name] = [row for row in rows if row.get("claim") in claims or row.get("table") in chapter.tables]
    return {name: own for name, own in found.items() if own}


def write(rows, folder, more):
    """Write the rows of each chapter into a folder that has the tier's name, below a header that describes them."""
    # The header lists processor and libraries; the machine's name stays private.
    made = {
        key: value for key, value in machine.description().items() if key in ("processor", "python", "numpy", "torch")
    }
    head = {"tier": folder.name, "machine": made, **more}
    above = "".join(f"  {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
    for chapter, own in by_chapter(rows).items():
        path = folder / f"{chapter}.json"
        lines = ",\n".join("    " + json.dumps(row) for row in own)
        records.write_text(path, f'{{\n{above}  "rows": [\n{lines}\n  ]\n}}\n')
        print(f"wrote {path}")


def main():
    """Measure the spread and write it, or print the tables of one variation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = {**VARIATIONS, **SMOKE_ONLY}
    parser.add_argument("--tier", default="smoke", choices=("smoke", "quick", "standard"))
    parser.add_argument("--tables", nargs="+", metavar="NAME", help="tables, or patterns of their names (default: all)")
    parser.add_argument("--chapters", nargs="+", metavar="NAME", help="measure only these chapters (default: all)")
    parser.add_argument("--variations", nargs="+", choices=known, metavar="NAME", help=", ".join(known))
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the files (default: %(default)s)")
    parser.add_argument("--options", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    file = ROOT / "config" / f"{arguments.tier}.yaml"
    tier = checking.complete_tier({**checking.load_yaml(file), "chapters": arguments.chapters or "all"}, str(file))
    try:
        names = chosen_tables(tier, arguments.tables or ["*"])
    except ValueError as wrong:
        parser.error(str(wrong))
    if arguments.options is not None:
        child(tier, names, arguments.options)
        return
    usual = known if arguments.tier == "smoke" else VARIATIONS
    rows = rows_of(tier, names, {name: known[name] for name in arguments.variations or usual})
    write(rows, arguments.output / arguments.tier, {"tables": names} if arguments.tables else {})


if __name__ == "__main__":
    main()
