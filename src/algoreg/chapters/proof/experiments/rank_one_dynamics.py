"""The inequalities of the rank-one proof along gradient descent, each by the δ that its worst step needs."""

import math
from itertools import product

import torch
from pydantic import Field, PositiveInt, model_validator

from algoreg.algorithms.explicit import Algorithm
from algoreg.chapters.li2018 import rank_one_error_scale, rank_one_start
from algoreg.chapters.proof.decompositions import rank_one_split
from algoreg.chapters.proof.experiments.rip import bracket, gram_matrix, width
from algoreg.engine.observers import Ends, Observer
from algoreg.numerics.diagnostics import spectral_norm
from algoreg.numerics.isometry import isometry_upper_bound
from algoreg.numerics.problems import draw_factors
from algoreg.numerics.seeds import stream
from algoreg.settings.base import Different, ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=4)
    practical: Different[PositiveInt] = Field([])
    certified: Several[PositiveInt] = Field(description="at least d(d+1)/2 each")
    step: float = Field(gt=0, le=0.5)
    targets: int = Field(ge=2)

    @model_validator(mode="after")
    def _fits_together(self):
        if min(self.certified) < self.d * (self.d + 1) // 2:
            raise misfit(self, "certified m of at least d(d+1)/2, where ‖G − I‖ can be below 1", "d", "certified")
        return self


# The options that list the values of columns.
AXES = {"m": "certified"}
KEYS = {
    "inequality": (
        "the inequalities",
        "of Prop. 3.2 (`error_square…`, `error_norm`), 3.3 (`signal`), stage 1 or Theorem 3.1 (`final_error`)",
    ),
    "regime": "the option that m is listed in, such as `practical` or `certified`",
    "split": "u in U_t = u r_tᵀ + E_t: `planted`, u*, or `random`",
    "start": "`scaled`, Theorem 3.1's α = δ√(log(1/δ)/d), or `one`, α = 1 (`final_error` alone)",
    "m": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "m_over_dr": None,
    "alpha": None,
    "iterations": "length of the run, ⌈2·log(1/(αδ))/η⌉ with α and δ of the `scaled` start",
    "delta_low": "lower end of the bracket of δ of rank 4",
    "delta_up": None,
    "needed": "δ that the worst step needs (empty for `stage_one_growth`); for `final_error` ‖UUᵀ − X*‖_F at T",
    "over_low": (
        "the δ that the worst step needs over δ's lower end",
        "`needed` / δ; `final_error`: / (δ·max(log 1/δ, 1)); `stage_one_growth`: (1 + η/3)/least growth of ‖r_t‖",
    ),
    "over_up": (
        "the δ that the worst step needs over δ's upper end",
        "the same with δ = `delta_up` for δ = `delta_low`",
    ),
}
# Theorem 3.1 speaks of (4, δ)-RIP, and of T = Θ(log(1/(αδ))/η): twice that here, as the constant is not stated.
ISOMETRY_RANK, TIME_FACTOR = 4, 2
INEQUALITIES = (
    "error_square_printed",
    "error_square",
    "error_square_proof",
    "error_norm",
    "signal",
    "stage_one_growth",
    "stage_one_error",
)


def start_of(delta, d):
    """Return α and η·T of a run: Theorem 3.1's largest start and its time [LMZ18], with δ at most 1/e in both."""
    delta = min(delta, math.exp(-1))
    alpha = rank_one_start(delta, d)
    return alpha, TIME_FACTOR * math.log(1 / (alpha * delta))


