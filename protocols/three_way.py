"""The honest protocol: train on nominals, set the threshold on one part, judge it on another, repeat."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, UndefinedError
from .estimates import (
    PROPORTIONS,
    auroc_estimate,
    grouping_notes,
    levels_of,
    noted,
    proportion_estimate,
    undefined,
    with_counts,
)
from .intervals.protocol_bootstrap import KEY, Judged, Replicates, judge, judge_all, judged, summary, weigh
from .intervals.resampling import Resampling, Seed, resample_objects
from .intervals.stretched import Scale, stretched_interval
from .judging import FREE, Criterion, Weighted, criteria, reason_undefined
from .partition import Split
from .results import Estimate, ResultRow, Threshold
from .samples import SampleTable
from .scores import ScoreTable
from .splits import grouped_three_way
from .thresholds import select_threshold
from .units import count_distinct

Rules = Sequence[tuple[str, Mapping[str, object]]]

# Where each decision is judged, with what its metric's name then begins with.
PARTITIONS_OF_A_DECISION = (("threshold", ""), ("threshold-inference", "optimism_"), ("inference", ""))
_KEPT_NOTES = ("departs_from_paper", "unbalanced")  # of the split's notes, those that bear on every value


@dataclass(frozen=True)
class ThreeWay:
    """Object-grouped repeated three-way splits, thresholds chosen on one part and judged on another.

    Parameters
    ----------
    thresholds
        Rules with their parameters; each is selected on the threshold partition.
    repeats, design, nominal_ratio, quota_unit, merge_nominal_test, min_train_share, ndo, object_policy
        As in :func:`~protocols.splits.grouped_three_way`; the design is ``resample``.
    level
        Confidence level of the intervals.
    n_resamples
        Bootstrap replicates.
    object_score
        How the views of an object become one score: ``max``, ``mean``, ...
    prevalence
        Share of anomalous parts on the factory floor; None: no prevalence-dependent metric.
    name
        The ``protocol`` of the rows; ``three_way_ungrouped`` for the same on images as objects.
    """

    thresholds: Rules = (("youden", {}),)
    repeats: int = 10
    design: str = "resample"
    nominal_ratio: float = 1
    quota_unit: str | None = None
    merge_nominal_test: bool = False
    min_train_share: float = 0.5
    ndo: str = "exclude"
    object_policy: str = "required"
    level: float = 0.95
    n_resamples: int = 2000
    object_score: str = "max"
    prevalence: float | None = None
    name: str = "three_way"

    def plan(self, samples: SampleTable, seed: int) -> list[Split]:
        """Return one split a repeat."""
        if self.design != "resample":
            raise InputError("design", self.design, "resample", "This version has no other design.")
        return grouped_three_way(
            samples,
            repeats=self.repeats,
            seed=seed,
            nominal_ratio=self.nominal_ratio,
            quota_unit=self.quota_unit,
            merge_nominal_test=self.merge_nominal_test,
            min_train_share=self.min_train_share,
            ndo=self.ndo,
            object_policy=self.object_policy,
        )

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """The threshold rules, ready to select."""
        return criteria(self.thresholds, self.prevalence)

    def judged(self, split: Split, table: ScoreTable, level_of_analysis: str = "image") -> Judged:
        """Return the two evaluation partitions of a repeat, at the last checkpoint."""
        return judged(
            split,
            table,
            level_of_analysis=level_of_analysis,
            object_score=self.object_score,
            object_policy=self.object_policy,
        )

    def evaluate(self, split: Split, table: ScoreTable, seed: Seed = 0) -> list[ResultRow]:
        """Return the rows of one repeat.

        On the inference partition the threshold is given: intervals are over objects at that threshold (AUROC:
        Obuchowski; rates of one class: Wilson; others: object bootstrap). Apparent values and optimism choose the
        threshold again in every replicate.
        """
        rows: list[ResultRow] = []
        for level_of_analysis in levels_of(table, self.object_policy):
            notes = self._notes(split, table, level_of_analysis)
            try:
                repeat = self.judged(split, table, level_of_analysis)
            except UndefinedError as error:
                rows += self._undefined_rows(split, table, level_of_analysis, (*notes, str(error)), split.repeat)
                continue
            rows += self._rows_of_repeat(split.repeat, repeat, level_of_analysis, notes, seed)
        return rows

    def summarise(
        self, splits: Sequence[Split], tables: Sequence[ScoreTable | None], seed: Seed = 0
    ) -> list[ResultRow]:
        """Return the rows over all repeats: means with the protocol bootstrap's interval.

        Parameters
        ----------
        splits, tables
            As many of each; None for a repeat that failed, which is left out.
        seed
            Of the bootstrap; the same seed and objects give the same draws for every detector.
        """
        there = [(split, table) for split, table in zip(splits, tables, strict=True) if table is not None]
        if not there:
            return []
        rows: list[ResultRow] = []
        for level_of_analysis in levels_of(there[0][1], self.object_policy):
            notes = self._notes(*there[0], level_of_analysis)
            try:
                repeats = [self.judged(split, table, level_of_analysis) for split, table in there]
            except UndefinedError as error:
                rows += self._undefined_rows(*there[0], level_of_analysis, (*notes, str(error)), None, len(there))
                continue
            rows += self._rows_over_repeats(repeats, level_of_analysis, notes, seed)
        return rows

    def _rows_of_repeat(
        self, index: int, repeat: Judged, level_of_analysis: str, notes: tuple[str, ...], seed: Seed
    ) -> Iterator[ResultRow]:
        resampling = resample_objects(
            (repeat.threshold, repeat.inference), n_resamples=self.n_resamples, seed=seed, key=KEY
        )
        value, drawn = weigh(repeat, None), weigh(repeat, resampling)
        found, replicates = judge(*value, self.criteria), judge(*drawn, self.criteria)

        def row(partition: str, metric: str, estimate: Estimate, rule: str = "", cut: float | None = None) -> ResultRow:
            optimistic = partition == "threshold"
            return ResultRow(
                self.name, index, partition, level_of_analysis, metric, noted(estimate, notes), rule, cut, 1, optimistic
            )

        yield row("inference", "auroc", auroc_estimate(repeat.inference, level=self.level))
        ap = self._bootstrapped("average_precision", found, replicates, resampling, repeat, None)
        yield row("inference", "average_precision", ap)
        for criterion in self.criteria:
            chosen = self._threshold(repeat, criterion)
            if chosen.status == "undefined":  # no threshold, no decision to judge
                for metric in criterion.metrics:
                    for partition, name in PARTITIONS_OF_A_DECISION:
                        judged_on = repeat.threshold if partition == "threshold" else repeat.inference
                        nowhere = undefined(chosen.notes[0], judged_on, level=self.level)
                        yield row(partition, f"{name}{metric}", nowhere, criterion.name)
                continue
            cut = float(found["threshold", "threshold", criterion.name][0])
            fixed = self._at(cut, criterion, drawn[1])
            for metric in criterion.metrics:
                for partition, name in (("threshold", metric), ("threshold-inference", f"optimism_{metric}")):
                    estimate = self._bootstrapped(name, found, replicates, resampling, repeat, criterion, partition)
                    yield row(partition, name, noted(estimate, chosen.notes), criterion.name, cut)
                if metric in PROPORTIONS:
                    estimate = proportion_estimate(repeat.inference, cut, metric, level=self.level)
                else:
                    fixed_at = replicates | {("inference", metric, criterion.name): fixed[metric]}
                    estimate = self._bootstrapped(metric, found, fixed_at, resampling, repeat, criterion)
                yield row("inference", metric, noted(estimate, chosen.notes), criterion.name, cut)

    def _rows_over_repeats(
        self, repeats: Sequence[Judged], level_of_analysis: str, notes: tuple[str, ...], seed: Seed
    ) -> Iterator[ResultRow]:
        parts = {"threshold": [r.threshold for r in repeats], "inference": [r.inference for r in repeats]}
        parts["threshold-inference"] = parts["threshold"] + parts["inference"]
        resampling = resample_objects(parts["threshold-inference"], n_resamples=self.n_resamples, seed=seed, key=KEY)
        counts = {name: count_distinct(units) for name, units in parts.items()}
        by_name = {criterion.name: criterion for criterion in self.criteria}
        chosen = [(c.name, self._threshold(r, c)) for c in self.criteria for r in repeats]
        nowhere = {name: t.notes[0] for name, t in chosen if t.status == "undefined"}
        for (partition, metric, rule), result in judge_all(repeats, resampling, self.criteria).items():
            if metric == "threshold":
                if len(repeats) > 1:
                    estimate = _spread_of_thresholds(result, repeats, resampling, self.level)
                    metric = "threshold_sd"
                else:
                    continue
            else:
                estimate = summary(
                    result,
                    resampling,
                    Scale.of(metric, resampling.n_objects, by_name.get(rule)),
                    (partition, metric, rule),
                    level=self.level,
                    n=counts[partition],
                    notes=_spread_of_values(result),
                    reason=nowhere.get(rule) or reason_undefined(metric.removeprefix("optimism_")),
                )
            yield ResultRow(
                self.name,
                None,
                partition,
                level_of_analysis,
                metric,
                noted(estimate, notes),
                rule,
                None,
                len(repeats),
                partition == "threshold" and metric != "threshold_sd",
            )

    def _bootstrapped(
        self,
        metric: str,
        found: Mapping[tuple[str, str, str], NDArray[np.float64]],
        replicates: Mapping[tuple[str, str, str], NDArray[np.float64]],
        resampling: Resampling,
        repeat: Judged,
        criterion: Criterion | None,
        partition: str = "inference",
    ) -> Estimate:
        key = (partition, metric, criterion.name if criterion else "")
        judged_on = repeat.threshold if partition == "threshold" else repeat.inference
        value = found[key]
        if np.isnan(value[0]):
            return undefined(reason_undefined(metric.removeprefix("optimism_")), judged_on, level=self.level)
        scale = Scale.of(metric, judged_on.n_objects, criterion)
        own = partition != "inference"
        estimate = stretched_interval(replicates[key], [value], resampling, scale, level=self.level, widen=own)
        return with_counts(estimate, judged_on)

    def _threshold(self, repeat: Judged, criterion: Criterion) -> Threshold:
        tuning, parameters = repeat.threshold, criterion.parameters
        try:
            return select_threshold(
                tuning.labels, tuning.scores, criterion.rule, objects=tuning.objects, **parameters  # type: ignore[arg-type]
            )  # fmt: skip
        except UndefinedError as error:  # a guarantee needs more units than the partition has
            return Threshold(math.nan, criterion.rule, parameters, "undefined", (str(error),))

    def _at(self, cut: float, criterion: Criterion, test: Weighted) -> dict[str, NDArray[np.float64]]:
        return test.decisions(np.full(test.weights.shape[0], cut), criterion)

    def _notes(self, split: Split, table: ScoreTable, level_of_analysis: str) -> tuple[str, ...]:
        notes = grouping_notes(table, self.object_policy)
        notes += tuple(note for note in split.notes if note.startswith(_KEPT_NOTES))
        return (*notes, f"object score: {self.object_score}") if level_of_analysis == "object" else notes

    def _undefined_rows(
        self,
        split: Split,
        table: ScoreTable,
        level_of_analysis: str,
        notes: tuple[str, ...],
        repeat: int | None,
        n_repeats: int = 1,
    ) -> Iterator[ResultRow]:
        """Say for every metric why it does not exist at this level."""
        units = self.judged(split, table).inference
        nowhere = replace(undefined("", units, level=self.level), notes=notes)
        keys = [("", metric) for metric in FREE] + [(c.name, metric) for c in self.criteria for metric in c.metrics]
        for rule, metric in keys:
            yield ResultRow(self.name, repeat, "inference", level_of_analysis, metric, nowhere, rule, None, n_repeats)


def _spread_of_values(result: Replicates) -> tuple[str, ...]:
    values = result.values[result.defined]
    if values.size < 2:
        return ()
    median, least, most, sd = np.median(values), values.min(), values.max(), values.std(ddof=1)
    return (f"per repeat: median {median:.6g}, min {least:.6g}, max {most:.6g}, sd {sd:.6g}",)


def _spread_of_thresholds(
    result: Replicates, repeats: Sequence[Judged], resampling: Resampling, level: float
) -> Estimate:
    """Return the standard deviation of the thresholds over the repeats, with its percentile interval."""
    method = "protocol bootstrap, percentile"
    nominal = [r.threshold.scores[r.threshold.labels == 0] for r in repeats]
    iqr = float(np.mean([np.subtract(*np.quantile(scores, [0.75, 0.25])) for scores in nominal]))
    counts = count_distinct(r.threshold for r in repeats)
    if not np.isfinite(result.values).all():
        infinite = np.isinf(result.values).any()
        reason = "an infinite threshold (nothing called anomalous)" if infinite else "a repeat without a threshold"
        reason = f"{reason} has no spread"
        return Estimate.undefined(reason, level=level, method=method, n_nominal=counts[0], n_anomalous=counts[1])
    sd = float(np.std(result.values, ddof=1))
    finite = np.where(np.isfinite(result.replicates).all(axis=0), result.replicates, np.nan)
    usable, _ = resampling.usable(np.std(finite, axis=0, ddof=1))
    low, high = (float(q) for q in np.quantile(usable, [(1 - level) / 2, (1 + level) / 2])) if usable.size else (sd, sd)
    relative = f"{sd / iqr:.6g} of the mean IQR of nominal scores" if iqr > 0 else "the nominal scores have no IQR"
    if not high - low > 1e-12 * max(sd, high):
        notes = (relative, "the thresholds do not vary over the resamples: no interval")
        nan = np.nan
        return Estimate(sd, nan, nan, level, method, "degenerate", *counts, *resampling.n_objects, notes)
    return Estimate(
        sd,
        min(low, sd),
        max(high, sd),
        level,
        method,
        "approximate",
        *counts,
        *resampling.n_objects,
        (relative, "a spread of few thresholds: the interval is rough"),
    )
