"""AUPIMO of any multiplicities of the objects, from score bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UndefinedError
from .per_image_overlap import checked_points, checked_range, log_area
from .pixel_histogram import PixelHistogram

N_BINS = 4096


class OverlapCounts:
    """The mean AUPIMO of the anomalous images, for the objects as often as they were drawn.

    Bins are those of the histogram as far as they can matter: from the highest score down to where every nominal
    image has reached the end of the range, so that it is reached whatever is drawn. Where these are more than about
    4,096, neighbours are joined in equal steps of ln F.

    Parameters
    ----------
    histogram
        Images with a defect pixel are the anomalous ones, all others nominal.
    index
        Position of each image's object, shape (n_images,).
    n_objects
        Number of objects, G.
    low, high
        Ends of the range, as in :func:`~protocols.per_image_overlap.aupimo`.

    Raises
    ------
    UndefinedError
        As in :func:`~protocols.per_image_overlap.aupimo`; bins count as the points of the curve.
    """

    def __init__(self, histogram: PixelHistogram, index: NDArray[np.int64], n_objects: int, *, low: float = 1e-5,
                 high: float = 1e-4) -> None:  # fmt: skip
        from scipy import sparse  # only where there are maps

        self._start, self._end = checked_range(low, high)
        anomalous = histogram.n_defect_pixels > 0
        images, nominal = histogram.images(anomalous), histogram.images(~anomalous)
        if not images or not nominal:
            raise UndefinedError("AUPIMO needs images with and images without a defect", code="SingleClassPartition")
        n_pixels = int(histogram.n_defect_free_pixels[~anomalous].sum())
        if 1 / n_pixels > low * (1 + 1e-9):
            raise UndefinedError(f"AUPIMO from a false positive rate of {low:g} needs more nominal pixels than "
                                 f"{n_pixels}", code="TooFewNominalPixels")  # fmt: skip
        free, shares = [i.free for i in nominal], [i.n_free / i.n_free.sum() for i in nominal]
        defect, found = [i.defect for i in images], [i.n_defect / i.n_defect.sum() for i in images]
        codes, bins = _grid(free, shares, np.concatenate(defect), high)
        self.n_bins = int(bins.max()) + 1

        def summed(rows: NDArray[np.int64], at: Sequence[NDArray[Any]], values: Sequence[NDArray[Any]]) -> Any:
            where, code, data = np.repeat(rows, [len(c) for c in at]), np.concatenate(at), np.concatenate(values)
            keep = code >= codes[0]
            columns = bins[np.searchsorted(codes, code[keep])]
            shape = (n_objects, self.n_bins)
            return sparse.csr_matrix(sparse.coo_matrix((data[keep], (where[keep], columns)), shape=shape))

        self._free = summed(index[~anomalous], free, shares)
        self._found = summed(index[anomalous], defect, found)
        self._n_nominal = np.bincount(index[~anomalous], minlength=n_objects)
        self._n_anomalous = np.bincount(index[anomalous], minlength=n_objects)
        rate = self._rates(np.ones((1, n_objects)))[1][0]
        inside = (rate >= low * (1 - 1e-9)) & (rate <= high * (1 + 1e-9))
        self.notes = checked_points(len(np.unique(rate[inside])), low, high)

    def values(self, weights: NDArray[Any]) -> NDArray[np.float64]:
        """Return the mean under each row of multiplicities, (b, G) to (b,); NaN without images of a kind."""
        w = weights.astype(np.float64)
        above, not_below = self._log_rates(w)
        return self._mean(w, log_area(above, not_below, self._start, self._end))

    def errors(self, weights: NDArray[Any]) -> NDArray[np.float64]:
        """Return by how much the order of the pixels within the bins can move each of the values, (b,)."""
        w = weights.astype(np.float64)
        most, least = (self._mean(w, log_area(edge, edge, self._start, self._end)) for edge in self._log_rates(w))
        value = self.values(w)
        return np.maximum(most - value, value - least)

    def _log_rates(self, w: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        with np.errstate(divide="ignore", invalid="ignore"):
            above, not_below = (np.log(rate) for rate in self._rates(w))
        return above, not_below

    def _rates(self, w: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return F of what is above each bin and of what is not below it, (b, n_bins)."""
        share = np.asarray(w @ self._free) / (w @ self._n_nominal)[:, None]
        not_below = np.cumsum(share[:, ::-1], axis=1)[:, ::-1]
        above = np.concatenate([not_below[:, 1:], np.zeros((len(w), 1))], axis=1)
        return above, not_below

    def _mean(self, w: NDArray[np.float64], area: NDArray[np.float64]) -> NDArray[np.float64]:
        n = np.where(w @ self._n_nominal > 0, w @ self._n_anomalous, 0.0)
        total: NDArray[np.float64] = (np.asarray(w @ self._found) * area).sum(axis=1)
        return total / np.where(n > 0, n, np.nan)


def _grid(codes: list[NDArray[np.uint32]], shares: list[NDArray[np.float64]], defect: NDArray[np.uint32], high: float
          ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:  # fmt: skip
    """Return the codes from which on a score matters, rising, and the bin of each."""
    # Where each image has reached the end of the range, so has any mean over images.
    lowest = min(c[np.flatnonzero(np.cumsum(s[::-1])[::-1] >= high)[-1]] for c, s in zip(codes, shares, strict=True))
    every, share = np.concatenate(codes), np.concatenate(shares)
    used = np.unique(np.concatenate([every, defect]))
    used = used[used >= lowest]
    if len(used) <= N_BINS:
        return used, np.arange(len(used))
    matter = every >= lowest
    rate = np.cumsum(np.bincount(np.searchsorted(used, every[matter]), share[matter], len(used))[::-1])[::-1]
    n_reached = int((rate > 0).sum())  # above, there are only defects
    depth = np.log(rate[0] / rate[:n_reached])
    step = np.full(len(used), N_BINS)
    step[:n_reached] = np.minimum(depth / max(depth[-1], 1e-300) * N_BINS, N_BINS - 1)
    return used, np.unique(step, return_inverse=True)[1]
