"""Measure the descent engine against plain autograd, plain einsum and the machine's limits, in one process.

Every number is the median of interleaved repeats. The results are engine.json, a list of rows, and the roofline figure.
"""

import argparse
import json
import subprocess
import sys
import time
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch

import growth
import machines
import methods
import roofline
from algoreg.algorithms import factored, projected, stochastic
from algoreg.ensembles import gaussian_bfloat16, signs
from algoreg.ensembles.gaussian import BLOCK_ROWS, Ensemble
from algoreg.numerics.devices import DTYPES, configure
from algoreg.numerics.svec import smat
from algoreg.numerics.theory import symmetric_dimension
from algoreg.reporting.figures import save
from algoreg.results.records import atomic, dump_json, write_text
from timing import Limits, describe, free_memory, interleave, repeat

KEYS = (
    "name",
    "d",
    "m",
    "batch",
    "dtype",
    "device",
    "ms_per_run_iteration",
    "ratio_to_autograd",
    "ratio_to_einsum",
    "fraction_of_limit",
)
BATCHES = (1, 8, 32)
BASELINES = ("autograd", "einsum", "einsum_optimize")
# Ensembles whose rows have short types, computed in float32: module, stored type, and numbers in an element.
SHORT = {"bfloat16": (gaussian_bfloat16, torch.bfloat16, 1), "signs": (signs, torch.uint8, 8)}
SHORT_BATCHES = (1, 8)
STEP = 1e-3
GIB = 2**30
MOST_BYTES = 8 * GIB
ALGORITHMS_AT = 100
MEMORY_AT = (100, 2500)
MEMORY_ALLOWED = 1.3


def autograd_steps(matrices, labels, start, count):
    """Descend one run on the full m × d × d ensemble, its gradient by autograd."""
    factor = start
    for _ in range(count):
        factor = factor.detach().requires_grad_()
        measured = torch.einsum("mij,ij->m", matrices, factor @ factor.T)
        loss = ((measured - labels) ** 2).sum() / (4 * len(labels))
        loss.backward()
        factor = factor.detach() - STEP * factor.grad
    return factor


def einsum_steps(matrices, labels, start, count, optimize=False):
    """Descend one run on the full m × d × d ensemble with numpy.

    Plain ``np.einsum`` runs its own loop on one thread; with ``optimize`` both contractions become BLAS calls.
    """
    factor = start
    for _ in range(count):
        residual = np.einsum("mij,ij->m", matrices, factor @ factor.T, optimize=optimize) - labels
        gradient = np.einsum("m,mij->ij", residual, matrices, optimize=optimize) / len(labels)
        factor = factor - STEP * (gradient @ factor)
    return factor


def draw(d, m, dtype, device="cpu"):
    """Return an ensemble for timing: torch's own random numbers, which are faster to draw than the named streams."""
    generator = torch.Generator(device).manual_seed(0)
    return Ensemble(torch.randn(m, symmetric_dimension(d), generator=generator, dtype=dtype, device=device), d)


