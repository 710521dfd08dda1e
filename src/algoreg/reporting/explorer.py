"""The explorer: one page on which descent runs live in a browser, from its parts in ``workflow/report/explorer/``.

The browser computes the runs. This module adds the measured map, and degrees of freedom and dimensions from theory.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlencode

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from algoreg.numerics.theory import degrees_of_freedom, trace_statistical_dimension
from algoreg.reporting.charts.text import number
from algoreg.reporting.page.policy import security_policy

SIZES = range(8, 129, 2)
# Letters for the runs that the page shows beside each other, at most four.
LETTERS = "ABCD"
RANKS = range(1, 9)
# The scripts in this order, because each uses those before it.
SCRIPTS = ("state.js", "charts.js", "view.js")
WORKER = ("numerics.js", "data.js", "worker.js")


def presets(folder: Path) -> list[dict[str, str]]:
    """Return the presets in a folder's ``presets.json``: ``name``, ``see`` and ``hash``, the address part for each."""
    found = json.loads((Path(folder) / "presets.json").read_text(encoding="utf-8"))
    return [{"name": one["name"], "see": one["see"], "hash": urlencode(one["link"])} for one in found]


def dimensions(sizes: Iterable[int] = SIZES) -> dict[int, dict[str, list]]:
    """Return, by size d, the degrees of freedom of ranks 1 to 8 and the measurements that least trace needs."""
    return {
        d: {
            "free": [degrees_of_freedom(d, rank) for rank in RANKS],
            "trace": [round(trace_statistical_dimension(d, rank), 1) for rank in RANKS],
        }
        for d in sizes
    }


def measured(table: pd.DataFrame) -> dict:
    """Return the median test errors of a table of the experiment ``threshold``, over rank and m/(dr).

    Only its rows of equal eigenvalues (``spectrum`` flat) are used, which have one d, α, step and time.

    Returns
    -------
    dict
        ``d``, ``alpha``, ``ranks``, ``ratios`` and ``errors``, with a row per rank.

    Raises
    ------
    ValueError
        If the rows differ in d or α, or the ranks in the ratios.
    """
    frame = table[table["spectrum"] == "flat"]
    for column in ("d", "alpha"):
        if frame[column].nunique() != 1:
            raise ValueError(f"{column} has {frame[column].nunique()} values: allowed is one")
    d = int(frame["d"].iloc[0])
    # A diverged run counts as a run that recovers nothing. As m is rounded, ratios agree to a few hundredths.
    errors = frame.fillna({"test_error": np.inf}).groupby(["rank", "m"])["test_error"].median()
    rows = {rank: errors[rank] for rank in sorted(frame["rank"].unique())}
    if len({len(row) for row in rows.values()}) != 1:
        raise ValueError("the ranks differ in how many m/(dr) they have: allowed is the same for all")
    first = next(iter(rows))
    return {
        "d": d,
        "alpha": number(frame["alpha"].iloc[0]),
        "ranks": [int(rank) for rank in rows],
        "ratios": [round(m / (d * first), 3) for m in rows[first].index],
        "errors": [[float(f"{min(error, 1e6):.3g}") for error in row] for row in rows.values()],
    }


def boxes(known: dict) -> list[dict]:
    """Return the map of :func:`measured` as boxes of a picture without scripts: positions, and ``share`` from 0 to 1.

    A share of 0 means that nothing is recovered.
    """
    top = max(known["ranks"])
    return [
        {"x": column, "y": top - rank, "share": round(min(max(-np.log10(error) / 3, 0), 1), 2)}
        for rank, row in zip(known["ranks"], known["errors"], strict=True)
        for column, error in enumerate(row)
    ]


def _texts(folder: Path, names: tuple[str, ...]) -> str:
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


def render(folder: Path, style: Path, table: pd.DataFrame, verdicts: str = "report/index.html") -> str:
    """Return the explorer as HTML.

    Parameters
    ----------
    folder : path
        The folder with ``page.html``, scripts, style and presets.
    style : path
        The report page's style, which the explorer's style extends.
    table : pandas.DataFrame
        The table for the map; see :func:`measured`.
    verdicts : str, optional
        The address of a page with the verdict on each claim.
    """
    folder = Path(folder)
    script = _texts(folder, SCRIPTS)
    known, map_of = presets(folder), measured(table)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html").render(
        policy=Markup(security_policy(script, workers=True)),
        style=Markup(Path(style).read_text(encoding="utf-8") + (folder / "explorer.css").read_text(encoding="utf-8")),
        script=Markup(script),
        worker=Markup(_texts(folder, WORKER)),
        presets=known,
        letters=LETTERS,
        verdicts=verdicts,
        measured=map_of,
        data={"measured": map_of, "dimensions": dimensions()},
        boxes=boxes(map_of),
    )
