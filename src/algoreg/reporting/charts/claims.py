"""Which claims a figure shows; this module imports no drawing library, because jobs that do not draw use it too."""

from algoreg.settings.chapters import load_chapters


def claims_of(figure, entries=None):
    """Return ``{id: entry}`` of the claims that a figure shows, among these entries or, by default, all chapters'."""
    if entries is None:
        entries = [entry for chapter in load_chapters() for entry in chapter.claims]
    return {entry["id"]: entry for entry in entries if entry["figure"] == figure}
