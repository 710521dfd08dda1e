"""How far runs that should agree do differ, per table and column and per claim: `make spread`, or python benchmarks/spread.py --tier smoke.

Each variation recomputes a tier's tables in a process of its own and compares them with those of the tier's settings. What is
measured is written to reference/spread/<tier>.json, beside the tolerances that it is the reason for.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from algoreg import claims, devices, published, records, reference, report, settings
from algoreg.kernels import library, passes
from in_process import measured_tables, tables_of

ROOT = Path(__file__).resolve().parents[1]
SCHEMAS = ROOT / "workflow" / "schemas"
OUTPUT = ROOT / "reference" / "spread"
# Options of `tables_of` and environment. The last one shows what float32 costs: verify never compares across data types.
VARIATIONS = {
    "two threads": ({"threads": 2}, {}),
    "every run alone": ({"alone": True}, {}),
    "AVX2 kernels": (
        {"cpu": "haswell"},
        {"ATEN_CPU_CAPABILITY": "avx2", "OPENBLAS_CORETYPE": "Haswell", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
    ),
    # Without instructions that multiply and add in one rounding.
    "SSE kernels": (
        {"cpu": "nehalem"},
        {"ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": "Nehalem", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"},
    ),
    "float64 throughout": ({"dtype": "float64"}, {}),
}


def compile_for(cpu):
    """Let the engine's loops be those that another x86 processor would get, from LLVM's list of them."""
    kernels = {dtype: library.Kernels(dtype, cpu=cpu) for dtype in devices.DTYPES.values()}
    passes.compiled = kernels.__getitem__


def child(tier, options):
    """Print the tables of a tier as JSON."""
    options = dict(options)
    if "cpu" in options:
        compile_for(options.pop("cpu"))
    content = settings.load_tier(ROOT / "config" / f"{tier}.yaml", SCHEMAS)
    print(json.dumps(tables_of(content, measured_tables(content), **options)))


def measure(tier, options, environment):
    """Return the tables of a tier computed in another process."""
    command = [sys.executable, __file__, "--tier", tier, "--options", json.dumps(options)]
    done = subprocess.run(command, env={**os.environ, **environment}, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def judged(tier, tables):
    """Return the verdicts of the claims that read these tables alone, comparisons with published curves aside."""
    content = settings.load_tier(ROOT / "config" / f"{tier}.yaml", SCHEMAS)
    frames = {name: report.frame_of(table) for name, table in tables.items()}
    curves = {name: published.load_published(name) for name in published.FIXED}
    registry = settings.load_claims(ROOT / "config" / "claims.yaml", SCHEMAS)
    return {
        entry["id"]: claims.judge(entry, frames, curves, content["seed"])
        for entry in registry
        if settings.judged(entry, content) and frames.keys() >= set(entry["experiments"])
    }


def claim_rows(name, new, old, tolerances):
    """Return one row per claim: its verdicts and the number that differs most, in parts of what is allowed."""
    rows = []
    for claim, base in old.items():
        fields = [field for field in reference.NUMBERS if None not in (base[field], new[claim][field])]
        scale = reference.claim_scale(base)
        allowed = tolerances.derived["relative"] * max(scale, tolerances.derived["floor"])
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


def rows_of(tier, variations):
    """Return one row per variation, table and column: the largest difference, and what part of the tolerance it is.

    And one per variation and claim, see :func:`claim_rows`.
    """
    tolerances = reference.Tolerances.load()
    base, rows = measure(tier, {}, {}), []
    verdicts = judged(tier, base)
    for name in variations:
        options, environment = VARIATIONS[name]
        other = measure(tier, options, environment)
        for table, old in base.items():
            new = other[table]
            same = new["keys"] == old["keys"] and new["status"] == old["status"]
            for column, (ratio, row) in reference.spread(new, old, table, tolerances).items():
                a, b = new[column][row], old[column][row]
                rows.append(
                    {
                        "table": table,
                        "column": column,
                        "variation": name,
                        "same_rows": same,
                        "row": row,
                        "this": a,
                        "other": b,
                        "of_tolerance": float(f"{ratio:.2g}"),
                    }
                )
        rows += claim_rows(name, judged(tier, other), verdicts, tolerances)
        worst = max(row["of_tolerance"] for row in rows if row["variation"] == name)
        print(f"{name}: at most {worst:.2g} of the tolerance", file=sys.stderr, flush=True)
    return rows


def main():
    """Measure and write, or print the tables of one variation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tier", default="smoke", choices=("smoke", "quick", "standard"))
    parser.add_argument("--variations", nargs="+", choices=VARIATIONS, default=list(VARIATIONS), metavar="NAME")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="a folder")
    parser.add_argument("--options", type=json.loads, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.options is not None:
        child(arguments.tier, arguments.options)
        return
    rows = rows_of(arguments.tier, arguments.variations)
    # The libraries that computed it; the machine's name is nobody's business.
    made = {key: value for key, value in records.machine().items() if key in ("processor", "python", "numpy", "torch")}
    lines = ",\n".join("    " + json.dumps(row) for row in rows)
    text = f'{{\n  "tier": {json.dumps(arguments.tier)},\n  "machine": {json.dumps(made)},\n  "rows": [\n{lines}\n  ]\n}}\n'
    path = arguments.output / f"{arguments.tier}.json"
    records.write_text(path, text)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
