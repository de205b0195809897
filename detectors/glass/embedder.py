"""Images to patch embeddings with a frozen backbone, cached by content."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detectors.backbones import Backbone, describe_layers
from detectors.base import ImageSet
from detectors.features import FeatureCache
from detectors.preprocess import IDENTITY, to_batch
from protocols.errors import InputError

from .embedding import embed
from .pictures import to_square

BATCH = 8
"""Images a pass; fixed, because the rounding of an embedding may depend on it."""


@dataclass(frozen=True)
class PatchEmbedder:
    """All that decides a patch embedding.

    Parameters
    ----------
    backbone, layers, weights
        See :class:`detectors.backbones.Backbone`; the finest layer first.
    imagesize, resize
        How images become squares, see :func:`detectors.glass.pictures.to_square`.
    patch_size, pre_dim, target_dim
        See :func:`detectors.glass.embedding.embed`.
    device
        Where it computes.
    """

    backbone: str
    layers: tuple[str, ...]
    weights: str
    imagesize: int
    resize: str
    patch_size: int
    pre_dim: int
    target_dim: int
    device: str = "cpu"

    def check_layers(self) -> None:
        """Raise unless the layers fit the image size, the finest first.

        Raises
        ------
        InputError
            They do not.
        """
        _, strides = describe_layers(self.backbone, self.layers)
        if list(strides) != sorted(strides):
            raise InputError("layers", list(self.layers), "the finest layer first", "Reverse the order.")
        if self.imagesize % max(strides):
            coarsest = max(strides)
            raise InputError("imagesize", self.imagesize, f"a multiple of {coarsest}, the stride of {self.layers[-1]}",
                             f"Take {coarsest * max(1, round(self.imagesize / coarsest))}.")  # fmt: skip

    @cached_property
    def network(self) -> Backbone:
        """The frozen backbone; loaded when first needed."""
        self.check_layers()
        return Backbone(self.backbone, layers=self.layers, weights=self.weights, device=self.device)

    @property
    def grid(self) -> int:
        """Patches a side: the map of the first layer."""
        return self.imagesize // int(self.network.strides[0])

    @property
    def identity(self) -> str:
        """Names all that decides the embedding of an image: the key of cached features."""
        return (
            f"patch embedding 1, {self.network.identity}, {IDENTITY}, resize {self.resize} {self.imagesize}, "
            f"patch {self.patch_size}, dimensions {self.pre_dim} {self.target_dim}"
        )

    @torch.no_grad()
    def __call__(self, batch: Tensor) -> Tensor:
        """Embed normalised squares, shape (N, 3, size, size): (N, grid^2, target_dim) on the embedder's device."""
        return embed(self.network(batch), patch_size=self.patch_size, pre_dim=self.pre_dim, target_dim=self.target_dim)

    def embed_images(self, images: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed RGB images of any size, shape (n, grid^2, target_dim)."""
        squares = [to_square(image, self.imagesize, self.resize) for image in images]
        return self(to_batch(squares, (self.imagesize, self.imagesize))).cpu().numpy()  # type: ignore[no-any-return]

    def fetch(
        self,
        cache: FeatureCache,
        images: ImageSet,
        indices: Sequence[int] | None = None,
        report: Callable[[int, int], None] | None = None,
    ) -> NDArray[np.float32]:
        """Return the embeddings of images in the order of `indices`, from the cache where they are there."""
        return cache.fetch(images, indices, self.identity, self.embed_images, BATCH, report)

    def n_bytes(self, n_images: int) -> int:
        """Size of the embeddings of so many images."""
        return 4 * n_images * self.grid**2 * self.target_dim
