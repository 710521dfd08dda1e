"""What a reader calls the methods of the chapter's tables, and the least squared error that these have."""

# A squared error below this is the solver's.
LEAST = 1e-12

METHODS = {
    "nuclear": "least nuclear norm",
    "depth_2": "two factors",
    "depth_3": "three factors",
}
GRAPHS = {
    ("convex", "path"): "the graph's energy alone",
    ("factors", "path"): "factors and energy",
    ("factors", "none"): "factors alone",
    ("convex", "shuffled"): "energy of a shuffled graph alone",
    ("factors", "shuffled"): "factors and that of a shuffled graph",
}
