"""Compare a new run with committed numbers by what rounding cannot decide.

Another processor adds in another order, and rounding then decides where a chaotic run ends: one that diverges, stops on
a flat course, or ends within the tolerance of a convex solver. No single cell is therefore compared. A table agrees if

- its rows and columns are those of the reference, and at most one row in twenty *ended* otherwise (another status, or
  a value that only one side has);
- its *draws* are the same: of each target and of each ensemble most cells are near the committed ones, compared with
  how far other draws lie. Chaos moves some cells of every draw; a changed draw moves all cells of one;
- at most half of its *groups* moved. A group is a column's cells that differ only in target and ensemble, and it moved
  if at least half of its cells did that are not zero or missing on both sides. A changed step moves them all;
- chance *explains* the groups that moved (:func:`mean_difference`), but for one or 2 % of all groups, and not every
  group of a column. A wrong formula or constant moves a column as a whole.

No table and no column has a tolerance of its own. What is close follows from the data type and from the six digits that
are committed. The shares and limits below are round numbers that were chosen while looking at one run, quick with the
libraries' oldest kernels; tests show which faults they detect.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from algoreg.regression import replications
from algoreg.regression.references import MAPPINGS, keys_of, values_of

# The columns that number draws; the other keys are the settings of a run.
DRAWS = ("target", "ensemble")
NUMBERS = ("estimate", "ci_low", "ci_high")
# One unit in the sixth digit.
DIGITS = 1e-5
# A group of fewer cells has no standard error worth the name: it is joined with its neighbours in a sweep.
LEAST_CELLS = 4
# Of fewer cells that tell draws apart, no share is taken.
LEAST_TELLING = 4
# Another normal draw is nearer than a tenth of a standard deviation with a probability of 6 %.
NEAR = 0.1
# As in algoreg.engine.batch, which this module may not import: beyond this relative error a run has diverged.
DIVERGED_ABOVE = 1e6
# Rounding decides how a run ends only where it meanders or comes within rounding of its stopping criterion.
ENDED_OTHERWISE = 0.05
# Two-sided probability with which a group that only scatters is over its standard error.
LEVEL = 0.01
# How far the means of two independent draws may differ in standard errors of one: 2·√2, about twice that of both.
STANDARD_ERRORS = 2.8

IDENTICAL, WITHIN, DIFFERENT = "identical", "agrees", "DIFFERENT"


@dataclass
class Outcome:
    """What a comparison found.

    Attributes
    ----------
    lines : list of str
        One line per table, and per claim that differs.
    failed : list of str
        Those of the lines that fail.
    tables, identical : int
        How many tables were compared, and how many of them are the same in every committed digit.
    claims, equal : int
        How many claims were compared, and how many have the verdicts of the reference.
    largest : float
        The largest difference of a group's means in standard errors of the paired differences.
    largest_in : str
        The table and column of that group.
    """

    lines: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    tables: int = 0
    identical: int = 0
    claims: int = 0
    equal: int = 0
    largest: float = 0.0
    largest_in: str = ""

    def add(self, line, passed):
        """Add a line about a table or a claim."""
        self.lines.append(line)
        if not passed:
            self.failed.append(line)

    def join(self, other):
        """Add another comparison's counts and lines."""
        self.lines += other.lines
        self.failed += other.failed
        for count in ("tables", "identical", "claims", "equal"):
            setattr(self, count, getattr(self, count) + getattr(other, count))
        if other.largest > self.largest:
            self.largest, self.largest_in = other.largest, other.largest_in

    @property
    def passed(self):
        """Whether nothing failed."""
        return not self.failed

    def summary(self):
        """Return the lines that a person wants to read first."""
        failed = sum(line.startswith("table ") for line in self.failed)
        lines = [f"verdicts as in the reference: {self.equal} of {self.claims}"]
        if self.tables:
            agree = f"{self.tables - failed} of {self.tables} ({self.identical} in every digit)"
            lines.append(f"tables that agree: {agree}")
        if self.largest_in:
            where = f"{self.largest_in}, among groups that moved"
            lines.append(f"largest difference of a group's mean: {self.largest:.1f} standard errors ({where})")
        return lines


