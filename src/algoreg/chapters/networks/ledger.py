"""The ledger's macros on quadratic networks: Lemma A.1, what Algorithm 1's parts do, an error in τ, examples, starts
and widths.
"""

import numpy as np
import pandas as pd

from algoreg.chapters.li2018 import truncated_deviation, truncation_levels
from algoreg.chapters.networks.estimands import example_thresholds, late_slopes
from algoreg.claims.cells import cells, geometric_mean
from algoreg.claims.exponents import mean_slope
from algoreg.claims.intervals import interval_of
from algoreg.numerics.seeds import stream
from algoreg.reporting.report import markdown, number, passage, with_interval
from algoreg.settings.chapters import entry_of

# Norms of X = x·aaᵀ at which Lemma A.1's levels are compared.
NORMS = (1, 2, 5)
TEACHERS = {"narrow": "2", "wide": "d/2"}
DISTANCES = ("distance", "distance_narrow")


def _judged_levels():
    """Return the errors between which the claim ``alg1-rescaling`` measures the late slope."""
    estimand = entry_of("alg1-rescaling")["estimand"]
    return estimand["high"], estimand["low"]


def _mean(values):
    """Return the geometric mean of those that are there, or None."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    return geometric_mean(values) if len(values) else None


@passage("lemma_printed", "lemma_in_d", "lemma_in_m")
def lemma_a1(frame, in_d, in_m):
    """Return Lemma A.1's deviation over δ at the printed level and at its proof's, and the exponents in d and m."""
    frame = frame[(frame["direction"] == "fixed") & (frame["m"] == frame["m"].max())]
    rows = []
    for delta, part in sorted(frame.groupby("delta"), reverse=True):
        row = [f"{delta:g}"]
        for truncation in ("printed", "proof"):
            means = part[part["truncation"] == truncation][["level", "mean_deviation", "mean_ratio", "ratio"]].mean()
            row += [number(means[column]) for column in ("level", "mean_deviation", "mean_ratio", "ratio")]
        rows.append(row)
    columns = ["R", "deviation of the mean", "over δ", f"over δ, a sum of m = {frame['m'].iloc[0]}"]
    header = ["δ", *(f"{name}: {column}" for name in ("log(1/δ)", "log²(1/δ)") for column in columns)]
    lines = []
    for table, along in ((in_d, "d"), (in_m, "m")):
        for truncation, direction, label in (
            ("proof", "fixed", "truncated, fixed direction"),
            ("proof", "adversarial", "truncated, adversarial directions"),
            ("none", "fixed", "whole sum, fixed direction"),
            ("none", "adversarial", "whole sum, adversarial directions"),
        ):
            part = table[(table["truncation"] == truncation) & (table["direction"] == direction)]
            points, values = cells(part, [along], "deviation")
            rng = stream("bootstrap", passage="lemma_a1", along=along, kind=label)
            found = interval_of(lambda part, x=[p for (p,) in points]: mean_slope(x, part), np.log(values), rng)
            lines.append([along, label, with_interval(found)])
    return f"{markdown(header, rows)}\n\n{markdown(['exponent in', 'sum', 'with 95 % interval'], lines)}"


@passage("lemma_printed")
def lemma_levels(frame):
    """Return the mean's deviation over δ‖X‖_* for X = x·aaᵀ by level and norm x, at the δ of the claim, as Markdown."""
    deltas = sorted((x for x in frame["delta"].unique() if x <= 0.01), reverse=True)
    kinds = {"four_logs": "4·log(1/δ)", "three_logs": "3·log(1/δ)", "printed": "log(1/δ)", "proof": "log²(1/δ)"}
    rows = []
    for delta in deltas:
        for kind, label in kinds.items():
            level = truncation_levels(delta)[kind]
            # ⟨A, xaaᵀ⟩ = x⟨A, aaᵀ⟩: the level for aaᵀ is R/x, and the deviation is x times as large, as is ‖X‖_*.
            found = [number(truncated_deviation(level / norm) / delta) for norm in NORMS]
            rows.append([f"{delta:g}", label, number(level), *found])
    return markdown(["δ", "R", "its value", *(f"‖X‖ = {norm}" for norm in NORMS)], rows)


