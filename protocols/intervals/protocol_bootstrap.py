"""Bootstrap of the repeated protocol: objects are drawn once, thresholds chosen again, repeats averaged.

One multiplicity vector a replicate serves all repeats, both partitions and all detectors: that carries the
dependence between repeats, and between detectors, exactly. Nothing is trained again, so the randomness of training
is added as ``SE_total^2 = SE_boot^2 + S_J^2 / J``, with S_J the standard deviation of the per-repeat values. That is
conservative, since S_J also contains the noise of the splits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from protocols.errors import InputError, UndefinedError
from protocols.judging import FREE, Criterion, Weighted, reason_undefined
from protocols.metrics import METRICS
from protocols.partition import Split
from protocols.results import Estimate, Threshold
from protocols.scores import ScoreTable
from protocols.thresholds import select_threshold
from protocols.units import Units, count_distinct, units_of

from .resampling import Resampling, Seed, resample_objects
from .stretched import METHOD, Scale, stretched_interval

KEY = "protocol_bootstrap"

Key = tuple[str, str, str]  # partition, metric, rule name


@dataclass(frozen=True)
class Judged:
    """The two evaluation partitions of one repeat."""

    threshold: Units
    inference: Units


@dataclass(frozen=True)
class Replicates:
    """A metric of every repeat, on the data (``values``) and on every bootstrap replicate.

    Parameters
    ----------
    values
        Shape (J,).
    replicates
        Shape (J, B).
    """

    values: NDArray[np.float64]  # (J,)
    replicates: NDArray[np.float64]  # (J, B)

    def minus(self, other: Replicates) -> Replicates:
        """Return the difference, repeat by repeat."""
        return Replicates(self.values - other.values, self.replicates - other.replicates)

    @property
    def defined(self) -> NDArray[np.bool_]:
        """Which repeats have the metric, shape (J,)."""
        return ~np.isnan(self.values)

    def mean(self, resampling: Resampling) -> NDArray[np.float64]:
        """Return the mean over the repeats that have the metric, of each replicate, shape (B,)."""
        return resampling.mean(self.replicates[self.defined])


def weigh(repeat: Judged, resampling: Resampling | None) -> tuple[Weighted, Weighted]:
    """Return both partitions with their multiplicities; None: the data themselves."""
    if resampling is None:
        return Weighted(repeat.threshold), Weighted(repeat.inference)
    tuning, test = repeat.threshold, repeat.inference
    return Weighted(tuning, resampling.of(tuning)), Weighted(test, resampling.of(test))


def judge(tuning: Weighted, test: Weighted, criteria: Sequence[Criterion]) -> dict[Key, NDArray[np.float64]]:
    """Return every metric of one repeat, each of shape (B,).

    Returns
    -------
    dict
        (partition, metric, rule name) to values; metric ``threshold`` holds the cuts, and ``optimism_<metric>``
        the apparent minus the transported value.
    """
    found = {("inference", name, ""): values for name, values in test.free().items()}
    for criterion in criteria:
        rule, cuts = criterion.name, tuning.select(criterion)
        found["threshold", "threshold", rule] = cuts
        transported = test.decisions(cuts, criterion)
        for metric, apparent in tuning.decisions(cuts, criterion).items():
            found["threshold", metric, rule] = apparent
            found["inference", metric, rule] = transported[metric]
            found["threshold-inference", f"optimism_{metric}", rule] = apparent - transported[metric]
    return found


def threshold_of(repeat: Judged, criterion: Criterion) -> Threshold:
    """Return the threshold chosen on the threshold partition; ``undefined`` where a guarantee needs more units."""
    tuning, parameters = repeat.threshold, criterion.parameters
    try:
        return select_threshold(
            tuning.labels, tuning.scores, criterion.rule, objects=tuning.objects, **parameters  # type: ignore[arg-type]
        )  # fmt: skip
    except UndefinedError as error:
        return Threshold(math.nan, criterion.rule, parameters, "undefined", (str(error),))


def judge_all(
    repeats: Sequence[Judged], resampling: Resampling, criteria: Sequence[Criterion]
) -> dict[Key, Replicates]:
    """Return every metric of all repeats, on the data and on the replicates; keys as in :func:`judge`."""
    values = [judge(*weigh(repeat, None), criteria) for repeat in repeats]
    replicates = [judge(*weigh(repeat, resampling), criteria) for repeat in repeats]
    return {
        key: Replicates(np.array([v[key][0] for v in values]), np.array([r[key] for r in replicates]))
        for key in values[0]
    }


def protocol_bootstrap(
    splits: Sequence[Split],
    tables: ScoreTable | Sequence[ScoreTable],
    *,
    metric: str = "auroc",
    rule: str = "youden",
    parameters: Mapping[str, object] | None = None,
    other: ScoreTable | Sequence[ScoreTable] | None = None,
    level_of_analysis: str = "image",
    object_score: str = "max",
    prevalence: float | None = None,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: Seed = 0,
) -> Estimate:
    """Mean of a metric over the repeats of the three-way protocol, with an interval over objects and trainings.

    Parameters
    ----------
    splits
        One a repeat.
    tables
        Scores of each repeat; one table for all repeats if the scorer is fixed.
    metric
        ``auroc``, ``average_precision``, a metric at the threshold that ``rule`` sets on the threshold partition,
        judged on the inference partition, or ``optimism_<metric>``: the apparent minus the transported value. Other
        names of a metric (``recall``) are known too.
    rule, parameters
        Threshold rule and its parameters.
    other
        Scores of a second detector on the same splits: the estimate is the first minus the second.
    level_of_analysis, object_score
        ``image``, or ``object`` with the way views become one score.
    prevalence
        Share of anomalous parts on the factory floor, for metrics that need it.
    level, n_resamples, seed
        Confidence level, bootstrap replicates, seed.

    Returns
    -------
    Estimate
        ``se`` is SE_total; the notes name both standard errors and the plain bootstrap interval. The counts are
        those of all images (or objects) that are judged in some repeat.

    Raises
    ------
    InputError
        The numbers of splits and tables differ, or the metric is unknown.

    References
    ----------
    Field & Welsh (2007), Bootstrapping clustered data; the protocol: Hönel & Nordqvist (2025), From Lab to Factory,
    section 4.3.

    Examples
    --------
    >>> import pandas as pd
    >>> from protocols import SampleTable, grouped_three_way
    >>> names = [f"o{i:02}" for i in range(40)]
    >>> frame = pd.DataFrame({"sample_id": names, "object_id": names, "label": [1] * 12 + [0] * 28})
    >>> table = ScoreTable.checked(frame.assign(score=[1 + i / 12 for i in range(12)] + [i / 20 for i in range(28)]))
    >>> splits = grouped_three_way(SampleTable.checked(frame), repeats=5)
    >>> e = protocol_bootstrap(splits, table, metric="sensitivity", n_resamples=200)
    >>> e.low < e.value < e.high, e.n_objects_anomalous
    (True, 12)
    """
    criterion = Criterion(rule, dict(parameters or {}), prevalence)
    known = (*FREE, *criterion.metrics, *(f"optimism_{name}" for name in criterion.metrics))
    metric = _plain_name(metric)
    if metric not in known:
        raise InputError("metric", metric, f"one of {', '.join(known)}", "Some of them need a prevalence and costs.")
    sides = [_judged(splits, side, level_of_analysis, object_score) for side in (tables, other) if side is not None]
    parts = [part for side in sides for repeat in side for part in (repeat.threshold, repeat.inference)]
    resampling = resample_objects(parts, n_resamples=n_resamples, seed=seed, key=KEY)
    free = metric in FREE
    partition = "threshold-inference" if metric.startswith("optimism_") else "inference"
    criteria = () if free else (criterion,)
    key = (partition, metric, "" if free else criterion.name)
    found = [judge_all(side, resampling, criteria)[key] for side in sides]
    result = found[0] if len(found) == 1 else found[0].minus(found[1])
    scale = Scale.of(metric, resampling.n_objects, None if free else criterion)
    scale = scale if other is None else scale.as_difference()
    n = count_distinct(getattr(repeat, name) for side in sides for repeat in side for name in partition.split("-"))
    reason = ""
    if not result.defined.any():
        chosen = [] if free else [threshold_of(repeat, criterion) for side in sides for repeat in side]
        nowhere = [t.notes[0] for t in chosen if t.status == "undefined"]
        reason = nowhere[0] if nowhere else reason_undefined(metric.removeprefix("optimism_"))
    return summary(result, resampling, scale, key, level=level, n=n, reason=reason)


def summary(
    result: Replicates,
    resampling: Resampling,
    scale: Scale,
    key: Key,
    *,
    level: float,
    n: tuple[int, int] | None = None,
    notes: tuple[str, ...] = (),
    reason: str = "",
) -> Estimate:
    """Return the mean over the repeats with its interval; undefined if no repeat has the metric."""
    counts, (good, defective) = n or resampling.n_objects, resampling.n_objects
    defined = result.defined
    if not defined.any():
        return Estimate(
            math.nan,
            math.nan,
            math.nan,
            level,
            METHOD,
            "undefined",
            *counts,
            good,
            defective,
            (*notes, f"undefined in every repeat: {reason or key[1]}"),
        )
    if not defined.all():
        notes = (*notes, f"undefined in {int((~defined).sum())} of {defined.size} repeats: mean of the others")
    estimate = stretched_interval(
        result.mean(resampling),
        [result.values[defined]],
        resampling,
        scale,
        level=level,
        widen=key[0] != "inference",
        n=n,
        notes=notes,
    )
    if defined.all():
        return estimate
    return replace(estimate, status="degenerate")


def _plain_name(metric: str) -> str:
    """Return the name of a metric that was given by one of its other names, with or without ``optimism_``."""
    prefix, name = ("optimism_", metric[9:]) if str(metric).startswith("optimism_") else ("", metric)
    return next((prefix + m.name for m in METRICS.values() if name in m.aliases), metric)


def _judged(
    splits: Sequence[Split], tables: ScoreTable | Sequence[ScoreTable], level_of_analysis: str, object_score: str
) -> list[Judged]:
    each = [tables] * len(splits) if isinstance(tables, ScoreTable) else list(tables)
    if len(each) != len(splits) or not each:
        raise InputError("tables", f"{len(each)} tables", f"one for each of {len(splits)} splits", "Give as many.")
    return [
        judged(split, table, level_of_analysis=level_of_analysis, object_score=object_score)
        for split, table in zip(splits, each, strict=True)
    ]


def judged(
    split: Split,
    table: ScoreTable,
    *,
    level_of_analysis: str = "image",
    object_score: str = "max",
    object_policy: str = "required",
) -> Judged:
    """Return the two evaluation partitions of a repeat."""
    threshold, inference = (
        units_of(
            table,
            split,
            name,
            level_of_analysis=level_of_analysis,
            object_score=object_score,
            object_policy=object_policy,
        )
        for name in ("threshold", "inference")
    )
    return Judged(threshold, inference)
