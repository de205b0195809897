import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional

from detectors.backbones import Backbone, describe_layers
from detectors.timm_import import import_timm
from protocols.errors import InputError, WeightsError

SMALL = "resnet18.tv_in1k"


def _batch(n=2, side=128, seed=0):
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


def test_timm_imports_in_a_fresh_process_even_beside_a_torch_without_torchvisions_operators():
    code = "from detectors.timm_import import import_timm; import timm; assert import_timm() is timm; timm.create_model"
    code = code.replace("import timm;", "t = import_timm(); import timm; assert t is timm;", 1)
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_taps_equal_the_whole_networks_layers():
    backbone = Backbone(SMALL, layers=["layer3", "layer1"])
    x = _batch()
    model, seen = backbone.model, []
    with torch.no_grad():
        y = model.maxpool(model.act1(model.bn1(model.conv1(x))))
        for stage in (model.layer1, model.layer2, model.layer3):
            y = stage(y)
            seen.append(y.clone())
    deep, shallow = backbone(x)
    assert torch.equal(deep, seen[2])
    assert torch.equal(shallow, seen[0])


def test_nothing_after_the_last_tap_is_kept():
    backbone = Backbone(SMALL, layers=["layer2"])
    assert not any(name.startswith(("layer3", "layer4", "fc")) for name, _ in backbone.model.named_parameters())


@pytest.mark.parametrize(
    ("name", "layers", "channels", "strides"),
    [
        ("tf_efficientnet_b5.aa_in1k", ("blocks.5",), (304,), (32,)),
        ("wide_resnet50_2.tv_in1k", ("layer2", "layer3"), (512, 1024), (8, 16)),
        (SMALL, ("layer1", "layer2", "layer3"), (64, 128, 256), (4, 8, 16)),
    ],
    ids=["efficientnet", "wide resnet", "resnet18"],
)
def test_channels_and_strides_are_known_without_weights(name, layers, channels, strides):
    assert describe_layers(name, layers) == (channels, strides)


def test_random_weights_are_the_same_every_time_and_leave_the_global_generators_alone():
    from detectors.backbones import _build

    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    threads = torch.get_num_threads()
    first = Backbone(SMALL, layers=["layer2"])
    _build.cache_clear()
    second = Backbone(SMALL, layers=["layer2"])
    assert first.model is not second.model
    assert first.sha256 == second.sha256
    assert torch.equal(first(_batch())[0], second(_batch())[0])
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert torch.get_num_threads() == threads


def test_random_values_of_a_layer_do_not_depend_on_which_layers_are_used():
    short, long = (Backbone(SMALL, layers=[layer]).model.state_dict() for layer in ("layer1", "layer2"))
    for name in short:
        assert torch.equal(short[name], long[name])


def test_random_features_are_normalised_so_that_they_neither_fade_nor_explode():
    from detectors.random_weights import procedural_tensor

    for name, layers in (("wide_resnet50_2", ["layer2", "layer3"]), ("tf_efficientnet_b5", ["blocks.3", "blocks.5"])):
        for output in Backbone(name, layers=layers)(procedural_tensor()):
            assert 0.3 < output.std() < 20


