"""What the leaks are worth: naive minus honest, ungrouped minus grouped, each with an interval.

Both sides are judged on the same draws of true objects: one multiplicity vector a replicate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .directions import SWAPPED, judge_repeats
from .errors import InputError, UndefinedError
from .estimates import grouping_notes, levels_of, noted
from .intervals.protocol_bootstrap import KEY, Judged, Key, Replicates, judged
from .intervals.resampling import Resampling, Seed, resample_objects
from .intervals.stretched import Scale, stretched_interval
from .judging import Criterion, Weighted
from .naive import Naive, best_checkpoint
from .partition import Split
from .results import Estimate, ResultRow
from .samples import SampleTable
from .scores import LAST, ScoreTable
from .three_way import ThreeWay
from .units import Units, count_distinct

# Those that do not change with the share of anomalous images, which differs between the test sets compared.
COMPARABLE = ("sensitivity", "specificity", "balanced_accuracy", "youden_j")


def naive_minus_three_way(
    naive: Naive,
    three_way: ThreeWay,
    naive_split: Split,
    naive_table: ScoreTable,
    splits: Sequence[Split],
    tables: Sequence[ScoreTable | None],
    seed: Seed = 0,
) -> list[ResultRow]:
    """Return how much the naive protocol reports above the honest one.

    ``auroc``: last checkpoint of both; ``auroc_best_checkpoint``: the naive best on its test set against the honest
    last; and, where the three-way protocol has the rule ``youden``, what the naive protocol reports at the Youden
    threshold chosen on its test set against the transported values.

    Parameters
    ----------
    naive, three_way
        The two protocols.
    naive_split, naive_table
        The naive split and the scores of all its checkpoints.
    splits, tables
        The three-way repeats; None for one that failed.
    seed
        Of the bootstrap.

    Returns
    -------
    list of ResultRow
        Protocol ``naive-three_way``, partition ``test-inference``; empty if no repeat is there.
    """
    there = _present(splits, tables)
    rows: list[ResultRow] = []
    if not there:
        return rows
    notes = tuple(dict.fromkeys((*grouping_notes(naive_table, naive.object_policy), *naive_split.notes)))
    notes += (SWAPPED,) if three_way.swap else ()
    both = set(levels_of(naive_table, naive.object_policy)) & set(levels_of(there[0][1], three_way.object_policy))
    for level_of_analysis in sorted(both):
        try:
            checkpoints = {
                step: naive.test(naive_split, naive_table, level_of_analysis, step) for step in naive_table.steps
            }
            repeats = [three_way.judged(split, table, level_of_analysis) for split, table in there]
        except UndefinedError as error:  # an object has too few views for this object score
            nowhere = noted(Estimate.undefined(str(error), level=three_way.level), notes)
            rows.append(_row("naive-three_way", "test-inference", level_of_analysis, "auroc", nowhere, "", len(there)))
            continue
        last = checkpoints[LAST]
        parts = _parts(repeats)
        resampling = resample_objects([last, *parts], n_resamples=three_way.n_resamples, seed=seed, key=KEY)
        rules = [c for c in three_way.criteria if c.name == "youden"]
        honest = judge_repeats(repeats, resampling, rules, swap=three_way.swap)
        data, drawn = best_checkpoint(checkpoints), best_checkpoint(checkpoints, resampling)
        pairs = [("auroc", "", data.last, drawn.last, honest["inference", "auroc", ""])]
        if len(checkpoints) > 1:
            pairs.append(("auroc_best_checkpoint", "", data.best, drawn.best, honest["inference", "auroc", ""]))
        for rule in rules:
            value, replicates = _at_own_threshold(last, rule), _at_own_threshold(last, rule, resampling)
            pairs += [
                (name, rule.name, value[name], replicates[name], honest["inference", name, rule.name])
                for name in COMPARABLE
            ]
        counts = count_distinct([last, *(r.inference for r in repeats)])
        for metric, rule_name, value_, replicates_, other in pairs:
            estimate = stretched_interval(
                replicates_ - other.mean(resampling),
                [other.values],
                resampling,
                _scale(metric, resampling),
                level=three_way.level,
                value=float(value_[0] - other.values.mean()),
                widen=metric != "auroc",
                n=counts,
                notes=(*notes, f"naive {value_[0]:.6g}, three_way {other.values.mean():.6g}"),
            )
            estimate = noted(estimate, ("one naive training: its randomness is not covered",))
            rows.append(
                _row("naive-three_way", "test-inference", level_of_analysis, metric, estimate, rule_name, len(there))
            )
    return rows


def ungrouped_minus_grouped(
    three_way: ThreeWay,
    ungrouped_splits: Sequence[Split],
    ungrouped_tables: Sequence[ScoreTable | None],
    splits: Sequence[Split],
    tables: Sequence[ScoreTable | None],
    samples: SampleTable,
    seed: Seed = 0,
) -> list[ResultRow]:
    """Return how much image-level splits report above object-level ones: the worth of object leakage.

    Parameters
    ----------
    three_way
        The grouped protocol.
    ungrouped_splits, ungrouped_tables, splits, tables
        The repeats of both; None for one that failed. Their numbers may differ.
    samples
        The images with their true objects, which are what is resampled.
    seed
        Of the bootstrap.

    Returns
    -------
    list of ResultRow
        Protocol ``three_way_ungrouped-three_way``, partition ``inference``, images only.
    """
    true_object = dict(zip(samples.frame["sample_id"], samples.frame["object_id"], strict=True))
    if not samples.has_objects:
        raise InputError("samples", "images without object_id", "true objects", "Add object_id.", "MissingObjectId")
    sides = [
        [judged(split, _with_objects(table, true_object)) for split, table in _present(*side)]
        for side in ((ungrouped_splits, ungrouped_tables), (splits, tables))
    ]
    if not all(sides):
        return []
    resampling = resample_objects(
        [part for side in sides for part in _parts(side)], n_resamples=three_way.n_resamples, seed=seed, key=KEY
    )
    ungrouped, grouped_ = (judge_repeats(side, resampling, three_way.criteria, swap=three_way.swap) for side in sides)
    keys: list[Key] = [("inference", "auroc", "")]
    keys += [("inference", metric, c.name) for c in three_way.criteria for metric in COMPARABLE]
    counts = count_distinct([r.inference for side in sides for r in side])
    rows = []
    for key in keys:
        estimate = _independent(ungrouped[key], grouped_[key], resampling, key[1], three_way.level, counts)
        n_repeats = min(map(len, sides))
        rows.append(_row("three_way_ungrouped-three_way", key[0], "image", key[1], estimate, key[2], n_repeats))
    return rows


def _independent(
    a: Replicates, b: Replicates, resampling: Resampling, metric: str, level: float, counts: tuple[int, int]
) -> Estimate:
    """Return the difference of two means whose trainings are independent and whose objects are shared."""
    mean_a, mean_b = float(a.values.mean()), float(b.values.mean())
    if math.isnan(mean_a - mean_b):
        return Estimate.undefined(f"{metric} is undefined in a repeat", level=level)
    return stretched_interval(
        a.mean(resampling) - b.mean(resampling),
        [a.values, b.values],
        resampling,
        _scale(metric, resampling),
        level=level,
        value=mean_a - mean_b,
        n=counts,
        notes=(f"ungrouped {mean_a:.6g}, grouped {mean_b:.6g}",),
    )


def _at_own_threshold(
    units: Units, rule: Criterion, resampling: Resampling | None = None
) -> dict[str, NDArray[np.float64]]:
    part = Weighted(units, None if resampling is None else resampling.of(units))
    return part.decisions(part.select(rule), rule)


def _scale(metric: str, resampling: Resampling) -> Scale:
    name = "auroc" if metric == "auroc_best_checkpoint" else metric
    return Scale.of(name, resampling.n_objects).as_difference()


def _present(splits: Sequence[Split], tables: Sequence[ScoreTable | None]) -> list[tuple[Split, ScoreTable]]:
    return [(split, table) for split, table in zip(splits, tables, strict=True) if table is not None]


def _parts(repeats: Sequence[Judged]) -> list[Units]:
    return [part for repeat in repeats for part in (repeat.threshold, repeat.inference)]


def _with_objects(table: ScoreTable, true_object: dict[str, str]) -> ScoreTable:
    frame = table.frame
    return replace(table, frame=frame.assign(object_id=frame["sample_id"].map(true_object)))


def _row(
    protocol: str, partition: str, level_of_analysis: str, metric: str, estimate: Estimate, rule: str, n_repeats: int
) -> ResultRow:
    return ResultRow(protocol, None, partition, level_of_analysis, metric, estimate, rule, None, n_repeats)
