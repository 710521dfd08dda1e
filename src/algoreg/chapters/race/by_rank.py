"""How many measurements each method takes by the rank of X*: from the tables by rank, and at r = 2 from the others."""

from dataclasses import dataclass

import numpy as np

from algoreg.chapters.race.estimands import threshold_ratio
from algoreg.claims.cells import chosen
from algoreg.claims.intervals import UNDEFINED
from algoreg.claims.thresholds import Thresholds, find_thresholds
from algoreg.numerics.seeds import stream

ERRORS = (0.1, 0.01, 0.001)
PREFIX = "race_rank_samples_"


@dataclass(frozen=True)
class Sampled:
    """Where a method's thresholds are measured.

    Attributes
    ----------
    name : str
        What a reader calls it.
    told : str
        What it must know, as in :data:`algoreg.chapters.race.which_method.KNOWN`.
    ranks : str
        Its table at several ranks, without the ``PREFIX``.
    alpha : float, optional
        The initialisation of its rows there; None where the table has one.
    second : str, optional
        Its table at r = 2, at the same d; None where there is none.
    """

    name: str
    told: str
    ranks: str
    alpha: float | None = None
    second: str | None = None

    @property
    def places(self):
        """The tables that hold it, each with the rows that are its own."""
        where = {} if self.alpha is None else {"alpha": self.alpha}
        first = [(PREFIX + self.ranks, where)]
        return first if self.second is None else [*first, (self.second, {})]


METHODS = {
    "thresholding": Sampled("hard thresholding with momentum", "rank", "thresholding", None, "race_samples_thresholding"),
    "search": Sampled("thresholding with a rank search", "nothing", "search", None, "race_samples_search"),
    "descent_1e-12": Sampled("descent, full width, α = 10⁻¹²", "nothing", "descent", 1e-12, "race_samples_small"),
    "descent_1e-6": Sampled("descent, full width, α = 10⁻⁶", "nothing", "descent", 1e-6, "race_samples_full"),
    "momentum_1e-12": Sampled("momentum, full width, α = 10⁻¹²", "nothing", "momentum", 1e-12),
    "momentum_1e-6": Sampled("momentum, full width, α = 10⁻⁶", "nothing", "momentum", 1e-6, "race_samples_momentum"),
    "damped_1e-12": Sampled("preconditioned, full width, α = 10⁻¹²", "nothing", "damped", 1e-12),
    "damped_1e-6": Sampled("preconditioned, full width, α = 10⁻⁶", "nothing", "damped", 1e-6, "race_samples_damped"),
    "least_trace": Sampled("least trace", "decomposition", "least_trace", None, "race_samples_least_trace"),
    "projected": Sampled(
        "accelerated projected descent", "nothing", "projected", None, "race_samples_projected"
    ),
}  # fmt: skip
# Whose measurements are compared with whose: what a search saves, what knowing the rank saves, what full width costs.
PAIRS = (
    ("search", "descent_1e-12"),
    ("search", "thresholding"),
    ("descent_1e-12", "least_trace"),
    ("descent_1e-6", "least_trace"),
    ("momentum_1e-12", "descent_1e-12"),
    ("momentum_1e-6", "descent_1e-6"),
    ("damped_1e-12", "descent_1e-12"),
    ("damped_1e-6", "descent_1e-6"),
)
TABLES = tuple(dict.fromkeys(table for method in METHODS.values() for table, _ in method.places))


def thresholds(tables, method, error):
    """Return a method's :class:`Thresholds` to an error at each rank, rising; of the tables that there are.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
    method : str
        One of ``METHODS``.
    error : float

    Returns
    -------
    dict of int to (Thresholds, float)
        With dr, by which m* is divided.
    """
    found = {}
    for table, where in METHODS[method].places:
        if table in tables:
            frame = chosen(tables[table], where)
            every = find_thresholds(frame, "rank", error)
            for place, rank in enumerate(every.sizes.astype(int).tolist()):
                own = Thresholds(*(part[place : place + 1] for part in (every.sizes, every.logs, every.sides)))
                found[rank] = own, frame["d"].iloc[0] * rank
    return dict(sorted(found.items()))


def mean_ratio(found, scale):
    """Return the geometric mean of m*/(dr) over runs; NaN where fewer than half of the thresholds lie on the grid."""
    return float(np.exp(found.logs.mean())) / scale if found.on_grid else np.nan


def least(tables, told, error):
    """Return the geometric means of m*/(dr) of the methods that need no more prior knowledge than these, by rank:
    ``{rank: {name: mean}}``; those off their grid are left out.
    """
    found = {}
    for name, method in METHODS.items():
        if method.told in told:
            for rank, own in thresholds(tables, name, error).items():
                means = found.setdefault(rank, {})
                if np.isfinite(mean := mean_ratio(*own)):
                    means[method.name] = mean
    return dict(sorted(found.items()))


def ratio(tables, first, second, rank, error):
    """Return the estimate of m* of one method over that of another at a rank, on the same draws."""
    held = []
    for name in (first, second):
        for table, where in METHODS[name].places:
            if table in tables and rank in set(tables[table]["rank"]):
                held.append((table, {**where, "rank": rank}))
                break
        else:
            return UNDEFINED
    (table, where), (over, over_where) = held
    # Of the draws that both have: targets and ensembles are numbered alike.
    shared = {name: sorted(set(tables[table][name]) & set(tables[over][name])) for name in ("target", "ensemble")}
    rng = stream("bootstrap", passage="race_by_rank", first=first, second=second, rank=rank)
    sides = {"where": where | shared, "over_where": over_where | shared}
    return threshold_ratio(tables, {}, rng, table=table, over=over, tolerance=error, **sides)
