"""What a reader calls the methods of the race, in the order in which they are drawn, and what was chosen for them."""

NAMES = {
    "descent_1e-3": "descent, full width, α = 10⁻³",
    "descent_1e-8": "descent, full width, α = 10⁻⁸",
    "momentum_full": "momentum, full width",
    "residual_damping": "preconditioned, damped by the residual",
    "deep_3": "product of three factors",
    "projected": "projected descent",
    "least_trace": "least trace (after decomposing AAᵀ)",
    "descent_2r": "descent, width 2r, α = 10⁻⁸",
    "constant_damping": "preconditioned, damped by σ_r",
    "descent_r": "descent, width r, spectral start",
    "momentum_r": "momentum, width r, spectral start",
    "scaled_r": "preconditioned, width r, spectral start",
    "thresholding": "hard thresholding",
    "thresholding_adaptive": "hard thresholding, adaptive step",
    "thresholding_momentum": "hard thresholding with momentum",
    "frank_wolfe": "Frank–Wolfe, open loop",
    "frank_wolfe_r": "Frank–Wolfe of rank r",
}
TOLD = {
    "nothing": "nothing",
    "rank": "r",
    "rank bound": "2r",
    "sigma_r": "σ_r",
    "trace": "the trace",
    "rank and trace": "r, the trace",
}

# The tables of thresholds.
SAMPLES = {
    "race_samples_r": "descent, width r",
    "race_samples_momentum_r": "momentum, width r",
    "race_samples_scaled_r": "preconditioned, width r",
    "race_samples_2r": "descent, width 2r",
    "race_samples_full": "descent, full width",
    "race_samples_momentum": "momentum, full width",
    "race_samples_damped": "preconditioned, full width",
    "race_samples_least_trace": "least trace",
    "race_samples_large": "descent from α = 0.1",
    "race_samples_projected": "accelerated projected descent",
}


def span(numbers):
    """Return the least and the largest of some numbers, in words."""
    low, high = min(numbers), max(numbers)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
