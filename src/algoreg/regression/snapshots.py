"""The committed form of a chapter's results in a tier: tables, comparisons with published curves, verdicts."""

import numpy as np
import pandas as pd

from algoreg import plugins
from algoreg.regression.references import MAPPINGS
from algoreg.results import records
from algoreg.settings import plan
from algoreg.settings.files import json_by_lines
from algoreg.settings.tier import JUDGING, size_of

CLAIM_FIELDS = (
    "id",
    "verdict",
    "estimate",
    "ci_low",
    "ci_high",
    "control_verdict",
    "positive_control_verdict",
    "margin",
    # Shown beside the verdicts, not compared: a control may be a run that nothing holds together.
    "control_estimate",
    "positive_control_estimate",
)

VALUES = ("train_error", "test_error")


def of_runs(frame, by):
    """Return the committed form of a table of runs: what names its rows, statuses, both errors."""
    return {
        "keys": {key: frame[key].tolist() for key in [*by, "target", "ensemble"]},
        "status": frame["status"].tolist(),
        **{value: [short(float(x)) for x in frame[value]] for value in VALUES},
    }


def of_experiment(frame, experiment):
    """Return the committed form of an experiment's table; ``experiment`` is its name."""
    module = plugins.experiment(experiment)
    return {
        "keys": {key: [short(x) for x in frame[key].tolist()] for key in module.KEYS},
        "status": frame["status"].tolist(),
        **{value: [short(float(x)) for x in frame[value]] for value in module.VALUES},
    }


def snapshot(results, tier, chapter, partial=False):
    """Return what of a chapter's results in a tier is committed.

    Parameters
    ----------
    results : pathlib.Path
        The folder ``results/<tier>``.
    tier : mapping
        Its settings.
    chapter : algoreg.settings.chapters.Chapter
    partial : bool
        Only of the tables and claims that are there, of a tier that has been run in part. It says so by its key
        ``partial``.

    Returns
    -------
    dict
        ``tables`` of runs and experiments, ``comparisons`` with published curves, ``claims``.
    """
    names = [name for name in plan.tables(tier) if name in chapter.entries.get("experiments", {})]
    if partial:
        names = [name for name in names if (results / f"tables/{name}.csv").exists()]
    tables, comparisons = {}, {}
    for name in names:
        block, frame = tier["experiments"][name], records.read_table(results / "tables" / f"{name}.csv")
        if "compare" in block:
            comparisons[name] = [{key: short(value) for key, value in row.items()} for row in frame.to_dict("records")]
        else:
            tables[name] = (
                of_runs(frame, block["by"]) if "select" in block else of_experiment(frame, block["experiment"])
            )
    return {
        **({"partial": True} if partial else {}),
        "tables": tables,
        "comparisons": comparisons,
        "claims": [
            {field: claim[field] for field in CLAIM_FIELDS} for claim in _claims(results, tier, chapter, partial)
        ],
    }


def completed(content, earlier):
    """Return the snapshot of a part of a tier with what only an earlier one has:
    a dear tier is run from part to part.
    """
    claims = {claim["id"]: claim for part in (earlier, content) for claim in part["claims"]}
    mappings = {key: {**earlier[key], **content[key]} for key in MAPPINGS}
    return {**content, **mappings, "claims": list(claims.values())}


def _claims(results, tier, chapter, partial):
    """Return the verdicts of a chapter, or of those claims that the tier judges the ones that are there,
    in their order.
    """
    every = not partial or size_of(tier) not in JUDGING
    wanted = [entry for entry in chapter.claims if every or plan.judged(entry, tier)]
    paths = [results / "claims" / f"{entry['id']}.json" for entry in wanted]
    return [records.read_json(path) for path in paths if path.exists() or not partial]


def frame_of(table):
    """Return a reference's table as a DataFrame: what names a row, its status, what was measured."""
    frame = pd.DataFrame({**table["keys"], "status": table["status"]})
    for value in (name for name in table if name not in ("keys", "status")):
        frame[value] = np.array([np.nan if x is None else x for x in table[value]], dtype=float)
    return frame


def claim_of(content, identity):
    """Return what a snapshot or a reference says of a claim."""
    (claim,) = (claim for claim in content["claims"] if claim["id"] == identity)
    return claim


def short(value):
    """Return a cell for JSON: floats with 6 significant digits, NaN as null."""
    if isinstance(value, float):
        return None if np.isnan(value) else float(f"{value:.6g}")
    return value


def dumps(content):
    """Return a snapshot as JSON text with one column or row a line, so that its diffs can be read."""
    parts = {"partial": True} if content.get("partial") else {}
    # What names the rows comes last.
    parts["tables"] = {
        name: {key: table[key] for key in sorted(table, key="keys".__eq__)} for name, table in content["tables"].items()
    }
    parts |= {key: content[key] for key in ("comparisons", "claims")}
    return json_by_lines(parts, _opened) + "\n"


def _opened(path):
    levels = {"tables": 2, "comparisons": 2, "claims": 1}
    return not path or len(path) <= levels.get(path[0], 0) or path[2:] == ("keys",)
