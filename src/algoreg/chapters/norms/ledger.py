"""The ledger's macros on norms: |W_11| by depth, sign of det and loss, for flow and for descent."""

import pandas as pd

from algoreg.claims.cells import geometric_mean
from algoreg.reporting.charts.law import exponent_of
from algoreg.reporting.report import markdown, number, passage


def _courses(frames):
    """Return the geometric mean of |W_11| by depth, sign of det and loss, as Markdown."""
    frame, rows = pd.concat(frames), []
    levels = sorted(frame["accuracy"].unique())
    for names, part in frame.groupby(["depth", "det"]):
        means = part.groupby("accuracy")["norm"].apply(geometric_mean)
        rows.append([*map(str, names), *(number(means.get(level)) for level in levels)])
    return markdown(["depth", "det W(0)", *(f"loss {1 / level:g}" for level in levels)], rows)


@passage("norm_flow")
def norms_of_flow(*frames):
    """Return the geometric mean |W_11| of gradient flow by depth, sign of det and loss, as Markdown."""
    return _courses(frames)


@passage("norm_flow")
def norms_power_of_all(frame):
    """Return the smallest exponent of |W_11| over all losses of the table, from det W > 0,
    and the largest loss, as a sentence.
    """
    own = frame[frame["det"] == "positive"]
    least = min(exponent_of(part, "accuracy", "norm") for _, part in own.groupby("depth"))
    return f"Over all losses of the table, from {1 / own['accuracy'].min():g} on, the power is {number(-least).replace('-', '−')}."


@passage("norm_descent_end", "norm_descent_negative", "norm_descent_deep")
def norms_of_descent(*frames):
    """Return the geometric mean |W_11| of gradient descent by depth, sign of det and loss, as Markdown."""
    return _courses(frames)


@passage("norm_descent_end", "norm_descent_deep")
def norms_at_one_loss(two, three):
    """Return the law over |W_11| of descent on two and on three factors,
    at the least loss that both come to, as a sentence.
    """
    level = three["accuracy"].max()
    shallow, deep = (geometric_mean(own.loc[own["accuracy"] == level, "law_over_norm"]) for own in (two, three))
    return (
        f"At a loss of {1 / level:g} both depths can be read: the law is {shallow:.2f} times |W_11| at depth 2, and "
        f"{deep:.3f} times at depth 3."
    )


@passage("norm_flow", "norm_descent_end")
def norms_headline(flow, descent):
    """Return how large |W_11| is at the smallest loss, by flow and by descent at depth 2, as sentences."""
    last = flow["accuracy"].max()
    deep = flow[(flow["depth"] == 3) & (flow["accuracy"] == last)]
    ends = deep.groupby("det")["norm"].apply(geometric_mean)
    own = geometric_mean(descent.loc[descent["accuracy"] == descent["accuracy"].max(), "norm"])
    return (
        f"Of a 2 × 2 matrix W three entries are known, with which rank one would need W_11 = ∞. At a loss of {1 / last:g} flow on three "
        f"factors has W_11 at {number(ends['positive'])} from det W > 0, and at {number(ends['negative'])} from det W < 0; descent on two factors, "
        f"with the published step, has {number(own)} (geometric means). The bound 1/√(2·loss) is {number((last / 2) ** 0.5)} there, and flow from det W > 0 stays at it."
    )
