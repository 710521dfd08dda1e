"""Lemmas 2.2 and 2.3 at their worst X, Y and R, against δ of the rank that they need and of the rank that is printed."""

import torch

from algoreg.chapters.proof.studies.rip import bracket, gram_matrix, width
from algoreg.numerics import isometry
from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import svec

OPTIONS = {
    "d": "whole >= 2",
    "rank": "wholes >= 1",
    "practical": {"kind": "wholes >= 1", "minItems": 0, "default": []},
    "certified": {"kind": "wholes >= 1", "description": "a list of whole numbers of at least d(d+1)/2"},
    "trace_weight": {
        "kind": "number > 0",
        "exclusiveMaximum": 1,
        "default": 0.5,
        "description": "a number between 0 and 1",
    },
    "starts": {"kind": "whole >= 1", "default": 8},
    "rounds": {"kind": "whole >= 1", "default": 40},
}
CHECKS = (
    ("2 * max(rank) <= d", "ranks at most d/2"),
    ("d * (d + 1) // 2 <= min(certified)", "certified m of at least d(d+1)/2, where ‖G − I‖ can be below 1"),
)
KEYS = ("lemma", "regime", "trace_weight", "rank", "m", "ensemble")
VALUES = (
    "m_over_dr", "needed", "delta_low", "delta_up", "printed_low", "printed_up", "over_low", "over_up",
    "over_printed_low", "over_printed_up",
)  # fmt: skip


def with_trace(ensemble, weight):
    """Return G + c(svec(I)svec(I)ᵀ − I) in place of G: xᵀGx of rank-one matrices, whose squared trace is |X|_F², stays the same.

    At G = I this is (1 − c)I + c·svec(I)svec(I)ᵀ, with δ₁ = 0 and ⟨aaᵀ, G bbᵀ⟩ = c for orthonormal a and b.
    """
    one = svec(torch.eye(ensemble.d, device=ensemble.device, dtype=ensemble.dtype)[None])[0]
    changed = ensemble.gram + weight * torch.outer(one, one)
    changed.diagonal().sub_(weight)
    return type(ensemble)(changed, ensemble.d, ensemble.m, number=ensemble.number)


def measure(options, context):
    """Return a row per lemma, m, rank and ensemble, for G and for G with a trace term (``trace_weight`` c > 0).

    ``needed`` is the attacked deviation of the lemma, so a lower bound on the δ that it needs; ``delta_*`` is the bracket of δ of
    rank 2r (``inner_products``, Lemma 2.2) or r + 1 (``operator``, Lemma 2.3), ``printed_*`` that of rank r. For c > 0 the upper ends are raised by the
    trace term's largest deviation, c·max(rank − 1, 1) from rank two on.
    """
    d = options["d"]
    widths = {}

    def ends(ensemble, rank, weight):
        if rank not in widths:
            widths[rank] = width(d, rank, context.seed)
        low, up = bracket(ensemble, rank, context.seed, widths[rank], options["starts"], options["rounds"])
        return low, up + (weight * max(rank - 1, 1) if rank > 1 else 0.0)

    for number in context.ensembles:
        for regime in ("practical", "certified"):
            for m in options[regime]:
                plain = gram_matrix(d, m, context.seed, number, context.device, context.dtype)
                for weight in (0.0, options["trace_weight"]):
                    ensemble = with_trace(plain, weight) if weight else plain
                    deltas = {}
                    for rank in options["rank"]:
                        for lemma, other, wanted in (("inner_products", rank, 2 * rank), ("operator", 1, rank + 1)):
                            for order in (rank, wanted):
                                if order not in deltas:
                                    deltas[order] = ends(ensemble, order, weight)
                            generator = stream("lemma", lemma=lemma, rank=rank, m=m, seed=context.seed, ensemble=number)
                            needed = isometry.bilinear_attack(
                                ensemble.gram, d, (rank, other), options["starts"], options["rounds"], generator
                            )
                            (printed_low, printed_up), (low, up) = deltas[rank], deltas[wanted]
                            yield {
                                "lemma": lemma,
                                "regime": regime,
                                "trace_weight": weight,
                                "rank": rank,
                                "m": m,
                                "ensemble": number,
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
        context.say(f"ensemble {number}: all m done")
