"""The methods that race: which algorithm with which options, from which grid its step comes,
what it is told, what a step costs.
"""

from dataclasses import dataclass, field
from itertools import product

from algoreg.algorithms import (
    accelerated,
    accelerated_projected,
    deep,
    factored,
    frank_wolfe,
    hard_thresholding,
    least_trace,
    penalised_trace,
    preconditioned,
    projected,
    rank_search,
    trace_projected,
)
from algoreg.settings import options as declared

# Where a method's option follows from the problem: in place of its value.
RANK, TWICE_THE_RANK, PUBLISHED_DAMPING = "r", "2r", "σ_r/100"


@dataclass(frozen=True)
class Method:
    """A method as it races.

    Attributes
    ----------
    algorithm : type
        A subclass of :class:`algoreg.algorithms.base.Algorithm`.
    prior_knowledge : str
        What it must know of X* beside the labels: ``nothing``, ``rank``, …
    steps : tuple of float
        The grid of η; a step is chosen by what a longer one does, too (:func:`algoreg.chapters.race.runs.tuned`).
    options : mapping
        Of its runs. A value may be ``RANK``, ``TWICE_THE_RANK`` or ``PUBLISHED_DAMPING``, which follow from the target.
    momenta : tuple of float
        The grid of μ; empty where it has none to choose.
    passes : float
        Passes over the data in an iteration: a pass is one gradient, half a pass the measurements alone.
    first_passes : float
        Passes before the first iteration.
    most : int, optional
        Iterations after which a costly one is stopped, whatever the budget; tables mention it.
    """

    algorithm: type
    prior_knowledge: str
    steps: tuple
    options: dict = field(default_factory=dict)
    momenta: tuple = ()
    passes: float = 1.0
    first_passes: float = 0.0
    most: int | None = None

    @property
    def starts_small(self):
        """Whether its start is of a size α."""
        return "alpha" in self.options and self.options.get("start") != "spectral"

    def settings(self, rank, kappa):
        """Return the options of a run on a target of this rank and condition number."""
        known = declared.of_runs(self.algorithm.__module__.rsplit(".", 1)[1])
        given = {RANK: rank, TWICE_THE_RANK: 2 * rank, PUBLISHED_DAMPING: 0.01 / kappa}
        own = {
            key: given[value] if isinstance(value, str) and value in given else value
            for key, value in self.options.items()
        }
        return {**known, **own, "rank": rank}

    def grid(self):
        """Return what is to choose from: mappings with ``step``, and ``momentum`` where there are several."""
        if not self.momenta:
            return [{"step": step} for step in self.steps]
        return [{"step": step, "momentum": momentum} for step, momentum in product(self.steps, self.momenta)]


# The prior knowledge of a method.
NOTHING, TOLD_RANK, TOLD_BOUND, TOLD_SMALLEST = "nothing", "rank", "rank bound", "sigma_r"
TOLD_TRACE, TOLD_BOTH = "trace", "rank and trace"
# A quarter apart, so that a step and the longer one that it must stand are both of the grid. The longest are the last
# that can.
FACTORED = (0.32, 0.4, 0.5, 0.625)
SHORTER = (0.256, 0.32, 0.4, 0.5)
MOMENTA = (0.5, 0.7, 0.85, 0.93)
THRESHOLDED, THRESHOLDED_MOMENTA = (0.32, 0.4, 0.5), (0.25, 0.5)
# The smallest are for large κ.
GAMMAS = tuple(0.0125 * 2.0**power for power in range(-3, 7))
# From the spectrum of the labels' pull: a pass before the first iteration.
SPECTRAL = {"width": RANK, "start": "spectral", "alpha": 1.0}

