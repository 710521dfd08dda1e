"""The figures of this chapter: infidelity over the share of strings, error over pixels and magnitudes, R² of tables."""

from itertools import product

import numpy as np

from algoreg.chapters.practice.words import MAGNITUDES, MIXED_STATES, PHOTOGRAPH, REGRESSION, TOMOGRAPHY
from algoreg.claims.cells import geometric_mean
from algoreg.reporting.charts.course import dodged, points
from algoreg.reporting.charts.law import margin_level, margin_mark
from algoreg.reporting.charts.panels import PAGE, describe, finish, legend_below, panels, share_legend, two_abreast
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, caption, draws, lines, margin_text, number, rounded, sizes
from algoreg.reporting.figures import drawing

# Points of one share lie beside one another by this factor; of six series by the wider one.
APART, WIDER = 1.03, 1.055


def _over(table, estimand, share):
    """Return the ratio of geometric means that an estimand about two methods has at a share;
    NaN where there are none.
    """
    means = []
    for name, value in (("method", "value"), ("over_method", "over_value")):
        own = table[(table["method"] == estimand[name]) & np.isclose(table["share"], share)]
        means.append(geometric_mean(own[estimand[value]]) if len(own) else np.nan)
    return means[0] / means[1]


@drawing
def tomography(tables, claims):
    """Draw the infidelity over the share of Pauli strings, for each number of shots."""
    table = tables["tomography"]
    table = table[table["labels"] == "shots"]
    numbers = sorted(table["shots"].unique())
    figure, grid = two_abreast(len(numbers), sharey=True)
    # Only full width has two ends: where it is stopped, and the end of the run.
    lines = [("full", "stopped", TOMOGRAPHY["full"] + ", stopped at the shot noise", "-")]
    lines += [("full", "end", "full width (no prior knowledge), at the end of the run", "--")]
    lines += [(name, "end", text, "-") for name, text in TOMOGRAPHY.items() if name != "full"]
    for axes, shots in zip(np.ravel(grid), numbers, strict=True):
        for place, (method, value, label, style) in enumerate(lines):
            part = table[(table["method"] == method) & (table["shots"] == shots)]
            colour = COLOURS[max(0, place - 1)]
            moved = dodged(part, "share", place, len(lines), WIDER)
            points(axes, moved, "share", value, colour, label, marker="o" if style == "-" else "s", linestyle=style)
        shares = sorted(table["share"].unique())
        times = (
            rounded(_over(table[table["shots"] == shots], claims[name]["estimand"], shares[-1]))
            for name in ("tomography-full-width", "tomography-needs-a-stop")
        )
        title = (
            "{} shots, share {:g}: stopped, full width has {} times\n"
            "width 1's infidelity; at the end, {} times its own at the stop"
        )
        title = title.format(shots, shares[-1], *times)
        describe(axes, "y", shares, xlabel="share of the Pauli strings", title=title)
    grid = np.ravel(grid)
    grid[0].set_ylabel("infidelity 1 − ⟨ψ|ρ|ψ⟩/tr ρ")
    share_legend(grid[:2])
    return finish(figure, f"{SPREAD}; GHZ, W and random states together", caption=sizes(table, "qubits"))


@drawing
def mixed_states(tables, claims):
    """Draw the infidelity over the white noise, of pure states and of states of full rank, for each share."""
    table = tables["mixed_states"]
    pure = table["state"] != "full rank"
    shares = sorted(table["share"].unique())
    figure, grid = two_abreast(2 * len(shares), sharey=True)
    claim = claims["mixed-states-likelihood"]["estimand"]
    kinds = (("pure states", table[pure]), ("states of full rank", table[~pure]))
    for axes, ((name, part), share) in zip(np.ravel(grid), product(kinds, shares), strict=True):
        own = part[part["share"] == share]
        for place, ((method, value), label) in enumerate(MIXED_STATES.items()):
            moved = dodged(own[own["method"] == method], "white_noise", place, len(MIXED_STATES), APART)
            points(axes, moved, "white_noise", value, COLOURS[place], label, marker="os^D"[place])
        times = rounded(_over(own, claim, share))
        strings = "all strings" if share == 1 else f"{share:.0%} of the strings"
        title = f"{name}, {strings}: a rank that grows has\n{times} times the infidelity of likelihood's best iterate"
        describe(axes, "xy", sorted(table["white_noise"].unique()), xlabel="white noise p", title=title)
    grid = np.ravel(grid)
    for row in (grid[: len(shares)], grid[len(shares) :]):
        row[0].set_ylabel("infidelity")
        share_legend(row)
    return finish(figure, f"{SPREAD}; GHZ and random pure states together", caption=sizes(table, "qubits", "shots"))


