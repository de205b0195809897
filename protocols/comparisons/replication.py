"""Replicability: how likely the whole experiment, done again, is to come to the same outcome."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocols.errors import InputError, UndefinedError
from protocols.inputs import checked_fraction
from protocols.intervals.proportions import clopper_pearson_interval
from protocols.results import Status

ADVISED = 10
CAVEAT = (
    "Replicability is low whenever a test sits near its critical value and high for a test that never rejects: "
    "read it beside the rejection rate and, where known, the Type I error."
)
CONDITIONAL = "replicability given the trained models: only the threshold and inference splits were drawn anew"


@dataclass(frozen=True)
class Replicability:
    """Probability that two runs of the same experiment come to the same outcome.

    Parameters
    ----------
    value, low, high
        The estimate and its interval; NaN when undefined.
    rejection_rate
        Share of experiments that rejected, in either direction.
    n
        Number of experiments.
    level
        Confidence level of the interval.
    counts
        Experiments that found a better, nothing, b better; without directions all rejections come first.
    method, status, notes
        As in :class:`~protocols.results.Estimate`.
    """

    value: float
    low: float
    high: float
    rejection_rate: float
    n: int
    level: float = 0.95
    counts: tuple[int, int, int] = (0, 0, 0)
    method: str = ""
    status: Status = "ok"
    notes: tuple[str, ...] = ()


def replicability(outcomes: ArrayLike, *, level: float = 0.95, directions: bool | None = None) -> Replicability:
    r"""Estimate the replicability of an experiment from repetitions of it [1]_ [2]_.

    The share of pairs of experiments with the same outcome,
    :math:`R = \sum_c n_c (n_c - 1) / (n (n - 1))`: unbiased, and of least variance among linear combinations of
    the outcomes. For two outcomes it is :math:`1 - 2 s_e^2` and estimates :math:`\pi^2 + (1 - \pi)^2 \ge 1/2` with
    :math:`\pi` the chance of a rejection, although the estimate itself may fall below 1/2.

    Interval, two outcomes: Clopper and Pearson's limits of :math:`\pi`, mapped; the lower end is 1/2 where they
    enclose 1/2. Three outcomes: the least and largest :math:`\sum_c \pi_c^2` over all chances inside the three
    Clopper-Pearson intervals at level 1 - (1 - level)/3 each, so that they hold jointly (conservative).

    Parameters
    ----------
    outcomes
        One entry an experiment, shape (n,): whether it rejected, or 1 (a better), 0 (no difference), -1 (b better).
        The experiments must be independent given the data: disjoint blocks of runs with fresh seeds, never a
        bootstrap of outcomes.
    level
        Confidence level.
    directions
        Whether there could have been three outcomes. None: only if there is a -1. Say True wherever b could have
        been found better: that it never was is no proof that it cannot, and the interval would be too narrow.

    Returns
    -------
    Replicability
        ``undefined`` with fewer than two experiments; below ten it says so.

    Raises
    ------
    InputError
        Outcomes other than these (code ``UnknownOutcome``).

    References
    ----------
    .. [1] Bouckaert (2004), Estimating replicability of classifier learning experiments.
    .. [2] Demsar (2006), Statistical comparisons of classifiers over multiple data sets, section 4.

    Examples
    --------
    >>> r = replicability([True] * 7 + [False] * 3)
    >>> round(r.value, 6), round(r.low, 4), round(r.high, 4), r.rejection_rate
    (0.533333, 0.5, 0.8754, 0.7)
    >>> round(replicability([1] * 5 + [0] * 3 + [-1] * 2).value, 6)
    0.311111
    """
    e = _checked_outcomes(outcomes)
    checked_fraction(level, "level")
    if directions is False and (e < 0).any():
        raise InputError("directions", False, "True or None where there is a -1", "Leave it out, or map -1 to 1.",
                         code="UnknownOutcome")  # fmt: skip
    n = len(e)
    better, none, worse = (int((e == outcome).sum()) for outcome in (1, 0, -1))
    counts, nan = (better, none, worse), math.nan
    rate = (better + worse) / n if n else nan
    if n < 2:
        return Replicability(nan, nan, nan, rate, n, level, counts, "", "undefined",
                             (f"replicability needs two experiments; got {n}",))  # fmt: skip
    value = sum(c * (c - 1) for c in counts) / (n * (n - 1))
    notes = []
    if worse if directions is None else directions:
        method = "three outcomes, joint Clopper-Pearson"
        low, high = _joint_limits(counts, 1 - (1 - level) / 3)
    else:
        method = "two outcomes, Clopper-Pearson"
        limits = clopper_pearson_interval(n - none, n, level=level)
        ends = [p**2 + (1 - p) ** 2 for p in (limits.low, limits.high)]
        low, high = (0.5 if limits.low <= 0.5 <= limits.high else min(ends)), max(ends)
    if n < ADVISED:
        notes.append(f"{n} experiments: at least {ADVISED} are advised")
    if value < low:
        notes.append(f"the unbiased estimate lies below the least possible value {low:.6g}")
    return Replicability(value, low, high, rate, n, level, counts, method, "ok", tuple(notes))


def p_value_replicability(p_values: ArrayLike) -> float:
    r"""Replicability from p values instead of decisions: 1 - 2 var(p) with n - 1 [1]_.

    It needs no level; it is 1 when all p values agree and falls to 0 when two are 0 and 1.

    Parameters
    ----------
    p_values
        One p value an experiment, shape (n,), each in [0, 1].

    Returns
    -------
    float
        At most 1.

    Raises
    ------
    InputError
        A value is NaN or outside [0, 1].
    UndefinedError
        Fewer than two values.

    References
    ----------
    .. [1] Demsar (2006), Statistical comparisons of classifiers over multiple data sets, section 4.

    Examples
    --------
    >>> round(p_value_replicability([0.01, 0.04, 0.2, 0.03]), 6)
    0.984667
    """
    p = np.asarray(p_values, np.float64)
    if p.ndim != 1:
        raise InputError("p values", f"shape {p.shape}", "a one-dimensional array", "Flatten it.",
                         code="NotOneDimensional")  # fmt: skip
    wrong = np.flatnonzero(~((p >= 0) & (p <= 1)))
    if len(wrong):
        raise InputError(f"p values, position {wrong[0]}", float(p[wrong[0]]), "a value in [0, 1]",
                         "Leave out experiments without a p value.", code="OutOfRange")  # fmt: skip
    if len(p) < 2:
        raise UndefinedError(f"replicability needs two experiments; got {len(p)}")
    return float(1 - 2 * p.var(ddof=1))


def _checked_outcomes(outcomes: ArrayLike) -> NDArray[np.int64]:
    raw = np.asarray(outcomes)
    if raw.ndim != 1:
        raise InputError("outcomes", f"shape {raw.shape}", "a one-dimensional array", "Give one outcome an experiment.",
                         code="NotOneDimensional")  # fmt: skip
    try:
        numbers = raw.astype(np.float64)
    except (TypeError, ValueError):
        numbers = np.full(len(raw), np.nan)
    wrong = np.flatnonzero(~np.isin(numbers, (-1, 0, 1)))
    if len(wrong):
        found = raw[wrong[0]]
        raise InputError(f"outcomes, position {wrong[0]}", found.item() if isinstance(found, np.generic) else found,
                         "True or False, or -1, 0 or 1", "Leave out experiments without an outcome.",
                         code="UnknownOutcome")  # fmt: skip
    return numbers.astype(np.int64)


def _joint_limits(counts: tuple[int, int, int], level: float) -> tuple[float, float]:
    """Return the least and largest sum of squared chances, each chance within its own interval, their sum 1."""
    n = sum(counts)
    limits = [clopper_pearson_interval(c, n, level=level) for c in counts]
    low, high = np.array([e.low for e in limits]), np.array([e.high for e in limits])
    # Least: as even as the limits allow. The sum of clipped constants grows with the constant.
    below, above = 0.0, 1.0
    for _ in range(100):
        middle = (below + above) / 2
        below, above = (middle, above) if np.clip(middle, low, high).sum() < 1 else (below, middle)
    least = float((np.clip(above, low, high) ** 2).sum())
    # Largest: convex, so at a corner, where two chances are at their limits and the third is what is left.
    largest = 0.0
    for i, j, k in permutations(range(3)):
        for p_i in (low[i], high[i]):
            for p_j in (low[j], high[j]):
                rest = 1 - p_i - p_j
                if low[k] - 1e-12 <= rest <= high[k] + 1e-12:
                    largest = max(largest, float(p_i**2 + p_j**2 + rest**2))
    return least, largest
