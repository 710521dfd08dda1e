"""The chain from a result back to its inputs and parameters: what sidecars say of it, and whether it still holds.

Snakemake's own memory of parameters lies in ``.snakemake``, which nobody copies with results, and time stamps can lie.
So every sidecar says which result it belongs to, the SHA-256 of every input, and one digest of its job's parameters
(settings, seed, digests of code, versions of libraries).
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from algoreg.store import records

ROOT = Path(__file__).resolve().parents[3]


class BrokenChain(RuntimeError):
    """Results that are not what the present settings, code and inputs make."""


@dataclass(frozen=True)
class Job:
    """What a result must have been made of, now: its input files and the digest of its job's parameters."""

    params_sha256: str
    inputs: tuple


def params_digest(params: Any) -> str:
    """Return the SHA-256 of a rule's parameters in canonical JSON."""
    text = json.dumps(dict(params), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def has_place(path: str | Path) -> bool:
    """Return whether a file can be a result, by its place."""
    try:
        records.sidecar_path(path)
    except ValueError:
        return False
    return True


def is_result(path: str | Path) -> bool:
    """Return whether a file has a sidecar: a file of the user's own may lie in a folder ``results/<name>``, too."""
    return has_place(path) and records.sidecar_path(path).exists()


def label(path: str | Path) -> str:
    """Return the name of an input in a sidecar: a result's from ``results`` on,
    any other file's from the repository's root.
    """
    if is_result(path):
        return f"results/{records.tier_of(path)}/{records.name_in_tier(path)}"
    return os.path.relpath(Path(path).resolve(), ROOT)


def input_digests(paths: Iterable) -> dict[str, str]:
    """Return ``{name: SHA-256}`` of a job's inputs as they are now."""
    return {label(path): records.sha256(path) for path in dict.fromkeys(map(str, paths))}


class Digests:
    """SHA-256 of files, each computed once; of results only if ``content``, else what their sidecars say.

    Hundreds of results have the same inputs: what a sidecar calls these is found once, too.
    """

    def __init__(self, content: bool) -> None:
        self._content = content
        self.label, self.of = cache(label), cache(self._of)

    def _of(self, path: str) -> str | None:
        """Return a file's digest, None where it cannot be read."""
        try:
            said = is_result(path) and not self._content
            return records.read_provenance(path).get("sha256") if said else records.sha256(path)
        except (OSError, records.DamagedResult):
            return None


def broken_links(path: str, job: Job, digests: Digests) -> list[str]:
    """Return what a result's sidecar says otherwise than it is, in words; nothing where the chain holds.

    Raises
    ------
    algoreg.store.records.DamagedResult
        If the sidecar cannot be read.
    """
    record, found = records.read_provenance(path), []
    if record.get("sha256") != digests.of(path):
        found.append("its content does not match the checksum in its sidecar")
    if record.get("result") != records.name_in_tier(path):
        found.append(f"its sidecar belongs to {record.get('result')}")
    if record.get("params_sha256") != job.params_sha256:
        found.append("it was made with other settings, seed, code or versions")
    inputs, names = record.get("inputs") or {}, {one: digests.label(one) for one in job.inputs}
    if set(inputs) != set(names.values()):
        found.append("it was made from other files")
    for one, name in names.items():
        if name in inputs and inputs[name] != digests.of(one):
            found.append(f"it was made from another {one}")
    return found


def stale(jobs: Mapping[str, Job]) -> dict[str, str]:
    """Return ``{result: reason}`` of results that must be made again, by sidecars alone: results are not read.

    Damaged sidecars are left to whoever reads the result.
    """
    digests, found = Digests(content=False), {}
    for path, job in jobs.items():
        try:
            links = broken_links(path, job, digests) if Path(path).exists() else []
        except records.DamagedResult:
            continue
        if links:
            found[path] = links[0]
    return found


def require(jobs: Mapping[str, Job]) -> None:
    """Walk the chain of every result, reading them all.

    Raises
    ------
    BrokenChain
        With one line per result that must be deleted.
    """
    digests, lines = Digests(content=True), []
    for path, job in jobs.items():
        try:
            lines += [f"{path}: {link}. Delete {path} and rerun." for link in broken_links(path, job, digests)[:1]]
        except records.DamagedResult as error:
            lines.append(str(error))
    if lines:
        raise BrokenChain("results that are not what the present settings, code and inputs make:\n" + "\n".join(lines))


def recorded(paths: Iterable) -> dict[str, Job]:
    """Return ``{result: Job}`` of results and of all that they are made from, as their sidecars have it.

    :func:`require` then finds what was exchanged since, but not what would be made otherwise now: only the workflow
    knows that.

    Raises
    ------
    algoreg.store.records.DamagedResult
        If a sidecar cannot be read or holds no chain.
    """
    jobs, todo = {}, [str(path) for path in paths if has_place(path)]
    while todo:
        path = todo.pop()
        if path in jobs:
            continue
        record = records.read_provenance(path)
        if "inputs" not in record or "params_sha256" not in record:
            raise records.DamagedResult(
                f"{path}: its sidecar does not say what it was made of. Delete {path} and rerun."
            )
        above = Path(path).parts[: -len(Path(label(path)).parts)]
        places = {Path(*above, name): os.path.relpath(ROOT / name) for name in record["inputs"]}
        inputs = [str(place if is_result(place) else other) for place, other in places.items()]
        jobs[path] = Job(record["params_sha256"], tuple(inputs))
        todo += filter(is_result, inputs)
    return jobs


def as_params(jobs: Mapping[str, Job]) -> dict[str, list[str]]:
    """Return jobs in the form of a rule's parameter."""
    return {path: [job.params_sha256, *job.inputs] for path, job in jobs.items()}


def from_params(content: Mapping[str, list[str]]) -> dict[str, Job]:
    """Return jobs from the form of a rule's parameter."""
    return {path: Job(first, tuple(rest)) for path, (first, *rest) in content.items()}
