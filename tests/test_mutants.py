"""Faults that must not survive: each is put into a copy of the package, and the tests that are there for it must fail.

The faults are of judged numbers and drawn lines. `make mutants` runs them; `make test` checks that each still fits the
code.
"""

import re
import shutil
from dataclasses import dataclass

import pytest
from conftest import NOT_COPIED, ROOT
from traced import outcome

PACKAGE = ROOT / "src" / "algoreg"


@dataclass(frozen=True)
class Fault:
    """A text of a module, once in it, that is replaced by a wrong one, and the test that then fails."""

    what: str
    module: str
    right: str
    wrong: str
    killer: str


FAULTS = (
    Fault(
        "the planted table of full rank has rank 2",
        "chapters/practice/experiments/regression.py",
        "2 if low else columns, columns",
        "2, columns",
        "chapters/practice/test_practice.py::test_planted_tables_have_their_rank_and_splits_differ",
    ),
    Fault(
        "completion's nuclear norm is a Frobenius norm",
        "chapters/completion/experiments/completion.py",
        "(norms.sum(1) / of_goals).tolist()",
        "(norms.square().sum(1).sqrt() / of_goals).tolist()",
        "chapters/completion/test_completion.py::test_factors_are_those_of_a_plain_loop",
    ),
    Fault(
        "the least error along a run is its last",
        "chapters/completion/experiments/completion_course.py",
        "least = int(errors.argmin())",
        "least = len(errors) - 1",
        "chapters/completion/test_completion.py::test_the_least_error_of_a_course_may_lie_before_its_end_and_a_run_that_fits_ends",
    ),
    Fault(
        "published minima are compared with our arithmetic mean",
        "chapters/simulations/estimands.py",
        "logs = np.log(positive(values)) - np.log(goal)[:, None, None]",
        "logs = np.log(values.mean(axis=(1, 2), keepdims=True)) - np.log(goal)[:, None, None] + 0 * values",
        "test_estimators.py::test_the_largest_ratio_is_that_of_geometric_means",
    ),
    Fault(
        "what is published of one draw is held against a mean of three",
        "chapters/simulations/estimands.py",
        "prediction_interval(value, ensembles)",
        "prediction_interval(value, 3)",
        "test_estimators.py::test_a_published_point_of_one_ensemble_may_lie_farther_out",
    ),
    Fault(
        "the examples that a large start needs are counted without the rotations",
        "numerics/theory.py",
        "return degrees_of_freedom(d, rank + 1)",
        "return d * (rank + 1)",
        "chapters/landscape/test_landscape.py::test_decades_thresholds_and_kernel_factors_are_those_of_known_tables",
    ),
    Fault(
        "the lazy limit is held against 1 − m/D in place of its root",
        "chapters/landscape/estimands.py",
        "np.abs(np.log(np.mean(part**2, axis=(1, 2)) / expected)).max() / 2",
        "np.abs(np.log(np.sqrt(np.mean(part**2, axis=(1, 2))) / expected)).max()",
        "chapters/landscape/test_landscape.py::test_decades_thresholds_and_kernel_factors_are_those_of_known_tables",
    ),
    Fault(
        "Frank–Wolfe's examples are held against those of Algorithm 1 told as wrong a trace",
        "chapters/frank_wolfe/estimands.py",
        "in ((method, trace_factor), (against, 1))",
        "in ((method, trace_factor), (against, trace_factor))",
        "chapters/frank_wolfe/test_frank_wolfe.py::test_the_ratio_of_examples_takes_the_end_of_the_grid_where_nothing_recovers",
    ),
    Fault(
        "published speed-ups are judged by their mean over the momenta",
        "chapters/momentum/estimands.py",
        "np.abs(part.mean(axis=(1, 2))).max(), logs",
        "np.abs(part.mean(axis=(1, 2))).mean(), logs",
        "chapters/momentum/test_momentum.py::test_published_speed_ups_are_those_of_a_longer_step",
    ),
    Fault(
        "a start X₀ = α²I is as small as α",
        "chapters/greedy/experiments/greedy.py",
        '"log_smallness": -2 * math.log(alpha)',
        '"log_smallness": -math.log(alpha)',
        "chapters/greedy/test_greedy.py::test_descents_are_those_of_a_plain_loop_and_have_both_distances",
    ),
    Fault(
        "Proposition 4.3's rates are held against η/16κ",
        "chapters/proof/experiments/rank_r_dynamics.py",
        "bound = -math.log1p(-step / (8 * kappa))",
        "bound = -math.log1p(-step / (16 * kappa))",
        "test_plain_experiments.py::test_a_run_that_falls_three_times_as_fast_as_proposition_43_promises_has_the_ratio_three",
    ),
    Fault(
        "the projection's law counts d² entries of a symmetric matrix",
        "chapters/remarks/experiments/x_space.py",
        "share = m / symmetric_dimension(d)",
        "share = m / d**2",
        "test_plain_experiments.py::"
        "test_the_error_that_descent_on_x_leaves_is_that_of_a_projection_in_the_symmetric_matrices",
    ),
    Fault(
        "published values are compared with our geometric mean",
        "chapters/simulations/estimands.py",
        "np.log(part.mean(axis=(1, 2)) / goal)",
        "np.log(part).mean(axis=(1, 2)) - np.log(goal)",
        "test_plain_statistics.py::test_the_published_value_is_compared_with_the_arithmetic_mean_of_our_runs",
    ),
    Fault(
        "Theorem 1.1 asks for δ ∝ 1/κ²",
        "chapters/li2018.py",
        "return 1 / (kappa**3 * rank**0.5 * math.log(d) ** 2)",
        "return 1 / (kappa**2 * rank**0.5 * math.log(d) ** 2)",
        "test_plain_experiments.py::test_the_isometry_that_theorem_11_asks_for_by_hand",
    ),
    Fault(
        "the smallest constant of Theorem 1.1 is of δ ∝ 1/κ²",
        "chapters/li2018.py",
        "    asked = theorem_11_isometry(d, rank, kappa)\n",
        "    asked = theorem_11_isometry(d, rank, kappa) * kappa\n",
        "test_plain_experiments.py::test_the_smallest_constant_of_theorem_11_by_hand",
    ),
    Fault(
        "Lemma 2.2 is held against δ of rank 4r",
        "chapters/proof/experiments/isometry_lemmas.py",
        '"inner_products": (rank, 2 * rank)',
        '"inner_products": (rank, 4 * rank)',
        "test_plain_experiments.py::test_lemma_22_is_held_against_the_constant_of_twice_the_rank_and_lemma_23_of_one_more",
    ),
    Fault(
        "the lower root is taken of δ₊",
        "chapters/proof/experiments/rip.py",
        '"lower_root": 1 - max(1 - minus, 0.0) ** 0.5',
        '"lower_root": 1 - max(1 - plus, 0.0) ** 0.5',
        "test_plain_experiments.py::test_the_two_roots_are_those_of_the_largest_and_the_smallest_eigenvalue",
    ),
    Fault(
        "of adversarial directions the best counts",
        "chapters/networks/experiments/truncation_lemma.py",
        "max(deviation(vectors, u, level) for u in directions[kind])",
        "min(deviation(vectors, u, level) for u in directions[kind])",
        "test_plain_experiments.py::test_of_adversarial_directions_the_worst_counts",
    ),
    Fault(
        "Algorithm 1 truncates at 20τ",
        "chapters/networks/variants.py",
        "LEVEL = 10.0",
        "LEVEL = 20.0",
        "test_plain_experiments.py::test_algorithm_1_drops_predictions_above_ten_times_tau",
    ),
    Fault(
        "degrees of freedom of targets and of ensembles are added",
        "claims/intervals.py",
        "freedom = total**2 / np.sum(variances**2 / degrees)",
        "freedom = degrees.sum()",
        "test_plain_statistics.py::test_the_half_width_has_satterthwaites_degrees_of_freedom",
    ),
    Fault(
        "a prediction takes the mean over ensembles as known",
        "claims/predictions.py",
        "ensemble * (1 / ensembles + 1 / count_ensembles)",
        "ensemble * (1 / ensembles)",
        "test_plain_statistics.py::test_a_prediction_allows_for_the_mean_being_estimated_too",
    ),
    Fault(
        "Figure 1 swaps test and training errors",
        "chapters/simulations/figures.py",
        'comparison(axes, frame, rows, "alpha", error, colour, name, *_judging(claims, "fig1-published"))',
        'comparison(axes, frame, rows, "alpha", {"test_error": "train_error", "train_error": "test_error"}[error], '
        'colour, name, *_judging(claims, "fig1-published"))',
        "test_drawn_values.py::test_figure_1_shows_test_and_training_errors_over_alpha",
    ),
    Fault(
        "the theorem's line has the square of its step",
        "chapters/theorem/figures/iterations.py",
        "else 1.0) / step",
        "else 1.0) / step**2",
        "test_drawn_values.py::test_iterations_in_r_shows_the_iterations_and_the_root_of_the_rank",
    ),
    Fault(
        "the line named ∝ dr² is r³",
        "chapters/theorem/figures/samples.py",
        '"∝ dr²": lambda rank: rank**2',
        '"∝ dr²": lambda rank: rank**3',
        "test_drawn_values.py::test_samples_r_shows_thresholds_and_laws_in_the_rank",
    ),
    Fault(
        "planted frames keep the signs of the factorisation",
        "numerics/problems.py",
        "return basis * np.sign(np.diag(upper))",
        "return basis",
        "test_plain_experiments.py::test_frames_do_not_keep_the_signs_that_a_factorisation_prefers",
    ),
    Fault(
        "streams are keyed by 16 bits",
        "numerics/seeds.py",
        "digest()[:16]",
        "digest()[:2]",
        "test_plain_experiments.py::test_streams_are_keyed_by_all_128_bits_of_their_names_hash",
    ),
    Fault(
        "errors above that of X = 0 count as more than that",
        "claims/thresholds.py",
        "np.inf), FLOOR * tolerance, 1.0)",
        "np.inf), FLOOR * tolerance, 1e9)",
        "test_plain_statistics.py::test_an_error_above_that_of_nothing_found_counts_as_nothing_found",
    ),
    Fault(
        "the change of a start is its last, not its largest",
        "chapters/theorem/experiments/starts.py",
        "largest[runs] = np.maximum(largest[runs], apart.cpu().numpy())",
        "largest[runs] = apart.cpu().numpy()",
        "test_plain_experiments.py::test_the_change_of_a_start_is_its_largest_so_far",
    ),
    Fault(
        "the examples' step falls as 1/(1 + r)²",
        "chapters/networks/experiments/quadratic_thresholds.py",
        'options["step"] / (1 + rank)',
        'options["step"] / (1 + rank) ** 2',
        "test_plain_experiments.py::test_the_examples_step_falls_as_one_over_one_plus_the_rank",
    ),
    Fault(
        "the price of preconditioning is upside down",
        "chapters/preconditioning/estimands.py",
        "log_ratios(own, other)",
        "log_ratios(other, own)",
        "chapters/preconditioning/test_preconditioning.py::test_thresholds_of_methods_are_compared_run_by_run",
    ),
    Fault(
        "a damped step is not longer than a plain one",
        "chapters/preconditioning/methods.py",
        '"step": STEP * (1 + damping)',
        '"step": STEP * (1 + 0 * damping)',
        "chapters/preconditioning/test_preconditioning.py::test_a_run_is_that_of_a_plain_loop",
    ),
    Fault(
        "damped alternating steps have the damping of σ₁, not of σ_r",
        "chapters/preconditioning/experiments/alternating_samples.py",
        'options["damping"] / options["kappa"]',
        'options["damping"]',
        "chapters/preconditioning/test_preconditioning.py::test_two_factors_from_few_measurements_are_those_of_a_plain_loop",
    ),
    Fault(
        "the gap predicts the power of the factor, not of X",
        "chapters/spectral_phase/experiments/spectral_phase.py",
        "predicted = 2 * (1 - values",
        "predicted = 1 * (1 - values",
        "chapters/spectral_phase/test_spectral_phase.py::test_a_run_is_that_of_a_plain_loop",
    ),
    Fault(
        "the last distance to a fit counts, not the smallest",
        "chapters/incremental/experiments/incremental.py",
        'nearer = apart < self.memory["nearest"][snapshot.active]',
        "nearer = apart < np.inf",
        "chapters/incremental/test_incremental.py::test_the_nearest_passes_are_those_of_a_plain_loop",
    ),
    Fault(
        "the signal's growth is held against log(1 + η)",
        "chapters/phase_retrieval/experiments/phase_retrieval.py",
        'growth = each / math.log1p(2 * run["step"])',
        'growth = each / math.log1p(run["step"])',
        "chapters/phase_retrieval/test_phase_retrieval.py::test_a_run_goes_where_a_plain_loop_on_a_vector_goes",
    ),
    Fault(
        "a start that has not arrived counts as one that took no time",
        "chapters/phase_retrieval/estimands.py",
        "np.where(np.isfinite(values), values, np.inf)",
        "np.where(np.isfinite(values), values, 0.0)",
        "chapters/phase_retrieval/test_phase_retrieval.py::test_a_median_counts_what_has_not_arrived_as_longest",
    ),
    Fault(
        "what descent adds to the incoherence of its start is the least over d",
        "chapters/phase_retrieval/estimands.py",
        "np.max(part.mean(axis=(1, 2)))",
        "np.min(part.mean(axis=(1, 2)))",
        "chapters/phase_retrieval/test_phase_retrieval.py::test_a_ratio_of_columns_is_the_largest_over_points",
    ),
    Fault(
        "a slope is over a natural decade",
        "chapters/price_of_width/experiments/one_over_t.py",
        "decades = math.log10(snapshot.iteration",
        "decades = math.log(snapshot.iteration",
        "chapters/price_of_width/test_price_of_width.py::test_slopes_are_those_of_a_plain_loop",
    ),
    Fault(
        "a linear rate is per iteration",
        "chapters/price_of_width/experiments/asymmetric_rates.py",
        "rates = logs / (step * (",
        "rates = logs / (1.0 * (",
        "chapters/price_of_width/test_price_of_width.py::test_rates_are_those_of_a_plain_loop",
    ),
    Fault(
        "a plateau is left after a wait at the slower rate alone",
        "chapters/noise/experiments/noisy_plateau.py",
        "wait * (1 / slowest + (1 - next_one / slowest) / rate)",
        "wait * (1 / slowest + 1 / rate)",
        "chapters/noise/test_noise_chapter.py::test_the_predicted_time_is_when_the_next_direction_has_grown_to_size_one",
    ),
    Fault(
        "the effective rank of a stage is over its rank",
        "chapters/depth/experiments/stages.py",
        '"rank_excess": effective / ideal[s]',
        '"rank_excess": effective / (s + 1)',
        "chapters/depth/test_depth.py::test_the_effective_rank_at_the_second_stage_is_over_that_of_both_eigenvalues",
    ),
    Fault(
        "a sign that came back was never lost",
        "chapters/norms/experiments/two_by_two.py",
        'memory["changed"][runs] |= signs',
        'memory["changed"][runs] = signs',
        "chapters/norms/test_norms.py::test_a_sign_that_was_lost_and_came_back_was_lost",
    ),
    Fault(
        "another solution is at least a tenth away",
        "chapters/positivity/estimands.py",
        "ANOTHER = 1e-3",
        "ANOTHER = 0.1",
        "chapters/positivity/test_positivity.py::test_another_solution_may_lie_near_the_target",
    ),
    Fault(
        "Theorem 1.1's constant is of δ of rank r",
        "numerics/isometry_bounds.py",
        "ensemble.shared_by([m]), 4 * rank, start",
        "ensemble.shared_by([m]), rank, start",
        "chapters/theorem/test_iterations.py::test_the_bounds_of_an_isometry_are_of_four_times_the_rank",
    ),
    Fault(
        "the smallest infidelity of a state is its last",
        "chapters/practice/experiments/tomography.py",
        'np.fmin(memory["smallest"][runs], error), error',
        "error, error",
        "chapters/practice/test_practice.py::test_infidelities_are_those_of_plain_complex_descent",
    ),
    Fault(
        "a picture half of which is wrong is recovered",
        "chapters/practice/experiments/magnitudes.py",
        "RECOVERED = 0.25",
        "RECOVERED = 0.5",
        "chapters/practice/test_practice.py::test_pictures_are_those_of_plain_descent_on_squares",
    ),
    Fault(
        "the race's methods are tuned by the mean over draws",
        "chapters/race/runs.py",
        "worst = np.max(logs, axis=0)",
        "worst = np.mean(logs, axis=0)",
        "chapters/race/test_race.py::test_the_step_has_the_smallest_training_error_of_the_worst_run",
    ),
    Fault(
        "the nearest point of a simplex keeps all positive numbers",
        "algorithms/frank_wolfe.py",
        "(values > levels).sum(1, keepdim=True)",
        "(values > 0).sum(1, keepdim=True)",
        "test_other_methods.py::test_the_nearest_point_of_the_simplex_leaves_out_what_is_too_small",
    ),
    Fault(
        "Theorem 4.2's signal is to reach 1/(2κ)",
        "chapters/proof/experiments/rank_r_dynamics.py",
        "max=0.5 / kappa**0.5)",
        "max=0.5 / kappa)",
        "test_plain_experiments.py::"
        "test_the_signal_is_held_against_a_bound_that_grows_up_to_one_over_twice_the_root_of_kappa",
    ),
    Fault(
        "a positive control that turns is not compared",
        "regression/comparison.py",
        '"control_verdict", "positive_control_verdict"):',
        '"control_verdict"):',
        "test_comparison.py::test_a_claim_that_turns_or_moves_is_different",
    ),
    Fault(
        "a result whose sidecar has no checksum is sound",
        "results/records.py",
        "if found != expected:",
        "if expected and found != expected:",
        "test_records.py::test_a_sidecar_without_a_checksum_vouches_for_nothing",
    ),
    Fault(
        "a fit goes on from that of another file of this name",
        "recover/command.py",
        '        "data": records.sha256(data),\n        "estimator"',
        '        "estimator"',
        "test_recover.py::test_a_fit_of_another_target_does_not_go_on_from_this_one",
    ),
    Fault(
        "a Hermitian matrix has as many degrees of freedom as a real symmetric one",
        "recover/base.py",
        "return rank * (2 * rows - rank)",
        "return theory.degrees_of_freedom(rows, rank)",
        "test_recover.py::test_degrees_of_freedom_are_the_directions_in_which_a_factored_matrix_can_move",
    ),
    Fault(
        "a rectangular matrix has the degrees of freedom of both its factors",
        "recover/base.py",
        "rank * (rows + columns - rank) if",
        "rank * (rows + columns) if",
        "test_recover.py::test_fewer_measurements_than_degrees_of_freedom_are_said_and_as_many_are_not",
    ),
    Fault(
        "every expectation has the shot noise of an expectation of 0",
        "recover/states.py",
        "np.mean((1 - y**2) / shots)",
        "np.mean(1 / shots)",
        "test_recover.py::test_the_noise_of_a_state_is_the_root_mean_square_of_that_of_its_shots",
    ),
    Fault(
        "the effective rank along a state's path is that of its real matrix",
        "recover/states.py",
        '        self.path_["effective_rank"] = self.path_["effective_rank"] / 2\n',
        "",
        "test_recover.py::test_a_path_of_a_state_has_its_own_eigenvalues_and_effective_ranks",
    ),
    Fault(
        "a truncation is in units of the fit",
        "recover/plan.py",
        ', "truncation": "label_unit"}',
        "}",
        "test_recover_own_data.py::test_a_truncation_is_in_the_units_of_the_labels",
    ),
    Fault(
        "a truncation is in units of the matrix",
        "recover/plan.py",
        '"truncation": "label_unit"',
        '"truncation": "trace_unit"',
        "test_recover_own_data.py::test_a_truncation_is_in_the_units_of_the_labels",
    ),
    Fault(
        "an error may rise as far as it likes",
        "recover/watching.py",
        "RISES_BY = 1.2",
        "RISES_BY = 1e9",
        "test_recover.py::test_a_step_at_which_the_error_rises_and_stays_bounded_is_too_long",
    ),
    Fault(
        "a rank is right where any lower one is rejected",
        "chapters/noise/estimands.py",
        "rejected[:-1].all(axis=0)",
        "rejected[:-1].any(axis=0)",
        "chapters/noise/test_noise_chapter.py::test_a_rank_is_right_where_all_below_are_rejected_and_it_is_not",
    ),
    Fault(
        "an exponent is multiplied by its prediction",
        "chapters/spectral_phase/estimands.py",
        "value, table)[None] / expected",
        "value, table)[None] * expected",
        "chapters/spectral_phase/test_spectral_phase.py::test_exponents_are_compared_with_each_other_and_with_the_gap",
    ),
    Fault(
        "a factor below the kernel's law is none",
        "chapters/landscape/estimands.py",
        "np.abs(np.log(np.mean(part**2, axis=(1, 2)) / expected)).max() / 2",
        "np.log(np.mean(part**2, axis=(1, 2)) / expected).max() / 2",
        "chapters/landscape/test_landscape.py::test_decades_thresholds_and_kernel_factors_are_those_of_known_tables",
    ),
    Fault(
        "the largest mean over points is the smallest",
        "claims/estimands.py",
        "_extreme(np.max, tables, rng",
        "_extreme(np.min, tables, rng",
        "test_shared_estimands.py::test_means_are_plain_ones_and_the_extreme_is_over_points",
    ),
    Fault(
        "numbers of which one is 1 are shares",
        "claims/estimands.py",
        "np.isin(finite(values), (0, 1)).all()",
        "np.isin(finite(values), (0, 1)).any()",
        "test_shared_estimands.py::test_means_are_plain_ones_and_the_extreme_is_over_points",
    ),
    Fault(
        "an exponent is of all rows",
        "claims/estimands.py",
        "log_law(chosen(tables[table], where), along, value, table)\n    return",
        "log_law(tables[table], along, value, table)\n    return",
        "test_shared_estimands.py::test_an_exponent_is_the_slope_of_the_geometric_means",
    ),
)
EACH = [pytest.param(fault, id=fault.what) for fault in FAULTS]


