import copy
import subprocess
import sys

import numpy as np
import pytest
import yaml
from conftest import ROOT, TIERS, option_problems, registered_claims, setting_problems, tier_settings
from pydantic import NonNegativeFloat

from algoreg.claims import published
from algoreg.settings import checking, descents, option_checks, options
from algoreg.settings import plan as planned
from algoreg.settings.base import RunOptions

pytestmark = pytest.mark.any_kernels

SMOKE = tier_settings("smoke")


@pytest.mark.parametrize("tier", TIERS)
def test_shipped_tiers_and_registry_are_valid(tier):
    content = tier_settings(tier)
    assert content["tier"] == tier
    entries = registered_claims()
    judged = [entry["chapter"] for entry in entries if planned.is_judged(entry, content)]
    # Smoke judges nothing, and quick something of every chapter.
    assert tier != "smoke" or not judged
    assert tier != "quick" or set(judged) == {entry["chapter"] for entry in entries}


def edit(path, value):
    content = copy.deepcopy(SMOKE)
    *way, last = path
    place = content
    for key in way:
        place = place[key]
    place[last] = value
    return content


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("devce",), "cpu", "tier.yaml: devce = \"cpu\": unknown key"),
        (("device",), "tpu", "tier.yaml: device = \"tpu\": Input should be 'auto', 'cpu' or 'cuda'"),
        (("tier",), "bench", "tier.yaml: tier = \"bench\": this name is taken"),
        (("tier",), "../x", "tier.yaml: tier = \"../x\": String should match pattern"),
        (("threads",), 0, "tier.yaml: threads = 0: Input should be greater than or equal to 1"),
        (("threads",), True, "tier.yaml: threads = true: Input should be a valid integer"),
        (("experiments", "other_starts", "options", "runs", 0, "paper_step"), -0.1, "runs[0].paper_step = -0.1: Input should be greater than 0"),
        (("experiments", "other_starts", "options", "runs", 0, "paper_step"), "1e-3", "write 1.0e-3"),
        (("experiments", "other_starts", "options", "runs", 0, "alpha"), 0, "runs[0].alpha = 0: Input should be greater than 0"),
        (("experiments", "other_starts", "options", "runs", 0, "alpha"), ["1e-3"], "write 1.0e-3"),
        (("experiments", "other_starts", "options", "runs", 0, "alpha"), [], "allowed is a value or a list of values"),
        (("experiments", "other_starts", "options", "runs", 0, "widht"), 3, "runs[0].widht = 3: unknown key; did you mean width? allowed are paper_step, paper_iterations, m, alpha"),
        (("experiments", "other_starts", "options", "runs", 0, "start"), "zero", "runs[0].start = \"zero\": Input should be 'identity', 'orthonormal', 'gaussian' or 'spectral'"),
        (("experiments", "other_starts", "options", "algorithm"), "adam", "algorithm = \"adam\": unknown algorithm; allowed are accelerated, accelerated_projected, asymmetric"),
        (("experiments", "figure_1", "select"), ["nothing"], "select = \"nothing\": unknown experiment of descents at size smoke; allowed are gaussian"),
        (("experiments", "figure_1", "select"), ["figure_3"], "select = \"figure_3\": unknown experiment of descents at size smoke; allowed are gaussian"),
        (("experiments", "figure_1", "iterations"), [200], "allowed is a mapping with either iterations, as they ran, or paper_iterations"),
        (("experiments", "sgd", "options", "runs"), [{"alpha": 1.0, "step": 0.1, "paper_iterations": 9}], "options.runs: paper_step and paper_iterations are mixed with step and iterations; allowed is one of these pairs"),
        (("experiments", "sgd", "options", "runs"), [{"alpha": 1.0, "step": 0.1, "iterations": 9}], "step_factor = 1: allowed is none where runs have step and iterations, as they run"),
        (("experiments", "gaussian", "options", "rank"), 11, "experiments.gaussian.options: rank = 11, d = 10: allowed is rank at most d"),
        (("experiments", "gaussian", "options", "m"), 0, "experiments.gaussian.options.m = 0: Input should be greater than or equal to 1"),
        (("experiments", "gaussian", "options", "m"), 10**9, "allowed is 64 GiB"),
        (("experiments", "gaussian", "options", "ensemble"), "fourier", "ensemble = \"fourier\": unknown ensemble; allowed are entries"),
        (("experiments", "gaussian", "options", "target"), {"kind": "spectrum"}, "allowed is a list of rank = 1 numbers"),
        (("checkpoint_seconds",), float("nan"), "tier.yaml: checkpoint_seconds = nan: allowed is a finite number"),
        (("checkpoint_seconds",), float("inf"), "tier.yaml: checkpoint_seconds = inf: allowed is a finite number"),
        (("experiments", "frank_wolfe_networks", "options", "m_over_dr"), [1.7e308, 1], "m_over_dr[0] = 1.7e+308: allowed is a number of at most 1e+100"),
        (("experiments", "gaussian", "options", "d"), 10**101, f"experiments.gaussian.options.d = {str(10**101)[:57]}…: allowed is a number of at most 1e+100"),
        (("experiments", "figure_1", "paper_iterations"), [777], "(step_factor 10, 3000 iterations) does not record it"),
        (("experiments", "figure_1", "alpha"), [0.5], "alpha = [0.5]: no run has these; allowed are 1.0, 0.1, 0.01"),
        (("figures", "figure_1"), ["figure_1", "nothing"], "figures.figure_1 = \"nothing\": unknown table; allowed are"),
        (("figures", "figure_9"), ["figure_1"], "figures.figure_9: unknown figure; allowed are "),
        (("experiments", "figure_2", "paper_iterations", "to"), 500, "paper_iterations.to = 500: allowed is at least from"),
        (("experiments", "figure_2", "by"), ["alpha"], "must contain iteration, as there are several"),
        (("experiments", "figure_1", "by"), ["d"], "does not tell apart two runs with d = 10"),
        (("experiments", "figure_1", "alpha"), [1.0, 0.2], "alpha = [0.2]: no run has these"),
        (("experiments", "more"), {"compare": "figure_1", "published": "figure_1"}, "this table has d = 10"),
        (("experiments", "more"), {"compare": "figure_4", "published": "figure_4_d150"}, "published figure_4_d150 is of d = 150"),
        (("experiments", "other_starts", "options", "runs", 0, "start"), ["identity", "orthonormal"], "does not tell apart two runs"),
        (("experiments", "projected_d10", "options", "runs", 0, "alpha"), 0.1, "runs[0].alpha = 0.1: unknown key; allowed are paper_step, paper_iterations, m, start"),
        (("experiments", "sgd", "options", "runs", 0, "width"), 3, "runs[0].width = 3: unknown key; allowed are paper_step, paper_iterations, m, alpha, start, batch_size"),
        (("experiments", "sgd", "options", "runs", 0, "batch_size"), 0, "runs[0].batch_size = 0: Input should be greater than 0"),
        (("experiments", "sgd", "options", "runs", 0, "batch_size"), 51, "batch_size = 51: allowed is at most m = 50"),
        (("experiments", "sgd", "options", "runs"), [{"alpha": 1.0, "paper_step": 0.1, "paper_iterations": 9, "m": [40, 9], "batch_size": 10}], "batch_size = 10: allowed is at most m = 9"),
        (("experiments", "projected_d10", "options", "runs", 0, "m"), [10, 51], "runs[0].m = 51: allowed is at most the problem's m = 50"),
        (("experiments", "projected_d10", "options", "runs", 0, "m"), 0, "runs[0].m = 0: Input should be greater than or equal to 1"),
        (("experiments", "gaussian", "options", "own_targets"), True, "experiments.gaussian.options: targets = 2: allowed is 1 with own_targets: true"),
        (("experiments", "gaussian", "options", "own_targets"), "yes", "own_targets = \"yes\": Input should be a valid boolean"),
        (("experiments", "other_starts", "options", "runs"), [{"alpha": 1.0, "paper_stpe": 0.1, "paper_iterations": 100}], "runs[0].paper_stpe = 0.1: unknown key; did you mean paper_step?"),
        (("experiments", "gaussian", "options", "record", "errors"), {"evry": 3}, "experiments.gaussian.options.record.errors.evry = 3: unknown key; did you mean every? allowed are every, log_spaced, at"),
        (("experiments", "gaussian", "options", "target"), "columns", "options.target = \"columns\": Input should be a mapping of kind, eigenvalues"),
        (("experiments", "figure_2", "paper_iterations"), 7, "paper_iterations = 7: Input should be a list of iterations, a mapping with from, to, every, or end"),
        (("step_factor",), 0, "step_factor = 0: Input should be greater than or equal to 1"),
        (("step_factor",), 7, "experiments.gaussian.options.runs[0].paper_iterations = 3000: allowed is a multiple of step_factor = 7"),
        (("experiments", "gaussian", "options", "record", "errors", "every"), 105, "record.errors.every = 105: allowed is a multiple of step_factor = 10"),
        (("experiments", "projected_d10", "dtype"), "float16", "dtype = \"float16\": Input should be 'float32' or 'float64'"),
        (("experiments", "figure_4", "by"), ["d", "m_over_d"], "does not tell apart two runs with d = 10, m_over_d = 1"),
        (("experiments", "figure_4", "by"), ["d", "m_over_d", "method", "iteration"], "has no iteration where paper_iterations is end"),
        (("experiments", "figure_4", "m_over_d"), [7], "m_over_d = [7]: no run has these; allowed are 5, 4, 3, 2, 1"),
        (("experiments", "figure_4", "by"), ["d", "m_over_d", "method", "alpha"], "projected runs have no alpha"),
        (("experiments", "gaussian", "options", "m"), 50.0, "m = 50.0: Input should be a valid integer"),
        (("experiments", "sgd", "options", "runs", 0, "batch_size"), 2.0, "batch_size = 2.0: Input should be a valid integer"),
        (("step_factor",), 10.0, "step_factor = 10.0: Input should be a valid integer"),
        (("experiments", "figure_1", "paper_iterations"), [2000, 2000], "paper_iterations = [2000, 2000]: a value is given twice"),
        (("__use_yte__",), True, "unknown key"),
    ],
)  # fmt: skip
def test_bad_values_are_named_with_what_is_allowed(path, value, line):
    with pytest.raises(checking.SettingsError) as caught:
        checking.check_tier(edit(path, value), "tier.yaml")
    assert any(line in problem for problem in caught.value.problems), caught.value.problems


