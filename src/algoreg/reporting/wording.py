"""How a verdict and its numbers are said: one place for the terminal, the documents and the page."""

import math
import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context

from algoreg.claims.judging import INCONCLUSIVE, INVALID, REFUTED, SIGNS, SUPPORTED, exact

# An interval narrower than this part of its estimate is rounding: all runs came out alike.
NO_SPREAD = 1e-9
# An entry without sampling may have an interval of this width; a wider one is shown all the same.
DETERMINISTIC_WIDTH = 0.1
# A verdict hangs on the margin where an end of its interval lies within this part of it.
AT_THE_MARGIN = 0.02
SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


# Whose claim it is, in words.
STANDINGS = {
    "paper": "a paper says it",
    "reading": "our reading of a paper",
    "ours": "our own finding",
    "check": "a check: true by theorem or construction",
}
# How the keys of a regime are written; another key is written as it is.
SYMBOLS = {
    "r": "r",
    "kappa": "κ",
    "alpha": "α",
    "m_over_dr": "m/(dr)",
    "m_over_d": "m/d",
    "m_over_D": "m/D",
    "m_over_dof": "entries per degree of freedom",
    "m_over_freedom": "m per degree of freedom",
    "m_ratio": "m/d",
    "m_over_n": "m/n",
    "m_over_dimension": "m/D",
    "step": "η",
    "momentum": "μ",
    "error": "relative error",
}


def format_regime(regime):
    """Return what a claim depends on as a text: "r = 1 to 5, α = 10⁻⁶, m < d(d+1)/2"."""
    return ", ".join(_format_key(key, value) for key, value in regime.items())


def _format_key(key, value):
    if key == "below_D":
        return "m < d(d+1)/2" if value else "m ≥ d(d+1)/2"
    several = value if isinstance(value, list) else [value]
    texts = [_format_number(one) if type(one) in (int, float) else str(one) for one in several]
    join = " to " if type(several[0]) in (int, float) else ", "
    name = SYMBOLS.get(key, key.replace("_", " "))
    return name if value is True else f"{name} = {join.join(texts)}"


def _format_number(value):
    mantissa, _, power = f"{value:g}".partition("e")
    if not power:
        return minus(mantissa)
    times = "" if mantissa == "1" else f"{mantissa}·"
    return f"{times}10{str(int(power)).translate(SUPERSCRIPT)}"


def minus(text):
    """Return text with minus signs before its numbers in the place of hyphens."""
    return re.sub(r"(?<![\w-])-(?=[\d.])|(?<=\de)-(?=\d)", "−", text)


def _side(value, margin):
    return (value > margin) - (value < margin)


def format_beside_margin(values, margin, digits=3, distinct=False, towards=None):
    """Return numbers as texts in which each lies on the side of the margin on which it is.

    All get the same number of significant digits, ``digits`` or as many more as that needs: 0.199982 beside 0.2 is not
    "0.2".

    Parameters
    ----------
    values : list of float
    margin : float
    digits : int
    distinct : bool
        Whether numbers that differ must have texts that differ: an interval from 3.975 to 3.985 is not "3.98 … 3.98".
    towards : str, optional
        Of bounds: how :func:`outwards` rounds them. To the nearest without it.
    """
    for places in range(digits, 17):
        rounded = [outwards(value, towards, places) for value in values] if towards else values
        texts = [f"{value:.{places}g}" for value in rounded]
        sided = all(
            _side(float(text), margin) == _side(value, margin) for text, value in zip(texts, values, strict=True)
        )
        if sided and (not distinct or len(set(texts)) == len(set(values))):
            return texts
    # 17 significant digits are every float64 itself.
    return [f"{value:.17g}" for value in values]


def outwards(value, towards, digits=2):
    """Return a bound rounded to so many significant digits so that it stays one:
    no number in it is closer than the true one.

    A bound from below is rounded ``down``, one from above ``up``.
    """
    rounding = {"down": ROUND_FLOOR, "up": ROUND_CEILING}[towards]
    # By its shortest digits: the float next to 0.96 lies below it.
    return float(Context(digits, rounding).create_decimal(repr(float(value))))


def _number(value, margin, digits):
    return "–" if value is None else format_beside_margin([value], margin, digits)[0]


