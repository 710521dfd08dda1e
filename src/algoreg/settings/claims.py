"""Claims: the schema of an entry of ``claims.yaml``, and checks against estimands, tables and other claims."""

import inspect
from typing import Annotated, Any, Literal, get_origin

from pydantic import Field, model_validator

from algoreg import plugins
from algoreg.settings import columns, selection
from algoreg.settings.base import LEFT_OUT, NAME, Different, Name, Several, Strict, Text, as_list, misfit, show
from algoreg.settings.chapters import figure_settings, load_chapters, references, sized, tiers_of
from algoreg.settings.entries import estimands
from algoreg.settings.messages import beyond_range, in_file, lines, not_allowed, problems, unknown
from algoreg.settings.plan import experiment_options, is_judged
from algoreg.settings.regimes import regime_problems
from algoreg.settings.tier import JudgingName

ID = r"^[a-z][A-Za-z0-9-]{0,59}$"
Table = Annotated[str, Field(pattern=NAME)]
# Whose claim it is. Only a claim that a paper makes counts for or against the paper.
Standing = Literal["paper", "reading", "ours", "check"]
Scalar = bool | int | float | Text


class Control(Strict):
    """A run in which the claimed effect is absent (control), or for which the claim must hold (positive control)."""

    statement: Text
    estimand: dict[str, Any] = Field(description="the parameters that differ")


class Claim(Strict):
    """One claim, with its criterion and the tables that it is judged from."""

    id: str = Field(pattern=ID)
    statement: Text
    paper: Name = Field(description="a key of references.bib")
    source: Text = Field(description="where it is said; begins with 'abstract:' if nothing else of the paper was read")
    standing: Standing = Field(
        description="paper: a paper says it; reading: our reading of one; ours: our own statement; check: true by theorem "
        "or construction"
    )
    regime: dict[str, Scalar | Several[Scalar]] = Field(description="what the claim depends on; see settings.regimes")
    no_regime: Text = Field(LEFT_OUT, description="with an empty regime: why the claim depends on no setting")
    kind: Literal["curve", "trend", "exponent", "bound", "equivalence"]
    experiments: Several[Table] = Field(LEFT_OUT, description="by default the claim's table alone")
    estimand: dict[str, Any] = Field(description="its name and parameters; its table is by default the claim's")
    direction: Literal["above", "below"]
    margin: float
    reason: Text
    control: Control
    positive_control: Control = LEFT_OUT
    deterministic: Text = LEFT_OUT
    remedy: str = Field(LEFT_OUT, description="the id of another claim, the nearest true form of this one")
    tiers: Different[JudgingName]
    table: Name
    figure: Name | None

    @model_validator(mode="after")
    def _table_of_its_own(self):
        if self.experiments and self.table not in self.experiments:
            raise misfit(self, f"one of its experiments, {', '.join(self.experiments)}", "table")
        if self.regime and self.no_regime:
            raise misfit(self, "an empty regime", "no_regime")
        if not self.regime and not self.no_regime:
            raise misfit(self, "what the claim depends on, or {} with a reason in no_regime", "regime")
        return self


def claim_problems(content, published, folder=None):
    """Yield ``(path, message after the key)`` for every problem within a chapter's claims.

    Parameters
    ----------
    content : object
        The content of ``claims.yaml``.
    published : collection of str
        The names of the published curves.
    folder : pathlib.Path, optional
        The chapter's folder, which may contain a ``references.bib``.
    """
    if not isinstance(content, list):
        yield (), not_allowed(content, "a list of claims")
        return
    for position, entry in enumerate(content):
        own_id = entry.get("id") if isinstance(entry, dict) else None
        path = (own_id if isinstance(own_id, str) and own_id.isprintable() and own_id else position,)
        found = beyond_range(entry) or problems(Claim, entry)
        found = found or [*_estimands(entry, published), *_paper(entry, folder)]
        yield from (((*path, *inner), line) for inner, line in found)


def _paper(entry, folder):
    listed = references(folder)
    if entry["paper"] not in listed:
        yield ("paper",), unknown(entry["paper"], listed, "paper")


def _estimands(entry, published):
    """Yield the problems of the estimands of a claim and of its controls."""
    known = plugins.functions("estimands")
    for part, estimand in estimands(entry).items():
        path, called = _place(part), estimand.get("name")
        if not isinstance(called, str) or called not in known:
            yield (*path, "name"), unknown(called, known, "estimand")
            continue
        found = [*_parameters(estimand, known[called])] or [*_label(estimand, known[called])]
        yield from (((*path, *inner), line) for inner, line in found)
        for key in ("table", "over", "method_table"):
            for table in as_list(estimand.get(key) or []):
                if table not in entry.get("experiments", []):
                    yield (*path, key), unknown(table, entry.get("experiments", []), "experiment of this claim")
        # Looked up in a list, because a wrong entry may contain a value that is not hashable.
        if "figure" in estimand and estimand["figure"] not in list(published):
            yield (*path, "figure"), unknown(estimand["figure"], published, "curve")


