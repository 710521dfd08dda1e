"""The ledger's evidence on optimisers: what each keeps of the small start, its order, its need of measurements."""

import numpy as np

from algoreg.chapters.optimisers.estimands import threshold
from algoreg.chapters.optimisers.methods import METHODS
from algoreg.claims.cells import geometric_mean
from algoreg.reporting.charts.law import exponent_of
from algoreg.reporting.report import bound_of, estimate_of, markdown, number, passage


def _slope(frame, method, along, value):
    """Return an exponent of a method's geometric means as text; a dash where a method was not run."""
    own = frame[frame["method"] == method]
    # An exponent of 0 is computed as the rounding error of a sum, which differs by the processor.
    return number(round(exponent_of(own, along, value), 9)) if len(own) else "–"


def _off_the_grid(end, least, most):
    """Return m*/(dr) as text, with the side where it lies off the grid."""
    return f"≤ {least:g}" if np.isclose(end, least) else f"≥ {most:g}" if np.isclose(end, most) else number(end)


@passage("optimiser_start", "optimiser_samples")
def optimisers_and_the_start(reference):
    """Return the headline: what polar steps do to the small start."""
    return (
        f"Under polar steps, Muon's without momentum, the error at the end no longer depends on the initialisation's scale α (an "
        f"exponent within {bound_of(reference, 'optimisers-start-forgotten', 'up')} of 0), and they need about "
        f"{estimate_of(reference, 'optimisers-samples-polar')} times the measurements of gradient descent "
        f"(d = {reference['tables']['optimiser_samples']['d'].max()}, r = 1). By positivity alone the factor would grow with d."
    )


@passage("optimiser_any_start")
def optimisers_from_any_start(reference):
    """Return the headline: the share of draws that large annealed steps with momentum recover."""
    return (
        f"With momentum 0.9 and a large step that falls slowly polar steps recover X\\* from an initialisation as large as "
        f"U\\*: at every size and rank they do so in a share of at least {bound_of(reference, 'optimisers-any-start', 'down')} of the draws "
        f"({_kinds(reference)}). "
        f"{_nesterov(reference)}"
    )


def _kinds(reference):
    """Return the sizes, ranks and draws of the runs from a large initialisation, in words."""
    table = reference["tables"]["optimiser_any_start"]
    sizes, ranks = (" and ".join(f"{value}" for value in sorted(set(table[key]))) for key in ("d", "rank"))
    return f"d = {sizes}, r = {ranks}, {table.groupby(['d', 'rank', 'method']).size().max()} draws each"


def _nesterov(reference):
    """Return the shares in Nesterov's form by whether m is below what positivity needs at large d, in words."""
    table = reference["tables"]["optimiser_any_start"]
    own = table[table["method"] == "muon_nesterov"]
    shares = own.groupby(["d", "rank"]).agg(m=("m", "max"), share=("recovered", "mean")).reset_index()
    few = shares["m"] < shares["d"] * (shares["d"] + 1) / 4
    below, above = (part["share"].max() for part in (shares[few], shares[~few]))
    said = f"In Nesterov's form, in which Muon is published, the share is at most {number(below)} where m < d(d + 1)/4"
    return (
        f"{said}; above, where positivity alone determines X\\* at large d, it is up to {number(above)}."
        if (~few).any()
        else f"{said}."
    )


@passage("optimiser_samples", "optimiser_start", "optimiser_basis")
def optimiser_table(samples, starts, basis):
    """Return every optimiser's m*, its exponent in α and what a rotation changes, as Markdown."""
    rows = []
    for name in dict.fromkeys(samples["method"]):
        turned = basis.loc[basis["method"] == name, "rotation"]
        least, most = samples["m_over_dr"].min(), samples["m_over_dr"].max()
        ends = [threshold(samples, name, tolerance) for tolerance in (0.1, 0.01)]
        rows.append(
            [
                METHODS[name][0],
                *(_off_the_grid(end, least, most) for end in ends),
                _slope(starts, name, "alpha", "end_error"),
                number(geometric_mean(turned)) if len(turned) else "–",
            ]
        )
    header = ["optimiser", "m\\*/(dr), error 0.1", "error 0.01", "exponent in α, m = 3dr", "change by a rotation"]
    return markdown(header, rows)


@passage("optimiser_order", "optimiser_kappa")
def optimiser_rates(order, kappa):
    """Return the exponents of the times in λ and of the iterations in κ, as Markdown."""
    names = dict.fromkeys([*order["method"], *kappa["method"]])
    rows = [
        [METHODS[name][0], _slope(order, name, "eigenvalue", "learned"), _slope(kappa, name, "kappa", "passes")]
        for name in names
    ]
    return markdown(["optimiser", "time to learn λ, exponent in λ", "iterations, exponent in κ"], rows)


@passage("optimiser_any_start")
def optimiser_shares(frame):
    """Return the share of draws that each variant recovers from α = 1, as Markdown."""
    kinds = sorted(set(zip(frame["d"], frame["rank"], strict=True)))
    rows = []
    for name in dict.fromkeys(frame["method"]):
        own = frame[frame["method"] == name]
        shares = [own.loc[(own["d"] == d) & (own["rank"] == rank), "recovered"].mean() for d, rank in kinds]
        rows.append([METHODS[name][0], *map(number, shares)])
    return markdown(["variant", *(f"d = {d}, r = {rank}" for d, rank in kinds)], rows)


@passage("optimiser_anneal")
def optimiser_lengths(frame):
    """Return the same of the first variant by the length of its schedule, as Markdown."""
    lengths = sorted(frame["iterations"].unique())
    rows = [
        [f"{d}", *(number(own.loc[own["iterations"] == length, "recovered"].mean()) for length in lengths)]
        for d, own in frame.groupby("d")
    ]
    return markdown(["d", *(f"{length} iterations" for length in lengths)], rows)


@passage("optimiser_rank")
def optimiser_ranks(frame):
    """Return the mean effective rank by β₁, step and place of momentum, as Markdown."""
    betas = sorted(frame["beta"].unique())
    rows = []
    for (step, form), own in frame.groupby(["step", "form"]):
        means = own.groupby("beta")["effective_rank"].mean()
        rows.append(
            [number(step), "before" if form == "average" else "after", *(number(means[beta]) for beta in betas)]
        )
    return markdown(["step", "momentum", *(f"β₁ = {beta:g}" for beta in betas)], rows)


@passage("optimiser_floor")
def optimiser_anneals(frame):
    """Return the error after the last step of annealed runs by their length, as Markdown."""
    own = frame[frame["schedule"] == "exponential"]
    lengths = sorted(own["iterations"].unique())
    rows = []
    for name in dict.fromkeys(own["method"]):
        ends = own[own["method"] == name].groupby("iterations")["end_error"].apply(geometric_mean)
        rows.append([METHODS[name][0], *(number(ends[length]) for length in lengths)])
    return markdown(["optimiser", *(f"{length} iterations" for length in lengths)], rows)
