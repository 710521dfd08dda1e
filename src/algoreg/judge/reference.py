"""Committed numbers of a tier, and the comparison of a new run with them."""

import csv
import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import yaml

from algoreg import sources
from algoreg.spec import plan
from algoreg.store import problem_files, records

TOLERANCES = Path(__file__).resolve().parents[3] / "reference" / "tolerances.yaml"
JUDGED = {"supported", "refuted", "inconclusive"}
VALUES = ("train_error", "test_error")
NUMBERS = ("estimate", "ci_low", "ci_high")
CLAIM_FIELDS = (
    "id",
    "verdict",
    "estimate",
    "ci_low",
    "ci_high",
    "control_verdict",
    "positive_control_verdict",
    "margin",
    # Shown beside the verdicts, not compared: a control may be a run that nothing holds together.
    "control_estimate",
    "positive_control_estimate",
)
PARTS = ("tables", "comparisons", "problems")
IDENTICAL, WITHIN, DIFFERENT = "identical", "within tolerance", "DIFFERENT"


@dataclass(frozen=True)
class Tolerances:
    """How far numbers may lie from the committed ones; see ``reference/tolerances.yaml`` for the meaning of each part.

    Attributes
    ----------
    default : mapping
        ``relative, relative_converged, floor, smallest`` of a column without an entry.
    derived : mapping
        ``relative`` and ``floor`` of estimates, of the ends of their intervals, and of tables derived from others.
    tables : mapping of table pattern to mapping of column pattern to mapping
        What differs from the default; with ``exception``, also for the rows whose keys are those of its ``where`` and whose
        committed value is at least its ``from``: their ``relative`` is its own.
    """

    default: dict
    derived: dict
    tables: dict

    @classmethod
    def load(cls, path=TOLERANCES):
        """Read the file.

        Raises
        ------
        ValueError
            If a part is missing or unknown, not a number of at least 0, or has no reason.
        """
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        numbers = ("relative", "relative_converged", "floor", "smallest")
        entries = {f"tables.{t}.{c}": part for t, columns in content["tables"].items() for c, part in columns.items()}
        places = (
            ("default", content["default"], numbers, True),
            ("derived", content["derived"], ("relative", "floor"), True),
            *((name, part, numbers, False) for name, part in entries.items()),
        )
        for place, part, known, complete in places:
            wrong = set(part) - {*known, "reason", *(() if complete else ("exception",))}
            wrong = wrong or ({*known} - set(part) if complete else set())
            wrong |= {key for key in known if not isinstance(part.get(key, 0.0), (int, float)) or part.get(key, 0) < 0}
            if wrong or not part.get("reason"):
                allowed = f"allowed are numbers {', '.join(known)}, and a reason"
                raise ValueError(f"{path}: {place} ({', '.join(sorted(wrong)) or 'no reason'}): {allowed}")
            _check_exception(part.get("exception"), f"{path}: {place}.exception")
        return cls(content["default"], content["derived"], content["tables"])

    def of(self, table, column):
        """Return the four numbers of a column."""
        for pattern, columns in self.tables.items():
            for name, part in columns.items():
                if fnmatchcase(table, pattern) and fnmatchcase(column, name):
                    return {**self.default, **part}
        return self.default

    def allowed(self, table, column, reference, status, keys=None, scale=None):
        """Return by how much each cell of a column may differ.

        Parameters
        ----------
        table, column : str
        reference : numpy.ndarray, shape (n,)
            The committed values, NaN where there is none.
        status : sequence of str, length n
        keys : mapping of str to sequence of length n, optional
            What names the rows; without it no row is an exception.
        scale : float, optional
            The size of the column's values where ``reference`` is not all of it.

        Returns
        -------
        numpy.ndarray, shape (n,)
        """
        part = self.of(table, column)
        sizes = np.abs(reference)
        least = max(part["floor"] * (column_scale(reference) if scale is None else scale), part["smallest"])
        relative = np.where(np.array(status) == "converged", part["relative_converged"], part["relative"])
        exception = part.get("exception")
        if exception and keys:
            named = [np.array(keys[key]) == value for key, value in exception["where"].items()]
            relative = np.where(np.all([*named, sizes >= exception["from"]], axis=0), exception["relative"], relative)
        return relative * np.maximum(sizes, least)

    def close(self, a, b, scale=0.0):
        """Return whether two derived numbers agree; ``scale`` is the size of what they belong to."""
        part = self.derived
        return abs(a - b) <= part["relative"] * max(abs(b), abs(scale), part["floor"])


