"""The field's usual number, leaks and all, made visible: best checkpoint and best threshold on the test set."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, SplitError, UndefinedError
from .estimates import auroc_estimate, grouping_notes, levels_of, noted, undefined, with_counts
from .intervals.protocol_bootstrap import KEY
from .intervals.resampling import Resampling, Seed, resample_objects
from .intervals.stretched import Scale, stretched_interval
from .judging import Criterion, Weighted, chance_level, reason_undefined
from .metrics import weighted_auroc
from .partition import Split, require_objects
from .results import Estimate, ResultRow
from .samples import SampleTable
from .scores import LAST, ScoreTable
from .splits import Draw
from .units import Units, units_of

METHOD = "object bootstrap, percentile"


@dataclass(frozen=True)
class Naive:
    """Train on the nominal training images, judge on the whole test set, choose everything there.

    Parameters
    ----------
    nominal_test_share
        Share of the nominal images that is held out at random where the data have no nominal test image.
    level
        Confidence level of the intervals.
    n_resamples
        Bootstrap replicates.
    object_score
        How the views of an object become one score: ``max``, ``mean``, ...
    prevalence
        Share of anomalous parts on the factory floor; None: no prevalence-dependent metric.
    object_policy
        ``required`` or ``image_is_object``; the latter is noted as ``grouping=none``.
    """

    nominal_test_share: float = 0.2
    level: float = 0.95
    n_resamples: int = 2000
    object_score: str = "max"
    prevalence: float | None = None
    object_policy: str = "required"

    def plan(self, samples: SampleTable, seed: int) -> list[Split]:
        """Return the one split: the data set's own, or a random one of images where it has no nominal test image."""
        if not 0 < self.nominal_test_share < 1:
            raise InputError(
                "nominal_test_share", self.nominal_test_share, "a share between 0 and 1", "The default is 0.2."
            )
        if self.object_policy == "image_is_object":
            samples = require_objects(samples, self.object_policy)
        frame = samples.frame
        anomalous, nominal = frame[frame["label"] == 1], frame[frame["label"] == 0]
        contaminated = anomalous[anomalous["source"] == "train"]
        if len(contaminated):
            raise SplitError(
                f"samples, {contaminated['sample_id'].iloc[0]}",
                f"{len(contaminated)} anomalous images in source train",
                "nominal training images only",
                "Correct the label or the source.",
                "AnomalyInTrain",
            )
        notes = ["grouping=none"] if self.object_policy == "image_is_object" or not samples.has_objects else []
        held_out = list(nominal["sample_id"][nominal["source"] == "test"])
        if not held_out and len(nominal):
            n = max(1, math.floor(self.nominal_test_share * len(nominal) + 1e-9))
            held_out = Draw(seed, 0).order(nominal["sample_id"], "N")[:n]
            notes.append(f"no nominal test images: {n} of {len(nominal)} nominal images held out at random")
        train = sorted(set(nominal["sample_id"]) - set(held_out))
        if not train:
            raise SplitError(
                "samples", f"{len(nominal)} nominal images", "nominal images to train on", "Add some.", "EmptyTraining"
            )
        split = Split(0, tuple(train), (), (), test=tuple([*anomalous["sample_id"], *held_out]))
        shared = split.shared_objects(samples)
        if shared:
            notes.append(f"leaking: {len(shared)} objects in train and test")
        split = Split(0, split.train, (), (), notes=tuple(notes), test=split.test)
        split.check(samples)
        return [split]

    def evaluate(self, split: Split, table: ScoreTable, seed: Seed = 0) -> list[ResultRow]:
        """Return the rows of the one split.

        Three for the ranking: ``auroc`` at the last checkpoint, ``auroc_best_checkpoint`` on the test set itself,
        and ``optimism``, their difference; without checkpoints the first only. Then average precision, and every
        metric at the Youden threshold chosen on the test set. Intervals are over objects; whatever was chosen on
        the test set is chosen again in every replicate.

        Parameters
        ----------
        split
            The split that was planned.
        table
            Scores of the test images at every checkpoint.
        seed
            Of the bootstrap.
        """
        rows: list[ResultRow] = []
        notes = tuple(dict.fromkeys((*grouping_notes(table, self.object_policy), *split.notes)))
        for level_of_analysis in levels_of(table, self.object_policy):
            scored = (*notes, f"object score: {self.object_score}") if level_of_analysis == "object" else notes
            try:
                checkpoints = {step: self.test(split, table, level_of_analysis, step) for step in table.steps}
            except UndefinedError as error:
                missing = undefined(str(error), self.test(split, table), level=self.level)
                rows.append(ResultRow("naive", 0, "test", level_of_analysis, "auroc", noted(missing, scored)))
                continue
            for row in self._rows(checkpoints, level_of_analysis, seed):
                rows.append(replace(row, estimate=noted(row.estimate, scored)))
        return rows

    def test(self, split: Split, table: ScoreTable, level_of_analysis: str = "image", step: int = LAST) -> Units:
        """Return the units of the test set at one checkpoint."""
        return units_of(
            table,
            split,
            "test",
            level_of_analysis=level_of_analysis,
            object_score=self.object_score,
            object_policy=self.object_policy,
            step=step,
        )

    def _rows(self, checkpoints: dict[int, Units], level_of_analysis: str, seed: Seed) -> Iterator[ResultRow]:
        last = checkpoints[LAST]
        resampling = resample_objects([last], n_resamples=self.n_resamples, seed=seed, key=KEY)

        def row(metric: str, estimate: Estimate, rule: str = "", cut: float | None = None) -> ResultRow:
            optimistic = metric == "auroc_best_checkpoint" or bool(rule)
            return ResultRow("naive", 0, "test", level_of_analysis, metric, estimate, rule, cut, optimistic=optimistic)

        yield row("auroc", auroc_estimate(last, level=self.level))
        if len(checkpoints) > 1:
            best, drawn = best_checkpoint(checkpoints), best_checkpoint(checkpoints, resampling)
            scale = Scale.of("auroc", last.n_objects)
            which = "the last" if best.step == LAST else f"step {best.step}"
            for name, value, replicates, bounds in (
                ("auroc_best_checkpoint", best.best, drawn.best, scale),
                ("optimism", best.best - best.last, drawn.best - drawn.last, scale.as_difference()),
            ):
                estimate = self._interval(value, replicates, resampling, bounds, last)
                if name == "optimism":  # the best is one of them, so it is never below the last
                    estimate = replace(estimate, low=max(estimate.low, 0.0))
                yield row(name, noted(estimate, (f"best of {len(checkpoints)} checkpoints: {which}",)))
        data, draws = Weighted(last), Weighted(last, resampling.of(last))
        value, replicates = data.free()["average_precision"], draws.free()["average_precision"]
        scale = Scale.of("average_precision", last.n_objects)
        precision = self._interval(value, replicates, resampling, scale, last, chosen=False)
        yield row("average_precision", noted(precision, (chance_level(last),)))
        youden = Criterion("youden", {}, self.prevalence)
        cuts, drawn_cuts = data.select(youden), draws.select(youden)
        values, drawn_values = data.decisions(cuts, youden), draws.decisions(drawn_cuts, youden)
        for metric in youden.metrics:
            scale = Scale.of(metric, last.n_objects, youden)
            estimate = self._interval(values[metric], drawn_values[metric], resampling, scale, last, metric)
            # The last checkpoint, so that the threshold's share is apart from the checkpoint's, which has its own row.
            estimate = noted(estimate, ("threshold chosen on the test set, at the last checkpoint",))
            yield row(metric, estimate, youden.name, float(cuts[0]))

    def _interval(
        self,
        value: NDArray[np.float64],
        replicates: NDArray[np.float64],
        resampling: Resampling,
        scale: Scale,
        units: Units,
        metric: str = "",
        chosen: bool = True,
    ) -> Estimate:
        if np.isnan(value[0]):
            return undefined(reason_undefined(metric), units, level=self.level, method=METHOD)
        estimate = stretched_interval(replicates, [value], resampling, scale, level=self.level, widen=chosen)
        method = f"{METHOD}, widened by its bias" if chosen else METHOD
        return with_counts(replace(estimate, method=method), units)


@dataclass(frozen=True)
class BestCheckpoint:
    """The best checkpoint's AUROC, the last one's, and which checkpoint was best on the data.

    Parameters
    ----------
    best, last
        Shape (B,); the best is chosen in each replicate.
    step
        The best checkpoint; the last one on ties.
    """

    best: NDArray[np.float64]  # (B,)
    last: NDArray[np.float64]  # (B,)
    step: int


def best_checkpoint(checkpoints: dict[int, Units], resampling: Resampling | None = None) -> BestCheckpoint:
    """Return the AUROC of the best and of the last checkpoint, on the data (None) or on every replicate."""
    last = checkpoints[LAST]
    weights = np.ones((1, last.labels.size), np.int64) if resampling is None else resampling.of(last)
    values = {step: weighted_auroc(units.labels, units.scores, weights) for step, units in checkpoints.items()}
    of_step = {step: float(value[0]) for step, value in values.items()}
    step = max(of_step, key=lambda s: (of_step[s], s == LAST, -s))
    return BestCheckpoint(np.max(list(values.values()), axis=0), values[LAST], step)
