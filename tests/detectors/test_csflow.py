import hashlib
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from detectors import SupportsMaps, SupportsSaving, create
from detectors.backbones import Backbone
from detectors.base import Detector, FitContext, HasWeights
from detectors.csflow import CSFlow
from detectors.csflow.extractor import FeatureExtractor, pyramid, unflatten
from detectors.csflow.flow import image_losses
from detectors.csflow.scoring import anomaly_maps, image_scores
from detectors.weights import list_weights
from protocols.errors import DetectorError, InputError, NotFittedError, WeightsError

SMALLEST = {
    "backbone": "mobilenetv3_small_100",
    "layer": "blocks.1",
    "weights": "random",
    "img_size": 64,
    "n_coupling_blocks": 2,
    "kernel_sizes": [3, 3],
    "hidden_channels": 8,
    "batch_size": 4,
    "meta_epochs": 3,
    "sub_epochs": 2,
    "learning_rate": 2e-3,
}


class Pictures:
    """Stripes with noise; the odd ones may have a planted square."""

    def __init__(self, seeds, defects=False, size=(48, 60)):
        self.seeds, self.defects, self.size = list(seeds), defects, size

    def __len__(self):
        return len(self.seeds)

    def __getitem__(self, index):
        rng = np.random.default_rng(self.seeds[index])
        height, width = self.size
        stripes = 128 + 50 * np.sin(np.arange(width) / 3 + rng.uniform(0, 6))
        image = np.repeat((stripes + rng.normal(0, 8, (height, width)))[..., None], 3, axis=2)
        if self.defects:
            row, column = rng.integers(4, height - 20), rng.integers(4, width - 20)
            image[row : row + 14, column : column + 14] = 250
        return np.clip(image, 0, 255).astype(np.uint8)

    def digest(self, index):
        return hashlib.sha256(self[index].tobytes()).hexdigest()

    def foreground(self, index):
        return None


def _context(tmp_path, seed=0, **options):
    return FitContext("cpu", np.random.SeedSequence(seed), tmp_path, **options)


def _fitted(tmp_path, seed=0, context=None, **arguments):
    detector = CSFlow(**{**SMALLEST, **arguments})
    detector.fit(Pictures(range(10)), context or _context(tmp_path, seed))
    return detector


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    return _fitted(tmp_path_factory.mktemp("work"))


def test_it_is_a_detector_with_maps_that_can_be_stored(fitted):
    for ability in (Detector, SupportsMaps, SupportsSaving, HasWeights):
        assert isinstance(fitted, ability)


def test_the_paper_preset_is_the_published_configuration():
    detector = create("csflow", preset="paper")
    assert detector.init_args == {
        "backbone": "tf_efficientnet_b5.aa_in1k", "layer": "blocks.5", "weights": "pretrained",
        "reference_padding": True, "img_size": (768, 768), "n_scales": 3, "n_coupling_blocks": 4, "kernel_sizes": None,
        "hidden_channels": 1024, "clamp": 3.0, "batch_size": 16, "meta_epochs": 4, "sub_epochs": 60,
        "learning_rate": 2e-4, "weight_decay": 1e-5, "adam_eps": 1e-4, "max_grad_norm": 1.0, "image_score": "mean",
        "score": "latent", "anomaly_map": "finest",
    }  # fmt: skip
    assert detector.kernel_sizes == (3, 3, 3, 5)
    assert sum(p.numel() for p in detector._new_flow(304, None).parameters()) == 275_227_288


@pytest.mark.parametrize("preset", ["small", "tiny"])
def test_small_presets_need_no_download(preset):
    detector = create("csflow", preset=preset)
    assert detector.init_args["weights"] == "random"
    assert len(detector.weights_sha256) == 64


def test_scales_are_strided_slices():
    x = torch.randn(2, 3, 16, 8, generator=torch.Generator().manual_seed(0))
    for s, scale in enumerate(pyramid(x, 3)):
        assert torch.equal(scale, x[:, :, :: 2**s, :: 2**s])


