"""The proofs' inequalities: isometry constants, lemmas, signal and error, each against its bound."""

import matplotlib.pyplot as plt
import numpy as np

from algoreg.numerics.theory import symmetric_dimension
from algoreg.tell.figures import COLOURS, drawing, draws, legend_below

# δ's bracket is drawn as a bar: a ratio to δ lies between that to its upper and that to its lower end.
BRACKET = "bars: from the ratio to δ's upper end to that to its lower end (mark)"
BAND = "line: mean of runs; band: smallest to largest run"


def _sizes(axes, values):
    """Label a log axis by powers of ten, without the minor ticks that collide."""
    axes.set_xscale("log")
    axes.minorticks_off()
    span = np.log10([min(values), max(values)])
    powers = np.arange(np.floor(span[0]), np.ceil(span[1]) + 1)
    axes.set_xticks(10**powers, [f"$10^{{{int(p)}}}$" for p in powers])


def _bars(axes, frame, x, low, up, colour, marker, label, shift=1.0):
    """Draw means over runs with a bar down from the ratio to δ's lower end to that to its upper one."""
    means = frame.groupby(x)[[low, up]].mean()
    below = np.maximum(means[low] - means[up], 0)
    axes.errorbar(
        means.index * shift,
        means[low],
        [below, np.zeros(len(means))],
        marker=marker,
        color=colour,
        markersize=4,
        linewidth=1,
        capsize=2,
        linestyle="none",
        label=label,
    )


def _mean_and_range(axes, frame, x, value, colour, label, marker="o", **style):
    """Draw the mean and the range over runs that have a value."""
    groups = frame[frame[value].notna()].groupby(x)[value]
    mean = groups.mean()
    axes.plot(mean.index, mean, marker=marker, markersize=4, color=colour, label=label, linewidth=1, **style)
    axes.fill_between(mean.index, groups.min(), groups.max(), color=colour, alpha=0.2, linewidth=0)


def _margin(axes, value, label):
    axes.axhline(value, color="black", linewidth=0.9, linestyle="--", label=label)


@drawing
def rip(tables):
    """Draw the bracket of δ against m, and the roots of its attacked ends against d, rank and m with the law's slope."""
    table = tables["rip"]
    hard, soft = (table[table["attack"] == attack] for attack in ("adversarial", "random"))
    base = hard[hard["regime"] == "large"].groupby(["d", "rank"]).size().idxmax()
    figure, grid = plt.subplots(1, 3, figsize=(13.2, 4.2))
    axes = grid[0]
    one = hard[(hard["d"] == base[0]) & (hard["rank"] == base[1])].groupby("m")
    other = soft[(soft["d"] == base[0]) & (soft["rank"] == base[1])].groupby("m")
    low, up, certificate = (one[name].mean() for name in ("delta_low", "delta_up", "certificate"))
    axes.fill_between(low.index, low, up, color=COLOURS[0], alpha=0.25, linewidth=0, label="where δ lies")
    axes.plot(low.index, low, "o-", color=COLOURS[0], markersize=4, linewidth=1, label="attack (lower bound)")
    axes.plot(up.index, up, "--", color=COLOURS[0], linewidth=1, label="Gaussian width (upper bound)")
    axes.plot(certificate.index, certificate, ":", color="black", label="certificate ‖G − I‖, every rank")
    means = other["delta_low"].mean()
    axes.plot(means.index, means, "x", color=COLOURS[1], label="256 random matrices")
    axes.set(yscale="log", xlabel="measurements m", ylabel=f"isometry constant δ of rank {base[1]}")
    _sizes(axes, low.index)
    axes.set_title(f"d = {base[0]}, r = {base[1]}; {table['ensemble'].nunique()} ensembles")
    legend_below(axes)
    star = table[table["regime"] == "large"]
    sizes = {"d": base[0], "rank": base[1], "m": star.groupby("m").size().idxmax()}
    for panel, axis in zip(grid[1:], ("d", "rank"), strict=True):
        still = {name: value for name, value in sizes.items() if name != axis}
        for attack, marker in (("adversarial", "o"), ("random", "x")):
            part = star[star["attack"] == attack]
            for name, value in still.items():
                part = part[part[name] == value]
            for root, colour, text in (
                ("upper_root", COLOURS[2], "√(1+δ₊) − 1"),
                ("lower_root", COLOURS[3], "1 − √(1−δ₋)"),
            ):
                _mean_and_range(panel, part, axis, root, colour, f"{text}, {attack}", marker)
                if attack == "adversarial" and root == "upper_root":
                    means = part.groupby(axis)[root].mean()
                    line = np.array([means.index.min(), means.index.max()], dtype=float)
                    law = means.iloc[0] * 1.25 * (line / line[0]) ** 0.5
                    panel.plot(line, law, "--", color="black", linewidth=0.9, label=f"slope ½ in {axis}")
        values = sorted(part[axis].unique())
        panel.set(xscale="log", yscale="log", xlabel={"d": "dimension d", "rank": "rank r"}[axis])
        panel.minorticks_off()
        panel.set_xticks(values, [f"{value:g}" for value in values])
        names = {"d": "d", "rank": "r", "m": "m"}
        panel.set_title(", ".join(f"{names[name]} = {value}" for name, value in still.items()))
        panel.set_ylabel("root of the attacked constant")
        legend_below(panel, ncols=2)
    figure.supxlabel("marks: mean over ensembles; bands: smallest to largest", fontsize=7)
    return figure


