"""Generate documents: whole files from the registry, tiers and plugins, and marked blocks from the references.

A test compares each of them with the committed file.
"""

import re
from pathlib import Path

from algoreg import plugins
from algoreg.regression import evidence, references, replications
from algoreg.reporting import badges, claim_documents, essay, explorer, report
from algoreg.reporting.claim_documents import code
from algoreg.reporting.ledger import Ledgers
from algoreg.reporting.report import literal
from algoreg.results import experiment_tables
from algoreg.settings import checking, options, plan, schemas, selection
from algoreg.settings.chapters import load_chapters
from algoreg.settings.columns import COLUMNS, columns_of, meaning
from algoreg.settings.files import json_by_lines
from algoreg.settings.tier import TIERS

# Documents with marked blocks that are filled from the committed references.
FILLED = ("README.md", "docs/guide.md", "docs/scaling.md")
# The meanings of columns that only comparisons have.
COMPARISON_COLUMNS = {
    "error": "which error: `train_error` or `test_error`",
    "ours": "our mean over targets and ensembles",
    "low": "lower end of the 95 % prediction interval for one more draw of the paper's kind",
    "high": "its upper end",
    "published": "the published value",
    "ratio": "ours / published",
    "inside": "whether the published value lies in the prediction interval",
    "published_alpha": "the α that the published curve is labelled with",
    "stretch": "how many times as fast time is taken to run in the published curve",
    "first": "first published iteration that is scored",
    "last": "last published iteration that is scored",
    "points": "published points that are scored",
    "factor": "geometric mean factor between ours and published",
    "end": "last iteration that both have",
    "ours_at_end": "our value there",
    "published_at_end": "the published value there",
    "best_alpha": "the α at which ours equals the published value there (empty outside the grid)",
}
COMPARED = ("error", "ours", "low", "high", "published", "ratio", "inside", "status")
SCANNED = (
    *("published_alpha", "error", "stretch", "alpha", "first", "last", "points", "factor"),
    *("end", "ours_at_end", "published_at_end", "best_alpha", "status"),
)
# The fields of claims.json, in their order.
FIELDS = {
    "id": "the claim's name",
    "chapter": "its chapter",
    "paper": "the paper's key in references.bib",
    "statement": "what is claimed",
    "source": "where in the paper",
    "standing": "paper, reading, ours or check: whose claim it is; only paper counts for or against a paper",
    "regime": "what it depends on: options of its experiments and derived keys, each with a value or a range",
    "kind": "curve, trend, exponent, bound or equivalence",
    "rule": "the workflow rule that judges it",
    "criterion": "the criterion in words, from estimand, direction and margin",
    "verdict": "supported, refuted, inconclusive, not-judged or invalid",
    "estimate": "the estimand's value; null where undefined or not judged",
    "ci_low": "lower end of its 95 % interval",
    "ci_high": "upper end",
    "margin": "the margin, fixed before the runs",
    "control_verdict": "verdict of the control, which must have an estimate and not be supported: the claim is invalid else",
    "control_estimate": "the estimand's value on the control",
    "table": "the table that it is judged from, below the tier's folder",
    "figure": "the figure that shows it, without suffix",
    "provenance": "the sidecar of the claim's own file",
    "direction": "above or below",
    "reason": "why this margin",
    "control": "what the control is",
    "positive_control": "a run for which the claim must hold, or null",
    "positive_control_verdict": "its verdict, which must be supported: the claim is invalid else",
    "positive_control_estimate": "the estimand's value on it",
    "remedy": "the claim that is the nearest true form of this one, or null",
    "deterministic": "why no sampling is in the estimate, or null",
    "not_judged": "what the machine did not allow, where that is why the claim is not judged; else null",
}


def _columns(names, own=None):
    meanings = {**COLUMNS, **(own or {})}
    rows = [[f"`{name}`", literal(meaning(meanings.get(name, "–")))] for name in names]
    return report.markdown(["column", "meaning"], rows)


def _listed(names):
    """Return a text that lists tables with the tiers that have them."""
    return "; ".join(f"`{name}` ({', '.join(tiers)})" for name, tiers in names.items())


