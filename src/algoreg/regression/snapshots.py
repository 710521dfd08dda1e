"""Write the results of a chapter that are committed: tables, comparisons with published curves, verdicts."""

import io
import json

from algoreg import plugins
from algoreg.regression.references import MAPPINGS, read_comparison, read_table
from algoreg.results import records
from algoreg.settings import plan
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
    # These are shown beside the verdicts but not compared, because nothing may keep a control's estimate stable.
    "control_estimate",
    "positive_control_estimate",
)
VALUES = ("train_error", "test_error")
# Significant digits of numbers. Documents show three; the comparison takes the sixth as its unit.
DIGITS = 6


def table_text(frame, keys, values):
    """Return the committed form of a table: a CSV with its keys, the status and its measured columns."""
    return comparison_text(frame[[*keys, "status", *values]].astype(dict.fromkeys(values, float)))


def comparison_text(frame):
    """Return the committed form of a comparison with a published curve: a CSV with all its columns."""
    style = f"{{:.{DIGITS}g}}".format
    numbers = {column: frame[column].map(style, na_action="ignore") for column in frame.select_dtypes("float")}
    return frame.assign(**numbers).to_csv(index=False, lineterminator="\n")


def texts(results, tier, chapter, partial=False):
    """Return the committed form of a chapter's tables in a tier as texts, by kind and name.

    Parameters
    ----------
    results : pathlib.Path
        The folder ``results/<tier>``.
    tier : mapping
        The tier's settings.
    chapter : algoreg.settings.chapters.Chapter
    partial : bool
        Whether to skip missing tables, because the tier has been run in part.
    """
    found = {kind: {} for kind in MAPPINGS}
    for name in (name for name in plan.tables(tier) if name in chapter.entries.get("experiments", {})):
        block, path = tier["experiments"][name], results / "tables" / f"{name}.csv"
        if partial and not path.exists():
            continue
        frame = records.read_table(path)
        if "compare" in block:
            found["comparisons"][name] = comparison_text(frame)
        elif "select" in block:
            found["tables"][name] = table_text(frame, [*block["by"], "target", "ensemble"], VALUES)
        else:
            module = plugins.experiment(block["experiment"])
            found["tables"][name] = table_text(frame, module.KEYS, module.VALUES)
    return found


def claims(results, tier, chapter, partial=False):
    """Return the committed fields of a chapter's verdicts, in the order of its claims.

    With ``partial``, a judging tier skips the claims that it does not judge, and verdicts that are missing are skipped.
    The parameters are the same as for :func:`texts`.
    """
    every = not partial or size_of(tier) not in JUDGING
    wanted = [entry for entry in chapter.claims if every or plan.is_judged(entry, tier)]
    paths = [results / "claims" / f"{entry['id']}.json" for entry in wanted]
    judged = [records.read_json(path) for path in paths if path.exists() or not partial]
    return [{field: claim[field] for field in CLAIM_FIELDS} for claim in judged]


def snapshot(results, tier, chapter, partial=False):
    """Return a chapter's results in the form of a reference (:mod:`algoreg.regression.references`).

    The parameters are the same as for :func:`texts`.
    """
    found, readers = texts(results, tier, chapter, partial), {"tables": read_table, "comparisons": read_comparison}
    return {
        **({"partial": True} if partial else {}),
        **{kind: {name: readers[kind](io.StringIO(text)) for name, text in found[kind].items()} for kind in MAPPINGS},
        "claims": claims(results, tier, chapter, partial),
    }


def write(folder, texts, verdicts, partial=False, made_on=None):
    """Write a chapter's reference.

    A partial reference keeps the tables and claims of an earlier one, because an expensive tier is run part by part.

    Parameters
    ----------
    folder : pathlib.Path
        See :func:`algoreg.regression.references.folder_of`.
    texts : mapping
        See :func:`texts`.
    verdicts : list of mapping
        See :func:`claims`.
    partial : bool
    made_on : mapping, optional
        See :func:`algoreg.regression.verify.made_on`; by default what an earlier reference has.
    """
    tables = {name: text for kind in MAPPINGS for name, text in texts[kind].items()}
    path = folder / "claims.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    made_on = made_on or known.get("made_on")
    if partial and known:
        earlier = known["claims"]
        verdicts = list({claim["id"]: claim for claim in (*earlier, *verdicts)}.values())
    elif not partial:
        for old in folder.glob("*.csv"):
            if old.stem not in tables:
                old.unlink()
    for name, text in tables.items():
        records.write_text(folder / f"{name}.csv", text)
    # A claim a line, so that its diffs can be read.
    lines = ",\n".join(f"    {json.dumps(claim)}" for claim in verdicts)
    head = '  "partial": true,\n' if partial else ""
    head += f'  "made_on": {json.dumps(made_on)},\n' if made_on else ""
    records.write_text(path, f'{{\n{head}  "claims": [\n{lines}\n  ]\n}}\n')
