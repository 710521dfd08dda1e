"""Signal and error along gradient descent on a rank-r target: angle, error growth,
dominance, rate, worst over the steps.
"""

import math
from itertools import product
from typing import Annotated

import torch
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms.explicit import Algorithm
from algoreg.chapters.li2018 import angle_rate, signal_time
from algoreg.chapters.proof.decompositions import SignalSubspace
from algoreg.chapters.proof.experiments.rip import bracket, gram_matrix
from algoreg.engine.observers import Observer
from algoreg.numerics.diagnostics import spectral_norm
from algoreg.numerics.problems import draw_factors, spectrum_target, stacked
from algoreg.numerics.seeds import stream
from algoreg.settings.base import Different, ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=4)
    rank: PositiveInt
    kappa: Several[Annotated[float, Field(ge=1)]]
    alpha: Several[PositiveFloat]
    starved: Different[PositiveInt] = Field([])
    practical: Different[PositiveInt] = Field([])
    certified: Several[PositiveInt] = Field(description="at least d(d+1)/2 each")
    step: float = Field(gt=0, le=0.5)
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if self.rank >= self.d:
            raise misfit(self, "rank below d", "rank", "d")
        if min(self.certified) < self.d * (self.d + 1) // 2:
            raise misfit(self, "certified m of at least d(d+1)/2, where ‖G − I‖ can be below 1", "d", "certified")
        if max(self.alpha) >= self.d:
            raise misfit(self, "α below d, where Theorem 4.2's log(d/α) is positive", "alpha", "d")
        return self


# The options that list the values of columns.
AXES = {"log_start": "alpha", "m": "certified"}
KEYS = {
    "regime": "the option that m is listed in, such as `practical` or `certified`",
    "split": "S_0 of U_t = Z_t + E_t: `planted`, span(U*), or `random` (at the largest certified m alone)",
    "kappa": None,
    "alpha": None,
    "m": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "m_over_dr": None,
    "log_start": ("log(d/α)", "log(d/α), natural"),
    "delta_low": "lower end of the bracket of δ of rank 4r; the δ of the columns that follow",
    "delta_up": None,
    "angle_constant": (
        "the constant C of sin∠(S_t, U*) ≤ Cηρt",
        "largest sin∠(S_t, U*)/(ηρt) for t ≤ T₁, ρ = √r·δ/(κ log(d/α)): C in Theorem 4.2's sin∠ ≤ Cηρt",
    ),
    "angle_plain": "the same with √r·δ for ρ",
    "sine_over_delta": "largest sin∠(S_t, U*)/(√r·δ)",
    "error_growth": ("the largest ‖E_t‖/‖E_0‖", "largest ‖E_t‖/‖E_0‖"),
    "error_times_d": "d times the largest ‖E_t‖",
    "largest_error": "largest ‖E_t‖, spectral norm",
    "dominance": ("the least σ_min(U*ᵀZ_t)/‖E_t‖", "least σ_min(U*ᵀZ_t)/‖E_t‖"),
    "signal_over_bound": "least σ_min(U*ᵀZ_t)/min{(1 + η/8κ)ᵗ σ_min(U*ᵀZ_0), 1/(2√κ)}",
    "signal_norm": "largest ‖Z_t‖",
    "rate_over_bound": (
        "the squared error's rate of fall over the bound's",
        "log fall a step of ‖UUᵀ − X*‖_F² over −log(1 − η/8κ) (empty if Prop. 4.3's conditions fail)",
    ),
    "rate_over_unit_bound": (
        "the squared error's rate of fall over the bound's at κ = 1",
        "the same over −log(1 − η/8), the bound at κ = 1",
    ),
    "least_rate_over_bound": (
        "the squared error's least fall in a step over the bound's",
        "the least log fall of one step in that time, over −log(1 − η/8κ)",
    ),
    "early_rate_over_bound": (
        "the squared error's least fall in a step before the conditions hold, over the bound's",
        "the least log fall of one step before the conditions first hold, likewise (empty if they hold at once or never)",
    ),
    "floor": "least ‖UUᵀ − X*‖_F from where Prop. 4.3's conditions first hold (empty where they fail)",
    "error_constant": "largest (‖E_{t+1}‖/‖E_t‖ − 1)/(η(√r·δ + sin∠)) while ‖E_t‖ ≤ 1/d (Prop. D.2; empty if never)",
    "late_error_constant": (
        "the same over η(‖UUᵀ − X*‖_F + √r‖E_t‖), where rounding moves it by no more than about 10⁻⁵ (Prop. "
        "D.2's second form)"
    ),
    "angle_step": "largest rise of sin∠ in one step / (η√r·δ)",
    "signal_step": "least relative growth of σ_min(U*ᵀZ_t) a step while below 1/(2√κ), / (η/8κ) (empty if never)",
}
QUANTITIES = ("sine", "error", "error_frobenius", "signal_norm", "signal_least", "across_least", "squared")
# Runs go on for this much longer than Theorem 4.2's T₁, for Proposition 4.3's rate.
HORIZON = 1.5
# Proposition 4.3's rate is read over the first fall of the squared error by this factor.
FALL = 100
# Of Proposition D.2's second constant about this much may be rounding of ‖E_t‖: a unit in the last place of ‖Z_t‖.
ROUNDING = 1e-5