def memory(content):
    return [line for line in setting_problems(content) if "the ensemble would take" in line]


def test_the_memory_limit_is_that_of_what_an_ensemble_stores():
    """64 GiB of float64 at d = 1000: 17 thousand packed matrices, 8.6 million vectors or 4.3 million pairs of them."""
    content = edit(("experiments", "gaussian", "options", "d"), 1000)
    problem = content["experiments"]["gaussian"]["options"]
    for ensemble, most in (("gaussian", 17_162), ("rank_one", 8_589_934), ("rank_one_pairs", 4_294_967)):
        problem["ensemble"], problem["m"] = ensemble, most
        assert not memory(content)
        problem["m"] = most + 1
        (line,) = memory(content)
        assert f"m = {most + 1}: the ensemble would take 64 GiB; allowed is 64 GiB" in line


def test_all_problems_come_in_one_go_one_line_each():
    content = edit(("device",), "tpu")
    content["dtype"] = "float16"
    del content["seed"]
    with pytest.raises(checking.SettingsError) as caught:
        checking.check_tier(content, "tier.yaml")
    assert len(caught.value.problems) == 3
    assert not any("\n" in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("tier: a\ntier: b\n", "tier (line 2): duplicate key"),
        ("a: {b: 1, b: 2}\n", "b (line 1): duplicate key"),
        ("a: [1\n", "not valid YAML"),
        ("a: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
        ("1: a\n", "allowed are strings"),
    ],
)
def test_bad_yaml(tmp_path, text, line):
    path = tmp_path / "tier.yaml"
    path.write_text(text)
    with pytest.raises(checking.SettingsError) as caught:
        checking.load_tier(path)
    assert line in str(caught.value)


