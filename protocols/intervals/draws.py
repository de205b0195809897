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
    n_objects, n_good = len(defective), len(defective) - int(np.count_nonzero(defective))
    in_order = not defective[:n_good].any()
    columns = None if in_order else np.concatenate([np.flatnonzero(~defective), np.flatnonzero(defective)])
    drawn = np.empty((n_resamples, n_objects), np.int64)
    step = max(1, min(n_resamples, IN_CACHE // max(n_objects, 1)))
    # Buffers are used again: asking for memory would take as long as filling it.
    uniform, picked = np.empty((step, n_objects)), np.empty((step, n_objects), np.int64)
    for start in range(0, n_resamples, step):
        rows = drawn[start : start + step]
        u, p = uniform[: len(rows)], picked[: len(rows)]
        rng.random(out=u)
        # Strata side by side. A double below 1 times a size below 2^52 stays below the size.
        u[:, :n_good] *= n_good
        u[:, n_good:] *= n_objects - n_good
        np.copyto(p, u, casting="unsafe")
        p += n_objects * np.arange(len(rows))[:, None]
        p[:, n_good:] += n_good
        counts = np.bincount(p.ravel(), minlength=rows.size).reshape(rows.shape)
        if columns is None:
            rows[:] = counts
        else:
            rows[:, columns] = counts
    return drawn


def few_objects(n_good: int, n_defective: int) -> tuple[str, ...]:
    """Say that there are too few objects to resample; an empty stratum is none."""
    if 0 < n_defective < FEW or 0 < n_good < FEW:
        return (f"{n_defective} defective and {n_good} good objects: bootstrap intervals undercover below {FEW}",)
    return ()