def step_needs(before, after, moved, step):
    """Return the δ that one step of rank-one splits needs in each inequality, shape (B,) each.

    Parameters
    ----------
    before, after : tuple
        r (B, k) and E (B, d, k) of U_t and of U_{t+1}.
    moved : torch.Tensor, shape (B, d, k)
        (I − uuᵀ)M_tU_t, so that E_{t+1} = E_t − η·moved.
    step : float

    Returns
    -------
    dict of str to torch.Tensor
        ``error_square_printed``: Prop. 3.2's first line with its slack 9η²; ``error_square``: the same with the true η²
        term; ``error_square_proof``: that with 4ηδ and a Frobenius norm, as its proof has it; ``error_norm``: its
        second line; ``signal``: Prop. 3.3 [LMZ18].
    """
    (r, e), (r_next, e_next) = before, after
    size, length, length_next = spectral_norm(e), torch.linalg.vector_norm(r, dim=1), spectral_norm(e_next)
    # E Uᵀ with U = u rᵀ + E: (E r)uᵀ + EEᵀ, whose two parts have orthogonal rows.
    cross = torch.cat([e @ e.mT, e @ r[:, :, None]], dim=2)
    drift = -2 * (e * moved).sum(dim=(1, 2))
    square = moved.square().sum(dim=(1, 2))
    spectral, frobenius = spectral_norm(cross), torch.linalg.matrix_norm(cross)
    gain = r_next - (1 + step * (1 - length.square()))[:, None] * r
    return {
        "error_square_printed": (drift + step * square - 9 * step) / (2 * spectral),
        "error_square": drift / (2 * spectral),
        "error_square_proof": drift / (4 * frobenius),
        "error_norm": (length_next - size) / (2 * step * (size + length)),
        "signal": (torch.linalg.vector_norm(gain, dim=1) - step * size.square() * length)
        / (2 * step * (size + length)),
    }


class Needs(Observer):
    """The δ that the worst step of every run needs in each inequality, by two splits;
    sees the first runs of a batch alone.

    Memory: of every split, shape (inequalities, n), the largest over the steps that count.

    Parameters
    ----------
    directions : dict of str to torch.Tensor, shape (n, d, 1)
        The unit vectors by which the first n runs are split.
    step : float
    """

    sees_steps = True
    stride = 1

    def __init__(self, directions, step):
        self.directions, self.step = directions, step

    def prepare(self, batch):
        """Begin with no step that counts."""
        none = torch.full((len(INEQUALITIES), len(self.directions["planted"])), -math.inf).to(batch.targets)
        self.memory = {split: none.clone() for split in self.directions}

    def observe(self, snapshot):
        """Take in the step that led here, of the runs that have not diverged."""
        here = (snapshot.active < len(self.directions["planted"])) & ~snapshot.diverged
        if snapshot.before is None or not here.any():
            return
        rows, runs = snapshot.rows(here), torch.from_numpy(snapshot.active[here]).to(snapshot.targets.device)
        u, mu, u_next = snapshot.before["factor"][rows], snapshot.state["pull"][rows], snapshot.state["factor"][rows]
        for split, directions in self.directions.items():
            found, worst = self._step(u, mu, u_next, directions[runs]), self.memory[split]
            values, counts = (torch.stack([found[name][k] for name in INEQUALITIES]) for k in (0, 1))
            worst[:, runs] = torch.maximum(worst[:, runs], torch.where(counts, values, -math.inf))

    def _step(self, u, mu, u_next, along):
        """Return what a step needs and where it counts, by inequality."""
        before, after = rank_one_split(u, along), rank_one_split(u_next, along)
        needs = step_needs(before, after, mu - along * (along.mT @ mu), self.step)
        length = torch.linalg.vector_norm(before[0], dim=1)
        counts = (torch.linalg.matrix_norm(before[1]) <= 0.5) & (length.square() <= 1.5)
        found = {name: (value, counts) for name, value in needs.items()}
        found["signal"] = (needs["signal"], torch.ones_like(counts))
        early, growth = length <= 0.5, torch.linalg.vector_norm(after[0], dim=1) / length - 1
        return found | {
            "stage_one_growth": (-growth, early),
            "stage_one_error": (spectral_norm(before[1]) / 9, early),
        }


