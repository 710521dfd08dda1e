"""Random streams that are identified by name, so that data do not depend on the order in which jobs run."""

import hashlib
import json
from typing import Any

import numpy as np


def stream(name: str, **axes: Any) -> np.random.Generator:
    """Return the random generator that belongs to ``name`` and its axes.

    The name and the sorted axes are hashed with SHA-256; the first 128 bits key a Philox counter
    generator. Equal names give equal streams on every machine; different names give independent ones.

    Parameters
    ----------
    name : str
        What is drawn, for example ``"ensemble"``.
    **axes : int, float, str or bool
        What distinguishes this draw from its siblings, for example ``d=100, ensemble=2``.

    Raises
    ------
    TypeError
        If an axis is not a plain int, float, str or bool (its text form would not be stable).
    """
    for axis, value in axes.items():
        if type(value) not in (int, float, str, bool):
            raise TypeError(f"axis {axis} of stream {name!r} is a {type(value).__name__}; use int, float, str or bool")
    label = json.dumps([name, sorted(axes.items())], separators=(",", ":"))
    key = int.from_bytes(hashlib.sha256(label.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))
