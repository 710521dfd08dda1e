"""The inequalities of the rank-one proof along gradient descent, each by the δ that its worst step needs."""

import math

import torch

from algoreg.chapters.li2018 import rank_one_error_scale, rank_one_start
from algoreg.chapters.proof.decompositions import rank_one_split
from algoreg.chapters.proof.studies.rip import bracket, gram_matrix, width
from algoreg.numerics.diagnostics import spectral_norm
from algoreg.numerics.isometry import isometry_upper_bound
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.seeds import stream
from algoreg.spec.base import StudyOptions, between, real, whole, wholes


class Options(StudyOptions):
    """What the study can be told."""

    d: int = whole(ge=4)
    practical: list[int] = wholes([], least=0)
    certified: list[int] = wholes(said="a list of whole numbers of at least d(d+1)/2")
    step: float = real(gt=0, le=0.5)
    targets: int = whole(ge=2)

    def wrong(self):
        """Yield what does not fit together."""
        if min(self.certified) < self.d * (self.d + 1) // 2:
            yield between("d", "certified", allowed="certified m of at least d(d+1)/2, where ‖G − I‖ can be below 1")


KEYS = {
    "inequality": (
        "the inequalities",
        "of Prop. 3.2 (`error_square…`, `error_norm`), 3.3 (`signal`), stage 1 or Theorem 3.1 (`final_error`)",
    ),
    "regime": None,
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
# An iterate this large has diverged: a converging one stays below 2.
DIVERGED = 1e3


def start_of(delta, d):
    """Return α and η·T of a run: Theorem 3.1's largest start and its time [LMZ18], with δ at most 1/e in both."""
    delta = min(delta, math.exp(-1))
    alpha = rank_one_start(delta, d)
    return alpha, TIME_FACTOR * math.log(1 / (alpha * delta))


class Worst:
    """The largest value per run of a quantity over the steps at which it counts."""

    def __init__(self):
        self.values = {}

    def add(self, name, value, counts):
        """Take in a value per run (B,), where ``counts`` (B,) says so."""
        value = torch.where(counts, value, -math.inf)
        self.values[name] = torch.maximum(self.values[name], value) if name in self.values else value


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
        ``error_square_printed``: Prop. 3.2's first line with its slack 9η²; ``error_square``: the same with the true η² term;
        ``error_square_proof``: that with 4ηδ and a Frobenius norm, as its proof has it; ``error_norm``: its second line;
        ``signal``: Prop. 3.3 [LMZ18].
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


def descend(ensemble, targets, alphas, step, iterations, watch):
    """Run gradient descent from αI on a batch and hand ``watch`` the iterate, M_tU_t and the next iterate at each step.

    Returns
    -------
    tuple
        The last iterates, and which runs diverged: those stay at 0 from then on.
    """
    iterate = alphas[:, None, None] * torch.eye(ensemble.d, dtype=targets.dtype, device=targets.device)
    labels = ensemble.label(targets)
    lost = torch.zeros(len(targets), dtype=torch.bool, device=targets.device)
    for _ in range(iterations):
        gradient = ensemble.factored_gradient(iterate, labels)
        following = iterate - step * gradient
        lost |= ~(following.abs().amax(dim=(1, 2)) < DIVERGED)
        following[lost], gradient[lost] = 0.0, 0.0
        watch(iterate, gradient, following)
        iterate = following
    return iterate, lost


def measure(options, context):
    """Return a row per inequality, m, target and ensemble: the δ that its worst step needs, over both ends of δ₄'s bracket.

    Starts: ``scaled``, Theorem 3.1's α = δ√(log(1/δ)/d) at the upper end of the width's bracket (cut at 1/e), and ``one``, α = 1. Splits: by the
    ``planted`` direction u*, and by a ``random`` one. Steps count while ‖E_t‖_F ≤ 1/2 and ‖r_t‖² ≤ 3/2 for Prop. 3.2; all steps
    for Prop. 3.3. ``stage_one_error`` is max ‖E_t‖/9 while ‖r_t‖ ≤ 1/2, also a δ; ``stage_one_growth`` has no δ (``needed`` empty): its two
    ratios are 1 + η/3 over the smallest factor by which ‖r_t‖ grows there, at most 1 as stated. ``final_error`` is ‖UUᵀ − X*‖_F at T, its ratios to δ·max(log 1/δ, 1).
    """
    d, step, count = options["d"], options["step"], options["targets"]
    factors = [draw_factor({"kind": "columns"}, d, 1, context.seed, target) for target in range(count)]
    planted = torch.stack([torch.from_numpy(u) for u in factors]).to(context.device, context.dtype)
    other = torch.stack(
        [
            torch.from_numpy(stream("direction", d=d, seed=context.seed, target=target).standard_normal((d, 1)))
            for target in range(count)
        ]
    ).to(planted)
    other /= torch.linalg.vector_norm(other, dim=1, keepdim=True)
    breadth = width(d, ISOMETRY_RANK, context.seed)
    for number in context.ensembles:
        for regime in ("practical", "certified"):
            for m in options[regime]:
                ensemble = gram_matrix(d, m, context.seed, number, context.device, context.dtype)
                low, up = bracket(ensemble, ISOMETRY_RANK, context.seed, breadth)
                alpha, time = start_of(isometry_upper_bound(breadth, m), d)
                iterations = math.ceil(time / step)
                # Runs: all targets from the scaled start, then all from α = 1.
                directions = torch.cat([planted, planted])
                alphas = torch.tensor([alpha] * count + [1.0] * count).to(planted)
                worst = {"planted": Worst(), "random": Worst()}

                def watch(iterate, gradient, following, worst=worst):
                    for split, along in (("planted", planted), ("random", other)):
                        u, mu, u_next = iterate[:count], gradient[:count], following[:count]
                        before, after = rank_one_split(u, along), rank_one_split(u_next, along)
                        needs = step_needs(before, after, mu - along * (along.mT @ mu), step)
                        length = torch.linalg.vector_norm(before[0], dim=1)
                        counts = (torch.linalg.matrix_norm(before[1]) <= 0.5) & (length.square() <= 1.5)
                        for name, value in needs.items():
                            worst[split].add(name, value, torch.ones_like(counts) if name == "signal" else counts)
                        early = length <= 0.5
                        growth = torch.linalg.vector_norm(after[0], dim=1) / length - 1
                        worst[split].add("stage_one_growth", -growth, early)
                        worst[split].add("stage_one_error", spectral_norm(before[1]) / 9, early)

                targets = directions @ directions.mT
                iterate, lost = descend(ensemble, targets, alphas, step, iterations, watch)
                error = torch.linalg.matrix_norm(iterate @ iterate.mT - targets)
                scales = [rank_one_error_scale(delta) for delta in (low, up)]
                for place in range(2 * count):
                    target, start = place % count, "scaled" if place < count else "one"
                    found = [("planted", "final_error", float(error[place]))]
                    if start == "scaled":
                        found += [
                            (split, name, float(value[place]))
                            for split, kept in worst.items()
                            for name, value in kept.values.items()
                        ]
                    for split, name, needed in found:
                        ratios = [max(needed, 0.0) / end for end in (scales if name == "final_error" else (low, up))]
                        if name == "stage_one_growth":
                            needed, ratios = math.nan, [(1 + step / 3) / (1 - needed)] * 2
                        alive = not lost[place] and all(map(math.isfinite, ratios))
                        yield {
                            "inequality": name,
                            "regime": regime,
                            "split": split,
                            "start": start,
                            "m": m,
                            "target": target,
                            "ensemble": number,
                            "m_over_dr": m / d,
                            "alpha": float(alphas[place]),
                            "iterations": iterations,
                            "delta_low": low,
                            "delta_up": up,
                            "needed": max(needed, 0.0) if alive else math.nan,
                            "over_low": ratios[0] if alive else math.nan,
                            "over_up": ratios[1] if alive else math.nan,
                            "status": "diverged" if lost[place] else "budget",
                        }
        context.say(f"ensemble {number}: all m done")