@drawing
def isometry_lemmas(tables):
    """Draw the δ that Lemmas 2.2 and 2.3 need over the δ of the ranks that they need, and of the printed rank."""
    table = tables["isometry_lemmas"]
    figure, grid = plt.subplots(1, 2, figsize=(10.4, 4.2), sharey=True)
    titles = {
        "inner_products": ("Lemma 2.2: |⟨X, (G−I)Y⟩| at its worst X, Y", "2r"),
        "operator": ("Lemma 2.3: ‖(M(X)−X)R‖ at its worst X, R", "r+1"),
    }
    for axes, (lemma, (title, order)) in zip(grid, titles.items(), strict=True):
        part = table[table["lemma"] == lemma]
        plain, traced = part[part["trace_weight"] == 0], part[part["trace_weight"] > 0]
        for rank, shift, colour in zip(sorted(part["rank"].unique()), (0.85, 1.0, 1.18), COLOURS, strict=False):
            here = plain[plain["rank"] == rank]
            _bars(
                axes, here, "m", "over_low", "over_up", colour, "o", f"Gaussian, r = {rank}, δ of rank {order}", shift
            )
            means = here.groupby("m")["over_printed_low"].mean()
            axes.plot(
                means.index * shift,
                means,
                "_",
                color=colour,
                markersize=11,
                label=f"Gaussian, r = {rank}, δ of rank {rank} as printed",
            )
        weight = traced["trace_weight"].iloc[0]
        for low, up, marker, text in (
            ("over_printed_low", "over_printed_up", "s", "δ of rank 1 as printed"),
            ("over_low", "over_up", "D", "δ of rank 2"),
        ):
            _bars(
                axes,
                traced[traced["rank"] == 1],
                "m",
                low,
                up,
                "black" if marker == "s" else "grey",
                marker,
                f"trace weight {weight:g}, r = 1, {text}",
                1.4,
            )
        _margin(axes, 1, "needed = had")
        axes.set(yscale="log", xlabel="measurements m", title=title)
        _sizes(axes, part["m"])
    grid[0].set_ylabel("δ needed / δ of the ensemble")
    handles, labels = grid[0].get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda place: ("trace" in labels[place], labels[place]))
    handles, labels = [handles[place] for place in order], [labels[place] for place in order]
    figure.legend(
        handles, [label.replace("rank 2r", "rank 2r (right: r+1)") for label in labels], loc="outside right center"
    )
    figure.supxlabel(
        f"{BRACKET}; means over {table['ensemble'].nunique()} ensembles; dashes: lower end only", fontsize=7
    )
    return figure


NEEDS = (
    ("error_square", "Prop. 3.2, line 1, true η² term", "o", 0),
    ("error_norm", "Prop. 3.2, line 2", "s", 1),
    ("signal", "Prop. 3.3", "^", 2),
    ("stage_one_error", "stage 1: ‖E‖ ≤ 9δ", "v", 4),
)


@drawing
def rank_one_dynamics(tables):
    """Draw what the rank-one inequalities need along whole runs, by the planted and by a random split, and the final error."""
    table = tables["rank_one_dynamics"]
    figure, grid = plt.subplots(1, 3, figsize=(13.2, 4.4))
    largest = table[table["regime"] == "practical"]["m"].max()
    for axes, split, title in zip(
        grid, ("planted", "random"), ("split by u*", "control: split by a random direction"), strict=False
    ):
        part = table[(table["split"] == split) & (table["start"] == "scaled")]
        for shift, (name, text, marker, colour) in zip((0.8, 0.93, 1.08, 1.25), NEEDS, strict=True):
            here = part[part["inequality"] == name]
            _bars(axes, here, "m", "over_low", "over_up", COLOURS[colour], marker, text, shift)
        _margin(axes, 1, "needed = had")
        axes.set(yscale="log", xlabel="measurements m", title=title)
        _sizes(axes, part["m"])
        axes.axvspan(axes.get_xlim()[0], largest * 1.5, color="grey", alpha=0.12, linewidth=0, label="practical m")
    grid[0].set_ylabel("δ that the worst step needs / δ of the ensemble (rank 4)")
    for axes in grid[:2]:
        legend_below(axes, ncols=2)
    axes = grid[2]
    for start, colour, marker, text in (
        ("scaled", COLOURS[0], "o", "α = δ√(log(1/δ)/d)"),
        ("one", COLOURS[1], "s", "control: α = 1"),
    ):
        here = table[(table["inequality"] == "final_error") & (table["start"] == start)]
        _bars(axes, here, "m", "over_low", "over_up", colour, marker, text)
    axes.set(yscale="log", xlabel="measurements m", ylabel="‖UUᵀ − X*‖_F / (δ log 1/δ) at time T", title="Theorem 3.1")
    _sizes(axes, table["m"])
    axes.axvspan(axes.get_xlim()[0], largest * 1.5, color="grey", alpha=0.12, linewidth=0)
    legend_below(axes)
    figure.supxlabel(f"{BRACKET}; means over {draws(table)}; grey: practical m, where δ is not small", fontsize=7)
    return figure


