"""A table with gaps, filled inside a pipeline of scikit-learn."""

import numpy as np
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from algoreg.recover import LowRankImputer

X, y = load_wine(return_X_y=True)
X[np.random.default_rng(0).random(X.shape) < 0.3] = np.nan
model = make_pipeline(LowRankImputer(), StandardScaler(), LogisticRegression())
error = 1 - cross_val_score(model, X, y, cv=3).mean()
print(f"a third of the numbers is missing: share of wrong classes {error:.2f}")
