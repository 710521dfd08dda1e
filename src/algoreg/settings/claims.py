"""Claims: the schema of an entry of ``claims.yaml``, and what it needs of the estimands,
the tables and the other claims.
"""

import inspect
from typing import Annotated, Any, Literal, get_origin

from pydantic import Field, model_validator

from algoreg import plugins
from algoreg.settings import columns, selection
from algoreg.settings.base import LEFT_OUT, NAME, Different, Name, Several, Strict, Text, as_list, misfit, show
from algoreg.settings.chapters import figure_settings, load_chapters, references, sized, tiers_of
from algoreg.settings.messages import beyond_range, in_file, lines, not_allowed, problems, unknown
from algoreg.settings.plan import estimands, experiment_options, is_judged
from algoreg.settings.regimes import regime_problems
from algoreg.settings.tier import JudgingName

ID = r"^[a-z][A-Za-z0-9-]{0,59}$"
Table = Annotated[str, Field(pattern=NAME)]
# Whose claim it is. Only a claim that a paper makes counts for or against the paper.
Standing = Literal["paper", "reading", "ours", "check"]
Scalar = bool | int | float | Text


class Control(Strict):
    """A run in which the effect is absent, or for which it must hold."""

    statement: Text
    estimand: dict[str, Any] = Field(description="the parameters that differ")


class Claim(Strict):
    """One claim, its criterion and what it is judged from."""

    id: str = Field(pattern=ID)
    statement: Text
    paper: Name = Field(description="a key of references.bib")
    source: Text
    standing: Standing = Field(
        description="paper: a paper says it; reading: our reading of one; ours: our own finding; check: true by theorem "
        "or construction"
    )
    regime: dict[str, Scalar | Several[Scalar]] = Field(description="what it depends on; see settings.regimes")
    no_regime: Text = Field(LEFT_OUT, description="with an empty regime: why nothing matters")
    kind: Literal["curve", "trend", "exponent", "bound", "equivalence"]
    experiments: Several[Table] = Field(LEFT_OUT, description="by default the claim's table alone")
    estimand: dict[str, Any] = Field(description="its name and its parameters; its table is by default the claim's")
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
    """Yield ``(path, line after the key)`` of what is wrong with a chapter's claims by themselves.

    Parameters
    ----------
    content : object
        The content of ``claims.yaml``.
    published : collection of str
        The published curves.
    folder : pathlib.Path, optional
        The chapter's, which may have a ``references.bib`` of its own.
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
    """Yield what is wrong with the estimands of a claim and of its controls."""
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
        # A list of the names: a damaged entry may have what no mapping can be asked for.
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
    """Yield a line if the words of the criterion cannot be made from an estimand's parameters."""
    try:
        function.label.format(**columns.readable(estimand))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        yield (), f" = {show(estimand)}: does not fit the criterion's words {function.label!r} ({error})"


def remedy_problems(entries):
    """Yield ``(path, line after the key)`` where the nearest true form of a claim is not another claim."""
    ids = [entry["id"] for entry in entries]
    for entry in entries:
        others = [one for one in ids if one != entry["id"]]
        if "remedy" in entry and entry["remedy"] not in others:
            yield (entry["id"], "remedy"), unknown(entry["remedy"], others, "claim, or the same")


def registry_problems(chapters):
    """Return lines for everything that is wrong with the claims of chapters that are to be judged together."""
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
    """Yield what is wrong with the regimes of claims, see :mod:`algoreg.settings.regimes`."""
    tables = {}
    for chapter in chapters:
        tables |= chapter.entries.get("experiments", {})
    for entry in entries:
        yield from (((entry["id"], *path), line) for path, line in regime_problems(entry, tables))


def _missing_sizes(entries, sizes):
    """Yield the claims that list a tier for which one of their tables has no size."""
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


# The estimands that all chapters share, and the parameters of any estimand that name columns of its table; of a mapping
# the keys do. A shared one has ``by: list`` in its signature where that takes several columns.
SHARED = "algoreg.claims.estimands"
NAMES_COLUMNS = ("value", "along", "by", "where")


def _missing_columns(entries, chapters):
    """Yield the columns that an estimand reads of a table that lacks them,
    and what a shared one cannot read as columns.
    """
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
            there = _columns(tables[table], entry["tiers"])
            # What a control has of the estimand is told there, unless its table is another.
            told = estimand if "table" in own else own
            for key in (key for key in NAMES_COLUMNS if there and key in told):
                unfit = _unfit_columns(found, key, estimand[key], there) if shared else ()
                yield from (((*path, key), text) for text in unfit or _unknown_columns(estimand[key], there))


def _unfit_columns(function, key, value, there):
    """Return what is wrong with the form of a shared estimand's parameter that names columns of a table,
    which are ``there``.
    """
    several = ["where", *(name for name, one in _keywords(function).items() if get_origin(one.annotation) is list)]
    if key == "where" and not isinstance(value, dict | None):
        return [not_allowed(value, "a mapping of columns to a value or a list of values")]
    if key == "by" and key in several and not isinstance(value, list):
        return [not_allowed(value, "a list of columns")]
    return [] if key in several or value in there else [unknown(value, there, "column")]


def _unknown_columns(value, there):
    """Yield the names in an estimand's parameter that are no columns: a text,
    or those of a list or of a mapping's keys.
    """
    named = [value] if isinstance(value, str) else value if isinstance(value, list | dict) else []
    yield from (unknown(one, there, "column") for one in named if one not in there)


def _columns(entry, tiers):
    """Return the columns of a table, in whatever tier of these; none where they are not known."""
    found = {}
    for block in filter(None, (sized(entry, tier) for tier in tiers)):
        # A list of the names: a damaged entry may have what no mapping can be asked for.
        if block.get("experiment") in list(plugins.modules("experiments")):
            found |= dict.fromkeys([*columns.columns_of(block["experiment"]), "status"])
        elif isinstance(block.get("by"), list) and any(key in block for key in selection.CLOCKS):
            found |= dict.fromkeys(selection.columns(block))
    return list(found)


def _missing_figures(entries, drawn):
    """Yield the claims that list a tier which does not draw their figure."""
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
    """Yield ``(path, line after the key)`` of recorded descents on one ensemble alone that a claim is judged from.

    Parameters are those of :func:`exponent_problems`.
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
    """Yield ``(path, line after the key)`` of grids with fewer than three values along which a claim fits an exponent.

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
