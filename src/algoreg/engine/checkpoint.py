"""Checkpoints: the state of a job in one file, as named parts of named arrays; they save time and are never results."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from algoreg.engine.loop import Descent
from algoreg.results import records
from algoreg.results.digests import settings_hash


def job_fingerprint(params: Mapping[str, Any], data: Iterable[str], device: torch.device) -> str:
    """Return a hash that distinguishes the checkpoints of a job from those of other jobs.

    Parameters
    ----------
    params : mapping
        The job's parameters; the path of the checkpoint is left out.
    data : sequence of str
        Digests of the data that are generated for the job.
    device : torch.device
    """
    what = {name: value for name, value in params.items() if name != "checkpoint"}
    return settings_hash({**what, "data_sha256": list(data), "computed_on": str(device)})


class Checkpoint:
    """The parts of a job that are kept in case it is killed.

    Parameters
    ----------
    path : path, optional
        If None, nothing is written.
    fingerprint : str
        Identifies the job. A file of another job, or a damaged file, is ignored with a printed note.
    seconds : float
        The least time between two writes by :meth:`keep`.

    Attributes
    ----------
    parts : dict of str to dict of str to numpy.ndarray
    """

    def __init__(self, path: str | Path | None = None, fingerprint: str = "", seconds: float = 0.0) -> None:
        self.path, self.fingerprint, self.seconds, self._saved = path, fingerprint, seconds, time.monotonic()
        self.parts = {} if path is None else self._load(path)

    def _load(self, path: str | Path) -> dict[str, dict[str, np.ndarray]]:
        try:
            arrays = records.load_arrays(path)
            if str(arrays.pop("fingerprint")) != self.fingerprint:
                print(f"{self.path}: checkpoint of other settings or code, starting over", flush=True)
                return {}
            parts: dict[str, dict[str, np.ndarray]] = {}
            for name, array in arrays.items():
                part, _, key = name.rpartition("/")
                parts.setdefault(part, {})[key] = array
            return parts
        except FileNotFoundError:
            return {}
        except Exception as error:
            # A checkpoint only saves time, so the job can start over whatever is wrong with it.
            print(f"{self.path}: damaged checkpoint ({error}), starting over", flush=True)
            return {}

    def due(self) -> bool:
        """Return whether it is time to write."""
        return self.path is not None and time.monotonic() - self._saved >= self.seconds

    def keep(self, part: str, arrays: dict[str, np.ndarray]) -> None:
        """Replace a part's arrays, and write all parts if it is time; without a path nothing is kept."""
        if self.path is None:
            return
        self.parts[part] = arrays
        if self.due():
            self.save()

    def follow(self, descent: Descent, part: str, log: Callable[[str], None]) -> Descent:
        """Run a descent to its end and return it, keeping its state in a part.

        If the job was killed before, the descent continues from the part. A descent on an ensemble that is drawn on
        demand is not kept: it begins again and has the same bits.
        """
        if not descent.batch.ensemble.drawn_ahead:
            return descent.run()
        if part in self.parts:
            descent.restore(self.parts[part])
            log(f"continuing from iteration {descent.iteration} ({self.path})")

        def keep_if_due() -> None:
            if self.due():
                self.keep(part, descent.save())

        descent.run(after=keep_if_due)
        if self.path is not None:
            self.keep(part, descent.save())
        return descent

    def save(self) -> None:
        """Write all parts atomically; without a path nothing is written."""
        if self.path is None:
            return
        arrays = {
            f"{part}/{key}": np.asarray(array) for part, found in self.parts.items() for key, array in found.items()
        }
        records.write_arrays(self.path, {**arrays, "fingerprint": np.array(self.fingerprint)}, sealed=False)
        self._saved = time.monotonic()

    def drop(self, prefix: str) -> None:
        """Forget the parts whose names begin with ``prefix``."""
        self.parts = {name: arrays for name, arrays in self.parts.items() if not name.startswith(prefix)}

    def remove(self) -> None:
        """Remove the file, once the job's results are safe."""
        if self.path is not None:
            Path(self.path).unlink(missing_ok=True)
