"""Random masks of connected blobs from thresholded, rotated Perlin noise: where a texture is pasted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from protocols.errors import InputError

LATTICE = 32
"""The finest lattice has this many cells a side, so image sides are multiples of it."""
THRESHOLD = 0.5
ROTATION_DEGREES = 90.0


def check_size(size: int, where: str = "imagesize") -> None:
    """Raise unless the Perlin lattice fits a square image of side `size`.

    Raises
    ------
    InputError
        `size` is not a positive multiple of 32.
    """
    if not isinstance(size, int) or isinstance(size, bool) or size <= 0 or size % LATTICE:
        near = max(LATTICE, LATTICE * round(size / LATTICE)) if isinstance(size, int | float) else 288
        raise InputError(where, size, f"a positive multiple of {LATTICE} (the lattice of the Perlin masks)",
                         f"Take {near}.")  # fmt: skip


def perlin_noise(rng: np.random.Generator, size: int, cells: tuple[int, int]) -> NDArray[np.float32]:
    r"""Two-dimensional gradient noise [1]_, times :math:`\sqrt 2`.

    Unit gradients at uniform angles sit on the lattice; the four dot products with the offsets are blended with
    the fade :math:`6t^5 - 15t^4 + 10t^3`.

    Parameters
    ----------
    rng
        Source of the angles.
    size
        Side of the square, pixels; a multiple of both entries of `cells`.
    cells
        Lattice cells down and across.

    Returns
    -------
    array, shape (size, size)
        0 on the lattice points, within about [-1, 1].

    References
    ----------
    .. [1] Perlin (2002), "Improving noise", ACM Transactions on Graphics 21(3).
    """
    rows, columns = cells
    angles = rng.uniform(0.0, 2.0 * np.pi, (rows + 1, columns + 1)).astype(np.float32)
    down, across = np.sin(angles), np.cos(angles)
    y = (np.arange(size // rows, dtype=np.float32) * (rows / size)).astype(np.float32)[None, :, None, None]
    x = (np.arange(size // columns, dtype=np.float32) * (columns / size)).astype(np.float32)[None, None, None, :]

    def corner(i: int, j: int) -> NDArray[np.float32]:
        here = (slice(i, i + rows), None, slice(j, j + columns), None)
        return down[here] * (y - i) + across[here] * (x - j)  # (rows, size/rows, columns, size/columns)

    def fade(t: NDArray[np.float32]) -> NDArray[np.float32]:
        return t * t * t * (t * (6 * t - 15) + 10)

    wy, wx = fade(y), fade(x)
    top = corner(0, 0) + wx * (corner(0, 1) - corner(0, 0))
    bottom = corner(1, 0) + wx * (corner(1, 1) - corner(1, 0))
    noise = top + wy * (bottom - top)
    return (np.float32(np.sqrt(2.0)) * noise).reshape(size, size).astype(np.float32)


def blob_mask(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    """One thresholded Perlin field: lattice 2^i by 2^j with i, j uniform on 0..5, the *noise* rotated by U(-90, 90) degrees."""  # noqa: E501
    i, j = rng.integers(0, 6, size=2)
    noise = perlin_noise(rng, size, (2 ** int(i), 2 ** int(j)))
    angle = rng.uniform(-ROTATION_DEGREES, ROTATION_DEGREES)
    # Rotating the noise, not the mask: what comes in from outside is 0 and stays below the threshold.
    turned = Image.fromarray(noise).rotate(angle, resample=Image.Resampling.BILINEAR, fillcolor=0)
    return np.asarray(turned) > THRESHOLD


def perlin_mask(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    """Draw the region of a synthetic defect: two blob masks, joined.

    With u ~ U(0, 1): their union if u > 2/3, their intersection if 1/3 < u <= 2/3, the first alone otherwise. The
    mask may be empty.

    Parameters
    ----------
    rng
        Source of all draws.
    size
        Side of the square, pixels, a multiple of 32.

    Returns
    -------
    array, shape (size, size)
    """
    first, second = blob_mask(rng, size), blob_mask(rng, size)
    u = rng.uniform()
    if u > 2 / 3:
        return first | second
    return first & second if u > 1 / 3 else first


def patch_labels(mask: NDArray[np.bool_], grid: int) -> NDArray[np.bool_]:
    """Max-pool a square pixel mask onto `grid` x `grid` patches: one covered pixel makes a patch anomalous."""
    factor = mask.shape[0] // grid
    return mask.reshape(grid, factor, grid, factor).any(axis=(1, 3))
