"""Thresholds with a guarantee: which order statistic to take, from how many units, and how sure one can be.

Units must be independent (Neyman-Pearson umbrella, escape guarantee) or exchangeable (conformal). Views of one object
are neither: use one score an object, or the hierarchical conformal form, in which every object weighs the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from .errors import InputError, UndefinedError
from .inputs import checked_fraction

# (1 - a)^n = delta must count as reached whatever the rounding of either side.
_SLACK = 1e-12
_BELOW = Fraction(1, 10**9)  # before rounding up, so that (n + 1) (1 - a) = 95.00000000000001 is 95


def violation_probability(k: ArrayLike, n: ArrayLike, *, value: float) -> NDArray[np.float64]:
    r"""Chance that more than a share ``value`` of new nominal units lies above the k-th smallest of n.

    :math:`v(k) = \sum_{j=k}^{n} \binom{n}{j} (1-a)^j a^{n-j} = I_{1-a}(k, n-k+1)` [1]_, exact for continuous scores
    and an upper bound with ties. Mirrored, :math:`v(n-k+1)` is the chance that more than a share ``value`` of new
    anomalous units lies below the k-th smallest of n.

    Parameters
    ----------
    k
        Rank, 1 to n, any shape.
    n
        Number of units, any shape that broadcasts with ``k``.
    value
        The rate a, in (0, 1).

    Returns
    -------
    ndarray
        The common shape of ``k`` and ``n``.

    References
    ----------
    .. [1] Tong, Feng & Li (2018), Neyman-Pearson classification algorithms and NP receiver operating characteristics,
       Proposition 1.

    Examples
    --------
    >>> violation_probability([59, 99, 196], [59, 100, 200], value=0.05).round(6).tolist()
    [0.048495, 0.037081, 0.026447]
    """
    a = checked_fraction(value, "value")
    rank, size = np.asarray(k, np.float64), np.asarray(n, np.float64)
    return np.asarray(special.betainc(rank, size - rank + 1, 1 - a), np.float64)


def least_units(*, value: float, delta: float) -> int:
    r"""Smallest number of units for which a guarantee exists: :math:`n \ge \ln\delta / \ln(1-a)`.

    Parameters
    ----------
    value, delta
        Rate and tolerated chance of exceeding it, in (0, 1).

    Examples
    --------
    >>> least_units(value=0.05, delta=0.05), least_units(value=0.1, delta=0.1)
    (59, 22)
    """
    a, tolerated = checked_fraction(value, "value"), checked_fraction(delta, "delta")
    return max(1, math.ceil(math.log(tolerated) / math.log1p(-a) - 1e-9))


def overkill_rank(n: ArrayLike, *, value: float, delta: float) -> NDArray[np.int64]:
    """Smallest rank k with :func:`violation_probability` at most ``delta``; 0 where n is too small.

    Parameters
    ----------
    n
        Number of nominal units, any shape.
    value, delta
        Rate and tolerated chance of exceeding it, in (0, 1).

    Examples
    --------
    >>> overkill_rank([58, 59, 100, 200], value=0.05, delta=0.05).tolist()
    [0, 59, 99, 196]
    """
    needed = least_units(value=value, delta=delta)
    sizes, place = np.unique(np.asarray(n, np.int64), return_inverse=True)
    low, high = np.zeros_like(sizes), np.maximum(sizes, 1)  # v(high) <= delta where feasible, v(low) > delta
    while (high - low > 1).any():
        middle = (low + high + 1) // 2
        holds = violation_probability(middle, np.maximum(sizes, 1), value=value) <= delta * (1 + _SLACK)
        low, high = np.where(holds, low, middle), np.where(holds, middle, high)
        low = np.minimum(low, high - 1)
    return np.asarray(np.where(sizes >= needed, high, 0)[place].reshape(np.shape(n)))


def escape_rank(n: ArrayLike, *, value: float, delta: float) -> NDArray[np.int64]:
    r"""Largest rank k whose score, taken as threshold, keeps the escape rate; 0 where n is too small.

    The escape rate at the k-th smallest anomalous score is at most Beta(k, n - k + 1) in law, hence
    :math:`\Pr\{FNR > e\} \le \Pr\{\mathrm{Bin}(n, e) \le k - 1\}`, the mirror image of :func:`overkill_rank`.

    Parameters
    ----------
    n
        Number of anomalous units, any shape.
    value, delta
        Escape rate and tolerated chance of exceeding it, in (0, 1).

    Examples
    --------
    >>> escape_rank([58, 60, 100], value=0.05, delta=0.05).tolist()
    [0, 1, 2]
    """
    size = np.asarray(n, np.int64)
    k = overkill_rank(size, value=value, delta=delta)
    return np.where(k > 0, size + 1 - k, 0)


def guaranteed_rank(rank: Callable[..., NDArray[np.int64]], n: int, *, value: float, delta: float, units: str) -> int:
    """Return :func:`overkill_rank` or :func:`escape_rank` of n units, or say how many units are needed.

    Raises
    ------
    UndefinedError
        Code ``GuaranteeInfeasible``; the message states the number needed and the number there is.
    """
    k = int(rank(n, value=value, delta=delta))
    if not k:
        raise UndefinedError(
            f"a rate of at most {value:g} with probability {1 - delta:g} needs {least_units(value=value, delta=delta)} "
            f"{units}; there are {n}", code="GuaranteeInfeasible")  # fmt: skip
    return k


def conformal_rank(n: ArrayLike, *, value: float, unit: int = 1) -> NDArray[Any]:
    r"""Rank of the score above which a new exchangeable nominal unit lies with probability at most ``value``.

    :math:`k = n + 1 - \lfloor (n+1) a \rfloor`; n + 1 stands for an infinite threshold. In units of 1/L the smallest
    whole number of at least :math:`k L`, before rounding to a whole rank: what weighted scores must add up to.

    Parameters
    ----------
    n
        Number of nominal units, any shape.
    value
        The rate a, in (0, 1).
    unit
        L, the number of parts that a unit is divided into.

    Returns
    -------
    ndarray
        The shape of ``n``; int64, or Python's integers where those are too small.

    References
    ----------
    Vovk, Gammerman & Shafer (2005), Algorithmic learning in a random world, section 2.2.

    Examples
    --------
    >>> [int(conformal_rank(n, value=a)) for n, a in [(9, 0.1), (19, 0.05), (20, 0.05), (100, 0.05), (8, 0.1)]]
    [9, 19, 20, 96, 9]
    """
    kept = 1 - Fraction(checked_fraction(value, "value"))
    sizes, place = np.unique(np.asarray(n), return_inverse=True)
    ranks = [math.ceil((kept * (int(size) + 1) - _BELOW) * unit) for size in sizes]
    whole = all(rank < 2**62 for rank in ranks)
    return np.asarray(np.array(ranks, np.int64 if whole else object)[place].reshape(np.shape(n)))


def conformal_band(n: int, k: int, *, level: float = 0.9) -> tuple[float, float]:
    """Range of the overkill rate of a conformal threshold, given the calibration set: Beta(n + 1 - k, k).

    Conformal calibration holds on average over calibration sets; one set may be luckier than another.

    Parameters
    ----------
    n, k
        Number of nominal units and rank of the threshold, 1 to n.
    level
        Share of calibration sets inside; 0.9 gives the quantiles of 5 and 95 %.

    Examples
    --------
    >>> low, high = conformal_band(100, 96)
    >>> round(low, 4), round(high, 4)
    (0.0199, 0.0892)
    """
    if not 1 <= k <= n:
        raise InputError("k", k, f"a rank from 1 to {n}", "An infinite threshold has no band.", code="OutOfRange")
    tail = (1 - checked_fraction(level, "level")) / 2
    return float(special.betaincinv(n + 1 - k, k, tail)), float(special.betaincinv(n + 1 - k, k, 1 - tail))


def conformal_p_value(calibration: ArrayLike, scores: ArrayLike) -> NDArray[np.float64]:
    r"""Conformal p value of parts: :math:`(1 + \#\{t_i \ge s\}) / (n + 1)`, small if s is unusual.

    Parameters
    ----------
    calibration
        Scores of n exchangeable nominal units, shape (n,).
    scores
        Scores of new parts, any shape.

    Returns
    -------
    ndarray
        The shape of ``scores``; from 1/(n + 1) to 1.

    Raises
    ------
    InputError
        A score is NaN (code ``NonFiniteScore``). Infinite scores are ranked.

    References
    ----------
    Vovk, Gammerman & Shafer (2005), Algorithmic learning in a random world, section 2.2.

    Examples
    --------
    >>> conformal_p_value([1, 2, 3, 4], [0, 3, 5]).tolist()
    [1.0, 0.6, 0.2]
    """
    nominal, s = np.sort(np.asarray(calibration, np.float64).ravel()), np.asarray(scores, np.float64)
    if np.isnan(nominal).any() or np.isnan(s).any():
        raise InputError("scores", math.nan, "numbers", "Remove the rows without a score.", code="NonFiniteScore")
    return np.asarray((1 + len(nominal) - np.searchsorted(nominal, s, "left")) / (len(nominal) + 1))


def object_shares(sizes: NDArray[np.int64], copies: int = 1) -> tuple[NDArray[Any], int]:
    """Return what each image of an object weighs if all objects weigh the same, as whole parts of a common unit.

    Comparisons of sums of 1/m_g are then comparisons of integers: no rounding, whatever the order of the images.

    Parameters
    ----------
    sizes
        Images of each object, m_g, shape (G,).
    copies
        The largest number of images that will be summed, copies of objects included.

    Returns
    -------
    tuple
        L / m_g, shape (G,), and L, the least common multiple of the sizes. Python's integers where sums exceed 64 bits.

    Examples
    --------
    >>> shares, unit = object_shares(np.array([2, 1, 3]))
    >>> shares.tolist(), unit
    ([3, 6, 2], 6)
    """
    unit = math.lcm(1, *(int(m) for m in np.unique(sizes)))
    dtype: Any = np.int64 if unit * (copies + 1) < 2**62 else object
    return np.array([unit // int(m) for m in sizes], dtype), unit
