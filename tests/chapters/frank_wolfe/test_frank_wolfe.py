"""Frank–Wolfe with delays and batches against plain loops, real processes, the figures and bad options."""

import json
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import plain
import pytest
from conftest import ROOT, gaussian_problem, measured, option_problems
from drawn import RUNS, crossed, curve, drawn_law, geometric, has_band, margin, same, where

from algoreg import plugins
from algoreg.chapters.frank_wolfe import estimands, master, worker
from algoreg.chapters.frank_wolfe.experiments import frank_wolfe_messages
from algoreg.claims import judging
from algoreg.claims.intervals import Estimate
from algoreg.claims.thresholds import find_thresholds
from algoreg.ensembles.rank_one import Ensemble
from algoreg.numerics.problems import draw_factor
from algoreg.numerics.seeds import stream
from algoreg.reporting.figures import draw
from algoreg.reporting.wording import verdict_table
from algoreg.settings.chapters import load_chapters

pytestmark = pytest.mark.replicates(100)

SEED = 5


def problem(d, rank, m, target=1):
    """Return matrices, labels and X* of a judged problem."""
    return gaussian_problem(d, [1.0] * rank, m, SEED, target)


def frank_wolfe(matrices, labels, theta, count, *, delay=0, batch=0, search=False):
    """Return X after some steps, written plainly."""
    d = matrices.shape[1]
    past = [np.zeros((d, d))]
    for k in range(count):
        rows = slice(None)
        if batch:
            names = {"seed": SEED, "ensemble": 0, "batch": batch, "step": k}
            rows = stream("frank-wolfe-batch", **names).integers(len(labels), size=batch)
        slope = plain.gradient(matrices[rows], past[max(k - delay, 0)], labels[rows])
        values, vectors = np.linalg.eigh(-slope)
        goal = theta * np.outer(vectors[:, -1], vectors[:, -1]) * (values[-1] > 0)
        x = past[-1]
        step = 2 / (k + 2)
        if search:
            along = plain.measure(matrices, goal - x)
            seen = past[max(k - delay, 0)]
            curvature = max(along @ along, 1e-30)  # a late search may sit on its own vertex
            step = np.clip(-along @ (plain.measure(matrices, seen) - labels) / curvature, 0, 1)
        past.append(x + step * (goal - x))
    return past[-1]


@pytest.mark.witness("stochastic_frank_wolfe", "test_error", "loss")
@pytest.mark.parametrize(("delay", "batch"), [(0, 0), (3, 0), (3, 20)])
def test_late_gradients_and_batches_are_those_of_a_plain_loop(delay, batch):
    options = {"d": 6, "rank": 1, "batch": [batch], "lag": [0, 3], "at": [5, 12], "targets": 2}
    table = measured("stochastic_frank_wolfe", options, seed=SEED)
    matrices, labels, goal = problem(6, 1, 48)
    for k in (5, 12):
        row = table[(table["lag"] == delay + 1) & (table["iteration"] == k) & (table["target"] == 1)].iloc[0]
        x = frank_wolfe(matrices, labels, 1.0, k, delay=delay, batch=batch)
        left = np.sum((plain.measure(matrices, x) - labels) ** 2) / np.sum(labels**2)
        np.testing.assert_allclose(row["loss"], left, rtol=1e-7)
        np.testing.assert_allclose(row["test_error"], plain.relative_error(x, goal), rtol=1e-8)


def test_a_late_line_search_is_that_of_a_plain_loop():
    options = {"d": 6, "rank": 1, "rule": "line-search", "batch": [0], "lag": [0, 2], "at": [5, 12], "targets": 2}
    table = measured("stochastic_frank_wolfe", options, seed=SEED)
    matrices, labels, goal = problem(6, 1, 48)
    for lag in (1, 3):
        row = table[(table["lag"] == lag) & (table["iteration"] == 12) & (table["target"] == 1)].iloc[0]
        x = frank_wolfe(matrices, labels, 1.0, 12, delay=lag - 1, search=True)
        np.testing.assert_allclose(row["test_error"], plain.relative_error(x, goal), rtol=1e-6)


