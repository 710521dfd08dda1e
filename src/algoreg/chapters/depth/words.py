"""What a reader calls the factorisations of the chapter's tables of thresholds,
and the levels at which runs are read.
"""

LABELS = {"depth_2": "UUᵀ", "depth_2_power": "U², U symmetric", "depth_3": "three factors", "depth_4": "four factors"}
# Of the error, where thresholds are read.
TOLERANCE = 0.1
# An eigenvalue is learned at this share of X*'s.
LEARNED = 0.9
