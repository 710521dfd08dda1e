"""The ledger's evidence on noise: the nearest points, when descent leaves them, what fits of every rank leave over."""

import numpy as np

from algoreg.chapters.noise.estimands import share_of_right_rank
from algoreg.claims.cells import chosen
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import degrees_of_freedom
from algoreg.reporting.charts.law import exponent_of
from algoreg.reporting.charts.text import number as power
from algoreg.reporting.report import geometric, markdown, number, passage


@passage("noisy_descent")
def noise_headline(frame):
    """Return how near descent comes to the rank-r fit from the smallest start, as sentences."""
    own = frame[(frame["label_noise"] > 0) & (frame["alpha"] == frame["alpha"].min())]
    last = own[own["time"] == own["time"].max()]
    return (
        f"From α = {power(last['alpha'].iloc[0])}, without knowing the rank, its smallest distance to that fit is "
        f"{geometric(last['closest'])} times the fit's own distance from X\\*. At the end its test error is on average "
        f"{last['error_over_smallest'].mean():.2f} times its smallest."
    )


@passage("noisy_descent")
def nearest_points(frame):
    """Return the smallest distances to the three fits by α, with the exponents' ends, as Markdown."""
    noisy = frame[frame["label_noise"] > 0]
    last = noisy[noisy["time"] == noisy["time"].max()]
    rows = [
        [
            f"{alpha:g}",
            *(geometric(part[name]) for name in ("closest", "closest_above", "closest_below")),
            number(part["error_over_smallest"].mean()),
        ]
        for alpha, part in sorted(last.groupby("alpha"), reverse=True)
    ]
    header = ["α", "nearest to X̂_r", "to X̂_{r+1}", "to X̂_{r−1}", f"error at η·t = {last['time'].iloc[0]:g} / smallest"]
    return markdown(header, rows)


@passage("noisy_descent_below", "noisy_descent_far_below")
def nearest_points_below(*frames):
    """Return the exponents in α of the smallest distance to the rank-r fit with m below d(d+1)/2, in words."""
    said = []
    for frame in frames:
        last = frame[frame["time"] == frame["time"].max()]
        ratio = last["m"].iloc[0] / (last["d"].iloc[0] * last["rank"].iloc[0])
        said.append(f"{number(exponent_of(last, 'alpha', 'closest'))} at m = {number(ratio)}dr")
    return " and ".join(said)


@passage("noisy_plateau")
def leaving_times(frame):
    """Return when runs leave the rank-r fit by α, beside both predictions, as Markdown."""
    rows = [
        [
            f"{alpha:g}",
            *(f"{part[name].mean():.0f}" for name in ("left", "predicted", "predicted_by_rate")),
            f"{np.corrcoef(part['left'], part['predicted'])[0, 1]:.2f}",
        ]
        for alpha, part in sorted(frame.groupby("alpha"), reverse=True)
    ]
    return markdown(
        ["α", "leaves at η·t, mean", "both rates", "λ alone", "correlation with both rates over runs"], rows
    )


@passage("noisy_degrees")
def plateau_degrees(frame):
    """Return the degrees of freedom used on the plateau by α, as a sentence."""
    first = frame.iloc[0]
    dimension = degrees_of_freedom(int(first["d"]), int(first["rank"]))
    said = [f"{part['degrees'].mean() * dimension:.1f} from α = {alpha:g}" for alpha, part in frame.groupby("alpha")]
    naive = int(first["d"] * first["rank"])
    return f"dim = {dimension}, a factor has {naive} entries; used on the plateau: {', '.join(said)}"


@passage("rank_fits")
def fits_of_every_rank(frame):
    """Return what fits of every rank leave and how often both tests reject it, as Markdown."""
    rows = []
    for (kind, k), part in chosen(frame, {"start": "spectral"}).groupby(["measurements", "fitted_rank"]):
        shares = (f"{part[name].mean():.1%}" for name in ("rejected", "rejected_naive"))
        rows.append([kind, f"{k:g}", number(part["statistic"].mean()), f"{part['freedom'].iloc[0]:g}", *shares])
    header = ["measurements", "rank k", "mean RSS/σ²", "m − dim", "rejected", "rejected with m − dk"]
    return markdown(header, rows)


@passage("rank_fits")
def lost_fits(frame):
    """Return how many fits of rank r from the labels' spectrum stop above the one from X*, as a sentence."""
    own = frame[frame["fitted_rank"] == frame["rank"]]
    wide = own.pivot_table(index=["measurements", "target", "ensemble"], columns="start", values="statistic")
    lost = (wide["spectral"] > 1.001 * wide["planted"]).groupby("measurements").agg(["sum", "size"])
    return "; ".join(f"{kind}: {int(row['sum'])} of {int(row['size'])}" for kind, row in lost.iterrows())


@passage("rank_fits")
def unfinished_fits(frame):
    """Return how many fits had not converged at the end of their budget, as a sentence."""
    ended = frame["status"] == "budget"
    own = int((ended & (frame["fitted_rank"] == frame["rank"])).sum())
    return f"{int(ended.sum())} of {len(frame)} had not after 2000 steps, {own or 'none'} of them of rank r."


@passage("rank_fits")
def right_ranks(frame):
    """Return in how many draws tests one after the other give the true rank,
    with intervals, by kind of measurements, in words.
    """
    said = []
    for kind in frame["measurements"].unique():
        where = {"start": "spectral", "measurements": kind}
        rng = stream("ledger", of="right ranks", kind=kind)
        found = share_of_right_rank({"rank_fits": frame}, {}, rng, table="rank_fits", value="rejected", where=where)
        said.append(f"{kind} {found.value:.1%} [{found.low:.1%}, {found.high:.1%}]")
    return ", ".join(said)