@pytest.mark.witness("frank_wolfe_course", "loss", "test_error")
@pytest.mark.parametrize("rule", ["open-loop", "line-search"])
def test_the_course_is_that_of_a_plain_loop(rule):
    options = {"d": 6, "rank": 2, "rule": [rule], "trace_factor": [1.0], "first": 5, "last": 20, "targets": 2}
    table = measured("frank_wolfe_course", options, seed=SEED)
    row = table[(table["iteration"] == 20) & (table["target"] == 1)].iloc[0]
    matrices, labels, goal = problem(6, 2, 96)
    x = frank_wolfe(matrices, labels, 2.0, 20, search=rule == "line-search")
    np.testing.assert_allclose(row["test_error"], plain.relative_error(x, goal), rtol=1e-6)
    np.testing.assert_allclose(row["loss"], np.sum((plain.measure(matrices, x) - labels) ** 2) / np.sum(labels**2))


NETWORKS = {"d": 5, "rank": 1, "m_over_dr": [3, 6], "trace_factor": [0.8, 1.0], "iterations": 30, "targets": 2}


@pytest.mark.witness("frank_wolfe_networks", "test_error", "status", "d")
def test_networks_are_learnt_as_by_plain_loops():
    table = measured("frank_wolfe_networks", NETWORKS, seed=SEED)
    vectors = Ensemble.draw(5, 30, SEED, 0).vectors.numpy()[:15]
    matrices = np.einsum("ni,nj->nij", vectors, vectors)
    factor = draw_factor({"kind": "spectrum", "eigenvalues": [1.0]}, 5, 1, SEED, 1)
    goal = factor @ factor.T
    labels = plain.measure(matrices, goal)
    u, free = 1e-4 * np.eye(5), 1e-4 * np.eye(5)
    for _ in range(400):
        seen = plain.measure(matrices, u @ u.T)
        m = np.tensordot((seen - labels) * (seen <= 10), matrices, 1) / 15
        u = (u - 0.1 * m @ u) / (1 - 0.1 * (np.sum(u**2) - 1))
        free = free - 0.1 * plain.gradient(matrices, free @ free.T, labels) @ free
    ends = {"frank-wolfe": frank_wolfe(matrices, labels, 1.0, 30), "algorithm-1": u @ u.T, "descent": free @ free.T}
    for method, x in ends.items():
        own = table[(table["method"] == method) & (table["trace_factor"] == 1) & (table["m"] == 15)]
        error = own.loc[own["target"] == 1, "test_error"].iloc[0]
        np.testing.assert_allclose(error, plain.relative_error(x, goal), rtol=1e-6)
    # A τ too small makes Algorithm 1 divide by what is not positive in the end; a θ too small keeps X in its set.
    small = where(table, trace_factor=0.8).set_index("method")
    assert (small.loc["frank-wolfe", "test_error"] > 0.19).all()
    assert set(small.loc["algorithm-1", "status"]) == {"diverged"}
    assert small.loc["algorithm-1", "test_error"].isna().all()
    assert set(table.loc[table["test_error"].notna(), "status"]) == {"budget"}
    assert set(table["d"]) == {5}
    # Descent is told nothing.
    errors = [where(table, method="descent", trace_factor=told)["test_error"].to_numpy() for told in (0.8, 1.0)]
    np.testing.assert_array_equal(*errors)


def nearest_on_simplex(values, total):
    """Return the nearest non-negative numbers of a sum: all less one level, found by bisection."""
    low, high = min(values) - total, max(values)
    for _ in range(200):
        level = (low + high) / 2
        low, high = (level, high) if np.maximum(values - level, 0).sum() > total else (low, level)
    return np.maximum(values - level, 0)


@pytest.mark.witness("frank_wolfe_trace", "test_error")
def test_methods_that_are_told_a_trace_and_descent_are_those_of_plain_loops():
    options = {"d": 8, "rank": 1, "m_over_dr": 2.5, "trace_factor": [1.2], "keep": 3, "iterations": 15, "targets": 2}
    table = measured("frank_wolfe_trace", options, seed=SEED)
    table = table[table["target"] == 1].set_index("method")["test_error"]
    matrices, labels, goal = problem(8, 1, 20)
    x, u = np.zeros((8, 8)), 1e-3 * np.eye(8)
    for _ in range(15):
        values, vectors = np.linalg.eigh(x - 0.6 * plain.gradient(matrices, x, labels))
        kept = nearest_on_simplex(values[-3:], 1.2)
        x = (x + (vectors[:, -3:] * kept) @ vectors[:, -3:].T) / 2
    u = plain.factored(u, matrices, labels, 0.25, 400)
    np.testing.assert_allclose(table["told θ"], plain.relative_error(x, goal), rtol=1e-6)
    np.testing.assert_allclose(table["descent"], plain.relative_error(u @ u.T, goal), rtol=1e-6)


