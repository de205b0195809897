"""Pixel AUROC and AUPRO of any number of images in bounded memory, with proven bounds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError
from .inputs import checked_fraction
from .pixel import Masks, Pairs, checked_pairs, need_pixels, ramp_area, region_shares
from .pixel_histogram import score_codes

MAX_BINS = 2**20


class Bounded(NamedTuple):
    """A value and how far from it the exact one can be: ``abs(exact - value) <= error``."""

    value: float
    error: float


def pixel_auroc_streamed(masks: Masks | Pairs, maps: Iterable[ArrayLike] | None = None, *, max_bins: int = MAX_BINS
                         ) -> Bounded:  # fmt: skip
    r"""AUROC of all pixels from counts in score bins, with a bound on what the bins hide.

    Bins keep the order of the scores: pairs of pixels of different bins are judged exactly, those of one bin may all
    be won or all be lost. The value counts them half; the error is half their share,
    :math:`\frac{1}{2PN} \sum_b p_b n_b`.

    Parameters
    ----------
    masks, maps
        As in :func:`~protocols.pixel.pixel_auroc`; an image is read, counted and forgotten.
    max_bins
        Bins to keep, 28 bytes each. Bins are the scores in single precision; where there are more of them,
        neighbours are joined, so that their width stays relative to the score.

    Returns
    -------
    Bounded
        Value and error; the error is 0 if scores of one bin are known to be equal: single precision (or half)
        throughout, with at most ``max_bins`` distinct scores.

    Raises
    ------
    UndefinedError
        No defect pixel, or no defect-free pixel.

    References
    ----------
    Hanley & McNeil (1982), The meaning and use of the area under a receiver operating characteristic curve.

    Examples
    --------
    >>> scores = [[0.9, 0.1, 0.8, 0.3, 0.5, 0.2, 0.1, 0.0]]
    >>> value, error = pixel_auroc_streamed([[[1, 0, 1, 1, 0, 0, 0, 0]]], [np.float32(scores)])
    >>> round(value, 6), error
    (0.933333, 0.0)
    """
    bins = _counted("pixel AUROC", masks, maps, max_bins)
    n, p = bins.free.astype(np.float64), bins.defect.astype(np.float64)
    below = np.cumsum(n) - n
    pairs = n.sum() * p.sum()
    return Bounded(float(p @ (below + n / 2) / pairs), 0.0 if bins.exact else float(p @ n / (2 * pairs)))


def aupro_streamed(masks: Masks | Pairs, maps: Iterable[ArrayLike] | None = None, *, max_fpr: float = 0.3,
                   max_bins: int = MAX_BINS) -> Bounded:  # fmt: skip
    r"""Area under the per-region overlap curve from counts in score bins, with a bound on what the bins hide.

    A defect pixel adds its share of a region from the false positive rate of the defect-free pixels above it on.
    For the pixels of bin b that rate lies between those at the bin's ends, :math:`F_b` (without the bin) and
    :math:`F'_b` (with it): with R regions and r_b the sum of the shares, the exact value is between
    :math:`\frac{1}{R L} \sum_b r_b \max(0, L - F'_b)` and the same with :math:`F_b`. The value is the middle, the
    error half the distance.

    Parameters
    ----------
    masks, maps, max_bins
        As in :func:`pixel_auroc_streamed`.
    max_fpr
        End L of the range, in (0, 1].

    Returns
    -------
    Bounded
        Value and error. Where scores of one bin are known to be equal, they are ties: exact, error 0.

    Raises
    ------
    UndefinedError
        No defect pixel, or no defect-free pixel.
    InputError
        ``max_fpr`` is not in (0, 1], or masks and maps are wrong, as in :func:`~protocols.pixel.pixel_auroc`.

    References
    ----------
    Bergmann et al. (2021), The MVTec Anomaly Detection Dataset, section 5.2.

    Examples
    --------
    >>> scores = [[0.9, 0.1, 0.8, 0.3, 0.5, 0.2, 0.1, 0.0]]
    >>> value, error = aupro_streamed([[[1, 0, 1, 1, 0, 0, 0, 0]]], [np.float32(scores)])
    >>> round(value, 6), error
    (0.833333, 0.0)
    """
    end = checked_fraction(max_fpr, "max_fpr", closed=True)
    if end == 0:
        checked_fraction(max_fpr, "max_fpr")
    bins = _counted("AUPRO", masks, maps, max_bins)
    at_or_above = np.cumsum(bins.free[::-1])[::-1]
    high, low = at_or_above / at_or_above[0], (at_or_above - bins.free) / at_or_above[0]
    share = bins.share / bins.n_regions / end
    if bins.exact:
        return Bounded(float(share @ ramp_area(low, high, end)), 0.0)
    least, most = (float(share @ np.maximum(end - edge, 0.0)) for edge in (high, low))
    return Bounded((least + most) / 2, (most - least) / 2)


class _Bins:
    """Counts of pixels at rising score codes, on a grid that coarsens when there are too many."""

    def __init__(self, max_bins: int) -> None:
        self.max_bins = max_bins
        self.shift = self.n_regions = 0
        self.single = True  # whether every score was a single precision number
        self.codes = np.empty(0, np.uint32)
        self.free, self.defect, self.share = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)

    @property
    def exact(self) -> bool:
        """Whether the scores of a bin are equal."""
        return self.single and self.shift == 0

    def add(self, mask: NDArray[np.bool_], scores: NDArray[np.floating[Any]]) -> None:
        share, n_regions = region_shares(mask)
        self.n_regions += n_regions
        self.single &= scores.dtype == np.float32
        codes, place = np.unique(score_codes(scores).ravel() >> np.uint32(self.shift), return_inverse=True)
        inside, m = place.ravel()[mask.ravel()], len(codes)
        defect = np.bincount(inside, minlength=m)
        free = np.bincount(place.ravel(), minlength=m) - defect
        self._merge(codes, free, defect, np.asarray(np.bincount(inside, share, m), np.float64))
        while len(self.codes) > self.max_bins:
            self.shift += 1
            coarse, free, defect, share = self.codes >> np.uint32(1), self.free, self.defect, self.share
            self.codes, self.free, self.defect, self.share = coarse[:0], free[:0], defect[:0], share[:0]
            self._merge(coarse, free, defect, share)

    def _merge(self, codes: NDArray[np.uint32], free: NDArray[np.int64], defect: NDArray[np.int64],
               share: NDArray[np.float64]) -> None:  # fmt: skip
        every = np.concatenate([self.codes, codes])
        order = np.argsort(every, kind="stable")
        ranked = every[order]
        starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]])) if len(ranked) else order
        self.codes = ranked[starts]
        self.free = _sums(self.free, free, order, starts)
        self.defect = _sums(self.defect, defect, order, starts)
        self.share = _sums(self.share, share, order, starts)


def _sums(one: NDArray[Any], other: NDArray[Any], order: NDArray[np.int64], starts: NDArray[np.int64]) -> NDArray[Any]:
    both = np.concatenate([one, other])
    return np.add.reduceat(both[order], starts) if len(starts) else both


def _counted(what: str, masks: Masks | Pairs, maps: Iterable[ArrayLike] | None, max_bins: int) -> _Bins:
    if isinstance(max_bins, bool) or int(max_bins) != max_bins or max_bins < 2:
        raise InputError("max_bins", max_bins, "a whole number of 2 or more", "Correct the value.")
    bins = _Bins(int(max_bins))
    for mask, scores in checked_pairs(masks, maps):
        bins.add(mask, scores)
    need_pixels(what, int(bins.free.sum()), int(bins.defect.sum()))
    return bins
