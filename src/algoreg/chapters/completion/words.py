"""Readable names of the chapter's methods and tables, and the least squared error that tables contain."""

# A squared error below this is due to the solver's tolerance.
LEAST = 1e-12

METHODS = {
    "nuclear": "least nuclear norm",
    "depth_2": "two factors",
    "depth_3": "three factors",
}
DEPTHS = {"depth_1": "one factor", "depth_2": "two factors", "depth_3": "three factors"}
# The tables of runs that are compared with published ones, by how known entries are drawn.
WAYS = {
    "completion_course": "no entry twice",
    "completion_course_repeated": "entries put back",
}
GRAPHS = {
    ("convex", "path"): "the graph's energy alone",
    ("factors", "path"): "factors and energy",
    ("factors", "none"): "factors alone",
    ("convex", "shuffled"): "energy of a shuffled graph alone",
    ("factors", "shuffled"): "factors and that of a shuffled graph",
}