@pytest.mark.known_answer("exponent_of_messages")
def test_the_exponent_of_what_was_sent_is_not_measured_where_the_machine_allows_no_sockets():
    rows = [
        {"method": method, "d": d, "ensemble": ensemble, "sockets": 1, "sent": (1 + ensemble) * d**power}
        for method, power in (("vectors", 1), ("matrices", 2))
        for d in (10, 20, 80)
        for ensemble in range(3)
    ]
    frame, rng = pd.DataFrame(rows), np.random.default_rng(0)
    asked = {"table": "t", "value": "sent", "along": "d"}
    for method, power in (("vectors", 1), ("matrices", 2)):
        found = estimands.exponent_of_messages({"t": frame}, {}, rng, where={"method": method}, **asked)
        assert found.value == pytest.approx(power)
    some = frame.assign(sockets=(frame["d"] > 10).astype(int))
    with pytest.raises(judging.NotMeasured, match="the machine allows no sockets"):
        estimands.exponent_of_messages({"t": some}, {}, rng, where={"method": "vectors"}, **asked)


@pytest.mark.known_answer("ratio_of_examples")
def test_the_ratio_of_examples_takes_the_end_of_the_grid_where_nothing_recovers():
    rows = [
        {"method": method, "trace_factor": told, "d": 4, "m": m, "test_error": error, "status": "budget"} | run
        for method, told, errors in (
            ("frank-wolfe", 1.0, (1.0, 0.01, 0.01)),
            ("frank-wolfe", 0.8, (1.0, 1.0, 1.0)),
            ("algorithm-1", 1.0, (1.0, 1.0, 0.01)),
        )
        for m, error in zip((8, 16, 32), errors, strict=True)
        for run in ({"target": t, "ensemble": e} for t in range(2) for e in range(3))
    ]
    tables, rng = {"t": pd.DataFrame(rows)}, np.random.default_rng(0)
    fixed = {"table": "t", "method": "frank-wolfe", "against": "algorithm-1", "tolerance": 0.1}
    assert estimands.ratio_of_examples(tables, {}, rng, trace_factor=1, **fixed).value == pytest.approx(1 / 2)
    # Half way from 16 to 32 for Algorithm 1, in both logarithms; 32 for a method that is never there.
    assert estimands.ratio_of_examples(tables, {}, rng, trace_factor=0.8, **fixed).value == pytest.approx(2**0.5)
    swapped = {**fixed, "method": "algorithm-1", "against": "frank-wolfe"}
    lost = {"t": tables["t"].assign(test_error=1.0)}
    assert estimands.ratio_of_examples(lost, {}, rng, trace_factor=1, **swapped).value is None


def test_a_step_is_the_masters_and_the_workers():
    # γ_0 = 1: the first step goes all the way.
    v = np.array([0.6, 0.8])
    np.testing.assert_allclose(worker.moved(np.eye(2), v, 0, 2.0), 2 * np.outer(v, v))
    np.testing.assert_allclose(worker.direction(np.diag([3.0, -2.0])), [0, 1])
    assert not worker.direction(np.eye(2)).any()


MESSAGES = {"d": [4, 8], "protocol": ["asynchronous", "synchronous"], "iterations": 6, "limit": 60.0}


@pytest.fixture(scope="module")
def messages():
    """Return one table of real processes: it takes seconds."""
    return measured("frank_wolfe_messages", MESSAGES, seed=SEED)


@pytest.mark.witness("frank_wolfe_messages", "bytes", "sockets")
def test_real_processes_send_what_their_records_hold(messages):
    assert set(messages["status"]) == {"converged"}
    assert messages["sockets"].eq(1).all()
    for protocol, numbers in (("asynchronous", lambda d: d + 1), ("synchronous", lambda d: d * d + 1)):
        own = messages[messages["protocol"] == protocol].set_index("d")
        times = 1 if protocol == "asynchronous" else 2
        for d in (4, 8):
            # The ends of two workers are a byte each, over all messages: in the asynchronous protocol one an iteration,
            # and one that is on its way from each worker when the work ends.
            length = 8 * numbers(d) + 2 / (12 if protocol == "synchronous" else 8)
            np.testing.assert_allclose(own.loc[d, "up"], length * times, rtol=1e-8)
            np.testing.assert_allclose(own.loc[d, "down"], 8 * numbers(d) * 2, rtol=1e-8)
            np.testing.assert_allclose(own.loc[d, "bytes"], length * times + 8 * numbers(d) * 2, rtol=1e-8)
    assert (messages.loc[messages["protocol"] == "synchronous", "per_slow_step"] == 1).all()


