"""A pointwise band for an ROC curve, by resampling objects."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from protocols.errors import UndefinedError
from protocols.intervals.draws import draw_objects, generator


@dataclass(frozen=True)
class RocBand:
    """A vertically averaged ROC curve with a pointwise band; all arrays have the shape of ``fpr``."""

    fpr: NDArray[np.float64]
    tpr: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def roc_band(
    tables: Sequence[tuple[ArrayLike, ArrayLike, Sequence[Hashable]]],
    *,
    n_points: int = 101,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> RocBand:
    """Average ROC curves at fixed false alarm rates, with an object-bootstrap percentile band.

    The curve at a false alarm rate is the mean, over the tables (repeats), of the linearly interpolated empirical
    ROC (vertical averaging, Fawcett 2006). One multiplicity an object is drawn per replicate, within the defective
    and the good objects, and used in all tables: views of a part stay together, and repeats that share parts stay
    dependent. The band is pointwise: it does not cover the whole curve at once.

    Parameters
    ----------
    tables
        One (labels, scores, objects) a repeat; arrays of equal length.
    n_points
        Number of equally spaced false alarm rates in [0, 1].
    level
        Confidence level of the band at each point.
    n_resamples
        Number of replicates.
    seed
        Seed of the replicates.

    Raises
    ------
    UndefinedError
        A table lacks a class.

    References
    ----------
    T. Fawcett (2006): An introduction to ROC analysis, section 8.1.

    Examples
    --------
    >>> band = roc_band([([0, 0, 1, 1], [0.1, 0.4, 0.3, 0.9], "abcd")], n_points=3)
    >>> band.tpr.tolist()
    [0.5, 1.0, 1.0]
    """
    grid = np.linspace(0.0, 1.0, n_points)
    prepared = [_Curve.of(*table) for table in tables]
    if not prepared:
        raise UndefinedError("an ROC band needs at least one table; got none")
    defective: dict[Hashable, bool] = {}
    for curve in prepared:
        for item, label in zip(curve.objects, curve.labels, strict=True):
            defective[item] = defective.get(item, False) or bool(label)
    names = sorted(defective, key=str)
    position = {name: i for i, name in enumerate(names)}
    is_defective = np.array([defective[name] for name in names])
    columns = [np.array([position[o] for o in curve.objects]) for curve in prepared]
    value = np.mean([curve.at(grid, np.ones(len(curve.labels))) for curve in prepared], axis=0)
    replicates = []
    for multiplicity in draw_objects(is_defective, n_resamples, generator(seed, "roc_band")):
        curves = [c.at(grid, multiplicity[column]) for c, column in zip(prepared, columns, strict=True)]
        defined = [c for c in curves if not np.isnan(c[0])]
        if defined:
            replicates.append(np.mean(defined, axis=0))
    tail = (1 - level) / 2
    low, high = np.quantile(np.array(replicates), [tail, 1 - tail], axis=0)
    return RocBand(grid, value, np.minimum(low, value), np.maximum(high, value))


@dataclass(frozen=True)
class _Curve:
    """One table, sorted by falling score."""

    labels: NDArray[np.int64]
    last_of_ties: NDArray[np.int64]
    objects: tuple[Hashable, ...]

    @classmethod
    def of(cls, labels: ArrayLike, scores: ArrayLike, objects: Sequence[Hashable]) -> _Curve:
        y, s = np.asarray(labels, np.int64), np.asarray(scores, np.float64)
        if not (y == 1).any() or not (y == 0).any():
            raise UndefinedError(f"an ROC needs both classes; got {(y == 1).sum()} anomalous, {(y == 0).sum()} nominal")
        order = np.argsort(-s, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(s[order])), y.size - 1)
        return cls(y[order], ends, tuple(objects[i] for i in order))

    def at(self, grid: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sensitivity at each false alarm rate; NaN when a class has no weight."""
        anomalous = np.cumsum(weights * self.labels)[self.last_of_ties]
        nominal = np.cumsum(weights * (1 - self.labels))[self.last_of_ties]
        if anomalous[-1] == 0 or nominal[-1] == 0:
            return np.full(grid.shape, np.nan)
        fpr = np.concatenate([[0.0], nominal / nominal[-1]])
        tpr = np.concatenate([[0.0], anomalous / anomalous[-1]])
        # At a vertical step np.interp takes the last vertex: the highest sensitivity at that false alarm rate.
        return np.asarray(np.interp(grid, fpr, tpr), np.float64)