def without_sampling(claim):
    """Return the text that replaces an interval without sampling, else None.

    "Deterministic", and to which power of ten of its estimate, is what the entry itself calls so (``deterministic``),
    up to ``DETERMINISTIC_WIDTH``: the numbers have the last word. An estimate from draws is not, however narrow its
    interval: where its runs came out alike there is no spread between them.
    """
    low, high = claim["ci_low"], claim["ci_high"]
    if low is None:
        return None
    width = 0.0 if low == high else (high - low) / abs(claim["estimate"]) if claim["estimate"] else math.inf
    if not claim.get("deterministic"):
        return "no spread between runs" if width < NO_SPREAD else None
    if low == high:
        return "deterministic"
    if width >= DETERMINISTIC_WIDTH:
        return None
    power = str(math.ceil(math.log10(width))).translate(SUPERSCRIPT)
    return f"deterministic to 10{power}"


def slack(claim):
    """Return how far the nearest end of a claim's interval is from the margin, in parts of the margin, or None.

    A margin of 0 has no scale of its own: the estimate's is taken.
    """
    if claim["ci_low"] is None:
        return None
    margin = claim["margin"]
    distance = min(abs(claim[end] - margin) for end in ("ci_low", "ci_high"))
    return distance / (abs(margin) or abs(claim["estimate"]) or 1.0)


def turning_point(claim):
    """Return the smallest change of a claim's estimate, and of its interval with it, that would turn the verdict.

    A verdict that the interval decides turns to inconclusive where the end of the interval that is nearer to the margin
    comes to it. An inconclusive one turns where the interval has left the margin.

    Returns
    -------
    tuple or None
        The change, with its sign, and the verdict that it leads to; None where there is no interval, or where another
        thing than the interval decided.
    """
    if claim["ci_low"] is None or claim["verdict"] not in (SUPPORTED, REFUTED, INCONCLUSIVE):
        return None
    ends = [claim["margin"] - claim[end] for end in ("ci_low", "ci_high")]
    change = min(ends, key=abs)
    if claim["verdict"] != INCONCLUSIVE:
        return change, INCONCLUSIVE
    rises = change == ends[0]
    return change, SUPPORTED if rises == (claim["direction"] == "above") else REFUTED


def format_turning_point(claim):
    """Return how sharp a verdict is as a sentence's part, or None; see :func:`turning_point`.

    "A rise by 0.12, 1.3 half-widths of the interval, would make it inconclusive."
    """
    turn = turning_point(claim)
    if turn is None:
        return None
    change, verdict = turn
    half, size = (claim["ci_high"] - claim["ci_low"]) / 2, _format_number(float(f"{abs(change):.3g}"))
    sized = ""
    if without_sampling(claim) is None:
        sized = f", {_format_number(float(f'{abs(change) / half:.2g}'))} half-widths of the interval,"
    return f"a {'rise' if change > 0 else 'fall'} by {size}{sized} would make it {verdict}"


@dataclass(frozen=True)
class VerdictText:
    """The texts of a verdict; a dash where there is none.

    Attributes
    ----------
    verdict : str
        The verdict alone.
    remedy : str or None
        The claim that is the nearest true form of a refuted one.
    remedy_verdict : str or None
        What came of it, where that is known.
    edge : str
        "at the margin" with its slack, or empty.
    estimate, interval, needed, control, positive_control : str
    """

    verdict: str
    remedy: str | None
    remedy_verdict: str | None
    edge: str
    estimate: str
    interval: str
    needed: str
    control: str
    positive_control: str

    def remedied(self):
        """Return the words before and after the name of the remedy."""
        if self.remedy_verdict == "supported":
            return "; true instead: ", ""
        return "; amended: ", f" ({self.remedy_verdict or 'not judged here'})"

    def outcome(self, bold="{}", code="{}"):
        """Return the verdict with its remedy and its slack;
        ``bold`` and ``code`` wrap the verdict and the remedy's name.
        """
        text = bold.format(self.verdict)
        if self.remedy:
            text += code.format(self.remedy).join(self.remedied())
        return f"{text}, {self.edge}" if self.edge else text

    def cells(self):
        """Return the cells beside a verdict in a table: estimate, interval,
        what is needed, and what came of the controls.
        """
        return [self.estimate, self.interval, self.needed, self.controls()]

    def controls(self):
        """Return what came of the control and, where there is one, of the positive control."""
        positive = "" if self.positive_control == "–" else f"; positive control: {self.positive_control}"
        return self.control + positive