def test_the_default_extractor_gives_304_channels_at_a_32nd_a_64th_and_a_128th():
    extractor = FeatureExtractor(Backbone("tf_efficientnet_b5.aa_in1k", layers=["blocks.5"]), (256, 128), 3)
    rows = extractor([Pictures([0])[0], Pictures([1])[0]])
    assert rows.shape == (2, extractor.dimension) and rows.dtype == np.float32
    assert [tuple(s.shape) for s in unflatten(torch.from_numpy(rows), extractor.shapes)] == [
        (2, 304, 8, 4), (2, 304, 4, 2), (2, 304, 2, 1),
    ]  # fmt: skip
    assert FeatureExtractor(extractor.backbone, (768, 768), 3).dimension == 229_824
    assert FeatureExtractor(extractor.backbone, (256, 256), 3).dimension == 25_536


def test_rows_of_features_hold_each_scales_map():
    backbone = Backbone("mobilenetv3_small_100", layers=["blocks.1"])
    extractor = FeatureExtractor(backbone, (64, 64), 3)
    image = Pictures([3])[0]
    from detectors.preprocess import to_tensor

    x = to_tensor(image, (64, 64))[None]
    for s, scale in enumerate(unflatten(torch.from_numpy(extractor([image])), extractor.shapes)):
        torch.testing.assert_close(scale, backbone(x[..., :: 2**s, :: 2**s])[0])


def test_the_score_and_map_of_the_worked_example():
    z = [torch.full((2, 304, side, side), value) for side, value in ((8, 2.0), (4, 1.0), (2, 0.0))]
    zero = torch.zeros(2, 3)
    assert image_scores(z, zero).tolist() == pytest.approx([1.6190476] * 2, abs=1e-7)
    assert torch.equal(anomaly_maps(z), torch.full((2, 8, 8), 4.0))
    assert torch.equal(anomaly_maps(z, "product"), torch.zeros(2, 8, 8))
    for kind in ("max", "top1"):
        assert image_scores(z, zero, kind).tolist() == [2.0, 2.0]
    log_det = torch.tensor([[25_536.0, 0, 0], [0, 0, -25_536.0]])
    assert image_scores(z, log_det).tolist() == pytest.approx([1.6190476] * 2, abs=1e-7)
    assert image_scores(z, log_det, score="nll").tolist() == pytest.approx([0.6190476, 2.6190476], abs=1e-7)
    torch.testing.assert_close(image_scores(z, log_det, score="nll"), image_losses(z, log_det).double())


def test_max_and_top1_look_at_the_largest_positions_of_the_finest_scale():
    z = [torch.zeros(1, 4, 20, 10), torch.full((1, 4, 10, 5), 9.0)]
    z[0][0, :, 3, 4], z[0][0, :, 7, 7] = 4.0, 2.0
    zero = torch.zeros(1, 2)
    assert image_scores(z, zero, "max").item() == 8.0
    assert image_scores(z, zero, "top1").item() == 5.0  # the largest two of 200


def test_training_lowers_the_loss_and_reports_each_epoch(tmp_path):
    seen = []
    context = _context(tmp_path, on_progress=lambda *event: seen.append(event))
    _fitted(tmp_path, context=context)
    assert [e[:3] for e in seen if e[0] == "features"][-1] == ("features", 10, 10)
    epochs = [e for e in seen if e[0] == "train"]
    assert [e[1:3] for e in epochs] == [(k, 6) for k in range(1, 7)]
    losses = [e[3]["loss"] for e in epochs]
    assert losses[-1] < losses[0]
    assert all(e[3]["n_limited"] == 0 for e in epochs)


def test_checkpoints_come_after_every_meta_epoch_but_the_last_and_scoring_there_changes_nothing(tmp_path):
    steps, during, test = [], [], Pictures(range(50, 55))
    detector = CSFlow(**SMALLEST)

    def look(step):
        steps.append(step)
        during.append(detector.score(test))

    detector.fit(Pictures(range(10)), _context(tmp_path, on_checkpoint=look))
    assert steps == [2, 4]
    assert not np.array_equal(during[0], during[1])
    np.testing.assert_array_equal(detector.score(test), _fitted(tmp_path).score(test))
    shorter = _fitted(tmp_path, meta_epochs=1)
    np.testing.assert_array_equal(shorter.score(test), during[0])


def test_the_same_seed_gives_the_same_weights_and_scores_and_another_seed_others(tmp_path, fitted):
    test = Pictures(range(50, 56))
    again, other = _fitted(tmp_path), _fitted(tmp_path, seed=1)
    for name, tensor in fitted._flow.state_dict().items():
        assert torch.equal(tensor, again._flow.state_dict()[name])
    np.testing.assert_array_equal(fitted.score(test), again.score(test))
    assert not np.array_equal(fitted.score(test), other.score(test))


