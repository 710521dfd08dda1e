"""Digests by which a sidecar names what its result was made of: the settings, the job's parameters, its inputs."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from algoreg.results import records

ROOT = Path(__file__).resolve().parents[3]


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Return the SHA-256 of settings in canonical JSON, without the execution setting ``device``."""
    content = {key: value for key, value in settings.items() if key != "device"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def params_digest(params: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a job's parameters in canonical JSON."""
    text = json.dumps(dict(params), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _is_result(path: str | Path) -> bool:
    """Return whether a file has a sidecar, because the user's own files may also be in a folder ``results/<name>``."""
    try:
        return records.sidecar_path(path).exists()
    except ValueError:
        return False


def label(path: str | Path) -> str:
    """Return an input's name in sidecars: a result's path from ``results`` on, or a path relative to the repository."""
    if _is_result(path):
        return f"results/{records.tier_of(path)}/{records.name_in_tier(path)}"
    return os.path.relpath(Path(path).resolve(), ROOT)


def input_digests(paths: Iterable[str | Path]) -> dict[str, str]:
    """Return ``{name: SHA-256}`` of the present content of a job's inputs."""
    return {label(path): records.sha256(path) for path in dict.fromkeys(map(str, paths))}
