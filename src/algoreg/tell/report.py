"""Generated passages of the documents: verdicts, the comparison with the published curves, the ledger's evidence.

Everything is rendered from a committed reference (see :mod:`algoreg.judge.references`), so that a test can tell whether a
document still says what the reference says.
"""

import re
from collections import Counter

import numpy as np
import pandas as pd

from algoreg import registry
from algoreg.analysis.thresholds import THRESHOLD_ERROR, thresholds
from algoreg.judge.snapshots import frame_of
from algoreg.numerics.theory import first_errors_of_the_identity, psd_statistical_dimension
from algoreg.tell.wording import say, verdicts_of


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


def passage(*tables):
    """Mark a function ``reference → markdown`` of ``algoreg.passages`` as the passage that has its name.

    It fills the block of its name, with ``-`` for ``_``, and is given the tables that it names.

    Parameters
    ----------
    *tables : str
        The tables that it reads; a reference without them gives a passage that says so.
    """

    def register(function):
        function.tables = tables
        return function

    return register


def _found_passages(reference):
    found = {}
    for name, function in registry.passages().items():
        lacking = [table for table in function.tables if table not in reference["tables"]]
        found[name.replace("_", "-")] = (
            f"(The committed reference has no table {', '.join(lacking)}.)" if lacking else function(reference)
        )
    return found


def literal(text):
    """Return text as Markdown that shows it as it is: X* and ‖E‖_F are no emphasis. Code between backticks is left alone."""
    parts = re.split(r"(`[^`]*`)", str(text))
    return "".join(part if i % 2 else re.sub(r"([*_]|<(?=[a-zA-Z/!]))", r"\\\1", part) for i, part in enumerate(parts))


def _cell(content):
    """Return what stands in a cell: one line, and no bar that would end it."""
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(str(content).split("\n")))


def markdown(header, rows):
    """Return a Markdown table; bars in its cells are escaped, everything else is taken as Markdown (see :func:`literal`)."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in row) + " |" for row in lines)


def number(value):
    """Return a number for a Markdown table."""
    return "–" if value is None else f"{value:.3g}"


def said_of(claim, entry, verdicts=None):
    """Return the texts of a committed verdict; the registry has what a reference does not repeat."""
    own = {key: entry.get(key) for key in ("direction", "remedy", "deterministic")}
    return say({**own, **claim}, verdicts)


def _judged(claim, entry, verdicts):
    """Return the cells of a claim: verdict, estimate, interval, what is needed, the controls."""
    said = said_of(claim, entry, verdicts)
    return [said.words("**{}**", "`{}`"), said.estimate, said.interval, said.needed, said.controls()]


def verdicts(reference, registry):
    """Return how many claims have each verdict, and their table, as Markdown."""
    entries = {entry["id"]: entry for entry in registry}
    rows = [
        [
            f"`{claim['id']}`",
            literal(entries[claim["id"]]["statement"]),
            *_judged(claim, entries[claim["id"]], verdicts_of(reference["claims"])),
        ]
        for claim in reference["claims"]
        if claim["id"] in entries
    ]
    outcomes = Counter(claim["verdict"] for claim in reference["claims"] if claim["id"] in entries)
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
    table = markdown(["claim", "statement", "verdict", "estimate", "95 % interval", "needed", "control"], rows)
    return f"{outcomes.total()} claims: {counts}.\n\n{table}"


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
                number(row["ours"]),
                number(row["published"]),
                f"{row['ratio']:.2f}",
                f"{number(row['low'])} … {number(row['high'])}",
                inside,
            ]
        )
    mean = np.exp(np.mean(np.log(factors)))
    table = markdown(["α", "our mean", "published", "ratio", "95 % prediction interval", "inside"], rows[::-1])
    return f"{table}\n\nGeometric mean factor over α: {mean:.3f}; largest: {max(factors):.3f}."


def _shifts(frame, own, keys):
    """Return the rows of both frames' runs with ``shift``: by how many percent ``frame``'s test error is above ``own``'s."""
    both = frame.merge(own, on=keys, suffixes=("", "_own"))
    return both.assign(shift=100 * (both["test_error"] / both["test_error_own"] - 1))


