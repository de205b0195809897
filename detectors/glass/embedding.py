"""Patch embeddings: 3x3 neighbourhoods of two layers of a frozen backbone, pooled to a common length."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def neighbourhoods(features: Tensor, patch_size: int = 3) -> Tensor:
    """Zero-padded unfolding at stride 1: entries ordered channel, row, column.

    Parameters
    ----------
    features
        Shape (N, C, h, w).
    patch_size
        Odd side of the neighbourhood.

    Returns
    -------
    Tensor
        Shape (N, patch_size^2 C, h, w).
    """
    n, _, height, width = features.shape
    unfolded = functional.unfold(features, patch_size, padding=patch_size // 2)
    return unfolded.reshape(n, -1, height, width)


def pool_channels(maps: Tensor, length: int) -> Tensor:
    """Average contiguous groups of channels: (N, C, h, w) to (N, length, h, w), adaptive where C / length is not whole."""  # noqa: E501
    n, channels, height, width = maps.shape
    if channels % length == 0:
        return maps.reshape(n, length, channels // length, height, width).mean(2)
    pooled = functional.adaptive_avg_pool2d(maps.reshape(n, 1, channels, height * width), (length, height * width))
    return pooled.reshape(n, length, height, width)


def embed(layers: Sequence[Tensor], *, patch_size: int = 3, pre_dim: int = 1536, target_dim: int = 1536) -> Tensor:
    """Embed every patch of a batch on the grid of the first layer.

    Each layer's neighbourhoods are pooled to `pre_dim`; the later layers are resampled to the first one's grid
    (bilinear, corners not aligned); the layers are concatenated and pooled to `target_dim`. Nothing is mixed across
    layers where `target_dim` is a multiple of their number.

    Resampling acts on rows and columns and pooling on channels, so they commute, and all pooling is done first:
    768 maps are resampled instead of 9,216, with the same result.

    Parameters
    ----------
    layers
        Shape (N, C_l, h_l, w_l) each, the finest first.
    patch_size
        Odd side of the neighbourhood.
    pre_dim, target_dim
        Lengths after the first and the second pooling.

    Returns
    -------
    Tensor
        Shape (N, h_0 w_0, target_dim), patches row by row.
    """
    n, _, height, width = layers[0].shape
    separate = target_dim % len(layers) == 0  # then no group of the second pooling spans two layers
    maps = []
    for features in layers:
        pooled = pool_channels(neighbourhoods(features, patch_size), pre_dim)
        if separate:
            pooled = pool_channels(pooled, target_dim // len(layers))
        if pooled.shape[2:] != (height, width):
            pooled = functional.interpolate(pooled, size=(height, width), mode="bilinear", align_corners=False)
        maps.append(pooled)
    joined = torch.cat(maps, dim=1)
    if not separate:
        joined = pool_channels(joined, target_dim)
    return joined.flatten(2).transpose(1, 2).contiguous()  # (N, h w, target_dim)
