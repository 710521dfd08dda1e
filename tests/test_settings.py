import copy
import subprocess
import sys

import numpy as np
import pytest
import yaml
from conftest import ROOT, SCRATCH_CHAPTERS, TIERS, option_problems, registered_claims, setting_problems, tier_settings

from algoreg.judge import published
from algoreg.spec import fitting, options, settings
from algoreg.spec import plan as planned
from algoreg.spec.base import RunOptions, real
from algoreg.spec.grids import as_paper_iteration, own_iteration, recorded_iterations

pytestmark = pytest.mark.any_kernels

SMOKE = tier_settings("smoke")


@pytest.mark.parametrize("tier", TIERS)
def test_shipped_tiers_and_registry_are_valid(tier):
    content = tier_settings(tier)
    assert content["tier"] == tier
    entries = registered_claims()
    judged = [entry["chapter"] for entry in entries if planned.judged(entry, content)]
    # Of the paper's own chapters; every other one has a claim that each tier judges, but for smoke.
    expected = {"smoke": 0, "quick": 43, "standard": 55, "full": 51}[tier]
    assert sum(chapter in SCRATCH_CHAPTERS for chapter in judged) == expected
    others = {entry["chapter"] for entry in entries} - SCRATCH_CHAPTERS
    assert others <= set(judged) or tier in ("smoke", "full")


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
        (("device",), "tpu", "tier.yaml: device = \"tpu\": allowed is auto, cpu or cuda"),
        (("tier",), "bench", "tier.yaml: tier = \"bench\": allowed is"),
        (("tier",), "../x", "tier.yaml: tier = \"../x\": allowed is"),
        (("threads",), 0, "tier.yaml: threads = 0: allowed is a whole number from 1"),
        (("threads",), True, "tier.yaml: threads = true: allowed is a whole number"),
        (("descents", "paper_step", "runs", 0, "step"), -0.1, "runs[0].step = -0.1: allowed is a number above 0"),
        (("descents", "paper_step", "runs", 0, "step"), "1e-3", "write 1.0e-3"),
        (("descents", "paper_step", "runs", 0, "alpha"), 0, "runs[0].alpha = 0: allowed is a number above 0"),
        (("descents", "paper_step", "runs", 0, "alpha"), ["1e-3"], "write 1.0e-3"),
        (("descents", "paper_step", "runs", 0, "alpha"), [], "allowed is a value or a list of values"),
        (("descents", "paper_step", "runs", 0, "widht"), 3, "runs[0].widht = 3: unknown key; allowed are step, iterations, m, alpha"),
        (("descents", "paper_step", "runs", 0, "start"), "zero", "allowed is identity, orthonormal, gaussian or spectral"),
        (("descents", "paper_step", "algorithm"), "adam", "algorithm = \"adam\": unknown algorithm; allowed are accelerated, accelerated_projected, asymmetric"),
        (("descents", "paper_step", "ensembles"), [2], "ensembles = 2: allowed is 0 to 1"),
        (("descents", "paper_step", "problem"), "nothing", "problem = \"nothing\": unknown problem at size smoke; allowed are gaussian"),
        (("problems", "gaussian", "rank"), 11, "problems.gaussian.rank = 11: allowed is at most d = 10"),
        (("problems", "gaussian", "m"), 0, "problems.gaussian.m = 0: allowed is a whole number of at least 1"),
        (("problems", "gaussian", "m"), 10**9, "allowed is 64 GiB"),
        (("problems", "gaussian", "ensemble"), "fourier", "ensemble = \"fourier\": unknown ensemble; allowed are entries"),
        (("problems", "gaussian", "target"), {"kind": "spectrum"}, "allowed is a list of rank = 1 numbers"),
        (("checkpoint_seconds",), float("nan"), "tier.yaml: checkpoint_seconds = nan: allowed is a finite number"),
        (("checkpoint_seconds",), float("inf"), "tier.yaml: checkpoint_seconds = inf: allowed is a finite number"),
        (("studies", "frank_wolfe_networks", "options", "m_over_dr"), [1.7e308, 1], "m_over_dr[0] = 1.7e+308: allowed is a number of at most 1e+100"),
        (("problems", "gaussian", "d"), 10**101, f"problems.gaussian.d = {str(10**101)[:57]}…: allowed is a number of at most 1e+100"),
        (("experiments", "figure_1", "paper_iterations"), [777], "(step_factor 10, 3000 iterations) does not record it"),
        (("experiments", "figure_1", "alpha"), [0.5], "alpha = [0.5]: no run has these; allowed are 1.0, 0.1, 0.01"),
        (("figures", "figure_1"), ["figure_1", "nothing"], "figures.figure_1 = \"nothing\": unknown table; allowed are"),
        (("figures", "figure_9"), ["figure_1"], "figures.figure_9: unknown figure; allowed are "),
        (("experiments", "figure_2", "paper_iterations", "to"), 500, "paper_iterations.to = 500: allowed is at least from"),
        (("experiments", "figure_2", "by"), ["alpha"], "needs iteration, as there are several"),
        (("experiments", "figure_1", "by"), ["d"], "does not tell apart two runs with d = 10"),
        (("experiments", "figure_1", "alpha"), [1.0, 0.2], "alpha = [0.2]: no run has these"),
        (("experiments", "more"), {"compare": "figure_1", "published": "figure_1"}, "this table has d = 10"),
        (("experiments", "more"), {"compare": "figure_4", "published": "figure_4_d150"}, "published figure_4_d150 is of d = 150"),
        (("descents", "paper_step", "runs", 0, "start"), ["identity", "orthonormal"], "does not tell apart two runs"),
        (("descents", "projected_d10", "runs", 0, "alpha"), 0.1, "runs[0].alpha = 0.1: unknown key; allowed are step, iterations, m, start"),
        (("descents", "sgd", "runs", 0, "width"), 3, "runs[0].width = 3: unknown key; allowed are step, iterations, m, alpha, start, batch_size"),
        (("descents", "sgd", "runs", 0, "batch_size"), 0, "batch_size = 0: allowed is a whole number from 1 to the run's m"),
        (("descents", "sgd", "runs", 0, "batch_size"), 51, "batch_size = 51: allowed is at most m = 50"),
        (("descents", "sgd", "runs"), [{"alpha": 1.0, "step": 0.1, "iterations": 9, "m": [40, 9], "batch_size": 10}], "batch_size = 10: allowed is at most m = 9"),
        (("descents", "projected_d10", "runs", 0, "m"), [10, 51], "runs[0].m = 51: allowed is at most the problem's m = 50"),
        (("descents", "projected_d10", "runs", 0, "m"), 0, "runs[0].m = 0: allowed is a whole number of at least 1"),
        (("problems", "gaussian", "own_targets"), True, "problems.gaussian.targets = 2: allowed is 1 with own_targets: true"),
        (("problems", "gaussian", "own_targets"), "yes", "own_targets = \"yes\": allowed is true (every ensemble has a target of its own) or false"),
        (("descents", "paper_step", "runs"), [{"alpha": 1.0, "stpe": 0.1, "iterations": 100}], "runs[0].step is missing; stpe = 0.1 is no key of it"),
        (("step_factor",), 0, "step_factor = 0: allowed is a whole number of at least 1"),
        (("step_factor",), 7, "descents.gaussian.runs[0].iterations = 3000: allowed is a multiple of step_factor = 7"),
        (("descents", "gaussian", "record", "errors", "every"), 105, "record.errors.every = 105: allowed is a multiple of step_factor = 10"),
        (("descents", "projected_d10", "dtype"), "float16", "dtype = \"float16\": allowed is float32 or float64"),
        (("experiments", "figure_4", "by"), ["d", "m_over_d"], "does not tell apart two runs with d = 10, m_over_d = 1"),
        (("experiments", "figure_4", "by"), ["d", "m_over_d", "method", "iteration"], "has no iteration where paper_iterations is end"),
        (("experiments", "figure_4", "m_over_d"), [7], "m_over_d = [7]: no run has these; allowed are 5, 4, 3, 2, 1"),
        (("experiments", "figure_4", "by"), ["d", "m_over_d", "method", "alpha"], "projected runs have no alpha"),
        (("problems", "gaussian", "m"), 50.0, "m = 50.0: allowed is a whole number"),
        (("descents", "sgd", "runs", 0, "batch_size"), 2.0, "batch_size = 2.0: allowed is a whole number"),
        (("step_factor",), 10.0, "step_factor = 10.0: allowed is a whole number"),
        (("experiments", "figure_1", "paper_iterations"), [2000, 2000], "paper_iterations = [2000, 2000]: allowed is"),
        (("__use_yte__",), True, "unknown key"),
    ],
)  # fmt: skip
def test_bad_values_are_named_with_what_is_allowed(path, value, line):
    with pytest.raises(settings.SettingsError) as caught:
        settings.check_tier(edit(path, value), "tier.yaml")
    assert any(line in problem for problem in caught.value.problems), caught.value.problems


