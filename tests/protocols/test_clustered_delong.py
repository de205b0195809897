import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from protocols.errors import UndefinedError
from protocols.inputs import object_index
from protocols.intervals.clustered_delong import ClusteredAuroc, clustered_delong_interval, design_effect
from protocols.intervals.delong import delong_interval, delong_variance
from protocols.metrics import auroc

LABELS = np.array([1, 1, 0, 1, 0, 0, 0, 0])
SCORES = np.array([0.9, 0.6, 0.5, 0.7, 0.8, 0.2, 0.3, 0.4])
OBJECTS = list("AAABBCCD")
clustered_rows = st.lists(
    st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 9)), min_size=4, max_size=30
).filter(lambda r: min(len({o for o, y, _ in r if y == c}) for c in (True, False)) >= 2)


def columns(rows):
    objects, labels, scores = zip(*rows, strict=True)
    return np.array(labels, int), np.array(scores, float), np.array(objects)


def by_definition(labels, scores, objects):
    """Obuchowski (1997) with loops."""
    x, y = scores[labels == 1][:, None], scores[labels == 0][None]
    psi = (x > y) + 0.5 * (x == y)
    a, v10, v01 = psi.mean(), psi.mean(1), psi.mean(0)
    ids = sorted(set(objects))
    mine = [(objects[labels == 1] == g, objects[labels == 0] == g) for g in ids]
    dx = np.array([v10[p].sum() - p.sum() * a for p, _ in mine])
    dy = np.array([v01[n].sum() - n.sum() * a for _, n in mine])
    i10, i01 = sum(p.any() for p, _ in mine), sum(n.any() for _, n in mine)
    big_m, big_n, i = len(v10), len(v01), len(ids)
    s10 = i10 / ((i10 - 1) * big_m) * (dx**2).sum()
    s01 = i01 / ((i01 - 1) * big_n) * (dy**2).sum()
    s11 = i / (i - 1) * (dx * dy).sum()
    return a, s10 / big_m + s01 / big_n + 2 * s11 / (big_m * big_n)


def test_example_5_3():
    e = clustered_delong_interval(LABELS, SCORES, OBJECTS)
    assert e.value == pytest.approx(13 / 15)
    assert e.se**2 == pytest.approx(0.0307358, abs=1e-7)
    assert e.se == pytest.approx(0.175316, abs=1e-6)
    assert (e.n_objects_anomalous, e.n_objects_nominal) == (2, 4)
    assert delong_interval(LABELS, SCORES).se ** 2 == pytest.approx(0.0222222, abs=1e-7)
    assert design_effect(LABELS, SCORES, OBJECTS) == pytest.approx(0.0307358 / 0.0222222, abs=1e-5)


def test_example_5_3_singletons_reproduce_example_5_1():
    e = clustered_delong_interval([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4], range(7))
    assert e.se**2 == pytest.approx(0.0335648, abs=1e-7)


def test_example_5_6_planning_form():
    effect = 1 + (120 - 1) * 0.3
    assert effect == pytest.approx(36.7)
    assert 568 / effect == pytest.approx(15.5, abs=0.05)


@given(clustered_rows)
def test_variance_equals_the_definition(rows):
    labels, scores, objects = columns(rows)
    ids, index = object_index(objects, len(labels))
    a, variance = ClusteredAuroc(labels, scores, index, len(ids)).variance(np.ones((1, len(ids)), int))
    expected = by_definition(labels, scores, objects)
    assert a[0] == pytest.approx(expected[0], abs=1e-12)
    assert a[0] == pytest.approx(auroc(labels, scores), abs=1e-12)
    assert variance[0] == pytest.approx(expected[1], abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=4, max_size=40).filter(
    lambda r: 2 <= sum(y for y, _ in r) <= len(r) - 2))  # fmt: skip
def test_one_image_an_object_gives_delongs_variance(rows):
    labels, scores = np.array([int(y) for y, _ in rows]), np.array([float(s) for _, s in rows])
    n = len(labels)
    variance = ClusteredAuroc(labels, scores, np.arange(n), n).variance(np.ones((1, n), int))[1][0]
    assert variance == pytest.approx(delong_variance(labels, scores), abs=1e-12)


