"""The proofs' inequalities: isometry constants, lemmas, signal and error, each against its bound."""

import numpy as np

from algoreg.chapters.li2018 import theorem_11_window, theorem_42_bounds
from algoreg.numerics.theory import geometric_spectrum, symmetric_dimension
from algoreg.reporting.charts.bracket import BRACKET, bracket, bracketed
from algoreg.reporting.charts.course import course, points
from algoreg.reporting.charts.law import grows, law, margin_level, margin_levels, margin_slope, through
from algoreg.reporting.charts.panels import PAGE, describe, finish, name_ends, panels, share_legend, two_and_one
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import LETTERS, caption, draws, isometry_bracket, lines, number, rounded
from algoreg.reporting.figures import drawing

BAND = "line: mean of runs; band: smallest to largest run"
# Matplotlib's marks o, s, ^ and D, as a note names them.
MARKS = ("●", "■", "▲", "◆")
# Ratios of δ needed to δ had are judged against this.
NEEDED = "needed over had"


def _isometry_constant(axes, table, d, rank):
    """Draw the bracket of δ against m at one size, and what random matrices and the certificate say."""
    base = table[(table["d"] == d) & (table["rank"] == rank)]
    hard, soft = (base[base["attack"] == attack] for attack in ("adversarial", "random"))
    labels = ("where δ lies", "attack (lower bound)", "Gaussian width (upper bound)")
    bracket(axes, hard, "m", "delta_low", "delta_up", COLOURS[0], labels)
    certificate = hard.groupby("m")["certificate"].mean()
    axes.plot(certificate, ":", color="black", label="certificate ‖G − I‖, every rank")
    axes.plot(soft.groupby("m")["delta_low"].mean(), "x", color=COLOURS[1], label="256 random matrices")
    most, last = hard["m"].max(), hard[hard["m"] == hard["m"].max()]
    title = f"at m = {number(most)} δ lies between {last['delta_low'].mean():.2g} and {last['delta_up'].mean():.2g}"
    describe(axes, "xy", xlabel="measurements m", ylabel=f"isometry constant δ of rank {rank}", title=title)


def _roots(axes, table, axis, still, claim):
    """Draw the roots of δ's ends against a size, with the exponent that is judged and the slopes at its margin."""
    for name, value in still.items():
        table = table[table[name] == value]
    for root, colour, text in (("upper_root", COLOURS[2], "√(1+δ₊) − 1"), ("lower_root", COLOURS[4], "1 − √(1−δ₋)")):
        for attack, marker in (("adversarial", "o"), ("random", "x")):
            means = law(axes, table[table["attack"] == attack], axis, root, colour, f"{text}, {attack}", marker)
            if (attack, root) == ("adversarial", "upper_root"):
                judged = means
    expected, margin = claim["estimand"]["expected"], claim["margin"]
    through(axes, judged, lambda x: x**expected, f"exponent {expected:g}")
    for slope, label in ((expected - margin, f"margin: within {margin:g} of it"), (expected + margin, None)):
        through(axes, judged, lambda x, slope=slope: x**slope, label, ":")
    title = grows("the attacked root grows", LETTERS.get(axis, axis), judged)
    texts = {"xlabel": {"d": "dimension d", "rank": "rank r"}[axis], "ylabel": "root of the attacked constant"}
    describe(axes, "xy", table[axis].unique(), title=title, **texts)


@drawing
def rip(tables, claims):
    """Draw the bracket of δ against m, and the roots of its attacked ends against d,
    rank and m with the law's slope.
    """
    table = tables["rip"]
    star = table[table["regime"] == "large"]
    d, rank = star[star["attack"] == "adversarial"].groupby(["d", "rank"]).size().idxmax()
    sizes = {"d": d, "rank": rank, "m": star.groupby("m").size().idxmax()}
    figure, grid = two_and_one(above=True)
    _isometry_constant(grid[0], table, d, rank)
    for axes, axis in zip(grid[1:], ("d", "rank"), strict=True):
        still = {name: value for name, value in sizes.items() if name != axis}
        _roots(axes, star, axis, still, claims["rip-gaussian"])
    kept = ", ".join(f"{LETTERS.get(name, name)} = {value}" for name, value in sizes.items())
    said = f"{kept} where they are not on the axis; {table['ensemble'].nunique()} ensembles"
    return finish(figure, "marks: mean over ensembles (of roots: geometric); bars: smallest to largest", caption=said)


