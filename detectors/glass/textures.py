"""Where the pasted textures come from: drawn by a program, or a folder of pictures that the user names."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from detectors.weights import file_sha256
from protocols.errors import InputError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
Field = NDArray[np.float32]  # (size, size), values in [0, 1]
Painter = Callable[[np.random.Generator, int], Field]


class TextureSource(Protocol):
    """Gives one texture for a random generator."""

    def draw(self, rng: np.random.Generator, size: int) -> Image.Image:
        """Return an RGB picture; a source may ignore `size`, the side at which it will be used."""
        ...


class FolderTextures:
    """Pictures below a folder, such as the Describable Textures Dataset; each equally likely.

    Parameters
    ----------
    root
        The folder; every picture in it and in its subfolders takes part.

    Raises
    ------
    InputError
        Not a folder, or no picture in it.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser()
        if not self.root.is_dir():
            raise InputError("texture_dir", str(root), "a folder of pictures", "Correct the path.")
        self.files = tuple(sorted(p for p in self.root.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()))
        if not self.files:
            raise InputError("texture_dir", str(root), f"at least one picture ({', '.join(sorted(SUFFIXES))})",
                             "Name another folder, or leave texture_dir out for drawn textures.")  # fmt: skip

    def sha256(self) -> str:
        """SHA-256 over the lines ``relative path TAB file's SHA-256``: the listing and all contents."""
        lines = (f"{p.relative_to(self.root).as_posix()}\t{file_sha256(p)}\n" for p in self.files)
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    def draw(self, rng: np.random.Generator, size: int) -> Image.Image:
        """Open a uniformly drawn picture."""
        path = self.files[int(rng.integers(len(self.files)))]
        try:
            with Image.open(path) as picture:
                return picture.convert("RGB")
        except (OSError, UnidentifiedImageError) as error:
            raise InputError(f"texture_dir, {path}", str(error), "a readable picture", "Remove the file.") from error


class ProceduralTextures:
    """Drawn textures: a random pattern between two random colours, with some grain. No file is needed."""

    def draw(self, rng: np.random.Generator, size: int) -> Image.Image:
        """Draw a picture of side `size`."""
        pattern = PATTERNS[int(rng.integers(len(PATTERNS)))](rng, size)[..., None]  # (size, size, 1)
        first, second = rng.uniform(0.0, 255.0, (2, 3)).astype(np.float32)
        grain = rng.standard_normal((size, size, 1), dtype=np.float32) * np.float32(rng.uniform(0.0, 20.0))
        colours = first + (second - first) * pattern + grain
        return Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))


def clouds(rng: np.random.Generator, size: int) -> Field:
    """Sum of smooth noise over four or more octaves, each with half the amplitude: stains, plaster."""
    start = int(rng.integers(2, 5))
    total = np.zeros((size, size), dtype=np.float32)
    for octave in range(5):
        cells = min(start * 2**octave, size)
        coarse = Image.fromarray(rng.random((cells, cells), dtype=np.float32))
        total += np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC)) * np.float32(0.5**octave)
    return _stretch(total)


def stripes(rng: np.random.Generator, size: int) -> Field:
    """Waves in one direction, bent by noise: grain of wood, brushed metal, cloth."""
    y, x = _grid(size)
    angle = rng.uniform(0.0, np.pi)
    phase = (np.cos(angle) * x + np.sin(angle) * y) * np.float32(rng.uniform(4.0, 40.0))
    bend = clouds(rng, size) * np.float32(rng.uniform(0.0, 2.0))
    return (0.5 + 0.5 * np.sin(2 * np.pi * (phase + bend))).astype(np.float32)


def weave(rng: np.random.Generator, size: int) -> Field:
    """Product of two crossed waves: mesh, knit, dots."""
    y, x = _grid(size)
    angle = rng.uniform(0.0, np.pi)
    u, v = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    waves = np.sin(2 * np.pi * rng.uniform(4, 30) * u) * np.sin(2 * np.pi * rng.uniform(4, 30) * v)
    return (0.5 + 0.5 * waves).astype(np.float32)


def chequers(rng: np.random.Generator, size: int) -> Field:
    """Rectangles of random grey: tiles, bricks."""
    shape = rng.integers(4, 24, size=2)
    tiles = Image.fromarray(rng.random(tuple(int(n) for n in shape), dtype=np.float32))
    return np.asarray(tiles.resize((size, size), Image.Resampling.NEAREST), dtype=np.float32)


def cells(rng: np.random.Generator, size: int) -> Field:
    """Distance to the nearest of many points: scales, leather, gravel."""
    n = int(rng.integers(12, 80))
    points = rng.random((n, 2), dtype=np.float32)
    coarse = min(size, 72)  # n distances a pixel: the full size would take most of a sample's time
    y, x = _grid(coarse)
    nearest = np.full((coarse, coarse), np.inf, dtype=np.float32)
    for py, px in points:
        np.minimum(nearest, (y - py) ** 2 + (x - px) ** 2, out=nearest)
    enlarged = Image.fromarray(np.sqrt(nearest)).resize((size, size), Image.Resampling.BICUBIC)
    return _stretch(np.asarray(enlarged))


def blotches(rng: np.random.Generator, size: int) -> Field:
    """Clouds cut at a level: rust, flaking paint."""
    field = clouds(rng, size)
    return (field > np.quantile(field, rng.uniform(0.2, 0.8))).astype(np.float32)


def speckle(rng: np.random.Generator, size: int) -> Field:
    """Independent noise at a random coarseness: sand, concrete."""
    n = max(8, int(size / rng.uniform(1.0, 4.0)))
    noise = Image.fromarray(rng.random((n, n), dtype=np.float32))
    return np.asarray(noise.resize((size, size), Image.Resampling.BILINEAR), dtype=np.float32)


PATTERNS: tuple[Painter, ...] = (clouds, stripes, weave, chequers, cells, blotches, speckle)


@lru_cache(maxsize=8)
def _grid(size: int) -> tuple[Field, Field]:
    """Row and column coordinates in [0, 1)."""
    steps = np.arange(size, dtype=np.float32) / np.float32(size)
    return steps[:, None], steps[None, :]


def _stretch(field: Field) -> Field:
    low, high = field.min(), field.max()
    return ((field - low) / max(high - low, np.float32(1e-6))).astype(np.float32)
