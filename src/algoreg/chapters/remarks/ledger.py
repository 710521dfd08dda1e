"""The ledger's evidence on the paper's remarks: least nuclear norm, mini-batches."""

from algoreg.chapters.remarks.estimands import nearest_then_away
from algoreg.claims.cells import chosen
from algoreg.numerics.theory import symmetric_dimension
from algoreg.reporting.report import markdown, number, passage
from algoreg.reporting.wording import outwards

# An end counts as X* within this relative distance: far below what two different solutions lie apart, far above what
# α = 10⁻¹² leaves where the limit is X*.
FOUND = 0.01


def _share(distances):
    return f"{int((distances < FOUND).sum())} of {int(distances.notna().sum())}"


@passage("min_trace")
def min_trace_ends(frame):
    """Return who finds X* at each m, and how far descent's end lies from the least nuclear norm, as Markdown."""
    smallest = frame.loc[frame["method"] == "descent", "alpha"].min()
    within = f"Within {FOUND:g} of ‖X*‖ counts as there; d = {frame['d'].iloc[0]:g}, r = {frame['rank'].iloc[0]:g}."
    sentences = (within, _nearest_on_the_way(frame), _unfinished(frame, smallest), _solvers(frame))
    return "\n".join([_ends_by_m(frame, smallest), "", *(f"- {sentence}" for sentence in sentences)])


@passage("min_trace")
def found_below(frame):
    """Return in a sentence how many runs find X* at the smallest m: descent's, and those of the least nuclear norm."""
    few = chosen(frame, {"m_over_dr": frame["m_over_dr"].min()})
    ends = chosen(few, {"method": "descent", "alpha": frame.loc[frame["method"] == "descent", "alpha"].min()})
    least = few[few["method"] == "clarabel"]
    return (
        f"At m = {few['m_over_dr'].iloc[0]:g}·dr descent ends at X* in {_share(ends['distance_to_target'])} runs, "
        f"least trace in {_share(least['distance_to_target'])}."
    )


@passage("min_trace")
def fitted_ends(frame):
    """Return in a sentence how many of the runs that fit their labels at the smallest m end at X*."""
    few = chosen(frame, {"method": "descent", "m_over_dr": frame["m_over_dr"].min()})
    fitted = few[(few["alpha"] == few["alpha"].min()) & (few["status"] == "converged")]
    return f"Gradient descent still recovers X\\* in {_share(fitted['distance_to_target'])} runs that fit the observations."


def _ends_by_m(frame, smallest):
    """Return the table of ends by m; descents are those from the smallest α."""
    rows = []
    for ratio, part in frame.groupby("m_over_dr"):
        ends, least = chosen(part, {"method": "descent", "alpha": smallest}), part[part["method"] == "clarabel"]
        apart = ends["distance_to_min_trace"]
        rows.append(
            [
                f"{ratio:g}",
                _share(least["distance_to_target"]),
                _share(ends["distance_to_target"]),
                _share(apart),
                f"{number(apart.median())} ({number(apart.max())})",
                number(least["trace"].mean()),
                number(ends["trace"].mean()),
            ]
        )
    header = [
        "m/dr",
        "least nuclear norm is X*",
        f"descent from α = {smallest:g} ends at X*",
        "descent ends at the least nuclear norm",
        "distance between the two: median (largest)",
        "mean trace of the least, over X*'s",
        "of descent's end",
    ]
    return markdown(header, rows)


def _nearest_on_the_way(frame):
    """Return in a sentence how near descent comes to the least nuclear norm as α falls, and how far from it it ends."""
    few = chosen(frame, {"method": "descent", "m_over_dr": frame["m_over_dr"].min()})
    path = nearest_then_away(few)
    paths = few.pivot_table(index="alpha", columns=["target", "ensemble"], values="distance_to_min_trace")
    paths = paths.dropna(axis=1)
    target, ensemble = path.name
    end = chosen(few, {"target": target, "ensemble": ensemble, "alpha": path.index[-1]})["status"].iloc[0]
    unfinished = "" if end == "converged" else f", where it does not fit the observations yet (status `{end}`)"
    left = int((paths.loc[paths.index.min()] > 2 * paths.min()).sum())
    return (
        f"At m = {few['m_over_dr'].iloc[0]:g}·dr one run comes within {number(outwards(path.min(), 'up', 3))} of the least nuclear norm at "
        f"α = {path.idxmin():g} and is {number(path.iloc[-1])} away at α = {path.index[-1]:g}{unfinished}; {left} of "
        f"{paths.shape[1]} runs are there more than twice as far away as they were at some larger α."
    )


