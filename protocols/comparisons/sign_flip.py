"""The sign-flip test: whether the mean of differences, one an object, is 0."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocols.errors import InputError
from protocols.inputs import Seed, checked_numbers
from protocols.intervals.draws import generator
from protocols.results import TestResult

from .exchange import checked_count, enumerable, exchanges, share

LEVEL = 0.95


def sign_flip_test(differences: ArrayLike, *, n_resamples: int = 10000, seed: Seed = 0) -> TestResult:
    r"""Test whether differences, one an object, are symmetric about 0, by their sum under flipped signs.

    :math:`T(e) = \sum_i e_i d_i`, :math:`e_i = \pm 1`. With :math:`2^n \le 10^5` all sign patterns are enumerated and
    :math:`p = \#\{|T(e)| \ge |T|\} / 2^n`, the observed signs included; else
    :math:`p = (1 + \#\{|T(e)| \ge |T|\}) / (B + 1)` over B random patterns. Sums within 1e-12 are equal.

    The 95 % interval of the mean holds the shifts that this test does not reject. Turning the signs of a set of the
    differences gives a sum at least as large exactly when the mean of that set is at most the shift, so its limits
    are order statistics of the means of subsets (Hartigan's typical values).

    Parameters
    ----------
    differences
        One an object (the mean over its views, say), shape (n,): views of one object must not flip apart.
    n_resamples
        Random patterns where :math:`2^n > 10^5`.
    seed
        As in :func:`~protocols.intervals.bootstrap.bootstrap_interval`.

    Returns
    -------
    TestResult
        ``difference`` and ``statistic`` are the mean. No interval where n is too small for any p below 0.05.
        ``degenerate``: all differences are equal (no interval; p is 1 if they are 0). ``undefined``: there are none.

    Raises
    ------
    InputError
        A difference is not finite, or ``n_resamples`` is not 1 or more.

    References
    ----------
    Fisher (1935), The Design of Experiments, section 21. Hartigan (1969), Using subsample values as typical values.
    Phipson & Smyth (2010), Permutation p-values should never be zero.

    Examples
    --------
    >>> sign_flip_test([0.1, 0.2, 0.3]).p_value
    0.25
    """
    given = _checked(differences)
    n_resamples = checked_count(n_resamples)
    nan, n = math.nan, len(given)
    if not n:
        reason = "the sign-flip test needs a difference; got none"
        return TestResult(nan, nan, nan, LEVEL, nan, nan, nan, "sign flip", "undefined", (reason,))
    exact = enumerable(n)
    method = f"sign flip, {'exact' if exact else f'{n_resamples} resamples'}"
    sign = -1 if given.sum() < 0 else 1
    d = np.sort(sign * given)  # so that neither the order nor the sign of all changes what a seed draws
    mean, total, slack = sign * float(d.mean()), float(d.sum()), 1e-12 * float(np.abs(d).sum())
    extreme, means, n_empty = 0, [], 0
    for flipped in exchanges(n, n_resamples, generator(seed, "sign_flip")):
        sums, sizes = flipped @ d, flipped.sum(axis=1)
        extreme += int((np.abs(total - 2 * sums) >= total - slack).sum())
        means.append(sums[sizes > 0] / sizes[sizes > 0])
        n_empty += int((sizes == 0).sum())
    subset_means = np.sort(np.concatenate(means))
    n_drawn = len(subset_means) + n_empty
    p = share(extreme, n_drawn, exact)
    if np.ptp(d) <= 1e-12 * float(np.abs(d).max()):  # so also when all are 0
        equal = "all differences are 0" if not total else f"all differences equal {mean:.6g}: no interval"
        return TestResult(mean, nan, nan, LEVEL, mean, nan, p, method, "degenerate", (equal,))
    k = _rank(n_drawn, exact) - n_empty
    if k < 1:
        note = f"{n} differences have no p below {1 - LEVEL:.2g}: no interval"
        return TestResult(mean, nan, nan, LEVEL, mean, nan, p, method, "ok", (note,))
    low, high = sorted((sign * float(subset_means[k - 1]), sign * float(subset_means[-k])))
    return TestResult(mean, low, high, LEVEL, mean, nan, p, method)


def _rank(n_drawn: int, exact: bool) -> int:
    """Return how many patterns must be as extreme, on one side, for p to be above 1 - LEVEL."""
    tail = (1 - LEVEL) / 2
    # Products as 0.025 * 40 must not fall below the whole number they are.
    return math.floor(tail * n_drawn + 1e-9) + 1 if exact else math.floor(tail * (n_drawn + 1) + 1e-9)


def _checked(differences: ArrayLike) -> NDArray[np.float64]:
    d = checked_numbers(differences, "differences")
    bad = np.flatnonzero(~np.isfinite(d))
    if len(bad):
        raise InputError(f"differences, position {bad[0]}", float(d[bad[0]]), "finite values",
                         f"Leave out the {len(bad)} objects whose difference is undefined.",
                         code="NonFiniteValue")  # fmt: skip
    return d
