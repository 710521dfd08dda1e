"""How many measurements recovery takes: descents that know m measurements, m on a grid around the threshold."""

from typing import Literal

import numpy as np
import torch

from algoreg import registry
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.diagnostics import test_error
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.theory import psd_statistical_dimension
from algoreg.spec.base import StudyOptions, between, choices, reals, whole, wholes


class Options(StudyOptions):
    """What the study can be told."""

    d: list[int] = wholes()
    rank: list[int] = wholes()
    # Targets of rank r are d·r^power in size: 0 crosses the lists d and rank.
    dimension_power: int = whole(0, ge=0, le=3, said="0, 1, 2 or 3")
    spectrum: list[Literal["flat", "columns"]] = choices(said="a list of flat and columns")
    algorithm: Literal["factored", "projected"] = "factored"
    ratios: list[float] = reals(gt=0, least=2, said="a list of two or more different numbers above 0")
    unit: Literal["dr", "psd"] = "dr"
    alpha: list[float] = reals([1e-06], gt=0)
    step: list[float] = reals([0.25], gt=0)
    time: list[float] = reals([60.0], gt=0)
    targets: int = whole(ge=2)

    def wrong(self):
        """Yield what does not fit together."""
        if max(self.rank) > min(self.d):
            yield between("rank", "d", allowed="every rank at most every d")
        if max(self.step) > min(self.time):
            yield between("step", "time", allowed="every step at most every time")


# Which option names a module of which folder; see algoreg.registry.
FINDS = {"algorithm": "algorithms"}
KEYS = {
    "d": None,
    "rank": None,
    "spectrum": "X*: `flat`, r eigenvalues 1, or `columns`, r unit Gaussian columns as in the paper",
    "m": None,
    "alpha": "initialisation scale α: U₀ = αI (0 for projected descent)",
    "step": None,
    "time": None,
    "target": None,
    "ensemble": None,
}
VALUES = {
    "test_error": "‖X − X*‖_F / ‖X*‖_F at `elapsed`",
    "elapsed": "η·t at which the run stopped, recovered (`test_error` below 0.001) or diverged; else `time`",
}

# A run below this relative error has recovered X* and leaves the batch: lower than the square of every tolerance at
# which a threshold is read, where estimands stop telling errors apart.
RECOVERED = 1e-3
# η·t between two looks at the errors.
LOOK = 1.0


def measure(options, context):
    """Return one row per size, spectrum, m, α, step, time, target and ensemble: the relative test error by that time.

    X* has r eigenvalues 1 (``flat``) or is the paper's (``columns``); m is ``ratios`` times dr, or times the statistical
    dimension of the PSD cone there (``psd``). Runs that know m measurements know the first m of one ensemble. Factored
    descent starts at αI, projected descent at 0 (written as α = 0). ``time`` is η·t; a run that has recovered X* or
    diverged by then stops there, at ``elapsed``.
    """
    ranks_of = {}
    for rank in options["rank"]:
        for d in options["d"]:
            ranks_of.setdefault(d * rank ** options["dimension_power"], []).append(rank)
    for number in context.ensembles:
        for d, ranks in ranks_of.items():
            counts = {rank: measurement_counts(options["unit"], options["ratios"], d, rank) for rank in ranks}
            ensemble = Ensemble.draw(
                d, max(max(each) for each in counts.values()), context.seed, number, context.device, context.dtype
            )
            for step in options["step"]:
                rows = list(_sweep(options, context, ensemble, counts, step))
                recovered = sum(row["status"] == "converged" for row in rows)
                context.say(f"ensemble {number}, d = {d}, step {step:g}: {recovered} of {len(rows)} recovered")
                yield from rows


def measurement_counts(unit, ratios, d, rank):
    """Return the numbers of measurements, rising: the ratios times dr (``dr``) or times the statistical dimension of
    the PSD cone at a matrix of this rank (``psd``), rounded.
    """
    scale = d * rank if unit == "dr" else psd_statistical_dimension(d, rank)
    return sorted({max(round(ratio * scale), 1) for ratio in ratios})


