"""Descents from measurements that are not stored, in dimensions at which they could not be: errors, bases, thresholds.

Every run has a target and a draw of its own.
"""

import math
from itertools import product
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg import plugins
from algoreg.chapters.large.leak import predicted
from algoreg.engine.observers import ErrorsByTime, FirstBelow
from algoreg.ensembles import gaussian, unstored
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.settings import options as declared
from algoreg.settings.base import Different, ExperimentOptions, Name, Several, misfit


class Options(ExperimentOptions):
    """What the experiment can be told.

    m/(dr) is ``centre`` times every one of ``factors`` at the smallest d and rank. At other sizes it moves as the leak
    says, or not at all (``fixed``). ``centre`` and ``time`` have a number for every α.
    """

    d: Several[PositiveInt]
    rank: Several[PositiveInt] = Field([1])
    # Targets of rank r are d·r^power in size: 0 crosses the lists d and rank.
    dimension_power: int = Field(0, ge=0, le=3)
    kappa: Several[float] = Field([1.0])
    measured: Literal["unstored", "gaussian"] = "unstored"
    tolerance: PositiveFloat = 1e-4
    storage: Literal["float32", "float64"] = "float64"
    algorithm: Name = "factored"
    algorithm_options: dict = Field({}, description="the algorithm's own options")
    alpha: Several[PositiveFloat] = Field([1e-6])
    centre: list[PositiveFloat] = Field(min_length=1)
    around: Literal["leak", "fixed"] = "leak"
    factors: Different[PositiveFloat] = Field(min_length=1)
    time: list[PositiveFloat] = Field(min_length=1)
    fractions: Different[PositiveFloat] = Field([1.0], description="of `time`, at which a run has a row")
    step: PositiveFloat = 0.25
    # The step is divided by √r to the power of this.
    step_power: Several[float] = Field([0.0])

    @model_validator(mode="after")
    def _fits_together(self):
        if not len(self.alpha) == len(self.centre) == len(self.time):
            raise misfit(self, "one of each for every alpha", "alpha", "centre", "time")
        if max(self.fractions) > 1:
            raise misfit(self, "at most 1", "fractions")
        if allowed := unstored.unfit_tolerance(self.tolerance, self.storage):
            raise misfit(self, allowed, "tolerance")
        d, rank = max(self.d) * max(self.rank) ** self.dimension_power, max(self.rank)
        m = 2 * round(max(self.centre) * max(self.factors) * d * rank)
        directions = unstored.expected_directions(round(max(self.time) / self.step), rank, self.tolerance)
        need = unstored.bytes_of(d, m, directions, self.storage)
        if self.measured == "unstored" and need > unstored.MEMORY_LIMIT_BYTES:
            allowed = f"bases of {unstored.MEMORY_LIMIT_BYTES / 2**30:g} GiB; these would be some {need / 2**30:.1f}"
            raise misfit(self, allowed, "d", "rank", "time")
        return self


FINDS = {"algorithm": "algorithms"}
ENSEMBLE = "unstored"
AXES = {"time": "fractions"}
KEYS = {
    "d": None,
    "rank": None,
    "kappa": None,
    "alpha": None,
    "m_over_dr": None,
    "step_power": "the step is 0.25 over √r to this power",
    "time": None,
    "ensemble": "number of the run, which has a target and a draw of measurements of its own",
}
VALUES = {
    "m": None,
    "test_error": "‖X − X*‖_F / ‖X*‖_F at `time`",
    "iterations": ("the iterations until the error is 0.1", "iterations until the test error is below 0.1, if it is"),
    "directions": (
        "the directions stored",
        "orthonormal directions that the larger of both bases holds at `time`; 0 of a stored ensemble",
    ),
    "megabytes": "MB (10⁶ bytes) that the bases, or the stored ensemble, take at the end",
}

