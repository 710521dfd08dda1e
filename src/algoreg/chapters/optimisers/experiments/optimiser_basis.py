"""Whether an optimiser's path depends on the basis: the same problem, rotated, and its end rotated back."""

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt

from algoreg.chapters.optimised import descend
from algoreg.chapters.optimisers.methods import MethodName, run_of
from algoreg.engine.observers import Ends
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.problems import draw_factor, haar_basis, spectrum_target
from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import svec
from algoreg.settings.base import ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    m_over_d: PositiveFloat = 2.5
    alpha: PositiveFloat = 1e-4
    methods: Several[MethodName]
    iterations: PositiveInt


KEYS = {"method": "optimiser", "target": None, "ensemble": None}
VALUES = {
    "d": None,
    "m": None,
    "alpha": None,
    "end_error": ("the error at the end", "‖X − X*‖_F / ‖X*‖_F"),
    "rotation": (
        "the change by a rotation",
        "‖RᵀX'R − X‖_F / ‖X*‖_F, X' the end of the same problem and start rotated by R, a Haar matrix",
    ),
}


def measure(options, context, number):
    """Return one row per method and draw, at rank 1 and full width: the start αI is the same in every basis."""
    d, names = options["d"], options["methods"]
    ensemble = context.draw(Ensemble, d, round(options["m_over_d"] * d), number)
    gaussian = stream("rotation", d=d, seed=context.seed, draw=number).standard_normal((d, d))
    rotation = torch.from_numpy(haar_basis(gaussian)).to(context.device, context.dtype)
    turned = Ensemble(svec(rotation @ ensemble.unpacked() @ rotation.mT), d)
    factor = draw_factor(spectrum_target(1, 1), d, 1, context.seed, number)
    target = torch.from_numpy(factor @ factor.T).to(rotation)
    runs = [run_of(name, options["iterations"], alpha=options["alpha"], target=number) for name in names]
    ends = []
    for measured, goal in ((ensemble, target), (turned, rotation @ target @ rotation.mT)):
        seen = Ends()
        status = descend(context, measured, runs, goal.expand(len(runs), d, d), [seen])
        ends.append(seen.memory["estimates"])
    errors = torch.linalg.matrix_norm(ends[0] - target) / torch.linalg.matrix_norm(target)
    apart = torch.linalg.matrix_norm(rotation.mT @ ends[1] @ rotation - ends[0]) / torch.linalg.matrix_norm(target)
    own = {"target": number, "ensemble": number, "d": d, "m": ensemble.m, "alpha": options["alpha"]}
    return [
        # A difference of 0 has no logarithm.
        {"method": name, **own, "end_error": error, "rotation": max(change, np.finfo(float).eps), "status": end}
        for name, error, change, end in zip(names, errors.tolist(), apart.tolist(), status, strict=True)
    ]
