"""Committed numbers of a tier, and the comparison of a new run with them."""

import csv
import json

import numpy as np

from algoreg import records, sources

# Relative tolerance per error cell. Float sums differ between machines, BLAS builds and thread counts; a step 1 % off
# lies above it.
RELATIVE = 2e-3
# A run that stopped below a training error may do so one check later elsewhere, ten iterations, which is under 1.5 %.
RELATIVE_CONVERGED = 1.5e-2
# Errors below this are compared on its scale, 5e-7 absolutely: float32 training errors end at a rounding floor near
# 5e-7, where the digits are noise.
FLOOR = 2.5e-4
JUDGED = {"supported", "refuted", "inconclusive"}
VALUES = ("train_error", "test_error")
IDENTICAL, WITHIN, DIFFERENT = "identical", "within tolerance", "DIFFERENT"


def snapshot(results, tier):
    """Return what is committed for a tier: table cells, verdicts, problem digests.

    Parameters
    ----------
    results : pathlib.Path
        The folder ``results/<tier>``.
    tier : mapping
        Its settings.
    """
    tables = {}
    for name, block in tier["experiments"].items():
        if "compare" in block:
            continue
        frame = records.read_table(results / "tables" / f"{name}.csv")
        keys = [*block["by"], "target", "ensemble"]
        tables[name] = {
            "keys": {key: frame[key].tolist() for key in keys},
            "status": frame["status"].tolist(),
            **{value: [None if np.isnan(x) else float(f"{x:.6g}") for x in frame[value]] for value in VALUES},
        }
    for name, block in tier.get("studies", {}).items():
        frame = records.read_table(results / "tables" / f"{name}.csv")
        keys, values = (sources.module_literal("studies", block["study"], part) for part in ("KEYS", "VALUES"))
        tables[name] = {
            "keys": {key: [_short(x) for x in frame[key].tolist()] for key in keys},
            "status": frame["status"].tolist(),
            **{value: [_short(float(x)) for x in frame[value]] for value in values},
        }
    comparisons = {}
    for name, block in tier["experiments"].items():
        if "compare" in block:
            rows = records.read_table(results / "tables" / f"{name}.csv").to_dict("records")
            comparisons[name] = [{key: _short(value) for key, value in row.items()} for row in rows]
    digests = {}
    for path in sorted((results / "problems").glob("*/*.npz")):
        digests[f"{path.parent.name}/{path.stem}"] = str(records.read_arrays(path)["problem_sha256"])
    fields = (
        "id",
        "verdict",
        "estimate",
        "ci_low",
        "ci_high",
        "control_verdict",
        "positive_control_verdict",
        "margin",
    )
    claims = [{field: claim[field] for field in fields} for claim in records.read_json(results / "claims.json")]
    return {
        "cost": _cost(results / "benchmarks"),
        "tables": tables,
        "comparisons": comparisons,
        "claims": claims,
        "problems": digests,
    }


def _short(value):
    """Return a cell for JSON: floats with 6 significant digits, NaN as null."""
    if isinstance(value, float):
        return None if np.isnan(value) else float(f"{value:.6g}")
    return value


def _cost(folder):
    """Return what Snakemake's benchmark files say: seconds summed over jobs, and the largest job's memory in MiB."""
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        with open(path, encoding="utf-8") as handle:
            rows += list(csv.DictReader(handle, delimiter="\t"))
    if not rows:
        return None
    memory = [float(row["max_rss"]) for row in rows if row["max_rss"] not in ("NA", "-")]
    return {"job_seconds": round(sum(float(row["s"]) for row in rows)), "peak_mib": round(max(memory, default=0))}


