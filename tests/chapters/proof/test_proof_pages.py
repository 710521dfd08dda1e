import numpy as np
import pandas as pd
import pytest
from conftest import measured, tier_settings

from algoreg import plugins
from algoreg.chapters.proof import ledger as proof
from algoreg.reporting import figures

TABLES = ("rip", "isometry_lemmas", "rank_one_dynamics", "rank_r_dynamics", "dynamics_course")
FIGURES = {name: name for name in TABLES} | {
    "dynamics_signal": "dynamics_course",
    "dynamics_angle": "dynamics_course",
    "rank_r_angle": "rank_r_dynamics",
}


@pytest.fixture(scope="module")
def tables():
    """Return the tables of the smoke tier's experiments of the proofs, and rank-one measurements beside them."""
    blocks = dict(tier_settings("smoke")["experiments"])
    blocks["rip_rank_one"] = {
        "experiment": "rip", "ensembles": 2, "options": {"d": [6], "rank": [1], "m": [100, 50, 200], "measurements": "rank_one"}
    }  # fmt: skip
    found = {}
    for name in (*TABLES, "rip_rank_one"):
        block = blocks[name]
        found[name] = measured(block["experiment"], block["options"], seed=1, ensembles=range(block["ensembles"]))
    return found


# What an axis is called, and where in a table its values are.
HORIZONTAL = {
    "measurements m": lambda table: table["m"],
    "dimension d": lambda table: table["d"],
    "rank r": lambda table: table["rank"],
    "measurements, m/dr": lambda table: table["m_over_dr"],
    "log(d/α)": lambda table: table["log_start"],
    "time, η·t": lambda table: table["iteration"] * table["step"],
}


@pytest.mark.parametrize("name", FIGURES)
def test_axes_are_called_what_is_drawn_along_them_and_margins_are_named(tables, name):
    table = tables[FIGURES[name]]
    figure = figures.draw(name, {FIGURES[name]: table})
    for axes in figure.axes:
        values = HORIZONTAL[axes.get_xlabel()](table).to_numpy()
        # Marks that would lie on one another are drawn a little beside.
        drawn = [np.asarray(line.get_xdata(), float)[:, None] for line in axes.lines]
        along = [np.isclose(points, values, rtol=0.3).any(axis=1).all() for points in drawn]
        assert any(along), axes.get_xlabel()
        # Where panels share their vertical axis, the first of a row names it.
        place = axes.get_subplotspec()
        row = [other for other in figure.axes if other.get_subplotspec().rowspan.start == place.rowspan.start]
        assert min(row, key=lambda other: other.get_subplotspec().colspan.start).get_ylabel()
    texts = [text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
    wanted = {
        "rank_r_dynamics": "margin: Theorem 4.2 below 4",
        "rank_one_dynamics": "margin: needed over had below 1",
        "rip": "margin: within 0.1 of it",
    }
    assert name not in wanted or wanted[name] in texts


@pytest.mark.replicates(100)
def test_passages_say_what_the_tables_say(tables):
    found = {
        name: getattr(proof, name)(*(tables[table] for table in getattr(proof, name).tables))
        for name in plugins.functions("ledger")
        if hasattr(proof, name) and name.startswith("proof")
    }
    assert len(found) == 8
    assert not any("nan" in text for name, text in found.items() if name not in ("proof_error_law", "proof_angle"))
    rows = [line.split(" | ") for line in found["proof_lemmas"].splitlines()[2:]]
    # There the ratio is at least 1, and the attack that finds less says nothing.
    assert not any(row[-1] == "holds |" for row in rows if row[1] == "2.2" or row[2] == "1")
    table = tables["rank_r_dynamics"]
    starved = table[(table["regime"] == "starved") & (table["kappa"] == 1)]
    growth = starved.groupby("alpha")["error_growth"].mean().max()
    assert f"| {growth:.3g} |" in found["proof_rank_r"]
    assert "the hypothesis on δ does not hold" in found["proof_rank_r"]
    # δ is certified there, and larger than Theorem 3.1 asks all the same.
    assert "conclusion holds; the hypothesis on δ does not hold |" in found["proof_rank_one"]
    assert "At m = 10000, d = 10 and r = 2, 1/d is 0.1 and √r·δ is" in found["proof_angle_start"]


@pytest.mark.parametrize(
    ("low", "up", "holds", "said"),
    [
        (0.001, 0.009, True, "holds"),
        (0.001, 0.009, False, "fails"),
        (0.001, 0.009, None, "undecided within δ's bracket"),
        (0.009, 0.02, True, "conclusion holds; the hypothesis on δ is not known to hold"),
        (0.011, 0.02, True, "conclusion holds; the hypothesis on δ does not hold"),
        (0.011, 0.02, False, "conclusion fails; the hypothesis on δ does not hold"),
    ],
)
def test_whether_the_hypothesis_holds_is_read_off_the_bracket_of_delta(low, up, holds, said):
    part = pd.DataFrame({"regime": ["certified"] * 2, "delta_low": [0.001, low], "delta_up": [0.005, up]})
    assert proof._outcome(part, proof.RANK_ONE_ISOMETRY, holds) == said


def test_theorem_42_asks_for_a_delta_that_falls_with_kappa_and_the_start():
    rows = [
        {"alpha": alpha, "log_start": np.log(50 / alpha), "m": 1e10, "m_over_dr": 4e7, "kappa": kappa}
        for kappa in (1, 4)
        for alpha in (1e-3, 1e-9)
    ]
    asked = proof._asked(pd.DataFrame(rows)).tolist()
    assert asked == pytest.approx([3.82e-3, 7.37e-4, 3.82e-3 / 64, 7.37e-4 / 64], rel=1e-2)


def test_the_law_of_the_error_is_read_off_the_starts(tables):
    planted = tables["rank_r_dynamics"].query("split == 'planted'")
    frame = pd.concat([planted.assign(alpha=alpha, largest_error=alpha**0.75) for alpha in (1e-2, 1e-4, 1e-6)])
    text = proof.proof_error_law(frame.assign(m_over_dr=16.0))
    assert "| 0.25 | 1 |" in text
