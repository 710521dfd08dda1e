"""Check all settings of a workflow run together: the tier file, ``--config``, chapters and claims."""

import os
from pathlib import Path

from algoreg import plugins
from algoreg.settings import chapters, checking
from algoreg.settings.plugin_checks import plugin_problems


def checked(config: dict, files: list[str], root: Path, alone: bool) -> tuple[dict, list[dict]]:
    """Return a tier's complete settings and the claims of its chapters.

    Parameters
    ----------
    config : dict
        The tier file merged with ``--config``.
    files : list of str
        The tier files given.
    root : pathlib.Path
        The repository's folder.
    alone : bool
        Whether only one tier file is allowed; a workflow that imports this one may have further files.

    Raises
    ------
    algoreg.settings.files.SettingsError
        If any settings are not valid; it lists all problems.
    """
    file = files[0] if files else "--config"
    problems, complete, claims = [], {}, []
    if alone and len(files) > 1:
        problems.append(f"{', '.join(files)}: a tier file is complete; give exactly one")
    if found := misplaced(config, file) or chapters.misnamed() or plugin_problems():
        # Chapters and plugins can only be looked up if these are valid.
        raise checking.SettingsError(found)
    for name in files:
        try:
            checking.load_yaml(name)
            problems += checking.taken_names(name, root / "config")
        except checking.SettingsError as error:
            problems += error.problems
    try:
        complete = checking.complete_tier(config, file)
    except checking.SettingsError as error:
        problems += error.problems
    chosen = complete.get("chapters", "all")
    try:
        claims = checking.load_claims(None if chosen == "all" else chosen)
    except checking.SettingsError as error:
        problems += error.problems
    problems = problems or checking.unfit_claims(claims, complete, file)
    if problems:
        raise checking.SettingsError(list(dict.fromkeys(problems)))
    return complete, claims


def misplaced(config: dict, file: str) -> list[str]:
    """Return lines for ``chapter_path`` and ``algorithm_path`` if they contain no chapters or algorithms."""
    found, paths = [], config.get("chapter_path")
    places = paths.split(os.pathsep) if isinstance(paths, str) else []
    for place in filter(None, places):
        if not any(Path(place).expanduser().glob("*/chapter.yaml")):
            allowed = f"allowed are folders that exist and have chapters, separated by {os.pathsep}"
            found.append(f"{checking.display_path(file)}: chapter_path = {place}: {allowed}")
    try:
        plugins.algorithm_files()
    except ValueError as error:
        found.append(f"{checking.display_path(file)}: {error}")
    return found
