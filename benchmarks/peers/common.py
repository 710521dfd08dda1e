"""What the peers' scripts share: methods on the same draws, errors and seconds with their spread, as Markdown."""

import time
import warnings

import numpy as np

SEEDS = 3


def measured(methods, problem, seeds=SEEDS):
    """Return ``{method: (errors, seconds)}``: a problem's draws, each solved by every method.

    Parameters
    ----------
    methods : mapping
        Of names to functions of what ``problem`` returns first; they return an estimate.
    problem : callable
        Takes a seed; returns the arguments of a method and a function that takes an estimate to its error.
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
    """Return the lines of a Markdown table of a problem, the smallest median error in bold."""
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