def _factor(spectrum, d, rank, seed, number):
    target = {"kind": "columns"} if spectrum == "columns" else {"kind": "spectrum", "eigenvalues": [1.0] * rank}
    return draw_factor(target, d, rank, seed, number)


def _sweep(options, context, ensemble, counts, step):
    """Yield the rows of all runs of one ensemble and step, which go through it together."""
    d, planted, runs = ensemble.d, [], []
    starts = [0.0] if options["algorithm"] == "projected" else options["alpha"]
    for rank, known in counts.items():
        for spectrum in options["spectrum"]:
            for target in range(options["targets"]):
                factor = _factor(spectrum, d, rank, context.seed, target)
                names = {"rank": rank, "spectrum": spectrum, "target": target, "planted": len(planted)}
                planted.append(torch.from_numpy(factor @ factor.T))
                runs += [{**names, "m": m, "alpha": alpha} for m in known for alpha in starts]
    # Prefixes are shared by runs in falling order of their length.
    runs.sort(key=lambda run: -run["m"])
    planted = torch.stack(planted).to(context.device, context.dtype)
    times = sorted(options["time"])
    errors, elapsed = _descend(options["algorithm"], ensemble, planted, runs, step, times, context.seed)
    for run, at_times, ended in zip(runs, errors, elapsed, strict=True):
        for time, error in zip(times, at_times, strict=True):
            status = "diverged" if not np.isfinite(error) else "converged" if error < RECOVERED else "budget"
            yield {
                "d": d,
                **{key: run[key] for key in ("rank", "spectrum", "m", "alpha", "target")},
                "step": step,
                "time": time,
                "ensemble": ensemble.number,
                "test_error": error if np.isfinite(error) else np.nan,
                "elapsed": min(ended, time),
                "status": status,
            }


def _descend(algorithm, ensemble, planted, runs, step, times, seed):
    """Return the relative test error of every run at every time, and the η·t at which it stopped.

    Parameters
    ----------
    algorithm : str
        A module of ``algoreg.algorithms``.
    ensemble : algoreg.ensembles.gaussian.Ensemble
    planted : torch.Tensor, shape (P, d, d)
        The targets, by the runs' ``planted``.
    runs : list of mapping, B of them
        Falling in ``m``.
    step : float
        η.
    times : list of float, rising
    seed : int

    Returns
    -------
    numpy.ndarray, shape (B, times), and numpy.ndarray, shape (B,)
    """
    found = registry.algorithm(algorithm)
    start = "zero" if algorithm == "projected" else "identity"
    which = torch.tensor([run["planted"] for run in runs], device=planted.device)
    labels = ensemble.label(planted)

    def batch(active):
        shared = ensemble.shared_by([runs[i]["m"] for i in active])
        chosen = [{**runs[i], "step": step, "start": start} for i in active]
        return found(shared, labels[which[active]], chosen, seed), planted[which[active]]

    ends = [max(round(time / step), 1) for time in times]
    stride = max(round(LOOK / step), 1)
    errors, elapsed = np.full((len(runs), len(times)), np.nan), np.full(len(runs), ends[-1] * step)
    active = np.arange(len(runs))
    descent, targets = batch(active)
    iterate, done = descent.initial(), 0
    for stop in sorted({*range(stride, ends[-1], stride), *ends}):
        iterate = descent.advance(iterate, done, stop - done)
        done = stop
        now = test_error(descent.estimate(iterate), targets).double().cpu().numpy()
        # A run that stops keeps its error at all later times.
        errors[np.ix_(active, [k for k, end in enumerate(ends) if end >= stop])] = now[:, None]
        going = np.isfinite(now) & (now >= RECOVERED)
        if not going.all():
            elapsed[active[~going]] = stop * step
            active = active[going]
            if not len(active):
                break
            descent, targets = batch(active)
            iterate = iterate[torch.from_numpy(going).to(iterate.device)]
    return errors, elapsed
