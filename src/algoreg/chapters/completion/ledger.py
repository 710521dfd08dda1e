"""The ledger's passages on completion: errors by method and m, and by graph."""

import numpy as np

from algoreg.chapters.completion.minima import beside_published
from algoreg.chapters.completion.words import GRAPHS, LEAST, METHODS, WAYS
from algoreg.claims.cells import chosen, geometric_mean
from algoreg.claims.published import load_published
from algoreg.reporting.charts.text import number as plain
from algoreg.reporting.report import geometric, markdown, number, passage
from algoreg.settings.chapters import load_chapters


def _ratios(frame, value, pair):
    """Return a value of one method over that of another, a number a draw."""
    first, second = (frame[frame["method"] == name].set_index(["target", "ensemble"])[value] for name in pair)
    return first / second


def _smaller_convex(part):
    """Return in how many draws the least nuclear norm has a smaller squared error than three factors,
    and of how many.
    """
    ratios = _ratios(part, "mse", ("nuclear", "depth_3"))
    return (ratios < 1).sum(), len(ratios)


@passage("completion", "graph_completion")
def completion_headline(errors, unseen):
    """Return how much three factors and a graph gain where few entries are known, as sentences."""
    few, many = (
        errors[errors["m_over_dof"] == end] for end in (errors["m_over_dof"].min(), errors["m_over_dof"].max())
    )
    least = unseen[unseen["share"] == unseen["share"].min()]
    deep = np.log(few["mse"]).groupby(few["method"]).mean()
    graphs = np.log(least["unseen_error"]).groupby([least["method"], least["graph"]]).mean()
    times = f"{np.exp(deep['nuclear'] - deep['depth_3']):.2g}"
    left = np.exp(graphs["factors", "path"] - graphs["convex", "path"])
    nearer, draws = _smaller_convex(many)
    scarce, means = (part.groupby("method")["mse"].mean() for part in (few, many))
    return (
        f"With {few['m_over_dof'].iloc[0]:g} times as many entries as degrees of freedom the least nuclear norm has {plain(float(times))} times the "
        f"squared error of three factors in the geometric mean and {scarce['nuclear'] / scarce['depth_3']:.2g} times in the plain one; with {many['m_over_dof'].iloc[0]:g} times as many it is nearer to X\\* in "
        f"{nearer} of {draws} draws. Its plain mean there, which few draws decide, is {plain(means['nuclear'])}, and that of three "
        f"factors {plain(means['depth_3'])}. A graph on rows and columns helps by its energy, a penalty on differences between "
        f"neighbours, and hardly through factors: at {least['share'].iloc[0]:.0%} of the entries factors with that penalty have "
        f"{left:.2f} times the error of the penalty alone."
    )


@passage("completion")
def completion_of_methods(frame):
    """Return squared error, nuclear norm and effective rank by m and method, as Markdown."""
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


@passage("completion")
def completion_draws(frame):
    """Return in how many draws each claim on the least nuclear norm holds by itself, as Markdown."""
    (chapter,), rows = load_chapters(["completion"]), []
    for entry in chapter.claims:
        own = entry["estimand"]
        if own["table"] == "completion":
            ratios = _ratios(chosen(frame, own["where"]), own["value"], own["pair"])
            held = ratios > entry["margin"] if entry["direction"] == "above" else ratios < entry["margin"]
            ends = f"{number(ratios.min())} to {number(ratios.max())}"
            rows.append([f"`{entry['id']}`", f"{held.sum()} of {len(ratios)}", ends])
    return markdown(["claim", "draws beyond its margin", "ratios of draws"], rows)


@passage("completion")
def completion_of_two_factors(frame):
    """Return the squared error of two factors over that of the least nuclear norm by m,
    and how many converged, in words.
    """
    said = []
    for ratio, part in frame.groupby("m_over_dof"):
        times = number(float(np.exp(np.log(_ratios(part, "mse", ("depth_2", "nuclear"))).mean())))
        two, convex = (part[part["method"] == name] for name in ("depth_2", "nuclear"))
        # Where errors are raised to the least that is said, a ratio with them is a bound.
        above, below = (int(np.isclose(own["mse"], LEAST, rtol=1e-6, atol=0).sum()) for own in (two, convex))
        bound = "at least " if below and not above else "at most " if above and not below else ""
        said.append(
            f"At {ratio:g} times the degrees of freedom two factors have {bound}{times} times the squared error of the least "
            "nuclear norm."
        )
        sides = ((above, "former"), (below, "latter"))
        said += [f"The {name}'s is 10⁻¹² or less in {count} of {len(two)} draws." for count, name in sides if count]
        ends = [f"{(own['status'] == 'converged').mean():.0%}" for own in (two, convex)]
        said.append(f"Of the former's runs {ends[0]} had converged, of the latter's {ends[1]}.")
    return " ".join(said)


@passage("completion")
def completion_exceptions(frame):
    """Return in how many draws three factors end nearer to X* at the largest m, and the least norm there, in words."""
    many = frame[frame["m_over_dof"] == frame["m_over_dof"].max()]
    nearer, draws = _smaller_convex(many)
    convex = many[many["method"] == "nuclear"]
    said = f"At {many['m_over_dof'].iloc[0]:g} times the degrees of freedom three factors are nearer in {draws - nearer} of {draws} draws."
    if convex["nuclear_norm"].min() < 0.9999:
        said += (
            f" There X\\* is not the matrix of least norm: a norm of {convex['nuclear_norm'].min():.3f} times that of X\\* "
            "has the same entries."
        )
    return said


