"""Snakemake itself, on the smoke tier in a scratch copy of the repository."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from conftest import copy_repository, patched, patched_steps, snakemake

from algoreg import sources
from algoreg.judge import reference

pytestmark = [pytest.mark.workflow, pytest.mark.xdist_group("workflow")]


def planned(folder, *arguments, **options):
    """Return the number of jobs per rule that a dry run plans."""
    done = snakemake(folder, "-n", *arguments, **options)
    assert done.returncode == 0, done.stderr[-2000:]
    output = done.stdout + done.stderr
    if "Job stats" not in output:
        return {}
    stats = output.rsplit("Job stats:", 1)[1].split("total", 1)[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+)\s+(\d+)$", stats, re.MULTILINE)}


def test_everything_is_there_with_provenance(smoke):
    results = smoke / "results" / "smoke"
    claims = json.loads((results / "claims.json").read_text())
    registry = (smoke / "config" / "claims.yaml").read_text()
    assert [claim["id"] for claim in claims] == re.findall(r"^- id: (.*)$", registry, re.MULTILINE)
    assert {claim["verdict"] for claim in claims} == {"not-judged"}
    for claim in claims:
        assert (results / claim["provenance"]).exists()
    made = [
        p
        for p in results.rglob("*")
        if p.is_file()
        and p.parts[len(results.parts)]
        in ("tables", "figures", "claims", "descents", "problems", "notebooks", "report")
    ]
    assert len(made) > 25
    for path in made:
        assert (results / "provenance" / path.relative_to(results)).with_name(path.name + ".json").exists(), path
    header = (results / "tables" / "figure_2.csv").read_text().splitlines()[0]
    assert header.startswith("alpha,iteration,target,ensemble,train_error,test_error,status")
    assert not (results / "checkpoints").exists() or not list((results / "checkpoints").iterdir())
    assert planned(smoke) == {}


def named_modules(script):
    """Return the modules that a script finds by name: any of a folder, as the trace does not say which job it was."""
    folders = {"draw_figure.py": ["drawings"], "judge_claim.py": ["estimands"], "collect_claims.py": ["estimands"]}
    folders["measure.py"] = ["studies"]
    return tuple(
        f"algoreg.{folder}.{name}" for folder in folders.get(script, ()) for name in sources.module_names(folder)
    )


def test_scripts_load_only_what_their_rules_declare(smoke):
    seen = set()
    algorithms = [f"algoreg.algorithms.{name}" for name in ("factored", "projected", "stochastic")]
    extra = ("algoreg.ensembles.gaussian", *algorithms)
    for trace in (smoke / "trace").glob("*.txt"):
        name, *modules = trace.read_text().split("\n")
        script = name.split(".", 1)[1]
        seen.add(script)
        named = extra if script == "descend.py" else extra[:1] if script == "draw_problem.py" else named_modules(script)
        assert set(modules) <= sources.closure(smoke / "scripts" / script, named), script
    expected = {
        "draw_problem.py",
        "descend.py",
        "tabulate.py",
        "measure.py",
        "tabulate_study.py",
        "judge_claim.py",
        "collect_claims.py",
        "check_controls.py",
        "draw_figure.py",
        "build_page.py",
        "execute_notebook.py",
    }
    assert seen == expected


def test_edits_rerun_exactly_their_dependents(repository):
    source = repository / "src" / "algoreg"
    old = patched(
        source / "engine" / "recording.py", "# Convergence is looked", "# An edited comment. Convergence is looked"
    )
    assert planned(repository) == {}
    (source / "engine" / "recording.py").write_text(old)

    registry = repository / "config" / "claims.yaml"
    old = patched(registry, "margin: 0.1", "margin: 0.15")
    plan = planned(repository)
    assert {rule for rule in plan if rule.startswith("claim_")} == {"claim_fig1_initialisation"}
    assert not {"descend", "tabulate", "draw_figure"} & set(plan)
    registry.write_text(old)

    old = patched(source / "engine" / "recording.py", "CONVERGENCE_CHECK = 10", "CONVERGENCE_CHECK = 11")
    plan = planned(repository)
    assert plan["descend"] == 9
    assert plan["tabulate"] == 9
    assert "draw_problem" not in plan
    assert not any(rule.startswith("claim_") for rule in plan)  # nothing is judged on smoke
    (source / "engine" / "recording.py").write_text(old)

    old = patched(source / "figures.py", '"font.size": 9', '"font.size": 10')
    assert set(planned(repository)) == {"draw_figure", "build_page", "execute_notebook", "replication"}
    (source / "figures.py").write_text(old)
    assert planned(repository) == {}


def test_asking_for_one_thing_runs_only_what_it_needs(tmp_path):
    folder = copy_repository(tmp_path / "repository")
    plan = planned(folder, "claim_fig1_initialisation", tier="quick")
    assert plan == {"claim_fig1_initialisation": 1, "descend": 6, "draw_problem": 3, "tabulate": 2}
    plan = planned(folder, "results/quick/figures/figure_3.svg", tier="quick")
    assert plan == {"draw_figure": 1, "descend": 4, "draw_problem": 4, "tabulate": 1}
    plan = planned(folder, "results/quick/tables/figure_1_paper_step.csv", tier="quick")
    assert plan == {"descend": 4, "draw_problem": 3, "tabulate": 1}


def test_bad_settings_stop_before_any_job_with_all_problems(tmp_path):
    folder = copy_repository(tmp_path / "repository")
    path = folder / "config" / "smoke.yaml"
    patched(path, "dtype: float32", "dtype: float16")
    patched(path, "alpha: 1.0", "alpha: 1e-3")
    done = snakemake(folder)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert 'config/smoke.yaml: dtype = "float16": allowed is float32 or float64' in output
    patched(path, "dtype: float16", "dtype: float32")
    done = snakemake(folder)
    assert "write 1.0e-3" in done.stdout + done.stderr
    patched(path, "seed: 2018", "seed: 2018\nseed: 2019")
    done = snakemake(folder)
    assert "seed (line" in done.stdout + done.stderr
    assert "duplicate key" in done.stdout + done.stderr
    assert not (folder / "results" / "smoke").exists()


def test_a_gpu_that_is_not_there_is_said_before_any_job(tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    folder = copy_repository(tmp_path / "repository")
    done = snakemake(folder, "--config", "device=cuda")
    assert done.returncode != 0
    assert "torch sees no CUDA device" in done.stdout + done.stderr
    assert not (folder / "results" / "smoke").exists()


def test_damaged_results_are_refused_and_rerun_to_the_same_bytes(repository):
    table = repository / "results" / "smoke" / "tables" / "figure_1.csv"
    good = table.read_bytes()
    picture = repository / "results" / "smoke" / "figures" / "figure_1.png"
    before = picture.read_bytes()
    table.write_bytes(good.replace(b"budget", b"wudget", 1))
    picture.unlink()
    done = snakemake(repository, "figures")
    assert done.returncode != 0
    assert "Delete results/smoke/tables/figure_1.csv and rerun" in done.stdout + done.stderr
    table.unlink()
    assert snakemake(repository, "figures").returncode == 0
    assert table.read_bytes() == good
    assert picture.read_bytes() == before


def test_a_killed_descent_continues_and_gives_the_same_bytes(smoke, tmp_path):
    folder = copy_repository(tmp_path / "repository")
    target = "results/smoke/descents/gaussian_d10/ensemble-0.npz"
    config = folder / "config" / "smoke.yaml"
    patched(config, "checkpoint_seconds: 30", "checkpoint_seconds: 0.01")
    # Slow the steps down, so that there is time to kill.
    patched_steps(folder, "__import__('time').sleep(0.01 * count)")
    settings = {**os.environ, "PYTHONPATH": str(folder / "src")}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", target, "--configfile", "config/smoke.yaml"]
    process = subprocess.Popen(
        command, cwd=folder, env=settings, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    checkpoint = folder / "results" / "smoke" / "checkpoints" / "gaussian_d10-0.npz"
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert checkpoint.exists()
    assert not (folder / target).exists()
    assert snakemake(folder, "--unlock").returncode == 0
    done = snakemake(folder, target)
    assert done.returncode == 0, done.stderr[-2000:]
    log = (folder / "results" / "smoke" / "logs" / "descend" / "gaussian_d10-0.log").read_text()
    assert "continuing from iteration" in log
    assert not checkpoint.exists()
    assert (folder / target).read_bytes() == (smoke / target).read_bytes()


def test_verify_agrees_with_the_reference_and_turns_red(repository):
    done = snakemake(repository, "verify")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "verify: passed" in (repository / "results" / "smoke" / "verify.txt").read_text()
    path = repository / "config" / "smoke.yaml"
    path.write_text(path.read_text().replace("seed: 2018", "seed: 2019"))
    done = snakemake(repository, "verify")
    assert done.returncode != 0
    assert "DIFFERENT" in done.stdout + done.stderr


def test_a_reference_of_a_part_asks_for_that_part(repository):
    results, path = repository / "results" / "smoke", repository / "reference" / "runs" / "smoke.json"
    whole = json.loads(path.read_text())
    named = {
        "tables": ("figure_4",),
        "comparisons": (),
        "problems": ("gaussian_d10/ensemble-0", "gaussian_d10/ensemble-1"),
    }
    part = {key: {name: whole[key][name] for name in names} for key, names in named.items()}
    claims = [claim for claim in whole["claims"] if claim["id"] == "fig4-published"]
    path.write_text(reference.dumps({"partial": True, "cost": None, "claims": claims, **part}))
    for lost in ("claims.json", "controls.json", "tables/x_space.csv", "tables/figure_4.csv"):
        (results / lost).unlink()
    assert planned(repository, "verify") == {"tabulate": 1, "compare_with_reference": 1, "verify": 1}
    done = snakemake(repository, "verify")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    text = (results / "verify.txt").read_text()
    # Identical on the machine of the reference, within tolerance on another.
    head = (
        r"the reference is of a part of this tier: only that is compared\ntable figure_4: (identical|within tolerance)"
    )
    assert re.match(head, text)
    shown = subprocess.run(
        [sys.executable, "scripts/show_verdicts.py", "smoke"], cwd=repository, capture_output=True, text=True
    )
    assert "fig4-published" in shown.stdout
