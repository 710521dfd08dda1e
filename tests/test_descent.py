import json
import os
import subprocess
import sys

import numpy as np
import plain
import pytest
import torch
from conftest import as_text, recorded_descents

from algoreg.algorithms.factored import start_matrix
from algoreg.engine import experiment
from algoreg.engine.checkpoint import Checkpoint
from algoreg.engine.experiment import Context
from algoreg.engine.loop import Descent
from algoreg.experiments.descents import generate, recorded, recorded_batch, result
from algoreg.numerics import problems
from algoreg.numerics.diagnostics import effective_rank
from algoreg.numerics.svec import smat
from algoreg.results import tables
from algoreg.settings.plan import experiment_options

PROBLEM = {"ensemble": "gaussian", "d": 7, "rank": 2, "m": 60, "target": {"kind": "columns"}, "targets": 3}
RECORD = {"errors": {"every": 10}, "spectrum": {"log_spaced": 4}}


def make(runs, dtype=torch.float64, record=RECORD, stop=None, problem=PROBLEM):
    arrays = problems.draw_problem(problem, 5, 0)
    ensemble = problems.regenerate_ensemble(problem, arrays, "cpu", dtype, "problem.npz")
    batch = recorded_batch(ensemble, arrays["factors"], arrays["labels"], "factored", runs, record, 5, stop)
    return batch, arrays, ensemble


def run(alpha=0.1, step=0.1, iterations=60, target=0, start="identity", m=60):
    return {"alpha": alpha, "step": step, "iterations": iterations, "target": target, "start": start, "m": m}


def test_with_own_targets_every_ensemble_has_another_target_and_tables_name_it():
    own = {"d": 7, "rank": 2, "m": 60, "targets": 1, "own_targets": True}
    options = experiment_options(recorded_descents(**own, runs=[{"alpha": 0.1, "step": 0.1, "iterations": 40}]))
    shared, parts = problems.draw_problem(PROBLEM, 5, 0)["factors"], []
    for number in range(3):
        assert np.array_equal(generate(options, 5, number)["factors"], shared[number : number + 1])
        context = Context(5, [number], torch.device("cpu"), torch.float64, lambda line: None)
        parts.append(as_text(experiment.measure("descents", options, context)))
    rows = tables.select({"by": ["alpha", "iteration"], "select": ["x"], "iterations": [40]}, parts)
    assert [(row["target"], row["ensemble"]) for row in rows] == [("0", "0"), ("1", "1"), ("2", "2")]


def test_a_table_of_runs_has_the_cells_of_what_is_recorded_and_an_empty_one_beyond_divergence():
    runs = [{"alpha": [0.3162, 0.1], "step": 0.1, "iterations": 40}, {"alpha": 1.0, "step": 50.0, "iterations": 40}]
    options = experiment_options(
        recorded_descents(runs=runs, record={"errors": {"every": 20}, "spectrum": {"at": [5]}})
    )
    context = Context(5, [0], torch.device("cpu"), torch.float64, lambda line: None)
    recorded = as_text(experiment.measure("descents", options, context))
    # Only eigenvalues are recorded at 5, and they fall.
    (early, *_) = [row for row in recorded if row["own_iteration"] == "5"]
    assert early["train_error"] == ""
    assert sorted(map(float, early["eigenvalues"].split()), reverse=True) == [*map(float, early["eigenvalues"].split())]
    table = {"by": ["alpha", "iteration"], "select": ["x"], "iterations": [20, 40], "alpha": [1.0, 0.3162]}
    rows = tables.select(table, [recorded])
    assert [(row["alpha"], row["iteration"], row["target"]) for row in rows] == [
        (alpha, iteration, target) for alpha in ("1", "0.3162") for iteration in (20, 40) for target in "01"
    ]
    for row in rows:
        (known,) = [
            one["train_error"]
            for one in recorded
            if all(one[key] == row[key] for key in ("run", "target")) and one["own_iteration"] == str(row["iteration"])
        ] or [""]
        assert row["train_error"] == known
        assert (row["train_error"] == "") == (row["status"] == "diverged")
    ends = tables.select({"by": ["alpha"], "select": ["x"], "iterations": "end"}, [recorded])
    assert {row["iterations"] for row in ends if row["status"] == "budget"} == {40}
    assert all(row["own_iteration"] == int(row["ended"]) for row in ends)
    with pytest.raises(ValueError, match="iteration 5 of run 0 was not recorded"):
        tables.select({**table, "iterations": [5]}, [recorded])


