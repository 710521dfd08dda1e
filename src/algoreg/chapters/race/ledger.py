"""The ledger's evidence on the race: passes by method and κ, and the measurements that each method takes."""

import numpy as np

from algoreg.chapters.race import by_rank, by_size, which_method
from algoreg.chapters.race.estimands import log_passes, threshold_ratio
from algoreg.chapters.race.methods import METHODS
from algoreg.chapters.race.words import (
    ERRORS,
    EXACT_TABLES,
    NAMES,
    OVERPARAMETRISED,
    SAMPLES,
    TOLD,
    mean_error,
    sampled,
    span,
)  # fmt: skip
from algoreg.claims.cells import geometric_mean
from algoreg.claims.judging import SIGNS, verdict
from algoreg.claims.thresholds import find_thresholds
from algoreg.numerics.seeds import stream
from algoreg.regression.rejudge import at_other_values
from algoreg.reporting.report import BEST, markdown, number, passage, with_interval
from algoreg.settings.chapters import load_chapters

SHOWN = (1e-1, 1e-2, 1e-3, 1e-6)
# The errors at which thresholds are read beside the claims' own.
TOLERANCES = (0.1, 0.01, 0.001)
NAME_OF = {"rank": "r", "alpha": "α", "kappa": "κ"}
# The methods of the race whose measurements a table of thresholds has, start and all.
ALSO_SAMPLED = {
    "race_samples_search": "search",
    "race_samples_thresholding": "thresholding_momentum",
    "race_samples_spectral_r": "descent_r",
    "race_samples_scaled_r": "scaled_r",
    "race_samples_least_trace": "least_trace",
}


def _passes(part, tolerance):
    """Return the geometric mean of the passes, or how many runs came there, and how many diverged."""
    own = part[np.isclose(part["tolerance"], tolerance)]
    reached = own["passes"]
    if reached.notna().all():
        return f"{geometric_mean(reached):.0f}"
    diverged = (own["status"] == "diverged") & reached.isna()
    if diverged.all():
        return "diverges"
    said = f"not by T ({reached.notna().sum()}/{len(reached)})" if reached.notna().any() else "not by T"
    return f"{said}, {diverged.sum()} diverged" if diverged.any() else said


@passage("race")
def race_passes(frame):
    """Return the passes of every method to three errors at every κ, its step,
    and its smallest error by T, as Markdown.
    """
    return _race(frame)


@passage("race_few")
def race_few(frame):
    """Return the same of the race with fewer measurements."""
    return _race(frame)


@passage("race", "race_few")
def race_few_lacks(whole, few):
    """Return which methods of the race are not run with fewer measurements, as a sentence."""
    lacking = set(whole["method"]) - set(few["method"])
    return f"Left out: {'; '.join(NAMES[name] for name in NAMES if name in lacking)}."


def _race(frame):
    rows = []
    for kappa, part in frame.groupby("kappa"):
        for method in (name for name in NAMES if name in set(part["method"])):
            own = part[part["method"] == method]
            first = own.iloc[0]
            momentum = f", μ = {span(own['momentum'])}" if first["momentum"] > 0 else ""
            grid = span(first[["smallest_step", "largest_step"]])
            chosen = f"η = {span(own['step'])}{momentum}"
            smallest = geometric_mean(own["smallest_error"])
            shown = "–" if smallest < SHOWN[-1] else number(smallest)
            passes = [_passes(own, tolerance) for tolerance in SHOWN]
            rows.append(
                [f"{kappa:g}", NAMES[method], TOLD[first["told"]], grid, chosen, *passes, shown, f"{first['budget']:g}"]
            )
    passes = [f"passes to {tolerance:g}" for tolerance in SHOWN]
    return markdown(
        ["κ", "method", "prior knowledge", "grid of η", "chosen", *passes, "smallest error by T", "T"], rows
    )


@passage("race")
def race_grid_ends(frame):
    """Return which methods choose an end of their grid for some ensemble at the largest κ,
    in words; single values are no ends.
    """
    kappa, names = frame["kappa"].max(), {"largest momentum": [], "longest step": [], "shortest step": []}
    last = frame[frame["kappa"] == kappa]
    for method in (name for name in NAMES if name in set(last["method"])):
        own, momenta = last[last["method"] == method], METHODS[method].momenta
        if momenta and np.isclose(own["momentum"], max(momenta)).any():
            names["largest momentum"].append(f"{NAMES[method]} ({max(momenta):g})")
        for end, column in (("longest step", "largest_step"), ("shortest step", "smallest_step")):
            if (own["smallest_step"] < own["largest_step"]).all() and np.isclose(own["step"], own[column]).any():
                names[end].append(NAMES[method])
    said = " ".join(f"The {end}: {'; '.join(found)}." for end, found in names.items() if found)
    return f"At κ = {kappa:g} some choices, for one ensemble or more, are ends of their grids. {said}"


