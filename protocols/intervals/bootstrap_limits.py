"""From bootstrap replicates to an interval: percentile and BCa."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special


def percentile_limits(replicates: ArrayLike, level: float) -> tuple[float, float]:
    """Return the quantiles a/2 and 1 - a/2 of the replicates (linear interpolation, type 7)."""
    tail = (1 - level) / 2
    low, high = np.quantile(np.asarray(replicates, np.float64), [tail, 1 - tail])
    return float(low), float(high)


def misses(value: float, low: float, high: float) -> tuple[str, ...]:
    """Say so where an interval does not hold the value: the replicates are mostly on one side of it."""
    if low <= value <= high:
        return ()
    return ("the bootstrap is biased here: the interval misses the value",)


def bca_limits(value: float, replicates: ArrayLike, jackknife: ArrayLike, level: float,
               strata: ArrayLike | None = None) -> tuple[float, float, tuple[str, ...]]:  # fmt: skip
    r"""Return the bias-corrected and accelerated interval [1]_.

    :math:`z_0 = \Phi^{-1}((\#\{t^* < t\} + \tfrac12 \#\{t^* = t\}) / B)`,
    :math:`a = \sum L^3 / (6 (\sum L^2)^{3/2})`, quantiles of the replicates at
    :math:`\Phi(z_0 + (z_0 + z_q) / (1 - a (z_0 + z_q)))`.

    Parameters
    ----------
    value
        The estimate t.
    replicates
        Shape (B,).
    jackknife
        The estimate without each object in turn, shape (G,); NaN: undefined.
    level
        Confidence level.
    strata
        Stratum of each object, shape (G,); :math:`L_i = \frac{n_s-1}{n_s} (\bar t_{(\cdot),s} - t_{(i)})`.

    Returns
    -------
    tuple
        Low, high and notes. Where :math:`z_0` or the acceleration does not exist, the percentile interval, noted.

    References
    ----------
    .. [1] Efron (1987), Better bootstrap confidence intervals.

    Examples
    --------
    All 27 samples of [1, 2, 6], the mean:

    >>> means = [(i + j + k) / 3 for i in (1, 2, 6) for j in (1, 2, 6) for k in (1, 2, 6)]
    >>> low, high, _ = bca_limits(3.0, means, [4, 3.5, 1.5], 0.95)
    >>> round(low, 6), round(high, 6)
    (1.333333, 5.641109)
    """
    levels, notes = bca_levels(value, replicates, jackknife, level, strata)
    if levels is None:
        return (*percentile_limits(replicates, level), notes)
    low, high = np.quantile(np.asarray(replicates, np.float64), levels)
    return float(low), float(high), notes


def bca_levels(value: float, replicates: ArrayLike, jackknife: ArrayLike, level: float,
               strata: ArrayLike | None = None) -> tuple[tuple[float, float] | None, tuple[str, ...]]:  # fmt: skip
    """Return at which quantiles of the replicates BCa reads its limits; None with the reason if it cannot."""
    t = np.asarray(replicates, np.float64)
    near = np.abs(t - value) <= 1e-12 * max(1.0, abs(value))
    share = ((t < value) & ~near).mean() + 0.5 * near.mean()
    if not 0 < share < 1:
        return None, ("BCa: the estimate is outside all replicates; percentile interval instead",)
    a = acceleration(jackknife, strata)
    if np.isnan(a):
        return None, ("BCa: leaving out one object leaves nothing to judge; percentile interval instead",)
    z0 = float(special.ndtri(share))
    z = float(special.ndtri((1 + level) / 2))
    below = 1 - a * (z0 + np.array([-z, z]))
    if (below <= 0).any():
        return None, ("BCa: the acceleration is too large; percentile interval instead",)
    low, high = special.ndtr(z0 + (z0 + np.array([-z, z])) / below)
    return (float(low), float(high)), ()


def acceleration(jackknife: ArrayLike, strata: ArrayLike | None = None) -> float:
    """Return the acceleration of leave-one-object-out values; 0 if they do not vary, NaN if one is undefined."""
    values = np.asarray(jackknife, np.float64)
    groups = (
        np.zeros(len(values), np.int64) if strata is None else np.unique(np.asarray(strata), return_inverse=True)[1]
    )
    influence: NDArray[np.float64] = np.zeros(len(values))
    for g in np.unique(groups):
        mine = groups == g
        n = int(mine.sum())
        influence[mine] = (n - 1) / n * (values[mine].mean() - values[mine])
    squares = float((influence**2).sum())
    if np.isnan(squares):
        return float("nan")
    # Rounding of equal leave-one-out values is not influence.
    if squares <= (1e-12 * max(1.0, float(np.abs(values).max(initial=0.0)))) ** 2:
        return 0.0
    return float((influence**3).sum() / (6 * squares**1.5))
