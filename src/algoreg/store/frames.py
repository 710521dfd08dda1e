"""Committed tables as data frames."""

import numpy as np
import pandas as pd


def frame_of(table):
    """Return a reference's table as a DataFrame: what names a row, its status, what was measured."""
    frame = pd.DataFrame({**table["keys"], "status": table["status"]})
    for value in table.keys() - {"keys", "status"}:
        frame[value] = np.array([np.nan if x is None else x for x in table[value]], dtype=float)
    return frame
