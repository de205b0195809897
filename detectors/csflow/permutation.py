"""A fixed shuffle of the channels before each coupling layer, another one at every scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


def draw_permutations(block: int, channels: int, n_scales: int) -> Tensor:
    """Draw the permutations of one block as the reference program does.

    The reference seeds NumPy's legacy generator with the block's number and draws one permutation a scale. It does
    so to the global generator; ours is private.

    Returns
    -------
    Tensor
        int64, shape (n_scales, channels).
    """
    legacy = np.random.RandomState(block)  # noqa: NPY002 - the stream of the reference, and private
    return torch.from_numpy(np.stack([legacy.permutation(channels) for _ in range(n_scales)]).astype(np.int64))


class ChannelPermutation(nn.Module):
    """Reorder channels: ``out[:, i] = in[:, order[i]]``; its log-determinant is 0.

    The order is a buffer, so that it is stored with the weights.
    """

    order: Tensor  # (n_scales, channels)

    def __init__(self, block: int, channels: int, n_scales: int) -> None:
        super().__init__()
        self.register_buffer("order", draw_permutations(block, channels, n_scales))

    def forward(self, scales: Sequence[Tensor]) -> list[Tensor]:
        """Permute the channels of every scale, each of shape (N, C, h, w)."""
        return [x[:, order] for x, order in zip(scales, self.order, strict=True)]

    def inverse(self, scales: Sequence[Tensor]) -> list[Tensor]:
        """Undo :meth:`forward`."""
        return [x[:, torch.argsort(order)] for x, order in zip(scales, self.order, strict=True)]
