"""One recording: part, pose, light and sensor together give an image and its true masks."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from . import frame
from .camera import Pose, Surface, photograph
from .parameters import Parameters
from .part import Part
from .surface import appear, defect_footprint

SHIFT_SD = (2 / 96, 1 / 96)  # right and up: 2 and 1 pixels at 96 rows
ANGLE_SD = 0.03  # radians
LIGHT_SD = 0.05
PLATE_CONFOUND = 0.08
DRIFT = 0.08  # colour drift from the first to the last session at full strength
REENCODED_QUALITY = 88

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Recording:
    """What is photographed, and how; everything random about it follows from the seed and these numbers.

    Parameters
    ----------
    number
        Of the part.
    draw
        Of the recording among those of the part: another draw, another shift, light and noise.
    angle
        Nominal turn in degrees.
    quarter_turns
        Of the camera about its axis.
    defective_session
        Whether it was made in a session of defective parts (the plate may be brighter there).
    date
        When in the campaign, 0 to 1.
    """

    number: int
    draw: int
    angle: float
    quarter_turns: int = 0
    defective_session: bool = False
    date: float = 0.5


@dataclass(frozen=True)
class Picture:
    """A rendered recording.

    Parameters
    ----------
    image
        Shape (height, width, 3).
    foreground, defect
        Where the part and its defect are seen, shape (height, width).
    """

    image: NDArray[np.uint8]
    foreground: NDArray[np.bool_]
    defect: NDArray[np.bool_]


@dataclass(frozen=True)
class _Chance:
    """The random numbers of one recording, always drawn in this order."""

    pose: Pose
    light: float
    fixture_shift: tuple[float, float]
    rng: np.random.Generator


def visible_defect_pixels(parameters: Parameters, seed: int, part: Part, recording: Recording) -> int:
    """Return how many pixels of the image show the part's defect; nothing is shaded for it."""
    chance = _chance(parameters, seed, recording)
    height, width = parameters.image_size
    surface = photograph(part.line, chance.pose, height, width)
    found = defect_footprint(part, surface, 1 / height)
    if found is None:
        return 0
    inside = np.zeros(surface.pixels.size, np.bool_)
    inside[found[0]] = found[1].inside
    return int((inside & _uncovered(parameters, surface, chance)).sum())


def render(parameters: Parameters, seed: int, part: Part, recording: Recording) -> Picture:
    """Return the picture of one recording."""
    chance = _chance(parameters, seed, recording)
    height, width = parameters.image_size
    surface = photograph(part.line, chance.pose, height, width)
    look = appear(part, surface, chance.pose, 1 / height)
    brighter = PLATE_CONFOUND * parameters.background_confound * recording.defective_session
    scene = frame.background(
        parameters.background, height, width, recording.quarter_turns, brighter, np.random.default_rng(chance.rng)
    )
    flat = scene.reshape(-1, 3)
    behind = flat[surface.pixels]
    flat[surface.pixels] = behind + surface.cover[:, None] * (look.colour - behind)
    if parameters.fixture:
        colour, cover = _gripper(parameters, chance)
        rows, columns = _box(cover)
        part_of = cover[rows, columns, None]
        scene[rows, columns] += part_of * (colour[rows, columns] - scene[rows, columns])
    seen = _uncovered(parameters, surface, chance)
    image = _sensor(scene, parameters, chance, recording)
    return Picture(
        image,
        _mask(surface.pixels[seen], height, width),
        _mask(surface.pixels[seen & look.defect], height, width),
    )