def memory(content):
    return [line for line in setting_problems(content) if "the ensemble would take" in line]


def test_the_memory_limit_is_that_of_what_an_ensemble_stores():
    """64 GiB of float64 at d = 1000: 17 thousand packed matrices, 8.6 million vectors or 4.3 million pairs of them."""
    content = edit(("problems", "gaussian", "d"), 1000)
    problem = content["problems"]["gaussian"]
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
    with pytest.raises(settings.SettingsError) as caught:
        settings.check_tier(content, "tier.yaml")
    assert len(caught.value.problems) == 3
    assert not any("\n" in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("tier: a\ntier: b\n", "tier (line 2): duplicate key"),
        ("a: {b: 1, b: 2}\n", "b (line 1): duplicate key"),
        ("a: [1\n", "not valid YAML"),
        ("a: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
        ("1: a\n", "keys are texts"),
    ],
)
def test_bad_yaml(tmp_path, text, line):
    path = tmp_path / "tier.yaml"
    path.write_text(text)
    with pytest.raises(settings.SettingsError) as caught:
        settings.load_tier(path)
    assert line in str(caught.value)


def test_an_experiment_has_targets_of_one_kind():
    content = tier_settings("smoke")
    own = next(block["problem"] for name, block in content["descents"].items() if name == "factored_d10")
    content["problems"]["paired"] = {**content["problems"][own], "targets": 1, "own_targets": True}
    content["descents"]["factored_d10"]["problem"] = "paired"
    said = f"descents.factored_d10 (problems.paired) has own_targets, descents.projected_d10 (problems.{own}) has not"
    assert [line for line in setting_problems(content) if "experiments.figure_4.descents" in line and said in line]