def orders_of(folder, rows, labels, **told):
    """Write what workers read; return the orders of a run on it."""
    worker.write_data(folder, rows, labels)
    shared = {"d": 2, "theta": 1.0, "path": str(folder), "batch": 1, "seed": 1, "ensemble": 0}
    return {**shared, "iterations": 5, "workers": 2, "sleep": 0.0, "limit": 60.0, "protocol": "synchronous", **told}


def left_over():
    """Return the processes that this one has started with multiprocessing and that still run."""
    return multiprocessing.active_children()


def test_a_run_has_the_same_numbers_again_and_leaves_no_process(tmp_path):
    rng = np.random.default_rng(0)
    orders = orders_of(tmp_path, rng.normal(size=(12, 3)), rng.normal(size=12), batch=4, iterations=6)
    first, again = (master.run(orders) for _ in range(2))
    assert not left_over()
    np.testing.assert_array_equal(first.x, again.x)
    assert (first.messages, first.up, first.down) == (again.messages, again.up, again.down)
    # Records of 1 + d² numbers: a gradient from each worker per iteration, and a byte at its end; X and the last to it.
    assert (first.messages, first.up) == (2 * 6, 2 * 6 * 8 * 5 + 2)
    assert (first.records, first.down) == (2 * 7, 2 * 7 * 8 * 5)
    assert first.delays == [0] * 6


def test_a_worker_that_gets_lost_is_no_endless_wait(tmp_path):
    orders = orders_of(tmp_path, np.zeros((2, 3)), np.zeros(2), path=str(tmp_path / "nowhere"), limit=600.0)
    with pytest.raises(master.LinesFailed, match="a worker has ended"):
        master.run(orders)
    assert not left_over()


@pytest.mark.parametrize("protocol", ["asynchronous", "synchronous"])
def test_a_worker_that_is_killed_during_a_run_ends_it(tmp_path, monkeypatch, protocol):
    def kill(x, v, number, theta):
        if number == 1:
            left_over()[0].kill()
        return moved(x, v, number, theta)

    moved = worker.moved
    monkeypatch.setattr(master.worker, "moved", kill)
    orders = orders_of(tmp_path, np.zeros((2, 3)), np.zeros(2), protocol=protocol, iterations=10**6, limit=600.0)
    with pytest.raises(master.LinesFailed, match="a worker has ended"):
        master.run(orders)
    assert not left_over()


@pytest.mark.parametrize("protocol", ["asynchronous", "synchronous"])
def test_workers_that_do_not_answer_end_with_the_time_limit(tmp_path, protocol):
    told = {"protocol": protocol, "sleep": 600.0, "workers": 1, "limit": 3.0}
    with pytest.raises(master.LinesFailed, match="the time limit of the run is over"):
        master.run(orders_of(tmp_path, np.zeros((2, 3)), np.zeros(2), **told))
    assert not left_over()


