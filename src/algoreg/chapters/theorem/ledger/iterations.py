"""The ledger's macros on Theorem 1.1: where √r and κ⁴ come from, the error's law, the window, the hypothesis."""

import numpy as np

from algoreg.chapters.li2018 import theorem_11_isometry, theorem_11_largest_alpha
from algoreg.claims.cells import geometric_mean, paired_logs
from algoreg.claims.intervals import interval_of
from algoreg.numerics.seeds import stream
from algoreg.reporting.charts.law import exponent
from algoreg.reporting.report import markdown, number, passage
from algoreg.reporting.wording import outwards

RULES = {
    "inverse_root_rank": "η ∝ 1/√r, the theorem's",
    "inverse_rank": "η ∝ 1/r",
    "constant": "η fixed",
    "largest": "η = 0.9 × the largest at which X* is stable",
    "inverse_kappa": "η ∝ 1/κ",
    "inverse_kappa_cubed": "η ∝ 1/κ³, the theorem's η ≤ cδ",
}
# The α of the paper's Figure 1 lie between these.
FIGURE_1_ALPHAS = (1.0, 1.0e-3)


def _means(frame, along, value):
    """Return the geometric mean over runs of ``value`` for each value of ``along``."""
    return frame.dropna(subset=[value]).groupby(along)[value].apply(geometric_mean)


def _exponent(means):
    """Return the least-squares exponent of means against their index, as text."""
    slope = exponent(means)
    return "–" if slope is None else f"{slope:.2f}"


def _by_rule(frame, along):
    """Return a table's rows: step rule, steps and iterations at both ends of ``along``,
    the exponent of the iterations.
    """
    rows = []
    for rule, part in frame.groupby("rule"):
        steps, means = part.groupby(along)["step"].mean(), _means(part, along, "iterations")
        ends = [means.index.min(), means.index.max()]
        cells = [f"{number(steps[end])}, {means[end]:.0f}" for end in ends]
        rows.append([RULES[rule], *cells, _exponent(means)])
    return rows, ends


@passage("iterations_in_r")
def iterations_by_step(frame):
    """Return the iterations against the rank by step rule, as Markdown."""
    rows, (low, high) = _by_rule(frame, "rank")
    return markdown(["step", f"η, iterations at r = {low:g}", f"at r = {high:g}", "exponent in r"], rows)


@passage("iterations_in_kappa", "iterations_in_kappa_small_step")
def iterations_by_kappa(*frames):
    """Return the iterations against κ by step rule, as Markdown."""
    lines = []
    for frame in frames:
        rows, (low, high) = _by_rule(frame, "kappa")
        lines += [[row[0], f"{low:g} … {high:g}", *row[1:]] for row in rows]
    return markdown(["step", "κ", "η, iterations at the smallest κ", "at the largest", "exponent in κ"], lines)


@passage("iterations_in_alpha", "iterations_in_alpha_certified")
def iterations_in_log(gaussian, certified):
    """Return how the iterations depend on α, Gaussian and certified, as Markdown."""
    rows = []
    for frame, kind in ((gaussian, "Gaussian"), (certified, "certified")):
        frame = frame[frame["rule"] == "constant"]
        frame = frame.assign(time=lambda x: x["iterations"] * x["step"])
        over = _means(frame, "alpha", "over_bound")
        means = _means(frame, "alpha", "time")
        x = np.log(1 / means.index.to_numpy())
        slope, constant = np.polyfit(x, means, 1)
        d = frame["d"].iloc[0]
        rows.append(
            [
                f"{kind}, d = {d:g}, m = {frame['m'].iloc[0]:.3g}",
                f"{means.index.max():g} … {means.index.min():g}",
                _exponent(_means(frame, "log_d_over_alpha", "time")),
                _exponent(means.set_axis(x)),
                f"{slope:.2f}·(log(1/α) {constant / slope:+.2f})",
                f"{np.log(d):.2f}",
                f"{over[means.index.max()]:.3f} … {over[means.index.min()]:.3f}",
            ]
        )
    fits = ["exponent in log(d/α)", "exponent in log(1/α)", "η·t, least squares", "log d"]
    return markdown(["ensembles", "α", *fits, "iterations over κ log(d/α)/η, at both ends"], rows)