def test_published_curves_are_of_the_size_that_their_chapter_says():
    for name, d in settings.published_sizes().items():
        assert set(published.load_published(name)["d"]) == {d}, name


def test_grids():
    assert recorded_iterations({"every": 4, "at": [3, 99]}, 10) == [0, 3, 4, 8, 10]
    assert recorded_iterations({"log_spaced": 3}, 100) == [0, 1, 10, 100]
    assert own_iteration(10_000, {"step_factor": 5}) == 2000
    assert as_paper_iteration(2000, {"step_factor": 5}) == 10_000


def test_lists_are_multiplied_out_with_defaults():
    run = {"alpha": [1.0, 0.1], "m": [7, 3], "step": 0.1, "iterations": 10}
    descent = {"problem": "p", "algorithm": "factored", "runs": [run]}
    runs = planned.expand_runs({"problems": {"p": {"m": 9}}, "descents": {"x": descent}}, "x")
    assert len(runs) == 4
    expected = {"start": "identity", "alpha": 0.1, "step": 0.1, "iterations": 10, "m": 7, "step_factor": 1}
    expected |= {"width": None}
    assert expected in runs


def test_a_step_factor_makes_steps_larger_and_fewer_and_records_at_the_same_times():
    run = {"step": 0.01, "iterations": 100}
    record = {"errors": {"every": 20, "at": [5, 35], "log_spaced": 4}}
    descent = {"problem": "p", "algorithm": "projected", "runs": [run], "record": record}
    tier = {"step_factor": 5, "problems": {"p": {"m": 9}}, "descents": {"x": descent}}
    own = planned.expand_runs(tier, "x")[0]
    assert (own["step"], own["iterations"], own["step_factor"]) == (0.05, 20, 5)
    assert planned.own_record(tier, "x") == {"errors": {"every": 4, "at": [1, 7], "log_spaced": 4}}
    descent["step_factor"] = 1
    assert planned.expand_runs(tier, "x")[0]["iterations"] == 100


def test_a_grid_with_fewer_than_three_sizes_gives_no_exponent():
    entries = registered_claims()
    for tier in TIERS:
        content = tier_settings(tier)
        assert settings.unfit_claims(entries, content, tier) == []
    content = tier_settings("quick")
    content["studies"]["samples_d"]["options"]["d"] = [16, 24]
    content["studies"]["iterations_in_r"]["options"]["rank"] = [1, 2]
    found = settings.unfit_claims(entries, content, "t.yaml")
    for option, claim in (
        ("samples_d.sizes.quick.options.d = [16, 24]", "thm11-samples-in-d"),
        ("iterations_in_r.sizes.quick.options.rank", "thm11-iterations-in-r"),
    ):
        assert any(option in line and claim in line and "at least three values" in line for line in found), found


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        (("descents", "paper_step", "runs", 0, "alpha"), 1e-39,
         "descents.paper_step.runs[0].alpha = 1e-39: allowed is at least 1.18e-38 in float32"),
        (("descents", "paper_step", "runs", 0, "alpha"), [0.1, 1e-44], "alpha = 1e-44: allowed is at least 1.18e-38"),
        (("studies", "window", "options", "alpha_power"), 400,
         "options.alpha_power = 400: allowed is at most 340.66 at d = 8 in float64"),
        (("studies", "dynamics_course", "options", "alpha"), 1e-310,
         "studies.dynamics_course.options.alpha = 1e-310: allowed is at least 2.23e-308 in float64"),
    ],
)  # fmt: skip
def test_a_start_that_its_data_type_cannot_hold_is_refused(path, value, line):
    with pytest.raises(settings.SettingsError) as caught:
        settings.check_tier(edit(path, value), "tier.yaml")
    assert line in str(caught.value)


