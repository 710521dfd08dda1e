"""Where a job's messages go: its own log file, which the workflow shows if the job fails."""

import sys


def write_to(path):
    """Send what this process prints, tracebacks included, to a log file, line by line."""
    # It stays open until the process ends.
    sys.stdout = sys.stderr = open(path, "w", buffering=1, encoding="utf-8")  # noqa: SIM115
