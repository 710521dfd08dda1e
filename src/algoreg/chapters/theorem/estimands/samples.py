"""What the claims about sample complexity measure: thresholds in m, and their exponents,
where some lie off the grid.
"""

from algoreg.claims.cells import chosen
from algoreg.claims.estimands import estimand
from algoreg.claims.exponents import refuse_few
from algoreg.claims.intervals import UNDEFINED, extreme
from algoreg.claims.thresholds import exponent_of, find_thresholds


@estimand("exponent in {along} of the m at which the test error falls through {tolerance} (largest over spectra)")
def threshold_exponent(tables, published, rng, *, table, along, tolerance, where=None):
    """Return the exponent of thresholds in d or rank, the largest over the table's spectra; see ``find_thresholds``.

    Thresholds off the grid enter as bounds; ``where`` picks rows (column: value or list). The interval goes from the
    largest lower end to the largest upper end: it lies below a margin only where every spectrum's does, and above one
    where some spectrum's does.
    """
    frame = chosen(tables[table], where)
    refuse_few(frame[along].unique(), along, table)
    found = [exponent_of(find_thresholds(part, along, tolerance), rng) for _, part in frame.groupby("spectrum")]
    return UNDEFINED if UNDEFINED in found else extreme(max, found)
