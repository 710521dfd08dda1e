"""The measurements that are compared: rows svec(A_i) by kind, the fewer the first of the more."""

import torch

from algoreg.ensembles import gaussian, pauli_hermitian, rank_one
from algoreg.numerics.seeds import stream
from algoreg.numerics.svec import svec

# Those that see Hermitian matrices, held as real ones of twice the size.
HERMITIAN = ("pauli_effects", "hermitian")


def wishart_rows(d, m, degrees, seed, number):
    """Return svec of m Wishart matrices (1/√p) Σ_{k ≤ p} xxᵀ, x ~ N(0, I), shape (m, D) [geyer2020].

    Parameters
    ----------
    d, m : int
    degrees : int
        p. The matrices are singular below d.
    seed, number : int
    """
    generator = stream("ensemble", kind="wishart-matrices", d=d, degrees=degrees, seed=seed, ensemble=number)
    rows = []
    for _ in range(m):
        x = torch.from_numpy(generator.standard_normal((degrees, d)))
        rows.append(svec(x.mT @ x) / degrees**0.5)
    return torch.stack(rows)


def _gaussian(d, m, seed, number):
    return torch.cat([torch.from_numpy(block) for block in gaussian.packed_rows(d, m, seed, number)])


def _trace_row(d, m, seed, number):
    rows = _gaussian(d, m, seed, number)
    rows[0] = svec(torch.eye(d, dtype=torch.float64))
    return rows


def _rank_one(d, m, seed, number):
    x = rank_one.Ensemble.draw(d, m, seed, number).vectors
    return svec(x[:, :, None] * x[:, None, :])


def _wishart(d, m, seed, number):
    return wishart_rows(d, m, d + 2, seed, number)


def _pauli_effects(d, m, seed, number):
    """Return the effects of one outcome each of m different Hermitian strings, drawn with a sign, shape (m, D)."""
    strings = pauli_hermitian.Ensemble.draw(d, m, seed, number)
    observables = torch.stack([strings.adjoint(row[None])[0] for row in torch.eye(m, dtype=torch.float64)])
    signs = stream("effects", d=d, seed=seed, ensemble=number).choice([-1.0, 1.0], size=m)
    size = (observables.flatten(1).norm(dim=1) / d**0.5)[:, None, None]
    return svec((torch.eye(d, dtype=torch.float64) + torch.from_numpy(signs)[:, None, None] * observables / size) / 2)


def _hermitian(d, m, seed, number):
    generator = stream("ensemble", kind="gaussian-hermitian", d=d, seed=seed, ensemble=number)
    parts = torch.from_numpy(generator.standard_normal((m, 2, d // 2, d // 2)))
    half = torch.complex(parts[:, 0], parts[:, 1])
    return svec(pauli_hermitian.as_real((half + half.mH) / 2))


_ROWS = {
    "gaussian": _gaussian,
    "trace_row": _trace_row,
    "rank_one": _rank_one,
    "wishart": _wishart,
    "pauli_effects": _pauli_effects,
    "hermitian": _hermitian,
}


def draw(kind, d, m, seed, number, device="cpu", dtype=torch.float64):
    """Return an ensemble of m measurements of a kind, kept as packed rows; see
    :class:`algoreg.ensembles.gaussian.Ensemble`.

    Parameters
    ----------
    kind : str
        One of :data:`algoreg.chapters.positivity.words.NAMES`.
    d, m : int
        d is the size of the real matrices that are measured: twice that of Hermitian ones.
    seed, number : int
    """
    return gaussian.Ensemble(_ROWS[kind](d, m, seed, number).to(device, dtype), d, number=number)