def test_global_generators_threads_and_flags_are_left_alone(tmp_path):
    def state():
        return (
            torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), torch.get_num_threads(),  # noqa: NPY002
            torch.are_deterministic_algorithms_enabled(), torch.is_grad_enabled(), torch.get_default_dtype(),
        )  # fmt: skip

    before = state()
    detector = _fitted(tmp_path)
    detector.score(Pictures([50]))
    list(detector.maps(Pictures([50])))
    assert state() == before


def test_the_seed_sequence_is_not_used_up(tmp_path):
    context = _context(tmp_path)
    _fitted(tmp_path, context=context)
    assert context.seed.n_children_spawned == 0


def test_an_images_score_does_not_depend_on_the_others_or_the_order(fitted):
    test = Pictures(range(50, 61))
    scores = fitted.score(test)
    assert scores.shape == (11,) and scores.dtype == np.float64
    for i in (0, 5, 10):
        assert fitted.score(Pictures([50 + i]))[0] == pytest.approx(scores[i], rel=1e-5)
    np.testing.assert_allclose(fitted.score(Pictures(range(60, 49, -1))), scores[::-1], rtol=1e-5)
    assert fitted.score(Pictures([])).shape == (0,)


def test_the_thread_count_changes_scores_by_rounding_only(fitted):
    test, threads = Pictures(range(50, 53)), torch.get_num_threads()
    expected = fitted.score(test)
    try:
        torch.set_num_threads(2 if threads == 1 else 1)
        np.testing.assert_allclose(fitted.score(test), expected, rtol=1e-5)
    finally:
        torch.set_num_threads(threads)


def test_planted_defects_score_higher_and_the_map_shows_where(tmp_path):
    detector = CSFlow(**{**SMALLEST, "img_size": 96, "sub_epochs": 5})
    detector.fit(Pictures(range(16)), _context(tmp_path))
    good, bad = detector.score(Pictures(range(100, 112))), detector.score(Pictures(range(100, 112), defects=True))
    assert (bad[:, None] > good[None, :]).mean() > 0.9
    pictures = Pictures(range(100, 104), defects=True)
    for index, heat in enumerate(detector.maps(pictures)):
        planted = pictures[index].min(axis=2) == 250
        assert heat[planted].mean() > 1.5 * heat[~planted].mean()


def test_maps_have_the_images_own_sizes(fitted):
    class Mixed(Pictures):
        def __getitem__(self, index):
            return super().__getitem__(index)[: 20 + 7 * index, : 55 - 3 * index]

    images = Mixed(range(6))
    maps = list(fitted.maps(images))
    assert [m.shape for m in maps] == [images[i].shape[:2] for i in range(6)]
    assert all(m.dtype == np.float32 and np.isfinite(m).all() and (m >= 0).all() for m in maps)


def test_features_are_computed_once_and_shared_through_the_cache(tmp_path, monkeypatch):
    calls = []
    compute = FeatureExtractor.__call__
    monkeypatch.setattr(FeatureExtractor, "__call__", lambda self, images: calls.append(1) or compute(self, images))
    cache = tmp_path / "cache"
    first = _fitted(tmp_path, context=_context(tmp_path, cache=cache))
    n = len(calls)
    assert n > 0
    second = _fitted(tmp_path, context=_context(tmp_path, cache=cache))
    assert len(calls) == n
    np.testing.assert_array_equal(first.score(Pictures([1])), second.score(Pictures([1])))
    _fitted(tmp_path, context=_context(tmp_path, cache=cache), img_size=96)
    assert len(calls) > n


def test_a_stored_detector_scores_as_before_with_its_permutations(tmp_path, fitted):
    path, test = tmp_path / "model.safetensors", Pictures(range(50, 55))
    fitted.save(path)
    tensors = load_file(path)
    assert tensors["permutations.0.order"].shape == (3, fitted._extractor().shapes[0][0])
    loaded = CSFlow.load(path)
    np.testing.assert_array_equal(loaded.score(test), fitted.score(test))
    for a, b in zip(loaded.maps(test), fitted.maps(test), strict=True):
        np.testing.assert_array_equal(a, b)
    # The stored order counts, not the one that would be drawn.
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors["permutations.0.order"] = tensors["permutations.0.order"].flip(1).contiguous()
    save_file(tensors, path, metadata=metadata)
    assert not np.allclose(CSFlow.load(path).score(test), fitted.score(test))
    assert json.loads(metadata["lab2factory"])["detector"] == "csflow"


