"""What the claims about sample complexity measure: thresholds in m, and their exponents, where some lie off the grid."""

from dataclasses import dataclass

import pandas as pd

from algoreg.analysis.cells import chosen
from algoreg.analysis.intervals import UNDEFINED, Estimate
from algoreg.analysis.thresholds import Thresholds, exponent_of, find_thresholds
from algoreg.judge.estimands import estimand
from algoreg.numerics.seeds import stream


def families_of(frame, along, tolerance):
    """Return the thresholds of each spectrum of a table by its name.

    Raises
    ------
    ValueError
        If there are fewer than three sizes: no exponent can be told from two.
    """
    if frame[along].nunique() < 3:
        raise ValueError(f"{frame[along].nunique()} values of {along}: an exponent needs at least three")
    return {name: find_thresholds(part, along, tolerance) for name, part in frame.groupby("spectrum")}


@estimand("exponent in {along} of the m at which the test error falls through {tolerance} (largest over spectra)")
def threshold_exponent(tables, published, rng, *, table, along, tolerance, where=None):
    """Return the exponent of thresholds in d or rank, the largest over the table's spectra; see ``find_thresholds``.

    Thresholds off the grid enter as bounds; ``where`` picks rows (column: value or list). The interval goes from the
    largest lower end to the largest upper end: it lies below a margin only where every spectrum's does, and above one
    where some spectrum's does.
    """
    families = families_of(chosen(tables[table], where), along, tolerance).values()
    found = [exponent_of(each, rng) for each in families]
    if UNDEFINED in found:
        return UNDEFINED
    return Estimate(*(max(getattr(each, part) for each in found) for part in ("value", "low", "high")))


@dataclass(frozen=True)
class Reading:
    """A sweep's thresholds read at one tolerance.

    ``kind`` says what for: claims and other tolerances on their runs (``judged``), how much they depend on settings
    (``settings``, ``precision``), a control. ``name`` says what differs from the reading that judges.
    """

    kind: str
    name: str
    along: str
    spectrum: str
    tolerance: float
    frame: pd.DataFrame
    thresholds: Thresholds
    exponent: Estimate


# The tolerance of the claims.
TOLERANCE = 0.1
SWEEPS = {"rank": "samples_r", "d": "samples_d"}
_CONTROLS = {"rank": "samples_square", "d": "samples_projected"}


def readings(tables, along):
    """Yield the :class:`Reading` of every spectrum of the sweeps along ``along``, as far as there are tables.

    The tables of ``SWEEPS`` at four tolerances; every time and step of ``samples_settings_*`` and
    ``samples_precision_*`` at 0.1, and other starts at 0.01 too; the controls. A sweep needs at least three sizes.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
    along : str
        ``rank`` or ``d``.
    """
    name = SWEEPS[along]
    usual = tables[name].iloc[0] if name in tables else None
    for kind, table in (
        ("judged", name),
        ("settings", name.replace("_", "_settings_")),
        ("precision", name.replace("_", "_precision_")),
        ("control", _CONTROLS[along]),
    ):
        if usual is None or table not in tables:
            continue
        whole = tables[table]
        for (alpha, time, step, spectrum), frame in whole.groupby(["alpha", "time", "step", "spectrum"]):
            tolerances = [TOLERANCE, 0.3, 0.03, 0.01] if kind == "judged" else [TOLERANCE]
            if alpha != usual["alpha"] and kind == "settings":
                # One change at a time: another start at the usual time, and there at a tolerance near its floor too.
                tolerances = [TOLERANCE, 0.01] if time == usual["time"] else []
            for tolerance in tolerances:
                found = find_thresholds(frame, along, tolerance)
                if len(found.sizes) < 3:
                    continue
                axes = {"table": table, "alpha": alpha, "time": time, "step": step, "spectrum": spectrum}
                rng = stream("reading", tolerance=tolerance, **{key: str(value) for key, value in axes.items()})
                label = _label(kind, tolerance, frame.iloc[0], usual)
                yield Reading(kind, label, along, spectrum, tolerance, frame, found, exponent_of(found, rng))


def power(value):
    """Return a number as a digit times a power of ten, without a digit 1."""
    digit, exponent = f"{value:.0e}".split("e")
    return ("" if digit == "1" else f"{digit}·") + "10" + str(int(exponent)).translate(SUPERSCRIPT)


SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
SETTINGS = (("alpha", "α", power), ("time", "η·t", "{:g}".format), ("step", "η", "{:g}".format))


def _label(kind, tolerance, first, usual):
    """Return what a reading is, from a row of it and one of the judged table."""
    if kind == "control":
        growing = f"d = {first['d'] / first['rank'] ** 2:g}r²"
        return f"control: {growing if first['alpha'] else 'projected descent'}"
    parts = [f"error {tolerance:g}"] if tolerance != TOLERANCE else []
    parts += [f"{letter} = {show(first[key])}" for key, letter, show in SETTINGS if first[key] != usual[key]]
    what = {"judged": "", "settings": "fewer draws", "precision": "fewer draws, float64"}[kind]
    return ", ".join(filter(None, [what, *parts])) or f"judged: error {TOLERANCE:g}"
