"""Recipes of a tier's results: the files that each job reads, and everything else that decides its result.

The rules of the workflow take their inputs and parameters from here. The report page, ``make verify`` and
``make reference`` also take from here what a result must have been made from, and refuse results that were made with
other settings, code or inputs (:mod:`algoreg.results.chain`). Nothing reads Snakemake's graph.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from algoreg import code_hash, jobs, plugins
from algoreg.claims.criteria import criterion
from algoreg.regression import references, replications
from algoreg.reporting import papers
from algoreg.reporting.charts.claims import claims_of
from algoreg.reporting.page import addresses
from algoreg.results import chain, experiment_tables
from algoreg.results.digests import params_digest, settings_hash
from algoreg.settings import entries, plan
from algoreg.settings.chapters import load_chapters

# Libraries on whose versions results depend. ziglang compiles the kernels.
NUMERICS = ("numpy", "scipy", "pandas", "torch")
KERNELS = (*NUMERICS, "ziglang")
MEASURING = (*KERNELS, "cvxpy", "clarabel", "scs", "scikit-learn")


# Cached, because a version is read from a file and hundreds of jobs need the same ones.
_version = cache(version)


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the installed versions of libraries."""
    return {name: _version(name) for name in names}


@dataclass(frozen=True)
class Recipe:
    """A job's input files and parameters, which together determine its results.

    Attributes
    ----------
    inputs : dict
        Files, relative to the working directory, by the script's name for them.
    params : dict
        Everything else, in types that JSON can represent: settings, seed, hashes of code, versions of libraries.
    """

    inputs: dict[str, str | list[str]]
    params: dict[str, Any]

    @property
    def files(self) -> list[str]:
        """All input files."""
        return [file for files in self.inputs.values() for file in ([files] if isinstance(files, str) else files)]


