"""What a Bayesian comparison returns: how probable it is that a is better, that both are alike, that b is better."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from protocols.errors import InputError
from protocols.inputs import checked_fraction
from protocols.results import Status

REGIONS = ("a_better", "equivalent", "b_better")
UNDECIDED = "undecided"


@dataclass(frozen=True)
class Posterior:
    """Probabilities of the three regions of the difference ``a - b``.

    Parameters
    ----------
    p_a_better, p_equivalent, p_b_better
        Above the region of practical equivalence, within [-rope, rope], below; they sum to 1. NaN when undefined.
    mean, scale, df
        Location, scale and degrees of freedom of the posterior of the mean difference; scale and df are NaN where
        the posterior is no Student t.
    rope
        Half-width of the region of practical equivalence: show it with the probabilities.
    method, status, notes
        As in :class:`~protocols.results.Estimate`.
    """

    p_a_better: float
    p_equivalent: float
    p_b_better: float
    mean: float
    scale: float
    df: float
    rope: float = 0.0
    method: str = ""
    status: Status = "ok"
    notes: tuple[str, ...] = ()

    def decide(self, *, probability: float = 0.95) -> str:
        """Return the region that has at least this probability: ``a_better``, ``equivalent``, ``b_better``.

        ``undecided`` if none has. A probability of at most 1/2 would let two regions qualify and is refused.

        Examples
        --------
        >>> Posterior(0.96, 0.03, 0.01, 0.05, 0.01, 9).decide()
        'a_better'
        >>> Posterior(0.80, 0.18, 0.02, 0.02, 0.01, 4).decide()
        'undecided'
        """
        if checked_fraction(probability, "probability") <= 0.5:
            raise InputError("probability", probability, "more than 0.5", "Use 0.95.", code="OutOfRange")
        for region, p in zip(REGIONS, (self.p_a_better, self.p_equivalent, self.p_b_better), strict=True):
            if p >= probability:
                return region
        return UNDECIDED


def checked_rope(rope: object) -> float:
    """Return the half-width of the region of practical equivalence: finite, 0 or more."""
    number = float(rope) if isinstance(rope, (int, float, np.integer, np.floating)) else math.nan
    if isinstance(rope, bool) or not 0 <= number < math.inf:
        raise InputError("rope", rope, "a finite number of 0 or more", "Use 0.01 for AUROC or balanced accuracy.",
                         code="OutOfRange")  # fmt: skip
    return number
