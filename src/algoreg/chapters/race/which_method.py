"""Which method to take: from what is known of X*, and from how it is measured.
Numbers are those of the committed tables.
"""

import re
from operator import itemgetter

import numpy as np

from algoreg import plugins
from algoreg.chapters.race import by_rank
from algoreg.chapters.race.estimands import log_passes
from algoreg.chapters.race.words import ERRORS, NAMES, SAMPLES, TOLD, mean_error, sampled
from algoreg.claims.thresholds import find_thresholds
from algoreg.reporting.report import literal, number
from algoreg.settings import options
from algoreg.settings.chapters import load_chapter

# Prior knowledge, from the least to the most, and in a reader's words. Least trace is no descent, and has a row of
# its own.
KNOWN = {
    "nothing": "nothing",
    "decomposition": "that AAᵀ can be decomposed once",
    "rank bound": "that the rank is at most 2r",
    "rank": "the rank r",
    "sigma_r": "σ_r, the smallest eigenvalue of X* that is not 0",
    "trace": "the trace",
    "rank and trace": "the rank and the trace",
}
# The same in a cell. AAᵀ is known to everybody; that it can be decomposed is a matter of size.
IN_A_CELL = {**TOLD, "decomposition": TOLD["nothing"]}
DECOMPOSES = "least_trace"
# The prior knowledge of the methods that are open to somebody who knows this: the rank is a bound of itself, the trace
# is not.
WITHIN = {
    "nothing": ["nothing"],
    "decomposition": ["nothing", "decomposition"],
    "rank bound": ["nothing", "rank bound"],
    "rank": ["nothing", "rank bound", "rank"],
    "sigma_r": ["nothing", "sigma_r"],
    "trace": ["nothing", "trace"],
    "rank and trace": ["nothing", "rank bound", "rank", "trace", "rank and trace"],
}
# Geometric means this near to the least are named with it: too near to choose by.
TIE = 1.02
GOAL = 1e-6
MISSING = "–"
CHAPTER = "race"


def of_package(kind):
    """Return the names of the algorithms or ensembles that are in the package itself, whoever has others installed."""
    core = f"{plugins.PACKAGE.name}.{kind}."
    return [name for name, module in plugins.modules(kind).items() if module.startswith(core)]


def told_of_samples(table):
    """Return the prior knowledge of the runs of a table of thresholds, from its entry's options and the algorithm."""
    entry = load_chapter(CHAPTER, plugins.chapters()[CHAPTER]).entries["experiments"][table]
    chosen, (rank,) = entry["options"], entry["options"]["rank"]
    if chosen["algorithm"] == DECOMPOSES:
        return "decomposition"
    told = plugins.algorithm(chosen["algorithm"]).prior_knowledge
    width = chosen.get("algorithm_options", {}).get("width")
    if told or width is None:
        return " and ".join(told) or "nothing"
    return "rank" if width == rank else "rank bound"


def least_of(means):
    """Return the names of the smallest mean and of those that tie with it, rising, with their means; none of NaN."""
    finite = {name: mean for name, mean in means.items() if np.isfinite(mean)}
    return dict(
        sorted(((name, mean) for name, mean in finite.items() if mean <= TIE * min(finite.values())), key=itemgetter(1))
    )


def best_by_passes(frame):
    """Return the best methods at every κ for each that is known, as ``{known: {kappa: {name: passes}}}``; empty where
    none got there.

    The best has the smallest geometric mean of passes to 10⁻⁶ among the methods of which every run got there, and which
    need no more than is known (``WITHIN``). Others may tie with it.
    """
    frame = frame.assign(told=frame["told"].where(frame["method"] != DECOMPOSES, "decomposition"))
    found = {}
    for known, within in WITHIN.items():
        names = sorted(set(frame.loc[frame["told"].isin(within), "method"]))
        if names:
            # Rows of cells are in the order of names.
            found[known] = {
                float(kappa): least_of(dict(zip(names, np.exp(logs.mean(axis=(1, 2))).tolist(), strict=True)))
                for kappa, logs in log_passes(frame, names, GOAL).items()
            }
    return found


def needed(reference, tolerance):
    """Return the least m*/(dr) to an error, a geometric mean, for each that is known: ``{known: {name: ratio}}``;
    see :func:`best_by_passes`.
    """
    means = {told: {} for told in KNOWN}
    for table, name in SAMPLES.items():
        frame = sampled(reference["tables"], table, tolerance)
        if frame is not None:
            found = find_thresholds(frame, "rank", tolerance)
            if found.on_grid:
                scale = frame["d"].iloc[0] * frame["rank"].iloc[0]
                means[told_of_samples(table)][name] = float(np.exp(found.logs.mean())) / scale
    merged = {
        known: {name: mean for told in within for name, mean in means[told].items()} for known, within in WITHIN.items()
    }
    return {known: least_of(ratios) for known, ratios in merged.items() if ratios}


def _sharing(known):
    """Return the label of a row that several kinds of knowledge share, the least first."""
    first, *more = known
    return first + (f" (the same with: {'; '.join(more)})" if more else "")


def _cell(best):
    """Return the best methods of a cell of a table of passes, as text."""
    return "; ".join(f"{NAMES[name]}: {mean:.0f}" for name, mean in best.items()) or "none gets there"