def test_a_table_of_runs_has_targets_of_one_kind():
    content = tier_settings("smoke")
    content["experiments"]["factored_d10"]["options"] |= {"targets": 1, "own_targets": True}
    said = "experiments.factored_d10 has own_targets, experiments.projected_d10 has not"
    assert [line for line in setting_problems(content) if "experiments.figure_4.select" in line and said in line]


def test_published_curves_are_of_the_size_that_their_chapter_says():
    for name, d in checking.published_sizes().items():
        assert set(published.load_published(name)["d"]) == {d}, name


def test_grids():
    assert descents.recorded_iterations({"every": 4, "at": [3, 99]}, 10) == [0, 3, 4, 8, 10]
    assert descents.recorded_iterations({"log_spaced": 3}, 100) == [0, 1, 10, 100]


def descents_options(**own):
    block = {"experiment": "descents", "options": {"d": 3, "rank": 1, "m": 9, "targets": 1, **own}}
    return lambda tier: planned.experiment_options(block, tier)


def test_lists_are_multiplied_out_with_defaults():
    run = {"alpha": [1.0, 0.1], "m": [7, 3], "step": 0.1, "iterations": 10}
    runs = descents.expand_runs(descents_options(algorithm="factored", runs=[run])({}))
    assert len(runs) == 4
    expected = {"start": "identity", "alpha": 0.1, "step": 0.1, "iterations": 10, "m": 7, "step_factor": 1}
    expected |= {"width": None}
    assert expected in runs


