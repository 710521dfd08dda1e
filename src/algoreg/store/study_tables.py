"""The tables of studies: their columns, and how their parts are put together."""

from typing import Any

import pandas as pd

from algoreg import sources


def columns(name: str) -> list[str]:
    """Return the columns of a study's table: what names a row, what was measured, the status."""
    return [
        *sources.module_literal("studies", name, "KEYS"),
        *sources.module_literal("studies", name, "VALUES"),
        "status",
    ]


def collect(frames: list, name: str) -> Any:
    """Return the rows of all parts of a study, as data frames, ordered by what names them.

    Raises
    ------
    ValueError
        If two rows have the same name.
    """
    keys = list(sources.module_literal("studies", name, "KEYS"))
    table = pd.concat(frames, ignore_index=True)
    twice = table[table.duplicated(keys)]
    if len(twice):
        row = ", ".join(f"{key} = {value}" for key, value in twice.iloc[0][keys].items())
        raise ValueError(f"study {name}: two rows with {row}; allowed is one for each value of KEYS")
    return table.sort_values(keys, kind="stable", ignore_index=True)[columns(name)]
