"""The ledger's evidence on the race: passes by method and κ, and the measurements that each method takes."""

import numpy as np

from algoreg.chapters.race import which_method
from algoreg.chapters.race.estimands import log_passes, threshold_ratio
from algoreg.chapters.race.methods import METHODS
from algoreg.chapters.race.words import NAMES, SAMPLES, TOLD, span
from algoreg.claims.cells import geometric_mean
from algoreg.claims.judging import SIGNS, verdict
from algoreg.claims.thresholds import find_thresholds
from algoreg.numerics.seeds import stream
from algoreg.regression.rejudge import at_other_values
from algoreg.reporting.report import BEST, geometric, markdown, number, passage, with_interval
from algoreg.settings.chapters import load_chapters

SHOWN = (1e-2, 1e-4, 1e-6)
# The errors at which thresholds are read beside the claims' own.
TOLERANCES = (0.3, 0.1, 0.03, 0.01)


def _passes(part, tolerance):
    """Return the geometric mean of the passes, or how many runs came there."""
    reached = part.loc[np.isclose(part["tolerance"], tolerance), "passes"]
    if reached.notna().all():
        return f"{geometric_mean(reached):.0f}"
    return f"not by T ({reached.notna().sum()}/{len(reached)})" if reached.notna().any() else "not by T"


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
    return markdown(["κ", "method", "told", "grid of η", "chosen", *passes, "smallest error by T", "T"], rows)


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


@passage("race")
def race_least_trace(frame, methods, margin):
    """Return the passes of least trace over those of the best of some methods by κ,
    and where a claim would not hold with it.
    """
    least, best = (log_passes(frame, names, SHOWN[-1]) for names in (["least_trace"], methods.split(", ")))
    ratios = {kappa: float(np.exp(least[kappa].mean() - np.nanmin(best[kappa].mean(axis=(1, 2))))) for kappa in least}
    said = ", ".join(f"{number(ratio)} at κ = {kappa:g}" for kappa, ratio in ratios.items())
    lost = " and ".join(f"{kappa:g}" for kappa, ratio in ratios.items() if ratio < 1 / float(margin))
    held = f"The claim would not hold with it at κ = {lost}." if lost else "The claim would hold with it, too."
    return f"Its iterations over the passes of the best method that is told the rank are {said}. {held}"


def _best_passes(frame, names):
    """Return the passes to the last error of the best of some methods at every κ, as text."""
    found = []
    for logs in log_passes(frame, names, SHOWN[-1]).values():
        means = logs.mean(axis=(1, 2))
        found.append(f"{np.exp(np.nanmin(means)):.0f}" if np.isfinite(means).any() else "none")
    return ", ".join(found)


@passage("race")
def race_headline(frame):
    """Return the headline: the best methods told nothing and told the rank at every κ, least trace with its cost."""
    first = frame.iloc[0]
    told = {
        said: sorted(set(frame.loc[frame["told"] == said, "method"]) - {"least_trace"}) for said in ("nothing", "rank")
    }
    kappas = ", ".join(f"{kappa:g}" for kappa in sorted(set(frame["kappa"])))
    return (
        f"Passes to a relative error of 10⁻⁶ at κ = {kappas} (d = {first['d']:g}, r = {first['rank']:g}, m = "
        f"{first['m'] / (first['d'] * first['rank']):.3g}·dr): {_best_passes(frame, told['nothing'])} by the best descent "
        f"that is told nothing, {_best_passes(frame, told['rank'])} by the best method that is told r. Least trace, told "
        f"nothing, takes {_best_passes(frame, ['least_trace'])} iterations after a decomposition of AAᵀ that costs the "
        f"arithmetic of about m = {first['m']:g} passes. A search for the rank is not among these methods."
    )


