"""Checks that every algorithm and every ensemble must pass, for tests of your own plugins and for this project's tests.

Each check raises an ``AssertionError`` that names the property that fails. Like :func:`pylops.utils.dottest`, the
checks compare the two sides of an equation at random points of a small problem, so they need no reference
implementation. They cannot tell whether an algorithm is the one that its author intends: also compare it with a plain
loop.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch

from algoreg import plugins
from algoreg.algorithms.base import Algorithm, State
from algoreg.engine.loop import Batch, Descent
from algoreg.engine.observers import Ends, Observer
from algoreg.ensembles.base import Ensemble
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.seeds import stream
from algoreg.settings import options as declared

CPU = torch.device("cpu")
# The small problem that all checks use.
D, M, RANK, SEED = 4, 24, 2, 3
# The largest difference between float64 sums in two orders, relative to numbers of size 1.
ROUNDING = 1e-11
# Values for options of algorithms that have no default.
REQUIRED_OPTIONS = {"alpha": 0.5, "batch_size": 3}


def fitting_pairs() -> list[tuple[str, str]]:
    """Return all pairs of an algorithm and an ensemble that can be drawn and provides what the algorithm requires."""
    return [
        (algorithm, ensemble)
        for algorithm in plugins.modules("algorithms")
        for ensemble in drawn_ensembles()
        if not declared.lacks(algorithm, ensemble)
    ]


def drawn_ensembles() -> list[str]:
    """Return the names of the ensembles that are drawn, not read from a file."""
    return [name for name in plugins.modules("ensembles") if not declared.reads_data(name)]


def small_batch(
    algorithm: str,
    ensemble: str,
    observers: Iterable[Observer] = (),
    iterations: Iterable[int] = (2, 2),
    device: torch.device = CPU,
    **options: Any,
) -> Batch:
    """Return a batch of runs on a small problem, with one target per run.

    Parameters
    ----------
    algorithm, ensemble : str
        Their names in settings.
    observers : iterable of Observer
    iterations : iterable of int
        The number of iterations of every run.
    device : torch.device
    **options
        Options of every run. All other options have their defaults.

    Raises
    ------
    ValueError
        If an option has neither a default nor a value here.
    """
    m = _count_of(ensemble)
    drawn = plugins.ensemble(ensemble).draw(D, m, SEED, 0, device)
    known = {**REQUIRED_OPTIONS, **options}
    fields = declared.of_algorithm(algorithm).model_fields
    defaults = {name: known.get(name, default) for name, default in declared.of_runs(algorithm).items()}
    if lacking := [name for name in defaults if fields[name].is_required() and name not in known]:
        raise ValueError(f"{algorithm}: {', '.join(lacking)}: give the option a default, or pass it a value here")
    runs = [
        {**defaults, "m": m, "step": 0.02, "target": number, "iterations": count, **options}
        for number, count in enumerate(iterations)
    ]
    factors = [draw_factor({"kind": "columns"}, D, RANK, SEED, number) for number in range(len(runs))]
    targets = torch.stack([torch.from_numpy(factor @ factor.T) for factor in factors]).to(device)
    labels = drawn.label(targets)
    return Batch(drawn, plugins.algorithm(algorithm), runs, targets, labels, list(observers), SEED)


def check_algorithm(algorithm: str, ensemble: str | None = None, **options: Any) -> None:
    """Check that an algorithm has the properties that the engine relies on.

    With S_t the state of runs 1 … B after t steps, ``advance(S_t, t, k)`` = S_{t+k}, and X(S) their estimates:

    - *steps*: S_{t+k} has the same bits whether ``advance`` takes the k steps at once or one by one.
    - *batch*: X(S_t) of run b is the same, to rounding, whether it runs alone or beside others.
    - *prefix*: a run that knows the first m' < m measurements, in a batch with one that knows all m, ends at the same
      estimate as a run on an ensemble of only these m' (if the ensemble provides prefixes).
    - *resume*: a descent that is saved after t steps and restored ends with the same bits as an uninterrupted one.
      (On an ensemble that is drawn on demand, *steps* is checked to rounding, and *resume* is not checked.)
    - *estimate*: ``estimate(S)`` does not change S, is X = UUᵀ where ``factor(S)`` returns U, has no negative
      eigenvalue where ``estimates`` is ``psd``, and moves from its initial value.

    Parameters
    ----------
    algorithm : str
        Its name in settings, which is its file's name.
    ensemble : str, optional
        By default all ensembles that fit the algorithm and can be drawn.
    **options
        Options of every run that replace the defaults.

    Raises
    ------
    AssertionError
        If one of these properties does not hold.
    ValueError
        If no ensemble fits, or an option lacks a value.
    """
    ensembles = [two for one, two in fitting_pairs() if one == algorithm] if ensemble is None else [ensemble]
    if not ensembles:
        raise ValueError(f"{algorithm}: no ensemble provides all of what it requires")
    for name in ensembles:
        batch = small_batch(algorithm, name, **options)
        _check_steps(batch, f"{algorithm} on {name}")
        _check_prefix(small_batch(algorithm, name, **options), f"{algorithm} on {name}")
        if batch.ensemble.drawn_ahead:
            _check_resume(algorithm, name, options)


def check_ensemble(ensemble: str) -> None:
    """Check that an ensemble has the properties that algorithms rely on.

    With 𝒜(X)_i = ⟨A_i, X⟩, its adjoint 𝒜*(w) = Σ_i w_i sym(A_i), and f(X) = |𝒜(X) − y|²/(2m), which is
    (``train_error`` · ``label_size``)²/2:

    - *adjoint*: ⟨𝒜(X), w⟩ = ⟨X, 𝒜*(w)⟩ (if the ensemble provides single measurements).
    - *gradient*: (f(X + H) − f(X − H))/2 = ⟨M(X), H⟩ for every H, exactly, as f is quadratic; M = 0 and f = 0 at
      the target with observations y; ``gradient_and_residual`` returns M and √(2f).
    - *factor*: ``factored_gradient`` is M(UUᵀ)U, ``descend`` repeats U ← U − ηM(UUᵀ)U for the given number of steps,
      and ``accelerate`` does the same with momentum (if the ensemble provides ``descend``).
    - *prefix*: for a run that knows m' measurements, the observations and M equal those of an ensemble that is drawn
      with m'; without ``prefixes``, asking for fewer measurements raises a ``ValueError``.
    - *select*: 𝒜 of selected measurements equals the selected entries of 𝒜(X).
    - *batch*: M of a run is the same, to rounding, alone and beside others.
    - *draw*: the same seed and number draw the same ensemble, and another number draws another one (if the whole
      ensemble is drawn ahead).

    Parameters
    ----------
    ensemble : str
        Its name in settings, which is its file's name. An ensemble that is read from a data file cannot be checked.

    Raises
    ------
    AssertionError
        If one of these properties does not hold.
    """
    drawn = _draw(ensemble, _count_of(ensemble))
    random = stream("check", ensemble=ensemble, seed=SEED)
    if drawn.drawn_ahead:
        _check_draw(ensemble, drawn)
    _check_gradient(drawn, random, ensemble)
    if "single measurements" in drawn.provides:
        _check_measurements(drawn, random, ensemble)
    if "descend" in drawn.provides:
        _check_factored_steps(drawn, random, ensemble)
    _check_known(drawn, random, ensemble)


class _Pauses(Observer):
    """Lets a descent stop at every second iteration."""

    stride = 2

    def observe(self, snapshot: object) -> None:
        """Do nothing."""


def _count_of(ensemble: str) -> int:
    """Return the number of measurements of the small problem: M, or the largest that the ensemble can have."""
    return min(M, declared.limits(ensemble).most_m(D) or M)


def _draw(ensemble: str, m: int, number: int = 0) -> Any:
    return plugins.ensemble(ensemble).draw(D, m, SEED, number)


def _close(found: torch.Tensor, expected: torch.Tensor, message: str) -> None:
    """Raise an ``AssertionError`` unless two tensors are equal to rounding, relative to the largest number."""
    scale = 1 + float(expected.abs().max())
    assert found.shape == expected.shape, f"{message}: shapes {tuple(found.shape)} and {tuple(expected.shape)}"
    difference = float((found - expected).abs().max())
    assert difference <= ROUNDING * scale, f"{message}: they differ by {difference:.3g}"


def _two_steps(batch: Batch, places: list[int], ensemble: Ensemble, m: int) -> tuple[Algorithm, State]:
    """Return the algorithm for some of the runs of a batch, and their state after two single steps."""
    runs = [{**batch.runs[place], "m": m} for place in places]
    algorithm = batch.algorithm(ensemble.shared_by([m] * len(runs)), batch.labels[places], runs, batch.seed)
    state = algorithm.initial()
    for iteration in range(2):
        state = algorithm.advance(state, iteration, 1)
    return algorithm, state


def _check_steps(batch: Batch, name: str) -> None:
    """Check *steps*, *batch* and *estimate*; the batch cannot be used again."""
    ends, m = Ends(), batch.ensemble.m
    batch.observers = [ends]
    descent = Descent(batch, lambda line: None).run()
    assert descent.status == ["budget"] * len(batch.runs), f"{name}: steps of 0.02 end as {descent.status}"
    at_once = torch.as_tensor(ends.memory["estimates"])
    for places in ([0, 1], [0], [1]):
        algorithm, state = _two_steps(batch, places, batch.ensemble, m)
        for key, tensor in state.items():
            assert len(tensor) == len(places), f"{name}: the first axis of the state's {key} is not the run"
        estimate = algorithm.estimate(state)
        _close(estimate, at_once[places], f"{name}: batch: runs {places} and all runs together")
        if len(places) == len(batch.runs):
            same = torch.equal(estimate, at_once[places]) or not batch.ensemble.drawn_ahead
            assert same, f"{name}: steps: taken at once they have other bits"
            initial = algorithm.estimate(algorithm.initial())
            assert not torch.equal(estimate, initial), f"{name}: estimate: two steps do not change it"
        assert torch.equal(algorithm.estimate(state), estimate), f"{name}: estimate: it changes the state"
        factor = algorithm.factor(state)
        if factor is not None:
            _close(factor @ factor.mT, estimate, f"{name}: estimate: UUᵀ and X")
        if algorithm.estimates == "psd":
            least = float(torch.linalg.eigvalsh(estimate).min())
            assert least > -ROUNDING, f"{name}: estimate: an eigenvalue is {least:.3g}, and estimates is psd"


def _check_prefix(batch: Batch, name: str) -> None:
    """Check that a run that knows half of the measurements, beside one that knows all, equals a run on these alone."""
    ensemble = batch.ensemble
    if "prefixes" not in ensemble.provides:
        return
    half, ends = ensemble.m // 2, Ends()
    batch.observers, batch.runs = [ends], [batch.runs[0], {**batch.runs[1], "m": half}]
    Descent(batch, lambda line: None).run()
    short = type(ensemble).draw(D, half, SEED, 0)
    alone = Batch(
        short, batch.algorithm, [{**batch.runs[1], "iterations": 2}], batch.targets[1:], batch.labels[1:, :half]
    )
    alone.seed = batch.seed
    algorithm, state = _two_steps(alone, [0], short, half)
    _close(
        algorithm.estimate(state),
        torch.as_tensor(ends.memory["estimates"])[1:],
        f"{name}: prefix: half the measurements and these alone",
    )


def _check_resume(algorithm: str, ensemble: str, options: Mapping[str, Any]) -> None:
    """Check that a descent that is saved in the middle and restored ends with the same bits."""

    def fresh() -> tuple[Descent, Ends]:
        ends = Ends()
        # No run ends at iteration 4, so an algorithm that keeps data outside its state would still have them.
        return Descent(small_batch(algorithm, ensemble, [ends, _Pauses()], (3, 6), **options), lambda line: None), ends

    whole, expected = fresh()
    whole.run()
    saved = fresh()[0].run(until=4).save()
    again, found = fresh()
    again.restore({name: np.array(value) for name, value in saved.items()})
    again.run()
    same = torch.equal(*(torch.as_tensor(one.memory["estimates"]) for one in (found, expected)))
    assert same, f"{algorithm} on {ensemble}: resume: a restored descent ends with other bits"


def _matrices(ensemble: Ensemble, random: np.random.Generator, count: int = 2) -> torch.Tensor:
    """Return random matrices of the space that an ensemble measures."""
    drawn = torch.from_numpy(random.standard_normal((count, ensemble.d, ensemble.columns)))
    return drawn if "rectangular gradient" in ensemble.provides else (drawn + drawn.mT) / 2


def _loss(ensemble: Ensemble, matrices: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return f(X) = |𝒜(X) − y|²/(2m) of every run."""
    return (ensemble.train_error(matrices, labels) * ensemble.label_size(labels)) ** 2 / 2


