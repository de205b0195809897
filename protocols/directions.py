"""A trained repeat judged in one direction, or in both: threshold and inference partition exchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from .intervals.protocol_bootstrap import Judged, Key, Replicates, judge, judge_all, weigh
from .intervals.resampling import Resampling
from .judging import Criterion
from .units import Units

SWAPPED = "swap: mean of both directions"


def directions(repeat: Judged, swap: bool) -> tuple[Judged, ...]:
    """Return the repeat, and with ``swap`` its mirror image too."""
    return (repeat, Judged(repeat.inference, repeat.threshold)) if swap else (repeat,)


def judge_repeats(
    repeats: Sequence[Judged], resampling: Resampling | None, criteria: Sequence[Criterion], *, swap: bool = False
) -> dict[Key, Replicates]:
    """Return every metric of all repeats as :func:`~protocols.intervals.protocol_bootstrap.judge_all` does.

    With ``swap`` the value of a repeat is the mean of its two directions, on the same draws of objects; undefined
    where either is. The thresholds are not averaged: those of the first direction come first, then the others.
    Without a resampling there are no replicates.
    """
    forward = _judge_all(repeats, resampling, criteria)
    if not swap:
        return forward
    backward = _judge_all([directions(repeat, True)[1] for repeat in repeats], resampling, criteria)
    found = {}
    for key, a in forward.items():
        b = backward[key]
        if key[1] == "threshold":
            found[key] = Replicates(np.concatenate([a.values, b.values]), np.concatenate([a.replicates, b.replicates]))
        else:
            found[key] = Replicates((a.values + b.values) / 2, (a.replicates + b.replicates) / 2)
    return found


def _judge_all(
    repeats: Sequence[Judged], resampling: Resampling | None, criteria: Sequence[Criterion]
) -> dict[Key, Replicates]:
    if resampling is not None:
        return judge_all(repeats, resampling, criteria)
    values = [judge(*weigh(repeat, None), criteria) for repeat in repeats]
    none = np.empty((len(values), 0))
    return {key: Replicates(np.array([v[key][0] for v in values]), none) for key in values[0]}


def averaged(found: Sequence[Mapping[Key, NDArray[np.float64]]]) -> dict[Key, NDArray[np.float64]]:
    """Return the mean over directions of every metric."""
    return {key: np.mean([of[key] for of in found], axis=0) for key in found[0]}


def united(repeat: Judged) -> Units:
    """Return the units of both partitions: what the mean of both directions is judged on."""
    a, b = repeat.threshold, repeat.inference
    return Units(
        *(np.concatenate([getattr(a, name), getattr(b, name)]) for name in ("labels", "scores", "objects", "ids"))
    )
