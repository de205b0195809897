"""The object bootstrap: whole objects are drawn, defective and good ones each to their own number."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from protocols.errors import InputError, UndefinedError
from protocols.inputs import Seed, checked_fraction, checked_scores, doubts, one_class
from protocols.intervals.bootstrap_limits import bca_limits, misses, percentile_limits
from protocols.intervals.clustered_delong import ONE_OBJECT, ClusteredAuroc
from protocols.intervals.delong import INVERTED, perfect_bound
from protocols.intervals.draws import (
    GIVE_UP,
    IN_CACHE,
    MAX_REDRAWN,
    ObjectDraws,
    few_objects,
    generator,
    ordered_objects,
)
from protocols.intervals.object_auroc import ObjectAuroc
from protocols.metrics import BLOCK, METRICS, blocks, resolve_metric, weighted_auroc, weighted_average_precision
from protocols.results import Estimate, Status

Metric = str | Callable[[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]], float]
Replicator = Callable[[NDArray[np.int64]], NDArray[np.float64]]

METHODS = {"percentile": 2000, "bca": 5000, "studentised": 2000}  # with the default number of replicates
_WEIGHTED = {"auroc": weighted_auroc, "average_precision": weighted_average_precision}


def bootstrap_interval(labels: ArrayLike, scores: ArrayLike, *, metric: Metric = "auroc",
                       objects: Iterable[Any] | None = None, method: str = "bca", n_resamples: int | None = None,
                       level: float = 0.95, seed: Seed = 0, batch: int | None = None) -> Estimate:  # fmt: skip
    """Interval of any ranking metric by resampling objects.

    Objects with an anomalous image (defective) and the others (good) are drawn separately, each to their own
    number; all images of an object enter as often as it was drawn. A replicate in which the metric is undefined
    is redrawn. Which objects a seed draws depends on their labels and scores only, not on their names or the order
    of the rows. The AUROC of a replicate is worked out from the pairs of images that each object wins over each
    other one, or, where these are many, from running sums: the same numbers (see
    :class:`~protocols.intervals.object_auroc.ObjectAuroc`).

    Parameters
    ----------
    labels, scores
        Shape (n,).
    metric
        ``auroc``, ``average_precision``, or a callable ``(labels, scores, weights) -> float`` that respects whole
        weights, shape (n,), and raises ``UndefinedError`` or returns NaN where it is undefined.
    objects
        Object ids, shape (n,). None: every image is its own object.
    method
        ``percentile``, ``bca``, or ``studentised`` (AUROC only: t statistics on the logit scale, standard errors of
        Obuchowski).
    n_resamples
        Replicates; None = 5,000 for ``bca``, 2,000 otherwise.
    level
        Confidence level.
    seed
        An int gives ``PCG64(SeedSequence([seed, crc32(metric name)]))``; the numbers may differ between versions
        of NumPy.
    batch
        Replicates worked on at once, None = as many as stay in the processor's cache; changes the memory needed,
        never the result.

    Returns
    -------
    Estimate
        ``se`` is the standard deviation of the replicates. ``degenerate``: more than 5 % redraws, or replicates
        that do not vary. ``undefined``: a class is missing or has fewer than two objects.

    Raises
    ------
    InputError
        The metric or the method is not known, the two do not go together, or the arrays are wrong.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap. Field & Welsh (2007), Bootstrapping clustered data.

    Examples
    --------
    >>> labels, scores = [1, 1, 0, 1, 0, 0, 0, 0], [0.9, 0.6, 0.5, 0.7, 0.8, 0.2, 0.3, 0.4]
    >>> e = bootstrap_interval(labels, scores, objects=list("AAABBCCD"), method="percentile", n_resamples=200)
    >>> round(e.value, 6), 0 < e.low < e.value < e.high <= 1, e.n_objects_anomalous
    (0.866667, True, 2)
    """
    y, s = checked_scores(labels, scores)
    checked_fraction(level, "level")
    n_resamples, batch = checked_resamples(method, n_resamples), checked_batch(batch)
    defective, index = ordered_objects(y, s, objects)
    n_objects = len(defective)
    name, weighted, size = object_replicator(metric, y, s, index, n_objects)
    if method == "studentised" and name != "auroc":
        raise InputError("method", method, f"percentile or bca for the metric {name}", "Studentising needs a formula "
                         "for the standard error, which only the AUROC has here.")  # fmt: skip
    n_anomalous = int(y.sum())
    n_nominal = len(y) - n_anomalous
    i01, i10 = (int(np.count_nonzero(np.bincount(index[y == label]))) for label in (0, 1))
    shown = f"object bootstrap, {'BCa' if method == 'bca' else method}, {n_resamples} resamples"

    def finished(value: float, low: float, high: float, status: Status, notes: tuple[str, ...],
                 se: float = math.nan) -> Estimate:  # fmt: skip
        good, bad = (None, None) if objects is None else (i01, i10)
        return Estimate(value, low, high, level, shown, status, n_nominal, n_anomalous, good, bad, notes, se)

    if not n_anomalous or not n_nominal:
        return finished(math.nan, math.nan, math.nan, "undefined", (one_class(name, n_nominal, n_anomalous),))
    value = float(weighted(np.ones((1, n_objects), np.int64))[0])
    if math.isnan(value):
        return finished(value, math.nan, math.nan, "undefined", (f"{name} is undefined on these data",))
    if min(i10, i01) < 2:
        reason = f"{ONE_OBJECT} (anomalous: {i10}, nominal: {i01}); {name} is {value!r}"
        return finished(math.nan, math.nan, math.nan, "undefined", (reason,))
    notes = _notes(defective, value, name, s)
    if name == "auroc" and value in (0.0, 1.0):
        n, units = min(i10, i01), "images" if objects is None else "objects"
        note = f"perfect {'separation' if value else 'inversion'}: one-sided bound of {n} {units}, heuristic"
        return finished(value, *perfect_bound(value, n, level), "degenerate", (note, *notes), 0.0)

    clustered = ClusteredAuroc(y, s, index, n_objects) if method == "studentised" else None
    logit_se = math.nan if clustered is None else _logit_se(clustered, value)

    def statistics(weights: NDArray[np.int64]) -> NDArray[np.float64]:
        values = weighted(weights)
        if clustered is None or math.isnan(logit_se):
            return values[:, None]
        return np.column_stack([values, _pivots(clustered, value, weights)])

    size = len(y) if clustered else size
    drawn, redrawn = resample(defective, statistics, n_resamples, size, generator(seed, name), batch)
    replicates, pivots = drawn[:, 0], drawn[:, -1]
    if len(replicates) < 2:
        return finished(math.nan, math.nan, math.nan, "undefined",
                        (f"{name} is undefined in nearly all resamples; it is {value!r}", *notes))  # fmt: skip
    se = float(replicates.std(ddof=1))
    if se <= 1e-12 * max(1.0, abs(value)):
        return finished(value, math.nan, math.nan, "degenerate", ("all resamples are equal: no interval", *notes), se)
    if clustered is not None:
        low, high, more = _studentised_limits(value, logit_se, pivots, level)
    elif method == "bca":
        if metric == "auroc":
            jackknife = ObjectAuroc(y, s, index, n_objects).leave_one_out()
        else:
            jackknife = leave_one_out(statistics, n_objects, size)[:, 0]
        low, high, more = bca_limits(value, replicates, jackknife, level, defective)
    else:
        (low, high), more = percentile_limits(replicates, level), ()
    status: Status = "ok"
    if redrawn > MAX_REDRAWN:
        status, more = "degenerate", (*more, f"{redrawn:.1%} of the resamples were undefined and redrawn")
    if not high > low:
        low, high = percentile_limits(replicates, level)
        status, more = "degenerate", (*more, f"the {method} interval has no width: percentile interval instead")
    if not high > low:
        low, high, more = math.nan, math.nan, (*more, "which has none either: too few distinct resamples")
    else:
        more += misses(value, low, high)
    return finished(value, low, high, status, (*more, *notes), se)


def resample(defective: NDArray[np.bool_], statistics: Replicator, n_resamples: int, size: int,
             rng: np.random.Generator, batch: int | None = None) -> tuple[NDArray[np.float64], float]:  # fmt: skip
    """Draw objects until enough replicates are defined.

    Parameters
    ----------
    defective
        Whether each object has an anomalous image, shape (G,).
    statistics
        Multiplicities (b, G) to values (b, k); NaN where undefined.
    n_resamples
        Replicates asked for.
    size
        Numbers that one replicate needs in memory, for the size of the blocks.
    rng
        Generator.
    batch
        Replicates at once; None: as the size says.

    Returns
    -------
    tuple
        Values, shape (B, k), and the share of draws that had to be redrawn. B is less than asked for when nearly
        all draws are undefined.
    """
    kept: list[NDArray[np.float64]] = []
    n_kept = n_drawn = 0
    draws = ObjectDraws(defective, rng)
    largest = batch or next(blocks(n_resamples, max(size, len(defective)))).stop
    while n_kept < n_resamples and n_drawn < GIVE_UP * n_resamples:
        # Never more than are missing, so that the draws do not depend on the size of the blocks.
        values = statistics(draws.draw(min(largest, n_resamples - n_kept)))
        kept.append(values[np.isfinite(values).all(axis=1)])
        n_drawn += len(values)
        n_kept += len(kept[-1])
    return np.concatenate(kept), 1 - n_kept / n_drawn


def leave_one_out(statistics: Replicator, n_objects: int, size: int) -> NDArray[np.float64]:
    """Return the values without each object in turn, shape (G, k); arguments as for :func:`resample`."""
    values = []
    for rows in blocks(n_objects, max(size, n_objects)):
        without = np.arange(n_objects)[rows]
        weights = np.ones((len(without), n_objects), np.int64)
        weights[np.arange(len(without)), without] = 0
        values.append(statistics(weights))
    return np.concatenate(values)


def _pivots(clustered: ClusteredAuroc, value: float, weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (logit A* - logit A) / se*, NaN where the replicate has no standard error."""
    a, variance = clustered.variance(weights)
    inside = (a > 0) & (a < 1) & (variance > 1e-24)
    a, variance = np.where(inside, a, np.nan), np.where(inside, variance, np.nan)
    return np.asarray((special.logit(a) - special.logit(value)) * a * (1 - a) / np.sqrt(variance))


