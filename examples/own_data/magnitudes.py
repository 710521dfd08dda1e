"""Magnitudes, y ≈ (xᵀu)²: a vector u, up to its sign, from rank-one measurements (phase retrieval)."""

import numpy as np

from algoreg.recover import LowRankMatrixRegressor

rng = np.random.default_rng(0)
u, x = rng.standard_normal(8), rng.standard_normal((60, 8))
y = (x @ u) ** 2 + 0.1 * rng.standard_normal(60)
model = LowRankMatrixRegressor(vectors=True, max_iter=20_000).fit(x, y)
found = model.factors_[0][:, 0]
error = min(np.linalg.norm(found - u), np.linalg.norm(found + u)) / np.linalg.norm(u)
print(f"effective rank {model.effective_rank_:.2f}, relative error {error:.2f}")
