"""Estimate how long a tier's descents take on this machine, from measured steps: `make estimate TIER=full`.

Every descent takes steps for about a second with each set of runs that it has at some time (runs leave when their
budget is spent). As many descents are measured at a time as there are jobs. If runs may stop early by their training
error, the times are upper bounds. If jobs of the tier have run before, the tables also show the time that they took.
"""

import argparse
import heapq
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor  # noqa: TID251
from pathlib import Path
from statistics import fmean

import torch

from algoreg.engine.loop import Descent
from algoreg.experiments import descents
from algoreg.numerics import devices, problems
from algoreg.results import records
from algoreg.results.digests import settings_hash
from algoreg.settings import checking, plan
from timing import fill_block

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "scaling.md"
SECONDS = 1.0


def seconds_per_step(batch):
    """Return the time of one step of all runs of a batch, measured from its initialisation on."""
    start = Descent(batch)
    solver, state, count, done = start.algorithm, start.state, 1, 0
    while True:
        started = time.perf_counter()
        state = solver.advance(state, done, count)
        if batch.labels.is_cuda:
            torch.cuda.synchronize()
        spent, done = time.perf_counter() - started, done + count
        # The first steps do not count, because they also compile, load and unpack.
        if spent >= SECONDS and done > count:
            return spent / count
        count = min(max(2 * count, int(1.2 * count * SECONDS / max(spent, 1e-9))), 20 * count)


def estimate(tier, name):
    """Return a row for one experiment of descents: jobs, seconds per job, and whether runs may stop early."""
    block = tier["experiments"][name]
    options = plan.experiment_options(block, tier)
    problem = descents.problem_of(options)
    device, dtype = devices.configure(tier["device"], plan.dtype_of(block, tier), tier["threads"])
    arrays = problems.draw_problem(problem, tier["seed"], 0)
    ensemble = problems.regenerate_ensemble(problem, arrays, device, dtype, name)
    runs = descents.runs_on_targets(options)
    total, before = 0.0, 0
    for budget in sorted({run["iterations"] for run in runs}):
        active = [run for run in runs if run["iterations"] >= budget]
        batch = descents.recorded_batch(
            ensemble, arrays["factors"], arrays["labels"], options["algorithm"], active, {}, tier["seed"]
        )
        total += (budget - before) * seconds_per_step(batch)
        before = budget
    return {
        "descent": name,
        "d": problem["d"],
        "runs": len(runs),
        "jobs": len(plan.experiment_parts(block)),
        "seconds_per_job": float(f"{total:.3g}"),
        "may_stop_early": options["stop_below_train_error"] is not None,
    }


def measured_seconds(tier, name, results):
    """Return the seconds that jobs of a descent took with these settings, unless they continued from a checkpoint.

    Parameters
    ----------
    tier : mapping
        The settings, in which ``auto`` has been replaced by the device.
    name : str
        The descent.
    results : path
        The tier's results. There is a job per ensemble.

    Returns
    -------
    list of float
    """
    own, seconds = settings_hash(tier), []
    for number, file in enumerate(plan.part_files(name, tier["experiments"][name])):
        log = results / "logs" / "measure" / f"{name}-{number}.log"
        try:
            if "continuing from iteration" in log.read_text(encoding="utf-8"):
                continue
            known = records.read_provenance(results / file)
        except (FileNotFoundError, records.DamagedResult):
            continue
        if (known["config_sha256"], known["device"]) == (own, tier["device"]):
            seconds.append(known["seconds"])
    return seconds


def makespan(seconds, jobs):
    """Return the minutes until all jobs are done if ``jobs`` of them run at a time, the longest first."""
    busy = [0.0] * jobs
    for duration in sorted(seconds, reverse=True):
        heapq.heapreplace(busy, busy[0] + duration)
    return max(busy) / 60


def computed(rows):
    """Return the estimated seconds of every job of these descents."""
    return [row["seconds_per_job"] for row in rows for _ in range(row["jobs"])]


def measured(rows):
    """Return the measured seconds of every job of these descents, or None if no job of some descent has run.

    A job that has not run counts with the mean of the descent's jobs that have.
    """
    if not all(row["measured"] for row in rows):
        return None
    missing = {row["descent"]: row["jobs"] - len(row["measured"]) for row in rows}
    return [one for row in rows for one in [*row["measured"], *[fmean(row["measured"])] * missing[row["descent"]]]]