class Recipes:
    """The recipes of all results of a tier.

    Parameters
    ----------
    tier : dict
        The tier's complete settings.
    claims : list of mapping
        The claims of the tier's chapters.
    root : pathlib.Path
        The repository's folder.
    """

    def __init__(self, tier: dict[str, Any], claims: list[dict[str, Any]], root: Path) -> None:
        self.tier, self.root = tier, root
        # The criterion is added as text, because jobs that do not judge do not import estimands.
        self.claims = [{**entry, "criterion": criterion(entry, plugins.functions("estimands"))} for entry in claims]
        self.chapters = load_chapters({entry["chapter"] for entry in claims})
        self._titles = {chapter.name: chapter.title for chapter in self.chapters}
        self._settings = [
            os.path.relpath(file) for one in load_chapters() for file in sorted(one.folder.glob("*.yaml"))
        ]
        self.judged = [entry for entry in self.claims if plan.is_judged(entry, tier)]
        self.skipped = [entry for entry in self.claims if entry not in self.judged]
        self.published = {path.stem: os.path.relpath(path) for path in jobs.published_files()}
        # Facts about published curves that their files do not contain.
        self._facts = {name: dict(facts) for one in load_chapters() for name, facts in one.published.items()}
        self.notebooks = jobs.notebooks(tier, claims, root / "notebooks")
        self.references = references.paths(tier["tier"], [chapter.name for chapter in self.chapters])
        self._recipes = cache(self._recipe_of)

    # Paths

    def result(self, path: str) -> str:
        """Return a path below ``results/<tier>``."""
        return f"results/{self.tier['tier']}/{path}"

    def results(self, paths: Iterable[str]) -> list[str]:
        """Return paths below ``results/<tier>``."""
        return [self.result(path) for path in paths]

    def table(self, name: str) -> str:
        """Return the path of a table."""
        return self.result(f"tables/{name}.csv")

    def tables(self) -> list[str]:
        """Return the paths of all tables."""
        return [self.table(name) for name in plan.tables(self.tier)]

    def figures_of(self, names: Iterable[str]) -> list[str]:
        """Return the files of figures."""
        return self.results(f"figures/{name}.{kind}" for name in names for kind in jobs.KINDS)

    def verdict(self, entry: Mapping[str, Any]) -> str:
        """Return the path of a claim's verdict."""
        return self.result(f"claims/{entry['id']}.json")

    def from_root(self, *parts: str) -> str:
        """Return a path in the repository relative to the working directory, so that results survive a move of both."""
        return os.path.relpath(self.root.joinpath(*parts))

    def _matching(self, pattern: str) -> list[str]:
        return sorted(map(os.path.relpath, self.root.glob(pattern)))

    def _code(self, script: str, found: Iterable[str] = ()) -> dict[str, str]:
        """Return the hashes of a script, its imports and its plugins, each ``module`` or ``module:name``."""
        modules = {reference.partition(":")[0] for reference in found}
        return code_hash.code_hashes(self.root / "scripts" / script, modules)

    # Data, runs, tables

    def _experiment(self, name: str) -> tuple[Any, dict[str, Any], list[str]]:
        """Return the entry of an experiment, its complete options, and the user's data files that the options name."""
        block = self.tier["experiments"][name]
        options = plan.experiment_options(block, self.tier)
        return block, options, jobs.data_files(block["experiment"], options)

    def generate(self, experiment: str, ensemble: int) -> Recipe:
        """Return the recipe of the generated data of one ensemble of an experiment."""
        block, options, data = self._experiment(experiment)
        drawn = plugins.generated_from(block["experiment"], options)
        return Recipe(
            {"data": data},
            {
                # Without the name, two tables with equal options would share one entry of Snakemake's cache, although
                # the sidecar of a result names that result.
                "table": experiment,
                "experiment": block["experiment"],
                "options": drawn,
                "ensemble": ensemble,
                "seed": self.tier["seed"],
                "threads": self.tier["threads"],
                "code": self._code("generate.py", plugins.modules_of_experiment(block["experiment"], drawn)),
                "versions": versions(KERNELS),
            },
        )

    def measure(self, experiment: str, part: int | None = None) -> Recipe:
        """Return the recipe of an experiment's table, or of a part of it."""
        block, options, data = self._experiment(experiment)
        ensembles = plan.experiment_parts(block)[part or 0]
        name = experiment if part is None else f"{experiment}-{part}"
        return Recipe(
            {"generated": self.results(plan.generated_files(experiment, block, ensembles)), "data": data},
            {
                "table": experiment,
                "experiment": block["experiment"],
                "options": options,
                "ensembles": ensembles,
                "seed": self.tier["seed"],
                "dtype": plan.dtype_of(block, self.tier),
                "threads": self.tier["threads"],
                "checkpoint": self.result(f"checkpoints/measure-{name}.npz"),
                "code": self._code("measure.py", plugins.modules_of_experiment(block["experiment"], options)),
                "versions": versions(MEASURING),
            },
        )

    def collect_parts(self, experiment: str) -> Recipe:
        """Return the recipe of an experiment's table that several jobs measure in parts."""
        block = self.tier["experiments"][experiment]
        module = plugins.experiment(block["experiment"])
        return Recipe(
            {"parts": self.results(plan.part_files(experiment, block))},
            {
                "experiment": block["experiment"],
                "key_columns": list(module.KEYS),
                "columns": experiment_tables.columns(module),
                "code": self._code("tabulate_experiment.py"),
                "versions": versions(["pandas"]),
            },
        )

    def select_runs(self, table: str) -> Recipe:
        """Return the recipe of a table of runs that are selected from recorded descents."""
        return Recipe(
            {"parts": self.results(jobs.selected_files(self.tier, table))},
            {"block": self.tier["experiments"][table], "code": self._code("tabulate.py")},
        )

    def compare_published(self, table: str) -> Recipe:
        """Return the recipe of the comparison of a table with a published curve."""
        block, curve = self.tier["experiments"][table], self.tier["experiments"][table]["published"]
        return Recipe(
            {"table": self.table(block["compare"]), "curve": self.published[curve]},
            {
                "block": block,
                "published": self._facts[curve],
                "code": self._code("compare_published.py"),
                "versions": versions(NUMERICS),
            },
        )

    # Verdicts

    def judge(self, entry: Mapping[str, Any]) -> Recipe:
        """Return the recipe of the verdict on a claim."""
        curves, estimands = entries.published_for(entry), plugins.estimands_of(entry)
        return Recipe(
            {
                "tables": [self.table(name) for name in entry["experiments"]],
                "published": [self.published[name] for name in curves],
            },
            {
                "entry": entry,
                "estimands": estimands,
                "published": {name: self._facts[name] for name in curves},
                "seed": self.tier["seed"],
                "code": self._code("judge_claim.py", estimands.values()),
                "versions": versions(NUMERICS),
            },
        )

    def skip_claims(self) -> Recipe:
        """Return the recipe of the verdicts "not-judged" on all claims that this tier does not judge."""
        return Recipe({}, {"entries": self.skipped, "code": self._code("skip_claims.py")})

    def collect_claims(self) -> Recipe:
        """Return the recipe of the list of verdicts."""
        params = {"titles": self._titles, "code": self._code("collect_claims.py")}
        return Recipe({"claims": list(map(self.verdict, self.claims))}, params)

    def check_controls(self) -> Recipe:
        """Return the recipe of the check of the controls."""
        return Recipe({"claims": self.result("claims.json")}, {"code": self._code("check_controls.py")})

    # Figures, notebooks, pages

    def draw_figures(self, chapter: str) -> Recipe:
        """Return the recipe of the figures of a chapter, which one job draws."""
        shown = self.chapter_figures[chapter]
        drawings = {name: plugins.reference("figures", name) for name in shown}
        tables = dict.fromkeys(table for names in shown.values() for table in names)
        curves = next(list(one.published) for one in self.chapters if one.name == chapter)
        return Recipe(
            {"tables": list(map(self.table, tables)), "published": [self.published[name] for name in curves]},
            {
                "figures": shown,
                "drawings": drawings,
                "published": {name: self._facts[name] for name in curves},
                "claims": {name: claims_of(name, self.claims) for name in shown},
                "code": self._code("draw_figures.py", drawings.values()),
                "versions": versions([*NUMERICS, "matplotlib"]),
            },
        )

    @cached_property
    def chapter_figures(self) -> dict[str, dict[str, list[str]]]:
        """The tables of every figure of the tier, by chapter and name."""
        shown = self.tier["figures"]
        named = {one.name: one.entries.get("figures", {}) for one in self.chapters}
        found = {chapter: {name: shown[name] for name in names if name in shown} for chapter, names in named.items()}
        return {chapter: names for chapter, names in found.items() if names}

    def tabulate_verdicts(self) -> Recipe:
        """Return the recipe of the table of verdicts in Snakemake's own report."""
        template = self.from_root("workflow", "report", "verdicts.html.j2")
        return Recipe(
            {"claims": self.result("claims.json"), "template": template},
            {
                "titles": self._titles,
                "code": self._code("tabulate_verdicts.py"),
                "versions": versions(["jinja2"]),
            },
        )

    def pages(self) -> list[str]:
        """Return the paths of the pages of the report, starting with the front page."""
        return self.results(f"report/{name}" for name in addresses.pages(self._titles))

    def build_page(self, lead: str) -> Recipe:
        """Return the recipe of the report, which begins with the figure ``lead`` if the tier draws it."""
        spectra = jobs.spectra(self.tier)
        return Recipe(
            {
                "claims": self.result("claims.json"),
                "tables": self.tables(),
                "figures": self.figures_of(self.tier["figures"]),
                "spectra": self.results(one[key] for one in spectra for key in ("runs", "drawn")),
                "published": list(self.published.values()),
                "templates": self._matching("workflow/report/page/*.*"),
                "presets": self.from_root("workflow", "report", "explorer", "presets.json"),
                "chapters": self._matching("docs/chapters/*.md"),
                "readme": self._matching("README.md"),
                "fresh": list(map(os.path.relpath, replications.files())),
                "committed": list(map(os.path.relpath, references.paths("standard").values())),
                "papers": list(map(os.path.relpath, papers.files())),
                "settings": self._settings,
                "costs": self.from_root("reference", "cost.json"),
            },
            {
                "registry": self.claims,
                "settings": settings_hash(self.tier),
                "titles": [[one.name, one.title, one.question, *one.papers] for one in self.chapters],
                "labels": jobs.page_labels(self.tier),
                "lead": lead,
                "code": self._code("build_page.py"),
                "versions": versions(["jinja2", "mistune", "plotly"]),
            },
        )

    def build_explorer(self, chapter: str, table: str) -> Recipe:
        """Return the recipe of the explorer page, whose map is a committed table of tier standard."""
        return Recipe(
            {
                "parts": self._matching("workflow/report/explorer/*.*"),
                "style": self.from_root("workflow", "report", "page", "page.css"),
                "reference": self.from_root("reference", "standard", chapter, f"{table}.csv"),
            },
            {
                "table": table,
                "code": self._code("build_explorer.py"),
                "versions": versions(["jinja2", "scipy"]),
            },
        )

    def execute_notebook(self, name: str) -> Recipe:
        """Return the recipe of an executed notebook; a notebook that opens any other result fails."""
        reads, source = self.notebooks[name], self.root / "notebooks" / f"{name}.ipynb"
        unjudged = any(entry in self.skipped for entry in self.claims if entry["chapter"] in reads["chapters"])
        # The notebook may show the committed verdicts of claims that this tier does not judge.
        committed = references.paths("standard", reads["chapters"]).values() if unjudged else []
        return Recipe(
            {
                "notebook": os.path.relpath(source),
                "template": self.from_root("workflow", "report", "notebook.html.j2"),
                "results": self.results(reads["files"]),
                "committed": list(map(os.path.relpath, committed)),
            },
            {
                "tier": self.tier["tier"],
                "code": self._code("execute_notebook.py", jobs.modules_of_notebook(source)),
                "versions": versions([*MEASURING, "matplotlib"]),
            },
        )

    def compare_with_reference(self) -> Recipe:
        """Return the recipe of the comparison with the committed reference; its outcome is not a sealed result."""
        compared = jobs.compared_files(self.tier, self.references.values())
        # The comparison reads from each experiment which of its columns identify a row.
        experiments = {
            plugins.module_name("experiments", one["experiment"]) for one in plan.measured(self.tier).values()
        }
        return Recipe(
            {
                **{kind: self.results(files) for kind, files in compared.items()},
                "references": [
                    os.path.relpath(file) for path in self.references.values() for file in references.files(path)
                ],
                "settings": self._settings,
            },
            {
                "chapters": [chapter.name for chapter in self.chapters],
                "code": self._code("compare_with_reference.py", experiments),
            },
        )

    # What results must have been made of

    def required(self, files: Iterable[str]) -> dict[str, chain.Job]:
        """Return what results must have been made from: the results among some files, and all results behind these.

        Returns
        -------
        dict of str to algoreg.results.chain.Job
            By path; see :func:`algoreg.results.chain.require`.
        """
        found: dict[str, chain.Job] = {}
        todo = list(files)
        while todo:
            file = todo.pop()
            recipe = None if file in found else self._recipes(file)
            if recipe is not None:
                found[file] = chain.Job(params_digest(recipe.params), tuple(recipe.files))
                todo += recipe.files
        return found

    def _recipe_of(self, file: str) -> Recipe | None:
        """Return the recipe of a result that other results or a reference depend on; None for any other file."""
        tier, path = self.result(""), file.removeprefix(self.result(""))
        if not file.startswith(tier):
            return None
        folder, _, name = path.partition("/")
        name = name.rsplit(".", 1)[0]
        match folder:
            case "data":
                experiment, _, number = name.partition("/ensemble-")
                return self.generate(experiment, int(number))
            case "experiments":
                experiment, _, part = name.partition("/part-")
                return self.measure(experiment, int(part))
            case "tables":
                return self._table_recipe(name)
            case "claims":
                entry = next((entry for entry in self.claims if entry["id"] == name), None)
                if entry is None:
                    return None
                return self.skip_claims() if entry in self.skipped else self.judge(entry)
            case "figures":
                chapter = next((key for key, names in self.chapter_figures.items() if name in names), None)
                return self.draw_figures(chapter) if chapter else None
        single = {"claims.json": self.collect_claims, "controls.json": self.check_controls}
        return single[path]() if path in single else None

    def _table_recipe(self, name: str) -> Recipe:
        """Return the recipe of a table."""
        block = self.tier["experiments"][name]
        if "experiment" not in block:
            return self.select_runs(name) if "select" in block else self.compare_published(name)
        return self.collect_parts(name) if plan.in_parts(block) else self.measure(name)
