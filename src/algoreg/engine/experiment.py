"""Experiments: measurements that need code of their own, from their settings to one tidy table.

A module of a chapter's folder ``experiments`` has ``measure``, which returns rows, the class ``Options`` (see
:mod:`algoreg.settings.options`), ``KEYS`` (the columns that name a row) and ``VALUES`` (what is measured), each with
its meaning (see :mod:`algoreg.settings.columns`).

An experiment is divided into parts, and descents in a part are batches with observers (:meth:`Context.descend`). A
killed job keeps the rows of its finished parts and the state that the running one has reached.
``measure(options, context, number)`` returns the rows of one ensemble, which is a part. If it has names of options as
further parameters, every combination of their values is a part. ``measure(options, context)`` divides its work itself,
by :meth:`Context.part` or :meth:`Context.by_ensemble`. An experiment may have ``generate(options, seed, number)``,
which returns named arrays: what is drawn for an ensemble, by jobs that run before it is measured (``Context.data``). It
is given the options that ``GENERATED_FROM`` names, if any.
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
from algoreg.engine.loop import STATUSES as ENDS
from algoreg.engine.loop import Batch, Descent
from algoreg.ensembles.base import Ensemble
from algoreg.results.experiment_tables import columns
from algoreg.settings.columns import STATUSES
from algoreg.settings.plan import generated_from

# What a cell of a table may be, beside nothing.
NUMPY_CELLS = (np.bool_, np.integer, np.floating)
CELLS = (str, bool, int, float, *NUMPY_CELLS)
NO_CELL = "is a {}; allowed is a number or a text"
# The parts of a checkpoint: rows of what is finished, and descents of what is running.
ROWS, RUNNING = "rows", "running"


Drawn = TypeVar("Drawn", bound=Ensemble)


@dataclass(frozen=True)
class Context:
    """What an experiment is given beside its options, and how its work is kept.

    Attributes
    ----------
    seed : int
        Root seed of every stream.
    ensembles : sequence of int
        The numbers of the ensembles to measure, each from streams that carry the number.
    device : torch.device
    dtype : torch.dtype
    log : callable
        Takes a line for the job's log.
    checkpoint : Checkpoint
    data : mapping of int to (str, mapping of numpy.ndarray)
        What the experiment's ``generate`` returned for every ensemble, and the file that it is from.
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
        """Return the rows of a part of an experiment: measured now, or by the same job before it was killed.

        Parameters
        ----------
        name : str
            Different for every part of a job.
        rows : callable
            Returns them when called with the arguments.
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
        """Yield the rows of all ensembles, each a part; ``rows`` is called with the options,
        this context and the number.

        With axes every combination of their values is a part: ``rows`` is called with them, too, and they fill in its
        ``name``.
        """
        for number, *values in product(self.ensembles, *axes):
            label = ", ".join(filter(None, [f"ensemble {number}", name.format(*values)]))
            yield from self.part(label, rows, options, self, number, *values)

    def draw(self, ensemble: type[Drawn], d: int, m: int, number: int, **options: Any) -> Drawn:
        """Return ensemble ``number`` of a class, of m measurements of d × d matrices,
        with this experiment's seed, device and type; ``options`` are those of its ``draw``.
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
        """Make a batch with this experiment's seed and run it to its end;
        see :class:`algoreg.engine.loop.Batch` and :meth:`descend`.

        Labels are those of the targets where none are given; ``options`` are ``start`` and ``diverges_above``.
        """
        given = ensemble.label(targets) if labels is None else labels
        return self.descend(Batch(ensemble, algorithm, runs, targets, given, observers, self.seed, **options))

    def descend(self, batch: Batch) -> Descent:
        """Run a batch to its end, from where the same job left it if it was killed;
        what was seen is in its observers.
        """
        descent = Descent(batch, self.log)
        # A part's descents come in one order, and so have numbers.
        self._begun[RUNNING] += 1
        return self.checkpoint.follow(descent, f"{RUNNING}/{self._begun[RUNNING]}", self.log)


def _number(value: Any) -> Any:
    """Return a number of numpy's as one of Python's, for a part's rows to be kept.

    Raises
    ------
    ValueError
        If it is no cell of a table.
    """
    if not isinstance(value, NUMPY_CELLS):
        raise ValueError(f"a cell {NO_CELL.format(type(value).__name__)}")
    return value.item()


def end_message(descent: Descent) -> str:
    """Return how many runs of a descent ended in which status, for the job's log."""
    count = Counter(descent.status)
    return "ended: " + ", ".join(f"{count[name]} {name}" for name in ENDS if count[name])


def measure(name: str, options: Mapping[str, Any], context: Context) -> list[dict[str, Any]]:
    """Return the rows of an experiment, checked: every column there, each with a number or a text, a known status.

    Parameters
    ----------
    name : str
        The module of a chapter's folder ``experiments``.
    options : mapping
        Complete, see :func:`algoreg.settings.plan.experiment_options`.
    context : Context

    Raises
    ------
    ValueError
        If there are no rows, or one has other columns than the module's ``KEYS`` and ``VALUES``.
    """
    module = plugins.experiment(name)
    if hasattr(module, "generate") and not context.data:
        # Where there are no files, as in a notebook.
        given = generated_from(name, options)
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
    """Return what an experiment's ``measure`` does, called as its parameters ask for."""
    _, _, *more = inspect.signature(function).parameters
    if not more:
        return function(options, context)
    axes = more[1:]
    name = ", ".join(f"{axis} = {{}}" for axis in axes)
    return context.by_ensemble(function, options, name, *(options[axis] for axis in axes))


def _unfit(row: object, wanted: Sequence[str], keys: Iterable[str]) -> str | None:
    """Return what is wrong with a row whose columns are to be the wanted ones, None where nothing is."""
    if not isinstance(row, Mapping):
        return f"a row is a {type(row).__name__}; allowed is a mapping of {', '.join(wanted)}"
    if set(row) != set(wanted):
        lacking, more = ([name for name in one if name not in other] for one, other in ((wanted, row), (row, wanted)))
        text = [f"{name} is missing" for name in lacking] + [f"{name} is none of its columns" for name in more]
        return f"{', '.join(text)}; allowed are {', '.join(wanted)}"
    for name, value in row.items():
        # Not a tensor: a table would have it as a text, and a job that continues as a number.
        if value is not None and not isinstance(value, CELLS):
            return f"{name} {NO_CELL.format(type(value).__name__)}"
        # Rows without a name are lost where tables are grouped.
        if name in keys and (value is None or value != value):
            return f"{name} = {value}, a column of KEYS; allowed is a value that names the row"
    if row["status"] not in STATUSES:
        return f"status = {row['status']}; allowed are {', '.join(STATUSES)}"
    return None
