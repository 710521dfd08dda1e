"""Published curves as numbers, and their comparison with our runs, point by point."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from algoreg.claims.cells import cells
from algoreg.claims.predictions import prediction_interval

ERRORS = ("train_error", "test_error")
# The columns that may identify a published point.
AXES = ("d", "m_over_d", "method", "alpha", "iteration")
STRETCHES = (1, 2, 4, 5, 10)


def read_curves(files: Iterable[str | Path], facts: Mapping[str, Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    """Return published curves by name, from their files and the facts about each, as a job receives them."""
    return {Path(file).stem: read_curve(file, facts[Path(file).stem]) for file in files}


def read_curve(file: str | Path, facts: Mapping[str, Any]) -> pd.DataFrame:
    """Return a published curve in long form: the columns that identify a point, ``error`` and ``value``.

    Parameters
    ----------
    file : path
        A CSV file in a chapter's folder ``published``.
    facts : mapping
        Columns that the file lacks, such as ``d``, with their values from ``chapter.yaml``.

    Raises
    ------
    ValueError
        If a value is not a positive number.
    """
    frame = pd.read_csv(file)
    if "series" in frame:
        frame = frame.rename(columns={"series": "error"})
    else:
        frame = frame.rename(columns={"alpha_label": "alpha"})
        errors = [error for error in ERRORS if error in frame]
        frame = frame.melt([c for c in frame if c not in errors], errors, "error", "value")
    frame = frame.assign(**facts)
    if not (frame["value"] > 0).all():
        raise ValueError(f"published {Path(file).stem}: not every value is positive")
    # A point at which two strokes of a digitised curve meet was read twice.
    return frame.drop_duplicates(ignore_index=True)


def match(
    table: pd.DataFrame, published: pd.DataFrame, shift: int = 0, along: str = "alpha"
) -> tuple[pd.DataFrame, np.ndarray]:
    """Pair our cells with published values at the same point.

    Parameters
    ----------
    table : pandas.DataFrame
        A table of our runs, with ``target``, ``ensemble`` and both errors.
    published : pandas.DataFrame
        From :func:`read_curve`.
    shift : int
        Compare our value at one point with the published value ``shift`` points further along an axis. This serves as a
        control, which must not fit.
    along : str
        The axis of the shift: ``alpha`` (in falling order) or another of ``AXES`` (in rising order).

    Returns
    -------
    points : pandas.DataFrame
        The published points that our table has, too.
    values : numpy.ndarray, shape (points, T, E)
    """
    keys = [axis for axis in AXES if axis in table and axis in published]
    nothing = ValueError(f"no published point has its {', '.join(keys)} in this table: there is nothing to compare")
    if "d" in keys:
        # Only the published sizes are kept, because another d may have another number of targets.
        table = table[table["d"].isin(published["d"])]
        if table.empty:
            raise nothing
    if shift:
        grid = sorted(published[along].unique(), reverse=along == "alpha")
        moved = dict(zip(grid[shift:], grid[:-shift], strict=True))
        published = published[published[along].isin(list(moved))]
        published = published.assign(**{along: published[along].map(moved)})
    kept, stacks = [], []
    for error, part in published.groupby("error", sort=True):
        names, values = cells(table, keys, error)
        place = {name: i for i, name in enumerate(names)}
        wanted = list(part[keys].itertuples(index=False, name=None))
        here = [i for i, name in enumerate(wanted) if name in place]
        kept.append(part.iloc[here])
        stacks.append(values[[place[wanted[i]] for i in here]])
    if not sum(map(len, kept)):
        raise nothing
    return pd.concat(kept, ignore_index=True), np.concatenate(stacks)


def compare(table: pd.DataFrame, published: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a row per published point: our mean, a 95 % prediction interval, whether the published value is inside.

    The interval answers whether the published value could be one more draw. As in the paper, such a draw is the mean
    over three ensembles for one target.
    """
    points, values = match(table, published)
    rows = []
    for point, value in zip(points.to_dict("records"), values, strict=True):
        named = {c: point[c] for c in (*AXES, "error") if c in point}
        low, high = prediction_interval(value, ensembles=3)
        ours = float(np.mean(value))
        inside = bool(low <= point["value"] <= high) if np.isfinite(low) else None
        rows.append(
            {
                **named,
                "ours": ours,
                "low": low,
                "high": high,
                "published": point["value"],
                "ratio": ours / point["value"],
                "inside": inside,
                "status": "budget" if np.isfinite(value).all() else "diverged",
            }
        )
    return rows


def scan_alpha(table: pd.DataFrame, published: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the factor between each published curve and our curve, for each of our α and each stretch of time.

    A stretch s compares the published value at iteration i with ours at s·i, as if the published curve had been run
    with a step size s times as large. The factor is the geometric mean of max(ours/published, published/ours) over the
    published iterations that our table has under *every* stretch, so that all stretches are scored on the same points.
    ``best_alpha`` is the α, interpolated in log α, at which our test error equals the published one at the last common
    iteration without a stretch; it is empty outside the grid.

    Raises
    ------
    ValueError
        If no published iteration can be compared under every stretch.
    """
    rows = []
    for (label, error), part in published.groupby(["alpha", "error"], sort=True):
        curve = part.set_index("iteration")["value"]
        names, values = cells(table, ["alpha", "iteration"], error)
        means = pd.Series(values.mean(axis=(1, 2)), index=pd.MultiIndex.from_tuples(names))
        grid = sorted({alpha for alpha, _ in names})
        ours = {iteration for _, iteration in names}
        points = sorted(i for i in curve.index if all(s * i in ours for s in STRETCHES))
        if not points:
            raise ValueError(
                f"no published iteration i has {', '.join(map(str, STRETCHES))} times i in the scanned table"
            )
        end = max(i for i in curve.index if i in ours)
        last = np.log([means[alpha, end] for alpha in grid])
        goal, crossing = np.log(curve[end]), None
        if error == "test_error" and np.all(np.diff(last) > 0) and last[0] <= goal <= last[-1]:
            crossing = float(np.exp(np.interp(goal, last, np.log(grid))))
        for stretch in STRETCHES:
            for alpha in grid:
                ratio = np.log([means[alpha, stretch * i] / curve[i] for i in points])
                rows.append(
                    {
                        "published_alpha": label,
                        "error": error,
                        "stretch": stretch,
                        "alpha": alpha,
                        "first": points[0],
                        "last": points[-1],
                        "points": len(points),
                        "factor": float(np.exp(np.mean(np.abs(ratio)))),
                        "end": end,
                        "ours_at_end": float(means[alpha, end]),
                        "published_at_end": float(curve[end]),
                        "best_alpha": crossing,
                        "status": "budget" if np.isfinite(ratio).all() else "diverged",
                    }
                )
    return rows