def _control(claim, part, weak, digits):
    outcome = claim.get(f"{part}_verdict")
    if outcome is None:
        return "–"
    # A committed reference may be older than the record of this number.
    estimate = claim.get(f"{part}_estimate")
    if claim["verdict"] == INVALID and outcome == INCONCLUSIVE and estimate is None:
        return "undefined"
    said = f"{outcome} (weak)" if outcome == weak else outcome
    return said if estimate is None else f"{said}, {_number(estimate, claim['margin'], digits)}"


def verdict_text(claim, verdicts=None, digits=3) -> VerdictText:
    """Return the texts of a verdict.

    Parameters
    ----------
    claim : mapping
        An entry of ``claims.json``, or a committed one with its ``direction``.
    verdicts : mapping of str to str, optional
        The verdicts of all claims, to tell whether the remedy was supported.
    digits : int
        At least so many significant digits.
    """
    margin, estimate, interval = claim["margin"], "–", "–"
    if claim["estimate"] is not None:
        interval = without_sampling(claim)
        numbers = [claim["estimate"], claim["ci_low"], claim["ci_high"]]
        estimate, low, high = format_beside_margin(numbers, margin, digits, distinct=interval is None)
        interval = interval or f"{low} … {high}"
    near = slack(claim)
    edge = "" if near is None or near > AT_THE_MARGIN else f"at the margin (slack {100 * near:.2g} %)"
    remedy = claim.get("remedy") if claim["verdict"] == "refuted" else None
    return VerdictText(
        verdict=claim["verdict"],
        remedy=remedy,
        remedy_verdict=(verdicts or {}).get(remedy),
        edge=edge,
        estimate=minus(estimate),
        interval=minus(interval),
        needed=minus(f"{SIGNS[claim['direction']]} {exact(margin)}"),
        control=minus(_control(claim, "control", "inconclusive", digits)),
        positive_control=minus(_control(claim, "positive_control", None, digits)),
    )


def bound(claim, towards, digits=3):
    """Return a claim's estimate as the text of a bound: rounded ``down`` or ``up``, and on its side of the margin.

    Parameters
    ----------
    claim : mapping
    towards : str
        As of :func:`outwards`.
    digits : int
        At least so many significant digits.
    """
    estimate = claim["estimate"]
    return (
        "–"
        if estimate is None
        else minus(format_beside_margin([estimate], claim["margin"], digits, towards=towards)[0])
    )


def verdicts_of(claims):
    """Return the verdict of each claim by its name."""
    return {claim["id"]: claim["verdict"] for claim in claims}


def verdict_table(claims, titles=None):
    """Return the verdicts as a text table, chapter by chapter; remedies,
    and what the machine did not allow, stand below it.

    Parameters
    ----------
    claims : list of mapping
        Entries of ``claims.json``.
    titles : mapping of str to str, optional
        The chapters' titles by name, in their order.
    """
    titles, rows, remedies = titles or {}, {}, []
    for claim in claims:
        said = verdict_text(claim, verdicts_of(claims), digits=4)
        outcome = f"{said.verdict}, {said.edge}" if said.edge else said.verdict
        rows.setdefault(claim.get("chapter"), []).append((f"  {claim['id']}", outcome, *said.cells()))
        remedies += [f"{claim['id']}: {said.outcome()}"] if said.remedy else []
        remedies += [f"{claim['id']}: not judged, as {claim['not_judged']}"] if claim.get("not_judged") else []
    header = ("claim", "verdict", "estimate", "95 % interval", "margin", "control")
    every = [header, *(row for part in rows.values() for row in part)]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    lines = [_line(header, widths)]
    for chapter in sorted(rows, key=[*titles, *rows].index):
        lines += ["", titles.get(chapter, chapter)] if chapter else []
        lines += [_line(row, widths) for row in rows[chapter]]
    return "\n".join([*lines, *([""] if remedies else []), *remedies])


def _line(cells, widths):
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