# Beside each other, by factors of m.
APART = (0.8, 1.0, 1.25)


def _gaussian_lemma(axes, plain, order, title, claim):
    """Draw the δ that a lemma needs over the ensemble's, of the rank that it needs and of the rank as printed."""
    for (rank, frame), shift, colour in zip(plain.groupby("rank"), APART, COLOURS, strict=False):
        bracketed(axes, frame, "m", "over_low", "over_up", colour, f"r = {rank}, δ of rank {order}", shift)
        means = frame.groupby("m")["over_printed_low"].mean()
        label = f"r = {rank}, δ of rank {rank} as printed"
        axes.plot(means.index * shift, means, "_", color=colour, markersize=11, label=label)
    margin_level(axes, claim, NEEDED)
    needed = plain.groupby(["rank", "m"])["over_low"].mean().max()
    title = f"{title}, Gaussian: needs {rounded(needed, towards='up')} of\nrank {order}'s δ at most, on average"
    describe(axes, "x", xlabel="measurements m", title=title)


def _traced_lemma(axes, traced, title):
    """Draw the same of measurements that hold the trace, at rank 1."""
    weight = traced["trace_weight"].iloc[0]
    for place, (printed, colour, label) in enumerate(
        (("_printed", COLOURS[2], "r = 1, δ of rank 1 as printed"), ("", COLOURS[0], "r = 1, δ of rank 2"))
    ):
        bracketed(axes, traced, "m", f"over{printed}_low", f"over{printed}_up", colour, label, APART[2 * place])
    axes.axhline(1, color="black", linewidth=0.9, linestyle="--", label="as much as the ensemble has")
    asked = traced.groupby("m")["over_printed_low"].mean().max()
    title = f"{title}, trace weight {weight:g}: needs up to\n{rounded(asked, 3, 'up')} times the δ of the printed rank"
    describe(axes, "xy", xlabel="measurements m", title=title)


@drawing
def isometry_lemmas(tables, claims):
    """Draw the δ that Lemmas 2.2 and 2.3 need over the δ of the ranks that they need, and of the printed rank."""
    table = tables["isometry_lemmas"]
    figure, grid = panels(2, 2, height=2.9, sharey="row")
    for place, (lemma, claim, order, title) in enumerate(
        (
            ("inner_products", "lem22-inner-products", "2r", "Lemma 2.2"),
            ("operator", "lem23-operator", "r+1", "Lemma 2.3"),
        )
    ):
        part = table[table["lemma"] == lemma]
        _gaussian_lemma(grid[place], part[part["trace_weight"] == 0], order, title, claims[claim])
        _traced_lemma(grid[2 + place], part[(part["trace_weight"] > 0) & (part["rank"] == 1)], title)
    for axes in grid[::2]:
        axes.set_ylabel("δ needed / δ of the ensemble")
    note = f"{BRACKET}; dashes: the larger end of that"
    said = f"Means over {draws(table)}; Lemma 2.2: |⟨X, (G−I)Y⟩| at its worst X, Y; Lemma 2.3: ‖(M(X)−X)R‖ at its worst X, R"
    return finish(figure, note, caption=said)


NEEDS = (
    ("error_square", "Prop. 3.2, line 1, true η² term", 0),
    ("error_norm", "Prop. 3.2, line 2", 1),
    ("signal", "Prop. 3.3", 2),
    ("stage_one_error", "stage 1: ‖E‖ ≤ 9δ", 4),
)


def _steps(axes, part, title, claims):
    """Draw what each rank-one inequality needs of δ at its worst step."""
    most = 0.0
    for shift, (name, label, colour) in zip((0.7, 0.9, 1.12, 1.4), NEEDS, strict=True):
        here = part[part["inequality"] == name]
        means = bracketed(axes, here, "m", "over_low", "over_up", COLOURS[colour], label, shift)
        judged = here.loc[here["regime"] == "certified", "m"]
        most = max([most, *means[means.index.isin(judged)]])
    margin_levels(axes, [claims["prop32-error-growth"], claims["prop33-signal-growth"]], NEEDED)
    needed = f"at certified m it needs up to {rounded(most)} times the δ" if most else ""
    describe(axes, "xy", xlabel="measurements m", title=lines(title, needed))


