"""How many measurements recovery takes: descents that know m measurements, m on a grid around the threshold."""

import math
from itertools import product
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg import plugins
from algoreg.engine.observers import ErrorsByTime
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factor, spectrum_target, stacked
from algoreg.numerics.theory import psd_statistical_dimension
from algoreg.settings import options as declared
from algoreg.settings.base import Different, ExperimentOptions, Name, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: Several[PositiveInt]
    rank: Several[PositiveInt]
    # Targets of rank r are d·r^power in size: 0 crosses the lists d and rank.
    dimension_power: int = Field(0, ge=0, le=3)
    spectrum: Several[Literal["flat", "columns"]]
    algorithm: Name = "factored"
    algorithm_options: dict = Field({}, description="the algorithm's own options")
    ratios: Different[PositiveFloat] = Field(min_length=2)
    unit: Literal["dr", "psd"] = "dr"
    alpha: Several[PositiveFloat] = Field([1e-06])
    step: Several[PositiveFloat] = Field([0.25])
    time: Several[PositiveFloat] = Field([60.0])
    recovered: PositiveFloat = Field(
        1e-3,
        description="the relative error below which a run has recovered X* and leaves the batch: at most a tenth of every "
        "tolerance at which a threshold is read, where estimands stop telling errors apart",
    )
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if max(self.step) > min(self.time):
            raise misfit(self, "every step at most every time", "step", "time")
        return self


# Which option names a module of which folder; see algoreg.plugins.
FINDS = {"algorithm": "algorithms"}
# What the algorithm has to go with.
ENSEMBLE = "gaussian"
KEYS = {
    "d": None,
    "rank": None,
    "spectrum": "X*: `flat`, r eigenvalues 1, or `columns`, r unit Gaussian columns as in the paper",
    "m": None,
    "alpha": "initialisation scale α: U₀ = αI (0 for projected descent)",
    "step": None,
    "time": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "test_error": "‖X − X*‖_F / ‖X*‖_F at `elapsed`",
    "elapsed": "η·t at which the run stopped, recovered (`test_error` below `recovered`) or diverged; else `time`",
}

# η·t between two snapshots of the errors.
LOOK = 1.0


def measure(options, context):
    """Return one row per size, spectrum, m, α, step, time, target and ensemble: the relative test error by that time.

    X* has r eigenvalues 1 (``flat``) or is the paper's (``columns``); m is ``ratios`` times dr, or times the
    statistical dimension of the PSD cone there (``psd``). Runs that know m measurements know the first m of one
    ensemble. The start is the algorithm's own, scaled by α where it has a scale; else α is written as 0. ``time`` is
    η·t; a run that has recovered X* or diverged by then stops there, at ``elapsed``.
    """
    ranks_of = {}
    for rank, d in product(options["rank"], options["d"]):
        ranks_of.setdefault(d * rank ** options["dimension_power"], []).append(rank)
    for number, (d, ranks) in product(context.ensembles, ranks_of.items()):
        yield from context.part(f"ensemble {number}, d = {d}", _rows, options, context, number, d, ranks)


def measurement_counts(unit, ratios, d, rank):
    """Return the numbers of measurements, rising: the ratios times dr (``dr``) or times the statistical dimension of
    the PSD cone at a matrix of this rank (``psd``), rounded.
    """
    scale = d * rank if unit == "dr" else psd_statistical_dimension(d, rank)
    return sorted({max(round(ratio * scale), 1) for ratio in ratios})


def _rows(options, context, number, d, ranks):
    """Return the rows of one ensemble of one size."""
    counts = {rank: measurement_counts(options["unit"], options["ratios"], d, rank) for rank in ranks}
    most = max(max(each) for each in counts.values())
    ensemble = context.draw(Ensemble, d, most, number)
    runs, planted = _runs(options, context, d, counts)
    return [row for step in options["step"] for row in _sweep(options, context, ensemble, runs, planted, step)]


def _runs(options, context, d, counts):
    """Return the runs without their step, and their targets, shape (B, d, d)."""
    known = declared.of_runs(options["algorithm"])
    own = {**known, **options.get("algorithm_options", {})}
    starts = options["alpha"] if "alpha" in known else [0.0]
    runs, planted = [], []
    for (rank, sizes), spectrum, target in product(counts.items(), options["spectrum"], range(options["targets"])):
        kind = {"kind": "columns"} if spectrum == "columns" else spectrum_target(rank, 1)
        factor = draw_factor(kind, d, rank, context.seed, target)
        names = {**own, "rank": rank, "spectrum": spectrum, "target": target}
        runs += [{**names, "m": m, "alpha": alpha} for m, alpha in product(sizes, starts)]
        planted += [factor @ factor.T] * (len(sizes) * len(starts))
    return runs, stacked(planted, context)


def _sweep(options, context, ensemble, runs, planted, step):
    """Return the rows of all runs of one ensemble and step, which go through it together."""
    times = sorted(options["time"])
    ends = [max(round(time / step), 1) for time in times]
    seen = ErrorsByTime(ends, max(round(LOOK / step), 1), options["recovered"])
    algorithm = plugins.algorithm(options["algorithm"])
    runs = [{**run, "step": step, "iterations": ends[-1]} for run in runs]
    context.run(ensemble, algorithm, runs, planted, [seen], diverges_above=math.inf)
    rows = []
    for run, errors, ended in zip(runs, *(seen.memory[kept].tolist() for kept in ("errors", "ended")), strict=True):
        for time, error in zip(times, errors, strict=True):
            finite = math.isfinite(error)
            status = "diverged" if not finite else "converged" if error < options["recovered"] else "budget"
            names = {key: run[key] for key in ("rank", "spectrum", "m", "alpha", "target", "step")}
            rows.append(
                {"d": ensemble.d, **names, "time": time, "ensemble": ensemble.number}
                | {"test_error": error if finite else math.nan, "elapsed": min(ended * step, time), "status": status}
            )
    return rows
