"""Quantum states from some of their Pauli expectations with shot noise:
full width without prior knowledge beside methods that have some.
"""

import math
from itertools import product
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import accelerated, factored, least_trace
from algoreg.engine.observers import Observer, begins
from algoreg.ensembles.pauli_hermitian import Ensemble, as_complex, as_real
from algoreg.numerics.seeds import stream
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    qubits: int = Field(ge=2, le=6)
    state: Several[Literal["ghz", "w", "random"]] = Field(["ghz", "w", "random"])
    share: Several[Annotated[float, Field(gt=0, le=1)]]
    shots: Several[PositiveInt]
    alpha: PositiveFloat = 1e-6
    step: PositiveFloat = 0.25
    time: PositiveFloat
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if self.step > self.time:
            raise misfit(self, "step at most time", "step", "time")
        return self


KEYS = {
    "qubits": "number of qubits n; the state is 2ⁿ × 2ⁿ",
    "state": "`ghz`, `w` or `random`, pure; the first two with random flips and phases",
    "share": "share of the 4ⁿ Pauli strings that is measured, the identity among them",
    "shots": "how often each string is measured; also the size of noise at which `stopped` stops",
    "labels": "`shots`, expectations with shot noise, or `exact` ones",
    "method": (
        "`full`, α = 10⁻⁶ and told no rank; `width 1` and `momentum` of width 1, told the rank; `least trace`; "
        "`linear inversion`"
    ),
    "target": None,
    "ensemble": None,
}
VALUES = {
    "m": None,
    "stopped": (
        "the infidelity where the residual falls to the shot noise",
        "1 − ⟨ψ|ρ|ψ⟩/tr ρ at the first look at which Σ(tr Pρ − y)² is at most Σ(1 − y²)/shots, else at the end",
    ),
    "end": ("the infidelity at the end", "1 − ⟨ψ|ρ|ψ⟩/tr ρ at the end of the run"),
    "smallest": ("the smallest infidelity", "the smallest at a look"),
    "stopped_at": "η·t at which `stopped` was read (empty: never there, or no iterations)",
}
# Iterations between two snapshots.
LOOK = 5
# Of the splitting: the weight of the trace, and its steps.
TRACE_STEP, TRACE_STEPS = 0.3, 300
MOMENTUM = 0.75
# Smaller infidelities are not told apart: they are differences of numbers near 1.
LEAST = 1e-9
# Exact expectations are there to see full width go on; others are not run on them.
ON_EXACT = ("full",)


def pure_state(kind, qubits, seed, target):
    """Return the vector ψ of a state of a kind, shape (2ⁿ,), complex: the same for every ensemble."""
    generator = stream("state", kind=kind, qubits=qubits, seed=seed, target=target)
    size = 2**qubits
    if kind == "random":
        psi = generator.standard_normal(size) + 1j * generator.standard_normal(size)
        return psi / np.linalg.norm(psi)
    levels = np.array([0, size - 1]) if kind == "ghz" else 2 ** np.arange(qubits)
    psi, flips = np.zeros(size, complex), int(generator.integers(size))
    psi[levels ^ flips] = np.exp(2j * np.pi * generator.random(len(levels)))
    return psi / np.sqrt(len(levels))


def strings_of(qubits, share, seed, number, device, dtype):
    """Return the ensemble of the identity and the first strings of a random order of the others,
    and by what ⟨A, R(ρ)⟩ is tr Pρ.
    """
    d, count = 2 ** (qubits + 1), 4**qubits
    every, signs = Ensemble.strings(d)
    order = 1 + stream("paulis", qubits=qubits, seed=seed, ensemble=number).permutation(count - 1)
    chosen = np.concatenate([[0], order])[: max(2, round(share * count))]
    known = torch.from_numpy(every[chosen]), torch.from_numpy(signs[chosen])
    ensemble = Ensemble(known[0], d, count, known[1], device, dtype, number=number)
    return ensemble, 1 / (2 * (count / d) ** 0.5)


def infidelity(matrices, psi):
    """Return 1 − ⟨ψ|ρ|ψ⟩/tr ρ, at least 10⁻⁹, of the states in real matrices (B, d, d) for ψ (B, d/2),
    shape (B,), float64.
    """
    rho = as_complex(matrices).to(psi.dtype)
    overlap = torch.einsum("bi,bij,bj->b", psi.conj(), rho, psi).real
    error = 1 - overlap / torch.einsum("bii->b", rho).real
    return error.clamp(min=LEAST).cpu().double().numpy()


