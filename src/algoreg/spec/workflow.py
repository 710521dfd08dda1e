"""Everything that a run of the workflow is set by, checked together: tier file, ``--config``, chapters and claims."""

import os
from pathlib import Path

from algoreg import plugins
from algoreg.spec import chapters, settings
from algoreg.spec.plugin_checks import plugin_problems


def checked(config: dict, files: list[str], root: Path, alone: bool) -> tuple[dict, list[dict]]:
    """Return a tier's complete settings and the claims of its chapters.

    Parameters
    ----------
    config : dict
        What the tier file and ``--config`` say together.
    files : list of str
        The tier files given.
    root : pathlib.Path
        The repository's folder.
    alone : bool
        Whether one tier file is all that there may be; a workflow that imports this one may have its own.

    Raises
    ------
    algoreg.spec.files.SettingsError
        With every problem of all of them.
    """
    file = files[0] if files else "--config"
    problems, complete, claims = [], {}, []
    if alone and len(files) > 1:
        problems.append(f"{', '.join(files)}: a tier file is complete; give exactly one")
    if found := misplaced(config, file) or chapters.misnamed() or plugin_problems():
        # Nothing can be looked up there.
        raise settings.SettingsError(found)
    for name in files:
        try:
            settings.load_yaml(name)
            problems += settings.taken_names(name, root / "config")
        except settings.SettingsError as error:
            problems += error.problems
    try:
        complete = settings.complete_tier(config, file)
    except settings.SettingsError as error:
        problems += error.problems
    chosen = complete.get("chapters", "all")
    try:
        claims = settings.load_claims(None if chosen == "all" else chosen)
    except settings.SettingsError as error:
        problems += error.problems
    problems = problems or settings.unfit_claims(claims, complete, file)
    if problems:
        raise settings.SettingsError(list(dict.fromkeys(problems)))
    return complete, claims


def misplaced(config: dict, file: str) -> list[str]:
    """Return lines for places of own chapters and algorithms, in ``--config`` or the tier's file, that hold none."""
    found, paths = [], config.get("chapter_path")
    places = paths.split(os.pathsep) if isinstance(paths, str) else []
    for place in filter(None, places):
        if not any(Path(place).expanduser().glob("*/chapter.yaml")):
            allowed = f"allowed are folders that exist and have chapters, separated by {os.pathsep}"
            found.append(f"{settings.shown(file)}: chapter_path = {place}: {allowed}")
    try:
        plugins.algorithm_files()
    except ValueError as error:
        found.append(f"{settings.shown(file)}: {error}")
    return found
