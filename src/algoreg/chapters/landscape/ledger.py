"""The ledger's evidence on landscapes: shares of starts by width, sign and size,
the widths needed, and what large starts do.
"""

import numpy as np

from algoreg.chapters.landscape.estimands import needed_widths, start_thresholds
from algoreg.chapters.landscape.figures import PAIRS
from algoreg.claims.cells import cells, geometric_mean
from algoreg.numerics.theory import least_examples
from algoreg.reporting.report import markdown, number, passage
from algoreg.reporting.wording import outwards, typeset_numbers
from algoreg.settings.chapters import entry_of, load_chapters

# The test error below which a start that has not arrived is near X*: a local minimum's is above 1.
NEAR = 0.3


@passage("spare_unit")
def spare_units(frame):
    """Return the share of starts at loss 0 by width, and what the others of one unit are, as Markdown."""
    rows = [
        [f"{width:g}", f"{part['optimal'].mean():.1%}", f"{len(part)}"] for width, part in frame.groupby("positive")
    ]
    lost = frame[(frame["positive"] == 1) & (frame["optimal"] == 0)]
    strict = int((lost["curvature"] > 0).sum())
    table = markdown(["units", "initialisations that end at loss 0", "runs"], rows)
    least = (
        f"; the smallest eigenvalue of their Hessians is {number(outwards(lost['curvature'].min(), 'down'))} or more"
        if len(lost)
        else ""
    )
    return f"{table}\n\nOf the {len(lost)} other ends of one unit {strict} are strict local minima{least}."


@passage("start_sizes")
def small_starts(frame):
    """Return the share of starts that descent takes to X* by T, by m, width and size, as Markdown."""
    alphas = sorted(frame["alpha"].unique(), reverse=True)
    rows = []
    for (ratio, width), part in frame.groupby(["m_over_d", "width"]):
        shares = part.groupby("alpha")["recovered"].mean()
        lost = int((part["status"] == "diverged").sum())
        rows.append([f"{ratio:g}", f"{width:g}", *(f"{shares[alpha]:.0%}" for alpha in alphas), f"{lost}"])
    return markdown(["m/d", "units", *(f"size {alpha:g}" for alpha in alphas), "diverged"], rows)


@passage(tiers=())
def start_time():
    """Return η·t at the end of descents from starts of several sizes, as their experiment's options have it."""
    (chapter,) = load_chapters(["landscape"])
    return f"{chapter.entries['experiments']['start_sizes']['options']['time']:g}"


@passage("start_sizes")
def late_starts(frame):
    """Return how far from X* the starts of size 1 are that are not there by T,
    by width at the smallest m, as sentences.
    """
    large = frame[(frame["m_over_d"] == frame["m_over_d"].min()) & (frame["alpha"] == frame["alpha"].max())]
    said = []
    for width, part in large[large["recovered"] == 0].groupby("width"):
        near = int((part["test_error"] < NEAR).sum())
        said.append(f"{near} of {len(part)} with {width:g} unit{'s' if width > 1 else ''}")
    return (
        f"An initialisation that has not led to X\\* by then may be caught, or slow; the table does not show which. Of those of size "
        f"{large['alpha'].iloc[0]:g} at m = {large['m_over_d'].iloc[0]:g}d the following have an error below {NEAR:g}: {', '.join(said)}."
    )


@passage("widths")
def widths_needed(frame):
    """Return the rank of the optimum and the width needed in every ensemble, as Markdown."""
    _, optimal = cells(frame, ["positive"], "optimal")
    widths = [*sorted(frame["positive"].unique()), np.inf]
    needed = [f"{widths[place]:g}" for place in needed_widths(optimal)]
    ranks = [f"{rank:g}" for rank in frame.groupby("ensemble")["optimum_rank"].first()]
    root = np.sqrt(2 * frame["m"].iloc[0])
    header = [f"√(2m) = {root:.1f}, ensemble", *(str(number) for number in range(len(ranks)))]
    return markdown(header, [["rank of the optimum", *ranks], ["width needed", *needed]])


