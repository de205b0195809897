"""Every metric's name, and the ranking metrics: AUROC and average precision, plain and for many weightings at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .aggregate import aggregate_by_object
from .decisions import Confusion, at_prevalence, confusion, decision_metrics, rates_from_counts, trivial_costs
from .errors import InputError
from .inputs import checked_scores, checked_weights, weighted_rows
from .roc import RocCurve, auroc_bounds, fpr_at_tpr, partial_auroc, roc_curve, tpr_at_fpr

__all__ = [
    "METRICS", "Confusion", "Metric", "RocCurve", "aggregate_by_object", "at_prevalence", "auroc", "auroc_bounds",
    "average_precision", "confusion", "decision_metrics", "fpr_at_tpr", "partial_auroc", "rates_from_counts",
    "resolve_metric", "roc_curve", "tpr_at_fpr", "trivial_costs", "weighted_auroc", "weighted_average_precision",
]  # fmt: skip

# Replicates are worked through in blocks of about this many numbers (4 MiB of float64, about a processor's cache).
BLOCK = 2**19


@dataclass(frozen=True)
class Metric:
    """What to know about a metric without computing it.

    Parameters
    ----------
    name
        The name in files and on the command line.
    label, latex
        The name for readers, plain and in LaTeX.
    range
        Smallest and largest possible value.
    direction
        Which way is better.
    needs_threshold
        Whether it judges decisions, not the ranking.
    depends_on_prevalence
        Whether the share of anomalous images in the test set (or the stated one) changes it.
    aliases
        Further names accepted on input.
    """

    name: str
    label: str
    latex: str
    range: tuple[float, float]
    direction: Literal["higher", "lower"]
    needs_threshold: bool
    depends_on_prevalence: bool
    aliases: tuple[str, ...] = ()


_UNIT = (0.0, 1.0)
_SIGNED = (-1.0, 1.0)

# fmt: off
METRICS: dict[str, Metric] = {
    "auroc": Metric("auroc", "AUROC", "AUROC", _UNIT, "higher", False, False),
    "pauroc": Metric("pauroc", "partial AUROC", "pAUROC", _UNIT, "higher", False, False),
    "average_precision": Metric("average_precision", "average precision", "AP", _UNIT, "higher", False, True),
    "sensitivity": Metric("sensitivity", "sensitivity", "TPR", _UNIT, "higher", True, False, ("recall", "tpr")),
    "specificity": Metric("specificity", "specificity", "TNR", _UNIT, "higher", True, False, ("tnr",)),
    "overkill": Metric("overkill", "overkill", "FPR", _UNIT, "lower", True, False, ("fpr", "false_alarm_rate")),
    "escape": Metric("escape", "escape", "FNR", _UNIT, "lower", True, False, ("fnr",)),
    "precision": Metric("precision", "precision", "PPV", _UNIT, "higher", True, True),
    "npv": Metric("npv", "negative predictive value", "NPV", _UNIT, "higher", True, True),
    "accuracy": Metric("accuracy", "accuracy", "ACC", _UNIT, "higher", True, True),
    "balanced_accuracy": Metric("balanced_accuracy", "balanced accuracy", "BA", _UNIT, "higher", True, False),
    "f1": Metric("f1", "F1", "$F_1$", _UNIT, "higher", True, True),
    "mcc": Metric("mcc", "Matthews correlation", "MCC", _SIGNED, "higher", True, True),
    "youden_j": Metric("youden_j", "Youden's J", "$J$", _SIGNED, "higher", True, False),
    "cost": Metric("cost", "cost per part", "$C$", (0.0, math.inf), "lower", True, True),
    "ppv_at_prevalence": Metric(
        "ppv_at_prevalence", "PPV at prevalence", r"$\mathrm{PPV}_\pi$", _UNIT, "higher", True, True),
    "npv_at_prevalence": Metric(
        "npv_at_prevalence", "NPV at prevalence", r"$\mathrm{NPV}_\pi$", _UNIT, "higher", True, True),
    "rejects_per_thousand": Metric(
        "rejects_per_thousand", "rejects per 1,000 parts", r"rejects/$10^3$", (0.0, 1e3), "lower", True, True),
    "escapes_per_million": Metric(
        "escapes_per_million", "escapes per million parts", r"escapes/$10^6$", (0.0, 1e6), "lower", True, True),
    "aupro": Metric("aupro", "AUPRO", "AUPRO", _UNIT, "higher", False, False),
    "aupimo": Metric("aupimo", "AUPIMO", "AUPIMO", _UNIT, "higher", False, False),
    "f1_max": Metric("f1_max", "largest F1", r"$F_{1,\max}$", _UNIT, "higher", False, True),
}
# fmt: on


def resolve_metric(name: str) -> Metric:
    """Return the metric of this name or alias.

    Raises
    ------
    InputError
        Code ``UnknownMetric``; the message shows the nearest names.

    Examples
    --------
    >>> resolve_metric("recall").name
    'sensitivity'
    """
    known = {alias: metric for metric in METRICS.values() for alias in (metric.name, *metric.aliases)}
    if name in known:
        return known[name]
    close = get_close_matches(str(name), known) or sorted(METRICS)
    raise InputError("metric", name, f"one of {close}", "Correct the name.", code="UnknownMetric")


def auroc(labels: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None, nan_policy: str = "error",
          inf_policy: str = "error") -> float:  # fmt: skip
    r"""Area under the ROC curve: the chance that an anomalous image outscores a nominal one, ties half.

    :math:`A = \frac{1}{PN} \sum_{i,j} \psi(x_i, y_j)`, :math:`\psi` = 1, 1/2, 0 for more, equal, less; equal to the
    rank form with midranks and to the trapezoidal area with one vertex a distinct score [1]_. Any strictly rising map
    of the scores leaves it as it is.

    Parameters
    ----------
    labels, scores
        Shape (n,); labels 0 nominal, 1 anomalous.
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
        Labels are not 0/1, scores are not finite (code ``NonFiniteScore``), or the lengths differ.

    References
    ----------
    .. [1] Hanley & McNeil (1982), The meaning and use of the area under a receiver operating characteristic curve.

    Examples
    --------
    >>> round(auroc([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4]), 7)
    0.7916667
    """
    y, s, w = weighted_rows(labels, scores, weights, "AUROC", nan_policy, inf_policy)
    return float(_auroc(_Ranking(y, s), w.reshape(1, -1))[0])


def average_precision(labels: ArrayLike, scores: ArrayLike, *, weights: ArrayLike | None = None,
                      nan_policy: str = "error", inf_policy: str = "error") -> float:  # fmt: skip
    r"""Average precision: :math:`\sum_k (R_k - R_{k-1}) P_k` over distinct scores, falling (no interpolation).

    Tied images enter together. Chance level: the share of anomalous images, P / (P + N).

    Parameters
    ----------
    labels, scores
        Shape (n,); labels 0 nominal, 1 anomalous.
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
        Labels are not 0/1, scores are not finite (code ``NonFiniteScore``), or the lengths differ.

    References
    ----------
    Boyd, Eng & Page (2013), Area under the precision-recall curve: point estimates and confidence intervals.

    Examples
    --------
    >>> round(average_precision([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4]), 7)
    0.7222222
    """
    y, s, w = weighted_rows(labels, scores, weights, "average precision", nan_policy, inf_policy)
    return float(_average_precision(_Ranking(y, s), w.reshape(1, -1))[0])


def weighted_auroc(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike) -> NDArray[np.float64]:
    """Return the AUROC under each row of weights, shape (B,); NaN where a class has no weight.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    weights
        Shape (B, n), for example the multiplicities of a bootstrap. Worked through in blocks of rows.
    """
    y, s = checked_scores(labels, scores)
    ranking, w = _Ranking(y, s), np.atleast_2d(checked_weights(weights, len(y)))
    return np.concatenate([_auroc(ranking, w[rows]) for rows in blocks(len(w), len(y))])


def weighted_average_precision(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike) -> NDArray[np.float64]:
    """Return the average precision under each row of weights, shape (B,); NaN where a class has no weight.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    weights
        Shape (B, n).
    """
    y, s = checked_scores(labels, scores)
    ranking, w = _Ranking(y, s), np.atleast_2d(checked_weights(weights, len(y)))
    return np.concatenate([_average_precision(ranking, w[rows]) for rows in blocks(len(w), len(y))])


def blocks(n_rows: int, n_columns: int, block: int = BLOCK) -> Iterator[slice]:
    """Yield slices of rows whose arrays hold about ``block`` numbers; at least one slice, maybe empty."""
    step = max(1, block // max(n_columns, 1))
    for start in range(0, max(n_rows, 1), step):
        yield slice(start, start + step)


class _Ranking:
    """Images sorted by score, with the starts of the runs of equal scores: made once, used for all weightings."""

    def __init__(self, labels: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
        self.order = np.argsort(scores, kind="stable")
        ranked = scores[self.order]
        self.starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]])) if len(ranked) else None
        self.anomalous = labels[self.order] == 1

    def per_score(self, weights: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the nominal and the anomalous weight at each distinct score, both (B, distinct), rising."""
        w = weights[:, self.order]
        if self.starts is None:
            return w, w
        anomalous = np.add.reduceat(w * self.anomalous, self.starts, axis=1)
        return np.add.reduceat(w * ~self.anomalous, self.starts, axis=1), anomalous


def _auroc(ranking: _Ranking, weights: NDArray[Any]) -> NDArray[np.float64]:
    nominal, anomalous = ranking.per_score(weights)
    # Twice the number of nominal images won over: an integer for integer weights.
    won = 2 * np.cumsum(nominal, axis=1) - nominal
    pairs = 2.0 * nominal.sum(1) * anomalous.sum(1)
    with np.errstate(invalid="ignore"):
        value: NDArray[np.float64] = (anomalous * won).sum(1) / np.where(pairs > 0, pairs, np.nan)
    return value


def _average_precision(ranking: _Ranking, weights: NDArray[Any]) -> NDArray[np.float64]:
    nominal, anomalous = (side[:, ::-1] for side in ranking.per_score(weights))
    caught = np.cumsum(anomalous, axis=1)
    called = caught + np.cumsum(nominal, axis=1)
    # Where nothing is called yet, nothing is caught either: the term is 0.
    precision = caught / np.where(called > 0, called, 1)
    p = anomalous.sum(1)
    defined = (p > 0) & (nominal.sum(1) > 0)
    value: NDArray[np.float64] = (anomalous * precision).sum(1) / np.where(defined, p, np.nan)
    return value
