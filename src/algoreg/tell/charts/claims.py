"""Which claims a figure shows. Loads no drawing library: the workflow asks before any job."""

from algoreg.spec.chapters import load_chapters


def claims_of(figure, entries=None):
    """Return the registry entries of the claims that are judged from a figure, by their ids.

    Parameters
    ----------
    figure : str
    entries : list of mapping, optional
        Those to choose from; of all chapters without.
    """
    if entries is None:
        entries = [entry for chapter in load_chapters() for entry in chapter.claims]
    return {entry["id"]: entry for entry in entries if entry["figure"] == figure}
