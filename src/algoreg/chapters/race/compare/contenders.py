"""What is compared: methods of the race by name, algorithms with options,
and files of the user's own, read from one text.
"""

import os
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path

import yaml

from algoreg import plugins
from algoreg.chapters.race.methods import METHODS, Method
from algoreg.chapters.race.words import NAMES
from algoreg.settings import options as declared
from algoreg.settings.files import SettingsError
from algoreg.settings.messages import in_file, lines, problems

ENSEMBLE = "gaussian"
# Steps for an algorithm that names none: from a safe one to one at which most diverge.
STEPS = (0.1, 0.2, 0.32, 0.4, 0.5)
ALPHA = 1e-6
# What may be told of a method beside its algorithm's options, as the race's own have it.
TOLD_APART = tuple(
    field.name for field in fields(Method) if field.name not in ("algorithm", "prior_knowledge", "options")
)
FORM = "name, name(option=value, steps=0.1|0.2) or a file (mine.py), separated by commas"
# What each run is given: a step of the grid, the budget, the measurements.
SET_HERE = ("step", "iterations", "m")


@dataclass(frozen=True)
class Contender:
    """A method that is compared.

    Attributes
    ----------
    label : str
        As it was asked for.
    name : str
        What a reader calls it.
    algorithm : str
        The name of its algorithm.
    method : Method
        See :class:`algoreg.chapters.race.methods.Method`.
    """

    label: str
    name: str
    algorithm: str
    method: Method


def split(text):
    """Return the parts of a text between its commas, those in brackets left alone."""
    return [part.strip() for part in re.split(r",(?![^(]*\))", text) if part.strip()]


def take_up_files(text):
    """Let the package find the files that a text of methods names, and return it with their algorithms' names in place.

    Raises
    ------
    algoreg.settings.files.SettingsError
        With those that are none.
    """
    parts = split(text)
    files = [part.partition("(")[0].strip() for part in parts if part.partition("(")[0].strip().endswith(".py")]
    wrong = [file for file in files if not plugins.is_algorithm_file(Path(file))]
    if wrong:
        raise SettingsError([f"METHODS = {file}: allowed are {plugins.ALLOWED_FILES}" for file in wrong])
    if files:
        listed = [*plugins.paths_in(plugins.ALGORITHM_PATH), *files]
        os.environ[plugins.ALGORITHM_PATH] = os.pathsep.join(dict.fromkeys(listed))
        plugins.forget()
    for file in files:
        parts = [part.replace(file, Path(file).stem, 1) for part in parts]
    return ",".join(parts)


def contenders(text):
    """Return what a text of the ``FORM`` ``descent_r,hard_thresholding(rule=adaptive)`` asks to compare.

    Raises
    ------
    algoreg.settings.files.SettingsError
        With everything that cannot be: an unknown method or option, a value that is not allowed, an algorithm that
        needs what Gaussian measurements do not provide.
    """
    found, wrong = [], []
    for label in split(text):
        try:
            found.append(_contender(label))
        except SettingsError as error:
            wrong += error.problems
    labels = [one.label for one in found]
    wrong += [f"METHODS = {label}: given twice" for label in dict.fromkeys(labels) if labels.count(label) > 1]
    if not wrong and len(found) < 2:
        wrong.append(f"METHODS = {text}: allowed are two methods or more: {FORM}")
    if wrong:
        raise SettingsError(wrong)
    return found


