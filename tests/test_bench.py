import importlib
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT, recorded_descents

from algoreg.results import records
from algoreg.results.digests import settings_hash

KEYS = {
    "name", "d", "m", "batch", "dtype", "device", "ms_per_run_iteration",
    "ratio_to_autograd", "ratio_to_einsum", "fraction_of_limit",
}  # fmt: skip


@pytest.fixture
def bench(monkeypatch):
    """Import a module of benchmarks/, which is no package."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    yield importlib.import_module
    for name in (
        "engine",
        "estimate",
        "in_process",
        "kernels",
        "machines",
        "memory",
        "methods",
        "roofline",
        "spread",
        "timing",
    ):
        sys.modules.pop(name, None)


@pytest.mark.any_kernels
def test_the_quick_benchmark_writes_complete_rows_and_a_picture(bench, tmp_path):
    done = quick(tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    rows = json.loads((tmp_path / "engine.json").read_text(encoding="utf-8"))
    assert all(row.keys() >= KEYS for row in rows)
    by_name = {}
    for row in rows:
        by_name.setdefault(row["name"], []).append(row)
    assert {name: len(found) for name, found in by_name.items()} == {
        "machine": 1, "copy": 1, "gemv": 2, "gemm": 2, "fma": 2, "memory": 1, "engine": 6, "bfloat16": 2, "signs": 2, "autograd": 2, "einsum": 2,
        "einsum_optimize": 2, "projected": 6, "eigh": 6, "stochastic": 2, "gemm_dxd": 2, **dict.fromkeys(bench("methods").METHODS, 2),
    }  # fmt: skip
    ceilings = [max(row["gb_per_s_spread"][1] for name in ("copy", "gemv") for row in by_name[name])]
    for row in by_name["engine"]:
        assert (row["d"], row["m"], row["device"]) == (10, 250, "cpu")
        peak = max(
            limit["gflop_per_s_spread"][1]
            for name in ("gemm", "fma")
            for limit in by_name[name]
            if limit["dtype"] == row["dtype"]
        )
        limit_ms = 1e3 * max(row["bytes"] / ceilings[0], row["flops"] / peak) / 1e9
        for share, spent in zip(
            [row["fraction_of_limit"], *row["fraction_spread"]],
            [row["ms_per_run_iteration"], *row["spread_ms"][::-1]],
            strict=True,
        ):
            assert share == pytest.approx(limit_ms / (row["batch"] * spent), rel=2e-3)
        einsum = next(other for other in by_name["einsum"] if other["dtype"] == row["dtype"])
        ratio = einsum["ms_per_run_iteration"] / row["ms_per_run_iteration"]
        assert row["ratio_to_einsum"] == pytest.approx(ratio, rel=2e-3)
    for method in bench("methods").METHODS:
        for row in by_name[method]:
            assert (row["d"], row["batch"]) == (10, 8)
            assert row["above_pass"] == pytest.approx(1 / row["fraction_of_limit"] - 1, rel=1e-2, abs=1e-3)
    # 250 rows of 55 numbers: of two bytes, or of a bit, eight a byte.
    assert [by_name[name][0]["bytes"] for name in ("bfloat16", "signs")] == [250 * 55 * 2, 250 * 7]
    assert all(row["ratio_to_float32"] > 0 for name in ("bfloat16", "signs") for row in by_name[name])
    for row in by_name["projected"]:
        parts = row["gradient_ms"] + row["eigh_ms"] + row["rest_ms"]
        assert parts == pytest.approx(row["ms_per_run_iteration"], rel=1e-2)
    assert all((tmp_path / f"roofline.{kind}").stat().st_size > 0 for kind in ("svg", "png"))
    text = bench("machines").document(rows)
    assert [text.count(f"\n| {name} | 10 |") for name in ("float32", "float64", "bfloat16", "signs")] == [1, 1, 1, 1]
    assert "None" not in text


def quick(folder, *arguments):
    """Run the quick benchmark into a folder."""
    command = [sys.executable, ROOT / "benchmarks" / "engine.py", "--quick", "--threads", "1", "--output", folder]
    return subprocess.run([*map(str, command), *arguments], cwd=folder, capture_output=True, text=True, timeout=300)


def run_rows(bench, share=0.5, **known):
    """Return the rows of a run: its machine, limits of 10 GB/s and 100 operations/ns, two batches of one size."""
    make_row = bench("engine").make_row
    case = {"d": 100, "m": 2500, "dtype": "float32"}
    return [
        make_row("machine", **{"device": "cpu", "device_name": "Maker (A)", "threads": 2, "torch": "2.13", "caches": {"L2": 2**20}} | known),
        make_row("copy", gb_per_s=8.0, gb_per_s_spread=[7.0, 9.0]),
        make_row("gemv", dtype="float32", gb_per_s=9.0, gb_per_s_spread=[8.0, 10.0]),
        make_row("gemm", dtype="float32", threads=2, gflop_per_s=60.0, gflop_per_s_spread=[50.0, 70.0]),
        make_row("memory", ratio=None),
        make_row(
            "engine", **case, batch=1, ms_per_run_iteration=0.02, ratio_to_autograd=4.0, fraction_of_limit=share,
            fraction_spread=[0.4, 0.6], cache=None,
        ),
        make_row("engine", **case, batch=8),
    ]  # fmt: skip


def test_rows_of_a_gpu_make_a_table_without_what_only_a_cpu_has(bench):
    text = bench("machines").document(run_rows(bench, device="cuda", device_name="a GPU"))
    assert text.startswith("a GPU, 2 threads, torch 2.13: at best 10 GB/s, 70 GFLOP/s in float32. Caches: L2 1 MiB.")
    assert "\n| float32 | 100 | – | 4.0 | – | – | 50% (40 to 60) | – | – |" in text
    assert "None" not in text


def test_a_processors_second_run_takes_the_place_of_its_first(bench, tmp_path, monkeypatch):
    machines = bench("machines")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    machines.DOCUMENT.write_text("before\n<!-- begin: bench -->\n<!-- end: bench -->\nafter\n", encoding="utf-8")
    for name, share in (("Maker (A)", 0.5), ("Maker (A)", 0.75), ("Maker B", 0.9)):
        machines.keep(run_rows(bench, share, device_name=name))
    assert sorted(path.name for path in machines.KEPT.iterdir()) == ["maker-a.json", "maker-b.json"]
    machines.fill_document("cpu")
    text = machines.DOCUMENT.read_text(encoding="utf-8")
    assert "50%" not in text
    assert text.index("### Maker (A)") < text.index("75%") < text.index("### Maker B") < text.index("after")


@pytest.mark.any_kernels
def test_a_gpu_that_is_not_there_is_said(bench, tmp_path, monkeypatch):
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    monkeypatch.setattr(sys, "argv", ["engine.py", "--quick", "--device", "cuda", "--output", str(tmp_path)])
    try:
        with pytest.raises(SystemExit, match=r"^engine.py: device = cuda: torch sees no CUDA device here"):
            bench("engine").main()
    finally:
        # Set for the whole process before the device is looked for.
        torch.set_flush_denormal(False)
    assert not any(tmp_path.iterdir())


@pytest.mark.gpu
def test_the_quick_benchmark_measures_a_gpu(bench, tmp_path):
    done = quick(tmp_path, "--device", "cuda")
    assert done.returncode == 0, done.stderr[-3000:]
    rows = json.loads((tmp_path / "engine.json").read_text(encoding="utf-8"))
    assert {row["device"] for row in rows} == {"cuda"}
    assert sum(row["name"] == "engine" and row["fraction_of_limit"] > 0 for row in rows) == 6
    assert "None" not in bench("machines").document(rows)


def test_the_roofline_of_a_small_case_is_the_one_worked_out_by_hand(bench):
    roofline = bench("roofline")
    # D = 55; 250 rows of 55 float32 numbers; 4·250·55·2 for the two products and 4·1000·2 for UUᵀ and MU.
    assert roofline.flops(10, 250, 2) == 110_000 + 8_000
    assert roofline.limit_seconds(55_000, 118_000, 10e9, 100e9) == pytest.approx(5.5e-6)
    assert roofline.limit_seconds(55_000, 118_000, 10e9, 10e9) == pytest.approx(11.8e-6)


def test_every_row_is_compared_with_the_best_that_was_seen_in_the_run(bench):
    roofline, rows = bench("roofline"), run_rows(bench)
    assert roofline.ceilings(rows) == (10e9, {"float32": 70e9})
    # Two threads of 40 in registers are faster than the library.
    rows.append({"name": "fma", "dtype": "float32", "threads": 2, "gflop_per_s_spread": [30.0, 40.0]})
    assert roofline.ceilings(rows) == (10e9, {"float32": 80e9})
    # 2 MB take 0.2 ms, and 2.4 million operations 0.03.
    small, large = rows[-3], rows[-2]
    small |= {"bytes": 500_000, "flops": 600_000, "ms_per_run_iteration": 0.04, "spread_ms": [0.025, 0.1]}
    large |= {"bytes": 2_000_000, "flops": 2_400_000, "ms_per_run_iteration": 0.02, "spread_ms": [0.0125, 0.05]}
    roofline.compare_with_limits(rows)
    assert (small["fraction_of_limit"], small["fraction_spread"], small["cache"]) == (1.25, [0.5, 2.0], "L2")
    assert (large["fraction_of_limit"], large["fraction_spread"], large["cache"]) == (1.25, [0.5, 2.0], None)
    # Only a cache explains more than the limit.
    assert roofline.beyond(rows) == [large]


def test_no_kept_row_is_faster_than_its_limit_without_a_cache_that_holds_what_it_reads(bench):
    roofline = bench("roofline")
    for path in sorted((ROOT / "reference" / "bench").glob("*.json")):
        rows = json.loads(path.read_text(encoding="utf-8"))
        kept = json.dumps(rows)
        roofline.compare_with_limits(rows)
        assert json.dumps(rows) == kept, path.name
        assert not roofline.beyond(rows), path.name


def test_the_picture_leaves_out_a_case_that_was_skipped(bench):
    rows = run_rows(bench)
    measured = {
        "name": "engine",
        "dtype": "float32",
        "d": 10,
        "batch": 2,
        "intensity": 2.1,
        "gflop_per_s": 8.0,
        "cache": "L2",
    }
    figure = bench("roofline").draw([*rows, measured])
    assert [text.get_text() for text in figure.axes[0].texts[1:]] == ["10·2"]


def test_the_engine_and_its_baselines_take_the_same_steps(bench):
    engine = bench("engine")
    ensemble = engine.draw(10, 250, torch.float64)
    cases = engine.descent_cases(ensemble, dict.fromkeys(["engine", *engine.BASELINES]))
    ours = cases["engine", 1](5)["factor"][0].numpy()
    assert not np.allclose(ours, 0.1 * np.eye(10), atol=1e-5)
    for name in engine.BASELINES:
        np.testing.assert_allclose(np.asarray(cases[name, 1](5)), ours, rtol=0, atol=1e-12)
    np.testing.assert_allclose(cases["engine", 8](5)["factor"][0], ours, rtol=0, atol=1e-12)


def test_a_case_that_needs_too_much_memory_is_named_and_not_measured(bench):
    engine = bench("engine")
    gib = 2**30
    assert "more than 8 GiB" in engine.reason_to_skip(9 * gib, 64 * gib)
    assert "4.0 GiB are free" in engine.reason_to_skip(2 * gib, 4 * gib, 2 * gib)
    assert engine.reason_to_skip(6 * gib, None) is None


def test_an_estimate_fills_its_jobs_and_names_what_a_figure_reads(bench):
    estimate = bench("estimate")
    sizes = {"long": (3, 120.0), "short": (2, 60.0), "other": (1, 600.0)}
    rows = [
        {
            "descent": name,
            "d": 10,
            "runs": 1,
            "jobs": jobs,
            "seconds_per_job": seconds,
            "may_stop_early": name == "short",
            "measured": [],
        }
        for name, (jobs, seconds) in sizes.items()
    ]
    # Three of two minutes on two cores take four, not three; two of one minute fit beside the last.
    assert estimate.makespan(estimate.computed(rows[:1]), 2) == pytest.approx(4)
    assert estimate.makespan(estimate.computed(rows[:2]), 2) == pytest.approx(4)
    assert estimate.makespan(estimate.computed(rows), 1) == pytest.approx(6 + 2 + 10)
    tier = {
        "figures": {"figure_a": ["table_a", "published"], "figure_b": ["published"], "figure_c": ["table_c"]},
        "experiments": {"table_a": {"select": ["long", "short"]}, "table_c": {"select": ["long"]}, "published": {}},
    }
    found = estimate.per_figure(tier, rows)
    assert found == [("figure_a", ["long", "short"], rows[:2]), ("figure_c", ["long"], rows[:1])]
    text = estimate.document(tier, rows, 2)
    assert "| `figure_a` | `long`, `short` | at most 4 |\n" in text
    assert "measured" not in text
    # One that takes three minutes, and two that take one and two.
    rows[0]["measured"] = [60.0, 180.0, 120.0]
    text = estimate.document(tier, rows, 2)
    assert "| `long` | 10 | 1 | 3 | 2 | 1 to 3 |" in text
    assert "| `short` | 10 | 1 | 2 | at most 1 | – |" in text
    assert "| `figure_a` | `long`, `short` | at most 4 | – |" in text
    assert "| `figure_c` | `long` | 4 | 3 |" in text
    assert "at most 10 minutes. Jobs" in text
    # One of the two short ones has run: the other is taken to be like it.
    rows[1]["measured"], rows[2]["measured"] = [30.0], [90.0]
    assert estimate.measured(rows) == [60.0, 180.0, 120.0, 30.0, 30.0, 90.0]
    text = estimate.document(tier, rows, 2)
    assert "| `short` | 10 | 1 | 2 | at most 1 | 0.5 (1 of them) |" in text
    assert "| `figure_a` | `long`, `short` | at most 4 | 3.5 |" in text
    assert "at most 10 minutes, by the measured jobs 4.5. Jobs" in text


def test_what_jobs_took_is_read_where_they_ran_with_these_settings_from_their_start(bench, tmp_path):
    estimate, results = bench("estimate"), tmp_path / "results" / "tier"
    tier = {"device": "cpu", "seed": 1, "experiments": {"one": recorded_descents(ensembles=3)}}
    assert estimate.measured_seconds(tier, "one", results) == []
    for number in range(3):
        known = {"config_sha256": settings_hash(tier), "device": "cpu", "seconds": 100.0 + number}
        records.write_table(results / "experiments" / "one" / f"part-{number}.csv", ["a"], [{"a": 1}], known)
        records.write_text(results / "logs" / "measure" / f"one-{number}.log", "ended: 3 budget\n")
    assert estimate.measured_seconds(tier, "one", results) == [100.0, 101.0, 102.0]
    records.write_text(results / "logs" / "measure" / "one-1.log", "continuing from iteration 70 (checkpoint.npz)\n")
    assert estimate.measured_seconds(tier, "one", results) == [100.0, 102.0]
    assert estimate.measured_seconds({**tier, "seed": 2}, "one", results) == []
    assert estimate.measured_seconds({**tier, "device": "cuda"}, "one", results) == []


def test_other_kernels_are_named_in_the_environment_and_one_that_is_set_stays(bench, monkeypatch):
    kernels = bench("kernels")
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    assert {name: kernels.environment(name)["OPENBLAS_CORETYPE"] for name in kernels.KERNELS} == {
        "AVX2": "Haswell",
        "SSE": "Nehalem",
    }
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Zen")
    assert kernels.environment("SSE")["OPENBLAS_CORETYPE"] == "Zen"
    show = "import os; print(os.environ['ATEN_CPU_CAPABILITY'], os.environ['OPENBLAS_CORETYPE'])"
    command = [sys.executable, "benchmarks/kernels.py", "SSE", sys.executable, "-c", show]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["default", "Zen"]
    done = subprocess.run([*command[:2], "VAX", "true"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "AVX2|SSE command" in done.stderr
