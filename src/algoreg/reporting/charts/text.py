"""Format numbers, sizes and margins for titles and legends."""

import re

import numpy as np

from algoreg.claims.cells import paired
from algoreg.reporting.wording import SUPERSCRIPT, exact, outwards
from algoreg.settings.selection import PAPER_STEP

# A quantity that changes by less than this factor counts as unchanged.
STILL = 1.05
LETTERS = {"rank": "r", "alpha": "α", "kappa": "κ", "step": "η"}
ITERATION = f"iteration at the paper's step (η·t / {PAPER_STEP:g})"
BAND = "line: mean of runs; band: smallest to largest run (targets × ensembles)"
GEOMETRIC_BAND = "line: geometric mean of runs; band or bar: smallest to largest run (targets × ensembles)"
SPREAD = "points: geometric mean of runs; bars: smallest to largest run (targets × ensembles)"


def number(value):
    """Return a number as text: plain from 0.001 to 10⁵, else two digits and a power of ten; a dash if not finite."""
    if not np.isfinite(value):
        return "–"
    # With five digits, 99999.7 would be rounded to 100000.
    if value == 0 or 1e-3 <= abs(value) < 99999.5:
        return f"{value:.5g}".replace("-", "−")
    digits, power = f"{value:.1e}".split("e")
    digits = digits.removesuffix(".0").replace("-", "−")
    return ("" if digits == "1" else f"{digits}·") + "10" + str(int(power)).translate(SUPERSCRIPT)


def power_of_ten(value):
    """Return 10ᵏ as text."""
    return "10" + str(round(np.log10(value))).translate(SUPERSCRIPT)


def signed(value):
    """Return a number with two decimals and a minus sign instead of a hyphen, 0 without a sign; a dash if missing."""
    # Adding 0 turns −0 into 0.
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−") if np.isfinite(value) else "–"


def raised(base, exponent):
    """Return a base with an exponent, both as text: an integer in superscript, any other after a circumflex.

    Figures do not use mathtext, because in an SVG it is set letter by letter, in a font without a fallback.
    """
    whole = re.fullmatch(r"[-−]?\d+", str(exponent))
    return base + (str(exponent).replace("−", "-").translate(SUPERSCRIPT) if whole else f"^{exponent}")


def rounded(value, digits=2, towards=None):
    """Return a number with so many significant digits, in the format of :func:`number`.

    A bound is rounded ``towards`` "up" or "down".
    """
    if towards and np.isfinite(value):
        return number(outwards(value, towards, digits))
    return number(float(f"{value:.{digits}g}"))


def fold(means):
    """Return a text on how means change from the first to the last, such as "falls 12-fold".

    With fewer than two means, or from or to 0, the text says that the change is not known.
    """
    if len(means) < 2 or not (means.iloc[[0, -1]] > 0).all():
        return "is not known"
    factor = means.iloc[0] / means.iloc[-1]
    if abs(np.log(factor)) < np.log(STILL):
        return f"stays within a factor {rounded(max(factor, 1 / factor), 3, 'up')}"
    return f"falls {rounded(factor, 3)}-fold" if factor >= 1 else f"rises {rounded(1 / factor, 3)}-fold"


def lines(*parts):
    """Return a title of several lines, without empty ones."""
    return "\n".join(part for part in parts if part)


def caption(*parts):
    """Return a caption as one line of text, without empty parts."""
    return "; ".join(" ".join(part.split()) for part in parts if part)


def draws(frame):
    """Return a text with the number of draws behind a table's rows."""
    ensembles = _counted(frame["ensemble"].nunique(), "ensemble")
    if "target" not in frame:
        return ensembles
    if paired(frame):
        return f"{ensembles} with a target each"
    return f"{_counted(frame['target'].nunique(), 'target')} × {ensembles}"


def _counted(count, word):
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def sizes(frame, *columns):
    """Return the values of columns and the draws, for a title; ``m_over_dr`` is computed if it is not a column."""
    parts = []
    for column in columns:
        if column == "m_over_dr":
            value = (frame["m"] / frame["d"] / frame["rank"]).iloc[0]
            parts.append(f"m = {number(float(f'{value:.2g}'))}·dr")
        else:
            values = ", ".join(number(value) for value in sorted(frame[column].unique()))
            parts.append(f"{LETTERS.get(column, column)} = {values}")
    return ", ".join([*parts, draws(frame)])


def margin_text(claim, quantity=""):
    """Return a claim's margin and direction, for a legend."""
    margin = claim["margin"]
    shown = number(margin) if margin and abs(margin) < 1e-3 else exact(margin).replace("-", "−")
    return f"margin: {f'{quantity} ' if quantity else ''}{claim['direction']} {shown}"


def isometry(frame):
    """Return a text about δ: that it is certified to be below a number, or that an attack found it above one."""
    if frame["delta_up"].notna().all():
        return f"δ < {number(outwards(frame['delta_up'].max(), 'up'))}"
    return f"δ > {number(outwards(frame['delta_low'].min(), 'down'))}"


def isometry_bracket(frame):
    """Return a text with the bracket of δ in a table's first row."""
    first = frame.iloc[0]
    low, up = outwards(first["delta_low"], "down"), outwards(first["delta_up"], "up")
    return f"δ between {low:g} and {up:g}"
