import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from detectors import create
from detectors.sklearn import as_sklearn
from detectors.testing import Pictures, draw_picture
from protocols.errors import InputError


def pictures(n, *, planted=False, seed=0):
    rng = np.random.default_rng(seed)
    return [draw_picture(rng, k, planted=planted) for k in range(n)]


def test_higher_is_more_normal_as_in_scikit_learn():
    model = as_sklearn(create("pixel_stats")).fit(pictures(30))
    good, bad = pictures(5, seed=1), pictures(5, planted=True, seed=1)
    assert model.score_samples(good).min() > model.score_samples(bad).max()
    assert roc_auc_score([1] * 5 + [0] * 5, model.score_samples(good + bad)) == 1
    assert np.array_equal(model.score_samples(good), -model.detector.score(Pictures(good)))


def test_arrays_lists_and_image_sets_are_the_same():
    same_size = [image[:48, :64] for image in pictures(12)]
    model = as_sklearn(create("pixel_stats")).fit(same_size)
    scores = model.score_samples(same_size)
    assert np.array_equal(scores, model.score_samples(np.stack(same_size)))
    assert np.array_equal(scores, model.score_samples(Pictures(same_size)))


def test_it_can_be_cloned_and_configured():
    model = as_sklearn(create("pixel_stats"), seed=3)
    again = clone(model)
    assert again.detector is not model.detector and again.seed == 3
    assert again.set_params(seed=4).get_params()["seed"] == 4
    with pytest.raises(InputError, match="'depth'"):
        model.set_params(depth=2)


@pytest.mark.parametrize("rows", [np.zeros((4, 10)), np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8), np.uint8)])
def test_rows_of_features_are_refused(rows):
    with pytest.raises(InputError, match=r"X\[0\]: found .*expected an RGB image"):
        as_sklearn(create("pixel_stats")).fit(rows)
