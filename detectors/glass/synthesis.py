"""Local anomaly synthesis: paste a texture into a nominal image where a Perlin mask says so.

Section 3.3 of Chen, Luo, Lv and Zhang (2024), "A unified anomaly synthesis strategy with gradient ascent for
industrial anomaly detection and localization", ECCV 2024, and the authors' program.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detectors.preprocess import to_tensor

from .augment import vary
from .perlin import patch_labels, perlin_mask
from .pictures import to_square
from .textures import TextureSource

MAX_MASKS = 100
"""Masks drawn before an image is given up; about one in twelve is empty without a foreground mask."""
BLEND_MEAN, BLEND_SD, BLEND_RANGE = 0.5, 0.1, (0.2, 0.8)


@dataclass(frozen=True)
class Pasted:
    """An image with a synthetic defect.

    ``image`` float32, shape (3, size, size), normalised; ``labels`` bool, shape (grid, grid); ``n_masks`` drawn;
    ``empty`` if no mask met the foreground within the limit: then the image is unchanged and all labels are False.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    n_masks: int
    empty: bool


def draw_mask(
    rng: np.random.Generator, size: int, foreground: NDArray[np.bool_] | None = None, max_masks: int = MAX_MASKS
) -> tuple[NDArray[np.bool_], int]:
    """Draw Perlin masks until one meets the foreground.

    Returns
    -------
    mask
        Shape (size, size); empty if none of `max_masks` met it (the reference program would never stop).
    n_masks
        How many were drawn; 0 if the foreground is empty.
    """
    if foreground is not None and not foreground.any():
        return np.zeros((size, size), dtype=np.bool_), 0
    for n_masks in range(1, max_masks + 1):
        mask = perlin_mask(rng, size)
        if foreground is not None:
            mask &= foreground
        if mask.any():
            return mask, n_masks
    return mask, max_masks


def draw_texture(
    rng: np.random.Generator, textures: TextureSource, size: int, resize: str, rand_aug: bool
) -> NDArray[np.float32]:
    """Draw a texture, make it a square and vary it; normalised, shape (3, size, size)."""
    picture = Image.fromarray(to_square(np.asarray(textures.draw(rng, size)), size, resize))
    if rand_aug:
        picture = vary(picture, rng)
    return to_tensor(np.asarray(picture), (size, size)).numpy()


def blend_weight(rng: np.random.Generator) -> np.float32:
    """Weight of the *original* image under the mask: N(0.5, 0.1), clipped to [0.2, 0.8]."""
    return np.float32(np.clip(rng.normal(BLEND_MEAN, BLEND_SD), *BLEND_RANGE))


def blend(
    image: NDArray[np.float32], texture: NDArray[np.float32], mask: NDArray[np.bool_], beta: np.float32
) -> NDArray[np.float32]:
    """Return x(1 - m) + [(1 - beta) texture + beta x] m, in normalised space."""
    return np.where(mask, (1 - beta) * texture + beta * image, image)


def paste(
    rng: np.random.Generator,
    square: NDArray[np.uint8],
    textures: TextureSource,
    grid: int,
    *,
    foreground: NDArray[np.bool_] | None = None,
    resize: str = "squash",
    rand_aug: bool = True,
) -> Pasted:
    """Give a nominal image a synthetic defect.

    Parameters
    ----------
    rng
        The generator of this image in this epoch.
    square
        RGB, shape (size, size, 3), size a multiple of 32.
    textures
        Where the texture comes from.
    grid
        Patches a side.
    foreground
        Where a defect may be, shape (size, size); None: everywhere.
    resize
        How a texture becomes a square, like the images.
    rand_aug
        Whether textures are varied.
    """
    size = square.shape[0]
    texture = draw_texture(rng, textures, size, resize, rand_aug)
    mask, n_masks = draw_mask(rng, size, foreground)
    image = to_tensor(square, (size, size)).numpy()
    image = blend(image, texture, mask, blend_weight(rng))
    return Pasted(image, patch_labels(mask, grid), mask, n_masks, not mask.any())
