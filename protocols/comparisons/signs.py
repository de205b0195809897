"""The sign test: of one sample or of many at once, and over data sets."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from protocols.inputs import checked_fraction
from protocols.results import TestResult

from .paired_values import paired_differences, rounding
from .ranks import ALTERNATIVES, one_of

SIGN_ZEROS = ("split", "drop")


class SignCounts(NamedTuple):
    """Sign tests of one or more samples, each field of shape (...); p is 1 where no sign is left."""

    positive: NDArray[np.int64]
    n: NDArray[np.int64]
    p_value: NDArray[np.float64]


def sign_counts(values: NDArray[np.float64], *, zero_method: str = "split", alternative: str = "two-sided",
                tolerance: float = 0.0) -> SignCounts:  # fmt: skip
    """Exact binomial test of the signs of each sample along the last axis.

    Parameters
    ----------
    values
        Shape (..., n).
    zero_method
        ``split`` [1]_: half of the zeros count as positive, one is left out if their number is odd; ``drop``: zeros
        are left out.
    alternative
        ``two-sided`` (twice the smaller tail), ``greater`` or ``less``.
    tolerance
        Values so near to 0 are zeros.

    Returns
    -------
    SignCounts
        Positive signs, signs counted and p values, each of shape (...).

    References
    ----------
    .. [1] Demsar (2006), Statistical comparisons of classifiers over multiple data sets, section 3.1.4.

    Examples
    --------
    >>> wins, n, p = sign_counts(np.array([0.1, 0.2, 0.0, 0.0, 0.0, 0.3, 0.1, 0.2]))
    >>> int(wins), int(n), float(p)
    (6, 7, 0.125)
    """
    one_of("zero_method", zero_method, SIGN_ZEROS)
    one_of("alternative", alternative, ALTERNATIVES)
    zero = np.abs(values) <= tolerance
    half = zero.sum(-1) // 2 if zero_method == "split" else 0
    wins = ((values > 0) & ~zero).sum(-1) + half
    n = (~zero).sum(-1) + 2 * half
    above = np.where(wins > 0, special.bdtrc(np.maximum(wins - 1, 0), n, 0.5), 1.0)
    below = np.where(wins < n, special.bdtr(wins, n, 0.5), 1.0)
    if alternative == "two-sided":
        p = np.minimum(2 * np.minimum(above, below), 1.0)
    else:
        p = above if alternative == "greater" else below
    return SignCounts(wins, n, p)


def sign_test_over_datasets(a: ArrayLike, b: ArrayLike | None = None, *, zero_method: str = "split",
                            alternative: str = "two-sided", level: float = 0.95) -> TestResult:  # fmt: skip
    r"""Test whether a wins on as many data sets as b: the weak companion of the signed-rank test.

    Exact binomial test of the number of wins, chance 1/2. It ignores how large the differences are.

    Parameters
    ----------
    a, b
        One value a data set, shape (N,); without ``b``, ``a`` are the differences. Differences within rounding
        (1e-12 of the largest value) are zeros.
    zero_method
        ``split``: ties count half for each, one is left out if their number is odd; ``drop``: they are left out.
    alternative
        ``two-sided``, ``greater`` (a better) or ``less``.
    level
        Kept in the result; the test has no interval.

    Returns
    -------
    TestResult
        ``difference`` is the mean difference, ``statistic`` the number of wins of a. ``undefined`` without data
        sets, ``degenerate`` with p = 1 when all differences are 0.

    Raises
    ------
    InputError
        Lengths differ, a value is not finite, or an option is not known.

    References
    ----------
    Demsar (2006), Statistical comparisons of classifiers over multiple data sets, section 3.1.4.

    Examples
    --------
    >>> r = sign_test_over_datasets([0.9, 0.8, 0.7, 0.95, 0.9, 0.85], [0.8, 0.7, 0.6, 0.9, 0.95, 0.8])
    >>> r.statistic, round(r.p_value, 6)
    (5.0, 0.21875)
    """
    x = paired_differences(a, b, unit="data set")
    checked_fraction(level, "level")
    one_of("zero_method", zero_method, SIGN_ZEROS)
    one_of("alternative", alternative, ALTERNATIVES)
    nan, method = math.nan, f"sign test, ties {'split' if zero_method == 'split' else 'left out'}"
    if not len(x):
        return TestResult(nan, nan, nan, level, nan, nan, nan, method, "undefined", ("no data set",))
    tolerance = rounding(np.asarray(a, np.float64), np.zeros(1) if b is None else np.asarray(b, np.float64))
    wins, n, p = sign_counts(x, zero_method=zero_method, alternative=alternative, tolerance=tolerance)
    mean = float(x.mean())
    if (np.abs(x) <= tolerance).all():
        return TestResult(mean, nan, nan, level, float(wins), nan, 1.0, method, "degenerate",
                          ("all differences are 0",))  # fmt: skip
    return TestResult(mean, nan, nan, level, float(wins), nan, float(p), method, "ok",
                      (f"{wins} wins of {n} counted",))  # fmt: skip