def per_figure(tier, rows):
    """Return a list of (figure, names of the descents that it reads, their rows)."""
    found = []
    for figure, tables in tier["figures"].items():
        blocks = [tier["experiments"][table] for table in tables]
        names = list(dict.fromkeys(name for block in blocks for name in block.get("select", ())))
        if names:
            found.append((figure, names, [row for row in rows if row["descent"] in names]))
    return found


def minutes_of(value):
    """Format minutes with two significant digits, and from 10 on as a whole number."""
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def table(header, rows, taken):
    """Return the lines of a Markdown table, without the last column if nothing in it was measured."""
    width = None if any(taken) else -1
    lines = [header, ["---"] * len(header), *([*row, one or "–"] for row, one in zip(rows, taken, strict=True))]
    return ["| " + " | ".join(line[:width]) + " |" for line in lines]


def document(tier, rows, jobs):
    """Return the estimate as Markdown: a table with a line per descent, then one with a line per figure."""
    cells, taken = [], []
    for row in rows:
        most = "at most " if row["may_stop_early"] else ""
        minutes = f"{most}{minutes_of(row['seconds_per_job'] / 60)}"
        cells.append([f"`{row['descent']}`", str(row["d"]), str(row["runs"]), str(row["jobs"]), minutes])
        ends = sorted({minutes_of(one / 60) for one in row["measured"]}, key=float)
        few = f" ({len(row['measured'])} of them)" if 0 < len(row["measured"]) < row["jobs"] else ""
        taken.append(" to ".join(dict.fromkeys([*ends[:1], *ends[-1:]])) + few)
    lines = table(["descent", "d", "runs", "jobs", "minutes per job", "measured"], cells, taken)
    cells, taken = [], []
    for figure, names, read in per_figure(tier, rows):
        most = "at most " if any(row["may_stop_early"] for row in read) else ""
        minutes = f"{most}{minutes_of(makespan(computed(read), jobs))}"
        cells.append([f"`{figure}`", ", ".join(f"`{name}`" for name in names), minutes])
        taken.append(measured(read) and minutes_of(makespan(measured(read), jobs)))
    lines += [
        "",
        *table(["figure", "descents", f"minutes, {jobs} jobs at a time", "by the measured jobs"], cells, taken),
    ]
    whole = f"All descents together, each once: at most {makespan(computed(rows), jobs):.0f} minutes"
    if measured(rows):
        whole += f", by the measured jobs {minutes_of(makespan(measured(rows), jobs))}"
    return "\n".join([*lines, "", f"{whole}. Jobs are started the longest first here."])


def main():
    """Estimate, print and write how long a tier's descents take."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tier", default="full", help="a tier's name, or a tier file (default: full)")
    parser.add_argument("--jobs", type=int, default=2, help="descents at a time (default: 2)")
    parser.add_argument("--output", type=Path, default=ROOT / "results" / "bench", help="default: results/bench")
    parser.add_argument(
        "--results", type=Path, help="the tier's results, for what its jobs took (default: results/<tier>)"
    )
    parser.add_argument("--document", action="store_true", help="also write the tables of docs/scaling.md")
    options = parser.parse_args()
    path = Path(options.tier) if options.tier.endswith(".yaml") else ROOT / "config" / f"{options.tier}.yaml"
    if not path.is_file():
        parser.error(f"--tier {options.tier}: {path} does not exist")
    tier = checking.load_tier(path)
    results = options.results or ROOT / "results" / tier["tier"]
    # The device is resolved once, because every process would print the note again.
    tier["device"] = devices.resolve_device(tier["device"]).type
    if tier["device"] == "cuda":
        # The workflow runs local jobs on a GPU one after the other, too.
        options.jobs = 1
    # Without this, the imports of the pool's processes would search the working folder first.
    os.environ["PYTHONSAFEPATH"] = "1"
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(estimate, tier, name) for name in plan.recorded(tier)]
        rows = []
        for future in waiting:
            rows.append(future.result())
            rows[-1]["measured"] = measured_seconds(tier, rows[-1]["descent"], results)
            print(f"  {rows[-1]['descent']:22} {rows[-1]['jobs']} × {rows[-1]['seconds_per_job']:.3g} s", flush=True)
    text = document(tier, rows, options.jobs)
    print(f"\n{text}")
    output = options.output / f"estimate-{tier['tier']}.json"
    records.write_text(output, records.dump_json(rows))
    print(f"wrote {output}")
    if options.document:
        fill_block(DOCUMENT, "estimate", text)


if __name__ == "__main__":
    main()
