"""The observer of this chapter's long descents."""

from algoreg.engine.observers import Ends


class LongEnds(Ends):
    """Keeps what every run ends with; see :class:`algoreg.engine.observers.Ends`."""

    # After each of these a killed job may continue.
    stride = 1000