def draw_short(name, d, m, device="cpu"):
    """Return an ensemble of a short type for timing."""
    module, stored, each = SHORT[name]
    shape = (m, -(-symmetric_dimension(d) // each))
    generator = torch.Generator(device).manual_seed(0)
    if each == 1:
        rows = torch.randn(shape, generator=generator, device=device).to(stored)
    else:
        rows = torch.randint(256, shape, generator=generator, device=device, dtype=stored)
    return module.Ensemble(rows, d, dtype=torch.float32)


def unpack(ensemble):
    """Return the same ensemble as m full d × d matrices."""
    matrices = torch.empty(ensemble.m, ensemble.d, ensemble.d, dtype=ensemble.dtype, device=ensemble.device)
    for start in range(0, ensemble.m, BLOCK_ROWS):
        block = slice(start, start + BLOCK_ROWS)
        matrices[block] = smat(ensemble.rows[block], ensemble.d)
    return matrices


def rank_one_labels(ensemble, count):
    """Return the labels of ``count`` targets of rank 1 and norm 1."""
    vectors = torch.randn(count, ensemble.d, 1, generator=torch.Generator().manual_seed(1), dtype=ensemble.dtype)
    vectors /= torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return ensemble.label((vectors @ vectors.mT).to(ensemble.device))


def run_settings(**options):
    """Return the settings of one run."""
    return {"step": STEP, "alpha": 0.1, "start": "identity", "target": 0, **options}


def significant(value):
    """Return a number with four significant digits."""
    return None if value is None else float(f"{value:.4g}")


def make_row(name, **known):
    """Return a row with all of ``KEYS``, None where nothing is given."""
    return {**dict.fromkeys(KEYS), "name": name, **known}


def timed(timing, batch):
    """Return the columns of a timing of one iteration of ``batch`` runs."""
    return {
        "batch": batch,
        "ms_per_run_iteration": significant(1e3 * timing.median / batch),
        "spread_ms": [significant(1e3 * timing.low / batch), significant(1e3 * timing.high / batch)],
        "iterations": timing.iterations,
    }


def reason_to_skip(needed, free, others=0):
    """Return why a case is not measured, or None.

    Parameters
    ----------
    needed : int
        Bytes of the case's ensemble.
    free : int or None
        Bytes of free memory, if known.
    others : int
        Bytes that must be free in addition.
    """
    if needed > MOST_BYTES:
        return f"skipped: its ensemble takes {needed / GIB:.1f} GiB, more than {MOST_BYTES / GIB:.0f} GiB"
    if free is not None and needed + others > 0.9 * free:
        return f"skipped: needs {(needed + others) / GIB:.1f} GiB of memory, {free / GIB:.1f} GiB are free"
    return None


def descent_cases(ensemble, notes):
    """Return the cases of the factored descent that no note excludes, as {(name, batch): function of a step count}."""
    if notes["engine"]:
        return {}
    labels, cases = rank_one_labels(ensemble, max(BATCHES)), {}
    for batch in BATCHES:
        solver = factored.Algorithm(ensemble, labels[:batch], [run_settings()] * batch, 0)
        cases["engine", batch] = partial(solver.advance, solver.initial(), 0)
    if not notes["autograd"]:
        matrices, start = unpack(ensemble), solver.initial()["factor"][0]
        cases["autograd", 1] = partial(autograd_steps, matrices, labels[0], start)
    if not notes["einsum"]:
        arrays = (matrices.numpy(), labels[0].numpy(), start.numpy())
        cases["einsum", 1] = partial(einsum_steps, *arrays)
        cases["einsum_optimize", 1] = partial(einsum_steps, *arrays, optimize=True)
    return cases


def work_of(d, m, batch, moved, seconds):
    """Return the columns for bytes and operations of an iteration; the limits are known only at the end."""
    flops = roofline.flops(d, m, batch)
    return {
        "bytes": moved,
        "flops": flops,
        "intensity": significant(flops / moved),
        "gflop_per_s": significant(flops / seconds / 1e9),
    }


class Bench:
    """One measurement: its options, the rows so far, and the limits measured in each group's rounds."""

    def __init__(self, options):
        self.options, self.rows, self.started = options, [], time.perf_counter()
        self.rates = {name: [] for name in options.dtype}
        self.on_cpu = options.device == "cpu"

    def say(self, text):
        """Print a progress line with the seconds since the start."""
        print(f"[{time.perf_counter() - self.started:4.0f} s] {text}", flush=True)

    def time(self, cases):
        """Return the timings of interleaved cases."""
        if not self.on_cpu:
            cases = {key: finished(call) for key, call in cases.items()}
        return interleave(cases, self.options.rounds, self.options.seconds, self.options.pause)

    def add(self, name, **known):
        """Append a row and print it."""
        self.rows.append(make_row(name, device=self.options.device, threads=self.options.threads, **known))
        self.say(describe_row(self.rows[-1]))

    def group(self, d, name, limits):
        """Measure one size and dtype."""
        m, dtype = 25 * d, DTYPES[name]
        packed, full = m * symmetric_dimension(d) * dtype.itemsize, m * d**2 * dtype.itemsize
        self.say(f"{name}, d = {d}, m = {m}: packed {packed / 1e6:.3g} MB, full {full / 1e6:.3g} MB")
        free = free_memory(self.options.device)
        notes = {"engine": reason_to_skip(packed, free)}
        notes |= dict.fromkeys(BASELINES, reason_to_skip(full, free, packed))
        if not self.on_cpu:
            notes |= dict.fromkeys(BASELINES[1:], "skipped: numpy computes on the CPU")
        ensemble = None if notes["engine"] else draw(d, m, dtype, self.options.device)
        cases = descent_cases(ensemble, notes)
        # The limits are measured in the rounds of every group, because the speed of a shared machine varies.
        timings = self.time(cases | limits.cases)
        rates = limits.rates(timings)
        self.rates[name].append(rates)
        medians = {case: timings[case, batch].median for case, batch in cases if case in BASELINES}
        for key in [*product(["engine"], BATCHES), *product(BASELINES, [1])]:
            case, batch = key
            known = {"d": d, "m": m, "batch": batch, "dtype": name}
            if notes[case]:
                self.add(case, **known, note=notes[case])
                continue
            known |= timed(timings[key], batch)
            for baseline, median in medians.items():
                known[f"ratio_to_{baseline}"] = significant(median * batch / timings[key].median)
            if case == "engine":
                known |= work_of(d, m, batch, packed, timings[key].median)
            self.add(case, **known)
        # The next measurement needs the memory of the full matrices.
        del cases
        if ensemble is None:
            return
        if name == "float32":
            self.short_types(ensemble)
        if d == self.options.algorithms_at:
            self.algorithms(ensemble, name)
            self.methods(ensemble, name)

    def short_types(self, ensemble):
        """Measure the factored descent on rows of short types against the same descent on float32 rows."""
        known = {"d": ensemble.d, "m": ensemble.m, "dtype": "float32"}
        self.say(f"float32, d = {ensemble.d}: rows of short types")
        stored = {"float32": ensemble} | {
            name: draw_short(name, ensemble.d, ensemble.m, ensemble.device) for name in SHORT
        }
        cases = {}
        for name, batch in product(stored, SHORT_BATCHES):
            labels = rank_one_labels(stored[name], batch)
            solver = factored.Algorithm(stored[name], labels, [run_settings()] * batch, 0)
            cases[name, batch] = partial(solver.advance, solver.initial(), 0)
        timings = self.time(cases)
        for name, batch in product(SHORT, SHORT_BATCHES):
            ratio = timings["float32", batch].median / timings[name, batch].median
            rows, timing = stored[name].rows, timings[name, batch]
            self.add(
                name,
                **known,
                **timed(timing, batch),
                **work_of(ensemble.d, ensemble.m, batch, rows.numel() * rows.element_size(), timing.median),
                ratio_to_float32=significant(ratio),
                note=f"factored descent on rows stored as {name}, computed in float32",
            )

    def methods(self, ensemble, name):
        """Measure one step of every method around factored descent against a pass over the ensemble."""
        known = {"d": ensemble.d, "m": ensemble.m, "dtype": name}
        self.say(f"{name}, d = {ensemble.d}: the methods around factored descent")
        timings = self.time(methods.cases(ensemble, rank_one_labels(ensemble, methods.BATCH)))
        for method in methods.METHODS:
            row = timed(timings[method], methods.BATCH) | methods.columns(method, timings)
            self.add(method, **known, **row)

    def algorithms(self, ensemble, name):
        """Measure projected and stochastic descent against their parts."""
        known = {"d": ensemble.d, "m": ensemble.m, "dtype": name}
        labels = rank_one_labels(ensemble, max(BATCHES))
        cases = {}
        for batch in BATCHES:
            solver = projected.Algorithm(ensemble, labels[:batch], [{"step": 5e-3, "start": "zero"}] * batch, 0)
            state = solver.advance(solver.initial(), 0, 5)
            iterate = state["estimate"]
            unprojected = (iterate - solver.steps * ensemble.gradient(iterate, solver.labels)).double()
            cases["projected", batch] = partial(solver.advance, state, 0)
            cases["gradient", batch] = repeat(ensemble.gradient, iterate, solver.labels)
            cases["eigh", batch] = repeat(torch.linalg.eigh, unprojected)
        # On a GPU a step of one sample does almost no work.
        if self.on_cpu:
            solver = stochastic.Algorithm(ensemble, labels[:1], [run_settings(m=ensemble.m, batch_size=1)], 0)
            cases["stochastic", 1] = partial(solver.advance, solver.initial(), 0)
            cases["gemm_dxd", 1] = partial(
                products, list(unpack(ensemble).numpy()), solver.initial()["factor"][0].numpy()
            )
        self.say(f"{name}, d = {ensemble.d}: projected and stochastic descent")
        timings = self.time(cases)
        for (case, batch), timing in timings.items():
            columns = known | timed(timing, batch)
            if case == "gradient":
                continue
            if case == "projected":
                parts = {part: timings[part, batch].median for part in ("gradient", "eigh")}
                rest = timing.median - sum(parts.values())
                columns |= {
                    "fraction_of_limit": significant(sum(parts.values()) / timing.median),
                    **{f"{part}_ms": significant(1e3 * spent / batch) for part, spent in parts.items()},
                    "rest_ms": significant(1e3 * rest / batch),
                    "note": "the limit is its gradient and its eigendecomposition alone",
                }
            if case == "stochastic":
                limit = 2 * ensemble.d**3 / self.rates[name][-1]["fma"][0]
                columns["fraction_of_limit"] = significant(limit / timing.median)
                columns["note"] = "one step is one sample; the limit is its d × d product at one core's multiply-adds"
            if case == "gemm_dxd":
                columns["note"] = "numpy's product of the same matrices with one factor"
            if case == "eigh":
                columns["note"] = "always in float64, as the projection does it"
            self.add(case, **columns)

    def memory(self):
        """Measure the peak memory of one engine case in a separate process."""
        (d, m), name = MEMORY_AT, self.options.dtype[0]
        known = {"d": d, "m": m, "batch": 1, "dtype": name}
        if not self.on_cpu or not Path("/proc/self/status").exists():
            self.add("memory", **known, ratio=None, note="skipped: needs a CPU and /proc/self/status (Linux)")
            return
        command = [sys.executable, Path(__file__).with_name("memory.py"), d, m, self.options.threads, name]
        measured = {}
        for baseline in ("import", "first_use"):
            done = subprocess.run([*map(str, command), baseline], capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"benchmarks/memory.py failed:\n{done.stderr}")
            measured[baseline] = json.loads(done.stdout)
        size, taken = measured["first_use"]["expected"], measured["first_use"]["taken"]
        self.add(
            "memory",
            **known,
            bytes=size,
            peak_bytes=taken,
            ratio=significant(taken / size),
            libraries_bytes=measured["import"]["taken"] - taken,
            allowed=MEMORY_ALLOWED,
            within=taken / size <= MEMORY_ALLOWED,
            note="ratio: peak beyond a process that has descended at d = 10 / (packed ensemble + labels + iterate); "
            "libraries_bytes: what that first descent takes beyond importing torch, for the compiler and the libraries' code",
        )

    def limit_rows(self):
        """Return the rows that describe the machine, and the medians of its limits with slowest and fastest timing."""
        options = self.options
        described = describe(options.device)
        rows = [make_row("machine", device=options.device, threads=options.threads, rounds=options.rounds, **described)]
        copies = [rates["copy"] for name in options.dtype for rates in self.rates[name]]
        measured = [("copy", None, copies)]
        for limit, name in product(("gemv", "gemm", "fma") if self.on_cpu else ("gemv", "gemm"), options.dtype):
            measured.append((limit, name, [rates[limit] for rates in self.rates[name]]))
        libraries = "the faster of torch and numpy" if self.on_cpu else "torch"
        for limit, name, rates in measured:
            unit = "gflop_per_s" if limit in ("gemm", "fma") else "gb_per_s"
            by_library = {
                library: significant(np.median([rate[3][library] for rate in rates]) / 1e9) for library in rates[0][3]
            }
            rows.append(
                make_row(
                    limit,
                    device=options.device,
                    dtype=name,
                    threads=options.threads,
                    **{
                        unit: significant(np.median([rate[0] for rate in rates]) / 1e9),
                        f"{unit}_spread": [
                            significant(min(rate[1] for rate in rates) / 1e9),
                            significant(max(rate[2] for rate in rates) / 1e9),
                        ],
                        f"{unit}_by_library": by_library,
                    },
                    note={
                        "copy": "bytes read and written",
                        "gemv": f"matrix of {options.limit_bytes / 2**20:.0f} MiB; {libraries}",
                        "gemm": f"{options.limit_side} × {options.limit_side}; {libraries}",
                        "fma": "one core, numbers in registers",
                    }[limit],
                )
            )
            self.say(describe_row(rows[-1]))
        return rows

    def measure(self):
        """Measure everything and return the rows."""
        options = self.options
        self.memory()
        for name in options.dtype:
            limits = Limits(DTYPES[name], options.limit_bytes, options.limit_side, options.device)
            for d in options.d:
                self.group(d, name, limits)
        rows = [*self.limit_rows(), *self.rows]
        roofline.compare_with_limits(rows)
        return rows


def finished(call):
    """Return a case that waits until the GPU is done."""

    def until_done(count):
        call(count)
        torch.cuda.synchronize()

    return until_done


def products(matrices, factor, count):
    """Multiply the matrices of a sample order with one factor, which is the product of single-sample descent alone."""
    out = np.empty_like(factor)
    for i in stochastic.samples(0, 0, 0, count, len(matrices)).tolist():
        np.dot(matrices[i], factor, out=out)


def describe_row(row):
    """Return a row as a line of text."""
    place = " ".join(f"{key} {row[key]}" for key in ("d", "batch", "dtype") if row[key] is not None)
    values = [
        f"{row[key]:.3g} {text}"
        for key, text in (
            ("ms_per_run_iteration", "ms per run and iteration"),
            ("ratio_to_autograd", "× as fast as autograd"),
            ("ratio_to_einsum", "× as fast as einsum"),
            ("ratio_to_einsum_optimize", "× as fast as einsum_optimize"),
            ("ratio_to_float32", "× as fast as on rows of float32"),
            ("ratio_to_alone", "× as fast as one after the other"),
            ("fraction_of_limit", "of its limit"),
            ("gb_per_s", "GB/s"),
            ("gflop_per_s", "GFLOP/s"),
            ("above_pass", "× its pass beyond it"),
            ("ratio", "× (packed ensemble + state)"),
            ("libraries_bytes", "bytes for libraries at their first use"),
        )
        if row.get(key) is not None
    ]
    if (row.get("note") or "").startswith("skipped"):
        values.append(row["note"])
    return f"  {row['name']:17}{place:31}{', '.join(values)}"


def parse(arguments=None):
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--d",
        type=int,
        nargs="+",
        metavar="D",
        help="matrix sizes, each with m = 25 d (default: 50 100 200 400; the other algorithms run at 100 only)",
    )
    parser.add_argument("--dtype", nargs="+", choices=sorted(DTYPES), default=sorted(DTYPES), help="default: both")
    parser.add_argument(
        "--rounds",
        type=int,
        help="interleaved rounds, each of which times every case once (default: 7; 2 with --quick)",
    )
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="CPU threads (default: %(default)s, torch's own)"
    )
    parser.add_argument(
        "--device", choices=("cpu", "cuda"), default="cpu", help="where the engine runs (default: %(default)s)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="run for a few seconds at d = 10, to see that it works; its numbers mean nothing",
    )
    parser.add_argument(
        "--output", type=Path, help="folder of the files (default: results/bench; results/bench/quick with --quick)"
    )
    parser.add_argument(
        "--growth",
        action="store_true",
        help="measure instead how time and memory of a descent grow with d, on stored and on unstored measurements, and "
        "write growth.json",
    )
    parser.add_argument(
        "--document",
        action="store_true",
        help="also store this run's numbers in reference/bench for this processor, and write the tables of docs/scaling.md",
    )
    options = parser.parse_args(arguments)
    quick = options.quick
    options.d = options.d or ([10] if quick else [50, 100, 200, 400])
    options.rounds = (2 if quick else 7) if options.rounds is None else options.rounds
    options.output = options.output or Path("results/bench/quick" if quick else "results/bench")
    options.seconds, options.pause = (0.005, 0.0) if quick else (0.2, 0.05)
    options.limit_bytes, options.limit_side = (8 * 2**20, 256) if quick else (512 * 2**20, 2048)
    options.algorithms_at = min(options.d) if quick else ALGORITHMS_AT
    if min(*options.d, options.rounds, options.threads) < 1:
        parser.error("--d, --rounds and --threads must be at least 1")
    return options


