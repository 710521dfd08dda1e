"""The provenance of a job: the commit, the settings, the lock, the seeds and the machine settings it ran with."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algoreg.results import joblog
from algoreg.results.digests import ROOT, input_digests, params_digest, settings_hash
from algoreg.results.machine import Stopwatch
from algoreg.results.records import sha256

# Folders in which a file that git does not track can change what runs.
CODE_FOLDERS = ("src", "scripts", "workflow", "config", "notebooks", "Snakefile")


def _git(*words: str, **settings: str) -> str | None:
    """Return git's output in this repository, or None if it fails; ``settings`` are added to its environment."""
    # Inside a hook or a rebase, GIT_DIR names another repository.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= settings
    # The settings in a copied .git may name programs, such as a file watcher, hooks or filters, which must not run.
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    command += ["-C", str(ROOT), *words]
    try:
        # Names in git's settings may contain bytes that are not valid UTF-8.
        done = subprocess.run(
            command, capture_output=True, check=True, timeout=20, env=environment, text=True, errors="surrogateescape"
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _without_filters() -> dict[str, str]:
    """Return environment variables with which git runs none of the filter programs that its settings name.

    If a filter changes files on checkout (large files, stripped notebooks), such a file then counts as changed once its
    time stamp or size differs from git's index.
    """
    # git fails if there are no filters.
    names = (_git("config", "--null", "--name-only", "--get-regexp", r"^filter\.") or "").split("\0")
    # Settings are passed by number, because names may contain any character. An empty program runs nothing, and an
    # empty "required" is false.
    numbered = {f"GIT_CONFIG_KEY_{number}": name for number, name in enumerate(filter(None, names))}
    values = {key.replace("KEY", "VALUE"): "" for key in numbered}
    return {"GIT_CONFIG_COUNT": str(len(numbered)), **numbered, **values}


def commit() -> tuple[str | None, bool | None]:
    """Return the commit of this repository and whether any file differs from it; None for what is unknown."""
    here = _git("rev-parse", "--show-toplevel", "HEAD")
    if here is None:
        return None, None
    top, head = here.rsplit("\n", 1)
    # An unpacked archive may be inside another repository, which does not track it.
    if Path(top).resolve() != ROOT:
        return None, None
    # Submodules are ignored, because git would start another git in each of them.
    words = ("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=all")
    changed = _git(*words, **_without_filters())
    unknown = _git("ls-files", "--others", "--exclude-standard", "--", *CODE_FOLDERS)
    return head, None if changed is None or unknown is None else bool(changed or unknown)


def provenance(settings: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """Return a sidecar's content; see :func:`algoreg.results.records.seal`. Seconds count from this call.

    ``facts`` are added to the content or replace settings by their result, such as the device that ``auto`` chose.
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
    """Send a job's output to its log, and return the content of its results' sidecars.

    The content is :func:`provenance`, with the digests of the job's parameters, inputs and code.

    Parameters
    ----------
    snakemake : object
        The object that Snakemake passes to a script, with ``config``, ``input``, ``log``, and ``params`` that contain
        the ``job`` of :mod:`algoreg.recipes`.
    **facts
        See :func:`provenance`.
    """
    joblog.write_to(snakemake.log[0])
    job = snakemake.params.job
    return {
        **provenance(snakemake.config, **facts),
        "params_sha256": params_digest(job),
        "inputs": input_digests(snakemake.input),
        "code": job["code"],
    }
