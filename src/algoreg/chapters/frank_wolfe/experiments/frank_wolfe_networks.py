"""How many examples of a quadratic network Frank–Wolfe and Algorithm 1 of Li,
Ma and Zhang (LMZ18) need, told the trace of X* or a wrong one, and plain descent.
"""

import math
from itertools import product

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import frank_wolfe, quadratic
from algoreg.chapters.frank_wolfe.runs import At
from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.settings.base import Different, ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    m_over_dr: Different[PositiveFloat] = Field(min_length=2)
    trace_factor: Several[PositiveFloat]
    iterations: PositiveInt
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        counts = [round(ratio * self.d * self.rank) for ratio in self.m_over_dr]
        if min(counts) < 1 or len(set(counts)) < len(counts):
            raise misfit(self, f"ratios with an m of its own each, at least 1, not {counts}", "m_over_dr", "d", "rank")
        return self


KEYS = {
    "method": (
        "`frank-wolfe`: in open loop, from X = 0; `algorithm-1`: that of LMZ18, from α = 10⁻⁴; `descent`: plain, from the "
        "start of Algorithm 1, told nothing"
    ),
    "trace_factor": (
        "θ over the trace",
        "the trace that the method is told, θ or τ, over that of X* (for descent: that of the row it stands beside)",
    ),
    "m": None,
    "target": None,
    "ensemble": None,
}
VALUES = {"d": None, "rank": None, "test_error": None}
# Algorithm 1 and descent: α, η = STEP/(1 + r), η·t at the end; of Algorithm 1 the level of its truncation over τ.
ALPHA, STEP, TIME, LEVEL = 1e-4, 0.2, 40, 10


def _runs(method, options):
    """Return a method's algorithm, and its runs without what names them, for any told trace."""
    rank = options["rank"]
    if method == "frank-wolfe":
        own = {"rule": "open-loop", "theta": None, "keep": None, "weight": 0.5, "step": 1.0}
        return frank_wolfe.Algorithm, own | {"iterations": options["iterations"]}
    step, stated = STEP / (1 + rank), method == "algorithm-1"
    own = {"alpha": ALPHA, "start": "identity", "width": None, "tau": float(rank), "coefficient": 1.0}
    own |= {"truncation": float(LEVEL * rank) if stated else None, "rescaling": int(stated), "batch_size": None}
    return quadratic.Algorithm, own | {"step": step, "iterations": math.ceil(TIME / step)}


def _errors(options, context, ensemble, planted, method, names):
    """Return the error at the end of a method's runs, one for each (m, told trace, target); NaN where it diverged."""
    algorithm, shared = _runs(method, options)
    told = [{"trace_factor": factor, "tau_error": factor - 1} for _, factor, _ in names]
    runs = [{**shared, **own, "m": m, "target": target} for own, (m, _, target) in zip(told, names, strict=True)]
    ends = At({shared["iterations"]})
    context.run(ensemble, algorithm, runs, planted[[run["target"] for run in runs]], [ends], diverges_above=math.inf)
    return dict(zip(names, ends.memory["test"][0].tolist(), strict=True))


def measure(options, context, number):
    """Return one row per method, told trace, m, target and ensemble: the error at the end. X* has r eigenvalues 1."""
    d, rank, targets = options["d"], options["rank"], range(options["targets"])
    counts = sorted((round(ratio * d * rank) for ratio in options["m_over_dr"]), reverse=True)
    ensemble = context.draw(Ensemble, d, counts[0], number)
    planted = draw_targets(spectrum_target(rank, 1), d, rank, context, options["targets"])
    rows = []
    for method in ("frank-wolfe", "algorithm-1", "descent"):
        # Descent needs no prior knowledge: it runs once.
        factors = options["trace_factor"] if method != "descent" else [1.0]
        errors = _errors(options, context, ensemble, planted, method, list(product(counts, factors, targets)))
        for m, factor, target in product(counts, options["trace_factor"], targets):
            error = errors[m, factor if method != "descent" else 1.0, target]
            finite = math.isfinite(error)
            own = {"method": method, "trace_factor": factor, "m": m, "target": target, "ensemble": number}
            values = {"d": d, "rank": rank, "test_error": error if finite else math.nan}
            rows.append(own | values | {"status": "budget" if finite else "diverged"})
    return rows
