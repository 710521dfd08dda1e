import functools
import operator

import numpy as np
import pandas as pd
import pytest
from conftest import measured, tier_settings

from algoreg import sources
from algoreg.chapters.proof import ledger as proof
from algoreg.tell import figures

FIGURES = ("rip", "isometry_lemmas", "rank_one_dynamics", "rank_r_dynamics", "dynamics_course")


@pytest.fixture(scope="module")
def tables():
    """Return the tables of the smoke tier's studies of the proofs, and rank-one measurements beside them."""
    blocks = dict(tier_settings("smoke")["studies"])
    blocks["rip_rank_one"] = {
        "study": "rip", "ensembles": 2, "options": {"d": [6], "rank": [1], "m": [100, 50, 200], "measurements": "rank_one"}
    }  # fmt: skip
    found = {}
    for name in (*FIGURES, "rip_rank_one"):
        block = blocks[name]
        found[name] = measured(block["study"], block["options"], seed=1, ensembles=range(block["ensembles"]))
    return found


@pytest.fixture
def reference(tables):
    """Return a reference with these tables alone."""
    kept = {}
    for name, frame in tables.items():
        keys = sources.module_literal("studies", "rip" if name == "rip_rank_one" else name, "KEYS")
        values = [column for column in frame if column not in (*keys, "status")]
        kept[name] = {
            "keys": {key: frame[key].tolist() for key in keys},
            "status": frame["status"].tolist(),
            **{value: [None if np.isnan(x) else float(x) for x in frame[value]] for value in values},
        }
    return {"tables": kept, "claims": []}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_drawn_with_labels_and_margins(tables, name):
    figure = figures.draw(name, {name: tables[name]})
    for axes in figure.axes:
        assert axes.get_xlabel()
        assert axes.get_ylabel() or name == "isometry_lemmas" or axes.get_title().startswith("control")
        assert axes.lines
    texts = [text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
    wanted = {"rank_r_dynamics": "Theorem 4.2: at most 4", "rank_one_dynamics": "needed = had", "rip": "slope ½ in d"}
    assert name not in wanted or wanted[name] in texts


@pytest.mark.replicates(100)
def test_passages_say_what_the_tables_say(reference, tables):
    found = {
        name: getattr(proof, name)(reference)
        for name in sources.decorated("ledger", "passage")
        if name.startswith("proof")
    }
    assert len(found) == 7
    assert not any("nan" in text for name, text in found.items() if name not in ("proof_error_law", "proof_angle"))
    table = tables["rank_r_dynamics"]
    starved = table[(table["regime"] == "starved") & (table["kappa"] == 1)]
    growth = starved.groupby("alpha")["error_growth"].mean().max()
    assert f"| {growth:.3g} |" in found["proof_rank_r"]
    assert "the hypothesis on δ does not hold" in found["proof_rank_r"]
    assert "| holds |" in found["proof_rank_one"]


def test_the_law_of_the_error_is_read_off_the_starts(reference):
    made = reference["tables"]["rank_r_dynamics"]
    frame = pd.DataFrame(made["keys"])
    kept = frame["split"] == "planted"
    parts = []
    for alpha in (1e-2, 1e-4, 1e-6):
        part = {key: [x for x, keep in zip(column, kept, strict=True) if keep] for key, column in made["keys"].items()}
        part["alpha"] = [alpha] * int(kept.sum())
        parts.append(part)
    keys = {key: functools.reduce(operator.iadd, (part[key] for part in parts), []) for key in made["keys"]}
    count = len(keys["alpha"])
    values = {
        "largest_error": [alpha**0.75 for alpha in keys["alpha"]], "m_over_dr": [16.0] * count,
    }  # fmt: skip
    text = proof.proof_error_law(
        {"tables": {"rank_r_dynamics": {"keys": keys, "status": ["budget"] * count, **values}}}
    )
    assert "| 0.25 | 1 |" in text