class Fidelities(Observer):
    """The infidelity of every run where its residual has fallen to a level, its smallest, and its last.

    Memory: ``stopped``, ``at``, ``smallest``, ``end`` (B,); NaN before.
    """

    reads_train_error = True
    stride = LOOK
    per_run = begins(stopped=np.nan, at=np.nan, smallest=np.nan, end=np.nan)

    def __init__(self, psi, levels):
        self.psi, self.levels = psi, levels

    def observe(self, snapshot):
        """Take in the infidelities."""
        memory, runs = self.memory, snapshot.active
        error = infidelity(snapshot.estimate, self.psi[torch.from_numpy(runs)])
        now = np.isnan(memory["stopped"][runs]) & (snapshot.train_error <= self.levels[runs])
        memory["stopped"][runs[now]], memory["at"][runs[now]] = error[now], snapshot.iteration
        memory["smallest"][runs], memory["end"][runs] = np.fmin(memory["smallest"][runs], error), error


def observed(exact, shots, generator):
    """Return expectations as so many shots of each string see them, shape of ``exact``."""
    # A probability of one half is drawn otherwise than one that rounding has put above it.
    probabilities = np.round((1 + exact) / 2, 12)
    return 2 * generator.binomial(shots, np.clip(probabilities, 0, 1)) / shots - 1


def _cases(options, context, number, ensemble, size):
    """Return the names, states ψ, targets and labels of all runs of a method,
    and the residual of the noise, relative.
    """
    found = []
    for kind, target in product(options["state"], range(options["targets"])):
        psi = pure_state(kind, options["qubits"], context.seed, target)
        planted = as_real(torch.from_numpy(np.outer(psi, psi.conj()))).to(ensemble.device, ensemble.dtype)
        exact = (ensemble.measure(planted[None])[0] * size).cpu().double().numpy()
        for labels, shots in product(("shots", "exact"), options["shots"]):
            names = {"kind": kind, "qubits": options["qubits"], "target": target, "shots": shots}
            # One stream per string's place: a larger share sees the same shots first.
            generator = stream("shots", **names, seed=context.seed, ensemble=number)
            seen = observed(exact, shots, generator) if labels == "shots" else exact
            level = math.sqrt(np.sum(1 - seen**2) / shots / np.sum(seen**2))
            names = {"state": kind, "shots": shots, "labels": labels, "target": target}
            found.append((names, psi, planted, seen / size, level))
    names, psi, planted, labels, levels = zip(*found, strict=True)
    place = {"device": ensemble.device, "dtype": ensemble.dtype}
    rows = torch.from_numpy(np.array(labels)).to(**place)
    return names, torch.from_numpy(np.array(psi)).to(ensemble.device), torch.stack(planted), rows, np.array(levels)


def _some(cases, kinds):
    """Return the cases of :func:`_cases` whose labels are of these kinds."""
    names, psi, planted, labels, levels = cases
    index = [number for number, name in enumerate(names) if name["labels"] in kinds]
    return [names[number] for number in index], psi[index], planted[index], labels[index], levels[index]


def _methods(options):
    """Return the algorithm, the options of a run and the iterations of every method that descends."""
    one = {"alpha": options["alpha"], "start": "gaussian", "width": 1}
    last = round(options["time"] / options["step"])
    return {
        "full": (factored, {"alpha": options["alpha"], "start": "identity", "width": None}, options["step"], last),
        "width 1": (factored, one, options["step"], last),
        "momentum": (accelerated, {**one, "momentum": MOMENTUM}, options["step"], last),
        "least trace": (least_trace, {}, TRACE_STEP, TRACE_STEPS),
    }


def measure(options, context, number, share):
    """Return one row per state, share, shots, kind of labels, method, target and ensemble:
    infidelities where it stopped and at the end.

    An ensemble is a random order of the strings after the identity, of which every share takes the first. Factored runs
    take η = ``step`` until η·t = ``time``.
    """
    ensemble, size = strings_of(options["qubits"], share, context.seed, number, context.device, context.dtype)
    cases = _cases(options, context, number, ensemble, size)
    fixed = {"qubits": options["qubits"], "share": share, "ensemble": number, "m": ensemble.m}
    # Strings are orthogonal: the least matrix that fits is their sum.
    names, psi, _, labels, _ = _some(cases, ("shots",))
    inverted = infidelity(ensemble.adjoint(labels), psi)
    nothing = {"stopped_at": math.nan, "status": "converged", "method": "linear inversion"}
    for name, error in zip(names, inverted, strict=True):
        yield {**fixed, **name, **nothing, **dict.fromkeys(("stopped", "end", "smallest"), float(error))}
    for method, (module, own, step, last) in _methods(options).items():
        names, psi, planted, labels, levels = _some(cases, ("shots", "exact") if method in ON_EXACT else ("shots",))
        runs = [{**own, **name, "m": ensemble.m, "step": step, "iterations": last} for name in names]
        seen = Fidelities(psi, levels)
        context.run(ensemble, module.Algorithm, runs, planted, [seen], labels=labels)
        for name, stopped, at, smallest, end in zip(names, *seen.memory.values(), strict=True):
            there = math.isfinite(stopped)
            yield {
                **fixed,
                **name,
                "method": method,
                "stopped": stopped if there else end,
                "end": end,
                "smallest": smallest,
                "stopped_at": at * step if there else math.nan,
                "status": "converged" if there else "budget",
            }
