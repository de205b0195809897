"""Degrees of freedom of a variance that is a sum over few, unequal or long-tailed units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

FITTED = 1.3


def satterthwaite_df(variances: Sequence[float], dfs: Sequence[float]) -> float:
    r"""Return the degrees of freedom of a sum of independent variances: :math:`(\sum v)^2 / \sum v^2 / f` [1]_.

    Parameters
    ----------
    variances
        The parts v, not negative; at least one is positive.
    dfs
        Degrees of freedom f of each part.

    References
    ----------
    .. [1] Satterthwaite (1946), An approximate distribution of estimates of variance components.

    Examples
    --------
    >>> satterthwaite_df([1.0, 1.0], [5, 5])
    10.0
    """
    total = sum(variances)
    return float(total**2 / sum(v**2 / f for v, f in zip(variances, dfs, strict=True)))


def df_of_units(deviations: ArrayLike) -> float:
    r"""Return the degrees of freedom of a variance of n independent units, from their kurtosis.

    A sum of n squares has the variance :math:`n (\mu_4 - \mu_2^2)`, a chi-square with f degrees of freedom that is
    scaled to the same mean :math:`2 (n \mu_2)^2 / f`; with :math:`S_k = \sum d^k` this gives
    :math:`f = 2 S_2^2 / (S_4 - S_2^2 / n)`, here at least 1 and at most n - 1. About n for normal deviations, fewer
    for long tails.

    Parameters
    ----------
    deviations
        From the mean, shape (n,), n >= 2.

    Examples
    --------
    >>> round(df_of_units([-2, -1, 0, 1, 2]), 6), round(df_of_units([-1] * 9 + [9]), 6)
    (4.0, 2.8125)
    """
    d = _scaled(deviations)
    squares, fourth, n = float((d**2).sum()), float((d**4).sum()), d.size
    excess = fourth - squares**2 / n
    return float(np.clip(2 * squares**2 / excess, 1, n - 1)) if excess > 0 else float(n - 1)


def df_of_objects(deviations: ArrayLike) -> float:
    r"""Return the degrees of freedom of a variance carried by n objects of several images: 1.3 n_eff - 1.

    :math:`n_{eff} = (\sum d^2)^2 / \sum d^4`, the inverse participation ratio, counts the objects that make up the
    variance: n if all deviations are of one size, 1 if one object makes it alone, n / 3 if they are normal. The
    result is within 1 and n - 1, and more careful than :func:`df_of_units`. That care is what unequal objects need, of
    which a few large ones pull the estimate towards themselves, and hard objects so rare that the sample may lack
    them. The factor was fitted to the coverage of simulated factories (``benchmarks/coverage.py``).

    Parameters
    ----------
    deviations
        Sum of each object minus its expectation, shape (n,), n >= 2.

    Examples
    --------
    >>> round(df_of_objects([3, -1, 1, -1, -1, -1]), 6), df_of_objects([5, 0, 0])
    (1.962791, 1.0)
    """
    d = _scaled(deviations)
    fourth = float((d**4).sum())
    return float(np.clip(FITTED * (d**2).sum() ** 2 / fourth - 1, 1, d.size - 1)) if fourth > 0 else d.size - 1.0


def _scaled(deviations: ArrayLike) -> NDArray[np.float64]:
    """Return the deviations in units of the largest, so that fourth powers neither vanish nor overflow."""
    d = np.asarray(deviations, np.float64)
    largest = float(np.abs(d).max(initial=0.0))
    return d / largest if largest > 0 else d
