import numpy as np
import pandas as pd

from algoreg import figures


def test_the_style_is_seaborns():
    import matplotlib
    import seaborn

    assert list(seaborn.color_palette("colorblind")) == figures.COLOURS
    ticks = seaborn.axes_style("ticks")
    differing = {key: value for key, value in ticks.items() if value != matplotlib.rcParamsDefault[key]}
    # Every picture that has a colour map names it.
    del differing["image.cmap"]
    assert differing == figures.TICKS


def rows(method, d, ratios, errors, **columns):
    return pd.DataFrame(
        [
            {"d": d, "rank": 1, "m_over_d": x, "method": method, "target": t, "ensemble": e, "test_error": y,
             "train_error": y, "status": "budget", **columns}
            for x, y in zip(ratios, errors, strict=True) for t in range(2) for e in range(2)
        ]
    )  # fmt: skip


def test_a_diverged_run_is_left_out_of_the_figure_and_the_figure_says_so():
    table = pd.concat(
        [
            rows("projected", 20, [2, 4, 8], [0.9, 0.5, 0.1], alpha=np.nan),
            rows("factored", 20, [2, 4, 8], [0.4, 0.1, 0.01], alpha=0.01),
        ],
        ignore_index=True,
    )
    table.loc[0, ["test_error", "train_error"]] = np.nan
    table.loc[0, "status"] = "diverged"
    figure = figures.draw("figure_4", {"figure_4": table, "figure_4_thresholds": table})
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["not drawn: 1 values of diverged runs"]
    for line in figure.axes[0].lines[:2]:
        assert np.isfinite(line.get_ydata()).all()


def test_thresholds_are_drawn_with_the_statistical_dimension_and_only_where_none_is_censored():
    parts = [rows("projected", d, [2, 4, 8, 16], [0.9, 0.6, x, 0.01], alpha=np.nan) for d, x in ((10, 0.1), (20, 0.2))]
    parts += [rows("factored", d, [2, 4, 8, 16], [0.9, 0.1, 0.05, 0.01], alpha=1e-4) for d in (10, 20)]
    table = pd.concat(parts, ignore_index=True)
    last = (table["method"] == "factored") & (table["d"] == 20) & (table["target"] == 1) & (table["ensemble"] == 1)
    table.loc[last, "test_error"] = 0.9
    figure = figures.draw("figure_4", {"figure_4": table, "figure_4_thresholds": table})
    lines = {line.get_label(): line for line in figure.axes[-1].lines}
    dimension = next(line for label, line in lines.items() if "statistical dimension" in label)
    np.testing.assert_allclose(dimension.get_ydata()[0], (55 - 45 / 2) / 10)
    drawn = [
        np.isfinite(np.asarray(box.lines[0].get_ydata(), dtype=float)).tolist() for box in figure.axes[-1].containers
    ]
    assert drawn == [[True, True], [True, False]]


def test_flow_equivalence_shows_changes_in_percent():
    parts = []
    for step, factor in ((0.01, 1.0), (0.05, 1.02), (0.5, 0.5)):
        one = rows("factored", 20, [5], [0.1 * factor], alpha=0.001, step=step, m=100)
        parts.append(one.assign(iteration=10_000))
    figure = figures.draw("flow_equivalence", {"flow_equivalence": pd.concat(parts, ignore_index=True)})
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), [2.0, -50.0])


def test_each_size_has_its_own_published_points():
    ratios = [5, 10, 15, 20, 25, 30, 35]
    parts = [rows(method, d, ratios, [0.5] * 7, alpha=0.01) for method in ("projected", "factored") for d in (100, 150)]
    table = pd.concat(parts, ignore_index=True)
    figure = figures.draw("figure_4", {"figure_4": table, "figure_4_published": table.iloc[:0]})
    for axes, first in zip(figure.axes, (0.8906, 0.933), strict=True):
        (line,) = (line for line in axes.lines if line.get_label() == "projected, published")
        assert line.get_ydata()[0] == first
        assert len(line.get_ydata()) == 7
