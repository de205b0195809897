"""DeLong's interval for the AUROC of independent images, and how any AUROC becomes an interval."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from protocols.errors import InputError
from protocols.inputs import admitted_rows, checked_fraction, doubts, one_class
from protocols.intervals.satterthwaite import df_of_units, satterthwaite_df
from protocols.results import Estimate, Status
from protocols.roc import tie_notes

SCALES = ("logit", "identity")
INVERTED = "AUROC below 0.5: scores may be inverted"


def placement_values(labels: NDArray[np.int64], scores: NDArray[np.float64]
                     ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # fmt: skip
    r"""Return how each image stands against the other class, ties half.

    :math:`V_{10,i} = \frac1N \sum_j \psi(x_i, y_j)` and :math:`V_{01,j} = \frac1P \sum_i \psi(x_i, y_j)`, by one sort
    and look-ups in rising order, O(n log n): the counts below plus half the ties are the midrank differences of
    Sun & Xu (2014).

    Returns
    -------
    tuple
        V10, shape (P,), and V01, shape (N,), in the order of the images.
    """
    anomalous = labels == 1
    x, y = scores[anomalous], scores[~anomalous]
    x_order, y_order = np.argsort(x), np.argsort(y)
    x_sorted, y_sorted = x[x_order], y[y_order]
    below = np.searchsorted(y_sorted, x_sorted, "left")
    not_above = np.searchsorted(y_sorted, x_sorted, "right")
    v10, v01 = np.empty(len(x)), np.empty(len(y))
    v10[x_order] = (below + not_above) / (2 * len(y))
    # The j-th nominal score is below those x with more than j nominal scores below: no second search is needed.
    ends = np.bincount(below, minlength=len(y) + 1) + np.bincount(not_above, minlength=len(y) + 1)
    v01[y_order] = 1 - np.cumsum(ends)[: len(y)] / (2 * len(x))
    return v10, v01


def delong_variance(labels: NDArray[np.int64], scores: NDArray[np.float64]) -> float:
    """Return S10 / P + S01 / N, the variance of the AUROC of independent images; NaN below two a class."""
    v10, v01 = placement_values(labels, scores)
    if len(v10) < 2 or len(v01) < 2:
        return math.nan
    return float(v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01))


def delong_interval(labels: ArrayLike, scores: ArrayLike, *, level: float = 0.95, scale: str = "logit",
                    small_sample: bool = False, nan_policy: str = "error", inf_policy: str = "error"
                    ) -> Estimate:  # fmt: skip
    r"""AUROC with DeLong's interval; every image counts as independent.

    With views of the same object use :func:`~protocols.intervals.clustered_delong.clustered_delong_interval`.
    The logit interval is :math:`\mathrm{expit}(\mathrm{logit} A \pm z\, se / (A (1 - A)))`; ``identity`` is
    Wald's, clipped to [0, 1]. At A = 0 or 1 the standard error is 0 and says nothing: the interval is then the
    one-sided bound :math:`\alpha^{1/n}`, n images in the smaller class, and the status ``degenerate``.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    level
        Confidence level.
    scale
        ``logit`` or ``identity``.
    small_sample
        Student's quantile instead of the normal one, with Satterthwaite's degrees of freedom from the spread and the
        tails of the placement values: keeps the level where the normal quantile does not, as with 20 anomalous
        images at an AUROC of 0.97. The rows of the protocols use it.
    nan_policy
        ``error``, or ``drop``: leave out rows whose score is NaN; the notes count them by class.
    inf_policy
        ``error``, or ``rank``: infinite scores are the lowest and the highest.

    Returns
    -------
    Estimate
        ``undefined`` with a single class, or with one image in a class.

    Raises
    ------
    InputError
        The arrays are wrong, a score is not finite (code ``NonFiniteScore``), or level or scale is not known.

    References
    ----------
    DeLong, DeLong & Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
    characteristic curves. Sun & Xu (2014), Fast implementation of DeLong's algorithm.

    Examples
    --------
    >>> e = delong_interval([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> round(e.se**2, 7), round(e.low, 5), round(e.high, 5)
    (0.0335648, 0.30108, 0.97103)
    """
    rows = admitted_rows(labels, scores, nan_policy=nan_policy, inf_policy=inf_policy)
    checked_fraction(level, "level")
    estimate = _interval(rows.labels, rows.scores, level, checked_scale(scale), small_sample)
    return replace(estimate, notes=(*estimate.notes, *rows.notes))


def _interval(y: NDArray[np.int64], s: NDArray[np.float64], level: float, scale: str, small_sample: bool) -> Estimate:
    """Return the interval of checked rows."""
    method = f"DeLong, {scale}"
    n_anomalous = int(y.sum())
    n_nominal = len(y) - n_anomalous
    if not n_anomalous or not n_nominal:
        return Estimate.undefined(one_class("AUROC", n_nominal, n_anomalous), level=level, method=method,
                                  n_nominal=n_nominal, n_anomalous=n_anomalous)  # fmt: skip
    v10, v01 = placement_values(y, s)
    value = float(v10.mean())
    if n_anomalous < 2 or n_nominal < 2:
        return Estimate.undefined(
            f"AUROC is {value!r}, but DeLong's variance needs two images a class; got P={n_anomalous}, N={n_nominal}; "
            "hanley_mcneil_interval needs one, and strong assumptions",
            level=level, method=method, n_nominal=n_nominal, n_anomalous=n_anomalous)  # fmt: skip
    parts = float(v10.var(ddof=1) / n_anomalous), float(v01.var(ddof=1) / n_nominal)
    se = math.sqrt(sum(parts))
    quantile = float(special.ndtri((1 + level) / 2))
    if small_sample and se > 0:
        df = satterthwaite_df(parts, (df_of_units(v10 - value), df_of_units(v01 - value)))
        quantile, method = float(special.stdtrit(df, (1 + level) / 2)), f"{method}, t"
    low, high, status, notes = auroc_limits(value, se, quantile, level, scale, min(n_nominal, n_anomalous), "images")
    return Estimate(value, low, high, level, method, status, n_nominal, n_anomalous, None, None,
                    (*notes, *doubts(s), *tie_notes(y, s)), se)  # fmt: skip


def auroc_limits(value: float, se: float, quantile: float, level: float, scale: str, n_units: int, units: str
                 ) -> tuple[float, float, Status, tuple[str, ...]]:  # fmt: skip
    """Return the interval of an AUROC, its status and notes; never one of zero width.

    Parameters
    ----------
    value, se
        The AUROC and its standard error.
    quantile
        Of the normal or the t distribution.
    level
        Confidence level.
    scale
        ``logit`` or ``identity``.
    n_units, units
        Units in the smaller class, and what they are, for the bound at 0 and 1.
    """
    if value in (0.0, 1.0):
        low, high = perfect_bound(value, n_units, level)
        note = f"perfect {'separation' if value == 1 else 'inversion'}: one-sided bound of {n_units} {units}, heuristic"
        return low, high, "degenerate", (note, INVERTED) if value == 0 else (note,)
    notes = (INVERTED,) if value < 0.5 else ()
    if se <= 1e-12:
        return math.nan, math.nan, "degenerate", (*notes, "the variance is 0: no interval")
    if scale == "identity":
        return max(value - quantile * se, 0.0), min(value + quantile * se, 1.0), "ok", notes
    centre, half = special.logit(value), quantile * se / (value * (1 - value))
    return float(special.expit(centre - half)), float(special.expit(centre + half)), "ok", notes


def perfect_bound(value: float, n_units: int, level: float) -> tuple[float, float]:
    """Return the one-sided bound alpha^(1/n) of n successes out of n, or its mirror image for value 0."""
    bound = (1 - level) ** (1 / n_units)
    return (bound, 1.0) if value == 1 else (0.0, 1 - bound)


def checked_scale(scale: str) -> str:
    """Return ``logit`` or ``identity``; anything else is an error."""
    if scale not in SCALES:
        raise InputError("scale", scale, "logit or identity", "Correct the value.")
    return scale
