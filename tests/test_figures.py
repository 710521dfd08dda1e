import numpy as np
import pandas as pd

from algoreg import figures


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
