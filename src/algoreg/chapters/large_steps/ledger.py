"""The ledger's evidence on large steps: orbits and gaps by the step, and the last steps that do not diverge."""

from algoreg.reporting.report import bound_of, estimate_of, geometric, markdown, number, passage


@passage("large_steps_orbit")
def large_steps_headline(reference):
    """Return the headline: the share of draws in an orbit of period 2, and what is left of the gap."""
    return (
        f"At step sizes from 1.02/λ₁ to 1.23/λ₁, with λ₁ the largest eigenvalue of X\\*, X repeats every second iteration (the smallest "
        f"share of draws in which it does is {estimate_of(reference, 'large-steps-period-two')}), and at most "
        f"{bound_of(reference, 'large-steps-balancing', 'up')} of the factors' imbalance along the first eigenvector is left."
    )


@passage("large_steps_orbit")
def large_steps_orbits(frame):
    """Return changes of X, shares of period 2 and gaps by the step, as Markdown."""
    rows = []
    for ratio, own in frame.groupby("ratio"):
        known, sensing = (own[own["problem"] == name] for name in ("known", "sensing"))
        there = known[known["status"] != "diverged"]
        cells = [geometric(there[name]) if len(there) else "–" for name in ("period_1", "period_2", "gap")]
        rows.append([f"{ratio:g}", *cells, number(known["orbit"].mean()), number(sensing["orbit"].mean())])
    header = ["ηλ₁", "change in one iteration", "in two", "gap left", "period 2, known", "period 2, sensing"]
    return markdown(header, rows)


@passage("large_steps_limit")
def large_steps_limits(frame):
    """Return the share of runs that do not diverge and the gap that is left by the step, as Markdown."""
    rows = []
    for (width, ratio), own in frame.groupby(["width", "ratio"]):
        there = own[own["bounded"] == 1]
        gap = geometric(there["gap"]) if len(there) else "–"
        rows.append([f"{width}", f"{ratio:g}", number(own["bounded"].mean()), gap])
    return markdown(["width", "η·L", "share that does not diverge", "gap left"], rows)
