"""Ranks with ties, and the signed-rank test on them: of one sample or of many at once."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from protocols.errors import InputError

ALTERNATIVES = ("two-sided", "greater", "less")
ZERO_METHODS = ("pratt", "wilcox", "zsplit")
DISTRIBUTIONS = ("auto", "exact", "normal")
MAX_EXACT = 25  # values up to which "auto" is exact; from there on the normal approximation is good
MAX_ENUMERATED = 500  # the exact distribution has n^2 support points


class SignedRanks(NamedTuple):
    """Signed-rank tests of one or more samples, each field of shape (...).

    Parameters
    ----------
    positive, negative
        Sums of the ranks of the values above and below 0.
    p_value
        1 where nothing but zeros is left.
    exact
        Whether the p value is exact.
    """

    positive: NDArray[np.float64]
    negative: NDArray[np.float64]
    p_value: NDArray[np.float64]
    exact: NDArray[np.bool_]


def midranks(values: NDArray[np.float64], tolerance: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Rank along the last axis; equal values share the mean of their ranks.

    Parameters
    ----------
    values
        Shape (..., n).
    tolerance
        Neighbours in order that differ by no more are equal: sums of decimals miss equality by a rounding.

    Returns
    -------
    tuple
        Ranks from 1, and how many values share each rank, both of shape (..., n).

    Examples
    --------
    >>> ranks, sizes = midranks(np.array([0.5, 0.1, 0.5, 0.9]))
    >>> ranks.tolist(), sizes.tolist()
    ([2.5, 1.0, 2.5, 4.0], [2, 1, 2, 1])
    """
    order = np.argsort(values, axis=-1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=-1)
    apart = np.diff(ordered, axis=-1) > tolerance
    edge = np.ones((*values.shape[:-1], 1), bool)
    place = np.arange(values.shape[-1])
    first = np.maximum.accumulate(np.where(np.concatenate([edge, apart], -1), place, 0), axis=-1)
    ends = np.where(np.concatenate([apart, edge], -1), place, values.shape[-1])
    last = np.minimum.accumulate(ends[..., ::-1], axis=-1)[..., ::-1]
    ranks = np.empty(values.shape)
    sizes = np.empty(values.shape, np.int64)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, axis=-1)
    np.put_along_axis(sizes, order, last - first + 1, axis=-1)
    return ranks, sizes


def signed_ranks(values: NDArray[np.float64], *, zero_method: str = "pratt", alternative: str = "two-sided",
                 distribution: str = "auto", tolerance: float = 0.0) -> SignedRanks:  # fmt: skip
    r"""Wilcoxon's signed-rank test [1]_ of each sample along the last axis.

    :math:`W^+ = \sum_{v_i > 0} rank(|v_i|)`. Its null distribution lets each rank count or not with chance 1/2. The
    normal approximation has mean :math:`n(n+1)/4` and variance
    :math:`n(n+1)(2n+1)/24 - \sum_{ties} (t^3 - t)/48`, no continuity correction.

    Parameters
    ----------
    values
        Shape (..., n).
    zero_method
        ``wilcox``: zeros are left out; ``pratt`` [2]_: ranked, then left out (mean and variance lose their share
        [3]_); ``zsplit`` [4]_: their ranks go half to each side.
    alternative
        ``two-sided``, ``greater`` (above 0) or ``less``.
    distribution
        ``auto``: exact with at most 25 values and neither ties nor zeros, else normal; ``exact``: of the midranks
        as they are, ties and zeros or not; ``normal``.
    tolerance
        Values so near to 0 are zeros, absolute values so near to each other ties.

    References
    ----------
    .. [1] Wilcoxon (1945), Individual comparisons by ranking methods.
    .. [2] Pratt (1959), Remarks on zeros and ties in the Wilcoxon signed rank procedures.
    .. [3] Cureton (1967), The normal approximation to the signed-rank sampling distribution when zero differences
       are present.
    .. [4] Demsar (2006), Statistical comparisons of classifiers over multiple data sets, section 3.1.3.

    Examples
    --------
    >>> r = signed_ranks(np.array([0.1, 0.2, 0.3, 0.4, -0.05]))
    >>> float(r.positive), float(r.negative), float(r.p_value), bool(r.exact)
    (14.0, 1.0, 0.125, True)
    """
    one_of("zero_method", zero_method, ZERO_METHODS)
    one_of("alternative", alternative, ALTERNATIVES)
    one_of("distribution", distribution, DISTRIBUTIONS)
    zero = np.abs(values) <= tolerance
    n_zero = zero.sum(-1)
    size = np.abs(np.where(zero, 0.0, values))
    ranks, shared = midranks(size, tolerance)
    if zero_method == "wilcox":
        ranks = ranks - n_zero[..., None]
    positive = np.where((values > 0) & ~zero, ranks, 0).sum(-1)
    negative = np.where((values < 0) & ~zero, ranks, 0).sum(-1)
    left = values.shape[-1] - n_zero  # values that have a sign
    tied = ((shared > 1) & ~zero).any(-1) | ((n_zero > 0) & (zero_method != "wilcox"))
    if distribution == "auto":
        exact = ~tied & (left <= MAX_EXACT)
    else:
        exact = np.full(left.shape, distribution == "exact")
    p = np.ones(left.shape)
    if not exact.all():
        p = _normal(positive, negative, shared, zero, zero_method, alternative)
    for row in map(tuple, np.argwhere(exact & tied)):
        p[row] = _exact(2 * positive[row], (2 * ranks[row][~zero[row]]).astype(np.int64), alternative)
    plain = exact & ~tied
    for n in np.unique(left[plain]):
        rows = plain & (left == n)
        p[rows] = _tails(_counts(int(n)), positive[rows], alternative)
    p[left == 0] = 1.0
    if zero_method == "zsplit":
        half = np.where(zero, ranks, 0).sum(-1) / 2
        positive, negative = positive + half, negative + half
    return SignedRanks(positive, negative, p, exact)