METHODS = {
    "descent_1e-3": Method(factored.Algorithm, NOTHING, FACTORED, {"alpha": 1e-3}, most=2000),
    "descent_1e-8": Method(factored.Algorithm, NOTHING, FACTORED, {"alpha": 1e-8}),
    "descent_2r": Method(
        factored.Algorithm, TOLD_BOUND, FACTORED, {"alpha": 1e-8, "width": TWICE_THE_RANK, "start": "gaussian"}
    ),
    "descent_r": Method(factored.Algorithm, TOLD_RANK, FACTORED, SPECTRAL, first_passes=1),
    "momentum_full": Method(accelerated.Algorithm, NOTHING, SHORTER, {"alpha": 1e-12}, MOMENTA, most=3000),
    "momentum_r": Method(accelerated.Algorithm, TOLD_RANK, SHORTER, SPECTRAL, MOMENTA, first_passes=1),
    "residual_damping": Method(
        preconditioned.Algorithm,
        NOTHING,
        SHORTER,
        {"alpha": 1e-12, "damping": "residual"},
        most=600,
    ),
    # λ as published [xu2023]: a hundredth of what the smallest eigenvalue allows.
    "constant_damping": Method(
        preconditioned.Algorithm,
        TOLD_SMALLEST,
        SHORTER,
        {"alpha": 1e-12, "damping": "constant", "coefficient": PUBLISHED_DAMPING},
        most=600,
    ),
    "scaled_r": Method(
        preconditioned.Algorithm, TOLD_RANK, SHORTER, {**SPECTRAL, "damping": "none"}, first_passes=1, most=600
    ),
    # When it takes another eigenvector was chosen on other draws, between 1.15 and 5 times dr measurements: a rule that
    # waits less takes a few passes fewer where there are many, and grows beyond r where there are few.
    "search": Method(rank_search.Algorithm, NOTHING, THRESHOLDED, {"stall": 0.99}, THRESHOLDED_MOMENTA, most=400),
    "thresholding": Method(hard_thresholding.Algorithm, TOLD_RANK, (0.4, 0.5, 0.625), most=600),
    # The pull that spans its first step is that of its first pass.
    "thresholding_adaptive": Method(
        hard_thresholding.Algorithm, TOLD_RANK, (0.512, 0.64, 0.8), {"rule": "adaptive"}, passes=1.5, most=600
    ),
    "thresholding_momentum": Method(
        hard_thresholding.Algorithm, TOLD_RANK, THRESHOLDED, momenta=THRESHOLDED_MOMENTA, most=600
    ),
    "thresholding_2r": Method(
        hard_thresholding.Algorithm, TOLD_BOUND, THRESHOLDED, {"keep": TWICE_THE_RANK}, THRESHOLDED_MOMENTA, most=600
    ),
    "deep_3": Method(
        deep.Algorithm, NOTHING, (0.4, 0.5, 0.625, 0.78125), {"alpha": 1e-3, "depth": 3, "rule": "relative"}, most=1000
    ),
    "projected": Method(projected.Algorithm, NOTHING, (0.2048, 0.256, 0.32), most=300),
    "accelerated_projected": Method(accelerated_projected.Algorithm, NOTHING, (0.2048, 0.256, 0.32), most=600),
    # The gradient that they begin with is that of their first pass. The open loop reads no step.
    "frank_wolfe": Method(frank_wolfe.Algorithm, TOLD_TRACE, (1.0,), most=700),
    "frank_wolfe_d": Method(
        frank_wolfe.Algorithm, TOLD_TRACE, (0.64, 0.8, 1.0), {"rule": "rank-k", "keep": "all"}, most=400
    ),
    "frank_wolfe_r": Method(frank_wolfe.Algorithm, TOLD_BOTH, (0.8, 1.0, 1.25), {"rule": "rank-k"}, most=600),
    "trace_projected": Method(trace_projected.Algorithm, TOLD_TRACE, (0.256, 0.32), momenta=(0.7, 0.85), most=400),
    # The decomposition of AAᵀ before the first iteration is no pass; its step is γ.
    "least_trace": Method(least_trace.Algorithm, NOTHING, GAMMAS, most=600),
    "penalised_trace": Method(penalised_trace.Algorithm, NOTHING, (0.4, 0.5), {"decay": 0.7}, (0.7, 0.85), most=400),
    # Near the fewest measurements and under noise the path must be followed more slowly.
    "penalised_slowly": Method(penalised_trace.Algorithm, NOTHING, (0.32, 0.4), {"decay": 0.97}, (0.7,), most=600),
}
