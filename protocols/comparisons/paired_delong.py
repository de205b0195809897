"""The paired DeLong test and its clustered form: two detectors' AUROCs on the same images."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from protocols.errors import InputError
from protocols.inputs import checked_fraction, checked_scores, doubts, object_index, one_class
from protocols.intervals.clustered_delong import FEW_OBJECTS, ONE_OBJECT
from protocols.intervals.delong import placement_values
from protocols.intervals.satterthwaite import df_of_objects, df_of_units, satterthwaite_df
from protocols.results import TestResult

ALTERNATIVES = ("two-sided", "greater", "less")
VERY_FEW = 10
EQUAL_RANKS = "every image stands equally under both detectors: the difference is 0 and has no variance"


def delong_test(labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, *, objects: Iterable[Any] | None = None,
                alternative: str = "two-sided", level: float = 0.95, small_sample: bool = False
                ) -> TestResult:  # fmt: skip
    r"""Test whether two detectors have the same AUROC on the same images.

    Independent images [1]_: with the covariances of the placement values V10 (of the P anomalous images) and V01 (of
    the N nominal ones) of both detectors, :math:`Var(A_1 - A_2) = L (S_{10}/P + S_{01}/N) L'`, :math:`L = (1, -1)`,
    and :math:`z = (A_1 - A_2) / se` is standard normal.

    Images in objects [2]_: with X_i, Y_i the sums of V10 and V01 over the m_i anomalous and n_i nominal images of
    object i, :math:`Cov(A_1, A_2) = S_{10}^{12}/M + S_{01}^{12}/N + (S_{11}^{12} + S_{11}^{21})/(MN)`, where
    :math:`S_{10}^{12} = \frac{I_{10}}{(I_{10}-1) M} \sum (X_i^1 - m_i A_1)(X_i^2 - m_i A_2)`, S01 alike and
    :math:`S_{11}^{12} = \frac{I}{I-1} \sum (X_i^1 - m_i A_1)(Y_i^2 - n_i A_2)`. One image an object gives the
    variance above. With fewer than 20 objects in a class the p value and the interval are Student's with
    min(I10, I01) - 1 degrees of freedom, so that ``objects`` naming every image apart differs from no ``objects`` in
    these only: without them the normal distribution is used throughout, as published.

    Both are computed from the differences of the placement values, which is the same and loses no digits.

    Parameters
    ----------
    labels, scores_a, scores_b
        Shape (n,). The detectors' scales need not be the same: ranks within each detector decide.
    objects
        Object ids, shape (n,). None: every image is independent.
    alternative
        ``two-sided``, or that a - b is ``greater`` or ``less`` than 0. The interval is one-sided to match: it then
        ends at 1 or at -1.
    level
        Confidence level of the interval, Wald's, clipped to [-1, 1].
    small_sample
        Student's distribution whatever the number of objects, with Satterthwaite's degrees of freedom from what each
        object (image) adds to the variance, as in
        :func:`~protocols.intervals.clustered_delong.clustered_delong_interval`. Of use where 20 objects or more are
        of very unequal sizes: with 20 to 30 of 1 to 60 views, most of few, the normal distribution rejects in up to
        8 % of the cases instead of 5 %. A note says where.

    Returns
    -------
    TestResult
        ``statistic`` is z, or t with ``df``. ``undefined``: a class is missing or has fewer than two images or
        objects. ``degenerate``: the variance is 0 (p is 1 for a difference of 0, else NaN; no interval); where only
        the clustered terms cancel, the cluster bootstrap takes over.

    Raises
    ------
    InputError
        The alternative is not known, or the arrays are wrong.

    References
    ----------
    .. [1] DeLong, DeLong & Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
       characteristic curves: a nonparametric approach. Computation: Sun & Xu (2014), Fast implementation of DeLong's
       algorithm.
    .. [2] Obuchowski (1997), Nonparametric analysis of clustered ROC curve data.

    Examples
    --------
    >>> r = delong_test([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4], [1, 1, 3, 2, 3, 2, 5])
    >>> round(r.difference, 7), round(r.statistic, 6), round(r.p_value, 6)
    (-0.0416667, -0.180579, 0.856698)
    """
    y, a, b = checked_pair(labels, scores_a, scores_b)
    checked_fraction(level, "level")
    if alternative not in ALTERNATIVES:
        raise InputError("alternative", alternative, f"one of {', '.join(ALTERNATIVES)}", "Correct the value.")
    method = "paired DeLong" if objects is None else "paired Obuchowski (clustered DeLong)"
    nan, p_images = math.nan, int(y.sum())
    n_images = len(y) - p_images
    index = None if objects is None else object_index(objects, len(y))[1]
    if not p_images or not n_images:
        reason = one_class("AUROC", n_images, p_images)
        return TestResult(nan, nan, nan, level, nan, nan, nan, method, "undefined", (reason,))
    v10, v01 = _placement_differences(y, a, b)
    difference = float(v10.mean())
    i10, i01 = (p_images, n_images) if index is None else (_distinct(index[y == 1]), _distinct(index[y == 0]))
    if min(i10, i01) < 2:
        reason = ONE_OBJECT if index is not None else "DeLong's variance needs two images a class"
        reason += f" (anomalous: {i10}, nominal: {i01})"
        return TestResult(difference, nan, nan, level, nan, nan, nan, method, "undefined", (reason,))
    notes = pair_doubts(a, b)
    spread = _spread(v10, v01) if index is None else _clustered_spread(v10, v01, y, index)
    if spread.vanishes:
        return _without_variance(difference, level, method, notes)
    if spread.variance <= 0:
        return _bootstrapped(y, a, b, index, alternative, level)
    few = min(i10, i01) < FEW_OBJECTS
    df = spread.df if small_sample else min(i10, i01) - 1.0 if few and index is not None else nan
    notes = (*_cautions(i10, i01, df, spread.effective, index is not None), *notes)
    method += ", t" if small_sample else ""
    statistic, se = difference / math.sqrt(spread.variance), math.sqrt(spread.variance)
    low, high = _limits(difference, se, df, alternative, level)
    p = _p_value(statistic, df, alternative)
    return TestResult(difference, low, high, level, statistic, df, p, method, "ok", notes)


def checked_pair(labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike
                 ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    """Return labels as int64 and both detectors' scores as float64; a fault names the detector."""
    y, a = named_scores(labels, scores_a, "scores_a")
    return y, a, named_scores(y, scores_b, "scores_b")[1]


