"""What a job can say of itself: the commit, the settings, the lock, the seeds and the machine settings it ran with."""

import hashlib
import json
import subprocess
from pathlib import Path

from algoreg.records import Stopwatch, sha256

ROOT = Path(__file__).resolve().parents[2]


def _git(*words):
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def settings_hash(settings):
    """Return the SHA-256 of settings in canonical JSON, without the execution setting ``device``."""
    content = {key: value for key, value in settings.items() if key != "device"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def provenance(settings, **facts):
    """Return a sidecar's content; see :func:`algoreg.records.seal`. Seconds count from this call.

    ``facts`` add to the tier's settings or say what they came to (the device that ``auto`` took).
    """
    status = _git("status", "--porcelain", "--untracked-files=no")
    lock = ROOT / "requirements.lock"
    return {
        "commit": _git("rev-parse", "HEAD"),
        "dirty": None if status is None else bool(status),
        "config_sha256": settings_hash(settings),
        "lock_sha256": sha256(lock) if lock.is_file() else None,
        "device": settings["device"],
        "dtype": settings["dtype"],
        "seed": settings["seed"],
        "threads": settings["threads"],
        "seconds": Stopwatch(),
        **facts,
    }
