"""The truncated projection: rows are moved along their ray until their distance from a point is in a range."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-10


def truncate(rows: Tensor, origin: Tensor, radius: float | Tensor) -> tuple[Tensor, Tensor]:
    r"""Clamp distances to [r, 2r].

    With :math:`h = g - q` the result is :math:`q + h \cdot \mathrm{clamp}(\|h\|, r, 2r) / (\|h\| + 10^{-10})`
    (equation 7 of Chen et al. 2024). Differentiable in `rows` and `origin`.

    Parameters
    ----------
    rows
        g, shape (n, dim).
    origin
        q, the same shape.
    radius
        r, the smaller radius.

    Returns
    -------
    projected
        Shape (n, dim).
    clipped
        Share of the rows that were outside [r, 2r], a scalar.
    """
    offset = rows - origin
    distance = offset.norm(dim=1, keepdim=True)  # (n, 1)
    clamped = distance.clamp(radius, 2 * radius)
    clipped = ((distance < radius) | (distance > 2 * radius)).detach().float().mean()
    return origin + offset * (clamped / (distance + EPSILON)), clipped


def linear_quantile(values: Tensor, level: float) -> Tensor:
    """Quantile with linear interpolation between order statistics, for any number of values.

    ``torch.quantile`` refuses more than 16 million values and is slow; the formula is the same.
    """
    ordered = values.detach().flatten().sort().values
    position = level * (ordered.numel() - 1)
    low = int(position)
    high = min(low + 1, ordered.numel() - 1)
    return torch.lerp(ordered[low], ordered[high], position - low)
