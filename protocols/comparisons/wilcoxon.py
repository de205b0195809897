"""Wilcoxon's signed-rank test over data sets: two detectors, or every pair of several."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocols.inputs import checked_fraction
from protocols.results import Status, TestResult

from .multiplicity import adjust_p_values
from .paired_values import finite_table, paired_differences, rounding
from .ranks import ALTERNATIVES, DISTRIBUTIONS, MAX_EXACT, ZERO_METHODS, one_of, signed_ranks

ADVISED = 6  # with fewer data sets no outcome reaches two-sided 0.05


def wilcoxon_over_datasets(a: ArrayLike, b: ArrayLike | None = None, *, zero_method: str = "pratt",
                           alternative: str = "two-sided", distribution: str = "auto",
                           level: float = 0.95) -> TestResult:  # fmt: skip
    r"""Test whether two detectors differ over data sets: signed ranks of one difference a data set [1]_ [2]_.

    The ranks of :math:`|a_i - b_i|` are summed where a is better, :math:`W^+`, and where b is, :math:`W^-`. Each data
    set counts once, so that the overlap of its repeats is no matter.

    Parameters
    ----------
    a, b
        One value a data set (the mean over its repeats), shape (N,); without ``b``, ``a`` are the differences.
        Differences within rounding (1e-12 of the largest value) of 0 are zeros, as near to each other ties.
    zero_method
        ``pratt``: zeros are ranked, then left out; ``wilcox``: left out first; ``zsplit``: their ranks go half to
        each side [2]_.
    alternative
        ``two-sided``, ``greater`` (a better) or ``less``.
    distribution
        ``auto``: exact with at most 25 data sets and neither ties nor zeros, else normal with tie correction and
        without continuity correction; ``exact``: exact for the midranks as they are; ``normal``.
    level
        Kept in the result; the test has no interval.

    Returns
    -------
    TestResult
        ``difference`` is the mean difference; ``statistic`` the smaller of :math:`W^+` and :math:`W^-`, or
        :math:`W^+` if one-sided. ``undefined`` without data sets; ``degenerate`` with p = 1 when all differences are
        0; ``approximate`` where the normal approximation stands in for 25 data sets or fewer.

    Raises
    ------
    InputError
        Lengths differ, a value is not finite, or an option is not known.

    References
    ----------
    .. [1] Wilcoxon (1945), Individual comparisons by ranking methods.
    .. [2] Demsar (2006), Statistical comparisons of classifiers over multiple data sets, section 3.1.3: its example
       is below.

    Examples
    --------
    >>> c45 = [.763, .599, .954, .628, .882, .936, .661, .583, .775, 1, .940, .619, .972, .957]
    >>> c45_m = [.768, .591, .971, .661, .888, .931, .668, .583, .838, 1, .962, .666, .981, .978]
    >>> r = wilcoxon_over_datasets(c45, c45_m, zero_method="zsplit")
    >>> r.statistic, round(r.p_value, 3)
    (12.0, 0.011)
    """
    x = paired_differences(a, b, unit="data set")
    one_of("zero_method", zero_method, ZERO_METHODS)
    one_of("alternative", alternative, ALTERNATIVES)
    one_of("distribution", distribution, DISTRIBUTIONS)
    checked_fraction(level, "level")
    nan = math.nan
    if not len(x):
        return TestResult(nan, nan, nan, level, nan, nan, nan, "Wilcoxon signed rank", "undefined", ("no data set",))
    tolerance = rounding(np.asarray(a, np.float64), *(() if b is None else (np.asarray(b, np.float64),)))
    found = signed_ranks(x, zero_method=zero_method, alternative=alternative, distribution=distribution,
                         tolerance=tolerance)  # fmt: skip
    w_plus, w_minus = float(found.positive), float(found.negative)
    statistic = min(w_plus, w_minus) if alternative == "two-sided" else w_plus
    method = f"Wilcoxon signed rank, {'exact' if found.exact else 'normal'}"
    status: Status = "ok"
    notes = [f"rank sums {w_plus:g} (a better) and {w_minus:g} (b better)"]
    n_zero = int((np.abs(x) <= tolerance).sum())
    if n_zero:
        notes.append(f"{n_zero} of {len(x)} differences are 0 ({zero_method})")
    if not found.exact and len(x) <= MAX_EXACT:
        status = "approximate"
    if len(x) < ADVISED:
        notes.append(f"{len(x)} data sets: no outcome reaches a two-sided p of 0.05 below {ADVISED}")
    if n_zero == len(x):
        status = "degenerate"
    return TestResult(float(x.mean()), nan, nan, level, statistic, nan, float(found.p_value), method, status,
                      tuple(notes))  # fmt: skip


def pairwise_wilcoxon(values: ArrayLike, *, adjust: str = "holm", zero_method: str = "pratt") -> NDArray[np.float64]:
    """Return adjusted p values of :func:`wilcoxon_over_datasets` for every pair of detectors.

    To be preferred to rank differences when detectors are few: the ranks of a pair do not depend on third detectors.

    Parameters
    ----------
    values
        Shape (data sets, detectors).
    adjust
        ``holm`` or ``bh``, over the k(k-1)/2 pairs.
    zero_method
        As of :func:`wilcoxon_over_datasets`.

    Returns
    -------
    ndarray
        Symmetric, shape (k, k), 1 on the diagonal.

    Raises
    ------
    InputError
        The values are not of shape (data sets, detectors), or an option is not known.

    References
    ----------
    Benavoli, Corani & Mangili (2016), Should we really use post-hoc tests based on mean-ranks?

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = pairwise_wilcoxon(rng.normal(size=(12, 3)) + [0, 0, 3])
    >>> (p < 0.05).tolist()
    [[False, False, True], [False, False, True], [True, True, False]]
    """
    x = datasets_by_detectors(values)
    pairs = list(combinations(range(x.shape[1]), 2))
    found = [wilcoxon_over_datasets(x[:, i], x[:, j], zero_method=zero_method).p_value for i, j in pairs]
    p = np.ones((x.shape[1], x.shape[1]))
    for (i, j), adjusted in zip(pairs, adjust_p_values(found, adjust), strict=True):
        p[i, j] = p[j, i] = adjusted
    return p


def datasets_by_detectors(values: ArrayLike) -> NDArray[np.float64]:
    """Return values as floats, shape (data sets, detectors), finite, at least one data set and two detectors.

    Raises
    ------
    InputError
        Code ``NotDatasetsByDetectors`` or ``NonFiniteValue``.
    """
    return finite_table(values, "values", ("data set", "detector"), code="NotDatasetsByDetectors", least_columns=2,
                        without="Leave out the data sets that a detector has no value for")  # fmt: skip
