"""Check that results were made with the present settings, code and inputs, according to their sidecars.

Snakemake decides by time stamps and by its records in ``.snakemake`` what it runs again. Results may be copied without
these records, be edited, or come from another checkout. Therefore every sidecar contains the name of its result, the
SHA-256 of every input, and one digest of its job's parameters (settings, seed, hashes of code, versions of libraries).
The report page, ``make verify`` and ``make reference`` compare these with :mod:`algoreg.recipes`, and refuse results
that differ.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from algoreg.results import records
from algoreg.results.digests import label


class BrokenChain(RuntimeError):
    """Results were not made with the present settings, code and inputs."""


@dataclass(frozen=True)
class Job:
    """What a result must have been made from: its input files, and the digest of its job's parameters."""

    params_sha256: str
    inputs: tuple[str, ...]


def require(jobs: Mapping[str, Job]) -> None:
    """Check that results were made from what their jobs require, by reading the results and their inputs.

    Parameters
    ----------
    jobs : mapping
        The jobs by the results' paths; see :meth:`algoreg.recipes.Recipes.required`.

    Raises
    ------
    BrokenChain
        If a result differs. The message has one line per result that must be deleted, including the results that were
        made from such a result.
    """
    # Cached, because hundreds of results have the same inputs.
    sha256, name = cache(_sha256), cache(label)
    found: dict[str, str] = {}
    for path, job in jobs.items():
        try:
            reason = _difference(path, job, sha256, name)
        except records.DamagedResult as error:
            found[path] = str(error)
        else:
            found |= {path: f"{path}: {reason}. Delete {path} and rerun."} if reason else {}
    # Snakemake does not rebuild a result when only one of its inputs is missing, so dependent results are listed too.
    todo = list(found)
    while todo:
        stale = todo.pop()
        for path in (path for path, job in jobs.items() if stale in job.inputs and path not in found):
            found[path] = f"{path}: it was made from {stale}. Delete {path} and rerun."
            todo.append(path)
    if lines := list(found.values()):
        raise BrokenChain("results that are not what the present settings, code and inputs make:\n" + "\n".join(lines))


def _sha256(path: str) -> str | None:
    """Return a file's digest; None if the file cannot be read."""
    try:
        return records.sha256(path)
    except OSError:
        return None


def _difference(path: str, job: Job, sha256: Any, name: Any) -> str | None:
    """Return a description of how a result differs from what its job would make now; None if it does not differ."""
    record = records.read_provenance(path)
    inputs, names = record.get("inputs") or {}, {file: name(file) for file in job.inputs}
    if record.get("sha256") is None or record["sha256"] != sha256(path):
        return "its content does not match the checksum in its sidecar"
    if record.get("result") != records.name_in_tier(path):
        return f"its sidecar belongs to {record.get('result')}"
    if record.get("params_sha256") != job.params_sha256:
        return "it was made with other settings, seed, code or versions"
    if set(inputs) != set(names.values()):
        return "it was made from other files"
    changed = [file for file in job.inputs if inputs[names[file]] != sha256(file)]
    return f"it was made from another {changed[0]}" if changed else None


def as_params(jobs: Mapping[str, Job]) -> dict[str, list[str]]:
    """Convert jobs to a rule's parameter, which contains only types that JSON can represent."""
    return {path: [job.params_sha256, *job.inputs] for path, job in jobs.items()}


def from_params(content: Mapping[str, list[str]]) -> dict[str, Job]:
    """Convert a rule's parameter back to jobs."""
    return {path: Job(first, tuple(rest)) for path, (first, *rest) in content.items()}