def copied(folder):
    """Return a copy of the package that may be spoilt."""
    goal = folder / "src" / "algoreg"
    shutil.copytree(PACKAGE, goal, ignore=NOT_COPIED)
    return goal


def judged(package, tests):
    """Run tests against a copy of the package; return pytest's exit status and what it printed."""
    return outcome(package.parent, [ROOT / "tests" / test for test in tests])


@pytest.mark.any_kernels
@pytest.mark.parametrize("fault", EACH)
def test_every_fault_fits_the_code_and_names_a_test_that_there_is(fault):
    text = (PACKAGE / fault.module).read_text()
    assert text.count(fault.right) == 1, f"{fault.module} has {text.count(fault.right)} times: {fault.right}"
    compile(text.replace(fault.right, fault.wrong), fault.module, "exec")
    name, test = fault.killer.split("::")
    assert re.search(rf"^def {test}\(", (ROOT / "tests" / name).read_text(), re.MULTILINE), fault.killer


@pytest.mark.mutants
def test_a_copy_without_a_fault_passes(tmp_path):
    package = copied(tmp_path)
    # It is the copy that these tests are of: without it they cannot start.
    (package / "numerics" / "svec.py").rename(package / "hidden.py")
    assert judged(package, [FAULTS[0].killer])[0] not in (0, 1)
    (package / "hidden.py").rename(package / "numerics" / "svec.py")
    status, printed = judged(package, sorted({fault.killer for fault in FAULTS}))
    assert status == 0, printed[-3000:]


@pytest.mark.mutants
@pytest.mark.parametrize("fault", EACH)
def test_the_fault_does_not_survive(fault, tmp_path):
    package = copied(tmp_path)
    module = package / fault.module
    module.write_text(module.read_text().replace(fault.right, fault.wrong))
    status, printed = judged(package, [fault.killer])
    # 1: a test failed. A module that cannot be loaded or a test that is not there have other statuses.
    assert status == 1, f"survived, or could not be run (status {status}):\n{printed[-3000:]}"
