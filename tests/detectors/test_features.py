import hashlib
import multiprocessing
import os

import numpy as np
import pytest

from detectors.features import FeatureCache, decode, encode
from detectors.preprocess import resize_map, to_tensor
from protocols.errors import DetectorError


class Pictures:
    def __init__(self, seeds):
        self.seeds = list(seeds)

    def __len__(self):
        return len(self.seeds)

    def __getitem__(self, index):
        return np.random.default_rng(self.seeds[index]).integers(0, 256, (4, 6, 3), dtype=np.uint8)

    def digest(self, index):
        return hashlib.sha256(self[index].tobytes()).hexdigest()

    def foreground(self, index):
        return None


class Counting:
    def __init__(self):
        self.batches = []

    def __call__(self, images):
        self.batches.append(len(images))
        return np.stack([image.mean(axis=(0, 1)) for image in images]).astype(np.float32)


def _expected(pictures, indices):
    return np.stack([pictures[i].mean(axis=(0, 1)) for i in indices]).astype(np.float32)


@pytest.fixture(params=["disk", "memory"])
def root(request, tmp_path):
    return tmp_path / "cache" if request.param == "disk" else None


def test_rows_come_in_the_order_asked_for_and_equal_files_are_computed_once(root):
    pictures, compute = Pictures([3, 1, 4, 1, 5, 9, 2, 6, 5]), Counting()
    wanted = [8, 0, 3, 1, 1, 6]
    features = FeatureCache(root).fetch(pictures, wanted, "mean", compute, 3)
    np.testing.assert_array_equal(features, _expected(pictures, wanted))
    assert features.dtype == np.float32
    assert compute.batches == [3, 3]  # 4 different files, the last batch filled up


def test_a_second_fetch_computes_nothing_and_another_identity_everything(root):
    cache, pictures, compute = FeatureCache(root), Pictures(range(5)), Counting()
    first = cache.fetch(pictures, None, "a", compute, 5)
    second = cache.fetch(pictures, None, "a", compute, 5)
    np.testing.assert_array_equal(first, second)
    assert len(compute.batches) == 1
    cache.fetch(pictures, None, "b", compute, 5)
    assert len(compute.batches) == 2


def test_progress_is_reported_up_to_the_end(root):
    seen = []
    FeatureCache(root).fetch(Pictures([1, 2, 2]), None, "a", Counting(), 2, lambda *pair: seen.append(pair))
    assert seen[-1] == (3, 3)
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b"",
        lambda b: b[:20],
        lambda b: b[:-1],
        lambda b: b[:-30] + bytes([b[-30] ^ 1]) + b[-29:],
        lambda b: bytes(len(b)),
    ],
    ids=["empty", "truncated", "one byte short", "bit flipped", "zeros"],
)
def test_a_damaged_file_is_computed_again(tmp_path, damage):
    pictures, compute = Pictures(range(4)), Counting()
    FeatureCache(tmp_path).fetch(pictures, None, "a", compute, 1)
    path = sorted(tmp_path.rglob("*.npy"))[2]
    good = path.read_bytes()
    path.write_bytes(damage(good))
    again = FeatureCache(tmp_path).fetch(pictures, None, "a", compute, 1)
    np.testing.assert_array_equal(again, _expected(pictures, range(4)))
    assert len(compute.batches) == 5
    assert path.read_bytes() == good


def test_a_stored_file_is_an_ordinary_npy_file(tmp_path):
    pictures = Pictures([7])
    FeatureCache(tmp_path).fetch(pictures, None, "a", Counting(), 1)
    (path,) = tmp_path.rglob("*.npy")
    assert path.relative_to(tmp_path).parts == (
        hashlib.sha256(b"a").hexdigest(),
        pictures.digest(0)[:2],
        f"{pictures.digest(0)}.npy",
    )
    np.testing.assert_array_equal(np.load(path), _expected(pictures, [0])[0])
    np.testing.assert_array_equal(decode(encode(np.load(path))), np.load(path))


def test_the_folder_stays_within_its_limit_and_the_least_used_go_first(tmp_path):
    pictures = Pictures(range(10))
    FeatureCache(tmp_path).fetch(pictures, None, "a", Counting(), 1)
    files = {path.stem: path for path in tmp_path.rglob("*.npy")}
    size = next(iter(files.values())).stat().st_size
    for index in range(10):
        os.utime(files[pictures.digest(index)], (index + 1, index + 1))
    cache = FeatureCache(tmp_path, limit_bytes=6 * size)
    cache.fetch(pictures, [0], "a", Counting(), 1)  # a use makes it young again
    cache.fetch(Pictures([99]), None, "a", Counting(), 1)
    left = {path.stem for path in tmp_path.rglob("*.npy")}
    assert len(left) * size <= 6 * size
    assert pictures.digest(0) in left and pictures.digest(1) not in left


def test_a_folder_that_cannot_be_written_costs_time_not_the_result(tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    pictures = Pictures(range(3))
    features = FeatureCache(tmp_path / "file").fetch(pictures, None, "a", Counting(), 1)
    np.testing.assert_array_equal(features, _expected(pictures, range(3)))
    assert len([r for r in caplog.records if "cannot be written" in r.message]) == 1


def test_memory_stays_within_its_limit():
    cache, compute = FeatureCache(None, limit_bytes=3 * 12), Counting()
    cache.fetch(Pictures(range(10)), None, "a", compute, 1)
    cache.fetch(Pictures([7, 8, 9]), None, "a", compute, 1)
    assert len(compute.batches) == 10
    assert cache._memory_used <= 36


def test_features_that_are_not_finite_or_not_float32_are_an_error():
    for bad in (lambda images: np.full((1, 2), np.nan, np.float32), lambda images: np.zeros((1, 2))):
        with pytest.raises(DetectorError):
            FeatureCache(None).fetch(Pictures([1]), None, "a", bad, 1)


def _fetch(root, results):
    pictures = Pictures(range(200))
    results.put(FeatureCache(root).fetch(pictures, None, "a", Counting(), 4))


def test_several_processes_share_a_folder(tmp_path):
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [context.Process(target=_fetch, args=(tmp_path, results)) for _ in range(3)]
    for process in processes:
        process.start()
    arrays = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(60)
    for array in arrays:
        np.testing.assert_array_equal(array, _expected(Pictures(range(200)), range(200)))
    assert not list(tmp_path.rglob("*.part"))


def test_to_tensor_squashes_to_the_size_and_normalises():
    image = np.zeros((30, 50, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 255, 0, 51
    tensor = to_tensor(image, (8, 16))
    assert tuple(tensor.shape) == (3, 8, 16)
    expected = [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]
    np.testing.assert_allclose(
        tensor.numpy(), np.broadcast_to(np.array(expected)[:, None, None], (3, 8, 16)), rtol=1e-5
    )


def test_shrinking_averages_so_that_a_fine_pattern_turns_grey():
    image = np.zeros((64, 64, 3), np.uint8)
    image[::2] = 254
    grey = to_tensor(image, (8, 8)).numpy() * np.array([0.229, 0.224, 0.225])[:, None, None]
    assert np.abs(grey + np.array([0.485, 0.456, 0.406])[:, None, None] - 0.5).max() < 0.05  # decimation: 0.5


def test_maps_are_resized_bilinearly_with_corners_not_aligned():
    np.testing.assert_allclose(resize_map(np.array([[0, 1]], np.float32), (1, 4)), [[0, 0.25, 0.75, 1]])
    assert resize_map(np.ones((3, 3), np.float32), (7, 5)).shape == (7, 5)
