"""What a reader calls the methods, in the order in which they are drawn, and which errors are those of a stop."""

NAMES = {
    "descent": "plain, width d",
    "damped_10": "λ = 10σ_r, width d",
    "damped_3": "λ = 3σ_r, width d",
    "damped_1": "λ = σ_r, width d",
    "residual": "λ = residual, width d",
    "descent_2r": "plain, width 2r",
    "damped_1_2r": "λ = σ_r, width 2r",
    "damped_0.01_2r": "λ = 0.01σ_r, width 2r",
    "residual_2r": "λ = residual, width 2r",
    "descent_2r_spectral": "plain, width 2r, spectral initialisation",
    "residual_2r_spectral": "λ = residual, width 2r, spectral initialisation",
    "descent_r_small": "plain, width r",
    "descent_r": "plain, width r, spectral initialisation",
    "undamped_r": "λ = 0, width r, spectral initialisation",
}
# What a method must know of X* beside the observations.
TOLD = {"r": "r", "2r": "2r", "d": "none"}


def prior_knowledge(method):
    """Return what a :class:`algoreg.chapters.preconditioning.methods.Method` must know of X*, in words."""
    width = TOLD[method.width]
    if method.damping != "constant":
        return width
    return "σ_r" if width == "none" else f"{width}, σ_r"


def stopped(frame):
    """Return the α from which a run left below its tolerance: its smallest error says where it was stopped, no more."""
    return sorted(frame.loc[frame["status"] == "converged", "alpha"].unique())