@passage("decayed_networks")
def decayed(frame):
    """Return the test errors without and with decay by network and m/d, as Markdown."""
    decays = sorted(frame["decay"].unique())
    names = {"signed": "both signs", "plus": "sign + alone"}
    rows = []
    for (network, ratio), part in frame.groupby(["network", "m_over_d"]):
        errors = [
            number(float(f"{geometric_mean(part.loc[part['decay'] == decay, 'test_error']):.2g}")) for decay in decays
        ]
        rows.append([names[network], f"{ratio:g}", *errors])
    return markdown(["units", "m/d", *(f"test error at λ = {number(decay)}" for decay in decays)], rows)


@passage("large_starts", "large_starts_gaussian")
def large_start_thresholds(rank_one, gaussian):
    """Return n_c and the mean threshold of large starts by kind of measurement and rank, as Markdown."""
    tolerance, rows = entry_of("smvz-threshold")["estimand"]["tolerance"], []
    for frame, kind in ((rank_one, "xxᵀ"), (gaussian, "Gaussian")):
        logs = start_thresholds(frame, tolerance).logs
        d = int(frame["d"].iloc[0])
        for rank, part in zip(sorted(frame["rank"].unique()), logs, strict=True):
            rows.append([kind, f"{rank:g}", f"{least_examples(d, int(rank))}", f"{np.exp(part.mean()):.2f}"])
    return markdown(["measurements", "r", "n_c", "threshold over n_c"], rows)


@passage("lazy_limit")
def lazy(frame):
    """Return the root mean square of the test error by scale of the start and m/D, beside √(1 − m/D), as Markdown."""
    alphas = sorted(frame["alpha"].unique())
    rows = []
    for ratio, part in frame.groupby("m_over_dimension"):
        d, m = part["d"].iloc[0], part["m"].iloc[0]
        errors = (part.loc[part["alpha"] == alpha, "test_error"] for alpha in alphas)
        law = f"{np.sqrt(1 - 2 * m / (d * (d + 1))):.3f}"
        rows.append([f"{ratio:g}", *(f"{np.sqrt((own**2).mean()):.3f}" for own in errors), law])
    return markdown(["m/D", *(f"α = {number(alpha)}" for alpha in alphas), "√(1 − m/D)"], rows)


@passage("lazy_limit")
def lazy_pairs(frame):
    """Return the ends of the test error over least squares' on the same labels,
    from the largest start, as a sentence.
    """
    own = frame[frame["alpha"] == frame["alpha"].max()]
    ratios = own["test_error"] / own["least_squares"]
    ends = f"{ratios.min():.5f} to {ratios.max():.5f}"
    return f"Run by run the test error from α = {own['alpha'].iloc[0]:g} is {ends} times that of least squares ({len(ratios)} runs)."


@passage("edge_pairs")
def edge_conditions(frame):
    """Return the smallest L/μ over the bound by r, r* and pair, and the share below it by the gradient alone,
    as Markdown.
    """
    rows = []
    for (width, rank), own in frame.groupby(["width", "rank"]):
        for pair, words in PAIRS.items():
            part = own[own["pair"] == pair]
            ends = f"{part['over'].min():.4f} to {part['over'].max():.4f}"
            rows.append([width, rank, words, ends, f"{100 * (1 - part['first_order'].mean()):.0f} %"])
    return markdown(["r", "r\\*", "pair", "smallest L/μ over the bound", "below it by the gradient alone"], rows)


@passage("edge_descents")
def edge_ends(frame):
    """Return the curvature at the constructed point and where runs end by L/μ and columns, as Markdown."""
    rows = []
    for (over, extra), own in frame.groupby(["over", "extra"]):
        curvature = " to ".join(
            typeset_numbers(f"{end:.3f}") for end in (own["curvature"].min(), own["curvature"].max())
        )
        columns = "r" if extra == 0 else f"r + {extra}"
        rows.append(
            [f"{over:g}", columns, curvature, *(f"{100 * own[name].mean():.0f} %" for name in ("held", "recovered"))]
        )
    header = ["L/μ over the bound", "columns", "smallest curvature at U", "ends there", "ends at X\\*"]
    return markdown(header, rows)