@drawing
def rank_one_dynamics(tables, claims):
    """Draw what the rank-one inequalities need along whole runs, by the planted and by a random split,
    and the final error.
    """
    table = tables["rank_one_dynamics"]
    figure, grid = two_and_one(height=4.2)
    scaled = table[table["start"] == "scaled"]
    for axes, split, title in (
        (grid[0], "planted", "split by u*"),
        (grid[1], "random", "control: split by a random direction"),
    ):
        _steps(axes, scaled[scaled["split"] == split], title, claims)
    grid[0].set_ylabel("δ that the worst step needs / δ of the ensemble (rank 4)")
    final = table[table["inequality"] == "final_error"]
    for start, colour, text in (
        ("one", COLOURS[1], "control: α = 1"),
        ("scaled", COLOURS[0], "α = δ√(log(1/δ)/d)"),
    ):
        here = final[final["start"] == start]
        means = bracketed(grid[2], here, "m", "over_low", "over_up", colour, text)
    certified = final[(final["start"] == "scaled") & (final["regime"] == "certified")]["m"]
    judged = means[means.index >= certified.min()]
    margin_slope(grid[2], judged, claims["thm31-rank-one"], "exponent at certified m")
    ylabel = "‖UUᵀ − X*‖_F / (δ log 1/δ) at time T"
    title = grows("Theorem 3.1: the error over δ log 1/δ goes", "m", judged)
    describe(grid[2], "xy", xlabel="measurements m", ylabel=ylabel, title=title)
    practical = table[table["regime"] == "practical"]["m"].max() * 1.5
    for axes in grid:
        axes.axvspan(axes.get_xlim()[0], practical, color="grey", alpha=0.12, linewidth=0, label="practical m")
    note = f"{BRACKET}; grey: practical m, where δ is not small"
    return finish(figure, note, caption=f"Means over {draws(table)}")


# What Theorem 4.2 and Proposition 4.3 bound: the column, its claim, what a title says of it, its name and log axes.
BOUNDED = (
    (
        "error_growth",
        "thm42-error-bounded",
        "at the largest m the error grows\n{}-fold at most",
        "error over its first, largest",
        "xy",
    ),
    (
        "dominance",
        "thm42-signal-dominates",
        "at the largest m the signal is\nat least {} times the error",
        "signal over error, least",
        "x",
    ),
    (
        "least_rate_over_bound",
        "prop43-linear-rate",
        "at the largest m the slowest step\nhas at least {} times the proposition's rate",
        "slowest step's rate / (η/8κ)",
        "xy",
    ),
)


def _bounded(axes, runs, value, claim, log):
    """Draw a quantity that a claim bounds over m/dr, by α; return the mean at the largest m nearest to the bound."""
    ends = []
    for (alpha, here), colour in zip(sorted(runs.groupby("alpha"), reverse=True), COLOURS, strict=False):
        label = f"α = {number(alpha)}"
        kept = course(axes, here[here[value].notna()], "m_over_dr", value, colour, label, geometric=False, marker="o")
        ends += [kept["mean"].iloc[-1]] if len(kept) else []
    margin_level(axes, claim, claim["source"])
    describe(axes, log, xlabel="measurements, m/dr")
    return (max if claim["direction"] == "below" else min)(ends, default=np.nan)


@drawing
def rank_r_dynamics(tables, claims):
    """Draw the error's growth, the signal over the error and the slowest rate against m/dr, by κ and α, with the bounds
    of Theorem 4.2 and Proposition 4.3.
    """
    table = tables["rank_r_dynamics"]
    planted = table[table["split"] == "planted"]
    kappas = sorted(planted["kappa"].unique())
    figure, grid = panels(len(kappas), len(BOUNDED), height=2.6, sharey="row")
    for row, (value, claim, said, ylabel, log) in zip(np.reshape(grid, (len(BOUNDED), -1)), BOUNDED, strict=True):
        for axes, kappa in zip(row, kappas, strict=True):
            end = _bounded(axes, planted[planted["kappa"] == kappa], value, claims[claim], log)
            towards = "up" if claims[claim]["direction"] == "below" else "down"
            axes.set_title(f"κ = {kappa:g}: {said.format(rounded(end, 4, towards))}")
        row[0].set_ylabel(ylabel)
        share_legend(row)
    note = (
        "error ‖E_t‖ and signal σ_min(U*ᵀZ_t) up to T₁ = κ log(d/α)/η, titles: means of runs; "
        f"runs on which Prop. 4.3's conditions fail have no rate; {BAND}"
    )
    return finish(figure, note, caption=_rank_r_setting(table))


