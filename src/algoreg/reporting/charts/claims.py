"""Which claims a figure shows. Jobs that draw nothing ask it, too, and need no drawing library for it."""

from algoreg.settings.chapters import load_chapters


def claims_of(figure, entries=None):
    """Return the registry entries of the claims that are judged from a figure,
    by their ids: of all chapters, or of these entries.
    """
    if entries is None:
        entries = [entry for chapter in load_chapters() for entry in chapter.claims]
    return {entry["id"]: entry for entry in entries if entry["figure"] == figure}