def _contender(label):
    """Return one of them."""
    matched = re.fullmatch(r"([\w-]+)\s*(?:\((.*)\))?", label)
    if not matched:
        raise SettingsError([f"METHODS = {label}: allowed is {FORM}"])
    name, inner = matched.groups()
    given = _given(label, inner or "")
    if name in METHODS:
        own_method, algorithm = METHODS[name], METHODS[name].algorithm.__module__.rsplit(".", 1)[1]
    else:
        algorithm, own_method = name, None
        known = plugins.modules("algorithms")
        if name not in known:
            allowed = f"methods of the race: {', '.join(METHODS)}; algorithms: {', '.join(known)}; or a file (mine.py)"
            raise SettingsError([f"METHODS = {name}: unknown method; allowed are {allowed}"])
    if lacking := declared.lacks(algorithm, ENSEMBLE):
        fit = [name for name in plugins.modules("algorithms") if not declared.lacks(name, ENSEMBLE)]
        said = (
            f"it needs {', '.join(lacking)}, which Gaussian measurements do not provide; allowed are {', '.join(fit)}"
        )
        raise SettingsError([f"METHODS = {name}: {said}"])
    apart = {option: value for option, value in given.items() if option in TOLD_APART}
    chosen = {option: value for option, value in given.items() if option not in TOLD_APART}
    _refuse_unknown(label, algorithm, chosen)
    method = own_method or _plain(algorithm, chosen)
    method = replace(method, options={**method.options, **chosen}, **_apart(label, apart))
    _check(label, algorithm, method)
    return Contender(label, f"{name} ({inner})" if inner else NAMES.get(name, name), algorithm, method)


def _refuse_unknown(label, algorithm, chosen):
    """Refuse options that the algorithm does not have, or that the comparison sets itself."""
    own = [option for option in declared.of_algorithm(algorithm).model_fields if option not in SET_HERE]
    for option, value in chosen.items():
        if option not in own:
            allowed = ", ".join([*own, *TOLD_APART])
            raise SettingsError([f"METHODS = {label}: {option} = {value}: unknown key; allowed are {allowed}"])


def _given(label, text):
    """Return the options in a method's brackets."""
    found = {}
    for part in split(text):
        option, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign:
            raise SettingsError([f"METHODS = {label}: {part}: allowed is option=value"])
        # YAML takes 1e-3 for a text.
        found[option] = float(value) if re.fullmatch(r"[+-]?[\d.]+[eE][+-]?\d+", value) else yaml.safe_load(value)
    return found


def _plain(algorithm, chosen):
    """Return a method that is an algorithm with its defaults; a start that has none is of size ``ALPHA``.

    Grid and passes are those of the race's method of this algorithm that shares most of the chosen options, if there is
    one.
    """
    kind, own = plugins.algorithm(algorithm), declared.of_runs(algorithm)
    start = {"alpha": own["alpha"] or ALPHA} if "alpha" in own else {}
    told = " and ".join(kind.prior_knowledge) or "nothing"
    alike = [method for method in METHODS.values() if method.algorithm is kind and not method.momenta]
    if not alike:
        return Method(kind, told, STEPS, start)
    best = max(alike, key=lambda method: _agreement(chosen, method.options))
    return replace(best, prior_knowledge=told, options=start, first_passes=0.0 if start else best.first_passes)


def _agreement(chosen, other):
    """Return by how much more options agree with others than they differ from them."""
    return sum(1 if chosen.get(option) == value else -1 for option, value in other.items())


def _apart(label, given):
    """Return the steps, momenta and passes of a method."""
    found = {}
    for option, value in given.items():
        grid = option in ("steps", "momenta")
        try:
            numbers = [float(number) for number in str(value).split("|")]
        except ValueError:
            numbers = []
        if not numbers or min(numbers) < 0 or (len(numbers) > 1 and not grid):
            allowed = "numbers above 0, separated by |" if grid else "a number of at least 0"
            raise SettingsError([f"METHODS = {label}: {option} = {value}: allowed is {allowed}"])
        found[option] = tuple(numbers) if grid else int(numbers[0]) if option == "most" else numbers[0]
    return found


def _check(label, algorithm, method):
    """Refuse options that the algorithm does not take, and values that it does not allow."""
    model = declared.of_algorithm(algorithm)
    for chosen in method.grid():
        settings = {
            option: value for option, value in method.settings(1, 1.0).items() if option in model.model_fields
        } | {option: value for option, value in method.options.items() if option not in model.model_fields}
        settings = {option: value for option, value in settings.items() if value is not None} | chosen
        if found := problems(model, settings | {"iterations": 1, "m": 1}):
            raise SettingsError(lines(found, in_file(f"METHODS = {label}")))
