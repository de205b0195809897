"""Pairs of detectors on the same repeats: one primary test each, adjusted, with a decision in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special

from protocols.errors import InputError, UndefinedError
from protocols.estimates import grouping_notes, levels_of
from protocols.intervals.protocol_bootstrap import Key
from protocols.intervals.resampling import Seed
from protocols.intervals.stretched import Scale
from protocols.judging import criteria
from protocols.partition import Split
from protocols.results import COMPARISON_COLUMNS, Estimate, TestResult
from protocols.samples import SampleTable

from .arena import Arena, Positions, Tables, make_arena
from .correlated_bayes import correlated_bayes_ttest
from .experiment_blocks import Block, Replication, fresh_blocks, replication
from .multiplicity import adjust_p_values
from .primary_test import TESTS, Differences, Primary, object_bootstrap, primary_test

METRICS = ("auroc", "balanced_accuracy", "sensitivity", "specificity")


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
    test: str = "auto",
    swap: bool = False,
    blocks: int = 1,
    resplits: Sequence[Sequence[Split]] = (),
) -> list[dict[str, object]]:
    """Compare every pair of detectors, or each with the baseline, on the repeats that both have.

    The primary test follows from the design: under ``rotate`` with 5 runs of 5 folds or more the t test on sorted
    runs; with ``swap``, where every repeat uses all defective objects, the object bootstrap; else the corrected
    resampled t test. Under ``rotate`` runs in which a fold lacks scores are left out.

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
    test
        ``auto``, or ``corrected_t``, ``sorted_runs`` or ``bootstrap`` whatever the design.
    swap
        Whether the value of a repeat is the mean of both directions.
    blocks
        Number of whole experiments among the splits, one behind the other; from 2 on replicability is estimated from
        the primary test on each.
    resplits
        Further experiments on the same trainings (conditional blocks): each as many splits as ``splits``, halved anew
        by :meth:`~protocols.three_way.ThreeWay.rehalved`. The rows' own tests do not use them.

    Returns
    -------
    list of dict
        Rows with the keys ``COMPARISON_COLUMNS``.

    Raises
    ------
    InputError
        The detectors were scored on different samples (code ``DifferentSamples``), the baseline or the test is
        unknown, or the splits are no multiple of the blocks.
    """
    pairs = _pairs(list(tables), baseline)
    if test not in TESTS:
        raise InputError("test", test, f"one of {', '.join(TESTS)}", "Correct the name.")
    for label, each in tables.items():
        if len(each) != len(splits):
            raise InputError(f"detector {label!r}", f"{len(each)} tables", f"one for each of {len(splits)} splits",
                             "Give None for a repeat that failed.")  # fmt: skip
    _refuse_different_samples(tables, splits, samples)
    some = [table for each in tables.values() for table in each if table is not None]
    if not pairs or not some:
        return []
    rules = criteria(thresholds, prevalence)
    judge = _Judge(correction, level, rope, margin, test, conditional=bool(resplits))
    rows: list[dict[str, object]] = []
    for level_of_analysis in levels_of(some[0], object_policy):
        notes = grouping_notes(some[0], object_policy)

        def arena_of(drawn: Sequence[Split], n: int, level_of_analysis: str = level_of_analysis) -> Arena:
            return make_arena(
                tables, drawn, samples, rules, level_of_analysis=level_of_analysis, object_score=object_score,
                object_policy=object_policy, swap=swap, n_resamples=n, seed=seed,
            )  # fmt: skip

        arena, experiments, reason = None, [], ""
        try:
            arena = arena_of(splits, n_resamples)
            experiments = fresh_blocks(arena, blocks)
            # Replicates are only needed where blocks are tested by them.
            experiments += [
                block
                for drawn in resplits
                for block in fresh_blocks(arena_of(drawn, n_resamples if swap or test == "bootstrap" else 0), 1)
            ]
        except UndefinedError as error:  # an object has too few views for this object score
            reason = str(error)
        keys: list[Key] = [("inference", "auroc", "")]
        keys += [("inference", metric, rule.name) for rule in rules for metric in METRICS[1:]]
        for key in keys:
            family = [
                _nothing(a, b, level, reason) if arena is None else judge.pair(arena, experiments, a, b, key)
                for a, b in pairs
            ]
            common: dict[str, object] = {
                "category": category, "protocol": protocol, "level_of_analysis": level_of_analysis, "metric": key[1],
                "threshold_rule": key[2], "level": level, "rope": rope, "adjust": adjust,
            }  # fmt: skip
            rows += _rows(family, common, adjust, level, margin, notes, correction)
    return rows


@dataclass(frozen=True)
class _Pair:
    a: str
    b: str
    value_a: float
    value_b: float
    primary: Primary
    bootstrap: Estimate | None
    n_repeats: int
    margin_p: float
    posterior: tuple[float, float, float]
    notes: tuple[str, ...]
    replication: Replication = Replication()

    @property
    def test(self) -> TestResult:
        return self.primary.result


@dataclass(frozen=True)
class _Judge:
    """How a pair is tested."""

    correction: str
    level: float
    rope: float
    margin: float | None
    test: str
    conditional: bool

    def pair(self, arena: Arena, blocks: Sequence[Block], a: str, b: str, key: Key) -> _Pair:
        positions, remarks = arena.common(a, b)
        if not positions:
            return _nothing(a, b, self.level, "; ".join(("no repeat has scores of both", *remarks)))
        x, y = (arena.values(label, key, positions).values for label in (a, b))
        differences = self._differences(arena, a, b, key, positions)
        absent = int(np.isnan(differences.found.values).sum())
        if absent:
            return _nothing(a, b, self.level, f"undefined in {absent} of {len(positions)} repeats")
        primary = primary_test(differences, level=self.level, test=self.test)
        found = Replication()
        if len(blocks) > 1:

            def test(of: Arena, at: Positions) -> Primary | None:
                return self._primary(of, a, b, key, at)

            found = replication(blocks, a, b, test, level=self.level, conditional=self.conditional)
        said = (differences.remark,) if differences.rho is not None else ()
        return _Pair(
            a, b, float(x.mean()), float(y.mean()), primary, object_bootstrap(differences, self.level), len(positions),
            self._equivalence_p(primary), self._posterior(differences), (*remarks, *said, *primary.notes), found,
        )  # fmt: skip

    def _primary(self, arena: Arena, a: str, b: str, key: Key, positions: Positions) -> Primary | None:
        differences = self._differences(arena, a, b, key, positions)
        if np.isnan(differences.found.values).any():
            return None
        return primary_test(differences, level=self.level, test=self.test)

    def _differences(self, arena: Arena, a: str, b: str, key: Key, positions: Positions) -> Differences:
        found = arena.values(a, key, positions).minus(arena.values(b, key, positions))
        rho, remark = arena.rho(a, b, key, positions, self.correction)
        n_objects = arena.resampling.n_objects if arena.resampling else (0, 0)
        scale = Scale.of(key[1], n_objects).as_difference()
        return Differences(found, [arena.splits[j] for j in positions], rho, remark, arena.resampling, scale)

    def _equivalence_p(self, primary: Primary) -> float:
        """Return the larger p of the two one-sided tests; NaN without a margin or a variance."""
        if self.margin is None or not primary.se > 0:
            return math.nan
        t = (abs(primary.result.difference) - self.margin) / primary.se
        df = primary.result.df
        return float(special.ndtr(t) if math.isnan(df) else special.stdtr(df, t))

    def _posterior(self, d: Differences) -> tuple[float, float, float]:
        """Return the chances that a is better, that both are equivalent, that b is better; NaN without a rho."""
        if d.rho is None:
            return (math.nan, math.nan, math.nan)
        found = correlated_bayes_ttest(d.found.values, rho=d.rho, rope=self.rope)
        return found.p_a_better, found.p_equivalent, found.p_b_better


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


def _nothing(a: str, b: str, level: float, reason: str) -> _Pair:
    nan = math.nan
    test = TestResult(nan, nan, nan, level, nan, nan, nan, "corrected resampled t", "undefined")
    primary = Primary("corrected_t", test)
    return _Pair(a, b, nan, nan, primary, None, 0, nan, (nan, nan, nan), (reason,))


def _rows(family: Sequence[_Pair], common: Mapping[str, object], adjust: str, level: float, margin: float | None,
          notes: tuple[str, ...], correction: str) -> Iterator[dict[str, object]]:  # fmt: skip
    adjusted = adjust_p_values([pair.test.p_value for pair in family], adjust)
    equivalent = adjust_p_values([pair.margin_p for pair in family], adjust)
    n_tests = int(np.isfinite([pair.test.p_value for pair in family]).sum())
    for pair, p, p_equivalent in zip(family, adjusted, equivalent, strict=True):
        test, remarks = pair.test, [*notes, *pair.notes, *pair.replication.notes]
        low, high = float(np.clip(test.low, -1, 1)), float(np.clip(test.high, -1, 1))  # all METRICS are fractions
        if pair.bootstrap is not None:
            bounds = pair.bootstrap
            doubts = [note for note in bounds.notes if "replicate" in note] if bounds.status == "degenerate" else []
            doubtful = f" (doubtful: {', '.join(doubts)})" if doubts else ""
            remarks.append(f"object bootstrap [{bounds.low:.6g}, {bounds.high:.6g}]{doubtful}")
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
            "difference": test.difference, "low": low, "high": high, "test": pair.primary.name,
            "statistic": test.statistic, "df": test.df, "p_value": test.p_value, "p_adjusted": float(p),
            "n_tests": n_tests, "decision": decision, "p_a_better": pair.posterior[0],
            "p_equivalent": pair.posterior[1], "p_b_better": pair.posterior[2], "n_repeats": pair.n_repeats,
            "replicability": pair.replication.value, "replicability_low": pair.replication.low,
            "replicability_high": pair.replication.high,
            "correction": correction if pair.primary.name == "corrected_t" else "", "notes": "; ".join(remarks),
        }  # fmt: skip
        yield {column: row[column] for column in COMPARISON_COLUMNS}
