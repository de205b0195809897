# ruff: noqa: E402 - nothing may import torch before the skip
import hashlib
import random

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from detectors import create
from detectors.base import Detector, FitContext, SupportsMaps, SupportsSaving
from detectors.glass import GLASS
from detectors.model_file import read_header
from protocols.errors import DetectorError, InputError, NotFittedError, WeightsError

FAST = {"meta_epochs": 2, "limit": 15, "eval_epochs": 1, "ascent_steps": 5, "imagesize": 32}


class Images:
    """Textured pictures, some with a bright spot."""

    def __init__(self, n, seed=0, spot=False, size=(40, 56), foreground=None):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[: size[0], : size[1]]
        stripes = 120 + 30 * np.sin(x / 3)[..., None]
        self.arrays = []
        for _ in range(n):
            image = stripes + rng.normal(0, 6, (*size, 3))
            if spot:
                cy, cx = rng.uniform(10, size[0] - 10), rng.uniform(10, size[1] - 10)
                image[(y - cy) ** 2 + (x - cx) ** 2 < 36] = rng.uniform(0, 255, 3)
            self.arrays.append(np.clip(image, 0, 255).astype(np.uint8))
        self._foreground = foreground

    def __len__(self):
        return len(self.arrays)

    def __getitem__(self, index):
        return self.arrays[index]

    def digest(self, index):
        return hashlib.sha256(self.arrays[index].tobytes()).hexdigest()

    def foreground(self, index):
        return self._foreground


class Some:
    """Some of a set's images, in another order."""

    def __init__(self, images, indices):
        self.images, self.indices = images, indices

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, index):
        return self.images[self.indices[index]]

    def digest(self, index):
        return self.images.digest(self.indices[index])

    def foreground(self, index):
        return self.images.foreground(self.indices[index])


def context(tmp_path, seed=0, **more):
    return FitContext(device="cpu", seed=np.random.SeedSequence(seed), workdir=tmp_path, **more)


@pytest.fixture(scope="module")
def held_out():
    return Images(11, seed=5, spot=True)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    detector = create("glass", preset="tiny", **FAST)
    detector.fit(Images(20), context(tmp_path_factory.mktemp("glass")))
    return detector


def test_it_is_a_detector_with_maps_and_files():
    detector = create("glass", preset="tiny")
    assert all(isinstance(detector, protocol) for protocol in (Detector, SupportsMaps, SupportsSaving))
    assert detector.weights_sha256 == create("glass", preset="tiny").weights_sha256


def test_the_paper_preset_is_the_published_configuration():
    a = create("glass", preset="paper").init_args
    assert (a["backbone"], a["layers"], a["weights"]) == ("wide_resnet50_2.tv_in1k", ["layer2", "layer3"], "pretrained")
    assert (a["imagesize"], a["pre_dim"], a["target_dim"], a["dsc_hidden"]) == (288, 1536, 1536, 1024)
    assert (a["meta_epochs"], a["limit"], a["batch_size"], a["lr"], a["noise_std"]) == (640, 392, 8, 1e-4, 0.015)
    assert (a["radius"], a["p"], a["mining"], a["distribution"], a["fg"]) == (0.75, 0.5, True, "manifold", False)
    assert (a["resize"], a["eval_epochs"], a["smoothing"], a["score"]) == ("squash", 1, 4.0, "probability")


@pytest.mark.parametrize("size", [100, 144, 200, 0, -32, 64.0, True])
def test_sizes_that_the_perlin_lattice_does_not_divide_are_refused_clearly(size):
    with pytest.raises(InputError, match=r"init_args\.imagesize.*multiple of 32"):
        GLASS(imagesize=size)


@pytest.mark.parametrize("size", [160, 224, 256, 288])
def test_sizes_of_the_reference_program_work(size):
    assert GLASS(imagesize=size).init_args["imagesize"] == size


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("resize", "crop"), ("distribution", "sphere"), ("score", "odds"), ("batch_size", 0), ("meta_epochs", 1.5),
        ("p", 1.5), ("radius", -0.1), ("lr", 0), ("noise_std", float("nan")), ("dsc_layers", 1), ("fg", 1),
        ("patch_size", 2), ("eval_epochs", -1), ("smoothing", "4"),
    ],
)  # fmt: skip
def test_impossible_arguments_are_named(argument, value):
    with pytest.raises(InputError, match=rf"'glass', init_args\.{argument}"):
        GLASS(**{argument: value})


def test_layers_in_the_wrong_order_are_refused():
    with pytest.raises(InputError, match="finest layer first"):
        _ = create("glass", preset="tiny", layers=("layer2", "layer1")).weights_sha256


