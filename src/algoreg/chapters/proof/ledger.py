"""The ledger's evidence on the inequalities of the proofs: isometry constants, lemmas, rank one, rank r."""

import numpy as np

from algoreg.chapters.li2018 import theorem_42_isometry
from algoreg.chapters.proof.estimands import bracketed_need
from algoreg.claims.estimands import largest_mean, smallest_mean
from algoreg.claims.exponents import slope_weights
from algoreg.claims.judging import SIGNS, verdict
from algoreg.numerics.seeds import stream
from algoreg.reporting.report import markdown, number, passage


def _bracket(frame):
    """Return δ's bracket, the mean of its ends over ensembles, as text."""
    return f"{number(frame['delta_low'].mean())} … {number(frame['delta_up'].mean())}"


# The meaning of each row of the lemmas.
HOLDS = {True: "holds", False: "fails", None: "undecided"}
# The δ that Theorem 3.1's proof names as small enough.
RANK_ONE_ISOMETRY = 0.01


def _outcome(part, asked, holds):
    """Return a row in words: whether the inequality holds,
    and whether δ is known to be as small as the theorem asks.

    Parameters
    ----------
    part : pandas.DataFrame
        Rows with δ's bracket.
    asked : float or pandas.Series
        The theorem's δ, its constant 1, for each row.
    holds : bool or None
        None where δ's bracket does not decide.
    """
    if holds is None:
        return "undecided within δ's bracket"
    if (part["delta_up"] <= asked).all():
        return "holds" if holds else "fails"
    known = "does not hold" if (part["delta_low"] > asked).any() else "is not known to hold"
    return f"conclusion {'holds' if holds else 'fails'}; the hypothesis on δ {known}"


def _asked(part):
    """Return the δ that Theorem 4.2 asks for in each row of one m and κ."""
    d = part["alpha"] * np.exp(part["log_start"])
    rank = (part["m"] / (part["m_over_dr"] * d)).round()
    return theorem_42_isometry(rank, part["kappa"], part["log_start"])


def _within(low, up):
    """Return whether an inequality holds: by the ratio to δ's lower end, or not by that to its upper one; else None."""
    return True if low < 1 else False if up > 1 else None


def _exponent(frame, axis, value):
    means = np.log(frame[value]).groupby(frame[axis]).mean()
    return slope_weights(means.index) @ means if len(means) > 2 else np.nan


def _signed(exponent):
    """Return an exponent with its sign, or a dash where there are too few sizes for one."""
    return "–" if np.isnan(exponent) else f"{exponent:+.2f}"


@passage("rip", "rip_rank_one")
def proof_isometry(table, other):
    """Return the exponents of the isometry constants for attacked and random matrices and for rank-one measurements,
    as Markdown.
    """
    large = table[table["regime"] == "large"]
    base = {axis: large.groupby(axis).size().idxmax() for axis in ("d", "rank", "m")}
    rows = []
    for attack in ("adversarial", "random"):
        part = large[large["attack"] == attack]
        cells = []
        for axis in ("d", "rank", "m"):
            still = part
            for name, value in base.items():
                still = still if name == axis else still[still[name] == value]
            cells += [_signed(_exponent(still, axis, root)) for root in ("upper_root", "lower_root")]
        rows.append([f"Gaussian, {attack}", *cells])
    practical = table[(table["attack"] == "adversarial") & (table["d"] == base["d"]) & (table["rank"] == base["rank"])]
    practical = practical[practical["regime"] == "practical"]
    few = [_signed(_exponent(practical, "m", root)) for root in ("upper_root", "lower_root")]
    rows.append(["Gaussian, adversarial, practical m", "", "", "", "", *few])
    attacked = other[other["attack"] == "adversarial"]
    alone = [_signed(_exponent(attacked, "m", root)) for root in ("upper_root", "lower_root")]
    rows.append([f"rank one, adversarial (d = {attacked['d'].iloc[0]})", "", "", "", "", *alone])
    header = [
        "measurements, matrices",
        *(f"{root} in {axis}" for axis in ("d", "r", "m") for root in ("√(1+δ₊)−1", "1−√(1−δ₋)")),
    ]
    hard = table[(table["attack"] == "adversarial") & (table["d"] == base["d"]) & (table["rank"] == base["rank"])]
    lines = [
        [f"{m:g}", number(part["m_over_dr"].iloc[0]), _bracket(part), number(part["certificate"].mean())]
        for m, part in hard.groupby("m")
    ]
    sizes = markdown(["m", "m/dr", f"δ of rank {base['rank']} between", "‖G − I‖"], lines)
    return f"{markdown(header, rows)}\n\nAt d = {base['d']}:\n\n{sizes}"


