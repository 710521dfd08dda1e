"""What a run shows: verdicts when they are judged, failures with the end of their logs, and how much is left."""

import json
import logging
from types import SimpleNamespace

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

import snakemake_logger_plugin_algoreg as progress

pytestmark = pytest.mark.any_kernels


def handler(**settings):
    """Return the plugin's handler as Snakemake makes it where there is no terminal."""
    common = {"stdout": True, "nocolor": True, "dryrun": False, "verbose": False, "debug_dag": False}
    made = progress.LogHandler(SimpleNamespace(**{**common, **settings}), None)
    made.setFormatter(logging.Formatter("formatted: %(message)s"))
    return made


def record(event=None, message="", level=logging.INFO, **fields):
    """Return a record of Snakemake's."""
    made = logging.LogRecord("snakemake", level, "", 0, message, None, None)
    made.__dict__.update(event=event, **fields)
    return made


def test_a_run_shows_verdicts_failures_and_what_is_left(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "results" / "smoke" / "claims"
    place.mkdir(parents=True)
    judged = {"id": "a", "verdict": "supported", "estimate": 1.2345, "ci_low": 1, "ci_high": None}
    (place / "a.json").write_text(json.dumps(judged))
    (place / "b.json").write_text(json.dumps({**judged, "id": "b", "verdict": "not-judged"}))
    (tmp_path / "x.log").write_text("".join(f"line {number}\n" for number in range(40)))
    shown = handler()
    info = {"rule_msg": "Judging a; progress in x", "rule_name": "claim_a"}
    monkeypatch.setenv("ALGOREG_ASKED", "claim a in tier smoke")
    monkeypatch.setenv("ALGOREG_TAKES", "about 40 s of processor time, from nothing")
    jobs = ["results/smoke/claims/a.json", "results/smoke/claims/b.json"]
    records = [
        record(message="Building DAG of jobs..."),
        record(LogEvent.RUN_INFO, stats={"total": 40, "generate": 2, "measure": 30, "measure_part": 6, "claim_a": 2}),
        record(message="Notebook left out"),
        *(record(LogEvent.JOB_INFO, jobid=n, output=[path], **info) for n, path in enumerate(jobs)),
        record(LogEvent.JOB_FINISHED, job_id=0),
        *(record(LogEvent.PROGRESS, done=n, total=40) for n in (1, 2, 3)),
        record(LogEvent.JOB_FINISHED, job_id=1),
        record(
            LogEvent.JOB_ERROR,
            level=logging.ERROR,
            jobid=7,
            rule_name="measure",
            output=["t.csv"],
            log=["x.log", "none"],
        ),
        record(message="Select jobs to execute..."),
        record(LogEvent.PROGRESS, done=40, total=40),
    ]
    for one in records:
        shown.handle(one)
    shown.close()
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    lines = said.out.splitlines()
    asked = (
        "claim a in tier smoke: 40 jobs (2 draw data, 36 measure, 2 judge); about 40 s of processor time, from nothing"
    )
    assert lines[:2] == [asked, "formatted: Notebook left out"]
    assert lines[2].split() == ["supported", "a", "1.23", "[1,", "–]"]
    assert "2 of 40 jobs, at this rate " in lines[3]
    assert lines[3].endswith("; running: Judging a")
    assert lines[4] == "Failed: measure (t.csv)"
    assert [line.strip() for line in lines[6:18]] == [f"| line {number}" for number in range(28, 40)]
    assert lines[18] == "    none: No such file or directory"
    assert "40 of 40 jobs, 0 s, 1 failed" in lines[19]
    assert len(lines) == 20


def test_a_run_of_few_jobs_names_each(capsys, monkeypatch):
    monkeypatch.delenv("ALGOREG_ASKED", raising=False)
    shown = handler()
    shown.handle(record(LogEvent.RUN_INFO, stats={"total": 2, "measure": 1, "claim_a": 1}))
    for number, what in enumerate(("Measuring gaussian; progress in x", "Table a: results/smoke/b.csv")):
        shown.handle(record(LogEvent.JOB_INFO, jobid=number, output=[], rule_msg=what, rule_name="r"))
        shown.handle(record(LogEvent.JOB_FINISHED, job_id=number))
        shown.handle(record(LogEvent.PROGRESS, done=number + 1, total=2))
    shown.close()
    lines = capsys.readouterr().out.splitlines()
    assert lines[:-1] == ["2 jobs (1 measure, 1 judge)", "1 of 2: Measuring gaussian", "2 of 2: Table a"]
    assert "2 of 2 jobs, 0 s" in lines[-1]


def test_a_run_of_long_jobs_says_every_five_minutes_how_far_it_is(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    shown = handler()
    shown.handle(record(LogEvent.RUN_INFO, stats={"total": 1000}))
    for done in range(1, 5):
        now = 200.0 * done
        shown.handle(record(LogEvent.PROGRESS, done=done, total=1000))
    shown.close()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[1].split(",")[0] for line in lines[1:]] == ["2 of 1000 jobs", "4 of 1000 jobs"]


def test_a_dry_run_shows_what_snakemake_shows(capsys):
    shown = handler(dryrun=True)
    shown.handle(record(LogEvent.RUN_INFO, "Job stats", stats={"total": 40}))
    shown.close()
    assert capsys.readouterr().out == "formatted: Job stats\n"


@pytest.mark.parametrize(
    ("seconds", "done", "said"),
    [(10, 1, "at this rate 30 s left"), (60, 1, "at this rate 3 min left"), (30, 4, "30 s"), (240, 4, "4 min")],
)
def test_the_time_that_is_left(seconds, done, said):
    assert progress.time_left(seconds, done, 4) == said
