"""Checks of all settings before any job starts: a tier file, its chapters and their claims."""

from pathlib import Path

from algoreg.settings.chapters import clashes, compose, load_chapters, locations, unknown_tables
from algoreg.settings.claims import exponent_problems, few_ensembles, registry_problems
from algoreg.settings.experiments import CompleteTier
from algoreg.settings.files import SettingsError, display_path, load_yaml
from algoreg.settings.fitting import unfit
from algoreg.settings.messages import beyond_range, in_file, lines, problems
from algoreg.settings.plugin_checks import plugin_problems
from algoreg.settings.tier import Tier


def check_tier(tier, where):
    """Return the complete settings of a tier if they are valid.

    Parameters
    ----------
    tier : mapping
        Settings composed by :func:`algoreg.settings.chapters.compose`.
    where : str or callable
        The file of all settings, or a function that returns ``file: key`` of a path; see
        :func:`algoreg.settings.chapters.locations`.

    Raises
    ------
    SettingsError
        If the settings are not valid; it lists all problems.
    """
    where = in_file(where) if isinstance(where, str) else where
    found = lines(beyond_range(tier) or problems(CompleteTier, tier), where)
    found = found or lines(unfit(tier, published_sizes()), where)
    if found:
        raise SettingsError(found)
    return tier


def complete_tier(content, file):
    """Return a tier's settings with everything that its chapters have at its size.

    Parameters
    ----------
    content : object
        The content of the tier file, merged with ``--config``.
    file : str
        The tier file's name, for messages.

    Raises
    ------
    SettingsError
        If the settings are not valid; it lists all problems.
    """
    found = lines(beyond_range(content) or problems(Tier, content), in_file(display_path(file)))
    if found:
        raise SettingsError(found)
    chapters = chosen_chapters(content, file)
    if found := [*plugin_problems(), *clashes(chapters), *unknown_tables(chapters)]:
        raise SettingsError(found)
    return check_tier(compose(content, chapters), locations(content, display_path(file), chapters))


def chosen_chapters(tier, file=None):
    """Return the chapters of a tier; ``file`` is the tier's file, for the message about unknown chapters."""
    names = tier.get("chapters", "all")
    return load_chapters(None if names == "all" else names, file)


def load_tier(path):
    """Read and validate a tier file, and complete it; see :func:`complete_tier`."""
    return complete_tier(load_yaml(path), str(path))


def taken_names(file, folder):
    """Return a line if a tier file has the name of a tier in ``folder`` but other content; else an empty list.

    Both would write into the same ``results/<tier>``, and the second would overwrite the first.
    """
    content = load_yaml(file)
    name = content.get("tier") if isinstance(content, dict) else None
    if name not in [path.stem for path in Path(folder).glob("*.yaml")]:
        return []
    shipped = Path(folder) / f"{name}.yaml"
    if Path(file).resolve() == shipped.resolve() or content == load_yaml(shipped):
        return []
    taken = f"config/{name}.yaml has this name, and its results would be overwritten; choose another name"
    return [f"{display_path(file)}: tier = {name}: {taken}"]


def published_sizes():
    """Return the d of each published curve, by name."""
    return {name: fixed["d"] for chapter in load_chapters() for name, fixed in chapter.published.items()}


def load_claims(names=None):
    """Read and validate the claims of the chapters with these names, by default all, in the order of chapters.

    Returns
    -------
    list of dict
        The entries, each with its ``chapter``.

    Raises
    ------
    SettingsError
        If a claim is not valid; it lists all problems.
    """
    chapters = load_chapters(names)
    found = registry_problems(chapters)
    if found:
        raise SettingsError(found)
    return [{**entry, "chapter": chapter.name} for chapter in chapters for entry in chapter.claims]


def unfit_claims(claims, tier, file):
    """Return lines for settings of a tier with which its claims cannot be judged.

    Parameters
    ----------
    claims : list of mapping
        Valid claims.
    tier : mapping
        Valid and complete settings.
    file : str
        The tier's file, for messages.
    """
    found = [*exponent_problems(claims, tier), *few_ensembles(claims, tier)]
    return lines(found, locations(tier, display_path(file), chosen_chapters(tier)))
