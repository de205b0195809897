"""Draws of whole objects: one multiplicity vector a replicate, shared by all that is judged on these objects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocols.inputs import Seed
from protocols.intervals.draws import GIVE_UP, MAX_REDRAWN, draw_objects, few_objects, generator
from protocols.units import Units

__all__ = ["Resampling", "Seed", "resample_objects"]

MAX_LEFT_OUT = 0.2  # share of repeats that a replicate may leave out
ONE_REPEAT = 2  # a threshold and an inference partition


@dataclass(frozen=True)
class Resampling:
    """Multiplicities of objects: ``weights[b, g]`` is how often replicate b drew object g.

    There are more replicates than were asked for: those in which a metric is undefined are replaced by the
    surplus, which is as large as the share of redraws that is tolerated.

    Parameters
    ----------
    weights
        Shape (n_drawn, n_objects).
    index
        Column of each object.
    n_resamples
        Replicates asked for.
    n_objects
        Number of good and of defective objects.
    redrawn
        Draws that lacked a class in some partition, as a share of all draws.
    lacking
        Where redrawing would have thrown away too many draws: the share of draws, kept here, that lack a class in some
        partition. Such a replicate is the mean over the repeats that have the metric.
    """

    weights: NDArray[np.int64]  # (n_drawn, n_objects)
    index: dict[object, int]
    n_resamples: int
    n_objects: tuple[int, int]
    redrawn: float
    lacking: float = 0.0

    def of(self, units: Units) -> NDArray[np.int64]:
        """Return the multiplicities of the units, shape (n_drawn, n_units)."""
        return self.weights[:, [self.index[name] for name in units.objects]]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to distrust about any interval from these draws."""
        if not self.lacking:
            return few_objects(*self.n_objects)
        note = f"{self.lacking:.1%} of the replicates lack a class in some repeat and leave that repeat out"
        return (note, *few_objects(*self.n_objects))

    def mean(self, replicates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean over repeats of each replicate, shape (B,), from shape (J, B).

        NaN where a repeat is undefined; with ``lacking`` draws only where more than a fifth of the repeats are.
        """
        if not self.lacking:
            return np.asarray(replicates.mean(axis=0))
        there = ~np.isnan(replicates)
        enough = there.sum(axis=0) >= (1 - MAX_LEFT_OUT) * len(replicates)
        sums = np.where(there, replicates, 0.0).sum(axis=0)
        return np.asarray(np.where(enough, sums / np.maximum(there.sum(axis=0), 1), np.nan))

    def usable(self, values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
        """Return the first ``n_resamples`` replicates that are defined, and the share of redraws it took."""
        defined = np.flatnonzero(~np.isnan(values))[: self.n_resamples]
        if defined.size == 0:
            return values[:0], 1.0
        tried = int(defined[-1]) + 1 if defined.size == self.n_resamples else values.size
        share = 1 - defined.size / tried
        return values[defined], 1 - (1 - share) * (1 - self.redrawn)


def resample_objects(parts: Sequence[Units], *, n_resamples: int, seed: Seed, key: str) -> Resampling:
    """Draw the objects of all parts with replacement, good and defective ones each to their own number.

    Draws in which a part lacks a class are redrawn. Where that is more than the share that is tolerated and there are
    several repeats, as with the small folds of ``rotate``, it would select draws that are all too much like the data:
    the draws are then kept as they are, and a replicate leaves out the repeats that lack a class.

    The stream depends on the seed, the key and the objects.

    Parameters
    ----------
    parts
        Everything that will be judged with these draws; an object is defective if it has an anomalous unit in any.
    n_resamples
        Number of replicates.
    seed
        An int gives PCG64(SeedSequence([seed, crc32(key)])).
    key
        Name of what is estimated.
    """
    defective = sorted({name for part in parts for name in part.objects[part.labels == 1]})
    good = sorted({name for part in parts for name in part.objects} - set(defective))
    index = {name: column for column, name in enumerate(good + defective)}
    is_defective = np.arange(len(index)) >= len(good)
    rng = generator(seed, key)
    needed = n_resamples + math.floor(MAX_REDRAWN * n_resamples)
    present = _presence(parts, index)  # (2 * n_parts, n_objects)
    kept: list[NDArray[np.int64]] = []
    n_kept = n_drawn = 0
    while n_kept < needed and n_drawn < GIVE_UP * needed:
        draws = draw_objects(is_defective, needed, rng)
        complete = np.ones(needed, bool)
        for row in present:
            complete &= draws[:, row].any(axis=1)
        lacking = 1 - float(complete.mean())
        if not n_drawn and lacking > MAX_REDRAWN and len(parts) > ONE_REPEAT:
            return Resampling(draws, index, n_resamples, (len(good), len(defective)), 0.0, lacking)
        n_drawn += needed
        kept.append(draws[complete])
        n_kept += int(complete.sum())
    weights = np.concatenate(kept)
    return Resampling(weights[:needed], index, n_resamples, (len(good), len(defective)), 1 - n_kept / n_drawn)


def _presence(parts: Sequence[Units], index: dict[object, int]) -> list[NDArray[np.int64]]:
    """Return, for each part and class, the columns of the objects that have it there."""
    rows = {
        tuple(sorted({index[name] for name in part.objects[part.labels == label]}))
        for part in parts
        for label in (0, 1)
    }
    return [np.array(row, np.int64) for row in sorted(rows)]
