"""Methods side by side on the race's axes: what may be asked for, what is counted, who wins, and the page."""

import subprocess
import sys
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT

from algoreg import plugins
from algoreg.algorithms import factored
from algoreg.chapters.race.compare import contenders, measuring, outcomes, page
from algoreg.chapters.race.methods import METHODS
from algoreg.engine.experiment import Context
from algoreg.settings.files import SettingsError

sys.path.insert(0, str(ROOT / "tools"))
import compare as tool

SIZES = {
    "d": 10, "rank": 2, "m_over_dr": 2.5, "kappa": [1, 4], "budget": [60, 80], "targets": 2,
    "tuning_draws": 1, "ensembles": 2,
    "sizes": [6], "ranks": [1], "ratios": [1.0, 3.0],
}  # fmt: skip


def said(text):
    """Return what is wrong with a text of methods."""
    with pytest.raises(SettingsError) as error:
        contenders.contenders(text)
    return error.value.problems


def test_methods_of_the_race_and_algorithms_with_options_are_taken():
    first, second, third = contenders.contenders(
        "descent_r,hard_thresholding(rule=adaptive, steps=0.5|1),preconditioned(damping=constant,coefficient=1e-2)"
    )
    assert first.method == METHODS["descent_r"]
    assert first.algorithm == "factored"
    assert second.method.steps == (0.5, 1.0)
    assert second.method.options == {"rule": "adaptive"}
    # What a step costs is what the race counts for it.
    assert second.method.passes == METHODS["thresholding_adaptive"].passes == 1.5
    assert second.method.prior_knowledge == "rank"
    assert third.method.options == {"alpha": contenders.ALPHA, "damping": "constant", "coefficient": 0.01}
    assert third.method.prior_knowledge == "nothing"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("descent_r", "METHODS = descent_r: allowed are two methods or more: name, name(option=value"),
        ("descent_r,descent_r", "METHODS = descent_r: given twice"),
        ("descent_r,nothing", "METHODS = nothing: unknown method; allowed are methods of the race: descent_1e-3"),
        (
            "descent_r,asymmetric",
            "METHODS = asymmetric: it needs rectangular gradient, rectangular matrices, which Gaussian measurements do",
        ),
        ("descent_r,factored(witdh=3)", "METHODS = factored(witdh=3): witdh = 3: unknown key"),
        ("descent_r,factored(step=0.1)", "step = 0.1: unknown key; allowed are alpha, start, width, steps"),
        ("descent_r,factored(m=3)", "m = 3: unknown key"),
        ("descent_r,factored(width=0)", "METHODS = factored(width=0): width = 0: Input should be greater than 0"),
        ("descent_r,accelerated(momentum=1.5)", "momentum = 1.5: Input should be less than 1"),
        ("descent_r,factored(width)", "METHODS = factored(width): width: allowed is option=value"),
        ("descent_r,factored(steps=x|1)", "steps = x|1: allowed is numbers above 0, separated by |"),
        ("descent_r,preconditioned(damping=none)", "damping"),
        ("descent_r,; rm -rf", "METHODS = ; rm -rf: allowed is name, name(option=value"),
    ],
)
def test_what_cannot_be_compared_is_named_before_the_run(text, line):
    assert any(line in problem for problem in said(text)), said(text)


def test_every_problem_is_named_at_once():
    assert len(said("nothing,asymmetric,factored(width=0)")) == 3


@pytest.mark.parametrize("tier", ["smoke", "quick", "standard", "full"])
def test_the_sizes_are_those_of_the_race(tier):
    sizes = tool.sizes_of({"tier": tier})
    assert set(SIZES) <= set(sizes)
    assert len(sizes["budget"]) == len(sizes["kappa"])


def courses(*levels):
    """Return the course of one method on two targets and two ensembles,
    whose errors fall by a level at every iteration.
    """
    cells = [(0, 0), (0, 1), (1, 0), (1, 1)]
    rows = [
        {"target": t, "ensemble": e, "iteration": k, "passes": 1.5 * k, "test_error": level**k}
        for (t, e), level in zip(cells, levels, strict=True)
        for k in range(30)
    ]
    return pd.DataFrame(rows)


def test_passes_are_read_between_looks_and_compared_with_intervals():
    slow, fast = (
        outcomes.log_passes(courses(*levels), 1e-3) for levels in ((0.5, 0.52, 0.5, 0.51), (0.2, 0.21, 0.2, 0.2))
    )
    np.testing.assert_allclose(np.exp(slow[0, 0]), 1.5 * np.log(1e-3) / np.log(0.5))
    rng = np.random.default_rng(0)
    judged = outcomes.duel(fast, slow, rng)
    assert judged.word == outcomes.WINS
    np.testing.assert_allclose(judged.ratio, np.exp((fast - slow).mean()))
    assert judged.low < judged.ratio < judged.high < 1
    assert outcomes.duel(slow, fast, rng).word == outcomes.LOSES
    assert outcomes.duel(slow, slow + np.array([[0.01, -0.01], [-0.01, 0.01]]), rng).word == outcomes.TIES
    never = outcomes.log_passes(courses(0.9, 0.5, 0.5, 0.5), 1e-3)
    assert np.isnan(never).sum() == 1
    assert outcomes.duel(fast, never, rng).word == outcomes.WINS
    assert outcomes.duel(never, fast, rng) == outcomes.Duel("loses", note="not by T: 1 and 0 of 4 runs")
    assert outcomes.duel(never, never, rng).word == outcomes.OPEN