@given(clustered_rows, st.data())
def test_an_object_drawn_twice_counts_as_two(rows, data):
    labels, scores, objects = columns(rows)
    ids, index = object_index(objects, len(labels))
    weights = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(ids), max_size=len(ids))))
    a, variance = ClusteredAuroc(labels, scores, index, len(ids)).variance(weights[None])
    copies = [(10 * g + k, index == g) for g, w in enumerate(weights) for k in range(w)]
    if not copies:
        return
    y = np.concatenate([labels[rows_of] for _, rows_of in copies])
    s = np.concatenate([scores[rows_of] for _, rows_of in copies])
    o = np.concatenate([np.full(rows_of.sum(), name) for name, rows_of in copies])
    if min(len(set(o[y == c])) for c in (0, 1)) < 2:
        assert np.isnan(variance[0])
        return
    expected = by_definition(y, s, o)
    assert (a[0], variance[0]) == pytest.approx(expected, abs=1e-12)


@given(clustered_rows)
def test_leaving_out_an_object_equals_dropping_its_rows(rows):
    labels, scores, objects = columns(rows)
    ids, index = object_index(objects, len(labels))
    for g, value in enumerate(ClusteredAuroc(labels, scores, index, len(ids)).leave_one_out()):
        kept = labels[index != g]
        if 0 < kept.sum() < len(kept):
            assert value == pytest.approx(auroc(kept, scores[index != g]), abs=1e-12)
        else:
            assert np.isnan(value)


def test_few_objects_take_student_quantiles_and_say_so():
    e = clustered_delong_interval(LABELS, SCORES, OBJECTS, scale="identity")
    assert any("t quantile with 1 df" in note for note in e.notes)
    assert e.value - e.low == pytest.approx(min(stats.t.ppf(0.975, 1) * e.se, e.value))
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 25)
    many = clustered_delong_interval(labels, rng.normal(size=50) + labels, range(50), scale="identity")
    assert (many.high - many.value) / many.se == pytest.approx(1.959964)
    assert many.notes == ()
    nineteen = clustered_delong_interval(labels[:44], rng.normal(size=44) + labels[:44], range(44), scale="identity")
    assert (nineteen.value - nineteen.low) / nineteen.se == pytest.approx(stats.t.ppf(0.975, 18))


def test_a_class_with_one_object_cannot_be_told_from_it():
    e = clustered_delong_interval([1, 1, 0, 0, 0], [3, 1, 2, 0, 1], list("AABBC"))
    assert e.status == "undefined"
    assert math.isnan(e.value)
    assert "cannot separate object effect" in e.notes[0]
    with pytest.raises(UndefinedError, match="cannot separate"):
        design_effect([1, 1, 0, 0, 0], [3, 1, 2, 0, 1], list("AABBC"))


@pytest.mark.parametrize("sign", [1, -1])
def test_perfect_separation_is_bounded_by_objects_not_images(sign):
    labels = np.repeat([0, 1], [40, 30])
    objects = np.repeat(range(7), 10)
    e = clustered_delong_interval(labels, sign * np.arange(70), objects)
    assert e.status == "degenerate"
    assert e.high - e.low == pytest.approx(1 - 0.05 ** (1 / 3))
    assert e.value == (1 if sign > 0 else 0)


def test_constant_scores_are_degenerate_without_an_interval():
    e = clustered_delong_interval([0, 0, 1, 1], [3, 3, 3, 3], list("ABCD"))
    assert (e.value, e.status) == (0.5, "degenerate")
    assert math.isnan(e.low)


def test_a_variance_that_is_not_positive_gives_way_to_the_bootstrap():
    # In every object the two views' placements add up to the same: S11 cancels S10 and S01.
    labels = [1, 0] * 6
    scores = [5, 4, 3, 2, 7, 6, 1, 0, 9, 8, 11, 10]
    objects = np.repeat(range(6), 2)
    assert by_definition(np.array(labels), np.array(scores, float), objects)[1] == pytest.approx(0, abs=1e-15)
    e = clustered_delong_interval(labels, scores, objects)
    assert e.status == "degenerate"
    assert "not positive" in e.notes[0]
    assert "bootstrap" in e.method
    assert e.value == pytest.approx(auroc(labels, scores))
    assert e.low < e.high or math.isnan(e.low)


@given(clustered_rows)
def test_no_interval_has_zero_width_in_silence(rows):
    labels, scores, objects = columns(rows)
    e = clustered_delong_interval(labels, scores, objects, scale="identity")
    assert e.low < e.high or (e.status == "degenerate" and math.isnan(e.low))


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]])
def test_one_class_is_undefined(labels):
    e = clustered_delong_interval(labels, [1, 2, 3], list("ABC"))
    assert e.status == "undefined"
    assert "needs both classes" in e.notes[0]
