"""Planted problems: targets X* = U*U*ᵀ, their labels under an ensemble, and the ensemble's digest."""

import numpy as np
import torch

from algoreg import plugins
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import geometric_spectrum


def draw_gaussian(target, d, rank, seed, number):
    """Draw the iid N(0, 1) matrix (d, rank) behind a target's factor; it has the same bits on every processor."""
    generator = stream("target", kind=target["kind"], d=d, rank=rank, seed=seed, target=number)
    return generator.standard_normal((d, rank))


def haar_basis(gaussian):
    """Return the Haar-distributed orthonormal basis that an iid N(0, 1) matrix gives, of the same shape."""
    basis, upper = np.linalg.qr(gaussian)
    # Without these signs the distribution would depend on LAPACK's sign convention and not be Haar.
    return basis * np.sign(np.diag(upper))


def draw_factor(target, d, rank, seed, number):
    """Draw the factor U* of target ``number``, shape (d, rank), float64.

    Its last bits depend on the processor's LAPACK.

    Parameters
    ----------
    target : mapping
        ``{"kind": "columns"}``: iid N(0, 1) entries, columns scaled to unit norm [LMZ18, Appendix B]; the spectral norm
        of X* is near 1 and its condition number varies by draw. ``{"kind": "unknown"}``: U* = 0, which marks a target
        that is not known. ``{"kind": "spectrum", "eigenvalues": [...]}``: X* has these r eigenvalues and Haar
        eigenvectors.
    d, rank : int
    seed, number : int
        Root seed and the target's number.

    Raises
    ------
    ValueError
        If rank > d, the kind is unknown, or the spectrum's length is not the rank.
    """
    if rank > d:
        raise ValueError(f"rank = {rank} is above d = {d}")
    if target["kind"] == "unknown":
        return np.zeros((d, rank))
    gaussian = draw_gaussian(target, d, rank, seed, number)
    if target["kind"] == "columns":
        return gaussian / np.linalg.norm(gaussian, axis=0)
    if target["kind"] == "spectrum":
        eigenvalues = np.asarray(target["eigenvalues"], dtype=float)
        if eigenvalues.shape != (rank,):
            raise ValueError(f"target.eigenvalues has {eigenvalues.size} values for rank {rank}")
        return haar_basis(gaussian) * np.sqrt(eigenvalues)
    raise ValueError(
        f"target.kind = {target['kind']!r}: allowed are columns and spectrum, of which a target can be drawn"
    )


def stacked(drawn, context):
    """Return float64 arrays as one tensor on the context's ``device``, cast to its ``dtype``."""
    return torch.stack([torch.from_numpy(one) for one in drawn]).to(context.device, context.dtype)


def target_numbers(settings, ensemble):
    """Return the numbers of the targets that an ensemble measures, given its number.

    ``settings`` are a problem's or an experiment's (:class:`algoreg.settings.base.DrawnTargets`).
    """
    return [ensemble] if settings.get("own_targets") else list(range(settings["targets"]))


def draw_factors(target, d, rank, context, count, first=0):
    """Return the factors of ``count`` targets from number ``first`` on, shape (T, d, r); see :func:`draw_factor`.

    Seed, device and type come from the context, an :class:`algoreg.engine.experiment.Context`.
    """
    return stacked((draw_factor(target, d, rank, context.seed, first + number) for number in range(count)), context)


def draw_targets(target, d, rank, context, count, first=0):
    """Return X* = U*U*ᵀ of ``count`` targets from number ``first`` on, shape (T, d, d); see :func:`draw_factors`.

    The factors are multiplied in float64, and the products are cast.
    """
    factors = [draw_factor(target, d, rank, context.seed, first + number) for number in range(count)]
    return stacked((u @ u.T for u in factors), context)


def truncations(factors):
    """Return X* truncated to its s largest eigenvalues, s = 1 … R, shape (T, R, d, d).

    The columns of the factors (T, d, R) are orthogonal and their norms fall.
    """
    parts = (factors[..., : s + 1] for s in range(factors.shape[2]))
    return torch.stack([torch.bmm(part, part.mT) for part in parts], dim=1)


def draw_rectangular(rows, columns, rank, kappa, seed, number):
    """Draw X* of target ``number``, shape (rows, columns), float64.

    Its singular values fall from 1 to 1/κ in equal ratios, and its singular vectors are Haar.
    """
    sides = []
    for side, length in (("left", rows), ("right", columns)):
        names = {"d": length, "rank": rank, "seed": seed, "target": number}
        sides.append(haar_basis(stream("target", kind=f"spectrum-{side}", **names).standard_normal((length, rank))))
    return (sides[0] * geometric_spectrum(rank, kappa)) @ sides[1].T


def draw_rectangulars(rows, columns, rank, kappa, context, count):
    """Return X* of the first ``count`` targets, shape (T, rows, columns), on the context's device.

    See :func:`draw_rectangular`.
    """
    drawn = (draw_rectangular(rows, columns, rank, kappa, context.seed, target) for target in range(count))
    return stacked(drawn, context)