def named_scores(labels: ArrayLike, scores: ArrayLike, name: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return labels and scores as :func:`~protocols.inputs.checked_scores`; its errors call the scores by name."""
    try:
        return checked_scores(labels, scores)
    except InputError as error:
        where, *rest = error.args
        raise InputError(re.sub("^scores", name, where), *rest) from None


def pair_doubts(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[str, ...]:
    """Return notes on the scores of each detector."""
    return (*(f"scores_a: {note}" for note in doubts(a)), *(f"scores_b: {note}" for note in doubts(b)))


def _placement_differences(y: NDArray[np.int64], a: NDArray[np.float64], b: NDArray[np.float64]
                           ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    (a10, a01), (b10, b01) = placement_values(y, a), placement_values(y, b)
    return a10 - b10, a01 - b01


@dataclass(frozen=True)
class _Spread:
    """The variance of the difference and what it is made of.

    Parameters
    ----------
    variance
        0 where the terms cancel but for rounding.
    deviations
        What each unit of a class adds, from its expectation: anomalous, nominal.
    parts
        The variance's parts from each class.
    vanishes
        Whether no deviation is more than rounding.
    effective
        Units of the smaller class, in units of equal size.
    clustered
        Whether the units are objects of several images.
    """

    variance: float
    deviations: tuple[NDArray[np.float64], NDArray[np.float64]]
    parts: tuple[float, float]
    vanishes: bool
    effective: float
    clustered: bool = False

    @property
    def df(self) -> float:
        """Satterthwaite's degrees of freedom."""
        each = df_of_objects if self.clustered else df_of_units
        return satterthwaite_df(self.parts, [each(d) for d in self.deviations])


def _spread(v10: NDArray[np.float64], v01: NDArray[np.float64]) -> _Spread:
    """Return the spread of independent images."""
    s10, s01 = float(v10.var(ddof=1)), float(v01.var(ddof=1))
    parts = s10 / len(v10), s01 / len(v01)
    # Placement values are multiples of 1/(2n): what varies, varies by far more than this.
    vanishes = max(s10, s01) <= 1e-26
    return _Spread(sum(parts), (v10 - v10.mean(), v01 - v01.mean()), parts, vanishes, float(min(len(v10), len(v01))))


def _clustered_spread(v10: NDArray[np.float64], v01: NDArray[np.float64], y: NDArray[np.int64],
                      index: NDArray[np.int64]) -> _Spread:  # fmt: skip
    """Return the spread of images in objects.

    As for one detector, Obuchowski's variance is at least I/(I-1) times the sum of squares of
    (X_i - m_i d)/M + (Y_i - n_i d)/N, d the difference, hence never negative; where S11 cancels the others, rounding
    is cut off.
    """
    n_objects = int(index.max()) + 1
    m, n = (np.bincount(index[y == c], minlength=n_objects) for c in (1, 0))
    x, z = (np.bincount(index[y == c], v, n_objects) for c, v in ((1, v10), (0, v01)))
    difference = float(v10.mean())
    dx, dz = x - m * difference, z - n * difference
    total_m, total_n, i10, i01 = len(v10), len(v01), int((m > 0).sum()), int((n > 0).sum())
    s10 = i10 / ((i10 - 1) * total_m) * float(dx @ dx)
    s01 = i01 / ((i01 - 1) * total_n) * float(dz @ dz)
    s11 = n_objects / (n_objects - 1) * float(dx @ dz)
    parts, shared = (s10 / total_m, s01 / total_n), 2 * s11 / (total_m * total_n)
    total = sum(parts) + shared
    vanishes = bool((np.abs(dx) <= 1e-12 * m).all() and (np.abs(dz) <= 1e-12 * n).all())
    effective = min(float(c.sum()) ** 2 / float((c.astype(np.float64) ** 2).sum()) for c in (m, n))
    return _Spread(total if abs(total) > 1e-12 * sum(parts) else 0.0, (dx[m > 0], dz[n > 0]), parts, vanishes,
                   effective, int((m + n).max()) > 1)  # fmt: skip


def _without_variance(difference: float, level: float, method: str, notes: tuple[str, ...]) -> TestResult:
    nan = math.nan
    if abs(difference) <= 1e-12:
        return TestResult(0.0, nan, nan, level, 0.0, nan, 1.0, method, "degenerate", (EQUAL_RANKS, *notes))
    note = f"the difference is {difference:.6g} for every image: no variance to test by"
    return TestResult(difference, nan, nan, level, nan, nan, nan, method, "degenerate", (note, *notes))


def _cautions(i10: int, i01: int, df: float, effective: float, clustered: bool) -> tuple[str, ...]:
    """Return notes on few units in a class and on objects of very unequal sizes."""
    least, counted = min(i10, i01), f"{i10} anomalous, {i01} nominal"
    notes: tuple[str, ...] = ()
    if least < FEW_OBJECTS and clustered:
        notes = (f"few objects ({counted}): t quantile with {df:.3g} df",)
    elif least < FEW_OBJECTS and math.isnan(df):
        notes = (f"few images ({counted}): give objects, if only the images' ids, for t quantiles",)
    elif effective < FEW_OBJECTS and math.isnan(df):
        notes = (f"objects of very unequal sizes ({counted}) count as {effective:.0f}: see small_sample",)
    if least < VERY_FEW:
        notes += (f"below {VERY_FEW} in a class neither the p value nor the interval can be relied on",)
    return notes


def _limits(difference: float, se: float, df: float, alternative: str, level: float) -> tuple[float, float]:
    tail = (1 - level) / 2 if alternative == "two-sided" else 1 - level
    half = -se * float(special.ndtri(tail) if math.isnan(df) else special.stdtrit(df, tail))
    low = -1.0 if alternative == "less" else max(difference - half, -1.0)
    return low, 1.0 if alternative == "greater" else min(difference + half, 1.0)


def _p_value(statistic: float, df: float, alternative: str) -> float:
    toward = {"two-sided": -abs(statistic), "greater": -statistic, "less": statistic}[alternative]
    tail = float(special.ndtr(toward) if math.isnan(df) else special.stdtr(df, toward))
    return 2 * tail if alternative == "two-sided" else tail


def _bootstrapped(y: NDArray[np.int64], a: NDArray[np.float64], b: NDArray[np.float64],
                  index: NDArray[np.int64] | None, alternative: str, level: float) -> TestResult:  # fmt: skip
    """Return the cluster bootstrap's test instead of one with a variance of 0 (or less)."""
    from .paired_bootstrap import compared  # it needs the checks above

    r = compared(y, a, b, index, "auroc", 2000, 0, level, alternative)
    notes = ("Obuchowski's variance of the difference is not positive: cluster bootstrap instead", *r.notes)
    return replace(r, status="undefined" if r.status == "undefined" else "degenerate", notes=notes)


def _distinct(index: NDArray[np.int64]) -> int:
    return int(np.count_nonzero(np.bincount(index)))
