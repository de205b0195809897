"""What blasted, embossed metal looks like: texture, lettering, light."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .camera import Pose, Surface
from .defects import Footprint
from .part import LATTICE, Part

Array = NDArray[np.float32]

CELLS = (0.045, 0.0125)  # lattice spacing of the coarse and the fine octave
BUMP = (0.0015, 0.0008)  # heights of the octaves: they make the slopes; the same blasting for all parts
TEXT = "G-LINK 8"
CELL = 0.0122  # of one font pixel
FONT = {
    "G": ("01110", "10001", "10000", "10111", "10001", "10001", "01110"),
    "-": ("00000", "00000", "00000", "11111", "00000", "00000", "00000"),
    "L": ("10000", "10000", "10000", "10000", "10000", "10000", "11111"),
    "I": ("01110", "00100", "00100", "00100", "00100", "00100", "01110"),
    "N": ("10001", "11001", "10101", "10101", "10011", "10001", "10001"),
    "K": ("10001", "10010", "10100", "11000", "10100", "10010", "10001"),
    "8": ("01110", "10001", "10001", "01110", "10001", "10001", "01110"),
    " ": ("00000",) * 7,
}
OVERSAMPLING = 4
# Turns the lattice against the part, so that its grid does not run along the arms.
TILT = np.array([[2, 1, 2], [-2, 2, 1], [-1, -2, 2]], np.float32) / 3

LAMP = np.array([0.22, 0.42, 0.88]) / np.linalg.norm([0.22, 0.42, 0.88])  # beside the camera, above it
VIEWER = np.array([0.0, 0.0, 1.0])
AMBIENT, SKY, DIFFUSE, HIGHLIGHT, SHININESS = 0.34, 0.12, 0.85, 0.55, 4  # highlight: cosine to the power 2**SHININESS
TINT = np.array([0.985, 1.0, 1.02], np.float32)  # steel is a little blue


@dataclass(frozen=True)
class Appearance:
    """The part as the camera sees it.

    Parameters
    ----------
    colour
        Shape (n, 3), full scale 1.
    defect
        Whether a pixel belongs to the defect, shape (n,).
    """

    colour: Array
    defect: NDArray[np.bool_]


def defect_footprint(part: Part, surface: Surface, pixel: float) -> tuple[NDArray[np.intp], Footprint] | None:
    """Return the points near the part's defect and what it does there; None for a good part or out of sight.

    Parameters
    ----------
    part, surface
        The part and what the camera sees of it.
    pixel
        Size of a pixel in units of the frame's height.
    """
    defect, line = part.defect, part.line
    if defect is None:
        return None
    reach = 2.5 * defect.size
    near = np.flatnonzero(line.main[surface.node] & (np.abs(surface.arc - np.float32(defect.s)) < reach))
    if near.size == 0:
        return None
    turn = _around(part, surface, near) - np.float32(defect.phi)
    turn = (turn + np.float32(np.pi)) % np.float32(2 * np.pi) - np.float32(np.pi)
    round_ = turn * line.radius[surface.node[near]]
    return near, defect.footprint(surface.arc[near] - np.float32(defect.s), round_, turn, pixel)


def appear(part: Part, surface: Surface, pose: Pose, pixel: float) -> Appearance:
    """Return the colours of the part's visible surface under the lamp."""
    tone = np.full(surface.pixels.size, part.tone, np.float32)
    slope = np.zeros_like(surface.position)  # gradient of the surface's height
    grain = np.zeros_like(tone)
    for lattice, cell, height, amplitude in zip(part.lattices, CELLS, BUMP, part.texture, strict=True):
        value, gradient = value_noise(lattice, surface.position, cell)
        # A pixel averages over what is finer than itself.
        seen = 1 / (1 + (pixel / cell) ** 2)
        grain += np.float32(amplitude * seen) * value
        slope += np.float32(height * seen) * gradient
    tone *= 1 + grain
    _emboss(part, surface, tone, slope)
    inside = np.zeros(tone.size, np.bool_)
    found = defect_footprint(part, surface, pixel)
    if found is not None:
        near, footprint = found
        inside[near] = footprint.inside
        tone[near] = np.maximum(tone[near] + footprint.tone, np.float32(0.02))
        slope[:, near] += _on_tube(part, surface, near, footprint.slope_along, footprint.slope_round)
    return Appearance(_light(surface.normal, slope, tone, grain, pose), inside)


def value_noise(lattice: Array, position: Array, cell: float) -> tuple[Array, Array]:
    """Return smooth noise and its gradient: trilinear in smoothed fractions of a periodic lattice.

    Parameters
    ----------
    lattice
        Values, shape (LATTICE + 1,) * 3; the last layer repeats the first.
    position
        Shape (3, n).
    cell
        Lattice spacing.

    Returns
    -------
    value, gradient
        Shapes (n,) and (3, n); the gradient is per unit of length.
    """
    scaled = (TILT / np.float32(cell)) @ position
    floor = np.floor(scaled)
    f = scaled - floor
    smooth = f * f * (3 - 2 * f)
    steep = 6 * f * (1 - f) * np.float32(1 / cell)
    corner = floor.astype(np.int32) & (LATTICE - 1)
    side = LATTICE + 1
    base = (corner[0] * side + corner[1]) * side + corner[2]
    values = lattice.ravel()
    v000, v001 = values[base], values[base + 1]
    v010, v011 = values[base + side], values[base + (side + 1)]
    base += side * side
    v100, v101 = values[base], values[base + 1]
    v110, v111 = values[base + side], values[base + (side + 1)]
    sx, sy, sz = smooth
    d00, d01, d10, d11 = v001 - v000, v011 - v010, v101 - v100, v111 - v110
    a00, a01, a10, a11 = v000 + d00 * sz, v010 + d01 * sz, v100 + d10 * sz, v110 + d11 * sz
    low, high = a00 + (a01 - a00) * sy, a10 + (a11 - a10) * sy
    value = low + (high - low) * sx
    along_z = d00 + (d01 - d00) * sy
    along_z += ((d10 + (d11 - d10) * sy) - along_z) * sx
    along_y = a01 - a00
    along_y = along_y + ((a11 - a10) - along_y) * sx
    slopes = np.stack([high - low, along_y, along_z]) * steep
    gradient = np.asarray(TILT.T @ slopes, np.float32)
    return value, gradient


