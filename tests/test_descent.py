import json
import os
import subprocess
import sys

import numpy as np
import plain
import pytest
import torch

from algoreg.algorithms.factored import start_matrix
from algoreg.engine.checkpoint import Checkpoint
from algoreg.engine.loop import Descent
from algoreg.engine.recording import recorded, recorded_batch, result
from algoreg.engine.study import Context
from algoreg.numerics import problems
from algoreg.numerics.diagnostics import effective_rank
from algoreg.numerics.svec import smat
from algoreg.store import tables

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
    own = {**PROBLEM, "targets": 1, "own_targets": True}
    shared = problems.draw_problem(PROBLEM, 5, 0)["factors"]
    sources = []
    for number in range(3):
        arrays = problems.draw_problem(own, 5, number)
        assert np.array_equal(arrays["factors"], shared[number : number + 1])
        recorded = {"errors": np.array([[0, 40, 0.1, 0.2]]), "status": np.array(["budget"]), "ended": np.array([40])}
        sources.append((own, "factored", number, [{**run(iterations=40), "step_factor": 1}], recorded))
    experiment = {"by": ["alpha", "iteration"], "descents": ["x"], "paper_iterations": [40]}
    rows = tables.tabulate(experiment, sources)
    assert [(row["target"], row["ensemble"]) for row in rows] == [(0, 0), (1, 1), (2, 2)]


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


def test_digests_are_of_what_is_drawn_not_of_what_lapack_makes_of_it(monkeypatch):
    arrays, factorise = problems.draw_problem(SPECTRUM, 5, 1), np.linalg.qr

    def other_lapack(matrix):
        basis, upper = factorise(matrix)
        return np.nextafter(basis, 2.0), upper

    monkeypatch.setattr(np.linalg, "qr", other_lapack)
    elsewhere = problems.draw_problem(SPECTRUM, 5, 1)
    assert not np.array_equal(elsewhere["factors"], arrays["factors"])
    assert elsewhere["problem_sha256"] == arrays["problem_sha256"]
    others = [
        problems.draw_problem(SPECTRUM, 6, 1),
        problems.draw_problem(SPECTRUM, 5, 2),
        problems.draw_problem({**SPECTRUM, "targets": SPECTRUM["targets"] + 1}, 5, 1),
        problems.draw_problem({**SPECTRUM, "target": {"kind": "spectrum", "eigenvalues": [1.0, 0.4]}}, 5, 1),
        problems.draw_problem({**SPECTRUM, "target": {"kind": "columns"}}, 5, 1),
    ]
    assert len({str(one["problem_sha256"]) for one in [arrays, *others]}) == 6


@pytest.mark.any_kernels
def test_digests_are_the_same_under_other_kernels():
    code = "import sys, json; from algoreg.numerics import problems; p = problems.draw_problem(json.loads(sys.argv[1]), 5, 1); "
    code += "print(p['problem_sha256'], p['ensemble_sha256'])"
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
