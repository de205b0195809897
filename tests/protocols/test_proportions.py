import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from protocols.errors import InputError
from protocols.intervals.proportions import (
    clopper_pearson_interval,
    clustered_proportion_interval,
    wilson_interval,
    zero_event_limit,
)  # fmt: skip

CLUSTERS = [1] * 8 + [0] * 2 + [1] * 5 + [0] * 5 + [1] * 9 + [0]


@pytest.mark.parametrize(
    ("interval", "k", "n", "low", "high"),
    [
        (wilson_interval, 9, 10, 0.59585, 0.98212), (wilson_interval, 10, 10, 0.72247, 1),
        (wilson_interval, 0, 10, 0, 0.27753), (wilson_interval, 1, 58, 0.00305, 0.09141),
        (clopper_pearson_interval, 9, 10, 0.55498, 0.99747), (clopper_pearson_interval, 10, 10, 0.69150, 1),
        (clopper_pearson_interval, 1, 58, 0.00044, 0.09236),
    ],
)  # fmt: skip
def test_example_5_4(interval, k, n, low, high):
    e = interval(k, n)
    assert (e.low, e.high) == pytest.approx((low, high), abs=5.1e-6)
    assert e.value == k / n


def test_example_5_4_zero_events():
    assert zero_event_limit(59) == pytest.approx(0.049508, abs=5e-7)
    assert zero_event_limit(299) < 0.01 < zero_event_limit(298)


def test_example_5_4_clusters():
    e = clustered_proportion_interval(CLUSTERS, np.repeat(range(3), 10))
    assert e.value == pytest.approx(0.733333, abs=1e-6)
    assert e.se**2 == pytest.approx(0.0144444, abs=1e-7)
    assert "design effect 2.216, effective n 13.54" in e.notes
    assert (e.low, e.high) == pytest.approx((0.46756, 0.89596), abs=5.1e-6)
    independent = wilson_interval(22, 30)
    assert (independent.low, independent.high) == pytest.approx((0.55552, 0.85817), abs=5.1e-6)


@given(st.integers(1, 300), st.data(), st.sampled_from([0.8, 0.95, 0.99]))
def test_intervals_equal_scipy(n, data, level):
    k = data.draw(st.integers(0, n))
    for interval, name in ((wilson_interval, "wilson"), (clopper_pearson_interval, "exact")):
        e = interval(k, n, level=level)
        low, high = stats.binomtest(k, n).proportion_ci(level, name)
        assert (e.low, e.high) == pytest.approx((low, high), abs=1e-9)
        assert 0 <= e.low <= e.value <= e.high <= 1
        assert e.low < e.high


@given(st.lists(st.booleans(), min_size=2, max_size=40).filter(lambda x: 0 < sum(x) < len(x)))
def test_singletons_have_the_independent_variance_times_n_over_n_minus_1(outcomes):
    n, p = len(outcomes), sum(outcomes) / len(outcomes)
    e = clustered_proportion_interval(outcomes, range(n))
    assert e.se**2 == pytest.approx(p * (1 - p) / n * n / (n - 1), abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=40))
def test_a_clustered_interval_lies_between_all_images_and_all_objects(rows):
    objects, outcomes = zip(*rows, strict=True)
    e = clustered_proportion_interval(outcomes, objects)
    n, g, p = len(rows), len(set(objects)), sum(outcomes) / len(rows)
    if g == 1 and 0 < p < 1:
        assert e.status == "undefined"
        assert "cannot separate object effect" in e.notes[0]
        return
    assert 0 <= e.low <= e.value <= e.high <= 1
    assert e.low < e.high
    widest = clustered_proportion_interval([0] * g, range(g)).high if p in (0, 1) else None
    if widest is not None:  # n_eff = objects
        assert e.high - e.low == pytest.approx(widest)
    elif g == n:
        assert e.high - e.low >= wilson_interval(sum(outcomes), n).high - wilson_interval(sum(outcomes), n).low - 1e-12


def test_clopper_pearson_of_clusters_is_wider_than_wilson():
    objects = np.repeat(range(3), 10)
    wilson = clustered_proportion_interval(CLUSTERS, objects)
    exact = clustered_proportion_interval(CLUSTERS, objects, method="clopper_pearson")
    assert exact.low < wilson.low
    assert exact.high > wilson.high


def test_no_trials_are_undefined():
    assert wilson_interval(0, 0).status == "undefined"
    assert math.isnan(clopper_pearson_interval(0, 0).value)
    assert clustered_proportion_interval([], []).status == "undefined"


@pytest.mark.parametrize("arguments", [(-1, 5), (6, 5), (1.5, 5), (1, -1), ("1", 5), (math.nan, 5), (1, math.inf)])
def test_impossible_counts_are_errors(arguments):
    with pytest.raises(InputError, match="k of n"):
        wilson_interval(*arguments)


def test_bad_options_are_errors():
    with pytest.raises(InputError, match="method"):
        clustered_proportion_interval([0, 1], [0, 1], method="wald")
    with pytest.raises(InputError, match="outcomes"):
        clustered_proportion_interval([0, 2], [0, 1])
    with pytest.raises(InputError, match="n"):
        zero_event_limit(0)
