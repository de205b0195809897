"""The honest protocol: train on nominals, set the threshold on one part, judge it on another, repeat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .directions import SWAPPED, directions, judge_repeats
from .errors import InputError, UndefinedError
from .estimates import grouping_notes, levels_of, noted, undefined
from .intervals.protocol_bootstrap import KEY, Judged, Replicates, judged, summary, threshold_of
from .intervals.resampling import Seed, resample_objects
from .intervals.stretched import Scale
from .judging import FREE, Criterion, chance_level, criteria, reason_undefined
from .one_repeat import figures_of
from .partition import Split
from .rehalving import rehalved
from .results import ResultRow
from .rotation import rotations
from .samples import SampleTable
from .scores import ScoreTable
from .splits import check_repeats, grouped_three_way
from .threshold_spread import spread_of_thresholds
from .units import count_distinct

Rules = Sequence[tuple[str, Mapping[str, object]]]

_OF_BOTH_DESIGNS = ("nominal_ratio", "quota_unit", "merge_nominal_test", "min_train_share", "ndo", "object_policy")
_KEPT_NOTES = ("departs_from_paper", "unbalanced")  # of the split's notes, those that bear on every value


@dataclass(frozen=True)
class ThreeWay:
    """Object-grouped repeated three-way splits, thresholds chosen on one part and judged on another.

    Parameters
    ----------
    thresholds
        Rules with their parameters; each is selected on the threshold partition.
    repeats
        Independent splits of the design ``resample``; of each block.
    design
        ``resample``: :func:`~protocols.splits.grouped_three_way`; ``rotate``: :func:`~protocols.rotation.rotations`,
        ``runs`` runs of ``folds`` folds.
    nominal_ratio, quota_unit, merge_nominal_test, min_train_share, ndo, object_policy
        As in these two.
    swap
        Judge each repeat in both directions, threshold and inference exchanged, without another training: the value
        of a repeat is the mean of the two. For ``resample`` only.
    folds, runs
        Of the design ``rotate``.
    blocks
        How often the whole experiment is done: ``blocks`` times as many repeats or runs, for replicability.
    conditional
        The blocks after the first are drawn from the threshold and inference partitions of the trained repeats, without
        further trainings; for ``resample`` only.
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
    swap: bool = False
    folds: int = 5
    runs: int = 10
    blocks: int = 1
    conditional: bool = False

    def plan(self, samples: SampleTable, seed: int) -> list[Split]:
        """Return one split a training: block by block; of ``rotate`` run by run."""
        self._check_design()
        options = {name: getattr(self, name) for name in _OF_BOTH_DESIGNS}
        blocks = 1 if self.conditional else self.blocks
        if self.design == "rotate":
            check_repeats(self.runs, "runs", "Use 5 to 10.")
            return rotations(samples, runs=self.runs * blocks, folds=self.folds, seed=seed, **options)
        check_repeats(self.repeats, "repeats", "Use 5 to 10.")
        splits = grouped_three_way(samples, repeats=self.repeats * blocks, seed=seed, **options)
        self.rehalved(splits, samples, seed)  # what cannot be halved anew is found before anything trains
        return splits

    def rehalved(self, splits: Sequence[Split], samples: SampleTable, seed: int) -> list[list[Split]]:
        """Return the splits of the conditional blocks after the first: of every trained repeat, halved anew.

        Empty where the blocks are trained, or there is one.
        """
        if not self.conditional:
            return []
        options = {name: getattr(self, name) for name in ("quota_unit", "ndo", "object_policy")}
        return [
            [rehalved(split, samples, block=block, seed=seed, **options) for split in splits]
            for block in range(1, self.blocks)
        ]

    def _check_design(self) -> None:
        if self.design not in ("resample", "rotate"):
            raise InputError("design", self.design, "resample or rotate", "The default is resample.")
        check_repeats(self.blocks, "blocks", "1 is the plain protocol; replicability needs 2, better 10.")
        for name in ("swap", "conditional"):
            if getattr(self, name) and self.design == "rotate":
                fix = f"Leave {name} out, or take design resample."
                raise InputError(name, True, f"design resample with {name}", fix)
        if self.conditional and self.blocks < 2:
            raise InputError("blocks", self.blocks, "at least 2 blocks with conditional", "10 are advised.")

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
        parts = (repeat.threshold, repeat.inference)
        resampling = resample_objects(parts, n_resamples=self.n_resamples, seed=seed, key=KEY)
        for f in figures_of(repeat, resampling, self.criteria, level=self.level, swap=self.swap):
            estimate, optimistic = noted(f.estimate, notes), f.partition == "threshold"
            yield ResultRow(
                self.name, index, f.partition, level_of_analysis, f.metric, estimate, f.rule, f.cut, 1, optimistic
            )

    def _rows_over_repeats(
        self, repeats: Sequence[Judged], level_of_analysis: str, notes: tuple[str, ...], seed: Seed
    ) -> Iterator[ResultRow]:
        parts = {"threshold": [r.threshold for r in repeats], "inference": [r.inference for r in repeats]}
        parts["threshold-inference"] = parts["threshold"] + parts["inference"]
        resampling = resample_objects(parts["threshold-inference"], n_resamples=self.n_resamples, seed=seed, key=KEY)
        counts = {name: count_distinct(units) for name, units in parts.items()}
        by_name = {criterion.name: criterion for criterion in self.criteria}
        each = [
            direction for way in zip(*(directions(r, self.swap) for r in repeats), strict=True) for direction in way
        ]
        if self.swap:
            counts = dict.fromkeys(counts, counts["threshold-inference"])
        chosen = [(c.name, threshold_of(direction, c)) for c in self.criteria for direction in each]
        found = judge_repeats(repeats, resampling, self.criteria, swap=self.swap)
        nowhere = {name: t.notes[0] for name, t in chosen if t.status == "undefined"}
        remarks = {"average_precision": (chance_level(*(direction.inference for direction in each)),)}
        for (partition, metric, rule), result in found.items():
            if metric == "threshold":
                if len(repeats) > 1:
                    estimate = spread_of_thresholds(result, each, resampling, self.level)
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
                    notes=(*remarks.get(metric, ()), *_spread_of_values(result)),
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

    def _notes(self, split: Split, table: ScoreTable, level_of_analysis: str) -> tuple[str, ...]:
        notes = grouping_notes(table, self.object_policy)
        notes += tuple(note for note in split.notes if note.startswith(_KEPT_NOTES))
        notes += (SWAPPED,) if self.swap else ()
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
