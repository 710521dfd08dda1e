"""The methods that are compared: descent, plain and preconditioned, by the width of the factor and the damping λ."""

from dataclasses import dataclass

from algoreg.algorithms import factored, preconditioned

# η of plain descent. A damped step is η(1 + λ) long, so that it is the same along the largest eigenvalue, which is 1.
STEP = 0.3


@dataclass(frozen=True)
class Method:
    """A method.

    Attributes
    ----------
    width : str
        Of the factor: ``r``, ``2r`` or ``d``.
    damping : str
        ``plain`` (no preconditioner), ``none``, ``constant`` or ``residual``; see
        :mod:`algoreg.algorithms.preconditioned`.
    of_smallest : float
        λ over the smallest eigenvalue of X*, where it is constant.
    start : str
        ``gaussian``, scaled by α, or ``spectral``, which is not scaled.
    """

    width: str
    damping: str
    of_smallest: float = 0.0
    start: str = "gaussian"

    @property
    def algorithm(self):
        """The class that runs it."""
        return factored.Algorithm if self.damping == "plain" else preconditioned.Algorithm

    def settings(self, d, rank, kappa, alpha):
        """Return the options of a run on a target of this rank and condition number κ of X*,
        whose largest eigenvalue is 1.
        """
        small = self.start == "gaussian"
        damping = self.of_smallest / kappa
        own = {"width": {"r": rank, "2r": min(2 * rank, d), "d": d}[self.width], "start": self.start}
        own |= {"alpha": alpha if small else 1.0, "step": STEP * (1 + damping)}
        if self.damping != "plain":
            own |= {"damping": self.damping, "coefficient": damping if self.damping == "constant" else 1.0}
        return own

    def iterations(self, time, kappa):
        """Return T: η·t = ``time`` over the rate at which the smallest eigenvalue's direction is fitted near X*."""
        if self.damping == "constant":
            slower = (1 + self.of_smallest) / (1 + self.of_smallest / kappa)
        else:
            # Residual damping begins near the size of X*, and ends at 0.
            slower = {"plain": kappa, "residual": 2.0, "none": 1.0}[self.damping]
        return round(time / STEP * slower)


METHODS = {
    "descent": Method("d", "plain"),
    "descent_2r": Method("2r", "plain"),
    "descent_2r_spectral": Method("2r", "plain", start="spectral"),
    "descent_r": Method("r", "plain", start="spectral"),
    "descent_r_small": Method("r", "plain"),
    "damped_10": Method("d", "constant", 10.0),
    "damped_3": Method("d", "constant", 3.0),
    "damped_1": Method("d", "constant", 1.0),
    "damped_1_2r": Method("2r", "constant", 1.0),
    "damped_0.01_2r": Method("2r", "constant", 0.01),
    "residual": Method("d", "residual"),
    "residual_2r": Method("2r", "residual"),
    "residual_2r_spectral": Method("2r", "residual", start="spectral"),
    "undamped_r": Method("r", "none", start="spectral"),
}
