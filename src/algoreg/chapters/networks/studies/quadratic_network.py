"""Quadratic networks trained by Algorithm 1, with parts of it left out, with a wrong τ, from any scale, at any width."""

import math
from typing import Literal

import torch

from algoreg.algorithms.quadratic import Algorithm
from algoreg.chapters.networks.variants import labels_of, moments, run_of
from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.diagnostics import generalisation_error, test_error
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.theory import quadratic_network_bound, theorem_11_window
from algoreg.spec.base import StudyOptions, between, choices, real, reals, whole, wholes


class Options(StudyOptions):
    """What the study can be told."""

    d: int = whole(ge=2)
    rank: int = whole()
    kappa: float = real(1.0, ge=1)
    m: list[int] = wholes()
    targets: int = whole(ge=2)
    variants: list[
        Literal[
            "algorithm-1",
            "no-truncation",
            "level-2.5",
            "level-4",
            "level-6",
            "no-rescaling",
            "plain",
            "mean-label",
            "coefficient-4",
            "wrong-sign",
            "permuted-labels",
        ]
    ] = choices(said="a list of names of algoreg.chapters.networks.variants")
    alpha: list[float] = reals(gt=0)
    tau_error: list[float] = reals([0.0], gt=-1, said="a list of relative errors above -1")
    width: list[int] = wholes([], least=0, said="a list of whole numbers of at least 1; empty for d alone")
    step: float = real(gt=0)
    time: float = real(gt=0, said="a number above 0: η·t at the end, or its multiple of κ log(d/α) with until: window")
    until: Literal["time", "window"] = "time"
    record: int = whole(
        1, said="a whole number of at least 1: how many iterations are recorded, log-spaced; 1 is the end alone"
    )
    multiples: list[float] = reals(
        [],
        gt=0,
        least=0,
        said="a list of numbers above 0: further recorded iterations, over κ log(d/α)/η; beyond the end none",
    )
    look: int = whole(
        0,
        ge=0,
        said="a whole number: how many iterations lie between two looks at whether a run has diverged or found half of X*, beside the recorded ones; 0 for these alone",
    )

    def wrong(self):
        """Yield what does not fit together."""
        if self.rank > self.d:
            yield between("rank", "d", allowed="rank at most d")


KEYS = {
    "d": None,
    "rank": None,
    "m": None,
    "variant": None,
    "alpha": None,
    "tau_error": "relative error of the τ that the rescaling step is told",
    "width": "hidden units, the columns of U",
    "iteration": "iteration t, as it ran",
    "target": None,
    "ensemble": None,
}
VALUES = {
    "test_error": None,
    "generalisation_error": (
        "the generalisation error",
        "2‖Δ‖_F² + (tr Δ)², Δ = UUᵀ − X*: mean squared error on a fresh x ~ N(0, I)",
    ),
    "parameter_error": ("the squared error ‖UUᵀ − X*‖_F²", "‖UUᵀ − X*‖_F²"),
    "error_of_zero": "`generalisation_error` of the prediction 0, 2‖X*‖_F² + (tr X*)²",
    "bound": "dκα, Theorem 1.2's bound on `generalisation_error` with constant 1",
    "window": "upper / lower end of Theorem 1.2's window, 1/(κ log(d/α)·√(dκα)); below 1 there is no window",
    "ended": "`iteration`, or the first one looked at by which the run had diverged",
    "reached": "the first iteration looked at with `test_error` below 0.5 (empty if there is none yet)",
    "over_window": "`iteration` / (κ log(d/α)/η), the lower end of Theorem 1.2's window with constant 1",
}

# A relative test error above this is called divergence: nothing that passes it comes back.
DIVERGED_ABOVE = 1e3
# One below this has found half of X*: X = 0 has 1.
REACHED_BELOW = 0.5


