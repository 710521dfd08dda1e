"""The ledger's evidence on momentum: iterations by κ, momentum as a step, its cost from a small start."""

import numpy as np

from algoreg.chapters.momentum.estimands import published_speed_ups
from algoreg.claims.cells import geometric_mean
from algoreg.claims.published import load_published
from algoreg.regression.references import claim_of
from algoreg.reporting.charts.text import number as power
from algoreg.reporting.report import bound_of, estimate_of, geometric, markdown, number, passage
from algoreg.reporting.wording import outwards


@passage("momentum_steps", "momentum_kappa")
def momentum_is_a_step(reference):
    """Return the headline: by what factor momentum is a longer step, and what a momentum of theory's size gains."""
    return (
        f"Momentum μ takes the iterations of plain descent with η/(1 − μ), to within a factor of "
        f"{bound_of(reference, 'momentum-is-a-step', 'up')}. {_of_published(reference)} A momentum as small as theory asks "
        f"for gains a factor of at most {bound_of(reference, 'momentum-of-the-theorem', 'up')}."
    )


def _of_published(reference):
    """Return how far the published speed-ups are from ours at the smaller step:
    of all but the largest μ, and of that.
    """
    frame = reference["tables"]["momentum_steps"]
    own = frame[frame["step"] == frame["step"].min()]
    means = own.groupby("momentum")["speed_up"].apply(geometric_mean)
    goals = published_speed_ups(load_published("mifgd_iterations"))
    *others, largest = sorted(goals)
    factors = {goal: goals[goal] / means[min(means.index, key=lambda own: abs(own - goal))] for goal in goals}
    near = max(max(factors[goal], 1 / factors[goal]) for goal in others)
    return (
        f"The published speed-ups are these to within a factor of {outwards(near, 'up', 4):g} for μ up to {number(others[-1])}; at "
        f"{number(largest)} the published one is {number(factors[largest])} times ours."
    )


@passage("momentum_kappa")
def acceleration(reference):
    """Return the exponent in κ of the iterations with the best momentum, and that without,
    which is the claim's control.
    """
    plain = number(claim_of(reference, "momentum-kappa")["control_estimate"])
    return f"The iterations grow as κ to the power {estimate_of(reference, 'momentum-kappa')}, and without it to the power {plain}."


@passage("momentum_bias")
def what_momentum_costs(reference):
    """Return the ratio of test errors at one training error, at one step and at one effective step."""
    ratio = estimate_of(reference, "momentum-implicit-regularisation")
    effective = _at_one_effective_step(reference["tables"]["momentum_bias"])
    said = (
        f", and {number(effective[max(effective)].mean())} times at one effective step η/(1 − μ)" if effective else ""
    )
    return f"From α = 0.01 the test error at one training error is {ratio} times that of descent at one step{said}."


def _at_one_effective_step(frame):
    """Return test errors with momentum over descent's at a step η/(1 − μ) that the table has too, by that step."""
    longer = 1 / (1 - frame["momentum"].iloc[0])
    draws = {step: own.set_index(["target", "ensemble"]) for step, own in frame.groupby("step")}
    pairs = [(short, long) for short in draws for long in draws if np.isclose(short * longer, long)]
    return {long: draws[short]["momentum_error"] / draws[long]["descent_error"] for short, long in pairs}


@passage("momentum_bias")
def bias_at_one_effective_step(frame):
    """Return the ratio of test errors at one effective step beside that at one step, as Markdown."""
    longer, equal = 1 / (1 - frame["momentum"].iloc[0]), frame.groupby("step")["ratio"].mean()
    rows = [
        [
            f"{step:g}",
            f"{step / longer:g}",
            number(ratios.mean()),
            f"{number(ratios.min())} to {number(ratios.max())}",
            number(equal[step]),
        ]
        for step, ratios in sorted(_at_one_effective_step(frame).items())
    ]
    header = ["η of descent", "η with momentum", "mean ratio", "range of draws", "mean ratio at one step"]
    return markdown(header, rows)


@passage("momentum_ends")
def largest_end(frame):
    """Return the largest error at the end without noise."""
    return number(frame.loc[frame["label_noise"] == 0, "end_error"].max())


@passage("momentum_kappa")
def momentum_iterations(frame):
    """Return the geometric mean of the iterations by κ and momentum, as Markdown."""
    methods = [*sorted(set(frame["method"]) - {"theory"}), "theory"]
    rows = []
    for kappa, own in frame.groupby("kappa"):
        means = [geometric_mean(own.loc[own["method"] == method, "passes"]) for method in methods]
        rows.append([f"{kappa:g}", *(f"{mean:.0f}" for mean in means), f"{means[0] / means[-1]:.5f}"])
    names = [f"μ = {method.removeprefix('momentum_')}" for method in methods[:-1]]
    return markdown(["κ", *names, "μ = 1/(2000rκ)", "descent over it"], rows)


@passage("momentum_steps")
def speed_ups(frame):
    """Return the speed-ups by μ: of a longer step, ours at both steps, the published ones, as Markdown."""
    goals, steps = published_speed_ups(load_published("mifgd_iterations")), sorted(frame["step"].unique())
    rows = []
    for momentum, own in frame.groupby("momentum"):
        ours = [geometric(own.loc[own["step"] == step, "speed_up"]) for step in steps]
        published = min(goals, key=lambda other: abs(other - momentum))
        rows.append([number(momentum), number(1 / (1 - momentum)), *ours, number(goals[published])])
    return markdown(["μ", "1/(1 − μ)", *(f"ours at η = {step:g}" for step in steps), "published"], rows)


@passage("momentum_bias_by_start")
def bias_by_start(frame):
    """Return the ratio of test errors at one training error by the scale of the start, as Markdown."""
    rows = [
        [power(alpha), number(own["ratio"].mean()), f"{number(own['ratio'].min())} to {number(own['ratio'].max())}"]
        for alpha, own in sorted(frame.groupby("alpha"), reverse=True)
    ]
    return markdown(["α", "mean ratio", "range of draws"], rows)


@passage("momentum_bias")
def bias_by_step(frame):
    """Return the ratio of test errors at one training error by step, as Markdown."""
    rows = [
        [
            f"{step:g}",
            number(own["descent_error"].mean()),
            number(own["momentum_error"].mean()),
            number(own["ratio"].mean()),
            f"{number(own['ratio'].min())} to {number(own['ratio'].max())}",
        ]
        for step, own in frame.groupby("step")
    ]
    return markdown(["η", "test error of descent", "with momentum", "mean ratio", "range of draws"], rows)
