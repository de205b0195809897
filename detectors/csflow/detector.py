"""The detector: features, flow, training and scoring put together."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from detectors.backbones import Backbone, describe_layers
from detectors.base import FitContext, ImageSet
from detectors.features import FeatureCache
from detectors.model_file import ModelHeader, check_weights, read_model, write_model
from detectors.preprocess import resize_map
from protocols.errors import DetectorError, InputError, NotFittedError

from .extractor import FeatureExtractor, unflatten
from .flow import CrossScaleFlow
from .scoring import ANOMALY_MAPS, IMAGE_SCORES, SCORES, anomaly_maps, image_scores
from .training import TrainingSettings, train

_log = logging.getLogger(__name__)
_CHUNK_BYTES = 128 * 2**20  # features held at once while scoring


class CSFlow:
    """Density of frozen features at three image scales, by a normalising flow.

    The defaults are the published settings, the preset ``paper``. ``small`` and ``tiny`` run the same code with other
    sizes, for a processor without a GPU and without downloads: a MobileNet with fixed random weights tapped at stride
    16 instead of EfficientNet-B5 at 32, smaller images, narrower and (``tiny``) fewer coupling layers, fewer epochs at
    a higher learning rate. Their scores are worse.

    Parameters
    ----------
    backbone
        timm network with the tag of its weights.
    layer
        The layer whose output is modelled.
    weights
        ``pretrained``, ``random``, ``embedded`` or a file.
    reference_padding
        Pad EfficientNet-B5 as the reference program does.
    img_size
        Height and width (or one number for both) of scale 0, multiples of the layer's stride times
        ``2 ** (n_scales - 1)``: 128 for the default.
    n_scales
        Scales, each half the size of the one before.
    n_coupling_blocks
        Blocks of permutation and coupling.
    kernel_sizes
        One odd number a block; None: 3, and 5 in the last.
    hidden_channels
        Channels inside the coupling networks.
    clamp
        Bound of a coupling's log-scale.
    batch_size, meta_epochs, sub_epochs, learning_rate, weight_decay, adam_eps, max_grad_norm
        Training, see :class:`TrainingSettings`; a checkpoint after every meta epoch.
    image_score
        ``mean``, ``max`` or ``top1``, see :func:`image_scores`.
    score
        ``latent`` or ``nll`` (with ``mean`` only).
    anomaly_map
        ``finest`` or ``product``, see :func:`anomaly_maps`.

    References
    ----------
    M. Rudolph, T. Wehrbein, B. Rosenhahn, B. Wandt (2022). Fully convolutional cross-scale-flows for image-based
    defect detection. WACV.
    """

    name: ClassVar[str] = "csflow"
    class_path: ClassVar[str] = "detectors.csflow:CSFlow"
    version: ClassVar[str] = "1"
    # `tiny` keeps to 15 s a training of 400 images on one thread. Network, layer, size, kernels and learning rate were
    # informed by test AUROC on magnetic tiles and on one rendered set: about 15 trained settings, and 14 networks and
    # layers with a Gaussian fit. Its figures on these two data sets are therefore slightly optimistic.
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "paper": {},
        "small": {
            "backbone": "mobilenetv3_small_100", "layer": "blocks.2", "weights": "random", "img_size": (256, 256),
            "hidden_channels": 64, "meta_epochs": 4, "sub_epochs": 8, "learning_rate": 1e-3,
        },
        "tiny": {
            "backbone": "mobilenetv3_small_100", "layer": "blocks.2", "weights": "random", "img_size": (128, 128),
            "n_coupling_blocks": 2, "kernel_sizes": (3, 3), "hidden_channels": 32, "meta_epochs": 2, "sub_epochs": 6,
            "learning_rate": 2e-3,
        },
    }  # fmt: skip

    def __init__(
        self,
        *,
        backbone: str = "tf_efficientnet_b5.aa_in1k",
        layer: str = "blocks.5",
        weights: str = "pretrained",
        reference_padding: bool = True,
        img_size: int | Sequence[int] = (768, 768),
        n_scales: int = 3,
        n_coupling_blocks: int = 4,
        kernel_sizes: Sequence[int] | None = None,
        hidden_channels: int = 1024,
        clamp: float = 3.0,
        batch_size: int = 16,
        meta_epochs: int = 4,
        sub_epochs: int = 60,
        learning_rate: float = 2e-4,
        weight_decay: float = 1e-5,
        adam_eps: float = 1e-4,
        max_grad_norm: float = 1.0,
        image_score: str = "mean",
        score: str = "latent",
        anomaly_map: str = "finest",
    ) -> None:
        self.init_args: dict[str, Any] = {k: v for k, v in locals().items() if k != "self"}
        self.settings = TrainingSettings(
            **{field.name: self.init_args[field.name] for field in fields(TrainingSettings)}
        )
        self._check()
        self._device = "cpu"
        self._cache = FeatureCache(None, 0)
        self._flow: CrossScaleFlow | None = None

    def _check(self) -> None:
        """Refuse impossible arguments, naming them; set what follows from them."""
        a = self.init_args
        whole = ("n_scales", "n_coupling_blocks", "hidden_channels", "batch_size", "meta_epochs", "sub_epochs")
        for argument in whole:
            if not isinstance(a[argument], int) or a[argument] < 1:
                raise _bad(argument, a[argument], "a whole number, at least 1")
        for argument in ("clamp", "learning_rate", "adam_eps", "max_grad_norm", "weight_decay"):
            least = 0 if argument == "weight_decay" else 1e-300
            if not isinstance(a[argument], int | float) or not a[argument] >= least:
                raise _bad(argument, a[argument], "0 or above" if least == 0 else "a number above 0")
        for argument, allowed in (("image_score", IMAGE_SCORES), ("score", SCORES), ("anomaly_map", ANOMALY_MAPS)):
            if a[argument] not in allowed:
                raise _bad(argument, a[argument], f"one of {list(allowed)}")
        if a["score"] == "nll" and a["image_score"] != "mean":
            raise _bad("score", "nll", "'latent' where image_score is not 'mean': a part has no likelihood of its own")
        self.kernel_sizes = (
            (3,) * (a["n_coupling_blocks"] - 1) + (5,) if a["kernel_sizes"] is None else tuple(a["kernel_sizes"])
        )
        if len(self.kernel_sizes) != a["n_coupling_blocks"] or not all(k > 0 and k % 2 for k in self.kernel_sizes):
            raise _bad("kernel_sizes", a["kernel_sizes"], f"{a['n_coupling_blocks']} odd numbers, one a block")
        (channels,), (stride,) = describe_layers(a["backbone"], (a["layer"],))
        multiple = stride * 2 ** (a["n_scales"] - 1)
        side = a["img_size"]
        self.img_size = tuple(side) if isinstance(side, list | tuple) else (side, side)
        if len(self.img_size) != 2 or any(
            not isinstance(side, int) or side <= 0 or side % multiple for side in self.img_size
        ):
            raise _bad("img_size", a["img_size"],
                       f"height and width, multiples of {multiple} for layer {a['layer']!r} of {a['backbone']} "
                       f"at {a['n_scales']} scales")  # fmt: skip
        if channels < 2:
            raise _bad("layer", a["layer"], "a layer with at least two channels")

    def _extractor(self) -> FeatureExtractor:
        a = self.init_args
        backbone = Backbone(
            a["backbone"], layers=[a["layer"]], weights=a["weights"], device=self._device,
            reference_padding=a["reference_padding"],
        )  # fmt: skip
        return FeatureExtractor(backbone, (self.img_size[0], self.img_size[1]), a["n_scales"])

    @property
    def weights_sha256(self) -> str:
        """SHA-256 of the backbone's weights."""
        return self._extractor().backbone.sha256

    def _new_flow(self, channels: int, generator: torch.Generator | None) -> CrossScaleFlow:
        a = self.init_args
        flow = CrossScaleFlow(
            channels, hidden=a["hidden_channels"], kernels=self.kernel_sizes, n_scales=a["n_scales"],
            clamp=a["clamp"], generator=generator,
        )  # fmt: skip
        return flow.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]

    def fit(self, nominal: ImageSet, context: FitContext) -> None:
        """Train the flow on nominal images; reports ``features`` and then one loss an epoch as ``train``."""
        if len(nominal) == 0:
            raise InputError("csflow, fit", 0, "at least one nominal image", "Check the split.")
        self._device = context.device
        self._cache = FeatureCache(context.cache, context.cache_limit_bytes)
        extractor = self._extractor()
        features = self._cache.fetch(
            nominal, None, extractor.identity, extractor, extractor.batch_size,
            lambda done, total: context.report("features", done, total),
        )  # fmt: skip
        weights_seed, shuffle_seed = (int(word) for word in context.seed.generate_state(2, np.uint64))
        generator = torch.Generator().manual_seed(weights_seed)
        # Made on the CPU, so that the same seed gives the same start on every device.
        self._flow = self._new_flow(extractor.shapes[0][0], generator).to(self._device)
        n_epochs = self.settings.meta_epochs * self.settings.sub_epochs

        def on_epoch(epoch: int, loss: float, n_limited: int) -> None:
            context.report("train", epoch, n_epochs, loss=loss, n_limited=n_limited)
            if n_limited:
                _log.warning("csflow: %d latent values met the hard limit in epoch %d", n_limited, epoch)

        train(
            self._flow, features, extractor.shapes, self.settings,
            generator=torch.Generator().manual_seed(shuffle_seed), on_epoch=on_epoch,
            on_checkpoint=context.on_checkpoint,
        )  # fmt: skip

    @torch.no_grad()
    def _latents(self, images: ImageSet) -> Iterator[tuple[list[torch.Tensor], torch.Tensor]]:
        """Yield latents and log-determinants, batch by batch."""
        if self._flow is None:
            raise NotFittedError("csflow has not been fitted: call fit or load first")
        extractor, batch = self._extractor(), self.settings.batch_size
        chunk = max(1, _CHUNK_BYTES // (4 * extractor.dimension * batch)) * batch
        n_limited = 0
        for start in range(0, len(images), chunk):
            indices = range(start, min(start + chunk, len(images)))
            features = self._cache.fetch(images, indices, extractor.identity, extractor, extractor.batch_size)
            for rows in torch.from_numpy(features).split(batch):
                latents, log_det, limited = self._flow(unflatten(rows.to(self._device), extractor.shapes))
                n_limited += int(limited)
                yield latents, log_det
        if n_limited:
            _log.warning("csflow: %d latent values met the hard limit while scoring", n_limited)

    def score(self, images: ImageSet) -> NDArray[np.float64]:
        """Return one score an image, shape (n_images,); higher = more anomalous."""
        a = self.init_args
        parts = [
            image_scores(z, log_det, a["image_score"], a["score"]).cpu().numpy() for z, log_det in self._latents(images)
        ]
        scores = np.concatenate([np.empty(0), *parts])
        if not np.isfinite(scores).all():
            raise DetectorError("csflow: scores are not finite")
        return scores

    def maps(self, images: ImageSet) -> Iterator[NDArray[np.float32]]:
        """Yield one anomaly map an image, at that image's own size."""
        index = 0
        for latents, _ in self._latents(images):
            for small in anomaly_maps(latents, self.init_args["anomaly_map"]):
                height, width = images[index].shape[:2]
                yield resize_map(small, (height, width))
                index += 1

    def save(self, path: Path) -> None:
        """Write the flow, with its permutations, to a safetensors file."""
        if self._flow is None:
            raise NotFittedError("csflow has not been fitted: call fit or load first")
        header = ModelHeader(self.name, self.class_path, self.version, self.init_args, self.weights_sha256)
        write_model(path, self._flow.state_dict(), header)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Self:
        """Return the fitted detector of a file.

        Raises
        ------
        InputError
            Not a file of this detector and version.
        WeightsError
            The backbone's weights are not those it was trained with.
        """
        header, tensors = read_model(path, cls.class_path, cls.version)
        detector = cls(**header.init_args)
        detector._device = device
        extractor = detector._extractor()
        check_weights(path, header, extractor.backbone.sha256)
        flow = detector._new_flow(extractor.shapes[0][0], None)
        flow.load_state_dict(tensors, assign=True)
        detector._flow = flow.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return detector


def _bad(argument: str, found: object, expected: str) -> InputError:
    return InputError(f"detector 'csflow', init_args.{argument}", found, expected, "Correct the argument.")
