"""Threshold rules with a guarantee, and what they say about it: functions of the candidate cuts."""

from __future__ import annotations

import math

import numpy as np

from .candidates import NEVER, Candidates
from .order_statistics import (
    conformal_band,
    conformal_rank,
    escape_rank,
    guaranteed_rank,
    overkill_rank,
    violation_probability,
)
from .threshold_rule import Utilities


def np_umbrella(c: Candidates, *, value: float, delta: float = 0.05) -> Utilities:
    """Just above the k-th smallest nominal score: overkill at most value with probability 1 - delta.

    The Neyman-Pearson umbrella; k is :func:`~protocols.order_statistics.overkill_rank`. A tied score is passed as a
    whole, so the guarantee holds with ties. No cut is possible with fewer than ln(delta) / ln(1 - value) nominal units.

    References
    ----------
    Tong, Feng & Li (2018), Neyman-Pearson classification algorithms and NP receiver operating characteristics,
    Algorithm 1.

    Examples
    --------
    >>> from protocols.candidates import candidates
    >>> c = candidates([0] * 59, range(59))
    >>> int((np_umbrella(c, value=0.05) > NEVER).argmax())  # above all 59
    59
    """
    k = overkill_rank(c.n_nominal, value=value, delta=delta)
    return np.where((k > 0) & (c.tn >= k), c.fp, NEVER)


def escape_umbrella(c: Candidates, *, value: float, delta: float = 0.05) -> Utilities:
    """At the k-th smallest anomalous score: escape rate at most value with probability 1 - delta.

    The mirror image of :func:`np_umbrella`; k is :func:`~protocols.order_statistics.escape_rank`. The score itself is
    the threshold, so a tied score is caught as a whole.

    References
    ----------
    Tong, Feng & Li (2018), Neyman-Pearson classification algorithms and NP receiver operating characteristics,
    Proposition 1, with the classes exchanged.

    Examples
    --------
    >>> from protocols.candidates import candidates
    >>> c = candidates([1] * 100, range(100))
    >>> int(escape_umbrella(c, value=0.05).argmax())  # one score below the cut, the second is the threshold
    1
    """
    k = escape_rank(c.n_anomalous, value=value, delta=delta)
    return np.where((k > 0) & (c.fn < k), c.fn + c.tn, NEVER)


def conformal(c: Candidates, *, value: float) -> Utilities:
    """Just above a nominal order statistic: a new nominal is rejected with probability at most value, on average.

    Where objects were given, each weighs the same: a nominal image of an object with m of them weighs
    1 / ((G + 1) m), and infinity 1 / (G + 1); the cut lies above the smallest score whose cumulated weight reaches
    1 - value, in whole numbers (hierarchical conformal).

    References
    ----------
    Vovk, Gammerman & Shafer (2005), Algorithmic learning in a random world, section 2.2. Lee, Barber & Willett
    (2023), Distribution-free inference with hierarchical data.

    Examples
    --------
    >>> from protocols.candidates import candidates
    >>> c = candidates([0] * 6, [1, 5, 2, 3, 4, 9], objects=["a", "a", "b", "c", "c", "c"])
    >>> (c.share / (4 * c.unit)).round(6).tolist()
    [0.0, 0.125, 0.375, 0.458333, 0.541667, 0.666667, 0.75]
    >>> int((conformal(c, value=0.4) > NEVER).argmax())  # just above the fifth score
    5
    """
    below, unit = (c.tn, 1) if c.share is None else (c.share, c.unit)
    return np.where(below >= conformal_rank(below[..., -1:] // unit, value=value, unit=unit), c.fp, NEVER)


def np_remarks(c: Candidates, *, value: float, delta: float = 0.05) -> tuple[str, ...]:
    """Return rank and chance of exceeding ``value``; raises ``GuaranteeInfeasible`` with too few nominal units."""
    n = int(c.n_nominal[0])
    k = guaranteed_rank(overkill_rank, n, value=value, delta=delta, units="nominal units")
    chance = float(violation_probability(k, n, value=value))
    return (f"position {k} of {n} nominal scores: overkill above {value:g} with probability at most {chance:.4g}",)


def escape_remarks(c: Candidates, *, value: float, delta: float = 0.05) -> tuple[str, ...]:
    """Return rank and chance of exceeding ``value``; raises ``GuaranteeInfeasible`` with too few anomalous units."""
    n = int(c.n_anomalous[0])
    k = guaranteed_rank(escape_rank, n, value=value, delta=delta, units="anomalous units")
    chance = float(violation_probability(n + 1 - k, n, value=value))
    return (f"position {k} of {n} anomalous scores: escape rate above {value:g} with probability at most {chance:.4g}",)


def conformal_remarks(c: Candidates, *, value: float) -> tuple[str, ...]:
    """Return rank, mean rejection rate and its band over calibration sets, or how many units an actual cut needs."""
    if c.share is not None:
        n, what = int(c.share[-1]) // c.unit, "objects with nominal images, each of the same weight"
    else:
        n, what = int(c.n_nominal[0]), "nominal scores"
    k = int(conformal_rank(n, value=value))
    if k > n:
        return (f"{n} {what}: too few to reject any at {value:g}, at least {_least_conformal(value)} are needed",)
    if c.share is not None:
        return (f"hierarchical: {n} {what}",)
    low, high = conformal_band(n, k)
    return (
        f"position {k} of {n} {what}: a new one is rejected with probability {1 - k / (n + 1):.4g} on average",
        f"given these scores the overkill lies in [{low:.4g}, {high:.4g}] (5 to 95 % band of calibration sets)",
    )


def _least_conformal(value: float) -> int:
    n = max(1, math.floor(1 / value) - 2)
    while conformal_rank(n, value=value) > n:
        n += 1
    return n
