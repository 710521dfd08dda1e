"""Snakemake itself, on the smoke tier in a scratch copy of the repository."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import (
    SCRATCH_CHAPTERS,
    append_code,
    copy_repository,
    registered_claims,
    set_yaml,
    snakemake,
    tiny_repository,
)

from algoreg import code_hash, plugins
from algoreg.regression import snapshots
from algoreg.results import records

pytestmark = pytest.mark.workflow

DESCENT, EXPERIMENT = "results/tiny/experiments/tiny_runs/part-0.csv", "results/tiny/tables/tiny_experiment.csv"


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
    own = [entry["id"] for entry in registered_claims() if entry["chapter"] in SCRATCH_CHAPTERS]
    assert [claim["id"] for claim in claims] == own
    assert {claim["verdict"] for claim in claims} == {"not-judged"}
    for claim in claims:
        assert (results / claim["provenance"]).exists()
    made = [
        p
        for p in results.rglob("*")
        if p.is_file()
        and p.parts[len(results.parts)] in ("tables", "figures", "claims", "data", "experiments", "notebooks", "report")
    ]
    assert len(made) > 25
    for path in made:
        assert (results / "provenance" / path.relative_to(results)).with_name(path.name + ".json").exists(), path
    header = (results / "tables" / "figure_2.csv").read_text().splitlines()[0]
    assert header.startswith("alpha,iteration,target,ensemble,train_error,test_error,status")
    assert not (results / "checkpoints").exists() or not list((results / "checkpoints").iterdir())
    assert planned(smoke) == {}


def named_modules(script):
    """Return the modules that a script finds by name: any of a kind, as the trace does not say which job it was."""
    kinds = {"draw_figures.py": "figures", "compare_with_reference.py": "experiments"}
    if script in ("measure.py", "generate.py"):
        algorithms = [f"algoreg.algorithms.{name}" for name in ("factored", "projected", "stochastic")]
        return [*plugins.modules("experiments").values(), "algoreg.ensembles.gaussian", *algorithms]
    return plugins.all_modules(kinds[script]) if script in kinds else []


def traces(folder):
    """Return what each job of the finished smoke tier did; see tests/trace/sitecustomize.py."""
    return [json.loads(path.read_text()) for path in (folder / "trace").glob("*.json")]


def test_scripts_load_only_what_their_rules_declare(smoke):
    seen = set()
    for job in traces(smoke):
        script = job["script"]
        seen.add(script)
        hashed = code_hash.code_hashes(smoke / "scripts" / script, named_modules(script))
        assert set(job["modules"]) - plugins.JOB_RECORDS <= hashed.keys(), script
    assert seen == {
        "generate.py",
        "measure.py",
        "tabulate_experiment.py",
        "tabulate.py",
        "skip_claims.py",
        "collect_claims.py",
        "check_controls.py",
        "draw_figures.py",
        "build_explorer.py",
        "build_page.py",
        "tabulate_verdicts.py",
        "execute_notebook.py",
        "compare_with_reference.py",
    }


def test_scripts_read_only_what_their_rules_declare(smoke):
    """An edit of any other file would leave results as they are that depend on it."""
    results = smoke / "results" / "smoke"
    # The lock's hash is recorded in sidecars, and changes no result. A job writes the others itself.
    free = [smoke / "requirements.lock", smoke / ".snakemake", results / "logs", results / "checkpoints"]
    read = 0
    for job in traces(smoke):
        inputs = [smoke / path for path in job["inputs"]]
        made = [smoke / path for path in job["outputs"]]
        known = {*inputs, *made, *(records.sidecar_path(path) for path in inputs if path.is_relative_to(results))}
        # These compare everything that their inputs are made from with its sidecar.
        compared = [results] if job["script"] in ("build_page.py", "compare_with_reference.py") else []
        for path in (Path(name) for name in job["opened"]):
            hidden = path.name.startswith(".") and path.name.endswith(".part")
            if not path.is_relative_to(smoke) or path.suffix in (".py", ".pyc", ".c") or hidden:
                continue
            read += path in inputs
            assert path in known or any(map(path.is_relative_to, [*free, *compared])), f"{job['script']} reads {path}"
    assert read > 100


def test_edits_rerun_exactly_their_dependents(tiny):
    def plan():
        return planned(tiny, "claims", "figures", EXPERIMENT, tier="tiny")

    chapter, core = tiny / "chapters" / "tiny", tiny / "src" / "algoreg"
    judging = {"claim_tiny_start", "collect_claims", "check_controls", "claims"}
    drawing = {"draw_tiny", "figures"}
    held, line, said = chapter / "algorithms" / "held.py", "EDITED = True", "# A comment."
    edits = [
        # What is said of the code is not the code, and no run here takes the other algorithm.
        ({held: said, core / "engine" / "loop.py": said, core / "algorithms" / "projected.py": line}, set()),
        ({chapter / "figures.py": line}, drawing),
        ({core / "reporting" / "figures.py": line}, drawing),
        ({core / "claims" / "estimands.py": line}, judging),
        (
            {core / "chapters" / "remarks" / "experiments" / "x_space.py": line},
            {"measure_part", "tabulate_experiment", *drawing},
        ),
        ({held: line}, {"measure_part", "tabulate", *judging, *drawing}),
    ]
    for lines, expected in edits:
        texts = {path: path.read_text() for path in lines}
        for path, added in lines.items():
            append_code(path, added)
        assert set(plan()) == expected, lines
        for path, text in texts.items():
            path.write_text(text)
    set_yaml(chapter / "claims.yaml", 0, "margin", to=0.95)
    # The figure draws the margin.
    assert set(plan()) == {*judging, *drawing}


@pytest.mark.slow
def test_another_title_or_paper_makes_again_what_shows_it(tiny):
    targets = [f"results/tiny/report/{name}.html" for name in ("verdicts", "index")]
    done = snakemake(tiny, *targets, tier="tiny")
    assert done.returncode == 0, done.stderr[-2000:]
    assert planned(tiny, *targets, tier="tiny") == {}
    set_yaml(tiny / "chapters" / "tiny" / "chapter.yaml", "title", to="Another")
    rebuilt = {"collect_claims": 1, "tabulate_verdicts": 1, "build_page": 1}
    assert planned(tiny, *targets, tier="tiny") == rebuilt
    assert planned(tiny, targets[0], tier="tiny") == {"collect_claims": 1, "tabulate_verdicts": 1}
    assert snakemake(tiny, *targets, tier="tiny").returncode == 0
    (tiny / "references.bib").write_text((tiny / "references.bib").read_text() + "\n")
    assert planned(tiny, *targets, tier="tiny") == {"build_page": 1}


def test_a_notebook_that_shows_committed_verdicts_is_executed_again_where_they_change(repository):
    notebook = "results/smoke/notebooks/18_remarks.ipynb"
    for name, plan in (("theorem", {}), ("remarks", {"execute_notebook": 1})):
        committed = repository / "reference" / "standard" / name / "claims.json"
        committed.write_text(committed.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        assert planned(repository, notebook) == plan


def test_a_notebook_that_opens_what_its_metadata_do_not_name_fails(repository):
    path = repository / "notebooks" / "04_rank_one.ipynb"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["metadata"]["algoreg"]["tables"].remove("rank_one_dynamics")
    path.write_text(json.dumps(content), encoding="utf-8")
    done = snakemake(repository, "results/smoke/notebooks/04_rank_one.html")
    assert done.returncode != 0
    # A table's sidecar is opened before the table.
    refused = (
        r"tables/rank_one_dynamics\.csv\.json: no result of this tier that the notebook's metadata \(algoreg\) name"
    )
    assert re.search(refused, done.stdout + done.stderr)


def test_asking_for_one_thing_runs_only_what_it_needs(tmp_path):
    folder = copy_repository(tmp_path / "repository")
    plan = planned(folder, "claim_fig1_initialisation", tier="quick")
    assert plan == {"claim_fig1_initialisation": 1, "generate": 6, "measure_part": 2, "tabulate": 2}
    plan = planned(folder, "results/quick/tables/figure_1_paper_step.csv", tier="quick")
    assert plan == {"generate": 4, "measure_part": 4, "tabulate": 1}
    plan = planned(folder, "results/quick/notebooks/00_first_look.html", tier="quick")
    assert plan == {"execute_notebook": 1}
    plan = planned(folder, "results/quick/notebooks/18_remarks.html", tier="quick")
    claims = {name for name in plan if name.startswith("claim_")}
    remarks = [entry["id"] for entry in registered_claims() if entry["chapter"] == "remarks"]
    assert claims <= {f"claim_{name.replace('-', '_')}" for name in remarks}
    assert claims
    assert plan["draw_remarks"] == 1
    assert "collect_claims" not in plan


def test_bad_settings_stop_before_any_job_with_all_problems(tmp_path):
    folder = copy_repository(tmp_path / "repository")
    path = folder / "config" / "smoke.yaml"
    set_yaml(path, "dtype", to="float16")
    done = snakemake(folder)
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert 'config/smoke.yaml: dtype = "float16": Input should be ' in output
    assert "'float32' or 'float64'" in output
    set_yaml(path, "dtype", to="float32")
    path.write_text(f"{path.read_text()}seed: 2019\n")
    done = snakemake(folder)
    assert "seed (line" in done.stdout + done.stderr
    assert "duplicate key" in done.stdout + done.stderr
    assert not (folder / "results" / "smoke").exists()


def test_bad_settings_of_a_chapter_stop_before_any_job(tmp_path):
    folder = tiny_repository(tmp_path / "repository")
    set_yaml(
        folder / "chapters" / "tiny" / "experiments.yaml",
        "experiments",
        "tiny_runs",
        "options",
        "runs",
        0,
        "alpha",
        to="1e-3",
    )
    done = snakemake(folder, tier="tiny")
    assert done.returncode != 0
    assert "write 1.0e-3" in done.stdout + done.stderr
    assert not (folder / "results" / "tiny").exists()


def test_a_gpu_that_is_not_there_is_said_before_any_job(tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    folder = copy_repository(tmp_path / "repository")
    done = snakemake(folder, "--config", "device=cuda")
    assert done.returncode != 0
    assert "torch sees no CUDA device" in done.stdout + done.stderr
    assert not (folder / "results" / "smoke").exists()


def test_damaged_results_are_refused_and_rerun_to_the_same_bytes(tiny):
    table = tiny / "results" / "tiny" / "tables" / "tiny.csv"
    good = table.read_bytes()
    picture = tiny / "results" / "tiny" / "figures" / "tiny.png"
    before = picture.read_bytes()
    table.write_bytes(good.replace(b"budget", b"wudget", 1))
    picture.unlink()
    done = snakemake(tiny, "figures", tier="tiny")
    assert done.returncode != 0
    assert "Delete results/tiny/tables/tiny.csv and rerun" in done.stdout + done.stderr
    table.unlink()
    assert snakemake(tiny, "figures", tier="tiny").returncode == 0
    assert table.read_bytes() == good
    assert picture.read_bytes() == before


@pytest.mark.slow
def test_a_killed_descent_continues_and_gives_the_same_bytes(finished_tiny, tmp_path):
    """All of a session is killed at once, as by a power cut."""
    folder = tiny_repository(tmp_path / "repository", checkpoint_seconds=1e-9)
    (folder / "hold").write_text("200")
    settings = {**os.environ, "PYTHONPATH": str(folder / "src")}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", DESCENT, "--configfile", "config/tiny.yaml"]
    process = subprocess.Popen(
        command, cwd=folder, env=settings, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    checkpoint = folder / "results" / "tiny" / "checkpoints" / "measure-tiny_runs-0.npz"
    deadline = time.monotonic() + 600
    while not checkpoint.exists() or int(records.load_arrays(checkpoint)["running/1/reached"][0]) < 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    (folder / "hold").unlink()
    assert not (folder / DESCENT).exists()
    assert snakemake(folder, "--unlock", tier="tiny").returncode == 0
    done = snakemake(folder, DESCENT, tier="tiny")
    assert done.returncode == 0, done.stderr[-2000:]
    log = (folder / "results" / "tiny" / "logs" / "measure" / "tiny_runs-0.log").read_text()
    assert "continuing from iteration 200" in log
    assert not checkpoint.exists()
    assert (folder / DESCENT).read_bytes() == (finished_tiny / DESCENT).read_bytes()


def test_verify_turns_red_where_the_reference_is_of_another_seed(tiny):
    """Its own seed's is green: the fixture saw to that."""
    set_yaml(tiny / "config" / "tiny.yaml", "seed", to=2019)
    done = snakemake(tiny, "verify", tier="tiny")
    assert done.returncode != 0
    assert "DIFFERENT" in done.stdout + done.stderr


