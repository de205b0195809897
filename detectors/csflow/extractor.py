"""From images to the features the flow models: one frozen network at three scales of one image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detectors.backbones import Backbone
from detectors.preprocess import IDENTITY, to_batch

Shape = tuple[int, int, int]


def pyramid(batch: Tensor, n_scales: int) -> list[Tensor]:
    """Return the scales of images: every pixel, every second one, every fourth one, ...

    Decimation without any filter, as in the reference program; the paper calls it resizing.

    Parameters
    ----------
    batch
        Normalised images, shape (N, 3, H, W).
    n_scales
        Number of scales.
    """
    return [batch[..., :: 2**s, :: 2**s] for s in range(n_scales)]


class FeatureExtractor:
    """Compute the features of images, flat: one row an image, scale after scale, ready to be cached.

    Parameters
    ----------
    backbone
        Frozen network with one tap.
    img_size
        Height and width of scale 0.
    n_scales
        Number of scales.
    """

    def __init__(self, backbone: Backbone, img_size: tuple[int, int], n_scales: int) -> None:
        self.backbone, self.img_size, self.n_scales = backbone, img_size, n_scales
        (channels,), (stride,) = backbone.channels, backbone.strides
        self.shapes: list[Shape] = [
            (channels, img_size[0] // stride // 2**s, img_size[1] // stride // 2**s) for s in range(n_scales)
        ]
        self.identity = (
            f"csflow features 1; {IDENTITY}; size {img_size[0]} x {img_size[1]}; {n_scales} scales by decimation; "
            f"{backbone.identity}"
        )
        # About the memory of 16 images of 256 x 256; a GPU has room for more.
        pixels = img_size[0] * img_size[1]
        self.batch_size = max(1, min(16, 16 * 256**2 // pixels)) * (4 if backbone.device.type == "cuda" else 1)

    @property
    def dimension(self) -> int:
        """Feature values an image."""
        return sum(c * h * w for c, h, w in self.shapes)

    def __call__(self, images: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return the features of RGB images, float32, shape (n, dimension)."""
        batch = to_batch(images, self.img_size).to(self.backbone.device)
        maps = [self.backbone(scale)[0] for scale in pyramid(batch, self.n_scales)]
        return torch.cat([m.flatten(1) for m in maps], dim=1).cpu().numpy()


def unflatten(rows: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
    """Split rows of features into scales: (N, D) to one (N, C, h_j, w_j) a scale, channels last in memory."""
    parts = rows.split([c * h * w for c, h, w in shapes], dim=1)
    return [
        part.unflatten(1, shape).contiguous(memory_format=torch.channels_last)
        for part, shape in zip(parts, shapes, strict=True)
    ]