def measure(options, context):
    """Return one row per run and recorded iteration.

    Targets have eigenvalues from 1 to 1/κ, in geometric progression. ``test_error`` is relative, ``parameter_error``
    ‖UUᵀ − X*‖_F², ``generalisation_error`` the mean squared error of a fresh example, ``error_of_zero`` that of the prediction 0; ``bound`` is the O(dκα) of
    [LMZ18, Theorem 1.2] with constant 1 and ``window`` the ratio of the ends of its window of T (empty below 1). A run that
    diverges has ``ended`` at the first iteration looked at by which it had, and no errors from there on; ``reached`` is the
    first one looked at with a test error below ``REACHED_BELOW``. ``over_window`` is the iteration over the window's lower end.
    """
    d, rank, kappa, step = options["d"], options["rank"], options["kappa"], options["step"]
    spectrum = [kappa ** (-i / max(rank - 1, 1)) for i in range(rank)]
    nothing = 2 * sum(value**2 for value in spectrum) + sum(spectrum) ** 2
    targets = range(options["targets"])
    drawn = [
        draw_factor({"kind": "spectrum", "eigenvalues": spectrum}, d, rank, context.seed, target) for target in targets
    ]
    planted = torch.stack([torch.from_numpy(u @ u.T) for u in drawn]).to(context.device, context.dtype)
    # Runs that know more measurements come first (see the ensembles' ``shared_by``).
    points = [
        (m, variant, error, target)
        for m in sorted(options["m"], reverse=True)
        for variant in options["variants"]
        for error in options["tau_error"]
        for target in targets
    ]
    wanted = planted[[target for *_, target in points]]
    for number in context.ensembles:
        ensemble = Ensemble.draw(d, max(options["m"]), context.seed, number, context.device, context.dtype)
        labels = ensemble.label(planted)
        seen = torch.stack(
            [labels_of(variant, labels, m, context.seed, number)[target] for m, variant, _, target in points]
        )
        known = ensemble.shared_by([m for m, *_ in points])
        for alpha in options["alpha"]:
            lower, upper = theorem_11_window(d, kappa, alpha, step)
            end = math.ceil(options["time"] * (lower if options["until"] == "window" else 1 / step))
            for width in options["width"] or [d]:
                runs = [
                    run_of(variant, sum(spectrum), alpha, step, m, target, tau_error=error, width=width)
                    for m, variant, error, target in points
                ]
                solver = Algorithm(known, seen, runs, context.seed)
                iterate, done, lost, reached = solver.initial(), 0, {}, {}
                further = {math.ceil(multiple * lower) for multiple in options["multiples"]}
                shown = {*moments(end, options["record"]), *(moment for moment in further if moment <= end)}
                looks = range(options["look"], end, options["look"]) if options["look"] else ()
                for moment in sorted({*shown, *looks}):
                    iterate, done = solver.advance(iterate, done, moment - done), moment
                    estimate = solver.estimate(iterate)
                    relative = test_error(estimate, wanted)
                    for i, error in enumerate(relative.tolist()):
                        if not error < DIVERGED_ABOVE:
                            lost.setdefault(i, moment)
                        elif error < REACHED_BELOW:
                            reached.setdefault(i, moment)
                    if moment not in shown:
                        continue
                    squared = torch.linalg.matrix_norm(estimate - wanted).square()
                    general = generalisation_error(estimate, wanted)
                    for i, (m, variant, error, target) in enumerate(points):
                        yield {
                            "d": d,
                            "rank": rank,
                            "m": m,
                            "variant": variant,
                            "alpha": alpha,
                            "tau_error": error,
                            "width": width,
                            "iteration": moment,
                            "target": target,
                            "ensemble": number,
                            "test_error": math.nan if i in lost else float(relative[i]),
                            "generalisation_error": math.nan if i in lost else float(general[i]),
                            "parameter_error": math.nan if i in lost else float(squared[i]),
                            "error_of_zero": nothing,
                            "bound": quadratic_network_bound(d, kappa, alpha),
                            "window": upper / lower,
                            "ended": lost.get(i, moment),
                            "reached": reached.get(i, math.nan),
                            "over_window": moment / lower,
                            "status": "diverged" if i in lost else "budget",
                        }
        context.say(f"ensemble {number}: {len(points)} runs from each of {len(options['alpha'])} scales done")