def test_a_reference_of_a_part_asks_for_that_part(repository):
    results, folder = repository / "results" / "smoke", repository / "reference" / "smoke"
    claims = json.loads((folder / "simulations" / "claims.json").read_text())["claims"]
    table = (folder / "simulations" / "figure_4.csv").read_text()
    shutil.rmtree(folder)
    claims = [claim for claim in claims if claim["id"] == "fig4-published"]
    texts = {"tables": {"figure_4": table}, "comparisons": {}}
    snapshots.write(folder / "simulations", texts, claims, partial=True)
    for lost in ("claims.json", "controls.json", "tables/x_space.csv", "tables/figure_4.csv"):
        (results / lost).unlink()
    assert planned(repository, "verify") == {"tabulate": 1, "compare_with_reference": 1, "verify": 1}
    done = snakemake(repository, "verify")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    text = (results / "verify.txt").read_text()
    # Identical on the machine of the reference; rounding may move a cell on another.
    head = r"chapter simulations:\nthe reference covers a part of this tier: only that part is compared\ntable figure_4: (identical|agrees)"
    assert re.search(head, text)
    shown = subprocess.run(
        [sys.executable, "tools/show_verdicts.py", "smoke"], cwd=repository, capture_output=True, text=True
    )
    assert "fig4-published" in shown.stdout