def test_the_same_seed_gives_the_same_scores_and_another_seed_others(fitted, held_out, tmp_path):
    scores = []
    for seed in (0, 1):
        detector = create("glass", preset="tiny", **FAST)
        detector.fit(Images(20), context(tmp_path, seed))
        scores.append(detector.score(held_out))
    np.testing.assert_array_equal(scores[0], fitted.score(held_out))
    assert not np.array_equal(scores[0], scores[1])


def test_scores_do_not_depend_on_the_other_images_nor_their_order(fitted, held_out):
    scores = fitted.score(held_out)
    order = [7, 0, 3, 10, 3]
    np.testing.assert_allclose(fitted.score(Some(held_out, order)), scores[order], rtol=1e-5)
    assert scores.shape == (11,) and scores.dtype == np.float64
    assert fitted.score(Some(held_out, [])).shape == (0,)


def test_threads_and_a_feature_cache_on_disk_change_nothing(fitted, held_out, tmp_path, monkeypatch):
    monkeypatch.setattr("detectors.glass.detector.threads_for", lambda device: 2)
    for _ in range(2):  # the second finds the features there
        detector = create("glass", preset="tiny", **FAST)
        detector.fit(Images(20), context(tmp_path, cache=tmp_path / "cache"))
        np.testing.assert_array_equal(detector.score(held_out), fitted.score(held_out))


def test_embeddings_that_do_not_fit_into_memory_are_read_by_the_batch(fitted, held_out, tmp_path, monkeypatch):
    monkeypatch.setattr("detectors.glass.training._BYTES_KEPT", 0)
    detector = create("glass", preset="tiny", **FAST)
    detector.fit(Images(20), context(tmp_path, cache=tmp_path / "cache"))
    np.testing.assert_allclose(detector.score(held_out), fitted.score(held_out), rtol=1e-4)


def test_checkpoints_are_announced_but_for_the_last_and_scoring_inside_changes_nothing(held_out, tmp_path):
    def train(on_checkpoint):
        detector = create("glass", preset="tiny", **{**FAST, "meta_epochs": 4, "eval_epochs": 2})
        seen = []
        detector.fit(
            Images(12), context(tmp_path, on_checkpoint=lambda step: (seen.append(step), on_checkpoint(detector)))
        )
        return seen, detector.score(held_out)

    inside = []
    seen, scores = train(lambda detector: inside.append(detector.score(held_out)))
    _, silent = train(lambda detector: None)
    assert seen == [2]
    np.testing.assert_array_equal(scores, silent)
    assert not np.array_equal(inside[0], scores)


def test_no_global_generator_or_flag_is_touched(held_out, tmp_path):
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    state = lambda: (random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state().tolist())  # noqa: E731, NPY002
    flags = lambda: (  # noqa: E731
        torch.get_num_threads(), torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(), torch.is_grad_enabled(), torch.get_default_dtype(),
    )  # fmt: skip
    before = state(), flags()
    detector = create("glass", preset="tiny", **{**FAST, "distribution": "judge"})
    detector.fit(Images(8), context(tmp_path))
    detector.score(held_out), list(detector.maps(held_out))
    assert (state(), flags()) == before


def test_the_image_score_is_the_largest_raw_probability_whatever_the_smoothing(fitted, held_out, tmp_path):
    fitted.save(tmp_path / "a.safetensors")
    unsmoothed = GLASS.load(tmp_path / "a.safetensors")
    unsmoothed.init_args["smoothing"] = 0
    np.testing.assert_array_equal(unsmoothed.score(held_out), fitted.score(held_out))
    patches = [logits.sigmoid().max().item() for logits in fitted._patch_logits(held_out)]
    np.testing.assert_allclose(fitted.score(held_out), patches, rtol=1e-6)


def test_logits_rank_as_probabilities_do(fitted, held_out, tmp_path):
    fitted.save(tmp_path / "a.safetensors")
    logit = GLASS.load(tmp_path / "a.safetensors")
    logit.init_args["score"] = "logit"
    np.testing.assert_allclose(1 / (1 + np.exp(-logit.score(held_out))), fitted.score(held_out), rtol=1e-5)
    assert np.array_equal(np.argsort(logit.score(held_out)), np.argsort(fitted.score(held_out)))


@pytest.mark.parametrize("resize", ["squash", "shorter_side"])
def test_maps_have_the_images_own_size(tmp_path, resize):
    detector = create("glass", preset="tiny", **{**FAST, "resize": resize, "meta_epochs": 1})
    detector.fit(Images(6), context(tmp_path))
    sizes = [(40, 56), (33, 71)]
    for size in sizes:
        (anomaly_map,) = detector.maps(Images(1, size=size))
        assert anomaly_map.shape == size and anomaly_map.dtype == np.float32
        assert 0 <= anomaly_map.min() and anomaly_map.max() <= 1 + 1e-6


