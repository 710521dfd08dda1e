"""What theory predicts, as functions named after it."""


def symmetric_dimension(d):
    """Return D(d) = d(d+1)/2, the dimension of the symmetric d×d matrices."""
    return d * (d + 1) // 2


def psd_statistical_dimension(d, rank):
    """Return how many Gaussian measurements identify a rank-r PSD matrix through positivity alone: D(d) − D(d−r)/2.

    This is the statistical dimension of the cone of directions that keep X* + tH positive semidefinite,
    {H : P⊥HP⊥ ⪰ 0} with P⊥ the projection on the kernel of X*: of the D(d) = d(d+1)/2 dimensions all are free but
    those of the kernel's block, a self-dual cone, which counts half. X* is the only PSD matrix that fits m generic
    measurements with high probability once m is above it, and is not below it (Amelunxen, Lotz, McCoy & Tropp, 2014).

    Parameters
    ----------
    d, rank : int
        0 ≤ rank ≤ d.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the rank is outside that range.
    """
    if not 0 <= rank <= d:
        raise ValueError(f"rank = {rank}: allowed is 0 to d = {d}")
    return symmetric_dimension(d) - symmetric_dimension(d - rank) / 2


def first_errors_of_the_identity(d, rank):
    """Return the relative training error of X = I under Gaussian and under rank-one measurements xxᵀ, x ~ N(0, I).

    For X* with r eigenvalues 1, at large m. Δ = I − X* has ‖Δ‖_F² = tr Δ = d − r. Gaussian measurements see ‖Δ‖_F² in
    the mean square, so their training error is the test error; rank-one ones see 2‖Δ‖_F² + (tr Δ)².

    Parameters
    ----------
    d, rank : int

    Returns
    -------
    tuple of float
    """
    rest = d - rank
    return (rest / rank) ** 0.5, ((2 * rest + rest**2) / (2 * rank + rank**2)) ** 0.5