def draw_flat_target(d, support, seed, target):
    """Return X* = uuᵀ, shape (d, d), with u = ±1/√s on s coordinates drawn at random and 0 elsewhere.

    Diagonal measurements see only the diagonal of X*: if s > 1, no number of them distinguishes X* from the matrix that
    has this diagonal and is 0 off it.
    """
    generator = stream("target", kind="flat", d=d, support=support, seed=seed, target=target)
    factor = np.zeros(d)
    factor[generator.permutation(d)[:support]] = generator.choice([-1.0, 1.0], size=support) / np.sqrt(support)
    return np.outer(factor, factor)


def spectrum_target(rank, kappa):
    """Return the settings of a target (:func:`draw_factor`) whose eigenvalues fall from 1 to 1/κ in equal ratios."""
    return {"kind": "spectrum", "eigenvalues": geometric_spectrum(rank, kappa)}


def spoil(labels, problem, seed, ensemble, numbers):
    """Return labels (T, m) with the noise and the outliers that a problem asks for.

    Parameters
    ----------
    labels : numpy.ndarray, shape (T, m)
    problem : mapping
        ``label_noise`` σ adds a normal number to every label; its standard deviation is σ times the root mean square of
        the target's labels. ``outliers``, with ``share`` p and ``size`` s, adds a normal number to each label with
        probability p; its standard deviation is s times the same root mean square.
    seed, ensemble : int
    numbers : sequence of int
        The targets' numbers.
    """
    spoilt = labels.copy()
    for row, clean, number in zip(spoilt, labels, numbers, strict=True):
        scale, count = np.sqrt(np.mean(np.square(clean))), len(clean)
        names = {"d": problem["d"], "rank": problem["rank"], "seed": seed, "ensemble": ensemble, "target": number}
        if problem.get("label_noise"):
            row += problem["label_noise"] * scale * stream("label-noise", **names).standard_normal(count)
        if problem.get("outliers"):
            # Each of the two streams has a number for every label, so that longer labels begin with the shorter ones.
            hit = stream("outliers", **names, part="which").random(count) < problem["outliers"]["share"]
            sizes = stream("outliers", **names, part="size").standard_normal(count)
            row += np.where(hit, problem["outliers"]["size"] * scale * sizes, 0.0)
    return spoilt


def spoilt_labels(ensemble, targets, rank, seed, **spoiling):
    """Return the labels of targets number 0 to T − 1, spoilt by :func:`spoil`, as a tensor of shape (T, m)."""
    clean = ensemble.label(targets).cpu().numpy()
    problem = {"d": ensemble.d, "rank": rank, **spoiling}
    return torch.from_numpy(spoil(clean, problem, seed, ensemble.number, range(len(clean)))).to(targets)


def draw_problem(problem, seed, ensemble):
    """Draw all targets of a problem and their labels under one ensemble, in float64.

    Parameters
    ----------
    problem : mapping
        Options of the experiment ``descents``: ``ensemble, d, rank, m, target, targets``, and ``data`` if the ensemble
        is read from a file. With ``own_targets`` there is one target, whose number is the ensemble's. For noise and
        outliers see :func:`spoil`.
    seed, ensemble : int

    Returns
    -------
    dict of numpy.ndarray
        ``factors`` (T, d, r), ``labels`` (T rows as the ensemble returns them, in general of its m measurements) and
        the scalars ``seed``, ``ensemble``, ``ensemble_sha256``. The digest covers the numbers that numpy draws, before
        any linear algebra, so that it is the same on every processor.
    """
    d, rank = problem["d"], problem["rank"]
    numbers = target_numbers(problem, ensemble)
    factors = np.stack([draw_factor(problem["target"], d, rank, seed, number) for number in numbers])
    drawn = _ensemble_of(problem, seed, ensemble)
    targets = torch.from_numpy(factors @ factors.transpose(0, 2, 1))
    labels = (drawn.file_labels[None] if problem.get("data") else drawn.label(targets)).numpy()
    spoiling = {key: problem[key] for key in ("label_noise", "outliers") if problem.get(key)}
    if spoiling:
        labels = spoil(labels, problem, seed, ensemble, numbers)
    return {
        "factors": factors,
        "labels": labels,
        "seed": np.int64(seed),
        "ensemble": np.int64(ensemble),
        "ensemble_sha256": np.array(drawn.digest),
    }


def _ensemble_of(problem, seed, number, *place):
    """Draw an ensemble of a problem, or read it from the problem's file."""
    own = {"data": problem["data"]} if problem.get("data") else {}
    return plugins.ensemble(problem["ensemble"]).draw(problem["d"], problem["m"], seed, number, *place, **own)


class DigestMismatch(RuntimeError):
    """The regenerated ensemble is not the one the labels were computed with."""


def regenerate_ensemble(problem, arrays, device, dtype, path):
    """Redraw the ensemble of generated data on a device; ``path`` is the data's file, for the message.

    Raises
    ------
    DigestMismatch
        If the digest differs; the message says which file to delete or which version to pin.
    """
    drawn = _ensemble_of(problem, int(arrays["seed"]), int(arrays["ensemble"]), device, dtype)
    stored = str(arrays["ensemble_sha256"])
    if drawn.digest != stored:
        raise DigestMismatch(
            f"{path}: labels belong to ensemble {stored[:12]}…, but this machine draws {drawn.digest[:12]}…. "
            f"Delete {path} and rerun, or pin numpy to the version named in its sidecar."
        )
    return drawn