def _rank_r_setting(table):
    """Return the sizes of the runs of rank r, for a caption."""
    first = table.iloc[0]
    d = round(np.exp(first["log_start"]) * first["alpha"])
    return f"d = {d}, r = {round(first['m'] / first['m_over_dr'] / d)}, {draws(table)}"


@drawing
def rank_r_angle(tables, claims):
    """Draw the angle's constant of Theorem 4.2 against log(d/α), as printed and with our repair."""
    table = tables["rank_r_dynamics"]
    certified = table[(table["split"] == "planted") & (table["regime"] == "certified")]
    figure, (printed, repaired) = panels(2, height=3.6)
    ends = []
    for axes, value in ((printed, "angle_constant"), (repaired, "angle_plain")):
        names = {}
        for (kappa, runs), colour in zip(certified.groupby("kappa"), COLOURS, strict=False):
            for (m, here), marker in zip(runs.groupby("m"), "os^D", strict=False):
                label = f"κ = {kappa:g}, m = {number(m)}"
                means = points(axes, here, "log_start", value, colour, label, marker)["mean"]
                names[label] = ""
            names[label] = f"κ = {kappa:g}"
            # The printed claim is judged at κ = 1 and the largest m.
            if value == "angle_constant" and kappa == certified["kappa"].min():
                through(axes, means, lambda log: log, "∝ log(d/α)")
                margin_slope(axes, means, claims["thm42-angle"])
                title = grows("as printed, ρ = √r·δ/(κ log(d/α)):\nC grows", "log(d/α)", means)
        ends.append((axes, names))
    largest = certified.groupby(["m", "kappa", "alpha"])["angle_plain"].mean().max()
    margin_level(repaired, claims["thm42-angle-repaired"])
    ticks = certified["log_start"].unique()
    describe(printed, "xy", ticks, xlabel="log(d/α)", ylabel="C in sin∠(Z_t, U*) ≤ Cηρt, largest over t", title=title)
    title = f"our repair, ρ = √r·δ:\nC is {rounded(largest, 3, 'up')} at most, on average"
    describe(repaired, "xy", ticks, xlabel="log(d/α)", title=title)
    for axes, names in ends:
        name_ends(axes, names)
    marks = ", ".join(
        f"{name} m = {number(m)}" for name, m in zip(MARKS, sorted(certified["m"].unique()), strict=False)
    )
    note = f"points: geometric mean of runs; bars: smallest to largest run; {marks}"
    return finish(figure, note, caption=_rank_r_setting(table))


TIME = "time, η·t"


def _setting(run):
    """Return the rank and the measurements of a run, for a title."""
    return f"r = {int(run['rank'].iloc[0])}, m = {number(run['m_over_dr'].iloc[0])}·dr"


def _singular_values(axes, run, kappa):
    """Draw the singular values of U along a run, those of X* apart from the next ones."""
    time, rank = run["iteration"] * run["step"], int(run["rank"].iloc[0])
    labels = {1: "r largest singular values of U", rank + 1: "the next ones"}
    for k in range(1, 8):
        colour = COLOURS[0] if k <= rank else "0.55"
        axes.plot(time, run[f"sigma_{k}"], color=colour, linewidth=1.1, label=labels.get(k))
    for k, eigenvalue in enumerate(geometric_spectrum(rank, kappa)):
        options = {"color": "black", "linewidth": 0.5, "linestyle": ":"}
        axes.axhline(eigenvalue**0.5, label=None if k else "square roots of X*'s eigenvalues", **options)
    title = f"{_setting(run)}: the next ones\nrise to {rounded(run[f'sigma_{rank + 1}'].max())}"
    describe(axes, "y", xlabel=TIME, title=title)


