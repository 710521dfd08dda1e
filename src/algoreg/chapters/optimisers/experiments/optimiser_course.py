"""Eigenvalues over time in matrix sensing, for optimisers side by side."""

from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.chapters.optimised import descend
from algoreg.chapters.optimisers.methods import MethodName, run_of
from algoreg.engine.observers import Observer
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.eigen import eigenvalues
from algoreg.numerics.problems import draw_factor, stacked
from algoreg.settings.base import Different, ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=4)
    eigenvalues: Different[PositiveFloat]
    m_over_dr: PositiveFloat
    alpha: PositiveFloat
    methods: Several[MethodName]
    iterations: PositiveInt
    points: PositiveInt = 80


KEYS = {"method": "optimiser", "place": "1 for the largest eigenvalue of X", "iteration": None, "ensemble": None}
VALUES = {"d": None, "rank": None, "m": None, "alpha": None, "eigenvalue": "eigenvalue of X", "iterations": None}


class Spectra(Observer):
    """The eigenvalues of every run at some iterations: memory ``spectra`` (K, B, d), rising."""

    def __init__(self, iterations):
        self.iterations = iterations

    def prepare(self, batch):
        """Allocate the memory."""
        super().prepare(batch)
        self.memory["spectra"] = batch.targets.new_zeros(len(self.iterations), *batch.targets.shape[:2]).cpu()

    def observe(self, snapshot):
        """Take in the eigenvalues."""
        place = self.iterations.index(snapshot.iteration)
        self.memory["spectra"][place, snapshot.active] = eigenvalues(snapshot.estimate).cpu()


def measure(options, context, number):
    """Return one row per method, eigenvalue and recorded iteration, of one draw, from αG at full width."""
    d, values, last = options["d"], options["eigenvalues"], options["iterations"]
    rank = len(values)
    ensemble = context.draw(Ensemble, d, round(options["m_over_dr"] * d * rank), number)
    factor = draw_factor({"kind": "spectrum", "eigenvalues": values}, d, rank, context.seed, number)
    own = {"alpha": options["alpha"], "start": "gaussian", "target": number}
    runs = [run_of(name, last, **own) for name in options["methods"]]
    points = options["points"]
    seen = Spectra(sorted({round(last * (k / points) ** 2) for k in range(points + 1)}))
    status = descend(context, ensemble, runs, stacked([factor @ factor.T] * len(runs), context), [seen])
    names = {"ensemble": number, "d": d, "rank": rank, "m": ensemble.m, "alpha": options["alpha"], "iterations": last}
    return [
        {"method": run["method"], "place": place + 1, "iteration": iteration, **names}
        | {"eigenvalue": seen.memory["spectra"][moment, k, d - 1 - place].item(), "status": status[k]}
        for k, run in enumerate(runs)
        for moment, iteration in enumerate(seen.iterations)
        for place in range(d)
    ]
