"""Draws of objects with replacement: the one stream behind every bootstrap."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from protocols.errors import InputError
from protocols.inputs import Seed

MAX_REDRAWN = 0.05  # share of redraws above which an interval is degenerate
GIVE_UP = 20  # draws per replicate after which the data are too few to resample
FEW = 5


def generator(seed: Seed, name: str) -> np.random.Generator:
    """Return the generator of a seed for the metric of this name; a Generator is used as it is."""
    if isinstance(seed, np.random.Generator):
        return seed
    if isinstance(seed, np.random.SeedSequence):
        return np.random.Generator(np.random.PCG64(seed))
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise InputError("seed", seed, "a whole number of 0 or more", "Correct the seed.")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(name.encode())])))


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
    columns = np.concatenate([np.flatnonzero(~defective), np.flatnonzero(defective)])  # strata side by side
    n_objects, n_good = len(defective), int((~defective).sum())
    size = np.where(np.arange(n_objects) < n_good, n_good, n_objects - n_good)
    first = np.where(np.arange(n_objects) < n_good, 0, n_good)
    picked = np.minimum((rng.random((n_resamples, n_objects)) * size).astype(np.int64), size - 1) + first
    flat = (np.arange(n_resamples)[:, None] * n_objects + columns[picked]).ravel()
    return np.bincount(flat, minlength=n_resamples * n_objects).reshape(n_resamples, n_objects)


def few_objects(n_good: int, n_defective: int) -> tuple[str, ...]:
    """Say that there are too few objects to resample; an empty stratum is none."""
    if 0 < n_defective < FEW or 0 < n_good < FEW:
        return (f"{n_defective} defective and {n_good} good objects: bootstrap intervals undercover below {FEW}",)
    return ()
