"""The error of factored descent at multiples of κ log(d/α)/η, where Theorem 1.1 has it below α√d/κ²."""

from itertools import product

import torch

from algoreg.engine.batches import Batch, count_of, draw_planted, ensembles_of, initial_factor, isometry_bounds
from algoreg.numerics.theory import theorem_11_constant, theorem_11_error, theorem_11_window
from algoreg.spec.base import StudyOptions, between, gaussian_fits, real, reals, whole, wholes


class Options(StudyOptions):
    """What the study can be told."""

    dimensions: list[int] = wholes(ge=2)
    rank: int = whole()
    kappas: list[float] = reals(ge=1)
    alphas: list[float] = reals(gt=0)
    m_per_dr: list[float] = reals(gt=0)
    times: list[float] = reals(gt=0)
    step: float = real(gt=0)
    targets: int = whole(ge=2)

    def wrong(self):
        """Yield what does not fit together."""
        if self.rank > min(self.dimensions):
            yield between("rank", "dimensions", allowed="rank at most every d")
        if self.rank == 1 and max(self.kappas) > 1:
            yield between("rank", "kappas", allowed="kappas of 1 alone for rank 1")
        if max(self.alphas) >= min(self.dimensions):
            yield between("alphas", "dimensions", allowed="alphas below every d")
        if len(self.alphas) * len(self.dimensions) < 3:
            yield between("alphas", "dimensions", allowed="at least three alphas or dimensions: an exponent needs them")
        if not gaussian_fits(max(self.dimensions), max(self.m_per_dr) * max(self.dimensions) * self.rank, gram=True):
            yield between("m_per_dr", "dimensions", "rank", allowed="an ensemble of at most 4 GiB")


KEYS = {
    "d": None,
    "rank": None,
    "kappa": None,
    "m_per_dr": None,
    "alpha": None,
    "time": "iteration over κ log(d/α)/η, the lower end of Theorem 1.1's window",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "m": None,
    "iteration": "iteration t, as it ran",
    "last_iteration": "1/(η√(dκα)), the upper end of Theorem 1.1's window, in iterations",
    "in_window": "1 if `iteration` is at most `last_iteration`, else 0",
    "squared_error": ("the squared error ‖UUᵀ − X*‖_F²", "‖UUᵀ − X*‖_F²"),
    "over_bound": (
        "the squared error over the bound α√d/κ²",
        "`squared_error` / (α√d/κ²), Theorem 1.1's bound with constant 1",
    ),
    "delta_low": "lower end of the bracket of δ of rank 4r",
    "delta_high": None,
    "least_constant": None,
}


def measure(options, context):
    """Return one row per d, κ, m/dr, α, time, target and ensemble: ‖UUᵀ − X*‖_F² at iteration ``time``·κ log(d/α)/η.

    Targets have eigenvalues from 1 to 1/κ in equal ratios, and descent starts from αI. ``last_iteration`` is the upper end
    1/(η√(dκα)) of the theorem's window and ``in_window`` is 1 for a row not after it; ``over_bound`` is the squared error over
    α√d/κ². For the last three columns see the study ``iterations``.
    """
    rank, step, times = options["rank"], options["step"], sorted(options["times"])
    for number, d in product(context.ensembles, options["dimensions"]):
        targets = range(options["targets"])
        factors = {
            kappa: draw_planted(d, rank, kappa, context.seed, len(targets), context) for kappa in options["kappas"]
        }
        counts = {per: count_of(per, d, rank) for per in sorted(options["m_per_dr"], reverse=True)}
        for ensemble, known in ensembles_of(d, counts.values(), context, number):
            bounds = {m: isometry_bounds(ensemble, m, rank, context.seed) for m in known}
            runs = [
                {"d": d, "rank": rank, "kappa": kappa, "m_per_dr": per, "alpha": alpha, "target": target}
                | {"m": m, "step": step, "ensemble": number}
                for (per, m), kappa, alpha, target in product(
                    counts.items(), options["kappas"], options["alphas"], targets
                )
                if m in known
            ]
            for run, time, iteration, squared in _follow(ensemble, runs, factors, times, context.seed):
                low, high = bounds[run["m"]]
                sizes = [run[key] for key in ("d", "rank", "kappa", "alpha", "step")]
                last = theorem_11_window(d, run["kappa"], run["alpha"], step)[1]
                finite = squared < float("inf")
                yield {key: value for key, value in run.items() if key != "step"} | {
                    "time": time,
                    "iteration": iteration,
                    "last_iteration": last,
                    "in_window": float(iteration <= last),
                    "squared_error": squared if finite else None,
                    "over_bound": squared / theorem_11_error(d, run["kappa"], run["alpha"]) if finite else None,
                    "delta_low": low,
                    "delta_high": high,
                    "least_constant": theorem_11_constant(*sizes, low if high is None else high),
                    "status": "budget" if finite else "diverged",
                }
        context.say(f"ensemble {number}, d = {d}: done")


def _follow(ensemble, runs, factors, times, seed):
    """Yield (run, time, iteration, squared error) for every run at every time."""
    planted = [factors[run["kappa"]][run["target"]] for run in runs]
    goals = torch.stack([factor @ factor.T for factor in planted])
    initial = torch.stack(
        [
            initial_factor("identity", run["alpha"], factor, seed, run["target"])
            for run, factor in zip(runs, planted, strict=True)
        ]
    )
    events = []
    for i, run in enumerate(runs):
        first = theorem_11_window(run["d"], run["kappa"], run["alpha"], run["step"])[0]
        events += [(round(time * first), i, time) for time in times]
    batch = Batch(ensemble, runs, ensemble.label(goals), initial)
    for iteration in sorted({iteration for iteration, _, _ in events}):
        batch.advance(iteration - batch.iteration)
        squares = torch.linalg.matrix_norm(batch.estimates() - goals[batch.alive]).square().tolist()
        place = {i: k for k, i in enumerate(batch.alive)}
        now = [(i, time) for when, i, time in events if when == iteration]
        for i, time in now:
            yield runs[i], time, iteration, squares[place[i]]
        ending = {i for i, time in now if time == times[-1]}
        batch.leave([i in ending for i in batch.alive])
