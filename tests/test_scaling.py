import numpy as np
import pandas as pd
import pytest

from algoreg.claims import estimands as scaling
from algoreg.claims.intervals import UNDEFINED

pytestmark = pytest.mark.replicates(200)


def crossed(exponent, seed, targets=4, ensembles=6, noise=0.1):
    rng = np.random.default_rng(seed)
    by_target, by_ensemble = rng.normal(0, noise, (targets, 2)), rng.normal(0, noise, (ensembles, 2))
    rows = []
    for d in (10, 20, 40, 80):
        for t in range(targets):
            for e in range(ensembles):
                slope, shift = by_target[t] + by_ensemble[e]
                log = (exponent + slope) * np.log(d) + shift + rng.normal(0, noise / 3)
                rows.append({"d": d, "kind": "a", "target": t, "ensemble": e, "m": np.exp(log)})
    return pd.DataFrame(rows)


def test_exponents_cover_and_repeat():
    hits = 0
    for seed in range(100):
        tables = {"x": crossed(1.3, seed)}
        found = scaling.exponent(tables, {}, np.random.default_rng(seed), table="x", value="m", along="d")
        hits += found.low <= 1.3 <= found.high
    assert hits >= 89
    again = scaling.exponent(tables, {}, np.random.default_rng(seed), table="x", value="m", along="d")
    assert again == found


def test_a_table_without_targets_is_resampled_by_ensembles_alone():
    frame = crossed(1.0, 1, targets=1, ensembles=8).drop(columns="target")
    found = scaling.exponent({"x": frame}, {}, np.random.default_rng(0), table="x", value="m", along="d")
    assert found.low < found.value < found.high
    slopes = [np.polyfit(np.log(part["d"]), np.log(part["m"]), 1)[0] for _, part in frame.groupby("ensemble")]
    assert found.value == pytest.approx(np.mean(slopes))
    assert (found.high - found.low) / 2 == pytest.approx(np.std(slopes, ddof=1) / 8**0.5 * 2.36, rel=0.25)


def test_extremes_and_selections():
    frame = pd.concat([crossed(1.0, 2), crossed(1.0, 2).assign(kind="b", m=7.0)])
    options = {"table": "x", "value": "m", "by": ["d"]}
    high = scaling.largest_mean({"x": frame}, {}, np.random.default_rng(0), where={"kind": "b"}, **options)
    assert (high.value, high.low, high.high) == (7.0, 7.0, 7.0)
    mean = frame[(frame["kind"] == "a") & (frame["d"] == 10)]["m"].mean()
    low = scaling.smallest_mean(
        {"x": frame}, {}, np.random.default_rng(0), where={"kind": "a", "d": [10, 20]}, **options
    )
    assert low.value == pytest.approx(mean)
    with pytest.raises(ValueError, match="no row with"):
        scaling.largest_mean({"x": frame}, {}, np.random.default_rng(0), where={"kind": "c"}, **options)
    few = {"x": frame[(frame["kind"] == "a") & (frame["d"] < 40)]}
    with pytest.raises(ValueError, match="an exponent needs at least three"):
        scaling.exponent(few, {}, np.random.default_rng(0), table="x", value="m", along="d")
    lost = frame[frame["kind"] == "a"].assign(m=np.nan)
    assert scaling.exponent({"x": lost}, {}, np.random.default_rng(0), table="x", value="m", along="d") == UNDEFINED