def _photograph_margins(axes, table, claims):
    """Mark where the margins let descent be, by the error of the method that it is compared with."""
    for claim in claims.values():
        estimand = claim["estimand"]
        where = {"share": estimand["where"]["share"], "method": estimand["over_method"]}
        own = table[np.isclose(table["share"], where["share"]) & (table["method"] == where["method"])]
        if len(own):
            height = claim["margin"] * geometric_mean(own[estimand["over_value"]])
            label = f"{margin_text(claim)} of {PHOTOGRAPH[where['method']]}"
            margin_mark(axes, where["share"], height, claim["direction"], label, filled=claim["margin"] != 1)


@drawing
def photograph(tables, claims):
    """Draw the error of unseen pixels over the share that is known, of the photograph and of its pixels shuffled."""
    table = tables["photograph"]
    figure, grid = panels(2, sharey=True)
    judged = {name: claims[name]["estimand"] for name in ("photograph-completed", "photograph-least-trace")}
    share = judged["photograph-completed"]["where"]["share"]
    for axes, (picture, title) in zip(
        grid, (("photograph", "the photograph"), ("shuffled", "its pixels shuffled")), strict=True
    ):
        own = table[table["picture"] == picture]
        means, least = (rounded(_over(own, estimand, share)) for estimand in judged.values())
        title = f"{title}, {share:.0%} known: descent has {means} times\nthe means' error, {least} times least nuclear norm's"
        for place, (method, label) in enumerate(PHOTOGRAPH.items()):
            part = table[(table["picture"] == picture) & (table["method"] == method)]
            moved = dodged(part, "share", place, len(PHOTOGRAPH), APART)
            points(axes, moved, "share", "error", COLOURS[place], label, linestyle="none")
        axes.axhline(1, color="black", linewidth=0.8, linestyle=":", label="mean of the known pixels")
        if picture == "photograph":
            _photograph_margins(axes, own, claims)
        describe(axes, "", sorted(table["share"].unique()), xlabel="share of the pixels that is known", title=title)
    grid[0].set_ylabel("error of unseen pixels, relative to their mean's")
    legend_below(grid[0])
    note = "points: geometric mean; bars: smallest to largest of the random choices of known pixels"
    return finish(figure, note, caption=sizes(table, "rows", "columns"))


@drawing
def regression(tables, claims):
    """Draw R² of unseen rows of every table and method: splits, and their mean."""
    table = tables["regression"]
    names = list(dict.fromkeys(table["data"]))
    figure, grid = two_abreast(len(names), sharey=True)
    note, shapes = "", []
    for axes, name in zip(np.ravel(grid), names, strict=True):
        part = table[table["data"] == name]
        for place, method in enumerate(REGRESSION):
            scores = part.loc[part["method"] == method, "score"]
            axes.plot(np.full(len(scores), place), scores, "o", color=COLOURS[place], markersize=3.5, alpha=0.5)
            axes.plot(place, scores.mean(), "_", color=COLOURS[place], markersize=22, markeredgewidth=2)
        means = part.groupby("method")["score"].mean()
        claim = claims["table-of-low-rank"]
        if name == claim["estimand"]["where"]["data"]:
            level = means[claim["estimand"]["over_method"]] + claim["margin"]
            label = f"margin: {claim['margin']:g} above {REGRESSION[claim['estimand']['over_method']]}"
            axes.axhline(level, color="black", linestyle="--", linewidth=0.9)
            note = f"dashed: {label}"
        axes.set_xticks(range(len(REGRESSION)), REGRESSION.values(), rotation=30, ha="right", fontsize=8)
        axes.set_xlim(-0.6, len(REGRESSION) - 0.4)
        rows, columns = part["rows"].iloc[0], part["columns"].iloc[0]
        shapes.append(f"{name}: {number(rows)} rows × {number(columns)} columns")
        said = ", ".join(f"{REGRESSION[method]} {rounded(means[method])}" for method in ("factored", "ridge"))
        describe(axes, "", title=f"{name}, R²: {said}")
    for axes in np.ravel(grid)[::2]:
        axes.set_ylabel("R² of unseen rows")
    note = f"points: splits; bar: their mean{'; ' if note else ''}{note}"
    return finish(figure, note, caption=caption(*shapes, f"{table['ensemble'].nunique()} splits (ensembles)"))


