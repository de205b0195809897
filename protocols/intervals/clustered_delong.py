"""Obuchowski's interval: the AUROC of images that come in objects."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from protocols.errors import UndefinedError
from protocols.inputs import (
    admitted_rows,
    checked_fraction,
    checked_scores,
    doubts,
    need_both_classes,
    object_index,
    one_class,
)
from protocols.intervals.delong import auroc_limits, checked_scale, delong_variance
from protocols.intervals.satterthwaite import df_of_objects, df_of_units, satterthwaite_df
from protocols.results import Estimate
from protocols.roc import tie_notes

FEW_OBJECTS = 20
ONE_OBJECT = "cannot separate object effect from class: a class has fewer than two objects"


class ClusteredAuroc:
    """The AUROC of images in objects under many multiplicities of the objects at once.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    index
        Position of each image's object, shape (n,).
    n_objects
        Number of objects, G.
    """

    def __init__(self, labels: NDArray[np.int64], scores: NDArray[np.float64], index: NDArray[np.int64],
                 n_objects: int) -> None:  # fmt: skip
        self.n_objects = n_objects
        self._anomalous = _Side(scores[labels == 1], index[labels == 1], n_objects)
        self._nominal = _Side(scores[labels == 0], index[labels == 0], n_objects)

    @property
    def n_objects_anomalous(self) -> int:
        """Objects with an anomalous image, I10."""
        return int((self._anomalous.sizes > 0).sum())

    @property
    def n_objects_nominal(self) -> int:
        """Objects with a nominal image, I01."""
        return int((self._nominal.sizes > 0).sum())

    def variance(self, weights: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the AUROC and Obuchowski's variance under each row of multiplicities of objects.

        An object drawn w times counts as w objects. For one detector the variance is at least
        I/(I-1) sum((X_i - m_i A)/M + (Y_i - n_i A)/N)^2, since I10 and I01 are at most I; where it vanishes,
        rounding is cut off.

        Parameters
        ----------
        weights
            Shape (B, G).

        Returns
        -------
        tuple
            AUROC and variance, shape (B,); NaN where a class has no, or for the variance one, object.
        """
        x, y, total_m, total_n = self._sums(weights)
        m, n = self._anomalous.sizes, self._nominal.sizes
        with np.errstate(divide="ignore", invalid="ignore"):
            a = (weights * x).sum(1) / total_m
            dx, dy = x - m * a[:, None], y - n * a[:, None]
            i10, i01 = weights @ (m > 0), weights @ (n > 0)
            i = weights @ ((m > 0) | (n > 0))
            s10 = i10 / ((i10 - 1) * total_m) * (weights * dx**2).sum(1)
            s01 = i01 / ((i01 - 1) * total_n) * (weights * dy**2).sum(1)
            s11 = i / (i - 1) * (weights * dx * dy).sum(1)
            own, shared = s10 / total_m + s01 / total_n, 2 * s11 / (total_m * total_n)
            variance = np.where(np.abs(own + shared) <= 1e-12 * own, 0.0, own + shared)
        return a, np.where(np.minimum(i10, i01) >= 2, variance, np.nan)

    def df(self) -> float:
        """Return Satterthwaite's degrees of freedom of the variance, from what each object adds to it.

        Those of :func:`~protocols.intervals.satterthwaite.df_of_objects`, or of ``df_of_units`` where every image is
        its own object; NaN where the variance is 0 or a class has fewer than two objects.
        """
        x, y, total_m, total_n = self._sums(np.ones((1, self.n_objects), np.int64))
        m, n = self._anomalous.sizes, self._nominal.sizes
        a = float(x.sum() / total_m[0])
        deviations = (x[0] - m * a)[m > 0], (y[0] - n * a)[n > 0]
        if min(d.size for d in deviations) < 2:
            return math.nan
        each = df_of_units if int((m + n).max()) == 1 else df_of_objects
        parts = [d.size / (d.size - 1) * float((d**2).sum()) / float(total[0]) ** 2
                 for d, total in zip(deviations, (total_m, total_n), strict=True)]  # fmt: skip
        return satterthwaite_df(parts, [each(d) for d in deviations]) if sum(parts) > 0 else math.nan

    def leave_one_out(self) -> NDArray[np.float64]:
        """Return the AUROC without each object in turn, shape (G,); NaN where a class is then missing.

        By inclusion and exclusion of the object's pairs with the others, so O(n log n) altogether.
        """
        x, y, _, _ = self._sums(np.ones((1, self.n_objects), np.int64))
        m, n = self._anomalous.sizes, self._nominal.sizes
        p_all, n_all = int(m.sum()), int(n.sum())
        won = n_all * x[0].sum() - n_all * x[0] - p_all * y[0] + self._won_within()
        pairs = (p_all - m) * (n_all - n).astype(np.float64)
        return np.asarray(won / np.where(pairs > 0, pairs, np.nan))

    def _sums(self, weights: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64], Any, Any]:
        """Return X and Y, the sums of the placement values per object, (B, G), and the images of each class."""
        nominal, anomalous = self._nominal, self._anomalous
        below = nominal.cumulated(weights)  # (B, N + 1)
        total_n, above = below[:, -1], anomalous.cumulated(weights)
        total_m = above[:, -1]
        with np.errstate(divide="ignore", invalid="ignore"):
            v10 = nominal.counted(below, anomalous.scores) / (2.0 * total_n[:, None])
            v01 = 1 - anomalous.counted(above, nominal.scores) / (2.0 * total_m[:, None])
        return anomalous.summed(v10), nominal.summed(v01), total_m, total_n

    def _won_within(self) -> NDArray[np.float64]:
        """Return the pairs won by each object's anomalous images over its own nominal ones, shape (G,)."""
        won = np.zeros(self.n_objects)
        for g in np.flatnonzero((self._anomalous.sizes > 0) & (self._nominal.sizes > 0)):
            mine, own = self._anomalous.of(int(g)), np.sort(self._nominal.of(int(g)))
            won[g] = (np.searchsorted(own, mine, "left") + np.searchsorted(own, mine, "right")).sum() / 2
        return won


