"""What pixel metrics need to know of each image, small enough to store and to resample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError
from .pixel import checked_pair, region_shares

MAX_ENTRIES = 2**21
_FIRST_SHIFT = 7  # of the 23 bits of a float32's fraction: a relative step of 1.5e-5


class PixelHistogram:
    """Counts of defect-free and of defect pixels, image by image, on one grid of score bins.

    The grid needs no range in advance: a bin is the leading bits of the score as float32, in the order of the
    scores, so that steps are relative. When more than ``max_entries`` bins are in use over all images, the grid is
    halved; whether that happens depends on the images, not on their order. Beside the counts of defect pixels, each
    bin holds the sum over them of 1 / (size of the pixel's region), from which the per-region overlap follows.

    Parameters
    ----------
    max_entries
        Non-empty bins to keep, over all images: 8 bytes each before compression, 16 for those of defects.

    Examples
    --------
    >>> histogram = PixelHistogram()
    >>> histogram.add(np.array([[1, 0], [0, 0]]), np.array([[0.9, 0.1], [0.2, 0.1]]))
    >>> histogram.add(None, np.array([[0.1, 0.1], [0.2, 0.1]]))
    >>> histogram.n_images, histogram.n_defect_pixels.tolist()
    (2, [1, 0])
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self.max_entries = max_entries
        self.shift = _FIRST_SHIFT
        self._images: list[_Image] = []
        self._n_entries = 0

    def add(self, mask: ArrayLike | None, scores: ArrayLike) -> None:
        """Take in one image.

        Parameters
        ----------
        mask
            Binary, shape (h, w); None: no defect. Anomalous images without a mask do not belong here.
        scores
            The anomaly map, shape (h, w), at the size of the mask.
        """
        m, a = checked_pair(mask, scores, f"image {len(self._images)}")
        share, n_regions = region_shares(m)
        codes = score_codes(a) >> np.uint32(self.shift)
        free, counts = np.unique(codes[~m], return_counts=True)
        defect, place = np.unique(codes[m], return_inverse=True)
        n_defect = np.bincount(place, minlength=len(defect))
        shares = np.asarray(np.bincount(place, share, minlength=len(defect)), np.float64)
        image = _Image(free, counts, defect, n_defect, shares, n_regions)
        self._images.append(image)
        self._n_entries += image.n_entries
        while self._n_entries > self.max_entries and self.shift < 31:
            self.shift += 1
            self._images = [i.halved() for i in self._images]
            self._n_entries = sum(i.n_entries for i in self._images)

    @property
    def n_images(self) -> int:
        """Number of images taken in."""
        return len(self._images)

    @property
    def n_defect_pixels(self) -> NDArray[np.int64]:
        """Defect pixels of each image, shape (n_images,)."""
        return np.array([i.n_defect.sum() for i in self._images], np.int64)

    @property
    def n_defect_free_pixels(self) -> NDArray[np.int64]:
        """Defect-free pixels of each image, shape (n_images,)."""
        return np.array([i.n_free.sum() for i in self._images], np.int64)

    @property
    def n_regions(self) -> NDArray[np.int64]:
        """Defect regions of each image, shape (n_images,)."""
        return np.array([i.n_regions for i in self._images], np.int64)

    def select(self, keep: NDArray[np.bool_]) -> Self:
        """Return the histogram of some of the images, shape of `keep` (n_images,)."""
        made = type(self)(self.max_entries)
        made.shift, made._images = self.shift, self.images(keep)
        made._n_entries = sum(i.n_entries for i in made._images)
        return made

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return plain numeric arrays, for an ``.npz`` without pickle."""
        images = self._images
        return {
            "shift": np.array(self.shift, np.int64),
            "n_regions": self.n_regions,
            "free_ends": np.cumsum([len(i.free) for i in images], dtype=np.int64),
            "free_codes": _joined([i.free for i in images], np.uint32),
            "free_counts": _joined([i.n_free for i in images], np.uint32),
            "defect_ends": np.cumsum([len(i.defect) for i in images], dtype=np.int64),
            "defect_codes": _joined([i.defect for i in images], np.uint32),
            "defect_counts": _joined([i.n_defect for i in images], np.uint32),
            "defect_shares": _joined([i.share for i in images], np.float64),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the histogram of :meth:`to_arrays`.

        Raises
        ------
        InputError
            An array is missing.
        """
        made = cls()
        for name in made.to_arrays():
            if name not in arrays:
                raise InputError("pixel histogram", sorted(arrays), f"an array {name!r}", "The file is damaged.")
        made.shift = int(arrays["shift"])
        free_ends, defect_ends = arrays["free_ends"], arrays["defect_ends"]
        free = [np.split(np.asarray(arrays[f"free_{k}"]), free_ends[:-1]) for k in ("codes", "counts")]
        defect = [np.split(np.asarray(arrays[f"defect_{k}"]), defect_ends[:-1]) for k in ("codes", "counts", "shares")]
        for i, n_regions in enumerate(arrays["n_regions"]):
            made._images.append(_Image(free[0][i], free[1][i].astype(np.int64), defect[0][i],
                                       defect[1][i].astype(np.int64), defect[2][i], int(n_regions)))  # fmt: skip
        made._n_entries = sum(i.n_entries for i in made._images)
        return made

    def pooled(
        self, n_bins: int, keep: NDArray[np.bool_]
    ) -> tuple[int, list[NDArray[np.int64]], list[NDArray[np.int64]]]:
        """Join neighbouring bins until each holds about 1 / n_bins of the pixels, the classes counting alike.

        Parameters
        ----------
        n_bins
            Number of bins wanted; no more are made, fewer where fewer are in use.
        keep
            Images that count, shape (n_images,).

        Returns
        -------
        tuple
            Number of bins made; then for each kept image the bins of its free and of its defect entries.
        """
        kept = [i for i, wanted in zip(self._images, keep, strict=True) if wanted]
        codes = np.unique(_joined([c for i in kept for c in (i.free, i.defect)], np.uint32))
        free, defect = np.zeros(len(codes)), np.zeros(len(codes))
        for i in kept:
            free[np.searchsorted(codes, i.free)] += i.n_free
            defect[np.searchsorted(codes, i.defect)] += i.n_defect
        mass = (free / max(free.sum(), 1) + defect / max(defect.sum(), 1)) / 2
        wanted_bin = np.minimum(((np.cumsum(mass) - mass / 2) * n_bins).astype(np.int64), n_bins - 1)
        used, bins = np.unique(wanted_bin, return_inverse=True)
        return (
            len(used),
            [bins[np.searchsorted(codes, i.free)] for i in kept],
            [bins[np.searchsorted(codes, i.defect)] for i in kept],
        )

    def images(self, keep: NDArray[np.bool_]) -> list[_Image]:
        """Return the entries of the images that count."""
        return [i for i, wanted in zip(self._images, keep, strict=True) if wanted]


class _Image:
    """Non-empty bins of one image: codes rising, counts, and for defects the sum of their regions' shares."""

    def __init__(self, free: NDArray[np.uint32], n_free: NDArray[np.int64], defect: NDArray[np.uint32],
                 n_defect: NDArray[np.int64], share: NDArray[np.float64], n_regions: int) -> None:  # fmt: skip
        self.free, self.n_free, self.n_regions = free, n_free, n_regions
        self.defect, self.n_defect, self.share = defect, n_defect, share

    @property
    def n_entries(self) -> int:
        return len(self.free) + len(self.defect)

    def halved(self) -> _Image:
        """Return the image on a grid of twice the step."""
        free, place = np.unique(self.free >> np.uint32(1), return_inverse=True)
        n_free = np.bincount(place, self.n_free, minlength=len(free)).astype(np.int64)
        defect, place = np.unique(self.defect >> np.uint32(1), return_inverse=True)
        n_defect = np.bincount(place, self.n_defect, minlength=len(defect)).astype(np.int64)
        share = np.asarray(np.bincount(place, self.share, minlength=len(defect)), np.float64)
        return _Image(free, n_free, defect, n_defect, share, self.n_regions)


def score_codes(scores: NDArray[Any]) -> NDArray[np.uint32]:
    """Return whole numbers in the order of the scores: the bits of float32, sign handled.

    Scores that round to the same float32 get the same code; beyond its range that is infinity.
    """
    with np.errstate(over="ignore"):
        bits = (scores.astype(np.float32) + np.float32(0.0)).view(np.uint32)  # + 0 makes -0 and 0 one
    negative = (bits >> np.uint32(31)).astype(bool)
    return np.where(negative, ~bits, bits | np.uint32(0x80000000))


def _joined(parts: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype)
