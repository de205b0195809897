"""The AUROC under thousands of multiplicities of objects at once: by a matrix of pairs, or by running sums."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from protocols.intervals.draws import MANY_DRAWS
from protocols.metrics import blocks

# One product with the pairs costs about 0.03 ns a pair of objects, running sums about 5 ns an image; making the
# pairs costs about 5 ns for each image and each object of the class with fewer. Measured with one thread of OpenBLAS.
PAIRS_PER_IMAGE = 32
MAX_PAIRS = 2**22
MAX_OBJECTS = 512
# Whole numbers up to here are exact, sums in any order too.
EXACT_SINGLE, EXACT_DOUBLE = 2**24, 2**53


class ObjectAuroc:
    r"""The AUROC of images in objects, each object as often as it was drawn.

    With K the pairs of images that object g's anomalous ones win over object h's nominal ones (ties half), w the
    multiplicities and m, n the images of each class: :math:`A = w^T K w / (w^T m \cdot w^T n)`. An object with
    images of both classes has a row and a column. Where K would be large, the anomalous images look up the running
    weight of the nominal ones below them instead. Both count twice the pairs, in whole numbers: the results are
    equal bit by bit, whatever the algorithm, the size of the blocks and the order of the sums.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    index
        Position of each image's object, shape (n,).
    n_objects
        Number of objects, G.

    Examples
    --------
    >>> labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.5, 0.9])
    >>> ObjectAuroc(labels, scores, np.array([0, 1, 2, 2]), 3).values(np.array([[1, 1, 1], [2, 0, 1], [0, 2, 0]]))
    array([0.75, 1.  ,  nan])
    """

    def __init__(self, labels: NDArray[np.int64], scores: NDArray[np.float64], index: NDArray[np.int64],
                 n_objects: int) -> None:  # fmt: skip
        anomalous, nominal = labels == 1, labels == 0
        self._anomalous_scores, self._anomalous = _ranked(scores[anomalous], index[anomalous])
        self._nominal_scores, self._nominal = _ranked(scores[nominal], index[nominal])
        self.n_anomalous = np.bincount(index[anomalous], minlength=n_objects)  # images of each object, (G,)
        self.n_nominal = np.bincount(index[nominal], minlength=n_objects)
        # How many nominal images are below each anomalous one, and how many are not above.
        self._below = np.searchsorted(self._nominal_scores, self._anomalous_scores, "left")
        self._not_above = np.searchsorted(self._nominal_scores, self._anomalous_scores, "right")
        self._tied = not np.array_equal(self._below, self._not_above)
        self._nominal_columns, self._anomalous_columns = _neighbours(self._nominal), _neighbours(self._anomalous)

    @cached_property
    def by_pairs(self) -> bool:
        """Whether the matrix of pairs is the faster way."""
        g, h = int((self.n_anomalous > 0).sum()), int((self.n_nominal > 0).sum())
        n_images = len(self._anomalous) + len(self._nominal)
        return g * h <= min(PAIRS_PER_IMAGE * n_images, MAX_PAIRS) and min(g, h) <= MAX_OBJECTS

    def values(self, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the AUROC under each row of whole multiplicities, (B, G) to (B,); NaN where a class is missing."""
        return (self.values_by_pairs if self.by_pairs else self.values_by_sums)(weights)

    def values_by_pairs(self, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the same by the matrix of pairs; by running sums where a sum could pass 2^53."""
        single, double = self._in_single, self._in_double
        w: NDArray[Any] = weights.astype(np.float32)
        counts = (w @ single.sizes).astype(np.float64)
        largest = 2 * float(counts[:, 0].max(initial=0)) * float(counts[:, 1].max(initial=0))
        made = single
        if not largest < EXACT_SINGLE:
            made, w = double, weights.astype(np.float64)
            counts = w @ double.sizes
            if not largest < EXACT_DOUBLE:
                return self.values_by_sums(weights)
        won = np.empty(len(w))
        for rows in blocks(len(w), max(1, *made.pairs.shape)):
            won[rows] = np.einsum("bg,bg->b", _at(w[rows], self._rows_at) @ made.pairs, _at(w[rows], self._columns_at))
        return _share(won, counts[:, 0], counts[:, 1])

    def values_by_sums(self, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the same by running sums over the images in the order of their scores."""
        size = max(1, len(self._nominal) + len(self._anomalous))
        counts = [self._counts_by_sums(weights[rows]) for rows in blocks(len(weights), size)]
        return _share(*(counts[0] if len(counts) == 1 else map(np.concatenate, zip(*counts, strict=True))))

    def _counts_by_sums(self, w: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
        """Return twice the pairs won and the images of each class, (B,) each."""
        by_object = w.flags.f_contiguous and len(w) >= MANY_DRAWS
        axis = 0 if by_object else 1  # along which the objects, and here the images, lie
        w = w.T if by_object else w
        nominal, caught = _at(w, self._nominal_columns, axis), _at(w, self._anomalous_columns, axis)
        none = np.zeros((1, w.shape[1]) if by_object else (len(w), 1), np.int64)
        below = np.concatenate([none, nominal], axis=axis)
        np.cumsum(below, axis=axis, out=below)
        beaten = below.take(self._below, axis=axis)
        if self._tied:
            beaten += below.take(self._not_above, axis=axis)
        won = np.einsum("ib,ib->b" if by_object else "bi,bi->b", beaten, caught)
        return won if self._tied else 2 * won, caught.sum(axis=axis), below.take(-1, axis=axis)

    def leave_one_out(self) -> NDArray[np.float64]:
        """Return the AUROC without each object in turn, shape (G,); NaN where a class is then missing.

        All pairs, less those of the object's images with any others, plus those among themselves, counted twice.
        """
        m, n = self.n_anomalous, self.n_nominal
        beaten, lost = self._below + self._not_above, 2 * len(self._anomalous) - sum(self._looked_up)
        won = float(beaten.sum()) - np.bincount(self._anomalous, beaten, len(m))
        won -= np.bincount(self._nominal, lost, len(m))
        both = np.flatnonzero((m > 0) & (n > 0))
        if len(both):
            x = np.split(self._anomalous_scores[np.argsort(self._anomalous, kind="stable")], np.cumsum(m)[:-1])
            y = np.split(self._nominal_scores[np.argsort(self._nominal, kind="stable")], np.cumsum(n)[:-1])
            for g in both:
                won[g] += (np.searchsorted(y[g], x[g], "left") + np.searchsorted(y[g], x[g], "right")).sum()
        pairs = 2.0 * (m.sum() - m) * (n.sum() - n)
        return np.asarray(won / np.where(pairs > 0, pairs, np.nan))

    @cached_property
    def _looked_up(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many anomalous images are below each nominal one, and how many are not above."""
        left = np.searchsorted(self._anomalous_scores, self._nominal_scores, "left")
        return left, np.searchsorted(self._anomalous_scores, self._nominal_scores, "right")

    @cached_property
    def pairs(self) -> NDArray[np.float64]:
        """Twice the pairs of images won, ties half: objects with anomalous by objects with nominal images."""
        if len(self._rows) < len(self._columns):
            # Nominal images against the objects of the anomalous ones: the smaller side is counted at each score.
            lost = _counted(self._anomalous, self._rows, self._nominal, self._columns, *self._looked_up)
            return 2.0 * self.n_anomalous[self._rows][:, None] * self.n_nominal[self._columns] - lost.T
        return _counted(self._nominal, self._columns, self._anomalous, self._rows, self._below, self._not_above)

    @cached_property
    def _in_double(self) -> _Factors:
        sizes = np.stack([self.n_anomalous, self.n_nominal], axis=1).astype(np.float64)
        return _Factors(self.pairs, sizes)

    @cached_property
    def _in_single(self) -> _Factors:
        return _Factors(self.pairs.astype(np.float32), self._in_double.sizes.astype(np.float32))

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.n_anomalous)

    @cached_property
    def _columns(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.n_nominal)

    @cached_property
    def _rows_at(self) -> slice | NDArray[np.int64]:
        return _neighbours(self._rows)

    @cached_property
    def _columns_at(self) -> slice | NDArray[np.int64]:
        return _neighbours(self._columns)


class _Factors(NamedTuple):
    """What multiplicities are multiplied with: the pairs, and the images of each object by class, (G, 2)."""

    pairs: NDArray[Any]
    sizes: NDArray[Any]


def _ranked(scores: NDArray[np.float64], index: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the scores, rising, and the object of each."""
    order = np.argsort(scores, kind="stable")
    return scores[order], index[order]


def _neighbours(columns: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Return a slice where the columns are neighbours, as where every image is an object: it needs no copy."""
    if len(columns) and np.array_equal(columns, np.arange(columns[0], columns[0] + len(columns))):
        return slice(int(columns[0]), int(columns[0]) + len(columns))
    return columns


def _at(weights: NDArray[Any], columns: slice | NDArray[np.int64], axis: int = 1) -> NDArray[Any]:
    """Return the weights of these columns, or rows."""
    if isinstance(columns, slice):
        return weights[columns] if axis == 0 else weights[:, columns]
    return weights.take(columns, axis=axis)


def _counted(index: NDArray[np.int64], objects: NDArray[np.int64], against: NDArray[np.int64],
             opponents: NDArray[np.int64], below: NDArray[np.int64], not_above: NDArray[np.int64]
             ) -> NDArray[np.float64]:  # fmt: skip
    """Return how many images of each object are below an opponent's images plus how many are not above.

    Parameters
    ----------
    index, objects
        Object of each image, scores rising; the objects, rising.
    against, opponents
        The same of the other class.
    below, not_above
        For each image of the other class, how many of these images are so.

    Returns
    -------
    ndarray
        Shape (opponents, objects).
    """
    by_opponent = np.argsort(against, kind="stable")
    starts = np.searchsorted(against[by_opponent], opponents)
    low, high = below[by_opponent], not_above[by_opponent]
    found = np.empty((len(opponents), len(objects)))
    for some in blocks(len(objects), len(index) + len(against)):
        running = np.zeros((len(index) + 1, len(objects[some])), np.int64)
        running[1:] = index[:, None] == objects[some]
        np.cumsum(running, axis=0, out=running)
        found[:, some] = np.add.reduceat(running[low] + running[high], starts, axis=0)
    return found


def _share(won: NDArray[Any], p: NDArray[Any], n: NDArray[Any]) -> NDArray[np.float64]:
    pairs = 2.0 * p * n
    value: NDArray[np.float64] = won / np.where(pairs > 0, pairs, np.nan)
    return value
