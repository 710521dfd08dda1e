"""What a reader calls the methods, in the order in which they are drawn."""

TOMOGRAPHY = {
    "full": "full width (told: shots)",
    "width 1": "width 1 (told: r)",
    "momentum": "momentum, width 1 (told: r)",
    "least trace": "least trace (told: nothing)",
    "linear inversion": "linear inversion (told: nothing)",
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
    "full": "full width (told: nothing)",
    "full, large start": "full width, start of 0.1 (told: nothing)",
    "width 1": "width 1 (told: r)",
    "width 1, large start": "width 1, start of the picture's size (told: r)",
    "spectral": "spectral start alone (told: r)",
    "least trace": "least trace (told: nothing)",
}
