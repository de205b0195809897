"""The figures of one repeat with their intervals: the threshold is given there, not chosen again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .directions import averaged, directions, united
from .estimates import PROPORTIONS, auroc_estimate, noted, proportion_estimate, undefined, with_counts
from .intervals.protocol_bootstrap import Judged, Key, judge, threshold_of, weigh
from .intervals.resampling import Resampling
from .intervals.stretched import Scale, stretched_interval
from .judging import Criterion, chance_level, reason_undefined
from .results import Estimate
from .units import Units

# Where each decision is judged, with what its metric's name then begins with.
PARTITIONS_OF_A_DECISION = (("threshold", ""), ("threshold-inference", "optimism_"), ("inference", ""))


@dataclass(frozen=True)
class Figure:
    """One figure of a repeat: what it is, its estimate, and the threshold (None: none, or one in each direction)."""

    partition: str
    metric: str
    estimate: Estimate
    rule: str = ""
    cut: float | None = None


def figures_of(
    repeat: Judged, resampling: Resampling, criteria: Sequence[Criterion], *, level: float, swap: bool = False
) -> Iterator[Figure]:
    """Yield every figure of one repeat.

    On the inference partition the threshold is given: intervals are over objects at that threshold (AUROC:
    Obuchowski; rates of one class: Wilson; others: object bootstrap). Apparent values and optimism choose the
    threshold again in every replicate.

    With ``swap`` each value is the mean of both directions and every interval the object bootstrap's, one draw of
    objects serving both; the two thresholds are in the notes.
    """
    judged = _judged(repeat, resampling, criteria, swap)

    def bootstrapped(partition: str, metric: str, criterion: Criterion | None) -> Estimate:
        key = (partition, metric, criterion.name if criterion else "")
        units = _units(repeat, partition, swap)
        value = judged.found[key]
        if np.isnan(value[0]):
            return undefined(reason_undefined(metric.removeprefix("optimism_")), units, level=level)
        scale = Scale.of(metric, units.n_objects, criterion)
        own = partition != "inference"
        estimate = stretched_interval(judged.replicates[key], [value], resampling, scale, level=level, widen=own)
        return with_counts(estimate, units)

    auroc = bootstrapped("inference", "auroc", None) if swap else auroc_estimate(repeat.inference, level=level)
    yield Figure("inference", "auroc", auroc)
    chance = chance_level(*(direction.inference for direction in directions(repeat, swap)))
    precision = noted(bootstrapped("inference", "average_precision", None), (chance,))
    yield Figure("inference", "average_precision", precision)
    for criterion in criteria:
        chosen = [threshold_of(direction, criterion) for direction in directions(repeat, swap)]
        reasons = tuple(dict.fromkeys(note for t in chosen if t.status == "undefined" for note in t.notes))
        cuts = judged.cuts[criterion.name]
        for metric in criterion.metrics:
            for partition, prefix in PARTITIONS_OF_A_DECISION:
                name = f"{prefix}{metric}"
                if reasons:  # no threshold, no decision to judge
                    nowhere = undefined(reasons[0], _units(repeat, partition, swap), level=level)
                    yield Figure(partition, name, nowhere, criterion.name)
                    continue
                if partition == "inference" and metric in PROPORTIONS and not swap:
                    estimate = proportion_estimate(repeat.inference, cuts[0], metric, level=level)
                else:
                    estimate = bootstrapped(partition, name, criterion)
                notes = tuple(dict.fromkeys(note for t in chosen for note in t.notes))
                if swap:
                    notes = (f"thresholds of both directions: {cuts[0]:.6g} and {cuts[1]:.6g}", *notes)
                cut = None if swap else cuts[0]
                yield Figure(partition, name, noted(estimate, notes), criterion.name, cut)


@dataclass(frozen=True)
class _Judged:
    found: dict[Key, NDArray[np.float64]]  # each of shape (1,)
    replicates: dict[Key, NDArray[np.float64]]  # each of shape (B,); on inference at the threshold given
    cuts: dict[str, list[float]]  # by rule: one a direction


def _judged(repeat: Judged, resampling: Resampling, criteria: Sequence[Criterion], swap: bool) -> _Judged:
    found, replicates = [], []
    cuts: dict[str, list[float]] = {criterion.name: [] for criterion in criteria}
    for direction in directions(repeat, swap):
        value, drawn = weigh(direction, None), weigh(direction, resampling)
        found.append(judge(*value, criteria))
        at_each = judge(*drawn, criteria)
        for criterion in criteria:
            cut = float(found[-1]["threshold", "threshold", criterion.name][0])
            cuts[criterion.name].append(cut)
            fixed = drawn[1].decisions(np.full(drawn[1].weights.shape[0], cut), criterion)
            at_each |= {("inference", metric, criterion.name): values for metric, values in fixed.items()}
        replicates.append(at_each)
    return _Judged(averaged(found), averaged(replicates), cuts)


def _units(repeat: Judged, partition: str, swap: bool) -> Units:
    if swap:
        return united(repeat)
    return repeat.threshold if partition == "threshold" else repeat.inference