def test_in_a_papers_unit_iterations_count_as_the_papers():
    runs = [{"alpha": 0.1, "paper_step": 0.02, "paper_iterations": 200}]
    options = experiment_options(recorded_descents(runs=runs, step_factor=5, record={"errors": {"every": 100}}))
    context = Context(5, [0], torch.device("cpu"), torch.float64, lambda line: None)
    recorded = as_text(experiment.measure("descents", options, context))
    assert {(row["iteration"], row["own_iteration"], row["step"]) for row in recorded} == {
        ("0", "0", "0.1"), ("100", "20", "0.1"), ("200", "40", "0.1"),
    }  # fmt: skip
    rows = tables.select({"by": ["iteration"], "select": ["x"], "paper_iterations": [100]}, [recorded])
    assert {(row["iteration"], row["own_iteration"]) for row in rows} == {(100, 20)}


RUNS = [run(target=t, alpha=a, iterations=n) for t in range(3) for a, n in ((1.0, 40), (0.01, 90))]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_saved_and_resumed_is_bit_for_bit_the_same(tmp_path, dtype):
    batch, _, _ = make(RUNS, dtype)
    whole = recorded(batch)
    for cut in (1, 37, 40, 55):
        Checkpoint(tmp_path / "state.npz", "job").keep("batch", Descent(batch).run(until=cut).save())
        descent = Descent(make(RUNS, dtype)[0])
        descent.restore(Checkpoint(tmp_path / "state.npz", "job").parts["batch"])
        again = result(descent.run())
        for name, value in whole.items():
            assert np.array_equal(value, again[name]), (cut, name)


def test_checkpoint_of_another_job_or_a_damaged_one_is_not_used(tmp_path, capsys):
    path = tmp_path / "state.npz"
    Checkpoint(path, "job").keep("batch", Descent(make(RUNS)[0]).run(until=20).save())
    assert Checkpoint(path, "job").parts.keys() == {"batch"}
    assert Checkpoint(path, "other job").parts == {}
    path.write_bytes(path.read_bytes()[:500])
    assert Checkpoint(path, "job").parts == {}
    assert capsys.readouterr().out.count("starting over") == 2
    assert Checkpoint(tmp_path / "none.npz", "job").parts == {}


def test_a_killed_run_continues_from_its_checkpoint(tmp_path):
    batch, _, _ = make(RUNS)
    Checkpoint(tmp_path / "state.npz", "job").keep("running/1", Descent(batch).run(until=30).save())
    said = []
    checkpoint = Checkpoint(tmp_path / "state.npz", "job")
    found = result(Context(5, [], "cpu", torch.float64, said.append, checkpoint).descend(batch))
    assert "continuing from iteration 30" in said[0]
    assert np.array_equal(found["errors"], recorded(batch)["errors"])


@pytest.mark.witness("descents", "train_error", "test_error")
def test_against_a_plain_loop():
    batch, arrays, ensemble = make([run(alpha=0.3, step=0.08, iterations=50, target=1)])
    errors = recorded(batch)["errors"]
    matrices, labels = plain.unpack(ensemble.rows.numpy(), 7), arrays["labels"][1]
    u = plain.factored(0.3 * np.eye(7), matrices, labels, 0.08, 50)
    goal = arrays["factors"][1] @ arrays["factors"][1].T
    np.testing.assert_allclose(errors[-1, 2:], plain.relative_errors(u @ u.T, matrices, labels, goal), rtol=1e-9)


def test_a_run_alone_agrees_with_the_same_run_in_a_batch():
    batch, _, _ = make(RUNS)
    together = recorded(batch)["errors"]
    for number, single in enumerate(RUNS):
        alone, _, _ = make([single])
        errors = recorded(alone)["errors"]
        mine = together[together[:, 0] == number]
        mine = mine[np.isin(mine[:, 1], errors[:, 1])]
        np.testing.assert_allclose(mine[:, 2:], errors[np.isin(errors[:, 1], mine[:, 1])][:, 2:], rtol=1e-9)


def test_divergence_is_an_outcome_and_leaves_the_others_alone():
    good = run(target=0, iterations=200)
    batch, _, _ = make([good, run(target=1, step=50.0, iterations=200)])
    found = recorded(batch)
    assert found["status"].tolist() == ["budget", "diverged"]
    assert 0 < found["ended"][1] < 200
    assert np.isfinite(found["errors"]).all()
    alone, _, _ = make([good])
    mine = found["errors"][found["errors"][:, 0] == 0]
    np.testing.assert_allclose(mine, recorded(alone)["errors"], rtol=1e-9)


def test_stopping_by_train_error():
    batch, _, _ = make([run(alpha=0.1, iterations=5000)], stop=1e-2)
    found = recorded(batch)
    assert found["status"].tolist() == ["converged"]
    assert found["errors"][-1, 2] < 1e-2 <= found["errors"][-2, 2]
    assert found["errors"][-1, 1] == found["ended"][0] < 5000


