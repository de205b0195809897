import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.aggregate import aggregate_by_object
from protocols.errors import InputError, UndefinedError

LABELS = [0, 1, 0, 0, 0, 0]
SCORES = [0.1, 0.9, 0.5, 0.4, 0.2, 0.3]
OBJECTS = ["b", "b", "b", "a", "a", "a"]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("max", [0.4, 0.9]),
        ("mean", [0.3, 0.5]),
        ("median", [0.3, 0.5]),
        ("quantile(0.25)", [0.25, 0.3]),
        ("topk_mean(2)", [0.35, 0.7]),
        ("topk_mean(9)", [0.3, 0.5]),
        ("k_of_n(2)", [0.3, 0.5]),
        ("k_of_n(3)", [0.2, 0.1]),
    ],
)
def test_each_method_on_two_objects(method, expected):
    labels, scores, objects = aggregate_by_object(LABELS, SCORES, OBJECTS, method=method)
    assert scores == pytest.approx(expected)
    assert (labels.tolist(), objects.tolist()) == ([0, 1], ["a", "b"])


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 9)), min_size=1, max_size=30), st.randoms())
def test_an_object_is_rejected_when_k_views_are(rows, random):
    random.shuffle(rows)
    objects, labels, scores = (list(column) for column in zip(*rows, strict=True))
    y, s, ids = aggregate_by_object(labels, scores, objects, method="max")
    assert ids.tolist() == sorted(set(objects))
    for label, score, name in zip(y, s, ids, strict=True):
        views = [v for o, _, v in rows if o == name]
        assert label == max(int(anomalous) for o, anomalous, _ in rows if o == name)
        for threshold in range(10):
            assert (score >= threshold) == (sum(v >= threshold for v in views) >= 1)


def test_example_4_3_views_raise_the_false_alarm_rate_of_the_maximum():
    assert 1 - (1 - 0.01) ** 120 == pytest.approx(0.70062, abs=5e-6)
    rng = np.random.default_rng(0)
    n_objects = 4000
    scores = rng.random(120 * n_objects)
    _, highest, _ = aggregate_by_object(np.zeros(len(scores), int), scores, np.repeat(np.arange(n_objects), 120))
    assert (highest >= 0.99).mean() == pytest.approx(0.70062, abs=4 * np.sqrt(0.21 / n_objects))


def test_too_few_views_are_listed():
    with pytest.raises(UndefinedError, match="have fewer: a") as caught:
        aggregate_by_object([0, 0, 0], [1, 2, 3], ["b", "b", "a"], method="k_of_n(2)")
    assert caught.value.code == "TooFewViews"


@pytest.mark.parametrize("method", ["best", "quantile(2)", "k_of_n(0)", "topk_mean(1.5)", "k_of_n(two)", "max(1)"])
def test_an_unknown_method_is_named(method):
    with pytest.raises(InputError, match="k_of_n") as caught:
        aggregate_by_object(LABELS, SCORES, OBJECTS, method=method)
    assert caught.value.code == "UnknownAggregator"


@pytest.mark.parametrize(
    "objects", [["a", ""], ["a", None], [1.0, float("nan")], ["a", pd.NA]], ids=["empty", "none", "nan", "NA"]
)
def test_images_without_an_object_are_not_one_object(objects):
    with pytest.raises(InputError, match="objects, position 1") as caught:
        aggregate_by_object([0, 1], [1, 2], objects)
    assert caught.value.code == "EmptyObjectId"


def test_ids_of_any_hashable_type_stay_apart():
    _, scores, objects = aggregate_by_object([0, 1, 1], [1, 2, 3], [1, "1", (1, 2)])
    assert len(objects) == 3
    assert sorted(scores) == [1, 2, 3]