@passage("isometry_lemmas")
def proof_lemmas(table):
    """Return what the two lemmas need over what (2r)-, (r+1)- and the printed (r)-RIP give, as Markdown."""
    rows = []
    for (weight, lemma, rank, m), part in table.groupby(["trace_weight", "lemma", "rank", "m"]):
        if weight and rank > 1:
            continue
        means = part[["over_low", "over_up", "over_printed_low", "over_printed_up"]].mean()
        found = [
            [f"{means[up]:.2f} … {means[low]:.2f}", _within(means[low], means[up])]
            for low, up in (("over_low", "over_up"), ("over_printed_low", "over_printed_up"))
        ]
        # Where Y = X is allowed the ratio to δ of rank r is at least 1: one below is the attack's shortfall.
        if (lemma == "inner_products" or rank == 1) and found[1][1]:
            found[1][1] = None
        kind = f"trace weight {weight:g}" if weight else "Gaussian"
        rows.append(
            [
                kind,
                {"inner_products": "2.2", "operator": "2.3"}[lemma],
                rank,
                f"{m:g}",
                _bracket(part),
                *(cell for text, holds in found for cell in (text, HOLDS[holds])),
            ]
        )
    header = [
        "measurements",
        "lemma",
        "r",
        "m",
        "δ of 2r or r+1",
        "needed over it",
        "",
        "needed over δ of r, as printed",
        "",
    ]
    return markdown(header, rows)


@passage("rank_one_dynamics")
def proof_rank_one(table):
    """Return what the rank-one inequalities need over δ, by m, as Markdown."""
    planted = table[(table["split"] == "planted") & (table["start"] == "scaled")]
    names = {
        "error_square_printed": "3.2, line 1, with 9η²",
        "error_square": "3.2, line 1, true η²",
        "error_square_proof": "3.2, line 1, 4ηδ and ‖·‖_F",
        "error_norm": "3.2, line 2",
        "signal": "3.3",
        "stage_one_error": "stage 1, ‖E‖ ≤ 9δ",
        "stage_one_growth": "stage 1, growth ≥ 1+η/3",
        "final_error": "3.1, error/(δ log 1/δ)",
    }
    rows = []
    for m, part in planted.groupby("m"):
        means = part.groupby("inequality")[["over_low", "over_up"]].mean()
        cells = [number(means["over_low"][name]) for name in names]
        judged = means.loc[["error_square", "error_norm", "signal"]].max()
        outcome = _outcome(part, RANK_ONE_ISOMETRY, _within(judged["over_low"], judged["over_up"]))
        rows.append([f"{m:g}", number(part["m_over_dr"].iloc[0]), _bracket(part), *cells, outcome])
    final = table[(table["inequality"] == "final_error") & (table["regime"] == "certified")]
    slopes = []
    for start, part in final.groupby("start"):
        error, delta = (np.log(part.groupby("m")[name].mean()) for name in ("needed", "delta_low"))
        slope = np.polyfit(delta, error, 1)[0] if len(delta) > 2 else np.nan
        slopes.append(f"{'α = 1' if start == 'one' else 'the scaled initialisation'} {_signed(slope)}")
    header = ["m", "m/dr", "δ of rank 4", *names.values(), "Propositions 3.2 and 3.3"]
    return f"{markdown(header, rows)}\n\nExponent of the final error in δ, certified m: {'; '.join(slopes)}."


@passage("rank_r_dynamics")
def proof_rank_r(table):
    """Return the worst of Theorem 4.2's and Proposition 4.3's quantities by m and κ, as Markdown."""
    rows = []
    planted = table[table["split"] == "planted"]
    for (m, kappa), part in planted.groupby(["m", "kappa"]):
        means = part.groupby("alpha").mean(numeric_only=True)
        growth, dominance = means["error_growth"].max(), means["dominance"].min()
        least, rate = (means[column].min(skipna=False) for column in ("least_rate_over_bound", "rate_over_bound"))
        columns = {
            "m": f"{m:g}",
            "m/dr": number(part["m_over_dr"].iloc[0]),
            "δ of rank 4r": _bracket(part),
            "κ": f"{kappa:g}",
            "max ‖E‖/‖E_0‖ (≤ 4)": number(growth),
            "min σ_min/‖E‖ (≥ 1)": f"{dominance:.3f}",
            "signal over its bound (≥ 1)": f"{means['signal_over_bound'].min():.3f}",
            "slowest step's rate/(η/8κ) (≥ 1)": "conditions fail" if np.isnan(least) else number(least),
            "mean rate/(η/8κ)": "conditions fail" if np.isnan(rate) else number(rate),
            "sin∠/(√r·δ)": number(means["sine_over_delta"].max()),
            "D.2, constant": number(means["error_constant"].max()),
            "D.2, second form": number(means["late_error_constant"].max()),
            "a step's rise of sin∠/(η√r·δ)": number(means["angle_step"].max()),
            "a step's growth of σ_min/(η/8κ)": number(means["signal_step"].min()),
            "Theorem 4.2's bounds on error and signal": _outcome(
                part, _asked(part), bool(growth < 4 and dominance > 1)
            ),
        }
        rows.append(columns)
    return markdown(list(rows[0]), [row.values() for row in rows])


