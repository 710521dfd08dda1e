"""How the thresholds of sample complexity come out as they are read otherwise:
at other tolerances, times, steps and starts.
"""

from dataclasses import dataclass

import pandas as pd

from algoreg.claims.intervals import Estimate
from algoreg.claims.thresholds import Thresholds, exponent_of, find_thresholds
from algoreg.numerics.seeds import stream
from algoreg.reporting.wording import typeset_numbers


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
    """Yield the :class:`Reading` of every spectrum of the sweeps along ``rank`` or ``d``, as far as there are tables.

    The tables of ``SWEEPS`` at four tolerances; every time and step of ``samples_settings_*`` and
    ``samples_precision_*`` at 0.1, and other starts at 0.01 too; the controls. A sweep needs at least three sizes.
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
    return typeset_numbers(f"{value:.0e}")


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
