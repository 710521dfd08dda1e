"""Factored descent that waits at an iteration while a file of the working directory, `hold`, names it."""

import time
from pathlib import Path

from algoreg.algorithms import factored

OPTIONS = {
    "alpha": {"type": "number", "exclusiveMinimum": 0, "description": "a number above 0"},
    "start": {"enum": ["identity"], "default": "identity"},
}


class Algorithm(factored.Algorithm):
    """The descent of the core, held where a test wants to look at a job that is under way."""

    def advance(self, iterate, iteration, count):
        """Return the iterate after ``count`` further steps, once nothing holds it."""
        hold = Path("hold")
        while hold.exists() and iteration >= int(hold.read_text() or 0):
            time.sleep(0.01)
        return super().advance(iterate, iteration, count)