def measure(options, context):
    """Return a row per inequality, m, target and ensemble: the δ that its worst step needs,
    over both ends of δ₄'s bracket.

    The ``scaled`` start has its δ from the upper end of the width's bracket, cut at 1/e. Splits are by the direction u*
    and by a random one. Steps count while ‖E_t‖_F ≤ 1/2 and ‖r_t‖² ≤ 3/2 for Prop. 3.2; all steps for Prop. 3.3.
    ``stage_one_error`` is max ‖E_t‖/9 while ‖r_t‖ ≤ 1/2, also a δ; ``stage_one_growth`` has none: its ratios are at
    most 1 as stated.
    """
    for number, regime in product(context.ensembles, ("practical", "certified")):
        for m in options[regime]:
            name = f"ensemble {number}, {regime}, m = {m}"
            yield from context.part(name, _rows, options, context, number, regime, m)


def random_directions(d, seed, like):
    """Return unit vectors in random directions, one for each of ``like``, shape (T, d, 1)."""
    axes = [{"d": d, "seed": seed, "target": target} for target in range(len(like))]
    drawn = [torch.from_numpy(stream("direction", **axis).standard_normal((d, 1))) for axis in axes]
    other = torch.stack(drawn).to(like)
    return other / torch.linalg.vector_norm(other, dim=1, keepdim=True)


def _rows(options, context, number, regime, m):
    """Return the rows of one ensemble: all targets from the scaled start, then all from α = 1."""
    d, step, count = options["d"], options["step"], options["targets"]
    planted = draw_factors({"kind": "columns"}, d, 1, context, count)
    ensemble = gram_matrix(d, m, context, number)
    low, up = bracket(ensemble, ISOMETRY_RANK, context.seed)
    alpha, time = start_of(isometry_upper_bound(width(d, ISOMETRY_RANK, context.seed), m), d)
    # In single precision, as starts have been all along.
    alpha = float(torch.tensor(alpha, dtype=torch.float32))
    timed = {"start": "identity", "step": step, "m": m, "iterations": math.ceil(time / step)}
    runs = [{**timed, "alpha": scale, "target": target} for scale in (alpha, 1.0) for target in range(count)]
    directions = torch.cat([planted, planted])
    targets = directions @ directions.mT
    seen, ends = Needs({"planted": planted, "random": random_directions(d, context.seed, planted)}, step), Ends()
    descent = context.run(ensemble, Algorithm, runs, targets, [seen, ends])
    errors = torch.linalg.matrix_norm(ends.memory["estimates"] - targets).tolist()
    shared = {"regime": regime, "m": m, "ensemble": number, "m_over_dr": m / d, "iterations": timed["iterations"]}
    shared |= {"delta_low": low, "delta_up": up}
    rows = []
    for place, (run, status) in enumerate(zip(runs, descent.status, strict=True)):
        own = {"start": "scaled" if place < count else "one", "target": run["target"], "alpha": run["alpha"]}
        measured = [("planted", "final_error", errors[place])]
        if place < count:
            measured += [
                (split, name, float(values[k, place]))
                for split, values in seen.memory.items()
                for k, name in enumerate(INEQUALITIES)
            ]
        for split, name, needed in measured:
            names = {"inequality": name, "split": split, "status": status}
            rows.append(shared | own | names | _ratios(name, needed, (low, up), step, status == "diverged"))
    return rows


def _ratios(name, needed, deltas, step, lost):
    """Return the δ that was needed and its ratios to both ends of the bracket;
    NaN where a run diverged or a ratio is not finite.
    """
    if name == "stage_one_growth":
        needed, ratios = math.nan, [(1 + step / 3) / (1 - needed)] * 2
    else:
        ends = [rank_one_error_scale(delta) for delta in deltas] if name == "final_error" else deltas
        ratios = [max(needed, 0.0) / end for end in ends]
    if lost or not all(map(math.isfinite, ratios)):
        return dict.fromkeys(("needed", "over_low", "over_up"), math.nan)
    return {"needed": max(needed, 0.0), "over_low": ratios[0], "over_up": ratios[1]}