@passage("rank_r_dynamics")
def proof_angle(table):
    """Return the constant in Theorem 4.2's angle by α and m, and its exponent in log(d/α), as Markdown."""
    planted = table[(table["split"] == "planted") & (table["kappa"] == table["kappa"].min())]
    alphas = sorted(planted["alpha"].unique(), reverse=True)
    rows = []
    for m, part in planted.groupby("m"):
        means = part.groupby("alpha")["angle_constant"].mean()
        plain = part.groupby("alpha")["angle_plain"].mean()
        exponents = [_exponent(part, "log_start", value) for value in ("angle_constant", "angle_plain")]
        rows.append(
            [
                f"{m:g}",
                *(number(means[alpha]) for alpha in alphas),
                *(f"{value:.2f}" for value in exponents),
                number(plain.max()),
            ]
        )
    header = [
        "m (κ = 1)",
        *(f"C at α = {alpha:g}" for alpha in alphas),
        "exponent in log(d/α)",
        "the same with ρ = √r·δ",
        "C with ρ = √r·δ",
    ]
    return markdown(header, rows)


@passage("rank_r_dynamics")
def proof_angle_start(table):
    """Return 1/d beside √r·δ at the largest m, in a sentence:
    which of them bounds ‖E_t‖ decides what the angle needs.
    """
    last = table[(table["m"] == table["m"].max()) & (table["split"] == "planted")]
    first = last.iloc[0]
    d = round(first["alpha"] * np.exp(first["log_start"]))
    rank = round(first["m"] / (first["m_over_dr"] * d))
    scale = rank**0.5 * last["delta_low"].mean()
    return f"At m = {first['m']:g}, d = {d} and r = {rank}, 1/d is {number(1 / d)} and √r·δ is {number(scale)}."


@passage("rank_r_dynamics")
def proof_error_law(table):
    """Return the law ‖E‖ ~ α¹⁻ᶜ: c by m and over √(dr/m), as Markdown."""
    rows = []
    for (m, kappa), part in table[table["split"] == "planted"].groupby(["m", "kappa"]):
        lost = 1 - _exponent(part, "alpha", "largest_error")
        scale = part["m_over_dr"].iloc[0] ** -0.5
        rows.append([f"{m:g}", number(part["m_over_dr"].iloc[0]), f"{kappa:g}", number(lost), number(lost / scale)])
    return markdown(["m", "m/dr", "κ", "c in max ‖E_t‖ ~ α¹⁻ᶜ", "c/√(dr/m)"], rows)


@passage("rank_r_dynamics", "isometry_lemmas")
def proof_controls(dynamics, lemmas):
    """Return further controls and printed forms judged like the claims, as Markdown."""
    tables = {"rank_r_dynamics": dynamics, "isometry_lemmas": lemmas}
    random = {"regime": "certified", "split": "random"}
    runs = {"table": "rank_r_dynamics", "by": ["m", "kappa", "alpha"], "where": random}
    cases = [
        ("error at its start, random subspace", largest_mean, runs | {"value": "error_growth"}, "below", 4),
        ("signal dominates, random subspace", smallest_mean, runs | {"value": "dominance"}, "above", 1),
    ]
    printed = {"table": "isometry_lemmas", "low": "over_printed_low", "up": "over_printed_up", "by": ["rank", "m"]}
    for lemma, printed_as in (("inner_products", "2.2"), ("operator", "2.3")):
        text = f"Lemma {printed_as} with (r, δ)-RIP as printed, Gaussian"
        where = {"lemma": lemma, "regime": "certified", "trace_weight": 0}
        cases.append((text, bracketed_need, printed | {"where": where}, "below", 1))
    rows = []
    for text, function, options, direction, margin in cases:
        found = function(tables, {}, stream("further controls", case=text), **options)
        interval = f"{number(found.low)} … {number(found.high)}"
        rows.append(
            [text, number(found.value), interval, f"{SIGNS[direction]} {margin}", verdict(found, direction, margin)]
        )
    return markdown(["what", "estimate", "95 % interval", "needed", "verdict"], rows)
