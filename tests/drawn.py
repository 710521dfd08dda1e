"""Helpers for tests of drawings: the positions of a figure's lines, bars and bands, and small synthetic tables."""

import itertools

import numpy as np
import pandas as pd

from algoreg.settings.chapters import load_chapters


def crossed(values, seed=0, **axes):
    """Return a table with a row for every combination of the axes and a positive random number for every value."""
    rows = [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]
    generator = np.random.default_rng(seed)
    table = pd.DataFrame(rows).assign(status="budget")
    for place, value in enumerate(values):
        table[value] = np.exp(generator.uniform(-2, 2, len(table)) - place)
    return table


RUNS = {"target": [0, 1], "ensemble": [0, 1, 2]}


def where(table, **chosen):
    for column, value in chosen.items():
        table = table[table[column] == value]
    assert len(table)
    return table


def mean(table, x, y):
    return table.groupby(x)[y].mean()


def geometric(table, x, y):
    return np.exp(np.log(table[y]).groupby(table[x]).mean())


def power_law(points, through, exponent):
    """Return y₀(x/x₀)^exponent at some points, where ``through`` is (x₀, y₀)."""
    points = np.asarray(points, float)
    return pd.Series(through[1] * (points / through[0]) ** exponent, points)


def curve(axes, label):
    """Return the only line, marks or bars with this label, or else with a label that begins with it, as y over x."""
    bars = [(bar.get_label(), bar.lines[0]) for bar in axes.containers if hasattr(bar, "lines")]
    named = [(line.get_label(), line) for line in axes.lines] + bars
    exact = [line for text, line in named if text == label]
    found = exact or [line for text, line in named if str(text).startswith(label)]
    assert len(found) == 1, f"{len(found)} lines named {label!r} of {[text for text, _ in named]}"
    return pd.Series(np.array(found[0].get_ydata(), float), np.array(found[0].get_xdata(), float))


def same(drawn, expected):
    """Assert that a drawn line has the expected values, in any order along x."""
    drawn, expected = drawn.sort_index(), expected.sort_index()
    np.testing.assert_allclose(drawn.index, np.asarray(expected.index, float), rtol=1e-9)
    np.testing.assert_allclose(drawn.to_numpy(), expected.to_numpy(float), rtol=1e-9)


def level(axes, label):
    """Return the height of the horizontal line with this label."""
    (height,) = set(curve(axes, label))
    return height


def bands(axes):
    """Return every filled band as (smallest, largest) of y over x."""
    found = []
    for collection in axes.collections:
        if collection.get_paths() and hasattr(collection, "get_facecolor"):
            corners = pd.DataFrame(collection.get_paths()[0].vertices, columns=["x", "y"]).groupby("x")["y"]
            found.append((corners.min(), corners.max()))
    return found


def has_band(axes, groups):
    """Assert that exactly one band reaches from the smallest to the largest value of each group."""
    low, high = groups.min(), groups.max()
    fits = [
        np.allclose(one[0], low)
        and np.allclose(one[1], high)
        and np.allclose(one[0].index, np.asarray(low.index, float))
        for one in bands(axes)
        if len(one[0]) == len(low)
    ]
    assert sum(fits) == 1


def whiskers(axes, label):
    """Return the lower and upper ends of the bars with this label, over x."""
    (bar,) = [one for one in axes.containers if str(one.get_label()).startswith(label)]
    (lines,) = bar.lines[2]
    ends = np.array(lines.get_segments())
    return pd.Series(ends[:, 0, 1], ends[:, 0, 0]), pd.Series(ends[:, 1, 1], ends[:, 1, 0])


def margin(claim):
    """Return the margin of a claim's registry entry."""
    (found,) = {entry["margin"] for chapter in load_chapters() for entry in chapter.claims if entry["id"] == claim}
    return found


def drawn_law(axes, label, first, exponent):
    """Assert that a drawn line is the power law with this exponent through a first point."""
    drawn = curve(axes, label)
    assert len(drawn) > 1
    same(drawn, power_law(drawn.index, first, exponent))
