"""Counts at a threshold and the rates that follow from them, as tested and at the factory's prevalence."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError
from .inputs import admitted_rows, checked_fraction, checked_positive


class Confusion(NamedTuple):
    """Counts of images: anomalous ones caught and missed, nominal ones rejected and passed."""

    tp: int
    fp: int
    fn: int
    tn: int


def confusion(labels: ArrayLike, scores: ArrayLike, threshold: float, *, nan_policy: str = "error",
              inf_policy: str = "error") -> Confusion:  # fmt: skip
    """Count decisions: anomalous if and only if ``score >= threshold``.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    threshold
        ``inf`` is legal: nothing is called anomalous but scores of inf.
    nan_policy, inf_policy
        ``error``; or ``drop`` rows whose score is NaN, and ``rank`` infinite scores as lowest and highest.

    Returns
    -------
    Confusion
        tp, fp, fn, tn.

    Raises
    ------
    InputError
        The threshold is NaN, or the arrays are wrong.

    References
    ----------
    Fawcett (2006), An introduction to ROC analysis, section 2.

    Examples
    --------
    >>> confusion([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4], 2.5)
    Confusion(tp=2, fp=1, fn=1, tn=3)
    """
    rows = admitted_rows(labels, scores, nan_policy=nan_policy, inf_policy=inf_policy)
    y, s = rows.labels, rows.scores
    if math.isnan(threshold):
        raise InputError("threshold", threshold, "a number or inf", "The threshold itself was undefined.")
    called = s >= threshold
    tp, fp = int((called & (y == 1)).sum()), int((called & (y == 0)).sum())
    n_anomalous = int(y.sum())
    return Confusion(tp, fp, n_anomalous - tp, len(y) - n_anomalous - fp)


def rates_from_counts(tp: ArrayLike, fp: ArrayLike, fn: ArrayLike, tn: ArrayLike, *, prevalence: float | None = None,
                      missed: float | None = None, false_alarm: float | None = None
                      ) -> dict[str, NDArray[np.float64]]:  # fmt: skip
    r"""Return every rate of arrays of counts; NaN where a denominator is zero.

    Precision is undefined without rejects, F1 without rejects and anomalies, the Matthews coefficient when any
    margin is empty. At prevalence :math:`\pi`:
    :math:`PPV = \pi TPR / (\pi TPR + (1-\pi) FPR)`, cost :math:`= c_{FN} \pi FNR + c_{FP} (1-\pi) FPR`.
    Cell probabilities (:math:`\pi TPR`, ...) in place of counts give accuracy, F1 or MCC at another prevalence.

    Parameters
    ----------
    tp, fp, fn, tn
        Counts or cell probabilities of any common shape.
    prevalence
        Share of anomalous parts in the factory; adds the four rates that need it.
    missed, false_alarm
        Cost of a missed anomaly and of a false alarm; with ``prevalence`` they add ``cost``.

    Returns
    -------
    dict
        Name of ``METRICS`` to array of that shape.
    """
    # Products of four counts overflow integers, not floats.
    tp_, fp_, fn_, tn_ = (np.asarray(x, np.float64) for x in (tp, fp, fn, tn))
    p, n = tp_ + fn_, fp_ + tn_
    with np.errstate(divide="ignore", invalid="ignore"):
        sensitivity, specificity = tp_ / p, tn_ / n
        overkill, escape = fp_ / n, fn_ / p
        margins = (tp_ + fp_) * (tp_ + fn_) * (tn_ + fp_) * (tn_ + fn_)
        rates = {
            "sensitivity": sensitivity, "specificity": specificity, "overkill": overkill, "escape": escape,
            "precision": tp_ / (tp_ + fp_), "npv": tn_ / (tn_ + fn_), "accuracy": (tp_ + tn_) / (p + n),
            "balanced_accuracy": (sensitivity + specificity) / 2, "f1": 2 * tp_ / (2 * tp_ + fp_ + fn_),
            "mcc": np.where(margins > 0, (tp_ * tn_ - fp_ * fn_) / np.sqrt(margins), np.nan),
            "youden_j": sensitivity + specificity - 1,
        }  # fmt: skip
        if prevalence is not None:
            pi = checked_fraction(prevalence, "prevalence")
            rejected = pi * sensitivity + (1 - pi) * overkill
            passed = (1 - pi) * specificity + pi * escape
            rates |= {
                "ppv_at_prevalence": pi * sensitivity / rejected,
                "npv_at_prevalence": (1 - pi) * specificity / passed,
                "rejects_per_thousand": 1e3 * rejected,
                "escapes_per_million": 1e6 * pi * escape,
            }
            if missed is not None and false_alarm is not None:
                c_fn, c_fp = checked_positive(missed, "missed"), checked_positive(false_alarm, "false_alarm")
                rates["cost"] = c_fn * pi * escape + c_fp * (1 - pi) * overkill
    return {name: np.asarray(value) for name, value in rates.items()}


def decision_metrics(confusion: Confusion, *, mcc_zero: float | None = None) -> dict[str, float | None]:
    r"""Return the rates of one confusion that need neither a prevalence nor costs.

    Sensitivity TP/P, specificity TN/N, overkill FP/N, escape FN/P, precision TP/(TP + FP), npv TN/(TN + FN), accuracy
    (TP + TN)/(P + N), balanced accuracy (sensitivity + specificity)/2, F1 2 TP/(2 TP + FP + FN), J sensitivity +
    specificity - 1, Matthews [1]_
    :math:`(TP\,TN - FP\,FN) / \sqrt{(TP+FP)(TP+FN)(TN+FP)(TN+FN)}`. A zero denominator is undefined, not zero; F1 is 0
    where there are anomalies and none was caught.

    Parameters
    ----------
    confusion
        Counts, 0 or more.
    mcc_zero
        Value of the Matthews coefficient when a margin is empty; 0 is what some programs print.

    Returns
    -------
    dict
        Names of ``METRICS``; None where undefined. Nothing is raised.

    References
    ----------
    .. [1] Matthews (1975), Comparison of the predicted and observed secondary structure of T4 phage lysozyme.

    Examples
    --------
    >>> rates = decision_metrics(Confusion(tp=9, fp=3, fn=1, tn=17))
    >>> round(rates["f1"], 6), round(rates["mcc"], 6)
    (0.818182, 0.721688)
    """
    rates = {name: _plain(value) for name, value in rates_from_counts(*confusion).items()}
    if rates["mcc"] is None and mcc_zero is not None:
        rates["mcc"] = mcc_zero
    return rates


def at_prevalence(confusion: Confusion, *, prevalence: float, missed: float | None = None,
                  false_alarm: float | None = None) -> dict[str, float | None]:  # fmt: skip
    r"""Return what the rates mean per part made, at the factory's prevalence :math:`\pi`.

    :math:`PPV = \pi TPR / (\pi TPR + (1-\pi) FPR)`, :math:`NPV = (1-\pi) TNR / ((1-\pi) TNR + \pi FNR)`, rejects
    per 1,000 parts :math:`10^3 (\pi TPR + (1-\pi) FPR)`, escapes per million :math:`10^6 \pi FNR`, cost a part
    :math:`c_{FN} \pi FNR + c_{FP} (1-\pi) FPR`. Rates that need a missing class are undefined.

    Parameters
    ----------
    confusion
        Counts of the test.
    prevalence
        Share of anomalous parts in production, in (0, 1).
    missed, false_alarm
        Cost of a missed anomaly and of a false alarm, above 0; both or none.

    Returns
    -------
    dict
        ``ppv_at_prevalence, npv_at_prevalence, rejects_per_thousand, escapes_per_million, cost``; None where
        undefined; ``cost`` is None without costs.

    Raises
    ------
    InputError
        A number is out of range, or one of the two costs is missing.

    References
    ----------
    Altman & Bland (1994), Diagnostic tests 2: predictive values.

    Examples
    --------
    >>> factory = at_prevalence(Confusion(9, 3, 1, 17), prevalence=0.01, missed=100, false_alarm=2)
    >>> round(factory["ppv_at_prevalence"], 7), round(factory["cost"], 3)
    (0.0571429, 0.397)
    """
    checked_fraction(prevalence, "prevalence")
    if (missed is None) != (false_alarm is None):
        raise InputError("costs", {"missed": missed, "false_alarm": false_alarm}, "both costs or none",
                         "Give missed and false_alarm.")  # fmt: skip
    rates = rates_from_counts(*confusion, prevalence=prevalence, missed=missed, false_alarm=false_alarm)
    names = ("ppv_at_prevalence", "npv_at_prevalence", "rejects_per_thousand", "escapes_per_million", "cost")
    return {name: _plain(rates[name]) if name in rates else None for name in names}


def trivial_costs(*, prevalence: float, missed: float, false_alarm: float) -> tuple[float, float]:
    r"""Return the cost per part of passing everything and of rejecting everything.

    :math:`c_{FN} \pi` and :math:`c_{FP} (1-\pi)`.

    Parameters
    ----------
    prevalence
        Share of anomalous parts in production, in (0, 1).
    missed, false_alarm
        Cost of a missed anomaly and of a false alarm, above 0.

    Returns
    -------
    tuple of float
        What an inspection must beat.

    Raises
    ------
    InputError
        A number is out of range.

    References
    ----------
    Drummond & Holte (2006), Cost curves: an improved method for visualizing classifier performance, section 3.

    Examples
    --------
    >>> trivial_costs(prevalence=0.01, missed=100, false_alarm=2)
    (1.0, 1.98)
    """
    pi = checked_fraction(prevalence, "prevalence")
    return checked_positive(missed, "missed") * pi, checked_positive(false_alarm, "false_alarm") * (1 - pi)


def _plain(value: NDArray[np.float64]) -> float | None:
    return None if np.isnan(value) else float(value)