def test_a_stored_detector_scores_as_before_and_tells_what_it_was_trained_with(fitted, held_out, tmp_path):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    loaded = GLASS.load(path)
    np.testing.assert_array_equal(loaded.score(held_out), fitted.score(held_out))
    header = read_header(path)
    assert header.init_args == fitted.init_args
    assert header.details["hypothesis"] == "manifold" and header.details["n_foreground_masks"] == 0
    assert header.details["texture_sha256"] is None
    assert "clipped" in header.details["last_epoch"]


def test_other_backbone_weights_are_refused(fitted, tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    fitted.save(path)
    monkeypatch.setattr(GLASS, "weights_sha256", property(lambda self: "0" * 64))
    with pytest.raises(WeightsError):
        GLASS.load(path)


def test_unfitted_it_refuses_to_score(held_out, tmp_path):
    detector = create("glass", preset="tiny")
    for use in (detector.score, lambda i: next(detector.maps(i)), lambda i: detector.save(tmp_path / "m")):
        with pytest.raises(NotFittedError):
            use(held_out)


@pytest.mark.parametrize("distribution", ["hypersphere", "judge"])
def test_every_hypothesis_trains_and_is_recorded(held_out, tmp_path, distribution):
    detector = create("glass", preset="tiny", **{**FAST, "distribution": distribution})
    detector.fit(Images(10), context(tmp_path))
    assert detector.details["hypothesis"] in ("manifold", "hypersphere")
    assert (detector.details["judgement"] is None) == (distribution == "hypersphere")
    assert np.isfinite(detector.score(held_out)).all()


def test_foreground_masks_are_used_only_when_asked_for_and_then_recorded(held_out, tmp_path):
    mask = np.zeros((40, 56), dtype=bool)
    mask[10:30, 10:40] = True
    scores = {}
    for fg in (False, True):
        detector = create("glass", preset="tiny", **{**FAST, "fg": fg})
        detector.fit(Images(10, foreground=mask), context(tmp_path))
        assert detector.details["n_foreground_masks"] == (10 if fg else 0)
        assert detector.uses_foreground is fg
        scores[fg] = detector.score(held_out)
    without = create("glass", preset="tiny", **FAST)
    without.fit(Images(10), context(tmp_path))
    np.testing.assert_array_equal(without.score(held_out), scores[False])
    assert not np.array_equal(scores[True], scores[False])


def test_foregrounds_that_are_all_empty_are_an_error(tmp_path):
    detector = create("glass", preset="tiny", **{**FAST, "fg": True})
    with pytest.raises(DetectorError, match="foreground"):
        detector.fit(Images(5, foreground=np.zeros((40, 56), dtype=bool)), context(tmp_path))


def test_a_texture_folder_is_used_and_hashed(held_out, fitted, tmp_path):
    from PIL import Image

    Image.fromarray(held_out[0]).save(tmp_path / "texture.png")
    detector = create("glass", preset="tiny", **{**FAST, "texture_dir": str(tmp_path)})
    assert len(detector.texture_sha256) == 64 and fitted.texture_sha256 is None
    detector.fit(Images(20), context(tmp_path))
    assert not np.array_equal(detector.score(held_out), fitted.score(held_out))


def test_progress_and_the_clipped_share_are_reported(tmp_path):
    seen = []
    detector = create("glass", preset="tiny", **FAST)
    detector.fit(Images(6), context(tmp_path, on_progress=lambda *event: seen.append(event)))
    phases = [event[0] for event in seen]
    assert phases[-2:] == ["train", "train"] and "features" in phases
    assert {"loss", "clipped", "n_empty"} <= set(seen[-1][3])


def test_no_images_are_an_error_and_one_is_enough(tmp_path):
    with pytest.raises(InputError, match="at least one"):
        create("glass", preset="tiny").fit(Images(0), context(tmp_path))
    detector = create("glass", preset="tiny", **FAST)
    detector.fit(Images(1), context(tmp_path))
    assert np.isfinite(detector.score(Images(2, seed=3))).all()


def test_planted_spots_rank_above_chance(tmp_path):
    detector = create("glass", preset="tiny")
    detector.fit(Images(60), context(tmp_path))
    nominal, anomalous = detector.score(Images(30, seed=1)), detector.score(Images(30, seed=2, spot=True))
    assert (anomalous[:, None] > nominal[None, :]).mean() > 0.8
