import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoreg.claims import judging
from algoreg.claims.intervals import Estimate
from algoreg.reporting import wording

pytestmark = pytest.mark.any_kernels

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def side(value, margin):
    return (value > margin) - (value < margin)


@given(st.lists(NUMBERS, min_size=1, max_size=4), NUMBERS)
def test_printed_numbers_compare_with_the_printed_margin_as_the_numbers_do(values, margin):
    printed = wording.format_beside_margin(values, margin)
    assert [side(float(text), float(wording.exact(margin))) for text in printed] == [side(x, margin) for x in values]


@given(st.floats(-10, 10), st.integers(0, 40), st.sampled_from([-1, 1]))
def test_numbers_beside_the_margin_are_told_apart(margin, steps, sign):
    value = margin
    for _ in range(steps):
        value = math.nextafter(value, sign * math.inf)
    (text,) = wording.format_beside_margin([value], margin)
    assert side(float(text), float(wording.exact(margin))) == side(value, margin)


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS).map(sorted), NUMBERS)
def test_printed_intervals_hold_their_printed_estimates(numbers, margin):
    low, estimate, high = map(float, wording.format_beside_margin(numbers, margin))
    assert low <= estimate <= high


@pytest.mark.parametrize(
    ("value", "margin", "towards", "said"),
    [
        (0.07954663, 1, "up", "0.0796"),
        (139.780953, 1, "down", "139"),
        (1.2542, 1.25, "up", "1.26"),
        (1.2542, 1.25, "down", "1.254"),
        (0.99951, 1, "up", "0.9996"),
        (-6.487955, -3, "up", "−6.48"),
        (None, 1, "up", "–"),
    ],
)
def test_a_bound_is_rounded_outwards_and_stays_on_its_side_of_the_margin(value, margin, towards, said):
    assert wording.bound(claim(value, value, value, margin), towards) == said
    outer = {"outer_low": value, "outer_high": value}
    assert wording.bound(claim(value, value, value, margin, **outer), towards) == said


def test_a_bound_in_percent_is_rounded_outwards_after_it_is_scaled():
    one = {"estimate": 0.02, "ci_low": 0.01, "ci_high": 0.02311, "margin": 0.1}
    assert wording.bound(one, "up", digits=2, scale=100) == "2.4"
    assert wording.bound({**one, "outer_low": 0.0089, "outer_high": 0.0312}, "up", digits=2) == "0.032"


def claim(low, estimate, high, margin=0.2, **more):
    one = {"id": "a", "verdict": "supported", "direction": "below", "margin": margin, "control_verdict": "refuted"}
    return {**one, "estimate": estimate, "ci_low": low, "ci_high": high, **more}


def test_few_digits_where_few_are_enough():
    assert wording.format_beside_margin([0.36763, 0.35964], 0.1) == ["0.368", "0.36"]
    assert wording.format_beside_margin([0.199982], 0.2) == ["0.19998"]
    assert wording.format_beside_margin([0.2], 0.2) == ["0.2"]
    assert wording.exact(1e-10) == "1e-10"
    assert wording.exact(1) == "1"
    assert wording.exact(0.12345678) == "0.12345678"


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("-2.5e-06 to 1e-06", "−2.5·10⁻⁶ to 10⁻⁶"),
        ("1.07e+03, 1.2e+06", "1070, 1.2·10⁶"),
        ("1.0e-09", "10⁻⁹"),
        ("one-sided, descent_1e-8, v1.2e-3, 3-4", "one-sided, descent_1e-8, v1.2e-3, 3-4"),
    ],
)
def test_numbers_are_printed_with_minus_signs_and_powers_of_ten(text, printed):
    assert wording.typeset_numbers(text) == printed


@pytest.mark.parametrize(
    ("low", "estimate", "high", "said", "of_draws"),
    [
        (0.0, 0.0, 0.0, "deterministic", "no spread between runs"),
        (1e-14, 1e-14 + 1e-28, 1e-14 + 2e-28, "deterministic to 10⁻¹³", "no spread between runs"),
        (0.19998178, 0.19998197, 0.19998216, "deterministic to 10⁻⁵", "0.1999818 … 0.1999822"),
        (0.9496694, 0.949679, 0.9496886, "deterministic to 10⁻⁴", "0.94967 … 0.94969"),
        (-3.0000003, -3.0, -2.9999997, "deterministic to 10⁻⁶", "−3.0000003 … −2.9999997"),
        (1.0469518, 1.0474029, 1.047854, "deterministic to 10⁻³", "1.047 … 1.0479"),
        (3.975, 3.98, 3.985, "deterministic to 10⁻²", "3.975 … 3.985"),
        (-1e-9, 0.0, 1e-9, "−10⁻⁹ … 10⁻⁹", "−10⁻⁹ … 10⁻⁹"),
    ],
)
def test_an_interval_of_no_sampling_says_so_where_its_entry_does(low, estimate, high, said, of_draws):
    assert wording.verdict_text(claim(low, estimate, high, deterministic="a recursion")).interval == said
    assert wording.verdict_text(claim(low, estimate, high)).interval == of_draws