def reencode(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image after a lossy round trip: near the original, but not equal."""
    return _jpeg(image, REENCODED_QUALITY)


def _chance(parameters: Parameters, seed: int, recording: Recording) -> _Chance:
    rng = np.random.default_rng(np.random.SeedSequence([seed, 3, recording.number, recording.draw]))
    right, up, turn, light = rng.standard_normal(4) * parameters.view_sd
    direction = rng.uniform(0, 2 * np.pi)
    away = (parameters.off_centre * np.cos(direction), parameters.off_centre * np.sin(direction))
    pose = Pose(
        angle=float(np.deg2rad(recording.angle) + ANGLE_SD * turn),
        axis=parameters.axis_offset,
        shift=(float(SHIFT_SD[0] * right + away[0]), float(SHIFT_SD[1] * up + away[1])),
        quarter_turns=recording.quarter_turns,
    )
    return _Chance(pose, float(max(0.1, 1 + LIGHT_SD * light)), (float(away[0]), float(away[1])), rng)


def _gripper(parameters: Parameters, chance: _Chance) -> tuple[Array, Array]:
    height, width = parameters.image_size
    turns, axis = chance.pose.quarter_turns, parameters.axis_offset
    if parameters.off_centre == 0:
        return frame.static_gripper(height, width, turns, axis)
    return frame.gripper(height, width, turns, axis, chance.fixture_shift)


def _box(cover: Array) -> tuple[slice, slice]:
    """Return the rows and columns that the gripper touches."""
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    if rows.size == 0:
        return slice(0), slice(0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _uncovered(parameters: Parameters, surface: Surface, chance: _Chance) -> NDArray[np.bool_]:
    """Return which surface points fill at least half of their pixel and are not behind the gripper, shape (n,)."""
    seen = surface.cover >= 0.5
    if parameters.fixture:
        seen &= _gripper(parameters, chance)[1].ravel()[surface.pixels] < 0.5
    return seen


def _mask(pixels: NDArray[np.intp], height: int, width: int) -> NDArray[np.bool_]:
    mask = np.zeros(height * width, np.bool_)
    mask[pixels] = True
    return mask.reshape(height, width)


def _sensor(scene: Array, parameters: Parameters, chance: _Chance, recording: Recording) -> NDArray[np.uint8]:
    """Return what the sensor makes of the light: exposure, drift, blur, resolution, noise, JPEG."""
    scene *= np.float32(chance.light)
    if parameters.session_confound > 0:
        drift = DRIFT * parameters.session_confound * (recording.date - 0.5)
        scene *= np.array([1 + drift, 1.0, 1 - drift], np.float32)
    height, width = parameters.image_size
    if parameters.blur > 0:
        scene = _separable(scene, _gaussian(height, parameters.blur), _gaussian(width, parameters.blur))
    if parameters.noise > 0:
        scene = scene + np.float32(parameters.noise) * chance.rng.standard_normal(scene.shape, dtype=np.float32)
    if parameters.resolution < 1:
        scene = _separable(scene, _coarser(height, parameters.resolution), _coarser(width, parameters.resolution))
    scene = scene * np.float32(255) + np.float32(0.5)
    image = np.clip(scene, 0, 255, out=scene).astype(np.uint8)
    return image if parameters.jpeg is None else _jpeg(image, parameters.jpeg)


def _separable(scene: Array, rows: Array, columns: Array) -> Array:
    """Return ``rows @ channel @ columns.T`` for each channel."""
    return np.stack([rows @ scene[:, :, k] @ columns.T for k in range(3)], axis=2)


@lru_cache(maxsize=8)
def _gaussian(n: int, sd: float) -> Array:
    """Return the matrix that blurs along one axis, shape (n, n); rows sum to 1."""
    at = np.arange(n)
    kernel = np.exp(-0.5 * ((at[:, None] - at) / sd) ** 2)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True), np.float32)


@lru_cache(maxsize=8)
def _coarser(n: int, factor: float) -> Array:
    """Return the matrix that averages down to ``factor * n`` cells and interpolates up again, shape (n, n)."""
    cells = max(1, round(n * factor))
    edges = np.linspace(0, n, cells + 1)
    low, high = np.arange(n), np.arange(1, n + 1)
    down = np.clip(np.minimum(high, edges[1:, None]) - np.maximum(low, edges[:-1, None]), 0, None)
    down /= down.sum(axis=1, keepdims=True)
    at = np.clip((np.arange(n) + 0.5) * cells / n - 0.5, 0, cells - 1)
    up = np.clip(1 - np.abs(at[:, None] - np.arange(cells)), 0, 1)
    return np.asarray(up @ down, np.float32)


def _jpeg(image: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    buffer.seek(0)
    return np.asarray(Image.open(buffer).convert("RGB"))
