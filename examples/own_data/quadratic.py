"""A table whose target is a quadratic function of few directions of its columns."""

import numpy as np

from algoreg.recover import QuadraticRegressor

rng = np.random.default_rng(0)
X = rng.standard_normal((300, 6))
y = X[:, 0] * X[:, 1] - 2 * X[:, 2] + 7 + 0.1 * rng.standard_normal(300)
model = QuadraticRegressor().fit(X[:200], y[:200])
error = np.std(model.predict(X[200:]) - y[200:]) / y.std()
print(f"M[0, 1] = {model.matrix_[0, 1]:.2f} of 0.5, relative error {error:.2f}")
