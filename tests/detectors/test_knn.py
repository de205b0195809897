# ruff: noqa: E402 - nothing may import torch before the skip
import hashlib

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from detectors import create
from detectors.base import Detector, FitContext, SupportsMaps, SupportsSaving
from detectors.knn import KNN, greedy_coreset, nearest_distances
from protocols.errors import InputError, NotFittedError


class Images:
    def __init__(self, n, seed=0, spot=False, size=(40, 56)):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[: size[0], : size[1]]
        self.arrays = []
        for _ in range(n):
            image = 120 + 30 * np.sin(x / 3)[..., None] + rng.normal(0, 6, (*size, 3))
            if spot:
                image[(y - rng.uniform(10, 30)) ** 2 + (x - rng.uniform(10, 46)) ** 2 < 36] = rng.uniform(0, 255, 3)
            self.arrays.append(np.clip(image, 0, 255).astype(np.uint8))

    def __len__(self):
        return len(self.arrays)

    def __getitem__(self, index):
        return self.arrays[index]

    def digest(self, index):
        return hashlib.sha256(self.arrays[index].tobytes()).hexdigest()

    def foreground(self, index):
        return None


def context(tmp_path, seed=0, **more):
    return FitContext(device="cpu", seed=np.random.SeedSequence(seed), workdir=tmp_path, **more)


def rows(n, dim, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, dim))).float()


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    detector = create("knn", preset="tiny")
    detector.fit(Images(20), context(tmp_path_factory.mktemp("knn")))
    return detector


def test_the_coreset_is_the_greedy_k_centre_solution():
    points = rows(60, 4)
    selected = greedy_coreset(points, 12, torch.Generator().manual_seed(0)).tolist()
    distances = cdist(points.numpy(), points.numpy())
    expected = selected[:1]
    while len(expected) < 12:
        expected.append(int(distances[expected].min(0).argmax()))
    assert selected == expected


def test_a_coreset_of_all_rows_holds_each_once_even_with_duplicates():
    points = rows(10, 3).repeat(3, 1)
    selected = greedy_coreset(points, 30, torch.Generator().manual_seed(0), dim=2)
    assert sorted(selected.tolist()) == list(range(30))


@pytest.mark.parametrize("k", [1, 3])
def test_distances_agree_with_scikit_learn(k):
    queries, bank = rows(50, 8), rows(200, 8, seed=1) + 100  # far from the origin: inner products cancel
    queries = queries + 100
    expected = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(bank.double()).kneighbors(queries.double())[0]
    ours = nearest_distances(queries, bank, bank.square().sum(1), k)
    np.testing.assert_allclose(ours.numpy(), expected.mean(1), rtol=3e-3)  # of two nearly as near, either will do
    own = nearest_distances(bank[:5], bank, bank.square().sum(1), 1)
    assert own.max() < 1e-6


def test_chunks_change_no_distance(monkeypatch):
    queries, bank = rows(50, 8), rows(20, 8, seed=1)
    whole = nearest_distances(queries, bank, bank.square().sum(1), 2)
    monkeypatch.setattr("detectors.knn._PAIRS", 60)
    torch.testing.assert_close(nearest_distances(queries, bank, bank.square().sum(1), 2), whole)


def test_it_is_a_detector_with_maps_and_files(fitted):
    assert isinstance(fitted, Detector) and isinstance(fitted, SupportsMaps) and isinstance(fitted, SupportsSaving)


def test_planted_spots_rank_above_chance(fitted):
    nominal, anomalous = fitted.score(Images(30, seed=1)), fitted.score(Images(30, seed=2, spot=True))
    assert (anomalous[:, None] > nominal[None, :]).mean() > 0.9


def test_with_the_whole_bank_a_training_image_scores_zero(tmp_path):
    detector = create("knn", preset="tiny", coreset_share=1.0)
    images = Images(5)
    detector.fit(images, context(tmp_path))
    np.testing.assert_allclose(detector.score(images), 0, atol=1e-4)


def test_the_same_seed_gives_the_same_scores_in_any_order(fitted, tmp_path):
    again = create("knn", preset="tiny")
    again.fit(Images(20), context(tmp_path, cache=tmp_path / "cache"))
    images = Images(11, seed=4, spot=True)
    scores = fitted.score(images)
    np.testing.assert_array_equal(again.score(images), scores)
    images.arrays.reverse()
    np.testing.assert_allclose(fitted.score(images), scores[::-1], rtol=1e-5)


def test_image_scores_summarise_the_patch_distances(fitted):
    images = Images(3, seed=4, spot=True)
    patches = [p.flatten().double().numpy() for p in fitted._patch_distances(images)]
    np.testing.assert_allclose(fitted.score(images), [p.max() for p in patches])
    try:
        for how, value in (("mean", np.mean), ("top_k", lambda p: np.sort(p)[-10:].mean())):
            fitted.init_args["image_score"] = how
            np.testing.assert_allclose(fitted.score(images), [value(p) for p in patches])
    finally:
        fitted.init_args["image_score"] = "max"


def test_a_stored_detector_scores_as_before_and_maps_have_the_images_size(fitted, tmp_path):
    fitted.save(tmp_path / "model.safetensors")
    loaded = KNN.load(tmp_path / "model.safetensors")
    images = Images(3, seed=4, size=(33, 71))
    np.testing.assert_array_equal(loaded.score(images), fitted.score(images))
    for anomaly_map in loaded.maps(images):
        assert anomaly_map.shape == (33, 71) and anomaly_map.dtype == np.float32


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("coreset_share", 0), ("coreset_share", 1.1), ("coreset_dim", -1), ("neighbours", 0), ("image_score", "min"),
        ("resize", "crop"), ("patch_size", 4), ("top_k", 0), ("smoothing", -1), ("imagesize", 0),
    ],
)  # fmt: skip
def test_impossible_arguments_are_named(argument, value):
    with pytest.raises(InputError, match=rf"'knn', init_args\.{argument}"):
        KNN(**{argument: value})


def test_sizes_that_do_not_fit_the_strides_are_refused():
    with pytest.raises(InputError, match="multiple of 8"):
        _ = create("knn", preset="tiny", imagesize=68).weights_sha256


def test_unfitted_it_refuses_to_score():
    with pytest.raises(NotFittedError):
        create("knn", preset="tiny").score(Images(1))


def test_no_images_are_an_error(tmp_path):
    with pytest.raises(InputError, match="at least one"):
        create("knn", preset="tiny").fit(Images(0), context(tmp_path))
