"""The paired bootstrap: two detectors under the same draws of whole objects."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from protocols.inputs import Seed, checked_fraction, one_class
from protocols.intervals.bootstrap import Metric, checked_resamples, object_replicator, resample
from protocols.intervals.clustered_delong import ONE_OBJECT
from protocols.intervals.draws import MAX_REDRAWN, few_objects, generator
from protocols.results import Status, TestResult

from .paired_delong import checked_pair, pair_doubts
from .paired_objects import paired_objects


def bootstrap_test(labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, *,
                   objects: Iterable[Any] | None = None, metric: Metric = "auroc", n_resamples: int = 2000,
                   seed: Seed = 0, level: float = 0.95) -> TestResult:  # fmt: skip
    r"""Test whether two detectors have the same metric, by drawing objects with replacement.

    Defective and good objects are drawn separately, each to their own number; both detectors are judged on the same
    draws, and :math:`d^*_1, \ldots, d^*_B` are the differences. The interval is the percentile interval, with the
    tails taken further out to make up for what few objects lose: at :math:`\Phi(t_{n-1,\alpha/2} \sqrt{n/(n-1)})`,
    n the objects of the smaller class, in place of :math:`\alpha/2` [1]_; the two agree for many objects. The p value
    inverts it: with :math:`q = (1 + \min(\#\{d^* \le 0\}, \#\{d^* \ge 0\})) / (B + 1)`, never 0,
    :math:`p = 2 T_{n-1}(\Phi^{-1}(q) \sqrt{(n-1)/n})`, at most 1.

    Parameters
    ----------
    labels, scores_a, scores_b
        Shape (n,).
    objects
        Object ids, shape (n,). None: every image is its own object.
    metric
        ``auroc``, ``average_precision``, or a callable ``(labels, scores, weights) -> float`` as in
        :func:`~protocols.intervals.bootstrap.bootstrap_interval`.
    n_resamples
        Replicates, B.
    seed
        As in :func:`~protocols.intervals.bootstrap.bootstrap_interval`.
    level
        Confidence level of the interval.

    Returns
    -------
    TestResult
        ``statistic`` is the difference over the standard deviation of the replicates, to show: p does not use it.
        ``degenerate``: more than 5 % redraws, or replicates that do not vary (p is 1 where all differences are 0,
        else NaN; no interval). ``undefined``: a class is missing or has fewer than two objects, or the metric does
        not exist on these data.

    Raises
    ------
    InputError
        The metric is not known, or the arrays are wrong.

    References
    ----------
    .. [1] Hesterberg (2015), What teachers should know about the bootstrap, section 4.3 (expanded percentile
       interval). Efron & Tibshirani (1993), An Introduction to the Bootstrap. Field & Welsh (2007), Bootstrapping
       clustered data.

    Examples
    --------
    >>> labels, objects = [1, 1, 0, 1, 0, 0, 0, 0], list("AAABBCCD")
    >>> a, b = [0.9, 0.6, 0.5, 0.7, 0.8, 0.2, 0.3, 0.4], [0.3, 0.9, 0.4, 0.8, 0.7, 0.1, 0.6, 0.2]
    >>> r = bootstrap_test(labels, a, b, objects=objects, n_resamples=200)
    >>> round(r.difference, 6), r.low < r.difference < r.high, 0 < r.p_value <= 1
    (0.066667, True, True)
    """
    y, a, b = checked_pair(labels, scores_a, scores_b)
    checked_fraction(level, "level")
    return compared(y, a, b, objects, metric, checked_resamples("percentile", n_resamples), seed, level, "two-sided")


def compared(y: NDArray[np.int64], a: NDArray[np.float64], b: NDArray[np.float64], objects: Iterable[Any] | None,
             metric: Metric, n_resamples: int, seed: Seed, level: float, alternative: str) -> TestResult:  # fmt: skip
    """Return the test of checked arrays against one of the alternatives of ``delong_test``.

    Parameters
    ----------
    y, a, b
        Labels and scores, shape (n,).
    objects
        Object ids, shape (n,); None: every image is its own.
    metric, n_resamples, seed, level
        As in :func:`bootstrap_test`.
    alternative
        ``two-sided``, ``greater`` or ``less``; one-sided intervals end at 1 or at -1 for the AUROC.
    """
    nan = math.nan
    defective, index = paired_objects(y, a, b, objects)
    n_objects = len(defective)
    name, weighted_a, size = object_replicator(metric, y, a, index, n_objects)
    weighted_b = object_replicator(metric, y, b, index, n_objects)[1]
    method = f"paired object bootstrap of {name}, expanded percentile, {n_resamples} resamples"

    def undefined(difference: float, reason: str) -> TestResult:
        return TestResult(difference, nan, nan, level, nan, nan, nan, method, "undefined", (reason,))

    n_anomalous = int(y.sum())
    if not n_anomalous or n_anomalous == len(y):
        return undefined(nan, one_class(name, len(y) - n_anomalous, n_anomalous))
    ones = np.ones((1, n_objects), np.int64)
    difference = float(weighted_a(ones)[0] - weighted_b(ones)[0])
    if math.isnan(difference):
        return undefined(nan, f"{name} is undefined on these data")
    i10, i01 = (len(np.unique(index[y == c])) for c in (1, 0))
    if min(i10, i01) < 2:
        return undefined(difference, f"{ONE_OBJECT} (anomalous: {i10}, nominal: {i01})")

    def differences(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        return (weighted_a(weights) - weighted_b(weights))[:, None]

    drawn, redrawn = resample(defective, differences, n_resamples, size, generator(seed, name))
    replicates = drawn[:, 0]
    notes = (*few_objects(int((~defective).sum()), int(defective.sum())), *pair_doubts(a, b))
    if len(replicates) < 2:
        return undefined(difference, f"{name} is undefined in nearly all resamples; the difference is {difference!r}")
    if float(np.ptp(replicates)) <= 1e-12 and abs(float(replicates[0]) - difference) <= 1e-12:
        same = abs(difference) <= 1e-12
        note = f"all resamples have the difference {0.0 if same else difference:.6g}: no interval"
        return TestResult(0.0 if same else difference, nan, nan, level, 0.0 if same else nan, nan,
                          1.0 if same else nan, method, "degenerate", (note, *notes))  # fmt: skip
    status: Status = "ok"
    if redrawn > MAX_REDRAWN:
        status, notes = "degenerate", (f"{redrawn:.1%} of the resamples were undefined and redrawn", *notes)
    df = min(i10, i01) - 1
    low, high = _limits(replicates, df, level, alternative)
    if not high > low:
        low = high = nan
        status, notes = "degenerate", ("the replicates hardly vary: no interval", *notes)
    p, least = _p_value(replicates, df, alternative), _inverted(1 / (len(replicates) + 1), df, alternative)
    if least > 1 - level:
        notes = (f"{df + 1} objects in a class and {n_resamples} resamples have no p below {least:.2g}", *notes)
    statistic = difference / float(replicates.std(ddof=1))
    return TestResult(difference, low, high, level, statistic, nan, p, method, status, notes)


def _limits(replicates: NDArray[np.float64], df: int, level: float, alternative: str) -> tuple[float, float]:
    tail = (1 - level) / 2 if alternative == "two-sided" else 1 - level
    tail = float(special.ndtr(special.stdtrit(df, tail) * math.sqrt((df + 1) / df)))
    low, high = (float(q) for q in np.quantile(replicates, [tail, 1 - tail]))
    return -1.0 if alternative == "less" else low, 1.0 if alternative == "greater" else high


def _p_value(replicates: NDArray[np.float64], df: int, alternative: str) -> float:
    total = len(replicates)
    below = (1 + int((replicates <= 1e-12).sum())) / (total + 1)
    above = (1 + int((replicates >= -1e-12).sum())) / (total + 1)
    share = {"two-sided": min(below, above), "greater": below, "less": above}[alternative]
    return _inverted(share, df, alternative)


def _inverted(share: float, df: int, alternative: str) -> float:
    """Return the p value of a share of the replicates on the wrong side."""
    p = float(special.stdtr(df, special.ndtri(share) * math.sqrt(df / (df + 1)))) if share < 1 else 1.0
    return min(2 * p, 1.0) if alternative == "two-sided" else p
