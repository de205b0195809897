"""Everything in the picture but the part: plate, fittings, gripper. All static unless a switch says otherwise."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

PLATE = 0.42  # share of light it gives back
HOLE_SPACING, HOLE_RADIUS, HOLE_TONE = 0.105, 0.024, 0.30
FITTINGS = ((-0.56, 0.40), (0.56, 0.40), (-0.56, -0.41), (0.56, -0.41))
FITTING_RADIUS, FITTING_TONE = 0.034, 0.80
GRIPPER_FOOT = 0.355  # lowest point of the jaws: they reach over the part's upper arm
RING = (0.402, 0.437)  # of the blue ring, lower and upper edge
JAWS, COLLAR, SHAFT = 0.062, 0.082, 0.055  # half widths below, at and above the ring
BLUE = np.array([0.10, 0.24, 0.72], np.float32)
DARK = np.array([0.20, 0.205, 0.215], np.float32)


@lru_cache(maxsize=8)
def room_coordinates(height: int, width: int, quarter_turns: int) -> tuple[Array, Array]:
    """Return right and up of every pixel's middle, for a camera turned about its own axis."""
    x = (np.arange(width, dtype=np.float32) + np.float32(0.5 - width / 2)) / height
    y = (np.float32(height / 2 - 0.5) - np.arange(height, dtype=np.float32)) / height
    right, up = np.meshgrid(x, y)
    for _ in range(quarter_turns % 4):
        right, up = up, -right  # undoes a counter-clockwise quarter turn of the picture
    return right.astype(np.float32), up.astype(np.float32)


@lru_cache(maxsize=8)
def plate(height: int, width: int, quarter_turns: int = 0) -> Array:
    """Return the grey perforated plate, shape (height, width)."""
    right, up = room_coordinates(height, width, quarter_turns)
    tone = PLATE * (1 - 0.22 * (right - 0.25) ** 2 - 0.35 * (up - 0.2) ** 2)  # the lamp is above, to the right
    brushed = np.random.default_rng(7).standard_normal(512)  # the plate's own marks: not part of any seed
    tone = tone * (1 + 0.015 * np.interp(up * 140, np.arange(-256, 256), brushed))
    row = np.floor(up / HOLE_SPACING + 0.5)
    stagger = 0.5 * HOLE_SPACING * (row % 2)
    dx = (right - stagger + 0.5 * HOLE_SPACING) % HOLE_SPACING - 0.5 * HOLE_SPACING
    dy = up - row * HOLE_SPACING
    distance = np.hypot(dx, dy)
    hole = _soft(HOLE_RADIUS - distance, height)
    rim = np.clip(1 - np.abs(distance - HOLE_RADIUS) / 0.008, 0, 1) * (-(dx + dy) / np.maximum(distance, 1e-6))
    # Inside, light falls on the wall away from the lamp.
    inner = HOLE_TONE + 0.05 * np.clip(-(dx + dy) / HOLE_RADIUS, -0.5, 1)
    return _frozen((tone + 0.05 * rim) * (1 - hole) + inner * hole)


@lru_cache(maxsize=8)
def fittings(height: int, width: int, quarter_turns: int = 0) -> tuple[Array, Array]:
    """Return tone and cover of each of the four small bright fittings, shapes (4, height, width)."""
    right, up = room_coordinates(height, width, quarter_turns)
    tones, covers = [], []
    for x, y in FITTINGS:
        dx, dy = right - x, up - y
        distance = np.hypot(dx, dy) / FITTING_RADIUS
        dome = FITTING_TONE * (0.72 + 0.35 * np.clip((dx + dy) / FITTING_RADIUS, -1, 1))
        dome = np.where((np.abs(dx + 0.6 * dy) < 0.006) & (distance < 0.6), 0.3, dome)  # a slot
        tones.append(dome)
        covers.append(_soft(FITTING_RADIUS * (1 - distance), height))
    return _frozen(np.stack(tones)), _frozen(np.stack(covers))


