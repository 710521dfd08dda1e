"""What a reader calls the factorisations of the chapter's tables of thresholds, and the error at which these are read."""

LABELS = {"depth_2": "UUᵀ", "depth_2_power": "U², U symmetric", "depth_3": "three factors", "depth_4": "four factors"}
TOLERANCE = 0.1
