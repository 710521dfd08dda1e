"""Verdicts in the form that the page shows: words, signs, counts, and the position of an interval and its margin."""

import math

from algoreg.claims.judging import INCONCLUSIVE, INVALID, NOT_JUDGED, REFUTED, SUPPORTED
from algoreg.reporting.wording import format_beside_margin, typeset_numbers, verdict_text

# In the order of the headline: the word, its sign (because colour alone must not distinguish verdicts), its meaning.
VERDICTS = {
    SUPPORTED: ("supported", "✓", "the whole 95 % interval lies on the claimed side of the margin"),
    REFUTED: ("refuted", "✗", "the whole 95 % interval lies on the other side"),
    INCONCLUSIVE: ("inconclusive", "≈", "the interval straddles the margin"),
    NOT_JUDGED: ("not judged", "○", "this tier lacks the runs, or the machine did not allow them"),
    INVALID: ("invalid", "!", "a control came out wrong, or has no estimate: the judge is at fault"),
}
MISSING = ("missing", "?", "the registry has it, the results do not")
# The axis of positive numbers is logarithmic if the largest is at least so many times the smallest.
LOG_AXIS_RATIO = 20
# The most labels of an axis that do not overlap.
MOST_TICKS = 7
# A control that is further from the interval than so many times the axis is shown as an arrow at the edge.
FAR = 2.0


def show(value):
    """Return a number as the page prints it, with four digits; a dash if it is missing or NaN."""
    return "–" if value is None or math.isnan(value) else f"{value:.4g}".replace("-", "−")


def texts(claim, verdicts=None):
    """Return the texts of a verdict (:class:`algoreg.reporting.wording.VerdictText`), with at least four digits."""
    return verdict_text(claim, verdicts, digits=4)


def headline(claims, missing=()):
    """Return ``(verdict, word, sign, meaning, number of claims)`` of every verdict to show, in a fixed order.

    The three verdicts and ``not-judged`` are always shown, and ``invalid`` and missing claims only if there are any.
    """
    counts = {name: sum(claim["verdict"] == name for claim in claims) for name in VERDICTS}
    rows = [(name, *VERDICTS[name], count) for name, count in counts.items() if count or name != INVALID]
    return rows + ([("missing", *MISSING, len(missing))] if missing else [])


def _ticks(low, high, log):
    """Return the ticks of an axis: at least two, and no more than have room beside each other."""
    if log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        found = [tick for e in range(first, last + 1) for tick in (10.0**e, 3 * 10.0**e) if low <= tick <= high]
        if len(found) <= MOST_TICKS:
            return found
        every = math.ceil((last - first) / MOST_TICKS)
        return [10.0**e for e in range(first, last + 1) if e % every == 0 and low <= 10.0**e <= high]
    raw = (high - low) / 4
    unit = 10.0 ** math.floor(math.log10(raw))
    steps = [unit * nice for nice in (1, 2, 5, 10)]
    place = next(i for i, step in enumerate(steps) if step >= raw)
    found = _multiples(steps[place], low, high)
    return found if len(found) > 1 else _multiples(steps[max(place - 1, 0)], low, high)


def _multiples(step, low, high):
    return [i * step for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _tick_texts(ticks):
    """Return ticks as texts, with as many digits as distinguish them."""
    for digits in range(6, 17):
        texts = [typeset_numbers(f"{tick:.{digits}g}") for tick in ticks]
        if len(set(texts)) == len(ticks):
            break
    return texts


def interval_axis(claim, fresh=()):
    """Return positions of a claim's estimate, interval, margin, controls and fresh estimates on an axis, in percent.

    Returns
    -------
    dict or None
        None if there is no interval. ``low, high, estimate, margin`` are positions; ``zone`` is the claimed side
        (start, width); ``ticks`` are pairs (position, text); ``controls`` are mappings with ``at, off`` (−1, 0 or 1:
        the edge beyond which it is), ``text`` and ``label``; ``fresh`` are the positions of fresh estimates within the
        axis; ``log`` tells whether the scale is logarithmic; ``words`` describes all of this as text.
    """
    if claim["estimate"] is None or claim["ci_low"] is None:
        return None
    own = [claim["ci_low"], claim["ci_high"], claim["estimate"], claim["margin"]]
    log = min(own) > 0 and max(own) > LOG_AXIS_RATIO * min(own)
    scale = math.log10 if log else float
    controls = _controls(claim)
    others = [value for value in (*(one[1] for one in controls), *fresh) if not log or value > 0]
    low, high = _ends([scale(value) for value in own], [scale(value) for value in others])

    def at(value):
        return round(100 * (scale(value) - low) / (high - low), 2)

    margin = at(claim["margin"])
    drawn = [_mark(claim, *control, -1.0 if log and control[1] <= 0 else at(control[1])) for control in controls]
    said = texts(claim)
    edge = f"; {said.edge}" if said.edge else ""
    if fresh:
        # Rounded so that they stay on their side of the margin.
        first, last = (
            typeset_numbers(one) for one in format_beside_margin([min(fresh), max(fresh)], claim["margin"], 4)
        )
        edge += f"; {len(fresh)} fresh {'seed' if len(fresh) == 1 else 'seeds'}: {first} … {last}"
    words = f"Estimate {said.estimate}, 95 % interval: {said.interval}; claimed is {said.needed}{edge}"
    ticks = _ticks(*((10.0**low, 10.0**high) if log else (low, high)), log)
    return {
        "low": at(claim["ci_low"]),
        "high": at(claim["ci_high"]),
        "estimate": at(claim["estimate"]),
        "margin": margin,
        "zone": (margin, 100 - margin) if claim["direction"] == "above" else (0, margin),
        "ticks": list(zip(map(at, ticks), _tick_texts(ticks), strict=True)),
        "controls": drawn,
        "fresh": [place for place in map(at, (value for value in fresh if not log or value > 0)) if 0 <= place <= 100],
        "log": log,
        "words": words + "".join(f"; {mark['text']}" for mark in drawn),
    }


def _controls(claim):
    """Return ``(name, estimate, verdict)`` of the controls that have an estimate."""
    names = {"control": "control", "positive_control": "positive control"}
    return [
        (name, claim[f"{key}_estimate"], claim[f"{key}_verdict"])
        for key, name in names.items()
        if claim[f"{key}_estimate"] is not None
    ]


def _ends(own, others):
    """Return both ends of an axis that shows all its own values, and those of the others that are not far away."""
    span = (max(own) - min(own)) or abs(max(own)) or 1.0
    near = [value for value in others if min(own) - FAR * span <= value <= max(own) + FAR * span]
    low, high = min([*own, *near]), max([*own, *near])
    pad = 0.12 * ((high - low) or span)
    return low - pad, high + pad


def _mark(claim, name, value, outcome, position):
    """Return the mark of a control at a position in percent: there, or at the edge beyond which it is."""
    off = -1 if position < 0 else 1 if position > 100 else 0
    beyond = " (beyond the axis)" if off else ""
    text = f"{name} {typeset_numbers(format_beside_margin([value], claim['margin'], 4)[0])}, {outcome}{beyond}"
    return {"at": min(max(position, 1.2), 98.8), "off": off, "label": name, "text": text}