def test_a_run_stops_at_the_first_tenth_iteration_whose_training_error_is_small():
    batch, arrays, ensemble = make([run(iterations=5000)], stop=1e-2, record={"errors": {"every": 1000}})
    matrices, labels = ensemble.unpacked().numpy(), arrays["labels"][0]
    u, iteration = 0.1 * np.eye(7), 0
    while np.linalg.norm(plain.measure(matrices, u @ u.T) - labels) >= 1e-2 * np.linalg.norm(labels):
        u, iteration = plain.factored(u, matrices, labels, 0.1, 10), iteration + 10
    assert recorded(batch)["ended"].tolist() == [iteration]


def test_recovers_and_records_a_growing_rank():
    problem = {**PROBLEM, "d": 10, "m": 54, "rank": 1}
    batch, _, _ = make([run(alpha=1e-3, step=0.2, iterations=400, m=54)], problem=problem)
    found = recorded(batch)
    assert found["errors"][-1, 3] < 0.02
    first, last = found["spectra"][0], found["spectra"][-1]
    assert first[2] == pytest.approx(10, rel=1e-6)
    assert last[2] < 1.1
    assert last[3] == pytest.approx(1, abs=0.02)


def test_right_rotation_of_the_start_changes_nothing():
    batch, _, _ = make([run(start="identity"), run(start="orthonormal")])
    errors = recorded(batch)["errors"]
    mine, other = (errors[errors[:, 0] == k][:, 2:] for k in (0, 1))
    np.testing.assert_allclose(mine, other, rtol=1e-10)
    basis = start_matrix("orthonormal", 7, 5, 0)
    torch.testing.assert_close(basis @ basis.T, torch.eye(7, dtype=torch.float64), rtol=0, atol=1e-12)


def test_targets():
    factor = problems.draw_factor({"kind": "columns"}, 9, 3, 0, 4)
    np.testing.assert_allclose(np.linalg.norm(factor, axis=0), 1)
    spectrum = problems.draw_factor({"kind": "spectrum", "eigenvalues": [1.0, 0.5, 0.1]}, 9, 3, 0, 4)
    np.testing.assert_allclose(np.linalg.svd(spectrum)[1] ** 2, [1.0, 0.5, 0.1])
    with pytest.raises(ValueError, match="rank = 4 is above d = 3"):
        problems.draw_factor({"kind": "columns"}, 3, 4, 0, 0)


def test_labels_are_exact_and_a_wrong_digest_is_refused():
    arrays = problems.draw_problem(PROBLEM, 5, 1)
    ensemble = problems.regenerate_ensemble(PROBLEM, arrays, "cpu", torch.float64, "p.npz")
    targets = torch.from_numpy(arrays["factors"] @ arrays["factors"].transpose(0, 2, 1))
    full = torch.einsum("mij,bij->bm", smat(ensemble.rows, 7), targets).numpy()
    np.testing.assert_allclose(arrays["labels"], full, rtol=1e-12, atol=1e-12)
    wrong = {**arrays, "ensemble_sha256": np.array("0" * 64)}
    with pytest.raises(problems.DigestMismatch, match=r"Delete p\.npz and rerun, or pin numpy"):
        problems.regenerate_ensemble(PROBLEM, wrong, "cpu", torch.float64, "p.npz")


SPECTRUM = {**PROBLEM, "target": {"kind": "spectrum", "eigenvalues": [1.0, 0.5]}, "rank": 2}


@pytest.mark.any_kernels
def test_digests_are_the_same_under_other_kernels():
    code = "import sys, json; from algoreg.numerics import problems; p = problems.draw_problem(json.loads(sys.argv[1]), 5, 1); "
    code += "print(p['ensemble_sha256'])"
    said = {
        subprocess.run(
            [sys.executable, "-c", code, json.dumps({**SPECTRUM, "d": 40})],
            env={**os.environ, **kernels},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for kernels in ({}, *({"OPENBLAS_CORETYPE": name} for name in ("Haswell", "Nehalem")))
    }
    assert len(said) == 1


def test_labels_that_are_not_finite_are_refused():
    _, arrays, ensemble = make([run()])
    labels = arrays["labels"].copy()
    labels[0, 0] = np.nan
    with pytest.raises(ValueError, match="labels are not finite"):
        recorded_batch(ensemble, arrays["factors"], labels, "factored", [run()], RECORD, 5)


def test_effective_rank():
    spectra = torch.tensor([[0.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    torch.testing.assert_close(effective_rank(spectra), torch.tensor([3.0, 1.0, 0.0]))
