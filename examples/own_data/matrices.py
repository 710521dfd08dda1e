"""A low-rank matrix M from linear measurements, y ≈ ⟨A, M⟩: fewer of them than M has entries."""

import numpy as np

from algoreg.recover import LowRankMatrixRegressor

rng = np.random.default_rng(0)
u = rng.standard_normal(12)
A = rng.standard_normal((60, 12, 12))
y = np.einsum("mij,i,j->m", A, u, u) + 0.1 * rng.standard_normal(60)
model = LowRankMatrixRegressor().fit(A, y)
error = np.linalg.norm(model.matrix_ - np.outer(u, u)) / (u @ u)
print(f"effective rank {model.effective_rank_:.2f}, relative error {error:.2f}")
