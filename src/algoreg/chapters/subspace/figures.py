"""The figure of moving subspaces: what moves outside them, and the distance between the paths of both networks."""

from algoreg.reporting.charts.course import points
from algoreg.reporting.charts.law import margin_level
from algoreg.reporting.charts.panels import describe, finish, panels
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, rounded, sizes
from algoreg.reporting.figures import drawing


@drawing
def subspace(tables, claims):
    """Draw what moves outside the subspace by initialisation and known entries, and the distance between the paths."""
    table = tables["subspace_moves"]
    figure, (left, right) = panels(2, height=3.8)
    known, partly = table[table["share"] == 1], table[table["share"] < 1]
    orthogonal = known[known["start"] == "orthogonal"]
    curves = {
        "orthogonal layers": orthogonal,
        "Gaussian layers": known[known["start"] == "gaussian"],
        "orthogonal, half of the entries known": partly[partly["start"] == "orthogonal"],
    }
    for place, (label, rows) in enumerate(curves.items()):
        # Beside each other, as both upper ones have almost the same height.
        shifted = rows.assign(depth=rows["depth"] + 0.1 * place)
        points(left, shifted, "depth", "outside", COLOURS[place], label, "os^"[place], linestyle="none")
    margin_level(left, claims["subspace-invariant"], "orthogonal layers")
    outside, path = (rounded(orthogonal[name].max(), towards="up") for name in ("outside", "path"))
    left.set_title(f"from orthogonal layers at most {outside}\nof a layer moves outside 2r directions")
    points(right, orthogonal, "depth", "path", COLOURS[0], "2r + 1 columns", "o", linestyle="none")
    points(right, orthogonal, "depth", "path_rank", COLOURS[1], "r + 1 columns", "s", linestyle="none")
    margin_level(right, claims["subspace-compressed"], "2r + 1 columns")
    right.set_title(f"2r + 1 columns have the same path to {path},\nr + 1 columns have another")
    for axes, label in (
        (left, "‖W − ρW₀‖ / ‖W₀‖ outside the subspace"),
        (right, "largest ‖X − X̃‖ / ‖X*‖, X̃ compressed"),
    ):
        describe(axes, "y", xlabel="depth N", ylabel=label)
        axes.set_xticks(sorted(table["depth"].unique()))
    return finish(figure, SPREAD, caption=sizes(table, "d", "rank"))
