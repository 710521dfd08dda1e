"""Where a job's messages go: its own log file, which the workflow shows if the job fails."""

import contextlib
import io
import sys


class _Log(io.TextIOBase):
    """A text file, written line by line; what the disk does not take goes to the terminal."""

    def __init__(self, path):
        self._file = open(path, "w", buffering=1, encoding="utf-8")  # noqa: SIM115 (it stays open until the process ends)

    def writable(self):
        return True

    def write(self, text):
        try:
            return self._file.write(text)
        except OSError:
            # The disk is full: the reason why the job fails must not be lost with it.
            return sys.__stderr__.write(text)

    def flush(self):
        with contextlib.suppress(OSError):
            self._file.flush()

    def fileno(self):
        return self._file.fileno()


def write_to(path):
    """Send what this process prints, tracebacks included, to a log file, line by line."""
    sys.stdout = sys.stderr = _Log(path)
