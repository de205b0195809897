"""The precision-recall curve and the area under it that is not average precision."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .inputs import weighted_rows


class PrecisionRecallCurve(NamedTuple):
    """Precision and recall at each distinct score, falling; first the point (recall 0, precision 1) at inf."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    thresholds: NDArray[np.float64]


def precision_recall_curve(labels: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None,
                           nan_policy: str = "error", inf_policy: str = "error"
                           ) -> PrecisionRecallCurve:  # fmt: skip
    """Return precision TP/(TP + FP) and recall TP/P of ``score >= threshold`` at each distinct score.

    Tied images enter together. Nothing is called anomalous at the first point: its precision is undefined, and 1 by
    convention. Precision depends on the share of anomalous images in the data.

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
    PrecisionRecallCurve
        Arrays of shape (distinct scores + 1,), thresholds falling.

    Raises
    ------
    UndefinedError
        A class is missing.
    InputError
        The arrays are wrong.

    References
    ----------
    Davis & Goadrich (2006), The relationship between precision-recall and ROC curves.

    Examples
    --------
    >>> curve = precision_recall_curve([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> curve.precision.round(4).tolist()
    [1.0, 1.0, 0.6667, 0.5, 0.4286]
    """
    y, s, w = weighted_rows(labels, scores, weights, "the precision-recall curve", nan_policy, inf_policy)
    there = w > 0
    distinct, group = np.unique(s[there], return_inverse=True)
    caught = np.cumsum(np.bincount(group, (w * y)[there])[::-1])
    called = np.cumsum(np.bincount(group, w[there])[::-1])
    return PrecisionRecallCurve(
        np.concatenate([[1.0], caught / called]),
        np.concatenate([[0.0], caught / caught[-1]]),
        np.concatenate([[np.inf], distinct[::-1]]),
    )


def aupr_trapezoid(labels: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None,
                   nan_policy: str = "error", inf_policy: str = "error") -> float:  # fmt: skip
    r"""Trapezoidal area under the precision-recall curve, :math:`\sum_k (R_k - R_{k-1}) (P_k + P_{k-1}) / 2`.

    Not average precision: straight lines between points of this curve are too high, and the value with them. For
    comparison with papers that report it; use :func:`~protocols.metrics.average_precision` otherwise.

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
    float
        In [0, 1].

    Raises
    ------
    UndefinedError
        A class is missing.
    InputError
        The arrays are wrong.

    References
    ----------
    Davis & Goadrich (2006), The relationship between precision-recall and ROC curves, section 4.

    Examples
    --------
    >>> round(aupr_trapezoid([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4]), 7)
    0.8055556
    """
    curve = precision_recall_curve(labels, scores, weights=weights, nan_policy=nan_policy, inf_policy=inf_policy)
    return float(np.sum(np.diff(curve.recall) * (curve.precision[1:] + curve.precision[:-1]) / 2))
