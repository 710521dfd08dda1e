"""How near other kinds of descent come to X* by m, at several sizes, from measurements that are not stored.

Every run has a target and a draw of its own.
"""

import math
from itertools import product
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg import plugins
from algoreg.chapters.large.experiments.unstored_runs import LOOK, RECOVERED, Seen
from algoreg.ensembles import unstored
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.settings import options as declared
from algoreg.settings.base import Different, ExperimentOptions, Name, Several, misfit


class Options(ExperimentOptions):
    """What the experiment can be told: one method, and sizes, which are every d at rank 1 and every rank at one d."""

    d: Several[PositiveInt]
    rank: Several[PositiveInt]
    d_of_ranks: PositiveInt
    algorithm: Name = "factored"
    algorithm_options: dict = Field({}, description="the algorithm's own options")
    columns: Literal["full", "rank"] = Field("full", description="of the factor: d, or the rank of X*")
    alpha: PositiveFloat = 1e-6
    step: PositiveFloat = 0.25
    time: PositiveFloat = Field(60, description="step times iterations")
    ratios: Different[PositiveFloat] = Field(description="m/(dr)")
    tolerance: PositiveFloat = 1e-4

    @model_validator(mode="after")
    def _fits_together(self):
        if max(self.rank) > self.d_of_ranks:
            raise misfit(self, "rank at most d_of_ranks", "rank", "d_of_ranks")
        if allowed := unstored.unfit_tolerance(self.tolerance, "float64"):
            raise misfit(self, allowed, "tolerance")
        return self


FINDS = {"algorithm": "algorithms"}
ENSEMBLE = "unstored"
KEYS = {
    "d": None,
    "rank": None,
    "alpha": None,
    "m_over_dr": None,
    "ensemble": "number of the run, which has a target and a draw of measurements of its own",
}
VALUES = {
    "m": None,
    "test_error": "‖X − X*‖_F / ‖X*‖_F at the end",
    "directions": ("the directions stored", "orthonormal directions that the larger of both bases holds at the end"),
}


def measure(options, context, number):
    """Return a row per size and m/(dr): the relative test error at the end. X* has r eigenvalues of 1."""
    for d, rank in [*product(options["d"], [1]), *product([options["d_of_ranks"]], options["rank"])]:
        target = draw_targets(spectrum_target(rank, 1.0), d, rank, context, 1, first=number)
        own = dict(options["algorithm_options"])
        if options["columns"] == "rank":
            own["width"] = rank
        run = {**declared.of_runs(options["algorithm"]), "rank": rank, **own}
        for ratio in sorted(options["ratios"]):
            m, iterations = round(ratio * d * rank), max(round(options["time"] / options["step"]), 1)
            run |= {"alpha": options["alpha"], "m": m, "step": options["step"], "iterations": iterations}
            ensemble = context.draw(unstored.Ensemble, d, m, number, tolerance=options["tolerance"], storage="float64")
            seen = Seen([iterations], max(round(LOOK / options["step"]), 1), RECOVERED)
            algorithm = plugins.algorithm(options["algorithm"])
            context.run(ensemble, algorithm, [{**run, "target": number}], target, [seen], diverges_above=math.inf)
            error = float(seen.memory["errors"][0, 0])
            yield {
                "d": d,
                "rank": rank,
                "alpha": options["alpha"],
                "m_over_dr": ratio,
                "ensemble": number,
                "m": m,
                "test_error": error if math.isfinite(error) else math.nan,
                "directions": int(seen.memory["directions"][0, 0]),
                "status": "diverged" if not math.isfinite(error) else "converged" if error < RECOVERED else "budget",
            }
