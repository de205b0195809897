"""From an image of any size to the square the network sees, and from its map back to the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detectors.base import ImageSet
from detectors.preprocess import resize_map
from protocols.errors import InputError

RESIZE = ("squash", "shorter_side")
_BYTES_KEPT = 512 * 2**20


def check_resize(resize: str) -> None:
    """Raise unless `resize` is one of the two ways.

    Raises
    ------
    InputError
        It is not.
    """
    if resize not in RESIZE:
        raise InputError("resize", resize, f"one of {list(RESIZE)}", "Correct resize.")


def crop_box(height: int, width: int) -> tuple[int, int, int, int]:
    """Return top, left, bottom, right of the central square."""
    side = min(height, width)
    top, left = round((height - side) / 2), round((width - side) / 2)
    return top, left, top + side, left + side


def to_square(image: NDArray[np.uint8] | NDArray[np.bool_], size: int, resize: str = "squash") -> NDArray[np.uint8]:
    """Resize to `size` x `size`, Pillow's antialiased bilinear.

    Parameters
    ----------
    image
        RGB, shape (h, w, 3), or a mask, shape (h, w). Of a mask, the result is 1 where any resampled value is
        above 0: foreground is rounded up.
    size
        Side of the result.
    resize
        ``squash``: the whole image, aspect ratio not kept. ``shorter_side``: the shorter side becomes `size` and the
        centre is cut out, as the reference program does; defects outside are never seen.

    Returns
    -------
    array, uint8, shape (size, size, 3) or (size, size)
    """
    is_mask = image.ndim == 2
    # Not mode 1 nor uint8 for masks: a coverage below 1/510 would be rounded to nothing.
    picture = Image.fromarray(np.ascontiguousarray(image, dtype=np.float32 if is_mask else np.uint8))
    height, width = image.shape[:2]
    if resize == "shorter_side":
        scale = size / min(height, width)
        picture = picture.resize(
            (max(size, round(width * scale)), max(size, round(height * scale))), Image.Resampling.BILINEAR
        )
        top, left, bottom, right = crop_box(picture.height, picture.width)
        picture = picture.crop((left, top, right, bottom))
    else:
        picture = picture.resize((size, size), Image.Resampling.BILINEAR)
    values = np.asarray(picture)
    return (values > 0).astype(np.uint8) if is_mask else values


def map_to_image(
    anomaly_map: NDArray[np.float32], size: tuple[int, int], resize: str = "squash"
) -> NDArray[np.float32]:
    """Bring a square map back to an image's own (height, width); 0 where a crop never looked."""
    if resize == "squash":
        return resize_map(anomaly_map, size)
    full = np.zeros(size, dtype=np.float32)
    top, left, bottom, right = crop_box(*size)
    full[top:bottom, left:right] = resize_map(anomaly_map, (bottom - top, right - left))
    return full


class Squares:
    """The training images as squares, kept in memory as far as 512 MiB reach: every epoch needs them again.

    Parameters
    ----------
    images
        The training images.
    size, resize
        See :func:`to_square`.
    fg
        Whether to read foreground masks.
    """

    def __init__(self, images: ImageSet, size: int, resize: str, fg: bool = False) -> None:
        self._images, self._size, self._resize, self._fg = images, size, resize, fg
        self._kept: dict[int, NDArray[np.uint8]] = {}
        self._masks: dict[int, NDArray[np.bool_] | None] = {}
        self._limit = _BYTES_KEPT // (3 * size * size)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Return image `index`, shape (size, size, 3)."""
        square = self._kept.get(index)
        if square is None:
            square = to_square(self._images[index], self._size, self._resize)
            if len(self._kept) < self._limit:
                self._kept[index] = square
        return square

    def foreground(self, index: int) -> NDArray[np.bool_] | None:
        """Return the foreground of image `index`, shape (size, size); None: not used, or the image has none."""
        if not self._fg:
            return None
        if index not in self._masks:
            mask = self._images.foreground(index)
            self._masks[index] = None if mask is None else to_square(mask, self._size, self._resize).astype(np.bool_)
        return self._masks[index]

    @property
    def n_masks(self) -> int:
        """How many images met so far brought a foreground mask."""
        return sum(mask is not None for mask in self._masks.values())
