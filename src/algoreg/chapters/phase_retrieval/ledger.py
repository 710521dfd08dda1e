"""The ledger's evidence on phase retrieval: times by d, starts that arrive or diverge by m/d,
rows that a projection would cut.
"""

import numpy as np
import pandas as pd

from algoreg.chapters.phase_retrieval.estimands import medians_by, shares_by_ratio
from algoreg.reporting.charts.law import exponent
from algoreg.reporting.report import markdown, number, passage


@passage("phase_n", "phase_n_falling")
def stage_times(*frames):
    """Return both stages' median iterations by d, at both step rules, as Markdown."""
    header, rows = ["d", "η", "to 0.1", "from 0.1 to 10⁻⁵", "runs", "not at 10⁻⁵"], []
    for frame in frames:
        stages = [medians_by(frame, "d", value) for value in ("stage_one", "stage_two")]
        for d, part in frame.groupby("d"):
            lost = int((part["arrived"] == 0).sum())
            times = [f"{own[d]:.0f}" if np.isfinite(own[d]) else "–" for own in stages]
            rows.append([f"{d:g}", number(part["step"].iloc[0]), *times, f"{len(part)}", f"{lost}"])
    return markdown(header, rows)


@passage("phase_n")
def log_beside(frame):
    """Return the exponent of the first stage's medians beside that of log d over the same sizes, as a sentence."""
    kept = pd.Series(medians_by(frame, "d", "stage_one"))
    own, of_log = exponent(kept), exponent(pd.Series(np.log(kept.index), kept.index))
    side = "below" if own < of_log else "not below"
    return (
        f"Over these d the first stage's medians have an exponent of {own:.2f}. That is {side} the {of_log:.2f} of log d "
        "itself: stages of c + c′·log d have less by their constant."
    )


# Iterations of the first stage beyond which a start is slow.
SLOW = 100


@passage("phase_tail")
def slow_starts(frame):
    """Return the share of random starts whose first stage is slow, or never ends, by d, as Markdown."""
    rows = []
    for d, part in frame.groupby("d"):
        # A start that has not arrived takes longer than any.
        slow = (part["stage_one"].fillna(np.inf) > SLOW).astype(float)
        share = shares_by_ratio(part.assign(slow=slow), "slow")[part["m_ratio"].iloc[0]]
        median = medians_by(part, "d", "stage_one")[d]
        rows.append(
            [f"{d:g}", f"{median:.0f}", f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}]", f"{len(part)}"]
        )
    return markdown(["d", "median to 0.1", f"share above {SLOW}", "runs"], rows)


@passage("phase_incoherence")
def incoherence_of_starts(frame):
    """Return how often a spectral run's largest incoherence is its start's,
    how far it goes beyond, and the start's exponent.
    """
    own = frame[frame["start"] == "spectral"]
    beyond = own["largest_incoherence"] / own["incoherence"]
    shares = (beyond < 1 + 1e-9).groupby(own["d"]).mean()
    starts = np.log(own["incoherence"]).groupby(own["d"]).mean()
    ends = ", ".join(f"{share:.0%} at d = {d:g}" for d, share in shares.items())
    return (
        f"Of the spectral runs {ends} have their largest value at the initialisation, and none exceeds "
        f"{beyond.max():.2f} times that. The initialisations alone have an exponent of {exponent(np.exp(starts)):.2f}."
    )


@passage("phase_ratios")
def starts_by_ratio(frame):
    """Return the shares of starts that arrive and that diverge by m/d,
    with Clopper and Pearson's intervals, as Markdown.
    """
    frame, rows = frame[frame["d"] == frame["d"].max()], []
    random, spectral = (frame[frame["start"] == start] for start in ("random", "spectral"))
    shares = [shares_by_ratio(own, value) for own in (random, spectral) for value in ("arrived", "lost")]
    for ratio, growth in random.groupby("m_ratio")["growth"].mean().items():
        found = (own[ratio] for own in shares)
        said = [f"{share.value:.0%} [{share.low:.0%}, {share.high:.0%}]" for share in found]
        rows.append([f"{ratio:g}", *said, number(growth)])
    header = ["m/d", "random: arrive", "diverge", "spectral: arrive", "diverge", "growth over log(1 + 2η)"]
    return markdown(header, rows)


@passage("completion_rows")
def rows_cut(frame):
    """Return in how many runs a projection would act, by start and d, as Markdown."""
    rows = []
    for (start, d), part in frame.groupby(["start", "d"]):
        lost = int((part["status"] == "diverged").sum())
        counts = [int(part["acts"].sum()), int(part["too_long_at_start"].sum()), lost, len(part)]
        longest = number(part["longest"].max())
        rows.append([start, f"{d:g}", *map(str, counts), longest])
    header = [
        "initialisation",
        "d",
        "it would act",
        "too long at the initialisation",
        "diverged",
        "runs",
        "longest row over the bound",
    ]
    return markdown(header, rows)


@passage("phase_course_small")
def small_start_floor(small):
    """Return what the small start of full width and the vector from the same start end at, as a sentence."""
    own = small[(small["time"] == small["time"].max()) & (small["d"] == small["d"].max())]
    ends = own.groupby("width")["test_error"].median()
    return (
        f"At d = {own['d'].iloc[0]:g} and η·t = {own['time'].iloc[0]:g} full width from {own['alpha'].iloc[0]:g}·I has a median "
        f"error of {number(ends['full'])}, a vector of that size {number(ends['one'])}."
    )