def step_effect(reference):
    """Return how far five times the paper's step moves Figure 1's test errors where both ran, as Markdown."""
    larger, paper = (frame_of(reference["tables"][name]) for name in ("figure_1", "figure_1_paper_step"))
    both = _shifts(larger, paper, ["d", "alpha", "target", "ensemble"])
    rows = [
        [f"{alpha:g}", f"{part['shift'].mean():+.2f} %", f"{part['shift'].abs().max():.2f} %"]
        for alpha, part in sorted(both.groupby("alpha"), reverse=True)
    ]
    return markdown(["α", "mean change of test error", "largest change of a run"], rows)


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
    return markdown(header, lines) + "\n\n" + "\n".join(f"- {sentence}" for sentence in sentences)


def _by_ratio(frame, ratios):
    """Return the mean test errors of one reading of Figure 4 at these m/d, as cells."""
    means = frame.groupby("m_over_d")["test_error"].mean()
    return [number(means[ratio]) if ratio in means else "" for ratio in ratios]


def figure_4(reference):
    """Return Figure 4's published points beside ours and beside other readings of what it does not state, as Markdown."""
    ours, other = (frame_of(reference["tables"][name]) for name in ("figure_4", "figure_4_readings"))
    points = pd.DataFrame(reference["comparisons"]["figure_4_published"])
    ratios = sorted(points["m_over_d"].unique())
    one = ours[ours["ensemble"] == other["ensemble"].iloc[0]]
    alone = "ensemble 0 alone"
    rows = []
    for method in ("projected", "factored"):
        there = points[points["method"] == method].set_index("m_over_d")
        mine, readings = one[one["method"] == method], other[other["method"] == method]
        start = "0" if method == "projected" else "0.01·I"
        rows += [
            [method, "published", *(number(there["published"][ratio]) for ratio in ratios)],
            [method, f"ours from {start}, all ensembles", *(number(there["ours"][ratio]) for ratio in ratios)],
            [method, "inside the prediction interval", *("yes" if there["inside"][x] else "no" for x in ratios)],
            [method, f"ours from {start}, {alone}", *_by_ratio(mine, ratios)],
            [method, f"from I, {alone}", *_by_ratio(readings[readings["start"] == "identity"], ratios)],
        ]
    return markdown(["method", "test error at m/d =", *(f"{ratio:g}" for ratio in ratios)], rows)


def figure_4_thresholds(reference):
    """Return the thresholds of Figure 4's methods at each d and their exponents, as Markdown."""
    rows = []
    for name, start in (("figure_4_thresholds", "10⁻⁴·I"), ("figure_4_thresholds_large", "0.01·I")):
        frame = frame_of(reference["tables"][name])
        for method, part in sorted(frame.groupby("method"), reverse=True):
            means = {
                d: np.exp(np.log(thresholds(rest)).mean()) for d, rest in part.groupby("d")
            }  # NaN: outside the grid
            rows.append([f"{method}, from {'0' if method == 'projected' else start}", means])
    sizes = sorted(rows[0][1])
    rows.append(
        ["positivity alone: statistical dimension / d", {d: psd_statistical_dimension(d, 1) / d for d in sizes}]
    )
    lines = [
        [
            name,
            *(f"{means[d]:.2f}" for d in sizes),
            f"{np.polyfit(np.log(sizes), np.log([means[d] for d in sizes]), 1)[0]:.2f}",
        ]
        for name, means in rows
    ]
    return markdown([f"m/d at test error {THRESHOLD_ERROR:g}", *(f"d = {d}" for d in sizes), "exponent in d"], lines)


