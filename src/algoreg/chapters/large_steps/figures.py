"""The figures of large steps: the orbit and the imbalance beyond the edge, the largest steps that do not diverge."""

from algoreg.reporting.charts.course import points
from algoreg.reporting.charts.law import margin_level
from algoreg.reporting.charts.panels import describe, finish, panels, two_and_one
from algoreg.reporting.charts.style import COLOURS
from algoreg.reporting.charts.text import SPREAD, rounded, sizes
from algoreg.reporting.figures import drawing

# Where the scalar map begins and ends to have a stable orbit of period 2.
EDGE, END = 1.0, 5**0.5 - 1
# What is smaller is drawn here.
LEAST = 1e-16


@drawing
def large_steps_orbit(tables, claims):
    """Draw how far X moves in one and two iterations, and the gap that is left, over the step."""
    table = tables["large_steps_orbit"].copy()
    figure, (left, right, below) = two_and_one(height=3.6)
    for name in ("period_1", "period_2", "gap"):
        table[name] = table[name].clip(lower=LEAST)
    known, sensing = (table[table["problem"] == name] for name in ("known", "sensing"))
    points(left, known, "ratio", "period_1", COLOURS[0], "in one iteration", "o")
    points(left, known, "ratio", "period_2", COLOURS[1], "in two iterations", "s")
    style = {"markerfacecolor": "white", "linestyle": ":"}
    points(left, sensing, "ratio", "period_2", COLOURS[2], "in two, sensing", "^", **style)
    margin_level(left, claims["large-steps-edge"], "at 0.98, in one iteration")
    oscillating = known[(known["ratio"] > EDGE) & (known["ratio"] < END)]
    left.set_title(
        f"between 1 and √5 − 1 X changes by at least {rounded(oscillating['period_1'].min(), towards='down')}\nin one iteration, by at most {rounded(oscillating['period_2'].max(), towards='up')} in two"
    )
    describe(left, "y", xlabel="step times half the sharpness, ηλ₁", ylabel="change of X over ‖X*‖ (Frobenius)")
    gap = points(right, known, "ratio", "gap", COLOURS[0], "gap along the first eigenvector", "o")["mean"]
    margin_level(right, claims["large-steps-balancing"])
    beyond = gap[(gap.index > EDGE) & (gap.index < END)]
    right.set_title(
        f"below the edge {rounded(gap[gap.index < EDGE].max())} of the gap is left,\nbeyond it {rounded(beyond.min())} to {rounded(beyond.max())}"
    )
    describe(right, "y", xlabel="step times half the sharpness, ηλ₁", ylabel="gap left")
    least = []
    for place, (name, own) in enumerate((("known target", known), ("matrix sensing", sensing))):
        shares = own.groupby("ratio")["orbit"].mean()
        below.plot(shares.index, shares, color=COLOURS[3 * place], marker="o^"[place], markersize=5, label=name)
        least.append(shares[(shares.index > EDGE) & (shares.index < END)].min())
    margin_level(below, claims["large-steps-period-two"], "known target, 1.02 to 1.23")
    margin_level(below, claims["large-steps-sensing"], "matrix sensing, 1.05 to 1.2", linestyle=":")
    below.set_title(f"there at least {least[0]:.0%} of the draws have period 2, in sensing {least[1]:.0%}")
    describe(below, "", xlabel="step times half the sharpness, ηλ₁", ylabel="share of period 2")
    for axes in (left, right, below):
        axes.axvspan(EDGE, END, color="0.9", zorder=0, linewidth=0)
    note = f"{SPREAD}; grey: where the scalar map has period 2, 1 to √5 − 1; below 10⁻¹⁶ is drawn there"
    return finish(figure, note, caption=sizes(known, "d"))


@drawing
def large_steps_limit(tables, claims):
    """Draw the share of runs that do not diverge and the gap that is left over the step."""
    table = tables["large_steps_limit"]
    figure, (left, right) = panels(2, height=3.8)
    claim, said = claims["large-steps-limit"], []
    for place, (width, own) in enumerate(table.groupby("width")):
        shares = own.groupby("ratio")["bounded"].mean()
        left.plot(
            shares.index, shares, color=COLOURS[place], marker="os"[place % 2], markersize=5, label=f"width {width}"
        )
        points(right, own, "ratio", "gap", COLOURS[place], f"width {width}", "os"[place % 2])
        said.append(f"{rounded(own['last'].mean(), 3)}/L at width {width}")
    for end in (-1, 1):
        text = (
            f"margin: last step within {claim['margin']:g}/L of {claim['estimand']['expected']:g}/L"
            if end > 0
            else None
        )
        left.axvline(
            claim["estimand"]["expected"] + end * claim["margin"],
            color="black",
            linewidth=0.9,
            linestyle="--",
            label=text,
        )
    margin_level(right, claims["large-steps-shorten"], "at 3/L")
    left.set_title(f"the last step that does not diverge:\n{', '.join(said)}, on average")
    gap = table[table["ratio"] == table["ratio"].min()]["gap"].mean()
    right.set_title(f"at 1/L {rounded(gap, 3)} of the gap is left,\nbeyond 2/L the factors balance")
    describe(left, "", xlabel="step in units of 1/L", ylabel="share of runs that do not diverge")
    describe(right, "y", xlabel="step in units of 1/L", ylabel="|‖X‖² − ‖Y‖²| left")
    return finish(figure, SPREAD, caption=sizes(table, "d"))
