"""From patch probabilities to an anomaly map: upsampling and a Gaussian."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from detectors.preprocess import resize_map

TRUNCATE = 4.0  # sigmas: 33 taps for sigma 4


def smooth_map(patches: NDArray[np.float32], size: int, sigma: float) -> NDArray[np.float32]:
    """Upsample a patch map bilinearly (corners not aligned) to `size`, then smooth it.

    Parameters
    ----------
    patches
        Shape (grid, grid).
    size
        Side of the network's input, pixels.
    sigma
        Of the Gaussian in pixels of the input, cut at 4 sigma, half-sample symmetric border; 0: none.

    Returns
    -------
    array, float32, shape (size, size)
    """
    upsampled = resize_map(patches, (size, size))
    if sigma == 0:
        return upsampled
    # SciPy calls the half-sample symmetric border (d c b a | a b c d) "reflect".
    return gaussian_filter(upsampled, sigma, mode="reflect", truncate=TRUNCATE)  # type: ignore[no-any-return]