def figure_5(reference):
    """Return what Figure 5's runs say against the published curves and against the figure's description, as Markdown."""
    rows = []
    for panel, what in (("5a", "SGD"), ("5b", "gradient descent")):
        points = pd.DataFrame(reference["comparisons"][f"figure_{panel}_published"])
        for error, name in (("train_error", "training"), ("test_error", "test")):
            part = points[points["error"] == error].sort_values("iteration")
            inside = f"{int(part['inside'].sum())} of {len(part)}"
            first, last = part.iloc[0], part.iloc[-1]
            rows.append(
                [
                    f"{panel}, {what}",
                    name,
                    *(f"{number(row['ours'])} / {number(row['published'])}" for row in (first, last)),
                    f"{last['iteration']:g}",
                    inside,
                ]
            )
    gaussian, network = first_errors_of_the_identity(100, 5)
    header = [
        "panel",
        "error",
        "ours / published at 0",
        "ours / published at the last point",
        "which is",
        "published points inside",
    ]
    return (
        f"{markdown(header, rows)}\n\nFor five orthonormal columns at d = 100 the first training error would be {gaussian:.3g} "
        f"with Gaussian measurements, equal to the test error, and {network:.3g} with a quadratic network's x xᵀ."
    )


def flow(reference):
    """Return how far each larger step moves the test errors of Figure 1's smallest start at equal η·t, as Markdown."""
    frame = frame_of(reference["tables"]["flow_equivalence"])
    own = frame[frame["step"] == frame["step"].min()]
    both = _shifts(frame, own, ["alpha", "iteration", "target", "ensemble"])
    rows = []
    for step, part in both[both["step"] > own["step"].iloc[0]].groupby("step"):
        shifts = [f"{one['shift'].mean():+.1f} %" for _, one in part.groupby("iteration")]
        rows.append([f"{step:g}", f"{step / own['step'].iloc[0]:.0f}", *shifts])
    times = sorted(own["iteration"].unique())
    alphas = ", ".join(f"{alpha:g}" for alpha in sorted(own["alpha"].unique()))
    header = [f"step η (α = {alphas})", "times the paper's", *(f"at iteration {time}" for time in times)]
    return markdown(header, rows)


def costs(references):
    """Return CPU time and memory of the tiers with a reference of all of them, as Markdown."""
    rows = []
    for tier, reference in references.items():
        if reference.get("partial"):
            continue
        cost = reference["cost"]
        # A reference that is older than this column has seconds on a clock, which are no CPU time.
        minutes = cost["cpu_seconds"] / 60 if "cpu_seconds" in cost else None
        times = ["–", "–"] if minutes is None else [f"{minutes:.1f} min", f"{minutes / 2:.1f} min"]
        rows.append([f"`{tier}`", *times, f"{cost['peak_mib']} MiB"])
    return markdown(["tier", "CPU time of all jobs", "so on two idle cores", "largest job"], rows)


def paper_verdicts(references, registry):
    """Return the verdicts of the paper tier beside the standard tier's, as Markdown."""
    entries = {entry["id"]: entry for entry in registry}
    standard, paper = ({claim["id"]: claim for claim in references[tier]["claims"]} for tier in ("standard", "full"))
    rows = [
        [
            f"`{name}`",
            *_judged(paper[name], entry, verdicts_of(references["full"]["claims"])),
            f"{standard[name]['verdict']}, {number(standard[name]['estimate'])}" if name in standard else "–",
        ]
        for name, entry in entries.items()
        if name in paper
    ]
    header = ["claim", "verdict", "estimate", "95 % interval", "needed", "control", "standard tier"]
    return markdown(header, rows)


