import numpy as np
import pytest
from sklearn.metrics import roc_curve

from protocols.errors import UndefinedError
from protocols.intervals.roc_band import roc_band


def test_the_curve_of_one_table_is_sklearns_roc_at_the_grid():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 80)
    scores = np.round(labels + rng.normal(size=80), 1)
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    band = roc_band([(labels, scores, list(range(80)))], n_resamples=50)
    assert band.tpr == pytest.approx(np.interp(band.fpr, fpr, tpr))


def test_views_of_one_object_do_not_narrow_the_band():
    rng = np.random.default_rng(0)
    labels, scores = np.repeat([0, 1], 20), np.concatenate([rng.normal(size=20), rng.normal(1, 1, 20)])
    objects = list(range(40))
    one = roc_band([(labels, scores, objects)], seed=1)
    many = roc_band([(np.repeat(labels, 9), np.repeat(scores, 9), list(np.repeat(objects, 9)))], seed=1)
    assert many.low == pytest.approx(one.low)
    assert many.high == pytest.approx(one.high)


def test_the_band_holds_the_curve_and_the_same_seed_repeats_it():
    labels, scores = [0, 1, 0, 1, 1, 0], [0.1, 0.2, 0.3, 0.5, 0.9, 0.4]
    first, second = (roc_band([(labels, scores, "abcdef")], seed=0) for _ in range(2))
    assert (first.low <= first.tpr).all()
    assert (first.tpr <= first.high).all()
    assert first.low.tolist() == second.low.tolist()


def test_a_missing_class_is_undefined():
    with pytest.raises(UndefinedError, match="both classes"):
        roc_band([([1, 1], [0.1, 0.2], "ab")])