# What is written above a picture.
SHOWN = {
    "picture": "the picture",
    "full": "full width (knows nothing)",
    "width 1, large start": "width 1 from its size",
    "spectral": "spectral (knows r)",
}


def _pixels(axes, frame, method, star):
    """Draw a picture, with its error above it."""
    image = frame[frame["method"] == method].pivot_table(index="row", columns="column", values="value").to_numpy()
    # The range of the true one: what lies outside is cut off.
    axes.imshow(image, cmap="gray_r", vmin=0, vmax=star.max())
    axes.grid(False)
    axes.set(xticks=[], yticks=[])
    error = np.linalg.norm(image - star) / np.linalg.norm(star)
    axes.set_title(SHOWN[method] if method == "picture" else f"{SHOWN[method]}:\nerror {rounded(error)}")


def _conclusion(table, ratio):
    """Return what the table says at one m/n: the error of full width, and how many pictures width 1 finds."""
    part = table[table["m_over_n"] == ratio]
    full, one = (part[part["method"] == method] for method in ("full", "width 1, large start"))
    error = rounded(geometric_mean(full["error"]), towards="up")
    return lines(
        f"from {ratio:g} squared magnitudes a pixel full width comes on average within {error} of pictures;",
        f"it recovers {full['recovered'].sum():g} of {len(full)}; width 1, initialised at the picture's size, {one['recovered'].sum():g} of {len(one)}",
    )


@drawing
def magnitudes(tables, claims):
    """Draw the error of pictures over the squared magnitudes for each pixel."""
    table, claim = tables["magnitudes"], claims["magnitudes-full-width"]
    figure, (axes,) = panels(width=7.2, height=4.4)
    for place, (method, label) in enumerate(MAGNITUDES.items()):
        part = table[table["method"] == method]
        if len(part):
            moved = dodged(part, "m_over_n", place, len(MAGNITUDES), APART)
            style = "--" if method.endswith("large start") else "-"
            points(axes, moved, "m_over_n", "error", COLOURS[place], label, linestyle=style)
    margin_level(axes, claim, "full width,")
    ratio = claim["estimand"]["where"]["m_over_n"]
    texts = {"xlabel": "squared magnitudes per pixel, m/n", "ylabel": "error, up to the sign"}
    describe(axes, "xy", sorted(table["m_over_n"].unique()), title=_conclusion(table, ratio), **texts)
    what = caption("pictures of 8 × 8 pixels, Gaussian measurements", draws(table))
    return finish(figure, SPREAD, columns=2, caption=what)


@drawing
def magnitudes_pictures(tables, claims):
    """Draw a picture as methods recover it from its squared magnitudes."""
    pictures = tables["magnitudes_pictures"]
    figure, grid = panels(len(SHOWN), width=PAGE / len(SHOWN), height=2.9)
    places = pictures.groupby("ensemble").ngroup() == 0
    star = pictures[places & (pictures["method"] == "picture")].sort_values(["row", "column"])["value"].to_numpy()
    for axes, method in zip(grid, SHOWN, strict=False):
        _pixels(axes, pictures[places], method, star.reshape(pictures["row"].max() + 1, -1))
    ratio = pictures["m_over_n"].iloc[0]
    said = f"a picture of 8 × 8 pixels, {ratio:g} squared magnitudes a pixel, Gaussian measurements, one ensemble"
    return finish(figure, caption=said)