def _best(frame, names, kappa, tolerance=SHOWN[-1]):
    """Return the passes of the best of some methods at κ as text, with its name."""
    names = sorted(set(names) & set(frame["method"]))
    means = log_passes(frame, names, tolerance)[kappa].mean(axis=(1, 2)) if names else np.array([np.nan])
    if not np.isfinite(means).any():
        return "none gets there", ""
    best = int(np.nanargmin(means))
    return f"{np.exp(means[best]):.0f}", NAMES[names[best]]


@passage("race")
def race_headline(frame):
    """Return the headline: what the best methods of each kind take, at every κ."""
    first, kappas = frame.iloc[0], sorted(set(frame["kappa"]))
    told = {
        "thresholding that searches for the rank": ["search"],
        "penalised least trace": ["penalised_trace"],
        "the best over-parameterised descent (full width, or three factors)": OVERPARAMETRISED,
        "the best method that knows the rank": sorted(set(frame.loc[frame["told"] == "rank", "method"])),
    }
    passes = [
        f"{said} takes {_in_words([_best(frame, names, kappa)[0] for kappa in kappas])}" for said, names in told.items()
    ]
    return (
        f"Passes to a relative error of 10⁻⁶ at κ = {_in_words([f'{kappa:g}' for kappa in kappas])} "
        f"({_sizes(first)}): {'; '.join(passes)}."
    )


@passage("race_noise", "race_tail")
def race_noise_headline(noise, tail):
    """Return the errors of each kind of method under noise and where no rank is right, in words."""
    errors = {
        name: [number(geometric_mean(table.loc[table["method"] == method, "own_error"])) for table, method in pair]
        for name, pair in {
            "descent of full width": [(noise, "descent_1e-8"), (tail, "descent_1e-3")],
            "the search": [(noise, "search"), (tail, "search")],
            "penalised least trace": [(noise, "penalised_slowly"), (tail, "penalised_slowly")],
            "thresholding that knows r": [(noise, "thresholding"), (tail, "thresholding")],
        }.items()
    }
    noisy, long = (", ".join(f"{name} {found[place]}" for name, found in errors.items()) for place in (0, 1))
    full = number(geometric_mean(noise.loc[noise["method"] == "descent_1e-8", "refit_error"]))
    return (
        f"Relative errors under noise of {noise['label_noise'].iloc[0]:g} (κ = {noise['kappa'].iloc[0]:g}), each method stopped and "
        f"given held-out observations in the way that suits it ([Noise](#noise)): {noisy}. Run on all observations, for as many iterations as held-out ones chose, full width "
        f"has {full}. Without noise, on eigenvalues 1/i: {long}."
    )


def _in_words(parts):
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]


def _sizes(row):
    """Return the sizes of a race in words, from one of its rows."""
    return (
        f"d = {row['d']:g}, r = {row['rank']:g}, m = {row['m'] / (row['d'] * row['rank']):.3g}·dr Gaussian measurements"
    )


@passage("race")
def race_decomposition(frame):
    """Return what least trace by splitting takes beside its decomposition, in words."""
    kappas = sorted(set(frame["kappa"]))
    found = _in_words([_best(frame, ["least_trace"], kappa)[0] for kappa in kappas])
    return (
        f"Least trace by splitting takes {found} iterations at κ = {_in_words([f'{kappa:g}' for kappa in kappas])}, after "
        f"the decomposition of AAᵀ, whose arithmetic is that of about m = {frame['m'].iloc[0]:g} passes"
    )


@passage("race_ranks", "race_starts", "race_kinds", "race_near")
def race_across(ranks, starts, kinds, near):
    """Return the passes to 10⁻⁶ by rank, start, kind of measurements and with few measurements, as Markdown tables."""
    return "\n\n".join(
        f"{said} ({_across_sizes(table)}):\n\n{_by(table, along, tolerances)}"
        for said, table, along, tolerances in (
            ("By rank", ranks, "rank", (1e-6,)),
            ("By the size of a small initialisation", starts, "alpha", (1e-2, 1e-6)),
            ("By kind of measurements", kinds, "measurements", (1e-6,)),
            ("With the fewest measurements", near, "kappa", (1e-1, 1e-2, 1e-3, 1e-6)),
        )
    )


