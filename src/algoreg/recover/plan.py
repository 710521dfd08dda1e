"""The plan of a fit, the algorithm that it names, and the prior knowledge that this needs, each checked."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch

from algoreg import plugins
from algoreg.algorithms.base import Algorithm
from algoreg.engine.checkpoint import Checkpoint
from algoreg.ensembles.base import Measurements
from algoreg.settings import messages
from algoreg.settings import options as declared

DEFAULT_METHODS = {"psd": "factored", "symmetric": "signed", "rectangular": "factored"}
# Options of a run that are parameters of the estimator, not options of the algorithm.
PARAMETERS = {"alpha": "alpha", "step": "step", "iterations": "max_iter"}
# Prior knowledge and options in units of the matrix that is sought, or of the observations.
WITH_UNITS = {"trace": "trace_unit", "theta": "trace_unit", "tau": "trace_unit", "truncation": "label_unit"}


@dataclass(frozen=True)
class Plan:
    """The parameters of a fit; see the estimators.

    ``kind`` describes the matrix that is sought. If it is rectangular, its lift of size d1 + d2 is cut at ``rows``, d1.
    ``hermitian`` is whether the symmetric matrix of the fit represents a Hermitian one of half its size.
    ``trace_unit`` is the trace (or nuclear norm, if rectangular) of the matrix that is sought over the trace of the
    fit's matrix, and ``label_unit`` an observation over the fit's label.
    """

    kind: str
    method: str = "auto"
    method_options: Mapping[str, Any] = field(default_factory=dict)
    alpha: float | str = 1e-3
    stop: str = "auto"
    noise: float | None = None
    hold_out: float = 0.1
    folds: int = 5
    max_iter: int = 5000
    tol: float = 1e-6
    step: float | None = None
    seed: int = 0
    rows: int | None = None
    hermitian: bool = False
    trace_unit: float = 1.0
    label_unit: float = 1.0
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    log: Callable[[str], None] = lambda line: None

    def as_sought(self, estimates: torch.Tensor) -> torch.Tensor:
        """Return symmetric matrices with the eigenvalues, or ± the singular values, of the matrices that are sought."""
        if self.rows is None:
            return estimates
        lifted = torch.zeros_like(estimates)
        lifted[:, : self.rows, self.rows :] = estimates[:, : self.rows, self.rows :]
        return lifted + lifted.mT

    def degrees_of_freedom(self, rank: float, size: int) -> float:
        """Return the degrees of freedom of the matrix that is sought, from the fit's effective rank and size."""
        # A rectangular matrix's lift has each singular value twice, a Hermitian one's real matrix each eigenvalue.
        if self.rows is not None or self.hermitian:
            return rank / 2 * (size - rank / 2)
        return rank * (2 * size - rank + 1) / 2


def algorithm_for(plan: Plan, ensemble: Measurements) -> tuple[str, type[Algorithm]]:
    """Return the name and the class of the plan's algorithm.

    Raises
    ------
    ValueError
        If there is no algorithm of this name, its estimates are not of the kind, it needs what these measurements do
        not provide, its prior knowledge is not given, or an option is not allowed.
    """
    name = DEFAULT_METHODS[plan.kind] if plan.method == "auto" else plan.method
    refuse_unknown(plan.method)
    found: type[Algorithm] = plugins.algorithm(name)
    wanted = "symmetric" if plan.kind == "symmetric" else "psd"
    if found.estimates != wanted:
        block = ", a block of a psd matrix," if plan.kind == "rectangular" else ""
        known = plugins.modules("algorithms")
        allowed = [one for one in known if plugins.algorithm(one).estimates == wanted]
        raise ValueError(
            f"method = {name}: its estimates are {found.estimates}; kind = {plan.kind}{block} is fitted by {', '.join(allowed)}"
        )
    lacking = found.requires - ensemble.provides
    if lacking:
        raise ValueError(
            f"method = {name}: needs {', '.join(sorted(lacking))}, which these measurements do not provide"
        )
    given = plan.method_options
    _refuse_options(name, found.prior_knowledge, given, ensemble.d)
    missing = [fact for fact in found.prior_knowledge if _is_missing(name, fact, given)]
    if missing:
        facts, wanted = ", ".join(missing), ", ".join(f"'{fact}': …" for fact in missing)
        raise ValueError(
            f"method = {name}: it needs prior knowledge of the {facts}; in Python: method_options = {{{wanted}}}"
        )
    return name, found


