"""The ROC curve and what is read from it: partial areas, bounds under ties, real operating points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import UndefinedError
from .inputs import checked_fraction, checked_scores, checked_weights, need_both_classes, one_class


class RocCurve(NamedTuple):
    """Vertices of the empirical ROC curve from (0, 0) to (1, 1), one a distinct score; ``thresholds[0]`` is inf."""

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def roc_curve(labels: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None) -> RocCurve:
    """Return the ROC curve; collinear vertices are kept.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    weights
        Shape (n,), 0 or more.

    Returns
    -------
    RocCurve
        Arrays of shape (distinct scores + 1,), thresholds falling.

    Raises
    ------
    UndefinedError
        A class is missing.

    Examples
    --------
    >>> curve = roc_curve([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> curve.fpr.round(2).tolist(), curve.tpr.round(4).tolist()
    ([0.0, 0.0, 0.25, 0.75, 1.0], [0.0, 0.3333, 0.6667, 1.0, 1.0])
    """
    y, s = checked_scores(labels, scores)
    need_both_classes(y, "the ROC curve")
    w = checked_weights(weights, len(y)).reshape(-1)
    distinct, group = np.unique(s, return_inverse=True)
    caught = np.cumsum(np.bincount(group, w * y)[::-1])
    rejected = np.cumsum(np.bincount(group, w * (1 - y))[::-1])
    if not caught[-1] or not rejected[-1]:
        raise UndefinedError(one_class("the ROC curve", int(rejected[-1] > 0), int(caught[-1] > 0)) + " of weight > 0")
    return RocCurve(
        np.concatenate([[0.0], rejected / rejected[-1]]),
        np.concatenate([[0.0], caught / caught[-1]]),
        np.concatenate([[np.inf], distinct[::-1]]),
    )


def partial_auroc(labels: ArrayLike, scores: ArrayLike, *, max_fpr: float, standardised: bool = False,
                  weights: ArrayLike | None = None) -> float:  # fmt: skip
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

    References
    ----------
    .. [1] McClish (1989), Analyzing a portion of the ROC curve.

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
    curve = roc_curve(labels, scores, weights=weights)
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


def auroc_bounds(labels: ArrayLike, scores: ArrayLike) -> tuple[float, float]:
    """Return the AUROC if every tie between the classes were lost, and if every tie were won.

    Examples
    --------
    >>> low, high = auroc_bounds([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> round(low, 4), round(high, 4)
    (0.6667, 0.9167)
    """
    y, s = checked_scores(labels, scores)
    n_nominal, n_anomalous = need_both_classes(y, "AUROC")
    nominal, anomalous = np.sort(s[y == 0]), s[y == 1]
    pairs = n_nominal * n_anomalous
    below = int(np.searchsorted(nominal, anomalous, "left").sum())
    not_above = int(np.searchsorted(nominal, anomalous, "right").sum())
    return below / pairs, not_above / pairs


def tpr_at_fpr(labels: ArrayLike, scores: ArrayLike, *, fpr: float) -> float:
    """Return the largest sensitivity of a real operating point whose false positive rate is at most ``fpr``.

    Examples
    --------
    >>> round(tpr_at_fpr([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4], fpr=0.5), 4)
    0.6667
    """
    limit = checked_fraction(fpr, "fpr", closed=True)
    curve = roc_curve(labels, scores)
    return float(curve.tpr[curve.fpr <= limit + 1e-12].max())


def fpr_at_tpr(labels: ArrayLike, scores: ArrayLike, *, tpr: float) -> float:
    """Return the smallest false positive rate of a real operating point whose sensitivity is at least ``tpr``.

    Examples
    --------
    >>> fpr_at_tpr([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4], tpr=0.9)
    0.75
    """
    limit = checked_fraction(tpr, "tpr", closed=True)
    curve = roc_curve(labels, scores)
    return float(curve.fpr[curve.tpr >= limit - 1e-12].min())
