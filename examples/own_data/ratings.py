"""Ratings of items by users, both with names: predict those that are missing."""

import numpy as np
import pandas as pd

from algoreg.recover import MatrixCompleter

rng = np.random.default_rng(0)
pairs = [(f"user {i}", f"item {j}") for i in range(40) for j in range(30)]
ratings = pd.DataFrame(pairs, columns=["user", "item"]).assign(
    stars=np.add.outer(rng.normal(3, 1, 40), rng.normal(0, 1, 30)).ravel()
)
known = ratings.sample(frac=0.4, random_state=0)
model = MatrixCompleter().fit(known[["user", "item"]], known["stars"])
missing = ratings.drop(known.index)
error = np.sqrt(np.mean((model.predict(missing[["user", "item"]]) - missing["stars"]) ** 2)) / ratings["stars"].std()
print(f"rank {model.factors_[0].shape[1]} beside biases, relative error {error:.2f}")