def _across_sizes(table):
    first = table.iloc[0]
    ranks = sorted(set(table["rank"]))
    said = _in_words([f"{rank:g}" for rank in ranks])
    return f"d = {first['d']:g}, r = {said}, m = {first['m'] / (first['d'] * first['rank']):.3g}·dr, κ = {first['kappa']:g}"


def _by(table, along, tolerances):
    """Return the passes of every method at the values of a column, to some errors, as Markdown."""
    values = list(dict.fromkeys(table[along]))
    shown = [value if isinstance(value, str) else f"{NAME_OF[along]} = {value:g}" for value in values]
    header = [
        "method",
        "prior knowledge",
        *(f"{value}, to {tolerance:g}" for value in shown for tolerance in tolerances),
    ]
    rows = []
    for method in (name for name in NAMES if name in set(table["method"])):
        own = table[table["method"] == method]
        cells = [_passes(own[own[along] == value], tolerance) for value in values for tolerance in tolerances]
        rows.append([NAMES[method].removesuffix(", α = 10⁻⁸"), TOLD[own["told"].iloc[0]], *cells])
    return markdown(header, rows)


@passage("race", *SAMPLES, *EXACT_TABLES)
def race_by_method(race, *frames):
    """Return every method's prior knowledge, measurements and passes as one table in Markdown."""
    tables = dict(zip((*SAMPLES, *EXACT_TABLES), frames, strict=True))
    measured = {name: [_median(sampled(tables, name, error), error) for error in ERRORS] for name in SAMPLES}
    kappas = sorted(set(race["kappa"]))
    shown = {method: table for table, method in ALSO_SAMPLED.items()}
    blank = [which_method.MISSING] * len(ERRORS)
    rows = []
    for method in (name for name in NAMES if name in set(race["method"])):
        own = race[race["method"] == method]
        passes = [_passes(own[own["kappa"] == kappa], SHOWN[-1]) for kappa in kappas]
        few = measured.get(shown.get(method), blank)
        rows.append([NAMES[method], TOLD[own["told"].iloc[0]], *few, *passes])
    for name, few in measured.items():
        if name not in ALSO_SAMPLED:
            told = which_method.IN_A_CELL[which_method.told_of_samples(name)]
            rows.append([SAMPLES[name], told, *few, *["–"] * len(kappas)])
    order = list(TOLD.values())
    rows.sort(key=lambda row: order.index(row[1]))
    errors = [f"m\\*/(dr), error {shown}" for shown in ERRORS.values()]
    header = ["method", "prior knowledge", *errors, *(f"passes to 10⁻⁶, κ = {kappa:g}" for kappa in kappas)]
    first = frames[0].iloc[0]
    said = (
        f"Passes: {_sizes(race.iloc[0])}. Measurements: medians at κ = 1, d = {first['d']:g}, r = {first['rank']:g}, "
        "Gaussian. A dash: not measured."
    )
    return f"{said}\n\n{markdown(header, rows)}"


@passage(*by_rank.TABLES)
def race_by_rank(*frames):
    """Return the measurements of every method by rank, at three errors, as Markdown."""
    tables = dict(zip(by_rank.TABLES, frames, strict=True))
    found = {name: [by_rank.thresholds(tables, name, error) for error in by_rank.ERRORS] for name in by_rank.METHODS}
    ranks = sorted({rank for first, *_ in found.values() for rank in first})
    rows = []
    for name, by_error in found.items():
        cells = [
            " / ".join(number(by_rank.mean_ratio(*own[rank])) for own in by_error) if rank in by_error[0] else "–"
            for rank in ranks
        ]
        method = by_rank.METHODS[name]
        rows.append([method.name, which_method.IN_A_CELL[method.told], *cells])
    rows = [[cell.replace("nan", "off the grid") for cell in row] for row in rows]
    return markdown(["method", "prior knowledge", *(f"r = {rank}" for rank in ranks)], rows)


