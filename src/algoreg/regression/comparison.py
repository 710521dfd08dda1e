"""The comparison of a new run with committed numbers."""

import numpy as np

from algoreg.regression.tolerances import Tolerances

JUDGED = {"supported", "refuted", "inconclusive"}

NUMBERS = ("estimate", "ci_low", "ci_high")

PARTS = ("tables", "comparisons")

IDENTICAL, WITHIN, DIFFERENT = "identical", "within tolerance", "DIFFERENT"


def ratios(new, old, table, tolerances):
    """Return how far each cell lies from another table's of the same rows,
    over what is allowed there: ``{column: (n,)}``.

    Infinite where a value is missing or infinite on one side only, −1 where both are missing. Columns without any value
    are left out.
    """
    found = {}
    for column in (name for name in old if name not in ("keys", "status")):
        a, b = (np.array([np.nan if x is None else x for x in side[column]], dtype=float) for side in (new, old))
        one_sided = (np.isnan(a) != np.isnan(b)) | ((np.isinf(a) | np.isinf(b)) & (a != b))
        if (np.isnan(a) & np.isnan(b)).all():
            continue
        allowed = tolerances.allowed(table, column, b, old["status"], old["keys"])
        # An empty cell is no row to name, not even where nothing differs.
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.nan_to_num(np.abs(a - b) / allowed, nan=-1.0)
        ratio[one_sided] = np.inf
        found[column] = ratio
    return found


def spread(new, old, table, tolerances):
    """Return the largest of :func:`ratios` in each column, and its row: ``{column: (ratio, row)}``.

    Left out are as many as may lie further off there.
    """
    found = {}
    for column, ratio in ratios(new, old, table, tolerances).items():
        falling = np.argsort(-ratio, kind="stable")
        row = falling[min(tolerances.allowed_over(table, column, len(ratio)), len(ratio) - 1)]
        found[column] = (float(ratio[row]), int(row))
    return found


def same_rows(new, old, table, tolerances):
    """Return whether two tables have the same rows, and no more of them ended otherwise than may."""
    return new["keys"] == old["keys"] and len(_ended_otherwise(new, old)) <= tolerances.allowed_over(
        table, "status", len(old["status"])
    )


def _ended_otherwise(new, old):
    return [row for row in range(len(old["status"])) if new["status"][row] != old["status"][row]]


def _compare_table(new, old, table, tolerances):
    """Return the outcome, and what differs: of cells over tolerance how many and the worst."""
    if new["keys"] != old["keys"]:
        return DIFFERENT, "rows differ"
    if new.keys() != old.keys():
        return DIFFERENT, f"columns differ: {', '.join(sorted(new.keys() ^ old.keys()))}"
    if new == old:
        return IDENTICAL, ""
    rows = len(old["status"])
    moved = _ended_otherwise(new, old)
    if len(moved) > tolerances.allowed_over(table, "status", rows):
        return DIFFERENT, _moved(new, old, moved)
    found = ratios(new, old, table, tolerances)
    if not found:
        return WITHIN, ""
    over, worst = np.stack(list(found.values())) > 1, _worst(new, old, found)
    counted = f"{over.sum()} of {over.size} cells over tolerance, in {over.any(axis=0).sum()} of {rows} rows; "
    allowed = [tolerances.allowed_over(table, column, rows) for column in found]
    different = (over.sum(axis=1) > allowed).any()
    return (DIFFERENT if different else WITHIN), (counted if over.any() else "") + worst


def _moved(new, old, rows):
    """Return how many rows ended otherwise, and how the first of them did, in words."""
    first = f"status at {_point(old, rows[0])}: {new['status'][rows[0]]}, reference {old['status'][rows[0]]}"
    return f"the status of {len(rows)} of {len(old['status'])} rows differs; first: {first}"


def _point(table, row):
    return ", ".join(f"{key}={column[row]}" for key, column in table["keys"].items())


def _worst(new, old, found):
    """Return the cell that differs most, in words; ``found`` is of :func:`ratios`."""
    column = max(found, key=lambda name: found[name].max())
    row = int(found[column].argmax())
    a, b = new[column][row], old[column][row]
    worst = f"worst: {column} at {_point(old, row)}: "
    if a is None or b is None:
        return worst + f"missing in {'this run' if a is None else 'the reference'} only"
    return worst + f"{a:.6g}, reference {b:.6g} ({found[column][row]:.2g} of the tolerance)"


