"""What a reader calls the methods of the chapter's tables."""

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
