"""What a wrong trace costs: Frank–Wolfe of low rank, given θ, beside descent without prior knowledge."""

import math

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import factored, frank_wolfe
from algoreg.chapters.frank_wolfe.runs import At
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    m_over_dr: PositiveFloat = 4
    trace_factor: Several[PositiveFloat]
    keep: PositiveInt = 8
    iterations: PositiveInt
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if max(self.rank, self.keep) > self.d:
            raise misfit(self, "rank and keep at most d", "rank", "keep", "d")
        # The statistical dimension of positivity, D(d) − D(d − r)/2 with D(d) = d(d+1)/2.
        needed = self.d * (self.d + 1) / 2 - (self.d - self.rank) * (self.d - self.rank + 1) / 4
        if self.m_over_dr * self.d * self.rank >= needed:
            allowed = "m below the statistical dimension of positivity, which decides above it"
            raise misfit(self, allowed, "m_over_dr", "rank", "d")
        return self


KEYS = {
    "method": "`told θ`: Frank–Wolfe of rank ``keep``; `descent`: UUᵀ of full width from α = 10⁻³, told nothing",
    "trace_factor": ("θ over the trace", "θ over the trace of X* (for descent: that of the row it stands beside)"),
    "target": None,
    "ensemble": None,
}
VALUES = {"d": None, "rank": None, "m": None, "test_error": None, "train_error": None}
# η of the two in M-form; α and η·t of descent.
TOLD_STEP, STEP = 0.6, 0.25
ALPHA, TIME = 1e-3, 100


def _run(context, ensemble, algorithm, settings, planted):
    runs = [{**setting, "m": ensemble.m, "target": target} for setting in settings for target in range(len(planted))]
    goals, ends = planted.repeat(len(settings), 1, 1), At({settings[0]["iterations"]})
    context.run(ensemble, algorithm, runs, goals, [ends], diverges_above=math.inf)
    return zip(runs, *(ends.memory[name][0].tolist() for name in ("test", "train")), strict=True)


def measure(options, context, number):
    """Return one row per method, θ, target and ensemble: the errors at the end."""
    d, rank = options["d"], options["rank"]
    m = round(options["m_over_dr"] * d * rank)
    ensemble = context.draw(Ensemble, d, m, number)
    planted = draw_targets(spectrum_target(rank, 1), d, rank, context, options["targets"])
    own = {"rule": "rank-k", "theta": None, "keep": options["keep"], "weight": 0.5, "step": TOLD_STEP, "rank": rank}
    own |= {"iterations": options["iterations"]}
    settings = [{**own, "trace_factor": factor} for factor in options["trace_factor"]]
    plain = {"alpha": ALPHA, "start": "identity", "width": None, "step": STEP, "iterations": round(TIME / STEP)}
    shared = {"d": d, "rank": rank, "m": ensemble.m, "ensemble": number}

    def row(method, factor, run, test, train):
        finite = math.isfinite(test)
        values = {"test_error": test if finite else math.nan, "train_error": train if finite else math.nan}
        names = {"method": method, "trace_factor": factor, "target": run["target"]}
        return {**shared, **names, **values, "status": "budget" if finite else "diverged"}

    found = _run(context, ensemble, frank_wolfe.Algorithm, settings, planted)
    rows = [row("told θ", run["trace_factor"], run, test, train) for run, test, train in found]
    for run, test, train in _run(context, ensemble, factored.Algorithm, [plain], planted):
        rows += [row("descent", factor, run, test, train) for factor in options["trace_factor"]]
    return rows
