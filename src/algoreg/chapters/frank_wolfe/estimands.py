"""What the claim about a wrong trace measures: one method's error over another's."""

from algoreg.analysis.cells import chosen, paired_logs
from algoreg.analysis.intervals import UNDEFINED, interval_of
from algoreg.judge.estimands import estimand


@estimand(
    "mean over runs of log10 of the error of {method} over that of {against}, at {trace_factor:g} times the trace"
)
def error_ratio(tables, published, rng, *, table, method, against, trace_factor):
    """Return the mean over runs of log10(test error of ``method`` / that of ``against``) at one θ, on the same draws."""
    frame = chosen(tables[table], {"trace_factor": trace_factor})
    parts = [chosen(frame, {"method": name}) for name in (method, against)]
    logs = paired_logs(parts, ["trace_factor"], "test_error")
    return UNDEFINED if logs is None else interval_of(lambda part: part.mean(), logs, rng)