# The relative error at which a threshold is read, and a tenth of it, below which a run has recovered and stops.
TOLERANCE = 0.1
RECOVERED = TOLERANCE / 10
# η·t between two snapshots of the errors.
LOOK = 1.0
ENSEMBLES = {"unstored": unstored, "gaussian": gaussian}


class Seen(ErrorsByTime):
    """The errors at some iterations, and how many directions the bases hold by then: memory ``directions`` (B, K)."""

    def prepare(self, batch):
        """Begin without directions."""
        super().prepare(batch)
        self.memory["directions"] = self.memory["errors"] * 0

    def observe(self, snapshot):
        """Take in both."""
        later = [k for k, end in enumerate(self.iterations) if end >= snapshot.iteration]
        self.memory["directions"][:, later] = getattr(snapshot.batch.ensemble, "directions", 0)
        return super().observe(snapshot)


def measure(options, context, number):
    """Return a row per size, κ, α, m/(dr), step and time: the relative test error, and what the ensemble stores.

    X* has r eigenvalues from 1 to 1/κ. A run whose error is below 0.01 has recovered X* and stops; its rows at later
    times have the error and the bases that it stopped with.
    """
    for rank, base, kappa, power in product(options["rank"], options["d"], options["kappa"], options["step_power"]):
        d = base * rank ** options["dimension_power"]
        for alpha, centre, time in zip(options["alpha"], options["centre"], options["time"], strict=True):
            for ratio in ratios(options, d / rank, alpha, centre):
                names = {"d": d, "rank": rank, "kappa": kappa, "alpha": alpha, "m_over_dr": ratio, "step_power": power}
                yield from _run(options, context, number, names, time)


def ratios(options, size, alpha, centre):
    """Return m/(dr) at a size d/r, of three digits."""
    if options["around"] == "leak":
        smallest = min(options["d"]) / min(options["rank"])
        (centre,) = predicted(centre, smallest, [size], alpha)
    return [round(centre * factor, 3) for factor in options["factors"]]


def _run(options, context, number, names, time):
    """Return the rows of one run."""
    d, rank = names["d"], names["rank"]
    m, step = round(names["m_over_dr"] * d * rank), options["step"] / rank ** (names["step_power"] / 2)
    own = {"tolerance": options["tolerance"], "storage": options["storage"]}
    drawn = ENSEMBLES[options["measured"]].Ensemble
    ensemble = context.draw(drawn, d, m, number, **(own if options["measured"] == "unstored" else {}))
    known = declared.of_runs(options["algorithm"])
    target = draw_targets(spectrum_target(rank, names["kappa"]), d, rank, context, 1, first=number)
    ends = [max(round(fraction * time / step), 1) for fraction in sorted(options["fractions"])]
    run = {**known, "rank": rank, **options["algorithm_options"]}
    run |= {"alpha": names["alpha"], "m": m, "step": step, "iterations": ends[-1], "target": number}
    look = max(round(LOOK / step), 1)
    seen, first = Seen(ends, look, RECOVERED), FirstBelow([TOLERANCE, RECOVERED])
    first.stride = look
    context.run(
        ensemble, plugins.algorithm(options["algorithm"]), [run], target, [seen, first], diverges_above=math.inf
    )
    stored = ensemble.bytes if options["measured"] == "unstored" else ensemble.rows.numel() * ensemble.rows.itemsize
    iterations = float(first.memory["times"][0, 0])
    rows = zip(sorted(options["fractions"]), *(seen.memory[name][0] for name in ("errors", "directions")), strict=True)
    for fraction, error, directions in rows:
        finite = math.isfinite(error)
        yield {
            **names,
            "time": time * fraction,
            "ensemble": number,
            "m": m,
            "test_error": float(error) if finite else math.nan,
            "iterations": iterations,
            "directions": int(directions),
            "megabytes": stored / 1e6,
            "status": "diverged" if not finite else "converged" if error < RECOVERED else "budget",
        }
