"""The meanings of the tables' columns, and the readable names that criteria use for them.

An experiment declares them in its mappings ``KEYS`` and ``VALUES``; ``None`` there stands for the general meaning in
:data:`COLUMNS`. A meaning is a string, or a pair of readable name and meaning. A column without a readable name is
called by its column name, with spaces for underscores.
"""

from collections.abc import Mapping
from typing import Any

from algoreg import plugins

# The ways in which a run of an experiment can end; see :data:`algoreg.engine.experiment.ENDS`.
STATUSES = ("converged", "budget", "diverged")

# The general meanings of columns, for which experiments can declare others.
COLUMNS = {
    "d": ("d", "dimension: X is d × d"),
    "rank": ("the rank r", "rank r of the planted X*"),
    "m": ("m", "measurements that the run knows"),
    "m_over_d": ("m/d", "measurements per dimension, m/d"),
    "m_over_dr": ("m/(dr)", "measurements over d times r, m/(dr)"),
    "method": "algorithm",
    "kappa": ("κ", "condition number of X*"),
    "alpha": ("α", "initialisation scale α: U₀ = αB (empty where the algorithm has none)"),
    "start": "the matrix B of the start",
    "step": "step size η in M-form, as it ran",
    "batch_size": "measurements a step of mini-batch SGD",
    "delta": "restricted isometry constant δ",
    "iteration": ("the iterations", "iteration: the paper's where runs are given in its unit, else as it ran"),
    "iterations": "length of the run, counted as `iteration`",
    "own_iteration": "iteration as it ran: where runs are given in the paper's unit, one stands for `step_factor` of the paper's",
    "time": "η·t",
    "target": "number of the planted target",
    "ensemble": "number of the measurement ensemble",
    "train_error": ("the training error", "√(Σ(⟨Aᵢ,X⟩ − yᵢ)² / Σyᵢ²)"),
    "test_error": ("the test error", "‖X − X*‖_F / ‖X*‖_F"),
    "hold_out_error": ("the hold-out error", "the training error's formula on the labels that no run knows"),
    "delta_low": "lower end of the bracket of the restricted isometry constant δ",
    "delta_up": "its upper end",
    "effective_rank": "exp(entropy) of the normalised eigenvalues",
    "distance_to_min_trace": (
        "the distance to the solution of least trace",
        "‖X − X̂‖_F / ‖X*‖_F, X̂ Clarabel's PSD matrix of least trace that fits the labels",
    ),
    "distance_to_target": ("the distance to X*", "‖X − X*‖_F / ‖X*‖_F"),
    "trace": "tr X / tr X*",
    "status": f"how the run ended: {', '.join(STATUSES)}",
}


def meaning(value):
    """Return the meaning of a column, given a value of ``COLUMNS``, ``KEYS`` or ``VALUES``."""
    return value if isinstance(value, str) else value[1]


def _words(column, value):
    return column.replace("_", " ") if value is None or isinstance(value, str) else value[0]


def _declared(experiment):
    module = plugins.experiment(experiment)
    return {**module.KEYS, **module.VALUES}


def columns_of(experiment):
    """Return the columns of an experiment's table with their meanings, without its status."""
    return {
        column: COLUMNS.get(column, "–") if declared is None else declared
        for column, declared in _declared(experiment).items()
    }


def _texts(value):
    """Return the strings in a parameter that may name columns; in a mapping, which picks rows, these are the keys."""
    if isinstance(value, dict):
        return [
            text for key, part in value.items() for text in (str(key), *_texts(part if isinstance(part, dict) else []))
        ]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


def readable(parameters: Mapping[str, Any], experiments: Mapping[str, Mapping[str, Any]] | None = None):
    """Return an estimand's parameters with readable names in place of columns, and with lists joined by commas.

    If experiments give a column different names, the experiments with all columns of the estimand decide if they agree;
    otherwise the column has its general name.

    Parameters
    ----------
    parameters : mapping
        An estimand's parameters, with its name.
    experiments : mapping of str to mapping, optional
        The columns that each experiment declares, with their meanings; by default those of all plugins.
    """
    texts = {text for key, value in parameters.items() if key != "name" for text in _texts(value)}
    if experiments is None:
        experiments = {experiment: _declared(experiment) for experiment in plugins.modules("experiments")}
    wanted = texts & set(COLUMNS).union(*experiments.values())
    fitting = [columns for columns in experiments.values() if wanted <= columns.keys()]
    names = {}
    for column in wanted:
        special = {experiment[column][0] for experiment in fitting if isinstance(experiment.get(column), tuple)}
        names[column] = special.pop() if len(special) == 1 else _words(column, COLUMNS.get(column))

    def in_words(value):
        if isinstance(value, list):
            return _joined([in_words(part) for part in value])
        # A string that is not a column is a value of the experiment, such as the name of a method.
        return names.get(value, value.replace("_", " ")) if isinstance(value, str) else value

    return {key: in_words(value) for key, value in parameters.items()}


def _joined(texts):
    """Return a list as a phrase: "a, b and c"."""
    texts = [f"{text:g}" if isinstance(text, (int, float)) else str(text) for text in texts]
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))
