"""Friedman's test of several detectors over several data sets, in the form of Iman and Davenport."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from protocols.errors import InputError
from protocols.results import Status

from .paired_values import rounding
from .ranks import midranks
from .wilcoxon import datasets_by_detectors

METHOD = "Friedman, Iman-Davenport F"


@dataclass(frozen=True)
class FriedmanResult:
    """Outcome of the omnibus test: do the detectors differ at all.

    Parameters
    ----------
    chi2, df, p_chi2
        Friedman's statistic, its degrees of freedom k - 1 and p value: undesirably conservative.
    statistic, df1, df2, p_value
        Iman and Davenport's F, k - 1 and (k - 1)(N - 1), p value: the ones to believe.
    average_ranks
        Mean rank of each detector over data sets, 1 = best, shape (k,).
    n_datasets
        N.
    method, status, notes
        As in :class:`~protocols.results.Estimate`; the notes say whether ties were corrected for.
    """

    chi2: float
    df: float
    p_chi2: float
    statistic: float
    df1: float
    df2: float
    p_value: float
    average_ranks: NDArray[np.float64] = field(compare=False)
    n_datasets: int = 0
    method: str = METHOD
    status: Status = "ok"
    notes: tuple[str, ...] = ()


def friedman_test(values: ArrayLike, *, higher_is_better: bool = True, tie_correction: bool = True) -> FriedmanResult:
    r"""Test whether k detectors differ over N data sets, by their ranks within each data set [1]_ [2]_ [3]_.

    With :math:`R_j` the average rank (1 = best, midranks for ties),
    :math:`\chi^2 = \frac{12 N}{k (k + 1)} \left[\sum R_j^2 - k (k + 1)^2 / 4\right]` on k - 1 degrees of freedom,
    and :math:`F = (N - 1) \chi^2 / (N (k - 1) - \chi^2)` on k - 1 and (k - 1)(N - 1). With ties :math:`\chi^2` is
    divided by :math:`1 - \sum (t^3 - t) / (N k (k^2 - 1))`. Perfect agreement: F is infinite and p 0.

    Parameters
    ----------
    values
        One value a detector and data set (the mean over repeats), shape (data sets, detectors). Values within
        rounding (1e-12 of the largest) of each other are ties.
    higher_is_better
        False for error rates.
    tie_correction
        False: as in the published example [3]_, from the average ranks alone.

    Returns
    -------
    FriedmanResult
        ``undefined`` with one data set; ``degenerate`` with p = 1 when all detectors tie on every data set.

    Raises
    ------
    InputError
        The values are not finite, or not of shape (data sets, detectors) with two detectors or more.

    References
    ----------
    .. [1] Friedman (1937), The use of ranks to avoid the assumption of normality implicit in the analysis of variance.
    .. [2] Iman & Davenport (1980), Approximations of the critical region of the Friedman statistic.
    .. [3] Demsar (2006), Statistical comparisons of classifiers over multiple data sets, section 3.2.2.

    Examples
    --------
    >>> r = friedman_test([[0.9, 0.8, 0.7], [0.8, 0.9, 0.6], [0.7, 0.6, 0.5], [0.95, 0.9, 0.9]])
    >>> r.average_ranks.tolist(), round(r.chi2, 6), round(r.statistic, 6), r.notes
    ([1.25, 1.875, 2.875], 5.733333, 7.588235, ('corrected for ties on 1 of 4 data sets',))
    """
    x = datasets_by_detectors(values)
    n, k = x.shape
    ranks, sizes = midranks(-x if higher_is_better else x, rounding(x))
    # Twice the ranks are whole numbers: sums are exact, and perfect agreement is recognised as such.
    doubled = np.rint(2 * ranks).astype(np.int64) - (k + 1)
    between = int((doubled.sum(axis=0) ** 2).sum())
    tied = int((sizes > 1).any(axis=1).sum())
    corrected = tied > 0 and tie_correction
    within = int((doubled**2).sum()) if corrected else n * k * (k * k - 1) // 3
    notes: tuple[str, ...] = ()
    if tied:
        notes = (f"{'corrected' if corrected else 'not corrected'} for ties on {tied} of {n} data sets",)
    average = ranks.mean(axis=0)
    if not int((doubled**2).sum()):
        return FriedmanResult(0.0, k - 1.0, 1.0, 0.0, k - 1.0, (k - 1.0) * (n - 1), 1.0, average, n, METHOD,
                              "degenerate", ("all detectors tie on every data set",))  # fmt: skip
    if between == n * within:
        return _result(n * (k - 1.0), math.inf, average, n, (*notes, "all data sets rank the detectors alike"))
    chi2 = (k - 1) * between / within
    return _result(chi2, (n - 1) * between / (n * within - between), average, n, notes)


def friedman_from_ranks(average_ranks: ArrayLike, n_datasets: int) -> FriedmanResult:
    r"""Friedman's test from published average ranks: without the tie correction, which needs the values.

    Parameters
    ----------
    average_ranks
        Mean rank of each detector, shape (k,), each in [1, k]; their sum is k(k + 1)/2.
    n_datasets
        N.

    Returns
    -------
    FriedmanResult
        As of :func:`friedman_test`.

    Raises
    ------
    InputError
        These cannot be average ranks of k detectors over N data sets.

    References
    ----------
    Demsar (2006), Statistical comparisons of classifiers over multiple data sets, section 3.2.2: the example.

    Examples
    --------
    >>> r = friedman_from_ranks([44 / 14, 28 / 14, 40.5 / 14, 27.5 / 14], 14)
    >>> round(r.chi2, 6), round(r.statistic, 6), r.df1, r.df2, round(r.p_value, 4)
    (9.278571, 3.686313, 3.0, 39.0, 0.0198)
    """
    ranks, n = checked_ranks(average_ranks, n_datasets)
    k = len(ranks)
    chi2 = 12 * n / (k * (k + 1)) * float(((ranks - (k + 1) / 2) ** 2).sum())
    rest = n * (k - 1) - chi2
    f = math.inf if rest <= 1e-9 * n * k else (n - 1) * chi2 / rest
    return _result(chi2, f, ranks, n, ("from average ranks: not corrected for ties",))


def checked_ranks(average_ranks: ArrayLike, n_datasets: int) -> tuple[NDArray[np.float64], int]:
    """Return average ranks as floats, shape (k,), and the number of data sets.

    Raises
    ------
    InputError
        Code ``NotRanks`` when they are no average ranks, ``OutOfRange`` for the number of data sets.
    """
    ranks = np.asarray(average_ranks, np.float64)
    k = ranks.size
    if isinstance(n_datasets, bool) or not isinstance(n_datasets, (int, np.integer)) or n_datasets < 1:
        raise InputError("n_datasets", n_datasets, "a whole number of 1 or more", "Correct it.", code="OutOfRange")
    # Published ranks are rounded, mostly to two or three digits.
    near = 0.01 * k
    if ranks.ndim != 1 or k < 2 or not (abs(ranks.sum() - k * (k + 1) / 2) <= near and ranks.min() >= 1 - near):
        raise InputError("average ranks", np.round(ranks, 6).tolist(), "average ranks from 1 to k with sum k(k + 1)/2",
                         "Give the mean rank of every detector.", code="NotRanks")  # fmt: skip
    return ranks, int(n_datasets)


def _result(chi2: float, f: float, ranks: NDArray[np.float64], n: int, notes: tuple[str, ...]) -> FriedmanResult:
    df1 = len(ranks) - 1.0
    df2, p_chi2 = df1 * (n - 1), float(special.chdtrc(df1, chi2))
    if n < 2:
        nan = math.nan
        return FriedmanResult(chi2, df1, p_chi2, nan, df1, df2, nan, ranks, n, METHOD, "undefined",
                              ("one data set: no agreement between data sets to test", *notes))  # fmt: skip
    p = 0.0 if f == math.inf else float(special.fdtrc(df1, df2, f))
    return FriedmanResult(chi2, df1, p_chi2, f, df1, df2, p, ranks, n, METHOD, "ok", notes)