def _latest(frame):
    """Return the runs at the last T with the most measurements, and the largest α that is in the window at every κ."""
    late = frame[(frame["time"] == frame["time"].max()) & (frame["m_over_dr"] == frame["m_over_dr"].max())]
    windows = [set(one["alpha"]) for _, one in late[late["in_window"] == 1].groupby("kappa")]
    return late, max(set.intersection(*windows))


@passage("error_at_time", "error_in_d")
def error_growth(frame, sizes):
    """Return how the squared error grows with d, at the smallest κ, and with κ, in words."""
    late, common = _latest(frame)
    in_kappa = _exponent(_means(late[late["alpha"] == common], "kappa", "squared_error"))
    in_d = _exponent(_means(sizes[sizes["kappa"] == sizes["kappa"].min()], "d", "squared_error"))
    return f"d^{in_d} and κ^{in_kappa}"


@passage("error_at_time", "error_in_d", "error_at_time_certified")
def error_form(frame, sizes, certified):
    """Return the exponents of the squared error in α, d and κ beside the bound's, as Markdown."""
    rows = []
    for (per, time), part in frame.groupby(["m_over_dr", "time"]):
        inside = part[part["in_window"] == 1]
        exponents = [_exponent(_means(one, "alpha", "squared_error")) for _, one in inside.groupby("kappa")]
        worst = inside["over_bound"].max()
        rows.append([f"Gaussian, m = {per:g}dr", f"{time:g}", " / ".join(exponents), number(worst)])
    for time, part in certified.groupby("time"):
        inside = part[part["in_window"] == 1]
        exponents = [_exponent(_means(one, "alpha", "squared_error")) for _, one in inside.groupby("kappa")]
        rows.append(["certified", f"{time:g}", " / ".join(exponents), number(inside["over_bound"].max())])
    kappas = [" / ".join(f"{kappa:g}" for kappa in sorted(one["kappa"].unique())) for one in (frame, certified)]
    header = [
        "ensembles",
        "T over κ log(d/α)/η",
        f"exponent in α at κ = {kappas[0]} (certified: {kappas[1]})",
        "largest ‖·‖² over α√d/κ²",
    ]
    late, common = _latest(frame)
    in_kappa = _exponent(_means(late[late["alpha"] == common], "kappa", "squared_error"))
    in_d = [f"{_exponent(_means(one, 'd', 'squared_error'))} (κ = {kappa:g})" for kappa, one in sizes.groupby("kappa")]
    return (
        f"{markdown(header, rows)}\n\n"
        f"- Exponent in d from {sizes['d'].min():g} to {sizes['d'].max():g} at α = {sizes['alpha'].iloc[0]:g}, "
        f"m = {sizes['m_over_dr'].iloc[0]:g}dr: {', '.join(in_d)}; the bound's is 0.5.\n"
        f"- Exponent in κ from {late['kappa'].min():g} to {late['kappa'].max():g} at α = {common:g}, "
        f"m = {late['m_over_dr'].iloc[0]:g}dr: {in_kappa}; the bound's is −2."
    )


@passage("window")
def window_of_alpha(frame):
    """Return below which α the window of Theorem 1.1 is not empty, and the error along it, as Markdown."""
    rows = []
    for d in (40, 100, 200):
        cells = [
            f"{theorem_11_largest_alpha(d, kappa):.1e} / {theorem_11_largest_alpha(d, kappa, 4):.1e}"
            for kappa in (1, 1.5, 3, 6)
        ]
        rows.append([f"{d}", *cells, f"{1 / d:g}"])
    first = frame.iloc[0]
    sentences = []
    for noise, part in frame.groupby("noise"):
        end = part[part["iteration"] == part["iteration"].max()]
        sentences.append(
            f"Label noise {noise:g}: error at T₀ = {end['iteration'].iloc[0]:g} over the smallest along the run "
            f"{(end['test_error'] / end['smallest_error']).mean():.3f}; error at T₀ {number(end['test_error'].mean())}, "
            f"smallest {number(end['smallest_error'].mean())}, reached at iteration {end['smallest_at'].mean():.0f} in the mean."
        )
    table = markdown(["d", *(f"κ = {kappa:g}" for kappa in (1, 1.5, 3, 6)), "1/d"], rows)
    return (
        f"{table}\n\nEach cell has two values of α. The window is not empty if α is below the first; it contains four times its lower "
        f"end, the T at which errors are judged, if α is below the second. All constants are 1. Figure 1's α run from {FIGURE_1_ALPHAS[0]:g} to {FIGURE_1_ALPHAS[1]:g}. Along the window from "
        f"α = d⁻⁵ = {first['alpha']:.2g} (d = {first['d']:g}, κ = {first['kappa']:g}, m = {first['m']:g}):\n\n"
        + "\n".join(f"- {sentence}" for sentence in sentences)
    )


