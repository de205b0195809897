"""Pixel metrics with intervals over objects: pixels are never units."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError, UndefinedError
from .inputs import Seed, checked_binary, checked_fraction, object_index, one_class
from .intervals.bootstrap import leave_one_out, resample
from .intervals.bootstrap_limits import bca_limits, misses
from .intervals.clustered_delong import ONE_OBJECT
from .intervals.draws import MAX_REDRAWN, few_objects, generator
from .overlap_counts import OverlapCounts
from .pixel_histogram import PixelHistogram
from .results import Estimate, Status

N_BINS = 10_000
_FROM_COUNTS = ("auroc", "average_precision", "aupro", "f1_max")
PIXEL_METRICS = (*_FROM_COUNTS, "aupimo")


def pixel_estimates(histogram: PixelHistogram, objects: Iterable[Any], labels: ArrayLike, *, level: float = 0.95,
                    n_resamples: int = 5000, seed: Seed = 0, max_fpr: float = 0.3) -> dict[str, Estimate]:  # fmt: skip
    """Return pixel AUROC, average precision, AUPRO, largest F1 and AUPIMO with BCa intervals of the object bootstrap.

    Scores enter in about 10,000 bins, hence the status ``approximate``; a bin holds at most about 1/5,000 of the
    pixels of a class, unless they have equal scores. All metrics share the same draws of objects.

    Parameters
    ----------
    histogram
        Of n images.
    objects
        Object of each image, shape (n,).
    labels
        0 or 1 for each image, shape (n,). An anomalous image without any defect pixel has no usable mask and is
        left out, noted.
    level
        Confidence level.
    n_resamples
        Number of replicates.
    seed
        As in :func:`~protocols.intervals.bootstrap.bootstrap_interval`.
    max_fpr
        End of the range of AUPRO.

    Returns
    -------
    dict
        Metric to Estimate. ``f1_max`` is an apparent value: its threshold is chosen on the same pixels. ``aupimo``
        is the mean over the anomalous images, ``undefined`` where the nominal images have too few pixels, or the
        histogram too few bins, at false positive rates from 1e-5 to 1e-4.
    """
    y = checked_binary(labels, "labels")
    ids, index = object_index(objects, len(y))
    checked_fraction(level, "level")
    end = checked_fraction(max_fpr, "max_fpr")
    if len(y) != histogram.n_images:
        raise InputError("labels", f"length {len(y)}", f"length {histogram.n_images}, one an image of the histogram",
                         "Give labels and objects in the order of add().", code="LengthMismatch")  # fmt: skip
    without_mask = (y == 1) & (histogram.n_defect_pixels == 0)
    keep = ~without_mask
    counts = _Counts(histogram, keep, index[keep], len(ids))
    n_anomalous = int((y[keep] == 1).sum())
    defective = np.isin(np.arange(len(ids)), index[keep & (y == 1)])
    i10, i01 = counts.n_objects_defect, counts.n_objects_free
    method = f"object bootstrap, BCa, {n_resamples} resamples"

    def finished(value: float, low: float, high: float, status: Status, notes: tuple[str, ...],
                 se: float = math.nan) -> Estimate:  # fmt: skip
        return Estimate(value, low, high, level, method, status, int(keep.sum()) - n_anomalous, n_anomalous, i01, i10,
                        notes, se)  # fmt: skip

    n_free, n_defect = int(counts.free.sum()), int(counts.defect.sum())
    if not n_free or not n_defect or min(i10, i01) < 2:
        one = not n_free or not n_defect
        reason = one_class("a pixel metric", n_free, n_defect) + " pixels" if one else ONE_OBJECT
        return {name: finished(math.nan, math.nan, math.nan, "undefined", (reason,)) for name in PIXEL_METRICS}

    overlap, undefined = _overlap(histogram.select(keep), index[keep], len(ids))

    def statistics(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        values = counts.values(weights, end)
        return values if overlap is None else np.column_stack([values, overlap.values(weights)])

    values = statistics(np.ones((1, len(ids)), np.int64))[0]
    drawn, redrawn = resample(defective, statistics, n_resamples, 4 * counts.n_bins, generator(seed, "pixel"))
    jackknife = leave_one_out(statistics, len(ids), 4 * counts.n_bins)
    notes = _notes(defective, int(without_mask.sum()), redrawn)
    estimates = {}
    for k, name in enumerate(PIXEL_METRICS if overlap else _FROM_COUNTS):
        value, replicates = float(values[k]), drawn[:, k]
        own = _own_notes(name, counts, overlap, end) + notes
        se = float(replicates.std(ddof=1)) if len(replicates) > 1 else math.nan
        if not se > 1e-12:
            estimates[name] = finished(value, math.nan, math.nan, "degenerate",
                                       ("all resamples are equal: no interval", *own), se)  # fmt: skip
            continue
        low, high, more = bca_limits(value, replicates, jackknife[:, k], level, defective)
        status: Status = "degenerate" if redrawn > MAX_REDRAWN else "approximate"
        if not high > low:
            low, high, status = math.nan, math.nan, "degenerate"
            more = (*more, "no interval: too few distinct resamples")
        else:
            more += misses(value, low, high)
        estimates[name] = finished(value, low, high, status, (*more, *own), se)
    if overlap is None:
        estimates["aupimo"] = finished(math.nan, math.nan, math.nan, "undefined", (undefined,))
    return estimates


def _overlap(histogram: PixelHistogram, index: NDArray[np.int64], n_objects: int) -> tuple[OverlapCounts | None, str]:
    """Return what AUPIMO is made of, or None and why there is none."""
    try:
        return OverlapCounts(histogram, index, n_objects), ""
    except UndefinedError as error:
        return None, str(error)


class _Counts:
    """Counts per object and bin, sparse, and the metrics of any multiplicities of the objects."""

    def __init__(self, histogram: PixelHistogram, keep: NDArray[np.bool_], index: NDArray[np.int64],
                 n_objects: int) -> None:  # fmt: skip
        from scipy import sparse  # only where there are maps

        n_bins, free_bins, defect_bins = histogram.pooled(N_BINS, keep)
        images = histogram.images(keep)
        self.n_bins = n_bins
        shape = (n_objects, n_bins)
        free_rows = np.repeat(index, [len(i.free) for i in images])
        defect_rows = np.repeat(index, [len(i.defect) for i in images])

        def summed(values: list[NDArray[Any]], rows: NDArray[np.int64], columns: list[NDArray[np.int64]]) -> Any:
            data = np.concatenate([np.empty(0), *values]).astype(np.float64)
            at = (rows, np.concatenate([np.empty(0, np.int64), *columns]))
            return sparse.csr_matrix(sparse.coo_matrix((data, at), shape=shape))

        self.free = summed([i.n_free for i in images], free_rows, free_bins)
        self.defect = summed([i.n_defect for i in images], defect_rows, defect_bins)
        self.share = summed([i.share for i in images], defect_rows, defect_bins)
        self.n_regions = np.bincount(index, histogram.n_regions[keep], minlength=n_objects)

    @property
    def n_objects_defect(self) -> int:
        """Objects with a defect pixel."""
        return int((self.n_regions > 0).sum())

    @property
    def n_objects_free(self) -> int:
        """Objects with a defect-free pixel."""
        return int((np.diff(self.free.indptr) > 0).sum())

    def values(self, weights: NDArray[np.int64], max_fpr: float) -> NDArray[np.float64]:
        """Return the metrics in the order of ``PIXEL_METRICS``, shape (b, 4), for multiplicities (b, G)."""
        w = weights.astype(np.float64)
        # Highest scores first from here on.
        n, p, r = (np.asarray(w @ side)[:, ::-1] for side in (self.free, self.defect, self.share))
        fp, tp = np.cumsum(n, axis=1), np.cumsum(p, axis=1)
        all_n, all_p, regions = fp[:, -1:], tp[:, -1:], (w @ self.n_regions)[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            auroc = 1 - (p * (fp - n / 2)).sum(1) / (all_n * all_p)[:, 0]
            called = tp + fp
            precision = tp / np.where(called > 0, called, 1)
            average_precision = (p * precision).sum(1) / all_p[:, 0]
            f1 = (2 * tp / (called + all_p)).max(1)
            x, y = fp / all_n, np.cumsum(r, axis=1) / regions
            width, rise = n / all_n, r / regions
            inside = np.clip(max_fpr - (x - width), 0, width)  # part of each step before the end of the range
            slope = np.where(width > 0, rise / np.where(width > 0, width, 1), 0.0)
            aupro = (inside * (y - rise + slope * inside / 2)).sum(1) / max_fpr
        return np.column_stack([auroc, average_precision, aupro, f1])

    def tie_error(self) -> float:
        """Return by how much binning can move the AUROC: half the chance that two pixels share a bin."""
        n, p = (np.asarray(side.sum(0)).ravel() for side in (self.free, self.defect))
        return float((n * p).sum() / (2 * n.sum() * p.sum()))

    def overlap_error(self, max_fpr: float) -> float:
        """Return by how much binning can move AUPRO: see :func:`~protocols.pixel_stream.aupro_streamed`."""
        n, share = (np.asarray(side.sum(0)).ravel()[::-1] for side in (self.free, self.share))
        high = np.cumsum(n) / n.sum()
        most, least = (np.maximum(max_fpr - edge, 0.0) @ share for edge in (high - n / n.sum(), high))
        value = self.values(np.ones((1, len(self.n_regions)), np.int64), max_fpr)[0, _FROM_COUNTS.index("aupro")]
        scale = self.n_regions.sum() * max_fpr
        return float(max(most / scale - value, value - least / scale))


def _own_notes(name: str, counts: _Counts, overlap: OverlapCounts | None, end: float) -> tuple[str, ...]:
    if name == "f1_max":
        return ("apparent: the threshold is chosen on the same pixels", f"{counts.n_bins} score bins")
    if name == "auroc":
        return (f"{counts.n_bins} score bins: off by at most {counts.tie_error():.2g}",)
    if name == "aupro":
        return (f"{counts.n_bins} score bins: off by at most {counts.overlap_error(end):.2g}",)
    if name == "aupimo" and overlap is not None:
        error = float(overlap.errors(np.ones((1, len(counts.n_regions)), np.int64))[0])
        return (f"{overlap.n_bins} score bins: off by at most {error:.2g}", *overlap.notes)
    return (f"{counts.n_bins} score bins",)


def _notes(defective: NDArray[np.bool_], n_without_mask: int, redrawn: float) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    n_defective = int(defective.sum())
    n_good = len(defective) - n_defective
    if n_without_mask:
        notes += (f"{n_without_mask} anomalous images without a mask were left out",)
    notes += few_objects(n_good, n_defective)
    if redrawn > MAX_REDRAWN:
        notes += (f"{redrawn:.1%} of the resamples were undefined and redrawn",)
    return notes
