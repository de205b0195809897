"""An order of objects that only their images under both detectors decide, so that a seed draws the same images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.intervals.draws import ordered_objects


def paired_objects(labels: NDArray[np.int64], a: NDArray[np.float64], b: NDArray[np.float64],
                   objects: Iterable[Any] | None) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:  # fmt: skip
    """Order the objects as :func:`~protocols.intervals.draws.ordered_objects`, by both detectors' ranks.

    Names of objects, the order of the rows and which detector comes first change nothing.

    Parameters
    ----------
    labels, a, b
        Labels and scores, shape (n,).
    objects
        Object ids, shape (n,); None: every image is its own.

    Returns
    -------
    tuple
        Whether each object has an anomalous image, shape (G,); position of each image's object, shape (n,).

    Examples
    --------
    >>> labels, a, b = np.array([1, 0, 0]), np.array([3.0, 1, 2]), np.array([5.0, 6, 4])
    >>> [paired_objects(labels, *pair, list("xyz"))[1].tolist() for pair in ((a, b), (b, a))]
    [[2, 1, 0], [2, 1, 0]]
    """
    ranks = [np.unique(scores, return_inverse=True)[1] for scores in (a, b)]
    tables = [_table(labels, *pair) for pair in (ranks, ranks[::-1])]
    first = ranks if _before(*tables) else ranks[::-1]
    order = np.lexsort(first[::-1])
    x, y = (r[order] for r in first)
    code = np.empty(len(labels))
    code[order] = np.cumsum(np.concatenate([[False], (x[1:] != x[:-1]) | (y[1:] != y[:-1])])[: len(labels)])
    return ordered_objects(labels, code, objects)


def _table(labels: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the images as rows (label, rank, rank), sorted."""
    order = np.lexsort((second, first, labels))
    return np.stack([labels[order], first[order], second[order]], axis=1).ravel()


def _before(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    """Whether one table comes before the other, or is the same."""
    differ = np.flatnonzero(one != other)
    return not len(differ) or bool(one[differ[0]] < other[differ[0]])