def one_of(what: str, value: object, known: tuple[str, ...]) -> None:
    """Refuse a name that is not known."""
    if value not in known:
        raise InputError(what, value, f"one of {', '.join(known)}", "Correct the name.", code="UnknownName")


def _normal(positive: NDArray[np.float64], negative: NDArray[np.float64], shared: NDArray[np.int64],
            zero: NDArray[np.bool_], zero_method: str, alternative: str) -> NDArray[np.float64]:  # fmt: skip
    n_zero = zero.sum(-1)
    n = shared.shape[-1] - (n_zero if zero_method == "wilcox" else 0)
    variance = n * (n + 1.0) * (2 * n + 1)
    if zero_method == "pratt":
        variance = variance - n_zero * (n_zero + 1.0) * (2 * n_zero + 1)
    counted = shared if zero_method == "zsplit" else np.where(zero, 1, shared)
    variance = (variance - (counted**2.0 - 1).sum(-1) / 2) / 24  # over values: each tie of t counts t times t^2 - 1
    # The sums of both signs differ by twice the distance from the mean, whatever the zeros.
    deviation = (positive - negative) / 2
    z = np.divide(deviation, np.sqrt(variance), out=np.zeros(deviation.shape), where=variance > 0)
    if alternative == "two-sided":
        return np.asarray(2 * special.ndtr(-np.abs(z)))
    return np.asarray(special.ndtr(-z if alternative == "greater" else z))


def _exact(statistic: float, doubled: NDArray[np.int64], alternative: str) -> float:
    """Return the exact p of a doubled sum of midranks: half ranks are then whole numbers."""
    if len(doubled) > MAX_ENUMERATED:
        raise InputError("distribution", "exact", f"at most {MAX_ENUMERATED} values", "Use auto.", code="OutOfRange")
    chance = np.zeros(int(doubled.sum()) + 1)
    chance[0] = 1.0
    for rank in doubled:
        moved = np.zeros_like(chance)
        moved[rank:] = chance[: len(chance) - rank]
        chance = (chance + moved) / 2
    return float(_tails(np.cumsum(chance), np.array([statistic]), alternative)[0])


@lru_cache(maxsize=64)
def _counts(n: int) -> NDArray[np.float64]:
    """Return P(W <= w) for w from 0 of the ranks 1 to n."""
    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, n + 1):
        moved = np.zeros_like(ways)
        moved[rank:] = ways[: len(ways) - rank]
        ways = (ways + moved) / 2
    cumulative = np.cumsum(ways)
    cumulative.flags.writeable = False
    return cumulative


def _tails(cumulative: NDArray[np.float64], statistic: NDArray[np.float64], alternative: str) -> NDArray[np.float64]:
    """Return the p values of sums whose null distribution is symmetric about the middle of its support."""
    w = np.rint(statistic).astype(np.int64)
    below = cumulative[w]
    above = cumulative[len(cumulative) - 1 - w]  # symmetric: P(W >= w) = P(W <= top - w)
    if alternative == "two-sided":
        return np.asarray(np.minimum(2 * np.minimum(below, above), 1.0))
    return np.asarray(np.minimum(above if alternative == "greater" else below, 1.0))