def _is_missing(name: str, fact: str, given: Mapping[str, Any]) -> bool:
    """Return whether the algorithm reads a fact, and neither this nor an option that replaces it is given."""
    option, value = declared.READ_ONLY_WITH.get((name, fact), ("", None))
    fields = declared.of_algorithm(name).model_fields
    if option in fields and given.get(option, fields[option].default) != value:
        return False
    return given.get(fact) is None and given.get(declared.INSTEAD.get(fact, "")) is None


def refuse_unlisted(name: str, value: Any, allowed: Iterable[str]) -> None:
    """Raise a ValueError if a parameter's value is not allowed."""
    if value not in (listed := tuple(allowed)):
        raise ValueError(f"{name} = {value}: allowed are {', '.join(listed)}")


def refuse_unknown(method: str) -> None:
    """Raise a ValueError if there is no algorithm of this name, and it is not ``auto``."""
    refuse_unlisted("method", method, ("auto", *plugins.modules("algorithms")))


def _refuse_options(name: str, facts: Iterable[str], given: Mapping[str, Any], d: int) -> None:
    """Raise a ValueError for the first option that the algorithm does not have, that is a list, or does not fit d."""
    model = declared.of_algorithm(name)
    allowed = [*(key for key in model.model_fields if key not in ("m", *PARAMETERS)), *facts]
    for key, value in given.items():
        option = f"method_options of {name}: {key} = {value}: "
        if key == "m":
            raise ValueError(f"{option}the number of measurements is that of the data")
        if key in PARAMETERS:
            raise ValueError(f"{option}this is the estimator's parameter {PARAMETERS[key]}")
        if key not in allowed:
            raise ValueError(f"{option}unknown option; allowed are {', '.join(allowed) or 'none'}")
        if isinstance(value, list):
            raise ValueError(f"{option}allowed is one value")
        number = isinstance(value, Real) and not isinstance(value, bool)
        if key == "rank" and key in facts and not (number and isinstance(value, Integral) and 1 <= int(value) <= d):
            raise ValueError(f"{option}allowed is a whole number from 1 to {d}")
        if key in facts and not (number and 0 < value < np.inf):
            raise ValueError(f"{option}allowed is a number above 0")
        if key in model.at_most_d and number and value > d:
            raise ValueError(f"{option}allowed is at most {d}")


def needing_nothing(kind: str) -> list[str]:
    """Return the algorithms for a kind of ``DEFAULT_METHODS`` that need no prior knowledge, the default first."""
    default = DEFAULT_METHODS[kind]
    wanted = "symmetric" if kind == "symmetric" else "psd"
    fits = []
    for name in plugins.modules("algorithms"):
        algorithm = plugins.algorithm(name)
        fields = declared.of_algorithm(name).model_fields
        needed = {key for key, field in fields.items() if field.is_required()} - {*declared.COMMON, "alpha"}
        if algorithm.estimates == wanted and algorithm.prior_knowledge == () and name != default and not needed:
            fits.append(name)
    return [default, *fits]


def run_options(name: str, plan: Plan, scale: float, **changes: Any) -> dict[str, Any]:
    """Return a run's options: the algorithm's defaults, those that the user gave, and those that this fit sets.

    Parameters
    ----------
    name : str
    plan : Plan
    scale : float
        The fit's matrix is the run's matrix times this.
    **changes
        Options that this fit sets.

    Raises
    ------
    ValueError
        If an option is unknown or not allowed, or one without a default is not given.
    """
    model = declared.of_algorithm(name)
    facts = set(plugins.algorithm(name).prior_knowledge) - model.model_fields.keys()
    options = dict(plan.method_options)
    for key, unit in WITH_UNITS.items():
        if isinstance(options.get(key), Real) and not isinstance(options[key], bool):
            options[key] = float(options[key]) / (getattr(plan, unit) * scale)
    knowledge = {key: value for key, value in options.items() if key in facts}
    given = {key: value for key, value in options.items() if key not in facts}
    known = {key: value for key, value in changes.items() if key in model.model_fields}
    asked = {**given, **known}
    if found := messages.lines(messages.problems(model, asked), messages.key):
        raise ValueError(f"method_options of {name}: {'; '.join(found)}")
    return {**model(**asked).model_dump(), **knowledge, "target": 0}