@passage(*by_rank.TABLES)
def race_ratios_by_rank(*frames):
    """Return ratios of measurements of pairs of methods by rank and error, with intervals, as Markdown."""
    tables = dict(zip(by_rank.TABLES, frames, strict=True))
    rows = []
    for first, second in by_rank.PAIRS:
        for rank in by_rank.thresholds(tables, first, by_rank.ERRORS[0]):
            found = [by_rank.ratio(tables, first, second, rank, error) for error in by_rank.ERRORS]
            if any(one.value is not None for one in found):
                names = (by_rank.METHODS[name].name for name in (first, second))
                rows.append([" over ".join(names), f"{rank}", *map(with_interval, found)])
    return markdown(["m* of", "r", *(f"error {error:g}" for error in by_rank.ERRORS)], rows)


def _median(frame, error):
    """Return the median m*/(dr) to an error as text; of no rows, a dash."""
    if frame is None:
        return which_method.MISSING
    median = float(find_thresholds(frame, "rank", error).medians()[0]) / (frame["d"].iloc[0] * frame["rank"].iloc[0])
    return number(median) if 0 < median < np.inf else "off the grid"


@passage(*SAMPLES, *EXACT_TABLES)
def race_tolerances(reference):
    """Return the ratio of m* of every claim on thresholds at several errors,
    and what the verdict would be there, as Markdown.
    """
    rows = []
    for entry in load_chapters(["race"])[0].claims:
        if entry["estimand"]["name"] != "threshold_ratio":
            continue
        found = at_other_values(reference, entry["id"], "tolerance", TOLERANCES)
        cells = [f"{with_interval(one)} {verdict(one, entry['direction'], entry['margin'])}" for one in found]
        rows.append([f"`{entry['id']}`", f"{SIGNS[entry['direction']]} {entry['margin']:g}", *cells])
    return markdown(["claim", "needed", *(f"error {tolerance:g}" for tolerance in TOLERANCES)], rows)


@passage("race_samples_momentum_r", "race_samples_momentum")
def race_width_with_momentum(*frames):
    """Return m* of the rank's width over that of full width, both with momentum, in words."""
    names = ("race_samples_momentum_r", "race_samples_momentum")
    rng = stream("bootstrap", passage="race_width_with_momentum")
    found = threshold_ratio(
        dict(zip(names, frames, strict=True)), {}, rng, table=names[0], over=names[1], tolerance=0.1
    )
    return f"with momentum on both sides the rank's width takes {with_interval(found)} times the measurements of full width"


@passage("race_samples_scaled_r", "race_samples_spectral_r")
def race_preconditioning_at_the_rank(*frames):
    """Return m* of the rank's width from the spectral start, with an undamped preconditioner over without, in words."""
    names = ("race_samples_scaled_r", "race_samples_spectral_r")
    rng = stream("bootstrap", passage="race_preconditioning_at_the_rank")
    tables = dict(zip(names, frames, strict=True))
    found = threshold_ratio(tables, {}, rng, table=names[0], over=names[1], tolerance=0.1)
    return f"undamped preconditioning takes {with_interval(found)} times the measurements of plain descent"


@passage("race", *SAMPLES, tiers=BEST)
def which_source(tier, reference):
    """Return in a sentence which committed runs the numbers come from, or that there are none."""
    if reference is None:
        return "(No committed reference has the race yet: its numbers are missing below.)"
    first = reference["tables"]["race"].iloc[0]
    said = f"Passes are those of the {tier} tier's committed race: {_sizes(first)}."
    if "race_samples_full" not in reference["tables"]:
        return said
    few = reference["tables"]["race_samples_full"].iloc[0]
    return f"{said} Measurements are those of its thresholds: d = {few['d']:g}, r = {few['rank']:g}, κ = 1."


@passage("race", *SAMPLES, tiers=BEST)
def which_by_knowledge(tier, reference):
    """Return what to take by what is known of X*, as Markdown."""
    return markdown(*which_method.by_knowledge(reference))


@passage(*by_rank.TABLES, tiers=BEST)
def which_by_rank(tier, reference):
    """Return which methods take the fewest measurements at each rank, to three errors, as Markdown."""
    if reference is None:
        return "(No committed reference has the thresholds by rank yet.)"
    tables = reference["tables"]
    first = tables[by_rank.PREFIX + "search"].iloc[0]
    said = f"Fewest m\\*/(dr) by rank, the {tier} tier, d = {first['d']:g}, κ = 1:"
    return f"{said}\n\n{markdown(*which_method.needed_by_rank(tables))}"


@passage(tiers=("quick", "standard"))
def which_by_size(quick, standard):
    """Return how the lead of one method over another differs between two sizes, as Markdown."""
    entries = {entry["id"]: entry for chapter in load_chapters() for entry in chapter.claims}
    header = ["first / second", "smaller size", "larger size", "the lead", "claim"]
    return markdown(header, by_size.rows(entries, quick, standard))