def test_the_data_type_that_decides_about_a_start_is_the_one_it_is_computed_in():
    tier = edit(("descents", "paper_step", "runs", 0, "alpha"), 1e-39)
    tier["descents"]["paper_step"]["dtype"] = "float64"
    assert "float32" not in "".join(setting_problems(tier))
    study = edit(("studies", "dynamics_course", "options", "alpha"), 1e-39)
    assert not setting_problems(study)
    study["studies"]["dynamics_course"]["dtype"] = "float32"
    assert "at least 1.18e-38 in float32" in "".join(setting_problems(study))
    for name, least in fitting.SMALLEST_NORMAL.items():
        assert least == np.finfo(name).smallest_normal


def test_more_runs_than_anyone_waits_for_are_refused_before_they_are_listed(monkeypatch):
    tier = edit(("descents", "paper_step", "runs", 0, "alpha"), [1 + i / 10**6 for i in range(20_000)])
    monkeypatch.setattr(planned, "expand_runs", None)
    lines = [line for line in setting_problems(tier) if "paper_step" in line]
    assert lines == [
        "tier.yaml: descents.paper_step.runs: 20000 runs (alpha alone has 20000 values); allowed are at most 10000"
    ]


def test_checking_a_tier_takes_as_many_steps_as_it_has_runs(monkeypatch):
    counted = {"expand_runs": 0, "recorded_iterations": 0, "listed": 0}
    for name in ("expand_runs", "recorded_iterations"):
        plain = getattr(planned, name)

        def counting(*arguments, name=name, plain=plain):
            found = plain(*arguments)
            counted[name] += 1
            counted["listed"] += len(found)
            return found

        monkeypatch.setattr(planned, name, counting)

    def steps(count):
        counted.update(dict.fromkeys(counted, 0))
        tier = edit(("descents", "paper_step", "runs", 0, "alpha"), [1 + i / 10**6 for i in range(count)])
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
        return settings.taken_names(own, folder)

    shipped = yaml.safe_load((folder / "smoke.yaml").read_text())
    assert problems({**shipped, "seed": 99}) == [
        f"{own}: tier = smoke: config/smoke.yaml has this name, and these results would replace its own; choose another name"
    ]
    assert len(problems({"tier": "full"})) == 1
    assert problems(shipped) == []
    for harmless in ({**shipped, "tier": "mine"}, "[]", "", "tier: [smoke]", "tier: ../smoke", "seed: 1"):
        assert problems(harmless) == []
    for tier in ("smoke", "standard"):
        assert settings.taken_names(folder / f"{tier}.yaml", folder) == []


def test_the_workflow_refuses_a_taken_name_before_any_job(tmp_path):
    own = tmp_path / "mine.yaml"
    own.write_text((ROOT / "config" / "smoke.yaml").read_text().replace("seed: 2018", "seed: 99"))
    command = [sys.executable, "-m", "snakemake", "-n", "--snakefile", ROOT / "Snakefile", "--configfile", own]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "mine.yaml: tier = smoke: config/smoke.yaml has this name" in done.stderr + done.stdout


def test_an_option_that_a_studys_algorithm_lacks_is_named_where_none_is_given(monkeypatch):
    class Options(RunOptions):
        decay: float = real(ge=0)

    name = next(key for key, block in tier_settings("smoke")["studies"].items() if block["study"] == "threshold")
    monkeypatch.setattr(options, "of_algorithm", lambda algorithm: Options)
    (line,) = {line for line in option_problems(name, algorithm="factored") if f"studies.{name}." in line}
    assert line == f"tier.yaml: studies.{name}.options.algorithm_options.decay is missing"
    found = option_problems(name, algorithm="factored", algorithm_options={"decay": 0.1})
    assert not any(f"studies.{name}." in line for line in found)


def test_an_algorithm_that_a_studys_ensemble_does_not_go_with_is_refused():
    name = next(key for key, block in tier_settings("smoke")["studies"].items() if block["study"] == "threshold")
    (line,) = option_problems(name, algorithm="asymmetric")
    said = "it needs rectangular gradient, rectangular matrices, which ensemble gaussian does not provide"
    assert line == f'tier.yaml: studies.{name}.options.algorithm = "asymmetric": {said}'
