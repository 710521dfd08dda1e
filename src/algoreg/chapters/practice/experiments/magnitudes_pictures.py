"""Pictures of the experiment ``magnitudes``, pixel by pixel: the true one and what every method makes of it."""

from pydantic import Field, PositiveFloat

from algoreg.chapters.practice.experiments import magnitudes
from algoreg.settings.base import ExperimentOptions


class Options(ExperimentOptions):
    """What the experiment can be told: the picture's number and m/n;
    the other options of ``magnitudes`` keep their defaults.
    """

    m_over_n: float = Field(3.0, ge=0.5)
    time: PositiveFloat
    digit: int = Field(3, ge=1, le=9)


KEYS = {
    "method": "`picture`, the true one, or the method that found it",
    "row": "row of the pixel",
    "column": "column of the pixel",
    "ensemble": None,
}
VALUES = {
    "m_over_n": "squared magnitudes per pixel, m/n",
    "value": "the pixel, of a picture of norm 1; the sign is the nearer one",
}
METHODS = ["full", "width 1, large start", "spectral"]


def measure(options, context, number):
    """Return one row per method and pixel of one picture, recovered with every ensemble."""
    ratio, digit = options["m_over_n"], options["digit"]
    own = {"m_over_n": [ratio], "targets": digit + 1, "method": METHODS, "time": options["time"]}
    complete = magnitudes.Options(**own).model_dump()
    star = magnitudes.pictures(digit + 1, context.seed)[digit]
    shown = [("picture", star)]
    for method, names, estimates, _ in magnitudes.estimates_of(complete, context, number):
        place = names.index((ratio, digit))
        shown.append((method, magnitudes.vectors_of(estimates[place : place + 1], star[None])[0][0]))
    side = round(len(star) ** 0.5)
    fixed = {"m_over_n": ratio, "ensemble": number, "status": "converged"}
    return [
        {"method": method, "row": place // side, "column": place % side, "value": value, **fixed}
        for method, found in shown
        for place, value in enumerate(found.tolist())
    ]
