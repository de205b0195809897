"""Pairs of detectors on the same repeats: corrected resampled t tests, adjusted, with a decision in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special

from protocols.errors import InputError, UndefinedError
from protocols.estimates import grouping_notes, levels_of
from protocols.intervals.protocol_bootstrap import KEY, Judged, Key, Replicates, judge_all, judged
from protocols.intervals.resampling import Resampling, Seed, resample_objects
from protocols.intervals.stretched import Scale, stretched_interval
from protocols.judging import Criterion, criteria
from protocols.partition import Split
from protocols.results import COMPARISON_COLUMNS, Estimate, TestResult
from protocols.samples import SampleTable
from protocols.scores import ScoreTable

from .class_resolved import SMOOTH, Overlap, auroc_weight, overlap, rho_of, smooth_weight
from .corrected_t import corrected_resampled_ttest
from .multiplicity import adjust_p_values

METRICS = ("auroc", "balanced_accuracy", "sensitivity", "specificity")

Tables = Sequence[ScoreTable | None]


def compare_detectors(
    tables: Mapping[str, Tables],
    splits: Sequence[Split],
    samples: SampleTable,
    *,
    thresholds: Sequence[tuple[str, Mapping[str, object]]] = (("youden", {}),),
    prevalence: float | None = None,
    level: float = 0.95,
    rope: float = 0.01,
    margin: float | None = None,
    adjust: str = "holm",
    baseline: str | None = None,
    correction: str = "class_resolved",
    object_score: str = "max",
    object_policy: str = "required",
    n_resamples: int = 2000,
    seed: Seed = 0,
    protocol: str = "three_way",
    category: str = "",
) -> list[dict[str, object]]:
    """Compare every pair of detectors, or each with the baseline, on the repeats that both have.

    Parameters
    ----------
    tables
        Label to the scores of each repeat, None where it failed; fixed scores are the same table every time.
    splits, samples
        The repeats, and the images with their objects as the splits have them.
    thresholds, prevalence, object_score, object_policy
        As in :class:`~protocols.three_way.ThreeWay`.
    level
        Confidence level; a difference is called one when its adjusted p is below 1 - level.
    rope
        Half-width of the region of practical equivalence of the Bayesian columns (the correlated t posterior).
    margin
        Margin of equivalence, fixed in advance; None: equivalence is never claimed.
    adjust
        ``holm`` or ``bh``, over the pairs of one metric, level and rule.
    baseline
        Label that all others are compared with; None: all pairs.
    correction
        As in :func:`~protocols.comparisons.class_resolved.class_resolved_rho`.
    n_resamples, seed
        Of the object bootstrap of the paired difference, stated in the notes.
    protocol, category
        Put into the rows.

    Returns
    -------
    list of dict
        Rows with the keys ``COMPARISON_COLUMNS``.

    Raises
    ------
    InputError
        The detectors were scored on different samples (code ``DifferentSamples``), or the baseline is unknown.
    """
    pairs = _pairs(list(tables), baseline)
    for label, each in tables.items():
        if len(each) != len(splits):
            raise InputError(f"detector {label!r}", f"{len(each)} tables", f"one for each of {len(splits)} splits",
                             "Give None for a repeat that failed.")  # fmt: skip
    _refuse_different_samples(tables, splits, samples)
    some = [table for each in tables.values() for table in each if table is not None]
    if not pairs or not some:
        return []
    rules = criteria(thresholds, prevalence)
    shared = {tuple(j for j in range(len(splits)) if tables[a][j] and tables[b][j]) for a, b in pairs}
    overlaps = {common: overlap([splits[j] for j in common], samples) for common in shared if common}
    rows: list[dict[str, object]] = []
    for level_of_analysis in levels_of(some[0], object_policy):
        notes = grouping_notes(some[0], object_policy)
        arena, reason = None, ""
        try:
            arena = _arena(tables, splits, rules, level_of_analysis, object_score, object_policy, n_resamples, seed)
        except UndefinedError as error:  # an object has too few views for this object score
            reason = str(error)
        keys: list[Key] = [("inference", "auroc", "")]
        keys += [("inference", metric, rule.name) for rule in rules for metric in METRICS[1:]]
        for key in keys:
            family = [
                _nothing(a, b, level, reason)
                if arena is None
                else _compare(arena, a, b, key, overlaps, correction, level, rope, margin)
                for a, b in pairs
            ]
            common: dict[str, object] = {
                "category": category, "protocol": protocol, "level_of_analysis": level_of_analysis, "metric": key[1],
                "threshold_rule": key[2], "level": level, "rope": rope, "adjust": adjust, "correction": correction,
            }  # fmt: skip
            rows += _rows(family, common, adjust, level, margin, notes)
    return rows


@dataclass(frozen=True)
class _Arena:
    """Every detector judged on the same draws."""

    repeats: dict[str, dict[int, Judged]]
    found: dict[str, dict[Key, Replicates]]
    resampling: Resampling


@dataclass(frozen=True)
class _Pair:
    a: str
    b: str
    value_a: float
    value_b: float
    test: TestResult
    bootstrap: Estimate | None
    n_repeats: int
    se: float
    margin_p: float
    posterior: tuple[float, float, float]
    notes: tuple[str, ...]


def _pairs(labels: list[str], baseline: str | None) -> list[tuple[str, str]]:
    if baseline is None:
        return list(combinations(labels, 2))
    if baseline not in labels:
        raise InputError("baseline", baseline, f"one of {', '.join(labels)}", "Name a detector by its label.")
    return [(baseline, label) for label in labels if label != baseline]


def _refuse_different_samples(tables: Mapping[str, Tables], splits: Sequence[Split], samples: SampleTable) -> None:
    for j, split in enumerate(splits):
        wanted = set(split.held_out(samples))
        first: tuple[str, dict[str, int]] | None = None
        for label, each in tables.items():
            table = each[j]
            if table is None:
                continue
            frame = table.at().frame
            scored = {i: y for i, y in zip(frame["sample_id"], frame["label"], strict=True) if i in wanted}
            if first is None:
                first = label, scored
            elif scored != first[1]:
                odd = sorted(set(scored.items()) ^ set(first[1].items()))
                raise InputError(f"repeat {split.repeat}, {label!r} against {first[0]!r}", odd[0][0],
                                 "the same samples with the same labels in both",
                                 f"Score the same images with both ({len({i for i, _ in odd})} differ).",
                                 "DifferentSamples")  # fmt: skip


def _arena(tables: Mapping[str, Tables], splits: Sequence[Split], rules: Sequence[Criterion], level_of_analysis: str,
           object_score: str, object_policy: str, n_resamples: int, seed: Seed) -> _Arena:  # fmt: skip
    repeats = {
        label: {
            j: judged(split, table, level_of_analysis=level_of_analysis, object_score=object_score,
                      object_policy=object_policy)
            for j, (split, table) in enumerate(zip(splits, each, strict=True))
            if table is not None
        }
        for label, each in tables.items()
    }  # fmt: skip
    parts = {j: r for of_label in repeats.values() for j, r in of_label.items()}
    units = [u for j in sorted(parts) for u in (parts[j].threshold, parts[j].inference)]
    resampling = resample_objects(units, n_resamples=n_resamples, seed=seed, key=KEY)
    found = {
        label: judge_all([each[j] for j in sorted(each)], resampling, rules) for label, each in repeats.items() if each
    }
    return _Arena(repeats, found, resampling)


def _compare(arena: _Arena, a: str, b: str, key: Key, overlaps: Mapping[tuple[int, ...], Overlap], correction: str,
             level: float, rope: float, margin: float | None) -> _Pair:  # fmt: skip
    common = sorted(arena.repeats[a].keys() & arena.repeats[b].keys())
    nan = math.nan
    if not common:
        return _nothing(a, b, level, "no repeat has scores of both")

    def of(label: str, wanted: Key) -> Replicates:
        rows = [i for i, j in enumerate(sorted(arena.repeats[label])) if j in common]
        found = arena.found[label][wanted]
        return Replicates(found.values[rows], found.replicates[rows])

    x, y = of(a, key), of(b, key)
    difference = x.minus(y)
    absent = int(np.isnan(difference.values).sum())
    if absent:
        return _nothing(a, b, level, f"undefined in {absent} of {len(common)} repeats")
    rho, notes = _rho(arena, a, b, key, overlaps[tuple(common)], correction, common, of)
    mean = float(difference.values.mean())
    test = TestResult(mean, nan, nan, level, nan, nan, nan, "corrected resampled t", "undefined")
    if rho is not None:
        test = corrected_resampled_ttest(difference.values, rho=rho, level=level)
    scale = Scale.of(key[1], arena.resampling.n_objects).as_difference()
    bootstrap = stretched_interval(difference.mean(), [difference.values], arena.resampling, scale, level=level)
    j = difference.values.size
    se = nan
    if rho is not None and test.status == "ok":
        se = float(np.std(difference.values, ddof=1)) * math.sqrt(1 / j + rho / (1 - rho))
    return _Pair(
        a, b, float(x.values.mean()), float(y.values.mean()), test, bootstrap, j, se,
        _equivalence_p(test, se, margin), posterior(test.difference, se, test.df, rope), (*notes, *test.notes),
    )  # fmt: skip


def _nothing(a: str, b: str, level: float, reason: str) -> _Pair:
    nan = math.nan
    test = TestResult(nan, nan, nan, level, nan, nan, nan, "corrected resampled t", "undefined")
    return _Pair(a, b, nan, nan, test, None, 0, nan, nan, (nan, nan, nan), (reason,))


def _rho(arena: _Arena, a: str, b: str, key: Key, found: Overlap, correction: str, common: Sequence[int],
         of: Callable[[str, Key], Replicates]) -> tuple[float | None, tuple[str, ...]]:  # fmt: skip
    """Return rho (None: the correction is not defined) and how it came about."""
    metric, weight = key[1], None
    if metric == "auroc":
        units_a, units_b = ([arena.repeats[label][j].inference for j in common] for label in (a, b))
        weight = auroc_weight(units_a, units_b)
    elif metric in SMOOTH:
        rates = [of(label, (key[0], rate, key[2])).values for label in (a, b) for rate in ("sensitivity", "overkill")]
        weight = smooth_weight(metric, found, *rates)
    try:
        rho = rho_of(found, metric, weight, correction)
    except UndefinedError as error:
        return None, (str(error),)
    return rho, (f"rho {rho:.4g}",)


def _equivalence_p(test: TestResult, se: float, margin: float | None) -> float:
    """Return the larger p of the two one-sided tests; NaN without a margin or a variance."""
    if margin is None or not se > 0:
        return math.nan
    t = (abs(test.difference) - margin) / se
    return float(special.stdtr(test.df, t))


def posterior(difference: float, se: float, df: float, rope: float) -> tuple[float, float, float]:
    """Return the chances that a is better, that both are equivalent, that b is better.

    The correlated t posterior [1]_: Student's t at the mean difference with the corrected standard error.

    References
    ----------
    .. [1] Corani & Benavoli (2015), A Bayesian approach for comparing cross-validated algorithms.

    Examples
    --------
    >>> [round(p, 6) for p in posterior(0.02, 0.0106066017, 4, 0.01)]
    [0.800419, 0.17587, 0.02371]
    """
    if not se > 0:
        return (math.nan, math.nan, math.nan)
    b_better = float(special.stdtr(df, (-rope - difference) / se))
    a_better = float(special.stdtr(df, (difference - rope) / se))
    return a_better, 1 - a_better - b_better, b_better


def _rows(family: Sequence[_Pair], common: Mapping[str, object], adjust: str, level: float, margin: float | None,
          notes: tuple[str, ...]) -> Iterator[dict[str, object]]:  # fmt: skip
    adjusted = adjust_p_values([pair.test.p_value for pair in family], adjust)
    equivalent = adjust_p_values([pair.margin_p for pair in family], adjust)
    n_tests = int(np.isfinite([pair.test.p_value for pair in family]).sum())
    for pair, p, p_equivalent in zip(family, adjusted, equivalent, strict=True):
        test, remarks = pair.test, [*notes, *pair.notes]
        low, high = float(np.clip(test.low, -1, 1)), float(np.clip(test.high, -1, 1))  # all METRICS are fractions
        if pair.bootstrap is not None:
            bounds = pair.bootstrap
            remarks.append(f"object bootstrap [{bounds.low:.6g}, {bounds.high:.6g}]")
            if not math.isfinite(low):
                low, high = bounds.low, bounds.high
                remarks.append("no t interval: that of the object bootstrap")
        decision = "no difference shown"
        if p < 1 - level:
            decision = f"{pair.a if test.difference > 0 else pair.b} better"
        elif margin is not None and p_equivalent < 1 - level:
            decision = f"equivalent within {margin:g}"
        row: dict[str, object] = {
            **dict.fromkeys(COMPARISON_COLUMNS, math.nan), **common,
            "detector_a": pair.a, "detector_b": pair.b, "value_a": pair.value_a, "value_b": pair.value_b,
            "difference": test.difference, "low": low, "high": high, "test": "corrected_t",
            "statistic": test.statistic, "df": test.df, "p_value": test.p_value, "p_adjusted": float(p),
            "n_tests": n_tests, "decision": decision, "p_a_better": pair.posterior[0],
            "p_equivalent": pair.posterior[1], "p_b_better": pair.posterior[2], "n_repeats": pair.n_repeats,
            "notes": "; ".join(remarks),
        }  # fmt: skip
        yield {column: row[column] for column in COMPARISON_COLUMNS}
