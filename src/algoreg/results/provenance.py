"""The provenance of a job: the commit, the settings, the lock, the seeds and the machine settings it ran with."""

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algoreg.results import chain, joblog
from algoreg.results.machine import Stopwatch
from algoreg.results.records import sha256

ROOT = Path(__file__).resolve().parents[3]


# Where a file that git does not know changes what runs.
CODE_FOLDERS = ("src", "scripts", "workflow", "config", "notebooks", "Snakefile")


def _git(*words: str, **settings: str) -> str | None:
    """Return git's output in this folder, None if it fails; ``settings`` are added to its environment."""
    # A hook or a rebase names its own repository by GIT_DIR.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= settings
    # A copied .git may name programs: one that watches files, hooks of a refreshed index, filters.
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    command += ["-C", str(ROOT), *words]
    try:
        # Names in its settings may have bytes that are no text.
        done = subprocess.run(
            command, capture_output=True, check=True, timeout=20, env=environment, text=True, errors="surrogateescape"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _without_filters() -> dict[str, str]:
    """Return the environment in which git runs none of the programs that its settings name as filters.

    A file that such a filter writes otherwise than git keeps it (large files, stripped notebooks) then counts as
    changed once its time stamp or size is no longer what git noted.
    """
    # Fails where there are none.
    names = (_git("config", "--null", "--name-only", "--get-regexp", r"^filter\.") or "").split("\0")
    # By number, as names may hold any letter: an empty program is none, and an empty "required" is false.
    numbered = {f"GIT_CONFIG_KEY_{number}": name for number, name in enumerate(filter(None, names))}
    values = {key.replace("KEY", "VALUE"): "" for key in numbered}
    return {"GIT_CONFIG_COUNT": str(len(numbered)), **numbered, **values}


def commit() -> tuple[str | None, bool | None]:
    """Return the commit of this repository and whether anything differs from it;
    None for both where that is unknown.
    """
    here = _git("rev-parse", "--show-toplevel", "HEAD")
    if here is None:
        return None, None
    top, head = here.rsplit("\n", 1)
    # An unpacked archive may lie inside a repository that knows nothing of it.
    if Path(top).resolve() != ROOT:
        return None, None
    # Submodules would be asked by a git of their own.
    words = ("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
    changed = _git(*words, **_without_filters())
    unknown = _git("ls-files", "--others", "--exclude-standard", "--", *CODE_FOLDERS)
    return head, None if changed is None or unknown is None else bool(changed or unknown)


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of settings in canonical JSON, without the execution setting ``device``."""
    content = {key: value for key, value in settings.items() if key != "device"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def provenance(settings: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """Return a sidecar's content; see :func:`algoreg.results.records.seal`. Seconds count from this call.

    ``facts`` add to the tier's settings or say what they came to (the device that ``auto`` took).
    """
    head, dirty = commit()
    lock = ROOT / "requirements.lock"
    return {
        "commit": head,
        "dirty": dirty,
        "config_sha256": settings_hash(settings),
        "lock_sha256": sha256(lock) if lock.is_file() else None,
        "device": settings["device"],
        "dtype": settings["dtype"],
        "seed": settings["seed"],
        "threads": settings["threads"],
        "seconds": Stopwatch(),
        **facts,
    }


def begin_job(snakemake: Any, **facts: Any) -> dict[str, Any]:
    """Send a job's output to its log; return the sidecar's content for its results:
    :func:`provenance`, and what it was made of.

    Parameters
    ----------
    snakemake : object
        What Snakemake gives a script: ``config``, ``input``, ``log``, and ``params`` with the ``job`` of
        :mod:`algoreg.recipes`.
    **facts
        See :func:`provenance`.
    """
    joblog.write_to(snakemake.log[0])
    job = snakemake.params.job
    return {
        **provenance(snakemake.config, **facts),
        "params_sha256": chain.params_digest(job),
        "inputs": chain.input_digests(snakemake.input),
        "code": job["code"],
    }
