"""Mini-batch SGD beside gradient descent on the same labels, at batch sizes from one to all measurements."""

import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from algoreg.algorithms import factored, stochastic
from algoreg.engine.observers import Ends
from algoreg.ensembles.gaussian import Ensemble
from algoreg.numerics.diagnostics import test_error
from algoreg.numerics.problems import draw_targets
from algoreg.numerics.seeds import stream
from algoreg.numerics.theory import symmetric_dimension
from algoreg.settings.base import ExperimentOptions, Several, misfit


class Options(ExperimentOptions):
    """Options of the experiment."""

    d: int = Field(ge=2)
    rank: PositiveInt
    m: PositiveInt
    targets: int = Field(ge=2)
    alpha: Several[PositiveFloat]
    largest_step: list[PositiveFloat] = Field(min_length=1, description="one for each alpha")
    batch: Several[PositiveInt]
    step_factor: Several[PositiveFloat]
    label_noise: Several[NonNegativeFloat]
    time: PositiveFloat

    @model_validator(mode="after")
    def _fits_together(self):
        if max(self.batch) > self.m:
            raise misfit(self, "batches of at most m", "batch", "m")
        if len(self.alpha) != len(self.largest_step):
            raise misfit(self, "as many steps in largest_step as there are starts in alpha", "alpha", "largest_step")
        if min(self.label_noise) != 0:
            raise misfit(self, "0 among label_noise: the starts are compared without noise", "label_noise")
        return self


KEYS = {
    "d": None,
    "rank": None,
    "m": None,
    "method": "`gradient` descent or `sgd`",
    "alpha": None,
    "label_noise": "standard deviation of the labels' Gaussian noise over the labels' root mean square",
    "batch": ("the batch sizes", "measurements a step (m for gradient descent)"),
    "step_factor": "f in SGD's η = f·b/(d(d+1)), at most gradient descent's η (1 for gradient descent)",
    "target": None,
    "ensemble": None,
}
# ratio: the test error over that of gradient descent from the smallest start, on the same target and noisy labels.
VALUES = {
    "step": None,
    "train_error": None,
    "test_error": None,
    "ratio": (
        "SGD's test error over that of gradient descent",
        "`test_error` over that of gradient descent from the smallest α on the same labels",
    ),
}


def noisy(labels, noise, seed, ensemble):
    """Return labels y_i + noise·rms(y)·z_i, z_i iid N(0, 1) from one stream per target and ensemble, shape (T, m)."""
    if noise == 0:
        return labels
    draws = [
        torch.from_numpy(stream("label noise", seed=seed, ensemble=ensemble, target=t).standard_normal(labels.shape[1]))
        for t in range(len(labels))
    ]
    return labels + noise * labels.square().mean(dim=1, keepdim=True).sqrt() * torch.stack(draws).to(labels)


def planned(options):
    """Return the runs of one target and ensemble, as mappings of ``KEYS`` and ``step``.

    SGD's step is η = step_factor·b/(2D), D = d(d+1)/2, at most the largest step of its start, which gradient descent
    takes: single samples contract in the mean square up to about 1/D. Noise is put on the smallest start's labels
    alone.
    """
    runs, length = [], symmetric_dimension(options["d"])
    for alpha, largest in zip(options["alpha"], options["largest_step"], strict=True):
        for noise in options["label_noise"] if alpha == min(options["alpha"]) else [0]:
            start = {"alpha": alpha, "label_noise": noise}
            runs.append({**start, "method": "gradient", "batch": options["m"], "step_factor": 1, "step": largest})
            for batch in options["batch"]:
                for factor in options["step_factor"]:
                    step = min(factor * batch / (2 * length), largest)
                    runs.append({**start, "method": "sgd", "batch": batch, "step_factor": factor, "step": step})
    return runs


def _ends(context, known, planted, labels, runs, options):
    """Return X at η·t = ``time`` of every planned run, shape (T, d, d) each;
    runs of one method, batch and step go together.
    """
    groups, ends = {}, {}
    for i, run in enumerate(runs):
        groups.setdefault((run["method"], run["batch"], run["step"]), []).append(i)
    for (method, batch, step), members in groups.items():
        algorithm = stochastic.Algorithm if method == "sgd" else factored.Algorithm
        timed = {"start": "identity", "step": step, "m": known.m, "batch_size": batch}
        timed["iterations"] = round(options["time"] / step)
        each = [
            {**timed, "alpha": runs[i]["alpha"], "target": target} for i in members for target in range(len(planted))
        ]
        together = torch.cat([labels[runs[i]["label_noise"]] for i in members])
        goals, last = planted.repeat(len(members), 1, 1), Ends()
        context.run(known, algorithm, each, goals, [last], labels=together)
        ends.update(zip(members, last.memory["estimates"].unflatten(0, (len(members), len(planted))), strict=True))
    return [ends[i] for i in range(len(runs))]


def measure(options, context, number):
    """Return one row per run of :func:`planned`, target and ensemble, all at the same η·t."""
    d, rank = options["d"], options["rank"]
    planted = draw_targets({"kind": "columns"}, d, rank, context, options["targets"])
    known = context.draw(Ensemble, d, options["m"], number)
    clean, runs = known.label(planted), planned(options)
    labels = {noise: noisy(clean, noise, context.seed, number) for noise in options["label_noise"]}
    ends = _ends(context, known, planted, labels, runs, options)
    errors = [test_error(estimates, planted) for estimates in ends]
    reference = {
        run["label_noise"]: error
        for run, error in zip(runs, errors, strict=True)
        if run["method"] == "gradient" and run["alpha"] == min(options["alpha"])
    }
    rows, shared = [], {"d": d, "rank": rank, "m": options["m"], "ensemble": number}
    for run, estimates, test in zip(runs, ends, errors, strict=True):
        train = known.train_error(estimates, labels[run["label_noise"]])
        values = {"train_error": train, "test_error": test, "ratio": test / reference[run["label_noise"]]}
        for target in range(len(planted)):
            finite = bool(torch.isfinite(test[target] + train[target]))
            measured = {name: float(value[target]) if finite else None for name, value in values.items()}
            rows.append(shared | run | {"target": target, **measured, "status": "budget" if finite else "diverged"})
    return rows