def test_a_step_factor_makes_steps_larger_and_fewer_and_records_at_the_same_times():
    record = {"errors": {"every": 20, "at": [5, 35], "log_spaced": 4}}
    asked = {"algorithm": "projected", "record": record}
    made = descents_options(**asked, runs=[{"paper_step": 0.01, "paper_iterations": 100}])
    own = descents.expand_runs(made({"step_factor": 5}))[0]
    assert (own["step"], own["iterations"], own["step_factor"]) == (0.05, 20, 5)
    assert descents.record_as_run(made({"step_factor": 5})) == {"errors": {"every": 4, "at": [1, 7], "log_spaced": 4}}
    assert descents.expand_runs({**made({"step_factor": 5}), "step_factor": 1})[0]["iterations"] == 100
    # The tier's factor is none of runs that are given as they run.
    made = descents_options(**asked, runs=[{"step": 0.01, "iterations": 100}])
    own = descents.expand_runs(made({"step_factor": 5}))[0]
    assert (own["step"], own["iterations"], own["step_factor"]) == (0.01, 100, 1)
    assert descents.record_as_run(made({"step_factor": 5})) == record


def test_a_claim_is_not_judged_from_descents_on_one_ensemble():
    content = tier_settings("quick")
    content["experiments"]["long"]["ensembles"] = 1
    (line, *_) = checking.unfit_claims(registered_claims(), content, "t.yaml")
    assert "experiments.long.ensembles = 1: allowed is at least 2, as fig3-" in line


def test_a_grid_with_fewer_than_three_sizes_gives_no_exponent():
    entries = registered_claims()
    for tier in TIERS:
        content = tier_settings(tier)
        assert checking.unfit_claims(entries, content, tier) == []
    content = tier_settings("quick")
    content["experiments"]["samples_d"]["options"]["d"] = [16, 24]
    content["experiments"]["iterations_in_r"]["options"]["rank"] = [1, 2]
    found = checking.unfit_claims(entries, content, "t.yaml")
    for option, claim in (
        ("samples_d.sizes.quick.options.d = [16, 24]", "thm11-samples-in-d"),
        ("iterations_in_r.sizes.quick.options.rank", "thm11-iterations-in-r"),
    ):
        assert any(option in line and claim in line and "at least three values" in line for line in found), found


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("experiments", "other_starts", "options", "runs", 0, "alpha"), 1e-39,
         "experiments.other_starts.options.runs[0].alpha = 1e-39: allowed is at least 1.18e-38 in float32"),
        (("experiments", "other_starts", "options", "runs", 0, "alpha"), [0.1, 1e-44], "alpha = 1e-44: allowed is at least 1.18e-38"),
        (("experiments", "window", "options", "alpha_power"), 400,
         "options.alpha_power = 400: allowed is at most 340.66 at d = 8 in float64"),
        (("experiments", "dynamics_course", "options", "alpha"), 1e-310,
         "experiments.dynamics_course.options.alpha = 1e-310: allowed is at least 2.23e-308 in float64"),
    ],
)  # fmt: skip
def test_a_start_that_its_data_type_cannot_hold_is_refused(path, value, line):
    with pytest.raises(checking.SettingsError) as caught:
        checking.check_tier(edit(path, value), "tier.yaml")
    assert line in str(caught.value)


def test_the_data_type_that_decides_about_a_start_is_the_one_it_is_computed_in():
    tier = edit(("experiments", "other_starts", "options", "runs", 0, "alpha"), 1e-39)
    tier["experiments"]["other_starts"]["dtype"] = "float64"
    assert "float32" not in "".join(setting_problems(tier))
    experiment = edit(("experiments", "dynamics_course", "options", "alpha"), 1e-39)
    assert not setting_problems(experiment)
    experiment["experiments"]["dynamics_course"]["dtype"] = "float32"
    assert "at least 1.18e-38 in float32" in "".join(setting_problems(experiment))
    for name, least in option_checks.SMALLEST_NORMAL.items():
        assert least == np.finfo(name).smallest_normal


