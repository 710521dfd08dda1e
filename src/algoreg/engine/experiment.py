"""Experiments: measurements that need code of their own, from their settings to one tidy table.

A module of a chapter's folder ``experiments`` has ``measure``, which returns rows, the class ``Options`` (see
:mod:`algoreg.settings.options`), ``KEYS`` (the columns that identify a row) and ``VALUES`` (the measured columns), each
column with its meaning (see :mod:`algoreg.settings.columns`).

An experiment is divided into parts, and descents in a part are batches with observers (:meth:`Context.descend`). A
killed job keeps the rows of its finished parts and the state that the running part has reached.
``measure(options, context, number)`` returns the rows of one ensemble, which is a part. If ``measure`` has names of
options as further parameters, every combination of their values is a part. ``measure(options, context)`` divides its
work itself, by :meth:`Context.part` or :meth:`Context.by_ensemble`. An experiment may have
``generate(options, seed, number)``, which returns the data of an ensemble as named arrays. Jobs of their own call it
before the ensemble is measured, and ``measure`` finds the arrays in ``Context.data``. ``generate`` receives the options
that ``GENERATED_FROM`` lists, if any.
"""

import inspect
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, TypeVar

import numpy as np
import torch

from algoreg import plugins
from algoreg.algorithms.base import Algorithm
from algoreg.engine.batch import Observer
from algoreg.engine.checkpoint import Checkpoint
from algoreg.engine.loop import STATUSES, Batch, Descent
from algoreg.ensembles.base import Ensemble
from algoreg.results.experiment_tables import columns

# The types that a cell of a table may have, unless it is empty.
NUMPY_CELLS = (np.bool_, np.integer, np.floating)
CELLS = (str, bool, int, float, *NUMPY_CELLS)
NO_CELL = "is a {}; allowed is a number or a text"
# The statuses of a run that has ended.
ENDS = tuple(name for name in STATUSES if name != "running")
# The parts of a checkpoint: the rows of finished parts, and the descents of the running one.
ROWS, RUNNING = "rows", "running"


Drawn = TypeVar("Drawn", bound=Ensemble)


