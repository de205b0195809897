"""McNemar's exact test: two detectors' decisions on the same objects, each at its own fixed threshold."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from protocols.aggregate import aggregate_by_object
from protocols.errors import InputError
from protocols.intervals.proportions import clopper_pearson_interval
from protocols.results import TestResult

from .paired_delong import checked_pair

OF = ("all", "defective", "good")
LEVEL = 0.95


def mcnemar_exact(b: int, c: int) -> TestResult:
    r"""Test whether two detectors decide correctly equally often, from the objects on which they disagree.

    Under the null hypothesis b of the b + c discordant objects is binomial with probability 1/2:
    :math:`p = \min(1, 2 \Pr[\mathrm{Bin}(b + c, 1/2) \le \min(b, c)])`.

    Parameters
    ----------
    b
        Objects that only the first detector decides correctly.
    c
        Objects that only the second does; see :func:`discordant_objects`. Views of one object must not be counted
        one by one.

    Returns
    -------
    TestResult
        ``difference`` is (b - c) / (b + c), among the discordant objects, and its 95 % interval Clopper and Pearson's
        of b / (b + c), which the test inverts; divide b - c by the number of objects for the difference of the
        rates. ``statistic`` is min(b, c). With no discordant object p is 1, the interval [-1, 1] and the status
        ``degenerate``.

    Raises
    ------
    InputError
        b or c is not a whole number of 0 or more.

    References
    ----------
    McNemar (1947), Note on the sampling error of the difference between correlated proportions or percentages.
    Exact form: Liddell (1983), Simplified exact analysis of case-referent studies: matched pairs.

    Examples
    --------
    >>> mcnemar_exact(8, 1).p_value
    0.0390625
    """
    counts = [_count(value, name) for name, value in (("b", b), ("c", c))]
    total, least = sum(counts), min(counts)
    method = "McNemar, exact"
    if not total:
        note = "no object on which the two differ: nothing to test by"
        return TestResult(0.0, -1.0, 1.0, LEVEL, 0.0, math.nan, 1.0, method, "degenerate", (note,))
    # The regularised beta function is the binomial's distribution function without factorials.
    p = min(1.0, 2 * float(special.betainc(total - least, least + 1, 0.5)))
    share = clopper_pearson_interval(counts[0], total, level=LEVEL)
    difference = (counts[0] - counts[1]) / total
    return TestResult(difference, 2 * share.low - 1, 2 * share.high - 1, LEVEL, float(least), math.nan, p, method)


def discordant_objects(labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, *, threshold_a: float,
                       threshold_b: float, objects: Iterable[Any] | None = None, of: str = "all"
                       ) -> tuple[int, int]:  # fmt: skip
    """Count the objects that one detector decides correctly and the other does not.

    An object is defective if any of its images is, and is rejected if its highest score is at least the threshold.

    Parameters
    ----------
    labels, scores_a, scores_b
        Shape (n,).
    threshold_a, threshold_b
        Fixed without these images; ``inf`` is legal.
    objects
        Object ids, shape (n,). None: every image is its own object.
    of
        ``defective`` compares the sensitivities, ``good`` the specificities, ``all`` the accuracies.

    Returns
    -------
    tuple
        b (only the first is correct) and c (only the second is), for :func:`mcnemar_exact`.

    Raises
    ------
    InputError
        ``of`` is not known, a threshold is NaN, or the arrays are wrong.

    Examples
    --------
    >>> labels, objects = [1, 0, 0, 1], ["x", "x", "y", "z"]
    >>> discordant_objects(labels, [1, 5, 2, 1], [9, 2, 9, 2], threshold_a=4, threshold_b=3, objects=objects)
    (1, 0)
    """
    y, a, b = checked_pair(labels, scores_a, scores_b)
    if of not in OF:
        raise InputError("of", of, f"one of {', '.join(OF)}", "Correct the value.")
    ids = list(range(len(y))) if objects is None else list(objects)
    right = []
    for scores, threshold, name in ((a, threshold_a, "threshold_a"), (b, threshold_b, "threshold_b")):
        if math.isnan(threshold):
            raise InputError(name, threshold, "a number", "Select the threshold first.", code="OutOfRange")
        defective, highest, _ = aggregate_by_object(y, scores, ids)
        right.append((highest >= threshold) == (defective == 1))
    judged = {"all": np.ones(len(defective), bool), "defective": defective == 1, "good": defective == 0}[of]
    return int((right[0] & ~right[1] & judged).sum()), int((right[1] & ~right[0] & judged).sum())


def _count(value: object, name: str) -> int:
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value >= 0:
        return int(value)
    raise InputError(name, value, "a whole number of 0 or more", "Count the discordant objects.", code="OutOfRange")