def column_scale(values):
    """Return the median of a column's absolute values that are finite and not zero, or 0 if there are none."""
    sizes = np.abs(values)
    seen = sizes[np.isfinite(sizes) & (sizes > 0)]
    return float(np.median(seen)) if len(seen) else 0.0


def precision(dtype):
    """Return the relative and the absolute difference below which cells computed in a data type agree.

    They are the square root of the type's rounding unit, because half of its digits survive a long computation, but at
    least one unit in the sixth digit, and its power ⅔ (float64: 10⁻⁵ and 4·10⁻¹¹; float32: 3·10⁻⁴ and 2·10⁻⁵).
    """
    unit = float(np.finfo(dtype).eps)
    return max(DIGITS, unit**0.5), unit ** (2 / 3)


def _allowed(old, dtype):
    """Return how far each cell of a column may differ from ``old`` and agree, shape (n,)."""
    relative, absolute = precision(dtype)
    return np.maximum(relative * np.maximum(np.abs(old), column_scale(old)), absolute)


def _agree(new, old, allowed):
    """Return which cells of a column agree, shape (n,)."""
    same = (np.isnan(new) & np.isnan(old)) | (new == old)
    # Infinite cells are equal or ended otherwise.
    with np.errstate(invalid="ignore"):
        return same | (np.abs(new - old) <= allowed)


def groups(keys):
    """Return the number of each row's group, shape (n,): rows that differ only in their draw.

    Parameters
    ----------
    keys : pandas.DataFrame
        The columns that identify the rows. While a group has fewer than four rows, the key with the most values, which
        is that of a sweep, is left out.
    """
    names = [name for name in keys if name not in DRAWS]
    while names:
        grouped = keys.groupby(names, dropna=False, sort=False)
        if grouped.size().min() >= LEAST_CELLS:
            return grouped.ngroup().to_numpy()
        names.remove(max(names, key=lambda name: keys[name].nunique()))
    return np.zeros(len(keys), dtype=int)


def _drift(new, old):
    """Return how far each cell grew in parts of its size, shape (n,): logarithms of ratios if all are positive."""
    if min(new.min(), old.min()) > 0:
        return np.log10(new / old)
    return np.sign(old) * (new - old) / np.maximum(np.abs(old), max(column_scale(old), column_scale(new)))


def mean_difference(new, old, absolute):
    """Return how far a group's means differ, and whether its scatter explains that.

    Values that are positive and span more than two decades are compared by their logarithms, clipped at the absolute
    precision and at the error from which runs have diverged. The mean of the paired differences must lie within their
    standard error, at the t-quantile of ``LEVEL``, and within the scatter of independent draws; so must the mean of the
    differences in parts of each cell's size, as a wrong factor moves all cells by the same part.

    Returns
    -------
    errors : float
        The mean difference in standard errors of the paired differences; infinite if fewer than two pairs are finite or
        all pairs differ by the same.
    explained : bool
    """
    known = np.isfinite(new) & np.isfinite(old)
    both = np.stack([new[known], old[known]])
    number = both.shape[1]
    if number < 2:
        return np.inf, False
    decades = both.min() > 0 and both.max() > 100 * both.min()
    if decades:
        both = np.clip(both, absolute, DIVERGED_ABOVE)
    drift = _drift(*both)
    both = np.log10(both) if decades else both
    differences = both[0] - both[1]
    mean = abs(differences.mean())
    if mean == 0:
        return 0.0, True
    # The side that scatters more: one diverged run may be all that a group's scatter consists of.
    scatter = both.std(axis=1, ddof=1).max() / number**0.5
    errors = max(_standard_errors(differences), _standard_errors(drift))
    # Imported here, because reading a reference does not need scipy.
    from scipy.special import stdtrit

    return errors, bool(errors <= stdtrit(number - 1, 1 - LEVEL / 2) and mean <= STANDARD_ERRORS * scatter)