@passage("race", tiers=BEST)
def which_answer(tier, reference):
    """Return what a search for the rank takes beside full width and beside knowing the rank, in a sentence."""
    if reference is None:
        return "(No committed reference has the race yet.)"
    frame = reference["tables"]["race"]
    kappas = sorted(set(frame["kappa"]))
    groups = (["search"], OVERPARAMETRISED, sorted(set(frame.loc[frame["told"] == "rank", "method"])))
    search, full, told = (_in_words([_best(frame, names, kappa)[0] for kappa in kappas]) for names in groups)
    return (
        f"**If you do not know the rank, search for it.** Thresholding that searches takes {search} passes at κ = "
        f"{_in_words([f'{kappa:g}' for kappa in kappas])} to a relative error of 10⁻⁶; the best descent of more parameters "
        f"than X\\* has takes {full}, and the best method that knows the rank {told}."
    )


@passage(tiers=())
def which_tie():
    """Return within which share of the least a method ties with it, as text."""
    return f"{which_method.TIE - 1:.0%}"


@passage("race_noise", tiers=BEST)
def which_under_noise(tier, reference):
    """Return what to take where the labels have noise, as Markdown."""
    if reference is None:
        return "(No committed reference has the race on noisy observations yet.)"
    first = reference["tables"]["race_noise"].iloc[0]
    scale = first["d"] * first["rank"]
    said = (
        f"The {tier} tier, noise {first['label_noise']:g} of the observations' root mean square, κ = {first['kappa']:g}, "
        f"d = {first['d']:g}, r = {first['rank']:g}, {first['m'] / scale:.3g}·dr known measurements and "
        f"{first['held_out'] / scale:.2g}·dr held out:"
    )
    return f"{said}\n\n{markdown(*which_method.under_noise(reference))}"


@passage("race_kinds", tiers=BEST)
def which_by_kind(tier, reference):
    """Return what to take by what is known and the kind of measurements, as Markdown."""
    if reference is None:
        return "(No committed reference has the race on other measurements yet.)"
    frame = reference["tables"]["race_kinds"]
    sizes = f"d = {frame['d'].iloc[0]:g}, r = {frame['rank'].iloc[0]:g}, κ = {frame['kappa'].iloc[0]:g}"
    ratio = frame["m"].iloc[0] / (frame["d"].iloc[0] * frame["rank"].iloc[0])
    said = f"Fewest passes to a relative error of 10⁻⁶, the {tier} tier, {sizes}, m = {ratio:.3g}·dr:"
    return f"{said}\n\n{markdown(*which_method.by_kind(frame))}"


@passage(tiers=())
def which_by_measurements():
    """Return which algorithms run on which measurements, as Markdown."""
    return markdown(*which_method.by_measurements())


@passage(tiers=())
def which_algorithms():
    """Return the prior knowledge and the requirements of every algorithm, as Markdown."""
    return markdown(*which_method.algorithms())


@passage("race_noise")
def race_noise(frame):
    """Return the errors of every method on noisy labels: its best, at the stop by hold-out, at T, as Markdown."""
    return _errors(frame)


def _errors(frame):
    values = ("own_error", "best_error", "stop_error", "end_error", "refit_error", "all_error", "stop_over_best")
    rows = []
    for method in (name for name in NAMES if name in set(frame["method"])):
        own = frame[frame["method"] == method]
        means = [mean_error(own, value) for value in values]
        rows.append([NAMES[method], TOLD[own["told"].iloc[0]], *means])
    header = [
        "method", "prior knowledge", "in the form that suits it", "smallest", "at the stop", "at T",
        "all observations, at the stop", "all observations, at T",
        "stop / smallest",
    ]  # fmt: skip
    first = frame.iloc[0]
    said = f"{_sizes(first).replace(' Gaussian', ' known Gaussian')}, and dr more held out"
    kind = (
        f"eigenvalues i^−{first['tail']:g}, no noise"
        if first["tail"]
        else f"κ = {first['kappa']:g}, noise {first['label_noise']:g} of the observations' root mean square"
    )
    return f"{said}; {kind}:\n\n{markdown(header, rows)}"


@passage("race_tail")
def race_tail(frame):
    """Return the same on targets whose eigenvalues fall as a power."""
    return _errors(frame)
