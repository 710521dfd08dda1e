"""The optimisers that this chapter compares, by name: what each is called and its options."""

from typing import Annotated

from pydantic import AfterValidator

from algoreg.chapters.optimised import DEFAULTS

# Muon's and Adam's usual β.
BETA = 0.9
ADAM = {"geometry": "adam", "momentum": BETA}
POLAR = {"geometry": "polar"}
# What readers call it, its options, and the steps of its annealed runs: from, to. None: constant.
METHODS = {
    "descent": ("gradient descent", {"geometry": "descent"}, (0.25, None)),
    "nesterov": ("Nesterov, β = 0.9", {"momentum": BETA, "momentum_form": "nesterov"}, (0.5, None)),
    "normalised": ("normalised descent", {"geometry": "normalised"}, (0.1, 1e-6)),
    "normalised_momentum": ("normalised, β = 0.9", {"geometry": "normalised", "momentum": BETA}, (0.1, 1e-6)),
    "sign": ("sign descent", {"geometry": "sign"}, (0.02, 1e-6)),
    "signum": ("signum, β = 0.9", {"geometry": "sign", "momentum": BETA}, (0.05, 1e-6)),
    "adam": ("Adam", ADAM, (0.02, 1e-5)),
    "adam_0.01": ("Adam, ε = 0.01", {**ADAM, "epsilon": 0.01}, (0.02, 1e-5)),
    "adam_1": ("Adam, ε = 1", {**ADAM, "epsilon": 1.0}, (0.25, None)),
    "rmsprop": ("RMSProp", {"geometry": "adam"}, (0.02, 1e-5)),
    "shampoo": ("Shampoo, one-sided", {"geometry": "shampoo", "second_momentum": 0.9}, (0.05, 1e-6)),
    "polar": ("polar steps", POLAR, (0.05, 1e-6)),
    "newton_schulz": ("Newton–Schulz steps", {"geometry": "newton_schulz"}, (0.05, 1e-6)),
    "muon": ("polar steps, β = 0.9", {**POLAR, "momentum": BETA}, (0.05, 1e-6)),
    # The large steps with which momentum recovers, and what differs from them in one respect.
    "muon_large": ("β = 0.9, step 0.1", {**POLAR, "momentum": BETA}, (0.1, 1e-6)),
    "polar_large": ("no momentum", POLAR, (0.1, 1e-6)),
    "muon_nesterov": ("Nesterov's form", {**POLAR, "momentum": BETA, "momentum_form": "nesterov"}, (0.1, 1e-6)),
    "muon_after": (
        "momentum of polar factors",
        {**POLAR, "momentum": BETA, "momentum_form": "after"},
        (0.1, 1e-6),
    ),
    "muon_small": ("step 0.01", {**POLAR, "momentum": BETA}, (0.01, 1e-6)),
}


def _known(name):
    if name not in METHODS:
        raise ValueError(f"allowed are {', '.join(METHODS)}")
    return name


# An optimiser's name in an experiment's options.
MethodName = Annotated[str, AfterValidator(_known)]


def run_of(method, iterations, **changes):
    """Return a run of a method as its annealed steps have it, with other options in place of those; see ``METHODS``."""
    _, own, (step, last) = METHODS[method]
    return {**DEFAULTS, **own, "step": step, "last_step": last, "iterations": iterations, "method": method, **changes}


def small_steps(method, step, iterations, **changes):
    """Return a run of a method at a constant step of one length for all."""
    return run_of(method, iterations, **{"step": step, "last_step": None, **changes})
