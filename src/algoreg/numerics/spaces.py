"""The spaces of matrices that are sensed, and how their elements are packed into vectors."""

from dataclasses import dataclass

import torch

from algoreg.numerics.svec import packed_length, smat, svec

KINDS = ("psd", "symmetric", "rectangular")


@dataclass(frozen=True)
class Space:
    """Matrices of one shape: ``psd`` (symmetric and positive semidefinite), ``symmetric`` or ``rectangular``.

    Attributes
    ----------
    kind : str
    rows, columns : int
        The matrices' shape, d1 × d2.

    Raises
    ------
    ValueError
        If the kind is none of the three, or a symmetric matrix is not square.
    """

    kind: str
    rows: int
    columns: int

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"space = {self.kind}: allowed are {', '.join(KINDS)}")
        if self.kind != "rectangular" and self.rows != self.columns:
            raise ValueError(f"{self.kind} matrices are square, not {self.rows} × {self.columns}")

    @property
    def length(self) -> int:
        """How many numbers a packed matrix has: d1·d2, or d(d+1)/2 where they are symmetric."""
        return self.rows * self.columns if self.kind == "rectangular" else packed_length(self.rows)

    def pack(self, matrices: torch.Tensor) -> torch.Tensor:
        """Return the vectors, shape (..., length), whose inner products are those of the matrices (..., d1, d2)."""
        return matrices.flatten(-2) if self.kind == "rectangular" else svec(matrices)

    def unpack(self, vectors: torch.Tensor) -> torch.Tensor:
        """Return the matrices of packed vectors; undoes :meth:`pack`."""
        if self.kind == "rectangular":
            return vectors.unflatten(-1, (self.rows, self.columns))
        return smat(vectors, self.rows)