def _logit_se(clustered: ClusteredAuroc, value: float) -> float:
    """Return Obuchowski's standard error of logit A; NaN where his variance is not positive."""
    variance = float(clustered.variance(np.ones((1, clustered.n_objects), np.int64))[1][0])
    return math.sqrt(variance) / (value * (1 - value)) if variance > 1e-24 else math.nan


def _studentised_limits(value: float, logit_se: float, pivots: NDArray[np.float64], level: float
                        ) -> tuple[float, float, tuple[str, ...]]:  # fmt: skip
    if math.isnan(logit_se):
        return math.nan, math.nan, ("Obuchowski's variance is not positive: nothing to studentise by",)
    lower, upper = percentile_limits(pivots, level)
    centre = special.logit(value)
    return float(special.expit(centre - upper * logit_se)), float(special.expit(centre - lower * logit_se)), ()


def replicator(metric: Metric, y: NDArray[np.int64], s: NDArray[np.float64]) -> tuple[str, Replicator]:
    """Return the metric's name and the function of image weights (B, n) to values (B,)."""
    if callable(metric):
        function = metric

        def each(weights: NDArray[np.int64]) -> NDArray[np.float64]:
            return np.array([_or_nan(function, y, s, w) for w in weights])

        return getattr(metric, "__name__", type(metric).__name__), each
    name = resolve_metric(metric).name
    if name not in _WEIGHTED:
        why = "a threshold" if METRICS[name].needs_threshold else "further parameters"
        raise InputError("metric", metric, f"one of {sorted(_WEIGHTED)}, or a callable",
                         f"{name} needs {why}: give a callable (labels, scores, weights) -> float.")  # fmt: skip
    return name, lambda weights: _WEIGHTED[name](y, s, weights)