@drawing
def rank_r_dynamics(tables):
    """Draw Theorem 4.2's constants and Proposition 4.3's rate against m/dr, and the angle's constant against log(d/α)."""
    table = tables["rank_r_dynamics"]
    planted = table[table["split"] == "planted"]
    figure, grid = plt.subplots(2, 2, figsize=(11, 8.4))
    alphas, kappas = sorted(table["alpha"].unique(), reverse=True), sorted(table["kappa"].unique())
    axes = grid[0][0]
    sizes = sorted(planted[planted["regime"] == "certified"]["m"].unique())
    for m, marker in zip(sizes, "os^D", strict=False):
        for kappa, line, colour in zip(kappas, ("-", ":"), COLOURS, strict=False):
            here = planted[(planted["m"] == m) & (planted["kappa"] == kappa)]
            _mean_and_range(
                axes,
                here,
                "log_start",
                "angle_constant",
                colour,
                f"κ = {kappa:g}, m = {_power(m)}",
                marker,
                linestyle=line,
            )
    here = (
        planted[(planted["m"] == sizes[-1]) & (planted["kappa"] == kappas[0])]
        .groupby("log_start")["angle_constant"]
        .mean()
    )
    axes.plot(
        here.index,
        1.3 * here.iloc[0] * here.index / here.index[0],
        "--",
        color="black",
        linewidth=0.9,
        label="∝ log(d/α)",
    )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="log(d/α)",
        ylabel="C in sin∠(Z_t, U*) ≤ Cηρt, largest over t",
        title="the angle: is C a constant?",
    )
    axes.minorticks_off()
    values = sorted(planted["log_start"].unique())
    axes.set_xticks(values, [f"{value:.3g}" for value in values])
    low, high = axes.get_ylim()
    ticks = [tick for tick in (0.2, 0.5, 1, 2, 5, 10, 20) if low <= tick <= high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    legend_below(axes, ncols=2)
    for axes, value, title, ylabel, margin, text in (
        (
            grid[0][1],
            "error_growth",
            "the error stays at its start?",
            "largest ‖E_t‖ / ‖E_0‖ up to T₁",
            4,
            "Theorem 4.2: at most 4",
        ),
        (
            grid[1][0],
            "dominance",
            "the signal dominates?",
            "least σ_min(U*ᵀZ_t) / ‖E_t‖ for 1 ≤ t ≤ T₁",
            1,
            "Theorem 4.2: at least 1",
        ),
        (
            grid[1][1],
            "least_rate_over_bound",
            "linear rate",
            "slowest step's rate / (η/8κ)",
            1,
            "Prop. 4.3: at least 1",
        ),
    ):
        for kappa, line in zip(kappas, ("-", ":"), strict=False):
            for alpha, colour in zip(alphas, COLOURS, strict=False):
                here = planted[(planted["kappa"] == kappa) & (planted["alpha"] == alpha)]
                _mean_and_range(
                    axes, here, "m_over_dr", value, colour, f"κ = {kappa:g}, α = {_power(alpha)}", linestyle=line
                )
        _margin(axes, margin, text)
        axes.set(xlabel="measurements, m/dr", ylabel=ylabel, title=title)
        axes.set_yscale("linear" if value == "dominance" else "log")
        _sizes(axes, planted["m_over_dr"])
        legend_below(axes, ncols=2)
    first = table.iloc[0]
    rank = round(first["m"] / first["m_over_dr"] / _dimension(first))
    figure.suptitle(f"d = {_dimension(first)}, r = {rank}; {draws(table)}", fontsize=9)
    figure.supxlabel(f"{BAND}; runs on which Prop. 4.3's conditions fail have no rate", fontsize=7)
    return figure


def _dimension(row):
    """Return d of a row from log(d/α)."""
    return round(np.exp(row["log_start"]) * row["alpha"])


@drawing
def dynamics_course(tables):
    """Draw singular values, signal against error with their bounds, and the angle along runs: a rank per row, at few and at many m."""
    table = tables["dynamics_course"]
    table = table[table["ensemble"] == table["ensemble"].min()]
    table = table[table["target"] == table["target"].min()]
    ranks, ratios = sorted(table["rank"].unique()), sorted(table["m_over_dr"].unique())
    shown = [ratios[0], ratios[-1]]
    figure, grid = plt.subplots(len(ranks), 4, figsize=(15.6, 3.7 * len(ranks)), squeeze=False)
    for row, rank in zip(grid, ranks, strict=True):
        part = table[table["rank"] == rank]
        first = part.iloc[0]
        step, kappa, alpha, d = first["step"], first["kappa"] if rank > 1 else 1.0, first["alpha"], first["d"]
        for axes, ratio in zip(row, shown, strict=False):
            run = part[part["m_over_dr"] == ratio]
            time = run["iteration"] * step
            for k in range(1, 8):
                inside = k <= rank
                label = {1: "σ₁ … σ_r of U", rank + 1: "the next ones"}.get(k)
                axes.plot(
                    time,
                    run[f"sigma_{k}"],
                    color=COLOURS[0] if inside else COLOURS[1],
                    linewidth=1.1,
                    label=label if inside or k == rank + 1 else None,
                )
            for k in range(rank):
                axes.axhline(
                    kappa ** (-k / max(rank - 1, 1) / 2),
                    color="black",
                    linewidth=0.5,
                    linestyle=":",
                    label="√ of X*'s eigenvalues" if k == 0 else None,
                )
            delta = run.iloc[0]
            axes.set(
                yscale="log",
                xlabel="η·t",
                ylabel="singular values of U_t",
                title=f"r = {rank}, m = {_count(ratio)}·dr (δ between {delta['delta_low']:.2g} and {delta['delta_up']:.2g})",
            )
            legend_below(axes)
        axes = row[2]
        for ratio, line in zip(shown, ("-", "--"), strict=True):
            run = part[part["m_over_dr"] == ratio]
            time = run["iteration"] * step
            axes.plot(
                time,
                run["signal"],
                line,
                color=COLOURS[0],
                linewidth=1.2,
                label=f"signal σ_min(U*ᵀZ), m = {_count(ratio)}·dr",
            )
            axes.plot(
                time, run["error"], line, color=COLOURS[1], linewidth=1.2, label=f"error ‖E‖, m = {_count(ratio)}·dr"
            )
        end = kappa * np.log(d / alpha)
        grown = np.minimum((1 + step / (8 * kappa)) ** run["iteration"] * alpha, 0.5 / kappa**0.5)
        axes.plot(time, grown, ":", color=COLOURS[0], label="signal's bound: (1+η/8κ)^t α, at most 1/(2√κ)")
        axes.axhline(4 * alpha, color=COLOURS[1], linestyle=":", label="error's bound 4‖E_0‖")
        if end < time.max():
            axes.axvline(end, color="grey", linewidth=0.8, label="T₁ = κ log(d/α)/η")
        axes.set(
            yscale="log",
            xlabel="η·t",
            ylabel="signal and error",
            title=f"signal against error, κ = {kappa:g}, α = {_power(alpha)}",
        )
        legend_below(axes)
        axes = row[3]
        for ratio, colour in zip(ratios, COLOURS[2:], strict=False):
            run = part[(part["m_over_dr"] == ratio) & (part["iteration"] > 0)]
            axes.plot(
                run["iteration"] * step, run["sine"], color=colour, label=f"sin∠(S_t, U*), m = {_count(ratio)}·dr"
            )
            axes.axhline(rank**0.5 * run["delta_low"].iloc[0], color=colour, linestyle=":", linewidth=1)
        axes.plot([], [], ":", color="black", label="√r·δ (lower end)")
        axes.set(
            yscale="log",
            xlabel="η·t",
            ylabel="sine of the largest principal angle",
            title="angle of the moving subspace",
        )
        legend_below(axes)
    for axes in figure.axes:
        # Of many decades, and half of the time that this figure takes.
        axes.minorticks_off()
    sized = table.iloc[0]
    figure.supxlabel(
        f"one target, one ensemble; d = {sized['d']}, D = {symmetric_dimension(int(sized['d']))}, step η = {sized['step']:g}",
        fontsize=7,
    )
    return figure


def _power(value):
    """Return a power of ten as text, other numbers plainly."""
    power = np.log10(value)
    return f"$10^{{{power:.0f}}}$" if np.isclose(power, round(power)) and abs(power) > 1 else f"{value:g}"


def _count(value):
    """Return a whole number as text, powers of ten from 10⁵ on as such."""
    return f"{value:g}" if value < 10**5 else _power(value)