def _standard_errors(values):
    """Return the size of the values' mean in its standard errors; infinite if all values are the same."""
    mean, error = abs(values.mean()), values.std(ddof=1) / len(values) ** 0.5
    # The deviation of equal values is their rounding.
    return mean / error if error > 1e-9 * mean else np.inf


def _redrawn(new, old, settings, dtype):
    """Return the draws, such as ``ensemble=1``, that changed: most of their telling cells are not near."""
    near, telling = [], []
    for column in values_of(old):
        a, b = (side[column].to_numpy() for side in (new, old))
        spread = pd.Series(np.where(np.isfinite(b), b, np.nan)).groupby(settings).transform("std").fillna(0).to_numpy()
        allowed = _allowed(b, dtype)
        near.append(_agree(a, b, np.maximum(allowed, NEAR * spread)))
        # A column that hardly varies with the draw does not show that it changed.
        telling.append(spread > 3 * allowed)
    near, telling = np.array(near), np.array(telling)
    found = []
    for key in (key for key in DRAWS if key in old):
        for value in old[key].unique():
            cells = telling & (old[key] == value).to_numpy()
            if cells.sum() >= LEAST_TELLING and near[cells].mean() < 0.5:
                found.append(f"{key}={value}")
    return found


def _same_keys(new, old):
    keys = keys_of(old)
    return keys_of(new) == keys and new[keys].equals(old[keys])


def _ended_otherwise(new, old):
    """Return which rows have another status, or a value that only one side has."""
    moved = (new["status"] != old["status"]).to_numpy()
    for column in values_of(old):
        a, b = (side[column].to_numpy() for side in (new, old))
        moved = moved | (np.isnan(a) != np.isnan(b)) | (np.isinf(a) != np.isinf(b)) | (np.isinf(a) & (a == -b))
    return moved


def _moved_groups(new, old, settings, dtype):
    """Return which cells of a column agree, how many groups it has, and those that moved.

    Each is the first row that moved, the difference of the means in standard errors, and whether chance explains it.
    """
    agree = _agree(new, old, _allowed(old, dtype))
    # A cell that is zero or missing on both sides says nothing of a factor.
    filled = (np.nan_to_num(new) != 0) | (np.nan_to_num(old) != 0)
    shares = pd.Series(np.where(filled, agree, np.nan)).groupby(settings).mean().dropna()
    found = []
    for group in shares.index[shares <= 0.5]:
        rows = settings == group
        difference = mean_difference(new[rows], old[rows], precision(dtype)[1])
        found.append((int(np.flatnonzero(rows & ~agree)[0]), *difference))
    return agree, len(shares), found


