"""Studies: measurements that have a shape of their own, from their settings to one tidy table.

A module of ``algoreg.studies`` has ``measure(options, context)``, which returns rows, and literals that are read
without importing it: ``OPTIONS`` (each as :mod:`algoreg.spec.options` reads it, with ``default`` where there is one), ``CHECKS`` (pairs of a
condition on options and of what is allowed), ``KEYS`` (the columns that name a row), ``VALUES`` (what is measured).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from algoreg import registry, sources
from algoreg.spec.columns import STATUSES


@dataclass(frozen=True)
class Context:
    """What a study is told beside its options.

    Attributes
    ----------
    seed : int
        Root seed of every stream.
    ensembles : sequence of int
        The numbers of the ensembles to measure, each from streams that carry the number.
    device : torch.device
    dtype : torch.dtype
    say : callable
        Takes a line for the job's log.
    """

    seed: int
    ensembles: Iterable[int]
    device: object
    dtype: object
    say: Callable[[str], None] = print


def columns(name):
    """Return the columns of a study's table: what names a row, what was measured, the status."""
    return [
        *sources.module_literal("studies", name, "KEYS"),
        *sources.module_literal("studies", name, "VALUES"),
        "status",
    ]


def measure(name, options, context):
    """Return the rows of a study, checked: every column there, a known status.

    Parameters
    ----------
    name : str
        A module of ``algoreg.studies``.
    options : mapping
        Complete, see :func:`algoreg.spec.plan.study_options`.
    context : Context

    Raises
    ------
    ValueError
        If a row is not as the module's literals say.
    """
    wanted = set(columns(name))
    rows = list(registry.study(name).measure(options, context))
    for row in rows:
        if set(row) != wanted or row["status"] not in STATUSES:
            raise ValueError(f"study {name}: a row with {row}; its columns are {sorted(wanted)}")
    return rows


def collect(frames, name):
    """Return the rows of all parts of a study, ordered by what names them.

    Parameters
    ----------
    frames : list of pandas.DataFrame
    name : str
        A module of ``algoreg.studies``.

    Raises
    ------
    ValueError
        If two rows have the same name.
    """
    # Not where studies are measured: those jobs have torch to load already.
    import pandas as pd

    keys = list(sources.module_literal("studies", name, "KEYS"))
    table = pd.concat(frames, ignore_index=True)
    if table.duplicated(keys).any():
        raise ValueError(f"study {name}: two rows with the same {', '.join(keys)}")
    return table.sort_values(keys, kind="stable", ignore_index=True)[columns(name)]
