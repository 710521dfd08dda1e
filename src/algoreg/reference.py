"""Committed numbers of a tier, and the comparison of a new run with them."""

import json

import numpy as np

from algoreg import records

# Relative tolerance per error cell. Float sums differ between machines, BLAS builds and thread counts; on the quick
# and standard tiers the measured effect is far below this (docs/deviations.md), a step 1 % off is above it.
RELATIVE = 2e-3
# Errors below this are dominated by float32 rounding and compared on this absolute scale.
FLOOR = 2e-5
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
    return {"tables": tables, "claims": claims, "problems": digests}


def dumps(content):
    """Return a snapshot as JSON text with one column a line, so that its diffs can be read."""
    lines = []
    for name, table in content["tables"].items():
        columns = [f'"{key}": {json.dumps(value)}' for key, value in table.items() if key != "keys"]
        keys = [f'"{key}": {json.dumps(value)}' for key, value in table["keys"].items()]
        body = ",\n      ".join([*columns, '"keys": {\n        ' + ",\n        ".join(keys) + "\n      }"])
        lines.append(f'    "{name}": {{\n      {body}\n    }}')
    claims = ",\n".join("    " + json.dumps(claim, ensure_ascii=False) for claim in content["claims"])
    problems = json.dumps(content["problems"], indent=4)
    return (
        '{\n  "tables": {\n'
        + ",\n".join(lines)
        + '\n  },\n  "claims": [\n'
        + claims
        + f'\n  ],\n  "problems": {problems}\n}}\n'
    )


def _compare_table(new, old):
    if new["keys"] != old["keys"] or new["status"] != old["status"]:
        return DIFFERENT, "rows or statuses differ"
    worst, where = 0.0, ""
    same = True
    for value in VALUES:
        a, b = (np.array([np.nan if x is None else x for x in side[value]], dtype=float) for side in (new, old))
        if (np.isnan(a) != np.isnan(b)).any():
            return DIFFERENT, f"{value}: missing in different rows"
        if len(a) == 0 or np.isnan(a).all():
            continue
        same &= bool(np.array_equal(a, b, equal_nan=True))
        ratio = np.nan_to_num(np.abs(a - b) / (RELATIVE * np.maximum(np.abs(b), FLOOR)))
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
    before = {claim["id"]: claim for claim in old["claims"]}
    changed = 0
    for claim in new["claims"]:
        other = before.pop(claim["id"], None)
        if other is not None and claim["margin"] == other["margin"] and claim["verdict"] == other["verdict"]:
            continue
        changed += 1
        was = other["verdict"] if other else "absent"
        if other and claim["margin"] == other["margin"] and _near_margin(claim, other):
            lines.append(
                f"claim {claim['id']}: {claim['verdict']}, reference {was}: {WITHIN}, an interval's end lies at the margin"
            )
            continue
        margins = f" (margin {claim['margin']}, reference {other['margin']})" if other else ""
        lines.append(f"claim {claim['id']}: {DIFFERENT}: {claim['verdict']}, reference {was}{margins}")
        passed = False
    for name in before:
        lines.append(f"claim {name}: {DIFFERENT}: only in the reference")
        passed, changed = False, changed + 1
    lines.append(f"claims: {len(new['claims']) - changed} of {len(new['claims'])} verdicts as in the reference")
    for name in sorted(set(new["problems"]) | set(old["problems"])):
        if new["problems"].get(name) != old["problems"].get(name):
            lines.append(f"problem {name}: its digest differs (other numpy or platform): reported, not failed")
    return lines, passed


def _near_margin(claim, other):
    """Return whether an interval's end moved across the margin by no more than the tables' own tolerance."""
    pairs = [(claim[end], other[end]) for end in ("ci_low", "ci_high")]
    return all(
        a is not None and b is not None and abs(a - b) <= 10 * RELATIVE * max(abs(claim["margin"]), abs(b))
        for a, b in pairs
    )