@lru_cache(maxsize=1)
def lettering() -> tuple[Array, Array, Array]:
    """Return height, slope along and slope across of the embossed text, each of shape (rows, columns).

    Rows go from the letters' tops down; the height is 0 to 1 and the slopes are per font pixel.
    """
    bits = np.array([[int(c) for glyph in TEXT for c in FONT[glyph][row] + "0"] for row in range(7)], np.float64)
    fine = np.kron(np.pad(bits, 1), np.ones((OVERSAMPLING, OVERSAMPLING)))
    kernel = np.array([1, 2, 3, 2, 1]) / 9  # rounds the edges over half a font pixel to either side
    for axis in (0, 1):
        fine = np.apply_along_axis(np.convolve, axis, fine, kernel, "same")
    down, along = np.gradient(fine, 1 / OVERSAMPLING)
    return fine.astype(np.float32), along.astype(np.float32), (-down).astype(np.float32)


def _emboss(part: Part, surface: Surface, tone: Array, slope: Array) -> None:
    """Raise the lettering on both flanks of the bow, in place."""
    height, along, up = lettering()
    rows, columns = height.shape
    half_text = 0.5 * columns / OVERSAMPLING * CELL
    distance = surface.arc - np.float32(part.text_at)
    # The part's own z of the normal is the sine of the angle round the tube: near +-1 on the flanks.
    near = np.flatnonzero((np.abs(distance) < half_text) & (np.abs(surface.normal[2]) > 0.7))
    if near.size == 0:
        return
    turn = _around(part, surface, near)
    from_flank = turn - np.sign(turn) * np.float32(np.pi / 2)
    across = from_flank * part.line.radius[surface.node[near]]
    column = ((distance[near] + half_text) / CELL * OVERSAMPLING).astype(np.int32)
    row = (rows / 2 - across / CELL * OVERSAMPLING).astype(np.int32)
    on = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    near, row, column = near[on], row[on], column[on]
    strength = np.float32(part.lettering)
    tone[near] *= 1 + np.float32(0.22) * strength * height[row, column]
    steep = np.float32(0.42) * strength
    slope[:, near] += _on_tube(part, surface, near, steep * along[row, column], steep * up[row, column])


def _outward(part: Part, node: NDArray[np.intp]) -> Array:
    """Return the direction out of the C at nodes of the main tube, shape (3, n)."""
    t = part.line.tangents[node]
    return np.stack([t[:, 1], -t[:, 0], np.zeros_like(t[:, 0])])


def _around(part: Part, surface: Surface, near: NDArray[np.intp]) -> Array:
    """Return the angle round the tube of points of the main tube, shape (n,)."""
    normal = surface.normal[:, near]
    out = np.einsum("ij,ij->j", normal, _outward(part, surface.node[near]))
    return np.asarray(np.arctan2(normal[2], out), np.float32)


def _on_tube(part: Part, surface: Surface, near: NDArray[np.intp], along: Array, round_: Array) -> Array:
    """Return the gradient with these components along the tube and round it, shape (3, n)."""
    tangent = part.line.tangents[surface.node[near]].T
    turn = np.cross(tangent, surface.normal[:, near], axis=0)
    # phi grows from out-of-the-C towards the viewer; tangent x normal turns the other way.
    return np.asarray(along * tangent - round_ * turn, np.float32)


def _light(normal: Array, slope: Array, tone: Array, grain: Array, pose: Pose) -> Array:
    """Return Lambert shading with a narrow highlight, shape (n, 3); a slope tilts the normal."""
    tilted = normal - slope + np.einsum("ij,ij->j", slope, normal) * normal
    tilted /= np.sqrt(np.einsum("ij,ij->j", tilted, tilted))
    to_part = pose.rotation().T
    lamp = pose.roll() @ LAMP
    half = lamp + VIEWER
    directions = np.stack([lamp, half / np.linalg.norm(half), pose.roll() @ np.array([0.0, 1.0, 0.0])])
    lit, mirrored, up = (directions @ to_part.T).astype(np.float32) @ tilted
    highlight = np.maximum(mirrored, 0)
    for _ in range(SHININESS):
        highlight *= highlight
    shade = tone * (np.float32(AMBIENT) + np.float32(SKY) * up + np.float32(DIFFUSE) * np.maximum(lit, 0))
    shade += np.float32(HIGHLIGHT) * highlight * np.maximum(np.float32(0.5) + 2 * grain, 0) * tone
    return np.asarray(shade[:, None] * TINT, np.float32)
