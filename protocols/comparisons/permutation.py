"""The permutation test of two detectors on the same images: exchange their ranks for whole objects."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocols.inputs import Seed, object_index, one_class
from protocols.intervals.draws import generator
from protocols.results import Status, TestResult

from .exchange import checked_count, enumerable, flipped_p_value
from .paired_delong import checked_pair, delong_test, pair_doubts

LEVEL = 0.95


def permutation_test(labels: ArrayLike, scores_a: ArrayLike, scores_b: ArrayLike, *,
                     objects: Iterable[Any] | None = None, n_resamples: int = 10000, seed: Seed = 0
                     ) -> TestResult:  # fmt: skip
    r"""Test whether two detectors are exchangeable, by the difference of their AUROCs [1]_.

    Scores of different detectors share no scale, so each detector's become midranks over all images. Under the null
    hypothesis the two ranks of an image may be exchanged, for whole objects at a time, each with probability 1/2;
    T = AUROC of the first column - AUROC of the second. With :math:`2^G \le 10^5` all exchanges are enumerated and
    :math:`p = \#\{|T^*| \ge |T|\} / 2^G`, the identity included; else :math:`p = (1 + \#) / (B + 1)`.

    No AUROC is computed anew. Let :math:`e_g = -1` where object g is exchanged, else 1, and :math:`\psi_{ab}` compare
    the anomalous image's rank under a with the nominal one's under b. Then a pair of images of objects g and h adds
    :math:`\frac{e_g + e_h}{2} (\psi_{aa} - \psi_{bb}) + \frac{e_g - e_h}{2} (\psi_{ab} - \psi_{ba})` to
    :math:`PN\,T^*`, which is linear in e: :math:`PN\,T^* = \sum_g e_g w_g`. The :math:`w_g` are multiples of 1/4 and
    take O(n log n) altogether, so that sums, compared as whole numbers, are exact.

    The null hypothesis says more than equal AUROCs: two ROC curves that cross may have the same area and yet not be
    exchangeable, and then p is only nearly right. For equal areas alone use
    :func:`~protocols.comparisons.paired_delong.delong_test`, which also lends the interval here: a permutation has
    none of its own, so that close to the limit the two may disagree.

    Parameters
    ----------
    labels, scores_a, scores_b
        Shape (n,).
    objects
        Object ids, shape (n,). None: every image is its own object.
    n_resamples
        Random exchanges where :math:`2^G > 10^5`.
    seed
        As in :func:`~protocols.intervals.bootstrap.bootstrap_interval`.

    Returns
    -------
    TestResult
        ``statistic`` is the difference of the AUROCs. ``degenerate``: no exchange of an object changes it.
        ``undefined``: a class is missing.

    Raises
    ------
    InputError
        ``n_resamples`` is not 1 or more, or the arrays are wrong.

    References
    ----------
    .. [1] Bandos, Rockette & Gur (2005), A permutation test sensitive to differences in areas for comparing ROC
       curves from a paired design. Venkatraman & Begg (1996), A distribution-free procedure for comparing receiver
       operating characteristic curves from a paired experiment. p: Phipson & Smyth (2010).

    Examples
    --------
    >>> r = permutation_test([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4], [1, 1, 3, 2, 3, 2, 5])
    >>> round(r.difference, 7), r.p_value * 2**7
    (-0.0416667, 112.0)
    """
    y, a, b = checked_pair(labels, scores_a, scores_b)
    n_resamples = checked_count(n_resamples)
    index = np.arange(len(y)) if objects is None else object_index(objects, len(y))[1]
    n_objects = int(index.max(initial=-1)) + 1
    exact = enumerable(n_objects)
    method = f"permutation of whole objects, {'exact' if exact else f'{n_resamples} resamples'}"
    p_images = int(y.sum())
    n_images = len(y) - p_images
    if not p_images or not n_images:
        nan, reason = math.nan, one_class("AUROC", n_images, p_images)
        return TestResult(nan, nan, nan, LEVEL, nan, nan, nan, method, "undefined", (reason,))
    contributions = np.bincount(index, contribution(y, a, b), n_objects).astype(np.float64)
    difference = float(contributions.sum() / (4 * p_images * n_images))
    p = flipped_p_value(contributions, n_resamples, generator(seed, "permutation"))
    lent = delong_test(y, a, b, objects=index, level=LEVEL)
    note = f"the interval is that of another test, {lent.method}"
    if not lent.low < lent.high:
        note = "no interval: " + lent.notes[0]
    notes = (note, *pair_doubts(a, b))
    status: Status = "ok" if contributions.any() else "degenerate"  # no exchange changes anything
    return TestResult(difference, lent.low, lent.high, LEVEL, difference, math.nan, p, method, status, notes)


def contribution(y: NDArray[np.int64], a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return four times what each image adds to P N times the AUROC difference, whole numbers, shape (n,).

    Twice :math:`\sum_j (\psi_{aa} - \psi_{bb} + \psi_{ab} - \psi_{ba})` for an anomalous image, and for a nominal
    one twice :math:`\sum_i (\psi_{aa} - \psi_{bb} - \psi_{ab} + \psi_{ba})`.
    """
    ranks = [_twice_midranks(s) for s in (a, b)]
    x, z = [r[y == 1] for r in ranks], [r[y == 0] for r in ranks]
    rises = [[_twice_won(x[i], z[j]) for j in (0, 1)] for i in (0, 1)]
    falls = [[2 * len(x[i]) - _twice_won(z[j], x[i]) for j in (0, 1)] for i in (0, 1)]
    each = np.empty(len(y), np.int64)
    each[y == 1] = rises[0][0] - rises[1][1] + rises[0][1] - rises[1][0]
    each[y == 0] = falls[0][0] - falls[1][1] - falls[0][1] + falls[1][0]
    return each.astype(np.float64)


def _twice_midranks(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    return np.asarray((2 * np.cumsum(counts) - counts + 1)[place])


def _twice_won(values: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return twice how many others each value exceeds, ties half."""
    ranked = np.sort(others)
    return np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")
