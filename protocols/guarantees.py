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

    The Neyman-Pearson umbrella (Tong, Feng & Li 2018); k is :func:`~protocols.order_statistics.overkill_rank`. A
    tied score is passed as a whole, so the guarantee holds with ties.
    """
    k = overkill_rank(c.n_nominal, value=value, delta=delta)
    return np.where((k > 0) & (c.tn >= k), c.fp, NEVER)


def escape_umbrella(c: Candidates, *, value: float, delta: float = 0.05) -> Utilities:
    """At the k-th smallest anomalous score: escape rate at most value with probability 1 - delta."""
    k = escape_rank(c.n_anomalous, value=value, delta=delta)
    return np.where((k > 0) & (c.fn < k), c.fn + c.tn, NEVER)


def conformal(c: Candidates, *, value: float) -> Utilities:
    """Just above a nominal order statistic: a new nominal is rejected with probability at most value, on average.

    Where objects were given, each weighs the same: a nominal image of an object with m of them weighs
    1 / ((G + 1) m), and infinity 1 / (G + 1) (hierarchical conformal, Lee, Barber & Willett 2023).
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