def _named(tiers):
    """Return the tables of all tiers by kind: of runs (by columns), compared, scanned, of experiments (by experiment).

    Each kind maps names of tables to the tiers that have them.
    """
    runs, compared, scanned, experiments = {}, {}, {}, {}
    for tier, content in tiers.items():
        for name in plan.tables(content):
            block = content["experiments"][name]
            if "scan" in block:
                scanned.setdefault(name, []).append(tier)
            elif "compare" in block:
                compared.setdefault(name, []).append(tier)
            elif "select" in block:
                runs.setdefault(tuple(selection.columns(block)), {}).setdefault(name, []).append(tier)
            else:
                experiments.setdefault(block["experiment"], {}).setdefault(name, []).append(tier)
    return runs, compared, scanned, experiments


# The bounds in JSON schemas, with their signs in a table of options.
BOUNDS = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}


def allowed(schema):
    """Return a text with the values that a JSON schema of an option allows."""
    if several := schema.get("anyOf", schema.get("oneOf")):
        return " or ".join(map(allowed, several))
    if "enum" in schema or "const" in schema:
        return ", ".join(map(str, schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array":
        few = f" (at least {schema['minItems']})" if schema.get("minItems", 1) > 1 else ""
        return f"list{few} of {allowed(schema['items'])}"
    kind = {"object": "mapping", "boolean": "true or false", "string": "text"}.get(schema.get("type", "object"))
    bounds = [f"{sign} {schema[name]:g}" for name, sign in BOUNDS.items() if name in schema]
    return " ".join([kind or schema["type"], *([", ".join(bounds)] if bounds else [])])


def _lines_of_experiment(experiment, names):
    """Return the data dictionary's entry of an experiment: what it measures, its tables, columns and options."""
    module = plugins.experiment(experiment)
    lines = ["", f"#### {experiment}", "", f"{plugins.module_title('experiments', experiment)}."]
    # Roles that Sphinx turns into links become code here.
    said = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", plugins.first_paragraph(module.measure))
    said = said.removeprefix("Return ").rstrip(".:")
    if said:
        lines += ["", f"{said[:1].upper()}{said[1:]}."]
    lines += ["", f"Tables: {_listed(names)}."] if names else []
    lines += ["", f"A row is named by {', '.join(f'`{key}`' for key in module.KEYS)}.", ""]
    lines += [_columns(experiment_tables.columns(module), columns_of(experiment))]
    rows, model = [], options.of_experiment(experiment)
    defaults = options.defaults(model)
    for key, schema in model.model_json_schema()["properties"].items():
        said = "; ".join(filter(None, [allowed(schema), schema.get("description")]))
        default = code(defaults[key]) if key in defaults else "–"
        rows.append([f"`{key}`", literal(said), literal(default)])
    return [*lines, "", report.markdown(["option", "allowed", "default"], rows)]


def tables_document(tiers):
    """Return the site's data dictionary: every table of every tier with its columns, and claims.json.

    ``tiers`` are settings by tier.
    """
    runs, compared, scanned, experiments = _named(tiers)
    lines = [
        "# Tables",
        "",
        "A data dictionary of `results/<tier>/tables/*.csv` and of `claims.json`. Tables are tidy: one row per\n"
        "run, or per run and iteration. Empty cells are values that are not defined (a run that diverged or\n"
        "had ended). Numbers have nine digits. In brackets: the tiers that have the table.",
        *_lines_of_runs(runs),
        *_lines_of_comparisons(compared, scanned),
        *_lines_of_experiments(experiments),
        "",
        "## claims.json",
        "",
        "An array in the order of chapters; a field is null where it does not apply.",
        "",
        report.markdown(["field", "meaning"], [[f"`{name}`", text] for name, text in FIELDS.items()]),
    ]
    return "\n".join(lines) + "\n"


def _lines_of_runs(runs):
    lines = [
        "",
        "## Runs",
        "",
        "Runs that are selected from recorded descents: one table per entry with `select`.",
    ]
    for columns, names in runs.items():
        lines += ["", f"{_listed(names)}: {', '.join(f'`{name}`' for name in columns)}."]
    every = dict.fromkeys(name for columns in runs for name in columns)
    return [*lines, "", _columns(every)]


def _lines_of_comparisons(compared, scanned):
    lines = ["", "## Comparisons with the published curves", ""]
    lines += [f"One row per published point, named by the axes that its curve has. {_listed(compared)}.", ""]
    lines += [_columns(COMPARED, COMPARISON_COLUMNS)]
    for name, found in scanned.items():
        lines += ["", f"`{name}` ({', '.join(found)}): one row per published curve, α of ours and stretch of time."]
        lines += ["", _columns(SCANNED, COMPARISON_COLUMNS)]
    return lines


def _lines_of_experiments(experiments):
    lines = ["", "## Experiments", "", "Measurements of a shape of their own, one table per entry with `experiment`."]
    modules = plugins.modules("experiments")
    for chapter in load_chapters():
        own = sorted(
            experiment for experiment in experiments if plugins.chapter_of(modules[experiment]) == chapter.name
        )
        lines += ["", f"### {chapter.title}"] if own else []
        for experiment in own:
            lines += _lines_of_experiment(experiment, experiments[experiment])
    # Experiments of the core, which chapters share, have tables that only lead to other tables.
    shared = [experiment for experiment, module in modules.items() if plugins.chapter_of(module) is None]
    lines += ["", "### Shared by chapters"] if shared else []
    for experiment in shared:
        lines += _lines_of_experiment(experiment, experiments.get(experiment, {}))
    return lines


def explorer_page(root: Path, table) -> str:
    """Return the committed explorer, with a table for its map and a link to the list of claims instead of a report."""
    parts = root / "workflow" / "report"
    return explorer.render(parts / "explorer", parts / "page" / "page.css", table, verdicts="claims.md")


def essay_page(root: Path, committed, registry) -> str:
    """Return the committed essay, made from the committed references by tier and the registry."""
    parts = root / "workflow" / "report"
    return essay.render(parts / "essay", parts / "explorer", parts / "page" / "page.css", committed, registry)


def _committed():
    """Return the committed references by tier, for the tiers that have any, with the evidence of all seeds."""
    found = {tier: references.read_tier(tier) for tier in TIERS}
    return {
        tier: {**content, "claims": evidence.joined(content["claims"], replications.read(tier))}
        for tier, content in found.items()
        if content
    }


def evidence_files(committed):
    """Return ``reference/evidence/<tier>.json`` of the tiers that have fresh seeds, by path."""
    found = {}
    for tier in (one for one in replications.tiers() if one in committed):
        content = evidence.of_claims(committed[tier]["claims"], replications.read(tier))
        found[f"reference/evidence/{tier}.json"] = json_by_lines(content, lambda path: not path) + "\n"
    return found


def long_forms(root: Path):
    """Return the pages that only the site has, by path: every table, every claim in full, fresh seeds."""
    tiers = {tier: checking.load_tier(root / "config" / f"{tier}.yaml") for tier in TIERS}
    texts = claim_documents.long_forms(_committed(), checking.load_claims())
    return {"docs/tables.md": tables_document(tiers), **texts}


def generated(root: Path, map_table: str):
    """Return ``{path below the repository's root: text}`` of all committed documents that are generated.

    ``map_table`` names the table of tier standard that the explorer's map shows.
    """
    registry, committed = checking.load_claims(), _committed()
    documents = {
        **schemas.generated(),
        **evidence_files(committed),
        **claim_documents.documents(committed, registry),
    }
    if "standard" in committed:
        documents["docs/explorer.html"] = explorer_page(root, committed["standard"]["tables"][map_table])
        documents["docs/essay.html"] = essay_page(root, committed, registry)
        ledgers = Ledgers(committed, registry)
        blocks = {
            "found": claim_documents.summary(
                ledgers, replications.of_tiers(committed), committed["standard"]["claims"], registry
            ),
            "chapters": claim_documents.overview_table(ledgers, committed, registry),
            "costs": report.costs(committed),
            "chapter-costs": report.chapter_costs(committed),
        }
        for name in FILLED:
            content = (root / name).read_text(encoding="utf-8")
            documents[name] = report.fill(content, report.filled(content) | blocks)
        documents |= badges.generated(root, committed["standard"]["claims"])
    return documents
