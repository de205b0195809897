"""AUPIMO: how much of each defect is found while nearly nothing of the nominal images is."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError, UndefinedError
from .inputs import checked_fraction
from .pixel import Masks, Pairs, checked_pairs, ramp_area

Scores = NDArray[np.floating[Any]]

LEAST_POINTS, FEW_POINTS = 30, 300


@dataclass(frozen=True)
class ImageOverlaps:
    """The per-image overlap of every anomalous image.

    Parameters
    ----------
    values
        AUPIMO of each image with a defect, shape (n_anomalous,), in the order given.
    n_points
        Distinct false positive rates of the curve within the range.
    notes
        What to distrust.
    """

    values: NDArray[np.float64]
    n_points: int
    notes: tuple[str, ...]


def aupimo(masks: Masks | Pairs, maps: Iterable[ArrayLike] | None = None, *, low: float = 1e-5, high: float = 1e-4
           ) -> NDArray[np.float64]:  # fmt: skip
    r"""Area under the per-image overlap curve of each anomalous image, at very low false positive rates [1]_.

    With F(t) the mean over the nominal images of the share of their pixels at or above t, and T_i(t) the share of
    image i's defect pixels at or above t:
    :math:`\mathrm{AUPIMO}_i = \frac{1}{\ln (U/L)} \int_{F=L}^{U} T_i \, d \ln F`. F takes a step at each distinct
    score of a nominal pixel; T_i stays between steps, and is linear in ln F on a step where pixels of both kinds tie.
    A tie with the highest nominal score, where ln F has no beginning, counts from that score's F on.

    :func:`image_overlaps` returns the same with notes instead of a warning. One value an image: report their
    distribution, and compare detectors over objects.

    Parameters
    ----------
    masks, maps
        As in :func:`~protocols.pixel.pixel_auroc`. Images without a defect pixel are the nominal ones.
    low, high
        Ends L and U of the range, 0 < L < U <= 1.

    Returns
    -------
    ndarray
        Shape (n_anomalous,), in the order given.

    Raises
    ------
    UndefinedError
        No image with a defect (code ``SingleClassPartition``), no nominal image (``NoNominalImage``), one nominal
        pixel is more than L of all (``TooFewNominalPixels``), or the curve has fewer than 30 points in the range
        (``TooFewCurvePoints``).

    Warns
    -----
    UserWarning
        Fewer than 300 points.

    References
    ----------
    .. [1] Bertoldo, Ameln, Vaidya & Akçay (2024), AUPIMO: Redefining visual anomaly detection benchmarks with high
       speed and low tolerance.

    Examples
    --------
    Half of the defect scores above every nominal pixel, half below:

    >>> nominal = np.arange(4e6, dtype=np.float32).reshape(2000, 2000)
    >>> mask, scores = np.eye(2, dtype=bool), np.full((2, 2), 5e6)
    >>> scores[1, 1] = -1.0
    >>> aupimo([None, mask], [nominal, scores])
    array([0.5])
    """
    found = image_overlaps(masks, maps, low=low, high=high)
    for note in found.notes:
        warnings.warn(f"AUPIMO: {note}", stacklevel=2)
    return found.values


def image_overlaps(masks: Masks | Pairs, maps: Iterable[ArrayLike] | None = None, *, low: float = 1e-5,
                   high: float = 1e-4) -> ImageOverlaps:  # fmt: skip
    """Return AUPIMO of each anomalous image with notes; arguments and errors as in :func:`aupimo`."""
    start, end = checked_range(low, high)
    nominal: list[Scores] = []
    defects: list[Scores] = []
    for mask, scores in checked_pairs(masks, maps):
        if mask.any():
            defects.append(scores[mask])
        elif scores.size:
            nominal.append(scores.ravel())
    n_pixels = sum(part.size for part in nominal)
    if not defects:
        raise UndefinedError("AUPIMO needs an image with a defect; got none", code="SingleClassPartition")
    if not nominal:
        raise UndefinedError("AUPIMO needs a nominal image; every image has a defect", code="NoNominalImage")
    if 1 / n_pixels > low * (1 + 1e-9):
        raise UndefinedError(f"AUPIMO from a false positive rate of {low:g} needs at least {math.ceil(1 / low - 1e-6)} "
                             f"pixels of nominal images; got {n_pixels}", code="TooFewNominalPixels")  # fmt: skip
    distinct, rate = _false_positive_rates(nominal)
    n_points = int(((rate >= low * (1 - 1e-9)) & (rate <= high * (1 + 1e-9))).sum())
    notes = checked_points(n_points, low, high)
    # Of the scores rejected beyond the range one is enough; above the highest score nothing is rejected.
    first = max(int((rate > high).sum()) - 1, 0)
    distinct = distinct[first:].astype(np.result_type(*{part.dtype for part in (distinct, *defects)}))
    log_rate = np.append(np.log(rate[first:]), -np.inf)
    values = [_overlap(defect, distinct, log_rate, start, end) for defect in defects]
    return ImageOverlaps(np.array(values), n_points, notes)


def checked_range(low: float, high: float) -> tuple[float, float]:
    """Return the logarithms of the ends of the range."""
    ends = checked_fraction(low, "low"), checked_fraction(high, "high", closed=True)
    if not ends[0] < ends[1]:
        raise InputError("low", low, f"less than high = {high:g}", "Exchange the two.", code="OutOfRange")
    return math.log(ends[0]), math.log(ends[1])


def checked_points(n_points: int, low: float, high: float) -> tuple[str, ...]:
    """Return a note if the curve has few points in the range; too few are an ``UndefinedError``."""
    found = f"the curve has {n_points} points at false positive rates from {low:g} to {high:g}"
    if n_points < LEAST_POINTS:
        raise UndefinedError(f"AUPIMO needs at least {LEAST_POINTS} points: {found}", code="TooFewCurvePoints")
    return (f"{found}, fewer than {FEW_POINTS}",) if n_points < FEW_POINTS else ()


def log_area(low: NDArray[np.float64], high: NDArray[np.float64], start: float, end: float) -> NDArray[np.float64]:
    """Return the mean over ln F in [start, end] of a line from 0 at ``low`` to 1 at ``high``; no beginning: a step."""
    begin = np.where(np.isneginf(low), high, low)
    finite = np.isfinite(high)  # nothing nominal at or above: there from the start
    begin, high = np.where(finite, begin, start), np.where(finite, high, start)
    return (ramp_area(begin, high, end) - ramp_area(begin, high, start)) / (end - start)


def _false_positive_rates(images: list[Scores]) -> tuple[Scores, NDArray[np.float64]]:
    """Return the distinct nominal scores, rising, and F at each: the mean over images of the share not below it."""
    sizes = {part.size for part in images}
    scores = np.concatenate(images)
    if len(sizes) == 1:  # every pixel weighs the same: sorting in place is enough
        n_images, size = len(images), images[0].size
        images.clear()
        scores.sort()
        starts = _starts(scores)
        return scores[starts], (len(scores) - starts) / (n_images * size)
    weight = np.concatenate([np.full(part.size, 1 / (part.size * len(images))) for part in images])
    order = np.argsort(scores, kind="stable")
    scores, weight = scores[order], weight[order]
    starts = _starts(scores)
    return scores[starts], np.cumsum(weight[::-1])[::-1][starts]


def _starts(ranked: Scores) -> NDArray[np.int64]:
    return np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))


def _overlap(defect: Scores, distinct: Scores, log_rate: NDArray[np.float64], start: float,
             end: float) -> float:  # fmt: skip
    """Return AUPIMO of one image: the mean over its defect pixels of the range that each is found in."""
    above = log_rate[np.searchsorted(distinct, defect, "right")]
    not_below = log_rate[np.searchsorted(distinct, defect, "left")]
    return float(log_area(above, not_below, start, end).mean())
