"""What a reader calls the methods, in the order in which they are drawn."""

TOMOGRAPHY = {
    "full": "full width (told: nothing)",
    "width 1": "width 1 (told: r)",
    "momentum": "momentum, width 1 (told: r)",
    "least trace": "least trace (told: nothing)",
    "linear inversion": "linear inversion (told: nothing)",
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
