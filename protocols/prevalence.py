"""Decisions at another share of anomalous parts than the test set has: at one prevalence, or along a curve of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .decisions import Confusion, rates_from_counts
from .errors import InputError, UndefinedError
from .inputs import checked_fraction, checked_positive, one_class

_OWN = ("ppv_at_prevalence", "npv_at_prevalence", "rejects_per_thousand", "escapes_per_million")


def decision_metrics_at_prevalence(confusion: Confusion, *, prevalence: float) -> dict[str, float | None]:
    r"""Return all decision metrics as they would be where a share ``prevalence`` of the parts is anomalous.

    The cell probabilities :math:`\pi\,TPR`, :math:`(1-\pi) FPR`, :math:`\pi\,FNR`, :math:`(1-\pi) TNR` take the place
    of the counts TP, FP, FN, TN. Sensitivity, specificity and what follows from them stay; precision, accuracy, F1
    and the Matthews coefficient change.

    Parameters
    ----------
    confusion
        Counts of the test, with both classes.
    prevalence
        Share of anomalous parts in production, in (0, 1).

    Returns
    -------
    dict
        Names as in :func:`~protocols.decisions.decision_metrics`; None where undefined.

    Raises
    ------
    UndefinedError
        A class is missing (code ``SingleClassPartition``).
    InputError
        The prevalence is out of range.

    References
    ----------
    Altman & Bland (1994), Diagnostic tests 2: predictive values.

    Examples
    --------
    >>> rates = decision_metrics_at_prevalence(Confusion(tp=9, fp=3, fn=1, tn=17), prevalence=0.01)
    >>> round(rates["precision"], 7), round(rates["accuracy"], 4), round(rates["f1"], 6)
    (0.0571429, 0.8505, 0.107463)
    """
    pi = checked_fraction(prevalence, "prevalence")
    rates = rates_from_counts(*_cells(confusion, np.array(pi)))
    return {name: None if np.isnan(value) else float(value) for name, value in rates.items()}


def prevalence_curve(confusion: Confusion, *, prevalences: ArrayLike, missed: float | None = None,
                     false_alarm: float | None = None) -> dict[str, NDArray[np.float64]]:  # fmt: skip
    r"""Return every decision metric along a range of prevalences, for a prevalence that is not known well.

    Costs are per part made, :math:`c_{FN} \pi\,FNR + c_{FP} (1-\pi) FPR`; beside them those of the two policies that
    need no inspection: passing all, :math:`c_{FN} \pi`, and rejecting all, :math:`c_{FP} (1-\pi)`. Where the cost is
    above either of them, the inspection is not worth having.

    Parameters
    ----------
    confusion
        Counts of the test, with both classes.
    prevalences
        Shares of anomalous parts, in (0, 1), shape (k,).
    missed, false_alarm
        Cost of a missed anomaly and of a false alarm, above 0; both or none.

    Returns
    -------
    dict
        ``prevalence``; the metrics of :func:`~protocols.decisions.decision_metrics` and of
        :func:`~protocols.decisions.at_prevalence`; with costs also ``cost_pass_all`` and ``cost_reject_all``. Arrays of
        shape (k,); NaN where undefined.

    Raises
    ------
    UndefinedError
        A class is missing (code ``SingleClassPartition``).
    InputError
        A prevalence or a cost is out of range, or one cost is missing.

    References
    ----------
    Drummond & Holte (2006), Cost curves: an improved method for visualizing classifier performance.

    Examples
    --------
    >>> curve = prevalence_curve(Confusion(9, 3, 1, 17), prevalences=[0.01, 0.1], missed=100, false_alarm=2)
    >>> curve["cost"].round(3).tolist(), curve["cost_pass_all"].tolist(), curve["cost_reject_all"].tolist()
    ([0.397, 1.27], [1.0, 10.0], [1.98, 1.8])
    """
    pi = np.atleast_1d(np.asarray(prevalences, np.float64))
    if pi.ndim != 1:
        raise InputError("prevalences", pi.shape, "shape (k,)", "Flatten it.", code="NotOneDimensional")
    for share in pi:
        checked_fraction(float(share), "prevalences")
    if (missed is None) != (false_alarm is None):
        raise InputError("costs", {"missed": missed, "false_alarm": false_alarm}, "both costs or none",
                         "Give missed and false_alarm.")  # fmt: skip
    tp, fp, fn, tn = _cells(confusion, pi)
    rates = rates_from_counts(tp, fp, fn, tn)
    curve = {"prevalence": pi, **rates}
    own = (rates["precision"], rates["npv"], 1e3 * (tp + fp), 1e6 * fn)
    curve |= dict(zip(_OWN, own, strict=True))
    if missed is not None and false_alarm is not None:
        c_fn, c_fp = checked_positive(missed, "missed"), checked_positive(false_alarm, "false_alarm")
        curve |= {"cost": c_fn * fn + c_fp * fp, "cost_pass_all": c_fn * pi, "cost_reject_all": c_fp * (1 - pi)}
    return curve


def _cells(confusion: Confusion, pi: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return the probabilities of the four outcomes of a part, in the order of the counts, each of pi's shape."""
    tp, fp, fn, tn = confusion
    p, n = tp + fn, fp + tn
    if not p or not n:
        raise UndefinedError(one_class("prevalence", n, p), code="SingleClassPartition")
    return pi * (tp / p), (1 - pi) * (fp / n), pi * (fn / p), (1 - pi) * (tn / n)
