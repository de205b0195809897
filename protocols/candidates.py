"""The cuts a threshold rule may choose from, with the counts at each, for one or for many weightings at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError
from .inputs import checked_scores, checked_weights, object_index
from .order_statistics import object_shares

CONVENTIONS = ("midpoint", "observed")
NEVER = np.iinfo(np.int64).min  # the utility of a cut that a rule forbids
Place = Literal["between", "above", "score"]


@dataclass(frozen=True)
class Candidates:
    """Candidate cuts and the counts at each.

    Cut 0 calls everything anomalous, cut i separates the i lowest distinct scores from the others, the last one
    (inf) calls nothing anomalous. Counts are whole multiplicities (int64), so that comparisons are exact.

    Parameters
    ----------
    cuts
        Shape (m + 1,), rising.
    tp, fp, fn, tn
        Counts, shape (..., m + 1): leading axes are weightings.
    distinct
        The distinct scores, shape (m,), rising.
    convention
        ``midpoint`` or ``observed``.
    share, unit
        Nominal weight below each cut when every object weighs the same, shape (..., m + 1), in units of 1/``unit``
        of an object; None where objects were not given.
    """

    cuts: NDArray[np.float64]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]
    tn: NDArray[np.int64]
    distinct: NDArray[np.float64]
    convention: str = "midpoint"
    share: NDArray[Any] | None = None
    unit: int = 1

    @property
    def n_anomalous(self) -> NDArray[np.int64]:
        """Anomalous images, shape (..., 1): cut 0 catches all of them."""
        return self.tp[..., :1]

    @property
    def n_nominal(self) -> NDArray[np.int64]:
        """Nominal images, shape (..., 1)."""
        return self.fp[..., :1]


def candidates(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None,
               convention: str = "midpoint", objects: Iterable[Any] | None = None, *,
               inf_policy: str = "error") -> Candidates:  # fmt: skip
    """Return all cuts of these scores.

    Parameters
    ----------
    labels, scores
        Shape (n,), n >= 1.
    weights
        Whole multiplicities, shape (n,) or (B, n); ones if None.
    convention
        ``midpoint``: halfway between neighbouring scores; ``observed``: the upper of the two.
    objects
        Object ids, shape (n,): adds ``share``. An object that is drawn w times is w objects, so the nominal images
        of an object must have the same multiplicity.
    inf_policy
        ``rank`` admits infinite scores. Above a score of inf there is no cut: the last one is then unattainable.

    Raises
    ------
    InputError
        No image, weights that are not whole, or an unknown convention.

    Examples
    --------
    >>> c = candidates([0, 0, 0, 0, 1, 1, 1], [1, 2, 2, 3, 2, 3, 4])
    >>> c.cuts.tolist(), c.tp.tolist(), c.fp.tolist()
    ([1.0, 1.5, 2.5, 3.5, inf], [3, 3, 2, 1, 0], [4, 3, 1, 0, 0])
    """
    y, s = checked_scores(labels, scores, inf_policy=inf_policy)
    if convention not in CONVENTIONS:
        raise InputError("convention", convention, "midpoint or observed", "Correct the value.")
    if not len(y):
        raise InputError("scores", "no images", "at least one image", "Give some scores.")
    w = checked_weights(weights, len(y))
    if w.dtype != np.int64:
        raise InputError("weights", str(w.dtype), "whole numbers", "Give multiplicities as integers.")
    order = np.argsort(s, kind="stable")
    ranked, anomalous = s[order], y[order] == 1
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    distinct = ranked[starts]
    share, unit = None, 1
    if objects is not None:
        per_image, unit = _object_weights(y, w, objects)
        share = _before(np.add.reduceat(per_image[..., order], starts, axis=-1))
    w = w[..., order]
    fn = _before(np.add.reduceat(w * anomalous, starts, axis=-1))
    tn = _before(np.add.reduceat(w * ~anomalous, starts, axis=-1))
    between = _cut(distinct[:-1], distinct[1:], convention)
    cuts = np.concatenate([distinct[:1], between, [np.inf]])
    return Candidates(cuts, fn[..., -1:] - fn, tn[..., -1:] - tn, fn, tn, distinct, convention, share, unit)


def select(c: Candidates, utilities: NDArray[Any], prefer: str = "sensitivity") -> NDArray[np.int64]:
    """Return the position of the best cut; ties by higher TPR, then lower FPR (or the other way round).

    Parameters
    ----------
    c
        The candidates.
    utilities
        Shape (..., m + 1); whole numbers compare exactly, others within 1e-12 (of the best, if that is above 1; of
        the largest, if all are below 1, since costs may be stated in any unit).
    prefer
        ``sensitivity`` or ``specificity``: what decides between equal cuts first.

    Returns
    -------
    ndarray
        Shape (...).
    """
    best = utilities.max(axis=-1, keepdims=True)
    if utilities.dtype.kind == "f":
        # Of the best, not of the worst: one costly cut must not make the good ones equal.
        sizes = np.where(np.isfinite(utilities), np.abs(utilities), 0.0)
        least = np.minimum(sizes.max(axis=-1, keepdims=True), 1.0)
        equal = utilities >= best - 1e-12 * np.maximum(np.where(np.isfinite(best), np.abs(best), 0.0), least)
    else:
        equal = utilities == best
    if prefer == "sensitivity":
        key = c.tp * (c.n_nominal + 1) + c.tn
    elif prefer == "specificity":
        key = c.tn * (c.n_anomalous + 1) + c.tp
    else:
        raise InputError("prefer", prefer, "sensitivity or specificity", "Correct the value.")
    return np.asarray(np.where(equal, key, -1).argmax(axis=-1), np.int64)


def cut_values(c: Candidates, index: NDArray[np.int64] | np.int64, *, place: Place = "between"
               ) -> NDArray[np.float64]:  # fmt: skip
    """Return the thresholds at these positions, between scores that have weight.

    Under bootstrap multiplicities a distinct score may be absent; the cut must then lie halfway between the
    neighbours that are there, exactly as if the absent images had never been.

    Parameters
    ----------
    c
        The candidates.
    index
        Positions of cuts, shape (...).
    place
        ``between`` two scores as the convention says, just ``above`` the score below the cut, or at the ``score``
        above it.

    Returns
    -------
    ndarray
        Shape (...).
    """
    there = np.diff(c.fn + c.tn, axis=-1) > 0  # (..., m)
    m = len(c.distinct)
    position = np.arange(m)
    lower = np.maximum.accumulate(np.where(there, position, -1), axis=-1)
    upper = np.minimum.accumulate(np.where(there, position, m)[..., ::-1], axis=-1)[..., ::-1]
    at = np.asarray(index)[..., None]
    below = np.take_along_axis(_padded(lower, -1, front=True), at, -1)[..., 0]
    not_below = np.take_along_axis(_padded(upper, m, front=False), at, -1)[..., 0]
    low = c.distinct[np.maximum(below, 0)]
    high = c.distinct[np.minimum(not_below, m - 1)]
    if place == "above":
        return np.asarray(np.where(below < 0, high, np.nextafter(low, np.inf)))
    inside = _cut(low, high, "observed" if place == "score" else c.convention)
    return np.asarray(np.where(not_below >= m, np.inf, np.where(below < 0, high, inside)))


def _cut(low: NDArray[np.float64], high: NDArray[np.float64], convention: str) -> NDArray[np.float64]:
    if convention == "observed":
        return high
    with np.errstate(invalid="ignore"):
        middle = low / 2 + high / 2  # the sum of two large scores may overflow, the halves cannot
    # Between adjacent floats the midpoint may round down onto the lower score; -inf has no midpoint at all.
    return np.where(middle > low, middle, high)


def _object_weights(y: NDArray[np.int64], w: NDArray[np.int64], objects: Iterable[Any]) -> tuple[NDArray[Any], int]:
    """Return what each nominal image weighs if all objects weigh the same, shape of ``w``, and the unit."""
    index = object_index(objects, len(y))[1]
    nominal = np.flatnonzero(y == 0)
    sizes = np.bincount(index[nominal], minlength=int(index.max()) + 1)
    first = np.zeros(len(sizes), np.int64)
    first[index[nominal[::-1]]] = nominal[::-1]
    if (w[..., nominal] != w[..., first[index[nominal]]]).any():
        raise InputError("weights", "images of one object with different multiplicities", "whole objects",
                         "Draw objects, not images.", code="BadWeights")  # fmt: skip
    shares, unit = object_shares(np.maximum(sizes, 1), int(w.sum(axis=-1).max()))
    return w * np.where(y == 0, shares[index], 0), unit


def _before(per_score: NDArray[Any]) -> NDArray[Any]:
    """Return the weight below each cut, shape (..., m + 1)."""
    return _padded(np.cumsum(per_score, axis=-1), 0, front=True)


def _padded(values: NDArray[Any], fill: int, *, front: bool) -> NDArray[Any]:
    edge = np.full((*values.shape[:-1], 1), fill, values.dtype)
    return np.concatenate([edge, values] if front else [values, edge], axis=-1)
