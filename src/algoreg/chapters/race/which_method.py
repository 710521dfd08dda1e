"""Which method to take: from what is known of X*, and from how it is measured. Numbers are those of the committed tables."""

import re

import numpy as np

from algoreg import sources
from algoreg.analysis.thresholds import find_thresholds
from algoreg.chapters.race.estimands import log_passes
from algoreg.chapters.race.words import NAMES, SAMPLES
from algoreg.judge.snapshots import frame_of
from algoreg.spec import options
from algoreg.spec.chapters import load_chapter
from algoreg.tell.report import literal, number

# What is told, in the order of how much it is, and how a reader would say it. Least trace is no descent, and has a row of its own.
KNOWN = {
    "nothing": "nothing",
    "decomposition": "nothing, and AAᵀ can be decomposed once",
    "rank bound": "that the rank is at most 2r",
    "rank": "the rank r",
    "sigma_r": "σ_r, the smallest eigenvalue of X*, and so κ",
    "trace": "the trace",
    "rank and trace": "the rank and the trace",
}
DECOMPOSES = "least_trace"
GOAL = 1e-6
MISSING = "–"
CHAPTER = "race"


def of_package(kind):
    """Return the names of the algorithms or ensembles that are in the package itself, whoever has others installed."""
    core = f"{sources.PACKAGE.name}.{kind}."
    return [name for name, module in sources.modules(kind).items() if module.startswith(core)]


def told_of_samples(table):
    """Return what the runs of a table of thresholds are told, by its entry's options and the algorithm's literals."""
    entry = load_chapter(CHAPTER, sources.chapters()[CHAPTER]).experiments["studies"][table]
    chosen, (rank,) = entry["options"], entry["options"]["rank"]
    if chosen["algorithm"] == DECOMPOSES:
        return "decomposition"
    told = sources.class_literal("algorithms", chosen["algorithm"], "told")
    width = chosen.get("algorithm_options", {}).get("width")
    if told or width is None:
        return " and ".join(told) or "nothing"
    return "rank" if width == rank else "rank bound"


def best_by_passes(reference):
    """Return the best method at every κ for each that is told, as ``{told: {kappa: (name, passes)}}``; None where none got there.

    The best has the smallest geometric mean of passes to 10⁻⁶ among the methods of which every run got there.
    """
    frame = frame_of(reference["tables"]["race"])
    frame = frame.assign(told=frame["told"].where(frame["method"] != DECOMPOSES, "decomposition"))
    found = {}
    for told in KNOWN:
        names = sorted(set(frame.loc[frame["told"] == told, "method"]))
        if not names:
            continue
        found[told] = {}
        for kappa, logs in log_passes(frame, names, GOAL).items():
            means = logs.mean(axis=(1, 2))
            best = int(np.nanargmin(means)) if np.isfinite(means).any() else None
            # Rows of cells are in the order of names.
            found[told][float(kappa)] = None if best is None else (names[best], float(np.exp(means[best])))
    return found


def needed(reference):
    """Return the median m*/(dr) of the method that needs least, for each that is told: ``{told: (name, ratio)}``."""
    found = {}
    for table, name in SAMPLES.items():
        if table in reference["tables"]:
            frame = frame_of(reference["tables"][table])
            scale = frame["d"].iloc[0] * frame["rank"].iloc[0]
            ratio = float(np.median(np.exp(find_thresholds(frame, "rank", 0.1).logs)) / scale)
            told = told_of_samples(table)
            if told not in found or ratio < found[told][1]:
                found[told] = (name, ratio)
    return found


def by_knowledge(reference):
    """Return the header and rows of what to take by what is known; numbers are dashes where there is no reference."""
    passes = best_by_passes(reference) if reference and "race" in reference["tables"] else {}
    ratios = needed(reference) if reference else {}
    kappas = sorted(next(iter(passes.values()))) if passes else []
    header = ["you know", *(f"fewest passes, κ = {kappa:g}" for kappa in kappas), "fewest measurements, m\\*/(dr)"]
    rows = []
    for told, said in KNOWN.items():
        best = passes.get(told, {})
        cells = [
            MISSING if kappa not in best else "none gets there" if best[kappa] is None else
            f"{NAMES[best[kappa][0]]}: {best[kappa][1]:.0f}"
            for kappa in kappas
        ]  # fmt: skip
        least = f"{ratios[told][0]}: {number(ratios[told][1])}" if told in ratios else MISSING
        rows.append([literal(said), *cells, least])
    return header, rows


def under_noise(reference):
    """Return the header and rows of the best method under noise for each that is told, by its error at the stop by hold-out."""
    frame = frame_of(reference["tables"]["race_noise"])
    frame = frame.assign(told=frame["told"].where(frame["method"] != DECOMPOSES, "decomposition"))
    columns = ["stop_error", "best_error", "end_error"]
    rows = []
    for told, said in KNOWN.items():
        own = frame[frame["told"] == told]
        means = {name: np.exp(np.log(part[columns]).mean(skipna=False)) for name, part in own.groupby("method")}
        whole = {name: mean for name, mean in means.items() if np.isfinite(mean["stop_error"])}
        if whole:
            name, mean = min(whole.items(), key=lambda item: item[1]["stop_error"])
            rows.append([literal(said), NAMES[name], *(number(float(mean[column])) for column in columns)])
    return ["you know", "smallest error at the stop", "at the stop by hold-out", "smallest of the run", "at T"], rows


def title(kind, name):
    """Return what an algorithm or an ensemble is: the first words of its module, without formulas and citations."""
    text = re.sub(r" \[[^\]]*\]", "", sources.module_title(kind, name))
    return literal(re.split(r":|, no one twice| U_\{| X_\{", text)[0].strip())


def by_measurements():
    """Return the header and rows of which algorithms run on which measurements, from their literals."""
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
    """Return the header and rows of what every algorithm is, is told and asks of the measurements, from their literals."""
    rows = []
    for name in of_package("algorithms"):
        told = sources.class_literal("algorithms", name, "told")
        where = sources.class_literal("algorithms", name, "estimates")
        needs = ", ".join(sorted(options.requires(name)))
        rows.append([f"`{name}`", title("algorithms", name), ", ".join(told) or "nothing", where, needs])
    return ["algorithm", "what it is", "must be told", "estimates", "needs of the measurements"], rows