def planted_factors(options, rank, kappa, context):
    """Return the factors of all targets of one condition number, which is 1 at rank 1, shape (T, d, r)."""
    target = spectrum_target(rank, kappa if rank > 1 else 1)
    return draw_factors(target, options["d"], rank, context, options["targets"])


class Split(Observer):
    """The measures of one split U_t = Z_t + E_t along S_t of every run, step by step.

    Memory: ``basis`` (B, d, r), an orthonormal basis of S_t; ``courses`` (T + 1, 7, B), the ``QUANTITIES``, NaN after a
    run's end.

    Parameters
    ----------
    basis : torch.Tensor, shape (B, d, r)
        Columns that span S_0.
    frames : torch.Tensor, shape (B, d, r)
        Orthonormal columns that span U*.
    step : float
    """

    stride = 1

    def __init__(self, basis, frames, step):
        self.basis, self.frames, self.step = basis, frames, step

    def prepare(self, batch):
        """Begin with S_0."""
        shape = (int(batch.budgets.max()) + 1, len(QUANTITIES), len(batch.runs))
        self.memory = {"courses": torch.full(shape, math.nan, dtype=batch.targets.dtype)}
        self.memory["basis"] = SignalSubspace(self.basis).basis

    def observe(self, snapshot):
        """Take the subspace a step on and record the split, of the runs that have not diverged."""
        good = ~snapshot.diverged
        runs = torch.from_numpy(snapshot.active[good])
        if not len(runs):
            return
        rows, index = snapshot.rows(good), runs.to(snapshot.targets.device)
        subspace = SignalSubspace.of(self.memory["basis"][index])
        if snapshot.iteration:
            subspace.advance(snapshot.state["gradient"][rows], self.step)
            self.memory["basis"][index] = subspace.basis
        found = split_quantities(subspace, self.frames[index], snapshot.state["factor"][rows])
        found["squared"] = snapshot.distance[rows].square()
        self.memory["courses"][snapshot.iteration][:, runs] = torch.stack([found[name] for name in QUANTITIES]).cpu()

    def course(self, run, last):
        """Return the quantities of one run over its steps, each a tensor of shape (``last`` + 1,)."""
        return {name: self.memory["courses"][: last + 1, k, run] for k, name in enumerate(QUANTITIES)}


def split_quantities(subspace, frames, factors):
    """Return the measures of a split of iterates (B, d, k), by name, each of shape (B,)."""
    inner, error = subspace.split(factors)
    signal = torch.linalg.svdvals(inner)
    across = torch.linalg.svdvals(frames.mT @ subspace.basis @ inner)
    return {
        "sine": subspace.largest_sine(frames),
        "error": spectral_norm(error),
        "error_frobenius": torch.linalg.matrix_norm(error),
        "signal_norm": signal[:, 0],
        "signal_least": signal[:, -1],
        "across_least": across[:, -1],
    }


def conditions(course, kappa):
    """Return at which steps Proposition 4.3's conditions hold on one run's course, a tensor of bool."""
    return (course["signal_norm"] <= 5) & (course["sine"] <= 1 / 3) & (course["signal_least"] >= 0.5 / kappa**0.5)


