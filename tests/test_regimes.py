"""Regimes of claims: what follows from options, what contradicts them, and how they are written."""

import pytest
from conftest import ROOT

from algoreg.reporting.wording import format_regime
from algoreg.settings import regimes

pytestmark = pytest.mark.any_kernels


def blocks(**options):
    return [{key: value if isinstance(value, list) else [value] for key, value in options.items()}]


@pytest.mark.parametrize(
    ("key", "options", "values"),
    [
        ("r", {"rank": [1, 3]}, [1, 3]),
        # 2·4·3 = 24 measurements; there are 4·5/2 = 10 symmetric dimensions.
        ("m_over_dr", {"d": 4, "rank": 3, "m": 24}, [2]),
        ("below_D", {"d": 4, "rank": 3, "m": [9, 10]}, [True, False]),
        ("below_D", {"d": 4, "m_over_d": [2, 3]}, [True, False]),
        ("m_over_D", {"d": 4, "m_over_dimension": 0.5}, [0.5]),
        ("m_over_d", {"d": 4, "rank": 2, "m_over_dr": 3}, [6]),
        ("noise", {"label_noise": 0.1}, [0.1]),
        ("spectrum", {"d": 4}, []),
    ],
)
def test_what_follows_from_options(key, options, values):
    assert regimes.values_of(key, blocks(**options), {"estimand": {}}) == values


def test_the_error_is_first_of_all_the_estimands_tolerance():
    assert regimes.values_of("error", blocks(tolerance=0.5), {"estimand": {"tolerance": 0.1}}) == [0.1]
    assert regimes.values_of("error", blocks(tolerance=0.5), {"estimand": {}}) == [0.5]


@pytest.mark.parametrize(
    ("value", "tiers", "fits"),
    [
        (2, [[1, 2], [2]], True),
        (2, [[1, 2], [3]], False),
        ([1, 5], [[1, 2], [5]], True),
        ([1, 5], [[1, 2], [6]], False),
        ([1, 5], [[1, 2], [3]], False),
        (True, [[True, False]], True),
        (True, [[1]], False),
        ("d", [["r", "d"], ["d"]], True),
        (["r", "d"], [["r", "d"], ["d"]], False),
    ],
)
def test_a_value_fits_the_options_of_every_tier(value, tiers, fits):
    assert regimes._fits(value, tiers) == fits


def test_every_key_is_documented():
    text = (ROOT / "docs" / "architecture.md").read_text()
    assert all(f"| `{key}` | {meaning} |" in text for key, meaning in regimes.DERIVED.items())


def test_a_regime_is_written_in_symbols():
    regime = {"r": [1, 5], "alpha": 1e-6, "below_D": True, "measurements": "entries", "repeated": True}
    assert format_regime(regime) == "r = 1 to 5, α = 10⁻⁶, m < d(d+1)/2, measurements = entries, repeated"
    assert (
        format_regime({"below_D": False, "spectrum": ["flat", "columns"]}) == "m ≥ d(d+1)/2, spectrum = flat, columns"
    )