def _signal_and_error(axes, run, kappa):
    """Draw signal and error of a run, with their bounds in Theorem 4.2."""
    time, first = run["iteration"] * run["step"], run.iloc[0]
    signal, error = theorem_42_bounds(run["iteration"].to_numpy(), first["step"], kappa, first["alpha"])
    axes.plot(time, run["signal"], color=COLOURS[0], label="signal σ_min(U*ᵀZ)")
    axes.plot(time, signal, ":", color=COLOURS[0], label="at least, by Theorem 4.2: (1+η/8κ)ᵗα up to 1/(2√κ)")
    axes.plot(time, run["error"], color=COLOURS[2], label="error ‖E‖")
    bound = f"at most, by Theorem 4.2: {error / first['alpha']:g}‖E_0‖"
    axes.axhline(error, color=COLOURS[2], linestyle=":", label=bound)
    end = theorem_11_window(first["d"], kappa, first["alpha"], 1.0)[0]
    if end < time.max():
        axes.axvline(end, color="grey", linewidth=0.8, label="T₁ = κ log(d/α)/η, up to which both are to hold")
    ratio = rounded((run["signal"] / run["error"]).iloc[-1])
    describe(axes, "y", xlabel=TIME, title=f"{_setting(run)}: at the end\nthe signal is {ratio} times the error")


def _angles(axes, part, rank):
    """Draw the largest principal angle of the moving subspace at every m, with √r·δ."""
    largest, names = [], {}
    for (ratio, run), colour in zip(part.groupby("m_over_dr"), (COLOURS[0], COLOURS[4], COLOURS[2]), strict=False):
        run = run[run["iteration"] > 0]
        label = f"sin∠(S_t, U*), m = {number(ratio)}·dr"
        axes.plot(run["iteration"] * run["step"], run["sine"], color=colour, label=label)
        names[label] = f"m = {number(ratio)}·dr"
        largest.append(rounded(run["sine"].max()))
        axes.axhline(rank**0.5 * run["delta_low"].iloc[0], color=colour, linestyle=":", linewidth=1)
    describe(axes, "y", xlabel=TIME, title=f"r = {int(rank)}: the sine is at most\n{', '.join(largest)}")
    return names


def _one_run(table):
    """Return the runs of one target and ensemble, and what was run, for a caption."""
    table = table[(table["ensemble"] == table["ensemble"].min()) & (table["target"] == table["target"].min())]
    first = table.iloc[0]
    d, kappa, alpha = int(first["d"]), number(table["kappa"].max()), number(first["alpha"])
    said = f"One target, one ensemble; d = {d}, D = {symmetric_dimension(d)}, step η = {first['step']:g}, α = {alpha}"
    ends = "; ".join(f"{_setting(run)}: {isometry_bracket(run)}" for _, run in table.groupby(["rank", "m_over_dr"]))
    return table, caption(f"{said}, κ = {kappa} where r > 1", ends)


def _few_and_many(table, draw, ylabel):
    """Return a figure of the runs of every rank at the fewest and at the most measurements, a rank per row."""
    figure, grid = panels(2, table["rank"].nunique(), height=2.8, sharey=True)
    for row, (rank, part) in enumerate(table.groupby("rank")):
        kappa = part["kappa"].iloc[0] if rank > 1 else 1.0
        runs = [run for _, run in part.groupby("m_over_dr")]
        for axes, run in zip(grid[2 * row :], (runs[0], runs[-1]), strict=False):
            draw(axes, run, kappa)
        grid[2 * row].set_ylabel(ylabel)
    share_legend(grid[-2:])
    for axes in grid[:-2]:
        axes.named_at_ends = axes.get_legend_handles_labels()[1]
    return figure


@drawing
def dynamics_course(tables, claims):
    """Draw the singular values of U along runs, a rank per row, at few and at many measurements."""
    table, said = _one_run(tables["dynamics_course"])
    return finish(_few_and_many(table, _singular_values, "singular values of U"), caption=said)


@drawing
def dynamics_signal(tables, claims):
    """Draw signal and error along runs with their bounds in Theorem 4.2, by rank, at few and at many measurements."""
    table, said = _one_run(tables["dynamics_course"])
    return finish(_few_and_many(table, _signal_and_error, "signal and error"), caption=said)


@drawing
def dynamics_angle(tables, claims):
    """Draw the angle between the moving subspace and that of X* along runs, at every number of measurements."""
    table, said = _one_run(tables["dynamics_course"])
    figure, grid = panels(table["rank"].nunique(), height=3.2, width=PAGE / 2, sharey=True)
    named = [(axes, _angles(axes, part, rank)) for axes, (rank, part) in zip(grid, table.groupby("rank"), strict=True)]
    for axes, names in named:
        name_ends(axes, names)
    grid[0].set_ylabel("sine of the largest principal angle")
    return finish(figure, "dotted: √r·δ, δ at its lower bound", caption=said)