def stretch(course, kappa):
    """Return the first step at which Proposition 4.3's conditions hold and that
    of the first fall by ``FALL`` from there.

    None where they do not hold all the way.
    """
    holds = conditions(course, kappa)
    if not holds.any():
        return None
    first = int(holds.int().argmax())
    squared = course["squared"]
    fallen = squared[first:] <= squared[first] / FALL
    last = first + int(fallen.int().argmax())
    return (first, last) if fallen.any() and holds[first : last + 1].all() else None


def least_rates(course, kappa):
    """Return the least log fall of ‖UUᵀ − X*‖_F² in one step of one run's course, over two parts of it.

    Parameters
    ----------
    course : mapping
        Of :meth:`Split.course`.
    kappa : float

    Returns
    -------
    tuple of float
        Over the steps of :func:`stretch`, and over those before Proposition 4.3's conditions first hold; NaN where
        there are none.
    """
    found, holds = stretch(course, kappa), conditions(course, kappa)
    falls = -course["squared"].log().diff()
    first = int(holds.int().argmax()) if holds.any() else 0
    parts = (falls[slice(*found)] if found else falls[:0], falls[:first])
    return tuple(float(part.min()) if len(part) else math.nan for part in parts)


def rate(course, kappa):
    """Return Proposition 4.3's mean rate and floor on one run's course.

    Parameters
    ----------
    course : mapping
        Of :meth:`Split.course`.
    kappa : float

    Returns
    -------
    tuple of float
        The mean log fall of ‖UUᵀ − X*‖_F² a step, from the first step at which the proposition's conditions hold over
        the first fall by ``FALL``, and the least ‖UUᵀ − X*‖_F; NaN, NaN where the conditions do not hold all the way.
    """
    found = stretch(course, kappa)
    if found is None:
        return math.nan, math.nan
    (first, last), squared = found, course["squared"]
    return float(torch.log(squared[first] / squared[last])) / (last - first), float(squared[first:].min().sqrt())


def summary(course, options, kappa, alpha, delta):
    """Return the quantities of Theorem 4.2, Propositions 4.3 and D.2 along a run; δ is its bracket's lower end."""
    d, rank, step = options["d"], options["rank"], options["step"]
    # A start near d leaves less than one step.
    end = max(math.floor(signal_time(kappa, d, alpha, step)), 1)
    first = {name: value[: end + 1] for name, value in course.items()}
    sine, error, across = first["sine"], first["error"], first["across_least"]
    bound = torch.clamp((1 + step / (8 * kappa)) ** torch.arange(1, end + 1) * across[0], max=0.5 / kappa**0.5)
    angle = float((sine[1:] / (step * torch.arange(1, end + 1))).max())
    return {
        "angle_constant": angle / angle_rate(delta, rank, kappa, d, alpha),
        "angle_plain": angle / (rank**0.5 * delta),
        "sine_over_delta": float(sine.max()) / (rank**0.5 * delta),
        "error_growth": float(error.max() / error[0]),
        "error_times_d": float(error.max()) * d,
        "largest_error": float(error.max()),
        "dominance": float((across[1:] / error[1:]).min()),
        "signal_over_bound": float((across[1:] / bound).min()),
        "signal_norm": float(first["signal_norm"].max()),
        **_rates(course, kappa, step),
        **_error_constants(first, d, rank, step, delta),
        "angle_step": float((sine[1:] - sine[:-1]).max()) / (step * rank**0.5 * delta),
        "signal_step": _signal_step(across, kappa, step),
    }


def _rates(course, kappa, step):
    """Return Proposition 4.3's rates over its bounds, and the floor."""
    speed, floor = rate(course, kappa)
    least, early = least_rates(course, kappa)
    bound = -math.log1p(-step / (8 * kappa))
    return {
        "rate_over_bound": speed / bound,
        "rate_over_unit_bound": speed / -math.log1p(-step / 8),
        "least_rate_over_bound": least / bound,
        "early_rate_over_bound": early / bound,
        "floor": floor,
    }