@pytest.mark.parametrize(
    ("key", "value", "error", "message"),
    [
        ("weights_sha256", "0" * 64, WeightsError, "trained with"),
        ("version", "0", InputError, "version 0"),
        ("class_path", "a:B", InputError, "a:B"),
    ],
    ids=["weights", "version", "class"],
)
def test_a_file_of_other_weights_version_or_class_is_refused(tmp_path, fitted, key, value, error, message):
    from safetensors import safe_open

    path = tmp_path / "model.safetensors"
    fitted.save(path)
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["lab2factory"])
    save_file(load_file(path), path, metadata={"lab2factory": json.dumps({**header, key: value})})
    with pytest.raises(error, match=message):
        CSFlow.load(path)


@pytest.mark.parametrize("content", [None, b"no tensors"], ids=["missing", "damaged"])
def test_a_missing_or_damaged_model_file_is_named(tmp_path, content):
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="model.safetensors"):
        CSFlow.load(path)


def test_an_unfitted_detector_says_so(tmp_path):
    detector = CSFlow(**SMALLEST)
    uses = (
        lambda: detector.score(Pictures([0])),
        lambda: list(detector.maps(Pictures([0]))),
        lambda: detector.save(tmp_path / "m"),
    )
    for use in uses:
        with pytest.raises(NotFittedError, match="fit or load"):
            use()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"img_size": (64, 60)}, r"init_args.img_size: found \(64, 60\), expected .*multiples of 32"),
        ({"img_size": 0}, "init_args.img_size"),
        ({"img_size": (64, 64, 3)}, "init_args.img_size"),
        ({"img_size": 768.5}, "init_args.img_size"),
        ({"layer": "blocks.77"}, "blocks.7"),
        ({"backbone": "mobilenetv3_smal_100"}, "mobilenetv3_small_100"),
        ({"kernel_sizes": [3]}, "init_args.kernel_sizes: .*2 odd numbers"),
        ({"kernel_sizes": [3, 4]}, "init_args.kernel_sizes"),
        ({"n_scales": 0}, "init_args.n_scales"),
        ({"learning_rate": -1}, "init_args.learning_rate"),
        ({"weight_decay": -1}, "init_args.weight_decay"),
        ({"hidden_channels": "many"}, "init_args.hidden_channels"),
        ({"image_score": "median"}, "init_args.image_score: .*'top1'"),
        ({"score": "likelihood"}, "init_args.score"),
        ({"score": "nll", "image_score": "max"}, "init_args.score"),
        ({"anomaly_map": "coarse"}, "init_args.anomaly_map"),
    ],
)
def test_impossible_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        CSFlow(**{**SMALLEST, **arguments})


def test_embedded_weights_come_with_a_later_version():
    with pytest.raises(WeightsError, match="later version"):
        CSFlow(**{**SMALLEST, "weights": "embedded"}).weights_sha256  # noqa: B018


def test_no_images_is_an_error(tmp_path):
    with pytest.raises(InputError, match="at least one nominal image"):
        CSFlow(**SMALLEST).fit(Pictures([]), _context(tmp_path))


def test_a_diverging_training_is_an_error_with_the_epoch(tmp_path):
    with pytest.raises(DetectorError, match="epoch .*learning_rate"):
        _fitted(tmp_path, learning_rate=1e30)


def test_the_weights_of_each_preset_are_listed_without_downloading():
    entries = {entry.preset: entry for entry in list_weights(["csflow"])}
    assert set(entries) == {"paper", "small", "tiny"}
    assert entries["tiny"].status == "built in"
    if entries["paper"].status == "missing":
        assert "download https://huggingface.co/timm/tf_efficientnet_b5.aa_in1k" in entries["paper"].message
        assert entries["paper"].path is None


def test_a_check_loads_what_is_here_and_shows_the_sha256_that_results_hold():
    entries = {entry.preset: entry for entry in list_weights(["csflow"], check=True)}
    assert entries["tiny"].sha256 == create("csflow", preset="tiny").weights_sha256
