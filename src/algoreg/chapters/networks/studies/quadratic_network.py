"""Quadratic networks trained by Algorithm 1, with parts of it left out, with a wrong τ, from any scale, at any width."""

import math

import torch

from algoreg.algorithms.quadratic import Algorithm
from algoreg.chapters.li2018 import quadratic_network_bound, theorem_11_window
from algoreg.chapters.networks.variants import labels_of, moments, run_of
from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.diagnostics import generalisation_error, test_error
from algoreg.numerics.problems import draw_factor

OPTIONS = {
    "d": "whole >= 2",
    "rank": "whole >= 1",
    "kappa": {"kind": "number >= 1", "default": 1.0},
    "m": "wholes >= 1",
    "targets": "whole >= 2",
    "variants": {
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {
            "enum": [
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
        },
        "description": "a list of names of algoreg.chapters.networks.variants",
    },
    "alpha": "numbers > 0",
    "tau_error": {
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {"type": "number", "exclusiveMinimum": -1},
        "default": [0.0],
        "description": "a list of relative errors above -1",
    },
    "width": {
        "kind": "wholes >= 1",
        "minItems": 0,
        "default": [],
        "description": "a list of whole numbers of at least 1; empty for d alone",
    },
    "step": "number > 0",
    "time": {
        "kind": "number > 0",
        "description": "a number above 0: η·t at the end, or its multiple of κ log(d/α) with until: window",
    },
    "until": {"enum": ["time", "window"], "default": "time", "description": "time or window"},
    "record": {
        "kind": "whole >= 1",
        "default": 1,
        "description": "a whole number of at least 1: how many iterations are recorded, log-spaced; 1 is the end alone",
    },
    "multiples": {
        "kind": "numbers > 0",
        "minItems": 0,
        "default": [],
        "description": "a list of numbers above 0: further recorded iterations, over κ log(d/α)/η; beyond the end none",
    },
    "look": {
        "kind": "whole >= 0",
        "default": 0,
        "description": "a whole number: how many iterations lie between two looks at whether a run has diverged or found half "
        "of X*, beside the recorded ones; 0 for these alone",
    },
}
CHECKS = (("rank <= d", "rank at most d"),)
KEYS = ("d", "rank", "m", "variant", "alpha", "tau_error", "width", "iteration", "target", "ensemble")
VALUES = (
    "test_error",
    "generalisation_error",
    "parameter_error",
    "error_of_zero",
    "bound",
    "window",
    "ended",
    "reached",
    "over_window",
)

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
