"""What another maker's processor computed lies within `make verify`'s tolerances."""

import csv
from collections import Counter

import numpy as np
import pytest
from conftest import ROOT

from algoreg.regression import references
from algoreg.regression.tolerances import Tolerances

TOLERANCES = Tolerances.load()
FOLDER = ROOT / "reference" / "other_processor"


def rows_of(name):
    """Return the rows of a file as mappings, numbers as floats and ``keys`` as a mapping."""
    with open(FOLDER / f"{name}.csv", encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    for row in rows:
        row.update({field: float(row[field]) for field in ("scale", "reference", "intel")})
        if "keys" in row:
            row["keys"] = dict(part.split("=") for part in row["keys"].split())
    return rows


def computed_otherwise(row):
    """Return whether a cell is of least squares with as many examples as unknowns.

    Its error is rounding. It was √(1 − |Qᵀx|²/|x|²) in float32, some 10⁻⁴, and is the norm of a residual in float64.
    """
    if not row["table"].startswith("quadratic_samples_") or row["keys"]["variant"] != "least-squares":
        return False
    d = int(row["keys"]["d"])
    return int(row["keys"]["m"]) == d * (d + 1) // 2


# Of least-squares fits by MINPACK, whose bits depended on where its memory lay. They are by a method of our own since.
FITTED_OTHERWISE = {"noisy_degrees", "rank_fits"}


def of_tolerance(row, value):
    """Return how far a value lies from a row's reference, in parts of what is allowed."""
    keys = {key: [part] for key, part in row["keys"].items()}
    allowed = TOLERANCES.allowed(
        row["table"], row["column"], np.array([row["reference"]]), [row["status"]], keys, row["scale"]
    )
    return abs(value - row["reference"]) / allowed[0]


@pytest.mark.parametrize("tier", ["quick", "standard"])
def test_its_cells_are_within_tolerance(tier):
    rows = [row for row in rows_of(f"{tier}_cells") if not computed_otherwise(row)]
    assert len(rows) > 2000
    over = [(row, of_tolerance(row, row["intel"])) for row in rows if not of_tolerance(row, row["intel"]) <= 1]
    assert over == []


def test_its_claims_are_within_tolerance():
    rows = rows_of("standard_claims")
    assert len(rows) > 50
    assert [row for row in rows if not TOLERANCES.close(row["intel"], row["reference"], row["scale"])] == []


def test_what_is_left_out_is_rounding_alone():
    """And without that exclusion the cells would be over tolerance: it is needed."""
    for tier in ("quick", "standard"):
        left_out = [row for row in rows_of(f"{tier}_cells") if computed_otherwise(row)]
        assert 0 < len(left_out) < 150
        assert all(max(row["reference"], row["intel"]) < 1e-3 for row in left_out)
        assert any(of_tolerance(row, row["intel"]) > 1 for row in left_out)


def test_the_cells_of_later_chapters_are_within_tolerance_or_few():
    with open(FOLDER / "chapters_cells.csv", encoding="utf-8", newline="") as handle:
        columns = Counter()
        for row in (row for row in csv.DictReader(handle) if row["table"] not in FITTED_OTHERWISE):
            columns[row["table"], row["column"]] += not within(row)
    assert sum(columns.values()) > 10
    tables = references.read_tier("standard")["tables"]
    for (table, column), over in columns.items():
        allowed = TOLERANCES.allowed_over(table, column, len(tables[table]["status"]))
        assert over == 0 or 2 * over <= allowed, (table, column, over, allowed)


def within(row):
    """Return whether a cell of these files is within tolerance; one that says how a run ended never is."""
    if row["column"] == "status":
        return False
    numbers = {field: float(row[field]) for field in ("scale", "reference", "intel")}
    keys = dict(part.split("=") for part in row["keys"].split())
    return of_tolerance({**row, **numbers, "keys": keys}, numbers["intel"]) <= 1