def _place(part):
    """Return the path of the estimand of a claim's part."""
    return (part,) if part == "estimand" else (part, "estimand")


def _keywords(function):
    """Return the parameters of an estimand, by name."""
    parameters = inspect.signature(function).parameters
    return {name: one for name, one in parameters.items() if one.kind is one.KEYWORD_ONLY}


def _parameters(estimand, function):
    """Yield the unknown and the missing parameters of an estimand."""
    known = {name: one.default is one.empty for name, one in _keywords(function).items()}
    given = set(estimand) - {"name"}
    for key in sorted(given - set(known), key=str):
        yield (key,), unknown(estimand[key], known, "parameter")
    for key, needed in known.items():
        if needed and key not in given:
            yield (key,), " is missing"


def _label(estimand, function):
    """Yield a line if the criterion cannot be formatted with an estimand's parameters."""
    try:
        # Whether it fits does not depend on the readable names that experiments declare, which take long to look up.
        function.label.format(**columns.readable(estimand, {}))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        yield (), f" = {show(estimand)}: does not fit the criterion's template {function.label!r} ({error})"


def remedy_problems(entries):
    """Yield ``(path, message after the key)`` for every ``remedy`` that is not the id of another claim."""
    ids = [entry["id"] for entry in entries]
    for entry in entries:
        others = [one for one in ids if one != entry["id"]]
        if "remedy" in entry and entry["remedy"] not in others:
            yield (entry["id"], "remedy"), unknown(entry["remedy"], others, "claim, or this claim itself")


def registry_problems(chapters):
    """Return lines for all problems of the claims of chapters that are judged together."""
    published = [curve for chapter in chapters for curve in chapter.published]
    found = []
    for chapter in chapters:
        where = in_file(chapter.file("claims.yaml"))
        found += lines(claim_problems(chapter.claims, published, chapter.folder), where)
    if found:
        return found
    known = [*load_chapters(), *chapters]
    sizes = _tiers_of_tables(known)
    drawn = _tiers_of_figures(known, sizes)
    entries, owners = [entry for chapter in chapters for entry in chapter.claims], {}
    for chapter in chapters:
        where = in_file(chapter.file("claims.yaml"))
        for entry in chapter.claims:
            if entry["id"] in owners:
                found.append(f"{where((entry['id'],))}: used twice; the other is in {owners[entry['id']]}")
            owners.setdefault(entry["id"], chapter.file("claims.yaml"))
        own = {entry["id"] for entry in chapter.claims}
        found += lines([one for one in remedy_problems(entries) if one[0][0] in own], where)
        found += lines(_missing_sizes(chapter.claims, sizes), where)
        found += lines(_missing_columns(chapter.claims, known), where)
        found += lines(_missing_figures(chapter.claims, drawn), where)
        found += lines(_regimes(chapter.claims, known), where)
    return found


def _regimes(entries, chapters):
    """Yield the problems of the regimes of claims; see :mod:`algoreg.settings.regimes`."""
    tables = {}
    for chapter in chapters:
        tables |= chapter.entries.get("experiments", {})
    for entry in entries:
        yield from (((entry["id"], *path), line) for path, line in regime_problems(entry, tables))


def _missing_sizes(entries, sizes):
    """Yield the claims that list an unknown table, or a tier for which one of their tables has no size."""
    for entry in entries:
        for table in entry["experiments"]:
            if table not in sizes:
                yield (entry["id"], "experiments"), unknown(table, sizes, "experiment")
                continue
            lacking = [tier for tier in entry["tiers"] if tier not in sizes[table]]
            if lacking:
                has = ", ".join(sizes[table])
                yield (
                    (entry["id"], "tiers"),
                    f" = {show(entry['tiers'])}: {table} has no size for {', '.join(lacking)}, only for {has}",
                )


# The module of the estimands that all chapters share, and the parameters of any estimand that name columns of its table
# (in a mapping, the keys name columns). A shared estimand that takes several columns as ``by`` annotates it as a list.
SHARED = "algoreg.claims.estimands"
NAMES_COLUMNS = ("value", "along", "by", "where")