def test_an_entrys_word_for_it_is_taken_unless_the_numbers_contradict():
    assert (
        wording.verdict_text(claim(3.975, 3.98, 3.985, deterministic="a recursion")).interval == "deterministic to 10⁻²"
    )
    assert wording.verdict_text(claim(1.0, 2.0, 3.0, deterministic="a recursion")).interval == "1 … 3"


@pytest.mark.parametrize(
    ("low", "high", "margin", "edge"),
    [
        (0.19998178, 0.19998216, 0.2, "at the margin (slack 0.0089 %)"),
        (1.0376, 1.2354, 1.25, "at the margin (slack 1.2 %)"),
        (1.2751, 1.3, 1.25, ""),
        (-1.26, -1.255, -1.25, "at the margin (slack 0.4 %)"),
        (1.0, 1.26, 1.25, "at the margin (slack 0.8 %)"),
        (-0.497, -0.491, 0, ""),
        (-0.497, -0.001, 0, "at the margin (slack 0.4 %)"),
        (0.0, 0.0, 0.0, "at the margin (slack 0 %)"),
    ],
)
def test_what_hangs_on_the_margin_says_its_slack(low, high, margin, edge):
    assert wording.verdict_text(claim(low, (low + high) / 2, high, margin)).edge == edge


def test_a_verdict_shows_its_controls_and_its_remedy():
    one = claim(
        3.0, 4.0, 5.0, verdict="refuted", remedy="b", control_verdict="inconclusive", control_estimate=0.2000001
    )
    said = wording.verdict_text(one, {"b": "supported"})
    assert said.outcome() == "refuted; true instead: b"
    assert said.outcome("**{}**", "`{}`") == "**refuted**; true instead: `b`"
    assert wording.verdict_text(one, {"b": "inconclusive"}).outcome() == "refuted; amended: b (inconclusive)"
    assert wording.verdict_text(one).outcome() == "refuted; amended: b (not judged here)"
    assert said.controls() == "inconclusive (weak), 0.2000001"
    positive = {"positive_control_verdict": "supported", "positive_control_estimate": 0.15}
    assert wording.verdict_text({**one, **positive}).controls().endswith("; positive control: supported, 0.15")
    # A remedy is of a refuted statement alone.
    assert wording.verdict_text({**one, "verdict": "supported"}, {"b": "supported"}).outcome() == "supported"


def test_the_terminal_shows_what_the_documents_show():
    one = {
        **claim(0.19998178, 0.19998197, 0.19998216, control_estimate=0.5, control_verdict="refuted", chapter="first"),
        "deterministic": "a recursion",
    }
    other = {**claim(3.0, 4.0, 5.0), "id": "c", "chapter": "second", "verdict": "refuted", "remedy": "a"}
    lines = wording.verdict_table([one, other], {"first": "The first", "second": "The second"}).splitlines()
    assert [lines[at] for at in (2, 5)] == ["The first", "The second"]
    assert lines[3].split()[0] == "a"
    for text in (
        "supported, at the margin (slack 0.0089 %)",
        "0.19998",
        "deterministic to 10⁻⁵",
        "< 0.2",
        "refuted, 0.5",
    ):
        assert text in lines[3]
    assert lines[-1] == "c: refuted; true instead: a"


@pytest.mark.parametrize(
    ("verdict", "ends", "direction", "change", "leads_to"),
    [
        ("supported", (0.05, 0.15), "below", 0.05, "inconclusive"),
        ("refuted", (0.05, 0.15), "above", 0.05, "inconclusive"),
        ("supported", (0.24, 0.5), "above", -0.04, "inconclusive"),
        ("refuted", (0.24, 0.5), "below", -0.04, "inconclusive"),
        ("inconclusive", (0.1, 0.23), "below", -0.03, "supported"),
        ("inconclusive", (0.1, 0.23), "above", -0.03, "refuted"),
        ("inconclusive", (0.18, 0.5), "below", 0.02, "refuted"),
        ("inconclusive", (0.18, 0.5), "above", 0.02, "supported"),
    ],
)
def test_the_smallest_change_that_turns_a_verdict_turns_it(verdict, ends, direction, change, leads_to):
    low, high = ends
    one = claim(low, (low + high) / 2, high, verdict=verdict, direction=direction)
    found, new = wording.turning_point(one)
    assert (found, new) == (pytest.approx(change), leads_to)
    # Judged again a hair beyond and a hair before.
    for share, expected in ((1 + 1e-6, leads_to), (1 - 1e-6, verdict)):
        moved = Estimate(*(value + share * found for value in (one["estimate"], low, high)))
        assert judging.verdict(moved, direction, one["margin"]) == expected


def test_a_turning_point_is_said_with_its_size_in_half_widths_where_there_is_a_width():
    said = "a rise by 0.05, 1 half-widths of the interval, would make it inconclusive"
    assert wording.format_turning_point(claim(0.05, 0.1, 0.15)) == said
    exact = claim(0.1, 0.1, 0.1, deterministic="no draws")
    assert wording.format_turning_point(exact) == "a rise by 0.1 would make it inconclusive"
    for nothing in (claim(None, None, None, verdict="inconclusive"), claim(0.0, 0.1, 0.15, verdict="invalid")):
        assert wording.format_turning_point(nothing) is None
