"""From an 8-bit image to the tensor a backbone takes, and from a small map back to the image's size."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from .weights import IMAGENET_MEAN, IMAGENET_STD

IDENTITY = "squash, PIL bilinear, ImageNet normalisation"
"""Names this pre-processing in the key of cached features."""


def to_tensor(image: NDArray[np.uint8], size: tuple[int, int]) -> Tensor:
    """Resize an RGB image to exactly `size` and normalise it.

    Pillow's bilinear resampling, which averages over the source pixels when it shrinks (no aliasing). The aspect
    ratio is not kept: nothing of the image is cut off.

    Parameters
    ----------
    image
        RGB, shape (height, width, 3), 0 to 255.
    size
        Height and width of the result.

    Returns
    -------
    Tensor
        float32, shape (3, height, width), ``(x / 255 - mean) / std`` with the ImageNet statistics.
    """
    height, width = size
    resized = Image.fromarray(np.ascontiguousarray(image)).resize((width, height), Image.Resampling.BILINEAR)
    values = np.asarray(resized, dtype=np.float32) / np.float32(255)  # (H, W, 3)
    values = (values - np.array(IMAGENET_MEAN, np.float32)) / np.array(IMAGENET_STD, np.float32)
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))


def to_batch(images: list[NDArray[np.uint8]], size: tuple[int, int]) -> Tensor:
    """Resize and normalise several images of any sizes; float32, shape (n, 3, height, width)."""
    return torch.stack([to_tensor(image, size) for image in images])


def resize_map(anomaly_map: NDArray[np.float32] | Tensor, size: tuple[int, int]) -> NDArray[np.float32]:
    """Resample a map to an image's size, bilinear, corners not aligned.

    Parameters
    ----------
    anomaly_map
        Shape (h, w).
    size
        Height and width of the image.

    Returns
    -------
    ndarray
        float32, shape `size`.
    """
    tensor = torch.as_tensor(anomaly_map, dtype=torch.float32).detach().cpu()
    resized = functional.interpolate(tensor[None, None], size=tuple(size), mode="bilinear", align_corners=False)
    return resized[0, 0].numpy()