def _unfinished(frame, smallest):
    """Return in a sentence how many descents from the smallest α do not fit the observations yet."""
    ends = chosen(frame, {"method": "descent", "alpha": smallest})
    unfinished = int((ends["status"] != "converged").sum())
    below = chosen(ends, {"m_over_dr": frame["m_over_dr"].min()})
    fitted = int((below["status"] == "converged").sum())
    return (
        f"{unfinished} of {len(ends)} descents from α = {smallest:g} do not fit the observations yet (status `budget`); at "
        f"m = {below['m_over_dr'].iloc[0]:g}·dr {fitted} of {len(below)} do fit, and `conj-min-nuclear-norm-below` judges these."
    )


def _solvers(frame):
    """Return in a sentence how far two solvers of the convex programme agree."""
    solvers = frame[frame["method"].isin(["clarabel", "scs"])]
    inexact = int((solvers["status"] == "budget").sum())
    failed = int((solvers["status"] == "diverged").sum())
    apart = frame.loc[frame["method"] == "scs", "distance_to_min_trace"].max()
    return (
        f"Clarabel and SCS differ by at most {number(outwards(apart, 'up', 3))}; of {len(solvers)} solutions {inexact} are less accurate than "
        f"asked for and {failed} failed."
    )


@passage("min_trace_commuting")
def min_trace_commuting_ends(frame):
    """Return how far descent's end lies from the least nuclear norm with diagonal measurements,
    against α, as Markdown.
    """
    rows = [
        [
            f"{alpha:g}",
            number(part["distance_to_min_trace"].mean()),
            number(part["distance_to_min_trace"].max()),
            number(part["distance_to_target"].mean()),
        ]
        for alpha, part in sorted(frame[frame["method"] == "descent"].groupby("alpha"), reverse=True)
    ]
    header = ["α", "distance to the least nuclear norm: mean", "largest", "to X*: mean"]
    return markdown(header, rows)


@passage("minibatch")
def minibatch_ratios(frame):
    """Return SGD's test errors, and those over gradient descent's from the small start,
    by batch and step, as Markdown.
    """
    sgd = frame[frame["method"] == "sgd"]
    rows = []
    for (alpha, noise, factor), part in sgd.groupby(["alpha", "label_noise", "step_factor"]):
        own = chosen(frame, {"method": "gradient", "alpha": alpha, "label_noise": noise})["test_error"].mean()
        cells = []
        for _, one in part.groupby("batch"):
            lost = int((one["status"] == "diverged").sum())
            mean = number(one["test_error"].mean()) if lost < len(one) else "–"
            cells.append(f"{mean} ({lost} of {len(one)} diverged)" if lost else mean)
        first = part.iloc[0]
        dimension = symmetric_dimension(first["d"]) - symmetric_dimension(first["d"] - first["rank"])
        fit = noise * (dimension / first["m"]) ** 0.5
        rows.append([f"{alpha:g}", f"{noise:g}", number(fit), f"{factor:g}·b/(2D)", number(own), *cells])
    batches = [f"b = {batch:g}" for batch in sorted(sgd["batch"].unique())]
    return markdown(["α", "label noise", "noise·√(dim/m)", "η", "gradient descent", *batches], rows)


@passage("x_space_factored")
def x_space_factored_errors(frame):
    """Return the mean error of descent on U by m/D, as Markdown."""
    means = frame.groupby("m_over_dimension")["test_error"].mean()
    return markdown(["m/D", "mean relative error"], [[f"{share:g}", number(error)] for share, error in means.items()])


@passage("x_space")
def x_space_parts(frame):
    """Return both parts of what descent on X is judged by: how near the law it is,
    and how large its error, as Markdown.
    """
    rows = []
    for share, part in frame.groupby("m_over_dimension"):
        error, law = part["test_error"].mean(), part["predicted_error"].mean()
        off = f"{100 * (error / law - 1):+.1f} %" if law else "–"
        rows.append([f"{share:g}", number(error), number(law), off])
    return markdown(["m/D", "mean relative error", "√(1 − m/D)", "off"], rows)
