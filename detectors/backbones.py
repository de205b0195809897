"""Frozen networks, tapped at layers named as in timm; nothing after the last tap is kept or computed."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from protocols.errors import InputError

from .random_weights import initialise
from .timm_import import import_timm
from .weights import architecture, file_sha256, locate, match_state, read_state

_PROBE = 128  # side of the image on which layers and strides are looked up; a multiple of every usual stride

# The reference of CS-Flow computes TensorFlow's padding for the network's native 456 pixels and applies it at every
# size; at multiples of 128 pixels true "SAME" padding differs in these two depthwise convolutions (name: padding).
REFERENCE_PADDING = {"tf_efficientnet_b5": {"blocks.3.0.conv_dw": 1, "blocks.5.0.conv_dw": 2}}


class Backbone:
    """A frozen network in eval mode that returns the outputs of some of its layers.

    Parameters
    ----------
    name
        timm name, with an explicit tag where weights are ``pretrained``: ``wide_resnet50_2.tv_in1k``.
    layers
        Names of the modules to tap, such as ``layer2`` or ``blocks.5``; the outputs come in this order.
    weights
        ``random``, ``pretrained``, ``embedded`` or a file (see :mod:`detectors.weights`).
    device
        Where it computes.
    reference_padding
        For ``tf_efficientnet_b5``: pad as CS-Flow's reference program does. No effect on others.

    Attributes
    ----------
    channels, strides
        One integer a layer. A side of the input has to be a multiple of the stride.
    sha256
        Of the file loaded, or of the random initialisation.
    identity
        Names all that decides the features of a given input tensor: part of the key of cached features.

    Raises
    ------
    InputError
        Unknown network or layer.
    WeightsError
        The weights are not there or do not fit.
    """

    def __init__(
        self,
        name: str,
        *,
        layers: Sequence[str],
        weights: str = "random",
        device: str = "cpu",
        reference_padding: bool = True,
    ) -> None:
        self.name, self.layers, self.weights = name, tuple(layers), str(weights)
        self.device = torch.device(device)
        self.channels, self.strides = describe_layers(name, self.layers)
        path = locate(name, self.weights)
        stamp = None if path is None else (str(path), file_sha256(path))
        self.model, self.sha256 = _build(name, self.layers, stamp, reference_padding, str(self.device))
        padding = "reference" if reference_padding and architecture(name) in REFERENCE_PADDING else "timm"
        self.identity = (
            f"backbone {architecture(name)}, layers {' '.join(self.layers)}, weights {self.sha256}, "
            f"padding {padding}, device {self.device.type}"
        )

    @torch.no_grad()
    def __call__(self, batch: Tensor) -> list[Tensor]:
        """Return the layers' outputs for a normalised batch, shape (N, 3, H, W)."""
        return _tap(self.model, self.layers, batch.to(self.device))


class _LastTapReached(Exception):  # noqa: N818 - not an error: ends the forward pass early
    pass