def dumps(content):
    """Return a snapshot as JSON text with one column or row a line, so that its diffs can be read."""

    def text(value):
        return json.dumps(value, ensure_ascii=False)

    def table(columns):
        keys = ",\n".join(f"        {text(key)}: {text(value)}" for key, value in columns["keys"].items())
        rest = [f"      {text(key)}: {text(value)}" for key, value in columns.items() if key != "keys"]
        return "{\n" + ",\n".join([*rest, '      "keys": {\n' + keys + "\n      }"]) + "\n    }"

    def rows(items, indent):
        return "[\n" + ",\n".join(indent + "  " + text(item) for item in items) + "\n" + indent + "]"

    tables = ",\n".join(f"    {text(name)}: {table(columns)}" for name, columns in content["tables"].items())
    comparisons = ",\n".join(
        f"    {text(name)}: {rows(items, '    ')}" for name, items in content["comparisons"].items()
    )
    parts = [
        f'  "cost": {text(content["cost"])}',
        '  "tables": {\n' + tables + "\n  }",
        '  "comparisons": {' + (f"\n{comparisons}\n  " if comparisons else "") + "}",
        f'  "claims": {rows(content["claims"], "  ")}',
        f'  "problems": {text(content["problems"])}',
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _compare_table(new, old):
    if new["keys"] != old["keys"] or new["status"] != old["status"]:
        return DIFFERENT, "rows or statuses differ"
    worst, where = 0.0, ""
    relative = np.where(np.array(old["status"]) == "converged", RELATIVE_CONVERGED, RELATIVE)
    same = True
    if new.keys() != old.keys():
        return DIFFERENT, f"columns differ: {', '.join(sorted(new.keys() ^ old.keys()))}"
    for value in (name for name in new if name not in ("keys", "status")):
        a, b = (np.array([np.nan if x is None else x for x in side[value]], dtype=float) for side in (new, old))
        if (np.isnan(a) != np.isnan(b)).any():
            return DIFFERENT, f"{value}: missing in different rows"
        if len(a) == 0 or np.isnan(a).all():
            continue
        same &= bool(np.array_equal(a, b, equal_nan=True))
        ratio = np.nan_to_num(np.abs(a - b) / (relative * np.maximum(np.abs(b), FLOOR)))
        if ratio.max() > worst:
            i = int(ratio.argmax())
            worst = float(ratio[i])
            point = ", ".join(f"{key}={column[i]}" for key, column in new["keys"].items())
            where = f"{value} at {point}: {a[i]:.6g}, reference {b[i]:.6g} ({worst:.2g} of the tolerance)"
    return (IDENTICAL if same else WITHIN if worst <= 1 else DIFFERENT), where


def compare(new, old):
    """Compare a tier's snapshot with its reference.

    Returns
    -------
    lines : list of str
        One per table, claim that changed, and problem digest that differs.
    passed : bool
        False if a table or a verdict is different. A digest alone may differ between platforms: it is reported.
    """
    lines, passed = [], True
    for name in sorted(set(new["tables"]) | set(old["tables"])):
        if name not in new["tables"] or name not in old["tables"]:
            lines.append(
                f"table {name}: {DIFFERENT} (only in {'the reference' if name in old['tables'] else 'this run'})"
            )
            passed = False
            continue
        outcome, where = _compare_table(new["tables"][name], old["tables"][name])
        passed &= outcome != DIFFERENT
        lines.append(f"table {name}: {outcome}" + (f"; worst: {where}" if where else ""))
    for name in sorted(set(new["comparisons"]) | set(old["comparisons"])):
        sides = [side["comparisons"].get(name) for side in (new, old)]
        outcome = DIFFERENT if None in sides else _compare_rows(*sides)
        passed &= outcome != DIFFERENT
        lines.append(f"table {name}: {outcome}")
    claims = {
        side: {claim["id"]: claim for claim in content["claims"]} for side, content in (("new", new), ("old", old))
    }
    alike = 0
    for name in dict.fromkeys([*claims["new"], *claims["old"]]):
        pair = [claims[side].get(name) for side in ("new", "old")]
        difference = "only on one side" if None in pair else _claim_difference(*pair)
        if difference is None:
            alike += 1
        elif None not in pair and _at_the_margin(*pair):
            lines.append(f"claim {name}: {WITHIN}, an interval's end lies at the margin ({difference})")
        else:
            lines.append(f"claim {name}: {DIFFERENT}: {difference}")
            passed = False
    lines.append(f"claims: {alike} of {len(new['claims'])} as in the reference")
    for name in sorted(set(new["problems"]) | set(old["problems"])):
        if new["problems"].get(name) != old["problems"].get(name):
            lines.append(f"problem {name}: its digest differs (other numpy or platform): reported, not failed")
    return lines, passed


def _close(a, b):
    """Return whether two derived numbers agree; they may amplify the cells' differences, hence ten times the tolerance."""
    return abs(a - b) <= 10 * RELATIVE * max(abs(b), FLOOR)


def _compare_rows(new, old):
    """Compare a table derived from others, row by row."""
    if new == old:
        return IDENTICAL
    if len(new) != len(old):
        return DIFFERENT
    for row, other in zip(new, old, strict=True):
        if row.keys() != other.keys():
            return DIFFERENT
        for a, b in zip(row.values(), other.values(), strict=True):
            numbers = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (a, b))
            if not (_close(a, b) if numbers else a == b):
                return DIFFERENT
    return WITHIN


def _claim_difference(claim, other):
    """Return what differs between a claim and its reference, in words, or None."""
    for field in ("margin", "verdict", "control_verdict", "positive_control_verdict"):
        if claim[field] != other[field]:
            return f"{field.replace('_', ' ')} {claim[field]}, reference {other[field]}"
    for field in ("estimate", "ci_low", "ci_high"):
        a, b = claim[field], other[field]
        if (a is None) != (b is None) or (a is not None and not _close(a, b)):
            return f"{field.replace('_', ' ')} {a}, reference {b}"
    return None


def _at_the_margin(claim, other):
    """Return whether only the verdict differs, and because an interval's end lies at the margin in both runs."""
    same = {**claim, "verdict": other["verdict"]}
    if _claim_difference(same, other) is not None or not {claim["verdict"], other["verdict"]} <= JUDGED:
        return False
    return any(
        _close(side[end], claim["margin"])
        for end in ("ci_low", "ci_high")
        for side in (claim, other)
        if side[end] is not None
    )