def test_the_reference_padding_of_efficientnet_b5_changes_the_two_convolutions_only_and_can_be_turned_off():
    reference = Backbone("tf_efficientnet_b5", layers=["blocks.5"])
    timm_like = Backbone("tf_efficientnet_b5", layers=["blocks.5"], reference_padding=False)
    assert reference.identity != timm_like.identity
    assert sum(p.numel() for p in reference.model.parameters()) == 17_543_204
    pads = {}
    for backbone in (reference, timm_like):
        for name, module in backbone.model.named_modules():
            if isinstance(module, torch.nn.Conv2d) and module.stride != (1, 1):
                pads.setdefault(name, []).append((type(module).__name__, module.padding))
    assert pads["blocks.3.0.conv_dw"] == [("Conv2d", (1, 1)), ("Conv2dSame", (0, 0))]
    assert pads["blocks.5.0.conv_dw"] == [("Conv2d", (2, 2)), ("Conv2dSame", (0, 0))]
    rest = [pair for name, pair in pads.items() if name not in ("blocks.3.0.conv_dw", "blocks.5.0.conv_dw")]
    assert len(rest) == 3 and all(a == b == ("Conv2dSame", (0, 0)) for a, b in rest)
    convolution = reference.model.get_submodule("blocks.5.0.conv_dw")
    x = torch.randn(1, convolution.in_channels, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = functional.conv2d(functional.pad(x, (2, 2, 2, 2)), convolution.weight, stride=2, groups=x.shape[1])
    torch.testing.assert_close(convolution(x), expected)


def test_an_images_features_do_not_depend_on_its_batch():
    backbone = Backbone(SMALL, layers=["layer2", "layer3"])
    x = _batch(5)
    for whole, single in zip(backbone(x), backbone(x[3:4]), strict=True):
        torch.testing.assert_close(whole[3:4], single, rtol=1e-4, atol=1e-5)


@pytest.fixture
def whole_network(tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(5)
        return import_timm().create_model("resnet18", pretrained=False)


@pytest.mark.parametrize("kind", ["safetensors", "pth", "pth with state_dict"])
def test_a_local_file_is_loaded_and_its_sha256_reported(tmp_path, whole_network, kind):
    import hashlib

    from safetensors.torch import save_file

    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    state = whole_network.state_dict()
    if kind == "safetensors":
        save_file(state, path)
    else:
        torch.save({"state_dict": state} if "state_dict" in kind else state, path)
    backbone = Backbone(SMALL, layers=["layer2"], weights=str(path))
    assert backbone.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert torch.equal(backbone.model.layer2[0].conv1.weight, whole_network.layer2[0].conv1.weight)


def _without(state, *names):
    return {k: v for k, v in state.items() if k not in names}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: _without(s, "layer1.0.conv1.weight"), "1 tensors missing (layer1.0.conv1.weight)"),
        (lambda s: {**s, "head.weight": s["fc.weight"]}, "1 tensors unknown (head.weight)"),
        (
            lambda s: {**s, "conv1.weight": s["conv1.weight"][:3]},
            "1 tensors of another shape (conv1.weight (3, 3, 7, 7)",
        ),
        (lambda s: {f"module.{k}": v for k, v in s.items()}, "tensors missing (conv1.weight, bn1.weight"),
    ],
    ids=["missing", "unknown", "shape", "prefix"],
)
def test_a_file_that_does_not_match_says_what_differs(tmp_path, whole_network, change, message):
    path = tmp_path / "w.pth"
    torch.save(change(whole_network.state_dict()), path)
    with pytest.raises(WeightsError) as error:
        Backbone(SMALL, layers=["layer2"], weights=str(path))
    assert message in str(error.value)
    assert str(path) in str(error.value)


def test_tensors_of_parts_that_are_not_used_may_be_missing(tmp_path, whole_network):
    path = tmp_path / "w.pth"
    torch.save({k: v for k, v in whole_network.state_dict().items() if not k.startswith(("fc", "layer4"))}, path)
    assert Backbone(SMALL, layers=["layer2"], weights=str(path)).channels == (128,)


def test_a_pickled_model_is_refused_because_loading_it_would_run_code(tmp_path, whole_network):
    path = tmp_path / "model.pth"
    torch.save(whole_network, path)
    with pytest.raises(WeightsError, match="tensors by name"):
        Backbone(SMALL, layers=["layer2"], weights=str(path))


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_a_damaged_file_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"not tensors at all")
    with pytest.raises(WeightsError, match=name):
        Backbone(SMALL, layers=["layer2"], weights=str(tmp_path / name))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": "embedded"}, "come with a later version"),
        ({"weights": "/nowhere/w.pth"}, "Correct the path"),
        ({"weights": "pretrained", "name": "resnet18"}, "explicit tag"),
        ({"weights": "pretrained", "name": "resnet18.nobody"}, "resnet18.tv_in1k"),
        ({"weights": "pretrained", "name": "tf_efficientnet_b5.ap_in1k"}, "ImageNet normalisation"),
        ({"weights": "pretrained"}, "`weights: random`"),
    ],
    ids=["embedded", "no file", "no tag", "unknown tag", "other normalisation", "offline"],
)
def test_weights_that_are_not_there_are_an_error_that_says_what_to_do(arguments, message, monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", "/nowhere")
    arguments = {
        "name": SMALL,
        "layers": ["layer2" if "eff" not in arguments.get("name", "") else "blocks.5"],
        **arguments,
    }
    with pytest.raises(WeightsError) as error:
        Backbone(arguments.pop("name"), **arguments)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "layers", "message"),
    [
        ("resnet81", ["layer2"], "resnet18"),
        (SMALL, ["layer22"], "layer2"),
        (SMALL, ["layer2", "layer2"], "once"),
        (SMALL, [], "at least one"),
        (SMALL, ["global_pool"], "a layer that gives a map"),
    ],
    ids=["network", "layer", "twice", "none", "no map"],
)
def test_unknown_networks_and_layers_are_named_with_the_nearest(name, layers, message):
    with pytest.raises(InputError) as error:
        Backbone(name, layers=layers)
    assert message in str(error.value)