def _tap(model: nn.Module, layers: Sequence[str], batch: Tensor) -> list[Tensor]:
    """Run a network up to the last of the named layers and return their outputs."""
    taken: dict[str, Tensor] = {}

    def hook(name: str) -> Any:
        def take(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            if len(taken) == len(layers) - 1:
                taken[name] = output
                raise _LastTapReached
            taken[name] = output.clone()  # a later layer may change it in place

        return take

    handles = [model.get_submodule(name).register_forward_hook(hook(name)) for name in layers]
    try:
        model(batch)
    except _LastTapReached:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return [taken[name] for name in layers]


@lru_cache(maxsize=32)
def describe_layers(name: str, layers: tuple[str, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return channels and strides of layers, without weights or arithmetic.

    Raises
    ------
    InputError
        Unknown network or layer, a layer named twice, or one that does not give a map.
    """
    with torch.device("meta"):
        model = _create(name).eval()
        known = [module for module, _ in model.named_modules() if module]
        if not layers or len(set(layers)) < len(layers):
            raise InputError(f"backbone {name!r}, layers", list(layers), "different layers, at least one",
                             "Name each layer once.")  # fmt: skip
        for layer in layers:
            if layer not in known:
                close = get_close_matches(layer, known) or [module for module in known if module.count(".") < 2][:40]
                raise InputError(f"backbone {name!r}, layers", layer, f"one of {close}", "Correct the layer's name.")
        with torch.no_grad():
            outputs = _tap(model, layers, torch.empty(1, 3, _PROBE, _PROBE))
    for layer, output in zip(layers, outputs, strict=True):
        if output.ndim != 4 or output.shape[2] != output.shape[3] or _PROBE % output.shape[2]:
            raise InputError(f"backbone {name!r}, layers", layer, "a layer that gives a map of channels",
                             "Name a stage of a convolutional network.")  # fmt: skip
    return tuple(o.shape[1] for o in outputs), tuple(_PROBE // o.shape[2] for o in outputs)


@lru_cache(maxsize=4)
def _build(
    name: str, layers: tuple[str, ...], file: tuple[str, str] | None, reference_padding: bool, device: str
) -> tuple[nn.Module, str]:
    """Return the trimmed network with its weights, and their SHA-256; shared within the process, never changed."""
    with torch.random.fork_rng(devices=[]):  # timm initialises from the global generator; every value is replaced
        torch.default_generator.manual_seed(0)
        model = _create(name)
    if reference_padding:
        for layer, padding in REFERENCE_PADDING.get(architecture(name), {}).items():
            _pad_symmetrically(model, layer, padding)
    known = model.state_dict()
    model.eval().requires_grad_(False)
    _trim(model, layers)
    if file is None:
        stopped = _Tapped(model, layers)
        sha256 = initialise(stopped, architecture(name))
    else:
        path, sha256 = file
        state = match_state(read_state(Path(path)), known, model.state_dict(), path)
        model.load_state_dict(state, strict=False)  # compared above; only batch counters may be missing
    return model.to(device).eval(), sha256


class _Tapped(nn.Module):
    """A network whose call ends at the last tap, for calibration."""

    def __init__(self, model: nn.Module, layers: Sequence[str]) -> None:
        super().__init__()
        self.model, self.layers = model, layers

    def forward(self, batch: Tensor) -> list[Tensor]:
        return _tap(self.model, self.layers, batch)


def _create(name: str) -> nn.Module:
    """Make a timm network without loading weights."""
    timm = import_timm()
    if not timm.is_model(architecture(name)):
        close = get_close_matches(architecture(name), timm.list_models()) or ["resnet18", "wide_resnet50_2"]
        raise InputError("backbone", name, f"a network of timm such as {close}", "Correct the name.")
    return timm.create_model(architecture(name), pretrained=False)  # type: ignore[no-any-return]


def _pad_symmetrically(model: nn.Module, layer: str, padding: int) -> None:
    """Replace a convolution with TensorFlow padding by one that pads alike on both sides."""
    old = model.get_submodule(layer)
    assert isinstance(old, nn.Conv2d)
    new = nn.Conv2d(
        old.in_channels, old.out_channels, old.kernel_size, old.stride, padding, old.dilation, old.groups,
        bias=old.bias is not None, device="meta",
    )  # fmt: skip
    new.weight, new.bias = old.weight, old.bias
    parent, _, child = layer.rpartition(".")
    setattr(model.get_submodule(parent), child, new)


def _trim(model: nn.Module, layers: Sequence[str]) -> None:
    """Replace the stages after the last tap by nothing: a third of the memory of most networks."""
    used: set[str] = set()
    handles = [
        module.register_forward_hook(lambda *_, name=name: used.add(name)) for name, module in model.named_modules()
    ]
    handles += [
        module.register_forward_pre_hook(lambda *_, name=name: used.add(name)) for name, module in model.named_modules()
    ]
    try:
        with torch.no_grad():
            _tap(model, layers, torch.zeros(1, 3, _PROBE, _PROBE))
    finally:
        for handle in handles:
            handle.remove()
    for parent_name in ("", *(name for name, module in model.named_children() if isinstance(module, nn.Sequential))):
        parent = model.get_submodule(parent_name)
        for child, module in list(parent.named_children()):
            name = f"{parent_name}.{child}" if parent_name else child
            if not any(n == name or n.startswith(name + ".") for n in used) and any(True for _ in module.parameters()):
                setattr(parent, child, nn.Identity())