def compare_table(new, old, dtype="float64"):
    """Compare a measured table with its reference.

    Parameters
    ----------
    new, old : pandas.DataFrame
        See :mod:`algoreg.regression.references`.
    dtype : str
        The type that the table was computed in.

    Returns
    -------
    outcome : str
        ``IDENTICAL``, ``WITHIN`` or ``DIFFERENT``.
    what : str
        What differs, as information if the outcome is ``WITHIN``.
    largest : tuple of float and str
        The largest difference of a moved group's mean in standard errors, and its column.
    """
    nothing = (0.0, "")
    if not _same_keys(new, old):
        return DIFFERENT, "rows differ", nothing
    if set(new) != set(old):
        return DIFFERENT, f"columns differ: {', '.join(sorted(set(new) ^ set(old)))}", nothing
    if new.equals(old):
        return IDENTICAL, "", nothing
    ended = _ended_otherwise(new, old)
    if ended.sum() > max(1, ENDED_OTHERWISE * len(old)):
        return DIFFERENT, f"{ended.sum()} of {len(old)} rows ended otherwise; first: {_ends(new, old, ended)}", nothing
    settings = groups(old[keys_of(old)])
    if redrawn := _redrawn(new, old, settings, dtype):
        return DIFFERENT, f"other draws: {', '.join(redrawn)}", nothing
    cells, count, moved, unexplained, whole, largest = 0, 0, 0, [], [], nothing
    for column in values_of(old):
        agree, number, found = _moved_groups(new[column].to_numpy(), old[column].to_numpy(), settings, dtype)
        strange = [f"{column} from {_point(old, row)}" for row, _, explained in found if not explained]
        cells, count, moved = cells + (~agree).sum(), count + number, moved + len(found)
        unexplained += strange
        whole += [column] if number and len(strange) == number else []
        largest = max([largest, *((errors, column) for _, errors, _ in found)], key=lambda one: one[0])
    what = f"{cells} of {old[values_of(old)].size} cells and {moved} of {count} groups moved"
    what += f"; rows that ended otherwise: {ended.sum()}" if ended.any() else ""
    if moved > max(1, count / 2):
        return DIFFERENT, what, largest
    if whole:
        return DIFFERENT, f"{what}; whole columns: {', '.join(whole)}", largest
    if len(unexplained) > max(1, 0.02 * count):
        return DIFFERENT, f"{what}; means of {len(unexplained)} groups, such as {unexplained[0]}", largest
    return WITHIN, what, largest


def _ends(new, old, ended):
    row = int(np.flatnonzero(ended)[0])
    return f"{_point(old, row)}: {new['status'][row]}, reference {old['status'][row]}"


def _point(table, row):
    return ", ".join(f"{key}={table[key][row]}" for key in keys_of(table))


def compare_derived(new, old, dtype="float64"):
    """Compare a table that is derived from others, as one group a column; see :func:`compare_table`."""
    nothing = (0.0, "")
    if new.equals(old):
        return IDENTICAL, "", nothing
    if set(new) != set(old) or len(new) != len(old):
        return DIFFERENT, "rows or columns differ", nothing
    moved = []
    for column in old:
        a, b = new[column], old[column]
        numbers = is_numeric_dtype(b) and not is_bool_dtype(b) and is_numeric_dtype(a)
        if not numbers:
            agree = ((a == b) | (a.isna() & b.isna())).to_numpy()
        else:
            a, b = a.to_numpy(float), b.to_numpy(float)
            agree = _agree(a, b, _allowed(b, dtype))
        # One row may lie beyond what six digits show: a threshold that is interpolated between two chaotic runs.
        if (~agree).sum() > max(1, 0.02 * len(old)) or (len(old) == 1 and not agree.all()):
            moved.append(column)
    return (DIFFERENT, f"columns that moved: {', '.join(moved)}", nothing) if moved else (WITHIN, "", nothing)


COMPARED = {"tables": compare_table, "comparisons": compare_derived}


def compare(new, old, dtypes=None, of_the_clock=None):
    """Compare a chapter's results with its reference.

    Parameters
    ----------
    new, old : mapping
        See :mod:`algoreg.regression.references`.
    dtypes : mapping of str to str, optional
        The type that each table was computed in, by default float64.
    of_the_clock : mapping of str to sequence of str, optional
        Columns of a table that are measured by the clock and are not compared.

    Returns
    -------
    Outcome
    """
    found = Outcome()
    if old.get("partial"):
        found.lines.append("the reference covers a part of this tier: only that part is compared")
        new = _part_of(new, old)
    for kind in MAPPINGS:
        for name in sorted({*new[kind], *old[kind]}):
            left_out = list((of_the_clock or {}).get(name, ()))
            pair = [side[kind].get(name) for side in (new, old)]
            pair = [table if table is None else table.drop(columns=left_out, errors="ignore") for table in pair]
            _compare_one(found, kind, name, *pair, (dtypes or {}).get(name, "float64"))
    _compare_claims(found, new["claims"], old["claims"])
    return found


