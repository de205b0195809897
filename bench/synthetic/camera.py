"""An orthographic camera: spheres into a depth buffer, then the tube's own surface under every pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .part import CentreLine

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Pose:
    """How the part stands before the camera.

    Parameters
    ----------
    angle
        Turn about the vertical axis, radians.
    axis
        Horizontal position of that axis.
    shift
        Of the part in the picture, right and up.
    quarter_turns
        Of the camera about its own axis, counter-clockwise in the picture.
    """

    angle: float
    axis: float
    shift: tuple[float, float]
    quarter_turns: int = 0

    def rotation(self) -> NDArray[np.float64]:
        """Return the matrix from the part's directions to the camera's, shape (3, 3)."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
        return np.asarray(self.roll() @ turn)

    def roll(self) -> NDArray[np.float64]:
        """Return the matrix from the room's directions to the camera's, shape (3, 3)."""
        c, s = ((1, 0), (0, 1), (-1, 0), (0, -1))[self.quarter_turns % 4]
        return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=np.float64)

    def place(self, points: Array) -> Array:
        """Return points of the part in camera coordinates, shape (n, 3)."""
        axis = np.array([self.axis, 0.0, 0.0])
        offset = axis + np.array([*self.shift, 0.0])
        return np.asarray((points - axis) @ self.rotation().T + self.roll() @ offset, np.float32)


@dataclass(frozen=True)
class Surface:
    """The part's surface under the pixels that see it; directions and places in the part's own coordinates.

    Parameters
    ----------
    pixels
        Flat indices of the pixels, shape (n,).
    cover
        Share of each pixel that the part covers, shape (n,).
    node
        Node of the centre line each point belongs to, shape (n,).
    arc
        Distance along the centre line, shape (n,).
    position, normal
        Shape (3, n).
    """

    pixels: NDArray[np.intp]
    cover: Array
    node: NDArray[np.intp]
    arc: Array
    position: Array
    normal: Array


def photograph(line: CentreLine, pose: Pose, height: int, width: int) -> Surface:
    """Return which point of the surface each pixel sees."""
    centres = pose.place(line.points)
    index, depth, rim = _splat(centres, line.radius, height, width)
    pixels = np.flatnonzero(index >= 0)
    node = index.ravel()[pixels].astype(np.intp)
    rows, columns = np.divmod(pixels, width)
    seen = np.empty((3, pixels.size), np.float32)
    seen[0] = (columns + np.float32(0.5 - width / 2)) / height
    seen[1] = (np.float32(height / 2 - 0.5) - rows) / height
    seen[2] = depth.ravel()[pixels]
    rotation = pose.rotation().astype(np.float32)
    # From the sphere's centre to the point, in the part's directions.
    offset = rotation.T @ (seen - centres.T[:, node])
    tangent = line.tangents.T[:, node]
    along = np.clip(np.einsum("ij,ij->j", offset, tangent), line.low[node], line.high[node])
    step = along * tangent
    normal = offset - step
    normal /= np.sqrt(np.einsum("ij,ij->j", normal, normal)) + np.float32(1e-9)
    # The point is moved from the sphere onto the smooth tube, so that texture and lettering have no seams.
    position = line.points.T[:, node] + step + line.radius[node] * normal
    cover = np.clip(np.float32(0.5) + rim.ravel()[pixels], 0, 1)
    return Surface(pixels, cover, node, line.arc[node] + along, position, normal)


def _splat(centres: Array, radius: Array, height: int, width: int) -> tuple[NDArray[np.int16], Array, Array]:
    """Draw spheres into a depth buffer, each within its bounding box.

    Returns
    -------
    index, depth, rim
        The sphere seen (-1: none), its depth in units of the frame's height, and the distance in pixels to the
        nearest outline (positive inside), each of shape (height, width).
    """
    index = np.full((height, width), -1, np.int16)
    depth = np.full((height, width), -np.inf, np.float32)
    rim = np.full((height, width), -1, np.float32)
    column = centres[:, 0] * height + np.float32(width / 2 - 0.5)
    row = np.float32(height / 2 - 0.5) - centres[:, 1] * height
    r = radius * height
    reach = r + np.float32(0.5)  # half a pixel more, for the soft rim
    left, right = _range(column, reach, width)
    top, bottom = _range(row, reach, height)
    across2 = (np.arange(width, dtype=np.float32) - column[:, None]) ** 2
    down2 = (np.arange(height, dtype=np.float32) - row[:, None]) ** 2
    for k in range(len(r)):
        if left[k] >= right[k] or top[k] >= bottom[k]:
            continue
        box = slice(top[k], bottom[k]), slice(left[k], right[k])
        inside = (r[k] * r[k] - down2[k, top[k] : bottom[k], None]) - across2[k, left[k] : right[k]]
        # (r^2 - d^2) / 2r is r - d near the outline, which is all that matters here.
        np.maximum(rim[box], inside * (np.float32(0.5) / r[k]), out=rim[box])
        z = centres[k, 2] + np.sqrt(np.maximum(inside, 0)) * np.float32(1 / height)
        closer = (z > depth[box]) & (inside > -r[k])
        np.copyto(depth[box], z, where=closer)
        np.copyto(index[box], np.int16(k), where=closer)
    return index, depth, rim


def _range(middle: Array, reach: Array, size: int) -> tuple[list[int], list[int]]:
    """Return the first and one past the last pixel within `reach` of `middle`, cut off by the frame."""
    first = np.clip(np.ceil(middle - reach), 0, size).astype(int)
    past = np.clip(np.floor(middle + reach) + 1, 0, size).astype(int)
    return first.tolist(), past.tolist()
