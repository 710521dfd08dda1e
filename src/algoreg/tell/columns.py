"""The columns of the tables: what each means, and what a reader calls it where a criterion names it.

A value is the meaning, or a pair: the reader's name and the meaning. A column without a name is called by its own words.
"""

from functools import cache

from algoreg import sources

# How a run of a study can end.
STATUSES = ("converged", "budget", "diverged")

# What columns mean wherever ``STUDY_COLUMNS`` has nothing else.
COLUMNS = {
    "d": ("d", "dimension: X is d × d"),
    "rank": ("the rank r", "rank r of the planted X*"),
    "r": ("the rank r", "rank r of the planted X*"),
    "m": ("m", "measurements that the run knows"),
    "m_over_d": ("m/d", "measurements per dimension, m/d"),
    "m_over_dr": ("m/(dr)", "measurements per degree of freedom, m/(dr)"),
    "method": "algorithm",
    "algorithm": "algorithm",
    "kappa": ("κ", "condition number of X*"),
    "alpha": ("α", "initialisation scale α: U₀ = αB (empty where the algorithm has none)"),
    "start": "the matrix B of the start",
    "step": "step size η in M-form, as it ran",
    "eta": "step size η in M-form, as it ran",
    "batch_size": "measurements a step of mini-batch SGD",
    "delta": "restricted isometry constant δ",
    "tau": "the trace that the rescaling step is told",
    "iteration": ("the iterations", "iteration, in the paper's steps"),
    "iterations": "length of the run, in the paper's iterations",
    "own_iteration": "iteration as it ran: the tier's `step_factor` times larger steps, as many times fewer",
    "time": "η·t",
    "target": "number of the planted target",
    "ensemble": "number of the measurement ensemble",
    "train_error": ("the training error", "√(Σ(⟨Aᵢ,X⟩ − yᵢ)² / Σyᵢ²)"),
    "test_error": ("the test error", "‖X − X*‖_F / ‖X*‖_F"),
    "m_per_dr": ("m/(dr)", "measurements per degree of freedom, m/(dr)"),
    "delta_low": "lower end of the bracket of the restricted isometry constant δ",
    "delta_up": "its upper end",
    "delta_high": "its upper end, ‖G − I‖ (empty for m below d(d+1)/2)",
    "effective_rank": "exp(entropy) of the normalised eigenvalues",
    "regime": "the option that m is listed in, such as `practical` or `certified`",
    "variant": "variant of Algorithm 1, as `algoreg.chapters.networks.variants` names it",
    "least_constant": "least c for which Theorem 1.1's hypothesis holds, at `delta_high` or else at `delta_low`",
    "distance_to_min_trace": (
        "the distance to the solution of least trace",
        "‖X − X̂‖_F / ‖X*‖_F, X̂ Clarabel's PSD matrix of least trace that fits the labels",
    ),
    "distance_to_target": ("the distance to X*", "‖X − X*‖_F / ‖X*‖_F"),
    "trace": "tr X / tr X*",
    "status": f"how the run ended: {', '.join(STATUSES)}",
}
# What columns mean in one study: its own columns, and those that it takes in another sense.
STUDY_COLUMNS = {
    "dynamics_course": {
        "iteration": "iteration t, as it ran",
        "delta_low": "lower end of the bracket of δ of rank 4r",
        "signal": "σ_min(U*ᵀZ_t), U* orthonormal, Z_t the signal part of U_t = Z_t + E_t",
        "error": "‖E_t‖, spectral norm",
        "error_frobenius": "‖E_t‖_F",
        "sine": "sine of the largest principal angle between S_t and span(U*)",
        "sigma_1": "largest singular value of U_t",
        "sigma_2": "2nd largest singular value of U_t",
        "sigma_3": "3rd largest singular value of U_t",
        "sigma_4": "4th largest singular value of U_t",
        "sigma_5": "5th largest singular value of U_t",
        "sigma_6": "6th largest singular value of U_t",
        "sigma_7": "7th largest singular value of U_t",
    },
    "error_at_time": {
        "time": "iteration over κ log(d/α)/η, the lower end of Theorem 1.1's window",
        "iteration": "iteration t, as it ran",
        "last_iteration": "1/(η√(dκα)), the upper end of Theorem 1.1's window, in iterations",
        "in_window": "1 if `iteration` is at most `last_iteration`, else 0",
        "squared_error": ("the squared error ‖UUᵀ − X*‖_F²", "‖UUᵀ − X*‖_F²"),
        "over_bound": (
            "the squared error over the bound α√d/κ²",
            "`squared_error` / (α√d/κ²), Theorem 1.1's bound with constant 1",
        ),
        "delta_low": "lower end of the bracket of δ of rank 4r",
    },
    "isometry_lemmas": {
        "lemma": "`inner_products` (Lemma 2.2) or `operator` (Lemma 2.3)",
        "trace_weight": "weight c of the trace term c(svec(I)svec(I)ᵀ − I) that is added to G; 0 for G itself",
        "rank": "rank r of the lemma's X",
        "needed": "largest |⟨X, (G − I)Y⟩| found, X, Y of norm 1, ranks r and r (Lemma 2.2) or r and 1 (2.3)",
        "delta_low": "attack's lower bound on δ of the rank needed: 2r (Lemma 2.2) or r + 1 (Lemma 2.3)",
        "delta_up": "upper bound on it by the Gaussian width, raised by c times that rank less one",
        "printed_low": "attack's lower bound on δ of the rank printed, r",
        "printed_up": "upper bound on it by the Gaussian width, raised by c(r − 1)",
        "over_low": ("the δ that the lemma needs over δ's lower end", "`needed` / `delta_low`"),
        "over_up": ("the δ that the lemma needs over δ's upper end", "`needed` / `delta_up`"),
        "over_printed_low": ("the δ that the printed lemma needs over δ's lower end", "`needed` / `printed_low`"),
        "over_printed_up": ("the δ that the printed lemma needs over δ's upper end", "`needed` / `printed_up`"),
    },
    "iterations": {
        "start": "U₀: `identity`, αI, or `planted`, αI + 0.3·X*",
        "rule": "how η follows from the option `step`: as it is, over √r, r, κ, κ³ or log(d/α)/log d, or 0.9 of the largest stable η",
        "log_d_over_alpha": ("log(d/α)", "log(d/α), natural"),
        "iterations": (
            "the iterations to the tolerance",
            "iterations until the error is below the tolerance, interpolated (empty if not reached)",
        ),
        "over_bound": (
            "the iterations over the theorem's κ log(d/α)/η",
            "`iterations` / (κ log(d/α)/c), c the option `step`: Theorem 1.1's T with its constant 1",
        ),
        "delta_low": "lower end of the bracket of δ of rank 4r",
    },
    "min_trace": {
        "method": "`descent` from αI, or the solver of the convex programme: `clarabel` or `scs`",
        "alpha": "initialisation scale α: U₀ = αI (0 for the solvers)",
    },
    "min_trace_commuting": {
        "method": "`descent` from αI, or the solver of the linear programme: `clarabel` or `scs`",
        "alpha": "initialisation scale α: U₀ = αI (0 for the solvers)",
    },
    "minibatch": {
        "method": "`gradient` descent or `sgd`",
        "label_noise": "standard deviation of the labels' Gaussian noise over the labels' root mean square",
        "batch": ("the batch sizes", "measurements a step (m for gradient descent)"),
        "step_factor": "f in SGD's η = f·b/(d(d+1)), at most gradient descent's η (1 for gradient descent)",
        "ratio": (
            "SGD's test error over that of gradient descent",
            "`test_error` over that of gradient descent from the smallest α on the same labels",
        ),
    },
    "quadratic_cone": {
        "measurements": "measurement matrices: `rank-one`, xxᵀ, or `gaussian`",
        "method": "`projected`, accelerated projected descent from 0, or `factored`, descent from αI",
        "psd_dimension": "D(d) − D(d−r)/2, D(n) = n(n+1)/2: the Gaussian m from which positivity alone gives X*",
    },
    "quadratic_network": {
        "tau_error": "relative error of the τ that the rescaling step is told",
        "width": "hidden units, the columns of U",
        "iteration": "iteration t, as it ran",
        "generalisation_error": (
            "the generalisation error",
            "2‖Δ‖_F² + (tr Δ)², Δ = UUᵀ − X*: mean squared error on a fresh x ~ N(0, I)",
        ),
        "parameter_error": ("the squared error ‖UUᵀ − X*‖_F²", "‖UUᵀ − X*‖_F²"),
        "error_of_zero": "`generalisation_error` of the prediction 0, 2‖X*‖_F² + (tr X*)²",
        "bound": "dκα, Theorem 1.2's bound on `generalisation_error` with constant 1",
        "window": "upper / lower end of Theorem 1.2's window, 1/(κ log(d/α)·√(dκα)); below 1 there is no window",
        "ended": "`iteration`, or the first one looked at by which the run had diverged",
        "reached": "the first iteration looked at with `test_error` below 0.5 (empty if there is none yet)",
        "over_window": "`iteration` / (κ log(d/α)/η), the lower end of Theorem 1.2's window with constant 1",
    },
    "quadratic_thresholds": {
        "variant": "variant of Algorithm 1, or `least-squares`: the symmetric X of least norm that fits the labels",
    },
    "rank_one_dynamics": {
        "inequality": (
            "the inequalities",
            "of Prop. 3.2 (`error_square…`, `error_norm`), 3.3 (`signal`), stage 1 or Theorem 3.1 (`final_error`)",
        ),
        "split": "u in U_t = u r_tᵀ + E_t: `planted`, u*, or `random`",
        "start": "`scaled`, Theorem 3.1's α = δ√(log(1/δ)/d), or `one`, α = 1 (`final_error` alone)",
        "iterations": "length of the run, ⌈2·log(1/(αδ))/η⌉ with α and δ of the `scaled` start",
        "delta_low": "lower end of the bracket of δ of rank 4",
        "needed": "δ that the worst step needs (empty for `stage_one_growth`); for `final_error` ‖UUᵀ − X*‖_F at T",
        "over_low": (
            "the δ that the worst step needs over δ's lower end",
            "`needed` / δ; `final_error`: / (δ·max(log 1/δ, 1)); `stage_one_growth`: (1 + η/3)/least growth of ‖r_t‖",
        ),
        "over_up": (
            "the δ that the worst step needs over δ's upper end",
            "the same with δ = `delta_up` for δ = `delta_low`",
        ),
    },
    "rank_r_dynamics": {
        "split": "S_0 of U_t = Z_t + E_t: `planted`, span(U*), or `random` (at the largest certified m alone)",
        "log_start": ("log(d/α)", "log(d/α), natural"),
        "delta_low": "lower end of the bracket of δ of rank 4r; the δ of the columns that follow",
        "angle_constant": (
            "the constant C of sin∠(S_t, U*) ≤ Cηρt",
            "largest sin∠(S_t, U*)/(ηρt) for t ≤ T₁, ρ = √r·δ/(κ log(d/α)): C in Theorem 4.2's sin∠ ≤ Cηρt",
        ),
        "angle_plain": "the same with √r·δ for ρ",
        "sine_over_delta": "largest sin∠(S_t, U*)/(√r·δ)",
        "error_growth": ("the largest ‖E_t‖/‖E_0‖", "largest ‖E_t‖/‖E_0‖"),
        "error_times_d": "d times the largest ‖E_t‖",
        "largest_error": "largest ‖E_t‖, spectral norm",
        "dominance": ("the least σ_min(U*ᵀZ_t)/‖E_t‖", "least σ_min(U*ᵀZ_t)/‖E_t‖"),
        "signal_over_bound": "least σ_min(U*ᵀZ_t)/min{(1 + η/8κ)^t σ_min(U*ᵀZ_0), 1/(2√κ)}",
        "signal_norm": "largest ‖Z_t‖",
        "rate_over_bound": (
            "the squared error's rate of fall over the bound's",
            "log fall a step of ‖UUᵀ − X*‖_F² over −log(1 − η/8κ) (empty if Prop. 4.3's conditions fail)",
        ),
        "rate_over_unit_bound": (
            "the squared error's rate of fall over the bound's at κ = 1",
            "the same over −log(1 − η/8), the bound at κ = 1",
        ),
        "least_rate_over_bound": (
            "the squared error's least fall in a step over the bound's",
            "the least log fall of one step in that time, over −log(1 − η/8κ)",
        ),
        "early_rate_over_bound": (
            "the squared error's least fall in a step before the conditions hold, over the bound's",
            "the least log fall of one step before the conditions first hold, likewise (empty if they hold at once or never)",
        ),
        "floor": "least ‖UUᵀ − X*‖_F from where Prop. 4.3's conditions first hold (empty where they fail)",
        "error_constant": "largest (‖E_{t+1}‖/‖E_t‖ − 1)/(η(√r·δ + sin∠)) while ‖E_t‖ ≤ 1/d (Prop. D.2; empty if never)",
        "late_error_constant": "the same over η(‖UUᵀ − X*‖_F + √r‖E_t‖), where rounding moves it by no more than about 10⁻⁵ (Prop. D.2's second form)",
        "angle_step": "largest rise of sin∠ in one step / (η√r·δ)",
        "signal_step": "least relative growth of σ_min(U*ᵀZ_t) a step while below 1/(2√κ), / (η/8κ) (empty if never)",
    },
    "rip": {
        "attack": "`adversarial`, power method from random starts, or `random`, extremes over 256 random matrices",
        "regime": "`large`, one of d, rank and m varied alone, or `practical`, a further m",
        "rank": "rank r of the matrices over which δ is taken",
        "delta_plus": "δ₊: largest ⟨X, (G − I)X⟩ found, ‖X‖_F = 1, rank at most r; at least 0",
        "delta_minus": "δ₋: largest ⟨X, (I − G)X⟩ found, likewise",
        "delta_low": "max(δ₊, δ₋), a lower bound on δ of rank r",
        "delta_up": "upper bound on it: `certificate`, or for Gaussian measurements the width's where that is less",
        "certificate": "‖G − I‖, which bounds δ of every rank",
        "upper_root": ("√(1 + δ₊) − 1", "√(1 + δ₊) − 1"),
        "lower_root": ("1 − √(1 − δ₋)", "1 − √(1 − δ₋), δ₋ at most 1"),
    },
    "starts": {
        "start": "B: `identity`, `orthonormal` (Haar), its first r − 1 columns (`low_rank`) or `gaussian`, N(0, 1/d)",
        "iteration": "iteration t, as it ran",
        "change": (
            "the largest change of X against the start αI",
            "largest ‖X_t − X'_t‖_F / ‖X*‖_F so far, X' the run from αI, over recorded iterations",
        ),
    },
    "threshold": {
        "spectrum": "X*: `flat`, r eigenvalues 1, or `columns`, r unit Gaussian columns as in the paper",
        "alpha": "initialisation scale α: U₀ = αI (0 for projected descent)",
        "test_error": "‖X − X*‖_F / ‖X*‖_F at `elapsed`",
        "elapsed": "η·t at which the run stopped, recovered (`test_error` below 0.001) or diverged; else `time`",
    },
    "truncation_lemma": {
        "delta": ("δ", "δ of Lemma A.1, which sets R and bounds the deviation"),
        "truncation": "R: `printed`, log(1/δ); `three_logs`, `four_logs`, 3 and 4 times that; `proof`, log²(1/δ); `none`, ∞",
        "direction": "u of X = uuᵀ: `fixed`, e₁, or `adversarial`, the worst of the longest measurement vectors",
        "level": "truncation level R (empty for `none`)",
        "deviation": (
            "the deviation of the truncated sum",
            "‖(1/m) Σ ⟨Aᵢ,X⟩Aᵢ 1{|⟨Aᵢ,X⟩| ≤ R} − 2X − tr(X)I‖, spectral norm",
        ),
        "ratio": ("the deviation over δ", "`deviation` / δ, at most 1 by the lemma"),
        "mean_deviation": "the deviation of the expectation, 3·P(χ²₅ > R)",
        "mean_ratio": "`mean_deviation` / δ",
    },
    "window": {
        "noise": "standard deviation of the labels' Gaussian noise over the labels' root mean square",
        "iteration": "iteration t, as it ran",
        "smallest_error": "smallest `test_error` so far, looked at every 10 iterations",
        "smallest_at": "iteration of `smallest_error`",
    },
    "x_space": {
        "m_over_dimension": ("m/D", "m/D, D = d(d+1)/2 the dimension of the symmetric matrices"),
        "predicted_error": ("√(1 − m/D)", "√(1 − m/D), the mean `test_error` in the limit (0 for m ≥ D)"),
    },
}