def _fit(points):
    """Return how far published points lie from ours: mean and largest factor, where the largest is, points inside."""
    away = np.array([max(point["ratio"], 1 / point["ratio"]) for point in points])
    named = [name for name in ("method", "alpha", "m_over_d", "iteration") if name in points[0]]
    worst = points[int(away.argmax())]
    where = ", ".join(f"{AXIS_WORDS[name]} {worst[name]}".strip() for name in named)
    inside = f"{sum(bool(point['inside']) for point in points)} of {len(points)}"
    return [f"{np.exp(np.log(away).mean()):.3f}", f"{away.max():.3f}", where, inside]


AXIS_WORDS = {"method": "", "alpha": "α =", "m_over_d": "m/d =", "iteration": "iteration"}


def published_fits(references):
    """Return how each published curve lies to our runs in the standard and the paper tier, as Markdown."""
    rows = []
    for tier in ("standard", "full"):
        for name, points in references.get(tier, {"comparisons": {}})["comparisons"].items():
            if "inside" not in points[0]:
                continue
            figure = re.sub("_published.*", "", name).removeprefix("figure_").replace("_", ", ", 1).replace("_", " ")
            for error in dict.fromkeys(point["error"] for point in points):
                part = [point for point in points if point["error"] == error]
                words = error.replace("_", " ").replace("train", "training")
                rows.append([f"`{tier}`", figure, part[0].get("d", 100), words, *_fit(part)])
    header = ["tier", "figure", "d", "error", "mean factor", "largest factor", "at", "points inside"]
    return markdown(header, rows)


def figure_4_d150(references):
    """Return the published Figure 4 at d = 150 beside the paper tier's runs, as Markdown."""
    points = pd.DataFrame(references["full"]["comparisons"]["figure_4_published_d150"])
    ratios, rows = sorted(points["m_over_d"].unique()), []
    for method, part in sorted(points.groupby("method"), reverse=True):
        there = part.set_index("m_over_d")
        rows += [
            [method, "published", *(number(there["published"][ratio]) for ratio in ratios)],
            [method, "ours", *(number(there["ours"][ratio]) for ratio in ratios)],
            [method, "inside the prediction interval", *("yes" if there["inside"][x] else "no" for x in ratios)],
        ]
    mean, largest, where, inside = _fit(points.to_dict("records"))
    table = markdown(["method", "test error at m/d =", *(f"{ratio:g}" for ratio in ratios)], rows)
    return f"{table}\n\nGeometric mean factor: {mean}; largest: {largest} ({where}); inside: {inside}."


def figure_4_step(references):
    """Return how far the standard tier's larger steps move Figure 4's test errors from those at the paper's own, as Markdown."""
    frames = [frame_of(references[tier]["tables"]["figure_4"]) for tier in ("standard", "full")]
    both = _shifts(*frames, ["d", "m_over_d", "method", "target", "ensemble"])
    ratios, rows = sorted(both["m_over_d"].unique()), []
    for method, part in sorted(both.groupby("method"), reverse=True):
        shifts = [part["shift"][part["m_over_d"] == ratio] for ratio in ratios]
        rows.append([method, "mean change", *(f"{one.mean():+.1f} %" for one in shifts)])
        rows.append([method, "largest of a run", *(f"{one.abs().max():.1f} %" for one in shifts)])
    table = markdown(["method", "test error at m/d =", *(f"{ratio:g}" for ratio in ratios)], rows)
    other = int((both["status"] != both["status_own"]).sum())
    return f"{table}\n\nOf the {len(both)} runs {other or 'none'} ended in another way (fitted, or out of iterations)."


def _paper(references, registry):
    return {
        "paper-verdicts": paper_verdicts(references, registry),
        "figure-4-d150": figure_4_d150(references),
        "figure-4-step": figure_4_step(references),
    }


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
        "figure-4": figure_4(standard),
        "figure-4-thresholds": figure_4_thresholds(standard),
        "figure-5": figure_5(standard),
        "flow": flow(standard),
        "published-fits": published_fits(references),
        "costs": costs(references),
        **(_paper(references, registry) if "full" in references else {}),
        **_found_passages(standard),
    }
