"""Send a job's messages to its log file, which the workflow shows if the job fails."""

import io
import sys
from types import TracebackType


class _Log(io.TextIOBase):
    """A text file without a buffer; text that cannot be written to the disk goes to the terminal."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 (it stays open until the process ends)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        rest = text.encode("utf-8", "backslashreplace")
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            # If the disk is full, the reason why the job fails must not be lost.
            print(rest.decode("utf-8", "replace"), end="", file=sys.__stderr__)
        return len(text)

    def fileno(self) -> int:
        return self._file.fileno()


def _print_reason(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print why the job ends: a traceback, or "interrupted" if the user stopped it."""
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted")
    else:
        sys.__excepthook__(kind, error, trace)


def write_to(path: str) -> None:
    """Send everything that this process prints, including tracebacks, to a log file without buffering."""
    sys.stdout = sys.stderr = _Log(path)
    sys.excepthook = _print_reason