def _check_exception(part, place):
    """Raise a ValueError where an exception's keys or values are not those that are allowed."""
    if part is None:
        return
    numbers = isinstance(part, dict) and all(isinstance(part.get(key), (int, float)) for key in ("from", "relative"))
    if not numbers or set(part) != {"where", "from", "relative", "reason"} or not isinstance(part["where"], dict):
        raise ValueError(
            f"{place}: allowed are where (keys and values of rows), numbers from and relative, and a reason"
        )


def column_scale(values):
    """Return the median of a column's absolute values that are not 0, or 0 where there are none."""
    sizes = np.abs(values)
    seen = sizes[np.nan_to_num(sizes) > 0]
    return float(np.median(seen)) if len(seen) else 0.0


def of_runs(frame, by):
    """Return the committed form of an experiment's table: what names its rows, statuses, both errors."""
    return {
        "keys": {key: frame[key].tolist() for key in [*by, "target", "ensemble"]},
        "status": frame["status"].tolist(),
        **{value: [short(float(x)) for x in frame[value]] for value in VALUES},
    }


def of_study(frame, study):
    """Return the committed form of a study's table; ``study`` is a module of ``algoreg.studies``."""
    keys, values = (sources.module_literal("studies", study, part) for part in ("KEYS", "VALUES"))
    return {
        "keys": {key: [short(x) for x in frame[key].tolist()] for key in keys},
        "status": frame["status"].tolist(),
        **{value: [short(float(x)) for x in frame[value]] for value in values},
    }


def snapshot(results, tier, partial=False):
    """Return what is committed for a tier: table cells, verdicts, problem digests.

    Parameters
    ----------
    results : pathlib.Path
        The folder ``results/<tier>``.
    tier : mapping
        Its settings.
    partial : bool
        Take the tables and claims that are there, of a tier that has been run in part. It says so by its key ``partial``.
    """

    def there(path):
        return not partial or (results / path).exists()

    tables, comparisons, digests = {}, {}, {}
    blocks = {name: block for name, block in tier["experiments"].items() if there(f"tables/{name}.csv")}
    for name, block in blocks.items():
        frame = records.read_table(results / "tables" / f"{name}.csv")
        if "compare" in block:
            comparisons[name] = [{key: short(value) for key, value in row.items()} for row in frame.to_dict("records")]
        else:
            tables[name] = of_runs(frame, block["by"])
    for name, block in tier.get("studies", {}).items():
        if there(f"tables/{name}.csv"):
            tables[name] = of_study(records.read_table(results / "tables" / f"{name}.csv"), block["study"])
    read = {name for block in blocks.values() for name in block.get("descents", ())} if partial else None
    for problem, number in sorted(plan.drawn_problems(tier, read)):
        name = f"{problem}/ensemble-{number}"
        stored = problem_files.read_problem(results / "problems" / f"{name}.npz", tier["seed"])
        digests[name] = str(stored["problem_sha256"])
    return {
        **({"partial": True} if partial else {}),
        "cost": _cost(results / "benchmarks"),
        "tables": tables,
        "comparisons": comparisons,
        "claims": [{field: claim[field] for field in CLAIM_FIELDS} for claim in _claims(results, partial)],
        "problems": digests,
    }


def _claims(results, partial):
    """Return the claims of a tier, or those that are there."""
    if not partial:
        return records.read_json(results / "claims.json")
    found = [records.read_json(path) for path in (results / "claims").glob("*.json")]
    return sorted(found, key=lambda claim: claim["id"])


