"""Readable names of the factorisations in the chapter's tables of thresholds, and the levels at which runs are read."""

LABELS = {"depth_2": "UUᵀ", "depth_2_power": "U², U symmetric", "depth_3": "three factors", "depth_4": "four factors"}
# The error at which thresholds are read.
TOLERANCE = 0.1
# An eigenvalue of X counts as learned at this share of the eigenvalue of X*.
LEARNED = 0.9