def object_replicator(metric: Metric, y: NDArray[np.int64], s: NDArray[np.float64], index: NDArray[np.int64],
                      n_objects: int) -> tuple[str, Replicator, int]:  # fmt: skip
    """Return the metric's name, the function of multiplicities of objects (B, G) to values (B,), and its size.

    The size is how many numbers one replicate needs in memory, as :func:`resample` wants to know it.
    """
    name, weighted = replicator(metric, y, s)
    if metric == "auroc":
        return name, ObjectAuroc(y, s, index, n_objects).values, n_objects * (BLOCK // IN_CACHE)
    return name, lambda weights: weighted(weights[:, index]), len(y)


def _or_nan(function: Callable[..., float], *arguments: NDArray[Any]) -> float:
    try:
        return float(function(*arguments))
    except UndefinedError:
        return math.nan


def checked_resamples(method: str, n_resamples: int | None) -> int:
    """Return the number of replicates of a method of :data:`METHODS`; None is its default."""
    if method not in METHODS:
        raise InputError("method", method, f"one of {sorted(METHODS)}", "Correct the value.")
    if n_resamples is None:
        return METHODS[method]
    if not _whole(n_resamples) or n_resamples < 2:
        raise InputError("n_resamples", n_resamples, "a whole number of 2 or more", "Correct the value.")
    return int(n_resamples)


def checked_batch(batch: int | None) -> int | None:
    """Return the number of replicates worked on at once; None: as the size says."""
    if batch is None:
        return None
    if not _whole(batch) or batch < 1:
        raise InputError("batch", batch, "a whole number of 1 or more, or None", "Correct the value.")
    return int(batch)


def _whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _notes(defective: NDArray[np.bool_], value: float, name: str, scores: NDArray[np.float64]) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    n_defective = int(defective.sum())
    n_good = len(defective) - n_defective
    if name == "auroc" and value < 0.5:
        notes += (INVERTED,)
    return (*few_objects(n_good, n_defective), *notes, *doubts(scores))