@passage("starts")
def gaussian_start(frame):
    """Return how Gaussian starts compare with αI at the end of the run, as Markdown."""
    end = frame[frame["iteration"] == frame["iteration"].max()]
    first, last = end.iloc[0], end["iteration"].iloc[0]
    rows = []
    for start in ("orthonormal", "gaussian", "low_rank"):
        parts = [end[end["start"] == name] for name in (start, "identity")]
        logs = paired_logs(parts, ["iteration"], "test_error") * np.log(10)
        rng = stream("bootstrap", passage="gaussian_start", start=start)
        ratio = interval_of(np.mean, logs, rng)
        ends = [number(float(np.exp(x))) for x in (ratio.value, ratio.low, ratio.high)]
        near = np.mean(np.abs(np.exp(logs) - 1) <= 0.25)
        rows.append([start.replace("_", " "), ends[0], f"{ends[1]} … {ends[2]}", f"{100 * near:.0f} %"])
    header = ["initialisation", "error over that from αI, geometric mean", "95 % interval", "runs within 25 %"]
    return (
        f"{markdown(header, rows)}\n\nAt iteration {last:g} (α = {first['alpha']:g}, d = {first['d']:g}, r = {first['rank']:g}, "
        f"m = {first['m']:g})."
    )


CERTIFIED = {
    "thm11-error-in-alpha": ("error_at_time", "error_at_time_certified"),
    "thm11-iterations-in-alpha": ("iterations_in_alpha", "iterations_in_alpha_certified"),
    "thm11-iterations-in-kappa": ("iterations_in_kappa", "iterations_in_kappa_certified"),
}


@passage(*(name for pair in CERTIFIED.values() for name in pair))
def theorem_11_hypothesis(reference):
    """Return each verdict where the hypothesis of Theorem 1.1 holds and where it does not, as Markdown."""
    claims = {claim["id"]: claim for claim in reference["claims"]}
    rows = []
    for identity, tables in CERTIFIED.items():
        for suffix, name in zip(("", "-certified"), tables, strict=True):
            claim, frame = claims.get(identity + suffix), reference["tables"][name]
            if "rule" in frame:
                # The others are controls.
                frame = frame[frame["rule"] == "constant"]
            if claim is None or claim["ci_low"] is None:
                continue
            kappa = frame["kappa"].max()
            asked = theorem_11_isometry(frame["d"].max(), frame["rank"].max(), kappa)
            known = frame["delta_up"].notna().all()
            # What is said of a bound holds: it is not rounded to the nearest number.
            high, low = outwards(frame["delta_up"].max(), "up", 3), outwards(frame["delta_low"].min(), "down", 3)
            delta = f"≤ {number(high)}" if known else f"≥ {number(low)}"
            constants = frame["least_constant"]
            most = number(constants.max()) if known else f"at least {number(outwards(constants.min(), 'down', 3))}"
            rows.append(
                [
                    f"`{identity}{suffix}`",
                    f"**{claim['verdict']}**",
                    f"{claim['estimate']:.5g} ({claim['ci_low']:.5g} … {claim['ci_high']:.5g})",
                    number(claim["margin"]),
                    delta,
                    f"{number(asked)} (κ = {kappa:g})",
                    most,
                    "yes" if known and constants.max() <= 1 else "no",
                ]
            )
    header = [
        "claim",
        "verdict",
        "estimate",
        "margin",
        "δ_4r",
        "δ asked at c = 1",
        "smallest c",
        "hypothesis holds with c = 1",
    ]
    return markdown(header, rows)
