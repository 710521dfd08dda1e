"""Lemmas 2.2 and 2.3 at their worst X, Y and R, against δ of the rank that they need
and of the rank that is printed.
"""

import torch
from pydantic import Field, PositiveInt, model_validator

from algoreg.chapters.proof.experiments.rip import bracket, gram_matrix
from algoreg.numerics import isometry
from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import svec
from algoreg.settings.base import Different, ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: Several[PositiveInt]
    practical: Different[PositiveInt] = Field([])
    certified: Several[PositiveInt] = Field(description="at least d(d+1)/2 each")
    trace_weight: float = Field(0.5, gt=0, lt=1)
    starts: PositiveInt = 8
    rounds: PositiveInt = 40

    @model_validator(mode="after")
    def _fits_together(self):
        if 2 * max(self.rank) > self.d:
            raise misfit(self, "ranks at most d/2", "rank", "d")
        if min(self.certified) < self.d * (self.d + 1) // 2:
            raise misfit(self, "certified m of at least d(d+1)/2, where ‖G − I‖ can be below 1", "d", "certified")
        return self


KEYS = {
    "lemma": "`inner_products` (Lemma 2.2) or `operator` (Lemma 2.3)",
    "regime": "the option that m is listed in, such as `practical` or `certified`",
    "trace_weight": "weight c of the trace term c(svec(I)svec(I)ᵀ − I) that is added to G; 0 for G itself",
    "rank": "rank r of the lemma's X",
    "m": None,
    "ensemble": None,
}
VALUES = {
    "m_over_dr": None,
    "needed": "largest |⟨X, (G − I)Y⟩| found, X, Y of norm 1, ranks r and r (Lemma 2.2) or r and 1 (2.3)",
    "delta_low": "attack's lower bound on δ of the rank needed: 2r (Lemma 2.2) or r + 1 (Lemma 2.3)",
    "delta_up": "upper bound on it by the Gaussian width, raised by c times that rank less one",
    "printed_low": "attack's lower bound on δ of the rank printed, r",
    "printed_up": "upper bound on it by the Gaussian width, raised by c(r − 1)",
    "over_low": ("the δ that the lemma needs over δ's lower end", "`needed` / `delta_low`"),
    "over_up": ("the δ that the lemma needs over δ's upper end", "`needed` / `delta_up`"),
    "over_printed_low": ("the δ that the printed lemma needs over δ's lower end", "`needed` / `printed_low`"),
    "over_printed_up": ("the δ that the printed lemma needs over δ's upper end", "`needed` / `printed_up`"),
}


def with_trace(ensemble, weight):
    """Return G + c(svec(I)svec(I)ᵀ − I) in place of G: xᵀGx of rank-one matrices,
    whose squared trace is |X|_F², stays the same.

    At G = I this is (1 − c)I + c·svec(I)svec(I)ᵀ, with δ₁ = 0 and ⟨aaᵀ, G bbᵀ⟩ = c for orthonormal a and b.
    """
    one = svec(torch.eye(ensemble.d, device=ensemble.device, dtype=ensemble.dtype)[None])[0]
    changed = ensemble.gram + weight * torch.outer(one, one)
    changed.diagonal().sub_(weight)
    return type(ensemble)(changed, ensemble.d, ensemble.m, number=ensemble.number)


def needed_by(rank):
    """Return the lemmas about an X of rank r, by name: the rank of their Y, and the rank of which they need δ."""
    return {"inner_products": (rank, 2 * rank), "operator": (1, rank + 1)}


def measure(options, context, number):
    """Return a row per lemma, m, rank and ensemble, for G and for G with a trace term (``trace_weight`` c > 0).

    ``needed`` is the attacked deviation of the lemma, so a lower bound on the δ that it needs; ``delta_*`` is the
    bracket of δ of rank 2r (``inner_products``, Lemma 2.2) or r + 1 (``operator``, Lemma 2.3), ``printed_*`` that of
    rank r. For c > 0 the upper ends are raised by the trace term's largest deviation, c·max(rank − 1, 1) from rank two
    on.
    """
    d, ranks = options["d"], set(options["rank"])
    ranks |= {of_delta for rank in options["rank"] for _, of_delta in needed_by(rank).values()}
    for m, regime in [(m, name) for name in ("practical", "certified") for m in options[name]]:
        plain = gram_matrix(d, m, context, number)
        for weight in (0.0, options["trace_weight"]):
            ensemble = with_trace(plain, weight) if weight else plain
            yield from _rows(ensemble, regime, weight, sorted(ranks), options, context.seed)


def _rows(ensemble, regime, weight, ranks, options, seed):
    """Yield the rows of one G: of every rank and lemma."""
    d, m, attack = ensemble.d, ensemble.m, (options["starts"], options["rounds"])
    deltas = {}
    for rank in ranks:
        low, up = bracket(ensemble, rank, seed, *attack)
        deltas[rank] = low, up + (weight * max(rank - 1, 1) if rank > 1 else 0.0)
    for rank in options["rank"]:
        printed_low, printed_up = deltas[rank]
        for lemma, (rank_of_y, of_delta) in needed_by(rank).items():
            low, up = deltas[of_delta]
            generator = stream("lemma", lemma=lemma, rank=rank, m=m, seed=seed, ensemble=ensemble.number)
            needed = isometry.bilinear_attack(ensemble.gram, d, (rank, rank_of_y), *attack, generator)
            yield {
                "lemma": lemma,
                "regime": regime,
                "trace_weight": weight,
                "rank": rank,
                "m": m,
                "ensemble": ensemble.number,
                "m_over_dr": m / d / rank,
                "needed": needed,
                "delta_low": low,
                "delta_up": up,
                "printed_low": printed_low,
                "printed_up": printed_up,
                "over_low": needed / low,
                "over_up": needed / up,
                "over_printed_low": needed / printed_low,
                "over_printed_up": needed / printed_up,
                "status": "budget",
            }
