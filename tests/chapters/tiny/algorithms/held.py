"""Factored descent that waits at an iteration while a file of the working directory, `hold`, names it."""

import time
from pathlib import Path
from typing import Literal

from pydantic import PositiveFloat

from algoreg.algorithms import factored
from algoreg.settings.base import RunOptions


class Options(RunOptions):
    """What a run can be told."""

    alpha: PositiveFloat
    start: Literal["identity"] = "identity"


class Algorithm(factored.Algorithm):
    """The descent of the core, held where a test wants to look at a job that is under way."""

    requires = frozenset({"descend"})
    prior_knowledge = ()
    estimates = "psd"

    def advance(self, state, iteration, count):
        """Return the state after ``count`` further steps, once nothing holds it."""
        hold = Path("hold")
        while hold.exists() and iteration >= int(hold.read_text() or 0):
            time.sleep(0.01)
        return super().advance(state, iteration, count)
