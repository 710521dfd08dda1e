"""What a reader calls the methods of the race, in the order in which they are drawn, what was chosen for them, and how
their mean errors are written.
"""

from algoreg.claims.cells import chosen
from algoreg.reporting.report import geometric

NAMES = {
    "descent_1e-3": "descent, full width, α = 10⁻³",
    "descent_1e-8": "descent, full width, α = 10⁻⁸",
    "momentum_full": "momentum, full width",
    "residual_damping": "preconditioned, damped by the residual",
    "deep_3": "product of three factors",
    "projected": "projected descent",
    "accelerated_projected": "accelerated projected descent",
    "search": "thresholding with a rank search",
    "penalised_trace": "least trace, penalised, λ falling by 0.7",
    "penalised_slowly": "least trace, penalised, λ falling by 0.97",
    "least_trace": "least trace (after decomposing AAᵀ)",
    "descent_2r": "descent, width 2r, α = 10⁻⁸",
    "thresholding_2r": "hard thresholding, keeping 2r",
    "constant_damping": "preconditioned, damped by σ_r/100",
    "descent_r": "descent, width r, spectral initialisation",
    "momentum_r": "momentum, width r, spectral initialisation",
    "scaled_r": "preconditioned, width r, spectral initialisation",
    "thresholding": "hard thresholding",
    "thresholding_adaptive": "hard thresholding, adaptive step",
    "thresholding_momentum": "hard thresholding with momentum",
    "frank_wolfe": "Frank–Wolfe, open loop",
    "frank_wolfe_d": "Frank–Wolfe keeping all d",
    "trace_projected": "projected at the known trace, momentum",
    "frank_wolfe_r": "Frank–Wolfe of rank r",
}
# The same, as a curve's label has room for them.
SHORT = {
    "descent_1e-8": "descent, full width",
    "residual_damping": "preconditioned, full",
    "search": "rank search",
    "penalised_trace": "penalised trace",
    "least_trace": "least trace (AAᵀ)",
    "thresholding_2r": "thresholding, 2r",
    "momentum_r": "momentum, r",
    "scaled_r": "preconditioned, r",
    "thresholding_momentum": "thresholding, r",
    "frank_wolfe_d": "Frank–Wolfe, trace",
    "trace_projected": "projected, trace",
}
# Descents of more parameters than X* has: the factor's width is d, or it is a product of three.
OVERPARAMETRISED = ["descent_1e-3", "descent_1e-8", "momentum_full", "residual_damping", "deep_3"]
TOLD = {
    "nothing": "none",
    "rank": "r",
    "rank bound": "2r",
    "sigma_r": "σ_r",
    "trace": "the trace",
    "rank and trace": "r, the trace",
}

# The tables of thresholds.
SAMPLES = {
    "race_samples_thresholding": "hard thresholding with momentum",
    "race_samples_search": "thresholding with a rank search",
    "race_samples_r": "descent, width r",
    "race_samples_momentum_r": "momentum, width r",
    "race_samples_scaled_r": "preconditioned, width r",
    "race_samples_2r": "descent, width 2r",
    "race_samples_full": "descent, full width, α = 10⁻⁶",
    "race_samples_small": "descent, full width, α = 10⁻¹²",
    "race_samples_momentum": "momentum, full width",
    "race_samples_damped": "preconditioned, full width",
    "race_samples_least_trace": "least trace",
    "race_samples_large": "descent from α = 0.1",
    "race_samples_projected": "accelerated projected descent",
}
# The errors at which m* is read, as text.
ERRORS = {0.1: "0.1", 0.01: "0.01", 0.001: "0.001", 1e-6: "10⁻⁶"}
# The tables with these methods' m* to the last of these errors: the runs of the tables above end at 10⁻⁴.
EXACT_ERROR = 1e-6
EXACT = {
    "race_samples_thresholding": ("race_exact_samples_thresholding", {}),
    "race_samples_search": ("race_exact_samples_search", {}),
    "race_samples_momentum_r": ("race_exact_samples_momentum_r", {}),
    "race_samples_full": ("race_exact_samples_descent", {"alpha": 1e-6}),
    "race_samples_small": ("race_exact_samples_descent", {"alpha": 1e-12}),
    "race_samples_least_trace": ("race_exact_samples_least_trace", {}),
}
EXACT_TABLES = tuple(dict.fromkeys(table for table, _ in EXACT.values()))


def sampled(tables, name, error):
    """Return the rows from which a method's m* to an error is read; None where they are not measured.

    Parameters
    ----------
    tables : mapping of str to pandas.DataFrame
    name : str
        One of ``SAMPLES``.
    error : float
    """
    table, where = EXACT.get(name, (None, {})) if error == EXACT_ERROR else (name, {})
    return chosen(tables[table], where) if table in tables else None


def span(numbers):
    """Return the least and the largest of some numbers, in words."""
    low, high = min(numbers), max(numbers)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def mean_error(runs, column):
    """Return the geometric mean of an error, or how many runs diverged before they had one: no mean is of survivors."""
    lost = (runs["status"] == "diverged") & runs[column].isna()
    return f"diverged ({lost.sum()}/{len(runs)})" if lost.any() else geometric(runs[column])
