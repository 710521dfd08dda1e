"""The tables of experiments: their columns, and how their parts are joined."""

from collections.abc import Iterable
from types import ModuleType
from typing import Any

import pandas as pd


def columns(experiment: ModuleType) -> list[str]:
    """Return the columns of an experiment's table: those that identify a row, the measured ones, and the status."""
    return [*experiment.KEYS, *experiment.VALUES, "status"]


def collect(frames: list, name: str, keys: Iterable[str], columns: list[str]) -> Any:
    """Return a data frame with the rows of all parts of an experiment, sorted by the columns that identify a row.

    Parameters
    ----------
    frames : list of pandas.DataFrame
        The parts.
    name : str
        The experiment's name, for the message.
    keys : iterable of str
        The columns that identify a row.
    columns : list of str
        All columns of the table; see :func:`columns`.

    Raises
    ------
    ValueError
        If two rows have the same keys.
    """
    keys = list(keys)
    table = pd.concat(frames, ignore_index=True)
    twice = table[table.duplicated(keys)]
    if len(twice):
        row = ", ".join(f"{key} = {value}" for key, value in twice.iloc[0][keys].items())
        raise ValueError(f"experiment {name}: two rows with {row}; allowed is one for each value of KEYS")
    return table.sort_values(keys, kind="stable", ignore_index=True)[columns]