def by_knowledge(reference):
    """Return the header and rows of what to take by what is known; numbers are dashes where there is no reference."""
    has = reference and "race" in reference["tables"]
    passes = best_by_passes(reference["tables"]["race"]) if has else {}
    ratios = [needed(reference, tolerance) if reference else {} for tolerance in ERRORS]
    kappas = sorted(next(iter(passes.values()))) if passes else []
    measured = [f"fewest m\\*/(dr), error {shown}" for shown in ERRORS.values()]
    header = ["you know", *(f"fewest passes to 10⁻⁶, κ = {kappa:g}" for kappa in kappas), *measured]
    alike = {}
    for told, said in KNOWN.items():
        cells = [_cell(passes[told][kappa]) if told in passes else MISSING for kappa in kappas]
        least = [
            "; ".join(f"{name}: {number(ratio)}" for name, ratio in found.get(told, {}).items()) or MISSING
            for found in ratios
        ]
        # Knowledge that helps no method of the table has the row of those who know less.
        alike.setdefault((*cells, *least), []).append(literal(said))
    return header, [[_sharing(known), *cells] for cells, known in alike.items()]


def needed_by_rank(tables):
    """Return the header and rows of the least m*/(dr) by what is known, error and rank."""
    found = {
        (known, error): by_rank.least(tables, within, error)
        for known, within in WITHIN.items()
        for error in by_rank.ERRORS
    }
    ranks = sorted({rank for means in found.values() for rank in means})
    alike = {}
    for known, said in KNOWN.items():
        cells = tuple(
            "; ".join(f"{name}: {number(mean)}" for name, mean in least_of(found[known, error].get(rank, {})).items())
            or MISSING
            for error in by_rank.ERRORS
            for rank in ranks
        )
        alike.setdefault(cells, []).append(literal(said))
    rows = []
    for cells, known in alike.items():
        for place, error in enumerate(by_rank.ERRORS):
            own = cells[place * len(ranks) : (place + 1) * len(ranks)]
            rows.append([_sharing(known), f"{error:g}", *own])
    return ["you know", "error", *(f"r = {rank}" for rank in ranks)], rows


def by_kind(frame):
    """Return the header and rows of the fewest passes by what is known and the kind of measurements."""
    kinds = list(dict.fromkeys(frame["measurements"]))
    best = {kind: best_by_passes(frame[frame["measurements"] == kind]) for kind in kinds}
    (kappa,) = set(frame["kappa"])
    rows = [
        [literal(said), *(_cell(best[kind][told][kappa]) for kind in kinds)]
        for told, said in KNOWN.items()
        if all(told in best[kind] for kind in kinds)
    ]
    return ["you know", *(title("ensembles", kind) for kind in kinds)], rows


def under_noise(reference):
    """Return the header and rows of the best methods under noise,
    by their error in the form that suits them; see :func:`best_by_passes`.
    """
    frame = reference["tables"]["race_noise"]
    frame = frame.assign(told=frame["told"].where(frame["method"] != DECOMPOSES, "decomposition"))
    columns = ["own_error", "stop_error", "end_error"]
    rows = []
    for known, said in KNOWN.items():
        # No row for knowledge that no method of the table makes use of.
        own = frame[frame["told"].isin(WITHIN[known])] if known in set(frame["told"]) else frame.iloc[:0]
        means = {name: np.exp(np.log(part[columns]).mean(skipna=False)) for name, part in own.groupby("method")}
        for name in least_of({name: mean["own_error"] for name, mean in means.items()}):
            rows.append(
                [literal(said), NAMES[name], *(mean_error(own[own["method"] == name], column) for column in columns)]
            )
    return ["you know", "method", "error in the form that suits it", "at the stop by hold-out", "at T"], rows


def title(kind, name):
    """Return what an algorithm or an ensemble is: the first words of its module, without formulas and citations."""
    text = re.sub(r" \[[^\]]*\]", "", plugins.module_title(kind, name))
    return literal(re.split(r":|, no one twice| U_\{| X_\{", text)[0].strip())


def by_measurements():
    """Return the header and rows of which algorithms run on which measurements, from their classes."""
    alike = {}
    for ensemble in of_package("ensembles"):
        fit = tuple(name for name in of_package("algorithms") if not options.lacks(name, ensemble))
        alike.setdefault(fit, []).append(ensemble)
    rows = [
        [
            "; ".join(f"{title('ensembles', name)} (`{name}`)" for name in ensembles),
            ", ".join(f"`{name}`" for name in fit),
        ]
        for fit, ensembles in sorted(alike.items(), key=lambda group: -len(group[0]))
    ]
    return ["your measurements (ensemble)", "algorithms that run on them"], rows


def algorithms():
    """Return the header and rows of every algorithm, its prior knowledge and what it asks of the measurements,
    from their classes.
    """
    rows = []
    for name in of_package("algorithms"):
        algorithm = plugins.algorithm(name)
        told, needs = ", ".join(algorithm.prior_knowledge) or "none", ", ".join(sorted(algorithm.requires))
        rows.append([f"`{name}`", title("algorithms", name), told, algorithm.estimates, needs])
    return ["algorithm", "what it is", "prior knowledge", "estimates", "needs of the measurements"], rows