def test_courses_thresholds_and_starts_are_measured_and_the_page_shows_them():
    chosen = contenders.contenders("factored(alpha=1e-3,steps=0.2|0.4),hard_thresholding(steps=0.5|0.7)")
    context = Context(7, range(2), torch.device("cpu"), torch.float64, lambda line: None)
    found = {kind: {} for kind in ("courses", "thresholds", "sensitivity", "seconds")}
    for one in chosen:
        best = cache(partial(measuring.tuned, one.method, SIZES, context))
        assert set(best(0)) == {1, 4}
        assert all(choice["step"] in one.method.steps for choice in best(1).values())
        course = pd.DataFrame(measuring.courses(one.method, SIZES, context, best))
        assert len(course.groupby(["kappa", "target", "ensemble"])) == 8
        found["courses"][one.label] = course.assign(seconds=1e-4 * course["iteration"])
        found["thresholds"][one.label] = pd.DataFrame(measuring.thresholds(one, SIZES, context, best))
        found["sensitivity"][one.label] = pd.DataFrame(measuring.sensitivity(one.method, SIZES, context, best))
        found["seconds"][one.label] = 1e-4
        for (kappa, ensemble), part in course.groupby(["kappa", "ensemble"]):
            assert set(part["step"]) == {best(ensemble)[kappa]["step"]}
    first, second = (found["sensitivity"][one.label] for one in chosen)
    assert sorted(first["alpha"].unique()) == sorted(measuring.ALPHAS)
    assert second.empty
    text = page.render(chosen, found, SIZES, "tiny", 7)
    for wanted in (
        "Who wins",
        "Measurements needed",
        "Sensitivity to the start",
        "factored (alpha=1e-3,steps=0.2|0.4)",
    ):
        assert wanted in text
    assert text.count("<svg") == 3
    assert "http://" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
        "http://creativecommons.org", ""
    )


def test_a_win_is_the_others_loss_and_what_is_open_does_not_count():
    first, second = contenders.contenders("descent_r,scaled_r")
    words = (outcomes.WINS, outcomes.WINS, outcomes.TIES, outcomes.LOSES, outcomes.OPEN)
    text = page.scores([first, second], [(first.name, second.name, "passes", [outcomes.Duel(word) for word in words])])
    assert f"<td>{first.name}</td><td></td><td>2 – 1 – 1</td>" in text
    assert f"<td>{second.name}</td><td>1 – 1 – 2</td><td></td>" in text


def test_a_file_of_ones_own_is_taken_up(tmp_path, monkeypatch):
    path = tmp_path / "slower.py"
    template = (ROOT / "tools" / "template_algorithm" / "algorithm.py").read_text()
    path.write_text(template)
    other = tmp_path / "larger.py"
    other.write_text(template.replace("alpha: PositiveFloat", "alpha: PositiveFloat = 0.5"))
    monkeypatch.setenv(plugins.ALGORITHM_PATH, "")
    text = contenders.take_up_files(f"{other},{path}(decay=0.5)")
    try:
        assert text == "larger,slower(decay=0.5)"
        larger, mine = contenders.contenders(text)
        assert mine.method.options == {"alpha": contenders.ALPHA, "decay": 0.5}
        # It starts as it says itself.
        assert larger.method.options == {"alpha": 0.5}
        assert issubclass(mine.method.algorithm, factored.Algorithm)
        assert mine.method.steps == contenders.STEPS
    finally:
        monkeypatch.undo()
        plugins.forget()
        for name in ("slower", "larger"):
            sys.modules.pop(f"algoreg.own.{name}", None)


def test_a_method_of_which_no_run_has_an_error_is_refused_by_its_steps():
    one, _ = contenders.contenders("factored(steps=3|4),descent_r")
    course = pd.DataFrame({"kappa": [1], "test_error": [0.5]})
    tool.refuse_divergence(one, course, {"kappa": [1]})
    for rows in (course, pd.DataFrame()):
        with pytest.raises(
            tool.Diverged, match=r"at κ = 4 every run diverges .* by every step of 3, 4; allowed are others"
        ):
            tool.refuse_divergence(one, rows, {"kappa": [4]})


@pytest.mark.any_kernels
def test_the_tool_says_what_is_wrong(tmp_path, monkeypatch, capsys):
    command = [sys.executable, ROOT / "tools" / "compare.py", "smoke", "descent_r,none.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "METHODS = none.py: allowed are files that exist, named by a-z, 0-9 and _ with .py\n"
    assert not list(tmp_path.iterdir())

    # The rest in this process: each start of the command takes seconds.
    def refusal(tier, methods):
        monkeypatch.setattr(sys, "argv", ["compare.py", tier, methods])
        assert tool.main() == 2
        return capsys.readouterr().err

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(plugins.ALGORITHM_PATH, "")
    mine = tmp_path / "mine.py"
    text = "from algoreg.algorithms import factored\n\n\nclass Algorithm(factored.Algorithm):\n"
    mine.write_text(f"{text}    requires = 'gradient'\n    estimates = 'any'\n")
    try:
        said = refusal("smoke", f"descent_r,{mine}")
    finally:
        monkeypatch.setenv(plugins.ALGORITHM_PATH, "")
        plugins.forget()
        sys.modules.pop("algoreg.own.mine", None)
    assert 'mine.py:4: requires = "gradient": allowed is a frozenset of names' in said
    assert 'mine.py:4: estimates = "any": unknown word; allowed are psd' in said
    own_tier = tmp_path / "own.yaml"
    own_tier.write_text("tier: mine\n")
    assert "threads: Field required" in refusal(str(own_tier), "descent_r,descent_2r")
    assert not (tmp_path / "results").exists()
