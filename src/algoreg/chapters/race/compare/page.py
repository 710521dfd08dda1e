"""The page of a comparison: one HTML file that needs nothing else."""

from html import escape
from itertools import combinations, permutations

import numpy as np

from algoreg.chapters.race.compare import outcomes, pictures
from algoreg.chapters.race.compare.measuring import THRESHOLD_ITERATIONS
from algoreg.chapters.race.words import span
from algoreg.numerics.seeds import stream
from algoreg.reporting.charts.text import number

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }
table { border-collapse: collapse; font-size: 13px } th, td { padding: .3rem .7rem; border-bottom: 1px solid #ddd; text-align: left }
.wins { color: #17692b; font-weight: 600 } .loses { color: #a3230f; font-weight: 600 } .open { color: #666 }
figure { margin: 1rem 0; overflow-x: auto } svg { max-width: 100%; height: auto } .note { color: #555; font-size: 13px }
.wide { overflow-x: auto }
"""


def table(header, rows):
    """Return an HTML table; cells that are a pair are a text and its class."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(content):
    text, kind = content if isinstance(content, tuple) else (content, "")
    return f'<td class="{kind}">{escape(str(text))}</td>' if kind else f"<td>{escape(str(text))}</td>"


def _shown(duel):
    """Return a duel as a cell."""
    if duel.ratio is None:
        return f"{duel.word} ({duel.note})", duel.word
    return f"{duel.word}: × {duel.ratio:.2f} ({duel.low:.2f} to {duel.high:.2f})", duel.word


def methods(contenders, results):
    """Return the table of each method, its prior knowledge and its choices."""
    rows = []
    for one in contenders:
        course, method = results["courses"][one.label], one.method
        steps = [
            f"κ = {number(kappa)}: η = {span(part['step'])}"
            + (f", μ = {span(part['momentum'])}" if method.momenta else "")
            for kappa, part in course.groupby("kappa")
        ]
        options = ", ".join(f"{name} = {value}" for name, value in method.options.items()) or "–"
        grid = ", ".join(f"{step:g}" for step in method.steps)
        speed = f"{1e3 * results['seconds'][one.label]:.3g}"
        rows.append(
            [
                one.name,
                one.algorithm,
                method.prior_knowledge,
                options,
                grid,
                "; ".join(steps),
                f"{method.passes:g}",
                speed,
            ]
        )
    header = [
        "method",
        "algorithm",
        "prior knowledge",
        "options",
        "grid of η",
        "chosen",
        "passes a step",
        "ms a step and run",
    ]
    return table(header, rows)


def passes(contenders, results):
    """Return the table of passes to each tolerance, geometric means over runs."""
    rows = []
    kappas = sorted(results["courses"][contenders[0].label]["kappa"].unique())
    for kappa in kappas:
        for one in contenders:
            course = results["courses"][one.label]
            part, cells = course[course["kappa"] == kappa], []
            for tolerance in outcomes.TOLERANCES:
                logs = outcomes.log_passes(part, tolerance)
                reached = int(np.isfinite(logs).sum())
                cells.append(
                    f"{np.exp(logs.mean()):.0f}" if reached == logs.size else f"not by T ({reached}/{logs.size})"
                )
            lost = (part.groupby(["target", "ensemble"])["status"].first() == "diverged").sum()
            rows.append([number(kappa), one.name, *cells, f"{lost} of {logs.size}" if lost else "–"])
    return table(["κ", "method", *(f"passes to {number(t)}" for t in outcomes.TOLERANCES), "diverged"], rows)


def duels(contenders, results, seed):
    """Return (method, other, by, duels) of every pair: passes to every tolerance at every κ,
    and measurements at every d and r.
    """
    fought = []
    for first, second in combinations(contenders, 2):
        one, two = (results["courses"][each.label] for each in (first, second))
        for kappa in sorted(one["kappa"].unique()):
            cells = []
            for tolerance in outcomes.TOLERANCES:
                logs = [outcomes.log_passes(part[part["kappa"] == kappa], tolerance) for part in (one, two)]
                rng = stream("compare", seed=seed, kappa=float(kappa), tolerance=tolerance)
                cells.append(outcomes.duel(*logs, rng))
            fought.append((first.name, second.name, f"passes at κ = {number(kappa)}", cells))
        one, two = (results["thresholds"][each.label] for each in (first, second))
        for (d, rank), part in one.groupby(["d", "rank"]):
            beside = two[(two["d"] == d) & (two["rank"] == rank)]
            rng = stream("compare", seed=seed, d=int(d), rank=int(rank))
            judged = outcomes.duel_of_thresholds(outcomes.thresholds_of(part), outcomes.thresholds_of(beside), rng)
            fought.append((first.name, second.name, f"m* at d = {d}, r = {rank}", [judged]))
    return fought


def scores(contenders, fought):
    """Return the table of how often each method wins against, ties with and loses to each other;
    open duels do not count.
    """
    names = [one.name for one in contenders]
    count = {(first, second): dict.fromkeys(outcomes.REVERSED, 0) for first, second in permutations(names, 2)}
    for first, second, _, judged in fought:
        for word in (one.word for one in judged if one.word in outcomes.REVERSED):
            count[first, second][word] += 1
            count[second, first][outcomes.REVERSED[word]] += 1
    rows = [[first, *(_score(count.get((first, second))) for second in names)] for first in names]
    return table(["wins – ties – losses against", *names], rows)


def _score(count):
    return "" if count is None else " – ".join(map(str, count.values()))


def duel_table(fought):
    """Return the table of all duels."""
    empty = [""] * len(outcomes.TOLERANCES)
    rows = [[*names, *[*map(_shown, judged), *empty][: len(empty)]] for *names, judged in fought]
    return table(["method", "against", "by", *(f"to {number(tolerance)}" for tolerance in outcomes.TOLERANCES)], rows)


def render(contenders, results, sizes, tier, seed):
    """Return the page.

    Parameters
    ----------
    contenders : list of algoreg.chapters.race.compare.contenders.Contender
    results : mapping
        ``courses``, ``thresholds`` and ``sensitivity``: a table by a method's label; ``seconds``: a number by its
        label.
    sizes : mapping
    tier : str
    seed : int
    """
    labels = {one.label: one.name for one in contenders}
    m = round(sizes["m_over_dr"] * sizes["d"] * sizes["rank"])
    title = " · ".join(labels.values())
    fought = duels(contenders, results, seed)
    starts = any(len(part) for part in results["sensitivity"].values())
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="note">Tier {escape(tier)}, seed {seed}. Same Gaussian measurements and targets for all: d = {sizes["d"]}, '
        f'r = {sizes["rank"]}, m = {m}, {sizes["targets"]} targets × {sizes["ensembles"]} ensembles, float64. Each step is chosen '
        "from its grid at each κ for each ensemble by training error on draws of their own; the worst run counts, also at a step a quarter longer.</p>",
        "<h2>The methods</h2>", methods(contenders, results),
        '<p class="note">Told: what of X* beside the labels. Milliseconds are this machine\'s, as busy as it was; a step of an '
        "algorithm that is not in the race counts as one pass unless <code>passes</code> says otherwise.</p>",
        "<h2>The error</h2>", f"<figure>{pictures.svg(pictures.draw_courses, results['courses'], labels)}</figure>",
        passes(contenders, results),
        "<h2>Who wins</h2>", scores(contenders, fought),
        f"<details><summary>Each of them</summary>{duel_table(fought)}</details>",
        '<p class="note">Ratio of the first method to the second, geometric mean over runs, with a 95 % interval that resamples '
        "whole targets and whole ensembles. It wins where the interval lies below 1, ties where it holds 1. What "
        "neither settles is open, and not counted. Intervals are not corrected for their number.</p>",
        "<h2>Measurements needed</h2>",
        f"<figure>{pictures.svg(pictures.draw_thresholds, results['thresholds'], labels)}</figure>",
        f'<p class="note">Equal eigenvalues; at most {THRESHOLD_ITERATIONS} iterations at the step chosen for κ = 1 '
        "on the first ensemble.</p>",
    ]  # fmt: skip
    if starts:
        parts += [
            "<h2>Sensitivity to the start</h2>",
            f"<figure>{pictures.svg(pictures.draw_sensitivity, results['sensitivity'], labels)}</figure>",
        ]
    page = "\n".join(parts)
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<style>{STYLE}</style></head><body>\n{page}\n</body></html>\n"
    )
