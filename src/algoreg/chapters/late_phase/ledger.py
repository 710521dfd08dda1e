"""The ledger's evidence on what follows the fit: times, ends, and what methods leave of the Hessian's trace."""

from algoreg.chapters.late_phase.figures import FACTORS, WORDS
from algoreg.claims.cells import geometric_mean
from algoreg.reporting.report import geometric, markdown, number, passage


@passage("late_decay_start", "late_decay_rate")
def late_times(*frames):
    """Return the time at which descent leaves its first fit, by factors, α and λ, as Markdown."""
    rows = [
        [
            FACTORS[factors],
            f"{alpha:g}",
            f"{decay:g}",
            *(number(own[name].mean()) for name in ("left_time", "left_decays")),
        ]
        for frame in frames
        for (factors, alpha, decay), own in frame.groupby(["factors", "alpha", "decay"])
    ]
    return markdown(["factors", "α", "λ", "η·t at which it has left", "λη·t"], rows)


@passage("late_decay_end")
def late_ends(frame):
    """Return where descent is at the end, with weight decay and without, as Markdown."""
    rows = [
        [
            f"{ratio:g}",
            f"{decay:g}",
            *(number(own[name].mean()) for name in ("fit_error", "end_error")),
            geometric(own["to_penalised"]),
        ]
        for (ratio, decay), own in frame.groupby(["m_over_dr", "decay"])
    ]
    header = ["m/(dr)", "λ", "error at the first fit", "error at the end", "‖X − P‖/‖P − X\\*‖ at the end"]
    return markdown(header, rows)


@passage("late_clock")
def late_halves(frame):
    """Return the iterations of label noise that halve the excess, by σ and η, as Markdown."""
    rows = [
        [f"{noise:g}", f"{step:g}", *(geometric(own[name]) for name in ("fitting", "halved"))]
        for (noise, step), own in frame.groupby(["noise", "step"])
    ]
    return markdown(["σ", "η", "iterations to the first fit", "iterations that halve the excess"], rows)


@passage("late_flat")
def late_places(frame):
    """Return what methods leave of the excess and how far they end from three matrices, as Markdown."""
    rows = []
    for ratio, part in frame.groupby("m_over_d"):
        for method in WORDS:
            own = part[part["method"] == method]
            names = ("excess_left", "to_flattest", "to_trace", "end_error")
            rows.append([f"{ratio:g}", WORDS[method].replace("\n", " "), *(number(own[name].mean()) for name in names)])
    header = ["m/d", "method", "excess left", "from the flattest fit", "from that of least trace", "from X\\*"]
    return markdown(header, rows)


@passage("late_flat")
def late_apart(frame):
    """Return how far the flattest fit is from that of least trace and X* at the smallest m, in words."""
    own = frame[(frame["m_over_d"] == frame["m_over_d"].min()) & (frame["method"] == "descent")]
    return f"{number(own['apart'].mean())} ‖X\\*‖ (geometric mean {number(geometric_mean(own['apart']))})"
