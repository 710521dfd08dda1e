"""Draw how the workflow's rules follow from each other: python tools/draw_rule_graph.py, to docs/rule_graph.svg.

The rules of all claims are one node, targets are left out, and an arrow that a longer way says too is not drawn.
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
CLAIM = "claim_…"
TARGETS = {"replication", "verify"}
# What each rule makes, and its column and row in the picture; a test holds the names to the workflow's.
RULES = {
    "generate": ("targets and labels", 0, 1.6),
    "measure": ("tables of studies", 2, 1.85),
    "measure_part": ("parts of studies", 1, 1.6),
    "tabulate": ("tables of runs", 2, 0.5),
    "tabulate_study": ("their tables", 2, 2.75),
    "compare_published": ("beside published curves", 1.75, 1.2),
    "draw_figure": ("SVG, PDF, PNG", 3.6, 0.5),
    CLAIM: ("one rule per claim: its verdict", 3.6, 2),
    "set_claims_aside": ("what this tier does not judge", 3.3, 3),
    "collect_claims": ("claims.json", 4.95, 2),
    "build_page": ("report/index.html", 5.1, 0),
    "execute_notebook": ("notebooks, executed", 6.15, 1.1),
    "tabulate_verdicts": ("report/verdicts.html", 6.15, 2),
    "check_controls": ("controls.json", 6.15, 3),
    "compare_with_reference": ("verify.txt", 7.5, 3),
}
STYLE = {"svg.hashsalt": "rules", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9}


def merged(text):
    """Return the arrows of Snakemake's rule graph (dot) as pairs of names, without targets, claims as one."""
    names = dict(re.findall(r'^\s*(\d+)\[label = "([a-z_0-9]+)', text, re.M))
    names = {number: CLAIM if name.startswith("claim_") else name for number, name in names.items()}
    pairs = {(names[a], names[b]) for a, b in re.findall(r"^\s*(\d+) -> (\d+)", text, re.M)}
    return {(a, b) for a, b in pairs if a != b and not {a, b} & TARGETS}


def ahead(arrows, name):
    """Return all that follows from a rule."""
    near = {b for a, b in arrows if a == name}
    return near.union(*(ahead(arrows, other) for other in near))


def reduced(arrows):
    """Return the arrows that no longer way says too."""
    return {
        (a, b)
        for a, b in arrows
        if not any(b in ahead(arrows, other) for start, other in arrows if start == a != other)
    }


@contextmanager
def style():
    """Draw in the one style, whatever the user's own matplotlibrc says, which is back in force afterwards."""
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
    axes.set_xlim(-0.7, 8.2)
    axes.set_ylim(3.4, -0.4)
    boxes = {}
    for name in sorted({name for arrow in arrows for name in arrow}):
        makes, x, y = RULES[name]
        box = {"boxstyle": "round,pad=0.5", "facecolor": "#eef3fb", "edgecolor": "#33507d"}
        label = f"{name}\n{makes}"
        boxes[name] = axes.text(x, y, label, ha="center", va="center", bbox=box, gid=f"rule-{name}", zorder=2)
    # Boxes get their sizes when they are drawn; arrows end at them.
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
    """Return what Snakemake says of the rules of tier standard, all of them: dot."""
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
