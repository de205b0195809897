"""Manifold or hypersphere? Judged from the spectrum of the mean training image.

The constants (170, 0.21, 12, 60, 39, 289) were chosen by the authors of the reference program on the categories of
public benchmarks (detectors' register of leaks, G5). Only training images are looked at here.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from torch.nn import functional

from detectors.weights import IMAGENET_MEAN, IMAGENET_STD

SIDE, CENTRE, BLUR = 289, 144, 39
LEVEL, SHARE, MIN_RADIUS, MIN_POINTS = 170.0, 0.21, 12.0, 60
LUMINANCE = (0.299, 0.587, 0.114)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judgement:
    """The hypothesis, ``manifold`` or ``hypersphere``, and the figures it rests on.

    ``n_points`` bright points of the spectrum, shares ``rho_box`` and ``rho_disc`` of the box and of the disc around
    them, ``radius`` of that disc; ``note`` says if nothing could be judged.
    """

    hypothesis: str
    n_points: int
    rho_box: float
    rho_disc: float
    radius: float
    note: str = ""


def mean_picture(total: NDArray[np.float64], n: int) -> NDArray[np.uint8]:
    """De-normalise the mean of normalised images.

    Parameters
    ----------
    total
        Sum of the images, shape (3, size, size).
    n
        How many.

    Returns
    -------
    array, shape (size, size, 3)
        RGB, truncated to integers.
    """
    mean = total / n * np.reshape(IMAGENET_STD, (3, 1, 1)) + np.reshape(IMAGENET_MEAN, (3, 1, 1))
    # A hair above: 128 / 255 * 255 must not be truncated to 127 by rounding of the sum.
    return np.clip(mean * 255 + 1e-4, 0, 255).astype(np.uint8).transpose(1, 2, 0)


def judge(picture: NDArray[np.uint8]) -> Judgement:
    """Judge the mean training image.

    Grey, 289 x 289, 39 x 39 box blur, Fourier transform with the origin in the middle; points with
    20 ln|F| > 170 are kept. With n of them, largest offsets dx and dy and largest distance R from the origin:
    ``rho_box = n / (4 max(dx, 1) max(dy, 1))``, ``rho_disc = n / (integer points within R)``, the count on a 578 x 578
    grid from 0, so that large discs are cut at the top and left, as in the reference program. Hypersphere if
    (rho_box > 0.21 or rho_disc > 0.21) and R > 12 and n > 60, else manifold; an all-black picture has no points and
    is called manifold with a note (the reference program stops with an error).

    Parameters
    ----------
    picture
        RGB, shape (size, size, 3).
    """
    tensor = torch.from_numpy(np.ascontiguousarray(picture, dtype=np.float32).transpose(2, 0, 1).copy())[None]
    resized = functional.interpolate(tensor, size=(SIDE, SIDE), mode="bilinear", align_corners=False)[0].round()
    grey = np.rint(np.tensordot(LUMINANCE, resized.numpy().astype(np.float64), axes=1))  # (SIDE, SIDE)
    blurred = np.rint(uniform_filter(grey, BLUR, mode="mirror"))
    magnitude = np.abs(np.fft.fftshift(np.fft.fft2(blurred)))
    rows, columns = np.nonzero(magnitude > np.exp(LEVEL / 20))
    n = rows.size
    if n == 0:
        note = "the mean training image is black: no hypothesis could be judged, manifold is taken"
        _log.warning(note)
        return Judgement("manifold", 0, 0.0, 0.0, 0.0, note)
    dy, dx = np.abs(rows - CENTRE), np.abs(columns - CENTRE)
    squared_radius = int((dy**2 + dx**2).max())
    axis = np.arange(2 * SIDE) - CENTRE
    n_disc = int((axis[:, None] ** 2 + axis[None, :] ** 2 <= squared_radius).sum())
    rho_box = n / (4 * max(int(dx.max()), 1) * max(int(dy.max()), 1))
    rho_disc = n / n_disc
    radius = float(np.sqrt(squared_radius))
    spread = (rho_box > SHARE or rho_disc > SHARE) and radius > MIN_RADIUS and n > MIN_POINTS
    return Judgement("hypersphere" if spread else "manifold", n, rho_box, rho_disc, radius)