def _compare_one(found, kind, name, new, old, dtype):
    found.tables += 1
    if new is None or old is None:
        found.add(f"table {name}: {DIFFERENT} (only in {'the reference' if new is None else 'this run'})", False)
        return
    outcome, what, (errors, column) = COMPARED[kind](new, old, dtype)
    found.identical += outcome == IDENTICAL
    if errors > found.largest:
        found.largest, found.largest_in = errors, f"{name}, {column}"
    found.add(f"table {name}: {outcome}" + (f"; {what}" if what else ""), outcome != DIFFERENT)


def _compare_claims(found, new, old):
    ours, theirs = ({claim["id"]: claim for claim in side} for side in (new, old))
    for name in dict.fromkeys([*ours, *theirs]):
        pair = ours.get(name), theirs.get(name)
        found.claims += 1
        difference = "only on one side" if None in pair else verdict_difference(*pair)
        found.equal += difference is None
        difference = difference or number_difference(*pair)
        if difference is not None:
            found.add(f"claim {name}: {DIFFERENT}: {difference}", False)


def _part_of(new, old):
    """Return the part of a run whose tables and claims are in a reference."""
    named = {kind: {name: table for name, table in new[kind].items() if name in old[kind]} for kind in MAPPINGS}
    known = {claim["id"] for claim in old["claims"]}
    return {**new, **named, "claims": [claim for claim in new["claims"] if claim["id"] in known]}


def verdict_difference(claim, other):
    """Return a description of how a claim's margin or verdicts differ from its reference; None if they do not."""
    for name in ("margin", "verdict", "control_verdict", "positive_control_verdict"):
        if claim[name] != other[name]:
            return f"{name.replace('_', ' ')} {claim[name]}, reference {other[name]}"
    return None


def number_difference(claim, other):
    """Return a description of how a claim's numbers differ from its reference; None if they agree.

    The estimate and each end may move by a quarter of the interval's half width, by a twentieth of its distance to the
    margin, or by a hundredth of the largest of the claim's numbers: less decides nothing.
    """
    sizes = [abs(other[name]) for name in NUMBERS if other[name] is not None]
    ends = [(side["ci_low"], side["ci_high"]) for side in (claim, other)]
    halves = [(high - low) / 2 for low, high in ends if None not in (low, high)]
    allowed = max(0.01 * max(sizes, default=0.0), max(halves, default=0.0) / 4)
    for name in NUMBERS:
        a, b, margin = claim[name], other[name], other["margin"]
        if (a is None) != (b is None):
            return f"{name.replace('_', ' ')} {a}, reference {b}"
        decides = abs(b - margin) / 20 if None not in (b, margin) else 0.0
        if a is not None and a != b and not abs(a - b) <= max(allowed, decides):
            return f"{name.replace('_', ' ')} {a}, reference {b}"
    return None


def compare_seeds(new, old):
    """Compare the claims of a whole run on another seed with the committed claims; its cells are other draws.

    Nine tenths of the verdicts must be the same, and nine tenths of the estimates as near as their intervals predict
    (:mod:`algoreg.regression.replications`).
    """
    found = Outcome()
    outcomes = replications.outcomes({"this": replications.run_summary(new)}, old)
    found.claims, found.equal = len(outcomes), sum(one["same"] for one in outcomes.values())
    for name, one in outcomes.items():
        for verdict in one["others"]:
            found.lines.append(f"claim {name}: {verdict}, reference {one['committed']['verdict']}")
    near, compared = (sum(one[key] for one in outcomes.values()) for key in ("near", "compared"))
    found.add(
        f"another seed: {found.equal} of {found.claims} verdicts are the same, and {near} of {compared} estimates as near "
        "as their intervals predict; tables are not compared, because the draws differ",
        found.equal >= replications.enough(found.claims) and near >= replications.enough(compared),
    )
    return found
