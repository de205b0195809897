"""Where the defect is: pixel AUROC and AUPRO, exact, from masks and anomaly maps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError, UndefinedError
from .inputs import checked_fraction, one_class

Masks = Iterable[ArrayLike | None]
Pairs = Iterable[tuple[ArrayLike | None, ArrayLike]]


def pixel_auroc(masks: Masks | Pairs, maps: Iterable[ArrayLike] | None = None) -> float:
    """AUROC of all pixels of all images pooled, nominal images included, ties half.

    Exact, by sorting the defect-free pixels in place; single precision maps stay so. For maps that do not fit into
    memory see :func:`~protocols.pixel_stream.pixel_auroc_streamed`.

    Parameters
    ----------
    masks, maps
        Binary masks (None: no defect) and anomaly maps of the same shapes, one an image; or, without ``maps``,
        an iterator of pairs of the two. One image is read at a time, only its scores are kept.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    UndefinedError
        No defect pixel, or no defect-free pixel.
    InputError
        Shapes differ (code ``ShapeMismatch``), a mask is not binary, or a map is not finite (``NonFiniteScore``).

    References
    ----------
    Hanley & McNeil (1982), The meaning and use of the area under a receiver operating characteristic curve. Of pixels:
    Bergmann et al. (2021), The MVTec Anomaly Detection Dataset, section 5.2.

    Examples
    --------
    >>> scores = [[0.9, 0.1, 0.8, 0.3, 0.5, 0.2, 0.1, 0.0]]
    >>> round(pixel_auroc([[[1, 0, 1, 1, 0, 0, 0, 0]]], [scores]), 6)
    0.933333
    """
    defect, free = [], []
    for mask, scores in checked_pairs(masks, maps):
        defect.append(scores[mask])
        free.append(scores[~mask])
    anomalous, nominal = _joined(defect), _joined(free)
    need_pixels("pixel AUROC", len(nominal), len(anomalous))
    nominal.sort()
    anomalous.sort()  # look-ups in rising order stay in the processor's cache
    won = np.searchsorted(nominal, anomalous, "left").sum() + np.searchsorted(nominal, anomalous, "right").sum()
    return float(won / 2 / len(nominal) / len(anomalous))


def aupro(masks: Masks | Pairs, maps: Iterable[ArrayLike] | None = None, *, max_fpr: float = 0.3) -> float:
    """Area under the per-region overlap curve for false positive rates up to ``max_fpr``, divided by it [1]_.

    Regions are the 8-connected components of the masks. The overlap at a threshold is the mean over all regions of
    the share of the region at or above it; the false positive rate is that of all defect-free pixels. Trapezoid,
    linear at the end.

    Exact, by one sort of the defect-free pixels: a defect pixel of a region of m, with the shares F of the defect-free
    pixels above it and F' of those not below it, adds its 1/m from F' on, on a ramp from F to F' where they tie. For
    maps that do not fit into memory see :func:`~protocols.pixel_stream.aupro_streamed`.

    Parameters
    ----------
    masks, maps
        As in :func:`pixel_auroc`.
    max_fpr
        End of the range, in (0, 1].

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    UndefinedError
        No defect pixel, or no defect-free pixel.
    InputError
        ``max_fpr`` is not in (0, 1], or masks and maps are wrong, as in :func:`pixel_auroc`.

    References
    ----------
    .. [1] Bergmann et al. (2021), The MVTec Anomaly Detection Dataset, section 5.2.

    Examples
    --------
    >>> scores = [[0.9, 0.1, 0.8, 0.3, 0.5, 0.2, 0.1, 0.0]]
    >>> round(aupro([[[1, 0, 1, 1, 0, 0, 0, 0]]], [scores]), 6)
    0.833333
    """
    end = checked_fraction(max_fpr, "max_fpr", closed=True)
    if end == 0:
        checked_fraction(max_fpr, "max_fpr")
    defect, shares, free, n_regions = [], [], [], 0
    for mask, scores in checked_pairs(masks, maps):
        share, regions = region_shares(mask)
        defect.append(scores[mask])
        shares.append(share)
        free.append(scores[~mask])
        n_regions += regions
    anomalous, share, nominal = _joined(defect), _joined(shares), _joined(free)
    need_pixels("AUPRO", len(nominal), len(anomalous))
    nominal.sort()
    order = np.argsort(anomalous)
    anomalous, share = anomalous[order], share[order]
    above = 1 - np.searchsorted(nominal, anomalous, "right") / len(nominal)
    not_below = 1 - np.searchsorted(nominal, anomalous, "left") / len(nominal)
    return float(share @ ramp_area(above, not_below, end) / n_regions / end)


def ramp_area(low: NDArray[np.float64], high: NDArray[np.float64], end: float) -> NDArray[np.float64]:
    """Return the area up to ``end`` under a line that rises from 0 at ``low`` to 1 at ``high`` and stays there."""
    width = high - low
    area = np.maximum(end - (low + high) / 2, 0.0)
    inside = (low < end) & (end < high)  # the range ends on the ramp; elsewhere the mean of both ends decides
    area[end <= low] = 0.0
    area[inside] = (end - low[inside]) ** 2 / (2 * width[inside])
    return area


def region_shares(mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], int]:
    """Return, for each defect pixel in order, 1 / (size of its 8-connected region), and the number of regions."""
    if not mask.any():
        return np.empty(0), 0
    from scipy import ndimage  # only where there is something to label

    named, n_regions = ndimage.label(mask, structure=np.ones((3, 3), int))
    inside = named[mask]
    return 1.0 / np.bincount(inside)[inside], int(n_regions)


def checked_pairs(masks: Masks | Pairs, maps: Iterable[ArrayLike] | None
                  ) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.floating[Any]]]]:  # fmt: skip
    """Yield checked masks and maps, one image at a time."""
    pairs: Iterable[Any] = masks if maps is None else _zipped(masks, maps)
    for position, pair in enumerate(pairs):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:  # an array of two rows would come apart unnoticed
            raise InputError(f"image {position}", type(pair).__name__, "a pair (mask, map)",
                             "Give masks and maps, or an iterator of pairs of the two.",
                             code="LengthMismatch")  # fmt: skip
        mask, scores = pair
        yield checked_pair(mask, scores, f"image {position}")


def checked_pair(mask: ArrayLike | None, scores: ArrayLike, where: str = "image"
                 ) -> tuple[NDArray[np.bool_], NDArray[np.floating[Any]]]:  # fmt: skip
    """Return a mask as booleans and its map as floats, both (h, w)."""
    a = np.asarray(scores)
    if a.dtype.kind != "f":
        a = a.astype(np.float64)
    elif a.dtype == np.float16:  # exact, and sorted far faster
        a = a.astype(np.float32)
    if a.ndim != 2:
        raise InputError(f"{where}, map", f"shape {a.shape}", "a two-dimensional array", "Give one map an image.",
                         code="ShapeMismatch")  # fmt: skip
    if not np.isfinite(a).all():
        raise InputError(f"{where}, map", f"{int((~np.isfinite(a)).sum())} NaN or infinite pixels", "finite scores",
                         "Correct the detector.", code="NonFiniteScore")  # fmt: skip
    if mask is None:
        return np.zeros(a.shape, bool), a
    m = np.asarray(mask)
    if m.shape != a.shape:
        raise InputError(f"{where}, mask", f"shape {m.shape}", f"shape {a.shape}, that of the map",
                         "Resize the map to the mask, never the mask to the map.", code="ShapeMismatch")  # fmt: skip
    if m.dtype != bool:
        if not np.isin(m, (0, 1)).all():
            raise InputError(f"{where}, mask", sorted(np.unique(m).tolist())[:5], "a binary mask",
                             "Threshold the mask first.", code="MaskNotBinary")  # fmt: skip
        m = m.astype(bool)
    return m, a


def _zipped(masks: Iterable[Any], maps: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    end = object()
    left, right = iter(masks), iter(maps)
    for n in range(2**63):
        mask, scores = next(left, end), next(right, end)
        if mask is end and scores is end:
            return
        if mask is end or scores is end:
            more = "maps" if mask is end else "masks"
            raise InputError("masks and maps", f"more {more} than {n}", "as many masks as maps",
                             "Give one mask (or None) and one map an image.", code="LengthMismatch")  # fmt: skip
        yield mask, scores


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Return the parts in one array; the list is emptied, so that they are not held twice for long."""
    whole = np.concatenate(parts) if parts else np.empty(0)
    parts.clear()
    return whole


def need_pixels(what: str, n_nominal: int, n_anomalous: int) -> None:
    """Raise where there is no defect pixel or no defect-free one."""
    if not n_nominal or not n_anomalous:
        raise UndefinedError(one_class(what, n_nominal, n_anomalous) + " pixels", code="SingleClassPartition")
