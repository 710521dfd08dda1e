"""Show a run of the workflow: ``snakemake --logger algoreg``, as ``make`` calls it.

First, what was asked, how many jobs of which kind that takes, and about how long. Then a terminal shows a bar with the
job that started last, the jobs that are done and the time that is left, and above it each verdict when it is judged and
each failure with the last lines of its log. Without a terminal these are plain lines: one for each job that starts if
these are few, else one of progress for each twentieth of the jobs, or where these take long every five minutes, with
what is running.
Snakemake's log file has the rest.

A dry run, ``--verbose`` and ``--debug-dag`` show what Snakemake shows by itself.
"""

import json
import logging
import os
import re
import time
from collections import Counter
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase

LOG_LINES = 12
# Without a terminal: seconds after which a job that is done is said, too.
QUIET = 300
# Without a terminal: so many jobs are few. Of more, so many that run are named.
FEW, NAMED = 20, 3
# What jobs do, by the beginning of their rule's name.
KINDS = {
    "generate": "draw data",
    "measure": "measure",
    "tabulate": "write tables",
    "compare_published": "compare with published curves",
    "claim_": "judge",
    "draw_": "draw figures",
    "execute_notebook": "execute notebooks",
}
# What Snakemake says of every run. Where a release words it otherwise, a run shows a line more.
USUAL = re.compile(
    r"Building DAG|Workflow defines that rule|Provided |Rules claiming|Job stats|Select jobs|Execute \d|Assuming unrestricted|host: |Using shell"
    r"|Reasons:|Shutting down|Conda env|None$|Exiting because a job|Elapsed time|\s*$"
)


def tail(path):
    """Return the last lines of a log, or that there are none."""
    try:
        lines = Path(path).read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    except OSError as error:
        return f"    {path}: {error.strerror}"
    return "\n".join([f"    The end of {path}:", *(f"    | {line}" for line in lines[-LOG_LINES:])])


def verdict_line(path):
    """Return the verdict in a file as a line, or None where the tier does not judge the claim."""
    claim = json.loads(Path(path).read_text(encoding="utf-8"))
    if claim["verdict"] == "not-judged":
        return None
    values = [claim[key] for key in ("estimate", "ci_low", "ci_high")]
    estimate, low, high = [f"{value:.3g}" if isinstance(value, float | int) else "–" for value in values]
    return f"{claim['verdict']:<13} {claim['id']:<36} {estimate} [{low}, {high}]"


def time_left(seconds, done, total):
    """Return how long the other jobs take if they take as long as those that are done; the longest often come first."""
    if done == total:
        return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
    left = seconds / done * (total - done)
    return f"at this rate {left / 60:.0f} min left" if left >= 90 else f"at this rate {left:.0f} s left"


def plan_line(stats):
    """Return what was asked, how many jobs of which kind it takes, and about how long."""
    total, kinds = stats["total"], Counter()
    for rule, count in stats.items():
        if rule != "total":
            kinds[next((kind for start, kind in KINDS.items() if rule.startswith(start)), "others")] += count
    shown = [f"{kinds[kind]} {kind}" for kind in (*KINDS.values(), "others") if kinds[kind]]
    asked, takes = os.environ.get("ALGOREG_ASKED", ""), os.environ.get("ALGOREG_TAKES", "")
    jobs = f"{total} job{'s' if total > 1 else ''}" + (f" ({', '.join(shown)})" if shown else "")
    return (f"{asked}: " if asked else "") + jobs + (f"; {takes}" if takes else "")


class LogHandler(LogHandlerBase):
    """Writes what a reader of a run wants to know; see the module."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = False
    has_formatter = False
    needs_rulegraph = False

    def __post_init__(self):
        """Choose between a bar and lines."""
        # Snakemake imports every plugin in every job, and only here is this one used.
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.table import Column

        settings = self.common_settings
        self.console = Console(stderr=not settings.stdout, no_color=settings.nocolor or None, highlight=False)
        self.as_snakemake = settings.dryrun or settings.verbose or settings.debug_dag
        what = Column(ratio=1, no_wrap=True, overflow="ellipsis")
        self.bar = Progress(
            TextColumn("{task.description}", table_column=what, markup=False),
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            console=self.console,
            transient=True,
            expand=True,
        )
        self.task, self.outputs, self.running, self.failed, self.shown = None, {}, {}, 0, 0
        self.begun = self.total = 0
        self.started = self.said = time.monotonic()

    def emit(self, record):
        """Show a record, or leave it to the log file."""
        try:
            event = getattr(record, "event", None)
            method = getattr(self, f"on_{event}", None)
            if self.as_snakemake or (method is None and self.is_wanted(record, event)):
                self.show(self.format(record), "red" if record.levelno >= logging.ERROR else None)
            elif method is not None:
                method(record)
        except Exception:
            self.handleError(record)

    def is_wanted(self, record, event):
        """Return whether a record that has no method is shown."""
        if record.levelno >= logging.WARNING:
            return not USUAL.match(record.getMessage())
        return event is None and not USUAL.match(record.getMessage())

    def show(self, text, style=None):
        """Write text above the bar."""
        if text and text.strip() != "None":
            self.console.print(text, style=style, markup=False, soft_wrap=True)

    def on_job_info(self, record):
        """Note what a job is and makes."""
        self.outputs[record.jobid] = record.output
        what = re.split(r"; |: results/", record.rule_msg or record.rule_name)[0]
        self.running[record.jobid] = what
        self.begun += 1
        if self.task is not None:
            self.bar.update(self.task, description=what)
        if self.total <= FEW and not self.console.is_terminal:
            self.show(f"{self.begun} of {self.total}: {what}")

    def on_run_info(self, record):
        """Begin: the number of jobs is known."""
        total = record.stats.get("total", 0)
        if self.task is None and total:
            self.total = total
            self.show(plan_line(record.stats))
            self.task = self.bar.add_task("", total=total, left="")
            if self.console.is_terminal:
                self.bar.start()

    def on_job_finished(self, record):
        """Show a verdict that was judged."""
        self.running.pop(record.job_id, None)
        for path in self.outputs.pop(record.job_id, []):
            if re.fullmatch(r"results/[^/]+/claims/[^/]+\.json", path) and (line := verdict_line(path)):
                self.show(line, "red" if line.startswith("invalid") else None)

    def on_progress(self, record):
        """Show how many jobs are done, and about how long the others take."""
        left = time_left(time.monotonic() - self.started, record.done, record.total) if record.done else ""
        failed = f", {self.failed} failed" if self.failed else ""
        if self.task is not None:
            self.bar.update(self.task, completed=record.done, total=record.total, left=left + failed)
        due = record.done * 20 // record.total > self.shown and record.total > FEW
        due = due or record.done == record.total or time.monotonic() > self.said + QUIET
        if not self.console.is_terminal and due:
            self.shown, self.said = record.done * 20 // record.total, time.monotonic()
            names = list(self.running.values())
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            running = f"; running: {', '.join(names[:NAMED])}{more}" if names else ""
            self.show(f"{time.strftime('%H:%M:%S')}  {record.done} of {record.total} jobs, {left}{failed}{running}")

    def on_job_error(self, record):
        """Show a failure with the last lines of its log."""
        self.failed += 1
        self.running.pop(record.jobid, None)
        made = ", ".join(record.output[:1])
        self.show(f"Failed: {record.rule_name} ({made})", "red")
        for path in record.log:
            self.show(tail(path))

    def close(self):
        """Take the bar away; Snakemake calls this at the end, also after Ctrl-C."""
        if self.console.is_terminal:
            self.bar.stop()
        super().close()
