"""What the workflow's jobs take of a tier's settings, beyond what stands in them word by word; the rules ask here."""

import ast
import contextlib
import json
from fnmatch import fnmatchcase
from pathlib import Path

from algoreg import code_hash, plugins
from algoreg.spec import plan
from algoreg.spec.chapters import SECTIONS, Chapter

KINDS = ("svg", "pdf", "png")


def data_file(problem: dict) -> list[str]:
    """Return the file that a problem's measurements are read from; none where they are drawn."""
    return [problem["data"]["path"]] if problem.get("data") else []


def tables(tier: dict) -> list[str]:
    """Return the names of a tier's tables."""
    return [*tier["experiments"], *tier["studies"]]


def descent_runs(tier: dict, name: str) -> list[dict]:
    """Return the runs of a descent, each on every target, in a fixed order."""
    targets = range(tier["problems"][tier["descents"][name]["problem"]]["targets"])
    return [{**run, "target": target} for run in plan.expand_runs(tier, name) for target in targets]


def descent_plan(tier: dict, name: str, number: int) -> str:
    """Return what a descent's job on an ensemble will do, in words."""
    block, runs = tier["descents"][name], descent_runs(tier, name)
    problem = tier["problems"][block["problem"]]
    return (
        f"d={problem['d']}, r={problem['rank']}, m={problem['m']}, ensemble {number + 1} of {problem['ensembles']}: "
        f"{len(runs)} {block['algorithm']} runs × up to {max(run['iterations'] for run in runs)} iterations"
    )


def collected(tier: dict, experiment: str) -> list[tuple[str, int]]:
    """Return the (descent, ensemble number) pairs of the files that an experiment's table collects."""
    names = tier["experiments"][experiment]["descents"]
    return [(name, number) for name in names for number in plan.descent_ensembles(tier, name)]


def collected_sources(tier: dict, experiment: str) -> list[dict]:
    """Return what each file of :func:`collected` holds: its problem, algorithm, ensemble number and runs."""
    return [
        {
            "problem": tier["problems"][tier["descents"][name]["problem"]],
            "algorithm": tier["descents"][name]["algorithm"],
            "ensemble": number,
            "runs": descent_runs(tier, name),
        }
        for name, number in collected(tier, experiment)
    ]


def spectrum_files(tier: dict) -> list[str]:
    """Return the files below ``results/<tier>`` that the page shows eigenvalues of,
    each descent's with its problem's.
    """
    files = []
    for name in plan.spectrum_descents(tier):
        end = f"ensemble-{plan.descent_ensembles(tier, name)[0]}.npz"
        files += [f"descents/{name}/{end}", f"problems/{tier['descents'][name]['problem']}/{end}"]
    return list(dict.fromkeys(files))


def chapter_files(tier: dict, chapter: Chapter) -> list[str]:
    """Return the files below ``results/<tier>`` that are a chapter's: its claims, tables and figures."""
    own = {name for section in SECTIONS for name in chapter.experiments.get(section, ())}
    return [
        *(f"claims/{entry['id']}.json" for entry in chapter.claims),
        *(f"tables/{name}.csv" for name in tables(tier) if name in own),
        *(f"figures/{name}.{kind}" for name in tier["figures"] if name in own for kind in KINDS),
    ]


def compared_files(tier: dict, references: dict[str, Path]) -> dict[str, list[str]]:
    """Return what is compared with the chapters' committed references, as files below ``results/<tier>``.

    That is the tier, or the parts of it that they have; one of a whole chapter is not read while rules are parsed.
    """
    found = [_partial(path) for path in references.values()]
    parts = [part for part in found if part is not None]
    if not parts or len(parts) < len(found):
        verdicts, names = ["controls.json", "claims.json"], tables(tier)
        problems = [f"{problem}/ensemble-{number}" for problem, number in plan.drawn_problems(tier)]
    else:
        verdicts = [f"claims/{claim['id']}.json" for part in parts for claim in part["claims"]]
        names = [name for part in parts for name in (*part["tables"], *part["comparisons"])]
        problems = [name for part in parts for name in part["problems"]]
    return {
        "verdicts": verdicts,
        "tables": [f"tables/{name}.csv" for name in names],
        "problems": [f"problems/{name}.npz" for name in problems],
    }


def _partial(path: Path) -> dict | None:
    """Return a reference of a part of a chapter, None where it is of the whole one."""
    with path.open(encoding="utf-8") as handle:
        if '"partial": true' not in handle.read(40):
            return None
        handle.seek(0)
        return json.load(handle)


def notebooks(tier: dict, claims: list[dict], folder: Path) -> dict[str, dict[str, list[str]]]:
    """Return what each of a folder's notebooks reads of a tier, by name, and what of it the tier lacks.

    A notebook's metadata name it: ``tables``, ``figures``, and the chapters of the ``claims``. A name with an asterisk
    is all that the tier has of such names, and may be nothing. Who says nothing reads everything.

    Returns
    -------
    dict
        For each notebook ``files`` below ``results/<tier>``, ``chapters`` whose claims it shows, and ``lacking``, in
        words.
    """
    chapters = list(dict.fromkeys(entry["chapter"] for entry in claims))
    has = {"tables": tables(tier), "figures": list(tier["figures"]), "claims": chapters}
    return {path.stem: _reads(has, claims, path) for path in sorted(folder.glob("*.ipynb"))}


def _reads(has: dict[str, list[str]], claims: list[dict], path: Path) -> dict[str, list[str]]:
    """Return what a notebook reads of what a tier has."""
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
    """Return the modules that a notebook's cells import, and those that they may find by name:
    more rather than too few.
    """
    names, found = set(), set()
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        # One with commands of IPython is no Python.
        with contextlib.suppress(SyntaxError):
            tree = ast.parse("".join(cell["source"]) if cell["cell_type"] == "code" else "")
            found |= code_hash.imports_of(tree)
            names |= {str(node.value) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    if "algoreg.recover" in found:
        names |= set(plugins.modules("algorithms"))
    if "algoreg.judge.claims" in found:
        found |= set(plugins.all_modules("estimands"))
    for study in names & set(plugins.modules("studies")):
        for kind in getattr(plugins.study(study), "FINDS", {}).values():
            names |= set(plugins.modules(kind))
    for kind in plugins.MODULE_KINDS:
        found |= {module for name, module in plugins.modules(kind).items() if name in names}
    return sorted(found)


def page_labels(tier: dict) -> dict[str, dict]:
    """Return what the page says of plugins, which its job does not import.

    Returns
    -------
    dict
        ``titles`` and ``chapters`` of the figures, and ``keys``, the columns that name a row, of the studies' tables.
    """
    figures, studies = tier["figures"], tier["studies"].items()
    return {
        "titles": {name: plugins.figure_title(name) for name in figures},
        "chapters": {name: plugins.figure_chapter(name) for name in figures},
        "keys": {name: list(plugins.study(block["study"]).KEYS) for name, block in studies},
    }


def published_files() -> list[Path]:
    """Return the published curves of all chapters."""
    return [path for folder in plugins.chapters().values() for path in sorted(folder.glob("published/*.csv"))]
