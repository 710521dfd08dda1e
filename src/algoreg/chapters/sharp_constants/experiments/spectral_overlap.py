"""The spectral start's overlap with X* of rank 1, from measurements that are not stored."""

import torch
from pydantic import PositiveFloat, PositiveInt

from algoreg.chapters.sharp_constants.predictions import overlap
from algoreg.ensembles.unstored import Ensemble
from algoreg.numerics.problems import draw_targets, spectrum_target
from algoreg.settings.base import Different, ExperimentOptions, Several


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: Several[PositiveInt]
    m_over_d: Different[PositiveFloat]


ENSEMBLE = "unstored"
KEYS = {
    "d": None,
    "m_over_d": None,
    "target": None,
    "ensemble": "number of the draw: target and measurements",
}
VALUES = {
    "m": None,
    "overlap": ("the squared overlap", "⟨v, u⟩², v the first eigenvector of (1/m) Σ yᵢAᵢ, X* = uuᵀ"),
    "predicted": "1 − d/(2m), 0 up to m = d/2",
    "off": ("the squared overlap less the prediction", "`overlap` − `predicted`"),
    "off_freedom": ("the squared overlap less 1 − d/m", "`overlap` less 1 − d/m, which counts degrees of freedom"),
}


def measure(options, context, number, d):
    """Return one row per d, m/d and draw."""
    target = draw_targets(spectrum_target(1, 1), d, 1, context, 1, first=number)
    for ratio in options["m_over_d"]:
        m = round(ratio * d)
        ensemble = context.draw(Ensemble, d, m, number)
        # M at X = 0 is −(1/m) Σ y_iA_i.
        gradient = ensemble.gradient(torch.zeros_like(target), ensemble.label(target))[0]
        vector = torch.linalg.eigh(gradient.double())[1][:, 0]
        found = float(vector @ target[0].double() @ vector)
        yield {
            "d": d,
            "m_over_d": ratio,
            "target": number,
            "ensemble": number,
            "m": m,
            "overlap": found,
            "predicted": overlap(ratio),
            "off": found - overlap(ratio),
            "off_freedom": found - max(1 - 1 / ratio, 0.0),
            "status": "converged",
        }