def test_a_worker_that_reads_nothing_ends_with_the_time_limit(tmp_path, monkeypatch):
    def stop(connection, first, numbers):
        for process in left_over():
            os.kill(process.pid, signal.SIGSTOP)
        return send(connection, first, numbers)

    send = worker.send
    monkeypatch.setattr(master.worker, "send", stop)
    # A record of 2 MB, more than the system keeps for who does not read.
    d = 500
    told = {"d": d, "workers": 1, "limit": 5.0}
    with pytest.raises(master.LinesFailed, match="the time limit of the run is over"):
        master.run(orders_of(tmp_path, np.zeros((2, d * (d + 1) // 2)), np.zeros(2), **told))
    assert not left_over()


# A job: a script that a worker imports, too, and that has its own folder in front of the path.
JOB = """
import json, os, sys

if __name__ == "__main__":
    from algoreg.chapters.frank_wolfe import master

    print(json.dumps(os.getpid()), flush=True)
    print(master.run(json.loads(sys.argv[1])).messages, flush=True)
"""


def job(tmp_path, orders):
    """Start a job in a folder with files named as what its workers import; each says so, and ends who imports it."""
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("algoreg", "numpy", "torch", "multiprocessing", "pickle", "socket", "random", "json"):
        (folder / f"{name}.py").write_text(f"open('imported-{name}', 'w')\nraise SystemExit('{name}')\n")
    script = tmp_path / "script" / "measure.py"
    script.parent.mkdir()
    script.write_text(JOB)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    environment["PYTHONPATH"] = str(ROOT / "src")
    command = [sys.executable, script, json.dumps(orders)]
    return folder, subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)


def test_workers_import_nothing_from_the_working_directory(tmp_path):
    orders = orders_of(tmp_path, np.zeros((2, 3)), np.zeros(2))
    folder, process = job(tmp_path, orders)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert output.split()[1:] == ["10"]
    assert not list(folder.glob("imported-*"))


def test_workers_import_the_script_of_their_job_and_run_nothing_of_it():
    # multiprocessing runs a job's script in each worker under this name.
    named = runpy.run_path(str(ROOT / "scripts" / "measure.py"), run_name="__mp_main__")
    assert {name for name in named if not name.startswith("__")} == set()


def children_of(parent):
    """Return the processes that a process has started and that have not ended."""
    lines = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in lines.splitlines()]
    return [int(pid) for pid, above, state in rows if int(above) == parent and not state.startswith("Z")]


def runs(pid):
    """Return whether a process has not ended."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return bool(done.stdout.strip()) and not done.stdout.startswith("Z")


def test_a_killed_job_leaves_no_worker(tmp_path):
    orders = orders_of(tmp_path, np.zeros((2, 3)), np.zeros(2), iterations=10**9, limit=600.0)
    _, process = job(tmp_path, orders)
    process.stdout.readline()
    ended = time.monotonic() + 60
    while len(found := children_of(process.pid)) < 3 and time.monotonic() < ended:
        time.sleep(0.1)
    assert len(found) == 3, "two workers, and the process that multiprocessing has for what it tracks"
    process.kill()
    process.wait()
    while any(map(runs, found)) and time.monotonic() < ended:
        time.sleep(0.1)
    assert not any(map(runs, found))


def _entry(name):
    (entry,) = (entry for chapter in load_chapters(["frank_wolfe"]) for entry in chapter.claims if entry["id"] == name)
    return entry


def test_a_claim_whose_control_the_machine_does_not_allow_is_not_judged():
    def estimand(tables, published, rng, *, where, **others):
        if where["protocol"] == "synchronous":
            raise judging.NotMeasured("no sockets")
        return Estimate(1.0, 0.9, 1.1)

    entry = _entry("sfw-asyn-bytes")
    functions = {entry["estimand"]["name"]: estimand}
    judged = judging.judge({**entry, "criterion": "bytes"}, {}, {}, SEED, functions)
    assert (judged["verdict"], judged["not_judged"]) == (judging.NOT_JUDGED, "no sockets")
    assert judged["estimate"] is None


def test_without_sockets_there_are_no_values_and_no_verdict(monkeypatch):
    def refused(duplex=True):
        raise PermissionError("no sockets here")

    monkeypatch.setattr(master.CONTEXT, "Pipe", refused)
    table = measured("frank_wolfe_messages", {**MESSAGES, "d": [4, 8, 16]}, seed=SEED, ensembles=(0, 1))
    assert set(table["status"]) == {"budget"}
    assert table["bytes"].isna().all()
    assert table["sockets"].eq(0).all()
    # Nothing was measured, so nothing is judged, and it is said why: not inconclusive, as bytes that are lost
    # otherwise.
    tables, reason = {"frank_wolfe_messages": table}, "the machine allows no sockets, so that nothing was sent"
    judged = judging.judge(_entry("sfw-asyn-bytes"), tables, {}, SEED, plugins.functions("estimands"))
    assert (judged["verdict"], judged["not_judged"]) == (judging.NOT_JUDGED, reason)
    assert judged["table"] is judged["estimate"] is judged["control_verdict"] is None
    assert f"sfw-asyn-bytes: not judged, as {reason}" in verdict_table([judged])
    # A machine that refused them to one job alone has not measured the exponent either.
    some = {"frank_wolfe_messages": table.assign(sockets=(table.index > 0).astype(int))}
    assert (
        judging.judge(_entry("sfw-asyn-bytes"), some, {}, SEED, plugins.functions("estimands"))["not_judged"] == reason
    )
    lost = {"frank_wolfe_messages": table.assign(sockets=1)}
    assert (
        judging.judge(_entry("sfw-asyn-bytes"), lost, {}, SEED, plugins.functions("estimands"))["verdict"]
        == judging.INCONCLUSIVE
    )


@pytest.mark.known_answer("error_ratio")
def test_the_ratio_of_errors_is_on_the_same_draws():
    rows = [
        {"trace_factor": factor, "method": method, "test_error": error * (1 + t), "target": t, "ensemble": e}
        for factor, method, error in (
            (1.05, "told θ", 0.1),
            (1.05, "descent", 0.01),
            (1.0, "told θ", 1e-5),
            (1.0, "descent", 0.01),
        )
        for t in range(2)
        for e in range(2)
    ]
    fixed = {"table": "t", "method": "told θ", "against": "descent"}
    tables, rng = {"t": pd.DataFrame(rows)}, np.random.default_rng(0)
    assert estimands.error_ratio(tables, {}, rng, trace_factor=1.05, **fixed).value == pytest.approx(1)
    assert estimands.error_ratio(tables, {}, rng, trace_factor=1.0, **fixed).value == pytest.approx(-3)


def test_bad_options_are_named_before_the_run():
    (line,) = option_problems("frank_wolfe_trace", m_over_dr=8)
    assert "m below the statistical dimension" in line
    (line,) = option_problems("frank_wolfe_course", first=60)
    assert "first below last" in line
    (line,) = option_problems("frank_wolfe_messages", workers=0)
    assert "workers" in line
    (line,) = option_problems("frank_wolfe_networks", m_over_dr=[2, 2.01])
    assert "an m of its own each" in line


def test_more_workers_than_cores_are_said(monkeypatch):
    said = []
    monkeypatch.setattr(frank_wolfe_messages.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(frank_wolfe_messages, "_rows", lambda *arguments: [])
    context = type("", (), {"log": said.append, "by_ensemble": lambda *arguments: []})
    list(frank_wolfe_messages.measure({"workers": 2, "protocol": [], "d": []}, context))
    assert "they take turns" in said[0]


def test_frank_wolfe_course_shows_the_loss_by_rule_and_trace():
    axis = {"rule": ["open-loop", "line-search"], "trace_factor": [1.0, 0.9], "iteration": [10, 30, 100]}
    table = crossed(("loss",), **axis, **RUNS).assign(d=10, rank=2, m=100)
    (axes,) = draw("frank_wolfe_course", {"frank_wolfe_course": table}).axes
    for rule, name in (("open-loop", "open loop, γ = 2/(k + 2)"), ("line-search", "exact line search")):
        for factor in (1.0, 0.9):
            own = geometric(where(table, rule=rule, trace_factor=factor), "iteration", "loss")
            same(curve(axes, f"{name}, θ = {factor:g}·tr X*"), own)
    first = geometric(where(table, rule="open-loop", trace_factor=1.0), "iteration", "loss").iloc[0]
    for claim, label in (
        ("fw-rate", "margin: exponent below −0.9"),
        ("fw-open-loop-is-faster", "margin: exponent below −1.5"),
    ):
        drawn_law(axes, label, (10, first), margin(claim))


def test_frank_wolfe_trace_shows_the_error_over_the_trace_beside_descents():
    table = crossed(("test_error",), method=["told θ", "descent"], trace_factor=[0.9, 1.0, 1.05], **RUNS)
    # Descent is told no trace: its error is that of its first.
    free = table["method"] == "descent"
    table.loc[free, "test_error"] = 0.01 * (1 + table["target"] + table["ensemble"])
    table = table.assign(d=10, rank=2, m=100)
    (axes,) = draw("frank_wolfe_trace", {"frank_wolfe_trace": table}).axes
    told = where(table, method="told θ")
    same(curve(axes, "Frank–Wolfe of low rank, given θ"), geometric(told, "trace_factor", "test_error"))
    has_band(axes, told.groupby("trace_factor")["test_error"])
    level = geometric(table[free], "trace_factor", "test_error")
    same(curve(axes, "descent from α = 10⁻³, no prior knowledge"), level)
    same(curve(axes, "margin at 1.05"), level[[1.05]] * 10 ** margin("fw-needs-trace"))


def test_frank_wolfe_networks_shows_the_error_over_the_examples_by_method_and_told_trace():
    axis = {"method": ["frank-wolfe", "algorithm-1", "descent"], "trace_factor": [0.8, 1.0, 1.25], "m": [20, 40, 80]}
    table = crossed(("test_error",), **axis, **RUNS).assign(d=10, rank=1)
    table["test_error"] *= (20 / table["m"]) ** 4
    grid = draw("frank_wolfe_networks", {"frank_wolfe_networks": table}).axes
    free = geometric(where(table, method="descent", trace_factor=1.0), "m", "test_error")
    names = {"frank-wolfe": "Frank–Wolfe", "algorithm-1": "Algorithm 1 of LMZ18"}
    for axes, (method, name) in zip(grid, names.items(), strict=True):
        shown = {
            f"{name}, given {factor:g}·tr X*": where(table, method=method, trace_factor=factor)
            for factor in (1.0, 0.8, 1.25)
        }
        shown = {label: geometric(own, "m", "test_error") for label, own in shown.items()}
        # Beside one another, so that their bars can be told apart.
        for place, (label, means) in enumerate({**shown, "plain descent, no prior knowledge": free}.items()):
            same(curve(axes, label), means.rename(index=lambda m, place=place: m / 10 * 1.015 ** (place - 1.5)))
    lost = table.assign(
        test_error=table["test_error"].where((table["method"] == "frank-wolfe") | (table["trace_factor"] == 1))
    )
    _, other = draw("frank_wolfe_networks", {"frank_wolfe_networks": lost}).axes
    assert curve(other, "Algorithm 1 of LMZ18, given 0.8·tr X*: all runs diverged").empty
    found = find_thresholds(where(table, method="algorithm-1", trace_factor=1.0), "d", 0.1).logs
    (level,) = set(curve(grid[0], "margin").index)
    assert level == pytest.approx(margin("fw-networks") * np.exp(found.mean()) / 10)
    assert set(curve(grid[0], "recovered")) == {0.1}


def test_stochastic_frank_wolfe_shows_the_last_error_by_delay_and_batch_and_its_course():
    axis = {"lag": [1, 5, 17], "batch": [0, 50, 100], "iteration": [10, 100, 1000]}
    table = crossed(("test_error",), **axis, **RUNS).assign(d=10, rank=2, m=100)
    left, middle, right = draw("stochastic_frank_wolfe", {"stochastic_frank_wolfe": table}).axes
    last = where(table, iteration=1000)
    delays = geometric(where(last, batch=0), "lag", "test_error")
    same(curve(left, "all measurements: exponent"), delays)
    drawn_law(left, "margin: exponent", (1, delays[1]), margin("sfw-delay"))
    for lag in (1, 5, 17):
        batches = geometric(where(last[last["batch"] > 0], lag=lag), "batch", "test_error")
        same(curve(middle, f"τ = {lag - 1}: exponent"), batches)
        if lag == 1:
            drawn_law(middle, "margin: exponent", (50, batches[50]), margin("sfw-batch-floor"))
    for batch, label in ((0, "all"), (50, "b = 50"), (100, "b = 100")):
        same(curve(right, label), geometric(where(table, lag=1, batch=batch), "iteration", "test_error"))


def test_frank_wolfe_messages_shows_the_bytes_and_the_iterations_of_a_slow_worker():
    axis = {"protocol": ["asynchronous", "synchronous"], "d": [8, 16, 32], "ensemble": [0, 1]}
    frame = crossed(("bytes",), **axis).assign(workers=2)
    slow = crossed(("per_slow_step",), seed=1, **axis).assign(workers=3)
    left, right = draw("frank_wolfe_messages", {"frank_wolfe_messages": frame, "frank_wolfe_straggler": slow}).axes
    for protocol in axis["protocol"]:
        same(curve(left, f"{protocol} master: exponent"), geometric(where(frame, protocol=protocol), "d", "bytes"))
        same(curve(right, f"{protocol} master"), geometric(where(slow, protocol=protocol), "d", "per_slow_step"))
    first = geometric(where(frame, protocol="asynchronous"), "d", "bytes")[8]
    drawn_law(left, "margin: exponent", (8, first), margin("sfw-asyn-bytes"))