def meaning(value):
    """Return what a column means, of a value of the dictionaries above."""
    return value if isinstance(value, str) else value[1]


def _words(column, value):
    return column.replace("_", " ") if value is None or isinstance(value, str) else value[0]


@cache
def _columns_of(study):
    return {*sources.module_literal("studies", study, "KEYS"), *sources.module_literal("studies", study, "VALUES")}


def _texts(value):
    """Return the texts in a parameter that may name columns: of a mapping (rows to pick) its keys, not the values."""
    if isinstance(value, dict):
        return [
            text for key, part in value.items() for text in (str(key), *_texts(part if isinstance(part, dict) else []))
        ]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return [value] if isinstance(value, str) else []


def readable(parameters):
    """Return an estimand's parameters with a reader's names in the place of columns, and lists in words.

    The registry names no study. A column that studies take in several senses is called by the studies that have all
    columns of the estimand, where these agree; else as it is everywhere.

    Parameters
    ----------
    parameters : mapping
    """
    texts = {text for key, value in parameters.items() if key != "name" for text in _texts(value)}
    own = {study: _columns_of(study) for study in sources.module_names("studies")}
    wanted = texts & set(COLUMNS).union(*own.values())
    fitting = [STUDY_COLUMNS.get(study, {}) for study, columns in own.items() if wanted <= columns]
    names = {}
    for column in wanted:
        special = {study[column][0] for study in fitting if isinstance(study.get(column), tuple)}
        names[column] = special.pop() if len(special) == 1 else _words(column, COLUMNS.get(column))

    def said(value):
        if isinstance(value, list):
            return _joined([said(part) for part in value])
        return names.get(value, value) if isinstance(value, str) else value

    return {key: said(value) for key, value in parameters.items()}


def _joined(texts):
    """Return a list in words."""
    texts = [f"{text:g}" if isinstance(text, (int, float)) else str(text) for text in texts]
    return " and ".join(filter(None, [", ".join(texts[:-1]), *texts[-1:]]))