def compare(new, old, tolerances=None):
    """Compare a chapter's snapshot with its reference.

    Parameters
    ----------
    new, old : mapping
        From :func:`algoreg.regression.snapshots.snapshot`.
    tolerances : Tolerances, optional
        The committed ones when left out.

    Returns
    -------
    lines : list of str
        One per table, and per claim that changed.
    passed : bool
        False if a table or a verdict is different.
    """
    tolerances = tolerances or Tolerances.load()
    lines = []
    if old.get("partial"):
        lines.append("the reference is of a part of this tier: only that is compared")
        new = _part_of(new, old)
    found = [
        *_compare_tables(new["tables"], old["tables"], tolerances),
        *_compare_comparisons(new["comparisons"], old["comparisons"], tolerances),
        *_compare_claims(new["claims"], old["claims"], tolerances),
    ]
    return [*lines, *(line for line, _ in found)], all(passed for _, passed in found)


def _names(new, old):
    return sorted({*new, *old})


def _compare_tables(new, old, tolerances):
    """Return a line and whether it passes for every table."""
    found = []
    for name in _names(new, old):
        if name in new and name in old:
            outcome, what = _compare_table(new[name], old[name], name, tolerances)
            found.append((f"table {name}: {outcome}" + (f"; {what}" if what else ""), outcome != DIFFERENT))
        else:
            side = "the reference" if name in old else "this run"
            found.append((f"table {name}: {DIFFERENT} (only in {side})", False))
    return found


def _compare_comparisons(new, old, tolerances):
    """Return a line and whether it passes for every table that is derived from others."""
    found = []
    for name in _names(new, old):
        both = name in new and name in old
        outcome = _compare_rows(new[name], old[name], tolerances) if both else DIFFERENT
        found.append((f"table {name}: {outcome}", outcome != DIFFERENT))
    return found


def _compare_claims(new, old, tolerances):
    """Return a line and whether it passes for every claim that is not as it was, and how many are."""
    found, alike = [], 0
    ours, theirs = ({claim["id"]: claim for claim in side} for side in (new, old))
    for name in dict.fromkeys([*ours, *theirs]):
        pair = ours.get(name), theirs.get(name)
        difference = "only on one side" if None in pair else _claim_difference(*pair, tolerances)
        if difference is None:
            alike += 1
        elif None not in pair and _at_the_margin(*pair, tolerances):
            found.append((f"claim {name}: {WITHIN}, an interval's end lies at the margin ({difference})", True))
        else:
            found.append((f"claim {name}: {DIFFERENT}: {difference}", False))
    return [*found, (f"claims: {alike} of {len(new)} as in the reference", True)]


def _part_of(new, old):
    """Return what a snapshot has of another's tables, claims and problems."""
    named = {part: {name: x for name, x in new[part].items() if name in old[part]} for part in PARTS}
    known = {claim["id"] for claim in old["claims"]}
    return {**new, **named, "claims": [claim for claim in new["claims"] if claim["id"] in known]}


def _compare_rows(new, old, tolerances):
    """Compare a table derived from others, row by row."""
    if new == old:
        return IDENTICAL
    if len(new) != len(old):
        return DIFFERENT
    for row, other in zip(new, old, strict=True):
        if row.keys() != other.keys():
            return DIFFERENT
        for a, b in ((row[column], other[column]) for column in other):
            numbers = all(isinstance(x, (int, float)) and not isinstance(x, bool) for x in (a, b))
            if not (tolerances.close(a, b) if numbers else a == b):
                return DIFFERENT
    return WITHIN


def claim_scale(claim):
    """Return the size of a claim's numbers: an interval's end near 0 is compared on the scale of the whole interval."""
    return max((abs(claim[field]) for field in NUMBERS if claim[field] is not None), default=0.0)


def _claim_difference(claim, other, tolerances):
    """Return what differs between a claim and its reference, in words, or None."""
    for field in ("margin", "verdict", "control_verdict", "positive_control_verdict"):
        if claim[field] != other[field]:
            return f"{field.replace('_', ' ')} {claim[field]}, reference {other[field]}"
    for field in NUMBERS:
        a, b = claim[field], other[field]
        if (a is None) != (b is None) or (
            a is not None and not tolerances.close(a, b, claim_scale(other), claim["id"])
        ):
            return f"{field.replace('_', ' ')} {a}, reference {b}"
    return None


def _at_the_margin(claim, other, tolerances):
    """Return whether only the verdict differs, and because an interval's end lies at the margin in both runs."""
    same = {**claim, "verdict": other["verdict"]}
    if _claim_difference(same, other, tolerances) is not None or not {claim["verdict"], other["verdict"]} <= JUDGED:
        return False
    return any(
        tolerances.close(side[end], claim["margin"], claim_scale(other), claim["id"])
        for end in ("ci_low", "ci_high")
        for side in (claim, other)
        if side[end] is not None
    )
