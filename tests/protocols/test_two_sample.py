import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from protocols import object_ks_test, paired_object_ks_test
from protocols.comparisons import two_sample
from protocols.errors import InputError

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "paired_tests.json").read_text())
side = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=8)


def distance(x, y):
    at = np.union1d(x, y)
    return max(abs(np.mean(x <= s) - np.mean(y <= s)) for s in at)


def columns(rows, prefix=""):
    return np.array([s for _, s in rows], float), [f"{prefix}{g}" for g, _ in rows]


@pytest.mark.parametrize("row", GOLDEN["ks"], ids=lambda row: f"{len(row['x'])}-{len(row['y'])}")
def test_single_images_equal_the_exact_test_of_scipy(row):
    n, m = len(row["x"]), len(row["y"])
    r = object_ks_test(row["x"], range(n), row["y"], range(100, 100 + m))
    assert (r.statistic, r.p_value) == pytest.approx((row["statistic"], row["p"]), abs=1e-9)
    assert "exact" in r.method


@given(side, side)
def test_equals_dealing_every_way(first, second):
    (x, ids_x), (y, ids_y) = columns(first, "x"), columns(second, "y")
    scores, ids = np.concatenate([x, y]), np.array(ids_x + ids_y)
    names = sorted(set(ids))
    dealt = []
    for chosen in itertools.combinations(names, len(set(ids_x))):
        mine = np.isin(ids, chosen)
        dealt.append(distance(scores[mine], scores[~mine]))
    observed = distance(x, y)
    r = object_ks_test(x, ids_x, y, ids_y)
    assert r.statistic == abs(r.difference) == pytest.approx(observed, abs=1e-12)
    assert r.p_value == np.mean(np.array(dealt) >= observed - 1e-9)
    back = object_ks_test(y, ids_y, x, ids_x)
    assert (back.statistic, back.p_value) == (r.statistic, r.p_value)


@given(side, st.data())
def test_paired_equals_swapping_every_way(rows, data):
    x, ids = columns(rows)
    y = np.array(data.draw(st.lists(st.integers(0, 9), min_size=len(x), max_size=len(x))), float)
    names, index = np.unique(ids, return_inverse=True)
    swapped = []
    for pattern in itertools.product([False, True], repeat=len(names)):
        swap = np.array(pattern)[index]
        swapped.append(distance(np.where(swap, y, x), np.where(swap, x, y)))
    r = paired_object_ks_test(x, y, ids)
    assert r.statistic == pytest.approx(swapped[0], abs=1e-12)
    assert r.p_value == np.mean(np.array(swapped) >= swapped[0] - 1e-9)
    assert paired_object_ks_test(y, x, ids).p_value == r.p_value


def test_example_9_1():
    r = paired_object_ks_test([1, 2, 3, 4], [3, 4, 5, 6], "abcd")
    assert r.statistic == 0.5
    assert r.difference == 0.5  # the first scores are lower
    assert math.isnan(r.low)


def many(seed, n_objects=60, views=5, shift=0.0):
    rng = np.random.default_rng(seed)
    objects = np.repeat(np.arange(n_objects), views)
    return shift + rng.normal(size=n_objects)[objects] + 0.3 * rng.normal(size=len(objects)), objects


def test_random_deals_do_not_depend_on_names_order_sides_or_blocks(monkeypatch):
    (x, ids_x), (y, ids_y) = many(0, 25), many(1, 40)
    before = object_ks_test(x, ids_x, y, ids_y + 100, n_resamples=300, seed=2)
    assert "300 resamples" in before.method
    assert object_ks_test(y, ids_y + 100, x, ids_x, n_resamples=300, seed=2).p_value == before.p_value
    order = np.random.default_rng(3).permutation(len(x))
    renamed = object_ks_test(x[order], [f"u{17 * g % 50}" for g in ids_x[order]], y, ids_y, n_resamples=300, seed=2)
    assert renamed.p_value == before.p_value
    paired = paired_object_ks_test(x, x[::-1], ids_x, n_resamples=300)
    monkeypatch.setattr(two_sample, "blocks", lambda rows, _: (slice(i, i + 11) for i in range(0, rows, 11)))
    assert object_ks_test(x, ids_x, y, ids_y + 100, n_resamples=300, seed=2).p_value == before.p_value
    assert paired_object_ks_test(x, x[::-1], ids_x, n_resamples=300).p_value == paired.p_value
    assert len({object_ks_test(x, ids_x, y, ids_y + 100, n_resamples=300, seed=s).p_value for s in range(5)}) > 1


def test_a_shift_is_seen_and_views_are_not_taken_for_objects():
    (x, ids_x), (y, ids_y) = many(4), many(5, shift=1.5)
    r = object_ks_test(x, ids_x, y, ids_y + 100, n_resamples=999)
    assert r.p_value == 1 / 1000
    assert r.difference > 0
    rejected = image_rejected = 0
    for seed in range(40):
        (x, ids_x), (y, ids_y) = many(100 + seed, 15), many(500 + seed, 15)
        rejected += object_ks_test(x, ids_x, y, ids_y + 100, n_resamples=199).p_value <= 0.05
        image_rejected += stats.ks_2samp(x, y, method="asymp").pvalue <= 0.05
    assert rejected <= 6 < image_rejected


def test_objects_on_both_sides_are_left_out():
    r = object_ks_test([1, 2, 9], list("abz"), [3, 4, 0], list("cdz"))
    assert any("1 objects are on both sides" in note for note in r.notes)
    without = object_ks_test([1, 2], list("ab"), [3, 4], list("cd"))
    assert (r.statistic, r.p_value) == (without.statistic, without.p_value)
    none = object_ks_test([1, 2], list("ab"), [3, 4], list("ab"))
    assert none.status == "undefined"
    assert math.isnan(none.p_value)


def test_equal_scores_have_no_distance():
    r = object_ks_test([1, 1], "ab", [1, 1, 1], "cde")
    assert (r.statistic, r.p_value) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, math.nan], "ab", [1], "c"), "scores_x, position 1"), (([1], "a", [1, 2], "c"), "objects_y"),
        (([1, 2], ["a", ""], [1], "c"), "object id"), (([[1]], "a", [1], "c"), "scores_x.*one-dimensional"),
    ],
)  # fmt: skip
def test_bad_sides_are_errors(arguments, message):
    with pytest.raises(InputError, match=message):
        object_ks_test(*arguments)
    with pytest.raises(InputError, match="objects"):
        paired_object_ks_test([1, 2], [1, 2], "a")


def test_nothing_to_compare_is_undefined():
    assert object_ks_test([], [], [1], ["a"]).status == "undefined"
    assert paired_object_ks_test([], [], []).status == "undefined"
