"""The ROC curve and what is read from it: partial areas, bounds under ties, real operating points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .inputs import checked_fraction, weighted_rows


class RocCurve(NamedTuple):
    """Vertices of the empirical ROC curve from (0, 0) to (1, 1), one a distinct score; ``thresholds[0]`` is inf."""

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def roc_curve(labels: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None, nan_policy: str = "error",
              inf_policy: str = "error") -> RocCurve:  # fmt: skip
    """Return the ROC curve: FP/N and TP/P of ``score >= threshold``; collinear vertices are kept.

    Tied images enter together, whatever their class. Above a score of inf there is no threshold: the first vertex,
    (0, 0), is then only the beginning of the curve.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    weights
        Shape (n,), 0 or more.
    nan_policy, inf_policy
        ``error``; or ``drop`` rows whose score is NaN, and ``rank`` infinite scores as lowest and highest.

    Returns
    -------
    RocCurve
        Arrays of shape (distinct scores + 1,), thresholds falling.

    Raises
    ------
    UndefinedError
        A class is missing.
    InputError
        Labels are not 0/1, scores are not finite (code ``NonFiniteScore``), or the lengths differ.

    References
    ----------
    Fawcett (2006), An introduction to ROC analysis, algorithm 1.

    Examples
    --------
    >>> curve = roc_curve([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> curve.fpr.round(2).tolist(), curve.tpr.round(4).tolist()
    ([0.0, 0.0, 0.25, 0.75, 1.0], [0.0, 0.3333, 0.6667, 1.0, 1.0])
    """
    y, s, w = weighted_rows(labels, scores, weights, "the ROC curve", nan_policy, inf_policy)
    distinct, group = np.unique(s, return_inverse=True)
    caught = np.cumsum(np.bincount(group, w * y)[::-1])
    rejected = np.cumsum(np.bincount(group, w * (1 - y))[::-1])
    return RocCurve(
        np.concatenate([[0.0], rejected / rejected[-1]]),
        np.concatenate([[0.0], caught / caught[-1]]),
        np.concatenate([[np.inf], distinct[::-1]]),
    )


def partial_auroc(labels: ArrayLike, scores: ArrayLike, *, max_fpr: float, standardised: bool = False,
                  weights: ArrayLike | None = None, nan_policy: str = "error", inf_policy: str = "error"
                  ) -> float:  # fmt: skip
    r"""Area under the ROC curve for false positive rates up to ``max_fpr`` (trapezoid, linear at the end).

    Parameters
    ----------
    labels, scores
        Shape (n,).
    max_fpr
        The end :math:`m` of the range, in (0, 1].
    standardised
        Map the area :math:`A` to 0.5 (chance) ... 1 (perfect) [1]_:
        :math:`\frac12 (1 + (A - m^2/2) / (m - m^2/2))`.
    weights
        Shape (n,), 0 or more.
    nan_policy, inf_policy
        ``error``; or ``drop`` rows whose score is NaN, and ``rank`` infinite scores as lowest and highest.

    Returns
    -------
    float
        From 0 to m, or standardised at most 1; below 0.5 if worse than chance.

    Raises
    ------
    UndefinedError
        A class is missing.
    InputError
        ``max_fpr`` is not in (0, 1], or the arrays are wrong.

    References
    ----------
    .. [1] McClish (1989), Analyzing a portion of the ROC curve, equation 5.

    Examples
    --------
    >>> labels, scores = [0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4]
    >>> partial_auroc(labels, scores, max_fpr=0.5)
    0.3125
    >>> partial_auroc(labels, scores, max_fpr=0.5, standardised=True)
    0.75
    """
    m = checked_fraction(max_fpr, "max_fpr", closed=True)
    if m == 0:
        checked_fraction(max_fpr, "max_fpr")
    curve = roc_curve(labels, scores, weights=weights, nan_policy=nan_policy, inf_policy=inf_policy)
    area = area_up_to(curve.fpr, curve.tpr, m)
    return 0.5 * (1 + (area - m * m / 2) / (m - m * m / 2)) if standardised else area


def area_up_to(x: NDArray[np.float64], y: NDArray[np.float64], end: float) -> float:
    """Return the trapezoidal area under a rising curve for x in [0, end], linear between vertices."""
    inside = x <= end
    stop = np.append(x[inside], end)
    last = int(inside.sum())
    if last == len(x):
        height = y[-1]
    else:  # x[last - 1] <= end < x[last]
        height = y[last - 1] + (y[last] - y[last - 1]) * (end - x[last - 1]) / (x[last] - x[last - 1])
    values = np.append(y[inside], height)
    return float(np.sum(np.diff(stop) * (values[1:] + values[:-1]) / 2))


def auroc_bounds(labels: ArrayLike, scores: ArrayLike, *, nan_policy: str = "error", inf_policy: str = "error"
                 ) -> tuple[float, float]:  # fmt: skip
    r"""Return the AUROC if every tie between the classes were lost, and if every tie were won.

    :math:`\frac{1}{PN} \#\{x_i > y_j\}` and :math:`\frac{1}{PN} \#\{x_i \ge y_j\}`; their mean is the AUROC.
    More than 0.005 apart they are worth reporting: the scores are rounded or saturated.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    nan_policy, inf_policy
        ``error``; or ``drop`` rows whose score is NaN, and ``rank`` infinite scores as lowest and highest.

    Returns
    -------
    tuple of float
        Pessimistic and optimistic AUROC.

    Raises
    ------
    UndefinedError
        A class is missing.
    InputError
        The arrays are wrong.

    References
    ----------
    Fawcett (2006), An introduction to ROC analysis, section 4 (optimistic and pessimistic curves).

    Examples
    --------
    >>> low, high = auroc_bounds([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> round(low, 4), round(high, 4)
    (0.6667, 0.9167)
    """
    y, s, _ = weighted_rows(labels, scores, None, "AUROC", nan_policy, inf_policy)
    return _bounds(y, s)


def _bounds(y: NDArray[np.int64], s: NDArray[np.float64]) -> tuple[float, float]:
    nominal, anomalous = np.sort(s[y == 0]), s[y == 1]
    pairs = len(nominal) * len(anomalous)
    below = int(np.searchsorted(nominal, anomalous, "left").sum())
    not_above = int(np.searchsorted(nominal, anomalous, "right").sum())
    return below / pairs, not_above / pairs


def tie_notes(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> tuple[str, ...]:
    """Return both bounds of the AUROC in words where ties make them differ by more than 0.005, else nothing."""
    low, high = _bounds(labels, scores)
    return (f"ties: AUROC {low:.4g} if all are lost, {high:.4g} if all are won",) if high - low > 0.005 else ()


def tpr_at_fpr(labels: ArrayLike, scores: ArrayLike, *, fpr: float, nan_policy: str = "error",
               inf_policy: str = "error") -> float:  # fmt: skip
    """Return the largest sensitivity of a real operating point whose false positive rate is at most ``fpr``.

    A step, not an interpolation: some threshold has exactly this sensitivity. At ``fpr=0`` it is the share of
    anomalous images above all nominal ones.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    fpr
        In [0, 1].
    nan_policy, inf_policy
        ``error``; or ``drop`` rows whose score is NaN, and ``rank`` infinite scores as lowest and highest.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    UndefinedError
        A class is missing.
    InputError
        ``fpr`` is out of range, or the arrays are wrong.

    References
    ----------
    Pepe (2003), The statistical evaluation of medical tests for classification and prediction, section 4.3: ROC(t).

    Examples
    --------
    >>> round(tpr_at_fpr([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4], fpr=0.5), 4)
    0.6667
    """
    limit = checked_fraction(fpr, "fpr", closed=True)
    curve = roc_curve(labels, scores, nan_policy=nan_policy, inf_policy=inf_policy)
    return float(curve.tpr[curve.fpr <= limit + 1e-12].max())


def fpr_at_tpr(labels: ArrayLike, scores: ArrayLike, *, tpr: float, nan_policy: str = "error",
               inf_policy: str = "error") -> float:  # fmt: skip
    """Return the smallest false positive rate of a real operating point whose sensitivity is at least ``tpr``.

    A step, not an interpolation, as in :func:`tpr_at_fpr`.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    tpr
        In [0, 1].
    nan_policy, inf_policy
        ``error``; or ``drop`` rows whose score is NaN, and ``rank`` infinite scores as lowest and highest.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    UndefinedError
        A class is missing.
    InputError
        ``tpr`` is out of range, or the arrays are wrong.

    References
    ----------
    Pepe (2003), The statistical evaluation of medical tests for classification and prediction, section 4.3: the
    inverse of ROC(t).

    Examples
    --------
    >>> fpr_at_tpr([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4], tpr=0.9)
    0.75
    """
    limit = checked_fraction(tpr, "tpr", closed=True)
    curve = roc_curve(labels, scores, nan_policy=nan_policy, inf_policy=inf_policy)
    return float(curve.fpr[curve.tpr >= limit - 1e-12].min())