def main():
    """Measure, write the rows and draw the roofline figure."""
    options = parse()
    try:
        configure(options.device, options.dtype[0], options.threads)
    except RuntimeError as error:
        raise SystemExit(f"engine.py: {error}") from None
    if options.growth:
        rows = growth.measure(options.d if options.d != [50, 100, 200, 400] else [50, 100, 200, 400, 800])
        write_text(options.output / "growth.json", dump_json(rows))
        for value in ("seconds", "megabytes"):
            laws = ", ".join(f"{kind} as d^{growth.slope(rows, kind, value) or np.nan:.1f}" for kind in growth.LARGEST)
            print(
                f"{value} grow at the largest sizes for {laws}; unstored begins to take less between "
                f"d = {growth.crossing(rows, value)}"
            )
        return
    bench = Bench(options)
    rows = bench.measure()
    for row in roofline.beyond(rows):
        bench.say(f"faster than its limit, although no cache holds what it reads: {describe_row(row).strip()}")
    write_text(options.output / "engine.json", dump_json(rows))
    figure = roofline.draw(rows)
    for kind in ("svg", "png"):
        with atomic(options.output / f"roofline.{kind}") as temporary:
            save(figure, temporary, kind)
    bench.say(f"wrote {options.output}/engine.json, roofline.svg and roofline.png")
    if options.document:
        bench.say(f"wrote {machines.keep(rows)}")
        machines.fill_document(options.device)
        bench.say(f"filled {machines.DOCUMENT}")


if __name__ == "__main__":
    main()
