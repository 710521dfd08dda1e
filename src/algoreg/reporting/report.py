"""Parts that generated documents share: Markdown, tables of committed numbers, rows of verdicts, marked blocks."""

import inspect
import re
from collections import Counter

from algoreg.claims.cells import geometric_mean
from algoreg.regression.references import claim_of
from algoreg.reporting.wording import bound, format_regime, verdict_text, verdicts_of

# The order in which verdicts are counted.
VERDICTS = ("supported", "refuted", "inconclusive", "not-judged", "invalid")

# A generated part of a document: its name, its text.
BLOCK = re.compile(r"<!-- begin: ([\w-]+) -->\n(.*?)\n?<!-- end: \1 -->", re.DOTALL)

# The order of tiers from which a ledger macro takes the first that has all its tables.
BEST = ("standard", "full", "quick", "smoke")


def filled(text):
    """Return the text of a document between ``<!-- begin: name -->`` and ``<!-- end: name -->``, by name."""
    return dict(BLOCK.findall(text))


def fill(text, blocks):
    """Replace the text between ``<!-- begin: name -->`` and ``<!-- end: name -->`` in a document.

    Raises
    ------
    KeyError
        If the document marks a block that ``blocks`` does not have.
    """

    def replacement(match):
        name = match.group(1)
        return f"<!-- begin: {name} -->\n{blocks[name]}\n<!-- end: {name} -->"

    return BLOCK.sub(replacement, text)


def passage(*tables, tiers=("standard",)):
    """Mark a function that returns Markdown as a ledger macro, which a chapter's template calls by name.

    The function gets its tables of a committed tier as frames, in their order, and then the template's arguments. A
    function that reads more has ``reference`` as its first parameter, or names ``tiers``; it gets the whole committed
    reference of each. With ``BEST`` it gets the name and the reference of the first of these tiers that has its tables,
    or None twice, and must report itself what is missing.

    Parameters
    ----------
    *tables : str
        The tables that it reads; if they are missing, the ledger says so.
    tiers : tuple of str
    """

    def register(function):
        function.tables, function.tiers = tables, tiers
        function.of_frames = len(tiers) == 1 and "reference" not in inspect.signature(function).parameters
        return function

    return register


def literal(text):
    """Return text with Markdown's marks escaped, so that X* is not emphasis; code between backticks is unchanged."""
    parts = re.split(r"(`[^`]*`)", str(text))
    return "".join(part if i % 2 else re.sub(r"([*_]|<(?=[a-zA-Z/!]))", r"\\\1", part) for i, part in enumerate(parts))


def _cell(content):
    """Return the text of a table cell: on one line, and with bars escaped, as a bar would end the cell."""
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(str(content).split("\n")))


def markdown(header, rows):
    """Return a Markdown table; bars in its cells are escaped, and all else is Markdown (see :func:`literal`)."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in lines)


def number(value):
    """Return a number for a Markdown table."""
    return "–" if value is None else f"{value:.3g}"


def geometric(values):
    """Return the geometric mean of numbers of at least 0 for a Markdown table."""
    return number(geometric_mean(values))


def with_interval(estimate):
    """Return an estimate with its 95 % interval for a Markdown table."""
    return (
        "–" if estimate.value is None else f"{number(estimate.value)} [{number(estimate.low)}, {number(estimate.high)}]"
    )


def estimate_of(reference, identity):
    """Return a claim's committed estimate as a text.

    It is for ledger macros: if references are missing, a macro says so, but a number in the template would stop the
    document.
    """
    return number(claim_of(reference, identity)["estimate"])


def bound_of(reference, identity, towards, digits=3, scale=1):
    """Return the outermost end of a claim's intervals over its seeds as a text, for ledger macros."""
    return bound(claim_of(reference, identity), towards, digits, scale)


def verdict_text_of(claim, entry, verdicts=None):
    """Return the texts of a committed verdict, with fields from the registry that a reference does not repeat."""
    own = {key: entry.get(key) for key in ("direction", "remedy", "deterministic")}
    return verdict_text({**own, **claim}, verdicts)


