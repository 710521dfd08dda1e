"""Compare methods on the race's axes, as one page: python tools/compare.py TIER METHODS.

METHODS are methods of the race, algorithms with options, or files of your own:
descent_r,hard_thresholding(rule=adaptive),mine.py. What has been measured is kept below results/<tier>/compare, and
measured again where code, options or sizes have changed.
"""

import argparse
import dataclasses
import hashlib
import json
import re
import sys
from functools import cache, partial
from pathlib import Path

import pandas as pd
import torch

from algoreg import code_hash, plugins
from algoreg.chapters.race.compare import contenders, measuring, page
from algoreg.engine import experiment
from algoreg.numerics import devices
from algoreg.results import records
from algoreg.settings.chapters import load_chapter, sized
from algoreg.settings.checking import load_tier
from algoreg.settings.files import SettingsError
from algoreg.settings.plan import experiment_options
from algoreg.settings.plugin_checks import plugin_problems
from algoreg.settings.tier import size_of

ROOT = Path(__file__).resolve().parents[1]
# The chapter whose sizes are used, and its experiments for courses and for thresholds.
CHAPTER, COURSES, THRESHOLDS = "race", "race", "race_samples_full"
KINDS = ("courses", "thresholds", "sensitivity")
MEASURING, EXPERIMENT = "algoreg.chapters.race.compare.measuring", "algoreg.chapters.theorem.experiments.threshold"


def sizes_of(tier):
    """Return the sizes of a comparison: those of the race in this tier."""
    experiments = load_chapter(CHAPTER, plugins.chapters()[CHAPTER]).entries["experiments"]
    course, needed = (sized(experiments[name], size_of(tier)) for name in (COURSES, THRESHOLDS))
    (d,) = needed["options"]["d"]
    return {
        **experiment_options(course),
        "ensembles": course["ensembles"],
        "sizes": sorted({max(d // 2, 4), d}),
        "ranks": [1, 2],
        "ratios": needed["options"]["ratios"],
    }


class Kept:
    """Cached tables of a tier's comparisons, each named by a digest of its code, options and sizes."""

    def __init__(self, folder, tier, sizes):
        self.folder, self.tier, self.sizes = folder, tier, sizes

    def path(self, contender, kind):
        """Return the path of a table."""
        # Only the measuring code is in the digest, so an edit of the page does not repeat measurements.
        modules = [MEASURING, EXPERIMENT, plugins.module_name("algorithms", contender.algorithm)]
        method = {**dataclasses.asdict(contender.method), "algorithm": contender.algorithm}
        made_of = [
            kind,
            method,
            self.sizes,
            self.tier["seed"],
            torch.__version__,
            code_hash.code_hashes(None, modules),
        ]
        digest = hashlib.sha256(json.dumps(made_of, sort_keys=True, default=str).encode()).hexdigest()[:16]
        return self.folder / "tables" / f"{contender.algorithm}-{kind}-{digest}.csv"

    def table(self, contender, kind, measure):
        """Return a table, which is measured now if it is not cached."""
        path = self.path(contender, kind)
        if not path.exists():
            print(f"measuring {contender.name}: {kind}", flush=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            with records.atomic(path) as temporary:
                pd.DataFrame(measure()).to_csv(temporary, index=False)
        # For a method without a small initialisation the table has no rows and no columns.
        return pd.read_csv(path) if path.stat().st_size > 2 else pd.DataFrame()


class Diverged(ValueError):
    """A method diverges in every run."""


def refuse_divergence(one, course, sizes):
    """Raise :class:`Diverged` for a method whose runs at some κ all diverge before an error is recorded."""
    for kappa in sizes["kappa"]:
        if course.empty or not (course["kappa"] == kappa).any():
            steps = ", ".join(f"{step:g}" for step in one.method.steps)
            raise Diverged(
                f"METHODS = {one.label}: at κ = {kappa:g} every run diverges before an error is recorded, by every step of "
                f"{steps}; allowed are others, as {one.algorithm}(steps=0.001|0.01)"
            )


def measured(chosen, kept, sizes, context):
    """Return every table of every method, and its seconds an iteration."""
    found = {kind: {} for kind in (*KINDS, "seconds")}
    for one in chosen:
        # Computed once per ensemble, and only if a table needs it.
        best = cache(partial(measuring.tuned, one.method, sizes, context))
        made = {
            "courses": partial(measuring.courses, one.method, sizes, context, best),
            "thresholds": partial(measuring.thresholds, one, sizes, context, best),
            "sensitivity": partial(measuring.sensitivity, one.method, sizes, context, best),
            "seconds": partial(measuring.seconds_per_iteration, one.method, sizes, context, best),
        }
        for kind in KINDS:
            found[kind][one.label] = kept.table(one, kind, made[kind])
        found["seconds"][one.label] = float(kept.table(one, "seconds", made["seconds"])["seconds"].iloc[0])
        course = found["courses"][one.label]
        refuse_divergence(one, course, sizes)
        course["seconds"] = course["iteration"] * found["seconds"][one.label]
    return found


def main():
    """Compare the methods and write their page, or report why that is impossible."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tier", help="a tier's name, or its file")
    parser.add_argument("methods", help=contenders.FORM)
    told = parser.parse_args()
    file = Path(told.tier) if told.tier.endswith(".yaml") else ROOT / "config" / f"{told.tier}.yaml"
    try:
        tier = load_tier(file)
        methods = contenders.take_up_files(told.methods)
        if found := plugin_problems():
            raise SettingsError(found)
        chosen = contenders.contenders(methods)
    except (SettingsError, ValueError) as error:
        print("\n".join(getattr(error, "problems", [str(error)])), file=sys.stderr)
        return 2
    devices.configure("cpu", "float64", tier["threads"])
    sizes = sizes_of(tier)
    folder = Path("results") / tier["tier"] / "compare"
    context = experiment.Context(
        tier["seed"], range(sizes["ensembles"]), torch.device("cpu"), torch.float64, lambda line: None
    )
    try:
        found = measured(chosen, Kept(folder, tier, sizes), sizes, context)
    except Diverged as error:
        print(error, file=sys.stderr)
        return 2
    name = re.sub(r"[^a-z0-9]+", "-", "-".join(one.label for one in chosen).lower()).strip("-")[:100]
    path = folder / name / "index.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    records.write_text(path, page.render(chosen, found, sizes, tier["tier"], tier["seed"]))
    print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
