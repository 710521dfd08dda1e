"""What a reader calls the methods, in the order in which they are drawn."""

TOMOGRAPHY = {
    "full": "full width (knows the shots)",
    "width 1": "width 1 (knows r)",
    "momentum": "momentum, width 1 (knows r)",
    "least trace": "least trace (no prior knowledge)",
    "linear inversion": "linear inversion (no prior knowledge)",
}
MIXED_STATES = {
    ("grown", "infidelity"): "a rank that grows, and white noise",
    ("likelihood", "smallest"): "maximum likelihood, its best iterate",
    ("likelihood", "infidelity"): "maximum likelihood, iterate 1000",
    ("least squares", "infidelity"): "weighted least squares",
}
PHOTOGRAPH = {
    "descent": "descent, full width",
    "least trace": "least nuclear norm",
    "means": "means of rows and columns",
}
REGRESSION = {
    "factored": "factored network",
    "matrix": "the same without factors",
    "ridge": "ridge on all products",
    "linear": "linear ridge",
}
MAGNITUDES = {
    "full": "full width (no prior knowledge)",
    "full, large start": "full width, initialisation 0.1 (no prior knowledge)",
    "width 1": "width 1 (knows r)",
    "width 1, large start": "width 1, initialisation of the picture's size (knows r)",
    "spectral": "spectral initialisation alone (knows r)",
    "least trace": "least trace (no prior knowledge)",
}
