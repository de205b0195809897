"""The cuts a threshold rule may choose from, with the counts at each, for one or for many weightings at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError
from .inputs import checked_scores, checked_weights

CONVENTIONS = ("midpoint", "observed")


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
    """

    cuts: NDArray[np.float64]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    fn: NDArray[np.int64]
    tn: NDArray[np.int64]
    distinct: NDArray[np.float64]
    convention: str = "midpoint"

    @property
    def n_anomalous(self) -> NDArray[np.int64]:
        """Anomalous images, shape (..., 1): cut 0 catches all of them."""
        return self.tp[..., :1]

    @property
    def n_nominal(self) -> NDArray[np.int64]:
        """Nominal images, shape (..., 1)."""
        return self.fp[..., :1]


def candidates(labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None = None,
               convention: str = "midpoint") -> Candidates:  # fmt: skip
    """Return all cuts of these scores.

    Parameters
    ----------
    labels, scores
        Shape (n,), n >= 1.
    weights
        Whole multiplicities, shape (n,) or (B, n); ones if None.
    convention
        ``midpoint``: halfway between neighbouring scores; ``observed``: the upper of the two.

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
    y, s = checked_scores(labels, scores)
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
    w = w[..., order]
    fn = _before(np.add.reduceat(w * anomalous, starts, axis=-1))
    tn = _before(np.add.reduceat(w * ~anomalous, starts, axis=-1))
    between = _cut(distinct[:-1], distinct[1:], convention)
    cuts = np.concatenate([distinct[:1], between, [np.inf]])
    return Candidates(cuts, fn[..., -1:] - fn, tn[..., -1:] - tn, fn, tn, distinct, convention)


def cut_values(c: Candidates, index: NDArray[np.int64] | np.int64, *, above: bool = False) -> NDArray[np.float64]:
    """Return the thresholds at these positions, between scores that have weight.

    Under bootstrap multiplicities a distinct score may be absent; the cut must then lie halfway between the
    neighbours that are there, exactly as if the absent images had never been.

    Parameters
    ----------
    c
        The candidates.
    index
        Positions of cuts, shape (...).
    above
        Just above the score below the cut, instead of between two.

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
    if above:
        return np.asarray(np.where(below < 0, high, np.nextafter(low, np.inf)))
    inside = _cut(low, high, c.convention)
    return np.asarray(np.where(not_below >= m, np.inf, np.where(below < 0, high, inside)))


def _cut(low: NDArray[np.float64], high: NDArray[np.float64], convention: str) -> NDArray[np.float64]:
    if convention == "observed":
        return high
    middle = low / 2 + high / 2  # the sum of two large scores may overflow, the halves cannot
    # Between adjacent floats the midpoint may round down onto the lower score.
    return np.where(middle > low, middle, high)


def _before(per_score: NDArray[Any]) -> NDArray[np.int64]:
    """Return the weight below each cut, shape (..., m + 1)."""
    return _padded(np.cumsum(per_score, axis=-1, dtype=np.int64), 0, front=True)


def _padded(values: NDArray[np.int64], fill: int, *, front: bool) -> NDArray[np.int64]:
    edge = np.full((*values.shape[:-1], 1), fill, np.int64)
    return np.concatenate([edge, values] if front else [values, edge], axis=-1)