@dataclass(frozen=True)
class Context:
    """What ``measure`` receives beside the options: seed, device and data, and the checkpoint that keeps its work.

    Attributes
    ----------
    seed : int
        Root seed of every stream.
    ensembles : sequence of int
        The numbers of the ensembles to measure; an ensemble's number is part of the names of its random streams.
    device : torch.device
    dtype : torch.dtype
    log : callable
        Called with each line for the job's log.
    checkpoint : Checkpoint
    data : mapping of int to (str, mapping of numpy.ndarray)
        For every ensemble the file of its data, and the arrays that the experiment's ``generate`` returned.
    """

    seed: int
    ensembles: Iterable[int]
    device: torch.device
    dtype: torch.dtype
    log: Callable[[str], None] = print
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    data: Mapping[int, tuple[str, Mapping[str, np.ndarray]]] = field(default_factory=dict)
    _begun: Counter = field(default_factory=Counter)

    def part(self, name: str, rows: Callable[..., Iterable[dict[str, Any]]], *arguments: Any) -> list[dict]:
        """Return the rows of a part, measured now or kept by the same job before it was killed.

        Parameters
        ----------
        name : str
            A name that differs for every part of a job.
        rows : callable
            Returns the rows when called with the arguments.
        """
        kept = self.checkpoint.parts.get(f"{ROWS}/{name}")
        if kept is not None:
            return json.loads(str(kept["json"]))
        self._begun.clear()
        found = list(rows(*arguments))
        self.checkpoint.drop(RUNNING)
        self.checkpoint.keep(f"{ROWS}/{name}", {"json": np.array(json.dumps(found, default=_number))})
        self.log(f"{name}: {len(found)} rows done")
        return found

    def by_ensemble(
        self,
        rows: Callable[..., Iterable[dict[str, Any]]],
        options: Mapping[str, Any],
        name: str = "",
        *axes: Iterable[Any],
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of all ensembles, each of which is a part.

        ``rows`` is called with the options, this context and the ensemble's number. With axes, every combination of
        their values is a part: ``rows`` also receives these values, and they fill in the part's ``name``.
        """
        for number, *values in product(self.ensembles, *axes):
            label = ", ".join(filter(None, [f"ensemble {number}", name.format(*values)]))
            yield from self.part(label, rows, options, self, number, *values)

    def draw(self, ensemble: type[Drawn], d: int, m: int, number: int, **options: Any) -> Drawn:
        """Draw ensemble ``number`` of a class, m measurements of d × d matrices.

        The seed, device and type are this experiment's; ``options`` are passed on to the class's ``draw``.
        """
        return ensemble.draw(d, m, self.seed, number, self.device, self.dtype, **options)

    def run(
        self,
        ensemble: Ensemble,
        algorithm: type[Algorithm],
        runs: Sequence[Mapping[str, Any]],
        targets: torch.Tensor,
        observers: Sequence[Observer],
        labels: torch.Tensor | None = None,
        **options: Any,
    ) -> Descent:
        """Create a batch with this experiment's seed and run it to its end; see :meth:`descend`.

        If no labels are given, the ensemble computes them from the targets. ``options`` are ``start`` and
        ``diverges_above`` of :class:`algoreg.engine.batch.Batch`.
        """
        given = ensemble.label(targets) if labels is None else labels
        return self.descend(Batch(ensemble, algorithm, runs, targets, given, observers, self.seed, **options))

    def descend(self, batch: Batch) -> Descent:
        """Run a batch to its end; its observers hold what was recorded.

        If the same job was killed before, the batch continues from its checkpoint.
        """
        descent = Descent(batch, self.log)
        # A part's descents always come in the same order, so a number identifies each.
        self._begun[RUNNING] += 1
        return self.checkpoint.follow(descent, f"{RUNNING}/{self._begun[RUNNING]}", self.log)


def _number(value: Any) -> Any:
    """Convert a numpy number to a Python number, so that a part's rows can be kept as JSON.

    Raises
    ------
    ValueError
        If the value cannot be a cell of a table.
    """
    if not isinstance(value, NUMPY_CELLS):
        raise ValueError(f"a cell {NO_CELL.format(type(value).__name__)}")
    return value.item()


def end_message(descent: Descent) -> str:
    """Return a line for the job's log that counts the runs of a descent by their final status."""
    count = Counter(descent.status)
    return "ended: " + ", ".join(f"{count[name]} {name}" for name in STATUSES if count[name])


def measure(name: str, options: Mapping[str, Any], context: Context) -> list[dict[str, Any]]:
    """Measure an experiment and return its rows after checking their columns, cells and status.

    Parameters
    ----------
    name : str
        The module in a chapter's folder ``experiments``.
    options : mapping
        The complete options, from :func:`algoreg.settings.plan.experiment_options`.
    context : Context

    Raises
    ------
    ValueError
        If there are no rows, or a row has columns other than the module's ``KEYS`` and ``VALUES``, a cell that is
        neither a number nor a text, no value in a key, or an unknown status.
    """
    module = plugins.experiment(name)
    if hasattr(module, "generate") and not context.data:
        # Without files of generated data, as in a notebook, the data are generated here.
        given = plugins.generated_from(name, options)
        drawn = {number: ("memory", module.generate(given, context.seed, number)) for number in context.ensembles}
        context = replace(context, data=drawn)
    found = _dealt_out(module.measure, options, context)
    rows = [] if found is None else list(found)
    if not rows:
        raise ValueError(f"experiment {name}: measure returns no rows")
    wanted = columns(module)
    for row in rows:
        if unfit := _unfit(row, wanted, module.KEYS):
            raise ValueError(f"experiment {name}: {unfit}, in the row {row}")
    return rows


def _dealt_out(function: Callable[..., Any], options: Mapping[str, Any], context: Context) -> Any:
    """Call an experiment's ``measure`` in the form that its parameters ask for, and return its result."""
    _, _, *more = inspect.signature(function).parameters
    if not more:
        return function(options, context)
    axes = more[1:]
    name = ", ".join(f"{axis} = {{}}" for axis in axes)
    return context.by_ensemble(function, options, name, *(options[axis] for axis in axes))


def _unfit(row: object, wanted: Sequence[str], keys: Iterable[str]) -> str | None:
    """Return what is wrong with a row, or None; ``wanted`` are the columns that it must have."""
    if not isinstance(row, Mapping):
        return f"a row is a {type(row).__name__}; allowed is a mapping of {', '.join(wanted)}"
    if set(row) != set(wanted):
        lacking, more = ([name for name in one if name not in other] for one, other in ((wanted, row), (row, wanted)))
        text = [f"{name} is missing" for name in lacking] + [f"{name} is none of its columns" for name in more]
        return f"{', '.join(text)}; allowed are {', '.join(wanted)}"
    for name, value in row.items():
        # Tensors are refused: a table would contain them as text, but a job that continues would return a number.
        if value is not None and not isinstance(value, CELLS):
            return f"{name} {NO_CELL.format(type(value).__name__)}"
        # Grouping a table drops rows whose key is missing.
        if name in keys and (value is None or value != value):
            return f"{name} = {value}, a column of KEYS; allowed is a value that names the row"
    if row["status"] not in ENDS:
        return f"status = {row['status']}; allowed are {', '.join(ENDS)}"
    return None
