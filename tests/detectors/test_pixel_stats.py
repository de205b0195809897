from pathlib import Path

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from detectors import FitContext, create
from detectors.pixel_stats import statistics
from detectors.testing import Pictures, draw_picture
from protocols.errors import DetectorError, InputError, NotFittedError


def fitted(images, tmp_path, **arguments):
    detector = create("pixel_stats", **arguments)
    detector.fit(Pictures(images), FitContext("cpu", np.random.SeedSequence(0), Path(tmp_path)))
    return detector


def pictures(n, seed=0):
    rng = np.random.default_rng(seed)
    return [draw_picture(rng, k) for k in range(n)]


def test_statistics_of_a_flat_picture_are_its_colour():
    found = statistics(np.full((20, 30, 3), (255, 0, 51), np.uint8), (16, 16))
    assert np.allclose(found[:3], [1, 0, 0.2]) and np.allclose(found[3:6], 0)
    assert np.allclose(found[6:21].reshape(5, 3), [1, 0, 0.2])
    assert np.allclose(found[21:24], 0) and np.allclose(found[24:40], 0.4) and np.allclose(found[40:], 0)


def test_scores_are_the_distances_of_scikit_learns_shrunk_covariance(tmp_path):
    train, test = pictures(60), pictures(10, seed=1)
    rows = np.array([statistics(i, (64, 64)) for i in train])
    other = np.array([statistics(i, (64, 64)) for i in test])
    scale = rows.std(axis=0)
    peer = LedoitWolf().fit((rows - rows.mean(axis=0)) / scale)
    expected = np.sqrt(peer.mahalanobis((other - rows.mean(axis=0)) / scale) / rows.shape[1])
    scores = fitted(train, tmp_path).score(Pictures(test))
    assert scores == pytest.approx(expected, rel=1e-3)


def test_a_defect_scores_higher_and_two_images_are_enough(tmp_path):
    detector = fitted(pictures(40), tmp_path)
    rng = np.random.default_rng(5)
    nominal, bad = (Pictures([draw_picture(rng, k, planted=p) for k in range(6)]) for p in (False, True))
    assert detector.score(bad).min() > detector.score(nominal).max()
    assert np.isfinite(fitted(pictures(2), tmp_path).score(nominal)).all()


def test_too_few_images_unfitted_and_wrong_sizes_are_errors(tmp_path):
    with pytest.raises(DetectorError, match="at least 2 nominal images; got 1"):
        fitted(pictures(1), tmp_path)
    with pytest.raises(NotFittedError):
        create("pixel_stats").score(Pictures(pictures(1)))
    with pytest.raises(InputError, match="size"):
        create("pixel_stats", size=(2, 2))


def test_only_its_own_models_are_loaded(tmp_path):
    pytest.importorskip("safetensors", reason="needs the extra train")
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="model file"):
        type(create("pixel_stats")).load(tmp_path / "other.safetensors")