def _missing_columns(entries, chapters):
    """Yield columns that an estimand reads but its table lacks, and values that a shared one cannot use as columns."""
    tables = {}
    for chapter in chapters:
        tables |= chapter.entries.get("experiments", {})
    known = plugins.functions("estimands")
    for entry in entries:
        for part, estimand in estimands(entry).items():
            path, own = (entry["id"], *_place(part)), estimand if part == "estimand" else entry[part]["estimand"]
            found, table = known[estimand["name"]], estimand.get("table")
            shared = found.__module__ == SHARED
            if shared and not isinstance(table, str):
                yield (*path, "table"), not_allowed(table, "one table")
            if not isinstance(table, str) or table not in tables:
                continue
            existing = _columns(tables[table], entry["tiers"])
            # Parameters that a control inherits are reported with the claim, unless the control reads another table.
            checked = estimand if "table" in own else own
            for key in (key for key in NAMES_COLUMNS if existing and key in checked):
                unfit = _unfit_columns(found, key, estimand[key], existing) if shared else ()
                yield from (((*path, key), text) for text in unfit or _unknown_columns(estimand[key], existing))


def _unfit_columns(function, key, value, existing):
    """Return messages about the form of a shared estimand's parameter that names ``existing`` columns of a table."""
    several = ["where", *(name for name, one in _keywords(function).items() if get_origin(one.annotation) is list)]
    if key == "where" and not isinstance(value, dict | None):
        return [not_allowed(value, "a mapping of columns to a value or a list of values")]
    if key == "by" and key in several and not isinstance(value, list):
        return [not_allowed(value, "a list of columns")]
    return [] if key in several or value in existing else [unknown(value, existing, "column")]


def _unknown_columns(value, existing):
    """Yield a message for each name in an estimand's parameter (a string, a list, or a mapping's keys) of no column."""
    named = [value] if isinstance(value, str) else value if isinstance(value, list | dict) else []
    yield from (unknown(one, existing, "column") for one in named if one not in existing)


def _columns(entry, tiers):
    """Return the columns that a table has in any of these tiers; none if they are not known."""
    found = {}
    for block in filter(None, (sized(entry, tier) for tier in tiers)):
        # Looked up in a list, because a wrong entry may contain a value that is not hashable.
        if block.get("experiment") in list(plugins.modules("experiments")):
            found |= dict.fromkeys([*columns.columns_of(block["experiment"]), "status"])
        elif isinstance(block.get("by"), list) and any(key in block for key in selection.CLOCKS):
            found |= dict.fromkeys(selection.columns(block))
    return list(found)


def _missing_figures(entries, drawn):
    """Yield the claims whose figure is unknown, or not drawn in a tier that they list."""
    for entry in (one for one in entries if one["figure"] is not None):
        if entry["figure"] not in drawn:
            yield (entry["id"], "figure"), unknown(entry["figure"], drawn, "figure")
        elif lacking := [tier for tier in entry["tiers"] if tier not in drawn[entry["figure"]]]:
            yield (
                (entry["id"], "figure"),
                f" = {show(entry['figure'])}: not drawn in {', '.join(lacking)}, where the claim is judged",
            )


def _tiers_of_tables(chapters):
    """Return the tiers that have each experiment."""
    sections = [chapter.entries.get("experiments", {}) for chapter in chapters]
    return {table: tiers_of(entry) for section in sections for table, entry in section.items()}


def _tiers_of_figures(chapters, sizes):
    """Return the tiers that draw each figure."""
    drawn = {}
    for chapter in chapters:
        for figure, entry in chapter.entries.get("figures", {}).items():
            entry = figure_settings(entry)
            possible = sizes.get(entry["tables"][0], [])
            drawn[figure] = [tier for tier in possible if tier in entry.get("tiers", possible)]
    return drawn


def few_ensembles(entries, tier):
    """Yield ``(path, message after the key)`` for claims that are judged from descents on a single ensemble.

    The parameters are the same as for :func:`exponent_problems`.
    """
    for entry in (one for one in entries if is_judged(one, tier)):
        for table in entry["experiments"]:
            named = tier["experiments"][table].get("select", ())
            if named and all(tier["experiments"][name]["ensembles"] < 2 for name in named):
                yield (
                    ("experiments", named[0], "ensembles"),
                    not_allowed(1, f"at least 2, as {entry['id']} is judged from them"),
                )


def exponent_problems(entries, tier):
    """Yield ``(path, message after the key)`` for grids of fewer than three values over which claims fit exponents.

    Parameters
    ----------
    entries : list of mapping
        Valid claims.
    tier : mapping
        Valid settings.
    """
    for entry in (one for one in entries if is_judged(one, tier)):
        for estimand in estimands(entry).values():
            table, along = estimand.get("table"), estimand.get("along")
            block = tier["experiments"].get(table) if isinstance(table, str) else None
            if not block or "experiment" not in block or not isinstance(along, str):
                continue
            option = getattr(plugins.experiment(block["experiment"]), "AXES", {}).get(along, along)
            values = experiment_options(block, tier).get(option)
            if isinstance(values, list) and len(values) < 3:
                yield (
                    ("experiments", table, "options", option),
                    not_allowed(values, f"at least three values, as {entry['id']} fits an exponent over them"),
                )
