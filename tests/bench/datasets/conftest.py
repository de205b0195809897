import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def _draw(path, size=(8, 6), mode="RGB", value=None):
    """Write an image whose pixels depend on its path only, unless a value is given."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    if value is None:
        rng = np.random.default_rng(zlib.crc32(os.fsencode(str(path))))
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    else:
        pixels = np.full((height, width, 3), value, np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


def _draw_mask(path, size=(8, 6), value=255):
    """Write a mask of four pixels."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((size[1], size[0]), np.uint8)
    pixels[2:4, 3:5] = value
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def draw():
    return _draw


@pytest.fixture
def draw_mask():
    return _draw_mask


@pytest.fixture
def mvtec(tmp_path):
    """Four nominal training images, three nominal and three cracked test images with masks."""
    root = tmp_path / "set"
    for number in range(4):
        _draw(root / "train" / "good" / f"{number:03}.png")
    for number in range(3):
        _draw(root / "test" / "good" / f"{number:03}.png")
        _draw(root / "test" / "crack" / f"{number:03}.png")
        _draw_mask(root / "ground_truth" / "crack" / f"{number:03}_mask.png")
    return root


@pytest.fixture
def parts(tmp_path):
    """Plain folders of parts with three views: six good ones, four scratched and four dented ones."""
    root = tmp_path / "parts"
    for part in range(14):
        kind = "good" if part < 6 else "scratch" if part < 10 else "dent"
        for view in range(3):
            _draw(root / kind / f"link-{part:04}-{view:03}.png")
    return root
