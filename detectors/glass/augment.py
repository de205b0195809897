"""The nine picture operations that vary a texture before it is pasted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

Operation = Callable[[Image.Image, np.random.Generator], Image.Image]
N_OPERATIONS = 3
FACTOR = (0.8, 1.2)
HUE = (-0.2, 0.2)
ROTATION_DEGREES = 45.0


def contrast(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Blend with the mean grey, factor U(0.8, 1.2)."""
    return ImageEnhance.Contrast(image).enhance(rng.uniform(*FACTOR))


def brightness(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Multiply by U(0.8, 1.2)."""
    return ImageEnhance.Brightness(image).enhance(rng.uniform(*FACTOR))


def colour(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Saturation times U(0.8, 1.2), then hue turned by U(-0.2, 0.2) of the circle."""
    saturated = ImageEnhance.Color(image).enhance(rng.uniform(*FACTOR))
    shift = round(rng.uniform(*HUE) * 255)
    hsv = np.array(saturated.convert("HSV"))
    hsv[..., 0] = (hsv[..., 0].astype(np.int16) + shift) % 256  # hue is a circle of 256 steps
    return Image.merge("HSV", [Image.fromarray(hsv[..., c]) for c in range(3)]).convert("RGB")


def flip_horizontally(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Swap left and right."""
    return ImageOps.mirror(image)


def flip_vertically(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Swap top and bottom."""
    return ImageOps.flip(image)


def grey(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Take the luminance in all three channels."""
    return image.convert("L").convert("RGB")


def autocontrast(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Stretch every channel to the full range."""
    return ImageOps.autocontrast(image)


def equalise(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Flatten the histogram of every channel."""
    return ImageOps.equalize(image)


def rotate(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Turn about the centre by U(-45, 45) degrees: nearest neighbour, black outside."""
    angle = rng.uniform(-ROTATION_DEGREES, ROTATION_DEGREES)
    return image.rotate(angle, resample=Image.Resampling.NEAREST, fillcolor=(0, 0, 0))


OPERATIONS: tuple[Operation, ...] = (
    contrast, brightness, colour, flip_horizontally, flip_vertically, grey, autocontrast, equalise, rotate,
)  # fmt: skip


def vary(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Apply three different operations of the nine, in the order drawn.

    Parameters
    ----------
    image
        RGB.
    rng
        Source of the choice and of the operations' strengths.
    """
    for index in rng.choice(len(OPERATIONS), size=N_OPERATIONS, replace=False):
        image = OPERATIONS[index](image, rng)
    return image