def _inner(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    return (one * two).flatten(1).sum(1)


def _check_draw(name: str, drawn: Ensemble) -> None:
    targets = torch.eye(D, dtype=torch.float64)[None]
    again, other = _draw(name, drawn.m), _draw(name, drawn.m, 1)
    assert torch.equal(drawn.label(targets), again.label(targets)), f"{name}: draw: the same draw has other labels"
    assert drawn.digest == again.digest, f"{name}: draw: the same draw has another digest"
    assert drawn.digest != other.digest, f"{name}: draw: another number has the same digest"


def _check_gradient(drawn: Ensemble, random: np.random.Generator, name: str) -> None:
    targets, point, change = (_matrices(drawn, random) for _ in range(3))
    labels = drawn.label(targets)
    gradient, residual = drawn.gradient_and_residual(point, labels)
    _close(gradient, drawn.gradient(point, labels), f"{name}: gradient: with the residual and without")
    loss = _loss(drawn, point, labels)
    _close(residual**2 / 2, loss, f"{name}: gradient: the residual's square and 2f")
    slope = (_loss(drawn, point + change, labels) - _loss(drawn, point - change, labels)) / 2
    _close(slope, _inner(gradient, change), f"{name}: gradient: (f(X + H) − f(X − H))/2 and ⟨M, H⟩")
    _close(drawn.gradient(targets, labels), torch.zeros_like(targets), f"{name}: gradient: M at the target and 0")
    # Computed from a Gram matrix, f at the target is 0 to rounding, but √f only to the root of rounding.
    assert float(_loss(drawn, targets, labels).max()) < ROUNDING, f"{name}: gradient: f at the target is not 0"
    for place in range(2):
        one = slice(place, place + 1)
        _close(
            drawn.gradient(point[one], labels[one]), gradient[one], f"{name}: batch: M of a run alone and in a batch"
        )


def _check_measurements(drawn: Any, random: np.random.Generator, name: str) -> None:
    point, weights = _matrices(drawn, random), torch.from_numpy(random.standard_normal((2, drawn.m)))
    measured, pulled = drawn.measure(point), drawn.adjoint(weights)
    _close(_inner(measured, weights), _inner(point, pulled), f"{name}: adjoint: ⟨𝒜(X), w⟩ and ⟨X, 𝒜*(w)⟩")
    gradient = drawn.adjoint(measured - weights) / drawn.m
    _close(drawn.gradient(point, weights), gradient, f"{name}: adjoint: M and 𝒜*(𝒜(X) − y)/m")
    chosen = torch.tensor([drawn.m - 1, 0, 2])
    _close(
        drawn.select(chosen).measure(point), measured[:, chosen], f"{name}: select: selected measurements and theirs"
    )


def _check_factored_steps(drawn: Ensemble, random: np.random.Generator, name: str) -> None:
    labels = drawn.label(_matrices(drawn, random))
    factors = torch.from_numpy(random.standard_normal((2, drawn.d, RANK)))
    steps, momentum = (torch.tensor(pair, dtype=torch.float64) for pair in ([0.01, 0.02], [0.9, 0.5]))

    def direction(u: torch.Tensor) -> torch.Tensor:
        return steps[:, None, None] * drawn.gradient(u @ u.mT, labels) @ u

    expected = drawn.gradient(factors @ factors.mT, labels) @ factors
    _close(drawn.factored_gradient(factors, labels), expected, f"{name}: factor: factored_gradient and M·U")
    plain, before, ahead = factors, factors, factors
    for _ in range(3):
        plain = plain - direction(plain)
        following = ahead - direction(ahead)
        ahead, before = following + momentum[:, None, None] * (following - before), following
    _close(drawn.descend(factors.clone(), steps, labels, 3), plain, f"{name}: factor: descend and U − ηMU, three times")
    found = drawn.accelerate(factors.clone(), factors.clone(), steps, momentum, labels, 3)
    for one, two in zip(found, (before, ahead), strict=True):
        _close(one, two, f"{name}: factor: accelerate and steps with momentum, three times")


def _check_known(drawn: Ensemble, random: np.random.Generator, name: str) -> None:
    few = drawn.m // 2
    if "prefixes" not in drawn.provides:
        try:
            drawn.shared_by([drawn.m, few])
        except ValueError:
            return
        raise AssertionError(f"{name}: prefix: it shares {few} of {drawn.m} measurements and does not provide prefixes")
    point, labels = _matrices(drawn, random), drawn.label(_matrices(drawn, random))
    short = _draw(name, few)
    _close(drawn.label(point)[:, :few], short.label(point), f"{name}: prefix: the first labels and those of fewer")
    found = drawn.shared_by([drawn.m, few]).gradient(point, labels)
    expected = torch.cat([drawn.gradient(point[:1], labels[:1]), short.gradient(point[1:], labels[1:, :few])])
    _close(found, expected, f"{name}: prefix: M of a run that knows fewer and of an ensemble of these")
