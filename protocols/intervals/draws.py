"""Draws of objects with replacement: the one stream behind every bootstrap."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocols.errors import InputError
from protocols.inputs import Seed, object_index

MAX_REDRAWN = 0.05  # share of redraws above which an interval is degenerate
GIVE_UP = 20  # draws per replicate after which the data are too few to resample
FEW = 5
MANY_DRAWS = 32
IN_CACHE = 2**15  # numbers drawn at a time


def generator(seed: Seed, name: str) -> np.random.Generator:
    """Return the generator of a seed for the metric of this name; a Generator is used as it is."""
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, np.random.SeedSequence):
        return np.random.Generator(np.random.PCG64(seed))
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError("seed", seed, "a whole number of 0 or more", "Correct the seed.")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(name.encode())])))


def ordered_objects(labels: NDArray[np.int64], scores: NDArray[np.float64], objects: Iterable[Any] | None
                    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:  # fmt: skip
    """Put the objects in an order that only what they contain decides: good ones first, then by their images.

    Objects of the same images are interchangeable. So a seed draws the same images whatever the objects are called
    and in whatever order the rows come; objects of one image each are drawn as images without objects are.

    Parameters
    ----------
    labels, scores
        Shape (n,).
    objects
        Object ids, shape (n,); None: every image is its own.

    Returns
    -------
    tuple
        Whether each object has an anomalous image, shape (G,); position of each image's object, shape (n,).
    """
    n = len(labels)
    ids, index = (range(n), np.arange(n)) if objects is None else object_index(objects, n)
    defective = np.zeros(len(ids), bool)
    defective[index[labels == 1]] = True
    by_score = np.lexsort((labels, scores))
    y, s = labels[by_score], scores[by_score]
    content = np.empty(n, np.int64)  # equal for equal images
    content[by_score] = np.cumsum(np.concatenate([[False], (s[1:] != s[:-1]) | (y[1:] != y[:-1])])[:n])
    if len(ids) == n:
        key = np.empty(n, np.int64)
        key[index] = content
        order = np.lexsort((key, defective))
    else:
        by_object = np.lexsort((content, index))
        ends = np.cumsum(np.bincount(index, minlength=len(ids)))[:-1]
        keys = [part.tobytes() for part in np.split(content[by_object].astype(">i8"), ends)]
        order = np.array(sorted(range(len(ids)), key=lambda g: (bool(defective[g]), keys[g])), np.int64)
    position = np.empty(len(ids), np.int64)
    position[order] = np.arange(len(ids))
    return defective[order], position[index]


class ObjectDraws:
    """Draws of objects with replacement, defective and good ones each to their own number.

    Parameters
    ----------
    defective
        Whether each object has an anomalous image, shape (G,).
    rng
        Generator. Every draw takes G halves of its 64-bit words (one more where G is odd), so how many are drawn at
        once changes nothing. An object's chance differs from one in n by less than n / 2^32 of it.
    """

    def __init__(self, defective: NDArray[np.bool_], rng: np.random.Generator) -> None:
        self._rng = rng
        n_objects, n_good = len(defective), len(defective) - int(np.count_nonzero(defective))
        in_order = not defective[:n_good].any()  # strata side by side already
        self._columns = None if in_order else np.concatenate([np.flatnonzero(~defective), np.flatnonzero(defective)])
        self._n_objects, self._n_good = n_objects, n_good
        self._step = max(1, IN_CACHE // max(n_objects, 1))
        self._by_object = False
        self._buffers: tuple[NDArray[np.uint64], ...] | None = None

    def draw(self, n_resamples: int) -> NDArray[np.int64]:
        """Return how often each object was drawn, shape (n_resamples, G)."""
        if n_resamples <= self._step and self._columns is None:
            # Many draws of few objects lie in memory object by object: running sums over them then add whole rows.
            return self._counts(n_resamples, by_object=n_resamples >= MANY_DRAWS)
        drawn = np.empty((n_resamples, self._n_objects), np.int64)
        for start in range(0, n_resamples, self._step):
            rows = drawn[start : start + self._step]
            rows[:, slice(None) if self._columns is None else self._columns] = self._counts(len(rows), by_object=False)
        return drawn

    def _counts(self, n_rows: int, *, by_object: bool) -> NDArray[np.int64]:
        """Draw at most a step, the strata side by side, good objects first."""
        if self._buffers is None or len(self._buffers[0]) != n_rows or self._by_object != by_object:
            self._by_object, self._buffers = by_object, self._made(n_rows, by_object)
        picked, size, first = self._buffers
        n_words = -(-self._n_objects // 2)
        words = self._rng.integers(0, 2**64 - 1, (n_rows, n_words), dtype=np.uint64, endpoint=True)
        # Halves of 32 bits, low one first on every machine; the upper half of u n is a whole number below n.
        np.copyto(picked, words.astype("<u8", copy=False).view("<u4")[:, : self._n_objects])
        np.multiply(picked, size, out=picked)
        np.right_shift(picked, np.uint64(32), out=picked)
        if by_object:
            np.multiply(picked, np.uint64(n_rows), out=picked)
        np.add(picked, first, out=picked)
        counts = np.bincount(picked.view(np.int64).ravel(), minlength=picked.size)
        return counts.reshape(self._n_objects, n_rows).T if by_object else counts.reshape(picked.shape)

    def _made(self, n_rows: int, by_object: bool) -> tuple[NDArray[np.uint64], ...]:
        """Return memory that is used again (asking for it would take as long as filling it), and what never changes."""
        picked, size, first = (np.empty((n_rows, self._n_objects), np.uint64) for _ in range(3))
        size[:, : self._n_good], size[:, self._n_good :] = self._n_good, self._n_objects - self._n_good
        place, before = (1, n_rows) if by_object else (self._n_objects, 1)
        first[:] = (place * np.arange(n_rows))[:, None]
        first[:, self._n_good :] += np.uint64(before * self._n_good)
        return picked, size, first


def draw_objects(defective: NDArray[np.bool_], n_resamples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw objects with replacement, defective and good ones each to their own number.

    Parameters
    ----------
    defective
        Whether each object has an anomalous image, shape (G,).
    n_resamples
        Number of draws; drawing in several calls gives the same as in one.
    rng
        Generator.

    Returns
    -------
    ndarray
        How often each object was drawn, shape (n_resamples, G).
    """
    return ObjectDraws(defective, rng).draw(n_resamples)


def few_objects(n_good: int, n_defective: int) -> tuple[str, ...]:
    """Say that there are too few objects to resample; an empty stratum is none."""
    if 0 < n_defective < FEW or 0 < n_good < FEW:
        return (f"{n_defective} defective and {n_good} good objects: bootstrap intervals undercover below {FEW}",)
    return ()
