"""Compare a new run with committed numbers."""

import numpy as np
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from algoreg.regression.references import MAPPINGS, keys_of, values_of
from algoreg.regression.tolerances import Tolerances

JUDGED = {"supported", "refuted", "inconclusive"}

NUMBERS = ("estimate", "ci_low", "ci_high")

IDENTICAL, WITHIN, DIFFERENT = "identical", "within tolerance", "DIFFERENT"


def ratios(new, old, table, tolerances):
    """Return ``{column: (n,)}``, the difference of each measured cell from the other table's, over its tolerance.

    The tables have the same rows. A ratio is infinite if a value is missing or infinite on one side only, and −1 if it
    is missing on both. Columns without any value are left out.
    """
    found = {}
    for column in values_of(old):
        a, b = new[column].to_numpy(), old[column].to_numpy()
        one_sided = (np.isnan(a) != np.isnan(b)) | ((np.isinf(a) | np.isinf(b)) & (a != b))
        if (np.isnan(a) & np.isnan(b)).all():
            continue
        allowed = tolerances.allowed(table, column, b, old["status"], old)
        # Missing cells have −1, so that _worst never reports them, not even if no cell differs.
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.nan_to_num(np.abs(a - b) / allowed, nan=-1.0)
        ratio[one_sided] = np.inf
        found[column] = ratio
    return found


def same_rows(new, old, table, tolerances):
    """Return whether two tables have the same rows, and no more different statuses than allowed."""
    moved = (new["status"] != old["status"]).sum() if _same_keys(new, old) else np.inf
    return bool(moved <= tolerances.allowed_over(table, "status", len(old)))


def _same_keys(new, old):
    keys = keys_of(old)
    return keys_of(new) == keys and new[keys].equals(old[keys])


def _compare_table(new, old, table, tolerances):
    """Return the outcome and a description of the differences: the number of cells over tolerance, and the worst."""
    if not _same_keys(new, old):
        return DIFFERENT, "rows differ"
    if set(new) != set(old):
        return DIFFERENT, f"columns differ: {', '.join(sorted(set(new) ^ set(old)))}"
    if new.equals(old):
        return IDENTICAL, ""
    moved = np.flatnonzero(new["status"] != old["status"])
    if len(moved) > tolerances.allowed_over(table, "status", len(old)):
        first = f"{new['status'][moved[0]]}, reference {old['status'][moved[0]]}"
        where = f"status at {_point(old, moved[0])}"
        return DIFFERENT, f"the status of {len(moved)} of {len(old)} rows differs; first: {where}: {first}"
    found = ratios(new, old, table, tolerances)
    if not found:
        return WITHIN, ""
    over, worst = np.stack(list(found.values())) > 1, _worst(new, old, found)
    counted = f"{over.sum()} of {over.size} cells over tolerance, in {over.any(axis=0).sum()} of {len(old)} rows; "
    allowed = [tolerances.allowed_over(table, column, len(old)) for column in found]
    different = (over.sum(axis=1) > allowed).any()
    return (DIFFERENT if different else WITHIN), (counted if over.any() else "") + worst


def _point(table, row):
    return ", ".join(f"{key}={table[key][row]}" for key in keys_of(table))


def _worst(new, old, found):
    """Return a description of the cell that differs most; ``found`` is the result of :func:`ratios`."""
    column = max(found, key=lambda name: found[name].max())
    row = int(found[column].argmax())
    a, b = new[column][row], old[column][row]
    worst = f"worst: {column} at {_point(old, row)}: "
    if np.isnan(a) or np.isnan(b):
        return worst + f"missing in {'this run' if np.isnan(a) else 'the reference'} only"
    return worst + f"{a:.6g}, reference {b:.6g} ({found[column][row]:.2g} of the tolerance)"


def _compare_derived(new, old, _, tolerances):
    """Compare a table that is derived from others, number by number."""
    if new.equals(old):
        return IDENTICAL, ""
    if set(new) != set(old) or len(new) != len(old):
        return DIFFERENT, ""
    for column in old:
        a, b = new[column], old[column]
        numbers = is_numeric_dtype(b) and not is_bool_dtype(b) and is_numeric_dtype(a)
        if not (tolerances.close(a, b) | (a.isna() & b.isna())).all() if numbers else not a.equals(b):
            return DIFFERENT, ""
    return WITHIN, ""


COMPARED = {"tables": _compare_table, "comparisons": _compare_derived}


def compare(new, old, tolerances=None):
    """Compare a chapter's results with its reference.

    Parameters
    ----------
    new, old : mapping
        See :mod:`algoreg.regression.references`.
    tolerances : Tolerances, optional
        By default the committed ones.

    Returns
    -------
    lines : list of str
        One line per table, and per claim that changed.
    passed : bool
        False if a table or a verdict is different.
    """
    tolerances = tolerances or Tolerances.load()
    lines = []
    if old.get("partial"):
        lines.append("the reference covers a part of this tier: only that part is compared")
        new = _part_of(new, old)
    found = [each for kind in MAPPINGS for each in _compare_tables(kind, new[kind], old[kind], tolerances)]
    found += _compare_claims(new["claims"], old["claims"], tolerances)
    return [*lines, *(line for line, _ in found)], all(passed for _, passed in found)


def _compare_tables(kind, new, old, tolerances):
    """Return ``(line, whether it passes)`` for every table of a kind."""
    found = []
    for name in sorted({*new, *old}):
        if name in new and name in old:
            outcome, what = COMPARED[kind](new[name], old[name], name, tolerances)
            found.append((f"table {name}: {outcome}" + (f"; {what}" if what else ""), outcome != DIFFERENT))
        else:
            side = "the reference" if name in old else "this run"
            found.append((f"table {name}: {DIFFERENT} (only in {side})", False))
    return found


def _compare_claims(new, old, tolerances):
    """Return ``(line, whether it passes)`` for every claim that changed, and a line with the number of the others."""
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
    """Return the part of a run whose tables and claims are in a reference."""
    named = {kind: {name: table for name, table in new[kind].items() if name in old[kind]} for kind in MAPPINGS}
    known = {claim["id"] for claim in old["claims"]}
    return {**new, **named, "claims": [claim for claim in new["claims"] if claim["id"] in known]}


def claim_scale(claim):
    """Return the largest of a claim's numbers, as an interval's end near 0 is compared on the interval's scale."""
    return max((abs(claim[field]) for field in NUMBERS if claim[field] is not None), default=0.0)


def _claim_difference(claim, other, tolerances):
    """Return a description of how a claim differs from its reference; None if it does not."""
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
    """Return whether only the verdict differs, and an interval's end is at the margin."""
    same = {**claim, "verdict": other["verdict"]}
    if _claim_difference(same, other, tolerances) is not None or not {claim["verdict"], other["verdict"]} <= JUDGED:
        return False
    return any(
        tolerances.close(side[end], claim["margin"], claim_scale(other), claim["id"])
        for end in ("ci_low", "ci_high")
        for side in (claim, other)
        if side[end] is not None
    )
