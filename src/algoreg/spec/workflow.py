"""Everything that a run of the workflow is set by, checked together: tier file, ``--config``, chapters and claims."""

from pathlib import Path

from algoreg.spec import settings


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