def background(
    kind: str, height: int, width: int, quarter_turns: int, brighter: float, rng: np.random.Generator
) -> Array:
    """Return what is behind the part, shape (height, width, 3).

    Parameters
    ----------
    kind
        ``plate``, ``black``, ``random`` or ``flicker``.
    height, width, quarter_turns
        Of the picture, and of the camera about its axis.
    brighter
        Added to the plate.
    rng
        Of this image: fittings' brightness under ``flicker``, everything under ``random``.
    """
    if kind == "black":
        return np.zeros((height, width, 3), np.float32)
    if kind == "random":
        return _random(height, width, rng)
    tone = plate(height, width, quarter_turns) + np.float32(brighter)
    tones, covers = fittings(height, width, quarter_turns)
    factor = rng.uniform(0.35, 1.25, 4) if kind == "flicker" else np.ones(4)
    for k in range(4):
        tone += covers[k] * (tones[k] * np.float32(factor[k]) - tone)
    return np.repeat(tone[:, :, None], 3, axis=2)


def gripper(
    height: int, width: int, quarter_turns: int, axis: float, shift: tuple[float, float]
) -> tuple[Array, Array]:
    """Return colour and cover of the gripper, shapes (height, width, 3) and (height, width)."""
    right, up = room_coordinates(height, width, quarter_turns)
    return _gripper(right - np.float32(axis + shift[0]), up - np.float32(shift[1]), height)


@lru_cache(maxsize=8)
def static_gripper(height: int, width: int, quarter_turns: int, axis: float) -> tuple[Array, Array]:
    """Return the gripper in its place."""
    colour, cover = gripper(height, width, quarter_turns, axis, (0.0, 0.0))
    return _frozen(colour), _frozen(cover)


def _gripper(x: Array, y: Array, height: int) -> tuple[Array, Array]:
    on_ring = (y > RING[0]) & (y < RING[1])
    half = np.where(y >= RING[1], SHAFT, np.where(on_ring, COLLAR, JAWS))
    cover = _soft(half - np.abs(x), height) * _soft(y - GRIPPER_FOOT, height)
    # Two jaws with a gap between them that closes above.
    gap = _soft(0.012 - np.abs(x), height) * _soft(RING[0] - 0.012 - y, height)
    cover = cover * (1 - gap)
    round_ = np.clip(x / half, -1, 1)
    lit = 0.35 + 0.75 * np.sqrt(1 - round_**2) * np.clip(0.75 + 0.5 * round_, 0, None)  # a cylinder, lamp on the right
    lit = lit + 0.7 * np.exp(-(((round_ - 0.42) / 0.12) ** 2))
    base = np.where(on_ring[:, :, None], BLUE, DARK)
    edge = np.clip(1 - np.minimum(np.abs(y - RING[0]), np.abs(y - RING[1])) / 0.006, 0, 1)
    colour = base * lit[:, :, None] * (1 - 0.35 * edge[:, :, None])
    return colour.astype(np.float32), cover.astype(np.float32)


def _random(height: int, width: int, rng: np.random.Generator) -> Array:
    """Return smooth clouds in a random colour."""
    rows, columns = np.linspace(0, 4, height), np.linspace(0, 5, width)
    clouds = rng.uniform(0.5, 1.2, (6, 7))
    smooth = _tents(rows, 6) @ clouds @ _tents(columns, 7).T
    tint = rng.uniform(0.15, 0.75) + rng.uniform(-0.08, 0.08, 3)
    return (smooth[:, :, None] * tint).astype(np.float32)


def _tents(at: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    return np.asarray(np.clip(1 - np.abs(at[:, None] - np.arange(n)), 0, 1))


def _soft(inside: NDArray[np.floating], height: int) -> NDArray[np.floating]:
    """Return the share of a pixel that is inside, from the distance to the edge in units of the frame's height."""
    return np.asarray(np.clip(inside * height + 0.5, 0, 1))


def _frozen(values: NDArray[np.floating]) -> Array:
    """Return values as float32 that nobody can change: they are shared by all images."""
    values = np.ascontiguousarray(values, dtype=np.float32)
    values.setflags(write=False)
    return values
