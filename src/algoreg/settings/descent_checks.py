"""Checks of the settings of the experiment ``descents`` beyond those of its options' class."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, PositiveFloat

from algoreg import plugins
from algoreg.settings import option_checks
from algoreg.settings import options as declared
from algoreg.settings.base import RunOptions, as_list, show
from algoreg.settings.descents import PAPER, Count, factor_of, known_measurements
from algoreg.settings.messages import not_allowed, problems
from algoreg.settings.tier import JUDGING, size_of

# The most iterations that one run may record: more is taken for a typing error.
MOST_POINTS = 100_000
# The most runs of one entry per target.
MOST_RUNS = 10_000


class PaperUnit(RunOptions):
    """A run's step and iterations in a paper's unit; its algorithm declares all other keys."""

    step: PositiveFloat = Field(alias="paper_step")
    iterations: Count = Field(alias="paper_iterations")


Problems = Iterator[tuple[tuple, str]]


def unfit(block: Mapping[str, Any], options: Mapping[str, Any], tier: Mapping[str, Any]) -> Problems:
    """Yield ``(path, message after the key)`` for everything that does not fit, beyond what
    :class:`algoreg.settings.descents.Options` checks.

    Parameters
    ----------
    block : mapping
        The entry.
    options : mapping
        The entry's options, complete.
    tier : mapping
        The tier's settings.
    """
    dtype = block.get("dtype", tier["dtype"])
    if options["targets"] < 2 and not options["own_targets"] and size_of(tier) in JUDGING:
        yield ("options", "targets"), not_allowed(options["targets"], "at least 2 where claims are judged")
    found = [*_ensemble(options)]
    stopping = [*_too_many_runs(options), *_units(block["options"])]
    found += stopping or [*_runs(options, dtype), *_recorded(options), *_pairing(options, dtype)]
    yield from ((("options", *path), line) for path, line in found)


def _ensemble(options: Mapping[str, Any]) -> Problems:
    """Yield settings that the ensemble does not allow or provide."""
    kind, data = options["ensemble"], options["data"]
    if data and (rounded := declared.limits(kind).rounds_to):
        yield ("ensemble",), f" = {kind}: it would round the data to {rounded}; allowed with data is file"
        return
    if declared.reads_data(kind) != bool(data):
        yield ("ensemble",), f" = {kind}: data and an ensemble that reads them go together"
        return
    if not plugins.ensemble(kind).drawn_ahead:
        yield ("ensemble",), f" = {kind}: recorded descents need a digest of their matrix, which it does not provide"
        return
    if data and not Path(data["path"]).is_file():
        yield ("data", "path"), f" = {show(data['path'])}: no such file, relative to {Path.cwd()}"
    elif data and set("{}") & set(data["path"]):
        yield ("data", "path"), not_allowed(data["path"], "a path without { and }, which are wildcards to Snakemake")
    asked = [key for key in ("label_noise", "outliers", "hold_out") if options[key]]
    needed = {"single measurements"} | ({"prefixes"} if "hold_out" in asked else set())
    if asked and not needed <= plugins.ensemble(kind).provides:
        lacking = ", ".join(sorted(needed - plugins.ensemble(kind).provides))
        yield ("ensemble",), f" = {kind}: {asked[0]} needs {lacking}, which it does not provide"
    yield from (((key,), text) for key, text in option_checks.unfit_extent(options))


def _count_runs(options: Mapping[str, Any]) -> int:
    """Return how many runs there are per target, without listing them."""
    return sum(math.prod(len(as_list(value)) for value in run.values()) for run in options["runs"])


def _too_many_runs(options: Mapping[str, Any]) -> Problems:
    count = _count_runs(options)
    if count > MOST_RUNS:
        entry = max(options["runs"], key=lambda run: math.prod(len(as_list(value)) for value in run.values()))
        longest = max(entry, key=lambda key: len(as_list(entry[key])))
        listed = len(as_list(entry[longest]))
        yield ("runs",), f": {count} runs ({longest} alone has {listed} values); allowed are at most {MOST_RUNS}"


def _units(given: Mapping[str, Any]) -> Problems:
    """Yield runs that mix the two units, and a step factor for runs that are not in a paper's unit."""
    keys = {key for run in given["runs"] for key in run}
    if keys & PAPER.keys() and keys & set(PAPER.values()):
        own, papers = " and ".join(PAPER.values()), " and ".join(PAPER)
        yield ("runs",), f": {papers} are mixed with {own}; allowed is one of these pairs, the same in all runs"
    elif "step_factor" in given and not keys & PAPER.keys():
        yield (
            ("step_factor",),
            not_allowed(given["step_factor"], "none where runs have step and iterations, as they run"),
        )


