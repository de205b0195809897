"""After Friedman's test: which detectors differ, and the groups of a critical difference diagram."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from protocols.errors import InputError
from protocols.inputs import checked_fraction

from .friedman import checked_ranks
from .multiplicity import adjust_p_values


@dataclass(frozen=True)
class ControlTests:
    """Every detector against a control, by average ranks.

    Parameters
    ----------
    control
        Position of the control.
    z
        (rank of the control - rank) / standard error, shape (k,): positive is better than the control; NaN at the
        control.
    p_values, p_adjusted
        Two-sided, and adjusted for the k - 1 tests, shape (k,); NaN at the control.
    adjust
        How they were adjusted.
    """

    control: int
    z: NDArray[np.float64]
    p_values: NDArray[np.float64]
    p_adjusted: NDArray[np.float64]
    adjust: str


def nemenyi_critical_difference(n_detectors: int, n_datasets: int, *, alpha: float = 0.05) -> float:
    r"""Return the difference of average ranks from which two detectors differ, all pairs taken together [1]_ [2]_.

    :math:`CD = q_\alpha \sqrt{k (k + 1) / (6 N)}` with :math:`q_\alpha` the studentised range of k values with
    infinite degrees of freedom, over :math:`\sqrt 2`: 1.960, 2.344, 2.569, 2.728, 2.850 for k = 2 to 6 at 0.05.

    Parameters
    ----------
    n_detectors
        k >= 2.
    n_datasets
        N >= 1.
    alpha
        Chance of any false difference among all pairs.

    Returns
    -------
    float
        In ranks; two detectors differ if theirs are at least this far apart.

    Raises
    ------
    InputError
        Fewer than two detectors, no data set, or ``alpha`` out of range.

    References
    ----------
    .. [1] Nemenyi (1963), Distribution-free multiple comparisons.
    .. [2] Demsar (2006), Statistical comparisons of classifiers over multiple data sets, section 3.2.2.

    Examples
    --------
    >>> round(nemenyi_critical_difference(4, 14), 6)
    1.253559
    """
    from scipy import stats

    k, n = _counts(n_detectors, n_datasets)
    q = float(stats.studentized_range.ppf(1 - checked_fraction(alpha, "alpha"), k, np.inf)) / math.sqrt(2)
    return q * _standard_error(k, n)


def nemenyi_p_values(average_ranks: ArrayLike, n_datasets: int) -> NDArray[np.float64]:
    """Return Nemenyi's p value of every pair: the chance of so large a studentised range of k equal detectors.

    Parameters
    ----------
    average_ranks
        Shape (k,), 1 = best.
    n_datasets
        N.

    Returns
    -------
    ndarray
        Symmetric, shape (k, k), 1 on the diagonal; already adjusted for all pairs.

    Raises
    ------
    InputError
        The ranks are not average ranks of k detectors, or there is no data set.

    References
    ----------
    Nemenyi (1963), Distribution-free multiple comparisons.

    Examples
    --------
    >>> nemenyi_p_values([44 / 14, 28 / 14, 40.5 / 14, 27.5 / 14], 14).round(4).tolist()[0]
    [1.0, 0.0887, 0.9562, 0.0742]
    """
    from scipy import stats

    ranks, n = checked_ranks(average_ranks, n_datasets)
    k = len(ranks)
    first, second = np.triu_indices(k, 1)
    q = np.abs(ranks[first] - ranks[second]) / _standard_error(k, n) * math.sqrt(2)
    p = np.ones((k, k))
    p[first, second] = p[second, first] = np.clip(stats.studentized_range.sf(q, k, np.inf), 0, 1)
    return p


def control_tests(average_ranks: ArrayLike, n_datasets: int, *, control: int = 0,
                  adjust: str = "holm") -> ControlTests:  # fmt: skip
    r"""Test every detector against a control: more power than all pairs, if only these were asked beforehand [1]_.

    :math:`z = (R_c - R_j) / \sqrt{k (k + 1) / (6 N)}`, two-sided normal p values, adjusted for k - 1 tests.

    Parameters
    ----------
    average_ranks
        Shape (k,), 1 = best.
    n_datasets
        N.
    control
        Position of the control.
    adjust
        ``holm`` or ``bh``.

    Returns
    -------
    ControlTests
        z, p values and adjusted p values, each of shape (k,); NaN at the control.

    Raises
    ------
    InputError
        The ranks are not average ranks of k detectors, or there is no such control.

    References
    ----------
    .. [1] Demsar (2006), Statistical comparisons of classifiers over multiple data sets, section 3.2.2.

    Examples
    --------
    >>> r = control_tests([44 / 14, 28 / 14, 40.5 / 14, 27.5 / 14], 14)
    >>> r.z.round(3).tolist(), (r.p_adjusted < 0.05).tolist()
    ([nan, 2.342, 0.512, 2.415], [False, True, False, True])
    """
    ranks, n = checked_ranks(average_ranks, n_datasets)
    k = len(ranks)
    if isinstance(control, bool) or not isinstance(control, (int, np.integer)) or not 0 <= control < k:
        raise InputError("control", control, f"a position from 0 to {k - 1}", "Correct it.", code="OutOfRange")
    z = (ranks[control] - ranks) / _standard_error(k, n)
    z[control] = np.nan
    p = 2 * special.ndtr(-np.abs(z))
    return ControlTests(int(control), z, p, adjust_p_values(p, adjust), adjust)


def indistinguishable_groups(
    average_ranks: ArrayLike,
    *,
    critical_difference: float | None = None,
    p_values: ArrayLike | None = None,
    alpha: float = 0.05,
    omnibus_p: float | None = None,
) -> list[tuple[int, ...]]:
    """Return the bars of a critical difference diagram: the largest groups of detectors not shown to differ [1]_.

    By a critical difference: intervals of ranks less than it from end to end. By a matrix of p values: neighbours in
    rank order of which *all* pairs have p of at least ``alpha``; a pair without p (NaN) was not shown to differ.
    Groups inside larger groups and single detectors are left out. No bars if the omnibus test does not reject: then
    nothing was shown to differ.

    Parameters
    ----------
    average_ranks
        Shape (k,), 1 = best.
    critical_difference, p_values
        Exactly one: a number above 0, or adjusted p values of shape (k, k), symmetric.
    alpha
        For p values and the omnibus test.
    omnibus_p
        p value of :func:`~protocols.comparisons.friedman.friedman_test`; None: taken to reject.

    Returns
    -------
    list of tuple of int
        Positions in ``average_ranks``, best first; groups in rank order.

    Raises
    ------
    InputError
        Not exactly one of the two was given, or their shape is wrong.

    References
    ----------
    .. [1] Demsar (2006), Statistical comparisons of classifiers over multiple data sets, section 3.2.4.

    Examples
    --------
    >>> indistinguishable_groups([3.143, 2.0, 2.893, 1.964], critical_difference=1.15)
    [(3, 1, 2), (1, 2, 0)]
    """
    ranks = np.asarray(average_ranks, np.float64)
    checked_fraction(alpha, "alpha")
    if ranks.ndim != 1 or not np.isfinite(ranks).all():
        raise InputError("average ranks", ranks.tolist(), "finite ranks of shape (k,)", "Correct them.",
                         code="NotRanks")  # fmt: skip
    differ = _differing(ranks, critical_difference, p_values, alpha)
    if omnibus_p is not None and not omnibus_p < alpha:
        return []
    order = np.argsort(ranks, kind="stable")
    differ = differ[np.ix_(order, order)]
    groups: list[tuple[int, ...]] = []
    reached = 0
    for first in range(len(ranks)):
        end = first + 1
        while end < len(ranks) and not differ[first : end + 1, first : end + 1].any():
            end += 1
        if end > max(reached, first + 1):  # else inside the group before
            groups.append(tuple(int(i) for i in order[first:end]))
            reached = end
    return groups


def _differing(ranks: NDArray[np.float64], critical_difference: float | None, p_values: ArrayLike | None,
               alpha: float) -> NDArray[np.bool_]:  # fmt: skip
    if (critical_difference is None) == (p_values is None):
        raise InputError("groups", {"critical_difference": critical_difference is not None,
                                    "p_values": p_values is not None}, "exactly one of the two",
                         "Give critical_difference or p_values.")  # fmt: skip
    if critical_difference is not None:
        if not critical_difference > 0:
            raise InputError("critical_difference", critical_difference, "a number above 0", "Correct it.",
                             code="OutOfRange")  # fmt: skip
        # Ranks are means of halves: differences that should equal the bound miss it by a rounding.
        return np.asarray(np.abs(ranks[:, None] - ranks) >= critical_difference * (1 - 1e-12))
    p = np.asarray(p_values, np.float64)
    if p.shape != (len(ranks), len(ranks)) or not np.array_equal(p, p.T, equal_nan=True):
        raise InputError("p values", f"shape {p.shape}", f"a symmetric matrix of shape {(len(ranks), len(ranks))}",
                         "Give one p value a pair, in both places.", code="NotSymmetric")  # fmt: skip
    return np.asarray((p < alpha) & ~np.eye(len(ranks), dtype=bool))


def _counts(n_detectors: int, n_datasets: int) -> tuple[int, int]:
    for what, value, least in (("n_detectors", n_detectors, 2), ("n_datasets", n_datasets, 1)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise InputError(what, value, f"a whole number of {least} or more", "Correct it.", code="OutOfRange")
    return int(n_detectors), int(n_datasets)


def _standard_error(k: int, n: int) -> float:
    return math.sqrt(k * (k + 1) / (6 * n))