@passage("quadratic_ablation")
def alg1_ablation(table):
    """Return what each part of Algorithm 1 does: late log-log slope and error at the end,
    with intervals, as Markdown.
    """
    (high, low), rows = _judged_levels(), []
    for variant, frame in table.groupby("variant"):
        points, values = cells(frame, ["iteration"], "test_error")
        iterations = [point for (point,) in points]
        lost = int((frame[frame["iteration"] == iterations[-1]]["status"] == "diverged").sum())
        if lost:
            rows.append((np.inf, [f"`{variant}`", "–", "–", f"{lost} of {values[0].size}"]))
            continue
        rng = stream("bootstrap", passage="alg1_ablation", variant=variant)
        slopes = late_slopes(iterations, values, high, low)[None]
        late = interval_of(np.median, slopes, rng)
        logs = np.log10(values[-1:])
        end = interval_of(lambda part: part.mean(), logs, rng)
        floor = f"{10**end.value:.2g} [{10**end.low:.2g}, {10**end.high:.2g}]"
        rows.append((end.value, [f"`{variant}`", with_interval(late), floor, f"0 of {values[0].size}"]))
    rows = [row for _, row in sorted(rows, key=lambda pair: pair[0])]
    header = [
        "variant",
        f"median log-log slope from {high:g} to {low:g} (or the end)",
        "relative error at the end, geometric mean",
        "diverged",
    ]
    first = table.iloc[0]
    sizes = f"d = {first['d']}, r = {first['rank']}, m = {first['m']}, α = {first['alpha']:g}, {table['iteration'].max()} steps"
    return f"{markdown(header, rows)}\n\n{sizes}; in brackets 95 % intervals."


@passage("quadratic_ablation")
def alg1_left(table, variant):
    """Return the geometric mean of the relative error that a variant of Algorithm 1 leaves at the end of its runs."""
    end = table[(table["variant"] == variant) & (table["iteration"] == table["iteration"].max())]
    return number(_mean(end["test_error"]))


def _at_multiple(frame, multiple):
    """Return the rows of the first recorded iteration from a multiple of the theorem's T on."""
    late = frame[frame["over_window"] >= multiple * (1 - 1e-8)]
    return late[late["iteration"] == late["iteration"].min()]


def _lost(part):
    """Return how many runs have diverged, of how many."""
    return f"{(part['status'] == 'diverged').sum()} of {len(part)}"


@passage("quadratic_tau")
def alg1_tau_lost(table, error):
    """Return how many runs told a τ with this relative error have diverged by 2T, in words."""
    table = table[(table["variant"] == "algorithm-1") & np.isclose(table["tau_error"], error)]
    return _lost(_at_multiple(table, 2))


@passage("quadratic_tau")
def alg1_tau_costs(table, size):
    """Return the relative error of X at T where τ is too small or too large by this share, in a sentence."""
    table = _at_multiple(table[table["variant"] == "algorithm-1"], 1)
    low, high = (
        number(_mean(table.loc[np.isclose(table["tau_error"], error), "test_error"])) for error in (-size, size)
    )
    return f"A τ too small by {100 * size:g} % leaves a relative error of {low}, one too large {high}."


@passage("quadratic_tau", "quadratic_mean_label")
def alg1_tau(table, other):
    """Return what an error in τ leaves, and what the mean label does as m grows, as Markdown."""
    table = table[table["variant"] == "algorithm-1"]
    end = table["iteration"].max()
    rank = int(table["rank"].iloc[0])
    rows = []
    for error, part in table.groupby("tau_error"):
        last = part[part["iteration"] == end]
        lost = last[last["status"] == "diverged"]
        squared = last["parameter_error"].mean() if not len(lost) else None
        limit = rank * (error * rank / 2) ** 2
        twice = _at_multiple(part, 2)
        rows.append(
            [
                f"{error:+g}",
                number(_mean(_at_multiple(part, 1)["test_error"])),
                number(_mean(twice["test_error"])),
                _lost(twice),
                number(_mean(last["test_error"])),
                number(squared / limit) if squared is not None and error > 0 else "–",
                _lost(last),
                f"{lost['ended'].median():g}" if len(lost) else "–",
            ]
        )
    header = [
        "relative error ε of τ",
        "relative error of X at T",
        "at 2T (runs left)",
        "diverged by 2T",
        "relative error of X at the end",
        "‖·‖_F² over r(ετ/2)²",
        "diverged by the end",
        "diverged by step (median)",
    ]
    lines = []
    for m, part in other.groupby("m"):
        row = [m]
        for variant in ("algorithm-1", "mean-label"):
            one = part[part["variant"] == variant]
            lost = (one["status"] == "diverged").sum()
            row += [number(_mean(one["test_error"])), f"{lost} of {len(one)}"]
        lines.append(row)
    second = ["m", "exact τ: error of X", "diverged", "mean label: error of X (runs left)", "diverged"]
    return f"{markdown(header, rows)}\n\n{markdown(second, lines)}"


