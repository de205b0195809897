"""Intervals that allow for few, unequal or long-tailed objects, and what rows say of fewer than 10."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from protocols import (
    SampleTable,
    ScoreTable,
    clustered_delong_interval,
    delong_interval,
    grouped_three_way,
    protocol_bootstrap,
)
from protocols.estimates import auroc_estimate, proportion_estimate
from protocols.intervals.delong import placement_values
from protocols.intervals.satterthwaite import df_of_objects, df_of_units, satterthwaite_df
from protocols.units import Units

deviations = st.lists(st.floats(-5, 5, allow_subnormal=False), min_size=2, max_size=30)


def factory(n_defective, n_good, views, seed=0):
    rng = np.random.default_rng(seed)
    objects = np.repeat(np.arange(n_defective + n_good), views)
    labels = (objects < n_defective).astype(int)
    scores = rng.normal(size=n_defective + n_good)[objects] + rng.normal(size=objects.size) + 1.5 * labels
    return labels, scores, objects


def units(labels, scores, objects):
    names = np.array([f"i{k:04}" for k in range(len(labels))], object)
    return Units(labels, scores, np.array([f"o{g:03}" for g in objects], object), names)


def test_a_variance_of_normal_units_has_about_as_many_degrees_of_freedom_as_units():
    """Exactly the f of the chi-square whose coefficient of variation the variance of the squares has."""
    normal = stats.norm.ppf((np.arange(4000) + 0.5) / 4000)
    assert df_of_units(normal) == pytest.approx(4000, rel=0.02)
    assert df_of_objects(normal) == pytest.approx(1.3 * 4000 / 3, rel=0.01)


def test_satterthwaite_is_exact_for_one_part_and_adds_equal_parts():
    assert satterthwaite_df([0.3, 0.0], [7, 100]) == pytest.approx(7)
    assert satterthwaite_df([0.3, 0.3], [7, 7]) == pytest.approx(14)


@given(deviations, st.sampled_from([1e-200, 1e-9, 1.0, 1e150]))
def test_degrees_of_freedom_are_within_one_and_n_minus_one_on_any_scale(d, scale):
    for df in (df_of_units, df_of_objects):
        value = df(np.array(d) * scale)
        assert 1 <= value <= max(1, len(d) - 1)
        assert value == pytest.approx(df(d), rel=1e-6)


def test_the_interval_of_images_is_students_with_satterthwaites_degrees_of_freedom():
    labels, scores, _ = factory(9, 14, 1)
    v10, v01 = placement_values(labels, scores)
    parts = [v.var(ddof=1) / len(v) for v in (v10, v01)]
    dfs = []
    for v in (v10, v01):
        d = v - v.mean()
        kurtosis = len(d) * (d**4).sum() / (d**2).sum() ** 2
        dfs.append(min(2 * len(d) / (kurtosis - 1), len(d) - 1))
    t = stats.t.ppf(0.975, sum(parts) ** 2 / (parts[0] ** 2 / dfs[0] + parts[1] ** 2 / dfs[1]))
    a = v10.mean()
    half = t * math.sqrt(sum(parts)) / (a * (1 - a))
    e = delong_interval(labels, scores, small_sample=True)
    assert (e.low, e.high) == pytest.approx(
        (special.expit(special.logit(a) - half), special.expit(special.logit(a) + half))
    )
    assert e.method == "DeLong, logit, t"


def test_the_interval_of_objects_is_students_with_the_objects_that_carry_the_variance():
    labels, scores, objects = factory(9, 14, 5)
    v10, v01 = placement_values(labels, scores)
    parts, dfs = [], []
    for label, v in ((1, v10), (0, v01)):
        d = np.array([(v[objects[labels == label] == g] - v.mean()).sum() for g in np.unique(objects[labels == label])])
        parts.append(len(d) / (len(d) - 1) * (d**2).sum() / len(v) ** 2)
        dfs.append(1.3 * (d**2).sum() ** 2 / (d**4).sum() - 1)
    t = stats.t.ppf(0.975, sum(parts) ** 2 / (parts[0] ** 2 / dfs[0] + parts[1] ** 2 / dfs[1]))
    e = clustered_delong_interval(labels, scores, objects, small_sample=True)
    assert e.se**2 == pytest.approx(sum(parts))
    half = t * e.se / (e.value * (1 - e.value))
    assert (e.low, e.high) == pytest.approx(
        (special.expit(special.logit(e.value) - half), special.expit(special.logit(e.value) + half))
    )


@given(st.integers(2, 30), st.integers(2, 30), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_objects_of_one_image_have_the_interval_of_images(n_defective, n_good, seed):
    labels, scores, objects = factory(n_defective, n_good, 1, seed)
    plain = delong_interval(labels, scores, small_sample=True)
    clustered = clustered_delong_interval(labels, scores, objects, small_sample=True)
    assert (clustered.low, clustered.high) == pytest.approx((plain.low, plain.high), abs=1e-9)


@given(st.integers(2, 25), st.integers(2, 25), st.integers(1, 4), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_students_interval_holds_the_normal_one(n_defective, n_good, views, seed):
    labels, scores, _ = factory(n_defective, n_good, views, seed)
    narrow, wide = delong_interval(labels, scores), delong_interval(labels, scores, small_sample=True)
    if narrow.status == "ok":
        assert wide.low <= narrow.low <= narrow.high <= wide.high


def test_perfect_separation_keeps_its_bound():
    labels, scores, objects = [0] * 12 + [1] * 6, [*range(12), *range(20, 26)], np.arange(18) // 2
    for interval in (delong_interval(labels, scores), delong_interval(labels, scores, small_sample=True)):
        assert (interval.low, interval.high) == (pytest.approx(0.05 ** (1 / 6)), 1)
    clustered = clustered_delong_interval(labels, scores, objects, small_sample=True)
    assert (clustered.low, clustered.high, clustered.status) == (pytest.approx(0.05 ** (1 / 3)), 1, "degenerate")


@pytest.mark.parametrize(("n_defective", "noted"), [(9, True), (10, False)])
def test_rows_warn_of_fewer_than_ten_objects(n_defective, noted):
    found = units(*factory(n_defective, 30, 3))
    estimates = [auroc_estimate(found, level=0.95), proportion_estimate(found, 1.0, "sensitivity", level=0.95)]
    for estimate in estimates:
        assert any("fewer than 10 objects (9 defective)" in note for note in estimate.notes) == noted
    others = proportion_estimate(found, 1.0, "specificity", level=0.95)
    assert not any("fewer than 10" in note for note in others.notes)


def test_rows_use_the_intervals_that_hold_their_level():
    labels, scores, objects = factory(12, 30, 4)
    found = units(labels, scores, objects)
    auroc = auroc_estimate(found, level=0.95)
    expected = clustered_delong_interval(labels, scores, objects, small_sample=True)
    assert (auroc.low, auroc.high, auroc.method) == (expected.low, expected.high, "Obuchowski, logit, t")
    assert proportion_estimate(found, 1.0, "sensitivity", level=0.95).method == "score, clustered"


@pytest.mark.parametrize(("n_defective", "noted"), [(9, True), (10, False)])
def test_rows_over_repeats_warn_of_fewer_than_ten_objects(n_defective, noted):
    labels, scores, objects = factory(n_defective, 40, 1)
    frame = pd.DataFrame(
        {
            "sample_id": [f"i{k:03}" for k in range(len(labels))],
            "object_id": [f"o{g:03}" for g in objects],
            "label": labels,
            "score": scores,
        }
    )
    table = ScoreTable.checked(frame)
    splits = grouped_three_way(SampleTable.checked(frame), repeats=2, seed=0)
    for metric in ("auroc", "sensitivity"):
        estimate = protocol_bootstrap(splits, table, metric=metric, n_resamples=50)
        assert any(f"fewer than 10 objects ({n_defective} defective)" in note for note in estimate.notes) == noted