def test_more_runs_than_anyone_waits_for_are_refused_before_they_are_listed(monkeypatch):
    tier = edit(("experiments", "other_starts", "options", "runs", 0, "alpha"), [1 + i / 10**6 for i in range(20_000)])
    monkeypatch.setattr(descents, "expand_runs", None)
    lines = [line for line in setting_problems(tier) if "other_starts" in line]
    assert lines == [
        "tier.yaml: experiments.other_starts.options.runs: 20000 runs (alpha alone has 20000 values); allowed are at most 10000"
    ]


def test_checking_a_tier_takes_as_many_steps_as_it_has_runs(monkeypatch):
    counted = {"expand_runs": 0, "recorded_iterations": 0, "listed": 0}
    for name in ("expand_runs", "recorded_iterations"):
        plain = getattr(descents, name)

        def counting(*arguments, name=name, plain=plain):
            found = plain(*arguments)
            counted[name] += 1
            counted["listed"] += len(found)
            return found

        monkeypatch.setattr(descents, name, counting)

    def steps(count):
        counted.update(dict.fromkeys(counted, 0))
        tier = edit(
            ("experiments", "other_starts", "options", "runs", 0, "alpha"), [1 + i / 10**6 for i in range(count)]
        )
        setting_problems(tier)
        return dict(counted)

    few, many = steps(10), steps(1010)
    assert few["expand_runs"] == many["expand_runs"] > 0
    assert few["recorded_iterations"] == many["recorded_iterations"] > 0
    # Each listing of the runs is longer by the thousand that were added.
    assert many["listed"] - few["listed"] <= 1000 * few["expand_runs"]


def test_a_file_of_ones_own_cannot_take_the_name_of_a_shipped_tier(tmp_path):
    own = tmp_path / "mine.yaml"
    folder = ROOT / "config"

    def problems(content):
        own.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return checking.taken_names(own, folder)

    shipped = yaml.safe_load((folder / "smoke.yaml").read_text())
    assert problems({**shipped, "seed": 99}) == [
        f"{own}: tier = smoke: config/smoke.yaml has this name, and its results would be overwritten; choose another name"
    ]
    assert len(problems({"tier": "full"})) == 1
    assert problems(shipped) == []
    for harmless in ({**shipped, "tier": "mine"}, "[]", "", "tier: [smoke]", "tier: ../smoke", "seed: 1"):
        assert problems(harmless) == []
    for tier in ("smoke", "standard"):
        assert checking.taken_names(folder / f"{tier}.yaml", folder) == []


def test_the_workflow_refuses_a_taken_name_before_any_job(tmp_path):
    own = tmp_path / "mine.yaml"
    own.write_text((ROOT / "config" / "smoke.yaml").read_text().replace("seed: 2018", "seed: 99"))
    command = [sys.executable, "-m", "snakemake", "-n", "--snakefile", ROOT / "Snakefile", "--configfile", own]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "mine.yaml: tier = smoke: config/smoke.yaml has this name" in done.stderr + done.stdout


def test_an_option_that_a_experiments_algorithm_lacks_is_named_where_none_is_given(monkeypatch):
    class Options(RunOptions):
        decay: NonNegativeFloat

    name = next(
        key for key, block in tier_settings("smoke")["experiments"].items() if block.get("experiment") == "threshold"
    )
    monkeypatch.setattr(options, "of_algorithm", lambda algorithm: Options)
    (line,) = {line for line in option_problems(name, algorithm="factored") if f"experiments.{name}." in line}
    assert line == f"tier.yaml: experiments.{name}.options.algorithm_options.decay: Field required"
    found = option_problems(name, algorithm="factored", algorithm_options={"decay": 0.1})
    assert not any(f"experiments.{name}." in line for line in found)


def test_an_algorithm_that_a_experiments_ensemble_does_not_go_with_is_refused():
    name = next(
        key for key, block in tier_settings("smoke")["experiments"].items() if block.get("experiment") == "threshold"
    )
    (line,) = option_problems(name, algorithm="asymmetric")
    said = "it needs rectangular gradient, rectangular matrices, which ensemble gaussian does not provide"
    assert line == f'tier.yaml: experiments.{name}.options.algorithm = "asymmetric": {said}'