@passage("quadratic_samples_in_d", "quadratic_samples_in_r")
def thm12_examples(in_d, in_rank):
    """Return the examples needed, their exponents and how many thresholds lie outside the grid, as Markdown."""
    lines = []
    for table, along in ((in_d, "d"), (in_rank, "rank")):
        for variant in [v for v in ("algorithm-1", "plain", "least-squares") if v in set(table["variant"])]:
            frame = table[table["variant"] == variant]
            for tolerance in (0.3, 0.1):
                points, found, censored = example_thresholds(frame, along, tolerance)
                rng = stream("bootstrap", passage="thm12_examples", along=along, variant=variant, tolerance=tolerance)
                exponent = interval_of(lambda part, x=points: mean_slope(x, part), np.log(found), rng)
                counts = ", ".join(f"{geometric_mean(one):.0f}" for one in found)
                sizes = ", ".join(str(point) for point in points)
                outside = f"{censored.sum()} of {censored.size}"
                lines.append(
                    [f"{along} = {sizes}", f"`{variant}`", f"{tolerance:g}", counts, with_interval(exponent), outside]
                )
    header = ["along", "method", "tolerance", "examples needed (geometric mean)", "exponent", "outside the grid"]
    return markdown(header, lines)


@passage("quadratic_width")
def alg1_width_costs(table):
    """Return by what factor errors grow from the first hidden width above the rank to d, by variant and m, in words."""
    rank, d = int(table["rank"].iloc[0]), int(table["d"].iloc[0])
    grown = []
    for (variant, m), part in table.groupby(["variant", "m"]):
        first, last = (_mean(part[part["width"] == width]["test_error"]) for width in (rank + 1, d))
        if first is not None and last is not None:
            grown.append(f"{last / first:.2g} (`{variant}`, m = {m})")
    return f"From k = {rank + 1} to k = d = {d} errors grow by the factors {', '.join(grown)}"


@passage("quadratic_initialisation", "quadratic_cone", "quadratic_width")
def alg1_starts(starts, cone, widths):
    """Return errors against α, what positivity alone recovers, and errors against the hidden width, as Markdown."""

    def cell(part):
        lost = (part["status"] == "diverged").sum()
        text = number(_mean(part["test_error"]))
        return text if not lost else f"{text} ({lost} of {len(part)} diverged)"

    blocks = []
    variants = ["algorithm-1", "no-truncation", "plain"]
    rows = [
        [f"{alpha:g}", *(cell(part[part["variant"] == variant]) for variant in variants)]
        for alpha, part in sorted(starts.groupby("alpha"))
    ]
    blocks.append(markdown(["α", *(f"`{variant}`" for variant in variants)], rows))
    kinds = [(m, method) for m in ("rank-one", "gaussian") for method in ("projected", "factored")]
    rows = [
        [
            f"{m / part['d'].iloc[0]:.3g}",
            *(cell(part[(part["measurements"] == kind) & (part["method"] == method)]) for kind, method in kinds),
        ]
        for m, part in cone.groupby("m")
    ]
    names = {"projected": "projected from 0", "factored": f"plain from α = {cone['alpha'].dropna().iloc[0]:g}"}
    blocks.append(markdown(["m/d", *(f"{kind}: {names[method]}" for kind, method in kinds)], rows))
    kinds = [(m, variant) for m in sorted(widths["m"].unique()) for variant in variants[::2]]
    rows = [
        [width, *(cell(part[(part["m"] == m) & (part["variant"] == variant)]) for m, variant in kinds)]
        for width, part in widths.groupby("width")
    ]
    blocks.append(markdown(["hidden width k", *(f"m = {m}: `{variant}`" for m, variant in kinds)], rows))
    return "\n\n".join(blocks)


@passage("quadratic_decay", "quadratic_decay_gaussian")
def decay_errors(networks, gaussian):
    """Return squared errors under weight decay beside their predictions, and distances, as Markdown."""
    rows = []
    for (d, teacher, measurements, ratio), own in pd.concat([networks, gaussian]).groupby(
        ["d", "teacher", "measurements", "m_over_dimension"]
    ):
        means = (number(own[name].mean()) for name in ("error", "predicted", "over"))
        distances = (number(_mean(own[name])) if own[name].notna().any() else "" for name in DISTANCES)
        rows.append(
            [d, TEACHERS[teacher], measurements, f"{ratio:g}", *means, number(own["convex_rank"].mean()), *distances]
        )
    header = ["d", "teacher's units", "measurements", "m/δ", "squared error", "predicted", "ratio", "convex rank"]
    return markdown([*header, "distance, d units", "distance, teacher's units"], rows)


@passage("quadratic_decay_threshold")
def decay_thresholds(frame):
    """Return relative errors under a vanishing weight decay around the statistical dimension, as Markdown."""
    rows = [
        [
            d,
            TEACHERS[teacher],
            f"{ratio:g}",
            own["m"].iloc[0],
            number(own["m_over_freedom"].iloc[0]),
            number(own["test_error"].mean()),
            number(own["test_error"].max()),
        ]
        for (d, teacher, ratio), own in frame.groupby(["d", "teacher", "m_over_dimension"])
    ]
    header = ["d", "teacher's units", "m/δ", "m", "m over degrees of freedom", "mean relative error", "largest"]
    return markdown(header, rows)
