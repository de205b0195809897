"""Photographs that were judged wrongly, with their anomaly maps and the outline of the true defect."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy import ndimage

from reports.data import WorstImage
from reports.figures.style import axes_or_new

COLOURS = "inferno"  # monotone in lightness: readable without colour


def heat_limits(items: Sequence[WorstImage]) -> tuple[float, float]:
    """Return common limits for the maps of one detector, so that a quiet map looks quiet."""
    maps = [np.asarray(i.heat, dtype=np.float64).ravel() for i in items if i.heat is not None]
    values = np.concatenate([m[np.isfinite(m)] for m in maps]) if maps else np.empty(0)
    if not values.size:
        return 0.0, 1.0
    low, high = np.quantile(values, [0.5, 0.999])
    return float(low), float(high) if high > low else float(low) + 1.0


def overlay(item: WorstImage, limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Return the photograph under its map, with the outline of the true defect; shape (height, width, 3).

    Parameters
    ----------
    item
        The image; without map it is returned as it is, with the outline.
    limits
        Map values shown as nothing and as the brightest colour.
    """
    picture = np.asarray(item.image, dtype=np.float64)[..., :3] / 255
    if item.heat is not None:
        low, high = limits
        strength = np.clip((np.nan_to_num(np.asarray(item.heat, dtype=np.float64), nan=low) - low) / (high - low), 0, 1)
        strength = _fit(strength, picture.shape[0], picture.shape[1])
        coloured = mpl.colormaps[COLOURS](0.25 + 0.75 * strength)[..., :3]
        alpha = 0.85 * np.sqrt(strength)[..., None]
        picture = 0.85 * picture * (1 - alpha) + coloured * alpha
    if item.mask is not None and item.mask.any():
        mask = _fit(item.mask.astype(np.float64), picture.shape[0], picture.shape[1]) > 0.5
        reach = max(1, round(max(mask.shape) / 160))
        outer = ndimage.binary_dilation(mask, iterations=2 * reach) & ~mask
        inner = ndimage.binary_dilation(mask, iterations=reach) & ~mask
        picture[outer] = 0.0  # black around white: seen on any ground
        picture[inner] = 1.0
    return np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def _fit(values: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    if values.shape == (height, width):
        return values
    rows = np.minimum((np.arange(height) + 0.5) * values.shape[0] / height, values.shape[0] - 1).astype(int)
    columns = np.minimum((np.arange(width) + 0.5) * values.shape[1] / width, values.shape[1] - 1).astype(int)
    return values[np.ix_(rows, columns)]


def plot_worst(item: WorstImage, limits: tuple[float, float], ax: Axes | None = None) -> Axes:
    """Draw one overlay.

    Parameters
    ----------
    item, limits
        As for :func:`overlay`.
    ax
        Where to draw; None = a new figure.
    """
    ax = axes_or_new(ax, width=3.0, height=2.6)
    ax.imshow(overlay(item, limits), interpolation="nearest")
    ax.set_axis_off()
    ax.set_title(f"{item.kind}: {item.score:.3g} against {item.threshold:.3g}", fontsize=8)
    return ax
