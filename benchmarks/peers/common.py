"""Run methods on the same draws, and write their errors and seconds with their spread as Markdown."""

import time
import warnings

import numpy as np

SEEDS = 3


def measured(methods, problem, seeds=SEEDS):
    """Solve each draw of a problem by every method, and return ``{method: (errors, seconds)}``.

    Parameters
    ----------
    methods : mapping
        From names to functions that take the arguments from ``problem`` and return an estimate.
    problem : callable
        Takes a seed; returns the arguments of a method, and a function from an estimate to its error.
    """
    found = {name: ([], []) for name in methods}
    for seed in range(seeds):
        data, error = problem(seed)
        for name, method in methods.items():
            started = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                estimate = method(*data)
            found[name][1].append(time.process_time() - started)
            found[name][0].append(error(estimate))
    return found


def spread(numbers):
    """Return the median and the range of numbers."""
    return f"{np.median(numbers):.2g} ({min(numbers):.2g} to {max(numbers):.2g})"


def rows(what, found):
    """Return a problem's lines of a Markdown table, with the smallest median error in bold."""
    best = min(float(np.median(errors)) for errors, _ in found.values())
    lines = []
    for number, (name, (errors, seconds)) in enumerate(found.items()):
        error = f"**{spread(errors)}**" if np.median(errors) <= best else spread(errors)
        lines.append(f"| {'' if number else what} | {name} | {error} | {np.median(seconds):.2g} |")
    return lines


def table(problems, error):
    """Return a Markdown table of several problems, each ``(what, methods, problem)`` or with a number of seeds."""
    lines = [f"| problem | method | {error} | CPU seconds |", "|---|---|---|---|"]
    for what, methods, problem, *seeds in problems:
        lines += rows(what, measured(methods, problem, *seeds))
    return "\n".join(lines) + "\n"