def _error_constants(first, d, rank, step, delta):
    """Return the constants in Proposition D.2's two forms over the steps of ``first`` that count;
    NaN where none does.
    """
    error, sine = first["error"], first["sine"]
    growth = error[1:] / error[:-1] - 1
    counts = error[:-1] <= 1 / d
    drive = step * (delta * rank**0.5 + sine[:-1])
    late = step * (first["squared"][:-1].sqrt() + rank**0.5 * error[:-1])
    # Once UUᵀ is near X*, what ‖E_t‖ still moves by rounding is large against this bound.
    seen = torch.finfo(error.dtype).eps * first["signal_norm"][:-1] <= ROUNDING * late * error[:-1]
    missing, found = growth.new_tensor(-math.inf), {}
    for name, where, by in (("error_constant", counts, drive), ("late_error_constant", counts & seen, late)):
        constant = float(torch.where(where, growth / by, missing).max())
        found[name] = constant if math.isfinite(constant) else math.nan
    return found


def _signal_step(across, kappa, step):
    """Return the least growth of the signal in one step while it is small, over η/8κ; NaN where it never is."""
    growing = across[:-1] < 0.5 / kappa**0.5
    if not growing.any():
        return math.nan
    growth = torch.where(growing, across[1:] / across[:-1] - 1, across.new_tensor(math.inf))
    return float(growth.min()) / (step / (8 * kappa))


def measure(options, context):
    """Return a row per split, κ, α, m, target and ensemble, each value the worst over steps 1 to T₁ = κ log(d/α)/η.

    Splits: ``planted``, S_0 = span(U*), and at the largest certified m also ``random``, a random S_0. The columns
    (``VALUES``) are the constants of [LMZ18, Theorem 4.2, Propositions 4.3 and D.2]; the rates are those of
    :func:`rate` and :func:`least_rates`. A value is empty where a run diverged or has no step that counts.
    """
    for number, regime in product(context.ensembles, ("starved", "practical", "certified")):
        for m in options[regime]:
            name = f"ensemble {number}, {regime}, m = {m}"
            yield from context.part(name, _rows, options, context, number, regime, m)


def random_subspaces(options, runs, context):
    """Return Gaussian matrices that span random subspaces, one for each run's target, shape (B, d, r)."""
    d, rank = options["d"], options["rank"]
    axes = [{"d": d, "rank": rank, "seed": context.seed, "target": run["target"]} for run in runs]
    return stacked((stream("subspace", **axis).standard_normal((d, rank)) for axis in axes), context)


def planned(options, m):
    """Return the runs of an ensemble: all κ, α and targets, each up to ``HORIZON`` times Theorem 4.2's T₁."""
    d, step = options["d"], options["step"]
    return [
        {"kappa": kappa, "alpha": alpha, "target": target, "m": m, "step": step, "start": "identity"}
        | {"iterations": math.ceil(HORIZON * signal_time(kappa, d, alpha, step))}
        for kappa, alpha, target in product(options["kappa"], options["alpha"], range(options["targets"]))
    ]


def _rows(options, context, number, regime, m):
    """Return the rows of one ensemble."""
    d, rank, step = options["d"], options["rank"], options["step"]
    runs = planned(options, m)
    planted = {kappa: planted_factors(options, rank, kappa, context) for kappa in options["kappa"]}
    factors = torch.stack([planted[run["kappa"]][run["target"]] for run in runs])
    frames, targets = torch.linalg.qr(factors)[0], factors @ factors.mT
    ensemble = gram_matrix(d, m, context, number)
    low, up = bracket(ensemble, min(4 * rank, d), context.seed)
    splits = {"planted": Split(factors, frames, step)}
    if m == max(options["certified"]):
        splits["random"] = Split(random_subspaces(options, runs, context), frames, step)
    descent = context.run(ensemble, Algorithm, runs, targets, list(splits.values()))
    rows, shared = [], {"regime": regime, "m": m, "ensemble": number}
    for (name, split), (i, run) in product(splits.items(), enumerate(runs)):
        kappa, alpha, status = run["kappa"], run["alpha"], descent.status[i]
        values = dict.fromkeys(VALUES, math.nan)
        if status != "diverged":
            values |= summary(split.course(i, run["iterations"]), options, kappa, alpha, low)
        values |= {"m_over_dr": m / d / rank, "log_start": math.log(d / alpha), "delta_low": low, "delta_up": up}
        own = {"split": name, "kappa": kappa, "alpha": alpha, "target": run["target"]}
        rows.append(shared | own | values | {"status": status})
    return rows
