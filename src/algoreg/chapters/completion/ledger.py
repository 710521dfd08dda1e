"""The ledger's passages on completion: errors by method and m, and by graph."""

import numpy as np

from algoreg.chapters.completion.words import GRAPHS, METHODS
from algoreg.judge.snapshots import frame_of
from algoreg.tell.charts.text import number as plain
from algoreg.tell.report import geometric, markdown, passage


@passage("completion", "graph_completion")
def completion_headline(reference):
    """Return how much three factors and a graph gain where few entries are known, as sentences."""
    errors, unseen = (frame_of(reference["tables"][name]) for name in ("completion", "graph_completion"))
    few = errors[errors["m_over_dof"] == errors["m_over_dof"].min()]
    least = unseen[unseen["share"] == unseen["share"].min()]
    deep = np.log(few["mse"]).groupby(few["method"]).mean()
    graphs = np.log(least["unseen_error"]).groupby([least["method"], least["graph"]]).mean()
    times = f"{np.exp(deep['nuclear'] - deep['depth_3']):.2g}"
    left = np.exp(graphs["factors", "path"] - graphs["convex", "path"])
    return (
        f"Where few entries are known, the least nuclear norm has {plain(float(times))} times the squared error of "
        "three factors; from many it is exact. A graph's eigenvectors do nothing to factors. Its energy helps, and "
        f"without factors as well: they leave {left:.2f} of its error at {least['share'].iloc[0]:.0%} of the entries."
    )


@passage("completion")
def completion_of_methods(reference):
    """Return squared error, nuclear norm and effective rank by m and method, as Markdown."""
    frame = frame_of(reference["tables"]["completion"])
    rows = []
    for ratio, part in frame.groupby("m_over_dof"):
        for method in (name for name in METHODS if name in set(part["method"])):
            own = part[part["method"] == method]
            means = [geometric(own[column]) for column in ("mse", "nuclear_norm", "effective_rank", "train_error")]
            means[-1] = means[-1] if method != "nuclear" else "0"
            fitted = f"{(own['status'] == 'converged').mean():.0%}"
            rows.append([f"{ratio:g}", METHODS[method], *means, fitted])
    header = [
        "m over degrees of freedom",
        "method",
        "squared error",
        "nuclear norm over that of X\\*",
        "effective rank",
    ]
    return markdown([*header, "training error", "converged"], rows)


@passage("graph_completion")
def completion_of_graphs(reference):
    """Return the error of unknown entries by share, graph and method, as Markdown."""
    frame = frame_of(reference["tables"]["graph_completion"])
    shares, rows = sorted(frame["share"].unique()), []
    for (method, graph), label in GRAPHS.items():
        own = frame[(frame["method"] == method) & (frame["graph"] == graph)]
        rows.append([label, *(geometric(own.loc[own["share"] == share, "unseen_error"]) for share in shares)])
    return markdown(["method", *(f"{share:.0%} known" for share in shares)], rows)
