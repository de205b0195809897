"""What a threshold rule is, and the cut that follows from its utilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .candidates import NEVER, Candidates, Place, cut_values, select
from .decisions import Confusion

Utilities = NDArray[Any]


@dataclass(frozen=True)
class Rule:
    """A threshold rule and what to know about it.

    Parameters
    ----------
    function
        Candidates (and parameters) to utilities, shape (..., m + 1); forbidden cuts have ``NEVER`` (or -inf).
    required, optional
        Names of its parameters.
    criterion
        (best utility, counts at the threshold) to the value of the criterion as people state it.
    useless_end
        Which end of the curve makes it useless: ``both`` ends, ``none`` (nothing caught) or ``all`` (all rejected).
    needs
        The classes it needs images of.
    place
        Where the threshold lies: ``between`` two scores, just ``above`` one, or at a ``score``.
    otherwise
        The threshold where no cut is possible: NaN (undefined) or inf (nothing is anomalous).
    guarantees
        The class whose units its guarantee takes for independent; empty: none, or not for lack of independence.
    by_object
        Whether it gives all objects the same weight where they are known.
    guaranteed
        The rule in its place when the parameter ``guarantee`` is given, with that as ``delta``.
    remarks
        (candidates of one weighting, parameters) to notes; raises ``GuaranteeInfeasible`` where units are too few.
    """

    function: Callable[..., Utilities]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    criterion: Callable[[float, Confusion], float] = lambda u, k: u
    useless_end: str = "both"
    needs: tuple[str, ...] = ("anomalous", "nominal")
    place: Place = "between"
    otherwise: float = math.nan
    guarantees: str = ""
    by_object: bool = False
    guaranteed: Rule | None = None
    remarks: Callable[..., tuple[str, ...]] | None = None


def chosen_cuts(c: Candidates, rule: Rule, own: Mapping[str, Any], prefer: str = "sensitivity") -> NDArray[np.float64]:
    """Return the threshold that a rule chooses under each weighting, shape (...); NaN where it has none."""
    utilities = attainable(c, rule.function(c, **own))
    return placed(c, rule, utilities, select(c, utilities, prefer))


def attainable(c: Candidates, utilities: Utilities) -> Utilities:
    """Return the utilities without the cut above all scores where the highest is inf: nothing lies above that."""
    if c.distinct[-1] < np.inf:
        return utilities
    forbidden = -np.inf if utilities.dtype.kind == "f" else NEVER
    return np.where(np.arange(utilities.shape[-1]) == utilities.shape[-1] - 1, forbidden, utilities)


def possible(utilities: Utilities) -> NDArray[np.bool_]:
    """Return whether there is a cut at all, shape (...)."""
    best = utilities.max(axis=-1)
    return np.asarray(np.isfinite(best) if utilities.dtype.kind == "f" else best > NEVER)


def placed(c: Candidates, rule: Rule, utilities: Utilities, at: NDArray[np.int64] | np.int64) -> NDArray[np.float64]:
    """Return the thresholds at these cuts, and what the rule says where none is possible."""
    # Where a score of inf leaves no cut, an infinite threshold would not pass it either.
    otherwise = rule.otherwise if c.distinct[-1] < np.inf else math.nan
    return np.asarray(np.where(possible(utilities), cut_values(c, at, place=rule.place), otherwise))
