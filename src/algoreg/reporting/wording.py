"""Format verdicts and their numbers, in the same way for the terminal, the documents and the page."""

import math
import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context

from algoreg.claims.judging import INCONCLUSIVE, INVALID, REFUTED, SIGNS, SUPPORTED, exact

# An interval narrower than this part of its estimate is due to rounding, because all runs have the same result.
NO_SPREAD = 1e-9
# An entry without sampling may have an interval of this relative width; a wider interval is shown nevertheless.
DETERMINISTIC_WIDTH = 0.1
# A verdict is at the margin if an end of its interval is within this part of the margin.
AT_THE_MARGIN = 0.02
# A float of Python with an exponent, and the largest exponent whose number is written out.
WITH_EXPONENT = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)e([+-]?\d+)(?!\w)")
WRITTEN_OUT = 5
SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


# Texts for the standing of a claim.
STANDINGS = {
    "paper": "a paper says it",
    "reading": "our reading of a paper",
    "ours": "our own statement",
    "check": "a check: true by theorem or construction",
}
# Texts for the keys of a regime; other keys are written unchanged.
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


def of_abstract(claim):
    """Return whether a claim rests on a paper's abstract: its ``source`` then begins with "abstract:"."""
    return claim["standing"] in {"paper", "reading"} and claim["source"].startswith("abstract:")


def format_standing(claim):
    """Return whose claim it is as a text, such as "a paper says it (its abstract was read, not the paper)"."""
    return STANDINGS[claim["standing"]] + " (its abstract was read, not the paper)" * of_abstract(claim)


def format_regime(regime):
    """Return the regime of a claim as a text, such as "r = 1 to 5, α = 10⁻⁶, m < d(d+1)/2"."""
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
    return typeset_numbers(f"{value:g}")


def typeset_numbers(text):
    """Return text with minus signs instead of hyphens before its numbers, and powers of ten for exponents.

    "-2.5e-06" becomes "−2.5·10⁻⁶", "1e-06" becomes "10⁻⁶", and "1.07e+03", which is short, "1070".
    """
    return re.sub(r"(?<![\w-])-(?=[\d.])", "−", WITH_EXPONENT.sub(_power_of_ten, text))


def _power_of_ten(match):
    mantissa, power = match[1], int(match[2])
    if 0 <= power <= WRITTEN_OUT:
        return f"{float(match[0]):.0f}"
    times = "" if float(mantissa) == 1 else f"{mantissa}·"
    return f"{times}10{str(power).translate(SUPERSCRIPT)}"


def _side(value, margin):
    return (value > margin) - (value < margin)


def format_beside_margin(values, margin, digits=3, distinct=False, towards=None):
    """Return numbers as texts that stay on their side of the margin.

    All have the same number of significant digits: ``digits``, or as many more as needed, so that 0.199982 beside 0.2
    is not "0.2".

    Parameters
    ----------
    values : list of float
    margin : float
    digits : int
    distinct : bool
        Whether different numbers must have different texts: an interval from 3.975 to 3.985 is not "3.98 … 3.98".
    towards : str, optional
        For bounds, the direction of :func:`outwards`; by default numbers are rounded to the nearest.
    """
    for places in range(digits, 17):
        rounded = [outwards(value, towards, places) for value in values] if towards else values
        texts = [f"{value:.{places}g}" for value in rounded]
        sided = all(
            _side(float(text), margin) == _side(value, margin) for text, value in zip(texts, values, strict=True)
        )
        if sided and (not distinct or len(set(texts)) == len(set(values))):
            return texts
    # 17 significant digits represent every float64 exactly enough to recover it.
    return [f"{value:.17g}" for value in values]


def outwards(value, towards, digits=2):
    """Return a bound rounded to so many significant digits in the direction in which it remains a bound.

    A bound from below is rounded ``down``, and a bound from above ``up``.
    """
    rounding = {"down": ROUND_FLOOR, "up": ROUND_CEILING}[towards]
    # The shortest decimal form is rounded, because the float nearest to 0.96 is below 0.96.
    return float(Context(digits, rounding).create_decimal(repr(float(value))))


def _number(value, margin, digits):
    return "–" if value is None else format_beside_margin([value], margin, digits)[0]


