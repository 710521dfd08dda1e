"""Draw how the workflow's rules follow from each other: python tools/draw_rule_graph.py, to docs/rule_graph.svg.

The rules of all claims are one node, and so are those of all figures. Targets are left out, and so is an arrow that a
longer path implies.
"""

import argparse
import io
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "rule_graph.svg"
CLAIM, FIGURES = "claim_…", "draw_…"
TARGETS = {"replication", "verify"}
# The result of each rule, and its column and row in the picture; a test compares the names with the workflow.
RULES = {
    "generate": ("targets and labels", -0.1, 1.0),
    "measure": ("tables of experiments", 2.2, 2.6),
    "measure_part": ("parts of experiments", 1.1, 1.0),
    "tabulate": ("tables of runs", 2.2, 0),
    "tabulate_experiment": ("their tables", 2.2, 1.75),
    "compare_published": ("beside published curves", 2.4, 0.85),
    FIGURES: ("one rule per chapter: its figures", 4, 0.2),
    CLAIM: ("one rule per claim: its verdict", 3.95, 2),
    "skip_claims": ("what this tier does not judge", 3.95, 3),
    "collect_claims": ("claims.json", 5.3, 2),
    "build_page": ("report/index.html", 5.6, 0),
    "execute_notebook": ("notebooks, executed", 6.4, 1.1),
    "tabulate_verdicts": ("report/verdicts.html", 6.5, 2),
    "check_controls": ("controls.json", 6.4, 3),
    "compare_with_reference": ("verify.txt", 7.65, 3),
}
STYLE = {"svg.hashsalt": "rules", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9}


def merged(text):
    """Return the arrows of Snakemake's rule graph (dot) as pairs of names.

    Targets are left out, and the rules of all claims have one name, as have those of all figures.
    """
    names = dict(re.findall(r'^\s*(\d+)\[label = "([a-z_0-9]+)', text, re.M))
    joined = {"claim": CLAIM, "draw": FIGURES}
    names = {number: joined.get(name.partition("_")[0], name) for number, name in names.items()}
    pairs = {(names[a], names[b]) for a, b in re.findall(r"^\s*(\d+) -> (\d+)", text, re.M)}
    return {(a, b) for a, b in pairs if a != b and not {a, b} & TARGETS}


def ahead(arrows, name):
    """Return all rules that follow from a rule."""
    near = {b for a, b in arrows if a == name}
    return near.union(*(ahead(arrows, other) for other in near))


def reduced(arrows):
    """Return the arrows that no longer path implies."""
    return {
        (a, b)
        for a, b in arrows
        if not any(b in ahead(arrows, other) for start, other in arrows if start == a != other)
    }


@contextmanager
def style():
    """Draw in the project's style, and restore the user's matplotlibrc afterwards."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


@style()
def drawn(arrows):
    """Return the picture, as the text of an SVG."""
    figure = Figure(figsize=(11, 3.6))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(-0.75, 8.5)
    axes.set_ylim(3.4, -0.4)
    boxes = {}
    for name in sorted({name for arrow in arrows for name in arrow}):
        makes, x, y = RULES[name]
        box = {"boxstyle": "round,pad=0.5", "facecolor": "#eef3fb", "edgecolor": "#33507d"}
        label = f"{name}\n{makes}"
        boxes[name] = axes.text(x, y, label, ha="center", va="center", bbox=box, gid=f"rule-{name}", zorder=2)
    # Arrows end at boxes, whose sizes are known once they are drawn.
    figure.draw_without_rendering()
    for a, b in sorted(reduced(arrows)):
        arrow = {
            "arrowstyle": "-|>",
            "color": "#7a7a7a",
            "linewidth": 1.2,
            "shrinkA": 0,
            "shrinkB": 3,
            "mutation_scale": 11,
        }
        ends = {"patchA": boxes[a].get_bbox_patch(), "patchB": boxes[b].get_bbox_patch()}
        drawn_arrow = axes.annotate("", RULES[b][1:], RULES[a][1:], arrowprops=arrow | ends, zorder=3)
        drawn_arrow.arrow_patch.set_gid(f"arrow-{a}-{b}")
    text = io.StringIO()
    figure.savefig(
        text, format="svg", metadata={"Date": None, "Title": "How the workflow's rules follow from each other"}
    )
    return text.getvalue()


def rule_graph(folder):
    """Return Snakemake's graph of all rules of tier standard, in dot."""
    command = [sys.executable, "-P", "-m", "snakemake", "replication", "verify", "--forceall", "--rulegraph"]
    command += ["--configfile", "config/standard.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def main():
    """Write the picture."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    PICTURE.write_text(drawn(merged(rule_graph(ROOT))), encoding="utf-8")
    print(f"wrote {PICTURE}")


if __name__ == "__main__":
    main()