@passage(*SAMPLES)
def race_thresholds(*frames):
    """Return the median m*/dr of every method with its range, as Markdown."""
    rows = []
    for name, frame in zip(SAMPLES.values(), frames, strict=True):
        found = find_thresholds(frame, "rank", 0.1)
        scale = frame["d"].iloc[0] * frame["rank"].iloc[0]
        low, high = np.exp([found.logs.min(), found.logs.max()]) / scale
        median = float(found.medians()[0]) / scale
        shown = number(median) if 0 < median < np.inf else "off the grid"
        rows.append([name, shown, f"{number(low)} to {number(high)}", str(int((found.sides != 0).sum()))])
    return markdown(["method", "median m*/dr", "range of runs", "runs off the grid"], rows)


@passage(*SAMPLES)
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


@passage("race_samples_r", "race_samples_momentum", "race_samples_full")
def race_width_alone(*frames):
    """Return m* of the rank's width without momentum, and of momentum at full width, over that of descent, in words."""
    names = ("race_samples_r", "race_samples_momentum", "race_samples_full")
    tables = dict(zip(names, frames, strict=True))
    ratios = [
        threshold_ratio(
            tables,
            {},
            stream("bootstrap", passage="race_width_alone", table=name),
            table=name,
            over=names[2],
            tolerance=0.1,
        )
        for name in names[:2]
    ]
    width, momentum = map(with_interval, ratios)
    return (
        f"Without momentum the rank's width takes {width} times the measurements of full width. Momentum alone, at full "
        f"width, takes {momentum}."
    )


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
    ratio = first["m"] / (first["d"] * first["rank"])
    sizes = f"d = {first['d']:g}, r = {first['rank']:g}, m = {ratio:g}·dr Gaussian measurements"
    said = f"Passes are those of the {tier} tier's committed race: {sizes}."
    if "race_samples_full" not in reference["tables"]:
        return said
    few = reference["tables"]["race_samples_full"].iloc[0]
    return f"{said} Measurements are those of its thresholds: d = {few['d']:g}, r = {few['rank']:g}, κ = 1."


@passage("race", *SAMPLES, tiers=BEST)
def which_by_knowledge(tier, reference):
    """Return what to take by what is known of X*, as Markdown."""
    return markdown(*which_method.by_knowledge(reference))


@passage(tiers=())
def which_tie():
    """Return within which share of the least a method ties with it, as text."""
    return f"{which_method.TIE - 1:.0%}"


@passage("race_noise", tiers=BEST)
def which_under_noise(tier, reference):
    """Return what to take where the labels have noise, as Markdown."""
    if reference is None:
        return "(No committed reference has the race on noisy labels yet.)"
    first = reference["tables"]["race_noise"].iloc[0]
    scale = first["d"] * first["rank"]
    said = (
        f"The {tier} tier, noise {first['label_noise']:g} of the labels' root mean square, κ = {first['kappa']:g}, "
        f"d = {first['d']:g}, r = {first['rank']:g}, {first['m'] / scale:.3g}·dr known measurements and "
        f"{first['held_out'] / scale:.2g}·dr held out:"
    )
    return f"{said}\n\n{markdown(*which_method.under_noise(reference))}"


@passage(tiers=())
def which_by_measurements():
    """Return which algorithms run on which measurements, as Markdown."""
    return markdown(*which_method.by_measurements())


@passage(tiers=())
def which_algorithms():
    """Return what every algorithm is told and asks, as Markdown."""
    return markdown(*which_method.algorithms())


@passage("race_noise")
def race_noise(frame):
    """Return the errors of every method on noisy labels: its best, at the stop by hold-out, at T, as Markdown."""
    values = ("best_error", "stop_error", "end_error", "stop_over_best", "end_over_best")
    rows = []
    for method in (name for name in NAMES if name in set(frame["method"])):
        own = frame[frame["method"] == method]
        means = [geometric(own[value]) for value in values]
        rows.append([NAMES[method], TOLD[own["told"].iloc[0]], *means])
    header = ["method", "told", "smallest error", "at the stop", "at T", "stop / smallest", "T / smallest"]
    said = f"κ = {frame['kappa'].iloc[0]:g}, noise {frame['label_noise'].iloc[0]:g} of the labels' root mean square."
    return f"{said}\n\n{markdown(header, rows)}"
