import matplotlib.pyplot as plt
import pytest
from conftest import measured

from algoreg.chapters.networks import ledger as passages
from algoreg.reporting import figures

NETWORK = {"d": 6, "rank": 2, "m": [60], "targets": 2, "step": 0.1, "time": 8.0, "alpha": [1e-3]}
VARIANTS = ["algorithm-1", "no-truncation", "plain", "mean-label", "coefficient-4", "wrong-sign", "level-2.5"]
EXAMPLES = {"m_over_dr": [2, 4, 8], "targets": 2, "variant": ["algorithm-1", "plain"], "alpha": 1e-2, "step": 0.2}
SUMS = {"delta": [0.1, 0.01], "directions": 2}
BLOCKS = {
    "quadratic_recovery": ("quadratic_network", NETWORK | {"variant": VARIANTS, "alpha": [1e-3, 1e-2, 1e-1]}),
    "quadratic_samples_in_d": (
        "quadratic_thresholds",
        EXAMPLES | {"d": [5, 6, 8], "rank": [1], "time": 10.0, "least_squares": [5, 6, 8]},
    ),
    "quadratic_samples_in_r": ("quadratic_thresholds", EXAMPLES | {"d": [6], "rank": [1, 2, 3], "time": 5.0}),
    "lemma_printed": ("truncation_lemma", SUMS | {"d": [6], "m": [50, 80]}),
    "lemma_in_d": ("truncation_lemma", SUMS | {"d": [6, 8, 10], "m": [80], "delta": [0.01]}),
    "lemma_in_m": ("truncation_lemma", SUMS | {"d": [6], "m": [50, 80, 120], "delta": [0.01]}),
    "quadratic_ablation": ("quadratic_network", NETWORK | {"variant": VARIANTS, "record": 5}),
    "quadratic_tau": (
        "quadratic_network",
        NETWORK | {"variant": ["algorithm-1"], "tau_error": [-0.9, -0.1, 0.0, 0.1, 0.9], "record": 4, "time": 30.0},
    ),
    "quadratic_mean_label": ("quadratic_network", NETWORK | {"variant": ["algorithm-1", "mean-label"], "m": [40, 60]}),
    "quadratic_initialisation": (
        "quadratic_network",
        NETWORK | {"variant": ["algorithm-1", "no-truncation", "plain"], "alpha": [1e-3, 1.0, 3.0]},
    ),
    "quadratic_width": ("quadratic_network", NETWORK | {"variant": ["algorithm-1", "plain"], "width": [2, 6, 12]}),
    "quadratic_cone": (
        "quadratic_cone",
        {"d": 5, "rank": 1, "m_over_d": [2, 4], "targets": 2, "iterations": 20, "alpha": 1.0, "time": 2.0},
    ),
}
FIGURES = {
    "quadratic_recovery": ["quadratic_recovery"],
    "quadratic_samples_in_d": ["quadratic_samples_in_d", "quadratic_samples_in_r"],
    "lemma_printed": ["lemma_printed", "lemma_in_d", "lemma_in_m"],
    "quadratic_ablation": ["quadratic_ablation"],
    "quadratic_tau": ["quadratic_tau", "quadratic_mean_label"],
    "quadratic_initialisation": ["quadratic_initialisation", "quadratic_cone"],
    "quadratic_width": ["quadratic_width"],
}


@pytest.fixture(scope="module")
def tables():
    return {name: measured(kind, options, seed=1, ensembles=(0, 1)) for name, (kind, options) in BLOCKS.items()}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_show_every_table_and_do_without_the_others(tables, name):
    shown = FIGURES[name]
    whole = figures.draw(name, {table: tables[table] for table in shown})
    alone = figures.draw(name, {name: tables[name]})
    assert all(axes.get_xlabel() and axes.lines for axes in whole.axes)
    assert len(alone.axes) == len(whole.axes) - len(shown) + 1
    plt.close("all")


def test_diverged_runs_are_counted_in_the_figure(tables):
    lost = tables["quadratic_initialisation"]
    assert (lost["status"] == "diverged").any()
    drawn = figures.draw("quadratic_initialisation", {"quadratic_initialisation": lost})
    assert "4/4" in {text.get_text() for text in drawn.axes[0].texts}
    plt.close("all")


@pytest.mark.replicates(20)
def test_passages_read_the_tables_that_they_name(tables):
    for name in ("lemma_a1", "lemma_levels", "alg1_ablation", "alg1_tau", "thm12_examples", "alg1_starts"):
        passage = getattr(passages, name)
        text = passage(*(tables[table] for table in passage.tables))
        assert text.startswith("| ")
        assert "nan" not in text
