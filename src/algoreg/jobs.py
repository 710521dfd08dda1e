"""What the workflow's jobs read, derived from a tier's settings and the plugins; the recipes call these functions."""

import ast
import contextlib
import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from algoreg import code_hash, plugins
from algoreg.settings import plan
from algoreg.settings.chapters import SECTIONS, Chapter

KINDS = ("svg", "pdf", "png")


def data_files(experiment: str, settled: dict) -> list[str]:
    """Return the user's data files that an experiment's options name: the options listed in its module's ``READS``."""
    named = getattr(plugins.experiment(experiment), "READS", ())
    return [settled[key]["path"] for key in named if settled.get(key)]


def selected_files(tier: dict, name: str) -> list[str]:
    """Return the files below ``results/<tier>`` that the rows of a table of runs are selected from."""
    return [
        file
        for experiment in tier["experiments"][name]["select"]
        for file in plan.part_files(experiment, tier["experiments"][experiment])
    ]


def spectra(tier: dict) -> list[dict]:
    """Return the experiments whose eigenvalues the page shows: those that record the spectrum of factored descents.

    Returns
    -------
    list of dict
        For each experiment ``runs`` and ``drawn``, files below ``results/<tier>`` with the recorded runs and the
        generated data of its first ensemble, and ``problem``, the options that this ensemble is generated from.
    """
    found = []
    for name, block in plan.recorded(tier).items():
        options = plan.experiment_options(block, tier)
        if "spectrum" in options["record"] and options["algorithm"] == "factored":
            (drawn,) = plan.generated_files(name, block, [0])
            problem = plugins.generated_from(block["experiment"], options)
            found.append({"runs": plan.part_files(name, block)[0], "drawn": drawn, "problem": problem})
    return found


def lineage(tier: dict, table: str) -> list[str]:
    """Return the paths, below the tier's folder, of the results that lead to a table and of the table, in order."""
    block, own = tier["experiments"][table], f"tables/{table}.csv"
    if "compare" in block:
        return [*lineage(tier, block["compare"]), own]
    measured = [(name, tier["experiments"][name]) for name in block.get("select", [table])]
    paths = [
        path
        for name, each in measured
        for path in (*plan.generated_files(name, each, range(each["ensembles"])), *plan.part_files(name, each))
    ]
    return [*paths, own]


def chapter_files(tier: dict, chapter: Chapter) -> list[str]:
    """Return a chapter's files below ``results/<tier>``: its claims, tables and figures."""
    own = {name for section in SECTIONS for name in chapter.entries.get(section, ())}
    return [
        *(f"claims/{entry['id']}.json" for entry in chapter.claims),
        *(f"tables/{name}.csv" for name in plan.tables(tier) if name in own),
        *(f"figures/{name}.{kind}" for name in tier["figures"] if name in own for kind in KINDS),
    ]


def compared_files(tier: dict, claims: Iterable[Path]) -> dict[str, list[str]]:
    """Return the files below ``results/<tier>`` that are compared with committed references.

    These are all verdicts and tables of the tier or, if every reference is partial, those that the references contain.
    ``claims`` are the references' files of claims.
    """
    found = {path: json.loads(path.read_text(encoding="utf-8")) for path in claims}
    if found and all(content.get("partial") for content in found.values()):
        verdicts = [f"claims/{claim['id']}.json" for content in found.values() for claim in content["claims"]]
        names = [table.stem for path in found for table in sorted(path.parent.glob("*.csv"))]
    else:
        verdicts, names = ["controls.json", "claims.json"], plan.tables(tier)
    return {"verdicts": verdicts, "tables": [f"tables/{name}.csv" for name in names]}


def notebooks(tier: dict, claims: list[dict], folder: Path) -> dict[str, dict[str, list[str]]]:
    """Return which results of a tier each notebook of a folder reads, and which of them the tier lacks.

    A notebook's metadata list ``tables``, ``figures``, and the chapters of the ``claims``. A name with an asterisk is a
    pattern and may match nothing. If the metadata are missing, the notebook is assumed to read every result.

    Returns
    -------
    dict
        For each notebook, by name: ``files`` below ``results/<tier>``, ``chapters`` whose claims it shows, and
        ``lacking``, a description of each result that the tier lacks.
    """
    chapters = list(dict.fromkeys(entry["chapter"] for entry in claims))
    has = {"tables": plan.tables(tier), "figures": list(tier["figures"]), "claims": chapters}
    return {path.stem: _reads(has, claims, path) for path in sorted(folder.glob("*.ipynb"))}


def _reads(has: dict[str, list[str]], claims: list[dict], path: Path) -> dict[str, list[str]]:
    """Return which of a tier's results a notebook reads."""
    everything: dict[str, list[str]] = {kind: ["*"] for kind in has}
    says = json.loads(path.read_text(encoding="utf-8"))["metadata"].get("algoreg", everything)
    found, lacking = {}, []
    for kind, words in {"tables": "table", "figures": "figure", "claims": "claims of"}.items():
        names = says.get(kind, [])
        found[kind] = [one for one in has[kind] if any(fnmatchcase(one, name) for name in names)]
        lacking += [f"{words} {name}" for name in names if "*" not in name and name not in has[kind]]
    files = [
        *(f"tables/{name}.csv" for name in found["tables"]),
        *(f"figures/{name}.{kind}" for name in found["figures"] for kind in KINDS),
        *(f"claims/{entry['id']}.json" for entry in claims if entry["chapter"] in found["claims"]),
        *(["claims.json"] if "*" in says.get("claims", []) else []),
    ]
    return {"files": files, "chapters": found["claims"], "lacking": lacking}


def modules_of_notebook(path: Path) -> list[str]:
    """Return the modules that a notebook's cells import or may find by name; it may return more, but not fewer."""
    names, found = set(), set()
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        # A cell with IPython commands is not valid Python.
        with contextlib.suppress(SyntaxError):
            tree = ast.parse("".join(cell["source"]) if cell["cell_type"] == "code" else "")
            found |= code_hash.imports_of(tree)
            names |= {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    if "algoreg.recover" in found:
        names |= set(plugins.modules("algorithms"))
    if "algoreg.claims.judging" in found:
        found |= set(plugins.all_modules("estimands"))
    for experiment in names & set(plugins.modules("experiments")):
        for kind in getattr(plugins.experiment(experiment), "FINDS", {}).values():
            names |= set(plugins.modules(kind))
    for kind in plugins.MODULE_KINDS:
        found |= {module for name, module in plugins.modules(kind).items() if name in names}
    return sorted(found)


def page_labels(tier: dict) -> dict[str, Any]:
    """Return what the report page shows about plugins, because its job does not import them.

    Returns
    -------
    dict
        ``titles`` and ``chapters`` of the figures; ``keys``, the columns that identify a row of each experiment's
        table; the ``lineage`` of each table (:func:`lineage`); and ``spectra`` (:func:`spectra`).
    """
    figures = tier["figures"]
    return {
        "titles": {name: plugins.figure_title(name) for name in figures},
        "chapters": {name: plugins.figure_chapter(name) for name in figures},
        "keys": {
            name: list(plugins.experiment(block["experiment"]).KEYS) for name, block in plan.measured(tier).items()
        },
        "lineage": {name: lineage(tier, name) for name in plan.tables(tier)},
        "spectra": spectra(tier),
    }


def published_files() -> list[Path]:
    """Return the published curves of all chapters."""
    return [path for folder in plugins.chapters().values() for path in sorted(folder.glob("published/*.csv"))]