def without_sampling(claim):
    """Return the text that replaces an interval without sampling, else None.

    The text is "deterministic", with a power of ten of the estimate, if the entry has ``deterministic`` and its
    interval is narrower than ``DETERMINISTIC_WIDTH``. An estimate from random draws is never deterministic; if all its
    runs have the same result, the text says that there is no spread between them.
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
    """Return the distance of the nearer end of a claim's interval from the margin, over the margin, or None.

    If the margin is 0, the distance is divided by the estimate instead.
    """
    if claim["ci_low"] is None:
        return None
    margin = claim["margin"]
    distance = min(abs(claim[end] - margin) for end in ("ci_low", "ci_high"))
    return distance / (abs(margin) or abs(claim["estimate"]) or 1.0)


def turning_point(claim):
    """Return the smallest change of a claim's estimate, and of its interval with it, that would change the verdict.

    A supported or refuted claim becomes inconclusive when the nearer end of its interval reaches the margin. An
    inconclusive claim is decided when its interval no longer contains the margin.

    Returns
    -------
    tuple or None
        The change, with its sign, and the verdict that it leads to; None if there is no interval, or if something other
        than the interval decided the verdict.
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
    """Return the :func:`turning_point` of a verdict as a part of a sentence, or None.

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
    """The texts of a verdict; a missing text is a dash.

    Attributes
    ----------
    verdict : str
        The verdict alone.
    remedy : str or None
        The claim that is the nearest true form of a refuted one.
    remedy_verdict : str or None
        The verdict on that claim, if it is known.
    edge : str
        "at the margin" with its slack, or empty.
    estimate, interval, needed, control, positive_control : str
    """

    verdict: str
    unsettled: str
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
        """Return the verdict with its remedy and slack; ``bold`` and ``code`` wrap the verdict and the remedy."""
        text = bold.format(self.verdict) + self.unsettled
        if self.remedy:
            text += code.format(self.remedy).join(self.remedied())
        return f"{text}, {self.edge}" if self.edge else text

    def cells(self):
        """Return the cells beside a verdict in a table: estimate, interval, what is needed, outcome of the controls."""
        return [self.estimate, self.interval, self.needed, self.controls()]

    def controls(self):
        """Return the outcome of the control and, if there is one, of the positive control."""
        positive = "" if self.positive_control == "–" else f"; positive control: {self.positive_control}"
        return self.control + positive


def _control(claim, part, weak, digits):
    outcome = claim.get(f"{part}_verdict")
    if outcome is None:
        return "–"
    # An older committed reference may lack this number.
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
        The verdicts of all claims, from which the verdict on the remedy is taken.
    digits : int
        The least number of significant digits.
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
        unsettled=unsettled(claim),
        remedy=remedy,
        remedy_verdict=(verdicts or {}).get(remedy),
        edge=edge,
        estimate=typeset_numbers(estimate),
        interval=typeset_numbers(interval),
        needed=typeset_numbers(f"{SIGNS[claim['direction']]} {exact(margin)}"),
        control=typeset_numbers(_control(claim, "control", "inconclusive", digits)),
        positive_control=typeset_numbers(_control(claim, "positive_control", None, digits)),
    )


def bound(claim, towards, digits=3, scale=1):
    """Return the outermost end of a claim's intervals as the text of a bound, rounded ``down`` or ``up``.

    Parameters
    ----------
    claim : mapping
        A claim with its evidence (:mod:`algoreg.regression.evidence`), or of one run alone.
    towards : str
        As for :func:`outwards`.
    digits : int
        The least number of significant digits.
    scale : float
        A positive factor by which the end is multiplied before it is rounded, such as 100 for percent.
    """
    if claim["estimate"] is None:
        return "–"
    outer, own = {"up": ("outer_high", "ci_high"), "down": ("outer_low", "ci_low")}[towards]
    end = claim.get(outer, claim[own])
    end = claim["estimate"] if end is None else end
    texts = format_beside_margin([scale * end], scale * claim["margin"], digits, towards=towards)
    return typeset_numbers(texts[0])


def unsettled(claim):
    """Return the mark of a verdict that some seed does not have, ", on 3 of 4 seeds"; empty for all others."""
    seeds, kept = claim.get("seeds", 1), claim.get("kept", 1)
    return f", on {kept} of {seeds} seeds" if kept < seeds else ""


def verdicts_of(claims):
    """Return ``{id: verdict}`` of claims."""
    return {claim["id"]: claim["verdict"] for claim in claims}


def verdict_table(claims, titles=None):
    """Return the verdicts as a text table by chapter, with remedies and what the machine did not allow below it.

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
