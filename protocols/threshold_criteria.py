"""What threshold rules maximise over the candidate cuts of the threshold partition, one function a rule.

A rule sees :class:`~protocols.candidates.Candidates`, counts at every cut for one or for many weightings, and returns a
utility to maximise, of the same shape: whole numbers where possible, so that equal cuts compare equal. Parameters that
are out of range raise :class:`~protocols.errors.InputError`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .candidates import NEVER, Candidates
from .inputs import checked_fraction, checked_positive
from .threshold_rule import Utilities


def youden(c: Candidates) -> Utilities:
    """Largest J = TPR - FPR, compared as TP N - FP P; the same cut as the largest balanced accuracy.

    References
    ----------
    Youden (1950), Index for rating diagnostic tests.

    Examples
    --------
    >>> from protocols.candidates import candidates
    >>> c = candidates([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> (youden(c) / 12).round(6).tolist()
    [0.0, 0.25, 0.416667, 0.333333, 0.0]
    """
    return c.tp * c.n_nominal - c.fp * c.n_anomalous


def topleft(c: Candidates) -> Utilities:
    """Nearest to the corner (0, 1) of the ROC plot: smallest (1 - TPR)^2 + FPR^2.

    References
    ----------
    Perkins & Schisterman (2006), The inconsistency of "optimal" cutpoints obtained using two criteria based on the
    receiver operating characteristic curve.

    Examples
    --------
    >>> from protocols.candidates import candidates
    >>> c = candidates([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> np.sqrt(-topleft(c)).round(6).tolist()
    [1.0, 0.75, 0.416667, 0.666667, 1.0]
    """
    return -((c.fn / c.n_anomalous) ** 2 + (c.fp / c.n_nominal) ** 2)


def product(c: Candidates) -> Utilities:
    """Largest TPR TNR, compared as TP TN; the geometric mean is its root and chooses the same cut.

    References
    ----------
    Kubat & Matwin (1997), Addressing the curse of imbalanced training sets: one-sided selection.

    Examples
    --------
    >>> from protocols.candidates import candidates
    >>> c = candidates([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> np.sqrt(product(c) / 12).round(6).tolist()
    [0.0, 0.5, 0.707107, 0.57735, 0.0]
    """
    return c.tp * c.tn


def fbeta(c: Candidates, *, beta: float = 1.0, prevalence: float | None = None) -> Utilities:
    r"""Largest F-beta; 0 without caught anomalies.

    :math:`(1+\beta^2) TP / ((1+\beta^2) TP + \beta^2 FN + FP)`. A ``prevalence`` reweights the counts to the factory's
    share: :math:`\pi TPR, \pi FNR, (1-\pi) FPR` for TP, FN, FP.

    References
    ----------
    van Rijsbergen (1979), Information retrieval, chapter 7.

    Examples
    --------
    >>> from protocols.candidates import candidates
    >>> c = candidates([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> fbeta(c, beta=2).round(6).tolist()
    [0.789474, 0.833333, 0.666667, 0.384615, 0.0]
    """
    b2 = checked_positive(beta, "beta") ** 2
    tp, fn, fp = c.tp.astype(np.float64), c.fn.astype(np.float64), c.fp.astype(np.float64)
    if prevalence is not None:
        pi = checked_fraction(prevalence, "prevalence")
        tp, fn, fp = pi * tp / c.n_anomalous, pi * fn / c.n_anomalous, (1 - pi) * fp / c.n_nominal
    below = (1 + b2) * tp + b2 * fn + fp
    return np.asarray((1 + b2) * tp / np.where(below > 0, below, 1.0))


def cost(c: Candidates, *, missed: float, false_alarm: float, prevalence: float | None = None) -> Utilities:
    """Smallest expected cost a part, c_FN pi FNR + c_FP (1 - pi) FPR; pi is the partition's own if not given.

    Right decisions that cost something too are covered: take their cost off that of the wrong decision on the same
    part (c_FN - c_TP for c_FN, c_FP - c_TN for c_FP), which moves all cuts by the same constant.

    References
    ----------
    Metz (1978), Basic principles of ROC analysis.

    Examples
    --------
    >>> from protocols.candidates import candidates
    >>> c = candidates([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> (-cost(c, missed=10, false_alarm=1, prevalence=0.02)).round(6).tolist()
    [0.98, 0.735, 0.311667, 0.133333, 0.2]
    """
    c_fn, c_fp = checked_positive(missed, "missed"), checked_positive(false_alarm, "false_alarm")
    if prevalence is None:
        pi: Any = c.n_anomalous / (c.n_anomalous + c.n_nominal)
    else:
        pi = checked_fraction(prevalence, "prevalence")
    return np.asarray(-(c_fn * pi * c.fn / c.n_anomalous + c_fp * (1 - pi) * c.fp / c.n_nominal))


def max_fpr(c: Candidates, *, value: float) -> Utilities:
    """Largest TPR with FPR <= value, then the smallest FPR (plug-in: no guarantee on new data).

    Compared as FP <= floor(value N + 1e-9).

    References
    ----------
    Pepe (2003), The statistical evaluation of medical tests for classification and prediction, section 4.3.

    Examples
    --------
    >>> from protocols.candidates import candidates
    >>> c = candidates([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> max_fpr(c, value=0.25)[2:].tolist()
    [2, 1, 0]
    """
    limit = np.floor(checked_fraction(value, "value", closed=True) * c.n_nominal + 1e-9)
    return np.where(c.fp <= limit, c.tp, NEVER)


def min_tpr(c: Candidates, *, value: float) -> Utilities:
    """Smallest FPR with TPR >= value, then the largest TPR (plug-in: no guarantee on new data).

    Compared as FN <= floor((1 - value) P + 1e-9).

    References
    ----------
    Pepe (2003), The statistical evaluation of medical tests for classification and prediction, section 4.3.

    Examples
    --------
    >>> from protocols.candidates import candidates
    >>> c = candidates([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> (-min_tpr(c, value=0.6))[:3].tolist()
    [4, 3, 1]
    """
    return target_escape(c, value=1 - checked_fraction(value, "value", closed=True))


def target_escape(c: Candidates, *, value: float) -> Utilities:
    """Smallest overkill with an escape rate of at most value (plug-in: no guarantee on new data).

    Compared as FN <= floor(value P + 1e-9).

    References
    ----------
    Pepe (2003), The statistical evaluation of medical tests for classification and prediction, section 4.3.

    Examples
    --------
    >>> from protocols.candidates import candidates
    >>> c = candidates([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> (-target_escape(c, value=0.4))[:3].tolist()
    [4, 3, 1]
    """
    limit = np.floor(checked_fraction(value, "value", closed=True) * c.n_anomalous + 1e-9)
    return np.where(c.fn <= limit, -c.fp, NEVER)


def nominal_quantile(c: Candidates, *, value: float) -> Utilities:
    """Just above the ceil((1 - value) N)-th smallest nominal score; needs no anomalous image.

    References
    ----------
    Hyndman & Fan (1996), Sample quantiles in statistical packages, definition 1.

    Examples
    --------
    >>> from protocols.candidates import candidates
    >>> c = candidates([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> nominal_quantile(c, value=0.25)[2:].tolist()  # false alarms of the cuts that are high enough
    [1, 0, 0]
    """
    rank = np.ceil((1 - checked_fraction(value, "value", closed=True)) * c.n_nominal - 1e-9)
    return np.where(c.tn >= rank, c.fp, NEVER)