class _Side:
    """The images of one class, sorted by object, with the order by score beside it."""

    def __init__(self, scores: NDArray[np.float64], index: NDArray[np.int64], n_objects: int) -> None:
        by_object = np.argsort(index, kind="stable")
        self.scores, self.index = scores[by_object], index[by_object]
        self.sizes = np.bincount(index, minlength=n_objects)
        self._objects = np.flatnonzero(self.sizes)
        self._starts = np.concatenate([[0], np.cumsum(self.sizes)])[self._objects]
        self._order = np.argsort(self.scores, kind="stable")
        self._ranked = self.scores[self._order]

    def of(self, g: int) -> NDArray[np.float64]:
        """Return the scores of object g."""
        first = int(self.sizes[:g].sum())
        return self.scores[first : first + int(self.sizes[g])]

    def cumulated(self, weights: NDArray[Any]) -> NDArray[Any]:
        """Return the weight of the k lowest scores, shape (B, count + 1)."""
        mine = weights[:, self.index[self._order]]
        return np.concatenate([np.zeros((len(weights), 1), mine.dtype), np.cumsum(mine, axis=1)], axis=1)

    def counted(self, cumulated: NDArray[Any], against: NDArray[np.float64]) -> NDArray[Any]:
        """Return twice the weight below each of these scores, ties half, shape (B, len(against))."""
        left = np.searchsorted(self._ranked, against, "left")
        right = np.searchsorted(self._ranked, against, "right")
        return np.asarray(cumulated[:, left] + cumulated[:, right])

    def summed(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums per object, shape (B, G), of values an image, shape (B, count)."""
        sums = np.zeros((len(values), len(self.sizes)))
        if len(self._objects):
            sums[:, self._objects] = np.add.reduceat(values, self._starts, axis=1)
        return sums


def clustered_delong_interval(labels: ArrayLike, scores: ArrayLike, objects: Iterable[Any], *, level: float = 0.95,
                              scale: str = "logit", small_sample: bool = False, nan_policy: str = "error",
                              inf_policy: str = "error") -> Estimate:  # fmt: skip
    r"""AUROC of images with an interval that counts objects, not images [1]_.

    With :math:`X_i, Y_i` the sums of the placement values over the :math:`m_i` anomalous and :math:`n_i` nominal
    images of object i: :math:`S_{10} = \frac{I_{10}}{(I_{10}-1) M} \sum (X_i - m_i A)^2`, :math:`S_{01}` alike,
    :math:`S_{11} = \frac{I}{I-1} \sum (X_i - m_i A)(Y_i - n_i A)`,
    :math:`Var(A) = S_{10}/M + S_{01}/N + 2 S_{11}/(MN)`. One image an object gives DeLong's variance. With fewer
    than 20 objects in a class the quantile is Student's with min(I10, I01) - 1 degrees of freedom. A variance that
    is not positive gives way to the cluster bootstrap, status ``degenerate``.

    That quantile counts objects as if they were equal and their placement values normal. Where a few objects have
    most of the views, or a high AUROC hangs on rare hard objects, the interval covers less than it says; with
    ``small_sample`` it does not (docs/coverage.md).

    Parameters
    ----------
    labels, scores
        Shape (n,).
    objects
        Object ids, shape (n,).
    level
        Confidence level.
    scale
        ``logit`` or ``identity`` (Wald, clipped).
    small_sample
        Student's quantile whatever the number of objects, with Satterthwaite's degrees of freedom: of each class
        those of the objects that carry its part of the variance,
        :math:`1.3 (\sum d^2)^2 / \sum d^4 - 1` with :math:`d_i = X_i - m_i A`. The rows of the protocols use it.
    nan_policy
        ``error``, or ``drop``: leave out rows whose score is NaN; the notes count them by class.
    inf_policy
        ``error``, or ``rank``: infinite scores are the lowest and the highest.

    Returns
    -------
    Estimate
        ``n_objects_*`` are the objects with an image of that class. ``undefined`` with one class, or with fewer
        than two objects in a class.

    Raises
    ------
    InputError
        The arrays are wrong, a score is not finite (code ``NonFiniteScore``), or level or scale is not known.

    References
    ----------
    .. [1] Obuchowski (1997), Nonparametric analysis of clustered ROC curve data.

    Examples
    --------
    >>> labels, scores = [1, 1, 0, 1, 0, 0, 0, 0], [0.9, 0.6, 0.5, 0.7, 0.8, 0.2, 0.3, 0.4]
    >>> e = clustered_delong_interval(labels, scores, list("AAABBCCD"))
    >>> round(e.value, 6), round(e.se**2, 7)
    (0.866667, 0.0307358)
    """
    rows = admitted_rows(labels, scores, nan_policy=nan_policy, inf_policy=inf_policy)
    ids, index = object_index(rows.of(objects, "objects"), len(rows.labels))
    checked_fraction(level, "level")
    estimate = _interval(rows.labels, rows.scores, index, len(ids), level, checked_scale(scale), small_sample)
    return replace(estimate, notes=(*estimate.notes, *rows.notes))


def _interval(y: NDArray[np.int64], s: NDArray[np.float64], index: NDArray[np.int64], n_objects: int, level: float,
              scale: str, small_sample: bool) -> Estimate:  # fmt: skip
    """Return the interval of checked rows."""
    method = f"Obuchowski, {scale}"
    clustered = ClusteredAuroc(y, s, index, n_objects)
    n_anomalous, i10, i01 = int(y.sum()), clustered.n_objects_anomalous, clustered.n_objects_nominal
    n_nominal = len(y) - n_anomalous
    if not n_anomalous or not n_nominal:
        return Estimate.undefined(one_class("AUROC", n_nominal, n_anomalous), level=level, method=method,
                                  n_nominal=n_nominal, n_anomalous=n_anomalous, n_objects_nominal=i01,
                                  n_objects_anomalous=i10)  # fmt: skip
    auc, var = clustered.variance(np.ones((1, n_objects), np.int64))
    value, variance = float(auc[0]), float(var[0])
    if min(i10, i01) < 2:
        return Estimate.undefined(f"{ONE_OBJECT} (anomalous: {i10}, nominal: {i01}); AUROC is {value!r}", level=level,
                                  method=method, n_nominal=n_nominal, n_anomalous=n_anomalous, n_objects_nominal=i01,
                                  n_objects_anomalous=i10)  # fmt: skip
    if variance <= 0 and 0 < value < 1:
        ranks = np.unique(s, return_inverse=True)[1].astype(np.float64)  # the same AUROC, and all finite
        return _bootstrapped(y, ranks, index, level)
    se = math.sqrt(variance)
    quantile = float(special.ndtri((1 + level) / 2))
    notes: tuple[str, ...] = (*doubts(s), *tie_notes(y, s))
    few = min(i10, i01) < FEW_OBJECTS
    df = clustered.df() if small_sample and se > 0 else min(i10, i01) - 1.0
    if few or small_sample:
        quantile = float(special.stdtrit(df, (1 + level) / 2))
        method += ", t" if small_sample else ""
    if few:
        notes = (f"few objects ({i10} anomalous, {i01} nominal): t quantile with {df:.3g} df", *notes)
    low, high, status, more = auroc_limits(value, se, quantile, level, scale, min(i10, i01), "objects")
    return Estimate(value, low, high, level, method, status, n_nominal, n_anomalous, i01, i10, (*more, *notes), se)


def design_effect(labels: ArrayLike, scores: ArrayLike, objects: Iterable[Any]) -> float:
    """How many times too small the variance is when views count as independent: Obuchowski's over DeLong's.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    objects
        Object ids, shape (n,).

    Returns
    -------
    float
        Above 0; 1 where views are as good as objects.

    Raises
    ------
    UndefinedError
        A class is missing, has fewer than two objects, or a variance is not positive.

    References
    ----------
    Kish (1965), Survey sampling; the variances: Obuchowski (1997), Nonparametric analysis of clustered ROC curve data.

    Examples
    --------
    >>> labels, scores = [1, 1, 0, 1, 0, 0, 0, 0], [0.9, 0.6, 0.5, 0.7, 0.8, 0.2, 0.3, 0.4]
    >>> round(design_effect(labels, scores, list("AAABBCCD")), 4)
    1.3831
    """
    y, s = checked_scores(labels, scores)
    need_both_classes(y, "the design effect")
    ids, index = object_index(objects, len(y))
    clustered = float(ClusteredAuroc(y, s, index, len(ids)).variance(np.ones((1, len(ids)), np.int64))[1][0])
    independent = delong_variance(y, s)
    if math.isnan(clustered):
        raise UndefinedError(f"the design effect {ONE_OBJECT}")
    if not (independent > 1e-24 and clustered > 0):
        raise UndefinedError(f"the design effect needs positive variances; got {clustered:.4g} with objects and "
                             f"{independent:.4g} without")  # fmt: skip
    return clustered / independent


def _bootstrapped(y: NDArray[np.int64], s: NDArray[np.float64], index: NDArray[np.int64], level: float) -> Estimate:
    """Return the cluster bootstrap's interval instead of that of a variance of 0 (or less)."""
    from protocols.intervals.bootstrap import bootstrap_interval  # it needs the variance above

    e = bootstrap_interval(y, s, objects=index, level=level)
    notes = ("Obuchowski's variance is not positive: cluster bootstrap instead", *e.notes)
    return replace(e, status="undefined" if e.status == "undefined" else "degenerate", notes=notes)