def verdict_counts(claims, entries):
    """Return a text with how many claims have each verdict, first of papers' claims, then of all others.

    "9 supported, 1 not on every seed; others: 2 supported". Only ``entries``, the registry, have every claim's
    ``standing``.
    """
    standing = {entry["id"]: entry["standing"] for entry in entries}
    # A committed reference may contain a claim that is no longer in the registry.
    known = [claim for claim in claims if claim["id"] in standing]
    of_papers = [claim for claim in known if standing[claim["id"]] == "paper"]
    others = [claim for claim in known if standing[claim["id"]] != "paper"]
    said = [_outcomes(of_papers)] if of_papers else []
    return "; ".join([*said, *([f"others: {_outcomes(others)}"] if others else [])])


def _outcomes(claims):
    counts, turning = counted(claims)
    said = [f"{counts[verdict]} {verdict.replace('-', ' ')}" for verdict in VERDICTS if counts[verdict]]
    return ", ".join([*said, *([f"{turning} not on every seed"] if turning else [])])


def counted(claims):
    """Return how many claims have each verdict on all their seeds, and how many have another one on some seed."""
    turning = [claim for claim in claims if claim.get("kept", 1) < claim.get("seeds", 1)]
    return Counter(claim["verdict"] for claim in claims) - Counter(claim["verdict"] for claim in turning), len(turning)


def statement_with_regime(entry):
    """Return a claim's statement with its regime, as Markdown."""
    regime = format_regime(entry["regime"])
    return literal(entry["statement"]) + (f" ({literal(regime)})" if regime else "")


def _judged(claim, entry, verdicts):
    """Return the cells of a claim: verdict, estimate, interval, what is needed, the controls."""
    said = verdict_text_of(claim, entry, verdicts)
    return [said.outcome("**{}**", "`{}`"), *said.cells()]


def verdicts(reference, registry):
    """Return the verdicts of these entries of the registry as a Markdown table."""
    committed, outcomes = {claim["id"]: claim for claim in reference["claims"]}, verdicts_of(reference["claims"])
    rows = [
        [
            f"`{entry['id']}`",
            statement_with_regime(entry),
            entry["standing"],
            *_judged(committed[entry["id"]], entry, outcomes),
        ]
        for entry in registry
        if entry["id"] in committed
    ]
    return markdown(
        ["claim", "statement", "standing", "verdict", "estimate", "95 % interval", "needed", "control"], rows
    )


def verdicts_beside(standard, full, registry):
    """Return the full tier's verdicts of these entries beside the standard tier's, as a Markdown table."""
    standards, fulls = ({claim["id"]: claim for claim in reference["claims"]} for reference in (standard, full))
    rows = []
    for entry in registry:
        claim, other = fulls.get(entry["id"]), standards.get(entry["id"])
        if claim is not None:
            beside = f"{other['verdict']}, {verdict_text_of(other, entry).estimate}" if other else "–"
            rows.append([f"`{entry['id']}`", *_judged(claim, entry, verdicts_of(full["claims"])), beside])
    header = ["claim", "verdict", "estimate", "95 % interval", "needed", "control", "standard tier"]
    return markdown(header, rows)


def costs(references):
    """Return the times and memory of the tiers that have a complete reference, as Markdown."""
    rows = []
    for tier, reference in references.items():
        if not reference.get("partial"):
            cost = reference["cost"]
            minutes = f"{cost['minutes']:.0f}, {cost['processor']}" if "minutes" in cost else "not yet measured"
            used = f"{sum(cost['chapters'].values()) / 60:.0f}"
            rows.append([f"`{tier}`", minutes, used, f"{cost['peak_mib']} MiB"])
    return markdown(["tier", "minutes on two cores, from nothing", "CPU minutes of all chapters", "largest job"], rows)


def chapter_costs(references):
    """Return the CPU seconds of each chapter's tables in the two larger tiers, the largest first, as Markdown."""
    tiers = ("standard", "quick")
    known = [references.get(tier, {}).get("cost", {}).get("chapters", {}) for tier in tiers]
    dearest = sorted(set().union(*known), key=lambda name: (-known[0].get(name, 0), name))
    rows = [[f"`{name}`", *(str(seconds.get(name, "–")) for seconds in known)] for name in dearest]
    return markdown(["chapter", *tiers], rows)