def _by_depth(curve, column, shown, frames):
    """Return a published curve by the number of factors,
    beside the texts of a column of each table of :data:`WAYS`, as Markdown.
    """
    rows = []
    for method, goal in load_published(curve).set_index("method")["value"].items():
        ours = (frame.loc[frame["method"] == method, column] for frame in frames)
        rows.append([method.removeprefix("depth_"), *shown(goal, ours)])
    return markdown(["factors", "published", *(f"ours, {label}" for label in WAYS.values())], rows)


@passage(*WAYS, tiers=("full",))
def completion_minima(*frames):
    """Return the least squared errors along runs by depth, beside the published ones, as Markdown."""

    def shown(goal, ours):
        return f"{goal:.4g}", *(f"{geometric_mean(own):.4g} ({_ends(own, 4)})" for own in ours)

    return _by_depth("arora_minima", "least_mse", shown, frames)


@passage(*WAYS, tiers=("full",))
def completion_escapes(*frames):
    """Return when the largest singular value leaves the start by depth, beside the published picture, as Markdown."""

    def shown(goal, ours):
        return f"{goal:.0f}", *(f"{own.median():.0f} ({_ends(own, 5)})" for own in ours)

    return _by_depth("arora_escapes", "escape", shown, frames)


@passage(*WAYS, tiers=("full",))
def completion_inside(*frames):
    """Return which published minima lie in the prediction intervals, by the way entries are drawn, in words."""
    said = []
    for label, frame in zip(WAYS.values(), frames, strict=True):
        parts = [
            f"{low:.3g} to {high:.3g} at depth {method.removeprefix('depth_')} ({'inside' if inside else 'outside'})"
            for method, (low, high, inside) in beside_published(frame, load_published("arora_minima")).items()
        ]
        said.append(f"With {label} one more draw would lie in {', '.join(parts)}.")
    return " ".join(said)


@passage(*WAYS, tiers=("full",))
def completion_published_headline(*frames):
    """Return how many published minima may be draws like ours, by the way entries are drawn, as a sentence."""
    counts = []
    for label, frame in zip(WAYS.values(), frames, strict=True):
        inside = [there for *_, there in beside_published(frame, load_published("arora_minima")).values()]
        counts.append(f"{sum(inside)} of {len(inside)} with {label}")
    return f"Of the smallest errors that the authors print these could be one more draw of ours (tier full): {' and '.join(counts)}."


def _ends(values, digits=3):
    """Return the smallest and the largest of values, or the one that all are."""
    return " to ".join(dict.fromkeys(f"{value:.{digits}g}" for value in (values.min(), values.max())))


@passage(*WAYS, tiers=("full",))
def completion_known(once, repeated):
    """Return which share of all entries is known if they are put back,
    and how many runs are best at their end, in words.
    """
    share, last = repeated["distinct"], []
    for depth in (2, 3):
        own = once[once["method"] == f"depth_{depth}"]
        last.append(f"{int((own['least_at'] == own['iterations']).sum())} of {len(own)} at depth {depth}")
    return (
        f"Where entries are put back, {share.min():.1%} to {share.max():.1%} of all are known. If none is drawn twice, the "
        f"error is least at the end of the run in {' and in '.join(last)}: what is compared there is the length of the runs, too."
    )


@passage("completion")
def completion_stops(frame):
    """Return how many runs of factors from the most entries had converged, in words."""
    many, said = frame[frame["m_over_dof"] == frame["m_over_dof"].max()], []
    for method in ("depth_2", "depth_3"):
        own = many[many["method"] == method]
        said.append(f"of {METHODS[method]} {int((own['status'] == 'converged').sum())} of {len(own)} runs")
    return " and ".join(said)


@passage("graph_completion")
def completion_of_graphs(frame):
    """Return the error of unknown entries by share, graph and method, as Markdown."""
    shares, rows = sorted(frame["share"].unique()), []
    for (method, graph), label in GRAPHS.items():
        own = frame[(frame["method"] == method) & (frame["graph"] == graph)]
        errors = (geometric(own.loc[own["share"] == share, "unseen_error"]) for share in shares)
        rows.append([label, f"{own['iterations'].max():g}" if method == "factors" else "–", *errors])
    return markdown(["method", "steps, at most", *(f"{share:.0%} known" for share in shares)], rows)


@passage("graph_completion", "graph_completion_long")
def completion_run_on(early, late):
    """Return the error of factors and energy over that of the energy alone by share,
    early and late on the same draws, in words.
    """
    early = early[(early["graph"] == "path") & early["ensemble"].isin(late["ensemble"].unique())]
    ratios = [{share: f"{_left(part):.2f}" for share, part in frame.groupby("share")} for frame in (early, late)]
    first = " and ".join(f"{ratio} (at {share:.0%} known)" for share, ratio in ratios[0].items())
    return (
        f"After {early['iterations'].max():g} steps their error is {first} times that of the solve. "
        f"After {late['iterations'].max():g} steps, on the same draws, it is {' and '.join(ratios[1].values())} times that."
    )


@passage("graph_completion_wide", "graph_completion_wide_long")
def completion_run_on_wide(early, late):
    """Return the same where known entries outnumber degrees of freedom."""
    return completion_run_on(early, late)


def _left(part):
    """Return the error of unknown entries of factors over that of the energy alone, in the geometric mean."""
    means = np.log(part["unseen_error"]).groupby(part["method"]).mean()
    return np.exp(means["factors"] - means["convex"])