def _runs(options: Mapping[str, Any], dtype: str) -> Problems:
    """Yield problems of runs: their options, their m, initialisations that underflow, and iterates beyond memory."""
    total, model = known_measurements(options), declared.of_algorithm(options["algorithm"])
    if any(key in run for run in options["runs"] for key in PAPER):
        model = type("PaperRun", (PaperUnit, model), {})
    for i, run in enumerate(options["runs"]):
        found = problems(model, {"m": total, **run})
        yield from ((("runs", i, *inner), line) for inner, line in found)
        if not found:
            for item in as_list(run.get("m", total)):
                if item > total:
                    yield ("runs", i, "m"), not_allowed(item, f"at most the problem's m = {total}")
            yield from option_checks.underflow(run.get("alpha", []), dtype, ("runs", i, "alpha"))
            yield from option_checks.too_wide(model, run, options["d"], ("runs", i))
    runs, most = _count_runs(options), option_checks.MEMORY_LIMIT_BYTES
    need = 8 * 2 * runs * options["targets"] * options["d"] ** 2
    if need > most:
        what = f"{runs} runs × {options['targets']} targets of d = {options['d']}"
        yield ("runs",), f": {what} would take {option_checks.gib(need)}; allowed is {option_checks.gib(most)}"


def _recorded(options: Mapping[str, Any]) -> Problems:
    """Yield recording grids that would fill memory, and iterations that the step factor does not divide."""
    factor, counts = factor_of(options), []
    for i, run in enumerate(options["runs"]):
        key = next((key for key in run if PAPER.get(key, key) == "iterations"), "iterations")
        counts.append((("runs", i, key), run.get(key)))
    if not all(type(count) is int for _, count in counts):
        return
    last = max(count for _, count in counts)
    for what, grid in options["record"].items():
        if "every" in grid:
            every, listed = grid["every"], last // grid["every"]
            counts.append((("record", what, "every"), every))
            if listed > MOST_POINTS:
                text = f" = {every}: {listed} iterations recorded; allowed are {MOST_POINTS}"
                yield ("record", what, "every"), text
        counts += [(("record", what, "at"), point) for point in grid.get("at", ())]
    for path, count in counts:
        if count % factor:
            yield path, not_allowed(count, f"a multiple of step_factor = {factor}")


def _pairing(options: Mapping[str, Any], dtype: str) -> Problems:
    """Yield what runs require of an ensemble but the ensemble does not provide."""
    ensemble, algorithm = options["ensemble"], options["algorithm"]
    lacking = declared.lacks(algorithm, ensemble)
    if lacking:
        yield ("algorithm",), option_checks.needs(algorithm, lacking, ensemble)
    unknown_facts = {
        fact
        for fact in set(plugins.algorithm(algorithm).prior_knowledge) - {"rank"}
        if not all(None not in as_list(run.get(declared.INSTEAD.get(fact))) for run in options["runs"])
    }
    if options["data"] and unknown_facts:
        text = f" = {show(algorithm)}: it needs prior knowledge of the {', '.join(sorted(unknown_facts))}, which is unknown for measured data"
        yield ("algorithm",), text
    for i, run in enumerate(options["runs"]):
        known = run.get("m", known_measurements(options))
        if "prefixes" not in plugins.ensemble(ensemble).provides and {*as_list(known)} != {options["m"]}:
            text = f"the problem's m = {options['m']} with ensemble: {ensemble}"
            yield ("runs", i, "m"), not_allowed(known, text)
    least = declared.limits(ensemble).smallest_train_error.get(dtype, 0)
    stop = options["stop_below_train_error"]
    if stop is not None and stop < least:
        text = f"at least {least}: ensemble {ensemble} does not resolve smaller ones"
        yield ("stop_below_train_error",), not_allowed(stop, text)
