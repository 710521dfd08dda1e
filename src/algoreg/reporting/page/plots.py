"""Data of the report's plots (eigenvalues and signal along runs, published curves), and descriptions of its figures."""

import base64
import gzip
import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from algoreg.claims.published import load_published, load_sizes
from algoreg.reporting import captions
from algoreg.reporting.page.verdicts import show
from algoreg.results import generated, records
from algoreg.settings import plan
from algoreg.settings.chapters import load_chapters
from algoreg.settings.columns import COLUMNS, meaning

# A figure whose width exceeds its height by this factor gets the full width of the page.
WIDE = 1.6
# The most points of a trajectory that are drawn; a phone has no more pixels.
MOST_POINTS = 120
ERRORS = {"test_error": "test error", "train_error": "training error"}
# The possible axes of a figure's points, of which the first that identifies its rows is used. An axis that spans so
# many times its smallest value and is not a time is logarithmic.
AXES = ("iteration", "m_over_d", "alpha")
LOG_SPAN = 100


def picture(path, title):
    """Return the report's description of a figure: name, width, height, title, conclusions and caption.

    Raises
    ------
    algoreg.results.records.DamagedResult
        If the figure or its sidecar is missing or does not match its checksum; the message names it.
    """
    file = Path(path)
    if not file.is_file():
        raise records.DamagedResult(f"figure {file.stem}: {file} is missing. Rerun to draw it.")
    content = records.check(file).read_text(encoding="utf-8")
    width, height = (float(x) for x in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', content).groups())
    titles, caption = captions.read(content)
    wide = width > WIDE * height
    shown = {"title": title, "titles": titles, "caption": caption}
    return {"name": file.stem, "width": round(width), "height": round(height), "wide": wide, **shown}


def pack(text):
    """Return text compressed by gzip and base64, which the page's script unpacks; plotly.js shrinks to a third."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def _thinned(rows):
    """Return at most ``MOST_POINTS`` of some rows, including the first and the last."""
    if len(rows) <= MOST_POINTS:
        return rows
    keep = np.unique(np.linspace(0, len(rows) - 1, MOST_POINTS).round().astype(int))
    return rows.iloc[keep] if hasattr(rows, "iloc") else [rows[i] for i in keep]


def _short(values):
    """Return numbers for the page's data: with four significant digits, and None if they are not finite."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in np.asarray(values, dtype=float)]


def _trace(name, frame, x, value, colour, **more):
    """Return the mean and range of a column over runs, against another column, as a curve of a plot."""
    groups = _thinned(frame.groupby(x)[value].agg(["mean", "min", "max"]).dropna().reset_index())
    curve = {"name": name, "x": groups[x].tolist(), "y": _short(groups["mean"]), "colour": colour, **more}
    return {**curve, "low": _short(groups["min"]), "high": _short(groups["max"])}


def spectra(results: Path, seed: int, recorded: list[dict]):
    """Return the eigenvalues of U_tU_tᵀ along the runs of every problem whose descents record them.

    Only target 0 and the first ensemble of each problem are shown. Problems with different planted eigenvalues come
    first.

    Parameters
    ----------
    results : pathlib.Path
        ``results/<tier>``.
    seed : int
        The tier's seed.
    recorded : list of dict
        See :func:`algoreg.jobs.spectra`.

    Returns
    -------
    list of dict
        ``title``, ``planted`` (the eigenvalues of X*), ``runs``: mappings with ``alpha``, ``iteration`` (the paper's)
        and ``eigenvalues`` (one list per iteration).
    """
    panels = {}
    for each in recorded:
        problem = each["problem"]
        table = records.read_table(results / each["runs"])
        # Iteration 0, which is recorded as well, cannot be shown on a logarithmic axis.
        kept = (table["eigenvalues"].notna() & (table["own_iteration"] > 0)).to_numpy()
        first = (table["ensemble"] == table["ensemble"].min()) & (table["m"] == problem["m"])
        table = table[kept & first & (table["target"] == table["target"].min())]
        factor = generated.read_generated(results / each["drawn"], seed)["factors"][0]
        panel = panels.setdefault(
            str(problem),
            {
                "title": f"d = {problem['d']}, r = {problem['rank']}, m = {problem['m']}",
                "planted": _short(np.linalg.eigvalsh(factor.T @ factor)[::-1]),
                "runs": {},
                "spread": problem["target"]["kind"] == "spectrum",
            },
        )
        for alpha, rows in table.groupby("alpha"):
            values = [np.array(cell.split(), dtype=float) for cell in rows["eigenvalues"].astype(str)]
            panel["runs"][alpha] = {
                "alpha": float(alpha),
                "iteration": rows["iteration"].tolist(),
                "eigenvalues": [_short(np.maximum(row, 1e-12)) for row in values],
            }
    found = [
        {**one, "runs": [one["runs"][key] for key in sorted(one["runs"], reverse=True)]} for one in panels.values()
    ]
    return sorted(found, key=lambda panel: not panel["spread"])


def dynamics(tables: dict[str, pd.DataFrame], tier: dict, keys_of: dict[str, list[str]]):
    """Return plots of signal against error along runs, from experiment tables that have such columns beside
    ``iteration``.

    The first column whose name starts with ``signal`` and the first that starts with ``error`` are drawn. There is a
    plot for each value of the first column that identifies a row (except iteration, target, ensemble). It has a pair of
    curves, means over targets and ensembles, for each value of the other such columns and of ``alpha``. ``keys_of`` has
    the columns that identify a row of each table.
    """
    plots = []
    for name in plan.measured(tier):
        if name not in tables:
            continue
        table = tables[name]
        parts = {kind: [c for c in table if re.match(rf"{kind}(_|$)", c)] for kind in ("signal", "error")}
        if "iteration" not in table or not all(parts.values()):
            continue
        # Iteration 0 cannot be shown on a logarithmic axis.
        table = table[table["iteration"] > 0]
        rest = [key for key in keys_of[name] if key not in ("iteration", "target", "ensemble", "alpha")]
        inner = [key for key in (*rest[1:], "alpha") if key in table and table[key].nunique() > 1]
        for number, (said, part) in enumerate(_series(table, rest[:1])):
            curves = []
            for colour, (label, one) in enumerate(_series(part, inner)):
                for kind, columns in parts.items():
                    title = f"{kind}{', ' if label else ''}{label}"
                    curves.append(_trace(title, one, "iteration", columns[0], colour, dash=kind == "error"))
            title = f"Signal and error along the run{': ' if said else ''}{said}"
            plot = {"id": f"dynamics_{name}_{number}", "title": title, "x": "iteration", "y": "size", "log": "xy"}
            plots.append({**plot, "curves": curves})
    return plots


def _series(frame, keys):
    """Return ``(label, rows)`` of each curve of a table."""
    if not keys:
        return [("", frame)]
    parts = []
    for values, part in frame.groupby(list(keys), sort=True):
        pairs = zip(keys, values, strict=True)
        said = [
            str(v) if isinstance(v, str) else f"{k.replace('_over_', '/').replace('_', ' ')} = {v:g}" for k, v in pairs
        ]
        parts.append((", ".join(said).replace("alpha", "α"), part))
    return parts


@cache
def published_figures():
    """Return the published curve of every figure that has one, by the figure's name."""
    return {
        entry["compare"]: entry["published"]
        for chapter in reversed(load_chapters())
        for entry in reversed(chapter.entries.get("experiments", {}).values())
        if "compare" in entry and "scan" not in entry
    }


def comparisons(tables, tier, labels):
    """Return, for each figure of the tier that has a published curve, a plot of our runs beside it.

    Returns
    -------
    list of dict
        ``name``, ``chapter``, ``plot``, ``compared`` (whether the tier runs the published size) and ``rows``: per error
        and curve the number of published points, how many lie in the prediction interval, the geometric mean factor and
        the first and last pair of values.
    """
    return [_comparison(tables, tier, name, labels) for name in tier["figures"] if name in published_figures()]


def _comparison(tables, tier, name, labels):
    curve = published_figures()[name]
    table = tables[name][tables[name]["status"] != "diverged"]
    by = tier["experiments"][name]["by"]
    x = next(axis for axis in AXES if axis in by)
    own = [key for key in by if key != x]
    keys = [key for key in own if table[key].nunique() > 1 or key == "d"]
    compared = [n for n, block in plan.compared(tier).items() if block["compare"] == name and "scan" not in block]
    published = load_sizes(curve) if compared else None
    errors = [error for error in ERRORS if error in set(load_published(curve)["error"])]
    curves = []
    for error in errors:
        for text, part in _series(table, keys):
            title = f"{ERRORS[error]}{', ' if text else ''}{text}"
            colour = len({drawn["colour"] for drawn in curves})
            curves.append(_trace(f"{title}, ours", part, x, error, colour))
            if published is not None:
                curves += _published_points(published, part, (error, x, ("d", *keys)), title, colour)
    values = table[x][table[x] > 0]
    log = "xy" if x != "iteration" and values.max() >= LOG_SPAN * values.min() else "y"
    label = re.split(r"[:(]", meaning(COLUMNS[x]))[0].strip()
    plot = {
        "id": f"published_{name}",
        "title": labels["titles"][name],
        "x": label,
        "y": "relative error",
        "log": log,
    }
    rows = _factors(pd.concat([tables[n] for n in compared]), keys, x) if compared else []
    return {
        "name": name,
        "chapter": labels["chapters"][name],
        "sizes": sorted(int(d) for d in table["d"].unique()),
        "compared": bool(compared),
        "rows": rows,
        "plot": {**plot, "curves": curves},
    }


def _published_points(published, part, where, title, colour):
    """Return the published points of an error that belong to one of our curves, as a list of one curve or none."""
    error, x, keys = where
    there = published[published["error"] == error]
    for key in keys:
        there = there[there[key] == part[key].iloc[0]] if key in there else there
    if there.empty:
        return []
    there = _thinned(there.sort_values(x))
    point = {"name": f"{title}, published", "x": there[x].tolist(), "y": _short(there["value"])}
    return [{**point, "colour": colour, "points": True}]


def _factors(compared, keys, x):
    """Return the rows of the page's table of published curves."""
    rows = []
    for (error, text), part in _compared_parts(compared, [key for key in keys if key in compared]):
        part = part.sort_values(x)
        factor = np.exp(np.mean(np.abs(np.log(part["ratio"]))))
        ends = [f"{show(r['ours'])} / {show(r['published'])} at {r[x]:g}" for _, r in part.iloc[[0, -1]].iterrows()]
        rows.append(
            {
                "error": ERRORS[error],
                "curve": text,
                "points": len(part),
                "inside": int((part["inside"].astype(str) == "True").sum()),
                "factor": f"{factor:.3g}" if np.isfinite(factor) else "–",
                "first": ends[0],
                "last": ends[1],
            }
        )
    return rows


def _compared_parts(table, keys):
    for error in ERRORS:
        frame = table[table["error"] == error]
        if len(frame):
            for text, part in _series(frame, keys):
                yield (error, text), part
