"""Generated passages of the documents: verdicts, the comparison with the published curves, the ledger's evidence.

Everything is rendered from a committed reference (see :mod:`algoreg.reference`), so that a test can tell whether a
document still says what the reference says.
"""

import re

import numpy as np
import pandas as pd

from algoreg.claims import SIGNS


def fill(text, blocks):
    """Replace what stands between ``<!-- begin: name -->`` and ``<!-- end: name -->`` in a document.

    Raises
    ------
    KeyError
        If the document marks a block that ``blocks`` does not have.
    """

    def replacement(match):
        name = match.group(1)
        return f"<!-- begin: {name} -->\n{blocks[name]}\n<!-- end: {name} -->"

    return re.sub(r"<!-- begin: ([\w-]+) -->\n.*?<!-- end: \1 -->", replacement, text, flags=re.DOTALL)


def _markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in lines)


def _number(value):
    return "–" if value is None else f"{value:.3g}"


def _frame(table):
    frame = pd.DataFrame({**table["keys"], "status": table["status"]})
    for error in ("train_error", "test_error"):
        frame[error] = np.array([np.nan if x is None else x for x in table[error]], dtype=float)
    return frame


def verdicts(reference, registry):
    """Return the table of verdicts as Markdown."""
    entries = {entry["id"]: entry for entry in registry}
    rows = []
    for claim in reference["claims"]:
        entry = entries.get(claim["id"])
        if entry is None:
            continue
        interval = "–" if claim["ci_low"] is None else f"{_number(claim['ci_low'])} … {_number(claim['ci_high'])}"
        margin = f"{SIGNS[entry['direction']]} {claim['margin']:g}"
        outcome = f"**{claim['verdict']}**"
        rows.append(
            [
                f"`{claim['id']}`",
                entry["statement"],
                outcome,
                _number(claim["estimate"]),
                interval,
                margin,
                claim["control_verdict"] or "–",
            ]
        )
    return _markdown(["claim", "statement", "verdict", "estimate", "95 % interval", "needed", "control"], rows)


def figure_1(reference):
    """Return ours beside the published Figure 1, test errors, as Markdown, with the two summary factors."""
    rows, factors = [], []
    for row in reference["comparisons"]["figure_1_published"]:
        if row["error"] != "test_error":
            continue
        factors.append(max(row["ratio"], 1 / row["ratio"]))
        inside = "yes" if row["inside"] else "no"
        rows.append(
            [
                f"{row['alpha']:g}",
                _number(row["ours"]),
                _number(row["published"]),
                f"{row['ratio']:.2f}",
                f"{_number(row['low'])} … {_number(row['high'])}",
                inside,
            ]
        )
    mean = np.exp(np.mean(np.log(factors)))
    table = _markdown(["α", "our mean", "published", "ratio", "95 % prediction interval", "inside"], rows[::-1])
    return f"{table}\n\nGeometric mean factor over α: {mean:.3f}; largest: {max(factors):.3f}."


def step_effect(reference):
    """Return how far five times the paper's step moves Figure 1's test errors on one ensemble, as Markdown."""
    own, paper = (_frame(reference["tables"][name]) for name in ("figure_1", "figure_1_paper_step"))
    both = paper.merge(own, on=["d", "alpha", "target", "ensemble"], suffixes=("_paper", "_own"))
    both["shift"] = 100 * (both["test_error_own"] / both["test_error_paper"] - 1)
    rows = [
        [f"{alpha:g}", f"{part['shift'].mean():+.2f} %", f"{part['shift'].abs().max():.2f} %"]
        for alpha, part in sorted(both.groupby("alpha"), reverse=True)
    ]
    return _markdown(["α", "mean change of test error", "largest change of a run"], rows)


def figure_2_alpha(reference):
    """Return which α, and which stretch of time, Figure 2's published curves fit, as Markdown."""
    rows = pd.DataFrame(reference["comparisons"]["figure_2_alpha"])
    wide = rows.pivot_table(
        index=["published_alpha", "stretch", "alpha"], columns="error", values="factor"
    ).reset_index()
    wide["both"] = np.sqrt(wide["train_error"] * wide["test_error"])
    lines = []
    for label, part in sorted(wide.groupby("published_alpha"), reverse=True):
        plain = part[part["stretch"] == 1]
        readings = [
            ("as labelled", plain.loc[(np.log(plain["alpha"] / label)).abs().idxmin()]),
            ("best α", plain.loc[plain["both"].idxmin()]),
            ("best α and time", part.loc[part["both"].idxmin()]),
        ]
        for reading, best in readings:
            factors = [f"{best[error]:.2f}" for error in ("train_error", "test_error")]
            lines.append([f"{label:g}", reading, f"{best['alpha']:g}", f"{best['stretch']:g}", *factors])
    header = ["label α", "reading", "our α", "time runs", "factor, training error", "factor, test error"]
    first = rows.iloc[0]
    scored = (
        f"Scored on the {first['points']:g} published points of iterations {first['first']:g} to {first['last']:g}."
    )
    ends = rows[(rows["stretch"] == 1) & (rows["error"] == "test_error")]
    sentences = [scored]
    for label, part in sorted(ends.groupby("published_alpha"), reverse=True):
        named = part.loc[(np.log(part["alpha"] / label)).abs().idxmin()]
        crossing = named["best_alpha"]
        equal = "no α of the grid" if crossing is None or np.isnan(crossing) else f"α = {crossing:.3g}"
        sentences.append(
            f"Test error at iteration {named['end']:g} of the curve labelled {label:g}: published "
            f"{named['published_at_end']:.3g}, ours at that α {named['ours_at_end']:.3g}; equal at {equal}."
        )
    points = pd.DataFrame(reference["comparisons"]["figure_5b_published"])
    inside = f"{int(points['inside'].sum())} of {len(points)}"
    sentences.append(
        f"Figure 5b, labelled α = 1 too: {inside} published points lie in the 95 % prediction intervals of the same runs."
    )
    return _markdown(header, lines) + "\n\n" + "\n".join(f"- {sentence}" for sentence in sentences)


def costs(references):
    """Return seconds and memory of the tiers with a reference, as Markdown."""
    rows = []
    for tier, reference in references.items():
        cost = reference["cost"]
        rows.append([f"`{tier}`", f"{cost['job_seconds'] / 2 / 60:.1f} min", f"{cost['peak_mib']} MiB"])
    return _markdown(["tier", "on two cores", "largest job"], rows)


def blocks(references, registry):
    """Return every generated passage by name, from the references of all tiers that have one.

    Parameters
    ----------
    references : mapping of str to mapping
    registry : list of mapping
    """
    standard = references["standard"]
    return {
        "verdicts": verdicts(standard, registry),
        "figure-1": figure_1(standard),
        "step-effect": step_effect(standard),
        "figure-2-alpha": figure_2_alpha(standard),
        "costs": costs(references),
    }