def short(value):
    """Return a cell for JSON: floats with 6 significant digits, NaN as null."""
    if isinstance(value, float):
        return None if np.isnan(value) else float(f"{value:.6g}")
    return value


def _cost(folder):
    """Return what Snakemake's benchmark files say: CPU seconds summed over jobs, and the largest job's memory in MiB."""
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        with open(path, encoding="utf-8") as handle:
            rows += list(csv.DictReader(handle, delimiter="\t"))
    if not rows:
        return None
    memory = [float(row["max_rss"]) for row in rows if row["max_rss"] not in ("NA", "-")]
    return {"cpu_seconds": round(sum(map(cpu_seconds, rows))), "peak_mib": round(max(memory, default=0))}


def cpu_seconds(row):
    """Return the CPU seconds of a job, of itself and its children, from its row of Snakemake's benchmark file.

    Seconds on a clock would grow with what else the machine does. Snakemake looks at a job's ``cpu_time`` every half second for a
    quarter of a minute, then every half minute, and never at its end: what came after the last look is taken to have
    used the processor as what came before. A job that ended before the first look has none (NA, - or 0): its
    seconds on the clock are taken, at most about one.

    Parameters
    ----------
    row : mapping of str to str
    """
    wall = float(row["s"])
    seen = 0.0 if row["cpu_time"] in ("NA", "-") else float(row["cpu_time"])
    short, steps, long = 0.5, 31, 30.0
    after = wall - short * steps
    last = short * (wall // short) if after < 0 else short * steps + long * (after // long)
    return seen * wall / last if seen and last else wall


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
        *(['  "partial": true'] if content.get("partial") else []),
        f'  "cost": {text(content["cost"])}',
        '  "tables": {\n' + tables + "\n  }",
        '  "comparisons": {' + (f"\n{comparisons}\n  " if comparisons else "") + "}",
        f'  "claims": {rows(content["claims"], "  ")}',
        f'  "problems": {text(content["problems"])}',
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def ratios(new, old, table, tolerances):
    """Return how far each cell lies from another table's of the same rows, over what is allowed there: ``{column: (n,)}``.

    Infinite where a value is missing on one side only, −1 where it is on both. Columns without any value are left out.
    """
    found = {}
    for column in (name for name in old if name not in ("keys", "status")):
        a, b = (np.array([np.nan if x is None else x for x in side[column]], dtype=float) for side in (new, old))
        one_sided = np.isnan(a) != np.isnan(b)
        if len(a) == 0 or (np.isnan(a) & np.isnan(b)).all():
            continue
        # An empty cell is no row to name, not even where nothing differs.
        ratio = np.nan_to_num(
            np.abs(a - b) / tolerances.allowed(table, column, b, old["status"], old["keys"]), nan=-1.0
        )
        ratio[one_sided] = np.inf
        found[column] = ratio
    return found


def spread(new, old, table, tolerances):
    """Return the largest of :func:`ratios` in each column, and its row: ``{column: (ratio, row)}``."""
    found = ratios(new, old, table, tolerances)
    return {column: (float(ratio.max()), int(ratio.argmax())) for column, ratio in found.items()}


def _compare_table(new, old, table, tolerances):
    """Return the outcome, and what differs: of cells over tolerance how many and the worst."""
    if new["keys"] != old["keys"]:
        return DIFFERENT, "rows differ"
    if new.keys() != old.keys():
        return DIFFERENT, f"columns differ: {', '.join(sorted(new.keys() ^ old.keys()))}"

    def point(row):
        return ", ".join(f"{key}={column[row]}" for key, column in new["keys"].items())

    statuses = list(zip(new["status"], old["status"], strict=True))
    moved = [row for row, (this, other) in enumerate(statuses) if this != other]
    if moved:
        this, other = statuses[moved[0]]
        first = f"status at {point(moved[0])}: {this}, reference {other}"
        return DIFFERENT, f"the status of {len(moved)} of {len(statuses)} rows differs; first: {first}"
    if new == old:
        return IDENTICAL, ""
    found = ratios(new, old, table, tolerances)
    over = np.stack(list(found.values())) > 1
    counted = f"{over.sum()} of {over.size} cells over tolerance, in {over.any(axis=0).sum()} of {len(statuses)} rows; "
    column = max(found, key=lambda name: found[name].max())
    row = int(found[column].argmax())
    a, b = new[column][row], old[column][row]
    worst = f"worst: {column} at {point(row)}: "
    if a is None or b is None:
        worst += f"missing in {'this run' if a is None else 'the reference'} only"
    else:
        worst += f"{a:.6g}, reference {b:.6g} ({found[column][row]:.2g} of the tolerance)"
    return (DIFFERENT, counted + worst) if over.any() else (WITHIN, worst)


def compare(new, old, tolerances=None):
    """Compare a tier's snapshot with its reference.

    Parameters
    ----------
    new, old : mapping
        From :func:`snapshot`.
    tolerances : Tolerances, optional
        The committed ones when left out.

    Returns
    -------
    lines : list of str
        One per table, per claim that changed, and per problem whose digest differs.
    passed : bool
        False if a table, a verdict or the digest of a problem is different.
    """
    tolerances = tolerances or Tolerances.load()
    lines, passed = [], True
    if old.get("partial"):
        lines.append("the reference is of a part of this tier: only that is compared")
        new = _part_of(new, old)
    for name in sorted(set(new["tables"]) | set(old["tables"])):
        if name not in new["tables"] or name not in old["tables"]:
            lines.append(
                f"table {name}: {DIFFERENT} (only in {'the reference' if name in old['tables'] else 'this run'})"
            )
            passed = False
            continue
        outcome, what = _compare_table(new["tables"][name], old["tables"][name], name, tolerances)
        passed &= outcome != DIFFERENT
        lines.append(f"table {name}: {outcome}" + (f"; {what}" if what else ""))
    for name in sorted(set(new["comparisons"]) | set(old["comparisons"])):
        sides = [side["comparisons"].get(name) for side in (new, old)]
        outcome = DIFFERENT if None in sides else _compare_rows(*sides, tolerances)
        passed &= outcome != DIFFERENT
        lines.append(f"table {name}: {outcome}")
    claims = {
        side: {claim["id"]: claim for claim in content["claims"]} for side, content in (("new", new), ("old", old))
    }
    alike = 0
    for name in dict.fromkeys([*claims["new"], *claims["old"]]):
        pair = [claims[side].get(name) for side in ("new", "old")]
        difference = "only on one side" if None in pair else _claim_difference(*pair, tolerances)
        if difference is None:
            alike += 1
        elif None not in pair and _at_the_margin(*pair, tolerances):
            lines.append(f"claim {name}: {WITHIN}, an interval's end lies at the margin ({difference})")
        else:
            lines.append(f"claim {name}: {DIFFERENT}: {difference}")
            passed = False
    lines.append(f"claims: {alike} of {len(new['claims'])} as in the reference")
    for name in sorted(set(new["problems"]) | set(old["problems"])):
        digests = [side["problems"].get(name) for side in (new, old)]
        if digests[0] != digests[1]:
            why = "only on one side" if None in digests else "its digest differs, so other random numbers were drawn"
            lines.append(f"problem {name}: {DIFFERENT}: {why}")
            passed = False
    return lines, passed


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
        for a, b in zip(row.values(), other.values(), strict=True):
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
        if (a is None) != (b is None) or (a is not None and not tolerances.close(a, b, claim_scale(other))):
            return f"{field.replace('_', ' ')} {a}, reference {b}"
    return None


def _at_the_margin(claim, other, tolerances):
    """Return whether only the verdict differs, and because an interval's end lies at the margin in both runs."""
    same = {**claim, "verdict": other["verdict"]}
    if _claim_difference(same, other, tolerances) is not None or not {claim["verdict"], other["verdict"]} <= JUDGED:
        return False
    return any(
        tolerances.close(side[end], claim["margin"], claim_scale(other))
        for end in ("ci_low", "ci_high")
        for side in (claim, other)
        if side[end] is not None
    )
